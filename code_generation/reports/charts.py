"""The charts of a report, each drawn from the report's figures alone, the same every time."""

from __future__ import annotations

from collections import Counter
from typing import Any

from code_generation.evaluation.figures import NEVER
from code_generation.reports import drawing
from code_generation.reports.drawing import SERIES, WIDTH, Chart, Scale
from code_generation.reports.formatting import between, money, percent, rate, told, words

Group = dict[str, Any]
LEFT, RIGHT, TOP = 40.0, WIDTH - 14.0, 34.0
PLOT_BOTTOM = 250.0
HEIGHT = 292.0
QUARTERS = (0, 0.25, 0.5, 0.75, 1)
MOST_BUCKETS = 10
MOST_ROWS = 200
"""Of a table of buckets: data sets may have thousands of tags."""
CROWD = 10
"""Values that an axis has room for; beyond it is logarithmic."""
FEWEST_POINTS = 3
"""Of a line; fewer are bars."""
WIDEST_BAR = 36.0
OTHERS = "others"
_DIFFICULTIES = {"easy": 0, "introductory": 0, "medium": 1, "interview": 1, "hard": 2, "competition": 2}


def charts(report: dict[str, Any]) -> list[Chart]:
    """All charts of a report, also those that have nothing to show and say why."""
    groups = report["groups"][:]
    several = len({g["dataset"] for g in groups}) > 1
    named = [g | {"label": f"{g['name']} · {g['dataset'] or 'no data set'}" if several else g["name"]} for g in groups]
    named.sort(key=lambda g: (g["dataset"], g["rank"] or len(groups) + 1, g["label"]))
    return [_curves(named), _costs(named), _failures(named), _turns(named), *_buckets(named)]


def _drawn(groups: list[Group]) -> tuple[list[Group], str]:
    """The groups that a chart has room for, and a word on the others."""
    left_out = len(groups) - SERIES
    note = f" The best {SERIES} of {len(groups)} are drawn; the table has all." if left_out > 0 else ""
    return groups[:SERIES], note


def _legend(groups: list[Group]) -> list[tuple[int, str]]:
    return [(i, g["label"]) for i, g in enumerate(groups)]


def _curves(groups: list[Group]) -> Chart:
    name, title = "passk", "pass@k"
    says = "The chance that at least one of k samples passes, with its interval."
    mine = [g for g in groups if len(g["curve"]) > 1]
    if not mine:
        return Chart(name=name, title=title, says=says, missing="A curve needs at least two samples of every problem.")
    drawn, note = _drawn(mine)
    most = max(int(k) for g in drawn for k in g["curve"])
    x, y = Scale(1, most, LEFT, RIGHT, log=most > CROWD), Scale(0, 1, PLOT_BOTTOM, TOP)
    every = sorted({int(k) for g in mine for k in g["curve"]})
    ticks = [k for k in every if k <= most and (most <= CROWD or k in {1, 2, 5} or k >= CROWD)]
    body = drawing.upright_axis(y, LEFT, RIGHT, QUARTERS, "pass@k")
    body += drawing.level_axis(x, PLOT_BOTTOM, ticks, "k, samples")
    bands, lines = [], []
    for i, g in enumerate(drawn):
        points = [(x(int(k)), f) for k, f in g["curve"].items()]
        upper, lower = ([(px, y(f["interval"][end])) for px, f in points] for end in ("high", "low"))
        bands.append(drawing.band(upper, lower, i))
        lines.append(drawing.path([(px, y(f["value"])) for px, f in points], i))
        for k, f in g["curve"].items():
            lines.append(drawing.mark(x(int(k)), y(f["value"]), i, f"{g['label']}, pass@{k}: {told(f)}"))
    return Chart(
        name=name,
        title=title,
        says=says + note,
        svg=drawing.picture(name, title, f"{says} k from 1 to {most}.", HEIGHT, [*body, *bands, *lines]),
        legend=_legend(drawn),
        header=["", *(f"pass@{k}" for k in every)],
        rows=[[g["label"], *(told(g["curve"][str(k)]) if str(k) in g["curve"] else "—" for k in every)] for g in mine],
    )


