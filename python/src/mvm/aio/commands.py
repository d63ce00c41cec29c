"""Commands of one sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from mvm.aio.output import AsyncOutputCallback, Output
from mvm.aio.process import AsyncProcess
from mvm.aio.stdin import AsyncStdinFeed
from mvm.aio.target import AsyncTarget
from mvm.client.call import given
from mvm.client.command import Command, check_result, command_body, stdin_body
from mvm.drivers import asynchronous as driver
from mvm.errors import SandboxUnavailable
from mvm.options import TerminalSize
from mvm.results.command_result import CommandResult
from mvm.results.document import read
from mvm.results.sandbox_info import ProcessInfo

_Infos: TypeAlias = "list[ProcessInfo]"


class AsyncCommands:
    """Commands of one sandbox. A list is program and arguments without a shell, a string is run by ``/bin/sh -lc``."""

    def __init__(self, target: AsyncTarget) -> None:
        self._target = target

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
        """Runs a command to its end and returns its result, whatever its exit status.

        A call that is given up, by cancellation or ``KeyboardInterrupt``, ends the command.

        :param cwd: default: the home directory of the user
        :param env: laid over the sandbox's environment
        :param user: ``user``, ``root``, another name, ``UID`` or ``UID:GID``. Default: ``user``
        :param timeout_seconds: kill the command after that time; the result then has ``timed_out``. Default: none
        :param max_output_bytes: kept of each output, head and tail. Default: 1 048 576
        :param spill: file in the guest that gets the whole output, both streams as they come, made new or emptied; the
            result's ``spill_bytes`` is less than both byte counts together when the guest's disk was full
        :param stdin: text, bytes, an open file, or an iterable of them. Default: an end of file at once
        :param on_stdout: called with output as it comes. A callback that raises is not called again and does not
            disturb the command; what it raised is raised after the end
        :param check: raise ``CommandFailed`` or ``Timeout``, with the result, unless it exits with 0
        """
        options = {"cwd": cwd, "env": env, "user": user, "timeout_seconds": timeout_seconds}
        body = run_body(command, stdin, spill, max_output_bytes=max_output_bytes, **options)
        if on_stdout is not None or on_stderr is not None:
            body["stream"] = True
        call = self._target.call("POST", "/processes", "commands.run", json=body, patient=True)
        answer = await self._target.client.stream(call)
        feed = AsyncStdinFeed(self._target, stdin if body.get("stdin") == "pipe" else None, answer.abort)
        outputs = {"stdout": AsyncOutputCallback(on_stdout), "stderr": AsyncOutputCallback(on_stderr)}
        try:
            async for event in answer.events():
                if event["event"] == "started":
                    feed.start(event["pid"])
                elif event["event"] in outputs:
                    await outputs[event["event"]].push(event["data"])
                elif event["event"] == "end":
                    for output in outputs.values():
                        await output.end()
                    result = CommandResult.from_document(event["result"])
                    return check_result(result) if check else result
            raise answer.cut_short("end")
        except BaseException as error:
            if feed.failure is not None and isinstance(error, Exception):
                raise feed.failure from error
            raise
        finally:
            await feed.stop()
            await answer.close()

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
        """Starts a command and returns while it runs. It goes on when the handle is dropped.

        :param spill: as for :meth:`run`
        :param stdin: with ``pipe``, ``write_stdin`` feeds it and ``close_stdin`` ends it; with ``none`` it is empty
        :param pty: run it on a terminal of that size; its output is all stdout then
        """
        options = {"cwd": cwd, "env": env, "user": user, "timeout_seconds": timeout_seconds}
        body = start_body(command, stdin, spill, pty, max_output_bytes=max_output_bytes, **options)
        call = self._target.call("POST", "/processes", "commands.start", json=body, patient=True)
        answer = await self._target.client.stream(call)
        try:
            async for event in answer.events():
                if event["event"] == "started":
                    return AsyncProcess(self._target, event["pid"], event["run_id"])
            raise answer.cut_short("started")
        finally:
            await answer.close()

    async def list(self) -> _Infos:
        """The commands of the sandbox."""
        document = await self._target.json("GET", "/processes", "commands.list")
        return [read(ProcessInfo, process) for process in document["processes"]]

    async def connect(self, pid: int) -> AsyncProcess:
        """A handle to a command that was started before, by this or another process.

        Raises ``SandboxUnavailable`` (``PROCESS_NOT_FOUND``) when there is none.
        """
        for process in await self.list():
            if process.pid == pid:
                return AsyncProcess(self._target, pid, process.run_id)
        raise SandboxUnavailable(
            f"Cannot connect to process {pid}: the sandbox has no such command",
            code="PROCESS_NOT_FOUND",
            sandbox_id=self._target.id,
            operation="commands.connect",
        )


def run_body(command: Command, stdin: object, spill: str | None, **options: Any) -> dict[str, Any]:
    """What ``run`` asks the daemon for. ``options`` are those of :func:`command_body`."""
    return command_body(command, **options) | stdin_body(stdin) | given(spill=spill)


def start_body(
    command: Command, stdin: str, spill: str | None, pty: TerminalSize | None, **options: Any
) -> dict[str, Any]:
    """What ``start`` asks the daemon for. ``options`` are those of :func:`command_body`."""
    size = None if pty is None else {"rows": pty.rows, "cols": pty.cols}
    return command_body(command, **options) | given(stdin=stdin, pty=size, background=True, spill=spill)
