"""How values cross the border of the sandbox, in both directions: as JSON with tags, standard library only.

What is covered: values cross as plain data only, taken from the C-level bases, so that a lying subclass shows its
content and an always-equal object is not data; nothing is pickled, evaluated or parsed from printed text.
What is not covered: what is read may have been written by the candidate itself, and then is any data it likes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DEPTH = 150
MAX_JSON_INT = 10**18
MAX_SAME_HASH = 1000
MAX_EXPONENT = 10_000
MAX_NODES = 3_000_000
BUILTIN = frozenset((int, float, complex, list, tuple, dict, set, frozenset, bytes, bytearray))


class NotPlainData(Exception):
    """A value that can't cross the border."""


def encode(  # noqa: C901, PLR0912 - a table
    value: Any,
    depth: int = 0,
    budget: list[int] | None = None,
    special: Callable[[Any, Callable[[Iterable[Any]], list[Any]]], Any] | None = None,
) -> Any:
    """Say a value in JSON with tags: 1, "a", [1] as they are; {"t": [1, 2]} a tuple, {"s": ...} a set, {"z": ...} a
    frozenset, {"d": [[key, value], ...]} a dict, {"b": "00ff"} bytes, {"f": "inf"}, {"c": [re, im]}, {"i": "0xff"} an
    integer of more than 18 digits (decimals of any length are slow to read), {"q": [1, 2]} a Fraction, {"m": "0.5"} a
    Decimal. Content is taken from the C-level bases: a subclass can't lie about it. `special` is asked first about
    whatever is more than a number or text, and says it in its own way, or None.
    """
    budget = budget if budget is not None else [MAX_NODES]
    budget[0] -= 1
    if depth > MAX_DEPTH or budget[0] < 0:
        raise NotPlainData("nested too deeply" if depth > MAX_DEPTH else "too large")
    kind = type(value)
    if value is None or kind in (bool, str):
        return value

    def inner(items: Iterable[Any]) -> list[Any]:
        return [encode(i, depth + 1, budget, special) for i in items]

    if special is not None and kind not in BUILTIN and (said := special(value, inner)) is not None:
        return said
    if kind is float or issubclass(kind, float):
        number = float.__float__(value)
        return number if math.isfinite(number) else {"f": repr(number)}
    if issubclass(kind, int):
        number = int.__int__(value)
        return number if -MAX_JSON_INT < number < MAX_JSON_INT else {"i": hex(number)}
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, list):
        return inner(list.__iter__(value))
    if issubclass(kind, tuple):
        return {"t": inner(tuple.__iter__(value))}
    if issubclass(kind, dict):
        return {"d": [inner(pair) for pair in dict.items(value)]}
    if issubclass(kind, set):
        return {"s": inner(set.__iter__(value))}
    if issubclass(kind, frozenset):
        return {"z": inner(frozenset.__iter__(value))}
    if issubclass(kind, (bytes, bytearray)):
        return {"b": bytes.hex(value) if issubclass(kind, bytes) else bytearray.hex(value)}
    if kind is complex:
        return {"c": inner((value.real, value.imag))}
    if (kind.__module__, kind.__qualname__) == ("fractions", "Fraction"):
        return {"q": inner((int(value.numerator), int(value.denominator)))}
    if (kind.__module__, kind.__qualname__) == ("decimal", "Decimal"):
        return {"m": str.__str__(str(value))}
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        item = value.item()
        if type(item) in (bool, int, float, complex, str, bytes):
            return encode(item, depth, budget)
    raise NotPlainData(f"{kind.__module__}.{kind.__qualname__} is not plain data")


def decode(node: Any, opaque: Callable[[dict[str, Any]], Any] | None = None) -> Any:  # noqa: C901, PLR0912 - a table
    """Turn tagged data into builtin objects; `opaque(node)` makes what stands for references and builtins.

    Raises ValueError, TypeError or KeyError where the data is not what `encode` writes: it came from the candidate.
    """
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    if isinstance(node, list):
        return [decode(i, opaque) for i in node]
    ((tag, body),) = node.items()
    if tag == "t":
        return tuple(decode(i, opaque) for i in body)
    if tag == "d":
        return dict(
            zip(countable([decode(k, opaque) for k, _ in body]), [decode(v, opaque) for _, v in body], strict=True)
        )
    if tag == "s":
        result: set[Any] = set()
        result.update(frozenset(countable([decode(i, opaque) for i in body])))  # as a literal does: the order follows
        return result
    if tag == "z":
        return frozenset(countable([decode(i, opaque) for i in body]))
    if tag == "b":
        return bytes.fromhex(body)
    if tag == "f":
        return float(body)
    if tag == "c":
        return complex(decode(body[0]), decode(body[1]))
    if tag == "i":
        return int(body, 16)
    if tag == "q":
        from fractions import Fraction  # imported where there is one: each costs a start of the sandbox milliseconds

        numerator, denominator = (int(decode(i)) for i in body)
        if not denominator or max(numerator.bit_length(), denominator.bit_length()) > MAX_EXPONENT:
            raise ValueError("not a fraction")
        return Fraction(numerator, denominator)
    if tag == "m":
        from decimal import Decimal

        try:
            number = Decimal(body)
        except ArithmeticError as e:
            raise ValueError(f"not a decimal: {e}") from None
        if number.is_snan() or (number.is_finite() and abs(number.adjusted()) > MAX_EXPONENT):
            raise ValueError("a decimal that can't be compared")
        return number
    if opaque is None:
        raise ValueError(f"unknown tag {tag!r}")
    return opaque(node)


def countable(items: list[Any]) -> list[Any]:
    """Items for a set or the keys of a dict; very many of one hash would take the square of their number in time."""
    if len(items) > MAX_SAME_HASH:
        counts: dict[int, int] = {}
        for item in items:
            counts[hash(item)] = counts.get(hash(item), 0) + 1
        if sum(c * c for c in counts.values()) > 5 * MAX_SAME_HASH**2 + len(items):
            raise ValueError("too many items of one hash")
    return items
