"""Answers from a file: recorded ones graded again, or a conversation played through without a model.

JSONL `{"problem_id": "...", "responses": ["first answer", "second", ...]}`, served turn by turn; several samples of a
problem are told apart by `"sample_index"`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from code_generation.errors import ConfigError, ConversationOver, DataError
from code_generation.jsonl import read_objects
from code_generation.models import Completion, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.models import CodeProblem, JsonValue, Request


class ReplayProvider:
    """A model whose answers stand in a file."""

    name = "replay"

    def __init__(self, model: str, _problems: Mapping[str, CodeProblem] | None = None) -> None:
        """`model` is the path of the file.

        Raises:
            ConfigError: no path. DataError: no such file, or a row of another shape.
        """
        if not model:
            msg = "replay needs a file: --model replay:FILE"
            raise ConfigError(msg)
        self.model = model
        self._responses: dict[tuple[str, int], list[str]] = {}
        for number, row in read_objects(Path(model)):
            key, responses = row.get("problem_id"), row.get("responses")
            if (
                not isinstance(key, str)
                or not isinstance(responses, list)
                or not all(isinstance(r, str) for r in responses)
            ):
                msg = f'{model}: line {number}: expected {{"problem_id": "...", "responses": ["...", ...]}}'
                raise DataError(msg)
            self._responses[key, row.get("sample_index", 0)] = responses

    async def complete(self, request: Request) -> Completion:
        """The recorded answer of this turn.

        Raises:
            ConversationOver: there is none.
        """
        responses = self._responses.get((request.problem_id, request.sample_index), [])
        if request.turn >= len(responses):
            msg = f"{self.model} holds no{' further' if responses else ''} answer for it"
            raise ConversationOver(msg)
        return Completion(
            text=responses[request.turn],
            finish_reason=None,
            model=self.model,
            usage=Usage(),
            cost_usd=None,
            latency_s=0.0,
        )

    def stop(self) -> None:
        """Nothing is waited for."""

    def status(self) -> str:
        """Nothing to say."""
        return ""

    def report(self) -> dict[str, JsonValue]:
        """Nothing to say."""
        return {}

    async def close(self) -> None:
        """Nothing to close."""
