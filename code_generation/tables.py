"""Plug-ins without machinery: a table is a dict `name -> "module:attribute"`, resolved when a name is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping


def resolve(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """The object behind a table's name, or behind a dotted path `package.module:attribute` of one's own.

    Raises:
        UnknownName: neither; the message lists the known names. ConfigError: the module is there and fails.
    """
    path = table.get(name, name if ":" in name else "")
    module, _, attribute = path.partition(":")
    if name in table:
        return getattr(importlib.import_module(module), attribute)  # what is wrong with it is our mistake
    try:
        found = importlib.import_module(module)
    except Exception as e:  # importing runs code of one's own
        if not module or module.startswith("."):
            raise UnknownName(kind, name, table) from None
        if isinstance(e, ModuleNotFoundError) and module.startswith(e.name or "?"):
            hint = f"The module {module!r} can't be imported from here; PYTHONPATH names further places."
            raise UnknownName(kind, name, table, hint) from None
        msg = f"{kind} {name!r}: importing {module} fails: {type(e).__name__}: {e}"
        raise ConfigError(msg) from e
    if not hasattr(found, attribute):
        raise UnknownName(kind, name, table, f"The module {module!r} has no {attribute!r}.")
    return getattr(found, attribute)
