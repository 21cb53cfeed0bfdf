"""Answers made to be slow are read all the same: a quadratic reading of hundreds of kilobytes would take minutes.

No time is asserted. What is not linear is bounded, and said so.
"""

from __future__ import annotations

import pytest

from code_generation.extract import extract_code, split_thinking
from code_generation.patches import anchoring, extraction
from code_generation.patches.extraction import extract_patch
from code_generation.patches.paths import unquoted, written_path
from code_generation.patches.repair import repair_patch

FILE = "--- a/x.py\n+++ b/x.py\n"
HUNK = "@@ -1 +1 @@\n-a\n+b\n"
N = 300_000


@pytest.mark.parametrize("tags", ["<think>", "</think>", "<think></think>", " <think>", "</think>\n"])
def test_think_tags(tags):
    """As many as there is room for."""
    text = tags * (N // len(tags))
    assert extract_patch(text) is None
    assert isinstance(split_thinking(text), tuple)


def test_think_tags_on_one_line():
    """What stands before a tag on its line decides, however far back the line begins."""
    found = extract_patch(f"So <think> and <think></think>\n{FILE}{HUNK}")
    assert found is not None and found.raw == f"\n{FILE}{HUNK}"[1:]
    assert extract_patch(f"  x <think>\n{FILE}{HUNK}") == extract_patch(f"{FILE}{HUNK}")
    assert extract_patch(f"\n\t<think>\n{FILE}{HUNK}") is None


@pytest.mark.parametrize("piece", ["<diff>\n", "<a>\n", "</diff>", "+</diff> ", "```", "~~~`\n"])
def test_tags_and_fences(monkeypatch, piece):
    """Behind a line that looks like a patch, so that they are looked at, up to a bound."""
    monkeypatch.setattr(extraction, "MOST_READ", 2_000_000)
    assert extract_patch(f"@@ @@\n{piece * (N // len(piece))}x") is None


@pytest.mark.parametrize("line", ["+</diff>" + " " * N, "+</diff>" + "`" * N, "```" + " " * N + "`", "~" * N + "`"])
def test_one_long_line(line):
    """Runs of one character that nothing follows which would end them."""
    assert extract_patch(f"{FILE}<diff>\n{line}x") is not None
    assert extract_code(f"{line}x") is None


def test_tagged_code():
    """Blocks that are counted by lines, each of them once; the last counts."""
    text = "<code>x=1</code>\n" * 5_000 + "<code>print(2)</code>"
    assert extract_code(text) == "print(2)"


def test_quoted_paths():
    """Escapes by the million."""
    assert len(unquoted("\\\\" * N)) == N
    escapes = "\\\\" * N
    assert repair_patch(f'--- "a/{escapes}"\n+++ b/x\n{HUNK}').fault
    assert written_path("a/x" + " " * N + "y").endswith("y")


@pytest.mark.parametrize("header", ["@@ -1" + " " * N + "x", "@@ x" + ". " * N, "@@" + " " * N, "@@ -1 +1" + "\t" * N])
def test_headers_of_hunks(header):
    """Blanks that could be divided in many ways."""
    assert isinstance(repair_patch(f"{FILE}{header}\n-a\n+b\n").fault, str)


def test_many_hunks_in_a_large_file():
    """The file's lines are looked up, not read again for each hunk."""
    source = {"x.py": "x\n" * 50_000 + "a\n"}
    assert repair_patch(FILE + HUNK * 5_000, source).fault == ""


def test_too_much_to_compare_is_said(monkeypatch):
    """Lines that stand everywhere in a file, in hunks that stand nowhere, are given up with the reason."""
    monkeypatch.setattr(anchoring, "MOST_COMPARED", 50_000)
    source = {"x.py": ("x\n" * 50 + "y\n") * 100}
    hunk = "@@ -1,60 +1,59 @@\n" + " x\n" * 59 + "-x\n"
    fault = repair_patch(FILE + hunk, source).fault
    assert fault == "line 3: its lines may stand in too many places: 50000 were compared"
