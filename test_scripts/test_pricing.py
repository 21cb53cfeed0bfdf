"""What an answer costs, what a call can cost at most, the kept table of prices, and what a cap needs of them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import code_generation
from code_generation.config import Prices
from code_generation.errors import ConfigError
from code_generation.models import Completion, Message, Usage
from code_generation.pricing import (
    PER_CALL,
    PER_MESSAGE,
    ListedPrices,
    cost_of,
    dollars,
    most_read,
    prices_for,
    size_of,
    table_version,
    with_cost,
    worst_case,
)
from code_generation.providers import ModelOptions, choose_model
from code_generation.providers.budget import Budget, prices_of
from code_generation.providers.dialect import Answer
from code_generation.providers.endpoints import DIALECTS, ENDPOINTS
from code_generation.tables import resolve
from test_scripts import dialect_bodies

TABLE = Path(code_generation.__file__).with_name("prices.toml")
PRICES = Prices(input=2, output=10, cached_input=0.2, cache_write=2.5, reasoning=12, batch_discount=0.5)


def usage_of(dialect, usage):
    """What a dialect makes of a body's `usage`."""
    body = getattr(dialect_bodies, dialect)([] if dialect != "chat" else {"content": "x"}, usage=usage)
    answer = Answer(dialect=dialect, model="m", body=body, latency_s=1.0)
    return resolve("dialect", dialect, DIALECTS).read(answer).usage


# By hand: 6 plain, 1024 cached and 70 written tokens of 1100 read; 20 plain and 40 thinking ones of 60 written
BY_HAND = (6 * 2 + 1024 * 0.2 + 70 * 2.5 + 20 * 10 + 40 * 12) / 1e6
RECORDED = {
    "chat": {
        "prompt_tokens": 1100, "completion_tokens": 60, "total_tokens": 1160,
        "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 1024, "cache_write_tokens": 70},
        "completion_tokens_details": {"accepted_prediction_tokens": 0, "audio_tokens": 0, "reasoning_tokens": 40,
                                      "rejected_prediction_tokens": 0},
    },
    "responses": {
        "input_tokens": 1100, "output_tokens": 60, "total_tokens": 1160,
        "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 70},
        "output_tokens_details": {"reasoning_tokens": 40},
    },
    "messages": {
        "input_tokens": 6, "cache_creation_input_tokens": 70, "cache_read_input_tokens": 1024, "output_tokens": 60,
        "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 70},
        "output_tokens_details": {"thinking_tokens": 40}, "service_tier": "standard",
    },
}  # fmt: skip


@pytest.mark.parametrize("dialect", RECORDED)
def test_costs_agree_with_hand_computed_ones(dialect):
    """Cached, written, reasoning and batch tokens of the three dialects come to the same dollars as by hand."""
    usage = usage_of(dialect, RECORDED[dialect])
    assert cost_of(usage, PRICES) == pytest.approx(BY_HAND, rel=1e-12)
    assert cost_of(usage, PRICES, batch=True) == pytest.approx(BY_HAND / 2, rel=1e-12)
    plain = Prices(input=2, output=10)
    assert cost_of(usage, plain) == pytest.approx((1100 * 2 + 60 * 10) / 1e6, rel=1e-12)


@pytest.mark.parametrize(
    ("dialect", "module", "kind"),
    [
        ("chat", "openai.types.completion_usage", "CompletionUsage"),
        ("responses", "openai.types.responses.response_usage", "ResponseUsage"),
        ("messages", "anthropic.types.usage", "Usage"),
    ],
)
def test_recorded_usage_is_of_the_sdks_types(dialect, module, kind):
    """The objects above have the fields of the SDKs' own types, at every level, and nothing else."""
    usage = getattr(pytest.importorskip(module), kind).model_validate(RECORDED[dialect])

    def unknown(model):
        inner = [v for v in dict(model).values() if hasattr(v, "model_extra")]
        return [*(model.model_extra or {}), *(name for value in inner for name in unknown(value))]

    assert unknown(usage) == []


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(), None),
        (Usage(input_tokens=10), None),
        (Usage(output_tokens=10), None),
        (Usage(input_tokens=0, output_tokens=0), 0.0),
        (Usage(input_tokens=1_000_000, output_tokens=0), 2.0),
        (Usage(input_tokens=10, output_tokens=10, cached_input_tokens=20), (20 * 0.2 + 10 * 10) / 1e6),
        (Usage(input_tokens=10, output_tokens=10, reasoning_tokens=30), (10 * 2 + 30 * 12) / 1e6),
    ],
)
def test_what_is_unknown_is_never_0(usage, cost):
    """A missing count of the whole makes the cost unknown; a missing part is none; contradicting parts are all paid."""
    assert cost_of(usage, PRICES) == (cost if cost is None else pytest.approx(cost))


