"""A microVM, as a handle."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from mvm.aio import lifecycle
from mvm.aio.code import AsyncCodeContexts, run_code
from mvm.aio.commands import AsyncCommands
from mvm.aio.create import AsyncMade, Progress, create_sandbox, make_forks, restore_sandbox
from mvm.aio.daemon_client import AsyncDaemonClient
from mvm.aio.files import AsyncFiles
from mvm.aio.lease import AsyncLease
from mvm.aio.logs import logs
from mvm.aio.output import Output
from mvm.aio.packages import AsyncPackages
from mvm.aio.ports import AsyncPorts
from mvm.aio.recorded import AsyncRecordedSandbox, record_sandbox
from mvm.aio.snapshot import AsyncSnapshot, save
from mvm.aio.target import AsyncTarget
from mvm.client.call import Call, given, segment
from mvm.drivers import asynchronous as driver
from mvm.errors import CleanupError, SandboxError
from mvm.network_policy import NetworkPolicy
from mvm.options import (
    ClientOptions,
    CreateOptions,
    ForkOptions,
    RestoreOptions,
    client_options,
    request_body,
)
from mvm.record.mode import only_live, recording
from mvm.record.unread import unread
from mvm.results.code_result import CodeLanguage, CodeResult
from mvm.results.document import read
from mvm.results.metrics import SandboxMetrics
from mvm.results.sandbox_info import DestroyResult, LogLine, SandboxInfo, SandboxState

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Self, Unpack

_Infos: TypeAlias = "list[SandboxInfo]"


class AsyncSandbox:
    """A microVM.

    One that was created here and is not detached belongs to this handle: it ends with the ``with`` block, with
    ``destroy()``, or with this process. Detached and connected ones are only let go. Made by :meth:`create` and its
    siblings.
    """

    def __init__(
        self,
        client: AsyncDaemonClient,
        info: SandboxInfo,
        lease: AsyncLease | None,
        recorded: AsyncRecordedSandbox | None = None,
    ) -> None:
        self.client = client
        self.info = info
        """What was known when the handle was made or last asked."""
        self._lease = lease
        self._recording = recorded.recording if recorded else None
        self._target = AsyncTarget(client, "recorded" if recorded else info.id)
        self.commands = recorded.commands if recorded else AsyncCommands(self._target)
        self.contexts = AsyncCodeContexts(self._target)
        self.files = recorded.files if recorded else AsyncFiles(self._target)
        self.packages = AsyncPackages(self._target)
        self.ports = recorded.ports if recorded else AsyncPorts(self._target)
        if lease is not None:
            weakref.finalize(self, lease.forget).atexit = False

    @classmethod
    async def create(cls, image: str | None = None, **options: Unpack[CreateOptions]) -> Self:
        """Makes a sandbox and waits until it runs: see :class:`mvm.CreateOptions`. Default image: ``python``.

        Raises ``PolicyDenied``, ``VmCapacityError``, ``InvalidArgumentError`` and others.
        """
        if not recording():
            return cls._of(await create_sandbox(image, options))
        recorded = record_sandbox(image, options)
        return cls(recorded.client, recorded.info, None, recorded)

    @classmethod
    async def connect(cls, name_or_id: str, **options: Unpack[ClientOptions]) -> Self:
        """A handle to a sandbox that exists. Raises ``SandboxUnavailable`` when there is none."""
        only_live("sandboxes.connect")
        client = AsyncDaemonClient(**options)
        call = Call("GET", f"/sandboxes/{segment(name_or_id)}", "sandboxes.connect")
        return cls(client, read(SandboxInfo, await client.json(call)), None)

    @classmethod
    async def list(
        cls,
        *,
        tags: Mapping[str, str] | None = None,
        state: SandboxState | None = None,
        **options: Unpack[ClientOptions],
    ) -> _Infos:
        """The sandboxes of this state root, newest last; with ``tags`` only those that have all of these."""
        only_live("sandboxes.list")
        query = {"tag": [f"{key}={value}" for key, value in (tags or {}).items()], "state": state}
        call = Call("GET", "/sandboxes", "sandboxes.list", query=query)
        document = await AsyncDaemonClient(**options).json(call)
        return [read(SandboxInfo, info) for info in document["sandboxes"]]

    @classmethod
    async def get_or_create(cls, name: str, /, image: str | None = None, **options: Unpack[CreateOptions]) -> Self:
        """The sandbox of that name, made when there is none. Any number of callers at once get the same one."""
        options["name"] = name
        while True:
            try:
                return await cls.connect(name, **client_options(options))
            except SandboxError as error:
                if error.code != "SANDBOX_NOT_FOUND":
                    raise
            try:
                return await cls.create(image, **options)
            except SandboxError as error:
                if error.code != "NAME_TAKEN":
                    raise

    @classmethod
    async def restore(cls, snapshot: str | AsyncSnapshot, **options: Unpack[RestoreOptions]) -> Self:
        """A new sandbox out of a snapshot, or of one of that name or id, that goes on where it was taken.

        See :class:`mvm.RestoreOptions`. Raises ``SnapshotMismatchError`` when it does not match its seal or this host.
        """
        ref = snapshot.id if isinstance(snapshot, AsyncSnapshot) else snapshot
        return cls._of(await restore_sandbox(ref, options))

    @classmethod
    def _of(cls, made: AsyncMade) -> Self:
        return cls(made.client, made.info, made.lease)

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str | None:
        """Its name; None when it has none."""
        return self.info.name

    async def run_code(
        self,
        language: CodeLanguage,
        code: str,
        *,
        context: str | None = None,
        cwd: str | None = None,
        timeout_seconds: float | None = None,
        max_output_bytes: int | None = None,
        on_stdout: Output | None = None,
        on_stderr: Output | None = None,
    ) -> CodeResult:
        """Runs code in a context that keeps its state between calls, and returns its result, whatever came of it.

        :param context: made at its first use; calls of one context run one after the other. Default: ``default``
        :param cwd: working directory of a context that this call makes. Default: ``/home/user``
        :param timeout_seconds: end the context after that time; the result then has ``timed_out``. Default: none
        """
        body = given(language=language, code=code, context=context, cwd=cwd, max_output_bytes=max_output_bytes)
        return await run_code(
            self._target, body, timeout_seconds=timeout_seconds, on_stdout=on_stdout, on_stderr=on_stderr
        )

    async def status(self) -> SandboxInfo:
        """The sandbox as it is now."""
        return self._now(await self._target.json("GET", "", "sandboxes.status"))

    async def metrics(self) -> SandboxMetrics:
        """Its numbers now."""
        return read(SandboxMetrics, await self._target.json("GET", "/metrics", "sandboxes.metrics"))

    def logs(
        self, *, follow: bool = False, since: datetime | float | str | None = None, source: str | None = None
    ) -> driver.Events[LogLine]:
        """Its log, bounded and redacted: iterate over it. Leaving a ``follow`` ends it.

        :param since: only lines after that time, a datetime, seconds since the epoch, or RFC 3339
        :param source: only those of the ``guest``, or only those of the ``supervisor``
        """
        return logs(self._target, follow=follow, since=since, source=source)

    async def set_ttl(self, ttl_seconds: int | None) -> SandboxInfo:
        """Sets the time to live in seconds from now; None lifts it where that is allowed."""
        body = {"ttl_seconds": ttl_seconds}
        return self._now(await self._target.json("PUT", "/ttl", "sandboxes.ttl", json=body, idempotent=True))

    async def set_network(self, policy: NetworkPolicy | Mapping[str, Any]) -> SandboxInfo:
        """Replaces its network policy while it runs; what the new one does not allow is cut within a second."""
        body = NetworkPolicy.from_document(policy).to_document()
        return self._now(await self._target.json("PUT", "/network", "sandboxes.network", json=body, idempotent=True))

    async def resize(self, *, memory_mb: int) -> SandboxInfo:
        """Sets what its programs may use together, in MiB, up to the memory of its machine; nothing is killed for it.

        Raises ``BalloonTransientError`` where they hold more than that: nothing has changed then. Raises
        ``VmConfigError`` beyond the machine's memory.

        :param memory_mb: 128 up to the ``memory_mb`` it was created with
        """
        body = {"memory_mb": memory_mb}
        return self._now(
            await self._target.json("POST", "/resize", "sandboxes.resize", json=body, idempotent=True, patient=True)
        )

    async def pause(self) -> SandboxInfo:
        """Stops its processors and keeps its memory."""
        return self._now(await lifecycle.change(self._target, "pause"))

    async def resume(self) -> SandboxInfo:
        """Lets a paused sandbox go on, or wakes a cold one."""
        return self._now(await lifecycle.change(self._target, "resume"))

    async def cold(self) -> SandboxInfo:
        """Seals memory, device state and disk on host storage, which is sensitive, and ends the process."""
        return self._now(await lifecycle.change(self._target, "cold"))

    async def stop(self) -> SandboxInfo:
        """Ends process and memory and keeps the disk. Stopping a stopped sandbox is no error."""
        if self._end_recording():
            return self.info
        return self._now(await lifecycle.change(self._target, "stop"))

    async def start(self) -> SandboxInfo:
        """Runs a stopped sandbox again on its kept disk."""
        return self._now(await lifecycle.change(self._target, "start"))

    async def detach(self, *, ttl_seconds: int, owner: str | None = None) -> SandboxInfo:
        """Lets it outlive this process: from now on the time to live ends it."""
        body = given(ttl_seconds=ttl_seconds, owner=owner)
        info = self._now(await self._target.json("POST", "/detach", "sandboxes.detach", json=body, patient=True))
        await self._give_up()
        return info

    async def snapshot(self, *, name: str | None = None, on_progress: Progress | None = None) -> AsyncSnapshot:
        """Captures memory, device state and disk at one instant, sealed. Sensitive: it holds what the programs held."""
        return await save(self._target, name, on_progress)

    async def fork(self, **options: Unpack[ForkOptions]) -> Sequence[Self]:
        """Makes sandboxes that go on where this one is now, with randomness, host name and clock of their own.

        See :class:`mvm.ForkOptions`. All of them are made, or none; each has a lease of its own unless detached.
        """
        body = request_body("fork", ForkOptions, options)
        made = await make_forks(
            self.client,
            self._target.call("POST", "/fork", "sandboxes.fork", json=body),
            count=body.get("count") or len(body.get("names", "1")),
            detach=bool(options.get("detach")),
            on_progress=options.get("on_progress"),
        )
        return [self._of(fork) for fork in made]

    async def destroy(self) -> DestroyResult:
        """Deletes everything of the sandbox; says what the deletion guarantees. Calling it again is no error."""
        if self._end_recording():
            return unread("the result of destroy")  # type: ignore[no-any-return]
        result = await lifecycle.destroy(self._target)
        await self._give_up()
        return result

    async def kill(self) -> DestroyResult:
        """Same as :meth:`destroy`."""
        return await self.destroy()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Destroys what belongs to this handle. Does nothing in a forked process."""
        self._end_recording()
        if self._lease is None or not self._lease.ours:
            return
        try:
            await lifecycle.destroy(self._target, running=True)
        except SandboxError as failure:
            # The daemon that is not there any more took the attached sandboxes with it.
            if failure.code != "DAEMON_UNAVAILABLE":
                raise CleanupError(
                    f'Cannot destroy sandbox "{self.id}": {failure.message}',
                    sandbox_id=self.id,
                    operation="sandboxes.destroy",
                ) from failure
        finally:
            await self._give_up()

    def _end_recording(self) -> bool:
        """Ends a recording, if this is one: what is left of a workload's sandbox is up to who runs it."""
        if self._recording:
            self._recording.end("the sandbox was ended")
        return bool(self._recording)

    async def _give_up(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            await lease.close()

    def _now(self, document: Any) -> SandboxInfo:
        self.info = read(SandboxInfo, document)
        return self.info

    def __repr__(self) -> str:
        state = "being recorded" if self._recording else f"{self.name or self.id} {self.info.state}"
        return f"<{type(self).__name__} {state}>"
