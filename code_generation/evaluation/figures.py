"""From samples to figures, one set for each (model, strategy, dataset).

A sample whose box failed is counted and shown, and is in no denominator. A figure that can't be told has no value and a
reason; nothing is left out in silence.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from code_generation.evaluation.costs import Costs, costs_of
from code_generation.evaluation.failures import FAILURES
from code_generation.evaluation.figure import Figure, by_problem, untold
from code_generation.evaluation.intervals import (
    LEVEL,
    RESAMPLES,
    UNIT,
    bootstrap_interval,
    difference_of,
    mean_interval,
    rate_interval,
    share_interval,
)
from code_generation.evaluation.official import Official, official_of
from code_generation.evaluation.outcomes import check_unique
from code_generation.evaluation.passk import Tally, pass_all_k, pass_at_k, refusal
from code_generation.evaluation.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from code_generation.evaluation.outcomes import Sample

KS = (1, 5)
Method = Literal["wilson", "bootstrap"]
Missing = Literal["refuse", "leave_out"]
DIMENSIONS = ("difficulty", "adversarial", "dataset", "tag")
NEVER = "never"
UNJUDGED = "not judged here"
"""Why there is no figure where no test of ours could judge any sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureOptions:
    """How figures are computed."""

    ks: tuple[int, ...] = KS
    """k of pass@k and pass^k."""
    method: Method = "wilson"
    """Of intervals: `wilson` with an effective number of problems, or `bootstrap` over problems."""
    missing: Missing = "refuse"
    """Where some problem has fewer than k samples: no pass@k, or the mean over the others, and a note."""
    level: float = LEVEL
    resamples: int = RESAMPLES
    """Of each bootstrap."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket(Plain):
    """Figures of some problems."""

    n_problems: int
    """With at least one row."""
    n_missing: int
    """Expected problems without any row."""
    n_samples: int
    """With a verdict pass or fail."""
    n_infra: int
    """Whose box failed; in no figure."""
    n_unjudged: int
    """Without tests that could judge them; in no figure."""
    n_without_verdict: int
    """Problems none of whose samples has a verdict."""
    n_quarantined: int
    """Samples of problems that were found unfit; they do count."""
    n_passed: int
    pass_at: dict[int, Figure]
    pass_all: dict[int, Figure]
    """pass^k: k samples all pass."""
    mean_reward: Figure
    mean_fraction: Figure
    """Of the weighted share of tests."""
    extraction_failures: Figure
    """Share of the samples without code in the last answer, whatever the cause."""
    failures: dict[str, int]
    """Samples by kind of failure; `infra` too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(Plain):
    """Everything about one model with one prompt on one data set."""

    model: str
    strategy: str
    dataset: str
    all: Bucket
    first_turn: Figure
    """pass@1 of the first turns alone; no value where some sample does not say how many turns it took."""
    turns_to_success: dict[str, int]
    """Samples by the turn whose code first passed every test; `never`; samples that don't tell are left out."""
    adversarial_loss: Figure
    """pass@1 of the other problems minus that of the adversarial ones."""
    costs: Costs
    official: Official | None
    """By the data set's official harness; None where no report of it was joined in."""
    hack_signs: dict[str, int]
    """Samples by what makes them look like they game their tests."""
    n_hack_signs: int
    """Samples with any of those."""
    n_hack_signs_passed: int
    """Of them, those that passed."""
    buckets: dict[str, dict[str, Bucket]]
    """By difficulty, adversarial, dataset and tag; a problem has several tags."""
    level: float
    method: Method


def evaluate(
    samples: Iterable[Sample],
    options: FigureOptions | None = None,
    *,
    expected: Collection[str] | None = None,
    by_dataset: bool = True,
) -> list[Figures]:
    """The figures of every (model, strategy, dataset), in that order; of every (model, strategy) without `by_dataset`.

    `expected`: ids of the problems that each of them should have samples of; one without any is counted as missing.

    Raises:
        DataError: a sample stands twice. ValueError: options that can't be.
    """
    rows = list(samples)
    check_unique(rows)
    groups: dict[tuple[str, str, str], list[Sample]] = {}
    for s in rows:
        groups.setdefault((s.model, s.strategy, s.dataset if by_dataset else ""), []).append(s)
    return [figures(groups[key], options, expected=expected) for key in sorted(groups)]


