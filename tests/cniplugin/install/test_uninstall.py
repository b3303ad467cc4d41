"""Taking the plugin off: what is restored, which containers keep it, and what happens meanwhile."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from cniplugin.install.commandline import DIFFERS, DONE, FAILED

from .scratchnode import BIN, CONF, OURS, Killed, Node

if TYPE_CHECKING:
    from pathlib import Path


def test_uninstall_restores_each_file_and_each_inode(node: Node) -> None:
    (node.root / OURS).write_text('{"name": "of another"}')
    (node.root / BIN / "nadmit").symlink_to("bridge")
    before = node.tree()
    assert node.run("install") == DONE
    assert not (node.root / BIN / "nadmit").is_symlink()
    assert node.run("uninstall") == DONE
    assert node.tree() == before
    assert node.run("uninstall") == DONE
    assert node.tree() == before


def test_uninstall_removes_the_directories_that_install_made(node: Node) -> None:
    before = node.tree()
    assert node.run("install", "--cni-bin-dir", "/usr/libexec/cni") == DONE
    assert (node.root / "usr/libexec/cni/nadmit").exists()
    node.run("uninstall")
    assert node.tree() == before


def test_uninstall_leaves_the_files_of_others(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.run("install")
    (node.root / CONF / "nadmit.d/notes").write_text("mine")
    assert node.run("uninstall") == DONE
    assert (node.root / CONF / "nadmit.d/notes").read_text() == "mine"
    assert "not removed: /etc/cni/net.d/nadmit.d" in capsys.readouterr().out


def attach(node: Node, directory: str = "var/lib/cni/nadmit") -> Path:
    records = node.root / directory
    records.mkdir(parents=True)
    for name in ("abc.journal", "def.journal", ".lock", "old.damaged"):
        (records / name).write_text("")
    return records


def test_uninstall_is_refused_while_containers_are_attached(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    pristine = node.tree()
    node.run("install")
    records = attach(node)
    before = node.tree()
    capsys.readouterr()
    assert node.run("uninstall") == FAILED
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "not uninstalled: " in said
    assert "2 containers are still attached" in said
    assert "DEL reaches only the default network" in said
    assert "remove their pods first, or give --force" in said
    assert node.tree() == before
    (records / "abc.journal").unlink()
    (records / "def.journal").unlink()
    assert node.run("uninstall") == DONE
    shutil.rmtree(node.root / "var")
    assert node.tree() == pristine


def test_a_forced_uninstall_restores_everything_and_leaves_the_records(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    attach(node)
    pristine, steps = node.tree(), list[str]()
    node.run("install")
    assert node.run("uninstall", "--force", steps=steps) == DONE
    assert "warning: " in capsys.readouterr().out
    assert node.tree() == pristine
    for kill_at in range(len(steps)):
        node.run("install")
        with pytest.raises(Killed):
            node.run("uninstall", "--force", kill_at=kill_at)
        assert node.run("uninstall") == FAILED, "what was killed is not forced by itself"
        assert node.run("uninstall", "--force") == DONE
        assert node.tree() == pristine, steps[kill_at]


def test_uninstall_counts_where_the_records_are(node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "more.json").write_text('{"recordDir": "/srv/records"}')
    node.run("install", "--config", str(tmp_path / "more.json"))
    attach(node, "srv/records")
    assert node.run("uninstall") == FAILED
    assert "/srv/records: 2 containers are still attached" in capsys.readouterr().err
    assert node.run("uninstall", "--record-dir", "/nonexistent") == DONE


# Containers with only the default network


def test_pods_with_only_the_default_network_do_not_block(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration goes, so new pods start without the plugin. The program stays for the DEL of CRI-O."""
    (node.root / "run/netns").mkdir(parents=True)
    (node.root / "run/netns/cni-1").write_text("")
    node.run("install")
    record = node.attach("c1", "mynet", netns="/run/netns/cni-1")
    capsys.readouterr()
    assert node.run("uninstall") == DIFFERS
    assert "the program stays: 1 container was attached by it to the default network, " in capsys.readouterr().out
    assert not (node.root / OURS).exists()
    assert not (node.root / CONF / "nadmit.d").exists()
    assert (node.root / BIN / "nadmit").exists()
    assert node.run("show") == DIFFERS
    assert "not installed, but the program stays for containers that it attached" in capsys.readouterr().out
    assert node.run("show", "--uninstalled") == DONE
    (node.root / "run/netns/cni-1").unlink()
    assert node.run("uninstall") == DONE
    assert not (node.root / BIN / "nadmit").exists()
    assert record.exists(), "records stay"


