"""The models that the synthetic benchmark brings along: no network, no chance, always the same answers.

`reference-oracle` answers with the reference. `heuristic-small` and `heuristic-medium` know the reference of some
problems, the easy ones rather than the hard ones, and take one of the shortcuts of the others, as weak solvers do; now
and then they fail in form as models do: no code, another name for the function, an argument that nobody passes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from code_generation.config import BUILT_IN
from code_generation.errors import ConversationOver, UnknownName
from code_generation.extract import fenced
from code_generation.jsonl import encode
from code_generation.models import Completion, Usage
from code_generation.records import to_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.models import CodeProblem, JsonValue, Request

ORACLE = "reference-oracle"
NOTHING_SAID = "medium"
"""Taken for the difficulty of a problem that does not say it."""


@dataclass(frozen=True, kw_only=True)
class Skill:
    """How good a heuristic model is."""

    knows: Mapping[str, float]
    """Probability of the reference by difficulty."""
    slips: float
    """Probability of each failure in form."""


SKILLS = {
    "heuristic-small": Skill(knows={"easy": 0.55, "medium": 0.35, "hard": 0.15}, slips=0.03),
    "heuristic-medium": Skill(knows={"easy": 0.85, "medium": 0.65, "hard": 0.45}, slips=0.01),
}
FORMS = ("no_code", "missing_function", "wrong_signature")
"""How the form can be wrong."""


class BuiltinProvider:
    """Answers by a hash of model, messages, problem and sample: each sample is drawn anew, the same one every time."""

    name = "builtin"

    def __init__(self, model: str, problems: Mapping[str, CodeProblem]) -> None:
        """Problems by id, with their references and shortcuts.

        Raises:
            UnknownName: there is no such model.
        """
        if model not in BUILT_IN:
            raise UnknownName("built-in model", model, BUILT_IN)
        self.model = model
        self._problems = problems

    async def complete(self, request: Request) -> Completion:
        """Answer at once.

        Raises:
            ConversationOver: the problem leaves this model nothing to answer with.
        """
        problem = self._problems[request.problem_id]
        if not problem.solutions:
            msg = f"{self.model} answers with reference solutions, and this problem has none"
            raise ConversationOver(msg)
        text = _answer(problem.solutions[0])
        if self.model != ORACLE:
            text = _drawn(SKILLS[self.model], problem, Random(self._seed(request)))  # noqa: S311 - no secrets
        return Completion(
            text=text, finish_reason="stop", model=self.model, usage=Usage(), cost_usd=0.0, latency_s=0.0
        )  # fmt: skip

    def _seed(self, request: Request) -> int:
        messages = [to_json_object(m) for m in request.messages]
        asked = encode([self.model, messages, request.problem_id, request.sample_index])
        return int(hashlib.sha256(asked.encode("ascii")).hexdigest(), 16)

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


def _drawn(skill: Skill, problem: CodeProblem, random: Random) -> str:
    """The answer of a heuristic model."""
    wrong = _wrong_solutions(problem)
    slip, knows, which = random.random(), random.random(), random.random()
    if slip < skill.slips * len(FORMS):
        return _slip(FORMS[int(slip / skill.slips)], problem)
    if knows < skill.knows.get(str(problem.metadata.get("difficulty")), skill.knows[NOTHING_SAID]):
        return _answer(problem.solutions[0])
    return _answer(wrong[int(which * len(wrong))])


def _wrong_solutions(problem: CodeProblem) -> list[str]:
    """The shortcuts of a synthetic problem, or the wrong solutions that a problem of another set brings.

    Raises:
        ConversationOver: it has neither.
    """
    shortcuts = problem.metadata.get("shortcuts")
    wrong = list(shortcuts.values()) if isinstance(shortcuts, dict) else problem.metadata.get("incorrect_solutions")
    found = [code for code in wrong if isinstance(code, str)] if isinstance(wrong, list) else []
    if not found:
        msg = (
            "heuristic models need problems with shortcuts (codegen synthesize) or metadata.incorrect_solutions, "
            "and this one has none"
        )
        raise ConversationOver(msg)
    return found


def _answer(code: str) -> str:
    return f"Here is my solution.\n\n{fenced(code)}\n"


def _slip(form: str, problem: CodeProblem) -> str:
    """The reference in a form that can't pass; without code where the reference is no function at the top."""
    name, code = problem.func_name, problem.solutions[0]
    header = re.compile(rf"^def {re.escape(name)}\(", re.MULTILINE) if name else None
    if header is None or form == "no_code" or not header.search(code):
        return "One pass over the input is enough: keep what was seen so far, and decide for each item as it comes.\n"
    if form == "missing_function":
        return _answer(re.sub(rf"\b{re.escape(str(name))}\b", f"{name}_solution", code))
    return _answer(header.sub(f"def {name}(settings, ", code))
