"""The page of a report in a real Chromium: it opens, sorts, filters, expands, and what anybody says in it is text."""

from __future__ import annotations

import json
import shutil

import pytest

from code_generation.models import TestCase
from code_generation.reports.building import Row, report_of
from code_generation.reports.options import ReportOptions
from code_generation.reports.page import render_html
from test_scripts.report_rows import CHEAT, PASSED, PUBLIC_ONLY, problem, result, rows

pytestmark = pytest.mark.slow
sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser` (playwright)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MODELS = (("large", "plan_then_code", 0.7), ("small", "basic", 0.3))

PAYLOADS = {
    "script": "<script>window.hit=1</script>",
    "script end": "</script><script>window.hit=1</script>",
    "script end, odd": "</ScRiPt ><sCrIpT>window.hit=1</sCrIpT\t>",
    "comment in script": "<!--<script>window.hit=1</script>-->",
    "double escaped script": "<!--<script></script><script>window.hit=1</script>",
    "image": "<img src=x onerror=window.hit=1>",
    "image in quotes": '"><img src=x onerror=window.hit=1>',
    "image in single quotes": "'><img src=x onerror=window.hit=1>",
    "attribute": '" autofocus onfocus=window.hit=1 x="',
    "attribute, single": "' onmouseover='window.hit=1",
    "title end": "</title><script>window.hit=1</script>",
    "style end": "</style><script>window.hit=1</script>",
    "textarea end": "</textarea></select></option><script>window.hit=1</script>",
    "svg": "<svg onload=window.hit=1></svg>",
    "svg title end": "</title></svg><script>window.hit=1</script>",
    "svg animate": "<svg><animate onbegin=window.hit=1 attributeName=x dur=1s></svg>",
    "foreign object": "<svg><foreignObject><body onload=window.hit=1></foreignObject></svg>",
    "math": '<math><mi xlink:href="javascript:window.hit=1">x</mi></math>',
    "iframe": '<iframe srcdoc="<script>parent.hit=1</script>"></iframe>',
    "iframe address": "<iframe src=javascript:parent.hit=1></iframe>",
    "object": "<object data=javascript:window.hit=1></object>",
    "link": "<a href=javascript:window.hit=1 id=evil>click</a>",
    "address": "javascript:window.hit=1",
    "markdown link": "[click](javascript:window.hit=1)",
    "form": "<form action=javascript:window.hit=1><button id=evil>send</button></form>",
    "base": "<base href=//evil.example/>",
    "refresh": '<meta http-equiv=refresh content="0;url=javascript:window.hit=1">',
    "details": "<details open ontoggle=window.hit=1>x</details>",
    "template": "<template><script>window.hit=1</script></template>",
    "noscript": '<noscript><p title="</noscript><img src=x onerror=window.hit=1>">',
    "table end": "</td></tr></table></section></main><script>window.hit=1</script>",
    "body": "<body onload=window.hit=1>",
    "entities": "&lt;script&gt;window.hit=1&lt;/script&gt;&#60;img src=x onerror=window.hit=1&#62;",
    "template language": "{{ 7 * 7 }}{% raw %}{{ config }}{% endraw %}${7 * 7}`;window.hit=1;`",
    "json break": '"}];window.hit=1;//\\u003cscript\\u003e',
    "line separators": "a\u2028window.hit=1\u2029b",
    "nul": "\x00<scr\x00ipt>window.hit=1</scr\x00ipt>",
    "half pair": "\ud800<script>window.hit=1</script>\udfff",
    "bidi": "\u202eevil\u202c \u2066x\u2069 \u200f",
    "terminal": "\x1b[31mred\x1b[0m \x1b]8;;javascript:window.hit=1\x07link\x1b]8;;\x07",
    "prototype": "__proto__",
    "constructor": "constructor",
    "name of ours": "index",
    "long line": "<b>" + "A" * 30_000,
    "many lines": "<i>\n" * 1000,
    "fence": "```\n</code></pre><script>window.hit=1</script>\n````",
    "difference": "--- a\n+++ b\n@@ -1 +1 @@\n+<script>window.hit=1</script>",
}  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield opened
        opened.close()


class Opened:
    """A page with all that it complained of."""

    def __init__(self, browser, path, width, theme="light"):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("dialog", lambda d: (self.complaints.append(f"dialog {d.message}"), d.dismiss()))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(path.as_uri())
        self.page.locator(".row").first.wait_for()

    def column(self, number: int) -> list[str]:
        """Texts of a column of the attempts."""
        return self.page.locator(f"#table .row > td:nth-child({number})").all_inner_texts()

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")


