"""The code in a model's reply, or None: prose without code is a fact about the model, not an error.

Chosen is the last complete fenced (or `<code>`-tagged) block that parses and defines what is asked for: models show
worked examples before the answer and sample output after it. Failing that, in this order: an unclosed block that parses
and defines it, bare code without fences, a block that at least looks like the answer (its syntax error is feedback).
Reasoning in think tags is left out.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.literals import parse_python

if TYPE_CHECKING:
    from code_generation.models import ProblemView

MAX_PARSED = 400_000
"""Characters; a longer block is not parsed here."""
DEEPEST_FENCE = 3
"""Blanks by which a closing fence may be indented more than its opening one, as in Markdown."""
MAX_CUTS = 30
"""How often trailing prose is cut off before a text counts as no code."""
MAX_STARTS = 8
"""Lines that may begin bare code, tried in order."""

_QUOTED = r"""['"]"""  # a tag inside a string is the code's own
_CLOSES_LINE = r"(?=(?:</\w+>|\[/\w+\])[ \t]*$)"  # then the quote before it ends a string, or a word
_START, _END = rf"(?:(?<!{_QUOTED})|{_CLOSES_LINE})", rf"(?!{_QUOTED})"
_THINK_TAG = re.compile(rf"{_START}<(/?)(think|thinking|thought|reasoning)>{_END}", re.IGNORECASE | re.MULTILINE)
_CODE_TAG = re.compile(
    rf"{_START}(?:<(/?)(code|solution|python|answer)>|\[(/?)(PYTHON)\]){_END}", re.IGNORECASE | re.MULTILINE
)
_FENCE = re.compile(r"^([ \t>]*)(`{3,}+|~{3,}+)([^\n`]*)$")
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
    _, text = split_thinking(text.replace("\r\n", "\n"))
    name = problem.func_name if problem else None
    blocks = [b for b in _blocks(text) if b.code.strip()]
    mine = [b for b in blocks if b.language not in _OTHER_LANGUAGES]
    for wanted in (
        [b for b in mine if b.closed and _answers(b.code, name)],
        [b for b in mine if not b.closed and _answers(b.code, name)],
    ):
        if wanted:
            return wanted[-1].code
    if not mine or all(
        syntax_tree(b.code) is not None for b in mine
    ):  # else a block with an error is meant to be the answer
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


def split_thinking(text: str) -> tuple[str, str]:
    """(what stands within think tags, the text outside of them). Where only a closing tag is there, the opening one was
    part of the prompt; where only an opening one is, the answer was cut off while the model was thinking.
    """
    thought: list[slice] = []  # joined at the end, once: an answer may be tags and nothing else
    kept: list[slice] = []
    depth = start = 0
    for tag in _THINK_TAG.finditer(text):
        if not tag[1]:
            if depth == 0:
                kept.append(slice(start, tag.start()))
                start = tag.end()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                thought.append(slice(start, tag.start()))
            start = tag.end() if depth == 0 else start
        else:
            thought, kept, start = [slice(tag.start())], [], tag.end()
    (thought if depth else kept).append(slice(start, None))
    return "\n".join(text[part] for part in thought), "".join(text[part] for part in kept)


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
        elif len(indent) > len(opened[2]) + DEEPEST_FENCE:
            continue  # inside the code, in a docstring
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
    found += _tagged(text)
    return [block for _, block in sorted(found, key=lambda pair: pair[0])]


def _tagged(text: str) -> list[tuple[int, _Block]]:
    """Blocks between `<code>` and the like, with the line where each ends; the last one may lack its end."""
    found: list[tuple[int, _Block]] = []
    opened: re.Match[str] | None = None
    line = counted = 0
    for tag in _CODE_TAG.finditer(text):
        closing = bool(tag[1] or tag[3])
        if not closing:
            opened = tag
        elif opened is not None and (tag[2] or tag[4]).lower() == (opened[2] or opened[4]).lower():
            body = text[opened.end() : tag.start()]
            if "```" not in body and "~~~" not in body:
                line, counted = line + text.count("\n", counted, tag.end()), tag.end()
                found.append((line, _Block(_without_margin(body).strip("\n"), closed=True, language="python")))
            opened = None
    if opened is not None and "```" not in text[opened.end() :]:
        body = _trim_to_parse(_without_margin(text[opened.end() :]).strip("\n"))
        found.append((text.count("\n"), _Block(body, closed=False, language="python")))
    return found


def _inner(lines: list[str], indent: str) -> str:
    """The lines of a block without the indentation or quote marks of its fence."""
    if indent:
        lines = [line[len(indent) :] if line.startswith(indent) else line.lstrip(" \t>") for line in lines]
    return _without_margin("\n".join(lines)).strip("\n")


def _without_margin(text: str) -> str:
    """Code without the blanks that all its lines begin with; lines inside its strings stay as they are."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip(" \t"))]
    if not margin or syntax_tree(text) is not None:
        return text
    return "\n".join(line.removeprefix(margin) for line in text.split("\n"))


def _outside(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^[ \t>]*(`{3,}|~{3,}).*?(^[ \t>]*\1|\Z)", "", text, flags=re.DOTALL | re.MULTILINE)


def syntax_tree(code: str) -> ast.Module | None:
    """Parsed code; None where it does not parse."""
    if len(code) > MAX_PARSED:
        return None
    try:
        return parse_python(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _answers(code: str, name: str | None) -> bool:
    """Whether code parses and defines the function, or is a program that reads or prints."""
    tree = syntax_tree(code)
    if tree is None:
        return False
    if name:
        return name.rpartition(".")[2] in defined_names(tree)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return bool(names & {"input", "print", "open", "stdin", "stdout", "sys", "os"})


def defined_names(tree: ast.Module) -> set[str]:
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
    for start in starts[:MAX_STARTS]:
        code = _trim_to_parse("\n".join(lines[start:]))
        if _answers(code, name):
            return code
    return None


def _trim_to_parse(code: str) -> str:
    """Leave out trailing prose: cut where Python stops to understand, until the rest parses; else the whole."""
    part = code
    for _ in range(MAX_CUTS):
        broken = _broken_line(part)
        if broken is None:
            return part if part.strip() else code
        part = "\n".join(part.split("\n")[: broken - 1]).rstrip("\n")
    return code


def _broken_line(code: str) -> int | None:
    """The line, from 1, at which code stops to parse; None where it parses."""
    if len(code) > MAX_PARSED:
        return 1
    try:
        parse_python(code)
    except SyntaxError as e:
        return max(1, min(e.lineno or 1, code.count("\n") + 1))
    except (ValueError, RecursionError, MemoryError):
        return 1
    return None
