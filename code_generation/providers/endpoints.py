"""Where a model is and how it is asked: the table of services, the flags that choose, a user's registry file."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from code_generation.config import BUILT_IN, Limits, ModelEntry, Registry, check_base_url, check_variable, read_registry
from code_generation.errors import ConfigError, UnknownName
from code_generation.models import Sampling
from code_generation.providers.checks import check_values, fill_in, find_key
from code_generation.providers.dialect import Wire
from code_generation.providers.scripted import SCRIPTS
from code_generation.tables import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.config import Prices

NO_LIMITS = Limits()


@dataclass(frozen=True)
class Endpoint:
    """A service that speaks a dialect."""

    dialect: str
    base_url: str | None
    """None: the SDK's own default."""
    api_key_env: str | None
    """Environment variable of the key; None: no key is needed."""
    max_tokens_name: str = "max_tokens"
    """What the dialect `chat` calls the upper limit on an answer here. Services that know only one of the two names
    ignore the other in silence, or refuse it; so does a model of OpenAI with the older one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every call; a value `$NAME` is the environment variable NAME."""
    limits: Limits = NO_LIMITS


DIALECTS = {
    "chat": "code_generation.providers.chat_dialect:DIALECT",
    "responses": "code_generation.providers.responses_dialect:DIALECT",
    "messages": "code_generation.providers.messages_dialect:DIALECT",
}
NEWER = "max_completion_tokens"
ENDPOINTS = {
    "openai": Endpoint("chat", None, "OPENAI_API_KEY", NEWER),
    "openai-responses": Endpoint("responses", None, "OPENAI_API_KEY"),
    "anthropic": Endpoint("messages", None, "ANTHROPIC_API_KEY"),
    "gemini": Endpoint("chat", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "together": Endpoint("chat", "https://api.together.ai/v1", "TOGETHER_API_KEY"),
    "openrouter": Endpoint("chat", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "deepseek": Endpoint("chat", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    "groq": Endpoint("chat", "https://api.groq.com/openai/v1", "GROQ_API_KEY", NEWER),
    "mistral": Endpoint("chat", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "xai": Endpoint("chat", "https://api.x.ai/v1", "XAI_API_KEY"),
    "fireworks": Endpoint("chat", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "vllm": Endpoint("chat", "http://127.0.0.1:8000/v1", None),
    "sglang": Endpoint("chat", "http://127.0.0.1:30000/v1", None),
    "ollama": Endpoint("chat", "http://127.0.0.1:11434/v1", None),
    "custom": Endpoint("chat", None, None),
}
OFFLINE = {
    "builtin": "code_generation.providers.builtin:BuiltinProvider",
    "scripted": "code_generation.providers.scripted:ScriptedProvider",
    "replay": "code_generation.providers.replay:ReplayProvider",
}
ALIKE = 0.7
"""From here on, 0 to 1, a plain name counts as a slip of the pen for one of ours."""
NO_KEY = "none"
"""Sent where a service needs no key."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model answers, and how it is asked."""

    model: str | None = None
    """The model, as `provider:model` or the model's own name; `scripted:flaky`, `replay:FILE` and
    `heuristic-small` need no network. Also from CODEGEN_MODEL; not needed where --model-config holds one model."""
    provider: str | None = None
    """Service that has the model: a name of the provider table, instead of the prefix of --model."""
    base_url: str | None = None
    """Address of a service of one's own; needs no key unless --api-key-env names one."""
    dialect: str | None = None
    """How the address is asked: chat, responses or messages; default: as the provider table says, else chat."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    model_config: Path | None = None
    """TOML or JSON file with models and services of one's own, see configs/models.example.toml."""
    temperature: float | None = None
    """Sampling temperature; sent only when given."""
    top_p: float | None = None
    """Share of the probable tokens that are sampled from; sent only when given."""
    max_tokens: int | None = None
    """Upper limit on the tokens of one answer, thinking included; sent only when given."""
    sampling_seed: int | None = None
    """Seed of the service's sampling, where it has one; sent only when given."""
    reasoning_effort: str | None = None
    """How hard a reasoning model thinks: none, minimal, low, medium, high, ... as the model knows it."""
    thinking_tokens: int | None = None
    """Tokens that a model may think, where it takes a number: at least 1024 and less than --max-tokens; 0: none."""
    no_stream: bool = False
    """Ask for whole answers instead of streams."""
    rpm: float | None = None
    """Most requests per minute; default: as many as the service lets through."""
    tpm: float | None = None
    """Most tokens per minute, read and written; default: as many as the service lets through."""
    request_timeout: float = 600.0
    """Seconds that one answer may take in all."""
    max_retries: int = 5
    """How often a call that failed is made again; waiting for a rate limit does not count."""


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """A model, fully determined."""

    provider: str
    model: str
    endpoint: Endpoint | None
    """None: an offline provider."""
    api_key: str = NO_KEY
    sampling: Sampling
    wire: Wire
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every call, variables filled in: as secret as the key."""
    prices: Prices | None = None
    """What the registry file says; None: nothing."""
    limits: Limits = NO_LIMITS

    def __repr__(self) -> str:
        """Without the key."""
        return f"{self.provider}:{self.model}"

    @property
    def temperature(self) -> float | None:
        """None: not sent."""
        return self.sampling.temperature

    @property
    def max_tokens(self) -> int | None:
        """None: not sent."""
        return self.sampling.max_tokens


def choose_model(
    options: ModelOptions, environment: Mapping[str, str] | None = None, *, need_key: bool = True
) -> ModelChoice:
    """Find out who is meant, how it is asked and whether there is a key.

    Raises:
        ConfigError: no model named, no key, a value that can't be, a registry file that can't be read.
        UnknownName: no such provider, dialect or model.
    """
    environment = os.environ if environment is None else environment
    registry = read_registry(options.model_config) if options.model_config else Registry()
    endpoints = _known_endpoints(registry, options.model_config)
    entry = _entry_of(options, registry, endpoints)
    options, entry = _filled_in(options, entry)
    check_values(options)
    if not options.model:
        msg = "no model given: use --model provider:model (scripted:flaky works offline), or set CODEGEN_MODEL"
        raise ConfigError(msg)
    provider, model = _split(options.model, options, endpoints)
    sampling = _sampling_of(options)
    wire = Wire(model=model, parameters=entry.parameters, stream=entry.stream and not options.no_stream)
    chosen = ModelChoice(
        provider=provider, model=model, endpoint=None, sampling=sampling, wire=wire, prices=entry.prices
    )
    if provider in OFFLINE:
        return chosen
    endpoint = _endpoint_of(provider, options, entry, endpoints)
    _check_sayable(sampling, endpoint)
    return replace(
        chosen,
        endpoint=endpoint,
        api_key=find_key(provider, endpoint.api_key_env, environment, need_key=need_key) or NO_KEY,
        wire=replace(wire, max_tokens_name=endpoint.max_tokens_name),
        headers=fill_in(provider, endpoint.headers, environment, need_key=need_key),
        limits=endpoint.limits,
    )


# ------------------------------------------------------------------------------------------------ the registry file


def _known_endpoints(registry: Registry, path: Path | None) -> dict[str, Endpoint]:
    """The table of services with those of the file; every service and dialect that the file names is known."""
    known = dict(ENDPOINTS)
    for name, entry in registry.endpoints.items():
        place = f"{path}: endpoint {name!r}"
        if name in known or name in OFFLINE or not re.fullmatch(r"[\w.-]+", name):
            taken = "is in the provider table" if name in known or name in OFFLINE else "is no name for a service"
            msg = f"{place}: the name {taken}; choose another"
            raise ConfigError(msg)
        _check_dialect(entry.dialect, f"({place})")
        known[name] = Endpoint(
            entry.dialect, entry.base_url, entry.api_key_env, entry.max_tokens_name or "max_tokens",
            entry.headers, limits=entry.limits or NO_LIMITS,
        )  # fmt: skip
    for model in registry.models.values():
        place = f"({path}: model {model.name!r})"
        if model.provider is not None and model.provider not in known and model.provider not in OFFLINE:
            raise UnknownName("provider", model.provider, [*known, *OFFLINE], place)
        if model.dialect is not None:
            _check_dialect(model.dialect, place)
    return known


def _check_dialect(name: str, place: str = "") -> None:
    if name not in DIALECTS and ":" not in name:
        raise UnknownName("dialect", name, DIALECTS, place)


def _entry_of(options: ModelOptions, registry: Registry, endpoints: Mapping[str, Endpoint]) -> ModelEntry | None:
    """What the file says about the model that is meant; None where it says nothing."""
    names = registry.names()
    if options.model is None:
        if len(names) > 1:
            msg = f"{options.model_config} has {len(names)} models; say which with --model: {', '.join(names)}"
            raise ConfigError(msg)
        return registry.models[names[0]] if names else None
    found = registry.models.get(options.model)
    services = {*endpoints, *OFFLINE}
    elsewhere = options.provider or options.base_url or options.model.partition(":")[0] in services
    if found is None and names and not elsewhere and options.model not in BUILT_IN:
        hint = f"({options.model_config}; a model that is not in the file is PROVIDER:MODEL)"
        raise UnknownName("model", options.model, registry.models, hint)
    return found


def _filled_in(options: ModelOptions, entry: ModelEntry | None) -> tuple[ModelOptions, ModelEntry]:
    """The flags with what the file says where they say nothing, and what only a file can say."""
    if entry is None:
        return options, ModelEntry(name="none")
    home = entry.provider or ("custom" if entry.base_url else None)
    elsewhere = options.provider not in {None, home}
    if elsewhere or options.base_url not in {None, entry.base_url}:
        # its key and headers must not go to another place unasked, and its prices are not that place's
        dialect = None if elsewhere else entry.dialect
        entry = replace(
            entry, base_url=None, dialect=dialect, api_key_env=None, headers={}, prices=None, limits=None
        )  # fmt: skip
    filled = {
        name: getattr(entry, name)
        for name in ("base_url", "dialect", "api_key_env", "temperature", "top_p", "max_tokens", "reasoning_effort",
                     "thinking_tokens")
        if getattr(options, name) is None
    }  # fmt: skip
    provider = options.provider or home or ("custom" if options.base_url else None)
    return replace(options, model=entry.model or entry.name, provider=provider, **filled), entry


def _over(below: Limits, above: Limits) -> Limits:
    """Limits of which the upper ones win where they say something."""
    said = {name: getattr(above, name) for name in ("rpm", "tpm", "max_concurrent")}
    return replace(below, **{name: value for name, value in said.items() if value is not None})


# ------------------------------------------------------------------------------------------------ who is meant


def _split(model: str, options: ModelOptions, endpoints: Mapping[str, Endpoint]) -> tuple[str, str]:
    """Provider and model of `provider:model`; a model's own name may hold colons too (`llama3:8b`)."""
    prefix, colon, rest = model.partition(":")
    known = {*endpoints, *OFFLINE}
    if options.provider:
        same = colon and prefix == options.provider
        return options.provider, rest if same else model
    if colon and prefix in known:
        return prefix, rest
    if options.base_url:
        return "custom", model
    if model in BUILT_IN:
        return "builtin", model
    if not colon and (meant := _meant(model)):
        msg = f"{model!r} is no model that is known here; did you mean {meant!r}? A model of OpenAI is openai:{model}"
        raise ConfigError(msg)
    if colon:
        hint = f"Where {model!r} is the model's whole name, say which service has it: --provider NAME."
        raise UnknownName("provider", prefix, known, hint)
    return "openai", model


def _meant(model: str) -> str | None:
    """The model without network that a plain name is nearly, or is without its prefix; None: it is like none."""
    if model in SCRIPTS:
        return f"scripted:{model}"
    offline = [*BUILT_IN, *(f"scripted:{name}" for name in SCRIPTS)]
    return next(iter(difflib.get_close_matches(model, offline, n=1, cutoff=ALIKE)), None)


def _endpoint_of(
    provider: str, options: ModelOptions, entry: ModelEntry, endpoints: Mapping[str, Endpoint]
) -> Endpoint:
    if provider not in endpoints:
        raise UnknownName("provider", provider, [*endpoints, *OFFLINE], f"(model {options.model!r})")
    endpoint = endpoints[provider]
    if options.dialect is not None:
        _check_dialect(options.dialect)
    if options.api_key_env is not None:
        check_variable(options.api_key_env, "--api-key-env")
    if options.base_url:  # another address than the service's own: its key and headers must not go there unasked
        check_base_url(options.base_url, "--base-url")
        endpoint = replace(endpoint, base_url=options.base_url, api_key_env=None, headers={})
    elif provider == "custom":
        msg = "provider 'custom' needs an address: --base-url, or base_url in the registry file"
        raise ConfigError(msg)
    elif endpoint.base_url is None and options.dialect not in {None, endpoint.dialect}:  # its SDK asks elsewhere
        other = " (openai-responses speaks responses)" if provider == "openai" else ""
        msg = f"{provider} speaks {endpoint.dialect}, not {options.dialect}{other}: give --base-url with --dialect"
        raise ConfigError(msg)
    dialect = options.dialect or endpoint.dialect
    base_url = endpoint.base_url
    if base_url and dialect == "messages":  # its path begins with /v1, those of the others come after it
        base_url = base_url.rstrip("/").removesuffix("/v1")
    return replace(
        endpoint,
        dialect=dialect,
        base_url=base_url,
        api_key_env=options.api_key_env or endpoint.api_key_env,
        headers={**endpoint.headers, **entry.headers},
        max_tokens_name=entry.max_tokens_name or endpoint.max_tokens_name,
        limits=_over(endpoint.limits, _over(entry.limits or NO_LIMITS, Limits(rpm=options.rpm, tpm=options.tpm))),
    )


def _sampling_of(options: ModelOptions) -> Sampling:
    return Sampling(
        temperature=options.temperature,
        top_p=options.top_p,
        max_tokens=options.max_tokens,
        seed=options.sampling_seed,
        reasoning_effort=options.reasoning_effort,
        thinking_tokens=options.thinking_tokens,
    )


def _check_sayable(sampling: Sampling, endpoint: Endpoint) -> None:
    """Refuse a parameter that the dialect has no word for: what is asked for is never left out in silence."""
    given = {name for name in Sampling.__struct_fields__ if name != "extra" and getattr(sampling, name) is not None}
    dialect = resolve("dialect", endpoint.dialect, DIALECTS) if given else None
    for name in sorted(given & getattr(dialect, "unsupported", frozenset())):
        flag = "--sampling-seed" if name == "seed" else f"--{name.replace('_', '-')}"
        msg = f"{endpoint.dialect} has no {name.replace('_', ' ')}: leave it out ({flag}, or the model's entry)"
        raise ConfigError(msg)
