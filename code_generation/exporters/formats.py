"""What a training format is: how a conversation becomes pieces, and how pieces become rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

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


def conversation_shown(conversation: Conversation) -> list[Message]:
    """All messages."""
    return conversation.result.full_message_history


def of_function(name: str, export: Callable[[GenerationResult], list[Row]]) -> Format:
    """A format of one's own: a function from a result to its rows, asked about proven results only."""

    def render(conversation: Conversation, _options: ExportOptions) -> list[Piece] | Reason:
        fault = conversation.fault(conversation.turns[-1:])
        return fault or [Piece(row) for row in export(conversation.result)] or "no_side"

    return Format(name=name, render=render, shown=conversation_shown)
