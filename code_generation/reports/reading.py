"""Which files belong together: a run writes solved and unsolved problems apart, and figures need both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.results import read_results
from code_generation.run_manifest import companions, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from code_generation.models import GenerationResult


def whole_runs(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files and what belongs to them, each once, and a note on each that was not given."""
    found, notes, known = list(paths), [], {unpacked(p.resolve()) for p in paths}
    for path in paths:
        for other in companions(path):
            if unpacked(other.resolve()) not in known:
                known.add(unpacked(other.resolve()))
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
