"""Boxes to run programs in. One file an executor, one row each in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.tables import resolve

if TYPE_CHECKING:
    from code_generation.protocols import Executor

EXECUTORS = {
    "subprocess": "code_generation.executors.local:SubprocessExecutor",
}


def open_executor(
    name: str = "subprocess", *, workers: int | None = None, allow_weak: bool = False, level: str | None = None
) -> Executor:
    """Make the executor of that name, to be entered with `async with`.

    Raises:
        UnknownName: no such row, nor a `module:Class` path.
    """
    executor: Executor = resolve("executor", name, EXECUTORS)(workers=workers, allow_weak=allow_weak, level=level)
    return executor
