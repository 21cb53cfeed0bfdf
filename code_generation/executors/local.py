"""Runs programs on this machine, one freshly started process a case: the slow path that needs nothing but Python and
Linux.

What is covered: see `launch` (the box) and `inside` (what crosses its border). Inputs and outputs are memory files with
a cap: no pipe that could fill up, no waiting for an end of file that a stray process holds open.
What is not covered: other systems than Linux.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import marshal
import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from code_generation.concurrency import all_of
from code_generation.errors import ExecutorError, SandboxLost, SandboxUnavailable
from code_generation.models import Case, CaseResult, ExecutionResult, Limits, Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

HERE = Path(__file__).parent
WALL_GRACE_S = 2.0
"""Wall-clock seconds a test may take beyond its CPU limit."""
LAUNCH_GRACE_S = 10.0
"""Seconds to build the box and to report, before the launcher counts as lost."""
ANSWERS_CAP = 32 << 20
SCRIPT_ANSWERS_CAP = 64 << 10
"""A program that prints its answer has nothing else to say than how it failed."""
STDERR_CAP = 64 << 10
LONGEST_INT = 20
TRIES = 3

PROBE = """
import os, socket
found = []
if os.path.exists({secret!r}): found.append("files of the host are visible")
if os.path.exists("/etc/passwd"): found.append("/etc/passwd is visible")
if os.getuid() == 0: found.append("runs as root")
if os.getpid() > 9: found.append("sees the host's process ids")
try:
    socket.create_connection(("127.0.0.1", {port}), 0.2)
    found.append("reaches the host's network")
except OSError:
    pass
try:
    os.kill(1, 9)
except OSError:
    pass
