"""Whether the script is recorded, and what happens to that which cannot be."""

from __future__ import annotations

import os
from typing import NoReturn

from mvm.errors import BackendUnsupported, RecordModeError

_refusals: list[RecordModeError] = []


def recording() -> bool:
    """Whether ``MVM_SDK_MODE`` says that the script is recorded: nothing is started then.

    Raises ``BackendUnsupported`` when there is no such mode.
    """
    mode = os.environ.get("MVM_SDK_MODE") or "live"
    if mode in ("live", "record"):
        return mode == "record"
    raise BackendUnsupported(
        f"Cannot use the SDK in mode {mode!r:.34}: it is neither live nor record",
        hint="Plan with `mvmctl run --mode plan SCRIPT`" if mode == "plan" else "Unset MVM_SDK_MODE to run live",
        backend=mode,
        feature="sdk mode",
    )


def refuse(what: str, why: str, hint: str | None = None) -> NoReturn:
    """Refuses what a recording cannot keep.

    A recording without it would mean something else than the script, so nothing is written even if the script catches
    the error.

    :param what: the call or value, such as ``files.read``
    """
    error = RecordModeError(f"Cannot record {what}: {why}", hint=hint, operation=what)
    _refusals.append(error)
    raise error


def refusal() -> RecordModeError | None:
    """The first refusal."""
    return _refusals[0] if _refusals else None


def only_live(operation: str) -> None:
    """Refuses a call that needs a daemon, when the script is recorded."""
    if recording():
        refuse(operation, "there is no sandbox yet that it could speak of")
