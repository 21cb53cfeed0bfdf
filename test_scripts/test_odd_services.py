"""Services that answer oddly, in the middle of an answer or not at all: told for what they are, without the key."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from contextlib import contextmanager, nullcontext

import pytest
from aiohttp import web

from code_generation.errors import ProviderError, RateLimited, RequestRejected
from code_generation.providers.chat_dialect import ChatDialect
from test_scripts.service_desk import DIALECTS, ask, made, question

WHOLE = {
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
    "model": "m",
}
CHUNK = {"choices": [{"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": "Hi."}}]}
EVENTS = f"data: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n".encode()


JSON, SSE, PAGE = "application/json", "text/event-stream; charset=utf-8", "text/html"


def events(*data: dict) -> bytes:
    """A stream that ends within an answer."""
    return b"".join(f"data: {json.dumps(each)}\n\n".encode() for each in data)


CASES: dict[str, tuple[int, str, bytes, dict]] = {
    # name of the service -> status, type, body and headers of all its answers; <A> is the header with the key
    "json": (200, JSON, json.dumps(WHOLE).encode(), {}),
    "untyped": (200, "text/plain", json.dumps(WHOLE).encode(), {}),
    "octets": (200, "application/octet-stream", EVENTS, {}),
    "unterminated": (200, SSE, EVENTS.rstrip(), {}),
    "gzip": (200, SSE, gzip.compress(EVENTS), {"Content-Encoding": "gzip"}),
    "bad-gzip": (200, SSE, EVENTS, {"Content-Encoding": "gzip"}),
    "other-json": (200, JSON, b'{"status": "ok"}', {}),
    "latin": (200, JSON, '{"message": "é"}'.encode("latin-1"), {}),
    "limited-inside": (200, JSON, b'{"error": {"message": "Provider returned error", "code": 429}}', {}),
    "filtered-inside": (200, JSON, b'{"error": {"message": "It was filtered.", "code": "content_filter"}}', {}),
    "no-events": (200, SSE, b"data: [DONE]\n\n", {}),
    "stops-chat": (
        200,
        SSE,
        events(CHUNK, {"error": {"message": "It was filtered: <A>", "code": "content_filter"}}),
        {},
    ),
    "stops-responses": (
        200,
        SSE,
        events(
            {"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}},
            {"type": "response.failed", "response": {"error": {"code": "content_filter", "message": "Filtered: <A>"}}},
        ),
        {},
    ),
    "stops-messages": (
        200,
        SSE,
        events(
            {"type": "message_start", "message": {"type": "message", "role": "assistant", "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}},
            {
                "type": "error",
                "error": {"type": "api_error", "message": "Output blocked by content filtering policy: <A>"},
            },
        ),
        {},
    ),
    "fails-chat": (200, SSE, events(CHUNK, {"error": {"message": "Slow down, <A>", "code": 429}}), {}),
    "fails-responses": (200, SSE, events({"type": "error", "code": "server_error", "message": "<A>"}), {}),
    "fails-messages": (
        200,
        SSE,
        events({"type": "error", "error": {"type": "overloaded_error", "message": "<A>"}}),
        {},
    ),
    "echo-401": (401, JSON, b'{"error": {"message": "bad key: <A>"}}', {}),
    "echo-400": (400, JSON, b'{"error": {"message": "' + b"x" * 385 + b'<A>"}}', {}),
    "echo-500": (500, PAGE, b"<html><body><A></body></html>", {}),
    "echo-inside": (200, JSON, b'{"error": {"message": "<A>", "code": 500}}', {}),
    "echo-html": (200, PAGE, b"<html><A></html>", {}),
    "echo-cut": (200, JSON, b'{"key": "<A>', {}),
    "echo-json": (200, JSON, b'{"seen": "<A>"}', {}),
    "echo-stream": (200, SSE, b'data: {"error": {"message": "<A>"}}\n\n', {}),
    "echo-garbled": (200, SSE, b"data: <A>\n\n", {}),
    "echo-filter": (400, JSON, b'{"error": {"message": "<A>", "code": "content_filter"}}', {}),
    "echo-moved": (302, PAGE, b"", {"Location": "/login?key=<A>"}),
}


def answer_of(request: web.Request) -> web.Response:
    """What the service at `/NAME/v1` answers."""
    status, kind, body, headers = CASES[request.match_info["name"]]
    key = request.headers.get("Authorization") or request.headers["x-api-key"]
    headers = {name: value.replace("<A>", key.removeprefix("Bearer ")) for name, value in headers.items()}
    body = body.replace(b"<A>", key.encode())
    return web.Response(status=status, body=body, headers={"Content-Type": kind, **headers})


@contextmanager
def odd_server():
    """A server in a thread that answers by `CASES`; yields its root and the ends of the connections it saw."""
    ready, loop, seen = threading.Event(), asyncio.new_event_loop(), []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request.transport.get_extra_info("peername"))
        return answer_of(request)

    async def start() -> web.AppRunner:
        app = web.Application()
        paths = ["chat/completions", "responses", "messages"]
        app.add_routes([web.post(f"/{{name}}/v1/{path}", answer) for path in paths])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(start())
        places.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    places: list[str] = []
    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield places[0], seen
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.fixture(scope="module")
def odd():
    with odd_server() as found:
        yield found


@pytest.mark.parametrize("name", ["json", "untyped", "octets", "unterminated", "gzip"])
def test_answers_in_other_clothes(odd, name):
    """A whole body though a stream was asked for, events under another type, a last event without its blank line and
    packed events are answers.
    """
    answer = ask(f"{odd[0]}/{name}/v1")
    assert ChatDialect().read(answer).text == "Hi."


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("other-json", "garbled"),
        ("latin", "garbled"),
        ("bad-gzip", "truncated"),
        ("no-events", "garbled"),
        ("limited-inside", "rate_limited"),
    ],
)
def test_status_200_is_not_enough(odd, name, kind):
    """What came with status 200 and is no answer is an error; one that reports an error is that error."""
    with pytest.raises(ProviderError) as error:
        ask(f"{odd[0]}/{name}/v1")
    assert (error.value.kind, isinstance(error.value, RateLimited)) == (kind, kind == "rate_limited")


def test_a_refusal_within_status_200(odd):
    """An error of a content filter in place of an answer is a refusal too."""
    answer = ask(f"{odd[0]}/filtered-inside/v1")
    assert (answer.status, ChatDialect().read(answer).refusal) == (400, "content_filter")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_refusal_in_the_middle_of_a_stream_is_an_answer(odd, dialect):
    """What was paid for is over: it is kept with its category, without the key, and is not asked again."""
    root, seen = odd
    del seen[:]
    kept = []

    async def run():
        service = made(f"{root}/stops-{dialect}/v1", dialect)
        try:
            return await service.ask(question(), kept.append)
        finally:
            await service.close()

    answer = asyncio.run(run())
    completion = DIALECTS[dialect].read(answer)
    assert (answer.status, completion.text, completion.refusal) == (400, "", "content_filter")
    assert (kept, len(seen)) == ([answer], 1)
    assert "0123" not in json.dumps(answer.body)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_in_the_middle_of_a_stream_names_the_address(odd, dialect):
    """It hides the key, carries the headers of the response, and may have been billed whatever it is."""
    address = f"{odd[0]}/fails-{dialect}"
    with pytest.raises(ProviderError, match=rf"^{address}(/v1)? answered \d+: .*\*\*\*") as error:
        ask(f"{address}/v1", dialect=dialect)
    assert (error.value.retryable, error.value.unbilled, "0123" in str(error.value)) == (True, False, False)
    assert error.value.headers["content-type"] == SSE


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("echo") and name != "echo-filter"])
def test_no_message_shows_the_key(odd, name):
    """A service that repeats the key in an error, even cut off in the middle, does not get it into a message."""
    with pytest.raises(ProviderError) as error:
        ask(f"{odd[0]}/{name}/v1")
    assert "0123" not in str(error.value) and "***" in str(error.value)


def test_no_body_of_a_refusal_shows_the_key(odd):
    """Nor into what is kept of a refusal."""
    assert "0123" not in json.dumps(ask(f"{odd[0]}/echo-filter/v1").body)


@pytest.mark.parametrize("name", ["json", "unterminated", "gzip", "echo-400"])
def test_connections_are_used_again(odd, name):
    """Calls one after the other share a connection: after a whole answer, a stream and an error."""
    root, seen = odd
    del seen[:]

    async def run():
        service = made(f"{root}/{name}/v1")
        for _ in range(4):
            with pytest.raises(RequestRejected) if name.startswith("echo") else nullcontext():
                await service.ask(question())
        await service.close()

    asyncio.run(run())
    assert (len(seen), len(set(seen))) == (4, 1)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/v1", r"http://127\.0\.0\.1:9/v1 can't be reached: Connection refused"),
        ("http://no-such-host.invalid/v1", r"can't be reached"),
        ("https://127.0.0.1:{port}/v1", r"can't be reached|gave no answer"),
    ],
)  # fmt: skip
def test_nobody_there(odd, url, said):
    """No host, nobody who listens, no TLS: one line that names the address; nothing was sent, so nothing is billed."""
    port = odd[0].rpartition(":")[2]
    with pytest.raises(ProviderError, match=said) as error:
        ask(url.replace("{port}", port))
    assert "\n" not in str(error.value) and error.value.unbilled


def test_a_server_that_speaks_no_http():
    """Something else that listens is one line."""

    async def run():
        async def greet(_reader, writer):
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
            writer.close()

        listening = await asyncio.start_server(greet, "127.0.0.1", 0)
        service = made(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1")
        try:
            await service.ask(question())
        finally:
            await service.close()
            listening.close()

    with pytest.raises(ProviderError, match="gave no answer"):
        asyncio.run(run())
