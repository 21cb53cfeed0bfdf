"""JSON Lines that survive: one object a line, ASCII with escapes, plain or `.gz`/`.zst` by the file's name.

A writer that is killed may leave a torn last line (measured: every second kill of a 20 KB write). So a reader takes an
undecodable last line without its newline for a tear (where the file is one that runs append to), and a writer cuts it
before it appends.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Self

from code_generation.errors import ConfigError, DataError
from code_generation.json_pieces import BLOCK, decode_blocks, loads
from code_generation.literals import lift_digit_limit, shorten
from code_generation.packed import create_bytes, open_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from code_generation.models import JsonValue


LARGE = 4 * BLOCK
"""Bytes or characters of a JSON text that is decoded piece by piece: slower, but lean, and other threads go on."""


def decode(text: str | bytes) -> JsonValue:
    """Decode one JSON value; integers of any length, NaN and lone surrogates come through.

    Raises:
        ValueError: it is not JSON.
    """
    lift_digit_limit()
    try:
        return loads(text) if len(text) <= LARGE else decode_blocks(_blocks_of(text))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def decode_and_empty(text: bytearray) -> JsonValue:
    """Decode one JSON value like `decode`; the text is given up on the way, so that it does not stand beside the value.

    Raises:
        ValueError: it is not JSON, or not UTF-8.
    """
    lift_digit_limit()
    try:
        if len(text) > LARGE:
            return decode_blocks(_emptied(text))
        line = text.decode("utf-8-sig")
        text.clear()
        return loads(line)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


_TOO_DEEP = "nested too deeply"


def _blocks_of(text: str | bytes) -> Iterator[bytes]:
    for start in range(0, len(text), BLOCK):
        block = text[start : start + BLOCK]
        yield block.encode("utf-8", "surrogatepass") if isinstance(block, str) else block


def _emptied(text: bytearray) -> Iterator[bytes]:
    while text:
        block = bytes(text[:BLOCK])
        del text[:BLOCK]
        yield block


def encode(value: JsonValue) -> str:
    """Encode as one line of ASCII."""
    lift_digit_limit()
    return json.dumps(value, ensure_ascii=True)


def encode_pieces(value: JsonValue, levels: int = 4) -> Iterator[bytes]:
    """The bytes of `encode`, in pieces: a large row is never there as a whole. Large containers are taken apart some
    levels deep.

    {"a": [...], "b": 1} -> b'{"a": ', b"[", ..., b"]", b', "b": ', b"1", b"}" for instance
    """
    if isinstance(value, str) and len(value) > BLOCK:
        for start in range(0, len(value), BLOCK):
            yield b'"'[: not start] + encode(value[start : start + BLOCK])[1:-1].encode("ascii")
        yield b'"'
    elif not levels or not isinstance(value, dict | list) or _is_small(value):
        yield encode(value).encode("ascii")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield b", " if number else b"["
            yield from encode_pieces(item, levels - 1)
        yield b"]"
    else:
        for number, (key, item) in enumerate(value.items()):
            yield f"{', ' if number else '{'}{encode(key)}: ".encode("ascii")
            yield from encode_pieces(item, levels - 1)
        yield b"}"


def _is_small(value: dict[Any, JsonValue] | list[JsonValue]) -> bool:
    """A few scalars and short texts, such as a usual test; also a dictionary whose keys are not all text."""
    items = value.values() if isinstance(value, dict) else value
    if len(value) <= 16 and not any(  # noqa: PLR2004
        isinstance(v, dict | list) or (isinstance(v, str) and len(v) > _SHORT) for v in items
    ):
        return True
    return isinstance(value, dict) and not all(isinstance(k, str) for k in value)


_SHORT = 1 << 12


def read_each_line(path: Path) -> Iterator[tuple[int, JsonValue | DataError]]:
    """Yield (line number from 1, value) of each non-empty line; in place of one that is not JSON its error.

    A value is not held here while the next one is read.

    Raises:
        DataError: no such file, or it can't be read.
    """
    with open_bytes(path) as file:
        yield from decode_lines(file, str(path))


def decode_lines(file: IO[bytes], place: str) -> Iterator[tuple[int, JsonValue | DataError]]:
    """`read_each_line` of an open file; `place` is its name in errors."""
    for number, line in split_lines(file):
        yield number, decode_line(line, place, number)


def split_lines(file: IO[bytes]) -> Iterator[tuple[int, bytearray]]:
    """Yield (line number from 1, line with its newline) of each non-empty line; a line is the caller's to empty until
    the next one is asked for.
    """
    line, number = bytearray(), 0
    while block := file.read(BLOCK):
        start = 0
        while end := block.find(b"\n", start) + 1:
            line += block[start:end]
            number, start = number + 1, end
            if not line.isspace():
                yield number, line
            line.clear()
        line += block[start:]
    if line and not line.isspace():
        yield number + 1, line


def decode_line(line: bytearray, place: str, number: int) -> JsonValue | DataError:
    """The value of a line, which is emptied; where it is not JSON its error, a `TornLine` where its end is missing."""
    start, whole = bytes(line[:1000]), line.endswith(b"\n")
    try:
        return decode_and_empty(line)
    except ValueError as e:
        reason = f"{e.msg} at column {e.colno}" if isinstance(e, json.JSONDecodeError) else str(e)
        shown = shorten(start.decode("utf-8", "replace").strip())
        text = f"{place}: line {number} is not JSON ({reason}): {shown}"
        return DataError(text) if whole else TornLine(text)


class TornLine(DataError):
    """A last line that is not JSON and has no end: what a killed writer leaves."""


def read_lines(path: Path, *, torn_tail: bool = False) -> Iterator[tuple[int, JsonValue]]:
    """Yield (line number from 1, value) of each non-empty line.

    With `torn_tail`, for files that a run appends to, an undecodable last line without its newline is left out.

    Raises:
        DataError: no such file, or a line that is not JSON, with its number.
    """
    for number, value in read_each_line(path):
        if torn_tail and isinstance(value, TornLine):
            return
        if isinstance(value, DataError):
            raise value
        yield number, value


def read_objects(path: Path, *, torn_tail: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Like `read_lines`, each value a JSON object.

    Raises:
        DataError: also for a line that holds something else.
    """
    for number, value in read_lines(path, torn_tail=torn_tail):
        if not isinstance(value, dict):
            msg = f"{path}: line {number}: expected a JSON object, found {type(value).__name__}"
            raise DataError(msg)
        yield number, value


