"""How many problems and samples it takes to see a difference, from a pilot.

The model: a problem has a rate of its own, drawn from a population of problems with variance `between`; the K samples
of a problem scatter around it with variance `within`. Then a mean over N problems has the variance

    V / N,  V = between + within / K,

and a difference d is seen at level alpha with probability `power` where

    N = (z(1 - alpha/2) + z(power))^2 V / d^2 + z(1 - alpha/2)^2 / 2.

E. Miller (2024), Adding error bars to evals, arXiv 2411.00640, equations 1 to 9, for the variances and N; the last term
is what Student's quantile costs: W. C. Guenther (1981), Sample size formulas for normal theory t tests, American
Statistician 35, 243-244.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Literal, NamedTuple

from code_generation.evaluation.distributions import normal_quantile, two_sided
from code_generation.evaluation.intervals import variance
from code_generation.evaluation.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHA, POWER = 0.05, 0.8
SAMPLES = (1, 2, 4, 8, 16)
Design = Literal["one system", "independent", "paired"]


class Cluster(NamedTuple):
    """The samples of one problem."""

    mean: float
    variance: float | None
    """Among them, unbiased; None: one sample."""
    n: int


def cluster(values: Sequence[float]) -> Cluster:
    """Of rewards, or of 0 and 1.

    Raises:
        ValueError: no samples.
    """
    if not values:
        msg = "a problem of a pilot needs at least one sample"
        raise ValueError(msg)
    return Cluster(fmean(values), variance(values) if len(values) > 1 else None, len(values))


def cluster_of_tally(n: int, passed: int) -> Cluster:
    """Of a count: `cluster_of_tally(4, 1)` -> Cluster(mean=0.25, variance=0.25, n=4).

    Raises:
        ValueError: no samples, or more passes than samples.
    """
    if not 0 <= passed <= n or not n:
        msg = f"{passed} of {n} samples is no count of a pilot"
        raise ValueError(msg)
    return Cluster(passed / n, passed * (n - passed) / (n * (n - 1)) if n > 1 else None, n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Components(Plain):
    """Where the variance of a figure comes from: of one system's rate, or of the difference of two."""

    design: Design
    n_problems: int
    """Of the pilot."""
    mean: float
    """Rate, or difference of the rates."""
    between: float
    """Variance among problems, of what infinitely many samples would give."""
    within: float | None
    """Variance among the samples of a problem, of both systems together for a difference; None: the pilot has problems
    with one sample only, and `between` holds both."""

    def of_one_problem(self, samples: int) -> float:
        """V of the module's formula: what a problem with so many samples (of each system) contributes.

        Raises:
            ValueError: fewer samples than 1.
        """
        if samples < 1:
            msg = f"samples per problem must be 1 or more, got {samples}"
            raise ValueError(msg)
        return self.between + (self.within or 0.0) / samples


def components(pilot: Sequence[Cluster]) -> Components:
    """Of one system, a cluster a problem.

    within is the mean of the problems' unbiased variances; between is the variance of their means less what the samples
    contribute to that, and 0 where that is more: S. R. Searle, G. Casella and C. E. McCulloch (1992), Variance
    components, chapter 3.

    Raises:
        ValueError: fewer than two problems.
    """
    return _components("one system", [c.mean for c in pilot], [[c] for c in pilot])


def paired_components(first: Sequence[Cluster], second: Sequence[Cluster]) -> Components:
    """Of the difference of two systems over the same problems, in the same order.

    Raises:
        ValueError: fewer than two problems, or not the same number of both.
    """
    if len(first) != len(second):
        msg = f"a paired pilot needs the same problems of both systems, got {len(first)} and {len(second)}"
        raise ValueError(msg)
    pairs = list(zip(first, second, strict=True))
    return _components("paired", [a.mean - b.mean for a, b in pairs], [[a, b] for a, b in pairs])


def _components(design: Design, means: list[float], clusters: list[list[Cluster]]) -> Components:
    if len(means) < 2:  # noqa: PLR2004
        msg = f"a pilot needs at least two problems, got {len(means)}: one says nothing about how problems differ"
        raise ValueError(msg)
    total = variance(means)
    noises = [[(c.variance, c.n) for c in group] for group in clusters]
    known = [[(v, n) for v, n in group if v is not None] for group in noises]
    if any(len(k) < len(g) for k, g in zip(known, noises, strict=True)):
        return Components(design=design, n_problems=len(means), mean=fmean(means), between=total, within=None)
    within = fmean(math.fsum(v for v, _ in group) for group in known)
    noise = fmean(math.fsum(v / n for v, n in group) for group in known)
    between = max(0.0, total - noise)
    return Components(design=design, n_problems=len(means), mean=fmean(means), between=between, within=within)


