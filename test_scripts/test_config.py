"""What users write and install: TOML files, names in tables, optional packages."""

from __future__ import annotations

import sys

import pytest

from code_generation.config import read_toml
from code_generation.errors import (
    AuthFailed,
    BadRow,
    CodeGenerationError,
    ConfigError,
    DataError,
    ExecutorError,
    ProviderError,
    SandboxUnavailable,
    UnknownName,
    boundary,
)
from code_generation.extras import require
from code_generation.tables import resolve

TABLE = {"dumps": "json:dumps", "broken": "json:no_such_function"}


def toml(tmp_path, text):
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_read_toml(tmp_path):
    """A TOML file as a dictionary."""
    assert read_toml(toml(tmp_path, 'a = 1\n[b]\nc = ["\u00e9"]')) == {"a": 1, "b": {"c": ["\u00e9"]}}


def test_config_files_that_can_not_be_read(tmp_path):
    """A missing file, a folder, bytes that are no text and text that is no TOML are one line with the path each."""
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    (tmp_path / "text.toml").write_text("a = ")
    for name, message in (
        ("none.toml", "does not exist"),
        ("", "can't be read"),
        ("bytes.toml", "can't"),
        ("text.toml", "can't"),
    ):
        with pytest.raises(ConfigError, match=message) as error:
            read_toml(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize("name", ["dumps", "json:dumps"])
def test_a_name_or_a_dotted_path_is_resolved(name):
    """A row of a table and a path of one's own lead to the object."""
    import json

    assert resolve("tool", name, TABLE) is json.dumps


@pytest.mark.parametrize("name", ["dump", "nowhere:x", "json:nothing", "json", ":", "a:b:c", ""])
def test_unknown_names_list_the_known(name):
    """What is neither row nor path is an UnknownName with the known rows."""
    with pytest.raises(UnknownName, match=r"unknown tool .*known: broken, dumps"):
        resolve("tool", name, TABLE)


def test_a_broken_row_of_our_own_is_no_unknown_name():
    """A table row that leads nowhere is our mistake and shows as what it is."""
    with pytest.raises(AttributeError):
        resolve("tool", "broken", TABLE)


def test_unknown_names_guess():
    """The nearest known name is suggested, a far one is not; a hint is added."""
    assert str(UnknownName("data set", "mbbp", ["mbpp", "apps"])) == (
        "unknown data set 'mbbp'; known: apps, mbpp. Did you mean 'mbpp'?"
    )
    far = UnknownName("data set", "x", ["mbpp"], "See the docs.")
    assert str(far) == "unknown data set 'x'; known: mbpp. See the docs."


@pytest.mark.parametrize("module", ["no_such_package_of_ours", "no_such_package_of_ours.inner"])
def test_a_missing_package_names_its_extra(module):
    """An optional package that is not there is one line with the command that installs it."""
    with pytest.raises(ConfigError, match=r"pip install 'verified-codegen\[hub\]'"):
        require(module, "hub")


def test_a_folder_of_that_name_is_no_package(tmp_path, monkeypatch):
    """A folder of data on the import path, like our own datasets/, does not count as the package of that name."""
    (tmp_path / "folder_of_data").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="not installed"):
        require("folder_of_data", "hub")
    sys.modules.pop("folder_of_data", None)


def test_a_package_that_is_there_but_broken_says_so(tmp_path, monkeypatch):
    """A package whose own import fails is not called missing: that would send its user in circles."""
    (tmp_path / "half_installed.py").write_text("import surely_not_there_either")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="surely_not_there_either"):
        require("half_installed", "hub")


def test_a_package_that_is_there():
    """An installed package is returned as the module."""
    import zstandard

    assert require("zstandard", "zst") is zstandard


def test_the_tree_of_errors():
    """One `except` covers all of ours; each branch keeps to itself; what can't be retried says so."""
    for kind in (ConfigError, DataError, ProviderError, ExecutorError):
        assert issubclass(kind, CodeGenerationError)
    assert not issubclass(ConfigError, DataError)
    assert issubclass(SandboxUnavailable, ExecutorError)
    assert (ProviderError.retryable, AuthFailed.retryable) == (True, False)
    assert str(BadRow("a.jsonl", "3", "no tests")) == "a.jsonl: row 3: no tests"


def test_boundary_translates_foreign_errors_only():
    """A foreign exception becomes ours with what was being done; ours and unlisted ones pass unchanged."""
    with pytest.raises(DataError, match=r"^rows: invalid literal"), boundary(DataError, "rows", ValueError):
        int("x")
    with pytest.raises(DataError, match=r"^rows: KeyError"), boundary(DataError, "rows"):
        raise KeyError
    with pytest.raises(ConfigError, match=r"^mine$"), boundary(DataError, "rows"):
        raise ConfigError("mine")
    with pytest.raises(TypeError), boundary(DataError, "rows", ValueError):
        len(5)