def _costs(groups: list[Group]) -> Chart:
    name, title = "cost", "Cost and quality"
    says = "pass@1 with its interval against what a sample costs on average."
    rows = []
    for g in groups:
        samples = g["all"]["n_samples"] + g["all"]["n_infra"] + g["all"]["n_unjudged"]
        quality, cost = g["all"]["pass_at"]["1"], g["costs"]["cost_usd"]
        if quality["value"] is not None and cost is not None and samples:
            rows.append((g, cost / samples, quality))
    if not rows:
        why = "What samples cost is not known here (no prices, or a model of one's own), or none has a verdict."
        return Chart(name=name, title=title, says=says, missing=why)
    if not any(cost for _, cost, _ in rows):
        why = "Nothing here cost anything, as far as is known (built-in models, or prices of 0): nothing to compare."
        return Chart(name=name, title=title, says=says, missing=why)
    unknown = len(groups) - len(rows)
    note = f" Cost or pass@1 of {unknown} of {len(groups)} is not known." if unknown else ""
    kept, cut = _drawn([g | {"cost": cost, "quality": quality} for g, cost, quality in rows])
    costs = [g["cost"] for g in kept]
    log = min(costs) > 0 and max(costs) / min(costs) > CROWD
    low, high = (min(costs) / 1.5, max(costs) * 1.5) if log else (0.0, max(costs) * 1.15 or 1.0)
    x, y = Scale(low, high, LEFT, RIGHT, log=log), Scale(0, 1, PLOT_BOTTOM, TOP)
    ticks = drawing.round_ticks(low, high, log=log)
    body = drawing.upright_axis(y, LEFT, RIGHT, QUARTERS, "pass@1")
    below = f"dollars a sample{', logarithmic' if log else ''}"
    body += drawing.level_axis(x, PLOT_BOTTOM, ticks, below, "${:g}".format)
    for i, g in enumerate(kept):
        px, f = x(g["cost"]), g["quality"]
        body.append(drawing.whisker(px, y(f["interval"]["low"]), px, y(f["interval"]["high"])))
        body.append(drawing.mark(px, y(f["value"]), i, f"{g['label']}: {told(f)} at {money(g['cost'])} a sample", 5))
    return Chart(
        name=name,
        title=title,
        says=says + note + cut,
        svg=drawing.picture(name, title, says, HEIGHT, body),
        legend=_legend(kept),
        header=["", "$ a sample", "pass@1"],
        rows=[[g["label"], money(cost), told(f)] for g, cost, f in rows],
    )


def _failures(groups: list[Group]) -> Chart:
    name, title = "failures", "Failures by kind"
    says = "Share of the samples that failed, by what went wrong in the last turn; boxes that failed are apart."
    mine = [g | {"failed": _failed(g)} for g in groups if g["all"]["n_samples"]]
    total: Counter[str] = Counter()
    for g in mine:
        total.update(g["failed"])
    if not total:
        return Chart(name=name, title=title, says=says, missing="No sample with a verdict failed.")
    kinds = [k for k, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))]
    parts = {k: [k] for k in kinds}
    if len(kinds) > SERIES:
        parts = {k: [k] for k in kinds[: SERIES - 1]} | {OTHERS: kinds[SERIES - 1 :]}
    drawn, note = _drawn(mine)
    worst = max(sum(g["failed"].values()) / g["all"]["n_samples"] for g in drawn)
    most = next(m for m in (0.1, 0.2, 0.4, 0.8, 1.0) if worst <= m)
    x, bottom = Scale(0, most, 4, RIGHT - 50), TOP - 14 + 38.0 * len(drawn)
    ticks = [round(most * i / 4, 3) for i in range(5)]
    body = [drawing.line(x(t), TOP - 22, x(t), bottom, "grid") for t in ticks]
    body += drawing.level_axis(x, bottom, ticks, "share of samples", lambda v: f"{100 * v:g} %")
    for row, g in enumerate(drawn):
        body += _failure_bar(x, TOP - 8 + 38 * row, g, parts)
    return Chart(
        name=name,
        title=title,
        says=says + note,
        svg=drawing.picture(name, title, says, bottom + 42, body),
        legend=[(i, words(kind)) for i, kind in enumerate(parts)],
        header=["", *map(words, kinds), "samples"],
        rows=[[g["label"], *(str(g["failed"].get(k, 0)) for k in kinds), str(g["all"]["n_samples"])] for g in mine],
    )


