"""Each side door of the access policy's design, tried against the real server over TLS.

| # | Door | Test here, and others |
| --- | --- | --- |
| 1 | definition edited after the check | test_01; on the node test_decision_table.py D10 |
| 2 | tenant's definition of type host-device, foreign master | test_02; test_definitionrules.py |
| 3 | `type: ../../x` | test_03; cniplugin/netspec/test_cniconfig.py |
| 4 | empty `spec.config` runs a file of the node | test_04 |
| 5 | delegating plugin, nested delegates | test_05; test_facts.py |
| 6 | second plugin in a chain, keys that no rule looked at | test_06; test_every_key.py |
| 7 | annotation changed by UPDATE | test_07; test_worked_examples.py 11 |
| 8 | `pods/status`, `pods/binding` | test_08; webhook/admission/checks/test_bindings.py |
| 9 | another default network | test_09 |
| 10 | `cni-args` carrying ips, mac, sysctl | test_10; test_limits_usage.py, test_worked_examples.py 4 |
| 11 | JSON case, duplicates, null items | test_11; test_worked_examples.py 12 |
| 12 | namespace label spoofing | test_12: the one label that cannot be set; the lint: test_lints.py |
| 13 | NAD label self-selection, pod label evasion | test_13: which conditions an author can evade; lints: test_lints.py |
| 14 | service account choice | test_14: it narrows, but does not protect inside a namespace |
| 15 | `failurePolicy: Ignore` window | test_15: a webhook that cannot answer does not allow; the node asks again, see 16 |
| 16 | webhook configuration deleted | test_decision_table.py: the node judges the same by itself |
| 17 | static pods | test_17: a mirror pod is judged like any other; cniplugin/cluster/test_objects.py has its annotations read at ADD |
| 18 | forged mirror annotations | test_18: no annotation exempts |
| 19 | pod before its network | test_19; on the node D10 |
| 20 | forged network-status | test_20 |
| 21 | replay of a signed approval | test_21: nothing that a pod carries approves anything |
| 22 | existence probing | test_22; test_properties.py |
| 23 | expensive policy | test_23; test_matchers.py, test_ruleindex.py, test_allowednetworks.py |
| 24 | sandbox re-creation after tightening | test_24; on the node H17 |
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cniplugin.access import test_decision_table
from tests.cniplugin.access.cases import BY_ID, CAPABILITIES, pod_maker, review
from tests.cniplugin.access.served import Server, Servers, policy
from webhook.admission.model.requests import Decision

NETWORKS = "k8s.v1.cni.cncf.io/networks"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
STATUS = "k8s.v1.cni.cncf.io/network-status"

NAMESPACES = {
    "blue": {"tenant": "blue"},
    "green": {"tenant": "green"},
    "infra": {},
    "default": {},
    "evil": {"kubernetes.io/metadata.name": "blue", "tenant": "blue"},
}
MACVLAN = json.dumps({"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1", "capabilities": CAPABILITIES})
HOST_DEVICE = '{"cniVersion": "1.0.0", "type": "host-device", "device": "eth3"}'
CLUSTER: dict[str, Any] = {
    "blue/lan": MACVLAN,
    "infra/storage": MACVLAN,
    "default/internet": MACVLAN,
    "green/shared": MACVLAN,
    "evil/lan": MACVLAN,
}
NO_HOST_DEVICE = policy(
    "guard", attachments=[{"name": "no-host-device", "action": "Deny", "networks": [{"pluginTypes": ["host-device"]}]}]
)
TENANTS = policy(
    "tenants",
    definitions=[
        {
            "name": "own",
            "action": "Allow",
            "authors": {"groups": ["tenants"]},
            "config": {"pluginTypes": ["macvlan", "tuning"], "masters": ["bond1"]},
        }
    ],
)
TENANT = {"username": "bob", "groups": ["tenants"]}
NODE = {"username": "system:node:n1", "groups": ["system:nodes"]}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("side-doors")) as started:
        yield started


@pytest.fixture(scope="module")
def plain(servers: Servers) -> Server:
    """Posture Isolated, and no policies."""
    return start(servers)


def start(
    servers: Servers,
    *policies: dict[str, Any],
    config: dict[str, Any] | None = None,
    networks: Mapping[str, Any] | None = None,
) -> Server:
    more = networks or {}
    return servers.start(namespaces=NAMESPACES, networks={**CLUSTER, **more}, config=config, policies=policies)


def pod(
    networks: str | None = None,
    *,
    kind: str = "Pod",
    namespace: str = "blue",
    account: str = "default",
    labels: dict[str, str] | None = None,
    default: str | None = None,
    status: str | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    known = {NETWORKS: networks, DEFAULT_NETWORK: default, STATUS: status}
    written = {key: text for key, text in known.items() if text is not None}
    return pod_maker(
        kind,
        {
            "name": "web-0",
            "namespace": namespace,
            "labels": labels or {},
            "annotations": {**written, **(more or {})},
            "serviceAccount": account,
        },
    )


def ask(server: Server, thing: dict[str, Any], *, kind: str = "Pod", **more: Any) -> Decision:
    return server.ask(review(kind, thing, **more))[1]


def write(server: Server, config: str | None, *, user: dict[str, Any] = TENANT, **more: Any) -> Decision:
    thing = {"metadata": {"name": "mine", "namespace": "blue"}, "spec": {} if config is None else {"config": config}}
    return ask(server, thing, kind="NetworkAttachmentDefinition", user=user, **more)


def test_01_a_definition_edited_after_the_check(servers: Servers) -> None:
    """A pod that was allowed by a network's content is judged again with the new content, here and on the node."""
    before, after = start(servers, NO_HOST_DEVICE), start(servers, NO_HOST_DEVICE, networks={"blue/lan": HOST_DEVICE})
    assert ask(before, pod("lan")).is_allowed
    assert ask(after, pod("lan")).rules == ("DenyRule",)
    old = {"metadata": {"name": "mine", "namespace": "blue"}, "spec": {"config": MACVLAN}}
    edited = write(start(servers, TENANTS), HOST_DEVICE, old=old)
    assert edited.rules == ("NotWithinDefinitionRule",)


