"""The default network and the further networks of the node (NPWG v1.3 §6; Multus' configuration keys)."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from .podnode import Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow]


def write(path: Path, conf: Conf) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(conf))
    return str(path)


def test_several_delegates(node: Node) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("c"))
    node.api.put_pod("lan")
    node.add(delegates=[node.bridge_conf("a"), node.bridge_conf("b")]).expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"], "net1": ["10.77.98.2/24"], "net2": ["10.77.99.2/24"]}


def test_delegates_of_one_name_are_different_networks(node: Node) -> None:
    """Delegates without a name get that of the configuration, so two of them share it."""
    nameless = [{key: value for key, value in node.bridge_conf(letter).items() if key != "name"} for letter in "ab"]
    node.add(delegates=nameless).expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"], "net1": ["10.77.98.2/24"]}
    assert [entry["name"] for entry in node.api.status()] == ["nodes-own", "nodes-own"]


def test_cluster_network_is_a_definition(node: Node) -> None:
    node.api.put_network("kube-system", "cluster", node.bridge_conf("b"))
    node.add(clusterNetwork="cluster").expect()
    assert node.addresses() == {"eth0": ["10.77.98.2/24"]}
    assert node.api.status()[0]["name"] == "kube-system/cluster"


def test_multus_namespace(node: Node) -> None:
    node.api.put_network("infra", "cluster", node.bridge_conf("b"))
    node.add(clusterNetwork="cluster", multusNamespace="infra").expect()
    assert node.api.status()[0]["name"] == "infra/cluster"


def test_cluster_network_by_name_on_disk(node: Node) -> None:
    write(node.conf_dir / "10.conflist", node.chain("b"))
    node.add(clusterNetwork="bridge-b").expect()
    assert node.addresses() == {"eth0": ["10.77.98.2/24"]}
    assert node.api.status()[0]["name"] == "bridge-b"


def test_cluster_network_that_is_nowhere(node: Node) -> None:
    assert "default network ghost: neither a NetworkAttachmentDefinition of kube-system" in node.add(
        clusterNetwork="ghost"
    ).refused(7)


@pytest.mark.parametrize("has_kubeconfig", [True, False])
def test_cluster_network_is_a_file(node: Node, *, has_kubeconfig: bool) -> None:
    """NB: also without a kubeconfig, where annotations are not read."""
    path = write(node.directory / "net.d" / "10.conflist", node.chain("b", {"type": "recorder"}))
    write(node.directory / "net.d" / "bridge-b" / "10.conf", {"type": "passthru"})
    node.api.put_pod("lan")
    node.api.put_network("blue", "lan", node.bridge_conf("c"))
    node.add(clusterNetwork=path, kubeconfig=str(node.kubeconfig) if has_kubeconfig else None).expect()
    assert node.addresses()["eth0"] == ["10.77.98.2/24"]
    assert ("net1" in node.addresses()) is has_kubeconfig
    assert node.record("ADD", "eth0", "passthru")["conf"]["prevResult"]["ips"][0]["address"] == "10.77.98.2/24"
    assert node.delete(kubeconfig="/nowhere", clusterNetwork=path).expect() == {}
    assert node.left() == []


def test_cluster_network_is_a_directory(node: Node) -> None:
    directory = node.directory / "net.d"
    write(directory / "00.conf", node.bridge_conf("c"))
    write(directory / "10.conflist", node.chain("b"))
    (directory / "00-bad.conflist").write_text("[")
    outcome = node.add(clusterNetwork=str(directory))
    outcome.expect()
    assert node.addresses() == {"eth0": ["10.77.98.2/24"]}
    assert "00-bad.conflist" in outcome.err


def test_delegates_without_an_api_server(node: Node) -> None:
    node.add(kubeconfig=None).expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}
    assert node.api.asked() == []


def test_a_pod_chooses_its_default_network(node: Node) -> None:
    """A bare name means a network of `multusNamespace`. The element's requests apply to the default network too."""
    conf = node.bridge_conf("b", capabilities={"ips": True})
    conf["ipam"] = {"type": "static"}
    node.api.put_network("kube-system", "other", conf)
    node.api.put_pod(default=json.dumps([{"name": "other", "ips": ["192.168.9.7/24"]}]))
    result = node.add(namespaceIsolation=False).expect()
    assert node.addresses() == {"eth0": ["192.168.9.7/24"]}
    assert result["ips"][0]["address"] == "192.168.9.7/24"
    assert [(entry["name"], entry["default"]) for entry in node.api.status()] == [("kube-system/other", True)]


def test_a_pod_chooses_nothing(node: Node) -> None:
    """Multus crashes here."""
    node.api.put_pod(default="[]")
    node.add(namespaceIsolation=False).expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}


