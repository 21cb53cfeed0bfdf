"""Lets calls go: as many at a time and as many a second as a service takes, the most urgent first."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.providers.rate import RateController, Source
from code_generation.providers.rate_cost import CostEstimator
from code_generation.providers.rate_headers import RateHeaders

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from code_generation.providers.rate_record import Call

READ_S = 0.05
"""Headers are read once in so many seconds: they say the same in each response."""
RECENT = 0.98
"""What a call counts for in the share of refused ones after one more."""

USUALLY_OVERLOADED = 0.05
"""Share of calls that may be answered 503 or 529 without meaning anything."""
SURE = 4.0
"""Log likelihood ratio from which more of them do."""
MOST_CUT = 0.5
RECOVERY = 0.1
"""Calls at a time that each good answer adds, until there are as many as wanted."""
REMEMBERED = 200


@dataclass(frozen=True, kw_only=True)
class LimiterState:
    """What the limiter does now, for display."""

    rate_per_s: float | None
    """Calls a second that may go; None: nothing limits them."""
    source: Source
    """Who says so: the user, the headers of the service, what was refused; `start` while nothing is known."""
    in_flight: int
    waiting: int
    concurrency: int
    """Calls that may be under way at a time."""
    refused_share: float
    """Part of the recent calls that was answered 429, 0 to 1."""


class Ticket:
    """A call that may go now; what came of it is told once. If nothing is told, it says nothing about the service."""

    __slots__ = ("_characters", "_dispatcher", "_told", "call", "era")

    def __init__(self, dispatcher: Dispatcher, call: Call, characters: int, era: int) -> None:
        """`era` counts the cuts of the concurrency so far."""
        self.call = call
        self.era = era
        self._characters = characters
        self._dispatcher = dispatcher
        self._told = False

    def answered(self, headers: Mapping[str, str], tokens: int | None) -> None:
        """An answer came; `tokens` of input and output together, None if it doesn't say."""
        if self._first():
            self._dispatcher.note_answer(self, headers, self._characters, tokens)

    def refused(self, retry_after_s: float | None, headers: Mapping[str, str]) -> None:
        """The service answered 429."""
        if self._first():
            self._dispatcher.note_refusal(self, retry_after_s, headers)

    def overloaded(self) -> None:
        """The service answered 503 or 529: fewer calls at a time, but no other rate."""
        if self._first():
            self._dispatcher.note_overload(self)

    def failed(self) -> None:
        """Anything else."""
        if self._first():
            self._dispatcher.note_failure(self)

    def _first(self) -> bool:
        first, self._told = not self._told, True
        return first


