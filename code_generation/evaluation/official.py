"""What a data set's official harness made of samples that nothing here can judge."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.evaluation.figure import Figure, by_problem, untold
from code_generation.evaluation.intervals import LEVEL, share_interval
from code_generation.evaluation.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from code_generation.evaluation.outcomes import Sample

RESOLVED, INCOMPLETE = "resolved", "incomplete"
OUTCOMES = (RESOLVED, "unresolved", "error", "empty", INCOMPLETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Official(Plain):
    """By the official harness, which somebody ran elsewhere."""

    outcomes: dict[str, int]
    """Samples by outcome, `{"resolved": 31, "unresolved": 40, "error": 5, "empty": 2}`."""
    n_without: int
    """Samples that no report says anything of."""
    resolved: Figure
    """Share of the samples with an outcome: errors and empty patches count, what the report lists as submitted and
    knows no more of (`incomplete`) does not. Wilson's interval, samples of a problem taken together."""


def official_of(rows: Sequence[Sample], level: float = LEVEL) -> Official | None:
    """Of the samples of one model with one prompt; None where no report was joined in."""
    counts = Counter(s.harness for s in rows if s.harness is not None)
    if not counts:
        return None
    told = by_problem([s for s in rows if s.harness not in {None, INCOMPLETE}]).values()
    resolved = untold("the harness' report knows of no outcome")
    if told:
        share = share_interval([(sum(s.harness == RESOLVED for s in mine), len(mine)) for mine in told], level)
        resolved = Figure(value=share.estimate, interval=share, n_problems=len(told))
    return Official(
        outcomes={name: counts[name] for name in OUTCOMES if counts[name]},
        n_without=sum(s.harness is None for s in rows),
        resolved=resolved,
    )
