"""What rows claim, and whether it holds: `codegen verify`.

A result row claims that its final code passed every test of its problem. An exported row claims it of the answer that
it trains on, and names what proves that by hashes; the tests stand in the run that it came from. A claim holds where

- nothing in the row contradicts it: hashes, comparison, code and last answer fit together;
- an exported row is, key by key, what the run gives when the export is made again: answer, prompt, labels, hashes;
- the tests are those of the problem file that the run's manifest names, where that file is there unchanged;
- the code passes all tests, now, each in an isolated process of its own.

So whoever changes a row has to change the run and the problem file alike, and even then the code must pass the tests.
What the official harness of a data set resolved can't be run here: such a claim holds where the run has the outcome.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from code_generation import __version__
from code_generation.certificate import comparison_of, contradictions, sha256_text, tests_sha256
from code_generation.concurrency import in_order
from code_generation.errors import CodeGenerationError, ConfigError, DataError, boundary
from code_generation.exporters.conversation import Conversation
from code_generation.exporters.remaking import Remade, exported_rows, is_table, read_with
from code_generation.exporters.writing import rows_path
from code_generation.extract import extract_code
from code_generation.jsonl import decode, print_error, read_objects
from code_generation.loaders.jsonl import read_problems
from code_generation.loaders.sources import sha256_of
from code_generation.models import GenerationResult
from code_generation.records import from_json_object
from code_generation.results import read_results

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from code_generation.grader import TestExecutionGrader
    from code_generation.models import CodeProblem, Grade, JsonValue

AT_A_TIME = 16
By = Literal["tests", "harness"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A row that says it is verified, with what is needed to check that."""

    place: str
    problem_id: str
    problem: CodeProblem | None = None
    """With the tests to run; None: there is nothing to run."""
    code: str | None = None
    faults: list[str] = field(default_factory=list)
    """What contradicts the claim before anything is run."""
    by: By = "tests"
    """What proves it."""


# ------------------------------------------------------------------------------------------------ result rows


def read_claims(files: Iterable[Path], results: Iterable[Path], problems: Path | None = None) -> Iterator[Claim]:
    """Every row of result files and exports that claims to be verified.

    Raises:
        DataError, ConfigError: a file of another kind; an export without the run it came from.
    """
    given = None if problems is None else _Problems(problems)
    run: Run | None = None
    for path in files:
        if _holds_results(path):
            yield from _result_claims(path, given or _problems_of(path))
            continue
        if beside := read_with(path):
            print_error(f"{path} stands beside {beside} and is read with it")
            continue
        run = run or Run(list(results), given)
        yield from _export_claims(path, run)


def _holds_results(path: Path) -> bool:
    if is_table(path):
        return False
    first = next((row for _, row in read_objects(path, torn_tail=True)), None)
    return first is None or ("problem" in first and "generation_metadata" in first)


def _result_claims(path: Path, problems: _Problems | None) -> Iterator[Claim]:
    for number, result in read_results(path):
        if result.harness is not None and result.harness.outcome == "resolved" and not result.verified:
            other = result.harness.patch_sha256 != sha256_text(result.final_code or "")
            faults = ["the harness' report was about another patch"] if other else []
            place = f"{path}:{number}"
            yield Claim(place=place, problem_id=result.problem.problem_id, faults=faults, by="harness")
        elif result.verified:
            yield Claim(
                place=f"{path}:{number}",
                problem_id=result.problem.problem_id,
                problem=result.problem,
                code=result.final_code,
                faults=[*_row_faults(result), *(problems.faults(result.problem) if problems else [])],
            )


def _row_faults(result: GenerationResult) -> list[str]:
    """What in a row does not fit together."""
    faults = contradictions(result)
    last = result.full_message_history[-1] if result.full_message_history else None
    said = extract_code(last.content, result.problem.view()) if last and last.role == "assistant" else None
    same_version = _version_of(result) == __version__
    held = last is not None and (result.final_code or "") in last.content
    if said != result.final_code and (same_version or not held):  # other versions may find code otherwise
        faults.append("final_code is not what the last answer holds")
    return faults


def _version_of(result: GenerationResult) -> str | None:
    versions = result.generation_metadata.get("versions")
    return versions.get("code_generation") if isinstance(versions, dict) else None


class _Problems:
    """The problem file of a run: what its rows have to agree with."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = {p.problem_id: _fingerprint(p) for p in read_problems(path)}

    def faults(self, problem: CodeProblem) -> list[str]:
        """What of a row's problem is not as in the file."""
        known = self.known.get(problem.problem_id)
        if known is None:
            return [f"{self.path} has no such problem"]
        names = ("statement", "tests", "comparison")
        pairs = zip(names, known, _fingerprint(problem), strict=True)
        return [f"its {name} is not that of {self.path}" for name, there, here in pairs if there != here]


def _fingerprint(problem: CodeProblem) -> tuple[str, str, dict[str, JsonValue]]:
    return sha256_text(problem.problem), tests_sha256(problem), comparison_of(problem)


