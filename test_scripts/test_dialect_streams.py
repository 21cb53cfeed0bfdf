"""Streams of three wire formats: what is put together, what breaks off, and that nothing a service says is a crash."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_generation.errors import AuthFailed, ContextOverflow, Overloaded, ProviderError, RateLimited, RequestRejected
from code_generation.jsonl import encode
from code_generation.models import Completion, Request, Sampling
from code_generation.providers.chat_dialect import DIALECT as CHAT
from code_generation.providers.dialect import Answer, Wire
from code_generation.providers.faults import refusal_of, status_inside, translate
from code_generation.providers.messages_dialect import DIALECT as MESSAGES
from code_generation.providers.responses_dialect import DIALECT as RESPONSES
from test_scripts import dialect_bodies as bodies

TABLES = {"chat": bodies.CHAT, "responses": bodies.RESPONSES, "messages": bodies.MESSAGES}
DIALECTS = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}
EXAMPLES = [pytest.param(DIALECTS[d], t[n][0], id=f"{d} {n}") for d, t in TABLES.items() for n in t]


def put_together(dialect, events, *, ended=True):
    """The object that events make; each is text or will be."""
    made = dialect.open_events()
    for name, data in events:
        assert not made.ended
        made.add(name, data if isinstance(data, str) else json.dumps(data))
    assert made.ended is ended
    return made.body()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("dialect", "body"), EXAMPLES)
def test_a_stream_gives_the_same_object(dialect, body, named):
    """What is put together from events is what would have come at once, whether or not events are named."""
    events = bodies.stream(dialect.name, copy.deepcopy(body))
    assert put_together(dialect, [(name if named else "", data) for name, data in events]) == body


@pytest.mark.parametrize(("dialect", "body"), EXAMPLES)
def test_without_its_end_a_stream_is_not_over(dialect, body):
    """All events but the terminal one, pings and comments of gateways included, leave it open."""
    put_together(dialect, bodies.stream(dialect.name, body)[:-1], ended=False)


def delta(**fields) -> tuple[str, dict]:
    return "", {"choices": [{"index": 0, "delta": fields}]}


def thinking(text: str) -> list[dict]:
    return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]


@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        ([{"content": "a"}, {"content": None}, {"content": "b"}], {"content": "ab"}),
        ([{"role": "assistant"}, {"role": "assistant"}, {"role": ""}], {"role": "assistant"}),
        ([{"content": ""}, {"content": thinking("a")}, {"content": thinking("b")}, {"content": "c"}],
         {"content": [*thinking("ab"), {"type": "text", "text": "c"}]}),
        ([{"content": "a"}, {"content": [{"type": "text", "text": "b"}]}],
         {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
        ([{"x": 1}, {"x": 2}, {"y": True}, {"y": None}], {"x": 2, "y": True}),
        ([{"x": [1]}, {"x": [2, {"a": "b"}]}], {"x": [1, 2, {"a": "b"}]}),
        ([{"x": {"a": "b"}}, {"x": {"a": "b"}}], {"x": {"a": "b"}}),
        ([{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
                          {"index": 1, "id": "b", "function": {"name": "g", "arguments": "1"}}]},
          {"tool_calls": [{"index": 0, "id": None, "function": {"arguments": "{"}}]},
          {"tool_calls": [{"index": 1, "function": {"arguments": "2"}}]}],
         {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}},
                         {"id": "b", "function": {"name": "g", "arguments": "12"}}]}),
    ],
)  # fmt: skip
def test_fragments_of_a_message_grow_together(deltas, message):
    """Texts and lists grow, calls by their index, what repeats itself stays; nothing that came is lost."""
    got = put_together(CHAT, [*(delta(**d) for d in deltas), ("", "[DONE]")])
    assert got["choices"][0]["message"] == message


def test_services_stream_chat_in_their_own_ways():
    """Empty first chunks, other choices, counts in each chunk, whole messages and probabilities are understood."""
    choice = {"index": 0, "finish_reason": None, "logprobs": {"content": [{"token": "a"}]}}
    got = put_together(CHAT, [
        ("", {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        ("", {"id": "1", "model": "m", "choices": [choice | {"delta": {"content": "a"}}], "usage": {"x": 1}}),
        ("", {"id": "1", "choices": [{"index": 1, "delta": {"content": "other"}}, choice | {"delta": None}]}),
        ("", {"id": "1", "model": "", "choices": [{"delta": {}, "finish_reason": "stop"}], "usage": None}),
        ("", "[DONE]"),
    ])  # fmt: skip
    assert (got["id"], got["model"], got["usage"], "prompt_filter_results" in got) == (
        "1",
        "m",
        {"x": 1},
        True,
    )
    assert got["choices"] == [{
        "index": 0, "finish_reason": "stop", "logprobs": {"content": [{"token": "a"}] * 2},
        "message": {"content": "a"},
    }]  # fmt: skip
    whole = {"index": 0, "message": {"role": "assistant", "content": "All."}, "finish_reason": "stop"}
    assert put_together(CHAT, [("", {"choices": [whole]}), ("", "[DONE]")])["choices"] == [whole]


def test_what_the_last_event_of_a_response_lacks_is_put_in():
    """Items that the final object leaves out, and the encrypted part of reasoning, come from the items themselves."""
    items = [bodies.thought(), bodies.said("a")]
    done = [("", {"type": "response.output_item.done", "output_index": n, "item": i}) for n, i in enumerate(items)]
    for output in ([], items[:1], None, [bodies.thought(encrypted_content=None), items[1]]):
        end = ("response.completed", {"response": bodies.responses(items) | {"output": output}})
        assert put_together(RESPONSES, [*reversed(done), end])["output"] == items


def test_anthropic_counts_at_the_end():
    """Counts of the end replace those of the start; what it leaves out or says null of stays."""
    start = {"type": "message", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1, "service_tier": "x"}}
    got = put_together(MESSAGES, [
        ("message_start", {"message": start}),
        ("content_block_start", {"index": 0, "content_block": {"type": "tool_use", "input": {}}}),
        ("content_block_delta", {"index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"cut'}}),
        ("content_block_start", {"index": 1, "content_block": {"type": "new", "content": "a"}}),
        ("content_block_delta", {"index": 1, "delta": {"type": "new_delta", "content": "b", "more": 1}}),
        ("new_event", {"x": 1}),
        ("message_delta", {"delta": {"stop_reason": "x"}, "usage": {"output_tokens": 9, "input_tokens": None}}),
        ("message_stop", {}),
    ])  # fmt: skip
    assert got["usage"] == {"input_tokens": 5, "output_tokens": 9, "service_tier": "x"}
    assert got["content"] == [{"type": "tool_use", "input": '{"cut'}, {"type": "new", "content": "ab", "more": 1}]


def failed(**error) -> dict:
    return {"type": "response.failed", "response": {"status": "failed", "error": error or None}}


@pytest.mark.parametrize(
    ("dialect", "name", "data", "kind", "said"),
    [
        (CHAT, "", {"error": {"message": "Slow down", "code": 429}}, RateLimited, "Slow down"),
        (CHAT, "", {"error": {"message": "x", "type": "requests", "code": "rate_limit_exceeded"}}, RateLimited, "x"),
        (CHAT, "", {"error": {"code": 502, "message": "Gone"}, "choices": [{"finish_reason": "error"}]}, None, "Gone"),
        (CHAT, "", {"object": "error", "message": "OOM", "code": 500}, None, "OOM"),
        (CHAT, "error", {"message": "Bad"}, None, "Bad"),
        (CHAT, "", {"error": "Worse"}, None, "Worse"),
        (CHAT, "", {"error": {"message": "You exceeded", "code": "insufficient_quota"}}, AuthFailed, "You exceeded"),
        (CHAT, "", {"error": {"message": "No such tool", "code": 400}}, RequestRejected, "No such tool"),
        (CHAT, "", {"choices": [{"error": {"code": 529, "message": "Full"}}]}, Overloaded, "Full"),
        (RESPONSES, "error", {"type": "error", "code": "server_error", "message": "Oh", "param": None}, None, "Oh"),
        (RESPONSES, "error", {"type": "error", "error": {"code": "rate_limit", "message": "y"}}, RateLimited, "y"),
        (RESPONSES, "", {"error": {"message": "Bare"}}, None, "Bare"),
        (RESPONSES, "response.failed", failed(), None, "failed"),
        (RESPONSES, "", failed(code="invalid_image", message="z"), RequestRejected, "z"),
        (RESPONSES, "", failed(code="context_length_exceeded"), ContextOverflow, "context"),
        (MESSAGES, "error", {"error": {"type": "overloaded_error", "message": "Overloaded"}}, Overloaded, "Overloaded"),
        (MESSAGES, "", {"type": "error", "error": {"type": "rate_limit_error", "message": "w"}}, RateLimited, "w"),
        (MESSAGES, "error", {"type": "error", "error": {"type": "api_error", "message": "v" * 999}}, None, "vvv..."),
        (MESSAGES, "error", {"type": "error", "error": None}, None, ""),
        (MESSAGES, "", {"error": {"message": "Bare"}}, None, "Bare"),
    ],
)  # fmt: skip
def test_an_error_within_a_stream_ends_it(dialect, name, data, kind, said):
    """What is put together is the error then, be it at the start or after half an answer: it is no answer, says what it
    is in the service's own words, and may have been billed.
    """
    for before in ([], bodies.stream(dialect.name, TABLES[dialect.name]["plain"][0])[:4]):
        body = put_together(dialect, [*before, (name, data)])
        assert body.keys() == {"error"} and not dialect.is_answer(body)
        error = translate(status_inside(body), body, {}, address="a", model="m", begun=True)
        assert type(error) is (kind or ProviderError)
        assert said in str(error) and len(str(error)) < 500 and not error.unbilled
        if kind is None:
            assert (error.kind, error.retryable) == ("server_error", True)


@pytest.mark.parametrize(
    ("dialect", "name", "data", "category"),
    [
        (CHAT, "", {"error": {"message": "Your input was flagged", "code": 403}}, "content_filter"),
        (CHAT, "", {"error": {"message": "It was filtered.", "code": "content_filter"}}, "content_filter"),
        (CHAT, "", {"choices": [{"delta": {}, "error": {"code": 400, "message": "Your output was flagged"}}]},
         "content_filter"),
        (CHAT, "", {"error": {"message": "Output data may contain inappropriate content.",
                              "code": "data_inspection_failed"}}, "data_inspection_failed"),
        (RESPONSES, "", failed(code="invalid_prompt", message="z"), "invalid_prompt"),
        (RESPONSES, "error", {"type": "error", "code": "content_policy_violation", "message": "z"},
         "content_policy_violation"),
        (MESSAGES, "error", {"type": "error", "error": {"type": "invalid_request_error", "message":
                             "Output blocked by content filtering policy"}}, "content_filter"),
        (MESSAGES, "error", {"type": "error", "error": {"type": "api_error", "message":
                             "Output blocked by content filtering policy"}}, "content_filter"),
    ],
)  # fmt: skip
def test_a_refusal_within_a_stream_is_told_from_errors(dialect, name, data, category):
    """By its category; it reads as a refusal without text."""
    body = put_together(dialect, [(name, data)])
    status = status_inside(body)
    assert refusal_of(status, body) == category
    got = dialect.read(Answer(dialect=dialect.name, model="m", body=body, latency_s=1, status=status))
    assert (got.text, got.refusal, got.finish_reason) == ("", category, "content_filter")


@pytest.mark.parametrize("data", ["", "{", "[1]", '"x"', "null", "<html>", '{"a": 1} x', "[" * 10**5])
@pytest.mark.parametrize(
    ("dialect", "name"), [(CHAT, ""), (RESPONSES, "response.completed"), (MESSAGES, "message_stop")]
)
def test_an_event_that_is_no_object_is_garbled(dialect, name, data):
    """It is an error of the transport, which asking again may heal."""
    with pytest.raises(ProviderError) as error:
        dialect.open_events().add(name, data)
    assert (error.value.kind, error.value.retryable) == ("garbled", True)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"error": {"code": "content_filter", "message": "Filtered."}}, "content_filter"),
        ({"code": "content_policy_violation", "message": "Filtered."}, "content_policy_violation"),
        ({"error": {"code": "invalid_request_error", "message": "Content Exists Risk"}}, "content_filter"),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "Output blocked"}}, "content_filter"),
        ("Blocked", "content_filter"),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS.values())
def test_a_refusal_by_an_error_is_an_answer(dialect, body, refusal):
    """No text, no tokens, and the code of the error as its category."""
    got = dialect.read(Answer(dialect=dialect.name, model="m", body=body, latency_s=1, status=400))
    assert (got.text, got.refusal, got.finish_reason, got.model) == ("", refusal, "content_filter", "m")
    assert (got.usage.input_tokens, got.cost_usd, got.blocks) == (None, None, None)


NO_ANSWERS = [None, [], "x", {}, {"error": {"message": "x"}}, {"choices": []}, {"choices": [{"delta": {}}]},
    {"choices": [{"message": {"content": ""}, "error": {"code": 502}}]}, {"choices": {"0": {}}}, {"output": []},
    {"output": [], "status": "failed"}, {"output": None, "status": "completed"}, {"content": []},
    {"content": "x", "type": "message"}, {"type": "error", "error": {}}]  # fmt: skip


@pytest.mark.parametrize("body", NO_ANSWERS)
@pytest.mark.parametrize("dialect", DIALECTS.values())
def test_what_is_no_answer_is_none(dialect, body):
    """Errors with status 200, half objects and those of another format are not taken for answers."""
    assert not dialect.is_answer(body)
    assert dialect.tokens_of(body) is None


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=5), st.just(10**400),
    st.just([]), st.just({}), st.just("\ud800"),
)  # fmt: skip
JUNK = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@st.composite
def mutated(draw, value):
    """A value some of whose parts are gone or something else."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 4))):
        place = value
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
            if draw(st.booleans()) and isinstance(place[key], dict | list) and place[key]:
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = draw(JUNK)
            else:
                del place[key]
            break
    return value


