"""Access policies at ADD, with the rules of that time, and without an answer of the API server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.model.decision import Config
from cniplugin.cluster.accessrules import RulesFile, Snapshot
from cniplugin.netspec import netattachdef
from tests.fakes.apiserver import Answer, Request, failure
from tests.fakes.objects import policy
from tests.fakes.objects import policy_config as config
from tests.node.test_footprint import FORBIDDEN
from tests.realapi.server import RealApiServer
from tests.webhook.admission.world import FakeCluster, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Object
from webhook.admission.view.decisioncontext import DecisionContext

from .cluster import Api, Cluster, RealCluster, genuine, misbehaving
from .podnode import DEFAULT, NETWORKS, REPO, Conf, Node
from .test_account import grant
from .test_devices import TELLING

pytestmark = [pytest.mark.root, pytest.mark.slow]

CONFIGS = "networkattachmentpolicyconfigs"
POLICIES = "networkattachmentpolicies?"
NO_LAN = policy(
    "guard", {"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]}, contact="net@x.example"
)
STORAGE = {"namespaces": ["infra"], "names": ["storage"]}
SAN = policy("san", {"name": "all", "action": "Allow", "networks": [STORAGE]}, pods=[{"namespaces": ["blue"]}])


def recorder(**more: Any) -> Conf:
    """A network that needs no preparation of the node."""
    return {"cniVersion": "1.0.0", "type": "recorder", **more}


@pytest.fixture
def lan(node: Node) -> Node:
    """The node, with a pod that asks for blue/lan."""
    node.api.put_network("blue", "lan", recorder())
    node.api.put_pod("lan")
    return node


def add_and_delete(node: Node, **changes: Any) -> None:
    node.add(**changes).expect()
    node.delete(**changes).expect()


def asked_for(api: Cluster, part: str) -> list[str]:
    return [line for line in api.asked() if part in line]


# Decisions


def test_an_allow_rule_lifts_isolation(node: Node) -> None:
    node.api.put_network("infra", "storage", recorder())
    node.api.put_pod("infra/storage")
    assert "default posture Isolated" in node.add().refused(100)
    node.api.put_rules(SAN)
    node.add().expect()
    assert node.record("ADD", "net1")["conf"]["name"] == "storage"


def test_a_rule_by_the_labels_of_the_namespace(lan: Node) -> None:
    """The label with the namespace's name is always there, and cannot be set."""
    name = {"matchLabels": {"kubernetes.io/metadata.name": "blue", "tenant": "yes"}}
    rule = {"name": "none", "action": "Deny"}
    lan.api.put_rules(policy("tenants", rule, pods=[{"namespaceSelector": name}]))
    add_and_delete(lan)
    lan.api.label_namespace(tenant="yes")
    assert 'rule "none" (Deny)' in lan.add().refused(100)


def test_a_network_that_was_edited_after_admission(lan: Node) -> None:
    """Side door 1: the content at the time of ADD decides."""
    rule = {"name": "host", "action": "Deny", "networks": [{"pluginTypes": ["host-device"]}]}
    lan.api.put_rules(policy("no-devices", rule))
    add_and_delete(lan)
    lan.api.put_network("blue", "lan", {"cniVersion": "1.0.0", "type": "host-device", "device": "eth3"})
    text = lan.add().refused(100)
    assert "  reason:  the network uses CNI plugin type host-device\n" in text
    assert 'NetworkAttachmentPolicy "no-devices" rule "host" (Deny)' in text
    assert lan.left() == []


def test_a_network_on_the_disk_of_the_node(lan: Node) -> None:
    """Only the node can read it, so only the node can refuse its content."""
    lan.api.put_network("blue", "lan", None)
    (lan.conf_dir / "lan.conf").write_text(json.dumps(recorder(name="lan")))
    add_and_delete(lan)
    lan.api.put_rules(policy("odd", {"name": "r", "action": "Deny", "networks": [{"pluginTypes": ["recorder"]}]}))
    assert "the network uses CNI plugin type recorder" in lan.add().refused(100)


