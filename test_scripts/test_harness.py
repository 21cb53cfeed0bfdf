"""Problem, code and tests to a program: inputs only, limits from whoever sets them."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.errors import DataError
from code_generation.harness import (
    build_program,
    call_arguments,
    calls_program,
    candidate_names,
    check_program,
    limits_of,
)
from code_generation.models import CodeProblem, TestCase
from code_generation.programs import Limits
from code_generation.sandbox.plain_data import decode

SECRET = "sup3rs3cret"
CODE = "def f(*a, **k): return 0"
LIMITS = Limits(timeout_s=3.0, memory_mb=256)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def problem(**metadata):
    return CodeProblem(
        problem_id="p",
        problem=f"Statement {SECRET}",
        solutions=[SECRET],
        test_cases=[],
        metadata={"func_name": "f", "comparison": {"name": "float", "note": SECRET}, **metadata},
    )


def case(given, expected=SECRET, kind="functional"):
    return TestCase(input=given, output=expected, type=kind, is_public=False, extra={"note": SECRET})


def called(program, number=0):
    """The call of a case as the candidate gets it: name, positional and keyword arguments."""
    (step,) = json.loads(json.dumps(program.cases[number].steps))
    assert step["op"] == "call"
    args, kwargs = step["args"], step.get("kwargs", {})
    return step["target"]["g"], [decode(a) for a in args], {k: decode(v) for k, v in kwargs.items()}


def test_stdin_tests_make_a_script():
    """Each stdin test is a case with its text; the code is the script; no setup, no names."""
    program = build_program(
        problem(setup_code="x = 1"), CODE, [case("1\n", kind="stdin"), case("", kind="stdin")], LIMITS
    )
    assert (program.kind, program.source, program.limits) == ("script", CODE, LIMITS)
    assert [(c.stdin, c.steps) for c in program.cases] == [("1\n", []), ("", [])]


@pytest.mark.parametrize(
    ("given", "args", "kwargs"),
    [
        ([], [], {}),
        ([[1, 2], "a", None], [[1, 2], "a", None], {}),
        ([{"$py": "(4, 5)"}, {"k": {"$py": "{1}"}}], [(4, 5), {"k": {1}}], {}),
        ({"args": [1], "kwargs": {"k": {"$py": "(2,)"}}}, [1], {"k": (2,)}),
        ({"args": [1]}, [1], {}),
        ({"kwargs": {"k": 1}}, [], {"k": 1}),
        ({"args": {"$py": "(1, [2])"}}, [1, [2]], {}),
        ({"$py": "(1, (2, 3))"}, [1, (2, 3)], {}),
        ('[1, 2]\n"a"', [[1, 2], "a"], {}),
        ([float("inf"), {"$py": "b'a'"}, 10**5000], [float("inf"), b"a", 10**5000], {}),
    ],
    ids=range(10),
)
def test_functional_tests_make_calls(given, args, kwargs):
    """The candidate is called with the Python values that the input means, whatever its shape."""
    program = build_program(problem(), CODE, [case(given)], LIMITS)
    assert program.kind == "calls"
    assert called(program) == ("f", args, kwargs)
    assert [type(a) for a in args] == [type(a) for a in called(program)[1]]


@settings(deadline=None, max_examples=60)
@given(st.lists(JSON.filter(lambda v: "$py" not in str(v)), max_size=3))
def test_any_json_arguments_arrive(arguments):
    """What a data set can say in JSON is what the candidate gets."""
    assert called(build_program(problem(), CODE, [case(arguments)], LIMITS)) == ("f", arguments, {})


@pytest.mark.parametrize(
    "given",
    [
        5, None, {}, {"a": 1}, {"args": 5}, {"args": "ab"}, {"args": [1], "kwargs": [2]}, {"kwargs": 5},
        {"$py": "5"}, {"$py": "'ab'"}, [{"$py": "open('x')"}],
    ],
)  # fmt: skip
def test_other_inputs_are_data_errors(given):
    """An input that is no list of arguments is the data set's fault and says so."""
    with pytest.raises(DataError):
        build_program(problem(), CODE, [case(given)], LIMITS)
    with pytest.raises(DataError):
        call_arguments(given)


