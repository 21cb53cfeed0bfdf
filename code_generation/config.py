"""Files that a user writes, TOML or JSON: read in one place, mistakes in one line."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from code_generation.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

T = TypeVar("T")
BUILT_IN = ("heuristic-small", "heuristic-medium", "reference-oracle")
"""Models of the provider `builtin`, which need no prefix."""
KINDS = {"builtin": "scripted", "openai-compatible": None, "anthropic": "anthropic", "gemini": "gemini"}
"""What other tools call the `type` of a model, and the provider that is meant; None: `openai`, or `custom` beside an
address. A model of `BUILT_IN` has the provider of that name."""
SECRETS = {"api_key", "apikey", "api-key", "key", "token", "secret", "password"}
NO_PARAMETERS = {"model", "messages", "input", "stream"}
"""Of a body, what is made from the conversation or said in a key of its own."""
KEY_HEADERS = {"authorization", "x-api-key", "api-key"}
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Amount = Annotated[float, Meta(ge=0, le=1e12)]
Rate = Annotated[float, Meta(gt=0, le=1e12)]
Name = Annotated[str, Meta(min_length=1)]


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: no such file, or not TOML.
    """
    table: dict[str, Any] = _read(path, tomllib.loads)
    return table


def _read(path: Path, parse: Any) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"config file {path} does not exist"
    except (OSError, ValueError, RecursionError) as e:
        msg = f"config file {path} can't be read: {e}"
    raise ConfigError(msg)


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a model costs, US dollars per million tokens."""

    input: Amount
    output: Amount
    cached_input: Amount | None = None
    """Input that was read from a cache; None: like other input."""
    cache_write: Amount | None = None
    """Input that was written to a cache; None: like other input."""
    reasoning: Amount | None = None
    """Output that was thinking; None: like other output."""
    batch_discount: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Share that a batch saves, 0.5 for half; None: unknown."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Ceilings on what is asked of a service; None: as much as it lets through."""

    rpm: Rate | None = None
    """Requests per minute."""
    tpm: Rate | None = None
    """Tokens per minute, read and written."""
    max_concurrent: Annotated[int, Meta(ge=1)] | None = None
    """Calls at a time."""


@dataclass(frozen=True, kw_only=True)
class EndpointEntry:
    """One `[endpoints.NAME]` of a registry file: a service of one's own."""

    base_url: Name
    dialect: str = "chat"
    """`chat`, `responses` or `messages`."""
    api_key_env: str | None = None
    """Environment variable that holds the key; None: no key is needed."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every call; a value `$NAME` is the environment variable NAME."""
    max_tokens_name: Name | None = None
    """What the dialect `chat` calls the upper limit on an answer here."""
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model of a registry file."""

    name: Name
    """What `--model` calls it."""
    dialect: str | None = None
    """How an address of one's own is asked: `chat`, `responses` or `messages`."""
    provider: str | None = None
    """Row of the provider table or of `[endpoints]`; not needed beside `base_url`."""
    model: Name | None = None
    """The service's own name of the model; default: `name`."""
    base_url: Name | None = None
    """Address of a service."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every call; a value `$NAME` is the environment variable NAME."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Sent in every body as they are."""
    temperature: Amount | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    reasoning_effort: Name | None = None
    thinking_tokens: Annotated[int, Meta(ge=0)] | None = None
    stream: bool = True
    """Whether answers come as streams."""
    max_tokens_name: Name | None = None
    """What the dialect `chat` calls `max_tokens` here."""
    prices: Prices | None = None
    limits: Limits | None = None
    aliases: list[Name] = field(default_factory=list)
    """Further names."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A user's models and services."""

    models: dict[str, ModelEntry] = field(default_factory=dict)
    """By name and by alias."""
    endpoints: dict[str, EndpointEntry] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The models' names, without aliases, in the order of the file."""
        return list(dict.fromkeys(entry.name for entry in self.models.values()))


def read_models(path: Path) -> dict[str, ModelEntry]:
    """The models of a registry file, by name and alias; raises what `read_registry` does."""
    return read_registry(path).models


def read_registry(path: Path) -> Registry:
    """Read `[[models]]` and `[endpoints.NAME]`; JSON where the file's name ends in .json, else TOML.

    A JSON file may be a list of models alone.

    Raises:
        ConfigError: a key that is not known, a value that can't be, a name that stands twice, a key of a service.
    """
    content = _read(path, json.loads) if path.suffix == ".json" else read_toml(path)
    if isinstance(content, list):
        content = {"models": content}
    tables = content if isinstance(content, dict) else {}
    endpoints, models = tables.get("endpoints", {}), tables.get("models", [] if "endpoints" in tables else None)
    if not isinstance(models, list) or not all(isinstance(t, dict) for t in models):
        msg = f"{path}: expected [[models]] tables" + (", or a list of models" if path.suffix == ".json" else "")
        raise ConfigError(msg)
    if not isinstance(endpoints, dict) or not all(isinstance(t, dict) for t in endpoints.values()):
        msg = f"{path}: expected [endpoints.NAME] tables"
        raise ConfigError(msg)
    services = {name: _endpoint(table, f"{path}: endpoint {name!r}") for name, table in endpoints.items()}
    return Registry(models=_by_name([_model(table, path) for table in models], path), endpoints=services)


