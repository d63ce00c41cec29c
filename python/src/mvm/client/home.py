"""The state root and what a client finds below it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mvm.errors import VmConfigError


def resolve_home(environment: Mapping[str, str] = os.environ) -> Path:
    """``$MVM_HOME``, else ``$XDG_DATA_HOME/mvm``, else ``~/.local/share/mvm``. Absolute; nothing is created."""
    if environment.get("MVM_HOME"):
        return _absolute(environment["MVM_HOME"])
    if environment.get("XDG_DATA_HOME"):
        return _absolute(environment["XDG_DATA_HOME"]) / "mvm"
    try:
        return Path.home() / ".local" / "share" / "mvm"
    except RuntimeError as error:
        raise VmConfigError(
            "Cannot find the state root: neither MVM_HOME nor HOME is set, and this user has no home directory",
            hint="Set MVM_HOME",
        ) from error


def _absolute(path: str) -> Path:
    # Without resolving links: a state root that is one is refused, not followed.
    return Path(os.path.abspath(path))  # noqa: PTH100


@dataclass(frozen=True)
class HomePaths:
    """Where a client finds what belongs to a state root."""

    home: Path

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def socket(self) -> Path:
        return self.run / "mvmd.sock"

    @property
    def lock(self) -> Path:
        """Locked by the daemon for as long as it lives: the state root itself."""
        return self.home

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def daemon_log(self) -> Path:
        return self.logs / "mvmd.log"


def home_paths(home: str | os.PathLike[str] | None) -> HomePaths:
    """The paths of that state root, or of the default one."""
    return HomePaths(resolve_home() if home is None else _absolute(os.fspath(home)))
