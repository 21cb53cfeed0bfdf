"""What an export was, beside it as `F.export.json`: what was read, what was left out and why, what proves the rest.

A data set card is written from it, so it says all that such a card should: models, providers, costs, licences of the
sources, the verdict's policy, options, hashes, versions.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from code_generation import __version__
from code_generation.exporters.conversation import REASONS
from code_generation.exporters.selection import SELECTION
from code_generation.exporters.writing import rows_path
from code_generation.interruption import command_line
from code_generation.journal import now
from code_generation.jsonl import decode, encode, write_lines
from code_generation.loaders.sources import sha256_of
from code_generation.models import SCHEMA
from code_generation.preprocess import manifest_path
from code_generation.run_manifest import describe_options, run_manifest_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from code_generation.exporters.conversation import Conversation
    from code_generation.exporters.formats import Format
    from code_generation.exporters.index import Index
    from code_generation.exporters.options import ExportOptions
    from code_generation.exporters.pipeline import ExportReport
    from code_generation.models import JsonValue

KIND = "export"


def card_path(output: Path) -> Path:
    """`sft.jsonl` -> `sft.jsonl.export.json`."""
    return output.with_name(f"{output.name}.export.json")


def holds_export(output: Path, *, whatever_it_holds: bool = False) -> bool:
    """Whether a file is an export as its card describes it, so that it can be made again; with `whatever_it_holds`,
    whether there is such a card.
    """
    try:
        card = decode(card_path(output).read_bytes())
        if not isinstance(card, dict) or card.get("kind") != KIND:
            return False
        if whatever_it_holds or card.get("being_written") is True:
            return True
        return bool(card["output"]["bytes"] == output.stat().st_size)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def announce(form: Format, output: Path, options: ExportOptions) -> None:
    """Say beside a file that an export is about to be put there: whatever is killed between the two, the same command
    knows the file for its own.
    """
    if output.is_file() or not output.exists():
        said = {"kind": KIND, "being_written": True, "format": form.name, "options": _described(options)}
        write_lines(card_path(output), [said])


def _described(options: ExportOptions) -> dict[str, JsonValue]:
    return describe_options(options) | {"decontaminate": [str(p) for p in options.decontaminate]}


def common_facts(conversation: Conversation) -> dict[str, JsonValue]:
    """What a card counts: the same for many results."""
    result, metadata, certificate = conversation.result, conversation.metadata, conversation.result.certificate
    return {
        "model": metadata.get("model"),
        "provider": metadata.get("provider"),
        "prompt_id": metadata.get("prompt_id"),
        "system_prompt_id": metadata.get("system_prompt_id"),
        "temperature": metadata.get("temperature"),
        "criterion": metadata.get("criterion"),
        "source": result.problem.metadata.get("source"),
        "licence": result.problem.metadata.get("licence") or result.problem.metadata.get("license"),
        "difficulty": result.problem.metadata.get("difficulty"),
        "verified_by": conversation.verified_by,
        "comparison": _comparison(certificate.comparison) if certificate else None,
        "executor": certificate.executor if certificate else None,
        "isolation": certificate.isolation if certificate else None,
        "python": certificate.python if certificate else None,
        "n_turns": len(result.attempts),
        "schema": result.schema,
    }


def _comparison(policy: dict[str, Any]) -> str:
    return f"{policy.get('name', 'default')} (version {policy.get('version')})"


def write_card(
    files: Sequence[Path], form: Format, output: Path, options: ExportOptions, index: Index, report: ExportReport,
    *, table: bool,
) -> dict[str, Any]:  # fmt: skip
    """Write the card of an export that was written; none beside what is no file, a pipe for instance."""
    counted, cost = _count(index)
    regular = output.is_file()
    beside = rows_path(output)
    card: dict[str, Any] = {
        "kind": KIND,
        "format": form.name,
        "container": "parquet" if table else "jsonl",
        "dialect": options.dialect if form.gather == "pairs" else None,
        "created_at": now(),
        "command": command_line(),
        "versions": {"code_generation": __version__, "result_schema": SCHEMA},
        "options": _described(options),
        "inputs": [
            {"path": str(p), "rows": report.read[str(p)], "bytes": p.stat().st_size, "sha256": sha256_of(p)}
            for p in files
        ],
        "output": {
            "path": str(output),
            "rows": report.written,
            "bytes": output.stat().st_size if regular else None,
            "sha256": sha256_of(output) if regular else None,
            "beside": str(beside) if form.has_beside(options) and not table else None,
        },
        "counts": {
            "results_read": report.read.total(),
            "results_left_out": _with_reasons(report.left_out, REASONS),
            "results_admitted": report.read.total() - report.left_out.total(),
            "unit": form.gather,
            "units": report.units,
            "units_left_out": _with_reasons(report.units_left_out, SELECTION),
            "units_written": report.units - report.units_left_out.total(),
            "rows_written": report.written,
        },
        "checks": report.checks,
        "written": counted,
        "cost_usd": cost,
        "lengths": _lengths(index),
        "verdict_policy": {
            name: counted[name] for name in
            ("criterion", "verified_by", "comparison", "executor", "isolation", "python")
        },
        "sources": _sources(files),
    }  # fmt: skip
    if regular:
        write_lines(card_path(output), [card])
    return card


def _with_reasons(counts: Counter[str], says: dict[str, str]) -> list[dict[str, JsonValue]]:
    """Every reason in its order, also those that left out nothing: a filter that was at work is told."""
    return [{"reason": name, "says": text, "count": counts[name]} for name, text in says.items()]


def _count(index: Index) -> tuple[dict[str, dict[str, int]], dict[str, JsonValue]]:
    """How many of the written units there are of each model, provider, ...; and what they cost."""
    counted: dict[str, Counter[str]] = {}
    query = """SELECT facts.text, count(*) FROM units JOIN facts ON facts.id = units.facts
        WHERE units.dropped IS NULL GROUP BY facts.id"""
    for text, count in index.database.execute(query):
        for name, value in json.loads(text).items():
            counted.setdefault(name, Counter())[str(value) if isinstance(value, str) else encode(value)] += count
    (known, unknown) = index.database.execute(
        "SELECT sum(cost), count(*) - count(cost) FROM units WHERE dropped IS NULL"
    ).fetchone()
    names = [*common_names(), *counted]
    table = {name: dict(counted.get(name, Counter()).most_common()) for name in dict.fromkeys(names)}
    return table, {"known_sum": known, "units_of_unknown_cost": unknown}


def common_names() -> tuple[str, ...]:
    """The facts that are counted."""
    return (
        "model", "provider", "prompt_id", "system_prompt_id", "temperature", "criterion", "source", "licence",
        "difficulty", "verified_by", "comparison", "executor", "isolation", "python", "n_turns", "schema",
    )  # fmt: skip


def _lengths(index: Index) -> dict[str, JsonValue]:
    """Characters of the answers that are trained on."""
    query = "SELECT min(chars), avg(chars), max(chars) FROM units WHERE dropped IS NULL"
    least, mean, most = index.database.execute(query).fetchone()
    return {"least": least, "mean": mean, "most": most}


def _sources(files: Sequence[Path]) -> list[dict[str, JsonValue]]:
    """What the manifests say, of the runs and of the problem files that they read, where they are still there."""
    found: list[dict[str, JsonValue]] = []
    for path in files:
        run = _read(run_manifest_path(path)) or _read(
            run_manifest_path(path.with_name(path.name.replace(".unsolved.jsonl", ".jsonl")))
        )
        problems = run.get("source", {}).get("path")
        source: dict[str, Any] = {"results": str(path), "problems": problems}
        if isinstance(problems, str):
            manifest = _read(manifest_path(path.parent / problems)) or _read(manifest_path(path.__class__(problems)))
            source |= {key: manifest.get(key) for key in ("dataset", "source", "revision", "licence")}
            source["problems_sha256"] = run["source"].get("sha256")
        found.append(source)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        data = decode(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
