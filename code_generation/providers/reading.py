"""Reading what services say, whatever they say it in: a field of another type than it should have counts as absent."""

from __future__ import annotations

import json
import math
from json.scanner import make_scanner
from typing import TYPE_CHECKING, Any

from code_generation.errors import ProviderError
from code_generation.json_pieces import loads
from code_generation.literals import shorten
from code_generation.models import Completion, Usage
from code_generation.providers.faults import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from code_generation.models import JsonValue, Request
    from code_generation.providers.dialect import Answer

FILTERED = "content_filter"
"""Finish reason and category of an answer that a filter held back, in the words of OpenAI."""


def fields(value: JsonValue) -> dict[str, Any]:
    """An object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def entries(value: JsonValue) -> list[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def text(value: JsonValue) -> str:
    """A text; empty for anything else."""
    return value if isinstance(value, str) else ""


MOST = 10**12
"""Tokens, or dollars, of an answer: more is a mistake of who says so."""


def count(value: JsonValue) -> int | None:
    """A number of tokens; None for anything that is none."""
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) else None
    return value if type(value) is int and 0 <= value <= MOST else None


def total(*counts: int | None) -> int | None:
    """The sum of those that are known; None where none is."""
    known = [c for c in counts if c is not None]
    return sum(known) if known else None


def cost_of(usage: dict[str, Any]) -> float | None:
    """Dollars, where the service says them: OpenRouter's `cost`, which leaves out what the owner of a key of one's own
    is charged elsewhere, and Perplexity's `cost.total_cost`.
    """
    said = usage.get("cost")
    cost = _dollars(said.get("total_cost") if isinstance(said, dict) else said)
    if cost is not None and usage.get("is_byok") is True:
        cost += _dollars(fields(usage.get("cost_details")).get("upstream_inference_cost")) or 0.0
    return cost


def _dollars(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        cost = float(value)
    except OverflowError:
        return None
    return cost if math.isfinite(cost) and 0 <= cost <= MOST else None


def sendable(value: Any) -> Any:
    """The same JSON value, half surrogate pairs in its texts replaced: the wire is UTF-8, which has none."""
    if isinstance(value, str):
        return value if value.isascii() else _whole_characters(value)
    if isinstance(value, list):
        return [sendable(v) for v in value]
    if isinstance(value, dict):
        return {sendable(k): sendable(v) for k, v in value.items()}
    return value


def _whole_characters(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def asked(request: Request, names: Mapping[str, str]) -> dict[str, JsonValue]:
    """What was asked for, by its name in a body: `{"temperature": 0.7}`."""
    given = {name: getattr(request.sampling, field) for field, name in names.items()}
    return {name: value for name, value in given.items() if value is not None}


def refused(answer: Answer) -> Completion:
    """A service that refused by an error instead of an answer, or within one."""
    return completion(answer, finish_reason=FILTERED, refusal=refusal_of(answer.status, answer.body) or FILTERED)


def completion(
    answer: Answer,
    *,
    said: str = "",
    finish_reason: JsonValue = None,
    usage: Usage | None = None,
    blocks: list[JsonValue] | None = None,
    refusal: str | None = None,
) -> Completion:
    """A completion, with what is found at the same place in every dialect."""
    body = fields(answer.body)
    return Completion(
        text=said,
        finish_reason=text(finish_reason) or None,
        model=text(body.get("model")) or answer.model,
        usage=usage or Usage(),
        cost_usd=cost_of(fields(body.get("usage"))),
        latency_s=answer.latency_s,
        blocks=blocks,
        refusal=refusal or None,
        changed=dict(answer.changed),
    )


def read_event(data: str) -> dict[str, Any]:
    """The object that an event carries.

    Raises:
        ProviderError: it carries none.
    """
    try:
        event, end = _scan(data, 0)
        if end != len(data):
            event = loads(data)
    except (StopIteration, ValueError, RecursionError):  # the first: it begins with a blank, or with no JSON
        event = _read_slowly(data)
    if type(event) is not dict:
        msg = f"an event of the stream is no JSON object: {shorten(data, 200)!r}"
        raise ProviderError(msg, kind="garbled")
    return event


_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(json.JSONDecoder())  # type: ignore[arg-type] # its stub
"""`json.loads` without its looking for blanks, which takes a quarter of the time of a small event."""


def _read_slowly(data: str) -> JsonValue:
    try:
        return loads(data)
    except (ValueError, RecursionError):
        return None


class Pieces(list[str]):
    """A text that is still coming."""


NAMES = {"id", "type", "role", "format", "index"}
"""Texts that come whole, maybe again and again."""


def merge(into: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """Put a fragment to those that came before: texts and lists grow, entries of lists that have an `index` are merged
    with theirs, anything else replaces what was there. `finish` makes plain values of the result.
    """
    for key, value in delta.items():
        there = into.get(key)
        if type(value) is str and type(there) is Pieces:
            there.append(value)
        elif value is None:
            into.setdefault(key, None)
        else:
            into[key] = _merged(key, there, value)
    return into


def _merged(key: str, there: Any, value: Any) -> Any:
    match value:
        case str():
            if isinstance(there, list):  # Mistral's `content`: first parts that think, then text
                return [*there, {"type": "text", "text": value}] if value else there
            return value or there or value if key in NAMES else Pieces((value,))
        case dict():
            if (
                not isinstance(there, dict) or finish(there) == value
            ):  # the same once more, as some say it in each chunk
                there = {}
            return merge(there, value)
        case list():
            if isinstance(there, Pieces):
                there = [{"type": "text", "text": there}] if any(there) else []
            return _merge_lists(there if isinstance(there, list) else [], value, thinks=key == "thinking")
        case _:
            return value


def _merge_lists(into: list[Any], more: list[Any], *, thinks: bool) -> list[Any]:
    for entry in more:
        if type(entry) is not dict:
            into.append(entry)
            continue
        mine = (e for e in reversed(into) if type(e) is dict and _are_one(e, entry))
        there = next(mine, None)
        if there is None and "index" not in entry and into and type(into[-1]) is dict:
            kind = entry.get("type")  # Mistral's thinking comes as a part of parts, a word each
            there = into[-1] if kind == into[-1].get("type") == ("text" if thinks else "thinking") else None
        if there is None:
            into.append(merge({}, entry))
        else:
            merge(there, entry)
    return into


def _are_one(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether fragments belong together; OpenRouter counts a summary and what is encrypted of it by one index."""
    index = other.get("index")
    if index is None or one.get("index") != index:
        return False
    return all(not (a := one.get(k)) or not (b := other.get(k)) or a == b for k in ("type", "id"))


def finish(value: Any) -> Any:
    """The plain value that fragments have made."""
    if type(value) is Pieces:
        return "".join(value)
    if isinstance(value, dict):
        return {k: finish(v) for k, v in value.items()}
    return [finish(v) for v in value] if isinstance(value, list) else value
