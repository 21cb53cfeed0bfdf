"""Plug-ins without machinery: a table is a dict `name -> "module:attribute"`, resolved when a name is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from code_generation.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping


def resolve(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """The object behind a table's name, or behind a dotted path `package.module:attribute` of one's own.

    Raises:
        UnknownName: neither; the message lists the known names.
    """
    path = table.get(name, name if ":" in name else "")
    module, _, attribute = path.partition(":")
    try:
        found = importlib.import_module(module)
    except (ValueError, ModuleNotFoundError) as e:
        if name in table or (isinstance(e, ModuleNotFoundError) and not module.startswith(e.name or "?")):
            raise  # a row of ours is broken, or the module is there and lacks something itself
        raise UnknownName(kind, name, table) from None
    if not hasattr(found, attribute) and name not in table:
        raise UnknownName(kind, name, table)
    return getattr(found, attribute)
