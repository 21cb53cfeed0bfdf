"""Reports to files: the format by the file's name; only a report of ours is ever replaced."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError
from code_generation.jsonl import whole_bytes
from code_generation.reports.conversation_text import MARKER
from code_generation.reports.markdown import render_markdown
from code_generation.reports.page import html_pieces
from code_generation.results import check_writable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

TRACE = ".verification.md"
SUFFIXES = (TRACE, ".html", ".md", ".json")
_MARKS = {
    ".html": b'<meta name="generator" content="codegen report">',
    ".md": MARKER.strip().encode(),
    TRACE: MARKER.strip().encode(),
    ".json": b'{"report": ',
}
_HEAD = 2000
"""Bytes that hold the mark of a report."""


def format_of(output: Path) -> str:
    """The suffix that decides what is written: `out/run.verification.md` -> ".verification.md".

    Raises:
        ConfigError: it is none of ours.
    """
    found = next((s for s in SUFFIXES if output.name.endswith(s)), None)
    if found is None:
        msg = f"a report is written as its file's name says, one of {', '.join(SUFFIXES)}; got {output}"
        raise ConfigError(msg)
    return found


def check_outputs(outputs: Sequence[Path]) -> None:
    """Find out before any work whether all of them can be written.

    Raises:
        ConfigError: a name without a format, a place that can't be written, a file that is no report.
    """
    for output in outputs:
        mark = _MARKS[format_of(output)]
        check_writable(output)
        if output.is_file() and output.stat().st_size:
            with output.open("rb") as file:
                head = file.read(_HEAD)
            if mark not in head:
                msg = f"{output} is there already and is no report, so it is not overwritten; choose another file"
                raise ConfigError(msg)


def write_report(report: dict[str, Any], output: Path) -> None:
    """Write a report as `.html`, `.md` or `.json`, whole or not at all.

    Raises:
        ConfigError: it can't be written there.
    """
    match format_of(output):
        case ".html":
            write_pieces(output, html_pieces(report))
        case ".json":
            write_pieces(output, chain(json.JSONEncoder().iterencode(report), ["\n"]))
        case _:
            write_pieces(output, [render_markdown(report)])


def write_pieces(output: Path, pieces: Iterable[str]) -> None:
    """Write text in UTF-8, whole or not at all.

    Raises:
        ConfigError: it can't be written there.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole_bytes(output) as file:
            for block in _blocks(pieces):
                file.write(block.encode())
    except OSError as e:
        msg = f"{output} can't be written ({e.strerror or e}); choose another place"
        raise ConfigError(msg) from None


def _blocks(pieces: Iterable[str], size: int = 1 << 16) -> Iterator[str]:
    """Small pieces together: JSON comes in very small ones."""
    kept: list[str] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length >= size:
            yield "".join(kept)
            kept, length = [], 0
    yield "".join(kept)
