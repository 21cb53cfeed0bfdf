"""The whole main job, offline: the shipped sample problems through a scripted model that errs first and repairs."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from code_generation.exporters.files import export
from code_generation.loaders import LoadOptions, dataset_of
from code_generation.preprocess import preprocess
from code_generation.prompts import packaged_folder
from code_generation.providers import ModelOptions
from code_generation.results import read_results
from code_generation.run import prepare_scrape
from code_generation.run_options import RunOptions, ScrapeOptions

if TYPE_CHECKING:
    from pathlib import Path

    from code_generation.models import GenerationResult


async def run_demo(folder: Path) -> int:
    """Write problems.jsonl, solutions.jsonl, unsolved.jsonl and sft.jsonl; returns the exit status.

    Run again in the same folder it resumes, which for a finished demo means: it shows what is there.
    """
    problems, solutions, unsolved, sft = (
        folder / f"{name}.jsonl" for name in ("problems", "solutions", "unsolved", "sft")
    )
    raw = packaged_folder("_samples", "datasets") / "samples_raw.jsonl"
    manifest = await preprocess(dataset_of("jsonl"), LoadOptions(source=str(raw)), problems)
    tests = ", ".join(f"{manifest['tests'][kind]} {kind}" for kind in ("stdin", "functional", "assert"))
    print(f"1. problems   {manifest['problems_out']} sample problems with {tests} tests -> {problems}")

    run = prepare_scrape(
        problems,
        solutions,
        model=ModelOptions(model="scripted:flaky"),
        options=ScrapeOptions(error_log_path=unsolved, max_turns=3),
        running=RunOptions(max_concurrent=8),
    )
    summary = await run.run()
    if summary.interrupted:
        print(f"interrupted; the same command resumes: codegen demo --output-dir {shlex.quote(str(folder))}")
        return 130
    found = [r for path in (solutions, unsolved) for _, r in read_results(path)]
    turns = Counter(len(r.attempts) for r in found if r.satisfied)
    by_turn = ", ".join(f"{n} in turn {turn}" for turn, n in sorted(turns.items()))
    print(f"2. scrape     {run.choice!r}: {sum(turns.values())} of {len(found)} solved ({by_turn}) -> {solutions}")
    repaired = [r for r in found if r.satisfied and len(r.attempts) > 1]
    if repaired:
        print(_show_repair(min(repaired, key=lambda r: (not _fails_in_public(r), len(r.problem.problem)))))
    verified = sum(r.verified for r in found)
    isolation = found[0].certificate.isolation if found and found[0].certificate else "?"
    print(f"3. verified   {verified} rows passed every test, public and private, each in its own process ({isolation})")
    _, rows = export([solutions], "sft", sft)
    print(f"4. export     {rows} training rows -> {sft}")
    print(
        f"\nCheck the labels again:  codegen verify {shlex.quote(str(solutions))}\n"
        f"With a model of yours:   codegen scrape {shlex.quote(str(problems))} solutions.jsonl --model provider:model"
    )
    return 1 if summary.failures else 0


def _fails_in_public(result: GenerationResult) -> bool:
    """Whether the first attempt failed a test that feedback shows in full."""
    first = result.attempts[0].grade
    return first is not None and any(o.is_public and o.status == "wrong_answer" for o in first.outcomes)


def _show_repair(result: GenerationResult) -> str:
    """One repair: what was wrong, what the model was told, how it ended."""
    first = result.attempts[0].grade
    told = next(m.content for m in result.full_message_history[3:] if m.role == "user")
    counts = f"{first.n_passed} of {first.n_tests} tests passed" if first else "no code"
    lines = [f"{result.problem.problem_id}, turn 1: {counts}. The model was told:"]
    lines += [f"  | {line}" for line in told.splitlines() if line.strip()]
    last = result.attempts[-1].grade
    lines.append(f"turn {len(result.attempts)}: {last.n_passed} of {last.n_tests} tests passed" if last else "")
    return "\n".join(f"              {line}" for line in lines)
