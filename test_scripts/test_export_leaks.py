"""No export gives a private test away: what is found, what is public anyway, and what only looks like a value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.curation.leaks import LONGEST, MOST, SHORTEST, comparable, find_leaks, leaked_values
from code_generation.models import CodeProblem, Message, TestCase
from code_generation.prompts import PromptLibrary, PromptSet, opening_messages
from test_scripts.conftest import function_problem

PRIVATE = [31, 41, 59, 26, 53]
FUNCTION = function_problem(
    (["public text here"], "PUBLIC TEXT HERE", True), ([PRIVATE], [26, 31, 41, 53, 59]), (["a b"], "A B")
)


def program(given, wanted, *, statement="Print it.", **metadata):
    return CodeProblem(
        problem_id="p",
        problem=statement,
        solutions=[],
        test_cases=[
            TestCase(input="1 2\n3 4\n5 6\n", output="shown already\n", type="stdin", is_public=True),
            TestCase(input=given, output=wanted, type="stdin", is_public=False),
        ],
        metadata=metadata,
    )


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def leaks(problem, *messages, metadata=None):
    return [(leak.where, leak.part, leak.severity) for leak in find_leaks(problem, messages, metadata)]


@pytest.mark.parametrize(
    "text",
    [
        "Your code failed for [31, 41, 59, 26, 53].",
        "f([31,41,59,26,53]) is wrong",
        "[ 31,\n  41,\n  59, 26, 53 ]",
        'x = "[31, 41, 59, 26, 53]"',
    ],
)
def test_an_input_is_found_however_it_is_written(text):
    """Blanks, line breaks and quotes do not hide a value."""
    assert leaks(FUNCTION, user(text)) == [("messages[0]", "input", "error")]


def test_expected_values_are_found():
    """In feedback, in system messages, in parts of a message, and in messages of ours."""
    text = "expected [26, 31, 41, 53, 59]"
    assert leaks(FUNCTION, user("Write f."), user(text)) == [("messages[1]", "output", "error")]
    assert leaks(FUNCTION, {"role": "system", "content": text}) == [("messages[0]", "output", "error")]
    assert leaks(FUNCTION, {"role": "user", "content": [{"type": "text", "text": text}, "more"]}) == [
        ("messages[0]", "output", "error")
    ]
    assert leaks(FUNCTION, Message(role="user", content=text)) == [("messages[0]", "output", "error")]
    (found,) = find_leaks(FUNCTION, [user(text)])
    assert (found.test, found.found) == (1, "[26,31,41,53,59]")


def test_metadata_is_searched():
    """At any depth, as values and as text, with the name of the field."""
    for value in (PRIVATE, {"deep": [{"er": PRIVATE}]}, str(PRIVATE), json.dumps({"x": PRIVATE})):
        assert leaks(FUNCTION, metadata={"source": "mine", "hint": value}) == [("metadata.hint", "input", "error")]
    assert leaks(FUNCTION, metadata={"source": "mine", "n": [31, 41], "none": None}) == []
    assert leaks(FUNCTION, metadata=[PRIVATE]) == [("metadata", "input", "error")]


@pytest.mark.parametrize(
    ("given", "wanted", "text", "parts"),
    [
        ("5 1\n17 23 99 4 8\n", "151\n", "Input:\n5 1\n17 23 99 4 8\nwas wrong", ["input"]),
        ("5 1\n17 23 99 4 8\n", "151\n", "input '5 1\\n17 23 99 4 8\\n'", ["input"]),
        ("1\n", "the long answer\n", "expected: the long\nanswer", ["output"]),
        ("5 1\n17 23 99 4 8\n", "151\n", "15 1\n17 23 99 4 87", []),
        ("100000000000\n", "1\n", "limits up to 1000000000000 and 5100000000000", []),
        ("100000000000\n", "1\n", "n=100000000000.", ["input"]),
    ],
)
def test_inputs_of_programs(given, wanted, text, parts):
    """Lines joined or escaped are found; parts of longer numbers and words are not."""
    assert [part for _, part, _ in leaks(program(given, wanted), user(text))] == parts


def test_what_is_public_is_no_leak():
    """The statement, starter code and public tests may be repeated, also where a private test has the same value."""
    told = "as in 12 34 56 78 90"
    assert leaks(program("12 34 56 78 90", "shown already", statement=f"Print {told}."), user(told)) == []
    assert leaks(program("12 34 56 78 90", "x", starter_code=f"# {told}"), user(told)) == []
    assert leaks(program("1 2\n3 4\n5 6", "shown already"), user("1 2\n3 4\n5 6 -> shown already")) == []
    assert leaks(FUNCTION, user("public text here, PUBLIC TEXT HERE")) == []


def test_short_values_are_no_leak():
    """Below twelve characters a value may stand anywhere."""
    value = "z" * SHORTEST
    assert leaks(program(value, "x"), user(f"is {value} it")) == [("messages[0]", "input", "error")]
    assert leaks(program(value[1:], "x"), user(f"is {value[1:]} it")) == []
    assert leaks(FUNCTION, user("a b and A B")) == []


def test_what_the_model_writes_is_noted():
    """A constant in a solution is noted; feedback that quotes it afterwards gives nothing away."""
    code = assistant("```python\nif x == [31, 41, 59, 26, 53]: ...\n```")
    assert leaks(FUNCTION, user("Write f."), code) == [("messages[1]", "input", "noted")]
    quoted = user("line 1: if x == [31, 41, 59, 26, 53]:")
    assert leaks(FUNCTION, code, quoted) == [("messages[0]", "input", "noted"), ("messages[1]", "input", "noted")]
    assert leaks(FUNCTION, quoted, code) == [("messages[0]", "input", "error"), ("messages[1]", "input", "noted")]


def test_assertions_are_read():
    """Of tests in Python the assertion, its arguments and its value are private."""
    source = "assert f([31, 41, 59, 26, 53], 'abcabcabcabc') == {'answer': [4, 4, 4]}"
    problem = CodeProblem(
        problem_id="a", problem="Write f.", solutions=[], metadata={"func_name": "f"},
        test_cases=[TestCase(input=source, output=None, type="assert", is_public=False)],
    )  # fmt: skip
    for text in (source, "f([31,41,59,26,53])", "abcabcabcabc", "it is {'answer': [4, 4, 4]}", '{"answer": [4,4,4]}'):
        assert {severity for _, _, severity in leaks(problem, user(text))} == {"error"}, text
    assert leaks(problem, user("assert f([1], 'a') == 2")) == []


def test_python_values_and_names():
    """Tuples, sets and what came as a literal are found as Python writes them; constants also as JSON does."""
    literal = function_problem(([{"$py": "(31, 41, 59, 26)"}], {"$py": "{7000001}"}), ([[True, None, False]], 1))
    assert leaks(literal, user("f((31, 41, 59, 26))")) == [("messages[0]", "input", "error")]
    assert leaks(literal, user("got [true, null, false]")) == [("messages[0]", "input", "error")]
    named = function_problem(({"args": ["one long text"], "kwargs": {"by": "another text"}}, 1))
    assert len(leaks(named, user("one long text"), user("by='another text'"))) == 2


def test_work_is_bounded():
    """Huge values are known by their start, and a problem has so many at most; how many more is told."""
    huge = " ".join(str(n) for n in range(200_000))
    values = leaked_values(program(huge, huge[1:]))
    assert {len(n.text) for n in values.needles} == {LONGEST}
    assert leaks(program(huge, "x"), user(huge[:5000])) == [("messages[0]", "input", "error")]
    nested = function_problem(([[[list(range(100_000))]]], 1))
    assert [len(n.text) for n in leaked_values(nested).needles] == [LONGEST]
    many = function_problem(*[([f"private value {n}"], n) for n in range(MOST + 7)])
    values = leaked_values(many)
    assert (len(values.needles), values.left_out) == (MOST, 7)
    assert leaks(values, user("private value 3")) == [("messages[0]", "input", "error")]


def test_prepared_values_do_for_many_rows():
    """Prepared once, values give the same answers as the problem does."""
    values = leaked_values(FUNCTION)
    for text in ("nothing", "[31, 41, 59, 26, 53]"):
        assert leaks(values, user(text)) == leaks(FUNCTION, user(text))
    assert leaked_values(function_problem(([PRIVATE], 1, True))).needles == ()


def test_our_own_prompts_give_nothing_away():
    """The opening messages of a problem with private tests of every type."""
    prompts = PromptSet(PromptLibrary())
    for problem in (FUNCTION, program("17 23 99 4 8 15\n", "the long answer\n")):
        assert find_leaks(problem, opening_messages(problem.view(), prompts)) == []


@pytest.mark.parametrize("content", [None, 3, [], [{"type": "image"}], [{"text": 3}], {"a": 1}])
def test_odd_messages_pass(content):
    """What holds no text leaks nothing."""
    assert leaks(FUNCTION, {"role": "user", "content": content}, {}) == []


@given(st.lists(st.integers(0, 999), min_size=8, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_planted_value_is_found(numbers, before, after):
    """Whatever stands around it, a private list in a message of ours is found."""
    problem = function_problem(([numbers], 1))
    assert leaks(problem, user(f"{before} {numbers} {after}"))[:1] == [("messages[0]", "input", "error")]
    assert comparable(comparable(before)) == comparable(before)


ESCAPED = 'ab"cd\\efgh\nijkl\t\u00e4\U0001f600x'


@pytest.mark.parametrize(
    "written",
    [json.dumps(ESCAPED), json.dumps(ESCAPED, ensure_ascii=False), repr(ESCAPED), ascii(ESCAPED), ESCAPED,
     json.dumps([ESCAPED]), json.dumps(json.dumps({"a": ESCAPED}))],
)  # fmt: skip
def test_escaped_text_is_found(written):
    """However Python or JSON writes a text, within JSON too; and where the statement has it so, it is public."""
    for problem in (
        program("0", ESCAPED),
        function_problem((["public"], "PUBLIC", True), ([ESCAPED], "x")),
        program("0", ESCAPED, statement="Print what it says: nothing."),
    ):
        assert [leak.severity for leak in find_leaks(problem, [user(f"Such as {written} here.")])] == ["error"]
        assert find_leaks(problem, [], {"hint": written})
    assert find_leaks(program("0", ESCAPED, statement=f"Print {written} only."), [user(json.dumps(ESCAPED))]) == []
    asserted = TestCase(input=f"assert f() == {ESCAPED!r}", output=None, type="assert", is_public=False)
    problem = CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[asserted], metadata={})
    assert find_leaks(problem, [user(f"Such as {written} here.")])
