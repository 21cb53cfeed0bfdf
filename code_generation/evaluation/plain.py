"""Figures as JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from code_generation.models import JsonValue


class Plain:
    """Base of frozen dataclasses that can be written as JSON."""

    __slots__ = ()

    def to_json(self) -> dict[str, JsonValue]:
        """The fields in their order; dataclasses within as objects, keys as text."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]


def plain(value: Any) -> JsonValue:
    """`{1: (2, 3)}` -> `{"1": [2, 3]}`."""
    if isinstance(value, Plain):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value
