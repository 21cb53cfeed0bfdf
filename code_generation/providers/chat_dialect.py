"""The Chat Completions dialect: OpenAI and everything that speaks like it (vLLM, SGLang, DeepSeek, OpenRouter, Ollama,
Together, ...). Compatible services leave out or add fields, so nothing is taken for granted.
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

LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
NAMES = {"temperature": "temperature", "top_p": "top_p", "seed": "seed", "reasoning_effort": "reasoning_effort"}


class ChatDialect:
    """See `dialect.Dialect`."""

    name = "chat"
    sdk = "openai"
    path = "/chat/completions"
    unsupported = frozenset({"thinking_tokens"})
    """Fields of `Sampling` that can't be said."""

    def build_body(self, request: Request, wire: Wire) -> dict[str, JsonValue]:
        """The body of a call."""
        body: dict[str, JsonValue] = {
            **wire.parameters,
            "model": wire.model,
            "messages": [_build_message(m) for m in request.messages],
            **asked(request, NAMES),
        }
        if request.sampling.max_tokens is not None:
            body = {k: v for k, v in body.items() if k not in LIMIT_NAMES}
            body[wire.max_tokens_name] = request.sampling.max_tokens
        options = {**fields(body.pop("stream_options", None)), "include_usage": True}
        body.pop("stream", None)
        return body | {"stream": True, "stream_options": options} if wire.stream else body

    def open_events(self) -> ChatEvents:
        """Ready for a stream."""
        lift_digit_limit()
        return ChatEvents()

    def is_answer(self, body: JsonValue) -> bool:
        """Whether there is a message; OpenRouter reports a failed generation in its place or beside it."""
        choices = fields(body).get("choices")
        choice = fields(choices[0]) if isinstance(choices, list) and choices else {}
        return isinstance(choice.get("message"), dict) and not choice.get("error")

    def read(self, answer: Answer) -> Completion:
        """Make sense of an answer."""
        if answer.status != 200:  # noqa: PLR2004
            return refused(answer)
        body = fields(answer.body)
        choice = next(iter(entries(body.get("choices"))), {})
        message = fields(choice.get("message"))
        content, reason = message.get("content"), text(choice.get("finish_reason"))
        parts = entries(content)
        said = content if isinstance(content, str) else "".join(text(p.get("text")) for p in parts)
        refusal = text(message.get("refusal")) or "".join(text(p.get("refusal")) for p in parts)
        more = any(v for k, v in message.items() if k not in {"role", "content"})
        return completion(
            answer,
            said=said,
            finish_reason=reason,
            usage=_usage_of(fields(body.get("usage"))),
            blocks=[message] if message and (more or not isinstance(content, str)) else None,
            refusal=refusal or (reason if reason.startswith(FILTERED) else None),
        )

    def tokens_of(self, body: JsonValue) -> int | None:
        """Tokens read and written, cached ones included: they count against the limit here."""
        usage = _usage_of(fields(fields(body).get("usage")))
        return total(usage.input_tokens, usage.output_tokens)


def _build_message(message: Message) -> dict[str, JsonValue]:
    raw = message.blocks[0] if message.role == "assistant" and message.blocks and len(message.blocks) == 1 else None
    if not isinstance(raw, dict) or "role" not in raw or "type" in raw:  # none, or those of another dialect
        return {"role": message.role, "content": sendable(message.content)}
    # strict services refuse these: `refusal: null`, `tool_calls: []`, and a content of null without calls (Azure)
    kept = {k: v for k, v in raw.items() if v is not None and v != []}
    sent: dict[str, JsonValue] = sendable(kept)
    return sent if "content" in kept else {"role": sent.pop("role"), "content": "", **sent}


def _usage_of(usage: dict[str, Any]) -> Usage:
    """Every level is optional: compatible services leave them out."""
    read = fields(usage.get("prompt_tokens_details"))
    written = fields(usage.get("completion_tokens_details"))
    prompt, answered = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    whole = count(usage.get("total_tokens"))
    if prompt is not None and answered is not None and whole is not None and whole > prompt + answered:
        answered = whole - prompt  # xAI and Gemini leave thinking out of the second, but not out of the total
    cached = [read.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens")]
    return Usage(
        input_tokens=prompt,
        output_tokens=answered,
        cached_input_tokens=next((c for v in cached if (c := count(v)) is not None), None),  # OpenAI, DeepSeek, Kimi
        cache_write_tokens=count(read.get("cache_write_tokens")),
        reasoning_tokens=count(written.get("reasoning_tokens")),
    )


class ChatEvents:
    """Chunks, put together to a chat completion; choices beside the first are left out."""

    def __init__(self) -> None:
        self.ended = False
        self._error: JsonValue = None
        self._top: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._message: dict[str, Any] = {}

    def add(self, name: str, data: str) -> None:
        """One chunk."""
        if data.startswith("[DONE]"):
            self.ended = True
            return
        chunk = read_event(data)
        if name == "error" or chunk.get("error") or chunk.get("object") == "error":
            self._end_with(chunk.get("error") or chunk)
            return
        top = self._top
        for key, value in chunk.items():
            if value or key not in top:  # Azure's first chunk has an empty model, everyone's but the last no usage
                top[key] = value
        choices = chunk.get("choices")
        for choice in choices if type(choices) is list else ():
            if type(choice) is dict and not choice.get("index"):
                self._add_choice(choice)

    def _end_with(self, error: JsonValue) -> None:
        self._error, self.ended = error, True

    def _add_choice(self, choice: dict[str, Any]) -> None:
        if choice.get("error"):
            self._end_with(choice["error"])
            return
        whole = self._choice
        for key, value in choice.items():
            if key == "delta":
                if type(value) is dict:
                    merge(self._message, value)
            elif key == "logprobs" and type(value) is dict:
                whole[key] = merge(fields(whole.get(key)), value)
            elif value is not None or key not in whole:
                whole[key] = value

    def body(self) -> JsonValue:
        """The whole object."""
        if self._error is not None:
            return {"error": self._error}
        message = finish(self._message) or fields(self._choice.get("message"))
        for call in entries(message.get("tool_calls")):
            call.pop("index", None)  # says which fragments belong together
        choice = {"index": 0, "finish_reason": None, **finish(self._choice), "message": message}
        top = {k: v for k, v in self._top.items() if k != "obfuscation"}  # padding of the chunks
        return {**top, "object": "chat.completion", "choices": [choice] if message or self._choice else []}


DIALECT = ChatDialect()
