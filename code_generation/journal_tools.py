"""`codegen journal`: which answers a run has paid for, whether they are whole, how to drop those that are used up."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from code_generation.errors import ConfigError, DataError, ProviderError
from code_generation.journal import journal_path, read_entries, scan
from code_generation.jsonl import JsonlWriter, decode
from code_generation.literals import shorten
from code_generation.providers import DIALECTS
from code_generation.providers.journaled import answer_of
from code_generation.results import read_finished, unsolved_path
from code_generation.run_manifest import run_manifest_path
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from code_generation.models import Completion


class Compacted(NamedTuple):
    """What `compact` did."""

    kept: int
    dropped: int
    bytes_before: int
    bytes_after: int


def completion_of(entry: dict[str, Any]) -> Completion:
    """What an entry says, as its dialect reads it.

    Raises:
        DataError: no dialect of ours, or no answer.
    """
    try:
        dialect = resolve("dialect", str(entry.get("dialect")), DIALECTS)
        answer = answer_of(entry)
    except ProviderError as e:
        raise DataError(str(e)) from None
    if answer.status == 200 and not dialect.is_answer(answer.body):  # noqa: PLR2004
        msg = f"the body is no answer in the dialect {dialect.name}"
        raise DataError(msg)
    completion: Completion = dialect.read(answer)
    return completion


def render_entries(out: Path, problem: str | None) -> Iterator[str]:
    """A line an answer; of one problem, every answer in full."""
    for entry in read_entries(_journal(out)):
        if isinstance(entry, DataError):
            yield f"unreadable: {entry}"
            continue
        if problem is not None and entry.get("problem_id") != problem:
            continue
        try:
            said = completion_of(entry)
        except DataError as e:
            yield f"{_name(entry)}: {e}"
            continue
        usage = said.usage
        facts = [
            f"{entry.get('provider')}:{entry.get('model')}",
            (said.refusal and "refused") or said.finish_reason or "no finish reason",
            f"{usage.input_tokens if usage.input_tokens is not None else '?'} tokens in",
            f"{usage.output_tokens if usage.output_tokens is not None else '?'} out",
            f"{said.latency_s:.1f} s",
            str(entry.get("at")),
        ]
        yield f"{_name(entry)}: {', '.join(facts)}"
        yield f"{said.text}\n" if problem is not None else f"    {shorten(' '.join(said.text.split()), 100)}"


def check_entries(out: Path) -> tuple[Counter[str], list[str]]:
    """Read every answer. Returns counts (`answers`, `finished`, `open`, `twice`, `broken`) and a line a fault."""
    counts: Counter[str] = Counter()
    faults, keys, done = [], set(), _finished(out)
    for entry in read_entries(_journal(out)):
        try:
            if isinstance(entry, DataError):
                raise entry
            completion_of(entry)
        except DataError as e:
            counts["broken"] += 1
            faults.append(str(e) if isinstance(entry, DataError) else f"{_name(entry)}: {e}")
            continue
        counts["answers"] += 1
        counts["twice"] += entry["key"] in keys
        keys.add(entry["key"])
        counts["finished" if _conversation(entry) in done else "open"] += 1
    return counts, faults


def compact(out: Path) -> Compacted:
    """Drop the answers of conversations that have their row, those that stand twice, and lines that are no answers.

    A run that goes on needs none of them. What it takes to grade a finished conversation again without asking is gone
    then, except for what its row holds.

    Raises:
        ConfigError: a run has the journal open. DataError: there is none.
    """
    path = _journal(out)
    if not path.exists():
        msg = f"{path} does not exist: no answer of a model was kept there"
        raise DataError(msg)
    done = _finished(out)
    with JsonlWriter(path) as rows:
        places = {line.key: line for line in scan(path) if not isinstance(line, DataError)}
        before, kept = rows.size, 0
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                for line in places.values():
                    text = rows.read_at(line.start, line.size)
                    with suppress(ValueError):
                        if _conversation(decode(text)) not in done:
                            file.write(text)
                            kept += 1
                file.flush()
                os.fsync(file.fileno())
                after = file.tell()
            part.replace(path)
        except OSError as e:
            msg = f"{path} can't be made anew ({e.strerror or e}); it is as it was"
            raise ConfigError(msg) from None
        lines = sum(1 for _ in places)
    return Compacted(kept, lines - kept, before, after)


def _journal(out: Path) -> Path:
    return out if out.name.endswith(".journal.jsonl") else journal_path(out)


def _finished(out: Path) -> set[tuple[str, int]]:
    """Conversations with a row, in the files that the run's manifest names."""
    out = out.with_name(out.name.replace(".journal.jsonl", ".jsonl"))
    unsolved = unsolved_path(out)
    with suppress(OSError, ValueError, LookupError, TypeError):
        named = Path(decode(run_manifest_path(out).read_bytes())["files"]["unsolved"])
        unsolved = named if named.exists() else out.parent / named.name
    return {(row.problem_id, row.sample_index) for path in (out, unsolved) for row in read_finished(path)}


def _conversation(entry: dict[str, Any]) -> tuple[Any, Any]:
    return entry.get("problem_id"), entry.get("sample_index")


def _name(entry: dict[str, Any]) -> str:
    return f"{entry.get('problem_id')} sample {entry.get('sample_index')} turn {entry.get('turn', 0) + 1}"
