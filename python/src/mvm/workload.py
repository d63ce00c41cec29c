"""Declarations of workloads. ``mvmctl compile`` reads them without running the module; here they only record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from mvm.errors import InvalidArgumentError
from mvm.network_policy import NetworkPolicy
from mvm.options import Profile
from mvm.secret_ref import SecretRef

_F = TypeVar("_F", bound=Callable[..., Any])


class PortDeclaration(TypedDict, total=False):
    """A forwarded port: ``guest_port`` and ``host_port``, which may be 0 for any that is free."""

    guest_port: int
    host_port: int
    host_address: str


@dataclass(frozen=True)
class Resources:
    """What a workload gets. See :func:`resources`."""

    cpu: int = 1
    memory_mb: int = 512
    disk_mb: int = 2048


@dataclass(frozen=True)
class Workload:
    """A declared workload.

    :param id: a lower-case letter and up to 62 of a-z, 0-9 and ``-``
    :param image: name or reference, with ``@sha256:…`` to pin it
    :param command: program and arguments, without a shell. Default, above a function: the function itself
    :param files: text by absolute path in the guest, written before the command starts
    :param secrets: by the name of the variable that holds the placeholder
    :param network: default: nothing may leave the sandbox
    :param profile: default ``standard``
    :param cwd: where the command runs. Default ``/home/user``
    """

    id: str
    image: str
    resources: Resources
    command: Sequence[str] | None = None
    files: Mapping[str, str] | None = None
    env: Mapping[str, str] | None = None
    secrets: Mapping[str, SecretRef] | None = None
    network: NetworkPolicy | None = None
    ports: Sequence[PortDeclaration] | None = None
    mounts: Sequence[Mapping[str, str]] | None = None
    profile: Profile | None = None
    ttl_seconds: int | None = None
    idle_seconds: int | None = None
    tags: Mapping[str, str] | None = None
    cwd: str | None = None
    user: str | None = None
    timeout_seconds: float | None = None


def resources(cpu: int = 1, memory_mb: int = 512, disk_mb: int = 2048) -> Resources:
    """What a workload gets: virtual CPUs, and MiB of memory and of writable disk."""
    return Resources(cpu, memory_mb, disk_mb)


def define_workload(**fields: Any) -> Workload:
    """Declares the module's workload, with the fields of :class:`Workload`. Starts nothing.

    :raises InvalidArgumentError: there is no such field, or one is missing
    """
    if "command" not in fields:
        raise InvalidArgumentError("Cannot declare the workload: it has no command", context={"argument": "command"})
    return _workload(fields)


def app(**fields: Any) -> Callable[[_F], _F]:
    """Declares a workload above the function that is its program, with the fields of :class:`Workload`.

    The function stays what it is: it can be called here, and ``mvmctl compile`` makes it the command in the sandbox.

    :raises InvalidArgumentError: there is no such field, or one is missing
    """
    workload = _workload(fields)

    def declare(function: _F) -> _F:
        function.__mvm_workload__ = workload  # type: ignore[attr-defined]
        return function

    return declare


def func(**fields: Any) -> Callable[[_F], _F]:
    """As :func:`app`; in the sandbox, what the function returns is written to stdout as JSON."""
    return app(**fields)


def _workload(fields: Mapping[str, Any]) -> Workload:
    try:
        return Workload(**fields)
    except TypeError as error:
        reason = str(error).replace("Workload.__init__() ", "")
        raise InvalidArgumentError(f"Cannot declare the workload: {reason}", context={"argument": "workload"}) from None
