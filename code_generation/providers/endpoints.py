"""Where a model is and how it is asked: the table of services, the flags that choose, a user's registry file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING

from code_generation.config import read_models
from code_generation.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Endpoint:
    """A service that speaks a dialect."""

    dialect: str
    base_url: str | None
    """None: the SDK's own default."""
    api_key_env: str | None
    """Environment variable of the key; None: no key is needed."""


DIALECTS = {
    "chat": "code_generation.providers.chat:ChatProvider",
}
ENDPOINTS = {
    "openai": Endpoint("chat", None, "OPENAI_API_KEY"),
    "together": Endpoint("chat", "https://api.together.ai/v1", "TOGETHER_API_KEY"),
    "openrouter": Endpoint("chat", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "deepseek": Endpoint("chat", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "vllm": Endpoint("chat", "http://127.0.0.1:8000/v1", None),
    "sglang": Endpoint("chat", "http://127.0.0.1:30000/v1", None),
    "ollama": Endpoint("chat", "http://127.0.0.1:11434/v1", None),
    "custom": Endpoint("chat", None, None),
}
WIRE_DIALECTS = {
    "chat": "code_generation.providers.chat_dialect:DIALECT",
    "responses": "code_generation.providers.responses_dialect:DIALECT",
    "messages": "code_generation.providers.messages_dialect:DIALECT",
}
OFFLINE = {
    "scripted": "code_generation.providers.scripted:ScriptedProvider",
    "replay": "code_generation.providers.replay:ReplayProvider",
}
NO_KEY = "none"
"""Sent where a service needs no key."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model answers, and how it is asked."""

    model: str | None = None
    """The model, as `provider:model` or the model's own name; `scripted:flaky` and `replay:FILE` need no network.
    Also from CODEGEN_MODEL."""
    provider: str | None = None
    """Service that has the model: a name of the provider table, instead of the prefix of --model."""
    base_url: str | None = None
    """Address of an OpenAI-compatible service; needs no key unless --api-key-env names one."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    model_config: Path | None = None
    """TOML file with models of one's own, see configs/models.example.toml."""
    temperature: float | None = None
    """Sampling temperature; sent only when given."""
    max_tokens: int | None = None
    """Upper limit on the tokens of one answer; sent only when given."""
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
    temperature: float | None = None
    max_tokens: int | None = None

    def __repr__(self) -> str:
        """Without the key."""
        return f"{self.provider}:{self.model}"


def choose_model(
    options: ModelOptions, environment: Mapping[str, str] | None = None, *, need_key: bool = True
) -> ModelChoice:
    """Find out who is meant and whether there is a key.

    Raises:
        ConfigError: no model named, no key, a registry file that can't be read.
        UnknownName: no such provider.
    """
    environment = os.environ if environment is None else environment
    options = _from_registry(options)
    if not options.model:
        msg = "no model given: use --model provider:model (scripted:flaky works offline), or set CODEGEN_MODEL"
        raise ConfigError(msg)
    provider, model = _split(options.model, options)
    chosen = {"provider": provider, "model": model}
    settings = {"temperature": options.temperature, "max_tokens": options.max_tokens}
    if provider in OFFLINE:
        return ModelChoice(**chosen, endpoint=None, **settings)  # type: ignore[arg-type]
    if provider not in ENDPOINTS:
        raise UnknownName("provider", provider, [*ENDPOINTS, *OFFLINE], f"(model {options.model!r})")
    endpoint = ENDPOINTS[provider]
    if options.base_url and not options.base_url.startswith(("http://", "https://")):
        msg = f"--base-url must begin with http:// or https://, got {options.base_url}"
        raise ConfigError(msg)
    if options.base_url:  # another address than the service's own: its key must not go there unasked
        endpoint = replace(endpoint, base_url=options.base_url, api_key_env=None)
    if options.api_key_env:
        endpoint = replace(endpoint, api_key_env=options.api_key_env)
    if provider == "custom" and not endpoint.base_url:
        msg = "provider 'custom' needs --base-url"
        raise ConfigError(msg)
    key = environment.get(endpoint.api_key_env, "").strip() if endpoint.api_key_env else NO_KEY
    if not key and need_key:
        msg = f"no key for {provider}: the environment variable {endpoint.api_key_env} is not set"
        raise ConfigError(msg)
    return ModelChoice(**chosen, endpoint=endpoint, api_key=key, **settings)  # type: ignore[arg-type]


def _from_registry(options: ModelOptions) -> ModelOptions:
    """Fill in what a registry file says about the model; flags win."""
    if options.model_config is None:
        return options
    entry = read_models(options.model_config).get(options.model or "")
    if entry is None:
        return options
    return replace(
        options,
        model=entry.model or entry.name,
        provider=options.provider or entry.provider or ("custom" if entry.base_url else None),
        base_url=options.base_url or entry.base_url,
        api_key_env=options.api_key_env or entry.api_key_env,
        temperature=options.temperature if options.temperature is not None else entry.temperature,
        max_tokens=options.max_tokens or entry.max_tokens,
    )


def _split(model: str, options: ModelOptions) -> tuple[str, str]:
    """Provider and model of `provider:model`; a model's own name may hold colons too (`llama3:8b`)."""
    prefix, colon, rest = model.partition(":")
    known = {*ENDPOINTS, *OFFLINE}
    if options.provider:
        same = colon and prefix == options.provider
        return options.provider, rest if same else model
    if colon and prefix in known:
        return prefix, rest
    if options.base_url:
        return "custom", model
    if colon:
        hint = f"Where {model!r} is the model's whole name, say which service has it: --provider NAME."
        raise UnknownName("provider", prefix, known, hint)
    return "openai", model
