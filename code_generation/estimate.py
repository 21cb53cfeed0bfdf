"""What a run will cost, before it is paid for: a pilot of a few conversations, and what it lets expect of all.

The pilot is a part of the run: its rows and answers are kept, so that the run buys none of it again. It is drawn by the
hash of each problem's id: the same problems each time, whatever the order of the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from code_generation.errors import ConfigError
from code_generation.forecast import Finished, Forecast, Interval, forecast
from code_generation.pricing import dollars
from code_generation.results import read_results

if TYPE_CHECKING:
    from collections.abc import Callable

    from code_generation.models import GenerationResult
    from code_generation.run import Run
    from code_generation.run_summary import RunSummary


def pilot_ids(ids: list[str], size: int) -> list[str]:
    """So many of the problems, as if drawn at random."""
    return sorted(ids, key=lambda i: hashlib.sha256(i.encode("utf-8", "surrogatepass")).digest())[:size]


async def estimate(run: Run, size: int) -> tuple[RunSummary, Forecast]:
    """Run the pilot and say what to expect of the whole run.

    Raises:
        ConfigError: fewer than two of its conversations came to an end.
    """
    chosen = set(pilot_ids(run.ids, size))
    pilot = replace(run, ids=[i for i in run.ids if i in chosen])
    summary = await pilot.run()
    paths = [path for path in (run.out, run.unsolved) if path is not None]
    rows = [r for path in paths for _, r in read_results(path) if r.problem.problem_id in chosen]
    samples = run.samples_per_problem
    finished = [_finished(row) for row in rows if row.generation_metadata.get("sample_index", 0) < samples]
    if len(finished) < 2:  # noqa: PLR2004 - nothing has a spread with one
        msg = f"{len(finished)} conversations of the pilot came to an end, which says nothing about {len(run.ids)}"
        raise ConfigError(msg)
    return summary, forecast(
        finished,
        run.total,
        max_turns=run.policy.max_turns,
        concurrency=min(run.options.at_a_time, run.total),
        calls_per_s=run.choice.limits.rpm and run.choice.limits.rpm / 60,
    )


def _finished(row: GenerationResult) -> Finished:
    return Finished(
        cost_usd=row.cost_usd,
        seconds=sum(a.latency_s for a in row.attempts),
        solved=row.satisfied,
        turns=len(row.attempts),
    )


def render_forecast(found: Forecast) -> str:
    """What to expect, a line a figure."""
    lines = [f"pilot: {found.pilot} of {found.total} conversations"]
    if found.cost_usd is None:
        lines.append("cost: unknown, since the price of an answer is (docs/costs.md says how to give it)")
    else:
        lines.append(f"cost: {_interval(found.cost_usd, dollars)}")
    lines.append(f"solved: {_interval(found.solved, lambda n: f'{n:,.0f}')} of {found.total:,}")
    lines.append(f"time: {_interval(found.seconds, _duration)}, answers alone")
    if found.unseen_usd:
        lines.append(
            f"unseen: up to {found.unseen_share:.1%} of the conversations may be of a dearer kind than the pilot met, "
            f"up to {dollars(found.unseen_usd)} more; --max-cost-usd bounds it"
        )
    return "\n".join(lines)


def _interval(interval: Interval, say: Callable[[float], str]) -> str:
    return f"{say(interval.expected)} ({say(interval.low)} to {say(interval.high)})"


def _duration(seconds: float) -> str:
    minute, hour = 60, 3600
    if seconds < 2 * minute:
        return f"{seconds:.0f} s"
    return f"{seconds / minute:.0f} min" if seconds < 2 * hour else f"{seconds / hour:.1f} h"
