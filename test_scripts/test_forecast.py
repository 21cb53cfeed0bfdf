"""The estimate's intervals cover what a run comes to as often as they say, for many kinds of costs."""

from __future__ import annotations

import heapq
import math
import random
from functools import cache
from statistics import NormalDist, fmean, median

import pytest

from code_generation.forecast import STUDENT, Finished, _student, _tail, forecast, rest_of

TURNS = 10
SIZE = 4000
"""Conversations of a population."""


def solving(rng, *, chance, turns=TURNS, base=1.0, grow=0.6, noise=0.4):
    """A conversation that is solved with this chance in every turn; each turn reads all before it again."""
    cost = 0.0
    for turn in range(turns):
        cost += (base + grow * turn) * rng.lognormvariate(0, noise)
        if rng.random() < chance:
            return cost, turn + 1, True
    return cost, turns, False


def of_chance(**how):
    return lambda rng: solving(rng, **how)


def of_beta(a, b, **how):
    """Problems are of different difficulty."""
    return lambda rng: solving(rng, chance=rng.betavariate(a, b), **how)


def two_kinds(share, hard=0.02, easy=0.95):
    """Some problems are hardly ever solved."""
    return lambda rng: solving(rng, chance=hard if rng.random() < share else easy)


def flat(draw):
    """One turn each; costs are long thoughts or short ones."""
    return lambda rng: (draw(rng), 1, rng.random() < 0.7)


def rare(share, times):
    return flat(lambda rng: rng.lognormvariate(0, 0.4) * (times if rng.random() < share else 1))


BY_TURNS = {
    "hard ones": of_chance(chance=0.2),
    "some turns": of_chance(chance=0.4),
    "few turns": of_chance(chance=0.6),
    "mostly the first": of_chance(chance=0.8),
    "nearly all the first": of_chance(chance=0.95),
    "cached": of_chance(chance=0.6, grow=0.1),
    "long answers": of_chance(chance=0.6, grow=1.5),
    "thinks at length": of_chance(chance=0.7, noise=1.0),
    "all or nothing": of_beta(0.5, 0.5),
    "of all difficulties": of_beta(1, 1),
    "mostly easy": of_beta(2, 0.7),
    "mostly very easy": of_beta(3, 0.3),
    "easy or hopeless": of_beta(0.9, 0.3),
    "30 of 100 hopeless": two_kinds(0.3),
    "10 of 100 hopeless": two_kinds(0.1),
    "5 of 100 hopeless": two_kinds(0.05, easy=0.9),
    "2 of 100 hopeless": two_kinds(0.02, easy=0.9),
}
BY_LENGTH = {
    "all equal": flat(lambda _: 0.01),
    "uniform": flat(lambda rng: rng.random()),
    "normal": flat(lambda rng: abs(rng.gauss(1, 0.2))),
    "lognormal 0.6": flat(lambda rng: rng.lognormvariate(0, 0.6)),
    "lognormal 1.2": flat(lambda rng: rng.lognormvariate(0, 1.2)),
    "exponential": flat(lambda rng: rng.expovariate(1)),
    "gamma": flat(lambda rng: rng.gammavariate(0.5, 1)),
    "Weibull": flat(lambda rng: rng.weibullvariate(1, 0.7)),
    "Pareto": flat(lambda rng: rng.paretovariate(3)),
}
RARE = {
    "10 of 100 cost 10": rare(0.1, 10),
    "5 of 100 cost 20": rare(0.05, 20),
    "2 of 100 cost 50": rare(0.02, 50),
    "1 of 200 costs 200": rare(0.005, 200),
}
"""Rare, dear and not for their turns: a small pilot has mostly not seen one, and nothing tells of them."""


@cache
def population(name):
    rng = random.Random(name)  # noqa: S311 - not secret
    draw = (BY_TURNS | BY_LENGTH | RARE)[name]
    return [
        Finished(cost_usd=cost, seconds=10 * cost**0.7, solved=solved, turns=turns)
        for cost, turns, solved in (draw(rng) for _ in range(SIZE))
    ]


