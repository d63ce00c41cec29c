"""Does what the conformance scenarios ask for: reads operations from stdin and answers, a line each.

See ``tests/conformance/README.md`` of the repository. ``python -m tests.support.conformance blocking``.
"""

from __future__ import annotations

import dataclasses
import json
import keyword
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import mvm

from .both import Asynchronous, blocking


def _default(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.isoformat() if isinstance(value, datetime) else repr(value)


class Client:
    """The operations, over one of the clients."""

    def __init__(self, api: Any, snapshots: Any) -> None:
        self.api = api
        self.snapshot_api = snapshots
        self.sandboxes: dict[str, Any] = {}
        self.processes: list[Any] = []
        self.watches: list[Any] = []
        self.forwards: dict[int, Any] = {}

    def _keep(self, sandbox: Any) -> Any:
        self.sandboxes[sandbox.id] = sandbox
        if sandbox.name is not None:
            self.sandboxes[sandbox.name] = sandbox
        return sandbox.info

    def _at(self, ref: str) -> Any:
        return self.sandboxes[ref] if ref in self.sandboxes else self.api.connect(ref)

    def create(self, **options: Any) -> Any:
        return self._keep(self.api.create(options.pop("image", None), **options))

    def connect(self, sandbox: str) -> Any:
        return self.api.connect(sandbox).info

    def list(self, tags: Any = None) -> Any:
        return {"sandboxes": self.api.list(tags=tags)}

    def one_shot(self, command: Any, timeout_seconds: float | None = None, **options: Any) -> Any:
        with self.api.create(options.pop("image", None), **options) as sandbox:
            return sandbox.commands.run(command, timeout_seconds=timeout_seconds)

    def run(self, sandbox: str, command: Any, **options: Any) -> Any:
        return self._at(sandbox).commands.run(command, **options)

    def start(self, sandbox: str, command: Any) -> Any:
        self.processes.append(self._at(sandbox).commands.start(command))
        return {"process": len(self.processes) - 1}

    def feed(self, process: int, text: str) -> None:
        self.processes[process].write_stdin(text)
        self.processes[process].close_stdin()

    def wait(self, process: int) -> Any:
        return self.processes[process].wait()

    def signal(self, process: int, signal: str) -> None:
        self.processes[process].kill(signal)

    def write(self, sandbox: str, path: str, content: str, **options: Any) -> Any:
        return self._at(sandbox).files.write(path, content, **options)

    def read(self, sandbox: str, path: str) -> Any:
        return {"content": self._at(sandbox).files.read(path)}

    def files(self, sandbox: str, path: str) -> Any:
        return {"entries": self._at(sandbox).files.list(path)}

    def stat(self, sandbox: str, path: str) -> Any:
        return self._at(sandbox).files.stat(path)

    def mkdir(self, sandbox: str, path: str) -> Any:
        return {"created": self._at(sandbox).files.mkdir(path)}

    def rename(self, sandbox: str, to: str, **options: str) -> None:
        self._at(sandbox).files.rename(options["from"], to)

    def remove(self, sandbox: str, path: str, recursive: bool = False) -> Any:
        return {"removed": self._at(sandbox).files.remove(path, recursive=recursive)}

    def watch(self, sandbox: str, path: str) -> Any:
        self.watches.append(self._at(sandbox).files.watch(path))
        return {"watch": len(self.watches) - 1}

    def changes(self, watch: int) -> Any:
        return {"changes": list(self.watches[watch])}

    def logs(self, sandbox: str, source: str | None = None) -> Any:
        return {"lines": list(self._at(sandbox).logs(source=source))}

    def metrics(self, sandbox: str) -> Any:
        return self._at(sandbox).metrics()

    def forward(self, sandbox: str, host_port: int, guest_port: int) -> Any:
        forward = self._at(sandbox).ports.forward(host_port=host_port, guest_port=guest_port)
        self.forwards[forward.host_port] = forward
        return {name: getattr(forward, name) for name in ("host_address", "host_port", "guest_port", "url")}

    def ports(self, sandbox: str) -> Any:
        return {"ports": self._at(sandbox).ports.list()}

    def unforward(self, sandbox: str, host_port: int) -> None:
        self.forwards[host_port].close()

    def snapshot(self, sandbox: str, name: str | None = None) -> Any:
        return self._at(sandbox).snapshot(name=name).info

    def snapshots(self) -> Any:
        return {"snapshots": [snapshot.info for snapshot in self.snapshot_api.list()]}

    def verify(self, snapshot: str) -> Any:
        return self.snapshot_api.get(snapshot).verify()

    def forget(self, snapshot: str) -> None:
        self.snapshot_api.get(snapshot).remove()

    def export(self, snapshot: str, file: str) -> Any:
        return {"digest": self.snapshot_api.get(snapshot).export(file)}

    def import_(self, file: str, name: str | None = None) -> Any:
        return self.snapshot_api.import_(file, name=name).info

    def code(self, sandbox: str, language: str, code: str, **options: Any) -> Any:
        return self._at(sandbox).run_code(language, code, **options)

    def install(self, sandbox: str, packages: list[str], **options: Any) -> Any:
        return self._at(sandbox).packages.install(packages, **options)

    def restore(self, snapshot: str, name: str | None = None) -> Any:
        return self._keep(self.api.restore(snapshot, name=name))

    def fork(self, sandbox: str, count: int) -> Any:
        return [self._keep(fork) for fork in self._at(sandbox).fork(count=count)]

    def pause(self, sandbox: str) -> Any:
        return self._at(sandbox).pause()

    def resume(self, sandbox: str) -> Any:
        return self._at(sandbox).resume()

    def cold(self, sandbox: str) -> Any:
        return self._at(sandbox).cold()

    def stop(self, sandbox: str) -> Any:
        return self._at(sandbox).stop()

    def again(self, sandbox: str) -> Any:
        return self._at(sandbox).start()

    def destroy(self, sandbox: str) -> Any:
        return self._at(sandbox).destroy()

    def detach(self, sandbox: str, **options: Any) -> Any:
        return self._at(sandbox).detach(**options)

    def resize(self, sandbox: str, memory_mb: int) -> Any:
        return self._at(sandbox).resize(memory_mb=memory_mb)

    def ttl(self, sandbox: str, ttl_seconds: int) -> Any:
        return self._at(sandbox).set_ttl(ttl_seconds)

    def leave(self) -> None:
        for sandbox in {id(one): one for one in self.sandboxes.values()}.values():
            with sandbox:
                pass
        self.sandboxes.clear()


def _method(operation: str) -> str:
    """A word of the language cannot name a method."""
    return f"{operation}_" if keyword.iskeyword(operation) else operation


def _answer(client: Client, line: str) -> Any:
    request = json.loads(line)
    operation: Callable[..., Any] | None = getattr(client, _method(request["operation"]), None)
    if operation is None:
        return "unsupported"
    try:
        result = operation(**request["options"])
    except mvm.SandboxError as error:
        return error.to_document()
    return {"result": {} if result is None else result}


def main() -> None:
    if sys.argv[1] == "blocking":
        client = Client(blocking(), mvm.Snapshot)
    else:
        api = Asynchronous()
        client = Client(api, Asynchronous(mvm.AsyncSnapshot, api.loop))
    for line in sys.stdin:
        try:
            answer = _answer(client, line)
        except Exception:
            answer = {"error": {"name": "defect", "message": traceback.format_exc()}}
        print(json.dumps(answer, default=_default), flush=True)
    with suppress(mvm.SandboxError):
        client.leave()


if __name__ == "__main__":
    main()
