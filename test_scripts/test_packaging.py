"""What is built is what is needed, and works from another folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SAMPLES = (
    "samples_raw", "samples", "schema_samples", "three_sample", "three_candidates", "issue_samples", "issue_answers",
    "synthetic_sample", "recorded_small", "recorded_medium",
)  # fmt: skip


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.decode()
    if not listed:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.split("\0") if name]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built without network from what is installed."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_what_runs(wheel):
    """Package, prompts, samples, prices and the parts of pages, and nothing on the top level but the package."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {n.split("/")[0] for n in names if ".dist-info/" not in n} == {"code_generation"}
    prompts = {f"code_generation/_prompts/{p.relative_to(ROOT / 'prompts')}" for p in (ROOT / "prompts").rglob("*.md")}
    samples = {f"code_generation/_samples/{n}.jsonl" for n in SAMPLES}
    modules = {str(p.relative_to(ROOT)) for p in (ROOT / "code_generation").rglob("*.py")}
    prices = {"code_generation/prices.toml"}
    pages = {
        f"code_generation/reports/{name}"
        for name in ("page.html.j2", "page.css", "page.js", "highlight.js", "difference.js")
    }
    cards = {f"code_generation/reproducibility/templates/{n}.md" for n in ("checklist", "dataset_card", "model_card")}
    assert {n for n in names if ".dist-info/" not in n} == prompts | samples | modules | prices | pages | cards


@pytest.mark.slow
def test_the_demo_works_from_the_wheel(wheel, tmp_path):
    """After `pip install` of the wheel `codegen demo` works from another folder, at an odd path."""
    place = tmp_path / "ä folder with spaces"
    venv.create(place / "env", with_pip=True)
    pip = [str(place / "env/bin/python"), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    installed = subprocess.run([*pip, str(wheel)], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"no packages to be had here: {installed.stderr.strip()[-200:]}")
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(place / "env/bin/codegen"), "demo"], cwd=place, env=clean, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert sorted(p.name for p in (place / "demo_output").glob("*.jsonl")) == [
        "problems.jsonl",
        "sft.jsonl",
        "solutions.jsonl",
        "unsolved.jsonl",
    ]


def test_pins_name_no_place():
    """The pinned versions hold no address of a registry."""
    assert "://" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_the_repository_speaks_of_the_project_alone():
    """No tracked file holds a path of one machine."""
    homes = re.compile(r"/(?:root|home/[a-z]+)/[\w.]")
    text = {".py", ".md", ".toml", ".txt", ".yml", ".jsonl", ""}
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked_files()
        if path.suffix in text and path.name != Path(__file__).name and path.is_file()
        for match in homes.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_samples_are_what_preprocess_makes_of_them(codegen, tmp_path):
    """datasets/samples.jsonl and three_sample.jsonl are not stale."""
    made = tmp_path / "samples.jsonl"
    codegen("preprocess", "jsonl", "--source", ROOT / "datasets/samples_raw.jsonl", "--output", made)
    assert (ROOT / "datasets/samples.jsonl").read_text() == made.read_text()
    assert (ROOT / "datasets/three_sample.jsonl").read_text() == "".join(made.read_text().splitlines(keepends=True)[:3])
