"""Answers of three wire formats as the services give them, and the same answers as streams."""

from __future__ import annotations

import json
from typing import Any

Event = tuple[str, str]


def chat(message: dict, reason: str = "stop", **more: Any) -> dict:
    """A chat completion."""
    usage = {
        "prompt_tokens": 1100, "completion_tokens": 60, "total_tokens": 1160,
        "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 70, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 0},
    }  # fmt: skip
    choice = {"index": 0, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-2026", "system_fingerprint": "f"}
    return head | {"choices": [choice], "usage": usage} | more


def responses(output: list[dict], **more: Any) -> dict:
    """A response."""
    usage = {
        "input_tokens": 1100, "output_tokens": 60, "total_tokens": 1160,
        "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 70},
        "output_tokens_details": {"reasoning_tokens": 40},
    }  # fmt: skip
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m-2026", "status": "completed"}
    unset = {"error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "temperature": 1.0}
    fixed = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "top_p": 1.0, "store": False}
    return head | unset | fixed | {"output": output, "usage": usage} | more


def messages(content: list[dict], reason: str = "end_turn", **more: Any) -> dict:
    """A message of Anthropic's."""
    usage = {
        "input_tokens": 6, "cache_creation_input_tokens": 70, "cache_read_input_tokens": 1024, "output_tokens": 60,
        "output_tokens_details": {"thinking_tokens": 40}, "service_tier": "standard",
    }  # fmt: skip
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-2026", "content": content}
    return head | {"stop_reason": reason, "stop_sequence": None, "stop_details": None, "usage": usage} | more


def said(text: str, **more: Any) -> dict:
    """A message item of a response."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]} | more


def thought(**more: Any) -> dict:
    """A reasoning item of a response."""
    return {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAé="} | more


CALL = {"id": "call_1", "type": "function", "function": {"name": "run", "arguments": '{"a": "é\\n"}'}}
DETAILS = [
    {"type": "reasoning.summary", "summary": "Hm, hm.", "format": "openai-responses-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "Zm9v", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
    {"type": "reasoning.text", "text": "So.", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 1},
]
PARTS = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo é."}]
THINKING = {"type": "thinking", "thinking": "Let me see.", "signature": "EqQBé=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhg="}
TEXT = {"type": "text", "text": "Hello é."}
CITED = TEXT | {"citations": [{"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None,
                "start_char_index": 0, "end_char_index": 1, "file_id": None}]}  # fmt: skip
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "run", "input": {"a": [1, "é"]}}
REFUSED = {"type": "refusal", "refusal": "I can't."}

# name -> (body, text, refusal, whether blocks are kept)
CHAT = {
    "plain": (chat({"content": "Hello é.", "refusal": None}), "Hello é.", None, False),
    "official": (chat({"content": "Hello.", "refusal": None, "annotations": []}), "Hello.", None, False),
    "deepseek": (chat({"content": "Hello.", "reasoning_content": "Hm. " * 5}), "Hello.", None, True),
    "openrouter": (
        chat({"content": "Hello.", "refusal": None, "reasoning": "Hm.", "reasoning_details": DETAILS}, provider="x"),
        "Hello.", None, True,
    ),
    "parts": (chat({"content": PARTS}), "Hello é.", None, True),
    "refusal": (chat({"content": None, "refusal": "I can't."}), "", "I can't.", True),
    "refusal part": (chat({"content": [REFUSED]}), "", "I can't.", True),
    "filtered": (chat({"content": None}, "content_filter"), "", "content_filter", True),
    "length": (chat({"content": "", "refusal": None}, "length"), "", None, False),
    "calls": (chat({"content": None, "tool_calls": [CALL, CALL | {"id": "call_2"}]}, "tool_calls"), "", None, True),
    "unknown": (chat({"content": "Hi", "note": {"deep": [1, None, 2.5, {"é": "x"}]}, "more": "ab"}), "Hi", None, True),
}  # fmt: skip
RESPONSES = {
    "plain": (responses([said("Hello é.")]), "Hello é.", None, True),
    "reasoning": (responses([thought(), said("Hello.")]), "Hello.", None, True),
    "summary": (
        responses([thought(summary=[{"type": "summary_text", "text": "Hm."}]), said("Hello.")]), "Hello.", None, True,
    ),
    "phases": (responses([said("One.", phase="commentary"), said("Two.", id="msg_2")]), "One.\n\nTwo.", None, True),
    "refusal": (responses([said("", content=[REFUSED])]), "", "I can't.", True),
    "cut in thought": (
        responses([thought()], status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "", None, True,
    ),
    "filtered": (
        responses([], status="incomplete", incomplete_details={"reason": "content_filter"}),
        "", "content_filter", False,
    ),
}  # fmt: skip
SAFETY = {"type": "refusal", "category": "frontier_llm", "explanation": "It could."}
MESSAGES = {
    "plain": (messages([TEXT]), "Hello é.", None, False),
    "thinking": (messages([THINKING, TEXT]), "Hello é.", None, True),
    "omitted": (messages([THINKING | {"thinking": ""}, REDACTED, TEXT]), "Hello é.", None, True),
    "cited": (messages([TEXT, CITED]), "Hello é.Hello é.", None, True),
    "tool": (messages([THINKING, TEXT, TOOL], "tool_use"), "Hello é.", None, True),
    "refusal": (messages([], "refusal", stop_details=SAFETY), "", "frontier_llm", False),
    "bare refusal": (messages([TEXT], "refusal"), "Hello é.", "refusal", False),
    "cut in thought": (messages([THINKING | {"signature": ""}], "max_tokens"), "", None, True),
}


def pieces(text: str) -> list[str]:
    """Three characters each."""
    return [text[i : i + 3] for i in range(0, len(text), 3)]


def stream(name: str, body: dict) -> list[Event]:
    """The events of the same answer."""
    made = {"chat": chat_stream, "responses": responses_stream, "messages": messages_stream}[name](body)
    return [(kind, data if isinstance(data, str) else json.dumps(data)) for kind, data in made]


def chat_stream(body: dict) -> list[tuple[str, Any]]:
    """Chunks with a delta each, then the counts, then the end."""
    head = {k: v for k, v in body.items() if k not in {"choices", "usage"}} | {"object": "chat.completion.chunk"}
    choice = body["choices"][0]

    def chunk(delta: dict, reason: str | None = None) -> tuple[str, Any]:
        chosen = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return "", head | {"choices": [chosen], "usage": None}

    message = choice["message"]
    found = [chunk({k: v if k == "role" else None for k, v in message.items() if k == "role" or not v})]
    for key, value in message.items():
        if isinstance(value, str) and key != "role":
            found += [chunk({key: piece}) for piece in pieces(value) or [""]]
        elif isinstance(value, list):
            found += [chunk({key: [part]}) for n, entry in enumerate(value) for part in fragments(key, n, entry)]
        elif value is not None and key != "role":
            found += [chunk({key: value})] * 2
    found.append(chunk({"annotations": []} if "annotations" in message else {}, choice["finish_reason"]))
    return [*found, ("", head | {"choices": [], "usage": body["usage"]}), ("", "[DONE]")]


def fragments(key: str, number: int, entry: dict) -> list[dict]:
    """An entry of a list in the way it is streamed."""
    if key == "tool_calls":
        whole, arguments = entry["function"], pieces(entry["function"]["arguments"])
        start = entry | {"index": number, "function": whole | {"arguments": ""}}
        return [start, *({"index": number, "function": {"arguments": piece}} for piece in arguments)]
    if key == "reasoning_details":
        name = next(k for k in ("summary", "data", "text") if k in entry)
        fixed = {k: v for k, v in entry.items() if k not in {name, "signature"}}
        end = [fixed | {"signature": entry["signature"]}] if "signature" in entry else []
        return [*(fixed | {name: piece} for piece in pieces(entry[name])), *end]
    return [entry]


def responses_stream(body: dict) -> list[tuple[str, Any]]:
    """Begin, each item with its deltas, end."""
    begun = body | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    found: list[dict] = [{"type": "response.created", "response": begun}]
    for place, item in enumerate(body["output"]):
        where, texts = {"output_index": place}, [p.get("text", "") for p in item.get("content") or []]
        found.append({"type": "response.output_item.added", "item": item, **where})
        delta = {"type": "response.output_text.delta", "item_id": item["id"], "content_index": 0, "logprobs": []}
        found += [delta | where | {"delta": piece} for text in texts for piece in pieces(text)]
        found.append({"type": "response.output_item.done", "item": item, **where})
    found.append({"type": f"response.{body['status']}", "response": body})
    return [(event["type"], event | {"sequence_number": n}) for n, event in enumerate(found)]


def messages_stream(body: dict) -> list[tuple[str, Any]]:
    """Begin with the counts so far, blocks with their deltas, end with all counts."""
    counted = {k: v for k, v in body["usage"].items() if k != "output_tokens_details"} | {"output_tokens": 1}
    begun = body | {"content": [], "stop_reason": None, "stop_details": None, "usage": counted}
    found: list[dict] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for place, block in enumerate(body["content"]):
        found.append({"type": "content_block_start", "index": place, "content_block": emptied(block)})
        found += [{"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas(block)]
        found.append({"type": "content_block_stop", "index": place})
    end = {k: body[k] for k in ("stop_reason", "stop_sequence", "stop_details")}
    usage = {k: v for k, v in body["usage"].items() if k.startswith("output")} | {"input_tokens": None}
    found += [{"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]
    return [(event["type"], event) for event in found]


def emptied(block: dict) -> dict:
    """What a block starts with."""
    kept = {k: "" if k in {"text", "thinking", "signature"} else {} if k == "input" else v for k, v in block.items()}
    return {k: v for k, v in kept.items() if k != "citations"}


def deltas(block: dict) -> list[dict]:
    """What is added to a block."""
    found = [
        {"type": f"{name}_delta", name: piece} for name in ("text", "thinking") for piece in pieces(block.get(name, ""))
    ]
    found += [{"type": "citations_delta", "citation": c} for c in block.get("citations", [])]
    if block.get("signature"):
        found.append({"type": "signature_delta", "signature": block["signature"]})
    if "input" in block:
        found += [{"type": "input_json_delta", "partial_json": p} for p in ["", *pieces(json.dumps(block["input"]))]]
    return found
