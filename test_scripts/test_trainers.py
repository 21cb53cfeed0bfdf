"""Exported files go into the trainers and past the validators that they are for, where those are installed.

TRL needs 1.5 GB and Together's SDK an older rich than ours, so both may live in environments of their own:
CODEGEN_TRAIN_PYTHON and CODEGEN_TOGETHER_PYTHON name their interpreters.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from code_generation.exporters.options import ExportOptions
from code_generation.exporters.pipeline import run_export
from code_generation.jsonl import read_lines
from test_scripts.export_rows import code, problem, result, turn, write, wrong

HERE = Path(__file__).parent
NAMED = {name: os.environ.get(f"CODEGEN_{name}_PYTHON", sys.executable) for name in ("TRAIN", "TOGETHER")}
"""Read before the tests' fixture clears the environment."""


def interpreter(name: str, module: str) -> str:
    """A Python that has a package; skips where there is none."""
    found = subprocess.run([NAMED[name], "-c", f"import {module}"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"{module} is not installed: name an interpreter that has it with CODEGEN_{name}_PYTHON")
    return NAMED[name]


@pytest.fixture
def results(tmp_path) -> Path:
    """Conversations right at once, repaired, and wrong to the end, about several problems."""
    rows = []
    for number in range(6):
        asked = problem(f"p{number}", f"Double number {number}.", difficulty="easy")
        rows += [
            result(turn(wrong(number), passed=False), turn(code(number)), of=asked, sample=0),
            result(turn(code((number + 1) % 6)), of=asked, sample=1),
            result(turn(wrong((number + 2) % 6), passed=False), of=asked, sample=2),
        ]
    return write(tmp_path / "r.jsonl", *rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sft", "prompt-completion", "dpo", "kto"])
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_trl_takes_a_step(tmp_path, results, name, suffix):
    """TRL's own trainers load the file as it is and train on it; of prompt-completion the prompt is masked."""
    python = interpreter("TRAIN", "trl")
    output = tmp_path / f"train.{suffix}"
    table = suffix == "parquet"
    assert run_export([results], name, output, ExportOptions(of=name if table else "flat"), table=table).written >= 6
    command = [python, str(HERE / "trainers.py"), name, str(output)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[-1]) > 0


CHECK = """
import sys
from together.lib.utils.files import check_file
report = check_file(sys.argv[1])
print(report["is_check_passed"], report["message"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [("together", {}), ("dpo", {"dialect": "together"}), ("openai", {}), ("sft", {})])
def test_together_lets_files_pass(tmp_path, results, options):
    """The check that Together's own SDK makes before an upload passes."""
    python = interpreter("TOGETHER", "together")
    name, more = options
    run_export([results], name, tmp_path / "train.jsonl", ExportOptions(**more))
    command = [python, "-c", CHECK, str(tmp_path / "train.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout.startswith("True"), done.stdout + done.stderr


def conversation_faults(messages: list[dict]) -> list[str]:
    """What the documented rules of both services have against a conversation: a system message at most, then user and
    assistant in turn, the last one assistant's, contents with text in them, a weight of 0 or 1 on assistants' only, and
    something that is trained on.
    """
    roles = [m["role"] for m in messages]
    rest = roles[1:] if roles[0] == "system" else roles
    answers = [m for m in messages if m["role"] == "assistant"]
    return [
        *[f"{r} twice" for a, r in pairwise(rest) if a == r],
        *["begins with an answer" for _ in [0] if rest[:1] != ["user"]],
        *["ends with a question" for _ in [0] if rest[-1:] != ["assistant"]],
        *["empty" for m in messages if not isinstance(m["content"], str) or not m["content"].strip()],
        *["weight" for m in answers if m.get("weight", 1) not in (0, 1) or isinstance(m.get("weight"), bool)],
        *["weight of a question" for m in messages if m["role"] != "assistant" and "weight" in m],
        *["nothing to learn" for _ in [0] if not any(m.get("weight", 1) for m in answers)],
        *[f"key {k}" for m in messages for k in m if k not in {"role", "content", "weight"}],
    ]


@pytest.mark.parametrize("name", ["openai", "together"])
def test_conversations_obey_the_rules_of_services(tmp_path, results, name):
    """Stricter than the SDK, whose check leaves the rest to the server: every documented rule holds for every row."""
    run_export([results], name, tmp_path / "train.jsonl", ExportOptions())
    rows = [row for _, row in read_lines(tmp_path / "train.jsonl")]
    assert [conversation_faults(row["messages"]) for row in rows] == [[]] * len(rows)
    others = {"text", "prompt", "completion", "input", "tokens"}  # keys of other formats: a file must have one format
    assert all(not others & row.keys() for row in rows)


@pytest.mark.parametrize("dialect", ["openai", "together"])
def test_preferences_obey_the_rules_of_services(tmp_path, results, dialect):
    """The prompt ends with a question, each side is exactly one message of the assistant's."""
    run_export([results], "dpo", tmp_path / "train.jsonl", ExportOptions(dialect=dialect))
    rows = [row for _, row in read_lines(tmp_path / "train.jsonl")]
    assert rows
    for row in rows:
        sides = [row["preferred_output"], row["non_preferred_output"]]
        assert [[m["role"] for m in side] for side in sides] == [["assistant"]] * 2
        assert [conversation_faults([*row["input"]["messages"], *side]) for side in sides] == [[], []]
        assert not {"text", "prompt", "completion", "messages"} & row.keys()
