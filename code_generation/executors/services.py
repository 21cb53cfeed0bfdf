"""Runs programs in boxes of a service: sessions that are used again, faults that are tried again and then said.

A service is a notebook somewhere that runs Python code and returns what it printed; see `tci` and `e2b_boxes`. Only
inputs travel. Answers are compared at home.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from code_generation.concurrency import all_of
from code_generation.errors import ExecutorError, SandboxLost, SandboxUnavailable
from code_generation.executors.bundle import Call, SandboxBroken
from code_generation.executors.speed import WORK, Clocks, Speed, is_doubtful, is_late
from code_generation.jsonl import print_error
from code_generation.programs import CaseResult, ExecutionResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from code_generation.programs import Case, Program

SESSIONS = 4
"""Sessions at a time, where nothing else is asked for."""
MOST_LOST = 5
"""Calls in a row without any reply, after which each is tried once."""
TIMES_BROKEN = 2
"""How often in a row, in sessions of its own, a program breaks what runs it before that is its own doing."""
SESSION_S = 55 * 60.0
"""Seconds for which a session is used; services end them after an hour."""
PAUSES_S = (0.5, 2.0, 8.0)
"""Seconds after each try that failed, but the last."""
FIRST_TRIES = 3
"""Tries before a service counts as one that can't be used."""
LONGEST_PAUSE_S = 120.0
CALL_BYTES = 4 << 20
"""Bytes of input that go into one call."""


class Fault(ExecutorError):
    """A service did not do what it should have done."""

    def __init__(
        self, message: str, *, after_s: float = 0.0, hopeless: bool = False, session_lost: bool = True
    ) -> None:
        """`after_s`: not before so many seconds; `hopeless`: never, for this key or this code."""
        super().__init__(message)
        self.after_s, self.hopeless, self.session_lost = after_s, hopeless, session_lost


@dataclass
class Session:
    """A box that a service keeps for us."""

    handle: Any = None
    """What the service knows it by; None before the first call of a service that opens it by that."""
    started: float = field(default_factory=time.monotonic)


class Service(Protocol):
    """Where notebooks are run."""

    name: str
    sessions: int
    """How many it has opened."""

    @property
    def cost_usd(self) -> float:
        """What its sessions cost so far, by its published prices."""
        ...

    async def open(self) -> None:
        """Make ready to be called."""
        ...

    async def start(self) -> Session:
        """A session. Raises `Fault`."""
        ...

    async def execute(self, session: Session, code: str, limit_s: float) -> str:
        """Run code and return what it printed. Raises `Fault`; may be cancelled at any time."""
        ...

    async def stop(self, session: Session) -> None:
        """Give a session back; never fails."""
        ...

    async def close(self) -> None:
        """Give connections back. Safe to call twice."""
        ...


