"""Paired tests are exact and alarm no more often than they say; what they come to is said in plain words."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.errors import DataError
from code_generation.evaluation.comparison import compare, compare_all, compare_samples, conclude
from code_generation.evaluation.corrections import benjamini_hochberg, holm
from code_generation.evaluation.outcomes import Sample
from code_generation.evaluation.paired import cohens_h, mcnemar, odds_ratio, sign_flip
from test_scripts.statistics_simulation import alarms

CLOSE = {"rel": 1e-12, "abs": 1e-12}
rates = st.integers(1, 6).flatmap(lambda n: st.integers(0, n).map(lambda c: Fraction(c, n)))
pairs = st.lists(st.tuples(rates, rates), min_size=1, max_size=7)


# ------------------------------------------------------------------------------------------------ tests


@given(st.integers(0, 7), st.integers(0, 6))
def test_mcnemar_is_counted(only_a, only_b):
    """Of all 2^n ways in which the coins may fall, those at least as uneven; half the even ones off for mid-p."""
    falls = [abs(2 * sum(f) - (only_a + only_b)) for f in product((0, 1), repeat=only_a + only_b)]
    seen = abs(only_a - only_b)
    found = mcnemar(3, only_a, only_b, 2)
    assert found.p == pytest.approx(sum(f >= seen for f in falls) / len(falls), **CLOSE)
    as_seen = sum(f == seen for f in falls) / len(falls) / (1 if seen else 2)  # both tails, or the middle of one
    mid = found.p - as_seen / 2 if seen else 1.0
    assert found.mid_p == pytest.approx(mid, **CLOSE)


def test_mcnemar_of_large_counts():
    """Exact far out in the tails."""
    tail = Fraction(2 * sum(comb(3000, i) for i in range(1301)), 2**3000)
    assert mcnemar(0, 1300, 1700).p == pytest.approx(float(tail), **CLOSE)
    assert mcnemar(0, 0, 1000).p == 2.0**-999
    assert mcnemar(5, 0, 0, 5).p == mcnemar(5, 0, 0, 5).mid_p == mcnemar(0, 4, 4).p == 1
    with pytest.raises(ValueError, match="0 or more"):
        mcnemar(1, -1, 0)


@settings(max_examples=40)
@given(pairs)
def test_sign_flips_are_counted(some):
    """All 2^n assignments of signs, one by one, in fractions."""
    differences = [a - b for a, b in some]
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in product((1, -1), repeat=len(some))
    ]
    found = sign_flip([a for a, _ in some], [b for _, b in some])
    assert found.exact
    assert found.p == pytest.approx(sum(s >= abs(sum(differences)) for s in sums) / len(sums), **CLOSE)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=80))
def test_sign_flips_of_single_samples_are_mcnemar(some):
    """Both are the same test there."""
    first, second = ([Fraction(x) for x in side] for side in zip(*some, strict=True))
    table = mcnemar(0, sum(a > b for a, b in some), sum(a < b for a, b in some))
    assert sign_flip(first, second).p == pytest.approx(table.p, **CLOSE)


def test_random_flips_come_close_to_all():
    """Of plain numbers a sample of the assignments is drawn, the same for the same seed, and p is never 0."""
    first = [Fraction(k, 7) for k in (3, 7, 5, 6, 2, 7, 4, 1, 6, 5, 7, 7)]
    second = [Fraction(k, 7) for k in (2, 4, 5, 3, 3, 5, 1, 2, 6, 1, 4, 7)]
    exact, sampled = sign_flip(first, second), sign_flip([float(x) for x in first], list(map(float, second)), seed=3)
    assert exact.exact and not sampled.exact
    assert sampled.p == pytest.approx(exact.p, abs=0.01)
    assert sampled == sign_flip(list(map(float, first)), list(map(float, second)), seed=3)
    assert sign_flip([1.0] * 60, [0.0] * 60, flips=99).p == 0.01
    assert sign_flip([0.5], [0.5]).p == 1


def test_too_many_to_count_are_drawn():
    """Odd denominators make the exact distribution too large; the answer says that it is not exact."""
    first = [Fraction(1, 1000 + i) for i in range(40)]
    assert not sign_flip(first, [Fraction(0)] * 40, flips=50).exact


def test_pairs_need_partners():
    """Other numbers of problems, or none."""
    for sides in (([1.0], []), ([], [])):
        with pytest.raises(ValueError, match="same problems"):
            sign_flip(*sides)


def test_effect_sizes():
    """Literal values; a count of 0 gets Haldane's half."""
    assert odds_ratio(9, 3) == 3 and odds_ratio(4, 0) == 9 and odds_ratio(0, 0) == 1
    assert cohens_h(1, 0) == pytest.approx(3.141592653589793) and cohens_h(0.4, 0.4) == 0
    assert cohens_h(0.9, 0.8) == -cohens_h(0.8, 0.9) == pytest.approx(0.28379410920832787)
    with pytest.raises(ValueError, match="0 or more"):
        odds_ratio(-1, 2)
    with pytest.raises(ValueError, match="rates"):
        cohens_h(1.2, 0)