def write_lines(path: Path, values: Iterable[JsonValue]) -> int:
    """Write a whole file; see `whole_file`. Returns the number of lines."""
    count = 0
    with whole_file(path) as write:
        for value in values:
            write(value)
            count += 1
            del value  # the next one is read without this one beside it
    return count


@contextmanager
def whole_file(path: Path) -> Iterator[Callable[[JsonValue], None]]:
    """Yield a function that writes one line; the file, compressed by its name, is put in place at the end.

    Nothing is lost where it fails midway: the old file stays. A link is followed; a pipe or a device is written to as
    it is.

    Raises:
        ConfigError: the place can't be written.
    """
    with whole_bytes(path) as file:

        def write(value: JsonValue) -> None:
            with _writing(path):
                for piece in encode_pieces(value):
                    file.write(piece)
                file.write(b"\n")

        yield write


@contextmanager
def whole_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write bytes to, compressed by its name, that is put in place at the end; see `whole_file`.

    Raises:
        ConfigError: the place can't be written.
    """
    in_place = path.exists() and not path.is_file()
    path = path.resolve() if path.is_symlink() and not in_place else path
    part = path if in_place else path.with_name(f".{path.name}.part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = create_bytes(part, path.suffix)
    try:
        try:
            yield file
        finally:
            with _writing(path):
                file.close()
        if not in_place:
            with _writing(path):
                part.replace(path)
    finally:
        if not in_place:
            with suppress(OSError):
                part.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        msg = f"{path} can't be written ({e.strerror or e}); choose another place"
        raise ConfigError(msg) from None


class JsonlWriter:
    """Appends rows, each durable when `append` returns: one write call, then fdatasync. One writer a file, by lock.

    Opening cuts a torn last line. Compressed files can't be appended to and are refused.

        with JsonlWriter(path) as rows:
            rows.append({"a": 1})
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            ConfigError: it can't be written, is compressed, or another process writes to it.
        """
        if path.suffix in {".gz", ".zst"}:
            msg = f"{path}: rows are appended one by one, which a compressed file does not allow; drop {path.suffix}"
            raise ConfigError(msg)
        self.path = path
        self._fd = _open_alone(path)
        self.cut_bytes = self._cut_torn_line()

    def _cut_torn_line(self) -> int:
        size = end = os.fstat(self._fd).st_size
        while end:
            start = max(0, end - 65536)
            block = os.pread(self._fd, end - start, start)
            newline = block.rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size and _is_whole(os.pread(self._fd, size - end, end)):
            os.write(self._fd, b"\n")
            return 0
        if end != size and os.pread(self._fd, 1, end) not in _TORN:
            self.close()
            msg = f"{self.path} ends in something that is no part of a row, so nothing is appended; choose another file"
            raise ConfigError(msg)
        os.ftruncate(self._fd, end)
        return size - end

    def append(self, value: JsonValue) -> None:
        """Write one row; it is on disk when this returns.

        Raises:
            ConfigError: the disk is full or gone.
        """
        self.write(encode(value).encode("ascii") + b"\n")
        self.sync()

    def write(self, line: bytes) -> None:
        """Hand one whole line to the system: it outlives this process, and with `sync` the machine.

        Raises:
            ConfigError: the disk is full or gone.
        """
        data, before = memoryview(line), self.size
        with _writing(self.path):
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError:
                os.ftruncate(self._fd, before)  # the next line must not be glued to a part of this one
                raise

    def sync(self) -> None:
        """Put on disk what was written so far.

        Raises:
            ConfigError: it can't be; what of it is there is not known then.
        """
        with _writing(self.path):
            os.fdatasync(self._fd)

    def read_at(self, start: int, size: int) -> bytes:
        """Bytes of the file."""
        return os.pread(self._fd, size, start)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._fd).st_size

    def remove_if_empty(self) -> None:
        """Take the file away where nothing is in it, the lock still held."""
        if self._fd >= 0 and not self.size:
            with suppress(OSError):
                self.path.unlink()

    def close(self) -> None:
        """Close the file and give up the lock; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        """Give back itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()


_TORN = (b"{", b"\0")
"""How what a kill, or a power cut, leaves of a row begins; anything else is somebody's text."""


