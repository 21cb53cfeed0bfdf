"""What services' errors mean: the one place that knows their codes and their words.

An error comes as a status and a body of any shape: OpenAI's `{"error": {...}}`, Anthropic's, Google's list of one,
FastAPI's `{"detail": [...]}`, a text of xAI, a service's body inside a gateway's, a page of HTML. Words are looked at
only where there is no code: services that copy OpenAI's dialect rarely copy its codes.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from code_generation.errors import (
    AuthFailed,
    ContextOverflow,
    Overloaded,
    ProviderError,
    RateLimited,
    RequestRejected,
)
from code_generation.jsonl import decode
from code_generation.literals import shorten
from code_generation.providers.parameters import names_in, without_quotes
from code_generation.providers.rate_headers import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from code_generation.models import JsonValue

SAID = 400
"""Characters of what a service said that a message repeats."""
DEEPEST = 8
"""Levels of errors within errors that are looked into."""
TOO_MANY = 429
UNBILLED = {*range(300, 500), 500, 503, 529} - {408, 499}
"""Statuses that are said before anything is generated; others may stand for an answer that a gateway lost."""

_REFUSED = re.compile(
    r"content_filter|content_policy|policy_violation|policyviolation|invalid_prompt|moderation|data_?inspection"
    r"|flagged|content exists risk|considered high risk|content filtering policy|violates usage guidelines"
    r"|usage policy|inappropriate content",
    re.IGNORECASE,
)
_OVERFLOW = re.compile(
    r"context_length_exceeded|string_above_max_length|exceed_context_size|request_too_large|model_context_window"
    r"|maximum context length|maximum prompt length|prompt is too long|input is too long|prompt exceeds max length"
    r"|too many (?:input )?tokens|context (?:length|window|size|limit)|exceed\w* (?:the )?model token limit"
    r"|input token count|`inputs` tokens \+ `max_new_tokens`|range of input length|at least 1, got -\d"
    r"|reduce the length of the (?:messages|input|prompt)",
    re.IGNORECASE,
)
_ASKED_FOR_MORE = re.compile(
    r"requested (?P<more>\d+) output tokens|(?P<these>\d+) in the completion|plus (?P<those>\d+) 'max_tokens'"
    r"|too large: (?P<large>\d+)|(?P<new>\d+) `max_new_tokens`|(?P<made>\d+) tokens for the completion"
)
_CONTEXT = re.compile(r"context length (?:is|of) (\d+)|must be <= (\d+)")
_UNPAID = re.compile(
    r"insufficient_quota|billing_(?:error|hard_limit|not_active)|credit balance|plan and billing"
    r"|billing (?:details|hard)|insufficient[ _](?:balance|credits?|funds)|exceeded_current_quota|payment required"
    r"|account is not active|specified api usage limits|余额不足|欠费|arrearage",
    re.IGNORECASE,
)
_PASSES = re.compile(r"RESOURCE_EXHAUSTED|retry in|try again in", re.IGNORECASE)
"""Google says of a limit per minute too that it is a matter of the plan and the billing."""
_BAD_KEY = re.compile(
    r"api[ _]key[ _](?:not valid|not found|invalid|expired)|(?:incorrect|invalid)[ _]api[ _]key|authentication_error"
    r"|organization has been disabled",
    re.IGNORECASE,
)
_OVERLOADED = re.compile(r"overloaded|over capacity|at capacity|server is busy|slow_down", re.IGNORECASE)
_TOO_LARGE_FOR_RATE = re.compile(r"request too large for .*(?:tokens per|TPM)", re.IGNORECASE | re.DOTALL)
_HOLDERS = ("response", "choices", "errors", "error", "message", "detail", "innererror", "metadata", "raw")
_WAIT = re.compile(r"(?:try again|retry) in (?:(\d+)m ?)?(\d+(?:\.\d+)?) ?(ms|s)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"<(?:script|style).*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """What a body says of an error."""

    message: str
    codes: tuple[str, ...] = ()
    """Everything in the place of a code or a type."""
    param: str | None = None
    status: int | None = None
    """The one that a gateway passes on."""
    wait_s: float | None = None
    """How long the body asks to wait."""

    @property
    def words(self) -> str:
        """Codes and the start of the message, without what it repeats of the question."""
        return "\n".join((*self.codes, without_quotes(self.message)[:SAID]))


def read_complaint(body: JsonValue | bytes) -> Complaint:
    """Find what there is in a body of any shape."""
    found = list(_layers(body, 0))
    errors = [layer for layer in found if isinstance(layer, dict)]
    messages = [text for layer in found if (text := layer if isinstance(layer, str) else _message_of(layer))]
    codes = [str(e[k]) for e in errors for k in ("code", "type", "status", "error_type") if _is_code(e.get(k))]
    statuses = [s for c in codes if c.isdigit() and 400 <= (s := int(c)) < 600]  # noqa: PLR2004
    return Complaint(
        message=" ".join(_different(messages).split()),
        codes=tuple(codes),
        param=next((e["param"] for e in reversed(errors) if e.get("param") and isinstance(e["param"], str)), None),
        status=statuses[-1] if statuses else None,
        wait_s=_wait_in(errors, " ".join(messages)),
    )


def _layers(value: JsonValue | bytes, depth: int) -> Iterator[JsonValue]:
    """Objects and texts that may say something, from the outside in."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        inner = _decoded(value)
        value = inner if inner is not None else _plain(value)
    if isinstance(value, str | dict):
        yield value
    if isinstance(value, list):
        objects = [v for v in value if isinstance(v, dict)]
        if any("loc" in v for v in objects):
            yield "; ".join(f"{_path(v.get('loc'))}: {v.get('msg')}".removeprefix(": ") for v in objects)
            return
        value = {"error": objects[0]} if objects else None
    if isinstance(value, dict) and depth < DEEPEST:
        for key in _HOLDERS:
            inside = value.get(key)
            if isinstance(inside, dict | list) or (isinstance(inside, str) and _may_hold(key, inside)):
                yield from _layers(inside, depth + 1)