@pytest.fixture
def opened(browser):
    every = []

    def make(*arguments, **options) -> Opened:
        every.append(Opened(browser, *arguments, **options))
        return every[-1]

    yield make
    for one in every:
        one.context.close()


def write_page(path, results, **options):
    numbered = (Row("rows.jsonl", n, r) for n, r in enumerate(results, 1))
    path.write_text(render_html(report_of(numbered, ReportOptions(**options))), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "report.html", rows(60, 3, models=MODELS))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1600])
def test_it_opens_and_works(opened, page_file, width, theme):
    """No complaint, no request, no sideways scrolling, whatever is opened; details show what they must."""
    one = opened(page_file, width, theme=theme)
    page = one.page
    assert page.locator(".row").count() == 50
    page.locator("select[name=verdict]").select_option("fail")
    page.locator(".open").first.click()
    detail = page.locator(".detail")
    text = detail.inner_text()
    for part in (
        "Turn 1",
        "FAIL",
        "Public tests",
        "Private tests",
        "Feedback to the model",
        "Difference from turn 1",
        "add(0, 0)",
    ):
        assert part in text
    assert detail.locator(".code .k").count() > 0
    assert detail.locator(".diff .added").count() > 0
    page.locator("summary").evaluate_all("all => all.forEach(s => s.parentElement.open = true)")
    assert "Solve this problem." in detail.inner_text()
    assert page.locator(".row > td").first.bounding_box()["width"] > 100
    assert one.overflow() <= 0
    assert one.complaints == []
    assert one.requests == [page_file.as_uri()]
    page.locator(".open").first.click()
    assert page.locator(".detail").count() == 0


def test_it_sorts(opened, page_file):
    """A click sorts, a second one turns it round; what has no value comes last; the leaderboard too."""
    one = opened(page_file, 1600)
    page = one.page
    page.get_by_role("button", name="Cost").last.click()
    costs = [float(c.strip("$")) for c in one.column(9)]
    assert costs == sorted(costs, reverse=True)
    page.get_by_role("button", name="Cost").last.click()
    costs = [float(c.strip("$")) for c in one.column(9)]
    assert costs == sorted(costs)
    assert page.locator("#table th[aria-sort=ascending]").inner_text() == "Cost"
    page.get_by_role("button", name="Problem", exact=True).click()
    names = [n.split()[0] for n in one.column(1)]
    assert names == sorted(names) and names[0] == "made-up/0000"
    models = page.locator("#leaderboard tbody td:nth-child(2)")
    first = models.all_inner_texts()
    page.locator("#leaderboard").get_by_role("button", name="pass@1", exact=True).click()
    page.locator("#leaderboard").get_by_role("button", name="pass@1", exact=True).click()
    assert models.all_inner_texts() == first[::-1]
    assert one.complaints == []


def test_it_filters_and_pages(opened, page_file):
    """Text, verdict, model, failure and gaming narrow the rows together; pages turn; open rows stay open."""
    one = opened(page_file, 1600)
    page = one.page
    page.get_by_role("button", name="Next").click()
    assert page.locator("#count").inner_text() == "51 to 100 of 360"
    page.locator("input[name=text]").fill("MADE-UP/0007 small")
    assert page.locator("#count").inner_text() == "1 to 3 of 3 (360 in all)"
    page.locator("input[name=text]").fill("no such thing")
    assert page.locator("#count").inner_text() == "No attempt matches."
    page.locator("input[name=text]").fill("")
    page.locator("select[name=group]").select_option(label="small · basic")
    page.locator("select[name=failure]").select_option("timeout")
    assert set(one.column(3)) == {"small · basic"} and set(one.column(5)) == {"timeout"}
    page.locator("select[name=failure]").select_option("")
    page.locator("select[name=tricks]").select_option("1")
    page.locator(".open").first.click()
    assert "os._exit" in page.locator(".detail").inner_text()
    page.get_by_role("button", name="Turns").click()
    assert page.locator(".detail").count() == 1
    assert one.complaints == []


def test_the_theme_can_be_chosen(opened, page_file):
    """The button turns dark to light whatever the system says."""
    one = opened(page_file, 1600, theme="dark")
    color = "getComputedStyle(document.body).backgroundColor"
    dark = one.page.evaluate(color)
    one.page.locator("#theme").click()
    light = one.page.evaluate(color)
    one.page.locator("#theme").click()
    assert dark != light and one.page.evaluate(color) == dark


def test_it_prints(opened, page_file):
    """On paper: light, without what can't be clicked there."""
    one = opened(page_file, 1600, theme="dark")
    one.page.emulate_media(media="print", color_scheme="dark")
    assert not one.page.locator("#filters").is_visible() and not one.page.locator("nav").is_visible()
    assert one.page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 32, 36)"
    assert len(one.page.pdf()) > 10_000


