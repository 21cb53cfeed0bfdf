"""What a program can't get past, one class a level; standard library only, used by `zygote` alone.

Level `full`: user (where not root), pid, mount, net, ipc and uts namespaces; a file system of its own that shows the
standard library and installed packages read-only and nothing else; a uid of its own; no capabilities, no new
privileges; a filter on system calls. The zygote is pid 1 of it, whose end ends everything.
Level `restricted`, which needs no privileges: landlock shows the same files; the filter on system calls refuses
sockets, new processes, signals to others, and changes of a file's owner, mode or times do nothing.
Level `weak`: the same without landlock; all files of the user are open.

What is covered: docs/safety.md says what each level holds back; the executor tries it at every start.
What is not covered: kernel exploits, CPU side channels; at `restricted` that files exist (not what is in them); at
`weak` also reading and writing files.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import stat
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from code_generation.sandbox import usage
    from code_generation.sandbox.removing import remove_tree
    from code_generation.sandbox.syscalls import install_filter
else:
    import usage
    from removing import remove_tree
    from syscalls import install_filter

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18,
)  # fmt: skip
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
MNT_DETACH = 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}
KEYCTL_JOIN_SESSION_KEYRING = 1
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION = 1  # flag of create: only say the version
LANDLOCK_TRUNCATES, LANDLOCK_IOCTLS = 3, 5  # the versions that see truncation and device ioctls
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
RULES_FD = 100  # or the next one that is free: out of the way of those that a candidate gets
CANDIDATE_UID = 1_000_000  # plus the zygote's pid on the host: a uid that no other zygote has
OOM_SCORE = "500"
"""Where the machine runs out of memory, a test goes first."""
MOUNT_POINTS = ("/mnt", "/media", "/srv", "/sys", "/opt")
"""Folders to build the new root over: nothing is written there, and it is seen by nobody outside."""
PLACE = "/box/"
WRITABLE = ("home", "tmp", "vartmp", "shm")
LINKS = {"tmp": "/box/tmp", "var/tmp": "/box/vartmp", "dev/shm": "/box/shm"}
MOST_FILES = 16384
"""Files in the writable place at a time."""

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    """Raise OSError for a C call that failed."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Attach a file system, or change the flags of one; errors are raised."""
    names = os.fsencode(source), os.fsencode(target), kind.encode() or None
    check(libc.mount(*names, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def leave_session() -> None:
    """Before anything else: no keys of the user's, first in line where memory runs out."""
    libc.syscall(SYS_KEYCTL[os.uname().machine], KEYCTL_JOIN_SESSION_KEYRING, 0)
    try:
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write(OOM_SCORE)
    except OSError:
        pass


def drop_capabilities() -> None:
    """Give up every capability of this process."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    check(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def forbid_new_privileges() -> None:
    """No capability can come back, by no road."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused where there is none to drop
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


# ---------------------------------------------------------------------------------------------------- full


class Full:
    """Namespaces around a pid 1."""

    home = PLACE + "home"

    def __init__(self, spec: dict[str, Any]) -> None:
        self.visible: list[tuple[str, str]] = spec["visible"]
        self.uid: int | None = None
        self.size_mb = 0
        self.untouched: list[Any] = []
        leave_session()

    def enter(self, inherited: list[int]) -> None:
        """Become pid 1 of a world of its own; returns in a child of the process that called. Raises OSError."""
        alive, mine = os.pipe()
        if not enter_namespaces():
            self.uid = CANDIDATE_UID + os.getpid()
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # not before: it closes /proc/self, where the ids are mapped
        first = os.fork()
        if first:
            for fd in (alive, *inherited):
                os.close(fd)
            os.waitpid(first, 0)
            os._exit(0)
        os.close(mine)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if not _is_open(alive):
            os._exit(1)  # the first process died before the line above took hold
        os.close(alive)
        build_root(self.visible)
        self.clean(1)
        forbid_new_privileges()
        install_filter(alone=False)

    def confine(self) -> None:
        """In the child: give up what the zygote may."""
        os.chdir(self.home)
        if self.uid is None:  # in a user namespace there is only one
            drop_capabilities()
        else:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)
            os.setresuid(self.uid, self.uid, self.uid)

    def end_all(self, child: int) -> bool:
        """Kill every process of this world but this one, in one call that none can slip past; whether there was one."""
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def clean(self, disk_mb: int) -> None:
        """See to it that the place to write is empty, untouched and of this size."""
        if disk_mb == self.size_mb and self._state() == self.untouched:
            return
        if self.size_mb:
            check(libc.umount2(PLACE.encode(), MNT_DETACH), "umount")
        mount("tmpfs", PLACE, "tmpfs", MS_NOSUID | MS_NODEV, f"size={disk_mb}m,nr_inodes={MOST_FILES},mode=755")
        for name in WRITABLE:
            os.mkdir(PLACE + name)
            os.chmod(PLACE + name, 0o1777)  # noqa: S103 - a world of its own
        self.size_mb = disk_mb
        self.untouched = self._state()

    def _state(self) -> list[Any]:
        """What changes when something is written, or when the owner of a folder changes it."""
        space = os.statvfs(PLACE)
        if self.uid is not None:  # the folders are root's, what is in them is counted
            return [space.f_bfree, space.f_ffree]
        folders = [os.stat(PLACE + name) for name in ("", *WRITABLE)]
        return [space.f_bfree, space.f_ffree, *((s.st_mode, s.st_mtime_ns, s.st_ctime_ns) for s in folders)]

    def processes(self, child: int) -> list[int]:
        """Pids of the test; empty where there is no /proc to see them in."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]

    def disk_is_full(self, child: int, disk_mb: int) -> bool:
        """Never: the file system itself has a size."""
        return False


def _is_open(pipe: int) -> bool:
    """Whether the other end of a pipe, to which nothing is ever written, is still there."""
    os.set_blocking(pipe, False)
    try:
        os.read(pipe, 1)
    except BlockingIOError:
        return True
    return False


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


def build_root(visible: list[tuple[str, str]]) -> None:
    """Make and enter a file system: `visible` (path, place) pairs read-only, a few devices, one place to write."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    taken = [f"{path}/" for path, _ in visible]
    base = next((p for p in MOUNT_POINTS if os.path.isdir(p) and not any(t.startswith(f"{p}/") for t in taken)), None)
    if base is None:
        raise OSError(f"no folder to build a root over: tried {', '.join(MOUNT_POINTS)}")
    mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for source, shown in visible:
        bind(source, base + shown)
    os.makedirs(f"{base}/dev", exist_ok=True)
    for name in ("null", "zero", "full", "random", "urandom"):
        bind(f"/dev/{name}", f"{base}/dev/{name}", read_only=False)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{base}/dev/{name}")
    os.symlink("/proc/self/fd", f"{base}/dev/fd")
    os.makedirs(f"{base}/var", exist_ok=True)
    for link, target in LINKS.items():
        os.symlink(target, f"{base}/{link}")
    for name in (PLACE.strip("/"), "proc", "old"):
        os.mkdir(f"{base}/{name}")
    try:
        mount("proc", f"{base}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2")
    except OSError:
        pass  # where /proc is masked (in containers) a new one is refused: the program goes without
    check(libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], os.fsencode(base), os.fsencode(f"{base}/old")), "pivot_root")
    os.chdir("/")
    check(libc.umount2(b"/old", MNT_DETACH), "umount")
    os.rmdir("/old")
    mount("none", "/", "", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


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


# ---------------------------------------------------------------------------------------------------- restricted, weak


class Weak:
    """The same user in a folder of its own; a run is one process, which can't reach others."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.visible: list[tuple[str, str]] = spec["visible"]
        self.place: str = spec["work"]
        self.home, self.temporary = os.path.join(self.place, "home"), os.path.join(self.place, "tmp")
        leave_session()

    def enter(self, inherited: list[int]) -> None:
        """Make the folder to work in. Raises OSError."""
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        os.environ["TMPDIR"] = self.temporary
        self.clean(0)
        forbid_new_privileges()

    def confine(self) -> None:
        """In the child: no privileges, no other processes, no network."""
        os.chdir(self.home)
        drop_capabilities()
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # lets the zygote see which files it has open
        install_filter(alone=True)

    def end_all(self, child: int) -> bool:
        """Kill the one process there is, unless it is gone."""
        if child:
            os.kill(child, signal.SIGKILL)
        return False

    def clean(self, disk_mb: int) -> None:
        """Empty the work folder."""
        if self._is_clean():
            return
        for name in os.listdir(self.place):
            path = os.path.join(self.place, name)
            if os.path.isdir(path) and not os.path.islink(path):
                remove_tree(path)
            else:
                os.unlink(path)
        for folder in (self.home, self.temporary):
            os.mkdir(folder, 0o700)

    def _is_clean(self) -> bool:
        try:
            made = [os.lstat(p) for p in (self.home, self.temporary)]
            return (
                all(stat.S_ISDIR(s.st_mode) and stat.S_IMODE(s.st_mode) == 0o700 for s in made)
                and len(os.listdir(self.place)) == len(made)
                and not os.listdir(self.home) + os.listdir(self.temporary)
            )
        except OSError:
            return False

    def processes(self, child: int) -> list[int]:
        """The one process there is."""
        return [child]

    def disk_is_full(self, child: int, disk_mb: int) -> bool:
        """Whether a run keeps more in files than it may."""
        return usage.size_below(self.place, disk_mb << 20) + usage.size_unnamed(child) > disk_mb << 20


class Restricted(Weak):
    """Landlock besides: a program sees the libraries and its folder, and no other file."""

    def enter(self, inherited: list[int]) -> None:
        """Say which files a run may see. Raises OSError where this kernel has no landlock that is good enough."""
        version = libc.syscall(SYS_LANDLOCK_CREATE, None, 0, LANDLOCK_VERSION)
        if version < LANDLOCK_TRUNCATES:
            raise OSError(f"landlock of version {LANDLOCK_TRUNCATES} or later is needed (Linux 6.2)")
        super().enter(inherited)
        everything = (1 << 15) - 1 | (IOCTL_DEV if version >= LANDLOCK_IOCTLS else 0)
        made = check(libc.syscall(SYS_LANDLOCK_CREATE, struct.pack("=Q", everything), 8, 0), "landlock")
        self.rules = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, RULES_FD)
        os.close(made)
        for source, _ in self.visible:
            self._allow(source, READ_FILE | READ_DIR | EXECUTE)
        for name in ("null", "zero", "full", "random", "urandom"):
            self._allow(f"/dev/{name}", READ_FILE | WRITE_FILE)
        self._allow(self.place, everything & ~IOCTL_DEV)

    def _allow(self, path: str, rights: int) -> None:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
        check(libc.syscall(SYS_LANDLOCK_ADD, self.rules, 1, struct.pack("=Qi", rights, fd), 0), f"landlock {path}")
        os.close(fd)

    def confine(self) -> None:
        """In the child: no other files either."""
        check(libc.syscall(SYS_LANDLOCK_RESTRICT, self.rules, 0), "landlock")
        os.close(self.rules)
        super().confine()


LEVELS: dict[str, type[Full | Weak]] = {"full": Full, "restricted": Restricted, "weak": Weak}
