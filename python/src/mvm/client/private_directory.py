"""Directories and sockets that only their user can have made."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Literal

from mvm import limits
from mvm.client.home import HomePaths
from mvm.errors import SocketAuthError, VmConfigError

_OTHERS = {"private": 0o077, "unwritable": 0o022}
Wanted = Literal["private", "unwritable"]
"""``private`` allows others nothing, ``unwritable`` only forbids them to write."""


def _unusable(path: Path, cause: OSError, operation: str) -> VmConfigError:
    return VmConfigError(
        f'Cannot use the directory "{path}": {cause.strerror}',
        hint="Set MVM_HOME to a directory that this user can write to and that has space",
        operation=operation,
    )


def _status(path: Path, operation: str) -> os.stat_result | None:
    """The entry's own status, not that of what it links to."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error, operation) from error


def _distrust(status: os.stat_result, wanted: Wanted) -> str | None:
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if stat.S_ISLNK(status.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a directory"
    if status.st_uid != os.geteuid():
        return f"it belongs to another user ({status.st_uid}, not {os.geteuid()})"
    if mode & _OTHERS["unwritable"]:
        return f"others can write to it (its mode is {mode:04o})"
    if mode & _OTHERS[wanted]:
        return f"others can read it (its mode is {mode:04o})"
    return None


def _unusable_root(path: Path, why: str, operation: str) -> VmConfigError:
    return VmConfigError(
        f'Cannot use the state root "{path}": {why}',
        hint="Set MVM_HOME to a directory of your own that nobody else can write to",
        operation=operation,
    )


def _check_state_root(path: Path, status: os.stat_result, operation: str) -> None:
    why = _distrust(status, "unwritable")
    if why is not None:
        raise _unusable_root(path, why, operation)


def ensure_state_root(path: Path) -> None:
    """Makes it with mode 0700 unless it exists, and checks that this user can use it. Raises ``VmConfigError``."""
    operation = "daemon.start"
    try:
        _make_with_parents(path, operation)
    except VmConfigError as error:
        cause = error.__cause__
        number = cause.errno if isinstance(cause, OSError) and cause.errno else 0
        raise _unusable_root(path, f"it cannot be made ({errno.errorcode.get(number, number)})", operation) from error
    status = _status(path, operation)
    if status is not None:
        _check_state_root(path, status, operation)
    if not os.access(path, os.W_OK | os.X_OK):
        raise _unusable_root(path, "it cannot be written to", operation)


def _check_directory(path: Path, status: os.stat_result, wanted: Wanted) -> None:
    why = _distrust(status, wanted)
    if why is None:
        return
    raise SocketAuthError(
        f'Cannot trust the directory "{path}": {why}',
        expected_uid=os.geteuid(),
        actual_uid=status.st_uid,
        operation="daemon.connect",
    )


def ensure_private_directory(path: Path, wanted: Wanted) -> None:
    """Makes the directory with mode 0700 unless it exists, and checks it either way. Raises ``SocketAuthError``."""
    operation = "daemon.start"
    _make_with_parents(path, operation)
    status = _status(path, operation)
    if status is not None:
        _check_directory(path, status, wanted)


def _make_with_parents(path: Path, operation: str) -> None:
    missing = []
    at = path
    while _status(at, operation) is None:
        missing.append(at)
        at = at.parent
    for directory in reversed(missing):
        try:
            # Another client may make the same state root at the same moment.
            directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _unusable(path, error, operation) from error


def check_socket_path(path: Path) -> None:
    """Refuses a path that ``sun_path`` cannot hold; the kernel would report it as a socket that is not there."""
    size = len(os.fsencode(path))
    if size <= limits.SOCKET_PATH_BYTES:
        return
    raise VmConfigError(
        f'Cannot use the socket "{path}": its path has {size} bytes'
        f" and a Unix socket's has at most {limits.SOCKET_PATH_BYTES}",
        hint="Set MVM_HOME to a shorter path",
        operation="daemon.connect",
    )


def check_socket(paths: HomePaths) -> None:
    """Checks, before anything is sent, that the socket can only be our own daemon's.

    The state root and its ``run`` directory belong to us, are no links and others cannot write to them, and what lies
    there is a socket of ours. A daemon that is not there is no error: connecting says so.
    """
    check_socket_path(paths.socket)
    home = _status(paths.home, "daemon.connect")
    if home is None:
        return
    _check_state_root(paths.home, home, "daemon.connect")
    run = _status(paths.run, "daemon.connect")
    if run is None:
        return
    _check_directory(paths.run, run, "private")
    socket = _status(paths.socket, "daemon.connect")
    if socket is None or (stat.S_ISSOCK(socket.st_mode) and socket.st_uid == run.st_uid):
        return
    what = "another user's" if stat.S_ISSOCK(socket.st_mode) else "not a socket"
    raise SocketAuthError(
        f'Cannot trust the socket "{paths.socket}": it is {what}',
        expected_uid=run.st_uid,
        actual_uid=socket.st_uid,
        operation="daemon.connect",
    )