@pytest.mark.parametrize(
    ("config", "is_allowed"),
    [
        (MACVLAN, True),
        (HOST_DEVICE, False),
        ('{"cniVersion":"1.0.0","type":"macvlan","master":"eth0"}', False),
        ('{"cniVersion":"1.0.0","type":"macvlan"}', False),  # the interface of the node's default route
        ('{"cniVersion":"1.0.0","type":"any-binary"}', False),
    ],
)
def test_02_a_tenants_definition(servers: Servers, config: str, *, is_allowed: bool) -> None:
    server = start(servers, TENANTS, config={"definitions": {"default": "Deny"}})
    assert write(server, config).is_allowed is is_allowed
    assert write(server, config, user={"username": "eve", "groups": []}).rules == ("DefinitionDefaultDeny",)


@pytest.mark.parametrize(
    "config",
    [
        '{"cniVersion":"1.0.0","type":"../../x"}',
        '{"cniVersion":"1.0.0","type":"bridge","ipam":{"type":"../x"}}',
        '{"cniVersion":"1.0.0","plugins":[{"type":"bridge"},{"type":"a/b"}]}',
        '{"cniVersion":"1.0.0","type":"bridge","delegates":[{"type":"/bin/sh"}]}',
    ],
)
def test_03_a_path_as_type(servers: Servers, config: str) -> None:
    """A path is refused for every author, and for a pod if the definition is older than the webhook."""
    server = start(servers, networks={"blue/trick": config}, config={"posture": "Open"})
    masters = {"username": "root", "groups": ["system:masters"]}
    assert write(server, config, user=masters).code == 422
    assert ask(server, pod("trick")).rules == ("BuiltinUnsafeConfig",)


