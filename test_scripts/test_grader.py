"""The grader's verdicts: cheats never pass, honest oddities do, and a broken box is nobody's fault."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.jsonl import decode, encode
from code_generation.models import CodeProblem, TestCase
from code_generation.programs import CaseResult, ExecutionResult
from code_generation.records import to_json_object
from test_scripts.conftest import function_problem, grade

FUNCTION = function_problem(([2, 3], 5, True), ([10, -4], 6), time_limit_s=1)
"""f(a, b) = a + b by functional tests."""


def assert_problem(*sources, func_name="f", **metadata) -> CodeProblem:
    tests = [TestCase(input=s, output=None, type="assert", is_public=False) for s in sources]
    metadata = {"func_name": func_name, **metadata}
    return CodeProblem(problem_id="a", problem="", solutions=[], test_cases=tests, metadata=metadata)


def stdin_problem(*pairs) -> CodeProblem:
    tests = [TestCase(input=i, output=o, type="stdin", is_public=False) for i, o in pairs]
    return CodeProblem(problem_id="s", problem="", solutions=[], test_cases=tests, metadata={})


def verdicts(asked: dict[str, tuple[CodeProblem, str]]) -> dict[str, str]:
    """The verdict on each (problem, code), graded side by side."""

    async def run():
        async with open_executor() as executor:
            grader = TestExecutionGrader(executor)
            return await asyncio.gather(*(grader.grade(problem, code) for problem, code in asked.values()))

    return {name: found.verdict for name, found in zip(asked, asyncio.run(run()), strict=True)}


ASSERTED = assert_problem("assert f(2, 3) == 5", "x = f(10, -4)\nassert x == 6 and not f(1, -1)", time_limit_s=1)
PRINTED = stdin_problem(("2 3\n", "5\n"), ("10 -4\n", "6\n"))

CHEATS = {
    "always_equal": "class E:\n    __eq__ = lambda s, o: True\n    __bool__ = lambda s: False\ndef f(*a): return E()",
    "mock_any": "from unittest.mock import ANY\ndef f(*a): return ANY",
    "lying_int": "class I(int):\n    __eq__ = lambda s, o: True\n    __hash__ = int.__hash__\ndef f(*a): return I(1)",
    "lying_repr": "class I(int): __repr__ = __str__ = lambda s: '5'; __int__ = lambda s: 5\ndef f(*a): return I(1)",
    "lying_str": "class S(str):\n    __eq__ = lambda s, o: True\n    __hash__ = str.__hash__\ndef f(*a): return S('5')",
    "text": "def f(a, b): return str(a + b)",
    "exit_at_import": "import os\nos._exit(0)",
    "exit_in_call": "import os\ndef f(*a): os._exit(0)",
    "sys_exit": "import sys\ndef f(*a): sys.exit(0)",
    "raise_at_import": "raise AssertionError",
    "raise_skip": "import unittest\ndef f(*a): raise unittest.SkipTest('later')",
    "frames": "import sys\ndef f(*a):\n    fr = sys._getframe()\n    while fr:\n"
    "        for v in list(fr.f_locals.values()) + list(fr.f_globals.values()):\n"
    "            if isinstance(v, dict):\n                for k in ('output', 'expected', 'answers'):\n"
    "                    if k in v: return v[k]\n        fr = fr.f_back\n    return None",
    "forged_fds": 'import os\nL = b\'{"value": 5}\\n{"verdict": "passed"}\\n\'\nfor fd in range(1, 30):\n'
    "    try: os.write(fd, L * 3)\n    except OSError: pass\ndef f(*a): return 0",
    "forged_exit": 'import os\nos.write(3, b\'{"verdict": "passed"}\\n\')\nos._exit(0)',
    "forged_junk": 'import os\nos.write(3, b\'\\xff\\x00[[[{"value": {"t": 1}}\\n\')\nos._exit(0)',
    "patched_json": "import json\njson.dumps = lambda *a, **k: '{\"value\": 5}'\ndef f(*a): return 0",
    "patched_builtins": "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.all = lambda *a: True\n"
    "builtins.AssertionError = ValueError\nbuiltins.len = lambda *a: 0\ndef f(*a): return 0",
    "patched_inside": "import sys\nm = sys.modules['inside']\nm.encode = lambda *a: 5\nm.compare = lambda *a: True\n"
    "def f(*a): return 0",
    "ctypes_int": "import ctypes\nctypes.c_int.from_address(id(6) + 24).value = 5\ndef f(*a): return 6",
    "reduce": "class R:\n    def __reduce__(self): return (print, ('x',))\ndef f(*a): return R()",
    "hardcoded": "def f(*a): return 5",
    "generator": "def f(a, b): yield a + b",
    "coroutine_of_nothing": "async def f(a, b): return E",
    "printing": "def f(a, b): print(a + b)",
    "nothing": "",
    "no_code": "This is how I would do it.",
    "other_name": "def g(a, b): return a + b",
}


@pytest.mark.parametrize("problem", [FUNCTION, ASSERTED], ids=["functional", "assert"])
def test_cheats_never_pass_calls(problem):
    """Code that does not compute the answer fails, whatever it claims to be equal to, exits with or writes to."""
    assert verdicts({name: (problem, code) for name, code in CHEATS.items()}) == dict.fromkeys(CHEATS, "fail")


def test_the_right_answer_passes():
    """The problems that the cheats are tried on can be solved."""
    right = "def f(a, b): return a + b"
    printed = "print(sum(map(int, input().split())))"
    found = verdicts({"functional": (FUNCTION, right), "assert": (ASSERTED, right), "stdin": (PRINTED, printed)})
    assert found == {"functional": "pass", "assert": "pass", "stdin": "pass"}


PRINTED_CHEATS = {
    "exit": "import os\nos._exit(0)",
    "forged": 'import os\nos.write(3, b\'{"value": "5"}\\n{"verdict": "passed"}\\n\')',
    "both_answers": "print(5)\nprint(6)",
    "right_and_crash": "print(sum(map(int, input().split())))\n1 / 0",
    "right_and_status_3": "print(sum(map(int, input().split())))\nexit(3)",
    "on_stderr": "import sys\nprint(sum(map(int, input().split())), file=sys.stderr)",
    "no_utf8": "import sys\nsys.stdout.buffer.write(b'\\xff5\\n')",
    "hardcoded": "print(5)",
    "defined_only": "def main(): print(sum(map(int, input().split())))",
}


def test_cheats_never_pass_stdin():
    """A program passes by printing the answer and ending well, and by nothing else."""
    assert verdicts({n: (PRINTED, c) for n, c in PRINTED_CHEATS.items()}) == dict.fromkeys(PRINTED_CHEATS, "fail")


@pytest.mark.parametrize("error", ["ValueError", "AssertionError", "KeyError", "Exception"])
def test_raising_at_import_is_not_the_error_a_test_waits_for(error):
    """A test that expects an error passes by the call that raises it, not by code that falls over before."""
    test = f"try:\n    f(-1)\nexcept {error}:\n    pass\nelse:\n    assert 0 == 1"
    problem = assert_problem(test)
    assert [
        grade(problem, f"raise {error}").verdict,
        grade(problem, "def f(x): return 1").verdict,
        grade(problem, f"def f(x): raise {error}('no')").verdict,
    ] == ["fail", "fail", "pass"]


HANGS = {
    "fraction_bomb": """p = b'{"value": {"q": "1e300000000"}}\\n'""",
    "int_bomb": """p = b'{"value": ' + b'7' * 20_000_000 + b'}\\n'""",
    "one_hash": """p = b'{"value": {"s": [%s]}}\\n' % b','.join(b'%d' % (i * (2**61 - 1)) for i in range(250_000))""",
}


@pytest.mark.slow
@pytest.mark.parametrize("forged", HANGS.values(), ids=HANGS)
@pytest.mark.parametrize("problem", [FUNCTION, PRINTED], ids=["functional", "stdin"])
def test_forged_answers_dont_hang_the_grader(codegen, tmp_path, forged, problem):
    """An answer made to be expensive to read costs the candidate its test, not the grader its time."""
    code = f"import os\n{forged}\nwhile p: p = p[os.write(3, p):]\nos._exit(0)"
    (tmp_path / "p.jsonl").write_text(encode(to_json_object(problem)))
    (tmp_path / "c.jsonl").write_text(encode({"problem_id": problem.problem_id, "code": code}))
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", timeout=30)
    assert (done.returncode, decode((tmp_path / "v.jsonl").read_text())["verdict"]) == (0, "fail")


IN_THREAD = (
    "def f(n):\n    r = []\n    t = threading.Thread(target=lambda: r.append(n))\n"
    "    t.start()\n    t.join()\n    return r[0]"
)
HONEST = {
    "numpy_scalar": ("import numpy as np\ndef f(n): return np.int64(n)", 3, 3),
    "numpy_float": ("import numpy as np\ndef f(n): return np.float64(n) / 2", 3, 1.5),
    "numpy_bool": ("import numpy as np\ndef f(n): return np.bool_(n > 1)", 3, True),
    "numpy_items": ("import numpy as np\ndef f(n): return list(np.arange(n))", 3, [0, 1, 2]),
    "counter": ("from collections import Counter\ndef f(s): return Counter(s)", "aab", {"a": 2, "b": 1}),
    "defaultdict": ("def f(s):\n    d = defaultdict(list)\n    d[s].append(1)\n    return d", "k", {"k": [1]}),
    "namedtuple": ("import typing\nclass P(typing.NamedTuple):\n    x: int\ndef f(n): return P(n)", 3, [3]),
    "str_subclass": ("class S(str): pass\ndef f(s): return S(s)", "a", "a"),
    "int_enum": ("import enum\nclass C(enum.IntEnum): A = 3\ndef f(n): return C.A", 0, 3),
    "tuple_for_json_list": ("def f(n): return (n, (n, n))", 1, [1, [1, 1]]),
    "true_for_1": ("def f(n): return n == 1", 1, 1),
    "float_for_int": ("def f(n): return n / 1", 2, 2),
    "shared_result": ("def f(n):\n    row = [0] * n\n    return [row] * n", 2, [[0, 0], [0, 0]]),
    "in_place": ("def f(x):\n    x.sort()\n    return x", [2, 1], [1, 2]),
    "printing": ("def f(n):\n    print('{\"value\": 9}')\n    return n", 3, 3),
    "solution_class": ("class Solution:\n    def f(self, n): return n", 3, 3),
    "coroutine": ("async def f(n): return n", 3, 3),
    "lambda": ("f = lambda n: n", 3, 3),
    "cached": ("@functools.cache\ndef f(n): return n if n < 2 else f(n - 1) + f(n - 2)", 80, 23416728348467685),
    "deep": ("def f(n): return 0 if n == 0 else 1 + f(n - 1)", 20_000, 20_000),
    "big_int": ("def f(n): return 10 ** n", 6000, 10**6000),
    "big_stack": (f"import threading\nthreading.stack_size(256 << 20)\n{IN_THREAD}", 3, 3),
    "endless_thread": ("import threading\nthreading.Thread(target=time.sleep, args=(99,)).start()\nf = abs", 3, 3),
    "pickled": ("import pickle\nclass P: x = 3\ndef f(n): return pickle.loads(pickle.dumps(P())).x", 3, 3),
    "main_guard": ("def f(n): return n\nif __name__ == '__main__':\n    print(f(int(input())))", 3, 3),
    "future": ("from __future__ import annotations\ndef f(n: Nowhere) -> Nothing: return n", 3, 3),
    "bom": ("\ufeffdef f(n): return n", 3, 3),
    "prelude": ("def f(n: List[int]) -> Any: return gcd(*n) + math.gcd(*n) + reduce(max, n)", [4, 6], 10),
    "pow_of_builtins": ("def f(n): return pow(n, 2, 5) + sqrt(4)", 3, 6.0),
    "own_name_wins": ("def gcd(a, b): return 77\ndef f(n): return gcd(n, n)", 3, 77),
"lone_surrogate": ("def f(s): return s + chr(0xd800)", "a", "a\ud800"),
}  # fmt: skip


def test_honest_oddities_pass():
    """An answer that equals the expected one as plain data passes, in whatever honest form it comes."""
    asked = {name: (function_problem(([given], wanted)), code) for name, (code, given, wanted) in HONEST.items()}
    assert verdicts(asked) == dict.fromkeys(HONEST, "pass")


def test_prelude_names_hold_where_another_function_binds_them():
    """A name of the prelude is there for the function that uses it, though another one has a parameter of that name."""
    code = "def g(math): return math\ndef f(n): return math.floor(n)"
    assert grade(function_problem(([3.5], 3)), code).outcomes[0].error == ""


STATUSES = {
    "syntax_error": ("def f(n:\n    return 1", "syntax_error", "def f(n:"),
    "null_byte": ("def f(n): return 1\0", "syntax_error", "null bytes"),
    "missing": ("def g(n): return 1", "missing_function", "f is not defined"),
    "runtime": ("def g(n):\n    return 1 // n\ndef f(n):\n    return g(n - n)", "runtime_error", "return 1 // n"),
    "at_import": ("x = undefined_name\ndef f(n): return 1", "runtime_error", "x = undefined_name"),
    "opaque": ("class P: pass\ndef f(n): return P()", "wrong_answer", "P"),
    "generator": ("def f(n): yield n", "wrong_answer", "generator"),
    "endless": ("def f(n):\n    x = []\n    x.append(x)\n    return x", "wrong_answer", ""),
    "wrong": ("def f(n): return 7", "wrong_answer", ""),
}  # fmt: skip


@pytest.mark.parametrize(("code", "status", "said"), STATUSES.values(), ids=STATUSES)
def test_a_failure_says_what_and_where(code, status, said):
    """A status names what happened; its text shows the candidate's own lines and no frame of the harness."""
    (outcome,) = grade(function_problem(([1], 2, True)), code).outcomes
    ours = [name for name in ("inside.py", "launch.py", "local.py", "exec(") if name in outcome.error]
    assert (status, True, []) == (outcome.status, said in outcome.error, ours)


