"""The batch APIs of all services keep the same promises, whatever is lost, cut, late, expired or refused.

Everything runs against the loopback server, in each service's wire format.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import time
import tracemalloc
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from code_generation.errors import (
    AuthFailed,
    ConfigError,
    ContextOverflow,
    Overloaded,
    ProviderError,
    RateLimited,
    RequestRejected,
)
from code_generation.providers.batch_apis import BatchLost, open_batch_api, size_of, split
from code_generation.providers.endpoints import ENDPOINTS, ModelOptions, choose_model
from test_scripts.model_server import serving

CASES = {
    "openai": ("custom", "chat", "openai"),
    "openai-responses": ("custom", "responses", "openai"),
    "together": ("together", "chat", "together"),
    "anthropic": ("custom", "messages", "openai"),
}
PATHS = {"chat": "chat/completions", "responses": "responses", "messages": "messages"}
HELD = 30.0  # seconds that a batch takes which is not to end within a test


class Desk:
    """One service's batches, as a test uses them."""

    def __init__(self, server, case: str) -> None:
        self.case = case
        self.provider, self.dialect, style = CASES[case]
        self.server = server
        self.of_files = case != "anthropic"
        self.notes: list[tuple[str, str]] = []
        self.since = time.time()
        server.change(reset=True, batch_style=style)

    def body(self, said: str) -> dict:
        messages = [{"role": "user", "content": said}]
        if self.dialect == "responses":
            return {"model": "m", "input": messages}
        return {"model": "m", "messages": messages} | ({"max_tokens": 99} if self.dialect == "messages" else {})

    def lines(self, number: int, size: int = 0) -> list:
        """So many lines, no two alike."""
        bodies = [self.body(f"{self.case} {n}" + "x" * size) for n in range(number)]
        return [(hashlib.sha256(json.dumps(body).encode()).hexdigest(), body) for body in bodies]

    @asynccontextmanager
    async def open(self, key: str | None = None, address: str | None = None):
        options = ModelOptions(
            model="m", provider=self.provider, base_url=address or self.server.url, dialect=self.dialect
        )
        choice = choose_model(options, {})
        api = open_batch_api(dataclasses.replace(choice, api_key=key) if key else choice, timeout_s=10)
        try:
            yield api
        finally:
            await api.close()

    async def note(self, what: str, name: str) -> None:
        self.notes.append((what, name))

    def find(self, api, lines, **changed):
        file_id = self.notes[-1][1] if self.notes else None
        given = {"file_id": file_id, "lines": len(lines), "custom_ids": {k for k, _ in lines}, "since": self.since}
        return api.find("tag-1", **given | changed)

    def counts(self, *names) -> list[int]:
        seen = self.server.seen(brief=True)
        return [seen[name] for name in names]


@pytest.fixture(scope="module")
def one_server():
    with serving() as server:
        yield server


@pytest.fixture(params=CASES)
def desk(one_server, request):
    """Each service in turn, at a server that has forgotten everything."""
    return Desk(one_server, request.param)


@pytest.fixture
def desk_of(one_server):
    return lambda case: Desk(one_server, case)


async def read(api, batch_id: str, found: list | None = None) -> list:
    """All results; where they break off, those so far are in `found`."""
    found = [] if found is None else found
    async for line in api.results(batch_id):
        found.append(line)  # noqa: PERF401 - what comes before an error is wanted
    return found


async def ended(api, batch_id: str):
    while True:
        state = await api.state(batch_id)
        if state.status == "ended":
            return state
        await asyncio.sleep(0.02)


def conversation(desk, lines, *, key: str | None = None, results: bool = True):
    """Submit lines, wait, and read what became of them: the batch's id, its last state, its results."""

    async def run():
        async with desk.open(key) as api:
            batch_id = await api.submit("tag-1", lines, desk.note)
            state = await ended(api, batch_id)
            return batch_id, state, (await read(api, batch_id) if results else [])

    return asyncio.run(run())


