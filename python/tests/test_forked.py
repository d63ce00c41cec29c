"""A forked process has copies of everything, and must neither hold nor end what is its parent's."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import mvm

from .support.fake_daemon import SANDBOX_ID, Exchange, FakeDaemon, info


def in_child(act: Callable[[], None]) -> int:
    """What a forked process that does only that exits with."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_neither_uses_nor_ends_nor_keeps_the_sandbox(fake: Callable[..., FakeDaemon], home: Path) -> None:
    ended = threading.Event()

    def handler(exchange: Exchange) -> None:
        if exchange.key == "POST /v1/sandboxes":
            exchange.lines({"event": "created", "sandbox": info(), "timings": {}})
            exchange.wait_for_end()
            ended.set()
        elif exchange.command == "DELETE":
            exchange.answer({"destroyed": True, "guarantee": ""})
        else:
            exchange.answer(info())

    daemon = fake(handler)
    sandbox = mvm.Sandbox.create("python", home=home)
    sandbox.status()

    def use() -> None:
        with pytest.raises(mvm.SandboxUnavailable, match="belongs to the process"):
            sandbox.status()
        with pytest.raises(mvm.SandboxUnavailable):
            sandbox.destroy()
        # Of its own it may have as many as it likes.
        assert mvm.Sandbox.connect(SANDBOX_ID, home=home).status().state == "running"

    assert in_child(use) == 0
    assert in_child(lambda: sandbox.__exit__(None, None, None)) == 0
    assert not ended.wait(0.2)
    assert all(request[0] != "DELETE" for request in daemon.requests)
    assert sandbox.status().state == "running"

    # A child that lives on does not keep it.
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    with sandbox:
        pass
    assert ended.wait(5)
    os.close(writer)
    os.close(reader)
    os.waitpid(pid, 0)


def test_a_handle_that_nobody_holds_gives_its_sandbox_up(fake: Callable[..., FakeDaemon], home: Path) -> None:
    ended = threading.Event()

    def handler(exchange: Exchange) -> None:
        exchange.lines({"event": "created", "sandbox": info(), "timings": {}})
        exchange.wait_for_end()
        ended.set()

    fake(handler)
    sandbox = mvm.Sandbox.create("python", home=home)
    with pytest.warns(ResourceWarning, match="garbage-collected without being destroyed"):
        del sandbox
        gc.collect()
    assert ended.wait(5)
