"""Result files to a training file, in flat memory: each result is read once, judged and rendered; what selection leaves
is then written, whole or not at all.

    results -> judge -> render -> [pieces on disk, an index] -> pair up -> select -> training file, F.export.json
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from code_generation.errors import DataError
from code_generation.exporters.checks import merged, needs_problems, write_hits
from code_generation.exporters.crew import open_crew, problem_id_of, workers_for
from code_generation.exporters.examine import Line, read_result
from code_generation.exporters.export_card import announce, write_card
from code_generation.exporters.formats import Pair
from code_generation.exporters.index import Index
from code_generation.exporters.proof import is_proven
from code_generation.exporters.refusals import check_flags, check_places
from code_generation.exporters.selection import gather_problems, pair_up, select
from code_generation.exporters.table import format_of
from code_generation.exporters.writing import open_rows
from code_generation.jsonl import encode, split_lines
from code_generation.models import GenerationResult
from code_generation.packed import open_bytes
from code_generation.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from code_generation.exporters.crew import Alone, Crew
    from code_generation.exporters.formats import Format
    from code_generation.exporters.options import ExportOptions
    from code_generation.models import JsonValue


@dataclass
class ExportReport:
    """What became of every result."""

    read: Counter[str] = field(default_factory=Counter)
    """Results by file."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Results that give no row, by reason, see `conversation.REASONS`."""
    units: int = 0
    """What selection chose among: conversations, pairs or problems."""
    units_left_out: Counter[str] = field(default_factory=Counter)
    """Of these, by reason, see `selection.SELECTION`."""
    written: int = 0
    """Rows."""
    checks: dict[str, Any] = field(default_factory=dict)
    """What the checks found, by kind, with examples."""
    review_rows: int | None = None
    kept_old: bool = False
    """There was no row to write, and the file that is there was left as it is, with its card."""
    card: dict[str, Any] = field(default_factory=dict)
    """What stands in F.export.json."""

    @property
    def units_written(self) -> int:
        """What selection chose."""
        return self.units - self.units_left_out.total()

    @property
    def leaks(self) -> int:
        """Results in whose text of ours a private value stands."""
        return self.left_out["leak"]


def run_export(
    files: Sequence[Path],
    name: str,
    output: Path,
    options: ExportOptions,
    *,
    table: bool = False,
    workers: int | None = None,
) -> ExportReport:
    """Write a training file, and F.export.json beside it; with `table` as Parquet. `workers` other processes examine
    the results, None: as many as it is worth.

    Raises:
        UnknownName: no such format. ConfigError: options that can't be, an output that holds something else. DataError:
            an input is no result file, there is no result in them, or one twice.
    """
    options.check()
    form = format_of(name, container=not table)
    check_flags(form, options, table=table)
    check_places(files, form, output, options, table=table)
    if workers is None:
        workers = workers_for(sum(path.stat().st_size for path in files if path.is_file()))
    report = ExportReport()
    with Index(_folder_for(output)) as index:
        with open_crew(name, options, workers) as crew:
            _read(files, options, crew, index, report)
            found = merged(crew.findings())
        report.units = _gather(form, options, index, report.read.total() - report.left_out.total())
        select(index, options)
        report.units_left_out = index.dropped()
        report.kept_old = report.units_written == 0 and output.is_file() and output.stat().st_size > 0
        if not report.kept_old:
            announce(form, output, options)
            report.written = _write(form, options, index, output, table=table)
        report.checks = {"counts": dict(sorted(found.counts.items())), "examples": found.examples}
        report.review_rows = write_hits(options, found)
        if not report.kept_old:
            report.card = write_card(files, form, output, options, index, report, table=table)
    return report


def _folder_for(output: Path) -> Path:
    """Where pieces may lie: beside the file that they become, or where temporary files do."""
    return output.parent if output.is_file() or not output.exists() else Path(tempfile.gettempdir())


# ------------------------------------------------------------------------------------------------ reading


