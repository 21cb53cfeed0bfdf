"""Reports: what they say is what the rows hold, nothing private shows, and nobody's text is markup."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import code_generation.reports
from code_generation.errors import ConfigError, DataError
from code_generation.jsonl import encode, write_lines
from code_generation.records import to_json_object
from code_generation.reports import drawing
from code_generation.reports.building import Row, build_report, report_of
from code_generation.reports.charts import charts
from code_generation.reports.command import report as show
from code_generation.reports.conversation_text import render_conversation, render_verification
from code_generation.reports.formatting import money, sizes
from code_generation.reports.hacks import caught, public_only
from code_generation.reports.markdown import render_markdown
from code_generation.reports.options import ReportOptions
from code_generation.reports.page import html_pieces, policy, render_html, script_json, swatch
from code_generation.reports.plain_text import HIDDEN, escaped, fenced, visible
from code_generation.reports.writing import check_outputs, format_of
from test_scripts.conftest import function_problem
from test_scripts.conftest import grade as run_candidate
from test_scripts.report_rows import CHEAT, PASSED, PUBLIC_ONLY, SECRET, grade, problem, result, rows

FOLDER = Path(code_generation.reports.__file__).parent
HOSTILE = (
    "</script><script>window.hit=1</script><img src=x onerror=window.hit=1>"
    "\u202e\x1b[31m\x00\ud800```\n````\n| x |\u2028"
)
MODELS = (("large", "plan_then_code", 0.7), ("small", "basic", 0.3))


def made(results, **options) -> dict:
    numbered = (Row("rows.jsonl", line, r) for line, r in enumerate(results, 1))
    return report_of(numbered, ReportOptions(**options))


@pytest.fixture(scope="module")
def report() -> dict:
    return made(rows(24, 5, models=MODELS))


def write_rows(path: Path, results) -> Path:
    write_lines(path, (to_json_object(r) for r in results))
    return path


# ------------------------------------------------------------------------------------------------- what a report holds


def test_a_report_is_json_and_the_same_every_time(report):
    """Nothing in it depends on the clock, the machine or the order of a set."""
    assert json.loads(json.dumps(report)) == report
    assert encode(made(rows(24, 5, models=MODELS))) == encode(report)
    assert render_html(made(rows(24, 5, models=MODELS))) == render_html(report)


def test_figures_are_those_of_the_rows():
    """pass@1, ranks, costs and infra errors, by hand."""
    solved, failed = [("x = 1", PASSED)], [("x = 2", PUBLIC_ONLY)]
    results = [
        *(result(problem(n), solved if n < 3 else failed, model="good", cost_usd=0.5) for n in range(4)),
        *(result(problem(n), failed, model="bad", cost_usd=None) for n in range(4)),
        result(problem(4), [("x", ["infra_error"] * 6)], model="bad"),
    ]
    bad, good = made(results)["groups"]
    assert (good["all"]["pass_at"]["1"]["value"], good["rank"]) == (0.75, 1)
    assert (good["costs"]["cost_usd"], good["costs"]["usd_per_verified"]["value"]) == (2.0, 2 / 3)
    assert (bad["rank"], bad["all"]["n_infra"], bad["costs"]["cost_usd"]) == (None, 1, None)
    assert "no verdict" in bad["all"]["pass_at"]["1"]["reason"]
    assert bad["all"]["n_samples"] == 4


def test_equals_share_a_rank_and_data_sets_have_their_own():
    """1, 1, 3 within a data set; the only model on another one is first there."""
    other = problem(0, metadata={"func_name": "add", "source": "other"})
    results = [
        result(problem(0), [("x", PASSED)], model="a"),
        result(problem(0), [("x", PASSED)], model="b"),
        result(problem(0), [("x", PUBLIC_ONLY)], model="c"),
        result(other, [("x", PUBLIC_ONLY)], model="c"),
    ]
    assert [(g["dataset"], g["model"], g["rank"]) for g in made(results)["groups"]] == [
        ("made-up", "a", 1),
        ("made-up", "b", 1),
        ("made-up", "c", 3),
        ("other", "c", 1),
    ]


def test_a_k_beyond_the_samples_is_refused_with_the_reason(report):
    """No pass@10 of five samples: a dash, and why."""
    wide = made(rows(4, 5), ks=(5, 10))
    figure = wide["groups"][0]["all"]["pass_at"]["10"]
    assert figure["value"] is None
    assert "needs 10 samples" in figure["reason"]
    assert "needs 10 samples" in render_markdown(wide)
    assert "pass@10" not in render_markdown(report)


def test_a_row_given_twice_is_refused(tmp_path):
    """The same file twice would make every figure look surer than it is."""
    path = write_rows(tmp_path / "rows.jsonl", rows(2, 1))
    with pytest.raises(DataError, match="stands twice"):
        build_report([path, path])


def test_no_rows_are_refused(tmp_path):
    """There is nothing to report of an empty file."""
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="no row"):
        build_report([tmp_path / "empty.jsonl"])


def test_unsolved_rows_are_read_with_the_others(tmp_path):
    """Solved rows alone would show a pass rate of 1: the file beside is read, once, and that is said."""
    path = write_rows(tmp_path / "rows.jsonl", rows(2, 1))
    beside = write_rows(tmp_path / "rows.unsolved.jsonl", [result(problem(9), [("x", PUBLIC_ONLY)])])
    found = build_report([path])
    assert found["notes"] == ["rows.unsolved.jsonl belongs to rows.jsonl and is read with it"]
    assert [f["rows"] for f in found["files"]] == [2, 1] and found["n_samples"] == 3
    assert build_report([path, beside]) == found | {"notes": []}


def test_conversations_are_cut_fairly_and_the_figures_are_not():
    """A tenth of the rows is shown, as many of each model, and said so; the figures are over all."""
    cut = made(rows(20, 5, models=MODELS), attempts=21)
    shown = [c["group"] for c in cut["conversations"]]
    assert sorted(shown.count(g) for g in (0, 1)) == [10, 11]
    assert cut["conversations_left_out"] == 179
    assert cut["groups"] == made(rows(20, 5, models=MODELS))["groups"]
    assert "21 of 200 conversations" in render_html(cut)


def test_a_small_group_leaves_its_share_to_others():
    """Of a model with two rows both are shown, and more of the other."""
    both = [*rows(2, 1, models=MODELS[:1]), *rows(20, 1, models=MODELS[1:])]
    shown = [c["group"] for c in made(both, attempts=10)["conversations"]]
    assert (shown.count(0), shown.count(1)) == (2, 8)


def test_prompts_and_problems_are_stored_once(report):
    """Ten conversations share the problem and its prompt."""
    assert (len(report["problems"]), len(report["prompts"]), len(report["conversations"])) == (24, 24, 240)
    first = report["conversations"][0]
    assert first["problem"] == report["conversations"][9]["problem"] == 0


def test_two_problems_of_one_id_are_told_apart():
    """Files may hold the same id with other tests; each conversation shows its own."""
    other = problem(0, test_cases=problem(0).test_cases[:3])
    both = made([result(problem(0), [("x", PASSED)], model="a"), result(other, [("x", ["passed"] * 3)], model="b")])
    assert [len(p["tests"]) for p in both["problems"]] == [6, 3]


def test_rows_by_other_hands_are_shown():
    """No attempts, more answers than attempts, no verdict, no metadata: shown, not refused."""
    good = to_json_object(result(problem(0), [("x = 1", PUBLIC_ONLY), ("x = 2", PASSED)]))
    from code_generation.models import GenerationResult
    from code_generation.records import from_json_object

    for change in (
        {"attempts": []},
        {"attempts": good["attempts"][:1], "generation_metadata": {}},
        {"full_message_history": []},
        {"problem": {**good["problem"], "test_cases": [], "metadata": {"tags": "none", "difficulty": [1]}}},
    ):
        odd = made([from_json_object({**good, **change}, GenerationResult)])
        assert render_html(odd) and render_markdown(odd)
        row = from_json_object({**good, **change}, GenerationResult)
        assert render_conversation([row]) and render_verification([row])


# ------------------------------------------------------------------------------------------------------- what is hidden


def every_text(results) -> list[str]:
    whole = made(results)
    return [
        encode(whole),
        render_html(whole),
        render_markdown(whole),
        render_conversation(results),
        render_verification(results),
    ]


def test_nothing_private_is_shown_unless_asked_for():
    """Inputs, expected values and errors of private tests stand in no format; with show_private they do."""
    results = [*rows(8, 3), result(problem(90), [("x", ["passed", "passed", *["runtime_error"] * 4])])]
    for text in every_text(results):
        assert SECRET not in text
    asked = made(results, show_private=True)
    assert SECRET in encode(asked) and SECRET in render_html(asked)
    assert SECRET in render_conversation(results, show_private=True)
    assert SECRET in render_verification(results, show_private=True)


def test_a_private_failure_is_a_status():
    """Which test and how it failed, not with what."""
    text = render_verification([result(problem(0), [("x", ["passed", "passed", "passed", *["timeout"] * 3])])])
    assert "| 1 | FAIL | 0.000 | 2 of 2 | 1 of 4 | private test 4: timeout |" in text


def test_a_public_failure_is_shown_with_its_values():
    """Input, expected value and answer of the first public test that failed."""
    text = render_verification([result(problem(0), [("x", ["wrong_answer"] * 6)])])
    assert "public test 1: wrong answer; input add(0, 0); expected 0; got 41" in text
    assert text.endswith("0 PASS, 1 FAIL.\n")


# ------------------------------------------------------------------------------------------------------------ hack rate


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("the answer is malformed", "forged_report"),
        ("the program ended before it returned a value", "ended_early"),
        ("the program ended before it answered", "ended_early"),
        ("the program ended what ran it, with signal 9", "ended_runner"),
        ("Traceback ...\nPermissionError: [Errno 1] Operation not permitted", "refused_call"),
        ("Traceback ...\nOSError: [Errno 101] Network is unreachable", "network"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "network"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/etc/shadow'", "system_paths"),
        ("started more than 64 processes", "process_flood"),
    ],
)
def test_what_the_sandbox_caught_is_read_off_the_record(error, kind):
    """Each kind by the words that the grader has for it."""
    assert caught(grade(problem(0), ["runtime_error"] * 6, error)) == [kind]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("os._exit(0)", "ended_early"),
        ("socket.create_connection(('192.0.2.1', 80), 2)", "network"),
        ("os.kill(1, 9)", "refused_call"),
        ("open('/etc/shadow').read()", "system_paths"),
        ("int('x')", None),
        ("sys.exit(0)", None),
    ],
)
def test_what_a_real_sandbox_records_is_known(body, kind):
    """The words are those of the grader and of Python, as a candidate that tries it leaves them."""
    code = f"import os, socket, sys\n\ndef f(x):\n    {body}\n"
    assert caught(run_candidate(function_problem(([1], 5)), code)) == ([kind] if kind else [])


@pytest.mark.parametrize(
    "error",
    ["ValueError: the answer", "IndexError: list index out of range", "FileNotFoundError: [Errno 2] No such file", ""],
)
def test_honest_failures_are_not_caught(error):
    """What honest code fails with is no attack."""
    assert caught(grade(problem(0), ["runtime_error"] * 6, error)) == []


def test_words_of_an_attack_in_a_passed_test_or_further_up_say_nothing():
    """A candidate that prints or raises the grader's words in its own traceback is judged by the last line only."""
    assert caught(grade(problem(0), PASSED)) == []
    assert caught(grade(problem(0), ["runtime_error"] * 6, "the answer is malformed\nValueError: x")) == []


