"""What services' errors mean, by bodies as services write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.errors import (
    AuthFailed,
    ContextOverflow,
    Overloaded,
    ProviderError,
    RateLimited,
    RequestRejected,
)
from code_generation.providers.faults import read_complaint, refusal_of, status_inside, translate


def openai(message, code=None, kind="invalid_request_error", param=None):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def anthropic(message, kind="invalid_request_error"):
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(code, message, status, *details):
    return [{"error": {"code": code, "message": message, "status": status, "details": list(details)}}]


def router(code, message="Provider returned error", **metadata):
    return {"error": {"message": message, "code": code, "metadata": metadata}, "user_id": "user_1"}


PLAN = "You exceeded your current quota, please check your plan and billing details."
CLASSES = [
    # status, body, class, kind
    (401, openai("Incorrect API key provided: sk-x.", "invalid_api_key"), AuthFailed, "refused_access"),
    (401, anthropic("invalid x-api-key", "authentication_error"), AuthFailed, "refused_access"),
    (400, google(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"), AuthFailed, None),
    (400, {"code": "invalid-argument", "error": "Incorrect API key provided: xai-x"}, AuthFailed, None),
    (403, openai("Country, region, or territory not supported", "unsupported_country"), AuthFailed, None),
    (403, "<html><head><title>Attention Required! | Cloudflare</title></head></html>", AuthFailed, None),
    (404, openai("The model `x` does not exist", "model_not_found", param="model"), AuthFailed, None),
    (404, {"detail": "Not Found"}, AuthFailed, None),
    (404, "404 page not found", AuthFailed, None),
    (404, openai("Item with id 'rs_1' not found.", param="input"), RequestRejected, None),
    (405, {"detail": "Method Not Allowed"}, AuthFailed, None),
    (402, openai("Insufficient Balance", "invalid_request_error", "unknown_error"), AuthFailed, None),
    (402, router(402, "Insufficient credits. Add more using https://openrouter.ai/credits"), AuthFailed, None),
    (429, openai(PLAN, "insufficient_quota", "insufficient_quota"), AuthFailed, None),
    (429, openai("Your account x is suspended, please check your plan and billing details",
                 kind="exceeded_current_quota_error"), AuthFailed, None),
    (429, {"error": {"code": "1113", "message": "您的账户已欠费"}}, AuthFailed, None),
    (400, openai("Billing hard limit has been reached", "billing_hard_limit_reached"), AuthFailed, None),
    (400, anthropic("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."),
     AuthFailed, None),
    (400, anthropic("You have reached your specified API usage limits. You will regain access on 2026-12-01."),
     AuthFailed, None),
    (302, "", AuthFailed, None),
    (308, "", AuthFailed, None),
    (429, openai("Rate limit reached for m on requests per min. Please try again in 20s.", "rate_limit_exceeded"),
     RateLimited, "rate_limited"),
    (429, anthropic("This request would exceed your rate limit.", "rate_limit_error"), RateLimited, None),
    (429, google(429, PLAN, "RESOURCE_EXHAUSTED", {"retryDelay": "34s"}), RateLimited, None),
    (429, router(429, raw="z-ai/glm is temporarily rate-limited upstream."), RateLimited, None),
    (429, "Too Many Requests", RateLimited, None),
    (429, openai("The engine is currently overloaded, please try again later", kind="engine_overloaded_error"),
     Overloaded, "overloaded"),
    (529, anthropic("Overloaded", "overloaded_error"), Overloaded, None),
    (503, openai("Slow down", "slow_down"), Overloaded, None),
    (503, google(503, "The model is overloaded. Please try again later.", "UNAVAILABLE"), Overloaded, None),
    (500, {"error": {"message": "The server is overloaded or not ready yet."}}, Overloaded, None),
    (500, openai("The server had an error", kind="server_error"), ProviderError, "server_error"),
    (500, "Internal Server Error", ProviderError, "server_error"),
    (502, "<html><head><title>502 Bad Gateway</title></head></html>", ProviderError, "server_error"),
    (520, "", ProviderError, "server_error"),
    (409, {}, ProviderError, "server_error"),
    (425, None, ProviderError, "server_error"),
    (499, [], ProviderError, "server_error"),
    (408, "stream timeout", ProviderError, "timeout"),
    (504, "upstream request timeout", ProviderError, "timeout"),
    (524, "<title>A timeout occurred</title>", ProviderError, "timeout"),
    (400, openai("Your input exceeds the context window of this model.", "context_length_exceeded"),
     ContextOverflow, "context_overflow"),
    (400, openai("This model's maximum context length is 8192 tokens. However, you requested 9200 tokens (9000 in the "
                 "messages, 200 in the completion). Please reduce the length of the messages."), ContextOverflow, None),
    (400, anthropic("prompt is too long: 208310 tokens > 200000 maximum"), ContextOverflow, None),
    (400, anthropic("input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000"),
     ContextOverflow, None),
    (413, anthropic("Request exceeds the maximum size", "request_too_large"), ContextOverflow, None),
    (400, {"object": "error", "message": "max_tokens must be at least 1, got -186."}, ContextOverflow, None),
    (400, {"error": {"message": "This model's maximum context length is 128000 tokens. However, you requested 65535 "
                     "output tokens and your prompt contains at least 62466 input tokens, for a total of at least "
                     "128001 tokens.", "type": "BadRequestError", "param": "input_tokens", "code": 400}},
     ContextOverflow, None),
    (400, {"error": {"message": "This model's maximum context length is 2048 tokens. However, your request has 8 input "
                     "tokens plus 2045 'max_tokens'. Please reduce one or the other.", "code": 400}},
     ContextOverflow, None),
    (400, {"message": "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested "
           "a total of 9000 tokens: 8000 tokens from the input messages and 1000 tokens for the completion."},
     ContextOverflow, None),
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. Given: 6204 `inputs` "
           "tokens and 2047 `max_new_tokens`"}, ContextOverflow, None),
    (400, google(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                 "INVALID_ARGUMENT"), ContextOverflow, None),
    (400, {"error": "This model's maximum prompt length is 131072 but the request contains 538991 tokens."},
     ContextOverflow, None),
    (400, router(400, raw=json.dumps(openai("Prompt too long", "context_length_exceeded"))), ContextOverflow, None),
    (400, openai("Invalid 'temperature': decimal above maximum value.", "decimal_above_max_value", param="temperature"),
     RequestRejected, "rejected"),
    (413, openai("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000, please "
                 "reduce the length of the messages", "rate_limit_exceeded", "tokens"), RequestRejected, None),
    (429, openai("Request too large for m in organization o on tokens per min (TPM): Limit 10000, Requested 12000.",
                 "rate_limit_exceeded", "tokens"), RequestRejected, None),
    (422, {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Field required", "type": "missing"}]},
     RequestRejected, None),
    (400, {"object": "error", "message": "[{'type': 'string_type', 'loc': ('body', 'messages', 0, 'content'), 'msg': "
           "'Input should be a valid string', 'input': ['Raise an error for insufficient funds; too many tokens']}]"},
     RequestRejected, None),
    (418, "I'm a teapot", RequestRejected, None),
]  # fmt: skip


def answered(status, body, **headers) -> ProviderError:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return translate(status, raw, headers, address="http://h/v1", model="m-7")


@pytest.mark.parametrize(("status", "body", "kind", "word"), CLASSES, ids=lambda v: str(v)[:60])
def test_what_an_error_means(status, body, kind, word):
    """Status, code and words of a service's error decide the class and the kind of ours."""
    error = answered(status, body)
    assert type(error) is kind and word in {None, error.kind}, error


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, openai("Incorrect API key.", "invalid_api_key"),
         "http://h/v1 answered 401: Incorrect API key. (invalid_api_key) (check the key and the account)"),
        (404, {"detail": "Not Found"},
         "http://h/v1 answered 404: Not Found (check the model name 'm-7' and the address)"),
        (502, "<html><head><title>502 Bad Gateway</title><style>a{}</style></head><body><h1>x</h1></body></html>",
         "http://h/v1 answered 502: 502 Bad Gateway"),
        (500, "<html><style>b{}</style><h1>Out of\n order</h1></html>", "http://h/v1 answered 500: Out of order"),
        (500, "", "http://h/v1 answered 500: nothing"),
        (429, router(429, raw="it is temporarily rate-limited upstream."),
         "http://h/v1 answered 429: Provider returned error: it is temporarily rate-limited upstream."),
        (500, {"error": {"message": json.dumps(anthropic("Overcast", "api_error"))}},
         "http://h/v1 answered 500: Overcast (api_error)"),
        (422, {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Field required", "type": "missing"}]},
         "http://h/v1 answered 422: messages.0.content: Field required"),
        (422, {"detail": [{"loc": [], "msg": "a"}, {"loc": ["body"], "msg": "b"}, {"loc": "x", "msg": "c"}]},
         "http://h/v1 answered 422: a; body: b; x: c"),
    ],
)  # fmt: skip
def test_messages_say_who_what_and_what_to_do(status, body, said):
    """A message is one line: the address, the status, the service's own words, what to check."""
    assert str(answered(status, body)) == said


