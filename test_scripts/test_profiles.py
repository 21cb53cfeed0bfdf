"""Other graders' comparisons, reproduced: the published measurement of eight of them, and EvalPlus' oracles."""

from __future__ import annotations

import asyncio
import json
import math
import re

import pytest

from code_generation.compare import compare_text
from code_generation.errors import UnknownName
from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.models import CodeProblem, TestCase
from code_generation.profiles import PROFILES, decides, profile_text, profile_value
from test_scripts.conftest import grade
from test_scripts.probes import ACCEPTED, GRADERS


@pytest.mark.parametrize("pair", ACCEPTED, ids=repr)
def test_each_profile_says_what_its_grader_says(pair):
    """Sixteen probes, eight graders; and the default is right wherever there is a right."""
    got, expected = pair
    taken, right = ACCEPTED[pair]
    assert "".join("A" if profile_text(g, expected, got.encode()) else "." for g in GRADERS) == taken
    printed = f"{got}\n".encode()  # as `print` does it
    assert "".join("A" if profile_text(g, expected, printed) else "." for g in GRADERS) == taken
    if right is not None:
        assert compare_text(expected, got.encode()) is right


@pytest.mark.parametrize(
    ("profile", "got", "expected", "taken"),
    [
        ("livecodebench", "1.50 2", "1.5 2.0", True), ("livecodebench", "a 1.50", "a 1.5", False),
        ("livecodebench", "  1\n2  \n\n", "1\n2", True), ("livecodebench", "nan", "NaN", False),
        ("apps", "1.000001\n2", "1\n2", True), ("apps", "1.0001 x", "1.0002 x", False),
        ("apps", "1.0001 7", "1.0002 7", True), ("taco", "2\n1\n", "1\n2\n", True), ("taco", "20\n10", "10\n20", False),
        ("rllm", "1 a", "1 b", True), ("rllm", "1 2", "1 3", False), ("rllm", "1 2 3", "1 2", False),
        ("alphacode", "1.000001 YES", "1 yes", True), ("alphacode", "0x10", "16", False),
        ("sandboxfusion", "1.000001", "1", True), ("sandboxfusion", "1.000001 2", "1 2", False),
        ("open-r1", "1 \n2", "1\n2\n3", True), ("reward-kit", "[1,2]", "[2,1]", True),
        ("reward-kit", "[1,1,2]", "[2,1,1]", True), ("reward-kit", "[1]", "[1, 1]", False),
        ("reward-kit", "0.0", "0", True), ("reward-kit", "[1,", "[1]", False),
    ],
)  # fmt: skip
def test_what_marks_a_grader(profile, got, expected, taken):
    """Its tolerance, its idea of a line, its oddity."""
    assert profile_text(profile, expected, got.encode()) is taken


@pytest.mark.parametrize("profile", [name for name in PROFILES if decides(name, "stdin")])
@pytest.mark.parametrize("got", [b"", b"\xff\xfe", b"[" * 5000, b"1e999999999", b"-", b"\n\n", b"nan", b"0 " * 10_000])
def test_nothing_that_is_printed_breaks_a_profile(profile, got):
    """Whatever would end the grader that is reproduced is an answer that it does not take."""
    assert profile_text(profile, "1\n2", got) is False


def stdin_problem(output, **comparison) -> CodeProblem:
    """A problem with one test of a program."""
    test = TestCase(input="", output=output, type="stdin", is_public=True)
    return CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[test], metadata={"comparison": comparison})


def problem(output, *, source="", func_name="f", given=(), **comparison) -> tuple[CodeProblem, TestCase]:
    """A problem with one functional test."""
    test = TestCase(input=list(given), output=output, type="functional", is_public=True)
    metadata = {"func_name": func_name, "source": source, **({"comparison": comparison} if comparison else {})}
    return CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[test], metadata=metadata), test


