"""Records to JSON objects and back: unknown keys survive, an error names its place (`$.test_cases[3].type`)."""

from __future__ import annotations

import typing
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from code_generation.errors import DataError
from code_generation.models import Record

if TYPE_CHECKING:
    from code_generation.models import JsonValue

R = TypeVar("R", bound=Record)


def from_json_object(data: JsonValue, kind: type[R]) -> R:
    """Turn a decoded JSON object into a record.

    Raises:
        DataError: a field is missing or of another type; the message names its place.
    """
    try:
        return msgspec.convert(_gather_extra(data, kind), kind)
    except (msgspec.ValidationError, RecursionError, UnicodeEncodeError) as e:  # the last: half a surrogate pair
        raise DataError(str(e)) from None


def to_json_object(record: Record) -> dict[str, JsonValue]:
    """Turn a record into a JSON object, in the order of its fields.

    A field that equals its default is left out: `weight` of a test, `blocks` of a message.
    """
    data: dict[str, JsonValue] = {}
    for name, encoded, default, holds_records in _plan(type(record)):
        value = getattr(record, name)
        if default is not msgspec.NODEFAULT and value == default:
            continue
        data[encoded] = _plain(value) if holds_records else value
    return data | record.extra


@cache
def _plan(kind: type[Record]) -> list[tuple[str, str, Any, bool]]:
    """(name, name on disk, default, whether it may hold records) of each field that is written."""
    hints = _hints(kind)
    return [
        (f.name, f.encode_name, _default_of(f), bool(_record(hints[f.name]) or _element(hints[f.name])))
        for f in msgspec.structs.fields(kind)
        if f.name != "extra"
    ]


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    """What a field is where it is not given; NODEFAULT where it has to be."""
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _plain(value: Any) -> JsonValue:
    if isinstance(value, Record):
        return to_json_object(value)
    return [to_json_object(v) for v in value] if isinstance(value, list) else value


def _gather_extra(data: JsonValue, kind: Any) -> JsonValue:
    """Move the keys that a record type does not know into its `extra`, at every depth where records stand."""
    if isinstance(data, list):
        inner = _element(kind)
        return [_gather_extra(v, inner) for v in data] if inner else data
    kind = _record(kind)
    if kind is None or not isinstance(data, dict):
        return data
    hints = _hints(kind)
    known = {k: _gather_extra(v, hints[k]) for k, v in data.items() if k in hints and k != "extra"}
    return known | {"extra": {k: v for k, v in data.items() if k not in known}}


@cache
def _hints(kind: type[Record]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _record(kind: Any) -> type[Record] | None:
    options = typing.get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, Record)), None)


def _element(kind: Any) -> Any:
    options = typing.get_args(kind) if isinstance(kind, UnionType) else (kind,)
    lists = [o for o in options if typing.get_origin(o) is list]
    return _record(typing.get_args(lists[0])[0]) if lists else None
