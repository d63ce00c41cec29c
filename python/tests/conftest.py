"""Fixtures: both clients, a fake daemon, and state roots of real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import mvm
from mvm.client.call import Call
from mvm.client.home import resolve_home
from mvm.errors import SandboxUnavailable
from mvm.sync.daemon_client import DaemonClient

from .support.both import Asynchronous, blocking
from .support.fake_daemon import FakeDaemon, Handler

CHECKOUT = Path(__file__).resolve().parents[2]
_ASSETS = ("images", "kernels", "boot", "templates", "cache", "setup")


@pytest.fixture(params=["blocking", "asynchronous"])
def api(request: pytest.FixtureRequest) -> Iterator[Any]:
    """``Sandbox``, and ``AsyncSandbox`` in the same clothes."""
    if request.param == "blocking":
        yield blocking()
        return
    client = Asynchronous()
    yield client
    client.loop.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A private state root, with a path short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="mvm-py-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def fake(home: Path) -> Iterator[Callable[..., FakeDaemon]]:
    """Makes the one daemon of the state root."""
    made: list[FakeDaemon] = []

    def make(handler: Handler, *, raw: bool = False) -> FakeDaemon:
        made.append(FakeDaemon(home, handler, raw=raw))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture(scope="session")
def real_home() -> Iterator[Path]:
    """A state root of its own with the images and templates of the one that is set up, whose files are immutable."""
    path = Path(tempfile.mkdtemp(prefix="mvm-py-"))
    before = resolve_home()
    for entry in before.iterdir():
        if entry.name.startswith(_ASSETS):
            subprocess.run(["cp", "-al", entry, path / entry.name], check=True)
    os.environ["MVM_HOME"] = str(path)
    yield path
    with suppress(SandboxUnavailable):
        DaemonClient(home=path).json(Call("POST", "/daemon/stop", "daemon.stop", json={"force": True}, running=True))
    os.environ["MVM_HOME"] = str(before)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def shared(real_home: Path) -> Iterator[mvm.Sandbox]:
    """One real sandbox for all tests that do not end it."""
    with mvm.Sandbox.create("python", tags={"test": "python"}) as sandbox:
        yield sandbox
