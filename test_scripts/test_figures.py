"""Figures over rows of real runs and by hand: nothing is left out in silence, and what can't be told has a reason."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from code_generation.errors import DataError
from code_generation.evaluation.failures import FAILURES, Fact, is_wrong_signature, kind_of_failure
from code_generation.evaluation.figures import FigureOptions, evaluate, figures
from code_generation.evaluation.intervals import difference_of, rate_interval, ratio_interval
from code_generation.evaluation.outcomes import Sample, from_result, from_verdict, from_verdicts, values_by_problem
from code_generation.evaluation.passk import pass_at_k
from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.jsonl import read_objects, write_lines
from code_generation.loaders.jsonl import read_problems
from code_generation.models import Attempt, GenerationResult, Grade, Outcome, Usage
from code_generation.results import read_results
from test_scripts.conftest import ROOT, function_problem

CLOSE = {"rel": 1e-12, "abs": 1e-12}


def row(problem_id="p", *, passed=True, **facts) -> Sample:
    """A sample; `passed` None is a box that failed."""
    value = None if passed is None else float(passed)
    known = {
        "model": "m",
        "strategy": "basic",
        "dataset": "d",
        "verdict": "infra" if passed is None else "pass" if passed else "fail",
        "verified": bool(passed),
        "reward": value,
        "fraction": value,
        "n_turns": 1,
        "turns_to_success": 1 if passed else None,
        "failure": "infra" if passed is None else None if passed else "wrong_answer",
        "input_tokens": 100,
        "output_tokens": 10,
        "cost_usd": 0.01,
    }
    return Sample(problem_id=problem_id, **(known | facts))


def rows_of(table: dict[str, str], **facts) -> list[Sample]:
    """`{"p1": "++-?"}`: passed, passed, failed, infra."""
    signs = {"+": True, "-": False, "?": None}
    return [row(p, passed=signs[c], sample_index=i, **facts) for p, text in table.items() for i, c in enumerate(text)]


# ------------------------------------------------------------------------------------------------ real rows


def test_rows_of_a_real_run_become_samples(codegen, tmp_path):
    """A scrape of the samples, solved and unsolved, and figures over both files."""
    out = tmp_path / "out.jsonl"
    problems = ROOT / "datasets/three_sample.jsonl"
    done = codegen("scrape", problems, out, "--model", "scripted:flaky", "--samples-per-problem", "2")
    assert done.returncode == 0, done.stderr
    results = [r for path in (out, tmp_path / "out.unsolved.jsonl") if path.exists() for _, r in read_results(path)]
    samples = [from_result(r) for r in results]
    assert len(samples) == 2 * sum(1 for _ in read_problems(problems))
    for sample, result in zip(samples, results, strict=True):
        assert (sample.verified, sample.n_turns) == (result.verified, len(result.attempts))
        assert (sample.problem_id, sample.sample_index) == (
            result.problem.problem_id,
            result.generation_metadata["sample_index"],
        )
        assert sample.verdict == ("pass" if result.verified else "fail")
        assert (sample.failure is None) == result.verified and sample.strategy == "basic"
        if result.verified:
            assert sample.turns_to_success == len(result.attempts) and sample.reward == 1
    (found,) = evaluate(samples, FigureOptions(ks=(1, 2, 3)))
    assert found.all.pass_at[1].value == pytest.approx(fmean(s.verdict == "pass" for s in samples))
    assert found.all.pass_at[3].value is None and "needs 3 samples" in found.all.pass_at[3].reason
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["all"]["n_samples"] == len(samples)


def test_rows_of_a_real_grading_become_samples(codegen, tmp_path):
    """Verdicts of `codegen grade`: wrong code, no code, right code; facts of the problems where they are given."""
    problems = ROOT / "datasets/three_sample.jsonl"
    known = {p.problem_id: p for p in read_problems(problems)}
    name, problem = next((n, p) for n, p in known.items() if p.func_name)
    candidates = [
        {"problem_id": name, "code": problem.solutions[0]},
        {"problem_id": name, "code": f"def {problem.func_name}(*, nothing): pass"},
        {"problem_id": name, "response": "I would rather not."},
        {"problem_id": name, "code": "def broken(:"},
        {"problem_id": name, "code": "x = 1"},
    ]
    write_lines(tmp_path / "candidates.jsonl", candidates)
    done = codegen("grade", problems, tmp_path / "candidates.jsonl", "--output", tmp_path / "verdicts.jsonl")
    assert done.returncode == 0, done.stderr
    rows = [r for _, r in read_objects(tmp_path / "verdicts.jsonl")]
    samples = from_verdicts(rows, known, model="m")
    kinds = [None, "wrong_signature", "no_code", "syntax_error", "missing_function"]
    assert [s.failure for s in samples] == kinds
    assert [s.sample_index for s in samples] == [0, 1, 2, 3, 4] and samples[0].verified
    assert samples[2].extraction_failed and not samples[1].extraction_failed
    assert samples[0].dataset == problem.metadata.get("source", "")
    found = figures(samples)
    assert found.all.failures == dict.fromkeys(["no_code", "syntax_error", "missing_function", "wrong_signature"], 1)
    assert found.costs.cost_usd is None and found.costs.n_unknown_cost == 5
    assert found.first_turn.value is None and "5 of 5" in found.first_turn.reason
    assert from_verdict(rows[0]).dataset == "" and from_verdict(rows[0] | {"tests": "public"}).verified is False


@pytest.mark.parametrize("bad", [{}, {"problem_id": "p", "verdict": "good", "outcomes": []}, {"problem": {}}])
def test_other_rows_are_no_verdicts(bad):
    """The message says what was expected."""
    with pytest.raises(DataError, match="verdict row of codegen grade"):
        from_verdict(bad)


TWO = function_problem(([1], 1, True), ([2], 2), ([0], 0), func_name="f")


KINDS = {
    "def f(x): return -x": "wrong_answer",
    "def f(x): return 1": "edge_case",
    "def f(x): return x if x else 1 / x": "edge_case",
    "def f(x): raise KeyError(x)": "runtime_error",
    "def f(): return 1": "wrong_signature",
    "def f(x, y): return 1": "wrong_signature",
    "def f(x):\n    def g(): pass\n    return g(x)": "runtime_error",
    "def g(x): return x": "missing_function",
    "def f(x) return x": "syntax_error",
}


def test_kinds_of_failure_of_real_code():
    """From the sandbox to the kind."""

    async def kinds():
        async with open_executor() as executor:
            grades = [await TestExecutionGrader(executor).grade(TWO, code) for code in KINDS]
        return [kind_of_failure([Fact(o.status, o.is_public, o.error) for o in g.outcomes]) for g in grades]

    assert dict(zip(KINDS, asyncio.run(kinds()), strict=True)) == KINDS


@pytest.mark.parametrize(
    ("facts", "how", "kind"),
    [
        (["passed", "infra_error"], {"refused": True}, "infra"),
        ([], {"refused": True, "finish_reason": "length"}, "refused"),
        (["wrong_answer"], {"finish_reason": "max_tokens"}, "cut_off"),
        ([], {"has_code": False}, "no_code"),
        (["passed"] * 4 + ["wrong_answer"], {}, "edge_case"),
        (["passed"] * 3 + ["wrong_answer"], {}, "wrong_answer"),
        (["passed"] * 9 + ["timeout"], {}, "timeout"),
        (["wrong_answer", "timeout"], {}, "wrong_answer"),
        (["memory_limit", "not_run"], {}, "memory_limit"),
        (["output_limit"], {}, "output_limit"),
        (["not_run"], {}, "wrong_answer"),
    ],
)
def test_kinds_of_failure_by_precedence(facts, how, kind):
    """The table's order decides where several hold; each kind has a line that defines it."""
    assert kind_of_failure([Fact(status, is_public=False) for status in facts], **how) == kind
    assert kind in FAILURES


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        ("TypeError: f() takes 1 positional argument but 2 were given", True),
        ("TypeError: Solution.f() missing 2 required positional arguments: 'a' and 'b'", True),
        ("TypeError: f() got an unexpected keyword argument 'k'", True),
        ("TypeError: len() takes exactly one argument (2 given)", True),
        ("TypeError: object of type 'int' has no len()", False),
        ("Traceback (most recent call last):\nTypeError: g() takes 0 positional arguments but 1 was given", False),
        ("", False),
    ],
)
def test_wrong_signatures(error, is_one):
    """Only where the tests' own call fails."""
    assert is_wrong_signature(error) is is_one


