"""Code in contexts of one sandbox that keep their state."""

from __future__ import annotations

from typing import Any, TypeAlias

from mvm.aio.output import AsyncOutputCallback, Output
from mvm.aio.target import AsyncTarget
from mvm.client.call import given, segment
from mvm.client.command import milliseconds
from mvm.results.code_result import CodeContext, CodeLanguage, CodeResult
from mvm.results.document import read

_Contexts: TypeAlias = "list[CodeContext]"


class AsyncCodeContexts:
    """The contexts of one sandbox. Calls make the ones they name by themselves."""

    def __init__(self, target: AsyncTarget) -> None:
        self._target = target

    async def create(
        self, language: CodeLanguage, *, context: str | None = None, cwd: str | None = None
    ) -> CodeContext:
        """Makes a context, so that its first call finds it; one that is there already is returned as it is.

        :param context: default: a name that nobody has
        """
        body = given(language=language, context=context, cwd=cwd)
        return read(CodeContext, await self._target.json("POST", "/code/contexts", "contexts.create", json=body))

    async def list(self) -> _Contexts:
        """The contexts that live."""
        document = await self._target.json("GET", "/code/contexts", "contexts.list")
        return [read(CodeContext, context) for context in document["contexts"]]

    async def delete(self, language: CodeLanguage, context: str) -> bool:
        """Ends a context and everything its code started; a call in it returns. False when there is none."""
        path = f"/code/contexts/{segment(language)}/{segment(context)}"
        return bool((await self._target.json("DELETE", path, "contexts.delete"))["deleted"])


async def run_code(
    target: AsyncTarget,
    body: dict[str, Any],
    *,
    timeout_seconds: float | None,
    on_stdout: Output | None,
    on_stderr: Output | None,
) -> CodeResult:
    """Runs code and returns its result. A call that is given up ends the context."""
    stream = True if on_stdout is not None or on_stderr is not None else None
    json = body | given(timeout_ms=milliseconds(timeout_seconds), stream=stream)
    answer = await target.client.stream(target.call("POST", "/code", "code.run", json=json, patient=True))
    outputs = {"stdout": AsyncOutputCallback(on_stdout), "stderr": AsyncOutputCallback(on_stderr)}
    try:
        async for event in answer.events():
            if event["event"] in outputs:
                await outputs[event["event"]].push(event["data"])
            elif event["event"] == "end":
                for output in outputs.values():
                    await output.end()
                return read(CodeResult, event["result"])
        raise answer.cut_short("end")
    finally:
        await answer.close()
