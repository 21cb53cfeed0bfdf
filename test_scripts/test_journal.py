"""The journal of paid answers: what it keeps, how it is read again, what a kill and a broken disk do to it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings

from code_generation.errors import ConfigError, DataError
from code_generation.group_commit import GroupWriter
from code_generation.journal import Journal, encode_entry, journal_path, read_entries, request_key, scan
from code_generation.jsonl import JsonlWriter
from code_generation.models import Message, Request, Sampling
from test_scripts.test_jsonl import JSON


def request(text="Hi", *, sample_index=0, turn=0, problem_id="p", blocks=None, **sampling) -> Request:
    """A question after an answer, so that blocks are part of it."""
    messages = [
        Message(role="user", content="A"),
        Message(role="assistant", content="B", blocks=blocks),
        Message(role="user", content=text),
    ]
    return Request(
        messages=messages, sampling=Sampling(**sampling), problem_id=problem_id, sample_index=sample_index, turn=turn
    )


def entry(number: int, body=None) -> dict:
    return {"key": f"{number:064x}", "problem_id": f"p{number}", "sample_index": 0, "turn": 0, "body": body or {}}


def keep(path, *entries):
    """Write entries; returns the number of answers in the journal then."""

    async def run():
        async with Journal(path) as journal:
            for e in entries:
                await journal.keep(e)
            return journal.count

    return asyncio.run(run())


def find(path, *keys):
    """The bodies of some keys as a new process would find them; None where there is none."""

    async def run():
        async with Journal(path) as journal:
            return [(found := journal.find(key)) and found["body"] for key in keys]

    return asyncio.run(run())


def test_a_key_is_the_question():
    """Who is asked, with which parameters, which messages with their blocks, and which sample make the key; the
    problem's id and the turn do not.
    """
    same = request_key("openai", "m", {}, request())
    assert same == request_key("openai", "m", {}, request(problem_id="q", turn=3))
    others = [
        request_key("together", "m", {}, request()),
        request_key("openai", "n", {}, request()),
        request_key("openai", "m", {"top_k": 1}, request()),
        request_key("openai", "m", {}, request("Ho")),
        request_key("openai", "m", {}, request(sample_index=1)),
        request_key("openai", "m", {}, request(temperature=0.5)),
        request_key("openai", "m", {}, request(blocks=[{"type": "thinking", "signature": "x"}])),
    ]
    assert len({same, *others}) == len(others) + 1


@settings(deadline=None, max_examples=80)
@given(JSON)
def test_an_entry_is_one_line_that_knows_its_length(value):
    """Whatever a service answers is one line of ASCII, its own length in front, and reads as it was."""
    line = encode_entry({"key": "0" * 64, "body": value})
    assert (line.count(b"\n"), line[-1:], line.isascii()) == (1, b"\n", True)
    read = json.loads(line)
    assert (read["bytes"], read["body"]) == (len(line), json.loads(json.dumps(value)))


def test_what_is_kept_is_found(tmp_path):
    """Answers come back whole in the same process and in the next; what was not asked is not there."""
    path = tmp_path / "o.journal.jsonl"
    bodies = [{"text": "ä\ud800" * n, "n": 10**400 + n} for n in range(5)]

    async def run():
        async with Journal(path) as journal:
            for n, body in enumerate(bodies):
                await journal.keep(entry(n, body))
                assert journal.find(entry(n)["key"])["body"] == body
            return journal.find(entry(9)["key"])

    assert asyncio.run(run()) is None
    assert find(path, *(entry(n)["key"] for n in range(5)), entry(9)["key"]) == [*bodies, None]
    assert [e["body"] for e in read_entries(path)] == bodies


@pytest.mark.parametrize("cut", [1, 20, 80, 90, 100])
def test_a_torn_tail_is_cut(tmp_path, cut):
    """What a kill left of the last line is cut before anything is appended; the answers before it stay."""
    path = tmp_path / "j"
    keep(path, entry(1), entry(2))
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode_entry(entry(3))[:cut])
    assert keep(path, entry(4)) == 3
    assert [e["problem_id"] for e in read_entries(path)] == ["p1", "p2", "p4"]
    assert path.stat().st_size > whole


def test_zeros_after_a_power_cut(tmp_path):
    """A tail of zeros, as file systems leave one, costs its own answers only, with a newline after it or without."""
    path = tmp_path / "j"
    keep(path, entry(1))
    with path.open("ab") as file:
        file.write(bytes(5000))
    keep(path, entry(2))
    with path.open("ab") as file:
        file.write(bytes(50) + b"\n")
    keep(path, entry(3))
    assert find(path, *(entry(n)["key"] for n in (1, 2, 3))) == [{}, {}, {}]
    assert [type(e).__name__ for e in read_entries(path)] == ["dict", "dict", "DataError", "dict"]


def test_a_damaged_answer_is_none(tmp_path):
    """An answer that can't be decoded any more is not found, so it is asked again; the others are."""
    path = tmp_path / "j"
    keep(path, entry(1, {"text": "x" * 100}), entry(2), entry(3))
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"text": "x', b'"text": \0x'))
    assert find(path, *(entry(n)["key"] for n in (1, 2, 3))) == [None, {}, {}]
    faults = [e for e in read_entries(path) if isinstance(e, DataError)]
    assert len(faults) == 1


