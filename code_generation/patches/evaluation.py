"""What a patch is worth as far as it can be told without running the repository's tests.

`similarity` is Dice's coefficient, 2 |A & B| / (|A| + |B|) (L. R. Dice, Ecology 26 (1945) 297), of the bags of words
and signs in the removed and added lines, each word with its file and with whether it goes or comes. It takes no note
of order and counts no context.

`score` is the mean of the known parts under `WEIGHTS`. It orders answers; it is not a rate of anything: `NOT_OFFICIAL`.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from importlib.util import decode_source
from typing import TYPE_CHECKING

from code_generation.errors import ConfigError, DataError
from code_generation.literals import parse_python
from code_generation.models import CodeProblem, PatchReport
from code_generation.patches.applying import Applied, BaseFile, apply_patch, needed_paths, refusal
from code_generation.patches.clones import files_at, find_clone
from code_generation.patches.extraction import extract_patch
from code_generation.patches.paths import NOWHERE, written_path
from code_generation.patches.repair import repair_patch
from code_generation.patches.shown import shown_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from code_generation.patches.diffs import FilePatch

NOT_OFFICIAL = (
    "This is not SWE-bench's resolution rate: no test of the repository was run. Hand the exported predictions to the "
    "official harness for that."
)
WEIGHTS = {"well_formed": 0.1, "applies": 0.3, "syntax": 0.1, "files": 0.2, "hunks": 0.15, "similarity": 0.15}
UNTRIED = (ConfigError, OSError, subprocess.SubprocessError)
"""A machine without git or patch, or with a full disk, says nothing about a patch."""
BASE_COMMIT, PROMPT_FILES = "base commit", "files of the prompt"
MOST_PARSED = 1_000_000
"""Bytes; a longer file is not parsed."""
MOST_CANDIDATES = 2000
"""Paths that are looked for to repair a patch."""
_WORDS = re.compile(r"\w+|[^\w\s]")


def evaluate_patch(answer: str, problem: CodeProblem, repos: Path | None = None, prompt: str = "") -> PatchReport:
    """Everything about the patch in an answer. Blocks on subprocesses: call it in a thread.

    Args:
        answer: The model's reply.
        problem: With the row's fields in its metadata: `repo`, `base_commit`, `patch` (gold) and `text` are used.
        repos: A folder of local clones; without one, or without this repository in it, the files that the prompt
            showed are applied to.
        prompt: What the model was shown; the row's `text` where empty.

    """
    found = extract_patch(answer)
    if found is None:
        return _report(raw="" if answer.strip() else None, fault="no patch in the answer", problem=problem)
    base = _Base(problem, repos, prompt)
    repaired = repair_patch(found.raw, base.sources(found.raw))
    if repaired.fault:
        return _report(
            raw=found.raw, patch=found.raw, found_in=found.where, fault=repaired.fault, problem=problem, base=base
        )
    applied, before = base.apply(repaired.files)
    return _report(
        raw=found.raw, patch=repaired.patch, found_in=found.where, repairs=repaired.repairs, files=repaired.files,
        applied=applied, errors=new_syntax_errors(before, applied.files) if applied else [], problem=problem, base=base,
    )  # fmt: skip


class _Base:
    """The files that a patch is held against: of the base commit where a clone is at hand, else of the prompt."""

    def __init__(self, problem: CodeProblem, repos: Path | None, prompt: str) -> None:
        self.commit = str(problem.metadata.get("base_commit") or "")
        self.clone = find_clone(repos, str(problem.metadata.get("repo") or "")) if repos else None
        self.shown = shown_files(prompt or str(problem.metadata.get("text") or ""))
        self.reason = ""
        """Why the clone can't be used."""
        if self.clone is not None:
            try:
                files_at(self.clone, self.commit, [])
            except (DataError, *UNTRIED) as e:
                self.clone, self.reason = None, str(e)

    @property
    def name(self) -> str:
        """What it is: `base commit`, `files of the prompt`, or "" for nothing."""
        return BASE_COMMIT if self.clone is not None else PROMPT_FILES if self.shown else ""

    def sources(self, raw: str) -> dict[str, str]:
        """The files that a patch may be about, as text."""
        if self.clone is None:
            return self.shown
        found = files_at(self.clone, self.commit, candidate_paths(raw))
        return {path: file.content.decode("utf-8", "surrogateescape") for path, file in found.items()}

    def apply(self, files: Sequence[FilePatch]) -> tuple[Applied | None, Mapping[str, BaseFile]]:
        """What became of the patch, and what was there before; None where that can't be told."""
        reason = refusal(files)
        if not self.name or reason:
            return (Applied(applies=False, reason=reason) if reason and self.name else None), {}
        if self.clone is not None:
            base = files_at(self.clone, self.commit, needed_paths(files))
        else:
            unseen = [file.old for file in files if file.old is not None and file.old not in self.shown]
            if unseen:
                self.reason = f"the prompt does not show {unseen[0]}"
                return None, {}
            shown = {path: self.shown[path] for path in needed_paths(files) if path in self.shown}
            base = {path: BaseFile(text.encode("utf-8", "surrogatepass")) for path, text in shown.items()}
        try:
            return apply_patch(files, base), base
        except UNTRIED as e:
            self.reason = f"it could not be tried: {e}"
            return None, {}


