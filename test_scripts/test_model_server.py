"""The loopback model server speaks the real wire formats: the official SDKs read it, and its counts can be trusted."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy

import anthropic
import openai
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from test_scripts.model_server import serving

pytestmark = pytest.mark.slow
"""Tests of what the tests stand on."""

HI = [{"role": "user", "content": "Hi there, twenty five."}]
CHAT = {"model": "m", "messages": HI}
RESPONSES = {"model": "m", "input": HI, "reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}
MESSAGES = {"model": "m", "messages": HI, "max_tokens": 2000, "thinking": {"type": "adaptive"}}
BODIES = {"chat/completions": CHAT, "responses": RESPONSES, "messages": MESSAGES}
PROBLEM = {"problem_id": "p", "problem": "Add one.", "solutions": ["def f(n): return n + 1"]}


async def called(server, dialect: str, body: dict, *, stream: bool = False):
    """What an SDK makes of an answer: its typed object."""
    given = {"api_key": "k", "max_retries": 0, "timeout": 10}
    if dialect == "messages":
        http = anthropic.DefaultAsyncHttpxClient(verify=False)  # spares reading all certificates for each call
        async with anthropic.AsyncAnthropic(base_url=server.root, http_client=http, **given) as client:
            if not stream:
                return await client.messages.create(**body)
            async with client.messages.stream(**body) as events:
                return await events.get_final_message()
    http = openai.DefaultAsyncHttpxClient(verify=False)
    async with openai.AsyncOpenAI(base_url=server.url, http_client=http, **given) as client:
        if dialect == "responses":
            if not stream:
                return await client.responses.create(**body)
            async with client.responses.stream(**body) as events:
                return [event async for event in events][-1].response  # get_final_response wants it `completed`
        if not stream:
            return await client.chat.completions.create(**body)
        state = ChatCompletionStreamState()  # its get_final_completion raises where an answer was cut or filtered
        async for chunk in await client.chat.completions.create(
            **body, stream=True, stream_options={"include_usage": True}
        ):
            state.handle_chunk(chunk)
        return state.current_completion_snapshot


def call(*arguments, **options):
    return asyncio.run(called(*arguments, **options))


def data_of(text: str) -> list[dict]:
    """The data of the events of a stream."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def without(value, *names):
    """A value without what an SDK adds and without ids."""
    if isinstance(value, dict):
        return {k: without(v, *names) for k, v in value.items() if k not in names and v is not None}
    return [without(v, *names) for v in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def rich():
    """A server whose answers have everything."""
    fields = ["reasoning_content", "reasoning"]
    with serving(reasoning_field=fields, extra_fields=True, redacted=True, cost=True, api_key=["k"]) as server:
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A server that knows one problem, and is told anew what to do by each test."""
    path = tmp_path_factory.mktemp("plain") / "p.jsonl"
    path.write_text(json.dumps(PROBLEM))
    with serving(problems=path, keep_bodies=50) as server:
        yield server


@pytest.fixture
def fresh(plain):
    """The plain server, with its counts at zero and its options as they were."""
    plain.change(reset=True)
    return plain


@pytest.mark.parametrize("dialect", BODIES)
def test_a_stream_says_the_same_as_a_whole_answer(rich, dialect):
    """The SDK reads both, and finds the same text, reasoning, extra fields, signatures, ends and counts in them."""
    whole, streamed = (call(rich, dialect, BODIES[dialect], stream=stream).to_dict() for stream in (False, True))
    assert without(whole, "id") == without(streamed, "id", "parsed")


@pytest.mark.parametrize(
    ("dialect", "kind", "event"),
    [("chat/completions", ChatCompletion, ChatCompletionChunk), ("responses", Response, ResponseStreamEvent),
     ("messages", Message, RawMessageStreamEvent)],
)  # fmt: skip
def test_every_field_is_of_its_type(rich, dialect, kind, event):
    """The SDK's types, checked strictly, accept the answer and every event; nothing that they require is missing."""
    body = BODIES[dialect] | ({"stream_options": {"include_usage": True}} if "chat" in dialect else {})
    ((_, _, whole),) = rich.post(dialect, body, Authorization="Bearer k")
    ((_, headers, stream),) = rich.post(dialect, body | {"stream": True}, Authorization="Bearer k")
    TypeAdapter(kind).validate_json(whole)
    for data in data_of(stream):
        if data.get("type") != "ping":
            TypeAdapter(event).validate_python(data)
    assert headers["content-type"].startswith("text/event-stream")
    names = [line[7:] for line in stream.splitlines() if line.startswith("event: ")]
    assert names == ([] if "chat" in dialect else [data["type"] for data in data_of(stream)])


def test_the_order_of_a_stream_of_chat(rich):
    """The role comes first, the end after all text, then the counts without a choice, then [DONE]."""
    body = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
    ((_, _, text),) = rich.post("chat/completions", body, Authorization="Bearer k")
    found = data_of(text)
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert (found[-2]["choices"][0]["finish_reason"], found[-1]["choices"]) == ("stop", [])
    assert found[-1]["usage"]["cost"] > 0
    assert text.endswith("data: [DONE]\n\n")
    ((_, _, text),) = rich.post("chat/completions", CHAT | {"stream": True}, Authorization="Bearer k")
    assert "usage" not in text


def texts(server, dialect: str, turns: int) -> list[str]:
    """The answers of a conversation that sends every answer back as it came."""
    key = "input" if dialect == "responses" else "messages"
    body, found = deepcopy(BODIES[dialect]) | {key: [{"role": "user", "content": "Add one. Please."}]}, []
    for _ in range(turns):
        answer = call(server, dialect, body)
        if dialect == "responses":
            found.append(answer.output_text)
            body[key] += [item.to_dict() for item in answer.output]
        elif dialect == "messages":
            found.append(answer.content[-1].text)
            body[key].append({"role": "assistant", "content": answer.to_dict()["content"]})
        else:
            found.append(answer.choices[0].message.content)
            body[key].append(answer.to_dict()["choices"][0]["message"])
        body[key].append({"role": "user", "content": "Not yet."})
    return found


def test_answers_depend_on_problem_and_turn_alone(fresh):
    """Every dialect gives the same answers, all different, wrong until the turn that was asked for."""
    fresh.change(solve_at_turn=2)
    one, two, three = (texts(fresh, dialect, 4) for dialect in BODIES)
    assert one == two == three
    assert ["n + 1" in text for text in one] == [False, False, True, True]
    assert len(set(one)) == 3


def alter(body: dict, how: str) -> dict:
    """A second turn's request with something done to the first answer's thinking."""
    body = deepcopy(body)
    blocks = body["messages"][1]["content"]
    if how == "thinking":
        blocks[0]["thinking"] += "."
    elif how == "signature":
        blocks[0]["signature"] = blocks[0]["signature"][:-8] + "AAAAAAA="
    elif how == "data":
        blocks[1]["data"] = "x"
    elif how == "order":
        blocks[0], blocks[1] = blocks[1], blocks[0]
    elif how == "one missing":
        del blocks[1]
    elif how == "all missing":
        del blocks[:2]
    elif how == "text only":
        body["messages"][1]["content"] = blocks[2]["text"]
    return body


ALTERED = "cannot be modified"


@pytest.mark.parametrize(
    ("how", "said"),
    [("nothing", None), ("thinking", ALTERED), ("signature", "Invalid `signature`"), ("data", "Invalid `data`"),
     ("order", ALTERED), ("one missing", ALTERED), ("all missing", "Expected `thinking`"),
     ("text only", "Expected `thinking`")],
)  # fmt: skip
def test_thinking_comes_back_as_it_was(rich, how, said):
    """Messages accepts its own thinking blocks unchanged, and refuses them altered, reordered or missing."""
    answer = call(rich, "messages", MESSAGES).to_dict()
    body = MESSAGES | {"messages": [*HI, {"role": "assistant", "content": answer["content"]}, *HI]}
    if said is None:
        assert call(rich, "messages", alter(body, how)).content[-1].text == "Hello."
    else:
        with pytest.raises(anthropic.BadRequestError, match=said):
            call(rich, "messages", alter(body, how))


@pytest.mark.parametrize(
    ("item", "change", "said"),
    [(0, {}, None), (0, {"encrypted_content": "x"}, "could not be decrypted"), (0, {"id": "rs_2"}, "item_id"),
     (0, {"summary": []}, "summary"), (0, None, "without its required 'reasoning'"), (1, None, "following item"),
     (0, {"encrypted_content": None}, "not found"), (1, {"content": HI[0]["content"]}, None)],
)  # fmt: skip
def test_reasoning_items_come_back_as_they_were(rich, item, change, said):
    """Responses accepts its own reasoning items unchanged, and refuses them altered, without id or half."""
    output = call(rich, "responses", RESPONSES).to_dict()["output"]
    output[item : item + 1] = [] if change is None else [output[item] | change]
    body = RESPONSES | {"input": [*HI, *output, *HI], "store": False}
    if said is None:
        assert call(rich, "responses", body).output_text == "Hello."
    else:
        with pytest.raises((openai.BadRequestError, openai.NotFoundError), match=said):
            call(rich, "responses", body)


def test_fields_of_chat_messages_come_back(fresh):
    """With --check-fields a chat message that lost a field beside its content is refused."""
    fresh.change(check_fields=True, reasoning_field=["reasoning_content"])
    assert len(texts(fresh, "chat/completions", 3)) == 3
    lost = CHAT | {"messages": [*HI, {"role": "assistant", "content": "Hello."}, *HI]}
    with pytest.raises(openai.BadRequestError, match="must be passed back"):
        call(fresh, "chat/completions", lost)


def test_prompt_caching_is_played_honestly(fresh):
    """What was marked once is read later, the rest is written or neither; without a mark nothing is cached."""
    mark = {"cache_control": {"type": "ephemeral"}}
    long = {"role": "user", "content": "x" * 400}
    first = MESSAGES | {"system": [{"type": "text", "text": "s" * 200, **mark}], "messages": [long]}
    del first["thinking"]
    second = first | mark
    third = second | {
        "messages": [long, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "y" * 40}]
    }
    counts = []
    for body in (first, second, third, MESSAGES):
        usage = call(fresh, "messages", body).usage
        counts.append((usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.input_tokens))
    assert counts == [(0, 50, 100), (50, 100, 0), (150, 11, 0), (0, 0, 5)]
    fresh.change(auto_cache=True)
    details = [call(fresh, "chat/completions", CHAT | {"messages": m}).usage for m in ([long], [long, *HI])]
    assert [(u.prompt_tokens, u.prompt_tokens_details.cached_tokens) for u in details] == [(100, 0), (105, 100)]


