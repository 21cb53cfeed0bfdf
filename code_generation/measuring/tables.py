"""An evaluation as Markdown, which a terminal shows too: leaderboard, adversarial loss, buckets, failures, costs.

A cell without a figure is a dash with a number; the reasons stand below the table, each once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from code_generation.evaluation.official import OUTCOMES
from code_generation.reports.formatting import NONE, between, money, percent, plural, rate, sizes, told, words
from code_generation.reports.plain_text import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from code_generation.measuring.standings import Evaluation

Group = dict[str, Any]
DIMENSIONS = {"difficulty": "Difficulty", "adversarial": "Adversarial", "tag": "Tag", "dataset": "Data set"}
_HARMLESS = re.compile(r"(?!www)[A-Za-z0-9](?:[A-Za-z0-9 ,/-]|[_.:](?=[A-Za-z0-9]))*")
ORDER = {"easy": 0, "medium": 1, "hard": 2}


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """A Markdown table; the last `numbers` columns are set to the right."""
    n = len(header) - numbers
    lines = [header, ["---"] * n + ["---:"] * numbers, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def named(text: str) -> str:
    """A name in a table cell; only what Markdown would take for markup is escaped: a terminal shows the rest as is."""
    return text if _HARMLESS.fullmatch(text) else escaped(text)


def render_standings(evaluation: Evaluation, *, intervals: bool = True) -> str:
    """What a terminal shows: the leaderboard, the loss on the adversarial split, and what could not be told."""
    parts = [
        render_leaderboard(evaluation, intervals=intervals), render_loss(evaluation), render_official(evaluation),
        render_notes(evaluation),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def render_evaluation(evaluation: Evaluation, title: str) -> str:
    """The whole evaluation as a Markdown page."""
    level = f"{100 * evaluation['level']:g} %"
    about = (
        f"{plural(evaluation['n_problems'], 'problem')}, {plural(evaluation['n_samples'], 'sample')}"
        f"{_infra(evaluation['n_infra'])}. In brackets: {level} intervals over problems ({evaluation['method']})."
    )
    parts = [
        f"# {escaped(title)}",
        about,
        "## Leaderboard",
        render_leaderboard(evaluation),
        *_section("Adversarial split", render_loss(evaluation)),
        *_section("By the official harness", render_official(evaluation)),
        *_section("Turns and extraction", _turns(evaluation)),
        *[part for d, name in DIMENSIONS.items() for part in _section(f"By {name.lower()}", _buckets(evaluation, d))],
        *_section("Why samples fail", _failures(evaluation)),
        *_section("Costs", _costs(evaluation)),
        *_section("Notes", render_notes(evaluation)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def _infra(n: int) -> str:
    return f"; {plural(n, 'more sample')} without a verdict, as a box failed: in no figure" if n else ""


def render_leaderboard(evaluation: Evaluation, *, intervals: bool = True) -> str:
    """Rank, model, strategy, problems and samples, pass@k, rewards, adversarial pass@1, cost."""
    cells = Cells(told if intervals else _plain)
    several = len({g["dataset"] for g in evaluation["groups"]}) > 1
    header = [
        "Rank", "Model", "Strategy", *(["Data set"] if several else []), "Problems \u00d7 samples",
        *(f"pass@{k}" for k in evaluation["ks"]), "Mean reward", "Mean fraction of tests", "Adversarial pass@1",
        *(["Infra"] if evaluation["n_infra"] else []), "Cost",
    ]  # fmt: skip
    rows = []
    for group, rank in ranked(evaluation):
        of_all, adversarial = group["all"], group["buckets"]["adversarial"].get("yes")
        rows.append([
            str(rank or NONE), named(group["model"]) or NONE, named(group["strategy"]) or NONE,
            *([named(group["dataset"]) or NONE] if several else []), sizes(of_all),
            *(cells.of(of_all["pass_at"][str(k)]) for k in evaluation["ks"]),
            cells.of(of_all["mean_reward"]), cells.of(of_all["mean_fraction"]),
            cells.of(adversarial["pass_at"]["1"]) if adversarial else NONE,
            *([str(of_all["n_infra"])] if evaluation["n_infra"] else []), money(group["costs"]["cost_usd"]),
        ])  # fmt: skip
    return table(header, rows, len(header) - (4 if several else 3)) + cells.reasons()


def _plain(figure: Group) -> str:
    return rate(figure["value"])


class Cells:
    """Figures as the cells of one table, and why some of them are dashes."""

    def __init__(self, show: Any = told) -> None:
        self._show = show
        self._numbers: dict[str, int] = {}

    def of(self, figure: Group) -> str:
        """The figure, or a dash with the number of its reason."""
        if figure["value"] is None and figure["reason"]:
            return f"{NONE} ({self._numbers.setdefault(figure['reason'], len(self._numbers) + 1)})"
        text: str = self._show(figure)
        return text

    def reasons(self) -> str:
        """The reasons by number, a line each, to stand below the table; empty where no cell has one."""
        lines = "".join(f"\n- ({number}) {reason}" for reason, number in self._numbers.items())
        return f"\n{lines}" if lines else ""


def ranked(evaluation: Evaluation) -> list[tuple[Group, int | None]]:
    """The groups in the order of the leaderboard, each with its rank."""
    groups = {(g["model"], g["strategy"], g["dataset"]): g for g in evaluation["groups"]}
    rows = evaluation["leaderboard"]
    return [(groups[r["model"], r["strategy"], r["dataset"]], r["rank"]) for r in rows]


def _names(evaluation: Evaluation) -> list[tuple[str, Group]]:
    several = len({g["dataset"] for g in evaluation["groups"]}) > 1
    return [(_name(g, several=several), g) for g, _ in ranked(evaluation)]


def _name(group: Group, *, several: bool) -> str:
    parts = [group["model"] or NONE, group["strategy"], group["dataset"] if several else ""]
    return " \u00b7 ".join(named(p) for p in parts if p)


def render_loss(evaluation: Evaluation) -> str:
    """pass@1 of the other problems minus that of the adversarial ones, with its interval; empty where none is told."""
    rows = []
    for name, group in _names(evaluation):
        loss, sides = group["adversarial_loss"], group["buckets"]["adversarial"]
        if loss["value"] is None:
            continue
        cells = [f"{rate(sides[s]['pass_at']['1']['value'])} of {sides[s]['n_problems']}" for s in ("no", "yes")]
        rows.append([name, *cells, f"{loss['value']:+.3f}", between(loss["interval"], lambda v: f"{v:+.3f}")])
    if not rows:
        return ""
    level = f"{100 * evaluation['level']:g} %"
    header = ["Model", "pass@1, other problems", "pass@1, adversarial", "Loss", f"{level} interval of the loss"]
    return table(header, rows, 4)


def render_official(evaluation: Evaluation) -> str:
    """What official harnesses made of samples, where their reports were joined in; empty where none was."""
    mine = [(name, g["official"]) for name, g in _names(evaluation) if g["official"]]
    if not mine:
        return ""
    cells = Cells(lambda f: told(f, percent))
    kinds = [k for k in OUTCOMES if any(o["outcomes"].get(k) for _, o in mine)]
    rows = [
        [name, *(str(o["outcomes"].get(k, 0)) for k in kinds), str(o["n_without"]), cells.of(o["resolved"])]
        for name, o in mine
    ]
    header = ["By the official harness", *(k.capitalize() for k in kinds), "Without an outcome", "Share resolved"]
    about = "Resolved of all with an outcome, errors and empty patches included; run elsewhere, not here."
    return f"{table(header, rows, len(header) - 1)}{cells.reasons()}\n\n{about}"


def render_notes(evaluation: Evaluation) -> str:
    """What was left out, could not be told, or should be known; a line each."""
    lines = [escaped(n) for n in evaluation["notes"]]
    for name, group in _names(evaluation):
        bucket = group["all"]
        for count, what in (
            (bucket["n_missing"], "without any sample"),
            (bucket["n_without_verdict"], "without a sample that has a verdict"),
        ):
            if count:
                lines.append(f"{name}: {plural(count, 'problem')} {what}")
        if bucket["n_infra"]:
            lines.append(f"{name}: {plural(bucket['n_infra'], 'sample')} without a verdict, as a box failed")
        if bucket["n_unjudged"]:
            lines.append(
                f"{name}: {plural(bucket['n_unjudged'], 'sample')} not judged here, as their problems have no tests"
            )
        if bucket["n_quarantined"]:
            lines.append(f"{name}: {plural(bucket['n_quarantined'], 'sample')} of quarantined problems, which count")
        lines += [f"{name}: pass@{k}: {f['reason']}" for k, f in bucket["pass_at"].items()
                  if f["reason"] and f["value"] is not None]  # fmt: skip
    return "\n".join(f"- {line}" for line in lines)


def _turns(evaluation: Evaluation) -> str:
    rows, cells = [], Cells()
    for name, group in _names(evaluation):
        turns = ", ".join(f"{turn}: {n}" for turn, n in group["turns_to_success"].items()) or NONE
        bucket = group["all"]
        share = told(bucket["extraction_failures"], percent)
        rows.append([name, turns, cells.of(group["first_turn"]), share, f"{bucket['n_samples']:,}"])
    header = ["Model", "Samples by the turn that passed", "pass@1 of the first turn", "Answers without code", "Samples"]
    return table(header, rows, 3) + cells.reasons()


def _buckets(evaluation: Evaluation, dimension: str) -> str:
    rows, cells = [], Cells()
    for name, group in _names(evaluation):
        buckets = group["buckets"][dimension]
        if dimension == "dataset" and len(buckets) < 2:  # noqa: PLR2004 - it is the leaderboard's row
            continue
        for key in sorted(buckets, key=lambda b: (ORDER.get(b, len(ORDER)), b)):
            b = buckets[key]
            figures = [cells.of(b["pass_at"][str(k)]) for k in evaluation["ks"]]
            rows.append([name, named(key), sizes(b), *figures, cells.of(b["mean_fraction"])])
    if not rows:
        return ""
    header = ["Model", DIMENSIONS[dimension], "Problems \u00d7 samples", *(f"pass@{k}" for k in evaluation["ks"])]
    return table([*header, "Mean fraction of tests"], rows, len(header) - 1) + cells.reasons()


def _failures(evaluation: Evaluation) -> str:
    named = _names(evaluation)
    kinds = [k for k in evaluation["kinds_of_failure"] if any(g["all"]["failures"].get(k) for _, g in named)]
    if not kinds:
        return ""
    rows = [[name, *(str(g["all"]["failures"].get(k, 0)) for k in kinds)] for name, g in named]
    legend = "\n".join(f"- {words(k)}: {evaluation['kinds_of_failure'][k]}" for k in kinds)
    return table(["Model", *map(words, kinds)], rows, len(kinds)) + f"\n\n{legend}"


def _costs(evaluation: Evaluation) -> str:
    rows, cells = [], Cells(lambda f: told(f, money))
    for name, group in _names(evaluation):
        c = group["costs"]
        tokens = [NONE if c[k] is None else f"{c[k]:,}" for k in ("input_tokens", "output_tokens")]
        rows.append([name, str(c["n_verified"]), *tokens, money(c["cost_usd"]), cells.of(c["usd_per_verified"])])
    header = ["Model", "Verified rows", "Input tokens", "Output tokens", "Cost", "$ per verified row"]
    return table(header, rows, 5) + cells.reasons()
