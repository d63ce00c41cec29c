"""The daemon is started on demand, once, and only where nobody else could have planted one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mvm import CommunicationTransientError, SandboxUnavailable, SocketAuthError, VmConfigError, VmDependencyError
from mvm.client.call import Call
from mvm.client.daemon_entry import daemon_command
from mvm.client.home import home_paths, resolve_home
from mvm.sync.daemon_client import DaemonClient
from mvm.sync.launch import launch_daemon, probe

from .conftest import CHECKOUT

VERSION = Call("GET", "/version", "daemon.version")

# Serves its pid, and dies with its state root.
DAEMON = """
import { createServer } from "node:http";
import { appendFileSync, existsSync } from "node:fs";
const home = process.env.MVM_HOME;
appendFileSync(home + "/started", process.pid + " " + Object.keys(process.env).join(",") + "\\n");
await new Promise((done) => setTimeout(done, 200));
createServer((_, response) => response.end(JSON.stringify({ pid: process.pid }))).listen(home + "/run/mvmd.sock");
setInterval(() => existsSync(home) || process.exit(), 50);
"""


@pytest.fixture
def daemon(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    entry = home / "daemon.mjs"
    entry.write_text(DAEMON)
    monkeypatch.setenv("MVM_DAEMON", str(entry))
    return entry


def starts(home: Path) -> list[str]:
    return (home / "started").read_text().splitlines()


@pytest.mark.usefixtures("daemon")
def test_many_clients_start_one_daemon(home: Path) -> None:
    with ThreadPoolExecutor(20) as pool:
        pids = list(pool.map(lambda _: DaemonClient(home=home).json(VERSION)["pid"], range(40)))
    script = "from mvm.sync.daemon_client import *; print(DaemonClient().json(Call('GET', '/version', 'x'))['pid'])"
    environment = {**os.environ, "MVM_HOME": str(home)}
    other = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert len({*pids, int(other.stdout)}) == 1
    assert len(starts(home)) == 1


@pytest.mark.usefixtures("daemon")
def test_the_daemon_gets_no_variables_of_the_clients_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    launch_daemon(home_paths(home))
    assert "OPENAI_API_KEY" not in starts(home)[0] and "MVM_HOME" in starts(home)[0]


def test_a_daemon_that_fails_is_reported_at_once_with_its_log(home: Path, daemon: Path) -> None:
    daemon.write_text("console.error('no luck'); process.exit(3);")
    with pytest.raises(SandboxUnavailable, match="it ended with 3") as caught:
        launch_daemon(home_paths(home))
    assert caught.value.code == "DAEMON_UNAVAILABLE" and "mvmd.log" in caught.value.hint
    assert home_paths(home).daemon_log.read_text() == "no luck\n"


def test_where_the_daemon_is_looked_for(home: Path) -> None:
    tail = daemon_command(home_paths(home), {"PATH": os.environ["PATH"], "MVM_DAEMON": "/my/daemon.js"})[-2:]
    assert tail[0].endswith("node") and tail[1] == "/my/daemon.js"
    assert daemon_command(home_paths(home))[-1] == str(CHECKOUT / "packages" / "host" / "dist" / "main.js")
    with pytest.raises(VmDependencyError):
        daemon_command(home_paths(home), {"PATH": "/nowhere"})


def test_a_client_that_may_not_start_it_says_that_it_does_not_run(home: Path) -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        DaemonClient(home=home, auto_start=False).json(VERSION)
    assert (caught.value.code, caught.value.outcome) == ("DAEMON_UNAVAILABLE", "not_started")
    assert not probe(str(home_paths(home).socket))


@pytest.mark.usefixtures("daemon")
def test_a_place_that_others_can_write_to_is_refused(home: Path) -> None:
    paths = home_paths(home)
    home.chmod(0o777)
    with pytest.raises(VmConfigError, match="others can write to it \\(its mode is 0777\\)"):
        DaemonClient(home=home).json(VERSION)
    home.chmod(0o700)
    paths.run.mkdir(mode=0o755)
    with pytest.raises(SocketAuthError, match="its mode is 0755"):
        DaemonClient(home=home).json(VERSION)
    paths.run.rmdir()
    (home / "elsewhere").mkdir(mode=0o700)
    paths.run.symlink_to(home / "elsewhere")
    with pytest.raises(SocketAuthError, match="symbolic link"):
        DaemonClient(home=home).json(VERSION)
    paths.run.unlink()
    paths.run.mkdir(mode=0o700)
    paths.socket.write_text("")
    with pytest.raises(SocketAuthError, match="not a socket"):
        DaemonClient(home=home).json(VERSION)
    assert not (home / "started").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_users_place_is_refused_and_both_are_named(home: Path) -> None:
    home_paths(home).run.mkdir(mode=0o700)
    os.chown(home_paths(home).run, 65_534, 65_534)
    with pytest.raises(SocketAuthError) as caught:
        DaemonClient(home=home).json(VERSION)
    assert (caught.value.expected_uid, caught.value.actual_uid) == (0, 65_534)


def test_a_path_that_no_socket_can_have_is_refused(home: Path) -> None:
    with pytest.raises(VmConfigError, match="at most 107"):
        DaemonClient(home=home / ("x" * 100)).json(VERSION)


def test_the_state_root(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_home({"MVM_HOME": "/a", "XDG_DATA_HOME": "/b"}) == Path("/a")
    assert resolve_home({"XDG_DATA_HOME": "/b"}) == Path("/b/mvm")
    assert resolve_home({}) == Path.home() / ".local/share/mvm"


def test_a_full_queue_of_connections_is_waited_for_and_then_a_passing_error(home: Path) -> None:
    paths = home_paths(home)
    paths.run.mkdir(mode=0o700)
    # Nobody accepts, so that the first connections fill the queue for good.
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as queue:
        listener.bind(str(paths.socket))
        listener.listen(0)
        with suppress(BlockingIOError):
            while True:
                waiting = queue.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(str(paths.socket))
        with pytest.raises(CommunicationTransientError) as caught:
            DaemonClient(home=home).json(VERSION)
    assert caught.value.transient and caught.value.outcome == "not_started"
