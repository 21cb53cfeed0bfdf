"""From result files to a training file: selection, checks, counts, whole or not at all, whoever does the work."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.errors import ConfigError, DataError
from code_generation.exporters.crew import workers_for
from code_generation.exporters.examine import Line, read_result
from code_generation.exporters.files import export
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.pipeline import run_export
from code_generation.exporters.selection import Side, match
from code_generation.exporters.table import EXPORTERS
from code_generation.jsonl import decode, encode, read_lines
from code_generation.models import GenerationResult, Message
from code_generation.records import from_json_object, to_json_object
from test_scripts.export_rows import BODIES, HIDDEN, code, export_of, exported, problem, result, turn, write, wrong

LEVELS = ["easy", "easy", "medium", "hard"]


def many(count: int = 40) -> list[GenerationResult]:
    """Samples of several problems: right at once, right after feedback, wrong, cut off, repeated."""
    draw = random.Random(7)  # noqa: S311 - the same in every run
    found = []
    for number in range(count):
        asked = problem(f"p{number // 4}", f"Double number {number // 4}.", difficulty=LEVELS[number // 4 % 4])
        right, bad = draw.randrange(len(BODIES)), draw.randrange(len(BODIES))
        turns = draw.choice(
            [
                [turn(code(right))],
                [turn(wrong(bad), passed=False), turn(code(right))],
                [turn(wrong(bad), passed=False)],
                [turn(code(right), finish="length")],
            ]
        )
        found.append(result(*turns, of=asked, sample=number % 4))
    return found


def ids(rows: list[dict]) -> list[tuple[str, int]]:
    return [(r["problem_id"], r["sample_index"]) for r in rows]


# ------------------------------------------------------------------------------------------------ selection


def test_best_of_a_problem(tmp_path):
    """One row a problem: the first, the one with the shortest answer, the one with the fewest turns."""
    rows = [
        result(turn(wrong(), passed=False), turn(code(1)), sample=0),
        result(turn(code(2)), sample=1),
        result(turn(code(0)), sample=2),
    ]
    assert ids(exported(tmp_path, "sft", *rows)) == [("p", 0), ("p", 1), ("p", 2)]
    assert ids(exported(tmp_path, "sft", *rows, best_of="first")) == [("p", 0)]
    assert ids(exported(tmp_path, "sft", *rows, best_of="shortest")) == [("p", 2)]
    assert ids(exported(tmp_path, "prompt-completion", *rows, best_of="fewest-turns")) == [("p", 2)]
    assert ids(exported(tmp_path, "sft", *rows, best_of="shortest", max_per_problem=2)) == [("p", 0), ("p", 2)]
    assert ids(exported(tmp_path, "sft", *rows, max_per_problem=1)) == [("p", 0)]


def test_a_draw_is_the_seeds(tmp_path):
    """What is drawn depends on the seed and the answers, not on the order of the rows; other seeds draw others."""
    rows = [result(turn(code(n)), sample=n) for n in range(6)]
    drawn = {s: ids(exported(tmp_path, "sft", *rows, best_of="random", seed=s))[0] for s in range(12)}
    assert len(set(drawn.values())) > 1
    assert ids(exported(tmp_path, "sft", *rows[::-1], best_of="random", seed=3))[0] == drawn[3]


def test_balanced_difficulties(tmp_path):
    """As many rows of each difficulty as the rarest has; who says none is left out, all of them is an error."""
    rows = [result(of=problem(f"p{n}", f"Double {n}.", difficulty=LEVELS[n % 4])) for n in range(12)]
    rows.append(result(of=problem("none", "Double it.")))
    found, report = export_of(tmp_path, "flat", *rows, balance="difficulty")
    assert Counter(r["difficulty"] for r in found) == {"easy": 3, "medium": 3, "hard": 3}
    assert report.units_left_out == {"no_difficulty": 1, "balance": 3}
    with pytest.raises(ConfigError, match=r"metadata\.difficulty"):
        exported(tmp_path, "sft", rows[-1], balance="difficulty")


def test_a_filter_chooses(tmp_path):
    """`--where` sees the result, its problem, and what all results of the problem say together."""
    rows = [
        result(sample=0),
        result(turn(wrong(), passed=False), sample=1),
        result(of=problem("q", "Twice.", difficulty="hard", tags=["x"])),
    ]
    assert ids(exported(tmp_path, "sft", *rows, where='difficulty == "hard"')) == [("q", 0)]
    assert ids(exported(tmp_path, "sft", *rows, where="0 < pass_rate < 1 and samples == 2")) == [("p", 0)]
    assert ids(exported(tmp_path, "sft", *rows, where='metadata.difficulty == "hard" or n_turns > 1')) == [("q", 0)]
    with pytest.raises(ConfigError, match="dificulty"):
        exported(tmp_path, "sft", *rows, where="dificulty == 1")


@pytest.mark.parametrize(
    "options",
    [
        {"failed_weight": 2},
        {"max_length_ratio": 0.5},
        {"max_length_ratio": float("nan")},
        {"max_per_problem": 0},
        {"review": Path("x")},
    ],
)
def test_options_that_cannot_be(tmp_path, options):
    """One line that names the flag."""
    with pytest.raises(ConfigError, match="--"):
        exported(tmp_path, "sft", result(), **options)


sides = st.lists(
    st.builds(
        Side,
        piece=st.just(0),
        unit=st.integers(0, 3),
        proven=st.booleans(),
        turn=st.integers(1, 2),
        chars=st.integers(1, 500),
        code_chars=st.integers(1, 500),
        code=st.sampled_from("abcdefgh"),
    ),
    max_size=12,
).map(lambda found: [s._replace(piece=i) for i, s in enumerate(found)])


@given(sides, st.sampled_from(["within", "across", "both"]), st.sampled_from([None, 1.0, 1.5, 4.0]))
def test_pairs_are_fair(found, pairs, ratio):
    """Each answer is in one pair at most, no code is on both sides, lengths are near, and the first pair is nearest."""
    matched = match(found, ExportOptions(pairs=pairs, max_length_ratio=ratio))
    used = [s.piece for m in matched for s in (m.chosen, m.rejected)]
    assert len(used) == len(set(used))
    right, bad = ({s.code for s in found if s.proven is side} for side in (True, False))
    for m in matched:
        assert m.chosen.proven and not m.rejected.proven
        assert m.chosen.code not in bad and m.rejected.code not in right
        assert m.whole == (m.chosen.turn == m.rejected.turn == 1)
        assert pairs == "both" or (pairs == "within") == (m.chosen.unit == m.rejected.unit)
        lengths = sorted((s.chars if m.whole else s.code_chars) for s in (m.chosen, m.rejected))
        assert ratio is None or lengths[1] <= lengths[0] * ratio * (1 + 1e-9)
    assert [m.apart for m in matched] == sorted(m.apart for m in matched)


# ------------------------------------------------------------------------------------------------ checks


def test_repeated_code_is_dropped(tmp_path):
    """The second answer with the same code, names and layout apart, is left out; another problem's is not."""
    renamed = "def f(value):\n    # twice\n    return value * 2"
    rows = [result(), result(turn(renamed), sample=1), result(of=problem("q", "Twice."))]
    found, report = export_of(tmp_path, "sft", *rows)
    assert (ids(found), report.left_out["duplicate"]) == ([("p", 0), ("q", 0)], 1)
    assert report.checks["counts"]["duplicate: exact"] == 1
    assert len(exported(tmp_path, "sft", *rows, keep_duplicates=True)) == 3