def against_another(pilot: Components, *, correlation: float | None = None) -> Components:
    """Of the difference to a second system that was not tried yet and scatters as the first does.

    `correlation`: of the two systems' rates over the same problems, -1 to 1; None: over other problems.

    Raises:
        ValueError: a pilot of two systems, or a correlation that is none.
    """
    if pilot.design != "one system" or not -1 <= (correlation or 0.0) <= 1:
        msg = f"expected a pilot of one system and a correlation from -1 to 1, got {pilot.design} and {correlation}"
        raise ValueError(msg)
    if pilot.within is None and correlation:
        msg = "with one sample a problem, the part of the variance that two systems share is unknown: sample more"
        raise ValueError(msg)
    return Components(
        design="independent" if correlation is None else "paired",
        n_problems=pilot.n_problems,
        mean=0.0,
        between=2 * pilot.between * (1 - (correlation or 0.0)),
        within=None if pilot.within is None else 2 * pilot.within,
    )


def _reach(alpha: float, power: float) -> tuple[float, float]:
    """(z(1 - alpha/2), that plus z(power))."""
    if not alpha / 2 < power < 1:
        msg = f"power must lie between alpha / 2 and 1, got power {power} and alpha {alpha}"
        raise ValueError(msg)
    z = normal_quantile(two_sided(1 - alpha))
    return z, z + normal_quantile(power)


def problems_needed(
    difference: float, parts: Components, *, samples: int = 1, power: float = POWER, alpha: float = ALPHA
) -> int:
    """Problems that show a difference with that power, see the module's formula.

    Raises:
        ValueError: a difference of 0, or numbers that can't be.
    """
    z, reach = _reach(alpha, power)
    if difference == 0:
        msg = "no number of problems shows a difference of 0"
        raise ValueError(msg)
    return max(2, math.ceil(parts.of_one_problem(samples) * (reach / difference) ** 2 + z * z / 2))


def minimum_difference(
    n_problems: int, parts: Components, *, samples: int = 1, power: float = POWER, alpha: float = ALPHA
) -> float | None:
    """The smallest difference that so many problems show with that power; None: so few show none.

    Raises:
        ValueError: numbers that can't be.
    """
    z, reach = _reach(alpha, power)
    if n_problems < 1:
        msg = f"problems must be 1 or more, got {n_problems}"
        raise ValueError(msg)
    effective = n_problems - z * z / 2
    return reach * math.sqrt(parts.of_one_problem(samples) / effective) if effective > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow(Plain):
    """One way to see the difference."""

    samples: int
    """A problem, of each system."""
    problems: int
    total_samples: int
    """Of each system."""
    minimum_difference: float | None
    """With as many problems as the pilot has; None: so few show none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Plain):
    """What it takes to see a difference."""

    difference: float
    power: float
    alpha: float
    pilot: Components
    rows: tuple[PlanRow, ...]
    note: str | None
    """What the pilot can't say; None: nothing."""


def plan(
    difference: float,
    pilot: Components,
    *,
    power: float = POWER,
    alpha: float = ALPHA,
    samples: Sequence[int] = SAMPLES,
) -> Plan:
    """Numbers of problems for several numbers of samples a problem; just the first where the pilot has one sample each.

    Raises:
        ValueError: see `problems_needed`.
    """
    note, counts = None, tuple(samples)
    if pilot.within is None:
        counts = (1,)
        note = "the pilot has problems with one sample, so what more samples a problem would bring is unknown"
    if pilot.between == 0 and not pilot.within:
        note = "the pilot shows no variance at all: it is too small, or too easy or hard, to plan from"
    rows = []
    for k in counts:
        n = problems_needed(difference, pilot, samples=k, power=power, alpha=alpha)
        least = minimum_difference(pilot.n_problems, pilot, samples=k, power=power, alpha=alpha)
        rows.append(PlanRow(samples=k, problems=n, total_samples=n * k, minimum_difference=least))
    return Plan(difference=difference, power=power, alpha=alpha, pilot=pilot, rows=tuple(rows), note=note)
