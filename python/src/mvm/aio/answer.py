"""Answers of the daemon, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import httpcore
import httpx

from mvm import limits
from mvm.client.call import Call
from mvm.client.ndjson import LineReader
from mvm.drivers import asynchronous as driver
from mvm.drivers.connection import abort
from mvm.errors import SandboxError, Timeout, TransportError, from_document
from mvm.errors.foreign import to_sandbox_error


def timed_out(call: Call, seconds: float, *, dispatched: bool) -> Timeout:
    """The error of a daemon that did not answer in time. Nothing is known about the effects of what was sent."""
    return Timeout(
        f"Cannot finish {call.operation}: the daemon did not answer within {seconds:g} s",
        hint="Check `mvmctl daemon status`; raise `request_timeout` if the machine is just slow",
        outcome="unknown" if dispatched else "not_started",
        operation=call.operation,
        sandbox_id=call.sandbox_id,
        context={"timeout_ms": round(seconds * 1000)},
    )


def exchange_error(error: Exception, call: Call, seconds: float) -> SandboxError:
    """How an exchange failed, in the terms of mvm."""
    dispatched = not isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout))
    if isinstance(error, httpcore.TimeoutException):
        return timed_out(call, seconds, dispatched=dispatched)
    return to_sandbox_error(
        error,
        operation=call.operation,
        dispatched=dispatched,
        idempotent=call.repeatable,
        sandbox_id=call.sandbox_id,
    )


class AsyncAnswer:
    """An answer whose body is read as it is taken. Closing it ends the connection, and with it what hangs on it."""

    def __init__(self, response: httpx.Response, call: Call, seconds: float) -> None:
        self._response = response
        self._call = call
        self._seconds = seconds
        self._events = self._read_events()

    @property
    def succeeded(self) -> bool:
        """Whether the status says that the call was done."""
        return self._response.is_success

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    async def chunks(self) -> driver.Events[bytes]:
        """The bytes as they come. A broken connection is an error of mvm."""
        try:
            async for chunk in self._response.aiter_raw():
                yield chunk
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise exchange_error(error, self._call, self._seconds) from error
        finally:
            await self.close()

    async def body(self, limit: int = limits.NDJSON_LINE_BYTES) -> bytes:
        """The whole content. Raises ``PROTOCOL_VIOLATION`` for more than ``limit`` bytes."""
        content = bytearray()
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > limit:
                    raise self._violation(f"it is longer than {limit} bytes")
        return bytes(content)

    async def json(self) -> Any:
        """The parsed content."""
        content = await self.body()
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self._violation("it is not JSON") from error

    async def error(self) -> SandboxError:
        """The error that the answer carries."""
        return from_document(await self.json(), operation=self._call.operation, sandbox_id=self._call.sandbox_id)

    async def lines(self) -> driver.Events[Any]:
        """The objects of an NDJSON answer; an error event in it is raised as the error it describes."""
        reader = LineReader()
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                for line in reader.push(chunk):
                    yield self._checked(line)
        for line in reader.end():
            yield self._checked(line)

    async def events(self) -> driver.Events[dict[str, Any]]:
        """The events of a stream, from where the last reader stopped. Ending the loop does not end the connection."""
        async for event in self._events:
            yield event

    async def _read_events(self) -> driver.Events[dict[str, Any]]:
        async with aclosing(self.lines()) as lines:
            async for line in lines:
                if not isinstance(line.get("event"), str):
                    raise self._violation("a line is no event")
                yield line

    def _checked(self, line: Any) -> dict[str, Any]:
        if not isinstance(line, dict):
            raise self._violation("a line is no object")
        if line.get("event") == "error":
            raise from_document(line, operation=self._call.operation, sandbox_id=self._call.sandbox_id)
        return line

    def _violation(self, why: str) -> TransportError:
        return TransportError(
            f"Cannot read the answer to {self._call.operation}: {why}",
            code="PROTOCOL_VIOLATION",
            operation=self._call.operation,
        )

    def cut_short(self, awaited: str) -> TransportError:
        """The error of a stream that ended without the event that had to come."""
        return TransportError(
            f'Cannot finish {self._call.operation}: the daemon ended the stream before "{awaited}"',
            code="CHANNEL_LOST",
            operation=self._call.operation,
            sandbox_id=self._call.sandbox_id,
        )

    def abort(self) -> None:
        """Ends the connection at once, also while another thread or task reads from it."""
        abort(self._response.extensions)

    async def close(self) -> None:
        """Ends the connection."""
        await self._response.aclose()
