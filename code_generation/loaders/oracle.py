"""The prompt for an issue of a repository, as the field's oracle builds have it: the issue, the files that the
reference patch changes, with line numbers, and the form of the answer.

Of the patch itself nothing goes in but which files it changes. Form: github.com/SWE-bench/SWE-bench,
swebench/inference/make_datasets/create_instance.py; the words around it are in prompts/repository/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.errors import DataError
from code_generation.patches.clones import files_at, find_clone
from code_generation.patches.diffs import MalformedPatch, parse_patch
from code_generation.prompts import PromptLibrary

if TYPE_CHECKING:
    from pathlib import Path

    from code_generation.models import CodeProblem


def oracle_prompt(problem: CodeProblem, repos: Path, *, hints: bool = False) -> str:
    """Assemble the prompt out of a clone at the base commit.

    Raises:
        DataError: no clone, not that commit in it, no reference patch, or none of its files is there.
    """
    metadata = problem.metadata
    clone = find_clone(repos, metadata["repo"])
    if clone is None:
        msg = f"it has no field `text`, and {repos} holds no clone of {metadata['repo']}"
        raise DataError(msg)
    try:
        paths = [f.old for f in parse_patch(metadata.get("patch", "")) if f.old is not None]
    except MalformedPatch as e:
        msg = f"the files to show are not known: its patch is none ({e})"
        raise DataError(msg) from None
    files = files_at(clone, metadata["base_commit"], paths)
    if not files:
        msg = f"the files to show are not known: {clone} has none that its patch changes"
        raise DataError(msg)
    code = "\n".join(_listing(path, files[path].content.decode("utf-8", "replace")) for path in paths if path in files)
    said = metadata.get("hints_text", "").strip() if hints else ""
    library = PromptLibrary()
    shown = library.get("repository", "hints").render({"hints": said}) + "\n" if said else ""
    values = {"issue": problem.problem, "hints": shown, "code": code}
    return library.get("repository", "oracle").render(values, needed=("issue", "code"))


def _listing(path: str, text: str) -> str:
    """A file as the field's builds show it: a text that ends with a line end has an empty last line."""
    numbered = "".join(f"{number} {line}\n" for number, line in enumerate(text.split("\n"), 1))
    return f"[start of {path}]\n{numbered}[end of {path}]"
