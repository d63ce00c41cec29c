"""Waits by blocking the calling thread."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Generator, Iterable
from threading import Thread
from typing import Any, TypeAlias, TypeVar

import httpcore

from mvm.drivers.connection import close_with, open_socket, readable, wait

T = TypeVar("T")

Events: TypeAlias = Generator[T, None, None]
"""Things that come one by one; closing it ends what sends them."""

Pending: TypeAlias = T
"""A call that has returned has ended."""

pause = time.sleep


class Stream(httpcore.NetworkStream):
    """A connection to the daemon.

    A time limit counts silence. Without one, the daemon is asked at each silence of ``patience`` seconds whether it
    lives; a broken connection shows at once either way.
    """

    def __init__(self, connection: socket.socket, patience: float, ask: Callable[[], None]) -> None:
        close_with(self, connection)
        self._connection = connection
        self._patience = patience
        self._ask = ask

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            if not self._ready(select.POLLIN, timeout):
                raise httpcore.ReadTimeout
            return self._connection.recv(max_bytes)
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:
                # An answer that comes before the whole request is sent is a refusal: the rest is not wanted.
                if readable(self._connection):
                    raise httpcore.WriteError("answered before everything was sent")
                try:
                    rest = rest[self._connection.send(rest) :]
                except BlockingIOError:
                    if not self._ready(select.POLLOUT | select.POLLIN, timeout):
                        raise httpcore.WriteTimeout from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def _ready(self, event: int, timeout: float | None) -> bool:
        while not wait(self._connection, event, timeout or self._patience):
            if timeout is not None:
                return False
            self._ask()
        return True

    def close(self) -> None:
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return readable(self._connection)
        return self._connection if info == "socket" else None


class Backend(httpcore.NetworkBackend):
    """Opens connections for httpcore."""

    def __init__(self, patience: float, ask: Callable[[], None]) -> None:
        self._patience = patience
        self._ask = ask

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> Stream:
        return Stream(connect(path, timeout), self._patience, self._ask)


def connect(path: str, timeout: float | None) -> socket.socket:
    """An open connection. Raises httpcore's connection errors."""
    connection = open_socket()
    try:
        # Connecting to a Unix socket never waits: where it would, the listener's queue is full, and that is an error.
        connection.connect(path)
    except BaseException as error:
        connection.close()
        if isinstance(error, OSError):
            raise httpcore.ConnectError(str(error)) from error
        raise
    return connection


class Background:
    """Something that goes on beside its caller."""

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        # A daemon: a source that never gives its next piece must not keep the process.
        Thread(target=function, args=arguments, daemon=True, name="mvm").start()

    def stop(self) -> None:
        """Does not wait: what is sent to a command that has ended is refused, and that ends it."""


def settle(value: object) -> None:
    """A callback's work is done when it returns."""


Source: TypeAlias = "Iterable[bytes | str]"
"""What is sent piece by piece: an iterable, or an open file."""


def pieces(source: Any) -> Generator[bytes, None, None]:
    """The bytes of a source, read no faster than they are taken."""
    if hasattr(source, "read"):
        while piece := source.read(65_536):
            yield piece.encode() if isinstance(piece, str) else bytes(piece)
    else:
        for piece in source:
            yield piece.encode() if isinstance(piece, str) else bytes(piece)
