"""What a test and a question cost, as ratios measured in one run: `make bench`, which writes docs/benchmarks.md.

    python -m test_scripts.bench [--candidates 10000] [--output docs/benchmarks.md]

CPU time is that of the whole tree of processes: this one adopts what its children leave and waits for all of it.
Baselines and ours take turns, medians are compared. Exit status 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.models import CodeProblem, TestCase
from test_scripts import bench_export, bench_sampler

PR_SET_CHILD_SUBREAPER = 36
PYTHON = [sys._base_executable, "-I", "-S", "-c"]
SUM = """import sys

def main():
    data = sys.stdin.read().split()
    n = int(data[0])
    print(sum(int(x) for x in data[1:n + 1]))

main()
"""
ECHO = "import sys\nsys.stdout.write(sys.stdin.read())"
ROUNDS, TESTS, REPEATS = 5, 50, 16
MEGABYTES = 10
PAGE = """# Benchmarks

Written by `make bench`: ratios within one run, since absolute times say more about a machine than about a program. CPU
is that of the whole tree of processes, start and end of the sandbox included.

{machine}, {cores} cores.

| figure | measured | goal | met |
|---|---|---|---|
{rows}

A cold start (`python -I -S -c pass`) took {cold:.1f} ms of CPU here; an isolated test {isolated:.2f} ms, one in a batch
{batch:.3f} ms ({tests} small stdin tests a candidate). Left behind: {left}.
"""


@dataclass
class Figure:
    """A ratio, what it is of, and how far it may go."""

    name: str
    value: float
    goal: float
    at_most: bool = True
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def row(self) -> str:
        goal = f"at {'most' if self.at_most else 'least'} {self.goal:g}{self.unit}"
        return f"| {self.name} | {self.value:.3g}{self.unit} | {goal} | {'yes' if self.met else 'NO'} |"


def tree_cpu_s() -> float:
    """CPU seconds of this process and of all its descendants, which have to be over."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def sum_problem(tests: int) -> CodeProblem:
    cases = [TestCase(input=f"3\n{i} 2 3\n", output=f"{i + 5}\n", type="stdin", is_public=i == 0) for i in range(tests)]
    return CodeProblem(problem_id="sum", problem="", solutions=[], test_cases=cases, metadata={})


def cold_start_s(times: int = 40) -> float:
    """CPU seconds of starting Python for nothing."""
    before = tree_cpu_s()
    for _ in range(times):
        subprocess.run([*PYTHON, "pass"], check=True)
    return (tree_cpu_s() - before) / times


def test_s(mode: str) -> float:
    """CPU seconds of one small stdin test, start and end of the sandbox included."""

    async def run() -> None:
        async with open_executor(workers=2) as executor:
            grader = TestExecutionGrader(executor, mode=mode)
            for number in range(REPEATS if mode == "isolated" else 6 * REPEATS):
                grade = await grader.grade(sum_problem(TESTS), f"{SUM}# {number}\n")
                assert grade.verdict == "pass"

    before = tree_cpu_s()
    asyncio.run(run())
    return (tree_cpu_s() - before) / (TESTS * (REPEATS if mode == "isolated" else 6 * REPEATS))


def large_io() -> tuple[float, float]:
    """Wall-clock seconds to put 10 MB through a program: ours, a plain subprocess with pipes."""
    text = "0123456789abcde\n" * (MEGABYTES * 2**16)
    test = TestCase(input=text, output=text, type="stdin", is_public=False)
    problem = CodeProblem(problem_id="echo", problem="", solutions=[], test_cases=[test], metadata={})
    ours, plain = [], []

    async def run() -> None:
        async with open_executor(workers=1) as executor:
            grader = TestExecutionGrader(executor)
            for _ in range(2 * ROUNDS):
                started = time.perf_counter()
                done = subprocess.run([*PYTHON, ECHO], input=text, capture_output=True, text=True, check=True)  # noqa: ASYNC221
                assert done.stdout == text
                plain.append(time.perf_counter() - started)
                started = time.perf_counter()
                assert (await grader.grade(problem, ECHO)).verdict == "pass"
                ours.append(time.perf_counter() - started)

    asyncio.run(run())
    return statistics.median(ours), statistics.median(plain)


def left_behind(candidates: int) -> tuple[list[str], float]:
    """What many candidates, in both modes, leave on this machine, and how much this process grew, in MiB."""

    def state() -> dict[str, int]:
        return {
            "processes": sum(p.name.isdigit() for p in Path("/proc").iterdir()),
            "file descriptors": len(list(Path("/proc/self/fd").iterdir())),
            "temporary files": len(list(Path(tempfile.gettempdir()).glob("codegen-*"))),
            "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        }

    async def run(count: int) -> None:
        async with open_executor() as executor:
            for mode in ("isolated", "batch"):
                grader = TestExecutionGrader(executor, mode=mode)
                for start in range(0, count // 2, 50):
                    codes = [f"{SUM}# {start + i}\n" for i in range(50)]
                    codes[0] = "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nopen('/tmp/x', 'w').write('x')"
                    await asyncio.gather(*(grader.grade(sum_problem(2), code) for code in codes))

    asyncio.run(run(1000))  # what stays for good, is there after this
    tree_cpu_s()
    before, memory = state(), resident_mb()
    asyncio.run(run(candidates))
    tree_cpu_s()
    after = state()
    time.sleep(0.5)
    grown = [f"{after[what] - before[what]} {what}" for what in before if after[what] > before[what]]
    return grown, resident_mb() - memory


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--candidates", type=int, default=10_000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    cold, isolated, batch = [], [], []
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
        cold.append(cold_start_s())
        isolated.append(test_s("isolated"))
        cold.append(cold_start_s())
        batch.append(test_s("batch"))
    ours, plain = large_io()
    print(f"{options.candidates} candidates", file=sys.stderr)
    grown, memory = left_behind(options.candidates)
    start = statistics.median(cold)
    figures = [
        Figure("CPU of an isolated stdin test, in cold starts of Python", statistics.median(isolated) / start, 0.35),
        Figure("CPU of a test in mode batch, in cold starts of Python", statistics.median(batch) / start, 0.06),
        Figure(f"{MEGABYTES} MB in and out: how much faster than a plain subprocess", plain / ours, 1.3, at_most=False),
        Figure(f"memory that the grader grows by over {options.candidates} candidates", memory, 20, unit=" MiB"),
        Figure("processes, descriptors, temporary files and mounts left by them", len(grown), 0),
    ]
    print("questions", file=sys.stderr)
    figures += [Figure(what, value, goal, unit=unit) for what, value, goal, unit in bench_sampler.measure()]
    print("exports", file=sys.stderr)
    figures += [Figure(what, value, goal, unit=unit) for what, value, goal, unit in bench_export.measure()]
    text = PAGE.format(
        machine=f"CPython {platform.python_version()} on {platform.system()} {platform.machine()}",
        cores=len(os.sched_getaffinity(0)),
        rows="\n".join(f.row() for f in figures),
        cold=start * 1000,
        isolated=statistics.median(isolated) * 1000,
        batch=statistics.median(batch) * 1000,
        tests=TESTS,
        left=", ".join(grown) or "nothing",
    )
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    return 0 if all(f.met for f in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