@pytest.mark.parametrize("names", [("other",), ("mynet", "lan")])
def test_pods_with_networks_of_their_own_block(
    node: Node, names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A default network of the pod's annotation is one of its own: the runtime's DEL would reach another one."""
    node.run("install")
    node.attach("c1", *names)
    before = node.tree()
    assert node.run("uninstall") == FAILED
    assert "1 containers are still attached to networks of their own" in capsys.readouterr().err
    assert node.tree() == before
    assert node.run("uninstall", "--force") == DONE


def test_a_namespace_that_cannot_be_seen_may_be_there(node: Node) -> None:
    node.run("install")
    node.attach("c1", "mynet", netns="/run/netns/cni-1")
    assert node.run("uninstall") == DIFFERS
    (node.root / "run/netns").mkdir(parents=True)
    assert node.run("uninstall") == DONE


def test_the_plugin_can_be_installed_again_before_its_program_is_gone(node: Node) -> None:
    pristine = node.tree()
    node.run("install")
    record = node.attach("c1", "mynet", netns="/run/netns/cni-1")
    assert node.run("uninstall") == DIFFERS
    assert node.run("install") == DONE
    assert node.run("show") == DONE
    record.unlink()
    assert node.run("uninstall") == DONE
    shutil.rmtree(node.root / "var")
    assert node.tree() == pristine


# The process of a DaemonSet


def test_the_token_is_renewed_until_the_pods_are_gone(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.run("install")
    record = node.attach("c1", "mynet", "lan")
    capsys.readouterr()
    seen: list[object] = []

    def look() -> None:
        seen.append((node.token, (node.root / OURS).exists(), node.run("show", "--uninstalled")))
        node.renew(f"token {len(seen)}".replace(" ", "-"))

    node.renew("token-0")
    assert node.stay("uninstall", rounds=[look, look, record.unlink, lambda: None, lambda: None]) is None
    assert seen == [("token-0", True, DIFFERS), ("token-1", True, DIFFERS)]
    said = capsys.readouterr()
    assert said.err.count("not uninstalled: ") == 1
    assert said.out.count("uninstalled\n") == 1
    assert node.run("show", "--uninstalled") == DONE


def test_it_does_not_wait_for_ever_without_showing_it(node: Node) -> None:
    node.run("install")
    node.attach("c1", "mynet", "lan")
    assert node.stay("uninstall", rounds=[lambda: None] * 50) == FAILED, "the kubelet shows restarts"


def test_an_uninstall_stays_when_it_is_done(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.run("install")
    assert node.stay("uninstall", rounds=[lambda: None] * 50) is None
    assert capsys.readouterr().out.count("uninstalled\n") == 1


def test_it_names_the_directory_of_an_installation(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.root / "var/lib/rancher/k3s/agent/etc/cni").mkdir(parents=True)
    (node.root / CONF).rename(node.root / "var/lib/rancher/k3s/agent/etc/cni/net.d")
    (node.root / CONF).mkdir()
    assert node.run("install", "--profile", "k3s") == DONE
    capsys.readouterr()
    assert node.run("uninstall") == DONE
    said = capsys.readouterr().out
    assert said.startswith("nothing is installed in /etc/cni/net.d; give --cni-conf-dir /var/lib/rancher/k3s/agent/etc")


def test_a_damaged_installation_is_not_taken_for_another_one(node: Node) -> None:
    """The program's directory is gone with the program; the usual one has a file of the same name, of another."""
    (node.root / BIN / "nadmit").write_text("of another")
    node.run("install", "--cni-bin-dir", "/usr/libexec/cni")
    shutil.rmtree(node.root / "usr")
    assert node.run("uninstall") == DONE
    assert (node.root / BIN / "nadmit").read_text() == "of another"


OF_MULTUS = {
    "by path": {"type": "multus-shim", "clusterNetwork": "/etc/cni/net.d/00-nadmit.conflist"},
    "by a path of its pod": {"type": "multus-shim", "clusterNetwork": "/host/etc/cni/net.d/00-nadmit.conflist"},
    "by value": {"type": "multus", "delegates": [{"name": "n", "plugins": [{"type": "nadmit"}]}]},
    "as one plugin": {"type": "multus", "delegates": [{"name": "n", "type": "nadmit"}]},
    "in a list": {"plugins": [{"type": "multus", "delegates": [{"name": "n", "plugins": [{"type": "nadmit"}]}]}]},
}


@pytest.mark.parametrize("conf", OF_MULTUS.values(), ids=OF_MULTUS)
def test_a_multus_that_was_started_meanwhile_delegates_to_what_is_gone(
    node: Node, capsys: pytest.CaptureFixture[str], conf: dict[str, object]
) -> None:
    node.run("install")
    (node.root / CONF / "00-multus.conf").write_text(json.dumps({"name": "multus-cni-network", **conf}))
    assert node.run("uninstall") == DONE
    said = capsys.readouterr().out
    assert "warning: /etc/cni/net.d/00-multus.conf: it delegates to /etc/cni/net.d/00-nadmit.conflist, which is" in said
    assert "restart the program that wrote it, such as the pod of Multus\n" in said


@pytest.mark.parametrize("value", [{}, {"clusterNetwork": 1}, {"delegates": [1, {"name": "n", "type": "bridge"}]}, []])
def test_another_multus_needs_no_restart(node: Node, capsys: pytest.CaptureFixture[str], value: object) -> None:
    node.run("install")
    conf = {"name": "m", "type": "multus", **value} if isinstance(value, dict) else value
    (node.root / CONF / "00-multus.conf").write_text(json.dumps(conf))
    assert node.run("uninstall") == DONE
    assert "delegates to" not in capsys.readouterr().out
