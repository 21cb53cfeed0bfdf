"""What became of a model's patches: `codegen patches`. Answers of a run, or recorded elsewhere, measured one by one and
set beside the outcomes of the official harness where its report is at hand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import structs

from code_generation.errors import ConfigError, DataError
from code_generation.jsonl import read_objects, write_lines
from code_generation.loaders.jsonl import read_problems
from code_generation.models import PATCH, CodeProblem, GenerationResult, PatchReport
from code_generation.patches.evaluation import NOT_OFFICIAL, evaluate_patch
from code_generation.predictions import HarnessReport, join_report
from code_generation.progress import Progress
from code_generation.records import from_json_object, to_json_object
from code_generation.results import refuse_to_replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from code_generation.models import JsonValue

ANSWERS = ("full_output", "response", "model_patch")
"""Fields of a recorded answer, the first that a row has: the whole reply, or what somebody found in it."""
STATES = ("as written", "repaired", "malformed", "no patch", "empty answer")
OUTCOMES = ("resolved", "unresolved", "error", "empty", "incomplete")


@dataclass
class Shares:
    """How many answers came to what."""

    states: dict[str, Counter[str]] = field(default_factory=lambda: {s: Counter() for s in STATES})
    """By state, how many of each outcome of the harness, `-` where none is known."""
    repairs: Counter[str] = field(default_factory=Counter)
    applies: Counter[str] = field(default_factory=Counter)
    """`yes`, `no`, `not tried`: there was nothing to apply it to."""
    scores: list[float] = field(default_factory=list)
    compared: bool = False
    """Whether there was something to hold a patch against."""
    lost: list[str] = field(default_factory=list)
    """Instances whose record has a patch where none was found."""

    @property
    def total(self) -> int:
        """Answers in all."""
        return sum(c.total() for c in self.states.values())

    def count(self, report: PatchReport, outcome: str) -> None:
        """Add one answer."""
        self.states[state_of(report)][outcome] += 1
        self.repairs.update(report.repairs)
        if report.raw:
            self.applies["not tried" if report.applies is None else "yes" if report.applies else "no"] += 1
            self.compared |= report.score is not None
        self.scores += [] if report.score is None else [report.score]


def state_of(report: PatchReport) -> str:
    """One of `STATES`."""
    if not report.raw:
        return "empty answer" if report.raw is None else "no patch"
    return "malformed" if not report.well_formed else "repaired" if report.repairs else "as written"


def measure(
    answers: Path, output: Path, *, problems: Path | None, repos: Path | None, report: Path | None, sample: int | None
) -> Shares:
    """Measure every answer of a file and write a row each; returns what they came to.

    Result rows stay result rows, with `harness` where the report names them. Rows recorded elsewhere,
    `{"instance_id", "full_output" | "response" | "model_patch"}`, become rows of `instance_id` and `patch`.

    Raises:
        DataError: a file of another kind. ConfigError: the output holds something else.
    """
    if output.resolve() == answers.resolve():
        msg = f"--output {output} is the file of the answers itself; choose another file"
        raise ConfigError(msg)
    if sample is not None and report is None:
        msg = "--sample says which sample a report is about: give --harness-report too"
        raise ConfigError(msg)
    if repos is not None and not repos.is_dir():
        msg = f"--repos {repos} is no folder; it holds the clones, as owner__name, owner/name or name"
        raise ConfigError(msg)
    harness = None if report is None else HarnessReport(report)
    known = {} if problems is None else {p.problem_id: p for p in read_problems(problems)}
    shares = Shares()
    first = next((row for _, row in read_objects(answers, torn_tail=True)), None)
    if first is None:
        msg = f"{answers} holds no answers"
        raise DataError(msg)
    of_a_run = "generation_metadata" in first
    refuse_to_replace(output, "measured patches", {"problem", "attempts"} if of_a_run else {"instance_id", "patch"})
    if of_a_run:
        rows = _measured_results(answers, repos, harness, sample, shares)
    else:
        rows = _measured_records(answers, known, repos, harness, shares)
    write_lines(output, rows)
    return shares


def _measured_results(
    path: Path, repos: Path | None, harness: HarnessReport | None, sample: int | None, shares: Shares
) -> Iterator[JsonValue]:
    def results() -> Iterator[GenerationResult]:
        for number, row in read_objects(path, torn_tail=True):
            try:
                yield from_json_object(row, GenerationResult)
            except DataError as e:
                msg = f"{path}: line {number} is not a result row: {e}"
                raise DataError(msg) from None

    joined = results() if harness is None else join_report(results(), harness, sample)
    with Progress("patches") as progress:
        for result in joined:
            last = result.attempts[-1] if result.attempts else None
            if last is None or not result.problem.wants_patch:
                msg = f"{path}: {result.problem.problem_id} is not answered by a patch"
                raise DataError(msg)
            report = last.patch
            if report is None or repos is not None:
                report = evaluate_patch(result.full_message_history[-1].content, result.problem, repos)
                last = structs.replace(last, patch=report)
                result = structs.replace(result, attempts=[*result.attempts[:-1], last])  # noqa: PLW2901
            shares.count(report, result.harness.outcome if result.harness else "-")
            progress.step()
            yield to_json_object(result)


def _measured_records(
    path: Path,
    known: Mapping[str, CodeProblem],
    repos: Path | None,
    harness: HarnessReport | None,
    shares: Shares,
) -> Iterator[JsonValue]:
    with Progress("patches") as progress:
        for number, row in read_objects(path, torn_tail=True):
            instance_id = row.get("instance_id", row.get("problem_id"))
            said = next((row[f] for f in ANSWERS if isinstance(row.get(f), str)), "" if "model_patch" in row else None)
            if not isinstance(instance_id, str) or said is None:
                msg = f"{path}: line {number}: expected instance_id and one of {', '.join(ANSWERS)}, found {list(row)}"
                raise DataError(msg)
            report = evaluate_patch(said, known.get(instance_id) or _unknown(instance_id), repos)
            outcome = None if harness is None else harness.outcomes.get(instance_id)
            shares.count(report, outcome or "-")
            if not report.raw and str(row.get("model_patch") or "").strip():
                shares.lost.append(instance_id)
            progress.step()
            yield {
                "instance_id": instance_id,
                "model_name_or_path": row.get("model_name_or_path"),
                "state": state_of(report),
                "patch": to_json_object(report),
                **({"harness_outcome": outcome} if outcome else {}),
            }


def _unknown(instance_id: str) -> CodeProblem:
    return CodeProblem(problem_id=instance_id, problem="", solutions=[], test_cases=[], metadata={"answer": PATCH})


def render_shares(shares: Shares) -> str:
    """A table for people: states by outcomes, then repairs, what applies, and the score with what it is not."""
    columns = [o for o in (*OUTCOMES, "-") if any(c[o] for c in shares.states.values())]
    head: list[Any] = ["", "answers", "share", *(columns if columns != ["-"] else [])]
    lines = [head]
    for state, outcomes in shares.states.items():
        n = outcomes.total()
        lines.append([state, n, f"{n / shares.total:.1%}", *(outcomes[o] for o in columns if columns != ["-"])])
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(head))]
    text = [
        "  ".join(
            str(v).ljust(w) if i == 0 else str(v).rjust(w) for i, (v, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    if columns != ["-"]:
        text.append("columns: outcomes in the official report; -: it does not name the instance")
    if shares.repairs:
        text.append("repairs: " + ", ".join(f"{name} {n}" for name, n in shares.repairs.most_common()))
    text.append("applies: " + (", ".join(f"{said} {n}" for said, n in sorted(shares.applies.items())) or "no patch"))
    if shares.compared:
        text.append(f"score: {sum(shares.scores) / len(shares.scores):.3f} over {len(shares.scores)} answers. "
                    + NOT_OFFICIAL)  # fmt: skip
    if shares.lost:
        text.append(f"no patch found where the record has one: {', '.join(shares.lost)}")
    return "\n".join(text)
