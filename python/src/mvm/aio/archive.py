"""Snapshots and templates as archives: for other hosts, and from them."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import Any

from mvm.aio.daemon_client import AsyncDaemonClient
from mvm.client.archive_file import opened, written_whole
from mvm.client.call import Call, segment
from mvm.drivers import asynchronous as driver


async def export_archive(client: AsyncDaemonClient, kind: str, ref: str, file: str | os.PathLike[str]) -> str:
    """Writes the archive of a snapshot or template to a new file, whole or not at all. Returns its digest."""
    call = Call("GET", f"/{kind}/{segment(ref)}/export", f"{kind}.export", patient=True)
    with written_whole(file) as out:
        answer = await client.stream(call)
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                out.write(chunk)
    return answer.headers["x-mvm-digest"]


async def import_archive(
    client: AsyncDaemonClient, kind: str, file: str | os.PathLike[str], query: dict[str, str | None]
) -> Any:
    """Sends the archive, read no faster than it is compared. Returns what the daemon says about it."""
    with opened(file) as archive:
        body = driver.pieces(archive)
        call = Call("POST", f"/{kind}/import", f"{kind}.import", query=query, body=body, patient=True)
        return await client.json(call)