def test_policies_that_came_after_admission(lan: Node) -> None:
    """H17, side door 24: the refusal and the event name the contact."""
    add_and_delete(lan)
    lan.api.put_rules(NO_LAN)
    text = lan.add().refused(100)
    assert text == (
        "network access denied: pod blue/web-0 may not attach to blue/lan\n"
        "- blue/lan (item 1)\n"
        "  reason:  a rule keeps this pod from the network\n"
        '  decided: NetworkAttachmentPolicy "guard" rule "no-lan" (Deny)\n'
        "  fix:     remove this item, or ask net@x.example for an exception"
    )
    assert lan.api.said()[-1] == f"NetworkAccessDenied: {text}"


LIMITS = {"ips": {"cidrs": ["10.1.0.0/16"], "max": 1}}
DENY_ROUTES = {"name": "no-routes", "action": "Deny", "onRequests": ["defaultRoute"], "message": "keep the route"}
CONSENT = {"namespaces": ["green"]}


@pytest.mark.parametrize(
    ("rule", "asked", "default"),
    [
        ({"name": "san", "action": "Allow", "networks": [STORAGE], "limits": LIMITS}, "10.9.4.7/16", None),
        ({"name": "san", "action": "Allow", "networks": [STORAGE]}, "10.1.4.7/16", None),
        (DENY_ROUTES, [{"name": "lan", "default-route": ["10.1.0.1"]}], None),
        ({"name": "partner", "action": "Allow", "networks": [CONSENT], "requireConsent": True}, "green/wide", None),
        ({"name": "hosts", "action": "Deny", "networks": [{"pluginTypes": ["host-device"]}]}, "lan,raw", None),
        ({"name": "wide", "action": "Allow", "networks": [{"names": ["wide"]}]}, "infra/storage,nowhere/at-all", None),
        ({"name": "own", "action": "Allow", "networks": [{"scope": "OwnNamespace"}]}, "lan,infra/storage", "lan"),
    ],
)
def test_the_text_is_that_of_the_webhook(node: Node, rule: Conf, asked: object, default: str | None) -> None:
    """The list of allowed networks costs a refusal at most four requests."""
    if isinstance(asked, str) and asked.startswith("10."):
        asked = [{"name": "storage", "namespace": "infra", "ips": [asked]}]
    found: dict[tuple[str, str], Conf] = {
        ("blue", "lan"): recorder(),
        ("blue", "raw"): {"cniVersion": "1.0.0", "type": "host-device"},
        ("default", "internet"): recorder(),
        ("infra", "storage"): recorder(capabilities={"ips": True}),
        ("green", "wide"): recorder(),
    }
    for (namespace, name), value in found.items():
        node.api.put_network(namespace, name, value)
    rules = policy("p", rule, contact="net@x.example")
    node.api.put_rules(rules)
    node.api.put_pod(asked, default=default)
    text = node.add().refused(100)
    world = FakeCluster(
        {
            key: netattachdef.build(namespace=key[0], name=key[1], config=json.dumps(value))
            for key, value in found.items()
        }
    )
    annotations = {
        NETWORKS: asked if isinstance(asked, str) else json.dumps(asked),
        **({DEFAULT: default} if default else {}),
    }
    said = evaluate(
        request(Object(name="web-0", annotations=annotations)),
        DecisionContext(world, compile_rules(read_policies([rules]), Config())),
    )
    assert text == said.message.partition("\nalso wrong:")[0]
    assert "  allowed: " in text
    assert len(asked_for(node.api, "network-attachment-definitions?")) in range(5)


