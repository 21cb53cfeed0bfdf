"""Which problems are in an evaluation set: by their statement, by parts of it, by solutions.

Four kinds of hits, each with its evidence, since what a person can't check at sight is not believed:

- `same_statement`: the same words up to the examples, see `statements.similarity`, `FEWEST_WORDS` or more;
- `statement_overlap`: runs of `N_WORDS` words in a row, as GPT-3's authors and many after them counted (Brown et al.
  2020, appendix C). One run in common says little: public audits found three of four such hits to be boilerplate. So
  they count as a share: `SHARE` of the runs of the shorter statement, `FEWEST_RUNS` at least;
- `same_solution`: the same normal form as a reference solution, see `normal`, of `FEWEST_TOKENS` tokens or more;
- `solution_overlap`: runs of `N_TOKENS` tokens of the normal form, own names not told apart, `CODE_SHARE` of the runs
  of the shorter code.

What is no evidence is left out before anything is counted: what data sets put around statements and sentences of the
trade (`BOILERPLATE`), runs that are mostly numbers, and runs that stand in `COMMON` or more different problems of the
evaluation sets themselves. Runs are looked up by hash and confirmed by their words.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal, NamedTuple
from zlib import crc32

from code_generation.curation.fingerprints import exact_key
from code_generation.curation.normal import normal_tokens, unnumbered
from code_generation.errors import ConfigError, DataError
from code_generation.jsonl import read_each_line, write_lines
from code_generation.statements.similarity import FRAMES, statement_key, telling_words, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from code_generation.models import JsonValue

N_WORDS, N_TOKENS = 13, 30
"""Words, and tokens of code, in a row that count as one run."""
SHARE, CODE_SHARE = 0.3, 0.6
"""Of the shorter one's runs, from which on two statements, or two pieces of code, overlap."""
FEWEST_RUNS = 5
"""Runs in common: with 13 words each, 17 words in a row."""
FEWEST_OF_ALL = 3
"""The same where the shorter statement has no more of them, so that all are shared: 15 words."""
FEWEST_WORDS = 6
"""Words of a statement below which sharing all of them says nothing."""
FEWEST_TOKENS = 80
"""Tokens of code below which it is an idiom: about eight lines."""
COMMON = 3
"""Different problems of the evaluation sets in which a run stands that is a turn of phrase."""
FEWEST_LETTERS = 7
"""Words among `N_WORDS` that must begin with a letter."""
LONGEST_EVIDENCE = 400
"""Characters."""
MOST_PROBLEMS = 1 << 20
MOST_SEEN = 20_000
"""Statements whose hits are remembered: many rows have the same one."""

