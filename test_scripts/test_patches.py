# ruff: noqa: E501 - tables of whole patches, a line each
"""Patches found in answers, read strictly, measured; recorded answers lose none."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.models import CodeProblem
from code_generation.patches.diffs import MalformedPatch, parse_patch, render_patch
from code_generation.patches.evaluation import (
    NOT_OFFICIAL,
    WEIGHTS,
    compare_with_gold,
    evaluate_patch,
    is_test_path,
)
from code_generation.patches.extraction import extract_patch
from code_generation.patches.repair import repair_patch
from code_generation.patches.shown import shown_files

PATCH = (
    "diff --git a/pkg/a.py b/pkg/a.py\n--- a/pkg/a.py\n+++ b/pkg/a.py\n@@ -1,4 +1,4 @@ def f():\n x = 1\n-y = 2\n+y = 3\n"
    " \n z = 4\n"
)
OTHER = PATCH.replace("pkg/a.py", "pkg/b.py")
REVISED = PATCH.replace("+y = 3", "+y = 33")
SOURCE = "x = 1\ny = 2\n\nz = 4\n"
NEW = "diff --git a/n.py b/n.py\nnew file mode 100644\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1 @@\n+x = (\n"
MARKDOWN = "--- a/README.md\n+++ b/README.md\n@@ -1,5 +1,6 @@\n Use:\n ```diff\n---- a/x\n-+++ b/x\n+--- a/y\n++++ b/y\n+</patch>\n ```\n"


def gold_rows(shared):
    """(id, field, patch) of every gold patch at hand."""
    for name in ("swebench_lite_origin.jsonl", "swebench_verified_50.jsonl"):
        for line in (shared / "data/swebench" / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield from ((row["instance_id"], field, row[field]) for field in ("patch", "test_patch"))


def problem(**metadata) -> CodeProblem:
    """An issue without any repository at hand."""
    return CodeProblem(
        problem_id="o__r-1", problem="?", solutions=[], test_cases=[],
        metadata={"answer": "patch", "repo": "o/r", "base_commit": "0" * 40, **metadata},
    )  # fmt: skip


def shown(**files) -> str:
    """A prompt that shows files, `a__py` being `a.py`."""
    parts = [f"[start of {n.replace('__', '.')}]\n{text}\n[end of {n.replace('__', '.')}]" for n, text in files.items()]
    return "Example:\n<patch>\n--- a/file.py\n+++ b/file.py\n</patch>\n<code>\n" + "\n".join(parts) + "\n</code>"


@pytest.mark.parametrize(
    ("answer", "raw", "where"),
    [
        (f"<patch>\n{PATCH}</patch>", PATCH, "tag patch"),
        (f"Here:\n<diff>\n{PATCH}</diff>\n</s>", PATCH, "tag diff"),
        (f"Here:\n```diff\n{PATCH}```\nDone.", PATCH, "fence diff"),
        (f"````patch\n{MARKDOWN}````", MARKDOWN, "fence patch"),
        (f"```\n{PATCH}```", PATCH, "fence"),
        (f"```python\nx = 1\n```\n```diff\n{PATCH}```\n", PATCH, "fence diff"),
        (f"<answer>\n{PATCH}</answer>", PATCH, "tag answer"),
        (PATCH, PATCH, "bare"),
        (f"I changed a line.\n\n{PATCH}", PATCH, "bare"),
        (f"<patch>\n{PATCH}", PATCH, "tag patch, unclosed"),
        (f"```diff\n{PATCH}", PATCH, "fence diff, unclosed"),
        (f"<patch>\n```diff\n{PATCH}```\n</patch>", PATCH, "tag patch"),
        (f"```diff\n{PATCH}```\nor as tag\n<patch>\n{OTHER}</patch>", OTHER, "tag patch"),
        (f"```diff\n{PATCH}```\nWait:\n```diff\n{REVISED}```", REVISED, "fence diff, last of 2"),
        (f"```diff\n{PATCH}```\nWait:\n```diff\n{REVISED[:-9]}", PATCH, "fence diff, last of 2"),
        (f"```diff\n{PATCH}```\nand\n```diff\n{OTHER}```", PATCH + OTHER, "fence diff, 2 joined"),
        (f"1. So:\n   ```diff\n{''.join(f'   {x}' for x in PATCH.splitlines(keepends=True))}   ```", PATCH, "fence diff"),
        (f"<think>\n```diff\n{OTHER}```\nno</think>\n```diff\n{PATCH}```", PATCH, "fence diff"),
        (f"```diff\n{OTHER}```\nno\n</think>\n{PATCH}", PATCH, "bare"),
        (f"```diff\n{MARKDOWN}```", MARKDOWN, "fence diff"),
        (f"<patch>\n{MARKDOWN}</patch>", MARKDOWN, "tag patch"),
    ],
)  # fmt: skip
def test_patches_are_found(answer, raw, where):
    """The patch of an answer comes out byte for byte, with a word on where it stood; what a model corrects later, or
    thought before, does not.
    """
    found = extract_patch(answer)
    assert found is not None
    assert (found.raw, found.where) == (raw, where)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n",
        "No idea.",
        "Use <patch> tags.",
        "```python\nx = 1\n```",
        f"<think>\n{PATCH}",
        "- a\n- b\n",
        "<patch></patch>",
    ],
)
def test_no_patch(answer):
    """Prose, code and thoughts hold no patch."""
    assert extract_patch(answer) is None


@pytest.mark.parametrize("text", [PATCH, OTHER, NEW, MARKDOWN, PATCH + NEW])
def test_round_trip(text):
    """What is read is written back byte for byte."""
    assert render_patch(parse_patch(text)) == text


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "no change"), (PATCH[:-1], 9, "has no end"), ("x\n" + PATCH, 1, "expected the header"),
        (PATCH.replace("-1,4", "-1,5"), 4, "as many lines"), (PATCH.replace("@@ -1,4", "@@ 1,4"), 4, "not the header"),
        (PATCH.split("@@", maxsplit=1)[0], 3, "no hunk"), (PATCH.replace("+++ b/pkg/a", "+++ b/pkg/c"), 1, "name two files"),
        (PATCH.replace("diff --git a/pkg/a.py b/pkg/a.py", "diff --git a/q b/q"), 1, "another file"),
        ("diff --git a/x b/x\nindex 1..2\nGIT binary patch\n", 3, "binary"), ("diff --git a/x b/x\n", 1, "without a change"),
        (PATCH.replace("-y = 2\n+y = 3\n", " y = 2\n"), 4, "without a change"),
        (NEW.replace("-0,0 +1", "-1 +1,2").replace("+x", " y\n+x"), 1, "from before"),
    ],
)  # fmt: skip
def test_malformed(text, line, reason):
    """What git would call corrupt is told with its line and the reason."""
    with pytest.raises(MalformedPatch, match=reason) as caught:
        parse_patch(text)
    assert caught.value.line == line


@given(st.text(alphabet="abd-+ @\n\r/`<>,0123", max_size=300) | st.text(max_size=200))
def test_any_text_is_answered(text):
    """No text breaks the search or the repair, and a repaired patch is one."""
    for answer in (text, f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n{text}", f"```diff\n{PATCH}{text}"):
        found = extract_patch(answer)
        repaired = repair_patch(found.raw if found else answer)
        assert bool(repaired.fault) != bool(repaired.files)
        assert repaired.fault or render_patch(parse_patch(repaired.patch)) == repaired.patch


def test_files_of_a_prompt():
    """Files come out of a prompt exactly: numbers off, ends as they were; the example and half files are none."""
    numbered = "1 x = 1\n2     y\n3 \n4"
    text = shown(a__py=numbered, b__py="1 x = 1\n3 y", c__py="x = 1") + "\n[start of d.py]\ncut"
    assert shown_files(text) == {"a.py": "x = 1\n    y\n\n", "b.py": "1 x = 1\n3 y\n", "c.py": "x = 1\n"}
    assert shown_files("") == {}


@pytest.mark.parametrize(
    ("path", "test"),
    [("tests/x.py", True), ("a/tests/data.txt", True), ("test_x.py", True), ("a/x_test.py", True), ("conftest.py", True),
     ("django/test/client.py", False), ("src/contest.py", False), ("attest_x.py", False)],
)  # fmt: skip
def test_what_is_a_test(path, test):
    """Files of tests are told from the library's own."""
    assert is_test_path(path) is test


