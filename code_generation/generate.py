"""One run of `codegen generate`: a data set in, single-turn answers out.

The data set becomes a problem file beside the results first (`preprocess`); a run that goes on uses the one that is
there. All answers go to one file, right or wrong, each with its sample index: pass@k counts both.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from code_generation.certificate import sha256_text, tests_sha256
from code_generation.errors import ConfigError, DataError
from code_generation.grader import GraderOptions
from code_generation.jsonl import decode, print_error
from code_generation.loaders import LoadOptions, dataset_of
from code_generation.loaders.jsonl import read_problems
from code_generation.loaders.sources import sha256_of
from code_generation.preprocess import manifest_path, preprocess
from code_generation.prompts import CODE, PATCHES
from code_generation.providers import ModelOptions, choose_model
from code_generation.results import check_writable, read_finished
from code_generation.run import Run, choose_prompts
from code_generation.run_manifest import describe_options
from code_generation.run_options import PromptOptions, RunOptions, SampleOptions
from code_generation.sampler import sample
from code_generation.scraper import SolvePolicy

if TYPE_CHECKING:
    from code_generation.loaders import DataSet
    from code_generation.models import CodeProblem


def problems_path(out: Path) -> Path:
    """Where a run keeps the problems that it asks about: `answers.jsonl` -> `answers.problems.jsonl`."""
    return out.with_name(out.name.removesuffix(".jsonl") + ".problems.jsonl")


def named_after(dataset: str, model: str) -> Path:
    """A result file in the current folder: `swebench_org-model_20261126T101500.jsonl`."""
    slug = re.sub(r"[^\w.-]+", "-", model).strip("-.")
    return Path(f"{dataset}_{slug}_{time.strftime('%Y%m%dT%H%M%S')}.jsonl")


def prepare_generate(
    dataset: str,
    out: Path | None = None,
    *,
    model: ModelOptions,
    load: LoadOptions | None = None,
    prompts: PromptOptions | None = None,
    grading: GraderOptions | None = None,
    options: SampleOptions | None = None,
    running: RunOptions | None = None,
    need_key: bool = True,
    problems: Path | None = None,
) -> Run:
    """Single-turn answers: check options, prompts and key, and make the problem file, beside OUT or at `problems`.

    Raises:
        ConfigError, DataError: something is not as it must be.
    """
    options, running, load = options or SampleOptions(), running or RunOptions(), load or LoadOptions()
    options.check()
    running.check()
    choice = choose_model(model, need_key=need_key)
    asked_of = dataset_of(dataset)
    chosen = choose_prompts(prompts or PromptOptions(), PATCHES if asked_of.wants_patches else CODE)
    out = out or named_after(asked_of.name, choice.model)
    source = problems or problems_path(out)
    if not running.force:
        _check_output(out)
    _read_problems(asked_of, load, source, anew=running.force)
    repos = None if load.repos is None else Path(load.repos)
    return Run(
        command="generate",
        answer=partial(sample, repos=repos),
        source=source,
        out=out,
        unsolved=None,
        choice=choice,
        policy=SolvePolicy(prompts=chosen, sampling=choice.sampling, max_turns=1),
        model=model,
        grading=grading or GraderOptions(),
        options=running,
        samples_per_problem=options.num_samples_per_problem,
        asked=describe_options(options) | {"dataset": asked_of.name, "load": describe_options(load)},
        ids=[p.problem_id for p in read_problems(source)],
    )


def _check_output(out: Path) -> None:
    """Look at the result file before anything is written beside it.

    Raises:
        ConfigError, DataError: it can't be written, or holds something else.
    """
    check_writable(out)
    for _ in read_finished(out):
        pass


def _read_problems(dataset: DataSet, load: LoadOptions, source: Path, *, anew: bool = False) -> None:
    """Make the problem file, unless it is there as these options make it.

    Raises:
        ConfigError: a problem that this run began with has other words or tests now. DataError: nothing to ask about.
    """
    there = source.exists() and not anew
    if there and _options_of(source) == _comparable(asdict(load) | {"map": list(load.map)}):
        return
    before = {p.problem_id: _fingerprint(p) for p in read_problems(source)} if there else {}
    asking = replace(dataset, parse=partial(_parse_askable, dataset))
    draft = source.with_name(f".{source.name}.draft")
    manifest = asyncio.run(preprocess(asking, load, draft))
    bad = manifest["bad_rows"]
    for row in bad[:5]:
        print_error(f"bad row {row['place']}: {row['reason']}")
    if bad:
        print_error(f"{len(bad)} bad rows left out; all are listed in {manifest_path(source)}")
    after = {p.problem_id: _fingerprint(p) for p in read_problems(draft)} if before else {}
    changed = [i for i, found in after.items() if before.get(i, found) != found]
    if not manifest["problems_out"] or changed:
        draft.unlink()
        manifest_path(draft).unlink()
        if changed:
            msg = (
                f"{manifest['source']} has other words or tests for {len(changed)} problems that this run began with, "
                f"{changed[0]} for one: choose another --output, or --force"
            )
            raise ConfigError(msg)
        msg = f"{manifest['source']}: none of its {manifest['rows_in']} rows can be asked about"
        raise DataError(msg)
    draft.replace(source)
    manifest_path(draft).replace(manifest_path(source))


def _fingerprint(problem: CodeProblem) -> tuple[str, str]:
    return sha256_text(problem.problem + str(problem.metadata.get("text"))), tests_sha256(problem)


def _parse_askable(dataset: DataSet, row: dict[str, Any], load: LoadOptions) -> CodeProblem:
    """A problem that a model can be asked about: an issue alone says nothing about the code that it is about."""
    problem = dataset.parse(row, load)
    if problem.wants_patch and not problem.metadata.get("text"):
        msg = (
            "it has no prompt: neither a field `text`, which the oracle and bm25 builds have, nor a clone of "
            f"{problem.metadata.get('repo')} to assemble one from (--repos DIR)"
        )
        raise DataError(msg)
    return problem


def _options_of(source: Path) -> dict[str, Any] | None:
    try:
        manifest = decode(manifest_path(source).read_bytes())
        options, sha256 = _comparable(manifest["options"]), manifest["sha256"]["output"]
    except (OSError, ValueError, LookupError, TypeError) as e:
        msg = f"{source} is there already, and how it was made is not ({e}); move it away or choose another --output"
        raise ConfigError(msg) from None
    if sha256_of(source) != sha256:
        msg = f"{source} was changed since this run made it; put it back, or choose another --output"
        raise ConfigError(msg)
    return options


def _comparable(options: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k != "assign_splits"}
