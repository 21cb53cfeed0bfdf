"""How far a long job is: a bar on a terminal, a plain line now and then elsewhere. Always on the error stream."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rich.live import Live
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
        self._live: Live | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty() and total != 0:
            self._open_bar()

    def _open_bar(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
        from rich.live import Live  # noqa: PLC0415
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bar = Bar(*columns)
        self._task = self._bar.add_task(self.label, total=self.total)
        self._live = Live(self._bar, console=Console(stderr=True), transient=True)
        self._live.start()

    def step(self, note: str = "") -> None:
        """One more is done."""
        self.done += 1
        self.show(note)

    def show(self, note: str = "") -> None:
        """Say how far it is; for jobs in which nothing may be done for minutes."""
        if self._bar is not None and self._task is not None and self._live is not None:
            from rich.console import Group  # noqa: PLC0415 - it is there: there is a bar
            from rich.text import Text  # noqa: PLC0415

            rate = self.done / max(time.monotonic() - self._started, 1e-9)
            self._bar.update(self._task, completed=self.done)
            below = Text(f"  {rate:.2g}/s, {note}", no_wrap=True, overflow="ellipsis")
            self._live.update(Group(self._bar, below))
        elif time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            print(self._line(note), file=sys.stderr, flush=True)

    def _line(self, note: str) -> str:
        elapsed = time.monotonic() - self._started
        rate = self.done / elapsed if elapsed else 0.0
        if self.total is None:
            return f"{self.label}: {self.done}, {rate:.2g}/s{', ' + note if note else ''}"
        left = f", {(self.total - self.done) / rate:.0f} s left" if rate else ""
        return f"{self.label}: {self.done}/{self.total}, {rate:.2g}/s{left}{', ' + note if note else ''}"

    def __enter__(self) -> Self:
        """Give back itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Take the bar away."""
        if self._live is not None:
            self._live.stop()


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
