"""Patches for the official harness and back: predictions, its reports in every form, and what came of the answers."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from code_generation.errors import ConfigError, DataError
from code_generation.jsonl import write_lines
from code_generation.predictions import HarnessReport, join_report, predictions_path, write_predictions
from code_generation.results import read_results
from test_scripts.test_generate import PATCH, issue

IDS = ("resolved", "unresolved", "error", "empty")


def report_of(path, **lists):
    """A summary as the harness writes it since 2.0."""
    path.write_text(json.dumps({"total_instances": 4, "schema_version": 2, **lists}))
    return path


def test_forms_of_reports(tmp_path):
    """The summary of today, the older one, and the report of single instances tell the same."""
    forms = [
        {"submitted_ids": list("abcde"), "completed_ids": ["a", "b"], "resolved_ids": ["a"], "unresolved_ids": ["b"],
         "error_ids": ["c"], "empty_patch_ids": ["d"]},
        {"generated": list("abce"), "with_logs": ["a"], "applied": ["a", "b"], "resolved": ["a"], "no_apply": ["c"],
         "no_generation": ["d"], "install_fail": []},
    ]  # fmt: skip
    for form in forms:
        (tmp_path / "r.json").write_text(json.dumps(form))
        outcomes = HarnessReport(tmp_path / "r.json").outcomes
        assert outcomes == {"a": "resolved", "b": "unresolved", "c": "error", "d": "empty", "e": "incomplete"}
    single = {"a": {"resolved": True}, "b": {"resolved": False, "patch_successfully_applied": True},
              "c": {"resolved": False, "patch_successfully_applied": False},
              "d": {"resolved": False, "patch_is_None": True}}  # fmt: skip
    (tmp_path / "r.json").write_text(json.dumps(single))
    assert HarnessReport(tmp_path / "r.json").outcomes == dict(zip("abcd", IDS, strict=True))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"resolved": true}', '{"resolved_ids": []}', "not json"])
def test_other_files_are_no_reports(tmp_path, text):
    """Anything else is one line that says what was expected."""
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DataError, match="no report"):
        HarnessReport(tmp_path / "r.json")


def test_empty_answers_are_empty_predictions(tmp_path):
    """The harness tells an empty patch from a missing prediction: an answer without a patch has its line."""
    rows = [result_row("i-1", 0, PATCH), result_row("i-2", 0, None)]
    write_lines(tmp_path / "out.jsonl", rows)
    (path,) = write_predictions(tmp_path / "out.jsonl", 1)
    assert path == predictions_path(tmp_path / "out.jsonl", 0, 1) == tmp_path / "out.predictions.jsonl"
    assert [json.loads(line)["model_patch"] for line in path.read_text().splitlines()] == [PATCH, ""]
    path.write_text('{"a": "note of mine"}\n')
    with pytest.raises(ConfigError, match="holds no predictions"):
        write_predictions(tmp_path / "out.jsonl", 1)


def result_row(instance_id: str, sample: int, patch: str | None) -> dict:
    """A row of a run."""
    return {
        "problem": {"problem_id": instance_id, "problem": "issue", "solutions": [], "test_cases": [],
                    "metadata": {"answer": "patch", "patch": PATCH}},
        "final_code": patch,
        "full_message_history": [{"role": "user", "content": "?"}, {"role": "assistant", "content": f"{patch or ''}"}],
        "generation_metadata": {"model": "m", "sample_index": sample},
        "verified": False, "satisfied": False,
        "attempts": [{"code": patch, "grade": None, "usage": {}, "cost_usd": None, "latency_s": 0.0,
                      "finish_reason": "stop"}],
        "usage": {}, "cost_usd": None, "certificate": None, "schema": 1,
    }  # fmt: skip


def test_outcomes_joined_into_rows(tmp_path):
    """Each row gets the outcome of its instance, with the hashes of report and patch; the others stay as they were."""
    write_lines(tmp_path / "out.jsonl", [result_row("i-1", 0, PATCH), result_row("i-2", 0, None)])
    report = report_of(tmp_path / "r.json", resolved_ids=["i-1"], empty_patch_ids=["i-2"], unresolved_ids=[])
    found = list(join_report((r for _, r in read_results(tmp_path / "out.jsonl")), HarnessReport(report)))
    assert [r.harness.outcome for r in found] == ["resolved", "empty"]
    assert [r.verified for r in found] == [False, False]
    assert len({h for r in found for h in (r.harness.report_sha256, r.harness.patch_sha256)}) == 3


def test_reports_of_other_answers(tmp_path):
    """A report that calls a patch empty, or solves an issue without one, is about other answers."""
    write_lines(tmp_path / "out.jsonl", [result_row("i-1", 0, PATCH), result_row("i-2", 0, None)])
    rows = [r for _, r in read_results(tmp_path / "out.jsonl")]
    for lists in ({"empty_patch_ids": ["i-1"], "resolved_ids": []}, {"resolved_ids": ["i-2"]}):
        with pytest.raises(DataError, match="not about these answers"):
            list(join_report(rows, HarnessReport(report_of(tmp_path / "r.json", **lists))))


def test_samples_have_reports_of_their_own(tmp_path):
    """With several samples it has to be said which one a report is about."""
    rows = [result_row("i-1", n, PATCH) for n in range(2)]
    write_lines(tmp_path / "out.jsonl", rows)
    results = [r for _, r in read_results(tmp_path / "out.jsonl")]
    report = HarnessReport(report_of(tmp_path / "r.json", resolved_ids=["i-1"]))
    with pytest.raises(ConfigError, match="--sample"):
        list(join_report(results, report))
    assert [r.harness and r.harness.outcome for r in join_report(results, report, 1)] == [None, "resolved"]
    with pytest.raises(DataError, match="none of these answers of sample 9"):
        list(join_report(results, report, 9))


def test_the_command(tmp_path, codegen):
    """Shares beside the outcomes of the report; rows that say what was repaired; a foreign file is not overwritten."""
    malformed = "<patch>\n--- a/x.py\n+++ b/x.py\nthe line a = 1 must go\n</patch>"
    answers = [f"<patch>\n{PATCH}</patch>", f"<patch>\n{PATCH.replace('@@ -1 +1 @@', '@@ -1,4 +1,4 @@')}</patch>",
               malformed, "I can't.", ""]  # fmt: skip
    write_lines(tmp_path / "a.jsonl", ({"instance_id": f"i-{n}", "full_output": a} for n, a in enumerate(answers)))
    report_of(tmp_path / "r.json", resolved_ids=["i-0"], error_ids=["i-1", "i-2"], empty_patch_ids=["i-3", "i-4"])
    command = ["patches", "a.jsonl", "--harness-report", "r.json", "--output"]
    done = codegen(*command, "m.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert done.returncode == 0, done.stderr
    assert [r["state"] for r in rows] == ["as written", "repaired", "malformed", "no patch", "empty answer"]
    assert [r["harness_outcome"] for r in rows] == ["resolved", "error", "error", "empty", "empty"]
    assert rows[1]["patch"]["repairs"] == ["hunk-counts"]
    assert "malformed           1  20.0%         0      1      0" in done.stdout
    assert codegen(*command, "m.jsonl").returncode == 0
    refused = codegen(*command, "a.jsonl")
    assert (refused.returncode, "choose another file" in refused.stderr) == (2, True)


@pytest.mark.shared
def test_recorded_answers(shared, tmp_path, codegen):
    """No patch of the recorded oracle answers is lost; empty answers are told apart; the outcomes are the report's."""
    folder = shared / "data/swebench_oracle_outputs"
    (answers,) = folder.glob("*Lite_oracle*.jsonl")
    (report,) = folder.glob("*evaluation.json")
    done = codegen("patches", answers, "--harness-report", report, "--output", "m.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    recorded = [json.loads(line) for line in answers.read_text().splitlines()]
    empty = {r["instance_id"] for r in recorded if not (r["model_patch"] or "").strip()}
    assert {r["instance_id"] for r in rows if r["state"] == "empty answer"} == empty
    official = json.loads(report.read_text())
    outcomes = Counter(r["harness_outcome"] for r in rows)
    assert outcomes["resolved"] == len(official["resolved_ids"])
    assert outcomes["empty"] == len(official["empty_patch_ids"]) == len(empty)


def test_what_a_harness_resolved_is_exported_and_checked(tmp_path, codegen):
    """Resolved rows are exported as verified by that harness; a claim that the run does not bear out is named."""
    row = result_row("i-1", 0, PATCH)
    row["full_message_history"][1]["content"] = f"<patch>\n{PATCH}</patch>"
    write_lines(tmp_path / "out.jsonl", [row, {**row, "problem": {**row["problem"], "problem_id": "i-2"}}])
    report_of(tmp_path / "r.json", resolved_ids=["i-1"], unresolved_ids=["i-2"])
    assert codegen("patches", "out.jsonl", "--harness-report", "r.json", "--output", "m.jsonl").returncode == 0
    done = codegen("export", "m.jsonl", "--output", "sft.jsonl")
    (exported,) = [json.loads(line) for line in (tmp_path / "sft.jsonl").read_text().splitlines()]
    assert (done.returncode, exported["problem_id"], exported["verified_by"]) == (0, "i-1", "harness:swebench")
    checked = codegen("verify", "sft.jsonl", "--results", "m.jsonl")
    assert (checked.returncode, "1 of them rest on a report" in checked.stdout) == (0, True)
    write_lines(tmp_path / "sft.jsonl", [exported, exported | {"problem_id": "i-2"}])
    forged = codegen("verify", "sft.jsonl", "--results", "m.jsonl")
    assert (forged.returncode, "sft.jsonl:2 i-2" in forged.stdout, "sft.jsonl:1" in forged.stdout) == (1, True, False)


def test_a_repaired_patch_is_exported_as_repaired(tmp_path, codegen):
    """What the harness resolved is the repaired patch, so that one is trained on, and the claim holds."""
    said = PATCH.replace("@@ -1 +1 @@", "@@ -1,4 +1,4 @@")
    answers = [{"problem_id": "own__repo-0", "responses": [f"So:\n\n<patch>\n{said}</patch>"]}]
    write_lines(tmp_path / "a.jsonl", answers)
    write_lines(tmp_path / "issues.jsonl", [issue(0)])
    command = "generate --dataset swebench --source issues.jsonl --output out.jsonl --model replay:a.jsonl".split()
    assert codegen(*command).returncode == 0
    report_of(tmp_path / "r.json", resolved_ids=["own__repo-0"])
    assert codegen("patches", "out.jsonl", "--harness-report", "r.json", "--output", "m.jsonl").returncode == 0
    codegen("export", "m.jsonl", "--output", "sft.jsonl")
    (row,) = [json.loads(line) for line in (tmp_path / "sft.jsonl").read_text().splitlines()]
    assert row["messages"][-1]["content"] == f"<patch>\n{PATCH.strip()}\n</patch>"
    assert codegen("verify", "sft.jsonl", "--results", "m.jsonl").returncode == 0
