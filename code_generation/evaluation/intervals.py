"""Intervals of figures whose samples come in clusters: the samples of one problem are no independent trials.

What a problem is asked for is drawn from a large population of problems, so the problem is the unit: an interval says
what the figure might be over other problems like these. Choose by kind, as docs/statistics.md measured:

- a rate or a mean of values between bounds: `rate_interval`, Wilson's with an effective number of problems;
- a share of samples, where problems have different numbers of them: `share_interval`;
- a mean without bounds, a difference within problems: `mean_interval`, Student's;
- a quotient of sums, such as dollars per verified row: `ratio_interval`, a bootstrap;
- the difference of two figures over different problems: `difference_of`;
- any mean by a bootstrap: `bootstrap_interval`.

Where all problems are alike the spread is 0, and so would be the width of every interval that reckons with it. They all
fall back to what is sure: of n alike problems, the share q of others in the population is at most
z^2 / (n + z^2), Wilson's bound for 0 of n; others lie anywhere between the bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING

from code_generation.evaluation.distributions import NORMAL, normal_quantile, quantile, student_quantile, two_sided
from code_generation.evaluation.plain import Plain
from code_generation.proportions import score_interval, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    Bounds = tuple[float, float]

LEVEL = 0.95
RESAMPLES = 2000
UNIT = (0.0, 1.0)
ONE_PROBLEM = "one problem says nothing about others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(Plain):
    """A figure and what it might be over other problems like these."""

    estimate: float
    low: float | None
    """None: no bound is known."""
    high: float | None
    level: float
    """How many of 100 such intervals, over 100, hold the true value."""
    method: str
    """`wilson`, `wilson, effective n`, `student`, `bootstrap`, `alike`, `none`, ..."""
    note: str | None = None
    """What is to be known about it; None: nothing."""


def wilson(passed: int, n: int, level: float = LEVEL) -> Interval:
    """Of a proportion of independent trials, see `proportions.wilson_interval`.

    Raises:
        ValueError: no trials.
    """
    low, high = wilson_interval(passed, n, normal_quantile(two_sided(level)))
    return Interval(estimate=passed / n, low=low, high=high, level=level, method="wilson")


def rate_interval(values: Sequence[float], level: float = LEVEL, bounds: Bounds = UNIT) -> Interval:
    """Of the mean of one value a problem, each between the bounds: `rate_interval([1.0, 0.4, 0.8, 1.0])`, pass rates.

    Wilson's score interval with the number of independent trials that would have the same variance,
    n* = p (1 - p) / (s^2 / n), and Student's quantile in place of the normal one. E. L. Korn and B. I. Graubard (1998),
    Confidence intervals for proportions with small expected number of positive counts, Survey Methodology 24, 193-201,
    section 2, for n*; C. Franco et al. (2019), Comparative study of confidence intervals for proportions in complex
    sample surveys, Journal of Survey Statistics and Methodology 7, 334-364, for its use with Wilson's.

    Raises:
        ValueError: no values, or one beyond the bounds.
    """
    return _effective([(v, 1.0) for v in values], level, bounds)


def share_interval(tallies: Sequence[tuple[float, float]], level: float = LEVEL) -> Interval:
    """Of a share of samples, (of the kind, of all) a problem: `share_interval([(0, 5), (2, 4)])`.

    As `rate_interval`, with the variance of a quotient of sums by its linearisation (W. G. Cochran, 1977, Sampling
    techniques, equation 6.13).

    Raises:
        ValueError: no samples, or more of the kind than there are.
    """
    return _effective([(x / m, float(m)) for x, m in tallies if m], level, UNIT)


def _effective(weighted: Sequence[tuple[float, float]], level: float, bounds: Bounds) -> Interval:
    """(value, weight) a problem."""
    p_upper, (least, most) = two_sided(level), bounds
    n, total = len(weighted), math.fsum(w for _, w in weighted)
    if not n or any(not least <= v <= most for v, _ in weighted):
        msg = f"an interval needs at least one value, each from {least:g} to {most:g}; got {n} values"
        raise ValueError(msg)
    estimate = math.fsum(v * w for v, w in weighted) / total
    if n == 1 or min(weighted)[0] == max(weighted)[0]:
        return _alike(estimate, n, level, bounds)
    share = (estimate - least) / (most - least)
    spread = math.fsum((w * (v - estimate)) ** 2 for v, w in weighted) / (most - least) ** 2
    error = n / (n - 1) * spread / total**2
    if error == 0 or not 0 < share < 1:  # they differ by less than a float can say
        return _alike(estimate, n, level, bounds)
    low, high = score_interval(share, share * (1 - share) / error, student_quantile(p_upper, n - 1))
    low, high = least + low * (most - least), least + high * (most - least)
    return Interval(estimate=estimate, low=low, high=high, level=level, method="wilson, effective n")


def _alike(estimate: float, n: int, level: float, bounds: Bounds | None) -> Interval:
    """Where no spread is seen."""
    if bounds is None or n == 1:
        low, high = bounds or (None, None)
        note = ONE_PROBLEM if n == 1 else f"all {n} problems are alike, and values have no bounds: no spread is known"
        return Interval(estimate=estimate, low=low, high=high, level=level, method="none", note=note)
    z = normal_quantile(two_sided(level))
    others = z * z / (n + z * z)
    return Interval(
        estimate=estimate,
        low=estimate - others * (estimate - bounds[0]),
        high=estimate + others * (bounds[1] - estimate),
        level=level,
        method="alike",
        note=f"all {n} problems are alike: Wilson's bound on the share of others, {others:.3g}",
    )


def mean_interval(values: Sequence[float], level: float = LEVEL, bounds: Bounds | None = None) -> Interval:
    """Student's interval of the mean of one value a problem; what lies beyond the bounds is cut off.

    Raises:
        ValueError: no values.
    """
    if told := _told_at_once(values, level, bounds):
        return told
    n, estimate = len(values), fmean(values)
    half = student_quantile(two_sided(level), n - 1) * math.sqrt(variance(values) / n)
    low, high = estimate - half, estimate + half
    if bounds:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Interval(estimate=estimate, low=low, high=high, level=level, method="student")


def _told_at_once(values: Sequence[float], level: float, bounds: Bounds | None) -> Interval | None:
    """The interval of values without a spread; None where they have one.

    Raises:
        ValueError: no values.
    """
    if not values:
        msg = "an interval of the mean of no values"
        raise ValueError(msg)
    alike = len(values) == 1 or min(values) == max(values)
    return _alike(fmean(values), len(values), level, bounds) if alike else None


def variance(values: Sequence[float]) -> float:
    """Unbiased, by n - 1 of at least two values."""
    mean = fmean(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)


def bootstrap_interval(
    values: Sequence[float],
    level: float = LEVEL,
    bounds: Bounds | None = UNIT,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentiles of the mean of one value a problem, over resamples of the problems with everything of theirs.

    The percentiles are those that make the interval as wide as Student's where values are normal:
    Phi(-sqrt(n / (n - 1)) t) in place of (1 - level) / 2. Plain ones are too narrow for few problems: T. C. Hesterberg
    (2015), What teachers should know about the bootstrap, American Statistician 69, 371-386, section 4.3.2.

    The draws: `random.Random(seed).random()`, whose sequence Python guarantees; the index of a drawn problem is
    int(draw * n); n draws a resample, one resample after the other.

    Raises:
        ValueError: no values.
    """
    if told := _told_at_once(values, level, bounds):
        return told
    n, estimate = len(values), fmean(values)
    low, high = _percentiles(_resampled(tuple(values), resamples, seed), n, level)
    return Interval(estimate=estimate, low=low, high=high, level=level, method="bootstrap")


