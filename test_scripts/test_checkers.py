"""Problems with several right answers: a program of the data set looks at each, in the sandbox, on its own."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from code_generation.errors import DataError
from code_generation.grader import TestExecutionGrader
from code_generation.loaders.jsonl import parse_row
from code_generation.models import CodeProblem, TestCase
from code_generation.programs import CaseResult, ExecutionResult
from test_scripts.conftest import function_problem, grade

FACTORS = """
import sys
n = int(open(sys.argv[1]).read())
correct = open(sys.argv[2]).read()
answer = [int(x) for x in open(sys.argv[3]).read().split()]
print("two numbers, please" if len(answer) != 2 else int(min(answer) > 1 and answer[0] * answer[1] == n))
"""
"""Any two factors of the input will do."""
PERMUTED = """
import json, sys
arguments, correct, answer = (json.load(open(name)) for name in sys.argv[1:])
print(int(sorted(answer) == sorted(arguments[0]) and answer != arguments[0]))
"""


def factors(checker=FACTORS) -> CodeProblem:
    """Factors of 12 and of 35."""
    tests = [
        TestCase(input=f"{n}\n", output=f"{a} {b}\n", type="stdin", is_public=False)
        for n, a, b in ((12, 3, 4), (35, 5, 7))
    ]
    metadata = {"comparison": {"name": "checker", "checker": checker}}
    return CodeProblem(problem_id="factors", problem="", solutions=[], test_cases=tests, metadata=metadata)


SMALLEST = "n = int(input())\nd = next(d for d in range(2, n) if n % d == 0)\nprint(d, n // d)"
LARGEST = "n = int(input())\nd = next(d for d in range(2, n) if n % d == 0)\nprint(n // d)\nprint(d)"


@pytest.mark.parametrize("mode", ["isolated", "batch"])
@pytest.mark.parametrize(
    ("code", "verdict", "said"),
    [
        (SMALLEST, "pass", ""),  # 2 6, not the jury's 3 4
        (LARGEST, "pass", ""),
        ("print(3, 4)", "fail", "0"),  # right for one test
        ("print('x')", "fail", "ValueError"),
        ("print(1)", "fail", "two numbers"),
        ("print('1\\n1')", "fail", ""),
        ("print(3, 4)\n1 / 0", "fail", "ZeroDivisionError"),
    ],
)
def test_a_checker_decides(mode, code, verdict, said):
    """Every answer that it accepts passes, in both modes; why not is said."""
    found = grade(factors(), code, mode=mode)
    assert found.verdict == verdict
    assert said in found.outcomes[-1].error


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("def f(x): return x[::-1]", "pass"),
        ("def f(x): return (*x[1:], x[0])", "pass"),
        ("def f(x): return x", "fail"),
        ("def f(x): return object()", "fail"),
        ("def f(x): return None", "fail"),
    ],
)
def test_return_values_are_checked_as_json(code, verdict):
    """The arguments, the jury's answer and the candidate's."""
    problem = function_problem(([[1, 2, 3]], [3, 2, 1]), comparison={"name": "checker", "checker": PERMUTED})
    assert grade(problem, code).verdict == verdict


@pytest.mark.parametrize(
    "checker",
    [
        "print('accepted')", "", "print(1)\nraise SystemExit(1)", "import sys\nprint(1)\nsys.exit('no')", "print(1, 0)",
        pytest.param("while True: pass", marks=pytest.mark.slow), "print(1.5)", "import os\nos.kill(os.getpid(), 9)",
    ],
)  # fmt: skip
def test_only_a_clear_yes_is_one(checker):
    """A checker that says anything but 1, or does not end well, accepts nothing."""
    problem = factors(checker or "pass")
    problem = msgspec.structs.replace(problem, test_cases=problem.test_cases[:1])
    assert grade(problem, SMALLEST).verdict == "fail"


def test_a_checker_says_yes_with_its_last_word():
    """What it prints before is for people."""
    assert grade(factors("print('checking')\nprint(1)"), "print()").verdict == "pass"


def test_large_answers_reach_the_checker_whole():
    """Tens of megabytes, bytes that are no text among them."""
    checker = "import sys\ndata = open(sys.argv[3], 'rb').read()\nprint(int((len(data), data[0]) == (30_000_001, 255)))"
    code = "import sys\nsys.stdout.buffer.write(b'\\xff' + b'x' * 30_000_000)"
    assert grade(factors(checker), code).verdict == "pass"


def test_a_candidate_finds_no_checker():
    """Neither the files nor the arguments of a checker's run are left for a candidate's."""
    code = "import os, sys\nprint(sorted(os.listdir('.')), sys.argv[1:])\n" + SMALLEST
    problem = factors("import sys\nprint(int(open(sys.argv[3]).readline() == '[] []\\n'))")
    assert grade(problem, SMALLEST).verdict == "fail"
    assert grade(problem, code).verdict == "pass"


class NoChecker:
    """An executor in which checkers never run."""

    name = isolation = "scripted"
    cases_per_call = 1

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        pass

    async def run(self, program):
        case = CaseResult(status="infra_error", error="lost") if program.cases[0].files else CaseResult(status="ok")
        return ExecutionResult(cases=[case] * len(program.cases))


def test_a_checker_that_could_not_run_is_infra():
    """The candidate's answer is not wrong by that."""
    found = asyncio.run(TestExecutionGrader(NoChecker()).grade(factors(), ""))
    assert (found.verdict, found.outcomes[0].error) == ("infra", "lost")


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        ({"name": "checker"}, "source of a program"),
        ({"name": "checker", "checker": "  "}, "source of a program"),
        ({"name": "checker", "checker": "def f(:"}, "not Python"),
        ({"name": "float", "abs_tol": -1}, "abs_tol"),
        ({"name": "float", "rel_tol": "1e-3"}, "rel_tol"),
        ({"name": "chequer"}, "checker"),
    ],
)
def test_policies_that_can_not_be_applied_are_bad_rows(comparison, said):
    """Seen where the problem is read, not where it is graded."""
    row = msgspec.to_builtins(factors()) | {"metadata": {"comparison": comparison}}
    with pytest.raises(DataError, match=said):
        parse_row(json.loads(json.dumps(row)))