def test_04_an_empty_config(servers: Servers, plain: Server) -> None:
    on_disk = {"name": "no-files", "action": "Deny", "networks": [{"onDisk": True}]}
    guarded = start(servers, policy("guard", attachments=[on_disk]), TENANTS, networks={"blue/disk": None})
    assert ask(guarded, pod("disk")).rules == ("DenyRule",)
    assert ask(guarded, pod("lan")).is_allowed
    assert write(guarded, None).rules == ("NotWithinDefinitionRule",)
    assert write(guarded, "").rules == ("NotWithinDefinitionRule",)
    assert write(plain, None).verdict == "warn"


@pytest.mark.parametrize(
    "config",
    [
        '{"cniVersion":"1.0.0","type":"multus"}',
        '{"cniVersion":"1.0.0","type":"nadmit"}',
        '{"cniVersion":"1.0.0","plugins":[{"type":"bridge"},{"type":"multus-shim"}]}',
        '{"cniVersion":"1.0.0","type":"other","delegates":[{"type":"bridge","delegate":{"type":"multus"}}]}',
    ],
)
def test_05_a_delegating_plugin(servers: Servers, config: str) -> None:
    server = start(servers, networks={"blue/trick": config}, config={"posture": "Open"})
    assert write(server, config).rules == ("cni-meta-plugin",)
    assert ask(server, pod("trick")).rules == ("BuiltinUnsafeConfig",)


def test_05_delegates_count_as_plugins(servers: Servers) -> None:
    nested = '{"cniVersion":"1.0.0","type":"macvlan","master":"bond1","delegates":[{"type":"host-device"}]}'
    server = start(servers, NO_HOST_DEVICE, TENANTS, networks={"blue/nested": nested})
    assert ask(server, pod("nested")).rules == ("DenyRule",)
    assert write(server, nested).rules == ("NotWithinDefinitionRule",)


def test_06_the_second_plugin_of_a_chain(servers: Servers) -> None:
    chain = '{"cniVersion":"1.0.0","plugins":[{"type":"macvlan","master":"bond1"},{"type":"host-device"}]}'
    server = start(servers, NO_HOST_DEVICE, TENANTS, networks={"blue/chain": chain})
    assert ask(server, pod("chain")).rules == ("DenyRule",)
    assert "host-device is not one of macvlan, tuning" in write(server, chain).message


