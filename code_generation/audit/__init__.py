"""Whether a problem deserves a model's time: every reference through every test, and what follows from it.

    audit(problem, grader) -> Audit: verdict, reason, calibrated limits, trust

Verdicts: `sound` (every test is passed by a reference) · `no_reference` · `not_judged` (the sandbox failed) ·
`missing_package` (references need what candidates don't have here) ·
`patch` (no tests that run here) · and those that keep a problem from a run: `reference_fails` · `several_answers` (its
references disagree) · `needs_checker` (the statement accepts several answers, the comparison one) · `interactive` ·
`out_of_limits` (references pass, in more time or memory than they have) · `flaky` · `duplicate`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from code_generation.audit.checks import accepts_several, is_interactive
from code_generation.certificate import sha256_text, tests_sha256
from code_generation.compare import compare_text
from code_generation.grader import TestExecutionGrader
from code_generation.jsonl import encode
from code_generation.programs import Limits
from code_generation.statements.shown import leaked_tests

if TYPE_CHECKING:
    from code_generation.models import CodeProblem, Grade

AuditVerdict = Literal[
    "sound", "no_reference", "not_judged", "missing_package", "patch", "reference_fails", "several_answers",
    "needs_checker", "interactive", "out_of_limits", "flaky", "duplicate",
]  # fmt: skip
QUARANTINED = {
    "reference_fails", "several_answers", "needs_checker", "interactive", "out_of_limits", "flaky", "duplicate",
}  # fmt: skip
"""Verdicts of problems that a run should leave out."""
LIMITS_HIT = {"timeout", "memory_limit", "output_limit"}
MORE = 4
"""Times its limits that a reference gets which they stopped."""
AGREEING = 3
"""So many references that all pass show that a statement's several answers do not matter in these tests."""
LEAST_TIME_S, TIMES_REFERENCE = 2.0, 10
"""A calibrated time limit: so many seconds at least, and as many times what the slowest reference takes."""
TIMES_MEMORY = 2
STEPS = (1, 1.5, 2, 3, 4, 5, 6, 8)
"""Limits are rounded up to these times a power of ten: a second audit should find the same."""


@dataclass(kw_only=True)
class Audit:
    """What is known of one problem."""

    problem_id: str
    verdict: AuditVerdict
    reason: str = ""
    """One line; empty for `sound`."""
    references: dict[str, int] = field(default_factory=dict)
    """`{"passed", "failed", "infra"}`: how many reference solutions."""
    failures: list[str] = field(default_factory=list)
    """A line for each reference that does not pass."""
    limits: dict[str, float] = field(default_factory=dict)
    """`{"time_limit_s", "memory_limit_mb"}` as its slowest reference suggests; empty where none passes."""
    trust: float = 0.0
    """0 to 1: the product of the parts."""
    parts: dict[str, float] = field(default_factory=dict)
    """See `trust_parts`."""
    quarantined: bool = False
    """Whether a run should leave the problem out."""
    tests_sha256: str = ""
    """Of the tests that this was found with, see `certificate`."""
    problem_sha256: str = ""
    """Of the statement and the references that this was found with."""


async def audit(problem: CodeProblem, grader: TestExecutionGrader, duplicate_of: str | None = None) -> Audit:
    """Run every reference through every test of a problem, and say what follows.

    Raises:
        DataError: a test that can't be run as it is written.
    """
    if problem.wants_patch:
        return Audit(problem_id=problem.problem_id, verdict="patch", reason="it asks for a patch: nothing runs here")
    grades = [await _graded(problem, code, grader) for code in problem.solutions]
    passing = [g for g in grades if g.verdict == "pass"]
    found = Audit(
        problem_id=problem.problem_id,
        verdict="sound",
        references={v: sum(g.verdict == w for g in grades) for v, w in _COUNTED.items()},
        failures=[f"$.solutions[{n}] {why_not(g)}" for n, g in enumerate(grades) if g.verdict != "pass"],
        tests_sha256=tests_sha256(problem),
        problem_sha256=problem_sha256(problem),
    )
    flaky = any(g.flaky for g in grades)
    if passing:
        slowest = max(passing, key=_cpu_s)
        again = await grader.grade(problem, problem.solutions[grades.index(slowest)], mode="isolated")
        flaky = flaky or again.verdict == "fail"
        found.limits = calibrated(problem, again) if again.verdict == "pass" else {}
    found.verdict, found.reason = _verdict(problem, grades, flaky=flaky, found=found)
    if found.verdict == "reference_fails" and _only_limits(grades):
        found.verdict, found.reason = await _out_of_limits(problem, grades, grader, found)
    if duplicate_of:
        found.verdict, found.reason = "duplicate", f"the same problem as {duplicate_of}"
    found.quarantined = found.verdict in QUARANTINED
    found.parts = trust_parts(problem, grades, flaky=flaky)
    found.trust = round(math.prod(found.parts.values()), 3)
    return found


