"""`codegen compare`: whose samples are whose, the tests' figures, plain words, plans, and what is refused."""

from __future__ import annotations

import json
from math import comb
from statistics import fmean

import pytest

from code_generation.errors import ConfigError, DataError
from code_generation.evaluation.power import cluster, components, problems_needed
from code_generation.jsonl import write_lines
from code_generation.measuring.comparing import compare_files, plan_files
from code_generation.measuring.options import CompareOptions, PlanOptions, RowOptions
from test_scripts.conftest import ROOT
from test_scripts.recorded_rows import command, recorded

SMALL, MEDIUM = (ROOT / f"datasets/recorded_{size}.jsonl" for size in ("small", "medium"))
CLOSE = {"rel": 1e-12, "abs": 1e-12}


def compare(*paths, rows=None, **options):
    return compare_files(paths, rows or RowOptions(), CompareOptions(**options))


def columns(n: int, *texts: str) -> list[dict[str, str]]:
    """A table a system, of n problems with a sample each."""
    return [{f"p{i:03}": text[i] for i in range(n)} for text in texts]


def test_single_samples_are_compared_by_mcnemars_exact_test(tmp_path):
    """Both counts, p as the binomial has it, the difference and a conclusion that names all of it."""
    a, b = columns(40, "+" * 20 + "+" * 9 + "-" * 1 + "-" * 10, "+" * 20 + "-" * 9 + "+" * 1 + "-" * 10)
    said, found = compare(recorded(tmp_path / "a.jsonl", a), recorded(tmp_path / "b.jsonl", b))
    (c,) = found["comparisons"]
    assert (c["mcnemar"]["only_a"], c["mcnemar"]["only_b"], c["test"], c["p_adjusted"]) == (9, 1, "McNemar", None)
    assert c["p"] == pytest.approx(2 * sum(comb(10, i) for i in range(2)) / 2**10, **CLOSE)
    assert c["difference"]["estimate"] == pytest.approx(8 / 40, **CLOSE) and c["odds_ratio"] == 9
    assert c["conclusion"].startswith("a passes more than b: +20.0 points") and c["conclusion"] in said
    assert "| 9, 1 |" in said and found["correction"] is None


def test_several_samples_are_clustered_by_problem():
    """The shipped records: the permutation of signs decides, the bootstrap draws whole problems."""
    said, found = compare(SMALL, MEDIUM)
    (c,) = found["comparisons"]
    rows = {path: [json.loads(line) for line in path.read_text().splitlines()] for path in (SMALL, MEDIUM)}
    assert c["difference"]["estimate"] == pytest.approx(
        fmean(r["passed"] for r in rows[SMALL]) - fmean(r["passed"] for r in rows[MEDIUM]), **CLOSE
    )
    assert (c["test"], c["n_problems"], c["n_samples_a"]) == ("sign-flip permutation", 30, 120)
    assert c["p"] < 0.01 and c["difference_bootstrap"]["high"] < 0
    assert "recorded_medium passes more than recorded_small" in said and "decides" in said


def test_several_pairs_are_corrected(tmp_path):
    """Three systems are three pairs; Holm's p is never below the plain one, and which correction was made is said."""
    tables = columns(30, "+" * 25 + "-" * 5, "+" * 15 + "-" * 15, "+" * 14 + "-" * 16)
    files = [recorded(tmp_path / f"{name}.jsonl", t) for name, t in zip("abc", tables, strict=True)]
    said, found = compare(*files)
    pairs = [(c["name_a"], c["name_b"]) for c in found["comparisons"]]
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")] and found["correction"] == "holm"
    assert all(c["p_adjusted"] >= c["p"] for c in found["comparisons"]) and "p, corrected" in said
    assert found["comparisons"][2]["conclusion"].startswith("no difference shown: b minus c")
    other = compare(*files, correction="benjamini-hochberg")[1]
    assert [c["p"] for c in other["comparisons"]] == [c["p"] for c in found["comparisons"]]


@pytest.mark.parametrize(
    ("a", "b", "p"), [({"p": "+"}, {"p": "-"}, 1.0), ({"p": "+", "q": "-"}, {"p": "+", "q": "-"}, 1.0)]
)
def test_degenerate_pairs_have_an_answer(tmp_path, a, b, p):
    """One problem, or systems that never differ: p is 1 and no difference is claimed."""
    said, found = compare(recorded(tmp_path / "a.jsonl", a), recorded(tmp_path / "b.jsonl", b))
    assert found["comparisons"][0]["p"] == p and "no difference shown" in said


