"""How much gets through a storm, and how much is wasted, in virtual time; what a controller may never do."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.providers.rate import RateController
from code_generation.providers.rate_belief import BACKGROUNDS, LimitBelief, Rivals
from code_generation.providers.rate_cost import OUTPUT, PER_CHARACTER, CostEstimator
from test_scripts.rate_simulation import NoController, Setting, share, simulate

SMALL = Setting(limit=20, burst=20, wanted=64)
LARGE = Setting(limit=100, burst=100, wanted=256)
FAULTS = {"random_refused": 0.03, "faulty": 0.09}
"""Of calls at any rate: 3 % answered 429, and 3 % each answered 500, reset and cut off."""


def cases(*, each: int = 1, **rows: Setting) -> list:
    """Settings with names, each with some seeds."""
    return [
        pytest.param(replace(s, seed=seed), id=f"{name.replace('_', ' ')} {seed}".removesuffix(" 0"))
        for name, s in rows.items()
        for seed in range(each)
    ]


def check(setting: Setting, *, got: float, wasted: float) -> None:
    outcome = simulate(setting)
    seen = f"{share(setting, outcome):.3f} of what is possible, {outcome.wasted:.4f} wasted"
    assert share(setting, outcome) >= got, seen
    assert outcome.wasted <= wasted, seen


@pytest.mark.parametrize(
    "setting",
    cases(
        each=3,
        small=SMALL,
        small_and_quick=replace(SMALL, latency_s=0.05, refuses_at_once=False),
        small_and_slow=replace(SMALL, latency_s=1.0),
        small_burst=replace(SMALL, burst=2, latency_s=0.2),
        small_burst_refused_late=replace(SMALL, burst=2, latency_s=1.0, refuses_at_once=False),
    )
    + cases(
        large=replace(LARGE, refuses_at_once=False),
        large_and_quick=replace(LARGE, latency_s=0.05),
        large_and_slow=replace(LARGE, latency_s=1.0, refuses_at_once=False),
        large_with_small_burst=replace(LARGE, burst=10, latency_s=1.0),
    ),
)
def test_a_clean_storm(setting):
    """Of what a service lets in without saying how much, 95 % is got, start included, and 5 % of calls are wasted."""
    check(setting, got=0.95, wasted=0.05)


@pytest.mark.parametrize("setting", cases(small=replace(SMALL, burst=200), large=replace(LARGE, burst=1000)))
def test_a_large_burst(setting):
    """A bucket of ten seconds is emptied first; what comes after it is over soon."""
    check(setting, got=1.05, wasted=0.08)


@pytest.mark.parametrize(
    "setting",
    cases(
        small=replace(SMALL, headers=True),
        small_burst=replace(SMALL, burst=2, headers=True, latency_s=1.0, refuses_at_once=False),
        large=replace(LARGE, headers=True),
        large_with_small_burst=replace(LARGE, burst=10, headers=True, latency_s=1.0),
        tokens=replace(SMALL, tokens=True, growth=0.5, headers=True),
        faults=replace(SMALL, headers=True, faulty=0.09),
    ),
)
def test_stated_limits(setting):
    """Where headers state a limit, practically nothing is wasted."""
    check(setting, got=0.95, wasted=0.005)


@pytest.mark.parametrize(
    "setting",
    cases(
        each=4,
        small=replace(SMALL, **FAULTS),
        small_burst=replace(SMALL, burst=2, refuses_at_once=False, **FAULTS),
        only_refusals=replace(SMALL, random_refused=0.03, latency_s=0.05),
    )
    + cases(
        large=replace(LARGE, **FAULTS),
        large_and_slow=replace(LARGE, latency_s=1.0, refuses_at_once=False, **FAULTS),
        tokens=replace(SMALL, tokens=True, growth=0.5, **FAULTS),
    ),
)
def test_faults_at_random(setting):
    """Refusals that have nothing to do with the rate, and faults, neither collapse it nor are taken for the limit."""
    check(setting, got=0.9, wasted=0.03 + 0.08)


@pytest.mark.parametrize(
    "setting",
    cases(
        each=3,
        slow=Setting(limit=None, wanted=64, latency_s=1.0, random_refused=0.03),
        refused_late=Setting(limit=None, wanted=64, latency_s=0.5, random_refused=0.03, refuses_at_once=False),
    ),
)
def test_no_limit(setting):
    """Where 3 % are refused at any rate and nothing else limits, concurrency and latency soon do."""
    check(setting, got=0.8, wasted=0.05)


@pytest.mark.parametrize(
    "setting",
    cases(
        each=2,
        calls_of_varying_size=replace(SMALL, tokens=True),
        growing_turn_by_turn=replace(SMALL, tokens=True, growth=0.5),
        growing_fast=replace(SMALL, tokens=True, growth=1.0, latency_s=0.2),
        but_calls_are_limited=replace(SMALL, growth=1.0),
    ),
)
def test_tokens_limited_and_not_stated(setting):
    """A limit of tokens is found, and kept to while calls grow; it is not seen where calls are limited."""
    check(setting, got=0.93, wasted=0.08)


@pytest.mark.parametrize(
    ("setting", "wasted"),
    [
        (replace(SMALL, kind="fixed", window_s=1.0, phase_s=0.3), 0.06),
        (replace(LARGE, kind="fixed", window_s=1.0, phase_s=0.3), 0.06),
        (replace(SMALL, kind="sliding", window_s=1.0), 0.06),
        (replace(SMALL, kind="fixed", phase_s=30, seconds=150), 0.08),
        (replace(SMALL, kind="fixed", phase_s=10, truthful=True, seconds=150), 0.08),
        (replace(SMALL, kind="sliding", truthful=True, seconds=150), 0.08),
        (replace(SMALL, kind="sliding", refuses_at_once=False, latency_s=0.2, seconds=150), 0.08),
    ],
    ids=["1 s", "1 s, large", "sliding 1 s", "60 s", "60 s, truthful", "sliding 60 s, truthful", "sliding 60 s"],
)
def test_windows(setting, wasted):
    """Calls in windows: when one is used up, the others wait for the next instead of being wasted."""
    check(setting, got=0.9, wasted=wasted)


@pytest.mark.parametrize(("later", "got"), [(6.0, 0.95), (14.0, 0.95), (40.0, 0.75)])
def test_another_limit_later(later, got):
    """A limit that falls is followed within seconds; one that rises is found, too."""
    check(replace(SMALL, later=(30.0, later)), got=got, wasted=0.08)


def test_a_slow_service_is_not_hammered():
    """One call in two seconds: after the start, hardly more than that go."""
    outcome = simulate(Setting(limit=0.5, burst=2, wanted=16, truthful=True, seconds=240))
    assert (outcome.good >= 0.9 * 120, outcome.refused <= 40) == (True, True)


def test_a_minute_takes_no_time():
    """The simulation is deterministic, and a client without a controller shows what waiting alone costs."""
    one, other = simulate(SMALL), simulate(SMALL)
    assert (one.good, one.sent, one.rates) == (other.good, other.sent, other.rates)
    assert simulate(SMALL, NoController()).wasted > 0.5


def refuse_all(controller: RateController, seconds: float, retry_after_s: float) -> tuple[int, float]:
    """A service that refuses everything; returns the calls that went, and the time."""
    calls, now = 0, 0.0
    while now < seconds:
        delay_s = controller.delay_s(now)
        if delay_s > 0:
            now += delay_s
            continue
        call = controller.sent(now, 100)
        calls += 1
        now += 0.01
        controller.refused(call, now, retry_after_s)
    return calls, now


@pytest.mark.parametrize("retry_after_s", [1.0, 30.0])
def test_where_nothing_gets_through_few_try(retry_after_s):
    """Ten minutes of refusals cost some dozens of calls, and the first success lets the others go at once."""
    controller = RateController()
    calls, now = refuse_all(controller, 600, retry_after_s)
    assert calls <= 120
    while (delay_s := controller.delay_s(now)) > 0:
        now += delay_s
    controller.answered(controller.sent(now, 100), now + 0.1, 100)
    assert controller.delay_s(now + 0.1) < 10


def test_no_growth_while_nobody_waits():
    """A rate that is not what limits stays what it is, however long all goes well."""
    controller = RateController()
    for n in range(2000):
        now = 0.5 * n
        assert controller.delay_s(now) == 0
        controller.answered(controller.sent(now, 100), now + 0.2, 100)
    assert controller.rate == 20


def test_only_what_was_sent_after_a_hint_counts_against_it():
    """Refusals of the first wave, that come when the limit is known, don't lower it."""
    controller = RateController()
    early = [controller.sent(0.0, 100) for _ in range(5)]
    controller.hint(0.1, requests_per_s=10.0)
    for call in early:
        controller.refused(call, 0.2, 1.0)
    for n in range(100):
        controller.delay_s(0.3 + n / 10)
    assert (controller.rate, controller.source) == (pytest.approx(9.95), "headers")


