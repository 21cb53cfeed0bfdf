"""The training formats by name; a new one is a row here."""

from __future__ import annotations

from code_generation.errors import ConfigError, UnknownName
from code_generation.exporters.formats import Format, of_function
from code_generation.tables import resolve

EXPORTERS = {
    "sft": "code_generation.exporters.sft:FORMAT",
    "prompt-completion": "code_generation.exporters.prompt_completion:PROMPT_COMPLETION",
    "self-debug": "code_generation.exporters.self_debug:SELF_DEBUG",
    "dpo": "code_generation.exporters.preference:FORMAT",
    "kto": "code_generation.exporters.prompt_completion:KTO",
    "openai": "code_generation.exporters.self_debug:OPENAI",
    "together": "code_generation.exporters.self_debug:TOGETHER",
    "rl": "code_generation.exporters.reinforcement:FORMAT",
    "flat": "code_generation.exporters.flat:FORMAT",
}
PARQUET = "parquet"
"""No format but a container: any of them can be in it."""


def format_of(name: str, *, container: bool = False) -> Format:
    """A format by its name, or by a dotted path of one's own: a `Format`, or a function from a result to its rows. With
    `container`, PARQUET is among the names that are known, as a name that may have been meant.

    Raises:
        UnknownName: no such format. ConfigError: the path leads to something else.
    """
    try:
        found = resolve("export format", name, EXPORTERS)
    except UnknownName as e:
        raise UnknownName(e.kind, name, [*e.known, *[PARQUET] * container], e.hint) from None
    if isinstance(found, Format):
        return found
    if not callable(found):
        msg = f"the export format {name} is an object of type {type(found).__name__}; expected a function or a Format"
        raise ConfigError(msg)
    return of_function(name, found)