NAMED = st.sampled_from([(name, key) for name, table in TABLES.items() for key in table])


@given(NAMED.flatmap(lambda n: st.tuples(st.just(DIALECTS[n[0]]), mutated(TABLES[n[0]][n[1]][0]))))
def test_reading_never_raises(drawn):
    """Whatever is missing or odd in an answer is unknown; what was read can be kept and answered."""
    dialect, body = drawn
    for status in (200, 400):
        got = dialect.read(Answer(dialect=dialect.name, model="m", body=body, latency_s=1, status=status))
        assert type(got) is Completion
        assert type(got.text) is str
        assert isinstance(got.finish_reason, str | None)
        assert isinstance(got.refusal, str | None)
        counts = [getattr(got.usage, f) for f in got.usage.__struct_fields__ if f != "extra"]
        assert all(type(c) in {int, type(None)} for c in counts)
        sent = dialect.build_body(
            Request(messages=[got.message], sampling=Sampling(), problem_id="p"), Wire(model="m", stream=True)
        )
        json.dumps(sent, ensure_ascii=False).encode()
        encode(sent)
    assert dialect.is_answer(body) in {True, False}
    assert type(dialect.tokens_of(body)) in {int, type(None)}


@given(
    NAMED.flatmap(
        lambda n: st.tuples(
            st.just(DIALECTS[n[0]]),
            mutated([list(e) for e in bodies.stream(n[0], TABLES[n[0]][n[1]][0])]),
            st.lists(st.tuples(st.integers(0, 40), JUNK), max_size=3),
        )
    ),
    st.data(),
)
def test_odd_streams_are_errors_of_ours_or_answers(drawn, data):
    """Events that are missing, doubled, odd or out of order never end in anything but a `ProviderError`."""
    dialect, events, _ = drawn
    made = dialect.open_events()
    for event in events:
        if not isinstance(event, list) or len(event) != 2 or not all(isinstance(e, str) for e in event):
            continue
        name, text = event
        if text[:1] == "{" and data.draw(st.integers(0, 5)) == 0:
            text = encode(data.draw(mutated(json.loads(text))))
        try:
            made.add(name, text)
        except ProviderError:
            return
    dialect.read(Answer(dialect=dialect.name, model="m", body=made.body(), latency_s=1))


def test_formats_need_no_sdk():
    """They are pure: importing all of them imports neither SDK, nor what speaks HTTP."""
    names = ["sse", "reading", "chat_dialect", "responses_dialect", "messages_dialect"]
    lines = [f"import code_generation.providers.{name}" for name in names]
    check = "import sys; assert not {'openai', 'anthropic', 'aiohttp', 'httpx2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", "; ".join([*lines, check])], check=True)
