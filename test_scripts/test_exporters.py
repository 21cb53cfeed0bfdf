"""Training files: which results give rows, what is in them, and the result files they are read from."""

from __future__ import annotations

import json

import msgspec
import pytest

from code_generation.certificate import certify
from code_generation.errors import ConfigError, DataError, UnknownName
from code_generation.exporters.files import export
from code_generation.exporters.sft import export_sft
from code_generation.exporters.table import EXPORTERS
from code_generation.extract import extract_code
from code_generation.jsonl import JsonlWriter, encode, read_lines, write_lines
from code_generation.models import Attempt, CodeProblem, GenerationResult, Grade, Message, Outcome, TestCase, Usage
from code_generation.programs import Limits
from code_generation.records import to_json_object
from code_generation.results import read_finished, read_results, unsolved_path

SECRET = "sup3rs3cret"
CODE = "def f(x):\n    return x * 2"
ANSWER = f"Doubling is adding.\n\n```python\n{CODE}\n```\nDone."


def result(*answers, problem_id="p", finish="stop", system="Be brief.", verified=True, sample_index=0, **changes):
    """A finished problem whose last answer holds CODE; earlier answers got feedback."""
    problem = CodeProblem(
        problem_id=problem_id,
        problem="Double it.",
        solutions=[SECRET],
        test_cases=[TestCase(input=[SECRET], output=2, type="functional", is_public=False)],
        metadata={"func_name": "f"},
    )
    status = "passed" if verified else "wrong_answer"
    grade = Grade(
        verdict="pass" if verified else "fail",
        n_passed=int(verified),
        n_tests=1,
        reward=float(verified),
        fraction=float(verified),
        outcomes=[Outcome(status=status, is_public=False, error=SECRET)],
    )
    history = [Message(role="system", content=system)] if system else []
    history.append(Message(role="user", content="Write f."))
    for answer in answers or (ANSWER,):
        if history[-1].role == "assistant":
            history.append(Message(role="user", content="Your code did not pass."))
        history.append(Message(role="assistant", content=answer, blocks=[{"thinking": SECRET}]))
    attempt = Attempt(code=CODE, grade=grade, usage=Usage(), cost_usd=None, latency_s=1.0, finish_reason=finish)
    fields = {
        "problem": problem,
        "final_code": CODE,
        "full_message_history": history,
        "generation_metadata": {"model": "m1", "sample_index": sample_index},
        "verified": verified,
        "satisfied": verified,
        "attempts": [attempt] * max(1, len(answers)),
        "usage": Usage(),
        "cost_usd": None,
        "certificate": certify(problem, CODE, grade, Limits()),
        "schema": 1,
    }
    return GenerationResult(**fields | changes)


def write(path, *results):
    write_lines(path, [to_json_object(r) for r in results])
    return path


def test_a_first_answer_is_exported_as_it_was_given():
    """System prompt, question and the whole answer, with what is needed to check the row again."""
    verified = result()
    (row,) = export_sft(verified)
    assert row["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Write f."},
        {"role": "assistant", "content": ANSWER},
    ]
    del row["messages"]
    certificate = verified.certificate
    assert row == {
        "problem_id": "p",
        "sample_index": 0,
        "model": "m1",
        "n_turns": 1,
        "verified": True,
        "verified_by": "tests",
        "code_sha256": certificate.code_sha256,
        "problem_sha256": certificate.problem_sha256,
        "tests_sha256": certificate.tests_sha256,
        "comparison": "default",
        "comparison_version": 1,
        "executor": certificate.executor,
        "isolation": certificate.isolation,
        "python": certificate.python,
    }


def test_a_repaired_answer_is_exported_as_its_code():
    """The row of a second turn does not speak of feedback that it does not show; its code is the verified one."""
    (row,) = export_sft(result("```python\nwrong\n```", f"Sorry, as you say it failed:\n```python\n{CODE}\n```"))
    assert [m["role"] for m in row["messages"]] == ["system", "user", "assistant"]
    assert row["messages"][2]["content"] == f"```python\n{CODE}\n```"
    assert row["n_turns"] == 2


def test_without_a_system_prompt():
    """A conversation without a system prompt is exported without one."""
    (row,) = export_sft(result(system=""))
    assert [m["role"] for m in row["messages"]] == ["user", "assistant"]


@pytest.mark.parametrize("answers", [(ANSWER,), ("no", ANSWER)])
def test_the_answer_of_a_row_holds_the_verified_code(answers):
    """Who reads the code out of an exported row finds exactly what was verified."""
    verified = result(*answers)
    (row,) = export_sft(verified)
    assert verified.final_code == extract_code(row["messages"][-1]["content"], verified.problem.view())


@pytest.mark.parametrize(
    "changes",
    [
        {"verified": False},
        {"verified": False, "satisfied": True},
        {"finish": "length"},
        {"final_code": None},
        {"attempts": []},
    ],
)
def test_what_is_not_proven_is_not_exported(changes):
    """Unverified results, answers that were cut off and results without code give no rows."""
    assert export_sft(result(**changes)) == []


def test_nothing_private_is_exported():
    """Private tests, references, errors and raw reasoning stay in the result."""
    for answers in ((ANSWER,), ("no", ANSWER)):
        assert SECRET not in encode(export_sft(result(*answers)))


