"""What keeps attached sandboxes alive."""

from __future__ import annotations

import os
import warnings

from mvm.aio.answer import AsyncAnswer
from mvm.aio.target import AsyncTarget


class AsyncLease:
    """The open stream of the call that made a sandbox: it lives while this is open, which ends with this process.

    It is never read further: what the daemon says at the end is learned from the next call.
    """

    def __init__(self, answer: AsyncAnswer, sandbox_id: str) -> None:
        self._answer = answer
        self._sandbox_id = sandbox_id
        self._held = True
        self._process = os.getpid()

    @property
    def ours(self) -> bool:
        """Whether this is the process that made the sandbox, and not a fork of it."""
        return os.getpid() == self._process

    async def close(self) -> None:
        """Gives the sandbox up."""
        self._held = False
        if self.ours:
            await self._answer.close()

    def forget(self) -> None:
        """For a handle that nobody holds any more."""
        if not self.ours or not self._held:
            return
        self._held = False
        self._answer.abort()
        warnings.warn(
            f"Sandbox {self._sandbox_id} was garbage-collected without being destroyed:"
            " use `with`, call destroy(), or create it with detach=True",
            ResourceWarning,
            stacklevel=2,
        )


async def lease_of(target: AsyncTarget) -> AsyncLease:
    """A lease of an attached sandbox that lives already, such as a fork."""
    call = target.call("POST", "/lease", "sandboxes.lease", json={}, patient=True)
    answer = await target.client.stream(call)
    try:
        async for event in answer.events():
            if event["event"] == "leased":
                return AsyncLease(answer, target.id)
        raise answer.cut_short("leased")
    except BaseException:
        await answer.close()
        raise
