"""What a sandbox is made of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict

from mvm.client.call import given
from mvm.network_policy import NetworkPolicy
from mvm.secret_ref import SecretRef

Profile = Literal["restrictive", "standard", "dev", "permissive"]


@dataclass(frozen=True)
class Mount:
    """A host directory in the guest."""

    host: str
    guest: str
    mode: Literal["ro", "rw"] = "ro"


@dataclass(frozen=True)
class TerminalSize:
    """A terminal's size in characters."""

    rows: int
    cols: int


class ClientOptions(TypedDict, total=False):
    """Which daemon to talk to, and how long to wait for its answers."""

    home: str | os.PathLike[str] | None
    """State root. Default: ``$MVM_HOME``, else ``$XDG_DATA_HOME/mvm``, else ``~/.local/share/mvm``."""
    auto_start: bool
    """Start the daemon when it does not run. Default: True."""
    request_timeout: float | None
    """Seconds of the daemon's silence after which a call has failed; not a limit on commands. Default: 30."""


class LifeOptions(TypedDict, total=False):
    """How a sandbox made of captured state lives: as one that is created."""

    detach: bool | None
    """Let it outlive this process; needs ``ttl_seconds``. Default: False."""
    ttl_seconds: int | None
    """1 second to 30 days, after which it is destroyed. The source's time to live is not inherited."""
    owner: str | None
    """Who answers for a detached sandbox."""
    tags: Mapping[str, str] | None
    """Added to the tags of the source."""
    network: NetworkPolicy | Mapping[str, Any] | None
    """What may leave it. Default: what the source was allowed when it was captured."""
    on_progress: Callable[[dict[str, Any]], object] | None
    """Called for phases of the start and notices."""


class RestoreOptions(ClientOptions, LifeOptions, total=False):
    """Options of ``Sandbox.restore``."""

    name: str | None
    """Name of the new sandbox. Default: none."""


class ForkOptions(LifeOptions, total=False):
    """Options of ``sandbox.fork``."""

    count: int | None
    """How many, 1 to 64. Default: 1, or the number of names."""
    names: Sequence[str] | None
    """One name a fork. Default: none."""


class CreateOptions(ClientOptions, total=False):
    """Options of ``Sandbox.create``; the daemon checks them, with ``InvalidArgumentError`` or ``PolicyDenied``."""

    name: str | None
    """Unique among the sandboxes that live. Default: none, the id is the only handle."""
    workload_id: str | None
    profile: Profile | None
    """Default: ``standard``."""
    cpu: int | None
    """Virtual CPUs, 1 to 16. Default: 1."""
    memory_mb: int | None
    """MiB, at least 128. Default: 512."""
    disk_mb: int | None
    """MiB of writable disk, at least 64. Default: 2048."""
    ttl_seconds: int | None
    """1 second to 30 days, after which it is destroyed. Default: none, unless detached: then it has to be given."""
    idle_seconds: int | None
    """1 second to 30 days without use after which it is destroyed: no call reached the guest, no command ran in the
    foreground. Default: never for that reason."""
    env: Mapping[str, str] | None
    """Environment of every command. Not for credentials: use ``secrets``."""
    tags: Mapping[str, str] | None
    backend: str | None
    """Default: ``qemu``."""
    accel: Literal["auto", "kvm", "tcg"] | None
    """Default: ``auto``, kvm where it works, else tcg with a notice."""
    require_isolation: Literal["hardware"] | None
    """Refuse to start without isolation by hardware."""
    network: NetworkPolicy | Mapping[str, Any] | None
    """Default: nothing may leave the sandbox."""
    secrets: Mapping[str, SecretRef | Mapping[str, Any]] | None
    """By the name of the environment variable that holds the placeholder."""
    mounts: Sequence[Mount | Mapping[str, Any]] | None
    detach: bool | None
    """Let it outlive this process; needs ``ttl_seconds``. Default: False."""
    owner: str | None
    """Who answers for a detached sandbox. Default: the user and process."""
    tenant: str | None
    """Whose audit chain and receipts record it: 1 to 63 letters, digits, ``_`` or ``-``. Default: ``local``."""
    on_progress: Callable[[dict[str, Any]], object] | None
    """Called for phases of the start and notices, such as a fall back to emulation."""
    idempotency_key: str | None
    """Repeating a detached create with the same key returns the same sandbox. Default: a fresh key."""


_OF_THE_CLIENT = frozenset(ClientOptions.__annotations__)
_NOT_SENT = _OF_THE_CLIENT | {"on_progress", "idempotency_key"}


def client_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that say which daemon to talk to."""
    return {name: value for name, value in options.items() if name in _OF_THE_CLIENT}


def request_body(method: str, known: type, options: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The body of a call that makes sandboxes. Raises ``TypeError`` for an option that does not exist."""
    unknown = set(options) - set(known.__annotations__)
    if unknown:
        raise TypeError(f"Sandbox.{method}() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    body = given(**more, **{name: value for name, value in options.items() if name not in _NOT_SENT})
    if "network" in body:
        body["network"] = NetworkPolicy.from_document(body["network"]).to_document()
    if "secrets" in body:
        references = body["secrets"].items()
        body["secrets"] = {name: SecretRef.from_document(value).to_document() for name, value in references}
    if "mounts" in body:
        body["mounts"] = [asdict(mount) if isinstance(mount, Mount) else dict(mount) for mount in body["mounts"]]
    if "names" in body:
        body["names"] = list(body["names"])
    for name in ("env", "tags"):
        if isinstance(body.get(name), Mapping):
            body[name] = dict(body[name])
    return body
