"""The plan: order, interface names, capabilities, the default route (NPWG v1.3 §4.1.2, §4.2.1, §6.2)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import annotation, netattachdef
from cniplugin.netspec.attachers import ATTACHERS, FACTS, MULTUS, NADMIT, STRICT, value_of
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.plan import (
    BY_ARGUMENT,
    BY_CAPABILITY,
    BY_POD,
    LOST,
    UNKNOWN,
    UNLIMITED_BURST,
    Plan,
    plan,
    way_of,
)
from cniplugin.netspec.selection import NetworkSelectionElement
from tests.paths import ROOT

ALL = ["ips", "mac", "portMappings", "bandwidth", "infinibandGUID"]


def network(name: str = "a", *, capabilities: list[str] | None = None) -> NetworkAttachmentDefinition:
    config = {
        "cniVersion": "1.0.0",
        "type": "bridge",
        "capabilities": dict.fromkeys(ALL if capabilities is None else capabilities, True),
    }
    return netattachdef.build(namespace="ns", name=name, config=json.dumps(config))


def lookup(*networks: NetworkAttachmentDefinition) -> Callable[[str, str], NetworkAttachmentDefinition | None]:
    known = {(item.namespace, item.name): item for item in networks}
    return lambda namespace, name: known.get((namespace, name))


def planned(text: str, *, default: str = "") -> Plan:
    chosen = annotation.parse_default_network(default, namespace="ns")
    return plan(annotation.parse(text, namespace="ns"), lookup(*(network(name) for name in "abcd")), default=chosen)


def names_of(text: str, *, default: str = "") -> list[str]:
    return [attachment.interface for attachment in planned(text, default=default).attachments]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b,c", ["net1", "net2", "net3"]),
        ("a,a", ["net1", "net2"]),
        ("a@x,b", ["x", "net2"]),
        ("a@net2,b", ["net2", "net3"]),
        ("a,b@net1,c", ["net4", "net1", "net3"]),
        ("a@net3,b@net2,c,d", ["net3", "net2", "net5", "net4"]),
        ("a@net4,b,c@net2,d@net6", ["net4", "net5", "net2", "net6"]),
        ("", []),
    ],
)
def test_generated_names_skip_requested_ones(text: str, expected: list[str]) -> None:
    """§4.2.1: CNI_IFNAME is unique; Multus would collide on `a@net2,b` (multus-cni#88)."""
    assert names_of(text) == expected


def test_the_default_network_comes_first_and_keeps_its_interface() -> None:
    """§6.2. The positions of the others stay the same."""
    assert names_of("a,b", default="c") == ["eth0", "net1", "net2"]
    first, *others = planned("a,b", default="c@eth0").attachments
    assert (first.is_default, first.item, first.element.name) == (True, None, "c")
    assert [(item.is_default, item.item) for item in others] == [(False, 0), (False, 1)]


def test_more_default_networks_come_before_the_selected_ones() -> None:
    made = plan(
        annotation.parse("b", namespace="ns"),
        lookup(network("a"), network("b")),
        more_defaults=[NetworkSelectionElement(name="a", namespace="ns")],
    )
    assert [(item.element.name, item.interface, item.item) for item in made.attachments] == [
        ("a", "net1", None),
        ("b", "net2", 0),
    ]


def refused(
    text: str,
    *networks: NetworkAttachmentDefinition,
    default: str = "",
    interface: str = "eth0",
    attached_by: str = NADMIT,
) -> list[SpecError]:
    chosen = annotation.parse_default_network(default, namespace="ns")
    asked = annotation.parse(text, namespace="ns")
    with pytest.raises(SpecErrors) as caught:
        plan(asked, lookup(*networks), default=chosen, default_interface=interface, attached_by=attached_by)
    return list(caught.value)


def test_a_missing_network() -> None:
    (error,) = refused("a,b", network("a"))
    assert (error.rule, error.path, error.item) == ("network-not-found", "[1]", 1)


def test_a_network_that_cannot_be_read() -> None:
    (error,) = refused("a", netattachdef.build(namespace="ns", name="a", config="{"))
    assert (error.rule, error.path) == ("network-unreadable", "[0]")
    assert "{" not in error.detail


@pytest.mark.parametrize(
    ("key", "value", "capability"),
    [
        ("ips", ["10.0.0.1/24"], "ips"),
        ("mac", "02:00:00:00:00:01", "mac"),
        ("portMappings", [{"hostPort": 1, "containerPort": 1}], "portMappings"),
        ("bandwidth", {"ingressRate": 1}, "bandwidth"),
        ("infiniband-guid", "24:8a:07:03:00:8d:ae:2f", "infinibandGUID"),
    ],
)
def test_a_request_needs_the_capability(key: str, value: object, capability: str) -> None:
    """§4.1.2.1.x: if no plugin has the capability, the attachment fails; `strict` knows no other way."""
    text = json.dumps([{"name": "a", key: value}])
    without = network("a", capabilities=[item for item in ALL if item != capability])
    (error,) = refused(text, without, attached_by=STRICT)
    assert (error.rule, error.path) == ("capability-missing", f"[0].{key}")
    assert plan(annotation.parse(text, namespace="ns"), lookup(network("a", capabilities=[capability]))).attachments


def of_plugins(*plugins: dict[str, object]) -> NetworkAttachmentDefinition:
    return netattachdef.build(
        namespace="ns", name="a", config=json.dumps({"cniVersion": "1.0.0", "plugins": list(plugins)})
    )


BRIDGE, DHCP, TUNING = {"type": "bridge"}, {"type": "dhcp"}, {"type": "tuning"}
HOST_LOCAL = {"type": "host-local", "subnet": "10.1.0.0/24"}


@pytest.mark.parametrize(
    ("plugins", "request_", "ways"),
    [
        ([BRIDGE], "mac", [BY_ARGUMENT, BY_ARGUMENT, LOST]),
        ([BRIDGE], "ips", [LOST, LOST, LOST]),
        ([BRIDGE], "portMappings", [LOST, LOST, LOST]),
        ([{**BRIDGE, "ipam": HOST_LOCAL}], "ips", [BY_ARGUMENT, BY_ARGUMENT, LOST]),
        ([{**BRIDGE, "ipam": DHCP}], "ips", [LOST, LOST, LOST]),
        ([{**BRIDGE, "ipam": {"type": "my-ipam"}}], "ips", [UNKNOWN, UNKNOWN, LOST]),
        ([{"type": "ipvlan"}, TUNING], "mac", [BY_ARGUMENT, BY_ARGUMENT, LOST]),
        ([{"type": "ipvlan", "ipam": HOST_LOCAL}], "mac", [LOST, LOST, LOST]),
        ([{"type": "ovn-k8s-cni-overlay"}], "ips", [BY_POD, BY_POD, BY_POD]),
        ([{"type": "my-plugin"}], "mac", [UNKNOWN, UNKNOWN, LOST]),
        ([{"type": "my-plugin"}], "bandwidth", [LOST, LOST, LOST]),
        ([{"type": "my-plugin", "capabilities": {"mac": True}}], "mac", [BY_CAPABILITY] * 3),
    ],
    ids=repr,
)
def test_the_ways_of_a_request(plugins: list[dict[str, object]], request_: str, ways: list[str]) -> None:
    config = of_plugins(*plugins).config
    assert config is not None
    assert [way_of(request_, config, attacher) for attacher in (MULTUS, NADMIT, STRICT)] == ways


def test_a_request_in_cni_args_is_remarked() -> None:
    text = '[{"name":"a","mac":"02:00:00:00:00:01","ips":["10.1.0.5"]}]'
    for attacher in (MULTUS, NADMIT):
        made = plan(
            annotation.parse(text, namespace="ns"),
            lookup(of_plugins({**BRIDGE, "ipam": HOST_LOCAL, "capabilities": {"ips": True}})),
            attached_by=attacher,
        )
        assert [(remark.rule, remark.path, remark.item) for remark in made.remarks] == [
            ("capability-undeclared", "[0].mac", 0)
        ]
        assert made.attachments[0].arguments == (("ips", "IP=10.1.0.5"), ("mac", "MAC=02:00:00:00:00:01"))


def test_multus_numbers_by_position() -> None:
    (error,) = refused("a@net2,b", network("a"), network("b"), attached_by=MULTUS)
    assert (error.rule, error.path, error.value) == ("interface-taken", "[1]", "net2")
    assert not plan(annotation.parse("a@net2,b@net1", namespace="ns"), lookup(network("a"), network("b"))).remarks


@pytest.mark.parametrize(
    ("gateways", "is_refused"),
    [(["10.0.0.1"], False), (["10.0.0.1", "fd00::1"], False), (["10.0.0.1", "10.0.0.2"], True), ([], False)],
)
def test_multus_takes_one_gateway_of_a_family(gateways: list[str], *, is_refused: bool) -> None:
    asked = annotation.parse(json.dumps([{"name": "a", "default-route": gateways}]), namespace="ns")
    assert plan(asked, lookup(network("a")), attached_by=NADMIT).attachments
    if is_refused:
        with pytest.raises(SpecErrors, match="several gateways"):
            plan(asked, lookup(network("a")), attached_by=MULTUS)
    else:
        assert plan(asked, lookup(network("a")), attached_by=MULTUS).attachments


def test_every_row_of_the_table_says_what_differs_and_is_in_the_page() -> None:
    page = (ROOT / "docs/conformance.md").read_text()
    for name, fact in FACTS.items():
        assert len({value_of(name, attacher) for attacher in ATTACHERS}) > 1
        assert f"| {fact.what} | {fact.nadmit}" in page
        assert f"| {fact.multus} | {fact.source} |" in page
    assert page.partition("## Who attaches")[2].partition("\n\nNot in")[0].count("\n| ") == len(FACTS) + 2


def test_a_configuration_on_disk_is_checked_by_the_node() -> None:
    on_disk = netattachdef.build(namespace="ns", name="a", config=" ")
    assert on_disk.is_on_disk
    assert plan(annotation.parse('[{"name":"a","ips":["10.0.0.1"]}]', namespace="ns"), lookup(on_disk)).attachments


def test_one_default_route_holder_with_the_default_network() -> None:
    """§4.1.2.1.9, across both annotations."""
    (error,) = refused(
        '[{"name":"a","default-route":[]}]',
        network("a"),
        network("b"),
        default='[{"name":"b","default-route":["10.0.0.1"]}]',
    )
    assert (error.rule, error.path) == ("default-route-holder", "[0].default-route")


def test_an_interface_that_the_runtime_chose_for_the_default_network() -> None:
    (error,) = refused("a@ens1", network("a"), interface="ens1")
    assert (error.rule, error.path, error.value) == ("interface-taken", "[0]", "ens1")


def test_problems_of_the_default_network_have_no_item() -> None:
    error, other = refused("x", default='[{"name":"y","ips":["10.0.0.1"]}]')
    assert (error.source, error.path, error.item) == ("v1.multus-cni.io/default-network", "", None)
    assert (other.source, other.path) == ("k8s.v1.cni.cncf.io/networks", "[0]")


def test_the_arguments_that_plugins_get() -> None:
    """CNI CONVENTIONS.md; a rate without a burst gets one (§4.1.2.1.8.2)."""
    text = json.dumps(
        [
            {
                "name": "a",
                "ips": ["10.0.0.1/24"],
                "mac": "02:00:00:00:00:01",
                "portMappings": [
                    {"hostPort": 1, "containerPort": 2},
                    {"hostPort": 3, "containerPort": 4, "protocol": "UDP", "hostIP": "::1"},
                ],
                "bandwidth": {"ingressRate": 5, "egressRate": 7, "egressBurst": 8},
                "infiniband-guid": "24:8a:07:03:00:8d:ae:2f",
                "deviceID": "0000:00:02.1",
                "cni-args": {"b": 1, "a": 2},
            }
        ]
    )
    (attachment,) = planned(text).attachments
    assert attachment.runtime_config == {
        "ips": ["10.0.0.1/24"],
        "mac": "02:00:00:00:00:01",
        "portMappings": [
            {"hostPort": 1, "containerPort": 2, "protocol": "tcp"},
            {"hostPort": 3, "containerPort": 4, "protocol": "udp", "hostIP": "::1"},
        ],
        "bandwidth": {"ingressRate": 5, "ingressBurst": UNLIMITED_BURST, "egressRate": 7, "egressBurst": 8},
        "infinibandGUID": "24:8a:07:03:00:8d:ae:2f",
        "deviceID": "0000:00:02.1",
    }
    assert attachment.cni_args == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    ("bandwidth", "expected"),
    [
        ({"ingressRate": 5, "ingressBurst": 6}, {"ingressRate": 5, "ingressBurst": 6}),
        ({"egressRate": 7}, {"egressRate": 7, "egressBurst": UNLIMITED_BURST}),
    ],
)
def test_only_limited_directions_are_given(bandwidth: dict[str, int], expected: dict[str, int]) -> None:
    """Zeros, which Multus gives for the other direction, make the bandwidth plugin fail."""
    (attachment,) = planned(json.dumps([{"name": "a", "bandwidth": bandwidth}])).attachments
    assert attachment.runtime_config == {"bandwidth": expected}


