"""What a script does with its one sandbox."""

from __future__ import annotations

import atexit
import os
import re
import sys
from pathlib import Path
from typing import Any

from mvm.errors import InvalidArgumentError
from mvm.record.canonical import canonical
from mvm.record.mode import refusal, refuse
from mvm.record.workload import Document, recorded_workload

CONTENT_BYTES = 5 * 1024 * 1024
"""Of files and stdin that one recording holds: as base64 they grow by a third, and the document has 8 MiB at most."""
_OPERATIONS = 10_000
_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")

_begun: list[Recording] = []


class Recording:
    """Written to ``MVM_SDK_OUT_PATH`` when the process ends without an exception. Made by :meth:`begin`."""

    def __init__(self, request: Document, out: Path) -> None:
        self._request = request
        self._out = out
        self._process = os.getpid()
        self._operations: list[Document] = []
        self._bytes = 0
        self._over: str | None = None

    @staticmethod
    def begin(request: Document) -> Recording:
        """Begins the recording of this process, and removes the document of an earlier one.

        Raises ``RecordModeError`` when the request says what a workload cannot, or is the script's second.
        """
        out = os.environ.get("MVM_SDK_OUT_PATH")
        if not out:
            raise InvalidArgumentError(
                "Cannot record the script: MVM_SDK_OUT_PATH does not say where to",
                hint="Record it with `mvmctl run --mode record SCRIPT`, or set MVM_SDK_OUT_PATH to a file's path",
            )
        _check_request(request)
        # Absolute: the script may change its directory before it ends.
        recording = Recording(request, Path.cwd() / out)
        _begun.append(recording)
        recording._out.unlink(missing_ok=True)
        atexit.register(recording._write)
        return recording

    def add(self, what: str, operation: Document, size: int = 0) -> None:
        """Keeps an operation. ``size`` is that of its content in bytes."""
        if self._over is not None:
            refuse(what, f"{self._over} before it")
        self._bytes += size
        if self._bytes > CONTENT_BYTES:
            too_large = f"the contents together have more than {CONTENT_BYTES} bytes"
            refuse(what, too_large, "Build large files into the image")
        if len(self._operations) >= _OPERATIONS:
            refuse(what, f"there are more than {_OPERATIONS} operations")
        canonical(operation)
        self._operations.append(operation)

    def end(self, what: str) -> None:
        """Nothing can follow: a workload has no way to say it. ``what`` is a sentence's beginning."""
        self._over = self._over or what

    def _write(self) -> None:
        if os.getpid() != self._process or getattr(sys, "last_value", None) is not None:
            return
        refused = refusal()
        if refused is not None:
            # The script caught it and went on: what it would have done live is not known.
            sys.stderr.write(f"mvm: nothing is recorded: {refused.message}\n")
            return
        half = self._out.with_name(f"{self._out.name}.{self._process}.part")
        with half.open("x", encoding="utf-8", newline="") as file:
            file.write(canonical(recorded_workload(self._request, self._operations)))
        half.replace(self._out)


def _check_request(request: dict[str, Any]) -> None:
    if _begun:
        refuse("Sandbox.create", "the script made a sandbox before, and a workload is one sandbox")
    if request.get("detach") or "owner" in request or "tenant" in request:
        refuse("Sandbox.create", "`detach`, `owner` and `tenant` are said by who starts a workload", "Leave them out")
    workload_id = request.get("workload_id")
    if workload_id is not None and not (isinstance(workload_id, str) and _ID.fullmatch(workload_id)):
        refuse("Sandbox.create", 'workload_id is not a lower-case letter and up to 62 of a-z, 0-9 and "-"')
    if set(request.get("env", {})) & set(request.get("secrets", {})):
        refuse("Sandbox.create", "one variable is both in `env` and in `secrets`")
    canonical(recorded_workload(request, []))