@pytest.mark.parametrize(
    ("profile", "output", "answer", "taken"),
    [
        ("livecodebench", [1, 2], (1, 2), True), ("livecodebench", [[1], [2]], ([1], (2,)), False),
        ("livecodebench", 1.0, 1.0000001, False), ("apps", [5], 5, True), ("apps", [[1, 2]], (1, 2), True),
        ("apps", [[[1, 2]]], [(1, 2)], True), ("apps", 5, [5], False), ("taco", [True], True, True),
        ("rllm", [], None, False), ("reward-kit", [1, 2], [2, 1], True),
        ("evalplus", 1.0, 1.0000001, True), ("evalplus", 1, 1.0000001, False), ("evalplus", 1.0, 1.1, False),
        ("evalplus", [1.0, 2.0], [1.0, 2.0000001], True), ("evalplus", [], [1.0], False),
        ("evalplus", {"$py": "(1.0,)"}, [1.0000001], False),
    ],
)  # fmt: skip
def test_return_values(profile, output, answer, taken):
    """What each grader makes of a return value."""
    assert profile_value(profile, *problem(output), answer) is taken


@pytest.mark.parametrize(
    ("name", "source", "given", "output", "answer", "taken"),
    [
        ("find_zero", "humaneval", [[-6.0, 11.0, -6.0, 1.0]], 1.0, 3.0, True),  # another root
        ("find_zero", "humaneval", [[-6.0, 11.0, -6.0, 1.0]], 1.0, 1.5, False),
        ("find_zero", "elsewhere", [[-6.0, 11.0, -6.0, 1.0]], 1.0, 3.0, False),
        ("similar_elements", "mbpp", [], [4, 5], [5, 4, 4], True),
        ("similar_elements", "mbpp", [], [4, 5], [5], False),
        ("similar_elements", "mbpp", [], [4, 5], 7, False),
        ("are_equivalent", "mbpp", [], True, False, True),  # accepts anything: so does the original
        ("sum_div", "mbpp", [7], 1, 0, True),
        ("surface_Area", "mbpp", [3, 4], 33, 35, True),
        ("surface_Area", "mbpp", [3, 4], 33, 34.6, False),
        ("digit_distance_nums", "mbpp", [1, 23], 1, 4, True),
        ("digit_distance_nums", "mbpp", [1, 23], 1, 5, False),
        ("check_str", "mbpp", ["a"], True, object(), True),
        ("check_str", "mbpp", ["a"], True, None, False),
        ("check_str", "mbpp", ["a"], False, None, True),
        ("check_str", "mbpp", ["a"], True, False, False),
    ],
)
def test_evalplus_oracles(name, source, given, output, answer, taken):
    """Tasks with several right answers, and only in their own data set."""
    asked = problem(output, source=source, func_name=name, given=given)
    assert profile_value("evalplus", *asked, answer) is taken


def test_evalplus_keeps_a_tasks_own_tolerance():
    """`abs_tol` of the problem is its atol: it holds for integers too."""
    asked = problem(1.0, name="float", abs_tol=0.1)
    assert profile_value("evalplus", *asked, 1.05)
    assert not profile_value("evalplus", *asked, 1.5)


def test_unknown_profiles_are_named():
    """With the near ones said; a side that a profile lacks has no answer."""
    with pytest.raises(UnknownName, match="profile of programs"):
        profile_text("evalplus", "1", b"1")
    with pytest.raises(UnknownName, match="profile of functions"):
        profile_value("alphacode", *problem(1), 1)
    with pytest.raises(UnknownName, match="livecodebench"):
        profile_text("livecodebenchh", "", b"")


# ------------------------------------------------------------------------------------------------ as a command