def test_script_errors_are_trimmed_too():
    """A program's traceback shows its own lines and no frame of the harness."""
    (outcome,) = grade(stdin_problem(("", "1")), "def main():\n    return {}['key']\nmain()").outcomes
    assert ("return {}['key']" in outcome.error, "launch" in outcome.error or "inside" in outcome.error) == (
        True,
        False,
    )


class BrokenBox:
    """An executor whose box fails for some of the cases."""

    name = isolation = "broken"
    cases_per_call = 1

    def __init__(self, statuses):
        self.statuses = statuses

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        pass

    async def run(self, program):
        step = {"value": 5} if program.kind == "calls" else {"verdict": "passed"}
        cases = [CaseResult(status=self.statuses.get(program.kind, "ok"), answers=[step], error="lost")]
        return ExecutionResult(cases=cases * len(program.cases))


@pytest.mark.parametrize("kind", ["calls", "check", "script"])
@pytest.mark.parametrize("problem", [FUNCTION, ASSERTED, PRINTED], ids=["functional", "assert", "stdin"])
def test_a_broken_box_is_never_a_wrong_answer(problem, kind):
    """Where the box fails the verdict is infra, whichever of the runs it was that failed."""
    found = asyncio.run(TestExecutionGrader(BrokenBox({kind: "infra_error"})).grade(problem, "code"))
    needed = {"functional": {"calls"}, "stdin": {"script"}, "assert": {"check"}}[problem.test_cases[0].type]
    if kind in needed:
        assert (found.verdict, found.reward, {o.status for o in found.outcomes}) == ("infra", 0.0, {"infra_error"})
    else:
        assert found.verdict != "infra"


