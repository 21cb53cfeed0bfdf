r"""Whether what is exported gives private tests away.

The rule: text of ours (prompts, feedback, metadata) holds no input and no expected value of a private test that is
`SHORTEST` characters or longer, unless the public material has it too: the statement, the starter code, public tests,
and what the model itself had written before. A hit there is an error. In text of the model's it is noted only: a
solution may well hold such a constant, and whether it games its tests is what `gaming` looks at.

Compared is text in which quotes are gone, blanks and line breaks (also written as `\n`) count as one blank or, beside
brackets and commas, as none, and Python's constants are JSON's: a value is found as Python, JSON, or plain lines. Text
with backslashes is also read with its escapes as what they stand for, and once more, for JSON within JSON. A value
counts where no word or number goes on at its ends.

Work is bounded: a value is searched by its first `LONGEST` characters, and a problem has `MOST` needles at most; how
many more there would have been is told.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from code_generation.errors import CodeGenerationError
from code_generation.literals import PY, from_json, is_python, parse_python
from code_generation.models import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from code_generation.models import CodeProblem, JsonValue, TestCase

SHORTEST = 12
"""Characters, as compared, of a value that must not get out."""
LONGEST = 200
"""Characters of a value that are searched for."""
MOST = 1_000
"""Values of one problem that are searched for."""
LARGEST_SOURCE = 20_000
"""Characters of a test's source that are read."""
DEEPEST = 100
SHOWN = 60
"""Characters of a hit that are shown."""

_UNQUOTED = str.maketrans(dict.fromkeys("'\"`"))
_JOINTS = tuple((a, a.strip()) for sign in ",:=[](){}" for a in (f"{sign} ", f" {sign}"))
_ESCAPE = re.compile(r"""\\(?:u([0-9a-fA-F]{4})|U000([0-9a-fA-F]{5})|x([0-9a-fA-F]{2})|(["'\\/abfnrtv]))""")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_WORDS = (("True", "true"), ("False", "false"), ("None", "null"))


class Needle(NamedTuple):
    """A private value to search for."""

    text: str
    """As compared, cut at `LONGEST`."""
    test: int
    """Number of the test in `problem.test_cases`."""
    part: Literal["input", "output"]
    whole: bool
    """Whether it was not cut."""


@dataclass(frozen=True)
class PrivateValues:
    """What must not get out of one problem."""

    needles: tuple[Needle, ...]
    left_out: int
    """Values beyond `MOST`, not searched for."""


class Leak(NamedTuple):
    """A private value in something that is exported."""

    where: str
    """`messages[2]`, `metadata.hint`."""
    test: int
    """Number of the test in `problem.test_cases`."""
    part: Literal["input", "output"]
    found: str
    """The start of it, as compared."""
    severity: Literal["error", "noted"]


def leaked_values(problem: CodeProblem) -> PrivateValues:
    """The private values of a problem that its public material does not have; make them once for all its rows."""
    public = _public_material(problem)
    found: dict[str, Needle] = {}
    left_out = 0
    for number, test in enumerate(problem.test_cases):
        if test.is_public:
            continue
        for part, raw in _values(test):
            text = comparable(raw)
            if len(text) < SHORTEST or text[:LONGEST] in found:
                continue
            if len(found) >= MOST:
                left_out += 1
                continue
            needle = Needle(text[:LONGEST], number, part, len(text) <= LONGEST and len(raw) <= _READ)
            if not any(_stands(needle, text) for text in public):
                found[needle.text] = needle
    return PrivateValues(tuple(found.values()), left_out)


def find_leaks(
    problem: CodeProblem | PrivateValues,
    messages: Iterable[Message | Mapping[str, JsonValue]],
    metadata: JsonValue = None,
) -> list[Leak]:
    """Private values in messages and metadata, one entry for each value and place.

    Messages are ours or rows of an export, `{"role": "user", "content": "..."}`; content may be a list of parts. A
    value that the model wrote first and a later message of ours repeats is noted.
    """
    values = problem if isinstance(problem, PrivateValues) else leaked_values(problem)
    if not values.needles:
        return []
    found: list[Leak] = []
    told: set[str] = set()
    for number, message in enumerate(messages):
        role, text = _role_and_text(message)
        hits = _hits(values, _readings(text))
        mine = role == "assistant"
        for needle in hits:
            noted = mine or needle.text in told
            found.append(_leak(f"messages[{number}]", needle, "noted" if noted else "error"))
        if mine:
            told |= {needle.text for needle in hits}
    fields = metadata.items() if isinstance(metadata, dict) else [] if metadata is None else [("", metadata)]
    for name, value in fields:
        where = f"metadata.{name}" if name else "metadata"
        text = "".join(_written(value, _NO_LIMIT))
        found += [_leak(where, needle, "error") for needle in _hits(values, _readings(text))]
    return found


def comparable(text: str) -> str:
    r"""Text as it is compared: "[1,  'a\n'] " -> "[1,a]"."""
    text = " ".join(text.translate(_UNQUOTED).replace("\\n", " ").split())
    for written, meant in _JOINTS if " " in text else ():
        text = text.replace(written, meant)
    for written, meant in _WORDS:
        text = text.replace(written, meant)
    return text


def _readings(text: str) -> list[str]:
    """The text as it is compared: as it stands, and with its escapes read, once and twice."""
    found = [comparable(text)]
    for _ in range(2):
        if "\\" in text and (plain := _unescaped(text)) != text:
            text = plain
            found.append(comparable(text))
    return found


