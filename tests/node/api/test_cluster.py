"""Reports to the cluster, and its failures: they cause no wrong report and no leak, and DEL does not need it."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.apiserver import DROP, Answer, Request, failure

from .cluster import Api, misbehaving
from .podnode import POD, STATUS, Node

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of an API server that does not exist."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{closed.getsockname()[1]}"


def test_network_status(node: Node) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b", dns={"nameservers": ["10.0.0.53"]}))
    node.api.put_pod("lan@data0", other="kept")
    node.add().expect()
    assert [line for line in node.api.asked() if line.startswith("PATCH")] == [f"PATCH {POD}/status"]
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
    assert node.api.annotations()["other"] == "kept"
    assert node.api.said() == [
        "AddedInterface: Add eth0 [10.77.97.2/24] from bridge-a\nAdd data0 [10.77.98.2/24] from blue/lan"
    ]
    assert node.api.events()[0]["involvedObject"]["uid"] == node.api.uid


@misbehaving
def test_network_status_on_the_wire(node: Node, api: Api) -> None:
    node.add().expect()
    (patch,) = [request for request in api.requests if request.method == "PATCH"]
    assert patch.headers["content-type"] == "application/merge-patch+json"
    assert patch.headers["authorization"] == "Bearer secret"
    assert set(patch.body) == {"metadata"}
    assert set(patch.body["metadata"]) == {"uid", "annotations"}
    assert (patch.body["metadata"]["uid"], list(patch.body["metadata"]["annotations"])) == ("uid-1", [STATUS])
    assert api.connections == 1


@misbehaving
def test_the_log_has_each_request_and_no_token(node: Node, api: Api) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan")
    api.next_answers.append(failure(503))
    file = node.directory / "nadmit.log"
    outcome = node.add(logFile=str(file), logLevel="debug", logToStderr=False)
    outcome.expect()
    lines = [line.split(" ", 5)[5] for line in file.read_text().splitlines() if " debug ADD " in line]
    said = [re.sub(r"ms=\d+", "ms=", line) for line in lines if line.startswith("api ")]
    lan = "/apis/k8s.cni.cncf.io/v1/namespaces/blue/network-attachment-definitions/lan"
    assert said[:2] == [f"api GET {POD} ms= status=503", f"api GET {POD} ms= status=200"]
    assert f"api GET {lan} ms= status=200" in said
    assert said[-2:] == [
        f"api PATCH {POD}/status ms= status=200",
        "api POST /api/v1/namespaces/blue/events ms= status=201",
    ]
    assert "secret" not in file.read_text()
    assert outcome.err == ""


def test_a_pod_that_is_missing(node: Node) -> None:
    """NB: a pod that appears in time is not an error. Multus invents a result."""
    node.api.delete_pod()
    timer = threading.Timer(0.5, node.api.put_pod)
    timer.start()
    try:
        node.add(uid="").expect()
    finally:
        timer.join()
    node.delete().expect()
    node.api.delete_pod()
    assert "blue/pods/web-0" in node.add(deadline=1).refused(11)
    assert node.left() == []


def test_a_pod_that_was_created_anew(node: Node) -> None:
    assert f"its uid is {node.api.uid}" in node.add(uid="uid-0").refused(11)
    assert node.left() == []


def test_a_static_pod(node: Node) -> None:
    """The kubelet's uid differs from that of the mirror pod, which the API server uses."""
    node.api.put_pod(None, **{"kubernetes.io/config.source": "file"})
    node.add(uid="uid-0").expect()
    assert node.api.status()[0]["interface"] == "eth0"


@misbehaving
def test_a_slow_api_server(node: Node, api: Api) -> None:
    """Multus gives a request 250 ms."""
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan")
    api.next_answers.extend([Answer(after_s=0.7)] * 3)
    node.add().expect()
    assert len(node.api.status()) == 2


@misbehaving
def test_slow_when_scripted(node: Node, api: Api) -> None:
    api.next_answers.extend([Answer(after_s=0.7)] * 3)
    node.add().expect()
    assert len(node.api.status()) == 1
    assert len(node.api.said()) == 1


@misbehaving
def test_an_api_server_with_a_bad_moment(node: Node, api: Api) -> None:
    api.next_answers.extend([failure(500), Answer(DROP), failure(503), failure(429, Retry_After="0")])
    node.add().expect()
    assert len(node.api.status()) == 1


def test_an_api_server_that_refuses_connections(node: Node, nobody: str) -> None:
    """Nothing is attached, and the runtime can try again."""
    node.write_kubeconfig(nobody)
    text = node.add(deadline=0.5).refused(11)
    assert nobody in text
    assert node.left() == []
    node.write_kubeconfig(node.api.url)
    node.add().expect()
    node.write_kubeconfig(nobody)
    node.delete().expect()
    assert node.left() == []


def _broken(request: Request) -> Answer | None:
    return failure(500) if request.method == "PATCH" else None


