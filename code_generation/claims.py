"""What rows claim, and whether it holds: `codegen verify`.

A result row claims that its final code passed every test of its problem. An exported row claims it of the answer that
it trains on, and names what proves that by hashes; the tests stand in the run that it came from. A claim holds where

- nothing in the row contradicts it: hashes, comparison, code and last answer fit together;
- the run that an export names has this very answer, certified by the same hashes, policy, executor and interpreter;
- the tests are those of the problem file that the run's manifest names, where that file is there unchanged;
- the code passes all tests, now, each in an isolated process of its own.

So whoever changes a row has to change the run and the problem file alike, and even then the code must pass the tests.
What the official harness of a data set resolved can't be run here: such a claim holds where the run has the outcome.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from code_generation.certificate import comparison_of, contradictions, sha256_text, tests_sha256
from code_generation.concurrency import in_order
from code_generation.errors import CodeGenerationError, ConfigError, DataError
from code_generation.extract import extract_code
from code_generation.jsonl import decode, read_objects
from code_generation.loaders.jsonl import read_problems
from code_generation.loaders.parquet_rows import parquet_rows
from code_generation.loaders.sources import sha256_of
from code_generation.models import GenerationResult
from code_generation.patches.extraction import extract_patch
from code_generation.patches.repair import repair_patch
from code_generation.records import from_json_object
from code_generation.results import read_results

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from code_generation.grader import TestExecutionGrader
    from code_generation.models import CodeProblem, Grade, JsonValue

AT_A_TIME = 16
ANSWERS = ("messages", "completion", "chosen", "preferred_output")
"""Fields of an exported row that end with the answer that it calls right."""
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
        run = run or Run(list(results), given)
        yield from _export_claims(path, run)


def _holds_results(path: Path) -> bool:
    if path.suffix == ".parquet":
        return False
    first = next((row for _, row in read_objects(path, torn_tail=True)), None)
    return first is None or ("problem" in first and "generation_metadata" in first)


def _result_claims(path: Path, problems: _Problems | None) -> Iterator[Claim]:
    for number, result in read_results(path):
        if result.verified:
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
    if said != result.final_code and (last is None or (result.final_code or "") not in last.content):
        faults.append("final_code is not what the last answer holds")
    return faults


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
    """The problem file that a run's manifest names, where it is there as it was."""
    names = (results.name, results.name.replace(".unsolved.jsonl", ".jsonl"))
    for name in dict.fromkeys(names):
        try:
            source = decode(results.with_name(f"{name}.manifest.json").read_bytes())["source"]
            path, sha256 = Path(source["path"]), source["sha256"]
        except (OSError, ValueError, LookupError, TypeError):
            continue
        for place in (path, results.parent / path.name):
            if place.is_file() and sha256_of(place) == sha256:
                return _Problems(place)
    return None


# ------------------------------------------------------------------------------------------------ exported rows


class Run:
    """The result rows that exports came from, found by problem and code; read again when one is asked for."""

    def __init__(self, paths: list[Path], problems: _Problems | None = None) -> None:
        """Find out where which answer stands.

        Raises:
            DataError: no result file.
        """
        self.paths = paths
        self._given = problems
        self._places: dict[tuple[str, str], tuple[Path, int]] = {}
        self._problems: dict[str, tuple[Path, int]] = {}
        self._files: dict[Path, _Problems | None] = {}
        for path in paths:
            for start, row in _placed_rows(path):
                problem_id, result = _id_of(row), row
                self._problems.setdefault(problem_id, (path, start))
                for code in _codes(result):
                    self._places.setdefault((problem_id, sha256_text(code)), (path, start))

    def find(self, problem_id: str, code_sha256: str | None) -> GenerationResult | None:
        """The row with this answer to the problem."""
        return self._read(self._places.get((problem_id, code_sha256 or "")))

    def any_of(self, problem_id: str) -> GenerationResult | None:
        """Some row about the problem."""
        return self._read(self._problems.get(problem_id))

    def faults(self, result: GenerationResult, problem_id: str) -> list[str]:
        """What is wrong with the run's own row."""
        path = self._problems[problem_id][0]
        if path not in self._files:
            self._files[path] = self._given or _problems_of(path)
        problems = self._files[path]
        own = contradictions(result) if result.verified else []
        return [f"the run's row: {f}" for f in [*own, *(problems.faults(result.problem) if problems else [])]]

    def _read(self, place: tuple[Path, int] | None) -> GenerationResult | None:
        if place is None:
            return None
        path, start = place
        with path.open("rb") as file:
            file.seek(start)
            return from_json_object(decode(file.readline()), GenerationResult)