def test_infra_beats_fail():
    """One test that could not be run makes the verdict infra, though another one failed."""
    problem = msgspec.structs.replace(FUNCTION, test_cases=[FUNCTION.test_cases[0], PRINTED.test_cases[0]])
    found = asyncio.run(TestExecutionGrader(BrokenBox({"script": "infra_error"})).grade(problem, ""))
    assert (found.verdict, [o.status for o in found.outcomes]) == ("infra", ["passed", "infra_error"])


def test_without_tests_nothing_passes():
    """A problem without tests can't be passed."""
    found = grade(function_problem(), "def f(): return 1")
    assert (found.verdict, found.n_tests, found.reward, found.fraction) == ("fail", 0, 0.0, 0.0)


def test_weights_and_sides():
    """The fraction is weighted, the reward is all or nothing, and public and private tests are told apart."""
    tests = [
        TestCase(input=[1], output=1, type="functional", is_public=True, weight=3.0),
        TestCase(input=[2], output=1, type="functional", is_public=False),
    ]
    problem = msgspec.structs.replace(FUNCTION, test_cases=tests)
    found = grade(problem, "def f(n): return n")
    sides = found.passed(public=True), found.passed(public=False)
    assert (found.verdict, found.n_passed, found.fraction, found.reward, sides) == ("fail", 1, 0.75, 0.0, (True, False))


