"""HumanEval, HumanEval+ and MBPP+: each schema becomes problems that can be graded, and nothing else becomes any."""

from __future__ import annotations

import pytest

from code_generation.errors import BadRow
from code_generation.literals import read_literal
from code_generation.loaders import HOLDS_REFERENCE, LoadOptions, split_tests
from code_generation.loaders.differential import AT_A_TIME, MOST_ASKED, RULES, reference_tests
from code_generation.loaders.mbppplus import python_inputs
from code_generation.models import CodeProblem
from test_scripts.conftest import read_rows, verdicts

PROMPT = 'def double(x: int) -> int:\n    """Twice x.\n    >>> double(2)\n    4\n    """\n'
HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": PROMPT,
    "entry_point": "double",
    "canonical_solution": "    return 2 * x\n",
    "test": "\n\nMETADATA = {'author': 'me'}\n\n\ndef check(candidate):\n    for n in range(3):\n"
    "        assert candidate(n) == n + n, 'no'\n",
}
HELPED = {
    **HUMANEVAL,
    "prompt": 'def up(s: str):\n    """\n    shift\n    """\n    return s.upper()\n\n\n'
    'def down(s: str):\n    """Undo up."""\n',
    "entry_point": "down",
    "canonical_solution": "    return s.lower() if up(s) == s else s\n",
    "test": "def check(candidate):\n    for s in ('abc', 'x'):\n        assert candidate(up(s)) == s\n",
}
RELEASED = {k: v for k, v in HUMANEVAL.items() if k != "test"} | {
    "contract": "\n    assert isinstance(x, int)\n",
    "base_input": [[1], [2]],
    "plus_input": [[n] for n in range(300)],
    "atol": 0,
}


def against(tests, name, *solutions):
    """A problem that is nothing but its tests."""
    return CodeProblem(
        problem_id="p", problem="p", solutions=list(solutions), test_cases=tests, metadata={"func_name": name}
    )


# ------------------------------------------------------------------------------------------------ HumanEval


def test_humaneval(tmp_path):
    """A row is one assert test of its own code; the reference is the prompt with its body; nothing is public."""
    (problem,) = read_rows(tmp_path, "humaneval", HUMANEVAL)
    assert (problem.problem_id, problem.func_name, problem.problem) == ("HumanEval/900", "double", PROMPT.strip())
    assert problem.solutions == [PROMPT + "    return 2 * x\n"]
    assert problem.metadata == {"func_name": "double", "starter_code": PROMPT, "source": "humaneval"}
    assert [(t.type, t.is_public) for t in problem.test_cases] == [("assert", False)]
    assert verdicts(problem, *problem.solutions, "def double(x): return x") == ["pass", "fail"]


def test_helpers_of_a_prompt(tmp_path):
    """What the prompt defines is there for a candidate that relies on it, leaves one that does not alone, and the test
    judges with its own copy.
    """
    (problem,) = read_rows(tmp_path, "humaneval", HELPED)
    relies = "def down(s): return s.lower() if up(s) == s else s"
    own_way = "def up(a, b): return a + b\ndef down(s): return up(s.lower(), '')"
    forged = "def up(s): return 'same'\ndef down(s): return 'same'"
    echo = "def up(s): return s\ndef down(s): return s"
    expected = ["pass", "pass", "pass", "fail", "fail"]
    assert expected == verdicts(problem, *problem.solutions, relies, own_way, forged, echo)


def test_humaneval_plus_as_released(tmp_path):
    """Rows without expected values compare with the reference; base and plus apart, some hundred inputs a test."""
    (problem,) = read_rows(tmp_path, "humaneval", RELEASED)
    assert [t.input.count("\n    [") for t in problem.test_cases] == [2, AT_A_TIME, 300 - AT_A_TIME]
    codes = ("def double(x): return x + x", "def double(x): return x + x + (x == 299)", "def double(x): return 'x'")
    assert verdicts(problem, *codes) == ["pass", "fail", "fail"]
    (both,) = read_rows(tmp_path, "humaneval", {**HUMANEVAL, **RELEASED})
    assert "def check" in both.test_cases[0].input and "INPUTS" not in both.test_cases[0].input
    assert len(both.test_cases) == 3


@pytest.mark.parametrize("options", [{"n_public": 9}, {"public_ratio": 1.0}, {"n_public": 9, "seed": 1}])
def test_a_test_with_the_reference_is_never_public(tmp_path, options):
    """Whatever split is asked for, no reference gets into what a model may see, statement included."""
    second = {**HUMANEVAL, **RELEASED, "task_id": "HumanEval/1"}
    released, both = read_rows(tmp_path, "humaneval", RELEASED, second, **options)
    assert (len(released.public_tests), len(both.public_tests)) == (0, 1)
    assert not any("2 * x" in str(t.input) for t in both.public_tests)


