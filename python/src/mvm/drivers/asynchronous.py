"""Waits with asyncio."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from inspect import isawaitable
from typing import Any, TypeAlias, TypeVar

import httpcore

from mvm.drivers.connection import close_with, open_socket, readable

T = TypeVar("T")

Events: TypeAlias = AsyncGenerator[T, None]
"""Things that come one by one; closing it ends what sends them."""

Pending: TypeAlias = Awaitable[T]
"""What a call returns that has begun and not ended."""

pause = asyncio.sleep


class Stream(httpcore.AsyncNetworkStream):
    """A connection to the daemon.

    A time limit counts silence. Without one, the daemon is asked at each silence of ``patience`` seconds whether it
    lives; a broken connection shows at once either way.
    """

    def __init__(self, connection: socket.socket, patience: float, ask: Callable[[], Awaitable[None]]) -> None:
        close_with(self, connection)
        self._connection = connection
        self._patience = patience
        self._ask = ask

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            while True:
                try:
                    return self._connection.recv(max_bytes)
                except BlockingIOError:
                    if not await self._ready(timeout):
                        raise httpcore.ReadTimeout from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:
                # An answer that comes before the whole request is sent is a refusal: the rest is not wanted.
                if readable(self._connection):
                    raise httpcore.WriteError("answered before everything was sent")
                try:
                    rest = rest[self._connection.send(rest) :]
                except BlockingIOError:
                    if not await self._ready(timeout, writable=True):
                        raise httpcore.WriteTimeout from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def _ready(self, timeout: float | None, *, writable: bool = False) -> bool:
        """Waits until something can be read, or with ``writable`` also until something can be written."""
        loop = asyncio.get_running_loop()
        descriptor = self._connection.fileno()
        ready: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(descriptor, wake)
        if writable:
            loop.add_writer(descriptor, wake)
        try:
            while not (await asyncio.wait({ready}, timeout=timeout or self._patience))[0]:
                if timeout is not None:
                    return False
                await self._ask()
            return True
        finally:
            loop.remove_reader(descriptor)
            loop.remove_writer(descriptor)

    async def aclose(self) -> None:
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return readable(self._connection)
        return self._connection if info == "socket" else None


class Backend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore."""

    def __init__(self, patience: float, ask: Callable[[], Awaitable[None]]) -> None:
        self._patience = patience
        self._ask = ask

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> Stream:
        return Stream(await connect(path, timeout), self._patience, self._ask)


async def connect(path: str, timeout: float | None) -> socket.socket:
    """An open connection. Raises httpcore's connection errors."""
    connection = open_socket()
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(connection, path), timeout)
    except BaseException as error:
        connection.close()
        if isinstance(error, asyncio.TimeoutError):
            raise httpcore.ConnectTimeout from error
        if isinstance(error, OSError):
            raise httpcore.ConnectError(str(error)) from error
        raise
    return connection


class Background:
    """Something that goes on beside its caller."""

    def __init__(self, function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self._task = asyncio.ensure_future(function(*arguments))

    async def stop(self) -> None:
        """Ends it and waits for its end."""
        self._task.cancel()
        await asyncio.wait({self._task})


async def settle(value: object) -> None:
    """Waits for what a callback returned, if it can be waited for."""
    if isawaitable(value):
        await value


Source: TypeAlias = "Iterable[bytes | str] | AsyncIterable[bytes | str]"
"""What is sent piece by piece: an iterable, or an open file."""


async def pieces(source: Any) -> AsyncGenerator[bytes, None]:
    """The bytes of a source, read no faster than they are taken."""
    if hasattr(source, "__aiter__"):
        async for piece in source:
            yield piece.encode() if isinstance(piece, str) else bytes(piece)
    elif hasattr(source, "read"):
        while piece := await asyncio.to_thread(source.read, 65_536):
            yield piece.encode() if isinstance(piece, str) else bytes(piece)
    else:
        for piece in source:
            yield piece.encode() if isinstance(piece, str) else bytes(piece)
