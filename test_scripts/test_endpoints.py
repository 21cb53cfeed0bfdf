"""Which model a command line means, where it is and how it is asked."""

from __future__ import annotations

import pytest

from code_generation.errors import ConfigError, UnknownName
from code_generation.providers import ModelOptions, choose_model

CHOICES = [
    ({"model": "openai:gpt-x"}, ("openai", "gpt-x", "sk-1")),
    ({"model": "gpt-x"}, ("openai", "gpt-x", "sk-1")),
    ({"model": "gpt-x", "provider": "openai"}, ("openai", "gpt-x", "sk-1")),
    ({"model": "openai:gpt-x", "provider": "openai"}, ("openai", "gpt-x", "sk-1")),
    ({"model": "together:meta/llama:free"}, ("together", "meta/llama:free", "tk-1")),
    ({"model": "ollama:llama3:8b"}, ("ollama", "llama3:8b", "none")),
    ({"model": "llama3:8b", "provider": "vllm"}, ("vllm", "llama3:8b", "none")),
    ({"model": "llama3:8b", "base_url": "http://h/v1"}, ("custom", "llama3:8b", "none")),
    ({"model": "m", "base_url": "http://h/v1", "api_key_env": "MINE"}, ("custom", "m", "mk-1")),
    ({"model": "openai:m", "base_url": "http://h/v1"}, ("openai", "m", "none")),
    ({"model": "scripted:flaky"}, ("scripted", "flaky", "none")),
    ({"model": "replay:a:b.jsonl"}, ("replay", "a:b.jsonl", "none")),
]
KEYS = {"OPENAI_API_KEY": "sk-1", "TOGETHER_API_KEY": "tk-1", "MINE": "mk-1"}


@pytest.mark.parametrize(("options", "expected"), CHOICES)
def test_who_is_meant(options, expected):
    """A model is named with its provider before a colon or beside it; an address of one's own needs no key."""
    choice = choose_model(ModelOptions(**options), KEYS)
    assert (choice.provider, choice.model, choice.api_key) == expected
    assert choice.api_key not in repr(choice) or choice.api_key == "none"


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({}, ConfigError, "--model"),
        ({"model": "deepseek:m"}, ConfigError, "DEEPSEEK_API_KEY"),
        ({"model": "m", "base_url": "http://h/v1", "api_key_env": "NO_SUCH"}, ConfigError, "NO_SUCH"),
        ({"model": "m", "provider": "custom"}, ConfigError, "--base-url"),
        ({"model": "m", "provider": "opnai"}, UnknownName, "'openai'"),
        ({"model": "opnai:m"}, UnknownName, "'openai'"),
    ],
)
def test_who_can_t_be_meant(options, kind, said):
    """A mistake is an error that names what is missing or known, and no key."""
    with pytest.raises(kind) as error:
        choose_model(ModelOptions(**options), KEYS)
    assert (said in str(error.value), "-1" in str(error.value)) == (True, False)


def test_a_registry_of_ones_own(tmp_path):
    """A registry file says where a model lives; flags win over it."""
    path = tmp_path / "models.toml"
    path.write_text('[[models]]\nname = "big"\nmodel = "x/big-70b"\nbase_url = "http://h/v1"\ntemperature = 0.3\n')
    mine = choose_model(ModelOptions(model="big", model_config=path), {})
    flag = choose_model(ModelOptions(model="big", model_config=path, temperature=0.0), {})
    assert (mine.provider, mine.model, mine.temperature, flag.temperature) == ("custom", "x/big-70b", 0.3, 0.0)
