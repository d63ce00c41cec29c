"""What is tried again, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import mvm
from mvm.aio import retry as aio
from mvm.sync import retry as sync


def crash(outcome: Any = "not_started") -> mvm.SandboxError:
    return mvm.VmQemuCrashError("Cannot start", outcome=outcome)


def failing(*errors: BaseException) -> Callable[[], int]:
    """Fails with each error in turn, then returns how often it was called."""
    left = list(errors)

    def call() -> int:
        if left:
            raise left.pop(0)
        return len(errors) + 1

    return call


def blocking(call: Callable[[], int]) -> int:
    return sync.retry_transient(call)


def asynchronous(call: Callable[[], int]) -> int:
    async def once() -> int:
        return call()

    return asyncio.run(aio.retry_transient(once))


@pytest.mark.parametrize("retry", [blocking, asynchronous])
def test_a_passing_failure_before_anything_happened_is_tried_three_times(retry: Any) -> None:
    assert retry(failing(crash(), crash())) == 3
    last = crash()
    with pytest.raises(mvm.VmQemuCrashError) as caught:
        retry(failing(crash(), crash(), last))
    assert caught.value is last


@pytest.mark.parametrize(
    "error", [crash("unknown"), mvm.VmCapacityError("full"), mvm.InvalidArgumentError("no"), KeyError("mine")]
)
@pytest.mark.parametrize("retry", [blocking, asynchronous])
def test_what_would_not_help_is_not_tried_again(retry: Any, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        retry(failing(error, AssertionError("tried again")))
    assert caught.value is error