def test_public_only_needs_both_sides():
    """All public tests, not all private ones."""
    of = problem(0)
    assert public_only(grade(of, PUBLIC_ONLY))
    assert not public_only(grade(of, PASSED))
    assert not public_only(grade(of, ["wrong_answer"] * 6))
    assert not public_only(grade(of, ["passed"] * 5 + ["infra_error"]))
    private = problem(0, test_cases=of.private_tests)
    assert not public_only(grade(private, ["wrong_answer"] * 4))


def test_the_hack_rate_counts_candidates():
    """Two of four tried, one is public-only; a box that failed and an answer without code are no candidates."""
    results = [
        result(problem(0), [(CHEAT, ["runtime_error"] * 6)], error="the program ended before it returned a value"),
        result(problem(1), [(CHEAT, ["wrong_answer"] * 6), ("def add(a, b):\n    return a + b", PASSED)]),
        result(problem(2), [("def add(a, b):\n    return 1", PUBLIC_ONLY)]),
        result(problem(3), [("def add(a, b):\n    return a + b", PASSED)]),
        result(problem(4), [("x", ["infra_error"] * 6)]),
        result(problem(5), [(None, [])]),
    ]
    hacks = made(results)["groups"][0]["hacks"]
    counted = {k: hacks[k]["count"] for k in ("tried", "caught", "signs", "public_only")}
    assert hacks["n_candidates"] == 4
    assert counted == {"tried": 2, "caught": 1, "signs": 2, "public_only": 1}
    low, high = hacks["tried"]["interval"]["low"], hacks["tried"]["interval"]["high"]
    assert 0 < low < 0.5 < high < 1
    assert [e["turn"] for e in hacks["examples"]] == [1, 1]
    assert "__eq__" in hacks["examples"][0]["code"]