class Dispatcher:
    """The one gate to a model of a service, for all calls with the same key.

    Who waits holds no place in time: when there is credit for a call, the most urgent waiter gets it. Driven by
    callbacks, it has no task of its own.
    """

    def __init__(self, *, max_concurrent: int, rpm: float | None = None, tpm: float | None = None) -> None:
        """`rpm` and `tpm`: calls and tokens a minute that are never exceeded, whatever the service says."""
        self._rate = RateController(rpm=rpm, tpm=tpm)
        self._crowd = Concurrency(max_concurrent)
        self._cost = CostEstimator()
        self._headers = RateHeaders()
        self._read_at = -math.inf
        self._waiters: list[tuple[int, int, int, asyncio.Future[Ticket]]] = []
        self._order = itertools.count()
        self._waiting = 0
        self._in_flight = 0
        self._refused_share = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None

    @contextlib.asynccontextmanager
    async def slot(self, *, urgency: int, characters: int) -> AsyncIterator[Ticket]:
        """Wait until the call may go; the place is held until the block is left.

        `urgency`: lower goes first, in order of coming within; 0 for a call that was refused before, 1 for a further
        turn, 2 for a new problem. `characters`: of the messages.

        Raises:
            Exception: what `abandon` was given.
        """
        ticket = await self._admitted(urgency, characters)
        try:
            yield ticket
        finally:
            ticket.failed()
            self._in_flight -= 1
            self._pump()

    def state(self) -> LimiterState:
        """What it does now."""
        rate = self._rate
        free = rate.source == "start" and not self._waiting
        return LimiterState(
            rate_per_s=None if free else rate.calls_per_s,
            source=rate.source,
            in_flight=self._in_flight,
            waiting=self._waiting,
            concurrency=self._crowd.limit,
            refused_share=self._refused_share,
        )

    def hold(self, seconds: float) -> None:
        """No call goes before that."""
        self._rate.hold(_now(), seconds)

    def abandon(self, error: Exception) -> None:
        """Every waiter and every later call gets this error; calls under way go on."""
        self._error = error
        self._stop_timer()
        for *_, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)
        self._waiters.clear()

    async def close(self) -> None:
        """Let nothing go any more."""
        self.abandon(self._error or RuntimeError("the dispatcher is closed"))

    async def _admitted(self, urgency: int, characters: int) -> Ticket:
        if self._error is not None:
            raise self._error
        if not self._waiting and self._has_place() and self._rate.delay_s(_now()) == 0:
            return self._let_go(characters)
        waiter: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (urgency, next(self._order), characters, waiter))
        self._waiting += 1
        self._pump()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._take_back(waiter.result())
            raise
        finally:
            self._waiting -= 1

    def _has_place(self) -> bool:
        return self._in_flight < self._crowd.limit

    def _let_go(self, characters: int) -> Ticket:
        self._in_flight += 1
        call = self._rate.sent(_now(), self._cost.estimate(characters))
        return Ticket(self, call, characters, self._crowd.era)

    def _take_back(self, ticket: Ticket) -> None:
        """It was let go, but its caller has gone."""
        self._rate.unsent(ticket.call)
        self._in_flight -= 1
        self._pump()

    def _pump(self) -> None:
        """Let go who may; if only time is missing, come back then."""
        waiters = self._waiters
        while waiters:
            _, _, characters, waiter = waiters[0]
            if waiter.done():
                heapq.heappop(waiters)
                continue
            if not self._has_place():
                return  # whoever leaves comes here
            delay_s = self._rate.delay_s(_now())
            if delay_s > 0:
                self._come_back(delay_s)
                return
            heapq.heappop(waiters)
            waiter.set_result(self._let_go(characters))

    def _come_back(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + delay_s
        if self._timer is not None:
            if self._timer.when() <= due + 0.001:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._pump()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What the tickets tell.

    def note_answer(self, ticket: Ticket, headers: Mapping[str, str], characters: int, tokens: int | None) -> None:
        """See `Ticket.answered`."""
        now = _now()
        if tokens is not None:
            self._cost.learn(characters, tokens)
        self._rate.answered(ticket.call, now, tokens)
        self._crowd.answered(ticket.era)
        self._refused_share *= RECENT
        if now - self._read_at >= READ_S:
            self._read(now, headers)

    def note_refusal(self, ticket: Ticket, retry_after_s: float | None, headers: Mapping[str, str]) -> None:
        """See `Ticket.refused`."""
        now = _now()
        stated_s = self._read(now, headers)
        self._rate.refused(ticket.call, now, stated_s if retry_after_s is None else retry_after_s)
        self._refused_share = RECENT * self._refused_share + 1 - RECENT

    def note_overload(self, ticket: Ticket) -> None:
        """See `Ticket.overloaded`."""
        self._rate.failed(ticket.call, _now())
        self._crowd.overloaded(ticket.era, self._in_flight)

    def note_failure(self, ticket: Ticket) -> None:
        """See `Ticket.failed`."""
        self._rate.failed(ticket.call, _now())

    def _read(self, now: float, headers: Mapping[str, str]) -> float | None:
        """Learn limits from headers; returns the seconds to wait that they state."""
        self._read_at = now
        hint = self._headers.read(headers, now_s=time.time())
        tokens_per_s = hint.total_tokens_per_s(self._cost.input_share)
        self._rate.hint(now, requests_per_s=hint.requests_per_s, tokens_per_s=tokens_per_s)
        return hint.retry_after_s


class Concurrency:
    """How many calls may be under way at a time: fewer where more than a few are answered that the service is
    overloaded, and by and by more again.
    """

    def __init__(self, most: int) -> None:
        self.limit = self._most = most
        self.era = 0
        """How often it was cut. Only calls that were let go since then may cut it again."""
        self._exact = float(most)
        self._calls = self._overloaded = 0.0

    def answered(self, era: int) -> None:
        """A call came back well."""
        if era == self.era:
            self._exact = min(self._most, self._exact + RECOVERY)
            self.limit = int(self._exact)
            self._count()

    def overloaded(self, era: int, in_flight: int) -> None:
        """The service had no room for a call; so many were under way."""
        if era != self.era:
            return
        self._overloaded += 1
        self._count()
        share = self._overloaded / self._calls
        if self._calls * _divergence(share, USUALLY_OVERLOADED) < SURE:
            return
        self._exact = max(1.0, min(self._exact, in_flight) * max(MOST_CUT, 1 - share))
        self.limit = int(self._exact)
        self.era += 1
        self._calls = self._overloaded = 0.0

    def _count(self) -> None:
        self._calls += 1
        if self._calls > REMEMBERED:
            self._calls /= 2
            self._overloaded /= 2


def _divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of two shares where p is the higher one, in nats; else 0."""
    if p <= q:
        return 0.0
    return p * math.log(p / q) + ((1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0)


def _now() -> float:
    return asyncio.get_running_loop().time()
