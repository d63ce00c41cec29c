"""Secrets by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvm.client.call import given
from mvm.errors import InvalidArgumentError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class SecretRef:
    """A secret of the daemon's store. The guest sees a placeholder; the value is put into requests outside of it.

    :param name: the name it is stored under; this object never holds a value
    :param hosts: hosts whose requests get the value, narrower than the secret's own
    :param header: header that gets it. Default: wherever the placeholder stands
    """

    name: str
    hosts: Sequence[str] | None = None
    header: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidArgumentError(
                f'Cannot use {self.name!r:.64} as secret name: it is not up to 128 letters, digits, "_", "." or "-"',
                hint="Store it with `mvmctl secret put NAME`",
                context={"argument": "secret name"},
            )

    @staticmethod
    def from_document(document: SecretRef | Mapping[str, Any]) -> SecretRef:
        """The reference of a plain document, as :meth:`to_document` makes it."""
        if isinstance(document, SecretRef):
            return document
        if isinstance(document, Mapping) and set(document) <= {"secret", "hosts", "header"}:
            return SecretRef(document.get("secret", ""), document.get("hosts"), document.get("header"))
        raise InvalidArgumentError("Cannot use the secret: it is no SecretRef", context={"argument": "secrets"})

    def to_document(self) -> dict[str, Any]:
        """The plain document that crosses to the daemon."""
        hosts = None if self.hosts is None else list(self.hosts)
        return {"secret": self.name, **given(hosts=hosts, header=self.header)}
