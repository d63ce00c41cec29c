"""What is generated is current."""

import subprocess
import sys

import pytest

from .conftest import CHECKOUT


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ruff's shape is checked once")
def test_the_blocking_client_is_what_the_asynchronous_one_makes() -> None:
    sys.path.insert(0, str(CHECKOUT / "python" / "scripts"))
    import make_sync

    expected = make_sync.blocking_modules()
    written = {path.name: path.read_text() for path in make_sync.TARGET.glob("*.py")}
    assert written == expected, "run: python scripts/make_sync.py"


def test_types_and_rules_hold() -> None:
    for command in (["mypy"], ["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=CHECKOUT / "python", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_licence_is_the_repositorys() -> None:
    # A copy: a source distribution holds nothing from outside of its folder.
    assert (CHECKOUT / "python" / "LICENSE").read_bytes() == (CHECKOUT / "LICENSE").read_bytes()
