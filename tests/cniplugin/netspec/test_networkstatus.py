"""The network-status annotation: vectors, differences from Multus and from the standard (NPWG v1.3 §5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import networkstatus, result
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.result import Interface, IPConfig, Result, Route
from tests.paths import VECTORS

DATA = json.loads((VECTORS / "network_status.json").read_text())["cases"]
ERRORS = {
    "mt-123-err": ("result-version", 'unsupported CNI result version "1.2.3"'),
    "ed-ver-120": ("result-version", 'unsupported CNI result version "1.2.0"'),
    "ed-bad-ip": ("result-address", "this is not an address with a prefix length"),
}

ALWAYS_AN_ENTRY = "an attachment always has an entry (§5.1.1, §5.2); Multus writes none"
NO_NIL = 'a default route without gw has no gateway; Multus writes "<nil>"'
FROM_MULTUS = {
    "mt-020-ok": ALWAYS_AN_ENTRY,
    "ve-020": ALWAYS_AN_ENTRY,
    "ve-nover": ALWAYS_AN_ENTRY,
    "ed-empty-110": ALWAYS_AN_ENTRY,
    "ed-empty-110-default": ALWAYS_AN_ENTRY,
    "ed-noif-ips": ALWAYS_AN_ENTRY,
    "ed-only-host-ifs": ALWAYS_AN_ENTRY,
    "ed-gw-nil": NO_NIL,
}
"""Differences other than `default: false`, which §5.3.5 requires and Multus leaves out."""

FROM_SPEC_REASONS = {
    "ips": "bare addresses, which every reader has learnt; with one interface all of them, without index to the last",
    "dns": "always there, `options` included",
    "mtu": "Multus' key",
    "gateway": "Multus' key; `default-route` is for selections that have it",
    "device-info": "the caller's, even if empty, as in Multus",
    "default": "of the interface with the gateway, as in Multus",
    "entries": "one for each interface in the pod, as in Multus; §5.1.1 has the first only",
}
FROM_SPEC = {
    "nt-gw-default": {"ips", "dns", "device-info", "default", "entries"},
    "nt-single-100": {"ips", "dns", "mtu"},
    "nt-non-default-route": {"ips", "dns", "mtu"},
    "nt-noindex-two-sandboxes": {"dns", "entries"},
    "nt-multi-secondary": {"ips", "dns", "mtu", "entries"},
    "nt-multi-default": {"ips", "dns", "mtu", "entries"},
    "nt-no-sandbox-single": {"ips", "dns"},
    "mt-020-ok": {"ips", "dns"},
    "ve-020": {"ips", "dns"},
    "ve-nover": {"ips", "dns"},
    "ve-030": {"ips", "dns", "gateway"},
    "ve-031": {"ips", "dns", "gateway"},
    "ve-100": {"ips", "dns", "gateway", "mtu"},
    "ve-110": {"ips", "dns", "gateway", "mtu"},
    "ve-110-full": {"ips", "dns", "mtu"},
    "ve-040-mtu": {"ips", "dns"},
    "ed-empty-110": {"dns"},
    "ed-empty-110-default": {"dns"},
    "ed-noif-ips": {"ips", "dns"},
    "ed-only-host-ifs": {"ips", "dns"},
    "ed-neg-index": {"ips", "dns"},
    "ed-index-range": {"ips", "dns"},
    "ed-gw-nil": {"ips", "dns"},
    "ed-dns-full": {"ips", "dns"},
    "ed-v6-normalised": {"ips", "dns"},
    "ed-secondary-gw": {"dns", "entries"},
    "ed-04-bad-version-key": {"ips", "dns"},
}
"""Keys of the first entry in which we differ from the strict reading, and `entries` for their number."""


def expected(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Derive our entries: those of Multus with `default` and without "<nil>", or the minimal one if Multus has none."""
    if case["multus"] is not None:
        return [without_nil({"default": False, **entry}) for entry in case["multus"]]
    (entry,) = case["spec"]
    bare = {"ips": [ip.partition("/")[0] for ip in entry["ips"]]} if "ips" in entry else {}
    return [{**entry, **bare, "dns": {}}]


def without_nil(entry: dict[str, Any]) -> dict[str, Any]:
    gateway = [gateway for gateway in entry.pop("gateway", []) if gateway != "<nil>"]
    return {**entry, "gateway": gateway} if gateway else entry


def written(case: dict[str, Any]) -> list[dict[str, Any]]:
    read = result.parse(case["result"], cni_version=case["conf_cni_version"])
    entries = networkstatus.entries(
        case["network_name"], read, is_default=case["default_network"], device_info=case["device_info"]
    )
    return list(json.loads(networkstatus.render(entries)))


def test_vectors_are_found() -> None:
    assert len(DATA) == 30
    assert {case["id"] for case in DATA if case["multus_outcome"] == "error"} == set(ERRORS)
    assert not any(case["selection_has_default_route"] for case in DATA)


@pytest.mark.parametrize("case", DATA, ids=lambda case: case["id"])
def test_vector(case: dict[str, Any]) -> None:
    if case["id"] in ERRORS:
        with pytest.raises(SpecErrors) as caught:
            written(case)
        assert [(error.rule, error.detail) for error in caught.value] == [ERRORS[case["id"]]]
    else:
        assert written(case) == expected(case)


def test_every_difference_from_multus_has_a_reason() -> None:
    different = {
        case["id"]
        for case in DATA
        if case["id"] not in ERRORS
        and [{k: v for k, v in entry.items() if v is not False} for entry in written(case)] != case["multus"]
    }
    assert different == set(FROM_MULTUS)


