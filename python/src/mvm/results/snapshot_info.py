"""What is known about snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from mvm.results.sandbox_info import ImageRef


@dataclass(frozen=True)
class SnapshotSource:
    """The sandbox that a snapshot was taken of."""

    id: str
    name: str | None


@dataclass(frozen=True)
class SnapshotPart:
    """One file of a snapshot. ``sha256`` is the root of a tree of chunks."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Compatibility:
    """What a snapshot can only be restored with. A difference is refused by name, before anything is read."""

    format: int
    backend: str
    accel: str
    qemu_version: str
    cpu_model: str
    host_cpu: str | None
    topology_sha256: str
    cpu: int
    memory_mb: int
    disk_mb: int
    image_digest: str
    kernel_sha256: str
    tsc_khz: int | None = None
    """Frequency of the time stamp counter that the guest measured once (emulation); None where it asks its host."""


@dataclass(frozen=True)
class SnapshotInfo:
    """A sealed capture of a machine. Sensitive: its memory holds whatever the programs held."""

    id: str
    name: str | None
    epoch: int
    """Rises with every seal of this state root: an older one put in place of a newer is refused."""
    created_at: str
    sandbox: SnapshotSource
    image: ImageRef
    frozen: bool
    """The guest's file system was flushed and frozen at the moment of capture."""
    labels: list[str]
    bytes: int
    """Host storage it takes."""
    compatibility: Compatibility
    parts: list[SnapshotPart]


@dataclass(frozen=True)
class SnapshotVerdict:
    """A snapshot that was verified."""

    ok: bool
    snapshot: str
    epoch: int
    bytes: int
    """What was read: the blocks of its parts, without the holes of sparse files."""
