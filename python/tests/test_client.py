"""Calls over a real socket, by both clients."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import mvm

from .support.fake_daemon import SANDBOX_ID, Exchange, FakeDaemon, info, result

Fake = Callable[..., FakeDaemon]
CREATE = "POST /v1/sandboxes"
RUN = f"POST /v1/sandboxes/{SANDBOX_ID}/processes"
CREATED = {"event": "created", "sandbox": info(), "timings": {"create_ms": 1, "start": "template"}}


def sandbox_that(handle: Callable[[Exchange], None]) -> Callable[[Exchange], None]:
    """A daemon with one sandbox; what else is asked for goes to the test."""

    def handler(exchange: Exchange) -> None:
        if exchange.key == f"GET /v1/sandboxes/{SANDBOX_ID}":
            exchange.answer(info())
        elif exchange.key == "GET /v1/version":
            exchange.answer({"version": "0"})
        else:
            handle(exchange)

    return handler


def test_a_sandbox_lives_as_long_as_its_block(api: Any, fake: Fake, home: Path) -> None:
    ended = threading.Event()

    def handler(exchange: Exchange) -> None:
        if exchange.key == CREATE:
            exchange.lines({"event": "progress", "phase": "restore"}, CREATED)
            if exchange.wait_for_end():
                ended.set()
        elif exchange.command == "DELETE":
            exchange.answer({"destroyed": True, "guarantee": "All gone"})

    daemon = fake(handler)
    seen: list[Any] = []
    with api.create("python", home=home, memory_mb=256, env={"A": "b"}, on_progress=seen.append) as sandbox:
        assert sandbox.id == SANDBOX_ID and sandbox.info.tags == {"some_tag": "x"}
        assert not ended.is_set()
    assert ended.wait(5)
    assert [key for key, *_ in daemon.requests] == ["POST", "DELETE"]
    assert daemon.requests[0][3] == b'{"image":"python","memory_mb":256,"env":{"A":"b"}}'
    assert daemon.requests[0][2]["idempotency-key"]
    assert [event["phase"] for event in seen] == ["restore"]


def test_a_create_that_fails_leaves_nothing(api: Any, fake: Fake, home: Path) -> None:
    ended = threading.Event()

    def handler(exchange: Exchange) -> None:
        exchange.lines({"event": "progress", "phase": "boot"})
        exchange.lines({"event": "error", "error": {"name": "VmCapacityError", "code": "VM_CAPACITY", "message": "no"}})
        exchange.wait_for_end()
        ended.set()

    fake(handler)
    with pytest.raises(mvm.VmCapacityError) as caught:
        api.create(home=home)
    assert caught.value.transient and caught.value.operation == "sandboxes.create"
    assert ended.wait(5)


def test_a_callback_that_raises_ends_the_half_made_sandbox(api: Any, fake: Fake, home: Path) -> None:
    ended = threading.Event()

    def handler(exchange: Exchange) -> None:
        exchange.lines({"event": "progress", "phase": "boot"})
        exchange.wait_for_end()
        ended.set()

    fake(handler)

    def refuse(_: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        api.create(home=home, on_progress=refuse)
    assert ended.wait(5)


def test_options_that_do_not_exist_are_refused(api: Any, home: Path) -> None:
    with pytest.raises(TypeError, match="memory"):
        api.create(home=home, memory=5)


def test_errors_keep_all_their_fields(api: Any, fake: Fake, home: Path) -> None:
    fake(lambda e: e.fail(403, "PolicyDenied", "POLICY_LIMIT", rule="limit.cpu", context={"most": 4}, audit_id="evt_1"))
    with pytest.raises(mvm.PolicyDenied) as caught:
        api.create(home=home, cpu=16)
    error = caught.value
    assert (error.code, error.rule, error.boundary, error.retry) == ("POLICY_LIMIT", "limit.cpu", "admission", "never")
    assert (error.outcome, error.audit_id, error.context) == ("not_started", "evt_1", {"most": 4})


def test_a_command_returns_its_result_and_check_raises(api: Any, fake: Fake, home: Path) -> None:
    def handle(exchange: Exchange) -> None:
        assert exchange.key == RUN
        body = exchange.document()
        exchange.lines({"event": "started", "pid": 7, "run_id": "run_1"})
        code = 3 if body["argv"] == ["false"] else 0
        exchange.lines({"event": "end", "result": result(exit_code=code, timed_out="timeout_ms" in body)})

    daemon = fake(sandbox_that(handle))
    sandbox = api.connect(SANDBOX_ID, home=home)
    done = sandbox.commands.run(["true"], cwd="/tmp", user="root", env={"A": "b"}, max_output_bytes=5)
    assert (done.exit_code, done.stdout, done.run_id[:4], done.audit_id[:4]) == (0, "42\n", "run_", "evt_")
    assert daemon.requests[-1][3] == (
        b'{"argv":["true"],"cwd":"/tmp","env":{"A":"b"},"user":"root","max_output_bytes":5}'
    )
    assert sandbox.commands.run(["false"]).exit_code == 3
    with pytest.raises(mvm.CommandFailed, match="exited with status 3") as failed:
        sandbox.commands.run(["false"], check=True)
    assert failed.value.result.exit_code == 3
    with pytest.raises(mvm.Timeout) as late:
        sandbox.commands.run(["true"], timeout_seconds=1.5, check=True)
    assert late.value.code == "COMMAND_TIMEOUT" and late.value.result is not None
    assert b'"timeout_ms":1500' in daemon.requests[-1][3]


def test_output_comes_as_whole_characters(api: Any, fake: Fake, home: Path) -> None:
    def handle(exchange: Exchange) -> None:
        assert exchange.document()["stream"] is True
        exchange.lines({"event": "started", "pid": 7, "run_id": "run_1"})
        # "h€" cut inside the sign, and a sign that is never finished.
        for data in ("aOI=", "gqw=", "8J8="):
            exchange.lines({"event": "stdout", "data": data})
        exchange.lines({"event": "end", "result": result()})

    fake(sandbox_that(handle))
    seen: list[str] = []
    api.connect(SANDBOX_ID, home=home).commands.run("x", on_stdout=seen.append)
    assert seen == ["h", "€", "\N{REPLACEMENT CHARACTER}"]


def test_a_callback_that_raises_is_heard_after_the_end(api: Any, fake: Fake, home: Path) -> None:
    def handle(exchange: Exchange) -> None:
        exchange.lines({"event": "stdout", "data": "YQ=="}, {"event": "stdout", "data": "YQ=="})
        exchange.lines({"event": "end", "result": result()})

    fake(sandbox_that(handle))
    calls: list[str] = []

    def fail(text: str) -> None:
        calls.append(text)
        raise KeyError(text)

    with pytest.raises(KeyError):
        api.connect(SANDBOX_ID, home=home).commands.run("x", on_stdout=fail)
    assert calls == ["a"]


def test_stdin_goes_along_small_and_beside_large(api: Any, fake: Fake, home: Path) -> None:
    fed = threading.Event()
    received: list[bytes] = []

    def handle(exchange: Exchange) -> None:
        if exchange.key == f"{RUN}/7/stdin":
            received.append(exchange.body)
            exchange.answer({"written_bytes": len(exchange.body)})
            fed.set()
            return
        exchange.lines({"event": "started", "pid": 7, "run_id": "run_1"})
        if exchange.document()["stdin"] == "pipe":
            assert fed.wait(10)
        exchange.lines({"event": "end", "result": result(stdout=exchange.document().get("stdin_data", ""))})

    fake(sandbox_that(handle))
    commands = api.connect(SANDBOX_ID, home=home).commands
    assert commands.run("cat", stdin="a").stdout == "YQ=="
    commands.run("cat", stdin=[b"ab", "cd"])
    assert received == [b"abcd"]

    def broken() -> Any:
        yield b"a"
        raise KeyError("mine")

    with pytest.raises(KeyError):
        fed.clear()
        commands.run("cat", stdin=broken())


def test_a_stream_cut_short_has_an_unknown_outcome(api: Any, fake: Fake, home: Path) -> None:
    fake(sandbox_that(lambda exchange: exchange.lines({"event": "started", "pid": 7, "run_id": "run_1"})))
    with pytest.raises(mvm.TransportError) as caught:
        api.connect(SANDBOX_ID, home=home).commands.run("x")
    assert (caught.value.code, caught.value.outcome) == ("CHANNEL_LOST", "unknown")


def test_a_lost_answer_is_not_repeated(api: Any, fake: Fake, home: Path) -> None:
    def handle(exchange: Exchange) -> None:
        exchange.close_connection = True

    daemon = fake(sandbox_that(handle))
    sandbox = api.connect(SANDBOX_ID, home=home)
    with pytest.raises(mvm.OutcomeUnknownError):
        sandbox.files.write("a", "b", append=True)
    with pytest.raises(mvm.TransportError) as caught:
        sandbox.files.write("a", "b")
    assert (caught.value.code, caught.value.retry) == ("TRANSPORT_FAILED", "safe")
    assert len(daemon.requests) == 3


def test_an_early_refusal_ends_an_endless_upload(api: Any, fake: Fake, home: Path) -> None:
    fake(sandbox_that(lambda exchange: exchange.fail(409, "GuestAgentError", "FILE_EXISTS")), raw=True)

    def endless() -> Any:
        while True:
            yield b"x" * 100_000

    files = api.connect(SANDBOX_ID, home=home).files
    for _ in range(20):
        with pytest.raises(mvm.GuestAgentError) as caught:
            files.write("/etc/passwd", endless(), exclusive=True)
        assert caught.value.code == "FILE_EXISTS"


def test_a_silent_daemon_is_given_up_and_a_busy_one_is_not(api: Any, fake: Fake, home: Path) -> None:
    quiet = threading.Event()

    def handler(exchange: Exchange) -> None:
        if exchange.key.endswith("/version") and not quiet.is_set():
            exchange.answer({})
        elif exchange.key == RUN:
            threading.Event().wait(0.8)
            exchange.lines({"event": "end", "result": result()})
        elif exchange.key == f"GET /v1/sandboxes/{SANDBOX_ID}" and not quiet.is_set():
            exchange.answer(info())
        else:
            exchange.wait_for_end()
            exchange.close_connection = True

    fake(handler)
    sandbox = api.connect(SANDBOX_ID, home=home, request_timeout=0.2)
    assert sandbox.commands.run("x").exit_code == 0
    quiet.set()
    with pytest.raises(mvm.Timeout) as caught:
        sandbox.status()
    assert caught.value.outcome == "unknown"
    with pytest.raises(mvm.Timeout):
        sandbox.commands.run("x")


@pytest.mark.parametrize("text", [b"not json\n", b"[]\n", b"5\n", b'{"event":5}\n', b"\xff\n"])
def test_garbage_of_the_daemon_is_a_violation(api: Any, fake: Fake, home: Path, text: bytes) -> None:
    fake(sandbox_that(lambda exchange: exchange.answer(text)))
    with pytest.raises(mvm.TransportError) as caught:
        api.connect(SANDBOX_ID, home=home).commands.run("x")
    assert caught.value.code == "PROTOCOL_VIOLATION"


def test_what_json_cannot_say_is_refused_before_anything_is_sent(api: Any, fake: Fake, home: Path) -> None:
    daemon = fake(sandbox_that(lambda exchange: exchange.answer({})))
    sandbox = api.connect(SANDBOX_ID, home=home)
    for attempt in (
        lambda: sandbox.files.read("\ud800"),
        lambda: sandbox.files.write("a", "\ud800"),
        lambda: sandbox.files.write("a", 5),
        lambda: sandbox.files.read("a", format="json"),
        lambda: sandbox.commands.run(["a", "\ud800"]),
        lambda: sandbox.commands.run(["a", b"b"]),
        lambda: sandbox.commands.run(5),
        lambda: sandbox.commands.run("a", timeout_seconds=float("nan")),
        lambda: sandbox.commands.run("a", timeout_seconds="5"),
        lambda: api.connect("", home=home),
    ):
        with pytest.raises(mvm.InvalidArgumentError):
            attempt()
    assert len(daemon.requests) == 1


def test_a_process_is_followed_fed_and_signalled(api: Any, fake: Fake, home: Path) -> None:
    def handle(exchange: Exchange) -> None:
        if exchange.key == RUN:
            assert exchange.document()["background"] is True
            exchange.lines({"event": "started", "pid": 7, "run_id": "run_1"})
        elif exchange.key.startswith("GET") and exchange.key.endswith("/events"):
            exchange.lines({"event": "gap", "from": 0, "to": 5}, {"event": "stdout", "data": "YQ==", "cursor": 6})
            exchange.lines({"event": "end", "result": result(exit_code=1)})
        else:
            exchange.answer({"written_bytes": len(exchange.body)})

    daemon = fake(sandbox_that(handle))
    process = api.connect(SANDBOX_ID, home=home).commands.start("x", pty=mvm.TerminalSize(rows=20, cols=30))
    assert (process.pid, process.run_id) == (7, "run_1")
    assert [event.type for event in process] == ["gap", "stdout", "end"]
    assert daemon.requests[-1][1].endswith("/7/events?from=0")
    assert process.wait().exit_code == 1
    with pytest.raises(mvm.CommandFailed):
        process.wait(check=True)
    process.write_stdin("a")
    process.close_stdin()
    process.resize(rows=1, cols=2)
    process.kill("SIGKILL", tree=False)
    assert [(path.rpartition("/")[2], body) for _, path, _, body in daemon.requests[-4:]] == [
        ("stdin", b"a"),
        ("stdin?eof=true", b""),
        ("resize", b'{"rows":1,"cols":2}'),
        ("signal", b'{"signal":"SIGKILL","tree":false}'),
    ]


def test_get_or_create_meets_a_rival(api: Any, fake: Fake, home: Path) -> None:
    def handler(exchange: Exchange) -> None:
        made = [request for request in daemon.requests if request[0] == "POST"]
        if exchange.key == CREATE:
            exchange.fail(409, "InvalidArgumentError", "NAME_TAKEN")
        elif made:
            exchange.answer(info(name="it"))
        else:
            exchange.fail(404, "SandboxUnavailable", "SANDBOX_NOT_FOUND")

    daemon = fake(handler)
    assert api.get_or_create("it", home=home, auto_start=False).name == "it"
    assert [request[0] for request in daemon.requests] == ["GET", "POST", "GET"]


def test_each_fork_has_a_lease_of_its_own(api: Any, fake: Fake, home: Path) -> None:
    ended = {name: threading.Event() for name in ("fork", "sbx_a", "sbx_b")}

    def handle(exchange: Exchange) -> None:
        if exchange.key.endswith("/fork"):
            exchange.lines(*({**CREATED, "sandbox": info(id=one)} for one in ("sbx_a", "sbx_b")))
            exchange.wait_for_end()
            ended["fork"].set()
        elif exchange.key.endswith("/lease"):
            exchange.lines({"event": "leased", "sandbox": info()})
            exchange.wait_for_end()
            ended[exchange.key.split("/")[3]].set()
        else:
            exchange.answer({"destroyed": True, "guarantee": ""})

    daemon = fake(sandbox_that(handle))
    first, second = api.connect(SANDBOX_ID, home=home).fork(count=2, tags={"a": "b"})
    assert daemon.requests[1][3] == b'{"count":2,"tags":{"a":"b"}}'
    assert [first.id, second.id] == ["sbx_a", "sbx_b"]
    assert ended["fork"].wait(5)
    first.destroy()
    assert ended["sbx_a"].wait(5) and not ended["sbx_b"].is_set()
    second.destroy()
    assert ended["sbx_b"].wait(5)


def test_an_interrupted_call_ends_its_command(fake: Fake, home: Path) -> None:
    ended = threading.Event()

    def handle(exchange: Exchange) -> None:
        exchange.lines({"event": "started", "pid": 7, "run_id": "run_1"})
        os.kill(os.getpid(), signal.SIGINT)
        exchange.wait_for_end()
        ended.set()

    fake(sandbox_that(handle))
    with pytest.raises(KeyboardInterrupt):
        mvm.Sandbox.connect(SANDBOX_ID, home=home).commands.run("sleep 100")
    assert ended.wait(5)


def test_one_client_serves_many_threads_and_tasks(fake: Fake, home: Path) -> None:
    def handle(exchange: Exchange) -> None:
        number = exchange.document()["argv"][0]
        exchange.lines({"event": "end", "result": result(stdout=number)})

    fake(sandbox_that(handle))
    numbers = [str(number) for number in range(60)]
    sandbox = mvm.Sandbox.connect(SANDBOX_ID, home=home)
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda number: sandbox.commands.run([number]).stdout, numbers)) == numbers

    async def together() -> list[str]:
        one = await mvm.AsyncSandbox.connect(SANDBOX_ID, home=home)
        return [done.stdout for done in await asyncio.gather(*(one.commands.run([number]) for number in numbers))]

    assert asyncio.run(together()) == numbers