def test_answers_end_where_the_request_says(fresh):
    """Reasoning and text together keep to the limit of output tokens, and the answer says that it was cut."""
    found = call(fresh, "messages", MESSAGES | {"max_tokens": 16})
    assert (found.stop_reason, found.usage.output_tokens, found.content[-1].text) == ("max_tokens", 16, "Hell")
    cut = call(fresh, "responses", RESPONSES | {"max_output_tokens": 16}, stream=True)
    assert (cut.status, cut.incomplete_details.reason, cut.output_text) == ("incomplete", "max_output_tokens", "Hell")


ERRORS = [
    ("rate_limit", openai.RateLimitError, "rate_limit_exceeded", anthropic.RateLimitError, "rate_limit_error"),
    ("quota", openai.RateLimitError, "insufficient_quota", anthropic.BadRequestError, "invalid_request_error"),
    ("payment", openai.APIStatusError, "402", anthropic.PaymentRequiredError, "billing_error"),
    ("server_error", openai.InternalServerError, None, anthropic.InternalServerError, "api_error"),
    ("unavailable", openai.InternalServerError, None, anthropic.ServiceUnavailableError, "api_error"),
    ("overloaded", openai.InternalServerError, None, anthropic.OverloadedError, "overloaded_error"),
    ("auth", openai.AuthenticationError, "invalid_api_key", anthropic.AuthenticationError, "authentication_error"),
    ("not_found", openai.NotFoundError, "model_not_found", anthropic.NotFoundError, "not_found_error"),
    ("overflow", openai.BadRequestError, "context_length_exceeded", anthropic.BadRequestError, "invalid_request_error"),
]


