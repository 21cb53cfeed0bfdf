"""Plans hold: components of variance are unbiased, and as many problems as planned see the difference."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from math import comb
from statistics import NormalDist, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.evaluation.power import (
    Cluster,
    Components,
    against_another,
    cluster,
    cluster_of_tally,
    components,
    minimum_difference,
    paired_components,
    plan,
    problems_needed,
)
from test_scripts.statistics_simulation import planned_power

CLOSE = {"rel": 1e-12, "abs": 1e-12}
PILOT = [cluster_of_tally(4, passed) for passed in (0, 1, 4, 4, 2, 3, 0, 4)]


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_counts_are_values(tally):
    """A count says the same as its samples one by one."""
    n, passed = tally
    mine, values = cluster_of_tally(n, passed), [1.0] * passed + [0.0] * (n - passed)
    assert mine == cluster(values) or mine.variance == pytest.approx(variance(values), **CLOSE)


def test_components_are_unbiased():
    """Over everything that two problems with three samples each can do, in fractions: their mean is the truth."""
    chances, n = (Fraction(1, 5), Fraction(7, 10)), 3
    between, within = Fraction(0), Fraction(0)
    for passed in product(range(n + 1), repeat=2):
        weight = Fraction(1)
        for p, c in zip(chances, passed, strict=True):
            weight *= comb(n, c) * p**c * (1 - p) ** (n - c)
        rates = [Fraction(c, n) for c in passed]
        noise = sum(r * (1 - r) / (n - 1) for r in rates) / 2
        found = components([cluster_of_tally(n, c) for c in passed])
        raw = (rates[0] - rates[1]) ** 2 / 2 - noise
        assert found.between == pytest.approx(max(0.0, float(raw)), **CLOSE)
        assert found.within == pytest.approx(float(noise * n), **CLOSE)
        between, within = between + weight * raw, within + weight * noise * n
    assert between == Fraction(1, 8)  # the variance of 0.2 and 0.7
    assert within == (Fraction(4, 25) + Fraction(21, 100)) / 2


def test_paired_components_are_those_of_differences():
    """By hand: two problems, two samples of each system."""
    first, second = [cluster([1, 1]), cluster([1, 0])], [cluster([1, 0]), cluster([0, 0])]
    found = paired_components(first, second)
    assert (found.design, found.mean, found.within, found.between) == ("paired", 0.5, 0.5, 0.0)
    with pytest.raises(ValueError, match="same problems"):
        paired_components(first, second[:1])


@given(
    st.floats(0.01, 0.9),
    st.floats(0.001, 0.25),
    st.floats(0, 0.25),
    st.integers(1, 20),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_both_formulas_are_one(difference, between, within, samples, power):
    """The difference that the needed problems can see is the one asked for, or smaller; one problem less sees less."""
    parts = Components(design="paired", n_problems=9, mean=0.0, between=between, within=within)
    n = problems_needed(difference, parts, samples=samples, power=power)
    assert minimum_difference(n, parts, samples=samples, power=power) <= difference * (1 + 1e-9)
    if n > 2:
        seen = minimum_difference(n - 1, parts, samples=samples, power=power)
        assert seen is None or seen > difference * (1 - 1e-9)


def test_the_textbook_case():
    """Half a standard deviation at 0.05 with power 0.8: 34 pairs, as Student's exact power has it."""
    parts = Components(design="paired", n_problems=9, mean=0.0, between=1.0, within=0.0)
    assert problems_needed(0.5, parts) == 34
    z = NormalDist().inv_cdf
    assert minimum_difference(1000, parts) == pytest.approx((z(0.975) + z(0.8)) / (1000 - z(0.975) ** 2 / 2) ** 0.5)


def test_a_plan_of_a_pilot():
    """More samples need fewer problems and more samples in all; what eight problems see is there too."""
    found = plan(0.1, components(PILOT))
    assert [r.samples for r in found.rows] == [1, 2, 4, 8, 16]
    problems = [r.problems for r in found.rows]
    assert problems == sorted(problems, reverse=True) and len(set(problems)) == 5
    assert [r.total_samples for r in found.rows] == [r.samples * r.problems for r in found.rows]
    assert all(r.minimum_difference > 0.1 for r in found.rows) and found.note is None
    assert json.loads(json.dumps(found.to_json()))["pilot"]["n_problems"] == 8


def test_a_second_system_costs_more():
    """Over other problems twice; over the same ones the less, the more alike the systems are."""
    one = components(PILOT)
    needed = [
        problems_needed(0.1, parts, samples=4)
        for parts in (
            one,
            against_another(one, correlation=0.9),
            against_another(one, correlation=0.5),
            against_another(one),
        )
    ]
    assert needed[3] > needed[2] > needed[1] and needed[3] == pytest.approx(2 * needed[0], abs=3)
    assert against_another(one, correlation=1.0).between == 0


def test_single_samples_can_not_be_planned_from():
    """What more samples a problem bring is unknown; the plan says so and has one row."""
    single = components([cluster_of_tally(1, c) for c in (0, 1, 1, 0, 1)])
    assert single.within is None and single.between == pytest.approx(variance([0, 1, 1, 0, 1]))
    found = plan(0.2, single)
    assert [r.samples for r in found.rows] == [1] and "one sample" in found.note
    with pytest.raises(ValueError, match="sample more"):
        against_another(single, correlation=0.5)
    assert against_another(single).within is None


def test_a_pilot_without_variance_says_nothing():
    """All passed: the plan has a number and a warning."""
    assert "no variance" in plan(0.1, components([cluster_of_tally(3, 3)] * 5)).note


@pytest.mark.parametrize("pilot", [[], [Cluster(0.5, 0.1, 3)]])
def test_one_problem_is_no_pilot(pilot):
    """It says nothing about how problems differ."""
    with pytest.raises(ValueError, match="at least two problems"):
        components(pilot)


def test_impossible_plans_are_refused():
    """Each with what was wrong."""
    parts = components(PILOT)
    for call, words in (
        (lambda: problems_needed(0, parts), "difference of 0"),
        (lambda: problems_needed(0.1, parts, power=1), "power"),
        (lambda: problems_needed(0.1, parts, alpha=0), "level"),
        (lambda: problems_needed(0.1, parts, samples=0), "1 or more"),
        (lambda: minimum_difference(0, parts), "1 or more"),
        (lambda: cluster([]), "at least one sample"),
        (lambda: cluster_of_tally(0, 0), "no count"),
        (lambda: cluster_of_tally(2, 3), "no count"),
        (lambda: against_another(parts, correlation=2), "correlation"),
        (lambda: against_another(paired_components(PILOT, PILOT)), "one system"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    assert minimum_difference(1, parts) is None


def test_planned_problems_see_the_difference():
    """8 of 10 runs, by the exact permutation test; each with a pilot of its own."""
    assert 0.68 <= planned_power(0.2, 2, 60, 250) <= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("difference", "samples"), [(0.1, 1), (0.1, 4), (0.2, 1), (0.2, 4)])
def test_planned_power_at_length(difference, samples):
    """With a pilot of 100 problems, 4 samples each; exact tests of few problems are a little under 0.8."""
    assert 0.7 <= planned_power(difference, samples, 100, 1000) <= 0.87
