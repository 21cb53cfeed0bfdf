"""The loopback server's batches have the real wire formats, as the official SDKs read them, and count truly."""

from __future__ import annotations

import asyncio
import io
import json
import time
import urllib.request

import anthropic
import openai
import pytest
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
from openai.types import Batch, FileObject
from pydantic import TypeAdapter

from test_scripts.model_server import serving

GIVEN = {"max_retries": 0, "timeout": 10}
HI = [{"role": "user", "content": "Hi."}]
JSON = "application/json"


@pytest.fixture(scope="module")
def one_server():
    with serving() as server:
        yield server


@pytest.fixture
def fresh(one_server):
    """A server that has forgotten everything."""
    one_server.change(reset=True)
    return one_server


def openai_client(server, key="k"):
    http = openai.DefaultAsyncHttpxClient(verify=False)
    return openai.AsyncOpenAI(api_key=key, base_url=server.url, http_client=http, **GIVEN)


def anthropic_client(server, key="k"):
    http = anthropic.DefaultAsyncHttpxClient(verify=False)
    return anthropic.AsyncAnthropic(api_key=key, base_url=server.root, http_client=http, **GIVEN)


def fetch(server, path: str, body: object = None, key: str = "k"):
    """The JSON at a path, as it comes over the wire."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": JSON}
    with urllib.request.urlopen(urllib.request.Request(server.root + path, data, headers)) as response:  # noqa: S310
        return json.load(response)


def file_of(*custom_ids, url="/v1/chat/completions", **more):
    lines = [{"custom_id": k, "method": "POST", "url": url, "body": {"model": "m", "messages": HI, **more}}
             for k in custom_ids]  # fmt: skip
    return "lines.jsonl", io.BytesIO("".join(json.dumps(line) + "\n" for line in lines).encode())


def requests_of(*custom_ids):
    params = {"model": "m", "max_tokens": 10, "messages": HI}
    return [{"custom_id": k, "params": params} for k in custom_ids]


async def ordered(client, file, endpoint="/v1/chat/completions"):
    uploaded = await client.files.create(file=file, purpose="batch")
    return await client.batches.create(
        input_file_id=uploaded.id, endpoint=endpoint, completion_window="24h", metadata={"a": "b"}
    )


def test_the_openai_sdk_reads_batches_of_files(fresh):
    """Upload, order, poll, list, download: the SDK's typed objects say what happened."""

    async def run():
        async with openai_client(fresh) as client:
            made = await ordered(client, file_of("a", "b"))
            batch = await client.batches.retrieve(made.id)
            file = await client.files.retrieve(batch.input_file_id)
            names = [f.filename async for f in client.files.list(purpose="batch")]
            others = [await ordered(client, file_of(f"x{n}")) for n in range(4)]
            listed = [b.id async for b in client.batches.list(limit=2)]
            content = await client.files.content(batch.output_file_id)
            return made, batch, file, names, [b.id for b in others], listed, content.text

    made, batch, file, names, others, listed, text = asyncio.run(run())
    assert (made.status, batch.status, batch.error_file_id, batch.metadata) == (
        "validating",
        "completed",
        None,
        {"a": "b"},
    )
    assert batch.request_counts.to_dict() == {"completed": 2, "failed": 0, "total": 2}
    assert (file.purpose, file.status, names) == ("batch", "processed", ["lines.jsonl"])
    assert listed == [*reversed(others), made.id]
    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["custom_id"]: row["response"]["status_code"] for row in rows} == {"a": 200, "b": 200}
    assert rows[0]["response"]["body"]["choices"][0]["message"]["content"] == "Hello."


