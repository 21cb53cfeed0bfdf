"""The demo: the whole main job, offline, from any folder."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A demo in an empty folder with an odd name: (folder, first run, second run, what the files held between)."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("dämo mit Leerzeichen")

    def run():
        command = [sys.executable, "-m", "code_generation", "demo"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        return done, {p.name: p.read_text() for p in (folder / "demo_output").glob("*.jsonl")}

    first, held = run()
    second, held_again = run()
    return folder, first, second, held, held_again


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_four_files(demo):
    """The demo ends well and leaves problems, solutions, unsolved and training rows."""
    _, first, _, held, _ = demo
    assert (first.returncode, "Traceback" in first.stderr) == (0, False)
    assert sorted(held) == ["problems.jsonl", "sft.jsonl", "solutions.jsonl", "unsolved.jsonl"]
    counts = {name.removesuffix(".jsonl"): len(rows(text)) for name, text in held.items()}
    assert counts["problems"] >= 24
    assert counts["solutions"] + counts["unsolved"] == counts["problems"]
    assert counts["sft"] == counts["solutions"]


def test_it_shows_a_repair(demo):
    """At least one problem is solved after feedback, and the terminal shows one such conversation."""
    _, first, _, held, _ = demo
    repaired = [r for r in rows(held["solutions.jsonl"]) if len(r["attempts"]) > 1]
    assert (bool(repaired), "The model was told:" in first.stdout, "turn 2:" in first.stdout) == (True, True, True)


def test_all_three_test_types(demo):
    """The sample problems use every type of test, with public and private ones."""
    tests = [t for p in rows(demo[3]["problems.jsonl"]) for t in p["test_cases"]]
    wanted = {(kind, public) for kind in ("stdin", "functional", "assert") for public in (True, False)}
    assert wanted <= {(t["type"], t["is_public"]) for t in tests}


def test_again_it_adds_nothing(demo):
    """The second run asks nothing again and leaves every row as it was."""
    _, _, second, held, held_again = demo
    assert (second.returncode, held_again) == (0, held)


def test_its_labels_hold(demo, codegen):
    """Every row that claims to be verified holds, in the results and in the training file."""
    folder = demo[0] / "demo_output"
    assert codegen("verify", folder / "solutions.jsonl").returncode == 0
    assert codegen("verify", folder / "sft.jsonl", "--results", folder / "solutions.jsonl").returncode == 0


def test_a_changed_row_is_named(demo, codegen, tmp_path):
    """A final_code made wrong is found and its problem named."""
    lines = rows(demo[3]["solutions.jsonl"])
    lines[3]["final_code"] = "pass"
    changed = tmp_path / "changed.jsonl"
    changed.write_text("".join(json.dumps(row) + "\n" for row in lines))
    done = codegen("verify", changed)
    assert (done.returncode, lines[3]["problem"]["problem_id"] in done.stdout) == (1, True)
