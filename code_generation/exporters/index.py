"""What an export remembers while it reads: rendered pieces in a temporary file, and where they are in an index on disk.

Memory stays flat however many results there are; nothing is left behind, whatever ends the process: both files have no
name.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

from code_generation.jsonl import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from code_generation.exporters.formats import Row

WAITING = 1000
"""Rows that are put into the index together."""
TABLES = """
CREATE TABLE facts (id INTEGER PRIMARY KEY, text TEXT UNIQUE);
CREATE TABLE units (id INTEGER PRIMARY KEY, problem TEXT, chars INTEGER, turns INTEGER, difficulty TEXT, draw INTEGER,
                    cost REAL, facts INTEGER, first INTEGER, second INTEGER, form TEXT, dropped TEXT);
CREATE TABLE pieces (id INTEGER PRIMARY KEY, unit INTEGER, proven INTEGER, prompt TEXT, turn INTEGER, chars INTEGER,
                     code_chars INTEGER, code TEXT, start INTEGER, size INTEGER);
CREATE TABLE samples (sample BLOB PRIMARY KEY, place TEXT) WITHOUT ROWID;
"""


class Unit(NamedTuple):
    """A result, or a pair of answers, that selection keeps or drops."""

    id: int
    problem: str
    chars: int
    turns: int
    difficulty: str | None
    draw: int
    """Drawn for it: the same for the same seed and answer, wherever it stands."""
    cost: float | None
    facts: int = 0
    first: int = 0
    """Its first piece."""
    second: int = 0
    """Its last piece; of a pair the rejected one."""
    form: str = ""
    """How a pair is made, `within code`; else empty."""


def draw(seed: int, *identity: object) -> int:
    """A number for something, as if at random."""
    text = "\n".join(map(str, (seed, *identity))).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big")


class Stored(NamedTuple):
    """A piece as it is kept: its row, in JSON (behind a newline what goes beside it), and what it is found by."""

    text: bytes
    proven: bool
    prompt: str
    turn: int
    chars: int
    code_chars: int
    code: str


class Index:
    """Units and pieces of one export."""

    def __init__(self, folder: Path) -> None:
        """The pieces lie in `folder`: they take as much room as the training file."""
        self.database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.database.executescript(f"PRAGMA cache_size = -4000; PRAGMA journal_mode = OFF; {TABLES} BEGIN")
        self._spool: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._end = 0
        self._units: list[tuple[Any, ...]] = []
        self._pieces: list[tuple[Any, ...]] = []
        self._facts: dict[str, int] = {}
        self._next_piece = 1

    def add(self, unit: Unit, pieces: Iterable[Stored], facts: str) -> None:
        """Remember a result with its pieces; `facts`, `first` and `second` of the unit are filled in here."""
        first = self._next_piece
        for piece in pieces:
            self._spool.write(piece.text)
            self._pieces.append((self._next_piece, unit.id, *piece[1:], self._end, len(piece.text)))
            self._end += len(piece.text)
            self._next_piece += 1
        whole = unit._replace(facts=self._fact(facts), first=first, second=self._next_piece - 1)
        self._units.append((*whole, None))
        if len(self._units) >= WAITING:
            self.flush()

    def see(self, sample: bytes, place: str) -> str | None:
        """Remember where a sample stands; the place where it stands already, if there is one."""
        try:
            self.database.execute("INSERT INTO samples VALUES (?, ?)", (sample, place))
        except sqlite3.IntegrityError:
            (earlier,) = self.database.execute("SELECT place FROM samples WHERE sample = ?", (sample,)).fetchone()
            return str(earlier)
        return None

    def _fact(self, text: str) -> int:
        """The number of what many results have in common."""
        if text not in self._facts:
            self._facts[text] = len(self._facts) + 1
            self.database.execute("INSERT INTO facts VALUES (?, ?)", (self._facts[text], text))
        return self._facts[text]

    def flush(self) -> None:
        """Put what waits into the index."""
        self.database.executemany("INSERT INTO units VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._units)
        self.database.executemany("INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._pieces)
        self._units.clear()
        self._pieces.clear()
        self._spool.flush()

    def replace_units(self, units: Iterable[Unit]) -> int:
        """Put other units in place of those there are; returns how many."""
        self.database.execute("ALTER TABLE units RENAME TO results")
        self.database.execute("CREATE TABLE units AS SELECT * FROM results WHERE 0")
        count = 0
        for unit in units:
            self._units.append((*unit, None))
            count += 1
            if len(self._units) >= WAITING:
                self.flush()
        self.flush()
        return count

    def drop(self, reason: str, query: str, *values: object) -> None:
        """Drop the units that a query names."""
        self.database.execute(f"UPDATE units SET dropped = ? WHERE id IN ({query})", (reason, *values))  # noqa: S608 - ours

    def dropped(self) -> Counter[str]:
        """How many units were dropped, by reason."""
        rows = self.database.execute("SELECT dropped, count(*) FROM units WHERE dropped IS NOT NULL GROUP BY dropped")
        return Counter(dict(rows))

    def kept(self) -> Iterator[tuple[int, int, str]]:
        """(first piece, last piece, form) of the units that are left, in their order."""
        yield from self.database.execute("SELECT first, second, form FROM units WHERE dropped IS NULL ORDER BY id")

    def lines(self, first: int, last: int) -> Iterator[bytes]:
        """The pieces with these numbers, as they are written."""
        query = "SELECT start, size FROM pieces WHERE id BETWEEN ? AND ? ORDER BY id"
        for start, size in self.database.execute(query, (first, last)).fetchall():
            yield os.pread(self._spool.fileno(), size, start)

    def piece(self, number: int) -> Row:
        """A piece."""
        (line,) = self.lines(number, number)
        found: Row = decode(line)
        return found

    def close(self) -> None:
        """Give up both files."""
        self.database.close()
        self._spool.close()

    def __enter__(self) -> Self:
        """Give back itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Give up both files."""
        self.close()
