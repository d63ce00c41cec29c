"""The daemon as a process of its own."""

from __future__ import annotations

import os
import subprocess

from mvm.client.daemon_entry import daemon_environment
from mvm.client.home import HomePaths
from mvm.errors.foreign import to_sandbox_error


class DaemonProcess(subprocess.Popen[bytes]):
    """A process that outlives this one on purpose, and need not be waited for."""

    def __del__(self) -> None:
        pass


_started: list[DaemonProcess] = []
"""Held, so that a daemon that ends before this process is not left a zombie for longer than to the next start."""


def start_daemon(command: list[str], paths: HomePaths) -> DaemonProcess:
    """Starts it in a session of its own, with its output in the daemon's log."""
    _started[:] = [process for process in _started if process.poll() is None]
    try:
        log = os.open(paths.daemon_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            process = DaemonProcess(
                command,
                cwd="/",
                env=daemon_environment(paths.home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
    except OSError as error:
        raise to_sandbox_error(error, operation="daemon.start", dispatched=False) from error
    _started.append(process)
    return process
