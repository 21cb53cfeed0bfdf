"""Rows that another's hand, or a bug, made odd: they are measured and shown, without a traceback, not in silence."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from code_generation.errors import DataError
from code_generation.evaluation.figures import FigureOptions
from code_generation.evaluation.outcomes import Sample
from code_generation.jsonl import write_lines
from code_generation.measuring.evaluating import evaluate_files
from code_generation.measuring.options import RowOptions
from code_generation.measuring.reading import gather
from code_generation.measuring.tables import render_evaluation, render_standings
from code_generation.models import GenerationResult
from code_generation.records import from_json_object, to_json_object
from code_generation.reports.building import build_report
from code_generation.reports.conversation_text import render_conversation, render_verification
from code_generation.reports.conversations import TOO_DEEP
from code_generation.reports.drawing import round_ticks
from code_generation.reports.markdown import render_markdown
from code_generation.reports.options import ReportOptions
from code_generation.reports.page import render_html
from code_generation.results import read_results
from code_generation.run_manifest import companions
from test_scripts.report_rows import PASSED, PUBLIC_ONLY, problem, result, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOW = FigureOptions(ks=(1,))


def write_rows(path: Path, results) -> Path:
    write_lines(path, [r if isinstance(r, dict) else to_json_object(r) for r in results])
    return path


def solved(number: int, **facts):
    return result(problem(number), [("def add(a, b):\n    return a + b", PASSED)], **facts)


def unsolved(number: int, **facts):
    return result(problem(number), [("def add(a, b):\n    return a", PUBLIC_ONLY)], **facts)


def evaluation(*paths: Path):
    return evaluate_files(paths, RowOptions(), HOW, by_dataset=True, place=None, title="Evaluation")[0]


# ------------------------------------------------------------------------------------------------ both files of a run


@pytest.mark.parametrize("log", ["", ".gz", ".zst"])
@pytest.mark.parametrize("out", ["", ".gz", ".zst"])
def test_packed_files_of_a_run_belong_together(tmp_path, out, log):
    """Whichever of both files is given, and however each is packed, figures are over all rows, and a note says so."""
    good = write_rows(tmp_path / f"run.jsonl{out}", [solved(0)])
    bad = write_rows(tmp_path / f"run.unsolved.jsonl{log}", [unsolved(1), unsolved(2)])
    for given, other in ((good, bad), (bad, good)):
        assert companions(given) == [other]
        found = evaluation(given)
        assert found["leaderboard"][0]["pass_at"]["1"] == pytest.approx(1 / 3)
        assert found["notes"] == [f"{other.name} belongs to {given.name} and is read with it"]
        report = build_report([given])
        assert (report["n_samples"], report["notes"]) == (3, found["notes"])
    assert len(gather([good, bad]).samples) == 3


def test_rows_of_a_run_without_a_model_are_one_system(tmp_path):
    """Where rows name no model, the file's name stands for it, the same for both files of a run."""
    good = write_rows(tmp_path / "run.jsonl", [solved(0, model="")])
    write_rows(tmp_path / "run.unsolved.jsonl.gz", [unsolved(1, model="")])
    assert [(r["model"], r["pass_at"]["1"]) for r in evaluation(good)["leaderboard"]] == [("run", 0.5)]


def test_a_copy_in_another_packing_is_not_read_too(tmp_path):
    """Where a packed copy stands beside its original, one of both is read."""
    good = write_rows(tmp_path / "run.jsonl", [solved(0)])
    for end in ("", ".gz"):
        log = write_rows(tmp_path / f"run.unsolved.jsonl{end}", [unsolved(1)])
    write_rows(tmp_path / "run.jsonl.gz", [solved(0)])
    assert companions(good) == [tmp_path / "run.unsolved.jsonl"]
    assert companions(tmp_path / "run.jsonl.gz") == [log]
    assert len(gather([good, log]).samples) == len(gather([log]).samples) == 2


def test_a_log_under_another_name_finds_its_run(tmp_path):
    """The manifest beside a file of unsolved rows says whose they are, whichever way round, packed or not."""
    good = write_rows(tmp_path / "run.jsonl.gz", [solved(0)])
    log = write_rows(tmp_path / "failed.jsonl.zst", [unsolved(1)])
    files = {"results": str(tmp_path / "run.jsonl"), "unsolved": str(tmp_path / "failed.jsonl")}
    write_lines(tmp_path / "run.jsonl.manifest.json", [{"kind": "run", "sessions": [], "files": files}])
    assert (companions(good), companions(log)) == ([log], [good])


# ------------------------------------------------------------------------------------------------ one id, two tasks


def test_samples_of_different_tasks_under_one_id_are_noted(tmp_path):
    """Where samples of a problem id were judged by other tests, or asked another thing, figures say so and which."""
    first, second = solved(1), unsolved(1, sample=1)
    of = second.problem
    easier = msgspec.structs.replace(of, test_cases=of.test_cases[:-1] + of.test_cases[:1])
    other = msgspec.structs.replace(of, problem=of.problem + " In French.")
    for task, count in ((of, 0), (easier, 1), (other, 1)):
        rows = [first, msgspec.structs.replace(second, problem=task), solved(2), solved(2, sample=1)]
        path = write_rows(tmp_path / "rows.jsonl", rows)
        notes = evaluation(path)["notes"]
        assert len(notes) == count and build_report([path])["notes"] == notes
        if count:
            assert notes[0].startswith("1 problem stands with different tests") and notes[0].endswith("made-up/0001")


