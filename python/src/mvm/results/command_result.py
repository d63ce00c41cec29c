"""The result of a command."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mvm.results.document import read


@dataclass(frozen=True)
class CommandTimings:
    """How long the phases around a command took, in milliseconds; None for a sandbox that existed before."""

    create_ms: float | None
    exec_ms: float
    total_ms: float
    start: Literal["pool", "template", "cold"] | None


@dataclass(frozen=True)
class Isolation:
    """What separates the command from the host. ``emulated`` is not a boundary that QEMU vouches for."""

    backend: str
    accel: str
    isolation: str


@dataclass(frozen=True)
class CommandResult:
    """The result of a command that ran, whatever its exit status."""

    exit_code: int
    """The command's status; 128 + n when signal n ended it, 124 on a timeout unless it exited by itself."""
    signal: str | None
    """Name of the signal that ended the command, e.g. ``SIGKILL``; None when it exited."""
    timed_out: bool
    oom_killed: bool
    stdout: str
    """Bounded output, head and tail kept; bytes that are not UTF-8 are U+FFFD here and exact in ``stdout_raw``."""
    stderr: str
    stdout_bytes: int
    """Bytes the command wrote, also those that were not kept."""
    stderr_bytes: int
    stdout_truncated: bool
    stderr_truncated: bool
    duration_ms: float
    run_id: str
    audit_id: str | None
    sandbox_id: str
    timings: CommandTimings | None = None
    isolation: Isolation | None = None
    receipt_path: str | None = None
    stdout_base64: str | None = None
    stderr_base64: str | None = None
    spill_bytes: int | None = None
    """Bytes in the file that ``spill`` named; None without one."""

    @property
    def receipt(self) -> str | None:
        """Path of the receipt on the host; None when none was written."""
        return self.receipt_path

    @property
    def stdout_raw(self) -> bytes:
        """The kept output, byte for byte."""
        return self.stdout.encode() if self.stdout_base64 is None else base64.b64decode(self.stdout_base64)

    @property
    def stderr_raw(self) -> bytes:
        """The kept error output, byte for byte."""
        return self.stderr.encode() if self.stderr_base64 is None else base64.b64decode(self.stderr_base64)

    @staticmethod
    def from_document(document: object) -> CommandResult:
        """The result of the daemon's document."""
        return read(CommandResult, document)

    def to_document(self) -> dict[str, Any]:
        """The document of ``mvmctl exec --json``."""
        document = {"schema_version": 1, **asdict(self)}
        for name in ("stdout_base64", "stderr_base64", "spill_bytes"):
            if document[name] is None:
                del document[name]
        return document
