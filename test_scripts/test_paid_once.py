"""Nothing that was paid for is lost or bought twice, and a conversation stays as it was: runs, killed and resumed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from code_generation.journal import read_entries
from test_scripts.kills import kill_runs, options_of, plain, problem
from test_scripts.model_server import serving


@pytest.fixture
def folder(tmp_path):
    """A folder with six problems in `in.jsonl`."""
    lines = [json.dumps(problem(n)) + "\n" for n in range(6)]
    (tmp_path / "in.jsonl").write_text("".join(lines))
    return tmp_path


def rows(folder, name="out") -> list[dict]:
    """The rows of both files of a run."""
    paths = (folder / f"{name}.jsonl", folder / f"{name}.unsolved.jsonl")
    return [json.loads(line) for p in paths if p.exists() for line in p.read_text().splitlines()]


def comparable(found: list[dict]) -> list[str]:
    return sorted(json.dumps(plain(row), sort_keys=True) for row in found)


def test_a_run_that_is_killed_and_killed():
    """However a run is killed, its rows are those of an undisturbed one, and no recorded answer is bought again."""
    small = "--runs 1 --problems 8 --turns 3 --concurrent 8 --latency 0.4 --kills 2 --parallel 1".split()
    (found,) = kill_runs(options_of(small))
    assert (found.status, found.same_rows, found.recorded_twice, found.left) == (0, True, 0, 0)
    assert found.kills and found.bought_twice <= 3 * found.kills


@pytest.mark.slow
def test_runs_that_are_killed_at_random():
    """Ten runs of 60 problems and 8 turns, three kills each; `python -m test_scripts.kills` makes a hundred."""
    found = kill_runs(options_of("--runs 10 --kills 3 --latency 0.5".split()))
    assert [f for f in found if (f.status, f.same_rows, f.recorded_twice, f.left) != (0, True, 0, 0)] == []
    assert sum(f.bought_twice for f in found) <= 3 * sum(f.kills for f in found)


THINKING = {
    "chat": (["--dialect", "chat"], {"reasoning_field": ["reasoning_content", "reasoning_details"],
                                     "always_think": True, "extra_fields": True, "check_fields": True}),
    "responses": (["--dialect", "responses", "--reasoning-effort", "high"], {}),
    "messages": (["--dialect", "messages", "--thinking-tokens", "2048"], {"redacted": True}),
}  # fmt: skip
"""Flags of the command line and options of the server, which refuses what comes back altered."""


def said_by(entry: dict) -> list:
    """What the service said, raw, in the order in which a conversation keeps it."""
    body = entry["body"]
    if entry["dialect"] == "chat":
        return [body["choices"][0]["message"]]
    return body["output" if entry["dialect"] == "responses" else "content"]


@pytest.mark.parametrize(
    "dialect", [d if d == "messages" else pytest.param(d, marks=pytest.mark.slow) for d in THINKING]
)
@pytest.mark.parametrize("streamed", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_what_a_model_thought_comes_back_unchanged(folder, codegen, dialect, streamed):
    """Thinking, signatures, encrypted reasoning and fields that nobody knows go through journal, resume and output
    without a byte changed; the service, which checks them, refuses nothing; cached tokens are in the rows.
    """
    flags, options = THINKING[dialect]
    command = ["scrape", "in.jsonl", "out.jsonl", "--model", "m", "--max-turns", 4, *flags]
    command += [] if streamed else ["--no-stream"]
    with serving(problems=folder / "in.jsonl", solve_at_turn=2, auto_cache=True, **options) as server:
        first = codegen(*command, "--base-url", server.url, "--limit", 3)
        kept = (folder / "out.journal.jsonl").read_bytes()
        (folder / "out.jsonl").unlink()  # the answers alone must do
        again = codegen(*command, "--base-url", server.url)
        seen = server.seen()
    assert (first.returncode, again.returncode, again.stderr) == (0, 0, "")
    assert (folder / "out.journal.jsonl").read_bytes().startswith(kept)
    assert (seen["bought"], seen["bought_twice"], set(seen["statuses"])) == (18, 0, {"ok"})
    said = {(e["problem_id"], e["turn"]): said_by(e) for e in read_entries(folder / "out.journal.jsonl")}
    for row in rows(folder):
        answers = [m for m in row["full_message_history"] if m["role"] == "assistant"]
        assert [a.get("blocks") for a in answers] == [said[row["problem"]["problem_id"], n] for n in range(3)]
        assert row["usage"]["cached_input_tokens"] > 0


@pytest.mark.parametrize(
    ("dialect", "options", "reason"),
    [("messages", {"refusal_category": "frontier_llm"}, "frontier_llm"),
     pytest.param("chat", {}, "I can't help with that.", marks=pytest.mark.slow),
     pytest.param("responses", {}, "I can't help with that.", marks=pytest.mark.slow)],
)  # fmt: skip
def test_a_refusal_is_asked_once(folder, codegen, dialect, options, reason):
    """A refusal is an answer: recorded with its category, never retried, not even by the next run without its row."""
    command = ["scrape", "in.jsonl", "out.jsonl", "--model", "m", "--limit", 1, "--dialect", dialect]
    with serving(problems=folder / "in.jsonl", fault=["refusal"], **options) as server:
        for _ in range(2):
            (folder / "out.unsolved.jsonl").unlink(missing_ok=True)
            done = codegen(*command, "--base-url", server.url)
            (row,) = rows(folder)
            assert (done.returncode, row["generation_metadata"]["ended"], server.seen()["requests"]) == (
                0,
                "refused",
                1,
            )
            assert reason in row["attempts"][0]["refusal"]
    assert "1 refused" in done.stdout


@pytest.mark.slow
def test_rows_can_be_made_again(folder, codegen):
    """Rows that got lost, or are to be graded anew, cost nothing: the answers are there, and the rows are the same."""
    command = ["scrape", "in.jsonl", "out.jsonl", "--model", "m", "--limit", 2]
    with serving(problems=folder / "in.jsonl", solve_at_turn=1) as server:
        codegen(*command, "--base-url", server.url)
        first, bought = rows(folder), server.seen()["requests"]
        (folder / "out.jsonl").unlink()
        done = codegen(*command, "--base-url", server.url)
        assert (done.returncode, server.seen()["requests"], bought) == (0, 4, 4)
    assert comparable(rows(folder)) == comparable(first)


@pytest.mark.slow
def test_other_words_are_other_questions(folder, codegen):
    """A changed prompt asks anew, the old prompt again does not; a problem's other id does not either."""
    (folder / "own/generation").mkdir(parents=True)
    (folder / "own/generation/basic.md").write_text("Please: {{statement}}")
    with serving(problems=folder / "in.jsonl", mode="right") as server:
        command = ["scrape", "in.jsonl", "out.jsonl", "--model", "m", "--limit", 2, "--base-url", server.url]
        asked = []
        for more in ([], ["--prompts-dir", "own"], ["--temperature", 0.5], []):
            codegen(*command, *more)
            asked.append(server.seen()["requests"])
            (folder / "out.jsonl").unlink()
        renamed = [{**problem(n), "problem_id": f"other{n}"} for n in range(2)]
        (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in renamed))
        codegen(*command)
        assert (asked, server.seen()["requests"]) == ([2, 4, 6, 6], 6)


