"""What charts are made of: scales, axes, marks. SVG as text; colours are variables of the page's style sheet.

Series differ by colour (Okabe and Ito's, which the colour-blind can tell apart) and by the shape of their marks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from code_generation.reports.plain_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH = 460
SERIES = 8
"""How many series a chart tells apart."""
LABEL = 46
"""Characters of a label within a chart."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture, the figures behind it, or why there is none."""

    name: str
    title: str
    says: str
    """What is drawn, and how to read it."""
    svg: str = ""
    missing: str = ""
    """Why there is no picture; empty where there is one."""
    legend: list[tuple[int, str]] = field(default_factory=list)
    """(series, label)."""
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    """The figures as a table."""


class Scale(NamedTuple):
    """From values to places."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        share = 0.5 if high == low else (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 2)


def picture(name: str, title: str, describes: str, height: float, body: Sequence[str], width: float = WIDTH) -> str:
    """A whole SVG element with its title and description for those who can't see it."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{name}-t {name}-d" '
        f'xmlns="http://www.w3.org/2000/svg"><title id="{name}-t">{text_of(title)}</title>'
        f'<desc id="{name}-d">{text_of(describes)}</desc>{"".join(body)}</svg>'
    )


def text_of(text: str) -> str:
    """Text fit for SVG: nothing in it is markup, or hidden."""
    return escape(visible(text))


def label(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "", limit: int = LABEL) -> str:
    """A line of text, cut where it is long; the whole of it shows on hovering."""
    short = text if len(text) <= limit else f"{text[: limit - 1]}\u2026"
    title = f"<title>{text_of(text)}</title>" if short != text else ""
    class_ = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{class_}>{text_of(short)}{title}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{kind}"/>'


def bar(x: float, y: float, width: float, height: float, series: int, hint: str) -> str:
    """A filled box; `hint` shows on hovering."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{max(width, 0):.2f}" height="{height:g}" class="fill s{series % SERIES}">'
        f"<title>{text_of(hint)}</title></rect>"
    )


def mark(x: float, y: float, series: int, hint: str, size: float = 4) -> str:
    """The mark of a series: circle, square, diamond, triangle, and the same hollow."""
    shape, hollow = series % 4, series % SERIES >= 4  # noqa: PLR2004 - four shapes
    r = size
    inner = (
        f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}"',
        f'<rect x="{x - r * 0.9:g}" y="{y - r * 0.9:g}" width="{r * 1.8:g}" height="{r * 1.8:g}"',
        f'<path d="M{x:g} {y - r * 1.3:g}L{x + r * 1.3:g} {y:g}L{x:g} {y + r * 1.3:g}L{x - r * 1.3:g} {y:g}Z"',
        f'<path d="M{x:g} {y - r * 1.2:g}L{x + r * 1.2:g} {y + r:g}L{x - r * 1.2:g} {y + r:g}Z"',
    )[shape]
    tag = inner[1 : inner.index(" ")]
    kind = "mark hollow" if hollow else "mark"
    return f'{inner} class="{kind} s{series % SERIES}"><title>{text_of(hint)}</title></{tag}>'


def path(points: Sequence[tuple[float, float]], series: int) -> str:
    """A line through points."""
    steps = "L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="M{steps}" class="line s{series % SERIES}"/>'


def band(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]], series: int) -> str:
    """The area between two lines."""
    steps = "L".join(f"{x:g} {y:g}" for x, y in [*upper, *reversed(lower)])
    return f'<path d="M{steps}Z" class="band s{series % SERIES}"/>'


def whisker(x1: float, y1: float, x2: float, y2: float) -> str:
    """An interval: a line with ends, level or upright."""
    cap = 3
    ends = (
        line(x1, y1 - cap, x1, y1 + cap, "whisker") + line(x2, y2 - cap, x2, y2 + cap, "whisker")
        if y1 == y2
        else line(x1 - cap, y1, x1 + cap, y1, "whisker") + line(x2 - cap, y2, x2 + cap, y2, "whisker")
    )
    return line(x1, y1, x2, y2, "whisker") + ends


def upright_axis(scale: Scale, left: float, right: float, ticks: Sequence[float], title: str) -> list[str]:
    """Lines across with their values on the left, and what they are above."""
    drawn = [label(left, scale.end - 10, title, kind="axis", anchor="start")]
    for tick in ticks:
        y = scale(tick)
        drawn += [line(left, y, right, y, "grid"), label(left - 6, y + 4, f"{tick:g}", anchor="end", kind="tick")]
    return drawn


def level_axis(
    scale: Scale, bottom: float, ticks: Sequence[float], title: str, show: Callable[[float], str] = "{:g}".format
) -> list[str]:
    """Ticks with their values below, and what they are under them."""
    drawn = [line(scale.start, bottom, scale.end, bottom, "base")]
    for tick in ticks:
        x = scale(tick)
        drawn += [
            line(x, bottom, x, bottom + 4, "base"),
            label(max(x, 11), bottom + 17, show(tick), anchor="middle", kind="tick"),
        ]
    return [*drawn, label((scale.start + scale.end) / 2, bottom + 34, title, anchor="middle", kind="axis")]


def round_ticks(low: float, high: float, *, log: bool = False) -> list[float]:
    """A handful of round values from low to high."""
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [m * 10.0**p for p in powers for m in (1, 2, 5) if low <= m * 10.0**p <= high]
        return found if len(found) <= 6 else [v for v in found if f"{v:e}"[0] == "1"] or found[:: len(found) // 4]  # noqa: PLR2004
    span = high - low or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    step = next(s for s in (step / 5, step / 4, step / 2, step, 2 * step) if span / s <= 5)  # noqa: PLR2004
    first = math.ceil(low / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, math.floor(high / step + 1e-9) + 1)]
