"""Watching files of one sandbox."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from mvm.aio.answer import AsyncAnswer
from mvm.aio.target import AsyncTarget
from mvm.drivers import asynchronous as driver
from mvm.errors import SandboxError
from mvm.results.file_change import FileChange, file_change

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncFileWatch:
    """The changes of one watch, which is under way: iterate once.

    The loop ends when the watched path itself is removed or renamed, and with ``close()``, also that of another thread
    or task. A consumer that is too slow gets an ``overflow`` instead of changes.
    """

    def __init__(self, answer: AsyncAnswer) -> None:
        self._answer = answer
        self._closed = False

    async def __aiter__(self) -> driver.Events[FileChange]:
        try:
            async for event in self._answer.events():
                yield file_change(event)
        except SandboxError:
            if not self._closed:
                raise

    async def close(self) -> None:
        """Ends the watch."""
        self._closed = True
        self._answer.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def watch(target: AsyncTarget, path: str, *, recursive: bool) -> AsyncFileWatch:
    """Begins a watch."""
    query = {"path": path, "recursive": recursive or None}
    answer = await target.client.stream(target.call("GET", "/files/watch", "files.watch", query=query, patient=True))
    try:
        async for event in answer.events():
            if event["event"] == "watching":
                return AsyncFileWatch(answer)
        raise answer.cut_short("watching")
    except BaseException:
        await answer.close()
        raise
