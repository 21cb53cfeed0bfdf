"""EvalPlus' comparison of return values: `==`, floats about, and its oracles for tasks with several right answers.

Source: evalplus 0.3, `evalplus/eval/__init__.py` and `_special_oracle.py`.
"""

from __future__ import annotations

import cmath
import math
from typing import TYPE_CHECKING, Any

from code_generation.errors import DataError
from code_generation.harness import call_arguments

if TYPE_CHECKING:
    from code_generation.models import CodeProblem, TestCase

REL_TOL, ABS_TOL = 1e-7, 1e-6

SETS = {
    "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum", "intersection_array",
    "find_dissimilar", "Diff",
}  # fmt: skip
"""MBPP tasks whose answers are compared as sets."""
FOUND = {"check_str", "text_match_three", "text_starta_endb"}
"""MBPP tasks that may answer with a match object: whether it is None decides."""


def equal_values(expected: Any, got: Any, problem: CodeProblem, test: TestCase) -> bool:
    """Whether EvalPlus takes a return value for the expected one."""
    metadata = problem.metadata
    tolerance = float((metadata.get("comparison") or {}).get("abs_tol", 0.0))
    name = metadata.get("func_name")
    known = f"{metadata.get('source', '')} {problem.problem_id}".lower()
    exact = bool(got == expected)
    if "humaneval" in known and name == "find_zero":
        coefficients = _arguments(test)[0]
        return bool(abs(sum(c * math.pow(got, i) for i, c in enumerate(coefficients))) <= (tolerance or ABS_TOL))
    if "mbpp" in known:
        if name in SETS:
            exact = set(got) == set(expected)
        elif name in FOUND:
            exact = bool(got == expected) if isinstance(got, bool) else expected == (got is not None)
        else:
            exact = exact or _also_right(name, got, test, tolerance)
    if exact:
        return True
    if tolerance == 0 and _is_floats(expected):
        tolerance = ABS_TOL
    return tolerance != 0 and type(got) is type(expected) and _all_close(expected, got, tolerance)


def _also_right(name: str | None, got: Any, test: TestCase, tolerance: float) -> bool:
    """The readings of a statement that EvalPlus accepts beside the reference's."""
    match name:
        case "are_equivalent":
            return True
        case "sum_div":
            return bool(got == 0)
        case "surface_Area":
            base, height = _arguments(test)
            slant = math.sqrt((base / 2) ** 2 + height**2)
            return bool(abs(got - round(base**2 + 2 * base * slant)) <= tolerance)
        case "digit_distance_nums":
            digits = [str(n) for n in _arguments(test)]
            width = max(map(len, digits))
            first, second = (d.zfill(width) for d in digits)
            return bool(got == sum(abs(int(a) - int(b)) for a, b in zip(first, second, strict=True)))
    return False


def _arguments(test: TestCase) -> list[Any]:
    try:
        return call_arguments(test.input)[0]
    except DataError as e:
        raise ValueError(str(e)) from None


def _is_floats(value: Any) -> bool:
    """A float, or a list or tuple of nothing else."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(v, float) for v in value)
    return isinstance(value, float)


def _all_close(expected: Any, got: Any, abs_tol: float) -> bool:
    """`numpy.allclose` over numbers and nested lists of one shape."""
    if isinstance(expected, list | tuple):
        same = isinstance(got, list | tuple) and len(got) == len(expected)
        return same and all(_all_close(e, g, abs_tol) for e, g in zip(expected, got, strict=True))
    if not all(isinstance(v, int | float | complex) for v in (expected, got)):
        return False
    if expected == got or not (cmath.isfinite(expected) and cmath.isfinite(got)):
        return bool(expected == got)
    return bool(abs(got - expected) <= abs_tol + REL_TOL * abs(expected))
