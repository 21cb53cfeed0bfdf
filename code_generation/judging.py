"""From what a run did to what became of a test. Pure functions; the only place where answers meet expected values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from code_generation.compare import CHECKER, compare_text, compare_value
from code_generation.models import Outcome
from code_generation.profiles import decides, profile_text, profile_value
from code_generation.sandbox.plain_data import decode

if TYPE_CHECKING:
    from code_generation.models import CodeProblem, Phase, Status, TestCase
    from code_generation.programs import CaseResult

OWN = "default"
"""The profile that is none: the comparison of the problem itself."""
LONGEST_SHOWN_BITS = 20_000
TEXT_LIMIT = 2000
"""Characters of an error or an answer that an outcome keeps."""


def judge(problem: CodeProblem, test: TestCase, case: CaseResult, profile: str = OWN) -> Outcome:
    """The outcome of a stdin or functional test, whatever a candidate gave for an answer.

    Where a checker program decides, every answer passes here that such a program can look at.
    """
    try:
        return _judge(problem, test, case, _effective(profile, test))
    except Exception as e:  # noqa: BLE001 - nothing that a candidate says may end the grader
        return outcome_of(test, "runtime_error", f"the answer can't be judged: {type(e).__name__}", case)


def _judge(problem: CodeProblem, test: TestCase, case: CaseResult, profile: str) -> Outcome:
    if case.status != "ok":
        return outcome_of(test, case.status, case.error, case, _printed(case.stdout))
    if test.type == "stdin":
        right = _is_right_text(problem, test, case.stdout, profile)
        return outcome_of(test, "passed" if right else "wrong_answer", "", case, _printed(case.stdout))
    answer = case.answers[0] if len(case.answers) == 1 else {}
    if "missing" in answer:
        return outcome_of(test, "missing_function", f"{problem.metadata['func_name']} is not defined", case)
    if "raised" in answer:
        return outcome_of(test, "runtime_error", str(answer.get("trace", "")), case)
    if "opaque" in answer:
        right = profile != OWN and profile_value(profile, problem, test, object())  # equal to nothing, yet not None
        error = "" if right else f"returned {answer['opaque']}, which is not plain data"
        return outcome_of(test, "passed" if right else "wrong_answer", error, case)
    if "value" not in answer:
        return outcome_of(test, "runtime_error", "the program ended before it returned a value", case)
    try:
        value = decode(answer["value"])
    except Exception:  # noqa: BLE001 - forged data may fail in any way
        return outcome_of(test, "runtime_error", "the answer is malformed", case)
    right = _is_right_value(problem, test, value, profile)
    return outcome_of(test, "passed" if right else "wrong_answer", "", case, _show(value))


def has_checker(problem: CodeProblem, test: TestCase, profile: str = OWN) -> bool:
    """Whether a program of the data set decides."""
    return _effective(profile, test) == OWN and (problem.metadata.get("comparison") or {}).get("name") == CHECKER


def _effective(profile: str, test: TestCase) -> str:
    """The profile, or the problem's own comparison where that profile has none for such tests."""
    return profile if profile != OWN and decides(profile, test.type) else OWN


def _is_right_text(problem: CodeProblem, test: TestCase, got: bytes, profile: str) -> bool:
    if profile != OWN:
        return profile_text(profile, test.output, got)
    return has_checker(problem, test) or compare_text(test.output, got, problem.metadata.get("comparison"))


def _is_right_value(problem: CodeProblem, test: TestCase, got: Any, profile: str) -> bool:
    if profile != OWN:
        return profile_value(profile, problem, test, got)
    return has_checker(problem, test) or compare_value(test.output, got, problem.metadata.get("comparison"))


def checker_says(case: CaseResult) -> tuple[Status, str]:
    """What a checker program said, and why: right where it ended well and the last word that it printed is 1."""
    if case.status == "infra_error":
        return "infra_error", case.error
    if case.status == "ok" and case.stdout.split()[-1:] in ([b"1"], [b"1.0"]):
        return "passed", ""
    said = _printed(case.stdout).strip() if case.status == "ok" else case.error.strip().rpartition("\n")[2]
    return "wrong_answer", f"the checker program does not accept it: {said or 'it said nothing'}"


def judge_check(test: TestCase, said: dict[str, Any], check: CaseResult, used: CaseResult) -> Outcome:
    """The outcome of an assert test, whose code has come to a verdict."""
    if check.status == "infra_error":
        return outcome_of(test, "infra_error", check.error, check)
    if said["verdict"] == "passed":
        return outcome_of(test, "passed", "", used)
    got = ", ".join(_show_answer(a) for a in used.answers if "value" in a) if used is not check else ""
    if said["verdict"] == "failed":
        return outcome_of(test, "wrong_answer", said["error"], used, got)
    answer = said.get("answer") or {}
    if "missing" in answer:
        return outcome_of(test, "missing_function", f"{answer['missing']} is not defined", used)
    if "raised" in answer:
        return outcome_of(test, "runtime_error", str(answer.get("trace", "")), used)
    return outcome_of(test, "wrong_answer", said["error"], used, got)


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


def outcome_of(test: TestCase, status: Status, error: str, case: CaseResult | None, got: str = "") -> Outcome:
    """The outcome of a test, everything in it trimmed; what a candidate gave is kept for public tests only."""
    return Outcome(
        status=status,
        is_public=test.is_public,
        error=trim(error.strip()),
        got=trim(got) if test.is_public else "",
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


def trim(text: str) -> str:
    """The start and the end of a long text: a traceback says what happened in its last line."""
    if len(text) <= TEXT_LIMIT:
        return text
    half = TEXT_LIMIT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
