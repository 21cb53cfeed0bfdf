"""What a service says about its rate limits in the headers of a response."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE_S = 60.0
PERIODS_S = (1.0, MINUTE_S, 3600.0, 86400.0)
"""Periods that limits are stated for. By convention it is a minute; no header says so."""
FAMILIES: tuple[tuple[str, str, float], ...] = (
    ("requests", "x-ratelimit-{}-requests", MINUTE_S),
    ("tokens", "x-ratelimit-{}-tokens", MINUTE_S),
    ("requests", "anthropic-ratelimit-requests-{}", MINUTE_S),
    ("tokens", "anthropic-ratelimit-tokens-{}", MINUTE_S),
    ("input_tokens", "anthropic-ratelimit-input-tokens-{}", MINUTE_S),
    ("output_tokens", "anthropic-ratelimit-output-tokens-{}", MINUTE_S),
    ("requests", "x-ratelimit-{}", MINUTE_S),
    ("tokens", "x-tokenlimit-{}", 1.0),  # Together, which documents limits a second
)
"""What is limited, the headers of its limit, what remains and the reset, and the period, in seconds."""
PER_SECOND_BESIDE = "x-tokenlimit-limit"
"""Where it is present, `x-ratelimit-limit` is a limit a second too."""

OBSERVATIONS = 16
ENOUGH = 5
"""Observations that a period other than the conventional one is concluded from."""
SPREAD = 2.0
"""By which factor their resets differ at least: a constant agrees with anything."""
TOLERANCE = 0.1

_NAMES = [(kind, p.format("limit"), p.format("remaining"), p.format("reset"), s) for kind, p, s in FAMILIES]
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{0,9})?")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|us|µs|ns|[dhms])")
_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_EPOCH_S, _EPOCH_MS = 1e9, 1e11
"""Numbers from here on are points in time, not durations."""


@dataclass(frozen=True, kw_only=True)
class RateHint:
    """What a response says about limits; None where it says nothing."""

    requests_per_s: float | None = None
    tokens_per_s: float | None = None
    """Tokens of input and output together."""
    input_tokens_per_s: float | None = None
    output_tokens_per_s: float | None = None
    remaining_requests: float | None = None
    remaining_tokens: float | None = None
    retry_after_s: float | None = None

    def total_tokens_per_s(self, input_share: float) -> float | None:
        """Tokens a second, where `input_share` of them (0 to 1) are input and input and output are limited apart.

        `RateHint(input_tokens_per_s=300.0, output_tokens_per_s=50.0).total_tokens_per_s(0.75)` -> 200.0, for then
        the output is what limits.
        """
        each = ((self.input_tokens_per_s, input_share), (self.output_tokens_per_s, 1 - input_share))
        bounds = [limit / share for limit, share in each if limit is not None and share > 0]
        if self.tokens_per_s is not None:
            bounds.append(self.tokens_per_s)
        return min(bounds, default=None)


class Reset(NamedTuple):
    """When a quota is whole again."""

    seconds: float
    resolution_s: float
    """How coarse the statement is; infinite for a point in time, since clocks differ."""


class RateHeaders:
    """Reads the rate headers of one service; remembers what tells the period of its limits."""

    def __init__(self) -> None:
        self._seen: dict[str, _Quota] = {}

    def read(self, headers: Mapping[str, str], *, now_s: float) -> RateHint:
        """What one response says; `now_s` is the time since the epoch. What can't be read is left out."""
        named = {}
        for name, value in headers.items():
            low = name.lower()
            if ("limit" in low or "retry" in low) and isinstance(value, str):
                named[low] = value
        if not named:
            return RateHint()
        found: dict[str, float | None] = {}
        for kind, limit_name, remaining_name, reset_name, usual_s in _NAMES:
            limit = _number(named.get(limit_name))
            if not limit or f"{kind}_per_s" in found:
                continue
            remaining = _number(named.get(remaining_name))
            reset = parse_reset(named.get(reset_name), now_s=now_s)
            quota = self._seen.setdefault(limit_name, _Quota())
            by_second = limit_name == "x-ratelimit-limit" and PER_SECOND_BESIDE in named
            period_s = quota.period_s(limit, remaining, reset, usual_s=1.0 if by_second else usual_s)
            # What is left of an hour or a day may be used at any pace: it is no rate.
            found[f"{kind}_per_s"] = limit / period_s if period_s <= MINUTE_S else None
            if kind in {"requests", "tokens"}:
                found[f"remaining_{kind}"] = remaining
        return RateHint(**found, retry_after_s=parse_retry_after(named, now_s=now_s))


class _Quota:
    """One limit over several responses."""

    def __init__(self) -> None:
        self._limit = 0.0
        self._seen: deque[tuple[float, float]] = deque(maxlen=OBSERVATIONS)
        self._period_s: float | None = None

    def period_s(self, limit: float, remaining: float | None, reset: Reset | None, *, usual_s: float) -> float:
        """The period that the limit is stated for.

        A bucket that is refilled at an even pace is whole again after `used / limit` of the period. Only where that
        holds for several resets that differ is it believed: a server may well count `remaining` in another bucket
        than the limit it states.
        """
        if limit != self._limit:
            self._limit, self._period_s = limit, None
            self._seen.clear()
        used = limit - remaining if remaining is not None else 0.0
        if reset is not None and used > 0 and reset.seconds >= reset.resolution_s / TOLERANCE:
            self._seen.append((used, reset.seconds))
            self._period_s = self._implied_s()
        return self._period_s or usual_s

    def _implied_s(self) -> float | None:
        resets = [reset_s for _, reset_s in self._seen]
        if len(resets) < ENOUGH or max(resets) < SPREAD * min(resets):
            return None
        periods = [self._limit * reset_s / used for used, reset_s in self._seen]
        middle = median(periods)
        if any(abs(p - middle) > TOLERANCE * middle for p in periods):
            return None
        return next((p for p in PERIODS_S if abs(p - middle) <= TOLERANCE * p), None)


def parse_reset(text: str | None, *, now_s: float) -> Reset | None:
    """When a quota is whole again: `120ms`, `6m0s`, `8.64` (seconds), an epoch in seconds or milliseconds, RFC 3339.

    `parse_reset("6m0s", now_s=0)` -> (360.0, 1.0). None: not to be understood.
    """
    if text is None:
        return None
    text = text.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number < _EPOCH_S:
            return Reset(number, _resolution(text))
        return Reset(max(0.0, (number / 1000 if number >= _EPOCH_MS else number) - now_s), math.inf)
    parts = _DURATION.findall(text)
    if parts and "".join(map("".join, parts)) == text:
        number, unit = parts[-1]
        return Reset(sum(float(n) * _UNITS_S[u] for n, u in parts), _resolution(number) * _UNITS_S[unit])
    until_s = _date(text)
    return None if until_s is None else Reset(max(0.0, until_s - now_s), math.inf)


def parse_retry_after(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """Seconds that a response asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date.

    `headers` has lower-case names; `now_s` is the time since the epoch. None: it doesn't say.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    until_s = _date(text.strip())
    return None if until_s is None else max(0.0, until_s - now_s)


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _resolution(number: str) -> float:
    """`8.64` -> 0.01."""
    return 10.0 ** -len(number.partition(".")[2])


def _date(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 or an HTTP date."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = parse(text)
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None
