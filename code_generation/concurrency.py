"""Asynchronous work whose results come out in the order of what went in."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable

T = TypeVar("T")
R = TypeVar("R")


async def in_order(
    items: Iterable[T], work: Callable[[T], Awaitable[R]], limit: int
) -> AsyncGenerator[tuple[T, R], None]:
    """Do `work` on at most `limit` items at a time; yield (item, result) in the order of the items.

    Items are pulled when there is room for them. Leaving the iteration cancels and awaits what still runs.
    """
    running: deque[tuple[T, asyncio.Task[R]]] = deque()
    waiting = iter(items)
    try:
        while True:
            while len(running) < limit:
                try:
                    item = next(waiting)
                except StopIteration:
                    break
                running.append((item, asyncio.ensure_future(_awaited(work, item))))
            if not running:
                return
            item, task = running[0]
            result = await task
            running.popleft()
            yield item, result
    finally:
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)


async def all_of(*work: Coroutine[Any, Any, R]) -> list[R]:
    """Do several things at once; results in order. The first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(w) for w in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in running]


async def _awaited(work: Callable[[T], Awaitable[R]], item: T) -> R:
    return await work(item)
