"""Where the hunks of a file stand: counts and line numbers from their own lines and, where it is known, from the file.

A hunk is moved only where its old lines stand in one place of the file alone, or where of several one only is under the
heading that its header quotes. Else it stays where it says: the tools look around there.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from code_generation.patches.diffs import HUNK_HEADER, FilePatch, Hunk, MalformedPatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from code_generation.patches.loose import LooseHunk

MOST_PLACES = 200
"""Places of a hunk that are looked at."""
MOST_COMPARED = 5_000_000
"""Lines that are compared for one patch, all its hunks together; one that needs more is given up."""
_HEADING = re.compile(r"[A-Za-z_$]|[ \t]*(?:class|def|async def)[ \t]")
"""Lines that git quotes behind the second `@@`."""


class KnownFile:
    """A file from before the change, made ready once for all hunks that are looked for in it."""

    def __init__(self, text: str, known: KnownFiles) -> None:
        self.lines = (text if text.endswith("\n") else f"{text}\n").split("\n")[:-1]
        self.crlf = all(line.endswith("\r") for line in self.lines)
        self._known = known
        self._trimmed = [line.rstrip() for line in self.lines]
        self._places = _index(self.lines), _index(self._trimmed)
        self._headings = [i for i, line in enumerate(self.lines) if _HEADING.match(line)]

    def places(self, hunk: LooseHunk, old: Sequence[str], *, trimmed: bool = False) -> list[int]:
        """Lines, from 1, at which a hunk's old lines stand, which are some; at most MOST_PLACES + 1.

        Raises:
            MalformedPatch: more than `MOST_COMPARED` lines were compared for the patch.
        """
        wanted = [line.rstrip() for line in old] if trimmed else list(old)
        lines, places = (self._trimmed if trimmed else self.lines), self._places[trimmed]
        self._known.count(hunk, len(wanted))
        rarest = min(range(len(wanted)), key=lambda i: len(places.get(wanted[i], ())))
        found: list[int] = []
        for place in places.get(wanted[rarest], ()):
            start = place - rarest
            if start >= 0:
                self._known.count(hunk, len(wanted))
                if lines[start : start + len(wanted)] == wanted:
                    found.append(start + 1)
            if len(found) > MOST_PLACES:
                break
        return found

    def holds(self, hunk: LooseHunk, old: Sequence[str]) -> bool:
        """Whether the old lines stand in it, whatever blanks end them; an empty one may stand behind its last line."""
        if self.places(hunk, old, trimmed=True):
            return True
        wanted = [line.rstrip() for line in old]
        return not wanted[-1] and wanted[:-1] == self._trimmed[max(0, len(self._trimmed) - len(wanted) + 1) :]

    def heading(self, place: int) -> str:
        """The last heading before a line."""
        before = bisect_left(self._headings, place - 1)
        return self.lines[self._headings[before - 1]].strip() if before else ""


class KnownFiles:
    """The files that are known, for one patch."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = sources
        self._ready: dict[str, KnownFile] = {}
        self._compared = 0

    def get(self, path: str | None) -> KnownFile | None:
        """The file at a path, None where it is not known."""
        if path is None or path not in self.sources:
            return None
        if path not in self._ready:
            self._ready[path] = KnownFile(self.sources[path], self)
        return self._ready[path]

    def count(self, hunk: LooseHunk, lines: int) -> None:
        """So many lines more are compared for a hunk.

        Raises:
            MalformedPatch: they are too many.
        """
        self._compared += lines
        if self._compared > MOST_COMPARED:
            raise MalformedPatch(hunk.line, f"its lines may stand in too many places: {MOST_COMPARED} were compared")


def _index(lines: Sequence[str]) -> dict[str, list[int]]:
    """Where each line stands."""
    found: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        found[line].append(number)
    return dict(found)


def anchor(hunks: Sequence[LooseHunk], file: FilePatch, known: KnownFile | None, found: set[str]) -> Iterator[Hunk]:
    """The hunks with headers that hold; what was done to them is added to `found`.

    Raises:
        MalformedPatch: a hunk has no line numbers, and its place can't be told, or looking for it takes too long.
    """
    for hunk in hunks:
        if known is not None and file.old is not None:
            _fit(hunk, known, found)
            _place(hunk, known, found)
        if file.old is None or file.new is None:
            _whole(hunk, file, found)
        if hunk.old_start is None:
            raise MalformedPatch(hunk.line, f"a hunk without line numbers: {hunk.header[:60]!r}")
    shift = 0
    ordered = all((a.old_start or 0) <= (b.old_start or 0) for a, b in pairwise(hunks))
    for hunk in hunks:
        old, new = hunk.counts
        first = (hunk.old_start or 0) + (old == 0)
        expected = first + shift - (new == 0)
        yield _written(hunk, expected if ordered and expected >= 0 else None, found)
        shift += new - old