@misbehaving
def test_a_list_that_does_not_come_is_left_out(lan: Node, api: Api) -> None:
    lan.api.put_rules(NO_LAN)
    api.instead = lambda request: failure(403) if "definitions?" in request.target else None
    outcome = lan.add()
    assert "  allowed: " not in outcome.refused(100)
    assert "the refusal does not say what is allowed: " in outcome.err
    assert 'its role needs the verb "list" on "network-attachment-definitions"' in outcome.err


def test_policies_on_trial(lan: Node) -> None:
    """Policies on trial refuse nothing; those of mode Warn create one event."""
    lan.api.put_rules({**NO_LAN, "spec": {**NO_LAN["spec"], "mode": "Warn"}})
    lan.api.put_pod("lan,lan@two")
    outcome = lan.add()
    outcome.expect()
    (said,) = [text for text in lan.api.said() if text.startswith("NetworkAccessTrial")]
    line = (
        "network access: pod blue/web-0 to blue/lan would be denied by "
        'NetworkAttachmentPolicy "guard" rule "no-lan" (mode Warn); ask net@x.example'
    )
    assert said == f"NetworkAccessTrial: {line}\n{line}"
    assert outcome.err.count("access rules: Warn: blue/lan: DenyRule") == 2


def test_policies_of_mode_audit(lan: Node) -> None:
    lan.api.put_rules({**NO_LAN, "spec": {**NO_LAN["spec"], "mode": "Audit"}})
    outcome = lan.add()
    outcome.expect()
    assert "access rules: Audit: blue/lan: DenyRule" in outcome.err
    assert not [text for text in lan.api.said() if "AddedInterface" not in text]


@pytest.mark.parametrize(
    "written",
    [{"runtimeConfig": {"mac": "02:00:00:00:00:01"}}, {"prevResult": {"ips": [1]}}, {"ipam": {"type": "host-device"}}],
    ids=lambda written: next(iter(written)),
)
def test_definitions_that_are_older_than_the_checks(lan: Node, written: Conf) -> None:
    """Such keys could override the runtime or run a program, so they are refused without a rule."""
    lan.api.put_network("blue", "lan", recorder(**written))
    assert "unreadable or unsafe" in lan.add().refused(100)
    lan.api.put_network("blue", "lan", recorder(runtimeConfig={}, prevResult={}))
    add_and_delete(lan)


@pytest.mark.parametrize("key", ["vlanID", "LIN\u212aS", "mirrors"])
def test_every_key_of_a_plugin_is_judged(lan: Node, key: str) -> None:
    """The node uses the same table as the webhook, and reads keys as Go does."""
    written = {"vlanID": 7, "LIN\u212aS": [{"NAME": "bond0"}], "mirrors": []}[key]
    reserved = [{"vlans": ["1-99"]}, {"masters": ["bond0"]}]
    lan.api.put_rules(policy("reserved", {"name": "r", "action": "Deny", "networks": reserved}))
    lan.api.put_network("blue", "lan", recorder(**{key: written}))
    if written:
        used = "VLAN 7" if key == "vlanID" else "master bond0"
        assert f"the network uses {used}" in lan.add().refused(100)
    else:
        add_and_delete(lan)


def test_a_device_by_grant(node: Node) -> None:
    """The network names no resource, so only a rule can allow the device."""
    node.api.put_network("blue", "plain", recorder(capabilities={"deviceID": True}))
    node.api.put_pod([{"name": "plain", "deviceID": "0000:09:00.0"}])
    assert "an Allow rule with deviceID" in node.add().refused(100)
    rule = {"name": "d", "action": "Allow", "networks": [{"namespaces": ["blue"]}], "limits": {"deviceID": {}}}
    node.api.put_rules(policy("devices", rule))
    node.add().expect()
    assert node.record("ADD", "net1")["conf"]["runtimeConfig"] == {"deviceID": "0000:09:00.0"}


