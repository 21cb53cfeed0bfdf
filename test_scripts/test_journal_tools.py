"""`codegen journal` as typed: what it shows, what it finds, what it drops; and where a run's time went."""

from __future__ import annotations

import json

import pytest

from test_scripts.kills import problem
from test_scripts.model_server import serving


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a run of three problems of two turns, the third without its row, and a broken line."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("run")
    (folder / "in.jsonl").write_text("".join(json.dumps(problem(n)) + "\n" for n in range(3)))
    with serving(problems=folder / "in.jsonl", solve_at_turn=1) as server:
        command = [sys.executable, "-m", "code_generation", "scrape", "in.jsonl", "out.jsonl", "--model", "m"]
        subprocess.run([*command, "--base-url", server.url], cwd=folder, check=True, capture_output=True)
    rows = (folder / "out.jsonl").read_text().splitlines(keepends=True)
    (folder / "out.jsonl").write_text("".join(row for row in rows if '"k2"' not in row[:40]))
    with (folder / "out.journal.jsonl").open("a") as file:
        file.write("not an answer\n")
    return folder


def test_show(finished, codegen):
    """A line an answer with model, tokens and how it begins; one problem's answers in full."""
    done = codegen("journal", "show", "out.jsonl", cwd=finished)
    assert done.returncode == 0
    assert done.stdout.count("custom:m, stop") == 6
    assert "k0 sample 0 turn 2" in done.stdout
    one = codegen("journal", "show", "out.journal.jsonl", "--problem", "k1", cwd=finished).stdout
    assert one.count("custom:m") == 2
    assert "def add_k1(n):\n    return n + 1" in one
    assert "k0" not in one


def test_check_then_compact(finished, codegen):
    """Checking names the broken line; compacting drops it and the answers that have their row, and nothing else: the
    run that goes on still buys nothing.
    """
    done = codegen("journal", "check", "out.jsonl", cwd=finished)
    assert (done.returncode, "line 7 is no answer" in done.stdout) == (1, True)
    assert "6 answers: 4 of finished conversations, 2 of others; 0 stand twice, 1 lines are broken" in done.stdout
    done = codegen("journal", "compact", "out.jsonl", cwd=finished)
    assert (done.returncode, done.stdout.startswith("2 answers kept, 4 dropped: ")) == (0, True)
    assert codegen("journal", "check", "out.jsonl", cwd=finished).returncode == 0
    with serving(problems=finished / "in.jsonl", solve_at_turn=1) as server:
        done = codegen("scrape", "in.jsonl", "out.jsonl", "--model", "m", "--base-url", server.url, cwd=finished)
        assert (done.returncode, server.seen()["requests"]) == (0, 0)
    assert len((finished / "out.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("command", ["show", "check", "compact"])
def test_no_journal(tmp_path, codegen, command):
    """Where there is no journal, one line says so."""
    done = codegen("journal", command, "none.jsonl")
    assert (done.returncode, done.stderr.count("\n"), "none.journal.jsonl" in done.stderr) == (2, 1, True)


@pytest.mark.slow
def test_where_the_time_goes(tmp_path, codegen):
    """The profile has each problem's seconds and shares of model calls, waiting, execution and I/O, and their sum; what
    waits for a model shows as waiting for a model.
    """
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(problem(n)) + "\n" for n in range(3)))
    with serving(problems=tmp_path / "in.jsonl", solve_at_turn=1, latency=1) as server:
        done = codegen(
            "in.jsonl", "out.jsonl", "--model", "m", "--base-url", server.url, "--profile-output", "p.json",
            module="code_generation.test_scripts.scraper_profiled",
        )  # fmt: skip
    profile = json.loads((tmp_path / "p.json").read_text())
    assert (done.returncode, len(profile["problems"]), "3 problems profiled" in done.stdout) == (0, 3, True)
    for row in [*profile["problems"], profile["total"]]:
        seconds, shares = row["seconds"], row["shares"]
        assert sum(seconds.values()) - seconds["total"] == pytest.approx(seconds["total"], abs=0.01)
        assert sum(shares.values()) == pytest.approx(1, abs=0.01)
        assert shares["model_calls"] > 0.4
    assert [row["turns"] for row in profile["problems"]] == [2, 2, 2]
