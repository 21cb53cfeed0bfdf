"""Three wire formats: what is sent, what is made of what comes back, and that a conversation goes on as it was."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pydantic
import pytest

from code_generation.jsonl import decode, encode
from code_generation.models import Message, Request, Sampling, Usage
from code_generation.providers.chat_dialect import DIALECT as CHAT_DIALECT
from code_generation.providers.dialect import Answer, Wire
from code_generation.providers.messages_dialect import DIALECT as MESSAGES_DIALECT
from code_generation.providers.messages_dialect import MAX_TOKENS
from code_generation.providers.responses_dialect import DIALECT as RESPONSES_DIALECT
from code_generation.providers.responses_dialect import REASONING
from code_generation.records import from_json_object, to_json_object
from test_scripts import dialect_bodies as bodies

EXAMPLES = [
    pytest.param(dialect, *example, id=f"{dialect.name} {name}")
    for dialect, table in (
        (CHAT_DIALECT, bodies.CHAT), (RESPONSES_DIALECT, bodies.RESPONSES), (MESSAGES_DIALECT, bodies.MESSAGES),
    )
    for name, example in table.items()
]  # fmt: skip
DIALECTS = [CHAT_DIALECT, RESPONSES_DIALECT, MESSAGES_DIALECT]
EVERY = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
OPENING = [Message(role="system", content="Be é."), Message(role="user", content="Hi")]


def request(*more: Message, sampling: Sampling | None = None, opening=OPENING, **fields) -> Request:
    return Request(messages=[*opening, *more], sampling=sampling or Sampling(), problem_id="p", **fields)


def body_of(dialect, *more: Message, stream=False, limit="max_completion_tokens", parameters=None, **fields) -> dict:
    wire = Wire(model="m", parameters=parameters or {}, max_tokens_name=limit, stream=stream)
    return dialect.build_body(request(*more, **fields), wire)


def read(dialect, body, **fields):
    return dialect.read(Answer(dialect=dialect.name, model="m", body=body, latency_s=1.5, **fields))


def talk_of(dialect, body: dict) -> list:
    return body["input" if dialect is RESPONSES_DIALECT else "messages"]


def drained(value):
    """Run through what pydantic checks lazily."""
    if isinstance(value, dict):
        return {k: drained(v) for k, v in value.items()}
    return [drained(v) for v in value] if isinstance(value, Iterable) and not isinstance(value, str) else value


@pytest.fixture(scope="module")
def shapes():
    """(answer, event, request) as the SDKs know them, by dialect."""
    from anthropic.types import Message as Whole
    from anthropic.types import RawMessageStreamEvent
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
    from openai.types.chat import ChatCompletion, ChatCompletionChunk
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
    from openai.types.responses import Response, ResponseStreamEvent
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    types = {
        "chat": (ChatCompletion, ChatCompletionChunk, CompletionCreateParamsNonStreaming),
        "responses": (Response, ResponseStreamEvent, ResponseCreateParamsNonStreaming),
        "messages": (Whole, RawMessageStreamEvent, MessageCreateParamsNonStreaming),
    }
    return {name: tuple(pydantic.TypeAdapter(t) for t in three) for name, three in types.items()}


@pytest.mark.parametrize(("dialect", "body", "said", "refusal", "kept"), EXAMPLES)
def test_the_examples_are_genuine(shapes, dialect, body, said, refusal, kept):
    """The SDKs' own types take these answers, their streams and the next request (parts of text apart, which OpenAI's
    types know in requests only).
    """
    whole, event, asked = shapes[dialect.name]
    if not isinstance(body.get("choices", [{}])[0].get("message", {}).get("content"), list):
        whole.validate_python(body)
        for name, data in bodies.stream(dialect.name, body):
            if name != "ping" and data != "[DONE]":
                event.validate_json(data)
    following = body_of(dialect, read(dialect, body).message, Message(role="user", content="Again."))
    drained(asked.validate_python(following))


@pytest.mark.parametrize(("dialect", "body", "said", "refusal", "kept"), EXAMPLES)
def test_an_answer_is_read_whole(dialect, body, said, refusal, kept):
    """Text, refusal with its category, reason, model and all counts; blocks where the text is not all there is."""
    got = read(dialect, body, changed={"temperature": "not sent"})
    usage = Usage(
        input_tokens=1100, output_tokens=60, cached_input_tokens=1024, cache_write_tokens=70, reasoning_tokens=40
    )
    choice = body.get("choices", [{}])[0]
    cut = (body.get("incomplete_details") or {}).get("reason")
    assert (got.text, got.refusal, got.blocks is not None) == (said, refusal, kept)
    assert got.finish_reason == (choice.get("finish_reason") or body.get("stop_reason") or cut or body["status"])
    assert (got.model, got.usage, got.cost_usd, got.latency_s) == ("m-2026", usage, None, 1.5)
    assert got.changed == {"temperature": "not sent"}
    assert dialect.is_answer(body)
    assert dialect.tokens_of(body) == (136 if dialect is MESSAGES_DIALECT else 1160)


@pytest.mark.parametrize(("dialect", "body", "said", "refusal", "kept"), EXAMPLES)
def test_a_conversation_goes_on_with_what_was_said(dialect, body, said, refusal, kept):
    """Through a row on disk and back, each block goes out as it came in; only what services refuse is left out."""
    message = read(dialect, decode(encode(body))).message
    kept_message = from_json_object(decode(encode(to_json_object(message))), Message)
    assert kept_message == message
    sent = talk_of(dialect, body_of(dialect, kept_message, Message(role="user", content="Again.")))
    assert json.dumps(sent[-1]).count("Again.") == 1
    sent = sent[(1 if dialect is MESSAGES_DIALECT else 2) : -1]
    if dialect is CHAT_DIALECT:
        raw = body["choices"][0]["message"]
        expected = [{"role": "assistant", "content": "", **{k: v for k, v in raw.items() if v is not None and v != []}}]
    elif dialect is RESPONSES_DIALECT:
        expected = body["output"] if said or (refusal and kept) else [{"role": "assistant", "content": "(no answer)"}]
    else:
        nothing = [{"type": "text", "text": "(no answer)"}]
        expected = [{"role": "assistant", "content": body["content"] if said else nothing}]
    assert sent == expected
    if kept and said:
        assert [encode(v) for v in sent] == [encode(v) for v in expected]


@EVERY
def test_only_what_was_asked_for_is_sent(dialect):
    """A bare question holds model and messages, and what each format can't do without."""
    system, user = {"role": "system", "content": "Be é."}, {"role": "user", "content": "Hi"}
    expected = {
        "chat": {"model": "m", "messages": [system, user]},
        "responses": {
            "model": "m",
            "input": [system, user],
            "store": False,
            "include": ["reasoning.encrypted_content"],
        },
        "messages": {"model": "m", "system": "Be é.", "messages": [user], "max_tokens": MAX_TOKENS},
    }[dialect.name]
    assert body_of(dialect, last_turn=True) == expected
    more = {"stream": True} | ({"stream_options": {"include_usage": True}} if dialect is CHAT_DIALECT else {})
    assert body_of(dialect, last_turn=True, stream=True) == expected | more


