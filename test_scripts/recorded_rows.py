"""Recorded verdicts for the commands that measure, and those commands within this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.generation_cli import app
from code_generation.jsonl import write_lines

if TYPE_CHECKING:
    from pathlib import Path


def command(*arguments) -> int:
    """Run a command line in this process."""
    return app([str(a) for a in arguments], exit_on_error=False, print_error=False, result_action="return_value")


def recorded(path: Path, table: dict[str, str], **facts) -> Path:
    """A file of recorded verdicts: `{"p1": "+-?"}` is passed, failed, infra."""
    verdict = {"+": {"passed": True}, "-": {"passed": False}, "?": {"verdict": "infra"}}
    write_lines(path, [{"problem_id": p, **verdict[c], **facts} for p, text in table.items() for c in text])
    return path
