"""What a training format is: how a conversation becomes pieces, and how pieces become rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from code_generation.errors import DataError, boundary
from code_generation.jsonl import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from code_generation.exporters.conversation import Conversation, Reason
    from code_generation.exporters.options import ExportOptions
    from code_generation.models import GenerationResult, JsonValue, Message

Row = dict[str, "JsonValue"]


class Written(NamedTuple):
    """A finished row; `beside` goes on the same line of the file beside it, where a service takes no other keys."""

    row: Row
    beside: Row | None = None


class Piece(NamedTuple):
    """What a conversation gives: a row, or a side of one."""

    row: Row
    beside: Row | None = None
    proven: bool = True
    """Which side of a pair it can be."""
    prompt: str = ""
    """Pieces of one pair have the same."""
    turn: int = 1
    chars: int = 0
    """Length of the whole answer."""
    code_chars: int = 0
    """Length of the answer as code alone."""
    code: str = ""
    """Hash of the code: a pair needs two."""


class Pair(NamedTuple):
    """Two sides that belong together."""

    chosen: Row
    rejected: Row
    form: Literal["whole", "code"]
    """Whether both sides are the model's whole answers, or the code in them alone."""
    kind: Literal["within", "across"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One training format."""

    name: str
    render: Callable[[Conversation, ExportOptions], list[Piece] | Reason]
    """The pieces of a conversation, or why there are none."""
    gather: Literal["conversations", "pairs", "problems"] = "conversations"
    """What a row is about: what the options of selection choose among."""
    shown: Callable[[Conversation], list[Message]] | None = None
    """The messages that its rows show; None: those of the opening."""
    repeats: Literal["code", "conversation"] = "code"
    """What makes a result a duplicate: the same final code, or the same first and final code."""
    join: Callable[[Pair, ExportOptions], Written] | None = None
    """`pairs`: the row of two sides."""
    complete: Callable[[Row, int, int], Row] | None = None
    """`problems`: the row, with how many samples of the problem there are and how many of them are proven."""
    strict: bool = False
    """A service takes its rows, and no raw blocks in them."""
    knows: frozenset[str] | None = None
    """Those of `refusals.OF_FORMATS` that mean something to it; None, of formats of one's own: any may."""

    def has_beside(self, options: ExportOptions) -> bool:
        """Whether what proves the rows stands in a file of its own, but for tables."""
        return self.name == "openai" or (self.gather == "pairs" and options.dialect == "openai")


def conversation_shown(conversation: Conversation) -> list[Message]:
    """All messages."""
    return conversation.result.full_message_history


def of_function(name: str, export: Callable[[GenerationResult], list[Row]]) -> Format:
    """A format of one's own: a function from a result to its rows, asked about proven results only.

    Its `render` raises DataError where the function fails, or returns something else than rows.
    """

    def render(conversation: Conversation, _options: ExportOptions) -> list[Piece] | Reason:
        if fault := conversation.fault(conversation.turns[-1:]):
            return fault
        with boundary(DataError, f"the format {name} fails"):
            found = export(conversation.result)
        if wrong := _no_rows(found):
            msg = f"the format {name} returned {wrong}; expected a list of rows, objects of JSON with text as keys"
            raise DataError(msg)
        return [Piece(row) for row in found] or "no_side"

    return Format(name=name, render=render, shown=conversation_shown, knows=frozenset())


def _no_rows(found: object) -> str | None:
    """What it is instead of a list of rows."""
    if not isinstance(found, list):
        return f"an object of type {type(found).__name__}"
    other = next((row for row in found if not isinstance(row, dict)), None)
    if other is not None:
        return f"a list with an object of type {type(other).__name__} in it"
    if any(not isinstance(key, str) for row in found for key in row):
        return "a row with a key that is no text"
    try:
        encode(found)
    except (TypeError, ValueError, RecursionError) as e:
        return f"a row that is no JSON ({e})"
    return None
