"""The networks annotation: vectors, rule ids, properties and hostile input (NPWG v1.3 §4.1)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import annotation, selection
from cniplugin.netspec.annotation import PodSelections
from cniplugin.netspec.errors import REMARKS_MAX, SpecErrors, render
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS, Bandwidth, NetworkSelectionElement, PortMapping
from tests.paths import VECTORS

DATA = json.loads((VECTORS / "annotation.json").read_text())["cases"]


def errors_of(text: str, *, namespace: str = "test") -> list[tuple[str, str]]:
    with pytest.raises(SpecErrors) as caught:
        annotation.parse(text, namespace=namespace)
    return [(error.rule, error.path) for error in caught.value]


def test_vectors_are_found() -> None:
    assert len(DATA) == 112


@pytest.mark.parametrize("case", DATA, ids=lambda case: case["id"])
def test_vector(case: dict[str, Any]) -> None:
    if case["expect"] == "error":
        with pytest.raises(SpecErrors) as caught:
            annotation.parse(case["annotation"], namespace=case["pod_namespace"])
        assert all(error.source == selection.NETWORKS and render(error) for error in caught.value)
        return
    elements = annotation.parse(case["annotation"], namespace=case["pod_namespace"])
    assert [selection.to_json(element) for element in elements] == [_contract(item) for item in case["networks"]]
    read = annotation.read_pod(case["annotation"], "", namespace=case["pod_namespace"], network_namespace="kube-system")
    assert [remark.rule for remark in read.remarks] == case.get("remarks", [])


LATE = {"missing-name", "interface-name", "interface-reserved", "port-protocol", "empty-item", "network-name",
        "interface-duplicate", "item-not-object", "network-namespace"}  # fmt: skip
"""What Multus parses and fails on later: at the look-up, in libcni, in the plugin, or by a crash."""


@pytest.mark.parametrize("case", DATA, ids=lambda case: case["id"])
def test_what_multus_reads_is_read(case: dict[str, Any]) -> None:
    """Only a key that resembles one that matters is a problem here, and is ignored there."""
    read = annotation.read_pod(case["annotation"], "", namespace=case["pod_namespace"], network_namespace="kube-system")
    rules = {error.rule for error in read.problems}
    if case["multus"] == "ok":
        assert rules <= LATE | {"unknown-key"}
    else:
        assert rules


def _contract(item: dict[str, Any]) -> dict[str, Any]:
    """Drop the zeros that Go's struct adds to `bandwidth`: they mean "no request" (docs/conformance.md)."""
    if "bandwidth" not in item:
        return item
    return {**item, "bandwidth": {key: rate for key, rate in item["bandwidth"].items() if rate}}


def test_zero_bandwidth_is_the_only_difference_from_the_vectors() -> None:
    changed = [
        case["id"] for case in DATA if case["networks"] and [_contract(n) for n in case["networks"]] != case["networks"]
    ]
    assert changed == ["sp-bw-rate-only"]