@lru_cache(maxsize=64)  # of one set of rows, pass@1, pass^1 and the mean reward are often the same values
def _resampled(values: tuple[float, ...], resamples: int, seed: int) -> list[float]:
    n, draw = len(values), Random(seed).random  # noqa: S311 - no secrets
    return sorted(math.fsum([values[int(draw() * n)] for _ in range(n)]) / n for _ in range(resamples))


def _percentiles(ordered: list[float], n: int, level: float) -> tuple[float, float]:
    t = student_quantile(two_sided(level), n - 1)
    tail = NORMAL.cdf(-math.sqrt(n / (n - 1)) * t)
    return quantile(ordered, tail), quantile(ordered, 1 - tail)


def ratio_interval(
    pairs: Sequence[tuple[float, float]], level: float = LEVEL, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Of a quotient of sums, (above, below) a problem: dollars and verified rows -> dollars per verified row.

    Percentiles as `bootstrap_interval` has them, with the same draws. A resample whose lower sum is 0 has no quotient
    and counts as larger than all others, so the upper end may be None: without bound.

    Raises:
        ValueError: no problems, or a lower sum of 0.
    """
    n = len(pairs)
    below = math.fsum(b for _, b in pairs)
    if not n or below == 0:
        msg = f"a quotient of sums over {n} problems, the lower of which is {below:g}"
        raise ValueError(msg)
    estimate = math.fsum(a for a, _ in pairs) / below
    if min(pairs) == max(pairs):
        return _alike(estimate, n, level, None)
    draw = Random(seed).random  # noqa: S311 - no secrets
    ratios = []
    for _ in range(resamples):
        drawn = [pairs[int(draw() * n)] for _ in range(n)]
        total = math.fsum([b for _, b in drawn])
        ratios.append(math.fsum([a for a, _ in drawn]) / total if total else math.inf)
    low, high = _percentiles(sorted(ratios), n, level)
    if math.isfinite(high):
        return Interval(estimate=estimate, low=low, high=high, level=level, method="bootstrap")
    note = "so few problems count below that some resamples have none: no upper bound"
    low_or_none = low if math.isfinite(low) else None
    return Interval(estimate=estimate, low=low_or_none, high=None, level=level, method="bootstrap", note=note)


def difference_of(first: Interval, second: Interval) -> Interval:
    """Of the first figure minus the second, over different problems, from the interval of each.

    Newcombe's hybrid (1998, method 10, see `proportions.difference_interval`) for any two intervals: G. Y. Zou and
    A. Donner (2008), Construction of confidence limits about effect measures: a general approach, Statistics in
    Medicine 27, 1693-1702.

    Raises:
        ValueError: intervals of different levels.
    """
    if first.level != second.level:
        msg = f"intervals of different levels, {first.level} and {second.level}, have no difference"
        raise ValueError(msg)
    a, b = first.estimate, second.estimate
    low = high = None
    if first.low is not None and first.high is not None and second.low is not None and second.high is not None:
        low = a - b - math.hypot(a - first.low, second.high - b)
        high = a - b + math.hypot(first.high - a, b - second.low)
    notes = [i.note for i in (first, second) if i.note]
    return Interval(
        estimate=a - b,
        low=low,
        high=high,
        level=first.level,
        method="none" if low is None else "newcombe",
        note="; ".join(dict.fromkeys(notes)) or None,
    )
