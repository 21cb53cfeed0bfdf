"""What code is like beside being right: size, branches, time and memory. Diagnostics only: no reward is made of them.

Code is looked at as text and as a syntax tree; it is never run here.
"""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.evaluation.plain import Plain
from code_generation.literals import parse_python

if TYPE_CHECKING:
    from code_generation.models import Grade

LONGEST = 200_000
"""Characters; longer code is counted in lines only."""
_LAYOUT = frozenset({
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
})  # fmt: skip
_BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert, ast.match_case)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality(Plain):
    """Of one program; None: it can't be told, or was not measured."""

    lines: int | None = None
    """Lines with code: without blank ones and those that are comments only."""
    tokens: int | None = None
    """Of Python, without comments and layout."""
    nodes: int | None = None
    """Of the syntax tree."""
    complexity: int | None = None
    """Cyclomatic: 1, and 1 more for each way that a branch adds, over all of the program."""
    cpu_s: float | None = None
    """CPU seconds of all tests that were run."""
    memory_mb: float | None = None
    """Peak of the largest test, MiB."""


MEASURES = ("lines", "tokens", "nodes", "complexity", "cpu_s", "memory_mb")


def quality_of(code: str | None, grade: Grade | None = None) -> Quality:
    """The size and branches of code, with the time and memory that its grade recorded."""
    cpu_s, memory_mb = _used(grade)
    if code is None:
        return Quality()
    lines = sum(1 for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    if len(code) > LONGEST:
        return Quality(lines=lines, cpu_s=cpu_s, memory_mb=memory_mb)
    nodes = complexity = None
    try:
        tree = parse_python(code)
        nodes = sum(1 for _ in ast.walk(tree))
        complexity = complexity_of(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # it has no tree, which says so
    return Quality(
        lines=lines, tokens=_tokens(code), nodes=nodes, complexity=complexity, cpu_s=cpu_s, memory_mb=memory_mb
    )  # fmt: skip


def complexity_of(tree: ast.AST) -> int:
    """Cyclomatic complexity of a program: `complexity_of(ast.parse("x = 1 if y and z else 2"))` -> 3.

    1 + decisions, each condition of `and` and `or`, each loop and filter of a comprehension counted: T. J. McCabe
    (1976), A complexity measure, IEEE Transactions on Software Engineering SE-2, 308-320.
    """
    ways = 1
    for node in ast.walk(tree):
        ways += isinstance(node, _BRANCHES)
        if isinstance(node, ast.BoolOp):
            ways += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            ways += 1 + len(node.ifs)
    return ways


def _tokens(code: str) -> int | None:
    try:
        return sum(t.type not in _LAYOUT for t in tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _used(grade: Grade | None) -> tuple[float | None, float | None]:
    """CPU seconds and memory of the tests that were run; None where a box failed or nothing was measured."""
    ran = [o for o in grade.outcomes if o.status not in {"not_run", "infra_error"} and o.wall_s] if grade else []
    if grade is None or grade.verdict == "infra" or not ran:
        return None, None
    return sum(o.cpu_s for o in ran), max(o.memory_mb for o in ran) or None


def relative(mine: Quality, reference: Quality | None) -> dict[str, float | None]:
    """Each measure as a multiple of the reference's: `{"lines": 1.5, ...}`; None where one of them is not known."""
    found: dict[str, float | None] = {}
    for name in MEASURES:
        a, b = getattr(mine, name), getattr(reference, name) if reference else None
        found[name] = a / b if a is not None and b else None
    return found
