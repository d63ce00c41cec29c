"""Errors out of the documents of the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from mvm.errors.base import GuestErrorResponse, SandboxError, error_row
from mvm.errors.classes import TransportError, error_classes
from mvm.errors.row import Boundary, Outcome, Retry
from mvm.errors.table import error_table


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _one_of(value: object, allowed: Any) -> Any:
    return value if value in get_args(allowed) else None


def _response(value: object) -> GuestErrorResponse:
    fields: Mapping[str, object] = value if isinstance(value, Mapping) else {}
    return GuestErrorResponse(
        kind=_text(fields.get("kind")) or "unknown",
        errno=_text(fields.get("errno")),
        message=_text(fields.get("message")) or "",
        outcome=_text(fields.get("outcome")) or "unknown",
    )


def _extra(name: str, value: object) -> Any:
    if name == "result":
        from mvm.results.command_result import CommandResult

        return CommandResult.from_document(value) if isinstance(value, Mapping) else None
    if name == "response":
        return _response(value)
    if name in ("expected_uid", "actual_uid"):
        return value if isinstance(value, int) else -1
    if name in ("backend", "feature"):
        return _text(value) or "unknown"
    return _text(value) or "" if name == "stderr" else _text(value)


def from_document(document: object, *, operation: str | None = None, sandbox_id: str | None = None) -> SandboxError:
    """The error that a document describes, with the same class and the same fields.

    Never raises. One of a newer daemon keeps its code and falls back to the nearest class; what is no error document
    becomes a ``TransportError`` with the code ``PROTOCOL_VIOLATION``.
    """
    body = document.get("error") if isinstance(document, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(body.get("message"), str):
        return TransportError(
            "Cannot read the error of the other end: it is not an error document",
            code="PROTOCOL_VIOLATION",
            operation=operation,
            sandbox_id=sandbox_id,
        )
    code = _text(body.get("code")) or "INTERNAL"
    name = _text(body.get("name")) or error_row(code).error_class
    if name not in error_classes:
        name = error_row(code).error_class if code in error_table else "SandboxError"
    if name == "CommandFailed" and not isinstance(body.get("result"), Mapping):
        name = "SandboxError"
    make = error_classes[name]
    context = body.get("context")
    return make(
        body["message"],
        code=code,
        hint=_text(body.get("hint")),
        boundary=_one_of(body.get("boundary"), Boundary),
        retry=_one_of(body.get("retry"), Retry),
        outcome=_one_of(body.get("outcome"), Outcome),
        operation=_text(body.get("operation")) or operation,
        sandbox_id=_text(body.get("sandbox_id")) or sandbox_id,
        run_id=_text(body.get("run_id")),
        audit_id=_text(body.get("audit_id")),
        context=context if isinstance(context, Mapping) else None,
        **{field: _extra(field, body.get(field)) for field in make._all_extra_fields()},
    )
