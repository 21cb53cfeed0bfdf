"""Rows of a prompt and its completion, a row an answer, as TRL reads them: the prompt is not trained on.

prompt-completion, of proven conversations, the last answer or (`--turns all`) each:
{"prompt": [{"role": "user", "content": "..."}], "completion": [{"role": "assistant", "content": "..."}],
 "status": "passed", "problem_id": "samples/two_sum", "n_turns": 1, "verified": true, ...}

kto, of all conversations, each answer or (`--turns last`) the last, `label` its verdict:
{"prompt": [...], "completion": [{"role": "assistant", "content": "..."}], "label": false, "status": "wrong_answer",
 "problem_id": "samples/two_sum", "n_turns": 1, "verified": false, ...}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.exporters.conversation import plain
from code_generation.exporters.formats import Format, Piece, conversation_shown
from code_generation.exporters.proof import is_certified
from code_generation.exporters.thinking import render_answer

if TYPE_CHECKING:
    from code_generation.exporters.conversation import Conversation, Reason, Turn
    from code_generation.exporters.formats import Row
    from code_generation.exporters.options import ExportOptions


def render(conversation: Conversation, options: ExportOptions) -> list[Piece] | Reason:
    """Rows of a proven conversation."""
    fault = conversation.fault(conversation.turns)
    if fault:
        return fault
    turns = conversation.turns if options.turns == "all" else conversation.turns[-1:]
    return [_piece(turn, turn_row(conversation, turn, options)) for turn in turns]


def render_labelled(conversation: Conversation, options: ExportOptions) -> list[Piece] | Reason:
    """Rows of any conversation with an answer that is proven or has surely failed."""
    turns = usable_turns(conversation)
    if isinstance(turns, str):
        return turns
    chosen = [t for t in turns if options.turns != "last" or t.number == len(conversation.turns)]
    rows = [
        _piece(turn, turn_row(conversation, turn, options, label=turn.proven))
        for turn in chosen
        if turn.proven or turn.failed
    ]
    return rows or "no_side"


def usable_turns(conversation: Conversation) -> list[Turn] | Reason:
    """The turns before the first that was cut off or refused, which no row may show; or why there is none."""
    if not conversation.turns:
        return "malformed"
    if not is_certified(conversation.result):
        return "uncertified"
    turns = conversation.turns
    end = next((i for i, turn in enumerate(turns) if turn.fault), len(turns))
    return turns[:end] or turns[0].fault or "no_side"


def turn_row(conversation: Conversation, turn: Turn, options: ExportOptions, **more: bool) -> Row:
    """The row of one answer with the conversation before it as its prompt."""
    return {
        "prompt": plain(turn.before, options.thinking),
        "completion": [render_answer(turn.message, options.thinking)],
        **more,
        "status": turn.status,
        **conversation.provenance(turn),
    }


def _piece(turn: Turn, row: Row) -> Piece:
    return Piece(row, proven=turn.proven, turn=turn.number, chars=len(row["completion"][0]["content"]))


_KNOWS = frozenset({"thinking", "turns"})
PROMPT_COMPLETION = Format(
    name="prompt-completion", render=render, shown=conversation_shown, repeats="conversation", knows=_KNOWS
)
KTO = Format(name="kto", render=render_labelled, shown=conversation_shown, repeats="conversation", knows=_KNOWS)
