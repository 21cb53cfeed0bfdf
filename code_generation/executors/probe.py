"""The program that attempts to get out: a level of isolation holds where it does not succeed."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from code_generation.programs import Case, Limits, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE = """
import ctypes, os, resource, socket
L = ctypes.CDLL(None, use_errno=True)
found = []
def attempt(what, action):
    try:
        if action() not in (-1, False): found.append(what)
    except (OSError, ValueError):
        pass
attempt("reads files of the host", lambda: open({secret!r}).read())
attempt("reads /etc/passwd", lambda: open("/etc/passwd").read())
attempt("writes outside of its folder", lambda: open({folder!r} + "/written", "w").write("x"))
attempt("changes files of the host", lambda: os.chmod({secret!r}, 0o777) or os.stat({secret!r}).st_mode & 1 == 1)
attempt("reaches the host's network", lambda: socket.create_connection(("127.0.0.1", {port}), 0.2))
attempt("raises its limits", lambda: resource.setrlimit(resource.RLIMIT_CPU, (-1, -1)))
attempt("becomes root", lambda: os.getuid() != 0 and os.setuid(0))
attempt("has capabilities", lambda: L.sethostname(b"x", 1))
attempt("makes namespaces", lambda: L.unshare(0x10000000))
attempt("mounts", lambda: L.mount(b"none", b"/", b"tmpfs", 0, None))
attempt("reaches shared memory of the host", lambda: L.shmctl(0, 14, ctypes.create_string_buffer(256)))
attempt("traces processes", lambda: L.ptrace(0, 0, 0, 0))
if {alone}:
    attempt("reads the grader's environment", lambda: open("/proc/{parent}/environ").read())
    attempt("signals the grader", lambda: os.kill({parent}, 0))
    attempt("starts processes", lambda: os.fork() or os._exit(0))
else:
    attempt("is root", lambda: os.getuid() == 0)
    attempt("sees the host's process ids", lambda: os.getpid() > 99)
    attempt("ends what it came from", lambda: os.kill(1, 9) and False)
os.write(1, repr(found).encode())
"""
"""Prints what it could do."""


@contextlib.contextmanager
def probing(folder: str, *, alone: bool) -> Iterator[Program]:
    """The program, while there is something to get at: a secret in the folder, a port that accepts.

    `alone`: the level has no namespaces, programs share what they can see with the host.
    """
    secret = Path(folder) / "secret"
    secret.write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        source = PROBE.format(secret=str(secret), folder=folder, port=port, parent=os.getpid(), alone=alone)
        yield Program(kind="script", source=source, cases=[Case()], limits=Limits(timeout_s=5))
