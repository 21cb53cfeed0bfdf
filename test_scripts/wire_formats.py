"""What the dialects of the loopback model server share: questions, answers, events, complaints, signatures.

A dialect is a module (`wire_chat`, `wire_responses`, `wire_messages`) with the same functions: `asked` reads a request,
`complaint` says why the real service would refuse it, `render` and `events` write an answer whole and as a stream,
`error` and `error_event` write an error. What a service would sign or encrypt carries a digest of its own here, so that
the server knows an altered block without remembering anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

KEY = b"model_server"
CREATED = 1_700_000_000


class Piece(NamedTuple):
    """A part of the prompt in its order: what it says, how many characters count, and whether a cache may end here."""

    text: str
    size: int
    mark: bool = False


class Tokens(NamedTuple):
    """Counts of an answer: `input` is all that was read, `cached` and `written` parts of it; `reasoning` of output."""

    input: int
    cached: int
    written: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a server needs to know of a request, whatever the dialect."""

    first: str  # the first user message
    turn: int  # assistant messages so far
    pieces: list[Piece]
    reasons: bool  # reasoning is to be part of the answer
    max_tokens: int | None
    explicit: bool = False  # caches only what the request marks, and says what it writes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it is put in a dialect's words."""

    text: str
    reasoning: str
    tokens: Tokens
    salt: str  # the same for the same problem and turn
    number: int  # of this answer among all
    finish: str = "stop"  # stop, length, window, content_filter, refusal
    fault: str | None = None  # parts, no_usage


class Event(NamedTuple):
    """An event of a stream; `last` marks those that say the answer is over."""

    name: str | None
    data: dict[str, Any] | str
    last: bool = False

    def encode(self) -> bytes:
        """The bytes of a server-sent event."""
        data = self.data if isinstance(self.data, str) else json.dumps(self.data, separators=(",", ":"))
        return (f"event: {self.name}\n" if self.name else "").encode() + f"data: {data}\n\n".encode()


class Complaint(NamedTuple):
    """Why a request is refused; `kind` is Anthropic's type of error, `code` and `param` are OpenAI's."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: Any = None
    param: str | None = None
    type: str = "invalid_request_error"


def sign(*parts: object, size: int = 12) -> str:
    """A digest that only this server makes."""
    text = json.dumps(parts, sort_keys=True, default=str).encode()  # clients may order keys anew
    return hashlib.blake2b(text, key=KEY, digest_size=size).hexdigest()


def seal(*fields: object) -> str:
    """Opaque text, as signatures and encrypted content are: some fields and their digest."""
    return base64.b64encode(json.dumps([*fields, sign(*fields)]).encode()).decode()


def unseal(text: object) -> list[Any] | None:
    """The fields of `seal`; None where it is not one of ours, or was altered."""
    try:
        *fields, digest = json.loads(base64.b64decode(str(text), validate=True))
    except (ValueError, TypeError):
        return None
    return fields if digest == sign(*fields) else None


def cost_of(answer: Answer) -> float:
    """What this server charges: one dollar a million tokens read, a tenth if cached, four a million written."""
    tokens = answer.tokens
    return round((tokens.input - 0.9 * tokens.cached + 4 * tokens.output) / 1e6, 12)


def text_of(content: Any) -> str:
    """The text of a message's content, text or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or [] if isinstance(part, dict))


def size_of(value: Any) -> int:
    """Characters in all text of a value but for the names of types."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(size_of(v) for v in value)
    if isinstance(value, dict):
        return sum(size_of(v) for k, v in value.items() if k not in {"type", "role", "cache_control", "id", "status"})
    return 0


def canonical(value: Any) -> str:
    """A value as text, without marks of the cache."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if k != "cache_control"}
    return json.dumps(value, sort_keys=True)


def chunks(text: str, number: int) -> list[str]:
    """Text cut into at most so many pieces; none of empty text."""
    size = max(1, -(-len(text) // max(1, number)))
    return [text[i : i + size] for i in range(0, len(text), size)]


def find(body: dict[str, Any], path: str) -> tuple[str, Any] | None:
    """Where a parameter stands in a body: `temperature`, `reasoning.effort`, `messages.reasoning` (of any message)."""
    name, _, rest = path.partition(".")
    if name not in body:
        return None
    value = body[name]
    if not rest:
        return name, value
    inside = enumerate(value) if isinstance(value, list) else [("", value)]
    for place, item in inside:
        found = find(item, rest) if isinstance(item, dict) else None
        if found:
            return f"{name}.{place}.{found[0]}".replace("..", "."), found[1]
    return None


# fault -> what an OpenAI-like service says, and what Anthropic says
Words = tuple[Complaint, Complaint]
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_CREDIT = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
    "purchase credits."
)
_RATE = "Rate limit reached for {model} on requests per min (RPM). Please try again later."
_RATE_2 = "This request would exceed your organization's rate limit. Please try again later."
_LONG = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce "
    "the length of the messages."
)
_WORDS = "prompt is too long: 9000 tokens, maximum context length is 8192"


