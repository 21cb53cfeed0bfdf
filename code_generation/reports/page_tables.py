"""The tables of a page, cell by cell: what is shown, what it is sorted by, what hovering says."""

from __future__ import annotations

from typing import Any

from code_generation.evaluation.official import OUTCOMES
from code_generation.reports.formatting import NONE, TIMES, between, money, percent, rate, sizes, words
from code_generation.reports.hacks import CAUGHT, PUBLIC_ONLY, SIGNS, TRIED

VERDICTS = {"pass": "PASS", "fail": "FAIL", "infra": "INFRA"}
OFFICIAL_NOTE = (
    "The data set's official harness was run elsewhere, and its report joined in. Resolved of all with an outcome: "
    "errors and empty patches count, incomplete ones do not. No test was run here for it."
)
Cell = dict[str, Any]
Table = dict[str, Any]


def _cell(text: Any, value: Any = None, *, number: bool = False, below: str = "", hint: str = "") -> Cell:
    value = text if value is None and not number else value
    shown = "" if value is None else str(value)
    return {"text": str(text), "value": shown, "number": number, "below": below, "hint": hint}


def _figure(figure: dict[str, Any], show: Any = rate) -> Cell:
    """A figure over its interval; hovering says why there is none, or what it stands on."""
    value = figure["value"]
    note = figure["reason"] or (figure["interval"] or {}).get("note") or ""
    return _cell(show(value), value, number=True, below=between(figure["interval"], show), hint=note)


def _header(names: list[tuple[str, bool]]) -> list[dict[str, Any]]:
    return [{"name": name, "number": number} for name, number in names]


def leaderboard(report: dict[str, Any]) -> Table:
    """The groups in order of their ranks."""
    ks = report["ks"]
    names = [
        ("Rank", True),
        ("Model", False),
        ("Strategy", False),
        ("Data set", False),
        (f"Problems {TIMES} samples", True),
    ]
    names += [(f"pass@{k}", True) for k in ks]
    names += [("Mean reward", True), ("Adversarial pass@1", True), ("Cost", True), ("$ per verified row", True)]
    names += [("Infra errors", True)]
    return {"name": "Leaderboard", "header": _header(names), "rows": [_standing(g, ks) for g in ranked(report)]}


