"""One zygote, seen from the grader: start it, have it run jobs one at a time, end it. See `zygote` for its inside."""

from __future__ import annotations

import asyncio
import fcntl
import marshal
import os
import socket
import subprocess
import sys
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from code_generation.errors import ExecutorError, SandboxLost, SandboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

ZYGOTE = Path(__file__).parents[1] / "sandbox" / "zygote.py"
OPTIONS = ("-s", "-P", "-S", "-X", "utf8", "-X", "int_max_str_digits=0")  # -I without -E: the environment is ours
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
START_S = 60.0
"""Seconds a zygote has to build its walls and import what it preloads, on a very busy machine."""
GRACE_S = 10.0
"""Seconds to report, past the wall-clock limit of a run, before the zygote counts as lost."""
REPORT_CAP = 1 << 16
SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
STDERR_CAP = 64 << 10


class Starved(ExecutorError):
    """A run did not get the processor for as long as it may have it. The box is as good as before."""

    def __init__(self, cpu_s: float, wall_s: float) -> None:
        super().__init__(f"the machine is too busy: {cpu_s:.1f} s of CPU in {wall_s:.1f} s")
        self.cpu_s, self.wall_s = cpu_s, wall_s


class Box:
    """A running zygote: a fork a job, one job at a time."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, log: MemoryFiles) -> None:
        """Made by `start`."""
        self._process = process
        self._control = control
        self._log = log

    @classmethod
    async def start(cls, spec: dict[str, Any]) -> Self:
        """Start a zygote and wait until it is ready.

        Raises:
            SandboxUnavailable: this machine refused one of its walls. SandboxLost: it ended without a word.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log = MemoryFiles("log", "spec")
        python = getattr(sys, "_base_executable", None) or sys.executable
        try:
            with theirs:
                log.write("spec", marshal.dumps(spec))
                fds = [log["spec"], theirs.fileno()]
                process = subprocess.Popen(  # noqa: ASYNC220 - a vfork of about a millisecond
                    [python, *OPTIONS, str(ZYGOTE), *map(str, fds)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log["log"],
                    pass_fds=fds,
                    env=ENVIRONMENT,
                    cwd="/",
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            log.close()
            raise
        ours.setblocking(False)
        box = cls(process, ours, log)
        try:
            said = await box._receive(START_S)
        except BaseException:
            box.end()
            raise
        if isinstance(said, str):
            box.end()
            raise SandboxUnavailable(said)
        return box

    async def run(self, limits: dict[str, Any], files: MemoryFiles) -> dict[str, Any]:
        """Have a job run on these files; what the zygote reports: exit status, what stopped it, usage.

        Raises:
            SandboxLost: it could not, or ended; as after a cancellation, the box is of no use any more.
            Starved: the run says nothing about the program.
        """
        fds = array("i", files.fds)
        self._control.sendmsg([marshal.dumps(limits)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        report = await self._receive(limits["wall_s"] + GRACE_S)
        if isinstance(report, str):
            raise SandboxLost(report)
        stopped, exit_code, cpu_s, wall_s, memory_kb = report
        if stopped == "starved":
            raise Starved(cpu_s, wall_s)
        return {
            "stopped": stopped,
            "exit": exit_code,
            "cpu_s": cpu_s,
            "wall_s": wall_s,
            "memory_mb": memory_kb / 1024,
        }

    async def _receive(self, limit_s: float) -> Any:
        try:
            async with asyncio.timeout(limit_s):
                data = await asyncio.get_running_loop().sock_recv(self._control, REPORT_CAP)
        except TimeoutError:
            msg = "the sandbox did not report back within its limits"
            raise SandboxLost(msg) from None
        if not data:
            tail = self._log.read("log", STDERR_CAP).decode(errors="replace").strip().rpartition("\n")[2]
            msg = f"the sandbox ended without a report{': ' + tail if tail else ''}"
            raise SandboxLost(msg)
        return marshal.loads(data)  # noqa: S302 - from the zygote, which no candidate can reach

    def end(self) -> None:
        """End the zygote and all in it, at once. Safe to call twice."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._log.close()


class MemoryFiles:
    """Files in memory, by name; gone when closed."""

    def __init__(self, *names: str) -> None:
        self._fds: dict[str, int] = {}
        try:
            for name in names:
                self._fds[name] = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            self.close()
            raise

    def __getitem__(self, name: str) -> int:
        return self._fds[name]

    @property
    def fds(self) -> Iterable[int]:
        """Descriptors in the order of their names."""
        return self._fds.values()

    def write(self, name: str, data: bytes, *, seal: bool = False) -> None:
        """Fill a file and set its offset to the start; sealed, nobody can change it any more."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fds[name], view) :]
        os.lseek(self._fds[name], 0, os.SEEK_SET)
        if seal:
            fcntl.fcntl(self._fds[name], fcntl.F_ADD_SEALS, SEALS)

    def size(self, name: str) -> int:
        """Bytes that are in a file."""
        return os.fstat(self._fds[name]).st_size

    def read(self, name: str, cap: int, start: int = 0) -> bytes:
        """At most `cap` bytes from `start` on."""
        return os.pread(self._fds[name], min(cap, max(0, self.size(name) - start)), start)

    def close(self) -> None:
        """Give the memory back. Safe to call twice."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
