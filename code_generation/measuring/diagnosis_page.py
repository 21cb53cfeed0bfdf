"""A diagnosis as Markdown: one run, or two side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from code_generation.measuring.quality import MEASURES
from code_generation.measuring.tables import table
from code_generation.reports.formatting import NONE, between, percent, plural
from code_generation.reports.plain_text import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Summary = dict[str, Any]
NAMES = {
    "lines": "Lines of code",
    "tokens": "Tokens",
    "nodes": "Nodes of the syntax tree",
    "complexity": "Cyclomatic complexity",
    "cpu_s": "CPU time of all tests, s",
    "memory_mb": "Peak memory, MiB",
}


def render_diagnosis(summary: Summary, other: Summary | None = None) -> str:
    """Tables of one diagnosis, or of two with their differences."""
    sides = [summary] if other is None else [summary, other]
    heads = ["Run"] if other is None else ["Run", "Against", "Difference"]
    parts = [
        _alone_note(heads, sides),
        "## Rewards",
        _table(heads, sides, _REWARDS),
        "Only prompts whose samples differ in reward have a gradient under GRPO.",
        "## Advantages",
        _table(heads, sides, _ADVANTAGES),
        _clip_note(sides),
        "## Quality of the code, beside the reward",
        "Medians. No reward is made of these: they tell apart programs that are equally right.",
        _qualities(heads, sides),
        *[f"- {escaped(note)}" for side in sides for note in side["notes"]],
    ]
    return "\n\n".join(part for part in parts if part)


def _alone_note(heads: Sequence[str], sides: Sequence[Summary]) -> str:
    """What single samples can't tell; empty where every prompt has several."""
    lines = []
    for head, side in zip(heads, sides, strict=False):
        if side["smallest_group"] > 1:
            continue
        whole = side["largest_group"] == 1
        who = "Every prompt has" if whole else "Some prompts have"
        lines.append(
            f"{f'{head}: ' if len(sides) > 1 else ''}{who} one sample only. A group of GRPO needs two samples or more: "
            f"{'all its advantages are 0 here, and ' if whole else ''}a prompt with one can't be informative. "
            "Sample more, and diagnose again."
        )
    return "\n\n".join(lines)


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.4g}"


def _count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def _at(*path: str) -> Callable[[Summary], float | None]:
    def get(side: Summary) -> float | None:
        found: Any = side
        for key in path:
            found = found[key]
        return None if found is None else float(found)

    return get


_REWARDS = (
    ("Prompts", _at("n_groups"), _count),
    ("Samples with a reward", _at("n_samples"), _count),
    ("Samples without one", _at("left_out"), _count),
    ("Samples of a prompt, fewest", _at("smallest_group"), _count),
    ("Samples of a prompt, most", _at("largest_group"), _count),
    ("Mean reward", _at("rewards", "mean"), _number),
    ("Informative prompts", _at("informative", "estimate"), percent),
    ("Prompts always solved", _at("all_best"), percent),
    ("Prompts never solved", _at("all_worst"), percent),
    ("Variance of rewards", _at("variance", "total"), _number),
    ("... between prompts", _at("variance", "between"), _number),
    ("... within prompts", _at("variance", "within"), _number),
)
_ADVANTAGES = tuple(
    line
    for key, name in (("grpo", "GRPO"), ("dr_grpo", "GRPO, not divided"), ("ppo", "PPO, whitened"))
    for line in (
        (f"{name}: standard deviation", _at(key, "std"), _number),
        (f"{name}: smallest", _at(key, "min"), _number),
        (f"{name}: largest", _at(key, "max"), _number),
    )
) + tuple(
    line
    for key, name in (("clipping_grpo", "GRPO"), ("clipping_ppo", "PPO"))
    for line in (
        (f"{name}: clipped above", _at(key, "share_high"), percent),
        (f"{name}: clipped below", _at(key, "share_low"), percent),
        (f"{name}: mean ratio", _at(key, "mean_ratio"), _number),
        (f"{name}: approximate KL, nats", _at(key, "approximate_kl"), _number),
    )
)


def _table(heads: Sequence[str], sides: Sequence[Summary], lines: Sequence[Any]) -> str:
    rows = []
    for name, get, show in lines:
        values = [get(side) for side in sides]
        if all(v is None for v in values):
            continue
        cells = [show(v) for v in values]
        if name.startswith("Informative"):
            cells = [f"{c} ({between(s['informative'], percent)})" for c, s in zip(cells, sides, strict=True)]
        rows.append([name, *cells, *_difference(values, show)])
    return table(["", *heads], rows, len(heads))


def _difference(values: Sequence[float | None], show: Callable[[float | None], str]) -> list[str]:
    if len(values) == 1:
        return []
    first, second = values
    if first is None or second is None:
        return [NONE]
    sign = "+" if first > second else ""
    return [f"{sign}{show(first - second)}"]


def _clip_note(sides: Sequence[Summary]) -> str:
    bases = {side["clipping_ppo"]["basis"] for side in sides}
    if bases == {"ratios"}:
        return "Clipped: samples that PPO's objective leaves without a gradient, by their ratios."
    bound = sides[0]["clipping_ppo"]["bound"]
    return (
        f"Clipped: no row carries a `log_ratio`, so advantages beyond {bound:g} stand for it."
        if bases == {"advantages"}
        else "Clipped: by ratios where every row carries a `log_ratio`, else advantages beyond the bound."
    )


def _qualities(heads: Sequence[str], sides: Sequence[Summary]) -> str:
    if not any(side["quality"][verdict]["n"] for side in sides for verdict in ("passed", "failed")):
        return "The rows hold no code."
    tables = []
    for verdict, name in (("passed", "Right"), ("failed", "Wrong")):
        if not any(side["quality"][verdict]["n"] for side in sides):
            continue
        counts = ", ".join(plural(side["quality"][verdict]["n"], "program") for side in sides)
        lines: list[Any] = []
        for m in MEASURES:
            lines.append((NAMES[m], _at("quality", verdict, "median", m), _number))
            lines.append(("... of the reference's", _at("quality", verdict, "median_relative", m), _times))
        tables.append(f"{name} ({counts}):\n\n{_table(heads, sides, lines)}")
    return "\n\n".join(tables)


def _times(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f} \u00d7"
