"""The default network: renamed, replaced, restarted, in another directory, or known only to Multus."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cniplugin.install.commandline import DIFFERS, DONE, FAILED
from cniplugin.install.installer import run
from tests.cniplugin.attach.test_confdir import network

from .scratchnode import CONF, IN_A_POD, OURS, Killed, Node, bare, copy

FILE = f"{CONF}/10-bridge.conflist"


def _name(node: Node, ours: str = OURS) -> str:
    return str(node.conf(ours)["plugins"][0]["delegates"][0]["name"])


def _nothing() -> None:
    return


# Renamed by others


def test_a_file_that_was_renamed_is_the_default_network_still(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """Also beside another network that the runtime's package brought."""
    node.default("11-crio-ipv4-bridge.conflist", network("crio", "bridge"))
    node.run("install")
    (node.root / FILE).rename(node.root / f"{FILE}.old")
    node.renew("second")
    assert node.stay("install", rounds=[_nothing, _nothing]) is None
    assert node.token == "second"
    assert _name(node) == "mynet"
    capsys.readouterr()
    assert node.run("show") == DONE
    shown = "as installed  /etc/cni/net.d/10-bridge.conflist (default network), renamed to /etc/cni/net.d/10-bridge"
    assert f"{shown}.conflist.old\n" in capsys.readouterr().out


# Renamed by us


def test_rename_conf_file(node: Node) -> None:
    before = node.tree()
    assert node.run("install", "--rename-conf-file") == DONE
    assert not (node.root / FILE).exists()
    assert (node.root / f"{FILE}.nadmit-old").exists()
    assert node.run("show") == DONE
    steps: list[str] = []
    assert node.run("install", "--rename-conf-file", steps=steps) == DONE
    assert steps == []
    assert _name(node) == "mynet"
    assert node.run("uninstall") == DONE
    assert node.tree() == before


def test_the_name_comes_back_without_the_option(node: Node) -> None:
    node.run("install", "--rename-conf-file")
    assert node.run("install") == DONE
    assert (node.root / FILE).exists()
    assert not (node.root / f"{FILE}.nadmit-old").exists()
    assert node.run("show") == DONE


def test_a_file_that_its_plugin_writes_again_is_renamed_again(node: Node) -> None:
    def write() -> None:
        node.default("10-bridge.conflist", network("newer", "ptp", "portmap"))

    assert node.stay("install", "--rename-conf-file", rounds=[write, _nothing]) is None
    assert not (node.root / FILE).exists()
    assert json.loads((node.root / f"{FILE}.nadmit-old").read_text())["name"] == "newer"
    assert _name(node) == "newer"


def test_another_network_replaces_a_renamed_one(node: Node) -> None:
    """The swap of a cluster's network plugin."""

    def swap() -> None:
        node.default("10-calico.conflist", network("calico", "calico", "portmap"))

    assert node.stay("install", "--rename-conf-file", rounds=[swap, _nothing]) is None
    assert _name(node) == "calico"
    assert (node.root / f"{CONF}/10-calico.conflist.nadmit-old").exists()


