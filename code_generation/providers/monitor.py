"""What the calls of a run came to: counted for people, written to the run's log."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from code_generation.event_log import EventLog
from code_generation.jsonl import print_error

if TYPE_CHECKING:
    from code_generation.errors import ProviderError
    from code_generation.models import Completion, JsonValue, Request


class Monitor:
    """Counts over all calls of one provider."""

    def __init__(self, log: EventLog | None = None) -> None:
        """Events go to `log`."""
        self.log = log or EventLog()
        self.answered = 0
        """Answers that were bought."""
        self.replayed = 0
        """Answers that an earlier run bought."""
        self.failed: Counter[str] = Counter()
        """Calls without an answer, by kind; most were made again."""
        self.input_tokens = self.cached_tokens = self.output_tokens = 0
        """Of bought answers, as far as services say."""
        self.changed: dict[str, str] = {}
        """Parameters that the model did not take as asked for."""

    def note_answer(self, request: Request, completion: Completion, *, replayed: bool) -> None:
        """An answer is there."""
        if replayed:
            self.replayed += 1
            return
        self.answered += 1
        usage = completion.usage
        self.input_tokens += usage.input_tokens or 0
        self.cached_tokens += usage.cached_input_tokens or 0
        self.output_tokens += usage.output_tokens or 0
        if completion.refusal is not None:
            self.log.write("refused", **_place(request), category=completion.refusal[:500])

    def note_failure(self, request: Request, error: ProviderError) -> None:
        """A call failed."""
        self.failed[error.kind] += 1
        self.log.write("call failed", **_place(request), kind=error.kind, error=str(error)[:1000])

    def note_change(self, name: str, what: str) -> None:
        """A parameter is not taken as asked for; said aloud once."""
        if self.changed.get(name) != what:
            self.changed[name] = what
            print_error(f"the model does not take {name} as it was given: {what}")
            self.log.write("parameter", name=name, what=what)

    def failures(self) -> str:
        """In a few words, the most frequent first: `7 rate_limited, 2 truncated`."""
        return ", ".join(f"{n} {kind}" for kind, n in self.failed.most_common(4))

    def report(self) -> dict[str, JsonValue]:
        """All counts."""
        return {
            "answers_bought": self.answered,
            "answers_from_journal": self.replayed,
            "failed_calls": dict(self.failed.most_common()),
            "input_tokens": self.input_tokens,
            "cached_input_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "parameters_changed": self.changed,
        }


def _place(request: Request) -> dict[str, str | int]:
    return {"problem_id": request.problem_id, "sample_index": request.sample_index, "turn": request.turn}
