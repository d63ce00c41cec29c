"""What a command reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mvm.aio.target import AsyncTarget
from mvm.client.command import content_bytes
from mvm.drivers import asynchronous as driver
from mvm.errors import SandboxError


async def send_stdin(target: AsyncTarget, pid: int, content: Any, *, eof: bool = False) -> int:
    """Sends bytes to a command's stdin; with ``eof`` it is closed behind them. Returns when its pipe took them."""
    whole = content_bytes(content)
    document = await target.json(
        "POST",
        f"/processes/{pid}/stdin",
        "commands.stdin",
        query={"eof": eof or None},
        body=driver.pieces(content) if whole is None else whole,
        patient=True,
    )
    return int(document["written_bytes"])


class AsyncStdinFeed:
    """Feeds a running command from the caller's source, beside reading its output."""

    def __init__(self, target: AsyncTarget, source: Any, abandon: Callable[[], None]) -> None:
        """``abandon`` ends the command; called when the source itself fails."""
        self._target = target
        self._source = source
        self._abandon = abandon
        self._background: driver.Background | None = None
        self.failure: Exception | None = None

    def start(self, pid: int) -> None:
        """Begins, once the command has a pid."""
        if self._source is not None:
            self._background = driver.Background(self._feed, pid)

    async def _feed(self, pid: int) -> None:
        try:
            await send_stdin(self._target, pid, self._source, eof=True)
        except SandboxError:
            # A command need not read to the end; that it stopped shows in its result, not here.
            pass
        except Exception as error:
            self.failure = error
            self._abandon()

    async def stop(self) -> None:
        """Ends the feeding: the command has ended."""
        if self._background is not None:
            await self._background.stop()