ONE_FAULT = [
    # rule, path, text
    ("json-syntax", "", '[{"name":"a"'),
    ("json-number", "", '[{"name":"a","cni-args":{"x":NaN}}]'),
    ("json-number", "", '[{"name":"a","cni-args":{"x":1e999}}]'),
    ("json-number", "", '[{"name":"a","cni-args":{"x":' + "1" * 5000 + "}}]"),
    ("json-depth", "", '[{"name":"a","cni-args":{"x":' + "[" * 70 + "]" * 70 + "}}]"),
    ("json-encoding", "[0].cni-args.x", '[{"name":"a","cni-args":{"x":"\\ud800"}}]'),
    ("json-encoding", "[0].cni-args", '[{"name":"a","cni-args":{"\\udfff":1}}]'),
    ("json-duplicate-key", '[0].cni-args["a.b"]', '[{"name":"a","cni-args":{"a.b":1,"a.b":2}}]'),
    ("json-size", "", "[" + " " * annotation.ANNOTATION_BYTES_MAX + "]"),
    ("json-size", "", "a" * (annotation.ANNOTATION_BYTES_MAX + 1)),
    ("not-a-list", "", '{"name":"a"}'),
    ("item-not-object", "[1]", '[{"name":"a"},null]'),
    ("item-not-object", "[0]", '["a"]'),
    ("empty-item", "[1]", "a,,b"),
    ("missing-name", "[0]", "[{}]"),
    ("missing-name", "[0]", '[{"name":""}]'),
    ("missing-name", "[0]", '[{"name":null}]'),
    ("network-name", "[0]", "a/b/c"),
    ("network-name", "[0]", "Net"),
    ("network-name", "[0].name", '[{"name":"ns/a"}]'),
    ("network-namespace", "[0]", "Ns/a"),
    ("network-name", "[0]", "a@b@c"),
    ("network-name", "[0]", "ns:a"),
    ("unknown-key", "[0].ip", '[{"name":"a","ip":["10.0.0.1"]}]'),
    ("unknown-key", "[0].IPRequest", '[{"name":"a","IPRequest":"10.0.0.1"}]'),
    ("unknown-key", "[0].defaultRoute", '[{"name":"a","defaultRoute":["10.0.0.1"]}]'),
    ("unknown-key", "[0].name_space", '[{"name":"a","name_space":"b"}]'),
    ("json-duplicate-key", "[0].cni-args", '[{"name":"a","cni-args":{"x":1},"cni-args":{"y":1}}]'),
    (
        "json-duplicate-key",
        "[0].Bandwidth",
        '[{"name":"a","bandwidth":{"ingressRate":1},"Bandwidth":{"egressRate":1}}]',
    ),
    ("json-duplicate-key", "[0].ips", '[{"name":"a","ips":["10.0.0.1"],"ips":null}]'),
    ("json-duplicate-key", '[0]["a.b"].x', '[{"name":"a","a.b":{"x":1,"x":2}}]'),
    ("wrong-type", "[0].name", '[{"name":1,"name":"a"}]'),
    ("network-namespace", "[0].namespace", '[{"name":"a","namespace":"a.b"}]'),
    ("interface-name", "[0].interfaceRequest", '[{"name":"a","interfaceRequest":"a b"}]'),
    ("interface-reserved", "[0]", "a@lo"),
    ("interface-duplicate", "[2]", "a@x,b,c@x"),
    (
        "unknown-key",
        "[0].portMappings[0].host",
        '[{"name":"a","portMappings":[{"hostPort":1,"containerPort":1,"host":1}]}]',
    ),
    ("wrong-type", "[0].name", '[{"name":5}]'),
    ("wrong-type", "[0].ips", '[{"name":"a","ips":"10.0.0.1"}]'),
    ("wrong-type", "[0].ips[0]", '[{"name":"a","ips":[null]}]'),
    ("wrong-type", "[0].mac", '[{"name":"a","mac":1}]'),
    ("wrong-type", "[0].cni-args", '[{"name":"a","cni-args":[]}]'),
    ("wrong-type", "[0].portMappings", '[{"name":"a","portMappings":{}}]'),
    ("wrong-type", "[0].portMappings[0]", '[{"name":"a","portMappings":[1]}]'),
    ("wrong-type", "[0].bandwidth", '[{"name":"a","bandwidth":[]}]'),
    ("wrong-type", "[0].default-route", '[{"name":"a","default-route":"10.0.0.1"}]'),
    ("wrong-type", "[0].deviceID", '[{"name":"a","deviceID":1}]'),
    ("ips-value", "[0].ips[1]", '[{"name":"a","ips":["10.0.0.1","10.0.0.1/024"]}]'),
    ("mac-value", "[0].mac", '[{"name":"a","mac":"02:00:00:00:00"}]'),
    ("guid-value", "[0].infiniband-guid", '[{"name":"a","infiniband-guid":"02:00:00:00:00:01"}]'),
    ("default-route-value", "[0].default-route[0]", '[{"name":"a","default-route":["x"]}]'),
    (
        "default-route-holder",
        "[1].default-route",
        '[{"name":"a","default-route":[]},{"name":"b","default-route":[]}]',
    ),
    ("ipam-claim-name", "[0].ipam-claim-reference", '[{"name":"a","ipam-claim-reference":"A/B"}]'),
    ("port-missing", "[0].portMappings[0]", '[{"name":"a","portMappings":[{"hostPort":1}]}]'),
    (
        "port-protocol",
        "[0].portMappings[0].protocol",
        '[{"name":"a","portMappings":[{"hostPort":1,"containerPort":1,"protocol":"icmp"}]}]',
    ),
    (
        "port-protocol",
        "[0].portMappings[0].protocol",
        '[{"name":"a","portMappings":[{"hostPort":1,"containerPort":1,"protocol":6}]}]',
    ),
    (
        "port-host-ip",
        "[0].portMappings[0].hostIP",
        '[{"name":"a","portMappings":[{"hostPort":1,"containerPort":1,"hostIP":"x"}]}]',
    ),
    (
        "number-range",
        "[0].portMappings[0].hostPort",
        '[{"name":"a","portMappings":[{"hostPort":65536,"containerPort":1}]}]',
    ),
    ("number-range", "[0].bandwidth.egressRate", '[{"name":"a","bandwidth":{"egressRate":-1}}]'),
    (
        "bandwidth-burst",
        "[0].bandwidth.egressBurst",
        '[{"name":"a","bandwidth":{"egressBurst":1,"ingressRate":1}}]',
    ),
]