def test_a_free_model_is_free_whatever_it_counts():
    """A count that costs nothing does not matter; the discount of a batch does."""
    free = Prices(input=0, output=0)
    assert cost_of(Usage(), free) == 0.0
    assert cost_of(Usage(), Prices(input=0, output=1)) is None
    assert cost_of(Usage(), Prices(input=0, output=0, cached_input=1)) is None
    assert cost_of(Usage(input_tokens=1, output_tokens=1), Prices(input=1, output=1), batch=True) is None


def test_a_long_request_has_its_own_prices():
    """From the threshold on all tokens of the request have the long prices, and the same discount."""
    listed = prices_for("openai", "gpt-6.2-sol")
    short = Usage(input_tokens=271_999, output_tokens=1000, cached_input_tokens=1000)
    long = Usage(input_tokens=272_000, output_tokens=1000, cached_input_tokens=1000)
    assert cost_of(short, listed) == pytest.approx((270_999 * 2 + 1000 * 0.1 + 1000 * 10) / 1e6)
    assert cost_of(long, listed) == pytest.approx((271_000 * 4 + 1000 * 0.2 + 1000 * 15) / 1e6)
    assert cost_of(long, listed, batch=True) == pytest.approx(cost_of(long, listed) / 2)


def test_a_cost_comes_from_the_provider_first():
    """What the provider says wins over prices; without either it stays unknown."""
    usage = Usage(input_tokens=100, output_tokens=10)
    told = Completion(text="", finish_reason=None, model="m", usage=usage, cost_usd=0.5, latency_s=1.0)
    untold = Completion(text="", finish_reason=None, model="m", usage=usage, cost_usd=None, latency_s=1.0)
    assert with_cost(told, PRICES).cost_usd == 0.5
    assert with_cost(untold, PRICES).cost_usd == pytest.approx(0.0003)
    assert with_cost(untold, PRICES, batch=True).cost_usd == pytest.approx(0.00015)
    assert with_cost(untold, None).cost_usd is None


amounts = st.floats(0, 200, allow_nan=False)
maybe = st.none() | amounts
some_prices = st.builds(
    Prices, input=amounts, output=amounts, cached_input=maybe, cache_write=maybe, reasoning=maybe,
    batch_discount=st.none() | st.floats(0, 1),
)  # fmt: skip


@given(some_prices, some_prices, st.data())
@settings(max_examples=200, deadline=None)
def test_no_call_costs_more_than_its_worst_case(prices, long, data):
    """Whatever a service counts, as long as a token is a byte and the answer no longer than allowed."""
    if data.draw(st.booleans()):
        more = {f.name: getattr(prices, f.name) for f in fields(prices)}
        prices = ListedPrices(**more, long=long, long_from=data.draw(st.integers(1, 200_000)))
    size, messages, most = data.draw(st.tuples(st.integers(0, 200_000), st.integers(1, 20), st.integers(0, 100_000)))
    read = data.draw(st.integers(0, size + PER_CALL + messages * PER_MESSAGE))
    cached = data.draw(st.integers(0, read))
    written = data.draw(st.integers(0, most))
    usage = Usage(
        input_tokens=read, output_tokens=written, cached_input_tokens=cached,
        cache_write_tokens=data.draw(st.integers(0, read - cached)),
        reasoning_tokens=data.draw(st.integers(0, written)),
    )  # fmt: skip
    batch = data.draw(st.booleans())
    cost = cost_of(usage, prices, batch=batch)
    assert cost is None or cost <= worst_case(most_read(size, messages), most, prices, batch=batch) * (1 + 1e-12)


def test_the_size_of_messages_is_in_bytes():
    """Text counts in UTF-8, raw blocks in JSON; sealed thinking counts as much as an answer can hold."""
    assert size_of([Message(role="user", content="aé€😀\ud800")], 100) == 1 + 2 + 3 + 4 + 3
    assert size_of([Message(role="assistant", content="a", blocks=[{"type": "text", "text": "é"}])], 9000) < 100
    thinking = [{"type": "thinking", "thinking": "", "signature": "EqQ="}, {"type": "text", "text": "a"}]
    assert size_of([Message(role="assistant", content="a", blocks=thinking)], 9000) == 9000
    sealed = [{"type": "reasoning", "encrypted_content": "x" * 20_000}]
    assert size_of([Message(role="assistant", content="a", blocks=sealed)], 9000) > 20_000


def rows():
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))["models"]


def test_the_table_is_sound():
    """Known providers and keys, each model once, long requests dearer, no cached input dearer than other input."""
    known = {f.name for f in fields(ListedPrices)} | {"provider", "names"}
    named = [(p, n) for row in rows() for p in row["provider"] for n in row["names"]]
    assert len(named) == len(set(named)) and {p for p, _ in named} <= set(ENDPOINTS)
    for row in rows():
        assert set(row) <= known, row["names"]
        listed = prices_for(row["provider"][0], row["names"][0])
        assert 0 < listed.input < listed.output and (listed.cached_input or 0) <= listed.input
        assert (listed.long is None) == (listed.long_from is None)
        if listed.long:
            assert set(row["long"]) <= {f.name for f in fields(type(PRICES))}
            assert listed.long.input > listed.input and listed.long.output > listed.output
            assert (listed.long.cached_input is None) == (listed.cached_input is None)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", table_version())


