"""Server-sent events: what comes out does not depend on how the bytes came in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.providers.sse import EventParser


def parse(data: bytes, *cuts: int) -> list[tuple[str, str]]:
    """The events of bytes that come in pieces, cut at some places."""
    places = [0, *sorted(cuts), len(data)]
    parser = EventParser()
    return [e for a, b in pairwise(places) for e in parser.feed(data[a:b])]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [("", "a")]),
        (b"data:a\n\n", [("", "a")]),
        (b"data:  a\n\n", [("", " a")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")]),
        (b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")]),
        (b"event: x\r\ndata: a\r\n\r\n", [("x", "a")]),
        (b"event:x\ndata:a\n\n", [("x", "a")]),
        (b"data: a\nevent: x\n\n", [("x", "a")]),
        (b"event: x\nevent: y\ndata: a\n\n", [("y", "a")]),
        (b"data: a\ndata:\ndata: b\n\n", [("", "a\n\nb")]),
        (b"data\n\n", [("", "")]),
        (b": OPENROUTER PROCESSING\n\ndata: a\n\n", [("", "a")]),
        (b":\ndata: a\n:more\n\n", [("", "a")]),
        (b"event: x\n\ndata: a\n\n", [("", "a")]),
        (b"id: 7\nretry: 10\nodd\nodder: 1\ndata: a\n\n", [("", "a")]),
        (b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n", [("", "a"), ("", "\ufeffb")]),
        (b"\n\n\n\ndata: a\n\n\ndata: b\n\n\n\n\n", [("", "a"), ("", "b")]),
        (b"\r\n\r\n\r\ndata: a\r\n\n\rdata: b\n\r\n", [("", "a"), ("", "b")]),
        ("data: é\u2028\u0085ü\n\n".encode(), [("", "é\u2028\u0085ü")]),
        (b"data: \xff\n\n", [("", "\ufffd")]),
        (b"data: [DONE]\n\n", [("", "[DONE]")]),
        (b"data: a\n\ndata: cut\n", [("", "a")]),
        (b"data: a: b\n\n", [("", "a: b")]),
        (b"", []),
    ],
)
def test_events_are_read_as_the_standard_says(data, events):
    """Every line end, fields with and without a blank, comments, marks and what is cut off; whole or byte by byte."""
    assert parse(data) == events
    assert parse(data, *range(1, len(data))) == events


LINES = st.sampled_from(
    ["data: a", "data:b", "data", "data: é\U0001f600", "event: x", "event:", ": ping", "id: 1", "junk", "", "", ""]
)
STREAMS = st.tuples(st.booleans(), st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=25)).map(
    lambda drawn: b"\xef\xbb\xbf" * drawn[0] + "".join(a + b for a, b in drawn[1]).encode()
)


def by_lines(data: bytes) -> list[tuple[str, str]]:
    """The standard's algorithm, word by word."""
    events, name, found = [], "", []
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n")[:-1]:
        field, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            events += [(name, "\n".join(found))] if found else []
            name, found = "", []
        elif colon and not field:
            continue
        elif field == "data":
            found.append(value)
        elif field == "event":
            name = value
    return events


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12))
def test_splitting_changes_nothing(data, cuts):
    """However the bytes are cut, the events are those that the standard's algorithm finds in the whole."""
    assert parse(data, *(min(c, len(data)) for c in cuts)) == by_lines(data)


def test_a_large_event_in_many_blocks():
    """An event of 20 MB that comes in blocks of 16 KB is read whole, without copying it a thousand times."""
    data = b"data: " + b"x" * 20_000_000 + b"\n\n"
    parser = EventParser()
    found = [e for i in range(0, len(data), 16384) for e in parser.feed(data[i : i + 16384])]
    assert len(found[0][1]) == 20_000_000