def test_arguments_nested_beyond_the_border_are_a_data_error():
    """An input too deep to cross into the sandbox is the data set's fault and says so."""
    deep: list = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(DataError, match="nested too deeply"):
        build_program(problem(), CODE, [case([deep])], LIMITS)


def test_a_call_needs_a_name():
    """A functional test without a function to call is the data set's fault and says so."""
    with pytest.raises(DataError, match=r"problem p.*func_name"):
        build_program(problem(func_name=None), CODE, [case([1])], LIMITS)


def test_calls_bring_setup_and_class():
    """The data set's setup and the class that may hold the function go with the calls."""
    program = build_program(problem(setup_code="import math", class_name="Solution"), CODE, [case([1])], LIMITS)
    assert (program.setup, program.names, program.source) == ("import math", ["Solution"], CODE)
    plain = calls_program(problem(), CODE, [[], []], LIMITS)
    assert (plain.setup, plain.names, len(plain.cases)) == ("", [], 2)


@pytest.mark.parametrize(
    "program",
    [
        build_program(problem(), CODE, [case([1]), case({"args": [2]})], LIMITS),
        build_program(problem(), CODE, [case("1\n", kind="stdin")], LIMITS),
    ],
    ids=["calls", "script"],
)
def test_what_runs_beside_a_candidate_holds_no_answer(program):
    """Expected values, references, the statement, the comparison and unknown keys are not in the program."""
    assert SECRET not in str(msgspec.to_builtins(program))


def test_test_code_runs_without_the_candidate():
    """A check is the data set's code with the names that stand for the candidate, and none of the candidate's code."""
    test = TestCase(input="assert f(1) == 2", output=None, type="assert", is_public=False)
    tree = problem(class_name="Tree", setup_code="x = 1")
    program = check_program(tree, test, candidate_names(tree), [{"op": "call"}], [{"value": 2}], LIMITS)
    assert (program.kind, program.source, program.setup) == ("check", "assert f(1) == 2", "x = 1")
    assert program.names[:2] == ["f", "Tree"]
    assert "class:Tree" in program.names
    assert [(c.steps, c.answers) for c in program.cases] == [([{"op": "call"}], [{"value": 2}])]


def test_names_that_belong_to_the_candidate():
    """The function, the class, what references define, never a module; without a reference what the test code lacks."""
    test = TestCase(input="assert f(1) == 2", output=None, type="assert", is_public=False)
    code = "import math\nclass P: pass\ndef sorted(x): pass\ndef f(n): return n + 1"
    own = msgspec.structs.replace(problem(), solutions=[code])
    assert check_program(own, test, candidate_names(own), [], [], LIMITS).names == ["f", "P"]
    bare = msgspec.structs.replace(problem(), solutions=[])
    assert check_program(bare, test, candidate_names(bare), [], [], LIMITS).names == ["f", "*"]


@pytest.mark.parametrize(
    ("metadata", "asked", "expected"),
    [
        ({}, {}, (6.0, 1024)),
        ({"time_limit_s": 2, "memory_limit_mb": 2048}, {}, (2.0, 2048)),
        ({"memory_limit_mb": 64}, {}, (6.0, 1024)),  # judges count resident memory, we cap address space
        ({"time_limit_s": 2, "memory_limit_mb": 2048}, {"timeout_s": 9, "memory_mb": 512}, (9.0, 512)),
        ({"time_limit_s": None, "memory_limit_mb": None}, {}, (6.0, 1024)),
    ],
)
def test_limits(metadata, asked, expected):
    """What the caller asks for wins over what the problem says, which wins over the defaults."""
    limits = limits_of(problem(**metadata), **asked)
    assert expected == (limits.timeout_s, limits.memory_mb)
    assert limits.processes == Limits().processes


@pytest.mark.parametrize(
    "metadata", [{"time_limit_s": "2 seconds"}, {"memory_limit_mb": "256 MB"}, {"time_limit_s": [1]}]
)
def test_limits_that_are_no_numbers(metadata):
    """A limit that is no number is the data set's fault and says which."""
    with pytest.raises(DataError, match=next(iter(metadata))):
        limits_of(problem(**metadata))
