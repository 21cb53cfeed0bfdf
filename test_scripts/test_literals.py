"""Python values in JSON and back: `{"$py": ...}`, the restricted reader, values that came as text."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.errors import DataError
from code_generation.jsonl import decode, encode
from code_generation.literals import (
    from_json,
    is_python,
    parse_arguments,
    parse_value,
    read_literal,
    render_literal,
    shorten,
    to_json,
)

PROPERTY = settings(deadline=None, max_examples=60)
FLOATS = st.floats(allow_nan=False)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | FLOATS
    | st.complex_numbers(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.lists(inner).map(tuple) | st.frozensets(inner), max_leaves=8)
VALUES = st.recursive(
    HASHABLE | st.sets(HASHABLE) | st.binary().map(bytearray),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(HASHABLE, inner, max_size=4),
    max_leaves=12,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS.filter(math.isfinite) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda k: k != "$py"), inner, max_size=4),
    max_leaves=12,
)


def typed(value: Any) -> Any:
    """A value with the types of all its parts, so that 1, 1.0 and True, or a list and a tuple, differ."""
    match value:
        case list() | tuple():
            return type(value).__name__, [typed(v) for v in value]
        case set() | frozenset():
            return type(value).__name__, sorted(map(str, map(typed, value)))
        case dict():
            return "dict", [(typed(k), typed(v)) for k, v in value.items()]
        case float():
            return "float", repr(value)
        case complex():  # Python's own notation loses the sign of a zero part
            return "complex", value.real + 0.0, value.imag + 0.0
    return type(value).__name__, value


@PROPERTY
@given(VALUES)
def test_render_then_read(value):
    """What is rendered is read back as the same value, type by type."""
    assert typed(value) == typed(read_literal(render_literal(value)))


@PROPERTY
@given(VALUES, st.booleans())
def test_json_round_trip_through_a_file_line(value, python_lists):
    """Any plain value survives to_json, a line of JSON and from_json, type by type."""
    line = encode(to_json(value, python_lists=python_lists))
    assert typed(value) == typed(from_json(decode(line)))


@PROPERTY
@given(JSON)
def test_json_values_stay_as_they_are(value):
    """What JSON can say is written as JSON, not as a literal."""
    assert typed(value) == typed(to_json(value))


@pytest.mark.parametrize(
    ("value", "plain", "python_lists"),
    [
        ((4, 5), {"$py": "(4, 5)"}, {"$py": "(4, 5)"}),
        ((4,), {"$py": "(4,)"}, {"$py": "(4,)"}),
        ([1, 2], [1, 2], {"$py": "[1, 2]"}),
        ([(1, 2)], {"$py": "[(1, 2)]"}, {"$py": "[(1, 2)]"}),
        ({"a": [1]}, {"a": [1]}, {"$py": "{'a': [1]}"}),
        ({"a": 1}, {"a": 1}, {"a": 1}),
        ({1: "a"}, {"$py": "{1: 'a'}"}, {"$py": "{1: 'a'}"}),
        (set(), {"$py": "set()"}, {"$py": "set()"}),
        (float("inf"), {"$py": "float('inf')"}, {"$py": "float('inf')"}),
        ({"$py": "7"}, {"$py": "{'$py': '7'}"}, {"$py": "{'$py': '7'}"}),
    ],
)
def test_to_json(value, plain, python_lists):
    """Exactly what JSON can't say becomes a literal; a list that stood in Python source becomes one on request."""
    assert plain == to_json(value)
    assert python_lists == to_json(value, python_lists=True)


def test_rendered_sets_have_one_order():
    """Equal sets are written alike whatever the order in which they were filled (0 and 8 share a hash slot)."""
    assert render_literal({0, 8, 16}) == render_literal({16, 8, 0})
    assert render_literal(frozenset([0, 8])) == render_literal(frozenset([8, 0]))


