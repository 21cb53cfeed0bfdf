"""What an evaluation that samples is made of: data sets, models and strategies, from a file that a user writes.

    [evaluate]
    strategies = ["direct", "plan_then_code"]
    samples = 5
    output_dir = "results/first"

    [[datasets]]
    name = "mbpp"
    source = "mbpp.jsonl"

    [[models]]
    model = "openai:MODEL"
    temperature = 0.8

`[evaluate]` holds flags of the command; a table of `[[datasets]]` holds what `codegen preprocess` takes, one of
`[[models]]` what says which model answers and how.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from code_generation.config import SECRETS, read_toml
from code_generation.errors import ConfigError, UnknownName
from code_generation.loaders import LOADERS, LoadOptions
from code_generation.providers import ModelOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

T = TypeVar("T")
SECTIONS = ("evaluate", "datasets", "models")
OWN_FILES = "jsonl"


@dataclass(frozen=True, kw_only=True)
class DataEntry:
    """One data set of an evaluation."""

    name: str
    """What the leaderboard calls it."""
    dataset: str
    """How its rows are read, see `loaders.LOADERS`."""
    load: LoadOptions


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model of an evaluation."""

    name: str
    """What the leaderboard calls it."""
    options: ModelOptions


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Data sets and models; every one of them meets every other and every strategy."""

    datasets: tuple[DataEntry, ...]
    models: tuple[ModelEntry, ...]


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """What is asked of every model about every data set."""

    strategies: tuple[str, ...] = ("direct",)
    """Opening prompts by id, with commas between: direct (which is basic), plan_then_code, or prompts of one's own."""
    samples: int = 1
    """Answers per problem."""
    system_prompt_id: str = "helpful_coder"
    """System prompt, by id."""
    prompts_dir: Path | None = None
    """Folder with prompts of one's own, see `codegen scrape --help`."""

    def names(self) -> tuple[str, ...]:
        """The strategies.

        Raises:
            ConfigError: none, or one twice.
        """
        names = tuple(name for text in self.strategies for part in text.split(",") if (name := part.strip()))
        if not names or len(set(names)) < len(names):
            given = ",".join(self.strategies)
            msg = f"strategies are ids of prompts, each once, such as direct,plan_then_code; got {given!r}"
            raise ConfigError(msg)
        if self.samples < 1:
            msg = f"samples must be at least 1, got {self.samples}"
            raise ConfigError(msg)
        return names


def read_recipe(path: Path) -> Recipe:
    """The data sets and models of a file; what its `[evaluate]` says is read as flags, not here.

    Raises:
        ConfigError: no such file, no data set or model, a value that can't be, a name that stands twice.
        UnknownName: a key that is not known.
    """
    content = read_toml(path)
    if unknown := sorted(content.keys() - set(SECTIONS)):
        raise UnknownName(f"key in {path}", unknown[0], SECTIONS)
    datasets = [_data_entry(t, f"{path}: datasets[{i}]") for i, t in enumerate(_tables(content, "datasets", path))]
    models = [_model_entry(t, f"{path}: models[{i}]") for i, t in enumerate(_tables(content, "models", path))]
    recipe = Recipe(datasets=tuple(datasets), models=tuple(models))
    for kind, names in (("data set", [d.name for d in datasets]), ("model", [m.name for m in models])):
        if twice := [name for name, n in Counter(names).items() if n > 1]:
            msg = f"{path}: two entries are the {kind} {twice[0]!r}: give each a name of its own"
            raise ConfigError(msg)
    return recipe


def _tables(content: Mapping[str, Any], key: str, path: Path) -> Sequence[dict[str, Any]]:
    tables = content.get(key)
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        msg = f"{path}: expected at least one [[{key}]] table"
        raise ConfigError(msg)
    return tables


def _data_entry(table: dict[str, Any], place: str) -> DataEntry:
    rest = dict(table)
    name = rest.pop("name", None) or rest.get("dataset")
    if not isinstance(name, str) or not name:
        msg = f'{place} needs a name, such as name = "mbpp"'
        raise ConfigError(msg)
    dataset = rest.pop("dataset", None) or (name if name in LOADERS else OWN_FILES)
    if not isinstance(dataset, str) or (dataset not in LOADERS and ":" not in dataset):
        raise ConfigError(f"{place}: {UnknownName('data set', str(dataset), LOADERS)}")
    return DataEntry(name=name, dataset=dataset, load=_convert(rest, LoadOptions, place, ("name", "dataset")))


def _model_entry(table: dict[str, Any], place: str) -> ModelEntry:
    rest = dict(table)
    name = rest.pop("name", None) or rest.get("model")
    if not isinstance(name, str) or not name:
        msg = f'{place} needs a model, such as model = "openai:MODEL"'
        raise ConfigError(msg)
    if "model" not in rest and "model_config" in rest:
        rest["model"] = name
    return ModelEntry(name=name, options=_convert(rest, ModelOptions, place, ("name",)))


def _convert(table: dict[str, Any], kind: type[T], place: str, more: Iterable[str]) -> T:
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    table = {key.replace("-", "_"): value for key, value in table.items()}
    if secret := sorted(key for key in table if key.lower() in SECRETS):
        msg = f"{place}: no {secret[0]} in a file: keys come from the environment, api_key_env names the variable"
        raise ConfigError(msg)
    if unknown := sorted(table.keys() - set(known)):
        raise ConfigError(f"{place}: {UnknownName('key', unknown[0], [*more, *known])}")
    try:
        return msgspec.convert(table, kind, dec_hook=_as_path)
    except msgspec.ValidationError as e:
        msg = f"{place}: {e}"
        raise ConfigError(msg) from None


def _as_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError  # how msgspec wants to be told that a type is not ours to read
