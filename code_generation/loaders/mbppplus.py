"""What the inputs of MBPP+ stand for: JSON can't say tuple, set or complex, so the released rows hold lists and text,
and each task has its own way back. Source: `evalplus/data/mbpp.py`, MBPP+ v0.2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from code_generation.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import EllipsisType

    Turn = Callable[[Any], Any]


def _each(turn: Turn) -> Turn:
    """A list whose items are turned."""
    return lambda items: [turn(item) for item in items]


def _deep(value: Any) -> Any:
    """Lists at every depth are tuples."""
    return tuple(map(_deep, value)) if isinstance(value, list) else value


def _tuples(value: Any) -> Any:
    """A tuple whose lists are tuples; their own lists stay."""
    return tuple(tuple(v) if isinstance(v, list) else v for v in value)


def _set(items: Any) -> Any:
    """An empty list stands for `{}`, which is a dictionary."""
    return set(items) if items else {}


def _values(mapping: Any) -> Any:
    return {key: tuple(value) for key, value in mapping.items()}


_ALL: list[tuple[tuple[Turn | EllipsisType | None, ...], str]] = [
    ((tuple, ...), "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809"),
    ((_each(tuple), ...), "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780"),
    ((_each(tuple),), "75 413 444 753"),
    ((None, tuple), "106 750"),
    ((_each(_set),), "115"),
    ((float, complex), "124"),
    ((tuple,), "250 307 405 446 617 720 763 808"),
    ((complex,), "252"),
    ((_tuples, ...), "259 278 401 445"),
    ((_deep, ...), "580 615 791"),
    ((_values,), "722"),
]
TURNS = {task: turns for turns, tasks in _ALL for task in tasks.split()}
"""By task: what makes of each argument what it stands for; None and further arguments stay, `...` repeats the last."""


def python_inputs(task: str, inputs: Any) -> list[list[Any]]:
    """The argument lists of a task, each argument as the Python value that it stands for.

    `python_inputs("2", [[[1, 2], [2, 3]]])` -> [[(1, 2), (2, 3)]]

    Raises:
        DataError: they have another shape than the task's.
    """
    turns = TURNS.get(task, ())
    repeated = turns[-2] if turns[-1:] == (...,) else None
    if not isinstance(inputs, list):
        msg = f"expected a list of argument lists, found {type(inputs).__name__}"
        raise DataError(msg)
    try:
        return [[_turned(a, turns, i, repeated) for i, a in enumerate(args)] for args in inputs]
    except (TypeError, ValueError, AttributeError) as e:
        msg = f"the inputs are not those of MBPP+ task {task}: {e}"
        raise DataError(msg) from None


def _turned(value: Any, turns: tuple[Any, ...], place: int, repeated: Any) -> Any:
    turn = turns[place] if place < len(turns) else ...
    turn = repeated if turn is ... else turn
    return value if turn is None else turn(value)
