"""The filter on system calls (seccomp): what no program of this kind needs and what reaches around the box is refused.

What is covered: calls that look into other processes, that make namespaces or mounts, that hold memory outside of the
limits, that start other executables; with `alone`, for a box without namespaces, also starting processes, sockets,
signals to others, watching files; and changes of a file's owner, mode, times or attributes, which landlock does not
see, do nothing.
What is not covered: holes in the calls that are left.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

REFUSED = """
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272, pidfd_getfd 438 438
process_madvise 440 440, process_mrelease 448 448, migrate_pages 256 238, move_pages 279 239
add_key 248 217, request_key 249 218, keyctl 250 219
bpf 321 280, io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, userfaultfd 323 282
perf_event_open 298 241, memfd_create 319 279, memfd_secret 447 447
shmget 29 194, shmat 30 196, shmctl 31 195, shmdt 67 197, semget 64 190, semop 65 193, semctl 66 191
semtimedop 220 192, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187, mq_open 240 180, mq_unlink 241 181
mq_timedsend 242 182, mq_timedreceive 243 183, mq_notify 244 184, mq_getsetattr 245 185
unshare 272 97, setns 308 268, pivot_root 155 41, chroot 161 51, open_tree 428 428, move_mount 429 429, fsopen 430 430
fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442, open_by_handle_at 304 265
swapon 167 224, swapoff 168 225, reboot 169 142, kexec_load 246 104, kexec_file_load 320 294, init_module 175 105
finit_module 313 273, delete_module 176 106, acct 163 89, quotactl 179 60, quotactl_fd 443 443, fanotify_init 300 262
settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266, syslog 103 116
ioprio_set 251 30, vhangup 153 58, execve 59 221, execveat 322 281
"""
"""Name, number on x86-64, number on 64-bit Arm."""

REFUSED_ALONE = """
mount 165 40, umount2 166 39, fork 57 -, vfork 58 -
connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242, sendmsg 46 211, sendmmsg 307 269
tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, pidfd_send_signal 424 424, pidfd_open 434 434
inotify_init 253 -, inotify_init1 294 26, inotify_add_watch 254 27
"""

PRETENDED_ALONE = """
chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, fchown 93 55, lchown 94 -, fchownat 260 54
setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, setxattrat 463 463, removexattr 197 14, lremovexattr 198 15
fremovexattr 199 16, removexattrat 466 466, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88
file_setattr 469 469, flock 73 32
"""
"""Calls that do nothing and say that they did: honest programs make them in passing, and landlock lets them through."""

ONLY_ITSELF = """
sched_setparam 142 118, sched_setscheduler 144 119, sched_setaffinity 203 122, sched_setattr 314 274, prlimit64 302 261
"""
"""Allowed where the first argument, a process id, is 0."""

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE, CLONE3, SETPRIORITY, SOCKET, KILL, TGKILL, SENDTO, FCNTL, IOCTL = (
    (56, 220), (435, 435), (141, 140), (41, 198), (62, 129), (234, 131), (44, 206), (72, 25), (16, 29),
)  # fmt: skip
CLONE_THREAD = 0x10000
NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW flag
UNIX, INET, INET6 = 1, 2, 10
F_SETOWN, F_SETOWN_EX, F_SETLEASE, F_NOTIFY = 8, 15, 1024, 1026  # signals to others, hold on files of others
HARMLESS_IOCTLS = 0x5451, 0x5450, 0x5421, 0x541B, 0x5401, 0x5413  # close-on-exec, non-blocking, sizes, terminal
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

LOAD, EQUAL, AT_LEAST, ANY_BIT, GIVE = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: word at, ==, >=, &, return
ALLOW, REFUSE, ABSENT, PRETEND = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x00050000
NUMBER_AT, ARCH_AT, ARGUMENTS_AT = 0, 4, 16

Code = list[tuple[int, int, int, int]]
"""BPF instructions: operation, steps to jump where true and where false, operand."""


def install_filter(*, alone: bool) -> None:
    """Refuse calls from now on, in this process and all that come from it; needs no_new_privs. `alone`: see above."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in filter_code(alone=alone))
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def filter_code(*, alone: bool) -> Code:
    """The filter as a program for the kernel's packet-filter machine."""
    column = list(ARCH).index(os.uname().machine)
    code: Code = [(LOAD, 0, 0, ARCH_AT), (EQUAL, 1, 0, ARCH[os.uname().machine]), (GIVE, 0, 0, REFUSE)]
    code += [(LOAD, 0, 0, NUMBER_AT)]
    if os.uname().machine == "x86_64":
        code += [(AT_LEAST, 0, 1, 0x40000000), (GIVE, 0, 0, REFUSE)]  # the x32 numbers
    for number in numbers(REFUSED + (REFUSED_ALONE if alone else ""), column):
        code += when(number, [(GIVE, 0, 0, REFUSE)])
    code += when(CLONE3[column], [(GIVE, 0, 0, ABSENT)])  # its flags can't be seen here; libraries fall back on clone
    for number in numbers(ONLY_ITSELF, column):
        code += when(number, only(0, (0,)))
    code += when(SETPRIORITY[column], only(0, (0,))[:-1] + only(1, (0,)))
    cloned = [(LOAD, 0, 0, ARGUMENTS_AT), (ANY_BIT, 0, 1, NEW_NAMESPACES), (GIVE, 0, 0, REFUSE)]
    if not alone:
        code += when(FCNTL[column], never(1, (F_SETLEASE,)))
        code += when(CLONE[column], [*cloned, (GIVE, 0, 0, ALLOW)])
        code += when(SOCKET[column], only(0, (UNIX, INET, INET6)))
        return [*code, (GIVE, 0, 0, ALLOW)]
    code += when(CLONE[column], [*cloned, (ANY_BIT, 1, 0, CLONE_THREAD), (GIVE, 0, 0, REFUSE), (GIVE, 0, 0, ALLOW)])
    code += when(SOCKET[column], [(GIVE, 0, 0, REFUSE)])
    for number in (KILL[column], TGKILL[column]):
        code += when(number, only(0, (os.getpid(),)))
    for half in (0, 4):  # of a pointer
        code += when(
            SENDTO[column], [(LOAD, 0, 0, ARGUMENTS_AT + 8 * 4 + half), (EQUAL, 1, 0, 0), (GIVE, 0, 0, REFUSE)]
        )
        code += [(LOAD, 0, 0, NUMBER_AT)]
    for number in numbers(PRETENDED_ALONE, column):
        code += when(number, [(GIVE, 0, 0, PRETEND)])
    code += when(FCNTL[column], never(1, (F_SETOWN, F_SETOWN_EX, F_SETLEASE, F_NOTIFY)))
    code += when(IOCTL[column], only(1, HARMLESS_IOCTLS))
    return [*code, (GIVE, 0, 0, ALLOW)]


