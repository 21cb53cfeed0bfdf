"""Which solutions are the same, or nearly so.

Two solutions are the same where their normal forms are equal, see `normal`: names, comments, docstrings, layout,
annotations and imports do not matter. They are near duplicates where the Jaccard similarity of their shingles reaches
`NEAR`: runs of `SHINGLE` tokens of the normal form, padded at both ends, without counts and without telling the code's
own names apart, so that functions in another order, one more variable or another constant still meet. One token changed
in n leaves (n - 1) / (n + 9): below some 60 tokens, eight lines, any change makes another solution, and short idioms
are kept apart.

`NEAR` was chosen on 8,400 pairs of different solutions to the same problem that all passed (recorded answers of eleven
models and people's solutions): 41 pairs reach it, and those that were read, 14 of them, are one text with an edit (a
comparison turned round, an inner function moved out, an unused helper). Of as many pairs below, down to 0.74, the first
that solves its problem in another way is at 0.77.

Candidates are found by MinHash and banded hashing (rensa), then confirmed by counting: a pair at `NEAR` itself goes
unseen with a probability of 5e-5.
"""

from __future__ import annotations

import hashlib
import sqlite3
from array import array
from typing import TYPE_CHECKING, Literal, NamedTuple, Self
from zlib import crc32

from code_generation.curation.normal import normal_tokens, unnumbered
from code_generation.statements.similarity import SEED, jaccard

if TYPE_CHECKING:
    from types import TracebackType

SHINGLE = 5
"""Tokens in a row that are compared as one."""
NEAR = 0.85
"""Jaccard similarity from which on two solutions are near duplicates."""
N_BANDS, BAND = 21, 6
"""A pair of similarity s is found with a probability of 1 - (1 - s^6)^21."""
MOST_SHINGLES = 4_096
"""Of very long code those with the smallest hashes are compared."""
MOST_CANDIDATES = 20
"""That are confirmed by counting, those with the most bands in common first."""
CACHE_KIB = 4_096
"""Memory that an index may take, KiB; the rest is in a temporary file."""
LONGEST_KNOWN, MOST_KNOWN = 40, 20_000
"""Characters and number of the tokens whose hashes are kept."""


def normal_form(code: str) -> str:
    """What is left of code without names, comments and layout: equal for solutions that are the same.

    "def add(a, b): return a + b" -> "#1 FunctionDef @0 ... Return BinOp @1 Add @2"
    """
    return " ".join(normal_tokens(code))


def exact_key(code: str) -> str:
    """SHA-256 of the normal form, hexadecimal."""
    return hashlib.sha256(normal_form(code).encode("utf-8", "surrogatepass")).hexdigest()


def shingles(code: str) -> array[int]:
    """Hashes of `SHINGLE` tokens in a row each, every one once."""
    numbers = _NUMBERS
    padding = [0] * (SHINGLE - 1)
    ids = [*padding, *[numbers[t] for t in normal_tokens(code) if t[0] != "#" and t != "-"], *padding]
    runs = zip(*(ids[start:] for start in range(SHINGLE)), strict=False)
    hashes = {hash(run) & 0xFFFF_FFFF_FFFF_FFFF for run in runs}  # of integers: the same in every process
    return array("Q", sorted(hashes)[:MOST_SHINGLES] if len(hashes) > MOST_SHINGLES else hashes)


class _Numbers(dict[str, int]):
    """Hashes of tokens; those of usual ones are kept."""

    def __missing__(self, token: str) -> int:
        number = crc32(unnumbered(token).encode("utf-8", "surrogatepass"))
        if len(token) <= LONGEST_KNOWN and len(self) < MOST_KNOWN:
            self[token] = number
        return number


