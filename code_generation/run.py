"""One run of a model over problems: options, resume, files, progress, interruption. What is done to one problem is
`scraper.solve` or `sampler.sample`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.audit.quarantine import quarantine_path, quarantined
from code_generation.batch_ledger import ledger_path
from code_generation.errors import CodeGenerationError, ConfigError, DataError
from code_generation.grader import GraderOptions, open_grader
from code_generation.interruption import interruptible
from code_generation.jsonl import print_error
from code_generation.loaders.jsonl import read_problems, read_runnable
from code_generation.models import GenerationResult
from code_generation.progress import Progress, ticking
from code_generation.prompts import CODE, PATCHES, PromptLibrary, PromptSet, opening_messages
from code_generation.providers import ModelOptions, choose_model, open_provider
from code_generation.results import unsolved_path
from code_generation.run_files import RunFiles, RunPaths, open_run_files
from code_generation.run_manifest import describe_model, describe_options, describe_prompts
from code_generation.run_options import PromptOptions, RunOptions, ScrapeOptions
from code_generation.run_summary import RunSummary
from code_generation.scraper import SolvePolicy, scrape, solve
from code_generation.spans import collecting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from code_generation.models import CodeProblem, JsonValue
    from code_generation.protocols import Grader, Provider
    from code_generation.providers import ModelChoice

    Answer = Callable[[CodeProblem, Provider, Grader, SolvePolicy, int], Awaitable[GenerationResult]]
    OnResult = Callable[[GenerationResult, dict[str, float]], None]
    """Gets a row and the seconds it took: in all (`total`) and by `spans.Part`."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything a run needs, checked before anything is spent."""

    command: str
    """What a person calls it: `scrape`, `generate`."""
    answer: Answer
    """How one problem is worked on."""
    source: Path
    """The problem file."""
    out: Path
    unsolved: Path | None
    """Where rows go that do not meet the criterion; None: to the others."""
    choice: ModelChoice
    policy: SolvePolicy
    model: ModelOptions
    grading: GraderOptions
    options: RunOptions
    samples_per_problem: int
    asked: dict[str, JsonValue]
    """The options of this kind of run, for its manifest."""
    ids: list[str]
    """Ids of the problems to work on, in the order of the file."""

    def first_prompt(self) -> str:
        """The exact first messages, as text; for `--dry-run`."""
        problem = next(read_problems(self.source))
        messages = opening_messages(problem.view(), self.policy.prompts)
        return "\n\n".join(f"[{m.role}]\n{m.content}" for m in messages)

    @property
    def total(self) -> int:
        """Conversations in all."""
        return len(self.ids) * self.samples_per_problem

    @property
    def asks_for_patches(self) -> bool:
        """Whether answers are patches, which get no verdict here."""
        return self.policy.prompts.variants == PATCHES

    @property
    def paths(self) -> RunPaths:
        """Where it keeps what."""
        costs = self.choice.endpoint is not None
        batched = costs and (self.options.batch or ledger_path(self.out).exists())  # or some are under way still
        return RunPaths(self.source, self.out, self.unsolved, journaled=costs, batched=batched)

    def describe(self) -> dict[str, JsonValue]:
        """Everything that decides about the run, for its manifest."""
        return {
            "model": describe_model(self.choice),
            "prompts": describe_prompts(self.policy.prompts),
            "options": describe_options(self.options) | self.asked | {"criterion": self.policy.criterion},
            "grading": describe_options(self.grading),
        }

    async def run(self, on_result: OnResult | None = None, *, grader: Grader | None = None) -> RunSummary:
        """Work until all problems have a row, or a SIGINT has let the calls under way finish. `on_result` is told of
        each row that is written. With a `grader`, which several runs may share, the run opens none.

        Raises:
            ConfigError, DataError, SandboxUnavailable, Hopeless: the run can't work; rows and answers so far stay.
        """
        if self.options.force:
            self.paths.set_aside()
        async with open_run_files(self.paths, self.describe()) as files:
            self._tell_of_others(files)
            async with contextlib.AsyncExitStack() as opened:
                provider = await opened.enter_async_context(self._open_provider(files))
                if grader is None:
                    grader = await opened.enter_async_context(open_grader(self.grading))
                return await self._work(files, provider, grader, on_result)

    @contextlib.asynccontextmanager
    async def _open_provider(self, files: RunFiles) -> AsyncIterator[Provider]:
        known = {p.problem_id: p for p in read_problems(self.source)} if self.choice.provider in FED else {}
        limit = self.options.max_concurrent_requests or self.options.at_a_time
        provider = open_provider(
            self.choice,
            self.model,
            known,
            max_concurrent=limit,
            journal=files.journal,
            log=files.log,
            batches=files.batches,
            pace=self.options.pace,
            caps=self.options.caps,
            spending=files.spending,
        )
        try:
            yield provider
        finally:
            files.facts["calls"] = provider.report()
            await provider.close()

    def _tell_of_others(self, files: RunFiles) -> None:
        """Which rows of earlier sessions were made with another model or other prompts."""
        prompts, temperature = self.policy.prompts, str(self.policy.sampling.temperature)
        mine = (self.choice.model, prompts.prompt_id, prompts.system_prompt_id, temperature)
        others = {made: n for made, n in files.made_by.items() if made != mine}
        if others:
            said = "; ".join(
                f"{n} rows are of model {m}, prompts {p} and {s}" + (f", temperature {t}" if t != temperature else "")
                for (m, p, s, t), n in others.items()
            )
            print_error(f"{said}; their problems count as done")

    async def _work(
        self, files: RunFiles, provider: Provider, grader: Grader, on_result: OnResult | None
    ) -> RunSummary:
        """Solve what has no row yet."""
        samples = range(self.samples_per_problem)
        before = sum((i, sample) in files.done for i in self.ids for sample in samples)
        summary = RunSummary(total=self.total, done_before=before)
        stopped = asyncio.Event()
        hopeless: CodeGenerationError | None = None

        def stop() -> None:
            stopped.set()
            provider.stop()

        async def solve_one(problem: CodeProblem, sample_index: int) -> GenerationResult:
            started = time.monotonic()
            with collecting() as seconds:
                result = await self.answer(problem, provider, grader, self.policy, sample_index)
                await files.append(result)
            if on_result is not None:
                on_result(result, {"total": time.monotonic() - started} | {str(part): s for part, s in seconds.items()})
            return result

        def note() -> str:
            return ", ".join(part for part in (summary.note(), provider.status()) if part)

        work = scrape(self._pairs(files.done), solve_one, max_concurrent=self.options.at_a_time, stop=stopped)
        said = STOPPING + (BATCHES_GO_ON if self.options.batch else "")
        with (
            Progress(self.command, summary.total - before) as progress,
            interruptible(stop, said),
            files.counting(summary),
        ):
            async with ticking(lambda: progress.show(note())), contextlib.aclosing(work) as results:
                async for result in results:
                    if isinstance(result, GenerationResult):
                        summary.count(result)
                        progress.step(note())
                    elif error := summary.count_failure(result):
                        hopeless = hopeless or error
                        stop()
                    elif summary.budget_spent:
                        stop()
        if hopeless is not None:
            raise hopeless
        summary.interrupted = stopped.is_set() and summary.left > 0 and not summary.budget_spent
        files.status = "budget spent" if summary.budget_spent else "interrupted" if summary.interrupted else "finished"
        return summary

    def _pairs(self, done: set[tuple[str, int]]) -> Iterator[tuple[CodeProblem, int]]:
        wanted = set(self.ids)
        for problem in read_problems(self.source):
            if problem.problem_id in wanted:
                for sample in range(self.samples_per_problem):
                    if (problem.problem_id, sample) not in done:
                        yield problem, sample


