"""Grades candidates: runs them through an executor, test by test, and has the answers judged outside of it."""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from code_generation.certificate import sha256_text
from code_generation.concurrency import all_of
from code_generation.errors import ConfigError, DataError
from code_generation.executors import OnDemand, open_executor
from code_generation.executors.services import RemoteExecutor
from code_generation.harness import (
    build_program,
    calls_program,
    candidate_names,
    check_program,
    checker_program,
    limits_of,
)
from code_generation.jsonl import print_error
from code_generation.judging import OWN, checker_says, has_checker, judge, judge_check, outcome_of, trim
from code_generation.models import Grade, Mode, Outcome
from code_generation.profiles import check_profile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from code_generation.models import CodeProblem, JsonValue, TestCase
    from code_generation.programs import CaseResult, Limits
    from code_generation.protocols import Executor

MAX_ROUNDS = 1000
"""How often test code may ask for answers that it did not foresee; see `remote.Conversation`."""
PATIENCE = 3
"""Rounds in a row in which a test may fail to get further."""
BUDGET = 4
"""Times its limit that an assert test may take over all rounds, plus `BUDGET_S` seconds, in CPU time."""
BUDGET_S = 10.0
BUDGET_WALL = 3
"""As many times as that on the wall clock."""
BATCH = 100
"""Tests that share a process at most in mode `batch`."""
LARGE = 256 << 10
"""Bytes of an answer that is judged in a thread: the event loop has other things to do."""
LARGE_AT_A_TIME = 2
LEAST_MEMORY_MB = 64
"""Below this the interpreter itself does not start."""


@dataclass(frozen=True, kw_only=True)
class GraderOptions:
    """Where and how code runs."""

    executor_type: str = "subprocess"
    """Where code runs: subprocess (here, in a sandbox), together, e2b."""
    executor_url: str | None = None
    """Address of the service, where it is not the usual one."""
    timeout_s: float | None = None
    """CPU seconds of one test (also --timeout), more on a slow machine; default: the problem's own limit, else 6."""
    memory_mb: int | None = None
    """Address space of one test, MiB; default: the problem's own limit, at least 1024."""
    workers: int | None = None
    """Tests that run at a time, or sessions of a service; default: the number of cores, or 4."""
    mode: Mode = "isolated"
    """`isolated`: every test in a process of its own. `batch`: the tests of a candidate share one, and each that does
    not pass there runs again isolated before it counts: for bulk scoring; what passes is not called verified."""
    isolation: Literal["best", "full", "restricted", "weak"] = "best"
    """Level of isolation: the best that holds on this machine, or that one and no other."""
    allow_weak_isolation: bool = False
    """Run untrusted code even where this machine can't isolate it."""
    recheck: float = 0.02
    """Share of the passes and of the timeouts that are run again, 0 to 1: what then comes out otherwise is flaky and
    does not pass, and all later passes and timeouts of its problem are run again."""


@asynccontextmanager
async def open_grader(options: GraderOptions, *, on_demand: bool = False) -> AsyncIterator[TestExecutionGrader]:
    """A grader over an executor that is open as long as the block. With `on_demand` a sandbox opens at its first use;
    where it can't, all verdicts are infra.

    Raises:
        ConfigError: a limit that is none. UnknownName: no such executor. SandboxUnavailable: no safe box here.
    """
    for name, value in (
        ("--timeout-s", options.timeout_s),
        ("--memory-mb", options.memory_mb),
        ("--workers", options.workers),
    ):
        if value is not None and not 0 < value < math.inf:
            msg = f"{name} must be a number above 0, got {value}"
            raise ConfigError(msg)
    if not 0 <= options.recheck <= 1:
        msg = f"--recheck is a share from 0 to 1, got {options.recheck:g}"
        raise ConfigError(msg)
    if options.memory_mb is not None and options.memory_mb < LEAST_MEMORY_MB:
        msg = f"--memory-mb must be at least {LEAST_MEMORY_MB}, got {options.memory_mb}: Python itself needs that"
        raise ConfigError(msg)
    async with AsyncExitStack() as opened:
        local = options.executor_type == "subprocess"
        executor = OnDemand(lambda: _executor(options)) if on_demand and local else _executor(options)
        await opened.enter_async_context(executor)
        home = None
        if executor.isolation == "remote":
            home = await opened.enter_async_context(OnDemand(open_executor))
        elif executor.isolation not in {"full", options.isolation, OnDemand.isolation}:
            print_error(f"isolation is {executor.isolation}, not full; `codegen doctor` says why")
        grader = TestExecutionGrader(
            executor,
            home=home,
            timeout_s=options.timeout_s,
            memory_mb=options.memory_mb,
            mode=options.mode,
            recheck=options.recheck,
        )
        try:
            yield grader
        finally:
            if isinstance(executor, RemoteExecutor):
                n, cost = executor.service.sessions, executor.service.cost_usd
                print_error(f"{executor.name}: {n} session{'s' if n != 1 else ''}, about ${cost:.2f}")
        if grader.flaky:
            flaky = f"{sum(map(len, grader.flaky.values()))} of {grader.rechecked} candidates that were run twice"
            problems = f"; quarantined: {', '.join(grader.quarantined)}" if grader.quarantined else ""
            print_error(f"{flaky} are flaky and do not pass by that{problems}")
        for problem_id in (p for p, well in grader.checked if not well and (p, True) not in grader.checked):
            print_error(f"the checker program of {problem_id} failed each time that it ran: nothing passes there")


