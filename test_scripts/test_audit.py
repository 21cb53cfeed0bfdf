"""The audit of a problem file: what makes a problem unusable, what deserves a look, and references that fail."""

from __future__ import annotations

import asyncio
import warnings

import pytest

from code_generation.audit import check_references, check_shape
from code_generation.errors import DataError
from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.jsonl import write_lines

DEEP: list = []
for _ in range(300):
    DEEP = [DEEP]


def row(problem_id="p", statement="Double the number.", *, func_name="f", solutions=(), **test):
    """A problem with one test, private and functional where nothing else is said."""
    case = {"input": [4], "output": 8, "type": "functional", "is_public": False} | test
    metadata = {"func_name": func_name} if func_name else {}
    return {
        "problem_id": problem_id,
        "problem": statement,
        "solutions": list(solutions),
        "test_cases": [case],
        "metadata": metadata,
    }


def audit(tmp_path, *rows):
    """Errors and warnings as (line, problem id, reason), and the ids of the good rows."""
    path = tmp_path / "problems.jsonl"
    write_lines(path, rows)
    report, good = check_shape(path)
    assert report.problems == len(rows)

    def short(found):
        assert all(f["place"].startswith(f"{path}:") for f in found)
        return [(int(f["place"].rpartition(":")[2]), f["problem_id"], f["reason"]) for f in found]

    return short(report.errors), short(report.warnings), [p.problem_id for _, p in good]


def test_a_clean_file(tmp_path):
    """Good problems of all three types give neither error nor warning."""
    rows = [
        row("a"),
        row("b", "Print it.", func_name=None, type="stdin", input="1\n", output="1\n"),
        row("c", "Assert it.", type="assert", input="assert f(1) is None", output=None),
        row("d", "Take a tuple.", input={"args": [{"$py": "(1, 2)"}], "kwargs": {"k": 1}}, output={"$py": "{1}"}),
    ]
    assert audit(tmp_path, *rows) == ([], [], ["a", "b", "c", "d"])


def test_an_id_that_stands_twice(tmp_path):
    """The second problem of an id is an error that says where the first stands, and is not graded."""
    errors, _, good = audit(tmp_path, row("a"), row("b", "Halve it."), row("a", "Square it."))
    ((line, problem_id, reason),) = errors
    assert (line, problem_id, good) == (3, "a", ["a", "b"])
    assert "problems.jsonl:1" in reason


def test_a_statement_that_stands_twice(tmp_path):
    """The same statement under two ids is a warning, whatever its white space."""
    errors, found, good = audit(tmp_path, row("a"), row("b", "Double\n  the number. "))
    assert (errors, found, good) == ([], [(2, "b", "same statement as a")], ["a", "b"])


@pytest.mark.parametrize(
    ("statement", "test", "leak"),
    [
        ("Example: f([1, 2], 3) is 6.", {"input": [[1, 2], 3]}, True),
        ("Example: f([1, 2], 3) is 6.", {"input": [[1, 2], 3], "is_public": True}, False),
        ("Example: f([1, 2], 4) is 6.", {"input": [[1, 2], 3]}, False),
        ("Check:\nassert f(4) == 8", {"type": "assert", "input": "assert f(4) == 8\n", "output": None}, True),
        ("Input:\n17 4 23\n", {"type": "stdin", "input": "17 4 23\n", "output": "1"}, True),
        ("There are 3 cases.", {"type": "stdin", "input": "3\n", "output": "1"}, False),
    ],
)
def test_a_private_test_in_the_statement(tmp_path, statement, test, leak):
    """A private test that the statement shows is a warning; short inputs stand there by chance."""
    errors, found, _ = audit(tmp_path, row("a", statement, **test))
    expected = [(1, "a", "$.test_cases[0] is private but stands in the statement")] if leak else []
    assert (errors, found) == ([], expected)


