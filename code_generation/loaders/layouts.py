"""The ways in which data sets of this field write down input and output: a list of tests, or two lists side by side."""

from __future__ import annotations

from typing import Any

from code_generation.errors import DataError
from code_generation.loaders.jsonl import parse_test
from code_generation.models import TestCase
from code_generation.records import from_json_object


def parse_tests(tests: Any, func_name: str | None = None, *, is_public: bool = False) -> list[TestCase]:
    r"""Tests of either layout.

    A list of `{"input", "output", "testtype" or "type", "fn_name"?}`: stdin and stdin_stdout, functional and
    function_call; a test that does not say is functional where there is a function to call. Or the dictionary
    `{"inputs": [...], "outputs": [...], "fn_name"?}`. Input and output of stdin may be a list of lines; those of a
    function may be text, one JSON value a line: `"[5, 3]\n2"` -> [[5, 3], 2].

    Raises:
        DataError: they have another shape.
    """
    if isinstance(tests, dict):
        func_name = function_of(tests) or func_name
        inputs, outputs = tests.get("inputs"), tests.get("outputs")
        if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
            msg = "expected tests to have as many inputs as outputs, both lists"
            raise DataError(msg)
        tests = [{"input": i, "output": o} for i, o in zip(inputs, outputs, strict=True)]
    if not isinstance(tests, list):
        msg = f"expected a list of tests, or inputs and outputs, found {type(tests).__name__}"
        raise DataError(msg)
    kind = "functional" if func_name else "stdin"
    return [_test(t, kind, f"tests[{n}]", is_public=is_public) for n, t in enumerate(tests)]


def _test(given: Any, kind: str, place: str, *, is_public: bool) -> TestCase:
    if not isinstance(given, dict):
        msg = f"expected an object at {place}, found {type(given).__name__}"
        raise DataError(msg)
    known = {k: given[k] for k in ("input", "output", "testtype", "type") if k in given}
    said = known.get("testtype") or known.get("type") or kind
    if said in {"stdin", "stdin_stdout"}:
        known |= {k: _lines(known[k]) for k in ("input", "output") if k in known}
    test: TestCase = from_json_object(parse_test(known, kind, place) | {"is_public": is_public}, TestCase)
    return test


def _lines(value: Any) -> Any:
    """Text, where it came as a list of lines."""
    return "\n".join(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else value


def function_of(tests: Any) -> str | None:
    """The name of the function that tests call, where they say it; None for programs that read stdin."""
    holder = tests[0] if isinstance(tests, list) and tests else tests
    name = holder.get("fn_name") if isinstance(holder, dict) else None
    return name if isinstance(name, str) and name else None
