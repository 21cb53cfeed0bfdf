"""p-values of several comparisons at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted so that the chance of any false alarm stays below alpha.

    `holm([0.01, 0.04, 0.03])` -> [0.03, 0.06, 0.06]

    S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6,
    65-70.

    Raises:
        ValueError: a p-value that is none.
    """
    order = _ascending(p_values)
    adjusted, so_far = [0.0] * len(order), 0.0
    for rank, place in enumerate(order):
        so_far = max(so_far, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = so_far
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted so that the expected share of false alarms among all alarms stays below alpha.

    `benjamini_hochberg([0.01, 0.04, 0.03])` -> [0.03, 0.04, 0.04]

    Y. Benjamini and Y. Hochberg (1995), Controlling the false discovery rate, JRSS B 57, 289-300.

    Raises:
        ValueError: a p-value that is none.
    """
    order = _ascending(p_values)
    adjusted, so_far = [0.0] * len(order), 1.0
    for rank, place in reversed(list(enumerate(order, start=1))):
        so_far = min(so_far, p_values[place] * len(order) / rank)
        adjusted[place] = so_far
    return adjusted


def _ascending(p_values: Sequence[float]) -> list[int]:
    if bad := [p for p in p_values if not 0 <= p <= 1]:
        msg = f"a p-value lies between 0 and 1, got {bad[0]}"
        raise ValueError(msg)
    return sorted(range(len(p_values)), key=p_values.__getitem__)
