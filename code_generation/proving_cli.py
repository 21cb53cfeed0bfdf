"""The commands that prove: verify, manifest, and the journal of what was paid for."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from code_generation.command_line import DONE, NOT_ALL
from code_generation.grader import GraderOptions, open_grader
from code_generation.jsonl import print_error
from code_generation.progress import Progress

Flat = Parameter(name="*")

journal = App(name="journal", help="The answers that a run has paid for, OUT.journal.jsonl beside its results.")


def register(app: App) -> None:
    """Add the commands to `codegen`."""
    app.command(verify)
    app.command(manifest)
    app.command(journal)


def verify(
    files: Annotated[list[Path], Parameter(name="FILE")], /, *,
    results: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    problems: Path | None = None,
    grading: Annotated[GraderOptions, Flat] = GraderOptions(),  # noqa: B008 - frozen
) -> int:  # fmt: skip
    """Grade every row again that claims to be verified; a line and exit status 1 where a claim does not hold.

    Beside the tests everything is compared that says what was proven: the hashes and policy of an exported row with the
    run that it came from, a run's tests with the problem file that its manifest names (where that is there unchanged).

    Example: `codegen verify demo_output/solutions.jsonl`

    Args:
        files: Result files, or exports of them.
        results: Result files that the exports came from: an export holds no tests.
        problems: Problem file that the tests have to agree with, whatever the run's manifest says.
    """
    from code_generation.claims import check_claims, read_claims  # noqa: PLC0415 - a command pays for its own imports

    counts: Counter[str] = Counter()

    async def run() -> None:
        async with open_grader(grading) as grader:
            with Progress("verify") as progress:
                async for claim, faults in check_claims(read_claims(files, results or [], problems), grader):
                    counts["claims"] += 1
                    counts["elsewhere"] += claim.by == "harness"
                    if faults:
                        counts["broken"] += 1
                        print(f"{claim.place} {claim.problem_id}: {'; '.join(faults)}")
                    progress.step(f"{counts['broken']} do not hold")

    asyncio.run(run())
    print(
        f"{counts['claims']} verified rows checked: "
        f"{counts['claims'] - counts['broken']} hold, {counts['broken']} do not"
    )
    if not counts["claims"]:
        print_error("nothing in these files claims to be verified")
        return NOT_ALL
    if counts["elsewhere"]:
        print(f"{counts['elsewhere']} of them rest on a report of the official harness, which can't be run here")
    return NOT_ALL if counts["broken"] else DONE


def manifest(
    run: Annotated[Path, Parameter(name="RUN")], /, *,
    output_dir: Path | None = None, archive: Path | None = None,
    exports: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
) -> int:  # fmt: skip
    """Write down what it takes to make a run again: manifest, checklist, cards for models and data sets, an archive.

    Example: `codegen manifest demo_output/solutions.jsonl --archive run.tar.gz`

    Args:
        run: Result file of the run, OUT of `codegen scrape` or `generate`.
        output_dir: Folder for manifest.json, manifest.md, checklist.md, model_card.md and a card an export; default:
            RUN with .reproducibility for its ending.
        archive: Also pack every file of the run with all of it, .tar.gz.
        exports: Training files that `codegen export` made of the run.
    """
    from code_generation.reproducibility.writing import write_manifest  # noqa: PLC0415

    for path in write_manifest(run, output_dir, exports or [], archive):
        print(path)
    return DONE


@journal.command
def show(out: Annotated[Path, Parameter(name="OUT")], /, *, problem: str | None = None) -> int:
    """List the answers of a run, a line each.

    Example: `codegen journal show solutions.jsonl`

    Args:
        out: Result file of the run, or its journal.
        problem: Show the answers of this problem only, in full.
    """
    from code_generation.journal_tools import render_entries  # noqa: PLC0415

    for line in render_entries(out, problem):
        print(line)
    return DONE


@journal.command
def check(out: Annotated[Path, Parameter(name="OUT")], /) -> int:
    """Read every answer of a run. Exit status 1 where a line is broken.

    Example: `codegen journal check solutions.jsonl`

    Args:
        out: Result file of the run, or its journal.
    """
    from code_generation.journal_tools import check_entries  # noqa: PLC0415

    counts, faults = check_entries(out)
    for fault in faults:
        print(fault)
    print(f"{counts['answers']} answers: {counts['finished']} of finished conversations, {counts['open']} of others; "
          f"{counts['twice']} stand twice, {counts['broken']} lines are broken")  # fmt: skip
    return NOT_ALL if faults else DONE


@journal.command
def compact(out: Annotated[Path, Parameter(name="OUT")], /) -> int:
    """Drop what a run that goes on does not need: answers of conversations that have their row, and broken lines.

    Example: `codegen journal compact solutions.jsonl`

    Args:
        out: Result file of the run, or its journal.
    """
    from code_generation.journal_tools import compact as compact_journal  # noqa: PLC0415

    done = compact_journal(out)
    print(f"{done.kept} answers kept, {done.dropped} dropped: {done.bytes_before:,} -> {done.bytes_after:,} bytes")
    return DONE
