"""What a report is told: its options; a field's docstring is its help."""

from __future__ import annotations

from dataclasses import dataclass

from code_generation.errors import ConfigError

ATTEMPTS = 5000


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What a report shows."""

    title: str = "Report"
    """Stands above the report."""
    ks: tuple[int, ...] = (1, 5)
    """k of the columns pass@k."""
    attempts: int | None = ATTEMPTS
    """Conversations that are shown in full, as many of each model as of the others; figures are always over all rows.
    None: all."""
    level: float = 0.95
    """Of 100 intervals so many, over 100, hold the true value."""
    show_private: bool = False
    """Show inputs, expected values and errors of private tests too: such a report is not for a model's eyes."""

    def check(self) -> None:
        """Refuse what can't be.

        Raises:
            ConfigError: a number that is none.
        """
        if not self.ks or min(self.ks) < 1:
            msg = f"--ks takes whole numbers of 1 or more, got {', '.join(map(str, self.ks)) or 'none'}"
            raise ConfigError(msg)
        if self.attempts is not None and self.attempts < 0:
            msg = f"--attempts must be 0 or more, or all; got {self.attempts}"
            raise ConfigError(msg)
        if not 0 < self.level < 1:
            msg = f"--level must lie between 0 and 1, got {self.level}"
            raise ConfigError(msg)

    @property
    def columns(self) -> tuple[int, ...]:
        """The ks in order; 1 is always there."""
        return tuple(sorted({1, *self.ks}))
