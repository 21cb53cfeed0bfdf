"""The reproducibility manifest of a run: every file with its hash, every session, and what came of it.

    {"kind": "reproducibility", "run": "solutions.jsonl", "files": [{"role": "results", "path": "solutions.jsonl",
     "bytes": 18233, "sha256": "..."}, ...], "problems": {"dataset": "mbpp", "revision": null, "licence": "CC-BY-4.0",
     ...}, "sessions": [{"command": [...], "model": {...}, "options": {...}, "versions": {...}, ...}],
     "counts": {"rows": 30, "verified": 28, ...}, "certificates": {"isolation": {"full": 30}, ...}, "exports": [...]}

Paths are relative to the folder of the run, so that the manifest means the same where the folder is copied to.
"""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Any

from code_generation import __version__
from code_generation.certificate import tests_sha256
from code_generation.errors import ConfigError, DataError
from code_generation.exporters.export_card import card_path
from code_generation.jsonl import decode
from code_generation.loaders.sources import sha256_of
from code_generation.preprocess import manifest_path
from code_generation.progress import Progress
from code_generation.results import read_results
from code_generation.run_manifest import run_manifest_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from code_generation.models import GenerationResult

KIND = "reproducibility"
DISTRIBUTION = "verified-codegen"


def collect(run: Path, exports: Sequence[Path] = ()) -> dict[str, Any]:
    """The manifest of a run and of the exports that were made of it.

    Raises:
        ConfigError: it has no manifest, or an export no card. DataError: a file of it is not what it should be.
    """
    if not run.is_file():
        msg = f"{run}: no such file"
        raise ConfigError(msg)
    folder = run.parent
    manifest = _read(run_manifest_path(run), "a run's manifest; name OUT of `codegen scrape` or `codegen generate`")
    files = _files_of(run, manifest)
    problems = files.get("problems")
    results = [path for role, path in files.items() if role in {"results", "unsolved"}]
    with Progress("hashing", len(files) + len(exports)) as progress:
        listed = []
        for role, path in files.items():
            listed.append(_fingerprint(role, path, folder))
            progress.step(path.name)
        made = [_export(path, folder) for path in exports]
        listed += [_fingerprint("export_card", card_path(path), folder) for path in exports]
    counted = _count(r for path in results for _, r in read_results(path))
    return {
        "kind": KIND,
        "run": run.name,
        "versions": {"code_generation": __version__, "python": " ".join(sys.version.split())},
        "platform": platform.platform(),
        "packages": _packages(),
        "files": listed,
        "missing": sorted(role for role, path in _named(run, manifest).items() if not path.is_file()),
        "problems": _problems(problems, folder),
        "sessions": manifest["sessions"],
        **counted,
        "exports": made,
    }


def _named(run: Path, manifest: dict[str, Any]) -> dict[str, Path]:
    """Every file that the run says is its own, by role; those beside it where the folder was moved."""
    named: dict[str, str] = {"problems": str(manifest.get("source", {}).get("path", "")), **manifest.get("files", {})}
    folder = run.parent
    paths = {}
    for role, text in named.items():
        path = run.__class__(text)
        paths[role] = path if path.is_file() else folder / path.name
    return {role: path for role, path in paths.items() if path.name}


def _files_of(run: Path, manifest: dict[str, Any]) -> dict[str, Path]:
    found = {role: path for role, path in _named(run, manifest).items() if path.is_file()}
    problems = found.get("problems")
    if problems is not None and manifest_path(problems).is_file():
        found["problems_manifest"] = manifest_path(problems)
    if "results" not in found:
        msg = f"{run} is not there, though its manifest is; put it back or name another run"
        raise ConfigError(msg)
    return found


def _fingerprint(role: str, path: Path, folder: Path) -> dict[str, Any]:
    return {
        "role": role,
        "path": os.path.relpath(path, folder),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }


def _problems(path: Path | None, folder: Path) -> dict[str, Any] | None:
    """Where the problems came from, as their own manifest says it."""
    if path is None:
        return None
    facts: dict[str, Any] = {"path": os.path.relpath(path, folder), "sha256": sha256_of(path)}
    if manifest_path(path).is_file():
        said = _read(manifest_path(path), "the manifest of a problem file")
        names = ("dataset", "source", "revision", "licence", "rows_in", "problems_out", "options", "splits", "seed")
        facts |= {name: said[name] for name in names if said.get(name) is not None}
        facts["bad_rows"] = len(said.get("bad_rows", []))
    return facts


def _count(results: Iterable[GenerationResult]) -> dict[str, Any]:
    """Counts over all rows; the tests of all problems under one hash."""
    counts: Counter[str] = Counter()
    certificates: dict[str, Counter[str]] = {n: Counter() for n in ("executor", "isolation", "python", "comparison")}
    models: Counter[str] = Counter()
    finish: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    tests: dict[str, str] = {}
    cost, unknown = 0.0, 0
    for result in results:
        counts["rows"] += 1
        counts["verified"] += result.verified
        counts["satisfied"] += result.satisfied
        counts["attempts"] += len(result.attempts)
        tests[result.problem.problem_id] = tests_sha256(result.problem)
        models[str(result.generation_metadata.get("model"))] += 1
        ended[str(result.generation_metadata.get("ended")).partition(":")[0]] += 1
        finish.update(str(a.finish_reason) for a in result.attempts)
        cost, unknown = cost + (result.cost_usd or 0.0), unknown + (result.cost_usd is None)
        if (certificate := result.certificate) is not None:
            for name in ("executor", "isolation", "python"):
                certificates[name][getattr(certificate, name)] += 1
            certificates["comparison"][str(certificate.comparison.get("name", "default"))] += 1
    return {
        "counts": {**counts, "problems": len(tests)},
        "models": dict(models),
        "ended": dict(ended),
        "finish_reasons": dict(finish),
        "cost_usd": {"known_sum": cost, "rows_of_unknown_cost": unknown},
        "certificates": {name: dict(values) for name, values in certificates.items()},
    }


def _export(path: Path, folder: Path) -> dict[str, Any]:
    card = _read(card_path(path), "the card of an export; name a file that `codegen export` wrote")
    if card.get("kind") != "export":
        msg = f"{card_path(path)} is no card of an export"
        raise DataError(msg)
    facts = _fingerprint("export", path, folder)
    if facts["sha256"] != card.get("output", {}).get("sha256"):
        msg = f"{path} is not the file that its card describes: it was changed; export it again"
        raise DataError(msg)
    return {**facts, "card": card}


def _packages() -> dict[str, str]:
    """Versions of what is installed among what this project needs, for an environment alike."""
    found = {DISTRIBUTION: __version__}
    try:
        needed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return found
    for requirement in needed:
        if "dev" in requirement.partition(";")[2]:
            continue  # what checks the project has no part in what it makes
        name = requirement.partition(";")[0].partition("[")[0].split(">")[0].split("<")[0].split("=")[0].strip()
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return dict(sorted(found.items()))


def _read(path: Path, what: str) -> dict[str, Any]:
    try:
        data = decode(path.read_bytes())
    except OSError:
        msg = f"{path} is not there: expected {what}"
        raise ConfigError(msg) from None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        msg = f"{path} is not {what}"
        raise DataError(msg)
    return data