def test_comparison_with_gold():
    """The same patch is worth 1 in everything, one of another file 0; in between is a share."""
    gold, other, both = (parse_patch(p) for p in (PATCH, OTHER, PATCH + OTHER))
    names = ("file_precision", "file_recall", "hunk_recall", "similarity")
    assert [compare_with_gold(gold, gold)[n] for n in names] == [1, 1, 1, 1]
    assert [compare_with_gold(other, gold)[n] for n in names] == [0, 0, 0, 0]
    assert [compare_with_gold(both, gold)[n] for n in names] == [0.5, 1, 1, pytest.approx(2 / 3)]
    far = parse_patch(PATCH.replace("@@ -1,4 +1,4", "@@ -91,4 +91,4"))
    assert compare_with_gold(far, gold)["hunk_recall"] == 0
    near = compare_with_gold(parse_patch(REVISED), gold)["similarity"]
    assert near == pytest.approx(2 * 5 / 12)


def test_empty_answers_are_told_apart():
    """No answer, an answer without a patch, and a malformed patch are three things; each is worth nothing."""
    row = problem(patch=PATCH)
    empty, none, broken = (
        evaluate_patch(answer, row) for answer in (" ", "No idea.", "```diff\n--- a/x\n+++ b/x\n@@ nothing @@\n+a\n```")
    )
    assert (empty.raw, none.raw) == (None, "")
    assert broken.raw and broken.raw == broken.patch and "line 3" in broken.fault
    assert [r.score for r in (empty, none, broken)] == [0, 0, 0]
    assert not any(r.well_formed or r.applies for r in (empty, none, broken))


