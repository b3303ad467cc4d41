"""How often ADD waits for the API server, and how much it sends: counted, because times depend on the machine.

The server of these tests reads a whole flight before it answers the first request of it (`ApiServer.flights`). A plugin
that waited for that answer would get none, and ADD would fail at its deadline.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.apiserver import DROP, Answer, failure
from tests.fakes.objects import policy, policy_config
from tests.node.api.cluster import Api, misbehaving
from tests.node.api.podnode import NETWORKS, POD, Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow, misbehaving]

BLUE = "GET /api/v1/namespaces/blue"
DEFINITION = "GET /apis/k8s.cni.cncf.io/v1/namespaces/{}/network-attachment-definitions/{}"
LAN, WAN = DEFINITION.format("blue", "lan"), DEFINITION.format("blue", "wan")
CLAIM = "/apis/resource.k8s.io/v1/namespaces/blue/resourceclaims/nic"
RULES = [
    "GET /apis/access.nadmit.io/v1alpha1/networkattachmentpolicyconfigs/cluster",
    "GET /apis/access.nadmit.io/v1alpha1/networkattachmentpolicies?limit=500",
]
REPORT = [f"PATCH {POD}/status", "POST /api/v1/namespaces/blue/events"]
BYTES_MAX = 3072
"""Of all requests of one ADD with two networks: eight heads, a status, an event. The token is short. It is 2.4 KB."""


def recorder(**more: Any) -> Conf:
    return {"cniVersion": "1.0.0", "type": "recorder", **more}


@pytest.fixture
def pair(node: Node) -> Node:
    """The node, with a pod that asks for two networks of its namespace."""
    node.api.put_network("blue", "lan", recorder())
    node.api.put_network("blue", "wan", recorder())
    node.api.put_pod("lan,wan")
    return node


def give_claim(api: Api) -> None:
    """Give the pod a ResourceClaim, whose allocation names blue/lan for a driver that attaches by definitions."""
    driver = "sriovnetwork.k8snetworkplumbingwg.io"
    opaque = {"driver": driver, "parameters": {"netAttachDefName": "lan"}}
    results = [{"request": "vf", "driver": driver, "pool": "n1", "device": "d"}]
    devices = {"config": [{"source": "FromClaim", "requests": [], "opaque": opaque}], "results": results}
    api.put(CLAIM, {"metadata": {"name": "nic"}, "status": {"allocation": {"devices": devices}}})
    api.modify(POD, lambda pod: pod["spec"].update(resourceClaims=[{"name": "c", "resourceClaimName": "nic"}]))


def known(**annotations: str) -> Conf:
    """Return the capability arguments of a runtime that passes annotations of the pod on."""
    return {"io.kubernetes.cri.pod-annotations": annotations}


def test_a_pod_with_networks_waits_three_times(pair: Node, api: Api) -> None:
    api.flights.extend([1, 5, 2])
    pair.add().expect()
    assert api.asked() == [f"GET {POD}", BLUE, *RULES, LAN, WAN, *REPORT]
    assert (api.connections, list(api.flights)) == (1, [])
    assert api.bytes <= BYTES_MAX
    assert [line["interface"] for line in api.status()] == ["eth0", "net1", "net2"]


def test_a_pod_without_networks_waits_twice(node: Node, api: Api) -> None:
    api.flights.extend([1, 2])
    node.add().expect()
    assert api.asked() == [f"GET {POD}", *REPORT]
    assert api.connections == 1


def test_a_network_of_another_namespace_waits_for_the_rules(node: Node, api: Api) -> None:
    """Whether it exists is asked only if the rules allow it, or depend on its content."""
    for name in ("lan", "wan"):
        node.api.put_network("default", name, recorder())
    node.api.put_pod("default/lan,default/wan,red/san")
    api.flights.extend([1, 3, 3])
    node.add().refused(100)
    of_default = [DEFINITION.format("default", name) for name in ("lan", "wan")]
    asked = [f"GET {POD}", BLUE, *RULES, "GET /api/v1/namespaces/default", *of_default]
    assert api.asked()[:7] == asked
    assert not [line for line in api.asked() if "red" in line]


def test_definitions_of_the_node_go_out_with_the_pod(node: Node, api: Api) -> None:
    for name in ("first", "second"):
        node.api.put_network("kube-system", name, recorder())
    api.flights.extend([3, 2])
    node.add(clusterNetwork="first", defaultNetworks=["second"]).expect()
    assert api.asked()[1:3] == [DEFINITION.format("kube-system", name) for name in ("first", "second")]


def test_claims_go_out_with_the_rules(pair: Node, api: Api) -> None:
    give_claim(api)
    api.flights.extend([1, 6, 2])
    pair.add().expect()
    assert "resourceclaims/nic" in api.asked()[1]
    assert len(api.requests) == 9


def test_a_claim_that_names_a_network_asks_for_the_rules_at_once(node: Node, api: Api) -> None:
    node.api.put_network("blue", "lan", recorder())
    give_claim(api)
    api.flights.extend([1, 1, 3, 1, 2])
    node.add().expect()
    assert api.asked()[2:6] == [BLUE, *RULES, LAN]


def test_annotations_that_the_runtime_passes_on(pair: Node, api: Api) -> None:
    api.flights.extend([6, 2])
    pair.add(runtimeConfig=known(**{NETWORKS: "lan,wan"})).expect()
    assert api.asked() == [f"GET {POD}", BLUE, *RULES, LAN, WAN, *REPORT]


@pytest.mark.parametrize("guess", ["wan,red/san,lan@x,default/y", "[", "", "wan,,"])
def test_the_pod_decides_not_the_guess(pair: Node, api: Api, guess: str) -> None:
    """The annotations of the runtime are those of an earlier time, or anything."""
    node = pair
    node.api.put_pod("lan")
    node.add(runtimeConfig=known(**{NETWORKS: guess})).expect()
    assert [line["name"] for line in api.status()] == ["bridge-a", "blue/lan"]
    assert not [line for line in api.asked() if "red" in line or "default" in line]
    assert len(set(api.asked())) == len(api.asked())


@pytest.mark.parametrize("value", [[], "lan", {NETWORKS: 5}, {"other": "x"}, None])
def test_annotations_in_another_form_are_no_guess(pair: Node, api: Api, value: object) -> None:
    api.flights.extend([1, 5, 2])
    pair.add(runtimeConfig={"io.kubernetes.cri.pod-annotations": value}).expect()


def test_a_guess_gives_a_pod_no_network(node: Node, api: Api) -> None:
    node.api.put_network("blue", "lan", recorder())
    node.add(runtimeConfig=known(**{NETWORKS: "lan"})).expect()
    assert [line["interface"] for line in api.status()] == ["eth0"]


def test_a_refusal_and_its_remarks_are_one_flight(pair: Node, api: Api) -> None:
    deny = policy("guard", {"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]})
    node = pair
    node.api.put_rules(deny, policy_config(posture="Isolated"))
    api.flights.extend([1, 5, 1, 2])
    node.add(namespaceIsolation=False).refused(100)
    assert [line.partition(":")[0] for line in api.said()] == ["NetworkAccessDenied", "NetworkAccessConfigDiffers"]


# A flight that does not arrive


@pytest.mark.parametrize("broken", range(1, 6))
@pytest.mark.parametrize("answer", [Answer(DROP), failure(500), failure(429, Retry_After="0")])
def test_each_request_of_a_flight_can_fail_once(pair: Node, api: Api, broken: int, answer: Answer) -> None:
    api.flights.extend([1, 5])
    api.next_answers.extend([*[Answer()] * broken, answer])
    pair.add().expect()
    assert [line["interface"] for line in api.status()] == ["eth0", "net1", "net2"]
    assert len(api.said()) == 1


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_a_part_of_the_rules_that_does_not_come_costs_no_network(pair: Node, api: Api, ahead: int) -> None:
    """The rules have a share of the time; the definitions behind them in the flight are asked for again."""
    pair.api.put_rules(policy_config(node={"onUnavailable": "Allow"}))
    pair.add().expect()
    pair.delete().expect()
    api.next_answers.extend([*[Answer()] * ahead, Answer(after_s=60)])
    outcome = pair.add(deadline=4)
    outcome.expect()
    assert "NodeFailOpen" in outcome.err
    assert [line["interface"] for line in api.status()] == ["eth0", "net1", "net2"]


@pytest.mark.parametrize("answer", [Answer(DROP), failure(500)])
def test_each_report_can_fail_once(pair: Node, api: Api, answer: Answer) -> None:
    for broken in (6, 7):
        api.next_answers.extend([*[Answer()] * broken, answer])
        pair.add().expect()
        pair.delete().expect()
    assert [line["interface"] for line in api.status()] == ["eth0", "net1", "net2"]
    assert [line.partition(":")[0] for line in api.said()] == ["AddedInterface"] * 2
