"""Judges candidates: runs them through an executor, compares outside. The only place where answers meet expected
values.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from code_generation.compare import compare_text, compare_value
from code_generation.concurrency import all_of
from code_generation.errors import ConfigError
from code_generation.executors import open_executor
from code_generation.harness import build_program, calls_program, candidate_names, check_program, limits_of
from code_generation.jsonl import print_error
from code_generation.models import Grade, Mode, Outcome
from code_generation.sandbox.plain_data import decode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from code_generation.models import CaseResult, CodeProblem, JsonValue, Limits, Phase, Status, TestCase
    from code_generation.protocols import Executor

MAX_ROUNDS = 1000
"""How often test code may ask for answers that it did not foresee; see `remote.Conversation`."""
PATIENCE = 3
"""Rounds in a row in which a test may fail to get further."""
LONGEST_SHOWN_BITS = 20_000
BUDGET = 4
"""Times its limit that an assert test may take over all rounds, plus `BUDGET_S` seconds."""
BUDGET_S = 10.0
BATCH = 100
"""Tests that share a process at most in mode `batch`."""
LARGE = 256 << 10
"""Bytes of an answer that is judged in a thread: the event loop has other things to do."""
LARGE_AT_A_TIME = 2
LEAST_MEMORY_MB = 64
"""Below this the interpreter itself does not start."""
TEXT_LIMIT = 2000
"""Characters of an error or an answer that an outcome keeps."""


@dataclass(frozen=True, kw_only=True)
class GraderOptions:
    """Where and how code runs."""

    executor_type: str = "subprocess"
    """Executor, by name."""
    timeout_s: float | None = None
    """CPU seconds of one test (also --timeout); default: the problem's own limit, else 6."""
    memory_mb: int | None = None
    """Address space of one test, MiB; default: the problem's own limit, at least 1024."""
    workers: int | None = None
    """Tests that run at a time; default: the number of cores."""
    mode: Mode = "isolated"
    """`isolated`: every test in a process of its own. `batch`: the tests of a candidate share one, and each that does
    not pass there runs again isolated before it counts: for bulk scoring; what passes is not called verified."""
    isolation: Literal["best", "full", "restricted", "weak"] = "best"
    """Level of isolation: the best that holds on this machine, or that one and no other."""
    allow_weak_isolation: bool = False
    """Run untrusted code even where this machine can't isolate it."""


@asynccontextmanager
async def open_grader(options: GraderOptions) -> AsyncIterator[TestExecutionGrader]:
    """A grader over an executor that is open as long as the block.

    Raises:
        ConfigError: a limit that is none. UnknownName: no such executor. SandboxUnavailable: no safe box here.
    """
    for name, value in (
        ("--timeout-s", options.timeout_s),
        ("--memory-mb", options.memory_mb),
        ("--workers", options.workers),
    ):
        if value is not None and value <= 0:
            msg = f"{name} must be more than 0, got {value}"
            raise ConfigError(msg)
    if options.memory_mb is not None and options.memory_mb < LEAST_MEMORY_MB:
        msg = f"--memory-mb must be at least {LEAST_MEMORY_MB}, got {options.memory_mb}: Python itself needs that"
        raise ConfigError(msg)
    box = open_executor(
        options.executor_type,
        workers=options.workers,
        allow_weak=options.allow_weak_isolation,
        level=None if options.isolation == "best" else options.isolation,
    )
    async with box as executor:
        if executor.isolation not in {"full", options.isolation}:
            print_error(f"isolation is {executor.isolation}, not full; `codegen doctor` says why")
        yield TestExecutionGrader(executor, timeout_s=options.timeout_s, memory_mb=options.memory_mb, mode=options.mode)