def test_a_call_not_made_costs_nothing():
    """Credit that is given back can be used at once."""
    controller = RateController(rpm=60)
    call = controller.sent(0.0, 100)
    assert controller.delay_s(0.0) > 0
    controller.unsent(call)
    assert controller.delay_s(0.0) == 0


@pytest.mark.parametrize(("rpm", "tpm", "per_s"), [(30, None, 0.5), (6000, 60_000, 1.0), (None, 60_000, 1.0)])
def test_ceilings(rpm, tpm, per_s):
    """What the user allows is not exceeded, also where the service states more."""
    controller, now, times = RateController(rpm=rpm, tpm=tpm), 0.0, []
    while now < 120:
        delay_s = controller.delay_s(now)
        if delay_s > 0:
            now += delay_s
            continue
        times.append(now)
        controller.answered(controller.sent(now, 700), now, 1000)
        controller.hint(now, requests_per_s=100.0, tokens_per_s=1e6)
    assert len(times) == pytest.approx(120 * per_s, abs=3)
    assert (controller.source, controller.calls_per_s) == ("given", pytest.approx(per_s, rel=0.5))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["answer", "refuse", "fail", "hint", "hold", "undo"]), st.floats(0, 50)), max_size=60
    ),
    st.sampled_from([None, 3.0, 600.0]),
)
def test_calls_always_go_on(steps, rpm):
    """Whatever is told, rates stay finite and positive, and another call may go within a minute or two."""
    controller, now, open_calls = RateController(rpm=rpm), 0.0, []
    for what, number in steps:
        now += number / 20
        if controller.delay_s(now) == 0:
            open_calls.append(controller.sent(now, 100 * number))
        if what == "hint":
            controller.hint(now, requests_per_s=number + 0.1, tokens_per_s=1000 * number + 100)
        elif what == "hold":
            controller.hold(now, number)
        elif open_calls:
            call = open_calls.pop(int(number) % len(open_calls))
            tell = {"refuse": controller.refused, "fail": controller.failed, "answer": controller.answered}
            if what == "undo":
                controller.unsent(call)
            else:
                tell[what](call, now + 0.01)
        assert 0 < controller.rate < math.inf
        assert 0 < controller.calls_per_s < math.inf
    until = now + 400
    while (delay_s := controller.delay_s(now)) > 0:
        now += delay_s
        assert now < until


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 5000), st.integers(1, 500), st.floats(0, 1)), max_size=40))
def test_a_belief_is_a_distribution(observations):
    """Whatever was seen, probabilities are probabilities, and more is exceeded at higher rates."""
    belief = LimitBelief(20.0)
    for rate, sent, part in observations:
        belief.move(rate)
        belief.learn(rate, sent, int(part * sent))
        belief.forget(0.5)
        assert sum(map(sum, belief._weights)) == pytest.approx(1)
        assert 0 <= belief.exceeded(rate) <= belief.exceeded(1.2 * rate) <= 1
        assert 0 < belief.limit_below(rate) < 1.4 * rate
        assert min(BACKGROUNDS) <= belief.background <= max(BACKGROUNDS)