# ------------------------------------------------------------------------------------------------ values that can't be


def nested(depth: int, value: Any = 1) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def measured(path: Path) -> tuple[dict, dict]:
    """Everything that is made of a file; the JSON of it is strict."""
    found = evaluation(path)
    render_standings(found), render_evaluation(found, "Evaluation")
    report = build_report([path], ReportOptions(show_private=True))
    render_html(report), render_markdown(report).encode()
    json.dumps([found, report], allow_nan=False)
    results = [r for _, r in read_results(path)]
    render_conversation(results, show_private=True).encode()
    render_verification(results, show_private=True).encode()
    return found, report


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0, 5e-324, 1e308])
def test_costs_that_can_not_be_are_unknown(tmp_path, cost):
    """A cost of NaN, below 0, or absurd counts as not known: no sum, no chart, and it is counted as such."""
    found, report = measured(write_rows(tmp_path / "rows.jsonl", [solved(0), solved(1, cost_usd=cost)]))
    costs = found["groups"][0]["costs"]
    assert (costs["cost_usd"], costs["n_unknown_cost"]) == (None, 1)
    assert [c["cost_usd"] for c in report["conversations"]] == [0.002, None]
    free, _ = measured(write_rows(tmp_path / "free.jsonl", [solved(0, cost_usd=0.0)]))
    assert free["groups"][0]["costs"]["cost_usd"] == 0.0


def test_numbers_that_can_not_be_are_unknown():
    """A sample keeps what can be reckoned with and has None for the rest."""
    odd = {"input_tokens": -1, "output_tokens": 10**400, "log_ratio": float("nan"), "reward": 1e308}
    sample = Sample(problem_id="p", verdict="pass", fraction=0.5, cost_usd=1e-9, **odd)
    assert [getattr(sample, name) for name in odd] == [None] * 4
    assert (sample.fraction, sample.cost_usd) == (0.5, 1e-9)


def test_ticks_of_tiny_values_differ():
    """An axis of very small values has ticks that are told apart."""
    assert len(set(round_ticks(0, 3e-15))) > 2


@pytest.mark.parametrize("depth", [600, 900])
def test_deep_values_are_named_and_not_shown(tmp_path, depth):
    """A test whose values are nested too deeply has a note in their place; the report is made."""
    row = to_json_object(solved(0))
    row["problem"]["test_cases"][0] |= {"input": nested(depth), "output": nested(depth)}
    row["problem"]["test_cases"][1]["input"] = {"args": 5}
    row["generation_metadata"] |= {"ended": nested(depth), "sample_index": nested(depth)}
    _, report = measured(write_rows(tmp_path / "rows.jsonl", [row]))
    deep, other = report["problems"][0]["tests"][:2]
    assert (deep["input"], deep["expected"], other["input"]) == (TOO_DEEP, TOO_DEEP, '{"args": 5}')


ODD = (
    float("nan"), float("inf"), -1, -0.5, 1e308, 5e-324, 10**30, 10**400, "", "\ud800", "\u202e\x1b[31m", None, [],
    {}, True, [[1]], ["a", 1], nested(600), {"a": nested(300)}, {"$py": "("}, {"$py": "5"}, {"args": 5}, 2,
)  # fmt: skip
"""What may stand in a row in place of any value."""


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def odd_row(draw: Random, row: dict[str, Any]) -> dict[str, Any] | None:
    """The row with another value somewhere; None where it is no result any more."""
    *way, last = draw.choice(list(places(row)))
    at = row
    for key in way:
        at = at[key]
    at[last] = draw.choice(ODD)
    try:
        from_json_object(row, GenerationResult)
    except DataError:
        return None
    return row


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 100))])
def test_rows_with_any_value_anywhere_are_measured(tmp_path, seed):
    """Rows that can be read at all go through the evaluation and every kind of report, or are refused in one line."""
    draw = Random(seed)  # noqa: S311 - no secrets
    made = (odd_row(draw, json.loads(json.dumps(to_json_object(r)))) for r in rows(24, 1, filling=0))
    path = write_rows(tmp_path / "rows.jsonl", [row for row in made if row is not None])
    found, _ = measured(path)
    assert found["n_samples"] > 2


@pytest.mark.parametrize("odd", ODD, ids=lambda value: repr(value)[:12])
def test_verdicts_with_any_value_are_measured_or_refused(tmp_path, odd):
    """Verdict rows and recorded verdicts with an odd value have figures, or are refused as data."""
    recorded = {"model": "m", "sample_index": 1, "tags": ["a"], "reward": 1.0, "fraction": 0.5, "cost_usd": 0.1}
    recorded |= {"input_tokens": 1, "turns_to_success": 1, "n_turns": 1, "log_ratio": 0.5, "failure": "timeout"}
    graded = {"verdict": "fail", "reward": 0.0, "fraction": 0.5, "mode": "isolated", "log_ratio": 0.1}
    kept = []
    for base in ({"passed": True, **recorded}, {"outcomes": [{"status": "timeout", "error": ""}], **graded}):
        for key in base:
            row = base | {key: [odd] if key == "outcomes" else odd, "problem_id": f"p{len(kept)}"}
            try:
                gather([write_rows(tmp_path / "verdict.jsonl", [row])])
            except DataError:
                continue
            kept.append(row)
    found = evaluation(write_rows(tmp_path / "verdicts.jsonl", kept))
    assert found["n_problems"] == len(kept) > 0
    json.dumps(found, allow_nan=False)
