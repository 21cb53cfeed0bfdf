# ruff: noqa: E501 - tables of whole patches, a line each
"""Patches applied: as the harness does, in a temporary tree, whatever a model writes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from code_generation.errors import ConfigError, DataError
from code_generation.patches.applying import COMMANDS, BaseFile, apply_patch, needed_paths, refusal
from code_generation.patches.clones import files_at, find_clone
from code_generation.patches.diffs import parse_patch
from code_generation.patches.evaluation import evaluate_patch
from code_generation.patches.extraction import extract_patch
from code_generation.patches.paths import unsafe_path
from code_generation.patches.repair import repair_patch
from test_scripts.patch_mutations import as_base, base_of
from test_scripts.test_patches import gold_rows, problem

SOURCE = "".join(f"x{n} = {n}\n" for n in range(1, 31))
HEAD = "diff --git a/p/x.py b/p/x.py\n--- a/p/x.py\n+++ b/p/x.py\n"
CHANGE = f"{HEAD}@@ -9,3 +9,3 @@\n x9 = 9\n-x10 = 10\n+x10 = 0\n x11 = 11\n"
BASE = {"p/x.py": BaseFile(SOURCE.encode())}
CHANGED = SOURCE.replace("x10 = 10", "x10 = 0").encode()


def git(folder, *arguments) -> str:
    """Real git, as a user without any configuration."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.invalid", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def build_clone(folder: Path, files: dict[str, str]) -> str:
    """A real repository with one commit; returns its id."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "-m", "base")
    return git(folder, "rev-parse", "HEAD").strip()


def state(folder: Path) -> dict[str, object]:
    """Every file below a folder: content and time of change."""
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) if p.is_file() else None
        for p in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> tuple[Path, str]:
    """A folder of clones with one, and its commit."""
    repos = tmp_path_factory.mktemp("repos")
    return repos, build_clone(repos / "r", {"p/x.py": SOURCE})


def apply_text(text: str, base=None):
    """Repair and apply."""
    repaired = repair_patch(text)
    assert repaired.fault == "", repaired.fault
    return apply_patch(repaired.files, BASE if base is None else base)


@pytest.mark.parametrize(
    ("patch", "by", "content"),
    [
        (CHANGE, 0, CHANGED),
        (CHANGE.replace("@@ -9,3 +9,3 @@", "@@ -25,3 +25,3 @@"), 0, CHANGED),
        (CHANGE.replace(" x9 = 9", " y"), 3, CHANGED),
        (CHANGE.replace("\n x11 = 11", "").replace("9,3", "9,2"), 3, CHANGED),
        (CHANGE.replace("-x10 = 10", "-y = 10"), None, None),
        (CHANGE.replace("p/x.py", "p/y.py"), None, None),
    ],
)
def test_the_first_command_that_takes_it(patch, by, content):
    """The harness' commands are tried in their order, the strict one first; what none takes does not apply."""
    done = apply_text(patch)
    assert (done.applies, done.by) == (by is not None, "" if by is None else COMMANDS[by][0])
    assert done.files == ({} if by is None else {"p/x.py": content})
    assert bool(done.reason) is (by is None)


def test_a_merge_of_three(tmp_path):
    """A patch against another state of a file goes through git's three-way merge, where that state is at hand: here
    it is that of a second touched file.
    """
    build_clone(tmp_path / "r", {"x": SOURCE})
    blob = git(tmp_path / "r", "rev-parse", "HEAD:x").strip()
    context = "@@ -7,7 +7,7 @@\n x7 = 7\n x8 = 8\n x9 = 9\n-x10 = 10\n+x10 = 0\n x11 = 11\n x12 = 12\n x13 = 13\n"
    patch = f"{HEAD}{context}".replace("--- a", f"index {blob}..{'1' * 40} 100644\n--- a")
    other = f"{HEAD}{context}".replace("p/x.py", "p/y.py")
    base = {"p/x.py": BaseFile(SOURCE.replace("x7 = 7", "x7 = 70").encode()), "p/y.py": BaseFile(SOURCE.encode())}
    done = apply_text(patch + other, base)
    assert done.by == COMMANDS[1][0]
    assert done.files["p/x.py"] == CHANGED.replace(b"x7 = 7", b"x7 = 70")