@pytest.mark.parametrize("repair", ["install", "uninstall"])
def test_renaming_can_be_interrupted(node: Node, repair: str, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    pristine = bare(node.tree())
    copy(node.root, saved)
    steps: list[str] = []
    node.run("install", "--rename-conf-file", steps=steps)
    for kill_at in range(len(steps) - 6, len(steps)):
        shutil.rmtree(node.root)
        copy(saved, node.root)
        with pytest.raises(Killed):
            node.run("install", "--rename-conf-file", kill_at=kill_at)
        if repair == "install":
            assert node.run("install", "--rename-conf-file") == DONE
            assert node.run("show") == DONE
        assert node.run("uninstall") == DONE
        assert bare(node.tree()) == pristine, steps[kill_at]


# Gone, replaced, new


def _swap(node: Node) -> Callable[[], None]:
    def swap() -> None:
        (node.root / FILE).unlink()
        node.default("10-calico.conflist", network("calico", "calico", "portmap"))

    return swap


def test_a_new_network_takes_the_place_of_a_removed_one(node: Node) -> None:
    assert node.stay("install", rounds=[_swap(node), _nothing]) is None
    assert _name(node) == "calico"
    assert node.run("show") == DONE


def test_a_network_that_sorts_before_becomes_the_default_one(node: Node) -> None:
    node.run("install")
    node.default("05-cilium.conflist", network("cilium", "cilium-cni", "portmap"))
    assert node.run("install") == DONE
    assert _name(node) == "cilium"


def test_a_network_plugin_that_restarts_keeps_its_place(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """Its file is away for a moment, and the bridge of CRI-O has been there all the time."""
    node.default("11-crio-ipv4-bridge.conflist", network("crio", "bridge", "portmap"))
    text = (node.root / FILE).read_text()
    names: list[str] = []
    file = node.root / FILE
    happens: list[tuple[Callable[[], object], bool]] = [
        (file.unlink, True),
        (lambda: file.write_text(text), True),
        (file.unlink, False),
        (_nothing, False),
    ]

    class Scripted:
        """Changes and whole pauses, in this order."""

        def watch(self, directories: Sequence[str]) -> None:
            assert str(node.root / CONF) in directories

        def wait(self, _seconds: float, _directories: Sequence[str]) -> bool:
            names.append(_name(node))
            if len(names) > len(happens):
                raise Killed
            change, is_woken = happens[len(names) - 1]
            change()
            return is_woken

    words = ["install", "--root", str(node.root), "--service-account", str(node.account), "--every", "60"]
    with pytest.raises(Killed):
        run([*words, "--bundle", str(node.program)], environ=IN_A_POD, changes=Scripted())
    assert names == ["mynet", "mynet", "mynet", "crio", "crio"], "after a whole pause, it is another network"
    said = capsys.readouterr().err
    assert "it is gone; if that lasts, /etc/cni/net.d/11-crio-ipv4-bridge.conflist becomes the default network" in said


# Another directory


def test_another_directory_of_the_default_network(node: Node) -> None:
    (node.root / "run/multus/cni/net.d").mkdir(parents=True)
    (node.root / FILE).rename(node.root / "run/multus/cni/net.d/10-ovn-kubernetes.conflist")
    options = ("--default-network-dir", "/run/multus/cni/net.d")
    assert node.run("install", *options) == DONE
    assert _name(node) == "mynet"
    assert node.run("show") == DONE
    assert node.stay("install", *options, rounds=[_nothing]) is None


def test_without_a_file_there_the_usual_directory_counts(node: Node) -> None:
    """OpenShift with `disableMultiNetwork`: the network plugin writes into the runtime's directory."""
    assert node.run("install", "--default-network-dir", "/run/multus/cni/net.d") == DONE
    assert _name(node) == "mynet"


# Multus


MULTUS = {
    "cniVersion": "0.3.1",
    "name": "multus-cni-network",
    "type": "multus",
    "delegates": [network("cbr0", "flannel", "portmap")],
}


AS_LIST = {
    "cniVersion": "1.0.0",
    "name": "multus-cni-network",
    "plugins": [{key: MULTUS[key] for key in ("type", "delegates")}],
}


@pytest.mark.parametrize(("name", "conf"), [("00-multus.conf", MULTUS), ("00-multus.conflist", AS_LIST)])
def test_multus_knows_the_default_network_that_it_renamed(
    node: Node, name: str, conf: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (node.root / FILE).rename(node.root / f"{FILE}.old")
    (node.root / CONF / name).write_text(json.dumps(conf))
    assert node.run("install") == DONE
    assert _name(node, f"{CONF}/00-0-nadmit.conflist") == "cbr0"
    assert f"the default network is the first delegate of /etc/cni/net.d/{name}\n" in capsys.readouterr().out
    assert node.run("install") == DONE
    assert node.run("show") == DONE
    (node.root / CONF / name).unlink()
    assert node.run("install") == FAILED
    assert _name(node, f"{CONF}/00-0-nadmit.conflist") == "cbr0", "it stays when Multus goes"


def test_multus_around_us_is_no_default_network(node: Node) -> None:
    """Its installer takes the first file that is not its own, and that is ours."""
    node.run("install")
    node.default("00-multus.conf", {**MULTUS, "delegates": [node.conf()]})
    (node.root / FILE).unlink()
    assert node.run("install") == FAILED
    assert node.run("show") == DIFFERS
    assert _name(node) == "mynet"


def test_a_configuration_of_multus_is_stepped_around(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    pristine = node.tree()
    node.default("00-multus.conf", MULTUS)
    with_multus = node.tree()
    assert node.run("install") == DONE
    names = sorted(path.name for path in (node.root / CONF).glob("*.conf*"))
    assert names == ["00-0-nadmit.conflist", "00-multus.conf", "10-bridge.conflist"]
    said = "00-multus.conf: it is no longer used, because 00-0-nadmit.conflist sorts before it\n"
    assert said in capsys.readouterr().out
    assert node.run("show") == DONE
    (node.root / CONF / "00-multus.conf").unlink()
    assert node.run("install") == DONE
    assert (node.root / CONF / "00-0-nadmit.conflist").exists(), "a name that is good enough stays"
    node.default("00-multus.conf", MULTUS)
    node.run("uninstall")
    (node.root / CONF / "00-multus.conf").unlink()
    assert node.tree() == pristine
    assert with_multus.keys() - pristine.keys() == {f"{CONF}/00-multus.conf"}


def test_one_that_comes_later_is_stepped_around(node: Node) -> None:
    assert node.stay("install", rounds=[lambda: node.default("00-multus.conf", MULTUS), _nothing]) is None
    assert not (node.root / OURS).exists()
    assert (node.root / CONF / "00-0-nadmit.conflist").exists()
    assert node.run("show") == DONE
