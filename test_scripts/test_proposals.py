"""Examples by a model: read whatever shape they have, paid once, and no more than proposals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing

import pytest

from code_generation.concurrency import in_order
from code_generation.errors import AuthFailed, ConfigError, ServiceDown, UnknownName
from code_generation.grader import GraderOptions, open_grader
from code_generation.models import CodeProblem, TestCase
from code_generation.preprocess.proposals import ExtractionOptions, answers_path, read_answer
from code_generation.preprocess.public_tests import open_public_tests
from code_generation.providers import ModelOptions
from code_generation.records import to_json_object
from test_scripts.model_server import serving

ANSWER = '```json\n[{"input": [3], "output": 6}, {"input": [4], "output": 9}]\n```'
"""Right, and wrong, for a function that doubles."""
CODE = "def f(x):\n    return 2 * x"


def problem(number=0, *tests, statement="Double the number.", solutions=(CODE,)) -> CodeProblem:
    """A problem whose statement shows nothing in a known form, all tests private."""
    tests = tests or (([5], 10), ([3], 6))
    cases = [TestCase(input=i, output=o, type="functional", is_public=False) for i, o in tests]
    return CodeProblem(
        problem_id=f"p{number}",
        problem=f"{statement} ({number})",
        solutions=list(solutions),
        test_cases=cases,
        metadata={"func_name": "f"},
    )


def ask(folder, problems, *, extraction=None, **model):
    """What becomes of problems, and the stage, closed; `model` are options of the command line."""
    options = {"max_retries": 0, "model": "m", **model}

    async def run():
        async with open_grader(GraderOptions()) as grader:
            settings = ExtractionOptions(**(extraction or {}))
            opened = open_public_tests(grader, ModelOptions(**options), settings, folder / "out.jsonl")
            async with opened as stage, aclosing(in_order(problems, stage, settings.max_concurrent)) as done:
                return [after async for _, after in done], stage

    return asyncio.run(run())


def answers(folder):
    path = answers_path(folder / "out.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else None


# ------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Here:\n```json\n[{"input": [[1, 2], 3], "output": [4]}]\n```\nThat is all.', [([[1, 2], 3], [4])]),
        ('```\n[{"input": [0, 0], "output": 1}]\n```\nNo:\n```json\n[{"input": [1, 1], "output": 2}]', [([1, 1], 2)]),
        ('[{"args": [1, 2], "expected": null}]', [([1, 2], None)]),
        ('{"examples": [{"arguments": {"k": 2, "xs": [1]}, "result": true}]}', [([[1], 2], True)]),
        ("```json\n[{'input': (1, 2), 'output': 'a'}, {'input': [(1,), 2], 'output': {1: 2}}]\n```",
         [([{"$py": "(1,)"}, 2], {"$py": "{1: 2}"})]),
        ('So: [{"input": "xs=[1], k=2", "output": {"$py": "{1, 2}"}}].', [([[1], 2], {"$py": "{1, 2}"})]),
        ('```json\n[{"input": [NaN, -1e999], "output": 1}]\n```',
         [([{"$py": "float('nan')"}, {"$py": "float('-inf')"}], 1)]),
        ('[{"input": [1, 2]}, 5, {"input": null, "output": 1}, {"input": [{"$py": "open(1)"}, 2], "output": 1}]', []),
        ("```json\n[]\n```", []),
        ("There are no examples.", None),
        ("```json\n[{'input': __import__('os').system('touch x')}]\n```", None),
        ("[" * 100_000, None),
        ("[" * 900 + "]" * 900, []),
        ("[" + "9" * 150_000 + "]", []),
        ("x" * 300_000, None),
        ("```\n" * 40_000, None),
    ],
)  # fmt: skip
def test_answers_about_functions(text, expected):
    """The last list is read, as JSON or as literals; what is no example in it is left out; nothing is evaluated."""
    found = read_answer(text, "function", ["xs", "k"])
    assert (found and [(e.input, e.output) for e in found]) == expected


def test_answers_about_programs():
    """Inputs and outputs are text with its line end; lists of lines and numbers are meant as text."""
    items = [
        {"input": "1 2", "output": "3\n\n"}, {"input": ["1", "2"], "output": 3}, {"input": "", "output": "7"},
        {"input": "1", "output": ""}, {"input": True, "output": "1"}, {"input": "1", "output": {"a": 1}},
    ]  # fmt: skip
    found = read_answer(json.dumps(items), "program")
    assert [(e.input, e.output) for e in found] == [("1 2\n", "3\n"), ("1\n2\n", "3\n"), ("", "7\n")]
    (alone,) = read_answer('[{"input": [1, 2, 3], "output": 6}]', "function", ["xs"])
    assert alone.input == [[1, 2, 3]]


# ------------------------------------------------------------------------------------------------ asking


def test_proposals_count_when_they_are_true(tmp_path):
    """What equals a test makes it public, what is new must pass the reference; the row says who found it."""
    with serving(text=ANSWER) as server:
        (after, bare), stage = ask(tmp_path, [problem(0), problem(1, ([5], 10), solutions=())], base_url=server.url)
        seen = server.seen()
    assert [(t.input, t.output) for t in after.public_tests] == [([3], 6)]
    assert [(t.input, t.output) for t in after.private_tests] == [([5], 10)]
    said = after.metadata["public_tests_model"]
    assert (after.metadata["public_tests_from"], said["model"]) == ("model", "custom:m")
    assert said["prompt_sha256"] == stage.extraction.prompts["function"].sha256
    assert bare == problem(1, ([5], 10), solutions=())  # no reference, nothing new
    asked = [body["messages"][0]["content"] for body in seen["bodies"]]
    assert all("`f`" in text for text in asked)
    assert sorted("number. (0)" in text for text in asked) == [False, True]
    assert not any("10" in text or CODE in text for text in asked)  # no private test, no reference


def test_private_tests_are_left(tmp_path):
    """A model that knows all tests does not leave a problem without a private one."""
    tests = [([3], 6), ([4], 8)]
    text = json.dumps([{"input": i, "output": o} for i, o in reversed(tests)])
    with serving(text=text) as server:
        (after,), _ = ask(tmp_path, [problem(0, *tests)], base_url=server.url)
    assert [t.is_public for t in after.test_cases] == [True, False]


def test_no_model_is_asked_in_vain(tmp_path):
    """Nothing is asked where the rule finds examples, where the set has public tests, where no model is named."""
    shown = problem(0, statement="f(3) == 6, f(1) == 5")
    with serving(text=ANSWER) as server:
        after, _ = ask(
            tmp_path, [shown, problem(1, ([3], 6), statement="f(9) == 1", solutions=())], base_url=server.url
        )
        again, _ = ask(tmp_path, after[:1], base_url=server.url)
        assert server.seen()["requests"] == 0
    assert [p.metadata.get("public_tests_from") for p in after] == ["statement", None]
    assert again == after[:1]
    nobody, stage = ask(tmp_path / "new", [problem(0)], model=None)
    assert (nobody, stage.extraction, answers(tmp_path / "new")) == ([problem(0)], None, None)


def test_nothing_is_paid_twice(tmp_path):
    """Answers are used again: of an earlier run, and of the same statement; other words are another question."""
    twins = [problem(0), problem(0), problem(1)]
    with serving(text=ANSWER, latency=0.1) as server:
        first, stage = ask(tmp_path, twins, base_url=server.url)
        assert (server.seen()["requests"], stage.extraction.counts["asked"]) == (2, 2)
        second, again = ask(tmp_path, twins, base_url=server.url)
        assert (server.seen()["requests"], second, again.report()) == (2, first, stage.report())
        ask(tmp_path, twins[:1], base_url=server.url, temperature=0.5)
        assert server.seen()["requests"] == 3
        own = tmp_path / "own/extraction"
        own.mkdir(parents=True)
        (own / "public_tests.md").write_text("Examples of: {{statement}}")
        ask(tmp_path, twins[:1], base_url=server.url, extraction={"prompts_dir": tmp_path / "own"})
        assert server.seen()["bodies"][-1]["messages"][0]["content"] == "Examples of: Double the number. (0)"
        ask(tmp_path, twins[:1], base_url=server.url, extraction={"force": True})
        assert server.seen()["requests"] == 5
    assert len(answers(tmp_path)) == 1
    assert (tmp_path / "out.jsonl.answers.jsonl.bak").exists()


DRIVER = """
import asyncio, sys
from pathlib import Path
from test_scripts.test_proposals import ask, problem
problems = [problem(n) for n in range(20)]
after, stage = ask(Path(sys.argv[1]), problems, base_url=sys.argv[2], extraction={"max_concurrent": 4})
print(sum(bool(p.public_tests) for p in after), stage.extraction.counts["asked"], stage.extraction.counts["kept"])
"""


def test_killed_and_started_again(tmp_path):
    """After kill -9 the same run asks only what has no answer on disk; a torn last line is asked again."""
    with serving(text=ANSWER, latency=0.15) as server:
        command = [sys.executable, "-c", DRIVER, str(tmp_path), server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            while len(answers(tmp_path) or []) < 8:
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        kept = len(answers(tmp_path))
        with answers_path(tmp_path / "out.jsonl").open("a") as file:
            file.write('{"key": "torn')
        before = server.seen()["requests"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout.split() == ["20", str(20 - kept), str(kept)]
        assert server.seen()["requests"] - before == 20 - kept
    assert len(answers(tmp_path)) == 20


@pytest.mark.parametrize(
    ("fault", "counted"),
    [("refusal", "refused"), ("content_filter", "refused"), ("overflow", "failed"), ("length", "unreadable")],
)
def test_answers_that_are_none(tmp_path, fault, counted):
    """A refusal, an error and an answer without a list leave the problem as it was, and are counted, not repeated."""
    with serving(text="None of it is an example.", fault=[fault]) as server:
        after, stage = ask(tmp_path, [problem(0)], base_url=server.url)
        assert (after, server.seen()["requests"]) == ([problem(0)], 1)
    assert stage.report()["model"][counted] == 1


def test_a_service_that_stumbles(tmp_path):
    """An error now and then costs the problem its answer, nothing else; the next run asks for it again."""
    faults = ["server_error", "rejected"]
    with serving(text=ANSWER, fault=faults) as server:
        one_by_one = {"max_concurrent": 1}
        after, stage = ask(tmp_path, [problem(n) for n in range(4)], base_url=server.url, extraction=one_by_one)
        assert [bool(p.public_tests) for p in after] == [False, False, True, True]
        assert sum(stage.report()["model"]["failures"].values()) == 2
        after, stage = ask(tmp_path, [problem(n) for n in range(4)], base_url=server.url, extraction=one_by_one)
        assert all(p.public_tests for p in after)
        assert (stage.extraction.counts["asked"], stage.extraction.counts["kept"]) == (2, 2)


def test_a_service_that_does_not_work(tmp_path):
    """A refused key ends the run at once, errors without end soon; answers that were had are kept."""
    with serving(text=ANSWER) as server:
        ask(tmp_path, [problem(0)], base_url=server.url)
    problems = [problem(n) for n in range(40)]
    with serving(text=ANSWER, fault=["auth"]) as server, pytest.raises(AuthFailed):
        ask(tmp_path, problems, base_url=server.url, extraction={"max_concurrent": 1})
    with serving(text=ANSWER, fault=["server_error"], forever=True) as server:
        with pytest.raises(ServiceDown):
            ask(tmp_path, problems, base_url=server.url, extraction={"max_concurrent": 1})
        assert server.seen()["requests"] == 6
    assert len(answers(tmp_path)) == 1


def test_replayed_answers(tmp_path):
    """Recorded answers work offline and are not kept: the file is there, and may be changed."""
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps({"problem_id": "p0", "responses": [ANSWER]}) + "\n")
    after, stage = ask(tmp_path, [problem(0), problem(1)], model=f"replay:{file}")
    assert [len(p.public_tests) for p in after] == [1, 0]
    assert stage.report()["model"]["failed"] == 1
    assert answers(tmp_path) is None


@pytest.mark.parametrize(
    ("model", "extraction", "error"),
    [
        ({"model": "openai:m"}, {}, ConfigError),
        ({"model": "scripted:reference"}, {}, ConfigError),
        ({}, {"extraction_prompt_id": "none"}, UnknownName),
        ({}, {"max_concurrent": 0}, ConfigError),
        ({}, {"extraction_prompt_id": "odd"}, ConfigError),
    ],
)
def test_what_can_not_work_is_said_first(tmp_path, model, extraction, error):
    """Options, key and prompts are checked before anything is asked or written."""
    own = tmp_path / "extraction"
    own.mkdir()
    (own / "odd.md").write_text("{{statement}} {{private_tests}}")
    options = {"base_url": "http://127.0.0.1:9"} if not model else {}
    with pytest.raises(error):
        ask(tmp_path, [problem(0)], extraction={"prompts_dir": tmp_path, **extraction}, **options, **model)
    assert answers(tmp_path) is None


def test_a_file_that_holds_something_else(tmp_path):
    """Answers are not appended to a file of problems."""
    path = answers_path(tmp_path / "out.jsonl")
    path.write_text(json.dumps(to_json_object(problem(0))) + "\n")
    with pytest.raises(ConfigError, match="no journal of answers"):
        ask(tmp_path, [problem(0)], base_url="http://127.0.0.1:9")
