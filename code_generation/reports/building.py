"""From result files to a report: figures over all rows, conversations of as many as asked for."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from code_generation.errors import DataError
from code_generation.evaluation.failures import FAILURES
from code_generation.evaluation.figures import FigureOptions, bucket_of, figures
from code_generation.evaluation.known import without_odd_numbers
from code_generation.evaluation.outcomes import check_unique, from_result
from code_generation.reports.conversations import problem_entry, prompt_entry, text_of, turns
from code_generation.reports.hacks import HackTally, Looker, public_only, says
from code_generation.reports.options import ReportOptions
from code_generation.reports.reading import Tasks, whole_runs
from code_generation.results import read_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from code_generation.evaluation.figures import Figures
    from code_generation.evaluation.outcomes import Sample
    from code_generation.models import GenerationResult
    from code_generation.reports.hacks import Trick

Report = dict[str, Any]
"""A report as JSON; docs/reports.md describes it."""
VERSION = 1
LARGEST_CURVE = 10
"""pass@k is drawn for every k up to this, and for powers of two beyond."""
Group = tuple[str, str, str]
"""(model, strategy, data set)."""


class Row(NamedTuple):
    """A row and where it stands."""

    file: str
    line: int
    result: GenerationResult


def build_report(paths: Sequence[Path], options: ReportOptions | None = None) -> Report:
    """The report over some result files; the unsolved problems of a run are read with its results.

    Raises:
        DataError: no such file, a line that is no result, no row at all, a row that stands twice.
    """
    every, notes = whole_runs(paths)
    report = report_of(_rows(every), options)
    counted: Counter[str] = Counter(report.pop("rows_of_files"))
    report["files"] = [{"name": p.name, "rows": counted[str(p)], "sha256": _sha256(p)} for p in every]
    report["notes"] = notes + report["notes"]
    return report


def _rows(paths: Sequence[Path]) -> Iterator[Row]:
    for path in paths:
        for line, result in read_results(path):
            yield Row(str(path), line, result)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def report_of(rows: Iterable[Row], options: ReportOptions | None = None) -> Report:
    """The report over rows at hand; `build_report` adds `files` in place of `rows_of_files`.

    Raises:
        DataError: no row at all, or one that stands twice.
    """
    how = options or ReportOptions()
    gathered = _Gathered(how)
    for row in rows:
        gathered.add(row)
    if not gathered.samples:
        msg = "there is no row in the result files given, so there is nothing to report"
        raise DataError(msg)
    check_unique(s for mine in gathered.samples.values() for s in mine)
    return gathered.report()


class _Gathered:
    """What is kept of the rows that were read: samples of all, texts of some."""

    def __init__(self, how: ReportOptions) -> None:
        self.how = how
        self.samples: dict[Group, list[Sample]] = {}
        self._tallies: dict[Group, HackTally] = {}
        self._conversations: dict[Group, list[dict[str, Any]]] = {}
        self._files: Counter[str] = Counter()
        self._looker = Looker()
        self._tasks = Tasks()

    def add(self, row: Row) -> None:
        tricks = self._looker.tricks(row.result)
        last = len(row.result.attempts)
        in_final = tuple(dict.fromkeys(t.kind for t in tricks if t.turn == last and t.line is not None))
        sample = from_result(row.result, hack_signs=in_final)
        group = (sample.model, sample.strategy, sample.dataset)
        self._tasks.add(row.result, sample.dataset)
        self.samples.setdefault(group, []).append(sample)
        self._tallies.setdefault(group, HackTally(self.how.level)).add(row.result, tricks)
        self._files[row.file] += 1
        kept = self._conversations.setdefault(group, [])
        if self.how.attempts is None or len(kept) < self.how.attempts:
            kept.append(without_odd_numbers(_conversation(row, sample, tricks, show_private=self.how.show_private)))

    def report(self) -> Report:
        ordered = sorted(self.samples)
        how = FigureOptions(ks=self.how.columns, level=self.how.level)
        entries = [_group_entry(group, self.samples[group], self._tallies[group], how) for group in ordered]
        _rank(entries)
        shown = self._shown(ordered)
        every = [s for mine in self.samples.values() for s in mine]
        report: Report = {
            "report": VERSION,
            "title": self.how.title,
            "files": [],
            "rows_of_files": dict(self._files),
            "level": self.how.level,
            "ks": list(self.how.columns),
            "n_samples": len(every),
            "n_problems": len({(s.dataset, s.problem_id) for s in every}),
            "n_infra": sum(s.verdict == "infra" for s in every),
            "show_private": self.how.show_private,
            "notes": self._tasks.notes(),
            "kinds_of_failure": FAILURES,
            "kinds_of_tricks": {k: says(k) for k in sorted({k for e in entries for k in e["hacks"]["kinds"]})},
            "groups": entries,
        }
        report["conversations_left_out"] = len(every) - len(shown)
        return report | _stored_once(shown)

    def _shown(self, ordered: Sequence[Group]) -> list[dict[str, Any]]:
        """Conversations, as many of each group as of the others, by problem, group and sample."""
        found = {group: self._conversations[group] for group in ordered}
        left = sum(map(len, found.values())) if self.how.attempts is None else self.how.attempts
        shares: dict[Group, int] = {}
        for place, group in enumerate(sorted(ordered, key=lambda g: len(found[g]))):
            shares[group] = min(len(found[group]), left // (len(ordered) - place))
            left -= shares[group]
        shown = [c | {"group": i} for i, group in enumerate(ordered) for c in found[group][: shares[group]]]
        places: dict[str, int] = {}
        for c in shown:
            places.setdefault(c["problem"]["problem_id"], len(places))
        return sorted(shown, key=lambda c: (places[c["problem"]["problem_id"]], c["group"], c["sample_index"]))


def _stored_once(conversations: list[dict[str, Any]]) -> dict[str, Any]:
    """Problems and prompts by number: many samples share them."""
    problems: dict[str, int] = {}
    prompts: dict[str, int] = {}
    for c in conversations:
        for key, known in (("problem", problems), ("prompt", prompts)):
            c[key] = known.setdefault(json.dumps(c[key]), len(known))
    return {
        "problems": [json.loads(text) for text in problems],
        "prompts": [json.loads(text) for text in prompts],
        "conversations": conversations,
    }


def _conversation(row: Row, sample: Sample, tricks: Sequence[Trick], *, show_private: bool) -> dict[str, Any]:
    result = row.result
    grade = result.attempts[-1].grade if result.attempts else None
    return {
        "problem": problem_entry(result.problem, show_private=show_private),
        "prompt": prompt_entry(result),
        "sample_index": sample.sample_index,
        "verdict": sample.verdict,
        "failure": sample.failure,
        "verified": result.verified,
        "satisfied": result.satisfied,
        "reward": sample.reward,
        "fraction": sample.fraction,
        "n_passed": grade.n_passed if grade else None,
        "n_tests": grade.n_tests if grade else len(result.problem.test_cases),
        "cost_usd": sample.cost_usd,
        "input_tokens": sample.input_tokens,
        "output_tokens": sample.output_tokens,
        "ended": text_of(result.generation_metadata.get("ended")) or None,
        "harness": result.harness.outcome if result.harness else None,
        "tricks": [t._asdict() for t in tricks],
        "public_only": public_only(grade),
        "turns": turns(result, show_private=show_private),
    }


def _group_entry(group: Group, samples: Sequence[Sample], tally: HackTally, how: FigureOptions) -> dict[str, Any]:
    """The figures of one model with one prompt on one data set."""
    found: Figures = figures(samples, how)
    model, strategy, dataset = group
    most = max(Counter(s.problem_id for s in samples if s.counts).values(), default=0)
    curve = bucket_of(samples, replace(how, ks=tuple(_curve(most)))) if most else None
    return {
        **found.to_json(),
        "model": model,
        "strategy": strategy,
        "dataset": dataset,
        "name": " · ".join(part for part in (model or "unknown model", strategy) if part),
        "rank": None,
        "curve": {str(k): f.to_json() for k, f in curve.pass_at.items() if f.value is not None} if curve else {},
        "hacks": tally.entry(),
    }


def _curve(most: int) -> Iterator[int]:
    yield from range(1, min(most, LARGEST_CURVE) + 1)
    k = 2 * LARGEST_CURVE
    while k <= most:
        yield k
        k *= 2


def _rank(entries: list[dict[str, Any]]) -> None:
    """Ranks by pass@1 within a data set; equals share one, and what has no pass@1 has none."""
    for entry in entries:
        mine = entry["all"]["pass_at"]["1"]["value"]
        others = (e["all"]["pass_at"]["1"]["value"] for e in entries if e["dataset"] == entry["dataset"])
        if mine is not None:
            entry["rank"] = 1 + sum(other > mine for other in others if other is not None)
