"""What the intervals and tests of `code_generation.evaluation` do on made-up data whose truth is known.

`python test_scripts/statistics_simulation.py` prints the tables of docs/statistics.md.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from code_generation.evaluation.intervals import (
    bootstrap_interval,
    difference_of,
    mean_interval,
    rate_interval,
    share_interval,
    wilson,
)
from code_generation.evaluation.paired import mcnemar, sign_flip
from code_generation.evaluation.power import cluster_of_tally, paired_components, problems_needed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    Draw = Callable[[Generator, int], np.ndarray]

SIGNED = (-1.0, 1.0)


def rates(chances: Draw, samples: int) -> Draw:
    """Pass rates of some problems, whose chances are drawn."""
    return lambda rng, n: rng.binomial(samples, chances(rng, n)) / samples


def beta(a: float, b: float) -> Draw:
    return lambda rng, n: rng.beta(a, b, n)


def always(p: float) -> Draw:
    return lambda _, n: np.full(n, p)


RATES = {
    "one sample, half": (rates(always(0.5), 1), 0.5),
    "one sample, 90 of 100": (rates(always(0.9), 1), 0.9),
    "one sample, 98 of 100": (rates(always(0.98), 1), 0.98),
    "all or nothing, 5 samples": (rates(beta(0.5, 0.5), 5), 0.5),
    "mostly easy, 5 samples": (rates(beta(2, 0.3), 5), 2 / 2.3),
    "mostly hopeless, 5 samples": (rates(beta(0.1, 1), 5), 0.1 / 1.1),
    "middling, 10 samples": (rates(beta(5, 5), 10), 0.5),
    "all alike, 95 of 100, 5 samples": (rates(always(0.95), 5), 0.95),
}
"""Name to (values of n problems, true mean)."""


def shifted(base: Draw, shift: float) -> Callable[[Generator, int], tuple[np.ndarray, np.ndarray]]:
    """Chances of two systems: the first is better by so much, up to 1."""

    def draw(rng: Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        chances = base(rng, n)
        return np.clip(chances + shift, 0, 1), chances

    return draw


def rarely_differ(share: float) -> Callable[[Generator, int], tuple[np.ndarray, np.ndarray]]:
    """Deterministic systems that differ on few problems, either way as often."""

    def draw(rng: Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        first = (rng.random(n) < 0.6).astype(float)
        return first, np.where(rng.random(n) < share, (rng.random(n) < 0.5).astype(float), first)

    return draw


PAIRS = {
    "the same system, 1 sample": (shifted(beta(0.5, 0.5), 0), 1),
    "the same system, 5 samples": (shifted(beta(0.5, 0.5), 0), 5),
    "a little better, 1 sample": (shifted(beta(0.5, 0.5), 0.1), 1),
    "a little better, 5 samples": (shifted(beta(0.5, 0.5), 0.1), 5),
    "both good, 1 sample": (shifted(beta(2, 0.3), 0.05), 1),
    "both good, 5 samples": (shifted(beta(2, 0.3), 0.05), 5),
}


def truth_of(chances: Callable[[Generator, int], tuple[np.ndarray, np.ndarray]]) -> float:
    first, second = chances(np.random.default_rng(0), 300_000)
    return float((first - second).mean())


def holds(interval, truth: float) -> bool:
    return interval.low - 1e-9 <= truth <= interval.high + 1e-9


def coverage(method: Callable, draw: Draw, truth: float, n: int, repeats: int, seed: int = 1) -> float:
    """How often the interval of n problems holds the truth."""
    rng = np.random.default_rng(seed)
    return sum(holds(method(draw(rng, n).tolist()), truth) for _ in range(repeats)) / repeats


@cache
def differences(pair: str) -> tuple[Draw, float]:
    """Differences within problems, and the true mean."""
    chances, samples = PAIRS[pair]

    def draw(rng: Generator, n: int) -> np.ndarray:
        first, second = chances(rng, n)
        return (rng.binomial(samples, first) - rng.binomial(samples, second)) / samples

    return draw, truth_of(chances)


def share_coverage(n: int, repeats: int, seed: int = 2) -> float:
    """Of a share of samples, where problems have 1 to 8 samples that resemble each other."""
    rng, held = np.random.default_rng(seed), 0
    for _ in range(repeats):
        sizes = rng.integers(1, 9, n)
        counts = rng.binomial(sizes, rng.beta(0.3, 2.7, n))
        held += holds(share_interval(list(zip(counts.tolist(), sizes.tolist(), strict=True))), 0.1)
    return held / repeats


def naive_coverage(repeats: int, seed: int = 3) -> float:
    """Of Wilson's interval that takes 5 samples of each of 100 problems for 500 independent ones."""
    rng, held = np.random.default_rng(seed), 0
    for _ in range(repeats):
        passed = int(rng.binomial(5, rng.beta(0.5, 0.5, 100)).sum())
        held += holds(wilson(passed, 500), 0.5)
    return held / repeats


