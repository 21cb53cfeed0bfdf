"""What crosses the border of the sandbox, and how a data set's own test code meets the candidate."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, OrderedDict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import code_generation
from code_generation.sandbox.plain_data import NotPlainData, decode, encode
from code_generation.sandbox.prelude import add_prelude, free_names
from test_scripts.test_grader import assert_problem, verdicts

PACKAGE = Path(code_generation.__file__).parent

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.fractions(),
    st.complex_numbers(allow_nan=False),
)  # fmt: skip
KEYS = st.one_of(st.integers(), st.text(), st.tuples(st.integers(), st.text()), st.frozensets(st.integers()))
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(KEYS, inner), st.sets(KEYS), st.frozensets(KEYS)
    ),
)


@given(PLAIN)
def test_plain_data_survives_the_border(value):
    """Encoded, written as JSON, read and decoded, plain data is what it was, types included."""
    back = decode(json.loads(json.dumps(encode(value))))
    assert (value, repr(value) if "{" not in repr(value) else "") == (back, repr(back) if "{" not in repr(back) else "")


def test_what_equality_does_not_see_survives_too():
    """NaN, infinities, a Decimal's places and the difference of 1, 1.0 and True come through."""
    values = [float("nan"), float("inf"), -0.0, Decimal("0.50"), 1, 1.0, True, 10**5000, Fraction(1, 3)]
    sys.set_int_max_str_digits(0)
    back = [decode(json.loads(json.dumps(encode(v)))) for v in values]
    assert [(type(v), str(v)) for v in values] == [(type(v), str(v)) for v in back]


class Liar(list):
    """A list that claims to be another."""

    def __iter__(self):
        return iter([1, 2, 3])

    def __eq__(self, _other):
        return True

    __hash__ = None
    __len__ = __repr__ = __getitem__ = None


class LyingDict(dict):
    """A dict that shows other items."""

    def items(self):
        return [("a", 1)]

    __iter__ = keys = values = items


@pytest.mark.parametrize(
    ("value", "node"),
    [
        (Liar([7]), [7]),
        (LyingDict(x=9), {"d": [["x", 9]]}),
        (Counter("aab"), {"d": [["a", 2], ["b", 1]]}),
        (OrderedDict(a=1), {"d": [["a", 1]]}),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(1), True),
        (np.str_("x"), "x"),
        (bytearray(b"\x00\xff"), {"b": "00ff"}),
    ],
)
def test_subclasses_show_their_content(value, node):
    """A subclass is taken for what its base holds, not for what it says."""
    assert encode(value) == node


def endless() -> list:
    """A list that holds itself."""
    loop: list = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "value", [object(), len, (x for x in ()), int, np.zeros(3), range(3), endless(), {1: {2: object()}}, iter([])]
)
def test_what_is_not_plain_data_does_not_cross(value):
    """Objects, functions, iterators, arrays and endless structures are refused."""
    with pytest.raises(NotPlainData):
        encode(value)


@pytest.mark.parametrize(
    "node", [{}, {"t": 1}, {"x": []}, {"t": [], "s": []}, {"d": [[1]]}, {"s": [[1]]}, {"b": "zz"},
             {"f": "x"}, {"c": [1]}, {"q": [1, 0]}, {"m": "x"}, {"q": []}, {"d": [[[], 1]]}]
)  # fmt: skip
def test_forged_nodes_are_refused(node):
    """What `encode` never writes raises one of the errors that `decode` names."""
    with pytest.raises((ValueError, TypeError, KeyError, LookupError)):
        decode(node)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(a: List): return gcd(*a)", {"List", "gcd"}),
        ("import math\nmath.pi", set()),
        ("from a.b import c as d\nd", set()),
        ("import os.path\nos", set()),
        ("try: pass\nexcept ValueError as e: e", {"ValueError"}),
        ("match x:\n    case [a, *b]: a, b", {"x"}),
        ("[i for i in y]", {"y"}),
        ("class A(B): pass", {"B"}),
        ("lambda k, *v, **w: k + v + w", set()),
    ],
)
def test_free_names(source, names):
    """The names that code reads and never binds."""
    assert free_names(source) == names


def test_prelude_never_shadows_a_builtin():
    """The prelude gives what graders of the field give, and leaves every builtin name alone."""
    import builtins

    namespace: dict = {}
    wanted = {"List", "defaultdict", "gcd", "math", "deepcopy", "sqrt", "ascii_lowercase", "reduce", "heappush", "date"}
    found = add_prelude(wanted | set(dir(builtins)) | {"no_such_name"}, namespace)
    assert (found, set(namespace), namespace["gcd"]) == (wanted, wanted, math.gcd)


