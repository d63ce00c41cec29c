"""Declarations only record; what compiles them is tested in packages/declare."""

from __future__ import annotations

import runpy

import pytest

import mvm
from mvm.errors import InvalidArgumentError

from .conftest import CHECKOUT

FIXTURES = CHECKOUT / "packages/declare/test/fixtures"


def test_a_decorated_function_stays_what_it_is() -> None:
    @mvm.app(id="a", image="python", resources=mvm.resources(cpu=2), tags={"a": "b"})
    def main() -> int:
        return 42

    assert main() == 42
    workload = main.__mvm_workload__  # type: ignore[attr-defined]
    assert workload == mvm.Workload(id="a", image="python", resources=mvm.Resources(cpu=2), tags={"a": "b"})


@pytest.mark.parametrize("name", ["report.py", "texts.py"])
def test_modules_that_compile_can_be_imported(name: str) -> None:
    assert runpy.run_path(str(FIXTURES / name))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": "a", "image": "python", "resources": mvm.resources()}, "command"),
        ({"id": "a", "image": "python", "command": ["true"]}, "resources"),
        ({"id": "a", "image": "python", "command": ["true"], "resources": mvm.resources(), "colour": 1}, "colour"),
    ],
)
def test_unknown_and_missing_fields_are_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidArgumentError, match=reason):
        mvm.define_workload(**fields)
