"""Intervals hold the truth as often as they say, with problems as units; what no data can tell has no bound."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from itertools import product
from random import Random
from statistics import NormalDist, fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.evaluation.distributions import (
    beta_cdf,
    normal_quantile,
    quantile,
    student_cdf,
    student_quantile,
)
from code_generation.evaluation.intervals import (
    bootstrap_interval,
    difference_of,
    mean_interval,
    rate_interval,
    ratio_interval,
    share_interval,
    wilson,
)
from code_generation.forecast import STUDENT
from code_generation.proportions import difference_interval, wilson_interval
from test_scripts.statistics_simulation import (
    PAIRS,
    RATES,
    SIGNED,
    coverage,
    differences,
    loss_coverage,
    naive_coverage,
    share_coverage,
)

CLOSE = {"rel": 1e-12, "abs": 1e-12}
values = st.lists(st.sampled_from([0.0, 0.2, 0.25, 0.5, 1.0]) | st.floats(0, 1), min_size=1, max_size=30)


# ------------------------------------------------------------------------------------------------ distributions


@pytest.mark.parametrize(("freedom", "expected"), list(enumerate(STUDENT, start=1)))
def test_student_quantiles_are_those_of_tables(freedom, expected):
    """To the four digits that tables have."""
    assert student_quantile(0.975, freedom) == pytest.approx(expected, abs=6e-5)


@given(st.floats(0.001, 0.999))
def test_student_has_closed_forms(p):
    """Of 1 and 2 degrees of freedom: tan(pi (p - 1/2)) and (2p - 1) / sqrt(2p (1 - p))."""
    assert student_quantile(p, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-9, abs=1e-12)
    assert student_quantile(p, 2) == pytest.approx((2 * p - 1) / math.sqrt(2 * p * (1 - p)), rel=1e-9, abs=1e-12)


@given(st.integers(1, 40), st.integers(1, 40), st.fractions(0, 1, max_denominator=50))
def test_the_beta_function_is_a_tail_of_the_binomial(a, b, x):
    """I_x(a, b) = P(at least a of a + b - 1), in fractions."""
    n = a + b - 1
    tail = sum(math.comb(n, i) * x**i * (1 - x) ** (n - i) for i in range(a, n + 1))
    assert beta_cdf(float(x), a, b) == pytest.approx(float(tail), rel=1e-11, abs=1e-13)


def test_student_becomes_normal():
    """With many degrees of freedom; and the function and its quantile undo each other."""
    assert student_quantile(0.975, 1e7) == pytest.approx(normal_quantile(0.975), abs=1e-6)
    assert student_cdf(student_quantile(0.3, 7.5), 7.5) == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize("bad", [(0.5, 0), (0, 3), (1, 3), (0.5, -1)])
def test_no_such_student(bad):
    """No degrees of freedom, no probability."""
    with pytest.raises(ValueError, match="Student"):
        student_quantile(*bad)


def test_quantiles_are_ranks():
    """The rank is p (B + 1) of B; beyond the ends, the ends; infinite ones too."""
    assert [quantile([1.0, 2.0, 3.0], p) for p in (0, 0.25, 0.375, 0.5, 1)] == [1, 1, 1.5, 2, 3]
    assert quantile([1.0, math.inf, math.inf], 0.9) == math.inf
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


# ------------------------------------------------------------------------------------------------ against other ways


@settings(max_examples=50)
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_its_equation(trial):
    """Its ends are where |p - x| = z sqrt(x (1 - x) / n)."""
    passed, n = trial
    found = wilson(passed, n)
    for x in (found.low, found.high):
        if 0 < x < 1:
            apart = normal_quantile(0.975) * math.sqrt(x * (1 - x) / n)
            assert abs(passed / n - x) == pytest.approx(apart, rel=1e-9, abs=1e-12)


@given(values)
def test_the_effective_number_makes_the_same_variance(some):
    """Wilson's around the mean, of the number of trials that has the variance of the problems' mean."""
    n, found = len(some), rate_interval(some)
    if found.method != "wilson, effective n" or stdev(some) < 1e-6:
        return
    p, z = fmean(some), student_quantile(0.975, n - 1)
    trials = p * (1 - p) / (stdev(some) ** 2 / n)
    assert trials >= (n - 1) * (1 - 1e-9)  # never fewer than problems, but for one
    for x in (found.low, found.high):
        if 1e-9 < x < 1 - 1e-9:
            assert abs(p - x) == pytest.approx(z * math.sqrt(x * (1 - x) / trials), rel=1e-6, abs=1e-9)


@given(values)
def test_student_is_mean_and_error(some):
    """Mean, plus and minus t s / sqrt(n)."""
    found = mean_interval(some)
    if found.method == "student":
        half = student_quantile(0.975, len(some) - 1) * stdev(some) / math.sqrt(len(some))
        assert found.low == pytest.approx(fmean(some) - half, **CLOSE)
        assert found.high == pytest.approx(fmean(some) + half, **CLOSE)


def test_the_bootstrap_draws_as_it_says():
    """The documented draws and ranks, written down once more, give the same ends; another seed gives others."""
    some, seed, resamples = [0.0, 0.2, 1.0, 0.6, 0.4], 7, 399
    draw = Random(seed).random  # noqa: S311
    means = sorted(math.fsum([some[math.floor(draw() * 5)] for _ in range(5)]) / 5 for _ in range(resamples))
    rank = 400 * NormalDist().cdf(-math.sqrt(5 / 4) * student_quantile(0.975, 4))
    low = means[int(rank) - 1] + rank % 1 * (means[int(rank)] - means[int(rank) - 1]) if rank >= 1 else means[0]
    found = bootstrap_interval(some, resamples=resamples, seed=seed)
    assert found.low == pytest.approx(low, **CLOSE)
    assert found == bootstrap_interval(some, resamples=resamples, seed=seed)
    assert found != bootstrap_interval([0.0, 0.21, 1.0, 0.6, 0.4], resamples=resamples, seed=seed + 1)


def test_the_bootstrap_is_that_of_all_resamples():
    """With many draws its ends are those of the distribution of all 5^5 resamples."""
    some = [0.0, 0.2, 1.0, 0.6, 0.35]
    every = sorted(math.fsum(chosen) / 5 for chosen in product(some, repeat=5))
    found = bootstrap_interval(some, resamples=20_000, seed=1)
    at = lambda x: sum(v <= x for v in every) / len(every)  # noqa: E731
    tail = 0.5 * math.erfc(math.sqrt(5 / 4) * student_quantile(0.975, 4) / math.sqrt(2))
    assert at(found.low) == pytest.approx(tail, abs=0.002)
    assert at(found.high) == pytest.approx(1 - tail, abs=0.002)


def test_the_bootstrap_is_the_same_everywhere():
    """Pinned: only `random()` is used, whose sequence is the same on every Python."""
    found = bootstrap_interval([0.0, 0.25, 0.5, 1.0, 1.0, 0.75, 0.0, 1.0], resamples=1000, seed=3)
    assert (found.low, found.high) == (0.1875, 0.875)


@given(st.tuples(st.integers(1, 60), st.integers(1, 60)), st.randoms(use_true_random=False))
def test_differences_of_wilson_are_newcombe(n, rng):
    """The general form is method 10 where both intervals are Wilson's."""
    passed = (rng.randint(0, n[0]), rng.randint(0, n[1]))
    found = difference_of(*(wilson(k, m) for k, m in zip(passed, n, strict=True)))
    assert (found.low, found.high) == pytest.approx(difference_interval(passed, n), abs=1e-9)


