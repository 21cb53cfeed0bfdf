"""Figures of a report as short text, the same in Markdown and on the page."""

from __future__ import annotations

from typing import Any

NONE = "—"
TIMES = "\u00d7"
DIME = 0.1
Figure = dict[str, Any]
"""`evaluation.figure.Figure` as JSON."""


def rate(value: float | None) -> str:
    """`0.8125` -> "0.812"."""
    return NONE if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """`0.0312` -> "3.1 %"."""
    return NONE if value is None else f"{100 * value:.1f} %"


def money(value: float | None) -> str:
    """`12.345` -> "$12.35"; of less than a dime, two digits that say something."""
    if value is None:
        return NONE
    if value == 0 or value >= DIME:
        return f"${value:,.2f}"
    short = f"{value:#.2g}"
    return f"${value:.8f}" if "e" in short else f"${short}"


def between(interval: dict[str, Any] | None, show: Any = rate) -> str:
    """`{"low": 0.75, "high": 0.86}` -> "0.750 to 0.860"; an end that is not known is a dash."""
    if interval is None or (interval["low"] is None and interval["high"] is None):
        return ""
    return f"{show(interval['low'])} to {show(interval['high'])}"


def told(figure: Figure, show: Any = rate) -> str:
    """A figure with its interval on one line: "0.812 (0.750 to 0.860)"; a dash where it can't be told."""
    if figure["value"] is None:
        return NONE
    ends = between(figure["interval"], show)
    return f"{show(figure['value'])} ({ends})" if ends else str(show(figure["value"]))


def sizes(bucket: dict[str, Any]) -> str:
    """Problems and samples: "1,000 x 5", or "1,000, 4,312 samples" where problems have different numbers of them."""
    n, samples = bucket["n_problems"], bucket["n_samples"] + bucket["n_infra"] + bucket["n_unjudged"]
    if n and samples % n == 0:
        return f"{n:,} {TIMES} {samples // n:,}"
    return f"{n:,}, {samples:,} samples"


def plural(n: int, one: str) -> str:
    """`plural(2, "row")` -> "2 rows"."""
    return f"{n:,} {one}" if n == 1 else f"{n:,} {one}s"


def words(name: str) -> str:
    """`wrong_answer` -> "wrong answer"."""
    return name.replace("_", " ")
