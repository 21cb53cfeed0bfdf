"""Reading of a patch that is not quite one: where files, hunks and the text around them begin and end.

What is decided here is which lines belong to the change. Where two readings would give two changes, none is chosen:
that is a `MalformedPatch` that says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from code_generation.patches.diffs import EXTENDED, HUNK_HEADER, MalformedPatch, counted
from code_generation.patches.line_numbers import numbered_context, without_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

_TERMINATOR = re.compile(
    r"\s*(?:`{3,}|~{3,}|</(?:patch|diff|s|answer|solution|code)>|<\|[\w ]+\|>|\[/?[A-Z]{2,}\]|<(?:patch|diff)>)"
)
"""How a line begins that ends an answer's patch: fences, tags, marks of a chat format."""
_LOOSE_HEADER = re.compile(
    r"@@+[ \t]*+-(\d{1,9}+)(?:[ \t]*+,[ \t]*+(\d{1,9}+))?[ \t]*+,?[ \t]*+"
    r"\+(\d{1,9}+)(?:[ \t]*+,[ \t]*+(\d{1,9}+))?[ \t]*+(?:@@+|$)(.*)"
)
_BULLET = re.compile(r"[-+] \S")


@dataclass
class LooseHunk:
    """A hunk as far as it can be told by itself."""

    line: int
    """Where its header stands in the text, from 1."""
    old_start: int | None
    """None: the header has no numbers."""
    new_start: int | None
    old_count: int | None
    new_count: int | None
    section: str
    header: str
    """As written."""
    lines: list[str] = field(default_factory=list)
    """The body, each line with its mark."""
    written: list[str] = field(default_factory=list)
    """The same lines as they came, some perhaps without their marks."""

    @property
    def counts(self) -> tuple[int, int]:
        """How many old and new lines there really are."""
        marks = [line[:1] for line in self.lines]
        return (sum(m in {" ", "-"} for m in marks), sum(m in {" ", "+"} for m in marks))


@dataclass
class LooseFile:
    """A file's part of the patch."""

    line: int
    head: list[str]
    hunks: list[LooseHunk] = field(default_factory=list)


@dataclass
class Reading:
    """A patch as read, and what had to be overlooked."""

    files: list[LooseFile] = field(default_factory=list)
    repairs: set[str] = field(default_factory=set)


def read_loosely(lines: Sequence[str]) -> Reading:
    """Files and hunks in lines of text.

    Raises:
        MalformedPatch: nothing like a patch is there, or it can be read in two ways.
    """
    reading, at = Reading(), 0
    ended = False
    while at < len(lines):
        if starts_file(lines, at):
            ended = False
            at = _read_head(lines, at, reading)
        elif lines[at].startswith("@@"):
            ended = False
            at = _read_hunk(lines, at, reading)
        else:
            ended = ended or _TERMINATOR.match(lines[at]) is not None or _is_signature(lines, at)
            at = _skip(lines, at, reading, ended=ended)
    if not reading.files:
        raise MalformedPatch(1, "no line names a file: expected `--- a/path` and `+++ b/path`")
    return reading


def starts_file(lines: Sequence[str], at: int) -> bool:
    """Whether a file's header begins at a line."""
    if lines[at].startswith("diff --git "):
        return True
    return at + 1 < len(lines) and lines[at].startswith("--- ") and lines[at + 1].startswith("+++ ")


def _skip(lines: Sequence[str], at: int, reading: Reading, *, ended: bool = False) -> int:
    """Past a line that is no part of the patch; changes out of place are no such thing, unless the patch ended."""
    line = lines[at]
    if not line.strip():
        reading.repairs.add("blank-lines")
    elif ended or not reading.files:
        reading.repairs.add("surrounding-text")
    elif line.startswith(("+++ ", "--- ")) or (line[:1] in {"+", "-"} and not _BULLET.match(line) and line != "---"):
        raise MalformedPatch(at + 1, f"a change outside of a hunk: {line[:60]!r}")
    else:
        reading.repairs.add("surrounding-text")
    return at + 1


