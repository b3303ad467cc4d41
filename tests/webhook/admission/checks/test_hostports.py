"""Equal ports of the node: the judgement for pods, and the connections that the real portmap makes of the same mappings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.webhook.admission.plugins.checking import CHECKS
from tests.webhook.admission.plugins.pods import codes, world
from tests.webhook.admission.world import decide, pod, request
from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import Decision, Object

Json = dict[str, Any]
PORTMAP = {"plugins": [{"type": "bridge"}, {"type": "portmap", "capabilities": {"portMappings": True}}]}


def mapping(container_port: int, host_ip: str = "", protocol: str = "", *, host_port: int = 8080) -> Json:
    more = {"hostIP": host_ip, "protocol": protocol}
    return {"hostPort": host_port, "containerPort": container_port, **{key: text for key, text in more.items() if text}}


def networks(*elements: list[Json]) -> str:
    return json.dumps([{"name": "net", "portMappings": mappings} for mappings in elements])


def ask(text: str, *, config: Json = PORTMAP, old: str | None = None, **more: Any) -> Decision:
    before = None if old is None else pod(old)
    return decide(request(pod(text)._replace(**more), old=before), world=world(config), plugins=CHECKS)


A, B = "192.0.2.1", "192.0.2.2"
ANY = "0.0.0.0"  # noqa: S104 - nothing is bound
CASES: list[tuple[str, list[list[Json]], list[str], dict[str, str]]] = [
    # name, mappings of each element, codes, and who answers at A and B: network and port of the pod
    ("one port twice", [[mapping(80), mapping(81)]], ["NAD620"], {A: "1:80", B: "1:80"}),
    ("the same mapping twice", [[mapping(80), mapping(80)]], [], {A: "1:80", B: "1:80"}),
    ("all addresses, then one", [[mapping(80), mapping(81, A)]], ["NAD620"], {A: "1:80", B: "1:80"}),
    ("0.0.0.0, then one address", [[mapping(80, ANY), mapping(81, A)]], ["NAD620"], {A: "1:80", B: "1:80"}),
    ("one address, then all", [[mapping(81, A), mapping(80)]], [], {A: "1:81", B: "1:80"}),
    ("two addresses", [[mapping(80, A), mapping(81, B)]], [], {A: "1:80", B: "1:81"}),
    ("one address twice", [[mapping(80, A), mapping(81, A)]], ["NAD620"], {A: "1:80"}),
    ("letter case of the protocol", [[mapping(80), mapping(81, "", "TCP")]], ["NAD620"], {A: "1:80"}),
    ("two networks", [[mapping(80)], [mapping(80)]], ["NAD621"], {A: "1:80", B: "1:80"}),
    ("two networks, the second for one address", [[mapping(80)], [mapping(80, A)]], ["NAD621"], {A: "1:80"}),
    ("two networks, the first for one address", [[mapping(80, A)], [mapping(80)]], [], {A: "1:80", B: "2:80"}),
]
IDS = [case[0] for case in CASES]


@pytest.mark.parametrize(("elements", "expected"), [case[1:3] for case in CASES], ids=IDS)
def test_the_judgement(elements: list[list[Json]], expected: list[str]) -> None:
    decision = ask(networks(*elements))
    assert codes(decision) == expected
    assert decision.is_allowed == ("NAD620" not in expected)


@pytest.mark.parametrize(
    "elements",
    [
        [[mapping(80), mapping(80, "", "udp")]],
        [[mapping(80), mapping(81, host_port=8081)]],
        [[mapping(80, ANY), mapping(81, "2001:db8::1")]],
        [[mapping(80, "2001:db8::1"), mapping(81, "2001:db8::2")]],
        [[mapping(80, ANY), mapping(81)]],
    ],
)
def test_different_ports(elements: list[list[Json]]) -> None:
    assert codes(ask(networks(*elements))) == []


def test_one_address_in_two_spellings() -> None:
    assert codes(ask(networks([mapping(80, "2001:db8::1"), mapping(81, "2001:DB8:0::1")]))) == ["NAD620"]
    assert codes(ask(networks([mapping(80, "::"), mapping(81, "2001:db8::1")]))) == ["NAD620"]


def test_who_is_not_judged() -> None:
    text = networks([mapping(80), mapping(81)])
    other = {"plugins": [{"type": "bridge"}, {"type": "other", "capabilities": {"portMappings": True}}]}
    assert "NAD620" not in codes(ask(text, config=other))
    assert codes(ask(text, is_host_network=True)) == []
    assert decide(request(pod(text)), world=world(PORTMAP), plugins=None).is_allowed


def test_a_template_is_judged_like_its_pods() -> None:
    text = networks([mapping(80), mapping(81)])
    decision = decide(
        request(Object(name="web", annotations=pod(text).annotations), kind=GroupKind("apps", "Deployment")),
        world=world(PORTMAP),
        plugins=CHECKS,
    )
    assert codes(decision) == ["NAD620"]
    assert decision.causes[0].field.startswith("spec.template.metadata.annotations")


def test_an_update_is_judged_by_what_is_new() -> None:
    old = networks([mapping(80), mapping(81)])
    assert ask(old, old=old).is_allowed
    assert ask(networks([mapping(80), mapping(81), mapping(82, host_port=9000)]), old=old).is_allowed
    worse = networks([mapping(80), mapping(81), mapping(82, host_port=9000), mapping(83, host_port=9000)])
    assert codes(ask(worse, old=old)) == ["NAD620"]


def test_many_mappings() -> None:
    text = networks([mapping(80 + at % 2) for at in range(500)])
    assert len(ask(text).causes) == 16


# The real plugin

CNI_BIN = Path("/usr/lib/cni")
SERVER = """\
import socket, sys, threading
def serve(text):
    ip, port = text.split("=")[0].rsplit(":", 1)
    with socket.create_server((ip, int(port))) as listener:
        sys.stdout.write("ready\\n"); sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            connection.sendall(text.split("=")[1].encode())
            connection.close()
