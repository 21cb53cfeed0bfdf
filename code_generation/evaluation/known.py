"""Numbers of rows that others may have made: what can't be true is as good as unknown, and no figure breaks on it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from code_generation.models import JsonValue

LEAST_USD, MOST_USD = 1e-12, 1e9
"""No sample costs less, but nothing at all, or more."""
MOST_TOKENS = 2**53
"""What JSON's readers tell apart."""
MOST = 1e100
"""Beyond it sums of squares overflow."""


def dollars(value: float | None) -> float | None:
    """A cost; None where it is unknown or no cost: NaN, negative, absurd."""
    return value if value is not None and (value == 0 or LEAST_USD <= value <= MOST_USD) else None


def tokens(value: int | None) -> int | None:
    """A number of tokens; None where it is unknown or none."""
    return value if value is not None and 0 <= value <= MOST_TOKENS else None


def finite(value: float | None) -> float | None:
    """A number that can be reckoned with; None where it is unknown, not finite or absurd."""
    return value if value is not None and -MOST <= value <= MOST else None


def without_odd_numbers(value: JsonValue) -> JsonValue:
    """JSON in which numbers that are not finite are null, since strict readers refuse the whole text for one."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [without_odd_numbers(v) for v in value]
    if isinstance(value, dict):
        return {k: without_odd_numbers(v) for k, v in value.items()}
    return value
