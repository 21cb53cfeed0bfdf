"""pass@k is the mean over all choices of k samples, and is refused where there are fewer."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.evaluation.passk import mean_pass_all_k, mean_pass_at_k, pass_all_k, pass_at_k, refusal

CLOSE = {"rel": 1e-12, "abs": 1e-12}
small = st.integers(1, 9).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)),
)
large = st.integers(1, 400).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)),
)


def choices(n, c, k):
    """Every choice of k of n samples of which the first c passed."""
    return [[i < c for i in chosen] for chosen in combinations(range(n), k)]


@given(small)
def test_pass_at_k_is_the_share_of_choices_with_a_pass(sizes):
    """Counted one by one."""
    every = choices(*sizes)
    assert pass_at_k(*sizes) == pytest.approx(float(Fraction(sum(map(any, every)), len(every))), **CLOSE)


@given(small)
def test_pass_all_k_is_the_share_of_choices_that_all_pass(sizes):
    """Counted one by one."""
    every = choices(*sizes)
    assert pass_all_k(*sizes) == pytest.approx(float(Fraction(sum(map(all, every)), len(every))), **CLOSE)


@given(large)
def test_pass_at_k_is_the_product_of_the_paper(sizes):
    """1 - prod(1 - k / i) for i from n - c + 1 to n, in fractions: the other form of the formula."""
    n, c, k = sizes
    other = 1 - prod((1 - Fraction(k, i) for i in range(n - c + 1, n + 1)), start=Fraction(1)) if n - c >= k else 1
    assert pass_at_k(n, c, k) == pytest.approx(float(other), **CLOSE)


@given(st.lists(large, min_size=1, max_size=8))
def test_problems_may_have_different_numbers_of_samples(problems):
    """Each counts once, whatever its number of samples."""
    k = min(k for _, _, k in problems)
    tallies = [(n, c) for n, c, _ in problems]
    expected = sum(Fraction(pass_at_k(n, c, k)) for n, c in tallies) / len(tallies)
    assert mean_pass_at_k(tallies, k) == pytest.approx(float(expected), **CLOSE)


@pytest.mark.parametrize(
    ("sizes", "value"), [((1, 0, 1), 0), ((1, 1, 1), 1), ((10, 0, 10), 0), ((10, 1, 10), 1), ((200, 200, 100), 1)]
)
def test_the_ends_are_exact(sizes, value):
    """None and all."""
    assert pass_at_k(*sizes) == value


def test_large_numbers_stay_exact():
    """Where products of floats lose digits or factorials overflow."""
    assert pass_at_k(20_000, 1, 10_000) == 0.5
    assert pass_at_k(10_000, 1, 1) == 1e-4
    assert 0 < pass_all_k(2000, 1000, 500) < 1e-150


def test_more_samples_than_there_are_is_refused():
    """The message names n and k; one greedy sample is no pass@100."""
    with pytest.raises(ValueError, match=r"n=1 .*k=100"):
        pass_at_k(1, 1, 100)
    with pytest.raises(ValueError, match=r"n=4 .*k=5"):
        pass_all_k(4, 2, 5)


@pytest.mark.parametrize("bad", [(3, 4, 1), (3, -1, 1), (3, 1, 0), (-1, 0, 1)])
def test_impossible_numbers_are_refused(bad):
    """More passes than samples, fewer than none, k of 0."""
    with pytest.raises(ValueError, match="passed"):
        pass_at_k(*bad)


def test_the_mean_says_how_many_problems_have_too_few():
    """Never computed over the others in silence."""
    tallies = [(5, 1), (2, 2), (5, 5), (3, 0)]
    with pytest.raises(ValueError, match=r"pass@5 needs 5 samples .* 2 of 4 problems have fewer \(the fewest: 2\)"):
        mean_pass_at_k(tallies, 5)
    with pytest.raises(ValueError, match=r"pass\^5"):
        mean_pass_all_k(tallies, 5)
    assert refusal(tallies, 2) is None
    assert refusal([(0, 0)], 1) == "pass@1 needs 1 sample of every problem: 1 of 1 problem has fewer (the fewest: 0)"


def test_no_problems_have_no_mean():
    """0 of 0 is not 0."""
    with pytest.raises(ValueError, match="no problems"):
        mean_pass_at_k([], 1)
