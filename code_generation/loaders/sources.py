"""Where rows come from: a local file, a folder laid out like the hub, or a hub id. Rows stream; nothing is read
whole.
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError, DataError, boundary
from code_generation.extras import require
from code_generation.jsonl import decode, open_text, read_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW_FILES = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst")
HUB_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """A place with rows."""

    location: str
    """Path of a file or a folder, or a hub id `org/name`."""
    config: str | None = None
    """Configuration of a hub data set."""
    split: str | None = None
    """Split of a hub data set, or the part of the file names to read in a folder (`train`)."""
    revision: str | None = None
    """Commit of a hub data set."""

    def files(self) -> list[Path]:
        """The local files that hold the rows, in order; empty for a hub id.

        Raises:
            DataError: a folder without any.
        """
        path = Path(self.location).expanduser()
        if path.is_file():
            return [path]
        if not path.is_dir():
            return []
        found = sorted(
            p for p in path.rglob("*") if p.is_file() and p.name.endswith(ROW_FILES) and not _hidden(p, path)
        )
        if self.split:
            found = [p for p in found if self.split in p.name]
        if not found:
            wanted = f" with {self.split!r} in their name" if self.split else ""
            msg = f"{path}: no data files{wanted} in this folder (looked for {', '.join(ROW_FILES)})"
            raise DataError(msg)
        return found

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (place, row); a place is `file:line` or `file[index]`.

        Raises:
            DataError, ConfigError: nothing there, or it can't be read.
        """
        files = self.files()
        if files:
            for file in files:
                yield from _file_rows(file)
        elif _is_hub_id(self.location):
            yield from self._hub_rows()
        else:
            msg = f"{self.location}: no such file or folder"
            raise DataError(msg)

    def _hub_rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            datasets = require("datasets", "hub")
        except ConfigError as e:
            msg = f"data set {self.location} is on the hub: {e}; or give a local copy with --source PATH"
            raise ConfigError(msg) from None
        _reach_hub(self.location)
        split = self.split or "train"
        with boundary(ConfigError, f"data set {self.location} (config {self.config}, split {split}) can't be loaded"):
            rows = datasets.load_dataset(
                self.location, self.config, split=split, revision=self.revision, streaming=True
            )
            for number, row in enumerate(rows):
                yield f"{self.location}:{split}[{number}]", dict(row)


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _is_hub_id(text: str) -> bool:
    return (
        text.count("/") == 1 and not text.startswith((".", "/", "~")) and Path(text).suffix not in {".jsonl", ".json"}
    )


def _reach_hub(location: str) -> None:
    """Fail at once where the hub is out of reach; its own client takes 20 s and more to say so."""
    if any(os.environ.get(v) for v in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HF_ENDPOINT")):
        return
    try:
        socket.create_connection(("huggingface.co", 443), HUB_TIMEOUT_S).close()
    except OSError as e:
        msg = f"data set {location}: the hub can't be reached ({e}); give a local copy with --source PATH"
        raise ConfigError(msg) from None


def _file_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if ".jsonl" in path.suffixes:
        for number, row in read_objects(path):
            yield f"{path}:{number}", row
        return
    with open_text(path) as file, boundary(DataError, f"{path} is not JSON", ValueError):
        data = decode(file.read())
    rows = next((v for v in data.values() if isinstance(v, list)), [data]) if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        msg = f"{path}: expected a JSON list of objects"
        raise DataError(msg)
    for number, row in enumerate(rows):
        yield f"{path}[{number}]", row


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
