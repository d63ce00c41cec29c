"""The wheel, installed where nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from .conftest import CHECKOUT

pytestmark = pytest.mark.vm

SCRIPT = """
import mvm
assert "site-packages" in mvm.__file__, mvm.__file__
with mvm.Sandbox.create("python") as sandbox:
    print(sandbox.commands.run(["python3", "-c", "print(6*7)"]).stdout, end="")
"""


def test_a_wheel_in_an_empty_venv_runs_a_command_in_a_machine(real_home: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(CHECKOUT / "python")], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("mvm-*.whl")
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)

    # An installed mvmctl, as npm links it.
    command = tmp_path / "bin" / "mvmctl"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec node "{CHECKOUT}/packages/cli/dist/mvmctl.js" "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "MVM_HOME": str(real_home)}
    done = subprocess.run([python, "-c", SCRIPT], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "42\n", done.stderr
