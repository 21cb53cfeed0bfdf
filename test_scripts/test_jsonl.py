"""JSON Lines that survive kills, odd values and half-written files."""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.errors import ConfigError, DataError
from code_generation.jsonl import (
    JsonlWriter,
    decode,
    encode,
    keep_backup,
    print_error,
    read_lines,
    read_objects,
    write_lines,
)

SURROGATES = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | SURROGATES,
    lambda inner: st.lists(inner) | st.dictionaries(SURROGATES, inner, max_size=4),
    max_leaves=10,
)
WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from code_generation.jsonl import JsonlWriter
with JsonlWriter(Path(sys.argv[1])) as rows:
    for number in range(10**9):
        rows.append({"writer": sys.argv[2], "number": number, "text": "x" * 20_000})
"""


@contextmanager
def other_writer(path, name=""):
    """A real second process that writes to the file, killed at the end; it has written something."""
    before = path.stat().st_size if path.exists() else 0
    with subprocess.Popen([sys.executable, "-c", WRITE_UNTIL_KILLED, path, name]) as process:
        try:
            while process.poll() is None and (not path.exists() or path.stat().st_size < before + 50_000):
                time.sleep(0.002)
            yield process
        finally:
            process.kill()


def values(path, **options):
    return [value for _, value in read_lines(path, **options)]


@settings(deadline=None, max_examples=60)
@given(JSON)
def test_encode_then_decode(value):
    """Any JSON value, lone surrogates included, is one line of ASCII that decodes to itself."""
    line = encode(value)
    assert (line.isascii(), "\n" in line) == (True, False)
    assert value == decode(line)


def test_what_other_decoders_refuse():
    """Integers past the digit limit, NaN and infinities come through; a line of brackets is a ValueError."""
    number = 10**6000 + 1
    assert number == decode(encode(number))
    assert math.isnan(decode(encode(math.nan)))
    assert decode("[Infinity, -Infinity]") == [math.inf, -math.inf]
    with pytest.raises(ValueError, match="nested too deeply"):
        decode("[" * 200_000)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_write_then_read(tmp_path, name):
    """A file is compressed by its name and reads back, line by line; folders on the way are made."""
    path = tmp_path / "new" / name
    rows = [{"a": 1}, {"text": "line\u2028end \u00e9 \ud800"}, [None]]
    assert write_lines(path, rows) == 3
    assert list(read_lines(path)) == [(1, rows[0]), (2, rows[1]), (3, rows[2])]
    assert path.read_bytes()[:2] == {"gz": b"\x1f\x8b", "zst": b"\x28\xb5", "jsonl": b'{"'}[name.rpartition(".")[2]]


def test_reading_by_hand_made_files(tmp_path):
    """A byte order mark, CRLF, blank lines and a missing last newline do no harm; numbers are those of the file."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"a": 2}')
    assert list(read_lines(path)) == [(1, {"a": 1}), (4, {"a": 2})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        (b'{"a": 1}\n[1]\n', "line 2: expected a JSON object, found list"),
        (b'{"a": "\xff"}\n', "line 1 is not JSON .*utf-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path, content, message):
    """What is no JSON object is a DataError with file and line number."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    for torn_tail in (False, True):
        with pytest.raises(DataError, match=message) as error:
            list(read_objects(path, torn_tail=torn_tail))
        assert str(path) in str(error.value)


def test_no_file_and_folders(tmp_path):
    """A file that is not there and a folder in its place are one clear line each."""
    with pytest.raises(DataError, match="no such file"):
        list(read_lines(tmp_path / "nothing.jsonl"))
    with pytest.raises(DataError, match="is a folder"):
        list(read_lines(tmp_path))


ROWS = b"".join(b'{"number": %05d, "text": "%s"}\n' % (10_000 + i, b"x" * 98) for i in range(5000))  # of 128 bytes each
DAMAGE = {
    "cut.gz": gzip.compress(ROWS)[:-500],
    "damaged.gz": gzip.compress(ROWS)[:50] + b"\xff" * 100 + gzip.compress(ROWS)[150:],
    "text.gz": b"plain text\n",
    "cut.zst": zstandard.compress(ROWS)[:-3],  # loses the last of its blocks of 128 KiB: whole lines
    "text.zst": b"plain text\n",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_broken_compressed_file_is_no_shorter_file(tmp_path, name):
    """Rows that were lost to a cut or damaged file are a DataError, never silence, never a foreign exception."""
    path = tmp_path / f"rows.jsonl{Path(name).suffix}"
    path.write_bytes(DAMAGE[name])
    with pytest.raises(DataError, match=str(path)):
        list(read_lines(path))


def test_a_torn_last_line(tmp_path):
    """A half-written last line is left out where runs append, and is an error elsewhere."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2')
    assert values(path, torn_tail=True) == [{"a": 1}]
    with pytest.raises(DataError, match="line 2"):
        values(path)


@pytest.mark.parametrize(
    ("before", "kept", "cut"),
    [
        (b'{"a": 1}\n{"a": 2', b'{"a": 1}\n', 7),
        (b'{"a": 1}\n{"a": "' + b"x" * 200_000, b'{"a": 1}\n', 200_007),
        (b'{"a', b"", 3),
        (b'{"a": 1}\n{"a": 2}', b'{"a": 1}\n{"a": 2}\n', 0),
        (b'{"a": 1}\n', b'{"a": 1}\n', 0),
        (b"", b"", 0),
    ],
)
def test_a_writer_cuts_a_torn_line(tmp_path, before, kept, cut):
    """Opening cuts half a line, however long, and only that: a whole line without its newline stays."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(before)
    with JsonlWriter(path) as rows:
        assert cut == rows.cut_bytes
        rows.append({"a": 3})
    assert kept + b'{"a": 3}\n' == path.read_bytes()


@pytest.mark.parametrize("text", [b"notes without an end", b'{"a": 1}\nmore notes'])
def test_what_is_no_row_is_not_cut(tmp_path, text):
    """Somebody's text without a newline at its end is refused, and stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match="no part of a row"):
        JsonlWriter(path)
    assert path.read_bytes() == text


def test_a_row_is_there_when_append_returns(tmp_path):
    """Another reader sees a row at once, not when the file is closed."""
    path = tmp_path / "new" / "a.jsonl"
    with JsonlWriter(path) as rows:
        rows.append({"a": 1})
        assert path.read_bytes() == b'{"a": 1}\n'


def test_one_writer_a_file(tmp_path):
    """A second writer is refused while the first lives, in this process or another, and let in after it."""
    path = tmp_path / "a.jsonl"
    with other_writer(path), pytest.raises(ConfigError, match="another run"):
        JsonlWriter(path)
    with JsonlWriter(path), pytest.raises(ConfigError, match="another run"):
        JsonlWriter(path)
    JsonlWriter(path).close()


@pytest.mark.parametrize(("name", "message"), [("a.gz", "drop .gz"), ("a.zst", "drop .zst"), ("", "can't be written")])
def test_places_that_can_not_be_appended_to(tmp_path, name, message):
    """A compressed file and a folder are refused, and no file is made."""
    with pytest.raises(ConfigError, match=message):
        JsonlWriter(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_killed_writers_leave_whole_lines(tmp_path):
    """However often a writer is killed, its complete lines are all readable and the next one goes on after them."""
    path = tmp_path / "a.jsonl"
    whole = []
    for name in "abcd":
        with other_writer(path, name) as process:
            assert process.poll() is None
        before, whole = whole, path.read_bytes().split(b"\n")[:-1]
        assert before == whole[: len(before)]
        assert len(before) < len(whole)
        assert [json.loads(line) for line in whole] == values(path, torn_tail=True)
    with JsonlWriter(path) as rows:
        rows.append("last")
    assert [*map(json.loads, whole), "last"] == values(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    """A whole file is put in place at the end or not at all, and leaves no litter."""
    path = tmp_path / "a.jsonl"
    write_lines(path, [1, 2])

    def rows():
        yield 3
        msg = "boom"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="boom"):
        write_lines(path, rows())
    with pytest.raises(ConfigError, match="can't be written"):
        write_lines(tmp_path, [1])
    assert values(path) == [1, 2]
    assert [path] == list(tmp_path.iterdir())


def test_backups_never_overwrite(tmp_path):
    """Each backup takes the first free name; nothing to move gives None."""
    path = tmp_path / "a.jsonl"
    assert keep_backup(path) is None
    for text, name in (("one", "a.jsonl.bak"), ("two", "a.jsonl.bak1")):
        path.write_text(text)
        assert tmp_path / name == keep_backup(path)
    assert (tmp_path / "a.jsonl.bak").read_text() == "one"
    assert not path.exists()


def test_errors_can_not_paint_the_terminal(capsys):
    """Control characters of a foreign text are made visible in a printed error."""
    print_error("bad \x1b[31m row \u00e9")
    assert capsys.readouterr().err == "bad \\x1b[31m row \u00e9\n"


def test_a_link_or_a_device_is_not_replaced(tmp_path):
    """Writing through a link changes what it points to; a pipe gets the lines and stays a pipe."""
    target, link, pipe = tmp_path / "target.jsonl", tmp_path / "link.jsonl", tmp_path / "pipe.jsonl"
    link.symlink_to(target)
    write_lines(link, [1])
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_lines(pipe, [2])
    try:
        assert (link.is_symlink(), target.read_text(), pipe.is_fifo(), os.read(reader, 9)) == (
            True,
            "1\n",
            True,
            b"2\n",
        )
    finally:
        os.close(reader)


def test_a_compressed_file_is_the_same_each_time(tmp_path):
    """Neither the time nor the name of a file is in its bytes."""
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_lines(tmp_path / name, [{"a": 1}])
    first, second = ((tmp_path / n).read_bytes() for n in ("a.jsonl.gz", "b.jsonl.gz"))
    assert (first == second, first[4:8]) == (True, b"\0\0\0\0")
