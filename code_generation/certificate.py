"""What makes a row's label checkable later: hashes of all that decided about it, and how it was decided."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import msgspec

from code_generation import compare
from code_generation.jsonl import encode
from code_generation.models import Certificate
from code_generation.records import to_json_object

if TYPE_CHECKING:
    from code_generation.models import CodeProblem, GenerationResult, Grade, JsonValue
    from code_generation.programs import Limits

DECIDING = ("func_name", "class_name", "setup_code", "comparison", "time_limit_s", "memory_limit_mb")
"""Metadata that changes what a verdict means."""


def sha256_text(text: str) -> str:
    """Hash of a text, hexadecimal; lone surrogates allowed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def tests_sha256(problem: CodeProblem) -> str:
    """Hash of a problem's tests and of the metadata that decides about them."""
    tests = [to_json_object(t) for t in problem.test_cases]
    return sha256_text(encode([tests, {k: problem.metadata.get(k) for k in DECIDING}]))


def comparison_of(problem: CodeProblem) -> dict[str, JsonValue]:
    """The comparison policy of a problem with the version of its meaning."""
    return {**(problem.metadata.get("comparison") or compare.DEFAULT), "version": compare.VERSION}


def certify(problem: CodeProblem, code: str | None, grade: Grade, limits: Limits) -> Certificate:
    """The certificate of one judgement."""
    return Certificate(
        problem_sha256=sha256_text(problem.problem),
        tests_sha256=tests_sha256(problem),
        code_sha256=None if code is None else sha256_text(code),
        comparison=comparison_of(problem),
        limits=msgspec.structs.asdict(limits),
        executor=grade.executor,
        isolation=grade.isolation,
        python=" ".join(sys.version.split()),
    )


def contradictions(result: GenerationResult) -> list[str]:
    """What in a row that claims to be verified does not fit together, without running anything."""
    found = []
    certificate = result.certificate
    if certificate is None:
        return ["it claims to be verified and has no certificate"]
    if result.final_code is None:
        return ["it claims to be verified and has no code"]
    if certificate.code_sha256 != sha256_text(result.final_code):
        found.append("final_code is not the code that was certified")
    if certificate.tests_sha256 != tests_sha256(result.problem):
        found.append("the tests are not those that were certified")
    if certificate.problem_sha256 != sha256_text(result.problem.problem):
        found.append("the statement is not the one that was certified")
    if certificate.comparison != comparison_of(result.problem):
        found.append("the comparison is not the one that was certified")
    grade = result.attempts[-1].grade if result.attempts else None
    if grade is None or grade.verdict != "pass" or grade.mode != "isolated":
        found.append("its last grade is no pass of isolated tests")
    elif not len(grade.outcomes) == grade.n_passed == grade.n_tests == len(result.problem.test_cases):
        found.append("its last grade is not over its tests")
    elif (grade.executor, grade.isolation) != (certificate.executor, certificate.isolation):
        found.append("its last grade came from elsewhere than its certificate says")
    return found
