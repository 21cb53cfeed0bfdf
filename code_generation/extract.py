"""The code in a model's reply, or None: prose without code is a fact about the model, not an error.

Chosen is the last complete fenced (or `<code>`-tagged) block that parses and defines what is asked for: models show
worked examples before the answer and sample output after it. Failing that, in this order: an unclosed block that parses
and defines it, bare code without fences, a block that at least looks like the answer (its syntax error is feedback).
Reasoning in think tags is left out.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from code_generation.models import ProblemView

MAX_PARSED = 400_000
"""Characters; a longer block is not parsed here."""

_THINK = re.compile(r"<(think|thinking|thought|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THINK_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_THINK_START = re.compile(r"\A\s*<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"^([ \t>]*)(`{3,}|~{3,})[ \t]*([^\n`]*)$")
_TAGS = re.compile(
    r"<(code|solution|python|answer)>[ \t]*\n?(.*?)</\1>|\[PYTHON\](.*?)\[/PYTHON\]", re.DOTALL | re.IGNORECASE
)
_OPEN_TAG = re.compile(r"<code>[ \t]*\n?((?:(?!</?code>).)*)\Z", re.DOTALL | re.IGNORECASE)
_CODE_LINE = re.compile(
    r"^(?:def |class |import |from \w[\w.]* import |@\w|async def |[A-Za-z_][\w, ]* = |for |while |if |print\(|try:)"
)
_OTHER_LANGUAGES = frozenset(
    """
    bash sh shell console text txt plaintext output json yaml xml html css sql c cpp c++ java javascript js ts
    typescript go rust ruby diff patch markdown md latex math input csv
    """.split()  # noqa: SIM905 - words read better without quotes
)


def fenced(code: str) -> str:
    """Code as a Markdown block, the fence longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}python\n{code.strip()}\n{fence}"


@dataclass(frozen=True)
class _Block:
    """One piece of a reply that may be code."""

    code: str
    closed: bool
    language: str


def extract_code(text: str, problem: ProblemView | None = None) -> str | None:
    """The answer's code, or None where there is none.

    With a problem whose tests call a function, a block counts as an answer where it defines that function (or a class
    with that method); else where it is a program that reads or prints.
    """
    text = _without_thinking(text.replace("\r\n", "\n"))
    name = problem.func_name if problem else None
    blocks = [b for b in _blocks(text) if b.code.strip()]
    mine = [b for b in blocks if b.language not in _OTHER_LANGUAGES]
    for wanted in (
        [b for b in mine if b.closed and _answers(b.code, name)],
        [b for b in mine if not b.closed and _answers(b.code, name)],
    ):
        if wanted:
            return wanted[-1].code
    if not mine or all(_tree(b.code) is not None for b in mine):  # else a block with an error is meant to be the answer
        bare = _bare_code(text if not blocks else _outside(text), name)
        if bare is not None:
            return bare
    return _best_guess(mine, name)


def _best_guess(blocks: list[_Block], name: str | None) -> str | None:
    """A block that is not a whole answer but the nearest there is."""
    mentions = [
        b
        for b in blocks
        if name and re.search(rf"^\s*(?:async )?(?:def|class) +{re.escape(name)}\b", b.code, re.MULTILINE)
    ]
    marked = [b for b in blocks if b.language.startswith("py")]
    looks = [b for b in blocks if any(_CODE_LINE.match(line) for line in b.code.splitlines())]
    for group in (mentions, marked, looks):
        if group:
            return group[-1].code
    return None


def _without_thinking(text: str) -> str:
    stripped = _THINK.sub("", text)
    ends = list(_THINK_END.finditer(stripped))
    if ends:  # the opening tag was part of the prompt
        return stripped[ends[-1].end() :]
    return "" if _THINK_START.match(stripped) else stripped


def _blocks(text: str) -> list[_Block]:
    """Fenced and tagged blocks in the order in which they end."""
    found: list[tuple[int, _Block]] = []
    opened: tuple[str, str, str, int] | None = None  # fence, language, indent, start line
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if not match:
            continue
        indent, fence, info = match.groups()
        if opened is None:
            opened = (fence, info.strip().split(" ")[0].lower().strip("{}."), indent, number)
        elif not info.strip() and fence[0] == opened[0][0] and len(fence) >= len(opened[0]):
            found.append(
                (number, _Block(_inner(lines[opened[3] + 1 : number], opened[2]), closed=True, language=opened[1]))
            )
            opened = None
        elif info.strip() and fence == opened[0]:  # a new block although the last was never closed
            found.append(
                (number, _Block(_inner(lines[opened[3] + 1 : number], opened[2]), closed=False, language=opened[1]))
            )
            opened = (fence, info.strip().split(" ")[0].lower().strip("{}."), indent, number)
    if opened is not None:
        rest = _inner(lines[opened[3] + 1 :], opened[2])
        found.append((len(lines), _Block(_trim_to_parse(rest), closed=False, language=opened[1])))
    for tag in _TAGS.finditer(text):
        body = tag.group(2) if tag.group(2) is not None else tag.group(3)
        if "```" not in body and "~~~" not in body:
            end = text.count("\n", 0, tag.end())
            found.append((end, _Block(textwrap.dedent(body).strip("\n"), closed=True, language="python")))
    if not found and (opened_tag := _OPEN_TAG.search(text)):
        found.append(
            (len(lines), _Block(_trim_to_parse(textwrap.dedent(opened_tag.group(1))), closed=False, language="python"))
        )
    return [block for _, block in sorted(found, key=lambda pair: pair[0])]


def _inner(lines: list[str], indent: str) -> str:
    """The lines of a block without the indentation or quote marks of its fence."""
    if indent:
        lines = [line[len(indent) :] if line.startswith(indent) else line.lstrip(" \t>") for line in lines]
    return textwrap.dedent("\n".join(lines)).strip("\n")


def _outside(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^[ \t>]*(`{3,}|~{3,}).*?(^[ \t>]*\1|\Z)", "", text, flags=re.DOTALL | re.MULTILINE)


def _tree(code: str) -> ast.Module | None:
    if len(code) > MAX_PARSED:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _answers(code: str, name: str | None) -> bool:
    """Whether code parses and defines the function, or is a program that reads or prints."""
    tree = _tree(code)
    if tree is None:
        return False
    if name:
        return name.rpartition(".")[2] in _defined(tree)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return bool(names & {"input", "print", "open", "stdin", "stdout", "sys", "os"})


def _defined(tree: ast.Module) -> set[str]:
    """Names bound at the top level, also inside its if and try statements, and methods of its classes."""
    found: set[str] = set()
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            if isinstance(node, ast.ClassDef):
                found |= {m.name for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        else:
            for part in ("body", "orelse", "finalbody", "handlers"):
                for child in getattr(node, part, []):
                    todo.extend(child.body if isinstance(child, ast.ExceptHandler) else [child])
    return found


def _bare_code(text: str, name: str | None) -> str | None:
    """Code that stands in a reply without any fence, prose before and after it left out."""
    if _answers(text, name):
        return text.strip("\n")
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if _CODE_LINE.match(line)]
    for start in starts[:20]:
        code = _trim_to_parse("\n".join(lines[start:]))
        if _answers(code, name):
            return code
    return None


def _trim_to_parse(code: str) -> str:
    """Leave out trailing prose: the longest run of lines from the start that parses; the whole where none does."""
    if _tree(code) is not None:
        return code
    lines = code.split("\n")
    for end in range(len(lines) - 1, max(0, len(lines) - 200), -1):
        if lines[end - 1].strip() and _tree(part := "\n".join(lines[:end])) is not None:
            return part
    return code
