"""Ports of this host that lead into one sandbox."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from mvm.aio.target import AsyncTarget
from mvm.client.call import given
from mvm.errors import SandboxError
from mvm.results.document import read
from mvm.results.sandbox_info import PortInfo

if TYPE_CHECKING:
    from typing_extensions import Self

_Infos: TypeAlias = "list[PortInfo]"

_GONE = ("PORT_NOT_FORWARDED", "SANDBOX_NOT_FOUND", "SANDBOX_UNAVAILABLE", "DAEMON_UNAVAILABLE")
"""Codes that say that nothing listens any more."""


class AsyncPortForward:
    """A forwarded port. It ends with ``close()``, with its ``with`` block, or with its sandbox."""

    def __init__(self, target: AsyncTarget, info: PortInfo) -> None:
        self._target = target
        self.host_address = info.host_address
        self.host_port = info.host_port
        self.guest_port = info.guest_port
        self.url = info.url
        """What a browser or HTTP client takes; other protocols use address and port."""

    async def close(self) -> None:
        """Stops listening and ends the connections through it. Closing again does nothing."""
        path = f"/ports/{self.host_port}"
        try:
            await self._target.json("DELETE", path, "ports.close", idempotent=True, running=True)
        except SandboxError as error:
            if error.code not in _GONE:
                raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} to {self.guest_port} of {self._target.id}>"


class AsyncPorts:
    """Ports of this host that lead into one sandbox."""

    def __init__(self, target: AsyncTarget) -> None:
        self._target = target

    async def forward(self, *, host_port: int, guest_port: int, host_address: str | None = None) -> AsyncPortForward:
        """Connects a port of this host with a port of the guest's loopback until it is closed or the sandbox ends.

        Raises ``PolicyDenied`` under profile ``restrictive``, ``InvalidArgumentError`` (``PORT_UNAVAILABLE``) when the
        port is taken.

        :param host_port: 0 takes any that is free
        :param host_address: others than loopback need profile ``permissive``. Default: 127.0.0.1
        """
        body = given(host_port=host_port, guest_port=guest_port, host_address=host_address)
        return AsyncPortForward(
            self._target, read(PortInfo, await self._target.json("POST", "/ports", "ports.forward", json=body))
        )

    async def list(self) -> _Infos:
        """The ports that are forwarded now."""
        document = await self._target.json("GET", "/ports", "ports.list")
        return [read(PortInfo, port) for port in document["ports"]]
