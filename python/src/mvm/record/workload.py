"""The workload, in normal form, that a script means which asks for one sandbox and does something in it.

The twin of ``packages/protocol/src/workload/recorded.ts``: the same script has the same bytes in both languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mvm.client.call import given

UNNAMED = "workload"
"""Id of a workload whose script gave none: its sandbox has none either."""

Document = dict[str, Any]


def recorded_workload(request: Mapping[str, Any], operations: Sequence[Document]) -> Document:
    """``request`` is the body of the call that makes the sandbox."""
    workload_id = request.get("workload_id", UNNAMED)
    reference, _, digest = request.get("image", "python").partition("@")
    entrypoints, rest = _with_entrypoint(operations)
    app = {
        "name": workload_id,
        "image": {"kind": "reference", "reference": reference, **given(digest=digest or None)},
        "entrypoints": entrypoints,
        "operations": rest,
        "resources": {
            "cpu_cores": request.get("cpu", 1),
            "memory_mb": request.get("memory_mb", 512),
            "rootfs_size_mb": request.get("disk_mb", 2048),
        },
        "env": {**_literals(request.get("env", {})), **_references(request.get("secrets", {}))},
        "files": [],
        "mounts": [_mount(mount) for mount in request.get("mounts", ())],
        "network": _network(request.get("network", {}).get("allow", ())),
        "profile": request.get("profile", "standard"),
        "tags": request.get("tags", {}),
        **given(sandbox_name=request.get("name")),
    }
    for name in ("ttl_seconds", "idle_seconds", "backend", "accel", "require_isolation"):
        app |= given(**{name: request.get(name)})
    return {"schema_version": "0.1", "id": workload_id, "apps": [app], "volumes": [], "extensions": {}}


def command_operation(kind: str, request: Mapping[str, Any]) -> Document:
    """What a command's request says, as an operation."""
    cwd, user = request.get("cwd"), request.get("user")
    if cwd is None and user in (None, "user"):
        cwd = "/home/user"
    return {
        "kind": kind,
        "env": _literals(request.get("env", {})),
        **given(
            argv=request.get("argv"),
            shell=request.get("shell"),
            working_dir=None if cwd is None else absolute_guest_path(cwd),
            user=user,
            timeout_ms=request.get("timeout_ms"),
            stdin_b64=request.get("stdin_data"),
            max_output_bytes=request.get("max_output_bytes"),
        ),
    }


def absolute_guest_path(path: str) -> str:
    """A path as the guest understands it, written out."""
    return path if path.startswith("/") else f"/home/user/{path}"


def _literals(env: Mapping[str, str]) -> Document:
    return {name: {"kind": "literal", "value": value} for name, value in env.items()}


def _references(secrets: Mapping[str, Mapping[str, Any]]) -> Document:
    return {
        variable: {
            "kind": "secret_ref",
            "ref": {
                "name": ref["secret"],
                "mount": {"kind": "env", "var": variable},
                **given(
                    hosts=[_spelled(host) for host in ref["hosts"]] if "hosts" in ref else None,
                    header=ref.get("header"),
                ),
            },
        }
        for variable, ref in secrets.items()
    }


def _mount(mount: Mapping[str, Any]) -> Document:
    source = {"kind": "host_path", "path": mount["host"]}
    return {"target": mount["guest"], "source": source, "mode": mount.get("mode", "ro")}


def _network(allow: Sequence[Mapping[str, Any]]) -> Document:
    rules = [{"host": _spelled(rule["host"]), "port": rule["port"], "protocol": rule["protocol"]} for rule in allow]
    keyed = {f"{rule['host']} {rule['port']:05} {rule['protocol']}": rule for rule in rules}
    allowlist = [keyed[key] for key in sorted(keyed)]
    if not allowlist:
        return {"mode": "none", "ports": []}
    return {"mode": "bridge", "ports": [], "egress": {"allowlist": allowlist}}


def _spelled(host: str) -> str:
    return host.lower().removesuffix(".")


def _with_entrypoint(operations: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """The last command is what the workload runs, where an entry point can say all of it.

    Nothing but forwarded ports may come after it: a server that a script starts last would otherwise end with it.
    """
    at = len(operations) - 1
    while at >= 0 and operations[at]["kind"] == "port_forward":
        at -= 1
    if at < 0 or not operations[at]["kind"].startswith("command_"):
        return [], list(operations)
    last = operations[at]
    if "stdin_b64" in last or "max_output_bytes" in last:
        return [], list(operations)
    kept: Document = {name: last[name] for name in ("env", "working_dir", "user", "timeout_ms") if name in last}
    command = last["argv"] if "argv" in last else ["/bin/sh", "-lc", last["shell"]]
    return [{"kind": "command", "command": command, **kept}], [*operations[:at], *operations[at + 1 :]]
