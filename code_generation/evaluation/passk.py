"""pass@k: the chance that at least one of k samples of a problem passes, estimated from n samples of it.

It can't be told from fewer than k samples: such a k is refused, never computed from what there is.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb, fsum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tally(NamedTuple):
    """The samples of one problem."""

    n: int
    """How many have a verdict."""
    passed: int
    """How many of them passed."""


@lru_cache(maxsize=65536)
def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of the chance that one of k samples passes, where c of n did: `pass_at_k(5, 1, 2)` -> 0.4.

    1 - C(n - c, k) / C(n, k), in whole numbers up to the last division, so that the result is the nearest float. M.
    Chen et al. (2021), Evaluating large language models trained on code, arXiv 2107.03374, equation 1.

    Raises:
        ValueError: k > n, or numbers that can't be.
    """
    _check(n, c, k)
    ways = comb(n, k)
    return (ways - comb(n - c, k)) / ways


@lru_cache(maxsize=65536)
def pass_all_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of the chance that k samples all pass, pass^k: `pass_all_k(5, 4, 2)` -> 0.6.

    C(c, k) / C(n, k). S. Yao et al. (2024), tau-bench, arXiv 2406.12045, section 3.

    Raises:
        ValueError: k > n, or numbers that can't be.
    """
    _check(n, c, k)
    return comb(c, k) / comb(n, k)


def _check(n: int, c: int, k: int) -> None:
    if k < 1 or not 0 <= c <= n:
        msg = f"{c} of n={n} samples passed, k={k}: expected 0 <= passed <= n and k >= 1"
        raise ValueError(msg)
    if k > n:
        msg = f"pass@{k} needs at least {k} samples of a problem, but there are n={n} (k={k}): sample more, or lower k"
        raise ValueError(msg)


def refusal(tallies: Sequence[tuple[int, int]], k: int) -> str | None:
    """Why pass@k can't be told from these problems, (n, passed) each; None where it can.

    `refusal([(5, 1), (2, 2)], 5)` ->
    "pass@5 needs 5 samples of every problem: 1 of 2 problems has fewer (the fewest: 2)"
    """
    short = [n for n, _ in tallies if n < k]
    if not tallies:
        return f"pass@{k} of no problems"
    if not short:
        return None
    samples = "sample" if k == 1 else "samples"
    have = "problem has" if len(short) == len(tallies) == 1 else "problems has" if len(short) == 1 else "problems have"
    return (
        f"pass@{k} needs {k} {samples} of every problem: {len(short)} of {len(tallies)} {have} fewer "
        f"(the fewest: {min(short)})"
    )


def mean_pass_at_k(tallies: Sequence[tuple[int, int]], k: int) -> float:
    """pass@k averaged over problems, (n, passed) each, of which some may have more samples than others.

    `mean_pass_at_k([(2, 1), (4, 4)], 1)` -> 0.75

    Raises:
        ValueError: no problems, or a problem with fewer than k samples; says how many have fewer.
    """
    if why := refusal(tallies, k):
        raise ValueError(why)
    return fsum(pass_at_k(n, c, k) for n, c in tallies) / len(tallies)


def mean_pass_all_k(tallies: Sequence[tuple[int, int]], k: int) -> float:
    """pass^k averaged over problems, (n, passed) each.

    Raises:
        ValueError: see `mean_pass_at_k`.
    """
    if why := refusal(tallies, k):
        raise ValueError(why.replace("pass@", "pass^", 1))
    return fsum(pass_all_k(n, c, k) for n, c in tallies) / len(tallies)
