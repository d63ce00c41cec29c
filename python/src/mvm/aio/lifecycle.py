"""Calls that change the state of a sandbox."""

from __future__ import annotations

from typing import Any, Literal

from mvm.aio.target import AsyncTarget
from mvm.errors import SandboxError
from mvm.results.document import read
from mvm.results.sandbox_info import DestroyResult

Verb = Literal["pause", "resume", "cold", "stop", "start"]


async def change(target: AsyncTarget, verb: Verb) -> Any:
    """Takes the sandbox to another state and returns its document."""
    # Capturing and restoring take as long as there is memory; repeating any of them changes nothing more.
    return await target.json("POST", f"/{verb}", f"sandboxes.{verb}", json={}, idempotent=True, patient=True)


async def destroy(target: AsyncTarget, *, running: bool = False) -> DestroyResult:
    """Deletes everything of the sandbox. With ``running`` no daemon is started for it."""
    try:
        document = await target.json("DELETE", "", "sandboxes.destroy", idempotent=True, running=running)
    except SandboxError as error:
        # The id was real, so a daemon that does not know it any more has already deleted it.
        if error.code != "SANDBOX_NOT_FOUND":
            raise
        return DestroyResult(destroyed=False, guarantee="Nothing of the sandbox was left")
    return read(DestroyResult, document)