HOST_LOCAL = {"type": "host-local", "subnet": "10.1.0.0/16"}
LIMITED = {"masters": ["bond1", "br1"], "vlans": ["100-199"]}
RESERVED = ({"vlans": ["1-99"]}, {"masters": ["bond0", "eth*", "infra", "0000:*"]}, {"pluginTypes": ["host-device"]})
WAYS: dict[str, dict[str, Any]] = {
    "vlanId": {"type": "vlan", "master": "bond1", "vlanId": 7, "ipam": HOST_LOCAL},
    "master": {"type": "macvlan", "master": "bond0", "ipam": HOST_LOCAL},
    "vlanID, as Go reads it": {"type": "vlan", "master": "bond1", "vlanID": 7, "ipam": HOST_LOCAL},
    "minid beside id": {"type": "bridge", "bridge": "br1", "vlanTrunk": [{"id": 150, "minid": 1, "maxid": 4094}]},
    "MinID beside id": {"type": "bridge", "bridge": "br1", "vlanTrunk": [{"id": 150, "MinID": 1, "MaxID": 4094}]},
    "physicalNetworkName": {
        "type": "ovn-k8s-cni-overlay",
        "topology": "localnet",
        "netAttachDefName": "blue/mine",
        "physicalNetworkName": "infra",
    },
    "vlanID of OVN": {"type": "ovn-k8s-cni-overlay", "topology": "layer2", "vlanID": 7},
    "bridge of ovs": {"type": "ovs", "bridge": "bond0", "vlan": 150},
    "bridge of tap": {"type": "tap", "bridge": "bond0", "ipam": HOST_LOCAL},
    "links of bond": {
        "type": "bond",
        "mode": "active-backup",
        "miimon": "100",
        "links": [{"name": "bond0"}, {"name": "eth3"}],
        "ipam": HOST_LOCAL,
    },
    "deviceID of sriov": {"type": "sriov", "deviceID": "0000:03:00.1"},
    "a nested delegate": {
        "type": "macvlan",
        "master": "bond1",
        "ipam": HOST_LOCAL,
        "delegate": {"type": "vlan", "master": "bond1", "vlanId": 7},
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_06_every_way_to_name_an_interface_or_a_vlan(servers: Servers, way: str) -> None:
    """An Allow and a Deny find it when it is written, and when a pod attaches."""
    config = json.dumps({"cniVersion": "1.0.0", **WAYS[way]})
    allow = policy(
        "allow",
        definitions=[{"name": "a", "action": "Allow", "config": LIMITED}],
        attachments=[{"name": "a", "action": "Allow", "networks": [{"names": ["other"], **LIMITED}]}],
    )
    strict = start(servers, allow, networks={"blue/mine": config}, config={"posture": "Strict"})
    assert write(strict, config).rules == ("NotWithinDefinitionRule",)
    assert ask(strict, pod("mine")).rules == ("PostureStrict",)
    deny = policy(
        "deny",
        definitions=[{"name": f"d{index}", "action": "Deny", "config": use} for index, use in enumerate(RESERVED)],
        attachments=[{"name": "d", "action": "Deny", "networks": list(RESERVED)}],
    )
    opened = start(servers, deny, networks={"blue/mine": config}, config={"posture": "Open"})
    assert write(opened, config).rules == ("DefinitionDenyRule",)
    assert ask(opened, pod("mine")).rules == ("DenyRule",)


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ({"type": "host-device", "device": "bond1", "runtimeConfig": {"deviceID": "0000:03:00.1"}}, "cni-runtime"),
        ({"type": "macvlan", "runtimeConfig": {"mac": "02:00:00:00:00:01"}, "ipam": HOST_LOCAL}, "cni-runtime"),
        (
            {"type": "macvlan", "prevResult": {"ips": [{"address": "10.1.4.7/16"}]}, "ipam": {"type": "tuning"}},
            "cni-ipam-program",
        ),
        ({"type": "macvlan", "master": "bond1", "device": "eth3", "ipam": {"type": "host-device"}}, "cni-ipam-program"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_06_keys_that_the_rules_do_not_see_are_refused(servers: Servers, written: dict[str, Any], rule: str) -> None:
    config = json.dumps({"cniVersion": "1.0.0", **written})
    server = start(servers, networks={"blue/mine": config}, config={"posture": "Open"})
    assert rule in write(server, config).rules
    assert (
        write(server, config, user={"username": "root", "groups": ["system:masters"]}).rules
        == write(server, config).rules
    )
    assert ask(server, pod("mine")).rules == ("BuiltinUnsafeConfig",)


@pytest.mark.parametrize(
    "written",
    [
        {"type": "macvlan", "master": "bond1", "ipam": HOST_LOCAL, "runtimeConfig": {}, "prevResult": {}},
        {"type": "macvlan", "master": "bond1", "bridge": "bond0", "deviceID": "0000:03:00.1", "ipam": HOST_LOCAL},
        {"master": "bond0", "vlan": 7, "plugins": [{"type": "macvlan", "master": "bond1", "ipam": HOST_LOCAL}]},
        {"type": "macvlan", "master": "bond1", "linkInContainer": True, "ipam": {"type": "nobody-knows"}},
        {"type": "bond", "linksInContainer": True, "links": [{"name": "net1"}, {"name": "net2"}], "ipam": HOST_LOCAL},
    ],
    ids=str,
)
def test_06_unread_keys_stay_harmless(servers: Servers, written: dict[str, Any]) -> None:
    config = json.dumps({"cniVersion": "1.0.0", "mode": "active-backup", "miimon": "100", **written})
    limited = policy("allow", definitions=[{"name": "a", "action": "Allow", "config": LIMITED}])
    reserved = policy("deny", attachments=[{"name": "d", "action": "Deny", "networks": list(RESERVED)}])
    server = start(servers, limited, reserved, networks={"blue/mine": config}, config={"posture": "Open"})
    assert write(server, config).is_allowed
    assert ask(server, pod("mine")).is_allowed


def test_07_an_update_of_the_annotation(plain: Server) -> None:
    assert ask(plain, pod("lan,green/shared"), old=pod("lan")).rules == ("PostureIsolated",)
    assert ask(plain, pod("green/shared"), old=pod()).rules == ("PostureIsolated",)
    assert ask(plain, pod("lan"), old=pod("lan,green/shared")).is_allowed


@pytest.mark.parametrize("subresource", ["status", "resize", "ephemeralcontainers"])
def test_08_subresources_of_a_pod(plain: Server, subresource: str) -> None:
    decision = ask(plain, pod("green/shared"), old=pod(), subresource=subresource)
    assert decision.rules == ("PostureIsolated",)


@pytest.mark.parametrize("key", [NETWORKS, DEFAULT_NETWORK, STATUS])
def test_08_annotations_on_a_binding(plain: Server, key: str) -> None:
    """The API server merges them over the pod's own. They are refused even if the pod might have them."""
    binding = {
        "metadata": {"name": "web-0", "namespace": "blue", "annotations": {key: "lan"}},
        "target": {"name": "n1"},
    }
    scheduler = {"username": "system:kube-scheduler", "groups": []}
    decision = ask(plain, binding, kind="Binding", subresource="binding", user=scheduler)
    assert decision.rules == ("BuiltinBindingAnnotation",)


def test_09_another_default_network(servers: Servers, plain: Server) -> None:
    assert ask(plain, pod(default="blue/lan")).rules == ("PostureReplaceDefault",)
    everything = {"name": "all", "action": "Allow", "limits": {"default": "Allow"}}
    assert ask(start(servers, policy("p", attachments=[everything])), pod(default="blue/lan")).rules == (
        "NotWithinRule",
    )
    granted = {**everything, "limits": {"replaceDefaultNetwork": {}}}
    assert ask(start(servers, policy("p", attachments=[granted])), pod(default="blue/lan")).is_allowed


@pytest.mark.parametrize(
    ("arguments", "spellings"),
    [
        ({"mac": "02:00:00:00:00:01"}, ("cni-args", "mac")),
        ({"MAC": "02:00:00:00:00:01"}, ("cni-args", "mac")),
        ({"ips": ["10.9.0.1"]}, ("cni-args", "ips")),
        ({"Ip": "10.9.0.1"}, ("cni-args", "ips")),
        ({"sysctl": {"net.ipv4.ip_forward": "1"}}, ("cni-args",)),
    ],
    ids=repr,
)
def test_10_cni_args(servers: Servers, arguments: dict[str, Any], spellings: tuple[str, ...]) -> None:
    asked = json.dumps([{"name": "lan", "cni-args": arguments}])
    decision = ask(start(servers, policy("p", attachments=[{"name": "basic", "action": "Allow"}])), pod(asked))
    assert decision.rules == ("NotWithinRule",)
    assert tuple(re.findall('the request uses "([^"]*)"', decision.message)) == spellings
    no_address = {"name": "d", "action": "Deny", "onRequests": ["ips", "mac"]}
    denied = ask(start(servers, policy("p", attachments=[no_address])), pod(asked))
    assert denied.is_allowed is (spellings == ("cni-args",))


@pytest.mark.parametrize(
    ("networks", "rule"),
    [
        ("[null]", "item-not-object"),
        ('[{"name":"lan","cni-args":{"a":1,"a":2}}]', "json-duplicate-key"),
        ('[{"name":"lan","cni-args":{"a":1},"CNI-args":{"a":2}}]', "json-duplicate-key"),
    ],
)
def test_11_tricks_of_parsers(plain: Server, networks: str, rule: str) -> None:
    decision = ask(plain, pod(networks))
    assert (decision.code, decision.reason) == (422, "Invalid")
    assert decision.rules == (rule,)


@pytest.mark.parametrize(
    ("networks", "attached"),
    [
        ('[{"name":"lan","Namespace":"infra"}]', "infra/lan"),
        ('[{"name":"lan","namespace":"blue","namespace":"infra"}]', "infra/lan"),
        ('[{"name":"lan","namespace":"blue","NAMESPACE":"infra"}]', "infra/lan"),
        ('[{"name":"lan","nameſpace":"infra"}]', "infra/lan"),
        ("infra / lan", "infra/lan"),
    ],
)
def test_11_the_network_that_go_reads_is_judged(plain: Server, networks: str, attached: str) -> None:
    decision = ask(plain, pod(networks))
    assert (decision.code, decision.rules) == (403, ("PostureIsolated",))
    assert f"may not attach to {attached}" in decision.message


def test_11_the_last_name_counts(plain: Server) -> None:
    decision = ask(plain, pod('[{"namespace":"infra","name":"lan","Namespace":"blue"}]'))
    assert decision.is_allowed
    assert decision.rules == ("Posture", "key-case", "json-duplicate-key")


def test_11_tricks_in_a_definition(plain: Server) -> None:
    assert write(plain, '{"cniVersion":"1.0.0","type":"bridge","type":"host-device"}').rules == ("json-duplicate-key",)
    assert write(plain, '{"cniVersion":"1.0.0","type":"bridge","Type":"host-device"}').code == 422


def test_12_a_namespace_cannot_take_the_name_of_another(servers: Servers) -> None:
    """`kubernetes.io/metadata.name` and `namespaces` cannot be forged; authors choose other labels, and a lint warns."""
    storage = {"name": "san", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}
    by_name = policy("p", pods=[{"namespaces": ["blue"]}], attachments=[storage])
    by_name_label = policy(
        "p",
        pods=[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "blue"}}}],
        attachments=[storage],
    )
    for rules in (by_name, by_name_label):
        server = start(servers, rules)
        assert ask(server, pod("infra/storage")).is_allowed
        assert ask(server, pod("infra/storage", namespace="evil")).rules == ("PostureIsolated",)
    spoofed = policy("p", pods=[{"namespaceSelector": {"matchLabels": {"tenant": "blue"}}}], attachments=[storage])
    assert ask(start(servers, spoofed), pod("infra/storage", namespace="evil")).is_allowed


