"""One call of the HTTP API, before it is sent."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, urlencode

from mvm.errors import InvalidArgumentError

Scalar: TypeAlias = "str | int | float | bool | None"
Body: TypeAlias = "bytes | Iterable[bytes] | AsyncIterable[bytes]"


@dataclass(frozen=True)
class Call:
    """One call of the HTTP API. ``path`` is what follows ``/v1``, its segments encoded: see :func:`segment`."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    operation: str
    """Name for errors, e.g. ``files.write``."""
    query: Mapping[str, Scalar | list[str]] = field(default_factory=dict)
    """None is left out, lists are repeated."""
    json: Any = None
    body: Body | None = None
    """Sent as it is, instead of JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool | None = None
    """Whether a lost answer leaves nothing in doubt. Default: for GET."""
    timeout: float | None = None
    """Seconds of silence after which the call has failed. Default: the client's."""
    patient: bool = False
    """For answers that may take any time: at silence the daemon is asked whether it lives, and goes on if so."""
    running: bool = False
    """Do not start a daemon for it: what it asks for has ended with the daemon."""
    sandbox_id: str | None = None

    @property
    def repeatable(self) -> bool:
        """Whether repeating the call is harmless."""
        return self.method == "GET" if self.idempotent is None else self.idempotent

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        pairs = [
            (name, _query_text(one))
            for name, value in self.query.items()
            for one in (value if isinstance(value, list) else [value])
            if one is not None
        ]
        try:
            return f"/v1{self.path}" + (f"?{urlencode(pairs, quote_via=quote, safe='')}" if pairs else "")
        except UnicodeEncodeError as error:
            raise _not_unicode(self.operation) from error

    def content(self) -> tuple[dict[str, str], Body | None]:
        """Headers and body."""
        headers = {"host": "mvm", **_acknowledged(), **self.headers}
        if self.json is not None:
            headers["content-type"] = "application/json"
            return headers, encode_json(self.json, self.operation)
        if self.body is not None:
            headers.setdefault("content-type", "application/octet-stream")
        return headers, self.body


def segment(text: str | int) -> str:
    """A path segment, encoded. Raises ``InvalidArgumentError`` for one that no route can have."""
    if text == "" or not isinstance(text, (str, int)):
        raise InvalidArgumentError(
            f"Cannot use {text!r:.64} as sandbox: it is not a name or id of a sandbox", context={"argument": "sandbox"}
        )
    try:
        return quote(str(text), safe="")
    except UnicodeEncodeError as error:
        raise _not_unicode("the call") from error


def encode_json(value: Any, operation: str) -> bytes:
    """JSON, or ``InvalidArgumentError`` for what JSON cannot say."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise _not_unicode(operation) from error
    except (TypeError, ValueError, RecursionError) as error:
        # Its text would name a type, and for some types show a value.
        raise InvalidArgumentError(
            f"Cannot send {operation}: an argument is of a type that JSON does not have", operation=operation
        ) from error


def given(**values: Any) -> dict[str, Any]:
    """The values that are not None: absent is what the daemon takes its default for."""
    return {name: value for name, value in values.items() if value is not None}


def _query_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _not_unicode(operation: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"Cannot send {operation}: a text is not valid Unicode", operation=operation)


def _acknowledged() -> dict[str, str]:
    # The daemon cannot read it from its own environment: it is a word of whoever starts the client.
    return {"x-mvm-ack-permissive": "1"} if os.environ.get("MVM_ACK_PERMISSIVE_RUN") == "1" else {}