def test_score_of_a_patch_alone():
    """Of a patch with neither a gold one nor files at hand only the form is known, and no score is made of it; with a
    gold patch the known parts are weighed.
    """
    alone = evaluate_patch(PATCH, problem())
    assert (alone.well_formed, alone.applies, alone.score, alone.file_recall) == (True, None, None, None)
    gold = evaluate_patch(PATCH, problem(patch=PATCH))
    assert (gold.score, gold.files, gold.edits_tests) == (1, ["pkg/a.py"], False)
    assert gold.score_parts.keys() == {"well_formed", "files", "hunks", "similarity"}
    assert sum(WEIGHTS.values()) == pytest.approx(1) and "not" in NOT_OFFICIAL


def test_score_against_a_prompt():
    """A patch is applied to the files that the prompt shows, and what it breaks in their syntax is told."""
    text = shown(**{"pkg/a__py": SOURCE.rstrip("\n"), "old__py": "print 1"})
    right = evaluate_patch(f"```diff\n{PATCH}```", problem(text=text, patch=PATCH))
    assert (right.applies, right.applied_to, right.applied_by) == (True, "files of the prompt", "git apply --verbose")
    assert (right.score, right.syntax_errors, right.reason) == (1, [], "")
    breaking = evaluate_patch(PATCH.replace("+y = 3", "+y = (") + NEW, problem(text=text))
    assert [e.rpartition(":")[0] for e in breaking.syntax_errors] == ["n.py:1", "pkg/a.py:2"]
    assert breaking.score == pytest.approx((0.1 + 0.3) / 0.5)
    wrong = evaluate_patch(PATCH.replace("-y = 2", "-q = 2").replace(" x = 1", " k"), problem(text=text, patch=PATCH))
    assert (wrong.applies, wrong.applied_by) == (False, "") and "patch" in wrong.reason and 0 < wrong.score < 1
    unseen = evaluate_patch(OTHER, problem(text=text))
    assert unseen.applies is None and unseen.reason == "the prompt does not show pkg/b.py"
    before = evaluate_patch("--- a/old.py\n+++ b/old.py\n@@ -1 +1 @@\n-print 1\n+print 2\n", problem(text=text))
    assert (before.applies, before.syntax_errors) == (True, [])


