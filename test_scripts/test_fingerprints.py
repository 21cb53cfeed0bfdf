"""Which solutions are the same, which nearly so, and which only solve the same problem."""

from __future__ import annotations

import ast
import json
import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.curation.fingerprints import (
    NEAR,
    Duplicate,
    DuplicateIndex,
    exact_key,
    normal_form,
    similarity,
)

PLAIN = """\
import sys
from collections import deque, defaultdict

def shortest(graph: dict[int, list[int]], start: int, limit=3) -> int:
    seen = {start}
    queue = deque([(start, 0)])
    while queue:
        node, steps = queue.popleft()
        if steps > limit:
            return -1
        for other in graph[node]:
            if other not in seen:
                seen.add(other)
                queue.append((other, steps + 1))
    return max(x for x in seen)

class Box:
    def __init__(self, value):
        self.value = value

    def grown(self, by=1):
        return Box(self.value + by)

def main():
    data = sys.stdin.read().split()
    print(shortest({1: []}, 1, limit=len(data)), f"{Box(2).grown(by=3).value!r}")

main()
"""
RENAMED = '''\
# Solution: breadth-first search
import collections, sys, math

def bfs(g, s, most = 3):
    """Walks."""
    visited = { s }; q = collections.deque([(s, 0)])
    while (q):
        n, d = q.popleft()
        if (d > most): return (-1)
        for m in g[n]:
            if m not in visited:
                visited.add(m)  # once
                q.append((m, d + 1))
    return max(y for y in visited)


class Holder:
    """Holds."""
    def __init__(this, content):
        this.content: int = content
    def bigger(this, step=1):
        pass
        return Holder(this.content + step)

def run():
    tokens = sys.stdin.read().split()
    print(bfs({1: []}, 1, most=len(tokens)), f\'{Holder(2).bigger(step=3).content!r}\')
run()
'''
SUM_LOOP = "def f(nums):\n    total = 0\n    for n in nums:\n        total += n\n    return total\n"
SUM = "def f(nums):\n    return sum(nums)\n"


def test_renamed_and_reformatted_is_the_same():
    """Other names everywhere, comments, docstrings, layout, annotations, brackets, quotes, imports: one solution."""
    assert normal_form(PLAIN) == normal_form(RENAMED)
    assert exact_key(PLAIN) == exact_key(RENAMED)
    assert len(exact_key(PLAIN)) == 64


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("import os, sys\nprint(sys.argv)", "import sys\nprint(sys.argv)"),
        ("from math import gcd as g\nprint(g(4, 6))", "import math\nprint(math.gcd(4, 6))"),
        ("import numpy as np\nnp.zeros(3)", "import numpy\nnumpy.zeros(3)"),
        ("import os.path\nos.path.join(a, b)", "from os.path import join\njoin(a, b)"),
        ("f = lambda x, *y, z=1, **k: x", "g = lambda a, *b, c=1, **d: a"),
        ("x = [i for i in r if i]\ny = [i for i in r]", "x = [a for a in r if a]\ny = [b for b in r]"),
        ("def f():\n    global n\n    n = 1", "def g():\n    global m\n    m = 1"),
        ("def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    return g",
         "def a():\n    m = 0\n    def b():\n        nonlocal m\n        m += 1\n    return b"),
        ("try: f()\nexcept ValueError as e: print(e)", "try:\n    f()\nexcept ValueError as x:\n    print(x)"),
        ("match v:\n    case [a, *b]: print(a, b)\n    case {'k': c, **d}: print(c, d)\n    case _ as e: print(e)",
         "match v:\n    case [p, *q]: print(p, q)\n    case {'k': r, **s}: print(r, s)\n    case _ as t: print(t)"),
        ("print(any((y := x) > 1 for x in r), y)", "print(any((b := a) > 1 for a in r), b)"),
        ("x = 'a' 'b'", 'x = "ab"'),
        ("def f(x):\n\tif x: return 1\n\treturn 2", "def f(x):\n  if x:\n    return 1\n  return 2"),
        ("class S:\n    def f(self, n): return self.g(n)\n    def g(self, n): return n",
         "class T:\n    def a(me, k): return me.b(k)\n    def b(me, k): return k"),
        ("x: int = 1", "y = 1"),
    ],
)  # fmt: skip
def test_the_same(one, other):
    """Each pair is one solution."""
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SUM, SUM_LOOP),
        ("print(a - b)", "print(b - a)"),
        ("def f(a, b): return a - b", "def f(a, b): return b - a"),
        ("x = 1\nprint(x)", "x = 2\nprint(x)"),
        ("x = 1\nprint(x)", "x = 1.0\nprint(x)"),
        ("x = '1'", "x = 1"),
        ("x = max(y)", "x = min(y)"),
        ("def f(s): return s.lower()", "def f(s): return s.upper()"),
        ("import math\nmath.floor(x)", "import math\nmath.ceil(x)"),
        ("for i in r:\n    f(i)\ng()", "for i in r:\n    f(i)\n    g()"),
        ("f(a, [b, c])", "f([a, b], c)"),
        ("x = a < b", "x = a <= b"),
        ("def f(x, y=1): return x", "def f(x, y): return x"),
        ("n = 1\ndef f():\n    global n\n    n = 2\nf()\nprint(n)", "n = 1\ndef f():\n    n = 2\nf()\nprint(n)"),
        ("sorted(x, key=len)", "sorted(x, reverse=len)"),
        ("x[1:]", "x[:1]"),
        ("a, b = b, a", "a, b = a, b"),
        ("print(list)", "print(dict)"),
    ],
)  # fmt: skip
def test_not_the_same(one, other):
    """Each pair does something else: literals, operators, builtins, structure, and which name is used stay."""
    assert normal_form(one) != normal_form(other)


