"""What a service says about its limits, in whatever dialect, and what is no statement at all."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.providers.rate_headers import RateHeaders, RateHint, parse_reset, parse_retry_after

NOW_S = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC).timestamp()

OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-reset-tokens": "9ms",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-requests-reset": "2026-11-20T12:00:01Z",
    "anthropic-ratelimit-input-tokens-limit": "450000",
    "anthropic-ratelimit-input-tokens-remaining": "450000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-20T12:00:00Z",
    "anthropic-ratelimit-output-tokens-limit": "90000",
    "anthropic-ratelimit-output-tokens-remaining": "89000",
    "anthropic-ratelimit-output-tokens-reset": "2026-11-20T12:00:01Z",
    "anthropic-ratelimit-tokens-limit": "540000",
    "anthropic-ratelimit-tokens-remaining": "539000",
}
GENERIC = {"x-ratelimit-limit": "600", "x-ratelimit-remaining": "590", "x-ratelimit-reset": "1"}
TOGETHER = {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "9", "x-tokenlimit-limit": "3000"}


def read(headers: dict[str, str], now_s: float = NOW_S) -> RateHint:
    return RateHeaders().read(headers, now_s=now_s)


@pytest.mark.parametrize(
    ("headers", "requests", "tokens", "remaining"),
    [
        (OPENAI, 5000 / 60, 160000 / 60, (4999, 159976)),
        (ANTHROPIC, 1000 / 60, 540000 / 60, (999, 539000)),
        (GENERIC, 10.0, None, (590, None)),
        (TOGETHER, 10.0, 3000.0, (9, None)),
        ({"x-ratelimit-limit-tokens": "6000"}, None, 100.0, (None, None)),
        ({"content-type": "application/json"}, None, None, (None, None)),
    ],
    ids=["openai", "anthropic", "generic", "together", "tokens only", "nothing"],
)
def test_families(headers, requests, tokens, remaining):
    """Limits are a minute's by convention, those of Together a second's; what is not said is None."""
    hint = read(headers)
    assert (hint.requests_per_s, hint.tokens_per_s) == (requests, tokens)
    assert (hint.remaining_requests, hint.remaining_tokens) == remaining
    assert hint.retry_after_s is None


def test_names_in_any_case():
    """Header names have no case."""
    assert read({name.title(): value for name, value in OPENAI.items()}) == read(OPENAI)


def test_input_and_output_limited_apart():
    """The total follows from what part of the tokens is input: whichever of the limits is reached first counts."""
    hint = read(ANTHROPIC)
    assert (hint.input_tokens_per_s, hint.output_tokens_per_s) == (7500.0, 1500.0)
    assert hint.total_tokens_per_s(0.9) == pytest.approx(7500 / 0.9)
    assert hint.total_tokens_per_s(0.5) == pytest.approx(3000)
    assert hint.total_tokens_per_s(1.0) == pytest.approx(7500)
    assert hint.total_tokens_per_s(0.0) == pytest.approx(1500)
    assert RateHint().total_tokens_per_s(0.5) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120ms", 0.12), ("6m0s", 360), ("1s", 1), ("8.64s", 8.64), ("7m12s", 432), ("1h2m3.5s", 3723.5),
        ("2d", 172800),
        ("0", 0), ("8.64", 8.64), ("500us", 0.0005), ("12µs", 0.000012), (" 3 ", 3),
        (str(int(NOW_S) + 30), 30), (str(int(NOW_S * 1000) + 1500), 1.5), (str(int(NOW_S) - 30), 0),
        ("2026-11-20T12:00:05Z", 5), ("2026-11-20T13:00:05+01:00", 5), ("2026-11-20T11:00:00Z", 0),
        ("Fri, 20 Nov 2026 12:00:07 GMT", 7),
    ],
)  # fmt: skip
def test_resets(text, seconds):
    """A duration in the style of Go, seconds, an epoch in seconds or milliseconds, RFC 3339, an HTTP date."""
    assert parse_reset(text, now_s=NOW_S).seconds == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize(
    "text", [None, "", "soon", "-3", "1e5", "nan", "inf", "5x", "s5", "1s2", "2026-13-45", "١٢", "1_0"]
)
def test_no_resets(text):
    """What can't be understood is no reset."""
    assert parse_reset(text, now_s=NOW_S) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3), ({"retry-after": "0.25"}, 0.25), ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5), ({"retry-after-ms": "x", "retry-after": "9"}, 9),
        ({"retry-after": format_datetime(datetime(2026, 11, 20, 12, 1, tzinfo=UTC), usegmt=True)}, 60),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "later"}, None), ({"retry-after": "-5"}, None), ({}, None),
    ],
)  # fmt: skip
def test_retry_after(headers, seconds):
    """Milliseconds, seconds with fractions, an HTTP date; nothing else, and never a negative wait."""
    assert parse_retry_after(headers, now_s=NOW_S) == seconds
    assert read(headers).retry_after_s == seconds


