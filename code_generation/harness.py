"""Problem, code and tests to a `Program`: inputs only. What goes in here is all that ever reaches the sandbox."""

from __future__ import annotations

import ast
import builtins
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import msgspec

from code_generation.compare import check_policy
from code_generation.errors import DataError
from code_generation.extract import syntax_tree
from code_generation.jsonl import encode as dump_json
from code_generation.literals import PY, from_json, is_huge, is_python, parse_arguments, shorten, to_json
from code_generation.programs import Case, Limits, Program
from code_generation.sandbox.plain_data import NotPlainData, decode, encode

if TYPE_CHECKING:
    from code_generation.models import CodeProblem, JsonValue, TestCase
    from code_generation.programs import CaseResult


MOST = 1_000_000
"""Seconds or MiB; a larger limit is a mistake."""
CHECKER_LIMITS = Limits(timeout_s=15.0, memory_mb=2048, output_mb=256, disk_mb=512)
"""Of a program that looks at an answer: an answer may be large, and the program is not what is being measured."""


def limits_of(problem: CodeProblem, timeout_s: float | None = None, memory_mb: int | None = None) -> Limits:
    """The limits of a problem's tests: what the caller asks for, else what the problem says, else the defaults.

    A problem's own `memory_limit_mb` only ever raises the default: judges count resident memory, we cap address space.

    Raises:
        DataError: the problem's own limit is no positive number.
    """
    limits = Limits()
    own_time = _positive(problem, "time_limit_s") or limits.timeout_s
    own_memory = _positive(problem, "memory_limit_mb") or limits.memory_mb
    return msgspec.structs.replace(
        limits,
        timeout_s=float(timeout_s or own_time),
        memory_mb=int(memory_mb or max(limits.memory_mb, int(own_memory))),
    )


def _positive(problem: CodeProblem, key: str) -> float | None:
    value = problem.metadata.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < MOST:
        msg = f"expected a positive number at $.metadata.{key}, found {value!r}"
        raise DataError(msg)
    return value


def check_metadata(problem: CodeProblem) -> None:
    """Look at the metadata that decides how tests are run and judged.

    Raises:
        DataError: a limit that is none, a comparison that does not exist.
    """
    limits_of(problem)
    policy = problem.metadata.get("comparison")
    if policy is None:
        return
    if not isinstance(policy, dict) or "name" not in policy:
        msg = f'expected {{"name": ...}} at $.metadata.comparison, found {policy!r}'
        raise DataError(msg)
    check_policy(policy)


def build_program(
    problem: CodeProblem, code: str, tests: list[TestCase], limits: Limits, *, batch: bool = False
) -> Program:
    """A program that feeds the inputs of some stdin tests, or of some functional tests, to a candidate.

    Raises:
        DataError: a functional test of a problem without `func_name`.
    """
    if tests[0].type == "stdin":
        cases = [Case(stdin=t.input) for t in tests]
        return Program(kind="script", source=code, cases=cases, limits=limits, batch=batch)
    return calls_program(problem, code, [[_call(problem, t.input)] for t in tests], limits, batch=batch)


def calls_program(
    problem: CodeProblem, code: str, steps: list[list[JsonValue]], limits: Limits, *, batch: bool = False
) -> Program:
    """A program that defines the candidate and makes calls, a list of steps a case."""
    class_name = problem.metadata.get("class_name")
    return Program(
        kind="calls",
        source=code,
        setup=problem.metadata.get("setup_code") or "",
        names=[class_name] if class_name else [],
        cases=[Case(steps=s) for s in steps],
        limits=limits,
        batch=batch,
    )


def candidate_names(problem: CodeProblem) -> list[str]:
    """Names that test code may take from the candidate: the function first, the class, what the references define.

    A problem without references does not say more; then every name that the test code itself lacks is the candidate's.
    """
    named = [problem.metadata.get("func_name"), problem.metadata.get("class_name")]
    trees = (syntax_tree(code) for code in [*problem.solutions, problem.metadata.get("starter_code") or ""])
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    defined = {n.name for t in trees if t is not None for n in t.body if isinstance(n, kinds)} - set(dir(builtins))
    marked = [f"class:{named[1]}"] if named[1] else []
    return [n for n in dict.fromkeys([*named, *sorted(defined), *marked]) if n]