def test_messages_are_short():
    """However much a service says."""
    assert len(str(answered(500, "x" * 10_000))) < 500


def test_a_redirect_names_the_place():
    """Where the address sends its callers is what shows what is wrong with it."""
    assert "https://h/v2" in str(answered(301, "", location="https://h/v2"))


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({}, {"retry-after": "7"}, 7),
        ({}, {"retry-after": "0.5"}, 0.5),
        ({}, {"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({}, {"retry-after": "soon"}, None),
        ({}, {"retry-after": "-3"}, None),
        ({}, {"retry-after": "inf"}, None),
        ({}, {"retry-after": format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)}, 0),
        ({}, {}, None),
        (google(429, "Quota", "RESOURCE_EXHAUSTED", {"@type": "x"}, {"retryDelay": "34.07s"}), {}, 34.07),
        (openai("Rate limit reached. Please try again in 1m 20.5s. Visit x"), {}, 80.5),
        (openai("Rate limit reached. Please try again in 120ms."), {}, 0.12),
    ],
)
def test_how_long_to_wait(body, headers, seconds):
    """By header, in seconds, milliseconds or as a date, else in the words of the body; None where nothing is said."""
    assert answered(429, body, **headers).retry_after_s == seconds


def test_a_date_to_come_back():
    """A date that lies ahead is the time until then."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=1000), usegmt=True)
    assert 900 < answered(429, {}, **{"retry-after": later}).retry_after_s <= 1000


@pytest.mark.parametrize("status", [503, 529])
def test_how_long_an_overloaded_service_wants_to_be_left_alone(status):
    """It may ask to wait, as one that limits rates does."""
    assert answered(status, {}, **{"retry-after": "7"}).retry_after_s == 7
    assert answered(status, {}).retry_after_s is None


def test_headers_come_along():
    """Every error carries the headers of the response: a limiter learns from them."""
    headers = {"x-ratelimit-remaining-requests": "0"}
    long = openai("x", "context_length_exceeded")
    for status, body in (
        (429, {}),
        (503, {}),
        (529, {}),
        (500, {}),
        (504, {}),
        (400, {}),
        (400, long),
        (401, {}),
        (302, {}),
    ):
        assert answered(status, body, **headers).headers == headers, status


UNBILLED = [
    *((status, "", True) for status in (302, 400, 401, 402, 403, 404, 409, 413, 422, 425, 429, 500, 503, 529)),
    *((status, "", False) for status in (408, 499, 502, 504, 520, 522, 524)),
    (400, openai("x", "invalid_value"), True),
    (400, openai("x", "context_length_exceeded"), True),
    (404, openai("Item with id 'rs_1' not found.", param="input"), True),
    (413, openai("Request too large for m on tokens per min (TPM)"), True),
    (429, openai("The engine is currently overloaded", kind="engine_overloaded_error"), True),
    (429, openai(PLAN, "insufficient_quota"), True),
    (500, openai("The server is overloaded or not ready yet."), True),
    (502, openai("The model is overloaded"), False),
    (529, anthropic("Overloaded", "overloaded_error"), True),
]


@pytest.mark.parametrize(("status", "body", "unbilled"), UNBILLED)
def test_what_is_surely_not_billed(status, body, unbilled):
    """A status that refuses before anything is generated costs nothing. Behind a gateway's or a timeout's an answer may
    have been made, and whatever comes after a status of 200 may have been.
    """
    assert answered(status, body).unbilled is unbilled
    error = translate(status, body, {}, address="a", model="m", begun=True)
    assert (error.unbilled, type(error)) == (False, type(answered(status, body)))


def test_an_error_is_billed_unless_it_says_otherwise():
    """So that what nobody thought of is set aside rather than spent twice."""
    kinds = (ProviderError, RateLimited, Overloaded, RequestRejected, ContextOverflow, AuthFailed)
    assert [kind("x").unbilled for kind in kinds] == [False] * 6
    assert [kind("x", unbilled=True).unbilled for kind in kinds] == [True] * 6


@pytest.mark.parametrize(
    ("status", "body", "category"),
    [
        (400, openai("The prompt was filtered.", "content_filter"), "content_filter"),
        (400, openai("Your request was rejected by the safety system.", "content_policy_violation"),
         "content_policy_violation"),
        (400, {"error": {"code": "content_filter", "message": "x", "innererror":
               {"code": "ResponsibleAIPolicyViolation"}}}, "ResponsibleAIPolicyViolation"),
        (400, openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
                     "invalid_prompt"), "invalid_prompt"),
        (400, openai("Content Exists Risk", "invalid_request_error"), "content_filter"),
        (400, {"code": "DataInspectionFailed", "message": "Input data may contain inappropriate content."},
         "DataInspectionFailed"),
        (400, anthropic("Output blocked by content filtering policy"), "content_filter"),
        (403, router(403, "m requires moderation on OpenAI. Your input was flagged for x.", reasons=["x"]),
         "content_filter"),
        (400, openai("Unsupported parameter: 'temperature'", "unsupported_parameter"), None),
        (401, openai("moderation", "invalid_api_key"), None),
        (429, openai("content_filter"), None),
        (503, "moderation is down", None),
        (400, {"message": "Extra inputs are not permitted, field: 'messages[1].x', value: 'it was flagged'"}, None),
        (400, "", None),
    ],
)  # fmt: skip
def test_refusals_by_error(status, body, category):
    """What a filter refuses is told from every other error, with its category."""
    assert refusal_of(status, body if isinstance(body, str) else json.dumps(body).encode()) == category


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (router(429), 429),
        (router("502"), 502),
        (anthropic("Overloaded", "overloaded_error"), 529),
        (anthropic("x", "rate_limit_error"), 429),
        (anthropic("x", "api_error"), 500),
        ({"status": "failed", "error": {"code": "server_error", "message": "x"}}, 500),
        ({"choices": [{"error": {"code": 408, "message": "x"}}]}, 408),
        ({"response": {"error": {"code": "rate_limit_exceeded", "message": "x"}}}, 429),
        (openai("x", "invalid_api_key"), 401),
        (openai("x", "insufficient_quota"), 402),
        (openai("x", kind="invalid_request_error"), 400),
        (openai("Output data may contain inappropriate content.", "data_inspection_failed", "x"), 400),
        (anthropic("Output blocked by content filtering policy", "api_error"), 400),
        (anthropic("moderation", "overloaded_error"), 529),
        ({"object": "error", "message": "x", "code": 40303}, 500),
        (google(503, "x", "UNAVAILABLE"), 503),
        ({"error": "out of order"}, 500),
        ({"choices": [], "error": None}, None),
        ({"status": "ok"}, None),
        ([], None),
        ("error", None),
        (None, None),
    ],
)
def test_errors_within_status_200(body, status):
    """An error in place of an answer counts by its own code; what reports none is no error."""
    assert status_inside(body) == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["400", "{", '{"error": 1}']),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text()
            | st.sampled_from(
                ["error", "message", "code", "type", "detail", "loc", "msg", "metadata", "raw", "details"]
            ),
            inner,
        )
    ),
)


@settings(deadline=None)
@given(st.sampled_from([302, 400, 401, 404, 413, 422, 429, 500, 503, 529, 200]), JSON | st.binary())
def test_any_body_is_an_error(status, body):
    """Whatever a body holds, there is an error of ours with a message of one line."""
    error = translate(status, body, {}, address="a", model="m")
    assert isinstance(error, ProviderError) and len(str(error)) < 1000
    read_complaint(body)
    refusal_of(status, body)
    status_inside(body if not isinstance(body, bytes) else None)
