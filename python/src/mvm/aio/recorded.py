"""A sandbox that is recorded instead of made."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NoReturn

from mvm import limits
from mvm.aio.answer import AsyncAnswer
from mvm.aio.commands import AsyncCommands, run_body, start_body
from mvm.aio.daemon_client import AsyncDaemonClient
from mvm.aio.files import AsyncFiles, check_content
from mvm.aio.output import Output
from mvm.aio.ports import AsyncPortForward, AsyncPorts
from mvm.aio.process import AsyncProcess
from mvm.aio.target import AsyncTarget
from mvm.client.call import Call
from mvm.client.command import Command, content_bytes
from mvm.drivers import asynchronous as driver
from mvm.options import CreateOptions, TerminalSize, client_options, request_body
from mvm.record.mode import refuse
from mvm.record.recording import CONTENT_BYTES, Recording
from mvm.record.unread import unread
from mvm.record.workload import absolute_guest_path, command_operation
from mvm.results.command_result import CommandResult
from mvm.results.file_entry import Written
from mvm.results.sandbox_info import PortInfo, SandboxInfo


class AsyncRefusingClient(AsyncDaemonClient):
    """Whatever is not recorded ends here: a call that reached a daemon would do what was only to be written down."""

    async def stream(self, call: Call) -> AsyncAnswer:
        refuse(call.operation, "a workload has no place for it")


@dataclass(frozen=True)
class AsyncRecordedSandbox:
    """The parts of a handle whose sandbox is recorded."""

    client: AsyncDaemonClient
    info: SandboxInfo
    commands: AsyncCommands
    files: AsyncFiles
    ports: AsyncPorts
    recording: Recording


def record_sandbox(image: str | None, options: CreateOptions) -> AsyncRecordedSandbox:
    """Begins the recording of the script's one sandbox."""
    request = request_body("create", CreateOptions, options, image=image)
    recording = Recording.begin(request)
    client = AsyncRefusingClient(**client_options(options))
    target = AsyncTarget(client, "recorded")
    return AsyncRecordedSandbox(
        client,
        unread("the sandbox", {"name": request.get("name")}),
        AsyncRecordedCommands(target, recording),
        AsyncRecordedFiles(target, recording),
        AsyncRecordedPorts(target, recording),
        recording,
    )


class AsyncRecordedCommands(AsyncCommands):
    def __init__(self, target: AsyncTarget, recording: Recording) -> None:
        super().__init__(target)
        self._recording = recording

    async def run(
        self,
        command: Command,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        timeout_seconds: float | None = None,
        max_output_bytes: int | None = None,
        spill: str | None = None,
        stdin: str | bytes | driver.Source | None = None,
        on_stdout: Output | None = None,
        on_stderr: Output | None = None,
        check: bool = False,
    ) -> CommandResult:
        """Keeps the command."""
        options = {"cwd": cwd, "env": env, "user": user, "timeout_seconds": timeout_seconds}
        body = run_body(command, stdin, spill, max_output_bytes=max_output_bytes, **options)
        if on_stdout is not None or on_stderr is not None:
            refuse("commands.run", "`on_stdout` and `on_stderr` wait for output that no guest produces")
        if body.get("stdin") == "pipe":
            refuse("commands.run", f"stdin is not text or bytes of at most {limits.STDIN_DATA_BYTES} bytes")
        if "spill" in body:
            _no_spill("commands.run")
        size = len(body.get("stdin_data", "")) * 3 // 4
        ignored = {} if check else {"check": False}
        self._recording.add("commands.run", command_operation("command_run", body) | ignored, size)
        result: CommandResult = unread("the result of commands.run")
        return result

    async def start(
        self,
        command: Command,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        timeout_seconds: float | None = None,
        max_output_bytes: int | None = None,
        spill: str | None = None,
        stdin: Literal["pipe", "none"] = "pipe",
        pty: TerminalSize | None = None,
    ) -> AsyncProcess:
        """Keeps the command."""
        options = {"cwd": cwd, "env": env, "user": user, "timeout_seconds": timeout_seconds}
        body = start_body(command, stdin, spill, pty, max_output_bytes=max_output_bytes, **options)
        if pty is not None:
            refuse("commands.start", "a workload has no terminal")
        if "spill" in body:
            _no_spill("commands.start")
        self._recording.add("commands.start", command_operation("command_start", body))
        process: AsyncProcess = unread("the process of commands.start")
        return process


def _no_spill(what: str) -> NoReturn:
    refuse(what, "`spill` has no place in a workload", "Let the command write the file")


class AsyncRecordedFiles(AsyncFiles):
    def __init__(self, target: AsyncTarget, recording: Recording) -> None:
        super().__init__(target)
        self._recording = recording

    async def write(
        self,
        path: str,
        content: str | bytes | bytearray | memoryview | driver.Source,
        *,
        mode: int | None = None,
        modified_at: datetime | None = None,
        exclusive: bool = False,
        append: bool = False,
    ) -> Written:
        """Keeps the file."""
        if modified_at is not None or exclusive or append:
            refuse("files.write", "`modified_at`, `exclusive` and `append` have no place in a workload")
        whole = content_bytes(content)
        if whole is None:
            whole = await _whole(content)
        operation: dict[str, Any] = {
            "kind": "files_write",
            "path": absolute_guest_path(path),
            "bytes_b64": base64.b64encode(whole).decode(),
        }
        if mode is not None:
            operation["mode"] = mode
        self._recording.add("files.write", operation, len(whole))
        written: Written = unread("the result of files.write")
        return written


async def _whole(content: Any) -> bytes:
    """All of it, up to what a recording can hold."""
    check_content(content)
    whole = bytearray()
    async for piece in driver.pieces(content):
        whole += piece
        if len(whole) > CONTENT_BYTES:
            refuse("files.write", f"the content has more than {CONTENT_BYTES} bytes")
    return bytes(whole)


class AsyncRecordedPorts(AsyncPorts):
    def __init__(self, target: AsyncTarget, recording: Recording) -> None:
        super().__init__(target)
        self._recording = recording

    async def forward(self, *, host_port: int, guest_port: int, host_address: str | None = None) -> AsyncPortForward:
        """Keeps the port."""
        operation: dict[str, Any] = {"kind": "port_forward", "guest": guest_port, "host": host_port, "proto": "tcp"}
        if host_address is not None:
            operation["host_address"] = host_address
        self._recording.add("ports.forward", operation)
        info = PortInfo(host_address or "127.0.0.1", host_port, guest_port)
        return AsyncRecordedPortForward(self._target, info, self._recording)


class AsyncRecordedPortForward(AsyncPortForward):
    """It stays as long as the workload runs, so that closing it can only be the last thing."""

    def __init__(self, target: AsyncTarget, info: PortInfo, recording: Recording) -> None:
        super().__init__(target, info)
        self._recording = recording
        if info.host_port == 0:
            del self.host_port, self.url

    def __getattr__(self, name: str) -> Any:
        if name in ("host_port", "url"):
            refuse(f"the forwarded port, read at {name!r}", "no guest has produced it")
        raise AttributeError(name)

    async def close(self) -> None:
        """Ends the recording."""
        self._recording.end("a forwarded port was closed")