def ranked(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The groups by data set and rank, those without a rank last."""
    last = len(report["groups"]) + 1
    return sorted(report["groups"], key=lambda g: (g["dataset"], g["rank"] or last, g["name"]))


def adversarial(group: dict[str, Any]) -> dict[str, Any]:
    """pass@1 of the adversarial problems."""
    bucket = group["buckets"]["adversarial"].get("yes")
    if bucket is None:
        return {"value": None, "interval": None, "reason": "no problem is marked as adversarial"}
    found: dict[str, Any] = bucket["pass_at"]["1"]
    return found


def _standing(group: dict[str, Any], ks: list[int]) -> list[Cell]:
    costs, of_all = group["costs"], group["all"]
    unknown = f"the cost of {costs['n_unknown_cost']} samples is unknown" if costs["n_unknown_cost"] else ""
    return [
        _cell(group["rank"] or NONE, group["rank"], number=True),
        _cell(group["model"] or "unknown"),
        _cell(group["strategy"] or NONE),
        _cell(group["dataset"] or NONE),
        _cell(sizes(of_all), of_all["n_samples"], number=True),
        *(_figure(of_all["pass_at"][str(k)]) for k in ks),
        _figure(of_all["mean_reward"]),
        _figure(adversarial(group)),
        _cell(money(costs["cost_usd"]), costs["cost_usd"], number=True, hint=unknown),
        _figure(costs["usd_per_verified"], money),
        _cell(f"{of_all['n_infra']:,}", of_all["n_infra"], number=True),
    ]


def reasons(report: dict[str, Any]) -> list[str]:
    """Why there are dashes in the leaderboard, a line each; for several groups with one reason once."""
    found: dict[str, list[str]] = {}
    for g in ranked(report):
        figures = {f"pass@{k}": g["all"]["pass_at"][str(k)] for k in report["ks"]}
        figures |= {"mean reward": g["all"]["mean_reward"], "adversarial pass@1": adversarial(g)}
        figures |= {"$ per verified row": g["costs"]["usd_per_verified"]}
        for name, figure in figures.items():
            if figure["reason"]:
                prefix = "" if figure["reason"].startswith(name) else f"{name}: "
                found.setdefault(f"{prefix}{figure['reason']}", []).append(g["name"])
    everyone = len(report["groups"])
    return [why if len(who) == everyone else f"{why} ({', '.join(dict.fromkeys(who))})" for why, who in found.items()]


def official_table(report: dict[str, Any]) -> Table | None:
    """What official harnesses made of the samples; None where no report of one was joined in."""
    mine = [g for g in ranked(report) if g["official"]]
    if not mine:
        return None
    kinds = [k for k in OUTCOMES if any(g["official"]["outcomes"].get(k) for g in mine)]
    names = [("Model", False), ("Strategy", False), ("Data set", False), *((k.capitalize(), True) for k in kinds)]
    names += [("Without an outcome", True), ("Share resolved", True)]
    rows = []
    for g in mine:
        counts = [g["official"]["outcomes"].get(k, 0) for k in kinds] + [g["official"]["n_without"]]
        rows.append([
            _cell(g["model"] or "unknown"), _cell(g["strategy"] or NONE), _cell(g["dataset"] or NONE),
            *(_cell(f"{n:,}", n, number=True) for n in counts), _figure(g["official"]["resolved"], percent),
        ])  # fmt: skip
    return {"name": "By the official harness", "header": _header(names), "rows": rows}


def hack_table(report: dict[str, Any]) -> Table | None:
    """Hack rates of the groups that have candidates; None where there is none: patches are not looked at."""
    names = [("Model", False), ("Strategy", False), ("Data set", False), ("Candidates", True)]
    names += [("Tried", True), ("Caught", True), ("Signs", True), ("Public-only", True)]
    rows = []
    for g in ranked(report):
        hacks = g["hacks"]
        if not hacks["n_candidates"]:
            continue
        cells = [_cell(g["model"] or "unknown"), _cell(g["strategy"] or NONE), _cell(g["dataset"] or NONE)]
        cells.append(_cell(f"{hacks['n_candidates']:,}", hacks["n_candidates"], number=True))
        for name in (TRIED, CAUGHT, SIGNS, PUBLIC_ONLY):
            interval, count = hacks[name]["interval"], hacks[name]["count"]
            value = interval["estimate"] if interval else None
            ends = between(interval, percent)
            cells.append(_cell(percent(value), value, number=True, below=ends, hint=f"{count:,} candidates"))
        rows.append(cells)
    return {"name": "Hack rate", "header": _header(names), "rows": rows} if rows else None


def trick_rows(report: dict[str, Any]) -> list[list[str]]:
    """Kinds that were found: what they mean, and how many candidates of each group show them."""
    return [
        [words(kind), says, *(f"{g['hacks']['kinds'].get(kind, 0):,}" for g in report["groups"])]
        for kind, says in report["kinds_of_tricks"].items()
    ]


def hack_examples(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Examples by group, those of several models apart."""
    return [
        {
            "label": " · ".join(part for part in (g["name"], g["dataset"]) if part),
            "examples": [
                {
                    **{k: e[k] for k in ("turn", "line", "what", "code")},
                    "kind": words(e["kind"]),
                    "problem": e["problem_id"],
                    "sample": e["sample_index"],
                    "verdict": e["verdict"] or "",
                    "said": VERDICTS.get(e["verdict"], "not judged"),
                }
                for e in g["hacks"]["examples"]
            ],
        }
        for g in ranked(report)
        if g["hacks"]["examples"]
    ]


def file_rows(report: dict[str, Any]) -> list[list[str]]:
    """The files that the report was made of."""
    return [[f["name"], f"{f['rows']:,}", f["sha256"]] for f in report["files"]]