def test_new_gone_and_moved_files():
    """New, deleted, renamed and copied files are what they are afterwards."""
    new = "--- /dev/null\n+++ b/n/m.py\n@@ -0,0 +1 @@\n+a\n"
    assert apply_text(new).files == {"n/m.py": b"a\n"}
    assert apply_text(new, {"n/m.py": BaseFile(b"b\n")}).applies is False
    assert apply_text(new, {"n": BaseFile(b"b\n")}).applies is False
    gone = "--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
    assert apply_text(gone, {"g": BaseFile(b"a\n")}).files == {"g": None}
    moved = "diff --git a/p/x.py b/q/y.py\nsimilarity index 100%\nrename from p/x.py\nrename to q/y.py\n"
    assert apply_text(moved).files == {"p/x.py": None, "q/y.py": SOURCE.encode()}
    copied = moved.replace("rename", "copy")
    assert apply_text(copied).files == {"p/x.py": SOURCE.encode(), "q/y.py": SOURCE.encode()}
    mode = "diff --git a/p/x.py b/p/x.py\nold mode 100644\nnew mode 100755\n"
    assert apply_text(mode).files == {"p/x.py": SOURCE.encode()}
    assert needed_paths(parse_patch(moved)) == ["p", "p/x.py", "q", "q/y.py"]


UNSAFE = ["../x", "a/../../x", "/etc/x", "\\x", "C:/x", ".git/hooks/pre-commit", "a/.GIT/config", ".git ", ".git./x", "a b/.. /x",
          "a/.g\u200cit/x", "git~1/x", "a//x", "./x", "a\tb", "a\nb", "a\x7f", "x" * 1025, "a\\..\\..\\x", ".git x/y"]  # fmt: skip


@pytest.mark.parametrize("path", UNSAFE, ids=repr)
def test_unsafe_paths(path):
    """No path leads out of the tree, into git's own folder, or is read as another by some tool."""
    assert unsafe_path(path)


@pytest.mark.parametrize("path", ["a.py", "a/b c/d.txt", ".github/x", ".gitignore", "a/..b/c", "ü/x", "a.git/x"])
def test_safe_paths(path):
    """Ordinary names are let through."""
    assert unsafe_path(path) == ""


def _attacks(victim: Path) -> list[str]:
    """Patches that would write outside of the tree, run something, or make links."""
    up, body = "../" * 12, "@@ -0,0 +1 @@\n+owned\n"
    out = str(victim / "owned").lstrip("/")
    link = "new file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+%s\n\\ No newline at end of file\n"
    names = [
        f"{up}{out}",
        f"/{out}",
        f"p/{up}{out}",
        ".git/hooks/post-checkout",
        f'"\\056\\056/{out}"',
        "..",
        "x/.git/config",
    ]
    patches = [f"--- /dev/null\n+++ b/{n}\n{body}" for n in names if not n.startswith('"')]
    patches += [f'--- /dev/null\n+++ "b/\\056\\056/{up}{out}"\n{body}', f"--- /dev/null\n+++ {up}{out}\n{body}"]
    patches += [
        f"diff --git a/p/x.py b/{up}{out}\nsimilarity index 100%\n{w} from p/x.py\n{w} to {up}{out}\n"
        for w in ("copy", "rename")
    ]
    patches += [f"diff --git a/{up}{out} b/p/x.py\nsimilarity index 100%\ncopy from {up}{out}\ncopy to p/x.py\n"]
    patches += [
        f"diff --git a/l b/l\n{link % victim}",
        f"diff --git a/l b/l\n{link % victim}--- /dev/null\n+++ b/l/owned\n{body}",
    ]
    patches += [
        "diff --git a/p/x.py b/p/x.py\nold mode 100644\nnew mode 120000\n",
        "diff --git a/s b/s\nnew file mode 160000\nindex 000..111\n",
    ]
    patches += [
        f"--- a/p/x.py\n+++ b/p/x.py\n1e touch {victim}/owned\n.\n",
        f"Prereq: $(touch {victim}/owned)\n{CHANGE}1,2c\n!touch {victim}/owned\n.\nw\nq\n",
    ]
    patches += [f"Index: {up}{out}\n{CHANGE}", CHANGE.replace("--- a/p/x.py", f"--- a/p/x.py\t{up}{out}")]
    patches += [
        f"diff --git a/p/x.py b/{up}{out}\n{CHANGE.partition(chr(10))[2]}",
        "diff --git a/x b/x\nGIT binary patch\nliteral 9\nzcmZ\n",
    ]
    return patches


@pytest.mark.parametrize("number", range(len(_attacks(Path("/v")))))
def test_attacks(tmp_path, repository, number):
    """Nothing is written outside of the temporary tree and nothing run, whatever a patch names; what is left of such an
    answer is harmless or refused.
    """
    victim = tmp_path / "victim"
    victim.mkdir()
    patch = _attacks(victim)[number]
    repos, commit = repository
    before = state(repos)
    for answer in (patch, f"```diff\n{patch}```"):
        report = evaluate_patch(answer, problem(base_commit=commit), repos)
        assert not report.applies or report.files == ["p/x.py"], patch
        assert report.applies or report.fault or report.reason
    assert list(victim.iterdir()) == [] and state(repos) == before


