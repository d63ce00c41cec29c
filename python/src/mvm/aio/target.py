"""One sandbox as its calls see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mvm.aio.daemon_client import AsyncDaemonClient
from mvm.client.call import Call, segment


@dataclass(frozen=True)
class AsyncTarget:
    """The daemon a sandbox lives at, and its id."""

    client: AsyncDaemonClient
    id: str

    def call(self, method: Any, path: str, operation: str, **details: Any) -> Call:
        """A call about the sandbox: ``path`` is what follows ``/sandboxes/:ref``."""
        return Call(method, f"/sandboxes/{segment(self.id)}{path}", operation, sandbox_id=self.id, **details)

    async def json(self, method: Any, path: str, operation: str, **details: Any) -> Any:
        """Makes a call about the sandbox and returns its JSON answer."""
        return await self.client.json(self.call(method, path, operation, **details))
