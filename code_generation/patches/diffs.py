"""Unified diffs, read strictly and written back byte for byte.

A patch is text; a line ends in a line feed alone, so a carriage return before it is content. What `git apply` takes as
a patch is read here as the same change; what it calls corrupt is a `MalformedPatch` with the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.patches.paths import diff_git_paths, path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HUNK_HEADER = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(.*)", re.DOTALL)
EXTENDED = (
    "old mode ", "new mode ", "deleted file mode ", "new file mode ", "copy from ", "copy to ", "rename from ",
    "rename to ", "rename old ", "rename new ", "similarity index ", "dissimilarity index ", "index ",
)  # fmt: skip
"""How lines begin that may stand between `diff --git` and `---`."""
NO_NEWLINE = "\\ No newline at end of file"


class MalformedPatch(ValueError):
    """A text that is no patch; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason = line, reason


@dataclass(frozen=True)
class Hunk:
    """One `@@` part of a file's change."""

    header: str
    """As written, `@@ -1,3 +1,4 @@ def f():`."""
    lines: tuple[str, ...]
    """The body: each begins with a blank, `-`, `+` or a backslash."""
    old_start: int
    old_count: int
    new_start: int
    new_count: int

    @property
    def section(self) -> str:
        """What stands behind the second `@@`, without the blank."""
        match = HUNK_HEADER.fullmatch(self.header)
        return match[5].removeprefix(" ") if match else ""

    @property
    def old(self) -> list[str]:
        """The lines that must be there, without their marks."""
        return [line[1:] for line in self.lines if line[:1] in {" ", "-"}]

    @property
    def changes(self) -> list[str]:
        """Removed and added lines with their marks."""
        return [line for line in self.lines if line[:1] in {"-", "+"}]

    @property
    def touched(self) -> tuple[int, int]:
        """First and last old line that the changes stand at; what is only added stands between two."""
        number, places = self.old_start + (self.old_count == 0), []
        for line in self.lines:
            if line[:1] == "-":
                places.append(number)
            elif line[:1] == "+":
                places += [max(number - 1, 0), number]
            number += line[:1] in {" ", "-"}
        return (min(places), max(places)) if places else (self.old_start, self.old_start)


@dataclass(frozen=True)
class FilePatch:
    """The change of one file."""

    head: tuple[str, ...]
    """`diff --git`, modes, `---` and `+++` as written."""
    hunks: tuple[Hunk, ...]
    old: str | None
    """Path before the change, without its prefix; None for a new file."""
    new: str | None
    """Path after the change; None for a deleted file."""

    @property
    def path(self) -> str:
        """The path that tells what file this is about."""
        return self.new or self.old or ""

    @property
    def modes(self) -> list[str]:
        """Every file mode that is named, `100644`."""
        named = (re.fullmatch(r"(?:.* mode |index \S+ )(\d+)\s*", line) for line in self.head)
        return [match[1] for match in named if match]

    @property
    def lines(self) -> list[str]:
        """All lines as written."""
        return [*self.head, *(line for hunk in self.hunks for line in (hunk.header, *hunk.lines))]


def render_patch(files: Iterable[FilePatch]) -> str:
    """The text of a patch; `render_patch(parse_patch(text)) == text`."""
    return "".join(f"{line}\n" for file in files for line in file.lines)


def parse_patch(text: str) -> tuple[FilePatch, ...]:
    """The files of a patch that has nothing around it.

    Raises:
        MalformedPatch: it is none.
    """
    if not text.endswith("\n"):
        raise MalformedPatch(text.count("\n") + 1, "the last line has no end" if text else "no change at all")
    lines, files, at = text.split("\n")[:-1], [], 0
    while at < len(lines):
        file, at = _file(lines, at)
        files.append(file)
    return tuple(files)


def _file(lines: Sequence[str], start: int) -> tuple[FilePatch, int]:
    """The file that begins at a line, and where the next one does."""
    at = start
    if lines[at].startswith("diff --git "):
        at += 1
        while at < len(lines) and lines[at].startswith(EXTENDED):
            at += 1
        if at < len(lines) and lines[at].startswith(("GIT binary patch", "Binary files ")):
            raise MalformedPatch(at + 1, "a binary patch")
    named = at + 1 < len(lines) and lines[at].startswith("--- ") and lines[at + 1].startswith("+++ ")
    at += 2 * named
    if at == start:
        raise MalformedPatch(start + 1, f"expected the header of a file, found {lines[start][:60]!r}")
    head, hunks = tuple(lines[start:at]), []
    while at < len(lines) and lines[at].startswith("@@"):
        if not named:
            raise MalformedPatch(at + 1, "a hunk without the lines --- and +++ before it")
        hunk, at = read_hunk(lines, at)
        hunks.append(hunk)
    if named and not hunks:
        raise MalformedPatch(at, "no hunk after the lines --- and +++")
    if not named and not any(line.startswith(EXTENDED[:-1]) for line in head):
        raise MalformedPatch(start + 1, "a file without a change")
    return _checked(head, tuple(hunks), start + 1), at


