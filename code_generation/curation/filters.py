"""A small language that says which rows to keep: `verified and n_turns <= 3 and 0 < pass_rate < 1`.

    keep = parse_filter('verified and difficulty in ("hard", "medium")', {"verified": bool, "difficulty": str})
    keep.matches({"verified": True, "difficulty": "hard"}) -> True

Its words are those of Python's expressions: `and or not`, `== != < <= > >=` (chained too), `in`, `not in`, `is`,
`is not`, `+ - * / %`, parentheses, lists, text in either quotes, numbers, `true false none` in lower case or as Python
writes them, and the functions of `FUNCTIONS`. Nothing is evaluated by Python: a filter is a tree of the few things
that stand here, of bounded size.

A filter never fails on a row. What is absent is none. None is smaller, larger and contained in nothing: `<`, `<=`, `>`,
`>=` and "in none" are false with it; `==`, `!=`, `is` and "none in (...)" take it for the value that it is. Arithmetic
with none, with text, or by zero is none; so are the functions of none that give no truth value. Values of different
kinds compare as unequal and in no order. `not` turns false into true, also where none made it false.
"""

from __future__ import annotations

import difflib
import operator
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from code_generation.errors import ConfigError
from code_generation.literals import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from code_generation.models import JsonValue

LONGEST = 4_000
"""Characters of a filter."""
DEEPEST = 40
"""Parentheses, `not`s and signs within each other."""
MOST_BITS = 2_000
"""Of an integer that is calculated with; a larger one gives none."""
SHOWN = 70
"""Characters of an error, and on either side of it, that a message shows."""
LONGEST_NAME, MOST_NAMES = 40, 40
"""What a message repeats of a name, and how many known ones it lists."""


@dataclass(frozen=True)
class Filter:
    """A condition on rows."""

    text: str
    """As it was written."""
    fields: frozenset[str]
    """The fields that it reads, dotted where they stand within another."""
    _evaluate: Callable[[Mapping[str, JsonValue]], JsonValue]

    def matches(self, facts: Mapping[str, JsonValue]) -> bool:
        """Whether a row fulfils it. `a.b` is the field `a.b`, else `b` within `a`; what is not there is none."""
        return bool(self._evaluate(facts))


def parse_filter(text: str, known_fields: Mapping[str, object]) -> Filter:
    """Read a filter. Known are the names that are keys; `metadata.*` stands for all that is within `metadata`.

    Raises:
        ConfigError: it is no filter; the message shows where and says what was expected.
    """
    parser = _Parser(text, known_fields)
    return Filter(text, *parser.parse())


# ------------------------------------------------------------------------------------------------ tokens


class _Token(NamedTuple):
    kind: str
    """`number`, `text`, `name`, `sign` or `end`."""
    text: str
    place: int


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:_\d+)*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)(?![\w.])
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    | (?P<sign>[=!<>]=|[-<>+*/%()\[\],])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_WORDS = {"and", "or", "not", "in", "is"}
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None, "True": True, "False": False, "None": None}
_INSTEAD = {"=": "== to compare", "&": "and", "|": "or", "!": "not", "~": "not"}
"""Signs of other languages, and what is meant by them."""


def _fault(text: str, place: int, length: int, what: str) -> NoReturn:
    """Show the text with what is wrong between marks: `n_turns >>=<< 1`.

    Raises:
        ConfigError: always.
    """
    end = place + min(length, SHOWN)
    before, wrong, after = text[max(0, place - SHOWN) : place], text[place:end], text[end : end + SHOWN]
    shown = f"{'...' * (place > SHOWN)}{before}>>{wrong}<<{after}{'...' * (end + SHOWN < len(text))}"
    shown = "".join(c if c.isprintable() else " " for c in shown).strip()
    msg = f"the filter can't be read at column {place + 1}, {shown} : {what}"
    raise ConfigError(msg)


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            sign = text[place]
            if sign in "'\"":
                _fault(text, place, len(text), f"expected the closing {sign} of this text")
            instead = _INSTEAD.get(sign)
            hint = f"use {instead}" if instead else "expected a field, a value or an operator"
            _fault(text, place, 1, f"{hint}, found {sign!r}")
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        place = match.end()
    return [*found, _Token("end", "", end)]


# ------------------------------------------------------------------------------------------------ grammar


