"""A plugin that becomes known opens nothing: where an unknown type is refused, an opaque one is as well.

The keys of an opaque plugin do not say all that it touches: it asks a daemon, or hands a changed configuration on. Its
keys are facts nevertheless, beside those that count in a plugin that nadmit does not know.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.content.facts import facts_of
from cniplugin.access.content.plugintable import OPAQUE, PLUGINS
from cniplugin.access.judging.baseline import ACTING, MOVING, find
from cniplugin.access.model.decision import Config, Rules
from cniplugin.access.model.levels import BaselineLists, ClusterLevels
from cniplugin.access.model.matchers import names
from cniplugin.netspec import netattachdef
from tests.cniplugin.access.content.test_every_key import attach, definition, rules, write

EVERYTHING = BaselineLists(masters=names(["*"]))
COMPLETE = {
    *(
        "accelerated-bridge",
        "azure-vnet-ipam",
        "bandwidth",
        "bond",
        "bridge",
        "calico-ipam",
        "cnv-bridge",
        "cnv-tuning",
    ),
    *("dhcp", "dummy", "firewall", "host-device", "host-local", "ib-sriov", "ipoib", "ipvlan"),
    *("kubevirt-passt-binding", "loopback", "macvlan", "macvtap", "multi-nic-ipam", "nv-ipam", "ovs"),
    *("ovs-mirror-consumer", "ovs-mirror-producer", "portmap", "ptp", "rdma", "route-override", "sbr", "spiderpool"),
    *("sriov", "static", "tap", "tuning", "userspace", "vlan", "vrf", "whereabouts"),
}
"""Types whose keys say all that they touch: read in their source, key by key. Extend it only after you did that."""
OTHERS = {"antrea", "ipvtap", "kube-ovn", "ovn-k8s-cni-overlay"}
"""Types whose keys count although they may touch more: overlays, which the level knows by name, and one without source."""

BASELINE = Rules(config=Config(posture="Open", levels=ClusterLevels(enforce="Baseline"), baseline=EVERYTHING))


def test_every_type_is_complete_or_opaque() -> None:
    """A new plugin file is opaque until somebody has read which parts of the node each of its keys names."""
    assert PLUGINS.keys() - OPAQUE <= COMPLETE | OTHERS
    assert OPAQUE.isdisjoint(COMPLETE)
    assert PLUGINS.keys() >= OPAQUE | COMPLETE
    assert OPAQUE.isdisjoint(MOVING | ACTING)


@pytest.mark.parametrize("kind", sorted(OPAQUE))
def test_the_level_refuses_an_opaque_type_as_an_unknown_one(kind: str) -> None:
    network, unknown = definition({"type": kind}), definition({"type": "nobody-knows"})
    assert [write(one, BASELINE) for one in (network, unknown)] == ["DefinitionLevel"] * 2
    assert [attach(one, BASELINE) for one in (network, unknown)] == [{"DefinitionLevel"}] * 2
    fields = [
        {(breach.path, breach.field) for breach in find(one, facts_of(one), EVERYTHING)} for one in (network, unknown)
    ]
    assert fields[0] >= fields[1] == {("plugins[0].type", "unknownTypes")}


@pytest.mark.parametrize("kind", sorted(OPAQUE))
@pytest.mark.parametrize("listed", [[], ["my-*"]], ids=str)
def test_a_rule_with_unknown_types_excludes_an_opaque_type(kind: str, listed: list[str]) -> None:
    allow = rules(
        posture="Strict",
        definitions=[{"name": "a", "action": "Allow", "config": {"masters": ["*"], "unknownTypes": listed}}],
    )
    assert write(definition({"type": kind}), allow) == "NotWithinDefinitionRule"


@pytest.mark.parametrize("kind", sorted(OPAQUE))
def test_its_keys_and_those_of_an_unknown_type_are_facts(kind: str) -> None:
    conf: dict[str, Any] = {"type": kind, "bridge": "br1", "links": [{"name": "eth7"}], "physicalNetworkName": "infra"}
    found = facts_of(definition(conf))
    assert found is not None
    assert {"br1", "eth7", "infra"} <= set(found.masters)


@pytest.mark.parametrize(
    ("conf", "touch"),
    [
        ({"type": "calico", "kubernetes": {"kubeconfig": "/etc/k"}}, ("host-path", "/etc/k")),
        ({"type": "flannel", "delegate": {"type": "macvlan", "master": "eth9"}}, ("interface", "eth9")),
        ({"type": "flannel", "subnetFile": "/etc/passwd"}, ("host-path", "/etc/passwd")),
        ({"type": "ifacer", "interfaces": ["eth1", "eth2"], "bond": {"name": "bond7"}}, ("interface", "bond7")),
        ({"type": "tke-route-eni"}, ("interface", "eth1")),
        ({"type": "macvlan", "master": "e", "ipam": {"type": "nv-ipam", "confDir": "/tmp"}}, ("host-path", "/tmp")),
        ({"type": "macvlan", "master": "e", "ipam": {"type": "nv-ipam", "poolName": "a,b"}}, ("pool", "b")),
        ({"type": "macvlan", "master": "e", "ipam": {"type": "nv-ipam"}}, ("pool", "lan")),
        ({"type": "macvlan", "master": "e", "ipam": {"type": "multi-nic-ipam", "daemonPort": 22}}, ("endpoint", "22")),
        (
            {"type": "macvlan", "master": "e", "log_file_path": "/x", "ipam": {"type": "calico-ipam"}},
            ("host-path", "/x"),
        ),
    ],
    ids=str,
)
def test_touches(conf: dict[str, Any], touch: tuple[str, str]) -> None:
    found = facts_of(
        netattachdef.build(namespace="blue", name="lan", config=json.dumps({"cniVersion": "1.0.0", **conf}))
    )
    assert found is not None
    assert touch in {(one.kind, one.value) for one in found.touches}