def test_a_batch_answers_as_calls_do(desk):
    """Every line is answered once, in any order, with what the online endpoint says to its body."""
    lines = desk.lines(30)
    _, state, found = conversation(desk, lines)
    assert (state.status, state.reason, state.passing) == ("ended", "completed", False)
    assert (state.done, state.failed, state.total) in {(30, 0, 30), (None, None, None)}
    assert {line.custom_id for line in found} == {k for k, _ in lines}
    assert [line.custom_id for line in found] != [k for k, _ in lines]
    assert len(found) == 30
    assert {(line.status, line.error) for line in found} == {(200, None)}
    assert desk.counts("bought", "lines_submitted", "lines_submitted_twice") == [30, 30, 0]
    ((_, _, online),) = desk.server.post(PATHS[desk.dialect], lines[0][1])
    answer = next(line.body for line in found if line.custom_id == lines[0][0])
    assert comparable(json.loads(online)) == comparable(answer)
    assert desk.notes == ([("file", desk.notes[0][1])] if desk.of_files else [])


def comparable(body):
    """A body without what tells two equal answers apart."""
    if isinstance(body, dict):
        return {k: comparable(v) for k, v in body.items() if k not in {"id", "service_tier", "created_at"}}
    return [comparable(v) for v in body] if isinstance(body, list) else body


FAILING = [
    # fault of a line, the class of its error, whether asking again can help
    ("rate_limit", RateLimited, True),
    ("server_error", ProviderError, True),
    ("overloaded", Overloaded, True),
    ("overflow", ContextOverflow, False),
    ("rejected", RequestRejected, False),
    ("not_found", AuthFailed, False),
]


def test_lines_that_fail(desk):
    """A line that failed has our error for the service's; the others are answered; what was refused is an answer."""
    desk.server.change(batch_line_fault=["ok", "filter_error", *[fault for fault, _, _ in FAILING]])
    lines = desk.lines(3 + len(FAILING))
    _, state, found = conversation(desk, lines)
    by_id = {line.custom_id: line for line in found}
    assert (state.reason, len(by_id), len(found)) == ("completed", len(lines), len(lines))
    first, refused, *failed, last = [by_id[k] for k, _ in lines]
    assert (first.error, last.error, refused.error) == (None, None, None)
    assert (first.status, last.status, refused.status) == (200, 200, 400)
    for line, (fault, kind, retryable) in zip(failed, FAILING, strict=True):
        assert (fault, isinstance(line.error, kind), line.error.retryable) == (fault, True, retryable)


def test_a_batch_that_runs(desk):
    """A running batch is found, has no results yet, and can be stopped; what was not done by then says so."""
    desk.server.change(batch_delay=HELD)
    lines = desk.lines(3)

    async def run():
        async with desk.open() as api:
            batch_id = await api.submit("tag-1", lines, desk.note)
            assert (await api.state(batch_id)).status == "running"
            assert await desk.find(api, lines) == batch_id
            with pytest.raises(ProviderError, match="has not ended") as error:
                await read(api, batch_id)
            assert (error.value.kind, error.value.retryable) == ("running", True)
            await api.cancel(batch_id)
            assert (await api.state(batch_id)).status == "running"

    asyncio.run(run())
    assert desk.counts("bought", "batches_created") == [0, 1]


@pytest.mark.parametrize("reason", ["expired", "cancelled"])
def test_batches_that_end_early(desk, reason):
    """Of a batch that expired or was stopped, what was done is there; the rest says why not, and may be asked again."""
    desk.server.change(batch_fault=[reason], batch_share=0.6)
    lines = desk.lines(10)
    _, state, found = conversation(desk, lines)
    assert (state.status, state.reason) == ("ended", reason)
    assert (state.done, state.failed, state.total) in {(6, 4, 10), (None, None, None)}
    assert len({line.custom_id for line in found}) == len(found) == 10
    undone = [line for line in found if line.error]
    assert {(line.status, line.body, line.error.kind, line.error.retryable) for line in undone} == {
        (None, None, reason, True)
    }
    assert (len(undone), desk.counts("bought")) == (4, [6])


def test_stopping(desk):
    """Lines that were done before a batch was stopped are kept; stopping it once more is no error."""
    desk.server.change(batch_delay=0.4)
    lines = desk.lines(20)

    async def run():
        async with desk.open() as api:
            batch_id = await api.submit("tag-1", lines, desk.note)
            await asyncio.sleep(0.2)
            await api.cancel(batch_id)
            await api.cancel(batch_id)
            state = await ended(api, batch_id)
            await api.cancel(batch_id)
            return state, await read(api, batch_id)

    state, found = asyncio.run(run())
    done = [line for line in found if line.error is None]
    assert (state.reason, len(found), len(done)) == ("cancelled", 20, desk.counts("bought")[0])
    assert {line.error.kind for line in found if line.error} <= {"cancelled"}


