"""Rows that outlive the process at once and the machine a moment later: many share one sync."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from code_generation.errors import ConfigError
from code_generation.jsonl import JsonlWriter

if TYPE_CHECKING:
    from pathlib import Path

GROUP_S = 0.02
"""How long a row waits for others before the disk is asked: far less than any model takes, and at a thousand rows a
second a twentieth of the syncs.
"""


class GroupWriter:
    r"""Appends lines. A line is with the system as soon as `append` waits for the first time, so that a kill or a
    cancellation does not lose it; it is on disk when `append` returns.

        async with GroupWriter(path) as rows:
            await rows.append(b'{"a": 1}\\n')
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file; see `JsonlWriter`."""
        self.file = JsonlWriter(path)
        self._group: asyncio.Future[None] | None = None
        self._syncs: set[asyncio.Task[None]] = set()
        self._broken: ConfigError | None = None

    def write(self, line: bytes) -> asyncio.Future[None]:
        """Write one line, its newline included; the future is done when it is on disk, and may be dropped.

        Raises:
            ConfigError: the disk is full or gone; after a failed sync every later call fails too.
        """
        if self._broken is not None:
            raise self._broken  # the system forgets which pages a failed sync left behind
        self.file.write(line)
        if self._group is None:
            self._group = asyncio.get_running_loop().create_future()
            sync = asyncio.create_task(self._sync(self._group))
            self._syncs.add(sync)
            sync.add_done_callback(self._syncs.discard)
        return self._group

    async def append(self, line: bytes) -> None:
        """`write`, and wait until it is on disk."""
        await asyncio.shield(self.write(line))

    async def _sync(self, group: asyncio.Future[None]) -> None:
        await asyncio.sleep(GROUP_S)
        self._group = None
        try:
            await asyncio.to_thread(self.file.sync)
        except ConfigError as e:
            self._broken = e
            group.set_exception(e)
            group.exception()  # nobody may be waiting any more
        else:
            group.set_result(None)

    async def settle(self) -> None:
        """Wait until everything that was written is on disk.

        Raises:
            ConfigError: it can't be.
        """
        await asyncio.gather(*self._syncs)
        if self._broken is not None:
            raise self._broken

    async def close(self) -> None:
        """Put everything on disk and close; safe to call twice."""
        await asyncio.gather(*self._syncs)
        self.file.close()

    async def __aenter__(self) -> Self:
        """Give back itself."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close."""
        await self.close()