def _by_name(entries: list[ModelEntry], path: Path) -> dict[str, ModelEntry]:
    found: dict[str, ModelEntry] = {}
    for entry in entries:
        for name in (entry.name, *entry.aliases):
            if name in found:
                msg = f"{path}: the name {name!r} stands twice"
                raise ConfigError(msg)
            found[name] = entry
    return found


def _endpoint(table: dict[str, Any], place: str) -> EndpointEntry:
    entry = _convert(table, EndpointEntry, place)
    _check_connection(entry, place)
    return entry


def _model(table: dict[str, Any], path: Path) -> ModelEntry:
    if "name" not in table:
        msg = f"{path}: a model without a name"
        raise ConfigError(msg)
    place = f"{path}: model {table['name']!r}"
    entry = _convert(_in_our_words(table, place), ModelEntry, place)
    _check_connection(entry, place)
    if taken := sorted(entry.parameters.keys() & NO_PARAMETERS):
        msg = f"{place}: parameters: {taken[0]} can't be set here"
        raise ConfigError(msg)
    try:
        json.dumps(entry.parameters, allow_nan=False)
    except (TypeError, ValueError):
        msg = f"{place}: parameters: a date, nan or inf can't be sent"
        raise ConfigError(msg) from None
    return entry


def _in_our_words(table: dict[str, Any], place: str) -> dict[str, Any]:
    """Other tools' names of keys in ours: `api_base` is `base_url`, `type` says the provider; null says nothing."""
    table = {key: value for key, value in table.items() if value is not None}
    for theirs, ours in (("api_base", "base_url"), ("type", "provider")):
        if theirs in table and ours in table:
            msg = f"{place}: {theirs} and {ours} say the same thing: give one of them"
            raise ConfigError(msg)
    if "api_base" in table:
        table["base_url"] = table.pop("api_base")
    if isinstance(kind := table.get("type"), str):
        if kind not in KINDS:
            raise ConfigError(f"{place}: {UnknownName('type', kind, KINDS)}")
        del table["type"]
        table["provider"] = KINDS[kind] or ("custom" if "base_url" in table else "openai")
        if kind == "builtin" and (table.get("model") or table["name"]) in BUILT_IN:
            table["provider"] = kind
    return table


def _convert(table: dict[str, Any], kind: type[T], place: str) -> T:
    if secret := sorted(key for key in table if key.lower() in SECRETS):
        msg = f"{place}: no {secret[0]} in a file: keys come from the environment, api_key_env names the variable"
        raise ConfigError(msg)
    _check_keys(table, (f.name for f in fields(kind)), place)  # type: ignore[arg-type]
    for key, inner in (("prices", Prices), ("limits", Limits)):
        if isinstance(table.get(key), dict):
            _check_keys(table[key], (f.name for f in fields(inner)), f"{place}: {key}")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as e:
        msg = f"{place}: {e}"
        raise ConfigError(msg) from None


def _check_keys(table: dict[str, Any], known: Iterable[str], place: str) -> None:
    known = list(known)
    if unknown := sorted(table.keys() - set(known)):
        raise ConfigError(f"{place}: {UnknownName('key', unknown[0], known)}")


def _check_connection(entry: ModelEntry | EndpointEntry, place: str) -> None:
    if entry.base_url is not None:
        check_base_url(entry.base_url, f"{place}: base_url")
    if entry.api_key_env is not None:
        check_variable(entry.api_key_env, f"{place}: api_key_env")
    for name, value in entry.headers.items():
        if not HEADER_NAME.fullmatch(name):
            msg = f"{place}: headers: {name!r} is no name of a header"
            raise ConfigError(msg)
        if value.startswith("$"):
            check_variable(value[1:], f"{place}: headers: {name}")
        elif name.lower() in KEY_HEADERS:
            msg = f"{place}: headers: {name} holds a key: name the environment variable instead, in api_key_env"
            raise ConfigError(msg)


def check_base_url(url: str, place: str) -> None:
    """Refuse what is no address of a service, and an address with a password in it, which would be shown and logged.

    Raises:
        ConfigError: with the place, never with the password.
    """
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            msg = f"{place} must not hold a user or a password: keys come from the environment (api_key_env)"
            raise ConfigError(msg)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not re.search(r"\s", url)
    except ValueError:
        good = False
    if not good:
        msg = f"{place} must begin with http:// or https:// and name a host, got {url!r}"
        raise ConfigError(msg)


def check_variable(name: str, place: str) -> None:
    """Refuse what can't be the name of an environment variable: most likely it is the key itself.

    Raises:
        ConfigError: with the place, never with what stands there.
    """
    if not VARIABLE.fullmatch(name):
        msg = f"{place} must name an environment variable (letters, digits and _), not hold the key itself"
        raise ConfigError(msg)
