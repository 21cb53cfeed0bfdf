"""What is in an evaluation set is found, with its evidence; what only sounds like it is not."""

from __future__ import annotations

import gzip
import json

import pytest

from code_generation.curation.contamination import (
    COMMON,
    EvaluationSets,
    Hit,
    read_evaluation_sets,
    read_review,
    write_review,
)
from code_generation.errors import ConfigError, DataError
from code_generation.jsonl import read_lines
from code_generation.loaders import LoadOptions, dataset_of

ROBOT = (
    "A delivery robot stands in cell $a_1$ of a corridor with $n$ cells, where $1 \\le n \\le 10^5$. In each step it "
    "moves to the next cell or jumps over one, and every cell charges a toll when it is entered. Find the smallest "
    "sum of tolls that brings the robot past the last cell, given that it may never jump twice in a row."
)
FERRY = (
    "Cars wait for a ferry in one queue. The ferry has two lanes of the same length, and each car at the head of the "
    "queue goes into one of them as long as there is room. How many cars can be taken along if lanes are chosen well?"
)
SOLUTION = '''\
def tolls(cells):
    """Smallest sum."""
    walked, jumped = [0], [0]
    for place, toll in enumerate(cells):
        from_step = min(walked[-1], jumped[-1])
        from_jump = walked[-2] if place > 0 and len(walked) > 1 else float("inf")
        walked.append(from_step + toll)
        jumped.append(from_jump + toll)
    if len(cells) == 1:
        return min(cells[0], 0)
    best = min(walked[-1], jumped[-1], walked[-2])
    return best if best < float("inf") else -1
'''
SHOUTED = (
    SOLUTION.replace("walked", "a").replace("jumped", "b").replace("tolls", "f").replace('"""Smallest sum."""', "")
)
BOILERPLATE = (
    "The first line of the input contains a single integer t, the number of test cases. The description of the test "
    "cases follows. It is guaranteed that the sum of n over all test cases does not exceed 200000. For each test case, "
    "print the answer on a line of its own. If there are multiple answers, you may print any of them, in any order. "
)


def sets(*extra):
    found = EvaluationSets()
    found.add("bench", "bench/1", ROBOT, [SOLUTION])
    for number, (statement, solution) in enumerate(extra, start=2):
        found.add("bench", f"bench/{number}", statement, [solution] if solution else [])
    return found


def kinds(statement, *codes, known=None):
    return [(h.kind, h.against_id) for h in (known or sets()).hits("mine", statement, codes)]


# ------------------------------------------------------------------------------------------------ what is found


@pytest.mark.parametrize(
    "statement",
    [
        ROBOT,
        ROBOT.replace("$", "").replace("\\le", "≤").upper(),
        f"Solve the following coding problem using the programming language python:\n\n{ROBOT}\n\nExample 1:\n\n3 1 2",
    ],
)
def test_the_same_statement_is_found(statement):
    """However it is set and framed; with the words as evidence."""
    (hit,) = sets().hits("mine", statement)
    assert (hit.problem_id, hit.against, hit.against_id, hit.kind) == ("mine", "bench", "bench/1", "same_statement")
    assert (hit.score, hit.evidence.startswith("a delivery robot stands in cell a1")) == (1.0, True)


def test_a_statement_within_another_is_found():
    """Parts of a statement, in a new frame and with more around them: the longest run is the evidence."""
    half = ROBOT[ROBOT.index("In each step") :]
    statement = f"Lena's robot works in a warehouse, at night only, and she pays its bills. {half} Tell her. {FERRY}"
    (hit,) = sets().hits("mine", statement)
    assert hit.kind == "statement_overlap"
    assert hit.evidence.startswith("in each step it moves to the next cell")
    assert hit.evidence.endswith("may never jump twice in a row tell her".removesuffix(" tell her"))
    assert 0.3 < hit.score < 1


def test_a_short_statement_within_another_is_found():
    """Of few words all have to be there, in their order."""
    short = "Find the number of ways to cover a board of three by n with dominoes of two."
    known = sets((short, None))
    assert kinds(f"Welcome to the tiler's shop of Old Town! {short} Print it.", known=known) == [
        ("statement_overlap", "bench/2")
    ]
    assert kinds(short.replace("three", "four"), known=known) == []


def test_solutions_are_found():
    """The same solution under other names, and one with an edit, though the statement says something else."""
    assert kinds(FERRY, SHOUTED) == [("same_solution", "bench/1")]
    assert kinds(FERRY, "def g(x): return x", SHOUTED.replace("return min(cells[0], 0)", "return 0")) == [
        ("solution_overlap", "bench/1")
    ]
    assert kinds(ROBOT, SHOUTED) == [("same_statement", "bench/1"), ("same_solution", "bench/1")]


