"""Sampling for an evaluation: a run for each data set, model and strategy, each with files of its own in one folder.

The problem file is made once a data set. The same call again goes on where the last one stopped: every run is journaled
as `codegen generate` is. All runs share a grader, which runs the same code for the same problem once.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from code_generation.errors import ConfigError, Hopeless
from code_generation.evaluation.outcomes import from_result
from code_generation.generate import prepare_generate
from code_generation.grader import GraderOptions, open_grader
from code_generation.jsonl import decode, print_error
from code_generation.loaders.sources import sha256_of
from code_generation.measuring.reading import signs_of
from code_generation.measuring.remembering import RememberingGrader
from code_generation.preprocess import manifest_path
from code_generation.pricing import dollars
from code_generation.reports.building import Row
from code_generation.reports.hacks import Looker
from code_generation.results import read_finished, read_results
from code_generation.run_manifest import describe_model, describe_prompts, run_manifest_path
from code_generation.run_options import PromptOptions, RunOptions, SampleOptions
from code_generation.spending import UNIT, SpendingLog, spending_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from code_generation.evaluation.outcomes import Sample
    from code_generation.measuring.recipe import DataEntry, Recipe, SamplingOptions
    from code_generation.models import JsonValue
    from code_generation.run import Run
    from code_generation.run_summary import RunSummary


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One model with one strategy on one data set."""

    dataset: str
    model: str
    strategy: str
    run: Run

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.dataset}, {self.model}, {self.strategy}"

    def rows(self) -> Iterator[Row]:
        """The rows that belong to it, under the names that the evaluation gives."""
        wanted, samples = set(self.run.ids), self.run.samples_per_problem
        if not self.run.out.exists():
            return
        for line, result in read_results(self.run.out):
            index = result.generation_metadata.get("sample_index", 0)
            if result.problem.problem_id in wanted and index < samples:
                metadata = result.problem.metadata | {"source": self.dataset}
                named = {"model": self.model, "prompt_id": self.strategy}
                yield Row(
                    self.run.out.name,
                    line,
                    structs.replace(
                        result,
                        problem=structs.replace(result.problem, metadata=metadata),
                        generation_metadata=result.generation_metadata | named,
                    ),
                )

    def samples(self) -> list[Sample]:
        """What became of its rows."""
        looker = Looker()
        return [from_result(row.result, hack_signs=signs_of(looker, row.result)) for row in self.rows()]

    def left(self) -> int:
        """Samples without a row."""
        wanted = {(i, sample) for i in self.run.ids for sample in range(self.run.samples_per_problem)}
        return len(wanted - {(f.problem_id, f.sample_index) for f in read_finished(self.run.out)})


@dataclass
class Sampled:
    """What came of all runs."""

    interrupted: bool = False
    budget_spent: str = ""
    """Why the cap on the cost ended it; empty where it did not."""
    failures: Counter[str] = field(default_factory=Counter)
    """Error texts of samples that a broken tool left without a row."""
    given_up: dict[str, str] = field(default_factory=dict)
    """By the cell's name, why its model answers nothing; cells of other models went on."""
    graded: tuple[int, int] = (0, 0)
    """Grades that were asked for, and those that were worked for."""


def prepare_cells(
    recipe: Recipe, options: SamplingOptions, folder: Path, *, grading: GraderOptions, running: RunOptions
) -> list[Cell]:
    """Check everything that can be checked before anything is spent, and make the problem files.

    Raises:
        ConfigError, DataError: something is not as it must be; the folder holds results of something else.
    """
    strategies = options.names()
    running.check()
    cells = []
    outs: dict[Path, str] = {}
    for data in recipe.datasets:
        problems = folder / f"{_slug(data.name)}.problems.jsonl"
        _check_source(data, problems, force=running.force)
        for model in recipe.models:
            for strategy in strategies:
                out = folder / f"{'.'.join(map(_slug, (data.name, model.name, strategy)))}.jsonl"
                name = f"{data.name}, {model.name}, {strategy}"
                if out in outs or out == problems:
                    msg = f"{name} and {outs.get(out, 'the problems')} would have the same file, {out}: rename one"
                    raise ConfigError(msg)
                outs[out] = name
                run = prepare_generate(
                    data.dataset,
                    out,
                    model=model.options,
                    load=data.load,
                    prompts=PromptOptions(
                        system_prompt_id=options.system_prompt_id, prompt_id=strategy, prompts_dir=options.prompts_dir
                    ),
                    grading=grading,
                    options=SampleOptions(num_samples_per_problem=options.samples),
                    running=running,
                    problems=problems,
                )
                cells.append(Cell(dataset=data.name, model=model.name, strategy=strategy, run=run))
    for cell in cells:
        if not running.force:
            _check_begun(cell)
    return cells


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "unnamed"


