"""Who answers. Vendors that speak the same dialect are rows of a table, not classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.providers.endpoints import (
    DIALECTS,
    ENDPOINTS,
    NO_KEY,
    OFFLINE,
    Endpoint,
    ModelChoice,
    ModelOptions,
    choose_model,
)
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.batch_ledger import BatchLedger
    from code_generation.event_log import EventLog
    from code_generation.journal import Journal
    from code_generation.models import CodeProblem
    from code_generation.protocols import Provider
    from code_generation.providers.batches import BatchPace
    from code_generation.providers.budget import Caps
    from code_generation.spending import SpendingLog

__all__ = [
    "DIALECTS", "ENDPOINTS", "NO_KEY", "OFFLINE", "Endpoint", "ModelChoice", "ModelOptions", "choose_model",
    "open_provider",
]  # fmt: skip


def open_provider(
    choice: ModelChoice,
    options: ModelOptions,
    problems: Mapping[str, CodeProblem],
    *,
    max_concurrent: int = 60,
    journal: Journal | None = None,
    log: EventLog | None = None,
    batches: BatchLedger | None = None,
    pace: BatchPace | None = None,
    caps: Caps | None = None,
    spending: SpendingLog | None = None,
) -> Provider:
    """Make the provider of a model: journal around retries around canary and limiter around the service. `problems`
    feed the scripted ones, which need none of it. With a ledger of `batches` (and a journal) questions are asked in
    batches. What is spent is added up in the log of `spending` and kept within the `caps`.

    Raises:
        UnknownName, ConfigError, DataError: an unknown scripted model, a replay file that can't be read, a cap that
            can't be kept.
    """
    if choice.endpoint is None:
        offline: Provider = resolve("provider", choice.provider, OFFLINE)(choice.model, problems)
        return offline
    from code_generation.providers.budget import open_budget  # noqa: PLC0415 - only where calls are made
    from code_generation.providers.canary import Canary  # noqa: PLC0415
    from code_generation.providers.journaled import JournaledProvider  # noqa: PLC0415
    from code_generation.providers.limiter import Dispatcher  # noqa: PLC0415
    from code_generation.providers.monitor import Monitor  # noqa: PLC0415
    from code_generation.providers.retry import RetryingService  # noqa: PLC0415
    from code_generation.providers.service import Service  # noqa: PLC0415

    monitor, limits = Monitor(log), choice.limits
    in_batches = batches is not None and journal is not None and (pace is None or pace.submit)
    budget, prices = open_budget(choice, caps, spending, batch=in_batches)

    def on_change(name: str, what: str) -> None:
        monitor.note_change(name, what)
        budget.note_change(name, what)

    service = Service(
        resolve("dialect", choice.endpoint.dialect, DIALECTS),
        choice.wire,
        name=choice.provider,
        base_url=choice.endpoint.base_url,
        api_key=choice.api_key,
        headers=choice.headers,
        timeout_s=options.request_timeout,
        on_change=on_change,
    )
    at_a_time = min(max_concurrent, limits.max_concurrent or max_concurrent)
    dispatcher = Dispatcher(max_concurrent=at_a_time, rpm=limits.rpm, tpm=limits.tpm)
    retrying = RetryingService(service, dispatcher, Canary(), monitor, budget, max_retries=options.max_retries)
    if batches is None or journal is None:
        return JournaledProvider(retrying, journal, monitor, budget, prices)
    from code_generation.providers.batch_apis import open_batch_api  # noqa: PLC0415
    from code_generation.providers.batches import BatchPace, BatchService  # noqa: PLC0415

    api = open_batch_api(choice, timeout_s=options.request_timeout)
    waves = BatchService(
        retrying, api, batches, journal, monitor, budget, pace=pace or BatchPace(), max_retries=options.max_retries
    )
    return JournaledProvider(waves, journal, monitor, budget, prices)
