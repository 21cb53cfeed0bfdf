"""A result row as a report holds it: problem, prompt and turns as JSON objects, private tests as a status only."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from code_generation.errors import DataError
from code_generation.evaluation.known import dollars, tokens
from code_generation.exporters.thinking import thinking_of, visible_text
from code_generation.jsonl import encode
from code_generation.prompts import render_expected, render_input
from code_generation.reports.plain_text import clipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from code_generation.models import (
        Attempt,
        CodeProblem,
        GenerationResult,
        Grade,
        JsonValue,
        Message,
        Outcome,
        TestCase,
    )

TEST_TEXT = 4000
"""Characters of a test's input or expected value that a report holds."""
TOO_DEEP = "(nested too deeply to show)"
Entry = dict[str, Any]
Spoken = tuple["Message", list["Message"]]
"""An answer and the messages after it."""


def problem_entry(problem: CodeProblem, *, show_private: bool) -> Entry:
    """What a report says of a problem, apart from its statement, which stands in the prompt.

    {"problem_id": "p", "dataset": "mbpp", "difficulty": "easy", "adversarial": false, "tags": [],
     "tests": [{"is_public": true, "input": "f(1)", "expected": "2"}, {"is_public": false}]}
    """
    said = problem.metadata
    tags = said.get("tags")
    return {
        "problem_id": problem.problem_id,
        "dataset": text_of(said.get("source")),
        "difficulty": text_of(said.get("difficulty")) or None,
        "adversarial": said.get("adversarial") is True,
        "tags": [t for t in tags if isinstance(t, str)] if isinstance(tags, list) else [],
        "tests": [_test_entry(t, problem.func_name, show_private=show_private) for t in problem.test_cases],
    }


def text_of(value: JsonValue) -> str:
    """A fact of metadata as text; empty where it is none, or no single one."""
    return "" if value is None or isinstance(value, list | dict) else str(value)


def _test_entry(test: TestCase, func_name: str | None, *, show_private: bool) -> Entry:
    if not (test.is_public or show_private):
        return {"is_public": False}
    return {
        "is_public": test.is_public,
        "input": clipped(shown_input(test, func_name), TEST_TEXT),
        "expected": clipped(shown_expected(test), TEST_TEXT),
    }


def shown_input(test: TestCase, func_name: str | None) -> str:
    """A test's input as text, whatever it is."""
    return _rendered(lambda: render_input(test, func_name), test.input)


def shown_expected(test: TestCase) -> str:
    """A test's expected value as text, whatever it is."""
    return _rendered(lambda: render_expected(test), test.output)


def _rendered(render: Callable[[], str], value: JsonValue) -> str:
    """As it is meant to be written; as JSON where it is not what it should be, `{"args": 5}` for instance."""
    try:
        return render()
    except (DataError, ValueError, TypeError, AttributeError):
        pass
    except (RecursionError, MemoryError):
        return TOO_DEEP
    try:
        return encode(value)
    except (RecursionError, MemoryError):
        return TOO_DEEP


def prompt_entry(result: GenerationResult) -> list[Entry]:
    """The messages before the first answer, and the statement where it is in none of them."""
    opening = _opening(result.full_message_history)
    messages = [{"role": m.role, "content": m.content} for m in opening]
    if not any(result.problem.problem.strip() in m.content for m in opening):
        messages.insert(0, {"role": "problem", "content": result.problem.problem})
    return messages


def _opening(history: list[Message]) -> list[Message]:
    first = next((i for i, m in enumerate(history) if m.role == "assistant"), len(history))
    return history[:first]


def split_turns(result: GenerationResult) -> list[tuple[Spoken | None, Attempt | None]]:
    """What was said and what was made of it, turn by turn; a row by other hands may have more of one."""
    return list(zip_longest(_spoken(result.full_message_history), result.attempts))


def turns(result: GenerationResult, *, show_private: bool) -> list[Entry]:
    """The answers in their order, each with its code, its grade and what the model was told about it."""
    return [_turn(spoken, attempt, show_private=show_private) for spoken, attempt in split_turns(result)]


def _spoken(history: list[Message]) -> list[Spoken]:
    """(answer, messages after it) of each answer."""
    found: list[Spoken] = []
    for message in history:
        if message.role == "assistant":
            found.append((message, []))
        elif found:
            found[-1][1].append(message)
    return found


def _turn(spoken: Spoken | None, attempt: Attempt | None, *, show_private: bool) -> Entry:
    message, told = spoken or (None, [])
    turn: Entry = {
        "answer": visible_text(message) if message else "",
        "thinking": thinking_of(message) if message else "",
        "feedback": "\n\n".join(m.content for m in told),
    }
    if attempt is None:
        return turn | {"code": None, "grade": None}
    turn |= {
        "code": attempt.code,
        "grade": grade_entry(attempt.grade, show_private=show_private) if attempt.grade else None,
        "finish_reason": attempt.finish_reason,
        "refusal": attempt.refusal,
        "input_tokens": tokens(attempt.usage.input_tokens),
        "output_tokens": tokens(attempt.usage.output_tokens),
        "cost_usd": dollars(attempt.cost_usd),
        "latency_s": attempt.latency_s,
    }
    if attempt.patch is not None:
        patch = attempt.patch
        turn["patch"] = {
            "well_formed": patch.well_formed,
            "fault": patch.fault,
            "applies": patch.applies,
            "reason": patch.reason,
            "repairs": patch.repairs,
            "files": patch.files,
            "edits_tests": patch.edits_tests,
            "score": patch.score,
        }
    return turn


def grade_entry(grade: Grade, *, show_private: bool) -> Entry:
    """A grade: statuses in the order of the tests, the rest for those that may be shown."""
    return {
        "verdict": grade.verdict,
        "n_passed": grade.n_passed,
        "n_tests": grade.n_tests,
        "reward": grade.reward,
        "fraction": grade.fraction,
        "flaky": grade.flaky,
        "mode": grade.mode,
        "isolation": grade.isolation,
        "statuses": [o.status for o in grade.outcomes],
        "public": [o.is_public for o in grade.outcomes],
        "shown": {
            str(number): _outcome_entry(o) for number, o in enumerate(grade.outcomes) if o.is_public or show_private
        },
        "first_failure": first_failure(grade, show_private=show_private),
    }


def _outcome_entry(outcome: Outcome) -> Entry:
    return {"got": outcome.got, "error": outcome.error, "cpu_s": outcome.cpu_s, "memory_mb": outcome.memory_mb}


def first_failure(grade: Grade, *, show_private: bool = False) -> Entry | None:
    """The first test that did not pass: `{"test": 3, "is_public": false, "status": "timeout", "error": ""}`."""
    failed = ((n, o) for n, o in enumerate(grade.outcomes, 1) if o.status != "passed")
    number, outcome = next(failed, (0, None))
    if outcome is None:
        return None
    error = outcome.error if outcome.is_public or show_private else ""
    return {"test": number, "is_public": outcome.is_public, "status": outcome.status, "error": error}


def counts(grade: Grade, *, public: bool) -> tuple[int, int]:
    """(passed, all) of the public or the private tests."""
    mine = [o.status == "passed" for o in grade.outcomes if o.is_public is public]
    return sum(mine), len(mine)