def _whole(hunk: LooseHunk, file: FilePatch, found: set[str]) -> None:
    """New and deleted files have one side only, at line 0 of nothing."""
    old, new = (0, 1) if file.old is None else (1, 0)
    if hunk.old_start is None:
        found.add("hunk-ranges")
    elif (hunk.old_start, hunk.new_start) != (old, new):
        found.add("hunk-starts")
    hunk.old_start, hunk.new_start = old, new


def _fit(hunk: LooseHunk, source: KnownFile, found: set[str]) -> None:
    """Give the old lines the form that the file has, where they differ in line ends or blanks at their ends, or all
    context lost its mark, and stand in the file in that form only.
    """
    old = [line[1:] for line in hunk.lines if line[:1] in {" ", "-"}]
    if not old or source.places(hunk, old):
        return
    if source.crlf and not any(line.endswith("\r") for line in hunk.lines):
        lines = [line if line.startswith("\\") else f"{line}\r" for line in hunk.lines]
        if source.places(hunk, [line[1:] for line in lines if line[:1] in {" ", "-"}]):
            hunk.lines = lines
            found.add("line-ends")
            return
    shifted = [line if line[:1] in {"-", "+", "\\"} else f" {line}" for line in hunk.written]
    places = source.places(hunk, [line[1:] for line in shifted if line[:1] in {" ", "-"}])
    if len(places) == 1 or hunk.old_start in places:
        hunk.lines = shifted
        found.add("context-prefix")
        return
    places = source.places(hunk, old, trimmed=True)
    if hunk.old_start in places or len(places) == 1:
        at = (hunk.old_start if hunk.old_start in places else places[0]) or 1
        wanted = iter(source.lines[at - 1 : at - 1 + len(old)])
        hunk.lines = [line[0] + next(wanted) if line[:1] in {" ", "-"} else line for line in hunk.lines]
        found.add("trailing-blanks")


def _place(hunk: LooseHunk, source: KnownFile, found: set[str]) -> None:
    """Move a hunk to where its old lines stand, if that is one place only."""
    old = [line[1:] for line in hunk.lines if line[:1] in {" ", "-"}]
    places = source.places(hunk, old) if old else []
    if not places or hunk.old_start in places:
        return
    if len(places) > 1:
        wanted = hunk.section.strip()
        places = (
            [p for p in places if wanted and _under(source.heading(p), wanted)] if len(places) <= MOST_PLACES else []
        )
    if len(places) == 1:
        found.add("hunk-starts" if hunk.old_start is not None else "hunk-ranges")
        hunk.old_start = places[0]
    elif hunk.old_start is None:
        raise MalformedPatch(hunk.line, "a hunk without line numbers whose lines stand in several places")


def _under(heading: str, wanted: str) -> bool:
    """Whether a heading is the wanted one; git cuts headings off at 80 bytes."""
    return bool(heading) and (heading == wanted or (len(wanted) > 70 and heading.startswith(wanted)))  # noqa: PLR2004


def _written(hunk: LooseHunk, new_start: int | None, found: set[str]) -> Hunk:
    """A hunk whose header says what it is; the header stays as written where it already does."""
    old, new = hunk.counts
    old_start = hunk.old_start or 0
    match = HUNK_HEADER.fullmatch(hunk.header)
    said = [1 if n is None else int(n) for n in match.groups()[:4]] if match else None
    if hunk.old_count is not None and (hunk.old_count, hunk.new_count) != (old, new):
        found.add("hunk-counts")
    if new_start is None:
        new_start = hunk.new_start if hunk.new_start is not None else old_start
    if hunk.new_start is not None and hunk.new_start != new_start:
        found.add("hunk-starts")
    numbers = _range(old_start, old), _range(new_start, new)
    header = f"@@ -{numbers[0]} +{numbers[1]} @@{f' {hunk.section}' if hunk.section else ''}"
    if match is None:
        found.add("hunk-header" if hunk.old_count is not None else "hunk-ranges")
    elif said == [old_start, old, new_start, new]:
        header = hunk.header
    return Hunk(header, tuple(hunk.lines), old_start, old, new_start, new)


def _range(start: int, count: int) -> str:
    """A range as diff writes it: `3` for one line, `3,2` for more."""
    return str(start) if count == 1 else f"{start},{count}"