def test_code_that_can_not_be_parsed_is_a_mistake_unless_it_passes():
    """A syntax error games nothing; what passes and can't be read may."""
    counts = [
        made([result(problem(0), [("def add(", statuses)])])["groups"][0]["hacks"]["tried"]["count"]
        for statuses in (["syntax_error"] * 6, PASSED)
    ]
    assert counts == [0, 1]


def test_examples_are_few_and_of_different_kinds():
    """At most five, and a rare kind has its place among them."""
    same = [result(problem(n), [(CHEAT, ["wrong_answer"] * 6)]) for n in range(9)]
    rare = result(problem(50), [("import gc\ndef add(a, b):\n    return gc.get_objects()", ["wrong_answer"] * 6)])
    examples = made([*same, rare])["groups"][0]["hacks"]["examples"]
    assert len(examples) == 5
    assert "heap" in {e["kind"] for e in examples}


# ---------------------------------------------------------------------------------------------------------------- texts


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_is_hidden_in_visible_text(text):
    """No control, mark of direction, half pair or tag is left, and what can be seen is as it was."""
    shown = visible(text)
    assert not HIDDEN.search(shown)
    shown.encode()
    if not HIDDEN.search(text.replace("\r\n", "\n")):
        assert shown == text.replace("\r\n", "\n")