@pytest.mark.parametrize(
    ("name", "reference", "args", "right", "wrong"),
    [
        ("f", "return 1 / 3", [], ["1 / 3", "1 / 3 + 1e-9"], ["1 / 3 + 1e-5", "'1'", "float('nan')", "1"]),
        ("f", "return [0.1, 1e300]", [], ["[0.1 + 1e-9, 1e300]"], ["(0.1, 1e300)", "[0.1]", "[0.1, float('inf')]"]),
        ("f", "return 10**8", [], ["10**8"], ["10**8 + 1", "100000000.5"]),
        ("f", "return [1, 2]", [], ["[1, 2]"], ["(1, 2)", "[2, 1]", "[1.0000001, 2]"]),
        ("f", "return float('inf')", [], ["float('inf')"], ["5.0", "-float('inf')"]),
        ("find_zero", "return -2.0", [[2, 1]], ["-2", "-2 + 1e-6"], ["2", "'-2'", "None", "-2 + 0j"]),
        ("Diff", "return [1, 2]", [], ["[2, 1]", "(1, 2, 2)"], ["[1]", "5"]),
        ("check_str", "return None", [], ["None", "False"], ["object()", "True", "''"]),
        ("check_str", "return object()", [], ["object()", "True"], ["None", "False"]),
        ("sum_div", "return 1", [1], ["1", "0"], ["2"]), ("sum_div", "return 1", [7], ["1"], ["0"]),
        ("surface_Area", "return 33", [3, 4], ["33", "round(34.63)"], ["34"]),
        ("digit_distance_nums", "return 3", [1, 2222], ["3", "7"], ["4"]),
    ],
)  # fmt: skip
def test_what_counts_as_agreeing(name, reference, args, right, wrong):
    """Equal; near where floats are expected; by a rule of its own where the task leaves more than one answer."""
    source = f"def {name}(*args):\n    {reference}\n"
    tests = reference_tests(source, name, [args])
    problem = CodeProblem(
        problem_id="p", problem="p", solutions=[source], test_cases=tests, metadata={"func_name": name}
    )
    codes = [f"def {name}(*args): return {answer}" for answer in (*right, *wrong)]
    assert dict(zip(codes, verdicts(problem, *codes), strict=True)) == dict(
        zip(codes, ["pass"] * len(right) + ["fail"] * len(wrong), strict=True)
    )


def test_inputs_of_a_test():
    """Every input is in one test, in order, as the value it is; long ones get tests of their own."""
    inputs = [[(1, 2), {3}, 1j, float("inf"), {"a": None}], ["x" * MOST_ASKED], ["y" * MOST_ASKED], []]
    tests = reference_tests("def f(*a): pass", "f", inputs, atol=1e-4)
    found = [read_literal(t.input.partition("INPUTS = ")[2].partition("\n\n\ndef")[0]) for t in tests]
    assert [args for chunk in found for args in chunk] == inputs
    assert [len(chunk) for chunk in found] == [1, 1, 1, 1]
    answers_of_7_mb = reference_tests("def string_sequence(n): pass", "string_sequence", [[10**6]] * 5)
    assert [t.input.count("[1000000]") for t in answers_of_7_mb] == [2, 2, 1]
    assert all("ATOL = 0.0001" in t.input and t.extra == {HOLDS_REFERENCE: True} for t in tests)
    for rule in RULES.values():
        compile(rule, "rule", "exec")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prompt": None}, "prompt"), ({"entry_point": "other"}, "does not define other"), ({"test": 5}, "test"),
        ({"canonical_solution": "return ("}, "not Python"), ({"test": "def check("}, "not Python"),
        ({"test": None}, "base_input"), ({"test": None, "base_input": 5}, "argument lists"),
        ({"plus_input": [5]}, "argument lists"), ({"plus_input": [[1]], "atol": "x"}, "atol"),
    ],
)  # fmt: skip
def test_bad_humaneval_rows(tmp_path, changes, reason):
    """A row that can't become a problem says why."""
    (bad,) = read_rows(tmp_path, "humaneval", HUMANEVAL | changes)
    assert isinstance(bad, BadRow)
    assert reason in bad.reason


def test_the_split_leaves_marked_tests_out():
    """Where every test holds the reference, none is public; seeds draw from the others only."""
    tests = reference_tests("def f(a): pass", "f", [[n] for n in range(2 * AT_A_TIME)])
    problem = against(tests, "f")
    assert split_tests(problem, LoadOptions(n_public=2, seed=3), None).public_tests == []


# ------------------------------------------------------------------------------------------------ MBPP+