for text in sys.argv[1:]:
    threading.Thread(target=serve, args=(text,)).start()
"""
CLIENT = "import socket, sys; print(socket.create_connection((sys.argv[1], 8080), 3).recv(10).decode())"


class Node:
    """Two network namespaces: that of a node with the addresses A and B, and that of a pod with two networks."""

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = f"nadmit-{os.getpid()}", folder
        self.results: list[Json] = []

    def run(self, *command: object, pod: bool = False, **more: Any) -> str:
        where = ("ip", "netns", "exec", f"{self.name}-{'pod' if pod else 'node'}")
        done = subprocess.run(
            [*where, *map(str, command)], capture_output=True, text=True, check=False, timeout=30, **more
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    def call(self, verb: str, plugin: str, number: int, conf: Json) -> Json:
        """Run a plugin for the network of this number."""
        environ = {
            **os.environ,
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "c",
            "CNI_NETNS": f"/run/netns/{self.name}-pod",
            "CNI_IFNAME": f"net{number}",
            "CNI_PATH": str(CNI_BIN),
        }
        whole = {"cniVersion": "1.0.0", "name": f"n{number}", **conf}
        text = self.run(CNI_BIN / plugin, env=environ, input=json.dumps(whole))
        return json.loads(text) if text else {}

    def portmap(self, verb: str, number: int, mappings: list[Json]) -> None:
        given = {"runtimeConfig": {"portMappings": [{"protocol": "tcp", **one} for one in mappings]}}
        conf = {"type": "portmap", "capabilities": {"portMappings": True}, "prevResult": self.results[number - 1]}
        self.call(verb, "portmap", number, {**conf, **given})

    def start(self) -> None:
        for kind in ("node", "pod"):
            subprocess.run(["ip", "netns", "add", f"{self.name}-{kind}"], check=True)
            loose = "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done"
            self.run(
                "sh", "-c", f"ip link set lo up; {loose}; echo 1 > /proc/sys/net/ipv4/ip_forward", pod=kind == "pod"
            )
        for address in (A, B):
            self.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        for number in (1, 2):
            ipam = {"type": "host-local", "dataDir": str(self.folder), "subnet": f"10.77.{number}.0/24"}
            conf = {"type": "bridge", "bridge": f"br{number}", "isGateway": True, "ipam": ipam}
            self.results.append(self.call("ADD", "bridge", number, conf))
        self.run("ip", "route", "add", "default", "via", "10.77.1.1", pod=True)

    def stop(self) -> None:
        for kind in ("node", "pod"):
            subprocess.run(["ip", "netns", "delete", f"{self.name}-{kind}"], check=False)

    def serve(self) -> subprocess.Popen[str]:
        """Answer at both networks of the pod with network and port, such as 1:80."""
        places = [f"10.77.{number}.2:{port}={number}:{port}" for number in (1, 2) for port in (80, 81)]
        command = ["ip", "netns", "exec", f"{self.name}-pod", sys.executable, "-c", SERVER, *places]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in places]
        assert lines == ["ready\n"] * 4, lines
        return server


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    if not (CNI_BIN / "portmap").exists() or not shutil.which("iptables"):
        pytest.skip("needs Debian's containernetworking-plugins in /usr/lib/cni, and iptables")
    made = Node(tmp_path_factory.mktemp("ipam"))
    try:
        made.start()
        with made.serve() as server:
            yield made
            server.kill()
    finally:
        made.stop()


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(("elements", "answers"), [(case[1], case[3]) for case in CASES], ids=IDS)
def test_who_gets_the_connections(node: Node, elements: list[list[Json]], answers: dict[str, str]) -> None:
    for number, mappings in enumerate(elements, 1):
        node.portmap("ADD", number, mappings)
    try:
        for address, expected in answers.items():
            assert node.run(sys.executable, "-c", CLIENT, address).strip() == expected, address
    finally:
        for number, mappings in enumerate(elements, 1):
            node.portmap("DEL", number, mappings)
