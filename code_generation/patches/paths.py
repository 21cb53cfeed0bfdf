"""Paths as patches write them: prefixes, quotes, time stamps; and which of them may be touched."""

from __future__ import annotations

import re

_STAMP = re.compile(r"\t.*$|(?<! )[ ]+\d{4}-\d\d-\d\d \d\d:\d\d.*$", re.DOTALL)
_ESCAPE = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"', "\\": "\\"}
NOWHERE = "/dev/null"
LONGEST_PATH = 1024
"""Characters."""


def written_path(text: str) -> str:
    """The path behind `--- `, still with its prefix: no quotes, no time stamp.

    Raises:
        ValueError: a quote is not closed.
    """
    if text.startswith('"'):
        match = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if not match:
            raise ValueError(f"a quoted path is not closed: {text[:60]}")
        return unquoted(match[1])
    return _STAMP.sub("", text)


def unquoted(text: str) -> str:
    r"""A path in C quotes as text: `\303\274` is `ü`."""
    raw = bytearray()
    at = 0
    for match in _ESCAPE.finditer(text):
        raw += text[at : match.start()].encode("utf-8", "surrogatepass")
        code = match[1]
        raw += bytes([int(code, 8) & 255]) if code.isdigit() else _ESCAPES.get(code, code).encode("utf-8", "replace")
        at = match.end()
    return (raw + text[at:].encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


def path_of(text: str, *, strip: bool = False) -> str | None:
    """The path in a header line, None for /dev/null; with `strip` without its first folder, as `-p1` does.

    Raises:
        ValueError: there is none.
    """
    path = written_path(text)
    if path == NOWHERE:
        return None
    if strip:
        first, slash, rest = path.partition("/")
        if not slash or not first:
            raise ValueError(f"a path without the prefix a/ or b/: {path[:60]}")
        path = rest
    if not path:
        raise ValueError("an empty path")
    return path


def diff_git_paths(line: str) -> tuple[str, str] | None:
    """Both paths of a line `diff --git a/x b/x`; None where they can't be told apart."""
    rest = line.removeprefix("diff --git ").rstrip("\r")
    quoted = re.fullmatch(r'("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)', rest)
    try:
        if quoted:
            first, second = (path_of(part, strip=True) for part in quoted.groups())
            return (first, second) if first and second else None
        middle = len(rest) // 2  # a path with blanks: both sides are equally long
        first, second = (path_of(part, strip=True) for part in (rest[:middle], rest[middle + 1 :]))
    except ValueError:
        return None
    return (first, second) if first and first == second and rest[middle] == " " else None


def unsafe_path(path: str) -> str:
    """Why no patch may touch a path; empty where it may. Names are looked at in pieces too: tools cut them at blanks.

    >>> unsafe_path("src/x.py"), unsafe_path("../x.py")
    ('', 'it leaves the folder')
    """
    if len(path) > LONGEST_PATH:
        return "it is too long"
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", path):
        return "it is absolute"
    if any(ord(c) < ord(" ") or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in path):
        return "it holds control characters"
    for part in re.split(r"[/\\]", path):
        pieces = {part, *re.split(r"\s+", part)}
        if ".." in pieces:
            return "it leaves the folder"
        if any(re.sub(r"[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]", "", p).casefold().rstrip(". ")
               in {".git", "git~1"} or p.casefold().startswith((".git:", ".git\u3000")) for p in pieces):  # fmt: skip
            return "it is git's own"
        if part in {"", "."}:
            return "it has an empty part"
    return ""
