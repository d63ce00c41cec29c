"""F-01: every path has the verdict of the table that all clients share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mvm

from .conftest import CHECKOUT

pytestmark = pytest.mark.vm

TABLE = json.loads((CHECKOUT / "tests" / "conformance" / "paths.json").read_text())
CONTENT = "mvm"


def path_of(row: Any) -> str:
    parts = [row["path"]] if isinstance(row["path"], str) else row["path"]
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)


def verdict_of(files: Any, op: str, path: str) -> str:
    calls = {
        "read": lambda: files.read(path),
        "write": lambda: files.write(path, CONTENT),
        "stat": lambda: files.stat(path),
        "list": lambda: files.list(path),
        "mkdir": lambda: files.mkdir(path, exist_ok=False),
        "remove": lambda: files.remove(path),
    }
    try:
        calls[op]()
    except mvm.SandboxError as error:
        return f"{error.name} {error.code}"
    return "ok"


def test_f_01_every_path_of_the_table_has_its_verdict(api: Any, real_home: Path) -> None:
    with api.create("python") as sandbox:
        for line in TABLE["setup"]:
            sandbox.commands.run(line, check=True)
        for row in TABLE["rows"]:
            path = path_of(row)
            verdict = verdict_of(sandbox.files, row["op"], path)
            assert (row["op"], path[:60], verdict) == (row["op"], path[:60], row["verdict"])
            if row["op"] == "write" and verdict == "ok":
                assert sandbox.files.read(path) == CONTENT
