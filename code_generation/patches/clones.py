"""Files of a repository at a commit, read from a local clone that is never written to."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from code_generation.errors import DataError
from code_generation.patches.applying import MOST_BYTES, TIMEOUT_S, BaseFile, environment, git_command

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXECUTABLE = "100755"
MOST_PATHS = 200
"""Paths that git is asked about at a time."""


def find_clone(repos: Path, repo: str) -> Path | None:
    """Folder of git of a clone of `owner/repo`, under `owner__repo`, `owner/repo` or `repo`, plain or bare (`.git`);
    None where there is none.
    """
    owner, _, name = repo.partition("/")
    if not name or any(part in {"", ".", ".."} or "/" in part for part in (owner, name)):
        return None
    repos = repos.expanduser().resolve()  # git is started in another folder
    for place in (f"{owner}__{name}", f"{owner}/{name}", name):
        for folder in (repos / place, repos / f"{place}.git"):
            if (folder / ".git").exists():
                return folder / ".git"
            if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
                return folder
    return None


def files_at(clone: Path, commit: str, paths: Sequence[str]) -> dict[str, BaseFile]:
    """Those of the paths that are files at a commit; a link or submodule counts as a file with its target in it.

    Raises:
        DataError: the clone does not have the commit.
    """
    with tempfile.TemporaryDirectory(prefix="codegen-clone-") as home:
        if not _is_commit(commit) or _ask(clone, Path(home), "cat-file", "-e", f"{commit}^{{commit}}").returncode:
            raise DataError(f"{clone} does not have the commit {commit[:60]!r}; fetch it, or leave the clone away")
        found: dict[str, BaseFile] = {}
        size = 0
        for at in range(0, len(paths), MOST_PATHS):
            part = [path for path in paths[at : at + MOST_PATHS] if path and "\0" not in path]
            listed = _ask(clone, Path(home), "--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--", *part)
            for entry in listed.stdout.split(b"\0"):
                about, _, name = entry.partition(b"\t")
                if not name or about.split()[1] == b"tree":
                    continue
                mode, kind, blob = about.decode().split()
                content = b"" if kind != "blob" else _ask(clone, Path(home), "cat-file", "blob", blob).stdout
                size += len(content)
                if size > MOST_BYTES:
                    return found
                found[name.decode("utf-8", "surrogateescape")] = BaseFile(content, executable=mode == _EXECUTABLE)
        return found


def _is_commit(text: str) -> bool:
    return 4 <= len(text) <= 64 and all(c in "0123456789abcdef" for c in text)  # noqa: PLR2004 - what git abbreviates


def _ask(clone: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Ask git about a clone, without a lock, a hook or the network."""
    return subprocess.run(
        git_command(f"--git-dir={clone}", *arguments), cwd=home, env=environment(home / "home"),
        stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
