"""Judges candidates: runs them through an executor, compares outside. The only place where answers meet expected
values.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from code_generation.compare import compare_text, compare_value
from code_generation.concurrency import all_of
from code_generation.errors import ConfigError
from code_generation.executors import open_executor
from code_generation.harness import build_program, calls_program, candidate_names, check_program, limits_of
from code_generation.inside import decode
from code_generation.models import Grade, Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from code_generation.models import CaseResult, CodeProblem, JsonValue, Limits, Program, Status, TestCase
    from code_generation.protocols import Executor

MAX_ROUNDS = 300
"""How often test code may ask for answers that it did not foresee; see `inside_check.Conversation`."""
PATIENCE = 3
"""Rounds in a row in which a test may fail to get further."""
LONGEST_SHOWN_BITS = 20_000
BUDGET = 4
"""Times its limit that an assert test may take over all rounds, plus `BUDGET_S` seconds."""
BUDGET_S = 10.0
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
    box = open_executor(options.executor_type, workers=options.workers, allow_weak=options.allow_weak_isolation)
    async with box as executor:
        yield TestExecutionGrader(executor, timeout_s=options.timeout_s, memory_mb=options.memory_mb)


class TestExecutionGrader:
    """Grades candidates by execution.

    async with open_executor() as executor:
        grade = await TestExecutionGrader(executor).grade(problem, code)
    """

    __test__ = False  # pytest collects classes named Test*

    def __init__(self, executor: Executor, *, timeout_s: float | None = None, memory_mb: int | None = None) -> None:
        """Use an open executor; limits given here overrule those of the problems."""
        self.executor = executor
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb

    def limits(self, problem: CodeProblem) -> Limits:
        """The limits under which a problem's tests run here."""
        return limits_of(problem, self.timeout_s, self.memory_mb)

    async def grade(
        self, problem: CodeProblem, code: str, tests: list[TestCase] | None = None, *, stop_early: bool = False
    ) -> Grade:
        """Judge one candidate over the given tests (default: all of the problem's).

        With `stop_early` the tests after the first that does not pass are `not_run`; public tests go first.

        Raises:
            DataError: a test that can't be run as it is written.
        """
        tests = problem.test_cases if tests is None else tests
        limits = self.limits(problem)
        outcomes: dict[int, Outcome] = {}
        if stop_early:
            for number in sorted(range(len(tests)), key=lambda i: not tests[i].is_public):
                (outcomes[number],) = await self._run_tests(problem, code, [tests[number]], limits)
                if outcomes[number].status != "passed":
                    break
        else:
            outcomes = dict(enumerate(await self._run_tests(problem, code, tests, limits)))
        missing = [Outcome(status="not_run", is_public=t.is_public) for t in tests]
        return self.sum_up(tests, [outcomes.get(i, missing[i]) for i in range(len(tests))])

    def sum_up(self, tests: list[TestCase], outcomes: list[Outcome]) -> Grade:
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
        )

    async def _run_tests(self, problem: CodeProblem, code: str, tests: list[TestCase], limits: Limits) -> list[Outcome]:
        """Outcomes in the order of the tests; the executor bounds how many run at a time."""
        found: dict[int, Outcome] = {}

        async def run_group(program: Program, numbers: list[int]) -> None:
            result = await self.executor.run(program)
            for i, case in zip(numbers, result.cases, strict=True):
                found[i] = await asyncio.to_thread(_judge, problem, tests[i], case)

        async def run_assert(number: int) -> None:
            found[number] = await self._run_assert(problem, code, tests[number], limits)

        by_kind = [[i for i, t in enumerate(tests) if t.type == kind] for kind in ("stdin", "functional")]
        groups = [
            (build_program(problem, code, [tests[i] for i in numbers], limits), numbers)
            for numbers in by_kind
            if numbers
        ]
        asserts = [run_assert(i) for i, t in enumerate(tests) if t.type == "assert"]
        await all_of(*(run_group(*g) for g in groups), *asserts)
        return [found[i] for i in range(len(tests))]

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
                break
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
        return _outcome(test, "runtime_error", "the program answers the same calls differently each time", used)


def _judge(problem: CodeProblem, test: TestCase, case: CaseResult) -> Outcome:
    """The outcome of a stdin or functional test, whatever a candidate gave for an answer."""
    try:
        return _judge_answer(problem, test, case)
    except Exception as e:  # noqa: BLE001 - nothing that a candidate says may end the grader
        return _outcome(test, "runtime_error", f"the answer can't be judged: {type(e).__name__}", case)


def _judge_answer(problem: CodeProblem, test: TestCase, case: CaseResult) -> Outcome:
    policy = problem.metadata.get("comparison")
    if case.status != "ok":
        return _outcome(test, case.status, case.error, case, case.stdout.decode(errors="replace"))
    if test.type == "stdin":
        right = compare_text(test.output, case.stdout, policy)
        return _outcome(test, "passed" if right else "wrong_answer", "", case, case.stdout.decode(errors="replace"))
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
        cpu_s=round(case.cpu_s, 4) if case else 0.0,
        wall_s=round(case.wall_s, 4) if case else 0.0,
        memory_mb=round(case.memory_mb, 1) if case else 0.0,
    )


def _trim(text: str) -> str:
    """Keep the start and the end: a traceback says what happened in its last line."""
    if len(text) <= TEXT_LIMIT:
        return text
    half = TEXT_LIMIT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
