"""What an export refuses in one line, and what it leaves as it was: other files, flags, formats of one's own."""

from __future__ import annotations

import json
import re

import pytest

from code_generation.errors import CodeGenerationError, ConfigError, DataError, UnknownName
from code_generation.exporters.export_card import announce
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.pipeline import run_export
from code_generation.exporters.table import EXPORTERS, format_of
from code_generation.exporting import export_files
from code_generation.jsonl import read_lines, write_lines
from code_generation.models import GenerationResult, Message
from code_generation.records import to_json_object
from test_scripts.export_rows import code, problem, result, turn, write, wrong

STATEMENT = "Given the number of lamps in a long corridor, print twice as many, and nothing else, on a line of its own."


@pytest.fixture
def folder(tmp_path):
    """Results, an evaluation set that holds one of their problems, and files of other kinds."""
    write(tmp_path / "r.jsonl", result(of=problem("train/1", STATEMENT)), result(of=problem("q", "Twice.")))
    write_lines(tmp_path / "eval.jsonl", [to_json_object(problem("eval/9", STATEMENT))])
    write_lines(tmp_path / "problems.jsonl", [to_json_object(problem("mine", "Thrice."))])
    run_export([tmp_path / "r.jsonl"], "dpo", tmp_path / "pairs.jsonl", ExportOptions())
    run_export([tmp_path / "r.jsonl"], "sft", tmp_path / "earlier.jsonl", ExportOptions())
    return tmp_path


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ------------------------------------------------------------------------------------------------ places


@pytest.mark.parametrize("review", ["problems.jsonl", "earlier.jsonl", "o.jsonl", "r.jsonl", "eval.jsonl",
                                    "o.jsonl.export.json", "o.rows.jsonl"])  # fmt: skip
def test_a_review_replaces_nothing_but_a_review(folder, review):
    """A problem file, an export, the output and what stands beside it, an input: refused, all files as they were."""
    before = files_of(folder)
    options = ExportOptions(decontaminate=(folder / "eval.jsonl",), review=folder / review)
    with pytest.raises(ConfigError, match=re.escape(review)):
        run_export([folder / "r.jsonl"], "openai", folder / "o.jsonl", options)
    assert files_of(folder) == before


def test_a_review_under_another_name_is_the_same_file(folder):
    """A hard link or a symbolic link to an input is that input."""
    (folder / "hard.jsonl").hardlink_to(folder / "eval.jsonl")
    (folder / "soft.jsonl").symlink_to(folder / "r.jsonl")
    for name in ("hard.jsonl", "soft.jsonl"):
        options = ExportOptions(decontaminate=(folder / "eval.jsonl",), review=folder / name)
        with pytest.raises(ConfigError, match="already"):
            run_export([folder / "r.jsonl"], "sft", folder / "o.jsonl", options)


def test_what_stands_beside_an_output_replaces_no_file(folder):
    """`o.rows.jsonl` that is an input, or something else, is refused; that of an earlier export is made again."""
    rows = folder / "o.rows.jsonl"
    rows.write_bytes((folder / "problems.jsonl").read_bytes())
    with pytest.raises(ConfigError, match="not overwritten"):
        run_export([folder / "r.jsonl"], "openai", folder / "o.jsonl", ExportOptions())
    rows.write_bytes((folder / "r.jsonl").read_bytes())
    with pytest.raises(ConfigError, match="results already"):
        run_export([rows], "openai", folder / "o.jsonl", ExportOptions())
    rows.unlink()
    for _ in range(2):
        assert run_export([folder / "r.jsonl"], "openai", folder / "o.jsonl", ExportOptions()).written == 2


def test_a_review_keeps_what_a_person_wrote(folder):
    """Decisions and keys of one's own are carried over; the file that was written is taken again."""
    options = ExportOptions(decontaminate=(folder / "eval.jsonl",), review=folder / "review.jsonl")
    assert run_export([folder / "r.jsonl"], "sft", folder / "o.jsonl", options).written == 1
    hits = [row for _, row in read_lines(folder / "review.jsonl")]
    decided = [h | {"keep": True, "note": "boilerplate"} for h in hits]
    write_lines(folder / "review.jsonl", decided)
    assert run_export([folder / "r.jsonl"], "sft", folder / "o.jsonl", options).written == 2
    assert [row for _, row in read_lines(folder / "review.jsonl")] == decided


def test_an_evaluation_set_without_problems_is_refused(folder):
    """It would say that nothing is contaminated."""
    (folder / "empty.jsonl").write_text("")
    options = ExportOptions(decontaminate=(folder / "eval.jsonl", folder / "empty.jsonl"))
    with pytest.raises(DataError, match=r"empty\.jsonl holds no problems"):
        run_export([folder / "r.jsonl"], "sft", folder / "o.jsonl", options)