FED = {"scripted", "builtin"}
"""Providers that answer from the problems' own references."""
STOPPING = "stopping: answers under way are waited for and kept; interrupt again to stop at once"
BATCHES_GO_ON = "; batches go on at the provider, and the same command collects them"


def prepare_scrape(
    source: Path,
    out: Path,
    *,
    model: ModelOptions,
    prompts: PromptOptions | None = None,
    grading: GraderOptions | None = None,
    options: ScrapeOptions | None = None,
    running: RunOptions | None = None,
    need_key: bool = True,
) -> Run:
    """Conversations of several turns: check options, prompts, key and the whole problem file.

    Raises:
        ConfigError, DataError: something is not as it must be.
    """
    options, running = options or ScrapeOptions(), running or RunOptions()
    options.check()
    running.check()
    chosen = choose_prompts(prompts or PromptOptions(), CODE)
    unsolved = options.error_log_path or unsolved_path(out)
    if len({p.resolve() for p in (source, out, unsolved)}) < 3:  # noqa: PLR2004 - three files, three roles
        msg = f"the problems ({source}), the results ({out}) and the error log ({unsolved}) must be different files"
        raise ConfigError(msg)
    choice = choose_model(model, need_key=need_key)
    policy = SolvePolicy(
        prompts=chosen, sampling=choice.sampling, max_turns=options.max_turns, criterion=options.wanted()
    )
    return Run(
        command="scrape",
        answer=solve,
        source=source,
        out=out,
        unsolved=unsolved,
        choice=choice,
        policy=policy,
        model=model,
        grading=grading or GraderOptions(),
        options=running,
        samples_per_problem=options.samples_per_problem,
        asked=describe_options(options),
        ids=_ids(source, options),
    )


def choose_prompts(options: PromptOptions, variants: tuple[str, ...]) -> PromptSet:
    """The prompts of a run, all of them looked at.

    Raises:
        UnknownName: there is none of that id. ConfigError: one has a placeholder that no value fits.
    """
    chosen = PromptSet(PromptLibrary(options.prompts_dir), options.system_prompt_id, options.prompt_id, variants)
    chosen.check()
    return chosen


def _ids(source: Path, options: ScrapeOptions) -> list[str]:
    """The problems to work on."""
    ids = [p.problem_id for p in read_runnable(source)]
    if not ids:
        msg = f"{source} holds no problems"
        raise DataError(msg)
    if options.skip_quarantined or options.quarantine:
        out, changed = quarantined(options.quarantine or quarantine_path(source), read_problems(source))
        ids = [i for i in ids if i not in out]
        print_error(f"{len(out)} quarantined problems are left out")
        if changed:
            print_error(f"{len(changed)} problems on the list have other tests now and are kept; audit the file again")
        if not ids:
            msg = f"all problems of {source} are quarantined"
            raise DataError(msg)
    return ids[: options.limit]
