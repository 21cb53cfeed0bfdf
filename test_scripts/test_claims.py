"""`codegen verify`: clean rows hold in every format, and exactly those that were tampered with are named."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from code_generation import certificate
from code_generation.certificate import sha256_text
from code_generation.claims import check_claims, read_claims
from code_generation.errors import ConfigError, DataError
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.pipeline import run_export
from code_generation.exporters.table import EXPORTERS
from code_generation.extract import fenced
from code_generation.grader import GraderOptions, open_grader
from code_generation.loaders.jsonl import parse_row
from code_generation.providers import ModelOptions
from code_generation.run import prepare_scrape
from test_scripts.kills import problem

PROVEN = sorted(set(EXPORTERS) - {"rl"})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run over three problems, each solved in its second turn, and an export of it in every format."""
    folder = tmp_path_factory.mktemp("claims")
    (folder / "p.jsonl").write_text("".join(json.dumps(problem(n)) + "\n" for n in range(3)))
    asyncio.run(
        prepare_scrape(folder / "p.jsonl", folder / "s.jsonl", model=ModelOptions(model="scripted:flaky")).run()
    )
    for name in EXPORTERS:
        run_export([folder / "s.jsonl"], name, folder / f"{name}.jsonl", ExportOptions(keep_duplicates=True))
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy of it to spoil."""
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def faults(*files, results=(), problems=None) -> dict[str, str]:
    """What does not hold, by the problem that is named."""

    async def run():
        async with open_grader(GraderOptions()) as grader:
            found = check_claims(read_claims(files, results, problems), grader)
            return {c.problem_id: "; ".join(f) async for c, f in found if f}

    return asyncio.run(run())


def edit(path, change, problem_id="k1") -> None:
    """Change the row about a problem."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    beside = path.with_name(path.name.replace(".jsonl", ".rows.jsonl"))
    known = [json.loads(line) for line in beside.read_text().splitlines()] if beside.exists() else rows
    row = next(r for r, k in zip(rows, known, strict=True) if k.get("problem_id", k.get("problem")) == problem_id
               or (isinstance(k.get("problem"), dict) and k["problem"]["problem_id"] == problem_id))  # fmt: skip
    change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_what_was_not_touched_holds(folder):
    """A run and its exports in all formats hold, each row."""
    files = [folder / f"{name}.jsonl" for name in EXPORTERS]
    assert faults(folder / "s.jsonl") == {}
    assert faults(*files, results=[folder / "s.jsonl"]) == {}


def test_tables_hold_too(folder):
    """The same as Parquet, raw thinking kept, whatever the file is called."""
    for name in ("self-debug", "dpo", "flat"):
        output = folder / f"{name}.pq"
        run_export([folder / "s.jsonl"], name, output, ExportOptions(thinking="keep"), table=True)
        assert faults(output, results=[folder / "s.jsonl"]) == {}


def without(*keys):
    """Keys taken away."""
    return lambda row: [row.pop(key) for key in keys]


