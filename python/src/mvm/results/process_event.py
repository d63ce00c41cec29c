"""What happens to a started command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mvm.results.command_result import CommandResult


@dataclass(frozen=True)
class OutputEvent:
    """Output as it came. ``text`` never divides a character; ``cursor`` is where to go on after it."""

    type: Literal["stdout", "stderr"]
    data: bytes
    text: str
    cursor: int


@dataclass(frozen=True)
class GapEvent:
    """Output between two cursors was dropped before it was read."""

    start: int
    stop: int
    type: Literal["gap"] = "gap"


@dataclass(frozen=True)
class EndEvent:
    """The command has ended."""

    result: CommandResult
    type: Literal["end"] = "end"


ProcessEvent: TypeAlias = "OutputEvent | GapEvent | EndEvent"
