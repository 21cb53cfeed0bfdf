"""Answers that stand in the code: inputs of the problem's own tests, written down with what must come out.

Looked at are branches (`if nums == [1, 2, 3]: return 14`, conditional expressions, `match`) and tables
(`{(3, 4): 7}[a, b]`). A pair of literals is a hit where a test has these arguments (or this input, or a line of it) and
this answer. A hit counts by itself where its input is telling: no small number, no word, but a list, a longer text, a
number of four digits. So base cases (`if n == 0: return 1`), names of months and tables of letters are none. Hits that
are not telling count together: a function that answers from literals alone, three or more, nearly all of them tests,
and that covers most of the tests.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from code_generation.curation.normal import nodes_of
from code_generation.errors import CodeGenerationError
from code_generation.harness import call_arguments
from code_generation.literals import from_json, literal_value, parse_python

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from code_generation.models import CodeProblem, TestCase

MOST_TESTS, LARGEST_TEST = 100, 20_000
"""Tests that are looked at, and characters of each."""
MOST_PAIRS = 1_000
"""Pairs of literals in one solution that are looked at."""
TELLING_DIGITS, TELLING_TEXT, TELLING_ITEMS = 4, 12, 2
"""A number of so many digits, a text of so many characters, a container with so many items is no base case."""
FEWEST, MOSTLY, COVERED = 3, 0.75, 0.6
"""Hits that are not telling alone; share of the code's pairs that they must be; share of the tests they must answer."""
TABLE = 0.5
"""Share of a table's keys that must be inputs of tests: a table of constants holds more."""


class Found(NamedTuple):
    """Answers written down in code."""

    line: int
    what: str
    sure: bool
    """Whether honest code would not have it."""


class _Pair(NamedTuple):
    """What code compares with, and what it answers then."""

    line: int
    given: tuple[Any, ...]
    answer: Any
    table: int
    """Number of entries of the table it stands in; 0 for a branch."""


@dataclass
class _Test:
    """A test as plain values: lists for tuples, texts without blanks around."""

    values: list[Any]
    """Arguments; or the whole input and its lines, also as numbers."""
    answer: Any
    whole: Any = None
    """All arguments as one list."""


def hard_coded(tree: ast.Module, problem: CodeProblem) -> list[Found]:
    """Pairs of a test's input and answer in code, one entry for each place and kind."""
    pairs = list(islice(_pairs(tree), MOST_PAIRS))
    if not pairs:
        return []
    tests = list(_tests(problem))
    by_answer: dict[str, list[tuple[int, _Test]]] = {}
    for number, test in enumerate(tests):
        by_answer.setdefault(str(test.answer), []).append((number, test))
    hits = [(p, n) for p in pairs if (n := _answered(p, by_answer.get(str(p.answer), []))) is not None]
    by_table: dict[tuple[int, int], list[tuple[_Pair, int]]] = {}
    for pair, n in hits:
        by_table.setdefault((pair.line, pair.table) if pair.table else (0, 0), []).append((pair, n))
    found = []
    for (line, size), mine in by_table.items():
        telling = [p for p, _ in mine if any(map(_telling, p.given))]
        if telling and (not size or (len(telling) > 1 and len(mine) >= TABLE * size)):
            found.append(Found(line or telling[0].line, f"{_tests_of(mine)} with the answer", sure=True))
    covered = {n for _, n in hits}
    if not found and tests and len(hits) > 1 and len(hits) >= MOSTLY * len(pairs):
        sure = len(covered) >= FEWEST and len(covered) >= COVERED * len(tests) and not _computes(tree)
        if sure or len(covered) == len(tests):
            found.append(Found(hits[0][0].line, f"{_tests_of(hits)} with the answer, and little else", sure=sure))
    return found


def _tests_of(hits: list[tuple[_Pair, int]]) -> str:
    numbers = {n for _, n in hits}
    return f"the input of {len(numbers)} of the problem's tests" if len(numbers) > 1 else "the input of a test"


# ------------------------------------------------------------------------------------------------ code


def _pairs(tree: ast.Module) -> Iterator[_Pair]:
    for node in nodes_of(tree):
        match node:
            case ast.If(test=test, body=body) if answer := _answer(body):
                yield from (_Pair(node.lineno, given, answer[0], 0) for given in _compared(test))
            case ast.IfExp(test=test, body=value) if answer := _value(value):
                yield from (_Pair(node.lineno, given, answer[0], 0) for given in _compared(test))
            case ast.Dict(keys=keys, values=values) if len(keys) > 1:
                for key, value in zip(keys, values, strict=True):
                    if key and (read := _value(key)) and (answer := _value(value)):
                        yield _Pair(node.lineno, read, answer[0], len(keys))
            case ast.match_case(pattern=ast.MatchValue(value=key), body=body) if answer := _answer(body):
                if read := _value(key):
                    yield _Pair(key.lineno, read, answer[0], 0)


def _value(node: ast.expr) -> tuple[Any] | None:
    """A literal as plain values, in a tuple of its own."""
    try:
        return (_plain(literal_value(node)),)
    except (ValueError, TypeError, RecursionError):
        return None


