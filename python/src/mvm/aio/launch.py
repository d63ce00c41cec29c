"""Starts the daemon when it does not run."""

from __future__ import annotations

import time

import httpcore

from mvm import limits
from mvm.client.daemon_entry import LOCK_HELD, daemon_command
from mvm.client.daemon_process import start_daemon
from mvm.client.home import HomePaths
from mvm.client.private_directory import check_socket, check_socket_path, ensure_private_directory, ensure_state_root
from mvm.drivers import asynchronous as driver
from mvm.errors import SandboxUnavailable

_POLL = 0.015
_FIRST_RESPAWN = 0.25
_LAST_RESPAWN = 2.0


async def probe(path: str) -> bool:
    """Whether something accepts connections on the socket."""
    try:
        (await driver.connect(path, limits.DAEMON_CONNECT_SECONDS)).close()
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        return False
    return True


async def launch_daemon(paths: HomePaths) -> None:
    """Makes sure that a daemon answers on the socket: starts one if there is none and waits for it.

    Any number of clients may do so at once; the lock lets one daemon live, the others wait for it. Raises
    ``SandboxUnavailable`` at the deadline, or as soon as a daemon of ours ended by itself.
    """
    check_socket_path(paths.socket)
    ensure_state_root(paths.home)
    ensure_private_directory(paths.run, "private")
    ensure_private_directory(paths.logs, "unwritable")
    command = daemon_command(paths)
    end = time.monotonic() + limits.DAEMON_START_SECONDS
    respawn = _FIRST_RESPAWN
    child = start_daemon(command, paths)
    began = time.monotonic()
    while not await _answers(paths):
        status = child.poll()
        # `mvmctl daemon start` ends with 0 when its daemon answers.
        if status not in (None, 0, LOCK_HELD):
            raise _failed(paths, f"it ended with {status}")
        if time.monotonic() > end:
            raise _failed(paths, f"it did not answer within {limits.DAEMON_START_SECONDS} s")
        # The holder of the lock may be a daemon on its way out: a client whose attempt lost has to try again.
        if status is not None and time.monotonic() - began > respawn:
            child = start_daemon(command, paths)
            began = time.monotonic()
            respawn = min(_LAST_RESPAWN, respawn * 2)
        await driver.pause(_POLL)


async def _answers(paths: HomePaths) -> bool:
    check_socket(paths)
    return await probe(str(paths.socket))


def _failed(paths: HomePaths, why: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        f"Cannot start the daemon: {why}",
        code="DAEMON_UNAVAILABLE",
        hint=f"Read {paths.daemon_log}, and run `mvmctl doctor`",
        operation="daemon.start",
    )
