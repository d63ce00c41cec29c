"""The single door for failures that are not ours."""

from __future__ import annotations

import errno

from mvm.errors.base import SandboxError, error_row
from mvm.errors.classes import error_classes
from mvm.errors.row import Outcome, Retry

_LOST = {errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ENOTCONN}
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT}

_ENDED = "the daemon ended, or was ended, before it had answered"
_AGAIN = "Try again: that starts the daemon"
_LOOK_UP = (
    "Sandboxes that were not detached have ended with it. "
    "Look up what happened with `mvmctl audit tail`, then try again: that starts the daemon"
)


def _cause(error: BaseException) -> BaseException:
    """The system's error under those of the libraries that passed it on."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError):
            return at
        at = at.__cause__ or at.__context__
    return error


def _code(cause: BaseException, dispatched: bool, idempotent: bool) -> str:
    number = cause.errno if isinstance(cause, OSError) else None
    if isinstance(cause, BlockingIOError):
        return "COMMUNICATION_TRANSIENT"
    if number in (errno.ENOENT, errno.ECONNREFUSED) and not dispatched:
        return "DAEMON_UNAVAILABLE"
    if number in _EXHAUSTED:
        return "VM_CAPACITY"
    if number in _LOST or number is None:
        return "OUTCOME_UNKNOWN" if dispatched and not idempotent else "TRANSPORT_FAILED"
    return "INTERNAL" if dispatched else "TRANSPORT_FAILED"


def to_sandbox_error(
    error: BaseException, *, operation: str, dispatched: bool, idempotent: bool = False, sandbox_id: str | None = None
) -> SandboxError:
    """The error of mvm for a failed connection. The outcome is ``not_started`` unless something was sent."""
    if isinstance(error, SandboxError):
        return error
    cause = _cause(error)
    code = _code(cause, dispatched, idempotent)
    retry: Retry | None = "safe" if code == "TRANSPORT_FAILED" and (not dispatched or idempotent) else None
    outcome: Outcome = "unknown" if dispatched else "not_started"
    name = errno.errorcode.get(cause.errno or 0) if isinstance(cause, OSError) else None
    # The daemon never closes a connection before it has answered.
    ended = dispatched and code in ("OUTCOME_UNKNOWN", "TRANSPORT_FAILED")
    what = _ENDED if ended else str(cause) or type(cause).__name__
    made = error_classes[error_row(code).error_class](
        f"Cannot finish {operation}: {what}"[:600],
        code=code,
        hint=(_AGAIN if idempotent else _LOOK_UP) if ended else None,
        retry=retry,
        outcome=outcome,
        operation=operation,
        sandbox_id=sandbox_id,
        context={"errno": name} if name else {},
    )
    made.__cause__ = error
    return made
