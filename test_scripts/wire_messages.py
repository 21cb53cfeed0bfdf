"""Messages, as Anthropic speaks it: `POST /v1/messages`.

A signature here holds a digest of the thinking, how many thinking blocks its message has, and which answer it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from test_scripts.wire_formats import (
    ERRORS,
    Answer,
    Asked,
    Complaint,
    Event,
    Piece,
    canonical,
    chunks,
    find,
    seal,
    sign,
    size_of,
    text_of,
    unseal,
)

if TYPE_CHECKING:
    import argparse

SIDE = 1
WORDS: dict[str, Complaint] = {}
THOUGHTS = {"thinking", "redacted_thinking"}
ENDS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "window": "model_context_window_exceeded",
    "content_filter": "refusal",
    "refusal": "refusal",
}
KNOWN = set(
    "cache_control container context_management diagnostics inference_geo max_tokens mcp_servers messages metadata "
    "model output_config service_tier speed stop_sequences stream system temperature thinking tool_choice tools top_k "
    "top_p user_profile_id workspace_id".split(),
)


ROLE = (
    'messages: Unexpected role "{}". The Messages API accepts a top-level `system` parameter, not "system" as an input '
    "message role."
)
EMPTY = "messages.{}: all messages must have non-empty content except for the optional final assistant message"
MISSING = (
    "messages.{}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is "
    "enabled, a final `assistant` message must start with a thinking block. We recommend you include thinking blocks "
    "from previous turns. To avoid this requirement, disable `thinking`."
)
ALTERED = (
    "messages.{}.content.{}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
    "modified. These blocks must remain as they were in the original response."
)


def error(complaint: Complaint) -> dict[str, Any]:
    """The body of an error."""
    return {"type": "error", "error": {"type": complaint.kind, "message": complaint.message}, "request_id": "req_1"}


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """Content as a list of blocks."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])


def thinks(body: dict[str, Any], options: argparse.Namespace) -> bool:
    """Whether an answer has thinking blocks."""
    return options.always_think or (body.get("thinking") or {}).get("type") in {"enabled", "adaptive"}


def asked(body: dict[str, Any], options: argparse.Namespace) -> Asked:
    """Read a request."""
    messages = body["messages"]
    first = next((text_of(m["content"]) for m in messages if m["role"] == "user"), "")
    parts = [("system", b) for b in blocks_of(body.get("system"))]
    parts += [(m["role"] + "." * n, b) for n, m in enumerate(messages) for b in blocks_of(m["content"])]
    pieces = [Piece(role + canonical(block), size_of(block), "cache_control" in block) for role, block in parts]
    if body.get("cache_control"):
        pieces[-1] = pieces[-1]._replace(mark=True)
    return Asked(
        first=first,
        turn=sum(m["role"] == "assistant" for m in messages),
        pieces=pieces,
        reasons=thinks(body, options),
        max_tokens=body["max_tokens"],
        explicit=True,
    )


def complaint(body: dict[str, Any], options: argparse.Namespace, _extras: object = None) -> Complaint | None:
    """Why the service refuses a request."""
    said = (
        parameter_complaint(body, options)
        or shape_complaint(body)
        or thinking_complaint(body["messages"], options, needed=thinks(body, options))
    )
    return Complaint(400, said) if said else None


def parameter_complaint(body: dict[str, Any], options: argparse.Namespace) -> str | None:
    """What is wrong with the parameters."""
    for name in body:
        if name not in KNOWN:
            return f"{name}: Extra inputs are not permitted"
    for path in options.reject:
        if found := find(body, path):
            place = found[0]
            extra = options.reject_style == "extra" or "." in place
            return f"{place}: Extra inputs are not permitted" if extra else f"`{place}` is not supported for this model"
    most = body.get("max_tokens")
    if most is None:
        return "max_tokens: Field required"
    if options.max_output and most > options.max_output:
        where = f"which is the maximum allowed number of output tokens for {body.get('model')}"
        return f"max_tokens: {most} > {options.max_output}, {where}"
    budget = (body.get("thinking") or {}).get("budget_tokens")
    if budget is not None and budget < 1024:
        return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
    if budget is not None and budget >= most:
        return "`max_tokens` must be greater than `thinking.budget_tokens`."
    return None


def shape_complaint(body: dict[str, Any]) -> str | None:
    """What is wrong with the messages, but for their thinking."""
    messages = body.get("messages")
    if not messages:
        return "messages: Field required"
    marks = sum("cache_control" in block for block in blocks_of(body.get("system")))
    for n, message in enumerate(messages):
        if message["role"] not in {"user", "assistant"}:
            return ROLE.format(message["role"])
        blocks = blocks_of(message["content"])
        if not blocks or message["content"] == "":
            return EMPTY.format(n)
        for i, block in enumerate(blocks):
            if block.get("type") == "text" and not block.get("text"):
                return "messages: text content blocks must be non-empty"
            marks += "cache_control" in block
            if block.get("type") in THOUGHTS and "cache_control" in block:
                return f"messages.{n}.content.{i}.{block['type']}.cache_control: Extra inputs are not permitted"
    if messages[0]["role"] != "user":
        return 'messages: first message must use the "user" role'
    if messages[-1]["role"] != "user":
        return "This model does not support assistant message prefill. The conversation must end with a user message."
    marks += bool(body.get("cache_control"))
    return f"A maximum of 4 blocks with cache_control may be provided. Found {marks}." if marks > 4 else None