def test_a_private_test_that_is_public_too_is_no_leak(tmp_path):
    """A private copy of a public test is told as a copy, not as a leak."""
    problem = row("a", "Example: f([1, 2], 3) is 6.", input=[[1, 2], 3], is_public=True)
    problem["test_cases"].append(problem["test_cases"][0] | {"is_public": False})
    _, found, _ = audit(tmp_path, problem)
    assert found == [(1, "a", "$.test_cases[1] has the same input as an earlier test")]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row() | {"test_cases": []}, "no tests"),
        (row(type="magic"), "$.test_cases[0].type"),
        (row() | {"problem": 5}, "$.problem"),
        ([1], "JSON object"),
        (row(type="assert", input="assert f(", output=None), "$.test_cases[0]: "),
        (row(type="assert", input="assert f(1)\0", output=None), "$.test_cases[0]: "),
        (row(func_name=None), "$.test_cases[0]: problem p: a functional test needs metadata.func_name"),
        (row(input={"a": 1}), "$.test_cases[0]: "),
        (row(input={"args": 5}), "$.test_cases[0]: "),
        (row(input={"args": [1], "kwargs": [2]}), "$.test_cases[0]: "),
        (row(input={"$py": "5"}), "$.test_cases[0]: "),
        (row(input=[{"$py": "open('x')"}]), "$.test_cases[0]: "),
        (row(output={"$py": "open('x')"}), "$.test_cases[0]: "),
        (row(input=[DEEP]), "$.test_cases[0]: "),
        (row() | {"metadata": {"func_name": "f", "time_limit_s": "2 seconds"}}, "2 seconds"),
        (row() | {"metadata": {"func_name": "f", "comparison": {"name": "flaot"}}}, "flaot"),
        (row() | {"metadata": {"func_name": "f", "comparison": "float"}}, "comparison"),
    ],
)
def test_what_can_not_be_run_is_an_error(tmp_path, bad, reason):
    """A problem whose tests can't be run is an error with its line and place; the other problems are still checked."""
    errors, _, good = audit(tmp_path, row("a"), bad, row("b", "Halve it."))
    assert [line for line, _, _ in errors] == [2]
    assert reason in errors[0][2]
    assert {"a", "b"} <= set(good)


def test_a_file_that_is_no_jsonl(tmp_path):
    """A file that is not JSON Lines is an error of its own with the line."""
    path = tmp_path / "a.jsonl"
    path.write_text("{}\nnot json\n")
    with pytest.raises(DataError, match="line 2 is not JSON"):
        check_shape(path)


def test_odd_tests_warn_nobody(tmp_path):
    """Python's own warnings about a test's code are neither printed nor taken for errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        errors, _, _ = audit(tmp_path, row(type="assert", input="assert (f(1), 'x')", output=None))
    assert (errors, caught) == ([], [])


def test_references_run_through_their_tests(tmp_path):
    """Every reference is graded: passes count, failures are errors that say how, problems without one a warning."""
    rows = [
        row("good", "1", solutions=["def f(x): return 2 * x"]),
        row("wrong", "2", solutions=["def f(x): return 2 * x", "def f(x): return 1"]),
        row("broken", "3", solutions=["def f(x): return 1 / 0"]),
        row("none", "4"),
    ]
    path = tmp_path / "problems.jsonl"
    write_lines(path, rows)
    report, good = check_shape(path)

    async def run():
        async with open_executor() as executor:
            await check_references(good, TestExecutionGrader(executor), report)

    asyncio.run(run())
    assert (report.references_passed, report.references_failed, report.references_missing) == (2, 2, 1)
    assert report.references_infra == 0
    wrong, broken = report.errors
    assert (wrong["problem_id"], broken["problem_id"]) == ("wrong", "broken")
    assert wrong["place"] == f"{path}:2"
    assert wrong["reason"].startswith("$.solutions[1] fails test 0: wrong_answer")
    assert "ZeroDivisionError" in broken["reason"]
    assert [w["problem_id"] for w in report.warnings] == ["none"]