@pytest.mark.parametrize(("fault", "one", "code", "other", "kind"), ERRORS)
def test_errors_are_those_of_the_services(fresh, fault, one, code, other, kind):
    """Every error becomes the SDK's class for it, with the code or type of the dialect, streaming or not."""
    fresh.change(fault=[fault], forever=True)
    for dialect, stream in (("chat/completions", False), ("chat/completions", True), ("responses", False)):
        with pytest.raises(one) as error:
            call(fresh, dialect, BODIES[dialect], stream=stream)
        assert error.value.code == code
    for stream in (False, True):
        with pytest.raises(other) as error:
            call(fresh, "messages", MESSAGES, stream=stream)
        assert error.value.type == kind
    assert (fresh.seen()["statuses"], fresh.seen()["refused"], fresh.seen()["bought"]) == ({fault: 5}, 5, 0)


REJECTED = [
    ("chat/completions", "max_tokens", 9, "parameter", "unsupported_parameter", "Use 'max_completion_tokens' instead"),
    ("chat/completions", "temperature", 0.2, "value", "unsupported_value", "does not support 0.2 with this model"),
    ("chat/completions", "top_p", 0.2, "unknown", "unknown_parameter", "Unknown parameter: 'top_p'"),
    ("responses", "reasoning.summary", None, "parameter", "unsupported_parameter", "'reasoning.summary'"),
    ("chat/completions", "messages.role", None, "groq", None, "'messages.0' : for 'role:assistant'"),
    ("messages", "thinking", None, "parameter", None, "`thinking` is not supported for this model"),
    ("messages", "thinking", None, "extra", None, "thinking: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("dialect", "name", "value", "style", "code", "said"), REJECTED)
def test_parameters_are_refused_by_name(fresh, dialect, name, value, style, code, said):
    """A parameter that the model doesn't know is a 400 that names it as the service does; without it all is well."""
    fresh.change(reject=[name], reject_style=style)
    body = BODIES[dialect] | ({name: value} if value else {})
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError), match=said) as error:
        call(fresh, dialect, body)
    if code:
        assert (error.value.code, error.value.param) == (code, name)
    fresh.change(reject=["top_k"])
    assert call(fresh, dialect, BODIES[dialect] | ({name: value} if value else {}))