BOILERPLATE = re.compile(
    r"""
      it\ is\ (?:guaranteed|known)\ that[^.\n]*
    | (?:first|second|third|next|last|only|single|each|following|\w{1,9}-th)\ lines?\ (?:of\ [^.\n]{0,60}\ )?contains?
      [^.\n]*
    | (?:the\ )?(?:sum|total)\ of\ [^.\n]{0,60}(?:over|across|for)\ all\ (?:the\ )?test\ cases[^.\n]*
    | (?:each\ test|the\ input)\ (?:contains|consists\ of|is\ given|starts\ with)[^.\n]*
    | the\ (?:number\ of\ test\ cases|description\ of\ (?:the\ )?test\ cases)[^.\n]*
    | (?:read|reads)\ (?:the\ )?(?:input\ )?from\ (?:the\ )?standard\ input[^.\n]*
    | (?:print|write|output)s?\ [^.\n]{0,60}\ (?:to\ )?(?:the\ )?standard\ output[^.\n]*
    | if\ there\ are\ (?:multiple|several|many)\ [^.\n]*
    | you\ (?:may|can)\ (?:print|output|return)\ [^.\n]*
    | (?:since|as)\ the\ answer\ (?:may|can|might|could)\ be\ (?:very\ )?(?:large|big)[^.\n]*
    | (?:return|print|output)\ (?:it|the\ answer)\ modulo[^.\n]*
    | (?:time|memory)\ limit[^.\n]*
    | ^[^\w\n]{0,20}constraints?[^\w\n]{0,20}$.*
    | for\ each\ test\ case,?\ (?:print|output)[^.\n]*
    | a\ (?:subarray|subsequence|substring|permutation|palindrome|string\ is\ (?:a\ )?palindrom\w{0,9})
      \ (?:of\ [^.\n]{0,40}\ )?is\ [^.\n]*
    | is\ (?:also\ )?(?:not\ )?a\ (?:permutation|subarray|subsequence|substring|palindrome)\b[^.\n]*
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
"""Sentences of the trade, which tell no problem from another."""

HitKind = Literal["same_statement", "statement_overlap", "same_solution", "solution_overlap"]


@dataclass(frozen=True)
class Hit:
    """A problem that is in an evaluation set, and why that is thought."""

    problem_id: str
    against: str
    """The evaluation set."""
    against_id: str
    """The problem in it."""
    kind: HitKind
    evidence: str
    """The longest run of words, or the code, that both have."""
    score: float
    """0 to 1: share of the shorter one's runs that both have; 1.0 where both are the same."""


class _Known(NamedTuple):
    """A problem of an evaluation set."""

    set_name: str
    problem_id: str


class _Found(NamedTuple):
    number: int
    """Of the problem among those of the sets."""
    kind: HitKind
    evidence: str
    score: float


class _Runs:
    """Runs of words or tokens of many problems, 8 bytes each, by hash."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._packed = array("Q")
        self._sorted = True
        self._texts: dict[int, str] = {}
        self._counts: dict[int, int] = {}

    def add(self, number: int, parts: Iterable[Sequence[str]]) -> None:
        """Add what a problem consists of, in parts that no run goes beyond."""
        hashes = {h for part in parts for _, h in self._runs_of(part)}
        self._packed.extend(h | number for h in hashes)
        self._texts[number] = "\n".join([self._texts.get(number, ""), *(f" {' '.join(part)} " for part in parts)])
        self._sorted = False

    def _runs_of(self, words: Sequence[str]) -> Iterator[tuple[int, int]]:
        """(place, hash in the upper bits) of each run that says something."""
        size = self._size
        ids = [crc32(w.encode("utf-8", "surrogatepass")) for w in words]
        letters = [w[:1].isalpha() for w in words]
        for place, run in enumerate(zip(*(ids[n:] for n in range(size)), strict=False)):
            if size != N_WORDS or sum(letters[place : place + size]) >= FEWEST_LETTERS:
                yield place, (hash(run) & 0xFFFF_FFFF_FFFF_FFFF) // MOST_PROBLEMS * MOST_PROBLEMS

    def shared(self, parts: Sequence[Sequence[str]]) -> list[tuple[int, float, list[str]]]:
        """(problem, share of the shorter one's runs, longest common run of words) of each problem with runs in
        common, those left out that stand in many.
        """
        if not self._sorted:
            self._packed, self._sorted = array("Q", sorted(self._packed)), True
            self._counts.clear()
        places: dict[int, list[tuple[int, int]]] = {}
        mine: set[int] = set()
        for index, part in enumerate(parts):
            for place, run in self._runs_of(part):
                found = self._problems_with(run)
                if len(found) < COMMON:
                    mine.add(run)
                    for number in found:
                        places.setdefault(number, []).append((index, place))
        results = []
        for number, where in places.items():
            where = [w for w in where if self._confirmed(number, parts[w[0]][w[1] : w[1] + self._size])]  # noqa: PLW2901
            theirs = self._telling(number)
            fewest = min(len(mine), theirs)
            if len(where) >= min(FEWEST_RUNS, max(FEWEST_OF_ALL, fewest)):
                results.append((number, min(1.0, len(where) / fewest), self._longest(parts, where)))
        return results

    def _problems_with(self, run: int) -> list[int]:
        start = bisect_left(self._packed, run)
        found: list[int] = []
        while start < len(self._packed) and self._packed[start] < run + MOST_PROBLEMS and len(found) < COMMON:
            found.append(self._packed[start] - run)
            start += 1
        return found

    def _telling(self, number: int) -> int:
        """How many of a problem's runs do not stand in many others."""
        if number not in self._counts:
            runs = {h for part in self._texts[number].split("\n") for _, h in self._runs_of(part.split())}
            self._counts[number] = sum(len(self._problems_with(h)) < COMMON for h in runs)
        return self._counts[number]

    def _confirmed(self, number: int, words: Sequence[str]) -> bool:
        return f" {' '.join(words)} " in self._texts[number]

    def _longest(self, parts: Sequence[Sequence[str]], where: list[tuple[int, int]]) -> list[str]:
        runs = groupby(enumerate(sorted(where)), key=lambda item: (item[1][0], item[1][1] - item[0]))
        groups = [[place for _, place in run] for _, run in runs]
        best = max(groups, key=len)
        index, start = best[0]
        return list(parts[index][start : best[-1][1] + self._size])


class EvaluationSets:
    """Problems that models are evaluated on, to look for among those that they are trained on.

    sets = EvaluationSets()
    sets.add("mbpp", "mbpp/11", "Write a python function to remove ...", ["def remove_Occ(s, ch): ..."])
    sets.hits("my/3", "...", ["..."]) -> [Hit("my/3", "mbpp", "mbpp/11", "same_statement", "...", 1.0)]
    """

    def __init__(self) -> None:
        self._known: list[_Known] = []
        self._statements: dict[str, list[int]] = {}
        self._alike: dict[int, list[int]] = {}
        self._keys: dict[str, list[int]] = {}
        self._words = _Runs(N_WORDS)
        self._tokens = _Runs(N_TOKENS)
        self._seen: dict[bytes, list[_Found]] = {}

    def __len__(self) -> int:
        """How many problems there are."""
        return len(self._known)

    def add(self, set_name: str, problem_id: str, statement: str, solutions: Iterable[str] = ()) -> None:
        """Add a problem of an evaluation set with its reference solutions."""
        number = len(self._known)
        self._known.append(_Known(set_name, problem_id))
        self._seen.clear()
        key = _statement(statement)
        same: list[int] = self._statements.setdefault(key, []) if key else []
        self._alike[number] = same
        if not same:  # the same statement in another set adds no evidence, and must not make its runs common
            self._words.add(number, _parts(statement))
        same.append(number)
        for code in solutions:
            tokens = _code(code)
            if len(tokens) >= FEWEST_TOKENS:
                others = self._keys.setdefault(exact_key(code), [])
                if not others:
                    self._tokens.add(number, [tokens])
                others.append(number)

    def hits(self, problem_id: str, statement: str, codes: Iterable[str] = ()) -> list[Hit]:
        """Where a problem, or code that is to be trained on, is in the sets: the strongest first, one a problem and
        kind of evidence.
        """
        digest = hashlib.blake2b(statement.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest not in self._seen:
            if len(self._seen) >= MOST_SEEN:
                self._seen.clear()
            self._seen[digest] = self._of_statement(statement)
        best: dict[int, _Found] = {}
        for code in codes:
            for found in self._of_code(code):
                if found.number not in best or found.score > best[found.number].score:
                    best[found.number] = found
        hits = [
            Hit(problem_id, *self._known[f.number], f.kind, f.evidence[:LONGEST_EVIDENCE], round(f.score, 3))
            for f in [*self._seen[digest], *best.values()]
        ]
        return sorted(hits, key=lambda h: (-h.score, h.kind != "same_statement", h.against, h.against_id))

    def _of_statement(self, statement: str) -> list[_Found]:
        key = _statement(statement)
        same = self._statements.get(key, []) if key else []
        text = " ".join(telling_words(statement)) if same else ""
        found = [_Found(number, "same_statement", text, 1.0) for number in same]
        for first, share, words in self._words.shared(_parts(statement)):
            if share >= SHARE and first not in same:
                alike = self._alike.get(first, [first])
                found += [_Found(number, "statement_overlap", " ".join(words), share) for number in alike]
        return found

    def _of_code(self, code: str) -> list[_Found]:
        tokens = _code(code)
        if len(tokens) < FEWEST_TOKENS:
            return []
        same = self._keys.get(exact_key(code), [])
        found = [_Found(number, "same_solution", code, 1.0) for number in same]
        for number, share, _ in self._tokens.shared([tokens]):
            if share >= CODE_SHARE and number not in same:
                found.append(_Found(number, "solution_overlap", code, share))
        return found


def _statement(text: str) -> str | None:
    """What statements with the same words share; None of one that is too short to say anything."""
    return statement_key(text) if len(telling_words(text)) >= FEWEST_WORDS else None


def _parts(text: str) -> list[list[str]]:
    """The words of a statement, in parts between sentences of the trade."""
    parts = BOILERPLATE.split(FRAMES.sub(" ", text))
    return [words for part in parts if len(words := words_of(part)) >= N_WORDS]


def _code(code: str) -> list[str]:
    return [unnumbered(t).replace(" ", "") for t in normal_tokens(code) if t[0] != "#" and t != "-"]


# ------------------------------------------------------------------------------------------------ files


def read_evaluation_sets(paths: Iterable[Path]) -> EvaluationSets:
    """Read problem files and result files, which may be packed; a set is called as its file, `humaneval.jsonl.gz` ->
    "humaneval". Of a result its problem counts, and the code if that is verified.

    Raises:
        ConfigError: no file is named. DataError: a file can't be read or holds nothing, or a line is neither.
    """
    sets, names = EvaluationSets(), Counter[str]()
    for path in paths:
        name = path.name.removesuffix(".gz").removesuffix(".zst").removesuffix(".jsonl").removesuffix(".json")
        names[name] += 1
        name = name if names[name] == 1 else f"{name}#{names[name]}"
        before = len(sets)
        for number, row in read_each_line(path):
            if isinstance(row, DataError):
                raise row
            sets.add(name, *_evaluated(row, f"{path}: line {number}"))
        if len(sets) == before:
            msg = f"{path} holds no problems, so nothing could be found in it; name the file of an evaluation set"
            raise DataError(msg)
    if not names:
        msg = "no evaluation set is named; name problem files or result files"
        raise ConfigError(msg)
    return sets


def _evaluated(row: JsonValue, place: str) -> tuple[str, str, list[str]]:
    """Id, statement and solutions of a row of either kind."""
    solutions = []
    if isinstance(row, dict) and isinstance(row.get("problem"), dict):
        if row.get("verified") is True and isinstance(row.get("final_code"), str):
            solutions.append(row["final_code"])
        row = row["problem"]
    if not isinstance(row, dict) or not isinstance(row.get("problem"), str):
        msg = f"{place} is neither a problem nor a result; make problem files with `codegen preprocess`"
        raise DataError(msg)
    given = row.get("solutions")
    solutions += [s for s in given if isinstance(s, str)] if isinstance(given, list) else []
    return str(row.get("problem_id") or place), row["problem"], solutions


Decision = tuple[str | None, str | None, str | None, str | None]
"""problem_id, against, against_id and kind that a decision is about; None where it is about any."""


@dataclass(frozen=True)
class Review:
    """What a person has decided about hits."""

    decisions: dict[Decision, bool]
    """Whether to keep the problem in spite of the hit."""
    rows: tuple[dict[str, JsonValue], ...] = ()
    """The rows of the file, as they were."""

    def keeps(self, hit: Hit) -> bool:
        """Whether a problem is to be kept in spite of a hit; the decision that names most counts."""
        exact = (hit.problem_id, hit.against, hit.against_id, hit.kind)
        for given in range(len(exact), 0, -1):
            decision = self.decisions.get((*exact[:given], *[None] * (len(exact) - given)))  # type: ignore[arg-type]
            if decision is not None:
                return decision
        return False


def read_review(path: Path) -> Review:
    """Read a review file, `{"problem_id", "against", "against_id", "kind", "score", "evidence", "keep"}` a line; `keep`
    is true, false, or null where nothing is decided. A row may say less: without `kind` it is about all kinds, with
    `problem_id` and `keep` alone about the problem. No file: nothing is decided.

    Raises:
        DataError: a line is something else.
    """
    decisions: dict[Decision, bool] = {}
    rows = []
    for number, row in read_each_line(path) if path.is_file() else ():
        if isinstance(row, DataError):
            raise row
        keep = row.get("keep", 0) if isinstance(row, dict) else 0
        names = [row.get(k) for k in ("problem_id", "against", "against_id", "kind")] if isinstance(row, dict) else []
        named = bool(names) and isinstance(names[0], str) and all(n is None or isinstance(n, str) for n in names)
        if not named or not (keep is None or isinstance(keep, bool)):
            msg = f'{path}: line {number}: expected an object with "problem_id" and "keep": true, false or null'
            raise DataError(msg)
        if keep is not None:
            decisions[names[0], names[1], names[2], names[3]] = keep
        rows.append(row)
    return Review(decisions, tuple(rows))


def write_review(path: Path, hits: Iterable[Hit], review: Review) -> int:
    """Write hits for a person to decide about, each once, with what is decided already; returns how many rows.

    Decisions about what is no hit any more are kept too, and so are keys that a person has added to a hit.
    """
    told: set[Decision] = set()
    earlier: dict[Decision, dict[str, JsonValue]] = {
        (row["problem_id"], row.get("against"), row.get("against_id"), row.get("kind")): row for row in review.rows
    }

    def rows() -> Iterator[JsonValue]:
        for hit in hits:
            name = (hit.problem_id, hit.against, hit.against_id, hit.kind)
            if name not in told:
                told.add(name)
                fields = {
                    f: getattr(hit, f) for f in ("problem_id", "against", "against_id", "kind", "score", "evidence")
                }
                yield {**fields, "keep": None, **{k: v for k, v in earlier.get(name, {}).items() if k not in fields}}
        for named, row in earlier.items():
            if row["keep"] is not None and named not in told:
                yield row

    return write_lines(path, rows())