@dataclass(frozen=True)
class _Candidate:
    """Code and what it is to be tried on."""

    problem: CodeProblem
    code: str
    tests: list[TestCase]
    limits: Limits

    def of(self, numbers: list[int]) -> tuple[CodeProblem, str, list[TestCase], Limits]:
        """What makes a program of some of the tests."""
        return self.problem, self.code, [self.tests[i] for i in numbers], self.limits


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
        timeout_s: float | None = None,
        memory_mb: int | None = None,
        mode: Mode = "isolated",
    ) -> None:
        """Use an open executor; limits given here overrule those of the problems."""
        self.executor = executor
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self.mode = mode
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
    ) -> Grade:
        """Judge one candidate over the given tests (default: all of the problem's).

        The first test goes alone: code that does not compile, or can't be loaded, fails all tests by that. With
        `stop_early` the tests after the first that does not pass are `not_run`; public tests go first. `mode` overrules
        the grader's own.

        Raises:
            DataError: a test that can't be run as it is written.
        """
        tests = problem.test_cases if tests is None else tests
        candidate = _Candidate(problem, code, tests, self.limits(problem))
        mode = mode or self.mode
        found = await self._run_batches(candidate) if mode == "batch" else {}
        todo = [i for i in sorted(range(len(tests)), key=lambda i: not tests[i].is_public) if i not in found]
        for position, number in enumerate(todo):
            found[number] = await self._run_test(candidate, number)
            left = todo[position + 1 :]
            if found[number].phase in {"syntax", "import"}:
                found |= {i: msgspec.structs.replace(found[number], is_public=tests[i].is_public) for i in left}
                break
            if stop_early and found[number].status != "passed":
                break
            if not stop_early:
                others = await all_of(*(self._run_test(candidate, i) for i in left))
                found |= dict(zip(left, others, strict=True))
                break
        missing = [Outcome(status="not_run", is_public=t.is_public) for t in tests]
        return self.sum_up(tests, [found.get(i, missing[i]) for i in range(len(tests))], mode)

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
        groups = []
        for kind in ("stdin", "functional"):
            numbers = [i for i, t in enumerate(candidate.tests) if t.type == kind]
            random.shuffle(numbers)  # a program that answers by position, and not by input, is not right
            groups += [numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH) if len(numbers) > 1]

        async def run(numbers: list[int]) -> dict[int, Outcome]:
            program = build_program(*candidate.of(numbers), batch=True)
            cases = (await self.executor.run(program)).cases
            judged = await asyncio.to_thread(
                lambda: [_judge(candidate.problem, candidate.tests[i], c) for i, c in zip(numbers, cases, strict=True)]
            )
            return {i: o for i, o in zip(numbers, judged, strict=True) if o.status == "passed"}

        found: dict[int, Outcome] = {}
        for passed in await all_of(*map(run, groups)):
            found |= passed
        return found

    async def _run_test(self, candidate: _Candidate, number: int) -> Outcome:
        """One test in a process of its own, judged as soon as it is over: its output may be large."""
        test = candidate.tests[number]
        if test.type == "assert":
            return await self._run_assert(candidate.problem, candidate.code, test, candidate.limits)
        (case,) = (await self.executor.run(build_program(*candidate.of([number])))).cases
        if len(case.stdout) + case.answer_bytes > LARGE:
            async with self._judging:
                return await asyncio.to_thread(_judge, candidate.problem, test, case)
        return _judge(candidate.problem, test, case)

    async def _run_assert(self, problem: CodeProblem, code: str, test: TestCase, limits: Limits) -> Outcome:
        """Alternate between the test's code, which never meets the candidate, and the candidate, which answers its
        steps.
        """
        names = candidate_names(problem)
        reached, stuck, spent_s, guess = -1, 0, 0.0, True
        steps: list[JsonValue] = []
        answers: list[JsonValue] = []
        used = None
        for _ in range(MAX_ROUNDS):
            check = (await self.executor.run(check_program(problem, test, names, steps, answers, limits))).cases[0]
            said = check.answers[-1] if check.answers else {}
            if check.status == "infra_error" or "verdict" in said:
                return _judge_check(test, said, check, used or check)
            asked = [a["ask"] for a in check.answers if "ask" in a]
            if not asked:
                reason = f"the test's own code {check.status.replace('_', ' ')}: {check.error}"
                return _outcome(test, "wrong_answer" if used else "runtime_error", reason, used or check)
            at = check.answers[0]["at"]
            stuck = stuck + 1 if at <= reached else 0
            reached = max(reached, at)
            if stuck > PATIENCE:
                return _outcome(test, "runtime_error", "the program answers the same calls differently each time", used)
            steps = steps[:at] + (asked if guess else asked[:1])
            used = (await self.executor.run(calls_program(problem, code, [steps], limits))).cases[0]
            complete = used.status == "ok" and len(used.answers) == len(steps)
            if not complete and guess and len(asked) > 1 and used.status not in {"syntax_error", "infra_error"}:
                guess = False  # a call that the test may never make is no reason to fail
                steps = steps[: at + 1]
                used = (await self.executor.run(calls_program(problem, code, [steps], limits))).cases[0]
                complete = used.status == "ok" and len(used.answers) == len(steps)
            if used.status != "ok":
                return _outcome(test, used.status, used.error, used)
            if not complete:
                return _outcome(test, "runtime_error", "the program ended before it answered", used)
            answers = used.answers
            spent_s += check.wall_s + used.wall_s
            if spent_s > BUDGET * limits.timeout_s + BUDGET_S:
                return _outcome(test, "timeout", f"took {spent_s:.0f} s over all its calls", used)
        return _outcome(test, "runtime_error", f"the test needs more than {MAX_ROUNDS} rounds of calls", used)


def _judge(problem: CodeProblem, test: TestCase, case: CaseResult) -> Outcome:
    """The outcome of a stdin or functional test, whatever a candidate gave for an answer."""
    try:
        return _judge_answer(problem, test, case)
    except Exception as e:  # noqa: BLE001 - nothing that a candidate says may end the grader
        return _outcome(test, "runtime_error", f"the answer can't be judged: {type(e).__name__}", case)