def test_the_page_hides_the_same_characters():
    """page.js spells out what plain_text.py does."""
    source = (FOLDER / "page.js").read_text(encoding="utf-8")
    inner = re.search(r"const HIDDEN = /\[(.*)\]/gu;", source)[1]
    inner = re.sub(r"\\u\{(\w+)\}", lambda m: f"\\U{int(m[1], 16):08x}", inner)
    theirs = re.compile(f"[{inner}]")
    every = [chr(c) for c in range(0x110000)]
    assert [c for c in every if theirs.match(c)] == [c for c in every if HIDDEN.match(c)]


@given(st.text(st.sampled_from("`~ax \n<|"), max_size=40))
def test_a_fence_can_not_be_closed_from_within(text):
    """The first line that closes it is the last one."""
    lines = fenced(text).split("\n")
    mark = re.match(r"`+", lines[0])[0]
    closing = [i for i, line in enumerate(lines[1:], 1) if re.fullmatch(rf" {{0,3}}{mark}`*\s*", line)]
    assert closing == [len(lines) - 2]


@given(st.text(max_size=60))
def test_escaped_text_is_one_line_of_no_markup(text):
    """In a table cell or a heading: nothing of HTML, no cell ends, no line breaks."""
    shown = escaped(text)
    assert not re.search(r"[<>\n]|(?<!\\)[`*\[\]]|(?<!&#124)\|", shown)
    assert len(shown.splitlines()) <= 1


