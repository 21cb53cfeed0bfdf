"""The process that tests are forked from: started fresh as `python -s -P -S zygote.py SPEC CONTROL`, standard library
only.

It builds its walls once, imports what programs import, and then for every run it is asked for: forks, waits, kills and
reaps whatever the run started, empties the place to write, and reports exit status and usage. A fork of a small process
costs a tenth of starting Python; nothing a run does reaches the zygote's memory, and the next run starts from it.

A request is one message: the limits, and six file descriptors (job, stdin, stdout, stderr, answers; all memory files).
The report is one message too. The candidate has no descriptor of the control socket, so it can't write one.

What is covered: the limits on wall time, CPU, memory (of a process and of all together), processes, open files, output
and disk; the end of everything that was started. What is not covered: see `walls`.
"""

from __future__ import annotations

import _socket
import gc
import marshal
import os
import resource
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from code_generation.sandbox import inside, walls
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import inside
    import inside_check  # noqa: F401 - for programs of the kind `check`
    import walls

    del sys.path[0]

STACK = 112 << 20  # what the kernel leaves room for below the libraries
ANSWER_FD = 3
MOST_FDS = 256
REQUEST_CAP = 1 << 16
FIRST_LOOK_S, LOOK_S = 0.05, 0.1
"""How soon and how often a run that takes its time is looked at."""

PRELOAD = (
    "bisect", "collections", "copy", "datetime", "functools", "heapq", "itertools", "json", "linecache", "math",
    "operator", "random", "re", "string", "symtable", "traceback", "typing", "_sitebuiltins",
)  # fmt: skip
"""What programs of this kind import most. Nothing that imports `threading`, whose hook makes a fork twice as dear."""


def main() -> None:
    """Build the walls and serve; only a candidate's process returns from here."""
    spec_fd, control_fd = map(int, sys.argv[1:3])
    with os.fdopen(spec_fd, "rb") as f:
        spec = marshal.load(f)  # noqa: S302 - from the process that started this one, and nobody else
    control = _socket.socket(fileno=control_fd)
    level = walls.LEVELS[spec["level"]](spec)
    broken = os.memfd_create("broken")  # where a child says why it did not get as far as the candidate's code
    try:
        level.enter([control_fd])
    except OSError as e:
        control.send(marshal.dumps({"refused": str(e)}))
        os._exit(1)
    sys.path[:] = [p for p in sys.path if p] + spec["packages"]
    os.environ["HOME"] = level.home
    for name in (*PRELOAD, *spec["preload"]):
        try:
            __import__(name)
        except ImportError:
            pass  # a package that is not installed: the candidate's import will say so
    sys.setrecursionlimit(inside.RECURSION_LIMIT)
    inside.add_site_builtins()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a handler would make pid 1 listen to its children
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit(resource.RLIMIT_STACK, STACK)
    spec.clear()
    sys.argv = ["main.py"]
    gc.collect()
    gc.freeze()
    gc.disable()
    control.send(marshal.dumps({"ready": True}))
    serve(control, level, broken)


def serve(control: _socket.socket, level: walls.Full | walls.Weak, broken: int) -> None:
    """Fork a run for every request until the other side hangs up; returns in the forked process, when it is done."""
    while True:
        data, ancillary, _, _ = control.recvmsg(REQUEST_CAP, _socket.CMSG_SPACE(5 * 4))
        if not data:
            os._exit(0)
        limits = marshal.loads(data)  # noqa: S302 - from the grader
        fds = memoryview(ancillary[0][2]).cast("i").tolist()
        try:
            level.clean(limits["disk_mb"])
            child = os.fork()
        except OSError as e:
            report: dict[str, Any] = {"fault": str(e)}
        else:
            if child == 0:
                try:
                    job = become_candidate(level, limits, fds)
                except BaseException as e:
                    os.write(broken, repr(e).encode())
                    os._exit(1)
                os.closerange(ANSWER_FD + 1, MOST_FDS)
                inside.run(job, ANSWER_FD)
                return
            report = watch(child, limits, level, control)
            if os.fstat(broken).st_size:
                report = {"fault": os.pread(broken, REQUEST_CAP, 0).decode()}
                os.ftruncate(broken, 0)
        for fd in fds:
            os.close(fd)
        control.send(marshal.dumps(report))