def test_what_one_side_lacks_is_left_out_and_said(tmp_path):
    """Problems of one side only, and samples whose box failed, are counted in words."""
    a = recorded(tmp_path / "a.jsonl", {"p": "+", "q": "-", "r": "+", "s": "?"})
    b = recorded(tmp_path / "b.jsonl", {"p": "-", "q": "-", "t": "+", "s": "+"})
    said, found = compare(a, b)
    (c,) = found["comparisons"]
    assert (c["n_problems"], c["only_in_a"], c["only_in_b"], c["infra_a"]) == (2, ["r"], ["s", "t"], 1)
    assert "3 problems that one side lacks are left out" in said and "failed box" in said
    with pytest.raises(DataError, match="no problem in common"):
        compare(recorded(tmp_path / "c.jsonl", {"x": "+"}), b)


def test_rewards_and_fractions(tmp_path):
    """Other values than passes have means and a permutation test, and no McNemar."""
    a = recorded(tmp_path / "a.jsonl", {"p": "-", "q": "-"}, fraction=0.75)
    b = recorded(tmp_path / "b.jsonl", {"p": "-", "q": "-"}, fraction=0.5)
    _, found = compare(a, b, what="fraction")
    (c,) = found["comparisons"]
    assert (c["mean_a"], c["mean_b"], c["mcnemar"]) == (0.75, 0.5, None)
    assert compare(a, b, what="reward")[1]["comparisons"][0]["difference"]["estimate"] == 0


def test_systems_are_files_models_or_strategies(tmp_path):
    """Pooled files are split by model or strategy; what would mix two systems is refused with the way out."""
    rows = [
        {"problem_id": p, "passed": passed, "model": model, "strategy": strategy}
        for p in ("p", "q") for model, strategy, passed in
        (("x", "direct", True), ("y", "direct", False), ("x", "plan", True))
    ]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    write_lines(path, rows)
    with pytest.raises(ConfigError, match="model 'x' holds several strategies"):
        compare(path, by="model")
    with pytest.raises(ConfigError, match="needs two files, or --by model"):
        compare(path)
    with pytest.raises(ConfigError, match="a file is given twice"):
        compare(path, path)
    with pytest.raises(ConfigError, match=r"rows\.jsonl holds several models \(x, y\); compare those with --by model"):
        compare(path, SMALL)
    write_lines(path, rows[:2] + rows[3:5])
    assert list(compare(path, by="model")[1]["systems"]) == ["x", "y"]
    write_lines(path, rows[::3])
    with pytest.raises(ConfigError, match="one strategy only, direct"):
        compare(path, by="strategy")


def test_files_of_one_name_and_problems_of_one_id(tmp_path):
    """Folders tell files apart; data sets tell problems apart."""
    for name, text in (("one", "+"), ("two", "-")):
        (tmp_path / name).mkdir()
        rows = [{"problem_id": "p", "passed": text == "+", "dataset": d} for d in ("d", "e")]
        write_lines(tmp_path / name / "out.jsonl", rows)
    _, found = compare(tmp_path / "one/out.jsonl", tmp_path / "two/out.jsonl")
    (c,) = found["comparisons"]
    assert (c["name_a"], c["name_b"], c["n_problems"]) == ("one/out", "two/out", 2)


