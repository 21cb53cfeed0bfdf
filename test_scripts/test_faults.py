"""What happens when the box fails: affected tests are retried or end as infra, and nothing else is touched."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.models import TestCase
from code_generation.programs import Case, Limits, Program
from test_scripts.conftest import ROOT, function_problem


def script(source: str, cases: int = 1, **limits) -> Program:
    return Program(kind="script", source=source, cases=[Case()] * cases, limits=Limits(**limits))


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()]
    return []


def zygotes() -> list[int]:
    """Processes that this one started, and theirs: the first process of each zygote and its pid 1."""
    return [pid for own in children(os.getpid()) for pid in (own, *children(own))]


@pytest.mark.parametrize("which", ["first process", "pid 1"])
def test_a_zygote_killed_mid_test_is_replaced(which):
    """The test that was under way runs again; the others go on; nobody is judged by it."""

    async def run():
        async with open_executor(workers=2) as executor:
            slow = asyncio.create_task(executor.run(script("import time\ntime.sleep(1)\nprint('slow')")))
            await asyncio.sleep(0.5)
            zygote, *inner = children(os.getpid())[:1] + children(children(os.getpid())[0])[:1]
            os.kill(zygote if which == "first process" else inner[0], signal.SIGKILL)
            others = await executor.run(script("print('quick')", 20))
            return [(c.status, c.stdout) for c in (*(await slow).cases, *others.cases)]

    assert asyncio.run(run()) == [("ok", b"slow\n")] + [("ok", b"quick\n")] * 20


def test_a_zygote_killed_every_time_is_infra():
    """A box that never holds says nothing about the candidate; the verdict is infra, and the next one is good again."""

    async def run():
        async with open_executor(workers=1) as executor:
            grader = TestExecutionGrader(executor)
            problem = function_problem(([1], 1))
            slow = asyncio.create_task(grader.grade(problem, "import time\ntime.sleep(3)\ndef f(x): return x"))
            while not slow.done():
                for pid in zygotes():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(0.2)
            return (await slow).verdict, (await grader.grade(problem, "def f(x): return x")).verdict

    assert asyncio.run(run()) == ("infra", "pass")


@pytest.mark.parametrize("level", ["full", "restricted"])
def test_what_a_run_leaves_does_not_reach_the_next(level):
    """A file system filled up, hidden, or locked by one run is empty and usable for the next one of the same zygote."""
    spoil = (
        "import os, tempfile\nassert os.listdir('.') == [] == os.listdir(tempfile.gettempdir())\n"
        "def attempt(f, *a):\n    try: f(*a)\n    except OSError: pass\n"
        "for place in ('.', tempfile.gettempdir(), '/dev/shm'):\n"
        "    attempt(os.makedirs, f'{place}/deep/er')\n    attempt(os.symlink, '/', f'{place}/root')\n"
        "    attempt(os.mkfifo, f'{place}/fifo')\n    attempt(os.chmod, f'{place}/deep', 0)\n"
        "    attempt(os.utime, place, (0, 0))\n    attempt(os.setxattr, place, 'user.x', b'1')\n"
        "    attempt(os.chmod, place, 0)\n"
        "try:\n    for i in range(99): open(f'{i}', 'wb').write(bytes(1 << 20))\n"
        "except OSError: pass\nos.umask(0o777)\nos.nice(5)\nprint('left')"
    )

    async def run():
        async with open_executor(workers=1, level=level) as executor:
            cases = (await executor.run(script(spoil, 6, disk_mb=8))).cases
            size = "print(len(open('x', 'wb').write(bytes(30 << 20)).__str__()))"
            return [(c.status, c.stdout) for c in cases], (await executor.run(script(size))).cases[0].stdout

    spoilt, size = asyncio.run(run())
    if level == "full":
        assert (spoilt, size) == ([("ok", b"left\n")] * 6, b"8\n")
    else:
        assert ({s for s, _ in spoilt} <= {"ok", "output_limit"}, size) == (True, b"8\n")


LOW = """
import asyncio, os, resource, sys
from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.models import CodeProblem, TestCase
from pathlib import Path
group = Path(sys.argv[1])
async def main():
    test = TestCase(input=[1], output=1, type="functional", is_public=True)
    problem = CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[test] * 3, metadata={"func_name": "f"})
    async with open_executor(workers=1) as executor:
        grader = TestExecutionGrader(executor)
        found = [(await grader.grade(problem, "def f(x): return x")).verdict]
        limit = group / "pids.max"
        limit.write_text("1")
        found.append((await grader.grade(problem, "def f(x): return x")).verdict)
        limit.write_text("max")
        found.append((await grader.grade(problem, "def f(x): return x")).verdict)
    print(*found)
(group / "cgroup.procs").write_text(str(os.getpid()))
asyncio.run(main())
"""


def test_out_of_processes_is_infra():
    """Where the machine can start no process, verdicts are infra; once it can again, they are verdicts."""
    group = Path("/sys/fs/cgroup/pids/codegen-test") if Path("/sys/fs/cgroup/pids").is_dir() else None
    group = group or Path("/sys/fs/cgroup/codegen-test")
    try:
        group.mkdir()
    except OSError as e:
        pytest.skip(f"no control group can be made here: {e}")
    try:
        if not (group / "pids.max").exists():
            pytest.skip("this machine's control groups do not count processes")
        done = subprocess.run(
            [sys.executable, "-c", LOW, group], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
        )
        assert (done.stdout, done.stderr) == ("pass infra pass\n", "")
    finally:
        group.rmdir()


@pytest.mark.slow
def test_large_outputs_do_not_add_up():
    """Each test's output is judged and forgotten: many of the largest allowed take the memory of a few."""
    tests = [TestCase(input="", output="y", type="stdin", is_public=False)] * 24
    code = (
        "import asyncio, resource\nfrom code_generation.executors import open_executor\n"
        "from code_generation.grader import TestExecutionGrader\nfrom code_generation.models import *\n"
        f"tests = [TestCase(input='', output='y', type='stdin', is_public=False)] * {len(tests)}\n"
        "async def main():\n    async with open_executor(workers=2) as e:\n"
        "        p = CodeProblem(problem_id='p', problem='', solutions=[], test_cases=tests, metadata={})\n"
        "        g = await TestExecutionGrader(e).grade(p, \"print('x' * (60 << 20))\")\n"
        "        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "        print({o.status for o in g.outcomes}, peak_mb < 700)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{'wrong_answer'} True\n", "")


@pytest.mark.slow
def test_a_busy_machine_costs_nobody_a_verdict():
    """Beside eight programs that want the processor too, an honest one passes and an endless one times out."""
    hog = "import time\nt = time.monotonic()\nwhile time.monotonic() < t + 30: pass"
    sources = ["while True: pass", "import time\nwhile time.process_time() < 1.2: pass\nprint(1)"]

    async def run():
        async with open_executor(workers=2) as executor:
            hogs = [subprocess.Popen([sys.executable, "-c", hog]) for _ in range(8)]  # noqa: ASYNC220
            try:
                found = await asyncio.gather(*(executor.run(script(s, timeout_s=2)) for s in sources))
            finally:
                for process in hogs:
                    process.kill()
                    process.wait()
            return [r.cases[0].status for r in found]

    assert asyncio.run(run()) == ["timeout", "ok"]
