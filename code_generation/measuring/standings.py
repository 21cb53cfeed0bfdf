"""Figures of several systems side by side: the evaluation that is written as JSON, ranks within a data set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from code_generation.evaluation.failures import FAILURES
from code_generation.evaluation.figures import FigureOptions, evaluate
from code_generation.evaluation.outcomes import check_unique

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from code_generation.evaluation.figures import Figures
    from code_generation.evaluation.outcomes import Sample
    from code_generation.models import JsonValue

Evaluation = dict[str, Any]
"""An evaluation as JSON; docs/commands.md describes it."""
VERSION = 1
ADVERSARIAL = "yes"


def evaluation_of(
    parts: Sequence[tuple[Sequence[Sample], Collection[str] | None]],
    how: FigureOptions,
    *,
    by_dataset: bool = True,
    files: Sequence[JsonValue] = (),
    notes: Sequence[str] = (),
) -> Evaluation:
    """The evaluation of samples in parts, each with the ids of the problems that it should have samples of (None: those
    that it has).

    Raises:
        DataError: a sample stands twice. ValueError: options that can't be.
    """
    every = [s for samples, _ in parts for s in samples]
    check_unique(every)
    found = [f for samples, ids in parts for f in evaluate(samples, how, expected=ids, by_dataset=by_dataset)]
    if not by_dataset:
        found = [replace(f, dataset="") for f in found]
    return {
        "evaluation": VERSION,
        "ks": list(how.ks),
        "level": how.level,
        "method": how.method,
        "missing": how.missing,
        "by": "dataset" if by_dataset else "system",
        "files": list(files),
        "notes": list(notes),
        "n_samples": len(every),
        "n_problems": len({(s.dataset, s.problem_id) for s in every}),
        "n_infra": sum(s.verdict == "infra" for s in every),
        "kinds_of_failure": FAILURES,
        "leaderboard": leaderboard(found),
        "groups": [f.to_json() for f in found],
    }


def leaderboard(found: Sequence[Figures]) -> list[dict[str, JsonValue]]:
    """A row a group, best pass@1 first within its data set; equals share a rank, and what has no pass@1 has none."""
    rows = [_row(f, found) for f in found]
    last = len(rows) + 1
    return sorted(rows, key=lambda r: (r["dataset"], r["rank"] or last, r["model"], r["strategy"]))


def _row(mine: Figures, found: Sequence[Figures]) -> dict[str, JsonValue]:
    adversarial = mine.buckets["adversarial"].get(ADVERSARIAL)
    value = mine.all.pass_at[1].value
    others = [f.all.pass_at[1].value for f in found if f.dataset == mine.dataset]
    return {
        "rank": None if value is None else 1 + sum(o > value for o in others if o is not None),
        "model": mine.model,
        "strategy": mine.strategy,
        "dataset": mine.dataset,
        "n_problems": mine.all.n_problems + mine.all.n_missing,
        "n_samples": mine.all.n_samples,
        "n_infra": mine.all.n_infra,
        "pass_at": {str(k): f.value for k, f in mine.all.pass_at.items()},
        "mean_reward": mine.all.mean_reward.value,
        "mean_fraction": mine.all.mean_fraction.value,
        "adversarial_pass_at_1": adversarial.pass_at[1].value if adversarial else None,
        "adversarial_loss": mine.adversarial_loss.value,
        "cost_usd": mine.costs.cost_usd,
    }


def expected_of(samples: Sequence[Sample], expected: Collection[str] | None) -> frozenset[str] | None:
    """The expected ids, where these samples are of that problem file at all; None: nothing is expected of them."""
    if expected is None or not {s.problem_id for s in samples} & set(expected):
        return None
    return frozenset(expected)
