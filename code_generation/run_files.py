"""The files of a run, open for it alone: rows, answers, events, manifest."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from code_generation.batch_ledger import BatchLedger, ledger_path
from code_generation.errors import ConfigError
from code_generation.event_log import EventLog, log_path
from code_generation.group_commit import GroupWriter
from code_generation.journal import Journal, journal_path
from code_generation.jsonl import JsonlWriter, encode, keep_backup, print_error
from code_generation.records import to_json_object
from code_generation.results import Finished, read_finished
from code_generation.run_manifest import RunManifest, run_manifest_path
from code_generation.spans import span
from code_generation.spending import SpendingLog, spending_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from code_generation.models import GenerationResult, JsonValue
    from code_generation.run_summary import RunSummary


@dataclass(frozen=True)
class RunPaths:
    """Where a run keeps what."""

    source: Path
    """The problem file."""
    results: Path
    unsolved: Path | None
    """The error log; None: every row goes to the results."""
    journaled: bool
    """Answers cost something: they are kept, and there is a log of the calls."""
    batched: bool = False
    """Questions are asked in batches."""

    @property
    def journal(self) -> Path:
        """The answers."""
        return journal_path(self.results)

    def written(self) -> dict[str, Path]:
        """Every file that the run writes, by its role."""
        return {
            "results": self.results,
            **({"unsolved": self.unsolved} if self.unsolved else {}),
            **({"journal": self.journal} if self.journaled else {}),
            **({"spending": spending_path(self.results)} if self.journaled else {}),
            **({"batches": ledger_path(self.results)} if self.batched else {}),
            **({"log": log_path(self.results)} if self.journaled else {}),
            "manifest": run_manifest_path(self.results),
        }

    def set_aside(self) -> None:
        """Move all of it to `.bak` names.

        Raises:
            ConfigError: another run has it.
        """
        ledger = ledger_path(self.results)
        if ledger.exists() and (n := BatchLedger.count_open(ledger)):
            msg = (
                f"{n} batches are under way at the provider: run without --force to collect them, or move {ledger} away"
            )
            raise ConfigError(msg)
        with ExitStack() as held:  # not under the hands of another run
            for path in (self.results, self.unsolved):
                if path is not None:
                    held.enter_context(JsonlWriter(path))
            for path in self.written().values():
                if backup := keep_backup(path):
                    print_error(f"{path} kept as {backup}")


class RunFiles:
    """The open files, and what was in them."""

    def __init__(
        self,
        solved: GroupWriter,
        unsolved: GroupWriter | None,
        journal: Journal | None,
        log: EventLog,
        batches: BatchLedger | None = None,
        spending: SpendingLog | None = None,
    ) -> None:
        self.journal, self.log, self.batches, self.spending = journal, log, batches, spending
        self.done: set[tuple[str, int]] = set()
        """(problem id, sample index) of every finished problem."""
        self.made_by: Counter[tuple[str, str, str, str]] = Counter()
        """How many rows were made with which (model, prompt, system prompt, temperature)."""
        self.facts: dict[str, JsonValue] = {}
        """What came of this session, for the manifest."""
        self.status = "finished"
        self._solved, self._unsolved = solved, unsolved or solved
        for writer in dict.fromkeys((self._solved, self._unsolved)):
            for row in read_finished(writer.file.path):
                self._remember(row)

    def _remember(self, row: Finished) -> None:
        self.done.add((row.problem_id, row.sample_index))
        self.made_by[row.model, row.prompt_id, row.system_prompt_id, row.temperature] += 1

    async def append(self, result: GenerationResult) -> None:
        """Write a finished problem down; it is on disk when this returns.

        Raises:
            ConfigError: the disk is full or gone.
        """
        with span("rows"):
            line = encode(to_json_object(result)).encode("ascii") + b"\n"
            await (self._solved if result.satisfied else self._unsolved).append(line)

    @contextmanager
    def counting(self, summary: RunSummary) -> Iterator[None]:
        """Within it the session's counts are those of the summary, however it is left."""
        try:
            yield
        finally:
            self.facts["counts"] = summary.facts()

    @property
    def empty(self) -> bool:
        """No row, no answer: nothing would be missed."""
        answers = self.journal.count if self.journal is not None else 0
        return not (self._solved.file.size or self._unsolved.file.size or answers)

    def remove(self) -> None:
        """Take away what is empty."""
        self._solved.file.remove_if_empty()
        self._unsolved.file.remove_if_empty()


@asynccontextmanager
async def open_run_files(paths: RunPaths, settings: Mapping[str, JsonValue]) -> AsyncIterator[RunFiles]:
    """Open all of them and begin the manifest's session; at the end close it. A run that failed before there was any
    row or answer leaves no file behind.

    Raises:
        ConfigError: a file can't be written, or another run has it. DataError: one holds something else.
    """
    written = paths.written()
    async with AsyncExitStack() as opened:
        solved = await opened.enter_async_context(GroupWriter(paths.results))
        unsolved = None
        if paths.unsolved is not None:
            unsolved = await opened.enter_async_context(GroupWriter(paths.unsolved))
        manifest = RunManifest(written["manifest"])
        journal = Journal(paths.journal) if paths.journaled else None
        log = EventLog(written.get("log"))
        batches = BatchLedger(written["batches"]) if paths.batched else None
        spending = SpendingLog(written["spending"]) if paths.journaled else None
        files = RunFiles(solved, unsolved, journal, log, batches, spending)
        manifest.begin(written, paths.source, settings)
        log.write("start", done_before=len(files.done), answers_kept=0 if journal is None else journal.count)
        try:
            yield files
        except BaseException as e:
            stopped = isinstance(e, KeyboardInterrupt | asyncio.CancelledError)
            files.status = "interrupted" if stopped else "failed"
            files.facts |= {"error": str(e)} if str(e) else {}
            raise
        finally:
            if files.status == "failed" and files.empty:
                files.remove()
                manifest.forget()
                if spending is not None and not spending.charged:
                    spending.remove()
                log.remove()
            else:
                log.write("end", status=files.status)
                manifest.end(files.status, files.facts)
            log.close()
            if batches is not None:
                batches.close()
            if spending is not None:
                spending.close()
            if journal is not None:
                await journal.close()