def _read_head(lines: Sequence[str], start: int, reading: Reading) -> int:
    """The header of a file; what stands in it that no header has is left out."""
    at, head = start, []
    if lines[at].startswith("diff --git "):
        head.append(lines[at])
        at += 1
        while at < len(lines) and not lines[at].startswith(("@@", "diff --git ")) and not starts_file(lines, at):
            if lines[at].startswith(EXTENDED):
                head.append(lines[at])
            elif lines[at].startswith(("GIT binary patch", "Binary files ")):
                raise MalformedPatch(at + 1, "a binary patch")
            elif lines[at].startswith(("+++ ", "--- ")):
                raise MalformedPatch(at + 1, "only one of the lines --- and +++")
            else:
                _skip(lines, at, reading)
            at += 1
    if at < len(lines) and not lines[at].startswith("diff --git ") and starts_file(lines, at):
        head += lines[at : at + 2]
        at += 2
    reading.files.append(LooseFile(start + 1, head))
    return at


def read_header(line: str, number: int) -> LooseHunk:
    """The header of a hunk in any of the forms that models give it."""
    match = HUNK_HEADER.fullmatch(line) or _LOOSE_HEADER.fullmatch(line)
    if match:
        old_start, old, new_start, new = (int(n) if n is not None else None for n in match.groups()[:4])
        old, new = (1 if n is None else n for n in (old, new))
        return LooseHunk(number, old_start, new_start, old, new, match[5].removeprefix(" "), line)
    inner, _, behind = line.lstrip("@").lstrip(" \t.").partition("@@")
    section = behind.lstrip("@").lstrip(" \t") or inner.rstrip(" \t.")
    return LooseHunk(number, None, None, None, None, section, line)


def _read_hunk(lines: Sequence[str], at: int, reading: Reading) -> int:
    """A hunk: by its counts where they hold, else as far as its lines look like one."""
    if not reading.files:
        raise MalformedPatch(at + 1, "a hunk before any line names a file")
    hunk = read_header(lines[at], at + 1)
    reading.files[-1].hunks.append(hunk)
    start = at + 1
    if hunk.old_count is not None and hunk.new_count is not None:
        end = counted(lines, start, hunk.old_count, hunk.new_count)
        if end is not None and _ends_here(lines, start, end):
            hunk.lines, hunk.written = _with_blanks(lines[start:end], reading), list(lines[start:end])
            return end
    end = start
    while end < len(lines) and not (
        lines[end].startswith(("diff --git ", "@@")) or (starts_file(lines, end) and _hunk_follows(lines, end + 2))
    ):
        end += 1
    return start + _read_uncounted(hunk, lines[start:end], reading)


def _hunk_follows(lines: Sequence[str], at: int) -> bool:
    return at < len(lines) and lines[at].startswith("@@")


def _ends_here(lines: Sequence[str], start: int, end: int) -> bool:
    """Whether a hunk whose counts are used up really ends: what follows must not look like more of it.

    Raises:
        MalformedPatch: it may or may not.
    """
    if end - start >= 2 and _hunk_follows(lines, end) and _is_header_pair(lines[end - 2], lines[end - 1]):  # noqa: PLR2004
        raise MalformedPatch(end - 1, "the header of a file, or changed lines, as the hunk's counts have it")
    at = end
    while at < len(lines) and not lines[at].strip():
        at += 1
    if at == len(lines) or lines[at].startswith(("diff --git ", "@@")) or starts_file(lines, at):
        return True
    marked = all(line.startswith(" ") for line in lines[end:at])  # blank lines of context, not of prose
    if marked and lines[at][:1] in {" ", "+", "-"} and not _is_signature(lines, at):
        return False
    loose = _first_change(lines, at)
    if loose is not None and not _is_signature(lines, at):
        raise MalformedPatch(loose + 1, "changes behind the end that the hunk's counts give it")
    return True