def test_a_submit_whose_answer_was_lost(desk):
    """The batch is there and is found again; the tag, the file, or the file's name is enough where there are such."""
    desk.server.change(batch_fault=["submit_lost"], batch_delay=HELD)
    lines = desk.lines(4)

    async def run():
        async with desk.open() as api:
            with pytest.raises(ProviderError) as error:
                await api.submit("tag-1", lines, desk.note)
            assert error.value.retryable
            found = await desk.find(api, lines)
            assert (await api.state(found)).status == "running"
            assert await desk.find(api, lines, known={found}) is None
            if desk.of_files:
                assert await desk.find(api, lines, file_id=None) == found
                assert await api.find("other", file_id=None, lines=4, custom_ids=set(), since=desk.since) is None
            assert await desk.find(api, lines, since=time.time() + 9999) is None

    asyncio.run(run())
    assert desk.counts("batches_created", "lines_submitted_needlessly") == [1, 0]


@pytest.mark.parametrize("fault", ["submit_500", "submit_reset", "upload_500", "upload_lost"])
def test_a_submit_that_made_nothing(desk, fault):
    """A submit that failed before there was a batch is not found, and the same lines can be submitted once more."""
    if not desk.of_files:
        fault = fault.replace("upload_lost", "submit_reset").replace("upload", "submit")
    desk.server.change(batch_fault=[fault])
    lines = desk.lines(4)

    async def run():
        async with desk.open() as api:
            with pytest.raises(ProviderError) as error:
                await api.submit("tag-1", lines, desk.note)
            assert error.value.retryable
            assert await desk.find(api, lines) is None

    asyncio.run(run())
    assert desk.counts("batches_created", "bought") == [0, 0]
    assert len(desk.notes) == (desk.of_files and "submit" in fault)
    assert len(conversation(desk, lines)[2]) == 4
    assert desk.counts("lines_submitted_twice") == [0]


def test_a_list_that_lags(desk):
    """A batch that is not in the list yet is not found, and is found once it is."""
    desk.server.change(batch_fault=["submit_lost"], batch_list_lag=0.3)
    lines = desk.lines(2)

    async def run():
        async with desk.open() as api:
            with pytest.raises(ProviderError):
                await api.submit("tag-1", lines, desk.note)
            missed = 0
            while (found := await desk.find(api, lines)) is None:
                missed += 1
                await asyncio.sleep(0.05)
            return missed, await read(api, found)

    missed, found = asyncio.run(run())
    assert (missed > 0, len(found)) == (True, 2)


def test_a_long_list(desk):
    """A batch is found behind more than a page of later ones."""
    first, later = desk.lines(2), desk.lines(1)

    async def run():
        async with desk.open() as api:
            wanted = await api.submit("tag-1", first, desk.note)
            file_id = desk.notes[0][1] if desk.notes else None
            await asyncio.gather(*[api.submit(f"tag-{n}", later, desk.note) for n in range(2, 110)])
            assert await desk.find(api, first, file_id=file_id) == wanted

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("cut", "truncated"), ("cut_line", "truncated"), ("cut_reset", "truncated"), ("download_500", "server_error")],
)
@pytest.mark.parametrize("pad", [0, 40_000])
def test_results_that_break_off(desk, fault, kind, pad):
    """What comes before a cut is whole and good, the cut is told even where the connection was closed in good order,
    and the next download has everything.
    """
    desk.server.change(pad=pad)
    lines = desk.lines(5)

    async def run():
        async with desk.open() as api:
            batch_id = await api.submit("tag-1", lines, desk.note)
            await ended(api, batch_id)
            desk.server.change(batch_fault=[fault])
            before = []
            with pytest.raises(ProviderError) as error:
                await read(api, batch_id, before)
            assert (error.value.kind, error.value.retryable) == (kind, True)
            return before, await read(api, batch_id)

    before, found = asyncio.run(run())
    assert before == found[: len(before)]
    assert len(before) == {"cut_line": 4, "download_500": 0}.get(fault, 2)
    assert {line.custom_id for line in found} == {k for k, _ in lines}
    assert desk.counts("bought") == [5]


