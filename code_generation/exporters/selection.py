"""Which units of an export are written: best of a problem, so many a problem, equally many of each difficulty."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from code_generation.errors import ConfigError
from code_generation.exporters.index import Unit, draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from code_generation.exporters.index import Index
    from code_generation.exporters.options import ExportOptions

BEST = {
    "all": "id",
    "first": "id",
    "shortest": "chars, id",
    "fewest-turns": "turns, chars, id",
    "random": "draw, id",
}
"""What comes first among the units of a problem, by `--best-of`."""
SELECTION = {
    "best_of": "another row about the problem is better by --best-of",
    "max_per_problem": "there are --max-per-problem rows about the problem",
    "no_difficulty": "the problem says no difficulty, and --balance needs one",
    "balance": "there are enough rows of its difficulty",
}
"""Why a unit is not written."""


def select(index: Index, options: ExportOptions) -> None:
    """Drop what the options leave out.

    Raises:
        ConfigError: rows are to be balanced, and no problem says how difficult it is.
    """
    if options.per_problem is not None:
        reason = "max_per_problem" if options.best_of == "all" else "best_of"
        ranked = f"row_number() OVER (PARTITION BY problem ORDER BY {BEST[options.best_of]}) AS place"
        query = f"SELECT id FROM (SELECT id, {ranked} FROM units WHERE dropped IS NULL) WHERE place > ?"  # noqa: S608 - a column of ours
        index.drop(reason, query, options.per_problem)
    if options.balance:
        _balance(index)


def _balance(index: Index) -> None:
    index.drop("no_difficulty", "SELECT id FROM units WHERE dropped IS NULL AND difficulty IS NULL")
    found = dict(
        index.database.execute("SELECT difficulty, count(*) FROM units WHERE dropped IS NULL GROUP BY difficulty")
    )
    if not found:
        if index.dropped()["no_difficulty"]:
            msg = "--balance difficulty: no problem of these results says its difficulty (metadata.difficulty)"
            raise ConfigError(msg)
        return
    ranked = "row_number() OVER (PARTITION BY difficulty ORDER BY draw, id) AS place"
    query = f"SELECT id FROM (SELECT id, {ranked} FROM units WHERE dropped IS NULL) WHERE place > ?"  # noqa: S608 - as it stands
    index.drop("balance", query, min(found.values()))


# ------------------------------------------------------------------------------------------------ pairs


class Side(NamedTuple):
    """An answer that can be one side of a pair."""

    piece: int
    unit: int
    proven: bool
    turn: int
    chars: int
    code_chars: int
    code: str


class Match(NamedTuple):
    """Two sides that can be paired."""

    apart: float
    """How far their lengths are apart: the logarithm of their ratio, 0 where they are equal."""
    chosen: Side
    rejected: Side
    whole: bool


def pair_up(index: Index, options: ExportOptions) -> int:
    """Replace the index's units, results, by pairs; returns how many there are.

    In each group of answers to one question the two that are nearest in length are paired first; an answer is in one
    pair at most, and of answers with the same code the first one is taken.
    """
    return index.replace_units(_pairs(index, options))


def _pairs(index: Index, options: ExportOptions) -> Iterator[Unit]:
    """In the order of the chosen answers' results."""
    database = index.database
    database.execute("CREATE TABLE pairs (chosen INTEGER, rejected INTEGER, form TEXT, chars INTEGER)")
    database.execute("CREATE INDEX by_prompt ON pieces (prompt, id)")
    problem = "(SELECT problem FROM results WHERE results.id = pieces.unit)"
    columns = "id, unit, proven, turn, chars, code_chars, code"
    sides = database.execute(f"SELECT prompt, {problem}, {columns} FROM pieces ORDER BY prompt, 2, id")  # noqa: S608 - ours
    for _, group in groupby(sides, key=lambda row: row[:2]):
        matched = match([Side(*row[2:]) for row in group], options)
        database.executemany("INSERT INTO pairs VALUES (?, ?, ?, ?)", [
            (m.chosen.piece, m.rejected.piece,
             f"{'within' if m.chosen.unit == m.rejected.unit else 'across'} {'whole' if m.whole else 'code'}",
             m.chosen.chars if m.whole else m.chosen.code_chars)
            for m in matched
        ])  # fmt: skip
    query = """SELECT results.problem, pairs.chars, results.turns, results.difficulty, pieces.code, other.code,
        results.cost, results.facts, pairs.chosen, pairs.rejected, pairs.form FROM pairs
        JOIN pieces ON pieces.id = pairs.chosen JOIN results ON results.id = pieces.unit
        JOIN pieces AS other ON other.id = pairs.rejected ORDER BY pairs.chosen"""
    for number, row in enumerate(database.execute(query), start=1):
        problem_id, chars, turns, difficulty, code, other, cost, facts, first, second, form = row
        drawn = draw(options.seed, problem_id, code, other)
        yield Unit(number, problem_id, chars, turns, difficulty, drawn, cost, facts, first, second, form)


def match(sides: Iterable[Side], options: ExportOptions) -> list[Match]:
    """Pairs among the answers to one question, nearest in length first."""
    chosen, rejected = _distinct(s for s in sides if s.proven), _distinct(s for s in sides if not s.proven)
    wrong = {s.code for s in rejected}
    right = {s.code for s in chosen}
    found = []
    for one in (s for s in chosen if s.code not in wrong):
        for other in (s for s in rejected if s.code not in right):
            if options.pairs != "both" and (options.pairs == "within") != (one.unit == other.unit):
                continue
            whole = one.turn == other.turn == 1
            a, b = (one.chars, other.chars) if whole else (one.code_chars, other.code_chars)
            apart = abs(math.log(max(a, 1) / max(b, 1)))
            if options.max_length_ratio is None or apart <= math.log(options.max_length_ratio):
                found.append(Match(apart, one, other, whole))
    used: set[int] = set()
    kept = []
    for found_match in sorted(found, key=lambda m: (m.apart, m.chosen.piece, m.rejected.piece)):
        if not used & {found_match.chosen.piece, found_match.rejected.piece}:
            used |= {found_match.chosen.piece, found_match.rejected.piece}
            kept.append(found_match)
    return kept


def _distinct(sides: Iterable[Side]) -> list[Side]:
    return list({s.code: s for s in reversed(list(sides))}.values())[::-1]


# ------------------------------------------------------------------------------------------------ problems


def gather_problems(index: Index) -> int:
    """Replace the index's units, results, by problems (and their questions, where they were put in several ways);
    returns how many there are. The form of such a unit is how many samples it has and how many of them are proven.
    """
    return index.replace_units(_problems(index))


def _problems(index: Index) -> Iterator[Unit]:
    query = """SELECT min(results.id), problem, results.chars, min(results.turns), difficulty, draw, sum(cost), facts,
        first, count(*), sum(proven) FROM pieces JOIN results ON results.id = pieces.unit
        GROUP BY problem, prompt ORDER BY 1"""
    for row in index.database.execute(query):
        number, problem, chars, turns, difficulty, drawn, cost, facts, first, samples, proven = row
        how = f"{samples} {proven}"
        yield Unit(number, problem, chars, turns, difficulty, drawn, cost, facts, first, first, how)
