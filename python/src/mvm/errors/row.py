"""The shape of a row of the error table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Boundary = Literal[
    "client",
    "transport",
    "admission",
    "policy",
    "network",
    "secret",
    "filesystem",
    "backend",
    "guest",
    "snapshot",
    "cleanup",
]
"""Where an operation was refused or failed."""

Retry = Literal["safe", "ask", "never"]
"""Whether to call again: ``safe`` automatically, ``ask`` if the effects allow it, ``never`` as it fails again."""

Outcome = Literal["not_started", "completed", "unknown"]
"""What is known about the effects of the failed operation."""


@dataclass(frozen=True)
class ErrorRow:
    """What a code says about every occurrence; one occurrence may say it more precisely."""

    error_class: str
    boundary: Boundary
    retry: Retry
    outcome: Outcome
    hint: str
