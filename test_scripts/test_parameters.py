"""What is learnt from a 400 that names a parameter, by the words in which services put it."""

from __future__ import annotations

import json

import pytest

from code_generation.errors import RequestRejected
from code_generation.providers.faults import translate
from code_generation.providers.parameters import Parameters, names_in

CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "S", "cache_control": {"type": "ephemeral"}},
        {"role": "user", "content": [{"type": "text", "text": "Q", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": "A", "reasoning_content": "why", "reasoning": "why", "annotations": []},
        {"role": "user", "content": "Q2", "name": "n"},
        {"role": "assistant", "content": [{"type": "text", "text": "B", "annotations": []}], "reasoning_content": "w"},
    ],
    "temperature": 0.7, "top_p": 0.9, "seed": 7, "max_completion_tokens": 100_000, "reasoning_effort": "high",
    "stream": True, "stream_options": {"include_usage": True}, "safePrompt": True, "top_k": 5, "store": False,
}  # fmt: skip
RESPONSES = {
    "model": "m",
    "input": [
        {"role": "user", "content": "Q"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x", "status": None},
        {"type": "message", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "A", "annotations": [], "logprobs": []}]},
    ],
    "reasoning": {"effort": "high", "summary": "auto"}, "text": {"verbosity": "low"}, "max_output_tokens": 200_000,
    "include": ["reasoning.encrypted_content"], "store": False, "temperature": 0.7,
}  # fmt: skip
MESSAGES = {
    "model": "m",
    "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Q", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "why", "signature": "s", "extra": 1}]},
    ],
    "max_tokens": 200_000, "temperature": 0.7, "top_p": 0.9, "top_k": 5,
    "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "summarized"}, "output_config": {"effort": "max"},
}  # fmt: skip
NEEDED = {id(MESSAGES): ("max_tokens",)}
NO = "not sent"


def said(message, param=None, code=None):
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def extra(*loc, said="Extra inputs are not permitted"):
    return [{"type": "extra_forbidden", "loc": ["body", *loc], "msg": said, "input": 1}]


