"""The floors of docs/architecture.md, the front door, and what a file may look like."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import code_generation

PACKAGE = Path(code_generation.__file__).parent
FLOORS = {
    0: "errors models programs protocols extras",
    1: "json_pieces literals records packed jsonl tables config prompts extract finish_reasons compare harness "
    "evalplus profiles pricing forecast sandbox concurrency progress proportions statements spans group_commit "
    "journal batch_ledger spending event_log interruption",
    2: "loaders patches providers executors synthesis",
    3: "certificate judging grader rewards results audit grading curation",
    4: "scraper sampler generate estimate run run_files run_manifest run_options run_summary journal_tools preprocess "
    "synthesize",
    5: "predictions patch_shares evaluation exporters claims reports measuring reproducibility",
    7: "demo doctor exporting command_line generation_cli measuring_cli proving_cli mbpp_loader __main__ test_scripts",
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")
IN_THE_SANDBOX = {p.name for p in (PACKAGE / "sandbox").glob("*.py") if p.name != "__init__.py"}
WITHIN = {name.removesuffix(".py") for name in IN_THE_SANDBOX} | {"numpy"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[int, str]]:
    """(line, module) of every import of ours, late ones included; what only types need is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for n in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("code_generation"):
            if node.module == "code_generation":
                names = [f"code_generation.{a.name}" for a in node.names if not a.name.startswith("__")]
            else:
                names = [node.module]
            found += [(node.lineno, n) for n in names]
        elif isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names if a.name.startswith("code_generation.")]
    return found


def test_every_room_stands_on_a_floor():
    """A new module has to be given its place."""
    assert {room_of(p) for p in FILES} == set(FLOOR_OF)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    """No module imports from a floor above its own; `python -m code_generation.scraper` is the one late exception."""
    mine = FLOOR_OF[room_of(path)]
    upward = [
        f"line {line}: {module}"
        for line, module in imports_of(path)
        if FLOOR_OF[module.split(".")[1]] > mine
        and (path.name, module) != ("scraper.py", "code_generation.generation_cli")
    ]
    assert upward == []


def test_no_circles():
    """Modules can be put in an order in which each is imported after all that it imports."""
    needs = {}
    for path in FILES:
        name = ".".join(("code_generation", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        late = {"code_generation.generation_cli"} if path.name == "scraper.py" else set()
        needs[name] = {module for _, module in imports_of(path)} - late - {name}
    while needs:
        free = {name for name, wanted in needs.items() if not wanted & needs.keys()}
        assert free, f"in a circle: {sorted(needs)}"
        needs = {name: wanted for name, wanted in needs.items() if name not in free}


@pytest.mark.parametrize("name", sorted(IN_THE_SANDBOX))
def test_the_sandbox_holds_nothing_of_ours(name):
    """Files that run in the sandbox import the standard library, and each other, only."""
    path = next(p for p in FILES if p.name == name)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for block in [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]:
        block.body = []
    modules = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    modules |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert {m.partition(".")[0] for m in modules} - sys.stdlib_module_names <= WITHIN


def test_importing_the_package_is_light():
    """`import code_generation` loads none of the libraries it can use."""
    heavy = "openai anthropic aiohttp httpx2 pydantic cyclopts rich tenacity rensa datasets numpy asyncio".split()
    code = f"import sys, code_generation; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_the_front_door_opens():
    """Every public name can be had, is listed for type checkers too, and a typo says so."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If))
    typed = {a.asname for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert typed | {"__version__"} == set(code_generation.__all__)
    for name in code_generation.__all__:
        assert getattr(code_generation, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = code_generation.no_such_name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_small(path):
    """Five hundred lines are where a file has to be split."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_no_module_is_named_after_a_library():
    """A file named like the standard library or an SDK would shadow it when run as a script."""
    taken = set(sys.stdlib_module_names) | {"openai", "anthropic", "together", "datasets", "msgspec", "rich"}
    names = {p.stem for p in FILES if not p.stem.startswith("__")}
    assert names & taken == set()