def test_repairs_of_different_errors_are_different(tmp_path):
    """Formats that show a conversation keep two that end alike and began differently."""
    rows = [result(turn(wrong(n), passed=False), turn(code()), sample=n) for n in (0, 2)]
    assert len(exported(tmp_path, "self-debug", *rows)) == 2
    assert len(exported(tmp_path, "sft", *rows)) == 1


def test_gaming_is_left_out(tmp_path):
    """Code that works against its tests is left out with its sign, and exported when asked for."""
    cheat = "import os\n\ndef f(x):\n    os._exit(0)"
    found, report = export_of(tmp_path, "sft", result(turn(cheat)), result(of=problem("q", "Twice.")))
    assert (ids(found), report.left_out["gaming"]) == ([("q", 0)], 1)
    assert report.checks["examples"]["gaming"][0]["result"].endswith(":1")
    assert len(exported(tmp_path, "sft", result(turn(cheat)), include_gaming=True)) == 1


@pytest.mark.parametrize("name", EXPORTERS)
def test_a_leak_is_left_out_and_told(tmp_path, name):
    """A private value in a prompt keeps the result out of every format that shows it, as it does in feedback."""
    history = result().full_message_history
    spoilt = [history[0], Message(role="user", content=f"f({HIDDEN}) == {2 * HIDDEN}"), *history[2:]]
    bad = result(turn(wrong(), passed=False), turn(code()))
    told = [
        m if m.content != "Again." else Message(role="user", content=f"f({HIDDEN}) is wrong")
        for m in bad.full_message_history
    ]
    rows, report = export_of(tmp_path, name, result(full_message_history=spoilt))
    assert (rows, report.leaks) == ([], 0 if name == "self-debug" else 1)
    if name not in {"sft", "dpo", "rl"}:  # which show no feedback
        rows, report = export_of(
            tmp_path, name, result(turn(wrong(), passed=False), turn(code()), full_message_history=told)
        )
        assert (rows, report.leaks) == ([], 1)


