"""Files that measurements are written to: whole or not at all, and only files of ours are ever replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.errors import ConfigError
from code_generation.jsonl import whole_bytes, write_lines
from code_generation.results import check_writable, refuse_to_replace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from code_generation.models import JsonValue

MARKER = "<!-- codegen measurement -->"
"""First line of our Markdown files."""


def check_json(path: Path, what: str, keys: set[str]) -> None:
    """Find out before any work whether a JSON file can be written.

    Raises:
        ConfigError: the place can't be written, or a file without these keys stands there.
    """
    refuse_to_replace(path, what, keys)
    check_writable(path)


def check_page(path: Path) -> None:
    """Find out before any work whether a Markdown file can be written.

    Raises:
        ConfigError: the place can't be written, or a file stands there that is not ours.
    """
    check_writable(path)
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            first = file.readline().strip()
        if first != MARKER.encode():
            msg = f"{path} is there already and was not written by codegen, so it is not overwritten; choose another"
            raise ConfigError(msg)


def write_json(path: Path, values: Iterable[JsonValue]) -> None:
    """Write JSON, a value a line.

    Raises:
        ConfigError: it can't be written.
    """
    write_lines(path, values)


def write_page(path: Path, text: str) -> None:
    """Write Markdown.

    Raises:
        ConfigError: it can't be written.
    """
    with whole_bytes(path) as file:
        file.write(f"{MARKER}\n{text}".encode())
