"""What samples cost, and what a verified row costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from code_generation.evaluation.figure import Figure, by_problem, untold
from code_generation.evaluation.intervals import LEVEL, RESAMPLES, ratio_interval
from code_generation.evaluation.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from code_generation.evaluation.outcomes import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs(Plain):
    """Of all samples, also of those that failed."""

    cost_usd: float | None
    """None: the cost of some sample is unknown."""
    n_unknown_cost: int
    input_tokens: int | None
    output_tokens: int | None
    n_unknown_tokens: int
    n_verified: int
    """Rows that passed every test, each in its own process."""
    usd_per_verified: Figure
    input_tokens_per_verified: Figure
    output_tokens_per_verified: Figure


class Bootstrap(NamedTuple):
    """How intervals are drawn."""

    level: float
    resamples: int
    seed: int


def costs_of(rows: Sequence[Sample], level: float = LEVEL, *, resamples: int = RESAMPLES, seed: int = 0) -> Costs:
    """Of the samples of one model with one prompt."""
    how = Bootstrap(level, resamples, seed)
    costs = [s.cost_usd for s in rows if s.cost_usd is not None]
    inputs = [s.input_tokens for s in rows if s.input_tokens is not None]
    outputs = [s.output_tokens for s in rows if s.output_tokens is not None]
    n = len(rows)
    return Costs(
        cost_usd=math.fsum(costs) if len(costs) == n else None,
        n_unknown_cost=n - len(costs),
        input_tokens=sum(inputs) if len(inputs) == n else None,
        output_tokens=sum(outputs) if len(outputs) == n else None,
        n_unknown_tokens=sum(s.input_tokens is None or s.output_tokens is None for s in rows),
        n_verified=sum(s.verified for s in rows),
        usd_per_verified=_per_verified(rows, "cost", lambda s: s.cost_usd, how),
        input_tokens_per_verified=_per_verified(rows, "number of input tokens", lambda s: s.input_tokens, how),
        output_tokens_per_verified=_per_verified(rows, "number of output tokens", lambda s: s.output_tokens, how),
    )


def _per_verified(rows: Sequence[Sample], name: str, spent: Callable[[Sample], float | None], how: Bootstrap) -> Figure:
    unknown = sum(spent(s) is None for s in rows)
    verified = sum(s.verified for s in rows)
    if unknown or not verified:
        why = f"the {name} of {unknown} of {len(rows)} samples is unknown" if unknown else "no row is verified"
        return untold(why)
    problems = by_problem(rows).values()
    pairs = [(math.fsum(spent(s) or 0.0 for s in mine), float(sum(s.verified for s in mine))) for mine in problems]
    found = ratio_interval(pairs, how.level, resamples=how.resamples, seed=how.seed)
    return Figure(value=found.estimate, interval=found, n_problems=len(pairs))
