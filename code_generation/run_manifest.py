"""What a run was: written before anything is asked, closed when it ends. `solutions.jsonl.manifest.json`.

Each start of a run adds a session to it: the command, the options in force, versions, prompts, the problem file's
hash, and in the end what came of it. A session that still says `running` was killed.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from code_generation import __version__
from code_generation.errors import ConfigError
from code_generation.interruption import command_line
from code_generation.journal import now
from code_generation.jsonl import decode, encode, print_error
from code_generation.loaders.sources import sha256_of
from code_generation.records import to_json_object
from code_generation.results import UNSOLVED, unsolved_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.models import JsonValue
    from code_generation.prompts import PromptSet
    from code_generation.providers import ModelChoice

LIBRARIES = ("openai", "anthropic", "aiohttp", "httpx2", "tenacity", "msgspec")
"""Those that have a part in what a model is asked."""
MOST_MANIFESTS = 100
"""Of a folder, that are asked which run a file of unsolved rows belongs to."""


def run_manifest_path(out: Path) -> Path:
    """`solutions.jsonl` -> `solutions.jsonl.manifest.json`."""
    return out.with_name(f"{out.name}.manifest.json")


PACKED = (".gz", ".zst")
"""What the name of a file that was compressed ends in."""


def unpacked(path: Path) -> Path:
    """A file's path without the end that compressing it adds: `solutions.jsonl.gz` -> `solutions.jsonl`."""
    return path.with_name(path.name.removesuffix(path.suffix)) if path.suffix in PACKED else path


def companions(path: Path) -> list[Path]:
    """Files with the other rows of a run, the unsolved ones of a file of solved ones and the other way round: of the
    default name, or as the run's manifest names it, each plain or compressed.
    """
    plain = unpacked(path)
    if plain.name.endswith(UNSOLVED):
        found = {plain.with_name(plain.name.removesuffix(UNSOLVED) + ".jsonl")}
    else:
        found = {unsolved_path(plain)}
    found |= _said_to_belong(plain)
    ends = dict.fromkeys((path.suffix if path.suffix in PACKED else "", "", *PACKED))
    there = (_first_with_rows([p.with_name(p.name + end) for end in ends]) for p in found)
    own = unpacked(path.resolve())
    return sorted({p for p in there if p is not None and unpacked(p.resolve()) != own})


def _said_to_belong(plain: Path) -> set[Path]:
    """What manifests name: the one of this file its unsolved rows, those beside it the run whose unsolved rows it
    holds.
    """
    found = set()
    own = run_manifest_path(plain)
    for manifest in (own, *islice(plain.parent.glob("*.manifest.json"), MOST_MANIFESTS)):
        try:
            said = decode(manifest.read_bytes())["files"]
            results, unsolved = Path(said["results"]), Path(said["unsolved"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # there is no manifest, or none of a run
        if manifest == own and results.name == plain.name:
            found.add(unsolved)
        elif unsolved.name == plain.name and run_manifest_path(results).name == manifest.name:
            found.add(manifest.with_name(results.name))
    return found


def _first_with_rows(paths: list[Path]) -> Path | None:
    return next((p for p in paths if p.is_file() and p.stat().st_size), None)


class RunManifest:
    """The manifest of one run, with the session that is under way."""

    def __init__(self, path: Path) -> None:
        """Read what earlier sessions wrote.

        Raises:
            ConfigError: the file is something else.
        """
        self.path = path
        self.existed = path.exists()
        self._data: dict[str, Any] = _read(path) if self.existed else {"kind": "run", "sessions": []}
        for session in self._data["sessions"]:
            if session.get("status") == "running":
                session["status"] = "killed"

    def begin(self, files: Mapping[str, Path], source: Path, settings: Mapping[str, JsonValue]) -> None:
        """Add a session and write the file."""
        source_facts: dict[str, Any] = {
            "path": str(source),
            "beside": os.path.relpath(source, self.path.parent),
            "bytes": source.stat().st_size,
            "sha256": sha256_of(source),
        }
        before = self._data.get("source") or {}
        earlier = before.get("earlier", [])
        if before and before.get("sha256") != source_facts["sha256"]:
            print_error(f"{source} is not the file that this run began with; finished problems count as done")
            earlier = [*earlier, before.get("sha256")]
        source_facts |= {"earlier": earlier} if earlier else {}
        self._data |= {"source": source_facts, "files": {name: str(path) for name, path in files.items()}}
        session = {"command": command_line(), "started_at": now(), "status": "running", **settings, **_machine()}
        self._data["sessions"].append(session)
        self._write()

    def end(self, status: str, facts: Mapping[str, JsonValue]) -> None:
        """Close the session and write the file."""
        self._data["sessions"][-1] |= {"status": status, "ended_at": now(), **facts}
        self._write()

    def forget(self) -> None:
        """Take the session back: it never came to anything."""
        if not self.existed:
            self.path.unlink(missing_ok=True)
            return
        self._data["sessions"].pop()
        self._write()

    def _write(self) -> None:
        part = self.path.with_name(f".{self.path.name}.part")
        try:
            with part.open("w", encoding="ascii") as file:
                file.write(encode(self._data) + "\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as e:
            msg = f"{self.path} can't be written ({e.strerror or e}); choose another place"
            raise ConfigError(msg) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = decode(path.read_bytes())
    except (OSError, ValueError):
        data = None
    if not isinstance(data, dict) or data.get("kind") != "run" or not isinstance(data.get("sessions"), list):
        msg = f"{path} is there already and is no manifest of a run; move it away"
        raise ConfigError(msg)
    return data


def _machine() -> dict[str, JsonValue]:
    versions = {"code_generation": __version__, "python": " ".join(sys.version.split())}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "platform": platform.platform()}


def describe_model(choice: ModelChoice) -> dict[str, JsonValue]:
    """A model as the manifest names it: no key, and no header, since one may hold a secret."""
    endpoint = choice.endpoint
    facts: dict[str, JsonValue] = {
        "provider": choice.provider,
        "model": choice.model,
        "sampling": to_json_object(choice.sampling),
    }
    if endpoint is None:
        return facts
    return facts | {
        "dialect": endpoint.dialect,
        "base_url": _without_password(endpoint.base_url),
        "parameters": dict(choice.wire.parameters),
        "stream": choice.wire.stream,
        "limits": asdict(choice.limits),
    }


def describe_prompts(prompts: PromptSet) -> dict[str, JsonValue]:
    """Every prompt that the run may use, with its hash and its text."""
    return {name: {"sha256": p.sha256, "text": p.text} for name, p in prompts.all().items()}


def describe_options(options: Any) -> dict[str, JsonValue]:
    """The fields of an options class as JSON."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}


def _without_password(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
