"""The preset of `codegen baselines`: the built-in models on synthetic problems."""

from __future__ import annotations

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
    unfit = [p.problem_id for p in read_problems(dataset) if not p.solutions or not p.metadata.get("shortcuts")]
    if unfit:
        msg = (
            f"{dataset}: {len(unfit)} problems have no reference or no shortcuts (the first: {unfit[0]}), so the "
            "built-in models can't answer them; baselines are for files of codegen synthesize"
        )
        raise DataError(msg)
    models = [name for name in BUILT_IN if include_oracle or name != ORACLE]
    return Recipe(
        datasets=(
            DataEntry(name=NAME, dataset="jsonl", load=LoadOptions(source=str(dataset), limit=max_tasks)),
        ),
        models=tuple(ModelEntry(name=m, options=ModelOptions(model=f"builtin:{m}")) for m in models),
    )  # fmt: skip
