"""The options of the installer: what they write, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cniplugin.install import commandline
from cniplugin.install.commandline import DONE, FAILED, MISUSED
from cniplugin.install.installer import run
from cniplugin.install.nodepaths import BIN_DIR, CONF_DIR, PROFILES
from tests.cniplugin.attach.test_confdir import network

from .scratchnode import BIN, CONF, Node

if TYPE_CHECKING:
    from pathlib import Path


def test_more_configuration_is_taken_from_a_file_and_judged(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = tmp_path / "more.json"
    more.write_text('{"namespaceIsolation": true, "logLevle": "debug"}')
    assert node.run("install", "--config", str(more)) == DONE
    assert node.conf()["plugins"][0]["namespaceIsolation"] is True
    assert 'did you mean "logLevel"?' in capsys.readouterr().out
    more.write_text('{"namespaceIsolation": "yes"}')
    assert node.run("install", "--config", str(more)) == FAILED
    assert node.conf()["plugins"][0]["namespaceIsolation"] is True


def test_keys_of_the_installer_are_refused_in_more_configuration(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, instead in (("clusterNetwork", "--cluster-network"), ("cniVersion", "--cni-version")):
        (tmp_path / "more.json").write_text(json.dumps({key: "1.1.0"}))
        assert node.run("install", "--config", str(tmp_path / "more.json")) == FAILED
        assert f"{key!r} is written by the installer; remove it; give {instead}\n" in capsys.readouterr().err


def _no_default(node: Node) -> None:
    (node.root / CONF / "10-bridge.conflist").unlink()


def _multus_only(node: Node) -> None:
    _no_default(node)
    node.default("10-multus.conf", {"cniVersion": "0.3.1", "name": "m", "type": "multus"})


REFUSED = {
    "no default network": (_no_default, [], "/etc/cni/net.d: there is no configuration of a default network"),
    "Multus is no default network": (_multus_only, [], "/etc/cni/net.d: there is no configuration of a default"),
    "another sorts first": (
        lambda node: node.default("00-a.conflist", network("a", "bridge")),
        ["--conf-name", "00-nadmit.conflist"],
        "/etc/cni/net.d/00-a.conflist: it sorts before 00-nadmit.conflist",
    ),
    "a malformed default network": (
        lambda node: (node.root / CONF / "10-bridge.conflist").write_text("{"),
        [],
        "that can be used; install one first; skipped: ",
    ),
    "unknown default network": (None, ["--default-network", "x.conf"], "/etc/cni/net.d: there is no x.conf"),
    "no node bundle": (None, ["--bundle", "/usr"], "--bundle /usr: this is not an unpacked node bundle"),
    "no bundle": (None, ["--bundle", "/nonexistent"], "--bundle: /nonexistent does not exist"),
    "no token": (lambda node: (node.account / "token").write_text(""), [], "the token file is empty"),
    "no service account": (None, ["--service-account", "/nonexistent"], "/nonexistent/token: No such file"),
    "bad server": (None, ["--api-server", "10.0.0.1"], "this is not the address of an API server"),
    "no directory": (None, ["--cni-conf-dir", "/nonexistent"], "No such file"),
    "no configuration": (None, ["--config", "/nonexistent"], "/nonexistent: No such file"),
    "a directory in the way": (
        lambda node: (node.root / BIN / "nadmit").mkdir(),
        [],
        "/opt/cni/bin/nadmit: this is a directory, and a file must be there",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_install_changes_nothing(node: Node, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, options, text = REFUSED[name]
    if change:
        change(node)
    before = node.tree()
    assert node.run("install", *options) == FAILED
    said = capsys.readouterr().err
    assert text in said
    assert said.startswith("nadmit: ")
    assert said.count("\n") == 1
    assert node.tree() == before


def test_outside_of_a_pod_the_api_server_must_be_named(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["install", "--root", str(node.root), "--bundle", str(node.program)]
    assert run(words, environ={}) == FAILED
    assert "give --api-server" in capsys.readouterr().err
    words += ["--api-server", "https://api.example:6443", "--service-account", str(node.account)]
    assert run(words, environ={}) == DONE
    assert run([*words, "--kubeconfig", "/etc/kubernetes/cni.conf"], environ={}) == DONE
    assert node.conf()["plugins"][0]["kubeconfig"] == "/etc/kubernetes/cni.conf"
    assert not (node.root / CONF / "nadmit.d").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["instal"],
        ["install", "--conf"],
        ["install", "bundle"],
        ["install", "--bundle"],
        ["show", "--bundle", "x"],
        ["install", "--cni-bin-dir", "bin"],
        ["install", "--cni-conf-dir", "/etc/../etc"],
        ["install", "--conf-name", "00-nadmit.yaml"],
        ["install", "--conf-name", "../x.conf"],
        ["install", "--every", "1h"],
        ["install", "--kubeconfig", "admin.conf"],
        ["install", "--force"],
        ["install", "--wait", ""],
        ["install", "--profile", "k4s"],
        ["install", "--cni-version", "1.2.0"],
        ["install", "--network-name", "a/b"],
        ["install", "--default-network-dir", "net.d"],
        ["install", "--auxiliary-cni-chain-name", "../etc"],
        ["install", "--rename-conf-file", "--cluster-network", "auto"],
        ["install", "--network-name", "n", "--override-network-name"],
        ["show", "--cleanup-on-exit"],
        ["uninstall", "--force=yes"],
        ["uninstall", "--record-dir", "records"],
        ["show", "c0ffee"],
        ["forget"],
        ["forget", "c0ffee", "c1"],
        ["forget", "c0ffee", "--root", "/host"],
    ],
)
def test_wrong_arguments_are_a_line_of_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words, environ={}) == MISUSED
    said = capsys.readouterr().err
    assert said.startswith("nadmit: usage: ")
    assert said.count("\n") == 1


def test_help_names_each_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["install", "--help"], environ={}) == DONE
    said = capsys.readouterr().out
    for name in (*commandline.COMMANDS, *(f"--{option}" for option in commandline.OPTIONS)):
        assert f"  {name} " in said
    assert max(map(len, said.splitlines())) <= 130
    assert run([], environ={}) == MISUSED


# What the options write


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.1.0"])
def test_cni_version(node: Node, version: str) -> None:
    """Around flannel, Calico, Cilium, which write 0.3.1: GC and STATUS with 1.1.0, no CHECK with 0.3.1."""
    node.default("05-cilium.conflist", network("cilium", "cilium-cni", "portmap", cniVersion="0.3.1"))
    assert node.run("install", "--cni-version", version) == DONE
    assert node.conf()["cniVersion"] == version
    assert node.conf()["plugins"][0]["delegates"][0]["cniVersion"] == "0.3.1"
    assert node.run("show") == DONE


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ((), "nadmit"),
        (("--network-name", "multus-cni-network"), "multus-cni-network"),
        (("--override-network-name",), "mynet"),
        (("--profile", "rke2", "--override-network-name"), "mynet"),
    ],
)
def test_network_name(node: Node, options: tuple[str, ...], name: str) -> None:
    assert node.run("install", *options) == DONE
    assert node.conf()["name"] == name


def test_cluster_network_of_a_file(node: Node) -> None:
    """The plugin reads the file in each ADD, so a change of it needs no new configuration."""
    assert node.run("install", "--cluster-network", "auto") == DONE
    plugin = node.conf()["plugins"][0]
    assert plugin["clusterNetwork"] == "/etc/cni/net.d/10-bridge.conflist"
    assert "delegates" not in plugin
    assert plugin["capabilities"]["portMappings"] is True
    assert node.conf()["cniVersion"] == "1.0.0"
    assert node.run("show") == DONE


def test_cluster_network_of_the_cluster(node: Node) -> None:
    (node.root / CONF / "10-bridge.conflist").unlink()
    assert node.run("install", "--cluster-network", "default-net", "--cni-version", "1.1.0") == DONE
    assert (node.conf()["plugins"][0]["clusterNetwork"], node.conf()["cniVersion"]) == ("default-net", "1.1.0")
    assert node.run("show") == DONE
    assert node.run("install", "--cluster-network", "default-net") == DONE


@pytest.mark.parametrize("value", ["/etc/cni/net.d/10-bridge.conflist", "/etc/cni/net.d/"])
def test_cluster_network_of_a_path(node: Node, value: str) -> None:
    assert node.run("install", "--cluster-network", value) == DONE
    assert node.conf()["plugins"][0]["clusterNetwork"] == value
    assert node.conf()["plugins"][0]["capabilities"]["portMappings"] is True


def test_cluster_network_that_cannot_be_seen(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """A path of the node that is not mounted here."""
    assert node.run("install", "--cluster-network", "/srv/cni/net.conflist") == DONE
    assert "/srv/cni/net.conflist cannot be seen from here, and is not checked" in capsys.readouterr().out
    assert node.run("install", "--cluster-network", "/etc/cni/net.d/missing.conflist") == FAILED


@pytest.mark.parametrize("how", ["option", "key"])
def test_an_auxiliary_chain_needs_the_file_beside_it(node: Node, tmp_path: Path, how: str) -> None:
    (tmp_path / "more.json").write_text('{"auxiliaryCNIChainName": "vendor-cni-chain"}')
    by_option = ["--auxiliary-cni-chain-name", "vendor-cni-chain"]
    assert node.run("install", *(by_option if how == "option" else ["--config", str(tmp_path / "more.json")])) == DONE
    plugin = node.conf()["plugins"][0]
    assert plugin["auxiliaryCNIChainName"] == "vendor-cni-chain"
    assert plugin["clusterNetwork"] == "/etc/cni/net.d/10-bridge.conflist"


def test_passthru_is_beside_the_program(node: Node) -> None:
    before = node.tree()
    node.run("install")
    assert (node.root / BIN / "passthru").readlink().name == "nadmit"
    node.run("uninstall")
    assert node.tree() == before


def test_passthru_of_multus_stays(node: Node) -> None:
    (node.root / BIN / "passthru").write_bytes(b"\x7fELF")
    before = node.tree()
    node.run("install")
    assert (node.root / BIN / "passthru").read_bytes() == b"\x7fELF"
    node.run("uninstall")
    assert node.tree() == before


def test_passthru_of_the_bundle(node: Node, bundle: Path) -> None:
    (bundle / "bin/passthru").symlink_to("nadmit")
    before = node.tree()
    assert node.run("install", "--bundle", str(bundle)) == DONE
    link = node.root / BIN / "passthru"
    assert link.readlink().parts[0] == ".nadmit"
    assert link.resolve() == (node.root / BIN / "nadmit").resolve()
    assert node.run("show") == DONE
    node.run("uninstall")
    assert node.tree() == before


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_profile_has_the_paths_of_its_distribution(tmp_path: Path, profile: str) -> None:
    options = PROFILES[profile]
    conf_dir, bin_dir = options.get("cni-conf-dir", CONF_DIR), options.get("cni-bin-dir", BIN_DIR)
    node = Node(tmp_path)
    if conf_dir != CONF_DIR:
        (node.root / conf_dir.lstrip("/")).parent.mkdir(parents=True)
        (node.root / CONF).rename(node.root / conf_dir.lstrip("/"))
    before = node.tree()
    assert node.run("install", "--profile", profile) == DONE
    conf = node.conf(f"{conf_dir.lstrip('/')}/00-nadmit.conflist")
    plugin = conf["plugins"][0]
    assert (plugin["kubeconfig"], plugin["binDir"]) == (f"{conf_dir}/nadmit.d/kubeconfig", bin_dir)
    assert plugin.get("kubeletDir") == options.get("kubelet-dir")
    assert conf["name"] == options.get("network-name", "nadmit")
    assert (node.root / bin_dir.lstrip("/") / "nadmit").exists()
    assert node.run("show", "--profile", profile) == DONE
    assert node.run("uninstall", "--profile", profile) == DONE
    assert node.tree() == before


def test_an_option_beside_a_profile_wins(node: Node) -> None:
    options = [
        "--profile",
        "k3s",
        "--cni-conf-dir",
        "/etc/cni/net.d",
        "--cni-bin-dir=/var/lib/rancher/k3s/data/current/bin",
    ]
    assert node.run("install", *options) == DONE
    assert node.conf()["plugins"][0]["binDir"] == "/var/lib/rancher/k3s/data/current/bin"
