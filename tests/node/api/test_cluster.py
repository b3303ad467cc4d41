"""What the cluster is told, and what its troubles do to a pod: never a lie, never a leak, DEL without it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable

import pytest

from tests.node.api_server import DROP, Answer, Request, failure

from .world import POD, STATUS, Node

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_network_status(node: Node) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b", dns={"nameservers": ["10.0.0.53"]}))
    node.api.put_pod("lan@data0", other="kept")
    node.add().expect()
    patches = [request for request in node.api.requests if request.method == "PATCH"]
    assert [request.path for request in patches] == [f"{POD}/status"]
    assert patches[0].headers["content-type"] == "application/merge-patch+json"
    assert patches[0].headers["authorization"] == "Bearer secret"
    body = patches[0].body
    assert set(body) == {"metadata"}
    assert set(body["metadata"]) == {"uid", "annotations"}
    assert (body["metadata"]["uid"], list(body["metadata"]["annotations"])) == ("uid-1", [STATUS])
    first, second = node.api.status()
    assert first == {
        "name": "bridge-a",
        "interface": "eth0",
        "ips": ["10.77.97.2"],
        "mac": node.mac("eth0"),
        "default": True,
        "dns": {},
        **({"mtu": first["mtu"]} if "mtu" in first else {}),
    }
    assert (second["name"], second["interface"], second["ips"]) == ("blue/lan", "data0", ["10.77.98.2"])
    assert (second["mac"], second["default"]) == (node.mac("data0"), False)
    assert node.api.objects[POD]["metadata"]["annotations"]["other"] == "kept"
    assert node.api.said() == [
        "AddedInterface: Add eth0 [10.77.97.2/24] from bridge-a",
        "AddedInterface: Add data0 [10.77.98.2/24] from blue/lan",
    ]
    assert node.api.events()[0]["involvedObject"]["uid"] == "uid-1"
    assert node.api.connections == 1


def test_a_pod_that_is_missing(node: Node) -> None:
    """NB: found within the time that a pod may take to appear, it is no error; Multus makes a result up."""
    del node.api.objects[POD]
    timer = threading.Timer(0.5, node.api.put_pod)
    timer.start()
    try:
        node.add().expect()
    finally:
        timer.join()
    node.delete().expect()
    del node.api.objects[POD]
    assert "blue/pods/web-0" in node.add(deadline=1).refused(11)
    assert node.left() == []


def test_a_pod_that_was_created_anew(node: Node) -> None:
    assert "its uid is uid-1" in node.add(uid="uid-0").refused(11)
    assert node.left() == []


def test_a_static_pod(node: Node) -> None:
    """The kubelet's uid is another than the mirror pod's, which is the one that counts for the API server."""
    node.api.put_pod(None, **{"kubernetes.io/config.source": "file"})
    node.add(uid="uid-0").expect()
    assert node.api.status()[0]["interface"] == "eth0"


def test_a_slow_api_server(node: Node) -> None:
    """Multus gives a request 250 ms."""
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan")
    node.api.answers.extend([Answer(after_s=0.7)] * 3)
    node.add().expect()
    assert len(node.api.status()) == 2


def test_slow_when_it_is_told(node: Node) -> None:
    node.api.answers.extend([Answer(after_s=0.7)] * 3)
    node.add().expect()
    assert len(node.api.status()) == 1
    assert len(node.api.said()) == 1


def test_an_api_server_with_a_bad_moment(node: Node) -> None:
    node.api.answers.extend([failure(500), Answer(DROP), failure(503), failure(429, Retry_After="0")])
    node.add().expect()
    assert len(node.api.status()) == 1


def test_an_api_server_that_refuses_connections(node: Node) -> None:
    """Nothing is attached, and the runtime may try again."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{closed.getsockname()[1]}"
        node.write_kubeconfig(address, node.api.keys.ca)
        text = node.add(deadline=0.5).refused(11)
        assert address in text
        assert node.left() == []
        node.write_kubeconfig(node.api.url, node.api.keys.ca)
        node.add().expect()
        node.write_kubeconfig(address, node.api.keys.ca)
        node.delete().expect()
        assert node.left() == []


def _broken(request: Request) -> Answer | None:
    return failure(500) if request.method == "PATCH" else None


def _forbidden(request: Request) -> Answer | None:
    return failure(403, "no") if request.method != "GET" else None


def _gone(request: Request) -> Answer | None:
    return failure(404, "gone") if request.method == "PATCH" else None


