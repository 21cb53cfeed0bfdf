"""What an export refuses before it reads a result: flags that its format does not know, and places that hold, or will
hold, something else.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from code_generation.errors import ConfigError
from code_generation.exporters.export_card import card_path, holds_export
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.table import EXPORTERS, format_of
from code_generation.exporters.writing import rows_path
from code_generation.results import check_writable, refuse_to_replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from code_generation.exporters.formats import Format

OF_FORMATS = (
    "thinking", "turns", "single_turn", "split_turns", "failed_weight", "pairs", "max_length_ratio", "dialect",
)  # fmt: skip
"""Options that some formats know; the others are about any."""
DEFAULTS = {f.name: f.default for f in fields(ExportOptions)}


def check_flags(form: Format, options: ExportOptions, *, table: bool) -> None:
    """Refuse a flag that would do nothing, and thinking that no service takes.

    Raises:
        ConfigError: names the flag, and the formats that know it.
    """
    for name in OF_FORMATS:
        if form.knows is not None and name not in form.knows and getattr(options, name) != DEFAULTS[name]:
            knowing = [other for other in EXPORTERS if name in (format_of(other).knows or ())]
            msg = f"--{name.replace('_', '-')} means nothing to the format {form.name}; it is for {', '.join(knowing)}"
            raise ConfigError(msg)
    if options.of != DEFAULTS["of"] and not table:
        msg = (
            f"--of {options.of} is for --format parquet, whose rows it names: give that, or --format {options.of} alone"
        )
        raise ConfigError(msg)
    strict = form.strict or (form.gather == "pairs" and options.dialect != "trl")
    if options.thinking == "keep" and strict:
        msg = "--thinking keep writes the provider's raw blocks, which no service takes; use --thinking tags or strip"
        raise ConfigError(msg)


def check_places(files: Sequence[Path], form: Format, output: Path, options: ExportOptions, *, table: bool) -> None:
    """Refuse to write where something else stands, or where something is read from; a file given twice.

    Raises:
        ConfigError: names the place.
    """
    read = [(path, "the results") for path in files] + [(p, "--decontaminate") for p in options.decontaminate]
    if twice := next((path for number, path in enumerate(files) if _among(path, files[:number])), None):
        msg = f"{twice} is given twice; each of its results would count twice, so name it once"
        raise ConfigError(msg)
    if _among(output, files):
        msg = f"--output {output} holds the results themselves, so it is not overwritten; choose another file"
        raise ConfigError(msg)
    beside = rows_path(output) if form.has_beside(options) and not table else None
    written = [(output, "--output"), (card_path(output), "the export's card"), (beside, "what proves its rows")]
    taken = list(read)
    for path, what in [*written, (options.review, "--review")]:
        if path is None:
            continue
        if other := next((name for place, name in taken if _same(path, place)), None):
            msg = f"{path} would be {what}, and is {other} already; choose another file"
            raise ConfigError(msg)
        taken.append((path, what))
    _check_output(output, beside, table=table)
    if options.review is not None:
        refuse_to_replace(options.review, "review of --decontaminate", {"problem_id", "keep"})
        check_writable(options.review)


def _check_output(output: Path, beside: Path | None, *, table: bool) -> None:
    if not holds_export(output):
        if table and output.is_file() and output.stat().st_size:
            msg = f"{output} is there already and is no export, so it is not overwritten; choose another file"
            raise ConfigError(msg)
        refuse_to_replace(output, "export", {"verified", "code_sha256"})
    check_writable(output)
    if output.is_file() or not output.exists():
        card = card_path(output)
        if card.exists() and not holds_export(output, whatever_it_holds=True):
            msg = f"{card} is there already and describes no export; choose another output"
            raise ConfigError(msg)
    if beside is not None:
        refuse_to_replace(beside, "rows of an export", {"verified", "code_sha256"})


def _among(path: Path, others: Sequence[Path]) -> bool:
    return any(_same(path, other) for other in others)


def _same(one: Path, other: Path) -> bool:
    """By name or as a file, whatever it is called; a device is no file that could be lost."""
    if one.resolve() == other.resolve():
        return True
    return one.is_file() and other.is_file() and one.samefile(other)