def test_a_grant_is_no_device_of_another_pod(node: Node) -> None:
    """If the network names a resource, the kubelet decides, not a rule."""
    metadata = {"annotations": {netattachdef.RESOURCE_NAME: "x.example/vf"}}
    node.api.put_network("blue", "fast", recorder(capabilities={"deviceID": True}), **metadata)
    node.api.put_pod([{"name": "fast", "deviceID": "0000:09:00.0"}])
    rule = {"name": "d", "action": "Allow", "networks": [{"namespaces": ["blue"]}], "limits": {"deviceID": {}}}
    node.api.put_rules(policy("devices", rule))
    checkpoint = node.directory / "kubelet" / "device-plugins" / "kubelet_internal_checkpoint"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text('{"Data": {"PodDeviceEntries": null, "RegisteredDevices": {}}}')
    assert "is not one that the pod has" in node.add().refused(100)


def test_the_configuration_object_decides_alone(node: Node) -> None:
    node.api.put_network("green", "wide", recorder())
    node.api.put_pod("green/wide")
    node.api.put_rules(config(posture="Open"))
    add_and_delete(node)
    assert not [text for text in node.api.said() if "Differs" in text]
    add_and_delete(node, namespaceIsolation=True)
    said = (
        "NetworkAccessConfigDiffers: the CNI configuration differs from the object NetworkAttachmentPolicyConfig, "
        "which decides: namespaceIsolation is true, and posture is Open"
    )
    assert [text for text in node.api.said() if "Differs" in text] == [said]


def test_a_refused_pod_gets_the_differences_as_well(node: Node) -> None:
    node.api.put_network("green", "wide", recorder())
    node.api.put_pod("green/wide")
    node.api.put_rules(config(posture="Isolated", globalNamespaces=["infra"], messages={"contact": "#net"}))
    text = node.add(namespaceIsolation=False, globalNamespaces="green,infra").refused(100)
    assert "or ask #net for an Allow rule" in text
    first, second = node.api.said()
    assert first == f"NetworkAccessDenied: {text}"
    assert second.endswith(
        "namespaceIsolation is false, and posture is Isolated; "
        "globalNamespaces is green, infra, and the object has infra"
    )


def test_a_pod_without_networks_costs_nothing(node: Node) -> None:
    node.api.put_rules(NO_LAN)
    node.add().expect()
    assert asked_for(node.api, "access.nadmit.io") == []
    assert asked_for(node.api, "GET /api/v1/namespaces/blue") == ["GET /api/v1/namespaces/blue/pods/web-0"]
    assert not node.snapshot.exists()


def test_delete_and_check_ask_for_no_rules(lan: Node) -> None:
    lan.add().expect()
    lan.api.put_rules(NO_LAN)
    before = lan.api.asked()
    lan.call("CHECK").expect()
    lan.delete().expect()
    assert (lan.api.asked(), lan.left()) == (before, [])


def loaded(node: Node, networks: str | None) -> set[str]:
    """Return the modules that an ADD loads."""
    node.write_script(node.bin_dir / "nadmit", TELLING.format(python=sys.executable, repo=str(REPO)))
    node.api.put_pod(networks)
    outcome = node.add()
    outcome.expect()
    node.delete().expect()
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("loaded ")]
    return set(line.split()) - {"loaded"}


def test_the_loaded_modules(lan: Node) -> None:
    """Rules are loaded only for pods with networks, compilation only for policies, listing only for refusals."""
    judging = {
        "cniplugin.cluster.accessrules",
        "cniplugin.attach.permission",
        "cniplugin.access.judging.judge",
    }
    rules = ("compile", "reading.policies", "reading.policyconfig", "judging.ruleindex", "judging.attachmentrules")
    compiling = {f"cniplugin.access.{name}" for name in rules}
    listing = {"cniplugin.access.judging.allowednetworks"}
    assert not (judging | compiling | listing) & loaded(lan, None)
    without = loaded(lan, "lan")
    assert judging <= without
    assert not (compiling | listing) & without
    lan.api.put_rules(policy("p", {"name": "all", "action": "Allow", "networks": [{"names": ["lan"]}]}))
    found = loaded(lan, "lan")
    assert compiling <= found
    assert not (listing | FORBIDDEN) & found


