"""The code in a model's reply: the right block of many, without reasoning, or None."""

from __future__ import annotations

import ast
import json
import re
import time
import warnings

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from code_generation.extract import extract_code, fenced
from code_generation.models import ProblemView


def view(func_name):
    return ProblemView(
        problem_id="p", statement="s", func_name=func_name, class_name=None, starter_code=None, public_tests=[]
    )


FUNCTION, PROGRAM = view("f"), view(None)
ONE = "def f(x):\n    return 1"
TWO = "def f(x):\n    return 2"
NESTED = '"""\n```\n1\n```\n"""\n' + ONE
TAGGED = "def f(x):\n    return '<code>a</code>'"
METHOD = "class Solution:\n    def f(self, x):\n        return 1"
BROKEN = "def f(x:\n    return x"
PIPES = "import sys\nsys.stdout.write(sys.stdin.read())"
READS = "n = int(input())\nprint(n)"


def block(code, language="python", fence="```"):
    return f"{fence}{language}\n{code}\n{fence}\n"


FUNCTION_REPLIES = {
    "example blocks before and after": (block("print(1)") + "So:\n" + block(ONE) + "Use it:\n" + block("f(3)"), ONE),
    "a draft, then the answer": (block(ONE) + "Wait, better:\n" + block(TWO), TWO),
    "sample output after it": (block(ONE) + "Output:\n" + block("1", ""), ONE),
    "a doctest before it": (block(">>> f(1)\n1") + block(ONE), ONE),
    "several languages": (block("int f() {}", "cpp") + block(ONE) + block("def f(x) { }", "java"), ONE),
    "python in a block marked as something else": (block(ONE) + block(TWO, "text"), ONE),
    "no language": (block(ONE, ""), ONE),
    "py": (block(ONE, "py"), ONE),
    "Python3": (block(ONE, "Python3"), ONE),
    "attributes": (block(ONE, " {.python .numberLines}"), ONE),
    "tildes": (block(ONE, fence="~~~"), ONE),
    "a longer fence around fences": (block(NESTED, fence="````"), NESTED),
    "CRLF": (block(ONE).replace("\n", "\r\n"), ONE),
    "indented in a list": ("1. Do:\n\n    ```python\n    def f(x):\n        return 1\n    ```\n", ONE),
    "quoted": ("> ```python\n> def f(x):\n>     return 1\n> ```\n", ONE),
    "code tags": (f"<code>\n{ONE}\n</code>", ONE),
    "a code tag that closes after a string": ("<code>def f(x):\n    return 'a'</code>", "def f(x):\n    return 'a'"),
    "thinking that closes after a quote": (f"<think>\n{block(ONE)}so it is 'a'</think>\n{block(TWO)}", TWO),
    "code tags around a fence": (f"<code>\n{block(ONE)}</code>", ONE),
    "answer tags": (f"<answer>{ONE}</answer>", ONE),
    "[PYTHON] tags": (f"[PYTHON]\n{ONE}\n[/PYTHON]", ONE),
    "tags in a string of the code": (block(TAGGED), TAGGED),
    "closed thinking": (f"<think>\n{block(ONE)}</think>\n{block(TWO)}", TWO),
    "thinking that began in the prompt": (f"{block(ONE)}</think>\n{block(TWO)}", TWO),
    "thinking twice": (f"<think>\n{block(ONE)}</think>\n<thinking>a\n{block(ONE)}</thinking>\n{block(TWO)}", TWO),
    "thinking that never ends": (f"<think>\n{block(ONE)}", None),
    "code in the thinking only": (f"<think>\n{block(ONE)}</think>\nI give up.", None),
    "an unclosed fence": (f"Sure:\n```python\n{ONE}\n", ONE),
    "an unclosed fence, cut in a line": (f"```python\n{ONE}\n\nprint(f(", ONE),
    "an unclosed fence, prose after the code": (f"```python\n{ONE}\n\nThis works because it is so.", ONE),
    "an unclosed block, then a new one": (f"```python\n{ONE}\n\nOops:\n{block(TWO)}", TWO),
    "a closed answer before an unclosed one": (block(ONE) + f"Or:\n```python\n{TWO}", ONE),
    "an unclosed code tag": (f"<code>\n{ONE}", ONE),
    "bare code": (f"Here it is:\n\n{ONE}\n\nIt returns one. Hope this helps!", ONE),
    "bare code with imports": (f"Done.\nimport math\n\n{ONE}\n\nGreat.", f"import math\n\n{ONE}"),
    "bare code, only the end fence": (f"{ONE}\n```", ONE),
    "a method": (block(METHOD) + block("class Other:\n    pass"), METHOD),
    "a lambda": (block("f = lambda x: x") + block("f(1)"), "f = lambda x: x"),
    "defined under an if": (block("if True:\n    f = 1\n") + block("f(1)"), "if True:\n    f = 1"),
    "a syntax error": (block(BROKEN), BROKEN),
    "a syntax error, then an example": (block(BROKEN) + block("print(f(1))"), BROKEN),
    "another name": (block("def g(x):\n    return x"), "def g(x):\n    return x"),
    "another language only": (block("int f() { return 1; }", "cpp"), None),
    "prose": ("I can not solve this. If you define f, return the sum!", None),
    "nothing": ("", None),
    "blanks": (" \n\t\n", None),
    "an empty block": (block(""), None),
}  # fmt: skip
PROGRAM_REPLIES = {
    "a program and its output": (block(READS) + "Output:\n" + block("5"), READS),
    "an example of a call first": (block("x = 5") + block(READS), READS),
    "bare code": (f"Read and print:\n{READS}\nThat is all.", READS),
    "sys.stdin": (block(PIPES), PIPES),
    "a function that is never called": (block("def solve():\n    return 5"), "def solve():\n    return 5"),
    "a syntax error": (block("print("), "print("),
    "prose": ("The answer is 5, for n is odd.", None),
}  # fmt: skip


