"""Rows that another's hand, or a bug, made odd: they are measured and shown, without a traceback, not in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from code_generation.evaluation.figures import FigureOptions
from code_generation.jsonl import write_lines
from code_generation.measuring.evaluating import evaluate_files
from code_generation.measuring.options import RowOptions
from code_generation.measuring.reading import gather
from code_generation.records import to_json_object
from code_generation.reports.building import build_report
from code_generation.run_manifest import companions
from test_scripts.report_rows import PASSED, PUBLIC_ONLY, problem, result

if TYPE_CHECKING:
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
