"""What was spent, call by call, so that a kill can't hide it: `solutions.spending.jsonl` beside `solutions.jsonl`."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, Struct, UnsetType

from code_generation.errors import DataError
from code_generation.jsonl import JsonlWriter, decode, encode

if TYPE_CHECKING:
    from pathlib import Path

    from code_generation.models import JsonValue

UNIT = 1e-12
"""Dollars."""


def units_of(usd: float) -> int:
    """Dollars as a whole number of units, rounded up."""
    return math.ceil(usd / UNIT - 0.001)  # not for the last bit of a float


def spending_path(out: Path) -> Path:
    """`solutions.jsonl` -> `solutions.spending.jsonl`."""
    return out.with_name(out.name.removesuffix(".jsonl") + ".spending.jsonl")


class SpendingLog:
    """`solutions.spending.jsonl`: a line before each call and one after it, so that a kill can't hide what was spent.

        {"key": "3f2a...", "reserved": 0.41, "problem_id": "p1"}
        {"key": "3f2a...", "settled": 0.0123}

    A call without its second line was under way in a kill, and counts at its worst case until its answer turns up.
    `key` is the question's in the journal; `null`: unknown.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file, for one run alone, and add up what is in it.

        Raises:
            ConfigError: it can't be written, or another run has it. DataError: a line is none of these.
        """
        self._rows = JsonlWriter(path)
        self.spent, self.unknown = 0, 0
        self.charged = False
        """Something that may have been billed is in it."""
        self.per_problem: Counter[str] = Counter()
        self.under_way: dict[str, tuple[float | None, str]] = {}
        """What was reserved for calls that nobody saw end, and for which problem, by key."""
        try:
            self._add_up(path)
        except DataError:
            self.close()
            raise

    def _add_up(self, path: Path) -> None:
        under_way = self.under_way
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                line = _read(text)
                if line is not None and line.problem_id is not None:
                    if line.key in under_way:  # asked again after a kill: the first call may have been billed too
                        self._charge(*under_way[line.key])
                    under_way[line.key] = line.reserved, line.problem_id
                elif line is not None and line.key in under_way and line.settled is not UNSET:
                    self._charge(line.settled, under_way.pop(line.key)[1])
                else:
                    msg = f"{path}: line {number} says nothing about a call; what was spent is not known"
                    raise DataError(msg)
        for usd, problem_id in under_way.values():
            self._charge(usd, problem_id)

    def _charge(self, usd: float | None, problem_id: str) -> None:
        self.unknown += usd is None
        self.charged = self.charged or bool(usd)
        self.spent += units_of(usd or 0)
        self.per_problem[problem_id] += units_of(usd or 0)

    def reserved(self, key: str, usd: float | None, problem_id: str) -> None:
        """Write down that a call is about to be made."""
        self.under_way.pop(key, None)  # of an earlier session: charged, and not to be settled any more
        self._rows.write(_line(key=key, reserved=usd, problem_id=problem_id))

    def settled(self, key: str, usd: float | None) -> None:
        """Write down what a call came to."""
        self.charged = self.charged or bool(usd)
        self._rows.write(_line(key=key, settled=usd))

    def remove(self) -> None:
        """Take the file away: nothing that it tells came to anything."""
        self._rows.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; an empty one is taken away."""
        self._rows.remove_if_empty()
        self._rows.close()


class _Line(Struct):
    key: str
    reserved: float | None = None
    settled: float | UnsetType | None = UNSET
    problem_id: str | None = None


_fast = msgspec.json.Decoder(_Line)


def _read(text: bytes) -> _Line | None:
    """A line, fast: there may be hundreds of thousands. One with half a character in an id is read by our decoder."""
    try:
        return _fast.decode(text)
    except msgspec.DecodeError:
        try:
            return msgspec.convert(decode(text), _Line)
        except (ValueError, UnicodeError):
            return None


def _line(**values: JsonValue) -> bytes:
    return f"{encode(values)}\n".encode("ascii")
