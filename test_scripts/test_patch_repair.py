# ruff: noqa: E501, S311 - tables of whole patches; chances that have to repeat
"""Repairs: each under its name, none into another change, and what could be read in two ways left alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.patches.diffs import parse_patch
from code_generation.patches.repair import REPAIRS, repair_patch
from test_scripts.patch_mutations import MUTATIONS, NEED_SOURCES, applied, base_of
from test_scripts.test_patches import PATCH, gold_rows

GIT = "diff --git a/x.py b/x.py\n"
BODY = " a = 1\n-b = 2\n+b = 3\n c = 4\n"
PLAIN = f"--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@\n{BODY}"
WHOLE = GIT + PLAIN
SOURCE = "a = 1\nb = 2\nc = 4\n"
LATER = WHOLE.replace("@@ -1,3 +1,3 @@", "@@ -3,3 +3,3 @@")
TWO = WHOLE + "@@ -11,2 +11,3 @@\n d = 5\n+e = 6\n f = 7\n"


def test_every_repair_is_told():
    """What the table says exists, and its names are what a report may hold."""
    assert all(REPAIRS.values()) and len(REPAIRS) == 16


@pytest.mark.parametrize(
    ("raw", "patch", "names"),
    [
        (WHOLE, WHOLE, []), (TWO, TWO, []), (PLAIN, WHOLE, ["git-header"]), (WHOLE[:-1], WHOLE, ["final-newline"]),
        (WHOLE.replace("\n", "\r\n"), WHOLE, ["line-ends"]), (WHOLE.replace("\n", "\r"), WHOLE, ["line-ends"]),
        (WHOLE.replace("-1,3 +1,3", "-1,9 +1,2"), WHOLE, ["hunk-counts"]), (f"{WHOLE}\n\n", WHOLE, ["blank-lines"]),
        (f"{WHOLE}```\nIt works.\n", WHOLE, ["surrounding-text"]), (f"{WHOLE}</s>", WHOLE, ["final-newline", "surrounding-text"]),
        (f"{WHOLE}\n- it is better\n- it is faster\n", WHOLE, ["surrounding-text", "blank-lines"]),
        (f"{WHOLE}-- \n2.39.5\n", WHOLE, ["surrounding-text"]), (f"Here:\n{WHOLE}", WHOLE, ["surrounding-text"]),
        (TWO.replace("@@ -11,2 +11,3", "\n@@ -11,2 +11,3"), TWO, ["blank-lines"]),
        (TWO.replace("+11,3", "+19,3"), TWO, ["hunk-starts"]), (TWO.replace("@@ -11,2 +11,3 @@", "@@ -11, 2 +11, 3"), TWO, ["hunk-header"]),
        (WHOLE + "@@ -9,2 +9,2 @@\n k\n l\n", WHOLE, ["empty-hunk"]), (GIT + PLAIN[PLAIN.index("@@"):], WHOLE, ["file-header"]),
        (PLAIN.replace("a/x", "x").replace("b/x", "x"), WHOLE, ["path-prefix", "git-header"]),
        (PLAIN.replace("a/x", "./x").replace("b/x", "./x"), WHOLE, ["path-prefix", "git-header"]),
        (PLAIN.replace("a/x", "a/./x").replace("b/x", "b/./x"), WHOLE, ["path-prefix", "git-header"]),
        (WHOLE.replace("a/x", "i/x").replace("b/x", "w/x"), WHOLE, ["path-prefix"]),
        (PLAIN.replace("a/x", "/testbed/x").replace("b/x", "/testbed/x"), WHOLE, ["path-prefix", "git-header"]),
        (PLAIN.replace("a/x", "a//testbed/x").replace("b/x", "b//testbed/x"), WHOLE, ["path-prefix", "git-header"]),
        (PLAIN.replace(" a = 1", " 1 a = 1").replace("-b", "-2 b").replace(" c", " 3 c"), WHOLE, ["line-numbers", "git-header"]),
        (PLAIN.replace(" a = 1", "1 a = 1").replace("-b", "-2 b").replace(" c", "3 c"), WHOLE,
         ["context-prefix", "line-numbers", "git-header"]),
        (PLAIN.replace(" a = 1", "a = 1").replace(" c", "c"), WHOLE, ["context-prefix", "git-header"]),
        (WHOLE.replace(" c = 4", ""), WHOLE.replace(" c = 4", " "), ["blank-context"]),
        ("--- /dev/null\n+++ b/n.py\n@@ -1,0 +1,2 @@\n+a\n+b\n",
         "diff --git a/n.py b/n.py\nnew file mode 100644\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1,2 @@\n+a\n+b\n", ["hunk-starts", "git-header"]),
        ("--- a/n.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
         "diff --git a/n.py b/n.py\ndeleted file mode 100644\n--- a/n.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", ["git-header"]),
    ],
)  # fmt: skip
def test_repairs_by_the_patch_alone(raw, patch, names):
    """Each fault of a patch is repaired, named, and the result needs nothing more."""
    repaired = repair_patch(raw)
    assert (repaired.fault, repaired.patch, sorted(repaired.repairs)) == ("", patch, sorted(names))
    assert repair_patch(patch).repairs == []


@pytest.mark.parametrize(
    ("raw", "source", "patch", "names"),
    [
        (WHOLE.replace("-1,3 +1,3", "-9,3 +9,3"), f"#\n#\n{SOURCE}", LATER, ["hunk-starts"]),
        (WHOLE.replace("@@ -1,3 +1,3 @@", "@@ @@"), f"#\n#\n{SOURCE}", LATER, ["hunk-ranges"]),
        (WHOLE.replace("@@ -1,3 +1,3 @@", "@@ ... @@"), f"#\n#\n{SOURCE}", LATER, ["hunk-ranges"]),
        (WHOLE.replace("-1,3 +1,3 @@", "-9,3 +9,3 @@ def g():"), f"def f():\n{SOURCE}def g():\n{SOURCE}",
         WHOLE.replace("-1,3 +1,3 @@", "-6,3 +6,3 @@ def g():"), ["hunk-starts"]),
        (WHOLE, SOURCE.replace("\n", "\r\n"), WHOLE.replace("= 1\n", "= 1\r\n").replace("= 2\n", "= 2\r\n").replace("= 3\n", "= 3\r\n")
         .replace("= 4\n", "= 4\r\n"), ["line-ends"]),
        (WHOLE, "a = 1  \nb = 2\t\nc = 4\n", WHOLE.replace("a = 1", "a = 1  ").replace("b = 2", "b = 2\t"), ["trailing-blanks"]),
        (WHOLE.replace(" a = 1", " 7 a = 1").replace("-b", "-8 b").replace("+b", "+8 b").replace(" c", " 9 c"), SOURCE, WHOLE,
         ["line-numbers"]),
        (WHOLE.replace(" a = 1", "  a = 1").replace(" c", "   c"), " a = 1\nb = 2\n  c = 4\n#\n",
         WHOLE.replace(" a = 1", "  a = 1").replace(" c", "   c"), []),
        (WHOLE.replace("a/x", "/opt/me/r/p/x").replace("b/x", "/opt/me/r/p/x"), None,
         WHOLE.replace("a/x", "a/p/x").replace("b/x", "b/p/x"), ["path-prefix"]),
        (WHOLE, "q = 1\n", WHOLE, []),
    ],
)  # fmt: skip
def test_repairs_by_the_file(raw, source, patch, names):
    """With the file at hand a hunk is put where its lines stand, if that is one place; else it stays."""
    repaired = repair_patch(raw, {"p/x.py": SOURCE} if source is None else {"x.py": source})
    assert (repaired.fault, repaired.patch, repaired.repairs) == ("", patch, names)


def test_several_places():
    """Lines that stand in several places move no hunk; without line numbers that is a fault."""
    twice = {"x.py": f"#\n{SOURCE}#\n{SOURCE}"}
    wrong = WHOLE.replace("-1,3 +1,3", "-9,3 +9,3")
    assert repair_patch(wrong, twice).patch == wrong
    assert "several places" in repair_patch(WHOLE.replace("@@ -1,3 +1,3 @@", "@@ @@"), twice).fault


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (WHOLE.replace("@@ -1,3 +1,3 @@", "@@ @@"), "line 4: a hunk without line numbers"),
        (PLAIN[PLAIN.index("@@"):], "line 1: a hunk before any line names a file"),
        (PLAIN.replace("+++ b/x", "+++ b/y"), "line 1: the lines --- and +++ name two files"),
        (PLAIN.replace("a/x", "/x").replace("b/x", "/x"), "line 1: an absolute path"),
        (WHOLE + "prose\n+g = 1\n", "line 10: changes behind the end that the hunk's counts give it"),
        (WHOLE + "\n+g = 1\n", "line 10: changes behind the end"), ("nothing", "line 1: no line names a file"),
        (WHOLE.replace("-1,3 +1,3", "-1,8 +1,8") + "so\n+g = 1\n", "line 9: neither context nor change"),
        (WHOLE.replace("-1,3 +1,3", "-1,8 +1,8") + "\n- a list\n", "line 10: a change or an item of a list"),
        (PLAIN.replace("-1,3 +1,3", "-1,4 +1,4") + PLAIN, "line 8: the header of a file, or changed lines"),
        (WHOLE.replace("-b = 2\n+b = 3", " b = 2"), "line 1: no change at all"), (WHOLE + "\0", "line 9: holds a NUL"),
        (WHOLE.replace("3\n", "\ud800\n", 1), "half a surrogate pair"), ("x" * 4_000_001, "longer than"),
        ("diff --git a/x b/x\nGIT binary patch\nliteral 0\n", "line 2: a binary patch"),
        (WHOLE.replace("diff --git a/x.py b/x.py", "diff --git a/y.py b/y.py"), "line 1: diff --git names another file"),
        ("--- /dev/null\n+++ b/n\n@@ -1 +1,2 @@\n a\n+b\n", "with lines from before"), (PLAIN.replace("+++ b/x.py\n", ""), ""),
    ],
)  # fmt: skip
def test_what_stays_malformed(raw, fault):
    """What could be read in two ways, or not at all, stays as it came, with the place and the reason."""
    repaired = repair_patch(raw)
    assert repaired.fault and fault in repaired.fault
    assert (repaired.patch, repaired.repairs, repaired.files) == (raw, [], ())


def test_numbers_here_and_perhaps_there():
    """Where one file's numbers are surely copied and another's may be its own, neither is guessed."""
    copied = WHOLE.replace(" a = 1", " 1 a = 1").replace("-b", "-2 b").replace(" c", " 3 c")
    new = "diff --git a/n.txt b/n.txt\nnew file mode 100644\n--- /dev/null\n+++ b/n.txt\n@@ -0,0 +1,2 @@\n+1 one\n+2 two\n"
    assert repair_patch(copied + new).fault == "line 13: copied line numbers, or the file's own"
    assert repair_patch(new).repairs == []
    code = repair_patch(copied + new.replace("n.txt", "n.py"))
    assert (code.fault, code.repairs, code.files[1].hunks[0].changes) == ("", ["line-numbers"], ["+one", "+two"])


def test_a_list_of_numbers_is_no_listing():
    """Numbers that are the file's own stay."""
    raw = "diff --git a/x.txt b/x.txt\n--- a/x.txt\n+++ b/x.txt\n@@ -1,2 +1,3 @@\n 1 one\n 2 two\n+3 three\n"
    assert repair_patch(raw).patch == raw
    assert repair_patch(raw, {"x.txt": "1 one\n2 two\n"}).patch == raw


