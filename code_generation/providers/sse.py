"""Server-sent events out of the bytes of a response, as the HTML standard reads them.

What is covered: line ends of all three kinds, events and characters cut anywhere, comments, a byte order mark, several
lines of data. What is not covered: `id` and `retry`, which only serve to reconnect; an event that the stream ends
within, which the standard drops.
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class EventParser:
    r"""Takes a stream block by block.

    >>> EventParser().feed(b'event: ping\ndata: {"a": 1}\n\ndata: [DO')
    [('ping', '{"a": 1}')]
    """

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._skips_newline = False
        """The last block ended in CR, whose LF may still come."""
        self._begun = False

    def feed(self, block: bytes) -> list[tuple[str, str]]:
        """Name and data of each event that the block brings to its end; the name is empty where it has none."""
        if self._skips_newline and block:
            self._skips_newline = False
            block = block.removeprefix(b"\n")
        if b"\r" in block:
            self._skips_newline = block.endswith(b"\r")
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._pending:
            self._pending.append(block)
            if b"\n" not in block:
                return []
            block = b"".join(self._pending)
        whole = block.split(b"\n\n")
        rest = whole.pop()
        self._pending = [rest] if rest else []
        if not self._begun and whole:
            self._begun = True
            whole[0] = whole[0].removeprefix(_BOM)
        events = []
        for raw in whole:
            if raw[:6] == b"data: " and b"\n" not in raw:  # what most of them look like
                events.append(("", raw[6:].decode("utf-8", "replace")))
            elif raw and (event := _read(raw)):
                events.append(event)
        return events


def _read(raw: bytes) -> tuple[str, str] | None:
    """The event that some lines make; None without data."""
    name, data = b"", []
    for line in raw.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    if not data:
        return None
    return name.decode("utf-8", "replace"), b"\n".join(data).decode("utf-8", "replace")
