"""Intervals of proportions: how sure a pass rate is."""

from __future__ import annotations

from math import hypot, sqrt

Z_95 = 1.959963984540054
"""97.5 % point of the standard normal distribution: 95 % lie between minus this and this."""


def wilson_interval(passed: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Score interval of a proportion, 0 to 1: `wilson_interval(8, 10)` -> (0.490, 0.943).

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22, 209-212.

    Raises:
        ValueError: no trials, or more passes than trials.
    """
    if not 0 <= passed <= n or n == 0:
        msg = f"{passed} of {n} is no proportion"
        raise ValueError(msg)
    return score_interval(passed / n, n, z)


def score_interval(p: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """Wilson's interval around a proportion of so many trials, which need not be whole numbers."""
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return 0.0 if p == 0 else max(0.0, middle - half), 1.0 if p == 1 else min(1.0, middle + half)


def difference_interval(passed: tuple[int, int], n: tuple[int, int], z: float = Z_95) -> tuple[float, float]:
    """Interval of the first of two independent proportions minus the second, -1 to 1.

    `difference_interval((56, 48), (70, 80))` -> (0.0524, 0.3339), which are 56 of 70 and 48 of 80.

    R. G. Newcombe (1998), Interval estimation for the difference between independent proportions: comparison of eleven
    methods, Statistics in Medicine 17, 873-890: method 10, the hybrid score interval.

    Raises:
        ValueError: see `wilson_interval`.
    """
    (low_a, high_a), (low_b, high_b) = (wilson_interval(*pair, z) for pair in zip(passed, n, strict=True))
    a, b = (k / m for k, m in zip(passed, n, strict=True))
    return a - b - hypot(a - low_a, high_b - b), a - b + hypot(high_a - a, b - low_b)
