"""What an export should hold: its rows made again from the run, to be held against those in the file.

A row that is not among them was changed: its answer, its prompt, its label or weight, any hash. How they were made is
in the card beside the export; without it every way to make them is tried, so a row that another option would have
given is not told from one that was changed into it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from code_generation.errors import ConfigError, DataError, boundary
from code_generation.exporters.conversation import REASONS
from code_generation.exporters.export_card import card_path
from code_generation.exporters.formats import Format, Pair
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.table import EXPORTERS, format_of
from code_generation.exporters.writing import MESSAGES, as_cells, rows_path
from code_generation.extract import extract_code
from code_generation.jsonl import decode, encode, read_objects
from code_generation.loaders.parquet_rows import parquet_rows
from code_generation.providers.reading import sendable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from code_generation.exporters.conversation import Conversation
    from code_generation.exporters.formats import Piece, Row
    from code_generation.models import CodeProblem

    Conversations = Callable[[str], list[Conversation]]

REMEMBERED = 64
"""Problems whose rows are kept at hand: rows about one problem mostly stand together."""
NOT_COMPARED = frozenset({"tests_file", "samples", "verified_samples"})
"""Where the run was, and what else was selected."""
ANSWERS = ("messages", "completion", "chosen", "preferred_output")
MAGIC = b"PAR1"
Way = tuple[Format, ExportOptions]


class Made(NamedTuple):
    """A row as the run gives it."""

    row: Row
    """With what stands beside it."""
    conversation: Conversation
    code: str | None
    """What passed, where the row says that it did; None: it does not."""


class Remade:
    """The rows of one export, made again as they are asked for."""

    def __init__(self, path: Path, conversations: Conversations) -> None:
        """`conversations` gives what the run has about a problem."""
        self._table = is_table(path)
        self._ways = ways_of(path)
        self._conversations = lru_cache(REMEMBERED)(conversations)
        self._rows = lru_cache(REMEMBERED)(self._remake)

    def find(self, row: Row) -> tuple[Made | None, list[str]]:
        """The row of the run that this one is; else why it is none of them."""
        problem_id = row["problem_id"]
        rows, reasons = self._rows(problem_id)
        pairs = [m for m in self._pairs(row) if self._key(m.row) == self._key(row)]
        found = next(iter(pairs), None) or rows.get(self._key(row))
        if found is not None:
            return found, []
        if not self._conversations(problem_id):
            return None, ["the run has no such problem"]
        nearest = max([*self._pairs(row), *rows.values()], key=lambda m: len(self._equal(row, m.row)), default=None)
        if nearest is None:
            return None, [f"the run gives no such row: {', '.join(sorted(reasons)) or 'no such pair'}"]
        equal = self._equal(row, nearest.row)
        other = [k for k in {**nearest.row, **row} if k not in equal and k not in NOT_COMPARED]
        return None, [f"its {', '.join(other)} {'is' if len(other) == 1 else 'are'} not what the run gives"]

    def told(self, row: Row) -> tuple[CodeProblem | None, str | None]:
        """The problem of a row and the code in its answer, as far as there are such."""
        conversations = self._conversations(row["problem_id"])
        if not conversations or conversations[0].result.problem.wants_patch:
            return None, None
        problem = conversations[0].result.problem
        said = [row[k][-1] for k in ANSWERS if isinstance(row.get(k), list) and row[k]]
        texts = [m["content"] for m in said if isinstance(m, dict) and isinstance(m.get("content"), str)]
        return problem, next(filter(None, (extract_code(text, problem.view()) for text in texts)), None)

    def _remake(self, problem_id: str) -> tuple[dict[str, Made], set[str]]:
        rows: dict[str, Made] = {}
        reasons: set[str] = set()
        for conversation, (form, options) in product(self._conversations(problem_id), self._ways):
            pieces = [] if form.gather == "pairs" else form.render(conversation, options)
            if isinstance(pieces, str):
                reasons.add(REASONS[pieces])
                continue
            for piece in pieces:
                made = _made(piece, conversation)
                rows.setdefault(self._key(made.row), made)
        return rows, reasons

    def _pairs(self, row: Row) -> Iterator[Made]:
        """The pair of two sides that a row names, where the run has it."""
        sides = {"code": "code_sha256", "sample": "sample_index", "model": "model", "turn": "n_turns"}
        wanted = [row.get(k) for k in sides.values()]
        loser = [row.get(f"rejected_{k}") for k in ("code_sha256", "sample_index", "model", "turn")]
        for form, options in self._ways:
            if form.join is None:
                continue
            found: dict[bool, list[tuple[Piece, Conversation]]] = {True: [], False: []}
            for conversation in self._conversations(row["problem_id"]):
                pieces = form.render(conversation, options)
                for piece in [] if isinstance(pieces, str) else pieces:
                    says = piece.row["provenance"]
                    if [says[k] for k in sides.values()] == (wanted if piece.proven else loser):
                        found[piece.proven].append((piece, conversation))
            for (chosen, won), (rejected, lost) in product(found[True], found[False]):
                side: Any = row.get("form")
                known = side in {"whole", "code"} and chosen.prompt == rejected.prompt
                if known and chosen.row[side] and rejected.row[side]:
                    pair = Pair(chosen.row, rejected.row, side, "within" if won is lost else "across")
                    written, beside = form.join(pair, options)
                    yield Made({**written, **(beside or {})}, won, _code_of(won, chosen.turn))

    def _equal(self, row: Row, other: Row) -> set[str]:
        mine, its = self._plain(row), self._plain(other)
        return {k for k in mine.keys() & its.keys() if encode(mine[k]) == encode(its[k])}

    def _key(self, row: Row) -> str:
        return encode(sorted(self._plain(row).items()))

    def _plain(self, row: Row) -> Row:
        """A row in the form in which both are compared."""
        kept = {k: v for k, v in sendable(decode(encode(row))).items() if k not in NOT_COMPARED}
        if self._table:
            kept = as_cells(kept)
        return {k: _bare(v) if k in MESSAGES else v for k, v in kept.items()}


def _bare(messages: Any) -> Any:
    """Messages without keys that hold nothing, which a table has for all of them, and in one order."""
    if not isinstance(messages, list):
        return messages
    return [dict(sorted((k, v) for k, v in m.items() if v is not None)) if isinstance(m, dict) else m for m in messages]


def _made(piece: Piece, conversation: Conversation) -> Made:
    row = {**piece.row, **(piece.beside or {})}
    turn = row.get("n_turns", len(conversation.turns))  # answers up to the one that the row is about
    return Made(row, conversation, _code_of(conversation, turn) if row.get("verified") else None)


def _code_of(conversation: Conversation, turn: int) -> str | None:
    last = turn == len(conversation.turns) or not conversation.turns
    return conversation.result.final_code if last else conversation.turns[turn - 1].code


def ways_of(path: Path) -> list[Way]:
    """How an export was made, by its card; all ways that there are where it has none.

    Raises:
        ConfigError: in a format that is not ours: its code is not run because a card names it.
    """
    everything = ExportOptions(turns="all", single_turn=True)
    try:
        card = decode(card_path(path).read_bytes())
        said = card["options"]
        options = replace(
            everything, thinking=said["thinking"], split_turns=said["split_turns"],
            failed_weight=said["failed_weight"], dialect=said["dialect"],
        )  # fmt: skip
        name = str(card["format"])
    except (OSError, ValueError, LookupError, TypeError):
        name = ""
    if name in EXPORTERS:
        return [(format_of(name), options)]
    if name:
        msg = f"{path} is in a format of one's own, {name}, whose rows can't be made again here"
        raise ConfigError(msg)
    choices: Any = product(EXPORTERS, ("strip", "tags", "keep"), (False, True), (0, 1), ("trl", "openai", "together"))
    return [
        (format_of(name), replace(everything, thinking=thinking, split_turns=split, failed_weight=weight, dialect=to))
        for name, thinking, split, weight, to in choices
        if (to == "trl" or name == "dpo") and (not (split or weight) or name in {"self-debug", "openai", "together"})
    ]


def is_table(path: Path) -> bool:
    """Whether a file is Parquet, whatever its name.

    Raises:
        DataError: it can't be read.
    """
    with boundary(DataError, f"{path} can't be read", OSError), path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_with(path: Path) -> Path | None:
    """The export beside which a file with what proves its rows stands; None: it is no such file."""
    main = path.with_name(path.name.replace(".rows.jsonl", ".jsonl"))
    return main if main != path and main.is_file() and rows_path(main) == path else None


def exported_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(place, row) of an export; where a service takes no key of ours, with what stands in the file beside it.

    Raises:
        DataError: the file beside it has other rows, or a row is none.
    """
    if is_table(path):
        with path.open("rb") as file:
            for place, row in parquet_rows(file, str(path)):
                if isinstance(row, DataError):
                    raise row
                yield f"{path}:{place}", row
        return
    beside = rows_path(path)
    others = read_objects(beside) if beside.is_file() else None
    for number, row in read_objects(path, torn_tail=True):
        if "problem_id" in row or others is None:
            yield f"{path}:{number}", row
            continue
        _, more = next(others, (0, None))
        if more is None:
            msg = f"{beside} has fewer rows than {path}"
            raise DataError(msg)
        yield f"{path}:{number}", {**more, **row}
    if others is not None and next(others, None) is not None:
        msg = f"{beside} has more rows than {path}"
        raise DataError(msg)
