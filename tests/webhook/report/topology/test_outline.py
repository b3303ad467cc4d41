"""The outline: segments, networks, and workloads with the number of their pods; and its forms."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.paths import ROOT
from webhook.report.topology import mapsvg, maptext
from webhook.report.topology.outline import NetworkOutline, SegmentOutline, User, outline
from webhook.report.topology.segments import Segment

from .objects import Object, bridge, deployment, has, network, of, pod

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "map.schema.json").read_text())


def plain(text: str, _role: str) -> str:
    return text


def owned(kind: str, name: str, **labels: str) -> Object:
    owner = {"kind": kind, "name": name, "uid": "u", "controller": True}
    return {"ownerReferences": [owner], "labels": labels}


def users(*objects: Object, namespace: str = "") -> dict[str, tuple[User, ...]]:
    found = outline(of(objects), namespace)
    return {one.network: one.users for segment in found for one in segment.networks}


def test_pods_are_counted_by_workload() -> None:
    web = owned("StatefulSet", "web")
    pods = [pod(f"web-{n}", has(ip=f"10.1.0.{n}"), metadata=web, node=f"node{n % 2}") for n in range(5)]
    assert users(bridge(), *pods, pod("alone", has())) == {
        "blue/lan": (User("blue", "pod/alone", 1, 1), User("blue", "statefulset/web", 5, 2))
    }


@pytest.mark.parametrize(
    ("metadata", "workload"),
    [
        (owned("ReplicaSet", "web-5d8f", **{"pod-template-hash": "5d8f"}), "deployment/web"),
        (owned("ReplicaSet", "web-5d8f", **{"pod-template-hash": "other"}), "replicaset/web-5d8f"),
        (owned("ReplicaSet", "web-"), "replicaset/web-"),
        (owned("Job", "once-5d8f", **{"pod-template-hash": "5d8f"}), "job/once-5d8f"),
        ({}, "pod/web"),
    ],
)
def test_the_workload_of_a_pod(metadata: Object, workload: str) -> None:
    (user,) = users(bridge(), pod("web", has(), metadata=metadata))["blue/lan"]
    assert user.workload == workload


def test_a_pod_with_two_interfaces_counts_once() -> None:
    assert users(bridge(), pod("a", has(), has(interface="net2")))["blue/lan"] == (User("blue", "pod/a", 1, 1),)


def test_networks_are_grouped_by_segment() -> None:
    up = {"type": "macvlan", "master": "eth1"}
    found = outline(of([network("b", up), network("a", up, "green"), bridge(), network("x", {"type": "ptp"})]))
    assert [(one.segment.title, [network.network for network in one.networks]) for one in found] == [
        ("bridge br-lan", ["blue/lan"]),
        ("interface eth1", ["blue/b", "green/a"]),
        ("definition blue/x", ["blue/x"]),
    ]


def test_the_default_network_is_left_out_and_a_missing_definition_is_not() -> None:
    web = pod("web", has("default-net", interface="eth0"), has("blue/gone"))
    (found,) = outline(of([web]))
    assert [(one.network, one.is_defined, one.pods) for one in found.networks] == [("blue/gone", False, 1)]


def test_a_namespace_has_its_networks_and_those_of_its_pods() -> None:
    objects = [
        bridge(),
        network("up", {"type": "macvlan"}, "green"),
        network("other", {"type": "ptp"}, "red"),
        pod("a", has("green/up")),
    ]
    assert sorted(users(*objects, namespace="blue")) == ["blue/lan", "green/up"]
    assert sorted(users(*objects, namespace="green")) == ["green/up"]
    assert sorted(users(*objects)) == ["blue/lan", "green/up", "red/other"]


def test_the_tree() -> None:
    web = owned("StatefulSet", "web")
    objects = [
        bridge(ipam={"type": "dhcp"}),
        bridge("next", namespace="green"),
        network("x", {"type": "ptp"}),
        network("file", ""),
        *(pod(f"web-{n}", has(), has("blue/x", interface="net2"), metadata=web, node=f"n{n}") for n in range(2)),
        pod("alone", has("green/next"), namespace="green"),
        pod("lost", has("blue/gone")),
    ]
    assert maptext.render_tree(outline(of(objects)), plain).splitlines() == [
        "bridge br-lan",
        "├─ blue/lan (bridge, dhcp)",
        "│  └─ blue statefulset/web: 2 pods on 2 nodes",
        "└─ green/next (bridge)",
        "   └─ green pod/alone",
        "blue/file: no pod",
        "blue/gone (no such definition)",
        "└─ blue pod/lost",
        "blue/x (ptp)",
        "└─ blue statefulset/web: 2 pods on 2 nodes",
    ]


def test_a_long_list_of_workloads_is_cut() -> None:
    lines = maptext.render_tree(outline(of([bridge(), *(pod(f"p{n:02}", has()) for n in range(25))])), plain)
    assert lines.splitlines()[-1] == "   └─ and 5 workloads more; -o json has all"


def test_the_json_follows_its_schema() -> None:
    found = outline(of([bridge(), pod("a", has()), pod("b", has("blue/gone"))]))
    value = json.loads(maptext.render_json(found, ["a note"], ["a right"]))
    jsonschema.validate(value, SCHEMA)
    assert [one["networks"][0]["network"] for one in value["segments"]] == ["blue/lan", "blue/gone"]
    assert value["segments"][0]["networks"][0]["users"] == [
        {"namespace": "blue", "workload": "pod/a", "pods": 1, "nodes": 1}
    ]


# Pictures

_DOT_STRING = r'"(?:[^"\\]|\\.)*"'
_DOT_LINE = re.compile(
    rf"graph networks {{|}}|rankdir=LR;|node \[shape=box\];|subgraph cluster\d+ {{|label={_DOT_STRING};"
    rf"|[nw]\d+ \[label={_DOT_STRING}(?:, style=bold)?\];|w\d+ -- n\d+ \[label={_DOT_STRING}\];"
)
_MERMAID_LINE = re.compile(
    r'flowchart LR|end|subgraph s\d+\["[^"]*"\]|n\d+\["[^"]*"\]|w\d+\(\["[^"]*"\]\)|w\d+ -- "[^"]*" --- n\d+'
)


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_no_name_breaks_a_picture(segment: str, name: str, workload: str) -> None:
    """Each line stays one statement of its language, and each edge joins two nodes, with any text as a name."""
    one = NetworkOutline(name, (), (), is_defined=True, users=(User("blue", workload, 2, 1),))
    found = [SegmentOutline(Segment("bridge", segment), (one,)), SegmentOutline(Segment("definition", name), (one,))]
    for text, line in ((maptext.render_dot(found), _DOT_LINE), (maptext.render_mermaid(found), _MERMAID_LINE)):
        lines = [written.strip() for written in text.split("\n")]
        assert [written for written in lines if not line.fullmatch(written)] == []
        assert sum(" -- " in written and written.startswith("w") and "n" in written for written in lines) >= 2


def test_a_workload_on_two_networks_is_one_node() -> None:
    found = outline(of([bridge(), network("x", {"type": "ptp"}), pod("a", has(), has("blue/x", interface="net2"))]))
    for text in (maptext.render_dot(found), maptext.render_mermaid(found)):
        assert text.count("blue pod/a") == 1
        assert len(re.findall(r"^ *w1 -- ", text, re.MULTILINE)) == 2


def test_who_asks_is_there_before_a_pod_has_the_network() -> None:
    asks = [{"name": "lan"}]
    web = owned("StatefulSet", "web")
    objects = [
        bridge(),
        pod("waits", asks=asks),
        pod("host", asks=asks, spec={"hostNetwork": True}),
        pod("ended", asks=asks, status={"phase": "Succeeded"}),
        pod("elsewhere", asks=[{"name": "gone"}]),
        pod("web-0", has(), asks=asks, metadata=None),
        pod("db-0", has(), metadata=web),
        deployment("later", asks),
    ]
    assert users(*objects) == {
        "blue/lan": (
            User("blue", "deployment/later", 0, 0),
            User("blue", "pod/waits", 0, 0),
            User("blue", "pod/web-0", 1, 1),
            User("blue", "statefulset/web", 1, 1),
        )
    }
    found = outline(of(objects))
    assert "   ├─ blue pod/waits: asks for it" in maptext.render_tree(found, plain).splitlines()
    assert 'w2 -. "asks for it" .- n1' in maptext.render_mermaid(found)
    assert 'w2 -- n1 [label="asks for it", style=dashed];' in maptext.render_dot(found)
    assert mapsvg.render(found).count('class="asked"') == 2
    jsonschema.validate(json.loads(maptext.render_json(found, [], [])), SCHEMA)


def test_a_definition_that_was_not_read_is_not_missing() -> None:
    """Only a namespace whose definitions were read can lack one."""
    topology = of([bridge(), pod("a", has("blue/gone"), has("green/far"))])
    for definitions_of, expected in (("", (False, False)), ("blue", (False, None)), (None, (None, None))):
        found = outline(topology._replace(definitions_of=definitions_of))
        defined = {one.network: one.is_defined for segment in found for one in segment.networks}
        assert (defined["blue/lan"], defined["blue/gone"], defined["green/far"]) == (True, *expected)
        text = maptext.render_tree(found, plain)
        assert text.count("no such definition") == expected.count(False)
        jsonschema.validate(json.loads(maptext.render_json(found, [], [])), SCHEMA)
