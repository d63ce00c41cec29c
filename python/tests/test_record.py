"""Scripts that are recorded. The same scripts in TypeScript have the same documents: see tests/recordings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvm.errors import InvalidArgumentError
from mvm.record.canonical import canonical

from .conftest import CHECKOUT

RECORDINGS = CHECKOUT / "tests/recordings"
REFUSED = json.loads((RECORDINGS / "refused.json").read_text())


def record(script: Path | str, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = ["-c", script] if isinstance(script, str) else [str(script)]
    environment = {"MVM_SDK_MODE": "record", "MVM_SDK_OUT_PATH": str(out), **environment}
    return subprocess.run(
        [sys.executable, *words], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["service", "steps", "least", "job"])
def test_a_script_is_recorded_as_it_was_reviewed(tmp_path: Path, name: str) -> None:
    out = tmp_path / "workload.json"
    done = record(RECORDINGS / f"{name}.py", out)
    assert (done.returncode, done.stderr) == (0, "")
    expected = json.loads((RECORDINGS / f"{name}.json").read_text())
    assert json.loads(out.read_text()) == expected["ir"]
    assert out.read_text() == canonical(expected["ir"])


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_what_no_recording_can_keep_is_refused(tmp_path: Path, case: dict[str, Any]) -> None:
    out = tmp_path / "workload.json"
    out.write_text("an older one")
    start = "import mvm\nsandbox = mvm.Sandbox.create()\nsandbox.commands.run(['true'])\n"
    done = record(start + case["python"], out)
    last = done.stderr.splitlines()[-1]
    pattern = rf"(mvm\.errors\.classes\.RecordModeError: |mvm: nothing is recorded: )(Cannot record )?{case['message']}"
    assert re.match(pattern, last), done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("workload_id='Not One'", "workload_id is not a lower-case letter"),
        ("detach=True, ttl_seconds=5", "`detach`, `owner` and `tenant` are said by who starts a workload"),
        ("env={'A': 'x'}, secrets={'A': mvm.SecretRef('a')}", "one variable is both in `env` and in `secrets`"),
        ("cpu=1.5", "an argument of type float has no place in a workload"),
        ("tags={'a': '\\ud800'}", "a text is not valid Unicode"),
    ],
)
def test_a_sandbox_that_no_workload_can_be_is_refused(tmp_path: Path, options: str, message: str) -> None:
    done = record(f"import mvm\nmvm.Sandbox.create({options})", tmp_path / "workload.json")
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_needs_to_know_where_to_and_knows_no_other_mode() -> None:
    script = "import mvm\nmvm.Sandbox.create()"
    assert "MVM_SDK_OUT_PATH does not say where to" in record(script, Path(), MVM_SDK_OUT_PATH="").stderr
    assert "neither live nor record" in record(script, Path(), MVM_SDK_MODE="plan").stderr


def test_a_script_that_fails_leaves_nothing(tmp_path: Path) -> None:
    script = "import mvm\nmvm.Sandbox.create().commands.run(['true'])\nraise ValueError"
    assert record(script, tmp_path / "workload.json").returncode == 1
    assert list(tmp_path.iterdir()) == []


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_values)
def test_canonical_json_says_what_json_says(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


def test_names_are_in_the_order_of_their_utf16_units() -> None:
    assert canonical({"\ufb33": 1, "🙂": 2, "a": 3}) == '{"a":3,"🙂":2,"\ufb33":1}'
    with pytest.raises(InvalidArgumentError):
        canonical({"a": 2**53})
