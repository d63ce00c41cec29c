"""Policies and references, as documents."""

from typing import Any

import pytest

from mvm import InvalidArgumentError, NetworkPolicy, SecretRef


def test_a_policy_is_immutable_and_a_document() -> None:
    empty = NetworkPolicy.deny_by_default()
    policy = empty.allow_https("API.example.com").allow_http("*.b.c", 8080).allow_tcp("10.0.0.1", 5432)
    assert empty.to_document() == {"default": "deny", "allow": []}
    assert policy.to_document()["allow"] == [
        {"host": "api.example.com", "port": 443, "protocol": "https"},
        {"host": "*.b.c", "port": 8080, "protocol": "http"},
        {"host": "10.0.0.1", "port": 5432, "protocol": "tcp"},
    ]
    assert NetworkPolicy.from_document(policy.to_document()) == policy


@pytest.mark.parametrize("host", ["", "a b", "a:443", "https://a", "*", "*.*.a", "a" * 256, "a/b", None, 5])
def test_hosts_that_cannot_be(host: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        NetworkPolicy.deny_by_default().allow_https(host)


@pytest.mark.parametrize("port", [0, 65_536, -1, True, "443", 1.5])
def test_ports_that_cannot_be(port: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        NetworkPolicy.deny_by_default().allow_https("a.b", port)


@pytest.mark.parametrize("document", [{}, {"default": "allow", "allow": []}, {"default": "deny", "allow": [{}]}, 5])
def test_documents_that_are_no_policy(document: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        NetworkPolicy.from_document(document)


def test_secrets_are_names() -> None:
    assert SecretRef("key").to_document() == {"secret": "key"}
    reference = SecretRef("key", hosts=["a.b"], header="authorization")
    assert SecretRef.from_document(reference.to_document()).to_document() == reference.to_document()
    for name in ("", "a b", "-a", "a" * 129, None):
        with pytest.raises(InvalidArgumentError):
            SecretRef(name)  # type: ignore[arg-type]
