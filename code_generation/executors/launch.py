"""Builds the box around one run: started fresh as `python -s -P -S launch.py SPEC STATUS ANSWER`, standard library
only.

Level `full`: user (where not root), pid, mount, net, ipc and uts namespaces; a file system of its own that shows the
standard library and installed packages read-only and nothing else; a uid of its own; no capabilities, no new
privileges;
limits on CPU, memory, files, processes, disk. The candidate is a child of a small pid 1, whose end ends everything.
Level `weak`: a session of its own, a scrubbed environment and the limits; the file system and the network are open.

What is covered: see docs/safety.md for what each level holds back, and how that is checked at every start.
What is not covered: kernel exploits, CPU side channels; at `weak` also reading files, the network and same-user
processes.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import resource
import select
import signal
import stat
import struct
import sys
import time
from typing import Any

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 36, 38
MNT_DETACH = 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}
KEYCTL_JOIN_SESSION_KEYRING = 1
STACK = 112 << 20  # what the kernel leaves room for below the libraries
CANDIDATE_UID = 1_000_000  # plus the launcher's pid: a uid that no other run has

NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW flag
PR_SET_SECCOMP = 22
# ptrace; process_vm_readv, _writev; kcmp; pidfd_getfd; add_key, request_key, keyctl; bpf; io_uring (3); userfaultfd;
# perf_event_open; memfd_create, memfd_secret; shmget; semget; msgget; mq_open; unshare; setns; mount, umount2,
# pivot_root, chroot; open_tree to mount_setattr (7); swapon, swapoff; reboot; kexec (2); modules (3); acct;
# quotactl (2); open_by_handle_at; fanotify_init; settimeofday, clock_settime, adjtimex, clock_adjtime; syslog;
# execve, execveat
DENIED = {
    "x86_64": (101, 310, 311, 312, 438, 248, 249, 250, 321, 425, 426, 427, 323, 298, 319, 447, 29, 64, 68, 240, 272,
               308, 165, 166, 155, 161, 428, 429, 430, 431, 432, 433, 442, 167, 168, 169, 246, 320, 175, 313, 176, 163,
               179, 443, 304, 300, 164, 227, 159, 305, 103, 59, 322),
    "aarch64": (117, 270, 271, 272, 438, 217, 218, 219, 280, 425, 426, 427, 282, 241, 279, 447, 194, 190, 186, 180, 97,
                268, 40, 39, 41, 51, 428, 429, 430, 431, 432, 433, 442, 224, 225, 142, 104, 294, 105, 273, 106, 89, 60,
                443, 265, 262, 170, 112, 171, 266, 116, 221, 281),
}  # fmt: skip

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise OSError for a C call that failed."""
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Attach a file system, or change the flags of one; errors are raised."""
    args = (
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    check(libc.mount(*args), f"mount {target}")


def enter_namespaces() -> bool:
    """Leave the host's namespaces; the next child is pid 1 of its own. As root without a user namespace where that
    works.
    """
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    if os.geteuid() == 0 and libc.unshare(flags) == 0:
        return False
    uid, gid = os.geteuid(), os.getegid()
    check(libc.unshare(CLONE_NEWUSER | flags), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as f:
            f.write(text)
    return True


def build_root(base: str, visible: list[tuple[str, str]], limits: dict[str, Any]) -> None:
    """Make and enter a file system: `visible` (path, place) pairs read-only, a few devices, empty places to write."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, f"size={limits['disk_mb']}m,nr_inodes=16384,mode=755")
    for source, shown in visible:
        bind(source, base + shown)
    os.makedirs(f"{base}/dev", exist_ok=True)
    for name in ("null", "zero", "full", "random", "urandom"):
        bind(f"/dev/{name}", f"{base}/dev/{name}", read_only=False)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{base}/dev/{name}")
    os.symlink("/proc/self/fd", f"{base}/dev/fd")
    for name in ("box", "tmp", "var/tmp", "dev/shm"):
        os.makedirs(f"{base}/{name}", exist_ok=True)
        os.chmod(f"{base}/{name}", 0o1777)  # noqa: S103 - a world of its own
    os.makedirs(f"{base}/proc")
    try:
        mount("proc", f"{base}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2")
    except OSError:
        pass  # where /proc is masked (in containers) a new one is refused: the program goes without
    os.makedirs(f"{base}/old")
    check(libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], os.fsencode(base), os.fsencode(f"{base}/old")), "pivot_root")
    os.chdir("/")
    check(libc.umount2(b"/old", MNT_DETACH), "umount")
    os.rmdir("/old")


