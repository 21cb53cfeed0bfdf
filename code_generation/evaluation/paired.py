"""Tests of two systems over the same problems: what differs within a problem says most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from random import Random
from typing import TYPE_CHECKING

from code_generation.evaluation.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Sequence

FLIPS = 20_000
"""Random ones, where there are too many to count exactly; fewer of very many problems."""
FEWEST_FLIPS, MOST_SIGNS = 2_000, 4_000_000
"""The second is about a second of drawing."""
LARGEST_COUNT = 1 << 33
"""Bits of the whole number that holds the exact distribution of the sign flips, times how often it is added to; about a
second: 1,000 problems with 5 samples each are half of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar(Plain):
    """Of problems with one sample by each system."""

    both: int
    only_a: int
    only_b: int
    neither: int
    p: float
    """Exact, two-sided; 1 where the systems never differ."""
    mid_p: float
    """Less conservative: half the chance of what was seen is taken off; more alarms, 5 in 100 and hardly more."""


def mcnemar(both: int, only_a: int, only_b: int, neither: int = 0) -> McNemar:
    """Exact conditional test of whether both systems pass as often: `mcnemar(50, 9, 1).p` -> 0.0215.

    Of the problems that one system passes alone, each is a fair coin under the null hypothesis. Q. McNemar (1947),
    Psychometrika 12, 153-157; the exact test and the mid-p of M. W. Fagerland, S. Lydersen and P. Laake (2013), The
    McNemar test for binary matched-pairs data, BMC Medical Research Methodology 13:91.

    Raises:
        ValueError: a count below 0.
    """
    if min(both, only_a, only_b, neither) < 0:
        msg = f"counts of problems are 0 or more, got {(both, only_a, only_b, neither)}"
        raise ValueError(msg)
    n, fewer = only_a + only_b, min(only_a, only_b)
    ways = 1 << n
    tail = sum(comb(n, i) for i in range(fewer + 1))
    return McNemar(
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=neither,
        p=min(ways, 2 * tail) / ways,
        mid_p=(2 * tail - comb(n, fewer)) / ways,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignFlip(Plain):
    """Of the differences within problems."""

    p: float
    """Two-sided."""
    exact: bool
    """Every assignment of signs was counted; else random ones, and p has an error of sqrt(p (1 - p) / flips)."""


def sign_flip(
    first: Sequence[Fraction | float], second: Sequence[Fraction | float], *, flips: int | None = None, seed: int = 0
) -> SignFlip:
    """Permutation test of the mean difference of two systems, a mean of each for every problem.

    Under the null hypothesis the two systems of a problem could as well be named the other way round, so its difference
    has either sign. R. A. Fisher (1935), The design of experiments, section 21. With one sample of each it is McNemar's
    exact test. Where the differences are multiples of one fraction, as pass rates are (give `Fraction`s), all 2^m
    assignments are counted; else `flips` random ones (None: 20,000, fewer of very many problems), and p is (1 + as
    large) / (1 + flips): B. Phipson and G. K. Smyth (2010), Permutation p-values should never be zero, Statistical
    Applications in Genetics and Molecular Biology 9:39. The draws: `random.Random(seed)`, one `random()` a problem that
    differs, below 0.5 for minus, one flip after the other.

    Raises:
        ValueError: not the same number of problems, or none.
    """
    if len(first) != len(second) or not first:
        msg = f"a paired test needs the same problems of both, got {len(first)} and {len(second)}"
        raise ValueError(msg)
    if not any(isinstance(x, float) for x in (*first, *second)):
        differences = [Fraction(a) - Fraction(b) for a, b in zip(first, second, strict=True)]
        unit = math.lcm(*(d.denominator for d in differences))
        steps = [int(d * unit) for d in differences if d]
        if 2 * sum(map(abs, steps)) * _width(steps) * len(steps) <= LARGEST_COUNT:
            return SignFlip(p=_exact(steps), exact=True)
    numbers = [d for a, b in zip(first, second, strict=True) if (d := float(a) - float(b))]
    if flips is None:
        flips = min(FLIPS, max(FEWEST_FLIPS, MOST_SIGNS // max(1, len(numbers))))
    return SignFlip(p=_sampled(numbers, flips, seed), exact=False)


def _width(steps: list[int]) -> int:
    """Bits that hold a count of assignments."""
    return 8 * (len(steps) // 8 + 1)


def _exact(steps: list[int]) -> float:
    """Share of the assignments of signs whose sum is as far from 0.

    The counts of all sums are the coefficients of a product of polynomials, 1 + x^(2 step) each. They are kept side by
    side in one whole number, so that a multiplication is a shift and an addition.
    """
    width = _width(steps)
    counts = 1
    for step in steps:
        counts += counts << (2 * abs(step) * width)
    reach, seen = sum(map(abs, steps)), abs(sum(steps))
    if not seen:
        return 1.0
    upper = (counts >> ((reach + seen) * width)) % ((1 << width) - 1)  # the sum of the digits: of all counts from there
    return 2 * upper / (1 << len(steps))


def _sampled(numbers: list[float], flips: int, seed: int) -> float:
    seen = abs(math.fsum(numbers))
    slack = 1e-9 * math.fsum(map(abs, numbers))  # sums that are equal but for rounding are as large
    draw = Random(seed).random  # noqa: S311 - no secrets
    extreme = sum(abs(math.fsum([d if draw() >= 0.5 else -d for d in numbers])) >= seen - slack for _ in range(flips))  # noqa: PLR2004
    return (1 + extreme) / (1 + flips)


def odds_ratio(only_a: int, only_b: int) -> float:
    """How many problems A alone passes for each that B alone does: `odds_ratio(9, 1)` -> 9.0.

    The conditional estimate of matched pairs, b / c; where one is 0, 0.5 is added to both (J. B. S. Haldane, 1956, The
    estimation and significance of the logarithm of a ratio of frequencies, Annals of Human Genetics 20, 309-311).

    Raises:
        ValueError: a count below 0.
    """
    if min(only_a, only_b) < 0:
        msg = f"counts of problems are 0 or more, got {only_a} and {only_b}"
        raise ValueError(msg)
    more = 0.0 if only_a and only_b else 0.5
    return (only_a + more) / (only_b + more)


def cohens_h(first: float, second: float) -> float:
    """Difference of two rates on a scale on which it is as hard to see everywhere: `cohens_h(0.9, 0.8)` -> 0.284.

    2 asin(sqrt(p)) - 2 asin(sqrt(q)); 0.2 is small, 0.5 medium, 0.8 large. J. Cohen (1988), Statistical power analysis
    for the behavioral sciences, chapter 6.

    Raises:
        ValueError: a rate beyond 0 and 1.
    """
    if not (0 <= first <= 1 and 0 <= second <= 1):
        msg = f"rates lie between 0 and 1, got {first} and {second}"
        raise ValueError(msg)
    return 2 * math.asin(math.sqrt(first)) - 2 * math.asin(math.sqrt(second))
