"""Tests without expected values: the candidate has to agree with a reference over many inputs, as EvalPlus judges.

A test is Python source that holds the reference and some inputs. It runs where the candidate does not, so the candidate
meets neither. It is marked as `HOLDS_REFERENCE` and so never
public.

What counts as right follows EvalPlus (github.com/evalplus/evalplus, `evalplus/eval`): equal; or of the same type and
near, where a float or a sequence of floats is expected or the row has an `atol`; for some tasks by a rule of their own.
Stricter than there: one input's tolerance does not last for the inputs after it, Mbpp/164 has to be right, and 0 is
right for Mbpp/295 only where nothing divides.
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - needed for what
from typing import Any

from code_generation.errors import DataError
from code_generation.literals import render_literal, shorten
from code_generation.loaders import HOLDS_REFERENCE
from code_generation.models import TestCase

AT_A_TIME = 250
"""Inputs of a test: so many stay well within its time limit."""
MOST_ASKED = 400_000
"""Characters of a test's inputs together, unless one alone is longer."""
MOST_ANSWERED = 16_000_000
"""Characters of a test's answers together, where they are known to be long."""
LONG_ANSWERS: dict[str, Callable[[list[Any]], int]] = {"string_sequence": lambda args: 7 * args[0]}
"""Characters of an answer to some arguments, by function: a million numbers as text, each time."""
FLOAT_ATOL = 1e-6
"""Absolute tolerance for floats where the row has none."""

SOURCE = """\
from copy import deepcopy
from math import isfinite, sqrt

space = {{}}
exec({reference!r}, space)
reference = space[{name!r}]
ATOL = {atol!r}
INPUTS = {inputs}


def near(got, wanted):
    if got == wanted:
        return True
    if not all(isinstance(v, (int, float)) and isfinite(v) for v in (got, wanted)):
        return False
    return abs(got - wanted) <= (ATOL or {default_atol!r}) + 1e-7 * abs(wanted)


def same(got, wanted):
    if got == wanted:
        return True
    if type(got) is not type(wanted):
        return False
    if type(wanted) is float:
        return near(got, wanted)
    if type(wanted) not in (list, tuple) or len(got) != len(wanted):
        return False
    return bool(ATOL or all(type(w) is float for w in wanted)) and all(map(near, got, wanted))


{rule}


def check(candidate):
    for number, args in enumerate(INPUTS):
        assert right(candidate(*deepcopy(args)), args), f"input {{number}}"
"""

PLAIN = """\
def right(got, args):
    return same(got, reference(*args))"""
AS_SETS = """\
def right(got, args):
    return set(got) == set(reference(*args))"""
FOUND_OR_NOT = """\
def right(got, args):
    wanted = reference(*args) is not None
    return (got if isinstance(got, bool) else got is not None) == wanted"""
ROOT = """\
def right(got, args):
    value = sum(c * got**power for power, c in enumerate(args[0]))
    return isinstance(got, (int, float)) and abs(value) <= (ATOL or 1e-4)"""
DIVISORS = """\
def right(got, args):
    return same(got, reference(*args)) or (args[0] < 2 and got == 0)"""
PYRAMID = """\
def right(got, args):
    base, height = args  # the height may be that of the sides, or that of the tip
    tip = round(base**2 + 2 * base * sqrt((base / 2) ** 2 + height**2))
    return same(got, reference(*args)) or near(got, tip)"""
DIGITS = """\
def right(got, args):
    one, other = map(str, args)  # the digits of the difference, or the differences of the digits
    width = max(len(one), len(other))
    pairs = zip(one.zfill(width), other.zfill(width))
    return same(got, reference(*args)) or got == sum(abs(int(a) - int(b)) for a, b in pairs)"""
RULES = {
    "find_zero": ROOT,
    "sum_div": DIVISORS,
    "surface_Area": PYRAMID,
    "digit_distance_nums": DIGITS,
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), FOUND_OR_NOT),
    **dict.fromkeys(
        (
            "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
            "intersection_array", "find_dissimilar", "Diff",
        ),
        AS_SETS,
    ),
}  # fmt: skip
"""Functions of HumanEval+ and MBPP+ with a rule of their own: any root will do, any order, any reading of the task."""


def reference_tests(reference: str, func_name: str, inputs: Any, *, atol: Any = 0.0) -> list[TestCase]:
    """Assert tests that compare a candidate with the reference, `AT_A_TIME` inputs each.

    `inputs`: a list of lists of positional arguments, as Python values.

    Raises:
        DataError: they have another shape, or can't be written as literals.
    """
    if not isinstance(inputs, list) or not all(isinstance(args, list | tuple) for args in inputs):
        msg = f"expected a list of argument lists, found {shorten(repr(inputs))}"
        raise DataError(msg)
    if not isinstance(atol, int | float):
        msg = f"expected atol to be a number, found {atol!r}"
        raise DataError(msg)
    try:
        literals = [render_literal(list(args)) for args in inputs]
        costs = [
            max(0.999 / AT_A_TIME, len(literal) / MOST_ASKED, _answered(func_name, args) / MOST_ANSWERED)
            for literal, args in zip(literals, inputs, strict=True)
        ]
    except (ValueError, TypeError, IndexError) as e:
        msg = f"the arguments can't be written as literals: {e}"
        raise DataError(msg) from None
    return [
        TestCase(
            input=SOURCE.format(
                reference=reference,
                name=func_name,
                atol=float(atol),
                default_atol=FLOAT_ATOL,
                inputs="[\n" + "".join(f"    {text},\n" for text in chunk) + "]",
                rule=RULES.get(func_name, PLAIN),
            ),
            output=None,
            type="assert",
            is_public=False,
            extra={HOLDS_REFERENCE: True},
        )
        for chunk in _chunks(literals, costs)
    ]


def _answered(func_name: str, args: list[Any]) -> int:
    return LONG_ANSWERS[func_name](args) if func_name in LONG_ANSWERS else 0


def _chunks(literals: list[str], costs: list[float]) -> list[list[str]]:
    """Inputs in order, as many together as cost 1 at most."""
    chunks: list[list[str]] = []
    total = 0.0
    for literal, cost in zip(literals, costs, strict=True):
        if not chunks or total + cost > 1:
            chunks.append([])
            total = 0.0
        chunks[-1].append(literal)
        total += cost
    return chunks
