"""A few calls first, and an end to a run that can't work."""

from __future__ import annotations

import asyncio

import pytest

from code_generation.errors import Overloaded, ProviderError, RateLimited, ServiceDown, Stopping
from code_generation.providers.canary import FEW, SUSPECT_AFTER, Canary


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


class Calls:
    """Calls that pass the gate and stay inside until they are let out."""

    def __init__(self, canary, number):
        self.canary, self.inside, self.tasks = canary, [], []
        for n in range(number):
            self.tasks.append(asyncio.ensure_future(self.call(n)))

    async def call(self, number):
        async with self.canary.gate():
            out = asyncio.get_running_loop().create_future()
            self.inside.append((number, out))
            await out

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def let_out(self):
        number, out = self.inside.pop(0)
        out.set_result(None)
        return number


def test_a_few_go_first():
    """Until one call was answered a few are under way at a time, first come, first served; then all go."""

    async def run():
        canary = Canary()
        calls = Calls(canary, 10)
        await settle()
        assert [n for n, _ in calls.inside] == list(range(FEW))
        canary.fails(ProviderError("no"))
        calls.let_out()
        await settle()
        assert [n for n, _ in calls.inside] == [1, 2, 3]
        canary.works()
        calls.let_out()
        await settle()
        assert len(calls.inside) == 8
        await calls.end()

    asyncio.run(run())


def test_a_cancelled_call_takes_no_place():
    """Calls that are cancelled while they wait, or just as they are let in, leave their place to the next."""

    async def run():
        canary = Canary()
        calls = Calls(canary, FEW + 4)
        await settle()
        calls.tasks[FEW].cancel()
        await settle()
        calls.let_out()
        await asyncio.sleep(0)
        calls.tasks[FEW + 1].cancel()
        await settle()
        assert [n for n, _ in calls.inside][-1] == FEW + 2
        assert len(calls.inside) == FEW
        await calls.end()
        async with canary.gate(), canary.gate(), canary.gate():  # all places are free again
            pass

    asyncio.run(run())


def fail_until_broken(canary, clock, error, *, every_s, at_most=10_000):
    """(failures, seconds) until the circuit breaks."""
    started = clock.now
    for number in range(1, at_most):
        try:
            canary.fails(error)
        except ServiceDown as e:
            return number, clock.now - started, str(e)
        clock.now += every_s
    return None


@pytest.mark.parametrize(
    ("error", "number", "seconds"),
    [(ProviderError("unreachable"), 6, 5.0), (Overloaded("busy"), 61, 60.0), (RateLimited("slow"), 121, 120.0)],
)
def test_a_run_that_can_not_begin(error, number, seconds):
    """What can't be reached is given up after a few calls, what is busy after minutes; the reason is the last one's."""
    clock = Clock()
    found = fail_until_broken(Canary(clock), clock, error, every_s=1.0)
    assert found[:2] == (number, seconds)
    assert str(error) in found[2]


def test_an_outage_is_sat_out():
    """A service that has answered is tried with a few calls again, and given up only after a minute of failures; an
    answer in between begins the count anew.
    """
    clock = Clock()
    canary = Canary(clock)
    canary.works()
    for _ in range(SUSPECT_AFTER):
        assert not canary.cautious
        canary.fails(ProviderError("reset"))
    assert canary.cautious
    canary.works()
    assert not canary.cautious
    assert fail_until_broken(canary, clock, ProviderError("reset"), every_s=0.01)[1] == pytest.approx(60, abs=0.1)
    clock = Clock()
    canary = Canary(clock)
    canary.works()
    for _ in range(1000):  # a burst: all at once is no proof
        canary.fails(ProviderError("reset"))


def test_a_wish_too_long_is_not_waited_for():
    """A service that asks to come back in an hour ends the run at once, and says so."""
    canary = Canary()
    canary.works()
    canary.fails(RateLimited("later", 60.0))
    with pytest.raises(ServiceDown, match="come back in 3600 s"):
        canary.fails(RateLimited("later", 3600.0))


def test_stopping_ends_the_waiting():
    """Once stopped, those that wait and those that come later get the error; those inside go on."""

    async def run():
        canary = Canary()
        calls = Calls(canary, FEW + 2)
        await settle()
        canary.stop(Stopping("end"))
        await settle()
        waiting = await asyncio.gather(*calls.tasks[FEW:], return_exceptions=True)
        assert [type(e) for e in waiting] == [Stopping, Stopping]
        with pytest.raises(Stopping):
            async with canary.gate():
                pass
        assert len(calls.inside) == FEW
        await calls.end()

    asyncio.run(run())
