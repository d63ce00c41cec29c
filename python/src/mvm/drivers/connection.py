"""What both drivers do to a socket without waiting."""

from __future__ import annotations

import select
import socket
import weakref
from collections.abc import Mapping

from mvm.client import fork


def open_socket() -> socket.socket:
    """A Unix socket that does not block and that forked children close."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    fork.own(connection)
    return connection


def close_with(owner: object, connection: socket.socket) -> None:
    """Closes the socket when its owner is dropped: a client holds idle connections and has nothing to be closed."""
    weakref.finalize(owner, connection.close).atexit = False


def wait(connection: socket.socket, event: int, seconds: float) -> bool:
    """Whether the socket is ready, or broken, within that time."""
    poll = select.poll()
    poll.register(connection, event)
    return bool(poll.poll(seconds * 1000))


def readable(connection: socket.socket) -> bool:
    """Whether something, or the end, can be read now."""
    return connection.fileno() == -1 or wait(connection, select.POLLIN, 0)


def abort(extensions: Mapping[str, object]) -> None:
    """Ends the connection of an answer, from whichever thread or task: who reads it sees its end."""
    connection = extensions["network_stream"].get_extra_info("socket")  # type: ignore[attr-defined]
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It has ended already.
        pass
