"""Storms in virtual time: clients that ask at once, a service with a limit, and what gets through.

A minute of twenty calls a second takes some hundredths of a second. The clients behave as the package does: whoever is
refused waits as long as asked and comes back first; the rest is the controller's to decide.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from code_generation.providers.rate import RateController
from code_generation.providers.rate_cost import CostEstimator

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 6
CHARACTERS, PER_CHARACTER = 1500, 0.27
"""Of the first turn; tokens a character of input."""
LEAST_OUTPUT, MOST_OUTPUT = 100, 700
"""Tokens of an answer."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A service, and who asks it."""

    limit: float | None = 20.0
    """Calls a second; None: no limit."""
    burst: float = 20.0
    """Calls that a bucket holds."""
    kind: str = "bucket"
    """`bucket`, `fixed` or `sliding` windows."""
    window_s: float = 60.0
    phase_s: float = 0.0
    """How far a fixed window has gone at the start."""
    tokens: bool = False
    """Whether the limit and the burst are tokens of so many mean calls."""
    growth: float = 0.0
    """By which part of the first turn's input each further turn is longer."""
    headers: bool = False
    wanted: int = 64
    """Calls that would like to be under way."""
    latency_s: float = 0.5
    refuses_at_once: bool = True
    retry_after_s: float = 1.0
    truthful: bool = False
    """Whether Retry-After says when there will be room, in whole seconds."""
    random_refused: float = 0.0
    """Part of the calls that is refused at any rate."""
    faulty: float = 0.0
    """Part of the calls that is let in and then fails."""
    later: tuple[float, float] | None = None
    """(seconds, calls a second): when the limit becomes another one."""
    seconds: float = 60.0
    seed: int = 0


@dataclass(kw_only=True)
class Outcome:
    """What came of it."""

    good: int = 0
    """Calls that were let in within the time, and are answered then or soon after."""
    good_tokens: float = 0.0
    sent: int = 0
    refused: int = 0
    rates: list[tuple[float, float, int]] = field(default_factory=list)
    """(seconds, calls a second allowed, refused so far), once a second."""

    @property
    def wasted(self) -> float:
        """Part of the calls that was answered 429."""
        return self.refused / max(1, self.sent)


