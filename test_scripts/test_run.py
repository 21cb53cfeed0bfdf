"""A whole run as a user starts it: real processes against a server, killed, interrupted, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from test_scripts.model_server import serving


def problem(number: int, prefix: str = "p") -> dict:
    """A small problem: one public and one private test."""
    return {
        "problem_id": f"{prefix}{number}",
        "problem": f"Write add_{prefix}{number}(n): n plus {number}.",
        "solutions": [f"def add_{prefix}{number}(n):\n    return n + {number}"],
        "test_cases": [
            {"input": [1], "output": number + 1, "type": "functional", "is_public": True},
            {"input": [-5], "output": number - 5, "type": "functional", "is_public": False},
        ],
        "metadata": {"func_name": f"add_{prefix}{number}"},
    }


@pytest.fixture
def folder(tmp_path):
    """A folder with twelve problems in `in.jsonl`."""
    write(tmp_path / "in.jsonl", [problem(i) for i in range(12)])
    return tmp_path


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows(*paths) -> list[dict]:
    """Rows of the files that exist."""
    return [json.loads(line) for p in paths if p.exists() for line in p.read_text().splitlines()]


def ids(*paths) -> list[str]:
    return sorted(row["problem"]["problem_id"] for row in rows(*paths))


@contextmanager
def scraping(folder, server, max_concurrent=60):
    """The command line of the issue as a process of its own."""
    command = [
        *(sys.executable, "-m", "code_generation.scraper", "in.jsonl", "out.jsonl", "--model", "m"),
        *("--base-url", server.url, "--should-pass-private", "--error-log-path", "err.jsonl"),
        *("--max-turns", "10", "--max-concurrent", str(max_concurrent)),
    ]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_rows(process, path, number):
    """Wait until the file has so many rows, or the process has ended."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.read_text().count("\n") >= number:
            return
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_and_started_again(folder):
    """However often a run is killed, in the end there is exactly one whole row a problem over both files."""
    write(folder / "in.jsonl", [problem(i) for i in range(16)])
    out, err = folder / "out.jsonl", folder / "err.jsonl"
    with serving(problems=folder / "in.jsonl", latency=0.05, never=["p7"]) as server:
        for number in (3, 8):
            with scraping(folder, server) as process:
                wait_for_rows(process, out, number)
                os.killpg(process.pid, signal.SIGKILL)
        with out.open("a") as file:
            file.write('{"problem": {"problem_id": "p15", "torn')
        with scraping(folder, server) as process:
            said = process.communicate(timeout=120)
        assert (process.returncode, said[1]) == (0, "")
        assert ids(out, err) == sorted(f"p{i}" for i in range(16))
        assert ids(err) == ["p7"]
        before = server.seen()["requests"]
        with scraping(folder, server) as process:
            process.communicate(timeout=60)
        assert (process.returncode, server.seen()["requests"]) == (0, before)


@pytest.mark.slow
def test_interrupted_once_it_drains(folder):
    """The first SIGINT lets the problems under way finish, says how to resume, and exits with 130."""
    out, err = folder / "out.jsonl", folder / "err.jsonl"
    with serving(problems=folder / "in.jsonl", latency=0.3) as server, scraping(folder, server, 4) as process:
        wait_for_rows(process, out, 1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        resume = said.strip().splitlines()[-1].partition("this resumes: ")[2]
        assert resume.startswith("python -m code_generation.scraper in.jsonl out.jsonl --model m --base-url http")
        n_before = len(ids(out, err))
        assert 1 <= n_before < 12
        again = subprocess.run(
            [sys.executable, *resume.split()[1:]], cwd=folder, capture_output=True, timeout=60, check=False
        )
    assert (again.returncode, ids(out, err)) == (0, sorted(f"p{i}" for i in range(12)))


def test_interrupted_twice_it_stops_at_once(folder):
    """The second SIGINT ends a run that waits for a model; nothing half is written."""
    hanging = serving(problems=folder / "in.jsonl", fault=["hang"], forever=True)
    with hanging as server, scraping(folder, server) as process:
        deadline = time.monotonic() + 30
        while not server.seen()["requests"] and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, "this resumes:" in said, rows(folder / "out.jsonl")) == (130, True, [])