GROQ = "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : {})]"
LIMIT = "max_completion_tokens"
LEARNT = [
    # body, what the service said, name, what becomes of it
    (CHAT, said("Unsupported parameter: 'max_completion_tokens' is not supported with this model. Use 'max_tokens' "
                "instead.", LIMIT, "unsupported_parameter"), LIMIT, "sent as max_tokens"),
    (CHAT, said("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is "
                "supported.", "temperature", "unsupported_value"), "temperature", NO),
    (CHAT, said("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is "
                "supported."), "temperature", NO),
    (CHAT, said("Unrecognized request argument supplied: reasoning_effort"), "reasoning_effort", NO),
    (CHAT, said("Unknown parameter: 'top_k'.", "top_k", "unknown_parameter"), "top_k", NO),
    (CHAT, said("Your organization must be verified to stream this model.", "stream"), "stream", NO),
    (CHAT, said("max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you "
                "provided 100000.", "max_tokens"), LIMIT, "sent as 16384"),
    (CHAT, {"code": "x", "error": "Model grok-4 does not support parameter reasoningEffort."}, "reasoning_effort", NO),
    (CHAT, {"code": "x", "error": "Argument not supported on this model: topP"}, "top_p", NO),
    (CHAT, {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), "
            "'msg': 'Extra inputs are not permitted', 'input': 800}]", "code": 400}, LIMIT, "sent as max_tokens"),
    (CHAT, {"object": "error", "message": {"detail": extra("seed")}, "param": None}, "seed", NO),
    (CHAT, {"object": "error", "message": json.dumps({"detail": extra("stream_options")})}, "stream_options", NO),
    (CHAT, {"object": "Error", "detail": extra("safePrompt"), "message": extra("safePrompt")}, "safePrompt", NO),
    (CHAT, {"detail": extra("messages", 2, "assistant", "reasoning_content")}, "messages.reasoning_content", NO),
    (CHAT, said(GROQ.format("property 'reasoning_content' is unsupported")), "messages.reasoning_content", NO),
    (CHAT, said(GROQ.format("property 'reasoning' is unsupported")), "messages.reasoning", NO),
    (CHAT, said("property 'reasoning_effort' is unsupported"), "reasoning_effort", NO),
    (CHAT, said("reasoning_effort is not supported with this model"), "reasoning_effort", NO),
    (CHAT, {"message": "messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is "
            "unsupported", "param": "validation_error", "code": "wrong_api_format"}, "messages.reasoning_content", NO),
    (CHAT, said("Error from provider: Extra inputs are not permitted, field: 'messages[2].reasoning', value: 'it "
                "must be less than 5, so invalid value'"), "messages.reasoning", NO),
    (CHAT, [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find it.\n'
             'Invalid JSON payload received. Unknown name "top_k": Cannot find field.'}}], "seed", NO),
    (CHAT, said("Failed to deserialize the JSON body: unknown field `top_k`, expected one of `a`, `b` at line 1"),
     "top_k", NO),
    (CHAT, said("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
     LIMIT, "sent as 8192"),
    (CHAT, said("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less "
                "than the `context_window` for this model", "max_tokens"), LIMIT, "sent as 8192"),
    (CHAT, said("it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to 65537 "
                "(exclusive)", "max_tokens"), LIMIT, "sent as 65536"),
    (CHAT, said("This model's maximum context length is 32768 tokens. However, you requested 100000 output tokens and "
                "your prompt contains at least 25 input tokens, for a total of at least 100025 tokens."),
     LIMIT, NO),
    (CHAT, {"message": "#: extraneous key [seed] is not permitted, please reformat your input."}, "seed", NO),
    (CHAT, {"error": '"llama3" does not support thinking'}, "reasoning_effort", NO),
    (CHAT, {"error": {"message": "Provider returned error", "code": 400, "metadata": {
        "raw": json.dumps(said("Unsupported parameter: 'seed'", "seed"))}}}, "seed", NO),
    (CHAT, {"error": {"message": "1 validation error for Request\nstore\n  Extra inputs are not permitted [type=x]"}},
     "store", NO),
    (CHAT, said("messages.0.cache_control: Extra inputs are not permitted"), "cache_control", NO),
    (RESPONSES, said("Unsupported parameter: 'reasoning.effort' is not supported with this model.", "reasoning.effort"),
     "reasoning.effort", NO),
    (RESPONSES, said("Your organization must be verified to generate reasoning summaries.", "reasoning.summary",
                     "unsupported_value"), "reasoning.summary", NO),
    (RESPONSES, said("Encrypted content is not supported with this model.", "include"), "include", NO),
    (RESPONSES, said("Encrypted content is not supported with this model.", "include[0]"), "include", NO),
    (RESPONSES, said("Unknown parameter: 'input[2].content[0].annotations'.", "input[2].content[0].annotations"),
     "messages.annotations", NO),
    (RESPONSES, said("Unknown parameter: 'input[1].status'.", "input[1].status"), "messages.status", NO),
    (RESPONSES, said("Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 128000, but got "
                     "200000 instead.", "max_output_tokens"), "max_output_tokens", "sent as 128000"),
    (RESPONSES, {"detail": "Unsupported parameter: max_output_tokens"}, "max_output_tokens", NO),
    (RESPONSES, said("Unsupported parameter: 'text.verbosity'", "text.verbosity"), "text.verbosity", NO),
    (MESSAGES, said("max_tokens: 200000 > 64000, which is the maximum allowed number of output tokens for m"),
     "max_tokens", "sent as 64000"),
    (MESSAGES, said("`temperature` is deprecated for this model."), "temperature", NO),
    (MESSAGES, said("`temperature` may only be set to 1 when thinking is enabled."), "temperature", NO),
    (MESSAGES, said("`temperature` and `top_p` cannot both be specified for this model."), "top_p", NO),
    (MESSAGES, said("top_k: Extra inputs are not permitted"), "top_k", NO),
    (MESSAGES, said('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
                    '"output_config.effort" to control thinking behavior.'), "thinking.type", "sent as adaptive"),
    (MESSAGES, said("adaptive thinking is not supported on this model"), "thinking.type", "sent as adaptive"),
    (MESSAGES, said("thinking.enabled.display: Extra inputs are not permitted"), "thinking.display", NO),
    (MESSAGES, said("This model does not support the effort parameter."), "output_config.effort", NO),
    (MESSAGES, said("system.0.cache_control.ephemeral.ttl: Extra inputs are not permitted"), "cache_control", NO),
    (MESSAGES, said("messages.0.content.0.text.cache_control: Extra inputs are not permitted"), "cache_control", NO),
    (MESSAGES, said("messages.1.content.0.thinking.extra: Extra inputs are not permitted"), "messages.extra", NO),
]  # fmt: skip
REFUSED = [
    # body, what the service said: nothing is learnt
    (CHAT, said("Unknown parameter.")),
    (CHAT, said("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")),
    (CHAT, said("Invalid 'messages[0].content': string too long.", "messages[0].content")),
    (CHAT, said("Unsupported parameter: 'model'", "model")),
    (CHAT, said("Unknown parameter: 'frequency_penalty'.", "frequency_penalty")),
    (CHAT, said("Invalid 'temperature': decimal above maximum value. Expected a value <= 2.", "temperature")),
    (CHAT, said("Unsupported value: 'reasoning_effort' does not support 'high' with this model. Supported values are: "
                "'low' and 'none'.", "reasoning_effort", "unsupported_value")),
    (CHAT, said("top_p must be in (0, 1], got 0.0.", "top_p")),
    (CHAT, {"detail": [{"loc": ["body", "seed"], "msg": "Input should be greater than or equal to 0", "type": "x"}]}),
    (CHAT, said("The input is not supported: a stop in the seed store may not be sent; include a model.")),
    (CHAT, said("The `reasoning_content` in the thinking mode must be passed back to the API.")),
    (CHAT, {"detail": extra("messages", 3, "user", "name")}),
    (CHAT, {"detail": extra("messages", 4, "assistant", "content")}),
    (CHAT, said("max_completion_tokens must be at least 1, got 0", "max_completion_tokens")),
    (RESPONSES, said("Invalid value: 'x'. Supported values are: 'low', 'medium'.", "reasoning.effort")),
    (RESPONSES, said("Unknown parameter: 'reasoning.context'.", "reasoning.context")),
    (RESPONSES, said("Unsupported parameter: 'input'", "input")),
    (RESPONSES, said("Unknown parameter: 'input[1].encrypted_content'.", "input[1].encrypted_content")),
    (MESSAGES, said("`max_tokens` must be greater than `thinking.budget_tokens`.")),
    (MESSAGES, said("max_tokens: Field required")),
    (MESSAGES, said("max_tokens: Extra inputs are not permitted")),
    (MESSAGES, said("thinking.budget_tokens: Input should be greater than or equal to 1024")),
    (MESSAGES, said("messages.1.content.0: Invalid `signature` in `thinking` block")),
    (MESSAGES, said("messages.1.content.0.thinking.signature: Extra inputs are not permitted")),
    (MESSAGES, said("Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is enabled, a final "
                    "`assistant` message must start with a thinking block.")),
    (MESSAGES, said("A maximum of 4 blocks with cache_control may be provided. Found 5.")),
]  # fmt: skip