def candidate_paths(raw: str) -> list[str]:
    """The paths that the headers of a patch may mean: with and without what stands before them."""
    found: dict[str, None] = {}
    for match in re.finditer(r"^(?:--- |\+\+\+ |diff --git )(.*?)\r?$", raw, re.MULTILINE):
        parts = match[1].split(" ") if match[0].startswith("diff") else [match[1]]
        for part in parts:
            try:
                path = written_path(part).strip()
            except ValueError:
                continue
            while path and path != NOWHERE and len(found) < MOST_CANDIDATES:
                if not path.startswith("/"):
                    found[path.removeprefix("./")] = None
                path = path.partition("/")[2]
    return [path for path in found if path]


def new_syntax_errors(before: Mapping[str, BaseFile], after: Mapping[str, bytes | None]) -> list[str]:
    """Python files that don't parse though they did before, or are new: `a.py:3: invalid syntax`, by this Python."""
    errors = []
    for path, content in after.items():
        if not path.endswith(".py") or content is None or len(content) > MOST_PARSED:
            continue
        error = _syntax_error(content)
        if error and not (path in before and _syntax_error(before[path].content)):
            errors.append(f"{path}:{error}")
    return errors


def _syntax_error(content: bytes) -> str:
    """`3: invalid syntax`; empty where it parses."""
    try:
        parse_python(decode_source(content))
    except SyntaxError as e:
        return f"{e.lineno or 0}: {e.msg}"
    except (ValueError, RecursionError, MemoryError) as e:
        return f"0: {type(e).__name__}: {str(e)[:200]}"
    return ""


def is_test_path(path: str) -> bool:
    """Whether a file belongs to the tests: in a folder `tests`, or named `test_*.py`, `*_test.py`, `tests.py` or
    `conftest.py`. (A folder `test` or `testing` may be a part of the library, as django/test is.)
    """
    *folders, name = path.split("/")
    return "tests" in folders or bool(re.fullmatch(r"test_.*\.py|.*_tests?\.py|tests\.py|conftest\.py", name))


def compare_with_gold(files: Sequence[FilePatch], gold: Sequence[FilePatch]) -> dict[str, float]:
    """`file_precision`, `file_recall`, `hunk_recall` and `similarity`, 0 to 1 each; both patches have files."""
    mine, theirs = ({file.path for file in patch} for patch in (files, gold))
    common = len(mine & theirs)
    spots = [(file.path, hunk.touched) for file in files for hunk in file.hunks]
    hunks = [(file.path, hunk) for file in gold for hunk in file.hunks]
    hit = sum(
        any(p == path and _meet(spot, hunk.old_start, hunk.old_count) for p, spot in spots) for path, hunk in hunks
    )
    bags = [Counter(_words(patch)) for patch in (files, gold)]
    total = sum(bag.total() for bag in bags)
    return {
        "file_precision": common / len(mine),
        "file_recall": common / len(theirs),
        "hunk_recall": hit / len(hunks) if hunks else common / len(theirs),
        "similarity": 2 * (bags[0] & bags[1]).total() / total if total else float(mine == theirs),
    }


def _meet(spot: tuple[int, int], start: int, count: int) -> bool:
    """Whether changed lines and a hunk's old lines have one in common."""
    return spot[0] <= start + max(count, 1) - 1 and start <= spot[1]


def _words(files: Sequence[FilePatch]) -> Iterator[tuple[str, str, str]]:
    """(file, sign, word) of all changed lines."""
    for file in files:
        for hunk in file.hunks:
            for line in hunk.changes:
                yield from ((file.path, line[0], word) for word in _WORDS.findall(line[1:]))


def _report(
    *,
    raw: str | None,
    fault: str = "",
    problem: CodeProblem,
    patch: str = "",
    found_in: str = "",
    repairs: Sequence[str] = (),
    files: Sequence[FilePatch] = (),
    applied: Applied | None = None,
    errors: Sequence[str] = (),
    base: _Base | None = None,
) -> PatchReport:
    """The facts as a record, with the score."""
    gold = repair_patch(str(problem.metadata.get("patch") or "")).files
    nothing = dict.fromkeys(("file_precision", "file_recall", "hunk_recall", "similarity"), 0.0)
    compared = (compare_with_gold(files, gold) if files else nothing) if gold else dict.fromkeys(nothing)
    applies = applied.applies if applied else (False if raw and fault and base and base.name else None)
    reason = applied.reason if applied else fault if applies is False else base.reason if base else ""
    parts = _parts(compared, well_formed=bool(files), applies=applies, errors=errors)
    known = bool(gold) or applies is not None or not raw
    return PatchReport(
        raw=raw, patch=patch, found_in=found_in, repairs=list(repairs), well_formed=bool(files), fault=fault,
        applies=applies, applied_to=base.name if base and applies is not None else "",
        applied_by=applied.by if applied else "", reason=reason, syntax_errors=list(errors),
        files=list(dict.fromkeys(file.path for file in files)),
        edits_tests=any(is_test_path(file.path) for file in files), **compared,
        score=_weighted(parts) if known else None, score_parts=parts,
    )  # fmt: skip


def _parts(
    compared: Mapping[str, float | None], *, well_formed: bool, applies: bool | None, errors: Sequence[str]
) -> dict[str, float]:
    """The parts of the score that are known."""
    parts = {"well_formed": float(well_formed)}
    if applies is not None:
        parts |= {"applies": float(applies), "syntax": float(applies and not errors)}
    precision, recall = compared["file_precision"], compared["file_recall"]
    if precision is not None and recall is not None:
        parts["files"] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    for part, name in (("hunks", "hunk_recall"), ("similarity", "similarity")):
        value = compared[name]
        if value is not None:
            parts[part] = value
    return parts


def _weighted(parts: Mapping[str, float]) -> float:
    """The mean of the parts, each with its weight."""
    return sum(WEIGHTS[name] * value for name, value in parts.items()) / sum(WEIGHTS[name] for name in parts)