def _placed_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(offset, row) of a result file; a torn last line is left out.

    Raises:
        DataError: it is packed, or holds something else.
    """
    if path.suffix in {".gz", ".zst"}:
        msg = f"{path} is packed, and single rows of it are looked up: unpack it first"
        raise DataError(msg)
    start = 0
    try:
        file = path.open("rb")
    except OSError as e:
        msg = f"{path} can't be read ({e.strerror})"
        raise DataError(msg) from None
    with file:
        for number, line in enumerate(file, 1):
            try:
                row = decode(line)
            except ValueError:
                row = None if line.endswith(b"\n") else {}
            if row != {}:
                if not isinstance(row, dict) or not isinstance(row.get("problem"), dict) or "final_code" not in row:
                    msg = f"{path}: line {number} is not a result row"
                    raise DataError(msg)
                yield start, row
            start += len(line)


def _id_of(row: dict[str, Any]) -> str:
    return str(row["problem"].get("problem_id"))


def _codes(row: dict[str, Any]) -> Iterator[str]:
    """Codes of a row that passed, the final one first."""
    if isinstance(row["final_code"], str) and (row.get("verified") or row.get("harness")):
        yield row["final_code"]
    for attempt in row.get("attempts") or []:
        grade = attempt.get("grade") or {}
        if isinstance(attempt.get("code"), str) and grade.get("verdict") == "pass":
            yield attempt["code"]


CERTIFIED = ("problem_sha256", "tests_sha256", "executor", "isolation", "python")
"""What an exported row says as the certificate of the run says it."""


def _export_claims(path: Path, run: Run) -> Iterator[Claim]:
    for place, row in _exported_rows(path):
        problem_id, answer = row.get("problem_id"), _claimed_answer(row)
        if not isinstance(problem_id, str) or (answer is None and "tests_file" not in row):
            msg = f"{place}: neither a result row nor an exported row with problem_id and an answer"
            raise DataError(msg)
        if not run.paths:
            msg = f"{path} is an export, which holds no tests: give the run it came from with --results FILE"
            raise ConfigError(msg)
        if "tests_file" in row:
            yield _claim_of_tests(place, row, run)
        elif row.get("verified"):
            yield _claim_of_answer(place, row, answer or "", run)


def _claim_of_tests(place: str, row: dict[str, Any], run: Run) -> Claim:
    """Of a row that names tests and holds no answer: they are the run's."""
    result = run.any_of(row["problem_id"])
    if result is None:
        return Claim(place=place, problem_id=row["problem_id"], faults=["the run has no such problem"])
    there = {"problem_sha256": sha256_text(result.problem.problem), "tests_sha256": tests_sha256(result.problem)}
    faults = [f"its {name} is not that of the run" for name, value in there.items() if row.get(name) != value]
    faults += run.faults(result, row["problem_id"])
    return Claim(place=place, problem_id=row["problem_id"], faults=faults)


