"""HumanEval and HumanEval+: a signature with a docstring to complete, tested by `check(candidate)`.

HumanEval, and HumanEval+ in its format: `task_id`, `prompt`, `entry_point`, `canonical_solution` (the body only),
`test` (`def check(candidate): ...`), as in github.com/openai/human-eval. HumanEval+ as released by EvalPlus adds
`contract`, `base_input`, `plus_input` (lists of argument lists) and `atol`; expected values are what the reference
returns, and in its smaller build `test` is missing.

The official graders run prompt, answer and test in one namespace. A prompt may define helpers before the function
that is asked for (`encode_shift` before `decode_shift`). Here the test gets its own copy of them, so that it never
judges with the candidate's, and a candidate that does not define them, because the prompt did, finds them defined.
"""

from __future__ import annotations

import ast
import textwrap
from typing import TYPE_CHECKING, Any

from code_generation.errors import DataError
from code_generation.loaders import DataSet, LoadOptions
from code_generation.loaders.differential import reference_tests
from code_generation.loaders.fields import parse_source, text_of, unix
from code_generation.models import CodeProblem, TestCase

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse_row(row: dict[str, Any], _options: LoadOptions) -> CodeProblem:
    """Turn a row into a problem: one assert test of the row's own code, then those against the reference.

    Raises:
        DataError: a field is missing or does not parse.
    """
    problem_id, prompt, name = text_of(row, "task_id"), text_of(row, "prompt"), text_of(row, "entry_point")
    reference = prompt + text_of(row, "canonical_solution")
    parse_source(reference, "the prompt with its reference")
    imports, helpers = definitions(prompt, name)
    tests = []
    if row.get("test") is not None:
        test = unix(text_of(row, "test"))
        parse_source(test, "the test")
        own = "\n\n\n".join([*imports, *helpers.values(), test.strip("\n")]) if helpers else test.strip("\n")
        tests.append(TestCase(input=f"{own}\n", output=None, type="assert", is_public=False))
    fields = ("plus_input",) if tests else ("base_input", "plus_input")
    for field in fields:
        tests += reference_tests(reference, name, row.get(field) or [], atol=row.get("atol") or 0.0)
    if not tests:
        msg = "expected the field test, or base_input and plus_input"
        raise DataError(msg)
    metadata = {"func_name": name, "starter_code": prompt, "source": "humaneval"}
    if helpers:
        metadata["setup_code"] = "\n".join([*imports, *(_unless_defined(n, s) for n, s in helpers.items())])
    return CodeProblem(
        problem_id=problem_id, problem=prompt.strip(), solutions=[reference], test_cases=tests, metadata=metadata
    )


def definitions(prompt: str, entry_point: str) -> tuple[list[str], dict[str, str]]:
    """Imports of a prompt, and source by name of what it defines besides the function that is asked for.

    Raises:
        DataError: it is no Python, or does not define that function.
    """
    tree = parse_source(prompt, "the prompt")
    imports = [ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    found = dict(_defined(tree, prompt))
    if found.pop(entry_point, None) is None:
        msg = f"the prompt does not define {entry_point}"
        raise DataError(msg)
    return imports, found


def _defined(tree: ast.Module, source: str) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, ast.get_source_segment(source, node) or ast.unparse(node)


def _unless_defined(name: str, source: str) -> str:
    """Code that leaves alone what the candidate defines itself."""
    return f"if {name!r} not in globals():\n{textwrap.indent(source, '    ')}"


HUMANEVAL = DataSet(
    name="humaneval",
    hub_id="openai/openai_humaneval",
    licence="MIT",
    parse=parse_row,
    default_config="openai_humaneval",
    default_splits={"openai_humaneval": "test"},
    default_n_public=0,
)
