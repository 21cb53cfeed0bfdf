"""Which files belong together: a run writes solved and unsolved problems apart, and figures need both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from code_generation.jsonl import decode
from code_generation.results import read_results, unsolved_path
from code_generation.run_manifest import run_manifest_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from code_generation.models import GenerationResult


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


def whole_runs(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files and what belongs to them, each once, and a note on each that was not given."""
    found, notes, known = list(paths), [], {p.resolve() for p in paths}
    for path in paths:
        for other in companions(path):
            if other.resolve() not in known:
                known.add(other.resolve())
                found.append(other)
                notes.append(f"{other.name} belongs to {path.name} and is read with it")
    return found, notes


def results_of(paths: Sequence[Path]) -> Iterator[GenerationResult]:
    """The results of some files, one after the other.

    Raises:
        DataError: no such file, or a line that is no result.
    """
    for path in paths:
        for _, result in read_results(path):
            yield result
