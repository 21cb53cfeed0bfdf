"""Whether an answer is the expected one. Pure functions, always outside the sandbox; policies by name, versioned.

Values, default policy: Python's `==` on plain data. What was written in Python (`{"$py": ...}`) means its containers;
what came as JSON can't say tuple, so there tuple and list are alike, at every depth. NaN equals nothing, text never
equals a number.
Text, default policy: line by line; blanks separate tokens; trailing empty lines don't count; tokens are equal as text
or as decimal numbers, exactly, or within the last printed place where the expected one has a fraction or an exponent.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from decimal import Decimal, DecimalException, localcontext
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from code_generation.errors import DataError, UnknownName
from code_generation.literals import from_json, is_python, parse_python
from code_generation.sandbox.plain_data import countable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from code_generation.models import JsonValue

VERSION = 1
"""Of the policies below; certificates carry it."""

DEFAULT: dict[str, Any] = {"name": "default"}
POLICIES = ("default", "exact", "lines", "tokens", "float", "unordered", "any_of")
"""Decided here."""
CHECKER = "checker"
"""A program of the data set decides, in the sandbox; see `harness.checker_program`."""

_NUMBER = re.compile(rb"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
MOST_LONGER = 100
_MAX_NUMBER = 20_000
"""Longest token, in characters, that is read as a number."""


# ------------------------------------------------------------------------------------------------ values


def equal_values(expected: JsonValue, answer: Any, scalars: Callable[[Any, Any], bool] | None = None) -> bool:
    """Whether a decoded answer equals an expected value in its JSON form.

    `scalars` decides about two leaves, `==` where it is None.
    """
    try:
        return _match(expected, answer, scalars or _same)
    except (RecursionError, ValueError, ArithmeticError):
        return False


def _same(expected: Any, answer: Any) -> bool:
    return bool(expected == answer)


def _match(expected: JsonValue, answer: Any, scalars: Callable[[Any, Any], bool]) -> bool:
    if is_python(expected):
        return _match_python(from_json(expected), answer, scalars)
    if isinstance(expected, list):
        return (
            isinstance(answer, list | tuple)
            and len(answer) == len(expected)
            and all(_match(e, a, scalars) for e, a in zip(expected, answer, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(answer, dict)
            and answer.keys() == expected.keys()
            and all(_match(v, answer[k], scalars) for k, v in expected.items())
        )
    return scalars(expected, answer)


def _match_python(expected: Any, answer: Any, scalars: Callable[[Any, Any], bool]) -> bool:
    if isinstance(expected, list | tuple):
        return (
            type(answer) is type(expected)
            and len(answer) == len(expected)
            and all(_match_python(e, a, scalars) for e, a in zip(expected, answer, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(answer, dict)
            and answer.keys() == expected.keys()
            and all(_match_python(v, answer[k], scalars) for k, v in expected.items())
        )
    return scalars(expected, answer)


def _close(abs_tol: float, rel_tol: float) -> Callable[[Any, Any], bool]:
    def scalars(expected: Any, answer: Any) -> bool:
        if expected == answer:
            return True
        return _is_number(expected) and _is_number(answer) and _is_close(expected, answer, abs_tol, rel_tol)

    return scalars


def _is_close(expected: Any, answer: Any, abs_tol: float, rel_tol: float) -> bool:
    try:
        return math.isclose(expected, answer, rel_tol=rel_tol, abs_tol=abs_tol)
    except OverflowError:  # an integer beyond all floats: only exactly equal will do
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _identical(expected: Any, answer: Any) -> bool:
    return type(expected) is type(answer) and bool(expected == answer)


def _unordered_values(expected: JsonValue, answer: Any) -> bool:
    wanted = from_json(expected) if is_python(expected) else expected
    if not isinstance(wanted, list | tuple | set | frozenset) or not isinstance(answer, list | tuple | set | frozenset):
        return equal_values(expected, answer)
    if len(wanted) != len(answer):
        return False
    python = is_python(expected)
    try:
        frozen = countable([_frozen(v, python) for v in answer])
        return Counter(_frozen(v, python) for v in wanted) == Counter(frozen)
    except (TypeError, ValueError):  # an element that can't be counted, or so many of one hash that it would take hours
        return False


def _frozen(value: Any, python: bool) -> Any:  # noqa: FBT001
    """A hashable stand-in, equal where the values are; with `python` a tuple is no list."""
    if isinstance(value, list | tuple):
        return ((type(value) if python else list), tuple(_frozen(v, python) for v in value))
    if isinstance(value, dict):
        if is_python(value) and not python:
            return _frozen(from_json(value), python=True)
        return dict, frozenset((k, _frozen(v, python)) for k, v in value.items())
    return frozenset(value) if isinstance(value, set) else value


def check_policy(policy: dict[str, Any]) -> None:
    """Look a policy up.

    Raises:
        UnknownName: there is none of that name. DataError: a parameter of it is missing or none.
    """
    if policy["name"] == CHECKER:
        _check_source(policy.get("checker"))
    else:
        _check_name(policy)
    for key in ("abs_tol", "rel_tol"):
        value = policy.get(key, 0)
        if not _is_number(value) or not 0 <= value < math.inf:
            msg = f"expected a number of 0 or more at $.metadata.comparison.{key}, found {value!r}"
            raise DataError(msg)


def _check_name(policy: dict[str, Any]) -> None:
    if policy["name"] not in POLICIES:
        raise UnknownName("comparison", str(policy["name"]), (*POLICIES, CHECKER))


def _check_source(source: object) -> None:
    if not isinstance(source, str) or not source.strip():
        msg = "expected the source of a program at $.metadata.comparison.checker"
        raise DataError(msg)
    try:
        parse_python(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        msg = f"the checker program at $.metadata.comparison.checker is not Python: {e}"
        raise DataError(msg) from None


def compare_value(expected: JsonValue, answer: Any, policy: dict[str, Any] | None = None) -> bool:
    """Whether a function's return value is right under a policy.

    Raises:
        UnknownName: there is no policy of that name.
    """
    policy = policy or DEFAULT
    _check_name(policy)
    match policy["name"]:
        case "default" | "lines" | "tokens":
            return equal_values(expected, answer)
        case "exact":
            return equal_values(expected, answer, _identical)
        case "float":
            return equal_values(expected, answer, _close(*_tolerances(policy)))
        case "unordered":
            return _unordered_values(expected, answer)
    return any(equal_values(e, answer) for e in (expected if isinstance(expected, list) else [expected]))  # any_of


def _tolerances(policy: dict[str, Any]) -> tuple[float, float]:
    return float(policy.get("abs_tol", 1e-6)), float(policy.get("rel_tol", 1e-6))


# ------------------------------------------------------------------------------------------------ text


def compare_text(expected: str | list[str], got: bytes, policy: dict[str, Any] | None = None) -> bool:
    """Whether what a program printed is right under a policy; bytes that are no UTF-8 equal nothing.

    Raises:
        UnknownName: there is no policy of that name.
    """
    policy = policy or DEFAULT
    _check_name(policy)
    name = policy["name"]
    if name == "any_of":
        return any(compare_text(e, got) for e in ([expected] if isinstance(expected, str) else expected))
    wanted = str(expected).encode("utf-8", "surrogatepass")
    if wanted == got:
        return True
    if name != "exact" and wanted.rstrip() == got.rstrip():
        return True
    match name:
        case "default":
            return _equal_lines(_lines(wanted), _lines(got), _equal_tokens)
        case "exact":
            return False
        case "lines":
            return all(w == g for w, g in zip_longest(_lines(wanted), _lines(got)))
        case "tokens":
            return _equal_lines([wanted], [got], _equal_tokens)
        case "float":
            return _equal_lines(_lines(wanted), _lines(got), _close_tokens(*_tolerances(policy)))
    return Counter(_lines(wanted)) == Counter(_lines(got))  # unordered


def _lines(text: bytes) -> Iterator[bytes]:
    """Lines without their trailing blanks, up to the last that is not empty; one at a time: outputs may be huge."""
    start, end = 0, len(text.rstrip())
    while start < end:
        newline = text.find(b"\n", start)
        stop = end if newline < 0 else newline
        yield text[start:stop].rstrip()
        start = stop + 1


def _equal_lines(wanted: Iterable[bytes], got: Iterable[bytes], tokens: Callable[[bytes, bytes], bool]) -> bool:
    for w, g in zip_longest(wanted, got):
        if w is None or g is None:
            return False
        if w != g:
            if len(g) > MOST_LONGER * len(w) + 10_000:
                return False  # no writing of the same numbers is so much longer
            wanted_tokens, got_tokens = w.split(), g.split()
            if len(wanted_tokens) != len(got_tokens) or not all(map(tokens, wanted_tokens, got_tokens)):
                return False
    return True


def _numbers(expected: bytes, got: bytes) -> tuple[Decimal, Decimal] | None:
    if max(len(expected), len(got)) > _MAX_NUMBER or not (_NUMBER.fullmatch(expected) and _NUMBER.fullmatch(got)):
        return None
    try:
        return Decimal(expected.decode("ascii")), Decimal(got.decode("ascii"))
    except DecimalException:
        return None


def _equal_tokens(expected: bytes, got: bytes) -> bool:
    if expected == got:
        return True
    numbers = _numbers(expected, got)
    if numbers is None:
        return False
    e, g = numbers
    if e == g:
        return True
    if not set(b".eE") & set(expected):
        return False
    try:
        with localcontext() as context:
            context.prec = len(expected) + len(got) + 30
            half_a_unit = Decimal(5).scaleb(int(e.as_tuple().exponent) - 1)
            millionth = Decimal("1e-6")
            return abs(g - e) <= max(millionth * abs(e), min(millionth, half_a_unit))
    except DecimalException:  # exponents beyond all reason
        return False


def _close_tokens(abs_tol: float, rel_tol: float) -> Callable[[bytes, bytes], bool]:
    def tokens(expected: bytes, got: bytes) -> bool:
        if expected == got:
            return True
        numbers = _numbers(expected, got)
        if numbers is None:
            return False
        if numbers[0] == numbers[1]:
            return True
        e, g = map(float, numbers)
        return math.isfinite(e) and math.isclose(e, g, rel_tol=rel_tol, abs_tol=abs_tol)

    return tokens
