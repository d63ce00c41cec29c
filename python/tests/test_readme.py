"""The examples of the README run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CHECKOUT

pytestmark = pytest.mark.vm

EXAMPLES = re.findall(r"^```python\n(.*?)^```$", (CHECKOUT / "python" / "README.md").read_text(), re.M | re.S)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(real_home: Path, number: int) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", EXAMPLES[number]], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
