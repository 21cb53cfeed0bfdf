"""Rate limits of the loopback model server: token buckets and fixed windows, and the headers that tell of them."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


class Bucket:
    """Fills with `rate` units a second up to `size`."""

    def __init__(self, rate: float, size: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.size, self.clock = rate, size, clock
        self.level, self.at = size, clock()

    def left(self) -> float:
        """Units there now."""
        now = self.clock()
        self.level, self.at = min(self.size, self.level + (now - self.at) * self.rate), now
        return self.level

    def wait(self, units: float) -> float:
        """Seconds until so many are there; 0 if they are, infinity if they never will be."""
        if units > self.size:
            return math.inf
        missing = units - self.left()
        return max(0.0, missing / self.rate) if missing > 1e-9 else 0.0

    def take(self, units: float) -> None:
        """Take units that are there."""
        self.level -= units

    def full_in(self) -> float:
        """Seconds until nothing is missing."""
        return (self.size - self.left()) / self.rate


class Window:
    """Allows `rate` units a second, counted in windows of fixed length."""

    def __init__(self, rate: float, length: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.length, self.clock = rate, length, clock
        self.size = rate * length
        self.level, self.number = self.size, clock() // length

    def left(self) -> float:
        """Units left of this window."""
        number = self.clock() // self.length
        if number != self.number:
            self.level, self.number = self.size, number
        return self.level

    def full_in(self) -> float:
        """Seconds until the next window."""
        return self.length - self.clock() % self.length if self.left() < self.size else 0.0

    def wait(self, units: float) -> float:
        """Seconds until so many may be taken; 0 if now, infinity if never."""
        if units > self.size:
            return math.inf
        return 0.0 if units <= self.left() + 1e-9 else self.full_in()

    def take(self, units: float) -> None:
        """Take units that are left."""
        self.level -= units


class Limited(NamedTuple):
    """A request that has to wait: `seconds` (infinity: it is too large), which limit, how much was asked."""

    seconds: float
    what: str  # requests, tokens
    limit: int  # a minute
    asked: int


class Limits:
    """The limits of one server."""

    def __init__(self, options: argparse.Namespace, clock: Callable[[], float] = time.monotonic) -> None:
        self.kinds: dict[str, Bucket | Window] = {}
        for what, rate, size in (
            ("requests", options.rps, options.burst),
            ("tokens", options.tps, options.token_burst),
        ):
            if rate and options.window:
                self.kinds[what] = Window(rate, options.window, clock)
            elif rate:
                self.kinds[what] = Bucket(rate, size or max(1.0, rate), clock)

    def admit(self, tokens: int) -> Limited | None:
        """Take one request and its tokens, or say what is missing and take nothing."""
        wanted = {"requests": 1, "tokens": tokens}
        for what, bucket in self.kinds.items():
            if seconds := bucket.wait(wanted[what]):
                return Limited(seconds, what, round(bucket.rate * 60), wanted[what])
        for what, bucket in self.kinds.items():
            bucket.take(wanted[what])
        return None

    def headers(self, *, anthropic: bool) -> dict[str, str]:
        """What a service tells of its limits, as of now."""
        found = {}
        for what, bucket in self.kinds.items():
            told = {"limit": str(round(bucket.rate * 60)), "remaining": str(int(bucket.left() + 1e-9))}
            if anthropic:
                told["reset"] = timestamp(bucket.full_in())
                found |= {f"anthropic-ratelimit-{what}-{key}": value for key, value in told.items()}
            else:
                told["reset"] = duration(bucket.full_in())
                found |= {f"x-ratelimit-{key}-{what}": value for key, value in told.items()}
        return found


def duration(seconds: float) -> str:
    """A span as OpenAI writes it: `120ms`, `1s`, `1.5s`, `6m0s`, `1h0m0s`."""
    milliseconds = math.ceil(seconds * 1000 - 1e-6)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def timestamp(seconds: float) -> str:
    """A time so far from now as Anthropic writes it: whole seconds, never too early."""
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    if then.microsecond:
        then = then.replace(microsecond=0) + timedelta(seconds=1)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")
