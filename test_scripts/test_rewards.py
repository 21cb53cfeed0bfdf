"""Rewards over grades, and DeepCoder's reward as one call."""

from __future__ import annotations

import asyncio

import pytest

from code_generation.errors import ConfigError, DataError, UnknownName
from code_generation.grader import GraderOptions, open_grader
from code_generation.models import Grade, Outcome, TestCase
from code_generation.rewards import (
    all_or_nothing,
    deepcoder_code_reward,
    fractional_code_reward,
    grade_reply,
    hardest_tests,
    weighted_fraction,
    with_format_penalty,
)

ADD = [{"input": f"[{n}, 2]\n3", "expected_output": f"{n + 5}"} for n in range(4)]
"""f(items, more): two arguments a test, one a line."""
GOOD = "Here:\n```python\ndef f(items, more):\n    return sum(items) + more\n```"


def graded(verdict, fraction=0.0) -> Grade:
    """A grade as the box gives it."""
    return Grade(
        verdict=verdict, n_passed=1, n_tests=2, reward=float(verdict == "pass"), fraction=fraction, outcomes=[]
    )


def reward(*args, function=deepcoder_code_reward, **how):
    """The reward of one reply."""
    return asyncio.run(function(*args, **how))


def test_rewards_of_grades():
    """All or nothing, the weighted share, and nothing at all where the box failed."""
    assert [all_or_nothing(graded(v, 0.5)) for v in ("pass", "fail", "infra")] == [1.0, 0.0, None]
    assert [weighted_fraction(graded(v, 0.5)) for v in ("pass", "fail", "infra")] == [0.5, 0.5, None]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("```python\nx\n```", 1.0), ("  ```py\nx\n  ```", 1.0), ("```Python3\nx\n```\nSo.", 1.0), ("x", -0.5),
        ("```\nx\n```", -0.5), ("```js\nx\n```", -0.5), ("```python\nx", -0.5), ("`python x`", -0.5),
    ],
)  # fmt: skip
def test_format_penalty(reply, expected):
    """Only a closed block that says it is Python will do."""
    assert with_format_penalty(1.0, reply, 0.5) == expected
    assert with_format_penalty(None, reply, 0.5) is None


def test_the_hardest_tests():
    """Those with the longest inputs, in the data set's order; of values the length of their JSON counts."""
    tests = [TestCase(input="x" * n, output="", type="stdin", is_public=False) for n in (3, 9, 1, 9, 4)]
    assert [len(t.input) for t in hardest_tests(tests, 3)] == [9, 9, 4]
    assert hardest_tests(tests) == hardest_tests(tests, None) == tests
    values = [TestCase(input=[v], output=0, type="functional", is_public=False) for v in (1, "long", [1, 2, 3, 4])]
    assert [t.input for t in hardest_tests(values, 1)] == [[[1, 2, 3, 4]]]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (GOOD, 1.0),
        (GOOD.replace("+ more", "- more"), 0.0),
        (GOOD.replace("+ more", "+ more + (sum(items) > 4)"), 0.0),
        ("def f(items, more): return sum(items) + more", 1.0),
        ("I don't know.", 0.0),
        ("<think>```python\ndef f(a, b): return 0\n```</think>" + GOOD, 1.0),
        ("```python\ndef g(items, more): return 0\n```", 0.0),
        ("```python\ndef f(*args, **kwargs): raise ValueError\n```", 0.0),
    ],
)
def test_deepcoder_reward(reply, expected):
    """Sparse: every test or nothing; no code is nothing."""
    assert reward(reply, ADD, target_function="f") == expected


def test_rewards_of_conversations():
    """The last message counts; the fractional reward is the share of its tests."""
    messages = [
        {"role": "user", "content": "f?"},
        {"role": "assistant", "content": GOOD.replace("+ more", "+ 4 - items[0] % 2")},
    ]
    assert reward(messages, ADD, target_function="f") == 0.0
    assert reward(messages, ADD, target_function="f", function=fractional_code_reward) == 0.5
    assert reward([], ADD, target_function="f") == 0.0
    assert reward("print(1)", ADD, target_function="f", format_penalty=1.0) == -1.0
    assert reward(GOOD, ADD, target_function="f", format_penalty=1.0) == 1.0


@pytest.mark.parametrize(
    ("given", "is_right"),
    [
        ("[1, 2, 3]", "x == [1, 2, 3]"), ('"[1,2,3]"', "x == '[1,2,3]'"), ('"5"', "x == '5'"),
        ("5", "x == 5 and x is not True"),
        ("5.0", "type(x) is float"), ("true", "x is True"), ("null", "x is None"), ("(1, 2)", "x == (1, 2)"),
        ("hello", "x == 'hello'"), ('{"a": [1]}', "x == {'a': [1]}"), ("'it'", "x == 'it'"),
    ],
)  # fmt: skip
def test_arguments_are_typed(given, is_right):
    """Text that means values becomes those values."""
    code = f"def f(x): return bool({is_right})"
    assert reward(code, [{"input": given, "expected_output": "true"}], target_function="f") == 1.0


