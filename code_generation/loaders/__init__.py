"""Data sets: rows of the field's own schemas to `CodeProblem`s. One file a data set, one row each in the table.

A row that can't become a problem is a `BadRow`, counted and reported; the others go on.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from code_generation.errors import BadRow, ConfigError, DataError, UnknownName
from code_generation.loaders.fields import check_depth
from code_generation.loaders.sources import Source, files_of, locate
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    from code_generation.models import CodeProblem, TestCase

LOADERS = {
    "apps": "code_generation.loaders.apps:APPS",
    "codecontests": "code_generation.loaders.codecontests:CODECONTESTS",
    "codeforces": "code_generation.loaders.codeforces:CODEFORCES",
    "deepcoder": "code_generation.loaders.deepcoder:DEEPCODER",
    "humaneval": "code_generation.loaders.humaneval:HUMANEVAL",
    "jsonl": "code_generation.loaders.jsonl:JSONL",
    "leetcode": "code_generation.loaders.leetcode:LEETCODE",
    "livecodebench": "code_generation.loaders.livecodebench:LIVECODEBENCH",
    "mbpp": "code_generation.loaders.mbpp:MBPP",
    "primeintellect": "code_generation.loaders.primeintellect:PRIMEINTELLECT",
    "swebench": "code_generation.loaders.swebench:SWEBENCH",
    "taco": "code_generation.loaders.taco:TACO",
}

T = TypeVar("T")
DONE: Any = object()

BROKEN = "the loader could not deal with this row, please report it"
"""Starts the reason of a bad row that shows a fault of ours."""

OWN_OPTIONS = ("challenge_tests", "release", "start_date", "end_date", "map", "mapping", "repos", "include_hints")
"""Options that mean something to one data set or another: given to any other they would be ignored unseen."""

HOLDS_REFERENCE = "holds_reference"
"""Key of a test whose source holds the reference solution: it is never public."""


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How rows become problems."""

    source: str | None = None
    """File, folder or hub id to read; default: the data set's own hub id."""
    revision: str | None = None
    """Commit of the hub data set, for results that can be repeated."""
    data_root: str | None = None
    """Folder with copies of hub data sets, `org/name` below it, to read instead of the hub; the environment variable
    CODEGEN_DATA_ROOT says it too."""
    configs: str | None = None
    """Configurations of the data set, separated by commas."""
    split: str | None = None
    """Split to read, or several, separated by commas."""
    start: int = 0
    """Rows to skip at the start."""
    limit: int | None = None
    """Stop after this many rows."""
    n_public: int | None = None
    """How many tests of a problem the model may see."""
    public_ratio: float | None = None
    """Share of a problem's tests that the model may see, 0 to 1; instead of --n-public."""
    seed: int | None = None
    """Draw the public tests with this seed instead of taking the first."""
    show_public_tests: bool = False
    """Write the public tests into the statement."""
    challenge_tests: bool = False
    """Add the data set's extra, harder tests as private ones (mbpp)."""
    release: str | None = None
    """Which files of a growing data set: release_v1 to release_v6 hold all up to one, v5 that one, v4_v6 a range
    (livecodebench)."""
    start_date: str | None = None
    """Only problems of contests on this day or later, 2024-08-01 (livecodebench)."""
    end_date: str | None = None
    """Only problems of contests on this day or earlier (livecodebench)."""
    map: tuple[str, ...] = ()
    """Which field is what in files of another schema (jsonl), KEY=PLACE, once a key: problem=description."""
    mapping: str | None = None
    """The same from a table of a TOML file, FILE#TABLE, see configs/datasets.example.toml (jsonl)."""
    repos: str | None = None
    """Folder with clones of the repositories, as owner__name, owner/name or name: prompts are assembled of the files
    that the reference patch changes, where rows bring no `text` (swebench)."""
    include_hints: bool = False
    """Put the comments on the issue into prompts that are assembled (swebench)."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One data set of the table: where it lives and how a row of it is read."""

    name: str
    hub_id: str | None
    """None: there is no default place, --source must say."""
    licence: str | None
    """As the data set's own card states it; None where it is not for us to say."""
    parse: Callable[[dict[str, Any], LoadOptions], CodeProblem]
    """Raises DataError for a row that can't become a problem."""
    hub_ids: dict[str, str] = field(default_factory=dict)
    """Hub id by configuration, where each one is a data set of its own there."""
    default_config: str | None = None
    """Configurations of the hub data set, separated by commas, that are read where none is named."""
    default_splits: dict[str | None, str] = field(default_factory=dict)
    """Split on the hub by configuration, where it is not `train`."""
    default_n_public: int | None = None
    """Public tests of a set that does not tell public from private; None: the rows say it."""
    read_folder: Callable[[Path], Iterator[tuple[str, dict[str, Any] | DataError]] | None] | None = None
    """Reads a folder of the set's own layout as (place, row), a broken one as its error; None from it: another
    folder."""
    keep: Callable[[dict[str, Any], LoadOptions], bool] = field(default=lambda _row, _options: True)
    """Whether the options ask for a row at all. Raises DataError where that can't be seen."""
    names: Callable[[LoadOptions], tuple[str, ...]] = field(default=lambda _options: ())
    """Which files to read, see `Source.names`."""
    wants_patches: bool = False
    """Its problems are answered by a patch and have no tests that can be run here."""
    own_options: tuple[str, ...] = ()
    """Options that only this set knows, see `OWN_OPTIONS`."""
    prepare: Callable[[LoadOptions], LoadOptions] = field(default=lambda options: options)
    """Refuses options that can't be and reads the files that they name, before any row is read."""

    def sources(self, options: LoadOptions) -> list[Source]:
        """Where to read.

        Raises:
            ConfigError: no source given and none known.
        """
        _check_options(options, self)
        location = options.source or self.hub_id
        if location is None:
            msg = f"{self.name} has no default source; give one with --source PATH"
            raise ConfigError(msg)
        if folder := self._own_folder(options):
            return [Source(location=str(folder), own_layout=True)]
        root = options.data_root or os.environ.get("CODEGEN_DATA_ROOT")
        homes: dict[Any, str] = {} if options.source else self.hub_ids
        location = location if homes else locate(location, root)
        default = None if options.source and self.hub_ids else self.default_config
        configs = self._configs(location, options.configs, default)
        if homes and (unknown := [c for c in configs if c not in homes]):
            raise UnknownName(f"configuration of {self.name}", str(unknown[0]), homes)
        return [
            Source(
                location=locate(homes[c], root) if c in homes else location,
                config=None if c in homes else c,
                split=options.split,
                default_split=self.default_splits.get(c, "train"),
                revision=options.revision,
                names=self.names(options),
            )
            for c in configs
        ]

    def _own_folder(self, options: LoadOptions) -> Path | None:
        """The folder to read in the set's own layout, the one of the split where there is one."""
        path = Path(options.source or "").expanduser()
        if not options.source or self.read_folder is None or not path.is_dir() or self.read_folder(path) is None:
            return None
        part = path / (options.split or "")
        return part if part.is_dir() else path

    def _configs(self, location: str, asked: str | None, default: str | None) -> list[str | None]:
        """What to read, of a folder those of the default ones that it has; None stands for all there is."""
        path, named = Path(location).expanduser(), asked or default
        configs: list[str | None] = [c.strip() for c in named.split(",")] if named else [None]
        if path.is_file():
            return configs[:1]
        if path.is_dir() and not asked:
            there = {c for f in files_of(path) for c in f.configs}
            return [c for c in configs if c in there] or [None]
        return configs if asked or path.is_dir() or location == self.hub_id else [None]

    def problems(self, options: LoadOptions) -> Generator[CodeProblem | BadRow]:
        """Read problem by problem; see `load` for the async form."""
        for _, _, found in self.placed(options):
            yield found
            del found

    def placed(
        self, options: LoadOptions, outside: Counter[str] | None = None
    ) -> Generator[tuple[str, str, CodeProblem | BadRow]]:
        """Read problem by problem, each with its file (or hub id) and line (or `[index]`).

        Rows that `keep` leaves out are no rows: --start and --limit don't count them, `outside` does, by file.
        """
        options = self.prepare(options)
        number = -1
        for file, row_id, row in self._wanted(options, Counter() if outside is None else outside):
            number += 1
            if number < options.start:
                continue
            if options.limit is not None and number >= options.start + options.limit:
                return
            found = self._read(file, row_id, row, options)
            del row
            yield file, row_id, found
            del found

    def _read(
        self, file: str, row_id: str, row: dict[str, Any] | DataError, options: LoadOptions
    ) -> CodeProblem | BadRow:
        if isinstance(row, DataError):
            return BadRow(file, row_id, str(row))
        try:
            return self.problem_of(row, options)
        except DataError as e:
            return BadRow(file, row_id, str(e))
        except Exception as e:  # noqa: BLE001 - one row that breaks a loader must not end the load of the others
            return BadRow(file, row_id, f"{BROKEN}: {type(e).__name__}: {e}")

    def _wanted(
        self, options: LoadOptions, outside: Counter[str]
    ) -> Iterator[tuple[str, str, dict[str, Any] | DataError]]:
        """Rows that the options ask for, with their places; in place of a broken one the error."""
        for source in self.sources(options):
            for file, row_id, row in self._rows(source):
                try:
                    wanted = isinstance(row, DataError) or self.keep(row, options)
                except DataError as e:
                    yield file, row_id, e
                    continue
                if wanted:
                    yield file, row_id, row
                else:
                    outside[file] += 1
                del row  # rows may have 200 MB: none stands beside what comes next

    def _rows(self, source: Source) -> Iterator[tuple[str, str, dict[str, Any] | DataError]]:
        """The rows of a source; a folder is read in the set's own layout where it has that."""
        path = Path(source.location).expanduser()
        rows = self.read_folder(path) if self.read_folder and source.own_layout else None
        return ((str(path), place, row) for place, row in rows) if rows else source.rows()

    def problem_of(self, row: dict[str, Any], options: LoadOptions) -> CodeProblem:
        """A row as a problem, its tests split into public and private. The row is used up: what is large in it is given
        up on the way.

        Raises:
            DataError: it can't become one.
        """
        try:
            problem = self.parse(row, options)
        except RecursionError:
            msg = "nested too deeply"
            raise DataError(msg) from None
        if not problem.test_cases and not problem.wants_patch:
            msg = "it has no tests"
            raise DataError(msg)
        for part in (problem.metadata, problem.extra, *([t.input, t.output, t.extra] for t in problem.test_cases)):
            check_depth(part, "a value")  # it is to be written again
        problem = split_tests(problem, options, self.default_n_public)
        return show_public_tests(problem) if options.show_public_tests else problem


