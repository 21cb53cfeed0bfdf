"""Whether the harness' commands take a patch, tried on the touched files alone in a temporary folder.

The commands and their order are SWE-bench's (swebench/harness/run_evaluation.py, 5.x), the tree put back in between.

What is covered: the patch is one that was parsed, so that tools get no line that is not of a header or a hunk (GNU
patch runs no ed script); every path in it is looked at before; links, submodules and binary parts are refused; git's
own folder lies outside of the tree; git reads no configuration but what is given here and has no hooks; a time limit
and limits on size hold. A clone is only read. What is not covered: files that the patch does not touch are not there,
`.gitattributes` of the repository neither.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from code_generation.errors import ConfigError
from code_generation.patches.diffs import FilePatch, render_patch
from code_generation.patches.paths import unsafe_path, written_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COMMANDS = (
    ("git apply --verbose", ("apply", "--verbose")),
    ("git apply --verbose --3way", ("apply", "--verbose", "--3way")),
    ("git apply --verbose --reject", ("apply", "--verbose", "--reject")),
    ("patch --batch --forward --fuzz=5 -p1 -i", ()),
)
"""Name and, where it is git, its arguments; the patch's file comes last."""
MOST_FILES = 1000
MOST_BYTES = 128_000_000
"""Of all files before the change, a copied or renamed one counted each time."""
TIMEOUT_S = 60.0
"""Of one command."""
CONFIG = {
    "core.hooksPath": "/dev/null", "core.symlinks": "false", "core.autocrlf": "false", "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null", "core.excludesFile": "/dev/null", "core.protectHFS": "true",
    "core.protectNTFS": "true", "core.quotePath": "false", "commit.gpgSign": "false", "gc.auto": "0",
    "user.name": "nobody", "user.email": "nobody@example.invalid", "safe.directory": "*",
    "protocol.allow": "never",
}  # fmt: skip
"""All that git is told."""