def thinking_complaint(messages: list[dict[str, Any]], options: argparse.Namespace, *, needed: bool) -> str | None:
    """What was done to the thinking blocks of earlier answers."""
    before: set[str] = set()
    for n, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        blocks = [(i, b) for i, b in enumerate(blocks_of(message["content"])) if b.get("type") in THOUGHTS]
        if needed and not blocks:
            return MISSING.format(n)
        salts = set()
        for place, (i, block) in enumerate(blocks):
            name = "signature" if block["type"] == "thinking" else "data"
            fields = unseal(block.get(name))
            if fields is None:
                return f"messages.{n}.content.{i}: Invalid `{name}` in `{block['type']}` block"
            number, at, digest, salt = fields
            salts.add(salt)
            same = digest == sign(block.get("thinking", ""))
            if not same or (number, at) != (len(blocks), place) or len(salts) > 1 or salt in before:
                return ALTERED.format(n, i)
        before |= salts
    return None


def content_of(body: dict[str, Any], answer: Answer, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The blocks of an answer."""
    blocks: list[dict[str, Any]] = []
    if answer.reasoning:
        shown = "" if (body.get("thinking") or {}).get("display") == "omitted" else answer.reasoning
        number = 2 if options.redacted else 1
        blocks.append(
            {"type": "thinking", "thinking": shown, "signature": seal(number, 0, sign(shown), answer.salt)},
        )
        if options.redacted:
            blocks.append({"type": "redacted_thinking", "data": seal(2, 1, sign(""), answer.salt)})
    if answer.finish in {"refusal", "content_filter"}:
        return []
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    return blocks


def usage_of(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """The counts of an answer; what was cached is not part of `input_tokens`."""
    tokens = answer.tokens
    hour = '"1h"' in canonical([body.get("cache_control"), body.get("system"), body["messages"][-1]])
    return {
        "input_tokens": tokens.input - tokens.cached - tokens.written,
        "cache_creation_input_tokens": tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if hour else tokens.written,
            "ephemeral_1h_input_tokens": tokens.written if hour else 0,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": {"thinking_tokens": tokens.reasoning},
        "service_tier": "standard",
    }


def ending(answer: Answer, options: argparse.Namespace) -> dict[str, Any]:
    """Why an answer ended."""
    details = None
    if answer.finish in {"refusal", "content_filter"}:
        none = answer.finish == "content_filter" or options.refusal_category == "none"
        category = None if none else options.refusal_category
        said = None if category is None else "This request was declined because of its subject."
        details = {"type": "refusal", "category": category, "explanation": said}
    return {"stop_reason": ENDS[answer.finish], "stop_sequence": None, "stop_details": details}


def render(body: dict[str, Any], answer: Answer, options: argparse.Namespace) -> dict[str, Any]:
    """A message object."""
    return {
        "id": f"msg_{answer.number:020}",
        "type": "message",
        "role": "assistant",
        "model": f"{body['model']}-2026",
        "content": content_of(body, answer, options),
        **ending(answer, options),
        "usage": usage_of(body, answer),
    }


def events(body: dict[str, Any], answer: Answer, options: argparse.Namespace) -> list[Event]:
    """The same answer as a stream."""
    whole = render(body, answer, options)
    usage = {k: v for k, v in whole["usage"].items() if k != "output_tokens_details"}
    start = whole | {"content": [], "stop_reason": None, "stop_details": None, "usage": usage | {"output_tokens": 1}}
    found = [{"type": "message_start", "message": start}]
    for index, block in enumerate(whole["content"]):
        kind = block["type"]
        empty = block if kind == "redacted_thinking" else {k: v if k == "type" else "" for k, v in block.items()}
        found.append({"type": "content_block_start", "index": index, "content_block": empty})
        if not index:
            found.append({"type": "ping"})
        deltas = [{"type": f"{kind}_delta", kind: piece} for piece in chunks(block.get(kind, ""), options.chunks)]
        if kind == "thinking":
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        found.append({"type": "content_block_stop", "index": index})
    counts = {k: whole["usage"][k] for k in ("output_tokens", "output_tokens_details")}
    found.append({"type": "message_delta", "delta": ending(answer, options), "usage": counts})
    found.append({"type": "message_stop"})
    return [Event(e["type"], e, last=e["type"] in {"message_delta", "message_stop"}) for e in found]


def error_body(_body: dict[str, Any], _answer: Answer, _fault: str) -> dict[str, Any]:
    """An error with status 200."""
    return error(ERRORS["overloaded"][SIDE])


def error_events(_body: dict[str, Any], _answer: Answer, _fault: str) -> list[Event]:
    """An error in the middle of a stream."""
    return [Event("error", error(ERRORS["overloaded"][SIDE]))]
