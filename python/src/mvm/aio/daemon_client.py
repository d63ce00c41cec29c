"""Speaks the HTTP API of one state root's daemon."""

from __future__ import annotations

import os
from typing import Any

import httpcore
import httpx

from mvm import limits
from mvm.aio.answer import AsyncAnswer, exchange_error
from mvm.aio.launch import launch_daemon
from mvm.aio.transport import AsyncSocketTransport
from mvm.client.call import Call
from mvm.client.home import home_paths
from mvm.client.private_directory import check_socket
from mvm.drivers import asynchronous as driver
from mvm.errors import SandboxError, SandboxUnavailable

_BACKLOG_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before trying again when the daemon's queue of connections is full."""
_IDLE_CONNECTIONS = 4


class AsyncDaemonClient:
    """Speaks the HTTP API of one state root's daemon, in the process that made it.

    :param home: state root. Default: ``$MVM_HOME``, else ``$XDG_DATA_HOME/mvm``, else ``~/.local/share/mvm``
    :param auto_start: start the daemon when it does not run
    :param request_timeout: seconds of silence after which a call has failed. Default: 30
    """

    def __init__(
        self,
        *,
        home: str | os.PathLike[str] | None = None,
        auto_start: bool = True,
        request_timeout: float | None = None,
    ) -> None:
        self.paths = home_paths(home)
        self.request_timeout = limits.REQUEST_SECONDS if request_timeout is None else request_timeout
        self._auto_start = auto_start
        self._process = os.getpid()
        backend = driver.Backend(self.request_timeout, self._ask)
        # Only a GET is repeated when an idle connection dies as it is taken, so only a GET takes one.
        self._pooled = self._http(backend, _IDLE_CONNECTIONS)
        self._single = self._http(backend, 0)

    def _http(self, backend: driver.Backend, keep: int) -> httpx.AsyncClient:
        transport = AsyncSocketTransport(str(self.paths.socket), backend, keep)
        return httpx.AsyncClient(transport=transport, base_url="http://mvm", trust_env=False, timeout=None)

    async def json(self, call: Call) -> Any:
        """Makes a call and returns its JSON answer."""
        return await (await self.stream(call)).json()

    async def stream(self, call: Call) -> AsyncAnswer:
        """Makes a call and returns its answer as soon as it begins. Raises what an answer of failure carries."""
        if os.getpid() != self._process:
            raise self._other_process(call)
        answer = await self._reach(call)
        if not answer.succeeded:
            raise await answer.error()
        return answer

    def _other_process(self, call: Call) -> SandboxUnavailable:
        return SandboxUnavailable(
            f"Cannot do {call.operation}: this handle belongs to the process {self._process}, which was forked",
            hint="In a forked process get a handle of its own with Sandbox.connect(id)",
            operation=call.operation,
            sandbox_id=call.sandbox_id,
        )

    async def _ask(self) -> None:
        await self.json(Call("GET", "/version", "daemon.version", timeout=self.request_timeout, running=True))

    async def _reach(self, call: Call) -> AsyncAnswer:
        """Exchanges, starting the daemon or waiting for its queue where that is the only obstacle.

        Nothing was sent then. A GET whose connection broke is sent once more.
        """
        started = call.running or not self._auto_start
        repeated = call.method != "GET"
        pauses = iter(_BACKLOG_PAUSES)
        while True:
            check_socket(self.paths)
            try:
                return await self._exchange(call)
            except SandboxError as error:
                if error.code == "TRANSPORT_FAILED" and not repeated:
                    repeated = True
                elif error.outcome != "not_started":
                    raise
                elif error.code == "COMMUNICATION_TRANSIENT":
                    pause = next(pauses, None)
                    if pause is None:
                        raise
                    await driver.pause(pause)
                elif error.code == "DAEMON_UNAVAILABLE" and not started:
                    started = True
                    await launch_daemon(self.paths)
                else:
                    raise

    async def _exchange(self, call: Call) -> AsyncAnswer:
        seconds = self.request_timeout if call.timeout is None else call.timeout
        target = call.target
        headers, body = call.content()
        http = self._pooled if call.method == "GET" and not call.patient else self._single
        limit = None if call.patient else seconds
        request = http.build_request(
            call.method,
            target,
            headers=headers,
            content=body,
            timeout=httpx.Timeout(limit, connect=limits.DAEMON_CONNECT_SECONDS),
            extensions={"target": target.encode("ascii")},
        )
        try:
            response = await http.send(request, stream=True)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise exchange_error(error, call, seconds) from error
        return AsyncAnswer(response, call, seconds)
