"""Asking a service: over real sockets and in every dialect."""

from __future__ import annotations

import asyncio

import pytest

from code_generation.errors import AuthFailed, ConfigError, ProviderError, RequestRejected
from test_scripts.model_server import serving
from test_scripts.service_desk import DIALECTS, KEY, ask, made, question

WAYS = [pytest.param((name, stream), id=f"{name}-{'stream' if stream else 'whole'}") for name in DIALECTS
        for stream in (True, False)]  # fmt: skip


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
    # fault, kind, whether it was surely not billed
    ("server_error", "server_error", True), ("unavailable", "overloaded", True), ("overloaded", "overloaded", True),
    ("rate_limit", "rate_limited", True), ("html", "garbled", False), ("empty", "empty", False),
    ("drop", "connection", False), ("reset", "connection", False), ("truncate", "truncated", False),
    ("truncate_length", "truncated", False), ("cut", "truncated", False), ("reset_midway", "truncated", False),
    ("no_terminal", "truncated", False), ("no_finish", "truncated", False),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_may_heal_is_an_error_of_its_kind(server, way):
    """A service that fails, says nothing, or breaks off is asked again by others: it is never an answer. What was
    refused before it began is not billed.
    """
    dialect, stream = way
    server.change(fault=[fault for fault, *_ in BROKEN])

    async def run():
        service, found = made(server.url, dialect, stream=stream), []
        for fault, *_ in BROKEN:
            with pytest.raises(ProviderError) as error:
                await service.ask(question())
            assert error.value.retryable and "127.0.0.1" in str(error.value), error.value
            found.append((fault, error.value.kind, error.value.unbilled))
        await service.close()
        return found

    assert asyncio.run(run()) == BROKEN


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["auth", "forbidden", "not_found", "quota", "payment", "redirect"])
def test_what_can_not_heal_is_hopeless(server, way, fault):
    """A key, an account, a model or an address that is refused ends the run; the message says what to check."""
    dialect, stream = way
    server.change(fault=[fault])
    with pytest.raises(AuthFailed, match=r"\(.*check .*\)") as error:
        ask(server.url, dialect=dialect, stream=stream)
    assert error.value.unbilled and error.value.headers


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
    assert (error.value.kind, error.value.unbilled) == ("timeout", False)


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
