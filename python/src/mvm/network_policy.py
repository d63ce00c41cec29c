"""What may leave a sandbox."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mvm.errors import InvalidArgumentError

_NAME = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})*\.?", re.I)
_MAX_HOST = 255

Protocol = Literal["https", "http", "tcp"]


@dataclass(frozen=True)
class NetworkRule:
    """One rule of egress. ``https`` checks that the connection's SNI is the name; ``tcp`` passes any bytes."""

    host: str
    port: int
    protocol: Protocol

    def __post_init__(self) -> None:
        if not _is_host(self.host):
            raise InvalidArgumentError(
                f"Cannot use {self.host!r:.64} as host: it is not a host name, an IP address, or *. and a name",
                hint="Give the port as an argument of its own",
                context={"argument": "host"},
            )
        if type(self.port) is not int or not 1 <= self.port <= 65_535:
            raise InvalidArgumentError(
                f"Cannot use {self.port!r:.64} as port: it is not a whole number from 1 to 65535",
                context={"argument": "port"},
            )
        if self.protocol not in ("https", "http", "tcp"):
            raise InvalidArgumentError(
                f'Cannot use {self.protocol!r:.64} as protocol: it is not "https", "http" or "tcp"',
                context={"argument": "protocol"},
            )
        object.__setattr__(self, "host", self.host.lower())


@dataclass(frozen=True)
class NetworkPolicy:
    """Nothing leaves a sandbox but what a rule names.

    Immutable; each method returns a new policy. ``*.example.com`` stands for one label or more below it and never for
    ``example.com`` itself.
    """

    rules: tuple[NetworkRule, ...] = ()

    @staticmethod
    def deny_by_default() -> NetworkPolicy:
        """No connection at all; the start of every policy."""
        return NetworkPolicy()

    @staticmethod
    def from_document(document: NetworkPolicy | Mapping[str, Any]) -> NetworkPolicy:
        """The policy of a plain document, as :meth:`to_document` makes it."""
        if isinstance(document, NetworkPolicy):
            return document
        rules = document.get("allow") if isinstance(document, Mapping) else None
        if not isinstance(rules, (list, tuple)) or document.get("default") != "deny":
            raise InvalidArgumentError(
                'Cannot use the network policy: it is not {"default": "deny", "allow": [...]}',
                context={"argument": "network"},
            )
        return NetworkPolicy(tuple(_rule(rule) for rule in rules))

    def allow_https(self, host: str, port: int = 443) -> NetworkPolicy:
        """Allows TLS to the name: the connection's SNI has to be it."""
        return self.allow(NetworkRule(host, port, "https"))

    def allow_http(self, host: str, port: int = 80) -> NetworkPolicy:
        """Allows plain HTTP to the name."""
        return self.allow(NetworkRule(host, port, "http"))

    def allow_tcp(self, host: str, port: int) -> NetworkPolicy:
        """Allows any bytes to one port of the host."""
        return self.allow(NetworkRule(host, port, "tcp"))

    def allow(self, rule: NetworkRule) -> NetworkPolicy:
        """Adds one rule."""
        return NetworkPolicy((*self.rules, rule))

    def to_document(self) -> dict[str, Any]:
        """The plain document that crosses to the daemon."""
        return {"default": "deny", "allow": [asdict(rule) for rule in self.rules]}


def _is_host(host: object) -> bool:
    if not isinstance(host, str) or len(host) > _MAX_HOST:
        return False
    if ":" not in host:
        return _NAME.fullmatch(host) is not None
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _rule(document: object) -> NetworkRule:
    if isinstance(document, Mapping) and set(document) == {"host", "port", "protocol"}:
        return NetworkRule(document["host"], document["port"], document["protocol"])
    raise InvalidArgumentError(
        "Cannot use the network policy: a rule is not {host, port, protocol}", context={"argument": "network"}
    )