def _executor(options: GraderOptions) -> Executor:
    local = options.executor_type == "subprocess"
    return open_executor(
        options.executor_type,
        workers=options.workers,
        url=options.executor_url,
        allow_weak=options.allow_weak_isolation if local else None,
        level=None if options.isolation == "best" else options.isolation,
    )


@dataclass(frozen=True)
class _Candidate:
    """Code and what it is to be tried on."""

    problem: CodeProblem
    code: str
    tests: list[TestCase]
    limits: Limits
    profile: str
    other: str | None

    def of(self, numbers: list[int]) -> tuple[CodeProblem, str, list[TestCase], Limits]:
        """What makes a program of some of the tests."""
        return self.problem, self.code, [self.tests[i] for i in numbers], self.limits

    def chunks(self, numbers: list[int], most: int) -> list[list[int]]:
        """Tests that can be in one program, at most so many; one with assertions is on its own."""
        kinds = {kind: [i for i in numbers if self.tests[i].type == kind] for kind in ("stdin", "functional")}
        chunks = [mine[at : at + most] for mine in kinds.values() for at in range(0, len(mine), most)]
        return chunks + [[i] for i in numbers if self.tests[i].type == "assert"]


class TestExecutionGrader:
    """Grades candidates by execution.

    async with open_executor() as executor:
        grade = await TestExecutionGrader(executor).grade(problem, code)
    """

    __test__ = False  # pytest collects classes named Test*

    def __init__(
        self,
        executor: Executor,
        *,
        home: Executor | None = None,
        timeout_s: float | None = None,
        memory_mb: int | None = None,
        mode: Mode = "isolated",
        recheck: float = 0.0,
    ) -> None:
        """Use an open executor; limits given here overrule those of the problems.

        `home` runs what holds expected values and no candidate: test code and checker programs. It is the executor
        itself, unless that one is not ours.
        """
        self.executor = executor
        self.home = home or executor
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self.mode = mode
        self.recheck = recheck
        self.rechecked = 0
        """Candidates that were run twice."""
        self.flaky: dict[str, set[str]] = {}
        """Of the problems that have any: hashes of the candidates that came out otherwise the second time."""
        self.checked: set[tuple[str, bool]] = set()
        """Problems whose checker program ran, and whether it ended well."""
        self._judging = asyncio.Semaphore(LARGE_AT_A_TIME)

    def limits(self, problem: CodeProblem) -> Limits:
        """The limits under which a problem's tests run here."""
        return limits_of(problem, self.timeout_s, self.memory_mb)

    async def grade(
        self,
        problem: CodeProblem,
        code: str,
        tests: list[TestCase] | None = None,
        *,
        stop_early: bool = False,
        mode: Mode | None = None,
        profile: str = OWN,
        other_profile: str | None = None,
    ) -> Grade:
        """Judge one candidate over the given tests (default: all of the problem's).

        The first test goes alone: code that does not compile, or can't be loaded, fails all tests by that. With
        `stop_early` the tests after the first that does not pass are `not_run`; public tests go first. `mode` overrules
        the grader's own. With a `profile` another grader's comparison decides, see `profiles`; what `other_profile`
        makes of the same answers goes into `Outcome.other`.

        Raises:
            DataError: a test that can't be run as it is written. UnknownName: no such profile.
        """
        for name in {profile, other_profile or OWN} - {OWN}:
            check_profile(name)
        if problem.wants_patch:
            msg = f"problem {problem.problem_id} is answered by a patch and has no tests that can be run here"
            raise DataError(msg)
        tests = problem.test_cases if tests is None else tests
        candidate = _Candidate(problem, code, tests, self.limits(problem), profile, other_profile)
        outcomes = await self._outcomes(candidate, mode or self.mode, stop_early=stop_early)
        flaky = False
        if self._is_sampled(candidate, outcomes):
            again = await self._outcomes(candidate, "isolated", stop_early=stop_early)
            outcomes, flaky = _both(outcomes, again)
            self.rechecked += 1
            if flaky:
                self.flaky.setdefault(problem.problem_id, set()).add(sha256_text(code))
        grade = self.sum_up(tests, outcomes, mode or self.mode)
        return msgspec.structs.replace(grade, flaky=flaky)

    @property
    def quarantined(self) -> list[str]:
        """Problems of which more than one candidate was flaky: it is theirs, then, or this machine's."""
        return sorted(problem for problem, codes in self.flaky.items() if len(codes) > 1)

    def _is_sampled(self, candidate: _Candidate, outcomes: list[Outcome]) -> bool:
        """Whether to look twice: at a share of the passes and timeouts, chosen by their hash, and at all of problems
        that were flaky before.
        """
        passed = bool(outcomes) and all(o.status == "passed" for o in outcomes)
        if not self.recheck or not (passed or any(o.status == "timeout" for o in outcomes)):
            return False
        problem_id = candidate.problem.problem_id
        share = int(sha256_text(f"{problem_id}\0{candidate.code}")[:8], 16) / 16**8
        return share < self.recheck or problem_id in self.flaky

    async def _outcomes(self, candidate: _Candidate, mode: Mode, *, stop_early: bool) -> list[Outcome]:
        """What becomes of each test, in their order."""
        tests = candidate.tests
        found = await self._run_batches(candidate) if mode == "batch" else {}
        todo = [i for i in sorted(range(len(tests)), key=lambda i: not tests[i].is_public) if i not in found]
        for position, number in enumerate(todo):
            found |= await self._run_tests(candidate, [number])
            left = todo[position + 1 :]
            if found[number].phase in {"syntax", "import"}:
                found |= {i: msgspec.structs.replace(found[number], is_public=tests[i].is_public) for i in left}
                break
            if stop_early and found[number].status != "passed":
                break
            if not stop_early:
                found |= await self._run_tests(candidate, left)
                break
        missing = [Outcome(status="not_run", is_public=t.is_public) for t in tests]
        return [found.get(i, missing[i]) for i in range(len(tests))]

    def sum_up(self, tests: list[TestCase], outcomes: list[Outcome], mode: Mode = "isolated") -> Grade:
        """Verdict and figures over the outcomes of some tests."""
        passed = [o.status == "passed" for o in outcomes]
        total = sum(t.weight for t in tests)
        infra = any(o.status == "infra_error" for o in outcomes)
        good = bool(passed) and all(passed)
        return Grade(
            verdict="infra" if infra else "pass" if good else "fail",
            n_passed=sum(passed),
            n_tests=len(tests),
            reward=1.0 if good else 0.0,
            fraction=sum(t.weight for t, p in zip(tests, passed, strict=True) if p) / total if total else 0.0,
            outcomes=outcomes,
            executor=self.executor.name,
            isolation=self.executor.isolation,
            mode=mode,
        )

    async def _run_batches(self, candidate: _Candidate) -> dict[int, Outcome]:
        """Outcomes of the tests that pass where many share a process; what the others do there says nothing."""
        numbers = list(range(len(candidate.tests)))
        random.shuffle(numbers)  # a program that answers by position, and not by input, is not right

        async def run(chunk: list[int]) -> dict[int, Outcome]:
            cases = (await self.executor.run(build_program(*candidate.of(chunk), batch=True))).cases
            judged = await all_of(*(self._judge(candidate, i, c) for i, c in zip(chunk, cases, strict=True)))
            return {i: o for i, o in zip(chunk, judged, strict=True) if o.status == "passed" == (o.other or "passed")}

        chunks = [c for c in candidate.chunks(numbers, BATCH) if len(c) > 1]
        return _joined(await all_of(*map(run, chunks)))

    async def _run_tests(self, candidate: _Candidate, numbers: list[int]) -> dict[int, Outcome]:
        """Outcomes of some tests, each in a process of its own, judged as soon as it is over: outputs may be large."""

        async def run(chunk: list[int]) -> dict[int, Outcome]:
            if candidate.tests[chunk[0]].type == "assert":
                outcome = await self._run_assert(candidate, candidate.tests[chunk[0]])
                return {chunk[0]: msgspec.structs.replace(outcome, other=outcome.status if candidate.other else None)}
            cases = (await self.executor.run(build_program(*candidate.of(chunk)))).cases
            if len(chunk) == 1:  # a task would cost more than what it does
                return {chunk[0]: await self._judge(candidate, chunk[0], cases[0])}
            judged = await all_of(*(self._judge(candidate, i, c) for i, c in zip(chunk, cases, strict=True)))
            return dict(zip(chunk, judged, strict=True))

        chunks = candidate.chunks(numbers, self.executor.cases_per_call)
        return await run(chunks[0]) if len(chunks) == 1 else _joined(await all_of(*map(run, chunks)))

    async def _judge(self, candidate: _Candidate, number: int, case: CaseResult) -> Outcome:
        """The outcome of a stdin or functional test; a large answer is judged in a thread."""
        problem, test = candidate.problem, candidate.tests[number]
        large = len(case.stdout) + case.answer_bytes > LARGE

        async def judged(profile: str) -> Outcome:
            if large:
                async with self._judging:
                    outcome = await asyncio.to_thread(judge, problem, test, case, profile)
            else:
                outcome = judge(problem, test, case, profile)
            if outcome.status == "passed" and has_checker(problem, test, profile):
                program = await asyncio.to_thread(checker_program, problem, test, case)
                said = (await self.home.run(program)).cases[0]
                status, error = checker_says(said)
                self.checked.add((problem.problem_id, said.status in {"ok", "infra_error"}))
                outcome = msgspec.structs.replace(outcome, status=status, error=trim(error))
            return outcome

        outcome = await judged(candidate.profile)
        if candidate.other is None:
            return outcome
        return msgspec.structs.replace(outcome, other=(await judged(candidate.other)).status)

    async def _run_assert(self, candidate: _Candidate, test: TestCase) -> Outcome:
        """Alternate between the test's code, which never meets the candidate, and the candidate, which answers its
        steps.
        """
        problem, code, limits = candidate.problem, candidate.code, candidate.limits
        names = candidate_names(problem)
        reached, stuck = -1, 0
        cpu_s = wall_s = 0.0
        budget_s = BUDGET * limits.timeout_s + BUDGET_S
        steps: list[JsonValue] = []
        answers: list[JsonValue] = []
        used = None
        for _ in range(MAX_ROUNDS):
            check = (await self.home.run(check_program(problem, test, names, steps, answers, limits))).cases[0]
            said = check.answers[-1] if check.answers else {}
            if check.status == "infra_error" or "verdict" in said:
                return judge_check(test, said, check, used or check)
            asked = [a["ask"] for a in check.answers if "ask" in a]
            if not asked:
                reason = f"the test's own code {check.status.replace('_', ' ')}: {check.error}"
                return outcome_of(test, "wrong_answer" if used else "runtime_error", reason, used or check)
            at = check.answers[0]["at"]
            stuck = stuck + 1 if at <= reached else 0
            reached = max(reached, at)
            if stuck > PATIENCE:
                return outcome_of(
                    test, "runtime_error", "the program answers the same calls differently each time", used
                )
            steps = steps[:at] + asked
            used = (await self.executor.run(calls_program(problem, code, [steps], limits))).cases[0]
            complete = used.status == "ok" and len(used.answers) == len(steps)
            if not complete and len(asked) > 1 and used.status not in {"syntax_error", "infra_error"}:
                # a call that the test may never make is no reason to fail; what was answered before it holds
                steps = steps[: max(at + 1, len(used.answers))]
                if len(used.answers) <= at:
                    used = (await self.executor.run(calls_program(problem, code, [steps], limits))).cases[0]
                complete = len(used.answers) >= len(steps)
            if used.status != "ok" and not complete:
                return outcome_of(test, used.status, used.error, used)
            if not complete:
                return outcome_of(test, "runtime_error", "the program ended before it answered", used)
            answers = used.answers[: len(steps)]
            cpu_s += check.cpu_s + used.cpu_s
            wall_s += check.wall_s + used.wall_s
            if cpu_s > budget_s or wall_s > BUDGET_WALL * budget_s:
                return outcome_of(test, "timeout", f"took {wall_s:.0f} s over all its calls", used)
        return outcome_of(test, "runtime_error", f"the test needs more than {MAX_ROUNDS} rounds of calls", used)


def _joined(parts: list[dict[int, Outcome]]) -> dict[int, Outcome]:
    return {number: outcome for part in parts for number, outcome in part.items()}


def _both(first: list[Outcome], second: list[Outcome]) -> tuple[list[Outcome], bool]:
    """Of two runs of the same tests the worse outcomes, and whether they differ; a box that failed says nothing."""
    outcomes, differ = [], False
    for one, other in zip(first, second, strict=True):
        worse = other if one.status in {"passed", "infra_error"} else one
        statuses = {one.status, other.status}
        if statuses & {"infra_error", "not_run"}:
            worse = other if one.status == "infra_error" else one
        elif len(statuses) > 1 and "passed" in statuses:
            differ = True
            worse = msgspec.structs.replace(worse, error=f"flaky: it passes and it fails\n{worse.error}".strip())
        outcomes.append(worse)
    return outcomes, differ