@given(values)
def test_a_share_of_equal_parts_is_a_rate(some):
    """Where every problem has as many samples both are the same figure."""
    tallies = [(round(v * 8), 8) for v in some]
    share, rate = share_interval(tallies), rate_interval([k / 8 for k, _ in tallies])
    assert (share.estimate, share.low, share.high) == pytest.approx((rate.estimate, rate.low, rate.high), rel=1e-9)


def test_a_share_counts_samples():
    """Of different numbers, the larger count for more; a problem without samples for nothing."""
    found = share_interval([(0, 1), (4, 4), (1, 5), (0, 0)])
    assert found.estimate == pytest.approx(5 / 10, **CLOSE)
    p, pairs = Fraction(1, 2), [(0, 1), (4, 4), (1, 5)]
    variance = Fraction(3, 2) * sum((x - p * m) ** 2 for x, m in pairs) / 100
    trials = float(p * (1 - p) / variance)
    t = student_quantile(0.975, 2)
    assert abs(found.low - 0.5) == pytest.approx(t * math.sqrt(found.low * (1 - found.low) / trials), rel=1e-9)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 5)), min_size=2, max_size=12))
def test_quotients_are_of_sums(pairs):
    """Not the mean of quotients; the ends lie around it."""
    below = sum(b for _, b in pairs)
    if not below:
        return
    found = ratio_interval(pairs, resamples=200)
    assert found.estimate == pytest.approx(math.fsum(a for a, _ in pairs) / below, **CLOSE)
    assert found.low is None or found.high is None or found.low <= found.high


