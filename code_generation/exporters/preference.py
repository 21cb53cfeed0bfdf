"""Pairs of a proven answer and one that surely failed, to the same question about the same problem.

trl:
{"prompt": [{"role": "user", "content": "..."}], "chosen": [{"role": "assistant", "content": "..."}],
 "rejected": [{"role": "assistant", "content": "..."}], "pair": "within", "form": "code", "chosen_chars": 80,
 "rejected_chars": 71, "rejected_status": "wrong_answer", "rejected_code_sha256": "...", "rejected_model": "...",
 "rejected_sample_index": 0, "rejected_turn": 1, "problem_id": "samples/two_sum", "n_turns": 2, "verified": true, ...}

openai and together, whose preference formats are one; for openai without the keys that follow (they stand on the same
line of the file beside it):
{"input": {"messages": [...], "tools": [], "parallel_tool_calls": true},
 "preferred_output": [{"role": "assistant", "content": "..."}],
 "non_preferred_output": [{"role": "assistant", "content": "..."}], "pair": "across", ...}

Two first answers are paired as they were given. Where one of them came after feedback, which the row does not show,
both sides are their code alone: else it would be the prose that tells them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.certificate import sha256_text
from code_generation.exporters.conversation import plain
from code_generation.exporters.formats import Format, Piece, Written
from code_generation.exporters.prompt_completion import usable_turns
from code_generation.exporters.thinking import render_answer
from code_generation.jsonl import encode

if TYPE_CHECKING:
    from code_generation.exporters.conversation import Conversation, Reason, Turn
    from code_generation.exporters.formats import Pair, Row
    from code_generation.exporters.options import ExportOptions


def render(conversation: Conversation, options: ExportOptions) -> list[Piece] | Reason:
    """The sides that a conversation can give: its final answer where it is proven, and answers that failed."""
    turns = usable_turns(conversation)
    if isinstance(turns, str):
        return turns
    prompt = plain(conversation.opening)
    key = sha256_text(encode(prompt))
    sides = [
        t for t in turns if t.code is not None and (t.failed or (t.proven and t.number == len(conversation.turns)))
    ]
    return [_side(conversation, turn, prompt, key, options) for turn in sides] or "no_side"


def _side(
    conversation: Conversation, turn: Turn, prompt: list[Row], key: str, options: ExportOptions
) -> Piece:  # fmt: skip
    whole = render_answer(turn.message, options.thinking) if turn.number == 1 else None
    code = conversation.block(turn.code or "")
    row: Row = {
        "prompt": prompt,
        "whole": whole,
        "code": {"role": "assistant", "content": code},
        "status": turn.status,
        "provenance": conversation.provenance(turn),
    }
    return Piece(
        row,
        proven=turn.proven,
        prompt=key,
        turn=turn.number,
        chars=len(whole["content"]) if whole else 0,
        code_chars=len(code),
        code=turn.code_sha256 or "",
    )


def join(pair: Pair, options: ExportOptions) -> Written:
    """The row of a pair."""
    chosen, rejected = pair.chosen[pair.form], pair.rejected[pair.form]
    loser = pair.rejected["provenance"]
    facts: Row = {
        "pair": pair.kind,
        "form": pair.form,
        "chosen_chars": len(chosen["content"]),
        "rejected_chars": len(rejected["content"]),
        "rejected_status": pair.rejected["status"],
        "rejected_code_sha256": loser["code_sha256"],
        "rejected_model": loser["model"],
        "rejected_sample_index": loser["sample_index"],
        "rejected_turn": loser["n_turns"],
        **pair.chosen["provenance"],
    }
    prompt = pair.chosen["prompt"]
    if options.dialect == "trl":
        return Written({"prompt": prompt, "chosen": [chosen], "rejected": [rejected], **facts})
    row: Row = {
        "input": {"messages": prompt, "tools": [], "parallel_tool_calls": True},
        "preferred_output": [chosen],
        "non_preferred_output": [rejected],
    }
    return Written(row, facts) if options.dialect == "openai" else Written(row | facts)


FORMAT = Format(
    name="dpo", render=render, gather="pairs", join=join,
    knows=frozenset({"thinking", "pairs", "max_length_ratio", "dialect"}),
)  # fmt: skip
