"""Batch APIs of services that answer oddly, that are elsewhere, or that there are not."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace

import pytest
from aiohttp import web

from code_generation.errors import ConfigError, ProviderError
from code_generation.providers.batch_apis import BatchLost, open_batch_api, size_of, split
from code_generation.providers.endpoints import ENDPOINTS, ModelOptions, choose_model
from test_scripts.batch_desk import Desk, read


@asynccontextmanager
async def answering(answers: dict[str, object]):
    """A service with fixed answers: a path to a JSON value, to text, or to another path. Yields its address, and the
    paths and keys it has seen.
    """

    async def handle(request):
        seen.append(str(request.rel_url))
        keys.append(request.headers.get("Authorization"))
        found = answers.get(request.path)
        if isinstance(found, str) and found.startswith("/"):
            return web.Response(status=302, headers={"Location": found})
        if isinstance(found, str):
            return web.Response(text=found)
        return web.json_response(found, status=200 if found is not None else 404)

    seen: list[str] = []
    keys: list[str | None] = []
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen, keys
    finally:
        await runner.cleanup()


def test_odd_lines():
    """A line that is no JSON or names nobody stops nothing; an answer that is none is an error of its line; a last line
    needs no newline.
    """
    desk = Desk("openai")
    good = {"id": "c", "choices": [{"message": {"role": "assistant", "content": "x"}}]}
    rows = [
        {"custom_id": "a", "response": {"status_code": 200, "request_id": "req_1", "body": good}},
        {"custom_id": "b", "response": {"status_code": 200, "body": {"error": {"code": 502, "message": "broken"}}}},
        {"custom_id": "c", "response": {"status_code": 200, "body": "what"}},
        {"custom_id": "d", "response": {"status_code": 0, "body": None}},
        {"custom_id": "e", "response": None, "error": {"code": "request_timeout", "message": "late"}},
        {"custom_id": "f", "response": None, "error": {"code": "invalid_model", "message": "no such"}},
        {"custom_id": "g", "error": None},
        {"response": {"status_code": 200, "body": good}},
        [1],
    ]
    text = "\r\n".join(map(json.dumps, rows)) + '\n\n{"broken"\n' + json.dumps({**rows[0], "custom_id": "\u2028"})
    batch = {"id": "b1", "status": "completed", "output_file_id": "f1", "request_counts": {"completed": 10}}
    answers = {"/v1/batches/b1": batch, "/v1/files/f1": {"id": "f1", "bytes": None}, "/v1/files/f1/content": text}

    async def run():
        async with answering(answers) as (root, *_), desk.open(address=f"{root}/v1") as api:
            return await read(api, "b1")

    found = [(r.custom_id, r.status, r.error and r.error.kind, r.request_id) for r in asyncio.run(run())]
    assert found == [
        ("a", 200, None, "req_1"),
        ("b", 200, "server_error", None),
        ("c", 200, "garbled", None),
        ("d", 500, "server_error", None),
        ("e", None, "timeout", None),
        ("f", 400, "rejected", None),
        ("g", None, "server_error", None),
        ("", None, "garbled", None),
        ("", None, "garbled", None),
        ("", None, "garbled", None),
        ("\u2028", 200, None, "req_1"),
    ]


ROW = {"custom_id": "a", "response": None, "error": {"code": "batch_expired"}}


def test_content_that_lies_elsewhere():
    """A redirect of a download is followed, without the key; where it leads nowhere, asking again may help."""
    batch = {"id": "b1", "status": "expired", "output_file_id": "f1", "error_file_id": "f2"}
    answers = {"/v1/batches/b1": batch, "/store/1": json.dumps(ROW)}
    for name, place in (("f1", "/store/1"), ("f2", "/store/2")):
        answers |= {f"/v1/files/{name}": {"id": name}, f"/v1/files/{name}/content": place}
    found = []

    async def run():
        async with answering(answers) as (root, seen, keys), Desk("openai").open("sk-1", f"{root}/v1") as api:
            with pytest.raises(ProviderError, match="answered 404") as error:
                await read(api, "b1", found)
            assert error.value.retryable
            return {path: key for path, key in zip(seen, keys, strict=True) if path.startswith("/store")}

    assert asyncio.run(run()) == {"/store/1": None, "/store/2": None}
    assert [line.custom_id for line in found] == ["a"]


@pytest.mark.parametrize(
    ("text", "size", "seen", "cut"),
    [
        (json.dumps(ROW) + "\n", 10, ["a"], False),
        (json.dumps(ROW), 10, ["a"], False),
        (json.dumps(ROW), 9999, ["a"], True),  # cut just before the end of its line
        (json.dumps(ROW) + '\n{"custom', 9999, ["a"], True),
        (json.dumps(ROW) + '\n{"custom', None, ["a"], True),
        (json.dumps(ROW) + '\n{"custom', 10, ["a", ""], False),  # all that there is
        ("", 1, [], True),
    ],
)
def test_where_a_file_ends(text, size, seen, cut):
    """A last line is whole where it is an object or the file is, and files that are not whole are told."""
    batch = {"id": "b1", "status": "expired", "error_file_id": "f1"}
    answers = {"/v1/batches/b1": batch, "/v1/files/f1": {"id": "f1", "bytes": size}, "/v1/files/f1/content": text}
    found = []

    async def run():
        async with answering(answers) as (root, *_), Desk("openai").open(address=f"{root}/v1") as api:
            with pytest.raises(ProviderError, match="broke off") if cut else nullcontext():
                await read(api, "b1", found)

    asyncio.run(run())
    assert [line.custom_id for line in found] == seen


@pytest.mark.parametrize("elsewhere", ["https://api.anthropic.com", "http://127.0.0.1:9"])
def test_results_at_another_address(elsewhere):
    """Where a gateway passes on an address of the results that is not its own, they are fetched from the gateway: the
    key goes nowhere else.
    """
    desk = Desk("anthropic")
    path = "/v1/messages/batches/b1"
    counts = {"succeeded": 0, "processing": 0, "expired": 1, "errored": 0, "canceled": 0}
    batch = {"id": "b1", "processing_status": "ended", "request_counts": counts}
    batch["results_url"] = f"{elsewhere}{path}/results?v=1"
    line = {"custom_id": "a", "result": {"type": "expired"}}
    answers = {path: batch, f"{path}/results": json.dumps(line)}

    async def run():
        async with answering(answers) as (root, seen, _), desk.open(address=root) as api:
            return [line.custom_id for line in await read(api, "b1")], seen

    assert asyncio.run(run()) == (["a"], [path, f"{path}/results?v=1"])


def test_results_that_are_no_longer_kept():
    """Results that were thrown away are an error, not an empty batch; so is output that is not there yet."""
    counts = {"succeeded": 2, "processing": 0, "expired": 0, "errored": 0, "canceled": 0}
    message = {"id": "b", "processing_status": "ended", "request_counts": counts, "results_url": None}
    file = {"id": "b", "status": "completed", "request_counts": {"completed": 2}, "output_file_id": None}
    gone = {**file, "output_file_id": "f1"}
    wanted = [("anthropic", "/v1/messages/batches/b", message, BatchLost), ("openai", "/v1/batches/b", gone, BatchLost),
              ("openai", "/v1/batches/b", file, ProviderError)]  # fmt: skip

    async def run(case, path, batch, kind):
        async with answering({path: batch}) as (root, *_), Desk(case).open(address=f"{root}/v1") as api:
            with pytest.raises(kind) as error:
                await read(api, "b")
            assert error.value.kind == ("batch_lost" if kind is BatchLost else "truncated")

    for each in wanted:
        asyncio.run(run(*each))


def test_a_file_that_is_there_already():
    """Together answers 409 where the same content was uploaded before, with the file that has it."""
    desk = Desk("together")
    seen = []

    async def handle(request):
        await request.read()
        seen.append(request.path)
        if request.path.endswith("/upload"):
            return web.json_response({"file_id": "file-old"}, status=409)
        return web.json_response({"job": {"id": "b2", "input": (await request.json())["input_file_id"]}})

    async def run():
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with desk.open(address=f"http://127.0.0.1:{runner.addresses[0][1]}/v1") as api:
            found = await api.submit("tag-1", desk.lines(1), desk.note)
        await runner.cleanup()
        return found

    assert asyncio.run(run()) == "b2"
    assert (desk.notes, seen) == ([("file", "file-old")], ["/v1/files/upload", "/v1/batches"])


@pytest.mark.parametrize("case", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("status", "unbilled"),
    [(400, True), (401, True), (404, True), (429, True), (500, False), (503, False), (504, False)],
)
def test_what_a_refusal_says_of_money(case, status, unbilled):
    """A refusal to make a batch is not billed: there is none. A service in trouble may have made it, and what it says
    about a batch tells nothing of what that costs.
    """
    desk = Desk(case)

    async def handle(request):
        await request.read()
        if request.path.endswith("/files"):
            return web.json_response({"id": "f1", "data": []})
        return web.json_response({"error": {"message": "no"}}, status=status)

    async def run():
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found = []
        async with desk.open(address=f"http://127.0.0.1:{runner.addresses[0][1]}/v1") as api:
            lines = desk.lines(1)
            later = [desk.find(api, lines), api.state("b"), read(api, "b"), api.cancel("b")]
            for call in (api.submit("t", lines, desk.note), *later):
                with pytest.raises(ProviderError) as error:
                    await call
                found.append(error.value.unbilled)
        await runner.cleanup()
        return found

    assert asyncio.run(run()) == [unbilled, False, False, False, False]


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999/v1", "http://u:secret-word@h/v1", "http://h:x/v1"])
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_an_address_that_can_not_be_called(dialect, address):
    """It is refused in one line before anything is asked, as for calls one by one, wherever it came from."""
    choice = choose_model(ModelOptions(model="m", provider="custom", base_url="http://h/v1", dialect=dialect), {})
    choice = replace(choice, endpoint=replace(choice.endpoint, base_url=address))
    with pytest.raises(ConfigError, match="address of custom can't be called") as error:
        open_batch_api(choice)
    assert "secret-word" not in str(error.value)


def test_a_line_that_was_refused_shows_no_key():
    """What is kept of a refusal, and what is said of an error, hides the key as everywhere."""
    key = "sk-proj-0123456789abcdef"
    filtered = {"error": {"code": "content_filter", "message": f"It was filtered: {key}"}}
    rows = [
        {"custom_id": "a", "response": {"status_code": 400, "body": filtered}},
        {"custom_id": "b", "response": {"status_code": 200, "body": filtered}},
        {"custom_id": "c", "response": {"status_code": 500, "body": {"error": {"message": key}}}},
    ]
    batch = {"id": "b1", "status": "completed", "output_file_id": "f1"}
    answers = {"/v1/batches/b1": batch, "/v1/files/f1": {}, "/v1/files/f1/content": "\n".join(map(json.dumps, rows))}

    async def run():
        async with answering(answers) as (root, *_), Desk("openai").open(key, f"{root}/v1") as api:
            return await read(api, "b1")

    found = asyncio.run(run())
    assert [(line.status, line.error is None) for line in found] == [(400, True), (400, True), (500, False)]
    assert [line.error.unbilled for line in found if line.error] == [True]
    assert key not in json.dumps([line.body for line in found[:2]]) + str(found[2].error)


def test_services_without_batches():
    """A service that has none is told in one line that says what to do; an address of one's own is believed."""
    for provider in sorted(set(ENDPOINTS) - {"openai", "openai-responses", "anthropic", "together", "custom"}):
        choice = choose_model(ModelOptions(model="m", provider=provider), {}, need_key=False)
        with pytest.raises(ConfigError, match=f"{provider} has no batches .*leave --batch out") as error:
            open_batch_api(choice)
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="scripted has no batches"):
        open_batch_api(choose_model(ModelOptions(model="scripted:flaky"), {}))
    for provider, dialect in (("openai", "messages"), ("together", "responses"), ("anthropic", "chat")):
        options = ModelOptions(model="m", provider=provider, dialect=dialect, base_url="http://127.0.0.1:9/v1")
        with pytest.raises(ConfigError, match=rf"{provider} \(speaking {dialect}\) has no batches"):
            open_batch_api(choose_model(options, {}))


def test_lines_are_split_by_number_and_size():
    """As few batches as the limits allow, all lines in their order; a line that no batch can hold comes alone."""
    lines = [(f"{n:064}", {"messages": "\u00e9" * size}) for n, size in enumerate([1, 1, 1, 1, 900, 1, 1])]
    sizes = [size_of(*line) for line in lines]
    assert [[int(k) for k, _ in b] for b in split(lines, 3, 10**6)] == [[0, 1, 2], [3, 4, 5], [6]]
    found = list(split(lines, 100, sizes[0] * 3 + 1))
    assert [[int(k) for k, _ in b] for b in found] == [[0, 1, 2], [3], [4], [5, 6]]
    assert list(split([], 3, 10)) == []