def _may_hold(key: str, text: str) -> bool:
    """Whether a text stands in the place of an error, or is a whole one in itself."""
    return key in {"error", "detail", "raw"} or _decoded(text) is not None


def _message_of(layer: JsonValue) -> str:
    for key in ("message", "msg", "title"):
        text = layer.get(key)
        if isinstance(text, str) and text and _decoded(text) is None:
            return text
    return ""


def _decoded(text: str) -> JsonValue:
    """The object or list that a text is; None for another text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = decode(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def _plain(text: str) -> str:
    """A text without markup: of a page its title, or its words."""
    if "<" not in text[:500]:
        return text
    title = _TITLE.search(text)
    return title[1].strip() if title and title[1].strip() else _TAGS.sub(" ", text)


def _path(loc: JsonValue) -> str:
    """`["body", "messages", 1, "assistant", "reasoning_content"]` -> `messages.1.assistant.reasoning_content`"""
    parts = [str(p) for p in loc] if isinstance(loc, list) else [str(loc)]
    return ".".join(parts[1:] if parts[:1] == ["body"] and len(parts) > 1 else parts)


def _is_code(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value not in ("", "error")


def _different(messages: list[str]) -> str:
    """The messages, without those that others hold."""
    kept: list[str] = []
    for text in messages:
        if not any(text in k for k in kept):
            kept = [k for k in kept if k not in text] + [text]
    return ": ".join(kept)


def _wait_in(errors: list[dict[str, Any]], text: str) -> float | None:
    """Google's `retryDelay`, or "Please try again in 20s"."""
    details = [d for e in errors if isinstance(e.get("details"), list) for d in e["details"] if isinstance(d, dict)]
    for delay in (d.get("retryDelay") for d in details):
        if isinstance(delay, str) and re.fullmatch(r"\d+(\.\d+)?s", delay):
            return float(delay[:-1])
    if found := _WAIT.search(text):
        return int(found[1] or 0) * 60 + float(found[2]) * (0.001 if found[3].lower() == "ms" else 1.0)
    return None


def refusal_of(status: int, body: JsonValue | bytes) -> str | None:
    """The category of a refusal that came as an error, `content_filter` for instance; None for every other error."""
    if status == TOO_MANY or status >= 500 or status in {401, 402, 404}:  # noqa: PLR2004
        return None
    said = read_complaint(body)
    if not _REFUSED.search(said.words):
        return None
    return next((c for c in reversed(said.codes) if _REFUSED.search(c)), "content_filter")