def test_standard_input_and_output():
    """Without a target function the tests are programs' input and output."""
    tests = [{"input": "1 2\n", "expected_output": "3"}, {"input": "5 6\n", "expected_output": "11\n"}]
    assert reward("print(sum(map(int, input().split())))", tests) == 1.0


def test_many_replies_share_a_grader():
    """One box for all; a limit per test; at most so many tests."""

    async def rewards():
        async with open_grader(GraderOptions()) as grader:
            slow = "def f(items, more):\n    while items[0] == 1: pass\n    return sum(items) + more"
            how = {"target_function": "f", "grader": grader, "timeout_s": 0.5}
            grades = [await grade_reply(r, ADD, **how) for r in (GOOD, slow)]
            few = await grade_reply(GOOD, [*ADD, {"input": "[1000, 2]\n3", "expected_output": "0"}], max_tests=1, **how)
            return [*grades, few]

    good, slow, few = asyncio.run(rewards())
    assert (good.verdict, slow.verdict, few.verdict, few.n_tests) == ("pass", "fail", "fail", 1)
    assert [o.status for o in slow.outcomes] == ["passed", "timeout", "passed", "passed"]


def test_typed_whatever_stands_beside():
    """A list of arguments beside text: the text is a value all the same."""
    tests = [{"input": [[1, 2], 3], "expected_output": "6"}]
    assert reward(GOOD, tests, target_function="f") == 1.0


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "assistant", "content": [{"type": "text", "text": GOOD}]}], 1.0),
        ([{"role": "assistant", "content": GOOD}, {"role": "user", "content": "```python\nx\n```"}], 1.0),
        ([{"role": "user", "content": GOOD}], 0.0),
        ([{"role": "assistant", "content": None}], 0.0),
        ({"role": "assistant", "content": GOOD}, 1.0),
        (None, 0.0),
    ],
)
def test_the_models_last_message_counts(messages, expected):
    """Whatever form its content has, and whoever spoke after it."""
    assert reward(messages, ADD, target_function="f") == expected


@pytest.mark.parametrize(
    "reply", ["~~~python\nx\n~~~", "````python\nx\n````", "> ```python\n> x\n> ```", "```python\nx```"]
)
def test_forms_of_blocks(reply):
    """As many as extraction knows."""
    assert with_format_penalty(1.0, reply) == 1.0


def test_what_can_not_be_graded():
    """Another language, another place, a test that is none."""
    with pytest.raises(UnknownName, match="javascript"):
        reward(GOOD, ADD, language="javascript")
    with pytest.raises(UnknownName, match="nowhere"):
        reward(GOOD, ADD, environment="nowhere")
    with pytest.raises(DataError, match="input"):
        reward(GOOD, [{"expected_output": "1"}])
    with pytest.raises(DataError, match="weight"):
        reward(GOOD, [ADD[0] | {"weight": -1}], target_function="f")
    for tests in ([None], "x", {"input": "1"}):
        with pytest.raises(DataError, match="list of"):
            reward(GOOD, tests, target_function="f")
    with pytest.raises(ConfigError, match="format_penalty"):
        reward(GOOD, ADD, target_function="f", format_penalty=-1)
    with pytest.raises(ConfigError, match="max_tests"):
        reward(GOOD, ADD, target_function="f", max_tests=0)
    with pytest.raises(DataError, match="time_limit_s"):
        reward(GOOD, ADD, timeout_s=0)


def test_hardest_as_a_flag(codegen, tmp_path):
    """`grade --hardest N` judges by the longest inputs only, and the row says so."""
    (tmp_path / "p.jsonl").write_text(
        '{"problem_id": "p", "problem": "", "solutions": [], "metadata": {}, "test_cases": ['
        '{"type": "stdin", "input": "1", "output": "2", "is_public": true},'
        '{"type": "stdin", "input": "10", "output": "10", "is_public": false}]}'
    )
    (tmp_path / "c.jsonl").write_text('{"problem_id": "p", "code": "print(input())"}')
    assert "1 pass" in codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", "--hardest", 1).stdout
    assert '"hardest":1' in (tmp_path / "v.jsonl").read_text().replace(" ", "")
    assert "1 fail" in codegen("grade", "p.jsonl", "c.jsonl", "--output", "w.jsonl").stdout


def test_an_outcome_says_nothing_of_another_profile():
    """Where none was asked for there is none."""
    assert Outcome(status="passed", is_public=True).other is None
    grade = asyncio.run(grade_reply(GOOD, ADD, target_function="f"))
    assert (grade.verdict, grade.other_verdict) == ("pass", None)