@pytest.mark.parametrize(("rule", "path", "text"), ONE_FAULT)
def test_one_fault(rule: str, path: str, text: str) -> None:
    assert errors_of(text) == [(rule, path)]


REMARKS = [
    # text, rules and paths of the remarks, the element as it is read
    (" \t ", [("blank-annotation", "")], None),
    ("/a", [("item-form", "[0]")], {"name": "a", "namespace": "ns"}),
    ("a@", [("item-form", "[0]")], {"name": "a", "namespace": "ns"}),
    ("other / a @ x", [("item-form", "[0]")], {"name": "a", "namespace": "other", "interface": "x"}),
    ('[{"name":"a","name":"b"}]', [("json-duplicate-key", "[0].name")], {"name": "b", "namespace": "ns"}),
    (
        '[{"Name":"b","name":"a","Name":"c"}]',
        [
            ("key-case", "[0].Name"),
            ("json-duplicate-key", "[0].name"),
            ("key-case", "[0].Name"),
            ("json-duplicate-key", "[0].Name"),
        ],
        {"name": "c", "namespace": "ns"},
    ),
    ('[{"name":"a","foo":1}]', [("unknown-key", "[0].foo")], {"name": "a", "namespace": "ns"}),
    ('[{"name":"a","gateway":["10.0.0.1"]}]', [("unknown-key", "[0].gateway")], {"name": "a", "namespace": "ns"}),
    ('[{"name":"a","resourceName":"x/y"}]', [("unknown-key", "[0].resourceName")], {"name": "a", "namespace": "ns"}),
    ('[{"name":"a","a b":1}]', [("unknown-key", '[0]["a b"]')], {"name": "a", "namespace": "ns"}),
    ('[{"name":"a","Namespace":"b"}]', [("key-case", "[0].Namespace")], {"name": "a", "namespace": "b"}),
    ('[{"name":"a","ips":[]}]', [("ips-empty", "[0].ips")], {"name": "a", "namespace": "ns"}),
    (
        '[{"name":"a","portMappings":[]}]',
        [("port-mappings-empty", "[0].portMappings")],
        {"name": "a", "namespace": "ns"},
    ),
    ('[{"name":"a","bandwidth":{}}]', [("bandwidth-empty", "[0].bandwidth")], {"name": "a", "namespace": "ns"}),
    (
        '[{"name":"a","bandwidth":{"egressRate":0}}]',
        [("bandwidth-empty", "[0].bandwidth")],
        {"name": "a", "namespace": "ns"},
    ),
    (
        '[{"name":"a","bandwidth":{"IngressRate":5,"egressRate":0}}]',
        [("key-case", "[0].bandwidth.IngressRate")],
        {"name": "a", "namespace": "ns", "bandwidth": {"ingressRate": 5}},
    ),
    (
        '[{"name":"a","bandwidth":{"ingressRate":5,"ingressRate":6}}]',
        [("json-duplicate-key", "[0].bandwidth.ingressRate")],
        {"name": "a", "namespace": "ns", "bandwidth": {"ingressRate": 6}},
    ),
    (
        '[{"name":"a","ips":["10.0.0.1"],"ipam-claim-reference":"c"}]',
        [("ipam-claim-ips", "[0]")],
        {"name": "a", "namespace": "ns", "ips": ["10.0.0.1"], "ipam-claim-reference": "c"},
    ),
]


