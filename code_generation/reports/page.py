"""A report as one HTML file that needs nothing else, and that nothing in it can script.

Three walls: what is shown comes through an escaping template or, from JSON, as text nodes; the JSON holds no character
that ends its element; and the page's policy lets only scripts run whose hashes it names, and loads nothing from
anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any

from code_generation import __version__
from code_generation.reports import drawing
from code_generation.reports.charts import charts
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
from code_generation.reports.plain_text import clipped, visible
from code_generation.reports.summary import attempts_note, private_note, subtitle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from code_generation.models import JsonValue

SCRIPTS = ("highlight.js", "difference.js", "page.js")
CHUNK = 400_000
"""Characters of conversations, about, that the page reads at once when one of them is expanded."""
LONGEST_TEXT = 2000
"""Characters of a name or a figure in the page's own tables."""
FLAG_TRIED, FLAG_PUBLIC_ONLY = 1, 2
NOT_IN_SCRIPT = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def render_html(report: dict[str, Any]) -> str:
    """The whole page."""
    return "".join(html_pieces(report))


def html_pieces(report: dict[str, Any]) -> Iterator[str]:
    """The page in pieces, so that a large one need not be there twice."""
    import jinja2  # noqa: PLC0415 - a command pays for its own imports only
    from markupsafe import Markup  # noqa: PLC0415

    here = files(__package__)
    scripts = [here.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS]
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    drawn = charts(report)
    values = {
        "policy": policy(scripts),
        "style": Markup(here.joinpath("page.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        "scripts": [Markup(s) for s in scripts],  # noqa: S704 - ours
        "title": report["title"],
        "subtitle": subtitle(report),
        "notes": report["notes"],
        "level": f"{100 * report['level']:g} %",
        "leaderboard": leaderboard(report),
        "reasons": reasons(report),
        "official": official_table(report),
        "official_note": OFFICIAL_NOTE,
        "no_candidates": NO_CANDIDATES,
        "charts": [vars(c) | {"svg": Markup(c.svg)} for c in drawn],  # noqa: S704 - drawn here, its labels escaped
        "swatch": lambda svg, series: Markup(swatch(svg, series)),  # noqa: S704 - ours
        "measures": MEASURES,
        "hack_table": hack_table(report),
        "hack_names": [g["name"] for g in report["groups"]],
        "tricks": trick_rows(report),
        "hack_examples": hack_examples(report),
        "attempts_note": attempts_note(report),
        "private_note": private_note(report),
        "files": file_rows(report),
        "version": __version__,
        "index": Markup(script_json(_index(report))),  # noqa: S704 - holds no character of markup
        "chunks": (Markup(script_json(c)) for c in _chunks(report)),  # noqa: S704 - as above
    }
    template = environment.from_string(here.joinpath("page.html.j2").read_text(encoding="utf-8"))
    yield from template.generate(values)


def _shown(value: Any) -> Any:
    """What a template prints, with nothing hidden in it and not without end; markup of ours is left as it is."""
    return visible(clipped(value, LONGEST_TEXT)) if type(value) is str else value


def policy(scripts: Iterable[str]) -> str:
    """The content security policy: no network, no scripts but these."""
    digests = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def script_json(value: JsonValue) -> str:
    """JSON that can stand in a script element whatever it holds: ASCII, and without the characters of markup."""
    return json.dumps(value, separators=(",", ":")).translate(NOT_IN_SCRIPT)


def swatch(svg: str, series: int) -> str:
    """The sign of a series in the legend of a picture."""
    if 'class="mark' in svg:
        return drawing.mark(0, 0, series, "", 4.5)
    return drawing.bar(-5, -5, 10, 10, series, "")


def _index(report: dict[str, Any]) -> dict[str, Any]:
    """What the table of attempts needs; `page.js` names the columns of a row."""
    places: dict[int, int] = {}
    for number, members in enumerate(_members(report["conversations"])):
        places |= dict.fromkeys(members, number)
    problems = [
        {"id": p["problem_id"], **{k: p[k] for k in ("dataset", "difficulty", "adversarial", "tags")}}
        for p in report["problems"]
    ]
    several = len({g["dataset"] for g in report["groups"]}) > 1
    return {
        "groups": [f"{g['name']} · {g['dataset']}" if several else g["name"] for g in report["groups"]],
        "problems": problems,
        "show_private": report["show_private"],
        "rows": [_index_row(c, places[n]) for n, c in enumerate(report["conversations"])],
    }


def _index_row(c: dict[str, Any], chunk: int) -> list[JsonValue]:
    flags = FLAG_TRIED * bool(c["tricks"]) + FLAG_PUBLIC_ONLY * c["public_only"]
    return [
        c["problem"], c["group"], c["sample_index"], c["verdict"], c["failure"], c["reward"], c["fraction"],
        c["n_passed"], c["n_tests"], len(c["turns"]), c["cost_usd"], c["output_tokens"], flags, chunk,
    ]  # fmt: skip


def _members(conversations: list[dict[str, Any]]) -> list[list[int]]:
    """Numbers of the conversations of each chunk: those of one problem stand together, so that its prompt is there
    once.
    """
    found: list[list[int]] = []
    size = CHUNK
    for _, of_problem in groupby(range(len(conversations)), key=lambda n: conversations[n]["problem"]):
        mine = list(of_problem)
        if size >= CHUNK:
            found.append([])
            size = 0
        found[-1] += mine
        size += sum(len(t["answer"]) + len(t["feedback"]) + 500 for n in mine for t in conversations[n]["turns"])
    return found


def _chunks(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for members in _members(report["conversations"]):
        mine = {n: report["conversations"][n] for n in members}
        problems = {c["problem"] for c in mine.values()}
        yield {
            "tests": {p: _runs(report["problems"][p]["tests"]) for p in sorted(problems)},
            "prompts": {p: report["prompts"][p] for p in sorted({c["prompt"] for c in mine.values()})},
            "conversations": {n: _packed(c, report["problems"][c["problem"]]["tests"]) for n, c in mine.items()},
        }


def _packed(c: dict[str, Any], tests: list[dict[str, Any]]) -> dict[str, Any]:
    """A conversation without what the index has, nothing in it twice."""
    kept = {k: c[k] for k in ("problem", "prompt", "verified", "ended", "harness", "input_tokens", "tricks")}
    return kept | {"turns": [_packed_turn(t, [test["is_public"] for test in tests]) for t in c["turns"]]}


def _packed_turn(turn: dict[str, Any], public: list[bool]) -> dict[str, Any]:
    keys = ("answer", "thinking", "feedback", "code", "finish_reason", "refusal", "patch")
    packed = {k: turn[k] for k in keys if k in turn}
    code, answer = turn["code"], turn["answer"]
    start = answer.find(code) if code else -1
    if start >= 0:
        before = _units(answer[:start])
        packed["code"] = [before, before + _units(code)]
    grade = turn["grade"]
    if grade is not None:
        grade = {k: grade[k] for k in ("verdict", "n_passed", "n_tests", "reward", "flaky", "shown")} | {
            "statuses": _runs(grade["statuses"]),
            **({} if grade["public"] == public else {"public": _runs(grade["public"])}),
        }
    return packed | {"grade": grade}


def _units(text: str) -> int:
    """How long a text is to JavaScript, which counts half surrogate pairs."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _runs(values: list[Any]) -> list[list[Any]]:
    """`["a", "a", "b"]` -> [["a", 2], ["b", 1]]."""
    return [[value, len(list(same))] for value, same in groupby(values)]
