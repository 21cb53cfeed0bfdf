"""More calls wanted than a service allows, for a minute: how much of the limit is used, how many calls are wasted.

    python -m test_scripts.storms [--seconds 60] [--only NAME]

Each storm has a server of its own process and asks through the whole stack: journal, retries, limiter, official SDK.
Prints a line a storm; exit status 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from code_generation.errors import CodeGenerationError
from code_generation.journal import Journal
from code_generation.models import Message, Request, Sampling
from code_generation.providers import ModelOptions, choose_model, open_provider
from test_scripts.model_server import serving

FAULTS = ["rate_limit=0.03", "server_error=0.03", "reset_midway=0.03", "truncate=0.03"]
TOKENS = 150
"""Of a call, about."""


@dataclass
class Storm:
    """What is wanted of what is allowed."""

    name: str
    rate: float
    """Calls a second that the server allows; with `tokens` that many calls' worth of tokens."""
    wanted: int
    """Calls at a time."""
    least: float
    """Share of the possible that has to be used."""
    most_wasted: float
    options: dict = field(default_factory=dict)
    faulty: bool = False


STORMS = [
    Storm("20/s", 20, 64, 0.95, 0.05),
    Storm("20/s, headers", 20, 64, 0.95, 0.005, {"rate_headers": True}),
    Storm("100/s", 100, 256, 0.95, 0.05),
    Storm("100/s, small burst", 100, 256, 0.95, 0.05, {"burst": 10}),
    Storm("100/s, headers", 100, 256, 0.95, 0.005, {"rate_headers": True}),
    Storm("20/s, faults", 20, 64, 0.7, 1.0, {"random_fault": FAULTS}, faulty=True),
    Storm("100/s, faults", 100, 256, 0.7, 1.0, {"random_fault": FAULTS}, faulty=True),
    Storm("100/s, faults, headers", 100, 256, 0.7, 1.0, {"random_fault": FAULTS, "rate_headers": True}, faulty=True),
    Storm("no limit, faults", 0, 64, 0.7, 1.0, {"random_fault": FAULTS}, faulty=True),
    Storm("tokens, 20 calls/s", 20, 64, 0.95, 0.05, {"tokens": True}),
    Storm("tokens, 20 calls/s, headers", 20, 64, 0.95, 0.005, {"tokens": True, "rate_headers": True}),
    Storm("tokens, 100 calls/s", 100, 256, 0.95, 0.05, {"tokens": True}),
    Storm("tokens, 100 calls/s, headers", 100, 256, 0.95, 0.005, {"tokens": True, "rate_headers": True}),
]


def server_options(storm: Storm, latency: float) -> dict:
    """Options of the server of a storm."""
    options = {"latency": latency, "keep_bodies": 0, "pad": 200, "chunks": 4} | storm.options
    if options.pop("tokens", False):
        return options | {"tps": storm.rate * TOKENS, "token_burst": storm.rate * TOKENS}
    return options | ({"rps": storm.rate} if storm.rate else {})


def request(number: int) -> Request:
    """A question; sizes differ."""
    text = f"{number}: " + "Write it. " * (20 + number % 21)
    return Request(messages=[Message(role="user", content=text)], sampling=Sampling(), problem_id=f"p{number}")


async def ask_for(storm: Storm, url: str, seconds: float, folder: Path) -> tuple[int, int, float]:
    """(answers, questions that were lost, seconds): asks for so long, then waits for what is under way."""
    asked = ModelOptions(model="m", base_url=url)
    answered, lost, numbers = 0, 0, iter(range(10**9))
    started = time.monotonic()

    async def worker() -> None:
        nonlocal answered, lost
        while time.monotonic() - started < seconds:
            try:
                await provider.complete(request(next(numbers)))
                answered += 1
            except CodeGenerationError:
                lost += 1

    async with Journal(folder / "journal.jsonl") as journal:
        provider = open_provider(choose_model(asked), asked, {}, max_concurrent=storm.wanted, journal=journal)
        try:
            await asyncio.gather(*(worker() for _ in range(storm.wanted)))
        finally:
            await provider.close()
    return answered, lost, time.monotonic() - started


def run(storm: Storm, seconds: float, latency: float = 0.5) -> tuple[str, bool]:
    """What came of a storm, as a line, and whether it met its goals."""
    with serving(**server_options(storm, latency)) as server, tempfile.TemporaryDirectory() as folder:
        answered, lost, took = asyncio.run(ask_for(storm, server.url, seconds, Path(folder)))
        seen = server.seen(brief=True)
    calls = seen["admitted"] + seen["refused"]
    whole = 1 - 0.12 * storm.faulty  # the share of calls that the server lets succeed
    possible = min(storm.rate or 1e9, storm.wanted / latency) * whole * took
    if "tokens" in storm.options:
        used = (seen["tokens"]["input"] + seen["tokens"]["output"]) / (storm.rate * TOKENS * took)
    else:
        used = answered / possible
    wasted = seen["refused"] / max(calls, 1)
    twice = seen["bought_twice"]
    good = used >= storm.least and wasted <= storm.most_wasted and not lost and not twice
    said = (f"{storm.name}: {used:.3f} of the possible (at least {storm.least}), {wasted:.2%} of {calls} calls wasted "
            f"(at most {storm.most_wasted:.1%}), {lost} lost, {twice} paid twice, {took:.0f} s")  # fmt: skip
    return said + ("" if good else "  MISSED"), good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    results = []
    for storm in STORMS:
        if options.only in storm.name:
            said, good = run(storm, options.seconds, options.latency)
            print(said, flush=True)
            results.append(good)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