# ------------------------------------------------------------------------------------------------ degenerate input


@pytest.mark.parametrize("method", [rate_interval, mean_interval, bootstrap_interval, share_interval, ratio_interval])
def test_nothing_has_no_interval(method):
    """0 of 0 is refused."""
    with pytest.raises(ValueError, match=r"no values|at least one|0 problems"):
        method([])


def test_no_trials_no_proportion():
    """By Wilson neither."""
    with pytest.raises(ValueError, match="no proportion"):
        wilson(0, 0)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("method", [rate_interval, bootstrap_interval])
def test_one_problem_says_nothing_about_others(method, value):
    """Its rate is all there is; the interval is everything, and says why."""
    found = method([value])
    assert (found.estimate, found.low, found.high) == (value, 0, 1)
    assert "one problem" in found.note


def test_one_value_without_bounds_has_no_ends():
    """None, not infinity."""
    found = mean_interval([-3.0])
    assert (found.low, found.high, found.method) == (None, None, "none")
    assert ratio_interval([(3.0, 2)]).high is None
    assert mean_interval([2.0, 2.0, 2.0]).low is None


@pytest.mark.parametrize("n", [2, 5, 100])
@pytest.mark.parametrize("method", [rate_interval, bootstrap_interval, partial(mean_interval, bounds=(0, 1))])
def test_all_pass_and_none_pass_are_wilson(method, n):
    """Never of zero width: Wilson's over the problems."""
    for value, passed in ((1.0, n), (0.0, 0)):
        found = method([value] * n)
        assert (found.low, found.high) == pytest.approx(wilson_interval(passed, n), **CLOSE)
        assert found.low < found.high and "alike" in found.note


def test_all_alike_in_the_middle():
    """Some of the problems not seen may differ, by as much as the bounds allow."""
    found = mean_interval([0.0] * 20, bounds=(-1.0, 1.0))
    assert found.high == pytest.approx(wilson_interval(0, 20)[1], **CLOSE) and found.low == -found.high


@settings(max_examples=40)
@given(values, st.sampled_from([0.5, 0.9, 0.99]))
def test_ends_are_around_the_mean_and_within_bounds(some, level):
    """For all methods; a higher level is wider."""
    for method in (rate_interval, partial(bootstrap_interval, resamples=50), partial(mean_interval, bounds=(0, 1))):
        found = method(some, level)
        assert -1e-12 <= found.low <= found.high <= 1 + 1e-12
        if method is rate_interval:
            wider = method(some, 0.999)
            assert wider.low - 1e-9 <= found.low <= found.estimate + 1e-9
            assert found.estimate - 1e-9 <= found.high <= wider.high + 1e-9


