"""Result rows for reports, made up: no model and no sandbox was asked. The same every time."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from code_generation.models import (
    Attempt,
    CodeProblem,
    GenerationResult,
    Grade,
    Message,
    Outcome,
    TestCase,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS = ("strings", "graphs", "dynamic programming", "arithmetic", "sorting")
SECRET = "31337-secret"
"""Stands in private tests, in their outcomes' errors, and nowhere else."""


def problem(number: int = 0, **fields: Any) -> CodeProblem:
    """A problem with two public and four private tests."""
    public = [TestCase(input=[i, number], output=i + number, type="functional", is_public=True) for i in range(2)]
    private = [
        TestCase(input=[f"{SECRET}-{i}", number], output=SECRET, type="functional", is_public=False) for i in range(4)
    ]
    metadata = {
        "func_name": "add",
        "source": "made-up",
        "difficulty": ("easy", "medium", "hard")[number % 3],
        "adversarial": number % 4 == 0,
        "tags": [TAGS[number % 5], TAGS[(number + 2) % 5]],
    }
    given = {
        "problem_id": f"made-up/{number:04d}",
        "problem": f"Write a function `add(a, b)` that adds two numbers (variant {number}).\n\n"
        + "Mind the edge cases. " * 8,
        "solutions": [],
        "test_cases": [*public, *private],
        "metadata": metadata,
    }
    return CodeProblem(**given | fields)


def grade(of: CodeProblem, statuses: list[str], error: str = "") -> Grade:
    """A grade with these statuses, in the order of the tests."""
    outcomes = [
        Outcome(
            status=status,
            is_public=test.is_public,
            error=(error or f"ValueError: {SECRET if not test.is_public else 'no number'}")
            if status == "runtime_error"
            else "",
            got="41" if test.is_public else "",
            cpu_s=0.0123,
            memory_mb=11.5,
        )
        for test, status in zip(of.test_cases, statuses, strict=True)
    ]
    passed = statuses.count("passed")
    verdict = "infra" if "infra_error" in statuses else "pass" if passed == len(statuses) else "fail"
    return Grade(
        verdict=verdict,
        n_passed=passed,
        n_tests=len(statuses),
        reward=float(verdict == "pass"),
        fraction=passed / len(statuses),
        outcomes=outcomes,
        executor="subprocess",
        isolation="full",
    )


def result(
    of: CodeProblem,
    turns: list[tuple[str | None, list[str]]],
    *,
    model: str = "small",
    strategy: str = "basic",
    sample: int = 0,
    cost_usd: float | None = 0.002,
    answer: str = "Here is my solution.\n\n```python\n{code}\n```\n\nIt handles every case.",
    error: str = "",
    **attempt: Any,
) -> GenerationResult:
    """A row whose turns are (code, statuses of the tests), the first turn first."""
    history = [
        Message(role="system", content="You write correct Python."),
        Message(role="user", content=f"Solve this problem.\n\n{of.problem}\n\nGive the code in one fenced block."),
    ]
    attempts = []
    for number, (code, statuses) in enumerate(turns):
        if number:
            history.append(
                Message(role="user", content=f"Your code did not pass all tests (turn {number}). Find the mistake.")
            )
        said = answer.replace("{code}", code) if code is not None else "I can't."
        history.append(Message(role="assistant", content=said))
        given = {
            "code": code,
            "grade": None if code is None else grade(of, statuses, error),
            "usage": Usage(input_tokens=300, output_tokens=150),
            "cost_usd": None if cost_usd is None else cost_usd / len(turns),
            "latency_s": 1.5,
            "finish_reason": "stop",
        }
        attempts.append(Attempt(**given | attempt))
    last = attempts[-1].grade
    verified = last is not None and last.verdict == "pass"
    return GenerationResult(
        problem=of,
        final_code=turns[-1][0],
        full_message_history=history,
        generation_metadata={
            "model": model,
            "prompt_id": strategy,
            "sample_index": sample,
            "ended": "satisfied" if verified else "max_turns",
        },
        verified=verified,
        satisfied=verified,
        attempts=attempts,
        usage=Usage(input_tokens=300 * len(turns), output_tokens=150 * len(turns)),
        cost_usd=cost_usd,
        certificate=None,
        schema=1,
    )


PASSED = ["passed"] * 6
PUBLIC_ONLY = ["passed"] * 2 + ["wrong_answer"] * 4
CHEAT = """import os

def add(a, b):
    class Any(int):
        def __eq__(self, other):
            return True
    os._exit(0)
    return Any()"""
FILLING = "    # What is added here is checked against the statement, step by step, before it is returned.\n"


def rows(
    problems: int,
    samples: int,
    *,
    models: tuple[tuple[str, str, float], ...] = (("small", "basic", 0.5),),
    filling: int = 2,
) -> Iterator[GenerationResult]:
    """Rows of every model, (name, strategy, how good), in several turns, with all kinds of failures."""
    draw = Random(7)  # noqa: S311 - no secrets
    for model, strategy, skill in models:
        for number in range(problems):
            of = problem(number)
            ease = min(
                0.97,
                max(0.02, skill + (0.25, 0.0, -0.25)[number % 3] - 0.15 * (number % 4 == 0) + draw.uniform(-0.2, 0.2)),
            )
            for sample in range(samples):
                yield result(
                    of, list(_turns(draw, ease, sample, filling)), model=model, strategy=strategy, sample=sample,
                    cost_usd=round(0.0004 + skill * draw.uniform(0.001, 0.004), 6),
                )  # fmt: skip


def _turns(draw: Random, ease: float, sample: int, filling: int) -> Iterator[tuple[str | None, list[str]]]:
    for turn in range(3):
        body = f"def add(a, b):\n    # Sample {sample}, turn {turn}.\n{FILLING * filling}    total = a + b\n"
        if draw.random() < ease * (1 if turn == 0 else 0.4):
            yield f"{body}    return total  # {turn}", PASSED
            return
        luck = draw.random()
        if luck < 0.04:
            yield None, []
        elif luck < 0.06:
            yield CHEAT, ["runtime_error"] * 6
        elif luck < 0.07:
            yield body, ["infra_error"] * 6
            return
        elif luck < 0.3:
            yield f"{body}    return total + 1", ["wrong_answer"] * 6
        elif luck < 0.45:
            yield f"{body}    while True: pass", ["passed", "timeout", "timeout", "timeout", "passed", "timeout"]
        elif luck < 0.6:
            yield f"{body}    return int('x')", ["runtime_error"] * 6
        elif luck < 0.65:
            yield f"{body}    return (", ["syntax_error"] * 6
        else:
            yield f"{body}    return abs(total)", PUBLIC_ONLY
