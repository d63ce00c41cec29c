"""Code in contexts that keep their state, by both clients."""

from __future__ import annotations

from typing import Any

import pytest

import mvm

pytestmark = pytest.mark.vm


def test_a_context_keeps_its_state_and_tells_what_came_of_each_call(api: Any, shared: mvm.Sandbox) -> None:
    sandbox = api.connect(shared.id)
    name = f"c-{type(sandbox).__name__.strip('_')}"
    first = sandbox.run_code("python", "x = 6\nprint('hello')", context=name)
    assert (first.stdout, first.value, first.error, first.context_fresh) == ("hello\n", None, None, True)
    seen: list[str] = []
    second = sandbox.run_code("python", "print('again')\nx * 7", context=name, on_stdout=seen.append)
    assert (second.value, second.context_fresh, seen) == ("42", False, ["again\n"])
    failed = sandbox.run_code("python", "1 / 0", context=name)
    assert failed.error.name == "ZeroDivisionError" and "1 / 0" in failed.error.traceback
    assert (name, "python") in [(context.context, context.language) for context in sandbox.contexts.list()]
    assert sandbox.contexts.delete("python", name) is True
    assert sandbox.contexts.delete("python", name) is False
    with pytest.raises(mvm.InvalidArgumentError):
        sandbox.run_code("cobol", "x")


def test_output_spills_into_a_file_of_the_guest(api: Any, shared: mvm.Sandbox) -> None:
    sandbox = api.connect(shared.id)
    result = sandbox.commands.run("head -c 300000 /dev/zero | tr '\\0' x", max_output_bytes=1000, spill="spilt")
    assert (result.stdout_truncated, result.spill_bytes) == (True, 300_000)
    assert sandbox.files.read("spilt") == "x" * 300_000