@pytest.mark.parametrize(("instead", "has_event"), [(_broken, None), (_forbidden, False), (_gone, True)])
def test_a_pod_works_though_its_status_cannot_be_written(
    node: Node, instead: Callable[[Request], Answer | None], *, has_event: bool | None
) -> None:
    node.api.instead = instead
    outcome = node.add(deadline=1.5)
    outcome.expect()
    assert "pod blue/web-0: network-status is not written: " in outcome.err
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}
    if has_event is not None:  # else it depends on the time that the status left
        assert any(line.startswith("NetworkStatusNotWritten: ") for line in node.api.said()) is has_event


def test_a_pod_that_is_replaced_while_it_is_attached(node: Node) -> None:
    def replace(request: Request) -> Answer | None:
        if request.method == "PATCH":
            node.api.objects[POD]["metadata"]["uid"] = "uid-2"
        return None

    node.api.instead = replace
    outcome = node.add(deadline=2)
    outcome.expect()
    assert "was created anew" in outcome.err
    assert STATUS not in node.api.objects[POD]["metadata"]["annotations"]


@pytest.mark.parametrize("trouble", ["down", "no kubeconfig", "kubeconfig lost", "gone", "changed", "bad annotation"])
def test_del_needs_no_cluster(node: Node, trouble: str) -> None:
    recorder = {"type": "recorder", "capabilities": {"portMappings": True}, "note": "as attached"}
    network = "/apis/k8s.cni.cncf.io/v1/namespaces/blue/network-attachment-definitions/lan"
    ports = [{"hostPort": 18080, "containerPort": 80}]
    node.api.put_network("blue", "lan", node.chain("b", recorder))
    node.api.put_pod([{"name": "lan", "interface": "data0", "portMappings": ports}, {"name": "lan"}])
    node.add().expect()
    assert set(node.addresses()) == {"eth0", "data0", "net2"}
    asked = len(node.api.requests)
    changes = {}
    if trouble == "down":
        node.api.instead = lambda _request: failure(503)
    elif trouble == "no kubeconfig":
        changes = {"kubeconfig": None}
    elif trouble == "kubeconfig lost":
        node.kubeconfig.unlink()
    elif trouble == "gone":
        del node.api.objects[POD], node.api.objects[network]
    elif trouble == "changed":
        node.api.put_network("blue", "lan", {"cniVersion": "1.0.0", "type": "missing-plugin"})
        node.api.put_pod("other")
    else:
        node.api.put_pod("[[[")
    node.delete(**changes).expect()
    assert len(node.api.requests) == asked
    for ifname in ("data0", "net2"):
        assert node.record("DEL", ifname)["conf"]["note"] == "as attached"
    wanted = [{**ports[0], "protocol": "tcp"}]
    assert node.record("DEL", "data0")["conf"]["runtimeConfig"] == {"portMappings": wanted}
    assert node.left() == []
    node.delete(**changes).expect()


def test_del_that_fails_is_an_error_until_it_succeeds(node: Node) -> None:
    node.api.put_network("blue", "lan", node.chain("b", {"type": "recorder"}))
    node.api.put_pod("lan")
    node.add().expect()
    (node.seen / "fail-DEL").touch()
    text = node.delete(kubeconfig=None).refused(130)
    assert "pod blue/web-0: item 1: network blue/lan (net1)" in text
    assert list(node.addresses()) == ["net1"]
    (node.seen / "fail-DEL").unlink()
    node.delete(kubeconfig=None).expect()
    assert node.left() == []


def test_ports_of_the_pod_are_opened_and_closed(node: Node) -> None:
    """With the real portmap: DEL must know the ports, which Multus forgets."""
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": False}
    node.api.put_network("blue", "lan", node.chain("b", portmap))
    port = 20000 + node.number
    node.api.put_pod([{"name": "lan", "portMappings": [{"hostPort": port, "containerPort": 80}]}])
    outcome = node.add()
    if "iptables" in json.dumps(outcome.out):
        pytest.skip(f"iptables does not work here: {outcome.out['msg']}")
    outcome.expect()
    assert f"--dport {port}" in _nat()
    node.delete(kubeconfig=None).expect()
    assert f"--dport {port}" not in _nat()


def _nat() -> str:
    import subprocess

    return subprocess.run(["iptables", "-t", "nat", "-S"], check=True, capture_output=True, text=True).stdout
