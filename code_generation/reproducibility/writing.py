"""What `codegen manifest` does: the manifest in two forms, the checklist and the cards, and the archive."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from code_generation.errors import ConfigError, boundary
from code_generation.jsonl import encode
from code_generation.reproducibility.archive import write_archive
from code_generation.reproducibility.collect import KIND, collect
from code_generation.reproducibility.rendering import (
    render_checklist,
    render_dataset_card,
    render_manifest,
    render_model_card,
)
from code_generation.results import refuse_to_replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANIFEST = "manifest.json"
OURS = "<!-- made by codegen manifest: made anew by the same command; copy it before you edit it -->\n\n"
"""Opens every page, so that one that somebody wrote is never replaced."""


def reproducibility_path(run: Path) -> Path:
    """`solutions.jsonl` -> `solutions.reproducibility/`."""
    return run.with_name(f"{run.name.removesuffix('.jsonl')}.reproducibility")


def write_manifest(run: Path, output_dir: Path | None, exports: Sequence[Path], archive: Path | None) -> list[Path]:
    """Write all of it; returns what was written.

    Raises:
        ConfigError: a file of that name is somebody's, or can't be written. DataError: see `collect`.
    """
    folder = output_dir or reproducibility_path(run)
    manifest = collect(run, exports)
    texts = {
        MANIFEST: encode(manifest) + "\n",
        "manifest.md": OURS + render_manifest(manifest),
        "checklist.md": OURS + render_checklist(manifest),
        "model_card.md": OURS + render_model_card(manifest),
        **{_card_name(e["path"]): OURS + render_dataset_card(e["card"]) for e in manifest["exports"]},
    }
    for name in texts:
        _refuse(folder / name)
    if archive is not None:
        write_archive(archive, run.parent, manifest, {f"{folder.name}/{n}": t for n, t in texts.items()})
    with boundary(ConfigError, f"{folder} can't be written", OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            part = folder / f".{name}.part"
            part.write_text(text, encoding="utf-8", errors="surrogatepass")
            part.replace(folder / name)
    return [*(folder / name for name in texts), *([archive] if archive else [])]


def _card_name(path: str) -> str:
    return f"{PurePath(path).name}.card.md"


def _refuse(path: Path) -> None:
    if path.name == MANIFEST:
        refuse_to_replace(path, KIND, {"kind", "run", "sessions"})
        return
    if path.exists() and not path.read_bytes().startswith(OURS.strip().encode()):
        msg = f"{path} is there already and is somebody's own, so it is not overwritten; choose another --output-dir"
        raise ConfigError(msg)