def rejected(body) -> RequestRejected:
    """The error that an answer of a service becomes."""
    error = translate(400, json.dumps(body).encode(), {}, address="http://h/v1", model="m")
    assert isinstance(error, RequestRejected), error
    return error


def parameters(body, **options) -> Parameters:
    return Parameters(needed=NEEDED.get(id(body), ()), **options)


@pytest.mark.parametrize(("body", "answer", "name", "what"), LEARNT, ids=lambda v: str(v)[:70])
def test_a_named_parameter_is_learnt(body, answer, name, what):
    """It is told once, changed in every later body and said of each; what was sent stays as it was, and what is the
    question is the same.
    """
    told, before = [], json.dumps(body)
    learnt = parameters(body, on_change=lambda *change: told.append(change))
    assert learnt.apply(body) == (body, {})
    assert learnt.adapt(rejected(answer), body) == (name, what) == told[0]
    sent, changed = learnt.apply(body)
    assert (changed, len(told), json.dumps(body)) == ({name: what}, 1, before)
    assert sent != body and learnt.apply(sent) == (sent, {})
    name = "input" if "input" in body else "messages"
    assert [texts(m) for m in sent[name]] == [texts(m) for m in body[name]]


def texts(message) -> list:
    """What a message says: its role, its texts and what is signed."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    said = [[p.get(k) for k in ("text", "thinking", "signature")] if isinstance(p, dict) else p for p in parts]
    return [message.get("role"), message.get("encrypted_content"), said]


@pytest.mark.parametrize(("body", "answer"), REFUSED, ids=lambda v: str(v)[:70])
def test_nothing_is_learnt_from(body, answer):
    """A name that was not sent, one the question can't do without, a value that could be another, words in prose: the
    request is rejected and nothing is told.
    """
    told = []
    learnt = parameters(body, on_change=lambda *change: told.append(change))
    assert learnt.adapt(rejected(answer), body) is None
    assert (told, learnt.apply(body)) == ([], (body, {}))


def learn(learnt: Parameters, body, *answers):
    """Let a service refuse a body again and again; the body at the end and what was changed."""
    for answer in answers:
        sent, _ = learnt.apply(body)
        assert learnt.adapt(rejected(answer), sent), answer
    return learnt.apply(body)


def test_the_same_twice_is_a_rejection():
    """A service that refuses a parameter which is no longer sent can't be helped."""
    learnt, answer = Parameters(), said("Unknown parameter: 'seed'.", "seed")
    sent, _ = learn(learnt, CHAT, answer)
    assert learnt.adapt(rejected(answer), sent) is None


