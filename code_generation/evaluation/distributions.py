"""The few distributions that the tests and intervals need, by the standard library alone."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

NORMAL = NormalDist()
TINY = 1e-300
PRECISE = 1e-16


def normal_quantile(p: float) -> float:
    """Of the standard normal distribution: `normal_quantile(0.975)` -> 1.95996."""
    return NORMAL.inv_cdf(p)


def two_sided(level: float) -> float:
    """The probability below the upper end of a central interval: `two_sided(0.95)` -> 0.975.

    Raises:
        ValueError: a level that is none.
    """
    if not 0 < level < 1:
        msg = f"the level of an interval lies between 0 and 1, 0.95 for instance; got {level}"
        raise ValueError(msg)
    return 0.5 + level / 2


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), by its continued fraction, 8.17.22 of NIST's Digital Library of
    Mathematical Functions, evaluated with Lentz's method (W. J. Lentz, 1976, Applied Optics 15, 668-671).
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x > (a + 1) / (a + b + 2):  # where the fraction of the other tail converges faster
        return 1 - front * _beta_fraction(1 - x, b, a) / b
    return front * _beta_fraction(x, a, b) / a


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for step in (even, odd):
            d = 1 / _not_zero(1 + step * d)
            c = _not_zero(1 + step / c)
            value *= c * d
        if abs(value - before) <= PRECISE * abs(value):
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY


def student_cdf(t: float, freedom: float) -> float:
    """P(T <= t) of Student's distribution, by the incomplete beta function (DLMF 8.17)."""
    outside = beta_cdf(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
    return 1 - outside if t > 0 else outside


@lru_cache(maxsize=4096)
def student_quantile(p: float, freedom: float) -> float:
    """Of Student's distribution: `student_quantile(0.975, 9)` -> 2.26216; by bisection.

    Raises:
        ValueError: no degrees of freedom, or no probability.
    """
    if freedom <= 0 or not 0 < p < 1:
        msg = f"no quantile {p} of Student's distribution with {freedom} degrees of freedom"
        raise ValueError(msg)
    if p < 0.5:  # noqa: PLR2004 - the distribution is symmetric
        return -student_quantile(1 - p, freedom)
    low, high = 0.0, 2.0
    while student_cdf(high, freedom) < p:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if student_cdf(middle, freedom) < p else (low, middle)
    return high


def quantile(ordered: list[float], p: float) -> float:
    """The value of rank p (B + 1) of B ordered ones, between neighbours by a straight line, the ends for what lies
    beyond; A. C. Davison and D. V. Hinkley (1997), Bootstrap methods and their application, equation 5.8 and below.

    Raises:
        ValueError: no values.
    """
    if not ordered:
        msg = "no quantile of no values"
        raise ValueError(msg)
    rank = min(max(p * (len(ordered) + 1), 1.0), float(len(ordered)))
    whole = int(rank)
    low, high = ordered[whole - 1], ordered[min(whole, len(ordered) - 1)]
    return low if rank == whole or low == high else low + (rank - whole) * (high - low)  # both may be infinite
