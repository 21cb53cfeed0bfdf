"""Waiting where nothing gets through: the window of a limit is used up, or a service lets nobody in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from code_generation.providers.rate_record import Bin, Call

STREAK, STREAK_S, LONG_RETRY_S = 15, 1.0, 2.0
"""So many refusals without a success, for a second or with a long Retry-After, and all calls wait."""
PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
"""Seconds of the first such wait and of the longest: a Retry-After is not always true, and a try costs one call."""
CYCLE_S = 10.0
"""Pauses that follow each other sooner than in so many seconds are one."""
PROBE_S = 0.5
"""Seconds that a refusal of the one call may be late."""


class Gate:
    """Keeps all calls back when none gets through, and then lets one try."""

    def __init__(self) -> None:
        self.opens_at = -math.inf
        """Seconds until which no call goes."""
        self.opened_at = math.nan
        """Seconds when calls last began to go."""
        self.tries = 0
        """How often it was shut in a row; 0: it is open."""
        self.probe: Call | None = None
        """The one call that tries."""
        self.retry_after_s = 0.0
        """The last Retry-After."""
        self._let_in = 0
        self._refused_in_a_row = 0
        self._refused_since = -math.inf

    def is_shut(self, now: float) -> bool:
        """Whether no call may go, not even one."""
        return now < self.opens_at

    def note(self, b: Bin) -> None:
        """So much became of some calls."""
        self._let_in += b.sent - b.refused
        if b.sent > b.refused:
            self._refused_in_a_row, self._refused_since = 0, b.at
        elif b.rate < math.inf:
            self._refused_in_a_row += b.sent

    def is_stuck(self, settled_at: float) -> bool:
        """Whether no call gets through, for all that is known until `settled_at`."""
        long = self.retry_after_s >= LONG_RETRY_S or settled_at - self._refused_since > STREAK_S
        return not self.tries and self._refused_in_a_row >= STREAK and long

    def shut(self, now: float) -> None:
        """Let no call go for as long as the service asks for, or ever longer."""
        wait_s = max(self.retry_after_s, PAUSE_S * 2**self.tries)
        self.opens_at = max(self.opens_at, now + min(wait_s, LONGEST_PAUSE_S))
        self.tries = min(self.tries + 1, 10)
        self.probe = None
        self._refused_in_a_row = 0

    def admit(self, call: Call, settled_s: float) -> None:
        """One call tries; where nothing is heard of it, it was let in."""
        self.probe = call
        self.opens_at = call.at + 2 * settled_s + PROBE_S

    def forget(self, call: Call) -> None:
        """The call did not try."""
        if call is self.probe:
            self.probe, self.opens_at = None, -math.inf

    def open(self, now: float) -> float | None:
        """Calls get through; returns how many did, a second, over all the time since the last pause. None: none did,
        so that it wasn't a limit that kept them out.
        """
        open_s = now - self.opened_at
        mean = (self._let_in + 1) / max(open_s, 1.0) if self._let_in else None
        self.tries, self.probe, self.opens_at = 0, None, -math.inf
        self._refused_in_a_row, self._refused_since = 0, now
        if open_s > CYCLE_S:
            self.opened_at, self._let_in = now, 0
        return mean
