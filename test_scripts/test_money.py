"""What a run costs, as typed: costs that agree with the server's own counts, caps that hold, an estimate, batches."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from test_scripts.kills import kill_runs, options_of, problem
from test_scripts.model_server import serving

PRICES = {"input": 1000, "cached_input": 100, "cache_write": 1250, "output": 4000, "reasoning": 5000}
"""Dollars per million tokens, so that a token costs something to look at."""


@pytest.fixture
def folder(tmp_path):
    """A folder with eight problems in `in.jsonl`."""
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(problem(n)) + "\n" for n in range(8)))
    return tmp_path


def registry(folder, server, **more):
    """A registry file whose one model is priced."""
    entry = {"name": "priced", "model": "m", "base_url": server.url, "prices": PRICES | {"batch_discount": 0.5}, **more}
    (folder / "models.json").write_text(json.dumps({"models": [entry]}))


def paid(tokens: dict, share: float = 1.0) -> float:
    """What the server's counts come to."""
    plain = tokens["input"] - tokens["cached"] - tokens["written"]
    dollars = (
        plain * PRICES["input"] + tokens["cached"] * PRICES["cached_input"] + tokens["written"] * PRICES["cache_write"]
        + (tokens["output"] - tokens["reasoning"]) * PRICES["output"] + tokens["reasoning"] * PRICES["reasoning"]
    )  # fmt: skip
    return dollars / 1e6 * share


def results(folder) -> list[dict]:
    paths = (folder / "out.jsonl", folder / "out.unsolved.jsonl")
    return [json.loads(line) for p in paths if p.exists() for line in p.read_text().splitlines()]


def session(folder) -> dict:
    """The last session of the manifest."""
    return json.loads((folder / "out.jsonl.manifest.json").read_text())["sessions"][-1]


COMMAND = ["scrape", "in.jsonl", "out.jsonl", "--model-config", "models.json"]


@pytest.mark.parametrize(
    ("dialect", "more", "batch"),
    [("messages", {"thinking_tokens": 1024}, False),
     pytest.param("chat", {}, False, marks=pytest.mark.slow),
     pytest.param("responses", {"reasoning_effort": "high"}, False, marks=pytest.mark.slow),
     pytest.param("chat", {}, True, marks=pytest.mark.slow),
     pytest.param("messages", {"thinking_tokens": 1024}, True, marks=pytest.mark.slow)],
)  # fmt: skip
def test_rows_run_and_server_agree(folder, codegen, dialect, more, batch):
    """The sum over the rows is the run's total is what the server's own counts of tokens come to: cached, written and
    reasoning tokens at their prices, a batch at its.
    """
    flags = ["--batch", "--batch-settle", 0.3, "--batch-poll", 0.3] if batch else []
    with serving(problems=folder / "in.jsonl", solve_at_turn=2, auto_cache=True) as server:
        registry(folder, server, dialect=dialect, **more)
        done = codegen(*COMMAND, *flags)
        tokens = server.seen(brief=True)["tokens"]
    assert (done.returncode, done.stderr) == (0, "")
    due = paid(tokens, 0.5 if batch else 1.0)
    assert tokens["cached"] > 0 or batch
    assert sum(row["cost_usd"] for row in results(folder)) == pytest.approx(due)
    assert session(folder)["calls"]["spent_usd"] == pytest.approx(due)
    for row in results(folder):
        assert row["cost_usd"] == pytest.approx(sum(a["cost_usd"] for a in row["attempts"]))
    assert "a verified row" in done.stdout


def test_a_cap_ends_a_run(folder, codegen):
    """At the cap the run ends with exit status 1, says what is left, and goes on with a higher one; what the server
    sold never costs more, faults and resumes included.
    """
    faults = ["server_error=0.1", "truncate=0.1", "rate_limit=0.1"]
    with serving(problems=folder / "in.jsonl", solve_at_turn=3, random_fault=faults) as server:
        registry(folder, server)
        sold = []
        for cap in (8, 8, 16):
            done = codegen(*COMMAND, "--max-tokens", 200, "--max-cost-usd", cap)
            sold.append(paid(server.seen(brief=True)["tokens"]))
            assert sold[-1] <= session(folder)["calls"]["spent_usd"] + 1e-9
            if session(folder)["status"] != "finished":
                assert (done.returncode, "the budget is spent" in done.stderr, " left" in done.stderr) == (
                    1,
                    True,
                    True,
                )
                assert session(folder)["status"] == "budget spent"
            assert sold[-1] <= cap
        assert sold[0] > 2
        assert codegen(*COMMAND, "--max-tokens", 200, "--max-cost-usd", 500).returncode == 0
        assert server.seen(brief=True)["bought_twice"] == 0
    assert len(results(folder)) == 8


@pytest.mark.parametrize(
    ("flags", "entry", "words"),
    [(["--max-cost-usd", 5], {"prices": None}, "prices"), (["--max-cost-usd", 5], {}, "--max-tokens"),
     (["--max-cost-usd", 0, "--max-tokens", 9], {}, "must be more than 0"),
     (["--pilot", 1, "--estimate"], {}, "--pilot"),
     (["--batch"], {"provider": "ollama"}, "no batches")],
)  # fmt: skip
def test_what_can_not_be_kept_is_refused(folder, codegen, flags, entry, words):
    """A cap without a price or without a longest answer, and batches of a service that has none, are one line."""
    with serving(problems=folder / "in.jsonl") as server:
        registry(folder, server)
        data = json.loads((folder / "models.json").read_text())
        merged = data["models"][0] | entry
        data["models"] = [{k: v for k, v in merged.items() if v is not None}]
        (folder / "models.json").write_text(json.dumps(data))
        done = codegen(*COMMAND, *flags)
        assert (done.returncode, done.stderr.count("\n"), server.seen()["requests"]) == (2, 1, 0)
    assert words in done.stderr