class Bucket:
    """Refilled evenly up to `burst`."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._level, self._at = burst, 0.0

    def admits(self, now: float, amount: float) -> bool:
        self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level < min(amount, self.burst):
            return False
        self._level -= amount
        return True

    def wait_s(self, _now: float) -> float:
        return 1 / self.rate


class FixedWindows:
    """So many in each window, whenever they come."""

    def __init__(self, rate: float, window_s: float, phase_s: float) -> None:
        self.rate, self._window_s, self._phase_s = rate, window_s, phase_s
        self._number, self._used = -1, 0.0

    def admits(self, now: float, amount: float) -> bool:
        number = int((now + self._phase_s) // self._window_s)
        if number != self._number:
            self._number, self._used = number, 0.0
        if self._used + amount > self.rate * self._window_s:
            return False
        self._used += amount
        return True

    def wait_s(self, now: float) -> float:
        return self._window_s - (now + self._phase_s) % self._window_s


class SlidingWindow:
    """So many in any window."""

    def __init__(self, rate: float, window_s: float) -> None:
        self.rate, self._window_s = rate, window_s
        self._let_in: deque[tuple[float, float]] = deque()
        self._used = 0.0

    def admits(self, now: float, amount: float) -> bool:
        while self._let_in and self._let_in[0][0] <= now - self._window_s:
            self._used -= self._let_in.popleft()[1]
        if self._used + amount > self.rate * self._window_s:
            return False
        self._let_in.append((now, amount))
        self._used += amount
        return True

    def wait_s(self, now: float) -> float:
        return self._let_in[0][0] + self._window_s - now


class NoLimit:
    """Lets all in."""

    rate = math.inf

    def admits(self, _now: float, _amount: float) -> bool:
        return True

    def wait_s(self, _now: float) -> float:
        return 0.0


class NoController:
    """Lets all go: what concurrency and latency allow."""

    rate = math.inf

    def delay_s(self, _now: float) -> float:
        return 0.0

    def sent(self, now: float, tokens: float) -> None: ...
    def answered(self, call: None, now: float, tokens: float) -> None: ...
    def refused(self, call: None, now: float, retry_after_s: float) -> None: ...
    def failed(self, call: None, now: float) -> None: ...
    def hint(self, now: float, **limits: float | None) -> None: ...


def mean_tokens(setting: Setting) -> float:
    """Of a call, over all turns."""
    characters = CHARACTERS * (1 + setting.growth * (TURNS - 1) / 2)
    return PER_CHARACTER * characters + (LEAST_OUTPUT + MOST_OUTPUT) / 2


def service_of(setting: Setting) -> Bucket | FixedWindows | SlidingWindow | NoLimit:
    if setting.limit is None:
        return NoLimit()
    unit = mean_tokens(setting) if setting.tokens else 1.0
    rate = setting.limit * unit
    if setting.kind == "fixed":
        return FixedWindows(rate, setting.window_s, setting.phase_s)
    if setting.kind == "sliding":
        return SlidingWindow(rate, setting.window_s)
    return Bucket(rate, max(1.0, setting.burst) * unit)


def possible(setting: Setting) -> float:
    """Good answers (or tokens of them) in all that a perfect client gets, bursts left out."""
    if setting.limit is None:
        return simulate(setting, NoController()).good
    unit = mean_tokens(setting) if setting.tokens else 1.0
    let_in = setting.limit * setting.seconds
    if setting.later:
        at, limit = setting.later
        let_in = setting.limit * at + limit * (setting.seconds - at)
    return let_in * unit * (1 - setting.random_refused - setting.faulty)


def share(setting: Setting, outcome: Outcome) -> float:
    """Part of what is possible that was got."""
    return (outcome.good_tokens if setting.tokens else outcome.good) / possible(setting)


@dataclass(slots=True)
class _Work:
    """What a client wants to ask next."""

    turn: int = 0
    call: object = None
    characters: int = CHARACTERS
    tokens: float = 0.0


class _Storm:
    def __init__(self, setting: Setting, controller: RateController | NoController) -> None:
        self.setting, self.controller = setting, controller
        self.random = random.Random(setting.seed)  # noqa: S311 - a storm, no secret
        self.service = service_of(setting)
        self.cost = CostEstimator()
        self.outcome = Outcome()
        self.events: list[tuple[float, int, Callable, tuple]] = []
        self.queue: list[tuple[int, int, _Work]] = []
        self.order = count()
        self.now = self.wake_at = 0.0

    def run(self) -> Outcome:
        setting = self.setting
        for _ in range(setting.wanted):
            self._want(2, self._new(0))
        if setting.later:
            self._at(setting.later[0], self._change, setting.later[1])
        self._at(0.0, self._wake, 0.0)
        while self.events:
            self.now, _, handle, what = heapq.heappop(self.events)
            if self.now > setting.seconds:
                break
            handle(*what)
            self._pump()
            if not self.outcome.rates or self.now >= self.outcome.rates[-1][0] + 1:
                self.outcome.rates.append((self.now, self.controller.rate, self.outcome.refused))
        return self.outcome

    def _at(self, when: float, handle: Callable, *what: object) -> None:
        heapq.heappush(self.events, (when, next(self.order), handle, what))

    def _new(self, turn: int) -> _Work:
        characters = int(CHARACTERS * (1 + self.setting.growth * turn))
        tokens = PER_CHARACTER * characters + self.random.uniform(LEAST_OUTPUT, MOST_OUTPUT)
        return _Work(turn, None, characters, tokens)

    def _want(self, urgency: int, work: _Work) -> None:
        heapq.heappush(self.queue, (urgency, next(self.order), work))

    def _change(self, limit: float) -> None:
        self.service.rate = limit * (mean_tokens(self.setting) if self.setting.tokens else 1.0)

    def _wake(self, due: float) -> None:
        if due == self.wake_at:
            self.wake_at = math.inf

    def _pump(self) -> None:
        while self.queue:
            work = self.queue[0][2]
            delay_s = self.controller.delay_s(self.now)
            if delay_s > 0:
                if self.now + delay_s < self.wake_at:
                    self.wake_at = self.now + delay_s
                    self._at(self.wake_at, self._wake, self.wake_at)
                return
            heapq.heappop(self.queue)
            work.call = self.controller.sent(self.now, self.cost.estimate(work.characters))
            self.outcome.sent += 1
            self._at(self.now + self.random.uniform(0.005, 0.02), self._arrives, work)

    def _arrives(self, work: _Work) -> None:
        setting, now = self.setting, self.now
        latency_s = setting.latency_s * self.random.uniform(0.7, 1.3)
        chance = self.random.random()
        let_in = self.service.admits(now, work.tokens if setting.tokens else 1.0)
        if not let_in or chance < setting.random_refused:
            retry_s = max(1.0, math.ceil(self.service.wait_s(now))) if setting.truthful else setting.retry_after_s
            self._at(now + (0.01 if setting.refuses_at_once else latency_s), self._is_refused, work, retry_s)
        elif chance < setting.random_refused + setting.faulty:
            self._at(now + latency_s * self.random.random(), self._fails, work)
        else:
            self.outcome.good += 1
            self.outcome.good_tokens += work.tokens
            self._at(now + latency_s, self._is_answered, work)

    def _is_answered(self, work: _Work) -> None:
        self.cost.learn(work.characters, work.tokens)
        self.controller.answered(work.call, self.now, work.tokens)
        self._read_headers()
        turn = (work.turn + 1) % TURNS
        self._want(1 if turn else 2, self._new(turn))

    def _is_refused(self, work: _Work, retry_s: float) -> None:
        self.outcome.refused += 1
        self.controller.refused(work.call, self.now, retry_s)
        self._read_headers()
        self._at(self.now + retry_s * self.random.uniform(1.0, 1.1), self._want, 0, work)

    def _fails(self, work: _Work) -> None:
        self.controller.failed(work.call, self.now)
        self._at(self.now + self.random.uniform(0.0, 0.5), self._want, 0, work)

    def _read_headers(self) -> None:
        if self.setting.headers:
            of_tokens = self.setting.tokens
            self.controller.hint(
                self.now,
                requests_per_s=None if of_tokens else self.service.rate,
                tokens_per_s=self.service.rate if of_tokens else None,
            )


def simulate(setting: Setting, controller: RateController | NoController | None = None) -> Outcome:
    """Let the clients ask for `setting.seconds` of virtual time."""
    return _Storm(setting, controller or RateController()).run()
