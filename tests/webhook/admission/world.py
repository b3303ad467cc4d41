"""A small cluster and minimal valid requests for admission tests, which change one obj each."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cniplugin.access.compile import NO_POLICIES, Policies
from cniplugin.access.model.decision import Config, Rules
from cniplugin.access.model.levels import LABELS
from cniplugin.access.reading.consent import ALLOWED_SELECTOR
from cniplugin.access.reading.consent import ANNOTATIONS as CONSENT
from cniplugin.netspec import netattachdef
from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS, NETWORKS
from webhook.admission.dra.claims import NO_DEVICES, Devices
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import NETWORK, POD, GroupKind
from webhook.admission.model.requests import NO_USERS, Decision, NetworkUsers, Object, Request, User
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

T = TypeVar("T")
MACVLAN = '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1"}'
CAPABLE = json.dumps(
    {"cniVersion": "1.0.0", "plugins": [{"type": "bridge", "capabilities": {"ips": True, "mac": True}}]}
)


@dataclass
class FakeCluster:
    """A snapshot held in plain dicts."""

    networks: dict[tuple[str, str], NetworkAttachmentDefinition] = field(default_factory=dict)
    policies: Policies = NO_POLICIES
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    users: dict[tuple[str, str], NetworkUsers] = field(default_factory=dict)
    addresses: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = field(default_factory=dict)
    terminating: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    devices: Devices = NO_DEVICES

    def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        return self.networks.get((namespace, name))

    def network_names(self, namespace: str) -> Sequence[str]:
        return sorted(name for where, name in self.networks if where == namespace)

    def networks_named(self, name: str, kind: str) -> Sequence[tuple[str, str]]:
        named = ((key, network.config) for key, network in self.networks.items() if network.config is not None)
        return sorted(key for key, config in named if config.name == name and kind in config.types)

    def network_namespaces(self) -> Sequence[str]:
        return sorted({namespace for namespace, _ in self.networks})

    def shared_networks(self) -> Sequence[tuple[str, str]]:
        return sorted(key for key, network in self.networks.items() if set(CONSENT) & set(network.annotations))

    def consent_selectors(self) -> Sequence[str]:
        texts = (network.annotations.get(ALLOWED_SELECTOR) for network in self.networks.values())
        return sorted({text for text in texts if text is not None})

    def network_users(self, namespace: str, name: str) -> NetworkUsers:
        return self.users.get((namespace, name), NO_USERS)

    def address_users(self, namespace: str, name: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        return {key[2]: pods for key, pods in self.addresses.items() if key[:2] == (namespace, name)}

    def is_terminating(self, namespace: str) -> bool:
        return namespace in self.terminating

    def recall(self, _key: Hashable, make: Callable[[], T]) -> T:
        return make()

    def default_networks(self, namespace: str) -> str | None:
        return self.defaults.get(namespace)

    def has_namespace(self, namespace: str) -> bool:
        return namespace not in self.unknown

    def has_levels(self) -> bool:
        return any(key in labels for labels in self.labels.values() for key in LABELS.values())

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return {"kubernetes.io/metadata.name": namespace, **self.labels.get(namespace, {})}


def cluster(**more: str | None) -> FakeCluster:
    """The cluster of access-policy.md's worked examples; `blue__name=config` adds a definition."""
    configs: dict[tuple[str, str], str | None] = {
        ("blue", "lan"): MACVLAN,
        ("infra", "storage"): MACVLAN,
        ("default", "internet"): MACVLAN,
        ("green", "shared"): MACVLAN,
    }
    for key, config in more.items():
        namespace, _, name = key.partition("__")
        configs[namespace, name.replace("_", "-")] = config
    return FakeCluster(
        {
            (namespace, name): netattachdef.build(namespace=namespace, name=name, config=config)
            for (namespace, name), config in configs.items()
        }
    )


RULES = Rules(config=Config(contact="#net-team"))


def rules(**config: object) -> Rules:
    return Rules(config=RULES.config.replace(**config))


def pod(networks: str | None = None, *, default: str | None = None, status: str | None = None) -> Object:
    annotations = {NETWORKS: networks, DEFAULT_NETWORK: default, NETWORK_STATUS: status}
    return Object(name="web-0", annotations={key: text for key, text in annotations.items() if text is not None})


def request(
    obj: Object | None,
    *,
    old: Object | None = None,
    kind: GroupKind = POD,
    operation: str | None = None,
    user: User | None = None,
    **more: str,
) -> Request:
    plain = Request(
        uid="u",
        kind=kind,
        operation=operation or ("UPDATE" if old else "CREATE"),
        namespace="blue",
        name=obj.name if obj else "web-0",
        user=user or User("alice", ("system:authenticated",)),
        object=obj,
        old_object=old,
    )
    return plain._replace(**more)  # type: ignore[arg-type]


def definition(config: object, *, name: str = "lan") -> Request:
    return request(Object(name=name, config=config), kind=NETWORK)


def decide(
    asked: Request,
    *,
    world: FakeCluster | None = None,
    rules: Rules = RULES,
    plugins: PluginChecks | None = None,
) -> Decision:
    """Decide a request; who attaches is that of the plugins' checks, Multus without these."""
    attached_by = plugins.attached_by if plugins is not None else MULTUS
    configuration = Configuration(injection=None, plugins=plugins, attached_by=attached_by)
    return evaluate(asked, DecisionContext(world or cluster(), rules, configuration))


def attach(networks: str | None, *, world: FakeCluster | None = None, rules: Rules = RULES) -> Decision:
    """Decide the creation of pod blue/web-0 with these networks."""
    return decide(request(pod(networks)), world=world, rules=rules)