def attempt(code, outcomes, **facts):
    judged = None
    if outcomes is not None:
        good = set(outcomes) == {"passed"}
        judged = Grade(
            verdict="infra" if "infra_error" in outcomes else "pass" if good else "fail",
            n_passed=outcomes.count("passed"),
            n_tests=len(outcomes),
            reward=float(good),
            fraction=outcomes.count("passed") / max(1, len(outcomes)),
            outcomes=[Outcome(status=s, is_public=False) for s in outcomes],
        )
    known = {"usage": Usage(), "cost_usd": None, "latency_s": 1.0, "finish_reason": "stop"}
    return Attempt(code=code, grade=judged, **(known | facts))


def test_what_a_result_says():
    """Turns, refusals, no code, no tests, a failed box: each is what it is."""
    base = GenerationResult(
        problem=TWO,
        final_code=None,
        full_message_history=[],
        generation_metadata={"model": "m", "prompt_id": "basic", "sample_index": 3},
        verified=False,
        satisfied=False,
        attempts=[],
        usage=Usage(input_tokens=7),
        cost_usd=None,
        certificate=None,
        schema=1,
    )

    def of(*attempts, **facts):
        known = {"attempts": list(attempts), "final_code": attempts[-1].code, "verified": False}
        return from_result(structs.replace(base, **(known | facts)), hack_signs=("sign",))

    late = of(attempt("a", ["wrong_answer"]), attempt(None, None), attempt("c", ["passed"]), verified=True)
    assert (late.turns_to_success, late.n_turns, late.verdict, late.failure) == (3, 3, "pass", None)
    silent = of(attempt(None, None))
    assert (silent.verdict, silent.reward, silent.failure, silent.extraction_failed) == ("fail", 0, "no_code", True)
    assert of(attempt(None, None, refusal="policy")).failure == "refused"
    assert of(attempt("x", ["wrong_answer"], finish_reason="length")).failure == "cut_off"
    boxed = of(attempt("x", ["passed", "infra_error"]))
    assert (boxed.verdict, boxed.reward, boxed.fraction, boxed.failure) == ("infra", None, None, "infra")
    bare = structs.replace(base.problem, test_cases=[])
    patch = of(attempt("diff", []), problem=bare)
    assert (patch.verdict, patch.reward, patch.failure, patch.counts) == (None, None, None, False)
    assert of(attempt(None, None), problem=bare).verdict is None
    assert of(attempt("x", ["passed"]), extra={"log_ratio": 0.25}).log_ratio == 0.25
    assert late.hack_signs == ("sign",) and late.cost_usd is None
    assert (late.model, late.strategy, late.sample_index, late.input_tokens) == ("m", "basic", 3, 7)