def test_an_empty_side_counts_as_passed():
    """A problem without public tests has passed them."""
    assert grade(function_problem(([1], 2)), "def f(n): return n").passed(public=True)


def test_answers_are_kept_for_public_tests_only():
    """What a candidate answered to a private test stands in no outcome."""
    found = grade(function_problem(([1], 2, True), ([3], 4)), "def f(n): return n * 111")
    assert [o.got for o in found.outcomes] == ["111", ""]


def test_stop_early():
    """Public tests go first, and after the first failure the others are not run."""

    async def run():
        problem = function_problem(([1], 1), ([2], 0, True), ([3], 3, True))
        async with open_executor() as executor:
            return await TestExecutionGrader(executor).grade(problem, "def f(n): return n", stop_early=True)

    found = asyncio.run(run())
    assert (found.verdict, [o.status for o in found.outcomes]) == ("fail", ["not_run", "wrong_answer", "not_run"])


def test_limits_of_problem_and_caller():
    """A problem's own time limit holds, and the caller's goes before it."""
    problem = function_problem(([1], 1), time_limit_s=0.2)
    slow = "def f(n):\n    t = time.process_time()\n    while time.process_time() < t + 0.6: pass\n    return n"
    assert (grade(problem, slow).outcomes[0].status, grade(problem, slow, timeout_s=5).verdict) == ("timeout", "pass")
