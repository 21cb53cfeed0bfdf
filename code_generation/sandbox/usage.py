"""What processes and folders take at the moment, read from /proc and from the folders; standard library only."""

from __future__ import annotations

import os
import stat

PAGE = 4096
LAST_GIVEN_FD = 3
"""Descriptors up to this one are the run's memory files."""


def size_below(place: str, enough: int) -> int:
    """Bytes that the files below a folder take, each name counted as a page at least; past `enough` it stops."""
    total, folders = 0, [place]
    while folders and total <= enough:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    total += max(PAGE, entry.stat(follow_symlinks=False).st_blocks * 512)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            pass
    return total


def size_unnamed(pid: int) -> int:
    """Bytes in files that a process has open and has deleted."""
    total = 0
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found = os.stat(f"/proc/{pid}/fd/{fd}")
            if stat.S_ISREG(found.st_mode) and not found.st_nlink and int(fd) > LAST_GIVEN_FD:
                total += found.st_blocks * 512
    except OSError:
        pass
    return total


def resident_mb(pids: list[int]) -> float:
    """Memory that processes hold at the moment, MiB; what they share is counted for each."""
    pages = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as f:
                pages += int(f.read().split()[1])
        except (OSError, ValueError, IndexError):
            pass
    return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)


def proportional_mb(pids: list[int]) -> float:
    """Memory that processes hold at the moment, MiB; what they share is divided among them. Slower."""
    kib = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as f:
                kib += next((int(line.split()[1]) for line in f if line.startswith(b"Pss:")), 0)
        except (OSError, ValueError):
            pass
    return kib / 1024


def last_pid() -> int:
    """The process or thread that was started last in this pid namespace; 0 where that is not known."""
    try:
        with open("/proc/loadavg", "rb") as f:
            return int(f.read().split()[4])
    except (OSError, ValueError, IndexError):
        return 0


def is_ordinary(pid: int) -> bool:
    """Whether a process asks for the processor as this one does: with the same niceness, policy and affinity."""
    return how_it_runs(pid) == how_it_runs(os.getpid()) is not None


def how_it_runs(pid: int) -> tuple[object, ...] | None:
    """Niceness, policy and affinity of a process; None where that is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
        return fields[16], fields[38], os.sched_getaffinity(pid)
    except (OSError, IndexError):
        return None


def times_s(pid: int) -> list[tuple[float, float]]:
    """For each thread of a process: seconds it ran, seconds it was ready to run and was not let. Empty: not known."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", "rb") as f:
                ran, waited = f.read().split()[:2]
            found.append((int(ran) / 1e9, int(waited) / 1e9))
    except (OSError, ValueError):
        pass
    return found