def _unescaped(text: str) -> str:
    r"""Text with the escapes of Python and JSON as what they stand for: "a\\\\b\u00e4" -> "a\\bä"."""
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(_meant, text)
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), plain)


def _meant(escape: re.Match[str]) -> str:
    if sign := escape[4]:
        return _ESCAPED.get(sign, sign)
    code = int(escape[1] or escape[2] or escape[3], 16)
    return chr(code)


def _leak(where: str, needle: Needle, severity: Literal["error", "noted"]) -> Leak:
    return Leak(where, needle.test, needle.part, needle.text[:SHOWN], severity)


def _hits(values: PrivateValues, readings: list[str]) -> list[Needle]:
    return [n for n in values.needles if any(n.text in text and _stands(n, text) for text in readings)]


def _stands(needle: Needle, text: str) -> bool:
    """Whether a value stands in a text by itself, not within a longer word or number."""
    wanted, place = needle.text, text.find(needle.text)
    while place >= 0:
        end = place + len(wanted)
        before = place and _goes_on(text[place - 1], wanted[0])
        after = needle.whole and end < len(text) and _goes_on(wanted[-1], text[end])
        if not before and not after:
            return True
        place = text.find(wanted, place + 1)
    return False


def _goes_on(one: str, other: str) -> bool:
    return (one.isalnum() or one == "_") and (other.isalnum() or other == "_")


def _role_and_text(message: Message | Mapping[str, JsonValue]) -> tuple[str, str]:
    if isinstance(message, Message):
        return message.role, message.content
    content = message.get("content")
    if isinstance(content, list):
        texts = [p if isinstance(p, str) else p.get("text", "") for p in content if isinstance(p, str | dict)]
        return str(message.get("role")), "\n".join(t for t in texts if isinstance(t, str))
    return str(message.get("role")), content if isinstance(content, str) else ""


# ------------------------------------------------------------------------------------------------ values

_READ = 4 * LONGEST
"""Characters of a value that are written down: blanks are not compared."""
_PUBLIC = 1_000_000
"""Characters of a public value that count as known."""
_NO_LIMIT = 1 << 62


def _public_material(problem: CodeProblem) -> list[str]:
    starter = problem.metadata.get("starter_code")
    parts = [problem.problem, starter if isinstance(starter, str) else ""]
    for test in problem.public_tests:
        parts += [raw for _, raw in _values(test, _PUBLIC)]
    return _readings("\n".join(parts))


def _values(test: TestCase, limit: int = _READ) -> Iterator[tuple[Literal["input", "output"], str]]:
    """The parts of a test as text, the start of each: input and output, or what its assertions hold."""
    if test.type == "assert":
        yield from _of_source(test.input[:LARGEST_SOURCE])
        return
    given, wanted = _read(test.input), _read(test.output)
    if isinstance(given, dict) and set(given) <= {"args", "kwargs"}:
        named = given.get("kwargs")
        given = [*given.get("args", []), *(named.values() if isinstance(named, dict) else [])]
    if test.type == "functional" and isinstance(given, list | tuple):
        yield "input", "".join(_cut((f"{text}, " for v in given for text in ["".join(_written(v, limit))]), limit))[:-2]
        if len(given) > 1:
            for value in given:
                yield "input", "".join(_written(value, limit))
    else:
        yield "input", "".join(_written(given, limit))
    yield "output", "".join(_written(wanted, limit))


def _read(value: JsonValue) -> Any:
    """What was written as one Python literal, read where it is small."""
    try:
        return from_json(value) if is_python(value) and len(value[PY]) <= LARGEST_SOURCE else value
    except CodeGenerationError:
        return value


def _of_source(source: str) -> Iterator[tuple[Literal["input", "output"], str]]:
    """What the assertions of a test's source compare, and their lines."""
    for line in source.split("\n"):
        if "assert" in line and "==" in line:
            yield "input", _unescaped(line)
    try:
        asserted = [n.test for n in ast.walk(parse_python(source)) if isinstance(n, ast.Assert)]
        for node in asserted:
            calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
            for argument in calls[0].args if calls else []:
                yield "input", _unescaped(ast.unparse(argument))
            if isinstance(node, ast.Compare):
                for value in node.comparators:
                    yield "output", _unescaped(ast.unparse(value))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return


def _cut(pieces: Iterable[str], limit: int) -> Iterator[str]:
    for piece in pieces:
        if limit <= 0:
            return
        yield piece
        limit -= len(piece)


def _written(value: Any, limit: int) -> Iterator[str]:
    """A value as text, no more of it than about so many characters; text as it is."""
    if isinstance(value, str):
        yield value[:limit]
    elif type(value) is list and len(value) <= limit and all(type(v) is int for v in value):
        yield repr(value)  # what the pieces come to, at once
    else:
        yield from _cut(_pieces(value, limit, 0), limit)


def _pieces(value: Any, limit: int, depth: int) -> Iterator[str]:
    match value:
        case str():
            yield value[:limit]
        case list() | tuple() | set() | frozenset() if depth < DEEPEST:
            opening, closing = (
                ("[", "]") if isinstance(value, list) else ("(", ")") if isinstance(value, tuple) else "{}"
            )
            yield opening
            for number, item in enumerate(value):
                yield ", " if number else ""
                yield from _pieces(item, limit, depth + 1)
            yield closing
        case {"$py": str(text)} if is_python(value):
            yield _unescaped(text[:limit])
        case dict() if depth < DEEPEST:
            yield "{"
            for number, (key, item) in enumerate(value.items()):
                yield ", " if number else ""
                yield f"{key}: "
                yield from _pieces(item, limit, depth + 1)
            yield "}"
        case _:
            yield repr(value)
