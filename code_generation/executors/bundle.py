"""Programs as code for a notebook service, and its printed reply as results: inputs go out, answers come back.

The reply was written in a place where candidates run: it is data, checked for its shape, and no more. A candidate that
forges it says something else than it would have said otherwise; it still does not know what would be right.
"""

from __future__ import annotations

import base64
import json
import marshal
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from code_generation.errors import SandboxLost
from code_generation.executors.box import MemoryFiles
from code_generation.executors.jobs import job_of
from code_generation.executors.replies import read_batch, read_result
from code_generation.executors.speed import RUNS, WORK
from code_generation.programs import Program

if TYPE_CHECKING:
    from code_generation.executors.speed import Clocks
    from code_generation.programs import Case, CaseResult

SANDBOX = Path(__file__).parents[1] / "sandbox"
MODULES = ("away", "inside", "inside_check", "remote", "plain_data", "prelude", "rich_data", "sharing")
REPLY_CAP = 512 << 20
"""Bytes of a reply, unpacked."""
SLACK_S = 30.0
"""Seconds to get ready there, and again for the way there and back."""
MOST_WALLS = 3  # as in `away`
MARSHAL_VERSION = 4  # what any Python 3 reads
MOST = 1e9
"""Seconds or MiB; a larger figure is made up."""

LAUNCHER = """
def launch():
    import base64, os, shutil, subprocess, sys, tempfile, zlib
    folder = tempfile.mkdtemp()
    try:
        for name, source in {modules!r}.items():
            with open(os.path.join(folder, name + ".py"), "wb") as file:
                file.write(zlib.decompress(base64.b64decode(source)))
        command = [sys.executable, os.path.join(folder, "away.py")]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            said = child.communicate({bundle!r}, timeout={limit_s})[1][-2000:]
        except subprocess.TimeoutExpired:
            child.kill()
            said = child.communicate()[1][-2000:]
        reply = b""
        if child.returncode == 0:
            with open(os.path.join(folder, "reply"), "rb") as file:
                reply = file.read()
        parts = reply, b".", str(child.returncode).encode(), b".", said
        print({nonce!r} + b"".join(parts).decode("ascii", "replace"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
launch()
"""


class SandboxBroken(SandboxLost):
    """What runs a program in its box was killed: by the program, if that happens again and again."""


@dataclass(frozen=True)
class Call:
    """Code that runs some cases of a program, each in a process of its own or all in one, and prints what they did."""

    program: Program
    jobs: list[list[Case]]
    clocks: Clocks
    code: str
    nonce: str
    """What the line with the reply starts with."""
    limit_s: float
    """Wall-clock seconds that it takes at most."""

    @classmethod
    def of(cls, program: Program, jobs: list[list[Case]], clocks: Clocks, *, measure: bool = False) -> Call:
        """Pack it; with `measure` the machine is measured, too."""
        packed = [_job(program, cases) for cases in jobs]
        nothing = Program(kind="script", source="", cases=WORK.cases, limits=WORK.limits)
        bundle = {
            "jobs": packed,
            "limits": clocks.within(program.limits),
            "work": _job(WORK, WORK.cases),
            "nothing": _job(nothing, nothing.cases),
            "measurements": RUNS,
            "measure": measure,
        }
        nonce = secrets.token_hex(16)
        limit_s = SLACK_S + MOST_WALLS * len(jobs) * (clocks.wall_s + 1)
        code = LAUNCHER.format(
            modules={name: _packed((SANDBOX / f"{name}.py").read_bytes()).decode() for name in MODULES},
            bundle=_packed(marshal.dumps(bundle, MARSHAL_VERSION)),
            nonce=nonce,
            limit_s=limit_s,
        )
        return cls(program, jobs, clocks, code, nonce, limit_s + SLACK_S)

    def read(self, printed: str) -> tuple[list[list[CaseResult]], list[dict[str, Any]], list[float]]:
        """Of each job its results and its report; and the times of what the speed of machines is measured by.

        Raises:
            SandboxBroken: what runs the program there was killed. SandboxLost: it is no reply to this call.
        """
        line = next((ln for ln in printed.splitlines() if ln.startswith(self.nonce)), "")
        data, _, rest = line.removeprefix(self.nonce).partition(".")
        status, _, complaint = rest.partition(".")
        if status.startswith("-"):
            msg = f"the program ended what ran it, with signal {status[1:5]}"
            raise SandboxBroken(msg)
        try:
            reader = zlib.decompressobj()
            found = json.loads(reader.decompress(base64.b64decode(data, validate=True), REPLY_CAP))
            reports = [_report(r) for r in found["reports"]]
            work_s = [float(s) for s in found["work_s"]]
            results = [self._results(r, cases) for r, cases in zip(reports, self.jobs, strict=True)]
        except (ValueError, TypeError, KeyError, LookupError, RecursionError, OverflowError, zlib.error):
            said = (complaint or printed).strip().rpartition("\n")[2][-200:]
            msg = f"the remote box gave no reply that can be read{': ' + said if said else ''}"
            raise SandboxLost(msg) from None
        return results, reports, work_s

    def _results(self, report: dict[str, Any], cases: list[Case]) -> list[CaseResult]:
        read = read_batch if len(cases) > 1 else read_result
        report["limit_s"] = self.clocks.limit_s
        with MemoryFiles("stdout", "stderr", "answers") as files:
            for name in ("stdout", "stderr", "answers"):
                files.write(name, report.pop(name))
            return read(self.program, report, files, len(cases))


def _job(program: Program, cases: list[Case]) -> dict[str, Any]:
    job, stdin = job_of(program, cases)
    return {"job": job, "stdin": stdin or b""}


def _packed(data: bytes) -> bytes:
    return base64.b64encode(zlib.compress(data))


def _report(given: dict[str, Any]) -> dict[str, Any]:
    """A report, every field of its type.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    report: dict[str, Any] = {k: float(given[k]) for k in ("cpu_s", "wall_s", "memory_mb")}
    if not all(0 <= v < MOST for v in report.values()) or given["stopped"] not in {"", "time", "disk"}:
        raise ValueError
    texts = {k: base64.b64decode(given[k], validate=True) for k in ("stdout", "stderr", "answers")}
    return {**report, "stopped": given["stopped"], "exit": int(given["exit"]), **texts}
