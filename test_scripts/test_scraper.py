"""One problem's way: criteria, repair, the ends of a conversation, and the row that comes of it."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from code_generation import scraper
from code_generation.errors import SandboxLost
from code_generation.grader import TestExecutionGrader
from code_generation.models import Grade, Outcome, Sampling
from code_generation.prompts import PromptLibrary, PromptSet
from code_generation.providers import ModelOptions, choose_model, open_provider
from code_generation.records import to_json_object
from code_generation.scraper import SolvePolicy, solve
from test_scripts.conftest import function_problem
from test_scripts.test_grader import BrokenBox

RIGHT, PUBLIC_ONLY, WRONG = "def f(n): return n + 1", "def f(n): return 2", "def f(n): return 0"
ROW = [
    "problem", "final_code", "full_message_history", "generation_metadata", "verified", "satisfied", "attempts",
    "usage", "cost_usd", "certificate", "schema",
]  # fmt: skip


def fence(code: str) -> str:
    return f"Here:\n\n```python\n{code}\n```\n"


@pytest.fixture
def scrape(tmp_path, codegen):
    """Play answers through the real command; returns (exit status, solved rows, unsolved rows)."""

    def run(*responses, flags=(), tests=(([1], 2, True), ([5], 6))):
        write(tmp_path / "in.jsonl", [to_json_object(function_problem(*tests))])
        write(tmp_path / "replay.jsonl", [{"problem_id": "p", "responses": list(responses)}])
        done = codegen("scrape", "in.jsonl", "out.jsonl", "--model", "replay:replay.jsonl", *flags)
        return done.returncode, read(tmp_path / "out.jsonl"), read(tmp_path / "out.unsolved.jsonl")

    return run


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def graded(*outcomes: tuple[str, bool], verdict: str = "fail") -> Grade:
    found = [Outcome(status=status, is_public=public) for status, public in outcomes]
    return Grade(verdict=verdict, n_passed=0, n_tests=len(found), reward=0.0, fraction=0.0, outcomes=found)


OK, NO = "passed", "wrong_answer"


@pytest.mark.parametrize(
    ("outcomes", "satisfied"),
    [
        # outcomes of (public, private) tests        all, public, private, public-not-private
        ([(OK, True), (OK, False)], (True, True, True, False)),
        ([(OK, True), (NO, False)], (False, True, False, True)),
        ([(NO, True), (OK, False)], (False, False, True, False)),
        ([(NO, True), (NO, False)], (False, False, False, False)),
        ([(OK, True)], (True, True, True, False)),
        ([(OK, False)], (True, True, True, False)),
        ([(NO, False)], (False, True, False, True)),
        ([("not_run", False)], (False, True, False, True)),
    ],
)
def test_criteria(outcomes, satisfied):
    """Each criterion looks at its sides of the tests; an empty side counts as passed."""
    prompts = PromptSet(PromptLibrary())
    names = ("all", "public", "private", "public-not-private")
    policies = [SolvePolicy(prompts=prompts, sampling=Sampling(), criterion=name) for name in names]
    assert tuple(p.satisfied_by(graded(*outcomes)) for p in policies) == satisfied


def test_no_code_and_no_verdict_satisfy_nothing():
    """An answer without code, and a grade that the box could not give, never end a conversation well."""
    for criterion in ("all", "public", "private", "public-not-private"):
        policy = SolvePolicy(prompts=PromptSet(PromptLibrary()), sampling=Sampling(), criterion=criterion)
        assert not policy.satisfied_by(None)
        assert not policy.satisfied_by(graded(("infra_error", False), (OK, True), verdict="infra"))


def test_repaired_after_feedback(scrape):
    """A wrong answer gets feedback, the repaired one ends it: one row with both attempts, in the order of fields."""
    status, (row,), unsolved = scrape(fence(WRONG), "No idea.", fence(RIGHT), "never asked for")
    history = row["full_message_history"]
    assert (status, list(row), unsolved) == (0, ROW, [])
    assert [m["role"] for m in history] == ["system"] + ["user", "assistant"] * 3
    assert ("f(1)" in history[3]["content"], "No complete Python code" in history[5]["content"]) == (True, True)
    assert [(a["code"], a["grade"] and a["grade"]["n_passed"]) for a in row["attempts"]] == [
        (WRONG, 0), (None, None), (RIGHT, 2),
    ]  # fmt: skip
    assert (row["final_code"], row["verified"], row["satisfied"], row["cost_usd"]) == (RIGHT, True, True, None)


def test_metadata_and_certificate(scrape):
    """A row says what was asked of whom, and carries what is needed to check it again."""
    _, (row,), _ = scrape(fence(RIGHT), flags=["--temperature", 0.5, "--prompt-id", "plan_then_code"])
    metadata, certificate = row["generation_metadata"], row["certificate"]
    named = {k: metadata[k] for k in ("model", "provider", "temperature", "prompt_id", "system_prompt_id", "sampling")}
    assert named == {
        "model": "replay.jsonl", "provider": "replay", "temperature": 0.5, "prompt_id": "plan_then_code",
        "system_prompt_id": "helpful_coder", "sampling": {"temperature": 0.5},
    }  # fmt: skip
    hashes = [metadata["prompt_sha256"], metadata["system_prompt_sha256"], *(certificate[f"{k}_sha256"] for k in
              ("problem", "tests", "code"))]  # fmt: skip
    assert [len(h) for h in hashes] == [64] * 5
    assert (certificate["executor"], certificate["comparison"]["name"]) == ("subprocess", "default")


@pytest.mark.parametrize(
    ("flags", "code", "solved", "verified"),
    [
        ([], PUBLIC_ONLY, False, False),
        (["--should-pass-private"], RIGHT, True, True),
        (["--criterion", "public"], PUBLIC_ONLY, True, False),
        (["--criterion", "private"], "def f(n): return 6", True, False),
        (["--should-not-pass-private"], PUBLIC_ONLY, True, False),
        (["--should-not-pass-private"], RIGHT, False, True),
    ],
)
def test_which_file_a_row_goes_to(scrape, flags, code, solved, verified):
    """Satisfied rows go to OUT, the others to the error log; `verified` is about all tests, whatever was asked for."""
    status, out, unsolved = scrape(fence(code), flags=[*flags, "--max-turns", 1])
    (row,) = out if solved else unsolved
    assert (status, len(out), len(unsolved)) == (0, int(solved), int(not solved))
    assert (row["satisfied"], row["verified"]) == (solved, verified)


@pytest.mark.parametrize(
    ("responses", "turns", "ended"),
    [([fence(WRONG)] * 4, 2, "max_turns"), ([fence(WRONG)] * 2, 5, "conversation over"), (["Sorry."], 1, "max_turns")],
)
def test_how_it_ends_without_success(scrape, responses, turns, ended):
    """Out of turns or out of answers, the row holds what there was and ends with the last answer."""
    _, _, (row,) = scrape(*responses, flags=["--max-turns", turns])
    asked = min(turns, len(responses))
    assert (len(row["attempts"]), row["full_message_history"][-1]["role"]) == (asked, "assistant")
    assert row["generation_metadata"]["ended"].startswith(ended)
    assert (row["final_code"] is None) == ("Sorry." in responses)


def test_nothing_recorded_is_no_result(scrape):
    """A problem for which nothing was answered at all leaves no row."""
    status, out, unsolved = scrape()
    assert (status != 0, out, unsolved) == (True, [], [])


def test_infra_is_never_a_row():
    """Where the sandbox fails, `solve` raises and invents no verdict."""
    problem = function_problem(([1], 2), solutions=[RIGHT])
    options = ModelOptions(model="scripted:reference")
    provider = open_provider(choose_model(options, {}), options, {"p": problem})
    policy = SolvePolicy(prompts=PromptSet(PromptLibrary()), sampling=Sampling())
    grader = TestExecutionGrader(BrokenBox({"calls": "infra_error"}))
    with pytest.raises(SandboxLost, match="lost"):
        asyncio.run(solve(problem, provider, grader, policy))


def test_compressed_problems_and_unknown_keys(tmp_path, codegen):
    """Problems may be compressed, and keys that this version does not know come through to the row."""
    problem = to_json_object(function_problem(([1], 2), solutions=[RIGHT])) | {"origin": {"page": 7}}
    problem["test_cases"][0]["note"] = "mine"
    with gzip.open(tmp_path / "in.jsonl.gz", "wt") as file:
        file.write(json.dumps(problem) + "\n")
    codegen("scrape", "in.jsonl.gz", "out.jsonl", "--model", "scripted:reference")
    (row,) = read(tmp_path / "out.jsonl")
    assert (row["problem"]["origin"], row["problem"]["test_cases"][0]["note"]) == ({"page": 7}, "mine")


def test_a_fault_of_ours_ends_its_conversation_alone():
    """An exception that nobody thought of is a failure of its problem; the others go on."""

    async def solve_one(problem, _sample_index):
        if problem.problem_id == "bad":
            raise ZeroDivisionError
        return problem

    async def run():
        pairs = [(function_problem(problem_id=name), 0) for name in ("a", "bad", "c")]
        return [r async for r in scraper.scrape(pairs, solve_one, max_concurrent=1)]

    first, failed, last = asyncio.run(run())
    assert (first.problem_id, last.problem_id) == ("a", "c")
    assert "ZeroDivisionError" in str(failed.error)