WORDS = st.lists(st.sampled_from(["a = 1", "    b", "", "-- a/x", "++ b/x", "@@ -1 +1 @@", "1 c", "- d"]), max_size=6)


@given(WORDS, WORDS, WORDS, WORDS, st.sampled_from(MUTATIONS), st.integers(0, 99))
def test_no_repair_changes_the_change(before, removed, added, after, mutate, seed):
    """Whatever the lines are, a repaired patch removes and adds what the right one does, or is left with a fault."""
    body = [f" {x}" for x in before] + [f"-{x}" for x in removed] + [f"+{x}" for x in added] + [f" {x}" for x in after]
    counts = len(before + removed + after), len(before + added + after)
    if not removed + added or 0 in counts:
        return
    header = f"--- a/x.py\n+++ b/x.py\n@@ -3,{counts[0]} +3,{counts[1]} @@\n"
    patch = GIT + header + "".join(f"{line}\n" for line in body)
    repaired = repair_patch(mutate(patch, random.Random(seed)), base_of(patch))
    if not repaired.fault and mutate.__name__ not in CAN_LOSE:
        assert [line for f in repaired.files for h in f.hunks for line in h.changes] == [
            line for line in body if line[0] != " "
        ]


CAN_LOSE = {"context_lost", "blank_context_lost", "numbered", "numbered_old", "trailing_blanks_lost"}
"""Mutations that may make something else of such lines, so that no one could tell."""


