"""Runs programs on this machine: a fork of a walled-in zygote a run.

What is covered: see `zygote` (limits and clean-up), `walls` (the levels of isolation) and `inside` (what crosses the
border). Inputs and outputs are memory files with a cap: no pipe that could fill up, no waiting for an end of file that
a stray process holds open.
What is not covered: other systems than Linux.
"""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import re
import site
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from code_generation.concurrency import all_of
from code_generation.errors import ExecutorError, SandboxUnavailable, boundary
from code_generation.executors.box import Box, MemoryFiles, Starved
from code_generation.executors.jobs import job_of
from code_generation.executors.probe import probing
from code_generation.executors.replies import read_batch, read_result
from code_generation.executors.speed import RUNS, WORK, Clocks, Speed, is_doubtful, is_late
from code_generation.programs import Case, CaseResult, ExecutionResult, Program
from code_generation.sandbox.removing import remove_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LEVELS = ("full", "restricted", "weak")
"""Best first. Below `restricted` nothing runs unless it is asked for."""
FILES = ("job", "stdin", "stdout", "stderr", "answers")
CODES = 256
"""Candidates whose compiled code is kept."""
COMPILE_AFTER = 2
"""Runs before it pays to compile apart from them."""
LARGEST_CODE = 16 << 20
LARGE = 256 << 10
"""Bytes of output that are read in a thread: the event loop has other things to do."""
PAUSES_S = (0.1, 0.4, 1.6, 0.0)
"""Seconds after each try of a run whose box failed."""
NUMPY = re.compile(r"\bnumpy\b|\bnp\.")