@pytest.mark.parametrize(("text", "rules", "element"), REMARKS)
def test_what_breaks_the_letter_is_read_with_a_remark(
    text: str, rules: list[tuple[str, str]], element: dict[str, Any] | None
) -> None:
    read = annotation.read_pod(text, "", namespace="ns", network_namespace="kube-system")
    assert read.problems == ()
    assert [(remark.rule, remark.path) for remark in read.remarks] == rules
    assert [selection.to_json(one) for one in read.networks if one] == ([element] if element else [])
    assert all(remark.source == NETWORKS and render(remark) for remark in read.remarks)


def test_a_repeated_key_of_a_port_is_one_problem() -> None:
    """Go would merge it with the port that an earlier list has at this place."""
    text = '[{"name":"a","portMappings":[{"hostPort":1,"hostPort":2,"containerPort":3}]}]'
    assert errors_of(text) == [("json-duplicate-key", "[0].portMappings[0].hostPort")]


def test_ss_is_not_another_letter_case() -> None:
    """Go folds letter by letter; `str.casefold` makes two letters of one."""
    read = annotation.read_pod('[{"name":"a","\ufb01x":1}]', "", namespace="ns", network_namespace="kube-system")
    assert [remark.rule for remark in read.remarks] == ["unknown-key"]


def test_remarks_and_comparisons_are_bounded() -> None:
    keys = ",".join(f'"zz{number:05}":1' for number in range(9000))
    read = annotation.read_pod(f'[{{"name":"a",{keys}}}]', "", namespace="ns", network_namespace="kube-system")
    assert read.problems == ()
    assert len(read.remarks) == REMARKS_MAX


def test_one_holder_of_the_default_route_for_each_family() -> None:
    text = '[{"name":"a","default-route":["10.0.0.1"]},{"name":"b","default-route":["fd00::1"]}]'
    read = annotation.read_pod(text, "", namespace="ns", network_namespace="kube-system")
    assert read.problems == ()
    assert [remark.rule for remark in read.remarks] == ["default-route-families"]


def test_all_problems_are_found_in_one_pass_and_in_order() -> None:
    text = '[{"name":"A","mac":"x","ips":["1.2.3.4.5","ok"],"Mac":1},null,{"name":"b","bandwidth":{"ingressRate":-1}}]'
    assert errors_of(text) == [
        ("network-name", "[0].name"),
        ("mac-value", "[0].mac"),
        ("ips-value", "[0].ips[0]"),
        ("ips-value", "[0].ips[1]"),
        ("wrong-type", "[0].Mac"),
        ("item-not-object", "[1]"),
        ("number-range", "[2].bandwidth.ingressRate"),
    ]


def test_a_syntax_error_shows_the_place() -> None:
    with pytest.raises(SpecErrors) as caught:
        annotation.parse('[\n  {"name": "a"}\n  {"name": "b"}\n]', namespace="test")
    (error,) = caught.value
    assert error.detail.startswith("the annotation is not JSON: line 3 column 3")
    assert error.excerpt == '  {"name": "b"}\n  ^'