def test_evaluation_sets_are_left_out(tmp_path):
    """What is in an evaluation set is left out with evidence; a review that says keep keeps it."""
    statement = (
        "Given the number of lamps in a long corridor, print twice as many, and nothing else, on a line of its own."
    )
    asked = problem("train/1", statement)
    evaluation = tmp_path / "eval.jsonl"
    evaluation.write_text(encode(to_json_object(problem("eval/9", statement))) + "\n")
    review = tmp_path / "review.jsonl"
    rows = [result(of=asked), result(of=problem("q", "Twice."))]
    found, report = export_of(tmp_path, "sft", *rows, decontaminate=(evaluation,), review=review)
    assert (ids(found), report.left_out["contaminated"]) == ([("q", 0)], 1)
    hits = [row for _, row in read_lines(review)]
    assert hits and report.review_rows == len(hits)
    review.write_text("".join(encode(h | {"keep": True}) + "\n" for h in hits))
    assert len(exported(tmp_path, "sft", *rows, decontaminate=(evaluation,), review=review)) == 2


# ------------------------------------------------------------------------------------------------ counts


@pytest.mark.parametrize("name", EXPORTERS)
def test_every_result_is_accounted_for(tmp_path, name):
    """Read is left out and admitted; units are left out and written; the card says so with hashes of the files."""
    rows, report = export_of(tmp_path, name, *many(), max_per_problem=2)
    counts, card = report.card["counts"], report.card
    assert counts["results_read"] == 40
    assert counts["results_admitted"] == 40 - sum(c["count"] for c in counts["results_left_out"])
    assert counts["units_written"] == counts["units"] - sum(c["count"] for c in counts["units_left_out"])
    assert counts["rows_written"] == len(rows) == report.written == card["output"]["rows"]
    assert sum(card["written"]["model"].values()) == counts["units_written"]
    written = Path(card["output"]["path"])
    assert json.loads((written.parent / f"{written.name}.export.json").read_text()) == card
    assert card["output"]["bytes"] == written.stat().st_size
    assert set(card["verdict_policy"]) >= {"criterion", "comparison", "isolation", "executor", "python"}


