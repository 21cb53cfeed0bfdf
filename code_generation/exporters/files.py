"""Training files from result files, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.exporters.options import ExportOptions
from code_generation.exporters.pipeline import run_export
from code_generation.exporters.table import PARQUET

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def export(results: Iterable[Path], name: str, output: Path, options: ExportOptions | None = None) -> tuple[int, int]:
    """Write a training file from result files; returns (results read, rows written).

    The file is made anew and put in place whole: it can always be made again from its results. Where there is no row to
    write, a file that is there stays as it was.

    Raises:
        UnknownName: no such format. ConfigError: the output holds results. DataError: an input holds something
            else, there is no result in any, or one twice.
    """
    options = options or ExportOptions()
    table = name == PARQUET
    report = run_export(list(results), options.of if table else name, output, options, table=table)
    return report.read.total(), report.written