class RemoteExecutor:
    """Executor over a service; one call at a time and session, at most `workers` sessions."""

    isolation = "remote"
    cases_per_call = 20

    def __init__(self, service: Service, *, workers: int | None = None) -> None:
        """Nothing is opened yet."""
        self.name = service.name
        self.service = service
        self.workers = workers or SESSIONS
        self.speed = Speed(self._measure)
        self._slots = asyncio.Semaphore(self.workers)
        self._idle: list[Session] = []
        self._is_open = False
        self._lost = 0

    async def __aenter__(self) -> Self:
        """Open the service and have it run a first program.

        Raises:
            SandboxUnavailable: it can't be reached, refuses the key, or can't run what we send.
        """
        await self.service.open()
        self._is_open = True
        try:
            self.speed.factor = self.speed.stretch(await self._measure())
        except ExecutorError as e:
            await self.__aexit__()
            msg = f"{self.name} can't be used: {e}"
            raise SandboxUnavailable(msg) from None
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Give all sessions back."""
        self._is_open = False
        while self._idle:
            await self.service.stop(self._idle.pop())
        await self.service.close()

    async def run(self, program: Program) -> ExecutionResult:
        """Run every case in a process of its own, or all in one; see `protocols.Executor.run`."""
        if not self._is_open:
            msg = "the executor is not open: use it in `async with`"
            raise ExecutorError(msg)
        if program.kind == "check":
            msg = "test code holds expected values: it does not travel"
            raise ExecutorError(msg)
        jobs = [program.cases] if program.batch else [[case] for case in program.cases]
        found = await all_of(*(self._run_jobs(program, some) for some in _by_size(jobs)))
        return ExecutionResult(cases=[case for results in found for case in results])

    async def _run_jobs(self, program: Program, jobs: list[list[Case]]) -> list[CaseResult]:
        """Some jobs in one call; those that would perhaps have been in time on a quicker machine run again."""
        wanted_s = program.limits.timeout_s
        try:
            results, reports, work_s = await self._call(Call.of(program, jobs, Clocks.of(wanted_s, self.speed.factor)))
            now_s = wanted_s * self.speed.stretch(work_s)
            late = [n for n, r in enumerate(reports) if len(jobs[n]) == 1 and is_late(r, wanted_s)]
            doubtful = [n for n in late if is_doubtful(reports[n], now_s)]
            if doubtful:
                clocks = Clocks.of(wanted_s, now_s / wanted_s, alone=True)
                again, _, _ = await self._call(Call.of(program, [jobs[n] for n in doubtful], clocks))
                for n, result in zip(doubtful, again, strict=True):
                    results[n] = result
        except SandboxBroken as e:
            return [CaseResult(status="runtime_error", error=str(e)) for cases in jobs for _ in cases]
        except ExecutorError as e:
            if not self._lost:
                print_error(f"{e}; tests that can't be run are infra")
            self._lost += 1
            return [CaseResult(status="infra_error", error=str(e)) for cases in jobs for _ in cases]
        self._lost = 0
        return [case for cases in results for case in cases]

    async def _call(
        self, call: Call, tries: int = len(PAUSES_S) + 1
    ) -> tuple[list[list[CaseResult]], list[dict[str, Any]], list[float]]:
        """Make a call, again and again in a new session where it fails.

        Raises:
            SandboxBroken: it broke its box, twice. ExecutorError: it failed too often, or no other try can help.
        """
        reasons: list[ExecutorError] = []
        if self._lost > MOST_LOST:
            tries = 1  # it is down; who comes last need not wait for it as long as who came first
        for pause_s in (*PAUSES_S[: tries - 1], 0.0):
            after_s = 0.0
            try:
                async with self._session() as session, asyncio.timeout(call.limit_s):
                    printed = await self.service.execute(session, call.code, call.limit_s)
                    return call.read(printed)
            except TimeoutError:
                reasons.append(ExecutorError(f"{self.name} did not answer within {call.limit_s:.0f} s"))
            except Fault as e:
                reasons.append(e)
                after_s = e.after_s
                if e.hopeless:
                    break
            except ExecutorError as e:
                reasons.append(e)
            if len(reasons) == TIMES_BROKEN and all(isinstance(e, SandboxBroken) for e in reasons):
                raise reasons[-1]
            await asyncio.sleep(min(LONGEST_PAUSE_S, max(pause_s, after_s)))
        raise next((e for e in reasons if not isinstance(e, SandboxBroken)), SandboxLost(str(reasons[-1])))

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        """A session of our own; one in which something went wrong is not used again."""
        async with self._slots:
            session = await self._take()
            keep = False
            try:
                yield session
                keep = True
            except Fault as e:
                keep = not e.session_lost
                raise
            finally:
                if keep and self._is_open:
                    self._idle.append(session)
                else:
                    await self.service.stop(session)

    async def _take(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if time.monotonic() - session.started < SESSION_S:
                return session
            await self.service.stop(session)
        return await self.service.start()

    async def _measure(self) -> list[float]:
        """CPU seconds of what the speed of machines is measured by."""
        call = Call.of(WORK, [WORK.cases], Clocks.of(WORK.limits.timeout_s), measure=True)
        return (await self._call(call, FIRST_TRIES))[2]


def _by_size(jobs: list[list[Case]]) -> list[list[list[Case]]]:
    """Jobs in groups of a call each, of limited size."""
    groups: list[list[list[Case]]] = []
    room = 0
    for job in jobs:
        size = sum(len(case.stdin) for case in job)
        if not groups or size > room:
            groups.append([])
            room = CALL_BYTES
        groups[-1].append(job)
        room -= size
    return groups
