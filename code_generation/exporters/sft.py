"""Supervised fine-tuning rows in the messages form: the question and the proven answer.

{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}],
 "problem_id": "samples/two_sum", "sample_index": 0, "model": "...", "n_turns": 2, "verified": true,
 "verified_by": "tests", "code_sha256": "...", "problem_sha256": "...", "tests_sha256": "...", "comparison": "default",
 "comparison_version": 1, "executor": "subprocess", "isolation": "full", "python": "3.11.7 (main, ...)"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.exporters.conversation import Conversation, plain
from code_generation.exporters.formats import Format, Piece
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.thinking import render_answer

if TYPE_CHECKING:
    from code_generation.exporters.conversation import Reason, Turn
    from code_generation.exporters.formats import Row
    from code_generation.exporters.options import Thinking
    from code_generation.models import GenerationResult, JsonValue


def export_sft(result: GenerationResult) -> list[Row]:
    """One row of a proven result, none of another or of one whose answer was cut off or refused.

    An answer that repairs an earlier one is exported as its code alone: it speaks of feedback that the row does not
    show.
    """
    found = render(Conversation(result), ExportOptions())
    return [] if isinstance(found, str) else [piece.row for piece in found]


def render(conversation: Conversation, options: ExportOptions) -> list[Piece] | Reason:
    """See `export_sft`."""
    last = conversation.turns[-1:]
    fault = conversation.fault(last)
    if fault:
        return fault
    answer = opening_answer(conversation, last[0], options.thinking)
    messages = [*plain(conversation.opening), answer]
    return [Piece({"messages": messages, **conversation.provenance(last[0])}, chars=len(answer["content"]))]


def opening_answer(conversation: Conversation, turn: Turn, thinking: Thinking) -> dict[str, JsonValue]:
    """A turn's answer as an answer to the opening question."""
    if turn.number == 1:
        return render_answer(turn.message, thinking)
    return {"role": "assistant", "content": conversation.block(turn.code or "")}


FORMAT = Format(name="sft", render=render, knows=frozenset({"thinking"}))
