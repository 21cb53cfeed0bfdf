"""One figure, and samples by problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.evaluation.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from code_generation.evaluation.intervals import Interval
    from code_generation.evaluation.outcomes import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Plain):
    """One number with what it stands on."""

    value: float | None
    """None: it can't be told, see the reason."""
    interval: Interval | None
    n_problems: int
    """That it is the mean over."""
    reason: str | None = None
    """Why there is no value, or what was left out; None: nothing to say."""


def untold(reason: str) -> Figure:
    """A figure that can't be told, and why."""
    return Figure(value=None, interval=None, n_problems=0, reason=reason)


def by_problem(rows: Iterable[Sample]) -> dict[tuple[str, str], list[Sample]]:
    """Samples by (data set, problem id), in the order in which they come."""
    found: dict[tuple[str, str], list[Sample]] = {}
    for s in rows:
        found.setdefault((s.dataset, s.problem_id), []).append(s)
    return found
