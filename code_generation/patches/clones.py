"""Local clones of the repositories that patches are for: found, and read at a commit. They are never written to.

A clone is `owner__name`, `owner/name` or `name` below the folder, bare (`name.git` too) or with a work tree.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path  # noqa: TC003 - part of every signature here
from typing import TYPE_CHECKING

from code_generation.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 60.0
"""Longest time for one call of git."""
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C",
}  # fmt: skip
"""No settings of this machine, no questions, nothing fetched, nothing written on the side."""


def find_clone(repos: Path, repo: str) -> Path | None:
    """The git folder of a repository `owner/name`; None where there is no clone of it."""
    owner, _, name = repo.partition("/")
    if ".." in (owner, name) or "\0" in repo:
        return None
    for place in (f"{owner}__{name}", repo, name):
        for path in (repos / place, repos / f"{place}.git"):
            for folder in (path / ".git", path):
                if (folder / "objects").is_dir() and (folder / "HEAD").is_file():
                    return folder
    return None


def git(folder: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run git over the git folder of a clone, with nothing of this machine's settings.

    Raises:
        DataError: there is no git here, or it takes too long.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath)} | ENVIRONMENT
    command = ["git", "-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", f"--git-dir={folder}", *arguments]
    try:
        return subprocess.run(  # noqa: S603 - a list of words, no shell
            command, input=given, capture_output=True, check=False, timeout=TIMEOUT_S, env=environment
        )
    except FileNotFoundError:
        msg = "git is not installed here; clones are read with it"
        raise DataError(msg) from None
    except subprocess.TimeoutExpired:
        msg = f"git took longer than {TIMEOUT_S:.0f} s over {folder}"
        raise DataError(msg) from None


def read_files(folder: Path, commit: str, paths: Sequence[str]) -> dict[str, bytes]:
    """The files of a commit by path, those that it does not have left out; links and folders too.

    Raises:
        DataError: the clone does not have the commit.
    """
    if commit.startswith("-") or git(folder, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        msg = f"the clone {folder} does not have the commit {commit}; fetch it"
        raise DataError(msg)
    wanted = [p for p in dict.fromkeys(paths) if "\n" not in p]
    listed = git(folder, "ls-tree", "-z", "--full-tree", commit, "--", *(f":(literal){p}" for p in wanted))
    files: dict[str, bytes] = {}
    for entry in listed.stdout.split(b"\0"):
        facts, _, path = entry.partition(b"\t")
        if facts.startswith(b"100"):  # a file; 120000 is a link, 160000 a submodule
            name = facts.split()[2].decode("ascii")
            files[path.decode("utf-8", "surrogateescape")] = git(folder, "cat-file", "blob", name).stdout
    return files
