"""httpx over the daemon's socket."""

from __future__ import annotations

import httpcore
import httpx

from mvm.drivers import asynchronous as driver


class AsyncAnswerStream(httpx.AsyncByteStream):
    """The body of an answer, read as it is taken."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> driver.Events[bytes]:
        async for chunk in self._answer.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


class AsyncSocketTransport(httpx.AsyncBaseTransport):
    """Connections to one socket; ``keep`` of them are used again, which only what may be repeated should do."""

    def __init__(self, path: str, backend: driver.Backend, keep: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            uds=path, network_backend=backend, max_connections=None, max_keepalive_connections=keep
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme="http", host="mvm", target=request.extensions["target"]),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = await self._pool.handle_async_request(sent)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=AsyncAnswerStream(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()
