"""What this machine offers: can it hold untrusted code, how fast is it, what is installed, which keys are there."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from typing import TYPE_CHECKING, Any

from code_generation import __version__
from code_generation.errors import ExecutorError
from code_generation.executors import e2b_boxes, tci
from code_generation.executors.local import SubprocessExecutor
from code_generation.executors.speed import RUNS, WORK, factor_of
from code_generation.providers import ENDPOINTS

if TYPE_CHECKING:
    from code_generation.protocols import Executor


async def examine() -> dict[str, Any]:
    """Everything that `codegen doctor` shows. Keys are only said to be there or not.

    {"isolation": "full", "levels": {"full": "holds", "restricted": "..."}, "speed_factor": 1.0, ...}
    `isolation` is None where untrusted code can't be contained; a `speed_factor` of 2 means half as fast.
    """
    levels: dict[str, str] = {}
    best, factor = None, None
    for level in ("full", "restricted"):
        box = SubprocessExecutor(workers=1, level=level)
        try:
            async with box as executor:
                levels[level] = "holds"
                if best is None:
                    best, factor = level, await speed_factor(executor)
        except ExecutorError as e:
            levels[level] = box.why_not.get(level, str(e))
    return {
        "version": __version__,
        "isolation": best,
        "levels": levels,
        "speed_factor": factor,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mb": _memory_mb(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "user": "root" if hasattr(os, "geteuid") and os.geteuid() == 0 else "ordinary",
        "python": " ".join(sys.version.split()),
        "packages": _packages(),
        "keys": {name: bool(os.environ.get(name)) for name in _key_names()},
    }


async def speed_factor(executor: Executor) -> float:
    """How much longer than on the reference machine a program takes here, in CPU time; the median of a few runs."""
    return round(factor_of([(await executor.run(WORK)).cases[0].cpu_s for _ in range(RUNS)]), 2)


def render_report(found: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"isolation     {found['isolation'] or 'none: untrusted code can not be contained here'}"]
    lines += [f"  {level:<12}{said}" for level, said in found["levels"].items()]
    if found["speed_factor"]:
        stretched = "; limits are stretched by that where it matters" if found["speed_factor"] > 1 else ""
        slower = f"programs take {found['speed_factor']:g} times the reference machine's CPU time"
        lines.append(f"speed         {slower}{stretched}")
    lines += [
        f"machine       {found['system']}, {found['cores']} cores, {found['memory_mb']} MiB, {found['user']} user",
        f"python        {found['python']}",
        f"version       {found['version']}",
    ]
    for title, extra in (("packages", False), ("extras", True)):
        named = {name: p for name, p in found["packages"].items() if bool(p["extra"]) is extra}
        said = [
            f"{n} {p['version']}" if p["version"] else f"{n} not installed ({p['extra']})" for n, p in named.items()
        ]
        lines.append(f"{title:<14}{', '.join(said)}")
    keys = [f"{name} {'set' if there else 'not set'}" for name, there in found["keys"].items()]
    return "\n".join([*lines, f"keys          {', '.join(keys)}"])


def _key_names() -> list[str]:
    """Variables that hold keys, of models and of executors."""
    return sorted({e.api_key_env for e in ENDPOINTS.values() if e.api_key_env} | {tci.KEY, e2b_boxes.KEY})


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def _packages() -> dict[str, dict[str, str | None]]:
    """Version and extra of what this package asks for, None for what is missing or belongs to the core."""
    found: dict[str, dict[str, str | None]] = {}
    for line in importlib.metadata.requires("verified-codegen") or []:
        name = re.split(r"[\s\[><=!~;(]", line, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name in {"verified-codegen", "editables"} or (extra and extra[1] in {"dev", "all"}) or name in found:
            continue
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        found[name] = {"version": version, "extra": extra[1] if extra else None}
    return found