def test_the_anthropic_sdk_reads_message_batches(fresh):
    """Order, poll, list in both directions, read the results: the SDK's typed objects say what happened."""
    fresh.change(batch_line_fault=["ok", "rejected"])

    async def run():
        async with anthropic_client(fresh) as client:
            made = await client.messages.batches.create(requests=requests_of("a", "b"))
            batch = await client.messages.batches.retrieve(made.id)
            results = [r async for r in await client.messages.batches.results(made.id)]
            others = [await client.messages.batches.create(requests=requests_of(f"x{n}")) for n in range(4)]
            every = [made.id, *[b.id for b in others]]
            after = [b.id async for b in client.messages.batches.list(limit=2)]
            page = await client.messages.batches.list(limit=2, before_id=every[0])
            return made, batch, results, every, after, [b.id for b in page.data], page.has_more

    made, batch, results, every, after, before, more = asyncio.run(run())
    assert (made.processing_status, batch.processing_status) == ("in_progress", "ended")
    assert (made.request_counts.processing, batch.request_counts.succeeded, batch.request_counts.errored) == (2, 1, 1)
    assert (after, before, more) == ([*reversed(every)], [every[2], every[1]], True)
    found = {r.custom_id: r.result for r in results}
    assert (found["a"].type, found["a"].message.content[0].text) == ("succeeded", "Hello.")
    assert (found["b"].type, found["b"].error.error.type) == ("errored", "invalid_request_error")


@pytest.mark.parametrize(
    ("faults", "delay", "status"),
    [([], 30.0, "validating"), ([], 0.0, "completed"), (["expired"], 0.0, "expired"), (["failed"], 0.0, "failed"),
     (["cancelled"], 0.0, "cancelled"), (["queue_full"], 0.0, "failed")],
)  # fmt: skip
def test_every_field_is_of_its_type(fresh, faults, delay, status):
    """The SDKs' types, checked strictly, accept a batch in every state, its file and its results."""
    fresh.change(batch_fault=faults * 2, batch_delay=delay, batch_line_fault=["server_error", "ok", "ok"] * 2)

    async def run():
        async with openai_client(fresh) as client, anthropic_client(fresh) as other:
            mine, theirs = (
                await ordered(client, file_of("a", "b", "c")),
                await other.messages.batches.create(requests=requests_of("a", "b", "c")),
            )
            return mine.id, theirs.id

    mine, theirs = asyncio.run(run())
    batch = fetch(fresh, f"/v1/batches/{mine}")
    assert TypeAdapter(Batch).validate_python(batch, strict=True).status == status
    assert (batch["errors"] is not None) == (status == "failed")
    TypeAdapter(FileObject).validate_python(fetch(fresh, f"/v1/files/{batch['input_file_id']}"), strict=True)
    message = fetch(fresh, f"/v1/messages/batches/{theirs}")
    assert sum(message["request_counts"].values()) == 3
    TypeAdapter(MessageBatch).validate_json(json.dumps(message), strict=True)
    if message["results_url"]:
        request = urllib.request.Request(message["results_url"], headers={"x-api-key": "k"})  # noqa: S310
        with urllib.request.urlopen(request) as response:  # noqa: S310
            lines = response.read().splitlines()
        kinds = [TypeAdapter(MessageBatchIndividualResponse).validate_json(line).result.type for line in lines]
        assert len(kinds) == 3
        assert {"completed": "errored", "cancelled": "canceled"}.get(status, "expired") in kinds  # none can fail


def test_states_follow_the_clock(fresh):
    """A batch is validated, worked on and finished in this order, then stops changing; so do Anthropic's counts."""
    fresh.change(batch_delay=0.4)

    async def run():
        async with openai_client(fresh) as client:
            seen = [await ordered(client, file_of("a", "b"))]
            while seen[-1].status != "completed":
                seen.append(await client.batches.retrieve(seen[0].id))
                await asyncio.sleep(0.01)
            return [batch.status for batch in seen]

    seen = list(dict.fromkeys(asyncio.run(run())))
    whole = ["validating", "in_progress", "finalizing", "completed"]
    assert [status for status in whole if status in seen] == seen
    assert {seen[0], seen[-1]} == {whole[0], whole[-1]}


