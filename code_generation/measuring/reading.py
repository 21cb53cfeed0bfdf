"""Rows of any form to samples: results, verdicts, recorded verdicts. Texts and tests are let go row by row.

A recorded verdict is `{"problem_id": "p1", "passed": true}`, or `"verdict": "pass" | "fail" | "infra"` instead, with
whatever else is known of the sample: `sample_index`, `model`, `strategy`, `dataset`, `difficulty`, `adversarial`,
`tags`, `reward`, `fraction`, `cost_usd`, `input_tokens`, `output_tokens`, `n_turns`, `turns_to_success`, `failure`,
`log_ratio`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from code_generation.errors import DataError
from code_generation.evaluation.outcomes import Sample, from_result, from_verdict
from code_generation.jsonl import read_objects
from code_generation.loaders.jsonl import read_problems
from code_generation.measuring.options import RowOptions
from code_generation.models import GenerationResult
from code_generation.records import from_json_object
from code_generation.reports.hacks import Looker
from code_generation.reports.reading import Tasks
from code_generation.run_manifest import PACKED, companions, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from code_generation.models import CodeProblem, JsonValue

    OnResult = Callable[[GenerationResult, Sample], None]
    """Gets a result row before it is let go, with its sample."""

RESULT, VERDICT, RECORDED = "results", "verdicts", "recorded verdicts"


@dataclass
class Gathered:
    """Samples of some files."""

    samples: list[Sample] = field(default_factory=list)
    files: list[dict[str, JsonValue]] = field(default_factory=list)
    """`{"name": "out.jsonl", "rows": 600, "kind": "results"}` each."""
    paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a reader should know of them."""
    expected: frozenset[str] | None = None
    """Ids of the problem file that was given; None: none was."""

    @property
    def only_results(self) -> bool:
        """All rows are result rows."""
        return {f["kind"] for f in self.files} == {RESULT}


def gather(paths: Sequence[Path], options: RowOptions | None = None, on_result: OnResult | None = None) -> Gathered:
    """Read all files; the unsolved rows of a run are read with its results.

    Raises:
        DataError: no such file, no row at all, or a line of none of the forms.
    """
    options = options or RowOptions()
    known = {p.problem_id: p for p in read_problems(options.problems)} if options.problems else None
    found = Gathered(expected=frozenset(known) if known is not None else None)
    given, tasks = {unpacked(p.resolve()) for p in paths}, Tasks()

    def look(result: GenerationResult, sample: Sample) -> None:
        tasks.add(result, sample.dataset)
        if on_result is not None:
            on_result(result, sample)

    for path in paths:
        _gather_file(path, options, known or {}, found, look)
        beside = companions(path) if found.files[-1]["kind"] == RESULT else []
        for other in (p for p in beside if unpacked(p.resolve()) not in given):
            given.add(unpacked(other.resolve()))
            found.notes.append(f"{other.name} belongs to {path.name} and is read with it")
            _gather_file(other, options, known or {}, found, look)
    if not found.samples:
        msg = f"{', '.join(map(str, paths))}: no row to measure"
        raise DataError(msg)
    found.notes += tasks.notes()
    return found


def _gather_file(
    path: Path, options: RowOptions, known: Mapping[str, CodeProblem], found: Gathered, on_result: OnResult
) -> None:
    kinds: Counter[str] = Counter()
    looker = Looker()
    label = options.model or name_of(path)
    seen: Counter[str] = Counter()
    for number, row in read_objects(path, torn_tail=True):
        place = f"{path}: line {number}"
        kind = kind_of(row, place)
        kinds[kind] += 1
        if kind == RESULT:
            result = _result(row, place)
            sample = from_result(result, hack_signs=signs_of(looker, result))
            on_result(result, sample)
        else:
            name = row["problem_id"]
            mine = " ".join(str(row.get(key)) for key in ("model", "strategy", "dataset", "problem_id"))
            problem = known.get(name)
            try:
                sample = (
                    from_verdict(row, problem, model=label, strategy=options.strategy or "", sample_index=seen[mine])
                    if kind == VERDICT
                    else _recorded(row, problem, seen[mine])
                )
            except DataError as e:
                msg = f"{place}: {e}"
                raise DataError(msg) from None
            seen[mine] += 1
        name = label.removesuffix(".unsolved") if kind == RESULT and not options.model else label  # as its solved rows
        found.samples.append(_named(sample, name, options.strategy or ""))
    found.files.append({"name": path.name, "rows": kinds.total(), "kind": kinds.most_common(1)[0][0] if kinds else ""})
    found.paths.append(path)


