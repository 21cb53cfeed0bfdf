"""The preset of `codegen baselines`: the built-in models on synthetic problems."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from code_generation.config import BUILT_IN
from code_generation.errors import DataError
from code_generation.loaders import LoadOptions
from code_generation.loaders.jsonl import read_problems
from code_generation.measuring.recipe import DataEntry, ModelEntry, Recipe
from code_generation.providers import ModelOptions
from code_generation.providers.builtin import ORACLE

if TYPE_CHECKING:
    from pathlib import Path

    from code_generation.models import CodeProblem, JsonValue

NAME = "synthetic"
STEM = "baselines"
SAMPLES = 5
TIMEOUT_S = 0.7
"""CPU seconds of a test: references take milliseconds, and what takes hours need not be waited for."""
CONVERSATIONS = 1000
"""That the page shows in full."""


def baselines_recipe(dataset: Path, *, max_tasks: int | None = None, include_oracle: bool = False) -> Recipe:
    """The built-in models over a problem file.

    Raises:
        DataError: some problem leaves the models nothing to answer with.
    """
    unfit = [p.problem_id for p in islice(read_problems(dataset), max_tasks) if not p.solutions or not _wrong_of(p)]
    if unfit:
        msg = (
            f"{dataset}: {len(unfit)} problems have no reference, or neither shortcuts nor "
            f"metadata.incorrect_solutions (the first: {unfit[0]}), so the built-in models can't answer them; "
            "codegen synthesize makes such as they can"
        )
        raise DataError(msg)
    models = [name for name in BUILT_IN if include_oracle or name != ORACLE]
    return Recipe(
        datasets=(
            DataEntry(name=NAME, dataset="jsonl", load=LoadOptions(source=str(dataset), limit=max_tasks)),
        ),
        models=tuple(ModelEntry(name=m, options=ModelOptions(model=f"builtin:{m}")) for m in models),
    )  # fmt: skip


def _wrong_of(problem: CodeProblem) -> JsonValue:
    """What a heuristic model answers where it does not know the reference; empty or None: nothing."""
    return problem.metadata.get("shortcuts") or problem.metadata.get("incorrect_solutions")
