"""What an answer costs, and what one call can cost at most: pure arithmetic over tokens and prices.

A cost is taken from the provider where it says one, else from a registry file's prices, else from the table that is
shipped (`prices.toml`), else it is unknown: None, never 0. Prices are US dollars per million tokens.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, structs

from code_generation.config import Prices
from code_generation.jsonl import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.models import Completion, JsonValue, Message, Usage

MILLION = 1_000_000
PER_CALL = 128
"""Tokens that a service may put around a conversation: its own system text, the marks of a template."""
PER_MESSAGE = 16
"""Tokens that a template may put around one message."""
SEALED = ('"signature"', '"encrypted_content"', '"data"', '"encrypted"')
"""Marks of blocks that stand for text which is not in them."""
PAID_APART = ("n", "plugins", "tools", "web_search_options")
"""Parameters that make a call cost more than its messages and one answer."""
OTHER_PRICES = (
    "cache_control", "inference_geo", "models", "prompt_cache_options", "prompt_cache_retention", "provider",
    "service_tier", "speed", *PAID_APART,
)  # fmt: skip
"""Parameters under which a call may have another price than the table's."""
USUAL = (1, "default", "standard", "standard_only")
"""Values of theirs that change nothing."""
HOW_TO_PRICE = "give them in a registry file, dollars per million tokens: prices = { input = 1.25, output = 10 }"
DATE = re.compile(r"(-\d{4}-\d\d-\d\d|-20\d{6})$")

Count = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True, kw_only=True)
class ListedPrices(Prices):
    """What the shipped table says about a model."""

    max_output: Count | None = None
    """Most tokens of one answer; None: the table does not say."""
    long_from: Count | None = None
    """Tokens of a prompt from which on `long` holds; None: one price for all."""
    long: Prices | None = None
    """Prices of a long request, for all of its tokens."""


def cost_of(usage: Usage, prices: Prices, *, batch: bool = False) -> float | None:
    """Dollars of an answer; None where a count that matters, or the discount of a batch, is unknown.

    Cached and cache-written tokens are part of the input, reasoning is part of the output; where a service does not
    count one of them apart, there was none of it. Counts that contradict each other (more cached than read) are all
    paid for. What `usage` can't say is how long a cache keeps what was written: `cache_write` is one price.

    {input 1100, cached 1000, output 50} at {input 2, cached_input 0.2, output 10} -> 0.0009
    """
    share = _share(prices) if batch else 1.0
    if batch and prices.batch_discount is None:
        return None
    prices = _tier(prices, usage.input_tokens or 0)
    parts = [
        (usage.cached_input_tokens or 0, _or(prices.cached_input, prices.input)),
        (usage.cache_write_tokens or 0, _or(prices.cache_write, prices.input)),
    ]
    read = _paid(usage.input_tokens, prices.input, parts)
    thought = (usage.reasoning_tokens or 0, _or(prices.reasoning, prices.output))
    written = _paid(usage.output_tokens, prices.output, [thought])
    if read is None or written is None:
        return None
    return (read + written) / MILLION * share


def _share(prices: Prices) -> float:
    """What of a price is left in a batch."""
    return 1.0 - (prices.batch_discount or 0.0)


def _or(price: float | None, other: float) -> float:
    return other if price is None else price


def _paid(whole: int | None, price: float, parts: list[tuple[int, float]]) -> float | None:
    """Price of some tokens, of which parts have prices of their own; an unknown whole matters unless it is free."""
    if whole is None and (price or any(p for _, p in parts)):
        return None
    rest = max(0, (whole or 0) - sum(n for n, _ in parts))
    return rest * price + sum(n * p for n, p in parts)


def _tier(prices: Prices, read: int) -> Prices:
    """The prices of a request that reads so many tokens, with the same discount."""
    if not isinstance(prices, ListedPrices) or prices.long is None or read < (prices.long_from or 0):
        return prices
    return prices.long


def most_read(utf8_bytes: int, messages: int) -> int:
    """Tokens that a service can read at most: a token is at least one byte of the text that is sent, beside those that
    services and templates put around it.
    """
    return utf8_bytes + PER_CALL + PER_MESSAGE * messages


def worst_case(read: int, max_output: int, prices: Prices, *, batch: bool = False) -> float:
    """Dollars that one call can cost at most that reads so many tokens.

    All of them may be the dearest kind of input, and the answer may be as long as it is allowed to be, of the dearest
    kind. An unknown discount of a batch is none.
    """
    tiers = [prices, _tier(prices, read)]
    per_read = max(max(p.input, p.cache_write or 0, p.cached_input or 0) for p in tiers)
    per_written = max(max(p.output, p.reasoning or 0) for p in tiers)
    share = _share(prices) if batch else 1.0
    return (read * per_read + max_output * per_written) / MILLION * share


def size_of(messages: list[Message], max_output: int) -> int:
    """Bytes of messages, for `worst_case`; one with sealed blocks (encrypted thinking) stands for as much as an answer
    can hold.
    """
    size = 0
    for message in messages:
        raw = encode(message.blocks) if message.blocks else ""
        sealed = any(mark in raw for mark in SEALED)
        said = len(message.content.encode("utf-8", "surrogatepass"))
        size += max(said, len(raw), max_output if sealed else 0)
    return size


def dollars(usd: float) -> str:
    """For people: `$1.23`, `$0.0123`."""
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.3g}"


def with_cost(completion: Completion, prices: Prices | None, *, batch: bool = False) -> Completion:
    """An answer with its cost: what the provider says, else by `prices`, else unknown as before."""
    if completion.cost_usd is not None or prices is None:
        return completion
    return structs.replace(completion, cost_usd=cost_of(completion.usage, prices, batch=batch))


# --------------------------------------------------------------------------------------------------- the kept table


@dataclass(frozen=True)
class _Table:
    version: str
    rows: dict[tuple[str, str], ListedPrices]
    """By provider and model."""


def prices_for(provider: str, model: str, parameters: Mapping[str, JsonValue] = {}) -> ListedPrices | None:
    """The table's row of a model at its service, by its name or its name and a date (`NAME-2026-01-31`); None where
    there is none, or where a parameter may change the price.

    `provider` is a row of the provider table at its own address: the same name at another address has other prices.
    """
    if any(parameters.get(name) and parameters[name] not in USUAL for name in OTHER_PRICES):
        return None
    rows = _table().rows
    dated = DATE.search(model)
    return rows.get((provider, model)) or (rows.get((provider, model[: dated.start()])) if dated else None)


def table_version() -> str:
    """The day on which the table's sources were read: `2026-01-31`."""
    return _table().version


@cache
def _table() -> _Table:
    text = files("code_generation").joinpath("prices.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    rows: dict[tuple[str, str], ListedPrices] = {}
    for entry in content["models"]:
        listed = msgspec.convert(entry, ListedPrices)
        rows |= {(provider, name): listed for provider in entry["provider"] for name in entry["names"]}
    return _Table(content["version"], rows)
