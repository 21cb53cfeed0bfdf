"""What was learnt about the parameters of one model: a 400 that names one is heeded by all later calls.

Services differ in what they take, and say so only when asked. What they refuse is renamed, left out or lowered, once
and aloud, and every answer says what was changed for it. A value that the model could take otherwise (a temperature of
5, an effort with another name) is a mistake of the caller's and stays an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from code_generation.errors import RequestRejected

    Body = dict[str, Any]
    Change = Callable[[Body], Body]

LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""Names of the upper limit on the tokens of an answer."""
CONVERSATION = ("messages", "input")
NEEDED = frozenset({"model", "messages", "input", "system", "instructions"})
"""What no question can do without."""
CORE = frozenset({
    "role", "content", "type", "text", "thinking", "signature", "data", "encrypted_content", "summary", "output"
})  # fmt: skip
"""Keys of a message that are the message."""
NOT_SENT = "not sent"
CACHE = "cache_control"

_QUOTED = r"[`'\"“]([A-Za-z_][\w.\[\]]*)[`'\"”]"
_BARE = r"[`'\"]?([A-Za-z_][\w.\[\]]*\w\]?)"
_IS_REFUSED = (
    r"(?:is|are) (?:not supported|unsupported|deprecated|not (?:allowed|permitted|available|implemented)"
    r"|no longer supported|not a (?:valid|known|recogni[sz]ed) (?:field|parameter|argument))"
)
_STRANGE = r"(?:unsupported|unknown|unrecogni[sz]ed|unexpected|extra|invalid) (?:request )?(?:keyword )?"
_KIND = r"(?:parameter|argument|field|name|key|property|value|option)s?(?: supplied| provided)?"
_NAMING = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_QUOTED} and (?P<name>[`'\"]?\w+)[`'\"]? cannot both be",
        rf"not permitted, field: {_QUOTED}",
        r"([\w.\[\]]+):? extra (?:inputs|fields) (?:are )?not permitted",
        rf"propert(?:y|ies) {_QUOTED} (?:is|are) (?:unsupported|not supported)",
        rf"{_STRANGE}{_KIND}:? {_QUOTED}",
        rf"{_STRANGE}{_KIND}: {_BARE}",
        rf"(?:argument|parameter|field)s? not supported(?: on| with| by| for)?(?: this model)?: {_BARE}",
        rf"not support (?:the )?(?:parameter|argument|field)s?:? {_BARE}",
        rf"not support (?:the )?{_BARE}[`'\"]? (?:parameter|argument|field|option)",
        r"extraneous key \[([\w.]+)\]",
        r"'loc': \((?:'body', )?([^)]*)\), 'msg': '(?:Extra inputs are|extra fields) not permitted",
        rf"{_QUOTED} (?:parameter |argument |field )?(?:{_IS_REFUSED}|does not support|may only be set)",
        rf"(?:^|[.:;] ){_BARE} {_IS_REFUSED}",
        r"adaptive (thinking) is not supported",
        r"does not support (thinking|reasoning)\b",
        r"must be verified to (stream) this model",
        r"\b(max_(?:new_|output_|completion_)?tokens)[`'\"]?(?:: \d+ >| value| must be| should be| is too large)",
    )
]
_LIMIT = re.compile(r"max_?(?:new_?|output_?|completion_?)?tokens", re.IGNORECASE)
_MOST = re.compile(
    r"> (\d+), which is the maximum|at most `?(\d+)|\[\d+, ?(\d+)\]|(?:<=|less than or equal to) `?(\d+)"
    r"|\(inclusive\) to (?P<below>\d+) \(exclusive\)|maximum (?:value )?(?:is|of|allowed is) `?(\d+)"
)
_OF_VALUE = re.compile(
    r"above[ _]maximum|below[ _]minimum|invalid type|less than|greater than|must be (?!verified|satisfied)|out of range"
    r"|input should be|should be a valid|valid range|range:|expected a value|unknown variant|supported range"
    r"|supported values are|invalid value",
    re.IGNORECASE,
)
_NOT_OF_VALUE = re.compile(r"or unset|only the default|may only be set", re.IGNORECASE)
_INSTEAD = re.compile(r"(?:use|moved to) [`'\"](\w+)[`'\"]", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])([A-Z])")
_QUOTE = re.compile(r"[,(\[{] ?['\"]?(?:input_)?(?:value|input)['\"]?[:=]")
"""Where a message begins to repeat what was sent."""
_IN_MESSAGES = re.compile(r"(?:messages|input)(?:\.|\[)\d")
_THINKING = ("thinking", "reasoning_effort", "reasoning", "think")


