"""`codegen diagnose`: advantages a group, figures over all, code beside the reward and never in it."""

from __future__ import annotations

import ast
import contextlib
import io
import json
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.errors import ConfigError, DataError
from code_generation.evaluation.advantages import group_advantages, value_advantages
from code_generation.grader import GraderOptions
from code_generation.jsonl import read_objects
from code_generation.measuring.diagnosing import diagnose_runs, read_runs
from code_generation.measuring.diagnosis_page import render_diagnosis
from code_generation.measuring.options import DiagnoseOptions, RowOptions
from code_generation.measuring.quality import LONGEST, Quality, complexity_of, quality_of, relative
from test_scripts.conftest import ROOT
from test_scripts.recorded_rows import command, recorded

if TYPE_CHECKING:
    from pathlib import Path

CLOSE = {"rel": 1e-9, "abs": 1e-12}


def diagnosis(*paths, grading=None, **options):
    *groups, summary = diagnose_runs(paths, RowOptions(), DiagnoseOptions(**options), grading)
    return {g["problem_id"]: g for g in groups}, summary


# ------------------------------------------------------------------------------------------------ rewards


def test_single_samples_are_said_to_make_no_groups(tmp_path):
    """With one sample a prompt GRPO has nothing to go by, which stands first; with two nothing is said."""
    alone = render_diagnosis(diagnosis(recorded(tmp_path / "m.jsonl", {"p": "+", "q": "-"}))[1])
    assert alone.startswith("Every prompt has one sample only. A group of GRPO needs two samples or more")
    mixed = render_diagnosis(diagnosis(recorded(tmp_path / "m.jsonl", {"p": "+", "q": "-+"}))[1])
    assert mixed.startswith("Some prompts have one sample only.")
    assert render_diagnosis(diagnosis(recorded(tmp_path / "m.jsonl", {"p": "+-"}))[1]).startswith("## Rewards")


def test_references_that_rows_do_not_hold_are_missed_aloud(tmp_path):
    """Asked to measure references of recorded verdicts, the diagnosis says that there are none."""
    _, summary = diagnosis(recorded(tmp_path / "m.jsonl", {"p": "+-"}), grading=GraderOptions())
    assert summary["notes"] == ["the rows hold no references, so none was measured (--measure-references)"]


