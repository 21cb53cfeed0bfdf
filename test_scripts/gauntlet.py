"""Runs a corpus of hostile and honest candidates through `codegen grade`, with all that its cases look for around it.

    python test_scripts/gauntlet.py CASES.jsonl --output-dir D [--user nobody] [--select PATTERN] [grade flags ...]

A case is `{"id", "kind", "problem": {"prompt", "func_name"?, "test_setup"?, "tolerance"?, "tests": [...]}, "solution",
"expect": "pass"|"fail", "gate", "containment"?}`. The grader runs in a process of its own with a fake key in its
environment, a folder that candidates could write, and a listener on loopback; afterwards it is checked that verdicts
are as expected and that nothing got out: no file, no connection, no secret in any output, no process, no litter.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

SECRET = "sk-gauntlet-3f9a1c77d2"
LIMIT_S = 6.0


def problem_row(case: dict) -> dict:
    """A case's problem in this project's form: texts of values are typed, the first test is public."""
    problem = case["problem"]
    tests = []
    for test in problem["tests"]:
        given, wanted = test["input"], test["output"]
        if test["type"] == "functional":
            given, wanted = json.loads(given), json.loads(wanted)
        elif test["type"] == "assert":
            wanted = None
        public = test.get("visibility") == "public"
        tests.append({"input": given, "output": wanted, "type": test["type"], "is_public": public})
    metadata = {"time_limit_s": LIMIT_S}
    if problem.get("func_name"):
        metadata["func_name"] = problem["func_name"]
    if problem.get("test_setup"):
        metadata["setup_code"] = problem["test_setup"]
    if problem.get("tolerance") is not None:
        metadata["comparison"] = {"name": "float", "abs_tol": problem["tolerance"], "rel_tol": problem["tolerance"]}
    return {
        "problem_id": case["id"],
        "problem": problem["prompt"],
        "solutions": [],
        "test_cases": tests,
        "metadata": metadata,
    }


def convert(cases: list[dict], folder: Path) -> tuple[Path, Path]:
    """Write problems.jsonl and candidates.jsonl for `codegen grade`."""
    folder.mkdir(parents=True, exist_ok=True)
    problems, candidates = folder / "problems.jsonl", folder / "candidates.jsonl"
    with problems.open("w") as p, candidates.open("w") as c:
        for case in cases:
            p.write(json.dumps(problem_row(case)) + "\n")
            c.write(json.dumps({"problem_id": case["id"], "candidate_id": case["id"], "code": case["solution"]}) + "\n")
    return problems, candidates


class Listener:
    """Counts connections and datagrams on a port of loopback."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.hits: list[str] = []
        for wait, kind in ((self.tcp.accept, "tcp"), (lambda: self.udp.recvfrom(100), "udp")):
            threading.Thread(target=self._count, args=(wait, kind), daemon=True).start()

    def _count(self, wait, kind: str) -> None:
        while True:
            wait()
            self.hits.append(kind)


def run(cases: list[dict], folder: Path, flags: list[str], user: str | None = None) -> list[str]:
    """Grade the cases and return what is not as it must be, a line each."""
    problems, candidates = convert(cases, folder)
    verdicts = folder / "verdicts.jsonl"
    verdicts.unlink(missing_ok=True)
    home, canary, temporary = folder / "home", folder / "canary", folder / "tmp"
    for place in (home, canary, temporary):
        place.mkdir(exist_ok=True)
        place.chmod(0o777)
    folder.chmod(0o777)
    (home / ".gauntlet_secret").write_text(SECRET)
    listener = Listener()
    environment = os.environ | {
        "GAUNTLET_CANARY": str(canary),
        "GAUNTLET_SECRET": SECRET,
        "OPENAI_API_KEY": SECRET,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "GAUNTLET_PORT": str(listener.port),
    }
    command = [sys.executable, "-m", "code_generation", "grade", problems, candidates, "--output", verdicts, *flags]
    if user:
        command = ["runuser", "-u", user, "--", *command]
    done = subprocess.run(
        [str(c) for c in command], env=environment, capture_output=True, text=True, check=False, start_new_session=True
    )
    faults = [] if done.returncode == 0 else [f"grade ended with {done.returncode}: {done.stderr.strip()[-500:]}"]
    rows = (
        {r["candidate_id"]: r for r in map(json.loads, verdicts.read_text().splitlines())} if verdicts.exists() else {}
    )
    faults += wrong_verdicts(cases, rows)
    faults += [f"the secret is in {name}" for name, text in outputs(done, verdicts) if SECRET in text]
    faults += [f"a connection was made: {kind}" for kind in listener.hits]
    faults += survivors(cases, canary)
    faults += [f"left in the canary folder: {p.name}" for p in sorted(canary.iterdir())]
    faults += [f"left behind: {p.name}" for p in sorted(temporary.iterdir())]
    for shared in (Path("/dev/shm/gauntlet_shm"), *Path("/var/tmp").glob("gauntlet_*")):
        if shared.exists():
            faults.append(f"left behind: {shared}")
    return faults


def wrong_verdicts(cases: list[dict], rows: dict) -> list[str]:
    """Cases whose verdict is not the expected one, or whose tests took too long."""
    faults = []
    for case in cases:
        row = rows.get(case["id"])
        if row is None:
            faults.append(f"{case['id']}: no verdict")
            continue
        if row["verdict"] != case["expect"] and case.get("gate", True):
            seen = [(o["status"], o.get("error", "")[-200:], o.get("got", "")[:80]) for o in row["outcomes"]]
            faults.append(f"{case['id']} ({case['class']}): {row['verdict']}, expected {case['expect']}: {seen}")
        slowest = max((o.get("wall_s", 0.0) for o in row["outcomes"]), default=0.0)
        if slowest > LIMIT_S + 3:
            faults.append(f"{case['id']}: a test took {slowest:.1f} s")
    return faults


def outputs(done: subprocess.CompletedProcess, verdicts: Path) -> list[tuple[str, str]]:
    """Everything that the grader returned, logged or wrote."""
    written = verdicts.read_text() if verdicts.exists() else ""
    return [("stdout", done.stdout), ("stderr", done.stderr), ("verdicts", written)]


def survivors(cases: list[dict], canary: Path) -> list[str]:
    """Heartbeat files that still change after the verdict."""
    names = [c["containment"]["no_survivor"] for c in cases if "no_survivor" in c.get("containment", {})]
    before = {n: (canary / n).read_bytes() for n in names if (canary / n).exists()}
    if before:
        time.sleep(1)
    return [f"still alive: {n}" for n, beat in before.items() if (canary / n).read_bytes() != beat]


def main() -> int:
    """Print the faults; exit status 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--user", help="run the grader as this user")
    parser.add_argument("--select", default="", help="regular expression on case ids")
    options, flags = parser.parse_known_args()
    cases = [json.loads(line) for line in options.cases.read_text().splitlines()]
    cases = [c for c in cases if re.search(options.select, c["id"])]
    faults = run(cases, options.output_dir, flags, options.user)
    for fault in faults:
        print(fault)
    print(f"{len(cases)} cases, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
