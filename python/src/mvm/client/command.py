"""The request of a command, and what is made of its result."""

from __future__ import annotations

import base64
import codecs
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from mvm import limits
from mvm.client.call import given
from mvm.errors import CommandFailed, InvalidArgumentError, Timeout
from mvm.results.command_result import CommandResult

Command: TypeAlias = "str | Sequence[str]"
"""A list is program and arguments without a shell, a string is run by ``/bin/sh -lc``."""


def milliseconds(seconds: float | None) -> int | None:
    """A time limit as it is sent. Raises ``InvalidArgumentError``."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        raise InvalidArgumentError(
            f"Cannot use {seconds!r:.64} as timeout: it is not a number of seconds", context={"argument": "timeout"}
        )
    return round(seconds * 1000)


def command_body(
    command: Command,
    *,
    cwd: str | None,
    env: Mapping[str, str] | None,
    user: str | None,
    timeout_seconds: float | None,
    max_output_bytes: int | None,
) -> dict[str, Any]:
    """The part of the request that every way to run a command shares. The daemon checks it."""
    what = {"shell": command} if isinstance(command, str) else {"argv": _argv(command)}
    return what | given(
        cwd=cwd,
        env=dict(env) if isinstance(env, Mapping) else env,
        user=user,
        timeout_ms=milliseconds(timeout_seconds),
        max_output_bytes=max_output_bytes,
    )


def _argv(command: object) -> list[str]:
    if isinstance(command, Sequence) and not isinstance(command, (bytes, bytearray)):
        return list(command)
    raise InvalidArgumentError(
        "Cannot run the command: argv is not a list of at least one string", context={"argument": "argv"}
    )


def stdin_body(stdin: object) -> dict[str, Any]:
    """How a given stdin goes to the command: inside the request when it is small, through a pipe otherwise."""
    if stdin is None:
        return {}
    content = content_bytes(stdin)
    if content is None or len(content) > limits.STDIN_DATA_BYTES:
        return {"stdin": "pipe"}
    return {"stdin": "data", "stdin_data": base64.b64encode(content).decode()}


def content_bytes(content: object) -> bytes | None:
    """The bytes of what is there as a whole; None for what comes piece by piece."""
    if isinstance(content, str):
        try:
            return content.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgumentError("Cannot send the text: it is not valid Unicode") from error
    return bytes(content) if isinstance(content, (bytes, bytearray, memoryview)) else None


class OutputText:
    """Decodes one output stream; a character is never divided."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, data: str) -> tuple[bytes, str]:
        """The bytes of an event, and the text that is complete with them."""
        raw = base64.b64decode(data)
        return raw, self._decoder.decode(raw)

    def end(self) -> str:
        """What a character cut off at the end is worth."""
        return self._decoder.decode(b"", final=True)


def _how_it_ended(result: CommandResult) -> str:
    if result.oom_killed:
        return "it was killed because the memory ran out"
    if result.signal is not None:
        return f"it was ended by {result.signal}"
    return f"it exited with status {result.exit_code}"


def check_result(result: CommandResult) -> CommandResult:
    """The result of a command that exited with 0; raises ``Timeout`` or ``CommandFailed`` with it otherwise."""
    details: dict[str, Any] = {
        "operation": "commands.run",
        "sandbox_id": result.sandbox_id,
        "run_id": result.run_id,
        "audit_id": result.audit_id,
        "result": result,
    }
    if result.timed_out:
        message = "Cannot finish the command: it was killed at its time limit"
        raise Timeout(message, code="COMMAND_TIMEOUT", **details)
    if result.exit_code == 0:
        return result
    raise CommandFailed(f"Cannot finish the command: {_how_it_ended(result)}", **details)