def test_the_card_knows_costs_and_licences(tmp_path):
    """Known costs are summed, unknown ones counted; licences come from the manifests of run and problems."""
    problems, results = tmp_path / "in.jsonl", tmp_path / "r.jsonl"
    write(results, result(), result(of=problem("q", "Twice."), cost_usd=None))
    (tmp_path / "in.jsonl.manifest.json").write_text('{"dataset": "mbpp", "licence": "CC-BY-4.0"}')
    (tmp_path / "r.jsonl.manifest.json").write_text(encode({"source": {"path": str(problems), "sha256": "x"}}))
    card = run_export([results], "sft", tmp_path / "o.jsonl", ExportOptions()).card
    assert card["cost_usd"] == {"known_sum": 0.5, "units_of_unknown_cost": 1}
    assert (card["sources"][0]["dataset"], card["sources"][0]["licence"]) == ("mbpp", "CC-BY-4.0")


# ------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("name", ["sft", "dpo", "openai", "rl"])
def test_the_same_bytes_whoever_does_the_work(tmp_path, name):
    """In this process or in several, from one file or a compressed one: the same file, in the order of the results."""
    results = many(60)
    path = write(tmp_path / "r.jsonl", *results)
    packed = tmp_path / "r.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    alone, crew = tmp_path / "alone.jsonl", tmp_path / "crew.jsonl"
    one = run_export([path], name, alone, ExportOptions(), workers=0)
    other = run_export([path], name, crew, ExportOptions(), workers=2)
    assert alone.read_bytes() == crew.read_bytes() and alone.stat().st_size
    assert (one.left_out, one.checks["counts"]) == (other.left_out, other.checks["counts"])
    run_export([packed], name, crew, ExportOptions(), workers=0)
    assert alone.read_bytes().replace(b"r.jsonl", b"") == crew.read_bytes().replace(b"r.jsonl.gz", b"")


def test_a_crew_reports_what_is_wrong(tmp_path):
    """A line that is no result is the same error from another process, and the old file stays."""
    path = write(tmp_path / "r.jsonl", *many(20))
    output = tmp_path / "o.jsonl"
    export([path], "sft", output)
    before = output.read_bytes()
    with path.open("a") as file:
        file.write('{"problem": 1}\n')
    with pytest.raises(DataError, match=r"r\.jsonl: line 21 is not a result row"):
        run_export([path], "sft", output, ExportOptions(), workers=2)
    assert before == output.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_processes_are_started_for_large_files_only():
    """A few rows are not worth it."""
    assert workers_for(1 << 20) == 0
    assert workers_for(1 << 32) != 1


def test_an_export_can_be_made_again_in_any_format(tmp_path):
    """A file whose card says what it is is replaced; one that was changed since, or is something else, never."""
    path, output = write(tmp_path / "r.jsonl", result()), tmp_path / "o.jsonl"
    for name in ("openai", "rl", "sft"):
        assert export([path], name, output) == (1, 1)
    assert export([path], "parquet", output) == (1, 1)
    assert export([path], "openai", output) == (1, 1)
    with output.open("a") as file:
        file.write('{"mine": 1}\n')
    with pytest.raises(ConfigError, match="not overwritten"):
        export([path], "sft", output)


@pytest.mark.parametrize("name", EXPORTERS)
def test_parquet_holds_any_format(tmp_path, name):
    """The same rows: messages as structures, numbers as numbers, mixed JSON as text, in groups of 32."""
    parquet = pytest.importorskip("pyarrow.parquet")
    results = [
        result(turn(wrong(), passed=False), turn(code()), of=problem(f"p{n}", f"Double {n}.")) for n in range(40)
    ]
    path, output = write(tmp_path / "r.jsonl", *results), tmp_path / "o.parquet"
    report = run_export([path], name, output, ExportOptions(of=name), table=True)
    rows = exported(tmp_path, name, *results)
    table = parquet.ParquetFile(output)
    assert table.metadata.num_rows == report.written == len(rows) > 0
    assert max(table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)) <= 32
    found = table.read().to_pylist()
    for row, cells in zip(rows, found, strict=True):
        for key, value in row.items():
            cell = cells[key]
            if isinstance(cell, list):
                cell = [{k: v for k, v in m.items() if v is not None} for m in cell]
            elif isinstance(value, list | dict):
                cell = decode(cell)
            assert key == "tests_file" or cell == value


