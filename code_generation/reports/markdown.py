"""A report as Markdown: the figures as tables; conversations are for the page and for `--problem`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from code_generation.reports.charts import charts
from code_generation.reports.conversation_text import MARKER
from code_generation.reports.formatting import NONE
from code_generation.reports.hacks import MEASURES, NO_CANDIDATES
from code_generation.reports.page_tables import (
    OFFICIAL_NOTE,
    file_rows,
    hack_examples,
    hack_table,
    leaderboard,
    official_table,
    reasons,
    trick_rows,
)
from code_generation.reports.plain_text import escaped, fenced
from code_generation.reports.summary import private_note, subtitle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def render_markdown(report: dict[str, Any]) -> str:
    """The whole report but its conversations."""
    return MARKER + "\n".join(_pieces(report))


def _pieces(report: dict[str, Any]) -> Iterator[str]:
    yield f"# {escaped(report['title'])}\n"
    yield f"{escaped(subtitle(report))}.\n"
    for note in report["notes"]:
        yield f"> {escaped(note)}\n"
    yield "## Leaderboard\n"
    yield _table_of(leaderboard(report))
    yield f"Intervals: {100 * report['level']:g} %, over problems. Ranks order estimates within a data set.\n"
    yield "".join(f"- {escaped(reason)}\n" for reason in reasons(report))
    if official := official_table(report):
        yield "## By the official harness\n"
        yield f"{OFFICIAL_NOTE}\n"
        yield _table_of(official)
    for chart in charts(report):
        yield f"## {escaped(chart.title)}\n"
        yield f"{escaped(chart.missing or chart.says)}\n"
        if chart.rows:
            yield _table(chart.header, chart.rows, numbers=range(1, len(chart.header)))
    yield "## Hack rate\n"
    if hacks := hack_table(report):
        yield "".join(f"- {name.replace('_', '-').capitalize()}: {says}.\n" for name, says in MEASURES.items())
        yield _table_of(hacks)
    else:
        yield f"{NO_CANDIDATES}\n"
    if found := trick_rows(report):
        yield _table(["Kind", "Meaning", *(g["name"] for g in report["groups"])], found)
    for group in hack_examples(report):
        yield f"### Examples: {escaped(group['label'])}\n"
        for e in group["examples"]:
            place = f", line {e['line']}" if e["line"] else ""
            yield (
                f"{e['said']}: {escaped(e['kind'])} in {escaped(e['problem'])}, sample {escaped(str(e['sample']))}, "
                f"turn {e['turn']}{place}: {escaped(e['what'])}\n\n{fenced(e['code'], 'python')}"
            )
    if report["files"]:
        yield "## Files\n"
        yield _table(["File", "Rows", "sha256"], file_rows(report))
    yield f"{private_note(report)}\n"


def _table_of(table: dict[str, Any]) -> str:
    """A table of the page, intervals beside their figures."""
    numbers = [i for i, column in enumerate(table["header"]) if column["number"]]
    rows = [[f"{c['text']} ({c['below']})" if c["below"] else c["text"] for c in row] for row in table["rows"]]
    return _table([column["name"] for column in table["header"]], rows, numbers)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)
    lines = [
        [escaped(name) for name in header],
        ["---:" if i in right else "---" for i in range(len(header))],
        *([escaped(cell) or NONE for cell in row] for row in rows),
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
