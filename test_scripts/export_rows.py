"""Results as runs write them, made by hand: turns with code, verdict, finish reason and raw blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from code_generation.certificate import certify
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.pipeline import run_export
from code_generation.extract import fenced
from code_generation.jsonl import read_lines, write_lines
from code_generation.models import Attempt, CodeProblem, GenerationResult, Grade, Message, Outcome, TestCase, Usage
from code_generation.programs import Limits
from code_generation.records import to_json_object

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = 918_273_645_918_273_645
"""The argument of the private test."""
BODIES = (
    "return x * 2",
    "return sum(x for _ in range(2))",
    "total = 0\n    for step in (1, 2):\n        total += x\n    return total",
    "if not x:\n        return 0\n    return x + x",
    "doubled = [y * 2 for y in [x]]\n    return doubled.pop()",
    "return int(str(x)) << 1",
)
"""Different ways to double."""


def code(number: int = 0, name: str = "f") -> str:
    """One of the right ones."""
    return f"def {name}(x):\n    {BODIES[number]}"


def wrong(number: int = 0) -> str:
    """One of the wrong ones."""
    return code(number).replace("2", "3").replace("x + x", "x - x").replace("<< 1", "<< 3")


def turn(source: str | None, *, passed: bool | None = True, **more: Any) -> dict:
    """One answer; `text` around the code, `finish`, `blocks`, `refusal`, `flaky`."""
    return {"code": source, "passed": passed, **more}


def problem(problem_id: str = "p", statement: str = "Double it.", **metadata: Any) -> CodeProblem:
    return CodeProblem(
        problem_id=problem_id,
        problem=statement,
        solutions=["def f(secret_reference): return secret_reference + secret_reference"],
        test_cases=[
            TestCase(input=[1], output=2, type="functional", is_public=True),
            TestCase(input=[HIDDEN], output=2 * HIDDEN, type="functional", is_public=False),
        ],
        metadata={"func_name": "f", **metadata},
    )


def grade(*, passed: bool, flaky: bool = False) -> Grade:
    statuses = ["passed", "passed" if passed else "wrong_answer"]
    return Grade(
        verdict="pass" if passed else "fail", n_passed=1 + passed, n_tests=2, reward=float(passed),
        fraction=1.0 if passed else 0.5, flaky=flaky, executor="subprocess", isolation="full",
        outcomes=[Outcome(status=s, is_public=p) for s, p in zip(statuses, (True, False), strict=True)],
    )  # fmt: skip


def result(*turns: dict, of: CodeProblem | None = None, sample: int = 0, model: str = "m", **changes: Any):
    """A conversation; its feedback is `Again.`."""
    asked = of or problem()
    turns = turns or (turn(code()),)
    history = [Message(role="system", content="Be brief."), Message(role="user", content=f"Solve: {asked.problem}")]
    attempts = []
    for given in turns:
        if history[-1].role == "assistant":
            history.append(Message(role="user", content="Again."))
        source = given["code"]
        block = "No code." if source is None else fenced(source)
        text = given.get("text", "Here:\n\n{}").format(block)
        history.append(Message(role="assistant", content=text, blocks=given.get("blocks")))
        graded = (
            None
            if source is None or given["passed"] is None
            else grade(passed=given["passed"], flaky=bool(given.get("flaky")))
        )
        attempts.append(
            Attempt(
                code=source, grade=graded, usage=Usage(input_tokens=10, output_tokens=5), cost_usd=0.5, latency_s=1.0,
                finish_reason=given.get("finish", "stop"), refusal=given.get("refusal"),
            )
        )  # fmt: skip
    last = attempts[-1]
    verified = last.grade is not None and last.grade.verdict == "pass"
    fields: dict[str, Any] = {
        "problem": asked,
        "final_code": last.code,
        "full_message_history": history,
        "generation_metadata": {"model": model, "provider": "scripted", "sample_index": sample, "criterion": "all"},
        "verified": verified,
        "satisfied": verified,
        "attempts": attempts,
        "usage": Usage(input_tokens=10 * len(turns), output_tokens=5 * len(turns)),
        "cost_usd": 0.5 * len(turns),
        "certificate": certify(asked, last.code, last.grade, Limits()) if last.grade else None,
        "schema": 1,
    }
    return GenerationResult(**fields | changes)


def write(path: Path, *results: GenerationResult) -> Path:
    write_lines(path, [to_json_object(r) for r in results])
    return path


def exported(folder: Path, name: str, *results: GenerationResult, **options: Any) -> list[dict]:
    """The rows of an export of these results."""
    return export_of(folder, name, *results, **options)[0]


def export_of(folder: Path, name: str, *results: GenerationResult, **options: Any):
    """(rows, report) of an export of these results."""
    number = len(list(folder.glob("results*.jsonl")))
    output = folder / f"out{number}.jsonl"
    path = write(folder / f"results{number}.jsonl", *results)
    report = run_export([path], name, output, ExportOptions(**options))
    return [row for _, row in read_lines(output)], report


def literal_rows(page: Path) -> dict[str, dict]:
    """Format to its row, from the fenced blocks of a page that are named so: "```text sft"."""
    import json

    blocks = re.findall(r"^```text (\S+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return {name: json.loads(text) for name, text in blocks}