# ------------------------------------------------------------------------------------------------ several comparisons


def test_corrections_by_hand():
    """The literature's own example of both, and the order is kept."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]) == benjamini_hochberg([]) == [] and holm([0.6, 0.9]) == [1, 1]
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.2, 1.2])


@settings(max_examples=40)
@given(st.lists(st.fractions(0, 1, max_denominator=1000), min_size=1, max_size=8), st.sampled_from([0.01, 0.05, 0.2]))
def test_corrections_reject_what_their_procedures_reject(p_values, alpha):
    """Step down from the smallest (Holm), step up from the largest (Benjamini-Hochberg), as published."""
    alpha = Fraction(alpha)
    ordered, m = sorted(p_values), len(p_values)
    down = next((i for i, p in enumerate(ordered) if p * (m - i) > alpha), m)
    up = max((i + 1 for i, p in enumerate(ordered) if p * m <= alpha * (i + 1)), default=0)
    assert sum(p <= alpha for p in holm(p_values)) == down
    assert sum(p <= alpha for p in benjamini_hochberg(p_values)) == up


# ------------------------------------------------------------------------------------------------ comparisons


def systems(table, n=1):
    """Values of two systems: so many problems that both, only A, only B, neither passes."""
    kinds = [kind for kind, count in zip(((1, 1), (1, 0), (0, 1), (0, 0)), table, strict=True) for _ in range(count)]
    return tuple({f"p{i:03}": [float(k[side])] * n for i, k in enumerate(kinds)} for side in (0, 1))


def test_a_comparison_holds_what_its_parts_say():
    """One sample a problem: McNemar's test decides."""
    found = compare(*systems((50, 20, 5, 25)), names=("new", "old"))
    assert (found.mcnemar.only_a, found.mcnemar.only_b, found.test) == (20, 5, "McNemar")
    assert found.p == mcnemar(50, 20, 5, 25).p == pytest.approx(found.sign_flip.p)
    assert found.difference.estimate == pytest.approx(0.15) == found.mean_a - found.mean_b
    assert found.odds_ratio == 4 and found.cohens_h == pytest.approx(cohens_h(0.7, 0.55))
    assert found.difference.low < found.difference_bootstrap.low + 0.02
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["mcnemar"]["both"] == 50


def test_conclusions_are_plain_words():
    """Who passes more, by how much, how sure; or that nothing is shown and what could have been."""
    a, b = systems((50, 20, 5, 25))
    said = conclude(compare(a, b, names=("new", "old")))
    assert (
        said == "new passes more than old: +15.0 points (95 % interval +5.5 to +24.5), McNemar p = 0.0041, 100 problems"
    )
    assert conclude(compare(b, a, names=("old", "new"))) == said
    nothing = conclude(compare(*systems((50, 12, 10, 28))))
    assert nothing == (
        "no difference shown: A minus B +2.0 points (95 % interval -7.3 to +11.3), McNemar p = 0.83, 100 problems; "
        "with 100 problems a difference of 13.3 points would be seen with 80 % power"
    )


def test_several_samples_are_tested_by_sign_flips():
    """McNemar's test would need independent trials; it is shown for the first samples."""
    a = {f"p{i}": [1.0, 1.0, float(i % 2)] for i in range(12)}
    b = {f"p{i}": [1.0, 0.0, 0.0, 0.0] for i in range(12)}
    found = compare(a, b)
    assert found.test == "sign-flip permutation" and found.sign_flip.exact
    assert found.p == 2 * 2**-12 and found.mcnemar.both == 12
    assert "A passes more than B: +58.3 points" in conclude(found) and "p < 0.001" in conclude(found)


