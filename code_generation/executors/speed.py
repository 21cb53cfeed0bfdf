"""How slow this machine is, and by which clocks a run is stopped, so that a limit means the same work on every one."""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from code_generation.programs import Case, Limits, Program

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

WORK = Program(
    kind="script",
    source="""
total, seen = 0, {}
for i in range(400_000):
    total = (total * 31 + i) % 1_000_003
    seen[total % 1000] = total
print(sorted(seen.items())[0])
""",
    cases=[Case()],
    limits=Limits(timeout_s=60.0),
)
"""What the speed of a machine is measured by: plain Python of everyday kind."""
REFERENCE_S = 0.06
"""CPU seconds that it takes on the machine that this project's limits were tried on (CPython 3.11, a 2-core VM)."""
RUNS = 3
MOST = 8.0
"""A machine that seems slower than that is not measured, it is disturbed."""
FRESH_S = 10.0
"""Seconds for which a measurement holds."""

WALL_GRACE_S = 2.0
"""Wall-clock seconds a test may take beyond its CPU limit."""
BUSY_GRACE_S = 2.9
"""The same for a run that others kept from the processor before."""
BUSY_WALL = 3
"""Times its wall-clock limit that such a run gets in the end."""
NEAR, NEAR_S = 0.25, 1.0
"""How far past its CPU limit a run is let go on, as a part of the limit and in seconds at most: one that comes to its
end there is tried again before it counts as too slow."""
SURE = 1.1
"""Two times that differ by this factor differ for sure."""


@dataclass(frozen=True)
class Clocks:
    """By which clocks a run is stopped, all in seconds."""

    limit_s: float
    """CPU time that counts as in time."""
    busy_s: float
    """The wall clock stands still for a run that uses more CPU time than this."""
    wall_s: float

    @classmethod
    def of(cls, wanted_s: float, factor: float = 1.0, *, alone: bool = False, starved: int = 0) -> Clocks:
        """For a limit of so many seconds of the reference machine; `starved`: how often others kept it from running.

        To wait takes as long on any machine: only who is known to compute gets more time on the wall, too.
        """
        busy_s = wanted_s * factor if alone else wanted_s
        walls_s = busy_s + WALL_GRACE_S, busy_s + BUSY_GRACE_S, BUSY_WALL * (busy_s + WALL_GRACE_S)
        return cls(wanted_s * factor, busy_s, walls_s[min(starved, 2)])

    @property
    def cpu_s(self) -> float:
        """CPU time at which it is stopped, a little later than it counts."""
        return self.limit_s + min(NEAR * self.limit_s, NEAR_S)

    def within(self, limits: Limits) -> dict[str, Any]:
        """The limits of a run as plain data, these clocks included."""
        clocks = {"cpu_s": self.cpu_s, "busy_s": self.busy_s, "wall_s": self.wall_s}
        return msgspec.structs.asdict(limits) | clocks


def factor_of(runs_s: Sequence[float], reference_s: float = REFERENCE_S) -> float:
    """How much longer than on the reference machine some runs of `WORK` took: 2.0 is half as fast."""
    return statistics.median(runs_s) / reference_s


def is_late(report: dict[str, Any], wanted_s: float) -> bool:
    """Whether a run used more CPU time than its limit says, on whatever machine."""
    return bool(report["cpu_s"] > wanted_s and report["stopped"] in {"", "time"})


def is_doubtful(report: dict[str, Any], now_s: float) -> bool:
    """Whether a late run would perhaps have been in time if its limit had been what it would be now, `now_s`."""
    limit_s: float = report["limit_s"]
    if report["stopped"] or report["exit"] == -signal.SIGXCPU:
        return now_s > SURE * limit_s
    return bool(report["cpu_s"] > min(now_s, limit_s) / SURE)


class Speed:
    """By how much limits are stretched here: at least 1, for a limit is never tighter than it says."""

    def __init__(self, measure: Callable[[], Awaitable[Sequence[float]]]) -> None:
        """`measure` gives the CPU seconds of some runs of `WORK`; nothing is measured before it is asked for."""
        self.factor = 1.0
        self.reference_s = REFERENCE_S
        self._measure = measure
        self._measured_at = -FRESH_S
        self._measuring = asyncio.Lock()

    async def now(self) -> float:
        """The factor, measured again where what is known is old."""
        async with self._measuring:
            if time.monotonic() - self._measured_at > FRESH_S:
                self.factor = self.stretch(await self._measure())
                self._measured_at = time.monotonic()
        return self.factor

    def stretch(self, runs_s: Sequence[float]) -> float:
        """The factor of some runs; what is known where there are none."""
        return min(MOST, max(1.0, factor_of(runs_s, self.reference_s))) if runs_s else self.factor
