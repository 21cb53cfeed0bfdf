"""The Responses dialect of OpenAI, without the service keeping anything: every call carries the whole conversation.

Items of the output go back into the input as they came, encrypted reasoning and ids included. System messages are items
as well, not `instructions`: so the input of a turn begins with the input of the turn before, byte for byte, which is
what prompt caches live on, and a system message may stand anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from code_generation.literals import lift_digit_limit
from code_generation.models import Usage
from code_generation.providers.reading import (
    FILTERED,
    asked,
    completion,
    count,
    entries,
    fields,
    read_event,
    refused,
    sendable,
    text,
    total,
)

if TYPE_CHECKING:
    from code_generation.models import Completion, JsonValue, Message, Request
    from code_generation.providers.dialect import Answer, Wire

REASONING = "reasoning.encrypted_content"
NOTHING = "(no answer)"
"""Sent in place of an answer of which nothing can be sent back."""
NAMES = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_output_tokens"}
_OTHERS = {"text", "thinking", "redacted_thinking", "tool_use"}
"""Types of blocks of the dialect `messages`."""


class ResponsesDialect:
    """See `dialect.Dialect`."""

    name = "responses"
    sdk = "openai"
    path = "/responses"
    unsupported = frozenset({"seed", "thinking_tokens"})
    """Fields of `Sampling` that can't be said."""

    def build_body(self, request: Request, wire: Wire) -> dict[str, JsonValue]:
        """The body of a call."""
        body: dict[str, JsonValue] = {
            "store": False,
            "include": [],
            **wire.parameters,
            "model": wire.model,
            "input": [item for m in request.messages for item in _items_of(m)],
            **asked(request, NAMES),
        }
        body.pop("stream", None)
        included = body["include"] if isinstance(body["include"], list) else []
        body["include"] = included if REASONING in included else [*included, REASONING]
        if request.sampling.reasoning_effort is not None:
            body["reasoning"] = {**fields(body.get("reasoning")), "effort": request.sampling.reasoning_effort}
        return body | {"stream": True} if wire.stream else body

    def open_events(self) -> ResponsesEvents:
        """Ready for a stream."""
        lift_digit_limit()
        return ResponsesEvents()

    def is_answer(self, body: JsonValue) -> bool:
        """Whether the model came to an end, be it an early one."""
        said = fields(body)
        return isinstance(said.get("output"), list) and said.get("status") in ("completed", "incomplete")

    def read(self, answer: Answer) -> Completion:
        """Make sense of an answer."""
        if answer.status != 200:  # noqa: PLR2004
            return refused(answer)
        body = fields(answer.body)
        output = body.get("output") if isinstance(body.get("output"), list) else None
        messages = [entries(i.get("content")) for i in entries(output) if i.get("type") == "message"]
        said = ["".join(text(p.get("text")) for p in parts if p.get("type") == "output_text") for parts in messages]
        refusal = "".join(text(p.get("refusal")) for parts in messages for p in parts if p.get("type") == "refusal")
        reason = text(fields(body.get("incomplete_details")).get("reason"))
        return completion(
            answer,
            said="\n\n".join(filter(None, said)),  # a comment and the answer: the first line of a fence starts a line
            finish_reason=reason or body.get("status"),
            usage=_usage_of(fields(body.get("usage"))),
            blocks=output or None,
            refusal=refusal or (reason if reason == FILTERED else None),
        )

    def tokens_of(self, body: JsonValue) -> int | None:
        """Tokens read and written, cached ones included: they count against the limit here."""
        usage = _usage_of(fields(fields(body).get("usage")))
        return total(usage.input_tokens, usage.output_tokens)


def _items_of(message: Message) -> list[JsonValue]:
    said = message.content
    if message.role == "assistant":
        items = entries(message.blocks)
        if items and all(text(i.get("type")) and i["type"] not in _OTHERS for i in items):
            while items and items[-1]["type"] == "reasoning":  # refused without the item that it led to
                items.pop()
            # `status: null` is refused, an empty `summary` required
            return [sendable({k: v for k, v in i.items() if v is not None}) for i in items] or [
                _message(message, NOTHING)
            ]
        said = said if said.strip() else NOTHING
    return [_message(message, said)]


def _message(message: Message, said: str) -> dict[str, JsonValue]:
    return {"role": message.role, "content": sendable(said)}


def _usage_of(usage: dict[str, Any]) -> Usage:
    read = fields(usage.get("input_tokens_details"))
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        cached_input_tokens=count(read.get("cached_tokens")),
        cache_write_tokens=count(read.get("cache_write_tokens")),
        reasoning_tokens=count(fields(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )


TERMINAL = {"response.completed", "response.incomplete"}


class ResponsesEvents:
    """Events; the last one brings the whole object, so that the others need not be read."""

    def __init__(self) -> None:
        self.ended = False
        self._error: JsonValue = None
        self._response: dict[str, Any] = {}
        self._items: dict[int, dict[str, Any]] = {}

    def add(self, name: str, data: str) -> None:
        """One event."""
        if name.endswith(".delta") or data.startswith("[DONE]"):
            return
        if name and name not in _READ:
            return
        event = read_event(data)
        kind, index = name or event.get("type"), event.get("output_index")
        if kind == "response.output_item.done":
            self._items[index if type(index) is int else len(self._items)] = fields(event.get("item"))
        elif kind in TERMINAL:
            self._response = fields(event.get("response"))
            self.ended = True
        elif kind == "error" or event.get("error"):
            self._error, self.ended = event.get("error") or event, True
        elif kind == "response.failed":
            self._error, self.ended = fields(event.get("response")).get("error") or {"status": "failed"}, True

    def body(self) -> JsonValue:
        """The whole object. Some services leave items out of it, or the encrypted part of reasoning."""
        if self._error is not None:
            return {"error": self._error}
        output = self._response.get("output")
        whole = list(output) if isinstance(output, list) else []
        done = [self._items[i] for i in sorted(self._items)]
        if len(whole) < len(done):
            whole = done
        for place, (item, earlier) in enumerate(zip(whole, done, strict=False)):
            if isinstance(item, dict) and item.get("id") == earlier.get("id"):
                whole[place] = earlier | {k: v for k, v in item.items() if v is not None or k not in earlier}
        return {**self._response, "output": whole}


_READ = {*TERMINAL, "response.output_item.done", "response.failed", "error"}
DIALECT = ResponsesDialect()