def test_rewards_are_compared_too():
    """Of fractions there is no McNemar; their words are no points."""
    a = {f"p{i}": [0.5 + 0.04 * (i % 3)] for i in range(20)}
    b = {f"p{i}": [0.25 + 0.02 * (i % 5)] for i in range(20)}
    found = compare(a, b, what="reward")
    assert found.mcnemar is None and found.odds_ratio is None and not found.sign_flip.exact
    assert conclude(found).startswith("A has more reward than B: +0.248 (95 % interval ")
    with pytest.raises(ValueError, match="between 0 and 1, got -1"):
        compare({"p": [-1.0]}, {"p": [0.5]})
    assert compare({"p": [-1.0]}, {"p": [0.5]}, bounds=(-1, 1)).cohens_h is None


def test_what_one_side_lacks_is_left_out_and_told():
    """Problems without a partner and samples whose box failed."""
    row = {"model": "m", "strategy": "s", "verdict": "pass", "reward": 1.0, "fraction": 1.0}
    a = [Sample(problem_id=f"p{i}", **row) for i in range(4)]
    b = [Sample(problem_id=f"p{i}", **row) for i in range(2)]
    b += [Sample(problem_id="p2", **(row | {"verdict": "infra"})), Sample(problem_id="q", **row)]
    found = compare_samples(a, b)
    assert (found.n_problems, found.only_in_a, found.only_in_b, found.infra_b) == (2, ("p2", "p3"), ("q",), 1)
    assert "(3 problems that one side lacks are left out; 1 sample with a failed box left out)" in conclude(found)
    with pytest.raises(DataError, match="stands twice"):
        compare_samples(a, [*b, b[0]])
    with pytest.raises(ValueError, match="no problem in common"):
        compare({"p": [1]}, {"q": [1], "p": []})


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("n", [1, 2, 8, 40])
def test_no_spread_is_no_certainty(a, b, n):
    """Both pass all, none, or one all: intervals have a width, and the words hold."""
    found = compare({f"p{i}": [a] for i in range(n)}, {f"p{i}": [b] for i in range(n)})
    assert found.difference.low < found.difference.high
    assert found.difference.low <= a - b <= found.difference.high
    assert conclude(found).startswith("no difference shown" if a == b or n < 8 else "A passes" if a else "B passes")


def test_several_systems_are_corrected_for():
    """Every pair; two systems need no correction."""
    a, b = systems((50, 20, 5, 25))
    samples = {
        name: [
            Sample(problem_id=p, verdict="pass" if v[0] else "fail", reward=v[0], fraction=v[0])
            for p, v in side.items()
        ]
        for name, side in (("a", a), ("b", b), ("also b", b))
    }
    found = compare_all(samples)
    assert [(c.name_a, c.name_b) for c in found] == [("a", "b"), ("a", "also b"), ("b", "also b")]
    assert [c.p_adjusted for c in found] == holm([c.p for c in found])
    assert "after correction" in conclude(found[0]) and found[2].p_adjusted == 1
    fewer = compare_all(samples, correction="benjamini-hochberg")
    assert fewer[0].p_adjusted <= found[0].p_adjusted
    assert compare_all({k: samples[k] for k in ("a", "b")})[0].p_adjusted is None
    with pytest.raises(ValueError, match="two systems, got 1"):
        compare_all({"a": samples["a"]})


def test_weak_evidence_is_called_so():
    """An exact test and an interval may part at the border."""
    found = compare(*systems((0, 6, 0, 60)))
    assert found.p < 0.05
    assert ("weak" in conclude(found)) == (found.difference.low <= 0)


# ------------------------------------------------------------------------------------------------ simulation


@pytest.mark.parametrize(
    ("test", "samples", "most"), [("mcnemar", 1, 0.06), ("mid-p", 1, 0.075), ("sign-flip", 4, 0.075)]
)
def test_the_same_system_alarms_rarely(test, samples, most):
    """5 in 100, and fewer for McNemar's exact test."""
    assert alarms(test, 40, 500, samples) <= most


def test_a_better_system_is_found():
    """More samples a problem find more."""
    few, many = alarms("sign-flip", 60, 150, 1, shift=0.15), alarms("sign-flip", 60, 150, 6, shift=0.15)
    assert 0.2 < few < many > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 50, 150])
@pytest.mark.parametrize(
    ("test", "samples", "most"),
    [("mcnemar", 1, 0.055), ("mid-p", 1, 0.065), ("sign-flip", 4, 0.063), ("bootstrap", 4, 0.09)],
)
def test_false_alarms_at_length(test, samples, most, n):
    """With more repeats."""
    assert alarms(test, n, 2500, samples, seed=n) <= most
