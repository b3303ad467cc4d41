"""The networks annotation in both forms, and definitions inline and on disk (NPWG v1.3 §3.4, §4.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG

from .podnode import Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow]

STATIC: Conf = {
    "cniVersion": "1.0.0",
    "type": "bridge",
    "capabilities": {"ips": True},
    "ipam": {"type": "static"},
}


def test_the_short_form(node: Node) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_network("default", "wide", node.bridge_conf("c"))
    node.api.put_pod("lan, default/wide@wide0, lan")
    result = node.add().expect()
    assert [address["address"] for address in result["ips"]] == ["10.77.97.2/24"]
    assert node.addresses() == {
        "eth0": ["10.77.97.2/24"],
        "net1": ["10.77.98.2/24"],
        "wide0": ["10.77.99.2/24"],
        "net3": ["10.77.98.3/24"],
    }


def test_the_json_form(node: Node) -> None:
    tuning = {"type": "tuning", "capabilities": {"mac": True}}
    recorder = {"type": "recorder", "args": {"cni": {"kept": 1, "color": "blue"}, "other": 2}}
    first: Conf = {**STATIC, "bridge": node.bridge("b")}
    plugins = [first, tuning, recorder]
    node.api.put_network("blue", "lan", {"cniVersion": "1.0.0", "name": "lan", "plugins": plugins})
    node.api.put_pod(
        [
            {
                "name": "lan",
                "interface": "data0",
                "ips": ["192.168.9.7/24", "fd09::7/64"],
                "mac": "02:23:45:67:89:01",
                "cni-args": {"color": "red", "number": 9007199254740993},
            },
            {"name": "lan", "namespace": "blue", "ips": ["192.168.9.8/24"]},
        ]
    )
    node.add().expect()
    assert node.addresses() == {
        "eth0": ["10.77.97.2/24"],
        "data0": ["192.168.9.7/24", "fd09::7/64"],
        "net2": ["192.168.9.8/24"],
    }
    assert node.mac("data0") == "02:23:45:67:89:01"
    conf = node.record("ADD", "data0")["conf"]
    assert conf["args"] == {"cni": {"kept": 1, "color": "red", "number": 9007199254740993}, "other": 2}
    assert node.record("ADD", "net2")["conf"]["args"] == {"cni": {"kept": 1, "color": "blue"}, "other": 2}
    assert [entry.get("mac") for entry in node.api.status()][1] == "02:23:45:67:89:01"
    node.delete(kubeconfig=None).expect()
    assert node.record("DEL", "data0")["conf"]["args"] == conf["args"]


def test_requests_without_a_capability_travel_in_cni_args(node: Node) -> None:
    """KubeVirt asks for the MAC address of its machine on networks that declare no capability (kubevirt#2115)."""
    node.api.put_network("blue", "lan", node.chain("b", {"type": "recorder"}, {"type": "tuning"}))
    node.api.put_pod([{"name": "lan", "ips": ["10.77.98.77"], "mac": "02:23:45:67:89:01"}])
    node.add().expect()
    assert node.addresses()["net1"] == ["10.77.98.77/24"]
    assert node.mac("net1") == "02:23:45:67:89:01"
    pairs = node.record("ADD", "net1")["environ"]["CNI_ARGS"].split(";")
    assert {"IP=10.77.98.77", "MAC=02:23:45:67:89:01"} <= set(pairs)
    assert "runtimeConfig" not in node.record("ADD", "net1")["conf"]
    node.delete().expect()
    assert "IP=" not in node.record("DEL", "net1")["environ"]["CNI_ARGS"]


def test_strict_knows_capabilities_alone(node: Node) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod([{"name": "lan", "mac": "02:23:45:67:89:01"}])
    said = node.add(strict=True).refused(INVALID_NETWORK_CONFIG)
    assert "no plugin of blue/lan reads mac, so the pod would not get the MAC address" in said


def test_a_plugin_with_the_capability_gets_no_argument(node: Node) -> None:
    """So two addresses work, which IPAM host-local cannot read in CNI_ARGS."""
    subnets = ("10.77.98.0/24", "fd09::/64")
    chain = node.chain("b", {"type": "recorder"}, subnets=subnets, capabilities={"ips": True})
    node.api.put_network("blue", "lan", chain)
    node.api.put_pod([{"name": "lan", "ips": ["10.77.98.77", "fd09::77"]}])
    node.add().expect()
    assert node.addresses()["net1"] == ["10.77.98.77/24", "fd09::77/64"]
    assert "IP=10.77.98.77,fd09::77" in node.record("ADD", "net1")["environ"]["CNI_ARGS"]


def test_the_environment_of_a_delegate(node: Node) -> None:
    node.api.put_network("blue", "lan", node.chain("b", {"type": "recorder"}))
    node.api.put_pod("lan")
    node.add().expect()
    environ = node.record("ADD", "net1")["environ"]
    assert environ["CNI_IFNAME"] == "net1"
    assert environ["CNI_PATH"] == f"{node.bin_dir}:/usr/lib/cni"
    keys = [pair.partition("=")[0] for pair in environ["CNI_ARGS"].split(";")]
    assert sorted(keys) == ["IgnoreUnknown", "K8S_POD_NAME", "K8S_POD_NAMESPACE", "K8S_POD_UID"]


@pytest.mark.parametrize("config", [None, "", "  "])
def test_a_definition_without_configuration_is_on_disk(node: Node, config: str | None) -> None:
    (node.conf_dir / "00-bad.conflist").write_text("{")
    (node.conf_dir / "10-other.conf").write_text(json.dumps(node.bridge_conf("c")))
    (node.conf_dir / "20-lan.conflist").write_text(json.dumps({**node.chain("b", {"type": "recorder"}), "name": "lan"}))
    (node.conf_dir / "lan").mkdir()
    (node.conf_dir / "lan" / "10-more.conf").write_text(json.dumps({"type": "passthru"}))
    node.api.put_network("blue", "lan", config)
    node.api.put_pod("lan")
    outcome = node.add()
    outcome.expect()
    assert node.addresses()["net1"] == ["10.77.98.2/24"]
    assert node.record("ADD", "net1", "passthru")["conf"]["name"] == "lan"
    assert "00-bad.conflist" in outcome.err


def test_nothing_on_disk(node: Node) -> None:
    node.api.put_network("blue", "lan", None)
    node.api.put_pod("lan")
    text = node.add().refused(7)
    assert "blue/lan" in text
    assert str(node.conf_dir) in text
    assert node.left() == []


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ("nowhere", 'no NetworkAttachmentDefinition "nowhere" in namespace "blue"'),
        ([{"name": "lan", "bandwidth": {"ingressRate": 1}}], "no plugin of blue/lan reads bandwidth, so the pod"),
        ("lan@eth0", "eth0"),
    ],
)
def test_networks_that_cannot_be_planned(node: Node, networks: Any, said: str) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod(networks)
    text = node.add().refused(7)
    assert said in text
    assert "blue/web-0" in text
    assert node.left() == []


@pytest.mark.parametrize(("networks", "code"), [("lan,,lan", 7), ('[{"name": "lan"', 6), ('[{"name": 5}]', 7)])
def test_an_annotation_that_cannot_be_read(node: Node, networks: str, code: int) -> None:
    """NPWG v1.3 §7.4: the pod must not start."""
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod(networks)
    assert "blue/web-0" in node.add().refused(code)
    assert node.left() == []


def test_a_delegate_that_fails(node: Node) -> None:
    """Everything is detached. The error has the plugin's code and names pod, item, network, interface and plugin."""
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_network("blue", "bad", node.chain("c", {"type": "recorder"}))
    node.api.put_pod("lan,bad")
    (node.seen / "fail-ADD").touch()
    text = node.add().refused(130)
    assert text == (
        "pod blue/web-0: item 2: network blue/bad (net2): "
        'plugin type="recorder" name="bridge-c" failed (add): told to fail'
    )
    assert node.left() == []