def test_what_another_call_learnt_is_used():
    """A body that was refused while another call learnt is asked again, without being told twice."""
    told, answer = [], said("Unknown parameter: 'seed'.", "seed")
    learnt = Parameters(on_change=lambda *change: told.append(change))
    found = [learnt.adapt(rejected(answer), CHAT) for _ in range(60)]
    assert (set(found), told) == ({("seed", NO)}, [("seed", NO)])


def test_several_are_learnt_one_after_the_other():
    """Each answer says all that was changed in its body, and only that."""
    learnt = Parameters()
    _, changed = learn(learnt, CHAT, said("Unknown parameter: 'seed'."), said("Unknown parameter: 'top_k'."))
    assert changed == {"seed": NO, "top_k": NO}
    assert learnt.apply({"model": "m", "messages": [], "top_k": 1})[1] == {"top_k": NO}


def test_a_limit_that_goes_by_no_name():
    """Where neither name of the limit is taken none is sent, and it is said of the one that was asked for."""
    answers = [said(f"Unknown parameter: '{name}'.", name) for name in ("max_completion_tokens", "max_tokens")]
    sent, changed = learn(Parameters(), CHAT, *answers)
    assert changed == {"max_completion_tokens": NO}
    assert not {"max_completion_tokens", "max_tokens"} & sent.keys()


def test_a_limit_is_lowered_again():
    """A smaller maximum counts, a limit below it stays as it is, and the same maximum again is a rejection."""
    answers = [
        said(f"max_tokens: {n} > {most}, which is the maximum") for n, most in ((200_000, 64_000), (64_000, 8192))
    ]
    learnt = parameters(MESSAGES)
    sent, changed = learn(learnt, MESSAGES, *answers)
    assert (sent["max_tokens"], changed) == (8192, {"max_tokens": "sent as 8192"})
    assert learnt.apply({"max_tokens": 100}) == ({"max_tokens": 100}, {})
    assert learnt.adapt(rejected(answers[1]), sent) is None


def test_no_stream_no_options_of_it():
    """Where no stream is had, its options are not sent either."""
    sent, _ = learn(Parameters(), CHAT, said("You must be verified to stream this model.", "stream"))
    assert not {"stream", "stream_options"} & sent.keys()


def test_thinking_without_a_budget():
    """A model that thinks as it sees fit keeps how thinking is shown; one that does not at all gets none."""
    learnt = parameters(MESSAGES)
    enabled = said('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
    sent, _ = learn(learnt, MESSAGES, enabled)
    assert sent["thinking"] == {"type": "adaptive", "display": "summarized"}
    sent, _ = learn(learnt, MESSAGES, said("adaptive thinking is not supported on this model"))
    assert "thinking" not in sent


def test_an_object_that_is_empty_goes():
    """With its last option an object of options is left out."""
    sent, _ = learn(parameters(MESSAGES), MESSAGES, said("output_config.effort: Extra inputs are not permitted"))
    assert "output_config" not in sent


def test_answers_lose_a_key_everywhere():
    """A key that a service does not take back is left out of all its answers, and of nobody else's messages."""
    sent, _ = learn(Parameters(), CHAT, said("messages.2.annotations: Extra inputs are not permitted"))
    assert not any("annotations" in json.dumps(m) for m in sent["messages"])
    assert [m.get("reasoning_content") for m in sent["messages"]] == [None, None, "why", None, "w"]


@pytest.mark.parametrize(
    "prose",
    [
        "the input is too long", "stop", "The seed was not found", "messages must not be empty",
        "Invalid prompt: your prompt was flagged", "You must include a model", "temperature too hot, store it",
        "This model is not supported", "Thinking is hard", "Rate limit reached for model x",
    ],
)  # fmt: skip
def test_words_in_prose_name_nothing(prose):
    """A parameter has to stand where a service puts one."""
    assert not set(names_in(prose)) & set(CHAT)