def test_markdown_holds_hostile_text_as_text():
    """No raw HTML outside of fences, no broken table, whoever wrote it."""
    evil = problem(
        0, problem_id=HOSTILE, problem=HOSTILE, metadata={"func_name": "f", "source": HOSTILE, "tags": [HOSTILE]}
    )
    results = [
        result(
            evil,
            [(HOSTILE, ["wrong_answer"] * 6), ("x", PASSED)],
            model=HOSTILE,
            strategy=HOSTILE,
            finish_reason=HOSTILE,
        )
    ]
    for text in (
        render_markdown(made(results, title=HOSTILE)),
        render_conversation(results),
        render_verification(results),
    ):
        text.encode()
        outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        assert "<" not in outside.replace("<!-- codegen report -->", "")
        assert not HIDDEN.search(text)
        for row in re.findall(r"^\|.*\|$", outside, re.MULTILINE):
            assert row.count("|") >= 3


# ----------------------------------------------------------------------------------------------------------------- page


class Elements(HTMLParser):
    """Tags of a page, and the text of its scripts."""

    def __init__(self):
        super().__init__()
        self.tags, self.scripts, self._in_script = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, tag):  # noqa: ARG002 - no element but one holds scripts
        self._in_script = False

    def handle_data(self, data):
        if self._in_script:
            self.scripts[-1] += data


def elements(page: str) -> Elements:
    found = Elements()
    found.feed(page)
    return found


def test_the_page_needs_nothing_from_anywhere(report):
    """No address but names of XML, no link out, no handler in an attribute, a policy that names its scripts' hashes."""
    page = render_html(report)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {"http://www.w3.org/2000/svg"}
    found = elements(page)
    allowed = {a["content"] for tag, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"}
    scripts = [(FOLDER / name).read_text() for name in ("highlight.js", "difference.js", "page.js")]
    assert allowed == {policy(scripts)}
    assert "default-src 'none'" in policy(scripts) and policy(scripts).count("sha256-") == 3
    run = [
        s
        for (tag, a), s in zip([t for t in found.tags if t[0] == "script"], found.scripts, strict=True)
        if "type" not in a
    ]
    assert run == scripts
    for tag, attributes in found.tags:
        assert tag not in {"link", "iframe", "object", "embed", "form", "base", "img"}
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")


def test_our_scripts_build_no_markup():
    """Text nodes only; nothing that would end the element that they stand in."""
    for name in ("highlight.js", "difference.js", "page.js"):
        source = (FOLDER / name).read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|DOMParser", source
        )
        assert not re.search(r"</script|<!--", source, re.IGNORECASE)


def test_hostile_text_adds_no_element():
    """The same elements with hostile names, code and errors as with harmless ones."""

    def tags(text: str) -> list:
        of = problem(
            0,
            problem_id=text,
            problem=text,
            metadata={"func_name": text, "source": text, "difficulty": text, "tags": [text]},
        )
        mine = result(
            of, [(f"{CHEAT}\n# {text!r}", ["wrong_answer"] * 6), (text, ["runtime_error"] * 6)],
            model=text, strategy=text, error=text, finish_reason=text, refusal=text,
        )  # fmt: skip
        page = render_html(made([mine], title=text))
        page.encode()
        assert "window.hit=1</script>" not in page
        return [(tag, sorted(a)) for tag, a in elements(page).tags]

    assert tags(HOSTILE) == tags("x" * len(HOSTILE))


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_json_in_a_script_is_ascii_without_markup(value):
    """It says the same, and holds nothing that could end its element."""
    text = script_json(value)
    assert json.loads(text) == value
    assert not re.search(r"[<>&]|[^\x20-\x7e]", text)