def test_files_are_written_before_anything_is_shown(tmp_path):
    """Into a reader that has gone, `codegen diagnose ... | head`, the files are there all the same."""
    rows, places = recorded(tmp_path / "m.jsonl", {"p": "+-"}), [tmp_path / "d.jsonl", tmp_path / "d.md"]
    plan = ["compare", "--plan", rows, "--difference", "0.1", "--output", tmp_path / "plan.json"]
    recorded(rows, {"p": "+-", "q": "++"})

    class Gone(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    for line in (["diagnose", rows, "--output", places[0], "--report", places[1]], plan):
        with contextlib.redirect_stdout(Gone()), pytest.raises(BrokenPipeError):
            command(*line)
    assert all(path.stat().st_size for path in [*places, tmp_path / "plan.json"])


def test_flags_of_the_sandbox_need_references(tmp_path):
    """They would do nothing without --measure-references."""
    with pytest.raises(ConfigError, match="--workers: for --measure-references"):
        command("diagnose", recorded(tmp_path / "m.jsonl", {"p": "+-"}), "--workers", "2")


def test_groups_have_the_advantages_of_their_rewards(tmp_path):
    """Per problem GRPO's and PPO's advantages, over all problems shares and variances, boxes that failed apart."""
    path = recorded(tmp_path / "m.jsonl", {"a": "+---", "b": "++++", "c": "----", "d": "+-?"})
    groups, summary = diagnosis(path)
    rewards = {"a": [1, 0, 0, 0], "b": [1, 1, 1, 1], "c": [0, 0, 0, 0], "d": [1, 0]}
    for name, values in rewards.items():
        assert [s["reward"] for s in groups[name]["samples"]] == values
        assert [s["grpo"] for s in groups[name]["samples"]] == pytest.approx(group_advantages(values), **CLOSE)
        assert groups[name]["informative"] == (len(set(values)) > 1)
    white = value_advantages(list(rewards.values()))
    assert [s["ppo_whitened"] for g in groups.values() for s in g["samples"]] == pytest.approx(
        [a for g in white for a in g], **CLOSE
    )
    assert (summary["n_groups"], summary["n_samples"], summary["left_out"]) == (4, 14, 1)
    assert summary["informative"]["estimate"] == 0.5 and summary["all_best"] == summary["all_worst"] == 0.25
    every = [v for g in rewards.values() for v in g]
    assert summary["variance"]["total"] == pytest.approx(pstdev(every) ** 2, **CLOSE)
    assert summary["clipping_ppo"]["basis"] == "advantages"


def test_degenerate_groups(tmp_path):
    """One sample, one problem, all alike: no gradient, and no error."""
    for table in ({"p": "+"}, {"p": "++"}, {"p": "-", "q": "-"}):
        groups, summary = diagnosis(recorded(tmp_path / "m.jsonl", table))
        assert all(s["grpo"] == 0 for g in groups.values() for s in g["samples"])
        assert summary["informative"]["estimate"] == 0 and render_diagnosis(summary)
    with pytest.raises(DataError, match="none of 1 samples has a reward"):
        diagnosis(recorded(tmp_path / "m.jsonl", {"p": "?"}))


def test_other_rewards_and_ratios(tmp_path):
    """The weighted share of the tests as reward; log ratios, where rows carry them, decide about clipping."""
    path = recorded(tmp_path / "m.jsonl", {"p": "-", "q": "+"}, fraction=0.5, log_ratio=0.5)
    groups, summary = diagnosis(path, what="fraction")
    assert [s["reward"] for g in groups.values() for s in g["samples"]] == [0.5, 0.5]
    assert summary["clipping_ppo"]["basis"] == "ratios" and "by their ratios" in render_diagnosis(summary)
    assert summary["clipping_grpo"]["mean_ratio"] == pytest.approx(1.6487212707, rel=1e-9)


# ------------------------------------------------------------------------------------------------ code


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Two runs of built-in models on the samples, three answers a problem."""
    folder = tmp_path_factory.mktemp("runs")
    source = ["--dataset", "jsonl", "--source", ROOT / "datasets/three_sample.jsonl", "--num-samples-per-problem", "3"]
    for model in ("heuristic-small", "reference-oracle"):
        assert command("generate", *source, "--output", folder / f"{model}.jsonl", "--model", model) == 0
    return folder


def test_quality_stands_beside_the_reward(runs, tmp_path, capsys):
    """Size, branches, time and memory of every sample, relative to the reference's; metrics and report are written, the
    run and the one to compare with.
    """
    out, page = tmp_path / "m.jsonl", tmp_path / "d.md"
    small, oracle = runs / "heuristic-small.jsonl", runs / "reference-oracle.jsonl"
    assert command("diagnose", small, "--against", oracle, "--output", out, "--report", page) == 0
    rows = [row for _, row in read_objects(out)]
    assert [(r["run"], r["kind"]) for r in rows] == [
        (run, kind) for run in ("run", "against") for kind in ("group", "group", "group", "summary")
    ]
    exact = [s for r in rows if r["run"] == "against" and r["kind"] == "group" for s in r["samples"]]
    assert all(s["relative"][m] == 1 for s in exact for m in ("lines", "tokens", "nodes", "complexity"))
    assert all(s["relative"]["cpu_s"] is None and s["quality"]["cpu_s"] > 0 for s in exact)
    for row in rows:
        for s in row.get("samples", []):
            assert s["reward"] == float(s["passed"])
    text = page.read_text()
    assert "Cyclomatic complexity" in text and "| Against |" in text
    assert text.split("\n", 3)[3].strip() in capsys.readouterr().out
    page.write_text("mine")
    with pytest.raises(ConfigError, match="was not written by codegen"):
        command("diagnose", small, "--report", page)


def test_references_are_measured_on_request(runs):
    """Run in the sandbox, they give time and memory something to be relative to."""
    groups, summary = diagnosis(runs / "reference-oracle.jsonl", grading=GraderOptions())
    assert all(s["relative"]["cpu_s"] > 0 for g in groups.values() for s in g["samples"])
    assert all(g["reference"]["memory_mb"] > 0 for g in groups.values())
    assert summary["quality"]["passed"]["median_relative"]["memory_mb"] == pytest.approx(1, abs=0.5)
    assert "Time of" not in render_diagnosis(summary) and summary["notes"] == []


def test_no_quality_moves_a_reward(runs):
    """Correctness first: whatever the code is like, rewards and advantages are those of the verdicts alone."""
    found = read_runs([runs / "heuristic-small.jsonl"], RowOptions())
    groups, _ = diagnosis(runs / "heuristic-small.jsonl")
    by_problem = {}
    for s in found.samples:
        by_problem.setdefault(s.problem_id, []).append(float(s.verdict == "pass"))
    assert {p: [s["reward"] for s in g["samples"]] for p, g in groups.items()} == by_problem
    assert fmean(v for g in by_problem.values() for v in g) < 1


def test_rows_without_code_have_no_quality(tmp_path):
    """Recorded verdicts say so."""
    groups, summary = diagnosis(recorded(tmp_path / "m.jsonl", {"p": "+-"}))
    assert "quality" not in groups["p"]["samples"][0] and "The rows hold no code." in render_diagnosis(summary)


COMPLEXITIES = {
    "x = 1": 1,
    "x = 1 if y and z else 2": 3,
    "def f(a):\n    if a:\n        return 1\n    elif a > 2:\n        return 2\n    return 3": 3,
    "for i in x:\n    while i:\n        i -= 1": 3,
    "y = [a for b in c for a in b if a if b]": 5,
    "try:\n    f()\nexcept A:\n    pass\nexcept B:\n    pass": 3,
    "match x:\n    case 1:\n        pass\n    case _:\n        pass": 3,
    "assert a or b or c": 4,
    "with a:\n    pass": 1,
}


@pytest.mark.parametrize("code", COMPLEXITIES)
def test_complexity_counts_decisions(code):
    """McCabe's number: 1 and 1 for each decision."""
    assert complexity_of(ast.parse(code)) == COMPLEXITIES[code]


def test_sizes():
    """Comments, blank lines and layout are no code."""
    code = "# what\n\ndef f(a):\n    # why\n    return a + 1  # so\n"
    found = quality_of(code)
    assert (found.lines, found.tokens, found.complexity) == (2, 10, 1)
    assert (found.nodes, found.cpu_s) == (sum(1 for _ in ast.walk(ast.parse(code))), None)


@pytest.mark.parametrize(
    "code", ["def f(:", "x = '", "(" * 5000, "\x00", "-" * 100_000, "if x:\n\ty\n        z", "\ud800"]
)
def test_hostile_text_is_counted_as_far_as_it_goes(code):
    """What does not parse has lines, and no tree."""
    found = quality_of(code)
    assert found.lines is not None and found.complexity is None


def test_very_long_code_is_counted_in_lines_only():
    """It is not worth a tree."""
    assert quality_of("x = 1\n" * LONGEST) == Quality(lines=LONGEST)
    assert quality_of(None) == Quality()


@given(st.floats(0.001, 1000), st.floats(0.001, 1000))
def test_multiples(a, b):
    """A multiple is known where both sides are."""
    found = relative(Quality(cpu_s=a, lines=3), Quality(cpu_s=b, lines=0))
    assert found["cpu_s"] == a / b and found["lines"] is None and found["tokens"] is None
    assert set(relative(Quality(cpu_s=a), None).values()) == {None}


def test_numbers_that_can_not_be(tmp_path):
    """A line each."""
    path = recorded(tmp_path / "m.jsonl", {"p": "+-"})
    for flag, value in (("--clip", "0"), ("--bound", "-1"), ("--level", "1")):
        with pytest.raises(ConfigError, match=flag):
            command("diagnose", path, flag, value)
    assert json.dumps(diagnosis(path)[1])