def bind(source: str, target: str, *, read_only: bool = True) -> None:
    """Show a file or folder of the host at another place; a symbolic link is made again."""
    try:
        mode = os.lstat(source).st_mode
    except OSError:
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(source), target)
        return
    if stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(source, target, "", MS_BIND | MS_REC)
    if read_only:
        kept = os.statvfs(target).f_flag & (MS_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME)  # locked in a user namespace
        mount("none", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | kept)


def drop_rights(uid: int | None) -> None:
    """Give up every privilege for good. None keeps the uid (inside a user namespace there is only one)."""
    for capability in range(64):  # first, while there is the right to do so
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    check(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self/fd, and with it /dev/stdin, is closed to the program


def filter_calls() -> None:
    """Refuse system calls that no program of this kind needs and that reach around the box; for good."""
    machine = os.uname().machine
    arch = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    allow, refuse, absent = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: word at, ==, >=, &, return
    nr, arch_at, first_argument = 0, 4, 16
    clone, clone3, socket_nr = {"x86_64": (56, 435, 41), "aarch64": (220, 435, 198)}[machine]
    program = [(load, 0, 0, arch_at), (equal, 1, 0, arch), (give, 0, 0, refuse), (load, 0, 0, nr)]
    if machine == "x86_64":
        program += [(at_least, 0, 1, 0x40000000), (give, 0, 0, refuse)]  # the x32 numbers
    for number in DENIED[machine]:
        program += [(equal, 0, 1, number), (give, 0, 0, refuse)]
    program += [(equal, 0, 1, clone3), (give, 0, 0, absent)]  # its flags can't be seen here; libraries fall back
    program += [(equal, 0, 4, clone), (load, 0, 0, first_argument), (any_bit, 0, 1, NEW_NAMESPACES)]
    program += [(give, 0, 0, refuse), (give, 0, 0, allow)]
    program += [(equal, 0, 5, socket_nr), (load, 0, 0, first_argument)]
    program += [(equal, 3, 0, 1), (equal, 2, 0, 2), (equal, 1, 0, 10), (give, 0, 0, refuse)]  # unix, inet, inet6
    program += [(give, 0, 0, allow)]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    check(libc.prctl(PR_SET_SECCOMP, 2, ctypes.create_string_buffer(header, len(header)), 0, 0), "seccomp")


def set_limits(limits: dict[str, Any]) -> None:
    """Cap what every process of the run may use."""
    mib = 1 << 20
    seconds = int(limits["timeout_s"]) + 1  # only a backstop: the time that was used decides
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, limits["memory_mb"] * mib, limits["memory_mb"] * mib),
        (resource.RLIMIT_FSIZE, limits["output_mb"] * mib, limits["output_mb"] * mib),
        (resource.RLIMIT_NPROC, limits["processes"], limits["processes"]),
        (resource.RLIMIT_NOFILE, 256, 256),
        (resource.RLIMIT_STACK, STACK, STACK),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        ceiling = resource.getrlimit(kind)[1]
        allowed = ceiling if ceiling != resource.RLIM_INFINITY else sys.maxsize
        resource.setrlimit(kind, (min(soft, allowed), min(hard, allowed)))


