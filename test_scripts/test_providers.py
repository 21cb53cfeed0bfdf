"""Who answers, and how faults of a service end."""

from __future__ import annotations

import asyncio

import pytest

from code_generation.errors import (
    AuthFailed,
    ContextOverflow,
    ConversationOver,
    DataError,
    ProviderError,
    RequestRejected,
)
from code_generation.jsonl import encode
from code_generation.models import Message, Request, Sampling
from code_generation.providers import ModelOptions, choose_model, open_provider
from test_scripts.conftest import function_problem
from test_scripts.model_server import serving


def ask(
    url: str, *, retries: int = 0, timeout: float = 30, sampling: Sampling | None = None, times: int = 1, **options
):
    """Ask a served model; returns the last answer."""
    messages = [Message(role="system", content="Be helpful."), Message(role="user", content="Hi")]
    request = Request(messages=messages, sampling=sampling or Sampling(), problem_id="p")
    asked = ModelOptions(model="m", base_url=url, max_retries=retries, request_timeout=timeout, **options)

    async def run():
        provider = open_provider(choose_model(asked, {"K": "sk-secret"}), asked, {})
        try:
            for _ in range(times):
                answer = await provider.complete(request)
            return answer
        finally:
            await provider.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def plain():
    with serving(text="Hello.", chars_per_token=1) as server:
        yield server


def test_an_answer_is_read_whole(plain):
    """Text, model, finish reason and every count of tokens come from the service; the cost stays unknown."""
    got = ask(plain.url)
    usage = got.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens)
    said = (got.text, got.model, got.finish_reason, got.refusal, got.cost_usd, counts)
    assert said == ("Hello.", "m-2026", "stop", None, None, (13, 6, 2, 1))
    assert got.latency_s > 0


def test_only_what_was_asked_for_is_sent(plain):
    """Messages go as they are, the system message too; temperature, tokens and seed only where given."""
    ask(plain.url)
    ask(plain.url, sampling=Sampling(temperature=0.0, max_tokens=9, seed=7))
    bare, full = plain.seen()["bodies"][-2:]
    messages = [{"role": "system", "content": "Be helpful."}, {"role": "user", "content": "Hi"}]
    assert bare == {"messages": messages, "model": "m", "stream": True, "stream_options": {"include_usage": True}}
    assert full == bare | {"temperature": 0.0, "max_tokens": 9, "seed": 7}
    ask(plain.url, no_stream=True)
    assert plain.seen()["bodies"][-1] == {"messages": messages, "model": "m"}