def _claim_of_answer(place: str, row: dict[str, Any], answer: str, run: Run) -> Claim:
    problem_id = row["problem_id"]
    some = run.any_of(problem_id)
    if some is None:
        return Claim(place=place, problem_id=problem_id, faults=["the run has no such problem"])
    code = _code_in(answer, some)
    faults = []
    if code is None:
        faults.append("its answer holds no code")
    elif row.get("code_sha256") != sha256_text(code):
        faults.append("its answer is not the code of its code_sha256")
    result = run.find(problem_id, code and sha256_text(code))
    if result is None:
        faults.append("the run has no verified answer with this code")
        return Claim(place=place, problem_id=problem_id, problem=some.problem, code=code, faults=faults)
    faults += _differences(row, result)
    faults += run.faults(result, problem_id)
    if str(row.get("verified_by", "tests")).startswith("harness:"):
        faults += _harness_faults(row, result)
        return Claim(place=place, problem_id=problem_id, code=code, faults=faults, by="harness")
    return Claim(place=place, problem_id=problem_id, problem=result.problem, code=code, faults=faults)


def _code_in(answer: str, result: GenerationResult) -> str | None:
    if not result.problem.wants_patch:
        return extract_code(answer, result.problem.view())
    found = extract_patch(answer)
    if found is None:
        return None
    repaired = repair_patch(found.raw)
    return found.raw if repaired.fault else repaired.patch


def _differences(row: dict[str, Any], result: GenerationResult) -> list[str]:
    """Where what an exported row says is not what the run's certificate says."""
    certificate = result.certificate
    if certificate is None:
        return []
    there = {name: getattr(certificate, name) for name in CERTIFIED}
    there |= {
        "comparison": certificate.comparison.get("name"),
        "comparison_version": certificate.comparison.get("version"),
    }
    return [f"its {name} is not that of the run" for name, value in there.items() if row.get(name, value) != value]


def _harness_faults(row: dict[str, Any], result: GenerationResult) -> list[str]:
    said = result.harness
    if said is None or said.outcome != "resolved" or row["verified_by"] != f"harness:{said.harness}":
        return [f"the run does not say that {row['verified_by'].removeprefix('harness:')} resolved it"]
    if said.patch_sha256 != sha256_text(result.final_code or ""):
        return ["the harness' report was about another patch"]
    return []


def _exported_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, row) of an export; where a service takes no key of ours, with what stands in the file beside it.

    Raises:
        DataError: the file beside it has other rows, or a row is none.
    """
    if path.suffix == ".parquet":
        try:
            file = path.open("rb")
        except OSError as e:
            msg = f"{path} can't be read ({e.strerror})"
            raise DataError(msg) from None
        with file:
            for place, row in parquet_rows(file, str(path)):
                if isinstance(row, DataError):
                    raise row
                yield f"{path}:{place}", row
        return
    beside = path.with_name(path.name.replace(".jsonl", ".rows.jsonl", 1))
    others = read_objects(beside) if beside != path and beside.is_file() else None
    for number, row in read_objects(path, torn_tail=True):
        if "problem_id" in row or others is None:
            yield f"{path}:{number}", row
            continue
        _, more = next(others, (0, None))
        if more is None:
            msg = f"{beside} has fewer rows than {path}"
            raise DataError(msg)
        yield f"{path}:{number}", more | row
    if others is not None and next(others, None) is not None:
        msg = f"{beside} has more rows than {path}"
        raise DataError(msg)


def _claimed_answer(row: dict[str, Any]) -> str | None:
    """The answer that an exported row calls verified: its last message, completion or preferred side."""
    for key in ANSWERS:
        said = row.get(key)
        if isinstance(said, list):
            last = said[-1] if said else {}
            return str(last.get("content")) if isinstance(last, dict) else ""
    return None


# ------------------------------------------------------------------------------------------------ checking


async def check_claims(
    claims: Iterable[Claim], grader: TestExecutionGrader
) -> AsyncGenerator[tuple[Claim, list[str]], None]:
    """Grade every claim again from its tests; yields the faults of each, none where the claim holds."""

    async def check(claim: Claim) -> list[str]:
        if claim.problem is None or claim.code is None:
            return claim.faults
        try:
            grade = await grader.grade(claim.problem, claim.code, mode="isolated")
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
