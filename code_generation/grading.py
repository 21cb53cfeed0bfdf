"""Candidates from anywhere, graded file to file: what `codegen grade` does."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from code_generation.certificate import sha256_text, tests_sha256
from code_generation.concurrency import in_order
from code_generation.errors import ConfigError, DataError
from code_generation.extract import extract_code
from code_generation.jsonl import JsonlWriter, encode, keep_backup, read_objects, write_lines
from code_generation.judging import OWN
from code_generation.loaders.jsonl import read_runnable
from code_generation.models import Grade, Outcome
from code_generation.profiles import check_profile
from code_generation.progress import Progress
from code_generation.records import to_json_object
from code_generation.rewards import all_or_nothing, hardest_tests, weighted_fraction

if TYPE_CHECKING:
    from pathlib import Path

    from code_generation.grader import TestExecutionGrader
    from code_generation.models import CodeProblem, JsonValue, TestCase

Tests = Literal["all", "public", "private"]
AT_A_TIME = 16


@dataclass(frozen=True, kw_only=True)
class GradeOptions:
    """Which tests of a candidate decide, and by whose comparison."""

    tests: Tests = "all"
    """Which tests decide."""
    hardest: int | None = None
    """Of the tests that --tests names at most so many: those with the longest inputs."""
    stop_early: bool = False
    """Leave out a candidate's tests after the first that does not pass."""
    profile: str = OWN
    """Judge as another grader does (livecodebench, apps, taco, rllm, alphacode, sandboxfusion, open-r1, reward-kit,
    evalplus), not as the problem says."""
    diff_profile: str | None = None
    """Judge the same answers by this one too, and list the candidates whose verdict would flip."""

    def check(self) -> None:
        """Refuse what can't be.

        Raises:
            ConfigError: options that exclude each other, a number that is none. UnknownName: no such profile.
        """
        for name in {self.profile, self.diff_profile or OWN} - {OWN}:
            check_profile(name)
        if self.diff_profile == self.profile:
            msg = f"--diff-profile is the profile {self.profile} itself; give another one"
            raise ConfigError(msg)
        if self.diff_profile and self.stop_early:
            msg = "--diff-profile needs every test judged: leave out --stop-early"
            raise ConfigError(msg)
        if self.hardest is not None and self.hardest <= 0:
            msg = f"--hardest must be more than 0, got {self.hardest}"
            raise ConfigError(msg)

    def select(self, problem: CodeProblem) -> list[TestCase]:
        """The tests of a problem that decide."""
        sides = {"all": problem.test_cases, "public": problem.public_tests, "private": problem.private_tests}
        return hardest_tests(sides[self.tests], self.hardest)


@dataclass(frozen=True)
class Candidate:
    """One row of a candidates file."""

    problem: CodeProblem
    candidate_id: str | None
    code: str | None
    """None: the row was a raw reply without code in it."""
    tests_sha256: str
    """Of the tests of the problem."""

    @property
    def code_sha256(self) -> str | None:
        """Of the code; None where there is none."""
        return None if self.code is None else sha256_text(self.code)


def read_candidates(problems: Path, candidates: Path) -> list[Candidate]:
    """Read both files whole, so that a mistake shows before anything runs.

    Raises:
        DataError: names the line.
    """
    known = {p.problem_id: p for p in read_runnable(problems)}
    hashes: dict[str, str] = {}
    found = []
    for number, row in read_objects(candidates):
        problem = known.get(row.get("problem_id", ""))
        if problem is None:
            msg = f"{candidates}: line {number}: problem_id {row.get('problem_id')!r} is not in {problems}"
            raise DataError(msg)
        code, response = row.get("code"), row.get("response")
        if not isinstance(code, str) and not isinstance(response, str):
            msg = f'{candidates}: line {number}: expected "code" or "response" with text'
            raise DataError(msg)
        code = code if isinstance(code, str) else extract_code(str(response), problem.view())
        identity = row.get("candidate_id")
        if problem.problem_id not in hashes:
            hashes[problem.problem_id] = tests_sha256(problem)
        identity = None if identity is None else str(identity)
        found.append(Candidate(problem, identity, code, hashes[problem.problem_id]))
    return found


@dataclass
class GradeCounts:
    """What grading a file gave."""

    passed: int = 0
    failed: int = 0
    infra: int = 0
    kept: int = 0
    """Of these, verdicts that the file held already."""
    flips: list[dict[str, JsonValue]] = field(default_factory=list)
    """Rows whose verdict is another one by the other profile."""

    def count(self, row: dict[str, JsonValue]) -> None:
        """Add one."""
        self.passed += row["verdict"] == "pass"
        self.failed += row["verdict"] == "fail"
        self.infra += row["verdict"] == "infra"
        if row.get("flips"):
            self.flips.append(row)


