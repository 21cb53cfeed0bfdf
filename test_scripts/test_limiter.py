"""The gate that all calls to a model pass. Time is virtual: a loop whose clock jumps to what comes next."""

from __future__ import annotations

import asyncio
import random
import selectors

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.providers.limiter import Concurrency, Dispatcher

HEADERS = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "599"}


class JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: the clock is put forward instead."""

    now = 0.0

    def select(self, timeout=None):
        assert timeout is not None, "everything waits for something that never comes"
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self):
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.now


def run(work):
    """Run a coroutine function in virtual time; nothing of it may be left at the end."""

    async def all_of_it():
        await work()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert left == set()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(all_of_it())


def now() -> float:
    return asyncio.get_running_loop().time()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


class Callers:
    """Calls that stay inside until they are let out."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.tickets, self.tasks, self._doors = {}, {}, {}

    def add(self, name, urgency=2, characters=100):
        self._doors[name] = asyncio.Event()
        self.tasks[name] = asyncio.ensure_future(self._call(name, urgency, characters))

    async def _call(self, name, urgency, characters):
        async with self.dispatcher.slot(urgency=urgency, characters=characters) as ticket:
            self.tickets[name] = ticket
            await self._doors[name].wait()

    @property
    def inside(self):
        """Who has been let in so far, in order."""
        return list(self.tickets)

    def let_out(self, name):
        self._doors[name].set()

    async def end(self):
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


def nothing_is_held(dispatcher: Dispatcher) -> bool:
    state = dispatcher.state()
    return (state.in_flight, state.waiting) == (0, 0)


def test_the_most_urgent_first_and_in_order_within():
    """Refused before, then further turns, then new problems; first come, first served within."""

    async def work():
        callers = Callers(Dispatcher(max_concurrent=1))
        for name, urgency in (("a", 2), ("new1", 2), ("turn1", 1), ("new2", 2), ("refused", 0), ("turn2", 1)):
            callers.add(name, urgency)
            await settle()
        for _ in range(6):
            callers.let_out(callers.inside[-1])
            await asyncio.sleep(1)
        assert callers.inside == ["a", "refused", "turn1", "turn2", "new1", "new2"]
        await callers.end()

    run(work)


def test_never_more_at_a_time_than_wanted():
    """Places are given when they are free, and nobody overtakes who waits."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=3)
        callers = Callers(dispatcher)
        for n in range(8):
            callers.add(n)
        await asyncio.sleep(10)
        assert callers.inside == [0, 1, 2]
        assert (dispatcher.state().in_flight, dispatcher.state().waiting, dispatcher.state().concurrency) == (3, 5, 3)
        callers.let_out(1)
        callers.add("late")
        await asyncio.sleep(10)
        assert callers.inside == [0, 1, 2, 3]
        await callers.end()
        assert nothing_is_held(dispatcher)

    run(work)


def test_a_handful_of_calls_does_not_wait():
    """Where nothing is known yet, the first few go at once, and sixty are under way within seconds."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=60)
        callers = Callers(dispatcher)
        for n in range(5):
            callers.add(n)
        await settle()
        assert (len(callers.inside), now()) == (5, 0.0)
        assert (dispatcher.state().rate_per_s, dispatcher.state().source) == (None, "start")
        for n in range(5, 60):
            callers.add(n)
        await asyncio.sleep(3)
        assert len(callers.inside) == 60
        await callers.end()

    run(work)


@pytest.mark.parametrize("when", ["waiting", "let go", "inside"])
def test_cancellation_leaks_no_place(when):
    """Who is cancelled while waiting, at the very moment of being let go, or inside gives back place and credit."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=1)
        callers = Callers(dispatcher)
        callers.add("first")
        await settle()
        callers.add("second")
        callers.add("third")
        await settle()
        if when == "waiting":
            callers.tasks["second"].cancel()
            callers.let_out("first")
        elif when == "let go":
            callers.let_out("first")
            while len(dispatcher._waiters) == 2:  # noqa: ASYNC110 - the very moment is what counts
                await asyncio.sleep(0)
            assert callers.inside == ["first"]
            callers.tasks["second"].cancel()
        else:
            callers.let_out("first")
            await asyncio.sleep(1)
            assert callers.inside == ["first", "second"]
            callers.tasks["second"].cancel()
        await asyncio.sleep(1)
        assert callers.inside[-1] == "third"
        assert (dispatcher.state().in_flight, dispatcher.state().waiting) == (1, 0)
        await callers.end()
        assert nothing_is_held(dispatcher)

    run(work)


def test_a_failing_caller_leaks_no_place():
    """An exception inside frees the place."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with dispatcher.slot(urgency=2, characters=1):
                    _ = 1 / 0
        assert nothing_is_held(dispatcher)

    run(work)