def observed(rows: list[tuple[float, str]], limit: str = "1200", name: str = "-requests") -> RateHint:
    """The last hint of several responses with (remaining, reset)."""
    reader, hint = RateHeaders(), RateHint()
    for remaining, reset in rows:
        texts = {"limit": limit, "remaining": f"{remaining:g}", "reset": reset}
        hint = reader.read({f"x-ratelimit-{part}{name}": text for part, text in texts.items()}, now_s=NOW_S)
    return hint


def test_a_limit_a_minute_in_a_bucket_stays_one():
    """An honest bucket of 1200 a minute is 20 a second, however much of it is used."""
    rows = [(1200 - used, f"{used * 50}ms") for used in (1, 2, 5, 9, 30, 200)]
    assert observed(rows).requests_per_s == 20


def test_a_limit_a_second_is_noticed():
    """Where several different resets agree that the bucket is whole again within a second, the limit is a second's."""
    rows = [(50 - used, f"{used * 20}ms") for used in (1, 2, 5, 9, 30)]
    assert observed(rows[:4], limit="50").requests_per_s == pytest.approx(50 / 60)
    assert observed(rows, limit="50").requests_per_s == 50


def test_a_limit_a_day_is_no_rate():
    """A quota of a day that is not used up does not slow down a run of an hour; what is left of it is still told."""
    rows = [(14400 - used, f"{used * 6}.00s") for used in (2, 3, 4, 5, 6)]
    hint = observed(rows, limit="14400")
    assert (hint.requests_per_s, hint.remaining_requests) == (None, 14394)


@pytest.mark.parametrize(
    "rows",
    [
        [(20 - used, f"{used * 50}ms") for used in range(1, 20)],
        [(20 - used, "1s") for used in range(1, 20)],
        [(used % 20, f"0.{used:02}") for used in range(10, 60)],
        [(0, "1.00s")] * 20,
    ],
    ids=["a bucket of 20", "whole seconds", "noise", "empty"],
)
@pytest.mark.parametrize("name", ["", "-requests"])
def test_a_sloppy_server(rows, name):
    """1200 a minute, while `remaining` and `reset` speak of a small bucket: still 20 a second."""
    assert observed(rows, name=name).requests_per_s == 20


def test_evidence_ends_with_the_limit():
    """Another limit is a minute's again, until there is evidence for it."""
    reader = RateHeaders()
    for limit, expected in ((50, 50), (600, 10)):
        for used in (1, 2, 5, 9, 30) if limit == 50 else (30,):
            texts = {"limit": str(limit), "remaining": str(limit - used), "reset": f"{used * 20}ms"}
            hint = reader.read({f"x-ratelimit-{part}-requests": text for part, text in texts.items()}, now_s=NOW_S)
        assert hint.requests_per_s == expected


HEADER = st.sampled_from([*OPENAI, *ANTHROPIC, *GENERIC, *TOGETHER, "retry-after", "retry-after-ms", "x-other"])
TEXT = st.one_of(
    st.text(max_size=12), st.integers().map(str), st.floats().map(str), st.from_regex(r"[0-9]{0,30}(ms|s|m|h|d|)"),
    st.datetimes().map(str), st.sampled_from(["0", "1200", "9" * 400, "0x10", "1,200", "100;w=60", "∞"]), st.none(),
    st.binary(max_size=3),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(HEADER, TEXT, max_size=8), max_size=8))
def test_garbage_is_ignored(responses):
    """Whatever stands in headers, nothing is raised, and what is read is finite, and positive where it is a limit."""
    reader = RateHeaders()
    for headers in responses:
        hint = reader.read(headers, now_s=NOW_S)
        limits = (hint.requests_per_s, hint.tokens_per_s, hint.input_tokens_per_s, hint.output_tokens_per_s)
        assert all(x is None or 0 < x < math.inf for x in limits)
        others = (hint.remaining_requests, hint.remaining_tokens, hint.retry_after_s)
        assert all(x is None or 0 <= x < math.inf for x in others)
