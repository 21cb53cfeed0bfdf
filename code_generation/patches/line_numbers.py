"""Line numbers that a model copied from a numbered listing into its patch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER = re.compile(r"([ +-]) *(\d{1,7})(?:[ \t|]|: ?|\r?$)(.*)", re.DOTALL)
_BARE = re.compile(r"\d{1,7}(?:[ \t|:]|\r?$)")
FEWEST = 2
"""Numbers in a row that make a listing of it."""


def numbered_context(lines: Sequence[str]) -> list[str]:
    """The lines, those that begin with a number having a blank before it, as context has."""
    return [f" {line}" if _BARE.match(line) else line for line in lines]


def without_numbers(lines: Sequence[str], fewest: int = FEWEST) -> tuple[int, list[str]] | None:
    """The number of the first old line, and a hunk's lines without their numbers; None where it is no listing.

    Every old line is numbered, each by one more than the last; the added ones all are, or none is. Where there are no
    old lines the added ones are numbered from 1.
    """
    matches = [_NUMBER.fullmatch(line) if line.strip("\r") else None for line in lines]
    old = [(m, line) for m, line in zip(matches, lines, strict=True) if line[:1] in {" ", "-"}]
    added = [(m, line) for m, line in zip(matches, lines, strict=True) if line[:1] == "+"]
    if not old and added and [int(m[2]) if m else 0 for m, _ in added] != list(range(1, len(added) + 1)):
        return None
    old = old or added
    numbers = [int(m[2]) for m, _ in old if m]
    if len(numbers) < fewest or len(numbers) != len(old) or numbers != list(range(numbers[0], numbers[0] + len(old))):
        return None
    numbered = [m is not None for m, line in added if line.strip("+ \t\r")]
    if any(numbered) and not all(numbered):
        return None
    clean = [m[1] + m[3] if m and (line[:1] != "+" or any(numbered)) else line
             for m, line in zip(matches, lines, strict=True)]  # fmt: skip
    return numbers[0], clean