def test_a_belief_tells_a_limit_from_refusals_at_random():
    """3 % at any rate are background; what grows with the rate is a limit, and where it is, is told within 3 %."""
    random, limited = LimitBelief(20.0), LimitBelief(20.0)
    for rate in (15.0, 20.0, 25.0, 30.0):
        for _ in range(40):
            random.learn(rate, 10, 0.3)
            limited.learn(rate, 10, 10 * max(0.0, 1 - 20 / rate))
    assert random.background == pytest.approx(0.03, abs=0.01)
    assert random.exceeded(30.0) < 0.5
    assert limited.background < 0.01
    assert limited.exceeded(30.0) > 0.99
    assert limited.limit_below(30.0) == pytest.approx(20, rel=0.03)


def test_of_two_beliefs_the_one_that_foresees_is_believed():
    """Where the same number of calls is refused or not by their size, sizes are what is limited."""
    rivals = Rivals(20.0)
    rate, factors = 20.0, []
    for n in range(200):
        size = 1.0 + n % 5
        factor = rivals.learn(rate, size, 10, round(10 * max(0.0, 1 - 60 / (rate * size))))
        rate *= factor
        factors += [factor] if factor != 1 else []
        if rivals.by_size:
            break
    assert (rivals.by_size, len(factors)) == (True, 1)
    assert factors[0] == size


@pytest.mark.parametrize(("per_character", "output"), [(0.25, 300), (0.5, 4000), (1.1, 50)])
def test_costs_are_learnt(per_character, output):
    """Tokens a character and the mean answer are told apart where inputs differ; the share of the input follows."""
    cost = CostEstimator()
    assert cost.estimate(1000) == 1000 * PER_CHARACTER + OUTPUT
    for n in range(300):
        characters = 1000 + 500 * (n % 12)
        cost.learn(characters, per_character * characters + output * (0.5 + n // 12 % 3 / 2))
    assert cost.estimate(2000) == pytest.approx(per_character * 2000 + output, rel=0.1)
    assert cost.estimate(9000) == pytest.approx(per_character * 9000 + output, rel=0.1)
    inputs = per_character * 3750
    assert cost.input_share == pytest.approx(inputs / (inputs + output), abs=0.1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), max_size=50))
def test_costs_stay_sensible(calls):
    """Whatever calls took, the estimate is finite and at least a token, and a share is a share."""
    cost = CostEstimator()
    for characters, tokens in calls:
        cost.learn(characters, tokens)
        assert 1 <= cost.estimate(characters) < 1e9
        assert 0 <= cost.input_share <= 1