def test_short_solutions_are_kept_apart():
    """Idioms of a few lines that do the same in another way are no near duplicates, whatever they share."""
    ways = [
        SUM, SUM_LOOP,
        "from functools import reduce\ndef f(nums):\n    return reduce(lambda a, b: a + b, nums, 0)",
        "def f(nums):\n    return nums[0] + f(nums[1:]) if nums else 0",
        "def f(nums):\n    total = 0\n    while nums:\n        total += nums.pop()\n    return total",
        "def f(nums):\n    total = 0\n    for i in range(len(nums)):\n        total += nums[i]\n    return total",
    ]  # fmt: skip
    with DuplicateIndex() as index:
        assert [index.add(str(n), code) for n, code in enumerate(ways)] == [None] * len(ways)
        assert len(index) == len(ways)


def test_near_duplicates_are_found():
    """A constant changed, functions in another order, an unused helper: nearly the same, and told how nearly."""
    edited = [
        PLAIN.replace("limit=3", "limit=4"),
        PLAIN.replace("steps + 1", "1 + steps"),
        "def unused(a):\n    return a\n\n" + PLAIN,
        PLAIN.replace("def main", "LIMIT = 5\n\ndef main"),
    ]
    for code in edited:
        assert NEAR <= similarity(PLAIN, code) < 1
        with DuplicateIndex() as index:
            assert index.add("first", RENAMED) is None
            found = index.add("second", code)
            assert (found.of, found.kind, found.similarity) == ("first", "near", similarity(PLAIN, code))
            assert len(index) == 1
        with DuplicateIndex(near=False) as index:
            assert (index.add("first", RENAMED), index.add("second", code)) == (None, None)
            assert index.add("third", PLAIN) == Duplicate("first", "exact", 1.0)
    reordered = PLAIN.replace("limit=3", "limit=3, more=None").replace("seen = {start}", "seen = set()")
    assert similarity(PLAIN, reordered) > similarity(PLAIN, SUM_LOOP)


def test_a_chain_of_edits_does_not_lead_away():
    """What is a duplicate is not kept: the next one is compared with the first, and becomes new in time."""
    codes = ["\n".join(f"print({n if n >= k else n + 500}, z.y{n})" for n in range(40)) for k in range(40)]
    with DuplicateIndex() as index:
        found = [index.add(str(k), code) for k, code in enumerate(codes)]
    assert found[1].of == "0"
    assert found[-1] is None or found[-1].of != "0"
    for k, duplicate in enumerate(found):
        if duplicate:
            assert similarity(codes[int(duplicate.of)], codes[k]) == duplicate.similarity >= NEAR


