"""All files of a manifest in one `.tar.gz`: the same bytes for the same files, whoever packs them and when."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError, boundary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_archive(path: Path, folder: Path, manifest: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Pack the files that a manifest lists, and texts by name, put in place whole.

    Files outside the run's folder go in under `outside/`. Logs and spending go in too; keys stand in none of them.

    Raises:
        ConfigError: it can't be written, or something else is there under that name.
    """
    if not path.name.endswith((".tar.gz", ".tgz")):
        msg = f"--archive must end with .tar.gz, got {path}"
        raise ConfigError(msg)
    if path.exists() and not tarfile.is_tarfile(path):
        msg = f"{path} is there already and is no archive; choose another file"
        raise ConfigError(msg)
    part = path.with_name(f".{path.name}.part")
    listed = [*manifest["files"], *manifest["exports"]]
    with boundary(ConfigError, f"{path} can't be written", OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            part.open("wb") as file,
            gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, text in sorted(texts.items()):
                content = text.encode("utf-8", "surrogatepass")
                archive.addfile(_entry(name, len(content)), io.BytesIO(content))
            for entry in sorted(listed, key=lambda e: e["path"]):
                with (folder / entry["path"]).open("rb") as source:
                    archive.addfile(_entry(_inside(entry["path"]), entry["bytes"]), source)
        part.replace(path)


def _inside(path: str) -> str:
    inside = PurePath(path)
    outside = inside.is_absolute() or ".." in inside.parts
    return f"outside/{inside.name}" if outside else path


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry
