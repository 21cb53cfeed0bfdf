"""A user's file of models and services: what it may say, and every mistake in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from code_generation.config import (
    EndpointEntry,
    Limits,
    ModelEntry,
    Prices,
    check_base_url,
    read_models,
    read_registry,
)
from code_generation.errors import ConfigError
from code_generation.jsonl import encode

MODELS = """
[[models]]
name = "small"
aliases = ["s", "tiny"]
provider = "openai"
model = "gpt-small-2025"
temperature = 0.5
max_tokens = 1000

[[models]]
name = "own"
base_url = "http://localhost:8000/v1"
api_key_env = "OWN_KEY"
"""


def toml(tmp_path, text):
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_and_aliases_lead_to_models(tmp_path):
    """Every name and alias of the registry finds its entry; what is not said is None."""
    models = read_models(toml(tmp_path, MODELS))
    assert sorted(models) == ["own", "s", "small", "tiny"]
    assert models["s"] is models["small"] is models["tiny"]
    assert models["own"] == ModelEntry(name="own", base_url="http://localhost:8000/v1", api_key_env="OWN_KEY")
    assert (models["s"].model, models["s"].temperature, models["s"].max_tokens) == ("gpt-small-2025", 0.5, 1000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[models]]\nname = "a"\ntemprature = 1', r"'temprature'.*known:.*Did you mean 'temperature'"),
        ('[[models]]\nprovider = "openai"', "without a name"),
        ('[[models]]\nname = "a"\n[[models]]\nname = "b"\naliases = ["a"]', "'a' stands twice"),
        ('[[models]]\nname = "a"\ntemperature = "hot"', "temperature"),
        ('[[models]]\nname = "a"\nmax_tokens = "many"', "max_tokens"),
        ("[[models]]\nname = 5", "name"),
        ('[[models]]\nname = "a"\naliases = "b"', "aliases"),
        ('[models]\nname = "a"', r"models"),
        ('models = ["a"]', "models"),
    ],
)
def test_mistakes_in_a_registry(tmp_path, text, message):
    """A mistake in the file is one line that names the file and the key, before anything is asked or paid."""
    path = toml(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as error:
        read_models(path)
    assert str(path) in str(error.value)


def test_everything_that_a_model_may_say(tmp_path):
    """Prices, limits, headers, parameters and sampling of an entry arrive as they are written, integers as numbers."""
    entry = read_models(toml(tmp_path, FULL))["full"]
    assert entry == ModelEntry(
        name="full", dialect="messages", provider="mine", model="m", headers={"X-Team": "a", "X-Api-Key": "$SECRET"},
        parameters={"top_k": 20, "nested": {"on": True}}, temperature=0, top_p=1, max_tokens=10, reasoning_effort="low",
        thinking_tokens=1024, stream=False, max_tokens_name="max_tokens",
        prices=Prices(input=1, output=2.5, cached_input=0.1, cache_write=1.25, reasoning=3, batch_discount=0.5),
        limits=Limits(rpm=10, tpm=1000, max_concurrent=4),
    )  # fmt: skip
    assert read_registry(toml(tmp_path, FULL)).endpoints == {
        "mine": EndpointEntry(base_url="http://h", api_key_env="K", headers={"X-A": "b"}, limits=Limits(rpm=1))
    }


FULL = """
[[models]]
name = "full"
dialect = "messages"
provider = "mine"
model = "m"
headers = { X-Team = "a", X-Api-Key = "$SECRET" }
parameters = { top_k = 20, nested = { on = true } }
temperature = 0
top_p = 1
max_tokens = 10
reasoning_effort = "low"
thinking_tokens = 1024
stream = false
max_tokens_name = "max_tokens"
prices = { input = 1, output = 2.5, cached_input = 0.1, cache_write = 1.25, reasoning = 3, batch_discount = 0.5 }
limits = { rpm = 10, tpm = 1000, max_concurrent = 4 }