def test_parquet_keeps_raw_blocks_as_text(tmp_path):
    """With `--thinking keep` the provider's blocks are JSON text in each message."""
    parquet = pytest.importorskip("pyarrow.parquet")
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]
    path = write(tmp_path / "r.jsonl", result(), result(turn(code(1), blocks=blocks), sample=1))
    run_export([path], "sft", tmp_path / "o.parquet", ExportOptions(thinking="keep"), table=True)
    first, second = parquet.read_table(tmp_path / "o.parquet").to_pylist()
    assert first["messages"][-1]["blocks"] is None
    assert decode(second["messages"][-1]["blocks"]) == blocks
    assert second["messages"][-1]["reasoning_content"] == "Hm."


def test_an_interrupted_export_leaves_the_old_file(tmp_path):
    """Ctrl-C while a large file is read: exit status 130, the old file untouched, nothing beside it."""
    path, output = tmp_path / "r.jsonl", tmp_path / "o.jsonl"
    export([write(path, result())], "sft", output)
    before = output.read_bytes()
    line = path.read_bytes()
    with path.open("wb") as file:
        for number in range(20_000):
            file.write(line.replace(b'"sample_index": 0', b'"sample_index": %d' % number))
    command = [sys.executable, "-m", "code_generation", "export", str(path), "--output", str(output)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not any(f.exists() and f.resolve() == path for f in Path(f"/proc/{process.pid}/fd").iterdir()):
        time.sleep(0.05)  # until it reads
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.decode().count("Traceback")) == (130, 0)
    assert before == output.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


# ------------------------------------------------------------------------------------------------ reading

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_lines_are_read_as_json_reads_them(value):
    """The fast way to read a line finds what the slow one finds: huge integers, NaN and half surrogate pairs too."""
    row = to_json_object(result())
    row["problem"]["metadata"] = {"value": value, "large": [10**30, 1e300]}
    row["problem"]["test_cases"][0]["input"] = value
    text = encode(row).encode("ascii") + b"\n"
    fast = read_result(Line(1, "x", 1, text, {}))
    slow = from_json_object(decode(text), GenerationResult)
    assert repr(fast) == repr(slow)


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_counts_and_warns(tmp_path, codegen):
    """A line for each filter that left something out, where the counts are; exit status 1 for a leak."""
    history = result().full_message_history
    spoilt = [history[0], Message(role="user", content=f"f({HIDDEN}) == {2 * HIDDEN}"), *history[2:]]
    rows = [result(), result(sample=1), result(of=problem("q", "Twice."), full_message_history=spoilt)]
    write(tmp_path / "r.jsonl", *rows)
    done = codegen("export", "r.jsonl", "--output", "sft.jsonl")
    assert done.returncode == 1
    assert "leak: r.jsonl:3" in done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[:3]] == [
        ["3", "results"],
        ["-1", "leak"],
        ["-1", "duplicate"],
    ]
    assert "1 sft rows from 3 results -> sft.jsonl" in done.stdout
    assert codegen("export", "r.jsonl", "--format", "sftt", "--output", "x.jsonl").returncode == 2


def test_verify_reads_every_format(tmp_path, codegen):
    """`codegen verify` runs the tests of every exported row again, also where what proves it stands beside it."""
    path = write(tmp_path / "r.jsonl", result(turn(wrong(), passed=False), turn(code())))
    for name in EXPORTERS:
        export([path], name, tmp_path / f"{name}.jsonl")
    files = [f"{name}.jsonl" for name in EXPORTERS]
    done = codegen("verify", *files, "--results", "r.jsonl")
    assert "8 verified rows checked: 8 hold, 0 do not" in done.stdout, done.stdout + done.stderr
    changed = (tmp_path / "openai.jsonl").read_text().replace("x * 2", "x * 4")
    (tmp_path / "openai.jsonl").write_text(changed)
    done = codegen("verify", "openai.jsonl", "--results", "r.jsonl")
    assert (done.returncode, "passes 0 of 2 tests" in done.stdout) == (1, True), done.stdout
