"""Lets one test drive both clients: the asynchronous one, seen through here, looks like the blocking one."""

from __future__ import annotations

import asyncio
import inspect
from types import ModuleType
from typing import Any

import mvm

_OURS = (
    *(mvm.AsyncSandbox, mvm.AsyncCommands, mvm.AsyncFiles, mvm.AsyncProcess),
    *(mvm.AsyncPorts, mvm.AsyncPortForward, mvm.AsyncSnapshot, mvm.AsyncFileWatch, mvm.AsyncCodeContexts),
    mvm.AsyncPackages,
)


class Loop:
    """An event loop that runs while somebody waits for something on it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def wrap(self, value: Any) -> Any:
        """The value as blocking code sees it."""
        if inspect.iscoroutine(value):
            return self.wrap(self._loop.run_until_complete(value))
        if inspect.isasyncgen(value):
            return self._iterate(value)
        if isinstance(value, list):
            return [self.wrap(item) for item in value]
        if isinstance(value, _OURS):
            return _Blocking(self, value)
        return value

    def _iterate(self, generator: Any) -> Any:
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(generator.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(generator.aclose())

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


class _Blocking:
    def __init__(self, loop: Loop, wrapped: Any) -> None:
        self._loop = loop
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return _callable(self._loop, getattr(self._wrapped, name))

    def __iter__(self) -> Any:
        return self._loop.wrap(self._wrapped.__aiter__())

    def __enter__(self) -> Any:
        return self._loop.wrap(self._wrapped.__aenter__())

    def __exit__(self, *error: Any) -> None:
        self._loop.wrap(self._wrapped.__aexit__(*error))

    def __repr__(self) -> str:
        return repr(self._wrapped)


def _callable(loop: Loop, value: Any) -> Any:
    if not inspect.isroutine(value):
        return loop.wrap(value)

    def call(*arguments: Any, **options: Any) -> Any:
        async def run() -> Any:
            # Called on the loop, which some of the library's objects need as soon as they are made.
            made = value(*(_unwrapped(argument) for argument in arguments), **options)
            return await made if inspect.isawaitable(made) else made

        return loop.wrap(run())

    return call


def _unwrapped(value: Any) -> Any:
    return value._wrapped if isinstance(value, _Blocking) else value


class Asynchronous:
    """``mvm.AsyncSandbox``, or another class, to be used like its blocking twin."""

    def __init__(self, wrapped: Any = mvm.AsyncSandbox, loop: Loop | None = None) -> None:
        self.loop = loop or Loop()
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return _callable(self.loop, getattr(self._wrapped, name))


def blocking() -> ModuleType | type[mvm.Sandbox]:
    """``mvm.Sandbox``, which needs no help."""
    return mvm.Sandbox