def _pair(status: int, kind: str, said: str, ours: tuple[str, Any, str | None, str], other: int | None = None) -> Words:
    type_, code, param, message = ours
    return Complaint(status, message, kind, code, param, type_), Complaint(other or status, said, kind)


ERRORS: dict[str, Words] = {
    "rate_limit": _pair(429, "rate_limit_error", _RATE_2, ("requests", "rate_limit_exceeded", None, _RATE)),
    "rate_limit_bare": _pair(429, "rate_limit_error", _RATE_2, ("requests", "rate_limit_exceeded", None, _RATE)),
    "quota": _pair(
        429, "invalid_request_error", _CREDIT, ("insufficient_quota", "insufficient_quota", None, _QUOTA), 400
    ),
    "payment": _pair(402, "billing_error", "Payment required.", ("billing_error", 402, None, "Insufficient credits.")),
    "server_error": _pair(
        500, "api_error", "Internal server error", ("server_error", None, None, "The server had an error.")
    ),
    "unavailable": _pair(
        503, "api_error", "Service unavailable", ("server_error", None, None, "The engine is currently overloaded.")
    ),
    "overloaded": _pair(529, "overloaded_error", "Overloaded", ("server_error", None, None, "Overloaded.")),
    "auth": _pair(
        401, "authentication_error", "invalid x-api-key",
        ("invalid_request_error", "invalid_api_key", None, "Incorrect API key provided."),
    ),
    "forbidden": _pair(
        403, "permission_error", "Your API key does not have permission to use the specified resource.",
        ("invalid_request_error", "forbidden", None, "Not allowed."),
    ),
    "not_found": _pair(
        404, "not_found_error", "model: {model}",
        ("invalid_request_error", "model_not_found", None,
         "The model `{model}` does not exist or you do not have access to it."),
    ),
    "overflow": _pair(
        400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum",
        ("invalid_request_error", "context_length_exceeded", "messages", _LONG),
    ),
    "overflow_words": _pair(
        400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
        ("invalid_request_error", None, None, _WORDS),
    ),
    "rejected": _pair(
        400, "invalid_request_error", "metadata.user: Extra inputs are not permitted",
        ("invalid_request_error", "invalid_value", None, "Unknown parameter."),
    ),
    "filter_error": _pair(
        400, "invalid_request_error", "Output blocked by content filtering policy",
        ("invalid_request_error", "content_filter", None, "The prompt was filtered."),
    ),
}  # fmt: skip


def openai_error(complaint: Complaint) -> dict[str, Any]:
    """The body of an error as OpenAI writes it."""
    error = {"message": complaint.message, "type": complaint.type, "param": complaint.param, "code": complaint.code}
    return {"error": error}


def openai_rejection(body: dict[str, Any], path: str, style: str) -> Complaint | None:
    """A 400 for a parameter that this model does not know; `style` is how the service puts it."""
    found = find(body, path)
    if not found:
        return None
    place, value = found
    groq, _, key = place.rpartition(".")
    if path.startswith("messages.") or style == "groq":
        said = f"property '{key}' is unsupported"
        message = f"'{groq}' : for 'role:assistant' the following must be satisfied[('{groq}' : {said})]"
        return Complaint(400, message)
    if style == "value":
        if value == 1:
            return None
        message = f"Unsupported value: '{path}' does not support {value} with this model."
        return Complaint(400, f"{message} Only the default (1) value is supported.", "", "unsupported_value", path)
    if style == "unknown":
        return Complaint(400, f"Unknown parameter: '{path}'.", "", "unknown_parameter", path)
    if style == "extra":
        said = f"[{{'type': 'extra_forbidden', 'loc': ('body', '{path}'), 'msg': 'Extra inputs are not permitted'}}]"
        return Complaint(400, said, "", 400, None, "BadRequestError")
    message = f"Unsupported parameter: '{path}' is not supported with this model."
    if path == "max_tokens":
        message += " Use 'max_completion_tokens' instead."
    return Complaint(400, message, "", "unsupported_parameter", path)
