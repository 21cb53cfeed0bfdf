"""PROVISIONAL stand-in by the lead, so that the tree runs; to be replaced whole by the real dispatcher."""
from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class LimiterState:
    rate_per_s: float | None = None
    source: str = "start"
    in_flight: int = 0
    waiting: int = 0

class Ticket:
    def answered(self, headers, tokens): ...
    def refused(self, retry_after_s, headers): ...
    def overloaded(self): ...
    def failed(self): ...

class Dispatcher:
    def __init__(self, *, max_concurrent, rpm=None, tpm=None):
        self._slots = asyncio.Semaphore(max_concurrent)
        self._error = None
        self._waiting = 0
        self._in = 0
    @asynccontextmanager
    async def slot(self, *, urgency, characters):
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        self._in += 1
        try:
            if self._error:
                raise self._error
            yield Ticket()
        finally:
            self._in -= 1
            self._slots.release()
    def state(self):
        return LimiterState(in_flight=self._in, waiting=self._waiting)
    def abandon(self, error):  # every waiter and every later call gets this error; calls in flight go on
        self._error = error
    async def close(self): ...