def test_every_difference_from_the_standard_has_a_reason() -> None:
    different = {case["id"]: differing(written(case), case["spec"]) for case in DATA if case["id"] not in ERRORS}
    assert different == FROM_SPEC
    assert set().union(*FROM_SPEC.values()) == set(FROM_SPEC_REASONS)


def differing(ours: list[dict[str, Any]], spec: list[dict[str, Any]]) -> set[str]:
    keys = {key for key in {*ours[0], *spec[0]} if ours[0].get(key) != spec[0].get(key)}
    return keys | ({"entries"} if len(ours) != len(spec) else set())


def entries(name: str = "ns/n", **keys: Any) -> list[dict[str, Any]]:
    """Return the entries for a result with the given keys."""
    options = {key: keys.pop(key) for key in ("ifname", "default_route", "device_info") if key in keys}
    is_default = keys.pop("is_default", False)
    read = Result(cni_version="1.1.0", **keys)
    return list(json.loads(networkstatus.render(networkstatus.entries(name, read, is_default=is_default, **options))))


def pod_interfaces(*names: str) -> tuple[Interface, ...]:
    return tuple(Interface(name=name, sandbox="/x") for name in names)


def test_no_result_gives_a_minimal_entry() -> None:
    """§5.1.1, and §5.3.2.1 for the interface."""
    assert networkstatus.render(networkstatus.entries("d", None, is_default=True, ifname="eth0")) == (
        '[{\n    "name": "d",\n    "interface": "eth0",\n    "default": true,\n    "dns": {}\n}]'
    )


def test_the_requested_interface_replaces_one_outside_the_pod() -> None:
    """The host's end of a veth, without sandbox, is all that Calico reports; its MAC address is not the pod's."""
    calico = (Interface(name="cali0", mac="ee:ee:ee:ee:ee:ee", mtu=1450),)
    ips = (IPConfig(address="10.0.0.1/32", interface=0),)
    assert entries(interfaces=calico, ips=ips, ifname="eth0", is_default=True) == [
        {"name": "ns/n", "interface": "eth0", "ips": ["10.0.0.1"], "default": True, "dns": {}}
    ]


def test_an_interface_of_the_result_wins_over_the_asked_for() -> None:
    assert entries(interfaces=pod_interfaces("ib0"), ifname="net1")[0]["interface"] == "ib0"


@pytest.mark.parametrize("index", [0, 9])
def test_the_default_network_keeps_its_default_when_the_gateway_is_not_in_the_pod(index: int) -> None:
    """Multus has no default in this case (§5.3.5)."""
    interfaces = (Interface(name="br0"), *pod_interfaces("eth0", "eth1"))
    ips = (IPConfig(address="10.0.0.1/8", gateway="10.0.0.2", interface=index),)
    assert [entry["default"] for entry in entries(interfaces=interfaces, ips=ips, is_default=True)] == [True, False]


def test_gateway_and_default_route() -> None:
    """§5.3.6.4: only if the selection has the key; an empty list keeps the default routes of the attachment."""
    routes = (
        Route(dst="0.0.0.0/0", gw="10.0.0.1"),
        Route(dst="::/0", gw="fd00::1"),
        Route(dst="::/0"),
        Route(dst="0.0.0.0/1", gw="10.0.0.2"),
    )
    one: dict[str, Any] = {"interfaces": pod_interfaces("net1"), "routes": routes}
    gateway = ["10.0.0.1", "fd00::1"]
    assert [(e["gateway"], e.get("default-route")) for e in entries(**one)] == [(gateway, None)]
    (asked,) = entries(**one, default_route=("10.0.0.1",))
    assert (asked["gateway"], asked["default-route"]) == (gateway, ["10.0.0.1"])
    (kept,) = entries(**one, default_route=())
    assert (kept["gateway"], kept["default-route"]) == (gateway, gateway)
    (none,) = entries(default_route=())
    assert "gateway" not in none
    assert none["default-route"] == []


def test_layout_is_that_of_multus() -> None:
    """Each map by MarshalIndent with four blanks, joined by commas in brackets (nad-client net-attach-def.go:60-68)."""
    two = networkstatus.entries(
        "ns/é", Result(cni_version="1.0.0", interfaces=pod_interfaces("a", "b")), is_default=False, device_info={}
    )
    one = '{{\n    "name": "ns/é",\n    "interface": "{}",\n    "default": false,\n    "dns": {{}},\n    "device-info": {{}}\n}}'
    assert networkstatus.render(two) == f"[{one.format('a')},{one.format('b')}]"
    assert networkstatus.render(()) == "[]"


def test_the_annotation_is_named_as_in_the_standard() -> None:
    assert networkstatus.ANNOTATION == "k8s.v1.cni.cncf.io/network-status"


RESULTS = st.builds(
    Result,
    cni_version=st.just("1.1.0"),
    interfaces=st.lists(st.builds(Interface, name=st.just("a"), sandbox=st.sampled_from(["", "/x"])), max_size=4).map(tuple),
    ips=st.lists(
        st.builds(
            IPConfig,
            address=st.just("10.0.0.1/8"),
            gateway=st.sampled_from(["", "10.0.0.2"]),
            interface=st.none() | st.integers(0, 5),
        ),
        max_size=4,
    ).map(tuple),
)  # fmt: skip


@pytest.mark.slow
@given(st.none() | RESULTS, st.booleans())
def test_default_is_true_exactly_once_and_only_for_the_default_network(read: Result | None, is_default: bool) -> None:  # noqa: FBT001
    """§5.2, §5.3.5: one entry of the default network has true, and no entry of another network."""
    written = networkstatus.entries("n", read, is_default=is_default)
    assert len(written) >= 1
    assert sum(entry.default for entry in written) == is_default
