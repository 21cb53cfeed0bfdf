"""Models that need no network: they answer from the problems' own references. For demos, tests and checks of a
set-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.errors import ConversationOver, UnknownName
from code_generation.extract import fenced
from code_generation.models import Completion, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.models import CodeProblem, JsonValue, Request

SCRIPTS = ("reference", "flaky", "wrong")


class ScriptedProvider:
    """`reference` answers right, `wrong` never, `flaky` errs first and repairs after feedback."""

    name = "scripted"

    def __init__(self, model: str, problems: Mapping[str, CodeProblem]) -> None:
        """Problems by id, with their references; `metadata.incorrect_solutions` are used where there are any.

        Raises:
            UnknownName: there is no such script.
        """
        if model not in SCRIPTS:
            raise UnknownName("scripted model", model, SCRIPTS)
        self.model = model
        self._problems = problems

    async def complete(self, request: Request) -> Completion:
        """Answer at once.

        Raises:
            ConversationOver: the problem has no reference to answer with.
        """
        problem = self._problems[request.problem_id]
        wrong = self.model == "wrong" or (self.model == "flaky" and request.turn == 0)
        if wrong:
            said, code = "Here is my solution.", _wrong_solution(problem, request.turn)
        elif problem.solutions:
            said, code = "Here is the solution." if not request.turn else "I see the mistake.", problem.solutions[0]
        else:
            msg = f"scripted:{self.model} answers with the reference solution, and it has none"
            raise ConversationOver(msg)
        return Completion(
            text=f"{said}\n\n{fenced(code)}\n",
            finish_reason="stop",
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


def _wrong_solution(problem: CodeProblem, turn: int) -> str:
    wrong = problem.metadata.get("incorrect_solutions") or []
    if wrong:
        return str(wrong[turn % len(wrong)])
    name = problem.func_name
    if not name:
        return "print()"
    if name == problem.metadata.get("class_name"):
        return f"class {name}:\n    pass"
    return f"def {name}(*args, **kwargs):\n    return NotImplemented"
