"""What is known about sandboxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SandboxState = Literal["creating", "running", "paused", "cold", "restoring", "stopped", "destroyed", "failed"]
"""``paused``: vCPUs stopped, memory resident. ``cold``: everything sealed on disk, no process. ``stopped``: process and
memory gone, disk kept. ``destroyed``: all state deleted. ``failed``: ended by itself; the reason says why."""

EndReason = Literal["stopped", "destroyed", "ttl", "idle", "client_gone", "crashed", "oom", "daemon_lost"]


@dataclass(frozen=True)
class ImageRef:
    """An image by its name and digest."""

    name: str
    digest: str


@dataclass(frozen=True)
class PortInfo:
    """One forwarded port."""

    host_address: str
    host_port: int
    guest_port: int

    @property
    def url(self) -> str:
        """``http://`` and the host's end."""
        host = f"[{self.host_address}]" if ":" in self.host_address else self.host_address
        return f"http://{host}:{self.host_port}"


@dataclass(frozen=True)
class Confinement:
    """One measure that cages the machine's processes, and whether it holds on this host."""

    name: str
    active: bool
    detail: str


@dataclass(frozen=True)
class SandboxMemory:
    """Memory of a sandbox. What the guest says is None where it is not asked: in lists, and while it does not run."""

    reserved_mb: int
    """MiB of its machine: the ceiling of any limit, reserved on the host as long as it runs."""
    limit_mb: int
    """MiB its programs may use together."""
    used_bytes: int | None = None
    """What they use, files the kernel keeps for them included."""
    held_bytes: int | None = None
    """Of that, what the kernel cannot take back."""
    peak_bytes: int | None = None
    """Most they have used at once since the machine booted."""
    reclaimed_bytes: int | None = None
    """What lowered limits have taken back since the machine booted."""


@dataclass(frozen=True)
class SandboxInfo:
    """Everything there is to know about a sandbox. Times are RFC 3339."""

    id: str
    name: str | None
    state: SandboxState
    reason: EndReason | None
    image: ImageRef
    backend: str
    accel: str
    isolation: str
    cpu: int
    memory_mb: int
    memory: SandboxMemory
    disk_mb: int
    profile: str
    workload_id: str | None
    tags: dict[str, str]
    owner: str | None
    tenant: str
    detached: bool
    created_at: str
    ready_at: str | None
    expires_at: str | None
    ended_at: str | None
    ports: list[PortInfo] = field(default_factory=list)
    confinement: list[Confinement] = field(default_factory=list)
    template: str | None = None
    idle_seconds: int | None = None
    network: dict[str, Any] = field(default_factory=dict)
    """What may leave it: ``NetworkPolicy.from_document`` reads it."""


@dataclass(frozen=True)
class DestroyResult:
    """Whether there was something left to destroy, and what the deletion guarantees."""

    destroyed: bool
    guarantee: str


@dataclass(frozen=True)
class LogLine:
    """One line of a sandbox's log, redacted and bounded. ``source`` is ``guest`` or ``supervisor``."""

    time: str
    source: str
    line: str


@dataclass(frozen=True)
class ProcessInfo:
    """A command of a sandbox, as the guest tells it."""

    pid: int
    run_id: str | None
    argv: list[str]
    user: str
    cwd: str
    started_at: str
    running: bool
