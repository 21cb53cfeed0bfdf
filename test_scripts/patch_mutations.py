# ruff: noqa: E501 - a mutation a line
"""What models get wrong in patches, done to right ones; and files that a patch fits, made from its own hunks."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from code_generation.patches.applying import BaseFile, apply_patch
from code_generation.patches.diffs import HUNK_HEADER, NO_NEWLINE, parse_patch

if TYPE_CHECKING:
    import random

PROSE = "\nThis patch:\n- fixes the check, and\n- keeps the rest.\n\nLet me know!\n"


def base_of(patch: str) -> dict[str, str]:
    """Files that a patch fits: its old lines where it says they are, other lines elsewhere. A hunk with less context
    at its end than diff gives stands at the end of its file.
    """
    files = {}
    for file in parse_patch(patch):
        if file.old is None:
            continue
        lines: list[str] = []
        for hunk in file.hunks:
            start = hunk.old_start - (hunk.old_count > 0)
            lines += [f"# line {n} of {file.old}" for n in range(len(lines) + 1, start + 1)] + hunk.old
        ended = _no_end(file)
        if not ended and _context_at_end(file) >= 3:
            lines += [f"# line {n} of {file.old}" for n in range(len(lines) + 1, len(lines) + 41)]
        if file.new is None:
            lines = file.hunks[0].old
        files[file.old] = "\n".join(lines) + ("" if ended else "\n")
    return files


def _context_at_end(file) -> int:
    """How many lines of context the last hunk ends with."""
    body = file.hunks[-1].lines if file.hunks else ()
    return next((n for n, line in enumerate(reversed(body)) if line[:1] != " "), len(body))


def _no_end(file) -> bool:
    """Whether the old file has no line end at its end."""
    body = file.hunks[-1].lines if file.hunks else ()
    return any(a[:1] in {" ", "-"} and b == NO_NEWLINE for a, b in pairwise(body))


def as_base(files: dict[str, str]) -> dict[str, BaseFile]:
    """The files as `apply_patch` takes them."""
    return {path: BaseFile(text.encode("utf-8", "surrogateescape")) for path, text in files.items()}


def applied(files, base):
    """What the touched files hold after a patch; None where it does not apply."""
    done = apply_patch(files, as_base(base))
    return done.files if done.applies else None


def _headers(patch: str, change, chance: random.Random) -> str:
    """The patch with each hunk's numbers changed; only in headers, never in what looks like one in a body."""
    out, left = [], [0, 0]
    for line in patch.split("\n"):
        if any(left):
            left = [left[0] - (line[:1] in {" ", "-"}), left[1] - (line[:1] in {" ", "+"})]
        elif match := HUNK_HEADER.fullmatch(line):
            numbers = [int(n) if n else 1 for n in match.groups()[:4]]
            left = [numbers[1], numbers[3]]
            out.append(change(numbers, match[5], chance))
            continue
        out.append(line)
    return "\n".join(out)


def _bodies(patch: str, change) -> str:
    """The patch with each line of each hunk's body changed: `change(line, old_line, new_line)`."""
    out, left, at = [], [0, 0], [0, 0]
    for line in patch.split("\n"):
        if any(left):
            old, new = line[:1] in {" ", "-"}, line[:1] in {" ", "+"}
            out.append(change(line, *at))
            left, at = [left[0] - old, left[1] - new], [at[0] + old, at[1] + new]
            continue
        if match := HUNK_HEADER.fullmatch(line):
            numbers = [int(n) if n else 1 for n in match.groups()[:4]]
            left, at = [numbers[1], numbers[3]], [numbers[0], numbers[2]]
        out.append(line)
    return "\n".join(out)


def _header(old, old_count, new, new_count, section):
    return f"@@ -{old},{old_count} +{new},{new_count} @@{section}"


def wrong_counts(patch, chance):
    """Counts that are off by a few, as if nobody had counted."""
    return _headers(patch, lambda n, s, c: _header(n[0], max(0, n[1] + c.choice([-3, -2, -1, 1, 2, 3])), n[2],
                                                   max(0, n[3] + c.choice([-3, -2, -1, 1, 2, 3])), s), chance)  # fmt: skip


def same_wrong_counts(patch, chance):
    """Counts that are off by as much on both sides."""

    def change(n, s, c):
        off = c.choice([-2, -1, 1, 2])
        return _header(n[0], max(0, n[1] + off), n[2], max(0, n[3] + off), s)

    return _headers(patch, change, chance)


