"""Numbers of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HostMetrics:
    """What the host observes. None where there is no machine to measure."""

    uptime_ms: float
    cpu_ms: float | None
    """Processor time of the machine's process."""
    rss_bytes: int | None
    """Resident memory of the machine's process; what it shares with its template included."""
    pss_bytes: int | None
    """Its share of them: a page that several machines map counts for each in part. None when the kernel is silent."""
    disk_bytes: int | None
    """Blocks of the files that are the sandbox's alone."""


@dataclass(frozen=True)
class NetworkMetrics:
    """What went through the host's connections into the sandbox."""

    connections_open: int
    connections_total: int
    connections_refused: int
    bytes_to_guest: int
    bytes_from_guest: int


@dataclass(frozen=True)
class CommandMetrics:
    """One command that has ended. ``outcome``: ok, failed, signal, timeout, oom, or lost with its machine."""

    run_id: str
    outcome: str
    exit_code: int | None
    duration_ms: float | None
    stdout_bytes: int
    stderr_bytes: int
    backpressure_events: int
    """How often its reader was slower than its output, so that it was held back."""


@dataclass(frozen=True)
class CommandTotals:
    """Commands of the sandbox since this daemon knows it; ``recent`` are the last that have ended, oldest first."""

    running: int
    ended: int
    outcomes: dict[str, int]
    duration_ms: float
    stdout_bytes: int
    stderr_bytes: int
    backpressure_events: int
    recent: list[CommandMetrics]


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
    name: str | None
    state: str
    time: str
    last_ready_at: str | None
    host: HostMetrics
    network: NetworkMetrics
    commands: CommandTotals
    log_dropped_bytes: int
    guest: GuestMetrics | None