# Without an answer


def load(node: Node) -> Snapshot:
    found = RulesFile(str(node.snapshot.parent), node.api.url).load()
    assert found is not None
    return found


def age(node: Node, seconds: float) -> None:
    """Make the snapshot older, or, for a negative number, younger than now."""
    found = load(node)
    node.snapshot.unlink()
    file = RulesFile(str(node.snapshot.parent), node.api.url)
    file.keep(found.objects, now_s=found.read_at_s - seconds, refresh_s=0)


Break = Callable[[Request], Answer | None]


def forbid(*parts: str) -> Break:
    return lambda request: failure(403, "no") if any(part in request.target for part in parts) else None


def unavailable(text: str) -> str:
    """Return the log line with the reason."""
    assert text.startswith("network access denied: pod blue/web-0 may not attach to ")
    assert "  decided: node.onUnavailable " in text
    prefix = "  reason:  the node cannot read the access rules from the API server, "
    (line,) = {line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix)}
    return line


def test_the_snapshot(lan: Node) -> None:
    """The file has mode 0600 and only the parts that the rules need; it is written only if these change."""
    lan.api.put_rules(NO_LAN, config(posture="Isolated"))
    lan.add().refused(100)
    assert lan.snapshot.stat().st_mode & 0o7777 == 0o600
    found = load(lan)
    assert [value["kind"] for value in found.objects] == ["NetworkAttachmentPolicyConfig", "NetworkAttachmentPolicy"]
    assert {key for value in found.objects for key in value} == {"kind", "metadata", "spec"}
    inode = lan.snapshot.stat().st_ino
    lan.add().refused(100)
    assert lan.snapshot.stat().st_ino == inode
    age(lan, 61)
    lan.add().refused(100)
    assert load(lan).read_at_s >= found.read_at_s  # nothing has changed, but the time of reading is old
    lan.api.delete_rules()
    add_and_delete(lan)
    assert load(lan).objects == ()


@misbehaving
@pytest.mark.parametrize("broken", [POLICIES, CONFIGS])
def test_the_snapshot_decides(lan: Node, api: Api, broken: str) -> None:
    """H14: readable parts come from the API server, the others from the snapshot."""
    lan.api.put_rules(config(posture="Isolated"))
    add_and_delete(lan)
    lan.api.put_rules(NO_LAN, config(posture="Isolated", node={"onUnavailable": "UseSnapshot"}))
    lan.add().refused(100)
    api.instead = forbid(broken)
    outcome = lan.add()
    assert 'rule "no-lan" (Deny)' in outcome.refused(100)
    assert "access rules: the snapshot of " in outcome.err
    assert (
        f'its role needs the verb "{"list" if broken == POLICIES else "get"}" on "{broken.rstrip("?")}"' in outcome.err
    )
    api.instead = lambda _request: None
    lan.api.delete_rules()
    add_and_delete(lan)
    api.instead = forbid(broken)
    lan.add().expect()


@misbehaving
def test_a_posture_that_was_tightened_counts_at_once(lan: Node, api: Api) -> None:
    lan.api.put_rules(config(posture="Open"))
    add_and_delete(lan)
    lan.api.put_rules(config(posture="Strict"))
    api.instead = forbid(POLICIES)
    assert "default posture Strict" in lan.add().refused(100)


@misbehaving
def test_without_a_snapshot(lan: Node, api: Api) -> None:
    """H13. A pod with only the default network starts."""
    api.instead = forbid("access.nadmit.io")
    outcome = lan.add(namespaceIsolation=False)
    text = outcome.refused(100)
    assert unavailable(text) == "and has no snapshot of them"
    assert lan.api.said() == [f"NetworkAccessDenied: {text}"]
    assert "access rules: API server " in outcome.err
    lan.api.put_pod()
    lan.add().expect()


