"""The Messages dialect of Anthropic, and of services that speak like it.

What the service is known to refuse is left out of a conversation that goes on: blank text blocks and thinking that was
cut before its signature came. An answer of which nothing can be sent back is `NOTHING`: a message must hold text beside
its thinking, and not every service that speaks this dialect takes two user messages in a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from code_generation.json_pieces import loads
from code_generation.literals import lift_digit_limit
from code_generation.models import Usage
from code_generation.providers.reading import (
    Pieces,
    asked,
    completion,
    count,
    entries,
    fields,
    finish,
    merge,
    read_event,
    refused,
    sendable,
    text,
    total,
)

if TYPE_CHECKING:
    from code_generation.models import Completion, JsonValue, Message, Request
    from code_generation.providers.dialect import Answer, Wire

MAX_TOKENS = 32_000
"""Sent where nobody asked for a limit: the service requires one. Thinking by a number of tokens comes on top."""
NOTHING = "(no answer)"
CACHED: dict[str, JsonValue] = {"type": "ephemeral"}
_OTHERS = {"message", "reasoning"}
"""Types of items of the dialect `responses`."""


class MessagesDialect:
    """See `dialect.Dialect`."""

    name = "messages"
    sdk = "anthropic"
    path = "/v1/messages"
    unsupported = frozenset({"seed"})
    """Fields of `Sampling` that can't be said."""

    def build_body(self, request: Request, wire: Wire) -> dict[str, JsonValue]:
        """The body of a call."""
        parameters = dict(wire.parameters)
        marks_itself = "cache_control" in parameters
        if marks_itself and not parameters["cache_control"]:
            del parameters["cache_control"]  # false: no caching at all
        parameters.pop("stream", None)
        talk = [m for m in request.messages if m.role != "system"]
        marked = set() if marks_itself else _breakpoints(request, talk)
        body: dict[str, JsonValue] = {
            **parameters,
            "model": wire.model,
            "messages": [_build_message(m, cached=i in marked) for i, m in enumerate(talk)],
            **asked(request, {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_tokens"}),
        }
        if system := "\n\n".join(m.content for m in request.messages if m.role == "system" and m.content.strip()):
            body["system"] = sendable(system)
        _ask_to_think(request, body)
        if "max_tokens" not in body:
            budget = count(fields(body.get("thinking")).get("budget_tokens"))
            body["max_tokens"] = MAX_TOKENS + (budget or 0)
        return body | {"stream": True} if wire.stream else body

    def open_events(self) -> MessagesEvents:
        """Ready for a stream."""
        lift_digit_limit()
        return MessagesEvents()

    def is_answer(self, body: JsonValue) -> bool:
        """Whether there is content, an empty list included."""
        said = fields(body)
        return isinstance(said.get("content"), list) and (
            said.get("type") == "message" or said.get("role") == "assistant"
        )

    def read(self, answer: Answer) -> Completion:
        """Make sense of an answer."""
        if answer.status != 200:  # noqa: PLR2004
            return refused(answer)
        body = fields(answer.body)
        blocks = body.get("content") if isinstance(body.get("content"), list) else None
        said = "".join(text(b.get("text")) for b in entries(blocks) if b.get("type") == "text")
        details, reason = fields(body.get("stop_details")), text(body.get("stop_reason"))
        refusal = text(details.get("category")) or text(details.get("explanation")) or reason
        return completion(
            answer,
            said=said,
            finish_reason=reason,
            usage=_usage_of(fields(body.get("usage"))),
            blocks=None if blocks == [{"type": "text", "text": said}] else blocks or None,
            refusal=refusal if reason == "refusal" else None,
        )

    def tokens_of(self, body: JsonValue) -> int | None:
        """Tokens read and written; those read from the cache don't count against the limit here."""
        usage = fields(fields(body).get("usage"))
        return total(*(count(usage.get(k)) for k in ("input_tokens", "cache_creation_input_tokens", "output_tokens")))


def _breakpoints(request: Request, talk: list[Message]) -> set[int]:
    """Which messages the cache is told about: it is read up to the user message before, and written up to the newest
    one, which the next turn reads. After a last turn there is nobody to read it.
    """
    if request.last_turn and request.turn == 0:
        return set()
    users = [i for i, m in enumerate(talk) if m.role == "user" and m.content.strip()]
    return set(users[-2:-1] if request.last_turn else users[-2:])


def _build_message(message: Message, *, cached: bool) -> dict[str, JsonValue]:
    if message.role == "assistant":
        return {"role": "assistant", "content": _replayed(message)}
    said: str = sendable(message.content)
    marked = [{"type": "text", "text": said, "cache_control": dict(CACHED)}]
    return {"role": message.role, "content": marked if cached else said}


def _replayed(message: Message) -> list[JsonValue]:
    blocks = entries(message.blocks)
    if not blocks or any("role" in b or not text(b.get("type")) or b["type"] in _OTHERS for b in blocks):
        blocks = [{"type": "text", "text": message.content}]
    kept = [b for b in blocks if not _is_refused(b)]
    if all(b["type"] in {"thinking", "redacted_thinking"} for b in kept):
        kept.append({"type": "text", "text": NOTHING})
    return [sendable(b) for b in kept]


def _is_refused(block: dict[str, Any]) -> bool:
    if block["type"] == "text":
        return not text(block.get("text")).strip()
    return block["type"] == "thinking" and not block.get("signature")


def _ask_to_think(request: Request, body: dict[str, JsonValue]) -> None:
    """How hard and how long: `none` and 0 turn thinking off."""
    effort, budget = request.sampling.reasoning_effort, request.sampling.thinking_tokens
    given = fields(body.get("thinking"))
    if effort == "none" or budget == 0:
        body["thinking"] = {"type": "disabled"}
    elif budget is not None:
        body["thinking"] = {**given, "type": "enabled", "budget_tokens": budget}
    elif effort is not None and given.get("type") in {None, "disabled"}:
        body["thinking"] = {"type": "adaptive"}
    if effort not in {None, "none"}:
        body["output_config"] = {**fields(body.get("output_config")), "effort": effort}


def _usage_of(usage: dict[str, Any]) -> Usage:
    """The service counts what it reads from the cache and writes to it beside `input_tokens`."""
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=total(count(usage.get("input_tokens")), read, written),
        output_tokens=count(usage.get("output_tokens")),
        cached_input_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count(fields(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


class MessagesEvents:
    """Events, put together to a message."""

    def __init__(self) -> None:
        self.ended = False
        self._error: JsonValue = None
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, Pieces] = {}

    def add(self, name: str, data: str) -> None:
        """One event."""
        if name == "ping":
            return
        event = read_event(data)
        kind, index = name or event.get("type"), event.get("index")
        if kind == "content_block_delta":
            self._add_delta(index if type(index) is int else 0, fields(event.get("delta")))
        elif kind == "content_block_start":
            self._blocks[index if type(index) is int else 0] = merge({}, fields(event.get("content_block")))
        elif kind == "message_start":
            self._message = fields(event.get("message"))
        elif kind == "message_delta":
            self._add_end(event)
        elif kind == "message_stop":
            self.ended = True
        elif kind == "error" or event.get("error"):
            self._error, self.ended = event.get("error") or event, True

    def _add_delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks.setdefault(index, {})
        kind = delta.pop("type", None)
        if kind == "signature_delta":
            block["signature"] = text(delta.get("signature"))
        elif kind == "input_json_delta":
            self._inputs.setdefault(index, Pieces()).append(text(delta.get("partial_json")))
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta.get("citation")]
        else:
            merge(block, delta)

    def _add_end(self, event: dict[str, Any]) -> None:
        """Counts are totals and replace those of the start; what is null leaves them as they were."""
        usage = self._message["usage"] = fields(self._message.get("usage"))
        others = {k: v for k, v in event.items() if k not in {"type", "delta", "usage"}}
        for into, more in ((self._message, others | fields(event.get("delta"))), (usage, fields(event.get("usage")))):
            for key, value in more.items():
                if value is not None or key not in into:
                    into[key] = value

    def body(self) -> JsonValue:
        """The whole object."""
        if self._error is not None:
            return {"error": self._error}
        blocks = {i: finish(self._blocks[i]) for i in sorted(self._blocks)}
        for index, pieces in self._inputs.items():
            if whole := "".join(pieces):
                try:
                    blocks[index]["input"] = loads(whole)
                except (ValueError, RecursionError):
                    blocks[index]["input"] = whole  # cut by max_tokens
        return {**self._message, "content": list(blocks.values()) or self._message.get("content")}


DIALECT = MessagesDialect()
