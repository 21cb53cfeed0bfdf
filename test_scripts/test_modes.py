"""Isolated and batch: the same verdicts, and only one of them is proof."""

from __future__ import annotations

import pytest

from code_generation.models import CodeProblem, TestCase
from test_scripts.conftest import function_problem, grade

SUMS = [TestCase(input=f"{n} 1\n", output=f"{n + 1}\n", type="stdin", is_public=n == 0) for n in range(5)]
READ = "a, b = map(int, input().split())\n"


def sums() -> CodeProblem:
    return CodeProblem(problem_id="sums", problem="", solutions=[], test_cases=SUMS, metadata={})


HONEST = {
    "plain": f"{READ}print(a + b)",
    "no newline": f"{READ}print(a + b, end='')",
    "ends the process": f"import os\n{READ}print(a + b, flush=True)\nos._exit(0)",
    "exits": f"import sys\n{READ}print(a + b)\nsys.exit()",
    "raw descriptors": "import os\na, b = map(int, os.read(0, 99).split())\nos.write(1, b'%d' % (a + b))",
    "closes stdout": f"import sys\n{READ}print(a + b)\nsys.stdout.close()",
    "closes descriptor 0": f"import os\n{READ}print(a + b)\nos.close(0)",
    "puts another file on 1": f"import os\n{READ}os.dup2(os.dup(1), 5)\nprint(a + b, flush=True)\nos.close(1)",
    "replaces stdout": f"import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\n{READ}print(a + b)",
    "unflushed file": f"out = open(1, 'w', closefd=False)\n{READ}out.write(str(a + b))",
    "atexit": f"import atexit\n{READ}atexit.register(print, a + b)",
    "thread left running": f"import threading, time\n{READ}"
    "threading.Thread(target=lambda: (time.sleep(0.01), print(a + b))).start()",
    "pool": f"from concurrent.futures import ThreadPoolExecutor\n{READ}"
    "print(ThreadPoolExecutor(2).submit(lambda: a + b).result())",
    "child": f"import os\n{READ}if os.fork(): os.wait()\nelse:\n    print(a + b, flush=True)\n    os._exit(0)",
    "state in a module": f"import math\n{READ}assert not hasattr(math, 'seen')\nmath.seen = 1\nprint(a + b)",
    "state in builtins": f"import builtins\n{READ}print(a + b)\nbuiltins.print = None",
    "file beside it": f"import os\n{READ}assert not os.path.exists('x')\nopen('x', 'w').close()\nprint(a + b)",
    "deep recursion": f"import sys\nsys.setrecursionlimit(9**6)\n{READ}def r(n): return n and 1 + r(n - 1)\n"
    "print(a + b + r(20000) - 20000)",
    "alarm": f"import signal\nsignal.alarm(1)\n{READ}print(a + b)",
    "finalizer": f"{READ}class D:\n    def __del__(self, p=print, s=a + b): p(s)\nd = D()",
}


HONEST |= {
    "file in a cycle": f"class S: pass\n{READ}s = S()\ns.me, s.out = s, open(1, 'w', closefd=False)\n"
    "s.out.write(str(a + b))",
    "file of a class": f"class S:\n    out = open(1, 'w', closefd=False)\n{READ}S.out.write(str(a + b))",
    "own stream": "import io, os\nclass O(io.TextIOBase):\n    parts = []\n"
    "    def write(self, s): self.parts.append(s)\n"
    f"    def flush(self):\n        os.write(1, ''.join(self.parts).encode())\n        self.parts.clear()\n{READ}"
    "out = O()\nprint(a + b, file=out)",
    "suspended generator": f"{READ}def g():\n    try: yield\n    finally: print(a + b)\ni = g()\nnext(i)",
}


@pytest.mark.parametrize("mode", ["isolated", "batch"])
@pytest.mark.parametrize("name", HONEST)
def test_honest_programs_pass_in_either_mode(name, mode):
    """What a program leaves behind in its process costs it nothing, in a batch either."""
    assert grade(sums(), HONEST[name], mode=mode).verdict == "pass"