def test_a_huge_integer_reaches_the_checker_at_once():
    """Written in decimal it would take minutes; it comes as a literal, and others are not kept waiting."""
    checker = "import json, sys\nprint(int(json.load(open(sys.argv[3])) == {'$py': hex(1 << 4_000_000)}))"
    problem = function_problem(([], 1), comparison={"name": "checker", "checker": checker})
    assert grade(problem, "def f(): return 1 << 4_000_000").verdict == "pass"


@pytest.mark.parametrize(("code", "text"), [("Decimal('1.50')", "1.50"), ("Fraction(1, 3)", "1/3")])
def test_exact_numbers_reach_the_checker_as_text(code, text):
    """JSON has no word for them."""
    checker = f"import json, sys\nprint(int(json.load(open(sys.argv[3])) == [{text!r}]))"
    problem = function_problem(([], 1), comparison={"name": "checker", "checker": checker})
    source = f"from decimal import Decimal\nfrom fractions import Fraction\ndef f(): return ({code},)"
    assert grade(problem, source).verdict == "pass"


def test_a_checker_that_never_works_is_named(codegen, tmp_path):
    """Its problem's answers are not accepted, and the command says why."""
    for name, checker in (("broken", "1 / 0"), ("strict", "print(0)")):
        row = msgspec.to_builtins(factors(checker)) | {"problem_id": name}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    rows = "".join(p.read_text() + "\n" for p in sorted(tmp_path.glob("*.jsonl")))
    (tmp_path / "p.jsonl").write_text(rows)
    candidates = [{"problem_id": name, "code": SMALLEST} for name in ("broken", "strict")]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, candidates)))
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl")
    assert "2 candidates: 0 pass, 2 fail" in done.stdout
    assert "the checker program of broken failed each time" in done.stderr
    assert "strict" not in done.stderr
