"""What happens to watched files."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class FileChange:
    """One change.

    ``modified`` is content, mode, owner or times; a file that ``files.write`` wrote is one ``created`` or ``modified``.
    ``renamed`` is within what is watched; what leaves it is ``removed``, what comes in ``created``. After ``overflow``,
    which names no path, changes have been missed: look again.
    """

    type: Literal["created", "modified", "removed", "renamed", "overflow"]
    path: str = ""
    """Bytes that are not UTF-8 are U+FFFD."""
    directory: bool = False
    from_path: str | None = None
    """Where a ``renamed`` one was."""


def file_change(document: Mapping[str, Any]) -> FileChange:
    """The change of the daemon's event."""
    return FileChange(
        type=document["event"],
        path=_text(document, "path") or "",
        directory=document.get("directory", False),
        from_path=_text(document, "from"),
    )


def _text(document: Mapping[str, Any], name: str) -> str | None:
    raw = document.get(f"{name}_b64")
    return document.get(name) if raw is None else base64.b64decode(raw).decode(errors="replace")
