"""Grades recorded answers of models again and compares with the verdicts of record.

    python test_scripts/fidelity.py DATA_DIR --output docs/fidelity.md [--only NAME] [--mode batch]

Writes a page: how far the verdicts agree, log by log, and each difference with its reason; then which reference
solutions pass their own tests. Exit status 1 where a difference has no reason in `REASONS`, or a grade is infra.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))
from fidelity_reasons import REASONS
from probes import ACCEPTED, GRADERS
from recorded import LOGS, REFERENCES, REPLIES, read_problems, unreliable

from code_generation.compare import compare_text
from code_generation.concurrency import in_order
from code_generation.grader import GraderOptions, open_grader
from code_generation.profiles import profile_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recorded import Answer, Log, Reference

    from code_generation.grader import TestExecutionGrader
    from code_generation.models import CodeProblem, Grade

AT_A_TIME = 8
MOST_SOLUTIONS = 10
"""Reference solutions of a problem that are run; some have hundreds."""
LONGEST_ERROR = 60
UNEXPLAINED = "**unexplained**"
INTRODUCTION = """# Fidelity

Written by `python test_scripts/fidelity.py DATA_DIR --output docs/fidelity.md`: answers of models that other graders
have judged, graded again, every test {how}. Whoever has the same public logs can repeat it.
"""
ANSWERS = """
## Recorded answers

*Rows* are the answers of a log. *No tests*: the data at hand lacks the problem. *Unreliable*: recorded as failed
although the code passes the tests that stand in the same row, found with plain Python before this grader had a say.
*Says nothing*: recorded as failed, but by tests that are not at hand (LiveCodeBench, xCodeEval: only the public ones
are), or for other code of the same reply (*replies*); how many of them pass here is in brackets. The other rows agree
or differ. *base* and *plus* are EvalPlus's two sets of inputs, plus with base. *Replies*: the same log once more, the
code being what `extract_code` finds in the raw reply, not what the log found there.

| log | rows | no tests | unreliable | says nothing | agree | differ | agreement |
|---|---|---|---|---|---|---|---|
"""
DIFFERENCES = """
### Every difference

| log | row | recorded | here | what happened | reason |
|---|---|---|---|---|---|
"""
REFERENCE_SOLUTIONS = """
## Reference solutions

Each data set's own solutions through its own tests, at most ten a problem.

| data | problems | rows that are none | without solution | solutions | pass | share |
|---|---|---|---|---|---|---|
"""
FAILURES = """
### Every solution that fails

| data | row | solutions | what happened | reason |
|---|---|---|---|---|
"""

PROFILES = """
## Comparison profiles

