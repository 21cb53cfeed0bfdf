"""Rewards for training: plain functions over a grade, and the reward of DeepCoder as one call.

A grade of verdict `infra` has no reward, None: the box failed, and a trainer is to leave the sample out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError, DataError, UnknownName
from code_generation.extract import extract_code
from code_generation.grader import GraderOptions, TestExecutionGrader, open_grader
from code_generation.jsonl import encode
from code_generation.literals import parse_arguments, parse_value
from code_generation.loaders.jsonl import parse_row

if TYPE_CHECKING:
    from code_generation.models import Grade, TestCase

DEEPCODER_TESTS = 15
"""Tests that DeepCoder's reward runs at most."""
DEEPCODER_TIMEOUT_S = 12.0
"""CPU seconds of one test there; 6 for rows of LiveCodeBench."""
EXECUTORS = {"local": "subprocess"}
LANGUAGES = ("python",)

_BLOCK = re.compile(r"(?ims)^[ \t>]*(`{3,}|~{3,})[ \t]*(?:python3?|py)\b[^\n]*\n.*?\1")


def all_or_nothing(grade: Grade) -> float | None:
    """1.0 where every test passed, and at least one; else 0.0."""
    return None if grade.verdict == "infra" else grade.reward


def weighted_fraction(grade: Grade) -> float | None:
    """Share of the tests' weight that passed, 0.0 to 1.0."""
    return None if grade.verdict == "infra" else grade.fraction


def has_code_block(reply: str) -> bool:
    """Whether a reply holds a closed code block that says it is Python."""
    return _BLOCK.search(reply) is not None


def with_format_penalty(reward: float | None, reply: str, penalty: float = 1.0) -> float | None:
    """The reward of a reply whose code stands in a Python block, else minus the penalty.

    with_format_penalty(1.0, "def f(): ...") -> -1.0
    """
    return reward if reward is None or has_code_block(reply) else -penalty


def hardest_tests(tests: Sequence[TestCase], most: int | None = DEEPCODER_TESTS) -> list[TestCase]:
    """At most so many tests, those with the longest inputs, in their order; all where `most` is None."""
    if most is None or len(tests) <= most:
        return list(tests)
    by_length = sorted(range(len(tests)), key=lambda i: -_length(tests[i]))
    return [tests[i] for i in sorted(by_length[:most])]


def _length(test: TestCase) -> int:
    return len(test.input if isinstance(test.input, str) else encode(test.input))


Messages = str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""A reply, a message, or a conversation that ends with it: `[{"role": ..., "content": ...}, ...]`; None: a refusal."""


async def deepcoder_code_reward(
    messages: Messages, test_cases: Sequence[Mapping[str, Any]], *, format_penalty: float | None = None, **how: Any
) -> float | None:
    """1.0 where the code of a reply passes every test, else 0.0; with a format penalty, minus that where the code does
    not stand in a Python block.

    `how`: see `grade_reply`; the original runs `max_tests=DEEPCODER_TESTS`. Source: agentica-org/DeepCoder.
    """
    if format_penalty is not None and format_penalty < 0:
        msg = f"format_penalty is taken off and must be 0 or more, got {format_penalty}"
        raise ConfigError(msg)
    grade = await grade_reply(messages, test_cases, **how)
    reward = 0.0 if grade is None else all_or_nothing(grade)
    return reward if format_penalty is None else with_format_penalty(reward, _reply(messages), format_penalty)


async def fractional_code_reward(
    messages: Messages, test_cases: Sequence[Mapping[str, Any]], **how: Any
) -> float | None:
    """The share of the tests' weight that the code of a reply passes; `how`: see `grade_reply`."""
    grade = await grade_reply(messages, test_cases, **how)
    return 0.0 if grade is None else weighted_fraction(grade)


async def grade_reply(
    messages: Messages,
    test_cases: Sequence[Mapping[str, Any]],
    *,
    target_function: str | None = None,
    timeout_s: float = DEEPCODER_TIMEOUT_S,
    max_tests: int | None = None,
    language: str = "python",
    environment: str = "local",
    grader: TestExecutionGrader | None = None,
) -> Grade | None:
    """The grade of the code in a reply over `{"input", "expected_output"}` tests; None where there is no code.

    With a `target_function` the tests are calls, and text in them is typed: `'[1, 2, 3]'` is a list, `'"5"'` is text,
    one argument a line; without, they are standard input and output. `max_tests` keeps the hardest. Give an open
    `grader` where there are many replies; `environment` names the executor of the one that is opened else (`local`,
    `together`, `e2b`).

    Raises:
        DataError: a test that is none. UnknownName: no such language or executor. SandboxUnavailable: no safe box.
    """
    if language not in LANGUAGES:
        raise UnknownName("language", language, LANGUAGES)
    metadata = {"time_limit_s": timeout_s, **({"func_name": target_function} if target_function else {})}
    if max_tests is not None and max_tests < 1:
        msg = f"max_tests must be 1 or more, got {max_tests}"
        raise ConfigError(msg)
    if isinstance(test_cases, str | Mapping) or not all(isinstance(t, Mapping) for t in test_cases):
        msg = 'test_cases is a list of {"input", "expected_output"}'
        raise DataError(msg)
    tests = [_typed(t) if target_function else dict(t) for t in test_cases]
    problem = parse_row({"problem": "", "metadata": metadata, "test_cases": tests})
    code = extract_code(_reply(messages), problem.view())
    if code is None:
        return None
    async with AsyncExitStack() as opened:
        if grader is None:
            options = GraderOptions(executor_type=EXECUTORS.get(environment, environment))
            grader = await opened.enter_async_context(open_grader(options))
        return await grader.grade(problem, code, hardest_tests(problem.test_cases, max_tests))


def _typed(test: Mapping[str, Any]) -> dict[str, Any]:
    """A test of a function, its texts read as values."""
    typed = dict(test)
    for key, read in (("input", parse_arguments), ("expected_output", parse_value), ("output", parse_value)):
        if isinstance(typed.get(key), str):
            typed[key] = read(typed[key])
    return typed


def _reply(messages: Messages) -> str:
    """The text of the model's last message, whose content may come in parts."""
    if messages is None or isinstance(messages, str):
        return messages or ""
    messages = [messages] if isinstance(messages, Mapping) else messages
    said = next((m.get("content") or "" for m in reversed(messages) if m.get("role", "assistant") == "assistant"), "")
    parts = [said] if isinstance(said, str) else [p.get("text", "") for p in said if isinstance(p, dict)]
    return "\n".join(parts)
