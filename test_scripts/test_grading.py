"""Files of candidates graded, and claims of files checked again."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys

import pytest

from code_generation.certificate import sha256_text
from code_generation.records import to_json_object
from test_scripts.conftest import ROOT, function_problem

RIGHT = "def f(n): return n + 1"
PROBLEM = to_json_object(function_problem(([1], 2, True), ([5], 6), solutions=[RIGHT]))


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def graded(tmp_path, codegen):
    """Grade candidates through the real command; returns (process, verdict rows)."""

    def run(candidates, *flags):
        write(tmp_path / "p.jsonl", [PROBLEM])
        write(tmp_path / "c.jsonl", candidates)
        done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", *flags)
        return done, read(tmp_path / "v.jsonl") if (tmp_path / "v.jsonl").exists() else []

    return run


CANDIDATES = [
    {"problem_id": "p", "candidate_id": "a", "code": RIGHT},
    {"problem_id": "p", "candidate_id": 7, "code": "def f(n): return 2"},
    {"problem_id": "p", "response": f"Sure:\n```python\n{RIGHT}\n```"},
    {"problem_id": "p", "response": "I don't know."},
]


def test_verdicts_in_input_order(graded):
    """A row a candidate, in their order, with the fields of the contract; wrong answers are results: exit 0."""
    done, rows = graded(CANDIDATES)
    assert done.returncode == 0
    assert [(r["candidate_id"], r["verdict"], r["n_passed"], r["n_tests"], r["reward"]) for r in rows] == [
        ("a", "pass", 2, 2, 1.0), ("7", "fail", 1, 2, 0.0), (None, "pass", 2, 2, 1.0), (None, "fail", 0, 2, 0.0),
    ]  # fmt: skip
    wanted = ["problem_id", "candidate_id", "verdict", "n_passed", "n_tests", "reward", "outcomes"]
    assert [k for k in rows[0] if k in wanted] == wanted


@pytest.mark.parametrize(("tests", "verdict"), [("all", "fail"), ("public", "pass"), ("private", "fail")])
def test_which_tests_decide(graded, tests, verdict):
    """--tests picks the side of the tests that is graded."""
    _, rows = graded(CANDIDATES[1:2], "--tests", tests)
    assert [r["verdict"] for r in rows] == [verdict]


def test_stop_early(graded):
    """With --stop-early the tests after the first failure are not run."""
    _, rows = graded([{"problem_id": "p", "code": "def f(n): return 0"}], "--stop-early")
    assert [o["status"] for o in rows[0]["outcomes"]] == ["wrong_answer", "not_run"]


def test_grading_resumes(graded, tmp_path):
    """The same command again keeps the verdicts that are there, whole, and adds what is missing."""
    graded(CANDIDATES)
    whole = (tmp_path / "v.jsonl").read_text()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "v.jsonl").write_text(lines[0] + lines[1] + lines[2][:30])
    done, rows = graded(CANDIDATES)
    assert (done.returncode, len(rows), "2 judged before" in done.stdout) == (0, 4, True)
    assert (tmp_path / "v.jsonl").read_text().startswith(lines[0] + lines[1])


def test_infra_verdicts_are_judged_again(graded, tmp_path):
    """A verdict that the box could not give is made up for by the next run, in its place."""
    graded(CANDIDATES)
    rows = read(tmp_path / "v.jsonl")
    rows[0]["verdict"] = "infra"
    write(tmp_path / "v.jsonl", rows)
    done, rows = graded(CANDIDATES)
    assert (done.returncode, [r["verdict"] for r in rows]) == (0, ["pass", "fail", "pass", "fail"])


def test_other_verdicts_are_not_touched(graded, tmp_path):
    """A file with verdicts of other candidates is left alone; --force moves it aside."""
    graded(CANDIDATES)
    before = (tmp_path / "v.jsonl").read_text()
    done, _ = graded(CANDIDATES[1:])
    assert (done.returncode, done.stderr.count("\n"), (tmp_path / "v.jsonl").read_text()) == (2, 1, before)
    done, rows = graded(CANDIDATES[1:], "--force")
    assert (done.returncode, len(rows), (tmp_path / "v.jsonl.bak").read_text()) == (0, 3, before)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run and an export of it."""
    folder = tmp_path_factory.mktemp("run")
    write(folder / "p.jsonl", [PROBLEM, {**PROBLEM, "problem_id": "q"}])
    for words in ("scrape p.jsonl s.jsonl --model scripted:flaky", "export s.jsonl --output sft.jsonl"):
        subprocess.run([sys.executable, "-m", "code_generation", *words.split()], cwd=folder, check=True)
    return folder


