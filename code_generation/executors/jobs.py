"""A program as the plain data that a process in a box is handed, see `sandbox.inside`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from code_generation.programs import Case, Program


def job_of(program: Program, cases: list[Case], code: bytes | None = None) -> tuple[dict[str, Any], bytes | None]:
    """The job, and what stands on its standard input; None where several cases share the process, which then fills
    that itself, case by case. `code`: the source, compiled by an earlier run.
    """
    several = len(cases) > 1
    texts = [case.stdin.encode("utf-8", "surrogatepass") for case in cases]
    job = {
        "kind": program.kind,
        "source": program.source,
        "code": code,
        "setup": program.setup,
        "names": program.names,
        "cases": [
            {"stdin": text if several else None, "steps": c.steps, "answers": c.answers, "files": c.files}
            for text, c in zip(texts, cases, strict=True)
        ],
    }
    return job, None if several else texts[0]