def act(callers: Callers, number: int, what: str, which: int) -> None:
    """One step of a random life."""
    names = list(callers.tasks) if what == "cancel" else callers.inside
    if what == "add":
        callers.add(number, urgency=which % 3)
        return
    if not names:
        return
    name = names[which % len(names)]
    if what == "cancel":
        callers.tasks[name].cancel()
    elif what == "leave":
        callers.let_out(name)
    else:
        ticket = callers.tickets[name]
        tell = {
            "answer": lambda: ticket.answered(HEADERS, 100),
            "refuse": lambda: ticket.refused(1.0, {}),
            "overload": ticket.overloaded,
        }
        tell[what]()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["add", "cancel", "answer", "refuse", "overload", "leave"]), st.integers(0, 9)))
)
def test_nothing_leaks_whatever_happens(steps):
    """After any sequence of calls, cancellations and answers, everything is given back and calls still go."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=4, rpm=6000)
        callers = Callers(dispatcher)
        for n, (what, which) in enumerate(steps):
            act(callers, n, what, which)
            if which % 2:
                await settle()
            elif which % 3 == 0:
                await asyncio.sleep(0.3)
            assert dispatcher.state().in_flight <= 4
        await callers.end()
        assert nothing_is_held(dispatcher)
        async with asyncio.timeout(60), dispatcher.slot(urgency=0, characters=1):
            pass
        await dispatcher.close()

    run(work)


def test_a_ticket_speaks_once():
    """What is told first counts; who tells nothing says nothing about the service."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=4)
        async with dispatcher.slot(urgency=2, characters=1) as ticket:
            ticket.answered(HEADERS, 100)
            ticket.refused(60.0, {})
            ticket.overloaded()
        async with dispatcher.slot(urgency=2, characters=1):
            pass
        state = dispatcher.state()
        assert (state.refused_share, state.concurrency, state.source) == (0, 4, "headers")

    run(work)


async def storm(dispatcher, seconds, *, wanted, admits, latency_s=0.2, headers=(), tokens=100, overloads=lambda: False):
    """Clients ask for some time; returns (good answers, refusals), and the times of all calls."""
    good, refused, times = 0, 0, []
    end = now() + seconds

    async def client():
        nonlocal good, refused
        urgency = 2
        while now() < end:
            async with dispatcher.slot(urgency=urgency, characters=300) as ticket:
                times.append(now())
                let_in = admits(now())
                await asyncio.sleep(latency_s if let_in else 0.01)
                if not let_in:
                    refused += 1
                    ticket.refused(1.0, {})
                elif overloads():
                    ticket.overloaded()
                else:
                    good += 1
                    ticket.answered(dict(headers), tokens)
            urgency = 2 if let_in else 0
            if not let_in:
                await asyncio.sleep(1.0)

    clients = [asyncio.ensure_future(client()) for _ in range(wanted)]
    await asyncio.sleep(seconds)
    for one in clients:
        one.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return good, refused, times


def bucket(rate, burst):
    """Whether a call at a time is let in."""
    level, at = burst, 0.0

    def admits(when):
        nonlocal level, at
        level, at = min(burst, level + (when - at) * rate), when
        let_in = level >= 1
        level -= let_in
        return let_in

    return admits


def test_a_storm_without_headers():
    """Through the real gate, too, nearly all that a service lets in is got, and little is wasted."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=64)
        good, refused, times = await storm(dispatcher, 60, wanted=64, admits=bucket(20, 20))
        assert good >= 0.95 * 20 * 60
        assert refused <= 0.05 * len(times)
        state = dispatcher.state()
        assert (state.source, state.rate_per_s) == ("measured", pytest.approx(20, rel=0.1))
        assert state.refused_share < 0.1

    run(work)


def test_a_storm_with_headers():
    """What a service states is used at once: nothing is wasted but what went before it was known."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=64)
        good, refused, times = await storm(dispatcher, 60, wanted=64, admits=bucket(10, 5), headers=HEADERS)
        assert good >= 0.95 * 10 * 60
        assert refused <= 0.005 * len(times)
        assert dispatcher.state().source == "headers"
        assert dispatcher.state().rate_per_s == pytest.approx(10, rel=0.01)

    run(work)


