"""Chat Completions, as OpenAI and the many compatible services speak it: `POST /v1/chat/completions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from test_scripts.wire_formats import (
    CREATED,
    ERRORS,
    Answer,
    Asked,
    Complaint,
    Event,
    Piece,
    canonical,
    chunks,
    cost_of,
    openai_error,
    openai_rejection,
    sign,
    size_of,
    text_of,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

SIDE = 0  # which column of the table of errors
WORDS: dict[str, Complaint] = {}  # where this dialect says it otherwise
REFUSAL = "I can't help with that."
error = openai_error


def asked(body: dict[str, Any], options: argparse.Namespace) -> Asked:
    """Read a request."""
    messages = body["messages"]
    first = next((text_of(m["content"]) for m in messages if m["role"] == "user"), "")
    return Asked(
        first=first,
        turn=sum(m["role"] == "assistant" for m in messages),
        pieces=[Piece(m["role"] + canonical(m.get("content")), size_of(m.get("content")), mark=True) for m in messages],
        reasons=bool(options.reasoning_field) or options.always_think or "reasoning_effort" in body,
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
    )


def complaint(
    body: dict[str, Any], options: argparse.Namespace, extras: Callable[[int], dict[str, Any]]
) -> Complaint | None:
    """Why the service refuses a request; `extras` gives the fields beside the content of the answer of a turn."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return Complaint(400, "Missing required parameter: 'messages'.", "", "missing_required_parameter", "messages")
    for path in options.reject:
        if found := openai_rejection(body, path, options.reject_style):
            return found
    for name in ("max_completion_tokens", "max_tokens"):
        if options.max_output and (body.get(name) or 0) > options.max_output:
            most = f"This model supports at most {options.max_output} completion tokens"
            said = f"{name} is too large: {body[name]}. {most}, whereas you provided {body[name]}."
            return Complaint(400, said, "", "invalid_value", name)
    if options.check_fields:
        turns = [(n, m) for n, m in enumerate(messages) if m["role"] == "assistant"]
        for turn, (place, message) in enumerate(turns):
            for key, value in extras(turn).items():
                if message.get(key) != value:
                    said = f"The `{key}` of an earlier answer must be passed back to the API."
                    return Complaint(400, said, "", "invalid_request_error", f"messages.[{place}].{key}")
    return None


def extras(options: argparse.Namespace, reasoning: str, salt: str) -> dict[str, Any]:
    """The fields of a message that OpenAI doesn't have and other services do."""
    fields: dict[str, Any] = {}
    for name in options.reasoning_field:
        if name == "reasoning_details":
            more = {"signature": sign(reasoning, salt), "format": "anthropic-claude-v1", "index": 0}
            fields[name] = [{"type": "reasoning.text", "text": reasoning, **more}]
        else:
            fields[name] = reasoning
    if options.extra_fields:
        fields["provider_note"] = {"trace": salt, "deep": {"list": [1, None, 2.5, "\u00e9"]}}
    return fields


def message_of(answer: Answer, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The message of an answer and why it ended."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    finish = "length" if answer.finish == "window" else answer.finish
    if finish == "content_filter":
        message["content"] = None
    elif finish == "refusal":
        message |= {"content": None, "refusal": REFUSAL}
        finish = "stop"
    elif answer.fault == "parts" or options.content_parts:
        message["content"] = [{"type": "text", "text": answer.text[:3]}, {"type": "text", "text": answer.text[3:]}]
    return message | extras(options, answer.reasoning, answer.salt), finish


def usage_of(answer: Answer, options: argparse.Namespace) -> dict[str, Any]:
    """The counts of an answer."""
    tokens = answer.tokens
    usage: dict[str, Any] = {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }
    if options.cost:
        usage["cost"] = cost_of(answer)
    return usage


def head(body: dict[str, Any], answer: Answer, kind: str) -> dict[str, Any]:
    """What an answer and each of its chunks begin with."""
    return {
        "id": f"chatcmpl-{answer.number}",
        "object": kind,
        "created": CREATED,
        "model": f"{body['model']}-2026",
    }


def render(body: dict[str, Any], answer: Answer, options: argparse.Namespace) -> dict[str, Any]:
    """A chat completion object."""
    message, finish = message_of(answer, options)
    data = head(body, answer, "chat.completion")
    data["choices"] = [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}]
    if answer.fault != "no_usage":
        data["usage"] = usage_of(answer, options)
    return data


def deltas(answer: Answer, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What a stream adds to the message, step by step."""
    message, _ = message_of(answer, options)
    found: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    if "provider_note" in message:
        found.append({"provider_note": message["provider_note"]})
    pieces = chunks(answer.reasoning, options.chunks)
    for name in options.reasoning_field:
        if name == "reasoning_details":
            (whole,) = message[name]
            keys = {k: whole[k] for k in ("type", "format", "index")}
            found += [{name: [{**keys, "text": piece}]} for piece in pieces]
            found.append({name: [{**keys, "signature": whole["signature"]}]})
        else:
            found += [{name: piece} for piece in pieces]
    if answer.finish == "refusal":
        return found + [{"refusal": piece} for piece in chunks(REFUSAL, options.chunks)]
    if answer.finish == "content_filter":
        return found
    listed = isinstance(message["content"], list)
    for piece in chunks(answer.text, options.chunks):
        found.append({"content": [{"type": "text", "text": piece}] if listed else piece})
    return found


def events(body: dict[str, Any], answer: Answer, options: argparse.Namespace) -> list[Event]:
    """The same answer as a stream."""
    _, finish = message_of(answer, options)
    start = head(body, answer, "chat.completion.chunk")
    counted = (body.get("stream_options") or {}).get("include_usage") and answer.fault != "no_usage"
    more = {"usage": None} if counted else {}

    def chunk(delta: dict[str, Any], end: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}
        return Event(None, {**start, "choices": [choice], **more}, last=end is not None)

    found = [chunk(delta) for delta in deltas(answer, options)]
    found.append(chunk({}, finish))
    if counted:
        found.append(Event(None, {**start, "choices": [], "usage": usage_of(answer, options)}, last=True))
    found.append(Event(None, "[DONE]", last=True))
    return found


def error_body(_body: dict[str, Any], _answer: Answer, _fault: str) -> dict[str, Any]:
    """An error with status 200, as OpenRouter has them."""
    return {"error": {"message": "Provider returned error", "code": 502, "metadata": {"provider_name": "x"}}}


def error_events(body: dict[str, Any], answer: Answer, fault: str) -> list[Event]:
    """An error in the middle of a stream: as OpenAI says it, or in a chunk as OpenRouter does (`error_200`)."""
    if fault != "error_200":
        return [Event(None, error(ERRORS["server_error"][SIDE]))]
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    said = {"code": 502, "message": "Provider disconnected unexpectedly"}
    chunk = {**head(body, answer, "chat.completion.chunk"), "provider": "x", "error": said, "choices": [choice]}
    return [Event(None, chunk), Event(None, "[DONE]")]