MBPP_PLUS = {
    "task_id": "Mbpp/132",
    "prompt": '"""\nWrite a function to glue.\nassert glue(("a", "b")) == "ab"\n"""\n',
    "entry_point": "glue",
    "canonical_solution": "\ndef glue(t):\n    assert type(t) is tuple\n    return ''.join(t)\n",
    "base_input": [[["a", "b"]]],
    "atol": 0,
    "plus_input": [[["x"]], [[]]],
    "contract": "",
    "assertion": '\nimport math\n\nassert glue(("a", "b")) == "ab"\nassert math.isclose(len(glue(("a",))), 1)\n',
}


def test_mbpp_plus_as_released(tmp_path):
    """MBPP's own asserts first, one of them public; then the inputs, each as the value that it stands for."""
    (problem,) = read_rows(tmp_path, "mbpp", MBPP_PLUS)
    assert problem.problem_id == "mbpp/132"
    assert problem.problem == 'Write a function to glue.\nassert glue(("a", "b")) == "ab"'
    assert problem.metadata == {
        "func_name": "glue",
        "source": "mbpp",
        "task_id": "Mbpp/132",
        "setup_code": "import math",
    }
    assert [(t.type, t.is_public) for t in problem.test_cases] == [
        ("functional", True), ("assert", False), ("assert", False),
    ]  # fmt: skip
    codes = (*problem.solutions, "def glue(t): return ''.join(t)[:1] + ''.join(t)[1:]", "def glue(t): return 'ab'")
    assert verdicts(problem, *codes) == ["pass", "pass", "fail"]


def test_mbpp_plus_in_the_format_of_mbpp(tmp_path):
    """The row's program over many inputs is one more, private test; floats alone need to be near only."""
    row = {
        "task_id": 3,
        "prompt": "Write a function to halve.",
        "code": "def half(x): return x / 2",
        "source_file": "made up",
        "test_imports": [],
        "test_list": ["assert half(1) == 0.5", "assert half(3) == 1.5"],
        "test": "inputs = [[5], [7]]\nresults = [2.5, 3.5]\nfor inp, exp in zip(inputs, results):\n"
        "    assert abs(half(*inp) - exp) < 1e-6\n",
    }
    (problem, other) = read_rows(tmp_path, "mbpp", row, {**row, "task_id": 4, "test_list": ["assert half(4) == 2"]})
    assert [(t.type, t.is_public) for t in problem.test_cases] == [
        ("functional", True), ("functional", False), ("assert", False),
    ]  # fmt: skip
    assert problem.metadata["comparison"] == {"name": "float", "abs_tol": 1e-6, "rel_tol": 1e-7}
    assert "comparison" not in other.metadata
    codes = ("def half(x): return x * 0.5 + 1e-12", "def half(x): return x // 2")
    assert verdicts(problem, *codes) == ["pass", "fail"]


@pytest.mark.parametrize(
    ("task", "given", "meant"),
    [
        ("2", [[1], [2]], [(1,), (2,)]), ("63", [[[1], [2]]], [[(1,), (2,)]]), ("75", [[[1]], 5], [[(1,)], 5]),
        ("106", [[1], [2]], [[1], (2,)]), ("115", [[[1, 1], []]], [[{1}, {}]]), ("124", ["1", "2j"], [1.0, 2j]),
        ("307", [[1], 2, [3]], [(1,), 2, [3]]), ("252", ["(1+2j)"], [1 + 2j]),
        ("259", [[[1], [2]], [[3]]], [((1,), (2,)), ((3,),)]), ("278", [[1, [2, [3]]]], [(1, (2, [3]))]),
        ("580", [[1, [2, [3]]]], [(1, (2, (3,)))]), ("722", [{"a": [1]}, 2], [{"a": (1,)}, 2]),
        ("9", [[1], "a"], [[1], "a"]),
    ],
)  # fmt: skip
def test_inputs_of_mbpp_plus(task, given, meant):
    """What JSON can't say comes back as the task means it."""
    (found,) = python_inputs(task, [given])
    assert (found, repr(found)) == (meant, repr(meant))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"plus_input": [[5]]}, "MBPP+ task 132"), ({"plus_input": 5}, "lists"), ({"assertion": "("}, "not Py"),
        ({"canonical_solution": "("}, "not Python"), ({"entry_point": 5}, "entry_point"), ({"atol": "x"}, "atol"),
    ],
)  # fmt: skip
def test_bad_mbpp_plus_rows(tmp_path, changes, reason):
    """A row that can't become a problem says why."""
    (bad,) = read_rows(tmp_path, "mbpp", MBPP_PLUS | changes)
    assert isinstance(bad, BadRow)
    assert reason in bad.reason