def _is_header_pair(first: str, second: str) -> bool:
    return bool(re.match(r'--- (?:"?a/|/dev/null)', first) and re.match(r'\+\+\+ (?:"?b/|/dev/null)', second))


def _is_signature(lines: Sequence[str], at: int) -> bool:
    """What `git format-patch` ends with: `-- ` and a version."""
    return lines[at].rstrip() == "--" and (
        at + 1 == len(lines) or re.match(r"\d[\w.]*\s*$|$", lines[at + 1]) is not None
    )


def _first_change(lines: Sequence[str], start: int) -> int | None:
    """The first line from there that looks like a change and not like a list's item, before any fence or header."""
    for at in range(start, len(lines)):
        if _TERMINATOR.match(lines[at]) or lines[at].startswith(("diff --git ", "@@")) or starts_file(lines, at):
            return None
        if lines[at][:1] in {"+", "-"} and not _BULLET.match(lines[at]) and lines[at].strip("-+ \r"):
            return at
    return None


def _read_uncounted(hunk: LooseHunk, region: Sequence[str], reading: Reading) -> int:
    """Fill a hunk whose counts are wrong or missing; returns how many lines of the region are its own."""
    numbered = numbered_context(region)
    if numbered != list(region) and without_numbers(_body(numbered)) is not None:
        region = numbered
        reading.repairs.add("context-prefix")
    end = next((i for i, line in enumerate(region) if not _in_body(line) or _is_signature(region, i)), len(region))
    if end < len(region) and not _TERMINATOR.match(region[end]) and not _is_signature(region, end):
        whole = _as_context(hunk, region)
        if whole is not None:
            hunk.lines, hunk.written = _with_blanks(whole, reading), list(region[: len(whole)])
            reading.repairs.add("context-prefix")
            return len(whole)
        stray = _first_change(region, end)
        if stray is not None:
            raise MalformedPatch(
                hunk.line + end + 1, f"neither context nor change, with changes behind it: {region[end][:60]!r}"
            )
    body = list(region[:end])
    while body and not body[-1].strip("\r"):
        body.pop()
    _refuse_lists(hunk, body)
    hunk.lines, hunk.written = _with_blanks(body, reading), body
    return len(body)


def _as_context(hunk: LooseHunk, region: Sequence[str]) -> list[str] | None:
    """The region with its lines of no mark taken as context, where just that makes the counts right."""
    if hunk.old_count is None or hunk.new_count is None:
        return None
    marked = [line if _in_body(line) else f" {line}" for line in region]
    end = counted(marked, 0, hunk.old_count, hunk.new_count)
    if end is None or any(line.strip() for line in region[end:] if not _TERMINATOR.match(line)):
        return None
    if any(_TERMINATOR.match(line) for line in region[:end] if not _in_body(line)):
        return None
    return marked[:end]


def _refuse_lists(hunk: LooseHunk, body: Sequence[str]) -> None:
    """A list behind an empty line may be prose: with counts that don't hold nothing tells it from changes.

    Raises:
        MalformedPatch: there is one.
    """
    for at, line in enumerate(body):
        if at and not body[at - 1].strip() and body[at - 1][:1] != " " and _BULLET.match(line):
            raise MalformedPatch(hunk.line + at + 1, f"a change or an item of a list: {line[:60]!r}")


def _body(lines: Sequence[str]) -> list[str]:
    """The lines up to the first that can't be in a hunk."""
    end = next((i for i, line in enumerate(lines) if not _in_body(line)), len(lines))
    return list(lines[:end])


def _in_body(line: str) -> bool:
    return line[:1] in {"", "\r", " ", "-", "+"} or line.startswith("\\ ")


def _with_blanks(lines: Sequence[str], reading: Reading) -> list[str]:
    """Empty lines of context get their blank back."""
    if any(line in {"", "\r"} for line in lines):
        reading.repairs.add("blank-context")
    return [f" {line}" if line in {"", "\r"} else line for line in lines]