def _failed(group: Group) -> dict[str, int]:
    return {k: n for k, n in group["all"]["failures"].items() if k != "infra"}


def _failure_bar(x: Scale, y: float, group: Group, parts: dict[str, list[str]]) -> list[str]:
    failed, n, left = group["failed"], group["all"]["n_samples"], x(0)
    drawn = [drawing.label(left, y, group["label"], kind="name")]
    for i, (kind, members) in enumerate(parts.items()):
        count = sum(failed.get(k, 0) for k in members)
        width = x(count / n) - x(0)
        if count:
            drawn.append(drawing.bar(left, y + 6, width, 14, i, f"{group['label']}, {words(kind)}: {count} of {n}"))
        left += width
    return [*drawn, drawing.label(left + 6, y + 17, percent(sum(failed.values()) / n), kind="tick")]


def _turns(groups: list[Group]) -> Chart:
    name, title = "turns", "Turns to success"
    says = "Share of the samples whose code had passed every test after so many turns."
    solved = [g for g in groups if set(g["turns_to_success"]) - {NEVER}]
    most = max((int(t) for g in solved for t in g["turns_to_success"] if t != NEVER), default=0)
    if most <= 1:
        why = (
            "No sample passed after its first turn, so there is nothing to compare." if solved else "No sample passed."
        )
        return Chart(name=name, title=title, says=says, missing=why)
    mine = [g | {"shares": _shares(g["turns_to_success"], most)} for g in groups if g["turns_to_success"]]
    drawn, note = _drawn(mine)
    y = Scale(0, 1, PLOT_BOTTOM, TOP)
    body = drawing.upright_axis(y, LEFT, RIGHT, QUARTERS, "share that had passed")
    body += _turn_lines(drawn, most, y) if most >= FEWEST_POINTS else _turn_bars(drawn, most, y)
    return Chart(
        name=name,
        title=title,
        says=says + note,
        svg=drawing.picture(name, title, says, HEIGHT, body),
        legend=_legend(drawn),
        header=["", *(f"after {t}" for t in range(1, most + 1)), "never"],
        rows=[
            [g["label"], *(percent(s) for _, s in g["shares"]), str(g["turns_to_success"].get(NEVER, 0))] for g in mine
        ],
    )


def _turn_lines(drawn: list[Group], most: int, y: Scale) -> list[str]:
    x = Scale(1, most, LEFT + 6, RIGHT - 6)
    ticks = list(range(1, most + 1)) if most <= CROWD else [t for t in drawing.round_ticks(1, most) if t == int(t)]
    body = drawing.level_axis(x, PLOT_BOTTOM, ticks, "turns")
    for i, g in enumerate(drawn):
        body.append(drawing.path([(x(t), y(s)) for t, s in g["shares"]], i))
        body += [drawing.mark(x(t), y(s), i, f"{g['label']}, after {t}: {percent(s)}") for t, s in g["shares"]]
    return body


def _turn_bars(drawn: list[Group], most: int, y: Scale) -> list[str]:
    """A bar a group beside each turn: so few points make no line."""
    x = Scale(0.5, most + 0.5, LEFT, RIGHT)
    body = drawing.level_axis(x, PLOT_BOTTOM, list(range(1, most + 1)), "turns")
    width = min(WIDEST_BAR, 0.8 * (RIGHT - LEFT) / most / len(drawn))
    for i, g in enumerate(drawn):
        for turn, share in g["shares"]:
            left, top = x(turn) + (i - len(drawn) / 2) * width, y(share)
            hint = f"{g['label']}, after {turn}: {percent(share)}"
            body.append(drawing.bar(left, top, width - 2, PLOT_BOTTOM - top, i, hint))
    return body


