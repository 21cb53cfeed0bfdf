"""Training files on disk: JSON Lines, with a file beside it where a service takes no key of ours, or Parquet."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any

from code_generation.errors import ConfigError
from code_generation.extras import require
from code_generation.jsonl import decode, encode, whole_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from code_generation.models import JsonValue

ROW_GROUP = 32
"""Rows: readers hold a group at a time, and rows may be large."""


def rows_path(output: Path) -> Path:
    """`openai.jsonl` -> `openai.rows.jsonl`: what stands beside each of its rows."""
    stem, dot, rest = output.name.partition(".jsonl")
    return output.with_name(f"{stem}.rows.jsonl{rest}" if dot else f"{output.name}.rows.jsonl")


class LineRows:
    """Rows as JSON Lines."""

    def __init__(self, file: IO[bytes], beside: IO[bytes] | None) -> None:
        self.count = 0
        self._file, self._beside = file, beside

    def write(self, line: bytes) -> None:
        """One row; behind a newline what goes beside it."""
        row, newline, more = line.partition(b"\n")
        self._file.write(row + b"\n")
        if self._beside is not None:
            self._beside.write((more if newline else b"{}") + b"\n")
        self.count += 1


class TableRows:
    """Rows as Parquet: messages as lists of structures, as trainers read them; mixed JSON as JSON text."""

    def __init__(self, file: IO[bytes], *, raw: bool) -> None:
        """With `raw`, messages may hold thinking and blocks as the provider gave them.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        self._raw = raw
        self.count = 0
        self._arrow: Any = require("pyarrow", "parquet")
        self._parquet: Any = require("pyarrow.parquet", "parquet")
        self._file = file
        self._writer: Any = None
        self._schema: Any = None
        self._waiting: list[dict[str, JsonValue]] = []

    def write(self, line: bytes) -> None:
        """One row."""
        row, newline, more = line.partition(b"\n")
        self._waiting.append(decode(row) | (decode(more) if newline else {}))
        self.count += 1
        if len(self._waiting) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the end of the table; one without rows has no columns."""
        self._flush()
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._file, self._arrow.schema([]))
        self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._schema = self._schema_of(self._waiting[0])
            self._writer = self._parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        columns = [
            self._arrow.array([_cell(row.get(field.name), str(field.type)) for row in self._waiting], field.type)
            for field in self._schema
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema), row_group_size=ROW_GROUP)
        self._waiting.clear()

    def _schema_of(self, row: dict[str, JsonValue]) -> Any:
        arrow = self._arrow
        text = arrow.string()
        message: dict[str, Any] = {"role": text, "content": text}
        weighted = {**message, "weight": arrow.int64()}
        thinking = {"reasoning_content": text, "blocks": text} if self._raw else {}
        kinds = {"text": text, "integer": arrow.int64(), "number": arrow.float64(), "boolean": arrow.bool_()}

        def kind_of(name: str, value: JsonValue) -> Any:
            if name in MESSAGES:
                shape = (weighted if any("weight" in m for m in value) else message) | thinking
                return arrow.list_(arrow.struct(list(shape.items())))
            return kinds[KINDS.get(name, "text")]

        return arrow.schema([(name, kind_of(name, value)) for name, value in row.items()])


MESSAGES = frozenset({"messages", "prompt", "completion", "chosen", "rejected"})
"""Columns that hold messages."""
_INTEGERS = """sample_index n_turns comparison_version n_tests n_public_tests samples verified_samples chosen_chars
    rejected_chars rejected_sample_index rejected_turn input_tokens output_tokens reasoning_tokens"""
KINDS = (
    dict.fromkeys(_INTEGERS.split(), "integer")
    | dict.fromkeys(("cost_usd", "latency_s", "temperature"), "number")
    | dict.fromkeys(("verified", "label"), "boolean")
)
"""Columns that are no text, and hold no messages; what is neither is JSON text."""


def as_cells(row: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """A row as it is read from a table; one that was read from a table stays as it is."""
    names = {"text": "string", "integer": "int64", "number": "double", "boolean": "bool"}
    return {k: _cell(v, "list" if k in MESSAGES else names[KINDS.get(k, "text")]) for k, v in row.items()}


def _cell(value: JsonValue, kind: str) -> JsonValue:
    """A value as its column takes it."""
    match kind:
        case "string":
            return value if value is None or isinstance(value, str) else encode(value)
        case "int64":
            return value if isinstance(value, int) and abs(value) < 1 << 63 else None
        case "double":
            return float(value) if isinstance(value, int | float) else None
        case "bool":
            return value if isinstance(value, bool) else None
    messages = value if isinstance(value, list) else []
    return [m | {"blocks": encode(m["blocks"])} if isinstance(m.get("blocks"), list) else m for m in messages]


@contextmanager
def open_rows(output: Path, *, beside: bool, table: bool, raw: bool = False) -> Iterator[LineRows | TableRows]:
    """Open a training file; it is put in place whole at the end, or not at all.

    Raises:
        ConfigError: the place can't be written, or a package is missing.
    """
    with ExitStack() as stack:
        file = stack.enter_context(whole_bytes(output))
        try:
            if table:
                rows = TableRows(file, raw=raw)
                yield rows
                rows.close()
                return
            other = rows_path(output)
            also = stack.enter_context(whole_bytes(other)) if beside else None
            yield LineRows(file, also)
        except OSError as e:
            msg = f"{output} can't be written ({e.strerror or e}); choose another place"
            raise ConfigError(msg) from None
