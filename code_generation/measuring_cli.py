"""The commands that measure: evaluate, baselines, compare, diagnose. The work is done in `measuring/`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from code_generation.command_line import DONE, INTERRUPTED, NOT_ALL
from code_generation.errors import ConfigError
from code_generation.grader import GraderOptions
from code_generation.interruption import resume_command
from code_generation.jsonl import print_error
from code_generation.measuring.options import (
    CompareOptions,
    DiagnoseOptions,
    EvaluateOptions,
    OutputOptions,
    PlanOptions,
    RowOptions,
    refuse_given,
)
from code_generation.measuring.recipe import SamplingOptions
from code_generation.run_options import RunOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from code_generation.measuring.cells import Sampled
    from code_generation.measuring.recipe import Recipe
    from code_generation.measuring.standings import Evaluation

Flat = Parameter(name="*")
Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]
STEM = "evaluation"
FOLDER = Path("evaluation")
BASELINES = Path("baselines")


def register(app: App) -> None:
    """Add the commands to `codegen`."""
    for command in (evaluate, baselines, compare, diagnose):
        app.command(command)


def evaluate(
    files: Annotated[list[Path] | None, Parameter(name="FILES")] = None, /, *,
    rows: Annotated[RowOptions, Flat] = RowOptions(),  # noqa: B008 - frozen
    options: Annotated[EvaluateOptions, Flat] = EvaluateOptions(),  # noqa: B008
    output: Annotated[OutputOptions, Flat] = OutputOptions(),  # noqa: B008
    sampling: Annotated[SamplingOptions, Flat] = SamplingOptions(),  # noqa: B008
    running: Annotated[RunOptions, Flat] = RunOptions(),  # noqa: B008
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
    config: Path | None = None,
) -> int:  # fmt: skip
    """Figures over rows: pass@k, rewards, failures, costs, each with its interval, and a leaderboard.

    FILES hold rows of `codegen scrape` and `generate` (unsolved ones are found beside them), verdicts of `codegen
    grade`, or recorded ones, `{"problem_id": "p1", "passed": true}`; any number of models, strategies and data sets.
    With --config no FILES: the data sets, models and strategies of that file are sampled and graded first; the same
    command again goes on where it stopped.

    Example: `codegen evaluate demo_output/solutions.jsonl`

    Args:
        files: Files with rows.
        config: TOML file with [evaluate], [[datasets]] and [[models]], see configs/evaluate.example.toml.
    """
    how = options.figure_options()
    by_dataset = options.by == "dataset"
    stem = output.stem or STEM
    if config is not None:
        if files:
            msg = "give FILES to evaluate, or --config to sample first, not both"
            raise ConfigError(msg)
        refuse_given("for FILES only; a file of --config names data sets, models and strategies itself", rows)
        from code_generation.measuring.recipe import read_recipe  # noqa: PLC0415 - a command pays for its own imports

        placed = replace(output, output_dir=output.output_dir or FOLDER, stem=stem)
        return _sampled(read_recipe(config), sampling, options, placed, running, grading)
    if not files:
        msg = "nothing to evaluate: give FILES with rows, or --config FILE to sample first"
        raise ConfigError(msg)
    refuse_given("for sampling, which needs --config FILE; rows that are there are evaluated as they are", sampling,
                 running, grading)  # fmt: skip
    _check_typed(files)
    from code_generation.measuring.evaluating import Place, evaluate_files  # noqa: PLC0415

    place = Place(folder=output.output_dir, stem=stem) if output.output_dir else None
    if place is None and output.stem:
        msg = "--stem names files of --output-dir: give that too"
        raise ConfigError(msg)
    found, written = evaluate_files(files, rows, how, by_dataset=by_dataset, place=place, title="Evaluation")
    _show(found, written)
    return DONE


def _check_typed(files: Sequence[Path]) -> None:
    """Refuse numbers among the files: `--ks 1 5` takes 5 for a file."""
    if numbers := [str(path) for path in files if str(path).isdecimal() and not path.exists()]:
        msg = f"{numbers[0]} is no file; several ks stand together, with commas: --ks 1,{','.join(numbers)}"
        raise ConfigError(msg)


def baselines(
    *, dataset: Path, max_tasks: int | None = None, samples_per_task: int = 5, include_oracle: bool = False,
    output_dir: Path = BASELINES, stem: str = "baselines", strategies: Several = ("direct",),
    ks: Several = ("1,5",), force: bool = False,
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
) -> int:  # fmt: skip
    """The synthetic benchmark's built-in models through sampling, grading and evaluation: the leaderboard, three files.

    Offline. The same command again goes on where it stopped, and makes the same leaderboard again.

    Example: `codegen baselines --dataset datasets/synthetic_sample.jsonl --max-tasks 3 --ks 1,5`

    Args:
        dataset: Problem file of `codegen synthesize`, or one whose problems have references and wrong solutions.
        max_tasks: Only the first tasks.
        samples_per_task: Answers per task.
        include_oracle: Let the references answer too: what is not 1.000 there is no fault of a model.
        output_dir: Folder for STEM.json, STEM.md, STEM.html and the rows.
        stem: Name of the files, without suffix.
        strategies: Opening prompts by id, with commas between: direct, plan_then_code.
        ks: k of pass@k, with commas between.
        force: Start anew; earlier results are kept beside as .bak.
    """
    from code_generation.measuring.baselines import CONVERSATIONS, TIMEOUT_S, baselines_recipe  # noqa: PLC0415

    options = EvaluateOptions(ks=ks)
    options.figure_options()
    if max_tasks is not None and max_tasks < 1:
        msg = f"--max-tasks must be at least 1, got {max_tasks}"
        raise ConfigError(msg)
    return _sampled(
        baselines_recipe(dataset, max_tasks=max_tasks, include_oracle=include_oracle),
        SamplingOptions(strategies=strategies, samples=samples_per_task),
        options,
        OutputOptions(output_dir=output_dir, stem=stem),
        RunOptions(force=force),
        replace(grading, timeout_s=grading.timeout_s or TIMEOUT_S),
        title="Baselines of the synthetic benchmark",
        conversations=CONVERSATIONS,
    )


def _sampled(
    recipe: Recipe,
    sampling: SamplingOptions,
    options: EvaluateOptions,
    output: OutputOptions,
    running: RunOptions,
    grading: GraderOptions,
    *,
    title: str = "Evaluation",
    conversations: int | None = None,
) -> int:
    """Run what is left of a recipe, then evaluate all of it."""
    from code_generation.measuring.cells import prepare_cells, run_cells  # noqa: PLC0415
    from code_generation.measuring.evaluating import Place, evaluate_cells  # noqa: PLC0415

    place = Place(folder=output.output_dir or FOLDER, stem=output.stem or STEM)
    place.check()
    cells = prepare_cells(recipe, sampling, place.folder, grading=grading, running=running)
    done = asyncio.run(run_cells(cells, grading, running.max_cost_usd))
    if done.interrupted:
        print_error(f"interrupted; this resumes: {resume_command()}")
        return INTERRUPTED
    if done.given_up and not any(cell.run.out.exists() and any(cell.rows()) for cell in cells):
        return _status(done)
    how = options.figure_options()
    by_dataset = options.by == "dataset"
    found, written = evaluate_cells(
        cells, how, by_dataset=by_dataset, place=place, title=title, conversations=conversations
    )
    _show(found, written)
    return _status(done)


def _status(done: Sampled) -> int:
    if done.budget_spent:
        print_error(f"{done.budget_spent}; the same command with a larger --max-cost-usd goes on")
    for reason, count in done.failures.most_common(5):
        print_error(f"{count} samples without a result: {reason}")
    for name, reason in done.given_up.items():
        print_error(f"{name}: not finished: {reason}")
    if done.given_up:
        print_error(f"what is there is kept; when that is mended, the same command goes on: {resume_command()}")
    return NOT_ALL if done.budget_spent or done.failures or done.given_up else DONE


def _show(found: Evaluation, written: Sequence[Path]) -> None:
    from code_generation.measuring.tables import render_standings  # noqa: PLC0415

    _say(render_standings(found), written)


def compare(
    files: Annotated[list[Path], Parameter(name="FILES")], /, *,
    output: Path | None = None,
    rows: Annotated[RowOptions, Flat] = RowOptions(),  # noqa: B008
    options: Annotated[CompareOptions, Flat] = CompareOptions(),  # noqa: B008
    planning: Annotated[PlanOptions, Flat] = PlanOptions(),  # noqa: B008
) -> int:  # fmt: skip
    """Compare systems over the same problems: paired tests, intervals, effect sizes, a conclusion in plain words.

    Each file is one system (or, with --by model or --by strategy, all files are pooled): rows as `codegen evaluate`
    takes them. McNemar's exact test with one sample a problem, else a permutation of signs; the bootstrap draws
    problems with all their samples; p-values are corrected for the number of pairs. With --plan, how many problems and
    samples it takes to see a difference.

    Example: `codegen compare datasets/recorded_small.jsonl datasets/recorded_medium.jsonl`

    Args:
        files: Files with rows; with --plan one pilot, or two of the systems that will be compared.
        output: JSON file to write.
    """
    from code_generation.measuring.comparing import check_output, compare_files, plan_files  # noqa: PLC0415

    options.check()
    if output is not None:
        check_output(output, plan=planning.plan)
    if planning.plan:
        refuse_given("not with --plan, which compares nothing", options, but=("what",))
        said, found = plan_files(files, rows, options.what, planning)
    else:
        refuse_given("for --plan: give that too", planning)
        said, found = compare_files(files, rows, options)
    if output is not None:  # before anything is shown: whoever reads that may have gone
        from code_generation.measuring.outputs import write_json  # noqa: PLC0415

        write_json(output, [found])
    _say(said, [output])
    return DONE


def _say(text: str, written: Sequence[Path | None]) -> None:
    print(text)
    for path in written:
        if path is not None:
            print(f"-> {path}")


def diagnose(
    runs: Annotated[list[Path], Parameter(name="RUN")], /, *,
    against: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    output: Path | None = None, report: Path | None = None, measure_references: bool = False,
    rows: Annotated[RowOptions, Flat] = RowOptions(),  # noqa: B008
    options: Annotated[DiagnoseOptions, Flat] = DiagnoseOptions(),  # noqa: B008
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
) -> int:  # fmt: skip
    """What a trainer would make of runs with several samples a problem: advantages, which prompts teach, clipping.

    Group-relative (GRPO) and value-baseline (PPO) advantages over a reward that is correctness and nothing else; size,
    complexity, time and memory of the code stand beside it.

    Example: `codegen diagnose datasets/recorded_small.jsonl --output metrics.jsonl --report diagnosis.md`

    Args:
        runs: Files with rows, see `codegen evaluate --help`; several are one run.
        against: Files of another run, to compare with.
        output: JSONL file to write: a row a problem, then a summary; those of --against after it.
        report: Markdown file to write.
        measure_references: Run the reference solutions in the sandbox, so that time and memory can be told relative to
            theirs; sizes are so anyway.
    """
    from code_generation.measuring.diagnosing import diagnose_runs  # noqa: PLC0415
    from code_generation.measuring.diagnosis_page import render_diagnosis  # noqa: PLC0415
    from code_generation.measuring.outputs import check_json, check_page, write_json, write_page  # noqa: PLC0415

    options.check()
    if not measure_references:
        refuse_given("for --measure-references: give that too, nothing else runs code here", grading)
    if output is not None:
        check_json(output, "diagnosis", {"kind"})
    if report is not None:
        check_page(report)
    how = grading if measure_references else None
    found = [diagnose_runs(paths, rows, options, how) for paths in ([runs, against] if against else [runs])]
    text = render_diagnosis(*(side[-1] for side in found))
    if output is not None:  # before anything is shown: whoever reads that may have gone
        named = [[row | {"run": name} for row in side] for name, side in zip(("run", "against"), found, strict=False)]
        write_json(output, [row for side in named for row in side])
    if report is not None:
        write_page(report, f"# Diagnosis\n\n{text}\n")
    _say(text, [output, report])
    return DONE
