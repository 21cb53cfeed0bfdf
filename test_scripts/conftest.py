"""What every test gets: no keys in the environment, no way to another machine, the shared data where it is there."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from code_generation.executors import open_executor
from code_generation.grader import TestExecutionGrader
from code_generation.jsonl import write_lines
from code_generation.loaders import LoadOptions, dataset_of
from code_generation.models import CodeProblem, TestCase

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")  # how long a draw takes says something about the machine only
LOOPBACK = {"127.0.0.1", "::1", "localhost", ""}


def pytest_collection_modifyitems(items):
    """Skip what needs the shared data where it is absent: the project passes its suite alone."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(pytest.mark.skip(reason=f"the shared data is not here: {SHARED}"))


@pytest.fixture(autouse=True)
def _no_keys_and_no_network(monkeypatch):
    """A test that would spend money or depend on another machine fails instead."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_TOKEN")) or name.startswith("CODEGEN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    connect = socket.socket.connect

    def guarded(self, address):
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            msg = f"a test tried to reach {address}"
            raise OSError(msg)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def shared() -> Path:
    """The folder of shared data; mark the test `shared`."""
    return SHARED


@pytest.fixture
def codegen(tmp_path):
    """Run a command line as a user would, in an empty folder; returns the completed process with text output."""

    def run(*arguments, module="code_generation", cwd=tmp_path, timeout=120, env=None):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | (env or {})
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


def function_problem(*tests, func_name="f", problem_id="p", solutions=(), **metadata) -> CodeProblem:
    """A problem with functional tests, each `(arguments, output)` or `(arguments, output, is_public)`."""
    cases = [
        TestCase(input=t[0], output=t[1], type="functional", is_public=t[2] if len(t) > 2 else False) for t in tests
    ]
    return CodeProblem(
        problem_id=problem_id,
        problem=f"Write {func_name}.",
        solutions=list(solutions),
        test_cases=cases,
        metadata={"func_name": func_name, **metadata},
    )


def grade(problem: CodeProblem, code: str, **options):
    """Grade one candidate in a real sandbox."""

    async def run():
        async with open_executor() as executor:
            return await TestExecutionGrader(executor, **options).grade(problem, code)

    return asyncio.run(run())


def read_rows(tmp_path, name, *rows, **options):
    """What the loader of a data set makes of some rows."""
    write_lines(tmp_path / "rows.jsonl", rows)
    return list(dataset_of(name).problems(LoadOptions(source=str(tmp_path / "rows.jsonl"), **options)))


def verdicts(problem: CodeProblem, *codes):
    """Grade some candidates, one after the other."""
    return [grade(problem, code).verdict for code in codes]