class SubprocessExecutor:
    """Executor that gives every run a process of its own; at most `workers` runs at a time.

    The best level of isolation is the one at which a program that attempts to get out does not succeed; below
    `restricted` it refuses, unless `allow_weak`. `level` asks for one level and no other.
    """

    name = "subprocess"
    cases_per_call = 1

    def __init__(self, *, workers: int | None = None, allow_weak: bool = False, level: str | None = None) -> None:
        """Nothing is started yet; `workers` defaults to the number of usable cores."""
        self.isolation = "unknown"
        self.why_not: dict[str, str] = {}
        self.workers = workers or len(os.sched_getaffinity(0))
        self._wanted = [level] if level else list(LEVELS)
        self._allow_weak = allow_weak
        self.speed = Speed(self._measure_beside)
        self._slots = asyncio.Semaphore(self.workers)
        self._alone = asyncio.Lock()
        self._idle: dict[str, list[_Place]] = {"plain": [], "numpy": []}
        self._codes: dict[tuple[str, str], bytes | int] = {}
        self._folder: str | None = None
        self._packages = [p for p in dict.fromkeys((*site.getsitepackages(), *sys.path)) if p.endswith("-packages")]

    async def __aenter__(self) -> Self:
        """Find the best level that holds on this machine.

        Raises:
            SandboxUnavailable: none does that is good enough.
        """
        if sys.platform != "linux":
            msg = f"running untrusted code needs Linux, this is {sys.platform}; use a Linux machine or container"
            raise SandboxUnavailable(msg)
        with boundary(SandboxUnavailable, "no temporary folder can be made", OSError):
            _sweep()
            self._folder = tempfile.mkdtemp(prefix=f"codegen-{os.getpid()}-")
        try:
            for level in self._wanted:
                if level == "weak" and not self._allow_weak:
                    break
                self.isolation = level
                reason = await self._escapes()
                if not reason or level == "weak":
                    return self
                self.why_not[level] = reason
                self._end_all()
        except BaseException:
            await self.__aexit__()
            raise
        await self.__aexit__()
        self.isolation = "unknown"
        reasons = "; ".join(f"{level}: {reason}" for level, reason in self.why_not.items())
        msg = (
            f"this machine can't isolate untrusted code ({reasons or 'only weak isolation was asked for'}); allow user "
            "namespaces, run as root or on Linux 6.2 or later, or accept weak isolation with --allow-weak-isolation"
        )
        raise SandboxUnavailable(msg)

    async def __aexit__(self, *exc: object) -> None:
        """End all processes, remove all files."""
        self._end_all()
        if self._folder:
            _remove(self._folder)
            self._folder = None

    def _end_all(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().end()

    async def _escapes(self) -> str:
        """Why this level does not hold here; empty where it does."""
        assert self._folder is not None  # noqa: S101 - for the type checker
        with probing(self._folder, alone=self.isolation != "full") as program:
            try:
                (result,), _ = await self._run_once(program, program.cases)
            except ExecutorError as e:
                return str(e)
        said = result.stdout.decode(errors="replace").strip()
        return (
            "" if said == "[]" else f"a test program {said.strip('[]')}" if said else result.error or "it ended early"
        )

    async def run(self, program: Program) -> ExecutionResult:
        """Run every case in a process of its own, or all in one; see `protocols.Executor.run`."""
        if self._folder is None:
            msg = "the executor is not open: use it in `async with`"
            raise ExecutorError(msg)
        if program.batch or len(program.cases) == 1:
            return ExecutionResult(cases=await self._run_cases(program, program.cases))
        found = await all_of(*(self._run_cases(program, [case]) for case in program.cases))
        return ExecutionResult(cases=[results[0] for results in found])

    async def _run_cases(self, program: Program, cases: list[Case]) -> list[CaseResult]:
        """Some cases in one process; a box that fails is tried again, then it is an infra error.

        What the machine was too busy for, or what is a near thing, is tried again while nothing else of ours runs: in
        the end with so much time that CPU time decides, and by how slow this machine is just then.
        """
        reason, starved, alone, wanted_s = "", 0, False, program.limits.timeout_s
        for pause_s in PAUSES_S:
            try:
                async with self._several(self.workers if alone else 1):
                    factor = self.speed.stretch(await self._measure()) if alone else self.speed.factor
                    clocks = Clocks.of(wanted_s, factor, alone=alone, starved=starved)
                    results, report = await self._run_once(program, cases, clocks)
                if alone or len(cases) > 1 or not is_late(report, wanted_s):
                    return results
                if not is_doubtful(report, wanted_s * await self.speed.now()):
                    return results
                alone = True
                continue
            except Starved as e:
                alone, starved, reason = True, starved + 1, str(e)
            except (ExecutorError, OSError) as e:
                reason = str(e)
            await asyncio.sleep(pause_s)
        return [CaseResult(status="infra_error", error=reason)] * len(cases)

    async def _measure_beside(self) -> list[float]:
        async with self._slots:
            return await self._measure()

    async def _measure(self) -> list[float]:
        """CPU seconds of what the speed of machines is measured by; none where the box fails."""
        try:
            return [(await self._run_once(WORK, WORK.cases))[0][0].cpu_s for _ in range(RUNS)]
        except (ExecutorError, OSError):
            return []

    @contextlib.asynccontextmanager
    async def _several(self, slots: int) -> AsyncIterator[None]:
        """That many slots; who wants more than one waits for who else does, lest each holds what the other needs."""
        if slots == 1:
            async with self._slots:
                yield
            return
        async with contextlib.AsyncExitStack() as held:
            await held.enter_async_context(self._alone)
            for _ in range(slots):
                await held.enter_async_context(self._slots)
            yield

    async def _run_once(
        self, program: Program, cases: list[Case], clocks: Clocks | None = None
    ) -> tuple[list[CaseResult], dict[str, Any]]:
        """One run, and the report about it."""
        job, stdin = job_of(program, cases, None if len(cases) > 1 else await self._compiled(program))
        read = read_batch if len(cases) > 1 else read_result
        with MemoryFiles(*FILES) as files:
            report = await self._run_job(program, job, files, stdin, clocks)
            if files.size("stdout") + files.size("answers") > LARGE:
                return await asyncio.to_thread(read, program, report, files, len(cases)), report
            return read(program, report, files, len(cases)), report

    async def _run_job(
        self,
        program: Program,
        job: dict[str, Any],
        files: MemoryFiles,
        stdin: bytes | None = b"",
        clocks: Clocks | None = None,
    ) -> dict[str, Any]:
        """One run of a zygote; what it reports. `stdin` None: the run fills it itself, case by case."""
        files.write("job", marshal.dumps(job), seal=True)
        files.write("stdin", stdin or b"", seal=stdin is not None)
        clocks = clocks or Clocks.of(program.limits.timeout_s)
        async with self._box("numpy" if NUMPY.search(program.source) else "plain") as box:
            return await box.run(clocks.within(program.limits), files) | {"limit_s": clocks.limit_s}

    async def _compiled(self, program: Program) -> bytes | None:
        """A candidate's code as a run of the kind `compile` gives it, once it has run a few times: compiling is half of
        a small run. It is the candidate's as its source is, and never read outside of the sandbox.
        """
        key = (program.kind, program.source)
        known = self._codes.get(key, 0)
        if isinstance(known, bytes):
            return known
        if program.kind == "check":
            return None
        self._codes[key] = known + 1
        while len(self._codes) > CODES:
            del self._codes[next(iter(self._codes))]
        if known != COMPILE_AFTER:
            return None
        job = {"kind": "compile", "compile": program.kind, "source": program.source}
        with MemoryFiles(*FILES) as files:
            report = await self._run_job(program, job, files)
            if report["stopped"] or report["exit"] != 0:
                return None
            code = files.read("answers", LARGEST_CODE)
        self._codes[key] = code
        return code

    @contextlib.asynccontextmanager
    async def _box(self, kind: str) -> AsyncIterator[Box]:
        """A zygote that is free; one that did not come through its job is ended."""
        idle = self._idle[kind]
        place = idle.pop() if idle else await self._start(kind)
        useful = False
        try:
            yield place.box
            useful = True
        except Starved:
            useful = True
            raise
        finally:
            if useful and self._folder is not None:
                idle.append(place)
            else:
                place.end()

    async def _start(self, kind: str) -> _Place:
        work = None if self.isolation == "full" else tempfile.mkdtemp(prefix="work-", dir=self._folder)
        shown = [f"/packages/{number}" for number in range(len(self._packages))]
        spec = {
            "level": self.isolation,
            "work": work,
            "visible": _libraries() + list(zip(self._packages, shown, strict=True)),
            "packages": shown if self.isolation == "full" else self._packages,
            "preload": ["numpy"] if kind == "numpy" else [],
        }
        try:
            return _Place(await Box.start(spec), work)
        except BaseException:
            _remove(work)
            raise


class _Place:
    """A zygote and the folder it works in; none at level `full`, which has a file system of its own."""

    def __init__(self, box: Box, work: str | None) -> None:
        self.box, self.work = box, work

    def end(self) -> None:
        self.box.end()
        _remove(self.work)


def _remove(folder: str | None) -> None:
    """Delete a work folder; one that can't be deleted stays, for that is no reason to lose a result."""
    if folder:
        with contextlib.suppress(OSError):
            remove_tree(folder)


def _libraries() -> list[tuple[str, str]]:
    """Paths of the host that a program may read, and where it sees them: the standard library and what it needs."""
    libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"]
    wanted = [*libraries, str(Path(os.__file__).parent), str(Path(sys.base_prefix) / "lib")]
    return [(p, p) for p in dict.fromkeys(wanted) if Path(p).exists() and not _is_below(p, wanted)]


def _is_below(path: str, others: list[str]) -> bool:
    return any(
        path != o and Path(path).is_relative_to(o) for o in others if Path(o).exists() and not Path(o).is_symlink()
    )


def _sweep() -> None:
    """Remove the folders of grader processes of ours that were killed."""
    for path in Path(tempfile.gettempdir()).glob("codegen-*-*"):
        pid = path.name.split("-")[1]
        with contextlib.suppress(OSError):
            if pid.isdigit() and path.stat().st_uid == os.getuid() and not Path(f"/proc/{pid}").exists():
                remove_tree(str(path))
