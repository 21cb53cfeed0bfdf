"""Time limits mean the same work on every machine, and a verdict that does not hold a second time is not one."""

from __future__ import annotations

import asyncio
import json

import pytest

from code_generation.executors import open_executor
from code_generation.executors.speed import FRESH_S, MOST, Speed
from code_generation.grader import GraderOptions, TestExecutionGrader, open_grader
from code_generation.models import CodeProblem, TestCase
from code_generation.programs import Case, CaseResult, ExecutionResult, Limits, Program

BURN = "import time\nwhile time.process_time() < {}: pass\nprint(1)"
FAST, SLOW = 1000.0, 0.001
"""CPU seconds that a reference machine is said to need: this one seems very quick, or very slow."""


def run(source, timeout_s=0.25, reference_s=FAST):
    """One program in a real sandbox; the result, and the factor that was measured."""

    async def go():
        async with open_executor() as executor:
            executor.speed.reference_s = reference_s
            program = Program(kind="script", source=source, cases=[Case()], limits=Limits(timeout_s=timeout_s))
            return (await executor.run(program)).cases[0], executor.speed.factor

    return asyncio.run(go())


@pytest.mark.parametrize(("seconds", "status"), [(0.15, "ok"), (0.28, "timeout"), (0.75, "timeout")])
def test_a_quick_machine_gives_what_was_said(seconds, status):
    """On time, near the limit, far beyond it: a limit is never tighter than it says, nor looser."""
    result, factor = run(BURN.format(seconds))
    assert (result.status, factor) == (status, 1.0)


@pytest.mark.parametrize(("seconds", "status"), [(0.15, "ok"), (0.28, "ok"), (0.75, "ok"), (9, "timeout")])
def test_a_slow_machine_gets_more(seconds, status):
    """What a machine that is slower by far would not get done in time is judged by its own speed."""
    result, factor = run(BURN.format(seconds), reference_s=SLOW)
    assert result.status == status
    assert factor in {1.0, MOST}  # not measured where nothing depends on it
    if status == "timeout":
        assert "within 0.25 s, which are 2.0 s on this machine" in result.error


def test_the_wall_clock_is_not_stretched_for_who_sleeps():
    """Waiting takes as long on every machine."""
    result, factor = run("import time\ntime.sleep(60)", reference_s=SLOW)
    assert (result.status, factor) == ("timeout", 1.0)
    assert result.wall_s < 0.25 + 3


def test_speed_is_measured_when_what_is_known_is_old():
    """Once for all who ask in the meantime, and not at all before somebody does; what fails leaves it as it was."""
    asked = []

    async def measure():
        asked.append(1)
        await asyncio.sleep(0.01)
        return [[0.3, 0.1, 0.2], []][len(asked) > 1]

    async def go():
        speed = Speed(measure)
        assert speed.factor == 1.0
        known = await asyncio.gather(*(speed.now() for _ in range(5)))
        assert len(asked) == 1
        speed._measured_at -= FRESH_S + 1
        assert await speed.now() == known[0]
        return known

    assert asyncio.run(go()) == [pytest.approx(0.2 / 0.06)] * 5
    assert len(asked) == 2


class Moody:
    """An executor that gives the statuses it was told, one a run."""

    name = isolation = "scripted"
    cases_per_call = 1

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.runs = 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        pass

    async def run(self, program):
        status = self.statuses[self.runs % len(self.statuses)]
        self.runs += 1
        return ExecutionResult(cases=[CaseResult(status=status, stdout=b"1", error=status)] * len(program.cases))


def problem(problem_id="p") -> CodeProblem:
    """Print 1."""
    test = TestCase(input="", output="1", type="stdin", is_public=False)
    return CodeProblem(problem_id=problem_id, problem="", solutions=[], test_cases=[test], metadata={})