@pytest.fixture
def run(made, tmp_path):
    """A copy of it to spoil: its result rows and how to write them back and verify them."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def edit(path, number, change):
    rows = read(path)
    change(rows[number])
    write(path, rows)


WRONG = "def f(n): return 2"


def wrong_code(row):
    row["final_code"] = WRONG


def wrong_code_with_hashes(row):
    wrong_code(row)
    row["certificate"]["code_sha256"] = sha256_text(WRONG)
    row["attempts"][-1]["code"] = WRONG


def all_of_it(row):
    wrong_code_with_hashes(row)
    row["full_message_history"][-1]["content"] = f"```python\n{WRONG}\n```"


def last_message(row):
    row["full_message_history"][-1]["content"] = f"```python\n{WRONG}\n```"


def no_certificate(row):
    row["certificate"] = None


def fewer_tests(row):
    wrong_code_with_hashes(row)
    row["problem"]["test_cases"] = row["problem"]["test_cases"][:1]


def no_tests(row):
    row["problem"]["test_cases"] = []


def another_statement(row):
    row["problem"]["problem"] += " Or not."


def unsaid(row):
    row["full_message_history"] = row["full_message_history"][:-1]


def test_an_untouched_run_holds(run, codegen):
    """Every claim of a run as it was written holds."""
    done = codegen("verify", "s.jsonl")
    assert (done.returncode, done.stdout) == (0, "2 verified rows checked: 2 hold, 0 do not\n")


@pytest.mark.parametrize(
    "change",
    [wrong_code, wrong_code_with_hashes, all_of_it, last_message, no_certificate, fewer_tests, no_tests,
     another_statement, unsaid],
)  # fmt: skip
def test_a_broken_claim_is_named(run, codegen, change):
    """A row that was changed, hashes recomputed or not, is named by its problem, and the exit status is 1."""
    edit(run / "s.jsonl", 1, change)
    name = read(run / "s.jsonl")[1]["problem"]["problem_id"]
    done = codegen("verify", "s.jsonl")
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines), f"s.jsonl:2 {name}:" in lines[0]) == (1, 2, True)


def test_exports_need_their_run(run, codegen):
    """An export holds no tests: without --results one line says so, with it every claim is checked."""
    done = codegen("verify", "sft.jsonl")
    assert (done.returncode, done.stderr.count("\n"), "--results" in done.stderr) == (2, 1, True)
    done = codegen("verify", "sft.jsonl", "--results", "s.jsonl")
    assert (done.returncode, done.stdout) == (0, "2 verified rows checked: 2 hold, 0 do not\n")


@pytest.mark.parametrize("rehash", [False, True])
def test_a_changed_export_is_named(run, codegen, rehash):
    """An exported answer that is not the verified one is named."""

    def change(row):
        row["messages"][-1]["content"] = f"```python\n{WRONG}\n```"
        if rehash:
            row["code_sha256"] = hashlib.sha256(WRONG.encode()).hexdigest()

    edit(run / "sft.jsonl", 0, change)
    done = codegen("verify", "sft.jsonl", "--results", "s.jsonl")
    assert (done.returncode, "sft.jsonl:1" in done.stdout) == (1, True)


def test_an_unsolved_row_made_to_claim(run, codegen):
    """A row of the error log that says it is verified is found out."""
    codegen("scrape", "p.jsonl", "w.jsonl", "--model", "scripted:wrong", "--max-turns", 1)
    path = run / "w.unsolved.jsonl"
    edit(path, 0, lambda row: row.update(verified=True))
    done = codegen("verify", path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 verified rows checked: 0 hold, 1 do not")


OTHERWISE = {
    ("--mode", "batch"): 'mode of line 1 is "isolated", not "batch"',
    ("--timeout-s", "1"): 'limits of line 1 is {"timeout_s": 6.0',
    ("--isolation", "restricted"): 'isolation of line 1 is "full", not "restricted"',
    ("--tests", "public"): 'tests of line 1 is "all", not "public"',
}


def test_verdicts_made_otherwise_are_not_resumed(codegen):
    """A file of verdicts goes on only in the way it was begun; what differs is said, and the file stays as it is."""
    samples = [ROOT / f"datasets/three_{name}.jsonl" for name in ("sample", "candidates")]
    first = codegen("grade", *samples, "--output", "v.jsonl", "--isolation", "full")
    again = {flags: codegen("grade", *samples, "--output", "v.jsonl", *flags) for flags in OTHERWISE}
    same = codegen("grade", *samples, "--output", "v.jsonl")
    assert (first.returncode, {done.returncode for done in again.values()}) == (0, {2})
    assert [flags for flags, said in OTHERWISE.items() if said not in again[flags].stderr] == []
    assert "(6 judged before)" in same.stdout


def test_what_was_flaky_is_remembered(codegen, tmp_path):
    """A run that goes on knows the flaky candidates of the one before: two of a problem quarantine it."""
    test = {"type": "stdin", "input": "", "output": "1", "is_public": True}
    problem = {"problem_id": "p", "problem": "", "solutions": [], "metadata": {}, "test_cases": [test]}
    write(tmp_path / "p.jsonl", [problem])
    coin = "import os\nprint(os.urandom(1)[0] % 2)  # {}"
    write(tmp_path / "c.jsonl", [{"problem_id": "p", "code": coin.format(n)} for n in range(30)])
    codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", "--recheck", 1)
    rows = read(tmp_path / "v.jsonl")
    first = next(n for n, row in enumerate(rows) if row["flaky"])
    write(tmp_path / "v.jsonl", [{k: v for k, v in row.items() if k != "quarantined"} for row in rows[: first + 1]])
    done = codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl", "--recheck", 1e-9)
    assert "quarantined: p" in done.stderr
    assert all(row["quarantined"] for row in read(tmp_path / "v.jsonl"))


@pytest.mark.parametrize(
    ("output", "policy", "code", "verdict"),
    [
        (["6", "7"], "default", "print(6)\nprint(7)", "1 pass"), (["6", "7"], "default", "print(['6', '7'])", "1 fail"),
        (["6", "7"], "any_of", "print(7)", "1 pass"),
    ],
)  # fmt: skip
def test_outputs_that_are_lists(codegen, tmp_path, output, policy, code, verdict):
    """Lines of one output, or right outputs where the comparison says so."""
    test = {"type": "stdin", "input": "", "output": output, "is_public": True}
    row = {"problem_id": "p", "problem": "", "metadata": {"comparison": {"name": policy}}, "test_cases": [test]}
    write(tmp_path / "p.jsonl", [row])
    write(tmp_path / "c.jsonl", [{"problem_id": "p", "code": code}])
    assert verdict in codegen("grade", "p.jsonl", "c.jsonl", "--output", "v.jsonl").stdout
    write(tmp_path / "p.jsonl", [row | {"test_cases": [test | {"output": [6, 7]}]}])
    assert "list of texts" in codegen("grade", "p.jsonl", "c.jsonl", "--output", "w.jsonl").stderr


@pytest.mark.parametrize("output", ["/dev/full", "/dev/zero"])
def test_a_device_holds_no_verdicts(codegen, output):
    """A device is no place to resume from; it is refused before anything is read from it."""
    samples = [ROOT / f"datasets/three_{name}.jsonl" for name in ("sample", "candidates")]
    done = codegen("grade", *samples, "--output", output)
    assert (done.returncode, "no regular file" in done.stderr) == (2, True)
