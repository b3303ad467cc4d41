"""What an earlier installation left: its state is lost, in another directory, or names paths that are mounted elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cniplugin.install import desired
from cniplugin.install.commandline import DONE, FAILED
from tests.cniplugin.attach.test_confdir import network

from .scratchnode import BIN, CONF, OURS, Node

K3S_CONF, K3S_BIN = "var/lib/rancher/k3s/agent/etc/cni/net.d", "var/lib/rancher/k3s/data/cni"


def _lose_state(node: Node) -> None:
    (node.root / CONF / ".nadmit-installed").unlink()


def test_a_lost_state_is_made_again(node: Node, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pristine = node.tree()
    node.run("install", "--bundle", str(bundle))
    _lose_state(node)
    capsys.readouterr()
    assert node.run("install", "--bundle", str(bundle)) == DONE
    assert "taken over: /opt/cni/bin/.nadmit, which an installation" in capsys.readouterr().out
    assert node.run("show") == DONE
    node.run("uninstall")
    assert node.tree() == pristine


def test_a_file_that_was_there_before_is_restored_after_a_lost_state(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    (node.root / OURS).write_text('{"name": "of another"}')
    (node.root / BIN / "nadmit").write_text("of another")
    pristine = node.tree()
    node.run("install")
    _lose_state(node)
    capsys.readouterr()
    assert node.run("install") == DONE
    assert capsys.readouterr().out.count("taken over: ") == 2
    node.run("uninstall")
    assert node.tree() == pristine


def test_two_files_of_others_are_for_the_administrator(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.root / OURS).write_text('{"name": "of another"}')
    node.run("install")
    _lose_state(node)
    (node.root / OURS).write_text('{"name": "of a third"}')
    before = node.tree()
    assert node.run("install") == FAILED
    assert "/etc/cni/net.d/00-nadmit.conflist is new; move one away" in capsys.readouterr().err
    assert node.tree() == before


def test_a_tree_of_others_is_for_the_administrator(
    node: Node, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (node.root / BIN / ".nadmit/notes").mkdir(parents=True)
    assert node.run("install", "--bundle", str(bundle)) == FAILED
    assert "/opt/cni/bin/.nadmit: it exists, and notes in it is not ours" in capsys.readouterr().err


def test_a_copy_that_was_cut_is_ours(node: Node, bundle: Path) -> None:
    pristine = node.tree()
    (node.root / BIN / ".nadmit/.0123456789abcdef.tmp-nadmit").mkdir(parents=True)
    assert node.run("install", "--bundle", str(bundle)) == DONE
    node.run("uninstall")
    assert node.tree() == pristine


def test_the_earlier_directory_of_a_node_is_cleaned(node: Node) -> None:
    """First with the usual paths, which k3s does not read, then with its own."""
    (node.root / K3S_CONF).mkdir(parents=True)
    node.default(f"../../../{K3S_CONF}/10-flannel.conflist", node.conf(f"{CONF}/10-bridge.conflist"))
    pristine = node.tree()
    node.run("install")
    assert node.run("install", "--profile", "k3s") == DONE
    assert not (node.root / OURS).exists()
    assert not (node.root / BIN / "nadmit").exists()
    assert not (node.root / CONF / ".nadmit-installed").exists()
    assert node.run("show", "--profile", "k3s") == DONE
    node.run("uninstall", "--profile", "k3s")
    assert node.tree() == pristine


def test_an_experiment_does_not_end_the_installation_of_the_node(node: Node) -> None:
    node.run("install")
    (node.root / "srv/net.d").mkdir(parents=True)
    node.default("../../../srv/net.d/10-net.conflist", network("net", "bridge", "portmap"))
    assert node.run("install", "--cni-conf-dir", "/srv/net.d", "--cni-bin-dir", "/srv/bin") == DONE
    assert node.run("show") == DONE


def test_the_earlier_state_has_another_name_for_the_same_directory(node: Node, bundle: Path) -> None:
    """A DaemonSet whose hostPaths were patched, and which was then mended: its state names /etc/cni/net.d."""
    node.run("install", "--bundle", str(bundle))
    for old, new in ((CONF, K3S_CONF), (BIN, K3S_BIN)):
        (node.root / new).parent.mkdir(parents=True)
        (node.root / old).rename(node.root / new)
        (node.root / old).parent.rmdir()
    (bundle / desired.BUNDLE_MARK).write_text("newer")
    assert node.run("install", "--profile", "k3s", "--bundle", str(bundle)) == DONE
    plugin = node.conf(f"{K3S_CONF}/00-nadmit.conflist")["plugins"][0]
    assert plugin["kubeconfig"] == f"/{K3S_CONF}/nadmit.d/kubeconfig"
    assert plugin["binDir"] == f"/{K3S_BIN}"
    assert node.run("show", "--profile", "k3s") == DONE
    assert node.run("uninstall", "--profile", "k3s") == DONE
    left = sorted(path.name for path in node.root.rglob("*") if not path.is_dir())
    assert left == ["10-bridge.conflist", "bridge"]


def test_a_link_between_the_directories_is_one_directory(node: Node, bundle: Path) -> None:
    """Administrators link /etc/cni/net.d to that of k3s, and the programs too."""
    for old, new in ((CONF, K3S_CONF), (BIN, K3S_BIN)):
        (node.root / new).parent.mkdir(parents=True)
        (node.root / old).rename(node.root / new)
        (node.root / old).symlink_to(node.root / new)
    node.run("install", "--bundle", str(bundle))
    assert node.run("install", "--profile", "k3s", "--bundle", str(bundle)) == DONE
    assert (node.root / K3S_BIN / "nadmit").exists(), "obsolete under one name, in use under the other"
    assert node.run("show", "--profile", "k3s") == DONE


def test_a_state_of_the_last_version_is_read(node: Node) -> None:
    """It has no `conf`, `renamed`, `failures`."""
    node.run("install")
    path = node.root / CONF / ".nadmit-installed"
    state = json.loads(path.read_text())
    for key in ("conf", "renamed", "failures"):
        del state[key]
    del state["default_network"]["name"], state["default_network"]["beside"]
    for entry in state["files"].values():
        entry.pop("own", None)
    path.write_text(json.dumps(state))
    assert node.run("show") == DONE
    node.attach("c1", "mynet", netns="/run/netns/gone")
    (node.root / "run/netns").mkdir(parents=True)
    assert node.run("install") == DONE
    assert node.run("uninstall") == DONE
