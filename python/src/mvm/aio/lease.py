"""What keeps attached sandboxes alive."""

from __future__ import annotations

import os
import warnings

from mvm.aio.answer import AsyncAnswer


class AsyncLease:
    """The open stream of the call that made sandboxes: they live while it is open, and it ends with this process.

    One lease holds one sandbox, or all forks of one call. It is never read further: what the daemon says at the end is
    learned from the next call.
    """

    def __init__(self, answer: AsyncAnswer, holders: set[str]) -> None:
        self._answer = answer
        self._holders = holders
        self._process = os.getpid()

    @property
    def ours(self) -> bool:
        """Whether this is the process that made the sandboxes, and not a fork of it."""
        return os.getpid() == self._process

    async def release(self, sandbox_id: str) -> None:
        """Gives one sandbox up; the last one ends the connection."""
        self._holders.discard(sandbox_id)
        if self.ours and not self._holders:
            await self._answer.close()

    def forget(self, sandbox_id: str) -> None:
        """For a handle that nobody holds any more."""
        if not self.ours or sandbox_id not in self._holders:
            return
        self._holders.discard(sandbox_id)
        if not self._holders:
            self._answer.abort()
        warnings.warn(
            f"Sandbox {sandbox_id} was garbage-collected without being destroyed:"
            " use `with`, call destroy(), or create it with detach=True",
            ResourceWarning,
            stacklevel=2,
        )
