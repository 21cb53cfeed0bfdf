"""What every executor promises, each test attacking one property: one body over a list of factories."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import code_generation
from code_generation.errors import ExecutorError
from code_generation.executors import open_executor
from code_generation.programs import Case, CaseResult, Limits, Program
from test_scripts.box_server import serving


@contextlib.contextmanager
def remote(name: str):
    """An executor over a service that a loopback server plays."""
    with serving() as server:
        yield open_executor(name, workers=4, url=server.url)


LOCAL = [
    pytest.param(lambda: open_executor("subprocess", workers=4), id="full"),
    pytest.param(lambda: open_executor("subprocess", workers=4, level="restricted"), id="restricted"),
    pytest.param(
        lambda: open_executor("subprocess", workers=4, level="weak", allow_weak=True), id="weak", marks=pytest.mark.slow
    ),
]
EXECUTORS = [*LOCAL, pytest.param("together", id="together"), pytest.param("e2b", id="e2b", marks=pytest.mark.slow)]
"""Every implementation of the protocol, a factory or the name of a service; a new one is a row here."""


class Box:
    """An open executor and the event loop it lives on."""

    def __init__(self, runner: asyncio.Runner, executor) -> None:
        self.runner, self.executor = runner, executor

    def only_full(self, why: str) -> None:
        """Leave a test out at level `restricted`; docs/safety.md lists what programs can't do there."""
        if self.executor.isolation != "full":
            pytest.skip(f"level {self.executor.isolation}: {why}")

    def only_local(self) -> None:
        """Leave out what the box of a service has to see to itself: containment."""
        if self.executor.isolation == "remote":
            pytest.skip("the service contains what runs there, the loopback server does not")

    def program(self, kind: str, source: str, cases: list[Case], **limits) -> list[CaseResult]:
        program = Program(kind=kind, source=source, cases=cases, limits=Limits(**limits))
        return self.runner.run(self.executor.run(program)).cases

    def script(self, source: str, stdin: str = "", **limits) -> CaseResult:
        return self.program("script", source, [Case(stdin=stdin)], **limits)[0]

    def scripts(self, sources: dict[str, str], stdin: str = "") -> dict[str, tuple[str, bytes]]:
        """Status and output of several programs, run side by side."""
        programs = [
            Program(kind="script", source=s, cases=[Case(stdin=stdin)], limits=Limits()) for s in sources.values()
        ]
        return {n: (r[0].status, r[0].stdout) for n, r in zip(sources, self.programs(programs), strict=True)}

    def programs(self, programs: list[Program]) -> list[list[CaseResult]]:
        async def run():
            return await asyncio.gather(*map(self.executor.run, programs))

        return [r.cases for r in self.runner.run(run())]


@pytest.fixture(scope="module", params=EXECUTORS)
def box(request):
    make = remote(request.param) if isinstance(request.param, str) else contextlib.nullcontext(request.param())
    with make as executor, asyncio.Runner() as runner:
        runner.run(executor.__aenter__())
        yield Box(runner, executor)
        runner.run(executor.__aexit__(None, None, None))


def host_processes(marker: str) -> list[int]:
    """Processes of this machine, whatever namespace they are in, that gave themselves this name."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == marker:
                found.append(int(entry.name))
    return found


def children() -> set[int]:
    """Child processes of this one, ended and unreaped ones included."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set(map(int, (task / "children").read_text().split()))
    return found


