"""The process that tests are forked from: started fresh as `python -s -P -S zygote.py SPEC CONTROL`, standard library
only.

It builds its walls once, imports what programs import, and then for every run it is asked for: forks, waits, kills and
reaps whatever the run started, empties the place to write, and reports exit status and usage. A fork of a small process
costs a tenth of starting Python; nothing a run does reaches the zygote's memory, and the next run starts from it.

A request is one message: the limits, and five file descriptors (job, stdin, stdout, stderr, answers; all memory files).
The report is one message too; a text says what went wrong. No candidate has a descriptor of the control socket.

What is covered: the limits on wall time, CPU, memory (of a process and of all together), processes, open files, output
and disk; the end of everything that was started. What is not covered: see `walls`.
"""

from __future__ import annotations

import _signal
import _socket
import gc
import marshal
import os
import resource
import select
import signal
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from code_generation.sandbox import inside, usage, walls

    Level = walls.Full | walls.Weak
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import inside
    import inside_check  # noqa: F401 - for programs of the kind `check`
    import usage
    import walls

    del sys.path[0]

STACK = 112 << 20  # what the kernel leaves room for below the libraries
ANSWER_FD = 3
CONTROL_FD = 99  # out of the way of those that a candidate gets
MOST_FDS = 128
REQUEST_CAP = 1 << 16
FDS = struct.Struct("5i")
FDS_SPACE = _socket.CMSG_SPACE(FDS.size)
FIRST_LOOK_MS, LOOK_MS = 50, 100
"""How soon and how often a run that takes its time is looked at."""

PRELOAD = (
    "bisect", "collections", "copy", "datetime", "functools", "heapq", "itertools", "json", "linecache", "math",
    "operator", "random", "re", "string", "traceback", "typing", "_sitebuiltins",
)  # fmt: skip
"""What programs of this kind import most. Nothing that imports `threading`, whose hook makes a fork twice as dear."""


def main() -> None:
    """Build the walls and serve."""
    spec_fd, control_fd = map(int, sys.argv[1:3])
    with os.fdopen(spec_fd, "rb") as f:
        spec = marshal.load(f)  # noqa: S302 - from the process that started this one, and nobody else
    os.dup2(control_fd, CONTROL_FD, inheritable=False)
    os.close(control_fd)
    control = _socket.socket(fileno=CONTROL_FD)
    level = walls.LEVELS[spec["level"]](spec)
    broken = os.memfd_create("broken")  # where a child says why it did not get as far as the candidate's code
    try:
        level.enter([CONTROL_FD])
    except OSError as e:
        control.send(marshal.dumps(str(e)))
        os._exit(1)
    sys.path[:] = [p for p in sys.path if p] + spec["packages"]
    os.environ["HOME"] = level.home
    preload((*PRELOAD, *spec["preload"]))
    sys.setrecursionlimit(inside.RECURSION_LIMIT)
    inside.add_site_builtins()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a handler would make pid 1 listen to its children
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_STACK, STACK), (resource.RLIMIT_NOFILE, MOST_FDS)):
        resource.setrlimit(kind, lowered(kind, most, most))
    spec.clear()
    sys.argv = ["main.py"]
    gc.collect()
    gc.freeze()
    gc.disable()
    control.send(marshal.dumps(()))
    serve(control, level, broken)


def preload(names: tuple[str, ...]) -> None:
    """Import what programs import. The hook by which `random` seeds itself in each fork is left out: `inside` does that
    for code that uses it.
    """
    register, os.register_at_fork = os.register_at_fork, lambda **_: None
    for name in names:
        try:
            __import__(name)
        except ImportError:
            pass  # a package that is not installed: the candidate's import will say so
    os.register_at_fork = register


def serve(control: _socket.socket, level: Level, broken: int) -> None:
    """Fork a run for every request until the other side hangs up; a forked process does not return.

    After a fork each page that this process writes to costs a fault: what is done for every run is kept short.
    """
    events = select.poll()
    events.register(control.fileno(), select.POLLIN)
    known: bytes = b""
    limits: dict[str, Any] = {}
    ceilings: list[tuple[int, tuple[int, int]]] = []
    while True:
        data, ancillary, _, _ = control.recvmsg(REQUEST_CAP, FDS_SPACE)
        if not data:
            os._exit(0)
        if data != known:
            known, limits = data, marshal.loads(data)  # noqa: S302 - from the grader
            ceilings = kernel_limits(limits, level)
        fds = FDS.unpack(ancillary[0][2])
        report: Any = None  # that of the last run is not for the next one to find
        try:
            level.clean(limits["disk_mb"])
            child = os.fork()
        except OSError as e:
            report = str(e)
        else:
            if child == 0:
                try:
                    job = become_candidate(level, ceilings, fds)
                except BaseException as e:
                    os.write(broken, repr(e).encode())
                    os._exit(1)
                os.closerange(ANSWER_FD + 1, MOST_FDS)
                inside.run(job, ANSWER_FD)
            report = watch(child, limits, level, events)
            if os.lseek(broken, 0, os.SEEK_END):
                report = os.pread(broken, REQUEST_CAP, 0).decode()
                os.ftruncate(broken, 0)
        for fd in fds:
            os.close(fd)
        control.send(marshal.dumps(report))


