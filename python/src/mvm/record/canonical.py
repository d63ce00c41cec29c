"""The one text of a value as JSON: RFC 8785, without fractions."""

from __future__ import annotations

import json
from typing import Any

from mvm.errors import InvalidArgumentError

_LARGEST = 2**53 - 1


def canonical(value: Any) -> str:
    """Raises ``InvalidArgumentError`` for what has no one text: fractions, large numbers, halves of surrogate pairs."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        # Names are in the order of their UTF-16 units.
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(name)}:{canonical(member)}" for name, member in members) + "}"
    raise InvalidArgumentError(
        f"Cannot record the script: an argument of type {type(value).__name__} has no place in a workload"
    )


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError("Cannot record the script: a text is not valid Unicode") from None
    return json.dumps(text, ensure_ascii=False)