@pytest.mark.parametrize("case", FUNCTION_REPLIES)
def test_replies_with_a_function(case):
    """Where tests call a function, the last complete block that defines it is the answer."""
    reply, code = FUNCTION_REPLIES[case]
    assert code == _strip(extract_code(reply, FUNCTION))


@pytest.mark.parametrize("case", PROGRAM_REPLIES)
def test_replies_with_a_program(case):
    """Where a program is asked for, the last complete block that reads or prints is the answer."""
    reply, code = PROGRAM_REPLIES[case]
    assert code == _strip(extract_code(reply, PROGRAM))


def _strip(code):
    return code and code.strip("\n")


LINES = st.text(st.sampled_from("`~<>/ abc=#'\u00e9")).filter(lambda t: t == "" or not t.isspace())
STATEMENTS = st.one_of(
    st.text().map(lambda t: f"x = {t!r}"),
    st.lists(LINES).map(lambda lines: 'text = """a' + "\n".join(["", *lines]) + '\nz"""'),
    st.sampled_from(["", "def g():\n    if x:\n        return '<code>'\n\n    return 2", "# ```"]),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(STATEMENTS).map("\n".join), st.booleans())
def test_what_is_fenced_comes_out_again(code, with_prose):
    """Code that parses survives being fenced, whatever fences, quotes and tags it holds."""
    code = f"{code}\nprint(1)".strip()
    assume("think>" not in code and _tree(code))
    reply = f"Sure, with `x`:\n\n{fenced(code)}\n\nDone." if with_prose else fenced(code)
    assert code == extract_code(reply)


def _tree(code):
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError):
        return None


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return x.replace('</think>', '')",
        "def f(x):\n    return x == '<think>a</think>'",
        'def f(x):\n    return """a\n  \nb"""',
        "def f(x):\n    return 'a\\x0cb'\n\x0c\ndef g():\n    pass",
    ],
)
def test_the_text_of_a_closed_block_is_not_changed(code):
    """Tags of reasoning and lines of blanks inside the code's own strings are the code's own."""
    assert code == extract_code(fenced(code), FUNCTION)


@pytest.mark.parametrize(
    "reply",
    [
        "<think>" * 7000,
        "<code>" * 7000,
        "[PYTHON]" * 6000,
        "```python\n" * 10_000,
        "x = 1\n" * 300 + "oh no\n" * 60,
    ],
    ids=["think", "code", "[PYTHON]", "fences", "bare code"],
)
def test_a_model_that_loops_does_not_hang_the_run(reply):
    """A long reply of one repeated text, as models that loop give, takes milliseconds, not the square of its length."""
    started = time.process_time()
    extract_code(reply, FUNCTION)
    assert time.process_time() - started < 0.5


def test_odd_code_warns_nobody():
    """Python's warnings about a model's code (an invalid escape) are neither printed nor taken for errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        code = extract_code(block("def f(x):\n    return '\\d'"), FUNCTION)
    assert (code, caught) == ("def f(x):\n    return '\\d'", [])


def _lcb(folder):
    for row in json.loads((folder / "outputs_lcb/o1_mini_eval_all.json").read_text()):
        name = re.search(r"def (\w+)\(self", row["starter_code"])
        yield from ((text, name and name[1]) for text in row["output_list"])


def _mapcoder(folder):
    for path in sorted((folder / "outputs_mapcoder").glob("*.jsonl")):
        for row in map(json.loads, path.read_text().splitlines()):
            for text in ast.literal_eval(str(row.get("responses", []))):
                yield text, row.get("entry_point")


def _rlchar(folder):
    for path in sorted((folder / "outputs_rlchar").glob("*.jsonl")):
        for row in map(json.loads, path.read_text().splitlines()):
            if "full_completion" in row:
                yield row["full_completion"], row["function_name"]


@pytest.mark.shared
@pytest.mark.parametrize(("replies", "at_least"), [(_lcb, 500), (_mapcoder, 800), (_rlchar, 250)])
def test_real_replies(shared, replies, at_least):
    """At least 95 % of the answers of real models yield code that parses and defines what was asked for."""
    answers = [(text, name) for text, name in replies(shared / "data") if text.strip()]
    assert at_least <= len(answers)
    good = 0
    for text, name in answers:
        code = extract_code(text, view(name))
        good += code is not None and _tree(code) is not None and (not name or name in code)
    assert good / len(answers) >= 0.95