def test_13_labels_are_under_their_authors_control(servers: Servers) -> None:
    """The labels of a network do not help it into a rule that names namespaces; a pod can evade a Deny by its labels."""
    labelled = {"config": MACVLAN, "labels": {"class": "shared"}}
    selected = {
        "name": "a",
        "action": "Allow",
        "networks": [{"namespaces": ["infra"], "selector": {"matchLabels": {"class": "shared"}}}],
    }
    server = start(
        servers, policy("p", attachments=[selected]), networks={"evil/trap": labelled, "infra/open": labelled}
    )
    assert ask(server, pod("infra/open")).is_allowed
    assert ask(server, pod("evil/trap")).rules == ("PostureIsolated",)
    assert ask(server, pod("infra/storage")).rules == ("PostureIsolated",)
    deny = {"name": "d", "action": "Deny", "networks": [{"names": ["lan"]}]}
    narrow = start(servers, policy("p", pods=[{"podSelector": {"matchLabels": {"app": "web"}}}], attachments=[deny]))
    assert not ask(narrow, pod("lan", labels={"app": "web"})).is_allowed
    assert ask(narrow, pod("lan", labels={"app": "other"})).is_allowed
    firm = start(servers, policy("p", pods=[{"namespaces": ["blue"]}], attachments=[deny]))
    assert not ask(firm, pod("lan", labels={"app": "other"})).is_allowed