async def grade_file(
    candidates: list[Candidate],
    output: Path,
    grader: TestExecutionGrader,
    options: GradeOptions,
    *,
    force: bool = False,
) -> GradeCounts:
    """Write one verdict row a candidate, in their order, each durable when it is there; the same call again resumes.

    Verdicts `infra` that an earlier run left are judged again.

    Raises:
        ConfigError: the output holds verdicts of other candidates or other tests.
    """
    if force:
        keep_backup(output)
    earlier = _earlier_verdicts(output, candidates, options, grader)
    _remember_flaky(earlier, grader)
    counts = GradeCounts(kept=sum(row["verdict"] != "infra" for row in earlier))
    todo = [i for i in range(len(candidates)) if i >= len(earlier) or earlier[i]["verdict"] == "infra"]

    async def judge(number: int) -> dict[str, JsonValue]:
        candidate = candidates[number]
        chosen, other = options.select(candidate.problem), options.diff_profile
        if candidate.code is None:
            left = Outcome(status="not_run", is_public=False, error="no code found", other="not_run" if other else None)
            outcomes = [msgspec.structs.replace(left, is_public=t.is_public) for t in chosen]
            grade = grader.sum_up(chosen, outcomes, grader.mode)
        else:
            grade = await grader.grade(
                candidate.problem,
                candidate.code,
                chosen,
                stop_early=options.stop_early,
                profile=options.profile,
                other_profile=other,
            )
        return _verdict_row(grade, _identity(candidate, options, grader))

    rows = list(earlier)
    for row in earlier:
        if row["verdict"] != "infra":
            counts.count(row)
    with JsonlWriter(output) as verdicts, Progress("grade", len(todo)) as progress:
        async with aclosing(in_order(todo, judge, AT_A_TIME)) as judged:
            async for number, row in judged:
                if number < len(earlier):
                    rows[number] = row
                else:
                    rows.append(row)
                    verdicts.append(row)
                counts.count(row)
                progress.step(f"{counts.passed} pass, {counts.failed} fail, {counts.infra} infra")
    if _mark_quarantined(rows, grader) or rows[: len(earlier)] != earlier:
        write_lines(output, rows)
    return counts


def _remember_flaky(rows: list[dict[str, JsonValue]], grader: TestExecutionGrader) -> None:
    """What an earlier run found out about problems holds for this one."""
    for row in rows:
        if row.get("flaky"):
            grader.flaky.setdefault(row["problem_id"], set()).add(row["code_sha256"])


def _mark_quarantined(rows: list[dict[str, JsonValue]], grader: TestExecutionGrader) -> bool:
    """Say it in the rows of quarantined problems; whether there are any."""
    found = [row for row in rows if row["problem_id"] in grader.quarantined]
    for row in found:
        row["quarantined"] = True
    return bool(found)


def _verdict_row(grade: Grade, identity: dict[str, JsonValue]) -> dict[str, JsonValue]:
    other = grade.other_verdict
    flips = {"diff_verdict": other, "flips": other != grade.verdict} if identity["diff_profile"] else {}
    return {
        "problem_id": identity["problem_id"],
        "candidate_id": identity["candidate_id"],
        "verdict": grade.verdict,
        "n_passed": grade.n_passed,
        "n_tests": grade.n_tests,
        "reward": all_or_nothing(grade),
        "fraction": weighted_fraction(grade),
        "outcomes": [to_json_object(o) for o in grade.outcomes],
        "phases": grade.phases,
        "flaky": grade.flaky,
        **flips,
        **identity,
    }


def _earlier_verdicts(
    output: Path, candidates: list[Candidate], options: GradeOptions, grader: TestExecutionGrader
) -> list[dict[str, JsonValue]]:
    """Rows that an interrupted run left, checked to be the start of what is to be written.

    Raises:
        ConfigError: they are of other candidates, or were made in another way.
    """
    if not output.is_file():
        return []
    rows = [row for _, row in read_objects(output, torn_tail=True)]
    for number, row in enumerate(rows):
        wanted = _identity(candidates[number], options, grader) if number < len(candidates) else {}
        differing = next((k for k, v in wanted.items() if row.get(k) != v), None)
        if "verdict" not in row:
            msg = f"{output} is there already and holds no verdicts; choose another file"
        elif not wanted:
            msg = f"{output} holds more verdicts than there are candidates; choose another file, or --force for a .bak"
        elif differing:
            theirs, mine = encode(row.get(differing)), encode(wanted[differing])
            msg = f"{output} holds verdicts of another kind: {differing} of line {number + 1} is {theirs}, not {mine}; "
            msg += "choose another file, or --force for a .bak"
        else:
            continue
        raise ConfigError(msg)
    return rows


def _identity(candidate: Candidate, options: GradeOptions, grader: TestExecutionGrader) -> dict[str, JsonValue]:
    """What a verdict row says about how it was made; a row that says otherwise is not resumed."""
    limits = grader.limits(candidate.problem)
    return {
        "problem_id": candidate.problem.problem_id,
        "candidate_id": candidate.candidate_id,
        "code_sha256": candidate.code_sha256,
        "tests": options.tests,
        "hardest": options.hardest,
        "tests_sha256": candidate.tests_sha256,
        "profile": options.profile,
        "diff_profile": options.diff_profile,
        "mode": grader.mode,
        "limits": {"timeout_s": limits.timeout_s, "memory_mb": limits.memory_mb},
        "executor": grader.executor.name,
        "isolation": grader.executor.isolation,
    }
