"""What `codegen export` does: run the pipeline and say, filter by filter, what became of the results."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from code_generation.command_line import DONE, NOT_ALL
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.table import PARQUET, format_of
from code_generation.jsonl import print_error

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from code_generation.exporters.formats import Format
    from code_generation.exporters.pipeline import ExportReport


def export(  # noqa: D417 - the options class documents its own fields
    results: Annotated[list[Path], Parameter(name="RESULTS")], /, *,
    format_: Annotated[str, Parameter(name="--format")] = "sft", output: Path,
    options: Annotated[ExportOptions, Parameter(name="*")] = ExportOptions(),  # noqa: B008 - frozen
) -> int:  # fmt: skip
    """Make a training file of proven results; F.export.json beside it accounts for every result.

    Left out of every format: answers that were cut off or refused, code that works against its tests, repeated code,
    and, with exit status 1, results in whose prompts a private test's value stands. Check your provider's terms before
    you train on a model's answers.

    Example: `codegen export demo_output/solutions.jsonl --format sft --output sft.jsonl`

    Args:
        results: Result files; for dpo, kto and rl those with the unsolved problems too.
        format_: Training format: sft, prompt-completion, self-debug, dpo, kto, openai, together, rl, flat, parquet (see
            --of), or module:attribute of one's own.
        output: File to write.
    """
    return export_files(results, format_, output, options)


def export_files(results: Sequence[Path], name: str, output: Path, options: ExportOptions) -> int:
    """Write a training file and print the counts; returns the exit status: 1 where there was no row to write, or a
    private value was found in text of ours, since then the run itself has a leak.

    Raises:
        UnknownName: no such format. ConfigError, DataError: see `run_export`.
    """
    from code_generation.exporters.export_card import card_path  # noqa: PLC0415 - a command pays for its own imports
    from code_generation.exporters.pipeline import run_export  # noqa: PLC0415

    table = name == PARQUET
    form_name = options.of if table else name
    form = format_of(form_name, container=not table)
    report = run_export(results, form_name, output, options, table=table)
    for line in render_counts(report, form):
        print(line)
    if not report.kept_old:
        print(f"{report.written} {form.name} rows from {report.read.total()} results -> {output}")
    if output.is_file() and not report.kept_old:
        print(f"counts, hashes, policy: {card_path(output)}")
    if report.card and (beside := report.card["output"]["beside"]):
        print(f"what proves each row, on the same line: {beside}")
    if report.review_rows is not None:
        print(f"{report.review_rows} hits in evaluation sets to review: {options.review}")
    for found in report.checks["examples"].get("leak", [])[:5]:
        print_error(f"leak: {found['result']}: {found['what']}")
    if report.leaks:
        print_error(
            f"{report.leaks} results left out, since their prompts hold private values: check how they were made"
        )
    if report.kept_old:
        print_error(f"no result gives a row, so {output} stays as it was")
    elif not report.written:
        print_error(f"no result gives a row, so {output} is empty")
    return DONE if report.written and not report.leaks else NOT_ALL


def render_counts(report: ExportReport, form: Format) -> Iterator[str]:
    """A line for each filter that left something out, and what was left after it.

    "    12  truncated       an answer in it was cut off, or not known to be whole              88 left"
    """
    from code_generation.exporters.conversation import REASONS  # noqa: PLC0415 - see above
    from code_generation.exporters.selection import SELECTION  # noqa: PLC0415

    left = report.read.total()
    yield f"{left:>8}  results read"
    yield from _steps(report.left_out, REASONS, left)
    if form.gather != "conversations":
        yield f"{report.units:>8}  {form.gather} made of {left - report.left_out.total()} results"
    yield from _steps(report.units_left_out, SELECTION, report.units)


def _steps(counts: Counter[str], says: dict[str, str], left: int) -> Iterator[str]:
    for name, text in says.items():
        if counts[name]:
            left -= counts[name]
            yield f"{-counts[name]:>8}  {name:<16} {text:<66} {left:>8} left"
