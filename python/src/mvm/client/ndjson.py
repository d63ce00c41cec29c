"""Lines of NDJSON out of chunks of bytes."""

from __future__ import annotations

import json
from typing import Any

from mvm import limits
from mvm.errors import TransportError


def _violation(why: str) -> TransportError:
    return TransportError(f"Cannot read the daemon's stream: a line is {why}", code="PROTOCOL_VIOLATION")


class LineReader:
    """Takes chunks and gives the objects they complete. Holds one unfinished line of at most ``limit`` bytes."""

    def __init__(self, limit: int = limits.NDJSON_LINE_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._held = 0

    def push(self, chunk: bytes) -> list[Any]:
        """The objects that the chunk completes. Raises ``PROTOCOL_VIOLATION`` for a line too long or malformed."""
        *whole, rest = chunk.split(b"\n")
        objects = []
        for line in whole:
            self._hold(line)
            objects.extend(self.end())
        self._hold(rest)
        return objects

    def end(self) -> list[Any]:
        """What the held bytes are worth: nothing, or one object."""
        line = b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        if not line:
            return []
        try:
            return [json.loads(line)]
        except (ValueError, RecursionError) as error:
            raise _violation("not JSON") from error

    def _hold(self, piece: bytes) -> None:
        self._held += len(piece)
        if self._held > self._limit:
            raise _violation(f"longer than {self._limit} bytes")
        if piece:
            self._parts.append(piece)
