"""Installing, repeating, upgrading, showing."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from cniplugin.cluster import kubeconfig
from cniplugin.install import commandline, desired
from cniplugin.install.commandline import DIFFERS, DONE, FAILED
from cniplugin.protocol import netconf
from tests.cniplugin.attach.test_confdir import network

from .scratchnode import BIN, CONF, OURS, Node

if TYPE_CHECKING:
    from pathlib import Path


def test_install_writes_a_configuration_around_the_default_network(node: Node) -> None:
    assert node.run("install") == DONE
    conf = node.conf()
    (plugin,) = conf["plugins"]
    assert (conf["cniVersion"], conf["name"], plugin["type"]) == ("1.0.0", "nadmit", "nadmit")
    assert plugin["delegates"] == [node.conf(f"{CONF}/10-bridge.conflist")]
    assert plugin["capabilities"] == {"io.kubernetes.cri.pod-annotations": True, "portMappings": True}
    assert plugin["kubeconfig"] == "/etc/cni/net.d/nadmit.d/kubeconfig"
    _, warnings = netconf.parse({"cniVersion": "1.0.0", "name": "x", **plugin})
    assert not warnings
    assert stat.S_IMODE((node.root / BIN / "nadmit").stat().st_mode) == 0o755


def test_the_kubeconfig_names_a_copy_of_the_token_and_is_for_root_only(node: Node) -> None:
    node.run("install")
    path = node.root / CONF / "nadmit.d/kubeconfig"
    assert path.read_bytes().startswith(b"{")
    found = kubeconfig.load_kubeconfig(str(path))
    assert (found.server, found.token) == ("https://10.96.0.1:443", "")
    assert found.token_file == str(path.parent / "token"), "beside the kubeconfig, under each name of the directory"
    assert found.ca_data == (node.account / "ca.crt").read_text()
    for name in ("kubeconfig", "token"):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("written", "ours"), [("0.1.0", "0.4.0"), ("0.3.1", "0.4.0"), ("0.4.0", "0.4.0"), ("1.1.0", "1.1.0")]
)
def test_the_version_allows_checks(node: Node, written: str, ours: str) -> None:
    node.default("05-first.conflist", network("first", "ptp", cniVersion=written))
    node.run("install")
    assert node.conf()["cniVersion"] == ours
    assert node.conf()["plugins"][0]["delegates"][0]["cniVersion"] == written


def test_a_single_conf_is_a_default_network_too_and_ours_can_be_one(node: Node) -> None:
    node.default("05-first.conf", {"cniVersion": "0.3.1", "name": "first", "type": "ptp"})
    assert node.run("install", "--conf-name=00-nadmit.conf") == DONE
    conf = node.conf(f"{CONF}/00-nadmit.conf")
    assert conf["type"] == "nadmit"
    assert [delegate["name"] for delegate in conf["delegates"]] == ["first"]


def test_files_beside_a_list_are_part_of_it(node: Node) -> None:
    (node.root / CONF / "mynet").mkdir()
    (node.root / CONF / "mynet/10-tuning.conf").write_text('{"type": "tuning"}')
    node.run("install")
    plugins = node.conf()["plugins"][0]["delegates"][0]["plugins"]
    assert [plugin["type"] for plugin in plugins] == ["bridge", "portmap", "tuning"]


def test_twice_is_as_once(node: Node) -> None:
    node.run("install")
    before, steps = node.tree(), list[str]()
    assert node.run("install", steps=steps) == DONE
    assert steps == []
    assert node.tree() == before


def test_a_renewed_token_is_copied_and_nothing_else_is_touched(node: Node) -> None:
    node.run("install")
    (node.account / "token").write_text("second-token\n")
    steps = list[str]()
    node.run("install", steps=steps)
    assert (node.root / CONF / "nadmit.d/token").read_text() == "second-token\n"
    assert not any("00-nadmit.conflist" in step.partition(" to ")[0] for step in steps)


def test_another_directory_replaces_the_first(node: Node) -> None:
    before = node.tree()
    node.run("install")
    node.run("install", "--cni-bin-dir", "/opt/other")
    assert not (node.root / BIN / "nadmit").exists()
    assert (node.root / "opt/other/nadmit").exists()
    assert node.run("show") == DONE
    node.run("uninstall")
    assert node.tree() == before


def test_two_installers_do_not_work_at_once(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.run("install")
    fd = os.open(node.root / CONF, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert node.run("uninstall") == FAILED
    finally:
        os.close(fd)
    assert "another install or uninstall is running" in capsys.readouterr().err
    assert node.run("show") == DONE


def test_state_of_another_version_is_left_alone(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [command for command in commandline.COMMANDS if command not in {"forget", "gc"}]  # they have no --root
    for text in ('{"kind": "nadmit-installed", "version": 2}', "[]", "{"):
        (node.root / CONF / ".nadmit-installed").write_text(text)
        before = node.tree()
        for command in commands:
            assert node.run(command) == FAILED
        assert node.tree() == before
    assert "another version of the installer wrote it" in capsys.readouterr().err


def test_a_bundle_is_placed_beside_a_link(node: Node, bundle: Path) -> None:
    before = node.tree()
    assert node.run("install", "--bundle", str(bundle)) == DONE
    link = node.root / BIN / "nadmit"
    assert link.is_symlink()
    top = link.resolve().parents[1]
    assert (top / "lib/libc.so").read_bytes() == b"libc"
    assert node.run("show") == DONE
    steps = list[str]()
    node.run("install", "--bundle", str(bundle), steps=steps)
    assert steps == []
    (top / "lib/libc.so.6").write_bytes(b"cosmic ray")
    assert node.run("show") == DIFFERS
    node.run("install", "--bundle", str(bundle))
    assert (top / "lib/libc.so.6").read_bytes() == b"libc"
    node.run("uninstall")
    assert node.tree() == before


def test_an_upgrade_keeps_the_bundle_that_processes_may_run(node: Node, bundle: Path) -> None:
    trees = []
    for version in ("1", "2", "3"):
        (bundle / desired.BUNDLE_MARK).write_text(json.dumps({"form": "frozen", "version": version}))
        node.run("install", "--bundle", str(bundle))
        trees.append((node.root / BIN / "nadmit").resolve().parents[1].name)
        expected = {f"{tree}{suffix}" for tree in trees[-2:] for suffix in ("", ".snapshot")}
        assert {path.name for path in (node.root / BIN / ".nadmit").iterdir()} == expected


def test_show_lists_the_differences(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert node.run("show") == DIFFERS
    assert capsys.readouterr().out == "not installed\n"
    node.run("install")
    assert node.run("show") == DONE
    (node.root / OURS).write_text("{}")
    (node.root / BIN / "nadmit").unlink()
    node.default("10-bridge.conflist", network("changed", "bridge"))
    node.default("00-early.conflist", network("early", "bridge"))
    capsys.readouterr()
    assert node.run("show") == DIFFERS
    out = capsys.readouterr().out
    assert "changed       /etc/cni/net.d/00-nadmit.conflist\n" in out
    assert "missing       /opt/cni/bin/nadmit\n" in out
    assert "changed       /etc/cni/net.d/10-bridge.conflist (default network)\n" in out
    assert "not used      the runtime reads 00-early.conflist first\n" in out


def test_an_unusable_default_network_is_skipped_and_reported(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.root / CONF / "05-broken.conflist").write_text("{")
    node.default("06-multus.conf", {"cniVersion": "0.3.1", "name": "m", "type": "multus"})
    assert node.run("install") == DONE
    out = capsys.readouterr().out
    assert "05-broken.conflist: " in out
    assert "skipped: /etc/cni/net.d/06-multus.conf: a network of multus cannot" in out
    assert node.conf()["plugins"][0]["delegates"][0]["name"] == "mynet"
