"""Which model a command line means, where it is and how it is asked."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from code_generation.config import EndpointEntry, Limits, ModelEntry, Prices
from code_generation.doctor import _key_names
from code_generation.errors import ConfigError, UnknownName
from code_generation.models import Request, Sampling
from code_generation.providers import DIALECTS, ENDPOINTS, OFFLINE, ModelOptions, choose_model
from code_generation.tables import resolve

PAGE = Path(__file__).parents[1] / "docs/models.md"
CHOICES = [
    ({"model": "openai:gpt-x"}, ("openai", "gpt-x", "sk-1")),
    ({"model": "gpt-x"}, ("openai", "gpt-x", "sk-1")),
    ({"model": "gpt-x", "provider": "openai"}, ("openai", "gpt-x", "sk-1")),
    ({"model": "openai:gpt-x", "provider": "openai"}, ("openai", "gpt-x", "sk-1")),
    ({"model": "openai-responses:gpt-x"}, ("openai-responses", "gpt-x", "sk-1")),
    ({"model": "anthropic:claude-x"}, ("anthropic", "claude-x", "ak-1")),
    ({"model": "together:meta/llama:free"}, ("together", "meta/llama:free", "tk-1")),
    ({"model": "ollama:llama3:8b"}, ("ollama", "llama3:8b", "none")),
    ({"model": "llama3:8b", "provider": "vllm"}, ("vllm", "llama3:8b", "none")),
    ({"model": "llama3:8b", "base_url": "http://h/v1"}, ("custom", "llama3:8b", "none")),
    ({"model": "m", "base_url": "http://h/v1", "api_key_env": "MINE"}, ("custom", "m", "mk-1")),
    ({"model": "openai:m", "base_url": "http://h/v1"}, ("openai", "m", "none")),
    ({"model": "scripted:flaky"}, ("scripted", "flaky", "none")),
    ({"model": "replay:a:b.jsonl"}, ("replay", "a:b.jsonl", "none")),
]
KEYS = {"OPENAI_API_KEY": "sk-1", "TOGETHER_API_KEY": "tk-1", "ANTHROPIC_API_KEY": "ak-1", "MINE": "mk-1"}
REGISTRY = """
[endpoints.gate]
dialect = "messages"
base_url = "http://gate"
api_key_env = "MINE"
headers = { X-Team = "a", X-Secret = "$SECRET" }
limits = { rpm = 60, max_concurrent = 8 }

[[models]]
name = "big"
aliases = ["b"]
model = "x/big-70b"
base_url = "http://h/v1"
api_key_env = "MINE"
headers = { X-Team = "b" }
parameters = { top_k = 20 }
temperature = 0.3
stream = false
prices = { input = 1, output = 2 }
limits = { tpm = 500 }

