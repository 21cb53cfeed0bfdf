"""The loopback model server fails, limits and counts as it says, in every dialect."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import anthropic
import openai
import pytest

from test_scripts.buckets import Bucket, Limits, Window, duration
from test_scripts.model_server import ROOT, serving
from test_scripts.test_model_server import BODIES, CHAT, MESSAGES, RESPONSES, call, data_of

pytestmark = pytest.mark.slow
"""Tests of what the tests stand on."""


@pytest.fixture(scope="module")
def one_server():
    with serving(keep_bodies=50) as server:
        yield server


@pytest.fixture
def fresh(one_server):
    """A server with its counts at zero and its options as they were."""
    one_server.change(reset=True)
    return one_server


CUT = "ClientPayloadError"
GONE = {"ServerDisconnectedError", "ClientOSError"}
BROKEN = [
    # fault, how a whole answer ends, how a stream ends
    ("html", {200}, {200}),
    ("empty", {200}, {200}),
    ("redirect", {200}, {200}),
    ("drop", GONE, GONE),
    ("reset", GONE, GONE),
    ("hang", {"TimeoutError"}, {"TimeoutError"}),
    ("truncate", {CUT}, {CUT}),
    ("truncate_length", {CUT}, {CUT}),
    ("reset_midway", {CUT, "ClientOSError"}, {CUT, "ClientOSError"}),
    ("hang_midway", {"TimeoutError"}, {"TimeoutError"}),
    ("cut", {200}, {200}),
    ("no_terminal", {200}, {200}),
    ("no_finish", {200}, {200}),
]


@pytest.mark.parametrize("dialect", BODIES)
@pytest.mark.parametrize(("fault", "whole", "stream"), BROKEN)
def test_answers_that_break(fresh, dialect, fault, whole, stream):
    """Each fault ends a connection in its own way, and nothing of it counts as sold; the next request is well."""
    fresh.change(fault=[fault, fault])
    ended = [
        fresh.post(dialect, BODIES[dialect] | {"stream": flag}, timeout=0.15 if "hang" in fault else 9)[0]
        for flag in (False, True)
    ]
    assert (ended[0][0] in whole, ended[1][0] in stream) == (True, True)
    if ended[0][0] == 200:
        with pytest.raises(json.JSONDecodeError):
            json.loads(ended[0][2])
    seen = fresh.seen(brief=True)
    assert (seen["bought"], seen["statuses"]) == (0, {fault: 2})
    assert fresh.post(dialect, BODIES[dialect])[0][0] == 200


def last(text: str) -> str:
    """What a stream ends with: the name of its last event, or what stands for it in chat."""
    if "event: " in text:
        return text.rsplit("event: ", 1)[1].split("\n", maxsplit=1)[0]
    if text.endswith("[DONE]\n\n"):
        return "done"
    data = data_of(text)[-1]
    return "error" if "error" in data else data["choices"][0]["finish_reason"] or "text"


@pytest.mark.parametrize(
    ("fault", "ends"),
    [("no_terminal", ["stop", "response.output_item.done", "message_delta"]),
     ("no_finish", ["text", "response.output_item.done", "content_block_stop"]),
     ("error_midway", ["error", "error", "error"]),
     ("failed", ["error", "response.failed", "error"]),
     (None, ["done", "response.completed", "message_stop"])],
)  # fmt: skip
def test_streams_that_lack_their_end(fresh, fault, ends):
    """A stream may lack its terminal event, all that says it is over, or end in an error, in a whole envelope."""
    fresh.change(fault=[fault] * 3 if fault else [])
    found = [fresh.post(dialect, body | {"stream": True})[0] for dialect, body in BODIES.items()]
    assert [(status, last(text)) for status, _, text in found] == [(200, end) for end in ends]


def test_what_the_sdks_make_of_errors_in_a_stream(fresh):
    """An error event raises in both SDKs for chat and Messages; a response that failed is an object that says so."""
    fresh.change(fault=["error_midway", "error_midway", "failed", "failed"])
    with pytest.raises(openai.APIError):
        call(fresh, "chat/completions", CHAT, stream=True)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded") as error:
        call(fresh, "messages", MESSAGES, stream=True)
    assert (error.value.status_code, error.value.type) == (200, "overloaded_error")
    for stream in (False, True):
        response = call(fresh, "responses", RESPONSES, stream=stream)
        assert (response.status, response.error.code, response.output) == ("failed", "server_error", [])


def test_errors_with_status_200(fresh):
    """A router's error comes with status 200 in place of an answer, or in a chunk of its stream."""
    fresh.change(fault=["error_200"], forever=True)
    ((status, _, text),) = fresh.post("chat/completions", CHAT)
    assert (status, json.loads(text)["error"]["code"]) == (200, 502)
    ((_, _, text),) = fresh.post("chat/completions", CHAT | {"stream": True})
    assert (data_of(text)[-1]["error"]["code"], data_of(text)[-1]["choices"][0]["finish_reason"]) == (502, "error")


