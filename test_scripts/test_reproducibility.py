"""`codegen manifest`: every file of a run with its hash, its sessions, cards and checklist; an archive of it all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tarfile

import pytest

from code_generation.errors import ConfigError, DataError
from code_generation.exporters.options import ExportOptions
from code_generation.exporters.pipeline import run_export
from code_generation.providers import ModelOptions
from code_generation.reproducibility.collect import collect
from code_generation.reproducibility.rendering import cell
from code_generation.reproducibility.writing import write_manifest
from code_generation.run import prepare_scrape
from test_scripts.kills import problem


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run and an export of it."""
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "p.jsonl").write_text("".join(json.dumps(problem(n)) + "\n" for n in range(3)))
    asyncio.run(
        prepare_scrape(folder / "p.jsonl", folder / "s.jsonl", model=ModelOptions(model="scripted:flaky")).run()
    )
    run_export([folder / "s.jsonl"], "sft", folder / "sft.jsonl", ExportOptions())
    return folder


def test_the_manifest_accounts_for_every_file(made):
    """Hashes and sizes are those of the files; counts are those of the rows; sessions are the run's own."""
    found = collect(made / "s.jsonl", [made / "sft.jsonl"])
    roles = {f["role"]: f for f in found["files"]}
    assert {"problems", "results", "unsolved", "manifest"} <= roles.keys()
    for entry in [*found["files"], *found["exports"]]:
        content = (made / entry["path"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert (found["counts"]["rows"], found["counts"]["verified"], found["counts"]["problems"]) == (3, 3, 3)
    assert found["certificates"]["isolation"].keys() == {"full"}
    assert [s["status"] for s in found["sessions"]] == ["finished"]
    assert found["missing"] == []
    assert "pytest" not in found["packages"] and "msgspec" in found["packages"]


def test_the_archive_is_the_same_bytes_each_time(made, tmp_path):
    """Who packs the same files gets the same archive; what is in it is what the manifest lists."""
    archives = [tmp_path / "a.tar.gz", tmp_path / "b.tar.gz"]
    for number, path in enumerate(archives):
        write_manifest(made / "s.jsonl", tmp_path / f"{number}" / "cards", [made / "sft.jsonl"], path)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as archive:
        names = set(archive.getnames())
        assert archive.extractfile("s.jsonl").read() == (made / "s.jsonl").read_bytes()
    assert {"cards/manifest.json", "cards/model_card.md", "cards/sft.jsonl.card.md", "p.jsonl", "sft.jsonl"} <= names


def test_pages_say_what_the_files_show(made, tmp_path):
    """The checklist ticks what is there and nothing else; the card counts every filter and names its sources."""
    write_manifest(made / "s.jsonl", tmp_path, [made / "sft.jsonl"], None)
    checklist = (tmp_path / "checklist.md").read_text()
    assert "- [x] Every graded row carries a certificate" in checklist
    assert "- [ ] Every answer of the model is kept (the journal)" in checklist
    card = (tmp_path / "sft.jsonl.card.md").read_text()
    assert "| duplicate | 0 |" in card and "passed every test of its problem" in card and "{{" not in card
    assert "sha256" in (tmp_path / "model_card.md").read_text()


def test_somebodys_pages_are_not_replaced(made, tmp_path):
    """A page that was edited is somebody's; the same command makes its own pages anew."""
    write_manifest(made / "s.jsonl", tmp_path, [], None)
    write_manifest(made / "s.jsonl", tmp_path, [], None)
    (tmp_path / "model_card.md").write_text("# My model\n")
    with pytest.raises(ConfigError, match="somebody's own"):
        write_manifest(made / "s.jsonl", tmp_path, [], None)
    assert (tmp_path / "model_card.md").read_text() == "# My model\n"


def test_what_can_not_be_told(made, tmp_path):
    """A run without a manifest, an export without a card, and one that was changed after its card are one line each."""
    with pytest.raises(ConfigError, match="no such file"):
        collect(tmp_path / "nothing.jsonl")
    (tmp_path / "bare.jsonl").write_text("")
    with pytest.raises(ConfigError, match="run's manifest"):
        collect(tmp_path / "bare.jsonl")
    (tmp_path / "x.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="card of an export"):
        collect(made / "s.jsonl", [tmp_path / "x.jsonl"])
    for name in ("sft.jsonl", "sft.jsonl.export.json"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    with (tmp_path / "sft.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(DataError, match="changed"):
        collect(made / "s.jsonl", [tmp_path / "sft.jsonl"])


@pytest.mark.parametrize("value", ["a|b", "<script>", "two\nlines", None, ""])
def test_cells_stay_cells(value):
    """Text of others can't break out of a table."""
    text = cell(value)
    assert "\n" not in text and "<" not in text and "|" not in text.replace("\\|", "")