def test_ctrl_c_keeps_what_is_under_way(folder):
    """The first SIGINT asks nothing new, waits for the answers under way and keeps them: the next run buys the rest."""
    with serving(problems=folder / "in.jsonl", solve_at_turn=2, latency=0.5) as server:
        command = [sys.executable, "-m", "code_generation.scraper", "in.jsonl", "out.jsonl", "--model", "m",
                   "--base-url", server.url]  # fmt: skip
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
            while server.seen()["under_way"] < 6:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        kept = server.seen()
        assert (process.returncode, kept["abandoned"]) == (130, 0)
        assert "this resumes: python -m code_generation.scraper in.jsonl" in said
        assert len(list(read_entries(folder / "out.journal.jsonl"))) == kept["bought"] < 18
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        seen = server.seen()
    assert (done.returncode, len(rows(folder)), seen["bought"], seen["bought_twice"]) == (0, 6, 18, 0)


def manifest(folder) -> dict:
    return json.loads((folder / "out.jsonl.manifest.json").read_text())


@pytest.mark.slow
def test_the_manifest_tells_the_run(folder, codegen):
    """Each start is a session: command, model, prompts with their texts, counts of calls and rows; one that was killed
    says so later; keys are nowhere in the files of a run.
    """
    with serving(problems=folder / "in.jsonl", solve_at_turn=1, fault=["server_error", "rate_limit"]) as server:
        command = ["scrape", "in.jsonl", "out.jsonl", "--model", "m", "--base-url", server.url, "--api-key-env", "K"]
        codegen(*command, "--limit", 2, env={"K": "sk-very-secret-key"})
        data = manifest(folder)
        data["sessions"][0]["status"] = "running"
        (folder / "out.jsonl.manifest.json").write_text(json.dumps(data))
        codegen(*command, env={"K": "sk-very-secret-key"})
    first, second = manifest(folder)["sessions"]
    assert (first["status"], second["status"]) == ("killed", "finished")
    assert first["model"] | {"base_url": None} == second["model"] | {"base_url": None}
    assert (first["model"]["dialect"], second["counts"]["satisfied"], second["counts"]["done_before"]) == ("chat", 4, 2)
    assert (first["calls"]["answers_bought"], second["calls"]["answers_bought"]) == (4, 8)
    assert first["calls"]["failed_calls"] == {"server_error": 1, "rate_limited": 1}
    assert "{{statement}}" in first["prompts"]["generation/basic.function"]["text"]
    assert set(manifest(folder)["files"]) == {"results", "unsolved", "journal", "spending", "log", "manifest"}
    events = [json.loads(line)["event"] for line in (folder / "out.log.jsonl").read_text().splitlines()]
    assert events.count("call failed") == 2 and events[0] == "start" and events[-1] == "end"
    assert not any(b"sk-very-secret" in p.read_bytes() for p in folder.iterdir() if p.is_file())