# ------------------------------------------------------------------------------------------------ by hand


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.text("+-?", min_size=1, max_size=6), min_size=1),
    st.sampled_from(["refuse", "leave_out"]),
)
def test_pass_at_k_of_any_rows(table, missing):
    """Recomputed from the text: the mean over problems with enough verdicts, or a refusal."""
    found = figures(rows_of(table), FigureOptions(ks=(1, 2), missing=missing)).all
    valid = {p: text.replace("?", "") for p, text in table.items()}
    assert (found.n_problems, found.n_samples) == (len(table), sum(map(len, valid.values())))
    assert found.n_infra == sum(t.count("?") for t in table.values()) == found.failures.get("infra", 0)
    assert found.n_without_verdict == sum(not t for t in valid.values())
    for k, figure in found.pass_at.items():
        enough = [t for t in valid.values() if len(t) >= k]
        if not enough or (len(enough) < len(valid) and missing == "refuse"):
            assert figure.value is None and f"pass@{k} needs" in figure.reason
            assert ("box failed" in figure.reason) == (found.n_infra > 0)
        else:
            values = [pass_at_k(len(t), t.count("+"), k) for t in enough]
            assert figure.value == pytest.approx(fmean(values), **CLOSE)
            expected = rate_interval(values)
            assert (figure.interval.low, figure.interval.high) == (expected.low, expected.high)
            assert (figure.reason is not None) == (len(enough) < len(valid))


def test_a_failed_box_is_in_no_denominator():
    """Nor is it hidden: pass@1 stays 1, and the count is there."""
    found = figures(rows_of({"a": "+?", "b": "+?"}))
    assert found.all.pass_at[1].value == 1 == found.all.mean_reward.value
    assert found.all.n_infra == 2 and found.all.failures == {"infra": 2}
    lost = figures(rows_of({"a": "+", "b": "?"})).all
    assert lost.pass_at[1].value is None and lost.n_without_verdict == 1
    assert "1 of 2 problems has fewer" in lost.pass_at[1].reason
    assert "1 more sample has no verdict, as a box failed" in lost.pass_at[1].reason
    left = figures(rows_of({"a": "+", "b": "?"}), FigureOptions(missing="leave_out")).all.pass_at[1]
    assert left.value == 1 and left.reason.startswith("over 1 of 2 problems: 1 with fewer than 1 sample left out")


