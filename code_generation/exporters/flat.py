"""Proven results with their fields side by side, for tables: what `--format parquet` writes unless told otherwise.

{"statement": "Double it.", "final_code": "def f(x): ...", "messages": [...], "difficulty": "easy", "source": "samples",
 "provider": "openai", "temperature": 0.7, "prompt_id": "basic", "system_prompt_id": "helpful_coder",
 "finish_reason": "stop", "first_status": "wrong_answer", "n_tests": 4, "input_tokens": 310, "output_tokens": 90,
 "reasoning_tokens": null, "cost_usd": 0.0012, "latency_s": 3.1, "problem_id": "samples/two_sum", "n_turns": 2, ...}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.exporters.conversation import plain
from code_generation.exporters.formats import Format, Piece, conversation_shown
from code_generation.exporters.thinking import render_answer

if TYPE_CHECKING:
    from code_generation.exporters.conversation import Conversation, Reason
    from code_generation.exporters.formats import Row
    from code_generation.exporters.options import ExportOptions


def render(conversation: Conversation, options: ExportOptions) -> list[Piece] | Reason:
    """The row of a proven result."""
    fault = conversation.fault(conversation.turns)
    if fault:
        return fault
    result, last = conversation.result, conversation.turns[-1]
    metadata, usage = result.generation_metadata, result.usage
    answer = render_answer(last.message, options.thinking)
    row: Row = {
        "statement": result.problem.problem,
        "final_code": result.final_code,
        "messages": [*plain(last.before, options.thinking), answer],
        "difficulty": result.problem.metadata.get("difficulty"),
        "source": result.problem.metadata.get("source"),
        "provider": metadata.get("provider"),
        "temperature": metadata.get("temperature"),
        "prompt_id": metadata.get("prompt_id"),
        "system_prompt_id": metadata.get("system_prompt_id"),
        "finish_reason": last.attempt.finish_reason,
        "first_status": conversation.turns[0].status,
        "n_tests": len(result.problem.test_cases),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost_usd": result.cost_usd,
        "latency_s": round(sum(a.latency_s for a in result.attempts), 3),
        **conversation.provenance(last),
    }
    return [Piece(row, turn=last.number, chars=len(answer["content"]))]


FORMAT = Format(name="flat", render=render, shown=conversation_shown, knows=frozenset({"thinking"}))
