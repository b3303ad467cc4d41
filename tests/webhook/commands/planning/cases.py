"""Changes of one kind each, written by hand, and changes of several kinds at once from a seeded generator."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .objects import (
    BASE,
    DEFAULTS,
    bare,
    bridge,
    capable,
    changed,
    machine,
    macvlan,
    nad,
    policy,
    policy_config,
    rule,
    settings,
    space,
    template,
    with_resource,
    workload,
)
from .world import Json

Name = tuple[str, str, str]
"""Kind, namespace and name."""


class Case(NamedTuple):
    """Objects that are applied, and objects that are deleted afterwards."""

    id: str
    applied: Sequence[Json] = ()
    deleted: Sequence[Name] = ()


NAD, POLICY, CONFIG = "NetworkAttachmentDefinition", "NetworkAttachmentPolicy", "NetworkAttachmentPolicyConfig"
LAN, BR, FAST = macvlan(), capable(bridge(), "ips", "mac"), {"cniVersion": "1.0.0", "type": "sriov", "vlan": 10}


def _text(value: Any) -> str:
    """Return a configuration in another form, with its keys in another order."""
    return json.dumps(dict(reversed(value.items())), indent=4)


CASES: Sequence[Case] = (
    Case("the same objects", [nad("blue/lan", LAN), BASE[0], BASE[5]]),
    Case("form of a definition", [nad("blue/lan", _text(LAN)), nad("blue/br", _text(BR))]),
    Case("type", [nad("blue/lan", {**LAN, "type": "ipvlan"})]),
    Case("master", [nad("blue/lan", macvlan("eth9"))]),
    Case("vlan", [with_resource(nad("blue/fast", {**FAST, "vlan": 11}), "intel.com/vf")]),
    Case("resource", [with_resource(nad("blue/fast", FAST), "intel.com/other")]),
    Case("no resource", [nad("blue/fast", FAST)]),
    Case("mtu", [nad("blue/lan", macvlan(mtu=1400))]),
    Case("name of the network", [nad("blue/lan", macvlan(name="other"))]),
    Case("version", [nad("blue/lan", {**LAN, "cniVersion": "0.3.1"})]),
    Case("addresses", [nad("blue/br", {**BR, "ipam": {"type": "host-local", "subnet": "10.2.0.0/24"}})]),
    Case("no IPAM", [nad("blue/lan", {key: value for key, value in LAN.items() if key != "ipam"})]),
    Case("IPAM static", [nad("blue/lan", {**LAN, "ipam": {"type": "static"}})]),
    Case("capability gone", [nad("blue/br", bridge())]),
    Case("capability added", [nad("blue/lan", capable(LAN, "mac"))]),
    Case("a list of one plugin", [nad("blue/lan", {"cniVersion": "1.0.0", "plugins": [LAN]})]),
    Case("a plugin more", [nad("blue/lan", {"cniVersion": "1.0.0", "plugins": [LAN, {"type": "tuning"}]})]),
    Case("a number for a text", [nad("blue/br", {**BR, "mtu": 1})]),
    Case("true for a number", [nad("blue/br", {**BR, "isGateway": True})]),
    Case("labels of a definition", [changed(NAD, "blue/lan", labels={"a": "b"})]),
    Case("bad JSON", [nad("blue/lan", '{"type": "macvlan",')]),
    Case("bad content", [nad("blue/br", {**BR, "ipam": {"type": "host-local", "subnet": "10.1.0.1/24"}})]),
    Case("a file of the nodes", [{**nad("blue/chain", ""), "spec": {}}]),
    Case("node selector", [nad("blue/lan", LAN, k8s_v1_cni_cncf_io="x")]),
    Case("created: what a pod waits for", [nad("blue/later", LAN)]),
    Case("created: nobody asks for it", [nad("blue/fresh", LAN)]),
    Case("deleted", deleted=[(NAD, "blue", "lan")]),
    Case("deleted: nobody uses it", deleted=[(NAD, "blue", "unused")]),
    Case("renamed", [nad("blue/lan2", LAN)], [(NAD, "blue", "lan")]),
    Case("two deleted", deleted=[(NAD, "blue", "br"), (NAD, "blue", "fast")]),
    Case(
        "policy created: Allow",
        [policy("open", pods=[{"namespaces": ["blue"]}], attachments=[rule(networks=[{"namespaces": ["green"]}])])],
    ),
    Case(
        "policy created: Deny",
        [policy("shut", pods=[{"namespaces": ["blue"]}], attachments=[rule("Deny", networks=[{"names": ["lan"]}])])],
    ),
    Case(
        "policy created: Deny in mode Warn",
        [
            policy(
                "trial",
                mode="Warn",
                pods=[{"namespaces": ["blue"]}],
                attachments=[rule("Deny", networks=[{"names": ["lan"]}])],
            )
        ],
    ),
    Case(
        "policy created: limits",
        [
            policy(
                "limits",
                pods=[{"namespaces": ["blue"]}],
                attachments=[rule("Deny", networks=[{"names": ["br"]}], onRequests=["ips"])],
            )
        ],
    ),
    Case(
        "policy edited",
        [
            changed(
                POLICY,
                "blue-storage",
                spec={
                    "pods": [{"namespaces": ["blue"], "serviceAccounts": ["other"]}],
                    "attachments": [rule(networks=[{"namespaces": ["infra"]}])],
                },
            )
        ],
    ),
    Case("policy deleted", deleted=[(POLICY, "", "blue-storage")]),
    Case("policy broken", [policy("broken", attachments=[rule("Alow")])]),
    Case("policy broken by an edit", [changed(POLICY, "blue-storage", spec={"attachments": [rule("Deni")]})]),
    Case("posture Open", [policy_config(posture="Open", globalNamespaces=["default"])]),
    Case("posture Strict", [policy_config(posture="Strict")]),
    Case("posture Consent", [policy_config(posture="Consent", globalNamespaces=["default"])]),
    Case("no global namespaces", [policy_config(posture="Isolated", globalNamespaces=[])]),
    Case("exempt namespace", [policy_config(posture="Isolated", globalNamespaces=[], exemptNamespaces=["blue"])]),
    Case("bad posture", [policy_config(posture="Closed")]),
    Case("configuration deleted", deleted=[(CONFIG, "", "cluster")]),
    Case("labels of a namespace", [changed("Namespace", "blue", labels={"tenant": "red"})]),
    Case(
        "labels that a rule selects by",
        [
            policy(
                "red",
                pods=[{"namespaceSelector": {"matchLabels": {"tenant": "red"}}}],
                attachments=[rule(networks=[{"namespaces": ["green"]}])],
            ),
            changed("Namespace", "blue", labels={"tenant": "red"}),
        ],
    ),
    Case(
        "level of a namespace", [changed("Namespace", "blue", labels={"nadmit.io/definitions-enforce": "Restricted"})]
    ),
    Case(
        "a level, then a definition",
        [
            changed("Namespace", "blue", labels={"nadmit.io/definitions-enforce": "Baseline"}),
            nad("blue/lan", {"cniVersion": "1.0.0", "type": "host-device", "device": "eth0"}),
        ],
    ),
    Case("default networks of a namespace", [changed("Namespace", "blue", annotations={DEFAULTS: "br"})]),
    Case("no default networks", [changed("Namespace", "green", annotations=None)]),
    Case("other default networks", [changed("Namespace", "green", annotations={DEFAULTS: "default/shared,uplink"})]),
    Case("settings: no injection", [settings(injection={"enabled": False})]),
    Case("settings: honor", [settings(injection={"mode": "honor"})]),
    Case("settings: no network information", [settings(injection={"podNetworkInformation": False})]),
    Case("settings: keys of resources", [settings(injection={"resourceNameKeys": ["example.com/device"]})]),
    Case("settings: limits", [settings(limits={"networksPerPod": 1})]),
    Case("settings: exempt plugins", [settings(plugins={"exempt": ["macvlan"]})]),
    Case("settings: wrong", [settings(injection={"mode": "never"})]),
    Case(
        "settings: annotations by label",
        [
            settings(injection={"annotationsByLabel": {"role": {"k8s.v1.cni.cncf.io/networks": "uplink"}}}),
        ],
    ),
    Case("template: another network", [workload("Deployment", "blue/web", template("br"), 3)]),
    Case("template: refused", [workload("Deployment", "blue/web", template("green/uplink"), 3)]),
    Case("template: new", [workload("Deployment", "blue/fresh", template("lan"))]),
    Case("template: new and without its network", [workload("Deployment", "blue/bad", template("nowhere"))]),
    Case(
        "template: another address",
        [
            workload("Deployment", "blue/fixed", template([{"name": "br", "ips": ["10.1.0.18/24"]}]), 1),
        ],
    ),
    Case("template: only replicas", [workload("Deployment", "blue/web", template("lan"), 9)]),
    Case("template of a pod", [bare("blue/alone", "lan", serviceAccountName="other")]),
    Case("a machine with another network", [machine("blue/stopped", "br", running=False)]),
    Case("network and pod at once", [nad("blue/later2", LAN), workload("Deployment", "blue/new", template("later2"))]),
    Case(
        "several at once",
        [
            nad("blue/lan", macvlan("eth7")),
            policy_config(posture="Open"),
            changed("Namespace", "green", annotations=None),
            nad("blue/later", LAN),
        ],
        [(NAD, "blue", "br")],
    ),
    Case(
        "the same object twice",
        [
            changed("Namespace", "blue", annotations={DEFAULTS: "lan"}),
            changed("Namespace", "blue", labels={"tenant": "red"}),
        ],
    ),
    Case(
        "a new namespace with its network",
        [space("red"), nad("red/lan", LAN), workload("Deployment", "red/web", template("lan"))],
    ),
)
"""One change each."""

PLUGINS: Sequence[Json] = (
    macvlan(), macvlan("eth9"), macvlan(mtu=1400), {**macvlan(), "type": "ipvlan"}, bridge(), bridge("br-x"),
    capable(bridge(), "ips"), capable(bridge("br-x", vlan=7), "ips", "mac", "bandwidth"), {**macvlan(), "ipam": {"type": "static"}},
    {"cniVersion": "0.4.0", "name": "n", "plugins": [macvlan("eth5"), {"type": "tuning", "mtu": 1500}]},
    {"cniVersion": "1.0.0", "type": "vlan", "master": "eth1", "vlanId": 9, "ipam": {"type": "dhcp"}},
)  # fmt: skip
NETWORKS: Sequence[str] = (
    "blue/lan",
    "blue/br",
    "blue/chain",
    "blue/fast",
    "green/uplink",
    "infra/storage",
    "default/shared",
    "blue/later",
    "blue/fresh",
)
ASKED: Sequence[object] = (
    None, "lan", "br", "lan,br", "br,lan", "default/shared", "infra/storage", "later", [{"name": "br", "ips": ["10.1.0.19/24"]}],
    [{"name": "lan", "mac": "02:00:00:00:00:09"}], [{"name": "br", "interface": "eth7"}, {"name": "lan"}], "fast", "lan@x0,br", "[{",
)  # fmt: skip


def generated(seed: int) -> Case:
    """Return a change of one to five objects, and sometimes deletions."""
    choose = random.Random(seed)  # noqa: S311 - a change, not a secret
    applied = [choose.choice(_MAKES)(choose) for _ in range(choose.randint(1, 4))]
    deleted: dict[Name, None] = {}
    if choose.random() < 0.4:
        namespace, name = choose.choice(["blue/lan", "blue/br", "blue/chain", "default/shared"]).split("/")
        deleted[NAD, namespace, name] = None
    if choose.random() < 0.15:
        deleted[POLICY, "", "blue-storage"] = None
    return Case(f"seed {seed}", applied, tuple(deleted))


def _definition(choose: random.Random) -> Json:
    conf = copy.deepcopy(choose.choice(PLUGINS))
    text = json.dumps(conf) if choose.random() < 0.8 else json.dumps(conf, indent=choose.choice([1, 2]), sort_keys=True)
    if choose.random() < 0.05:
        text = text[:-1]
    made = nad(choose.choice(NETWORKS), text)
    return with_resource(made, choose.choice(["intel.com/vf", "intel.com/x"])) if choose.random() < 0.3 else made


def _policy(choose: random.Random) -> Json:
    matches: list[Json] = [{"namespaces": [choose.choice(["blue", "green", "infra"])]}, {"names": ["lan", "br"]}, {}]
    more: Json = {"onRequests": [choose.choice(["ips", "mac", "interface"])]} if choose.random() < 0.2 else {}
    action = choose.choice(["Allow", "Deny", "Deny", "Drop" if choose.random() < 0.2 else "Allow"])
    pods: Json = {"namespaces": [choose.choice(["blue", "green"])]}
    if choose.random() < 0.3:
        pods["podSelector"] = {"matchLabels": {"app": choose.choice(["web", "two", "db"])}}
    spec: Json = {"pods": [pods], "attachments": [rule(action, networks=[choose.choice(matches[:2])], **more)]}
    if choose.random() < 0.25:
        spec["mode"] = choose.choice(["Warn", "Audit", "Enforce"])
    return policy(choose.choice(["blue-storage", "second", "third"]), **spec)


def _posture(choose: random.Random) -> Json:
    spec: Json = {"posture": choose.choice(["Open", "Isolated", "Strict", "Consent", "Isolated"])}
    if choose.random() < 0.6:
        spec["globalNamespaces"] = choose.choice([["default"], ["default", "infra"], [], ["green"]])
    if choose.random() < 0.2:
        spec["exemptNamespaces"] = [choose.choice(["blue", "green"])]
    if choose.random() < 0.2:
        spec["workloadTemplates"] = choose.choice(["Deny", "Warn", "Off"])
    return policy_config(**spec)


def _space(choose: random.Random) -> Json:
    labels = {"tenant": choose.choice(["blue", "red"])}
    if choose.random() < 0.4:
        labels["nadmit.io/definitions-enforce"] = choose.choice(["Restricted", "Baseline", "Privileged"])
    annotations = {DEFAULTS: choose.choice(["lan", "br", "default/shared", "none"])} if choose.random() < 0.6 else None
    return space(choose.choice(["blue", "green"]), labels, annotations)


def _settings(choose: random.Random) -> Json:
    sections: Json = choose.choice(
        [
            {"injection": {"enabled": False}},
            {"injection": {"mode": "honor"}},
            {"injection": {"podNetworkInformation": False}},
            {"injection": {"hugepages": True}},
            {"plugins": {"unknownTypes": "Refuse"}},
            {"plugins": {"exempt": ["bridge", "macvlan"]}},
            {"limits": {"networksPerPod": 1}},
            {"injection": {"annotationsByLabel": {"role": {"k8s.v1.cni.cncf.io/networks": "default/shared"}}}},
            {"unknown": True},
        ]
    )
    return settings(**sections)


def _workload(choose: random.Random) -> Json:
    kind, reference = choose.choice(
        [("Deployment", "blue/web"), ("Deployment", "blue/two"), ("StatefulSet", "blue/db"), ("Deployment", "blue/made"),
         ("DaemonSet", "blue/agent"), ("CronJob", "blue/nightly"), ("Deployment", "green/router")]
    )  # fmt: skip
    labels = {"role": "true"} if choose.random() < 0.3 else {}
    more: Json = {"serviceAccountName": "database"} if choose.random() < 0.3 else {}
    return workload(kind, reference, template(choose.choice(ASKED), labels, **more))


_MAKES: Sequence[Callable[[random.Random], Json]] = (
    _definition, _definition, _definition, _policy, _policy, _posture, _space, _settings, _workload, _workload,
)  # fmt: skip
