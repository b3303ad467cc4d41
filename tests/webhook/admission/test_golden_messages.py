"""Every message once, as golden files: `tests/golden/messages/<case>.txt`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cniplugin.access.compile import read_policies
from cniplugin.access.model.decision import NamespaceLabels
from cniplugin.access.model.levels import BaselineLists
from cniplugin.access.model.matchers import names
from cniplugin.access.model.policyrules import AuthorMatch
from cniplugin.netspec.selection import NETWORKS
from tests import golden_files as golden
from tests.webhook.admission.mutation import injecting
from tests.webhook.admission.plugins.checking import CHECKS
from tests.webhook.admission.world import RULES, attach, cluster, decide, definition, pod, request, rules
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import BINDING, NAMESPACE, NETWORK, POLICY, POLICY_CONFIG, GroupKind
from webhook.admission.model.requests import Decision, NetworkUsers, Object, Request, User
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

DEPLOYMENT = GroupKind("apps", "Deployment")
CRON_JOB = GroupKind("batch", "CronJob")
STATUS_DENIED = rules(network_status_mode="Deny")
LONG = "n" * 250


BROAD: dict[str, Any] = {
    "attachments": [
        {"name": "all", "action": "Allow", "limits": {"default": "Allow"}},
        {"name": "san", "action": "Allow", "networks": [{"namespaces": ["infra"]}], "limits": {"ips": {"max": 1}}},
    ],
    "definitions": [{"name": "nobody", "action": "Deny"}],
}
EVERY_LINT: dict[str, Any] = {
    "mode": "Warn",
    "pods": [
        {
            "namespaces": ["*"],
            "namespaceSelector": {"matchLabels": {"tenant": "blue"}},
            "podSelector": {"matchLabels": {"app": "web"}},
        }
    ],
    "exceptPods": [{"serviceAccounts": ["edge-router"]}],
    "attachments": [
        {"name": "shared", "action": "Allow", "networks": [{"selector": {"matchLabels": {"shared": "yes"}}}]},
        {"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]},
        {"name": "nothing", "action": "Deny"},
    ],
    "definitions": [{"name": "blue-own", "action": "Allow", "config": {"pluginTypes": ["macvlan", "tuning"]}}],
}


def policy(spec: object, *, kind: GroupKind = POLICY, name: str = "blue-storage") -> Request:
    name = "cluster" if kind == POLICY_CONFIG else name
    return request(Object(name=name, spec=spec), kind=kind, namespace="")


def many(count: int) -> str:
    return ",".join(f"green/net-{number}" for number in range(count))


USERS = NetworkUsers(total=1207, own=7, names=("web-0", "web-1", "web-2", "web-3", "web-4"))


WAITING = NetworkUsers(total=2, own=1, names=("web-0",), waiting=2)


def in_use(operation: str, mode: str, users: NetworkUsers = USERS) -> Decision:
    old = Object(name="lan", config='{"type":"macvlan","master":"bond1"}')
    new = (
        None
        if operation == "DELETE"
        else Object(name="lan", config='{"type":"macvlan","master":"bond2","ipam":{"type":"dhcp"}}')
    )
    world = cluster()
    world.users["blue", "lan"] = users
    asked = request(new, old=old, kind=NETWORK, operation=operation, name="lan")
    return evaluate(asked, DecisionContext(world, RULES, network_in_use=mode))


def templated(networks: str | None, **spec: Any) -> Object:
    made = injecting.pod_of(networks, **spec)
    return Object(annotations=made["metadata"].get("annotations", {}), sent=injecting.Sent(made))


def workload(template: Object) -> Decision:
    """Decide a Deployment in a namespace whose default network is missing."""
    world = injecting.cluster_of(injecting.network("b", selector="rack=2"), defaults={"blue": "nosuch"})
    context = DecisionContext(world, RULES, Configuration(injection=Injection()))
    return evaluate(request(template._replace(name="web"), kind=DEPLOYMENT), context)


def checked(config: object) -> Decision:
    """Decide a definition with the schemas of plugins."""
    return evaluate(
        definition(json.dumps(config)), DecisionContext(cluster(), RULES, Configuration(injection=None, plugins=CHECKS))
    )


BEYOND = {
    "cniVersion": "1.0.0",
    "plugins": [
        {"type": "macvlan", "ipam": {"type": "static", "addresses": [{"address": "10.1.0.7/24"}]}},
        {"type": "tuning", "sysctl": {"net.ipv4.ip_forward": "1"}},
        {"type": "portmap", "conditionsV4": ["-d", "10.0.0.0/8"]},
    ],
}


def levelled(asked: Request, level: str = "Baseline", *, mode: str = "enforce") -> Decision:
    """Decide in a cluster whose namespaces have a level."""
    world = cluster()
    world.labels = {name: {f"nadmit.io/definitions-{mode}": level} for name in ("blue", "default")}
    listed = BaselineLists(masters=names(["bond2", "bond2.*"]))
    return decide(asked, world=world, rules=rules(baseline=listed))


TENANTS = {
    "pods": [{"namespaceSelector": {"matchLabels": {"tenant": "infra"}}}],
    "attachments": [{"name": "infra", "action": "Allow"}],
}


def labelled(before: dict[str, str], after: dict[str, str], *, mode: str = "Deny", **config: object) -> Decision:
    """Decide a change of the labels of namespace blue."""
    world = cluster()
    world.policies = read_policies(
        {"kind": "NetworkAttachmentPolicy", "metadata": {"name": name}, "spec": TENANTS}
        for name in ("storage", "tenants", "uplinks", "guests")
    )
    writers = AuthorMatch(groups=frozenset({"platform"}), accounts=frozenset({("gitops", "*")}))
    settings = NamespaceLabels(mode=mode, writers=writers if "exempt_groups" not in config else None)
    asked = request(
        Object(name="blue", labels=after), old=Object(name="blue", labels=before), kind=NAMESPACE, name="blue"
    )
    return decide(asked, world=world, rules=rules(namespace_labels=settings, **config))


CASES: dict[str, Callable[[], Decision]] = {
    # refused attachments; the first three are worked examples 1, 10 and 11 of the access policy's design
    "example-01-other-namespace": lambda: attach("lan,infra/storage"),
    "example-10-deployment": lambda: decide(
        request(Object(name="web", annotations=pod("green/shared").annotations), kind=DEPLOYMENT)
    ),
    "example-11-hot-plug": lambda: decide(
        request(pod("lan,default/internet,green/shared,infra/other"), old=pod("lan"))
    ),
    "example-12-parser-trick": lambda: attach('[{"name":"lan","Namespace":"infra"}]'),
    "default-network": lambda: decide(request(pod(default="blue/lan"))),
    "device": lambda: attach('[{"name":"lan","deviceID":"0000:03:02.1"}]'),
    "no-contact": lambda: attach("infra/storage", rules=rules(contact="")),
    "nothing-allowed": lambda: attach("infra/storage", rules=rules(list_allowed=False)),
    "more-allowed-than-listed": lambda: attach(
        "infra/storage", world=cluster(**{f"blue__net_{number}": None for number in range(9)})
    ),
    "more-than-five-refused": lambda: attach(many(9)),
    "too-long-for-an-event": lambda: attach(f'[{{"name":"{LONG}","namespace":"green"}}]'),
    "unsafe-network": lambda: attach("trick", world=cluster(blue__trick='{"type":"../x"}')),
    "refused-and-wrong": lambda: attach("infra/storage,internet,lann"),
    "binding": lambda: decide(request(pod("lan", status="[]"), kind=BINDING)),
    "network-status": lambda: decide(request(pod("lan", status="[]"), old=pod("lan")), rules=STATUS_DENIED),
    "network-status-create": lambda: decide(request(pod(status="[]")), rules=STATUS_DENIED),
    "network-status-warn": lambda: decide(request(pod("lan", status="[]"), old=pod("lan"))),
    "network-status-warn-create": lambda: decide(request(pod(status="[]"))),
    "network-status-audit": lambda: decide(
        request(pod("lan", status="[]"), old=pod("lan")), rules=rules(network_status_mode="Audit")
    ),
    "network-status-and-a-refused-network": lambda: decide(request(pod("green/shared", status="[]"))),
    # plans that cannot be made
    "missing-network": lambda: attach("nowhere"),
    "missing-network-near": lambda: attach("lann"),
    "missing-network-elsewhere": lambda: attach("internet"),
    "missing-capability": lambda: attach('[{"name":"lan","ips":["10.0.0.1/24"],"mac":"02:00:00:00:00:01"}]'),
    "two-default-routes": lambda: decide(
        request(
            pod('[{"name":"lan","default-route":[]}]', default='[{"name":"lan","namespace":"blue","default-route":[]}]')
        ),
        rules=rules(posture="Open"),
    ),
    # unreadable annotations
    "annotation-syntax": lambda: attach('[{"name":"lan","ips: "10.0.0.1"}]'),
    "annotation-many": lambda: attach('[{"name":"A","mac":"x"},null,{"ip":1}]'),
    "annotation-and-others": lambda: attach(
        '[{"name":"lan","mac":"x"},{"name":"lann"},{"name":"a","namespace":"infra"}]'
    ),
    "annotation-dozens": lambda: attach("," * 60),
    "limit-networks": lambda: attach(",".join(["lan"] * 65)),
    "limit-values": lambda: attach('[{"name":"lan","ips":[' + '"",' * 5_000 + '""]}]'),
    "limit-definition-bytes": lambda: decide(definition('{"type":"macvlan","x":"' + "x" * 70_000 + '"}')),
    "limit-definition-items": lambda: decide(
        definition(json.dumps({"type": "macvlan", "cniVersions": ["1.0.0"] * 1_025}))
    ),
    "limit-policy-values": lambda: decide(policy({"attachments": [{"networks": [{"names": ["a"] * 20_000}]}]})),
    "limit-containers": lambda: injecting.ask_mutate(
        injecting.pod_of("a", *({"name": f"c{number}"} for number in range(513))), injecting.sriov()
    ),
    "annotation-cronjob": lambda: decide(request(pod("a b"), kind=CRON_JOB)),
    # definitions
    "config-syntax": lambda: decide(definition('{\n  "cniVersion": "0.3.0"malFormattedJSON\n}')),
    "config-type": lambda: decide(definition({"type": "bridge"})),
    "config-many": lambda: decide(
        definition(json.dumps({"cniVersion": "9.9", "plugins": [{"type": "a/b"}, {"Type": "x"}, 5], "disableCheck": 3}))
    ),
    "config-meta-plugin": lambda: decide(definition('{"plugins":[{"type":"bridge"},{"type":"multus"}]}')),
    "config-runtime": lambda: decide(
        definition(
            '{"type":"host-device","device":"eth3","runtimeConfig":{"deviceID":"0000:03:00.1"},"prevResult":{"ips":[1]}}'
        )
    ),
    "config-ipam-program": lambda: checked(
        {"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1", "ipam": {"type": "host-device"}}
    ),
    "config-name": lambda: decide(definition('{"type":"bridge"}', name="Net_1")),
    "config-on-disk": lambda: decide(definition(None)),
    "config-name-differs": lambda: decide(definition('{"name":"x","type":"bridge"}', name="net.v1")),
    "config-plugins": lambda: checked(
        {
            "cniVersion": "1.0.0",
            "plugins": [
                {
                    "type": "bridge",
                    "vlan": 4095,
                    "isGatway": True,
                    "ipam": {"type": "host-local", "subnet": "10.1.0.1/24"},
                },
                {"type": "portmap"},
                {"type": "bandwidth", "ingressRate": "1000"},
            ],
        }
    ),
    "config-plugins-surprise": lambda: checked({"type": "sriov", "spoofchk": "true", "ipam": {"type": "my-ipam"}}),
    # levels of definitions
    "level-definition": lambda: levelled(definition(json.dumps(BEYOND))),
    "level-definition-restricted": lambda: levelled(definition('{"type":"sriov"}'), "Restricted"),
    "level-definition-unreadable-label": lambda: levelled(definition(json.dumps(BEYOND)), "strict"),
    "level-definition-warn": lambda: levelled(definition(json.dumps(BEYOND)), mode="warn"),
    "level-definition-audit": lambda: levelled(definition(json.dumps(BEYOND)), mode="audit"),
    "level-definition-exempt": lambda: levelled(
        definition(json.dumps(BEYOND))._replace(user=User("root", ("system:masters",)))
    ),
    "level-pod": lambda: levelled(request(pod("lan"))),
    "level-pod-of-another-namespace": lambda: levelled(request(pod("default/internet"))),
    "level-pod-warn": lambda: levelled(request(pod("lan,default/internet")), mode="warn"),
    "level-pod-audit": lambda: levelled(request(pod("lan")), mode="audit"),
    "level-config-masters-alone": lambda: decide(
        policy({"definitions": {"baseline": {"masters": ["bond1"]}}}, kind=POLICY_CONFIG)
    ),
    # labels of namespaces
    "namespace-label-misspelt": lambda: labelled({}, {"nadmit.io/definition-enforce": "Baseline"}),
    "namespace-label": lambda: labelled({"tenant": "blue"}, {"tenant": "infra"}),
    "namespace-labels": lambda: labelled({"tenant": "infra"}, {"nadmit.io/definitions-enforce": "strict"}),
    "namespace-label-warn": lambda: labelled({"tenant": "blue"}, {"tenant": "infra"}, mode="Warn"),
    "namespace-label-nobody": lambda: labelled({}, {"tenant": "infra"}, exempt_groups=()),
    # networks in use
    "in-use-deleted": lambda: in_use("DELETE", "Warn"),
    "in-use-deleted-refused": lambda: in_use("DELETE", "Deny"),
    "in-use-changed": lambda: in_use("UPDATE", "Warn"),
    "in-use-changed-refused": lambda: in_use("UPDATE", "Deny"),
    "in-use-by-one": lambda: in_use("DELETE", "Warn", NetworkUsers(total=1, own=1, names=("web-0",))),
    "in-use-waiting-deleted": lambda: in_use("DELETE", "Warn", WAITING),
    "in-use-waiting-deleted-refused": lambda: in_use("DELETE", "Deny", WAITING),
    "in-use-waiting-changed": lambda: in_use("UPDATE", "Deny", WAITING),
    "in-use-and-waiting-deleted": lambda: in_use("DELETE", "Warn", USERS._replace(waiting=2)),
    "in-use-and-waiting-changed": lambda: in_use("UPDATE", "Warn", USERS._replace(waiting=2)),
    # pods and workloads as a whole
    "host-network": lambda: decide(request(pod("nosuch")._replace(is_host_network=True))),
    "host-network-template": lambda: decide(request(pod("lan")._replace(is_host_network=True), kind=CRON_JOB)),
    "annotation-place": lambda: workload(Object(own_annotations={"metadata.annotations": {NETWORKS: "lan"}})),
    "template-pods": lambda: workload(templated("b", nodeSelector={"rack": "1"})),
    "template-pods-given": lambda: workload(templated(None)),
    "no-hotplug": lambda: decide(request(pod("lan,lan"), old=pod("lan")._replace(has_started=True))),
    # policies
    "policy-many": lambda: decide(
        policy(
            {
                "mode": "enforce",
                "pod": [{"namespaces": ["blue"]}],
                "attachments": [
                    {
                        "name": "san",
                        "action": "Allow",
                        "networks": [{"namespaces": ["infra", "Infra"], "scope": "OtherNamespaces", "vlans": ["9-3"]}],
                        "limits": {"ips": {"cidrs": ["10.1.0.0/16", "10.1.0.0"], "max": 0}, "mac": {"prefixes": []}},
                    },
                    {"name": "san", "action": "Deny", "limits": {}, "message": "m" * 257},
                    {"action": "Deny"},
                ],
            }
        )
    ),
    "policy-definitions": lambda: decide(
        policy(
            {
                "pods": [{}],
                "definitions": [
                    {
                        "name": "a",
                        "action": "Deny",
                        "authors": {"serviceAccounts": ["robot"]},
                        "config": {"sharing": "Any"},
                    }
                ],
            }
        )
    ),
    "policy-empty": lambda: decide(policy(None)),
    "policy-name": lambda: decide(policy({"attachments": [{"name": "a", "action": "Deny"}]}, name="Net_1")),
    "policy-lints": lambda: decide(policy(EVERY_LINT)),
    "policy-lints-broad": lambda: decide(policy(BROAD)),
    "policy-config": lambda: decide(
        policy(
            {"posture": "strict", "globalNamespace": ["a"], "node": {"onUnavailable": "Deny "}, "multusGate": {}},
            kind=POLICY_CONFIG,
        )
    ),
    # warnings
    "template-missing-network": lambda: decide(request(pod("nowhere,lann"), kind=DEPLOYMENT)),
    "template-warn": lambda: decide(
        request(pod("green/shared"), kind=DEPLOYMENT), rules=rules(workload_templates="Warn")
    ),
    "status-of-a-user-with-an-odd-name": lambda: decide(
        request(pod("lan", status="[]"), old=pod("lan"), user=User('eve\n"', ())), rules=STATUS_DENIED
    ),
}


def show(decision: Decision) -> str:
    lines = [f"verdict: {decision.verdict}"]
    if not decision.is_allowed:
        lines += [
            f"code:    {decision.code} {decision.reason}",
            f"rules:   {', '.join(decision.rules)}",
            "",
            decision.message,
            "",
        ]
        lines += [f"cause {cause.reason} {cause.field}: {cause.message}" for cause in decision.causes]
    lines += [f"Warning: {warning}" for warning in map(str, decision.warnings)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_golden_message(case: str) -> None:
    golden.compare(f"messages/{case}.txt", show(CASES[case]()))


def test_golden_messages_are_all_in_use() -> None:
    assert golden.stale("messages", {f"{case}.txt" for case in CASES}) == []


@pytest.mark.parametrize("case", CASES)
def test_limits_of_the_api_server(case: str) -> None:
    """Warnings: one line, ASCII, at most 256; a refusal fits into an Event (docs/webhook.md)."""
    decision = CASES[case]()
    assert all(len(text) <= 256 and text.isprintable() and text.isascii() for text in map(str, decision.warnings))
    if decision.code == 403:
        assert len(decision.message.encode()) <= 1024
    assert all("\r" not in text and "\t" not in text for text in (decision.message, *map(str, decision.warnings)))
