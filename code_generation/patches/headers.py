"""The header of a file in a patch: from what a model wrote to what tools read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from code_generation.patches.diffs import EXTENDED, MalformedPatch, names_of
from code_generation.patches.paths import NOWHERE, diff_git_paths, written_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PREFIXES = frozenset("abciow")
"""The letters that git puts before paths, `i/` and `w/` for instance with diff.mnemonicPrefix."""
_ROOTS = ("/testbed/",)
"""Where SWE-bench's own images keep the repository."""
_PLAIN = re.compile(r"[^\x00-\x1f\x7f\"\\]+")


def repaired_head(
    head: Sequence[str], line: int, sources: Mapping[str, str], *, has_hunks: bool
) -> tuple[tuple[str, ...], str | None, str | None, set[str]]:
    """A file's header, its paths before and after (None: there is no such file), and the repairs made.

    Raises:
        MalformedPatch: it does not tell its file.
    """
    found: set[str] = set()
    lines = list(head)
    if has_hunks and not any(h.startswith("--- ") for h in lines):
        lines += _file_lines(lines, line)
        found.add("file-header")
    try:
        old, new, changed = _paths(lines, sources)
        if changed:
            found.add("path-prefix")
        lines = _rewritten(lines, old, new, found, changed=changed)
        names_of(lines)
    except ValueError as e:
        raise MalformedPatch(line, str(e)) from None
    return tuple(lines), old, new, found


def _file_lines(head: Sequence[str], line: int) -> list[str]:
    """The lines --- and +++ as the line diff --git has it."""
    paths = diff_git_paths(head[0]) if head else None
    if paths is None or paths[0] != paths[1] or not _PLAIN.fullmatch(paths[0]):
        raise MalformedPatch(line, "no lines --- and +++, and diff --git does not tell the file")
    new, gone = (any(h.startswith(f"{word} file mode ") for h in head) for word in ("new", "deleted"))
    return [f"--- {NOWHERE}" if new else f"--- a/{paths[0]}", f"+++ {NOWHERE}" if gone else f"+++ b/{paths[1]}"]


def _paths(lines: Sequence[str], sources: Mapping[str, str]) -> tuple[str | None, str | None, bool]:
    """The paths before and after, and whether they had to be written otherwise.

    Raises:
        ValueError: they can't be told.
    """
    shown = [h for h in lines if h.startswith(("--- ", "+++ "))]
    if len(shown) != 2 or any(re.match("(?:rename|copy) ", h) for h in lines):  # noqa: PLR2004 - --- and +++
        old, new = names_of(lines)
        return old, new, False
    raw = [written_path(h[4:]) for h in shown]
    texts = [r.strip() for r in raw]
    if "" in texts:
        raise ValueError("an empty path")
    old, new = _unprefixed(texts[0], texts[1], sources)
    wanted = [NOWHERE if old is None else f"a/{old}", NOWHERE if new is None else f"b/{new}"]
    return old, new, wanted != raw


def _unprefixed(old: str, new: str, sources: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Both paths without whatever stands before them.

    Raises:
        ValueError: they name two files, or what they name can't be told.
    """
    named = [p for p in (old, new) if p != NOWHERE]
    if not named:
        raise ValueError("both sides are /dev/null")
    if len(named) == 1:
        letter = "ab"[old == NOWHERE]
        path = named[0][2:] if named[0][:2] in {f"{letter}/", "b/", "a/"} else named[0]
        path = _relative(path, sources)
        return (None, path) if old == NOWHERE else (path, None)
    path = _common(old, new, sources)
    return path, path


def _common(old: str, new: str, sources: Mapping[str, str]) -> str:
    """The one file that two paths name."""
    heads, rests = zip(*((p.partition("/")[0], p.partition("/")[2]) for p in (old, new)), strict=True)
    lettered = rests[0] == rests[1] != "" and set(heads) <= _PREFIXES
    if old == new and old in sources and rests[0] not in sources:
        return old  # the folder is called a
    if lettered or (heads[0] != heads[1] and rests[0] == rests[1] != "" and "" not in heads):
        return _relative(rests[0], sources)
    candidates = {_relative(rest if head in _PREFIXES and rest else p, sources) for p, head, rest in
                  zip((old, new), heads, rests, strict=True)}  # fmt: skip
    if len(candidates) != 1:
        raise ValueError(f"the lines --- and +++ name two files, {old} and {new}, without a rename")
    return candidates.pop()


def _relative(path: str, sources: Mapping[str, str]) -> str:
    """A path from the root of the repository: without `./`, and without the folder that the repository was seen in.

    Raises:
        ValueError: it is absolute and does not tell where the repository begins.
    """
    while path.startswith("./"):
        path = path[2:].lstrip("/") or path
    if not path.startswith("/"):
        return path
    for root in _ROOTS:
        if path.startswith(root):
            return path.removeprefix(root)
    ends = [s for s in sources if path.endswith(f"/{s}") and ("/" in s or path == f"/{s}")]
    if len(ends) == 1:
        return ends[0]
    raise ValueError(f"an absolute path, {path[:80]}: where the repository begins can't be told")


def _rewritten(lines: Sequence[str], old: str | None, new: str | None, found: set[str], *, changed: bool) -> list[str]:
    """The header with the paths and lines that git expects; as it was where nothing is missing."""
    has_git = lines[0].startswith("diff --git ")
    if has_git and any(re.match("(?:rename|copy) ", h) for h in lines):
        return list(lines)
    path = new or old or ""
    if not _PLAIN.fullmatch(path):
        if changed:
            raise ValueError(f"a path that has to be quoted, without its prefix: {path[:80]!r}")
        return list(lines)
    extended = [h for h in lines if h.startswith(EXTENDED)]
    shown = [h for h in lines if h.startswith(("--- ", "+++ "))]
    if changed:
        shown = [
            f"--- {NOWHERE}" if old is None else f"--- a/{path}",
            f"+++ {NOWHERE}" if new is None else f"+++ b/{path}",
        ]
    word = "new" if old is None else "deleted" if new is None else ""
    if word and not any(h.startswith(f"{word} file mode ") for h in extended):
        extended.insert(0, f"{word} file mode 100644")
        found.add("git-header")
    first = lines[0]
    if not has_git:
        first = f"diff --git a/{path} b/{path}"
        found.add("git-header")
    elif shown and (changed or diff_git_paths(first) != (path, path)):
        if not _same_file(first, path):
            raise ValueError("diff --git names another file than the lines --- and +++")
        wanted = f"diff --git a/{path} b/{path}"
        found |= {"path-prefix"} if first != wanted else set()
        first = wanted
    return [first, *extended, *shown]


def _same_file(first: str, path: str) -> bool:
    """Whether a line diff --git means a path, with other prefixes or in an absolute form."""
    rest = first.removeprefix("diff --git ").strip()
    sides = [rest[: len(rest) // 2], rest[len(rest) // 2 + 1 :]] if len(rest) % 2 else rest.split(" ")
    sides = rest.split(" ") if rest.count(" ") == 1 else sides
    return len(sides) == 2 and all(s in {NOWHERE, path} or s.endswith(f"/{path}") for s in sides)  # noqa: PLR2004