@pytest.mark.parametrize(("system", "is_given"), [(["kube-system"], True), (["blue"], False)])
def test_further_default_networks(node: Node, system: list[str], *, is_given: bool) -> None:
    node.api.put_network("kube-system", "more", node.bridge_conf("b"))
    node.api.put_network("blue", "lan", node.bridge_conf("c"))
    path = write(node.directory / "net.d" / "d.conf", node.bridge_conf("d"))
    node.api.put_pod("lan")
    node.add(defaultNetworks=["more", path], systemNamespaces=system).expect()
    wanted = {
        "eth0": ["10.77.97.2/24"],
        "net1": ["10.77.98.2/24"],
        "net2": ["10.77.100.2/24"],
        "net3": ["10.77.99.2/24"],
    }
    without = {"eth0": ["10.77.97.2/24"], "net1": ["10.77.99.2/24"]}
    assert node.addresses() == (wanted if is_given else without)
    assert [entry["default"] for entry in node.api.status()] == [True, *([False] * (len(node.addresses()) - 1))]


def test_files_of_one_name_are_different_networks(node: Node) -> None:
    first = write(node.directory / "net.d" / "a.conf", {**node.bridge_conf("a"), "name": "same"})
    second = write(node.directory / "net.d" / "b.conf", {**node.bridge_conf("b"), "name": "same"})
    node.add(clusterNetwork=first, defaultNetworks=[second]).expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"], "net1": ["10.77.98.2/24"]}


def test_the_auxiliary_chain(node: Node) -> None:
    path = write(node.directory / "net.d" / "10.conf", node.bridge_conf("b"))
    sysctl = {"net.ipv4.conf.all.log_martians": "1"}
    write(node.directory / "net.d" / "aux" / "10.conf", {"type": "tuning", "sysctl": sysctl})
    write(node.directory / "net.d" / "aux" / "20.conf", {"type": "recorder"})
    node.add(clusterNetwork=path, auxiliaryCNIChainName="aux").expect()
    assert node.record("ADD", "net1", "passthru")["conf"]["name"] == "aux"
    assert node.record("ADD", "net1")["conf"]["prevResult"].get("ips", []) == []
    assert [entry["name"] for entry in node.api.status()] == ["bridge-b", "aux"]
    node.delete(kubeconfig=None).expect()
    assert node.record("DEL", "net1", "passthru")["conf"]["name"] == "aux"


def test_no_files_for_the_auxiliary_chain(node: Node) -> None:
    path = write(node.directory / "net.d" / "10.conf", node.bridge_conf("b"))
    node.add(clusterNetwork=path, auxiliaryCNIChainName="aux").expect()
    assert node.addresses() == {"eth0": ["10.77.98.2/24"]}


def test_the_readiness_file_is_waited_for(node: Node) -> None:
    file = node.directory / "ready"
    timer = threading.Timer(0.4, file.touch)
    timer.start()
    try:
        node.add(readinessindicatorfile=str(file)).expect()
    finally:
        timer.join()
    file.unlink()
    node.delete(readinessindicatorfile=str(file)).expect()


def test_the_readiness_file_does_not_come(node: Node) -> None:
    file = str(node.directory / "ready")
    assert file in node.add(readinessindicatorfile=file, deadline=0.5).refused(11)
    assert node.api.asked() == []


def test_requests_of_the_runtime_go_to_the_default_network_only(node: Node) -> None:
    """NPWG v1.3 §7.5. Multus gives a pod's hostPorts to every network."""
    recorder = {"type": "recorder", "capabilities": {"portMappings": True, "aliases": True}}
    node.api.put_network("blue", "lan", node.chain("b", recorder))
    ports = [{"hostPort": 18080, "containerPort": 80, "protocol": "tcp"}]
    node.api.put_pod("lan")
    node.add(
        delegates=[node.chain("a", recorder), {**node.chain("c", recorder)}],
        capabilities={"portMappings": True},
        runtimeConfig={"portMappings": ports},
    ).expect()
    assert node.record("ADD", "eth0")["conf"]["runtimeConfig"] == {"portMappings": ports}
    for ifname in ("net1", "net2"):
        assert "runtimeConfig" not in node.record("ADD", ifname)["conf"]
    node.delete().expect()
    assert node.record("DEL", "eth0")["conf"]["runtimeConfig"] == {"portMappings": ports}


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_the_result_has_our_own_version(node: Node, version: str) -> None:
    """CNI 1.1 §5; the version of the delegate differs. Its DEL has its own version too."""
    result = node.add(cniVersion=version, delegates=[node.bridge_conf("a", cniVersion="0.3.1")]).expect()
    assert result["cniVersion"] == version
    wanted = {"address": "10.77.97.2/24", "gateway": "10.77.97.1", "interface": 2}
    assert result["ips"] == [{"version": "4", **wanted} if version.startswith("0") else wanted]
    assert [interface["name"] for interface in result["interfaces"]][2] == "eth0"
    node.delete(cniVersion=version).expect()


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_an_old_delegate(node: Node, version: str) -> None:
    result = node.add(delegates=[node.bridge_conf("a", cniVersion=version)]).expect()
    assert result["ips"] == [{"address": "10.77.97.2/24", "gateway": "10.77.97.1"}]
    assert node.api.status()[0]["interface"] == "eth0"