def test_every_key_is_read() -> None:
    text = (
        '[{"name":"net.v1","namespace":"ns","ips":["10.0.0.1/24","fd00::1"],"mac":"02:00:00:00:00:01","interface":"x0",'
        '"cni-args":{"k":{"n":12345678901234567890}},"portMappings":[{"hostPort":1,"containerPort":2,"protocol":"Udp",'
        '"hostIP":"::1"}],"bandwidth":{"ingressRate":1,"ingressBurst":2,"egressRate":3,"egressBurst":4},'
        '"default-route":["10.0.0.254"],"infiniband-guid":"24:8a:07:03:00:8d:ae:2f","deviceID":"0000:00:02.1",'
        '"org.example.key":[1]}]'
    )
    assert annotation.parse(text, namespace="test") == (
        NetworkSelectionElement(
            name="net.v1",
            namespace="ns",
            ips=("10.0.0.1/24", "fd00::1"),
            mac="02:00:00:00:00:01",
            interface="x0",
            cni_args={"k": {"n": 12345678901234567890}},
            port_mappings=(PortMapping(host_port=1, container_port=2, protocol="Udp", host_ip="::1"),),
            bandwidth=Bandwidth(ingress_rate=1, ingress_burst=2, egress_rate=3, egress_burst=4),
            default_route=("10.0.0.254",),
            infiniband_guid="24:8a:07:03:00:8d:ae:2f",
            device_id="0000:00:02.1",
            foreign={"org.example.key": [1]},
        ),
    )


@pytest.mark.parametrize("key", ["mac", "interface", "interfaceRequest", "infiniband-guid", "ipam-claim-reference"])
@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_request_is_no_request(key: str, nothing: str | None) -> None:
    """As in Go, in which most readers are written."""
    text = json.dumps([{"name": "a", key: nothing}])
    assert annotation.parse(text, namespace="ns") == (NetworkSelectionElement(name="a", namespace="ns"),)


class TestDefaultNetwork:
    def test_one_network_of_the_networks_namespace(self) -> None:
        element = annotation.parse_default_network("net1", namespace="kube-system")
        assert element == NetworkSelectionElement(name="net1", namespace="kube-system")

    @pytest.mark.parametrize("text", ["", " ", "[]"])
    def test_none(self, text: str) -> None:
        assert annotation.parse_default_network(text, namespace="kube-system") is None

    def test_eth0_may_be_named(self) -> None:
        element = annotation.parse_default_network("net1@eth0", namespace="kube-system")
        assert element is not None
        assert element.interface == "eth0"

    @pytest.mark.parametrize(
        ("rule", "text"),
        [("default-network-count", "a,b"), ("interface-reserved", "a@net1"), ("network-name", "A")],
    )
    def test_refused(self, rule: str, text: str) -> None:
        with pytest.raises(SpecErrors) as caught:
            annotation.parse_default_network(text, namespace="kube-system")
        assert [(error.rule, error.source) for error in caught.value] == [(rule, selection.DEFAULT_NETWORK)]


labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
interfaces = st.from_regex(r"[a-z][a-z0-9_.]{0,13}", fullmatch=True).filter(lambda name: name not in {"eth0", "lo"})
octets = st.integers(0, 255)
addresses = st.builds("{}.{}.{}.{}".format, octets, octets, octets, octets)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="abc.", max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
elements = st.builds(
    NetworkSelectionElement,
    name=labels,
    namespace=labels,
    ips=st.lists(addresses, max_size=3).map(tuple),
    mac=st.none() | st.just("02:00:00:00:00:01"),
    interface=st.none() | interfaces,
    cni_args=st.none() | st.dictionaries(st.text(alphabet="abcd", max_size=5), json_values, max_size=3),
    port_mappings=st.lists(
        st.builds(PortMapping, host_port=st.integers(1, 65535), container_port=st.integers(1, 65535)),
        max_size=2,
    ).map(tuple),
    bandwidth=st.none() | st.builds(Bandwidth, ingress_rate=st.integers(1, 2**63 - 1)),
    foreign=st.dictionaries(st.text(alphabet="ab", min_size=1).map("x.{}".format), json_values, max_size=2),
)
lists = st.lists(elements, max_size=4).filter(
    lambda items: (
        len({item.interface for item in items if item.interface}) == sum(1 for item in items if item.interface)
    )
)


@given(lists)
def test_rendered_elements_are_read_back(items: list[NetworkSelectionElement]) -> None:
    """§4.1.2: the JSON list format carries every request."""
    assert annotation.parse(annotation_text(items), namespace="other") == tuple(items)


def annotation_text(items: list[NetworkSelectionElement]) -> str:
    return selection.render(items)


