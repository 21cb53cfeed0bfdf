"""What an export costs, as ratios measured in one run; a part of `make bench`.

The exports are processes of their own, whose largest resident memory is compared; time is the wall clock's, against
`gzip -1` over the same file, which reads all of it and does next to nothing with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FEW, MANY = 50_000, 200_000
SAMPLES = 4
WORDS = [
    "".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz", k=3 + n % 7))  # noqa: S311 - words, not secrets
    for n in range(4000)
]  # the same in every run


def words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choices(WORDS, k=count))


def code_of(draw: random.Random) -> str:
    """A function of 1.5 KB that no other row has."""
    lines = [f"def f({draw.choice(WORDS)}_a, {draw.choice(WORDS)}_b):", "    total = 0"]
    for _ in range(12):
        one, other = draw.choices(WORDS, k=2)
        body = [
            [f"    total -= len(str(total)) * {draw.randrange(1000)}"],
            [f"    {one}_x = [total, {draw.randrange(99)}]", f"    total += sum({one}_x)  # {other}"],
            [f"    for {one}_i in range({draw.randrange(100)}):", f"        total += {one}_i * {draw.randrange(1000)}"],
            [
                f"    if total % {draw.randrange(2, 50)} == {draw.randrange(9)}:",
                f"        total ^= {draw.randrange(99)}",
            ],
        ]
        lines += draw.choice(body)
    return "\n".join([*lines, "    return total"])


def row(number: int) -> dict:
    """A result of 20 KB: a problem with 20 tests, a wrong answer, feedback, a right one."""
    problem = random.Random(number // SAMPLES)  # noqa: S311 - see above
    draw = random.Random(number + 0.5)  # noqa: S311
    tests = [
        {"input": [[problem.randrange(10**6) for _ in range(20)], problem.randrange(99)],
         "output": problem.randrange(10**9), "type": "functional", "is_public": n < 3}
        for n in range(20)
    ]  # fmt: skip
    statement = words(problem, 300)
    codes = code_of(draw), code_of(draw)
    answers = [f"{words(draw, 60)}\n\n```python\n{code}\n```\n{words(draw, 20)}" for code in codes]
    history = [
        {"role": "system", "content": words(problem, 20)},
        {"role": "user", "content": f"Solve this.\n\n{statement}"},
        {"role": "assistant", "content": answers[0]},
        {"role": "user", "content": f"Some tests failed.\n{words(draw, 100)}"},
        {"role": "assistant", "content": answers[1]},
    ]
    attempts = [
        {
            "code": code,
            "grade": {
                "verdict": "pass" if right else "fail", "n_passed": 20 if right else 3, "n_tests": 20,
                "reward": float(right), "fraction": 1.0 if right else 0.15,
                "outcomes": [
                    {"status": "passed" if right or t < 3 else "wrong_answer", "is_public": t < 3,
                     "cpu_s": round(draw.random(), 6), "wall_s": round(draw.random(), 6), "memory_mb": 9.5}
                    for t in range(20)
                ],
                "executor": "subprocess", "isolation": "full",
            },
            "usage": {"input_tokens": 900, "output_tokens": 400}, "cost_usd": 0.002, "latency_s": 3.25,
            "finish_reason": "stop",
        }
        for right, code in enumerate(codes)
    ]  # fmt: skip
    return {
        "problem": {
            "problem_id": f"bench/{number // SAMPLES}", "problem": statement, "solutions": [code_of(problem)],
            "test_cases": tests, "metadata": {"func_name": "f", "difficulty": ["easy", "hard"][number // SAMPLES % 2]},
        },
        "final_code": codes[1],
        "full_message_history": history,
        "generation_metadata": {"model": "m", "provider": "openai", "sample_index": number % SAMPLES,
                                "criterion": "all", "prompt_id": "basic", "system_prompt_id": "helpful_coder",
                                "note": words(draw, 20)},
        "verified": True, "satisfied": True, "attempts": attempts,
        "usage": {"input_tokens": 1800, "output_tokens": 800}, "cost_usd": 0.004,
        "certificate": {
            "problem_sha256": hashlib.sha256(statement.encode()).hexdigest(),
            "tests_sha256": hashlib.sha256(str(number // SAMPLES).encode()).hexdigest(),
            "code_sha256": hashlib.sha256(codes[1].encode()).hexdigest(),
            "comparison": {"name": "default", "version": 1}, "limits": {}, "executor": "subprocess",
            "isolation": "full", "python": "3.11",
        },
        "schema": 1,
    }  # fmt: skip


def write_rows(path: Path, count: int) -> None:
    with path.open("w", encoding="ascii") as file:
        for number in range(count):
            file.write(json.dumps(row(number)) + "\n")


def run(command: list[str], **more: object) -> tuple[float, float]:
    """(seconds, largest resident memory in MiB) of a command."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **more)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def export(results: Path, form: str) -> tuple[float, float]:
    command = [sys.executable, "-m", "code_generation", "export", str(results), "--format", form]
    return run([*command, "--output", str(results.with_name(f"{form}.jsonl"))], stdout=subprocess.DEVNULL)


def gzip_s(path: Path) -> float:
    with path.with_suffix(".gz").open("wb") as file:
        return run([shutil.which("gzip") or "gzip", "-1", "-c", str(path)], stdout=file)[0]


def measure(few: int = FEW, many: int = MANY, form: str = "sft") -> list[tuple[str, float, float, str]]:
    """(what, measured, at most, unit) of everything here."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "few.jsonl", Path(folder) / "many.jsonl"
        write_rows(small, few)
        _, memory_few = export(small, form)
        small.unlink()
        write_rows(large, many)
        zipped = gzip_s(large)
        seconds, memory_many = export(large, form)
    return [
        (f"memory of exporting {many} rows of 20 KB beyond that of {few}", memory_many - memory_few, 20, " MiB"),
        (f"time of exporting {many} rows of 20 KB, in times of gzip -1", seconds / zipped, 4, ""),
    ]


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    for what, value, goal, unit in measure(*numbers):
        print(f"{what}: {value:.3g}{unit} (at most {goal:g}{unit})", flush=True)
    sys.exit()