@pytest.mark.parametrize("mode", ["isolated", "batch"])
def test_a_program_that_is_right_once_fails(mode):
    """A fixed answer passes its own test and no other."""
    assert [o.status == "passed" for o in grade(sums(), f"{READ}print(3)", mode=mode).outcomes] == [
        n == 2 for n in range(5)
    ]


CHEATS = {
    "counts": "import builtins\nbuiltins.k = k = getattr(builtins, 'k', 0) + 1\nprint(k)",
    "writes at a place": f"import os\n{READ}print(a + b, flush=True)\nif a > 1: os.pwrite(1, b'1', 0)",
    "answers for all at once": "import os, sys\nf = sys._getframe()\nwhile 'cases' not in f.f_locals: f = f.f_back\n"
    "for c in f.f_locals['cases']:\n    os.write(1, b'%d\\n' % (int((c['stdin'] or b'9').split()[0]) + 1))\n"
    "    os.write(3, b'{\"done\": %d}\\n' % os.fstat(1).st_size)\nos._exit(1)",
    "claims to be done": "import os\nos.write(3, b'{\"done\": 0}\\n' * 5)\nos._exit(0)",
    "claims more output": "import os\nos.write(3, b'{\"done\": 1000000}\\n' * 5)\nprint(1)",
    "answers once for all": f"{READ}print(a + b, flush=True)\nimport os\n"
    "os.write(3, b'{\"done\": 2}\\n' + b'{\"done\": 2}\\n' * 4)\nos._exit(0)",
    "rewinds stdout": f"{READ}print(a + b, flush=True)\nimport os\nos.lseek(1, 0, 0)",
    "tells of another end": "import os\nos.fstat = lambda fd: None",
    "garbage": "import os\nos.write(3, b'\\xff\\x00{[')\nprint(1)",
}


@pytest.mark.parametrize("name", CHEATS)
def test_forged_batches_pass_no_test(name):
    """What a program writes where the harness writes gets no answer accepted that was not given."""
    found = grade(sums(), CHEATS[name], mode="batch")
    honest = name in {"rewinds stdout", "answers once for all"}  # alone, each gives the right answer
    assert (found.verdict == "pass") is honest


def test_a_batch_that_takes_too_long_goes_on_one_by_one():
    """Each test may take the limit, and all of them together may not: the rest run isolated and pass."""
    code = f"import time\n{READ}while time.process_time() < 0.4: pass\ntime.sleep(0.01)\nprint(a + b)"
    slow = f"{READ}import time\nt = time.process_time()\nwhile time.process_time() < t + 0.4: pass\nprint(a + b)"
    assert [grade(sums(), c, mode="batch", timeout_s=1).verdict for c in (code, slow)] == ["pass", "pass"]


def test_the_mode_is_said():
    """A grade names the mode it was made in; a batch of one test is as good as isolated but not called so."""
    assert [grade(sums(), HONEST["plain"], mode=m).mode for m in ("isolated", "batch")] == ["isolated", "batch"]


PHASES = {
    "def f(x) return 1": ("syntax_error", "not_run", "not_run", "not_run"),
    "import no_such_module\ndef f(x): return x": ("passed", "runtime_error", "not_run", "not_run"),
    "while True: pass": ("passed", "timeout", "not_run", "not_run"),
    "def f(x): return x": ("passed", "passed", "passed", "passed"),
    "def f(x): return 1": ("passed", "passed", "passed", "wrong_answer"),
    "def f(x): return 1 // x - 1 // x + x": ("passed", "passed", "passed", "runtime_error"),
    "def g(x): return x": ("passed", "passed", "missing_function", "missing_function"),
}


@pytest.mark.parametrize("mode", ["isolated", "batch"])
@pytest.mark.parametrize("code", PHASES)
def test_phases(code, mode):
    """A grade says how far a candidate came; what can't be loaded fails every test by that."""
    problem = function_problem(([1], 1, True), ([0], 0), ([2], 2))
    found = grade(problem, code, mode=mode, timeout_s=1)
    assert tuple(found.phases.values()) == PHASES[code]
    if "not_run" in PHASES[code]:
        assert len({o.status for o in found.outcomes}) == 1
