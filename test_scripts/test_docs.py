"""Documentation that can't lie: its code runs, its commands and flags exist, its tree is the tree."""

from __future__ import annotations

import importlib.util
import io
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from code_generation.config import read_models, read_toml
from code_generation.generation_cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / ".github/CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = (
    "demo", "doctor", "preprocess", "validate", "synthesize", "scrape", "generate", "patches", "grade", "verify",
    "export", "report", "evaluate", "baselines", "compare", "diagnose", "manifest", "journal",
)  # fmt: skip


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of a language."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(p.name, m[1]) for p in PAGES for m in fence.finditer(p.read_text(encoding="utf-8"))]


def shell_lines() -> list[str]:
    lines = [line.partition("#")[0].strip() for _, text in blocks("bash") for line in text.splitlines()]
    inline = [m for p in PAGES for m in re.findall(r"`((?:codegen|python -m code_generation)[^`]*)`", p.read_text())]
    return sorted({line for line in [*lines, *inline] if line})


@cache
def help_of(command: str) -> str:
    shown = io.StringIO()
    app.help_print([command], console=Console(file=shown, width=80))
    return shown.getvalue()


def test_every_command_is_known_here():
    """A new command is documented and tested too."""
    assert {c for c in app if not c.startswith("-")} == set(COMMANDS)


@pytest.mark.parametrize("line", [line for line in shell_lines() if "code" in line])
def test_documented_commands_and_flags_exist(line):
    """Each `codegen` line in the docs names a command and flags that it has."""
    words = shlex.split(line.replace("...", ""))
    if words[0] == "pip" or words[:2] == ["codegen", "COMMAND"]:
        return
    if words[:2] == ["python", "-m"]:
        module = words[2].rpartition(".")[2]
        if ".test_scripts." in words[2]:
            assert importlib.util.find_spec(words[2])
            return
        words = {"scraper": ["codegen", "scrape"], "mbpp_loader": ["codegen", "preprocess"]}.get(
            module, ["codegen"]
        ) + words[3:]
    assert words[0] == "codegen" and words[1] in COMMANDS
    shown = help_of(words[1])
    aliases = {"--num-problems": "--limit", "--timeout": "--timeout-s"}
    assert [w for w in words if w.startswith("--") and aliases.get(w, w) not in f"{shown}--help"] == []


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_python_blocks_run(page, code):
    """Python in the docs runs as it stands, from the root of a checkout."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), page


@pytest.mark.parametrize(("page", "row"), blocks("json"))
def test_json_blocks_are_problems(page, row):
    """Literal rows in the docs are rows."""
    from code_generation.jsonl import decode
    from code_generation.loaders.jsonl import parse_row

    assert parse_row(decode(row)).problem_id, page


LONG = {"demo", "baselines", "evaluate", "compare", "diagnose", "report", "synthesize"}


@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=pytest.mark.slow) if c in LONG else c for c in COMMANDS[:-1]]
)
def test_examples_of_help_work(command, tmp_path):
    """The example that `--help` shows runs, in a folder with the samples in it; of `journal`, the last, elsewhere."""
    example = re.search(r"Example:\s+(codegen (?:[^\n╭]+\n?)+)", help_of(command))
    assert example, "no example"
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    if "demo_output" in example[1]:
        words = "scrape datasets/three_sample.jsonl demo_output/solutions.jsonl --model scripted:flaky".split()
        subprocess.run([sys.executable, "-m", "code_generation", *words], cwd=tmp_path, check=True, capture_output=True)
    words = shlex.split(example[1])
    done = subprocess.run(
        [sys.executable, "-m", "code_generation", *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_tree_is_the_tree():
    """Every module and folder of the package stands in the README's tree, and nothing else does."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text[text.index("code_generation/\n") : text.index("```\n\nHow the pieces")]
    named = set()
    for line in tree.splitlines()[1:]:
        first = re.split(r"\s{2,}", line.strip())[0]
        named |= {word.strip("/") for word in first.split()}
    package = ROOT / "code_generation"
    modules = {p.stem for p in package.glob("*.py")} - {"__init__", "__main__"}
    folders = {p.name for p in package.iterdir() if (p / "__init__.py").exists()}
    assert named == modules | folders


def test_example_configs_load():
    """What users copy is valid: models are found by name and alias, every key of [scrape] is a flag."""
    models = read_models(ROOT / "configs/models.example.toml")
    assert {"small", "s", "local", "gateway"} == set(models)
    flags = help_of("scrape")
    for key in read_toml(ROOT / "configs/scrape.example.toml")["scrape"]:
        assert f"--{key.replace('_', '-')}" in flags


def test_example_mappings_load():
    """Every mapping that users copy has keys that there are."""
    from code_generation.loaders import LoadOptions
    from code_generation.loaders.mapping import fields_of, read_mapping

    path = ROOT / "configs/datasets.example.toml"
    for name in read_toml(path):
        fields = fields_of(read_mapping(LoadOptions(mapping=f"{path}#{name}")).map)
        assert "problem" in fields
