"""The files that a SWE-bench prompt shows: `[start of path]`, the content, `[end of path]`. Form: github.com/SWE-bench/
SWE-bench, swebench/inference/make_datasets/create_instance.py.
"""

from __future__ import annotations

import re

_START = re.compile(r"^\[start of (.+)\]\r?$", re.MULTILINE)
_NUMBERED = re.compile(r"(\d+)(?: (.*)|\r?)", re.DOTALL)


def shown_files(text: str) -> dict[str, str]:
    r"""Content by path, without line numbers; of a file shown twice the first.

    A numbered listing tells the end of a file exactly; any other file gets a line end where it has none, because
    prompts are stripped.

    >>> shown_files("[start of a.py]\n1 x = 1\n2 \n[end of a.py]\n[start of b.txt]\ny\n[end of b.txt]")
    {'a.py': 'x = 1\n', 'b.txt': 'y\n'}
    """
    found: dict[str, str] = {}
    at = 0
    while start := _START.search(text, at):
        at = start.end()
        path = start[1].strip()
        end = re.compile(rf"^\[end of {re.escape(path)}\]\r?$", re.MULTILINE).search(text, at)
        if end is None:
            continue
        found.setdefault(path, _content(text[at + 1 : end.start()]))
        at = end.end()
    return found


def _content(listing: str) -> str:
    """A file's text from its listing, which ends with the line end before `[end of`."""
    body = listing.removesuffix("\n")
    lines = body.split("\n")
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    if body and all(m and int(m[1][:9]) == n for n, m in enumerate(matches, start=1)):
        return "\n".join(m[2] or "" for m in matches if m)
    return body if body.endswith("\n") or not body else f"{body}\n"