@pytest.mark.shared
def test_gold_patches_stay_as_they_are(shared):
    """Every gold patch is read and written, found in any wrapping and repaired byte for byte, with no repair."""
    for name, field, patch in gold_rows(shared):
        assert render_patch(parse_patch(patch)) == patch, name
        repaired = repair_patch(patch)
        assert (repaired.patch, repaired.repairs, repaired.fault) == (patch, [], ""), (name, field)
        for answer in (f"So:\n<patch>\n{patch}</patch>\n</s>", f"<diff>\n{patch}</diff>", f"x\n```diff\n{patch}```\nbye",
                       f"````\n{patch}````", patch, f"Well.\n\n{patch}"):  # fmt: skip
            found = extract_patch(answer)
            assert found is not None and found.raw == patch, (name, field, answer[:20])


@pytest.mark.shared
def test_gold_tests_are_tests(shared):
    """By their paths nearly all files of test patches are tests, and no file of a gold patch is."""
    counts = Counter(
        (field, is_test_path(file.path)) for _, field, patch in gold_rows(shared) for file in parse_patch(patch)
    )
    assert counts["patch", True] <= 0.01 * counts["patch", False]
    assert counts["test_patch", False] <= 0.1 * counts["test_patch", True], counts


CORRECTED = {
    "pytest-dev__pytest-7432", "scikit-learn__scikit-learn-13439", "django__django-11019",
    "matplotlib__matplotlib-24970",
}  # fmt: skip
"""Answers whose first block the model takes back (`Wait, I made an error`): the record has the first, we the last."""
IN_PARTS = {"sympy__sympy-22005", "django__django-15814"}
"""Answers with a block for the code and one for its tests: the record has the first only."""
WITH_PROSE = {"sympy__sympy-16988", "pytest-dev__pytest-5495"}
"""Answers cut off within their fence: the record has the whole answer, prose and lists included."""


@pytest.mark.shared
def test_recorded_answers_lose_no_patch(shared):
    """Where the record of a real run has a patch, we find one of the same changes; the exceptions are known one by one.
    Empty answers are told apart.
    """
    lines = [
        line
        for name in ("claude-sonnet-4-5__SWE-bench_Lite_oracle__test.jsonl", "swe_llama_7b_oracle_2rows.jsonl")
        for line in (shared / "data/swebench_oracle_outputs" / name).read_text(encoding="utf-8").splitlines()
    ]
    differing = set()
    for row in map(json.loads, lines):
        answer, record = row["full_output"] or "", row["model_patch"] or ""
        found = extract_patch(answer)
        if not record.strip():
            assert found is None and not answer.strip()
            continue
        assert found is not None, row["instance_id"]
        repaired = repair_patch(found.raw)
        assert repaired.fault == "", row["instance_id"]
        ours = [line.rstrip() for file in repaired.files for hunk in file.hunks for line in hunk.changes]
        marks = ("+++ ", "--- ")
        theirs = [x.rstrip() for x in record.split("\n") if x[:1] in {"+", "-"} and not x.startswith(marks)]
        if ours != theirs:
            differing.add(row["instance_id"])
            if row["instance_id"] in IN_PARTS:
                assert ours[: len(theirs)] == theirs
    assert differing <= CORRECTED | IN_PARTS | WITH_PROSE


@pytest.mark.shared
def test_llama_rows(shared):
    """The tag and the end mark that recorded rows keep, and an answer cut off within a hunk, are seen for what they
    are.
    """
    path = shared / "data/swebench_oracle_outputs/swe_llama_7b_oracle_2rows.jsonl"
    whole, cut = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    found = extract_patch(whole["full_output"])
    assert found is not None and found.where == "tag patch"
    assert repair_patch(found.raw).repairs == ["blank-lines"]
    found = extract_patch(cut["full_output"])
    assert found is not None and found.where == "tag patch, unclosed"
    assert "hunk-counts" in repair_patch(found.raw).repairs


@pytest.mark.shared
def test_predictions_of_agents_need_nothing(shared):
    """Patches that tools made are never touched but for empty lines around them; a binary part is named."""
    for path in sorted((shared / "data/swebench_preds").glob("*pred*")):
        text = path.read_text(encoding="utf-8")
        rows = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        for patch in (row["model_patch"] for row in rows if row["model_patch"]):
            repaired = repair_patch(patch)
            assert "binary" in repaired.fault or (repaired.fault == "" and set(repaired.repairs) <= {"blank-lines"})
            assert repaired.fault or repaired.patch.strip("\n") == patch.strip("\n")