def test_togethers_shapes(fresh):
    """Its own path and purpose for uploads, a wrapper around a new batch, capitals, lists without pages."""
    fresh.change(batch_style="together", batch_line_fault=["ok", "server_error"])
    content = "".join(json.dumps({"custom_id": k, "body": {"model": "m", "messages": HI}}) + "\n" for k in "ab")

    async def run():
        async with openai_client(fresh) as client:
            with pytest.raises(openai.BadRequestError):
                await client.files.create(file=("a.jsonl", content.encode()), purpose="batch")
            return await client.post(
                "/files/upload",
                cast_to=object,
                body={"purpose": "batch-api", "file_name": "a.jsonl"},
                files={"file": ("a.jsonl", content.encode())},
                options={"headers": {"Content-Type": "multipart/form-data"}},
            )

    file = asyncio.run(run())
    assert (file["purpose"], file["FileType"], file["filename"]) == ("batch-api", "jsonl", "a.jsonl")
    made = fetch(fresh, "/v1/batches", {"input_file_id": file["id"], "endpoint": "/v1/chat/completions"})
    assert (list(made), made["job"]["status"]) == (["job"], "VALIDATING")
    (listed,) = fetch(fresh, "/v1/batches")
    batch = fetch(fresh, f"/v1/batches/{made['job']['id']}")
    assert listed == batch
    assert (batch["status"], batch["progress"], batch["input_file_id"]) == ("COMPLETED", 100.0, file["id"])
    assert batch["created_at"].endswith("Z")
    good, bad = (fetch(fresh, f"/v1/files/{batch[name]}/content") for name in ("output_file_id", "error_file_id"))
    assert (good["custom_id"], good["response"]["status_code"]) == ("a", 200)
    assert (bad["custom_id"], list(bad)) == ("b", ["custom_id", "error"])
    assert {f["id"] for f in fetch(fresh, "/v1/files")["data"]} > {file["id"]}


BAD = [
    ("invalid_json_line", b"{\n"),
    ("empty_file", b""),
    ("duplicate_custom_id", file_of("a", "a")[1].read()),
    ("url_mismatch", file_of("a", url="/v1/responses")[1].read()),
    ("invalid_request", file_of("a", stream=True)[1].read()),
    ("model_mismatch", file_of("a")[1].read() + file_of("b", model="n")[1].read()),
]


@pytest.mark.parametrize(("code", "content"), BAD)
def test_bad_files(fresh, code, content):
    """A batch of a file that is not right exists, fails, and names the line."""

    async def run():
        async with openai_client(fresh) as client:
            made = await ordered(client, ("a.jsonl", content))
            return await client.batches.retrieve(made.id)

    batch = asyncio.run(run())
    assert (batch.status, batch.output_file_id, batch.errors.data[-1].code) == ("failed", None, code)
    assert batch.errors.data[-1].line >= 1


def test_bad_orders(fresh):
    """What no batch can be made of is refused at once."""

    async def run():
        async with openai_client(fresh) as client, anthropic_client(fresh) as other:
            for name in ("a.txt", "a.jsonl"):
                with pytest.raises(openai.BadRequestError):
                    await client.files.create(file=(name, b"{}"), purpose="batch" if name == "a.txt" else "vision")
            with pytest.raises(openai.BadRequestError, match="no file"):
                await client.batches.create(input_file_id="x", endpoint="/v1/chat/completions", completion_window="24h")
            for bad in ([], requests_of("a", "a"), requests_of("a b"), requests_of("a" * 65)):
                with pytest.raises(anthropic.BadRequestError, match="requests"):
                    await other.messages.batches.create(requests=bad)
            with pytest.raises(openai.NotFoundError):
                await client.batches.retrieve("batch_x")
            with pytest.raises(anthropic.NotFoundError):
                await other.messages.batches.retrieve("msgbatch_x")

    asyncio.run(run())
    assert fresh.seen(brief=True)["batches_created"] == 0


