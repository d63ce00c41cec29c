"""A command that was started."""

from __future__ import annotations

from contextlib import aclosing

from mvm.aio.stdin import send_stdin
from mvm.aio.target import AsyncTarget
from mvm.client.command import OutputText, check_result
from mvm.drivers import asynchronous as driver
from mvm.results.command_result import CommandResult
from mvm.results.process_event import EndEvent, GapEvent, OutputEvent, ProcessEvent


class AsyncProcess:
    """A started command. It goes on when this handle is dropped, until it ends or its sandbox does."""

    def __init__(self, target: AsyncTarget, pid: int, run_id: str | None) -> None:
        self._target = target
        self.pid = pid
        self.run_id = run_id
        """None when the daemon does not know the run any more."""

    async def wait(self, *, check: bool = False) -> CommandResult:
        """Waits for the end and returns the result; ``check`` as for ``commands.run``."""
        async with aclosing(self.logs()) as events:
            async for event in events:
                if isinstance(event, EndEvent):
                    return check_result(event.result) if check else event.result
        raise AssertionError("the events of a process end with its end or raise")

    async def logs(self, *, from_cursor: int | None = None) -> driver.Events[ProcessEvent]:
        """Its events up to its end. Output that was dropped before it was read shows as a ``GapEvent``.

        :param from_cursor: 0 is as far back as the daemon still holds, a cursor goes on behind it. Default: from now on
        """
        query = {"from": from_cursor}
        path = f"/processes/{self.pid}/events"
        answer = await self._target.client.stream(
            self._target.call("GET", path, "commands.events", query=query, patient=True)
        )
        texts = {"stdout": OutputText(), "stderr": OutputText()}
        try:
            async for event in answer.events():
                kind = event["event"]
                if kind == "stdout" or kind == "stderr":
                    data, text = texts[kind].push(event["data"])
                    yield OutputEvent(kind, data, text, event.get("cursor", 0))
                elif kind == "gap":
                    yield GapEvent(event["from"], event["to"])
                elif kind == "end":
                    yield EndEvent(CommandResult.from_document(event["result"]))
                    return
            raise answer.cut_short("end")
        finally:
            await answer.close()

    def __aiter__(self) -> driver.Events[ProcessEvent]:
        """Its events as far back as they are held."""
        return self.logs(from_cursor=0)

    async def kill(self, signal: str | int = "SIGTERM", *, tree: bool = True) -> None:
        """Sends a signal by name or number; with ``tree`` also to what the command started."""
        await self._post("signal", {"signal": str(signal), "tree": tree})

    async def resize(self, *, rows: int, cols: int) -> None:
        """Tells the command's terminal its new size."""
        await self._post("resize", {"rows": rows, "cols": cols})

    async def write_stdin(self, data: str | bytes) -> None:
        """Writes to its stdin; returns when its pipe took everything."""
        await send_stdin(self._target, self.pid, data)

    async def close_stdin(self) -> None:
        """Ends its stdin."""
        await send_stdin(self._target, self.pid, b"", eof=True)

    async def _post(self, verb: str, body: dict[str, object]) -> None:
        await self._target.json("POST", f"/processes/{self.pid}/{verb}", f"commands.{verb}", json=body)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pid} of {self._target.id}>"