@pytest.mark.parametrize(
    ("fault", "words"),
    [("auth", "check the key"),
     *(pytest.param(fault, words, marks=pytest.mark.slow) for fault, words in
       (("drop", "6 calls in a row failed"), ("not_found", "check the model name"), ("quota", "quota"),
        ("payment", "402"),
        ("html", "6 calls in a row failed"), ("server_error", "6 calls in a row failed")))],
)  # fmt: skip
def test_a_run_that_can_not_work_leaves_nothing(folder, codegen, fault, words):
    """One line, exit status 2, after a handful of calls; no file is left."""
    before = sorted(folder.iterdir())
    with serving(problems=folder / "in.jsonl", fault=[fault], forever=True) as server:
        done = codegen("scrape", "in.jsonl", "out.jsonl", "--model", "m", "--base-url", server.url)
        assert (done.returncode, done.stderr.count("\n"), server.seen()["requests"] <= 8) == (2, 1, True), done.stderr
    assert words in done.stderr
    assert sorted(folder.iterdir()) == before


@pytest.mark.slow
def test_a_quota_that_runs_out_keeps_what_is_there(folder, codegen):
    """A run that ends in its middle says why, exits with 2, and the same command goes on where it stopped."""
    with serving(problems=folder / "in.jsonl", solve_at_turn=1, latency=0.05) as server:
        command = ["scrape", "in.jsonl", "out.jsonl", "--model", "m", "--base-url", server.url, "--max-concurrent", 1]
        done = codegen(*command, "--limit", 2)
        server.change(fault=["quota"], forever=True)
        stopped = codegen(*command)
        server.change(fault=[], forever=False)
        bought = server.seen()["bought"]
        again = codegen(*command)
        seen = server.seen()
    assert (done.returncode, stopped.returncode, again.returncode) == (0, 2, 0)
    assert "quota" in stopped.stderr
    assert (bought, seen["bought"], seen["bought_twice"], len(rows(folder))) == (4, 12, 0, 6)


@pytest.mark.slow
def test_answers_are_read_in_the_dialect_that_they_are_in(folder, codegen):
    """A run that goes on in another dialect finds the answers of the old one, and understands them."""
    command = ["scrape", "in.jsonl", "out.jsonl", "--model", "m", "--limit", 2]
    with serving(problems=folder / "in.jsonl", mode="right") as server:
        codegen(*command, "--base-url", server.url)
        (folder / "out.jsonl").unlink()
        done = codegen(*command, "--base-url", server.url, "--dialect", "messages")
        assert (done.returncode, server.seen()["requests"]) == (0, 2)
    assert [row["verified"] for row in rows(folder)] == [True, True]