def test_values_beyond_the_bounds_are_refused():
    """A reward of -1 is no rate."""
    with pytest.raises(ValueError, match="from 0 to 1"):
        rate_interval([0.5, -1.0])
    assert rate_interval([0.5, -1.0], bounds=(-1.0, 1.0)).estimate == -0.25


@pytest.mark.parametrize("level", [0, 1, 95, -0.5])
def test_no_such_level(level):
    """95 is not 0.95."""
    with pytest.raises(ValueError, match=r"between 0 and 1"):
        wilson(1, 2, level)


def test_differences_need_one_level():
    """And what has no ends has no difference with ends."""
    with pytest.raises(ValueError, match="levels"):
        difference_of(wilson(1, 2), wilson(1, 2, 0.9))
    found = difference_of(wilson(5, 9), mean_interval([1.0]))
    assert (found.low, found.high, found.method) == (None, None, "none") and "one problem" in found.note


def test_a_quotient_may_have_no_upper_end():
    """Resamples without a verified row cost infinitely much a row."""
    found = ratio_interval([(1.0, 0), (1.0, 0), (1.0, 1)])
    assert found.estimate == 3 and found.high is None and "no upper bound" in found.note
    with pytest.raises(ValueError, match="quotient"):
        ratio_interval([(1.0, 0), (2.0, 0)])


def test_nearly_equal_values_do_not_divide_by_zero():
    """Differences that a float can hardly say."""
    found = rate_interval([1.0, 1.0 - 2**-53, 1.0, 1.0])
    assert found.low < 1 and found.high <= 1
    assert rate_interval([0.0, 1e-200]).high > 0.5


# ------------------------------------------------------------------------------------------------ simulation


@pytest.mark.parametrize("n", [10, 50])
@pytest.mark.parametrize("name", RATES)
def test_rates_are_covered(name, n):
    """95 of 100, and at least 90 for the oddest populations; see docs/statistics.md for all of them."""
    draw, truth = RATES[name]
    assert coverage(rate_interval, draw, truth, n, 800) >= 0.89


@pytest.mark.parametrize("n", [10, 50])
@pytest.mark.parametrize("name", PAIRS)
def test_differences_are_covered(name, n):
    """Student's over differences within problems."""
    draw, truth = differences(name)
    assert coverage(partial(mean_interval, bounds=SIGNED), draw, truth, n, 500) >= 0.92


def test_shares_and_losses_are_covered():
    """Where problems have different numbers of samples; and over different problems."""
    assert share_coverage(50, 800) >= 0.91
    assert loss_coverage(30, 600) >= 0.92


def test_samples_are_no_independent_trials():
    """Why problems are the unit: taking 5 samples of each for 500 trials holds the truth far too seldom."""
    assert naive_coverage(400) < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 10, 20, 50, 150])
@pytest.mark.parametrize("name", RATES)
def test_all_methods_cover_rates(name, n):
    """With more repeats; the bootstrap falls short where few problems hold all that differs."""
    draw, truth = RATES[name]
    assert coverage(rate_interval, draw, truth, n, 3000) >= 0.895
    assert coverage(partial(bootstrap_interval, resamples=400), draw, truth, n, 800) >= 0.82


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 50, 150])
@pytest.mark.parametrize("name", PAIRS)
def test_differences_are_covered_at_length(name, n):
    """With more repeats, and by the bootstrap."""
    draw, truth = differences(name)
    assert coverage(partial(mean_interval, bounds=SIGNED), draw, truth, n, 3000) >= 0.93
    assert coverage(partial(bootstrap_interval, bounds=SIGNED, resamples=400), draw, truth, n, 800) >= 0.76