ASKED = Sampling(temperature=0.5, top_p=0.9, max_tokens=9, seed=7, reasoning_effort="low", thinking_tokens=2000)
TOLD = {
    "chat": {"temperature": 0.5, "top_p": 0.9, "seed": 7, "max_completion_tokens": 9, "reasoning_effort": "low"},
    "responses": {"temperature": 0.5, "top_p": 0.9, "max_output_tokens": 9, "reasoning": {"effort": "low"}},
    "messages": {
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "output_config": {"effort": "low"},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    },
}  # fmt: skip


@EVERY
def test_parameters_have_the_names_of_the_format(dialect):
    """Each is sent under its name there, and stands in `unsupported` where it has none."""
    plain, told = body_of(dialect, last_turn=True), body_of(dialect, last_turn=True, sampling=ASKED)
    assert {k: v for k, v in told.items() if k not in plain or plain[k] != v} == TOLD[dialect.name]
    for name in dialect.unsupported:
        assert body_of(dialect, sampling=Sampling(**{name: 2000})) == body_of(dialect)


@pytest.mark.parametrize(
    ("dialect", "parameters", "sampling", "expected"),
    [
        (CHAT_DIALECT, {"max_tokens": 5, "top_k": 3, "n": 2}, {}, {"max_tokens": 5, "top_k": 3, "n": 2}),
        (CHAT_DIALECT, {"max_tokens": 5, "seed": 1}, {"max_tokens": 9, "seed": 0}, {"limit": 9, "seed": 0}),
        (CHAT_DIALECT, {"stream": True, "stream_options": {"x": 1}}, {}, {}),
        (RESPONSES_DIALECT, {"include": ["x"], "store": True}, {}, {"include": ["x", REASONING], "store": True}),
        (RESPONSES_DIALECT, {"reasoning": {"summary": "auto", "effort": "high"}}, {"reasoning_effort": "none"},
         {"reasoning": {"summary": "auto", "effort": "none"}}),
        (MESSAGES_DIALECT, {"max_tokens": 5}, {}, {"max_tokens": 5}),
        (MESSAGES_DIALECT, {}, {"reasoning_effort": "max"},
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        (MESSAGES_DIALECT, {"output_config": {"format": {}}, "thinking": {"type": "adaptive", "display": "omitted"}},
         {"reasoning_effort": "low"},
         {"output_config": {"format": {}, "effort": "low"}, "thinking": {"type": "adaptive", "display": "omitted"}}),
        (MESSAGES_DIALECT, {"thinking": {"type": "adaptive"}}, {"reasoning_effort": "none"},
         {"thinking": {"type": "disabled"}}),
        (MESSAGES_DIALECT, {}, {"thinking_tokens": 5000},
         {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": MAX_TOKENS + 5000}),
        (MESSAGES_DIALECT, {"thinking": {"type": "enabled", "budget_tokens": 5000}}, {},
         {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": MAX_TOKENS + 5000}),
    ],
)  # fmt: skip
def test_flags_win_over_the_registry(dialect, parameters, sampling, expected):
    """What a registry file says is sent as it is; a flag replaces it, or the part of it that it means."""
    got = body_of(dialect, limit="limit", parameters=parameters, sampling=Sampling(**sampling), last_turn=True)
    bare = body_of(dialect, last_turn=True)
    assert {k: v for k, v in got.items() if k not in bare or bare[k] != v} == expected


ANSWER, AGAIN = Message(role="assistant", content="Hello."), Message(role="user", content="Again.")


@pytest.mark.parametrize(
    ("turns", "last", "parameters", "marked"),
    [
        (0, True, {}, []),
        (0, False, {}, [0]),
        (1, False, {}, [0, 2]),
        (3, False, {}, [4, 6]),
        (1, True, {}, [0]),
        (3, True, {}, [4]),
        (3, False, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, []),
        (3, False, {"cache_control": False}, []),
    ],
)
def test_what_the_next_turn_reads_is_cached(turns, last, parameters, marked):
    """A turn is told to read up to the user message before and to write up to its own, unless nothing follows; a
    single question writes nothing; the user's own word wins.
    """
    body = body_of(MESSAGES_DIALECT, *[ANSWER, AGAIN] * turns, turn=turns, last_turn=last, parameters=parameters)
    found = [i for i, m in enumerate(body["messages"]) if "cache_control" in json.dumps(m)]
    assert found == marked
    assert body.get("cache_control") == (parameters.get("cache_control") or None)
    plain = body_of(MESSAGES_DIALECT, *[ANSWER, AGAIN] * turns, parameters={"cache_control": False})["messages"]
    for place in marked:
        (block,) = body["messages"][place]["content"]
        assert block == {"type": "text", "text": plain[place]["content"], "cache_control": {"type": "ephemeral"}}


@EVERY
def test_blocks_of_another_format_are_left_at_home(dialect):
    """A conversation that another format began goes on with the texts of its answers."""
    for other, table in (("chat", bodies.CHAT), ("responses", bodies.RESPONSES), ("messages", bodies.MESSAGES)):
        for body, *_ in table.values():
            if other != dialect.name:
                message = read(next(d for d in DIALECTS if d.name == other), body).message
                plain = Message(role="assistant", content=message.content)
                assert body_of(dialect, message) == body_of(dialect, plain)


@EVERY
def test_half_a_surrogate_pair_does_not_break_the_wire(dialect):
    """Texts and blocks that hold one are sent with a mark in its place, and whole pairs as the character they are."""
    text = "a\ud800b\ud83d\ude00é"
    table = {"chat": bodies.chat({"content": [{"type": "text", "text": text}]}), "messages": bodies.messages([
        {"type": "text", "text": text}, bodies.TEXT]), "responses": bodies.responses([bodies.said(text)])}  # fmt: skip
    answer = read(dialect, table[dialect.name])
    user = Message(role="user", content=text)
    sent = json.dumps(body_of(dialect, answer.message, user, opening=[Message(role="system", content=text), user]))
    data = json.dumps(decode(sent), ensure_ascii=False).encode("utf-8")
    assert data.decode().count("a\ufffdb\U0001f600é") == 4


@EVERY
def test_an_answer_without_text_can_be_answered(dialect):
    """Blank text, no text and no block at all give a message that the service takes."""
    for blocks in (
        None,
        [],
        [{"type": "text", "text": " \n"}],
        [{"type": "thinking", "thinking": "x", "signature": ""}],
    ):
        sent = talk_of(dialect, body_of(dialect, Message(role="assistant", content="", blocks=blocks), AGAIN))[-2]
        content = sent["content"] if isinstance(sent["content"], str) else sent["content"][0]["text"]
        assert content == ("" if dialect is CHAT_DIALECT else "(no answer)")


def test_reasoning_that_led_nowhere_is_not_sent():
    """OpenAI refuses a reasoning item without the item that it led to; Anthropic a thinking block at the end."""
    output = [bodies.thought(), bodies.said("a", status="incomplete"), bodies.thought(id="rs_2")]
    sent = body_of(RESPONSES_DIALECT, read(RESPONSES_DIALECT, bodies.responses(output)).message)["input"][2:]
    assert sent == output[:2]
    only = read(MESSAGES_DIALECT, bodies.messages([bodies.THINKING])).message
    assert body_of(MESSAGES_DIALECT, only)["messages"][1]["content"] == [
        bodies.THINKING, {"type": "text", "text": "(no answer)"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 17}, Usage(input_tokens=5, output_tokens=12)),
        ({"prompt_tokens": 5, "prompt_cache_hit_tokens": 3}, Usage(input_tokens=5, cached_input_tokens=3)),
        ({"prompt_tokens": "5", "completion_tokens": -1, "total_tokens": True}, Usage()),
        (None, Usage()),
    ],
)
def test_counts_of_compatible_services(usage, expected):
    """Thinking that is only in the total counts as written; caches go by several names; nonsense is unknown."""
    assert read(CHAT_DIALECT, bodies.chat({"content": ""}, usage=usage)).usage == expected


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0}, 0.0),
        ({"cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 1}}, 1.25),
        ({"cost": {"total_cost": 0.5}}, 0.5),
        ({"cost": "0.25"}, None),
        ({"cost": True}, None),
        ({"cost": float("nan")}, None),
        ({"cost": 10**400}, None),
        ({}, None),
    ],
)
@EVERY
def test_what_the_service_charges_is_believed(dialect, usage, cost):
    """A cost that the answer states is taken; anything else is unknown, never 0."""
    assert read(dialect, {"usage": usage}).cost_usd == cost