def _checked(head: tuple[str, ...], hunks: tuple[Hunk, ...], line: int) -> FilePatch:
    """A file whose header agrees with itself."""
    try:
        old, new = names_of(head)
    except ValueError as e:
        raise MalformedPatch(line, str(e)) from None
    if old is None and new is None:
        raise MalformedPatch(line, "both sides are /dev/null")
    if old is None and any(hunk.old_count for hunk in hunks):
        raise MalformedPatch(line, "a new file with lines from before")
    if new is None and any(hunk.new_count for hunk in hunks):
        raise MalformedPatch(line, "a deleted file with lines that stay")
    return FilePatch(head=head, hunks=hunks, old=old, new=new)


def names_of(head: Sequence[str]) -> tuple[str | None, str | None]:
    """The paths before and after, by the first of these that is there: renames, `---` and `+++`, `diff --git`.

    Raises:
        ValueError: they contradict each other or can't be told.
    """
    moved = {line.split(" ")[1]: path_of(line.split(" ", 2)[2]) for line in head if _MOVES.match(line)}
    shown = {line[:3]: path_of(line[4:], strip=True) for line in head if line.startswith(("--- ", "+++ "))}
    first = diff_git_paths(head[0]) if head and head[0].startswith("diff --git ") else None
    if moved:
        if len(moved) != len({"from", "to"} & moved.keys()) or len(moved) != 2:  # noqa: PLR2004 - from and to
            raise ValueError("a rename or copy needs the lines from and to")
        pair: tuple[str | None, str | None] = (moved["from"], moved["to"])
        if shown and (shown["---"], shown["+++"]) != pair:
            raise ValueError("the rename names other files than the lines --- and +++")
        return pair
    if shown:
        pair = shown["---"], shown["+++"]
        if None not in pair and pair[0] != pair[1]:
            raise ValueError(f"the lines --- and +++ name two files, {pair[0]} and {pair[1]}, without a rename")
    elif first:
        new, gone = (any(line.startswith(f"{w} file mode ") for line in head) for w in ("new", "deleted"))
        pair = None if new else first[0], None if gone else first[1]
        if None not in pair and pair[0] != pair[1]:
            raise ValueError("diff --git names two files without a rename")
    else:
        raise ValueError("the line diff --git does not tell its file")
    if first and not {p for p in pair if p is not None} <= set(first):
        raise ValueError(f"diff --git names another file than the lines --- and +++: {first[1]}")
    return pair


_MOVES = re.compile(r"(?:rename|copy) (?:from|to) ")


def read_hunk(lines: Sequence[str], start: int) -> tuple[Hunk, int]:
    """The hunk whose header stands at a line, and the line after it.

    Raises:
        MalformedPatch: header and body don't agree.
    """
    match = HUNK_HEADER.fullmatch(lines[start])
    if not match:
        raise MalformedPatch(start + 1, f"not the header of a hunk: {lines[start][:60]!r}")
    old_start, old, new_start, new = (int(n) if n is not None else 1 for n in match.groups()[:4])
    end = counted(lines, start + 1, old, new)
    if end is None:
        raise MalformedPatch(start + 1, "the hunk does not hold as many lines as its header says")
    body = tuple(lines[start + 1 : end])
    if not any(line[:1] in {"-", "+"} for line in body):
        raise MalformedPatch(start + 1, "a hunk without a change")
    return Hunk(lines[start], body, old_start, old, new_start, new), end


def counted(lines: Sequence[str], start: int, old: int, new: int) -> int | None:
    """Where a hunk body with so many old and new lines ends; None where the lines don't fit. An empty line is a blank
    line of context, as `git apply` reads it.
    """
    at = start
    while at < len(lines) and (old > 0 or new > 0):
        mark = lines[at][:1]
        if mark not in {"", "\r", " ", "-", "+", "\\"} or (mark == "\\" and at == start):
            return None
        old -= mark in {"", "\r", " ", "-"}
        new -= mark in {"", "\r", " ", "+"}
        if old < 0 or new < 0:
            return None
        at += 1
    if old or new:
        return None
    if start < at < len(lines) and lines[at].startswith("\\ "):
        at += 1
    return at
