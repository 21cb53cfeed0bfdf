"""Single-turn answers, as many to a problem as asked for: to problems with tests, and to issues that want a patch.

`sample` is one answer's way through the house. A problem with tests goes the way of `scraper.solve`, with one turn. An
issue of SWE-bench has no tests that can be run here: its patch is found, repaired and measured (`patches.evaluation`),
and its row says nothing about a verdict, since only the official harness has one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from code_generation.models import Request
from code_generation.patches.evaluation import evaluate_patch
from code_generation.prompts import opening_messages
from code_generation.scraper import Failed, SolvePolicy, build_attempt, build_result, scrape, solve
from code_generation.spans import span

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from pathlib import Path

    from code_generation.models import CodeProblem, GenerationResult
    from code_generation.protocols import Grader, Provider


async def sample(
    problem: CodeProblem,
    provider: Provider,
    grader: Grader,
    policy: SolvePolicy,
    sample_index: int = 0,
    *,
    repos: Path | None = None,
) -> GenerationResult:
    """Ask once and judge the answer; `repos` holds clones of the repositories that patches are for.

    Raises:
        ProviderError: no answer. ExecutorError: the box failed, and no verdict is invented.
    """
    policy = replace(policy, max_turns=1)
    if not problem.wants_patch:
        return await solve(problem, provider, grader, policy, sample_index)
    messages = opening_messages(problem.view(), policy.prompts)
    request = Request(
        messages=messages, sampling=policy.sampling_of(sample_index), problem_id=problem.problem_id,
        sample_index=sample_index, last_turn=True,
    )  # fmt: skip
    completion = await provider.complete(request)
    with span("execution"):
        report = await asyncio.to_thread(evaluate_patch, completion.text, problem, repos)
    attempt = build_attempt(completion, report.patch or None, patch=report)
    ended = "refused" if completion.refusal is not None else "max_turns"
    return build_result(
        problem, [*messages, completion.message], [attempt], provider, grader, policy, sample_index, ended
    )


@dataclass(frozen=True)
class SolutionSampler:
    """n independent answers of a model to each problem."""

    provider: Provider
    grader: Grader
    policy: SolvePolicy
    n_samples: int = 1
    """Answers per problem."""
    max_concurrent: int = 60
    """Answers under way at a time."""
    repos: Path | None = None
    """Folder with clones of the repositories that patches are for."""

    async def sample(self, problem: CodeProblem, sample_index: int = 0) -> GenerationResult:
        """One answer; see `sample`."""
        return await sample(problem, self.provider, self.grader, self.policy, sample_index, repos=self.repos)

    async def sample_all(self, problems: Iterable[CodeProblem]) -> AsyncGenerator[GenerationResult | Failed, None]:
        """Every answer to every problem, in order of finishing; see `scraper.scrape`."""
        pairs = ((problem, i) for problem in problems for i in range(self.n_samples))
        async for result in scrape(pairs, self.sample, max_concurrent=self.max_concurrent):
            yield result