def become_candidate(level: walls.Full | walls.Weak, limits: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """In the child: take the descriptors, the walls and the limits; the job that is to be run then."""
    job_fd, stdin, stdout, stderr, answers = fds
    job: dict[str, Any] = marshal.loads(os.pread(job_fd, os.fstat(job_fd).st_size, 0))  # noqa: S302 - from the grader
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for place, fd in enumerate((stdin, stdout, stderr)):
        os.dup2(fd, place)
    if answers != ANSWER_FD:
        os.dup2(answers, ANSWER_FD, inheritable=False)
    level.confine()
    mib = 1 << 20
    seconds = int(limits["timeout_s"]) + 1  # only a backstop: the time that was used decides
    _limit(resource.RLIMIT_CPU, seconds, seconds + 1)
    _limit(resource.RLIMIT_AS, limits["memory_mb"] * mib)
    _limit(resource.RLIMIT_FSIZE, limits["output_mb"] * mib)
    _limit(resource.RLIMIT_NOFILE, MOST_FDS)
    if isinstance(level, walls.Full):  # else the user has other processes, which count
        _limit(resource.RLIMIT_NPROC, limits["processes"])
    gc.enable()
    return job


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit of this process; one that is lower already stays."""
    ceiling = resource.getrlimit(kind)[1]
    allowed = ceiling if ceiling != resource.RLIM_INFINITY else sys.maxsize
    resource.setrlimit(kind, (min(soft, allowed), min(soft if hard is None else hard, allowed)))


def watch(
    child: int, limits: dict[str, Any], level: walls.Full | walls.Weak, control: _socket.socket
) -> dict[str, Any]:
    """Wait for the run's end or a limit, then end and reap all it left; what it did and used."""
    started = time.monotonic()
    pidfd = os.pidfd_open(child)
    events = select.poll()
    events.register(pidfd, select.POLLIN)
    events.register(control.fileno(), select.POLLIN)
    stopped, look_s = "", FIRST_LOOK_S
    while not stopped:
        left = started + limits["wall_s"] - time.monotonic()
        ready = [fd for fd, _ in events.poll(max(0, min(look_s, left)) * 1000)]
        if pidfd in ready:
            break
        if ready:  # the grader is gone
            level.end_all(child)
            os._exit(1)
        look_s = LOOK_S
        stopped = broken_limit(child, limits, level)
        if left <= 0 and not stopped:
            stopped = "starved" if is_starved(level.processes(child), child, limits["wall_s"]) else "time"
    wall_s = time.monotonic() - started
    os.close(pidfd)
    level.end_all(child)
    status, cpu_s, memory_kb = reap(child)
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "stopped": stopped,
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "memory_mb": memory_kb / 1024,
    }


def broken_limit(child: int, limits: dict[str, Any], level: walls.Full | walls.Weak) -> str:
    """Which limit that the kernel does not watch, or not soon enough, a run has passed; empty where none."""
    pids = level.processes(child)
    if sum(ran for ran, _ in walls.times_s(child)) > limits["timeout_s"]:
        return "time"
    if level.disk_is_full(limits["disk_mb"]):
        return "disk"
    if len(pids) > limits["processes"]:
        return "processes"
    return "memory" if len(pids) > 1 and too_big(pids, limits["memory_mb"]) else ""


def is_starved(pids: list[int], child: int, wall_s: float) -> bool:
    """Whether others, and not the run itself, kept it from getting done: a lone process, one busy thread of which was
    always ready to run, and was not let for a good part of the time.
    """
    threads = sorted(walls.times_s(child))
    if len(pids) > 1 or not threads:
        return False
    ran, waited = threads.pop()
    mostly, hardly = 0.8 * wall_s, 0.1 * wall_s
    return ran + waited > mostly and waited > hardly and sum(other for other, _ in threads) < hardly


def too_big(pids: list[int], memory_mb: int) -> bool:
    """Whether several processes together hold more memory than one may."""
    return walls.resident_mb(pids) > memory_mb and walls.proportional_mb(pids) > memory_mb


def reap(child: int) -> tuple[int, float, int]:
    """Collect all ended processes: raw exit status of `child`, CPU seconds of all, the largest one's peak in KiB."""
    status, cpu_s, memory_kb = 0, 0.0, 0
    while True:
        try:
            pid, raw, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return status, cpu_s, memory_kb
        cpu_s += usage.ru_utime + usage.ru_stime
        memory_kb = max(memory_kb, usage.ru_maxrss)
        if pid == child:
            status = raw


if __name__ == "__main__":
    main()