def figures(
    samples: Sequence[Sample], options: FigureOptions | None = None, *, expected: Collection[str] | None = None
) -> Figures:
    """The figures of one model with one prompt; several data sets are taken as one, called "".

    Raises:
        ValueError: no samples, several models or prompts, or options that can't be.
    """
    how = options or FigureOptions()
    names = {(s.model, s.strategy) for s in samples}
    if len(names) != 1 or not how.ks or min(how.ks) < 1:
        msg = f"figures are of one model with one prompt, and k of 1 or more; got {sorted(names)} and ks {how.ks}"
        raise ValueError(msg)
    (model, strategy), datasets = names.pop(), {s.dataset for s in samples}
    rows = sorted(samples, key=lambda s: (s.dataset, s.problem_id, s.sample_index))
    missing = len(set(expected) - {s.problem_id for s in rows}) if expected is not None else 0
    hacked = [s for s in rows if s.hack_signs]
    return Figures(
        model=model,
        strategy=strategy,
        dataset=datasets.pop() if len(datasets) == 1 else "",
        all=bucket_of(rows, how, missing),
        first_turn=_first_turn(rows, how, missing),
        turns_to_success=_turns(rows),
        adversarial_loss=_adversarial_loss(rows, how),
        costs=costs_of(rows, how.level, resamples=how.resamples, seed=how.seed),
        official=official_of(rows, how.level),
        hack_signs=_counted(sign for s in hacked for sign in set(s.hack_signs)),
        n_hack_signs=len(hacked),
        n_hack_signs_passed=sum(s.verdict == "pass" for s in hacked),
        buckets={d: _buckets(rows, d, how) for d in DIMENSIONS},
        level=how.level,
        method=how.method,
    )


def bucket_of(rows: Sequence[Sample], how: FigureOptions, missing: int = 0) -> Bucket:
    """The figures of some samples of one model with one prompt; `missing` problems were expected and have none."""
    problems = by_problem(rows)
    valid = {key: [s for s in mine if s.counts] for key, mine in problems.items()}
    tallies = [Tally(len(mine), sum(s.verdict == "pass" for s in mine)) for mine in valid.values()]
    tallies += [Tally(0, 0)] * missing
    lost = _Lost.of(rows)
    kinds = Counter(s.failure for s in rows if s.failure)
    extracted = [(sum(s.extraction_failed for s in mine), len(mine)) for mine in valid.values()]
    counted = [pair for pair in extracted if pair[1]]
    share = share_interval(counted, how.level) if counted else None
    return Bucket(
        n_problems=len(problems),
        n_missing=missing,
        n_samples=sum(map(len, valid.values())),
        n_infra=lost.infra,
        n_unjudged=lost.unjudged,
        n_without_verdict=sum(not mine for mine in valid.values()),
        n_quarantined=sum(s.quarantined for s in rows),
        n_passed=sum(t.passed for t in tallies),
        pass_at={k: _pass_figure(tallies, k, pass_at_k, how, lost) for k in how.ks},
        pass_all={k: _pass_figure(tallies, k, pass_all_k, how, lost) for k in how.ks},
        mean_reward=_mean_figure([[s.reward for s in mine] for mine in valid.values()], how, lost),
        mean_fraction=_mean_figure([[s.fraction for s in mine] for mine in valid.values()], how, lost),
        extraction_failures=Figure(
            value=share.estimate if share else None,
            interval=share,
            n_problems=len(counted),
            reason=None if share else UNJUDGED if lost.nothing_judged else "no sample has a verdict",
        ),
        failures={kind: kinds[kind] for kind in FAILURES if kinds[kind]},
    )


class _Lost(NamedTuple):
    """Samples that have no verdict, which is said where that may be why a figure can't be told."""

    infra: int
    """Whose box failed."""
    unjudged: int
    """That no test here can judge."""
    nothing_judged: bool
    """All of them are such."""

    @classmethod
    def of(cls, rows: Sequence[Sample]) -> _Lost:
        unjudged = sum(s.verdict is None for s in rows)
        return cls(sum(s.verdict == "infra" for s in rows), unjudged, bool(rows) and unjudged == len(rows))

    def said(self) -> str:
        """After a reason; empty where all samples have a verdict."""
        parts = [(self.infra, "has", "have", "no verdict, as a box failed"), (self.unjudged, "is", "are", UNJUDGED)]
        return "".join(
            f"; {n} more sample{f' {one}' if n == 1 else f's {many}'} {why}" for n, one, many, why in parts if n
        )


