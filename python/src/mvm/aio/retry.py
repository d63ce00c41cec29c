"""Calls that are made again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from mvm.drivers import asynchronous as driver
from mvm.errors import SandboxError

T = TypeVar("T")

_PAUSES = (0.2, 0.8)
"""Tries after the first, and the longest pause before each: the pause is a random part of it. Seconds."""


async def retry_transient(call: Callable[[], driver.Pending[T]]) -> T:
    """Makes a call again when it failed for a passing reason and nothing of it has happened.

    Pauses grow and are random, so that callers that failed together do not return together. A full host is not tried
    again: that call has waited already.
    """
    for pause in _PAUSES:
        try:
            return await call()
        except SandboxError as error:
            if not error.transient or error.outcome != "not_started" or error.code == "VM_CAPACITY":
                raise
        await driver.pause(random.random() * pause)
    return await call()


async def retry_lost(call: Callable[[], driver.Pending[T]]) -> T:
    """Makes a call with a key once more when its answer was lost: the daemon repeats its answer, not its work."""
    try:
        return await call()
    except SandboxError as error:
        if error.boundary != "transport" or error.retry != "safe":
            raise
    return await call()
