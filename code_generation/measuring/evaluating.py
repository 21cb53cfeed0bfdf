"""`codegen evaluate` and `codegen baselines`: from rows, or from a recipe whose rows are made first, to files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.loaders.sources import sha256_of
from code_generation.measuring.outputs import check_json, check_page, write_json, write_page
from code_generation.measuring.reading import gather, grouped
from code_generation.measuring.standings import evaluation_of, expected_of
from code_generation.measuring.tables import render_evaluation
from code_generation.reports.building import build_report, report_of
from code_generation.reports.options import ReportOptions
from code_generation.reports.writing import check_outputs, write_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from code_generation.evaluation.figures import FigureOptions
    from code_generation.measuring.cells import Cell
    from code_generation.measuring.options import RowOptions
    from code_generation.measuring.standings import Evaluation
    from code_generation.reports.building import Report


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an evaluation is written."""

    folder: Path
    stem: str = "evaluation"

    @property
    def json(self) -> Path:
        """All figures."""
        return self.folder / f"{self.stem}.json"

    @property
    def page(self) -> Path:
        """The tables."""
        return self.folder / f"{self.stem}.md"

    @property
    def html(self) -> Path:
        """The report of `codegen report`."""
        return self.folder / f"{self.stem}.html"

    def check(self) -> None:
        """Find out before any work whether all of it can be written.

        Raises:
            ConfigError: it can't, or files of something else stand there.
        """
        check_json(self.json, "evaluation", {"evaluation"})
        check_page(self.page)
        check_outputs([self.html])


def evaluate_files(
    paths: Sequence[Path], rows: RowOptions, how: FigureOptions, *, by_dataset: bool, place: Place | None, title: str
) -> tuple[Evaluation, list[Path]]:
    """Evaluate rows of any form; returns the evaluation and what was written.

    Raises:
        DataError: a line that is no row, a sample twice. ConfigError: a place that can't be written.
    """
    if place is not None:
        place.check()
    found = gather(paths, rows)
    pools = grouped(found.samples, lambda s: s.dataset) if by_dataset else {"": found.samples}
    parts = [(mine, expected_of(mine, found.expected)) for mine in pools.values()]
    evaluation = evaluation_of(parts, how, by_dataset=by_dataset, files=found.files, notes=found.notes)
    if place is None:
        return evaluation, []
    report = None
    if found.only_results:
        report = build_report(found.paths, ReportOptions(title=title, ks=how.ks, level=how.level))
    return evaluation, write_all(evaluation, report, place, title)


def evaluate_cells(
    cells: Sequence[Cell],
    how: FigureOptions,
    *,
    by_dataset: bool,
    place: Place,
    title: str,
    conversations: int | None = None,
) -> tuple[Evaluation, list[Path]]:
    """Evaluate the rows that some cells have by now; returns the evaluation and what was written.

    Raises:
        DataError: a line that is no row.
    """
    ids = {cell.dataset: frozenset(cell.run.ids) for cell in cells}
    samples = [(cell, cell.samples()) for cell in cells]
    files = [{"name": cell.run.out.name, "rows": len(mine), "kind": "results"} for cell, mine in samples]
    notes = [f"{c.name}: {n} of {c.run.total} samples have no row" for c in cells if (n := c.left())]
    if by_dataset:
        parts = [(mine, ids[cell.dataset]) for cell, mine in samples if mine]
    else:
        every = frozenset().union(*ids.values())
        systems: dict[tuple[str, str], list[Cell]] = {}
        for cell in cells:
            systems.setdefault((cell.model, cell.strategy), []).append(cell)
        of = {id(cell): mine for cell, mine in samples}
        pooled = [[s for cell in mine for s in of[id(cell)]] for mine in systems.values()]
        parts = [(mine, every) for mine in pooled if mine]
    evaluation = evaluation_of(parts, how, by_dataset=by_dataset, files=files, notes=notes)
    report = None
    if evaluation["n_samples"]:
        options = ReportOptions(title=title, ks=how.ks, level=how.level)
        if conversations is not None:
            options = ReportOptions(title=title, ks=how.ks, level=how.level, attempts=conversations)
        report = report_of((row for cell in cells for row in cell.rows()), options)
        counted = report.pop("rows_of_files")
        report["files"] = [
            {"name": c.run.out.name, "rows": counted.get(c.run.out.name, 0), "sha256": sha256_of(c.run.out)}
            for c in cells
            if c.run.out.exists()
        ]
    return evaluation, write_all(evaluation, report, place, title)


def write_all(evaluation: Evaluation, report: Report | None, place: Place, title: str) -> list[Path]:
    """JSON, Markdown and, where there is one, the report as a page.

    Raises:
        ConfigError: one can't be written.
    """
    write_json(place.json, [evaluation])
    write_page(place.page, render_evaluation(evaluation, title))
    if report is None:
        return [place.json, place.page]
    write_report(report, place.html)
    return [place.json, place.page, place.html]
