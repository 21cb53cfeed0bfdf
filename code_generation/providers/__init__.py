"""Who answers. Vendors that speak the same dialect are rows of a table, not classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.providers.endpoints import (
    DIALECTS,
    ENDPOINTS,
    NO_KEY,
    OFFLINE,
    WIRE_DIALECTS,
    Endpoint,
    ModelChoice,
    ModelOptions,
    choose_model,
)
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.models import CodeProblem
    from code_generation.protocols import Provider

__all__ = [
    "DIALECTS", "ENDPOINTS", "NO_KEY", "OFFLINE", "WIRE_DIALECTS", "Endpoint", "ModelChoice", "ModelOptions",
    "choose_model", "open_provider",
]  # fmt: skip


def open_provider(choice: ModelChoice, options: ModelOptions, problems: Mapping[str, CodeProblem]) -> Provider:
    """Make the provider of a model; `problems` feed the scripted ones. Retries are built in.

    Raises:
        UnknownName, ConfigError, DataError: an unknown scripted model, a replay file that can't be read.
    """
    if choice.endpoint is None:
        offline: Provider = resolve("provider", choice.provider, OFFLINE)(choice.model, problems)
        return offline
    from code_generation.providers.retry import RetryingProvider  # noqa: PLC0415 - tenacity only where calls are made

    dialect = resolve("dialect", choice.endpoint.dialect, DIALECTS)
    return RetryingProvider(dialect(choice, timeout_s=options.request_timeout), max_retries=options.max_retries)
