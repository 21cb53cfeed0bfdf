"""No private test reaches a model or a reader: markers are planted in private tests and searched for everywhere."""

from __future__ import annotations

import json
import secrets

import pytest

from test_scripts.model_server import serving


def marked_problems() -> tuple[list[dict], list[str]]:
    """A problem of every test type whose private inputs and expected values hold unique markers; and the markers."""
    marks = [f"mark{secrets.token_hex(8)}" for _ in range(8)]
    echo = "def echo(s):\n    return s.upper()"
    program = "import sys\nprint(sys.stdin.read().upper(), end='')"
    return [
        row("function", [[["ab"], "AB", "functional"], [[marks[0]], marks[0].upper(), "functional"]], echo, "echo"),
        row("program", [["ab\n", "AB\n", "stdin"], [marks[1] + "\n", marks[1].upper() + "\n", "stdin"]], program, None),
        row(
            "assertion",
            [["assert echo('ab') == 'AB'", None, "assert"],
             [f"x = echo('{marks[2]}')\nassert x == '{marks[2].upper()}', '{marks[3]}'", None, "assert"]],
            echo, "echo",
        ),
        row("wrong", [[["ab"], "AB", "functional"], [["x"], marks[4], "functional"]], echo, "echo"),
        row("wrong_stdin", [["ab\n", "AB\n", "stdin"], ["x\n", marks[5] + "\n", "stdin"]], program, None),
        row("raising", [[["ab"], "AB", "functional"], [[marks[6]], 1, "functional"]],
            "def echo(s):\n    if s != 'ab': raise ValueError(s)\n    return s.upper()", "echo"),
        row("wrong_assert", [["assert echo('a') == 'A'", None, "assert"],
                             [f"assert echo('b') == '{marks[7]}'", None, "assert"]], echo, "echo"),
    ], [m for mark in marks for m in (mark, mark.upper())]  # fmt: skip


def row(name: str, tests: list, solution: str, func_name: str | None) -> dict:
    """A problem whose first test is public."""
    return {
        "problem_id": name,
        "problem": f"The {name}: make text upper case.",
        "solutions": [solution],
        "test_cases": [
            {"input": i, "output": o, "type": kind, "is_public": not n} for n, (i, o, kind) in enumerate(tests)
        ],
        "metadata": {"func_name": func_name} if func_name else {},
    }


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Everything that a run with repair says to a model, to a person, and to training files."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("leaks")
    problems, marks = marked_problems()
    (folder / "in.jsonl").write_text("".join(json.dumps(p) + "\n" for p in problems))

    def codegen(*arguments):
        command = [sys.executable, "-m", "code_generation", *map(str, arguments)]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    found = {}
    with serving(problems=folder / "in.jsonl") as server:
        model = ("--model", "m", "--base-url", server.url)
        done = codegen("scrape", "in.jsonl", "out.jsonl", *model, "--max-turns", 2)
        again = codegen("scrape", "in.jsonl", "out.jsonl", *model, "--max-turns", 2)
        loose = codegen("scrape", "in.jsonl", "loose.jsonl", *model, "--max-turns", 2, "--criterion", "public")
        found["requests"] = json.dumps(server.seen()["bodies"])
    dry = codegen("scrape", "in.jsonl", "dry.jsonl", "--model", "scripted:flaky", "--dry-run")
    export = codegen("export", "out.jsonl", "--format", "sft", "--output", "sft.jsonl")
    other = codegen("export", "loose.jsonl", "--format", "sft", "--output", "loose.sft.jsonl")
    verify = codegen("verify", "out.jsonl")
    both = [done, again, loose, dry, export, other, verify]
    found["terminal"] = "".join(d.stdout + d.stderr for d in both)
    found["export"] = "".join((folder / name).read_text() for name in ("sft.jsonl", "loose.sft.jsonl"))
    results = [
        json.loads(line)
        for name in ("out.jsonl", "out.unsolved.jsonl", "loose.jsonl")
        for line in (folder / name).read_text().splitlines()
    ]
    found["messages"] = json.dumps([r["full_message_history"] for r in results])
    found["attempts"] = json.dumps([r["attempts"] for r in results])
    found["metadata"] = json.dumps([r["generation_metadata"] for r in results])
    turns = [len(r["attempts"]) for r in results]
    assert ([d.returncode for d in both], max(turns), found["export"].count("\n") >= 3) == ([0] * 7, 2, True)
    return found, marks


@pytest.mark.parametrize("place", ["requests", "messages", "terminal", "export", "metadata"])
def test_no_private_test_gets_out(traces, place):
    """Neither the inputs nor the expected values of private tests are in anything a model or a trainer is given."""
    found, marks = traces
    assert [mark for mark in marks if mark in found[place]] == []


def test_the_search_finds_what_is_public(traces):
    """The same search finds the public tests: it looks in the right places."""
    found, _ = traces
    assert ("echo('ab')" in found["requests"], "echo('ab')" in found["messages"]) == (True, True)