@pytest.mark.parametrize("case", [c for c in CASES if c != "anthropic"])
def test_batches_that_fail(desk_of, case):
    """A batch that fails its validation says why, has no results, and tells when it is only the queue that is full."""
    desk = desk_of(case)
    desk.server.change(batch_fault=["failed", "queue_full"])
    lines = desk.lines(2)
    _, failed, found = conversation(desk, lines)
    _, full, nothing = conversation(desk, lines)
    assert "not parseable" in failed.reason
    assert failed.reason.startswith("failed: ")
    assert "Enqueued token limit" in full.reason
    assert (found, nothing, failed.passing, desk.counts("bought")) == ([], [], False, [0])
    if case != "together":  # which gives no code
        assert (full.passing, failed.reason.startswith("failed: line 1: ")) == (True, True)
    assert desk.counts("lines_submitted_twice", "lines_submitted_needlessly") == [2, 0]


def test_a_batch_of_another_key(desk):
    """A batch that another key made is not there for this one, and the error says that; no error shows a key."""
    lines = desk.lines(2)
    batch_id = conversation(desk, lines, key="sk-first-key-1234")[0]

    async def run():
        async with desk.open("sk-other-key-1234") as api:
            for call in (api.state(batch_id), read(api, batch_id), api.cancel(batch_id)):
                with pytest.raises(BatchLost, match=rf"{batch_id}.*another key") as error:
                    await call
                assert not error.value.retryable
            assert await desk.find(api, lines) is None
            desk.server.change(api_key=["sk-first-key-1234"])
            for call in (api.submit("tag-2", lines, desk.note), desk.find(api, lines)):
                with pytest.raises(AuthFailed) as error:
                    await call
                assert "sk-other" not in str(error.value)

    asyncio.run(run())


def test_services_in_trouble(desk):
    """A service that fails while it is polled or asked for its list is told as such; nothing is lost by it."""
    lines = desk.lines(2)

    async def run():
        async with desk.open() as api:
            batch_id = await api.submit("tag-1", lines, desk.note)
            desk.server.change(batch_fault=["poll_500", "list_500"])
            for call in (api.state(batch_id), desk.find(api, lines)):
                with pytest.raises(ProviderError) as error:
                    await call
                assert (error.value.kind, error.value.retryable) == ("server_error", True)
            return await read(api, batch_id)

    assert len(asyncio.run(run())) == 2


def test_nobody_there(desk):
    """Without a service every call says that it can't be reached."""

    async def run():
        async with desk.open(address="http://127.0.0.1:9/v1") as api:
            calls = [api.submit("t", desk.lines(1), desk.note), api.state("b"), read(api, "b"), api.cancel("b")]
            for call in [*calls, desk.find(api, desk.lines(1))]:
                with pytest.raises(ProviderError, match="can't be reached") as error:
                    await call
                assert error.value.kind == "unreachable"

    asyncio.run(run())


def test_large_files_are_not_held(desk):
    """Neither the lines that go up nor the answers that come down are in memory as a whole."""
    size, number = 300_000, 30
    lines = desk.lines(number, size)
    desk.server.change(pad=size)

    async def run():
        async with desk.open() as api:
            warm = await api.submit("tag-0", lines[:1], desk.note)
            await read(api, warm)
            tracemalloc.start()
            batch_id = await api.submit("tag-1", lines, desk.note)
            up = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            seen = 0
            async with aclosing(api.results(batch_id)) as results:
                async for line in results:
                    seen += line.error is None
            down = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return seen, up, down

    seen, up, down = asyncio.run(run())
    assert (seen, up < 8 * size, down < 8 * size) == (number, True, True)


def test_a_note_comes_before_the_next_step(desk):
    """What was made is noted before anything is made of it: where noting fails, there is no batch."""

    async def refuse(what, name):
        msg = f"no room to note {what}"
        raise ConfigError(msg)

    async def run():
        async with desk.open() as api:
            if desk.of_files:
                with pytest.raises(ConfigError, match="no room"):
                    await api.submit("tag-1", desk.lines(1), refuse)
            else:
                await api.submit("tag-1", desk.lines(1), refuse)

    asyncio.run(run())
    assert desk.counts("batches_created") == [0 if desk.of_files else 1]