def _read(
    files: Sequence[Path], options: ExportOptions, crew: Alone | Crew, index: Index, report: ExportReport
) -> None:
    with ExitStack() as stack:
        of_problem = _problem_facts(files, stack) if needs_problems(options) else None
        progress = stack.enter_context(Progress("export"))
        report.read.update(dict.fromkeys(map(str, files), 0))
        for line, examined in crew.examine(_lines_of(files, of_problem)):
            if examined.error is not None:
                raise DataError(examined.error)
            if examined.reason is None and examined.unit is None:
                continue  # torn
            if earlier := index.see(examined.sample, f"{line.file}: line {line.line}"):
                msg = f"{line.file}: line {line.line} is the sample of {earlier} once more; is a file given two times?"
                raise DataError(msg)
            report.read[line.file] += 1
            if examined.unit is None:
                report.left_out[str(examined.reason)] += 1
            else:
                index.add(examined.unit, examined.pieces, examined.facts)
            progress.step(f"{report.left_out.total()} left out")
        index.flush()
    if not report.read.total():
        msg = f"no result in {', '.join(map(str, files))}; an export is made of the rows that codegen scrape wrote"
        raise DataError(msg)


def _lines_of(files: Sequence[Path], of_problem: Callable[[Line], Mapping[str, JsonValue]] | None) -> Iterator[Line]:
    number = 0
    for path in files:
        with open_bytes(path) as file:
            for line, text in split_lines(file):
                number += 1
                found = Line(number, str(path), line, bytes(text), {})
                yield found._replace(of_problem=of_problem(found)) if of_problem else found


def _problem_facts(files: Sequence[Path], stack: ExitStack) -> Callable[[Line], Mapping[str, JsonValue]]:
    """How often each problem was tried and how often that succeeded, after one more pass over all files."""
    database = stack.enter_context(closing(sqlite3.connect("", isolation_level=None)))
    database.executescript("CREATE TABLE problems (id BLOB PRIMARY KEY, samples INTEGER, proven INTEGER); BEGIN")
    add = """INSERT INTO problems VALUES (?1, 1, ?2)
             ON CONFLICT (id) DO UPDATE SET samples = samples + 1, proven = proven + ?2"""
    for line in _lines_of(files, None):
        result = read_result(line)
        if isinstance(result, GenerationResult):
            database.execute(add, (problem_id_of(line), is_proven(result)))

    def facts(line: Line) -> Mapping[str, JsonValue]:
        query = "SELECT samples, proven FROM problems WHERE id = ?"
        samples, proven = database.execute(query, (problem_id_of(line),)).fetchone() or (0, 0)
        return {"samples": samples, "pass_rate": proven / samples if samples else None}

    return facts


# ------------------------------------------------------------------------------------------------ writing


def _gather(form: Format, options: ExportOptions, index: Index, results: int) -> int:
    if form.gather == "pairs":
        return pair_up(index, options)
    return gather_problems(index) if form.gather == "problems" else results


def _write(form: Format, options: ExportOptions, index: Index, output: Path, *, table: bool) -> int:
    with open_rows(output, beside=form.has_beside(options), table=table, raw=options.thinking == "keep") as rows:
        for line in _lines(form, options, index):
            rows.write(line)
    return rows.count


def _lines(form: Format, options: ExportOptions, index: Index) -> Iterator[bytes]:
    """The rows of what selection has left, as bytes; where something goes beside them, on a second line."""
    for first, second, how in index.kept():
        if form.join is not None:
            kind, side = how.split()
            pair = Pair(index.piece(first), index.piece(second), side, kind)  # type: ignore[arg-type]
            row, beside = form.join(pair, options)
            yield b"\n".join(encode(value).encode("ascii") for value in (row, beside) if value is not None)
        elif form.complete is not None:
            samples, proven = map(int, how.split())
            yield encode(form.complete(index.piece(first), samples, proven)).encode("ascii")
        else:
            yield from index.lines(first, second)
