"""MBPP, full and sanitized: assert-style tests. Schemas: `google-research-datasets/mbpp`.

full: `task_id`, `text`, `code`, `test_list`, `test_setup_code`, `challenge_test_list`.
sanitized: `task_id`, `prompt`, `code`, `test_imports`, `test_list`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from code_generation.errors import DataError
from code_generation.literals import literal_value, parse_python, to_json
from code_generation.loaders import DataSet, LoadOptions
from code_generation.models import CodeProblem, TestCase

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_row(row: dict[str, Any], options: LoadOptions) -> CodeProblem:
    """Turn a row into a problem. All tests are private here; the split comes after.

    Raises:
        DataError: a field is missing or does not parse.
    """
    statement = row.get("text", row.get("prompt"))
    if not isinstance(statement, str) or not isinstance(row.get("code"), str) or row.get("task_id") is None:
        msg = "expected the fields task_id, text (or prompt), code and test_list"
        raise DataError(msg)
    code = _unix(row["code"])
    sources = _texts(row, "test_list")
    if options.challenge_tests:
        sources += _texts(row, "challenge_test_list")
    name = entry_point(code, sources)
    setup = "\n".join(filter(None, [*_texts(row, "test_imports"), *_texts(row, "test_setup_code", one=True)]))
    metadata = {
        "func_name": name,
        "source": "mbpp",
        "task_id": row["task_id"],
        **({"setup_code": setup} if setup else {}),
    }
    return CodeProblem(
        problem_id=f"mbpp/{row['task_id']}",
        problem=statement.strip(),
        solutions=[code],
        test_cases=[parse_assert(s, name) for s in sources],
        metadata=metadata,
    )


def parse_assert(source: str, func_name: str) -> TestCase:
    """A functional test where the source is `assert f(literals) == literal`, else an assert test.

    `assert f([1]) == (1, 2)` -> input [[1]], output {"$py": "(1, 2)"}; `assert f(2) is None` stays as it is.

    Raises:
        DataError: it is no Python.
    """
    try:
        body = parse_python(source).body
    except (SyntaxError, ValueError, RecursionError) as e:
        msg = f"the test {source!r} is not Python: {e}"
        raise DataError(msg) from None
    match body:
        case [
            ast.Assert(
                test=ast.Compare(
                    left=ast.Call(func=ast.Name(id=name), args=args, keywords=keywords),
                    ops=[ast.Eq()],
                    comparators=[expected],
                )
            )
        ] if name == func_name:
            try:
                values = [to_json(literal_value(a)) for a in args]
                named = {k.arg: to_json(literal_value(k.value)) for k in keywords if k.arg}
                output = to_json(literal_value(expected), python_lists=True)
            except (ValueError, TypeError):
                pass
            else:
                if len(named) == len(keywords):
                    given = {"args": values, "kwargs": named} if named else values
                    return TestCase(input=given, output=output, type="functional", is_public=False)
    return TestCase(input=source, output=None, type="assert", is_public=False)


def entry_point(code: str, tests: Iterable[str]) -> str:
    """The name that the tests call and the reference defines; of several, the outermost of the first test.

    Raises:
        DataError: there is none.
    """
    try:
        tree = parse_python(code)
        defined = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        assigned = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
        defined |= {t.id for t in assigned if isinstance(t, ast.Name)}
        for test in tests:
            for node in ast.walk(parse_python(test)):  # breadth first: outer calls come before inner ones
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined:
                    return node.func.id
    except (SyntaxError, ValueError, RecursionError) as e:
        msg = f"the reference or a test is not Python: {e}"
        raise DataError(msg) from None
    msg = "the tests call nothing that the reference defines"
    raise DataError(msg)


def _texts(row: dict[str, Any], field: str, *, one: bool = False) -> list[str]:
    """A field that is a list of texts, or with `one` a single text; missing means empty."""
    value = row.get(field) or []
    value = [value] if one and isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        msg = f"expected {field} to be {'text' if one else 'a list of texts'}"
        raise DataError(msg)
    return [_unix(v) for v in value]


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


MBPP = DataSet(
    name="mbpp",
    hub_id="google-research-datasets/mbpp",
    licence="CC-BY-4.0",
    parse=parse_row,
    default_config="full",
    default_n_public=1,
)
