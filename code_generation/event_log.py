"""What happened in a run, a JSON object a line: `solutions.log.jsonl` beside `solutions.jsonl`.

    {"at": "2026-01-31T12:00:00.123+00:00", "event": "call failed", "kind": "overloaded", "problem_id": "p1", ...}

Keys and messages of a conversation are never in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.journal import now
from code_generation.jsonl import JsonlWriter, encode

if TYPE_CHECKING:
    from pathlib import Path

    from code_generation.models import JsonValue


def log_path(out: Path) -> Path:
    """`solutions.jsonl` -> `solutions.log.jsonl`."""
    return out.with_name(out.name.removesuffix(".jsonl") + ".log.jsonl")


class EventLog:
    """Appends events; without a path they go nowhere."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the file."""
        self._rows = JsonlWriter(path) if path is not None else None

    def write(self, event: str, **facts: JsonValue) -> None:
        """Append one event with the time."""
        if self._rows is not None:
            self._rows.write(encode({"at": now(), "event": event, **facts}).encode("ascii") + b"\n")

    def remove(self) -> None:
        """Take the file away: what it tells never came to anything."""
        if self._rows is not None:
            self._rows.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._rows is not None:
            self._rows.close()