@given(
    st.lists(
        st.tuples(labels, labels, st.none() | interfaces),
        min_size=1,
        max_size=4,
        unique_by=lambda item: item[2] or item,
    )
)
def test_both_forms_say_the_same(items: list[tuple[str, str, str | None]]) -> None:
    """§4.1: implementations must support both formats."""
    comma = " , ".join(
        f"{namespace}/{name}" + (f"@{interface}" if interface else "") for namespace, name, interface in items
    )
    form = [
        {"name": name, "namespace": namespace} | ({"interface": interface} if interface else {})
        for namespace, name, interface in items
    ]
    assert annotation.parse(comma, namespace="x") == annotation.parse(json.dumps(form), namespace="x")


@given(st.text() | st.text(alphabet='[]{}",:/@ \nabnameips0.\\u'))
def test_any_text_is_read_or_refused_with_reasons(text: str) -> None:
    try:
        annotation.parse(text, namespace="test")
    except SpecErrors as errors:
        assert len(errors) > 0
        assert all(error.rule and render(error).isprintable() for error in errors)


@given(json_values)
def test_any_json_is_read_or_refused_with_reasons(value: object) -> None:
    try:
        annotation.parse(
            json.dumps([value, {"name": "a", "cni-args": value, "ips": value, "bandwidth": value}]),
            namespace="t",
        )
    except SpecErrors as errors:
        assert len(errors) > 0


