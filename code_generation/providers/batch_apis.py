"""Batch APIs: many calls in one file, answered within a day at half the price.

A `BatchApi` is what one service offers, and nothing else: it keeps no journal and waits for nothing. Who uses it writes
down what it notes, looks a lost submit up before submitting again, and takes a line for answered when it has been read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from code_generation.errors import ConfigError, Hopeless
from code_generation.jsonl import encode
from code_generation.providers.endpoints import DIALECTS, ENDPOINTS
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence

    from code_generation.errors import ProviderError
    from code_generation.models import JsonValue
    from code_generation.providers.endpoints import ModelChoice

    Line = tuple[str, dict[str, JsonValue]]
    """Custom id (64 hex digits) and the body of an online call, without `stream`."""
    Note = Callable[[str, str], Awaitable[None] | None]

BATCH_APIS = {
    "openai": "code_generation.providers.batch_files:OpenAiBatches",
    "together": "code_generation.providers.batch_files:TogetherBatches",
    "anthropic": "code_generation.providers.batch_messages:AnthropicBatches",
}
HAVE_BATCHES = {"openai": "openai", "openai-responses": "openai", "together": "together", "anthropic": "anthropic"}
"""Row of the provider table -> row of `BATCH_APIS`."""
SPEAK = {"openai": {"chat", "responses"}, "together": {"chat"}, "anthropic": {"messages"}}
"""Row of `BATCH_APIS` -> dialects of its lines."""
AROUND = 120
"""Bytes of a line beside its body and its custom id, at most."""


class BatchLost(Hopeless):
    """A batch, or what it answered, is not there for this key."""

    kind = "batch_lost"


@dataclass(frozen=True, kw_only=True)
class BatchState:
    """How far a batch is."""

    status: Literal["running", "ended"]
    """A batch that was asked to stop runs until it has."""
    reason: str = ""
    """Of one that has ended: `completed`, `expired`, `cancelled`, or `failed: ` and why. All but the last have results,
    of those lines that were answered in time; a completed one may hold failed lines too."""
    done: int | None = None
    """Lines that were answered; None where the service does not say. Some say 0 until the end."""
    failed: int | None = None
    """Lines that ended without an answer."""
    total: int | None = None
    passing: bool = False
    """A batch that failed for a reason that passes: too much is queued already."""


@dataclass(frozen=True, kw_only=True)
class BatchLine:
    """What became of one line."""

    custom_id: str
    """Empty where a line of the results says nothing about whom it belongs to."""
    status: int | None = None
    """HTTP status; None where no call was made."""
    body: JsonValue = None
    """The service's JSON object: an answer, or the error with which it refuses, as `dialect.Answer` has them."""
    error: ProviderError | None = None
    """Why there is no answer; None where `body` is one. Its kind is `expired` or `cancelled` where the batch ended
    first."""
    request_id: str | None = None


class BatchApi(Protocol):
    """The batches of one service.

    Every method raises a `ProviderError` where the service gives no answer; `retryable` says whether the same again can
    help.
    """

    most_lines: int
    most_bytes: int
    """Of all lines together, as `size_of` counts them."""
    uploads: bool
    """Lines go into a file first; there is no batch before its file was noted."""

    async def submit(self, tag: str, lines: Sequence[Line], note: Note) -> str:
        """Make a batch and return its id.

        `tag` names it at the service, where that can be: letters, digits, `_`, `-` and `.`, at most 64. `note` is told
        what exists as soon as it does, `("file", id)`, and is waited for before the next step.

        Raises:
            ProviderError: not known whether there is a batch; `find` tells.
            RequestRejected, Hopeless: there is none.
        """
        ...

    async def find(
        self,
        tag: str,
        *,
        file_id: str | None,
        lines: int,
        custom_ids: Collection[str],
        since: float,
        known: Collection[str] = (),
    ) -> str | None:
        """The batch that a lost submit has made; None where the listing, which may lag behind, has none.

        `since` is the time (Unix, seconds) just before the submit, `known` the ids of batches that are others. Where a
        service lets nobody name a batch (Anthropic), one that still runs is told by its time and its number of lines
        alone: lines with another's custom ids in its results are another's.

        Raises:
            ProviderError: kind `undecided` where several could be it, until they have ended.
        """
        ...

    async def state(self, batch_id: str) -> BatchState:
        """How far a batch is.

        Raises:
            BatchLost: this key has no such batch.
        """
        ...

    def results(self, batch_id: str) -> AsyncGenerator[BatchLine, None]:
        """Every line of a batch that has ended, in any order, each as soon as it has been read as a whole.

        Raises:
            ProviderError: kind `truncated` where the results broke off: the lines so far are good, and all come again
                next time. Kind `running` where the batch has not ended.
            BatchLost: the results are no longer kept, or are another key's.
        """
        ...

    async def cancel(self, batch_id: str) -> None:
        """Ask a batch to stop; one that has ended stays as it is. What was answered by then is in its results."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def open_batch_api(choice: ModelChoice, *, timeout_s: float = 600.0) -> BatchApi:
    """The batches of a model's service; `timeout_s` bounds a call, and how long a download may stand still.

    Raises:
        ConfigError: it has none, or the address or the key can't be used.
    """
    api: BatchApi = resolve("batch API", _row_of(choice), BATCH_APIS)(choice, timeout_s=timeout_s)
    return api


def _row_of(choice: ModelChoice) -> str:
    own = choice.provider == "custom" or choice.provider not in ENDPOINTS
    speaking = ""
    if choice.endpoint is not None and (own or choice.provider in HAVE_BATCHES):
        dialect = getattr(resolve("dialect", choice.endpoint.dialect, DIALECTS), "name", "")
        rows = ("openai", "anthropic") if own else (HAVE_BATCHES[choice.provider],)
        if found := next((row for row in rows if dialect in SPEAK[row]), None):
            return found
        speaking = f" (speaking {choice.endpoint.dialect})"
    msg = (
        f"{choice.provider}{speaking} has no batches that are known here: leave --batch out, or use "
        f"{', '.join(sorted(HAVE_BATCHES))}, or custom with --base-url for a service that speaks like one of them"
    )
    raise ConfigError(msg)


def size_of(custom_id: str, body: dict[str, JsonValue]) -> int:
    """Bytes that a line takes, at most."""
    return len(encode(body)) + len(custom_id) + AROUND


def split(lines: Iterable[Line], most_lines: int, most_bytes: int) -> Iterator[list[Line]]:
    """Lines in their order, in as few batches as hold them; one that is too large on its own comes alone."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        more = size_of(*line)
        if batch and (len(batch) == most_lines or size + more > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += more
    if batch:
        yield batch
