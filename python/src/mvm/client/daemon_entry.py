"""Which program is the daemon, and what it is started with."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from mvm.client.home import HomePaths
from mvm.errors import VmDependencyError

LOCK_HELD = 75
"""Exit status when another process holds the lock: the one daemon of this state root, or the next one."""

_KEPT = re.compile(
    r"^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|MVM_.*|SSL_CERT_.*|NODE_EXTRA_CA_CERTS)$|_proxy$", re.I
)


def _checkout_daemon() -> Path | None:
    """The daemon of the checkout that this very file belongs to; None for an installed package."""
    source = Path(__file__).resolve().parents[3]
    daemon = source.parent / "packages" / "host" / "dist" / "main.js"
    return daemon if source.name == "python" and daemon.is_file() else None


def _missing(what: str, hint: str) -> VmDependencyError:
    return VmDependencyError(f"Cannot start the daemon: {what}", hint=hint, operation="daemon.start")


def _program(name: str, environment: Mapping[str, str], hint: str) -> str:
    found = shutil.which(name, path=environment.get("PATH"))
    if found is None:
        raise _missing(f"there is no {name} in PATH", hint)
    return found


def daemon_command(paths: HomePaths, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What starts the daemon: ``$MVM_DAEMON`` (its file), else that of this checkout, else ``mvmctl daemon start``.

    All of them take the lock of the state root first, so that any number of clients start one daemon.
    """
    entry = environment.get("MVM_DAEMON") or _checkout_daemon()
    if entry:
        flock = _program("flock", environment, "Install util-linux")
        node = _program("node", environment, "Install Node.js 20 or newer")
        # The lock lives in the daemon itself, so that it is free when the daemon dies.
        return [flock, "--no-fork", "-n", "-E", str(LOCK_HELD), str(paths.lock), node, str(entry)]
    hint = "Install mvmctl (`npm i -g mvmctl`), or name the daemon's file in MVM_DAEMON"
    return [_program("mvmctl", environment, hint), "daemon", "start", "--quiet"]


def daemon_environment(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The daemon's environment.

    It outlives the client that happens to start it, so it gets what it needs and not what the client holds.
    """
    own = {name: value for name, value in environment.items() if _KEPT.search(name)}
    return {**own, "MVM_HOME": str(home)}
