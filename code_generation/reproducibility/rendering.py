"""Manifest, checklist and cards as Markdown. Texts stand in `templates/`; what only people can say stays open there."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from code_generation.certificate import sha256_text
from code_generation.finish_reasons import ending_of
from code_generation.jsonl import encode
from code_generation.pricing import dollars
from code_generation.prompts import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEMPLATES = Path(__file__).parent / "templates"
UNKNOWN = "not stated"


def _template(name: str) -> Prompt:
    return Prompt(name, (TEMPLATES / f"{name}.md").read_text(encoding="utf-8").strip())


def cell(value: Any) -> str:
    """A value as text that can't break out of a table."""
    text = UNKNOWN if value is None or value == "" else str(value)
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *([cell(v) for v in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({n:,})" for name, n in counts.items()) or UNKNOWN


def _cost(cost: Mapping[str, Any], unknown: str) -> str:
    known, without = cost.get("known_sum") or 0.0, cost.get(unknown, 0)
    if not known and without:
        return f"unknown for {without:,}"
    said = f"{dollars(known)} where it is known" if without else dollars(known)
    return f"{said}; unknown for {without:,}" if without else said


def render_manifest(manifest: Mapping[str, Any]) -> str:
    """The reproducibility manifest for people."""
    problems = manifest["problems"] or {}
    counts = manifest["counts"]
    facts = [
        ("data set", problems.get("dataset")), ("source", problems.get("source")),
        ("revision", problems.get("revision")), ("licence", problems.get("licence")),
        ("problems", counts.get("problems")), ("rows", counts.get("rows", 0)),
        ("verified", counts.get("verified", 0)), ("models", _counts(manifest["models"])),
        ("cost", _cost(manifest["cost_usd"], "rows_of_unknown_cost")),
        *((f"verdicts by {name}", _counts(found)) for name, found in manifest["certificates"].items()),
    ]  # fmt: skip
    parts = [
        f"# Reproducibility manifest: {cell(manifest['run'])}",
        _table(("what", "value"), facts),
        "## Commands, in their order",
        "\n\n".join(_session(number, s) for number, s in enumerate(manifest["sessions"], 1)),
        "## Files",
        _table(
            ("role", "path", "bytes", "sha256"),
            ([f["role"], f["path"], f["bytes"], f["sha256"]] for f in [*manifest["files"], *manifest["exports"]]),
        ),
        *([f"Named by the run and not there: {', '.join(manifest['missing'])}"] if manifest["missing"] else []),
        "## Environment",
        _table(
            ("package", "version"),
            [("python", manifest["versions"]["python"]), ("platform", manifest["platform"]),
             *manifest["packages"].items()],
        ),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _session(number: int, session: Mapping[str, Any]) -> str:
    command = shlex.join(str(word) for word in session.get("command", []))
    fence = "`" * 4
    when = f"{session.get('started_at')} to {session.get('ended_at', 'a kill')}: {session.get('status')}"
    return f"{number}. {cell(when)}\n\n{fence}\n{command.replace(fence, '')}\n{fence}"


def render_checklist(manifest: Mapping[str, Any]) -> str:
    """The checklist, ticked where the files show it."""
    problems, sessions = manifest["problems"] or {}, manifest["sessions"]
    certificates = manifest["certificates"]
    roles = {f["role"] for f in manifest["files"]}
    samplings = [s.get("model", {}).get("sampling", {}) for s in sessions]
    shown = {
        "has_problems": bool(problems.get("sha256")),
        "has_source": bool(problems.get("dataset") and problems.get("source") and problems.get("revision")),
        "has_licence": bool(problems.get("licence")),
        "has_splits": bool(problems.get("splits")),
        "has_sessions": bool(sessions) and all(s.get("command") and s.get("prompts") for s in sessions),
        "has_model": bool(sessions) and all(s.get("model", {}).get("model") for s in sessions),
        "has_sampling": bool(samplings) and all("sampling" in s.get("model", {}) for s in sessions),
        "has_seed": bool(samplings) and all(s.get("seed") is not None for s in samplings),
        "has_journal": "journal" in roles,
        "has_certificates": sum(certificates["executor"].values()) > 0,
        "is_isolated": len(certificates["isolation"]) == 1 and len(certificates["python"]) == 1,
        "no_truncated": all(ending_of(None if r == "None" else r) != "cut_off" for r in manifest["finish_reasons"]),
        "has_exports": bool(manifest["exports"]),
    }
    return _template("checklist").render({name: "x" if yes else " " for name, yes in shown.items()}) + "\n"


def render_model_card(manifest: Mapping[str, Any]) -> str:
    """A model card, begun: what the files know of the training data is in it."""
    problems = manifest["problems"] or {}
    exports = [f"- `{e['path']}`: {e['card']['output']['rows']:,} rows, {e['card']['format']}, sha256 {e['sha256']}"
               for e in manifest["exports"]]  # fmt: skip
    values = {
        "exports": "\n".join(exports) or "- Training file: ...",
        "dataset": cell(problems.get("dataset")),
        "licence": cell(problems.get("licence")),
        "models": cell(_counts(manifest["models"])),
        "policy": _policy({n: list(v) for n, v in manifest["certificates"].items()}),
        "manifest_sha256": sha256_text(encode(dict(manifest))),
    }
    return _template("model_card").render(values) + "\n"


def _policy(facts: Mapping[str, Iterable[Any]]) -> str:
    said = "; ".join(f"{name}: {', '.join(cell(v) for v in values)}" for name, values in facts.items() if values)
    return (
        "A row called verified passed every test of its problem, public and private, at least one, each in a process "
        f"of its own that never saw an expected value ({said or 'no certificates'})."
    )


def render_dataset_card(card: Mapping[str, Any]) -> str:
    """The card of an export, from `F.export.json`."""
    written, counts, policy = card["written"], card["counts"], card["verdict_policy"]
    composition = [
        ("rows", counts["rows_written"]), ("made of", f"{counts['units_written']:,} {counts['unit']}"),
        *((name.replace("_", " "), _counts(written[name])) for name in
          ("model", "provider", "source", "difficulty", "n_turns", "prompt_id", "temperature") if written.get(name)),
        ("characters of an answer", " to ".join(cell(card["lengths"][k]) for k in ("least", "most"))),
    ]  # fmt: skip
    filters = [*counts["results_left_out"], *counts["units_left_out"]]
    harness = [v for v in policy.get("verified_by", {}) if str(v).startswith("harness:")]
    claim = _policy({n: list(v) for n, v in policy.items() if n != "verified_by"})
    if harness:
        claim += f" Rows with `verified_by` {', '.join(harness)}: the official harness resolved them, elsewhere."
    results = " ".join(entry["path"] for entry in card["inputs"])
    values = {
        "name": cell(Path(card["output"]["path"]).name),
        "n_rows": f"{counts['rows_written']:,}",
        "format": card["format"],
        "version": card["versions"]["code_generation"],
        "made_at": card["created_at"],
        "policy": claim,
        "file": card["output"]["path"],
        "results": results,
        "composition": "\n".join(f"| {cell(a)} | {cell(b)} |" for a, b in composition),
        "filters": "\n".join(f"| {cell(f['reason'])} | {f['count']:,} | {cell(f['says'])} |" for f in filters),
        "sources": "\n".join(
            "| " + " | ".join(cell(s.get(k)) for k in ("results", "problems", "dataset", "revision", "licence")) + " |"
            for s in card["sources"]
        ),
        "costs": _cost(card["cost_usd"], "units_of_unknown_cost") + ", of the rows that are in it.",
        "hashes": "\n".join(
            "| " + " | ".join(cell(f[k]) for k in ("path", "bytes", "sha256")) + " |"
            for f in [card["output"], *card["inputs"]]
        ),
    }
    return _template("dataset_card").render(values) + "\n"