READING = {
    "for_line": "import sys\nprint(sum(int(x) for line in sys.stdin for x in line.split()))",
    "input": "n = int(input())\nprint(n + sum(map(int, input().split())))",
    "read": "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "buffer": "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
    "buffer_lines": "import sys\nr = sys.stdin.buffer.readline\nprint(int(r()) + sum(map(int, r().split())))",
    "mixed": "import sys\nn = int(input())\nprint(n + sum(map(int, sys.stdin.read().split())))",
    "open_0": "print(sum(map(int, open(0).read().split())))",
    "dev_stdin": "print(sum(map(int, open('/dev/stdin').read().split())))",
    "os_read": "import os\nprint(sum(map(int, os.read(0, 10**6).split())))",
    "os_fstat": "import os\nprint(sum(map(int, os.read(0, os.fstat(0).st_size).split())))",
    "fileinput": "import fileinput\nprint(sum(int(x) for line in fileinput.input() for x in line.split()))",
    "until_eof": "t = 0\ntry:\n    while True: t += sum(map(int, input().split()))\nexcept EOFError: print(t)",
    "iter": "import sys\nprint(sum(int(x) for l in iter(sys.stdin.readline, '') for x in l.split()))",
    "reassigned": "import sys, io\ninput = io.BytesIO(sys.stdin.buffer.read()).readline\n"
    "print(int(input()) + sum(map(int, input().split())))",
}


def test_every_way_to_read_stdin_works(box):
    """A program gets all of its input, however it reads file descriptor 0."""
    assert box.scripts(READING, "3\n1 2 3\n") == dict.fromkeys(READING, ("ok", b"9\n"))


WRITING = {
    "print": "print('a b')",
    "buffer": "import sys\nsys.stdout.buffer.write(b'a b\\n')",
    "os_write": "import os\nos.write(1, b'a b\\n')",
    "writelines": "import sys\nsys.stdout.writelines(['a ', 'b\\n'])",
    "unflushed": "print('a b', end='')\nprint('', flush=False)",
    "reopened": "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, write_through=False)\nprint('a b')",
    "open_1": "open(1, 'w', closefd=False).write('a b\\n')",
    "dev_stdout": "open('/dev/stdout', 'w').write('a b\\n')",
    "atexit": "import atexit\natexit.register(print, 'a b')",
    "thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print('a b'))).start()",
    "main_guard": "if __name__ == '__main__':\n    print('a b')",
    "child": "import os\nif os.fork():\n    os.wait()\nelse:\n    print('a b', flush=True)\n    os._exit(0)",
    "class_solution": "class Solution:\n    def main(self): print('a b')\nSolution().main()",
    "global": "x = 'a'\ndef f():\n    global x\n    x += ' b'\nf()\nprint(x)",
    "future": "from __future__ import annotations\ndef f(a: Unknown): return a\nprint(f('a b'))",
    "bom": "\ufeffprint('a b')",
    "prelude": "d = defaultdict(int)\nd['a b'] += 1\nprint(*d)",
}


def test_every_way_to_write_stdout_works(box):
    """All that a program writes to file descriptor 1 arrives, also what it writes while it ends."""
    ways = {n: s for n, s in WRITING.items() if box.executor.isolation == "full" or n != "child"}
    assert box.scripts(ways) == dict.fromkeys(ways, ("ok", b"a b\n"))


EXITS = {
    "exit": ("exit()", "ok"),
    "quit": ("quit()", "ok"),
    "sys_exit_0": ("import sys\nsys.exit(0)", "ok"),
    "raise": ("raise SystemExit", "ok"),
    "os_exit_flushed": ("import os, sys\nsys.stdout.flush()\nos._exit(0)", "ok"),
    "sys_exit_3": ("import sys\nsys.exit(3)", "runtime_error"),
    "text": ("import sys\nsys.exit('no way')", "runtime_error"),
    "exception": ("1 / 0", "runtime_error"),
    "signal": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "runtime_error"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "runtime_error"),
    "parent_killed": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n1 / 0", "runtime_error"),
}


def test_the_exit_status_decides(box):
    """Exit status 0 by any road is ok, another one is an error, and what was printed before is kept either way."""
    found = box.scripts({n: f"import sys\nprint('out')\nsys.stdout.flush()\n{e[0]}" for n, e in EXITS.items()})
    if box.executor.isolation == "remote":
        assert found.pop("parent_killed") == ("runtime_error", b"")  # with what it ran in went what it printed
    assert found == {name: (EXITS[name][1], b"out\n") for name in found}


