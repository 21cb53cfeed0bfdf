"""Real corpora through the whole loop: recorded answers of models with recorded verdicts, and the gauntlet."""

from __future__ import annotations

import json

import pytest

from code_generation.extract import fenced
from code_generation.jsonl import decode
from code_generation.models import CodeProblem, TestCase
from test_scripts.test_grader import verdicts

EXPLAINED = {
    "MBPP/436": "the record's tests say `== (-1,-6)`, the data set's `== -1,-6`, which is `assert f(...) == -1, -6`",
}
"""Rows on which the recorded verdict is not to be relied on."""


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.shared
@pytest.mark.slow
def test_recorded_answers_get_their_verdicts(shared, tmp_path, codegen):
    """The answers of a published run, replayed through `scrape`, are verified where the record says solved."""
    answers = {
        f"mbpp/{r['task_id'].partition('/')[2]}": r for r in lines(shared / "data/outputs_ldb/ldb_mbpp_gpt35.jsonl")
    }
    source = shared / "data/mbpp/mbpp.jsonl"
    done = codegen("preprocess", "mbpp", "--source", source, "--output", "mbpp.jsonl")
    assert done.returncode == 0
    problems = [p for p in lines(tmp_path / "mbpp.jsonl") if p["problem_id"] in answers]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(p) + "\n" for p in problems))
    replies = [
        {"problem_id": p["problem_id"], "responses": [fenced(answers[p["problem_id"]]["solution"])]} for p in problems
    ]
    (tmp_path / "replay.jsonl").write_text("".join(json.dumps(r) + "\n" for r in replies))
    done = codegen("scrape", "in.jsonl", "out.jsonl", "--max-turns", 1, "--model", "replay:replay.jsonl", timeout=1200)
    assert done.returncode == 0, done.stderr
    rows = lines(tmp_path / "out.jsonl") + lines(tmp_path / "out.unsolved.jsonl")
    found = {r["problem"]["problem_id"]: r["verified"] for r in rows}
    assert len(found) == len(problems) > 200
    differing = {
        k: v for k, v in found.items() if v != answers[k]["is_solved"] and k.replace("mbpp", "MBPP") not in EXPLAINED
    }
    assert differing == {}


def gauntlet_problem(case: dict) -> CodeProblem:
    """A case of the gauntlet in this project's form."""
    given, kind = case["problem"], case["kind"]
    read = decode if kind == "functional" else str
    tests = [
        TestCase(
            input=read(t["input"]), output=None if kind == "assert" else read(t["output"]),
            type=kind, is_public=t["visibility"] == "public",
        )
        for t in given["tests"]
    ]  # fmt: skip
    metadata = {"func_name": given.get("func_name"), "setup_code": given.get("test_setup")}
    if tolerance := given.get("tolerance"):
        metadata["comparison"] = {"name": "float", "abs_tol": tolerance, "rel_tol": tolerance}
    return CodeProblem(
        problem_id=case["id"], problem=given["prompt"], solutions=[], test_cases=tests, metadata=metadata
    )


@pytest.mark.shared
@pytest.mark.slow
def test_gauntlet(shared):
    """Every hostile and every odd honest solution of the gauntlet that is safe to run here gets its verdict."""
    cases = [decode(line) for line in (shared / "gauntlet/cases.jsonl").read_text("utf-8").splitlines()]
    cases = {c["id"]: c for c in cases if c["danger"] == "none" and c["gate"]}
    found = verdicts({name: (gauntlet_problem(c), c["solution"]) for name, c in cases.items()})
    assert found == {name: c["expect"] for name, c in cases.items()}