ANSWER = "def add_k1(n):\n    return n + 1"
SPOILT = {
    "the question": ("sft", lambda row: row["messages"][1].update(content="Write a poem.")),
    "prose around the code": ("sft", lambda row: row["messages"][-1].update(content=fenced(ANSWER) + " So.")),
    "an answer that failed": ("self-debug", lambda row: row["messages"][2].update(content=fenced(ANSWER))),
    "its weight": ("openai", lambda row: row["messages"][2].update(weight=1)),
    "a label": ("kto", lambda row: row.update(label=not row["label"])),
    "the model": ("sft", lambda row: row.update(model="another")),
    "hashes taken away": ("sft", without("tests_sha256", "comparison")),
    "that it is verified": ("sft", without("verified")),
    "another answer beside": ("prompt-completion", lambda row: row.update(messages=row["completion"])),
    "a name for tests": ("sft", lambda row: row.update(tests_file="x", messages=row["messages"][:-1])),
    "the code of a table": ("flat", lambda row: row.update(final_code="def add_k1(n): pass")),
    "the prompt of tests": ("rl", lambda row: row["prompt"][-1].update(content="Write a poem.")),
    "the side that lost": ("dpo", lambda row: row["rejected"][0].update(content="No.")),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_whatever_is_changed_is_named(folder, what):
    """Not the code alone: an exported row is what the run gives, key by key, or it is named."""
    name, spoil = SPOILT[what]
    edit(folder / f"{name}.jsonl", spoil)
    assert list(faults(folder / f"{name}.jsonl", results=[folder / "s.jsonl"])) == ["k1"]


def answer_of(row) -> dict:
    for key in ("messages", "completion", "chosen", "preferred_output"):
        if key in row:
            return row[key][-1]
    raise AssertionError(row)


def said(code, *, rehash):
    """An answer that holds other code."""

    def change(row):
        answer_of(row)["content"] = fenced(code)
        if rehash:
            row["code_sha256"] = sha256_text(code)

    return change


@pytest.mark.parametrize("rehash", [False, True])
@pytest.mark.parametrize(
    ("code", "why"),
    [("def add_k1(n):\n    return n", "passes 0 of 2 tests"),
     ("def add_k1(n):\n    return n + 1  # so", "the run gives")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["sft", "dpo", "self-debug", "prompt-completion"])
def test_another_answer_is_named(folder, name, code, why, rehash):
    """An answer that fails, and one that passes but is not the one that was proven, hash recomputed or not."""
    edit(folder / f"{name}.jsonl", said(code, rehash=rehash))
    found = faults(folder / f"{name}.jsonl", results=[folder / "s.jsonl"])
    assert list(found) == ["k1"]
    assert why in found["k1"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("tests_sha256", "0" * 64), ("problem_sha256", "0" * 64), ("comparison", "tokens"), ("comparison_version", 9),
     ("executor", "e2b"), ("isolation", "weak"), ("python", "4.0"), ("code_sha256", "0" * 64)],
)  # fmt: skip
def test_another_certificate_is_named(folder, key, value):
    """Whatever of what proves a row is not as the run has it."""
    edit(folder / "sft.jsonl", lambda row: row.update({key: value}))
    found = faults(folder / "sft.jsonl", results=[folder / "s.jsonl"])
    assert list(found) == ["k1"]
    assert key in found["k1"]


def weaker(row) -> None:
    """The tests of a run's row made weaker, with every hash made anew."""
    row["problem"]["test_cases"] = row["problem"]["test_cases"][:1]
    row["certificate"]["tests_sha256"] = certificate.tests_sha256(parse_row(row["problem"]))
    grade = row["attempts"][-1]["grade"]
    grade["outcomes"] = grade["outcomes"][:1]
    grade["n_tests"] = grade["n_passed"] = 1


def looser(row) -> None:
    """Another comparison, with every hash made anew."""
    row["problem"]["metadata"]["comparison"] = {"name": "float", "abs_tol": 99.0}
    row["certificate"]["comparison"] = {"name": "float", "abs_tol": 99.0, "version": 1}
    row["certificate"]["tests_sha256"] = certificate.tests_sha256(parse_row(row["problem"]))


@pytest.mark.parametrize("spoil", [weaker, looser])
@pytest.mark.parametrize("name", ["sft", "rl", "openai"])
def test_other_tests_in_the_run_are_named(folder, name, spoil):
    """A run whose tests were changed, consistently, contradicts the export and the problem file."""
    edit(folder / "s.jsonl", spoil)
    assert list(faults(folder / f"{name}.jsonl", results=[folder / "s.jsonl"])) == ["k1"]
    assert list(faults(folder / "s.jsonl")) == ["k1"]
    (folder / "p.jsonl").rename(folder / "elsewhere.jsonl")
    assert list(faults(folder / "s.jsonl", problems=folder / "elsewhere.jsonl")) == ["k1"]


def test_a_problem_file_that_changed_accuses_nobody(folder):
    """Where the problem file is not the one of the run any more, it says nothing about the rows."""
    edit(folder / "p.jsonl", lambda row: row.update(problem="Other words."))
    assert faults(folder / "s.jsonl") == {}


def test_rows_taken_away_are_noticed(folder):
    """What proves the rows of a file without keys of ours stands beside it, line by line."""
    lines = (folder / "openai.jsonl").read_text().splitlines(keepends=True)
    (folder / "openai.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(DataError, match="more rows"):
        faults(folder / "openai.jsonl", results=[folder / "s.jsonl"])


def test_a_run_of_any_name_is_checked(folder):
    """What stands beside an export is read with it; a result file is checked, whatever it is called."""
    assert faults(folder / "openai.rows.jsonl") == {}
    edit(folder / "s.jsonl", weaker)
    (folder / "s.jsonl").rename(folder / "openai.rows.jsonl")
    assert list(faults(folder / "openai.rows.jsonl", problems=folder / "p.jsonl")) == ["k1"]


def test_an_export_alone_proves_nothing(folder):
    """Without the run there is nothing to hold it against."""
    with pytest.raises(ConfigError, match="--results"):
        faults(folder / "sft.jsonl")
