"""The light row that all figures take: what became of one sample, without its texts and tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from code_generation.errors import DataError
from code_generation.evaluation.failures import Fact, kind_of_failure
from code_generation.evaluation.known import dollars, finite, tokens
from code_generation.evaluation.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from code_generation.models import CodeProblem, GenerationResult, JsonValue, Verdict

What = Literal["pass", "reward", "fraction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Plain):
    """One sample of one problem."""

    problem_id: str
    sample_index: int = 0
    model: str = ""
    strategy: str = ""
    """Id of the prompt."""
    dataset: str = ""
    """`metadata.source` of the problem."""
    difficulty: str | None = None
    """As the data set says it; None: it does not."""
    adversarial: bool = False
    tags: tuple[str, ...] = ()
    verdict: Verdict | None
    """Of the final code; no code is `fail`. None: nothing could judge it, as there are no tests."""
    verified: bool = False
    """It passed every test, each in its own isolated process."""
    reward: float | None = None
    """1 or 0; None where there is no verdict, or `infra`."""
    fraction: float | None = None
    """Weighted share of the tests that passed, 0 to 1; None as for the reward."""
    n_turns: int | None = None
    """None: not known."""
    turns_to_success: int | None = None
    """The first turn, from 1, whose code passed every test; None: at none, or not known."""
    extraction_failed: bool = False
    """There was no code in the last answer, whatever the cause."""
    failure: str | None = None
    """Kind of failure, see `failures.FAILURES`; None: it passed, or nothing judged it."""
    input_tokens: int | None = None
    """Of all turns; None: unknown."""
    output_tokens: int | None = None
    cost_usd: float | None = None
    """Of all turns; None: unknown, never 0 for that."""
    hack_signs: tuple[str, ...] = ()
    """What makes the final code look like it games its tests."""
    log_ratio: float | None = None
    """log(new / old probability) of the sample under a trainer's policies, where the row carries it."""
    quarantined: bool = False
    """Its problem was found unfit."""
    harness: str | None = None
    """What the data set's official harness made of it, see `models.HarnessOutcome`; None: not known."""

    def __post_init__(self) -> None:
        """Take numbers that can't be, such as a cost of NaN, for unknown."""
        for name, known in _KNOWN.items():
            value = getattr(self, name)
            if value is not None and known(value) is None:
                object.__setattr__(self, name, None)

    @property
    def counts(self) -> bool:
        """Whether it has a verdict that says something about the candidate."""
        return self.verdict in {"pass", "fail"}


_KNOWN: dict[str, Callable[[Any], float | None]] = {
    "cost_usd": dollars,
    "input_tokens": tokens,
    "output_tokens": tokens,
    "reward": finite,
    "fraction": finite,
    "log_ratio": finite,
}


def from_result(result: GenerationResult, *, hack_signs: tuple[str, ...] = ()) -> Sample:
    """The sample of a row of a result file; `log_ratio` is read where the row has such a key."""
    last = result.attempts[-1] if result.attempts else None
    grade = last.grade if last else None
    known = {**_facts(result.problem), **_run_facts(result.generation_metadata)}
    has_code = result.final_code is not None
    judged = bool(result.problem.test_cases) and (grade is not None or not has_code)
    verdict: Verdict | None = (grade.verdict if grade else "fail") if judged else None
    scored = verdict in {"pass", "fail"}
    passing = (turn for turn, a in enumerate(result.attempts, 1) if a.grade is not None and a.grade.verdict == "pass")
    facts = [Fact(o.status, o.is_public, o.error) for o in grade.outcomes] if grade else []
    failure = kind_of_failure(
        facts,
        has_code=has_code,
        refused=last is not None and last.refusal is not None,
        finish_reason=last.finish_reason if last else None,
    )
    return Sample(
        **known,
        verdict=verdict,
        verified=result.verified,
        reward=(grade.reward if grade else 0.0) if scored else None,
        fraction=(grade.fraction if grade else 0.0) if scored else None,
        n_turns=len(result.attempts),
        turns_to_success=next(passing, None),
        extraction_failed=not has_code,
        failure=None if verdict in {"pass", None} else failure,
        input_tokens=result.usage.input_tokens,
        output_tokens=result.usage.output_tokens,
        cost_usd=result.cost_usd,
        hack_signs=hack_signs,
        log_ratio=_number(result.extra.get("log_ratio")),
        harness=result.harness.outcome if result.harness else None,
    )