def name_of(path: Path) -> str:
    """A file's name without what says that it is rows: `runs/small.jsonl.gz` -> "small"."""
    name = path.name
    for suffix in (*PACKED, ".jsonl", ".json"):
        name = name.removesuffix(suffix)
    return name


def kind_of(row: Mapping[str, JsonValue], place: str) -> str:
    """Which form a row has.

    Raises:
        DataError: none of them.
    """
    if "problem" in row and "generation_metadata" in row:
        return RESULT
    if isinstance(row.get("problem_id"), str):
        if "outcomes" in row:
            return VERDICT
        if "passed" in row or "verdict" in row:
            return RECORDED
    msg = (
        f"{place}: expected a result row, a verdict row of codegen grade, or "
        f'{{"problem_id": "...", "passed": true}}; got keys {", ".join(sorted(row)[:12]) or "none"}'
    )
    raise DataError(msg)


def _result(row: JsonValue, place: str) -> GenerationResult:
    try:
        return from_json_object(row, GenerationResult)
    except DataError as e:
        msg = f"{place} is not a result row: {e}"
        raise DataError(msg) from None


def signs_of(looker: Looker, result: GenerationResult) -> tuple[str, ...]:
    """Kinds of tricks that the final code shows, see `reports.hacks`."""
    last = len(result.attempts)
    return tuple(dict.fromkeys(t.kind for t in looker.tricks(result) if t.turn == last and t.line is not None))


class _Recorded(msgspec.Struct, kw_only=True):
    """A recorded verdict; keys beyond these are passed over."""

    problem_id: str
    passed: bool | None = None
    verdict: str | None = None
    sample_index: int | None = None
    model: str = ""
    strategy: str = ""
    dataset: str | None = None
    difficulty: str | None = None
    adversarial: bool | None = None
    tags: list[str] | None = None
    reward: float | None = None
    fraction: float | None = None
    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    n_turns: int | None = None
    turns_to_success: int | None = None
    failure: str | None = None
    log_ratio: float | None = None


def _recorded(row: Mapping[str, JsonValue], problem: CodeProblem | None, index: int) -> Sample:
    try:
        said = msgspec.convert(dict(row), _Recorded)
    except (msgspec.ValidationError, UnicodeEncodeError) as e:  # the second: half a surrogate pair
        raise DataError(str(e)) from None
    by_passed = None if said.passed is None else "pass" if said.passed else "fail"
    verdict = said.verdict or by_passed
    if verdict not in {"pass", "fail", "infra"} or (by_passed and said.verdict and by_passed != said.verdict):
        msg = f"expected passed true or false, or a verdict pass, fail or infra; got {said.passed} and {said.verdict}"
        raise DataError(msg)
    empty: dict[str, Any] = {"outcomes": [{"status": "not_run"}], "verdict": verdict, "problem_id": said.problem_id}
    facts = from_verdict(empty, problem)  # what the problem says about itself
    reward = None if verdict == "infra" else float(verdict == "pass")
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name in _GIVEN
        if (value := getattr(said, name)) is not None
    }
    known: dict[str, Any] = {"reward": reward, "fraction": None, "sample_index": index, **given}
    failure = "infra" if verdict == "infra" else said.failure
    return replace(facts, **known | {"verified": False, "failure": failure})


_GIVEN = (
    "sample_index", "model", "strategy", "dataset", "difficulty", "adversarial", "tags", "reward", "fraction",
    "cost_usd", "input_tokens", "output_tokens", "n_turns", "turns_to_success", "log_ratio",
)  # fmt: skip


def _named(sample: Sample, model: str, strategy: str) -> Sample:
    """With names where the row has none."""
    if sample.model and (sample.strategy or not strategy):
        return sample
    return replace(sample, model=sample.model or model, strategy=sample.strategy or strategy)


def grouped(samples: Iterable[Sample], key: Callable[[Sample], str]) -> dict[str, list[Sample]]:
    """Samples by a name of theirs, in the order in which the names come first."""
    found: dict[str, list[Sample]] = {}
    for s in samples:
        found.setdefault(key(s), []).append(s)
    return found
