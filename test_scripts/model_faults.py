"""How the loopback model server fails: no answer at all, half of one, one that ends in an error."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

from aiohttp import web

from test_scripts.wire_formats import ERRORS

if TYPE_CHECKING:
    from test_scripts.wire_formats import Answer, Event

NOTHING = ("html", "empty", "drop", "reset", "hang", "drip", "redirect")
PARTLY = (
    "truncate", "truncate_length", "cut", "reset_midway", "hang_midway", "no_terminal", "no_finish",
    "error_midway", "error_200", "failed",
)  # fmt: skip
ODD = ("content_filter", "length", "refusal", "window", "no_usage", "parts", "blank")
FAULTS = (*ERRORS, *NOTHING, *PARTLY, *ODD)
REFUSING = {*ERRORS, "html", "empty", "redirect"}  # no answer was ever going to be made
AT_ONCE = {
    "rate_limit",
    "rate_limit_bare",
    "overloaded",
    "unavailable",
    "reset",
}  # a service under load says so at once
HTML = "<html><body>502 Bad Gateway</body></html>"


async def fail(request: web.Request, fault: str, headers: dict[str, str]) -> web.StreamResponse:
    """Give no answer at all."""
    if fault == "html":
        return web.Response(text=HTML, content_type="text/html", headers=headers)
    if fault == "empty":
        return web.Response(text="", content_type="application/json", headers=headers)
    if fault == "redirect":
        return web.Response(status=302, headers={**headers, "Location": "/html"})
    if fault == "drop" and request.transport:
        request.transport.close()
    if fault == "reset":
        reset(request)
    if fault == "hang":
        await hang(request)
    if fault == "drip":
        response = web.StreamResponse(headers={**headers, "Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)
    return web.Response()


async def hang(request: web.Request) -> None:
    """Say nothing until the client has gone."""
    while request.transport and not request.transport.is_closing():  # noqa: ASYNC110 - it has no event for this
        await asyncio.sleep(0.1)


def reset(request: web.Request) -> None:
    """Break the connection with a RST."""
    if request.transport:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


async def send(
    request: web.Request, pieces: list[bytes], headers: dict[str, str], delay: float = 0.0
) -> web.StreamResponse:
    """Send pieces one after the other; the caller ends the answer."""
    response = web.StreamResponse(headers=headers)
    if length := headers.get("Content-Length"):
        response.content_length = int(length)
    await response.prepare(request)
    if delay:
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(delay)
    else:
        for at in range(0, len(pieces), 16):
            await response.write(b"".join(pieces[at : at + 16]))
    return response


async def send_partly(
    request: web.Request, fault: str, pieces: list[bytes], headers: dict[str, str]
) -> web.StreamResponse:
    """Send an answer that is not all there, and end it in the way of the fault."""
    if fault == "truncate_length":
        headers = {**headers, "Content-Length": str(sum(map(len, pieces)))}
    if fault not in {"no_terminal", "no_finish", "error_midway", "error_200", "failed"}:
        pieces = pieces[: max(1, len(pieces) // 2)]
    response = await send(request, pieces, headers)
    if fault == "hang_midway":
        await hang(request)
    if fault == "reset_midway":
        await asyncio.sleep(0.02)  # what was sent arrives
        reset(request)
    elif fault in {"truncate", "truncate_length"} and request.transport:
        request.transport.close()
    else:
        await response.write_eof()
    return response


def partial_stream(fault: str, dialect: Any, body: dict, answer: Answer, events: list[Event]) -> list[bytes]:
    """The events that `send_partly` is to send."""
    if fault == "no_terminal":
        events = events[:-1]
    elif fault == "no_finish":
        events = [event for event in events if not event.last]
    elif fault in {"error_midway", "error_200", "failed"}:
        events = events[: max(1, len(events) // 2)] + dialect.error_events(body, answer, fault)
    return [event.encode() for event in events]


def partial_body(fault: str, dialect: Any, body: dict, answer: Answer, whole: bytes) -> list[bytes]:
    """The same where the answer is one body: what only a stream can do is a body cut short, in a whole envelope."""
    if fault in {"error_midway", "error_200", "failed"}:
        return [json.dumps(dialect.error_body(body, answer, fault)).encode()]
    half = len(whole) // 2
    return [whole[:half]] if fault in {"no_terminal", "no_finish"} else [whole[:half], whole[half:]]
