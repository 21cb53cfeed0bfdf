"""Multi-turn solutions with feedback: `solve` is one problem's way through the house, `scrape` many at a time."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msgspec import structs

from code_generation import __version__
from code_generation.certificate import certify
from code_generation.errors import CodeGenerationError, ConversationOver, SandboxLost
from code_generation.extract import extract_code
from code_generation.models import SCHEMA, Attempt, GenerationResult, Request, Sampling, Usage
from code_generation.prompts import PromptSet, feedback_message, opening_messages
from code_generation.records import to_json_object
from code_generation.spans import span

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from code_generation.models import CodeProblem, Completion, Grade, Message, PatchReport
    from code_generation.protocols import Grader, Provider

Criterion = Literal["all", "public", "private", "public-not-private"]


@dataclass(frozen=True, kw_only=True)
class SolvePolicy:
    """What is asked and when it is enough."""

    prompts: PromptSet
    sampling: Sampling
    max_turns: int = 10
    criterion: Criterion = "all"

    def sampling_of(self, sample_index: int) -> Sampling:
        """The parameters of one sample: each has a seed of its own."""
        seed = self.sampling.seed
        return self.sampling if seed is None else structs.replace(self.sampling, seed=seed + sample_index)

    def satisfied_by(self, grade: Grade | None) -> bool:
        """Whether a grade ends the conversation well; an empty side of the tests counts as passed."""
        if grade is None or grade.verdict == "infra":
            return False
        public, private = grade.passed(public=True), grade.passed(public=False)
        match self.criterion:
            case "all":
                return public and private
            case "public":
                return public
            case "private":
                return private
        return public and not private


async def solve(
    problem: CodeProblem, provider: Provider, grader: Grader, policy: SolvePolicy, sample_index: int = 0
) -> GenerationResult:
    """Ask, find the code, run it, tell what failed, ask again, until satisfied or out of turns.

    Raises:
        ProviderError: no answer. ExecutorError: the box failed, and no verdict is invented.
    """
    view = problem.view()
    messages, attempts, ended = opening_messages(view, policy.prompts), list[Attempt](), ""
    sampling = policy.sampling_of(sample_index)
    while not ended:
        request = Request(
            messages=messages, sampling=sampling, problem_id=problem.problem_id,
            sample_index=sample_index, turn=len(attempts), last_turn=len(attempts) + 1 >= policy.max_turns,
        )  # fmt: skip
        try:
            completion = await provider.complete(request)
        except ConversationOver as over:
            if not attempts:
                raise
            messages, ended = messages[:-1], f"conversation over: {over}"
            break
        messages = [*messages, completion.message]
        code = extract_code(completion.text, view)
        with span("execution"):
            grade = None if code is None else await grader.grade(problem, code)
            if code is not None and grade is not None and grade.verdict == "pass" and grade.mode != "isolated":
                grade = await grader.grade(problem, code, mode="isolated")  # what is called verified was run isolated
        if grade is not None and grade.verdict == "infra":
            raise SandboxLost(next(o.error for o in grade.outcomes if o.status == "infra_error"))
        attempts.append(build_attempt(completion, code, grade))
        if policy.satisfied_by(grade):
            ended = "satisfied"
        elif completion.refusal is not None:
            ended = "refused"
        elif len(attempts) >= policy.max_turns:
            ended = "max_turns"
        else:
            shown = None if grade is None else grade.view(problem)
            messages = [*messages, feedback_message(shown, policy.prompts, view.func_name)]
    return build_result(problem, messages, attempts, provider, grader, policy, sample_index, ended)


@dataclass(frozen=True)
class Failed:
    """A problem that a broken tool, not the model, left without a result; the next run tries it again."""

    problem_id: str
    sample_index: int
    error: CodeGenerationError


async def scrape(
    problems: Iterable[tuple[CodeProblem, int]],
    solve_one: Callable[[CodeProblem, int], Awaitable[GenerationResult]],
    *,
    max_concurrent: int = 60,
    stop: asyncio.Event | None = None,
) -> AsyncGenerator[GenerationResult | Failed, None]:
    """Solve (problem, sample index) pairs, at most `max_concurrent` at a time; yields in order of finishing.

    Problems are pulled when there is room for them. Once `stop` is set no new one is started and those under way are
    finished. Leaving the iteration, by any exception too, cancels and awaits all that still runs.
    """

    async def attempt(problem: CodeProblem, sample_index: int) -> GenerationResult | Failed:
        try:
            return await solve_one(problem, sample_index)
        except CodeGenerationError as e:
            return Failed(problem.problem_id, sample_index, e)
        except Exception as e:  # noqa: BLE001 - a fault of ours in one conversation must not end the others
            fault = CodeGenerationError(f"a fault of this program, please report it: {type(e).__name__}: {e}")
            return Failed(problem.problem_id, sample_index, fault)

    waiting = iter(problems)
    running: set[asyncio.Task[GenerationResult | Failed]] = set()
    try:
        while True:
            while len(running) < max_concurrent and not (stop and stop.is_set()):
                pair = next(waiting, None)
                if pair is None:
                    break
                running.add(asyncio.create_task(attempt(*pair)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def build_attempt(
    completion: Completion, code: str | None, grade: Grade | None = None, patch: PatchReport | None = None
) -> Attempt:
    """One turn of a conversation, for the row."""
    return Attempt(
        code=code,
        grade=grade,
        usage=completion.usage,
        cost_usd=completion.cost_usd,
        latency_s=round(completion.latency_s, 3),
        finish_reason=completion.finish_reason,
        refusal=completion.refusal,
        changed=completion.changed,
        patch=patch,
    )


def build_result(
    problem: CodeProblem,
    messages: list[Message],
    attempts: list[Attempt],
    provider: Provider,
    grader: Grader,
    policy: SolvePolicy,
    sample_index: int,
    ended: str,
) -> GenerationResult:
    """The row of a conversation that ended for the reason `ended`."""
    last = attempts[-1]
    costs = [a.cost_usd for a in attempts]
    return GenerationResult(
        problem=problem,
        final_code=last.code,
        full_message_history=messages,
        generation_metadata={
            "model": provider.model,
            "provider": provider.name,
            "temperature": policy.sampling.temperature,
            **policy.prompts.metadata(problem.view()),
            "sampling": to_json_object(policy.sampling_of(sample_index)),
            "sample_index": sample_index,
            "criterion": policy.criterion,
            "max_turns": policy.max_turns,
            "ended": ended,
            "versions": {"code_generation": __version__, "python": ".".join(map(str, sys.version_info[:3]))},
        },
        verified=last.grade is not None and last.grade.verdict == "pass" and last.grade.mode == "isolated",
        satisfied=policy.satisfied_by(last.grade),
        attempts=attempts,
        usage=total_usage([a.usage for a in attempts]),
        cost_usd=None if any(c is None for c in costs) else sum(c for c in costs if c is not None),
        certificate=None if last.grade is None else certify(problem, last.code, last.grade, grader.limits(problem)),
        schema=SCHEMA,
    )


def total_usage(usages: list[Usage]) -> Usage:
    """Sum of some counts; a count that is unknown in one of them is unknown in the sum."""

    def total(values: list[int | None]) -> int | None:
        known = [v for v in values if v is not None]
        return sum(known) if known and len(known) == len(values) else None

    return Usage(
        input_tokens=total([u.input_tokens for u in usages]),
        output_tokens=total([u.output_tokens for u in usages]),
        cached_input_tokens=total([u.cached_input_tokens for u in usages]),
        cache_write_tokens=total([u.cache_write_tokens for u in usages]),
        reasoning_tokens=total([u.reasoning_tokens for u in usages]),
    )


def main() -> None:
    """`python -m code_generation.scraper IN OUT ...` is `codegen scrape IN OUT ...`."""
    from code_generation.generation_cli import run_command  # noqa: PLC0415 - the command lives a floor above

    run_command("scrape", *sys.argv[1:])


if __name__ == "__main__":
    main()