def problem_sha256(problem: CodeProblem) -> str:
    """Hash of what an audit looks at beside the tests: the statement and the references."""
    return sha256_text(encode([problem.problem, problem.solutions]))


_COUNTED = {"passed": "pass", "failed": "fail", "infra": "infra"}


async def _graded(problem: CodeProblem, code: str, grader: TestExecutionGrader) -> Grade:
    """A grade whose outcomes hold the answers, also those of private tests: references are to be compared.

    In a batch: some problems have hundreds of references and of tests, and what fails there runs again on its own.
    """
    shown = [msgspec.structs.replace(t, is_public=True) for t in problem.test_cases]
    return await grader.grade(msgspec.structs.replace(problem, test_cases=shown), code, mode="batch")


def _cpu_s(grade: Grade) -> float:
    return sum(o.cpu_s for o in grade.outcomes)


def _verdict(problem: CodeProblem, grades: list[Grade], *, flaky: bool, found: Audit) -> tuple[AuditVerdict, str]:
    passed, failed, infra = (found.references[k] for k in ("passed", "failed", "infra"))
    words = accepts_several(problem)
    if is_interactive(problem):
        return "interactive", "a program would have to talk with a judge"
    if infra and not passed:
        return "not_judged", found.failures[0]
    if flaky:
        return "flaky", "a reference passes and fails, run twice"
    others = sum(any(o.status == "wrong_answer" for o in g.outcomes) for g in grades)
    if others and others > passed and _disagree(problem, grades):
        return "several_answers", f"its references disagree: {passed} pass, {others} give other answers"
    if failed and not passed and (package := _missing_package(grades)):
        return "missing_package", f"its references need {package}, which candidates don't have here"
    if failed and not passed:
        return "reference_fails", found.failures[0]
    if words and not passed >= AGREEING:
        return "needs_checker", f"the statement accepts several answers ({words!r}), its comparison only one"
    return ("sound", "") if passed else ("no_reference", "it has no reference solution")


def _missing_package(grades: list[Grade]) -> str | None:
    """What all references lack that fail: a package of this machine."""
    found = {m[1] for g in grades for o in g.outcomes if (m := _NO_MODULE.search(o.error))}
    lacking = sum(any(_NO_MODULE.search(o.error) for o in g.outcomes) for g in grades if g.verdict == "fail")
    return ", ".join(sorted(found)) if found and lacking == sum(g.verdict == "fail" for g in grades) else None


_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


def _disagree(problem: CodeProblem, grades: list[Grade]) -> bool:
    """Whether two references that came to an answer gave different ones to the same test."""
    for outcomes in zip(*(g.outcomes for g in grades), strict=True):
        answers = ["" if o.status == "passed" else o.got for o in outcomes if o.status in {"passed", "wrong_answer"}]
        if len(answers) > 1 and not all(_same(problem, answers[0], a) for a in answers[1:]):
            return True
    return False


def _same(problem: CodeProblem, one: str, other: str) -> bool:
    if one == other:
        return True
    return bool(one and other) and compare_text(one, other.encode(errors="replace"), problem.metadata.get("comparison"))


def _only_limits(grades: list[Grade]) -> bool:
    """Whether some reference fails by nothing but limits."""
    statuses = [{o.status for o in g.outcomes} - {"passed"} for g in grades]
    return any(s and s <= LIMITS_HIT for s in statuses)


