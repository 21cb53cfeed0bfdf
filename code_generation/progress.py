"""How far a long job is: a bar on a terminal, a plain line now and then elsewhere. Always on the error stream."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LINE_EVERY_S = 10.0


class Progress:
    """Counts finished items; `note` is what else to say, counts or tokens."""

    def __init__(self, label: str, total: int | None = None) -> None:
        """Of so many items, or of an unknown number. Nothing is shown before the first step."""
        self.label, self.total, self.done = label, total, 0
        self._started = self._last_line = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty() and total != 0:
            self._open_bar()

    def _open_bar(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bar = Bar(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self.label, total=self.total, note="")
        self._bar.start()

    def step(self, note: str = "") -> None:
        """One more is done."""
        self.done += 1
        self.show(note)

    def show(self, note: str = "") -> None:
        """Say how far it is; for jobs in which nothing may be done for minutes."""
        if self._bar is not None and self._task is not None:
            rate = self.done / max(time.monotonic() - self._started, 1e-9)
            self._bar.update(self._task, completed=self.done, note=f"{rate:.2g}/s, {note}")
        elif time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            print(self._line(note), file=sys.stderr, flush=True)

    def _line(self, note: str) -> str:
        elapsed = time.monotonic() - self._started
        rate = self.done / elapsed if elapsed else 0.0
        if self.total is None:
            return f"{self.label}: {self.done}, {rate:.2g}/s{', ' + note if note else ''}"
        left = (self.total - self.done) / rate if rate else 0.0
        return f"{self.label}: {self.done}/{self.total}, {rate:.2g}/s, {left:.0f} s left{', ' + note if note else ''}"

    def __enter__(self) -> Self:
        """Give back itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


@asynccontextmanager
async def ticking(show: Callable[[], None], every_s: float = 1.0) -> AsyncIterator[None]:
    """Within it `show` is called again and again."""

    async def tick() -> None:
        while True:
            await asyncio.sleep(every_s)
            show()

    ticks = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticks.cancel()
        with suppress(asyncio.CancelledError):
            await ticks
