"""Every format from real runs: the demo, and recorded answers of models to MBPP and LiveCodeBench played through."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest

from code_generation.exporters.table import EXPORTERS
from code_generation.extract import extract_code, fenced
from code_generation.jsonl import encode, read_lines
from code_generation.records import to_json_object
from code_generation.results import read_results
from test_scripts.recorded import livecodebench

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
FORMATS = [*EXPORTERS, "parquet"]
MOST = 60


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(encode(row) + "\n" for row in rows))


def mbpp(shared: Path) -> tuple[list[dict], list[dict]]:
    """Problems and answers turn by turn of a published multi-turn run."""
    problems, replies = [], []
    lines = (shared / "data/outputs_mapcoder/chatgpt_reflexion_mbpp.jsonl").read_text("utf-8").splitlines()
    for row in map(json.loads, lines[:MOST]):
        tests = row["test"].split("\ndef test_check")[0]
        problems.append(
            {
                "problem_id": row["name"], "problem": row["prompt"], "metadata": {"func_name": row["entry_point"]},
                "test_cases": [{"input": tests, "output": None, "type": "assert", "is_public": False}],
            }
        )  # fmt: skip
        turns = row["implementations"]
        turns = ast.literal_eval(turns) if isinstance(turns, str) else turns
        replies.append({"problem_id": row["name"], "responses": [fenced(t) for t in [*(turns or []), row["solution"]]]})
    return problems, replies


def lcb(shared: Path) -> tuple[list[dict], list[dict]]:
    """Problems with their public tests, and raw replies of a reasoning model: right ones, and what it said wrongly."""
    path = "outputs_lcb/o1_mini_eval_all.json"
    said = {row["question_id"]: row["output_list"][0] for row in json.loads((shared / "data" / path).read_text())}
    problems, replies = [], []
    for answer in livecodebench(shared / "data", path):
        problem = answer.problem
        if problem is None or problem.problem_id in {p["problem_id"] for p in problems} or len(problems) == MOST:
            continue
        name = next((k for k in said if problem.problem_id.endswith(f"/{k}")), None)
        if name is None:
            continue
        problems.append(to_json_object(problem))
        wrong = said[name].replace("print(", "print('no', ").replace("return ", "return None and ")
        replies.append({"problem_id": problem.problem_id, "responses": [wrong, said[name]]})
    return problems, replies


def check_all(folder: Path, codegen, files: list[str]) -> dict[str, int]:
    """Export in every format and verify each again; the number of rows by format."""
    counts = {}
    for name in FORMATS:
        output = f"{name}.{'parquet' if name == 'parquet' else 'jsonl'}"
        more = ["--max-length-ratio", 100] if name == "dpo" else []  # first answers of record are mere fragments
        done = codegen("export", *files, "--format", name, "--output", output, *more, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        card = json.loads((folder / f"{output}.export.json").read_text())
        counts[name] = card["output"]["rows"]
        if name not in {"parquet", "rl"} and counts[name]:
            done = codegen("verify", output, "--results", *files, timeout=600)
            assert done.returncode == 0, done.stdout + done.stderr
    return counts


def test_a_demo_gives_every_format(tmp_path, codegen):
    """What `codegen demo` solved becomes rows of every format, and each of them holds."""
    assert codegen("demo", "--output-dir", ".").returncode == 0
    counts = check_all(tmp_path, codegen, ["solutions.jsonl", "unsolved.jsonl"])
    assert all(counts.values()), counts


@pytest.mark.shared
@pytest.mark.parametrize("source", [mbpp, lcb])
def test_recorded_runs_give_every_format(shared, tmp_path, codegen, source):
    """Answers of real models, played through with feedback, become rows of every format, and each of them holds."""
    problems, replies = source(shared)
    write(tmp_path / "in.jsonl", problems)
    write(tmp_path / "replay.jsonl", replies)
    done = codegen("scrape", "in.jsonl", "out.jsonl", "--model", "replay:replay.jsonl", timeout=1200)
    assert done.returncode == 0, done.stderr
    counts = check_all(tmp_path, codegen, ["out.jsonl", "out.unsolved.jsonl"])
    assert all(counts.values()), counts
    proven = {r.problem.problem_id: r for _, r in read_results(tmp_path / "out.jsonl") if r.verified}
    for _, row in read_lines(tmp_path / "sft.jsonl"):
        result = proven[row["problem_id"]]
        assert extract_code(row["messages"][-1]["content"], result.problem.view()) == result.final_code