def test_ten_megabytes_go_in_and_out(box):
    """Input and output of 10 MB arrive whole, with no pipe to fill up."""
    text = "0123456789abcde\n" * (10 * 2**16)
    result = box.script("import sys\nprint(sys.stdin.read(), end='')", text)
    assert ("ok", text.encode()) == (result.status, result.stdout)


def test_stdin_can_not_be_changed(box):
    """What a program was given stays what it was given: the file behind descriptor 0 is sealed."""
    box.only_local()
    source = (
        "import os\nfor act, *args in (os.pwrite, 0, b'x', 0), (os.ftruncate, 0, 0), (os.ftruncate, 0, 99):\n"
        "    try: print(act(*args))\n    except PermissionError: pass\nprint(input())"
    )
    assert box.script(source, "given\n").stdout == b"given\n"


IGNORE = "for n in (1, 2, 3, 15, 24, 25): signal.signal(n, signal.SIG_IGN)"
LIMITS = {
    "cpu": ("while True: pass", "timeout", {"timeout_s": 0.5}),
    "cpu_of_whole_seconds": ("while True: pass", "timeout", {"timeout_s": 1}),
    "cpu_ignoring_signals": (f"import signal\n{IGNORE}\nwhile True: pass", "timeout", {"timeout_s": 0.5}),
    "sleep": ("import time\ntime.sleep(60)", "timeout", {"timeout_s": 0.3}),
    "stopped": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "timeout", {"timeout_s": 0.3}),
    "memory_at_once": ("x = bytearray(1 << 40)", "memory_limit", {}),
    "memory_bit_by_bit": ("x = []\nwhile True: x.append(bytes(1 << 22))", "memory_limit", {"memory_mb": 256}),
    "stdout": ("while True: print('x' * 99999)", "output_limit", {"output_mb": 2}),
    "stderr": ("import sys\nwhile True: sys.stderr.write('x' * 99999)", "output_limit", {"output_mb": 2}),
}


@pytest.mark.parametrize("kind", ["script", "calls"])
def test_limits_hold_and_say_which(box, kind):
    """A program that takes too much is ended, and the status names what it took too much of."""
    programs = []
    for source, _, limits in LIMITS.values():
        code = source if kind == "script" else "def f():\n" + "".join(f"    {x}\n" for x in source.splitlines())
        case = Case(steps=[{"op": "call", "target": {"g": "f"}}] if kind == "calls" else [])
        programs.append(Program(kind=kind, source=code, cases=[case], limits=Limits(**limits)))
    found = {name: cases[0].status for name, cases in zip(LIMITS, box.programs(programs), strict=True)}
    assert found == {name: status for name, (_, status, _) in LIMITS.items()}


def test_caught_memory_error_is_no_failure(box):
    """A program that survives its own MemoryError goes on."""
    source = "try:\n    x = bytearray(1 << 40)\nexcept MemoryError:\n    print('small')"
    result = box.script(source)
    assert (result.status, result.stdout) == ("ok", b"small\n")


def test_disk_is_bounded(box):
    """A program can't fill a disk: neither one big file nor many."""
    source = (
        "done = 0\ntry:\n    for i in range(200):\n        with open(f'f{i}', 'wb') as f: f.write(bytes(1 << 20))\n"
        "        done += 1\nexcept OSError: pass\nprint(done)"
    )
    result = box.script(source, disk_mb=8)
    noticed_late = box.executor.isolation != "full" and result.status == "output_limit"
    assert noticed_late or int(result.stdout) <= 8


