"""Where the time of a conversation goes, without anybody handing a clock around.

    with collecting() as seconds:
        with span("execution"):
            ...
    seconds  # {"execution": 0.8}

What is not collected costs nothing. A conversation is one task, so that many at a time don't mix.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Part = Literal["asking", "model_calls", "journal", "execution", "rows"]
"""`asking`: from a question to its answer, in all; within it `model_calls`, from sending a request to the last byte of
its answer, and `journal`, until the answer is on disk; what is left of it is waiting for the limiter and for failed
calls to be made again. `execution`: grading, queueing for a sandbox included. `rows`: results to disk.
"""

_spent: ContextVar[dict[Part, float] | None] = ContextVar("spent", default=None)


@contextmanager
def collecting() -> Iterator[dict[Part, float]]:
    """Within it spans of this task are added up, in seconds."""
    seconds: dict[Part, float] = {}
    token = _spent.set(seconds)
    try:
        yield seconds
    finally:
        _spent.reset(token)


@contextmanager
def span(part: Part) -> Iterator[None]:
    """Within it time is spent on that."""
    seconds = _spent.get()
    if seconds is None:
        yield
        return
    started = time.monotonic()
    try:
        yield
    finally:
        seconds[part] = seconds.get(part, 0.0) + time.monotonic() - started
