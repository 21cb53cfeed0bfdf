"""Conversations as Markdown: in full, or the verdict of every attempt with the first test that it failed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from code_generation.evaluation.known import dollars
from code_generation.exporters.thinking import thinking_of, visible_text
from code_generation.reports.conversations import (
    counts,
    prompt_entry,
    shown_expected,
    shown_input,
    split_turns,
    text_of,
)
from code_generation.reports.formatting import money, plural, words
from code_generation.reports.plain_text import clipped, escaped, fenced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from code_generation.models import Attempt, CodeProblem, GenerationResult, Grade, Outcome, TestCase

LONGEST_DIFF = 2000
"""Lines of two codes together that are compared."""
ERROR = 300
"""Characters of an error in a table."""
MARKER = "<!-- codegen report -->\n"
"""First line of every Markdown report: what has it may be made anew in place."""
NOT_JUDGED = "NOT JUDGED"


def render_conversation(results: Iterable[GenerationResult], *, show_private: bool = False) -> str:
    """All samples of a problem, each with its prompt, answers, outcomes, feedback and what changed between turns."""
    return MARKER + "\n".join("".join(_conversation(r, show_private=show_private)) for r in results)


def render_verification(results: Iterable[GenerationResult], *, show_private: bool = False) -> str:
    """The verification trace: PASS or FAIL, reward, case counts and first failure of every attempt."""
    return "".join(verification_pieces(results, show_private=show_private))


def verification_pieces(results: Iterable[GenerationResult], *, show_private: bool = False) -> Iterator[str]:
    """The trace in pieces, a result each."""
    yield MARKER + "# Verification trace\n"
    passed = failed = others = 0
    for result in results:
        verdict = verdict_of(result)
        passed, failed = passed + (verdict == "PASS"), failed + (verdict == "FAIL")
        others += verdict not in {"PASS", "FAIL"}
        yield f"\n## {_title(result)}: {verdict}\n\n"
        yield "| Attempt | Verdict | Reward | Public tests | Private tests | First failure |\n"
        yield "|---:|---|---:|---:|---:|---|\n"
        for number, attempt in enumerate(result.attempts, 1):
            yield _trace_row(number, attempt, result.problem, show_private=show_private)
        if result.certificate is not None:
            yield f"\nTests sha256 `{escaped(result.certificate.tests_sha256)}`, "
            yield f"code sha256 `{escaped(str(result.certificate.code_sha256))}`.\n"
    yield f"\n{passed} PASS, {failed} FAIL{f', {others} without a verdict' if others else ''}.\n"


def verdict_of(result: GenerationResult) -> str:
    """PASS, FAIL, INFRA or NOT JUDGED, of the last attempt; no code is FAIL where there are tests."""
    last = result.attempts[-1] if result.attempts else None
    if last is not None and last.grade is not None:
        return last.grade.verdict.upper()
    return "FAIL" if result.problem.test_cases and result.final_code is None else NOT_JUDGED


def _title(result: GenerationResult) -> str:
    said = result.generation_metadata
    model, prompt = (escaped(text_of(said.get(k)) or "unknown") for k in ("model", "prompt_id"))
    sample = escaped(text_of(said.get("sample_index", 0)))
    return f"{escaped(result.problem.problem_id)}, {model}, {prompt}, sample {sample}"


def _trace_row(number: int, attempt: Attempt, problem: CodeProblem, *, show_private: bool) -> str:
    grade = attempt.grade
    if grade is None:
        why = "no code was found in the answer" if attempt.code is None else "no tests were run here"
        verdict = "FAIL" if attempt.code is None and problem.test_cases else NOT_JUDGED
        return f"| {number} | {verdict} | {'0.000' if verdict == 'FAIL' else '—'} | — | — | {why} |\n"
    public, private = (" of ".join(map(str, counts(grade, public=side))) for side in (True, False))
    first = _first_failure(grade, problem, show_private=show_private)
    return f"| {number} | {grade.verdict.upper()} | {grade.reward:.3f} | {public} | {private} | {first} |\n"


def _first_failure(grade: Grade, problem: CodeProblem, *, show_private: bool) -> str:
    failed = ((n, o) for n, o in enumerate(grade.outcomes) if o.status != "passed")
    number, outcome = next(failed, (0, None))
    if outcome is None:
        return ""
    side = "public" if outcome.is_public else "private"
    text = f"{side} test {number + 1}: {words(outcome.status)}"
    if not (outcome.is_public or show_private):
        return text
    details = []
    if number < len(problem.test_cases):
        test = problem.test_cases[number]
        details = [f"input {shown_input(test, problem.func_name)}", f"expected {shown_expected(test)}"]
    details += [f"got {outcome.got}"] if outcome.got else []
    details += [outcome.error.strip().rpartition("\n")[2]] if outcome.error.strip() else []
    return "; ".join([text, *(escaped(clipped(d, ERROR)) for d in details)])


def _conversation(result: GenerationResult, *, show_private: bool) -> Iterator[str]:
    yield f"# {_title(result)}: {verdict_of(result)}\n\n"
    yield f"{plural(len(result.attempts), 'turn')}; verified: {'yes' if result.verified else 'no'}; "
    yield f"cost: {money(dollars(result.cost_usd))}\n"
    for asked in prompt_entry(result):
        yield f"\n## {asked['role'].capitalize()}\n\n{fenced(asked['content'])}"
    before: tuple[str, int] | None = None
    for number, (spoken, attempt) in enumerate(split_turns(result), 1):
        grade = attempt.grade if attempt else None
        yield f"\n## Turn {number}: {_turn_verdict(attempt, result.problem)}\n"
        message, told = spoken or (None, [])
        if message is not None and (thought := thinking_of(message)):
            yield f"\n### Thinking\n\n{fenced(thought)}"
        answer = visible_text(message) if message else ""
        yield f"\n### Answer\n\n{fenced(answer, 'markdown')}"
        code = attempt.code if attempt else None
        if code is not None and code not in answer:
            yield f"\n### Code found in it\n\n{fenced(code, 'python')}"
        if attempt is not None and attempt.refusal:
            yield f"\nRefused: {escaped(attempt.refusal)}\n"
        if grade is not None:
            yield from _outcomes(grade, result.problem, show_private=show_private)
        if code is not None and before is not None:
            yield f"\n### Difference from turn {before[1]}\n\n{_difference(before[0], code)}"
        before = (code, number) if code is not None else before
        for m in told:
            yield f"\n### Feedback\n\n{fenced(m.content)}"


def _turn_verdict(attempt: Attempt | None, problem: CodeProblem) -> str:
    if attempt is None:
        return NOT_JUDGED
    if attempt.grade is None:
        return "FAIL, no code" if attempt.code is None and problem.test_cases else NOT_JUDGED
    grade = attempt.grade
    return f"{grade.verdict.upper()}, {grade.n_passed} of {grade.n_tests} tests, reward {grade.reward:.3f}"


def _outcomes(grade: Grade, problem: CodeProblem, *, show_private: bool) -> Iterator[str]:
    yield "\n### Tests\n\n| Test | Kind | Status | Input | Expected | Got |\n|---:|---|---|---|---|---|\n"
    hidden: dict[str, int] = {}
    for number, outcome in enumerate(grade.outcomes):
        if not (outcome.is_public or show_private):
            hidden[outcome.status] = hidden.get(outcome.status, 0) + 1
            continue
        test = problem.test_cases[number] if number < len(problem.test_cases) else None
        yield _test_row(number + 1, outcome, test, problem.func_name)
    if hidden:
        said = ", ".join(f"{n} {words(status)}" for status, n in hidden.items())
        yield f"\nPrivate tests, {sum(hidden.values())}: {said}.\n"


def _test_row(number: int, outcome: Outcome, test: TestCase | None, func_name: str | None) -> str:
    asked = (shown_input(test, func_name), shown_expected(test)) if test else ("", "")
    got = "; ".join(t for t in (outcome.got.strip(), outcome.error.strip()) if t)
    cells = " | ".join(escaped(clipped(t, ERROR)) for t in (*asked, got))
    return f"| {number} | {'public' if outcome.is_public else 'private'} | {words(outcome.status)} | {cells} |\n"


def _difference(before: str, after: str) -> str:
    if before == after:
        return "The code is the same.\n"
    a, b = before.splitlines(), after.splitlines()
    if len(a) + len(b) > LONGEST_DIFF:
        return f"The codes are too long to be compared here ({len(a):,} and {len(b):,} lines).\n"
    changed = [line for line in difflib.unified_diff(a, b, lineterm="") if not line.startswith(("---", "+++"))]
    return fenced("\n".join(changed), "diff")