HOSTILE: dict[str, Callable[[int], str]] = {
    "many-items": lambda size: "a," * (size // 2),
    "many-objects": lambda size: "[" + "{}," * (size // 3) + "{}]",
    "many-duplicates": lambda size: "[{" + '"a":1,' * (size // 6) + '"a":1}]',
    "many-keys": lambda size: "[{" + ",".join(f'"k{i}":1' for i in range(size // 10)) + "}]",
    "long-key-many-children": lambda size: (
        '[{"' + "k" * (size // 2) + '":[' + "0," * (size // 4) + '0],"x":"\\ud800"}]'
    ),
    "long-string": lambda size: '["' + "\\\\" * (size // 2) + '"]',
    "open-brackets": lambda size: "[" * size,
    "digits": lambda size: "[" + "9" * size + "]",
    "colons": lambda size: '[{"name":"a","ips":["' + ":" * size + '"]}]',
    "dots": lambda size: '[{"name":"a","ips":["' + "1." * (size // 2) + '"],"mac":"' + "0:" * (size // 2) + '"}]',
    "hyphens": lambda size: "-" * size,
    "spaces": lambda size: " " * size + "X",
    "slashes": lambda size: "/" * size,
    "quotes": lambda size: '"' * size,
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", HOSTILE)
def test_hostile_text_costs_linear_time(shape: str) -> None:
    """Sixteen times the text may take 100 times as long, plus the time of `json` for a text of that size.

    A quadratic parser would take 256 times as long.
    """
    small, large = (_seconds(HOSTILE[shape](size)) for size in (15_000, 240_000))
    started = time.process_time()
    json.loads("[" + "{}," * 80_000 + "{}]")
    assert large < 100 * small + time.process_time() - started


def _seconds(text: str) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        with pytest.raises(SpecErrors):
            annotation.parse(text, namespace="test")
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize("text", ["[" * 10_000_000, '[{"name":"' + "a" * 10_000_000 + '"}]', "a," * 5_000_000])
@pytest.mark.slow
def test_ten_megabytes_are_refused_unread(text: str) -> None:
    assert errors_of(text) == [("json-size", "")]


# Both annotations of a pod


def read_pod(networks: str = "", default: str = "") -> PodSelections:
    return annotation.read_pod(networks, default, namespace="blue", network_namespace="kube-system")


def test_a_bare_default_network_is_one_of_the_network_namespace() -> None:
    found = read_pod("lan", "calico")
    assert [(position, element.namespace, element.name) for position, element in found.elements] == [
        (None, "kube-system", "calico"),
        (0, "blue", "lan"),
    ]
    assert (found.size, found.problems) == (2, ())


def test_an_unreadable_item_keeps_the_positions_of_the_others() -> None:
    found = read_pod("lan,L!,wan")
    assert [position for position, _ in found.elements] == [0, 2]
    assert (found.size, [(problem.rule, problem.item) for problem in found.problems]) == (3, [("network-name", 1)])


def test_the_problems_of_the_default_network_come_first() -> None:
    found = read_pod("L!", "a,b")
    assert [problem.source for problem in found.problems] == [DEFAULT_NETWORK, NETWORKS]
    assert (found.default, found.networks) == (None, (None,))


def test_a_pod_without_annotations_selects_nothing() -> None:
    assert read_pod(*annotation.texts_of({"other": "x"})) == PodSelections()


PARTS = st.sampled_from(
    ["a", "a-b", "A", "-a", "net.v1", "eth0", "x" * 16, "", "a b", "é", "net1", "b/c", "d@e", "\x01"]
)
ADDRESSES = st.sampled_from(
    ["10.1.0.5", "10.1.0.5/24", "10.1.0.05", "10.1.0.5/33", "fd00::5/64", "fd00::5/129", "x", 1]
)
NEAR_MEMBERS = st.one_of(
    st.tuples(st.sampled_from(["name", "namespace", "interface"]), PARTS | st.none() | st.just(1)),
    st.tuples(st.just("name"), st.sampled_from(["a", "a-b"])),
    st.tuples(st.just("interface"), st.sampled_from(["x1", "x2", "net1"])),
    st.tuples(st.just("ips"), st.lists(ADDRESSES, max_size=3) | st.none() | PARTS),
    st.tuples(
        st.just("mac"), st.sampled_from(["02:00:00:00:00:01", "02-00-00-00-00-01", "0200.0000.0001", "02:0", "", None])
    ),
    st.tuples(st.sampled_from(["Name", "deviceID", "a.b", "\\u006eame"]), PARTS),
)


def _object_text(members: list[tuple[str, object]]) -> str:
    """The JSON text of an object that may repeat its keys."""
    return "{" + ", ".join(f'"{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in members) + "}"


NEAR_JSON = st.lists(st.lists(NEAR_MEMBERS, max_size=5).map(_object_text) | st.just("null"), max_size=3).map(
    lambda items: f"[{','.join(items)}]"
)
NEAR_ITEMS = st.tuples(
    st.sampled_from(["", "", "", " ", "\n", "\x85"]),
    st.sampled_from(["", "", "", "/", "blue/", "Blue/", "a/b/"]),
    PARTS,
    st.sampled_from(["", "", "", "@", "@x1", "@x2", "@lo", "@net1", "@x-1", "@a@b", " @x1", "@ x1", "@x1 "]),
).map("".join)


@pytest.mark.plain
@given(NEAR_JSON | st.lists(NEAR_ITEMS, min_size=1, max_size=3).map(",".join) | st.text(max_size=12))
def test_what_is_read_quickly_is_read_the_same_with_care(text: str) -> None:
    quick = annotation.read_pod(text, "", namespace="test", network_namespace="kube-system")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annotation, "_read_usual", lambda *_: None)
        patch.setattr(annotation, "_read_usual_item", lambda *_: None)
        careful = annotation.read_pod(text, "", namespace="test", network_namespace="kube-system")
    assert quick == careful
    assert quick.elements == careful.elements
    if quick.usual:
        assert not quick.problems
        assert not quick.remarks


@pytest.mark.parametrize(
    "text",
    [
        "a, blue/b@x1",
        '[{"name": "a", "namespace": "blue", "interface": "x1"}, {"name": "b"}]',
        '[{"name": "a", "ips": ["10.1.0.5/24", "fd00::5"], "mac": "02:00:00:00:00:01"}]',
    ],
)
def test_a_usual_text_is_read_quickly(text: str) -> None:
    assert annotation.read_pod(text, "", namespace="test", network_namespace="kube-system").usual


@pytest.mark.parametrize(
    "member", ['"name": "b"', '"name": "a"', '"mac": null, "mac": null', '"interface": null', '"ips": []', '"a.b": "c"']
)
def test_a_key_that_the_quick_way_would_lose_is_seen(member: str) -> None:
    text = f'[{{"name": "a", {member}}}, {{"name": "c"}}]'
    assert not annotation.read_pod(text, "", namespace="test", network_namespace="kube-system").usual