def test_only_what_belongs_together_is_compared():
    """The same code for another problem is another row."""
    with DuplicateIndex() as index:
        assert index.add("a", PLAIN, within="one") is None
        assert index.add("b", RENAMED, within="two") is None
        assert index.add("c", PLAIN, within="two") == Duplicate("b", "exact", 1.0)
        assert index.add("d", PLAIN + "\nprint()", within="one").of == "a"


@pytest.mark.parametrize(
    "code",
    [
        "def f(:\n  return", "", "   \n", "# only a comment", "\ud800", "x = '\ud800'", "\0", "(" * 5000,
        "a+" * 30000 + "a", "-" * 20000 + "1", "x = " + "9" * 9000, "for", "\f\x1f", "f'{", "print 'two'",
        "x" * 300_000,
    ],
)  # fmt: skip
def test_what_does_not_parse_has_a_fingerprint_too(code):
    """No text fails: what is no Python is compared by its words and signs, comments and layout left out."""
    with DuplicateIndex() as index:
        assert index.add("a\ud800", code) is None
        assert index.add("b", code).kind == "exact"
    assert exact_key(code) == exact_key(code)


def test_unparseable_code_meets_itself():
    """Layout and comments don't count there either."""
    broken = "def f(x) return x + 1  # a"
    assert exact_key(broken) == exact_key("def f( x )\n    return x+1 # b")
    assert exact_key(broken) != exact_key("def f(x) return x + 2")


@given(st.permutations(["value", "index", "found", "result", "s", "t"]), st.integers(0, 3))
def test_any_renaming_is_the_same(names, blanks):
    """Whatever names are given, and however many empty lines: one key."""
    code = (
        "def go(a, b):\n    c = [d for d in a if d != b]\n"
        "    for e, g in enumerate(c):\n        print(e, g)\n    return c"
    )
    tree = ast.parse(code)
    table = dict(zip("abcdeg", names, strict=True))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in table:
            node.id = table[node.id]
        elif isinstance(node, ast.arg):
            node.arg = table[node.arg]
    assert exact_key(ast.unparse(tree).replace("\n", "\n" * (blanks + 1))) == exact_key(code)


def test_other_processes_find_the_same():
    """Neither Python's hash seed nor the process changes keys, similarities or what is found."""
    script = (
        "import sys, json; from code_generation.curation.fingerprints import *; codes = json.loads(sys.stdin.read());"
        "i = DuplicateIndex();"
        "print([(exact_key(c), similarity(c, codes[0]), i.add(str(n), c)) for n, c in enumerate(codes)])"
    )
    codes = json.dumps([PLAIN, RENAMED, SUM, PLAIN.replace("limit=3", "limit=9")])
    runs = {
        subprocess.run(
            [sys.executable, "-c", script],
            input=codes,
            text=True,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert "near" in runs.pop()


@pytest.mark.slow
def test_memory_does_not_grow():
    """Thousands of solutions more take a few megabytes at most."""
    body = PLAIN.replace("main()\n", "")
    with DuplicateIndex() as index:
        before = 0
        for n in range(4_000):
            if n == 1_000:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            lines = "\n".join(f"print({n * k + k}, {n}, a{k}.b{n % 97})" for k in range(30))
            assert index.add(f"row {n}", f"{body}\n{lines}", within=str(n // 50)) is None
        assert len(index) == 4_000
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 6 * 1024


@pytest.mark.slow
@pytest.mark.shared
def test_peoples_solutions_are_kept(shared):
    """Of 1,600 accepted solutions by people to 24 problems few are near duplicates, and all of those are alike."""
    text = (shared / "data/deepcoder/rlchar_sampled_problems.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    added, found = 0, []
    for number, row in enumerate(rows):
        with DuplicateIndex() as index:
            for n, code in enumerate(row.get("solutions") or row["problem"].get("solutions")):
                added += 1
                if duplicate := index.add(str(n), code, within=str(number)):
                    found.append(duplicate)
    assert added > 1000
    assert len(found) < 0.1 * added
    assert min(d.similarity for d in found) >= NEAR