class _Parser:
    """Recursive descent; each method returns a function from facts to a value."""

    def __init__(self, text: str, known: Mapping[str, object]) -> None:
        if len(text) > LONGEST:
            msg = f"a filter of {len(text):,} characters is too long; {LONGEST:,} are allowed"
            raise ConfigError(msg)
        self._text, self._known = text, known
        self._tokens, self._next, self._depth = _tokens(text), 0, 0
        self._fields: set[str] = set()

    def parse(self) -> tuple[frozenset[str], Callable[[Mapping[str, JsonValue]], JsonValue]]:
        """The fields and the meaning of the whole text."""
        if self._token.kind == "end":
            _fault(self._text, 0, 0, "expected a condition such as `verified`, found nothing")
        evaluate = self._either()
        if self._token.kind != "end":
            self._expected("an operator (and, or, ==, <, in, ...) or the end")
        return frozenset(self._fields), evaluate

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *words: str) -> str | None:
        """The next token where it is one of these words or signs."""
        token = self._token
        if token.kind in {"name", "sign"} and token.text in words:
            self._next += 1
            return token.text
        return None

    def _wrong(self, token: _Token, what: str) -> NoReturn:
        _fault(self._text, token.place, len(token.text), what)

    def _expected(self, what: str) -> NoReturn:
        token = self._token
        self._wrong(token, f"expected {what}, found {repr(token.text) if token.text else 'the end'}")

    def _deeper(self, step: Callable[[], Any]) -> Any:
        """Go into something, so that depth stays bounded."""
        self._depth += 1
        if self._depth > DEEPEST:
            self._wrong(self._token, f"nested more than {DEEPEST} deep")
        found = step()
        self._depth -= 1
        return found

    def _either(self) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda facts: any(bool(p(facts)) for p in parts)

    def _all(self) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda facts: all(bool(p(facts)) for p in parts)

    def _not(self) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        if self._take("not"):
            inner = self._deeper(self._not)
            return lambda facts: not inner(facts)
        return self._comparison()

    def _comparison(self) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        values = [self._sum()]
        signs: list[Callable[[Any, Any], bool]] = []
        while sign := self._take(*_COMPARISONS):
            if sign == "not":
                if not self._take("in"):
                    self._expected("`in` behind `not`")
                sign = "not in"
            elif sign == "is" and self._take("not"):
                sign = "is not"
            signs.append(_COMPARISONS[sign])
            values.append(self._sum())
        if not signs:
            return values[0]
        if len(signs) == 1:
            (compare,), (left, right) = signs, values
            return lambda facts: compare(left(facts), right(facts))
        return lambda facts: _chain([v(facts) for v in values], signs)

    def _sum(self) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        return self._operation(self._product, "+", "-")

    def _product(self) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        return self._operation(self._signed, "*", "/", "%")

    def _operation(self, part: Callable[[], Any], *signs: str) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        first, steps = part(), []
        while sign := self._take(*signs):
            steps.append((_ARITHMETIC[sign], part()))
        if not steps:
            return first  # type: ignore[no-any-return]

        def evaluate(facts: Mapping[str, JsonValue]) -> JsonValue:
            value = first(facts)
            for operation, other in steps:
                value = _calculate(operation, value, other(facts))
            return value

        return evaluate

    def _signed(self) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        if sign := self._take("-", "+"):
            inner, operation = self._deeper(self._signed), _ARITHMETIC[sign]
            return lambda facts: _calculate(operation, 0, inner(facts))
        return self._atom()

    def _atom(self) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        token = self._token
        if token.kind == "number":
            return self._constant(_number(token.text))
        if token.kind == "text":
            return self._constant(_ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), token.text[1:-1]))
        if token.kind == "name" and token.text in _CONSTANTS:
            return self._constant(_CONSTANTS[token.text])
        if opening := self._take("(", "["):
            return self._deeper(lambda: self._bracket(opening))  # type: ignore[no-any-return]
        if token.kind != "name" or token.text in _WORDS:
            self._expected("a field or a value")
        self._next += 1
        return self._call(token) if self._take("(") else self._field(token)

    def _constant(self, value: JsonValue) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        self._next += 1
        return lambda _: value

    def _bracket(self, opening: str) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        """What stands in parentheses, or a list in either bracket."""
        closing = ")" if opening == "(" else "]"
        items: list[Callable[[Mapping[str, JsonValue]], JsonValue]] = []
        comma = False
        while not self._take(closing):
            if items and not comma:
                self._expected(f"a comma or {closing!r}")
            items.append(self._either())
            comma = bool(self._take(","))
        if opening == "(" and len(items) == 1 and not comma:
            return items[0]
        return lambda facts: [item(facts) for item in items]

    def _call(self, name: _Token) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        if name.text not in FUNCTIONS:
            self._wrong(name, f"unknown function {_hint(name.text, FUNCTIONS)}")
        function, wanted = FUNCTIONS[name.text]
        arguments = self._deeper(self._arguments)
        if len(arguments) != wanted:
            given = f"{name.text}() takes {wanted} argument{'s' * (wanted > 1)}, found {len(arguments)}"
            self._wrong(name, given)
        return lambda facts: function(*[a(facts) for a in arguments])

    def _arguments(self) -> list[Callable[[Mapping[str, JsonValue]], JsonValue]]:
        found: list[Callable[[Mapping[str, JsonValue]], JsonValue]] = []
        while not self._take(")"):
            if found and not self._take(","):
                self._expected("a comma or ')'")
            found.append(self._either())
        return found

    def _field(self, token: _Token) -> Callable[[Mapping[str, JsonValue]], JsonValue]:
        name = token.text
        above = name.split(".")
        wider = (".".join([*above[:n], "*"]) for n in range(1, len(above)))
        if name not in self._known and not any(w in self._known for w in wider):
            self._wrong(token, f"unknown field {_hint(name, self._known)}")
        self._fields.add(name)
        if len(above) == 1:
            return lambda facts: facts.get(name)
        return lambda facts: _within(facts, name, above)


