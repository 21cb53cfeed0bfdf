"""The same code for the same problem is run once: samples of small models repeat each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from code_generation.certificate import sha256_text, tests_sha256

if TYPE_CHECKING:
    from code_generation.models import CodeProblem, Grade, Mode
    from code_generation.programs import Limits
    from code_generation.protocols import Grader

MOST = 20_000
"""Grades that are kept; about a kilobyte each for twenty tests."""
Key = tuple[str, str, str, str]


class RememberingGrader:
    """A grader that keeps its grades, by problem, tests, code and mode, as long as it lives. `infra` is not kept."""

    def __init__(self, grader: Grader, most: int = MOST) -> None:
        self._grader = grader
        self._most = most
        self._known: dict[Key, asyncio.Task[Grade]] = {}
        self.asked = self.run = 0
        """Grades that were asked for; those that were worked for."""

    async def grade(self, problem: CodeProblem, code: str, *, mode: Mode | None = None) -> Grade:
        """Judge one candidate, or say again what came of the same one."""
        key = (problem.problem_id, tests_sha256(problem), sha256_text(code), str(mode))
        self.asked += 1
        task = self._known.get(key)
        if task is None:
            self.run += 1
            task = asyncio.ensure_future(self._grader.grade(problem, code, mode=mode))
            self._known[key] = task
            task.add_done_callback(lambda done: self._done(key, done))
            while len(self._known) > self._most:
                del self._known[next(iter(self._known))]
        return await asyncio.shield(task)

    def _done(self, key: Key, task: asyncio.Task[Grade]) -> None:
        if task.cancelled() or task.exception() is not None or task.result().verdict == "infra":
            self._known.pop(key, None)

    def limits(self, problem: CodeProblem) -> Limits:
        """The limits under which a problem's tests run."""
        return self._grader.limits(problem)

    async def close(self) -> None:
        """Leave nothing under way."""
        under_way = [task for task in self._known.values() if not task.done()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
