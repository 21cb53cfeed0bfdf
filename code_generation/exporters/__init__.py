"""Results to training files: pure functions, one file a format, one row each in the table. Nothing here runs a model
or code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.exporters.formats import Format, of_function
from code_generation.exporters.options import ExportOptions
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EXPORTERS = {
    "sft": "code_generation.exporters.sft:FORMAT",
    "prompt-completion": "code_generation.exporters.prompt_completion:PROMPT_COMPLETION",
    "self-debug": "code_generation.exporters.self_debug:SELF_DEBUG",
    "dpo": "code_generation.exporters.preference:FORMAT",
    "kto": "code_generation.exporters.prompt_completion:KTO",
    "openai": "code_generation.exporters.self_debug:OPENAI",
    "together": "code_generation.exporters.self_debug:TOGETHER",
    "rl": "code_generation.exporters.reinforcement:FORMAT",
    "flat": "code_generation.exporters.flat:FORMAT",
}
PARQUET = "parquet"
"""No format but a container: any of them can be in it."""


def format_of(name: str) -> Format:
    """A format by its name, or by a dotted path of one's own: a `Format`, or a function from a result to its rows.

    Raises:
        UnknownName: no such format.
    """
    found = resolve("export format", name, EXPORTERS)
    return found if isinstance(found, Format) else of_function(name, found)


def export(results: Iterable[Path], name: str, output: Path, options: ExportOptions | None = None) -> tuple[int, int]:
    """Write a training file from result files; returns (results read, rows written).

    The file is made anew and put in place whole: it can always be made again from its results.

    Raises:
        UnknownName: no such format. ConfigError: the output holds results. DataError: an input holds none.
    """
    from code_generation.exporters.pipeline import run_export  # noqa: PLC0415 - what checks need is not light

    options = options or ExportOptions()
    table = name == PARQUET
    report = run_export(list(results), options.of if table else name, output, options, table=table)
    return report.read.total(), report.written
