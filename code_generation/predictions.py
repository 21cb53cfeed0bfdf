"""Patches in the form that the official SWE-bench harness takes, and its reports joined back into rows.

A prediction is `{"instance_id": "own__repo-1", "model_name_or_path": "org/model", "model_patch": "diff --git ..."}`, a
line each; the patch is empty where an answer held none. The harness keys predictions by their instance and forgets all
but the last, so each sample of a run has a file of its own.

Reports are read in the forms that the harness has had: the summary of a run with `resolved_ids` and so on (since 2.0),
the older one with `resolved`, `applied` and so on, and the report of single instances with `resolved` as a truth
value.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import structs

from code_generation.certificate import sha256_text
from code_generation.errors import ConfigError, DataError
from code_generation.jsonl import decode, write_lines
from code_generation.models import HarnessOutcome
from code_generation.results import read_results, refuse_to_replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from code_generation.models import GenerationResult, JsonValue

HARNESS = "swebench"
SUMMARY = {  # later ones win: an instance may stand in several lists
    "submitted_ids": "incomplete",
    "completed_ids": "incomplete",
    "incomplete_ids": "incomplete",
    "empty_patch_ids": "empty",
    "error_ids": "error",
    "unresolved_ids": "unresolved",
    "resolved_ids": "resolved",
}
"""Lists of a summary and what they say of an instance."""
OLDER_SUMMARY = {
    "generated": "incomplete",
    "with_logs": "incomplete",
    "no_generation": "empty",
    "applied": "unresolved",
    "install_fail": "error",
    "reset_failed": "error",
    "no_apply": "error",
    "test_errored": "error",
    "test_timeout": "error",
    "resolved": "resolved",
}


def predictions_path(out: Path, sample_index: int, n_samples: int) -> Path:
    """`answers.jsonl` -> `answers.predictions.jsonl`, or `answers.predictions.0.jsonl` where there are several."""
    number = f".{sample_index}" if n_samples > 1 else ""
    return out.with_name(f"{out.name.removesuffix('.jsonl')}.predictions{number}.jsonl")


def write_predictions(out: Path, n_samples: int) -> list[Path]:
    """Write the predictions of a result file beside it, a file a sample; each is put in place whole.

    Raises:
        DataError: no result file. ConfigError: a file of that name holds something else.
    """
    written = []
    for sample in range(n_samples):
        path = predictions_path(out, sample, n_samples)
        refuse_to_replace(path, "predictions", {"instance_id", "model_patch"})
        rows = (_prediction(r) for _, r in read_results(out) if _sample(r) == sample and r.problem.wants_patch)
        write_lines(path, rows)
        written.append(path)
    return written


def _prediction(result: GenerationResult) -> JsonValue:
    return {
        "instance_id": result.problem.problem_id,
        "model_name_or_path": result.generation_metadata.get("model"),
        "model_patch": result.final_code or "",
    }


def _sample(result: GenerationResult) -> int:
    index = result.generation_metadata.get("sample_index", 0)
    return index if isinstance(index, int) else 0


class HarnessReport:
    """A report of the official harness: what became of which instance."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            DataError: no such file, or no report.
        """
        try:
            content = path.read_bytes()
            data = decode(content)
        except OSError as e:
            msg = f"{path} can't be read ({e.strerror or e})"
            raise DataError(msg) from None
        except ValueError as e:
            msg = f"{path} is no report of the harness: not JSON ({e})"
            raise DataError(msg) from None
        self.path, self.sha256 = path, hashlib.sha256(content).hexdigest()
        self.outcomes = dict(_outcomes(data))
        """Outcome by instance."""
        if not self.outcomes:
            msg = f"{path} is no report of the SWE-bench harness: expected lists like resolved_ids and unresolved_ids"
            raise DataError(msg)

    def counts(self) -> Counter[str]:
        """How many instances came to which outcome."""
        return Counter(self.outcomes.values())

    def outcome(self, instance_id: str, patch: str | None) -> HarnessOutcome | None:
        """What it says of an instance; None where it does not name it.

        Raises:
            DataError: it says that the answer was empty and there is a patch, or the other way round: it is not about
                these answers.
        """
        found: Any = self.outcomes.get(instance_id)
        if found is None:
            return None
        if (found == "empty") != (not (patch or "").strip()) and found in {"empty", "resolved", "unresolved"}:
            msg = (
                f"{self.path} is not about these answers: it has {instance_id} as {found}, "
                f"and the row has {'a' if patch else 'no'} patch"
            )
            raise DataError(msg)
        return HarnessOutcome(
            harness=HARNESS, outcome=found, report_sha256=self.sha256, patch_sha256=sha256_text(patch or "")
        )


def _outcomes(data: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(data, dict):
        return
    for lists in (SUMMARY, OLDER_SUMMARY):
        if isinstance(data.get("resolved_ids" if lists is SUMMARY else "resolved"), list):
            for name, outcome in lists.items():
                ids = data.get(name, [])
                yield from ((i, outcome) for i in ids if isinstance(i, str)) if isinstance(ids, list) else ()
            return
    for instance_id, facts in data.items():
        if isinstance(facts, dict) and isinstance(facts.get("resolved"), bool):
            empty = facts.get("patch_is_None") or facts.get("patch_exists") is False
            failed = facts.get("patch_successfully_applied") is False
            said = "resolved" if facts["resolved"] else "empty" if empty else "error" if failed else "unresolved"
            yield instance_id, said


def join_report(
    results: Iterable[GenerationResult], report: HarnessReport, sample_index: int | None = None
) -> Iterator[GenerationResult]:
    """Every result, those of the sample that the report is about with its outcome.

    Raises:
        ConfigError: there are several samples, and which one is meant is not said.
        DataError: it is about others, or names none.
    """
    seen: dict[str, int] = {}
    joined = 0
    for result in results:
        mine = _sample(result)
        problem_id = result.problem.problem_id
        if sample_index is None and seen.setdefault(problem_id, mine) != mine:
            msg = f"{problem_id} has several samples, and a report is about one of each: say which with --sample N"
            raise ConfigError(msg)
        if sample_index is not None and mine != sample_index:
            yield result
            continue
        outcome = report.outcome(problem_id, result.final_code)
        joined += outcome is not None
        yield structs.replace(result, harness=outcome or result.harness)
    if not joined:
        which = "" if sample_index is None else f" of sample {sample_index}"
        msg = f"{report.path} names none of these answers{which}: is it the report of another run?"
        raise DataError(msg)