def _answer(body: list[ast.stmt]) -> tuple[Any] | None:
    """The literal that a branch returns, prints or assigns."""
    for statement in body[:2]:
        match statement:
            case ast.Return(value=ast.expr() as value) | ast.Assign(value=value):
                return _value(value)
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[value], keywords=[])):
                return _value(value)
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="write"), args=[value], keywords=[])):
                return _value(value)
    return None


def _compared(test: ast.expr) -> list[tuple[Any, ...]]:
    """The literals that names are compared with, by alternatives; none where a condition does more.

    a == 1 and b == [2]         -> [(1, [2])]
    a == 1 or (a, b) in [(2, 3)] -> [(1,), ([2, 3],)]
    """
    match test:
        case ast.BoolOp(op=ast.Or(), values=parts):
            return [given for part in parts for given in _compared(part)]
        case ast.BoolOp(op=ast.And(), values=parts):
            each = [_compared(part) for part in parts]
            return [tuple(v for given in each for v in given[0])] if all(len(given) == 1 for given in each) else []
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            given = _value(right) or _value(left)
            return [given] if given else []
        case ast.Compare(
            ops=[ast.In()], comparators=[ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items)]
        ):
            return [given for item in items if (given := _value(item))]
    return []


def _computes(tree: ast.Module) -> bool:
    """Whether code has loops, calls or arithmetic beyond reading its input and answering from literals."""
    usual = {
        "print",
        "input",
        "int",
        "str",
        "map",
        "list",
        "tuple",
        "split",
        "strip",
        "read",
        "readline",
        "get",
        "sorted",
    }
    for node in ast.walk(tree):
        match node:
            case ast.For() | ast.While() | ast.comprehension() | ast.BinOp() | ast.AugAssign():
                return True
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name not in usual:
                return True
    return False


# ------------------------------------------------------------------------------------------------ tests


def _tests(problem: CodeProblem) -> Iterator[_Test]:
    for test in problem.test_cases[:MOST_TESTS]:
        if _small(test):
            try:
                yield from _read(test)
            except (CodeGenerationError, SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
                continue


def _small(test: TestCase) -> bool:
    left, todo = LARGEST_TEST, [test.input, test.output]
    while todo and left >= 0:
        item = todo.pop()
        left -= len(item) if isinstance(item, str) else 1
        todo += item if isinstance(item, list) else [*item, *item.values()] if isinstance(item, dict) else ()
    return left >= 0


def _read(test: TestCase) -> Iterator[_Test]:
    if test.type == "stdin":
        lines = [" ".join(line.split()) for line in test.input.strip().split("\n")]
        yield _Test(
            [*_spellings("\n".join(lines)), *(s for line in lines for s in _spellings(line))], _plain(test.output)
        )
    elif test.type == "functional":
        args, kwargs = call_arguments(test.input)
        values = [_plain(v) for v in [*args, *kwargs.values()]]
        yield _Test([s for v in values for s in _spellings(v)], _plain(from_json(test.output)), values)
    else:
        for node in ast.walk(parse_python(test.input)):
            match node:
                case ast.Compare(left=ast.Call() as call, ops=[ast.Eq()], comparators=[right]):
                    if (answer := _value(right)) and not call.keywords:
                        values = [_plain(literal_value(a)) for a in call.args]
                        yield _Test([s for v in values for s in _spellings(v)], answer[0], values)


def _spellings(value: Any) -> Iterable[Any]:
    """A value as code may hold it: text of numbers as numbers too."""
    yield value
    if isinstance(value, list | dict):
        yield repr(value)
    elif isinstance(value, str):
        try:
            numbers = [int(word) for word in value.split()]
        except ValueError:
            return
        yield numbers
        if len(numbers) == 1:
            yield numbers[0]


def _plain(value: Any) -> Any:
    """Tuples as lists, sets as sorted lists, texts without blanks around, for comparing."""
    match value:
        case str():
            return "\n".join(" ".join(line.split()) for line in value.strip().split("\n"))
        case list() | tuple():
            return [_plain(v) for v in value]
        case set() | frozenset():
            return sorted((_plain(v) for v in value), key=repr)
        case dict():
            return {str(k): _plain(v) for k, v in value.items()}
    return value


def _answered(pair: _Pair, tests: list[tuple[int, _Test]]) -> int | None:
    """The first of some tests with the same answer that a pair of literals is about."""
    for number, test in tests:
        if all(any(_same(g, v) for v in test.values) for g in pair.given):
            return number
        if len(pair.given) == 1 and test.whole is not None and pair.given[0] in (test.whole, repr(test.whole)):
            return number
    return None


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _telling(value: Any) -> bool:
    """Whether nobody writes this value down by chance."""
    match value:
        case bool() | None:
            return False
        case int() | float():
            digits = str(value).strip("-0.")
            return len(digits) >= TELLING_DIGITS
        case str():
            return len(value) >= TELLING_TEXT or "\n" in value or (value[:1] in {"[", "("} and "," in value)
        case list() | dict():
            return len(value) >= TELLING_ITEMS
    return False
