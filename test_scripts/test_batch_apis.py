"""The batch APIs of all services keep the same promises, whatever is lost, cut, late, expired or refused.

Everything runs against the loopback server, in each service's wire format.
"""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from contextlib import aclosing

import pytest

from code_generation.errors import (
    AuthFailed,
    ConfigError,
    ContextOverflow,
    Overloaded,
    ProviderError,
    RateLimited,
    RequestRejected,
)
from code_generation.providers.batch_apis import BatchLost, size_of
from test_scripts.batch_desk import CASES, HELD, PATHS, Desk, conversation, ended, read
from test_scripts.model_server import serving


@pytest.fixture(scope="module")
def one_server():
    with serving() as server:
        yield server


@pytest.fixture(params=CASES)
def desk(one_server, request):
    """Each service in turn, at a server that has forgotten everything."""
    return Desk(request.param, one_server)


@pytest.fixture
def desk_of(one_server):
    return lambda case: Desk(case, one_server)


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
                other = await desk.find(api, lines, file_id="file-other")
                assert other == (None if desk.case == "together" else found)  # whose batches have no tags
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


LAG = 0.1


def test_a_list_that_lags(desk):
    """A batch that is not in the list yet is not found, and is found once it is."""
    desk.server.change(batch_fault=["submit_lost"], batch_list_lag=LAG)
    lines = desk.lines(2)

    async def run():
        async with desk.open() as api:
            with pytest.raises(ProviderError):
                await api.submit("tag-1", lines, desk.note)
            missed = 0
            while (found := await desk.find(api, lines)) is None:
                missed += 1
                await asyncio.sleep(0.02)
            return missed, await read(api, found)

    missed, found = asyncio.run(run())
    assert (missed > 0, len(found)) == (True, 2)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["openai", "anthropic"])  # Together's list has no pages
def test_a_long_list(desk_of, case):
    """A batch is found behind more than a page of later ones."""
    desk = desk_of(case)
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


STORM = {
    "batch_delay": 0.02,
    "batch_list_lag": LAG,
    "batch_random_fault": [
        "submit_lost=0.3", "submit_500=0.2", "submit_reset=0.1", "upload_lost=0.2", "expired=0.3", "failed=0.1",
        "poll_500=0.2", "list_500=0.2", "cut=0.2", "cut_line=0.1", "cut_reset=0.1",
    ],
    "batch_random_line_fault": ["server_error=0.1", "rate_limit=0.1"],
}  # fmt: skip


async def until_it_works(call):
    while True:
        try:
            return await call()
        except ProviderError as error:
            if not error.retryable:
                raise
            await asyncio.sleep(0.01)


async def in_a_storm(desk, lines) -> set[str]:
    """Have all lines answered as a careful caller does; returns the batches that there were."""
    left, known = dict(lines), set()

    async def salvage(api, batch_id):
        async for line in api.results(batch_id):
            if line.error is None:
                left.pop(line.custom_id, None)

    async with desk.open() as api:
        while left:
            some, desk.since = list(left.items())[:6], time.time()
            desk.notes.clear()
            try:
                found = await api.submit("tag-1", some, desk.note)
            except ProviderError:
                found, listed, looked = None, time.monotonic() + LAG, 0.0
                while found is None and looked <= listed:
                    looked = time.monotonic()
                    found = await until_it_works(lambda: desk.find(api, some, known=known))  # noqa: B023
            if found is not None:
                known.add(found)
                await until_it_works(lambda: ended(api, found))  # noqa: B023
                await until_it_works(lambda: salvage(api, found))  # noqa: B023
    return known


@pytest.mark.slow
def test_a_storm(desk):
    """Whatever is lost, late, cut or half done: who looks before submitting again has every line answered, submits none
    that is answered or still under way, and knows every batch that there is.
    """
    desk.server.change(**STORM)
    known = asyncio.run(in_a_storm(desk, desk.lines(10)))
    assert desk.counts("batches_created", "lines_submitted_needlessly", "bought") == [len(known), 0, 10]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["openai", "anthropic"])
def test_large_files_are_not_held(desk_of, case):
    """Neither the lines that go up nor the answers that come down are in memory as a whole."""
    desk = desk_of(case)
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
    desk.server.change(batch_fault=["submit_lost", "submit_lost"], batch_delay=1.0)
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
            await asyncio.gather(*(ended(api, batch_id) for batch_id in found))
            assert await desk.find(api, desk.lines(7, 1)[:3]) is None
            return [{line.custom_id for line in await read(api, batch_id)} for batch_id in found]

    assert asyncio.run(run()) == [{k for k, _ in first}, {k for k, _ in second}]


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