def check_program(
    problem: CodeProblem,
    test: TestCase,
    names: list[str],
    steps: list[JsonValue],
    answers: list[JsonValue],
    limits: Limits,
) -> Program:
    """A program that runs the data set's own test code against what a candidate answered. Holds no candidate code."""
    return Program(
        kind="check",
        source=test.input,
        setup=problem.metadata.get("setup_code") or "",
        names=names if problem.solutions else [*names, "*"],
        cases=[Case(steps=steps, answers=answers)],
        limits=limits,
    )


def checker_program(problem: CodeProblem, test: TestCase, case: CaseResult) -> Program:
    """A program of the data set that looks at an answer: `checker.py input.txt correct_output.txt solution_output.txt`.

    Holds no candidate code. What is no text (arguments, a return value) stands in its files as JSON. The interface is
    that of the checkers of open-r1/codeforces.
    """
    if test.type == "stdin":
        correct = "\n".join(test.output) if isinstance(test.output, list) else test.output
        texts = [test.input, correct, case.stdout]
    else:
        texts = [dump_json(test.input), dump_json(test.output), _dump_answer(case.answers[0]["value"])]
    contents = [x if isinstance(x, bytes) else x.encode("utf-8", "surrogatepass") for x in texts]
    files = dict(zip(("input.txt", "correct_output.txt", "solution_output.txt"), contents, strict=True))
    checker = problem.metadata["comparison"]["checker"]
    return Program(kind="script", source=checker, cases=[Case(files=files)], limits=CHECKER_LIMITS)


def _dump_answer(value: JsonValue) -> str:
    """A return value, as it came from the sandbox, in JSON: a tuple is a list there."""
    try:
        return dump_json(_as_json(decode(value)))
    except (ValueError, RecursionError):  # a complex number that is not finite, nesting beyond reason
        return dump_json("not to be said in JSON")


def _as_json(value: Any) -> JsonValue:
    if isinstance(value, list | tuple):
        return [_as_json(v) for v in value]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: _as_json(v) for k, v in value.items()}
    if isinstance(value, Decimal | Fraction):
        return str(value)
    if is_huge(value):
        return {PY: hex(value) if isinstance(value, int) else "'integers beyond reason'"}
    return to_json(value)


def _call(problem: CodeProblem, arguments: JsonValue) -> JsonValue:
    """The one step of a functional test."""
    name = problem.metadata.get("func_name")
    if not name:
        msg = f"problem {problem.problem_id}: a functional test needs metadata.func_name, the function to call"
        raise DataError(msg)
    args, kwargs = call_arguments(arguments)
    try:
        step: dict[str, Any] = {"op": "call", "target": {"g": name}, "args": [encode(a) for a in args]}
        if kwargs:
            step["kwargs"] = {k: encode(v) for k, v in kwargs.items()}
    except NotPlainData as e:
        msg = f"problem {problem.problem_id}: an argument can't be sent to the sandbox: {e}"
        raise DataError(msg) from None
    return step


def call_arguments(arguments: JsonValue) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of a functional test's `input`, as Python values.

    Raises:
        DataError: the input has another shape.
    """
    if isinstance(arguments, str):
        arguments = parse_arguments(arguments)
    kwargs: JsonValue = {}
    if isinstance(arguments, dict) and arguments and arguments.keys() <= {"args", "kwargs"}:
        arguments, kwargs = arguments.get("args", []), arguments.get("kwargs", {})
    args = from_json(arguments)
    if is_python(arguments) and isinstance(args, tuple):
        args = list(args)
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        msg = f"the input of a functional test is a list of arguments, found {shorten(repr(arguments))}"
        raise DataError(msg)
    return args, from_json(kwargs)