def candidate(spec: dict[str, Any], answer_fd: int, uid: int | None, old_mask: set[Any]) -> int:
    """In the child: become the candidate. Returns its exit status; the interpreter then ends as usual."""
    os.setsid()
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
    if answer_fd != 3:
        os.dup2(answer_fd, 3)
    os.closerange(4, 4096)
    os.chdir(spec["work"])
    os.environ["HOME"] = spec["work"]
    if spec["level"] == "full":
        drop_rights(uid)
    else:
        check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    set_limits(spec["limits"])
    filter_calls()
    sys.path[:] = [p for p in sys.path if p and p != spec["here"]] + spec["packages"]
    for name in ("inside", "inside_check"):
        if spec[name] is not None:
            module = sys.modules[name] = type(sys)(name)
            exec(spec[name], module.__dict__)  # noqa: S102 - our own file, compiled by the grader
    status: int = sys.modules["inside"].run(spec.pop("job"), 3)
    return status


def supervise(spec: dict[str, Any], answer_fd: int, status_fd: int, uid: int | None) -> int:
    """Run the candidate as a child, wait for its end or the limit, then end and reap all it left. Returns in the
    child.
    """
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    started = time.monotonic()
    deadline = started + spec["wall_s"]
    child = os.fork()
    if child == 0:
        return candidate(spec, answer_fd, uid, old_mask)
    exit_status = None
    while exit_status is None and (left := deadline - time.monotonic()) > 0:
        signal.sigtimedwait({signal.SIGCHLD}, left)
        exit_status = reap(child, os.WNOHANG)
    wall_s = time.monotonic() - started
    timed_out = exit_status is None
    end_all(spec["level"])
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    status = {
        "exit": os.waitstatus_to_exitcode(exit_status) if exit_status is not None else None,
        "timed_out": timed_out,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": wall_s,
        "memory_mb": usage.ru_maxrss / 1024,
    }
    os.write(status_fd, repr(status).encode())
    os._exit(0)


def reap(child: int | None, flags: int) -> int | None:
    """Collect ended processes; the raw exit status of `child` if it is among them, else None."""
    found = None
    while True:
        try:
            pid, raw = os.waitpid(-1, flags)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = raw


def end_all(level: str) -> None:
    """Kill and reap every process of the run. In a pid namespace one call reaches all; else descendants are hunted."""
    if level == "full":
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        reap(None, 0)
        return
    for _ in range(1000):
        children = descendants(os.getpid())
        if not children:
            break
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        reap(None, os.WNOHANG)
        time.sleep(0.002)


def descendants(root: int) -> set[int]:
    """Pids below a process, from /proc; zombies that wait for this process included."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    parents[int(name)] = int(f.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                pass
    found, grew = {root}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grew = bool(more)
    return found - {root}


def main() -> int:
    """Read the spec, build the box, run; only the candidate's process returns from here."""
    spec_fd, status_fd, answer_fd = map(int, sys.argv[1:4])
    with os.fdopen(spec_fd, "rb") as f:
        spec = marshal.load(f)  # noqa: S302 - from the process that started this one, and nobody else
    try:
        libc.syscall(SYS_KEYCTL[os.uname().machine], KEYCTL_JOIN_SESSION_KEYRING, 0)  # leaves the user's keys behind
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != spec["parent"]:
            os._exit(1)
        uid = None
        if spec["level"] == "full":
            alive, mine = os.pipe()
            if not enter_namespaces():
                uid = CANDIDATE_UID + os.getpid()
            libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # not before: it closes /proc/self, where the ids are mapped
            first = os.fork()
            if first:
                os.close(alive)
                os.waitpid(first, 0)
                os._exit(0)
            os.close(mine)
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if select.select([alive], [], [], 0)[0]:
                os._exit(1)  # the launcher died before the line above took hold
            build_root(spec["base"], spec["visible"], spec["limits"])
        else:
            libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except OSError as e:
        os.write(status_fd, repr({"setup_error": str(e)}).encode())
        os._exit(1)
    return supervise(spec, answer_fd, status_fd, uid)


if __name__ == "__main__":
    sys.exit(main())
