"""Asking a service: over real sockets, in every dialect, and whatever a service does instead of answering."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from contextlib import contextmanager

import pytest
from aiohttp import web

from code_generation.errors import AuthFailed, ConfigError, ProviderError, RateLimited, RequestRejected
from code_generation.models import Message, Request, Sampling
from code_generation.providers.chat_dialect import ChatDialect
from code_generation.providers.dialect import Wire
from code_generation.providers.messages_dialect import MessagesDialect
from code_generation.providers.responses_dialect import ResponsesDialect
from code_generation.providers.service import Service
from test_scripts.model_server import serving

KEY = "sk-proj-0123456789abcdef"
DIALECTS = {"chat": ChatDialect(), "responses": ResponsesDialect(), "messages": MessagesDialect()}
WAYS = [pytest.param((name, stream), id=f"{name}-{'stream' if stream else 'whole'}") for name in DIALECTS
        for stream in (True, False)]  # fmt: skip


def question(text: str = "Hi", **sampling) -> Request:
    return Request(messages=[Message(role="user", content=text)], sampling=Sampling(**sampling), problem_id="p")


def made(url: str, dialect: str = "chat", *, stream: bool = True, parameters=None, **options) -> Service:
    """A service at an address that ends in `/v1`, as it wants to be addressed in a dialect."""
    root = url.removesuffix("/v1") if dialect == "messages" else url
    wire = Wire(model="m", stream=stream, parameters=parameters or {})
    return Service(DIALECTS[dialect], wire, **{"name": "here", "base_url": root, "api_key": KEY} | options)


def ask(url: str, *requests: Request, **options):
    """The answers to questions that are asked one after the other; one answer to the usual question."""

    async def run():
        service = made(url, **options)
        try:
            return [await service.ask(r) for r in requests or [question()]]
        finally:
            await service.close()

    answers = asyncio.run(run())
    return answers if requests else answers[0]


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_faults(request):
    if "server" in request.fixturenames:
        request.getfixturevalue("server").change(fault=[], forever=False, reject=[], reset=True)


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_is_the_object_of_the_service(server, way):
    """Streamed or whole, in every dialect: text, counts, the service's name of the call; and nothing was changed."""
    dialect, stream = way
    answer = ask(server.url, dialect=dialect, stream=stream)
    completion = DIALECTS[dialect].read(answer)
    assert (completion.text, completion.usage.output_tokens is not None) == ("Hello.", True)
    assert (answer.dialect, answer.model, answer.status, answer.changed) == (dialect, "m", 200, {})
    assert answer.request_id and answer.latency_s > 0 and answer.headers["content-type"]
    assert server.seen()["bodies"][-1].get("stream", False) is stream


BROKEN = [
    ("server_error", "server_error"), ("unavailable", "overloaded"), ("overloaded", "overloaded"),
    ("rate_limit", "rate_limited"), ("html", "garbled"), ("empty", "empty"), ("drop", "connection"),
    ("reset", "connection"), ("truncate", "truncated"), ("truncate_length", "truncated"), ("cut", "truncated"),
    ("reset_midway", "truncated"), ("no_terminal", "truncated"), ("no_finish", "truncated"),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_may_heal_is_an_error_of_its_kind(server, way):
    """A service that fails, says nothing, or breaks off is asked again by others: it is never an answer."""
    dialect, stream = way
    server.change(fault=[fault for fault, _ in BROKEN])

    async def run():
        service, found = made(server.url, dialect, stream=stream), []
        for fault, _ in BROKEN:
            with pytest.raises(ProviderError) as error:
                await service.ask(question())
            assert error.value.retryable and "127.0.0.1" in str(error.value), error.value
            found.append((fault, error.value.kind))
        await service.close()
        return found

    assert asyncio.run(run()) == BROKEN


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["auth", "forbidden", "not_found", "quota", "payment", "redirect"])
def test_what_can_not_heal_is_hopeless(server, way, fault):
    """A key, an account, a model or an address that is refused ends the run; the message says what to check."""
    dialect, stream = way
    server.change(fault=[fault])
    with pytest.raises(AuthFailed, match=r"\(.*check .*\)"):
        ask(server.url, dialect=dialect, stream=stream)


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_by_an_error_is_an_answer(server, way):
    """A content filter's 400 comes back with its status and body, and reads as a refusal."""
    dialect, stream = way
    server.change(fault=["filter_error"])
    answer = ask(server.url, dialect=dialect, stream=stream)
    assert (answer.status, bool(answer.body["error"])) == (400, True)
    assert DIALECTS[dialect].read(answer).refusal


@pytest.mark.parametrize("fault", ["hang", "drip", "hang_midway"])
def test_the_whole_answer_is_bounded(server, fault):
    """Nothing, a byte now and then, or half an answer: when the time of the whole is over the call is."""
    server.change(fault=[fault])
    with pytest.raises(ProviderError, match=r"no answer within 0\.3 s") as error:
        ask(server.url, timeout_s=0.3)
    assert error.value.kind == "timeout"


def test_a_cancelled_call_is_cancelled(server):
    """Cancelling passes through, and the service can be asked on."""
    server.change(fault=["hang"])

    async def run():
        service = made(server.url, timeout_s=30)
        call = asyncio.create_task(service.ask(question()))
        while "hang" not in server.seen(brief=True)["statuses"]:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        answer = await service.ask(question())
        await service.close()
        return answer

    assert asyncio.run(run()).status == 200