@pytest.mark.parametrize("headers", [{}, {"x-ratelimit-limit-requests": "60000"}], ids=["no headers", "a higher limit"])
def test_rpm_is_a_ceiling(headers):
    """In no minute do more calls go than the user allows, beside one; whatever the service says."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=64, rpm=90)
        _, _, times = await storm(dispatcher, 200, wanted=64, admits=lambda _: True, headers=headers)
        most = max(sum(1 for t in times if start <= t < start + 60) for start in times)
        assert 0.95 * 90 <= most <= 90 + 2
        assert (dispatcher.state().source, dispatcher.state().rate_per_s) == ("given", pytest.approx(1.5))

    run(work)


def test_tpm_is_a_ceiling():
    """Tokens a minute are kept to on average, also when calls take more than was expected."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=64, tpm=60_000)
        good, _, _ = await storm(dispatcher, 120, wanted=64, admits=lambda _: True, tokens=2000)
        assert good * 2000 == pytest.approx(120 * 1000, rel=0.1)
        assert dispatcher.state().source == "given"
        assert dispatcher.state().rate_per_s == pytest.approx(0.5, rel=0.1)

    run(work)


def test_tokens_of_headers():
    """A stated limit of tokens paces calls, too."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=64)
        headers = {"x-ratelimit-limit-tokens": "60000"}
        good, _, _ = await storm(dispatcher, 120, wanted=64, admits=lambda _: True, tokens=2000, headers=headers)
        assert good * 2000 == pytest.approx(120 * 1000, rel=0.2)

    run(work)


def test_hold():
    """No call goes before the time is over."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=4)
        dispatcher.hold(30)
        async with dispatcher.slot(urgency=0, characters=1):
            assert now() == pytest.approx(30, abs=0.1)

    run(work)


def test_abandoning():
    """Every waiter and every later call gets the error; calls under way go on to their end."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=1)
        callers = Callers(dispatcher)
        callers.add("inside")
        await settle()
        callers.add("waiting")
        await settle()
        dispatcher.abandon(LookupError("no more"))
        with pytest.raises(LookupError):
            await callers.tasks["waiting"]
        with pytest.raises(LookupError):
            async with dispatcher.slot(urgency=0, characters=1):
                pass
        assert (dispatcher.state().in_flight, dispatcher.state().waiting) == (1, 0)
        callers.let_out("inside")
        await callers.tasks["inside"]
        assert nothing_is_held(dispatcher)

    run(work)


def test_closing():
    """After closing no timer is left that would wake anybody, and waiters know."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=9, rpm=1)
        callers = Callers(dispatcher)
        for n in range(3):
            callers.add(n)
        await settle()
        assert (callers.inside, dispatcher.state().waiting) == ([0], 2)
        await dispatcher.close()
        for n in (1, 2):
            with pytest.raises(RuntimeError, match="closed"):
                await callers.tasks[n]
        callers.let_out(0)
        await callers.tasks[0]
        assert [h for h in asyncio.get_running_loop()._scheduled if not h.cancelled()] == []

    run(work)


def test_an_overloaded_service_gets_fewer_calls_at_a_time():
    """503 and 529 lower the concurrency, not the rate; when they are over, all may go again."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=64)
        overloaded = True

        def overloads():
            return overloaded and dispatcher.state().in_flight > 16

        await storm(dispatcher, 30, wanted=64, admits=lambda _: True, overloads=overloads, latency_s=0.5)
        assert 8 <= dispatcher.state().concurrency <= 32
        assert dispatcher.state().source == "start"
        overloaded = False
        await storm(dispatcher, 30, wanted=64, admits=lambda _: True, overloads=overloads, latency_s=0.5)
        assert dispatcher.state().concurrency == 64

    run(work)


def test_single_overloads_mean_nothing():
    """Three in a hundred leave the concurrency alone for thousands of calls."""
    chance = random.Random(7)  # noqa: S311 - a service, no secret
    crowd = Concurrency(64)
    lowest = 64
    for _ in range(5000):
        if chance.random() < 0.03:
            crowd.overloaded(crowd.era, 64)
        else:
            crowd.answered(crowd.era)
        lowest = min(lowest, crowd.limit)
    assert lowest >= 48


def test_one_wave_of_overloads_is_one_cut():
    """Calls that were let go before a cut can't cut again."""
    crowd = Concurrency(64)
    for _ in range(64):
        crowd.overloaded(0, 64)
    assert (crowd.era, crowd.limit) == (1, 32)


def test_waiters_take_no_memory_after_cancellation():
    """Cancelled waiters don't pile up at the front of the queue."""

    async def work():
        dispatcher = Dispatcher(max_concurrent=1)
        callers = Callers(dispatcher)
        callers.add("inside")
        await settle()
        for n in range(100):
            callers.add(n)
        await settle()
        for n in range(100):
            callers.tasks[n].cancel()
        callers.let_out("inside")
        await asyncio.sleep(1)
        assert dispatcher._waiters == []
        await callers.end()

    run(work)
