"""Sentences about a report as a whole."""

from __future__ import annotations

from typing import Any

from code_generation.reports.formatting import plural


def subtitle(report: dict[str, Any]) -> str:
    """What the report is over, in a line."""
    models = len({g["model"] for g in report["groups"]})
    n_infra = report["n_infra"]
    infra = f"; {plural(n_infra, 'sample')} without a verdict, as the sandbox failed" if n_infra else ""
    sizes = f"{plural(report['n_problems'], 'problem')}, {plural(report['n_samples'], 'sample')}"
    return f"{plural(models, 'model')}, {sizes}{infra}"


def attempts_note(report: dict[str, Any]) -> str:
    """How many conversations are shown."""
    shown, left = len(report["conversations"]), report["conversations_left_out"]
    if left:
        return (
            f"{shown:,} of {shown + left:,} conversations are shown, as many of each model as of the others; "
            "--attempts all shows all."
        )
    return "All conversations, one a row: expand it for the prompt, answers, tests, feedback and what changed."


def private_note(report: dict[str, Any]) -> str:
    """What is shown of private tests."""
    if report["show_private"]:
        return "Private tests are shown in full (--show-private): keep this from models that will be tested by them."
    return "Of private tests only the status is shown."