def test_each_set_that_has_it_is_told():
    """One statement in two sets is two hits: each is decided about by itself."""
    known = sets()
    known.add("other", "other/9", f"{ROBOT}\n\nExample:\n1", [])
    assert [h.against for h in known.hits("mine", ROBOT)] == ["bench", "other"]
    half = ROBOT[ROBOT.index("In each step") :] + FERRY
    assert [h.against for h in known.hits("mine", half)] == ["bench", "other"]


# ------------------------------------------------------------------------------------------------ what is not


@pytest.mark.parametrize(
    "statement",
    [
        FERRY,
        "",
        "Sort a list of numbers.",
        "Find the smallest sum of tolls.",
        BOILERPLATE,
        "A robot in a corridor of cells moves or jumps. Find the smallest number of steps to the last of n cells.",
    ],
)
def test_other_statements_are_none(statement):
    """The same subject, the same trade, and few words are no evidence."""
    known = sets((BOILERPLATE + FERRY[:60], None), ("Sort a list of numbers.", None))
    assert [h for h in known.hits("mine", statement) if h.kind != "same_statement"] == []
    assert kinds("Sort a list of numbers.", known=known) == []


def test_sentences_of_the_trade_are_no_evidence():
    """Two problems that share all of their boilerplate and nothing else don't meet."""
    known = EvaluationSets()
    known.add("bench", "b", f"{FERRY}\n{BOILERPLATE}")
    assert known.hits("mine", f"{ROBOT}\n{BOILERPLATE}") == []


def test_what_many_problems_share_is_no_evidence():
    """A turn of phrase in several problems of the sets says nothing; in fewer it does."""
    phrase = (
        "Polycarp the wizard lives in a tower of glass beyond the seventh hill and every morning before breakfast he "
        "writes a riddle on the wall for the children of the village to think about until the evening bell"
    )
    for copies, found in ((COMMON - 1, True), (COMMON, False)):
        known = EvaluationSets()
        for n in range(copies):
            known.add("bench", str(n), f"{phrase}. {' '.join(f'word{n}x{k}' for k in range(30))}")
        hits = known.hits("mine", f"{phrase}. {' '.join(f'other{k}' for k in range(20))}")
        assert bool(hits) is found


def test_renderings_of_one_statement_are_one_problem():
    """The same statement in many sets does not make its words common."""
    known = EvaluationSets()
    for n in range(COMMON + 2):
        known.add(f"set{n}", "p", f"{ROBOT}\n\nExample {n}:\n{n}")
    assert len(known.hits("mine", ROBOT)) == COMMON + 2
    assert {h.kind for h in known.hits("mine", f"Story first. {ROBOT} And a question.")} == {"statement_overlap"}


@pytest.mark.parametrize(
    "code",
    [
        "def f(nums):\n    return sum(nums)",
        "import sys\ndef main():\n    n, *a = map(int, sys.stdin.read().split())\n    print(sum(a))\nmain()",
        "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a",
        "", "def f(:", "\ud800",
    ],
)  # fmt: skip
def test_idioms_are_none(code):
    """Code of a few lines is anybody's, also where it is the reference."""
    assert kinds(FERRY, code, known=sets((FERRY.replace("Cars", "Vans"), code), (ROBOT + " No.", code)))[1:] == []
    assert "solution" not in str(kinds("", code, known=sets((FERRY, code))))