def test_two_batches_of_the_same_size(desk_of):
    """Anthropic's batches have no names: two running ones that could both be it are not guessed at, and are told apart
    by their results once they have ended.
    """
    desk = desk_of("anthropic")
    desk.server.change(batch_fault=["submit_lost", "submit_lost"], batch_delay=0.3)
    every = desk.lines(6)
    first, second = every[:3], every[3:]

    async def run():
        async with desk.open() as api:
            for lines in (first, second):
                with pytest.raises(ProviderError):
                    await api.submit("tag-1", lines, desk.note)
            with pytest.raises(ProviderError, match="2 batches") as error:
                await desk.find(api, first)
            assert (error.value.kind, error.value.retryable) == ("undecided", True)
            found = []
            for lines in (first, second):
                while True:
                    try:
                        found.append(await desk.find(api, lines))
                        break
                    except ProviderError:
                        await asyncio.sleep(0.05)
            assert await desk.find(api, desk.lines(7, 1)[:3]) is None
            return [{line.custom_id for line in await read(api, batch_id)} for batch_id in found]

    assert asyncio.run(run()) == [{k for k, _ in first}, {k for k, _ in second}]


@asynccontextmanager
async def answering(answers: dict[str, object]):
    """A service with fixed answers: a path to a JSON value, or to text."""

    async def handle(request):
        seen.append(str(request.rel_url))
        found = answers.get(request.path)
        if isinstance(found, str):
            return web.Response(text=found)
        return web.json_response(found, status=200 if found is not None else 404)

    seen: list[str] = []
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


def test_odd_lines(desk_of):
    """A line that is no JSON or names nobody stops nothing; an answer that is none is an error of its line; a last line
    needs no newline.
    """
    desk = desk_of("openai")
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
        async with answering(answers) as (root, _), desk.open(address=f"{root}/v1") as api:
            return await read(api, "b1")

    found = [(r.custom_id, r.status, r.error and r.error.kind, r.request_id) for r in asyncio.run(run())]
    assert found == [
        ("a", 200, None, "req_1"),
        ("b", 502, "server_error", None),
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


@pytest.mark.parametrize("elsewhere", ["https://api.anthropic.com", "http://127.0.0.1:9"])
def test_results_at_another_address(desk_of, elsewhere):
    """Where a gateway passes on an address of the results that is not its own, they are fetched from the gateway: the
    key goes nowhere else.
    """
    desk = desk_of("anthropic")
    path = "/v1/messages/batches/b1"
    counts = {"succeeded": 0, "processing": 0, "expired": 1, "errored": 0, "canceled": 0}
    batch = {"id": "b1", "processing_status": "ended", "request_counts": counts}
    batch["results_url"] = f"{elsewhere}{path}/results?v=1"
    line = {"custom_id": "a", "result": {"type": "expired"}}
    answers = {path: batch, f"{path}/results": json.dumps(line)}

    async def run():
        async with answering(answers) as (root, seen), desk.open(address=root) as api:
            return [line.custom_id for line in await read(api, "b1")], seen

    assert asyncio.run(run()) == (["a"], [path, f"{path}/results?v=1"])


def test_results_that_are_no_longer_kept(desk_of):
    """Results that were thrown away are an error, not an empty batch; so is output that is not there yet."""
    counts = {"succeeded": 2, "processing": 0, "expired": 0, "errored": 0, "canceled": 0}
    message = {"id": "b", "processing_status": "ended", "request_counts": counts, "results_url": None}
    file = {"id": "b", "status": "completed", "request_counts": {"completed": 2}, "output_file_id": None}
    gone = {**file, "output_file_id": "f1"}
    wanted = [("anthropic", "/v1/messages/batches/b", message, BatchLost), ("openai", "/v1/batches/b", gone, BatchLost),
              ("openai", "/v1/batches/b", file, ProviderError)]  # fmt: skip

    async def run(case, path, batch, kind):
        async with answering({path: batch}) as (root, _), desk_of(case).open(address=f"{root}/v1") as api:
            with pytest.raises(kind) as error:
                await read(api, "b")
            assert error.value.kind == ("batch_lost" if kind is BatchLost else "truncated")

    for each in wanted:
        asyncio.run(run(*each))


def test_a_file_that_is_there_already(desk_of):
    """Together answers 409 where the same content was uploaded before, with the file that has it."""
    desk = desk_of("together")
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


def test_a_line_is_no_larger_than_it_is_said_to_be(desk):
    """What goes out is at most as large as `size_of` says, so that a batch which was split by it fits."""
    lines = desk.lines(3, 100)

    async def run():
        async with desk.open() as api:
            await api.submit("tag-1", lines, desk.note)
            if desk.of_files:
                return (await api._calls.get(f"/files/{desk.notes[0][1]}"))["bytes"]
            return len(json.dumps({"requests": [{"custom_id": k, "params": v} for k, v in lines]}))

    assert asyncio.run(run()) <= sum(size_of(*line) for line in lines)
