"""Attacks that once worked, a test each: on the verdict, on the grader's time, on the walls of the box."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from pathlib import Path

import pytest

from code_generation.compare import compare_value
from code_generation.executors import open_executor
from code_generation.extract import extract_code
from code_generation.models import CodeProblem, TestCase
from code_generation.programs import Case, Limits, Program
from test_scripts.conftest import function_problem, grade


def assert_problem(source: str, **fields) -> CodeProblem:
    test = TestCase(input=source, output=None, type="assert", is_public=False)
    metadata = {"func_name": "f", **fields.pop("metadata", {})}
    return CodeProblem(problem_id="p", problem="", solutions=[], test_cases=[test], metadata=metadata, **fields)


@pytest.mark.parametrize(
    "code",
    [
        "from decimal import Decimal\ndef f(x): return Decimal('sNaN')",
        "import os\ndef f(x):\n    os.write(3, b'{\"raised\": 5}\\n'); os._exit(0)",
        'import os\ndef f(x):\n    os.write(3, b\'{"raised": null, "value": 5}\\n\'); os._exit(0)',
        "def f(x): return 1 << 20_000_000",
        "def f(x): return [[1 << 20_000_000] * 3]",
    ],
)
def test_no_answer_ends_or_hangs_the_grader(code):
    """Whatever an answer is, it is judged wrong and the next one gets its turn."""
    assert grade(function_problem(([1], 5, True)), code).verdict == "fail"


def test_answers_of_one_hash_do_not_hang():
    """A list whose items share one hash is refused, not counted for hours."""
    started = time.process_time()
    answer = [i * (2**61 - 1) for i in range(60_000)]
    assert not compare_value([5] * 60_000, answer, {"name": "unordered"})
    assert time.process_time() - started < 20  # it took minutes


def test_a_fence_with_blanks_does_not_hang():
    """A reply of a fence and very many blanks is read in one go."""
    started = time.process_time()
    assert extract_code("```" + " " * 200_000 + "`") is None
    assert time.process_time() - started < 20  # it took minutes


@pytest.mark.parametrize(
    ("test", "code"),
    [
        ("def helper():\n    assert f(1) == 2", "def f(x) return 99"),
        ("def test_f():\n    assert f(1) == 2", "def f(x): return 99"),
        (
            "assert cmath.isclose(f(1), 2.0)",
            "class cmath:\n    isclose = staticmethod(lambda *a: True)\ndef f(x): return 1",
        ),
        (
            "try:\n    assert f(1) == 2\nexcept AssertionError:\n    raise\nexcept Exception:\n    pass",
            "def f(x): return object()",
        ),
        ("assert 17 in f(3)", "class A:\n    __contains__ = lambda s, x: True\ndef f(x): return A()"),
        ("assert f(3).startswith('abc')", "class A:\n    startswith = lambda s, x: True\ndef f(x): return A()"),
        ("assert f(3).issuperset({1, 2})", "class A:\n    issuperset = lambda s, x: True\ndef f(x): return A()"),
        ("assert all(map(lambda c: f(c[0]) == c[1], [(1, 2), (2, 3)]))", "def f(x): raise StopIteration"),
    ],
)
def test_a_test_is_not_judged_by_the_candidate(test, code):
    """Test code that the candidate could pass without an answer fails it."""
    assert grade(assert_problem(test), code).verdict == "fail"


@pytest.mark.parametrize(
    ("test", "code"),
    [
        ("def test_f():\n    assert f(1) == 2", "def f(x): return 2"),
        ("assert 17 in f(3)", "def f(x): yield 17"),
        ("for p in f(3):\n    assert p.x == 1", "class P: x = 1\ndef f(n): return [P() for _ in range(n)]"),
        (
            "assert f(g(6)) == 3",
            "def g(n): return list(range(n))\ndef f(l):\n    n = 6 if l else 0\n    while n != 6: pass\n    return 3",
        ),
    ],
)
def test_honest_code_is_not_rejected_for_it(test, code):
    """The guards leave honest answers alone; a call that was only guessed decides nothing."""
    assert grade(assert_problem(test), code).verdict == "pass"


def test_functions_may_close_their_stdout():
    """What a function does to its own standard output does not cost it its answer."""
    code = "import sys\ndef f(x):\n    sys.stdout.close()\n    sys.stdout = None\n    return 5"
    assert grade(function_problem(([1], 5)), code).verdict == "pass"


ESCAPES = {
    "keyring": "L.syscall(248, b'user', b'note', b'text', 4, -3)",
    "user namespace": "L.unshare(0x10000000)",
    "mount": "L.mount(b'tmpfs', b'/tmp', b'tmpfs', 0, None)",
    "ptrace": "L.ptrace(0, 0, 0, 0)",
    "memory file": "L.syscall(319, b'x', 0)",
    "shared memory": "L.shmget(0, 4096, 0o1666)",
    "vsock": "L.socket(40, 1, 0)",
    "clone into a namespace": "L.syscall(56, 0x10000011, 0, 0, 0, 0)",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_system_calls_around_the_box_are_refused(name):
    """Calls that reach past the namespaces fail with "not permitted"; the numbers are those of x86-64."""
    if os.uname().machine != "x86_64":
        pytest.skip("the system-call numbers in this test are x86-64's")
    call = ESCAPES[name]
    code = f"import ctypes\nL = ctypes.CDLL(None, use_errno=True)\ndef f(x):\n    return [{call}, ctypes.get_errno()]"
    assert grade(function_problem(([1], [-1, 1])), code).verdict == "pass"


def test_recursion_through_c_goes_deep():
    """Recursion through lru_cache, which uses the C stack, reaches depths that judges allow."""
    code = (
        "import sys\nfrom functools import lru_cache\nsys.setrecursionlimit(10**6)\n@lru_cache(None)\ndef r(n):\n"
        "    return 0 if n == 0 else 1 + r(n - 1)\ndef f(n): return r(n)"
    )
    assert grade(function_problem(([40_000], 40_000)), code).verdict == "pass"


def run_at(level: str, *sources: str, **limits):
    """Run programs one after the other in one box."""

    async def run():
        async with open_executor(workers=1, level=level) as executor:
            found = []
            for source in sources:
                program = Program(kind="script", source=source, cases=[Case()], limits=Limits(**limits))
                found += (await executor.run(program)).cases
            return found

    return asyncio.run(run())


@pytest.mark.parametrize("level", ["full", "restricted"])
def test_a_deep_folder_is_removed(level):
    """Thousands of folders in each other cost neither the run that made them nor the next one."""
    deep = "import os\nfor i in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nprint('deep')"
    found = run_at(level, deep, "import os\nprint(os.listdir('.'))")
    assert [(r.status, r.stdout) for r in found] == [("ok", b"deep\n"), ("ok", b"[]\n")]


def test_shared_memory_of_the_host_is_out_of_reach():
    """System V memory belongs to the machine where there is no namespace around it: no call for it is allowed."""
    if os.uname().machine != "x86_64":
        pytest.skip("the system-call numbers in this test are x86-64's")
    libc = ctypes.CDLL(None)
    ident = libc.shmget(0, 4096, 0o1600)
    code = (
        "import ctypes\nL = ctypes.CDLL(None, use_errno=True)\n"
        f"print([L.syscall(n, {ident}, 0, 0, 0) for n in (30, 31, 65, 66, 69, 70, 71)], ctypes.get_errno())"
    )
    try:
        found = [r.stdout for level in ("full", "restricted") for r in run_at(level, code)]
    finally:
        libc.shmctl(ident, 0, None)
    assert found == [b"[-1, -1, -1, -1, -1, -1, -1] 1\n"] * 2


def test_files_of_the_host_keep_their_attributes(tmp_path):
    """At level restricted no call changes mode, times, flags or owner of a file that can be read."""
    packages = next(p for p in map(Path, sys.path) if p.name.endswith("-packages"))
    path = next(p for p in sorted(packages.iterdir()) if p.suffix in {".py", ".pth", ".txt"})
    victim = str(path)
    before = path.stat()
    code = (
        f"import fcntl, os, struct\nfd = os.open({victim!r}, os.O_RDONLY)\n"
        "for call in (0x40086602, 0x40087602, 0x40045431):\n"
        "    try: print(fcntl.ioctl(fd, call, struct.pack('q', 0x80)))\n    except PermissionError: pass\n"
        f"os.chmod({victim!r}, 0o777)\nos.fchmod(fd, 0o777)\nos.utime({victim!r}, (0, 0))\nprint('done')"
    )
    (result,) = run_at("restricted", code)
    after = path.stat()
    assert (result.status, result.stdout) == ("ok", b"done\n")
    assert (before.st_mode, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_mode,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


STARVING = (
    "import os, signal, time\nos.sched_setaffinity(0, {0})\nt = time.monotonic()\nif os.fork() == 0:\n"
    "    while time.monotonic() - t < 2.8: pass\n    os._exit(0)\n"
    "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nos.nice(5)\nwhile True: pass"
)
HIDING = (
    "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nr, w = os.pipe()\nfor i in range(4):\n"
    "    if os.fork() == 0:\n        t = time.process_time()\n        while time.process_time() < t + 0.9: pass\n"
    "        os._exit(0)\nos.close(w)\nos.read(r, 1)\nprint('done')"
)


@pytest.mark.parametrize("source", [STARVING, HIDING], ids=["starves itself", "hides what it used"])
def test_time_is_counted_whatever_hides_it(source):
    """CPU time of processes that nobody waits for counts, and keeping oneself from the processor is no excuse."""
    (result,) = run_at("full", source, timeout_s=1)
    assert result.status == "timeout"


FORGED = {
    "lines": "b'{}\\n' * (10 << 20)",
    "lists": "b'{\"value\": [' + b'[],' * (8 << 20) + b'1]}\\n'",
    "tuples": "b'{\"value\": {\"t\": [' + b'{\"t\": []},' * (3 << 20) + b'1]}}\\n'",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_answers_are_cheap_to_refuse(name):
    """Megabytes of brackets are not turned into objects."""
    code = f"import os\ndef f(x):\n    d = {FORGED[name]}\n    while d: d = d[os.write(3, d):]\n    os._exit(0)"
    started = time.process_time()
    assert grade(function_problem(([1], 5, True)), code).verdict == "fail"
    assert time.process_time() - started < 20  # the first took half a minute and gigabytes


DELETED = (
    "import os, time\nx = [open(f'x{i}', 'wb') for i in range(6)]\nfor i in range(6): os.unlink(f'x{i}')\n"
    "for f in x: f.write(bytes(60 << 20))\ntime.sleep(1)"
)
EMPTY = "import time\nfor i in range(150_000): open(f'{i}', 'w').close()\ntime.sleep(1)"


@pytest.mark.parametrize("source", [DELETED, EMPTY], ids=["deleted", "empty"])
def test_files_count_at_level_restricted(source):
    """Neither files that are deleted but open nor very many empty ones get around the limit on disk."""
    assert run_at("restricted", source)[0].status == "output_limit"


def test_threads_count_at_level_restricted():
    """Threads are capped as processes are."""
    source = (
        "import threading, time\nthreading.stack_size(32768)\n"
        "for i in range(1000): threading.Thread(target=time.sleep, args=(1,)).start()"
    )
    assert run_at("restricted", source)[0].status == "runtime_error"


def test_a_run_learns_nothing_of_the_one_before():
    """No frame, and no module, of the process holds what another run was given or gave."""
    look = (
        "import gc, sys\nf, seen = sys._getframe(), []\nwhile f:\n    seen += [f.f_locals, f.f_globals]\n"
        "    f = f.f_back\nprint(chr(45).join(['first', 'run']) in repr(seen) + repr(gc.get_objects()))"
    )
    first = "x = 'first' + chr(45) + 'run'\nraise SystemExit(x)"
    found = run_at("full", first, look)
    assert found[1].stdout == b"False\n"