def test_what_belongs_to_whom(fresh):
    """A key sees its own batches and files only; a batch of files is none of messages."""

    async def run():
        async with openai_client(fresh) as client, openai_client(fresh, "other") as stranger:
            made = await ordered(client, file_of("a"))
            async with anthropic_client(fresh) as sibling, anthropic_client(fresh, "other") as third:
                message = await sibling.messages.batches.create(requests=requests_of("a"))
                with pytest.raises(anthropic.NotFoundError):
                    await sibling.messages.batches.retrieve(made.id)
                with pytest.raises(anthropic.NotFoundError):
                    await third.messages.batches.cancel(message.id)
                assert [b.id async for b in sibling.messages.batches.list()] == [message.id]
                assert [b async for b in third.messages.batches.list()] == []
            for call in (stranger.batches.retrieve(made.id), stranger.files.content(made.input_file_id),
                         client.batches.retrieve(message.id), stranger.batches.cancel(made.id)):  # fmt: skip
                with pytest.raises(openai.NotFoundError):
                    await call
            assert [b.id async for b in client.batches.list()] == [made.id]
            assert [b async for b in stranger.batches.list()] == [f async for f in stranger.files.list()] == []

    asyncio.run(run())


def test_counts_of_batches(fresh):
    """A line is bought when it was done, fetched or not; a line that is submitted again counts, and counts as needless
    where an earlier batch had answered it or was still going to.
    """
    fresh.change(batch_line_fault=["ok", "server_error"], batch_fault=["submit_500", "failed", "submit_lost"])

    async def run():
        async with openai_client(fresh) as client:
            with pytest.raises(openai.InternalServerError):
                await ordered(client, file_of("a", "b"))
            await ordered(client, file_of("a", "b"))  # fails, and takes the lines' faults along
            with pytest.raises(openai.APIConnectionError):
                await ordered(client, file_of("a", "b"))
            return fresh.seen(brief=True)

    names = ["batches_created", "lines_submitted", "lines_submitted_twice", "lines_submitted_needlessly", "bought",
             "bought_twice", "files_uploaded"]  # fmt: skip
    seen = asyncio.run(run())
    assert [seen[name] for name in names] == [2, 4, 2, 0, 2, 1, 3]  # both lines say the same
    fetch(fresh, "/v1/messages/batches", {"requests": requests_of("c", "d")})
    fresh.change(batch_delay=30, batch_line_fault=["server_error", "ok"])
    for _ in range(2):
        fetch(fresh, "/v1/messages/batches", {"requests": requests_of("d", "e")})
    seen = fresh.seen(brief=True)
    assert [seen[name] for name in names[:4]] == [5, 10, 5, 3]
    assert seen["batch_calls"] == {"upload": 3, "create": 6}
    fresh.change(reset=True)
    assert [fresh.seen(brief=True)[name] for name in names] == [0] * 7


def test_an_answer_online_and_in_a_batch_is_bought_twice(fresh):
    """The same body is the same request, wherever it is asked."""
    fresh.post("messages", requests_of("a")[0]["params"])
    fetch(fresh, "/v1/messages/batches", {"requests": requests_of("a")})
    seen = fresh.seen(brief=True)
    assert [seen[name] for name in ("bought", "bought_twice", "admitted")] == [2, 1, 2]


def test_chance_repeats_for_a_seed(fresh):
    """Random faults of calls and lines, and orders, are the same for the same seed and the same calls."""

    def play(seed):
        fresh.change(reset=True, seed=seed)
        fresh.change(reset=True)
        fresh.change(batch_random_line_fault=["server_error=0.3", "overflow=0.2"], batch_random_fault=["expired=0.5"])
        found = []
        for n in range(6):
            made = fetch(fresh, "/v1/messages/batches", {"requests": requests_of(*[f"{n}-{i}" for i in range(20)])})
            batch = fetch(fresh, f"/v1/messages/batches/{made['id']}")
            found.append(list(batch["request_counts"].values()))
        return found

    once = play(3)
    assert once == play(3)
    kinds = [sum(counts[i] > 0 for counts in once) for i in (1, 2, 4)]
    assert (kinds[:2], 0 < kinds[2] < 6) == ([6, 6], True)


def test_a_batch_outlives_its_client(fresh):
    """What was ordered goes on while nobody asks."""
    fresh.change(batch_delay=0.2)
    fetch(fresh, "/v1/messages/batches", {"requests": requests_of("a")})
    deadline = time.monotonic() + 10
    while not fresh.seen(brief=True)["bought"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert fresh.seen(brief=True)["bought"] == 1
