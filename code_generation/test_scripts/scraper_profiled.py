"""Where does the time go? `python -m code_generation.test_scripts.scraper_profiled IN OUT --model M --profile-output P`

Runs `codegen scrape` with the same flags and writes, for each problem and in all, the seconds and shares of model
calls, of waiting for them (limits, failed calls made again), of executing code, and of I/O.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from code_generation.command_line import INTERRUPTED, NOT_ALL, fill_in, run_app
from code_generation.generation_cli import Flat, say_summary
from code_generation.grader import GraderOptions
from code_generation.interruption import resume_command
from code_generation.jsonl import encode, print_error
from code_generation.providers import ModelOptions
from code_generation.results import check_writable
from code_generation.run import prepare_scrape
from code_generation.run_options import PromptOptions, RunOptions, ScrapeOptions

if TYPE_CHECKING:
    from code_generation.models import GenerationResult, JsonValue

PARTS = ("model_calls", "waiting", "execution", "io", "other")

app = App(name="scraper_profiled", help_format="markdown", default_parameter=Parameter(negative=()), config=(fill_in,))


@app.default
def scraper_profiled(
    in_: Annotated[Path, Parameter(name="IN")], out: Annotated[Path, Parameter(name="OUT")], /, *,
    profile_output: Path,
    model: Annotated[ModelOptions, Flat] = ModelOptions(),  # noqa: B008 - frozen
    prompts: Annotated[PromptOptions, Flat] = PromptOptions(),  # noqa: B008
    options: Annotated[ScrapeOptions, Flat] = ScrapeOptions(),  # noqa: B008
    running: Annotated[RunOptions, Flat] = RunOptions(),  # noqa: B008
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008
) -> int:  # fmt: skip
    """Solve problems like `codegen scrape`, and say where the time went.

    Args:
        in_: Problem file.
        out: Result file; rows are appended.
        profile_output: JSON file to write: `problems`, a row each, and `total`.
    """
    check_writable(profile_output)
    run = prepare_scrape(in_, out, model=model, prompts=prompts, grading=grading, options=options, running=running)
    rows: list[dict[str, JsonValue]] = []

    def note(result: GenerationResult, seconds: dict[str, float]) -> None:
        names = {
            "problem_id": result.problem.problem_id,
            "sample_index": result.generation_metadata["sample_index"],
            "turns": len(result.attempts),
        }
        rows.append(names | profile_of(parts_of(seconds)))

    try:
        summary = asyncio.run(run.run(note))
    finally:
        total = profile_of({key: sum(row["seconds"][key] for row in rows) for key in ("total", *PARTS)})
        profile_output.write_text(encode({"problems": rows, "total": total}) + "\n", encoding="ascii")
    print(say_summary(summary, run))
    shares = ", ".join(f"{part.replace('_', ' ')} {100 * share:.1f} %" for part, share in total["shares"].items())
    print(f"{len(rows)} problems profiled: {shares}\nprofile: {profile_output}")
    if summary.interrupted:
        print_error(f"interrupted; this resumes: {resume_command()}")
        return INTERRUPTED
    return NOT_ALL if summary.failures else 0


def parts_of(seconds: dict[str, float]) -> dict[str, float]:
    """What the spans of one conversation say about its parts, in seconds, `total` beside them."""
    asking, calls, kept, execution, rows = (
        seconds.get(span, 0.0) for span in ("asking", "model_calls", "journal", "execution", "rows")
    )
    parts = {"model_calls": calls, "waiting": asking - calls - kept, "execution": execution, "io": kept + rows}
    return {"total": seconds["total"], **parts, "other": seconds["total"] - sum(parts.values())}


def profile_of(parts: dict[str, float]) -> dict[str, JsonValue]:
    """Seconds and shares: `{"seconds": {"total": 10.0, "model_calls": 9.0, ...}, "shares": {"model_calls": 0.9, ...}}`."""
    seconds = {name: round(max(0.0, s), 4) for name, s in parts.items()}
    return {"seconds": seconds, "shares": {p: round(seconds[p] / max(seconds["total"], 1e-9), 4) for p in PARTS}}


if __name__ == "__main__":
    run_app(app, *sys.argv[1:])
