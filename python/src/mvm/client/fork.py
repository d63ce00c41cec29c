"""Connections belong to the process that opened them.

A forked child gets copies of all descriptors. It closes those of connections at once, so that the parent's end is the
connection's end: a child that lives on does not keep the parent's sandboxes, and one that ends does not end them.
"""

from __future__ import annotations

import os
import socket
import weakref

_open: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def own(connection: socket.socket) -> None:
    """Makes a connection one that forked children close."""
    _open.add(connection)


def _close_copies() -> None:
    # close() ends the child's descriptor only; shutdown() would end the parent's connection.
    for connection in list(_open):
        connection.close()


os.register_at_fork(after_in_child=_close_copies)