def test_expected_problems_without_rows_are_missing():
    """What a run never reached is not passed over."""
    found = figures(rows_of({"a": "+"}), expected=["a", "b", "c"])
    assert found.all.n_missing == 2 and "2 of 3 problems have fewer" in found.all.pass_at[1].reason
    assert found.first_turn.value is None


@pytest.mark.parametrize(("text", "value"), [("+++++", 1), ("-----", 0)])
def test_all_and_nothing_have_width(text, value):
    """Neither is certain."""
    found = figures(rows_of({f"p{i}": text for i in range(30)})).all.pass_at
    for k in (1, 5):
        assert found[k].value == value and 0.1 < found[k].interval.high - found[k].interval.low < 0.2


def test_one_problem_has_no_interval_to_speak_of():
    """From 0 to 1, with the reason."""
    found = figures(rows_of({"a": "+-+-+"})).all.pass_at[1]
    assert (found.value, found.interval.low, found.interval.high) == (pytest.approx(0.6), 0, 1)


def test_each_problem_counts_once():
    """A mean over samples would follow the problem with the most of them."""
    found = figures(rows_of({"a": "+" * 9, "b": "-"})).all
    assert found.pass_at[1].value == found.mean_reward.value == 0.5
    assert found.pass_all[1].value == 0.5 and found.n_passed == 9


def test_buckets_are_figures_of_their_own():
    """Difficulty, adversarial, data set, tag; a problem may have several tags, or none."""
    rows = [
        *rows_of({"a": "+-", "b": "++"}, difficulty="easy", tags=("graphs", "dp")),
        *rows_of({"c": "--"}, difficulty="hard", adversarial=True, tags=("dp",)),
        *rows_of({"d": "?-"}),
    ]
    found = figures(rows).buckets
    assert {k: v.pass_at[1].value for k, v in found["difficulty"].items()} == {"easy": 0.75, "hard": 0}
    assert {k: v.n_problems for k, v in found["tag"].items()} == {"dp": 3, "graphs": 2}
    assert found["adversarial"]["no"].n_infra == 1 and found["adversarial"]["yes"].failures == {"wrong_answer": 2}
    assert list(found["dataset"]) == ["d"] and found["tag"]["dp"].pass_at[5].value is None


def test_the_adversarial_loss_is_a_difference_with_an_interval():
    """Plain minus adversarial, by Newcombe's hybrid; a reason where one side is empty or has too few samples."""
    plain, other = {f"p{i}": "++-" for i in range(9)}, {f"q{i}": "+--" if i % 2 else "---" for i in range(12)}
    rows = [*rows_of(plain | {"p9": "+++"}), *rows_of(other, adversarial=True)]
    found = figures(rows).adversarial_loss
    expected = difference_of(rate_interval([2 / 3] * 9 + [1.0]), rate_interval([0, 1 / 3] * 6))
    assert found.value == pytest.approx(0.7 - 1 / 6)
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))
    assert found.n_problems == 22
    assert figures(rows_of(plain)).adversarial_loss.reason == "no problem is adversarial"
    lost = [*rows_of(plain), *rows_of({"q": "?"}, adversarial=True)]
    assert "box failed" in figures(lost).adversarial_loss.reason


def test_turns_are_counted():
    """By the turn that first passed; the first turn alone has a pass@1 of its own."""
    rows = [row("a"), row("b", n_turns=3, turns_to_success=3), row("c", passed=False, n_turns=5), row("d", passed=None)]
    found = figures(rows[:3])
    assert found.turns_to_success == {"1": 1, "3": 1, "never": 1}
    assert found.first_turn.value == pytest.approx(1 / 3)
    assert figures(rows).turns_to_success == {"1": 1, "3": 1, "never": 1}


