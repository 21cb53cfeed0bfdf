"""What asking a model costs, as ratios measured in one run; a part of `make bench`.

Client and server are processes of their own. CPU time is that of this process, threads included; ours and the bare SDK
take turns, medians are compared.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

from code_generation.group_commit import GroupWriter
from code_generation.journal import Journal, encode_entry
from code_generation.jsonl import encode
from code_generation.models import Message, Request, Sampling
from code_generation.providers import ModelOptions, choose_model, open_provider
from code_generation.results import read_finished
from test_scripts.model_server import serving

ROUNDS, CALLS, AT_A_TIME = 5, 1500, 64
CHUNKS = 2000
ROW = {"problem": {"problem_id": "p"}, "text": "x" * 20_000, "generation_metadata": {}, "verified": True}


def request(number: int) -> Request:
    """A question of 1.5 KB, another one each time."""
    text = f"{number} " + "Write a function. " * 80
    return Request(messages=[Message(role="user", content=text)], sampling=Sampling(), problem_id=f"p{number}")


async def at_a_time(call, numbers) -> None:
    """Make calls, so many at a time, with a fixed crew: no task a call."""
    waiting = iter(numbers)

    async def worker() -> None:
        for number in waiting:
            await call(number)

    await asyncio.gather(*(worker() for _ in range(AT_A_TIME)))


@asynccontextmanager
async def ours(url: str, folder: Path, **options):
    """A provider with its journal, and a row writer."""
    asked = ModelOptions(model="m", base_url=url, **options)
    async with Journal(folder / "o.journal.jsonl") as journal, GroupWriter(folder / "o.jsonl") as rows:
        provider = open_provider(choose_model(asked), asked, {}, max_concurrent=AT_A_TIME, journal=journal)
        try:
            yield provider, rows
        finally:
            await provider.close()


async def turn_costs(url: str) -> tuple[list[float], list[float]]:
    """CPU seconds a turn, ours with answer and 20 KB row on disk, and the SDK's typed call alone."""
    import openai

    mine, bare = [], []
    client = openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=openai.DefaultAioHttpClient())
    with tempfile.TemporaryDirectory() as folder:
        async with ours(url, Path(folder), no_stream=True) as (provider, rows):

            async def turn(number: int) -> None:
                await provider.complete(request(number))
                await rows.append(encode(ROW).encode("ascii") + b"\n")

            async def call(number: int) -> None:
                message = {"role": "user", "content": request(number).messages[0].content}
                await client.chat.completions.create(model="m", messages=[message])

            for number in range(ROUNDS + 1):
                numbers = range(number * CALLS, (number + 1) * CALLS)
                for costs, work in ((mine, turn), (bare, call)):
                    started = time.process_time()
                    await at_a_time(work, numbers)
                    costs.append((time.process_time() - started) / CALLS)
    await client.close()
    return mine[1:], bare[1:]  # the first round learns the rate and opens connections


async def chunk_costs(url: str) -> float:
    """CPU seconds of ours for a chunk of a stream: reading it as an answer, less reading its bytes alone."""
    import httpx2
    import openai

    client = openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=openai.DefaultAioHttpClient())
    mine, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        async with ours(url, Path(folder)) as (provider, _):
            for number in range(2 * ROUNDS + 1):
                started = time.process_time()
                await provider.complete(request(number))
                mine.append(time.process_time() - started)
                started = time.process_time()
                body = {
                    "model": "m", "stream": True, "stream_options": {"include_usage": True},
                    "messages": [{"role": "user", "content": request(number).messages[0].content}],
                }  # fmt: skip
                unread = {"headers": {"X-Stainless-Raw-Response": "stream"}}
                response = await client.post("/chat/completions", cast_to=httpx2.Response, body=body, options=unread)
                async for _ in response.aiter_bytes():
                    pass
                await response.aclose()
                bare.append(time.process_time() - started)
    await client.close()
    return (statistics.median(mine[1:]) - statistics.median(bare[1:])) / CHUNKS


async def memory_growth(url: str) -> float:
    """MiB that a run grows by over 10,000 rows, after 4,000."""
    with tempfile.TemporaryDirectory() as folder:
        async with ours(url, Path(folder), no_stream=True) as (provider, rows):

            async def turn(number: int) -> None:
                await provider.complete(request(number))
                await rows.append(encode(ROW).encode("ascii") + b"\n")

            await at_a_time(turn, range(4000))
            gc.collect()
            before = resident_mb()
            await at_a_time(turn, range(4000, 14_000))
            gc.collect()
            return resident_mb() - before


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def resume_seconds(rows: int = 100_000) -> tuple[float, float]:
    """Wall-clock seconds to find out what is done among so many rows of 20 KB, and which answers there are; warm."""
    metadata = {"model": "m", "prompt_id": "basic", "system_prompt_id": "helpful_coder", "sample_index": 0}
    with tempfile.TemporaryDirectory() as folder:
        out, kept = Path(folder) / "o.jsonl", Path(folder) / "o.journal.jsonl"
        with out.open("wb") as file, kept.open("wb") as answers:
            for number in range(rows):
                row = {
                    "problem": {"problem_id": f"p{number}", "problem": "x" * 12_000, "test_cases": []},
                    "full_message_history": [{"role": "user", "content": "y" * 6000}],
                    "generation_metadata": metadata,
                    "verified": True,
                    "attempts": [{"code": "z" * 1500}],
                }
                file.write(encode(row).encode("ascii") + b"\n")
                answers.write(encode_entry({"key": f"{number:064x}", "body": {"text": "x" * 20_000}}))
        best = []
        for _ in range(3):
            started = time.perf_counter()
            assert sum(1 for _ in read_finished(out)) == rows
            middle = time.perf_counter()
            journal = Journal(kept)
            best.append((middle - started, time.perf_counter() - middle))
            assert journal.count == rows
            asyncio.run(journal.close())
        return min(b[0] for b in best), min(b[1] for b in best)


def measure() -> list[tuple[str, float, float, str]]:
    """(what, measured, at most, unit) of everything here."""
    with serving(text="y" * 2000, keep_bodies=0) as server:
        mine, bare = asyncio.run(turn_costs(server.url))
        grown = asyncio.run(memory_growth(server.url))
    ratio = statistics.median(m / b for m, b in zip(mine, bare, strict=True))
    with serving(text="y" * 4 * CHUNKS, chunks=CHUNKS, keep_bodies=0) as server:
        chunk_us = 1e6 * asyncio.run(chunk_costs(server.url))
    rows_s, answers_s = resume_seconds()
    return [
        ("CPU of a turn, answer and 20 KB row on disk, in bare SDK calls", ratio, 1.35, ""),
        ("CPU of ours for a chunk of a stream", chunk_us, 10, " µs"),
        ("memory that a run grows by over 10,000 rows", grown, 2, " MiB"),
        ("finding out what is done among 100,000 rows of 20 KB", rows_s, 1, " s"),
        ("finding the answers among 100,000 of 20 KB", answers_s, 1, " s"),
    ]


if __name__ == "__main__":
    for what, value, goal, unit in measure():
        print(f"{what}: {value:.3g}{unit} (at most {goal:g}{unit})", flush=True)
    sys.exit()