@dataclass(frozen=True)
class BaseFile:
    """A file from before the change."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Applied:
    """What became of the attempt."""

    applies: bool
    by: str = ""
    """The first of `COMMANDS` that took it; empty where none did."""
    files: dict[str, bytes | None] = field(default_factory=dict)
    """What the touched files hold afterwards, None where there is none; empty where it does not apply."""
    reason: str = ""
    """What the first command said, or why none was asked; empty where it applies."""


def refusal(files: Sequence[FilePatch]) -> str:
    """Why a patch is not given to any tool; empty where it is."""
    if len(files) > MOST_FILES:
        return f"it touches {len(files)} files; at most {MOST_FILES} are applied"
    for file in files:
        for path in _named(file):
            reason = unsafe_path(path)
            if reason:
                return f"the path {path[:80]!r} is refused: {reason}"
        wrong = [mode for mode in file.modes if mode not in {"100644", "100755"}]
        if wrong:
            return f"the mode {wrong[0][:20]} of {file.path} is refused: only plain files are written"
    return ""


def _named(file: FilePatch) -> Iterator[str]:
    """Every path in a header in every form in which a tool could take it: whole, and without its first folder."""
    yield from (path for path in (file.old, file.new) if path is not None)
    for line in file.head:
        if line.startswith(("--- ", "+++ ")):
            path = written_path(line[4:])
        elif line.startswith(("rename ", "copy ")):
            path = written_path(line.split(" ", 2)[2])
        elif line.startswith("diff --git "):
            yield from (part.partition("/")[2] or part for part in line.removeprefix("diff --git ").split(" ") if part)
            continue
        else:
            continue
        if path != "/dev/null":
            yield path
            yield path.partition("/")[2] or path


def needed_paths(files: Sequence[FilePatch]) -> list[str]:
    """The files that have to be at hand, and whatever may stand in the way of a new one: a file named like a folder."""
    paths = {path for file in files for path in (file.old, file.new) if path is not None}
    folders = {str(folder) for path in paths for folder in Path(path).parents} - {"."}
    return sorted(paths | folders)


def apply_patch(files: Sequence[FilePatch], base: Mapping[str, BaseFile]) -> Applied:
    """Try the commands on files from before the change, by path.

    Raises:
        ConfigError: git or patch is not installed.
    """
    reason = refusal(files)
    if reason:
        return Applied(applies=False, reason=reason)
    size = sum(len(base[p].content) for file in files for p in {file.old, file.new} if p is not None and p in base)
    if size > MOST_BYTES:
        return Applied(
            applies=False, reason=f"the files it touches hold {size} bytes; at most {MOST_BYTES} are applied"
        )
    for tool in ("git", "patch"):
        if shutil.which(tool) is None:
            raise ConfigError(f"applying patches takes the program {tool}, which is not installed")
    with tempfile.TemporaryDirectory(prefix="codegen-patch-") as folder:
        return _try_all(Path(folder), files, base)


def _try_all(folder: Path, files: Sequence[FilePatch], base: Mapping[str, BaseFile]) -> Applied:
    tree = folder / "tree"
    tree.mkdir()
    (folder / "home").mkdir()
    patch = folder / "patch.diff"
    patch.write_bytes(render_patch(files).encode())
    paths = sorted({path for file in files for path in (file.old, file.new) if path is not None})
    _git(folder, "init", "--quiet", "--template=", check=True)
    _lay_out(tree, {path: base[path] for path in needed_paths(files) if path in base})
    _git(folder, "add", "--all", "--force", check=True)
    _git(folder, "commit", "--quiet", "--allow-empty", "--no-verify", "-m", "base", check=True)
    first = ""
    for name, arguments in COMMANDS:
        done = _git(folder, *arguments, str(patch)) if arguments else _run(folder, [*name.split(), str(patch)])
        if done.returncode == 0:
            return Applied(applies=True, by=name, files={path: _read(tree, path) for path in paths})
        first = first or done.stderr.decode("utf-8", "replace").replace(f"{folder}/", "").strip()
        _git(folder, "reset", "--quiet", "--hard", check=True)
        _git(folder, "clean", "-ffdxq", check=True)
    return Applied(applies=False, reason=first[:2000] or "no command took it")


def _lay_out(tree: Path, base: Mapping[str, BaseFile]) -> None:
    """Write the files; the paths were looked at."""
    for path, file in base.items():
        place = tree / path
        if any(parent.is_file() for parent in place.parents if parent != tree) or place.is_dir():
            continue  # the base can't hold both: a listing of a prompt was wrong
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
        if file.executable:
            place.chmod(0o755)


def _read(tree: Path, path: str) -> bytes | None:
    """What a path holds now; never through a link."""
    place = tree / path
    if place.is_symlink() or not place.is_file() or place.resolve() != (tree.resolve() / path):
        return None
    return place.read_bytes()


def environment(home: Path) -> dict[str, str]:
    """All that the tools see of the environment."""
    return {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_ALLOW_PROTOCOL": "none",
        "GIT_CEILING_DIRECTORIES": str(home.parent),
    }  # fmt: skip


def git_command(*arguments: str) -> list[str]:
    """A command line of git with all that it is told."""
    return ["git", *(word for key, value in CONFIG.items() for word in ("-c", f"{key}={value}")), *arguments]


def _git(folder: Path, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[bytes]:
    where = (f"--git-dir={folder / 'repository'}", f"--work-tree={folder / 'tree'}")
    done = _run(folder, git_command(*where, *arguments))
    if check and done.returncode != 0:
        raise OSError(f"git {arguments[0]} failed: {done.stderr.decode('utf-8', 'replace').strip()[:500]}")
    return done


def _run(folder: Path, command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a tool in the tree; one that takes too long has failed."""
    try:
        return subprocess.run(
            command, cwd=folder / "tree", env=environment(folder / "home"), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, b"", f"no end after {TIMEOUT_S} s".encode())