@pytest.mark.parametrize(
    "piece",
    ["\n", "-", "a", "constraints", "the sum of ", "print a ", "line contains ", "th ", "1 ", "(", "is a permutation",
     "first line of "],
)  # fmt: skip
def test_no_statement_takes_long(piece):
    """Long texts of one piece, and texts that no codec takes, pass."""
    text = piece * (20_000 // len(piece))
    assert sets((text, None)).hits("mine", f"{text}\ud800") is not None


# ------------------------------------------------------------------------------------------------ files


def write(path, *rows):
    text = "".join(json.dumps(r) + "\n" for r in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def problem(problem_id, statement, *solutions):
    return {
        "problem_id": problem_id,
        "problem": statement,
        "solutions": list(solutions),
        "test_cases": [],
        "metadata": {},
    }


def test_problem_files_and_result_files_are_read(tmp_path):
    """Problems with references, results with verified code, packed or not; a set is called as its file."""
    first = write(tmp_path / "robots.jsonl.gz", problem("r/1", ROBOT))
    result = {"problem": problem("f/1", FERRY), "final_code": SOLUTION, "verified": True}
    second = write(tmp_path / "runs.jsonl", result, result | {"final_code": "x", "verified": False})
    found = read_evaluation_sets([first, second, first])
    assert len(found) == 4
    assert [h.against for h in found.hits("m", ROBOT)] == ["robots", "robots#2"]
    assert {(h.against, h.kind) for h in found.hits("m", "", [SHOUTED])} == {("runs", "same_solution")}


def test_other_files_are_refused(tmp_path):
    """What is neither says which line, and what to do."""
    with pytest.raises(DataError, match=r"line 1 is neither .*codegen preprocess"):
        read_evaluation_sets([write(tmp_path / "raw.jsonl", {"task_id": 1, "text": "Write ..."})])
    with pytest.raises(DataError, match=r"nosuch"):
        read_evaluation_sets([tmp_path / "nosuch.jsonl"])
    with pytest.raises(ConfigError, match="no evaluation set is named"):
        read_evaluation_sets([])


def test_decisions_are_kept(tmp_path):
    """A review file holds each hit once; what a person writes into it is read back and carried over."""
    path = tmp_path / "review.jsonl"
    hits = sets().hits("mine", ROBOT, [SHOUTED])
    assert write_review(path, [*hits, *hits], read_review(path)) == 2
    rows = [row for _, row in read_lines(path)]
    assert [(r["kind"], r["keep"]) for r in rows] == [("same_statement", None), ("same_solution", None)]
    assert {*rows[0]} == {"problem_id", "against", "against_id", "kind", "score", "evidence", "keep"}
    write(path, rows[0] | {"keep": True}, rows[1], {"problem_id": "gone", "keep": True})
    review = read_review(path)
    assert [review.keeps(h) for h in hits] == [True, False]
    assert review.keeps(Hit("gone", "any", "x", "same_statement", "", 1.0))
    assert write_review(path, hits, review) == 3
    assert [r["keep"] for _, r in read_lines(path)] == [True, None, True]


def test_the_closest_decision_counts(tmp_path):
    """A decision about one hit stands above one about all hits of its problem."""
    path = write(
        tmp_path / "review.jsonl",
        {"problem_id": "p", "keep": True},
        {"problem_id": "p", "against": "s", "against_id": "1", "kind": "same_solution", "keep": False},
    )
    review = read_review(path)
    assert review.keeps(Hit("p", "s", "1", "same_statement", "", 1.0))
    assert not review.keeps(Hit("p", "s", "1", "same_solution", "", 1.0))
    assert not review.keeps(Hit("q", "s", "1", "same_statement", "", 1.0))


@pytest.mark.parametrize(
    "row", [[], {"keep": True}, {"problem_id": "p", "keep": "yes"}, {"problem_id": 3, "keep": None}]
)
def test_a_review_that_says_nothing_is_refused(tmp_path, row):
    """A row without a problem, or with another decision than true, false and null, names its line."""
    with pytest.raises(DataError, match="line 1: expected"):
        read_review(write(tmp_path / "review.jsonl", row))


# ------------------------------------------------------------------------------------------------ genuine problems


def load(shared, name, file, **options):
    loaded = dataset_of(name).problems(LoadOptions(source=str(shared / "data" / file), **options))
    return [p for p in loaded if hasattr(p, "problem")]


@pytest.mark.shared
@pytest.mark.slow
def test_strangers_do_not_meet(shared):
    """Contest problems against MBPP and HumanEval, Codeforces against LiveCodeBench: no hit at all."""
    mbpp, humaneval = load(shared, "mbpp", "mbpp/mbpp.jsonl"), load(shared, "humaneval", "humaneval/HumanEval.jsonl.gz")
    lcb = load(shared, "livecodebench", "livecodebench/lcb_public_400.jsonl")
    codeforces = load(shared, "deepcoder", "rllm/codeforces.json", configs="codeforces")
    leetcode = load(shared, "leetcode", "rllm/leetcode_train_first300.json")
    for train, evaluation in (
        (lcb, mbpp), (lcb, humaneval), (codeforces, lcb), (leetcode, mbpp), (leetcode, lcb), (mbpp, humaneval),
    ):  # fmt: skip
        known = EvaluationSets()
        for p in evaluation:
            known.add("evaluation", p.problem_id, p.problem, p.solutions)
        assert [h for p in train for h in known.hits(p.problem_id, p.problem, p.solutions)] == []


@pytest.mark.shared
@pytest.mark.slow
def test_one_contest_in_two_data_sets_meets(shared):
    """LeetCode's problems of another collection are found in LiveCodeBench."""
    known = EvaluationSets()
    for p in load(shared, "livecodebench", "livecodebench/lcb_public_400.jsonl"):
        known.add("lcb", p.problem_id, p.problem)
    found = [
        h
        for p in load(shared, "leetcode", "leetcode_deepseek/20240121-Jul.jsonl")
        for h in known.hits(p.problem_id, p.problem)
    ]
    assert len(found) > 40
