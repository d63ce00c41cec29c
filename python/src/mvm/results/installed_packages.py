"""What an installation of packages came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PackageManager = Literal["pip", "npm"]


@dataclass(frozen=True)
class InstalledPackage:
    """One package that is there now."""

    name: str
    """As its manager compares names: ``typing-extensions``, ``@scope/name``."""
    version: str
    requested: bool
    """It was asked for; False: another one depends on it."""


@dataclass(frozen=True)
class PackageRun:
    """A command the installation took."""

    run_id: str
    audit_id: str | None
    receipt_path: str | None = None

    @property
    def receipt(self) -> str | None:
        """Path of the receipt on the host; None when it could not be written."""
        return self.receipt_path


@dataclass(frozen=True)
class InstalledPackages:
    """What an installation came to."""

    sandbox_id: str
    manager: PackageManager
    installed: list[InstalledPackage]
    """Dependencies included, sorted by name."""
    runs: list[PackageRun]
    """The commands it took, each with its entry in the audit log and its receipt."""
    duration_ms: float
