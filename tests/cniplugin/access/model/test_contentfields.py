"""The fields about content: values that an Allow permits, values that a Deny matches, and both texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.judging.definitionrules import describe
from cniplugin.access.model.decision import Verdict
from cniplugin.access.reading.policies import read_policy
from tests.cniplugin.access.judging.test_definitionrules import ALLOW, DENY, judge, writing


def write(plugin: dict[str, Any], rule: dict[str, Any]) -> Verdict:
    return judge(rule, of=writing(json.dumps({"cniVersion": "1.0.0", "name": "lan", **plugin})))


STATIC = {"type": "macvlan", "ipam": {"type": "static", "addresses": [{"address": "10.9.4.7/16"}]}}
HOST_LOCAL = {"type": "macvlan", "ipam": {"type": "host-local", "subnet": "10.9.0.0/16", "rangeStart": "10.9.4.1"}}
TUNING = {"type": "tuning", "sysctl": {"net.core.somaxconn": "1"}, "mac": "06:00:00:00:00:01", "dataDir": "/etc/x"}


@pytest.mark.parametrize(
    ("plugin", "config", "reason"),
    [
        (STATIC, {"addresses": ["10.1.0.0/16"]}, "address 10.9.4.7 is outside 10.1.0.0/16"),
        (
            HOST_LOCAL,
            {"addresses": ["10.1.0.0/16", "10.9.0.0/17"]},
            "addresses 10.9.4.1-10.9.255.255 is outside 10.1.0.0/16, 10.9.0.0/17",
        ),
        (STATIC, {"addresses": []}, "address 10.9.4.7 is not permitted"),
        (
            {"type": "macvlan", "ipam": {"type": "host-local", "subnet": "ten"}},
            {"addresses": ["0.0.0.0/0", "::/0"]},
            "an address that cannot be read is outside 0.0.0.0/0, ::/0",
        ),
        (TUNING, {"sysctls": ["net.ipv4.*"]}, "sysctl net.core.somaxconn is not one of net.ipv4.*"),
        (TUNING, {"macs": ["02"]}, "MAC address 06:00:00:00:00:01 does not begin with 02"),
        (TUNING, {"hostPaths": ["/run/*", "/var/*"]}, "host path /etc/x is not one of /run/*, /var/*"),
        (TUNING, {"hostPaths": []}, "host path /etc/x is not permitted"),
        ({"type": "tuning", "dataDir": "/a/../b"}, {"hostPaths": ["*"]}, 'a host path with ".." in it is not one of *'),
        (HOST_LOCAL, {"pools": ["mine"]}, "pool lan is not one of mine"),
        ({"type": "ib-sriov", "pkey": "0x7FFF"}, {"pkeys": ["0x7001"]}, "PKey 0x7fff is not one of 0x7001"),
        ({"type": "acme"}, {"unknownTypes": ["my-*"]}, "unknown plugin type acme is not one of my-*"),
        ({"type": "acme"}, {"unknownTypes": []}, "unknown plugin type acme is not permitted"),
        (
            {"type": "macvlan", "ipam": {"type": "acme-ipam"}},
            {"pluginTypes": ["macvlan"]},
            "CNI plugin type acme-ipam is not one of macvlan",
        ),
        (
            {"type": "macvlan"},
            {"masters": ["bond1"]},
            "master of the default route (none is named) is not one of bond1",
        ),
    ],
    ids=repr,
)
def test_definitions_that_an_allow_does_not_list(plugin: dict[str, Any], config: dict[str, Any], reason: str) -> None:
    verdict = write(plugin, {**ALLOW, "config": config})
    assert (verdict.code, verdict.reason) == ("NotWithinDefinitionRule", reason)


@pytest.mark.parametrize(
    ("plugin", "config"),
    [
        (STATIC, {"addresses": ["10.9.4.0/24"]}),
        (HOST_LOCAL, {"addresses": ["10.9.0.0/16"], "pools": ["lan"], "hostPaths": [], "sysctls": [], "macs": []}),
        (TUNING, {"sysctls": ["*"], "macs": ["02", "06"], "hostPaths": ["/etc/x"], "unknownTypes": []}),
        # the rule itself says that it is an IPAM plugin
        ({"type": "macvlan", "ipam": {"type": "acme-ipam"}}, {"pluginTypes": ["macvlan"], "ipamTypes": ["acme-*"]}),
        ({"type": "macvlan", "ipam": {"type": "acme-ipam"}}, {"pluginTypes": ["macvlan", "acme-ipam"]}),
        ({"type": "acme"}, {"unknownTypes": ["acme"]}),
    ],
    ids=repr,
)
def test_definitions_that_an_allow_lists(plugin: dict[str, Any], config: dict[str, Any]) -> None:
    assert write(plugin, {**ALLOW, "config": config}).code == "DefinitionAllowRule"


def test_an_ipam_type_that_is_also_a_plugin_counts_as_a_plugin() -> None:
    chain = {"plugins": [{"type": "acme-ipam"}, {"type": "macvlan", "ipam": {"type": "acme-ipam"}}]}
    rule = {**ALLOW, "config": {"pluginTypes": ["macvlan"], "ipamTypes": ["acme-ipam"]}}
    assert write(chain, rule).reason == "CNI plugin type acme-ipam is not one of macvlan"


@pytest.mark.parametrize(
    ("plugin", "config", "used"),
    [
        (STATIC, {"addresses": ["10.9.4.7/32"]}, "address 10.9.4.7"),
        (HOST_LOCAL, {"addresses": ["10.9.250.0/24"]}, "addresses 10.9.4.1-10.9.255.255"),
        (
            {"type": "macvlan", "ipam": {"type": "host-local", "subnet": "ten"}},
            {"addresses": ["10.0.0.0/8"]},
            "an address that cannot be read",
        ),
        (
            TUNING,
            {"sysctls": ["net.core.*"], "macs": ["06:00"]},
            "sysctl net.core.somaxconn, MAC address 06:00:00:00:00:01",
        ),
        ({"type": "tuning", "dataDir": "/a/../b"}, {"hostPaths": ["/etc/*"]}, 'a host path with ".." in it'),
        ({"type": "acme"}, {"unknownTypes": ["*"]}, "unknown plugin type acme"),
        ({"type": "macvlan", "ipam": {"type": "acme"}}, {"unknownTypes": ["*"]}, "unknown plugin type acme"),
        ({"type": "macvlan"}, {"masters": ["*"]}, "master of the default route"),
    ],
    ids=repr,
)
def test_definitions_that_a_deny_matches(plugin: dict[str, Any], config: dict[str, Any], used: str) -> None:
    verdict = write(plugin, {**DENY, "config": config})
    assert (verdict.code, verdict.reason) == ("DefinitionDenyRule", f"it uses {used}")


@pytest.mark.parametrize(
    ("plugin", "config"),
    [
        (STATIC, {"addresses": ["10.1.0.0/16", "fd00::/8"]}),
        (TUNING, {"sysctls": ["net.core.*"], "macs": ["02"]}),
        ({"type": "macvlan", "ipam": {"type": "dhcp"}}, {"unknownTypes": ["*"]}),
    ],
    ids=repr,
)
def test_definitions_that_a_deny_does_not_match(plugin: dict[str, Any], config: dict[str, Any]) -> None:
    assert write(plugin, {**DENY, "config": config}).code == "DefinitionDefault"


def test_the_allowed_values_in_words() -> None:
    config = {"addresses": ["10.1.0.0/16"], "hostPaths": [], "masters": ["bond1"], "resourceNames": ["a/b"]}
    (rule,) = read_policy({"spec": {"definitions": [{**ALLOW, "config": config}]}}).definitions
    assert describe(rule.config) == "masters bond1; no hostPaths; addresses 10.1.0.0/16; resourceNames a/b"


@pytest.mark.parametrize("key", ["hostPaths", "sysctls", "addresses", "macs", "pools", "pkeys", "unknownTypes"])
def test_a_deny_of_nothing_is_reported(key: str) -> None:
    policy = read_policy({"spec": {"definitions": [{**DENY, "config": {key: []}}]}})
    (problem,) = policy.problems
    assert problem.path == f"spec.definitions[0].config.{key}"
    assert problem.detail == "the list is empty, so the rule would refuse nothing"
    networks = {"spec": {"attachments": [{**ALLOW, "networks": [{key: []}]}]}}
    assert [one.path for one in read_policy(networks).problems] == [f"spec.attachments[0].networks[0].{key}"]
