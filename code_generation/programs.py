"""What runs in a box: a program with its cases and limits, and what came of it. Inputs only, no expected value."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from code_generation.models import JsonValue


class Limits(Struct, frozen=True, kw_only=True):
    """What one test may use."""

    timeout_s: float = 6.0
    """CPU seconds of one test on the reference machine, see `executors.speed`; the wall clock backs it up at
    `timeout_s + 2`."""
    memory_mb: int = 1024
    """Address space of each process, MiB."""
    output_mb: int = 64
    """Bytes a test may write to stdout, to stderr or into a file, MiB each."""
    disk_mb: int = 64
    """Bytes a test may keep in its file system, MiB."""
    processes: int = 64
    """Processes and threads at a time."""


class Case(Struct, frozen=True, kw_only=True):
    """What one test feeds to the program: inputs only, never an expected value."""

    stdin: str = ""
    """Text of standard input."""
    steps: list[JsonValue] = field(default_factory=list)
    """Calls to make, see `sandbox.inside`."""
    answers: list[JsonValue] = field(default_factory=list)
    """kind `check` only: what the candidate answered to `steps` so far."""
    files: dict[str, bytes] = field(default_factory=dict)
    """kind `script` only: files in the folder that the program starts in; their names are its arguments."""


class Program(Struct, frozen=True, kw_only=True):
    """Source and inputs, ready to run. Each case gets a process of its own, unless `batch`."""

    kind: Literal["script", "calls", "check"]
    """script: run as `__main__` with real stdin and stdout. calls: define, then make the calls of each case.
    check: the data set's own test code in a clean process; the candidate's answers come in as data."""
    source: str
    cases: list[Case]
    limits: Limits
    setup: str = ""
    """Code of the data set that runs after `source`, in the same namespace."""
    names: list[str] = field(default_factory=list)
    """kind `check`: names that belong to the candidate. kind `calls`: a class that may hold the function."""
    batch: bool = False
    """All cases in one process, one after the other, within the limits of one: fast, and no proof of a failure."""


class CaseResult(Struct, frozen=True, kw_only=True):
    """What one run did. Says nothing about right or wrong."""

    status: Literal[
        "ok", "runtime_error", "syntax_error", "timeout", "memory_limit", "output_limit", "infra_error", "not_run"
    ]
    """`infra_error`: the box failed, after retries. `not_run`: of a batch that ended before. Every other status is a
    fact about the program."""
    answers: list[JsonValue] = field(default_factory=list)
    """One per step that was answered, as tagged plain data, see `sandbox.plain_data`."""
    answer_bytes: int = 0
    """How long the answers were as they came."""
    stdout: bytes = b""
    stderr: str = ""
    """At most 64 KiB, for people to read."""
    error: str = ""
    """The candidate's own traceback, trimmed, or the reason of another status; empty where status is ok."""
    loaded: bool = True
    """kind `calls`: the candidate's code came to its end, so that the calls could begin; where not, it
    failed in the phase `import`."""
    cpu_s: float = 0.0
    """User and system time of all processes of the run, seconds."""
    wall_s: float = 0.0
    memory_mb: float = 0.0
    """Peak resident memory of the largest process, MiB."""


class ExecutionResult(Struct, frozen=True, kw_only=True):
    """What the runs of a program's cases did, in the order of its cases."""

    cases: list[CaseResult]