[endpoints.mine]
base_url = "http://h"
api_key_env = "K"
headers = { X-A = "b" }
limits = { rpm = 1 }
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("temperature = -1", r"temperature"),
        ("temperature = nan", r"temperature"),
        ("temperature = inf", r"temperature"),
        ("top_p = 0", r"top_p"),
        ("top_p = 1.5", r"top_p"),
        ("max_tokens = 0", r"max_tokens"),
        ("max_tokens = 1.5", r"max_tokens"),
        ("stream = 1", r"stream"),
        ("prices = 1", r"prices"),
        ("prices = { input = 1 }", r"output.*prices"),
        ("prices = { input = -1, output = 1 }", r"prices\.input"),
        ("prices = { input = 'free', output = 1 }", r"prices\.input"),
        ("prices = { input = 1, ouput = 1 }", r"prices: unknown key 'ouput'.*Did you mean 'output'"),
        ("prices = { input = 1, output = 1, batch_discount = 50 }", r"prices\.batch_discount"),
        ("limits = { rpm = 0 }", r"limits\.rpm"),
        ("limits = { max_concurrent = 0.5 }", r"limits\.max_concurrent"),
        ("limits = { rps = 1 }", r"limits: unknown key 'rps'.*rpm"),
        ("parameters = 5", r"parameters"),
        ("parameters = { day = 2026-01-01 }", r"parameters: a date"),
        ("parameters = { x = nan }", r"parameters: .*nan"),
        ("parameters = { stream = true }", r"parameters: stream"),
        ("parameters = { messages = [] }", r"parameters: messages"),
        ("headers = { X-A = 1 }", r"headers"),
        ("headers = { 'X A' = 'b' }", r"headers: 'X A'"),
        ("headers = { Authorization = 'Bearer hush' }", r"headers: Authorization.*api_key_env"),
        ("headers = { X-API-Key = 'hush' }", r"headers: X-API-Key.*api_key_env"),
        ("headers = { api-key = 'hush' }", r"headers: api-key.*api_key_env"),
        ("headers = { X-A = '$hush-1' }", r"headers: X-A.*environment variable"),
        ("api_key = 'hush'", r"api_key.*environment.*api_key_env"),
        ("API_KEY = 'hush'", r"API_KEY.*environment"),
        ("token = 'hush'", r"token.*environment"),
        ("api_key_env = 'sk-hush'", r"api_key_env must name an environment variable"),
        ("base_url = 'example.com/v1'", r"base_url must begin with http"),
        ("base_url = 'http://'", r"base_url"),
        ("base_url = 'http://h:x/v1'", r"base_url"),
        ("base_url = 'http://me:hush@h/v1'", r"base_url.*password"),
        ("base_url = 'http://h'\napi_base = 'http://h'", r"api_base and base_url"),
        ("type = 'gemini'\nprovider = 'openai'", r"type and provider"),
        ("type = 'opnai-compatible'", r"unknown type.*openai-compatible"),
        ("type = 5", r"type"),
    ],
)
def test_mistakes_in_a_model(tmp_path, line, message):
    """A value that can't be is one line with file, entry and key; what may be a secret is never shown."""
    path = toml(tmp_path, f'[[models]]\nname = "a"\n{line}')
    with pytest.raises(ConfigError, match=message) as error:
        read_registry(path)
    said = str(error.value)
    assert (said.startswith(f"{path}: model 'a': "), "hush" in said, "\n" in said) == (True, False, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[endpoints.a]", r"endpoint 'a': .*base_url"),
        ('[endpoints.a]\nbase_url = "h"', r"endpoint 'a': base_url must"),
        ('[endpoints.a]\nbase_url = "http://h"\nbase-url = 1', r"endpoint 'a': unknown key 'base-url'"),
        ('[endpoints.a]\nbase_url = "http://h"\napi_key = "hush"', r"endpoint 'a': .*api_key"),
        ('[endpoints.a]\nbase_url = "http://h"\nheaders = { Authorization = "hush" }', r"Authorization"),
        ("endpoints = 5", r"\[endpoints.NAME\]"),
        ("[endpoints]\na = 5", r"\[endpoints.NAME\]"),
        ("models = {}\n[endpoints]", r"\[\[models\]\]"),
    ],
)
def test_mistakes_in_an_endpoint(tmp_path, text, message):
    """A service that can't be is one line with file, entry and key; what may be a secret is never shown."""
    path = toml(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as error:
        read_registry(path)
    assert (str(error.value).startswith(f"{path}: "), "hush" in str(error.value)) == (True, False)


@pytest.mark.parametrize("around", [lambda entries: entries, lambda entries: {"models": entries}])
def test_a_registry_in_json(tmp_path, around):
    """A JSON file is a list of models or an object with one; other tools' names of keys and types are understood."""
    entries = [
        {"type": "builtin", "name": "b"},
        {"type": "openai-compatible", "name": "o"},
        {"type": "openai-compatible", "name": "c", "api_base": "http://h/v1", "api_key_env": "LOCAL_LLM_API_KEY",
         "temperature": 0, "max_tokens": 9, "headers": {"X-A": "b"}, "model": None},
        {"type": "anthropic", "name": "a", "model": "m"},
        {"type": "gemini", "name": "g"},
        {"name": "ours", "provider": "groq"},
    ]  # fmt: skip
    path = tmp_path / "models.json"
    path.write_text(encode(around(entries)))
    models = read_models(path)
    providers = ["scripted", "openai", "custom", "anthropic", "gemini", "groq"]
    assert [m.provider for m in models.values()] == providers
    assert models["c"] == ModelEntry(
        name="c", provider="custom", base_url="http://h/v1", api_key_env="LOCAL_LLM_API_KEY", temperature=0,
        max_tokens=9, headers={"X-A": "b"},
    )  # fmt: skip


@pytest.mark.parametrize("text", ["{", "5", "[1]", '{"models": 5}', '{"model": []}', "[" * 100_000])
def test_json_that_is_no_registry(tmp_path, text):
    """JSON that is broken, too deep or something else is one line with the path."""
    path = tmp_path / "models.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_registry(path)
    assert (str(path) in str(error.value), "\n" in str(error.value)) == (True, False)


def test_names_come_in_the_order_of_the_file(tmp_path):
    """Names are listed without aliases, as they stand."""
    assert read_registry(toml(tmp_path, MODELS)).names() == ["small", "own"]


def test_one_file_for_a_whole_run(tmp_path):
    """Other tables in the file are other commands' business."""
    assert read_registry(toml(tmp_path, MODELS + "\n[scrape]\nmax_turns = 3\n")).names() == ["small", "own"]


@pytest.mark.parametrize("url", ["http://h", "https://h:8000/v1/", "http://127.0.0.1:1/v1", "http://[::1]:8000/v1"])
def test_addresses(url):
    """Names, numbers, ports and paths make addresses."""
    check_base_url(url, "--base-url")


@pytest.mark.parametrize("url", ["", "h", "ftp://h", "http:/h", "http://h:99999", "http://[::1", "http://a b/v1"])
def test_no_addresses(url):
    """What can't be reached by HTTP is refused with the place where it stands."""
    with pytest.raises(ConfigError, match=r"^--base-url must"):
        check_base_url(url, "--base-url")


def test_the_examples_hold_one_of_each_kind():
    """The files that users copy name a service of the table, a server and a service of one's own, and no real model."""
    folder = Path(__file__).parents[1] / "configs"
    written = read_registry(folder / "models.example.toml")
    small, local, gateway = (written.models[name] for name in written.names())
    assert (small.provider, local.base_url, gateway.provider) == (
        "together", "http://127.0.0.1:8000/v1", *written.endpoints
    )  # fmt: skip
    assert (small.prices is None, small.limits is None, local.parameters == {}, gateway.stream) == (False,) * 4
    foreign = read_registry(folder / "models.example.json")
    providers = [foreign.models[name].provider for name in foreign.names()]
    assert providers == ["scripted", "custom", "openai", "anthropic", "gemini"]
    models = [m.model for registry in (written, foreign) for m in registry.models.values()]
    assert {*models} == {"ORG/MODEL", "MODEL", "reference"}