STACK = (
    "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
    "    def pop(self): return self.items.pop()\n    size = property(lambda self: len(self.items))"
)
POINT = "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x\n"
IDIOMS = {
    "empty_set": ("assert f(2) == set()", "def f(n): return set()", "def f(n): return {}"),
    "isclose": ("assert isclose(f(2), 0.5)", "def f(n): return 1 / n", "def f(n): return n"),
    "is_none": ("assert f(1) is None", "def f(n): return None", "def f(n): return 0"),
    "is_true": ("assert f(1) is True", "def f(n): return n == 1", "def f(n): return 1"),
    "not": ("assert not f(1)", "def f(n): return []", "def f(n): return [0]"),
    "tuple_is_no_list": ("assert f(1) == (1, 2)", "def f(n): return (1, 2)", "def f(n): return [1, 2]"),
    "loop": ("for i in range(30):\n    assert f(i) == i * i", "def f(n): return n * n", "def f(n): return n * 2"),
    "fed_back": ("x = 1\nfor i in range(9):\n    x = f(x)\nassert x == 512", "def f(n): return 2 * n", "f = abs"),
    "raises": (
        "try:\n    f(-1)\n    assert 0 == 1\nexcept ValueError as e:\n    assert 'neg' in str(e)",
        "def f(n):\n    if n < 0: raise ValueError('neg')", "def f(n): raise KeyError",
    ),
    "raises_own": (
        "try:\n    f(-1)\nexcept Exception:\n    pass\nelse:\n    raise AssertionError",
        "class Mine(Exception): pass\ndef f(n): raise Mine", "def f(n): return n",
    ),
    "comprehension": ("assert [f(i) for i in (1, 2)] == [2, 4]", "def f(n): return 2 * n", "def f(n): return [2, 4]"),
    "all": ("assert all(f(i) == -i for i in range(5))", "def f(n): return -n", "def f(n): return 0"),
    "check": ("def check(candidate):\n    assert candidate(3) == 9", "def f(n): return n * n", "def f(n): return n"),
    "check_called": ("def check(c):\n    assert c(3) == 9\ncheck(f)", "def f(n): return n * n", "def f(n): return n"),
    "in_place": ("x = [2, 1]\nf(x)\nassert x == [1, 2]", "def f(x): x.sort()", "def f(x): return sorted(x)"),
    "in_place_dict": ("d = {1: 2}\nf(d)\nassert d == {}", "def f(d): d.clear()", "def f(d): return {}"),
    "class_state": (
        "s = f()\ns.push(1)\ns.push(2)\nassert s.pop() == 2\nassert s.size == 1",
        f"{STACK}\nf = Stack", f"{STACK}\n    def pop(self): return 1\nf = Stack",
    ),
    "instances": (
        "assert f([P(3), P(1)]) == 1", f"{POINT}def f(ps): return min(p.x for p in ps)", f"{POINT}def f(ps): return 3",
    ),
    "equal_instances": ("assert f(1) == P(1)", f"{POINT}def f(n): return P(n)", f"{POINT}def f(n): return P(n + 1)"),
    "getsizeof": ("import sys\nassert f(sys.getsizeof([])) > 0", "def f(n): return n", "def f(n): return -n"),
    "types": ("assert f('5', int) == 5", "def f(s, t): return t(s)", "def f(s, t): return s"),
    "key_function": ("assert f([-2, 1], abs) == [1, -2]", "def f(x, k): return sorted(x, key=k)", "f = max"),
    "nested": ("assert f(f(f(2))) == 16", "def f(n): return 2 * n", "def f(n): return 16 if n == 8 else 0"),
    "wrapped": ("assert int(f(5)) == 2", "def f(n): return n / 2", "def f(n): return n"),
    "arithmetic": ("assert abs(f(3) - 0.333) < 1e-2", "def f(n): return 1 / n", "def f(n): return n"),
    "sorted": ("assert sorted(f(3)) == [0, 1, 2]", "def f(n): return set(range(n))", "def f(n): return {n}"),
    "length": ("assert len(f(3)) == 3", "def f(n): return 'x' * n", "def f(n): return ''"),
    "generator": ("assert list(f(3)) == [0, 1, 2]", "def f(n): yield from range(n)", "def f(n): yield n"),
    "isinstance": ("assert isinstance(f(3), str)", "def f(n): return str(n)", "def f(n): return n"),
    "message": ("assert f(1) == 1, f'got {f(1)}'", "def f(n): return n", "def f(n): return 0"),
    "keywords": ("assert f(a=1, b=2) == -1", "def f(a, b): return a - b", "def f(b, a): return b"),
    "star": ("args = (1, 2)\nassert f(*args) == -1", "def f(a, b): return a - b", "def f(a, b): return b"),
    "branch": ("if f(1) == 1:\n    assert f(2) == 2\nelse:\n    assert 0", "def f(n): return n", "def f(n): return 1"),
    "while": (
        "n = 8\nfor k in range(9):\n    if n == 1: break\n    n = f(n)\nassert k == 3",
        "def f(n): return n // 2", "f = abs",
    ),
    "seeded": (
        "import random\nr = random.Random(1)\nfor _ in range(9):\n    x = r.random()\n    assert f(x) == x",
        "def f(n): return n", "def f(n): return 0",
    ),
    "unseeded": (
        "import random\nfor _ in range(5):\n    x = random.randint(0, 10**9)\n    assert f(x) == x",
        "def f(n): return n", "def f(n): return 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", [1, 2], ids=["right", "wrong"])
def test_assert_idioms(which):
    """Test code may use the candidate in any way: the right one passes and the wrong one does not."""
    problems = {n: assert_problem(e[0], setup_code="from math import isclose") for n, e in IDIOMS.items()}
    found = verdicts({name: (problems[name], entry[which]) for name, entry in IDIOMS.items() if name != "unseeded"})
    wanted = "pass" if which == 1 else "fail"
    assert {n: v for n, v in found.items() if v != wanted} == {}


def test_random_inputs_are_no_trouble():
    """Test code that draws its inputs gets the same ones in every round, so that a right candidate passes."""
    source, right, wrong = IDIOMS["unseeded"]
    problem = assert_problem(source)
    assert verdicts({"right": (problem, right), "wrong": (problem, wrong)}) == {"right": "pass", "wrong": "fail"}


@pytest.mark.slow
def test_a_candidate_that_never_says_the_same_ends():
    """A candidate whose answers change from run to run is judged in the end, and does not pass."""
    code = "import os\ndef f(n): return int.from_bytes(os.urandom(4), 'big')"
    problem = assert_problem("x = 0\nfor i in range(3):\n    x = f(x)\nassert x == 0")
    assert verdicts({"changing": (problem, code)}) == {"changing": "fail"}