def test_14_a_service_account_is_no_boundary_inside_a_namespace(servers: Servers) -> None:
    deny = {"name": "d", "action": "Deny", "onRequests": ["defaultRoute"]}
    excepted = [{"namespaces": ["green"], "serviceAccounts": ["router"]}]
    server = start(servers, policy("p", exceptPods=excepted, attachments=[deny]), networks={"green/lan": MACVLAN})
    asked = '[{"name":"lan","default-route":["10.1.0.1"]}]'
    assert ask(server, pod(asked, namespace="green", account="router")).is_allowed  # the author of the pod chooses it
    assert not ask(server, pod(asked, namespace="green")).is_allowed
    assert not ask(server, pod(asked, namespace="blue", account="router")).is_allowed


def test_15_a_webhook_that_cannot_answer_does_not_allow(servers: Servers) -> None:
    """The API server takes each of these answers for a failure, which failurePolicy Fail turns into a refusal."""
    waiting = servers.start(namespaces=NAMESPACES, networks=CLUSTER, problem="networks not listed yet")
    answer = waiting.post(review("Pod", pod("lan")))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    for body in (b"{}", b"[", review("Pod", pod("lan")).replace(b'"uid"', b'"id"')):
        answer = start(servers).post(body)
        assert answer.status == 400
        assert answer.text  # a line of text instead of an AdmissionReview


