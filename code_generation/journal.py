"""The answers that were paid for: each is in a file before anybody looks into it, and is never asked for again.

`solutions.journal.jsonl` beside `solutions.jsonl`, a line an answer, appended, synced in groups, one writer at a time:

    {"bytes":       4711, "key": "<sha256>", "problem_id": "p1", "sample_index": 0, "turn": 2, "provider": "openai",
     "model": "...", "at": "2026-01-31T12:00:00+00:00", "dialect": "chat", "status": 200, "latency_s": 7.125,
     "request_id": "...", "changed": {}, "body": {...}}

`key` is the hash of the request: provider, model, parameters, messages, sample index. `body` is what the service sent,
unread: what reading, grading or a fault of ours does later can't harm it. `bytes` is the length of the line, so that
an index is made without looking into the answers. How a conversation came to its middle is all there: a run that
starts again asks the same questions and finds the answers here.
"""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from code_generation.errors import ConfigError, DataError
from code_generation.group_commit import GroupWriter
from code_generation.jsonl import decode, encode
from code_generation.records import to_json_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from code_generation.models import JsonValue, Request

HEAD = re.compile(rb'\{"bytes": +(\d+), "key": "([0-9a-f]{64})", ')
WIDTH = 10
"""Digits of `bytes`."""


def journal_path(out: Path) -> Path:
    """`solutions.jsonl` -> `solutions.journal.jsonl`."""
    return out.with_name(out.name.removesuffix(".jsonl") + ".journal.jsonl")


def request_key(provider: str, model: str, parameters: Mapping[str, JsonValue], request: Request) -> str:
    """What makes two requests the same: who is asked what, and which sample it is."""
    sampling = {k: v for k, v in to_json_object(request.sampling).items() if v is not None}
    messages = [to_json_object(m) for m in request.messages]
    asked = [provider, model, dict(parameters), sampling, messages, request.sample_index]
    return hashlib.sha256(encode(asked).encode("ascii")).hexdigest()


def encode_entry(entry: dict[str, JsonValue]) -> bytes:
    """One line, its own length in front."""
    rest = encode(entry)[1:] + "\n"
    size = len('{"bytes": , ') + WIDTH + len(rest)
    return f'{{"bytes": {size:>{WIDTH}}, {rest}'.encode("ascii")


@dataclass(frozen=True)
class Line:
    """Where an answer stands."""

    start: int
    size: int
    key: str


def scan(path: Path) -> Iterator[Line | DataError]:
    """Yield each line of a journal by its head only; an error for one that is none. A torn last line is left out."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        start, number = 0, 0
        while start < len(text):
            number += 1
            head = HEAD.match(text, start)
            size = int(head[1]) if head else 0
            if head and size and text[start + size - 1 : start + size] == b"\n":
                yield Line(start, size, head[2].decode("ascii"))
                start += size
                continue
            end = text.find(b"\n", start) + 1
            if not end:
                return
            yield DataError(f"{path}: line {number} is no answer: {text[start : min(end, start + 60)]!r}")
            start = end


def read_entries(path: Path) -> Iterator[dict[str, Any] | DataError]:
    """Yield every entry whole, for people and tools; an error in place of a line that can't be read.

    Raises:
        DataError: no such file.
    """
    if not path.exists():
        msg = f"{path} does not exist: no answer of a model was kept there"
        raise DataError(msg)
    with path.open("rb") as file:
        for line in scan(path):
            if isinstance(line, DataError):
                yield line
                continue
            file.seek(line.start)
            try:
                yield _entry(file.read(line.size), line.key)
            except ValueError as e:
                yield DataError(f"{path}: the answer at byte {line.start} can't be read: {e}")


def _entry(text: bytes, key: str) -> dict[str, Any]:
    entry = decode(text)
    if not isinstance(entry, dict) or entry.get("key") != key or "body" not in entry:
        msg = "it is no entry of a journal"
        raise ValueError(msg)
    return entry


class Journal:
    """The journal of one run, open for it alone.

    async with Journal(path) as journal:
        if (entry := journal.find(key)) is None:
            await journal.keep({"key": key, ..., "body": body})
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file and make an index of it; a torn tail is cut.

        Raises:
            ConfigError: it can't be written, another run has it, or it is no journal.
        """
        self.path = path
        self._rows = GroupWriter(path)
        self._places: dict[int, int] = {}
        """Start of an answer by 64 bits of its key: a hundred bytes of memory an answer."""
        self.unreadable = 0
        """Lines that hold no answer."""
        for line in scan(path):
            if isinstance(line, DataError):
                self.unreadable += 1
            else:
                self._places[_short(line.key)] = line.start
        if self.unreadable and not self._places:
            self._rows.file.close()
            msg = f"{path} is there already and is no journal of answers; move it away"
            raise ConfigError(msg)

    @property
    def count(self) -> int:
        """How many answers it holds."""
        return len(self._places)

    def find(self, key: str) -> dict[str, Any] | None:
        """The entry of a request; None where it has not been answered yet, or where the disk has lost it."""
        start = self._places.get(_short(key))
        if start is None:
            return None
        head = HEAD.match(self._rows.file.read_at(start, 128))
        with suppress(ValueError):
            return _entry(self._rows.file.read_at(start, int(head[1]) if head else 0), key)
        return None

    def write(self, entry: dict[str, JsonValue]) -> asyncio.Future[None]:
        """Write an answer down: from now on a kill can't take it any more, nor a power cut once the future is done.

        Raises:
            ConfigError: the disk is full or gone.
        """
        start = self._rows.file.size
        written = self._rows.write(encode_entry(entry))
        self._places[_short(str(entry["key"]))] = start
        return written

    async def keep(self, entry: dict[str, JsonValue]) -> None:
        """`write`, and wait until it is on disk."""
        await asyncio.shield(self.write(entry))

    async def settle(self) -> None:
        """Wait until every answer is on disk.

        Raises:
            ConfigError: one can't be.
        """
        await self._rows.settle()

    async def close(self) -> None:
        """Put everything on disk and close; an empty file is taken away."""
        self._rows.file.remove_if_empty()
        await self._rows.close()

    async def __aenter__(self) -> Self:
        """Give back itself."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close."""
        await self.close()


def _short(key: str) -> int:
    return int(key[-16:], 16)


def now() -> str:
    """The time as an entry says it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