@pytest.mark.parametrize(
    ("fault", "chat", "responses", "messages"),
    [
        ("length", ("stop length", "He", None), ("incomplete", "He"), ("max_tokens", None)),
        ("refusal", ("stop", "", "I can't help with that."), ("completed", ""), ("refusal", "cyber")),
        ("content_filter", ("content_filter", "", None), ("incomplete", ""), ("refusal", None)),
        ("window", ("length", "Hello.", None), ("incomplete", "Hello."), ("model_context_window_exceeded", None)),
        ("blank", ("stop", "", None), ("completed", ""), ("end_turn", None)),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_odd_answers(fresh, fault, chat, responses, messages, stream):
    """Answers cut short, refused, filtered or blank say so as each dialect does; they are sold like others."""
    fresh.change(fault=[fault], forever=True)
    choice = call(fresh, "chat/completions", CHAT, stream=stream).choices[0]
    found = choice.finish_reason, choice.message.content or "", choice.message.refusal
    assert found[0] in chat[0].split()
    assert found[1].startswith(chat[1])
    assert found[2] == chat[2]
    response = call(fresh, "responses", RESPONSES, stream=stream)
    assert (response.status, response.output_text[: len(responses[1]) or 9]) == responses
    message = call(fresh, "messages", MESSAGES, stream=stream)
    assert (message.stop_reason, getattr(message.stop_details, "category", None)) == messages
    assert fresh.seen(brief=True)["bought"] == 3


def test_random_faults(fresh):
    """Faults at random come as often as was asked for, and the same for the same seed."""
    found = []
    for seed in (1, 1, 2):
        fresh.change(reset=True, seed=seed, random_fault=["server_error=0.3", "overloaded=0.1"])
        found.append(Counter(status for status, _, _ in fresh.post("chat/completions", CHAT, times=300)))
    statuses = found[0]
    assert (found[1] == statuses, found[2] == statuses) == (True, False)
    assert 50 < statuses[500] < 130
    assert 10 < statuses[529] < 55
    assert statuses[200] == 300 - statuses[500] - statuses[529]


def test_buckets_and_windows():
    """A bucket gives its burst at once and then its rate; a window gives all of it at once and then nothing."""
    now = [0.0]
    clock = lambda: now[0]  # noqa: E731
    for limit, early, late in ((Bucket(2, 3, clock), 3, 1), (Window(2, 5, clock), 10, 0)):
        now[0] = 0.0
        limit.level, limit.at, limit.number = limit.size, 0.0, 0
        taken = 0
        for step in range(4):
            now[0] = step / 4
            while not limit.wait(1):
                limit.take(1)
                taken += 1
            assert taken == early + (late if step >= 2 else 0)
        seconds = limit.wait(1)
        now[0] += seconds - 0.01
        assert limit.wait(1) > 0
        now[0] += 0.02
        assert (limit.wait(1), limit.wait(100)) == (0.0, float("inf"))


def test_both_limits_or_none():
    """A request above one limit takes nothing from the other."""
    options = SimpleNamespace(rps=10, burst=5, tps=100, token_burst=50, window=None)
    limits = Limits(options, lambda: 0.0)
    assert [limits.admit(30) is None for _ in range(3)] == [True, False, False]
    assert limits.headers(anthropic=False) == {
        "x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "4",
        "x-ratelimit-reset-requests": "100ms", "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "20", "x-ratelimit-reset-tokens": "300ms",
    }  # fmt: skip
    assert limits.admit(51).seconds == float("inf")


def test_durations():
    """Spans are written as OpenAI does, and never too short."""
    spans = [0, 0.0201, 0.12, 1, 1.5, 59.9996, 360, 3605]
    assert [duration(s) for s in spans] == ["0ms", "21ms", "120ms", "1s", "1.5s", "1m0s", "6m0s", "1h0m5s"]


def test_the_rate_holds_over_the_wire(fresh):
    """No more requests pass than burst and rate allow, nor many fewer; a refusal says truly when to come back."""
    fresh.change(rps=40, burst=10, rate_headers=True)
    found = fresh.post("chat/completions", CHAT, times=100, gap=0.01)
    passed = sum(status == 200 for status, _, _ in found)
    seen = fresh.seen(brief=True)
    allowed = 10 + 40 * (seen["last_at"] - seen["first_at"])
    assert 0.6 * allowed <= passed <= allowed + 4
    assert (seen["statuses"], seen["refused"]) == ({"ok": passed, "limited": 100 - passed}, 100 - passed)
    _, headers, text = next(f for f in found if f[0] == 429)
    error = json.loads(text)["error"]
    assert (headers["Retry-After"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
    assert headers["x-ratelimit-limit-requests"] == "2400"
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "requests")
    wait = float(error["message"].rsplit("in ", 1)[1].removesuffix("s."))
    time.sleep(wait + 0.03)
    assert fresh.post("chat/completions", CHAT)[0][0] == 200


def test_tokens_are_limited_too(fresh):
    """Prompt and answer count against the limit of tokens; what never fits is told apart from what fits later."""
    fresh.change(tps=10, token_burst=10, no_retry_after=True)
    found = fresh.post("chat/completions", CHAT, times=2)  # 5 tokens of prompt, 1 of answer
    assert sorted(status for status, _, _ in found) == [200, 429]
    _, headers, text = next(f for f in found if f[0] == 429)
    assert ("Retry-After" in headers, json.loads(text)["error"]["type"]) == (False, "tokens")
    large = CHAT | {"messages": [{"role": "user", "content": "x" * 100}]}
    assert "Request too large" in fresh.post("chat/completions", large)[0][2]


def test_anthropics_headers(fresh):
    """Messages tells limits in its own headers, on refusals too, with times that are not too early."""
    fresh.change(rps=0.5, burst=1, rate_headers=True)
    before = time.time()
    found = fresh.post("messages", MESSAGES, times=2)
    (_, headers, text) = next(f for f in found if f[0] == 429)
    assert json.loads(text)["error"]["type"] == "rate_limit_error"
    limits = [headers[f"anthropic-ratelimit-requests-{name}"] for name in ("limit", "remaining")]
    assert (limits, headers["Retry-After"], "request-id" in headers) == (["30", "0"], "2", True)
    for _, headers, _ in found:
        reset = datetime.fromisoformat(headers["anthropic-ratelimit-requests-reset"]).timestamp()
        assert before + 1 < reset < time.time() + 3.1


def test_counts_of_what_was_sold(fresh):
    """The same body twice is bought twice, another is not; tokens are those of the answers; a cut answer is unsold."""
    fresh.change(fault=["truncate", "server_error"])
    bodies = [CHAT, CHAT, CHAT | {"stream": True}, CHAT | {"seed": 1}, CHAT | {"seed": 2}, CHAT]
    answers = [fresh.post("chat/completions", body)[0] for body in bodies]
    usage = [json.loads(text)["usage"] for status, _, text in answers if status == 200 and "usage" in text]
    seen = fresh.seen()
    counts = [seen[name] for name in ("requests", "admitted", "refused", "bought", "asked_twice", "bought_twice")]
    assert counts == [6, 5, 1, 4, 2, 1]
    assert seen["tokens"]["input"] == 4 * usage[0]["prompt_tokens"]
    assert seen["tokens"]["output"] == 4 * usage[0]["completion_tokens"]
    assert (sum(n for _, n in seen["histogram"]), seen["bodies"]) == (4, bodies)


def test_answers_nobody_waits_for(fresh):
    """An answer whose client has gone before it was there is neither sold nor an error."""
    fresh.change(latency=0.2)
    fresh.post("chat/completions", CHAT, timeout=0.1)
    time.sleep(0.3)
    seen = fresh.seen(brief=True)
    assert (seen["admitted"], seen["bought"], seen["abandoned"], seen["under_way"]) == (1, 0, 1, 0)


def test_memory_stays_bounded(fresh):
    """Only the last bodies are kept, all are counted."""
    fresh.post("chat/completions", CHAT, times=60)
    seen = fresh.seen()
    assert (seen["requests"], len(seen["bodies"]), len(seen["keys"])) == (60, 50, 50)


def test_it_ends_with_its_parent():
    """A server does not outlive the process that started it, even one that is killed."""
    code = (
        "from test_scripts.model_server import serving\nimport time\n"
        "with serving() as server: print(server.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
