"""`codegen generate`: single-turn answers for any data set, SWE-bench with its patches, paid once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from code_generation.generate import named_after
from code_generation.grader import GraderOptions, open_grader
from code_generation.jsonl import write_lines
from code_generation.models import Sampling
from code_generation.prompts import PromptLibrary, PromptSet
from code_generation.providers.scripted import ScriptedProvider
from code_generation.sampler import SolutionSampler
from code_generation.scraper import SolvePolicy
from test_scripts.conftest import function_problem
from test_scripts.kills import problem
from test_scripts.model_server import serving

PATCH = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a = 1\n+a = 2\n"
AS_TYPED = "generate --dataset swebench --num-samples-per-problem 5 --temperature 0.8 --system-prompt-id helpful_coder \
--prompt-id basic".split()


def issue(number: int, **changes) -> dict:
    """A row of SWE-bench's oracle build."""
    shown = "[start of x.py]\n1 a = 1\n2 \n[end of x.py]"
    text = f"You will be provided with code.\n<issue>\nissue {number}\n</issue>\n{shown}\n"
    return {
        "instance_id": f"own__repo-{number}", "repo": "own/repo", "base_commit": "0" * 40, "patch": PATCH,
        "test_patch": PATCH.replace("x.py", "test_x.py"), "problem_statement": f"issue {number}", "hints_text": "do it",
        "text": text, **changes,
    }  # fmt: skip


@pytest.fixture
def issues(tmp_path):
    """Six issues in `issues.jsonl`, and what the model server needs to answer them in `served.jsonl`."""
    write_lines(tmp_path / "issues.jsonl", (issue(n) for n in range(6)))
    served = ({"problem_id": f"own__repo-{n}", "problem": f"issue {n}\n", "solutions": [],
               "metadata": {"answer": "patch", "patch": PATCH}} for n in range(6))  # fmt: skip
    write_lines(tmp_path / "served.jsonl", served)
    return tmp_path


