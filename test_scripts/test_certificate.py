"""Certificates: every fact that decided about a verdict is in a hash, and a changed row contradicts itself."""

from __future__ import annotations

import hashlib
import sys

import msgspec
import pytest

from code_generation import certificate, compare
from code_generation.certificate import certify, comparison_of, contradictions, sha256_text
from code_generation.jsonl import decode, encode
from code_generation.models import Attempt, CodeProblem, GenerationResult, Grade, Outcome, TestCase, Usage
from code_generation.programs import Limits
from code_generation.records import from_json_object, to_json_object

CODE = "def f(x): return 2 * x"
TEST = TestCase(input=[1], output=2, type="functional", is_public=True)
PROBLEM = CodeProblem(
    problem_id="p",
    problem="Double it.",
    solutions=[],
    test_cases=[TEST, msgspec.structs.replace(TEST, input=[2], output=4, is_public=False)],
    metadata={"func_name": "f", "difficulty": "easy"},
)
GRADE = Grade(
    verdict="pass",
    n_passed=2,
    n_tests=2,
    reward=1.0,
    fraction=1.0,
    outcomes=[Outcome(status="passed", is_public=True), Outcome(status="passed", is_public=False)],
    executor="subprocess",
    isolation="full",
)


def change(**fields):
    return msgspec.structs.replace(PROBLEM, **fields)


def with_metadata(**metadata):
    return change(metadata={**PROBLEM.metadata, **metadata})


def with_test(**fields):
    return change(test_cases=[msgspec.structs.replace(TEST, **fields), PROBLEM.test_cases[1]])


def attempt(grade=GRADE):
    return Attempt(code=CODE, grade=grade, usage=Usage(), cost_usd=None, latency_s=0.0, finish_reason="stop")


def regraded(**fields):
    return {"attempts": [attempt(msgspec.structs.replace(GRADE, **fields))]}


def result(**changes):
    fields = {
        "problem": PROBLEM,
        "final_code": CODE,
        "full_message_history": [],
        "generation_metadata": {},
        "verified": True,
        "satisfied": True,
        "attempts": [attempt()],
        "usage": Usage(),
        "cost_usd": None,
        "certificate": certify(PROBLEM, CODE, GRADE, Limits()),
        "schema": 1,
    }
    return GenerationResult(**fields | changes)


DECIDES = {
    "an input": with_test(input=[3]),
    "an output": with_test(output=3),
    "an output's type": with_test(output={"$py": "[2]"}),
    "a kind": with_test(type="stdin"),
    "public or private": with_test(is_public=False),
    "a weight": with_test(weight=2.0),
    "one test less": change(test_cases=[TEST]),
    "their order": change(test_cases=PROBLEM.test_cases[::-1]),
    "the function": with_metadata(func_name="g"),
    "the class": with_metadata(class_name="Solution"),
    "the setup": with_metadata(setup_code="import math"),
    "the comparison": with_metadata(comparison={"name": "float", "abs_tol": 0.1}),
    "the time limit": with_metadata(time_limit_s=1),
    "the memory limit": with_metadata(memory_limit_mb=4096),
}


@pytest.mark.parametrize("what", DECIDES)
def test_what_decides_changes_the_hash_of_the_tests(what):
    """Every part of a test and every metadatum that decides about a verdict is in the hash."""
    assert certificate.tests_sha256(PROBLEM) != certificate.tests_sha256(DECIDES[what])


@pytest.mark.parametrize(
    "same",
    [
        change(problem="Other words."),
        change(solutions=[CODE]),
        change(problem_id="q"),
        with_metadata(difficulty="hard", source="elsewhere"),
        change(metadata=dict(reversed({**PROBLEM.metadata, "comparison": None}.items()))),
    ],
    ids=["statement", "references", "id", "other metadata", "order of keys"],
)
def test_what_does_not_decide_is_not_in_the_hash(same):
    """Words, references and further metadata don't change what a verdict means."""
    assert certificate.tests_sha256(PROBLEM) == certificate.tests_sha256(same)


def test_hashes_are_those_of_the_text():
    """Anyone can check a hash: SHA-256 of the UTF-8 text, lone surrogates allowed."""
    assert sha256_text("d\u00e9f") == hashlib.sha256("d\u00e9f".encode()).hexdigest()
    assert sha256_text("\ud800") != sha256_text("\ud801")


def test_a_certificate_says_what_decided():
    """Hashes, comparison with its version, limits, box, isolation and the Python that ran the tests."""
    limits = Limits(timeout_s=2.5, memory_mb=512)
    found = certify(PROBLEM, CODE, GRADE, limits)
    assert found.problem_sha256 == hashlib.sha256(b"Double it.").hexdigest()
    assert found.code_sha256 == hashlib.sha256(CODE.encode()).hexdigest()
    assert found.tests_sha256 == certificate.tests_sha256(PROBLEM)
    assert found.comparison == {"name": "default", "version": compare.VERSION}
    assert (found.limits["timeout_s"], found.limits["memory_mb"]) == (2.5, 512)
    assert found.limits.keys() == msgspec.structs.asdict(limits).keys()
    assert (found.executor, found.isolation) == ("subprocess", "full")
    assert found.python.startswith(sys.version.split()[0])
    assert "\n" not in found.python
    assert certify(PROBLEM, None, GRADE, limits).code_sha256 is None


def test_the_comparison_of_a_problem_with_its_own():
    """A problem's own policy is told with its parameters and the version of its meaning."""
    own = with_metadata(comparison={"name": "float", "abs_tol": 0.1})
    assert comparison_of(own) == {"name": "float", "abs_tol": 0.1, "version": compare.VERSION}


def test_an_untouched_row_does_not_contradict_itself():
    """A row that was written and read again fits its certificate."""
    assert contradictions(from_json_object(decode(encode(to_json_object(result()))), GenerationResult)) == []


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"certificate": None}, ["no certificate"]),
        ({"final_code": None}, ["no code"]),
        ({"final_code": CODE + " "}, ["final_code"]),
        ({"problem": with_test(output=3)}, ["tests"]),
        ({"problem": with_metadata(comparison={"name": "tokens"})}, ["tests", "comparison"]),
        ({"problem": change(problem="Triple it.")}, ["statement"]),
        (
            {"final_code": "x", "problem": change(problem="y", test_cases=[TEST])},
            ["final_code", "tests", "statement", "not over its tests"],
        ),
        ({"attempts": []}, ["no pass"]),
        (regraded(verdict="fail", n_passed=1), ["no pass"]),
        (regraded(mode="batch"), ["no pass"]),
        (regraded(n_tests=3), ["not over its tests"]),
        (regraded(isolation="weak"), ["came from elsewhere"]),
    ],
)
def test_a_changed_row_contradicts_itself(changes, faults):
    """Each thing that was changed after the judgement is named."""
    found = contradictions(result(**changes))
    assert len(faults) == len(found)
    for fault, text in zip(faults, found, strict=True):
        assert fault in text
