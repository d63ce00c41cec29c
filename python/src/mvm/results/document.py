"""Documents of the HTTP API as dataclasses."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mvm.errors.classes import TransportError

T = TypeVar("T")


@cache
def _hints(shape: Any) -> dict[str, Any]:
    return get_type_hints(shape)


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = get_origin(hint)
    if origin is Union or origin is types.UnionType:
        (hint,) = (option for option in get_args(hint) if option is not type(None))
        return _value(hint, value)
    if origin is list:
        return [_value(get_args(hint)[0], item) for item in value]
    if isinstance(hint, type) and is_dataclass(hint):
        return read(hint, value)
    return value


def read(shape: type[T], document: object) -> T:
    """The dataclass of a document. Fields of a newer daemon are dropped; a missing one without a default is refused."""
    if not isinstance(document, Mapping):
        raise TransportError(f"Cannot read the daemon's {shape.__name__}: it is no object", code="PROTOCOL_VIOLATION")
    hints = _hints(shape)  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for field in fields(shape):  # type: ignore[arg-type]
        if field.name in document:
            values[field.name] = _value(hints[field.name], document[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise TransportError(
                f"Cannot read the daemon's {shape.__name__}: it has no {field.name}", code="PROTOCOL_VIOLATION"
            )
    return shape(**values)