def runs(name, n, number=100, **how):
    """Random pilots of random runs: (forecast, the whole run)."""
    rng = random.Random(f"{name} {n}")  # noqa: S311 - not secret
    everything = population(name)
    for number_of_run in range(number):
        total = (n + 3, 3 * n, 300, SIZE)[number_of_run % 4]
        whole = everything if total == SIZE else rng.sample(everything, total)
        pilot = rng.sample(whole, n)
        turns = TURNS if name in BY_TURNS else 1
        yield forecast(pilot, total, max_turns=turns, **how), whole, pilot


@cache
def cost_of(name, total):
    return math.fsum(c.cost_usd for c in population(name)) if total == SIZE else None


def covered(name, n, number=100):
    """How many of 100 intervals hold what the run cost."""
    hits = 0
    for made, whole, _ in runs(name, n, number):
        cost = cost_of(name, len(whole)) or math.fsum(c.cost_usd for c in whole)
        slack = 1e-9 * cost
        hits += made.cost_usd.low - slack <= cost <= made.cost_usd.high + slack
    return 100 * hits / number


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BY_TURNS, *BY_LENGTH])
def test_the_interval_of_the_cost_covers_it(name):
    """At least 90 of 100 runs cost what was said, with pilots of 10 to 60 out of 13 to 4000."""
    assert min(covered(name, n) for n in (10, 20, 30, 60)) >= 90


@pytest.mark.parametrize("name", RARE)
def test_what_no_pilot_can_rule_out_is_said(name):
    """Rare, dear conversations are missed by small pilots: the interval is too low then, and `unseen_usd` makes up."""
    dearest = max(c.cost_usd for c in population(name))
    missed = hits = 0
    for made, whole, _ in runs(name, 20, ceiling_usd=dearest):
        cost = math.fsum(c.cost_usd for c in whole)
        missed += cost > made.cost_usd.high
        hits += made.cost_usd.low <= cost <= made.cost_usd.high + made.unseen_usd
        assert made.cost_usd.high <= made.at_most_usd * (1 + 1e-9) and cost <= made.at_most_usd
    assert hits >= 95
    assert missed >= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hard ones", "mostly easy", "easy or hopeless", "2 of 100 hopeless", "uniform"])
def test_the_interval_of_the_yield_covers_it(name):
    """At least 95 of 100 runs solve as many as was said: the interval is exact."""
    hits = 0
    for made, whole, pilot in runs(name, 20):
        solved = sum(c.solved for c in whole)
        hits += made.solved.low <= solved <= made.solved.high
        assert sum(c.solved for c in pilot) <= made.solved.low <= made.solved.expected <= made.solved.high <= len(whole)
    assert hits >= 95


def took(rest, hands, per_call):
    """Seconds that conversations take on so many hands, each next one taken by the first that is free."""
    free = [0.0] * hands
    calls = sum(c.turns for c in rest)
    for one in rest:
        heapq.heappush(free, heapq.heappop(free) + one.seconds)
    return max(*free, calls * per_call)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hard ones", "few turns", "mostly easy", "10 of 100 hopeless", "lognormal 0.6"])
@pytest.mark.parametrize(("hands", "rate"), [(1, None), (20, None), (20, 0.5)])
def test_the_interval_of_the_time_covers_it(name, hands, rate):
    """At least 90 of 100 runs take as long as was said, alone, side by side, and at a limited rate."""
    hits = 0
    for made, whole, pilot in runs(name, 30, concurrency=hands, calls_per_s=rate):
        rest = whole[:]
        for one in pilot:
            rest.remove(one)
        seconds = took(rest, hands, 0 if rate is None else 1 / rate)
        hits += made.seconds.low <= seconds <= made.seconds.high
    assert hits >= 90


@pytest.mark.slow
def test_expectations_are_right_on_average():
    """Over many pilots the expected cost and yield are those of the run."""
    for name in ("mostly easy", "some turns"):
        made = [m for m, whole, _ in runs(name, 30, number=800) if len(whole) == SIZE]
        cost, solved = (fmean(getattr(m, what).expected for m in made) for what in ("cost_usd", "solved"))
        assert cost == pytest.approx(cost_of(name, SIZE), rel=0.06)
        assert solved == pytest.approx(sum(c.solved for c in population(name)), rel=0.02)


