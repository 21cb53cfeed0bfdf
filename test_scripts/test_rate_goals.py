"""How fast calls go, in virtual time: limits used to the brim, few calls wasted, whatever the service is like."""

from __future__ import annotations

import pytest

from code_generation.providers.rate import RateController
from test_scripts.rate_simulation import Setting, share, simulate

TWENTY, HUNDRED = {"limit": 20.0, "wanted": 64}, {"limit": 100.0, "wanted": 256}
FAULTS = {"random_refused": 0.03, "faulty": 0.09}


def used_and_wasted(**setting) -> tuple[float, float]:
    """(least share of the possible, largest share of wasted calls) over two seeds of a minute each."""
    found = []
    for seed in range(2):
        wanted = Setting(seed=seed, **setting)
        outcome = simulate(wanted)
        found.append((share(wanted, outcome), outcome.refused / max(outcome.sent, 1)))
    return min(used for used, _ in found), max(wasted for _, wasted in found)


@pytest.mark.parametrize("size", [TWENTY, HUNDRED])
@pytest.mark.parametrize("latency_s", [0.1, 0.5])
@pytest.mark.parametrize("refuses_at_once", [True, False])
def test_a_storm_without_headers(size, latency_s, refuses_at_once):
    """The limit is found by what is refused: at least 0.95 of it is used, at most 5 % of the calls are wasted."""
    used, wasted = used_and_wasted(**size, burst=size["limit"], latency_s=latency_s, refuses_at_once=refuses_at_once)
    assert used >= 0.95
    assert wasted <= 0.05


@pytest.mark.parametrize("size", [TWENTY, HUNDRED])
@pytest.mark.parametrize("tokens", [False, True])
def test_a_storm_with_headers(size, tokens):
    """A service that says its limit, in calls or in tokens, is asked as fast as that, and refuses hardly anything."""
    used, wasted = used_and_wasted(**size, burst=size["limit"], headers=True, tokens=tokens)
    assert used >= 0.95
    assert wasted <= 0.005


@pytest.mark.parametrize("size", [TWENTY, HUNDRED])
def test_faults_do_not_collapse_the_rate(size):
    """With 3 % random refusals and 9 % broken calls on top at least 0.7 of the possible is got."""
    used, _ = used_and_wasted(**size, burst=size["limit"], **FAULTS)
    assert used >= 0.7


def test_refusals_by_chance_are_no_limit():
    """Where nothing limits but 3 % of the calls are refused by chance, at least 0.8 of the possible is got."""
    used, _ = used_and_wasted(limit=None, kind="none", wanted=64, random_refused=0.03)
    assert used >= 0.8


@pytest.mark.parametrize("retry_after_s", [1.0, 30.0])
def test_after_a_long_time_in_which_nothing_got_through(retry_after_s):
    """Ten minutes of refusals cost some dozens of calls, and the first success lets the others go within seconds."""
    controller, now, calls = RateController(), 0.0, 0
    while now < 600:
        if (delay_s := controller.delay_s(now)) > 0:
            now += delay_s
            continue
        calls += 1
        controller.refused(controller.sent(now, 100), now + 0.1, retry_after_s)
        now += 0.01
    assert calls <= 200
    while (delay_s := controller.delay_s(now)) > 0:
        now += delay_s
    controller.answered(controller.sent(now, 100), now + 0.1, 100)
    assert controller.delay_s(now + 0.1) < 10
