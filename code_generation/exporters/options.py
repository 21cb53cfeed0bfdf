"""What `codegen export` is told: its options, each a flag; a field's docstring is its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import Annotated, Literal

from cyclopts import Parameter  # how a flag is read stands with its field

from code_generation.errors import ConfigError

Thinking = Literal["strip", "tags", "keep"]
Turns = Literal["last", "all"]
Pairs = Literal["within", "across", "both"]
Dialect = Literal["trl", "openai", "together"]
BestOf = Literal["all", "first", "shortest", "fewest-turns", "random"]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What goes into a training file, and how it is written there."""

    thinking: Thinking = "strip"
    """What becomes of a model's thinking: left out (default); before the answer, in `<think>` tags; or kept beside it
    as the provider gave it, `reasoning_content` and raw blocks."""
    turns: Turns | None = None
    """prompt-completion and kto: a row for the last answer of a conversation (the default of prompt-completion), or one
    for each (of kto)."""
    single_turn: bool = False
    """self-debug: conversations that needed no repair too."""
    split_turns: bool = False
    """self-debug: a prompt-completion row for each answer that is trained on, instead of whole conversations."""
    failed_weight: int = 0
    """self-debug, openai, together: loss weight of answers that failed, 0 or 1."""
    pairs: Pairs = "both"
    """dpo: pairs of answers of one conversation, of several conversations about one problem, or both."""
    max_length_ratio: float | None = 2.0
    """dpo: the longer answer of a pair has at most so many times the characters of the shorter one."""
    dialect: Dialect = "trl"
    """dpo: for TRL, or the preference format of OpenAI or Together."""
    of: str = "flat"
    """parquet: the format whose rows are written; flat: a row a result, its fields side by side."""
    where: str | None = None
    """Only results that a filter lets through: `difficulty == "easy" and n_turns <= 2`."""
    best_of: BestOf = "all"
    """Of several rows about one problem keep all, or the first, the one with the shortest answer, the one with the
    fewest turns, or one drawn at random."""
    max_per_problem: int | None = None
    """Rows about one problem at most, the best ones by --best-of."""
    balance: Literal["difficulty"] | None = None
    """Equally many rows of each difficulty, as many as the rarest has, drawn at random; problems that say none are left
    out."""
    seed: int = 0
    """For what is drawn at random."""
    include_gaming: bool = False
    """Also code that shows signs of working against its tests instead of on its problem."""
    keep_duplicates: bool = False
    """Also answers to a problem whose code is, renamed and laid out anew at most, that of an earlier one."""
    decontaminate: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = ()
    """Problem or result files of evaluation sets: what is in them, or overlaps with them, is left out."""
    review: Path | None = None
    """Write what --decontaminate found there with its evidence; hits that say `keep` in it are not left out."""

    def check(self) -> None:
        """Refuse what can't be.

        Raises:
            ConfigError: a number that is none, options that need each other.
        """
        if self.failed_weight not in {0, 1}:
            msg = f"--failed-weight must be 0 or 1, got {self.failed_weight}"
            raise ConfigError(msg)
        if self.max_length_ratio is not None and not self.max_length_ratio >= 1:
            msg = f"--max-length-ratio must be at least 1, got {self.max_length_ratio}"
            raise ConfigError(msg)
        if self.max_per_problem is not None and self.max_per_problem < 1:
            msg = f"--max-per-problem must be at least 1, got {self.max_per_problem}"
            raise ConfigError(msg)
        if self.review is not None and not self.decontaminate:
            msg = "--review is where --decontaminate writes what it found: give --decontaminate FILE too"
            raise ConfigError(msg)

    @property
    def per_problem(self) -> int | None:
        """Rows about one problem at most; None: no limit."""
        return self.max_per_problem or (None if self.best_of == "all" else 1)
