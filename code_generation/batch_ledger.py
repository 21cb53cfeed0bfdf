"""Which batches there are: each step is written down before the next, so that a kill between any two loses none.

`solutions.batches.jsonl` beside `solutions.jsonl`, appended and synced:

    {"at": "...", "event": "planned", "tag": "codegen-3f2a...", "lines": [{"key": "...", "problem_id": "p1", ...}, ...]}
    {"at": "...", "event": "file", "tag": "codegen-3f2a...", "id": "file-abc"}
    {"at": "...", "event": "submitted", "tag": "codegen-3f2a...", "id": "batch_abc"}
    {"at": "...", "event": "ended", "tag": "codegen-3f2a...", "reason": "completed", "answers": 1200}

A batch that was planned and has no `submitted` may exist all the same: the answer to the submission was lost. It is
looked for at the service by its tag before anything is submitted again; one that is not there is `dropped`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError
from code_generation.journal import now
from code_generation.jsonl import JsonlWriter, read_objects

if TYPE_CHECKING:
    from pathlib import Path

    from code_generation.models import JsonValue


def ledger_path(out: Path) -> Path:
    """`solutions.jsonl` -> `solutions.batches.jsonl`."""
    return out.with_name(out.name.removesuffix(".jsonl") + ".batches.jsonl")


@dataclass
class Batch:
    """One batch, as far as it has come."""

    tag: str
    """Our name for it, at the service too."""
    planned_at: float
    """Seconds since the epoch."""
    lines: dict[str, dict[str, JsonValue]]
    """Place in the run (problem, sample, turn) of each line, by its key in the journal."""
    file_id: str | None = None
    batch_id: str | None = None
    ended: bool = False
    answered: set[str] = field(default_factory=set)
    """Keys of the lines whose answers are in the journal."""


class BatchLedger:
    """The batches of one run, open for it alone."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            ConfigError: it can't be written, another run has it, or it is no ledger.
        """
        self._rows = JsonlWriter(path)
        self.batches: dict[str, Batch] = {}
        for number, row in read_objects(path):
            try:
                self._take(row)
            except (LookupError, TypeError, ValueError, AttributeError):
                self._rows.close()
                msg = f"{path}: line {number} is no event of a batch; move the file away"
                raise ConfigError(msg) from None

    def _take(self, row: dict[str, Any]) -> None:
        event, tag = row["event"], row["tag"]
        if event == "planned":
            lines = {line["key"]: {k: v for k, v in line.items() if k != "key"} for line in row["lines"]}
            self.batches[tag] = Batch(tag, datetime.fromisoformat(row["at"]).timestamp(), lines)
            return
        batch = self.batches[tag]
        match event:
            case "file":
                batch.file_id = row["id"]
            case "submitted":
                batch.batch_id = row["id"]
            case "ended" | "dropped":
                batch.ended, batch.lines = True, {}

    @classmethod
    def count_open(cls, path: Path) -> int:
        """How many batches of a file have not ended."""
        ledger = cls(path)
        try:
            return len(ledger.open_batches)
        finally:
            ledger.close()

    @property
    def open_batches(self) -> list[Batch]:
        """Those that have not ended, oldest first."""
        return [b for b in self.batches.values() if not b.ended]

    @property
    def known_ids(self) -> set[str]:
        """The service's ids of all batches of this run."""
        return {b.batch_id for b in self.batches.values() if b.batch_id}

    def plan(self, lines: dict[str, dict[str, JsonValue]]) -> Batch:
        """A new batch, before anything of it exists."""
        tag = f"codegen-{secrets.token_hex(12)}"
        self._write("planned", tag, lines=[{"key": key, **place} for key, place in lines.items()])
        return self.batches[tag]

    def note(self, batch: Batch, event: str, **facts: JsonValue) -> None:
        """`file` and `submitted` with their `id`, `ended` with its `reason`, `dropped`."""
        self._write(event, batch.tag, **facts)

    def _write(self, event: str, tag: str, **facts: JsonValue) -> None:
        row = {"at": now(), "event": event, "tag": tag, **facts}
        self._rows.append(row)
        self._take(row)

    def close(self) -> None:
        """Close the file; an empty one is taken away."""
        self._rows.remove_if_empty()
        self._rows.close()