def test_a_broken_tool_leaves_no_row(folder, codegen):
    """A problem that the service answers with errors for ever has no row, the others have; exit 1, and a reason."""
    out, err = folder / "out.jsonl", folder / "err.jsonl"
    with serving(problems=folder / "in.jsonl", fault=["server_error"], forever=True, fault_for=["p3"]) as server:
        done = codegen("scrape", "in.jsonl", out, "--model", "m", "--base-url", server.url, "--max-retries", 1,
                       "--error-log-path", err)  # fmt: skip
    assert (done.returncode, ids(out, err)) == (1, sorted(f"p{i}" for i in range(12) if i != 3))
    assert "p3" in done.stderr
    assert "500" in done.stderr
    with serving(problems=folder / "in.jsonl") as server:
        command = ["scrape", "in.jsonl", out, "--model", "m", "--base-url", server.url, "--error-log-path", err]
        done = codegen(*command)
        assert (done.returncode, len(ids(out, err)), server.seen()["requests"]) == (0, 12, 2)


@pytest.mark.parametrize(("fault", "status"), [
    ("auth", 2), pytest.param("not_found", 2, marks=pytest.mark.slow), pytest.param("quota", 2, marks=pytest.mark.slow)
])  # fmt: skip
def test_a_hopeless_run_stops_at_once(folder, codegen, fault, status):
    """A refused key or model name ends the run with one line, long before every problem has been tried."""
    with serving(problems=folder / "in.jsonl", fault=[fault], forever=True, latency=0.1) as server:
        done = codegen("scrape", "in.jsonl", "o.jsonl", "--model", "m", "--base-url", server.url, "--max-concurrent", 2)
        assert (done.returncode, done.stderr.count("\n"), server.seen()["requests"] < 12) == (status, 1, True)


def test_refusals_and_cut_answers(folder, codegen):
    """A refusal ends its conversation as unsolved; an answer that was cut short goes on with feedback."""
    write(folder / "in.jsonl", [problem(0), problem(1)])
    with serving(problems=folder / "in.jsonl", fault=["refusal"], fault_for=["p0"], mode="right") as server:
        done = codegen("scrape", "in.jsonl", "o.jsonl", "--model", "m", "--base-url", server.url)
    (refused,) = rows(folder / "o.unsolved.jsonl")
    assert (done.returncode, refused["attempts"][0]["refusal"]) == (0, "I can't help with that.")
    assert (refused["problem"]["problem_id"], refused["generation_metadata"]["ended"]) == ("p0", "refused")


def test_a_conversation_too_long_is_a_result(folder, codegen):
    """Where the conversation no longer fits, what there is so far is its row, ending with the last answer."""
    write(folder / "in.jsonl", [problem(0)])
    with serving(problems=folder / "in.jsonl", mode="wrong", fault=["length", "overflow"]) as server:
        done = codegen("scrape", "in.jsonl", "o.jsonl", "--model", "m", "--base-url", server.url)
    (row,) = rows(folder / "o.unsolved.jsonl")
    roles = [m["role"] for m in row["full_message_history"]]
    assert (done.returncode, len(row["attempts"]), roles) == (0, 1, ["system", "user", "assistant"])


def test_concurrency_is_bounded(folder, codegen):
    """No more calls are under way than --max-concurrent-requests allows, nor more than there are problems in hand."""
    with serving(problems=folder / "in.jsonl", latency=0.05, mode="right") as server:
        codegen("scrape", "in.jsonl", "o.jsonl", "--model", "m", "--base-url", server.url,
                "--max-concurrent", 9, "--max-concurrent-requests", 3)  # fmt: skip
        assert server.seen()["most_under_way"] == 3


def test_samples_resume_and_force(folder, codegen):
    """Samples are counted one by one; a finished run adds nothing; --force starts anew and keeps what was there."""
    write(folder / "in.jsonl", [problem(0), problem(1)])
    command = ["scrape", "in.jsonl", "o.jsonl", "--model", "scripted:flaky", "--samples-per-problem"]
    out = folder / "o.jsonl"
    assert codegen(*command, 2).returncode == 0
    first = out.read_text()
    found = sorted((r["problem"]["problem_id"], r["generation_metadata"]["sample_index"]) for r in rows(out))
    assert found == [("p0", 0), ("p0", 1), ("p1", 0), ("p1", 1)]
    codegen(*command, 2)
    assert out.read_text() == first
    codegen(*command, 3)
    assert (len(rows(out)), out.read_text().startswith(first)) == (6, True)
    codegen(*command, 1, "--force")
    assert (len(rows(out)), len(rows(folder / "o.jsonl.bak"))) == (2, 6)


def test_two_writers_are_refused(folder, codegen):
    """While a run writes to a file, a second one on the same file is refused with one line."""
    hanging = serving(problems=folder / "in.jsonl", fault=["hang"], forever=True)
    with hanging as server, scraping(folder, server) as process:
        wait_for_rows(process, folder / "out.jsonl", 0)
        done = codegen("scrape", "in.jsonl", "out.jsonl", "--model", "scripted:flaky")
    assert (done.returncode, done.stderr.count("\n"), "another run" in done.stderr) == (2, 1, True)