def test_fork_bomb_is_bounded(box):
    """A program gets no more processes than its limit, and all of them end with it."""
    box.only_full("a program is one process")
    source = (
        "import ctypes, os, time\nctypes.CDLL(None).prctl(15, b'cgtest-bomb')\nn = 0\ntry:\n    while n < 500:\n"
        "        if os.fork() == 0:\n            time.sleep(60)\n            os._exit(0)\n        n += 1\n"
        "except OSError: pass\nprint(n)"
    )
    result = box.script(source, processes=20, timeout_s=10)
    assert (result.status, int(result.stdout) < 20, host_processes("cgtest-bomb")) == ("ok", True, [])


def test_daemon_does_not_survive(box):
    """A daemon in a session of its own, forked twice, is seen while the run goes on and gone when it is over."""
    box.only_full("a program is one process")
    source = (
        "import ctypes, os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
        "    ctypes.CDLL(None).prctl(15, b'cgtest-daemon')\n    time.sleep(120)\n    os._exit(0)\n"
        "input_gone = open(0).read()\ntime.sleep(1.5)\nprint('done')"
    )

    async def watch():
        program = Program(kind="script", source=source, cases=[Case()], limits=Limits(timeout_s=20))
        run = asyncio.create_task(box.executor.run(program))
        seen: list[int] = []
        while not seen and not run.done():
            await asyncio.sleep(0.02)
            seen = host_processes("cgtest-daemon")
        return (await run).cases[0], seen

    result, seen = box.runner.run(watch())
    assert (result.status, len(seen), host_processes("cgtest-daemon")) == ("ok", 1, [])


def test_environment_is_scrubbed(box, monkeypatch):
    """No key of the grader's environment can be read, from the program's own or from any other process it sees."""
    box.only_local()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-key")
    source = (
        "import glob, os\nprint(dict(os.environ))\nfor p in glob.glob('/proc/*/environ') + glob.glob('/proc/*/mem'):\n"
        "    try: print(open(p, 'rb').read())\n    except OSError: pass"
    )
    result = box.script(source)
    assert (result.status, b"PYTHONHASHSEED" in result.stdout, b"planted" in result.stdout) == ("ok", True, False)


def test_no_network(box):
    """A real listener on this machine's loopback is out of reach, by TCP and by UDP."""
    box.only_local()
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        source = (
            f"import socket\ntry: socket.create_connection(('127.0.0.1', {tcp.getsockname()[1]}), 1)\n"
            "except OSError: print('no tcp')\ntry: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
            f".sendto(b'x', ('127.0.0.1', {udp.getsockname()[1]}))\nexcept OSError: print('no udp')"
        )
        result = box.script(source)
        assert (result.stdout, select.select([tcp, udp], [], [], 0.1)[0]) == (b"no tcp\nno udp\n", [])


def test_host_files_are_invisible(box, tmp_path):
    """Neither a file beside the grader nor the accounts, homes or sources of the machine can be read or written."""
    box.only_local()
    if box.executor.isolation == "weak":
        pytest.skip("level weak: files of the user are open")
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o666)
    paths = [secret, __file__, "/etc/passwd", "/etc/shadow", Path.home() / ".bashrc", "/proc/1/mem", "/proc/1/environ"]
    source = (
        f"for p in {[str(p) for p in paths]}:\n  for mode in 'rb', 'r+b':\n    try: print(open(p, mode).read(9))\n"
        "    except OSError: pass\nimport os\nfor p in ('/etc', '/home', '/var/log'):\n  try: print(os.listdir(p))\n"
        "  except OSError: pass"
    )
    assert (box.script(source).stdout, secret.read_text()) == (b"", "s3cret")
    if box.executor.isolation == "full":
        there = "import os\nprint([p for p in ('/etc', '/home', '/var/log') if os.path.exists(p)])"
        assert box.script(there).stdout == b"[]\n"


def test_places_to_write(box):
    """A program can write where programs write: beside itself, in its home and in /tmp; each case finds them empty."""
    box.only_full("/tmp is closed; TMPDIR names a folder")
    source = (
        "import os, tempfile\nprint(sorted(os.listdir('.')), os.listdir('/tmp'))\nopen('x', 'w').write('1')\n"
        "open(os.path.expanduser('~/y'), 'w').write('1')\ntempfile.NamedTemporaryFile(delete=False).write(b'1')"
    )
    results = box.program("script", source, [Case(), Case()])
    assert [(r.status, r.stdout) for r in results] == [("ok", b"[] []\n")] * 2


