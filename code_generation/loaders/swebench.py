"""SWE-bench in all its builds: an issue of a repository, answered by a patch. Schema: github.com/SWE-bench/SWE-bench,
docs/guides/datasets.md.

`instance_id`, `repo`, `base_commit`, `problem_statement`, `patch`, `test_patch`, `hints_text`, `created_at`, `version`,
`FAIL_TO_PASS`, `PASS_TO_PASS` (lists of test names, as such or as JSON text, or empty), `environment_setup_commit`;
Verified adds `difficulty`, Multimodal `image_assets`, and the retrieval builds `text`, the whole prompt with code.

The statement is the issue. Everything else is metadata under the name of its field; patches and prompts stay byte for
byte. Where a row has no `text` and there are clones of the repositories (`--repos`), the prompt is assembled as `text`,
see `oracle`. No test can be run here: it takes the repository in the environment of its time. So a problem has neither
tests nor solutions, and `metadata.answer` is `patch`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from msgspec import structs

from code_generation.errors import ConfigError, DataError
from code_generation.loaders import DataSet, LoadOptions
from code_generation.loaders.fields import structure_of, unix
from code_generation.loaders.oracle import oracle_prompt
from code_generation.models import PATCH, CodeProblem

HUB_IDS = {
    "full": "SWE-bench/SWE-bench",
    "lite": "SWE-bench/SWE-bench_Lite",
    "verified": "SWE-bench/SWE-bench_Verified",
    "multilingual": "SWE-bench/SWE-bench_Multilingual",
    "multimodal": "SWE-bench/SWE-bench_Multimodal",
    "oracle": "princeton-nlp/SWE-bench_oracle",
    "bm25_13k": "princeton-nlp/SWE-bench_bm25_13K",
    "bm25_27k": "princeton-nlp/SWE-bench_bm25_27K",
    "bm25_40k": "princeton-nlp/SWE-bench_bm25_40K",
    "lite_oracle": "princeton-nlp/SWE-bench_Lite_oracle",
    "lite_bm25_13k": "princeton-nlp/SWE-bench_Lite_bm25_13K",
    "lite_bm25_27k": "princeton-nlp/SWE-bench_Lite_bm25_27K",
}
"""Each build is a data set of its own on the hub."""
NEEDED = ("repo", "base_commit")
TEXTS = ("version", "patch", "test_patch", "hints_text", "created_at", "environment_setup_commit", "difficulty", "text",
    "eval_script")  # fmt: skip
"""A row may lack any of these: Multimodal's test split keeps its patches to itself."""
LISTS = ("FAIL_TO_PASS", "PASS_TO_PASS")


def parse_row(row: dict[str, Any], options: LoadOptions) -> CodeProblem:
    """Turn a row of any build into a problem that is answered by a patch.

    Raises:
        DataError: a field is missing or of another type, or its prompt can't be assembled.
    """
    problem = CodeProblem(
        problem_id=_text(row, "instance_id", needed=True),
        problem=unix(_text(row, "problem_statement", needed=True)).strip(),
        solutions=[],
        test_cases=[],
        metadata={
            "answer": PATCH,
            "source": "swebench",
            **{name: _text(row, name, needed=True) for name in NEEDED},
            **{name: _text(row | _words(row), name) for name in TEXTS if row.get(name) not in (None, "")},
            **{name: _names(row, name) for name in LISTS},
            **_images(row),
        },
    )
    if options.repos is None or "text" in problem.metadata:
        return problem
    text = oracle_prompt(problem, Path(options.repos), hints=options.include_hints)
    return structs.replace(problem, metadata=problem.metadata | {"text": text, "text_from": "oracle"})


def check_options(options: LoadOptions) -> LoadOptions:
    """Refuse options that can't be.

    Raises:
        ConfigError: hints without prompts to put them into, a folder that is none.
    """
    if options.include_hints and options.repos is None:
        msg = "--include-hints goes into prompts that are assembled from clones: give their folder with --repos"
        raise ConfigError(msg)
    if options.repos is not None and not Path(options.repos).is_dir():
        msg = f"--repos {options.repos} is no folder; it holds the clones, as owner__name, owner/name or name"
        raise ConfigError(msg)
    if options.repos is not None and shutil.which("git") is None:
        msg = "--repos: clones are read with git, which is not installed"
        raise ConfigError(msg)
    return options


def _text(row: dict[str, Any], name: str, *, needed: bool = False) -> str:
    """Text as it stands there, line ends too: a patch has to apply."""
    value = row.get(name)
    if not isinstance(value, str) or (needed and not value.strip()):
        found = "nothing but blanks" if isinstance(value, str) else type(value).__name__
        msg = f"expected text in the field {name}, found {found}"
        raise DataError(msg)
    return value


def _words(row: dict[str, Any]) -> dict[str, str]:
    """Fields that tables make numbers of, as text again: a version 3.1."""
    given = ((name, row.get(name)) for name in ("version", "created_at"))
    return {k: str(v) for k, v in given if isinstance(v, int | float) and not isinstance(v, bool)}


def _names(row: dict[str, Any], field: str) -> list[str]:
    """Names of tests: a list, JSON text of one, or nothing."""
    names = structure_of(row, field, list, literal=True) or []
    if not all(isinstance(n, str) for n in names):
        msg = f"expected {field} to be a list of texts"
        raise DataError(msg)
    return names


def _images(row: dict[str, Any]) -> dict[str, Any]:
    """Addresses of pictures by the field that shows them: `{"problem_statement": ["https://..."]}`."""
    images = structure_of(row, "image_assets", dict, list)
    return {"image_assets": images} if images else {}


SWEBENCH = DataSet(
    name="swebench",
    hub_id=HUB_IDS["lite"],
    licence=None,
    parse=parse_row,
    default_config="lite",
    default_splits=dict.fromkeys([None, *HUB_IDS], "test"),
    hub_ids=HUB_IDS,
    wants_patches=True,
    own_options=("repos", "include_hints"),
    prepare=check_options,
)
