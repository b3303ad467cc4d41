"""Interfaces that a DRA driver made: the status of a ResourceClaim says what they are, and which pods have them."""

from __future__ import annotations

import json

import pytest

from webhook.report.topology import answertext, lookup, maptext
from webhook.report.topology.graph import Graph, Topology
from webhook.report.topology.outline import outline

from .objects import Object, bridge, checks, has, of, pod

DATA = {"interfaceName": "dra0", "ips": ["10.9.0.5/24", "fd00:0::5/64"], "hardwareAddress": "02:00:00:00:00:0a"}


def claim(*pods: str, data: object = DATA, name: str = "nic", namespace: str = "blue", pool: str = "node1") -> Object:
    reserved = [{"resource": "pods", "name": one, "uid": one} for one in pods]
    device = {"driver": "dra.example.com", "pool": pool, "device": "eth1-vf3", "networkData": data}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": namespace},
        "status": {"devices": [device], "reservedFor": reserved},
    }


def text_of(asked: str, topology: Topology) -> str:
    parsed = lookup.parse(asked)
    assert parsed is not None
    return answertext.render_text(lookup.find(parsed, topology, checks()), lambda text, _: text)


@pytest.mark.parametrize("asked", ["10.9.0.5", "fd00::5", "02-00-00-00-00-0A", "eth1-vf3"])
def test_the_pod_is_found_by_address_mac_and_device(asked: str) -> None:
    shown = text_of(asked, of([claim("web-0"), pod("web-0", status={"podIPs": [{"ip": "10.244.0.7"}]})]))
    assert "pod blue/web-0" in shown
    assert "claim:   blue/nic, device dra.example.com node1 eth1-vf3" in shown
    assert "segment: device driver dra.example.com" in shown
    assert "default network" not in shown


def test_the_order_of_objects_does_not_matter() -> None:
    objects = [pod("web-0", status={"podIPs": [{"ip": "10.244.0.7"}]}), claim("web-0")]
    assert of(objects) == of(list(reversed(objects)))


def test_a_pod_without_any_address_of_its_own_has_the_claimed_interface() -> None:
    (attachment,) = of([pod("web-0"), claim("web-0")]).attachments
    assert (attachment.pod.name, attachment.network, attachment.interface) == ("web-0", "", "dra0")


def test_an_interface_that_network_status_has_too_is_one_interface() -> None:
    objects = [bridge(), pod("web-0", has("blue/lan", "10.9.0.5", interface="dra0")), claim("web-0")]
    (attachment,) = of(objects).attachments
    assert attachment.network == "blue/lan"
    assert attachment.addresses == ("10.9.0.5", "fd00::5")
    assert attachment.mac == "02:00:00:00:00:0a"
    assert attachment.claimed is not None
    assert "segment: bridge br-lan" in text_of("10.9.0.5", of(objects))


def test_a_shared_claim_counts_for_each_pod_and_they_collide() -> None:
    shown = text_of("10.9.0.5", of([pod("a"), pod("b"), claim("a", "b")]))
    assert "pod blue/a" in shown
    assert "pod blue/b" in shown
    assert "2 pods have this address on interfaces of device driver dra.example.com" in shown


def test_pods_of_other_namespaces_and_those_that_are_gone_have_nothing() -> None:
    assert of([pod("web-0", namespace="green"), claim("web-0", "gone")]).attachments == ()


def test_the_map_shows_the_pool_under_the_driver() -> None:
    found = outline(of([pod("web-0"), claim("web-0"), bridge()]))
    tree = maptext.render_tree(found, lambda text, _: text)
    assert "device driver dra.example.com\n└─ node1\n   └─ blue pod/web-0" in tree


def test_claims_do_not_show_in_the_map_of_another_namespace() -> None:
    objects = [pod("web-0"), claim("web-0"), bridge(namespace="green")]
    assert [one.segment.kind for one in outline(of(objects), "green")] == ["bridge"]


def test_a_claim_that_is_read_again_replaces_itself() -> None:
    graph = Graph()
    for one in (pod("web-0"), claim("web-0"), claim("web-0", data={"interfaceName": "dra1"})):
        graph.add(one)
    assert [one.interface for one in graph.finish().attachments] == ["dra1"]


@pytest.mark.parametrize(
    "data", [None, [], "x", {}, {"ips": None}, {"ips": [None, 7]}, {"ips": "10.9.0.5"}, {"interfaceName": 7}]
)
def test_a_status_of_another_shape_has_nothing(data: object) -> None:
    assert of([pod("web-0"), claim("web-0", data=data)]).attachments == ()


def test_the_json_names_the_claim() -> None:
    asked = lookup.parse("10.9.0.5")
    assert asked is not None
    answer = lookup.find(asked, of([pod("web-0"), claim("web-0")]), checks())
    (holder,) = json.loads(answertext.render_json(answer))["holders"]
    expected = {"claim": "blue/nic", "driver": "dra.example.com", "pool": "node1", "name": "eth1-vf3"}
    assert holder["claimed"] == expected
