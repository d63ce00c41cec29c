"""What changes a machine as a whole, by both clients."""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import mvm

pytestmark = pytest.mark.vm


def test_a_machine_is_captured_branched_and_put_away(api: Any, real_home: Path) -> None:
    with api.create("python") as sandbox:
        sandbox.files.write("a", "1")
        assert sandbox.pause().state == "paused"
        with pytest.raises(mvm.SandboxUnavailable) as paused:
            sandbox.commands.run("true")
        assert paused.value.state == "paused"
        assert sandbox.resume().state == "running"

        phases: list[Any] = []
        snapshot = sandbox.snapshot(name="one", on_progress=phases.append)
        assert snapshot.verify().ok and "sensitive" in snapshot.info.labels and phases
        sandbox.files.write("a", "2")
        with api.restore(snapshot) as restored:
            assert restored.files.read("a") == "1" and restored.id != sandbox.id
        with pytest.raises(mvm.InvalidArgumentError) as taken:
            sandbox.snapshot(name="one")
        assert taken.value.code == "NAME_TAKEN"

        for fork in sandbox.fork(count=2):
            with fork:
                assert fork.files.read("a") == "2"
        assert sandbox.cold().state == "cold"
        assert sandbox.resume().state == "running" and sandbox.files.read("a") == "2"

        snapshot.remove()
        with pytest.raises(mvm.SnapshotError) as gone:
            api.restore("one")
        assert gone.value.code == "SNAPSHOT_NOT_FOUND"
        assert sandbox.detach(ttl_seconds=600, owner="a test").detached
    assert sandbox.status().state == "running"
    assert sandbox.destroy().destroyed


def test_a_port_leads_into_the_guest_until_it_is_closed(api: Any, shared: mvm.Sandbox) -> None:
    sandbox = api.connect(shared.id)
    server = sandbox.commands.start(["python3", "-u", "-m", "http.server", "8000"])
    for event in server:
        if event.type == "stdout" and "Serving" in event.text:
            break
    with sandbox.ports.forward(host_port=0, guest_port=8000) as port:
        assert [forwarded.url for forwarded in sandbox.ports.list()] == [port.url]
        with urllib.request.urlopen(port.url, timeout=60) as answer:
            assert answer.status == 200
    assert sandbox.ports.list() == []
    port.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(port.url, timeout=60)
    server.kill("SIGKILL")
    server.wait()


def test_what_sandboxes_start_from_goes_to_an_archive_and_back(shared: mvm.Sandbox, tmp_path: Path) -> None:
    image = shared.info.image
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    try:
        digest = mvm.Template.export(image.name, first)
    except mvm.InvalidArgumentError as several:
        # The image has other sizes, too: it lists their keys.
        digest = mvm.Template.export(re.findall(r"[0-9a-f]{32}", str(several))[0], first)
    assert first.stat().st_mode & 0o777 == 0o600
    template = mvm.Template.import_(first)
    assert template.info.image == image and template.key == template.info.key

    async def again() -> tuple[str, mvm.TemplateInfo]:
        told = await mvm.AsyncTemplate.export(template.key, second)
        return told, (await mvm.AsyncTemplate.import_(second)).info

    assert asyncio.run(again()) == (digest, template.info)
    with pytest.raises(mvm.AssetNotFoundError):
        mvm.Template.export("0" * 32, tmp_path / "none.tar")
    second.write_bytes(second.read_bytes()[:-4096])
    with pytest.raises(mvm.SnapshotMismatchError):
        mvm.Template.import_(second)