def test_tools_are_not_asked_about_unsafe_patches():
    """Refused is what names a place or a kind of file that no patch may write, before any tool sees it."""
    for patch in (f"{HEAD}@@ -1 +1 @@\n-a\n+b\n".replace("p/x.py", "p/../../x.py"), CHANGE.replace("p/x.py", ".git/x")):
        assert refusal(parse_patch(patch)) and not apply_patch(parse_patch(patch), BASE).applies
    many = "".join(f"diff --git a/{n} b/{n}\nold mode 100644\nnew mode 100755\n" for n in range(1001))
    assert "1001 files" in refusal(parse_patch(many))
    copies = "".join(f"diff --git a/b b/c{n}\nsimilarity index 100%\ncopy from b\ncopy to c{n}\n" for n in range(200))
    done = apply_patch(parse_patch(copies), {"b": BaseFile(b"x" * 1_000_000)})
    assert not done.applies and "200000000 bytes" in done.reason


def test_huge_patches():
    """Patches of a million lines come to an end: a large one applies, one beyond all sense is a fault."""
    lines = 200_000
    patch = f"--- /dev/null\n+++ b/big.txt\n@@ -0,0 +1,{lines} @@\n" + "+x = 1\n" * lines
    assert apply_text(patch).files == {"big.txt": b"x = 1\n" * lines}
    assert "longer than" in repair_patch(patch * 4).fault
    wrong = patch.replace(f"+1,{lines}", "+1,7")
    assert repair_patch(wrong).repairs == ["hunk-counts", "git-header"]
    repaired = repair_patch(f"{HEAD}@@ -5,3 +5,3 @@\n" + " \n" * 3000 + "-a\n", {"p/x.py": "\n" * 100_000})
    assert repaired.fault == ""


NESTED = "--- a/d/x.md\n+++ b/d/x.md\n@@ -1,7 +1,8 @@\n # Title\n ```diff\n --- a/q\n +++ b/q\n-@@ -1 +1 @@\n+@@ -1 +1,2 @@\n++c\n ```\n end\n"
MARKDOWN = "# Title\n```diff\n--- a/q\n+++ b/q\n@@ -1 +1 @@\n```\nend\n"


@pytest.mark.parametrize(
    "wrap",
    ["{}", "```diff\n{}```", "````\n{}````", "<patch>\n{}</patch>", "So:\n<patch>\n```diff\n{}```\n</patch>\n</s>"],
)
def test_patches_of_patches(wrap):
    """A patch of a page that holds fences and patches comes through whole."""
    found = extract_patch(wrap.format(NESTED))
    assert found is not None
    done = apply_text(found.raw, {"d/x.md": BaseFile(MARKDOWN.encode())})
    assert done.files == {"d/x.md": MARKDOWN.replace("+1 @@\n", "+1,2 @@\n+c\n").encode()}
    inner = "--- a/f.patch\n+++ b/f.patch\n@@ -1,3 +1,3 @@\n---- a/q\n-+++ b/q\n+--- a/r\n++++ b/r\n @@ -1 +1 @@\n"
    base = {"f.patch": BaseFile(b"--- a/q\n+++ b/q\n@@ -1 +1 @@\n")}
    found = extract_patch(wrap.format(inner))
    assert found is not None
    assert apply_text(found.raw, base).files == {"f.patch": b"--- a/r\n+++ b/r\n@@ -1 +1 @@\n"}


@pytest.mark.parametrize("junk", ["\0", "\ud800", chr(0xDCFF)])
def test_what_no_file_holds(junk):
    """NULs and halves of surrogate pairs are a fault that names its line, in patch and header."""
    assert "line 5" in repair_patch(CHANGE.replace("x9", junk)).fault
    assert repair_patch(CHANGE.replace("p/x.py", f"p/{junk}")).fault
    assert evaluate_patch(CHANGE.replace("x9", junk), problem()).well_formed is False


def test_carriage_returns_alone():
    """A patch whose lines end in a carriage return alone is one."""
    report = evaluate_patch(CHANGE.replace("\n", "\r"), problem(text=f"[start of p/x.py]\n{SOURCE}\n[end of p/x.py]"))
    assert (report.applies, report.repairs) == (True, ["line-ends"])