def read(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_swebench_as_typed(issues, codegen):
    """Five rows an issue with their sample indices; the prompt is the row's own text; a predictions file a sample, as
    the official harness reads them; the same command again asks nothing and changes nothing.
    """
    with serving(problems=issues / "served.jsonl", solve_at_turn=0) as server:
        command = [*AS_TYPED, "--source", "issues.jsonl", "--output", "out.jsonl", "--model", "org/m"]
        done = codegen(*command, "--base-url", server.url, module="code_generation.generation_cli")
        before = (issues / "out.jsonl").read_bytes()
        again = codegen(*command, "--base-url", server.url, module="code_generation.generation_cli")
        seen = server.seen()
    assert (done.returncode, again.returncode, seen["bought"]) == (0, 0, 30), done.stderr + again.stderr
    assert (issues / "out.jsonl").read_bytes() == before
    rows = read(issues / "out.jsonl")
    assert Counter(r["problem"]["problem_id"] for r in rows) == {f"own__repo-{n}": 5 for n in range(6)}
    assert {r["generation_metadata"]["sample_index"] for r in rows} == set(range(5))
    for row in rows:
        asked = row["full_message_history"][1]["content"]
        assert asked == row["problem"]["metadata"]["text"]
        assert "a = 2" not in asked
        assert (row["final_code"], row["verified"], row["satisfied"]) == (PATCH, False, False)
        report = row["attempts"][0]["patch"]
        assert (report["applies"], report["applied_to"], report["similarity"]) == (True, "files of the prompt", 1.0)
    assert "30 answers, 30 with a well-formed patch" in done.stdout
    for n in range(5):
        predictions = read(issues / f"out.predictions.{n}.jsonl")
        by_instance = {p["instance_id"]: p for p in predictions}
        assert len(by_instance) == len(predictions) == 6
        assert {tuple(p) for p in predictions} == {("instance_id", "model_name_or_path", "model_patch")}
        assert {(p["model_name_or_path"], p["model_patch"]) for p in predictions} == {("org/m", PATCH)}


@pytest.mark.slow
def test_killed_and_resumed(issues, codegen):
    """Killed again and again, a run ends with every row once, and buys at most what was under way each time."""
    command = [
        sys.executable, "-m", "code_generation.generation_cli", *AS_TYPED, "--source", "issues.jsonl", "--output",
        "out.jsonl", "--model", "m", "--max-concurrent", "4",
    ]  # fmt: skip
    kills = 0
    with serving(problems=issues / "served.jsonl", latency=0.3, solve_at_turn=0) as server:
        for _ in range(2):
            with subprocess.Popen([*command, "--base-url", server.url], cwd=issues, stderr=subprocess.DEVNULL) as run:
                before, deadline = server.seen()["bought"], time.monotonic() + 60
                while server.seen()["bought"] < before + 6 and time.monotonic() < deadline and run.poll() is None:
                    time.sleep(0.05)
                kills += run.poll() is None
                run.send_signal(signal.SIGKILL)
        done = codegen(*command[3:], "--base-url", server.url, module="code_generation.generation_cli")
        bought = server.seen()["bought"]
    rows = [(r["problem"]["problem_id"], r["generation_metadata"]["sample_index"]) for r in read(issues / "out.jsonl")]
    assert (done.returncode, kills) == (0, 2)
    assert len(rows) == len(set(rows)) == 30
    assert bought <= 30 + 4 * kills


def test_graded_where_there_are_tests(tmp_path, codegen):
    """Any data set can be sampled: answers are graded, right and wrong ones are rows of the one file."""
    write_lines(tmp_path / "in.jsonl", (problem(n) for n in range(3)))
    with serving(problems=tmp_path / "in.jsonl", never=["k1"], solve_at_turn=0) as server:
        done = codegen(
            *("generate", "--dataset", "jsonl", "--source", "in.jsonl", "--output", "out.jsonl", "--model", "m"),
            *("--num-samples-per-problem", 2, "--base-url", server.url),
        )
    rows = read(tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    found = sorted((r["problem"]["problem_id"], r["verified"], len(r["attempts"])) for r in rows)
    assert found == [("k0", True, 1)] * 2 + [("k1", False, 1)] * 2 + [("k2", True, 1)] * 2
    assert not (tmp_path / "out.unsolved.jsonl").exists()
    assert "4 solved, 2 unsolved" in done.stdout


def test_rows_without_a_prompt(tmp_path, codegen):
    """A row with neither a text nor a clone is a bad row that says so; where all are, the command says it in a line."""
    rows = [issue(0), issue(1, text=None)]
    write_lines(tmp_path / "issues.jsonl", rows)
    write_lines(tmp_path / "none.jsonl", rows[1:])
    flags = ["--model", "m", "--base-url", "http://127.0.0.1:9", "--dry-run"]
    done = codegen("generate", "--dataset", "swebench", "--source", "issues.jsonl", "--output", "a.jsonl", *flags)
    assert (done.returncode, "issue 0" in done.stdout) == (0, True)
    assert "neither a field `text`" in done.stderr and "1 bad rows left out" in done.stderr
    none = codegen("generate", "--dataset", "swebench", "--source", "none.jsonl", "--output", "b.jsonl", *flags)
    assert (none.returncode, "none of its 1 rows can be asked about" in none.stderr) == (2, True)
    assert not list(tmp_path.glob("b.*"))


def git(folder, *words) -> str:
    names = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(
        ["git", *names, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("place", ["own__repo", "own/repo", "repo"])
def test_prompts_assembled_from_a_clone(tmp_path, codegen, place):
    """The files of the reference patch at the base commit, with line numbers; hints where asked for; no patch."""
    clone = tmp_path / "repos" / place
    clone.mkdir(parents=True)
    git(clone, "init", "-q")
    (clone / "x.py").write_text("a = 1\n")
    git(clone, "add", "x.py")
    git(clone, "commit", "-qm", "base")
    base = git(clone, "rev-parse", "HEAD")
    (clone / "x.py").write_text("a = 'later'\n")
    git(clone, "commit", "-qam", "later")
    row = issue(0, text=None, base_commit=base)
    write_lines(tmp_path / "issues.jsonl", [row, issue(1, text=None, base_commit="1" * 40)])
    flags = "--model m --base-url http://127.0.0.1:9 --repos repos --dry-run".split()
    command = ["generate", "--dataset", "swebench", "--source", "issues.jsonl", *flags]
    done = codegen(*command, "--output", "a.jsonl")
    assert done.returncode == 0, done.stderr
    assert "[start of x.py]\n1 a = 1\n2 \n[end of x.py]" in done.stdout
    assert "<issue>\nissue 0\n</issue>\n<code>" in done.stdout
    assert "a = 2" not in done.stdout and "do it" not in done.stdout
    assert "does not have the commit '1111" in done.stderr
    hinted = codegen(*command, "--output", "b.jsonl", "--include-hints")
    assert "</issue>\n<hints>\ndo it\n</hints>\n<code>" in hinted.stdout


def test_the_sampler_as_a_library():
    """`SolutionSampler` gives n graded answers a problem without any file."""
    right, wrong = "def f(x):\n    return x + 1", "def f(x):\n    return x"
    task = function_problem(([1], 2), solutions=[right], incorrect_solutions=[wrong])
    policy = SolvePolicy(prompts=PromptSet(PromptLibrary()), sampling=Sampling())

    async def run():
        async with open_grader(GraderOptions()) as grader:
            sampler = SolutionSampler(ScriptedProvider("reference", {"p": task}), grader, policy, n_samples=3)
            return [r async for r in sampler.sample_all([task])]

    found = asyncio.run(run())
    assert sorted(r.generation_metadata["sample_index"] for r in found) == [0, 1, 2]
    assert all(r.verified and len(r.attempts) == 1 for r in found)


def test_names_of_results():
    """Without --output the file is named after data set, model and time."""
    name = named_after("swebench", "org/model:x").name
    assert name.startswith("swebench_org-model-x_2") and name.endswith(".jsonl")


def test_other_options_make_other_problems(tmp_path, codegen):
    """A larger --limit makes the problem file anew and asks about what is new; what is done stays done."""
    write_lines(tmp_path / "in.jsonl", (problem(n) for n in range(3)))
    command = [
        "generate",
        "--dataset",
        "jsonl",
        "--source",
        "in.jsonl",
        "--output",
        "out.jsonl",
        "--model",
        "scripted:reference",
    ]
    first = codegen(*command, "--limit", 1)
    second = codegen(*command, "--max-problems", 3)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert [r["problem"]["problem_id"] for r in read(tmp_path / "out.jsonl")] == ["k0", "k1", "k2"]
    assert "1 were done before" in second.stdout


def generated(codegen, *more):
    command = "generate --dataset jsonl --source in.jsonl --output out.jsonl --model scripted:reference".split()
    return codegen(*command, *more)


@pytest.mark.slow
def test_a_run_is_about_the_same_problems(tmp_path, codegen):
    """Where a source has other words or tests by now, or the problem file was edited, nothing is mixed: one line, and
    the rows stay; --force starts anew.
    """
    rows = [problem(n) for n in range(3)]
    write_lines(tmp_path / "in.jsonl", rows)
    assert generated(codegen, "--limit", 2).returncode == 0
    kept = (tmp_path / "out.jsonl").read_bytes()
    write_lines(tmp_path / "in.jsonl", [rows[0] | {"problem": "Other words for add_k0."}, *rows[1:]])
    other = generated(codegen, "--limit", 3)
    assert (other.returncode, "other words or tests for 1 problems" in other.stderr) == (2, True)
    with (tmp_path / "out.problems.jsonl").open("a") as file:
        file.write(json.dumps(problem(9)) + "\n")
    edited = generated(codegen, "--limit", 2)
    assert (edited.returncode, "was changed since" in edited.stderr) == (2, True)
    assert (tmp_path / "out.jsonl").read_bytes() == kept
    assert not list(tmp_path.glob(".*.draft*"))
    assert generated(codegen, "--limit", 3, "--force").returncode == 0
    assert len(read(tmp_path / "out.jsonl")) == 3
    warned = generated(codegen, "--limit", 3, "--temperature", 0.3)
    assert "3 rows are of model reference, prompts basic and helpful_coder, temperature None" in warned.stderr
    assert "3 conversations, all of them done before" in warned.stdout


def test_a_foreign_output_is_refused_first(tmp_path, codegen):
    """A file that holds something else is refused before anything is written beside it."""
    write_lines(tmp_path / "in.jsonl", [problem(0)])
    (tmp_path / "out.jsonl").write_text("# notes\n")
    done = generated(codegen)
    assert (done.returncode, "not a result row" in done.stderr) == (2, True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
