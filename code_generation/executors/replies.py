"""What a run left behind, as results. All but the zygote's report was written by the candidate: data, no more."""

from __future__ import annotations

import json
import signal
from typing import Any

from code_generation.executors.box import STDERR_CAP, MemoryFiles
from code_generation.programs import CaseResult, Program
from code_generation.sandbox.plain_data import MAX_NODES

ANSWERS_CAP = 32 << 20
SCRIPT_ANSWERS_CAP = 64 << 10
"""A program that prints its answer has nothing else to say than how it failed."""
MOST_ASKED = 20_000
"""Lines of test code that asks for answers."""
LONGEST_INT = 20
MOST_PARTS = 2 * MAX_NODES
"""Brackets and commas of an answer: more are forged, and take much memory to read."""


def read_result(program: Program, report: dict[str, Any], files: MemoryFiles, _: int) -> list[CaseResult]:
    """The result of a run of one case."""
    limits = program.limits
    most = MOST_ASKED if program.kind == "check" else 2 + max(len(c.steps) for c in program.cases)
    lines = _read_answers(files, SCRIPT_ANSWERS_CAP if program.kind == "script" else ANSWERS_CAP, most)
    loaded = program.kind != "calls" or {"loaded": True} in lines[:1]
    answers = [a for a in lines if "loaded" not in a]
    failed = next((a for a in answers if "syntax_error" in a or "raised" in a), {})
    stderr = files.read("stderr", STDERR_CAP).decode(errors="replace")
    kind, error = _broken_limit(program, report, files)
    if kind != "ok":
        pass
    elif "syntax_error" in failed:
        kind, error = "syntax_error", str(failed["syntax_error"])
    elif "MemoryError" in failed.get("raised", ()):
        kind, error = "memory_limit", f"used more than {limits.memory_mb} MiB\n{failed.get('trace', '')}"
    elif report["exit"] != 0:
        kind, error = "runtime_error", str(failed.get("trace") or stderr or f"ended with exit status {report['exit']}")
    return [
        CaseResult(
            status=kind,  # type: ignore[arg-type]
            answers=answers,
            answer_bytes=files.size("answers"),
            stdout=files.read("stdout", limits.output_mb << 20),
            stderr=stderr,
            error=error,
            loaded=loaded and kind != "syntax_error",
            cpu_s=report["cpu_s"],
            wall_s=report["wall_s"],
            memory_mb=report["memory_mb"],
        )
    ]


def _broken_limit(program: Program, report: dict[str, Any], files: MemoryFiles) -> tuple[str, str]:
    """Status and reason where a limit was passed; ok where none was."""
    limits = program.limits
    written = max(files.size(name) for name in ("stdout", "stderr", "answers"))
    if report["stopped"] == "time" or report["cpu_s"] > report["limit_s"] or report["exit"] == -signal.SIGXCPU:
        slow = f", which are {report['limit_s']:.1f} s on this machine" if report["limit_s"] > limits.timeout_s else ""
        waited = f" (used {report['cpu_s']:.1f} s of CPU in {report['wall_s']:.1f} s)"
        idle = report["stopped"] == "time" and report["cpu_s"] < limits.timeout_s / 2
        return "timeout", f"did not finish within {limits.timeout_s:g} s{slow}{waited if idle else ''}"
    if report["stopped"] == "memory":
        return "memory_limit", f"its processes together used more than {limits.memory_mb} MiB"
    if report["stopped"] == "disk":
        return "output_limit", f"kept more than {limits.disk_mb} MiB in files"
    if report["stopped"] == "processes":
        return "runtime_error", f"started more than {limits.processes} processes"
    if written >= limits.output_mb << 20:
        return "output_limit", f"wrote more than {limits.output_mb} MiB"
    if files.size("answers") > ANSWERS_CAP:
        return "output_limit", f"answered with more than {ANSWERS_CAP >> 20} MiB"
    return "ok", ""


def read_batch(program: Program, report: dict[str, Any], files: MemoryFiles, count: int) -> list[CaseResult]:
    """The results of cases that shared a process and came to a good end, as it did; `not_run` for all others."""
    results: list[CaseResult] = []
    answers: list[Any] = []
    start, kind = 0, _broken_limit(program, report, files)[0]
    most = 2 + sum(1 + max(1, len(c.steps)) for c in program.cases)
    for line in _read_answers(files, ANSWERS_CAP, most) if kind == "ok" and report["exit"] == 0 else []:
        if "done" not in line:
            answers += [line] if "loaded" not in line else []
            continue
        end = line["done"] if isinstance(line["done"], int) else 0
        if len(results) == count or not start <= end <= files.size("stdout"):
            break
        stdout = files.read("stdout", end - start, start)
        share = {key: report[key] / count for key in ("cpu_s", "wall_s")}
        results.append(CaseResult(status="ok", answers=answers, stdout=stdout, memory_mb=report["memory_mb"], **share))
        answers, start = [], end
    return results + [CaseResult(status="not_run")] * (count - len(results))


def _read_answers(files: MemoryFiles, cap: int, most: int) -> list[dict[str, Any]]:
    """At most so many lines of the answer file that are JSON objects; after the first that is not, all are left out."""
    found: list[dict[str, Any]] = []
    for line in files.read("answers", cap).split(b"\n", most)[:most]:
        if sum(map(line.count, (b"[", b"{", b","))) > MOST_PARTS:
            break
        try:
            value = json.loads(line, parse_int=_short_int)
        except (ValueError, RecursionError):
            break
        if not isinstance(value, dict) or not _is_answer(value):
            break
        found.append(value)
    return found


def _short_int(text: str) -> int:
    """An integer as `plain_data.encode` writes it; a longer one is forged, and slow to read."""
    if len(text) > LONGEST_INT:
        msg = "an integer too long"
        raise ValueError(msg)
    return int(text)


def _is_answer(value: dict[str, Any]) -> bool:
    """Whether an object has the shape that `inside` gives it; the candidate may have written it itself."""
    texts = all(isinstance(value.get(k, ""), str) for k in ("trace", "text", "syntax_error", "missing", "opaque"))
    raised = value.get("raised", [])
    return texts and isinstance(raised, list) and all(isinstance(name, str) for name in raised)
