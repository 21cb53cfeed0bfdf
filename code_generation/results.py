"""Result files: reading their rows, and which problems they have done."""

from __future__ import annotations

import mmap
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from code_generation.errors import ConfigError, DataError
from code_generation.jsonl import decode, read_each_line, read_objects
from code_generation.models import GenerationResult
from code_generation.records import from_json_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from code_generation.models import JsonValue


def read_results(path: Path) -> Iterator[tuple[int, GenerationResult]]:
    """Yield (line number, result) of a result file; a torn last line is left out.

    Raises:
        DataError: no such file, or a line that is no result.
    """
    for number, row in read_objects(path, torn_tail=True):
        try:
            yield number, from_json_object(row, GenerationResult)
        except DataError as e:
            msg = f"{path}: line {number} is not a result row: {e}"
            raise DataError(msg) from None


class Finished(NamedTuple):
    """What a run that goes on has to know of a row."""

    problem_id: str
    sample_index: int
    model: str
    prompt_id: str
    system_prompt_id: str
    temperature: str


def read_finished(path: Path) -> Iterator[Finished]:
    """Yield what each row of a result file is about; nothing where there is no file, a torn last line left out.

    Rows as this version writes them are not decoded: their problem's id stands in front, and their metadata are found
    by a key that can stand nowhere else after the conversation. So 100,000 rows of 20 KB take half a second.

    Raises:
        DataError: the file holds something else: it would not be a good place to append results to.
    """
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        start, number = 0, 0
        while start < len(text):
            number += 1
            newline = text.find(b"\n", start)
            end = newline if newline >= 0 else len(text)
            facts = _facts_at_sight(text, start, end) or _facts_of(text[start:end])
            if facts is not None:
                yield Finished(*facts)
            elif newline >= 0 and text[start:end].strip():
                msg = f"{path}: line {number} is not a result row, so results can't be appended; choose another file"
                raise DataError(msg)
            start = end + 1


_FRONT = re.compile(rb'\{"problem": \{"problem_id": "([^"\\]*)"')
_METADATA, _AFTER = b'"generation_metadata": {', b', "verified": '
Facts = tuple[str, int, str, str, str, str]


def _facts_at_sight(text: mmap.mmap, start: int, end: int) -> Facts | None:
    """Of a row as this version writes it: a quote within a text is escaped, so the key can't stand in one."""
    front, place = _FRONT.match(text, start, end), text.rfind(_METADATA, start, end)
    after = text.find(_AFTER, place, end) if place >= 0 else -1
    if front is None or after < 0 or text[end - 1 : end] != b"}":
        return None
    return _facts(front[1].decode("utf-8", "surrogatepass"), _metadata(text[place + len(_METADATA) - 1 : after]))


@lru_cache(maxsize=256)
def _metadata(text: bytes) -> JsonValue:
    try:
        return decode(text)
    except ValueError:
        return None


def _facts_of(line: bytes) -> Facts | None:
    """Of any row; None where it is none."""
    try:
        row = decode(line)
        return _facts(row["problem"]["problem_id"], row["generation_metadata"])
    except (ValueError, LookupError, TypeError):
        return None


def _facts(problem_id: JsonValue, metadata: JsonValue) -> Facts | None:
    sample = metadata.get("sample_index", 0) if isinstance(metadata, dict) else None
    if not isinstance(problem_id, str) or not isinstance(sample, int):
        return None
    names = ("model", "prompt_id", "system_prompt_id", "temperature")
    model, prompt, system_prompt, temperature = (str(metadata.get(k)) for k in names)
    return problem_id, sample, model, prompt, system_prompt, temperature


def refuse_to_replace(path: Path, what: str, keys: set[str]) -> None:
    """Stop before a file is replaced that is not `what` (an object with these keys first in it), to be made again.

    Raises:
        ConfigError: the file holds something else.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return  # a pipe or a device is written to, not replaced
    try:
        first = next((value for _, value in read_each_line(path)), None)
    except DataError:
        first = None
    if not isinstance(first, dict) or not keys <= first.keys():
        msg = f"{path} is there already and holds no {what}, so it is not overwritten; choose another file"
        raise ConfigError(msg)


def check_writable(path: Path) -> None:
    """Find out whether a file can be made there, before what is to go into it is worked for.

    Raises:
        ConfigError: it can't.
    """
    if path.exists():
        return
    probe = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as e:
        msg = f"{path} can't be written ({e.strerror or e}); choose another place"
        raise ConfigError(msg) from None


UNSOLVED = ".unsolved.jsonl"
"""How the name of a file of unsolved rows ends, where nobody said otherwise."""


def unsolved_path(out: Path) -> Path:
    """Default place of the error log: `solutions.jsonl` -> `solutions.unsolved.jsonl`.

    Raises:
        ConfigError: the path names no file.
    """
    if not out.name:
        msg = f"OUT must be a file, got {out}"
        raise ConfigError(msg)
    return out.with_name(out.name.removesuffix(".jsonl") + UNSOLVED)