_STATUSES = [
    (re.compile(pattern), status)
    for pattern, status in (
        (r"rate_?limit|too_many_requests", 429),
        (r"overloaded", 529),
        (r"quota|billing|credit", 402),
        (r"authentication|api_key", 401),
        (r"permission|forbidden", 403),
        (r"not_found", 404),
        (r"timeout|timed_out", 504),
        (r"invalid|bad_?request|context_length|policy|filter|validation", 400),
    )
]


def status_inside(body: JsonValue) -> int | None:
    """The status that an error inside of a body stands for, which came with status 200; None where there is none."""
    outer = body[0] if isinstance(body, list) and body else body
    if not isinstance(outer, dict):
        return None
    choices = outer.get("choices")
    places = [outer, outer.get("response"), choices[0] if isinstance(choices, list) and choices else None]
    is_error = "error" in (outer.get("type"), outer.get("object")) or bool(outer.get("detail"))
    if not is_error and not any(isinstance(p, dict) and p.get("error") for p in places):
        return None
    said = read_complaint(body)
    codes = "\n".join(said.codes).lower()
    other = 400 if _REFUSED.search(said.words) else 500
    return said.status or next((status for pattern, status in _STATUSES if pattern.search(codes)), other)


def translate(
    status: int,
    body: JsonValue | bytes,
    headers: Mapping[str, str],
    *,
    address: str,
    model: str,
    begun: bool = False,
) -> ProviderError:
    """Our error for a service's. `begun`: it stood in place of an answer with status 200, or within one, and `status`
    is what it stands for.
    """
    said = read_complaint(body)
    code = next((c for c in said.codes if c not in said.message and not c.isdigit()), "")
    what = shorten(said.message, SAID) + (f" ({code})" if code and said.message else code) or "nothing"
    text = f"{address} answered {status}: {what}"
    asked_s = parse_retry_after(headers, now_s=time.time())
    wait_s = said.wait_s if asked_s is None else asked_s
    facts: _Facts = {"headers": headers, "unbilled": status in UNBILLED and not begun}
    place = shorten(headers.get("location") or "another place", 200)
    if check := _what_to_check(status, said, place, model):
        return AuthFailed(f"{text} ({check})", **facts)
    if status == TOO_MANY and _TOO_LARGE_FOR_RATE.search(said.words):
        return RequestRejected(text, **facts)
    if status in {503, 529} or (status >= TOO_MANY and _OVERLOADED.search(said.words)):
        return Overloaded(text, wait_s, **facts)
    if status == TOO_MANY:
        return RateLimited(text, wait_s, **facts)
    if status in {408, 504, 522, 524}:
        return ProviderError(text, kind="timeout", **facts)
    if status >= 500 or status in {409, 425, 499}:  # noqa: PLR2004
        return ProviderError(text, kind="server_error", **facts)
    return _rejected(said, text, facts)


class _Facts(TypedDict):
    """What every error carries."""

    headers: Mapping[str, str]
    unbilled: bool


def _what_to_check(status: int, said: Complaint, place: str, model: str) -> str | None:
    """What to do about that which no other request could heal either; None for what another may."""
    if status < 400:  # noqa: PLR2004
        return f"it sends callers to {place}: check the address"
    unpaid = _UNPAID.search(said.words) and not (said.wait_s or _PASSES.search(said.words))
    if status == 402 or (status < 500 and unpaid):  # noqa: PLR2004
        return "check the account's credit and billing"
    if status == TOO_MANY:
        return None
    if status in {404, 405, 410} and said.param in {None, "model"}:
        return f"check the model name {model!r} and the address"
    if status in {401, 403, 407} or (status < 500 and _BAD_KEY.search(said.words)):  # noqa: PLR2004
        return "check the key and the account"
    return None


def _rejected(said: Complaint, text: str, facts: _Facts) -> ProviderError:
    """The error for a request that the service understood and will not answer."""
    if _TOO_LARGE_FOR_RATE.search(said.words):
        return RequestRejected(text, **facts)
    if _OVERFLOW.search(said.words):
        more, context = _ASKED_FOR_MORE.search(said.message), _CONTEXT.search(said.message)
        if more and context and int(more[more.lastindex or 0]) >= int(context[context.lastindex or 0]):
            return RequestRejected(text, "max_tokens", **facts)  # no conversation is short enough for that
        return ContextOverflow(text, **facts)
    return RequestRejected(text, said.param or next(names_in(said.message), None), **facts)
