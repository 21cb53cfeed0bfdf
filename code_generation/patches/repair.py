"""Repair of what models get wrong in a patch, under names; never into another change.

Removed and added lines stay the same, in the same order and in the same files. What may differ in them is line ends,
copied line numbers and blanks at the end of removed lines, each under its own name. Where a patch could be read in two
ways it stays as it is, with the reason. `REPAIRS` has every name with what it does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from code_generation.patches.anchoring import KnownFiles, anchor
from code_generation.patches.diffs import FilePatch, MalformedPatch, parse_patch, render_patch
from code_generation.patches.headers import repaired_head
from code_generation.patches.line_numbers import without_numbers
from code_generation.patches.loose import LooseFile, LooseHunk, Reading, read_loosely

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPAIRS = {
    "line-ends": "line ends \\r\\n or \\r of the whole text became \\n, or those of the file",
    "final-newline": "the last line got its end",
    "surrounding-text": "text, fences and marks around the patch were left out",
    "blank-lines": "empty lines between or behind the parts of the patch were left out",
    "blank-context": "empty lines of context got their leading blank back",
    "context-prefix": "lines of context got their leading blank back",
    "line-numbers": "line numbers copied from the prompt were left out",
    "hunk-header": "the header of a hunk was written as tools read it",
    "hunk-counts": "the counts of a hunk were made those of its lines",
    "hunk-ranges": "a hunk without line numbers was given those of the only place where its lines stand",
    "hunk-starts": "the first line of a hunk was moved to the only place where its lines stand, or made to follow "
    "from the hunks before it",
    "empty-hunk": "a hunk without any change was left out",
    "trailing-blanks": "lines from before got the blanks at their end that the file has, or lost those it has not",
    "path-prefix": "paths were written as a/path and b/path",
    "file-header": "missing lines --- and +++ were taken from the line diff --git",
    "git-header": "the line diff --git, and the mode of a new or deleted file, were added",
}
LONGEST_PATCH = 4_000_000
"""Characters."""
_CODE = (".py", ".pyx", ".pyi")


@dataclass(frozen=True)
class Repaired:
    """What became of a patch."""

    patch: str
    """The repaired text; as it came where there is a fault."""
    repairs: list[str]
    """Names of `REPAIRS`, in their order there; empty where nothing had to be done."""
    fault: str
    """Where and why it is no patch, `line 3: ...`; empty where it is one."""
    files: tuple[FilePatch, ...]
    """The repaired patch; nothing where there is a fault."""


def repair_patch(raw: str, sources: Mapping[str, str] | None = None) -> Repaired:
    """The same change in the form that `git apply` reads.

    Args:
        raw: The patch as a model wrote it.
        sources: Files from before the change by path, where they are known: then hunks that stand at no or at a wrong
            line are moved to where their lines stand, if there is only one such place.
    """
    try:
        text, found = _as_lines(raw)
        reading = read_loosely(text.split("\n")[:-1])
        found |= reading.repairs
        known = KnownFiles(sources or {})
        drafts = [_repaired(file, known, found) for file in reading.files]
        if "line-numbers" in found:
            _refuse_other_numbers(reading, drafts, sources or {})
        files = [file for file in drafts if file is not None]
        patch = render_patch(files)
        strict = parse_patch(patch)
    except MalformedPatch as e:
        return Repaired(raw, [], str(e), ())
    return Repaired(patch, [name for name in REPAIRS if name in found], "", strict)


def _as_lines(raw: str) -> tuple[str, set[str]]:
    """The text with plain line ends.

    Raises:
        MalformedPatch: it is no text that a file can hold.
    """
    found: set[str] = set()
    if len(raw) > LONGEST_PATCH:
        raise MalformedPatch(1, f"longer than {LONGEST_PATCH} characters")
    for wrong, what in (("\0", "a NUL"), *((c, "half a surrogate pair") for c in _surrogates(raw))):
        if wrong in raw:
            raise MalformedPatch(raw.count("\n", 0, raw.index(wrong)) + 1, f"holds {what}")
    text = raw
    if "\n" not in text and "\r" in text:
        text = text.replace("\r", "\n")
        found.add("line-ends")
    if not text.endswith("\n"):
        text += "\n"
        found.add("final-newline")
    lines = text.split("\n")[:-1]
    heads = [line for line in lines if line.startswith(("diff --git ", "--- ", "+++ ", "@@"))]
    if heads and all(line.endswith("\r") for line in heads):
        body = [line for line in lines if line[:1] in {" ", "-", "+"}]
        whole = sum(line.endswith("\r") for line in body) >= len(body) - 1  # the last line may have lost its end
        marked = ("diff --git ", "--- ", "+++ ", "@@", "index ", "new file ", "deleted file ", "old mode ", "new mode ")
        lines = [line.removesuffix("\r") if whole or line.startswith(marked) else line for line in lines]
        text = "\n".join(lines) + "\n"
        found.add("line-ends")
    return text, found


def _surrogates(text: str) -> list[str]:
    """The first lone surrogate, if any."""
    try:
        text.encode()
    except UnicodeEncodeError as e:
        return [text[e.start]]
    return []


def _repaired(file: LooseFile, known: KnownFiles, found: set[str]) -> FilePatch | None:
    """A file's change with a header and hunks that tools read; None where it changes nothing.

    Raises:
        MalformedPatch: header or hunks can't be made sense of.
    """
    head, old, new, repairs = repaired_head(file.head, file.line, known.sources, has_hunks=bool(file.hunks))
    found |= repairs
    draft = FilePatch(head=head, hunks=(), old=old, new=new)
    hunks = []
    for hunk in file.hunks:
        if not any(line[:1] in {"-", "+"} for line in hunk.lines):
            found.add("empty-hunk")
        else:
            hunks.append(_without_copied_numbers(hunk, draft, known, found))
    if file.hunks and not hunks:
        return None
    return replace(draft, hunks=tuple(anchor(hunks, draft, known.get(old), found)))


def _refuse_other_numbers(reading: Reading, drafts: Sequence[FilePatch | None], sources: Mapping[str, str]) -> None:
    """Where some numbers were surely copied, others that may be copied too are not just left.

    Raises:
        MalformedPatch: there are some.
    """
    for loose, file in zip(reading.files, drafts, strict=True):
        if file is None or (file.old is not None and file.old in sources):
            continue
        for hunk in loose.hunks:
            if without_numbers(hunk.lines, fewest=1) is not None:
                raise MalformedPatch(hunk.line, "copied line numbers, or the file's own")


def _without_copied_numbers(hunk: LooseHunk, file: FilePatch, known: KnownFiles, found: set[str]) -> LooseHunk:
    """A hunk without line numbers from the prompt, where they surely are such: the file has its lines only without
    them, or, unseen, they are the hunk's own line numbers and the file is code.
    """
    clean = without_numbers(hunk.lines)
    if clean is None:
        return hunk
    source = known.get(file.old)
    if source is None:
        first = hunk.old_start if file.old is not None else clean[0]
        sure = file.path.endswith(_CODE) and first in {clean[0], None}
    else:
        with_numbers, without = (
            [line[1:] for line in lines if line[:1] in {" ", "-"}] for lines in (hunk.lines, clean[1])
        )
        sure = bool(without) and not source.holds(hunk, with_numbers) and source.holds(hunk, without)
    if not sure:
        return hunk
    found.add("line-numbers")
    if hunk.old_start is None:
        found.add("hunk-ranges")
    hunk.lines = clean[1]
    hunk.old_start = clean[0] if hunk.old_start is None else hunk.old_start
    return hunk