What the graders' own comparisons take (A) and do not (.), measured with their code; the profiles of `codegen grade
--profile` say the same, or this page could not have been written. `default` is ours.

| printed | expected | | default | {names} |
|---|---|---|---|{lines}
"""


@dataclass
class Section:
    """A part of the page and what it found."""

    text: str
    count: Counter[str] = field(default_factory=Counter)
    """Figures of a log."""
    notes: list[str] = field(default_factory=list)
    """What else to say, below its table."""
    problems: list[str] = field(default_factory=list)
    """What has no reason yet, or could not be judged."""


def what_happened(grade: Grade) -> str:
    """The first test that did not pass, in a few words that quote no data."""
    if grade.verdict == "pass":
        return f"passes, {max(o.cpu_s for o in grade.outcomes):.1f} s"
    outcome = next(o for o in grade.outcomes if o.status not in {"passed", "not_run"})
    error = outcome.error.strip().rpartition("\n")[2].partition(" (")[0]
    if outcome.status == "wrong_answer":
        return outcome.status
    return f"{outcome.status}: {error[:LONGEST_ERROR]}".replace("|", "/")


def reason_of(source: str, row_id: str) -> str:
    """Why a row differs: as in the table for this log, or for all logs of the same tests."""
    log = source.partition(" ")[0]
    return next((REASONS[key] for key in ((source, row_id), (log, row_id)) if key in REASONS), UNEXPLAINED)


async def compare_log(log: Log, answers: list[Answer], excluded: set[str], grader: TestExecutionGrader) -> Section:
    """The row of a log's figures; its differences stand in `problems` as rows of a table."""
    count: Counter[str] = Counter(rows=len(answers), missing=sum(a.problem is None for a in answers))
    found = Section("", count=count)

    async def judge(answer: Answer) -> Grade:
        return await grader.grade(answer.problem, answer.code, stop_early=True)

    async with aclosing(in_order([a for a in answers if a.problem], judge, AT_A_TIME)) as graded:
        async for answer, grade in graded:
            passed = grade.verdict == "pass"
            if grade.verdict != "infra" and not answer.passed and not answer.decisive:
                count["silent"] += 1
                count["silent but pass"] += passed
            elif grade.verdict != "infra" and passed == answer.passed:
                count["agree"] += 1
            elif passed and answer.row_id in excluded:
                count["unreliable"] += 1
            else:
                count["differ"] += 1
                said = "pass" if answer.passed else "fail"
                reason = UNEXPLAINED if grade.verdict == "infra" else reason_of(log.name, answer.row_id)
                cells = (log.name, answer.row_id, said, grade.verdict, what_happened(grade), reason)
                found.problems.append(f"| {' | '.join(cells)} |")
    found.text = figures(log.name, found.count)
    return found


def figures(name: str, count: Counter[str]) -> str:
    """A row of the table of logs."""
    share = count["agree"] / max(1, count["agree"] + count["differ"])
    silent = f"{count['silent']} ({count['silent but pass']})" if count["silent"] else "0"
    return (
        f"| {name} | {count['rows']} | {count['missing']} | {count['unreliable']} | {silent} | {count['agree']} "
        f"| {count['differ']} | {share:.2%} |\n"
    )


async def answers_section(data: Path, only: str, grader: TestExecutionGrader) -> Section:
    """How far our verdicts agree with those of record."""
    section, differences, total = Section(ANSWERS), [], Counter[str]()
    excluded = unreliable(data)
    for log in LOGS:
        if only not in log.name:
            continue
        start = time.monotonic()
        answers = list(log.read(data, log.path))
        found = await compare_log(log, answers, excluded.get(log.name.partition(" ")[0], set()), grader)
        print(f"{found.text.strip()} {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        section.text += found.text
        differences += found.problems
        total += found.count if not log.name.endswith(REPLIES) else Counter()
    section.problems = [d for d in differences if UNEXPLAINED in d]
    section.text += figures("all but replies", total) + DIFFERENCES + "".join(f"{d}\n" for d in differences)
    return section


async def check_reference(reference: Reference, data: Path, grader: TestExecutionGrader) -> Section:
    """The row of a data file's figures; its failures stand in `problems` as rows of a table."""
    problems, bad = read_problems(data, reference)
    found = Section("", notes=[f"- {reference.name}, {n} rows: {why}.\n" for why, n in bad.items()])
    passed = 0
    failed: Counter[tuple[str, str, str]] = Counter()

    async def judge(item: tuple[CodeProblem, str]) -> Grade:
        problem, code = item
        return await grader.grade(problem, code, stop_early=True)

    todo = [(p, code) for p in problems for code in p.solutions[:MOST_SOLUTIONS]]
    async with aclosing(in_order(todo, judge, AT_A_TIME)) as graded:
        async for (problem, _), grade in graded:
            passed += grade.verdict == "pass"
            if grade.verdict != "pass":
                reason = UNEXPLAINED if grade.verdict == "infra" else reason_of(reference.name, problem.problem_id)
                failed[problem.problem_id, what_happened(grade), reason] += 1
    for (row_id, happened, reason), times in failed.items():
        found.problems.append(f"| {reference.name} | {row_id} | {times} | {happened} | {reason} |")
    without = sum(not p.solutions for p in problems)
    found.text = (
        f"| {reference.name} | {len(problems)} | {bad.total()} | {without} | {len(todo)} | {passed} "
        f"| {passed / max(1, len(todo)):.2%} |\n"
    )
    return found


async def references_section(data: Path, only: str, grader: TestExecutionGrader) -> Section:
    """Which reference solutions pass the tests of their own problem."""
    section, failures, notes = Section(REFERENCE_SOLUTIONS), [], []
    for reference in REFERENCES:
        if only not in reference.name:
            continue
        start = time.monotonic()
        found = await check_reference(reference, data, grader)
        print(f"{found.text.strip()} {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        section.text += found.text
        failures += found.problems
        notes += found.notes
    section.problems = [f for f in failures if UNEXPLAINED in f]
    section.text += "\n" + "".join(notes) + FAILURES + "".join(f"{f}\n" for f in failures)
    return section


async def profiles_section(_data: Path, only: str, _grader: TestExecutionGrader) -> Section:
    """What each profile and our default make of the probes by which graders differ."""
    section = Section(PROFILES.format(names=" | ".join(GRADERS), lines="---|" * len(GRADERS)))
    if only:
        return Section("")
    for (got, expected), (taken, right) in ACCEPTED.items():
        found = ["A" if profile_text(g, expected, got.encode()) else "." for g in GRADERS]
        ours = compare_text(expected, got.encode())
        shown = (f"`{text}`".replace("\n", "\u23ce") for text in (got, expected))
        judged = {True: "right", False: "wrong", None: ""}[right]
        section.text += f"| {' | '.join((*shown, judged, 'A' if ours else '.', *found))} |\n"
        if "".join(found) != taken or right not in {None, ours}:
            section.problems.append(f"{got!r} for {expected!r}: {''.join(found)}, measured {taken}; ours {ours}")
    return section


SECTIONS = (answers_section, references_section, profiles_section)
"""The page, in order; each is called with the data folder, the part of a name to keep to, and the grader."""


async def write_page(data: Path, only: str, options: GraderOptions) -> tuple[str, list[str]]:
    """The page, and what on it has no reason."""
    how = "in a process of its own" if options.mode == "isolated" else "in a process that tests share (mode batch)"
    page, faults = INTRODUCTION.format(how=how), []
    async with open_grader(options) as grader:
        for make in SECTIONS:
            section = await make(data, only, grader)
            page += section.text
            faults += section.problems
    return page, faults


def main(arguments: Iterable[str] | None = None) -> int:
    """Write the page; exit status 1 where something is unexplained."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", default="", metavar="NAME", help="only logs and data whose name contains this")
    parser.add_argument("--mode", choices=("isolated", "batch"), default="isolated")
    options = parser.parse_args(arguments)
    page, faults = asyncio.run(write_page(options.data, options.only, GraderOptions(mode=options.mode)))
    if options.output:
        options.output.write_text(page, encoding="utf-8")
    else:
        print(page)
    for fault in faults:
        print(f"unexplained: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