def _pass_figure(
    tallies: Sequence[Tally], k: int, estimate: Callable[[int, int, int], float], how: FigureOptions, lost: _Lost
) -> Figure:
    """Of (n, passed) a problem; of the `lost` samples more is said where they may be the cause."""
    if lost.nothing_judged:
        return untold(UNJUDGED)
    why = refusal(tallies, k)
    enough = [t for t in tallies if t.n >= k]
    boxes = lost.said()
    if why and (how.missing == "refuse" or not enough):
        return untold(why + boxes)
    left_out = len(tallies) - len(enough)
    samples = "sample" if k == 1 else "samples"
    note = f"over {len(enough)} of {len(tallies)} problems: {left_out} with fewer than {k} {samples} left out{boxes}"
    return _rate_figure([estimate(t.n, t.passed, k) for t in enough], how, note if left_out else None)


def _rate_figure(values: Sequence[float], how: FigureOptions, note: str | None = None) -> Figure:
    """The mean of values from 0 to 1, one a problem."""
    if how.method == "bootstrap":
        found = bootstrap_interval(values, how.level, UNIT, resamples=how.resamples, seed=how.seed)
    else:
        found = rate_interval(values, how.level)
    return Figure(value=found.estimate, interval=found, n_problems=len(values), reason=note)


def _mean_figure(rewards: Sequence[Sequence[float | None]], how: FigureOptions, lost: _Lost) -> Figure:
    """The mean of the problems' means, with Student's interval where a reward lies beyond 0 and 1."""
    known = [[r for r in mine if r is not None] for mine in rewards]
    means = [math.fsum(mine) / len(mine) for mine in known if mine]
    if not means:
        return untold(UNJUDGED if lost.nothing_judged else "no sample has a reward")
    left_out = len(known) - len(means)
    note = f"{left_out} problem{'' if left_out == 1 else 's'} without a reward left out" if left_out else None
    if min(means) >= 0 and max(means) <= 1:
        return _rate_figure(means, how, note)
    found = mean_interval(means, how.level)
    return Figure(value=found.estimate, interval=found, n_problems=len(means), reason=note)


def _first_turn(rows: Sequence[Sample], how: FigureOptions, missing: int) -> Figure:
    valid = [s for s in rows if s.counts]
    if silent := sum(s.n_turns is None for s in valid):
        why = f"{silent} of {len(valid)} samples don't say how many turns they took"
        return untold(why)
    counts = {key: [s for s in mine if s.counts] for key, mine in by_problem(rows).items()}
    tallies = [Tally(len(mine), sum(s.turns_to_success == 1 for s in mine)) for mine in counts.values()]
    return _pass_figure([*tallies, *[Tally(0, 0)] * missing], 1, pass_at_k, how, _Lost.of(rows))


def _turns(rows: Sequence[Sample]) -> dict[str, int]:
    told = [s for s in rows if s.counts and s.n_turns is not None]
    turns = Counter(s.turns_to_success for s in told if s.turns_to_success is not None)
    found = {str(turn): turns[turn] for turn in sorted(turns)}
    never = sum(s.turns_to_success is None for s in told)
    return found | ({NEVER: never} if never else {})


def _adversarial_loss(rows: Sequence[Sample], how: FigureOptions) -> Figure:
    """The difference of two rates over different problems."""
    sides, intervals = [], []
    for adversarial in (False, True):
        mine = by_problem([s for s in rows if s.adversarial is adversarial])
        if not mine:
            why = f"no problem is {'adversarial' if adversarial else 'not adversarial'}"
            return untold(why)
        tallies = [Tally(sum(s.counts for s in p), sum(s.verdict == "pass" for s in p)) for p in mine.values()]
        side = _pass_figure(tallies, 1, pass_at_k, how, _Lost.of([s for p in mine.values() for s in p]))
        if side.interval is None:
            return side
        sides.append(side)
        intervals.append(side.interval)
    found = difference_of(*intervals)
    return Figure(
        value=found.estimate,
        interval=found,
        n_problems=sum(s.n_problems for s in sides),
        reason="; ".join(s.reason for s in sides if s.reason) or None,
    )


def _buckets(rows: Sequence[Sample], dimension: str, how: FigureOptions) -> dict[str, Bucket]:
    groups: dict[str, list[Sample]] = {}
    for s in rows:
        for name in _names(s, dimension):
            groups.setdefault(name, []).append(s)
    return {name: bucket_of(groups[name], how) for name in sorted(groups)}


def _names(sample: Sample, dimension: str) -> tuple[str, ...]:
    """The buckets of a sample: none where its data set does not say."""
    match dimension:
        case "difficulty":
            return () if sample.difficulty is None else (sample.difficulty,)
        case "adversarial":
            return ("yes" if sample.adversarial else "no",)
        case "dataset":
            return (sample.dataset,) if sample.dataset else ()
    return tuple(dict.fromkeys(sample.tags))


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
