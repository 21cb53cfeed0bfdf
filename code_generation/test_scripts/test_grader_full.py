"""Does the grader accept what is right and nothing else, here? `python -m code_generation.test_scripts.test_grader_full`

Honest programs in unusual shapes, wrong ones, and ones that cheat, in both modes of the grader.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.models import CodeProblem, Mode, TestCase
from code_generation.test_scripts import exit_status

if TYPE_CHECKING:
    from collections.abc import Iterator

SUM = [TestCase(input=f"{n}\n1 2 {n}\n", output=f"{2 * n + 3}\n", type="stdin", is_public=n == 3) for n in (3, 4, 5)]
"""Read a number and a line of numbers; print the sum of all."""
ADD = [TestCase(input=[n, 1], output=n + 1, type="functional", is_public=n == 0) for n in range(3)]
"""f(a, b) is a + b."""
HALVES = [TestCase(input=[[1, 2]], output=[[1], [2]], type="functional", is_public=True)]
"""f(items) splits a list of two."""
ASSERTS = [TestCase(input=f"assert f({n}, 1) == {n + 1}", output=None, type="assert", is_public=n == 0) for n in (0, 5)]
CHECK = [TestCase(input="def check(candidate):\n    for i in range(5):\n        assert candidate(i, i) == 2 * i\n",
                  output=None, type="assert", is_public=True)]  # fmt: skip


@dataclass(frozen=True)
class Check:
    """A candidate and what has to come of it."""

    name: str
    tests: list[TestCase]
    code: str
    status: str
    """Of the first test that does not pass; `passed` where all have to."""


HONEST = {
    "for line in sys.stdin": "import sys\nprint(sum(int(x) for line in sys.stdin for x in line.split()))",
    "input and print": "n = int(input())\nprint(n + sum(map(int, input().split())))",
    "input, then sys.stdin.read": "import sys\nn = int(input())\nprint(n + sum(map(int, sys.stdin.read().split())))",
    "sys.stdin.buffer.readline": "import sys\nr = sys.stdin.buffer.readline\nprint(int(r()) + sum(map(int, r().split())))",
    "open(0)": "print(sum(map(int, open(0).read().split())))",
    "os.read, os.write": "import os\nos.write(1, b'%d' % sum(map(int, os.read(0, 10**6).split())))",
    "sys.stdout.buffer": "import sys\nsys.stdout.buffer.write(b'%d\\n' % sum(map(int, sys.stdin.buffer.read().split())))",
    "until EOFError": "t = 0\ntry:\n    while True:\n        t += sum(map(int, input().split()))\nexcept EOFError:\n    print(t)",
    "global in a function": "t = 0\ndef run():\n    global t\n    t += sum(map(int, open(0).read().split()))\nrun()\nprint(t)",
    "a thread with a large stack": "import sys, threading\nthreading.stack_size(2**28)\ndef run(): "
    "print(sum(map(int, sys.stdin.read().split())))\nt = threading.Thread(target=run)\nt.start()\nt.join()",
    "print at exit": "import atexit\natexit.register(lambda: print(sum(map(int, open(0).read().split()))))",
    "quit at the end": "print(sum(map(int, open(0).read().split())))\nquit()",
    "os._exit after a flush": "import os\nprint(sum(map(int, open(0).read().split())), flush=True)\nos._exit(0)",
    "if __name__": "def run(): print(sum(map(int, open(0).read().split())))\nif __name__ == '__main__': run()",
}
WRONG = {
    "a wrong answer": ("print(0)", "wrong_answer"),
    "right, then a crash": ("print(sum(map(int, open(0).read().split())), flush=True)\n1 / 0", "runtime_error"),
    "an endless loop": ("while True: pass", "timeout"),
    "asleep": ("import time\ntime.sleep(60)", "timeout"),
    "code that does not parse": ("def f(:\n", "syntax_error"),
    "too much memory": ("x = bytearray(1 << 40)", "memory_limit"),
    "too much output": ("while True: print('x' * 65536)", "output_limit"),
}
FUNCTIONS = {
    "a function": (ADD, "def f(a, b): return a + b", "passed"),
    "a method of Solution": (ADD, "class Solution:\n    def f(self, a, b): return a + b", "passed"),
    "names that graders import": (ADD, "def f(a: Optional[int], b: int): return reduce(operator.add, [a, b])", "passed"),
    "a function that prints": (ADD, "def f(a, b):\n    print('adding')\n    return a + b", "passed"),
    "a tuple for a list": (HALVES, "def f(x): return tuple([i] for i in x)", "passed"),
    "another name": (ADD, "def g(a, b): return a + b", "missing_function"),
    "text for a number": (ADD, "def f(a, b): return str(a + b)", "wrong_answer"),
    "always equal": (ADD, "class A(int):\n    __eq__ = lambda s, o: True\ndef f(a, b): return A(7)", "wrong_answer"),
    "equal to anything": (ADD, "class A:\n    __eq__ = lambda s, o: True\ndef f(a, b): return A()", "wrong_answer"),
    "leaving early": (ADD, "import os\ndef f(a, b): os._exit(0)", "runtime_error"),
    "sys.exit(0)": (ADD, "import sys\ndef f(a, b): sys.exit(0)", "runtime_error"),
    "patched comparison": (ADD, "import builtins\nbuiltins.all = builtins.any = lambda *a: True\ndef f(a, b): return 0",
                           "wrong_answer"),
    "a search for the answer": (ADD, "import gc\ndef f(a, b):\n    seen = [d for d in gc.get_objects() if isinstance(d, "
                                "dict) and 'output' in d]\n    return seen[0]['output'] if seen else None",
                                "wrong_answer"),
    "assert tests": (ASSERTS, "def f(a, b): return a + b", "passed"),
    "assert tests, wrong": (ASSERTS, "def f(a, b): return a", "wrong_answer"),
    "check(candidate)": (CHECK, "def f(a, b): return a + b", "passed"),
    "check(candidate), swallowed": (CHECK, "class A:\n    __eq__ = lambda s, o: True\ndef f(a, b): return A()",
                                    "wrong_answer"),
}  # fmt: skip


def checks() -> Iterator[Check]:
    """All of them."""
    for name, code in HONEST.items():
        yield Check(name, SUM, code, "passed")
    for name, (code, status) in WRONG.items():
        yield Check(name, SUM, code, status)
    for name, (tests, code, status) in FUNCTIONS.items():
        yield Check(name, tests, code, status)


async def run() -> int:
    """Grade every candidate in both modes and say which did not come out as it has to; the exit status."""
    wrong = 0
    async with open_executor() as executor:
        print(f"isolation: {executor.isolation}")
        for mode in get_args(Mode):
            grader = TestExecutionGrader(executor, timeout_s=2, mode=mode)
            for check in checks():
                metadata: dict[str, Any] = {"func_name": "f"}
                problem = CodeProblem(
                    problem_id=check.name, problem="", solutions=[], test_cases=check.tests, metadata=metadata
                )
                grade = await grader.grade(problem, check.code)
                status = next((o.status for o in grade.outcomes if o.status != "passed"), "passed")
                right = status == check.status and (grade.verdict == "pass") is (check.status == "passed")
                wrong += not right
                said = status if right else f"{status}, expected {check.status}: {grade.outcomes[0].error}"
                print(f"{'ok  ' if right else 'FAIL'}  {mode:<9} {check.name:<32} {said}", flush=True)
    print(f"{wrong} of {2 * len(list(checks()))} checks failed" if wrong else "all as it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(exit_status(run()))