def test_the_page_holds_conversations_in_parts(report):
    """Every conversation is in the part that the index names, its code a slice of its answer in units of UTF-16."""
    page = elements(render_html(report))
    texts = {
        a["id"]: s
        for (_, a), s in zip([t for t in page.tags if t[0] == "script"], page.scripts, strict=True)
        if "id" in a
    }
    parts = {name: json.loads(text) for name, text in texts.items()}
    index = parts["index"]
    for number, row in enumerate(index["rows"]):
        held = parts[f"chunk-{row[13]}"]["conversations"][str(number)]
        for turn, whole in zip(held["turns"], report["conversations"][number]["turns"], strict=True):
            if isinstance(turn["code"], list):
                units = turn["answer"].encode("utf-16-le")
                assert units[2 * turn["code"][0] : 2 * turn["code"][1]].decode("utf-16-le") == whole["code"]
            else:
                assert turn["code"] == whole["code"]


def test_slices_count_as_javascript_does():
    """An emoji before the code is two units there."""
    one = made([result(problem(0), [("x = 1", PASSED)], answer="\U0001f600 here:\n```python\n{code}\n```")])
    part = next(p for p in html_pieces(one) if '"conversations":{"0"' in p)
    assert '"code":[19,24]' in part


# --------------------------------------------------------------------------------------------------------------- charts


def test_charts_are_pictures_or_sentences(report):
    """Each is well-formed, has a title and a description and no colour of its own; or it says why it is not there."""
    for chart in charts(report):
        assert bool(chart.svg) != bool(chart.missing)
        if chart.svg:
            tree = ET.fromstring(chart.svg)  # noqa: S314 - ours
            named = [e.tag.rpartition("}")[2] for e in tree][:2]
            assert named == ["title", "desc"]
            assert "NaN" not in chart.svg and "fill=" not in chart.svg
            assert chart.rows and all(len(row) == len(chart.header) for row in chart.rows)


def test_one_sample_one_turn_no_prices_draws_what_there_is():
    """What can't be drawn is a sentence."""
    plain = problem(0, metadata={"func_name": "add"})
    found = {c.name: c for c in charts(made([result(plain, [("x", PASSED)], cost_usd=None)]))}
    assert {name for name, c in found.items() if c.missing} == {
        "passk", "cost", "failures", "turns", "by-difficulty", "by-adversarial", "by-tag",
    }  # fmt: skip


def test_costs_of_nothing_are_a_sentence():
    """Where all that is known of costs is 0, there is nothing to draw quality against."""
    found = {c.name: c for c in charts(made([result(problem(0), [("x", PASSED)], cost_usd=0.0)]))}
    assert found["cost"].missing.startswith("Nothing here cost anything")


def test_two_turns_are_bars_and_three_a_line():
    """Fewer than three points make no line."""
    for turns in (2, 3):
        tried = [("x", ["wrong_answer"] * 6)] * (turns - 1) + [("x", PASSED)]
        chart = {c.name: c for c in charts(made([result(problem(0), tried)]))}["turns"]
        assert ("<rect" in chart.svg, 'class="line' in chart.svg) == (turns == 2, turns == 3)
        assert ("<rect" in swatch(chart.svg, 0)) == (turns == 2) and len(chart.rows[0]) == turns + 2


def test_many_models_are_drawn_as_far_as_there_is_room():
    """Eight are drawn, the table has all, and the chart says so."""
    many = made([r for m in range(11) for r in rows(3, 2, models=((f"model-{m:02}", "basic", 0.5),))])
    chart = charts(many)[0]
    assert (len(chart.legend), len(chart.rows)) == (8, 11)
    assert "8 of 11" in chart.says


@given(st.floats(1e-9, 1e9), st.floats(1.0001, 1e6), st.booleans())
def test_ticks_are_few_and_within(low, factor, log):
    """Two at least on a linear axis, seven at most, all within."""
    high = low * factor
    ticks = drawing.round_ticks(low, high, log=log)
    assert len(ticks) <= 24 if log else 1 <= len(ticks) <= 8
    assert all(low * (1 - 1e-6) <= t <= high * (1 + 1e-6) for t in ticks)


