"""Which files belong together: a run writes solved and unsolved problems apart, and figures need both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.certificate import sha256_text, tests_sha256
from code_generation.results import read_results
from code_generation.run_manifest import companions, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from code_generation.models import CodeProblem, GenerationResult

MOST_NAMED = 5
"""Problems that a note names."""


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


class Tasks:
    """Which statement and tests stand behind each problem id: figures over samples of several tasks say little."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._seen: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def add(self, result: GenerationResult, dataset: str) -> None:
        """See a row."""
        made = result.certificate
        task = (made.problem_sha256, made.tests_sha256) if made else _hashes(result.problem)
        self._seen.setdefault((dataset, result.problem.problem_id), set()).add(task)

    def notes(self) -> list[str]:
        """A note where a problem id stands with several tests or statements; else none."""
        several = [name for (_, name), tasks in self._seen.items() if len(tasks) > 1]
        if not several:
            return []
        named = ", ".join(several[:MOST_NAMED]) + (", ..." if len(several) > MOST_NAMED else "")
        stand = "1 problem stands" if len(several) == 1 else f"{len(several):,} problems stand"
        why = "in these rows, and figures are over all of their samples as if they were of one task"
        return [f"{stand} with different tests or statements {why}: {named}"]


def _hashes(problem: CodeProblem) -> tuple[str, str]:
    try:
        tests = tests_sha256(problem)
    except RecursionError:
        tests = "nested too deeply to be written"
    return sha256_text(problem.problem), tests