def test_every_row_names_its_source():
    """An official address stands beside each row, and none of somebody else's."""
    official = r"https://(developers\.openai\.com|platform\.claude\.com|docs\.x\.ai|console\.groq\.com)/"
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("[[models]]")]
    assert len(lines) == len(rows())
    assert [line for line in lines if not re.search(official, line)] == []


@pytest.mark.parametrize(
    ("provider", "model", "found"),
    [
        ("openai", "gpt-6.2-sol", True),
        ("openai-responses", "gpt-6.2-sol-2026-11-17", True),
        ("anthropic", "claude-opus-4-5-20251101", True),
        ("anthropic", "claude-opus-5", True),
        ("openai", "gpt-6.2-sol-mini", False),
        ("openai", "gpt-6.2", False),
        ("openrouter", "gpt-6.2-sol", False),
        ("custom", "gpt-6.2-sol", False),
        ("anthropic", "claude-opus-5-5-fast", False),
        ("openai", "-2026-11-17", False),
    ],
)
def test_a_model_is_found_by_its_name_or_its_name_and_a_date(provider, model, found):
    """No other suffix is the same model, and another service has other prices."""
    assert (prices_for(provider, model) is not None) is found


def test_parameters_that_change_the_price_have_no_row():
    """A faster tier, more answers a call or paid tools: what they cost is not in the table."""
    for parameters in ({"service_tier": "fast"}, {"n": 3}, {"tools": [{}]}, {"cache_control": {"ttl": "1h"}}):
        assert prices_for("openai", "gpt-6.2-sol", parameters) is None
    for parameters in ({"service_tier": "default"}, {"n": 1}, {"cache_control": False}, {"top_k": 20}):
        assert prices_for("openai", "gpt-6.2-sol", parameters) is not None


def test_prices_are_not_shared_by_accident():
    """A long request's prices are the row's own, whatever is done with a copy."""
    listed = prices_for("xai", "grok-4.7")
    assert replace(listed, input=99.0).input == 99.0 and prices_for("xai", "grok-4.7").input == 2


@pytest.mark.parametrize(("usd", "said"), [(1.234, "$1.23"), (1234.5, "$1,234.50"), (0.0123, "$0.0123"), (0, "$0")])
def test_dollars_for_people(usd, said):
    """Cents from a dollar on, three digits below."""
    assert dollars(usd) == said


# ------------------------------------------------------------------------------------- what a cap needs to be kept


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(1, None, None, 100), r"prices = \{ input"),
        (Budget(None, 1, None, 100), r"prices = \{ input"),
        (Budget(1, None, PRICES), "give --max-tokens"),
        (Budget(0, None, PRICES, 100), "--max-cost-usd must be more than 0, got 0"),
        (Budget(None, float("nan"), PRICES, 100), "--max-cost-per-problem-usd must be more than 0"),
        (Budget(1, None, PRICES, 100, parameters={"tools": [{}]}), r"leave out \['tools'\]"),
        (Budget(1, None, PRICES, 100, parameters={"n": 2}), r"leave out \['n'\]"),
    ],
)
def test_a_cap_that_can_not_be_kept_is_refused(budget, said):
    """One line says what to give."""
    with pytest.raises(ConfigError, match=said):
        budget.check()


def test_a_cap_that_can_be_kept_is_not_refused():
    """The table's longest answer is enough of a limit; an endless cap is none."""
    Budget(1, 1, prices_for("openai", "gpt-6.2-sol")).check()
    Budget(1, None, PRICES, 100, parameters={"n": 1, "top_k": 3}).check()
    Budget(float("inf"), None, None, None).check()


def test_prices_of_a_choice():
    """The registry file's, else the table's, but only at the service's own address."""
    environment = {"OPENAI_API_KEY": "k" * 20, "ANTHROPIC_API_KEY": "k" * 20}
    chosen = choose_model(ModelOptions(model="openai:gpt-6.2-sol"), environment)
    assert prices_of(chosen) == prices_for("openai", "gpt-6.2-sol")
    assert prices_of(replace(chosen, prices=PRICES)) is PRICES
    assert prices_of(choose_model(ModelOptions(model="anthropic:claude-opus-5"), environment)).input == 5
    elsewhere = choose_model(ModelOptions(model="openai:gpt-6.2-sol", base_url="http://127.0.0.1:1/v1"), environment)
    assert prices_of(elsewhere) is None
    assert prices_of(choose_model(ModelOptions(model="scripted:flaky"), environment)) is None