def _problems_of(results: Path) -> _Problems | None:
    """The problem file that a run's manifest names, where it is there as it was and was the only one; says where it is
    not.
    """
    names = dict.fromkeys((results.name, results.name.replace(".unsolved.jsonl", ".jsonl")))
    manifests = [results.with_name(f"{name}.manifest.json") for name in names]
    reason = "there is no manifest of the run beside it"
    for manifest in (m for m in manifests if m.is_file()):
        try:
            source = decode(manifest.read_bytes())["source"]
            named, sha256 = Path(source["path"]), source["sha256"]
        except (OSError, ValueError, LookupError, TypeError):
            continue
        if source.get("earlier"):
            reason = "the run had several problem files, one after the other"
            break
        for place in (results.parent / source.get("beside", named.name), results.parent / named.name, named):
            if place.is_file() and sha256_of(place) == sha256:
                return _Problems(place)
        reason = f"{named} is not there as the run read it"
    print_error(f"{results}: tests are not compared with a problem file: {reason}; --problems names one")
    return None


# ------------------------------------------------------------------------------------------------ exported rows


class Run:
    """The result rows that exports came from, found by problem; read again when one is asked for."""

    def __init__(self, paths: list[Path], problems: _Problems | None = None) -> None:
        """Find out where which problem stands.

        Raises:
            DataError: no result file.
        """
        self.paths = paths
        self._given = problems
        self._places: dict[str, list[tuple[Path, int]]] = {}
        self._files: dict[Path, _Problems | None] = {}
        for path in paths:
            for start, problem_id in _placed_rows(path):
                self._places.setdefault(problem_id, []).append((path, start))

    def conversations(self, problem_id: str) -> list[Conversation]:
        """What the run has about a problem."""
        return [Conversation(_result_at(*place), str(place[0])) for place in self._places.get(problem_id, [])]

    def faults(self, conversation: Conversation) -> list[str]:
        """What is wrong with the run's own row."""
        path = Path(conversation.file)
        if path not in self._files:
            self._files[path] = self._given or _problems_of(path)
        problems, result = self._files[path], conversation.result
        found = _row_faults(result) if result.verified else []
        found += problems.faults(result.problem) if problems else []
        return [f"the run's row: {fault}" for fault in found]


def _result_at(path: Path, start: int) -> GenerationResult:
    with path.open("rb") as file:
        file.seek(start)
        return from_json_object(decode(file.readline()), GenerationResult)


def _placed_rows(path: Path) -> Iterator[tuple[int, str]]:
    """(offset, problem id) of the rows of a result file; a torn last line is left out.

    Raises:
        DataError: it is packed, or holds something else.
    """
    if path.suffix in {".gz", ".zst"}:
        msg = f"{path} is packed, and single rows of it are looked up: unpack it first"
        raise DataError(msg)
    start = 0
    with boundary(DataError, f"{path} can't be read", OSError), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = decode(line)
            except ValueError:
                row = None if line.endswith(b"\n") else {}
            if row != {}:
                if not isinstance(row, dict) or not isinstance(row.get("problem"), dict) or "final_code" not in row:
                    msg = f"{path}: line {number} is not a result row"
                    raise DataError(msg)
                yield start, str(row["problem"].get("problem_id"))
            start += len(line)


def _export_claims(path: Path, run: Run) -> Iterator[Claim]:
    if not run.paths:
        msg = f"{path} is an export, which holds no tests: give the run it came from with --results FILE"
        raise ConfigError(msg)
    remade = Remade(path, run.conversations)
    for place, row in exported_rows(path):
        problem_id = row.get("problem_id")
        if not isinstance(problem_id, str):
            msg = f"{place}: neither a result row nor an exported row: expected problem_id, found {', '.join(row)}"
            if {"messages", "preferred_output"} & row.keys():
                msg = f"{place}: what proves this row stands in {rows_path(path)}, which is not there"
            raise DataError(msg)
        made, faults = remade.find(row)
        if made is None:
            problem, code = remade.told(row)
            yield Claim(place=place, problem_id=problem_id, problem=problem, code=code, faults=faults)
            continue
        faults = run.faults(made.conversation)
        harness = str(made.row.get("verified_by") or "").startswith("harness:")
        if made.code is None and not faults and not harness:
            continue  # it claims nothing, and is what the run gives
        yield Claim(
            place=place,
            problem_id=problem_id,
            problem=None if harness else made.conversation.result.problem,
            code=made.code,
            faults=faults,
            by="harness" if harness else "tests",
        )


# ------------------------------------------------------------------------------------------------ checking


async def check_claims(
    claims: Iterable[Claim], grader: TestExecutionGrader
) -> AsyncGenerator[tuple[Claim, list[str]], None]:
    """Grade every claim again from its tests; yields the faults of each, none where the claim holds."""
    graded: dict[tuple[str, str], asyncio.Task[Grade]] = {}  # several exports of a run hold the same answers

    async def check(claim: Claim) -> list[str]:
        if claim.problem is None or claim.code is None:
            return claim.faults
        key = tests_sha256(claim.problem), sha256_text(claim.code)
        if key not in graded:
            graded[key] = asyncio.ensure_future(grader.grade(claim.problem, claim.code, mode="isolated"))
        try:
            grade = await asyncio.shield(graded[key])
        except CodeGenerationError as e:
            return [*claim.faults, str(e)]
        return [*claim.faults, *_grade_faults(grade)]

    async with aclosing(in_order(claims, check, AT_A_TIME)) as checked:
        async for claim, faults in checked:
            yield claim, faults


def _grade_faults(grade: Grade) -> list[str]:
    if grade.verdict == "pass":
        return []
    if grade.verdict == "infra":
        return ["it could not be checked: the sandbox failed"]
    status = next((o.status for o in grade.outcomes if o.status != "passed"), "no tests")
    return [f"its code passes {grade.n_passed} of {grade.n_tests} tests ({status})"]