@pytest.mark.parametrize(
    ("place", "bare"),
    [
        ("own__rep", False),
        ("own/rep", False),
        ("rep", False),
        ("own__rep.git", True),
        ("own/rep.git", True),
        ("rep", True),
    ],
)
def test_clones(tmp_path, place, bare):
    """A clone is found under each of its names, plain or bare, and is the same afterwards, byte for byte and to the
    time of change; the patch is held against the commit, not against what lies about.
    """
    source = tmp_path / "source"
    commit = build_clone(source, {"p/x.py": SOURCE, "p/run.sh": "a\n", "ü b.py": "x = 1\n"})
    repos = tmp_path / "repos"
    (repos / place).parent.mkdir(parents=True)
    git(tmp_path, "clone", "--quiet", *(["--bare"] if bare else []), str(source), str(repos / place))
    if not bare:
        (repos / place / "p/x.py").write_text("changed since")
    before = state(repos)
    row = problem(repo="own/rep", base_commit=commit, patch=CHANGE)
    report = evaluate_patch(CHANGE.replace("-9,3", "-29,3").replace("p/x.py", "home/me/p/x.py", 0), row, repos)
    assert (report.applies, report.applied_to, report.score) == (True, "base commit", 1)
    assert report.repairs == ["hunk-starts"]
    odd = evaluate_patch("--- a/ü b.py\n+++ b/ü b.py\n@@ -1 +1 @@\n-x = 1\n+x = (\n", row, repos)
    assert (odd.applies, odd.syntax_errors) == (True, ["ü b.py:1: '(' was never closed"])
    assert state(repos) == before


def test_clones_that_do_not_help(tmp_path):
    """Without the repository, or without its commit, the prompt's files are used, and the reason is told."""
    commit = build_clone(tmp_path / "rep", {"p/x.py": SOURCE})
    text = f"[start of p/x.py]\n{SOURCE}\n[end of p/x.py]"
    row = problem(repo="own/rep", base_commit="1" * 40, text=text)
    assert evaluate_patch(CHANGE, row, tmp_path).applied_to == "files of the prompt"
    missing = evaluate_patch(CHANGE, problem(repo="own/rep", base_commit="1" * 40), tmp_path)
    assert missing.applies is None and "does not have the commit" in missing.reason
    assert evaluate_patch(CHANGE, problem(repo="own/other"), tmp_path).applies is None
    assert find_clone(tmp_path, "../rep") is None and find_clone(tmp_path, "rep") is None
    for wrong in ("1" * 40, "--help", "HEAD", ""):
        with pytest.raises(DataError, match="does not have the commit"):
            files_at(tmp_path / "rep/.git", wrong, ["p/x.py"])
    assert list(files_at(tmp_path / "rep/.git", commit, ["p", "p/x.py", "p/y.py", ":(glob)**"])) == ["p/x.py"]


def test_links_and_modes_of_a_repository(tmp_path):
    """A link in the repository is a plain file here, so that nothing is written through it; modes are kept."""
    folder = tmp_path / "rep"
    build_clone(folder, {"p/x.py": SOURCE, "run.sh": "a\n"})
    (folder / "run.sh").chmod(0o755)
    (folder / "l").symlink_to("/etc")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "more")
    commit = git(folder, "rev-parse", "HEAD").strip()
    assert files_at(folder / ".git", commit, ["run.sh", "l"]) == {
        "run.sh": BaseFile(b"a\n", executable=True), "l": BaseFile(b"/etc")
    }  # fmt: skip
    row = problem(repo="own/rep", base_commit=commit)
    through = evaluate_patch("--- /dev/null\n+++ b/l/owned\n@@ -0,0 +1 @@\n+a\n", row, tmp_path)
    assert through.applies is False


def test_git_reads_no_configuration_of_others(tmp_path, monkeypatch):
    """A user's configuration, environment and hooks change nothing and are not run."""
    ran = tmp_path / "ran"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / name).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n\tautocrlf = true\n[apply]\n\twhitespace = error\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hooks))
    done = apply_text(CHANGE.replace("+x10 = 0", "+x10 = 0  "))
    assert done.by == COMMANDS[0][0] and done.files["p/x.py"] == CHANGED.replace(b"x10 = 0", b"x10 = 0  ")
    assert not ran.exists()


def test_missing_programs(tmp_path, monkeypatch):
    """Without git there is one clear line."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="the program git, which is not installed"):
        apply_text(CHANGE)


def test_many_at_a_time(tmp_path, monkeypatch):
    """Threads don't get in each other's way, and nothing is left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        assert [done.files for done in pool.map(apply_text, [CHANGE] * 8)] == [{"p/x.py": CHANGED}] * 8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.shared
@pytest.mark.slow
def test_gold_patches_apply(shared, tmp_path):
    """Every gold patch applies by the first command to files made from its hunks, and to a real repository of them."""
    for number, (name, field, patch) in enumerate(gold_rows(shared)):
        files = base_of(patch)
        done = apply_patch(parse_patch(patch), as_base(files))
        assert (done.applies, done.by) == (True, COMMANDS[0][0]), (name, field, done.reason)
        if number % 5 == 0:
            commit = build_clone(tmp_path / f"r{number}", {**files, "other.txt": "a\n"})
            row = problem(repo=f"o/r{number}", base_commit=commit, patch=patch)
            report = evaluate_patch(f"<patch>\n{patch}</patch>", row, tmp_path)
            assert (report.applies, report.repairs, report.file_recall, report.similarity) == (True, [], 1, 1), name