def no_newline(patch, _chance):
    """The last line lost its end."""
    return patch.removesuffix("\n")


def crlf(patch, _chance):
    """Every line ends as on Windows."""
    return patch.replace("\n", "\r\n")


def _heads(patch, change):
    """The patch with each line outside of hunks changed: None leaves it out."""
    out, left = [], [0, 0]
    for line in patch.split("\n"):
        if any(left):
            left = [left[0] - (line[:1] in {" ", "-"}), left[1] - (line[:1] in {" ", "+"})]
            out.append(line)
            continue
        if match := HUNK_HEADER.fullmatch(line):
            numbers = [int(n) if n else 1 for n in match.groups()[:4]]
            left = [numbers[1], numbers[3]]
        changed = change(line)
        out += [] if changed is None else [changed]
    return "\n".join(out)


def no_git_lines(patch, _chance):
    """Only --- and +++ of the headers."""
    extended = ("diff --git ", "index ", "new file mode ", "deleted file mode ", "old mode ", "new mode ")
    return _heads(patch, lambda line: None if line.startswith(extended) else line)


def _paths(patch, prefix):
    """Only --- and +++, with another prefix than a/ and b/."""

    def change(line):
        match = re.match(r"(--- )a/|(\+\+\+ )b/", line)
        return f"{match[1] or match[2]}{prefix}{line[6:]}" if match else line

    return _heads(no_git_lines(patch, None), change)


def wrong_starts(patch, chance):
    """Each hunk says that it stands elsewhere."""

    def change(n, s, c):
        if 0 in (n[1], n[3]):
            return _header(*n, s)
        off = c.choice([-1, 1]) * c.randint(1, 40)
        return _header(max(1, n[0] + off), n[1], max(1, n[2] + off), n[3], s)

    return _headers(patch, change, chance)


def no_ranges(patch, _chance):
    """Hunk headers without numbers."""
    return _headers(patch, lambda _n, s, _c: f"@@{s} @@", _chance)


def blank_context_lost(patch, _chance):
    """Blank lines of context lost their one blank."""
    return _bodies(patch, lambda line, *_: "" if line == " " else line)


def context_lost(patch, _chance):
    """All lines of context lost their first blank."""
    return _bodies(patch, lambda line, *_: line.removeprefix(" "))


def trailing_blanks_lost(patch, _chance):
    """Lines from before lost the blanks at their ends."""
    return _bodies(patch, lambda line, *_: line[0] + line[1:].rstrip() if line[:1] in {" ", "-"} else line)


def numbered(patch, _chance):
    """Line numbers as in the prompt, on all lines."""

    def change(line, old, new):
        return line if line.startswith("\\") else f"{line[0]}{new if line[0] == '+' else old} {line[1:]}"

    return _bodies(patch, change)


def numbered_old(patch, _chance):
    """Line numbers as in the prompt, on the lines that were there."""
    return _bodies(patch, lambda line, old, _new: f"{line[0]}{old} {line[1:]}" if line[:1] in {" ", "-"} else line)


def no_prefix(patch, _chance):
    """Paths without a/ and b/."""
    return _paths(patch, "")


def dotted(patch, _chance):
    """Paths that begin with ./."""
    return _paths(patch, "./")


def absolute(patch, _chance):
    """Paths where the harness' image keeps the repository."""
    return _paths(patch, "/testbed/")


def surrounded(patch, _chance):
    """Prose, a fence and a mark of the chat format behind it."""
    return f"{patch}```\n{PROSE}</s>"


def prose_behind(patch, _chance):
    """Prose behind it, without a fence."""
    return patch + PROSE


def everything(patch, chance):
    """Several at once: counts, header lines, blank context, line end."""
    return no_newline(no_git_lines(blank_context_lost(wrong_counts(patch, chance), None), None), None)


MUTATIONS = [
    wrong_counts, same_wrong_counts, no_newline, crlf, no_git_lines, wrong_starts, no_ranges, blank_context_lost,
    context_lost, trailing_blanks_lost, numbered, numbered_old, no_prefix, dotted, absolute, surrounded, prose_behind,
    everything,
]  # fmt: skip
NEED_SOURCES = {no_ranges, context_lost, trailing_blanks_lost}
"""What can't be told from the patch alone."""