def test_nan_survives():
    """NaN, which equals nothing, is read back as NaN."""
    assert math.isnan(read_literal(render_literal(math.nan)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1,)", (1,)),
        ("  [1, 2]\n", [1, 2]),
        ("{1, 2}", {1, 2}),
        ("set()", set()),
        ("set([1, 2])", {1, 2}),
        ("frozenset({1})", frozenset({1})),
        ("float('-inf')", -math.inf),
        ("-5", -5),
        ("+5", 5),
        ("2+3j", 2 + 3j),
        ("b'a'", b"a"),
        ("{'a': {}}", {"a": {}}),
        ("bytearray(b'ab')", bytearray(b"ab")),
    ],
)
def test_read_literal(text, value):
    """The reader knows every literal of plain data."""
    assert typed(value) == typed(read_literal(text))


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "open('/etc/passwd')", "9 ** 9 ** 9", "'a' * 10", "1 + 1", "True + 1j",
        "-True", "[x for x in (1,)]", "[*[1]]", "{**{}}", "f'{1}'", "...", "(1).real", "float('1.5')", "float(5)",
        "set(5)", "set([1], [2])", "frozenset(iterable=[1])", "{[1]}", "{[]: 1}", "name", "", "1 2", "\0", "\ud800",
        "(" * 5000, "-" * 5000 + "1",
    ],
)  # fmt: skip
def test_anything_else_is_no_literal(text):
    """Code, names and nonsense are a ValueError and are never evaluated."""
    with pytest.raises(ValueError, match=r"literal|number|surrogate"):
        read_literal(text)


def test_integers_of_any_length():
    """An integer of 6,000 digits is read and written exactly, past Python's limit of 4,300."""
    number = 10**6000 + 7
    assert number == read_literal("1" + "0" * 5999 + "7")
    assert [number] == parse_arguments("1" + "0" * 5999 + "7")
    assert render_literal(number) == "1" + "0" * 5999 + "7"


def test_objects_are_not_plain_data():
    """An object of another type is refused, at any depth."""
    with pytest.raises(ValueError, match="not plain data: object"):
        to_json([1, {"a": (object(),)}])


def test_from_json_reads_literals_at_any_depth():
    """Literals stand anywhere in JSON; the rest stays as it is."""
    assert [1, {"a": (4, 5)}, {2}] == from_json([1, {"a": {"$py": "(4, 5)"}}, {"$py": "{2}"}])


def test_from_json_names_a_bad_literal():
    """A literal that can't be read is an error that shows it."""
    with pytest.raises(DataError, match="open"):
        from_json([{"$py": "open('x')"}])


@pytest.mark.parametrize(
    ("node", "expected"),
    [({"$py": "1"}, True), ({"$py": 1}, False), ({"$py": "1", "a": 2}, False), ({}, False), ("$py", False)],
)
def test_is_python(node, expected):
    """Only an object with the one key `$py` and text in it is a literal."""
    assert expected is is_python(node)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ('"5"', "5"),
        ("[1, 2]", [1, 2]),
        ("true", True),
        ("True", True),
        ("None", None),
        ("null", None),
        ("(1, 2)", {"$py": "(1, 2)"}),
        ("'a'", "a"),
        ("{1: 2}", {"$py": "{1: 2}"}),
        ("NO", "NO"),
        ("**D*", "**D*"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_parse_value(text, value):
    """Text is typed by JSON, then as a literal, else it is the text itself."""
    assert typed(value) == typed(parse_value(text))


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("[1, 2, 3]", [[1, 2, 3]]),
        ("[5, 3]\n2", [[5, 3], 2]),
        ('"abc"\n"5"', ["abc", "5"]),
        ("[[1, 2],\n [3, 4]]", [[[1, 2], [3, 4]]]),
        ("5\nabc", [5, "abc"]),
        ("(1, 2)\n3\n", [{"$py": "(1, 2)"}, 3]),
    ],
)
def test_parse_arguments(text, arguments):
    """One value a line is one argument a line; a value that spans lines is one argument."""
    assert typed(arguments) == typed(parse_arguments(text))


@PROPERTY
@given(st.text(), st.integers(4, 100))
def test_shorten(text, limit):
    """Never longer than asked, untouched where it fits, the cut marked."""
    short = shorten(text, limit)
    assert text == short if len(text) <= limit else (len(short) == limit and short.endswith("..."))
