"""The language that says which rows to keep: what it means, and that it fails in one way only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.curation.filters import DEEPEST, FUNCTIONS, LONGEST, parse_filter
from code_generation.errors import ConfigError

KNOWN = dict.fromkeys(
    "verified refused n_turns pass_rate model difficulty tags cost_usd absent metadata.source other.*".split()
)
FACTS = {
    "verified": True,
    "refused": False,
    "n_turns": 2,
    "pass_rate": 0.5,
    "model": "x-Large",
    "difficulty": "hard",
    "tags": ["dp", "graphs"],
    "cost_usd": None,
    "metadata": {"source": "mbpp", "secret": 1},
    "other": {"deep": {"er": 3}},
}


def holds(text):
    return parse_filter(text, KNOWN).matches(FACTS)


@pytest.mark.parametrize(
    "text",
    [
        "verified and n_turns <= 3 and 0 < pass_rate < 1",
        'model == "x" or difficulty in ("hard", "medium")',
        "not refused",
        "not not verified",
        'metadata.source == "mbpp"',
        "other.deep.er == 3",
        "cost_usd is None and cost_usd is none and cost_usd == null",
        "verified == true and refused == False and verified is True",
        "n_turns is not none and model != 'y'",
        "n_turns + 1 == 3 and 7 - n_turns * 2 == 3 and n_turns / 4 == .5 and 7 % n_turns == 1",
        "-n_turns < 0 and +n_turns == 2 and - - n_turns == 2",
        "1 + 2 * 3 == 7 and (1 + 2) * 3 == 9",
        "1 < n_turns <= 2 < 3 != 4",
        "n_turns in [1, 2] and n_turns not in (3,) and n_turns not in ()",
        '"dp" in tags and contains(tags, "graphs") and len(tags) == 2',
        'startswith(model, "x-") and contains(lower(model), "large") and len(model) == 7',
        '"Lar" in model and not ("lar" in model)',
        r'"a\"b\n" == "a\"b\n" and len("\n\\") == 2',
        "1_000 == 1e3 and 2.5e-1 == .25",
        "refused or verified and refused or verified",
        "(n_turns==2)and(verified)or[]",
    ],
)
def test_what_holds(text):
    """Each of these is true of the row."""
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "verified and refused",
        "not verified or refused",
        "0 < pass_rate < .5",
        "1 < n_turns < 2 < 9",
        "metadata.source == 'mbp'",
        'difficulty in ("easy",)',
        "tags == 'dp'",
        "len(tags) > 2",
    ],
)
def test_what_does_not(text):
    """Each of these is false of the row."""
    assert not holds(text)


def test_none_has_no_order():
    """What is absent is none: no comparison with it holds but equality, and it is a member only where it is named."""
    for sign in ("<", "<=", ">", ">="):
        assert not holds(f"absent {sign} 1")
        assert not holds(f"1 {sign} absent")
        assert not holds(f"absent {sign} absent")
    assert holds("absent is none and absent == cost_usd and absent != 0 and absent in (none, 1)")
    assert not holds("n_turns in absent")
    assert holds("n_turns not in absent")
    assert not holds("absent")
    assert holds("absent + 1 is none and len(absent) is none and lower(absent) is none")
    assert not holds('startswith(absent, "a") or contains(absent, "a")')


def test_nothing_fails_on_a_row():
    """Values of other kinds than expected, division by zero and numbers without end make no error."""
    for text in (
        "model < 3",
        "tags < model",
        "model + 1 > 0",
        "n_turns / 0 == 0",
        "n_turns % 0 >= 0",
        "1e999 < n_turns",
    ):
        assert not holds(text)
    assert holds("model + model is none and verified * 'a' is none")
    growing = "*".join(["n_turns"] * 400)
    assert parse_filter(f"{growing} is none", KNOWN).matches({"n_turns": 10**300})


def test_fields_are_told():
    """A filter says which fields it reads, so that only those need to be known."""
    found = parse_filter("verified and len(metadata.source) > 1 or other.deep.er == n_turns", KNOWN)
    assert found.fields == {"verified", "metadata.source", "other.deep.er", "n_turns"}
    assert found.text.startswith("verified and")
    assert parse_filter("metadata.source == 1", KNOWN).matches({"metadata.source": 1})
    assert not parse_filter("metadata.source", KNOWN).matches({"metadata": "text"})


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "expected a condition"),
        ("verified and", 13, "expected a field or a value, found the end"),
        ("n_turns = 3", 9, "use == to compare"),
        ("verified && refused", 10, "use and"),
        ("!verified", 1, "use not"),
        ('model == "x', 10, 'expected the closing "'),
        ("(verified", 10, "expected a comma or ')', found the end"),
        ("verified)", 9, "expected an operator"),
        ("verified refused", 10, "expected an operator"),
        ("n_turns not 3", 13, "expected `in` behind `not`"),
        ("n_turns in", 11, "expected a field or a value"),
        ("and verified", 1, "expected a field or a value, found 'and'"),
        ("verfied", 1, "unknown field 'verfied'; did you mean 'verified'?"),
        ("verified and metadata.sorce == 1", 14, "did you mean 'metadata.source'?"),
        ("metadata.other == 1", 1, "unknown field"),
        ("lenn(tags) > 1", 1, "unknown function 'lenn'; did you mean 'len'?"),
        ("len(tags, tags) > 1", 1, "takes 1 argument, found 2"),
        ("3abc", 1, "expected a field, a value or an operator"),
        ("verified.__class__", 1, "unknown field"),
        ("__import__('os')", 1, "unknown function"),
        ("[x for x in tags]", 2, "unknown field"),
        ("tags[0] == 1", 5, "expected an operator"),
    ],
)
def test_an_error_points_at_its_place(text, column, says):
    """The message is one line that holds what was expected and the text, with marks around the place."""
    with pytest.raises(ConfigError) as caught:
        parse_filter(text, KNOWN)
    line = str(caught.value)
    start, shown = line.split(", ", 1)
    assert (start.endswith(f" column {column}"), says in line, line.isprintable()) == (True, True, True), line
    before, wrong = shown.split(">>", 1)
    assert (len(before), before + wrong.replace("<<", "", 1)[: len(text) - len(before)]) == (column - 1, text)


def test_the_place_in_a_long_text():
    """Of a long filter the part around the error is shown, the marks around what is wrong."""
    text = " or ".join(["verified"] * 100) + " or nosuch or " + " or ".join(["refused"] * 100)
    with pytest.raises(ConfigError) as caught:
        parse_filter(text, KNOWN)
    shown, _ = str(caught.value).split(" : ")
    assert ">>nosuch<<" in shown
    assert len(shown) < 250


def test_size_is_bounded():
    """Depth and length have ends; breadth within them has none."""
    assert holds("(" * DEEPEST + "verified" + ")" * DEEPEST)
    for opening, closing in (("(", ")"), ("not ", ""), ("-", ""), ("[", "]"), ("len(", ")")):
        with pytest.raises(ConfigError, match="deep"):
            parse_filter(opening * (DEEPEST + 1) + "1" + closing * (DEEPEST + 1), KNOWN)
    assert holds(" or ".join(["verified"] * (LONGEST // 12)))
    with pytest.raises(ConfigError, match="too long"):
        parse_filter("verified or " * LONGEST, KNOWN)


WORDS = [
    *KNOWN, *FUNCTIONS, "and", "or", "not", "in", "is", "(", ")", "[", "]", ",", "==", "!=", "<", ">=", "+", "-", "*",
    "/", "%", "1", "2.5", '"a"', "'b", "none", "true", "=", ".", "\\", "1e9", "é", "\0", "0x1", "\n",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)), st.data())
def test_any_text_is_a_filter_or_a_config_error(text, data):
    """Whatever is written, reading it gives a filter that answers for any row, or the one error."""
    try:
        found = parse_filter(text, KNOWN)
    except ConfigError:
        return
    facts = {name.partition(".")[0]: data.draw(VALUES) for name in sorted(found.fields)}
    assert found.matches(facts) in {True, False}


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9))
def test_arithmetic_is_pythons(a, b, c):
    """Signs, their order and their precedence mean what they mean in Python."""
    text = "a - b * c + a / c - b % c < a * c - -b"
    known = dict.fromkeys("abc")
    wanted = a - b * c + a / c - b % c < a * c - -b
    assert parse_filter(text, known).matches({"a": a, "b": b, "c": c}) is wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 == true", False), ("0 == false", False), ("1 != true", True), ("true is 1", False), ("1 == 1.0", True),
        ("true == true", True), ("1 in (true, 2)", False), ("true in (1, true)", True),
        ("[1, [0]] == [true, [0]]", False),
        ("[1, [0]] == [1.0, [0]]", True), ("contains([1], true)", False), ("true <= 1", False), ("false < 1", False),
        ("false < true", True), ("n_turns - 1 == true", False), ("verified == 1", False), ("verified == true", True),
    ],
)  # fmt: skip
def test_truth_values_are_no_numbers(text, expected):
    """Values of different kinds are unequal and have no order, within lists too; all numbers are one kind."""
    assert holds(text) is expected