def _hint(name: str, known: Iterable[str]) -> str:
    """The name, the one that may be meant, and those that there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    listed = ", ".join(names[:MOST_NAMES]) + ", ..." * (len(names) > MOST_NAMES)
    return f"{shorten(name, LONGEST_NAME)!r}; {guess}known: {listed}"


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _within(facts: Mapping[str, JsonValue], name: str, parts: list[str]) -> JsonValue:
    if name in facts:
        return facts[name]
    value: Any = facts
    for part in parts:
        if not hasattr(value, "get"):
            return None
        value = value.get(part)
    return value


# ------------------------------------------------------------------------------------------------ values


def _same_kind(left: Any, right: Any) -> bool:
    """Whether both are truth values, or neither is: to Python they are the numbers 0 and 1."""
    return isinstance(left, bool) == isinstance(right, bool)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A comparison that is false where there is no order."""

    def holds(left: Any, right: Any) -> bool:
        try:
            return left is not None and right is not None and _same_kind(left, right) and bool(compare(left, right))
        except (TypeError, RecursionError):
            return False

    return holds


def _equal(left: Any, right: Any) -> bool:
    try:
        if isinstance(left, list | tuple) and isinstance(right, list | tuple):
            return type(left) is type(right) and len(left) == len(right) and all(map(_equal, left, right))
        if isinstance(left, dict) and isinstance(right, dict):
            return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
        return _same_kind(left, right) and bool(left == right)
    except RecursionError:
        return False


def _contained(left: Any, right: Any) -> bool:
    """In a list, among the keys of an object, or as a part of text."""
    try:
        if isinstance(right, list | tuple):
            return any(_equal(left, item) for item in right)
        return isinstance(right, dict | str) and left in right
    except (TypeError, RecursionError):
        return False


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _contained,
    "not in": lambda left, right: not _contained(left, right),
    "is": _equal,
    "is not": lambda left, right: not _equal(left, right),
    "not": _contained,  # opens `not in`
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}


def _chain(values: list[Any], signs: list[Callable[[Any, Any], bool]]) -> bool:
    return all(sign(*pair) for sign, pair in zip(signs, pairwise(values), strict=True))


def _calculate(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> int | float | None:
    if not (_calculable(left) and _calculable(right)):
        return None
    try:
        return operation(left, right)  # type: ignore[no-any-return]
    except ArithmeticError:
        return None


def _calculable(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= MOST_BITS)


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str | list | tuple | dict) else None


def _lower(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def _starts(value: Any, start: Any) -> bool:
    return isinstance(value, str) and isinstance(start, str) and value.startswith(start)


FUNCTIONS: dict[str, tuple[Callable[..., JsonValue], int]] = {
    "len": (_length, 1),
    "lower": (_lower, 1),
    "startswith": (_starts, 2),
    "contains": (lambda value, part: _contained(part, value), 2),
}
"""Name -> what it does, and with how many arguments."""