[[models]]
name = "gated"
provider = "gate"
thinking_tokens = 2048
headers = { X-Team = "c" }
limits = { rpm = 30 }
"""


def registry(tmp_path, text=REGISTRY):
    path = tmp_path / "models.toml"
    path.write_text(text)
    return path


def chosen(tmp_path, model="big", environment=None, **options):
    options = ModelOptions(model=model, model_config=registry(tmp_path), **options)
    return choose_model(options, KEYS | {"SECRET": "s-1"} if environment is None else environment)


@pytest.mark.parametrize(("options", "expected"), CHOICES)
def test_who_is_meant(options, expected):
    """A model is named with its provider before a colon or beside it; an address of one's own needs no key."""
    choice = choose_model(ModelOptions(**options), KEYS)
    assert (choice.provider, choice.model, choice.api_key) == expected
    assert choice.wire.model == choice.model
    assert choice.api_key not in repr(choice) or choice.api_key == "none"


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({}, ConfigError, "--model"),
        ({"model": "deepseek:m"}, ConfigError, "DEEPSEEK_API_KEY"),
        ({"model": "m", "base_url": "http://h/v1", "api_key_env": "NO_SUCH"}, ConfigError, "NO_SUCH"),
        ({"model": "m", "base_url": "h/v1"}, ConfigError, "--base-url must begin with http"),
        ({"model": "m", "provider": "custom"}, ConfigError, "--base-url"),
        ({"model": "m", "provider": "opnai"}, UnknownName, "'openai'"),
        ({"model": "opnai:m"}, UnknownName, "'openai'"),
        ({"model": "m", "base_url": "http://h/v1", "dialect": "messagse"}, UnknownName, "'messages'"),
        ({"model": "openai:m", "dialect": "responses"}, ConfigError, "openai-responses"),
        ({"model": "anthropic:m", "dialect": "chat"}, ConfigError, "--base-url"),
    ],
)
def test_who_can_t_be_meant(options, kind, said):
    """A mistake is an error that names what is missing or known, and no key."""
    with pytest.raises(kind) as error:
        choose_model(ModelOptions(**options), KEYS)
    assert (said in str(error.value), "-1" in str(error.value)) == (True, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": -0.1}, "--temperature must be a number from 0 on, got -0.1"),
        ({"temperature": float("nan")}, "--temperature"),
        ({"temperature": float("inf")}, "--temperature"),
        ({"top_p": 0.0}, "--top-p"),
        ({"top_p": 1.1}, "--top-p"),
        ({"max_tokens": 0}, "--max-tokens must be at least 1, got 0"),
        ({"thinking_tokens": 1023}, "--thinking-tokens must be at least 1024, or 0, got 1023"),
        ({"thinking_tokens": 4096, "max_tokens": 4096}, "--max-tokens (4096)"),
        ({"reasoning_effort": ""}, "--reasoning-effort"),
        ({"reasoning_effort": "very high"}, "--reasoning-effort"),
        ({"rpm": 0.0}, "--rpm must be a number above 0, got 0"),
        ({"tpm": -1.0}, "--tpm"),
        ({"request_timeout": 0.0}, "--request-timeout"),
        ({"max_retries": -1}, "--max-retries"),
        ({"sampling_seed": 1}, "messages has no seed: leave it out (--sampling-seed"),
    ],
)
def test_values_that_can_t_be(options, said):
    """What no service can make sense of, or this dialect can't say, is one line before anything is asked."""
    with pytest.raises(ConfigError) as error:
        choose_model(ModelOptions(model="anthropic:m", **options), KEYS)
    assert (said in str(error.value), "\n" in str(error.value)) == (True, False)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("heuristic-huge", "heuristic-medium"), ("heuristic_small", "heuristic-small"),
     ("refrence-oracle", "reference-oracle"), ("flaky", "scripted:flaky"), ("scripted-flaky", "scripted:flaky")],
)  # fmt: skip
def test_a_slip_in_the_name_of_a_model_of_ours_is_said(typed, meant):
    """A plain name that is nearly one of ours is not taken for one of OpenAI's, with a key or without."""
    for environment in ({}, {"OPENAI_API_KEY": "k"}):
        with pytest.raises(ConfigError, match=f"did you mean '{meant}'"):
            choose_model(ModelOptions(model=typed), environment)
    assert choose_model(ModelOptions(model=f"openai:{typed}"), {"OPENAI_API_KEY": "k"}).model == typed
    assert choose_model(ModelOptions(model="gpt-4o-mini"), {"OPENAI_API_KEY": "k"}).provider == "openai"


def test_values_arrive():
    """What is asked for is in the choice, nothing else is; the two that others read have a name of their own."""
    given = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 4096, "reasoning_effort": "high"}
    full = choose_model(ModelOptions(model="anthropic:m", thinking_tokens=2048, rpm=1.5, tpm=10, **given), KEYS)
    assert full.sampling == Sampling(thinking_tokens=2048, **given)
    assert (full.temperature, full.max_tokens, full.limits) == (0.0, 4096, Limits(rpm=1.5, tpm=10))
    bare = choose_model(ModelOptions(model="anthropic:m"), KEYS)
    assert (bare.sampling, bare.limits, bare.prices) == (Sampling(), Limits(), None)
    assert choose_model(ModelOptions(model="anthropic:m", thinking_tokens=0), KEYS).sampling.thinking_tokens == 0


def test_streams_are_the_default(tmp_path):
    """Answers are streams unless the flag or the file says otherwise."""
    assert choose_model(ModelOptions(model="openai:m"), KEYS).wire.stream
    assert not choose_model(ModelOptions(model="openai:m", no_stream=True), KEYS).wire.stream
    assert not chosen(tmp_path).wire.stream


VALUES = {"temperature": 0.5, "top_p": 0.5, "max_tokens": 9, "sampling_seed": 7, "reasoning_effort": "low",
          "thinking_tokens": 2048}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", VALUES)
def test_no_parameter_is_left_out_in_silence(dialect, name):
    """Each parameter changes the body that each dialect builds, or is refused by name."""
    spoken = resolve("dialect", dialect, DIALECTS)
    options = ModelOptions(model="m", base_url="http://h/v1", dialect=dialect, **{name: VALUES[name]})
    if name.removeprefix("sampling_") in spoken.unsupported:
        with pytest.raises(ConfigError, match=rf"{dialect} has no .*--{name.replace('_', '-')}"):
            choose_model(options, {})
        return
    choice = choose_model(options, {})
    bodies = [
        spoken.build_body(Request(messages=[], sampling=sampling, problem_id="p"), choice.wire)
        for sampling in (choice.sampling, Sampling())
    ]
    assert bodies[0] != bodies[1]


@pytest.mark.parametrize("key", [" sk-hush", "sk-hush\n", "sk hush", "sk-hush\u00e9", "sk-\x00hush", "\ufeffsk-hush"])
def test_a_key_that_can_t_be_one(key):
    """Blanks, line breaks and foreign characters, as copying brings them, are said of a key that is not shown."""
    with pytest.raises(ConfigError, match=r"the key in the environment variable OPENAI_API_KEY has a blank") as error:
        choose_model(ModelOptions(model="openai:m"), {"OPENAI_API_KEY": key})
    assert "hush" not in str(error.value)


@pytest.mark.parametrize("key", ["", " ", "\n"])
def test_an_empty_key_is_none(key):
    """A variable that is set to nothing is not set; where no key is needed, nothing is said."""
    with pytest.raises(ConfigError, match=r"OPENAI_API_KEY is not set"):
        choose_model(ModelOptions(model="openai:m"), {"OPENAI_API_KEY": key})
    assert choose_model(ModelOptions(model="openai:m"), {"OPENAI_API_KEY": key}, need_key=False).api_key == "none"


@pytest.mark.parametrize("key", ["sk-hush", "gsk_hush"])
def test_a_key_in_place_of_its_variable(key):
    """Who gives the key where its variable's name belongs is told so, and the key is not shown."""
    with pytest.raises(ConfigError, match=r"api.key.env") as error:
        choose_model(ModelOptions(model="m", base_url="http://h/v1", api_key_env=key), {})
    assert "hush" not in str(error.value)


def test_a_registry_of_ones_own(tmp_path):
    """A registry file says where a model lives and how it is asked; flags win over it."""
    mine = chosen(tmp_path)
    assert (mine.provider, mine.model, mine.endpoint.base_url) == ("custom", "x/big-70b", "http://h/v1")
    assert (mine.api_key, mine.headers, mine.wire.parameters) == ("mk-1", {"X-Team": "b"}, {"top_k": 20})
    assert (mine.temperature, mine.prices, mine.limits) == (0.3, Prices(input=1, output=2), Limits(tpm=500))
    flags = chosen(tmp_path, "b", temperature=0.0, rpm=7, tpm=9)
    assert (flags.temperature, flags.limits) == (0.0, Limits(rpm=7, tpm=9))


def test_a_service_of_ones_own(tmp_path):
    """A service in the file is a row of the provider table: for its models, and before a colon."""
    for choice in (chosen(tmp_path, "gate:any"), chosen(tmp_path, "any", provider="gate")):
        assert (choice.provider, choice.model, choice.api_key) == ("gate", "any", "mk-1")
        assert (choice.endpoint.dialect, choice.endpoint.base_url) == ("messages", "http://gate")
        assert (choice.headers, choice.limits) == (
            {"X-Team": "a", "X-Secret": "s-1"}, Limits(rpm=60, max_concurrent=8)
        )  # fmt: skip
        assert "s-1" not in f"{choice!r} {choice}"
    gated = chosen(tmp_path, "gated")
    assert (gated.model, gated.headers["X-Team"], gated.limits) == ("gated", "c", Limits(rpm=30, max_concurrent=8))


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({"base_url": "http://other/v1"}, "http://other/v1"),
        ({"provider": "ollama"}, ENDPOINTS["ollama"].base_url),
        ({"provider": "custom", "base_url": "http://other/v1"}, "http://other/v1"),
    ],
)
def test_what_belongs_to_an_address_stays_there(tmp_path, options, address):
    """A flag that sends an entry's model elsewhere sends neither its key nor its headers, and takes no prices along."""
    moved = chosen(tmp_path, **options)
    assert (moved.endpoint.base_url, moved.api_key, moved.headers) == (address, "none", {})
    assert (moved.prices, moved.limits, moved.temperature) == (None, Limits(), 0.3)
    assert chosen(tmp_path, base_url="http://h/v1").api_key == "mk-1"
    assert chosen(tmp_path, "gated", base_url="http://other").headers == {}


@pytest.mark.parametrize(
    ("value", "said"), [(None, "SECRET is not set"), ("hush\n", "line break"), ("h\u00fcsh", "character")]
)
def test_headers_from_the_environment(tmp_path, value, said):
    """A header whose variable is not set or holds what no header can is one line that does not show it."""
    environment = KEYS if value is None else KEYS | {"SECRET": value}
    with pytest.raises(ConfigError, match=rf"header X-Secret of gate.*{said}") as error:
        chosen(tmp_path, "gate:m", environment)
    assert str(value) not in str(error.value)


def test_without_keys_headers_are_left_out(tmp_path):
    """Where nothing is sent, no variable needs to be set."""
    options = ModelOptions(model="gate:m", model_config=registry(tmp_path))
    assert choose_model(options, {}, need_key=False).headers == {"X-Team": "a"}


@pytest.mark.parametrize(
    ("text", "model", "said"),
    [
        (REGISTRY, "bgi", "unknown model 'bgi'; known: b, big, gated. Did you mean 'big'?"),
        (REGISTRY, None, "has 2 models; say which with --model: big, gated"),
        ('[[models]]\nname = "a"\nprovider = "opnai"', "a", "model 'a'"),
        ('[[models]]\nname = "a"\n[[models]]\nname = "b"\ndialect = "chta"', "a", "model 'b'"),
        ('[endpoints.a]\nbase_url = "http://h"\ndialect = "chta"', "a:m", "Did you mean 'chat'"),
        (
            '[endpoints.openai]\nbase_url = "http://h"',
            "openai:m",
            "endpoint 'openai': the name is in the provider table",
        ),
        ('[endpoints.replay]\nbase_url = "http://h"', "openai:m", "endpoint 'replay'"),
        ('[endpoints."a:b"]\nbase_url = "http://h"', "openai:m", "endpoint 'a:b'"),
        ("[endpoints]", None, "no model given"),
        ('[[models]]\nname = "a"\nprovider = "custom"', "a", "base_url in the registry file"),
    ],
)
def test_who_can_t_be_meant_by_a_file(tmp_path, text, model, said):
    """A name, service or dialect that is not there is one line that lists what is."""
    path = registry(tmp_path, text)
    with pytest.raises((ConfigError, UnknownName)) as error:
        choose_model(ModelOptions(model=model, model_config=path), KEYS)
    assert (said in str(error.value), "\n" in str(error.value)) == (True, False)


def test_the_only_model_needs_no_name(tmp_path):
    """A file with one model says which is meant; a model that is not in it has its provider before it."""
    path = registry(tmp_path, '[[models]]\nname = "a"\naliases = ["b"]\nprovider = "vllm"\n')
    assert choose_model(ModelOptions(model_config=path), {}).model == "a"
    assert choose_model(ModelOptions(model="openai:c", model_config=path), KEYS).model == "c"


@pytest.mark.parametrize("url", ["http://h", "http://h/", "http://h/v1", "http://h/v1/"])
def test_one_address_for_all_dialects(url):
    """An address with /v1 serves the dialect whose path begins with it too."""
    options = ModelOptions(model="m", base_url=url, dialect="messages")
    assert choose_model(options, {}).endpoint.base_url == "http://h"
    served = choose_model(ModelOptions(model="vllm:m", dialect="messages"), {})
    assert (served.endpoint.dialect, served.endpoint.base_url) == ("messages", "http://127.0.0.1:8000")


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_row_of_the_table(name):
    """A row speaks a dialect that there is; a key never goes over an open line; own servers need none."""
    row = ENDPOINTS[name]
    assert row.dialect in DIALECTS and name not in OFFLINE
    if row.base_url is None:
        assert name in {"openai", "openai-responses", "anthropic", "custom"}
    else:
        assert row.base_url.startswith("https://" if row.api_key_env else "http://127.0.0.1:")
        assert not row.base_url.endswith("/")


def test_doctor_knows_every_key():
    """The variable of every row is among those that doctor looks for."""
    assert {row.api_key_env for row in ENDPOINTS.values()} - {None} <= set(_key_names())


def test_the_page_has_the_table():
    """docs/models.md lists every provider with its dialect, address and key, and nothing else."""
    text = PAGE.read_text(encoding="utf-8").partition("## Providers")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    asked = {name: f"`{row.base_url}`" if row.base_url else "the SDK's" for name, row in ENDPOINTS.items()}
    asked["custom"] = "`--base-url`"
    assert rows == [
        f"| `{name}` | `{row.dialect}` | {asked[name]} | {f'`{row.api_key_env}`' if row.api_key_env else 'none'} |"
        for name, row in ENDPOINTS.items()
    ]


def test_the_example_of_the_page_works(tmp_path):
    """The registry file that docs/models.md shows chooses a model, by name and by alias."""
    text = PAGE.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    keys = {"LAB_KEY": "k-1", "LAB_PROJECT": "p"}
    for name, model in (("thinker", "MODEL"), ("t", "MODEL"), ("lab:ANY-MODEL", "ANY-MODEL")):
        choice = choose_model(ModelOptions(model=name, model_config=registry(tmp_path, text)), keys)
        assert (choice.provider, choice.model, choice.limits.rpm, choice.headers["X-Project"]) == (
            "lab",
            model,
            300,
            "p",
        )


def test_the_page_names_every_key():
    """Every key that a registry file may hold is explained in docs/models.md."""
    text = PAGE.read_text(encoding="utf-8")
    for kind in (ModelEntry, EndpointEntry, Prices, Limits):
        assert [f.name for f in fields(kind) if f"`{f.name}`" not in text] == []