def test_the_last_answer_to_a_key_counts(tmp_path):
    """A key that stands twice leads to its last answer; scanning shows both."""
    path = tmp_path / "j"
    keep(path, entry(1, {"n": 1}), entry(1, {"n": 2}))
    assert find(path, entry(1)["key"]) == [{"n": 2}]
    assert len(list(scan(path))) == 2


def test_places_that_are_no_journal(tmp_path):
    """Another file is left as it is, a journal in use is refused, and no answers leave no file."""
    other = tmp_path / "rows.jsonl"
    other.write_text('{"problem_id": "p"}\n')
    with pytest.raises(ConfigError, match="no journal"):
        keep(other, entry(1))
    assert other.read_text() == '{"problem_id": "p"}\n'
    assert keep(tmp_path / "empty") == 0
    assert not (tmp_path / "empty").exists()
    with JsonlWriter(tmp_path / "used"), pytest.raises(ConfigError, match="another run"):
        keep(tmp_path / "used", entry(1))
    with pytest.raises(DataError, match="does not exist"):
        list(read_entries(tmp_path / "none"))
    assert journal_path(tmp_path / "solutions.jsonl").name == "solutions.journal.jsonl"


WRITE_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from code_generation.journal import Journal
async def one(journal, number):
    await journal.keep({"key": f"{number:064x}", "body": {"n": number, "text": "x" * 20_000}})
    print(number, flush=True)
async def run():
    async with Journal(Path(sys.argv[1])) as journal:
        for start in range(journal.count, 10**9, 8):
            await asyncio.gather(*(one(journal, n) for n in range(start, start + 8)))
asyncio.run(run())
"""


def test_killed_writers_lose_nothing_that_was_kept(tmp_path):
    """Whenever it is killed, every answer that `keep` had returned for is found again, and no line is glued."""
    path = tmp_path / "j"
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_UNTIL_KILLED, path], stdout=subprocess.PIPE, text=True
        ) as process:
            first = process.stdout.readline()
            time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
            kept = [int(n) for n in [first, *process.stdout.read().splitlines()]]
        bodies = find(path, *(f"{n:064x}" for n in kept))
        assert [body and body["n"] for body in bodies] == kept
        assert not any(isinstance(line, DataError) for line in scan(path))


def test_a_cancelled_writer_has_written(tmp_path):
    """A line is in the file as soon as `append` has begun to wait: cancelling the wait does not take it back."""
    path = tmp_path / "rows.jsonl"

    async def run():
        async with GroupWriter(path) as rows:
            waiting = asyncio.create_task(rows.append(b"1\n"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.gather(rows.append(b"2\n"), rows.append(b"3\n"))

    asyncio.run(run())
    assert path.read_bytes() == b"1\n2\n3\n"


def test_a_full_disk_is_said_and_leaves_whole_lines(tmp_path):
    """A write that fails is an error for who waits for it, and nothing of it stays in the file."""
    path = tmp_path / "rows.jsonl"
    code = f"""
import asyncio, resource, signal
from pathlib import Path
from code_generation.errors import ConfigError
from code_generation.group_commit import GroupWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
async def run():
    async with GroupWriter(Path({str(path)!r})) as rows:
        await rows.append(b"a" * 600 + b"\\n")
        try:
            await rows.append(b"b" * 600 + b"\\n")
        except ConfigError as e:
            print(e)
        await rows.append(b"c\\n")
asyncio.run(run())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "can't be written" in done.stdout
    assert path.read_bytes() == b"a" * 600 + b"\nc\n"