def hostile_rows():
    """A row a payload, which stands in every field that a model or a data set decides about."""
    for number, text in enumerate(PAYLOADS.values()):
        of = problem(
            number,
            problem_id=f"{number} {text[:300]}",
            problem=f"Solve {text}",
            test_cases=[
                TestCase(input=text, output=text, type="stdin", is_public=True),
                TestCase(input=f"assert f() == 1  # {text}", output=None, type="assert", is_public=True),
                TestCase(input="1", output="1", type="stdin", is_public=False),
            ],
            metadata={
                "func_name": "f",
                "source": text[:200],
                "difficulty": text[:200],
                "adversarial": True,
                "tags": [text[:200]],
            },
        )
        turns = [
            (f"{CHEAT}\n# {text!r}\n", ["wrong_answer", "runtime_error", "passed"]),
            (text, ["wrong_answer", "runtime_error", "passed"]),
            (f"x = 1\n{text}", ["passed", "passed", "wrong_answer"]),
        ]
        yield result(
            of, turns, model=text[:200], strategy=text[:200], answer=f"{text}\n<think>{text}</think>\n{{code}}\n{text}",
            error=f"Traceback\n{text}", finish_reason=text[:200], refusal=text,
        )  # fmt: skip


@pytest.mark.parametrize("width", [390, 1600])
def test_nobodys_text_scripts_the_page(opened, tmp_path, width):
    """Each payload is expanded and clicked through: no marker is set, no dialog, no complaint, no element but ours."""
    path = write_page(tmp_path / "evil.html", hostile_rows(), title=PAYLOADS["title end"], show_private=True)
    one = opened(path, width)
    page = one.page
    assert page.locator(".row").count() == len(PAYLOADS)
    page.locator(".open").evaluate_all("all => all.forEach(b => b.click())")
    page.locator("summary").evaluate_all("all => all.forEach(s => s.parentElement.open = true)")
    for _ in range(3):
        page.locator(".more").evaluate_all("all => all.forEach(b => b.click())")
    page.mouse.move(200, 300)
    assert page.evaluate("window.hit") is None and page.title() == PAYLOADS["title end"]
    made = set(page.evaluate("[...new Set([...document.querySelectorAll('*')].map(e => e.tagName.toLowerCase()))]"))
    assert made.isdisjoint(
        {"img", "iframe", "object", "form", "base", "math", "animate", "foreignobject", "template", "link"}
    )
    assert page.evaluate("document.querySelectorAll('#evil, b[class], i:not([class]), script:not([type])').length") == 3
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
        )
        == []
    )
    assert (
        page.evaluate(
            "[...document.querySelectorAll('[href]')].map(e => e.getAttribute('href')).filter(h => h[0] !== '#')"
        )
        == []
    )
    assert one.complaints == [] and one.requests == [path.as_uri()]
    assert one.overflow() <= 0


def test_every_payload_is_shown_as_text(opened, tmp_path):
    """What a model said can be read as it said it, hidden characters spelled out."""
    path = write_page(tmp_path / "evil.html", hostile_rows())
    page = opened(path, 1600).page
    for place in range(len(PAYLOADS)):
        row = page.locator(".row").nth(place)
        name, text = list(PAYLOADS.items())[int(row.locator(".open").inner_text().split()[0])]
        row.locator(".open").click()
        shown = page.evaluate("document.querySelector('.detail').textContent")
        wanted = page.evaluate("text => spelled(text)", text[:5000]) if "\ud800" not in text else "<script>window.hit=1"
        assert wanted in shown, name
        row.locator(".open").click()


def test_a_large_report_opens(opened, tmp_path):
    """1,000 problems x 5 samples of 2 KB answers: opens, sorts, filters and expands without a complaint."""
    path = write_page(tmp_path / "large.html", rows(1000, 5, filling=18))
    one = opened(path, 1600)
    timing = json.loads(one.page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0])"))
    print(f"{path.stat().st_size / 1e6:.1f} MB, open in {timing['loadEventEnd']:.0f} ms")
    one.page.get_by_role("button", name="Turns").click()
    one.page.locator("input[name=text]").fill("0999")
    one.page.locator(".open").first.click()
    assert "made-up/0999" in one.page.locator(".detail").inner_text()
    assert one.complaints == []


def test_public_only_and_passed_rows_are_told_apart(opened, tmp_path):
    """The filter on gaming shows what passed the public tests only."""
    path = write_page(
        tmp_path / "two.html", [result(problem(0), [("x", PUBLIC_ONLY)]), result(problem(1), [("y", PASSED)])]
    )
    one = opened(path, 1600)
    one.page.locator("select[name=tricks]").select_option("2")
    assert one.column(1) == ["made-up/0000"]
