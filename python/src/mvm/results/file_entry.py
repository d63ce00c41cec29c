"""What is known about a file of a sandbox."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

FileType = Literal["file", "directory", "symlink", "fifo", "socket", "device"]


@dataclass(frozen=True)
class FileEntry:
    """A file of the sandbox. ``mode`` is its permission bits, ``target`` where a symlink leads."""

    name: str
    """Bytes that are not UTF-8 are U+FFFD here and exact in ``name_bytes``."""
    type: FileType
    size: int
    mode: int
    uid: int
    gid: int
    modified_at: datetime
    target: str | None = None
    name_bytes: bytes | None = None
    sha256: str | None = None
    """Hex, of a file's content as the guest handed it out when it was asked; only with ``sha256``."""


@dataclass(frozen=True)
class Written:
    """What was written. ``sha256`` is hex, of the bytes that passed the daemon: of what was added, when appending."""

    bytes: int
    sha256: str


def file_entry(document: Mapping[str, Any]) -> FileEntry:
    """The entry of the daemon's document."""
    raw = document.get("name_b64")
    raw_target = document.get("target_b64")
    name_bytes = None if raw is None else base64.b64decode(raw)
    target = document.get("target")
    if target is None and raw_target is not None:
        target = base64.b64decode(raw_target).decode(errors="replace")
    return FileEntry(
        name=document["name"] if name_bytes is None else name_bytes.decode(errors="replace"),
        type=document["type"],
        size=document["size"],
        mode=document["mode"],
        uid=document["uid"],
        gid=document["gid"],
        modified_at=datetime.fromtimestamp(document["mtime_ms"] / 1000, timezone.utc),
        target=target,
        name_bytes=name_bytes,
        sha256=document.get("sha256"),
    )
