"""Supervised fine-tuning rows in the messages form: the question and the verified answer.

{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}],
 "problem_id": "samples/two_sum", "verified": true, "code_sha256": "...", "model": "...", "n_turns": 2}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.extract import fenced

if TYPE_CHECKING:
    from code_generation.models import GenerationResult


def export_sft(result: GenerationResult) -> list[dict[str, object]]:
    """One row of a verified result, none of another or of one whose answer was cut off.

    An answer that repairs an earlier one is exported as its code alone: it speaks of feedback that the row does not
    show.
    """
    last = result.attempts[-1] if result.attempts else None
    if not result.verified or result.final_code is None or last is None or last.finish_reason == "length":
        return []
    opening = []
    for message in result.full_message_history:
        if message.role == "assistant":
            break
        opening.append({"role": message.role, "content": message.content})
    answer = result.full_message_history[-1].content if len(result.attempts) == 1 else fenced(result.final_code)
    return [
        {
            "messages": [*opening, {"role": "assistant", "content": answer}],
            "problem_id": result.problem.problem_id,
            "verified": True,
            "code_sha256": result.certificate.code_sha256 if result.certificate else None,
            "model": result.generation_metadata.get("model"),
            "n_turns": len(result.attempts),
        }
    ]