def test_export_reads_several_files(tmp_path):
    """Rows of all files in order, torn last lines of running jobs left out; counts of read and written."""
    solved = write(tmp_path / "a.jsonl", result(problem_id="a"), result(problem_id="b"))
    with solved.open("ab") as file:
        file.write(b'{"problem": {"problem_id": "torn')
    unsolved = write(tmp_path / "a.unsolved.jsonl", result(problem_id="c", verified=False))
    output = tmp_path / "sft.jsonl"
    assert export([solved, unsolved], "sft", output) == (3, 2)
    assert [row["problem_id"] for _, row in read_lines(output)] == ["a", "b"]
    assert export([solved], "sft", tmp_path / "again.jsonl") == (2, 2)
    assert output.read_bytes() == (tmp_path / "again.jsonl").read_bytes()


def test_a_failed_export_leaves_the_old_file(tmp_path):
    """A file that holds no results is named with its line, and an earlier export stays."""
    good = write(tmp_path / "a.jsonl", result())
    output = tmp_path / "sft.jsonl"
    export([good], "sft", output)
    before = output.read_bytes()
    write_lines(tmp_path / "problems.jsonl", [{"problem_id": "p", "problem": "x", "test_cases": []}])
    with pytest.raises(DataError, match=r"problems\.jsonl: line 1 is not a result row"):
        export([good, tmp_path / "problems.jsonl"], "sft", output)
    assert before == output.read_bytes()


def test_an_export_never_overwrites_its_results(tmp_path):
    """An output that is one of the result files is refused: paid answers are not replaced by training rows."""
    results = write(tmp_path / "a.jsonl", result())
    before = results.read_bytes()
    with pytest.raises(ConfigError, match=r"a\.jsonl"):
        export([results], "sft", results)
    assert before == results.read_bytes()


def test_formats_by_name(tmp_path):
    """Every row of the table can be used; another name lists the known ones; a dotted path is one's own format."""
    results = write(tmp_path / "a.jsonl", result())
    for name in EXPORTERS:
        assert export([results], name, tmp_path / "out.jsonl")[0] == 1
    with pytest.raises(UnknownName, match=r"unknown export format 'sftt'; known: .*sft.*Did you mean 'sft'"):
        export([results], "sftt", tmp_path / "out.jsonl")
    assert export([results], "code_generation.exporters.sft:export_sft", tmp_path / "out.jsonl") == (1, 1)


def test_results_survive_their_file(tmp_path):
    """A result row is read back as it was written, with unknown keys and raw content blocks."""
    written = result(extra={"note": "from a later version"})
    with JsonlWriter(tmp_path / "a.jsonl") as rows:
        rows.append(to_json_object(written))
    assert [(1, written)] == list(read_results(tmp_path / "a.jsonl"))


def finished(path):
    return [(row.problem_id, row.sample_index) for row in read_finished(path)]


def test_what_is_finished(tmp_path):
    """Every finished sample of a file that exists counts as done; a torn line does not."""
    path = write(tmp_path / "a.jsonl", result(problem_id="a"), result(problem_id="a", sample_index=1))
    with path.open("ab") as file:
        file.write(json.dumps(to_json_object(result(problem_id="torn"))).encode()[:-5])
    assert finished(path) == [("a", 0), ("a", 1)]
    assert finished(tmp_path / "none.jsonl") == []


TRICKY = (
    'a "quoted" \\ id',
    "ü\ud800",
    '"generation_metadata": {"sample_index": 7}, "verified": ',
    "x" * 5000,
    "",
    "\n",
)


def test_what_is_finished_however_it_is_written(tmp_path):
    """What is found at sight is what decoding finds: with odd ids and texts, keys within keys, rows in another order or
    another spacing, metadata from another version.
    """
    rows = [to_json_object(result(problem_id=f"{n} {text}", sample_index=n)) for n, text in enumerate(TRICKY)]
    for text, row in zip(TRICKY, rows, strict=True):
        row["problem"]["metadata"] = {"generation_metadata": {"sample_index": 99}, "verified": text, "text": text}
        row["full_message_history"] = [{"role": "user", "content": text}]
        row["attempts"][0]["code"] = text
    rows.append({**rows[0], "more": {"a": 1}})
    rows.append(dict(reversed(rows[1].items())))
    expected = [(row["problem"]["problem_id"], row["generation_metadata"]["sample_index"]) for row in rows]
    plain, spaced = tmp_path / "plain.jsonl", tmp_path / "spaced.jsonl"
    plain.write_text("".join(json.dumps(row) + "\n" for row in rows))
    spaced.write_text("\n" + "".join(json.dumps(row, separators=(" ,", " : ")) + "\n\n" for row in rows))
    assert finished(plain) == finished(spaced) == expected
    plain.write_text("\n".join(json.dumps(row) for row in rows))  # a last line without its newline, whole
    assert finished(plain) == expected


def test_results_are_not_appended_to_another_kind_of_file(tmp_path):
    """A file that holds something else is refused before anything is paid for."""
    write_lines(tmp_path / "problems.jsonl", [{"problem_id": "p"}])
    with pytest.raises(DataError, match="line 1 is not a result row"):
        list(read_finished(tmp_path / "problems.jsonl"))


def test_the_error_log_stands_beside_the_output(tmp_path):
    """`solutions.jsonl` has its unsolved rows in `solutions.unsolved.jsonl`."""
    assert tmp_path / "solutions.unsolved.jsonl" == unsolved_path(tmp_path / "solutions.jsonl")
    assert tmp_path / "run.unsolved.jsonl" == unsolved_path(tmp_path / "run")


def test_results_are_values():
    """Two results of equal content are equal; a changed one is not."""
    assert result() == result()
    assert msgspec.structs.replace(result(), verified=False) != result()