print(found)
"""


class SubprocessExecutor:
    """Executor that starts a process a case; at most `workers` at a time.

    Level `full` is tried at the start by running a program that attempts to get out; where the machine does not allow
    it, `allow_weak` decides between `weak` and refusing.
    """

    name = "subprocess"

    def __init__(self, *, workers: int | None = None, allow_weak: bool = False) -> None:
        """Nothing is started yet; `workers` defaults to the number of usable cores."""
        self.isolation = "unknown"
        self.workers = workers or len(os.sched_getaffinity(0))
        self._allow_weak = allow_weak
        self._slots = asyncio.Semaphore(self.workers)
        self._inside = _compiled("inside.py")
        self._inside_check = _compiled("inside_check.py")
        self._base: str | None = None
        self._packages = [p for p in dict.fromkeys((*site.getsitepackages(), *sys.path)) if p.endswith("-packages")]

    async def __aenter__(self) -> Self:
        """Find out what this machine can hold back.

        Raises:
            SandboxUnavailable: less than was asked for.
        """
        if sys.platform != "linux":
            msg = f"running untrusted code needs Linux, this is {sys.platform}; use a Linux machine or container"
            raise SandboxUnavailable(msg)
        _sweep()
        self._base = tempfile.mkdtemp(prefix=f"codegen-{os.getpid()}-")
        try:
            self.isolation = "full"
            reason = await self._escapes()
        except BaseException:
            await self.__aexit__()
            raise
        if reason and not self._allow_weak:
            await self.__aexit__()
            msg = (
                f"this machine can't isolate untrusted code ({reason}); allow user namespaces, run as root, or "
                "accept weak isolation with --allow-weak-isolation"
            )
            raise SandboxUnavailable(msg)
        if reason:
            self.isolation = "weak"
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Remove the mount point."""
        if self._base:
            shutil.rmtree(self._base, ignore_errors=True)
            self._base = None

    async def _escapes(self) -> str:
        """Why `full` does not hold here; empty where it does."""
        with _listener() as port, tempfile.NamedTemporaryFile(prefix="codegen-") as secret:
            source = PROBE.format(secret=secret.name, port=port)
            program = Program(kind="script", source=source, cases=[Case()], limits=Limits(timeout_s=5))
            try:
                result = await self._run_once(program, program.cases[0])
            except ExecutorError as e:
                return str(e)
        said = result.stdout.decode(errors="replace").strip()
        return "" if said == "[]" else said or result.error or result.status

    async def run(self, program: Program) -> ExecutionResult:
        """Run every case in a process of its own; see `protocols.Executor.run`."""
        if self._base is None:
            msg = "the executor is not open: use it in `async with`"
            raise ExecutorError(msg)
        return ExecutionResult(cases=await all_of(*(self._run_case(program, case) for case in program.cases)))

    async def _run_case(self, program: Program, case: Case) -> CaseResult:
        """One case; a box that fails is tried again, then it is an infra error."""
        reason = ""
        for attempt in range(TRIES):
            async with self._slots:
                try:
                    return await self._run_once(program, case)
                except (ExecutorError, OSError) as e:
                    reason = str(e)
            await asyncio.sleep(0.1 * 4**attempt)
        return CaseResult(status="infra_error", error=reason)

    async def _run_once(self, program: Program, case: Case) -> CaseResult:
        assert self._base is not None  # noqa: S101 - for the type checker; run() has looked
        limits = program.limits
        weak = self.isolation == "weak"
        work = tempfile.mkdtemp(prefix="work-", dir=self._base) if weak else "/box"
        wall_s = limits.timeout_s + WALL_GRACE_S
        spec = {
            "level": self.isolation,
            "parent": os.getpid(),
            "base": self._base,
            "work": work,
            "here": str(HERE),
            "visible": self._visible(),
            "packages": self._shown_packages(),
            "limits": msgspec.structs.asdict(limits),
            "wall_s": wall_s,
            "inside": self._inside,
            "inside_check": self._inside_check if program.kind == "check" else None,
            "job": {
                "kind": program.kind,
                "source": program.source,
                "setup": program.setup,
                "names": program.names,
                "case": {"steps": case.steps, "answers": case.answers},
            },
        }
        try:
            with _MemoryFiles("spec", "status", "answers", "stdin", "stdout", "stderr") as files:
                files.write("spec", marshal.dumps(spec))
                files.write("stdin", case.stdin.encode("utf-8", "surrogatepass"))
                await self._launch(files, wall_s + LAUNCH_GRACE_S, work)
                status = _read_status(files)
                return await asyncio.to_thread(_read_result, program, status, files)
        finally:
            if weak:
                await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    def _visible(self) -> list[tuple[str, str]]:
        """Paths of the host that the program may read, and where it sees them: libraries, packages."""
        libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"]
        wanted = [*libraries, str(Path(os.__file__).parent), str(Path(sys.base_prefix) / "lib")]
        own_places = [(p, p) for p in dict.fromkeys(wanted) if Path(p).exists() and not _is_below(p, wanted)]
        return own_places + list(zip(self._packages, self._shown_packages(), strict=True))

    def _shown_packages(self) -> list[str]:
        """Where the program finds installed packages: their real place may lie below /tmp, which it finds empty."""
        if self.isolation == "weak":
            return self._packages
        return [f"/packages/{number}" for number in range(len(self._packages))]

    async def _launch(self, files: _MemoryFiles, limit_s: float, work: str) -> None:
        """Start the launcher and wait for its end; it is killed, and with it all it started, where that takes too
        long.
        """
        python = getattr(sys, "_base_executable", None) or sys.executable
        options = [
            "-s",
            "-P",
            "-S",
            "-X",
            "utf8",
            "-X",
            "int_max_str_digits=0",
        ]  # -I without -E: the environment is ours
        fds = [files["spec"], files["status"], files["answers"]]
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": work,
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        process = subprocess.Popen(  # noqa: ASYNC220 - a vfork of about a millisecond
            [python, *options, str(HERE / "launch.py"), *map(str, fds)],
            stdin=files["stdin"],
            stdout=files["stdout"],
            stderr=files["stderr"],
            pass_fds=fds,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(limit_s):
                await _ended(process.pid)
        except TimeoutError:
            msg = "the run did not report back within its limits"
            raise SandboxLost(msg) from None
        finally:
            process.kill()
            process.wait()


def _compiled(name: str) -> CodeType:
    return compile((HERE.parent / name).read_text(encoding="utf-8"), name, "exec")


def _is_below(path: str, others: list[str]) -> bool:
    return any(
        path != o and Path(path).is_relative_to(o) for o in others if Path(o).exists() and not Path(o).is_symlink()
    )


def _short_int(text: str) -> int:
    """An integer as `inside.encode` writes it; a longer one is forged, and slow to read."""
    if len(text) > LONGEST_INT:
        msg = "an integer too long"
        raise ValueError(msg)
    return int(text)


def _sweep() -> None:
    """Remove the folders of grader processes of ours that were killed."""
    for path in Path(tempfile.gettempdir()).glob("codegen-*-*"):
        pid = path.name.split("-")[1]
        with contextlib.suppress(OSError):
            if pid.isdigit() and path.stat().st_uid == os.getuid() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(path, ignore_errors=True)


async def _ended(pid: int) -> None:
    """Wait for a process without a thread."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    fd = os.pidfd_open(pid)
    try:
        loop.add_reader(fd, done.set)
        await done.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    """A port on loopback that accepts: what a program in the box must not reach."""
    import socket  # noqa: PLC0415 - for the start-up check only

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class _MemoryFiles:
    """Files in memory, by name; gone when closed."""

    def __init__(self, *names: str) -> None:
        self._fds = {name: os.memfd_create(name) for name in names}

    def __getitem__(self, name: str) -> int:
        return self._fds[name]

    def write(self, name: str, data: bytes) -> None:
        """Fill a file and set its offset to the start."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fds[name], view) :]
        os.lseek(self._fds[name], 0, os.SEEK_SET)

    def size(self, name: str) -> int:
        return os.fstat(self._fds[name]).st_size

    def read(self, name: str, cap: int) -> bytes:
        """The first `cap` bytes."""
        parts, start = [], 0
        while start < cap and (part := os.pread(self._fds[name], min(cap - start, 1 << 20), start)):
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for fd in self._fds.values():
            os.close(fd)


def _read_status(files: _MemoryFiles) -> dict[str, Any]:
    """What the launcher reported.

    Raises:
        SandboxLost: nothing. SandboxUnavailable: it could not build the box.
    """
    raw = files.read("status", 1 << 16)
    if not raw:
        tail = files.read("stderr", STDERR_CAP).decode(errors="replace").strip().rpartition("\n")[2]
        msg = f"the run ended without a report{': ' + tail if tail else ''}"
        raise SandboxLost(msg)
    status: dict[str, Any] = ast.literal_eval(raw.decode())
    if "setup_error" in status:
        raise SandboxUnavailable(status["setup_error"])
    return status


def _read_result(program: Program, status: dict[str, Any], files: _MemoryFiles) -> CaseResult:
    """Turn what a run left behind into a result. Everything in it but `status` came from the candidate: data, no
    more.
    """
    limits = program.limits
    cap = limits.output_mb << 20
    answers = _read_answers(files, SCRIPT_ANSWERS_CAP if program.kind == "script" else ANSWERS_CAP)
    stderr = files.read("stderr", STDERR_CAP).decode(errors="replace")
    used = {k: status[k] for k in ("cpu_s", "wall_s", "memory_mb")}
    failed = next((a for a in answers if "syntax_error" in a or "raised" in a), {})
    kind, error = "ok", ""
    if status["timed_out"] or status["cpu_s"] > limits.timeout_s or status["exit"] == -signal.SIGXCPU:
        kind, error = "timeout", f"did not finish within {limits.timeout_s:g} s"
    elif max(files.size("stdout"), files.size("stderr"), files.size("answers")) >= cap:
        kind, error = "output_limit", f"wrote more than {limits.output_mb} MiB"
    elif files.size("answers") > ANSWERS_CAP:
        kind, error = "output_limit", f"answered with more than {ANSWERS_CAP >> 20} MiB"
    elif "syntax_error" in failed:
        kind, error = "syntax_error", str(failed["syntax_error"])
    elif "MemoryError" in failed.get("raised", ()):
        kind, error = "memory_limit", f"used more than {limits.memory_mb} MiB\n{failed.get('trace', '')}"
    elif status["exit"] != 0:
        kind, error = "runtime_error", str(failed.get("trace") or stderr or f"ended with exit status {status['exit']}")
    return CaseResult(
        status=kind,  # type: ignore[arg-type]
        answers=answers,
        stdout=files.read("stdout", cap),
        stderr=stderr,
        error=error,
        **used,
    )


def _read_answers(files: _MemoryFiles, cap: int) -> list[dict[str, Any]]:
    """Lines of the answer file that are JSON objects; what comes after the first that is not is left out."""
    found: list[dict[str, Any]] = []
    for line in files.read("answers", cap).split(b"\n"):
        try:
            value = json.loads(line, parse_int=_short_int)
        except (ValueError, RecursionError):
            break
        if not isinstance(value, dict) or not _is_answer(value):
            break
        found.append(value)
    return found


def _is_answer(value: dict[str, Any]) -> bool:
    """Whether an object has the shape that `inside` gives it; the candidate may have written it itself."""
    texts = all(isinstance(value.get(k, ""), str) for k in ("trace", "text", "syntax_error", "missing", "opaque"))
    raised = value.get("raised", [])
    return texts and isinstance(raised, list) and all(isinstance(name, str) for name in raised)