@misbehaving
@pytest.mark.parametrize("limit_s", [None, 60])
def test_a_snapshot_that_is_too_old(lan: Node, api: Api, limit_s: int | None) -> None:
    limits = {} if limit_s is None else {"snapshotMaxAgeSeconds": limit_s}
    lan.api.put_rules(config(posture="Isolated", node={"onUnavailable": "UseSnapshot", **limits}))
    add_and_delete(lan)
    api.instead = forbid("access.nadmit.io")
    most = limit_s or 86_400
    age(lan, most - 30)
    add_and_delete(lan)
    age(lan, 31)
    assert unavailable(lan.add().refused(100)) == f"and its snapshot of them is older than {most} s"


@misbehaving
def test_a_clock_that_was_set_back(lan: Node, api: Api) -> None:
    """A small step is NTP's; after a larger one the age is unknown."""
    add_and_delete(lan)
    api.instead = forbid("access.nadmit.io")
    age(lan, -30)
    add_and_delete(lan)
    age(lan, -3600)
    assert unavailable(lan.add().refused(100)).startswith("and the age of its snapshot is unknown")
    api.instead = lambda _request: None
    add_and_delete(lan)
    assert load(lan).read_at_s <= time.time()


def _flip(data: bytes) -> bytes:
    return data.replace(b"Deny", b"deny")


@misbehaving
@pytest.mark.parametrize("damage", [_flip, lambda data: data[:-3], lambda _data: b"", lambda data: data + data])
def test_a_damaged_snapshot_is_ignored(lan: Node, api: Api, damage: Callable[[bytes], bytes]) -> None:
    lan.api.put_rules(NO_LAN)
    lan.add().refused(100)
    lan.snapshot.write_bytes(damage(lan.snapshot.read_bytes()))
    api.instead = forbid("access.nadmit.io")
    outcome = lan.add()
    assert unavailable(outcome.refused(100)) == "and has no snapshot of them"
    assert f"access rules: the snapshot {lan.snapshot} is ignored: it is damaged: " in outcome.err
    api.instead = lambda _request: None
    lan.add().refused(100)
    assert len(load(lan).objects) == 1


@misbehaving
def test_a_snapshot_of_another_cluster_is_ignored(lan: Node, api: Api) -> None:
    add_and_delete(lan)
    found = load(lan)
    RulesFile(str(lan.snapshot.parent), "https://192.0.2.1:6443").keep(found.objects, now_s=time.time(), refresh_s=60)
    api.instead = forbid("access.nadmit.io")
    outcome = lan.add()
    assert unavailable(outcome.refused(100)) == "and has no snapshot of them"
    assert "it belongs to the API server" in outcome.err


@misbehaving
@pytest.mark.parametrize("is_kept", [True, False])
def test_an_administrator_who_says_deny(lan: Node, api: Api, *, is_kept: bool) -> None:
    lan.api.put_rules(config(posture="Open", node={"onUnavailable": "Deny"}))
    add_and_delete(lan)
    api.instead = forbid("access.nadmit.io" if is_kept else POLICIES)
    assert unavailable(lan.add().refused(100)) == "and node.onUnavailable is Deny"


@misbehaving
@pytest.mark.parametrize("is_kept", [True, False])
def test_an_administrator_who_says_allow(lan: Node, api: Api, *, is_kept: bool) -> None:
    """H15: the log and an event say so; unsafe content stays refused."""
    lan.api.put_network("green", "lan", recorder())
    lan.api.put_rules(NO_LAN, config(posture="Isolated", node={"onUnavailable": "Allow"}))
    if is_kept:
        lan.add().refused(100)
        age(lan, 1_000_000)
    api.instead = forbid("access.nadmit.io" if is_kept else POLICIES)
    lan.api.put_pod("green/lan")
    outcome = lan.add()
    outcome.expect()
    assert "access rules: NodeFailOpen: the node cannot read the access rules, and does not check" in outcome.err
    (said,) = [text for text in lan.api.said() if text.startswith("NodeFailOpen: ")]
    assert said.endswith("because node.onUnavailable is Allow")
    lan.delete().expect()
    lan.api.put_network("blue", "meta", {"cniVersion": "1.0.0", "type": "multus"})
    lan.api.put_pod("meta")
    assert "unreadable or unsafe" in lan.add().refused(100)