# ------------------------------------------------------------------------------------------------ no row, twice


@pytest.mark.parametrize("name", ["sft", "openai", "parquet"])
def test_no_row_leaves_the_old_file(folder, capsys, name):
    """Nothing selected: the export that is there stays with all that describes it, one line says so, exit status 1."""
    output = folder / "out.jsonl"
    assert export_files([folder / "r.jsonl"], name, output, ExportOptions()) == 0
    before = files_of(folder)
    capsys.readouterr()
    assert export_files([folder / "r.jsonl"], name, output, ExportOptions(where="n_turns > 5")) == 1
    assert files_of(folder) == before
    assert capsys.readouterr().err == f"no result gives a row, so {output} stays as it was\n"


def test_no_row_and_no_old_file(folder, capsys):
    """The file is there, empty, with the card that says why; exit status 1."""
    output = folder / "out.jsonl"
    assert export_files([folder / "r.jsonl"], "sft", output, ExportOptions(where="n_turns > 5")) == 1
    assert "is empty" in capsys.readouterr().err
    card = json.loads((folder / "out.jsonl.export.json").read_text())
    assert (output.read_bytes(), card["counts"]["rows_written"], card["counts"]["results_read"]) == (b"", 0, 2)


@pytest.mark.parametrize("text", ["", '{"problem": {"problem_'])
def test_no_result_is_an_error(folder, text):
    """Files without a result, also with a torn line alone: nothing is written."""
    (folder / "empty.jsonl").write_text(text)
    before = files_of(folder)
    with pytest.raises(DataError, match=r"no result in .*empty\.jsonl"):
        run_export([folder / "empty.jsonl"], "sft", folder / "earlier.jsonl", ExportOptions())
    assert files_of(folder) == before


def test_a_file_twice_is_refused(folder):
    """By its name or another: each result would count twice."""
    (folder / "link.jsonl").symlink_to(folder / "r.jsonl")
    for other in ("r.jsonl", "link.jsonl"):
        with pytest.raises(ConfigError, match="given twice"):
            run_export([folder / "r.jsonl", folder / other], "rl", folder / "o.jsonl", ExportOptions())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sample_twice_is_refused(folder, workers):
    """From two files, graded anew or left out anyway; both places are named. Another answer is another sample."""
    again = result(turn(wrong(), passed=False), of=problem("q", "Twice."))
    write(folder / "a.jsonl", again)
    write(folder / "b.jsonl", result(turn(wrong(), passed=None), of=problem("q", "Twice."), cost_usd=None))
    with pytest.raises(DataError, match=r"b\.jsonl: line 1 is the sample of .*a\.jsonl: line 1 once more"):
        run_export(
            [folder / "a.jsonl", folder / "b.jsonl"], "kto", folder / "o.jsonl", ExportOptions(), workers=workers
        )
    write(folder / "b.jsonl", result(turn(code(1)), of=problem("q", "Twice.")))
    report = run_export([folder / "a.jsonl", folder / "b.jsonl"], "kto", folder / "o.jsonl", ExportOptions())
    assert report.written == 2


# ------------------------------------------------------------------------------------------------ flags

FLAGS = {
    "thinking": "tags", "turns": "all", "single_turn": True, "split_turns": True, "failed_weight": 1,
    "pairs": "within", "max_length_ratio": 3.0, "dialect": "together",
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTERS)
def test_a_flag_that_a_format_ignores_is_refused(folder, name):
    """One line names the flag and the formats that know it; those that do take it."""
    for flag, value in FLAGS.items():
        knowing = [other for other in EXPORTERS if flag in format_of(other).knows]
        assert knowing and knowing != list(EXPORTERS)
        if name in knowing:
            run_export([folder / "r.jsonl"], name, folder / "o.jsonl", ExportOptions(**{flag: value}))
            continue
        with pytest.raises(ConfigError) as caught:
            run_export([folder / "r.jsonl"], name, folder / "o.jsonl", ExportOptions(**{flag: value}))
        assert str(caught.value).startswith(f"--{flag.replace('_', '-')} ")
        assert str(caught.value).endswith(f"it is for {', '.join(knowing)}")


def test_of_is_for_parquet(folder):
    """`--of dpo` without Parquet is refused."""
    with pytest.raises(ConfigError, match="--format parquet"):
        run_export([folder / "r.jsonl"], "sft", folder / "o.jsonl", ExportOptions(of="dpo"))


# ------------------------------------------------------------------------------------------------ formats of one's own


