"""Text of somebody's, made fit to be shown: what hides, reorders or marks up becomes visible, in Markdown too.

A page may hold what a model wrote to whoever reads it: escape sequences of terminals, characters that turn the
direction of writing, half surrogate pairs, markup. None of it may do anything but be seen.
"""

from __future__ import annotations

import re

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Controls but tab and newline, marks of direction, what has no width (but the joiners, which scripts and emoji need),
separators of lines that are none to Python, half surrogate pairs, tags. `page.js` has the same list."""
_CONTROL_PICTURES = 0x2400
_LAST_CONTROL = 0x1F
_DELETE = 0x7F


def visible(text: str) -> str:
    """A text in which nothing is hidden: ESC of `ESC[31m` becomes its picture; line ends are all newlines."""
    return HIDDEN.sub(_shown, text.replace("\r\n", "\n"))


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= _LAST_CONTROL:
        return chr(_CONTROL_PICTURES + code)
    return "\u2421" if code == _DELETE else f"\u27e8U+{code:04X}\u27e9"


_MARKUP = re.compile(r"[\\`*_{}\[\]#~$]")
_ENTITIES = re.compile(r"[&<>|]|:(?=//)|(?<=www)\.|@(?!\d+(?![\w.]))", re.IGNORECASE)
"""What a backslash does not disarm: HTML, the end of a table cell, bare addresses that become links."""


def escaped(text: str) -> str:
    """A text for a line or a table cell of Markdown, outside of fences: shown as it is, without markup and HTML."""
    flat = _MARKUP.sub(r"\\\g<0>", " ".join(visible(text).split()))
    return _ENTITIES.sub(lambda match: f"&#{ord(match[0])};", flat)


def fenced(text: str, language: str = "text") -> str:
    """A fenced block of Markdown whose fence is longer than any run of backticks in the text."""
    shown = visible(text)
    runs = re.findall(r"`{3,}", shown)
    fence = "`" * max(3, 1 + max(map(len, runs), default=0))
    return f"{fence}{language}\n{shown}{'' if shown.endswith(chr(10)) else chr(10)}{fence}\n"


def clipped(text: str, limit: int) -> str:
    """The start and the end of a long text."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
