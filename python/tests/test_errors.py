"""One error table for both languages."""

from __future__ import annotations

import copy
import json
import pickle
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mvm
from mvm.errors import error_classes, from_document
from mvm.errors.foreign import to_sandbox_error
from mvm.errors.table import error_table

from .support.fake_daemon import result

names = sorted(error_classes)


def make(name: str) -> mvm.SandboxError:
    extra: dict[str, Any] = {"result": mvm.CommandResult.from_document(result())} if name == "CommandFailed" else {}
    return error_classes[name]("Cannot do it: no", operation="x.y", sandbox_id="sbx_1", context={"a": 1}, **extra)


def test_every_code_has_its_class() -> None:
    assert {row.error_class for row in error_table.values()} <= set(error_classes)
    assert {make(name).code for name in names} <= set(error_table)


@pytest.mark.parametrize("name", names)
def test_errors_survive_their_document_and_pickling(name: str) -> None:
    error = make(name)
    for again in (
        from_document(json.loads(json.dumps(error.to_document()))),
        pickle.loads(pickle.dumps(error)),
        copy.copy(error),
    ):
        assert type(again) is type(error)
        assert again.to_document() == error.to_document()


def test_families() -> None:
    assert mvm.VmCapacityError("m").transient and not mvm.VmCapacityError("m").permanent
    assert mvm.VmConfigError("m").permanent and not mvm.VmConfigError("m").transient
    assert not mvm.OutcomeUnknownError("m").transient
    assert mvm.VmGvproxyError is mvm.VmNetworkError and mvm.VmError is mvm.VmPermanentError
    assert mvm.CommunicationError is mvm.TransportError and mvm.BalloonError is mvm.BalloonTransientError
    with pytest.raises(TypeError, match="has no field 'rule'"):
        mvm.Timeout("m", rule="x")


def test_a_newer_daemon_is_understood() -> None:
    error = from_document({"error": {"code": "FUTURE", "name": "FutureError", "message": "m", "retry": "soon"}})
    assert (type(error), error.code, error.retry) == (mvm.SandboxError, "FUTURE", "ask")
    assert (
        type(from_document({"error": {"code": "FUTURE", "name": "PolicyDenied", "message": "m"}})) is mvm.PolicyDenied
    )
    assert type(from_document({"error": {"code": "COMMAND_FAILED", "message": "m"}})) is mvm.SandboxError


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    document=json_values, body=st.dictionaries(st.sampled_from(["name", "code", "context", "response"]), json_values)
)
def test_no_document_is_too_odd(document: Any, body: dict[str, Any]) -> None:
    assert isinstance(from_document(document), mvm.SandboxError)
    assert isinstance(from_document({"error": {**body, "message": "m"}}), mvm.SandboxError)


@pytest.mark.parametrize(
    ("error", "dispatched", "code"),
    [
        (FileNotFoundError(2, "no"), False, "DAEMON_UNAVAILABLE"),
        (ConnectionRefusedError(111, "no"), False, "DAEMON_UNAVAILABLE"),
        (BlockingIOError(11, "no"), False, "COMMUNICATION_TRANSIENT"),
        (PermissionError(13, "no"), False, "TRANSPORT_FAILED"),
        (OSError(24, "no"), False, "VM_CAPACITY"),
        (BrokenPipeError(32, "no"), True, "OUTCOME_UNKNOWN"),
        (RuntimeError("no"), True, "OUTCOME_UNKNOWN"),
        (socket.gaierror(5, "no"), True, "INTERNAL"),
    ],
)
def test_foreign_failures(error: Exception, dispatched: bool, code: str) -> None:
    made = to_sandbox_error(error, operation="x.y", dispatched=dispatched)
    assert (made.code, made.outcome) == (code, "unknown" if dispatched else "not_started")
    idempotent = to_sandbox_error(BrokenPipeError(32, "no"), operation="x.y", dispatched=True, idempotent=True)
    assert (idempotent.code, idempotent.retry) == ("TRANSPORT_FAILED", "safe")
