"""What a run did, counted while it goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from code_generation.errors import (
    CodeGenerationError,
    ConfigError,
    ConversationOver,
    Hopeless,
    ProviderError,
    SandboxUnavailable,
    Stopping,
)
from code_generation.jsonl import print_error
from code_generation.pricing import dollars

if TYPE_CHECKING:
    from code_generation.models import GenerationResult
    from code_generation.scraper import Failed


BUDGET_SPENT = "budget_spent"
"""Kind of the error that ends a run at its cap."""


@dataclass
class RunSummary:
    """Counts of one run."""

    total: int
    """Conversations asked for: problems times samples."""
    done_before: int
    satisfied: int = 0
    verified: int = 0
    unsolved: int = 0
    repaired: int = 0
    """Solved after at least one feedback."""
    turns: int = 0
    tokens: int = 0
    """Read and written, of the rows of this session."""
    input_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    """Of the rows whose cost is known."""
    unknown_costs: int = 0
    """Rows whose cost is not."""
    failures: Counter[str] = field(default_factory=Counter)
    """Error texts of problems that a broken tool left without a result."""
    patches: Counter[bool] = field(default_factory=Counter)
    """Answers to questions for a patch, which get no verdict here: by whether they hold a well-formed one."""
    refused: int = 0
    """Conversations that a model's refusal ended."""
    interrupted: bool = False
    budget_spent: str = ""
    """Why the cap on the run's cost ended it; empty where it did not."""
    _unsaid: list[str] = field(default_factory=list)
    """Failures that may be the whole run's: those are said once then, by its end."""

    @property
    def left(self) -> int:
        """Conversations without a result."""
        return self.total - self.done_before - self.satisfied - self.unsolved - self.patches.total()

    def count(self, result: GenerationResult) -> None:
        """Add one finished problem."""
        self._say()
        self.refused += result.generation_metadata.get("ended") == "refused"
        patch = result.attempts[-1].patch
        if patch is not None:
            self.patches[patch.well_formed] += 1
        else:
            self.satisfied += result.satisfied
            self.unsolved += not result.satisfied
        self.verified += result.verified
        self.repaired += result.satisfied and len(result.attempts) > 1
        self.turns += len(result.attempts)
        self.tokens += (result.usage.input_tokens or 0) + (result.usage.output_tokens or 0)
        self.cached_tokens += result.usage.cached_input_tokens or 0
        self.input_tokens += result.usage.input_tokens or 0
        self.unknown_costs += result.cost_usd is None
        self.cost_usd += result.cost_usd or 0.0

    def count_failure(self, failed: Failed) -> CodeGenerationError | None:
        """Add a problem that a broken tool left without a result. Returns the error where no further problem can
        succeed.
        """
        error = failed.error
        if isinstance(error, Stopping):
            self.budget_spent = self.budget_spent or (str(error) if error.kind == BUDGET_SPENT else "")
            return None
        if isinstance(error, Hopeless | SandboxUnavailable | ConfigError):  # the last: rows can't be written any more
            return error
        self.failures[str(error)] += 1
        if self.failures[str(error)] == 1:
            self._unsaid.append(f"{failed.problem_id}: {error}")
        if self.turns or not _may_be_all(error):
            self._say()
        return None

    def _say(self) -> None:
        for line in self._unsaid:
            print_error(line)
        self._unsaid.clear()

    def note(self) -> str:
        """The counts in a few words."""
        parts = [f"{self.satisfied} solved", f"{self.unsolved} unsolved"]
        if self.patches:
            parts = [f"{self.patches.total()} answers, {self.patches[True]} with a well-formed patch"]
        if self.refused:
            parts.append(f"{self.refused} refused")
        if self.failures:
            parts.append(f"{self.failures.total()} errors")
        if self.tokens:
            share = self.cached_tokens / self.input_tokens if self.input_tokens else 0.0
            parts.append(f"{self.tokens:,} tokens" + (f" ({share:.0%} of the input from a cache)" if share else ""))
        if self.cost_usd:
            each = f", {dollars(self.cost_usd / self.verified)} a verified row" if self.verified else ""
            unknown = f" and {self.unknown_costs} rows of unknown cost" if self.unknown_costs else ""
            parts.append(f"{dollars(self.cost_usd)}{unknown}{each}")
        elif self.unknown_costs and self.tokens:
            parts.append("cost unknown")
        return ", ".join(parts)

    def facts(self) -> dict[str, object]:
        """All counts, for the manifest."""
        counted = (
            "total", "done_before", "satisfied", "unsolved", "verified", "repaired", "refused", "turns", "left",
            "tokens", "cost_usd", "unknown_costs",
        )  # fmt: skip
        cost = {"cost_usd": None if self.unknown_costs else self.cost_usd}
        patches = (
            {"patches": {"well_formed": self.patches[True], "others": self.patches[False]}} if self.patches else {}
        )
        failures = {"failures": dict(self.failures.most_common(100))}
        return {name: getattr(self, name) for name in counted} | patches | cost | failures


def _may_be_all(error: CodeGenerationError) -> bool:
    """Whether it may be about the whole run."""
    return isinstance(error, ProviderError) and not isinstance(error, ConversationOver)