@pytest.mark.parametrize(
    ("statuses", "verdict", "flaky", "runs"),
    [
        (["ok"], "pass", False, 2),
        (["timeout"], "fail", False, 2),
        (["runtime_error"], "fail", False, 1),  # what fails at once is not looked at twice
        (["infra_error"], "infra", False, 1),
        (["ok", "runtime_error"], "fail", True, 2),
        (["timeout", "ok"], "fail", True, 2),
        (["ok", "infra_error"], "pass", False, 2),  # a box that fails says nothing
        (["timeout", "runtime_error"], "fail", False, 2),
    ],
)
def test_passes_and_timeouts_are_run_again(statuses, verdict, flaky, runs):
    """What comes out otherwise is flaky and does not pass."""
    box = Moody(*statuses)
    found = asyncio.run(TestExecutionGrader(box, recheck=1.0).grade(problem(), "x"))
    assert (found.verdict, found.flaky, box.runs) == (verdict, flaky, runs)
    assert ("flaky" in found.outcomes[0].error) is flaky


def test_a_sample_is_chosen_by_hash():
    """The same candidates in every run; about as many as asked for."""

    async def go(recheck):
        box = Moody("ok")
        grader = TestExecutionGrader(box, recheck=recheck)
        for n in range(400):
            await grader.grade(problem(), f"print({n})")
        return grader.rechecked

    first, second = asyncio.run(go(0.1)), asyncio.run(go(0.1))
    assert first == second
    assert 15 < first < 80
    assert asyncio.run(go(0.0)) == 0


def test_a_problem_with_two_flaky_candidates_is_quarantined():
    """After the first, every candidate of the problem is looked at twice."""

    async def go():
        grader = TestExecutionGrader(Moody("ok", "runtime_error"), recheck=1.0)
        await grader.grade(problem("q"), "a")
        grader.recheck = 1e-12
        assert grader.quarantined == []
        for code in "ab":
            await grader.grade(problem("p"), code)
        await grader.grade(problem("q"), "b")
        return grader

    grader = asyncio.run(go())
    assert (grader.quarantined, sorted(grader.flaky)) == (["q"], ["q"])


def test_flaky_candidates_are_counted(codegen, tmp_path):
    """Rows say it, the summary says how many and which problems are quarantined."""
    (tmp_path / "p.jsonl").write_text(
        "\n".join(
            json.dumps({"problem_id": p, "problem": "", "solutions": [], "metadata": {}, "test_cases": [
                {"type": "stdin", "input": "", "output": "1", "is_public": True}]})
            for p in "pq"
        )
    )  # fmt: skip
    coin = "import os\nprint(os.urandom(1)[0] % 2)  # {}"
    rows = [{"problem_id": "p", "code": coin.format(n)} for n in range(40)] + [{"problem_id": "q", "code": "print(1)"}]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", "--recheck", 1)
    assert done.returncode == 0
    found = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    flaky = sum(row["flaky"] for row in found)
    assert flaky > 1
    assert f"{flaky} of " in done.stderr
    assert "quarantined: p\n" in done.stderr
    assert [row.get("quarantined", False) for row in found] == [True] * 40 + [False]
    assert all(row["verdict"] == "fail" for row in found if row["flaky"])
    again = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", "--recheck", 1)
    assert "41 candidates (41 judged before)" in again.stdout
    assert "share from 0 to 1" in codegen("grade", "p.jsonl", "c.jsonl", "--output", "w.jsonl", "--recheck", 2).stderr


def test_an_open_grader_samples():
    """By default a few of a hundred."""

    async def go():
        async with open_grader(GraderOptions()) as grader:
            return grader.recheck

    assert asyncio.run(go()) == GraderOptions().recheck > 0


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1"])
def test_limits_that_are_none(codegen, tmp_path, value):
    """One line, exit status 2, before anything runs."""
    (tmp_path / "p.jsonl").write_text(
        '{"problem_id": "p", "problem": "x", "metadata": {}, '
        '"test_cases": [{"type": "stdin", "input": "", "output": "1", "is_public": true}]}'
    )
    done = codegen("validate", "p.jsonl", "--check-canonical", "--timeout-s", value)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--timeout-s must be a number above 0" in done.stderr
