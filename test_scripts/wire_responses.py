"""Responses, as OpenAI speaks it: `POST /v1/responses`.

Encrypted reasoning here holds the id of its item, a digest of its summary, and which answer it was.
"""

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
    openai_error,
    openai_rejection,
    seal,
    sign,
    size_of,
    text_of,
    unseal,
)

if TYPE_CHECKING:
    import argparse

SIDE = 0
REFUSAL = "I can't help with that."
TOO_LONG = "Your input exceeds the context window of this model. Please adjust your input and try again."
WORDS = {"overflow": Complaint(400, TOO_LONG, "", "context_length_exceeded", "input")}
KNOWN = set(
    "access_programs background context_management conversation image include input instructions max_output_tokens "
    "max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key "
    "prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options "
    "temperature text tool_choice tools top_logprobs top_p truncation user".split(),
)
PARTS = {  # the names of a part's events: of its frame, of its text, of its place
    "output_text": ("content_part", "output_text", "content_index"),
    "refusal": ("content_part", "refusal", "content_index"),
    "summary_text": ("reasoning_summary_part", "reasoning_summary_text", "summary_index"),
}
error = openai_error


def items_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The input as a list of items."""
    given = body["input"]
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def asked(body: dict[str, Any], options: argparse.Namespace) -> Asked:
    """Read a request."""
    items = items_of(body)
    first = next((text_of(i["content"]) for i in items if i.get("role") == "user"), "")
    pieces = [Piece(canonical(i), size_of(i.get("content") or i.get("summary")), mark=True) for i in items]
    if body.get("instructions"):
        pieces.insert(0, Piece(body["instructions"], len(body["instructions"])))
    return Asked(
        first=first,
        turn=sum(i.get("role") == "assistant" for i in items),
        pieces=pieces,
        reasons=bool(body.get("reasoning")) or options.always_think,
        max_tokens=body.get("max_output_tokens"),
    )


def complaint(body: dict[str, Any], options: argparse.Namespace, _extras: object = None) -> Complaint | None:
    """Why the service refuses a request."""
    for name in body:
        if name == "max_tokens":
            moved = "In the Responses API, this parameter has moved to 'max_output_tokens'."
            said = f"Unsupported parameter: 'max_tokens'. {moved} Try again with the new parameter."
            return Complaint(400, said, "", "unsupported_parameter", name)
        if name not in KNOWN:
            return Complaint(400, f"Unknown parameter: '{name}'.", "", "unknown_parameter", name)
    for path in options.reject:
        if found := openai_rejection(body, path, options.reject_style):
            return found
    if not body.get("input"):
        return Complaint(400, "Missing required parameter: 'input'.", "", "missing_required_parameter", "input")
    most = body.get("max_output_tokens")
    name = "max_output_tokens"
    if most is not None and most < 16:
        said = f"Invalid '{name}': integer below minimum value. Expected a value >= 16, but got {most} instead."
        return Complaint(400, said, "", "integer_below_min_value", name)
    if most is not None and options.max_output and most > options.max_output:
        wanted = f"Expected a value <= {options.max_output}, but got {most} instead."
        return Complaint(
            400, f"Invalid '{name}': integer above maximum value. {wanted}", "", "integer_above_max_value", name
        )
    if body.get("previous_response_id"):
        said = f"Previous response with id '{body['previous_response_id']}' not found."
        return Complaint(400, said, "", "previous_response_not_found", "previous_response_id")
    return replay_complaint(items_of(body), kept=body.get("store") is not False)


def replay_complaint(items: list[dict[str, Any]], *, kept: bool) -> Complaint | None:
    """What was done to the reasoning of earlier answers; `kept`: the service knows items by their id."""
    for n, item in enumerate(items):
        before, after = items[n - 1] if n else {}, items[n + 1] if n + 1 < len(items) else {}
        if item.get("type") == "reasoning":
            if found := reasoning_complaint(item, kept=kept):
                return found
            if after.get("role") != "assistant":
                said = f"Item '{item['id']}' of type 'reasoning' was provided without its required following item."
                return Complaint(400, said, "", None, "input")
        elif item.get("role") == "assistant":
            own = str(item.get("id") or "")
            needs = f"rs_{own.removeprefix('msg_').removesuffix('_r')}" if own.endswith("_r") else None
            if needs and before.get("id") != needs:
                wanted = f"without its required 'reasoning' item: '{needs}'."
                return Complaint(400, f"Item '{own}' of type 'message' was provided {wanted}", "", None, "input")
            for i, part in enumerate(item["content"] if isinstance(item["content"], list) else []):
                if part.get("type") not in {"output_text", "refusal"}:
                    said = f"Invalid value: '{part.get('type')}'. Supported values are: 'output_text' and 'refusal'."
                    return Complaint(400, said, "", "invalid_value", f"input[{n}].content[{i}]")
    return None


def reasoning_complaint(item: dict[str, Any], *, kept: bool) -> Complaint | None:
    """What was done to one reasoning item."""
    sealed = item.get("encrypted_content")
    if not sealed:
        if kept:
            return None
        said = f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false."
        return Complaint(404, f"{said} Try again with `store` set to true, or remove this item from your input.", "",
                         None, "input")  # fmt: skip
    fields = unseal(sealed)
    reason = None
    if fields is None:
        reason = "Encrypted content could not be decrypted or parsed."
    elif fields[0] != item.get("id"):
        reason = "Encrypted content item_id did not match the target item id."
    elif fields[1] != sign(item.get("summary")):
        reason = "Encrypted content did not match the summary of the item."
    if reason is None:
        return None
    said = f"The encrypted content {str(sealed)[:8]}... could not be verified. Reason: {reason}"
    return Complaint(400, said, "", "invalid_encrypted_content")


def output_of(body: dict[str, Any], answer: Answer) -> list[dict[str, Any]]:
    """The items of an answer."""
    items: list[dict[str, Any]] = []
    if answer.reasoning:
        told = (body.get("reasoning") or {}).get("summary")
        summary = [{"type": "summary_text", "text": answer.reasoning}] if told else []
        item = {"id": f"rs_{answer.salt}", "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (body.get("include") or []):
            item["encrypted_content"] = seal(item["id"], sign(summary), answer.salt)
        items.append(item)
    if answer.finish == "content_filter" or (answer.finish == "length" and not answer.text):
        return items
    part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
    if answer.finish == "refusal":
        part = {"type": "refusal", "refusal": REFUSAL}
    status = "completed" if answer.finish in {"stop", "refusal"} else "incomplete"
    name = f"msg_{answer.salt}" + ("_r" if answer.reasoning else "")
    items.append({"id": name, "type": "message", "status": status, "role": "assistant", "content": [part]})
    return items


def usage_of(answer: Answer) -> dict[str, Any]:
    """The counts of an answer."""
    tokens = answer.tokens
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def envelope(body: dict[str, Any], answer: Answer, status: str) -> dict[str, Any]:
    """A response object without output."""
    given = ("instructions", "max_output_tokens", "metadata", "reasoning", "temperature", "top_p", "text", "user")
    return {
        "id": f"resp_{answer.number:020}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": f"{body['model']}-2026",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": "default",
        "store": body.get("store", True),
        "tool_choice": "auto",
        "tools": [],
        "truncation": "disabled",
        "usage": None,
        **{name: body.get(name) for name in given},
    }


def render(body: dict[str, Any], answer: Answer, _options: argparse.Namespace) -> dict[str, Any]:
    """A response object."""
    reasons = {"length": "max_output_tokens", "window": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(answer.finish)
    found = envelope(body, answer, "incomplete" if reason else "completed")
    found["incomplete_details"] = {"reason": reason} if reason else None
    found["output"] = output_of(body, answer)
    found["usage"] = None if answer.fault == "no_usage" else usage_of(answer)
    return found


def numbered(found: list[dict[str, Any]]) -> list[Event]:
    """Events in their order."""
    ends = {"response.completed", "response.incomplete", "response.failed"}
    return [Event(e["type"], {**e, "sequence_number": n}, last=e["type"] in ends) for n, e in enumerate(found)]


def events(body: dict[str, Any], answer: Answer, options: argparse.Namespace) -> list[Event]:
    """The same answer as a stream."""
    whole = render(body, answer, options)
    start = envelope(body, answer, "in_progress")
    found: list[dict[str, Any]] = [{"type": "response.created", "response": start}]
    found.append({"type": "response.in_progress", "response": start})
    for index, item in enumerate(whole["output"]):
        where = {"output_index": index, "item_id": item["id"]}
        empty = item | ({"summary": []} if item["type"] == "reasoning" else {"content": [], "status": "in_progress"})
        if "encrypted_content" in item:
            empty["encrypted_content"] = item["encrypted_content"][:8]  # only what is done can be sent back
        found.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        parts = enumerate(item["summary"] if item["type"] == "reasoning" else item["content"])
        for n, part in parts:
            names = PARTS[part["type"]]
            found += part_events(*names[:2], {**where, names[2]: n}, part, options.chunks)
        found.append({"type": "response.output_item.done", "output_index": index, "item": item})
    found.append({"type": f"response.{whole['status']}", "response": whole})
    return numbered(found)


def part_events(outer: str, inner: str, at: dict[str, Any], part: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """The events of one part: its frame, its text in pieces."""
    key = "refusal" if part["type"] == "refusal" else "text"
    more = {"logprobs": []} if part["type"] == "output_text" else {}
    return [
        {"type": f"response.{outer}.added", **at, "part": part | {key: ""}},
        *[{"type": f"response.{inner}.delta", **at, **more, "delta": piece} for piece in chunks(part[key], number)],
        {"type": f"response.{inner}.done", **at, **more, key: part[key]},
        {"type": f"response.{outer}.done", **at, "part": part},
    ]


def error_body(body: dict[str, Any], answer: Answer, fault: str) -> dict[str, Any]:
    """An error with status 200: a response that failed, or an error alone."""
    if fault != "failed":
        return {"error": {"message": "Provider returned error", "code": 502}}
    said = {"code": "server_error", "message": "The model failed to generate a response."}
    return envelope(body, answer, "failed") | {"error": said}


def error_events(body: dict[str, Any], answer: Answer, fault: str) -> list[Event]:
    """An error in the middle of a stream: an error event, or the end of a response that failed."""
    if fault == "failed":
        response = error_body(body, answer, fault)
        return [Event("response.failed", {"type": "response.failed", "sequence_number": 99, "response": response})]
    said = ERRORS["server_error"][SIDE].message
    return [Event("error", {"type": "error", "sequence_number": 99, "code": "server_error", "message": said,
                            "param": None})]  # fmt: skip
