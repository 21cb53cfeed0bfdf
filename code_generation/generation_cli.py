"""Every command of `codegen`, a screen each: parse, call, say what was done. What they do lives in the rooms below.

Exit codes: 0 done · 1 finished, but something asked for was not got · 2 usage or configuration · 130 interrupted.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import App, Parameter

from code_generation import __version__, proving_cli
from code_generation.command_line import DONE, INTERRUPTED, NOT_ALL, fill_in, run_app
from code_generation.errors import ConfigError
from code_generation.exporting import export
from code_generation.grader import GraderOptions, open_grader
from code_generation.grading import GradeOptions, grade_file, read_candidates
from code_generation.interruption import resume_command
from code_generation.jsonl import encode, print_error
from code_generation.loaders import LoadOptions, dataset_of
from code_generation.measuring_cli import register
from code_generation.preprocess.proposals import ExtractionOptions
from code_generation.providers import ModelOptions
from code_generation.reports.command import report
from code_generation.results import check_writable, refuse_to_replace
from code_generation.run import prepare_scrape
from code_generation.run_options import PromptOptions, RunOptions, SampleOptions, ScrapeOptions

if TYPE_CHECKING:
    from code_generation.run import Run
    from code_generation.run_summary import RunSummary

Flat = Parameter(name="*")
"""Fields of an options class become flags; their docstrings are the help."""
Positional = Annotated[Path, Parameter(negative=())]

app = App(
    name="codegen",
    help="Programming problems and a model in; code that is proven to pass, its conversation and training files out.",
    version=__version__,
    help_format="markdown",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,  # `run_command` says how to resume
)


# ------------------------------------------------------------------------------------------------ commands


@app.command
def demo(*, output_dir: Path = Path("demo_output")) -> int:
    """Run the whole main job offline, in seconds: problems, code, grades, repair after feedback, training file.

    Example: `codegen demo`

    Args:
        output_dir: Folder for problems.jsonl, solutions.jsonl, unsolved.jsonl and sft.jsonl.
    """
    from code_generation.demo import run_demo  # noqa: PLC0415 - a command pays for its own imports only

    return asyncio.run(run_demo(output_dir))


@app.command
def doctor(*, json: bool = False) -> int:
    """Say what this machine offers: isolation and why, speed, packages, which keys are set (never their values).

    Exit status 1 where untrusted code can't be contained.

    Example: `codegen doctor`

    Args:
        json: As one JSON object.
    """
    from code_generation.doctor import examine, render_report  # noqa: PLC0415

    found = asyncio.run(examine())
    print(encode(found) if json else render_report(found))
    return DONE if found["isolation"] else NOT_ALL


@app.command
def preprocess(
    dataset: str,
    /,
    *,
    output: Path,
    assign_splits: str | None = None,
    options: Annotated[LoadOptions, Flat] = LoadOptions(),  # noqa: B008 - frozen
    model: Annotated[ModelOptions, Flat] = ModelOptions(),  # noqa: B008
    extraction: Annotated[ExtractionOptions, Flat] = ExtractionOptions(),  # noqa: B008
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
) -> int:
    """Turn a data set into a problem file; OUTPUT.manifest.json beside it accounts for every row.

    References are run where a row leaves open how its function is called or whether its values are wrapped. Problems
    without public tests get those that their statements show; with --model (here never from CODEGEN_MODEL) a model is
    asked where a statement shows none in a known form.

    Example: `codegen preprocess jsonl --source datasets/samples_raw.jsonl --output problems.jsonl`

    Args:
        dataset: Name of the data set (apps, codecontests, codeforces, deepcoder, humaneval, jsonl, leetcode,
            livecodebench, mbpp, primeintellect, swebench, taco).
        output: Problem file to write.
        assign_splits: Write each problem's split into its metadata, by hash of the statement (and --seed), near
            duplicates together: train=0.8,validation=0.1,test=0.1
    """
    from code_generation.preprocess import manifest_path, preprocess  # noqa: PLC0415

    manifest = asyncio.run(
        preprocess(
            dataset_of(dataset),
            options,
            output,
            assign_splits=assign_splits,
            model=model,
            extraction=extraction,
            grading=grading,
        )
    )
    bad = manifest["bad_rows"]
    *kinds, public = (f"{n} {kind}" for kind, n in manifest["tests"].items())
    said = f"{manifest['problems_out']} problems from {manifest['rows_in']} rows -> {output}"
    print(f"{said} (tests: {', '.join(kinds)}; {public})")
    if outside := manifest["rows_outside_window"]:
        print(f"{outside} rows lie outside the window")
    if shown := manifest["problems_without_private_tests"]:
        print(f"problems without a private test: {shown} (what a model may see is all that verifies it)")
    if bad and not manifest["problems_out"]:
        print_error(f"no row became a problem: is this {dataset}?")
    if assign_splits is not None:
        sides = ", ".join(f"{name} {split['problems']}" for name, split in manifest["splits"].items())
        print(f"splits: {sides}; groups of near duplicates kept together: {manifest['kept_together']}")
    print(f"manifest: {manifest_path(output)}")
    for row in bad[:5]:
        print_error(f"bad row {row['place']}: {row['reason']}")
    if bad:
        print_error(f"{len(bad)} bad rows left out; all are listed in {manifest_path(output)}")
    return DONE


@app.command
def validate(
    files: Annotated[list[Path], Parameter(name="FILE")],
    /,
    *,
    check_canonical: bool = False,
    output: Path | None = None,
    quarantine: Path | None = None,
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
) -> int:
    """Check problem files: shape, duplicates, private tests in statements; with --check-canonical the whole audit.

    The audit runs every reference through every test and says of each problem whether it deserves a model's time.
    Problems that don't are listed in FILE.quarantine.jsonl, for `codegen scrape --skip-quarantined`. Exit status 1 for
    errors (schema, a reference that fails), 0 where there are only warnings.

    Example: `codegen validate datasets/three_sample.jsonl --check-canonical`

    Args:
        files: Problem files.
        check_canonical: Run every reference solution through all tests of its problem.
        output: Write the report as JSON.
        quarantine: Write the quarantine list here instead of beside FILE.
    """
    from code_generation.audit.quarantine import check_quarantine, quarantine_path, write_quarantine  # noqa: PLC0415
    from code_generation.audit.validate import audit_files, check_files, render_report  # noqa: PLC0415

    if output is not None:
        refuse_to_replace(output, "report", {"problems", "errors", "warnings"})
    if quarantine is not None and len(files) > 1:
        msg = "--quarantine names one list; with several files each gets its own"
        raise ConfigError(msg)
    if quarantine is not None and not check_canonical:
        msg = "--quarantine is written by the audit: give --check-canonical too"
        raise ConfigError(msg)
    places = {file: quarantine or quarantine_path(file) for file in files} if check_canonical else {}
    for place in [*places.values(), *([output] if output else [])]:
        check_writable(place)
    for place in places.values():
        check_quarantine(place)
    report, usable = check_files(files)

    async def references() -> None:
        async with open_grader(grading) as grader:
            await audit_files(usable, grader, report)

    if check_canonical:
        asyncio.run(references())
    print(render_report(report))
    if output is not None:
        _write_text(output, encode(vars(report)) + "\n")
    for file, place in places.items():
        count = write_quarantine(place, (a for a in report.audits if a["place"].rpartition(":")[0] == str(file)))
        print(f"{count} problems quarantined -> {place}")
    return NOT_ALL if report.errors else DONE


@app.command
def synthesize(
    *, tasks: int = 600, seed: int = 7, output: Path, adversarial_output: Path | None = None, check: bool = False,
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
) -> int:  # fmt: skip
    """Make tasks: thirty families in three buckets, most with edge cases; the same bytes for the same seed anywhere.

    Exit status 1 where --check finds a reference that fails, or heuristic solvers that edge cases do not expose.

    Example: `codegen synthesize --tasks 60 --seed 7 --output tasks.jsonl --adversarial-output adversarial.jsonl`

    Args:
        tasks: How many, in equal shares easy, medium and hard.
        seed: Other seeds give other tasks.
        output: Problem file to write, all tasks; OUTPUT.manifest.json beside it counts them.
        adversarial_output: Problem file to write, those with edge cases only.
        check: Run references and heuristic solvers on all tasks (0.5 s a test, or --timeout-s) and print how they do on
            both splits.
    """
    from code_generation.synthesize import CHECK_TIMEOUT_S, render_solvers, run_solvers, write_tasks  # noqa: PLC0415

    problems = write_tasks(tasks, seed, output, adversarial_output)
    adversarial = sum(p.metadata["adversarial"] for p in problems)
    buckets = Counter(p.metadata["difficulty"] for p in problems)
    print(f"{len(problems)} tasks ({', '.join(f'{n} {bucket}' for bucket, n in buckets.items())}), "
          f"{adversarial} of them adversarial -> {output}")  # fmt: skip
    if adversarial_output:
        print(f"the {adversarial} adversarial ones -> {adversarial_output}")
    if not check:
        return DONE

    async def run() -> int:
        async with open_grader(replace(grading, timeout_s=grading.timeout_s or CHECK_TIMEOUT_S)) as grader:
            rows = await run_solvers(problems, grader)
        print(render_solvers(rows))
        for row in (r for r in rows if r.fault):
            print_error(f"{row.solver}: {row.fault}")
        return NOT_ALL if any(row.fault for row in rows) else DONE

    return asyncio.run(run())


@app.command
def scrape(
    in_: Annotated[Path, Parameter(name="IN")], out: Annotated[Path, Parameter(name="OUT")], /, *,
    model: Annotated[ModelOptions, Flat] = ModelOptions(),  # noqa: B008
    prompts: Annotated[PromptOptions, Flat] = PromptOptions(),  # noqa: B008
    options: Annotated[ScrapeOptions, Flat] = ScrapeOptions(),  # noqa: B008
    running: Annotated[RunOptions, Flat] = RunOptions(),  # noqa: B008
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
    config: Path | None = None, dry_run: bool = False, estimate: bool = False, pilot: int = 30,
) -> int:  # fmt: skip
    """Solve problems in several turns: ask, run the tests, give feedback, ask again. The same command again resumes.

    Solved problems go to OUT, the others to the error log; each is one durable row the moment it ends.

    Example: `codegen scrape datasets/three_sample.jsonl solutions.jsonl --model scripted:flaky`

    Args:
        in_: Problem file.
        out: Result file; rows are appended.
        config: TOML file with flags under [scrape], see configs/scrape.example.toml.
        dry_run: Print the exact first prompt and what would run, and stop.
        estimate: Work on a few problems only, drawn as if at random, and say what all of them will cost, how many will
            be solved and how long it will take, with intervals. The run does not buy these answers again.
        pilot: How many problems --estimate works on.
    """
    del config  # read by `fill_in` before the flags are
    run = prepare_scrape(
        in_, out, model=model, prompts=prompts, grading=grading, options=options, running=running, need_key=not dry_run
    )
    return _carry_out(run, dry_run=dry_run, pilot=pilot if estimate else None)


@app.command
def generate(
    *, dataset: str, output: Path | None = None,
    load: Annotated[LoadOptions, Flat] = LoadOptions(),  # noqa: B008
    model: Annotated[ModelOptions, Flat] = ModelOptions(),  # noqa: B008
    prompts: Annotated[PromptOptions, Flat] = PromptOptions(),  # noqa: B008
    options: Annotated[SampleOptions, Flat] = SampleOptions(),  # noqa: B008
    running: Annotated[RunOptions, Flat] = RunOptions(),  # noqa: B008
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
    config: Path | None = None, dry_run: bool = False, estimate: bool = False, pilot: int = 30,
) -> int:  # fmt: skip
    """Single-turn answers, several to a problem, ready for pass@k. The same command with --output again resumes.

    Every answer is a row of one file, right or wrong: graded where the data set has tests; for SWE-bench with what is
    known of the patch, and predictions for the official harness beside it.

    Example: `codegen generate --dataset jsonl --source datasets/three_sample.jsonl --num-samples-per-problem 5
    --output answers.jsonl --model heuristic-medium`

    Args:
        dataset: Name of the data set, see `codegen preprocess --help`.
        output: Result file; rows are appended. Default: named after data set, model and time.
        config: TOML file with flags under [generate].
        dry_run: Print the exact first prompt and what would run, and stop; the problem file is made.
        estimate: Answer a few problems only and say what all of them will cost, see `codegen scrape --help`.
        pilot: How many problems --estimate works on.
    """
    del config  # read by `fill_in` before the flags are
    from code_generation.generate import prepare_generate  # noqa: PLC0415 - a command pays for its own imports only

    run = prepare_generate(
        dataset, output, load=load, model=model, prompts=prompts, grading=grading, options=options, running=running,
        need_key=not dry_run,
    )  # fmt: skip
    if output is None:
        print_error(f"results go to {run.out}; with --output {run.out} the same command resumes")
    status = _carry_out(run, dry_run=dry_run, pilot=pilot if estimate else None)
    if run.asks_for_patches and not dry_run and run.out.is_file():
        from code_generation.predictions import write_predictions  # noqa: PLC0415

        for path in write_predictions(run.out, run.samples_per_problem):
            print(f"predictions: {path}")
    return status


@app.command
def patches(
    answers: Path, /, *, output: Path, problems: Path | None = None, repos: Path | None = None,
    harness_report: Path | None = None, sample: int | None = None,
) -> int:  # fmt: skip
    """Measure patches for SWE-bench: found, repaired, well-formed, applied, compared; never a verdict of its tests.

    ANSWERS holds rows of `codegen generate --dataset swebench`, or recorded ones: `{"instance_id", "full_output"}`
    (or `"response"`, or `"model_patch"`). With the official harness' report its outcomes stand beside the shares and
    go into the rows, so that `codegen export` takes resolved ones as verified by that harness.

    Example: `codegen patches datasets/issue_answers.jsonl --output measured.jsonl`

    Args:
        answers: Result file, predictions, or recorded answers.
        output: File to write, a row an answer.
        problems: Problem file with the issues of recorded answers; result rows hold their own.
        repos: Folder with clones, as owner__name, owner/name or name: patches are applied to the base commit.
        harness_report: Report of the official harness about these answers.
        sample: Which sample of a run the report is about; needed where an issue has several.
    """
    from code_generation.patch_shares import measure, render_shares  # noqa: PLC0415

    shares = measure(answers, output, problems=problems, repos=repos, report=harness_report, sample=sample)
    print(render_shares(shares))
    print(f"{shares.total} answers -> {output}")
    return NOT_ALL if shares.lost else DONE


def _carry_out(run: Run, *, dry_run: bool, pilot: int | None) -> int:
    if dry_run:
        print(run.first_prompt())
        unsolved = f", unsolved: {run.unsolved}" if run.unsolved else ""
        print(f"\nwould ask {run.choice!r} about {len(run.ids)} problems of {run.source}, "
              f"{run.samples_per_problem} conversation(s) each of at most {run.policy.max_turns} turns; "
              f"results: {run.out}{unsolved}")  # fmt: skip
        return DONE
    if pilot is not None:
        return _estimate(run, pilot)
    return _report(asyncio.run(run.run()), run)


def _estimate(run: Run, pilot: int) -> int:
    from code_generation.estimate import estimate, render_forecast  # noqa: PLC0415

    if pilot < 2:  # noqa: PLR2004
        msg = f"--pilot must be at least 2, got {pilot}"
        raise ConfigError(msg)
    summary, found = asyncio.run(estimate(run, pilot))
    status = _report(summary, run)
    print(render_forecast(found))
    return status


def _report(summary: RunSummary, run: Run) -> int:
    """Say what a run did, and why it ended where it ended early."""
    print(say_summary(summary, run))
    if summary.interrupted:
        named = f" --output {run.out}" if run.command == "generate" and "--output" not in resume_command() else ""
        print_error(f"interrupted; this resumes: {resume_command()}{named}")
        return INTERRUPTED
    if summary.budget_spent:
        print_error(f"{summary.budget_spent}; {summary.left} conversations are left: "
                    "the same command with a larger --max-cost-usd goes on")  # fmt: skip
        return NOT_ALL
    for reason, count in summary.failures.most_common(5):
        print_error(f"{count} problems without a result: {reason}")
    return NOT_ALL if summary.failures else DONE


def say_summary(summary: RunSummary, run: Run) -> str:
    """What a run did, for people."""
    before = f", {summary.done_before} were done before" if summary.done_before else ""
    left = f", {summary.left} left" if summary.left else ""
    judged = "" if run.asks_for_patches else f"{summary.verified} verified, "
    repaired = f"{summary.repaired} repaired after feedback, " if run.policy.max_turns > 1 else ""
    unsolved = f"\nunsolved: {run.unsolved}" if run.unsolved else ""
    if summary.done_before == summary.total:
        return f"{summary.total} conversations, all of them done before\nresults: {run.out}{unsolved}"
    return (
        f"{summary.total} conversations{before}: {summary.note()}{left} ({judged}{repaired}{summary.turns} turns)\n"
        f"results: {run.out}{unsolved}"
    )


@app.command
def grade(
    problems: Path, candidates: Path, /, *, output: Path, force: bool = False,
    options: Annotated[GradeOptions, Flat] = GradeOptions(),  # noqa: B008
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
) -> int:  # fmt: skip
    """Grade code from anywhere. Wrong answers are results: exit status 1 only where the sandbox failed.

    CANDIDATES holds rows `{"problem_id", "candidate_id"?, "code"}`, or `"response"` with a raw reply.

    Example: `codegen grade datasets/three_sample.jsonl datasets/three_candidates.jsonl --output verdicts.jsonl`

    Args:
        problems: Problem file.
        candidates: Candidates file.
        output: Verdict file, a row a candidate in input order; the same command again resumes.
        force: Start anew; earlier verdicts are kept beside as .bak.
    """
    options.check()  # before anything is read or opened
    wanted = read_candidates(problems, candidates)

    async def run() -> int:
        async with open_grader(grading) as grader:
            counts = await grade_file(wanted, output, grader, options, force=force)
        for row in counts.flips:
            name = " ".join(str(row[key]) for key in ("problem_id", "candidate_id") if row[key] is not None)
            print(f"{name}: {options.profile} {row['verdict']}, {options.diff_profile} {row['diff_verdict']}")
        if options.diff_profile:
            both = f"{options.profile} and {options.diff_profile}"
            print(f"{len(counts.flips)} of {len(wanted)} verdicts flip between {both}")
        kept = f" ({counts.kept} judged before)" if counts.kept else ""
        print(
            f"{len(wanted)} candidates{kept}: {counts.passed} pass, {counts.failed} fail, {counts.infra} infra "
            f"-> {output}"
        )
        return NOT_ALL if counts.infra else DONE

    return asyncio.run(run())


app.command(export)
app.command(report)
register(app)
proving_cli.register(app)
app.config = (fill_in,)


def run_command(*arguments: str) -> NoReturn:
    """Run one command line and exit with its status; mistakes are one line, never a traceback."""
    run_app(app, *arguments)


def _write_text(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as e:
        msg = f"{path} can't be written ({e.strerror})"
        raise ConfigError(msg) from None


def main() -> None:
    """The console script `codegen`."""
    run_command(*sys.argv[1:])


if __name__ == "__main__":
    main()
