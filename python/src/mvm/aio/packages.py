"""Packages in one sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from mvm.aio.output import AsyncOutputCallback, Output
from mvm.aio.target import AsyncTarget
from mvm.client.call import given
from mvm.client.command import milliseconds
from mvm.errors import InvalidArgumentError
from mvm.results.document import read
from mvm.results.installed_packages import InstalledPackages, PackageManager


class AsyncPackages:
    """Packages of one sandbox."""

    def __init__(self, target: AsyncTarget) -> None:
        self._target = target

    async def install(
        self,
        packages: Sequence[str],
        *,
        manager: PackageManager = "pip",
        timeout_seconds: float | None = None,
        on_stdout: Output | None = None,
        on_stderr: Output | None = None,
    ) -> InstalledPackages:
        """Installs packages by their names, perhaps with versions: ``requests``, ``requests==2.*``, ``left-pad@^1.3``.

        They and all they depend on have to be on the operator's list, and the sandbox's network policy has to allow
        the index. Raises ``InvalidArgumentError``, ``PackageNotAllowedError`` and ``PolicyDenied`` (code
        ``NETWORK_DENIED``) before anything is installed; ``CommandFailed`` and ``Timeout`` with what the manager wrote
        as their ``result``.

        :param timeout_seconds: limit for all of it. Default: 600
        """
        if isinstance(packages, str):
            raise InvalidArgumentError(
                "Cannot install packages: they have to be a list of names", operation="packages.install"
            )
        stream = True if on_stdout is not None or on_stderr is not None else None
        body = given(manager=manager, packages=list(packages), timeout_ms=milliseconds(timeout_seconds), stream=stream)
        call = self._target.call("POST", "/packages", "packages.install", json=body, patient=True)
        answer = await self._target.client.stream(call)
        outputs = {"stdout": AsyncOutputCallback(on_stdout), "stderr": AsyncOutputCallback(on_stderr)}
        try:
            async for event in answer.events():
                if event["event"] in outputs:
                    await outputs[event["event"]].push(event["data"])
                elif event["event"] == "end":
                    for output in outputs.values():
                        await output.end()
                    return read(InstalledPackages, event["result"])
            raise answer.cut_short("end")
        finally:
            await answer.close()
