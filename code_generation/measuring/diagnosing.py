"""`codegen diagnose`: what a trainer would make of the rewards of some runs, and what their code is like beside that.

The reward is correctness first: 1 or 0 by the verdict (or the weighted share of the tests), and nothing else. Size,
complexity, time and memory stand beside it. An order by them holds among samples of the same reward only, so that no
short or fast program is ever preferred to a right one.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from code_generation.concurrency import in_order
from code_generation.errors import DataError
from code_generation.evaluation.advantages import diagnose_samples, group_advantages, value_advantages
from code_generation.evaluation.outcomes import check_unique
from code_generation.evaluation.plain import plain
from code_generation.grader import open_grader
from code_generation.measuring.quality import MEASURES, Quality, quality_of, relative
from code_generation.measuring.reading import gather

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from code_generation.evaluation.outcomes import Sample, What
    from code_generation.grader import GraderOptions
    from code_generation.measuring.options import DiagnoseOptions, RowOptions
    from code_generation.models import CodeProblem, GenerationResult, JsonValue

VERSION = 1
AT_A_TIME = 8
Key = tuple[str, str, str, str]
"""(model, strategy, data set, problem id): a group."""


@dataclass
class Diagnosed:
    """Samples of some runs, with what their code is like."""

    samples: list[Sample] = field(default_factory=list)
    qualities: dict[int, Quality] = field(default_factory=dict)
    """By the place of the sample in `samples`; rows without code have none."""
    references: dict[str, Quality] = field(default_factory=dict)
    """By problem id: size and branches, and time and memory where they were measured."""
    problems: dict[str, CodeProblem] = field(default_factory=dict)
    """With references, kept only where those are to be measured."""
    notes: list[str] = field(default_factory=list)


def read_runs(paths: Sequence[Path], rows: RowOptions, *, keep_problems: bool = False) -> Diagnosed:
    """The samples of all files, and their code's quality; texts are let go.

    Raises:
        DataError: no row, a line that is none, or a sample twice.
    """
    found = Diagnosed()
    places: list[Quality | None] = []

    def look(result: GenerationResult, _sample: Sample) -> None:
        problem = result.problem
        last = result.attempts[-1] if result.attempts else None
        places.append(quality_of(result.final_code, last.grade if last else None))
        if problem.solutions and problem.problem_id not in found.references:
            found.references[problem.problem_id] = quality_of(problem.solutions[0])
            if keep_problems:
                found.problems[problem.problem_id] = problem

    gathered = gather(paths, rows, look)
    check_unique(gathered.samples)
    found.samples, found.notes = gathered.samples, gathered.notes
    if gathered.only_results:
        found.qualities = {i: q for i, q in enumerate(places) if q is not None}
    return found


async def measure_references(found: Diagnosed, grading: GraderOptions) -> int:
    """Run the reference of every problem in the sandbox, for its time and memory; returns how many did not pass."""
    failed = 0
    if not found.problems:
        return failed
    async with open_grader(grading) as grader:

        async def run(problem: CodeProblem) -> tuple[Quality, bool]:
            grade = await grader.grade(problem, problem.solutions[0], mode="isolated")
            return quality_of(problem.solutions[0], grade), grade.verdict == "pass"

        async with aclosing(in_order(list(found.problems.values()), run, AT_A_TIME)) as measured:
            async for problem, (quality, passed) in measured:
                failed += not passed
                if passed:
                    found.references[problem.problem_id] = quality
    return failed


def diagnosis_of(found: Diagnosed, options: DiagnoseOptions) -> list[dict[str, JsonValue]]:
    """A row a group, then the summary.

    Raises:
        DataError: no sample has a reward.
    """
    groups = _groups(found.samples, options.what)
    if not groups:
        msg = f"none of {len(found.samples)} samples has a reward, so there is nothing to diagnose"
        raise DataError(msg)
    rewards = [[value for _, value in mine] for mine in groups.values()]
    raw = value_advantages(rewards, baseline=options.baseline, whiten=False)
    white = value_advantages(rewards, baseline=options.baseline)
    rows = [
        _group_row(key, mine, ppo, whitened, found)
        for (key, mine), ppo, whitened in zip(groups.items(), raw, white, strict=True)
    ]
    return [*rows, _summary(found, groups, options)]


def _groups(samples: Sequence[Sample], what: What) -> dict[Key, list[tuple[int, float]]]:
    """Places and rewards of the samples that have one, by group, in the order that `advantages` uses."""
    found: dict[Key, list[tuple[int, float]]] = {}
    order = sorted(range(len(samples)), key=lambda i: (*_key(samples[i]), samples[i].sample_index))
    for i in order:
        s = samples[i]
        value = {"pass": float(s.verdict == "pass"), "reward": s.reward, "fraction": s.fraction}[what]
        if s.counts and value is not None:
            found.setdefault(_key(s), []).append((i, value))
    return found


def _key(s: Sample) -> Key:
    return s.model, s.strategy, s.dataset, s.problem_id


def _group_row(
    key: Key, mine: Sequence[tuple[int, float]], ppo: Sequence[float], whitened: Sequence[float], found: Diagnosed
) -> dict[str, JsonValue]:
    model, strategy, dataset, problem_id = key
    rewards = [value for _, value in mine]
    reference = found.references.get(problem_id)
    samples = []
    for number, (i, reward) in enumerate(mine):
        sample, quality = found.samples[i], found.qualities.get(i)
        row: dict[str, JsonValue] = {
            "sample_index": sample.sample_index,
            "reward": reward,
            "passed": sample.verdict == "pass",
            "fraction": sample.fraction,
            "ppo": ppo[number],
            "ppo_whitened": whitened[number],
        }
        if quality is not None:
            row |= {"quality": plain(quality), "relative": relative(quality, reference)}
        samples.append(row)
    for name, scale in (("grpo", "std"), ("dr_grpo", "none")):
        for row, advantage in zip(samples, group_advantages(rewards, scale=scale), strict=True):  # type: ignore[arg-type]
            row[name] = advantage
    return {
        "kind": "group",
        "model": model,
        "strategy": strategy,
        "dataset": dataset,
        "problem_id": problem_id,
        "n": len(mine),
        "mean_reward": fmean(rewards),
        "informative": min(rewards) != max(rewards),
        "reference": plain(reference),
        "samples": samples,
    }


def _summary(
    found: Diagnosed, groups: Mapping[Key, Sequence[tuple[int, float]]], options: DiagnoseOptions
) -> dict[str, JsonValue]:
    diagnosis = diagnose_samples(
        found.samples,
        what=options.what,
        baseline=options.baseline,
        clip=options.clip,
        bound=options.bound,
        level=options.level,
    )
    return {
        "kind": "summary",
        "diagnosis": VERSION,
        "what": options.what,
        "notes": found.notes,
        **diagnosis.to_json(),
        "quality": {
            side: _qualities([i for mine in groups.values() for i, _ in mine if keep(found.samples[i])], found)
            for side, keep in (("passed", _passed), ("failed", lambda s: not _passed(s)))
        },
    }


def _passed(sample: Sample) -> bool:
    return sample.verdict == "pass"


def _qualities(places: Sequence[int], found: Diagnosed) -> dict[str, Any]:
    """Medians of some samples' code, absolute and as multiples of the references'."""
    known = [(q, found.references.get(found.samples[i].problem_id)) for i in places if (q := found.qualities.get(i))]
    multiples = [relative(q, reference) for q, reference in known]
    return {
        "n": len(known),
        "median": {name: _median(getattr(q, name) for q, _ in known) for name in MEASURES},
        "median_relative": {name: _median(m[name] for m in multiples) for name in MEASURES},
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return median(known) if known else None


def diagnose_runs(
    paths: Sequence[Path], rows: RowOptions, options: DiagnoseOptions, grading: GraderOptions | None = None
) -> list[dict[str, JsonValue]]:
    """Read, measure the references where `grading` says how, and diagnose.

    Raises:
        DataError: see `read_runs` and `diagnosis_of`. SandboxUnavailable: references can't be run here.
    """
    found = read_runs(paths, rows, keep_problems=grading is not None)
    if grading is not None:
        failed = asyncio.run(measure_references(found, grading))
        if not found.problems:
            found.notes.append("the rows hold no references, so none was measured (--measure-references)")
        if failed:
            found.notes.append(f"{failed} of {len(found.problems)} references do not pass their own tests")
    return diagnosis_of(found, options)
