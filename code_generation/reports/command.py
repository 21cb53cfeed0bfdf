"""`codegen report`: which rows, which files, what is said."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from code_generation.errors import ConfigError, UnknownName
from code_generation.jsonl import print_error
from code_generation.reports.options import ATTEMPTS, ReportOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_KNOWN = 20
"""Ids that an unknown one is answered with."""


def report(
    results: Annotated[list[Path], Parameter(name="RESULTS")], /, *,
    output: Annotated[list[Path] | None, Parameter(negative=())] = None,
    title: str = "Report", ks: str = "1,5", problem: str | None = None, attempts: str = str(ATTEMPTS),
    show_private: bool = False,
) -> int:  # fmt: skip
    """Show what is in result files: leaderboard, charts, hack rate, conversations; a page that needs no network.

    The format is the output's suffix: .html, .md, .json, or .verification.md for PASS or FAIL, reward, case counts and
    first failure of every attempt. Unsolved problems of a run are found beside it; several models stand side by side.

    Example: `codegen report demo_output/solutions.jsonl --output report.html`

    Args:
        results: Result files of `codegen scrape` and `codegen generate`.
        output: File to write; may be given several times. Default: Markdown to the standard output.
        title: Stands above the report.
        ks: k of the columns pass@k.
        problem: Show all conversations about the problem with this id as Markdown, and nothing else.
        attempts: Conversations that the page holds, as many of each model as of the others, or all; figures are over
            all rows.
        show_private: Show inputs, expected values and errors of private tests too.
    """
    options = ReportOptions(title=title, ks=_numbers(ks), attempts=_attempts(attempts), show_private=show_private)
    options.check()
    from code_generation.reports import writing  # noqa: PLC0415 - a command pays for its own imports only

    outputs = output or []
    writing.check_outputs(outputs)
    if problem is not None:
        return _show_problem(results, problem, outputs, show_private=show_private)
    traces = [o for o in outputs if writing.format_of(o) == writing.TRACE]
    others = [o for o in outputs if o not in traces]
    if others or not outputs:
        from code_generation.reports.building import build_report  # noqa: PLC0415
        from code_generation.reports.markdown import render_markdown  # noqa: PLC0415

        made = build_report(results, options)
        for note in made["notes"]:
            print_error(note)
        for place in others:
            writing.write_report(made, place)
        if not outputs:
            _print(render_markdown(made))
    for place in traces:
        from code_generation.reports.conversation_text import verification_pieces  # noqa: PLC0415
        from code_generation.reports.reading import results_of, whole_runs  # noqa: PLC0415

        pieces = verification_pieces(results_of(whole_runs(results)[0]), show_private=show_private)
        writing.write_pieces(place, pieces)
    for place in outputs:
        print(f"report -> {place}")
    return 0


def _show_problem(paths: Sequence[Path], problem: str, outputs: Sequence[Path], *, show_private: bool) -> int:
    from code_generation.reports import writing  # noqa: PLC0415
    from code_generation.reports.conversation_text import render_conversation  # noqa: PLC0415
    from code_generation.reports.reading import results_of, whole_runs  # noqa: PLC0415

    if wrong := [o for o in outputs if writing.format_of(o) != ".md"]:
        msg = f"--problem gives Markdown: --output must end in .md, got {wrong[0]}"
        raise ConfigError(msg)
    known: dict[str, None] = {}
    found = []
    for result in results_of(whole_runs(paths)[0]):
        name = result.problem.problem_id
        known[name] = None
        if name == problem:
            found.append(result)
    if not found:
        hint = f"There are {len(known):,} in all." if len(known) > MOST_KNOWN else ""
        raise UnknownName("problem", problem, list(known)[:MOST_KNOWN], hint)
    text = render_conversation(found, show_private=show_private)
    for place in outputs:
        writing.write_pieces(place, [text])
        print(f"{len(found)} conversations -> {place}")
    if not outputs:
        _print(text)
    return 0


def _print(text: str) -> None:
    """To the standard output, also where that is no UTF-8."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        msg = f"--ks takes whole numbers with commas between them, such as 1,5,10; got {text}"
        raise ConfigError(msg) from None


def _attempts(text: str) -> int | None:
    if text == "all":
        return None
    try:
        return int(text)
    except ValueError:
        msg = f"--attempts takes a number or all; got {text}"
        raise ConfigError(msg) from None