@pytest.mark.parametrize(
    ("dialect", "body", "said"),
    [("messages", {"max_tokens": 9999}, "max_tokens: 9999 > 8192, which is the maximum allowed number of output"),
     ("messages", {"messages": [*HI, {"role": "assistant", "content": "```"}], "thinking": None}, "prefill"),
     ("messages", {"messages": [{"role": "system", "content": "x"}, *HI]}, "Unexpected role"),
     ("messages", {"messages": [*HI, {"role": "assistant", "content": []}, *HI]}, "non-empty content"),
     ("messages", {"seed": 7}, "seed: Extra inputs"),
     ("chat/completions", {"max_tokens": 9999}, "max_tokens is too large: 9999"),
     ("responses", {"max_output_tokens": 9}, "below minimum value"),
     ("responses", {"messages": HI}, "Unknown parameter: 'messages'")],
)  # fmt: skip
def test_requests_of_a_wrong_shape_are_refused(fresh, dialect, body, said):
    """What the real service refuses is refused here in its words."""
    fresh.change(max_output=8192)
    ((status, _, text),) = fresh.post(dialect, BODIES[dialect] | body)
    assert (status, said in json.loads(text)["error"]["message"]) == (400, True)
    assert fresh.seen()["admitted"] == 0


def test_strangers_and_the_required(fresh):
    """Messages needs max_tokens; a key and a model that the service doesn't know are refused, if it knows any."""
    fresh.change(known_model=["m"], api_key=["k"])
    bodies = {"model": "m", "messages": HI}, MESSAGES, MESSAGES | {"model": "x"}
    statuses = [fresh.post("messages", body, **{"x-api-key": key})[0][0] for body in bodies for key in ("k", "j")]
    assert statuses == [400, 401, 200, 401, 404, 401]


@pytest.mark.parametrize("dialect", ["chat/completions", "messages"])
def test_models_are_listed(fresh, dialect):
    """Both SDKs read the list of models."""
    fresh.change(known_model=["a", "b"])

    async def run():
        kind, url = (openai.AsyncOpenAI, fresh.url) if "chat" in dialect else (anthropic.AsyncAnthropic, fresh.root)
        async with kind(api_key="k", base_url=url) as client:
            return [model.id async for model in client.models.list()]

    assert asyncio.run(run()) == ["a", "b"]