def test_16_the_node_judges_the_same_by_itself() -> None:
    """The tests of the node judge the table without a webhook."""
    assert len(test_decision_table.ATTACHMENTS) > 40
    for case in test_decision_table.ATTACHMENTS:
        if case["expect"] == "deny" and case["id"] != "H11" and case["reason_code"] != "MultusGate":
            verdicts = test_decision_table.judge_all(case, is_on_node=True)
            assert not all(verdict.is_allowed for verdict in verdicts), case["id"]


MIRROR = {
    "kubernetes.io/config.mirror": "6a2e",
    "kubernetes.io/config.source": "file",
    "kubernetes.io/config.seen": "2024-01-01T00:00:00Z",
}


def test_17_a_mirror_pod_is_judged_like_any_other(plain: Server) -> None:
    """The kubelet runs the static pod in any case, and the plugin judges these annotations again."""
    assert ask(plain, pod("green/shared", more=MIRROR), user=NODE).rules == ("PostureIsolated",)
    assert ask(plain, pod("lan", more=MIRROR), user=NODE).is_allowed


@pytest.mark.parametrize(
    "key", [*MIRROR, "access.nadmit.io/exempt", "access.nadmit.io/allowed-namespaces", "access.nadmit.io/skip"]
)
@pytest.mark.parametrize("value", ["true", "*", "blue"])
def test_18_no_annotation_exempts(plain: Server, key: str, value: str) -> None:
    without = ask(plain, pod("green/shared"))
    assert ask(plain, pod("green/shared", more={key: value})) == without
    labelled = pod("green/shared", labels={key: value})
    assert ask(plain, labelled) == without


@pytest.mark.parametrize("user", [NODE, {"username": "system:admin", "groups": ["system:masters"]}])
def test_18_no_user_is_exempt_for_attachments(plain: Server, user: dict[str, Any]) -> None:
    assert ask(plain, pod("green/shared"), user=user).rules == ("PostureIsolated",)


def test_19_a_pod_before_its_network(servers: Servers) -> None:
    """A pod waits for its network; a workload gets a warning. Once the network exists, its content decides."""
    server = start(servers, NO_HOST_DEVICE)
    assert ask(server, pod("later")).rules == ("network-not-found",)
    assert ask(server, pod("later", kind="Deployment"), kind="Deployment").verdict == "warn"
    assert ask(start(servers, NO_HOST_DEVICE, networks={"blue/later": HOST_DEVICE}), pod("later")).rules == (
        "DenyRule",
    )
    assert BY_ID["D10"]["reason_code"] == "DenyRule"


def test_20_a_forged_network_status(servers: Servers, plain: Server) -> None:
    strict = start(servers, config={"networkStatusMode": "Deny"})
    forged, old = pod("lan", status='[{"name":"evil"}]'), pod("lan", status="[]")
    for user in (
        None,
        {"username": "root", "groups": ["system:masters"]},
        {"username": "system:node:n1", "groups": []},
    ):
        assert ask(strict, forged, old=old, user=user).code == 403
        warned = ask(plain, forged, old=old, user=user)
        assert (warned.verdict, warned.rules) == ("warn", ("NetworkStatusProtected",))
    assert ask(strict, pod("lan"), old=old).rules == ("NetworkStatusProtected",)
    assert ask(strict, forged).rules == ("NetworkStatusProtected",)
    assert ask(strict, forged, old=old, user=NODE, subresource="status").verdict == "allow"
    writer = {"username": "system:serviceaccount:kube-system:multus", "groups": []}
    listed = start(servers, config={"networkStatusMode": "Deny", "statusWriters": [writer["username"]]})
    assert ask(listed, forged, old=old, user=writer).verdict == "allow"


