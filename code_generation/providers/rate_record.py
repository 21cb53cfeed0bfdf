"""What was sent lately, and what became of it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN_S = 0.1
"""Seconds of sending that are looked at as one."""
FLOW_S, MOST_FLOW_S, FLOW_CALLS = 1.0, 30.0, 8
"""What gets through is measured over a second, or over as many as so many calls take."""
AVERAGE_S = 0.5
"""The least time that a mean rate of sending is taken over."""
SILENCE_S = 1.5
"""A call that nothing was heard of for so long has been let in, while no refusal was seen: refusals come early."""
MOST_DELAY_S = 2.0
DELAY_KEPT = 0.98
"""What is kept of the longest delay of a refusal with each that comes sooner."""
MARGIN, MARGIN_S = 1.1, 0.02


@dataclass(slots=True, eq=False)
class Bin:
    """Calls that were sent one after the other."""

    at: float
    """Seconds when the first was sent."""
    rate: float
    """Calls a second that were allowed then; infinite where what becomes of them says nothing about a rate."""
    sent: int = 0
    refused: int = 0
    size: float = 0.0
    """Of all calls sent, as multiples of one size."""
    limited: bool = False
    """Whether calls waited for the rate, so that it is the rate at which they went."""


@dataclass(slots=True, eq=False)
class Call:
    """A call under way."""

    at: float
    """Seconds when it was sent."""
    bin: Bin
    size: float
    """Tokens that it was expected to take, as a multiple of some number."""
    tokens: float
    """The same in tokens."""


class Record:
    """The calls of the last seconds, in bins, and how long answers and refusals take."""

    def __init__(self) -> None:
        self._bins: deque[Bin] = deque()
        self._learnt_to = -math.inf
        self._answer_delay_s: float | None = None
        self._refusal_delay_s: float | None = None

    def add(self, now: float, rate: float, size: float) -> Bin:
        """A call of that size is sent while `rate` a second are allowed."""
        if not self._bins or now - self._bins[-1].at >= BIN_S:
            self._bins.append(Bin(now, rate))
        self._bins[-1].sent += 1
        self._bins[-1].size += size
        return self._bins[-1]

    def note_limited(self) -> None:
        """Calls wait for the rate."""
        if self._bins:
            self._bins[-1].limited = True

    def note_answer(self, call: Call, now: float) -> None:
        """A call was answered."""
        delay_s, known_s = now - call.at, self._answer_delay_s
        self._answer_delay_s = delay_s if known_s is None else known_s + 0.1 * (delay_s - known_s)

    def note_refusal(self, call: Call, now: float) -> None:
        """A call was refused."""
        call.bin.refused += 1
        delay_s, known_s = min(now - call.at, MOST_DELAY_S), self._refusal_delay_s or 0.0
        self._refusal_delay_s = max(delay_s, DELAY_KEPT * known_s + (1 - DELAY_KEPT) * delay_s)

    @property
    def has_news(self) -> bool:
        """Whether the service has answered anything."""
        return self._answer_delay_s is not None or self._refusal_delay_s is not None

    @property
    def mean_size(self) -> float:
        """Of the recent calls."""
        sent = sum(b.sent for b in self._bins)
        return sum(b.size for b in self._bins) / sent if sent else 1.0

    @property
    def refused(self) -> int:
        """How many of the recent calls were refused."""
        return sum(b.refused for b in self._bins)

    @property
    def settled_s(self) -> float:
        """After so many seconds, a call that was not refused has been let in."""
        if self._refusal_delay_s is not None:
            return MARGIN * self._refusal_delay_s + MARGIN_S
        return min(SILENCE_S, self._answer_delay_s or SILENCE_S)

    def disregard(self, now: float) -> None:
        """What becomes of the calls so far says nothing any more."""
        self._learnt_to = now

    def news(self, now: float, *, by_size: bool) -> Iterator[tuple[Bin, float, float]]:
        """(bin, rate at which it went, mean size of the calls about then) of the bins that have settled since the
        last time.
        """
        until = now - self.settled_s - BIN_S
        sent, size = 0, 0.0
        for b in self._bins:
            if b.at > until:
                return
            sent += b.sent
            size += b.size
            if b.at > self._learnt_to and b.sent:
                self._learnt_to = b.at
                mean = sent / max(b.at + BIN_S - self._bins[0].at, AVERAGE_S)
                unit = size / sent if by_size else 1.0
                yield b, b.rate if b.limited else min(b.rate, unit * max(mean, b.sent / BIN_S)), size / sent

    def flow(self, now: float, rate: float, *, by_size: bool) -> float:
        """Calls a second (or their size) that were let in lately, where `rate` is allowed; forgets what is older."""
        until = now - self.settled_s - BIN_S
        seconds = min(MOST_FLOW_S, max(FLOW_S, FLOW_CALLS / rate))
        while self._bins and self._bins[0].at < until - seconds:
            self._bins.popleft()
        settled = [b for b in self._bins if b.at <= until and b.sent]
        return sum((b.sent - b.refused) * (b.size / b.sent if by_size else 1.0) for b in settled) / seconds