def _open_alone(path: Path) -> int:
    """Open or create a file to append to, and lock it."""
    while True:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            msg = f"{path} is no regular file, so rows would not be kept; choose another place"
            raise ConfigError(msg)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            msg = f"{path} is being written by another run; wait for it or choose another file"
            raise ConfigError(msg) from None
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(fd).st_ino:
                _sync_folder(path)
                return fd
        os.close(fd)  # taken away by the writer that had the lock


def _sync_folder(path: Path) -> None:
    """Make the name of a new file outlive the machine."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):  # some file systems can't
        os.fsync(folder)
    os.close(folder)


def _is_whole(tail: bytes) -> bool:
    """Whether a last line lacks nothing but its newline (a file made by hand)."""
    try:
        decode(tail)
    except ValueError:
        return False
    return True


def keep_backup(path: Path) -> Path | None:
    """Move a file aside to the first free `.bak` name; None where there is none to move."""
    if not path.exists():
        return None
    number = 0
    while (backup := path.with_name(f"{path.name}.bak{number or ''}")).exists():
        number += 1
    path.rename(backup)
    return backup


def print_error(message: str) -> None:
    """One line to the error stream, control characters made visible."""
    print("".join(c if c.isprintable() else repr(c)[1:-1] for c in message), file=sys.stderr)