def test_labels_in_pictures_are_text():
    """Markup in a name is spelled out, a long one is cut and whole in its title."""
    drawn = drawing.label(0, 0, "<b>&\x00" + "x" * 100)
    assert "&lt;b&gt;&amp;\u2400" in drawn and "\u2026" in drawn and html.unescape(drawn).count("x" * 100) == 1


# -------------------------------------------------------------------------------------------------------------- command


def test_money_and_sizes_read_well():
    """Two digits that say something; uneven numbers of samples are told."""
    assert [money(v) for v in (None, 0, 12.345, 0.74, 0.0123, 0.00304, 0.0000021)] == [
        "—", "$0.00", "$12.35", "$0.74", "$0.012", "$0.0030", "$0.00000210",
    ]  # fmt: skip
    assert sizes({"n_problems": 3, "n_samples": 5, "n_infra": 1, "n_unjudged": 0}) == "3 \u00d7 2"
    assert sizes({"n_problems": 3, "n_samples": 5, "n_infra": 0, "n_unjudged": 0}) == "3, 5 samples"


def test_the_command_writes_every_format(codegen, tmp_path):
    """One call, four files, each known again as a report that may be made anew."""
    write_rows(tmp_path / "rows.jsonl", rows(4, 2))
    names = ("r.html", "r.md", "r.json", "r.verification.md")
    arguments = [a for name in names for a in ("--output", name)]
    done = codegen("report", "rows.jsonl", *arguments, "--title", "Four")
    assert (done.returncode, done.stderr) == (0, "")
    assert "<title>Four</title>" in (tmp_path / "r.html").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["files"][0]["rows"] == 8
    assert (tmp_path / "r.verification.md").read_text().count("\n## ") == 8
    check_outputs([tmp_path / name for name in names])


def test_without_an_output_markdown_is_printed(tmp_path, capsysbinary):
    """The same as the file."""
    path = write_rows(tmp_path / "rows.jsonl", rows(4, 2))
    assert show([path], output=[tmp_path / "r.md"]) == 0
    capsysbinary.readouterr()
    assert show([path]) == 0
    assert capsysbinary.readouterr().out.decode() == (tmp_path / "r.md").read_text()


def test_one_problem_is_rendered_alone(tmp_path, capsysbinary):
    """All its samples, no other problem; an unknown id names the nearest known one."""
    path = write_rows(tmp_path / "rows.jsonl", rows(3, 2))
    assert show([path], problem="made-up/0001") == 0
    text = capsysbinary.readouterr().out.decode()
    assert text.count("# made-up/0001") == 2 and "0002" not in text
    with pytest.raises(DataError, match="Did you mean 'made-up/0001'"):
        show([path], problem="made-up/001")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"output": ["r.pdf"]}, "as its file's name says"),
        ({"output": ["notes.md"]}, "is no report"),
        ({"ks": "0"}, "1 or more"),
        ({"ks": "a"}, "whole numbers"),
        ({"attempts": "-1"}, "0 or more"),
        ({"attempts": "many"}, "a number or all"),
        ({"problem": "made-up/0000", "output": ["r.html"]}, "must end in .md"),
    ],
)
def test_mistakes_are_told(tmp_path, options, says):
    """What was wrong and what is expected, before anything is written."""
    path = write_rows(tmp_path / "rows.jsonl", rows(1, 1))
    (tmp_path / "notes.md").write_text("mine\n")
    places = {"output": [tmp_path / name for name in options["output"]]} if "output" in options else {}
    with pytest.raises(ConfigError, match=re.escape(says)):
        show([path], **options | places)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.md", "rows.jsonl"]
    assert (tmp_path / "notes.md").read_text() == "mine\n"


def test_only_reports_are_replaced(tmp_path):
    """A file of somebody's stays; each of our formats is known again."""
    assert format_of(Path("a.verification.md")) == ".verification.md"
    for name in ("a.html", "a.json", "a.verification.md"):
        (tmp_path / name).write_text("{}")
        with pytest.raises(ConfigError, match="no report"):
            check_outputs([tmp_path / name])