async def _out_of_limits(
    problem: CodeProblem, grades: list[Grade], grader: TestExecutionGrader, found: Audit
) -> tuple[AuditVerdict, str]:
    """Try the references that limits stopped with more of them."""
    limits = grader.limits(problem)
    wide = {"time_limit_s": MORE * limits.timeout_s, "memory_limit_mb": MORE * limits.memory_mb}
    generous = TestExecutionGrader(grader.executor, home=grader.home)
    slow = msgspec.structs.replace(problem, metadata=problem.metadata | wide)
    for code, grade in zip(problem.solutions, grades, strict=True):
        if {o.status for o in grade.outcomes} - {"passed"} <= LIMITS_HIT:
            again = await generous.grade(slow, code)
            if again.verdict == "pass":
                found.limits = calibrated(problem, again)
                return "out_of_limits", f"its references need more than its limits: {found.failures[0]}"
    return "reference_fails", found.failures[0]


def calibrated(problem: CodeProblem, grade: Grade) -> dict[str, float]:
    """Limits that leave room above a reference that passes, each test alone: never tighter than the problem's own."""
    slowest = max(o.cpu_s for o in grade.outcomes)
    largest = max(o.memory_mb for o in grade.outcomes)
    own_time, own_memory = (problem.metadata.get(k) or 0.0 for k in ("time_limit_s", "memory_limit_mb"))
    return {
        "time_limit_s": max(own_time, LEAST_TIME_S, _rounded_up(TIMES_REFERENCE * slowest)),
        "memory_limit_mb": max(own_memory, Limits().memory_mb, _rounded_up(TIMES_MEMORY * largest)),
    }


def _rounded_up(value: float) -> float:
    power = 10 ** math.floor(math.log10(max(value, 0.001)))
    return next((float(s * power) for s in STEPS if s * power >= value), 10.0 * power)


def trust_parts(problem: CodeProblem, grades: list[Grade], *, flaky: bool) -> dict[str, float]:
    """How far a pass in this problem can be trusted, each part from 0 to 1.

    `references`: the share that passes, times 1 - 2^-(n + 1) of n that do; 0.5 where there are none. `tests`: 1 -
    2^-(n / 3) of n tests, each assertion of a test program being one. `hidden`: 0.5 where no test is private. `leaks`:
    the share of the private tests that neither statement nor starter code nor a public test gives away. `stable`: 0
    where it is flaky. `statement`: 0 where it is empty or asks for a conversation, 0.5 where it accepts several answers
    and the comparison one.
    """
    passed = sum(g.verdict == "pass" for g in grades)
    judged = sum(g.verdict != "infra" for g in grades)
    private = len(problem.private_tests)
    empty = is_interactive(problem) or not problem.problem.strip()
    parts = {
        "references": passed / judged * (1 - 2 ** -(passed + 1)) if judged else 0.5,
        "tests": 1 - 2 ** -(_n_checks(problem) / 3),
        "hidden": 1.0 if private else 0.5,
        "leaks": 1 - len(leaked_tests(problem)) / private if private else 1.0,
        "stable": 0.0 if flaky else 1.0,
        "statement": 0.0 if empty else 0.5 if accepts_several(problem) else 1.0,
    }
    return {name: round(value, 3) for name, value in parts.items()}


def _n_checks(problem: CodeProblem) -> int:
    """Tests, and of a program of assertions each of these."""
    return sum(max(1, t.input.count("assert ")) if t.type == "assert" else 1 for t in problem.test_cases)


def why_not(grade: Grade) -> str:
    """The first test that did not pass, in one line."""
    if grade.flaky:
        return "is flaky: run twice, it passes and it fails; the problem is not to be trusted"
    number, outcome = next((i, o) for i, o in enumerate(grade.outcomes) if o.status != "passed")
    last = outcome.error.strip().rpartition("\n")[2]
    return (
        f"fails test {number}: {outcome.status}{': ' + last if last else ''} ({grade.n_passed} of {grade.n_tests} pass)"
    )
