"""Whether a service works at all: a few calls go first, and a run that can't work stops before it has spent anything.

Until one call was answered, and again where one after the other fails, only `FEW` are under way at a time. Where
failures go on, the circuit is broken: the run ends and says why.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from code_generation.errors import Busy, Overloaded, ProviderError, RateLimited, ServiceDown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

FEW = 3
SUSPECT_AFTER = 10
"""Failures in a row after which a service that has answered before is tried with a few calls again."""
LONGEST_WISH_S = 900.0
"""A service that asks to come back later than this is not waited for."""
BREAKS_UNPROVEN = {RateLimited: (10, 120.0), Overloaded: (10, 60.0), ProviderError: (6, 0.0)}
BREAKS_PROVEN = {RateLimited: (20, 900.0), Overloaded: (20, 600.0), ProviderError: (20, 60.0)}
"""Failures in a row, and seconds since the first of them, that break the circuit, by the class of the last one: a
service that is too busy comes back, one that can't be reached mostly does not.
"""


class Canary:
    """The gate that every call passes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self.answered = False
        """A call was answered in this run."""
        self._clock = clock
        self._streak, self._since = 0, 0.0
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._stopped: ProviderError | None = None

    @property
    def cautious(self) -> bool:
        """Only a few calls at a time."""
        return not self.answered or self._streak >= SUSPECT_AFTER

    @asynccontextmanager
    async def gate(self) -> AsyncIterator[None]:
        """Within it one call may be made.

        Raises:
            ServiceDown: the circuit is broken. Stopping: the run is.
        """
        while self._stopped is None and self.cautious and self._inside >= FEW:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._admit()  # it was my turn: it is the next one's now
                raise
        if self._stopped is not None:
            raise self._stopped
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._admit()

    def _admit(self) -> None:
        free = FEW - self._inside if self.cautious and self._stopped is None else len(self._waiting)
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1

    def works(self) -> None:
        """A call was answered."""
        self.answered, self._streak = True, 0

    def fails(self, error: ProviderError) -> None:
        """A call failed.

        Raises:
            ServiceDown: it was one too many.
        """
        now = self._clock()
        if not self._streak:
            self._since = now
        self._streak += 1
        rules = BREAKS_PROVEN if self.answered else BREAKS_UNPROVEN
        number, seconds = next(rule for kind, rule in rules.items() if isinstance(error, kind))
        wish = error.retry_after_s if isinstance(error, Busy) else None
        if wish is not None and wish > LONGEST_WISH_S:
            self._break(f"{error} (it asks to come back in {wish:.0f} s)")
        if self._streak >= number and now - self._since >= seconds:
            self._break(f"{error} ({self._streak} calls in a row failed; given up)")

    def _break(self, reason: str) -> None:
        down = ServiceDown(reason)
        self.stop(down)
        raise down

    def stop(self, error: ProviderError) -> None:
        """Let no further call pass: each gets this error."""
        self._stopped = self._stopped or error
        self._admit()