def test_the_resource_of_a_definition() -> None:
    made = netattachdef.build(namespace="ns", name="a", config="", annotations={netattachdef.RESOURCE_NAME: "x/y"})
    assert (made.resource_name, made.reference) == ("x/y", "ns/a")
    assert network().resource_name == ""


def test_an_ipam_claim_travels_in_cni_args() -> None:
    """§4.1.2.1.11."""
    (attachment,) = planned('[{"name":"a","ipam-claim-reference":"vm.net"}]').attachments
    assert attachment.cni_args == {"ipam-claim-reference": "vm.net"}
    (plain,) = planned("a").attachments
    assert (plain.cni_args, plain.runtime_config) == (None, {})


interfaces = st.none() | st.integers(1, 9).map("net{}".format) | st.sampled_from(["x", "y", "z"])


@given(
    st.lists(interfaces, max_size=12).filter(lambda items: len([i for i in items if i]) == len({i for i in items if i}))
)
def test_interface_names_are_unique_and_requests_are_kept(requested: list[str | None]) -> None:
    """§4.2.1: unique across all attachments of a pod."""
    chosen = tuple(NetworkSelectionElement(name="a", namespace="ns", interface=name) for name in requested)
    given_names = [item.interface for item in plan(chosen, lookup(network())).attachments]
    assert len(set(given_names)) == len(given_names)
    assert not {"eth0", "lo"} & set(given_names)
    assert all(name in (None, given) for name, given in zip(requested, given_names, strict=True))