@pytest.mark.parametrize("field", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_no_capabilities(box, field):
    """A program holds no capability, and none can come back to it."""
    box.only_full("there is no /proc to read them from")
    source = f"print(*(int(line.split()[1], 16) for line in open('/proc/self/status') if line.startswith('{field}')))"
    assert box.script(source).stdout == b"0\n"


def test_not_root(box):
    """A program is not root and can't become it."""
    box.only_full("the user stays the same, without capabilities")
    source = "import os\nprint(0 in os.getresuid() + os.getresgid())\ntry: os.setuid(0)\nexcept OSError: print('stays')"
    assert box.script(source).stdout == b"False\nstays\n"


def test_cases_keep_their_order_and_their_own_process(box):
    """Results come in the order of the cases, and no state leaks from one to the next."""
    steps = [[{"op": "call", "target": {"g": "f"}, "args": [n]}] for n in range(6)]
    source = "seen = []\ndef f(n):\n    seen.append(n)\n    return seen"
    results = box.program("calls", source, [Case(steps=s) for s in steps])
    assert [[{"value": [n]}] for n in range(6)] == [r.answers for r in results]


def test_set_order_is_fixed(box):
    """The same program prints a set in the same order every time."""
    source = "print({'alpha', 'beta', 'gamma', 'delta', 'epsilon'}, hash('x'))"
    assert box.script(source).stdout == box.script(source).stdout


def test_usage_is_measured(box):
    """CPU time, wall time and memory of a run are reported, children included."""
    box.only_full("a program is one process")
    source = "import os\npid = os.fork()\nx = b'x' * (100 << 20)\nif pid: os.waitpid(pid, 0)\nsum(range(3_000_000))"
    result = box.script(source)
    assert (result.status, result.cpu_s > 0, result.wall_s > 0, result.memory_mb > 90) == ("ok", True, True, True)


def test_a_closed_executor_refuses():
    """Running outside of `async with` is an error of the caller, not a verdict."""
    with pytest.raises(ExecutorError):
        asyncio.run(open_executor().run(Program(kind="script", source="", cases=[Case()], limits=Limits())))


@pytest.mark.parametrize("factory", LOCAL)
@pytest.mark.parametrize("cancelled", [False, True])
def test_nothing_is_left_behind(factory, cancelled, monkeypatch, tmp_path):
    """No file, process or descriptor outlives the executor, also where a run is cancelled midway."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # a folder that no other run shares

    def state():
        return (
            children(),
            set(tmp_path.iterdir()),
            len(list(Path("/proc/self/fd").iterdir())),
        )

    async def work():
        async with factory() as executor:
            program = Program(kind="script", source="import time\ntime.sleep(0.5)", cases=[Case()], limits=Limits())
            run = asyncio.create_task(executor.run(program))
            await asyncio.sleep(0.15)
            if cancelled:
                run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run

    asyncio.run(work())  # opens what stays for good, once
    before = state()
    asyncio.run(work())
    deadline = time.monotonic() + 20
    while state() != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert before == state()


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_is_isolated_too(tmp_path):
    """Without privileges a user namespace gives the same level."""
    place, python = Path(code_generation.__file__).parents[1], Path(sys._base_executable)
    if not all(p.stat().st_mode & 1 for p in (place, *place.parents, *python.parents)):
        pytest.skip("this interpreter, or the checkout, lies where an ordinary user can't reach it")
    code = "import asyncio\nfrom code_generation import open_executor\nasync def main():\n"
    code += "    async with open_executor() as e:\n        print(e.isolation)\nasyncio.run(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], user="nobody", cwd="/", env={"PYTHONPATH": str(place)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("full", "")