@pytest.fixture
def files(tmp_path):
    """A problem of one stdin test and candidates that print."""

    def write(*answers):
        test = {"type": "stdin", "input": "", "output": "1\n2\n3", "is_public": True}
        wanted = {"problem_id": "p", "problem": "", "solutions": [], "test_cases": [test], "metadata": {}}
        (tmp_path / "p.jsonl").write_text(json.dumps(wanted))
        rows = [
            {"problem_id": "p", "candidate_id": f"c{n}", "code": f"print({a!r})"} if a is not None else
            {"problem_id": "p", "candidate_id": f"c{n}", "response": "I can't."}
            for n, a in enumerate(answers)
        ]  # fmt: skip
        (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
        return tmp_path

    return write


def test_which_verdicts_would_flip(codegen, files):
    """One run judged by two graders: the rows say both verdicts, the report lists those that differ."""
    path = files("1\n2\n3", "3\n1\n2", "1\n2", "no", None)
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", "--diff-profile", "apps")
    assert done.returncode == 0
    rows = [json.loads(line) for line in (path / "v.jsonl").read_text().splitlines()]
    assert [(r["verdict"], r["diff_verdict"], r["flips"]) for r in rows] == [
        ("pass", "pass", False), ("fail", "pass", True), ("fail", "fail", False), ("fail", "fail", False),
        ("fail", "fail", False),
    ]  # fmt: skip
    assert "p c1: default fail, apps pass\n1 of 5 verdicts flip between default and apps\n" in done.stdout
    assert re.search(r"5 candidates: 1 pass, 4 fail, 0 infra", done.stdout)


def test_a_profile_decides(codegen, files):
    """With --profile the verdict is that grader's, in both modes; the row says so and is not resumed as another's."""
    path = files("1\n2", "3\n1\n2")
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", "--profile", "open-r1")
    assert "2 candidates: 1 pass, 1 fail" in done.stdout
    assert json.loads((path / "v.jsonl").read_text().splitlines()[0])["profile"] == "open-r1"
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl")
    assert done.returncode == 2
    assert "profile" in done.stderr
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "b.jsonl", "--profile", "taco", "--mode", "batch",
                   "--diff-profile", "open-r1")  # fmt: skip
    assert "p c0: taco fail, open-r1 pass\np c1: taco pass, open-r1 fail\n2 of 2 verdicts flip" in done.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--profile", "appss"], "apps"),
        (["--profile", "apps", "--diff-profile", "apps"], "another"),
        (["--diff-profile", "apps", "--stop-early"], "--stop-early"),
        (["--hardest", "0"], "--hardest"),
    ],
)
def test_profiles_that_make_no_sense(codegen, files, flags, said):
    """One line, exit status 2, no file."""
    path = files("1")
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (path / "v.jsonl").exists()


@pytest.mark.parametrize(
    ("profile", "output", "answer", "taken"),
    [
        ("evalplus", {"$py": "float('inf')"}, 1.0, False), ("evalplus", [{"$py": "float('inf')"}], [0.0], False),
        ("evalplus", {"$py": "float('inf')"}, math.inf, True), ("apps", {"1": 2}, {1: 2}, True),
        ("apps", {"1": 2}, {"1": 2}, False), ("taco", [{"1": 2}, 0], {1: 2}, True), ("rllm", {"a": 2}, {"a": 2}, True),
        pytest.param("reward-kit", 5, 1 << 4_000_000, False, id="huge"),
    ],
)  # fmt: skip
def test_oddities_of_values(profile, output, answer, taken):
    """Infinities are close to nothing, keys become integers, and a huge integer is not written out."""
    assert profile_value(profile, *problem(output), answer) is taken


@pytest.mark.parametrize(
    ("profile", "asked", "answer"),
    [
        ("evalplus", stdin_problem(["6", "7"], name="any_of"), "print(7)"),
        ("alphacode", problem(1.0, name="float", abs_tol=0.1)[0], "def f(): return 1.05"),
        ("evalplus", stdin_problem("6", name="checker", checker="print(1)"), "print(8)"),
    ],
)
def test_a_side_that_a_profile_lacks_is_the_problems_own(profile, asked, answer):
    """So no verdict flips there."""
    assert grade(asked, answer).verdict == "pass"

    async def go():
        async with open_executor() as executor:
            grader = TestExecutionGrader(executor)
            return await grader.grade(asked, answer, profile=profile, other_profile="default")

    found = asyncio.run(go())
    assert (found.verdict, found.other_verdict) == ("pass", "pass")
