"""What came of a piece of code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CodeLanguage = Literal["python", "javascript"]


@dataclass(frozen=True)
class CodeError:
    """What the code raised, as it tells itself; ``ContextEnded`` when the context did not live to tell."""

    name: str
    value: str
    traceback: str


@dataclass(frozen=True)
class CodeResult:
    """What came of a call, whatever it was: an exception, a time limit and a dead interpreter are results too."""

    run_id: str
    audit_id: str | None
    sandbox_id: str
    language: CodeLanguage
    context: str
    context_fresh: bool
    """The call began with an interpreter that had run nothing yet."""
    context_ended: str | None
    """Why the context ended in this call; the next call of that name gets a fresh one. None: it goes on."""
    value: str | None
    """Text of the last expression; None when there is none or it is None or undefined."""
    outputs: list[dict[str, str]]
    """Rich forms of the last expression, of what was displayed, and of open figures, by MIME type; binary in base64."""
    outputs_dropped: int
    error: CodeError | None
    exit_code: int | None
    """Status of an interpreter that exited; None otherwise."""
    signal: str | None
    timed_out: bool
    oom_killed: bool
    stdout: str
    stderr: str
    stdout_bytes: int
    stderr_bytes: int
    stdout_truncated: bool
    stderr_truncated: bool
    duration_ms: float
    stdout_base64: str | None = None
    """The kept bytes, when they are not UTF-8."""
    stderr_base64: str | None = None
    receipt_path: str | None = None

    @property
    def receipt(self) -> str | None:
        """Path of the receipt on the host; None when it could not be written."""
        return self.receipt_path


@dataclass(frozen=True)
class CodeContext:
    """An interpreter that keeps its state between calls. Each language has names of its own."""

    context: str
    language: CodeLanguage
    calls: int
    busy: bool
    created_at: str
