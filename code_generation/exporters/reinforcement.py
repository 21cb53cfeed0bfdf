"""Prompts to train on with the tests as reward: a row a problem, solved or not. The tests are named, never shown.

{"prompt": [{"role": "user", "content": "..."}], "problem_id": "samples/two_sum", "problem_sha256": "...",
 "tests_sha256": "...", "tests_file": "solutions.jsonl", "n_tests": 4, "n_public_tests": 1, "func_name": "two_sum",
 "difficulty": "easy", "source": "samples", "samples": 8, "verified_samples": 3}

Who rewards finds the tests in `tests_file`, in the row of that `problem_id`, and knows them by `tests_sha256`
(`code_generation.certificate.tests_sha256`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.certificate import sha256_text, tests_sha256
from code_generation.exporters.conversation import plain
from code_generation.exporters.formats import Format, Piece
from code_generation.jsonl import encode

if TYPE_CHECKING:
    from code_generation.exporters.conversation import Conversation, Reason
    from code_generation.exporters.formats import Row
    from code_generation.exporters.options import ExportOptions


def render(conversation: Conversation, _options: ExportOptions) -> list[Piece] | Reason:
    """The row of a problem, without what is known of its samples."""
    problem, certificate = conversation.result.problem, conversation.result.certificate
    if not conversation.opening:
        return "malformed"
    row: Row = {
        "prompt": plain(conversation.opening),
        "problem_id": problem.problem_id,
        "problem_sha256": certificate.problem_sha256 if certificate else sha256_text(problem.problem),
        "tests_sha256": certificate.tests_sha256 if certificate else tests_sha256(problem),
        "tests_file": conversation.file,
        "n_tests": len(problem.test_cases),
        "n_public_tests": len(problem.public_tests),
        "func_name": problem.func_name,
        "difficulty": problem.metadata.get("difficulty"),
        "source": problem.metadata.get("source"),
    }
    proven = conversation.verified_by is not None
    key = sha256_text(encode(row["prompt"]))
    return [Piece(row, proven=proven, prompt=key, chars=sum(len(m["content"]) for m in row["prompt"]))]


def complete(row: Row, samples: int, verified: int) -> Row:
    """The row with what came of the problem's samples."""
    return {**row, "samples": samples, "verified_samples": verified}


FORMAT = Format(name="rl", render=render, gather="problems", complete=complete, knows=frozenset())
