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
from code_generation.results import unsolved_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.models import JsonValue
    from code_generation.prompts import PromptSet
    from code_generation.providers import ModelChoice

LIBRARIES = ("openai", "anthropic", "aiohttp", "httpx2", "tenacity", "msgspec")
"""Those that have a part in what a model is asked."""


def run_manifest_path(out: Path) -> Path:
    """`solutions.jsonl` -> `solutions.jsonl.manifest.json`."""
    return out.with_name(f"{out.name}.manifest.json")


def companions(path: Path) -> list[Path]:
    """Files with the other rows of a run, those that did not meet its criterion: of the default name, or as the run's
    manifest names it.
    """
    found = {unsolved_path(path)}
    try:
        said = decode(run_manifest_path(path).read_bytes())["files"]
        if isinstance(said.get("unsolved"), str) and Path(said["results"]).name == path.name:
            found.add(Path(said["unsolved"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass  # there is no manifest beside it, or none of a run
    own = path.resolve()
    return sorted(p for p in found if p.is_file() and p.stat().st_size and p.resolve() != own)


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
        source_facts = {"path": str(source), "bytes": source.stat().st_size, "sha256": sha256_of(source)}
        before = self._data.get("source")
        if before and before.get("sha256") != source_facts["sha256"]:
            print_error(f"{source} is not the file that this run began with; finished problems count as done")
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