def loss_coverage(n: int, repeats: int, seed: int = 4) -> float:
    """Of the difference of two rates over different problems."""
    rng, held = np.random.default_rng(seed), 0
    for _ in range(repeats):
        plain = rate_interval((rng.binomial(3, rng.beta(4, 1, n)) / 3).tolist())
        other = rate_interval((rng.binomial(3, rng.beta(1, 1, 2 * n)) / 3).tolist())
        held += holds(difference_of(plain, other), 0.3)
    return held / repeats


def alarms(test: str, n: int, repeats: int, samples: int = 1, shift: float = 0.0, seed: int = 5) -> float:
    """How often a test says p < 0.05; without a shift the systems are the same."""
    rng, found = np.random.default_rng(seed), 0
    for _ in range(repeats):
        first, second = shifted(beta(1, 1), shift)(rng, n)
        a, b = rng.binomial(samples, first), rng.binomial(samples, second)
        if test == "sign-flip":
            sides = [[Fraction(int(x), samples) for x in side] for side in (a, b)]
            found += sign_flip(*sides).p < 0.05
        elif test == "bootstrap":
            interval = bootstrap_interval(((a - b) / samples).tolist(), bounds=SIGNED, resamples=500)
            found += interval.low > 0 or interval.high < 0
        else:
            table = mcnemar(int((a & b).sum()), int((a > b).sum()), int((a < b).sum()))
            found += (table.p if test == "mcnemar" else table.mid_p) < 0.05
    return found / repeats


def planned_power(difference: float, samples: int, pilot_problems: int, repeats: int, seed: int = 6) -> float:
    """Share of runs that see the difference, each with as many problems as its own pilot asks for."""
    rng, seen = np.random.default_rng(seed), 0
    base = lambda g, n: g.beta(1, 1, n) * (1 - difference)  # noqa: E731 - the better system stays below 1
    for _ in range(repeats):
        sides = shifted(base, difference)(rng, pilot_problems)
        pilot = [[cluster_of_tally(4, int(c)) for c in rng.binomial(4, side)] for side in sides]
        n = problems_needed(difference, paired_components(*pilot), samples=samples)
        first, second = shifted(base, difference)(rng, n)
        a, b = rng.binomial(samples, first), rng.binomial(samples, second)

        sides = [[Fraction(int(x), samples) for x in side] for side in (a, b)]
        seen += sign_flip(*sides).p < 0.05
    return seen / repeats


def row(*cells: object) -> None:
    print("| " + " | ".join(f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells) + " |")


def main() -> None:
    repeats = 2000
    few = partial(bootstrap_interval, resamples=500)
    print("coverage of 95 % intervals of a rate\n")
    for name, (draw, truth) in RATES.items():
        for n in (5, 10, 20, 50, 150):
            mine = (coverage(m, draw, truth, n, repeats) for m in (rate_interval, few))
            row(name, n, *mine)
    print("\ncoverage of 95 % intervals of a difference within problems\n")
    for name in PAIRS:
        draw, truth = differences(name)
        for n in (10, 20, 50, 150):
            mine = partial(mean_interval, bounds=SIGNED)
            boot = partial(few, bounds=SIGNED)
            row(name, n, *(coverage(m, draw, truth, n, repeats) for m in (mine, boot)))
    print("\nother coverages\n")
    row("share, 1 to 8 samples", *(share_coverage(n, repeats) for n in (10, 20, 50, 150)))
    row("loss", *(loss_coverage(n, repeats) for n in (10, 20, 50, 150)))
    row("naive", naive_coverage(repeats))
    print("\nfalse alarms at 0.05\n")
    for test, samples in (("mcnemar", 1), ("mid-p", 1), ("sign-flip", 1), ("sign-flip", 4), ("bootstrap", 4)):
        row(test, samples, *(alarms(test, n, repeats, samples) for n in (20, 50, 150)))
    print("\npower, 0.8 was planned\n")
    for difference, samples in ((0.1, 1), (0.1, 4), (0.2, 1), (0.2, 4)):
        row(difference, samples, *(planned_power(difference, samples, n, 1000) for n in (10, 30, 100)))


if __name__ == "__main__":
    main()