def _essence(files):
    """All of a patch that decides what comes of it."""
    return tuple((f.old, f.new, *f.modes, *((h.old_start, h.lines) for h in f.hunks)) for f in files)


def measured(rows):
    """(mutation, with the files) -> how repaired patches went, over some gold patches."""
    counts: dict[tuple[str, bool], Counter[str]] = {}
    for name, _, patch in rows:
        base = base_of(patch)
        wanted = applied(parse_patch(patch), base)
        assert wanted is not None, name
        seen = {_essence(parse_patch(patch)): wanted}  # the same patch need not be applied twice
        for mutate in MUTATIONS:
            mutated = mutate(patch, random.Random(f"{name}{mutate.__name__}"))
            for known in (False, True):
                if mutated == patch or (not known and mutate in NEED_SOURCES):
                    continue
                repaired = repair_patch(mutated, base if known else None)
                key = _essence(repaired.files)
                if key not in seen:
                    seen[key] = None if repaired.fault else applied(repaired.files, base)
                got = seen[key]
                how = "malformed" if repaired.fault else "no" if got is None else "right" if got == wanted else "other"
                if how == "other" and not known and mutate.__name__ == "wrong_starts" and not repaired.repairs:
                    how = "not repaired"  # git looks for the nearest place itself
                counts.setdefault((mutate.__name__, known), Counter())[how] += 1
    return counts


def _check(counts):
    for kind, count in counts.items():
        assert count["other"] == 0, (kind, count)
        assert count["right"] >= 0.95 * count.total(), (kind, count)


def test_broken_patches_apply_again():
    """A right patch broken in every way that models break them applies again with the same result."""
    _check(measured([("own", "patch", PATCH), ("two", "patch", TWO)]))


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_broken_gold_patches_apply_again(shared):
    """Of all gold patches broken in each way at least 95 % apply again, and none to another result."""
    _check(measured(gold_rows(shared)))