def _shares(turns: dict[str, int], most: int) -> list[tuple[int, float]]:
    n, passed, found = sum(turns.values()), 0, []
    for turn in range(1, most + 1):
        passed += turns.get(str(turn), 0)
        found.append((turn, passed / n))
    return found


def _buckets(groups: list[Group]) -> list[Chart]:
    titles = {"difficulty": "By difficulty", "adversarial": "Adversarial or not", "tag": "By tag"}
    missing = {
        "difficulty": "The data sets say nothing about difficulty.",
        "adversarial": "No problem is marked as adversarial.",
        "tag": "The problems have no tags.",
    }
    return [_bucket_chart(groups, dimension, titles[dimension], missing[dimension]) for dimension in titles]


def _bucket_chart(groups: list[Group], dimension: str, title: str, missing: str) -> Chart:
    name, says = f"by-{dimension}", "pass@1 with its interval."
    sizes: Counter[str] = Counter()
    for g in groups:
        sizes.update({b: v["n_problems"] for b, v in g["buckets"][dimension].items()})
    if not sizes or (dimension == "adversarial" and "yes" not in sizes):
        return Chart(name=name, title=title, says=says, missing=missing)
    frequent = sorted(sizes, key=lambda b: (-sizes[b], b))
    if len(sizes) > MOST_BUCKETS:
        says += f" The {MOST_BUCKETS} most frequent of {len(sizes)} are drawn."
    kept, note = _drawn(groups)
    x, y, body = Scale(0, 1, 4, RIGHT - 50), TOP - 16, []
    for bucket in sorted(frequent[:MOST_BUCKETS], key=_order):
        body.append(drawing.label(x(0), y + 10, _bucket_name(dimension, bucket), kind="name"))
        y += 16
        for i, g in enumerate(kept):
            if found := g["buckets"][dimension].get(bucket):
                body += _bucket_bar(x, y, i, f"{g['label']}, {_bucket_name(dimension, bucket)}", found)
                y += 14
        y += 12
    ticks = drawing.level_axis(x, y, QUARTERS, "pass@1")
    grid = [drawing.line(x(t), TOP - 18, x(t), y, "grid") for t in QUARTERS]
    return Chart(
        name=name,
        title=title,
        says=says + note,
        svg=drawing.picture(name, title, says, y + 42, [*grid, *ticks, *body]),
        legend=_legend(kept),
        header=["", *(g["label"] for g in groups)],
        rows=[
            [_bucket_name(dimension, b), *(_bucket_text(g["buckets"][dimension].get(b)) for g in groups)]
            for b in sorted(frequent[:MOST_ROWS], key=_order)
        ],
    )


def _order(bucket: str) -> tuple[int, float, str]:
    """Easy before hard, numbers by size, the rest by name."""
    number = float(bucket) if bucket.isascii() and bucket.isdecimal() else 0.0
    return _DIFFICULTIES.get(bucket.lower(), 9), number, bucket


def _bucket_name(dimension: str, bucket: str) -> str:
    return {"yes": "adversarial", "no": "not adversarial"}.get(bucket, bucket) if dimension == "adversarial" else bucket


def _bucket_bar(x: Scale, y: float, series: int, name: str, bucket: dict[str, Any]) -> list[str]:
    figure = bucket["pass_at"]["1"]
    if figure["value"] is None:
        return [drawing.label(x(0), y + 9, f"— {figure['reason']}", kind="tick", limit=64)]
    ends, middle, width = figure["interval"], y + 5, x(figure["value"]) - x(0)
    return [
        drawing.bar(x(0), y, width, 10, series, f"{name}: {told(figure)}, {bucket['n_problems']} problems"),
        drawing.whisker(x(ends["low"]), middle, x(ends["high"]), middle),
        drawing.label(x(1) + 50, y + 9, rate(figure["value"]), kind="tick", anchor="end"),
    ]


def _bucket_text(bucket: dict[str, Any] | None) -> str:
    if bucket is None:
        return "—"
    figure = bucket["pass_at"]["1"]
    ends = between(figure["interval"])
    return f"{rate(figure['value'])}{f' ({ends})' if ends else ''}, n={bucket['n_problems']}"
