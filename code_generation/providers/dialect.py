"""What a dialect is: how a question becomes a body, and how a service's answer becomes a `Completion`.

A dialect is pure: `service` sends what it builds and hands back an `Answer`, which is what was paid for. The journal
keeps answers, not completions; what `read` makes of one can be made again at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.models import Completion, JsonValue, Request


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a service answered, before anybody has made sense of it."""

    dialect: str
    """Row of `DIALECTS`."""
    model: str
    """Name of the model as it was asked for."""
    body: JsonValue
    """The service's JSON object; of a stream, the same object put together from its events."""
    latency_s: float
    """From sending the request to the last byte of the answer, seconds."""
    status: int = 200
    """HTTP status; another one than 200 where a service refuses by an error (a content filter's 400)."""
    request_id: str | None = None
    """The service's own name of the call, for its support."""
    changed: dict[str, str] = field(default_factory=dict)
    """Parameters that did not go as asked for: `{"temperature": "not sent", "max_completion_tokens": "sent as
    max_tokens"}`. A limit that was too high is `sent as 64000`; what stands within a parameter has its place in its
    name: `output_config.effort`, `messages.reasoning_content` (in all answers that were sent back)."""
    batch: bool = False
    """It came in a batch, at the price of batches."""
    headers: dict[str, str] = field(default_factory=dict, compare=False)
    """Of the response, a plain dict by lower-case names; not kept."""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How one endpoint wants to be asked, beside its dialect."""

    model: str
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    """Sent in every body as they are: what a registry file says."""
    max_tokens_name: str = "max_completion_tokens"
    """What the dialect `chat` calls the upper limit on the tokens of an answer here."""
    stream: bool = True


class Events(Protocol):
    """The events of one streamed answer, put together to the object that would have come without streaming."""

    ended: bool
    """The terminal event has come, or one that reports an error; without it the answer is truncated."""

    def add(self, name: str, data: str) -> None:
        """One event: its name, empty where it has none, and its data.

        Raises:
            ProviderError: it is no JSON object.
        """
        ...

    def body(self) -> JsonValue:
        """The whole object; `{"error": ...}` where an event reported one."""
        ...


class Dialect(Protocol):
    """One wire format."""

    name: str
    """Row of `DIALECTS`."""
    sdk: str
    """Which SDK carries it: `openai` or `anthropic`."""
    path: str
    """Below the base URL."""
    unsupported: frozenset[str]
    """Fields of `Sampling` that it has no word for."""

    def build_body(self, request: Request, wire: Wire) -> dict[str, JsonValue]:
        """The body of a call. Parameters are in it only when asked for."""
        ...

    def open_events(self) -> Events:
        """Ready for a stream."""
        ...

    def is_answer(self, body: JsonValue) -> bool:
        """Whether a body that came with status 200 is an answer at all, an empty one included."""
        ...

    def read(self, answer: Answer) -> Completion:
        """Make sense of an answer; whatever an odd service left out is None or empty there, never an exception."""
        ...

    def tokens_of(self, body: JsonValue) -> int | None:
        """Tokens that count against a limit: read and written ones, less those that limits leave out (what Anthropic
        reads from its cache); None where the service did not say.
        """
        ...