def _check_options(options: LoadOptions, dataset: DataSet) -> None:
    for name in OWN_OPTIONS:
        if getattr(options, name) and name not in dataset.own_options:
            msg = f"--{name.replace('_', '-')} says nothing to {dataset.name}; leave it out"
            raise ConfigError(msg)
    for name, value, least in (
        ("start", options.start, 0),
        ("limit", options.limit, 1),
        ("n-public", options.n_public, 0),
    ):
        if value is not None and value < least:
            msg = f"--{name} must be {least} or more, got {value}"
            raise ConfigError(msg)
    if options.n_public is not None and options.public_ratio is not None:
        msg = "give --n-public or --public-ratio, not both"
        raise ConfigError(msg)
    if options.public_ratio is not None and not 0 <= options.public_ratio <= 1:
        msg = f"--public-ratio must be from 0 to 1, got {options.public_ratio}"
        raise ConfigError(msg)


def dataset_of(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        UnknownName: no such row, nor a `module:attribute` path.
    """
    found: DataSet = resolve("data set", name, LOADERS)
    return found


async def load(name: str, options: LoadOptions | None = None) -> AsyncGenerator[CodeProblem | BadRow, None]:
    """Iterate over a data set without blocking the event loop; see `in_thread`.

    Raises:
        UnknownName, ConfigError, DataError: the set or its source can't be had.
    """
    async for problem in in_thread(dataset_of(name).problems(options or LoadOptions())):
        yield problem
        del problem


async def in_thread(items: Generator[T]) -> AsyncGenerator[T, None]:
    """Iterate over something that blocks, in a thread of its own, which works on an item when it is asked for. Leaving
    the iteration early closes what is iterated over.
    """
    reader = ThreadPoolExecutor(1, thread_name_prefix="load")
    loop = asyncio.get_running_loop()
    try:
        while (item := await loop.run_in_executor(reader, next, items, DONE)) is not DONE:
            yield item
            del item
    finally:
        closed = reader.submit(items.close)
        reader.shutdown(wait=False)
        await asyncio.wrap_future(closed)


def split_tests(problem: CodeProblem, options: LoadOptions, default: int | None) -> CodeProblem:
    """Decide which tests are public: the first ones, or drawn with the seed (and the problem's id, so that order of
    rows does not matter). Tests keep their order. Without an option and a default they stay as the row says.

    A test that holds the reference solution is never public.
    """
    may = [i for i, t in enumerate(problem.test_cases) if not t.extra.get(HOLDS_REFERENCE)]
    count = default if options.n_public is None else options.n_public
    if options.public_ratio is not None:
        count = max(1, round(options.public_ratio * len(problem.test_cases)))
    if count is None:
        return problem
    chosen = may[:count]
    if options.seed is not None:
        chosen = random.Random(f"{options.seed}:{problem.problem_id}").sample(may, len(chosen))  # noqa: S311
    tests: list[TestCase] = [
        msgspec.structs.replace(t, is_public=i in chosen) for i, t in enumerate(problem.test_cases)
    ]
    return msgspec.structs.replace(problem, test_cases=tests)


def show_public_tests(problem: CodeProblem) -> CodeProblem:
    """Write the public tests into the statement (MBPP's own statements don't even say what the arguments are)."""
    from code_generation.prompts import render_test  # noqa: PLC0415 - a loader needs prompts only for this

    tests = [render_test(t, problem.func_name) for t in problem.public_tests]
    if not tests:
        return problem
    text = f"{problem.problem.rstrip()}\n\nYour code should pass these tests:\n\n" + "\n\n".join(tests)
    return msgspec.structs.replace(problem, problem=text)
