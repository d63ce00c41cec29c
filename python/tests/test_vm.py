"""Both clients against real machines."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mvm

pytestmark = pytest.mark.vm


@pytest.fixture
def sandbox(api: Any, shared: mvm.Sandbox) -> Any:
    return api.connect(shared.id)


def test_a_command_returns_everything_there_is_to_know(sandbox: Any) -> None:
    code = "import sys; print(6*7); print('err', file=sys.stderr); sys.exit(3)"
    result = sandbox.commands.run(["python3", "-c", code])
    assert (result.exit_code, result.stdout, result.stderr, result.stdout_bytes) == (3, "42\n", "err\n", 3)
    assert (result.timed_out, result.signal, result.sandbox_id) == (False, None, sandbox.id)
    assert result.run_id.startswith("run_") and result.isolation.backend == "qemu"
    assert sandbox.commands.run('echo "$USER $((6*7))"; pwd').stdout == "user 42\n/home/user\n"
    assert sandbox.commands.run(["echo", "$USER", "a  b"]).stdout == "$USER a  b\n"
    options = {"user": "root", "cwd": "/tmp", "env": {"A": "b"}}
    assert sandbox.commands.run("id -u; pwd; echo $A", **options).stdout == "0\n/tmp\nb\n"
    binary = sandbox.commands.run("printf '\\377a'")
    assert (binary.stdout, binary.stdout_raw) == ("\N{REPLACEMENT CHARACTER}a", b"\xffa")


def test_a_command_is_bounded_and_says_so(sandbox: Any) -> None:
    late = sandbox.commands.run("echo early; sleep 60", timeout_seconds=1.5)
    assert (late.timed_out, late.stdout) == (True, "early\n")
    with pytest.raises(mvm.Timeout) as timeout:
        sandbox.commands.run("sleep 60", timeout_seconds=0.5, check=True)
    assert timeout.value.result is not None and timeout.value.result.timed_out
    with pytest.raises(mvm.CommandFailed):
        sandbox.commands.run("exit 4", check=True)
    long = sandbox.commands.run("head -c 300000 /dev/zero | tr '\\0' x", max_output_bytes=1000)
    assert (long.stdout_bytes, long.stdout_truncated) == (300_000, True) and "[299000 bytes omitted]" in long.stdout


def megabytes() -> Iterator[bytes]:
    for _ in range(10):
        yield b"a" * 1_000_000


def test_a_command_reads_stdin_whole_and_as_it_comes(sandbox: Any, tmp_path: Path) -> None:
    assert sandbox.commands.run(["cat"], stdin="hello").stdout == "hello"
    assert sandbox.commands.run(["wc", "-c"], stdin=megabytes()).stdout.strip() == "10000000"
    assert sandbox.commands.run(["head", "-c", "5"], stdin=megabytes()).stdout == "aaaaa"
    (tmp_path / "file").write_bytes(b"x" * 5_000_000)
    with (tmp_path / "file").open("rb") as file:
        assert sandbox.commands.run(["wc", "-c"], stdin=file).stdout.strip() == "5000000"


def test_output_comes_while_the_command_runs(sandbox: Any, shared: mvm.Sandbox) -> None:
    # The command waits for what its own output brings about: were that held back, it would not end by itself.
    seen: list[str] = []

    def go_on(text: str) -> None:
        seen.append(text)
        shared.files.write("go", "")

    script = "rm -f go; echo one; until [ -e go ]; do sleep 0.1; done; echo two"
    assert not sandbox.commands.run(script, on_stdout=go_on, timeout_seconds=60).timed_out
    assert seen == ["one\n", "two\n"]


def test_a_process_is_followed_fed_and_killed(sandbox: Any) -> None:
    cat = sandbox.commands.start(["cat"])
    cat.write_stdin("h€llo\n")
    cat.close_stdin()
    assert cat.wait().stdout == "h€llo\n"
    assert [event.type for event in cat] == ["stdout", "end"]
    sleeper = sandbox.commands.start("sleep 100; true")
    assert sleeper.pid in [process.pid for process in sandbox.commands.list()]
    sandbox.commands.connect(sleeper.pid).kill("SIGKILL")
    result = sleeper.wait()
    assert (result.signal, result.exit_code) == ("SIGKILL", 137)
    with pytest.raises(mvm.SandboxUnavailable) as caught:
        sandbox.commands.connect(99_999)
    assert caught.value.code == "PROCESS_NOT_FOUND"
    terminal = sandbox.commands.start("read x; stty size", pty=mvm.TerminalSize(rows=20, cols=33))
    terminal.resize(rows=21, cols=34)
    terminal.write_stdin("\n")
    assert terminal.wait().stdout.splitlines()[-1] == "21 34"


def test_files_are_made_listed_moved_and_removed(sandbox: Any) -> None:
    files = sandbox.files
    written = files.write("d/e/f.txt", "h€llo", mode=0o600)
    assert (written.bytes, written.sha256) == (7, files.stat("d/e/f.txt", sha256=True).sha256)
    assert files.read("/home/user/d/e/f.txt") == "h€llo"
    entry = files.stat("d/e/f.txt")
    assert (entry.name, entry.type, entry.size, entry.mode, entry.uid) == ("f.txt", "file", 7, 0o600, 1000)
    assert abs(entry.modified_at.timestamp() - time.time()) < 300
    assert [entry.name for entry in files.list("d")] == ["e"]
    files.rename("d/e/f.txt", "d/g")
    assert [files.exists("d/g"), files.exists("d/e/f.txt")] == [True, False]
    assert files.mkdir("d/e") is False
    with pytest.raises(mvm.GuestAgentError) as caught:
        files.remove("d")
    assert caught.value.code == "FILE_NOT_EMPTY"
    assert files.remove("d", recursive=True) == 3
    with pytest.raises(mvm.GuestAgentError) as missing:
        files.read("/nope")
    assert (missing.value.code, missing.value.sandbox_id) == ("FILE_NOT_FOUND", sandbox.id)
    for path in ("/proc/version", "/dev/null"):
        with pytest.raises(mvm.PolicyDenied):
            files.read(path)
    for path in ("", "a/../b", "a\0b", "x" * 5000):
        with pytest.raises(mvm.InvalidArgumentError):
            files.read(path)


def test_large_files_go_both_ways_unchanged(sandbox: Any) -> None:
    content = os.urandom(8 * 1024 * 1024)
    written = sandbox.files.write("big", (content[i : i + 70_000] for i in range(0, len(content), 70_000)))
    assert written == mvm.Written(len(content), hashlib.sha256(content).hexdigest())
    assert sandbox.files.read("big", format="bytes") == content
    digest = hashlib.sha256()
    for chunk in sandbox.files.read("big", format="stream"):
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(content).digest()
    assert sandbox.files.read("big", format="bytes", offset=5, length=7) == content[5:12]

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    for _ in range(5):
        with pytest.raises(mvm.GuestAgentError) as caught:
            sandbox.files.write("/etc/passwd", endless(), exclusive=True)
        assert caught.value.code == "FILE_EXISTS"


def test_arguments_are_checked_by_the_daemon(api: Any, sandbox: Any) -> None:
    for attempt, wanted in (
        (lambda: sandbox.commands.run([]), mvm.InvalidArgumentError),
        (lambda: sandbox.commands.run(["a\0"]), mvm.InvalidArgumentError),
        (lambda: sandbox.commands.run("true", env={"A=": "b"}), mvm.EnvVarValidationError),
        (lambda: sandbox.commands.run("true", env={"A": 5}), mvm.InvalidArgumentError),
        (lambda: sandbox.commands.run("true", cwd="/a/../b"), mvm.InvalidArgumentError),
        (lambda: sandbox.commands.run("true", user="a b"), mvm.InvalidArgumentError),
        (lambda: sandbox.commands.run("true", timeout_seconds=-1), mvm.InvalidArgumentError),
        (lambda: sandbox.files.write("a", "b", mode=8.5), mvm.InvalidArgumentError),
        (lambda: sandbox.set_ttl(0), mvm.InvalidArgumentError),
        (lambda: api.create(memory_mb=1), mvm.InvalidArgumentError),
        (lambda: api.create(detach=True), mvm.InvalidArgumentError),
        (lambda: api.create(name="a b"), mvm.InvalidArgumentError),
        (lambda: api.create("no-such-image"), mvm.AssetNotFoundError),
        (lambda: api.connect("no-such-sandbox"), mvm.SandboxUnavailable),
    ):
        with pytest.raises(wanted):
            attempt()


def test_a_sandbox_tells_about_itself(api: Any, sandbox: Any) -> None:
    assert sandbox.status().state == "running"
    assert sandbox.metrics().guest.mem_total_bytes > 100 * 1024 * 1024
    assert sandbox.id in [info.id for info in api.list(tags={"test": "python"})]
    assert sandbox.set_ttl(3000).expires_at is not None
    assert sandbox.set_ttl(None).expires_at is None
    assert {line.source for line in sandbox.logs()} <= {"guest", "supervisor"}
    assert list(sandbox.logs(since=time.time() + 1000)) == []


def test_a_detached_sandbox_outlives_its_handle(api: Any, real_home: Path) -> None:
    detached = api.create("python", name="kept", detach=True, ttl_seconds=600)
    with detached:
        pass
    found = api.get_or_create("kept")
    assert (found.id, found.info.detached) == (detached.id, True)
    with pytest.raises(mvm.InvalidArgumentError) as taken:
        api.create("python", name="kept")
    assert taken.value.code == "NAME_TAKEN"
    assert found.stop().state == "stopped"
    with pytest.raises(mvm.SandboxUnavailable) as stopped:
        found.commands.run("true")
    assert stopped.value.state == "stopped"
    assert found.start().state == "running"
    assert found.destroy().destroyed is True
    assert detached.destroy().destroyed is False


def test_a_cancelled_task_ends_its_command(shared: mvm.Sandbox) -> None:
    async def cancel() -> str:
        sandbox = await mvm.AsyncSandbox.connect(shared.id)
        task = asyncio.create_task(sandbox.commands.run("exec sleep 4242"))
        while "4242" not in str(await sandbox.commands.list()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (
            await sandbox.commands.run("for i in $(seq 100); do pgrep -f 'sleep 424[2]' || break; sleep 0.1; done")
        ).stdout

    assert not asyncio.run(cancel()).splitlines()[99:]


OWNER = """
import os, sys, time, mvm
sandbox = mvm.Sandbox.create("python")
if {fork}:
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
print(sandbox.id, flush=True)
time.sleep({seconds})
{end}
"""


@pytest.mark.parametrize(
    ("end", "fork"),
    [("kill", False), ("os._exit(0)", False), ("raise SystemExit", False), ("raise KeyError", False), ("kill", True)],
)
def test_a_sandbox_ends_within_a_second_of_its_process(real_home: Path, end: str, fork: bool) -> None:
    script = OWNER.format(end="" if end == "kill" else end, seconds=60 if end == "kill" else 0.2, fork=fork)
    owner = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert owner.stdout is not None
    sandbox = mvm.Sandbox.connect(owner.stdout.readline().strip())
    if end == "kill":
        owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    until = time.monotonic() + 1
    while time.monotonic() < until:
        try:
            if sandbox.status().state != "running":
                return
        except mvm.SandboxUnavailable:
            return
        time.sleep(0.02)
    raise AssertionError("it still runs")


def test_changes_of_files_are_told(sandbox: Any) -> None:
    sandbox.files.mkdir("watched")
    with sandbox.files.watch("watched") as watch:
        sandbox.files.write("watched/a", "1")
        sandbox.files.rename("watched/a", "watched/b")
        sandbox.files.remove("watched/b")
        sandbox.files.remove("watched")
        changes = [(change.type, change.path.rpartition("/")[2], change.from_path) for change in watch]
    assert changes == [
        ("created", "a", None),
        ("renamed", "b", "/home/user/watched/a"),
        ("removed", "b", None),
        ("removed", "watched", None),
    ]
