"""How the commands that measure are told what to do: options, each a flag; a field's docstring is its help."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Literal

from code_generation.errors import ConfigError
from code_generation.evaluation.advantages import BOUND, CLIP, Baseline
from code_generation.evaluation.comparison import Correction  # noqa: TC001 - see above
from code_generation.evaluation.figures import FigureOptions, Method, Missing
from code_generation.evaluation.intervals import LEVEL, RESAMPLES
from code_generation.evaluation.outcomes import What  # noqa: TC001
from code_generation.evaluation.power import ALPHA, POWER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

By = Literal["dataset", "system"]
Side = Literal["file", "model", "strategy"]


@dataclass(frozen=True, kw_only=True)
class RowOptions:
    """What rows don't say of themselves."""

    problems: Path | None = None
    """Problem file of verdicts: buckets by difficulty, tag and so on; its problems without any row are counted."""
    model: str | None = None
    """Model of rows that name none; default: the file's name."""
    strategy: str | None = None
    """Strategy of rows that name none."""


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Which figures, and how they are computed."""

    ks: tuple[str, ...] = ("1,5",)
    """k of pass@k, with commas between; a k above the number of samples of a problem is refused."""
    method: Method = "wilson"
    """Of intervals: Wilson's with an effective number of problems, or a bootstrap over problems."""
    confidence_intervals: bool = False
    """The same as --method bootstrap."""
    missing: Missing = "refuse"
    """Where some problem has fewer than k samples: no pass@k, or the mean over the others and a note."""
    level: float = LEVEL
    """Of intervals: so many of 1 hold the true value."""
    by: By = "dataset"
    """A row for each model, strategy and data set, or for each model and strategy over all data sets."""

    def figure_options(self) -> FigureOptions:
        """As the statistics take them; k = 1 is always among them.

        Raises:
            ConfigError: a number that can't be.
        """
        check_level(self.level)
        method: Method = "bootstrap" if self.confidence_intervals else self.method
        ks = tuple(sorted({1, *parse_ks(self.ks)}))
        return FigureOptions(ks=ks, method=method, missing=self.missing, level=self.level)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where an evaluation is written."""

    output_dir: Path | None = None
    """Folder to write STEM.json, STEM.md and, of result rows, STEM.html to; default: nothing is written."""
    stem: str | None = None
    """Name of the files, without suffix; default: evaluation."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What is compared, and how."""

    by: Side = "file"
    """Systems to compare: each file is one, or the models or the strategies of all files together."""
    what: What = "pass"
    """Value of a sample: passed or not, its reward, or the weighted share of its tests that passed."""
    correction: Correction = "holm"
    """For several comparisons: holm, or benjamini-hochberg."""
    level: float = LEVEL
    """Of intervals; a difference counts as shown where its p-value is below 1 minus this."""
    resamples: int = RESAMPLES
    """Of each bootstrap."""
    seed: int = 0
    """Of the bootstrap's draws."""

    def check(self) -> None:
        """Look at the numbers.

        Raises:
            ConfigError: one that can't be.
        """
        check_level(self.level)
        if self.resamples < 1:
            msg = f"--resamples must be 1 or more, got {self.resamples}"
            raise ConfigError(msg)


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """Power planning."""

    plan: bool = False
    """Compare nothing: say how many problems and samples it takes to see --difference, from one pilot or two."""
    difference: float | None = None
    """Difference of the rates that is to be seen, 0.05 for five points."""
    power: float = POWER
    """Probability of seeing it."""
    alpha: float = ALPHA
    """Level of the test."""
    correlation: float = 0.5
    """With one pilot: what is assumed of its rates and those of another system over the same problems, -1 to 1."""

    def check(self) -> float:
        """Look at the numbers; returns the difference.

        Raises:
            ConfigError: one that can't be.
        """
        if self.difference is None or not 0 < abs(self.difference) <= 1:
            msg = f"--plan needs --difference, more than 0 and at most 1, such as 0.05; got {self.difference}"
            raise ConfigError(msg)
        for flag, value, good, range_ in (
            ("--alpha", self.alpha, 0 < self.alpha < 1, "lies between 0 and 1, such as 0.05"),
            ("--power", self.power, self.alpha / 2 < self.power < 1, "lies between half of --alpha and 1, such as 0.8"),
            ("--correlation", self.correlation, -1 <= self.correlation <= 1, "lies from -1 to 1, such as 0.5"),
        ):
            if not good:
                msg = f"{flag} {range_}; got {value:g}"
                raise ConfigError(msg)
        return self.difference


@dataclass(frozen=True, kw_only=True)
class DiagnoseOptions:
    """What is diagnosed, and how."""

    what: What = "reward"
    """The reward of a sample: 1 or 0 by its verdict (pass, reward), or the weighted share of its tests (fraction)."""
    baseline: Baseline = "leave_one_out"
    """Value baseline of PPO: leave_one_out, or running, what a value function could have learnt by then."""
    clip: float = CLIP
    """PPO's bound on the ratio of probabilities around 1, where rows carry a log_ratio."""
    bound: float = BOUND
    """Beyond it an advantage counts as extreme, where they do not."""
    level: float = LEVEL
    """Of intervals."""

    def check(self) -> None:
        """Look at the numbers.

        Raises:
            ConfigError: one that can't be.
        """
        check_level(self.level)
        for name, number in (("--clip", self.clip), ("--bound", self.bound)):
            if not number > 0:
                msg = f"{name} must be more than 0, got {number}"
                raise ConfigError(msg)


def refuse_given(why: str, *options: object, but: Collection[str] = ()) -> None:
    """Refuse flags that would be passed over in silence; what the environment sets for all commands is none of them.

    Raises:
        ConfigError: names those that differ from their defaults, but for fields in `but`, and why they mean nothing.
    """
    given = [
        f"--{f.name.replace('_', '-')}"
        for kind in options
        for f in fields(kind)  # type: ignore[arg-type]
        if f.name not in but and getattr(kind, f.name) != f.default and not os.environ.get(f"CODEGEN_{f.name.upper()}")
    ]
    if given:
        msg = f"{', '.join(given)}: {why}"
        raise ConfigError(msg)


def parse_ks(texts: Sequence[str]) -> tuple[int, ...]:
    """`["1,5", "10"]` -> (1, 5, 10).

    Raises:
        ConfigError: they are no whole numbers of 1 or more.
    """
    try:
        ks = tuple(int(part) for text in texts for part in text.split(","))
    except ValueError:
        ks = ()
    if not ks or min(ks) < 1:
        msg = f"ks are whole numbers of 1 or more with commas between them, such as 1,5; got {','.join(texts)}"
        raise ConfigError(msg)
    return ks


def check_level(level: float) -> None:
    """Refuse a level that is none.

    Raises:
        ConfigError: it does not lie between 0 and 1.
    """
    if not 0 < level < 1:
        msg = f"--level lies between 0 and 1, such as 0.95; got {level}"
        raise ConfigError(msg)