def _forbidden(request: Request) -> Answer | None:
    return failure(403, "no") if request.method != "GET" else None


def _gone(request: Request) -> Answer | None:
    return failure(404, "gone") if request.method == "PATCH" else None


@misbehaving
@pytest.mark.parametrize(("instead", "has_event"), [(_broken, None), (_forbidden, False), (_gone, True)])
def test_a_pod_works_though_its_status_cannot_be_written(
    node: Node, api: Api, instead: Callable[[Request], Answer | None], *, has_event: bool | None
) -> None:
    api.instead = instead
    outcome = node.add(deadline=1.5)
    outcome.expect()
    assert "pod blue/web-0: network-status is not written: " in outcome.err
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}
    if has_event is not None:  # otherwise it depends on the time that is left after the status
        assert any(line.startswith("NetworkStatusNotWritten: ") for line in node.api.said()) is has_event


@misbehaving
@pytest.mark.parametrize("has_events", [True, False])
def test_a_status_that_cannot_be_written_takes_a_part_of_the_time(node: Node, api: Api, *, has_events: bool) -> None:
    """Each PATCH gets 500, as from a broken webhook, and the pod starts long before the deadline."""
    broken = {"PATCH"} if has_events else {"PATCH", "POST"}
    api.instead = lambda request: failure(500, "webhook is down") if request.method in broken else None
    begun = time.monotonic()
    outcome = node.add(deadline=9)
    took = time.monotonic() - begun
    outcome.expect()
    assert 1 < took < 5, "about a third of the deadline"
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}
    assert "network-status is not written: API server" in outcome.err
    assert "webhook is down" in outcome.err
    if has_events:  # NB: the event about the networks was in the flight of the first PATCH
        assert [line.partition(":")[0] for line in node.api.said()] == ["AddedInterface", "NetworkStatusNotWritten"]
    else:
        assert outcome.err.count("is not written, and other events are not tried again") == 1


@misbehaving
def test_an_api_server_that_goes_dark_before_the_status(node: Node, api: Api) -> None:
    """The API server takes the request and never answers."""
    api.next_answers.extend([Answer(), Answer(after_s=60)])
    begun = time.monotonic()
    outcome = node.add(deadline=6)
    outcome.expect()
    assert time.monotonic() - begun < 4
    assert [request.method for request in api.requests[:2]] == ["GET", "PATCH"]
    assert "network-status is not written: API server" in outcome.err
    assert [line.partition(":")[0] for line in node.api.said()] == ["NetworkStatusNotWritten", "AddedInterface"]


@misbehaving
def test_a_refusal_does_not_wait_for_the_deadline(node: Node, api: Api) -> None:
    node.api.put_network("red", "lan", node.bridge_conf("b"))
    api.put("/api/v1/namespaces/red", {})
    node.api.put_pod("red/lan")
    api.instead = lambda request: failure(500) if request.method == "POST" else None
    begun = time.monotonic()
    outcome = node.add(deadline=9)
    outcome.refused(100)
    assert time.monotonic() - begun < 5
    assert "event NetworkAccessDenied is not written" in outcome.err


def test_a_pod_that_is_replaced_while_it_is_attached(node: Node) -> None:
    node.api.put_network("blue", "lan", node.chain("b", {"type": "recorder"}))
    node.api.put_pod("lan")
    with node.adding() as adding:
        node.api.replace_pod()
    outcome = adding.result()
    outcome.expect()
    assert "created anew" in outcome.err
    assert STATUS not in node.api.annotations()


@pytest.mark.parametrize("trouble", ["down", "no kubeconfig", "kubeconfig lost", "gone", "changed", "bad annotation"])
def test_del_needs_no_cluster(node: Node, nobody: str, trouble: str) -> None:
    recorder = {"type": "recorder", "capabilities": {"portMappings": True}, "note": "as attached"}
    ports = [{"hostPort": 18080, "containerPort": 80}]
    node.api.put_network("blue", "lan", node.chain("b", recorder))
    node.api.put_pod([{"name": "lan", "interface": "data0", "portMappings": ports}, {"name": "lan"}])
    node.add().expect()
    assert set(node.addresses()) == {"eth0", "data0", "net2"}
    asked = node.api.asked()
    changes = {}
    if trouble == "down":
        node.write_kubeconfig(nobody)
    elif trouble == "no kubeconfig":
        changes = {"kubeconfig": None}
    elif trouble == "kubeconfig lost":
        node.kubeconfig.unlink()
    elif trouble == "gone":
        node.api.delete_pod()
        node.api.delete_network("blue", "lan")
    elif trouble == "changed":
        node.api.put_network("blue", "lan", {"cniVersion": "1.0.0", "type": "missing-plugin"})
        node.api.put_pod("other")
    else:
        node.api.put_pod("[[[")
    node.delete(**changes).expect()
    assert node.api.asked() == asked
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
    """DEL of the real portmap gets the ports, which Multus does not record."""
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