@pytest.mark.slow
def test_a_problem_has_a_cap(folder, codegen):
    """A conversation that could cost more than its problem may ends with what is there, as unsolved."""
    with serving(problems=folder / "in.jsonl", mode="wrong") as server:
        registry(folder, server)
        done = codegen(*COMMAND, "--max-tokens", 100, "--max-cost-per-problem-usd", 2)
    assert done.returncode == 0
    assert len(results(folder)) == 8
    for row in results(folder):
        assert 0 < row["cost_usd"] <= 2
        assert row["generation_metadata"]["ended"].startswith("conversation over: the next call could cost more")


def test_an_estimate_is_a_part_of_the_run(folder, codegen):
    """The pilot's rows and answers count: estimating again and running on buy none of them again."""
    with serving(problems=folder / "in.jsonl", solve_at_turn=1) as server:
        registry(folder, server)
        first = codegen(*COMMAND, "--estimate", "--pilot", 4)
        bought = server.seen(brief=True)["bought"]
        again = codegen(*COMMAND, "--estimate", "--pilot", 4)
        assert (first.returncode, again.returncode, server.seen(brief=True)["bought"], bought) == (0, 0, 8, 8)
        codegen(*COMMAND)
        seen = server.seen(brief=True)
    said = first.stdout[first.stdout.index("pilot:") :]
    assert said.startswith("pilot: 4 of 8 conversations\ncost: $")
    assert said == again.stdout[again.stdout.index("pilot:") :]
    assert (seen["bought"], seen["bought_twice"], len(results(folder))) == (16, 0, 8)


BATCHED = ["--batch", "--batch-settle", "0.3", "--batch-poll", "0.3"]


def killed_in_batches(*more, dialect="chat", runs=1):
    """Runs of batches that are killed between and within steps."""
    flags = [f"--flag={flag}" for flag in BATCHED]
    words = "--problems 8 --turns 2 --concurrent 8 --latency 1 --kills 2 --parallel 1".split()
    return kill_runs(options_of(["--dialect", dialect, "--runs", str(runs), *words, *flags, *more]))


def test_a_run_in_batches_that_is_killed():
    """Killed between and within its steps, a run in batches gives the rows of an online run; no line is submitted that
    a batch held which existed, and no answer is lost.
    """
    (found,) = killed_in_batches("--server=batch_delay=0.5", "--server=batch_fault=submit_lost")
    assert (found.status, found.same_rows, found.recorded_twice, found.left, found.needless) == (0, True, 0, 0, 0)
    assert found.bought_twice == 0


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_batches_with_every_fault(dialect):
    """The same with answers to submits lost, downloads cut, batches that expire and are cancelled, lines that fail."""
    names = ("upload_lost", "submit_lost", "submit_500", "poll_500", "cut", "cut_reset", "expired", "cancelled")
    faults = [f"--server=batch_random_fault={name}=0.15" for name in names]
    lines = ["--server=batch_random_line_fault=server_error=0.1"]
    found = killed_in_batches("--server=batch_delay=0.5", *faults, *lines, dialect=dialect, runs=2)
    assert [
        f for f in found if (f.status, f.same_rows, f.recorded_twice, f.left, f.needless) != (0, True, 0, 0, 0)
    ] == []


@pytest.mark.slow
def test_without_the_flag_batches_are_still_waited_for(folder, codegen):
    """A run that goes on without --batch takes up the batches that are under way, and asks the rest online."""
    with serving(problems=folder / "in.jsonl", solve_at_turn=1, batch_delay=4) as server:
        registry(folder, server)
        command = [*COMMAND, *BATCHED]
        with subprocess.Popen([sys.executable, "-m", "code_generation", *command], cwd=folder) as process:
            while not server.seen(brief=True)["batches_created"]:
                time.sleep(0.05)
            time.sleep(0.5)
            process.kill()
        done = codegen(*COMMAND)
        seen = server.seen(brief=True)
    assert (done.returncode, len(results(folder))) == (0, 8)
    assert (seen["batches_created"], seen["bought"], seen["bought_twice"]) == (1, 16, 0)


@pytest.mark.slow
def test_a_lost_submission_and_a_kill(folder, codegen):
    """A batch whose id was never told, and whose run was killed then, is found again and not submitted a second time;
    --force is refused while it is under way.
    """
    with serving(problems=folder / "in.jsonl", mode="right", batch_delay=3, batch_fault=["submit_lost"]) as server:
        registry(folder, server)
        command = [sys.executable, "-m", "code_generation", *COMMAND, *BATCHED]
        with subprocess.Popen(command, cwd=folder) as process:
            while not server.seen(brief=True)["batches_created"]:
                time.sleep(0.01)
            process.kill()
        refused = codegen(*COMMAND, *BATCHED, "--force")
        done = codegen(*COMMAND, *BATCHED)
        seen = server.seen(brief=True)
    assert (refused.returncode, "1 batches are under way" in refused.stderr) == (2, True)
    assert (done.returncode, len(results(folder))) == (0, 8)
    assert (seen["batches_created"], seen["lines_submitted_twice"], seen["bought"]) == (1, 0, 8)