_NUMBERS = _Numbers()


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the shingles of two solutions, 0 to 1."""
    return jaccard(shingles(one), shingles(other))


class Duplicate(NamedTuple):
    """A solution that was there before."""

    of: str
    """The key under which it came first."""
    kind: Literal["exact", "near"]
    similarity: float
    """0 to 1; 1.0 where it is exact."""


class DuplicateIndex:
    """Solutions that are added one by one; each is new, or the duplicate of one that was new.

    What is a duplicate is not kept, so that a chain of small edits does not lead away from its first. Which solution of
    a group is the first depends on the order of adding, and on nothing else. Memory stays bounded: solutions are kept
    as hashes in a temporary file, about 1 KB each, that vanishes with the index. One thread at a time.

        with DuplicateIndex() as index:
            index.add("row 1", "def f(a): return a", within="problem 7") -> None
            index.add("row 2", "def f(b):  return b", within="problem 7") -> Duplicate("row 1", "exact", 1.0)
    """

    def __init__(self, *, near: bool = True, threshold: float = NEAR) -> None:
        """Find near duplicates too, or exact ones only. A threshold below 0.7 misses pairs, see `N_BANDS`."""
        self._near, self._threshold, self._count = near, threshold, 0
        self._file = sqlite3.connect("", isolation_level=None)  # a private file without a name
        for line in (
            f"PRAGMA cache_size = -{CACHE_KIB}",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE solutions (number INTEGER PRIMARY KEY, name TEXT, hashes BLOB)",
            "CREATE TABLE exact (content BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID",
            "CREATE TABLE bands (band INTEGER, number INTEGER, PRIMARY KEY (band, number)) WITHOUT ROWID",
            "BEGIN",
        ):
            self._file.execute(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """How many solutions are kept."""
        return self._count

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def add(self, key: str, code: str, *, within: str = "") -> Duplicate | None:
        """Add a solution; returns what it duplicates, or None where it is new and kept from now on.

        Only solutions that were added with the same `within` are compared, of one problem for instance.
        """
        place = hashlib.blake2b(within.encode("utf-8", "surrogatepass"), digest_size=8).digest()  # keeps them together
        content = place + bytes.fromhex(exact_key(code))[:12]
        query = "SELECT name FROM exact JOIN solutions USING (number) WHERE content = ?"
        if same := self._file.execute(query, (content,)).fetchone():
            return Duplicate(same[0], "exact", 1.0)
        hashes = shingles(code) if self._near else array("Q")
        bands = _bands(hashes, place) if self._near else []
        kept = array("I", [h & 0xFFFF_FFFF for h in hashes])
        if near := self._nearest(kept, bands):
            return near
        self._count += 1
        key = key.encode("utf-8", "replace").decode()  # sqlite takes no lone surrogates
        self._file.execute("INSERT INTO solutions VALUES (?, ?, ?)", (self._count, key, kept.tobytes()))
        self._file.execute("INSERT INTO exact VALUES (?, ?)", (content, self._count))
        self._file.executemany("INSERT INTO bands VALUES (?, ?)", [(band, self._count) for band in bands])
        return None

    def _nearest(self, hashes: array[int], bands: list[int]) -> Duplicate | None:
        """The most similar solution that is similar enough; of several the first."""
        best: Duplicate | None = None
        marks = ", ".join("?" * len(bands))
        shared = f"SELECT number FROM bands WHERE band IN ({marks}) GROUP BY number ORDER BY COUNT(*) DESC, number"  # noqa: S608 - question marks
        query = f"SELECT name, hashes FROM solutions WHERE number IN ({shared} LIMIT {MOST_CANDIDATES}) ORDER BY number"  # noqa: S608
        for name, stored in self._file.execute(query, bands) if bands else ():
            alike = jaccard(hashes, array("I", stored))
            if alike >= self._threshold and (best is None or alike > best.similarity):
                best = Duplicate(name, "near", alike)
        return best


def _bands(hashes: array[int], place: bytes) -> list[int]:
    """Numbers of which similar sets of hashes share at least one, in a range of their own for each place."""
    from rensa import RMinHash  # noqa: PLC0415 - only who compares needs it

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, [0, len(hashes)], N_BANDS * BAND, SEED)
    packed = array("I", matrix.to_rows()[0]).tobytes()
    size = BAND * array("I").itemsize
    high = int.from_bytes(place[:4], "big", signed=True) << 32
    return sorted({high | crc32(packed[start : start + size], start) for start in range(0, len(packed), size)})
