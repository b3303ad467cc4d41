"""A pod with only the default network outlives the uninstall: either runtime detaches it, and nothing is left.

containerd detaches by the configuration that it reads now, which the uninstall has restored. CRI-O detaches by the
configuration of ADD, which libcni kept, and its program must still be there.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cniplugin.install.commandline import DIFFERS, DONE
from cniplugin.install.installer import run

from .leaknode import CONTAINER, World

pytestmark = pytest.mark.root


class Installed:
    """The real installer on a node, without an API server."""

    def __init__(self, world: World) -> None:
        self.conf_dir, self.bin_dir = world.root / "net.d", world.root / "programs"
        self.conf_dir.mkdir()
        (self.conf_dir / "10-n0.conflist").write_text(json.dumps(world.network(0)))
        more = world.root / "more.json"
        keys = {"recordDir": str(world.records), "cniDir": str(world.root / "multus"), "binDir": str(world.bin)}
        more.write_text(json.dumps(keys))
        self._places = ["--cni-conf-dir", str(self.conf_dir), "--cni-bin-dir", str(self.bin_dir)]
        given = ["--bundle", str(world.bin / "nadmit"), "--kubeconfig", "none", "--config", str(more)]
        assert run(["install", *self._places, *given], environ={}) == DONE
        self.kept = self.first()

    def first(self) -> dict[str, Any]:
        """Return the request of a runtime for the first file: that of its first plugin."""
        conf = json.loads(min(self.conf_dir.glob("*.conflist")).read_text())
        return {**conf["plugins"][0], "cniVersion": conf["cniVersion"], "name": conf["name"]}

    def uninstall(self) -> int:
        return run(["uninstall", *self._places], environ={})

    @property
    def program(self) -> str:
        return str(self.bin_dir / "nadmit")


def _attached(world: World) -> Installed:
    installed = Installed(world)
    assert installed.kept["type"] == "nadmit"
    world.add(installed.kept, program=installed.program)
    assert installed.uninstall() == DIFFERS, "the program stays"
    assert installed.first()["type"] == "bridge", "new pods start without the plugin"
    return installed


def _interfaces(world: World) -> str:
    words = ["ip", "-n", world.host, "-o", "link", "show", "type", "veth"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def test_containerd_detaches_by_the_restored_configuration(world: World) -> None:
    installed = _attached(world)
    world.succeed("DEL", installed.first(), program="bridge")
    assert world.leases() == []
    assert _interfaces(world) == ""
    subprocess.run(["ip", "netns", "delete", world.pod], check=True)
    assert installed.uninstall() == DONE
    assert not Path(installed.program).exists()


def test_cri_o_detaches_by_the_configuration_of_add(world: World) -> None:
    installed = _attached(world)
    world.succeed("DEL", installed.kept, program=installed.program)
    assert world.leases() == []
    assert _interfaces(world) == ""
    assert not (world.records / f"{CONTAINER}.journal").exists()
    assert installed.uninstall() == DONE
    assert not Path(installed.program).exists()
