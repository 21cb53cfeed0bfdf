"""What a model thought before it answered, out of any provider's answer, and what an export makes of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from code_generation.extract import split_thinking

if TYPE_CHECKING:
    from code_generation.exporters.options import Thinking
    from code_generation.models import JsonValue, Message


_TAGS = re.compile(r"</?(?:think|thinking)>", re.IGNORECASE)


def thinking_of(message: Message) -> str:
    """The text of a model's thinking; empty where there is none that can be read (omitted, encrypted)."""
    return _parts(message)[0]


def visible_text(message: Message) -> str:
    """The text of a message without the thinking that may stand in it, in tags."""
    return _parts(message)[1]


def render_answer(message: Message, thinking: Thinking) -> dict[str, JsonValue]:
    r"""An assistant message of a training row.

    {"role": "assistant", "content": "<think>\nTwice.\n</think>\n\nHere it is: ..."} with `tags`
    """
    thought, said = _parts(message)
    if thinking == "strip":
        return {"role": "assistant", "content": said}
    if thinking == "tags":
        thought = _TAGS.sub("", thought)  # one that speaks of such tags would end them early
        content = f"<think>\n{thought}\n</think>\n\n{said.lstrip()}" if thought else said
        return {"role": "assistant", "content": content}
    kept: dict[str, JsonValue] = {"role": "assistant", "content": said}
    if thought:
        kept["reasoning_content"] = thought
    if message.blocks:
        kept["blocks"] = message.blocks
    return kept


def _parts(message: Message) -> tuple[str, str]:
    """(thinking, the rest) of a message."""
    within, said = split_thinking(message.content) if "<" in message.content else ("", message.content)
    if len(said) != len(message.content):
        said = said.lstrip("\n")
    beside = [_block_thinking(block) for block in message.blocks or [] if isinstance(block, dict)]
    found = [text.strip("\n") for text in (*beside, within) if text.strip()]
    return "\n\n".join(dict.fromkeys(found)), said


def _block_thinking(block: dict[str, Any]) -> str:
    """The thinking that a raw block holds: an item of Responses, a block of Messages, a message of Chat Completions."""
    match block.get("type"):
        case "thinking":  # Messages, and Mistral's parts of content, whose thinking is a list of texts
            return _text(block.get("thinking"))
        case "reasoning":  # an item of Responses: open models give their words, others a summary
            return _text(block.get("content")) or _text(block.get("summary"))
        case None if "role" in block:
            for key in ("reasoning_content", "reasoning", "reasoning_details"):
                if said := _text(block.get(key)):
                    return said
            parts = block.get("content")
            items = [p for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []
            return "\n\n".join(_text(p.get("thinking")) for p in items if p.get("type") == "thinking")
    return ""


def _text(value: JsonValue) -> str:
    """The text of a text, or of a list of parts that hold `text` or `summary`."""
    if isinstance(value, str):
        return value
    parts = [p for p in value if isinstance(p, dict)] if isinstance(value, list) else []
    said = [p.get("text") or p.get("summary") for p in parts]
    return "\n\n".join(s for s in said if isinstance(s, str) and s)
