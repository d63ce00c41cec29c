"""Output as it comes, for callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mvm.client.command import OutputText
from mvm.drivers import asynchronous as driver

Output: TypeAlias = "Callable[[str], object]"


class AsyncOutputCallback:
    """Passes one output stream to a callback as text."""

    def __init__(self, call: Output | None) -> None:
        self._call = call
        self._text = OutputText()
        self._failure: Exception | None = None

    async def push(self, data: str) -> None:
        await self._deliver(self._text.push(data)[1])

    async def end(self) -> None:
        """Delivers the rest, and raises what the callback raised."""
        await self._deliver(self._text.end())
        if self._failure is not None:
            raise self._failure

    async def _deliver(self, text: str) -> None:
        if not text or self._call is None or self._failure is not None:
            return
        try:
            await driver.settle(self._call(text))
        except Exception as error:
            self._failure = error