def names_in(message: str) -> Iterator[str]:
    """Names of parameters that a message refuses, the likeliest first. Words in prose are none: `the input is too
    long` names nothing.

    >>> list(names_in("Unsupported parameter: 'max_tokens' is not supported with this model."))[0]
    'max_tokens'
    """
    for pattern in _NAMING:
        for found in pattern.finditer(message):
            name = found.groupdict().get("name") or found[1]
            yield ".".join(re.findall(r"[\w.\[\]]+", name)).strip(".")


def without_quotes(message: str) -> str:
    """A message up to where it repeats what was sent, whose words mean nothing.

    >>> without_quotes("[{'msg': 'Extra inputs are not permitted', 'input': 'a must be less than b'}]")
    "[{'msg': 'Extra inputs are not permitted'"
    """
    return _QUOTE.split(message, maxsplit=1)[0]


class Parameters:
    """What one model takes."""

    def __init__(self, *, needed: Collection[str] = (), on_change: Callable[[str, str], None] | None = None) -> None:
        """`needed`: parameters that the dialect can't do without; `on_change` is told each change once."""
        self._needed = NEEDED | set(needed)
        self._on_change = on_change
        self._learnt: dict[str, tuple[str, Change]] = {}

    def apply(self, body: Body) -> tuple[Body, dict[str, str]]:
        """The body as this model takes it, and what was changed in it; the one that is given stays as it is.

        {"temperature": 0.7, ...} -> {...}, {"temperature": "not sent"}
        """
        changed = {}
        for name, (what, change) in self._learnt.items():
            new = change(body)
            if new is not body:
                body, changed[name] = new, what
        return body, changed

    def adapt(self, error: RequestRejected, body: Body) -> tuple[str, str] | None:
        """Learn from a refusal of a body; the name and what becomes of it, None where nothing helps.

        A body that was under way while another call learnt something needs only to be asked again.
        """
        changed = self.apply(body)[1]
        if changed:
            return next(iter(changed.items()))
        message = without_quotes(str(error))
        for name in dict.fromkeys((*([error.names] if error.names else []), *names_in(message))):
            if found := self._find(name, message, body):
                known, what, change = found
                self._learnt.pop(known, None)
                self._learnt[known] = what, change
                if self._on_change:
                    self._on_change(known, what)
                return known, what
        return None

    def _find(self, name: str, message: str, body: Body) -> tuple[str, str, Change] | None:
        """The change that answers the refusal of a name: its own name, how it is called, and how it is made."""
        parts = _parts_of(name, body)
        if CACHE in parts:
            return _if_it_helps(CACHE, NOT_SENT, lambda b: _without_key(b, CACHE), body)
        if len(parts) == 1 and _LIMIT.fullmatch(parts[0]):
            return self._find_limit(parts[0], message, body)
        if _OF_VALUE.search(message) and not _NOT_OF_VALUE.search(message):
            return None
        alone = len(parts) == 1
        if parts[0] in CONVERSATION or (alone and (parts[0] not in body or _IN_MESSAGES.search(message))):
            found = _find_in_answers(parts[-1], body)
            if found or not alone:
                return found
        if parts[0] == "thinking" and "adaptive" in message and _think_adaptively(body) is not body:
            return "thinking.type", "sent as adaptive", _think_adaptively
        path = _locate(body, parts)
        if path is None or path[0] in self._needed:
            return None
        if path == ["stream"]:
            return "stream", NOT_SENT, lambda b: _without(_without(b, ["stream"]), ["stream_options"])
        return ".".join(path), NOT_SENT, lambda b: _without(b, path)

    def _find_limit(self, name: str, message: str, body: Body) -> tuple[str, str, Change] | None:
        """The upper limit on the tokens of an answer is lowered, renamed or, where it has to be, left out."""
        sent = name if name in body else next((n for n in LIMITS if n in body), None)
        if sent is None or not isinstance(body[sent], int):
            return None
        if most := _most_in(message):
            if most >= body[sent]:
                return None
            return sent, f"sent as {most}", lambda b: {**b, sent: most} if b.get(sent, 0) > most else b
        if sent in self._needed:
            return None
        too_large = re.search(r"context|too large", message)
        if _OF_VALUE.search(message) and not too_large:
            return None
        renamed = next((n for n, (what, _) in self._learnt.items() if what == f"sent as {sent}"), None)
        if renamed or too_large or sent == "max_output_tokens":
            first = renamed or sent
            self._learnt.pop(first, None)
            return first, NOT_SENT, lambda b: _without(_without(b, [first]), [sent])
        said = _INSTEAD.search(message)
        other = said[1] if said and said[1] in LIMITS and said[1] != sent else LIMITS[sent == LIMITS[0]]
        return sent, f"sent as {other}", lambda b: _renamed(b, sent, other)


