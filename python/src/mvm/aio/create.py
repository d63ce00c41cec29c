"""Calls that make sandboxes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mvm.aio.answer import AsyncAnswer
from mvm.aio.daemon_client import AsyncDaemonClient
from mvm.aio.lease import AsyncLease, lease_of
from mvm.aio.retry import retry_lost, retry_transient
from mvm.aio.target import AsyncTarget
from mvm.client.call import Call, segment
from mvm.drivers import asynchronous as driver
from mvm.options import CreateOptions, RestoreOptions, client_options, request_body
from mvm.record.mode import only_live
from mvm.results.document import read
from mvm.results.sandbox_info import SandboxInfo

Progress = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class AsyncMade:
    """A sandbox that was made; its lease is None when it is detached."""

    client: AsyncDaemonClient
    info: SandboxInfo
    lease: AsyncLease | None


async def _created(answer: AsyncAnswer, on_progress: Progress | None) -> SandboxInfo:
    """The next sandbox that the answer says was made."""
    async for event in answer.events():
        if event["event"] == "created":
            return read(SandboxInfo, event["sandbox"])
        if event["event"] in ("progress", "notice") and on_progress is not None:
            await driver.settle(on_progress(event))
    raise answer.cut_short("created")


async def make(
    client: AsyncDaemonClient, call: Call, *, detach: bool, on_progress: Progress | None = None
) -> AsyncMade:
    """Makes a sandbox and waits until it runs. Whatever goes wrong, none is left behind."""
    answer = await client.stream(replace(call, patient=True))
    try:
        info = await _created(answer, on_progress)
    except BaseException:
        await answer.close()
        raise
    if not detach:
        return AsyncMade(client, info, AsyncLease(answer, info.id))
    await answer.close()
    return AsyncMade(client, info, None)


async def make_forks(
    client: AsyncDaemonClient, call: Call, *, count: int, detach: bool, on_progress: Progress | None = None
) -> list[AsyncMade]:
    """Makes forks, all or none; until each has a lease of its own, the answer of the call holds all of them."""
    answer = await client.stream(replace(call, patient=True))
    try:
        infos = [await _created(answer, on_progress) for _ in range(count)]
        if detach:
            return [AsyncMade(client, info, None) for info in infos]
        return [AsyncMade(client, info, await lease_of(AsyncTarget(client, info.id))) for info in infos]
    finally:
        await answer.close()


async def restore_sandbox(snapshot: str, options: RestoreOptions) -> AsyncMade:
    """Makes one sandbox out of a snapshot, by name or id."""
    only_live("snapshots.restore")
    body = request_body("restore", RestoreOptions, options)
    call = Call("POST", f"/snapshots/{segment(snapshot)}/restore", "snapshots.restore", json=body)
    client = AsyncDaemonClient(**client_options(options))
    return await make(client, call, detach=bool(options.get("detach")), on_progress=options.get("on_progress"))


async def create_sandbox(image: str | None, options: CreateOptions) -> AsyncMade:
    """Makes one sandbox of an image."""
    detach = bool(options.get("detach"))
    client = AsyncDaemonClient(**client_options(options))
    call = Call(
        "POST",
        "/sandboxes",
        "sandboxes.create",
        json=request_body("create", CreateOptions, options, image=image),
        headers={"idempotency-key": options.get("idempotency_key") or str(uuid.uuid4())},
        # An attached sandbox dies with its connection and a detached one is found again by its key.
        idempotent=True,
    )

    async def attempt() -> AsyncMade:
        return await make(client, call, detach=detach, on_progress=options.get("on_progress"))

    return await retry_transient(lambda: retry_lost(attempt) if detach else attempt())
