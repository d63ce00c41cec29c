"""Saved machines."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from mvm.aio.archive import export_archive, import_archive
from mvm.aio.daemon_client import AsyncDaemonClient
from mvm.aio.target import AsyncTarget
from mvm.client.call import Call, given, segment
from mvm.drivers import asynchronous as driver
from mvm.options import ClientOptions
from mvm.record.mode import only_live
from mvm.results.document import read
from mvm.results.snapshot_info import SnapshotInfo, SnapshotVerdict

if TYPE_CHECKING:
    from typing_extensions import Unpack

_Infos: TypeAlias = "list[SnapshotInfo]"


class AsyncSnapshot:
    """A saved machine: memory, devices and disk of one instant, sealed. As sensitive as whatever ran in it."""

    def __init__(self, client: AsyncDaemonClient, info: SnapshotInfo) -> None:
        self._client = client
        self.info = info

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str | None:
        """Its name; None when it has none."""
        return self.info.name

    @classmethod
    async def list(cls, **options: Unpack[ClientOptions]) -> _Snapshots:
        """The snapshots of this state root, oldest first."""
        only_live("snapshots.list")
        client = AsyncDaemonClient(**options)
        document = await client.json(Call("GET", "/snapshots", "snapshots.list"))
        return [cls(client, read(SnapshotInfo, info)) for info in document["snapshots"]]

    @classmethod
    async def get(cls, name_or_id: str, **options: Unpack[ClientOptions]) -> AsyncSnapshot:
        """One by name or id.

        Raises ``SnapshotError`` when there is none, ``SnapshotMismatchError`` when its seal does not hold.
        """
        only_live("snapshots.get")
        client = AsyncDaemonClient(**options)
        call = Call("GET", f"/snapshots/{segment(name_or_id)}", "snapshots.get")
        return cls(client, read(SnapshotInfo, await client.json(call)))

    @classmethod
    async def prune(
        cls,
        *,
        sandbox: str | None = None,
        keep_last: int | None = None,
        max_age_seconds: int | None = None,
        quota_bytes: int | None = None,
        dry_run: bool = False,
        **options: Unpack[ClientOptions],
    ) -> _Infos:
        """Removes snapshots beyond the given bounds, oldest first; returns what was removed.

        Nothing is removed without a bound, and nothing ever by itself.

        :param sandbox: only those of this sandbox, by id or name. Default: all
        :param keep_last: newest ones kept of each sandbox
        :param quota_bytes: host storage all of them may take
        :param dry_run: only say what would be removed
        """
        only_live("snapshots.prune")
        body = given(
            sandbox=sandbox,
            keep_last=keep_last,
            max_age_seconds=max_age_seconds,
            quota_bytes=quota_bytes,
            dry_run=dry_run or None,
        )
        call = Call("POST", "/snapshots/prune", "snapshots.prune", json=body)
        document = await AsyncDaemonClient(**options).json(call)
        return [read(SnapshotInfo, info) for info in document["snapshots"]]

    @classmethod
    async def import_(
        cls,
        file: str | os.PathLike[str],
        *,
        name: str | None = None,
        key: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> AsyncSnapshot:
        """Reads a snapshot from an archive that ``export`` wrote, here or on a host whose key is given.

        Signature and host are compared before anything else is read; an archive that is refused leaves nothing. Raises
        ``SnapshotMismatchError`` for it.

        :param name: name of the snapshot here. Default: as it was exported
        :param key: public key (PEM) of the exporting host, its ``keys/snapshot-export.key.pub``.
            Default: only archives of this state root are believed
        """
        only_live("snapshots.import")
        client = AsyncDaemonClient(**options)
        imported = await import_archive(client, "snapshots", file, {"name": name, "key": key})
        return cls(client, read(SnapshotInfo, imported["snapshot"]))

    async def export(self, file: str | os.PathLike[str]) -> str:
        """Writes it to an archive for another host: signed, as sensitive as the snapshot, there whole or not at all.

        Returns the archive's digest.
        """
        return await export_archive(self._client, "snapshots", self.id, file)

    async def verify(self) -> SnapshotVerdict:
        """Reads all of it and compares it with its seal. Raises ``SnapshotMismatchError``."""
        path = f"/snapshots/{segment(self.id)}/verify"
        call = Call("POST", path, "snapshots.verify", json={}, patient=True, idempotent=True)
        return read(SnapshotVerdict, await self._client.json(call))

    async def remove(self) -> None:
        """Deletes it. Machines that were restored from it go on."""
        await self._client.json(Call("DELETE", f"/snapshots/{segment(self.id)}", "snapshots.remove"))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or self.id} of {self.info.sandbox.id}>"


_Snapshots: TypeAlias = list[AsyncSnapshot]


async def save(
    target: AsyncTarget, name: str | None, on_progress: Callable[[dict[str, Any]], object] | None
) -> AsyncSnapshot:
    """Captures the machine."""
    call = target.call("POST", "/snapshots", "snapshots.save", json=given(name=name), patient=True)
    answer = await target.client.stream(call)
    try:
        async for event in answer.events():
            if event["event"] == "saved":
                return AsyncSnapshot(target.client, read(SnapshotInfo, event["snapshot"]))
            if on_progress is not None:
                await driver.settle(on_progress(event))
        raise answer.cut_short("saved")
    finally:
        await answer.close()
