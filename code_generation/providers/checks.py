"""What is refused before anything is asked, in one clear line: values that no service can make sense of, keys that
can't be keys. No line shows a key.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from code_generation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.providers.endpoints import ModelOptions

LEAST_THINKING = 1024
"""Tokens; services that take a number take no smaller one but 0."""


def check_values(options: ModelOptions) -> None:
    """Check every number, and the one word, of the flags.

    Raises:
        ConfigError: with the flag and what it takes.
    """
    temperature, top_p = options.temperature, options.top_p
    if temperature is not None and not (math.isfinite(temperature) and temperature >= 0):
        msg = f"--temperature must be a number from 0 on, got {temperature:g}"
        raise ConfigError(msg)
    if top_p is not None and not 0 < top_p <= 1:
        msg = f"--top-p must be above 0 and at most 1, got {top_p:g}"
        raise ConfigError(msg)
    for flag, value in (("rpm", options.rpm), ("tpm", options.tpm), ("request-timeout", options.request_timeout)):
        if value is not None and not (math.isfinite(value) and value > 0):
            msg = f"--{flag} must be a number above 0, got {value:g}"
            raise ConfigError(msg)
    for flag, number, least in (
        ("max-tokens", options.max_tokens, 1),
        ("thinking-tokens", options.thinking_tokens or LEAST_THINKING, LEAST_THINKING),
        ("max-retries", options.max_retries, 0),
    ):
        if number is not None and number < least:
            msg = f"--{flag} must be at least {least}{', or 0' if least > 1 else ''}, got {number}"
            raise ConfigError(msg)
    if options.thinking_tokens and options.max_tokens and options.thinking_tokens >= options.max_tokens:
        msg = f"--thinking-tokens ({options.thinking_tokens}) must be less than --max-tokens ({options.max_tokens})"
        raise ConfigError(msg)
    if options.reasoning_effort is not None and not re.fullmatch(r"\w+", options.reasoning_effort):
        msg = f"--reasoning-effort must be one word, like low or high, got {options.reasoning_effort!r}"
        raise ConfigError(msg)


def find_key(provider: str, variable: str | None, environment: Mapping[str, str], *, need_key: bool) -> str:
    """The key in an environment variable; empty where none is needed.

    Raises:
        ConfigError: it is not set, or what is there can't be a key.
    """
    if variable is None:
        return ""
    key = environment.get(variable, "")
    if not key.strip():
        if not need_key:
            return ""
        msg = f"no key for {provider}: {_said(variable, 'api_key_env')} is not set"
        raise ConfigError(msg)
    if not re.fullmatch(r"[!-~]*", key):
        msg = f"the key in {_said(variable, 'api_key_env')} has a blank, a line break or a character that no key has"
        raise ConfigError(msg)
    return key


def fill_in(
    provider: str, headers: Mapping[str, str], environment: Mapping[str, str], *, need_key: bool
) -> dict[str, str]:
    """Headers with the variables' values for `$NAME`; one whose variable is not set is left out where none is needed.

    Raises:
        ConfigError: a variable is not set, or a value can't be a header's.
    """
    filled = {}
    for name, value in headers.items():
        text = environment.get(value[1:], "") if value.startswith("$") else value
        if value.startswith("$") and not text:
            if not need_key:
                continue
            msg = f"header {name} of {provider}: {_said(value[1:], name)} is not set"
            raise ConfigError(msg)
        if not re.fullmatch(r"[!-~]([ -~]*[!-~])?|", text):
            msg = f"header {name} of {provider} has a line break, a blank around it or a character that no header has"
            raise ConfigError(msg)
        filled[name] = text
    return filled


def _said(variable: str, where: str) -> str:
    """How a message speaks of a variable: by name where it looks like one, since people put the key itself there."""
    plain = re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable)
    return f"the environment variable {variable}" if plain else f"the environment variable that {where} names"
