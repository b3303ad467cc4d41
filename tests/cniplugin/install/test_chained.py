"""Plugins that other programs put into our file: they stay, are no damage, and do not run twice."""

from __future__ import annotations

import pytest

from cniplugin.install.commandline import DIFFERS, DONE
from tests.cniplugin.attach.test_confdir import network

from .scratchnode import CONF, OURS, Node

ISTIO = {"type": "istio-cni", "kubernetes": {"kubeconfig": "/etc/cni/net.d/ZZZ-istio-cni-kubeconfig"}}
LINKERD = {"type": "linkerd-cni", "log_level": "info"}


def test_they_stay_and_are_no_difference(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.run("install")
    node.chain(ISTIO, LINKERD)
    text = (node.root / OURS).read_text()
    assert node.run("show") == DONE
    assert "00-nadmit.conflist, with plugins of other programs: istio-cni, linkerd-cni\n" in capsys.readouterr().out
    assert node.run("install") == DONE
    assert (node.root / OURS).read_text() == text, "not even its form changes"
    assert node.run("show") == DONE


def test_they_stay_in_upgrades_and_renewals(node: Node) -> None:
    node.run("install")
    node.chain(ISTIO)
    node.default("10-bridge.conflist", network("mynet", "ptp", "portmap"))
    assert node.stay("install", rounds=[lambda: node.chain(LINKERD), lambda: None]) is None
    plugins = node.conf()["plugins"]
    assert plugins[1:] == [ISTIO, LINKERD]
    assert plugins[0]["delegates"][0]["plugins"][0]["type"] == "ptp"
    assert node.run("install", "--cni-version", "1.1.0") == DONE
    assert node.types() == ["nadmit", "istio-cni", "linkerd-cni"]
    assert node.run("show") == DONE


def test_a_change_of_our_own_part_is_a_difference(node: Node) -> None:
    node.run("install")
    node.chain(ISTIO)
    conf = node.conf()
    conf["plugins"][0]["namespaceIsolation"] = False
    node.default("00-nadmit.conflist", conf)
    assert node.run("show") == DIFFERS
    assert node.run("install") == DONE
    assert node.run("show") == DONE
    assert node.types() == ["nadmit", "istio-cni"]
    assert "namespaceIsolation" not in node.conf()["plugins"][0]


def test_ours_is_the_first(node: Node) -> None:
    node.run("install")
    conf = node.conf()
    conf["plugins"].insert(0, ISTIO)
    node.default("00-nadmit.conflist", conf)
    assert node.run("install") == DONE
    assert node.types() == ["nadmit", "istio-cni"]


def test_a_plugin_that_was_chained_before_does_not_run_twice(node: Node) -> None:
    """Istio chained itself into the default network's file, and now into ours."""
    conf = network("mynet", "bridge", "portmap")
    node.default("10-bridge.conflist", {**conf, "plugins": [*conf["plugins"], ISTIO]})
    node.run("install")
    assert [plugin["type"] for plugin in _delegate(node)] == ["bridge", "portmap", "istio-cni"]
    node.chain(ISTIO)
    node.run("install")
    assert [plugin["type"] for plugin in _delegate(node)] == ["bridge", "portmap"]
    assert node.types() == ["nadmit", "istio-cni"]
    assert node.run("show") == DONE


def _delegate(node: Node) -> list[dict[str, str]]:
    plugins = node.conf()["plugins"][0]["delegates"][0]["plugins"]
    assert isinstance(plugins, list)
    return plugins


def test_a_new_name_of_our_file_has_them_too(node: Node) -> None:
    node.run("install")
    node.chain(ISTIO)
    node.default("00-multus.conf", {"cniVersion": "0.3.1", "name": "m", "type": "multus"})
    assert node.run("install") == DONE
    assert node.types(f"{CONF}/00-0-nadmit.conflist") == ["nadmit", "istio-cni"]
    assert not (node.root / OURS).exists()


def test_an_uninstall_says_that_they_go_with_it(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    before = node.tree()
    node.run("install")
    node.chain(ISTIO)
    assert node.run("uninstall") == DONE
    said = capsys.readouterr().out
    assert "plugins of other programs in /etc/cni/net.d/00-nadmit.conflist: istio-cni: they go with our file" in said
    assert node.tree() == before


def test_a_file_that_nobody_can_read_is_written_again(node: Node) -> None:
    node.run("install")
    (node.root / OURS).write_text('{"plugins": [1, {"type": 2}]}')
    assert node.run("show") == DIFFERS
    assert node.run("install") == DONE
    assert node.types() == ["nadmit"]


@pytest.mark.parametrize(
    ("name", "ours"),
    [("00-multus.conflist", f"{CONF}/00-0-nadmit.conflist"), ("01-multus.conflist", OURS)],
)
def test_what_is_behind_multus_is_reported_until_it_is_behind_ours(
    node: Node, capsys: pytest.CaptureFixture[str], name: str, ours: str
) -> None:
    """A mesh that runs already keeps to the file that it found first."""
    multus = {"type": "multus", "delegates": [network("mynet", "bridge")]}
    node.default(name, {"cniVersion": "1.0.0", "name": "m", "plugins": [multus, ISTIO]})
    assert node.run("install") == DONE
    said = capsys.readouterr().out
    what = f"istio-cni behind multus does not run for new pods until its program puts it into /{ours}"
    assert f"warning: /etc/cni/net.d/{name}: {what}; restart that program, and look at show\n" in said
    node.chain(ISTIO, name=ours)
    assert node.run("install") == DONE
    assert "behind multus" not in capsys.readouterr().out
    assert node.types(ours) == ["nadmit", "istio-cni"]


def test_a_chain_of_the_default_network_is_not_behind_multus(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.default("00-cni.conflist", network("first", "bridge", "istio-cni"))
    assert node.run("install") == DONE
    assert "does not run" not in capsys.readouterr().out
