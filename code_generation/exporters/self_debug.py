"""Whole conversations with loss weights: a failed answer is read and not learnt, the one that repairs it is.

self-debug, conversations of several turns that end proven (`--single-turn`: the others too):
{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "...", "weight": 0},
              {"role": "user", "content": "..."}, {"role": "assistant", "content": "...", "weight": 1}],
 "turns": [{"turn": 1, "verified": false, "status": "wrong_answer", "n_passed": 1, "n_tests": 4, "weight": 0},
           {"turn": 2, "verified": true, "status": "passed", "n_passed": 4, "n_tests": 4, "weight": 1}],
 "problem_id": "samples/two_sum", "n_turns": 2, "verified": true, ...}

openai and together, all conversations that end proven: the same `messages`; together with the keys of an sft row,
openai with no other key (its provenance stands on the same line of the file beside it):
{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "...", "weight": 1}]}

`weight` is OpenAI's key: 0 or 1, of assistant messages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from code_generation.exporters.conversation import plain
from code_generation.exporters.formats import Format, Piece, conversation_shown
from code_generation.exporters.prompt_completion import turn_row
from code_generation.exporters.thinking import render_answer

if TYPE_CHECKING:
    from code_generation.exporters.conversation import Conversation, Reason, Turn
    from code_generation.exporters.formats import Row
    from code_generation.exporters.options import ExportOptions
    from code_generation.models import JsonValue


def render(conversation: Conversation, options: ExportOptions) -> list[Piece] | Reason:
    """Rows of self-debug."""
    fault = conversation.fault(conversation.turns)
    if fault:
        return fault
    turns = conversation.turns
    if len(turns) == 1 and not options.single_turn:
        return "no_repair"
    if options.split_turns:
        rows = [(t, turn_row(conversation, t, options)) for t in turns if _weight(t, options)]
        return [Piece(row, turn=t.number, chars=len(row["completion"][0]["content"])) for t, row in rows]
    verdicts = [turn.verdict(_weight(turn, options)) for turn in turns]
    row: Row = {
        "messages": _messages(conversation, options), "turns": verdicts, **conversation.provenance(turns[-1])
    }  # fmt: skip
    return [Piece(row, turn=len(turns), chars=len(row["messages"][-1]["content"]))]


def render_openai(conversation: Conversation, options: ExportOptions) -> list[Piece] | Reason:
    """Rows for OpenAI: nothing in them but what it takes."""
    return _render_service(conversation, options, beside=True)


def render_together(conversation: Conversation, options: ExportOptions) -> list[Piece] | Reason:
    """Rows for Together, which leaves other keys alone."""
    return _render_service(conversation, options, beside=False)


def _render_service(conversation: Conversation, options: ExportOptions, *, beside: bool) -> list[Piece] | Reason:
    fault = conversation.fault(conversation.turns)
    if fault:
        return fault
    provenance = conversation.provenance(conversation.turns[-1])
    row: Row = {"messages": _messages(conversation, options)}
    chars, turns = len(row["messages"][-1]["content"]), len(conversation.turns)
    if beside:
        return [Piece(row, provenance, turn=turns, chars=chars)]
    return [Piece(row | provenance, turn=turns, chars=chars)]


def _messages(conversation: Conversation, options: ExportOptions) -> list[dict[str, JsonValue]]:
    messages = plain(conversation.opening)
    for turn in conversation.turns:
        if turn.number > 1:
            messages += plain(turn.before[-1:])
        weight = _weight(turn, options)
        thinking = options.thinking if weight or options.thinking == "keep" else "strip"
        messages.append(render_answer(turn.message, thinking) | {"weight": weight})
    return messages


def _weight(turn: Turn, options: ExportOptions) -> int:
    return 1 if turn.proven else options.failed_weight


SELF_DEBUG = Format(
    name="self-debug", render=render, shown=conversation_shown, repeats="conversation",
    knows=frozenset({"thinking", "single_turn", "split_turns", "failed_weight"}),
)  # fmt: skip
OPENAI = Format(
    name="openai", render=render_openai, shown=conversation_shown, repeats="conversation", strict=True,
    knows=frozenset({"thinking", "failed_weight"}),
)  # fmt: skip
TOGETHER = replace(OPENAI, name="together", render=render_together)
