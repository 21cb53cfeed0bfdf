"""TOML files that a user writes: read in one place, mistakes in one line."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import msgspec

from code_generation.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from pathlib import Path


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: no such file, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"config file {path} does not exist"
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        msg = f"config file {path} can't be read: {e}"
    raise ConfigError(msg)


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model of a registry file."""

    name: str
    """What `--model` calls it."""
    provider: str | None = None
    """Row of the provider table; not needed beside `base_url`."""
    model: str | None = None
    """The service's own name of the model; default: `name`."""
    base_url: str | None = None
    """Address of an OpenAI-compatible service."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    temperature: float | None = None
    max_tokens: int | None = None
    aliases: list[str] = field(default_factory=list)
    """Further names."""


def read_models(path: Path) -> dict[str, ModelEntry]:
    """Read a registry file: a list of `[[models]]` tables; names and aliases lead to entries.

    Raises:
        ConfigError: a key that is not known, a name that stands twice.
    """
    known = {f.name for f in fields(ModelEntry)}
    tables = read_toml(path).get("models")
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        msg = f"{path}: expected [[models]] tables"
        raise ConfigError(msg)
    found: dict[str, ModelEntry] = {}
    for table in tables:
        if unknown := sorted(table.keys() - known):
            raise ConfigError(str(UnknownName(f"key in {path}", unknown[0], known)))
        if "name" not in table:
            msg = f"{path}: a model without a name"
            raise ConfigError(msg)
        try:
            entry = msgspec.convert(table, ModelEntry)
        except msgspec.ValidationError as e:
            msg = f"{path}: model {table['name']!r}: {e}"
            raise ConfigError(msg) from None
        for name in (entry.name, *entry.aliases):
            if name in found:
                msg = f"{path}: the name {name!r} stands twice"
                raise ConfigError(msg)
            found[name] = entry
    return found
