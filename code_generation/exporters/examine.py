"""One line of a result file: decoded, rendered, judged. The part of an export that takes its time, and that several
processes can share: what is remembered from row to row, a problem's private values and codes seen, is of one problem.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from code_generation.errors import CodeGenerationError, DataError
from code_generation.exporters.checks import Checks, Findings
from code_generation.exporters.conversation import Conversation
from code_generation.exporters.export_card import common_facts
from code_generation.exporters.index import Stored, Unit, draw
from code_generation.exporters.table import format_of
from code_generation.json_pieces import BLOCK
from code_generation.jsonl import TornLine, decode_line, encode
from code_generation.models import GenerationResult
from code_generation.providers.reading import sendable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.exporters.formats import Piece, Row
    from code_generation.exporters.options import ExportOptions
    from code_generation.models import JsonValue


class Line(NamedTuple):
    """A line of a result file."""

    number: int
    """Of the result, from 1, over all files."""
    file: str
    line: int
    text: bytes
    of_problem: Mapping[str, JsonValue]
    """What only all results of its problem say."""


class Examined(NamedTuple):
    """What became of a line: a reason, or a unit with its pieces; an error, or nothing where it is torn."""

    sample: bytes = b""
    """What tells the sample from all others, see `sample_key`."""
    reason: str | None = None
    unit: Unit | None = None
    pieces: list[Stored] = []  # noqa: RUF012 - never changed
    facts: str = ""
    error: str | None = None


class Examiner:
    """Examines lines in their order."""

    def __init__(self, name: str, options: ExportOptions) -> None:
        """Raises what the options name wrongly, see `Checks`."""
        self._form, self._options = format_of(name), options
        self._checks = Checks(options, self._form)

    def examine(self, line: Line) -> Examined:
        """See `Examined`."""
        result = read_result(line)
        if not isinstance(result, GenerationResult):
            return Examined() if isinstance(result, TornLine) else Examined(error=str(result))
        conversation, key = Conversation(result, line.file), sample_key(result)
        try:
            pieces = self._form.render(conversation, self._options)
        except CodeGenerationError as e:
            return Examined(error=f"{line.file}: line {line.line}: {e}")
        if isinstance(pieces, str):
            return Examined(key, pieces)
        if not self._checks.lets_through(conversation, line.of_problem):
            return Examined(key, "where")
        if reason := self._checks.judge(conversation, f"{line.file}:{line.line}"):
            return Examined(key, reason)
        unit = self._unit(line, conversation, pieces)
        facts = json.dumps(common_facts(conversation), sort_keys=True)
        return Examined(key, None, unit, [_stored(piece) for piece in pieces], facts)

    def _unit(self, line: Line, conversation: Conversation, pieces: list[Piece]) -> Unit:
        result, metadata = conversation.result, conversation.metadata
        difficulty, code = result.problem.metadata.get("difficulty"), pieces[-1].code
        identity = result.problem.problem_id, metadata.get("model"), metadata.get("sample_index", 0), code
        return Unit(
            id=line.number,
            problem=result.problem.problem_id,
            chars=pieces[-1].chars,
            turns=len(result.attempts),
            difficulty=None if difficulty is None else str(difficulty),
            draw=draw(self._options.seed, *identity),
            cost=result.cost_usd,
        )

    def findings(self) -> Findings:
        """What the checks found so far."""
        return self._checks.findings

    def close(self) -> None:
        """Give back what is remembered."""
        self._checks.close()

    def __enter__(self) -> Self:
        """Give back itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Give back what is remembered."""
        self.close()


def sample_key(result: GenerationResult) -> bytes:
    """16 bytes that a sample has wherever it stands, graded anew or not: of its problem, its model, its number, and
    what was said. Runs that number their samples alike said something else, unless nothing was left to chance.
    """
    metadata, key = result.generation_metadata, hashlib.blake2b(digest_size=16)
    names = [str(metadata.get(name)) for name in ("provider", "model", "prompt_id", "system_prompt_id", "sample_index")]
    for text in (result.problem.problem_id, *names, *(m.content for m in result.full_message_history)):
        key.update(text.encode("utf-8", "surrogatepass") + b"\xff")  # a byte that no text has
    return key.digest()


_DECODER = msgspec.json.Decoder(GenerationResult)


def read_result(line: Line) -> GenerationResult | DataError:
    """The result of a line, keys that this version does not know left out; what is wrong with it instead.

    What msgspec takes it reads as `json.loads` does; what it refuses, among it NaN, half a surrogate pair and integers
    of thousands of digits, is read the slow way.
    """
    if len(line.text) <= BLOCK:
        try:
            return _DECODER.decode(line.text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    value = decode_line(bytearray(line.text), line.file, line.line)
    if isinstance(value, DataError):
        return value
    try:
        return msgspec.convert(value, GenerationResult)
    except (msgspec.ValidationError, RecursionError, UnicodeEncodeError) as e:  # the last: half a surrogate pair
        return DataError(f"{line.file}: line {line.line} is not a result row: {e}")


def _stored(piece: Piece) -> Stored:
    text = _line(piece.row)
    if piece.beside is not None:
        text += b"\n" + _line(piece.beside)
    return Stored(text, piece.proven, piece.prompt, piece.turn, piece.chars, piece.code_chars, piece.code)


def _line(row: Row) -> bytes:
    """A row as bytes; half surrogate pairs, which no tokenizer takes, are replaced."""
    line = encode(row)
    return (encode(sendable(row)) if "\\ud" in line else line).encode("ascii")
