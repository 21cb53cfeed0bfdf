"""A result as exports see it: its opening, and turn by turn the answer, its verdict and what keeps it out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from msgspec import structs

from code_generation.certificate import sha256_text
from code_generation.exporters.proof import is_certified, verified_by
from code_generation.exporters.thinking import render_answer, visible_text
from code_generation.extract import fenced
from code_generation.finish_reasons import ending_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from code_generation.exporters.options import Thinking
    from code_generation.models import Attempt, GenerationResult, JsonValue, Message

Reason = Literal[
    "unverified", "malformed", "no_code", "uncertified", "truncated", "refused", "empty", "no_repair", "no_side",
    "where", "gaming", "leak", "contaminated", "duplicate",
]  # fmt: skip
REASONS: dict[str, str] = {
    "unverified": "nothing proves the final code",
    "malformed": "the conversation and its turns do not fit together",
    "no_code": "no code was found in the answer",
    "uncertified": "the certificate is of other code",
    "truncated": "an answer in it was cut off, or not known to be whole",
    "refused": "the model, or a filter, refused an answer in it",
    "empty": "an answer in it is empty but for its thinking",
    "no_repair": "solved at once, so that nothing was repaired",
    "no_side": "no answer in it is proven, and none has surely failed",
    "where": "the filter of --where does not let it through",
    "gaming": "the code shows signs of working against its tests",
    "leak": "a private test's value stands in text of ours",
    "contaminated": "the problem or its solution is in an evaluation set",
    "duplicate": "an earlier answer to the problem has the same code, or nearly",
}
"""Why a result gives no row; the first that holds counts."""


@dataclass(frozen=True)
class Turn:
    """One answer of a conversation."""

    number: int
    """From 1."""
    before: list[Message]
    """The conversation up to the question that it answers."""
    message: Message
    attempt: Attempt
    proven: bool
    """It is the last answer of a proven result, or passed every test in its turn."""

    @property
    def failed(self) -> bool:
        """It surely did not pass: a failed test is no accident of timing and no fault of a box."""
        grade = self.attempt.grade
        return not self.proven and grade is not None and grade.verdict == "fail" and not grade.flaky

    @cached_property
    def fault(self) -> Reason | None:
        """What keeps the answer out of any row, shown or trained on."""
        ending = ending_of(self.attempt.finish_reason)
        if self.attempt.refusal is not None or ending == "refused":
            return "refused"
        if ending == "cut_off":
            return "truncated"
        return None if visible_text(self.message).strip() else "empty"

    @property
    def code(self) -> str | None:
        """The code in the answer."""
        return self.attempt.code

    @property
    def code_sha256(self) -> str | None:
        """Of the code."""
        return None if self.code is None else sha256_text(self.code)

    @property
    def status(self) -> str:
        """`passed`, the first other status of a test, or `no_code`; `ungraded` where tests were not run here."""
        grade = self.attempt.grade
        if grade is None:
            return "no_code" if self.code is None else "ungraded"
        return next((o.status for o in grade.outcomes if o.status != "passed"), "passed")

    def verdict(self, weight: int) -> dict[str, JsonValue]:
        """What a row says of the turn: `{"turn": 1, "verified": false, "status": "wrong_answer", ...}`."""
        grade = self.attempt.grade
        return {
            "turn": self.number,
            "verified": self.proven,
            "status": self.status,
            "n_passed": grade.n_passed if grade else None,
            "n_tests": grade.n_tests if grade else None,
            "weight": weight,
        }


@dataclass(frozen=True)
class Conversation:
    """A result with its turns."""

    result: GenerationResult
    file: str = ""
    """The result file that it stands in, as it was named."""

    @cached_property
    def verified_by(self) -> str | None:
        """See `proof.verified_by`."""
        return verified_by(self.result)

    @cached_property
    def opening(self) -> list[Message]:
        """System prompt and question."""
        history = self.result.full_message_history
        first = next((i for i, m in enumerate(history) if m.role == "assistant"), len(history))
        return history[:first]

    @cached_property
    def turns(self) -> list[Turn]:
        """The answers in order; none where conversation and attempts do not fit together."""
        history, attempts = self.result.full_message_history, self.result.attempts
        places = [i for i, m in enumerate(history) if m.role == "assistant"]
        alternating = all(history[i + 1].role == "user" for i in places[:-1])
        if not places or len(places) != len(attempts) or places[-1] != len(history) - 1 or not alternating:
            return []
        return [
            Turn(
                number + 1,
                history[:place],
                self._proven_form(history[place], attempt),
                attempt,
                self.verified_by is not None if place == places[-1] else _passed(attempt),
            )
            for number, (place, attempt) in enumerate(zip(places, attempts, strict=True))
        ]

    def _proven_form(self, message: Message, attempt: Attempt) -> Message:
        """The answer; of a patch that had to be repaired the repaired one alone: that is what a harness was given."""
        if attempt.patch is None or not attempt.patch.repairs:
            return message
        return structs.replace(message, content=self.block(attempt.patch.patch), blocks=None)

    def fault(self, shown: Iterable[Turn]) -> Reason | None:
        """Why there is no row that trains on the final code and shows these turns; None: nothing is against it."""
        if self.verified_by is None:
            return "unverified"
        if not self.turns:
            return "malformed"
        if self.result.final_code is None:
            return "no_code"
        if not is_certified(self.result):
            return "uncertified"
        return next((turn.fault for turn in shown if turn.fault), None)

    @property
    def metadata(self) -> dict[str, Any]:
        """Of the run."""
        return self.result.generation_metadata

    def block(self, code: str) -> str:
        """Code alone as an answer."""
        return f"<patch>\n{code.strip()}\n</patch>" if self.result.problem.wants_patch else fenced(code)

    def provenance(self, turn: Turn) -> dict[str, JsonValue]:
        """What every row says of where an answer comes from and what proves it."""
        certificate = self.result.certificate
        last = turn.number == len(self.turns)
        return {
            "problem_id": self.result.problem.problem_id,
            "sample_index": self.metadata.get("sample_index", 0),
            "model": self.metadata.get("model"),
            "n_turns": turn.number,
            "verified": turn.proven,
            "verified_by": (self.verified_by if last else "tests") if turn.proven else None,
            "code_sha256": turn.code_sha256,
            "problem_sha256": certificate.problem_sha256 if certificate else sha256_text(self.result.problem.problem),
            "tests_sha256": certificate.tests_sha256 if certificate else None,
            "comparison": certificate.comparison.get("name") if certificate else None,
            "comparison_version": certificate.comparison.get("version") if certificate else None,
            "executor": certificate.executor if certificate else None,
            "isolation": certificate.isolation if certificate else None,
            "python": certificate.python if certificate else None,
        }


def _passed(attempt: Attempt) -> bool:
    grade = attempt.grade
    return grade is not None and grade.verdict == "pass" and grade.mode == "isolated" and not grade.flaky


def plain(messages: Iterable[Message], thinking: Thinking = "strip") -> list[dict[str, JsonValue]]:
    """Messages as a row shows them: earlier answers without their thinking, unless all of it is kept."""
    kept: Thinking = "keep" if thinking == "keep" else "strip"
    return [
        render_answer(m, kept) if m.role == "assistant" else {"role": m.role, "content": m.content} for m in messages
    ]