def lengths(found: GenerationResult) -> list[dict]:
    """A format that does what it should."""
    return [{"id": found.problem.problem_id, "chars": len(found.final_code)}]


def a_text(found: GenerationResult) -> str:
    return found.problem.problem_id


def texts(found: GenerationResult) -> list[str]:
    return [found.problem.problem_id]


def numbered(found: GenerationResult) -> list[dict]:
    return [{1: found.problem.problem_id}]


def objects(found: GenerationResult) -> list[dict]:
    return [{"message": Message(role="user", content=found.problem.problem)}]


def fails(found: GenerationResult) -> list[dict]:
    return [{"x": found.problem.metadata["nosuch"]}]


SAYS = {
    "a_text": "returned an object of type str", "texts": "a list with an object of type str",
    "numbered": "a key that is no text", "objects": "no JSON", "fails": "fails: 'nosuch'",
}  # fmt: skip


@pytest.mark.parametrize(("function", "workers"), [*((name, 0) for name in SAYS), ("fails", 1)])
def test_a_format_that_fails_is_one_line(folder, function, workers):
    """It names the format and the row, whoever does the work; the old file stays."""
    before = files_of(folder)
    name = f"{__name__}:{function}"
    with pytest.raises(DataError) as caught:
        run_export([folder / "r.jsonl"], name, folder / "earlier.jsonl", ExportOptions(), workers=workers)
    said = str(caught.value)
    assert (f"r.jsonl: line 1: the format {name} " in said, SAYS[function] in said, "\n" in said) == (True, True, False)
    assert files_of(folder) == before


def test_a_format_of_ones_own(folder):
    """Its rows are written as they are; flags of ours mean nothing to it."""
    name = f"{__name__}:lengths"
    run_export([folder / "r.jsonl"], name, folder / "o.jsonl", ExportOptions())
    assert [row["id"] for _, row in read_lines(folder / "o.jsonl")] == ["train/1", "q"]
    with pytest.raises(ConfigError, match="--turns means nothing"):
        run_export([folder / "r.jsonl"], name, folder / "o.jsonl", ExportOptions(turns="all"))


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("sftt", UnknownName, "parquet, .*Did you mean 'sft'"),
        ("parqet", UnknownName, "Did you mean 'parquet'"),
        ("nomod:dumps", UnknownName, "The module 'nomod' can't be imported"),
        ("json:nosuch", UnknownName, "The module 'json' has no 'nosuch'"),
        ("json:__name__", ConfigError, "an object of type str"),
        ("broken_format:rows", ConfigError, "importing broken_format fails: ZeroDivisionError"),
        ("needy_format:rows", ConfigError, "importing needy_format fails: .*'not_there'"),
    ],
)
def test_a_format_that_is_none(folder, monkeypatch, name, error, says):
    """What is wrong with the name, the module or the attribute, in one line."""
    (folder / "broken_format.py").write_text("1 / 0\n")
    (folder / "needy_format.py").write_text("import not_there\n")
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(CodeGenerationError, match=says) as caught:
        run_export([folder / "r.jsonl"], name, folder / "o.jsonl", ExportOptions())
    assert (type(caught.value), "\n" in str(caught.value)) == (error, False)


# ------------------------------------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "json:dumps"], "r.jsonl: line 1: the format json:dumps fails"),
        (["--where", "n_turns = 1"], "n_turns >>=<< 1 : use == to compare"),
    ],
)
def test_a_mistake_is_one_line(folder, codegen, arguments, says):
    """Exit status 2, one line as a person reads it."""
    done = codegen("export", "r.jsonl", "--output", "o.jsonl", *arguments)
    assert (done.returncode, done.stderr.count("\n"), says in done.stderr) == (2, 1, True), done.stderr
    assert "\\n" not in done.stderr
    assert not (folder / "o.jsonl").exists()


@pytest.mark.parametrize("name", ["openai", "parquet"])
def test_a_killed_export_is_made_again(tmp_path, name):
    """Between a file and its card a kill may come: the same command goes on, and what is not its own stays refused."""
    path = write(tmp_path / "r.jsonl", result())
    output, table = tmp_path / "out.x", name == "parquet"
    form, options = ("flat" if table else name), ExportOptions()
    run_export([path], form, output, options, table=table)
    announce(format_of(form), output, options)  # as it is where the kill comes after the file
    output.write_bytes(output.read_bytes() + b"\n")
    assert run_export([path], form, output, options, table=table).written == 1
    (tmp_path / "mine").write_bytes(output.read_bytes())
    with pytest.raises(ConfigError):
        run_export([path], form, tmp_path / "mine", options, table=table)
