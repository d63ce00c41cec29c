"""Values that only a guest or a daemon could have produced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from mvm.record.mode import refuse


def unread(what: str, known: Mapping[str, Any] | None = None) -> Any:
    """Such a value, in the place of whatever type it has live."""
    return Unread(what, known)


class Unread:
    """Whatever reads it is refused, but for the parts that are known. ``what`` is how messages call it."""

    def __init__(self, what: str, known: Mapping[str, Any] | None = None) -> None:
        self._what = what
        self.__dict__.update(known or {})

    def __getattr__(self, name: str) -> Any:
        # What Python itself looks for, to learn what kind of object this is, is no use of it.
        if name.startswith("__"):
            raise AttributeError(name)
        self._no(name)

    def _no(self, part: str) -> NoReturn:
        refuse(f"{self._what}, read at {part!r}", "no guest has produced it")

    def __str__(self) -> str:
        self._no("str")

    def __format__(self, spec: str) -> str:
        self._no("format")

    def __iter__(self) -> Any:
        self._no("iter")

    def __aiter__(self) -> Any:
        self._no("iter")

    def __eq__(self, other: object) -> bool:
        self._no("==")

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self._what}: no guest has produced it>"
