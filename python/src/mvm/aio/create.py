"""Calls that make sandboxes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mvm.aio.daemon_client import AsyncDaemonClient
from mvm.aio.lease import AsyncLease
from mvm.client.call import Call
from mvm.drivers import asynchronous as driver
from mvm.errors import SandboxError
from mvm.options import CreateOptions, client_options, create_body, refuse_other_modes
from mvm.results.document import read
from mvm.results.sandbox_info import SandboxInfo

Progress = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class AsyncMade:
    """Sandboxes that were made; their lease is None when they are detached."""

    client: AsyncDaemonClient
    infos: list[SandboxInfo]
    lease: AsyncLease | None


async def make(
    client: AsyncDaemonClient, call: Call, *, count: int = 1, detach: bool, on_progress: Progress | None = None
) -> AsyncMade:
    """Makes ``count`` sandboxes and waits until they run. Whatever goes wrong, none is left behind."""
    answer = await client.stream(replace(call, patient=True))
    infos: list[SandboxInfo] = []
    try:
        async for event in answer.events():
            if event["event"] in ("progress", "notice") and on_progress is not None:
                await driver.settle(on_progress(event))
            if event["event"] != "created":
                continue
            infos.append(read(SandboxInfo, event["sandbox"]))
            if len(infos) < count:
                continue
            if not detach:
                return AsyncMade(client, infos, AsyncLease(answer, {info.id for info in infos}))
            await answer.close()
            return AsyncMade(client, infos, None)
        raise answer.cut_short("created")
    except BaseException:
        await answer.close()
        raise


async def create_sandbox(image: str | None, options: CreateOptions) -> AsyncMade:
    """Makes one sandbox of an image."""
    refuse_other_modes()
    detach = bool(options.get("detach"))
    client = AsyncDaemonClient(**client_options(options))
    call = Call(
        "POST",
        "/sandboxes",
        "sandboxes.create",
        json=create_body(image, options),
        headers={"idempotency-key": options.get("idempotency_key") or str(uuid.uuid4())},
        # An attached sandbox dies with its connection and a detached one is found again by its key.
        idempotent=True,
    )
    try:
        return await make(client, call, detach=detach, on_progress=options.get("on_progress"))
    except SandboxError as error:
        if not detach or error.boundary != "transport" or error.retry != "safe":
            raise
    # The daemon repeats its answer, not its work.
    return await make(client, call, detach=detach, on_progress=options.get("on_progress"))