def _find_in_answers(key: str, body: Body) -> tuple[str, str, Change] | None:
    """A key that the answers of the service itself hold, and that it does not take back."""
    if key.isdigit() or key in CORE:
        return None
    return _if_it_helps(f"messages.{key}", NOT_SENT, lambda b: _without_in_answers(b, key), body)


def _if_it_helps(name: str, what: str, change: Change, body: Body) -> tuple[str, str, Change] | None:
    return (name, what, change) if change(body) is not body else None


def _parts_of(name: str, body: Body) -> list[str]:
    """`messages[2].content[0].cache_control` -> ["messages", "2", "content", "0", "cache_control"]"""
    parts = [p for p in re.split(r"[.\[\]]+", name) if p] or [""]
    parts = parts[1:] if parts[0] == "body" and len(parts) > 1 else parts
    return parts if parts[0] in body else [_CAMEL.sub(r"_\1", p).lower() for p in parts]


def _most_in(message: str) -> int | None:
    """The largest number of tokens that a message allows."""
    found = _MOST.search(message)
    if not found:
        return None
    most = int(found[found.lastindex or 0]) - (1 if found["below"] else 0)
    return most if most > 0 else None


def _locate(body: Body, parts: list[str]) -> list[str] | None:
    """Keys that lead to a parameter; names of variants between them (`thinking.enabled.budget_tokens`) are passed, and
    a name alone may stand for one inside of another (`effort`), or be another service's word (`thinking`).
    """
    node: Any = body
    path, missed = [], ""
    for part in parts:
        missed = part
        if isinstance(node, dict) and part in node:
            node, missed = node[part], ""
            path.append(part)
        elif isinstance(node, list) and part.isdigit():
            missed = ""
    if path and (not missed or node == missed):
        return path
    if len(parts) > 1:
        return None
    if parts[0] in _THINKING:
        return next(([p] for p in _THINKING if p in body), None)
    inside = [k for k, v in body.items() if isinstance(v, dict) and parts[0] in v and parts[0] not in CORE]
    return [inside[0], parts[0]] if len(inside) == 1 else None


def _without(body: Body, path: list[str]) -> Body:
    """A body without one parameter, nor an object that is empty then."""
    if path[0] not in body:
        return body
    kept = {k: v for k, v in body.items() if k != path[0]}
    if len(path) == 1:
        return kept
    inside = body[path[0]]
    left = _without(inside, path[1:]) if isinstance(inside, dict) else inside
    if left is inside:
        return body
    return {k: left if k == path[0] else v for k, v in body.items()} if left else kept


def _without_key(value: Any, key: str) -> Any:
    """A value without a key at any depth; the same object where there was none."""
    if isinstance(value, dict):
        new = {k: _without_key(v, key) for k, v in value.items() if k != key}
        return value if len(new) == len(value) and all(new[k] is value[k] for k in new) else new
    if isinstance(value, list):
        items = [_without_key(v, key) for v in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    return value


def _without_in_answers(body: Body, key: str) -> Body:
    """A body without a key of assistant messages and of the parts of their content."""
    for name in CONVERSATION:
        messages = body.get(name)
        if not isinstance(messages, list):
            continue
        new = [_stripped(m, key) if isinstance(m, dict) and m.get("role", "assistant") == "assistant" else m
               for m in messages]  # fmt: skip
        if any(a is not b for a, b in zip(new, messages, strict=True)):
            return {**body, name: new}
    return body


def _stripped(message: Body, key: str) -> Body:
    content = message.get("content")
    parts = content
    if isinstance(content, list) and any(isinstance(p, dict) and key in p for p in content):
        parts = [{k: v for k, v in p.items() if k != key} if isinstance(p, dict) else p for p in content]
    if key not in message and parts is content:
        return message
    return {k: parts if k == "content" else v for k, v in message.items() if k != key}


def _renamed(body: Body, name: str, other: str) -> Body:
    return {other if k == name else k: v for k, v in body.items()} if name in body else body


def _think_adaptively(body: Body) -> Body:
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return body
    kept = {k: v for k, v in thinking.items() if k != "budget_tokens"}
    return {**body, "thinking": {**kept, "type": "adaptive"}}