@misbehaving
@pytest.mark.parametrize("status", [403, 404])
def test_labels_that_cannot_be_read(lan: Node, api: Api, status: int) -> None:
    """A failure is not the same as no labels: a Deny by namespace label must stay."""
    add_and_delete(lan)
    path = "/api/v1/namespaces/blue"
    api.instead = lambda request: failure(status, "no") if request.path == path else None
    assert unavailable(lan.add().refused(100)) == "nor the labels of the pod's namespace"
    lan.api.put_rules(config(posture="Isolated", node={"onUnavailable": "Allow"}))
    lan.add().expect()


LATE = Answer(after_s=2.0)


@misbehaving
@pytest.mark.parametrize("answer", [failure(500), LATE, Answer(200, b'{"items": [1]}'), Answer(200, b"{}")])
def test_an_api_server_that_fails_or_is_slow(lan: Node, api: Api, answer: Answer) -> None:
    """Reading the rules takes at most a third of the time, so that enough is left for the networks."""
    lan.api.put_rules(config(posture="Isolated"))
    add_and_delete(lan)

    def instead(request: Request) -> Answer | None:
        if POLICIES not in request.target:
            return None
        api.closing.wait(answer.after_s)
        return None if answer is LATE else answer

    api.instead = instead
    started = time.monotonic()
    outcome = lan.add(deadline=3)
    outcome.expect()
    assert time.monotonic() - started < 3
    assert "access rules: the snapshot of " in outcome.err


@misbehaving
def test_many_policies_come_in_pages(lan: Node, api: Api) -> None:
    """The rule that refuses is on the last page."""
    api.put_rules(*(policy(f"a{number:04}", {"name": "r", "action": "Allow"}) for number in range(1000)))
    api.put_rules(policy("z", {"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]}))
    assert 'NetworkAttachmentPolicy "z"' in lan.add().refused(100)
    assert [line.partition("?")[2] for line in asked_for(api, POLICIES)] == [
        "limit=500",
        "limit=500&continue=a%2Bb%2F%2Fa0499",
        "limit=500&continue=a%2Bb%2F%2Fa0999",
    ]


@misbehaving
def test_kinds_that_are_not_installed(lan: Node, api: Api) -> None:
    """Without policies, the CNI configuration gives the posture."""
    assert all("access.nadmit.io" not in path for path in api.objects)
    add_and_delete(lan)
    lan.api.put_network("green", "wide", recorder())
    lan.api.put_pod("green/wide")
    assert "default posture Isolated" in lan.add().refused(100)
    lan.add(namespaceIsolation=False).expect()


@genuine
def test_an_account_that_may_not_read_policies(lan: Node, real_api: RealApiServer, api: RealCluster) -> None:
    """The right is missing after an upgrade of the plugin without its role."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "older", "namespace": "kube-system"}}
    real_api.put(account)
    grant(real_api, "older", networks=True)
    lan.write_kubeconfig(api.url, bearer=real_api.token_for("kube-system", "older"))
    outcome = lan.add()
    assert unavailable(outcome.refused(100)) == "and has no snapshot of them"
    assert 'its role needs the verb "list" on "networkattachmentpolicies"' in outcome.err
    assert 'its role needs the verb "get" on "networkattachmentpolicyconfigs"' in outcome.err
    lan.write_kubeconfig(api.url)
    add_and_delete(lan)
    lan.write_kubeconfig(api.url, bearer=real_api.token_for("kube-system", "older"))
    lan.add().expect()