def become_candidate(level: Level, ceilings: list[tuple[int, tuple[int, int]]], fds: tuple[int, ...]) -> dict[str, Any]:
    """In the child: take the descriptors, the walls and the limits; the job that is to be run then."""
    job_fd, stdin, stdout, stderr, answers = fds
    job: dict[str, Any] = marshal.loads(os.pread(job_fd, os.lseek(job_fd, 0, os.SEEK_END), 0))  # noqa: S302 - from the grader
    os.setsid()
    _signal.signal(signal.SIGINT, _signal.default_int_handler)  # the module signal would look it up in its enums
    for place, fd in enumerate((stdin, stdout, stderr)):
        os.dup2(fd, place)
    if answers != ANSWER_FD:
        os.dup2(answers, ANSWER_FD, inheritable=False)
    level.confine()
    for kind, ceiling in ceilings:
        resource.setrlimit(kind, ceiling)
    gc.enable()
    return job


def kernel_limits(limits: dict[str, Any], level: Level) -> list[tuple[int, tuple[int, int]]]:
    """What the kernel is to hold a run to; lower limits that this process has already stay."""
    seconds = int(limits["cpu_s"]) + 1  # only a backstop: the time that was used decides
    wanted = [
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, limits["memory_mb"] << 20, limits["memory_mb"] << 20),
        (resource.RLIMIT_FSIZE, limits["output_mb"] << 20, limits["output_mb"] << 20),
    ]
    if isinstance(level, walls.Full):  # else the user has other processes, which count
        wanted.append((resource.RLIMIT_NPROC, limits["processes"], limits["processes"]))
    return [(kind, lowered(kind, soft, hard)) for kind, soft, hard in wanted]


def lowered(kind: int, soft: int, hard: int) -> tuple[int, int]:
    """Soft and hard limit, no higher than this process may set them."""
    ceiling = resource.getrlimit(kind)[1]
    allowed = ceiling if ceiling != resource.RLIM_INFINITY else sys.maxsize
    return min(soft, allowed), min(hard, allowed)


def watch(child: int, limits: dict[str, Any], level: Level, events: select.poll) -> tuple[Any, ...]:
    """Wait for the run's end or a limit, then end and reap all it left.

    Returns what stopped it ("" where it ended by itself), its exit code, CPU seconds and wall-clock seconds of the run,
    the peak resident memory of its largest process in KiB.
    """
    started = time.monotonic()
    pidfd = os.pidfd_open(child)
    events.register(pidfd, select.POLLIN)
    stopped = ""
    if events.poll(FIRST_LOOK_MS) != [(pidfd, select.POLLIN)]:
        stopped = look_after(child, limits, level, events, started)
    wall_s = time.monotonic() - started
    events.unregister(pidfd)
    os.close(pidfd)
    if stopped:
        level.end_all(child)
    elif level.disk_is_full(child, limits["disk_mb"]):
        stopped = "disk"
    _, status, used = os.wait4(child, 0)
    cpu_s, memory_kb = used.ru_utime + used.ru_stime, used.ru_maxrss
    while level.end_all(0):
        try:
            _, _, used = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu_s += used.ru_utime + used.ru_stime
        memory_kb = max(memory_kb, used.ru_maxrss)
    return stopped, os.waitstatus_to_exitcode(status), cpu_s, wall_s, memory_kb


def look_after(child: int, limits: dict[str, Any], level: Level, events: select.poll, started: float) -> str:
    """Look at a run that takes its time until it ends or is past a limit: which one, "" for none."""
    ran: dict[int, float] = {}  # also of processes whose end is never reported to anybody
    while True:
        over_s = max(0.0, sum(ran.values()) - limits["busy_s"])  # who may use more CPU time has the time for it
        left_ms = (started + limits["wall_s"] + over_s - time.monotonic()) * 1000
        for fd, _ in events.poll(max(0, min(LOOK_MS, left_ms))):
            if fd != CONTROL_FD:
                return ""
            level.end_all(child)  # the grader is gone
            os._exit(1)
        if broken := broken_limit(child, limits, level, ran):
            return broken
        if left_ms <= 0:
            return "starved" if is_starved(child, limits["wall_s"], level) else "time"


def broken_limit(child: int, limits: dict[str, Any], level: Level, ran: dict[int, float]) -> str:
    """Which limit that the kernel does not watch, or not soon enough, a run has passed; empty where none."""
    pids, threads = level.processes(child), 0
    for pid in {*pids, child}:
        times = usage.times_s(pid)
        threads += len(times)
        ran[pid] = max(ran.get(pid, 0.0), sum(t for t, _ in times))
    if sum(ran.values()) > limits["cpu_s"]:
        return "time"
    if level.disk_is_full(child, limits["disk_mb"]):
        return "disk"
    if max(len(pids), threads) > limits["processes"]:
        return "processes"
    return "memory" if len(pids) > 1 and too_big(pids, limits["memory_mb"]) else ""


def is_starved(child: int, wall_s: float, level: Level) -> bool:
    """Whether others, and not the run itself, kept it from getting done: one process and never another, with one busy
    thread that was always ready to run and was not let for a good part of the time.
    """
    threads = sorted(usage.times_s(child))
    if not threads or len(level.processes(child)) > 1 or not usage.is_ordinary(child):
        return False
    if isinstance(level, walls.Full) and usage.last_pid() != child + len(threads) - 1:
        return False
    ran, waited = threads.pop()
    mostly, hardly = 0.8 * wall_s, 0.1 * wall_s
    return ran + waited > mostly and waited > hardly and sum(other for other, _ in threads) < hardly


def too_big(pids: list[int], memory_mb: int) -> bool:
    """Whether several processes together hold more memory than one may."""
    return usage.resident_mb(pids) > memory_mb and usage.proportional_mb(pids) > memory_mb


if __name__ == "__main__":
    main()