def test_larger_pilots_say_more():
    """The interval of twice the pilot is narrower, and that of a run nearly all of which is done is narrow."""
    widths = [
        median(m.cost_usd.high - m.cost_usd.low for m, whole, _ in runs("few turns", n) if len(whole) == SIZE)
        for n in (10, 20, 40, 80)
    ]
    assert widths == sorted(widths, reverse=True)
    everything = population("few turns")
    nearly = forecast(everything[:3990], SIZE, max_turns=TURNS)
    assert (nearly.cost_usd.high - nearly.cost_usd.low) / nearly.cost_usd.expected < 0.02


def test_a_finished_run_has_no_doubt():
    """Where the pilot is the run all is known; equal conversations leave no doubt either."""
    pilot = [Finished(cost_usd=0.5, seconds=3, solved=n < 2, turns=1) for n in range(4)]
    made = forecast(pilot, 4, max_turns=10, ceiling_usd=9.0)
    assert (made.cost_usd.low, made.cost_usd.expected, made.cost_usd.high) == (2.0, 2.0, 2.0)
    assert (made.solved.low, made.solved.high, made.seconds.high, made.unseen_share, made.unseen_usd) == (2, 2, 0, 0, 0)
    made = forecast(pilot, 100, max_turns=1)
    assert made.cost_usd.low == pytest.approx(50) == made.cost_usd.high and made.at_most_usd is None
    assert forecast([Finished(cost_usd=1, seconds=1, solved=True)], 1).cost_usd.high == 1


def test_unknown_costs_stay_unknown():
    """One conversation of unknown cost: no estimate of the cost, but of yield and time."""
    pilot = [Finished(cost_usd=c, seconds=2, solved=True) for c in (1.0, None, 1.0)]
    made = forecast(pilot, 30, concurrency=9, ceiling_usd=1.0)
    assert made.cost_usd is None and made.at_most_usd is None
    assert made.solved.expected == 30 and made.seconds.expected == pytest.approx(27 * 2 / 9 + 8 / 9)


def test_the_ceiling_is_the_most():
    """No interval goes beyond the worst case of every conversation that is left."""
    pilot = [Finished(cost_usd=c, seconds=1, solved=True, turns=1) for c in (1.0, 1.0, 3.0)]
    assert forecast(pilot, 103, max_turns=10).cost_usd.high > 505
    made = forecast(pilot, 103, max_turns=10, ceiling_usd=3.5)
    assert made.cost_usd.high == made.at_most_usd == 5 + 350


@pytest.mark.parametrize(("n", "total"), [(0, 0), (0, 5), (1, 5), (6, 5)])
def test_what_is_no_pilot_is_refused(n, total):
    """None, one of several, or more than there are."""
    with pytest.raises(ValueError, match="are no pilot"):
        forecast([Finished(cost_usd=1, seconds=1, solved=True)] * n, total)


def test_tails_are_exact():
    """The hypergeometric tails agree with those counted in whole numbers."""
    rng = random.Random(1)  # noqa: S311 - not secret
    for _ in range(300):
        total = rng.randint(1, 200)
        n = rng.randint(1, total)
        seen = rng.randint(0, n)
        good = rng.randint(seen, seen + total - n)
        ways = [math.comb(good, x) * math.comb(total - good, n - x) for x in range(n + 1)]
        assert _tail(seen, n, good, total, up=True) == pytest.approx(sum(ways[seen:]) / sum(ways), abs=1e-9)
        assert _tail(seen, n, good, total, up=False) == pytest.approx(sum(ways[: seen + 1]) / sum(ways), abs=1e-9)


def test_points_of_students_distribution():
    """Known ones, and those of the normal distribution in the limit."""
    assert [_student(v) for v in (1, 9)] == [STUDENT[0], STUDENT[8]]
    assert [_student(v) for v in (10, 20, 30, 60)] == pytest.approx([2.2281, 2.0860, 2.0423, 2.0003], abs=2e-4)
    assert _student(10**7) == pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-6)


def test_skewness_is_taken_out():
    """A sample without skewness has a symmetric interval, one with a long upper tail a longer reach above."""
    even = rest_of([1, 2, 3, 4, 5], 1000)
    assert even.expected == 3000 and even.low > 0
    skewed = rest_of([1, 1, 1, 1, 11], 1000)
    assert skewed.high - skewed.expected > 1.5 * (skewed.expected - skewed.low)