def test_the_key_goes_where_it_was_asked_to_go(plain, monkeypatch):
    """A custom address gets no key that belongs to another service, and the named one where one is named."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    ask(plain.url)
    ask(plain.url, api_key_env="K")
    assert plain.seen()["keys"][-2:] == ["Bearer none", "Bearer sk-secret"]


@pytest.mark.parametrize("fault", ["server_error", "html", "empty", "drop", "rate_limit"])
def test_faults_that_pass_are_sat_out(fault):
    """After an error of the service, a page in its place, nothing at all or a cut line, the call is made again."""
    with serving(fault=[fault, fault], text="There.") as server:
        assert (ask(server.url, retries=3).text, server.seen()["requests"]) == ("There.", 3)


def test_rate_limits_cost_no_try():
    """A service that asks to come back later is asked again, however few retries are allowed."""
    with serving(fault=["rate_limit"] * 4, text="There.") as server:
        assert (ask(server.url, retries=0).text, server.seen()["requests"]) == ("There.", 5)


@pytest.mark.parametrize("fault", ["server_error", "html", "empty", "drop"])
def test_faults_that_stay_are_errors_in_the_end(fault):
    """What is no answer after all retries is an error that asking again may heal, never an empty answer."""
    with serving(fault=fault, forever=True) as server:
        with pytest.raises(ProviderError) as error:
            ask(server.url, retries=1)
        assert (error.value.retryable, server.seen()["requests"]) == (True, 2)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("auth", AuthFailed), ("forbidden", AuthFailed), ("not_found", AuthFailed), ("quota", AuthFailed),
     ("overflow", ContextOverflow), ("overflow_words", ContextOverflow), ("rejected", RequestRejected)],
)  # fmt: skip
def test_hopeless_errors_are_raised_at_once(fault, kind):
    """What asking again can't heal is not asked again, and says what it is."""
    with serving(fault=fault, forever=True) as server:
        with pytest.raises(kind) as error:
            ask(server.url, retries=5, api_key_env="K")
        assert (server.seen()["requests"], "sk-secret" in str(error.value)) == (1, False)


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_the_time_of_an_answer_is_bounded_in_all(fault):
    """A service that says nothing, or a byte now and then, is given up when the whole time is over."""
    with serving(fault=fault, forever=True) as server, pytest.raises(ProviderError, match=r"no answer within 0\.5 s"):
        ask(server.url, timeout=0.5)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("content_filter", ("", "content_filter", "content_filter")),
        ("filter_error", ("", "content_filter", "content_filter")),
        ("refusal", ("", "stop", "I can't help with that.")),
        ("length", ("Hel", "length", None)),
        ("parts", ("Hello.", "stop", None)),
    ],
)
def test_odd_answers_are_answers(fault, expected):
    """A refusal, a filter and an answer cut short are answers with their reason, and not asked for again."""
    with serving(fault=fault, text="Hello.") as server:
        got = ask(server.url, retries=3)
        assert (got.text, got.finish_reason, got.refusal) == expected
        assert server.seen()["requests"] == 1


def test_missing_counts_are_unknown():
    """A service that counts nothing leaves the usage unknown, not zero."""
    with serving(fault="no_usage") as server:
        usage = ask(server.url).usage
        assert (usage.input_tokens, usage.output_tokens) == (None, None)


def test_nobody_there():
    """An address where nobody listens is one error that names the address."""
    with pytest.raises(ProviderError, match=r"http://127\.0\.0\.1:9/v1 can't be reached"):
        ask("http://127.0.0.1:9/v1")


def replies(model: str, turns: int, problem_id: str = "p") -> list[str]:
    """What an offline model says turn by turn."""
    problem = function_problem(([1], 2), solutions=["def f(n): return n + 1"])
    options = ModelOptions(model=model)
    provider = open_provider(choose_model(options, {}), options, {"p": problem})

    async def say(turn):
        request = Request(messages=[], sampling=Sampling(), problem_id=problem_id, turn=turn)
        return (await provider.complete(request)).text

    return [asyncio.run(say(turn)) for turn in range(turns)]


@pytest.mark.parametrize(
    ("script", "right"), [("reference", [True] * 3), ("wrong", [False] * 3), ("flaky", [False, True, True])]
)
def test_scripted_models(script, right):
    """`reference` is always right, `wrong` never, `flaky` from the second turn on."""
    assert ["n + 1" in text for text in replies(f"scripted:{script}", 3)] == right


def test_replay_serves_turn_by_turn(tmp_path):
    """A replay file's answers come in order; past its end, or for a problem it lacks, the conversation is over."""
    path = tmp_path / "r.jsonl"
    path.write_text(encode({"problem_id": "p", "responses": ["a", "b"]}) + "\n")
    assert replies(f"replay:{path}", 2) == ["a", "b"]
    with pytest.raises(ConversationOver):
        replies(f"replay:{path}", 3)
    with pytest.raises(ConversationOver):
        replies(f"replay:{path}", 1, "q")


@pytest.mark.parametrize("line", ['{"problem_id": "p"}', '{"problem_id": 1, "responses": []}', "[1]", "{"])
def test_a_bad_replay_file_names_its_line(tmp_path, line):
    """A row of another shape is an error before anything is asked."""
    path = tmp_path / "r.jsonl"
    path.write_text('{"problem_id": "q", "responses": ["x"]}\n' + line + "\n")
    with pytest.raises(DataError, match="line 2"):
        replies(f"replay:{path}", 1)
