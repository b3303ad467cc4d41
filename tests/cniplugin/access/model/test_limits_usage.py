"""A request counts in one form, whichever key it is written under (side door 10)."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.model.limits import SPELLINGS, Usage, usage_of
from cniplugin.netspec.selection import Bandwidth, NetworkSelectionElement, PortMapping


def usage(*, replaces_default: bool = False, **more: Any) -> Usage:
    return usage_of(NetworkSelectionElement(namespace="blue", name="lan", **more), replaces_default=replaces_default)


def test_nothing() -> None:
    found = usage()
    assert (found.kinds, found.ips, found.macs) == ((), (), ())


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ({"ips": ("10.0.0.1",)}, ("ips",)),
        ({"mac": "02:00:00:00:00:01"}, ("mac",)),
        ({"mac": ""}, ()),
        ({"infiniband_guid": "x"}, ("infinibandGuid",)),
        ({"bandwidth": Bandwidth()}, ("bandwidth",)),
        ({"port_mappings": (PortMapping(host_port=1, container_port=1),)}, ("portMappings",)),
        ({"default_route": ("10.0.0.1",)}, ("defaultRoute",)),
        ({"default_route": ()}, ("defaultRoute",)),
        ({"interface": "net1"}, ("interface",)),
        ({"ipam_claim_reference": "x"}, ("ipamClaim",)),
        ({"device_id": "x"}, ("deviceID",)),
        ({"foreign": {"a.b/c": 1}}, ("extraKeys",)),
        ({"cni_args": {"sysctl": 1}}, ("cniArgs",)),
        ({"cni_args": {}}, ()),
        ({"replaces_default": True}, ("replaceDefaultNetwork",)),
        # in the order of their spellings
        (
            {"mac": "x", "ips": ("x",), "cni_args": {"a": 1}, "default_route": ()},
            ("cniArgs", "defaultRoute", "ips", "mac"),
        ),
    ],
    ids=repr,
)
def test_kinds(more: dict[str, Any], kinds: tuple[str, ...]) -> None:
    assert usage(**more).kinds == kinds


@pytest.mark.parametrize(
    ("arguments", "ips", "macs"),
    [
        ({"ips": ["10.0.0.1", "10.0.0.2"]}, ("10.0.0.1", "10.0.0.2"), ()),
        ({"IPS": "10.0.0.1"}, ("10.0.0.1",), ()),
        ({"ip": "10.0.0.1, 10.0.0.2"}, ("10.0.0.1", "10.0.0.2"), ()),
        ({"Ip": ["10.0.0.1,10.0.0.2"]}, ("10.0.0.1", "10.0.0.2"), ()),
        ({"MAC": "02:00:00:00:00:01"}, (), ("02:00:00:00:00:01",)),
        ({"ips": [7, None]}, ("7", "None"), ()),
        ({"mac": {"a": 1}}, (), ("{'a': 1}",)),
        ({"ips": []}, (), ()),
        ({"iprange": "x"}, (), ()),
    ],
    ids=repr,
)
def test_cni_args(arguments: dict[str, Any], ips: tuple[str, ...], macs: tuple[str, ...]) -> None:
    """Such a key also counts as `cni-args`; a value that is not a text fits no limit."""
    found = usage(cni_args=arguments)
    assert (found.ips, found.macs) == (ips, macs)
    assert "cniArgs" in found.kinds
    assert ("ips" in found.kinds, "mac" in found.kinds) == (bool(ips), bool(macs))


def test_own_keys_and_cni_args_come_together() -> None:
    found = usage(ips=("10.0.0.1",), mac="a", cni_args={"ips": ["10.0.0.2"], "mac": "b"})
    assert (found.ips, found.macs) == (("10.0.0.1", "10.0.0.2"), ("a", "b"))


def test_spellings() -> None:
    found = usage(default_route=(), foreign={"example.com/b": 1, "example.com/a": 1})
    assert found.spelling("defaultRoute") == "default-route"
    assert found.spelling("extraKeys") == "example.com/b, example.com/a"
    assert len(set(SPELLINGS.values())) == 12
