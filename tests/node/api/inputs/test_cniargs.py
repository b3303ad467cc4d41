"""CNI_ARGS as runtimes write them, and as delegates get them (cni pkg/types/args.go; protocol/cniargs)."""

from __future__ import annotations

import pytest

from cniplugin.protocol.cniargs import for_delegates, for_further_networks, read_pod
from tests.node.api.cluster import misbehaving
from tests.node.api.podnode import Node

POD = "K8S_POD_NAMESPACE=blue;K8S_POD_NAME=web-0"


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("", ""),
        (f"IgnoreUnknown=1;{POD}", f"IgnoreUnknown=1;{POD}"),
        (f"{POD};IgnoreUnknown=true;X=a=b", f"{POD};IgnoreUnknown=true;X=a=b"),
        (f"IgnoreUnknown=0;{POD}", f"IgnoreUnknown=0;{POD}"),
        (POD, f"{POD};IgnoreUnknown=1"),
        ("OTHER=1", "OTHER=1;IgnoreUnknown=1"),
        (f"{POD};IgnoreUnknown=", f"{POD};IgnoreUnknown=1"),
        (f"IgnoreUnknown=1;{POD};", f"IgnoreUnknown=1;{POD}"),
        (f";IgnoreUnknown=1;; ;{POD};;", f"IgnoreUnknown=1;{POD}"),
        (f"IgnoreUnknown=1;nonsense;{POD}", f"IgnoreUnknown=1;{POD}"),
        (";", ""),
    ],
)
def test_what_delegates_get(given: str, passed: str) -> None:
    assert for_delegates(given) == passed
    assert for_delegates(passed) == passed


def test_the_requests_for_one_interface() -> None:
    assert for_further_networks("IP=10.1.1.1;A=b;MAC=02:00:00:00:00:01;GATEWAY=10.1.1.254;IPS=x") == "A=b;IPS=x"


def test_the_last_pair_of_a_key_counts() -> None:
    assert read_pod("K8S_POD_NAME=a;K8S_POD_NAME=b;IP=10.1.1.1;", is_strict=True) == {"K8S_POD_NAME": "b"}


ARGS = {
    "trailing": "IgnoreUnknown=1;{pod};K8S_POD_UID={uid};",
    "empty": "IgnoreUnknown=1;;{pod};K8S_POD_UID={uid}",
    "leading": ";IgnoreUnknown=1;{pod};K8S_POD_UID={uid}",
    "no-ignore-unknown": "{pod};K8S_POD_UID={uid}",
    "empty-ignore-unknown": "IgnoreUnknown=;{pod};K8S_POD_UID={uid}",
    "no-ignore-unknown-and-unknown": "{pod};K8S_POD_UID={uid};OTHER=x",
}


@pytest.mark.root
@pytest.mark.slow
@misbehaving
@pytest.mark.parametrize("name", ARGS)
def test_every_verb_with_odd_arguments(node: Node, name: str) -> None:
    """host-local refuses an empty pair, and keys that it does not know, by libcni's LoadArgs."""
    args = ARGS[name].format(pod=POD, uid=node.api.uid)
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan")
    node.call("ADD", CNI_ARGS=args).expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"], "net1": ["10.77.98.2/24"]}
    node.call("DEL", CNI_ARGS=args).expect()
    assert node.left() == []


@pytest.mark.root
@pytest.mark.slow
@misbehaving
def test_the_address_that_a_runtime_asks_for(node: Node) -> None:
    """Podman and some test tools set IP and MAC; with both networks they would ask for one address twice."""
    node.api.put_network("blue", "lan", node.chain("b", {"type": "recorder"}))
    node.api.put_network("blue", "own", node.bridge_conf("c"))
    node.api.put_pod([{"name": "lan"}, {"name": "own", "ips": ["10.77.99.9"]}])
    wanted = "IP=10.77.97.77;MAC=02:00:00:00:00:01"
    args = f"IgnoreUnknown=1;{POD};K8S_POD_UID={node.api.uid};{wanted}"
    node.call("ADD", CNI_ARGS=args).expect()
    assert node.addresses() == {"eth0": ["10.77.97.77/24"], "net1": ["10.77.98.2/24"], "net2": ["10.77.99.9/24"]}
    assert node.mac("eth0") == "02:00:00:00:00:01"
    assert node.record("ADD", "net1")["environ"]["CNI_ARGS"] == args.removesuffix(f";{wanted}")
    node.call("DEL", CNI_ARGS=args).expect()
    assert node.record("DEL", "net1")["environ"]["CNI_ARGS"] == args.removesuffix(f";{wanted}")