def _check_source(data: DataEntry, problems: Path, *, force: bool) -> None:
    """Refuse a problem file whose source has changed since, or, with `force`, make way for a new one.

    Raises:
        ConfigError: the source is another one now.
    """
    place = manifest_path(problems)
    if not problems.exists() or not place.exists():
        return
    if force:
        problems.unlink()
        place.unlink()
        return
    try:
        known = decode(place.read_bytes())["sha256"]["sources"]
    except (OSError, ValueError, LookupError, TypeError):
        return  # `prepare_generate` says what is wrong
    source = data.load.source
    for name, digest in known.items() if source else ():
        path = Path(name)
        if path.is_file() and sha256_of(path) != digest:
            msg = (
                f"{path} is not the file that {problems} was made of; choose another output folder, "
                "or --force to begin anew"
            )
            raise ConfigError(msg)


def _check_begun(cell: Cell) -> None:
    """Refuse rows of another model, other prompts or other problems: figures over both would be of neither.

    Raises:
        ConfigError: what differs.
    """
    run = cell.run
    try:
        manifest = decode(run_manifest_path(run.out).read_bytes())
        last, source = manifest["sessions"][-1], manifest["source"]["sha256"]
        facts = {"model": last["model"], "prompts": _texts(last["prompts"]), "problems": source}
    except (OSError, ValueError, LookupError, TypeError):
        return  # it has not begun, or the run itself says what is wrong
    mine = {
        "model": describe_model(run.choice),
        "prompts": _texts(describe_prompts(run.policy.prompts)),
        "problems": sha256_of(run.source),
    }
    if differing := [what for what, value in mine.items() if facts[what] != value]:
        msg = (
            f"{run.out} holds answers with another {differing[0].removesuffix('s')} than {cell.name} has now; "
            "choose another output folder, or --force to begin anew"
        )
        raise ConfigError(msg)


def _texts(prompts: JsonValue) -> JsonValue:
    return {name: prompt["sha256"] for name, prompt in prompts.items()}


async def run_cells(cells: Sequence[Cell], grading: GraderOptions, max_cost_usd: float | None = None) -> Sampled:
    """Run what is left of all cells, one after the other, within one budget. A model that answers nothing loses its
    further cells, and the others go on.

    Raises:
        ConfigError, DataError, SandboxUnavailable: a run can't work; rows and answers so far stay.
    """
    done = Sampled()
    gone: dict[str, str] = {}
    todo = [cell for cell in cells if cell.run.options.force or cell.left()]
    if not todo:
        return done
    async with open_grader(grading) as grader:
        remembering = RememberingGrader(grader)
        try:
            for number, cell in enumerate(todo, 1):
                run = cell.run
                if cell.model in gone:
                    done.given_up[cell.name] = gone[cell.model]
                    continue
                if max_cost_usd is not None and run.choice.endpoint is not None:
                    room = max_cost_usd - sum(spent_usd(c.run.out) for c in cells if c is not cell)
                    if room <= 0:
                        done.budget_spent = f"the budget is spent: {dollars(max_cost_usd)}, before {cell.name}"
                        break
                    run = replace(run, options=replace(run.options, max_cost_usd=room))
                print_error(f"{number} of {len(todo)}: {cell.name}")
                try:
                    summary = await run.run(grader=remembering)
                except Hopeless as e:
                    gone[cell.model] = done.given_up[cell.name] = str(e)
                    continue
                if _ended(summary, done):
                    break
        finally:
            await remembering.close()
            done.graded = remembering.asked, remembering.run
    return done


def _ended(summary: RunSummary, done: Sampled) -> bool:
    """Add up one run; whether no further one should begin."""
    done.failures.update(summary.failures)
    done.interrupted = summary.interrupted
    done.budget_spent = summary.budget_spent
    return summary.interrupted or bool(summary.budget_spent)


def spent_usd(out: Path) -> float:
    """What a run has spent so far, by its log."""
    path = spending_path(out)
    if not path.is_file():
        return 0.0
    log = SpendingLog(path)
    try:
        return log.spent * UNIT
    finally:
        log.close()
