"""Attacks that once worked, a test each: on the verdict, on the grader's time, on the walls of the box."""

from __future__ import annotations

import time

import pytest

from code_generation.compare import compare_value
from code_generation.extract import extract_code
from code_generation.models import CodeProblem, TestCase
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
    import os

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
