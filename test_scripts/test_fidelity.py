"""Recorded answers: each kind of log is read as it stands, and what differs without a reason is a fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fidelity
import fidelity_reasons
import recorded

CHECK = "def check(candidate):\n    assert candidate(2) == 4\n"
RIGHT, WRONG = "def f(x):\n    return x * 2\n", "def f(x):\n    return x\n"


def save(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows) if path.suffix == ".jsonl" else json.dumps(rows))


def log_row(row_id, code, solved, **more):
    return {"name": row_id, "entry_point": "f", "test": CHECK, "solution": code, "is_solved": solved, **more}


def page(tmp_path, monkeypatch, rows, reasons=None, listed=()):
    """The page over one log, and its exit status."""
    save(tmp_path / "UNRELIABLE_VERDICTS.json", {"rows": {"mine": list(listed)}})
    save(tmp_path / "log.jsonl", rows)
    monkeypatch.setattr(fidelity, "LOGS", (recorded.Log(name="mine", path="log.jsonl", read=recorded.logged),))
    monkeypatch.setattr(fidelity, "REFERENCES", ())
    monkeypatch.setattr(fidelity, "REASONS", reasons or {})
    status = fidelity.main([str(tmp_path), "--output", str(tmp_path / "page.md")])
    return status, (tmp_path / "page.md").read_text()


def test_verdicts_that_agree(tmp_path, monkeypatch):
    status, text = page(tmp_path, monkeypatch, [log_row("a", RIGHT, solved=True), log_row("b", WRONG, solved=False)])
    assert status == 0
    assert "| mine | 2 | 0 | 0 | 0 | 2 | 0 | 100.00% |" in text


def test_a_difference_needs_a_reason(tmp_path, monkeypatch):
    rows = [log_row("a", RIGHT, solved=False)]
    status, text = page(tmp_path, monkeypatch, rows)
    assert status == 1
    assert "| mine | a | fail | pass |" in text
    assert fidelity.UNEXPLAINED in text
    status, text = page(tmp_path, monkeypatch, rows, {("mine", "a"): "It is so."})
    assert status == 0
    assert "It is so." in text


def test_an_unreliable_row_is_counted_apart_only_where_it_passes(tmp_path, monkeypatch):
    rows = [log_row("a", RIGHT, solved=False), log_row("b", WRONG, solved=True)]
    status, text = page(tmp_path, monkeypatch, rows, listed=["a", "b"])
    assert status == 1
    assert "| mine | 2 | 0 | 1 | 0 | 0 | 1 | 0.00% |" in text


def test_a_log_with_replies(tmp_path):
    """A failure of record is about the code that the log found; where we find other code it says nothing."""
    reply = f"First:\n```python\n{WRONG}```\nBetter:\n```python\n{RIGHT}```\n"
    row = log_row("a", None, solved=False, source_codes=[WRONG], responses=[reply])
    del row["solution"]
    save(tmp_path / "log.jsonl", [row])
    (judged,) = recorded.logged(tmp_path, "log.jsonl")
    (found,) = recorded.logged(tmp_path, "log.jsonl", reply=True)
    assert (judged.code, judged.decisive) == (WRONG, True)
    assert (found.code.strip(), found.decisive) == (RIGHT.strip(), False)


@pytest.mark.parametrize("schema", ["old", "new"])
def test_evalplus_results(tmp_path, monkeypatch, schema):
    """Both schemas of its results; plus means base and plus."""
    monkeypatch.setattr(recorded, "evalplus_problems", lambda *_, plus: {"H/1": plus})
    save(tmp_path / "x_humaneval_generated.jsonl", [{"task_id": t, "solution": RIGHT} for t in ("H/1", "H/2")])
    old = {"base": [["success", [1]]], "plus": [["failed", []]]}
    new = [{"solution": RIGHT, "base_status": "pass", "plus_status": "fail"}]
    results = {"eval": {"H/1": old if schema == "old" else new, "H/2": old if schema == "old" else new}}
    save(tmp_path / "x_humaneval_eval_results.json", results)
    for plus, passed in ((False, True), (True, False)):
        one, other = recorded.evalplus(tmp_path, "x_humaneval_generated.jsonl", plus=plus)
        assert (one.code, one.passed, one.problem) == (RIGHT, passed, plus)
        assert other.problem is None


def test_livecodebench_answers(tmp_path):
    """Official failures say nothing about the public tests alone."""
    row = {"question_id": "q", "question_content": "Double.", "starter_code": "", "metadata": "{}"}
    tests = json.dumps([{"input": "2", "output": "4", "testtype": "stdin"}])
    save(tmp_path / "livecodebench/lcb_public_400.jsonl", [row | {"public_test_cases": tests}])
    code = "print(2 * int(input()))"
    answer = {"output_list": [f"```python\n{code}\n```"], "code_list": [code], "graded_list": [False]}
    save(tmp_path / "o1.json", [answer | {"question_id": "q"}, answer | {"question_id": "other"}])
    one, other = recorded.livecodebench(tmp_path, "o1.json", reply=True)
    assert (one.code, one.passed, one.decisive) == (code, False, False)
    assert one.problem is not None
    assert other.problem is None


def test_references_that_fail_are_counted_by_problem(tmp_path, monkeypatch):
    test = {"input": [2], "output": 4, "type": "functional"}
    row = {"problem_id": "p", "problem": "Double.", "metadata": {"func_name": "f"}, "test_cases": [test]}
    save(tmp_path / "mine.jsonl", [row | {"solutions": [RIGHT, WRONG, WRONG]}, {"problem_id": "q"}])
    mine = recorded.Reference(name="mine", dataset="jsonl", path="mine.jsonl")
    save(tmp_path / "UNRELIABLE_VERDICTS.json", {"rows": {}})
    monkeypatch.setattr(fidelity, "LOGS", ())
    monkeypatch.setattr(fidelity, "REFERENCES", (mine,))
    assert fidelity.main([str(tmp_path), "--output", str(tmp_path / "page.md")]) == 1
    text = (tmp_path / "page.md").read_text()
    assert "| mine | 1 | 1 | 0 | 3 | 1 | 33.33% |" in text
    assert f"| mine | p | 2 | wrong_answer | {fidelity.UNEXPLAINED} |" in text
    assert "- mine, 1 rows: " in text


def test_every_reason_is_about_a_log_or_a_file():
    names = {log.name for log in recorded.LOGS} | {r.name for r in recorded.REFERENCES}
    names |= {n.partition(" ")[0] for n in names}
    assert {source for source, _ in fidelity_reasons.REASONS} <= names


@pytest.mark.shared
@pytest.mark.slow
def test_the_genuine_logs(shared, tmp_path):
    """All that differs has a reason, over everything that was recorded."""
    command = [sys.executable, fidelity.__file__, shared / "data", "--output", tmp_path / "page.md"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
