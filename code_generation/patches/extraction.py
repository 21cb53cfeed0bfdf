"""The patch in a model's answer, as it stands there.

Looked for in this order: between `<patch>` or `<diff>` tags, in fences marked diff or patch, in other fences, in other
tags, bare. Of several blocks a later one stands for the earlier ones of the same files (models correct themselves), and
blocks of different files belong together. What a model thought before `</think>` is left out. A line of a diff's body
begins with a blank, `+` or `-`, so a tag or fence there is content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIFF = re.compile(r"^(?:diff --git \S|--- \S.*\n\+\+\+ \S|@@.*@@)", re.MULTILINE)
_ANY = re.compile(r"^[ \t>]*(?:diff --git \S|--- \S|@@)", re.MULTILINE)
_FILE = re.compile(r"^(?:diff --git \S|--- \S.*\n\+\+\+ \S)", re.MULTILINE)
_NAMED = re.compile(r"^\+\+\+ (\S+)|^--- (?!/dev/null)(\S+)", re.MULTILINE)
_FENCE = re.compile(r"([ \t]*)(`{3,}+|~{3,}+)([^\n`]*)")
_THINK = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_SOLID = re.compile(r"\S")
_OPENING = re.compile(r"^(?![+\- ])([^\n]*?)<(\w+)>[ \t]*\r?(?:\n|(?=diff --git |--- ))", re.MULTILINE)
PATCH_TAGS = ("patch", "diff")
MOST_BLOCKS = 1000
"""Blocks of an answer that are looked at."""
MOST_READ = 20_000_000
"""Characters that are read behind the opening tags of an answer, of all of them together; further tags are text."""


@dataclass(frozen=True)
class FoundPatch:
    """A patch as a model wrote it."""

    raw: str
    """Its text, untouched."""
    where: str
    """What it stood in: `tag patch`, `fence diff`, `fence`, `bare`, ...; with `, unclosed`, `, last of 2`, `, 2 joined`
    where it was so."""


@dataclass(frozen=True)
class _Block:
    text: str
    kind: str
    closed: bool
    start: int


def extract_patch(answer: str) -> FoundPatch | None:
    """The patch of an answer; None where nothing in it looks like one, an empty answer for instance."""
    text = _without_thinking(answer)
    if not _looks_like_a_patch(text, _ANY):
        return None
    tags, fences = _tags(text), _fences(text)
    for group in (
        [b for b in tags if b.kind in PATCH_TAGS],
        [b for b in fences if b.kind in PATCH_TAGS],
        [b for b in fences if b.kind not in PATCH_TAGS],
        [b for b in tags if b.kind not in PATCH_TAGS],
    ):
        word = "tag" if group and group[0] in tags else "fence"
        whole = [b for b in group if _looks_like_a_patch(b.text, _FILE)]
        chosen = _chosen(whole, word)
        if chosen:
            return chosen
    return _bare(text, [*tags, *fences])


def _looks_like_a_patch(text: str, form: re.Pattern[str]) -> bool:
    return bool(form.search(text.replace("\r\n", "\n").replace("\r", "\n")))


def _bare(text: str, blocks: list[_Block]) -> FoundPatch | None:
    """From the first line of a patch to the end; failing that, hunks of a file that is not named."""
    plain = text if "\n" in text else text.replace("\r", "\n")
    match = re.search(r"^(?:diff --git \S|--- \S.*\r?\n\+\+\+ \S)", plain, re.MULTILINE)
    if match:
        return FoundPatch(text[match.start() :], "bare")
    hunks = [b for b in blocks if _looks_like_a_patch(b.text, _DIFF)]
    return FoundPatch(hunks[-1].text, f"hunks of {hunks[-1].kind or 'a block'}") if hunks else None


def _without_thinking(text: str) -> str:
    """What comes after the last closing think tag; what comes before an opening one that is never closed."""
    end, opened = 0, None
    line = ahead = first = 0  # where the tag's line begins, the text before the tag ends, what is no blank begins
    for tag in _THINK.finditer(text):
        start = text.rfind("\n", ahead, tag.start()) + 1
        if start or not ahead:
            line, first = start, (_SOLID.search(text, start) or tag).start()
        ahead = tag.end()
        before = text[line : min(line + 1, tag.start())]
        if before in {"+", "-", " "} or text[tag.start() - 1 : tag.start()] in {"'", '"', "`"}:
            continue
        if tag[1]:
            end, opened = tag.end(), None
        elif opened is None and first == tag.start():
            opened = tag.start()
    return text[end:] if opened is None or opened < end else text[end:opened]


def _tags(text: str) -> list[_Block]:
    """Blocks between tags; the last may lack its end."""
    found: list[_Block] = []
    at = read = 0
    while len(found) < MOST_BLOCKS and read < MOST_READ and (opening := _OPENING.search(text, at)):
        name = opening[2].lower()
        closing = _closing(text, name, opening.end())
        end = closing.start() if closing else len(text)
        body = text[opening.end() : end]
        read += end - opening.start()
        if _looks_like_a_patch(body, _FILE):
            inner = [b for b in _fences(body) if _looks_like_a_patch(b.text, _FILE)]
            if not _starts_like_a_patch(body) and len(inner) == 1:
                body = inner[0].text  # a fence within the tag
            found.append(_Block(body, name, closing is not None, opening.start()))
            at = closing.end() if closing else len(text)
        else:
            at = opening.end()
    return found


def _starts_like_a_patch(text: str) -> bool:
    return bool(_FILE.match(text.lstrip("\r\n").replace("\r\n", "\n")))


def _closing(text: str, name: str, start: int) -> re.Match[str] | None:
    """The closing tag: at the start of a line, or where a line that is no line of a hunk has it, or the last thing."""
    first = re.compile(rf"^(?![+\- \\])[^\n]*?(?=</{name}>)</{name}>", re.MULTILINE | re.IGNORECASE)
    match = first.search(text, start)
    if match:
        return re.compile(rf"</{name}>", re.IGNORECASE).search(text, match.start())
    return re.compile(rf"</{name}>(?=(?:</s>|<\|\w+\|>|`{{3,}}(?!`)|\s)*\Z)", re.IGNORECASE).search(text, start)


def _fences(text: str) -> list[_Block]:
    """Fenced blocks; one of a diff ends at a fence indented as its own, since an indented one is context."""
    found: list[_Block] = []
    opened: re.Match[str] | None = None
    start = begun = at = 0
    for line in text.splitlines(keepends=True) if "\n" not in text else re.findall(r"[^\n]*\n|[^\n]+\Z", text):
        match = _FENCE.fullmatch(line.rstrip("\r\n"))
        if match and opened is None:
            opened, start, begun = match, at + len(line), at
        elif match and opened is not None:
            same = match[1] == opened[1] and match[2][0] == opened[2][0] and len(match[2]) >= len(opened[2])
            if same and len(found) < MOST_BLOCKS:
                named = match[3].strip(" \t")
                found.append(_block(text[start:at], opened, begun, closed=not named))
                opened, start, begun = (match, at + len(line), at) if named else (None, 0, 0)
        at += len(line)
    if opened is not None:
        found.append(_block(text[start:], opened, begun, closed=False))
    return found


def _block(body: str, fence: re.Match[str], start: int, *, closed: bool) -> _Block:
    """A fence's block; that of an indented fence without the indentation."""
    margin, word = fence[1], (fence[3].split() or [""])[0].lower().strip("{}.")
    lines = body.split("\n")
    if margin and all(line.startswith(margin) or not line.strip() for line in lines):
        body = "\n".join(line.removeprefix(margin) for line in lines)
    return _Block(body, word, closed, start)


def _files(block: _Block) -> set[str]:
    """What a block's patch is about, as it names it."""
    names = (m[1] or m[2] for m in _NAMED.finditer(block.text))
    return {re.sub(r"^[ab]/", "", name) for name in names if name != "/dev/null"}


def _chosen(blocks: list[_Block], word: str) -> FoundPatch | None:
    """One block, the last of those of the same files, or blocks of different files together."""
    if not blocks:
        return None
    kept: list[tuple[_Block, set[str]]] = []
    for block in sorted(blocks, key=lambda b: b.start):
        files = _files(block)
        same = [pair for pair in kept if pair[1] & files]
        if not block.closed and any(b.closed for b, _ in same):
            continue  # cut off: what was whole before counts
        kept = [pair for pair in kept if pair not in same] + [(block, files)]
    first = kept[0][0]
    where = f"{word} {first.kind}".strip()
    if len(kept) > 1:
        text = "".join(b.text if b.text.endswith("\n") else f"{b.text}\n" for b, _ in kept)
        return FoundPatch(text, f"{where}, {len(kept)} joined")
    if len(blocks) > 1:
        where += f", last of {len(blocks)}"
    return FoundPatch(first.text, where if first.closed else f"{where}, unclosed")
