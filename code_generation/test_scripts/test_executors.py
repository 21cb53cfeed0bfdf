"""Does the sandbox hold, here? `python -m code_generation.test_scripts.test_executors`

Programs that try to get out or to take too much, at every level of isolation that this machine offers.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from code_generation.errors import SandboxUnavailable
from code_generation.executors import open_executor
from code_generation.programs import Case, CaseResult, Limits, Program
from code_generation.test_scripts import exit_status

TRY = "def attempt(action):\n    try: return action()\n    except BaseException as e: return type(e).__name__\n"
CONTAINED = {
    "reads a file of the host": "print('in' if attempt(lambda: open({secret!r}).read()) == 'secret' else 'held')",
    "reads the environment of the grader": "import os\nfound = str(dict(os.environ)) + str(attempt(lambda: "
    "open('/proc/{grader}/environ').read()))\nprint('in' if 'codegen-self-check' in found else 'held')",
    "writes beside the grader's files": "attempt(lambda: open({secret!r}, 'w').write('x'))\nprint('held')",
    "opens a connection": "import socket\nmade = attempt(lambda: socket.create_connection(('127.0.0.1', {port}), 1))\n"
    "print('in' if isinstance(made, socket.socket) else 'held')",
    "ends the grader": "import os, signal\nattempt(lambda: os.kill({grader}, signal.SIGTERM))\nprint('held')",
    "starts another program": "import os\nprint('held' if attempt(lambda: os.execv('/bin/sh', ['sh', '-c', 'echo in'])) "
    "else 'in')",
    "finds what another run left": "import os\nprint('in' if os.path.exists('mark') or os.path.exists('/tmp/mark') else "
    "'held')\nopen('mark', 'w').close()",
    "leaves a daemon": "import os, time\nif attempt(os.fork) == 0:\n    os.setsid()\n    time.sleep(60)\nprint('held')",
}
"""Each prints `held` where it did not get what it wanted."""
BOUNDED = {
    "takes all memory": ("x = []\nwhile True: x.append(bytes(1 << 22))", "memory_limit"),
    "never ends": ("while True: pass", "timeout"),
    "sleeps": ("import time\ntime.sleep(60)", "timeout"),
    "writes without end": ("while True: print('x' * 65536)", "output_limit"),
}


async def run() -> int:
    """Try every level; the exit status."""
    wrong, levels = 0, []
    os.environ["CODEGEN_SELF_CHECK"] = "codegen-self-check"
    for level in ("full", "restricted"):
        try:
            async with open_executor(level=level) as executor:
                levels.append(level)
                with tempfile.NamedTemporaryFile("w") as secret:
                    secret.write("secret")
                    secret.flush()
                    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
                    about = {"secret": secret.name, "grader": os.getpid(), "port": server.sockets[0].getsockname()[1]}
                    async with server:
                        for name, source in CONTAINED.items():
                            program = Program(kind="script", source=TRY + source.format(**about), cases=[Case()] * 2,
                                              limits=Limits(timeout_s=2))  # fmt: skip
                            results = (await executor.run(program)).cases
                            held = all(r.stdout == b"held\n" for r in results)
                            wrong += _say(level, name, held, results[-1])
                    held = Path(secret.name).read_text(encoding="utf-8") == "secret"
                    wrong += _say(level, "the host's file is as it was", held, None)
                for name, (source, status) in BOUNDED.items():
                    program = Program(kind="script", source=source, cases=[Case()], limits=Limits(timeout_s=1))
                    started = time.monotonic()
                    (result,) = (await executor.run(program)).cases
                    good = result.status == status and time.monotonic() - started < 1 + 3
                    wrong += _say(level, name, good, result)
        except SandboxUnavailable as e:
            print(f"--    {level:<11}{e}")
    if not levels:
        return 2
    print(f"{wrong} checks failed" if wrong else f"all as it should be; the grader will use: {levels[0]}")
    return 1 if wrong else 0


def _say(level: str, name: str, good: bool, result: CaseResult | None) -> int:  # noqa: FBT001
    """Print a line; 1 where it is a failure."""
    said = "" if good or result is None else f" ({result.status}: {result.error[:200] or result.stdout[:80]!r})"
    print(f"{'ok  ' if good else 'FAIL'}  {level:<11}{name}{said}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(exit_status(run()))
