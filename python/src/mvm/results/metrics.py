"""Numbers of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HostMetrics:
    """What is observed from outside. None where this host cannot tell."""

    uptime_ms: float
    cpu_ms: float | None
    rss_bytes: int | None
    disk_bytes: int | None
    commands: int
    stdout_bytes: int
    stderr_bytes: int


@dataclass(frozen=True)
class GuestMetrics:
    """What the guest claims."""

    uptime_ms: float
    cpu_ms: float
    load1: float
    mem_total_bytes: int
    mem_available_bytes: int
    swap_used_bytes: int
    disk_total_bytes: int
    disk_used_bytes: int
    inodes_total: int
    inodes_used: int
    processes: int


@dataclass(frozen=True)
class SandboxMetrics:
    """Numbers of one sandbox; ``guest`` is None when it does not answer."""

    sandbox_id: str
    state: str
    time: str
    host: HostMetrics
    guest: GuestMetrics | None
