"""Boxes to run programs in. One file an executor, one row each in the table."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from inspect import signature
from typing import TYPE_CHECKING, Any, Self

from code_generation.errors import ConfigError, SandboxUnavailable
from code_generation.programs import CaseResult, ExecutionResult
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from code_generation.programs import Program
    from code_generation.protocols import Executor

EXECUTORS = {
    "subprocess": "code_generation.executors.local:SubprocessExecutor",
    "together": "code_generation.executors.tci:together_executor",
    "e2b": "code_generation.executors.e2b_boxes:e2b_executor",
}


def open_executor(name: str = "subprocess", **options: Any) -> Executor:
    """Make the executor of that name, to be entered with `async with`.

    `options`, what is not None of them: `workers`; of `subprocess` also `allow_weak` and `level`; of services `url`.

    Raises:
        UnknownName: no such row, nor a `module:Class` path. ConfigError: an option that it does not take; no key.
    """
    given = {key: value for key, value in options.items() if value is not None}
    make = resolve("executor", name, EXECUTORS)
    if unknown := given.keys() - signature(make).parameters.keys():
        msg = f"the executor {name} takes no {', '.join(sorted(unknown))}"
        raise ConfigError(msg)
    executor: Executor = make(**given)
    return executor


class OnDemand:
    """An executor that is opened when it is first used; where it can't be, that is a fault of the box."""

    name = "subprocess"
    isolation = "unknown"
    cases_per_call = 1

    def __init__(self, make: Callable[[], Executor]) -> None:
        """Nothing is made yet."""
        self._make = make
        self._opened = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._executor: Executor | None = None

    async def __aenter__(self) -> Self:
        """Open nothing."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close what was opened."""
        await self._opened.aclose()
        self._executor = None

    async def run(self, program: Program) -> ExecutionResult:
        """Run a program; see `protocols.Executor.run`."""
        async with self._opening:
            if self._executor is None:
                try:
                    self._executor = await self._opened.enter_async_context(self._make())
                except SandboxUnavailable as e:
                    failed = CaseResult(status="infra_error", error=str(e))
                    return ExecutionResult(cases=[failed] * len(program.cases))
        return await self._executor.run(program)
