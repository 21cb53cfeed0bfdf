"""Ctrl-C: the first one asks for an orderly end, a second one ends at once."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import sys
import threading
from typing import TYPE_CHECKING

from code_generation.jsonl import print_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interruptible(stop: Callable[[], None], said: str) -> Iterator[None]:
    """Within it the first SIGINT or SIGTERM calls `stop` and says so, a second one cancels the running task."""
    loop, task, asked = asyncio.get_running_loop(), asyncio.current_task(), False

    def interrupt() -> None:
        nonlocal asked
        if asked and task is not None:
            task.cancel()
            return
        asked = True
        print_error(said)
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    for number in numbers:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def resume_command() -> str:
    """The command line as it was typed: the same again resumes."""
    return shlex.join(a for a in command_line() if a != "--force")


def command_line() -> list[str]:
    """How this process was started, as one would type it."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)  # there for `python -m`, not for the console script
    start = ["codegen"] if spec is None else ["python", "-m", spec.name.removesuffix(".__main__")]
    return [*start, *sys.argv[1:]]