def test_21_nothing_that_a_pod_carries_approves_it(plain: Server) -> None:
    """An earlier admission, the status of a network, and an allowed name do not count."""
    carried = {
        STATUS: '[{"name":"green/shared","interface":"net1","ips":["10.1.0.7"]}]',
        "access.nadmit.io/approved": "sig",
    }
    assert ask(plain, pod("green/shared", more=carried)).rules == ("PostureIsolated",)
    assert ask(plain, pod("green/shared", more=carried), old=pod("lan", more=carried)).rules == ("PostureIsolated",)


@pytest.mark.parametrize("asked", ["", '"mac":"02:00:00:00:00:01"', '"ips":["10.1.0.7"]', '"deviceID":"0000:03:02.1"'])
@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"name": "a", "action": "Allow", "networks": [{"namespaces": ["green"]}], "requireConsent": True}],
        [{"name": "d", "action": "Deny", "networks": [{"pluginTypes": ["macvlan"]}]}],
        [{"name": "d", "action": "Deny", "networks": [{"namespaces": ["green"]}]}],
    ],
    ids=["posture", "consent", "content", "name"],
)
@pytest.mark.parametrize("posture", ["Isolated", "Consent", "Strict"])
def test_22_existence_cannot_be_probed(servers: Servers, asked: str, rules: list[dict[str, Any]], posture: str) -> None:
    item = f'[{{"name":"NAME","namespace":"green"{"," if asked else ""}{asked}}}]'
    policies = [policy("p", attachments=rules)] if rules else []
    networks = {"green/net-qa": MACVLAN, "green/net-qb": "{", "green/net-qc": HOST_DEVICE, "green/net-qd": None}
    server = start(servers, *policies, config={"posture": posture}, networks=networks)
    answers = {}
    for name in ("net-qa", "net-qb", "net-qc", "net-qd", "net-qe"):
        decision = ask(server, pod(item.replace("NAME", name)))
        assert decision.code == 403
        answers[name] = repr(decision).replace(name, "NAME")
    assert set(answers.values()) == {answers["net-qe"]}


@pytest.mark.slow
def test_23_the_largest_policies_cost_little(servers: Servers) -> None:
    """64 rules of 32 networks of 64 patterns, for 32 entries of pods: no pattern is compared twice."""
    names = [f"n{number}-*" for number in range(64)]
    networks = [{"names": names, "masters": names, "namespaces": names} for _ in range(32)]
    pods = [{"namespaces": names, "serviceAccounts": [f"s{number}" for number in range(64)]} for _ in range(31)]
    rules = [{"name": f"r{number}", "action": "Deny", "networks": networks} for number in range(64)]
    large = policy("large", pods=[*pods, {"namespaces": ["blue"]}], attachments=rules)
    server = start(servers, *({**large, "metadata": {"name": f"large-{number}"}} for number in range(4)))
    ask(server, pod("lan"))
    started = time.perf_counter()
    assert not ask(server, pod("green/shared")).is_allowed
    assert time.perf_counter() - started < 1


def test_24_a_sandbox_after_the_rules_were_tightened(servers: Servers, plain: Server) -> None:
    """A running pod is not judged again. A new attachment is judged by the new rules (on the node: H17)."""
    deny = policy("new", attachments=[{"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]}])
    tightened = start(servers, deny)
    assert ask(plain, pod("lan")).is_allowed
    assert ask(tightened, pod("lan")).rules == ("DenyRule",)
    assert ask(tightened, pod("lan", labels={"a": "b"}), old=pod("lan")).is_allowed
    assert BY_ID["H17"]["stage"] == "node"


def test_every_door_has_a_test() -> None:
    doors = set(re.findall(r"^\| (\d+) \|", __doc__, flags=re.MULTILINE))
    tested = {str(int(name[5:7])) for name in globals() if re.match(r"test_\d\d_", name)}
    assert doors == tested == {str(number) for number in range(1, 25)}
