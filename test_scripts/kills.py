"""Runs that are killed at random moments and started again, against a server that counts what was bought.

    python -m test_scripts.kills --runs 100 --problems 60 --turns 8 --concurrent 16 --latency 1 --parallel 4

Each run of the command line is killed with SIGKILL, started again, killed again, ... and in the end left alone. Its
rows are compared with those of an undisturbed run as a set, apart from times and measurements; the server says what it
was asked for twice. Prints a line a run and what it adds up to; exit status 1 where something was lost or bought twice
beyond what was under way.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from test_scripts.model_server import serving

MEASURED = {"latency_s", "cpu_s", "wall_s", "memory_mb"}
"""Fields of a row that no two runs have in common."""


@dataclass
class Killed:
    """What came of one run."""

    kills: int
    bought_twice: int
    """Answers that the server finished more than once."""
    recorded_twice: int
    """Answers that stand in the journal twice: one that was there was asked for again."""
    same_rows: bool
    left: int
    """Processes that outlived it."""
    needless: int
    """Lines of batches that were submitted although a batch that existed held them."""
    status: int


def problem(number: int) -> dict:
    """A small problem: one public and one private test."""
    name = f"add_k{number}"
    return {
        "problem_id": f"k{number}",
        "problem": f"Write {name}(n): n plus {number}.",
        "solutions": [f"def {name}(n):\n    return n + {number}"],
        "test_cases": [
            {"input": [1], "output": number + 1, "type": "functional", "is_public": True},
            {"input": [-5], "output": number - 5, "type": "functional", "is_public": False},
        ],
        "metadata": {"func_name": name},
    }


def plain(value):
    """A row without what is measured."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in MEASURED}
    return [plain(v) for v in value] if isinstance(value, list) else value


def rows(folder: Path) -> list[str]:
    """All rows of a run, comparable."""
    paths = (folder / "out.jsonl", folder / "out.unsolved.jsonl")
    found = [json.loads(line) for p in paths if p.exists() for line in p.read_text().splitlines()]
    return sorted(json.dumps(plain(row), sort_keys=True) for row in found)


def command(folder: Path, url: str, options: argparse.Namespace) -> list[str]:
    """The command line of a run."""
    return [
        *(sys.executable, "-m", "code_generation.scraper", str(folder / "in.jsonl"), str(folder / "out.jsonl")),
        *("--model", "m", "--base-url", url, "--max-turns", str(options.turns)),
        *("--max-concurrent", str(options.concurrent), "--dialect", options.dialect),
    ]


def children(pid: int) -> list[int]:
    """All descendants of a process."""
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        mine = [child for child, above in parents.items() if above == parent]
        found += mine
        todo += mine
    return found


def gone(pids: list[int], within_s: float = 5.0) -> int:
    """How many of the processes are still there after a while."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.02)
    return sum(Path(f"/proc/{pid}").exists() for pid in pids)


def killed_run(folder: Path, expected: list[str], options: argparse.Namespace, seed: int) -> Killed:
    """One run, killed some times at random moments."""
    moments = random.Random(seed)  # noqa: S311 - no secret
    whole_s = options.problems * options.turns / options.concurrent * options.latency
    with serving(problems=folder / "in.jsonl", latency=options.latency, **options.server) as server:
        line, kills, left = [*command(folder, server.url, options), *options.flags], 0, 0
        for _ in range(options.kills):
            with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                try:
                    process.wait(moments.uniform(1.0, max(2.0, 2 * whole_s / (options.kills + 1))))
                    break
                except subprocess.TimeoutExpired:
                    family = children(process.pid)
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
                    left += gone(family)
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=600)
        seen = server.seen(brief=True)
    journal = (folder / "out.journal.jsonl").read_text().splitlines()
    keys = [json.loads(entry)["key"] for entry in journal]
    recorded_twice = len(keys) - len(set(keys))
    same = rows(folder) == expected
    needless = seen.get("lines_submitted_needlessly", 0)
    return Killed(kills, seen["bought_twice"], recorded_twice, same, left, needless, done.returncode)


def prepared(folder: Path, options: argparse.Namespace) -> Path:
    """A folder with the problem file."""
    folder.mkdir(parents=True)
    lines = [json.dumps(problem(n)) + "\n" for n in range(options.problems)]
    (folder / "in.jsonl").write_text("".join(lines))
    return folder


def undisturbed(folder: Path, options: argparse.Namespace) -> list[str]:
    """The rows of a run that nobody kills."""
    calm = {k: v for k, v in options.server.items() if "fault" not in k}
    with serving(problems=prepared(folder, options) / "in.jsonl", **calm) as server:
        subprocess.run(command(folder, server.url, options), check=True, capture_output=True, timeout=600)
    return rows(folder)


def kill_runs(options: argparse.Namespace) -> list[Killed]:
    """All of them, some at a time."""
    with tempfile.TemporaryDirectory() as folder:
        expected = undisturbed(Path(folder) / "undisturbed", options)
        assert len(expected) == options.problems

        def one(number: int) -> Killed:
            found = killed_run(prepared(Path(folder) / str(number), options), expected, options, options.seed + number)
            print(f"run {number}: {found}", flush=True)
            return found

        with ThreadPoolExecutor(options.parallel) as pool:
            return list(pool.map(one, range(options.runs)))


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("runs", 100), ("problems", 60), ("turns", 8), ("concurrent", 16), ("kills", 1),
                          ("parallel", 4), ("seed", 1)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dialect", default="chat")
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--flag", dest="flags", action="append", default=[], help="of the command line, as it is")
    parser.add_argument("--server", dest="more", action="append", default=[], help="NAME=VALUE: option of the server")
    options = parser.parse_args(arguments)
    never = [f"k{n}" for n in range(0, options.problems, 7)]
    more = [pair.partition("=")[::2] for pair in options.more]
    options.server = {name: [v for n, v in more if n == name] for name, _ in more}
    options.server |= {"solve_at_turn": options.turns - 1, "never": never, "keep_bodies": 0, "chunks": 4}
    return options


def main() -> int:
    options = options_of()
    found = kill_runs(options)
    kills = sum(k.kills for k in found)
    twice = sum(k.bought_twice for k in found)
    needless = sum(k.needless for k in found)
    good = sum(k.same_rows and k.status == 0 and not k.left and not k.recorded_twice for k in found)
    print(f"{good} of {len(found)} runs whole after {kills} kills; {twice} answers bought again "
          f"({twice / max(kills, 1):.2f} a kill); {needless} lines submitted needlessly")  # fmt: skip
    return 0 if good == len(found) and twice <= 3 * kills and not needless else 1


if __name__ == "__main__":
    sys.exit(main())