def test_a_plan_from_a_pilot(tmp_path):
    """One pilot plans for other problems and for the same; two plan for their difference; more samples take fewer
    problems.
    """
    pilot = {"p": [1, 0, 1, 1], "q": [0, 0, 0, 1], "r": [1, 1, 1, 1], "s": [0, 1, 0, 0]}
    signs = {p: "".join("-+"[v] for v in values) for p, values in pilot.items()}
    path = recorded(tmp_path / "pilot.jsonl", signs)
    said, found = plan_files([path], RowOptions(), "pass", PlanOptions(plan=True, difference=0.05))
    independent, paired = found["plans"].values()
    parts = components([cluster(v) for v in pilot.values()])
    assert independent["pilot"]["between"] == pytest.approx(2 * parts.between, **CLOSE)
    assert [r["problems"] for r in independent["rows"]] == sorted(r["problems"] for r in independent["rows"])[::-1]
    assert all(p["problems"] <= i["problems"] for p, i in zip(paired["rows"], independent["rows"], strict=True))
    assert f"| 1 | {independent['rows'][0]['problems']:,} |" in said and "80 % power" in said
    _, two = plan_files([SMALL, MEDIUM], RowOptions(), "pass", PlanOptions(plan=True, difference=0.1))
    (only,) = two["plans"].values()
    assert only["pilot"]["design"] == "paired" and only["difference"] == 0.1
    single = recorded(tmp_path / "single.jsonl", {"p": "+", "q": "-"})
    said, found = plan_files([single], RowOptions(), "pass", PlanOptions(plan=True, difference=0.5))
    (only,) = found["plans"].values()
    assert only["rows"][0]["problems"] == problems_needed(
        0.5, components([cluster([1.0]), cluster([0.0])]).__class__(
            design="independent", n_problems=2, mean=0.0, between=1.0, within=None)
    )  # fmt: skip
    assert "Note: the pilot has problems with one sample" in said


def test_plans_that_can_not_be(tmp_path):
    """No difference, three pilots, a pilot of one problem: a line each."""
    one = recorded(tmp_path / "one.jsonl", {"p": "+-"})
    for paths, options, said in (
        ([SMALL], {}, "--plan needs --difference"),
        ([SMALL], {"difference": 0.0}, "--plan needs --difference"),
        ([SMALL], {"difference": 0.1, "power": 1.0}, "--power lies between half of --alpha"),
        ([SMALL, MEDIUM, one], {"difference": 0.1}, "one pilot, or two"),
        ([one], {"difference": 0.1}, "at least two problems"),
    ):
        with pytest.raises((ConfigError, DataError), match=said):
            plan_files(paths, RowOptions(), "pass", PlanOptions(plan=True, **options))


def test_the_wrong_number_of_a_plan_is_named_alone(tmp_path):
    """Each range is said of its own flag."""
    for flag, value, others in (
        ("--power", "80", "--alpha 1"),
        ("--alpha", "5", "--power"),
        ("--correlation", "2", "-p"),
    ):
        with pytest.raises(ConfigError) as error:
            command("compare", "--plan", SMALL, "--difference", "0.05", flag, value)
        assert str(error.value).startswith(f"{flag} lies") and others not in str(error.value)


def test_a_plan_begins_with_what_its_pilot_can_not_say(tmp_path, capsys):
    """A pilot without variance plans nothing, which is said before the table."""
    rows = recorded(tmp_path / "m.jsonl", {"a": "++", "b": "++"})
    assert command("compare", "--plan", rows, "--difference", "0.05") == 0
    assert capsys.readouterr().out.startswith("Note: the pilot shows no variance at all")


def test_flags_of_the_other_half_are_refused(tmp_path):
    """What a plan, or a comparison, would pass over is named."""
    with pytest.raises(ConfigError, match="--power, --alpha: for --plan"):
        command("compare", SMALL, MEDIUM, "--power", "0.9", "--alpha", "0.01")
    with pytest.raises(ConfigError, match="--by, --seed: not with --plan"):
        command("compare", "--plan", SMALL, "--difference", "0.1", "--by", "model", "--seed", "3")


def test_the_command(tmp_path, capsys):
    """What is printed is what is written; a file of something else is not replaced."""
    out = tmp_path / "c.json"
    assert command("compare", SMALL, MEDIUM, "--output", out) == 0
    shown, found = capsys.readouterr().out, json.loads(out.read_text())
    assert found["comparisons"][0]["conclusion"] in shown
    with pytest.raises(ConfigError, match="holds no plan"):
        command("compare", "--plan", SMALL, "--difference", "0.05", "--output", out)
    assert command("compare", "--plan", SMALL, "--difference", "0.05", "--output", tmp_path / "p.json") == 0
    assert json.loads((tmp_path / "p.json").read_text())["plan"] == 1
    with pytest.raises(ConfigError, match="--difference: for --plan"):
        command("compare", SMALL, MEDIUM, "--difference", "0.05")
    with pytest.raises(ConfigError, match="--level lies between"):
        command("compare", SMALL, MEDIUM, "--level", "95")