def _judge_answer(problem: CodeProblem, test: TestCase, case: CaseResult) -> Outcome:
    policy = problem.metadata.get("comparison")
    if case.status != "ok":
        return _outcome(test, case.status, case.error, case, _printed(case.stdout))
    if test.type == "stdin":
        right = compare_text(test.output, case.stdout, policy)
        return _outcome(test, "passed" if right else "wrong_answer", "", case, _printed(case.stdout))
    answer = case.answers[0] if len(case.answers) == 1 else {}
    if "missing" in answer:
        return _outcome(test, "missing_function", f"{problem.metadata['func_name']} is not defined", case)
    if "raised" in answer:
        return _outcome(test, "runtime_error", str(answer.get("trace", "")), case)
    if "opaque" in answer:
        return _outcome(test, "wrong_answer", f"returned {answer['opaque']}, which is not plain data", case)
    if "value" not in answer:
        return _outcome(test, "runtime_error", "the program ended before it returned a value", case)
    try:
        value = decode(answer["value"])
    except Exception:  # noqa: BLE001 - forged data may fail in any way
        return _outcome(test, "runtime_error", "the answer is malformed", case)
    right = compare_value(test.output, value, policy)
    return _outcome(test, "passed" if right else "wrong_answer", "", case, _show(value))


def _judge_check(test: TestCase, said: dict[str, Any], check: CaseResult, used: CaseResult) -> Outcome:
    """The outcome of an assert test, whose code has come to a verdict."""
    if check.status == "infra_error":
        return _outcome(test, "infra_error", check.error, check)
    if said["verdict"] == "passed":
        return _outcome(test, "passed", "", used)
    got = ", ".join(_show_answer(a) for a in used.answers if "value" in a) if used is not check else ""
    if said["verdict"] == "failed":
        return _outcome(test, "wrong_answer", said["error"], used, got)
    answer = said.get("answer") or {}
    if "missing" in answer:
        return _outcome(test, "missing_function", f"{answer['missing']} is not defined", used)
    if "raised" in answer:
        return _outcome(test, "runtime_error", str(answer.get("trace", "")), used)
    return _outcome(test, "wrong_answer", said["error"], used, got)


def _printed(stdout: bytes) -> str:
    """What a program printed, as text; of very much only the start and the end."""
    if len(stdout) > 8 * TEXT_LIMIT:  # more than `_trim` keeps, however its characters are written
        half = 4 * TEXT_LIMIT
        stdout = b"%b\n[... %d bytes left out ...]\n%b" % (stdout[:half], len(stdout) - 2 * half, stdout[-half:])
    return stdout.decode(errors="replace")


def _show_answer(answer: dict[str, Any]) -> str:
    try:
        return _show(decode(answer["value"]))
    except Exception:  # noqa: BLE001 - forged data may fail in any way
        return "(malformed)"


def _show(value: Any) -> str:
    """A value as Python source, cut off where it gets long: writing out a huge number would take hours."""
    parts: list[str] = []
    _show_into(parts, value, TEXT_LIMIT)
    return "".join(parts)


def _show_into(parts: list[str], value: Any, room: int) -> int:
    """Add a value's text; returns the room that is left, below 0 where it was cut off."""
    if isinstance(value, list | tuple | set | frozenset | dict):
        opening, closing = (
            ("[", "]") if isinstance(value, list) else ("(", ")") if isinstance(value, tuple) else ("{", "}")
        )
        parts.append(opening)
        for number, item in enumerate(value.items() if isinstance(value, dict) else value):
            if number:
                parts.append(", ")
            if room <= 0:
                parts.append("...")
                break
            if isinstance(value, dict):
                room = _show_into(parts, item[0], room)
                parts.append(": ")
                item = item[1]  # noqa: PLW2901
            room = _show_into(parts, item, room) - 2
        parts.append(",)" if isinstance(value, tuple) and len(value) == 1 else closing)
        return room
    if isinstance(value, int) and value.bit_length() > LONGEST_SHOWN_BITS:
        text = f"(an integer of {value.bit_length()} bits)"
    else:
        text = repr(value[:TEXT_LIMIT] if isinstance(value, str | bytes) else value)
    parts.append(text)
    return room - len(text)


def _outcome(test: TestCase, status: Status, error: str, case: CaseResult | None, got: str = "") -> Outcome:
    return Outcome(
        status=status,
        is_public=test.is_public,
        error=_trim(error.strip()),
        got=_trim(got) if test.is_public else "",
        phase=_phase(status, case),
        cpu_s=round(case.cpu_s, 4) if case else 0.0,
        wall_s=round(case.wall_s, 4) if case else 0.0,
        memory_mb=round(case.memory_mb, 1) if case else 0.0,
    )


def _phase(status: Status, case: CaseResult | None) -> Phase:
    """How far the candidate came: to be compiled, to be loaded, or to answer."""
    if status == "syntax_error":
        return "syntax"
    return "run" if case is None or case.loaded or status in {"passed", "infra_error"} else "import"


def _trim(text: str) -> str:
    """Keep the start and the end: a traceback says what happened in its last line."""
    if len(text) <= TEXT_LIMIT:
        return text
    half = TEXT_LIMIT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
