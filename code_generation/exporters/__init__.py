"""Results to training rows: pure functions, one file a format, one row each in the table. Nothing here runs a model
or code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.jsonl import write_lines
from code_generation.results import read_results, refuse_to_replace
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from code_generation.models import JsonValue
    from code_generation.protocols import Exporter

EXPORTERS = {
    "sft": "code_generation.exporters.sft:export_sft",
}


def export(results: Iterable[Path], name: str, output: Path) -> tuple[int, int]:
    """Write a training file from result files; returns (results read, rows written).

    The file is made anew and put in place whole: it can always be made again from its results.

    Raises:
        UnknownName: no such format. ConfigError: the output holds results. DataError: an input holds none.
    """
    refuse_to_replace(output, "export", {"verified", "code_sha256"})
    exporter: Exporter = resolve("export format", name, EXPORTERS)
    read = 0

    def rows() -> Iterator[JsonValue]:
        nonlocal read
        for path in results:
            for _, result in read_results(path):
                read += 1
                yield from exporter(result)

    written = write_lines(output, rows())
    return read, written
