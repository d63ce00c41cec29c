"""A real HTTP server on a real Unix socket in a private state root, answering as a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

SANDBOX_ID = "sbx_01m82n4fec85qrs8rcr7zt19wc"

Handler = Callable[["Exchange"], None]


def info(**fields: Any) -> dict[str, Any]:
    """A sandbox's document."""
    return {
        "id": SANDBOX_ID,
        "name": None,
        "state": "running",
        "reason": None,
        "image": {"name": "python", "digest": "sha256:00"},
        "backend": "qemu",
        "accel": "tcg",
        "isolation": "emulated",
        "cpu": 1,
        "memory_mb": 512,
        "memory": {"reserved_mb": 512, "limit_mb": 512, "used_bytes": None},
        "disk_mb": 2048,
        "profile": "standard",
        "workload_id": None,
        "tags": {"some_tag": "x"},
        "owner": None,
        "tenant": "local",
        "detached": False,
        "created_at": "2025-01-01T00:00:00.000Z",
        "ready_at": None,
        "expires_at": None,
        "ended_at": None,
        "ports": [],
        "confinement": [],
        "template": None,
        "of_a_newer_daemon": 1,
        **fields,
    }


def result(**fields: Any) -> dict[str, Any]:
    """A command's result."""
    return {
        "schema_version": 1,
        "run_id": "run_01m82n4fec85qrs8rcr7zt19wc",
        "audit_id": "evt_01m82n4fec85qrs8rcr7zt19wc",
        "sandbox_id": SANDBOX_ID,
        "exit_code": 0,
        "signal": None,
        "timed_out": False,
        "oom_killed": False,
        "stdout": "42\n",
        "stderr": "",
        "stdout_bytes": 3,
        "stderr_bytes": 0,
        "stdout_truncated": False,
        "stderr_truncated": False,
        "duration_ms": 1.5,
        "timings": None,
        "isolation": None,
        "receipt_path": None,
        **fields,
    }


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"
    server: FakeDaemon

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            # The client left, which is what some tests are about.
            self.close_connection = True

    def _any(self) -> None:
        self.body = b"" if self.server.raw else self.read_body()
        self.server.requests.append((self.command, self.path, dict(self.headers), self.body))
        self.server.handler(self)

    do_GET = do_POST = do_PUT = do_DELETE = _any

    @property
    def key(self) -> str:
        return f"{self.command} {self.path.split('?')[0]}"

    def document(self) -> Any:
        return json.loads(self.body)

    def read_body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def answer(self, document: Any, status: int = 200, **headers: str) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def fail(self, status: int, name: str, code: str, **fields: Any) -> None:
        error = {"name": name, "code": code, "message": "Cannot do it: no", **fields}
        self.answer({"schema_version": 1, "error": error}, status)

    def lines(self, *events: Any) -> None:
        if not self.close_connection:
            self.send_response(200)
            self.send_header("content-type", "application/x-ndjson")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
        for event in events:
            self.wfile.write(json.dumps(event).encode() + b"\n")
        self.wfile.flush()

    def wait_for_end(self, seconds: float = 20) -> bool:
        """Whether the client ends the connection in time."""
        self.connection.settimeout(seconds)
        try:
            return self.connection.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


class FakeDaemon(ThreadingMixIn, UnixStreamServer):
    """Serves until it is closed."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, home: Path, handler: Handler, *, raw: bool = False) -> None:
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(str(home / "run" / "mvmd.sock"), Exchange)
        self.home = home
        self.handler = handler
        self.raw = raw
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def handle_error(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
