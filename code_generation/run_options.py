"""How `codegen scrape` and `codegen generate` are told what to do: options, each a flag; a field's docstring is its
help.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations

from code_generation.errors import ConfigError
from code_generation.providers.batches import BatchPace
from code_generation.providers.budget import Caps
from code_generation.scraper import Criterion  # noqa: TC001 - see above

AT_A_TIME, IN_A_WAVE = 60, 5000


@dataclass(frozen=True, kw_only=True)
class PromptOptions:
    """Which prompts are used."""

    system_prompt_id: str = "helpful_coder"
    """System prompt, by id."""
    prompt_id: str = "basic"
    """Opening prompt, by id."""
    prompts_dir: Path | None = None
    """Folder with prompts of one's own, laid out like prompts/; what it lacks comes from there."""


@dataclass(frozen=True, kw_only=True)
class ScrapeOptions:
    """What conversations are about, and when one has come to its end."""

    max_turns: int = 10
    """Answers that one problem may take."""
    samples_per_problem: int = 1
    """Conversations per problem."""
    criterion: Criterion | None = None
    """What counts as solved: all tests (default), the public ones, the private ones, or public but not private."""
    should_pass_private: bool = False
    """Solved means: public and private tests pass (the default, said aloud)."""
    should_not_pass_private: bool = False
    """Solved means: public tests pass and private ones do not."""
    error_log_path: Path | None = None
    """File of the unsolved problems; default: OUT with .unsolved.jsonl."""
    limit: int | None = None
    """Work on the first N problems only."""
    skip_quarantined: bool = False
    """Leave out the problems that `codegen validate --check-canonical` has put on its list, IN.quarantine.jsonl."""
    quarantine: Path | None = None
    """The list, where it is another file; leaves its problems out too."""

    def wanted(self) -> Criterion:
        """The criterion that the flags add up to.

        Raises:
            ConfigError: they contradict each other.
        """
        asked: list[tuple[str, Criterion | None]] = [
            ("--criterion", self.criterion),
            ("--should-pass-private", "all" if self.should_pass_private else None),
            ("--should-not-pass-private", "public-not-private" if self.should_not_pass_private else None),
        ]
        given = [(flag, value) for flag, value in asked if value is not None]
        if len({value for _, value in given}) > 1:
            msg = f"{' and '.join(flag for flag, _ in given)} contradict each other: give one of them"
            raise ConfigError(msg)
        return given[0][1] if given else "all"

    def check(self) -> None:
        """Look at the numbers.

        Raises:
            ConfigError: one that can't be meant.
        """
        check_counts({
            "--max-turns": self.max_turns,
            "--samples-per-problem": self.samples_per_problem,
            "--limit": self.limit,
        })  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """How many answers a problem gets that are independent of each other."""

    num_samples_per_problem: int = 1
    """Answers per problem."""

    def check(self) -> None:
        """Look at the number.

        Raises:
            ConfigError: it can't be meant.
        """
        check_counts({"--num-samples-per-problem": self.num_samples_per_problem})


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run goes: how much at a time, what it may cost, in batches or not."""

    max_concurrent: int | None = None
    """Problems under way at a time; default: 60, with --batch 5000."""
    max_concurrent_requests: int | None = None
    """Calls to the model at a time; default: as many as problems."""
    max_cost_usd: float | None = None
    """Dollars that the run may cost at most, earlier sessions included; it holds whatever comes back."""
    max_cost_per_problem_usd: float | None = None
    """Dollars that one problem may cost at most, all of its samples together."""
    batch: bool = False
    """Ask in batches, at the price of batches: a turn of all conversations at a time, answered within a day."""
    batch_settle: float = 2.0
    """Seconds without a further question after which a batch goes out."""
    batch_poll: float = 30.0
    """Seconds between two looks at a batch."""
    batch_patience: float | None = None
    """Hours after which a batch is cancelled and what it has not answered is asked online; default: never."""
    force: bool = False
    """Start anew; earlier results are kept beside as .bak."""

    @property
    def at_a_time(self) -> int:
        """Problems under way at a time."""
        return self.max_concurrent or (IN_A_WAVE if self.batch else AT_A_TIME)

    @property
    def caps(self) -> Caps:
        """What may be spent."""
        return Caps(max_cost_usd=self.max_cost_usd, max_cost_per_problem_usd=self.max_cost_per_problem_usd)

    @property
    def pace(self) -> BatchPace:
        """When what is done to batches."""
        hours = self.batch_patience
        patience_s = None if hours is None else 3600 * hours
        return BatchPace(settle_s=self.batch_settle, poll_s=self.batch_poll, patience_s=patience_s, submit=self.batch)

    def check(self) -> None:
        """Look at the numbers.

        Raises:
            ConfigError: one that can't be meant.
        """
        check_counts(
            {"--max-concurrent": self.max_concurrent, "--max-concurrent-requests": self.max_concurrent_requests}
        )
        for name, number in (
            ("--batch-settle", self.batch_settle),
            ("--batch-poll", self.batch_poll),
            ("--batch-patience", self.batch_patience),
        ):
            if number is not None and not 0 < number < math.inf:
                msg = f"{name} must be a number above 0, got {number}"
                raise ConfigError(msg)


def check_counts(counts: dict[str, int | None]) -> None:
    """Numbers of things, by flag.

    Raises:
        ConfigError: one below 1.
    """
    for name, count in counts.items():
        if count is not None and count < 1:
            msg = f"{name} must be at least 1, got {count}"
            raise ConfigError(msg)