def test_a_refused_parameter_is_learnt_once(server):
    """60 calls that are refused for the same parameter at a time ask again without it; it is said once, each answer
    tells, and later calls do not send it.
    """
    server.change(reject=["temperature", "seed"])
    said = []

    async def run():
        service = made(server.url, on_change=lambda *change: said.append(change))
        asked = [service.ask(question(str(n), temperature=0.7, seed=n)) for n in range(60)]
        answers = [*await asyncio.gather(*asked), await service.ask(question("later", temperature=0.7))]
        await service.close()
        return answers

    answers = asyncio.run(run())
    both = {"temperature": "not sent", "seed": "not sent"}
    assert [a.changed for a in answers] == [both] * 60 + [{"temperature": "not sent"}]
    assert sorted(said) == sorted(both.items())
    assert server.seen()["bodies"][-1].keys() == {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize(
    ("dialect", "refused", "parameters", "changed"),
    [
        ("chat", "stream_options", {}, {"stream_options": "not sent"}),
        ("chat", "max_completion_tokens", {}, {"max_completion_tokens": "sent as max_tokens"}),
        ("chat", "min_p", {"min_p": 0.1}, {"min_p": "not sent"}),
        ("responses", "reasoning.summary", {"reasoning": {"summary": "auto", "effort": "low"}},
         {"reasoning.summary": "not sent"}),
        ("responses", "include", {}, {"include": "not sent"}),
        ("messages", "temperature", {}, {"temperature": "not sent"}),
    ],
)  # fmt: skip
def test_each_dialect_adapts(server, dialect, refused, parameters, changed):
    """What a service refuses by name is renamed or left out, and the question is answered."""
    server.change(reject=[refused])
    sampling = {"max_tokens": 100, "temperature": 0.5, "reasoning_effort": "low"}
    (answer,) = ask(server.url, question(**sampling), dialect=dialect, parameters=parameters)
    assert answer.changed.items() >= changed.items()


def test_a_request_that_names_nothing_of_ours_is_rejected(server):
    """A 400 that no parameter can be blamed for is asked once."""
    server.change(fault=["rejected"], forever=True)
    with pytest.raises(RequestRejected):
        ask(server.url)
    assert server.seen()["requests"] == 1


WHOLE = {
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
    "model": "m",
}
CHUNK = {"choices": [{"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": "Hi."}}]}
EVENTS = f"data: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n".encode()


JSON, SSE, PAGE = "application/json", "text/event-stream; charset=utf-8", "text/html"
CASES: dict[str, tuple[int, str, bytes, dict]] = {
    # name of the service -> status, type, body and headers of all its answers; <A> is the header Authorization
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
    key = request.headers["Authorization"]
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
        app.add_routes([web.post("/{name}/v1/chat/completions", answer)])
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
            with pytest.raises(RequestRejected) if name.startswith("echo") else _nothing():
                await service.ask(question())
        await service.close()

    asyncio.run(run())
    assert (len(seen), len(set(seen))) == (4, 1)


@contextmanager
def _nothing():
    yield


def test_streams_share_a_connection(server):
    """What follows the last event of a stream is read, so that its connection can be used again."""

    async def run():
        service = made(server.url)
        for n in range(3):
            await service.ask(question(str(n)))
        transport = service.connection._client._client._transport
        held = sum(len(c) for c in transport.client.connector._conns.values())
        await service.close()
        return held

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/v1", r"http://127\.0\.0\.1:9/v1 can't be reached: Connection refused"),
        ("http://no-such-host.invalid/v1", r"can't be reached"),
        ("https://127.0.0.1:{port}/v1", r"can't be reached|gave no answer"),
    ],
)  # fmt: skip
def test_nobody_there(odd, url, said):
    """No host, nobody who listens, no TLS: one line that names the address."""
    port = odd[0].rpartition(":")[2]
    with pytest.raises(ProviderError, match=said) as error:
        ask(url.replace("{port}", port))
    assert "\n" not in str(error.value)


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": ""},
        {"api_key": f"{KEY}\n"},
        {"api_key": f"{KEY} x"},
        {"api_key": f"{KEY}é"},
        {"headers": {"x-team": f"{KEY}\r\nx: y"}},
        {"headers": {"x team": KEY}},
        {"headers": {"x-team": f"{KEY}é"}},
        {"base_url": "127.0.0.1:8000/v1"},
        {"base_url": "http://"},
        {"base_url": "http://a b/v1"},
        {"base_url": "http://[::1/v1"},
        {"base_url": "ftp://h/v1"},
        {"base_url": f"https://u:{KEY}@127.0.0.1/v1"},
        {"base_url": "http://127.0.0.1:99999/v1"},
    ],
    ids=str,
)
def test_what_can_not_be_used_is_said_before_anything_is_asked(wrong):
    """A key, a header or an address that can't go out is one line, which does not show the key."""
    with pytest.raises(ConfigError) as error:
        made("http://127.0.0.1:9/v1", **wrong)
    assert KEY not in str(error.value) and "\n" not in str(error.value)


def test_a_closed_service_says_so(server):
    """Asking after the connections were closed is an error of ours."""

    async def run():
        service = made(server.url)
        await service.close()
        await service.ask(question())

    with pytest.raises(ProviderError, match="closed"):
        asyncio.run(run())


def test_headers_of_ones_own_are_sent(server):
    """Headers of the endpoint go out beside the key; those of the SDK stay."""
    ask(server.url, headers={"x-team": "red"})
    assert server.seen()["keys"][-1] == f"Bearer {KEY}"
