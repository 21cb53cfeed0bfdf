"""Runs programs in a box that is not ours, each in a process of its own: what travels there beside `inside`.

Started as `python away.py`, in a fresh folder that holds this file and those of `inside`; standard library only, any
Python from 3.8 on. Jobs come in on standard input; the reports are in the file `reply` beside this one, at the end.

What is covered: limits on CPU and wall-clock time, memory, output and files of a run, and the end of what it started.
What is not covered: containment. The box does that; programs that share it could disturb each other. They can't learn
what the right answers are: those are not there.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import json
import marshal
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from code_generation.sandbox import inside
else:
    import inside

ANSWER_FD = 3
STACK = 112 << 20
MOST_FDS = 128
SUBREAPER, DUMPABLE = 36, 4  # PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE
LOOK_S = 0.02
BUSY_PART, MOST_WALLS = 0.3, 3
"""Who got this part of the time as CPU time is computing, and waits for others: it may take so many times its limit."""
FILES = ("stdin", "stdout", "stderr", "answers", "job")
REPLY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reply")


def main() -> None:
    """Run the jobs; where one took longer than it should, or where it is asked for, measure the machine, too."""
    bundle = marshal.loads(zlib.decompress(base64.b64decode(sys.stdin.buffer.read())))  # noqa: S302 - from our grader
    system = ctypes.CDLL(None)
    system.prctl(SUBREAPER, 1, 0, 0, 0)
    system.prctl(DUMPABLE, 0, 0, 0, 0)  # nobody of the same user looks at its memory or its files
    limits = bundle["limits"]
    reports = [run(job, limits) for job in bundle["jobs"]]
    late = any(r["cpu_s"] > limits["timeout_s"] and r["stopped"] in ("", "time") for r in reports)
    work_s = []
    if late or bundle["measure"]:
        plenty = dict(limits, cpu_s=60, wall_s=60)
        start_s = run(bundle["nothing"], plenty)["cpu_s"]
        work_s = [max(0.0, run(bundle["work"], plenty)["cpu_s"] - start_s) for _ in range(bundle["measurements"])]
    found = {"reports": reports, "work_s": work_s}
    reply = base64.b64encode(zlib.compress(json.dumps(found).encode("ascii"), 1))
    shutil.rmtree(REPLY, ignore_errors=True)
    if os.path.lexists(REPLY):
        os.unlink(REPLY)
    os.makedirs(os.path.dirname(REPLY), exist_ok=True)
    with open(REPLY, "xb") as file:  # only now: what ran here can't have written into it
        file.write(reply)


def run(job: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """One job in a process of its own and a folder of its own; what it left behind."""
    work = tempfile.mkdtemp()
    files = {name: tempfile.TemporaryFile() for name in FILES}  # noqa: SIM115 - closed below; they have no names
    try:
        files["stdin"].write(job["stdin"])
        files["job"].write(marshal.dumps(job["job"]))
        for file in files.values():
            file.seek(0)
        report = watch(start([files[name].fileno() for name in FILES], work, limits), limits)
        if size_of(work) > limits["disk_mb"] << 20:
            report["stopped"] = report["stopped"] or "disk"
        for name in ("stdout", "stderr", "answers"):
            fd = files[name].fileno()
            report[name] = base64.b64encode(os.pread(fd, os.fstat(fd).st_size, 0)).decode("ascii")
        return report
    finally:
        for file in files.values():
            file.close()
        shutil.rmtree(work, ignore_errors=True)


def start(fds: list[int], work: str, limits: dict[str, Any]) -> subprocess.Popen[bytes]:
    """The process of one job; the descriptors are those of `FILES`, in their order."""
    environment = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "HOME": work,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    for fd in fds[1:3]:
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)

    def confine() -> None:
        for kind, most in (
            (resource.RLIMIT_CPU, int(limits["cpu_s"]) + 1),
            (resource.RLIMIT_AS, limits["memory_mb"] << 20),
            (resource.RLIMIT_FSIZE, limits["output_mb"] << 20),
            (resource.RLIMIT_STACK, STACK),
            (resource.RLIMIT_NOFILE, MOST_FDS),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(kind)[1]
            value = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (value, value))

    command = [sys.executable, "-s", "-X", "utf8", "-X", "int_max_str_digits=0", os.path.abspath(__file__)]
    return subprocess.Popen(
        [*command, str(fds[3]), str(fds[4])],
        stdin=fds[0],
        stdout=fds[1],
        stderr=fds[2],
        pass_fds=fds[3:],
        cwd=work,
        env=environment,
        start_new_session=True,
        preexec_fn=confine,  # noqa: PLW1509 - one thread, no locks
    )


def watch(child: subprocess.Popen[bytes], limits: dict[str, Any]) -> dict[str, Any]:
    """Wait for a run's end or a limit, then end all that it started."""
    started = time.monotonic()
    stopped = ""
    while True:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        wall_s = time.monotonic() - started
        if pid:
            break
        cpu_s = cpu_time_s(child.pid)
        late = wall_s > limits["wall_s"] + max(0.0, cpu_s - limits["busy_s"])
        computing = cpu_s > BUSY_PART * wall_s and wall_s < MOST_WALLS * limits["wall_s"]
        if cpu_s > limits["cpu_s"] or (late and not computing):
            stopped = "time"
            os.kill(child.pid, signal.SIGKILL)
            _, status, used = os.wait4(child.pid, 0)
            break
        time.sleep(LOOK_S)
    child.returncode = 0  # it is reaped: Popen need not look for it
    cpu_s = used.ru_utime + used.ru_stime + end_children()
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return {"stopped": stopped, "exit": code, "cpu_s": cpu_s, "wall_s": wall_s, "memory_mb": used.ru_maxrss / 1024}


def end_children() -> float:
    """End and reap all processes that are left to this one; their CPU time."""
    cpu_s = 0.0
    for _ in range(100):  # what one of them started before its end is found the next time
        others = list(children())
        for pid in others:
            os.kill(pid, signal.SIGKILL)
            used = os.wait4(pid, 0)[2]
            cpu_s += used.ru_utime + used.ru_stime
        if not others:
            break
    return cpu_s


def cpu_time_s(pid: int) -> float:
    """CPU time of a process so far, 0 where the system does not say."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def children() -> Iterator[int]:
    """Processes that are left to this one."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                        yield int(name)
            except (OSError, ValueError, IndexError):
                continue


def size_of(folder: str) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def become(answer_fd: int, job_fd: int) -> None:
    """In the process of a job: be the candidate."""
    import random  # noqa: F401 - `inside` seeds it

    with os.fdopen(job_fd, "rb") as file:
        job = marshal.load(file)  # noqa: S302 - from our grader
    os.dup2(answer_fd, ANSWER_FD)
    sys.path.pop(0)
    sys.argv = ["main.py"]
    sys.setrecursionlimit(inside.RECURSION_LIMIT)
    os.closerange(ANSWER_FD + 1, MOST_FDS)
    inside.run(job, ANSWER_FD)


if __name__ == "__main__":
    become(*map(int, sys.argv[1:])) if len(sys.argv) > 1 else main()