def numbers(table: str, column: int) -> list[int]:
    """System-call numbers of one machine from a table; those that it does not have are left out."""
    rows = [entry.split() for line in table.strip().splitlines() for entry in line.split(",") if entry.strip()]
    return [int(row[1 + column]) for row in rows if row[1 + column] != "-"]


def when(number: int, body: Code) -> Code:
    """Instructions for one system call; a `body` that gives no decision goes on with what follows."""
    return [(EQUAL, 0, len(body), number), *body]


def only(argument: int, allowed: tuple[int, ...]) -> Code:
    """Allow a call where the low word of an argument has one of these values."""
    tests = [(EQUAL, len(allowed) - i, 0, value) for i, value in enumerate(allowed)]
    return [(LOAD, 0, 0, ARGUMENTS_AT + 8 * argument), *tests, (GIVE, 0, 0, REFUSE), (GIVE, 0, 0, ALLOW)]


def never(argument: int, refused: tuple[int, ...]) -> Code:
    """Refuse a call where the low word of an argument has one of these values."""
    tests = [(EQUAL, len(refused) - i, 0, value) for i, value in enumerate(refused)]
    return [(LOAD, 0, 0, ARGUMENTS_AT + 8 * argument), *tests, (GIVE, 0, 0, ALLOW), (GIVE, 0, 0, REFUSE)]