def from_verdict(
    row: Mapping[str, JsonValue],
    problem: CodeProblem | None = None,
    *,
    model: str = "",
    strategy: str = "",
    sample_index: int = 0,
) -> Sample:
    """The sample of a verdict row of `codegen grade`, with what its problem says about itself where that is given.

    Raises:
        DataError: the row is none.
    """
    outcomes, verdict = row.get("outcomes"), row.get("verdict")
    said = outcomes if isinstance(outcomes, list) and all(isinstance(o, dict) for o in outcomes) else None
    if not isinstance(row.get("problem_id"), str) or said is None or verdict not in _VERDICTS:
        msg = "expected a verdict row of codegen grade, with problem_id, verdict and outcomes; got keys "
        raise DataError(msg + ", ".join(sorted(map(str, row))))
    judged = verdict if outcomes else None
    facts = [Fact(_text(o.get("status")) or "", bool(o.get("is_public")), _text(o.get("error")) or "") for o in said]
    no_code = "code_sha256" in row and row["code_sha256"] is None
    whole = (
        row.get("tests", "all") == "all" and row.get("hardest") is None and row.get("profile", "default") == "default"
    )
    scored = judged in {"pass", "fail"}
    return Sample(
        **{**(_facts(problem) if problem else {}), "problem_id": row["problem_id"]},
        sample_index=sample_index,
        model=model,
        strategy=strategy,
        verdict=judged,
        verified=judged == "pass" and whole and row.get("mode") == "isolated",
        reward=_number(row.get("reward")) if scored else None,
        fraction=_number(row.get("fraction")) if scored else None,
        extraction_failed=no_code,
        failure=None if judged in {"pass", None} else kind_of_failure(facts, has_code=not no_code),
        log_ratio=_number(row.get("log_ratio")),
        quarantined=bool(row.get("quarantined")),
    )


def from_verdicts(
    rows: Iterable[Mapping[str, JsonValue]],
    problems: Mapping[str, CodeProblem] | None = None,
    *,
    model: str = "",
    strategy: str = "",
) -> list[Sample]:
    """The samples of a verdict file, numbered by problem in the order of the rows.

    Raises:
        DataError: a row is none.
    """
    seen: Counter[str] = Counter()
    samples = []
    for row in rows:
        name = str(row.get("problem_id"))
        problem = (problems or {}).get(name)
        samples.append(from_verdict(row, problem, model=model, strategy=strategy, sample_index=seen[name]))
        seen[name] += 1
    return samples


_VERDICTS = ("pass", "fail", "infra")


def _facts(problem: CodeProblem) -> dict[str, JsonValue]:
    """What a problem says about itself."""
    said = problem.metadata
    tags = said.get("tags")
    return {
        "problem_id": problem.problem_id,
        "dataset": _text(said.get("source")) or "",
        "difficulty": _text(said.get("difficulty")),
        "adversarial": said.get("adversarial") is True,
        "tags": tuple(t for t in tags if isinstance(t, str)) if isinstance(tags, list) else (),
    }


def _run_facts(said: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    index = said.get("sample_index")
    return {
        "model": _text(said.get("model")) or "",
        "strategy": _text(said.get("prompt_id")) or "",
        "sample_index": index if isinstance(index, int) else 0,
    }


def _text(value: JsonValue) -> str | None:
    return None if value is None or isinstance(value, list | dict) else str(value)


def _number(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or finite(value) is None:
        return None
    return float(value)


def values_by_problem(samples: Iterable[Sample], what: What = "pass") -> dict[str, list[float]]:
    """Values of the samples that count, by problem id in its order: `{"p1": [1.0, 0.0], "p2": [1.0]}`.

    A problem without a sample that counts is not in it.
    """
    found: dict[str, list[float]] = {}
    for sample in sorted(samples, key=lambda s: (s.problem_id, s.sample_index)):
        value = {"pass": float(sample.verdict == "pass"), "reward": sample.reward, "fraction": sample.fraction}[what]
        if sample.counts and value is not None:
            found.setdefault(sample.problem_id, []).append(value)
    return found


def check_unique(samples: Iterable[Sample]) -> None:
    """Refuse a sample that stands twice: a file given two times would make every figure look surer than it is.

    Raises:
        DataError: names it.
    """
    seen: set[tuple[str, str, str, str, int]] = set()
    for s in samples:
        key = (s.model, s.strategy, s.dataset, s.problem_id, s.sample_index)
        if key in seen:
            msg = (
                f"sample {s.sample_index} of problem {s.problem_id} by {s.model or 'the model'} ({s.strategy or '-'}) "
            )
            msg += "stands twice; is a file given two times?"
            raise DataError(msg)
        seen.add(key)