def test_costs_are_known_or_not():
    """One unknown cost makes the sum unknown; failed samples cost too."""
    rows = [row("a"), row("a", passed=False, sample_index=1), row("b", cost_usd=0.05), row("c", passed=None)]
    found = figures(rows).costs
    assert found.cost_usd == pytest.approx(0.08) and found.n_verified == 2
    assert found.usd_per_verified.value == pytest.approx(0.04)
    expected = ratio_interval([(0.02, 1), (0.05, 1), (0.01, 0)])
    assert found.usd_per_verified.interval.low == pytest.approx(expected.low)
    assert found.input_tokens_per_verified.value == 200 and found.output_tokens == 40
    unknown = figures([*rows, row("d", cost_usd=None, input_tokens=None)]).costs
    assert unknown.cost_usd is None and unknown.usd_per_verified.value is None
    assert (unknown.n_unknown_cost, unknown.n_unknown_tokens) == (1, 1)
    assert unknown.usd_per_verified.reason == "the cost of 1 of 5 samples is unknown"
    assert figures([row(passed=False)]).costs.usd_per_verified.reason == "no row is verified"


def test_extraction_failures_have_an_interval():
    """Shares of samples, problems as units."""
    rows = rows_of({f"p{i}": "-+" for i in range(20)})
    rows = [replace(s, extraction_failed=s.verdict == "fail" and s.problem_id < "p12") for s in rows]
    found = figures(rows).all.extraction_failures
    share = sum(s.extraction_failed for s in rows) / 40
    assert found.value == pytest.approx(share) and 0 < found.interval.low < share < found.interval.high < 1
    assert figures(rows_of({"a": "?"})).all.extraction_failures.reason == "no sample has a verdict"


def test_hack_signs_are_counted():
    """By sign, and how many of those samples passed."""
    found = figures([row("a", hack_signs=("x", "y", "x")), row("b", passed=False, hack_signs=("x",)), row("c")])
    assert (found.hack_signs, found.n_hack_signs, found.n_hack_signs_passed) == ({"x": 2, "y": 1}, 2, 1)


def test_rewards_beyond_0_and_1():
    """A format penalty makes the mean's interval Student's."""
    rows = [row("a", reward=-1.0), row("b", reward=1.0), row("c", reward=0.0)]
    found = figures(rows).all.mean_reward
    assert found.value == 0 and found.interval.method == "student"
    assert figures(rows_of({"a": "?"})).all.mean_reward.reason == "no sample has a reward"


def test_groups_are_models_prompts_and_data_sets():
    """In order; all data sets together on demand, their problems kept apart."""
    rows = [row(), row(model="n", passed=False), row(strategy="plan"), row(dataset="e", passed=False)]
    assert [(f.model, f.strategy, f.dataset) for f in evaluate(rows)] == [
        ("m", "basic", "d"),
        ("m", "basic", "e"),
        ("m", "plan", "d"),
        ("n", "basic", "d"),
    ]
    together = evaluate(rows, by_dataset=False)
    assert [(f.dataset, f.all.n_problems) for f in together] == [("", 2), ("d", 1), ("d", 1)]
    assert set(together[0].buckets["dataset"]) == {"d", "e"}
    with pytest.raises(ValueError, match="one model"):
        figures(rows)


def test_a_sample_that_stands_twice_is_refused():
    """A file given two times would make every figure look surer than it is."""
    with pytest.raises(DataError, match=r"sample 0 of problem p by m .* stands twice"):
        evaluate([row(), row()])


@pytest.mark.parametrize("ks", [(), (0,), (1, -1)])
def test_odd_ks_are_refused(ks):
    """No k, or k below 1; and no samples have no figures."""
    with pytest.raises(ValueError, match="k of 1 or more"):
        figures([row()], FigureOptions(ks=ks))
    with pytest.raises(ValueError, match="one model"):
        figures([])
    assert evaluate([]) == []


def test_bootstrap_intervals_are_a_choice():
    """The same values, the same seed, the same ends."""
    rows = rows_of({f"p{i}": "+-" if i % 3 else "++" for i in range(12)})
    how = FigureOptions(ks=(1,), method="bootstrap", resamples=200)
    found = figures(rows, how)
    assert found.all.pass_at[1].interval.method == "bootstrap" and found == figures(rows[::-1], how)
    assert found.all.pass_at[1].value == figures(rows).all.pass_at[1].value


def test_values_by_problem_leave_out_what_has_no_verdict():
    """In the order of problems and samples."""
    rows = rows_of({"b": "-+", "a": "?+", "c": "?"})
    assert values_by_problem(rows[::-1]) == {"a": [1.0], "b": [0.0, 1.0]}
    assert values_by_problem([replace(rows[0], fraction=0.3)], "fraction") == {"b": [0.3]}
