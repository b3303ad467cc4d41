"""What a decision depends on beside its request: one snapshot of the cluster, its rules, and the configuration.

A `DecisionContext` is made once per snapshot and configuration, and a review uses one from start to end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from cniplugin.access.compile import Policies, compile_rules
from cniplugin.access.model.decision import Config, Rules
from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from webhook.admission.dra.claims import Devices
from webhook.admission.dra.drivers import Drivers
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.model.requests import NetworkUsers
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.templates.workloadtable import KNOWN, Workloads

T = TypeVar("T")

WARN, DENY, OFF = "Warn", "Deny", "Off"
IN_USE_MODES = (WARN, DENY, OFF)
"""The modes for the deletion or change of a definition that running pods use."""


class Cluster(Protocol):
    """A snapshot of the cluster, read without locks and without I/O."""

    @property
    def policies(self) -> Policies:
        """The access policies; the same object as long as none of them changes."""

    @property
    def devices(self) -> Devices:
        """The claims, templates and classes of dynamic resource allocation."""

    def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        """Return a definition; None if it does not exist. Raises OutOfTurnError (`parsecache`)."""

    def network_names(self, namespace: str) -> Sequence[str]:
        """Return the sorted names of the definitions of a namespace; () if it is unknown."""

    def networks_named(self, name: str, kind: str) -> Sequence[tuple[str, str]]:
        """Return namespace and name of the definitions with this name of the network and this first plugin, sorted.

        Parses nothing, so a text may turn out to be unreadable.
        """

    def network_namespaces(self) -> Iterable[str]:
        """Return the namespaces that have definitions, sorted."""

    def shared_networks(self) -> Iterable[tuple[str, str]]:
        """Return namespace and name of the definitions with a consent annotation, sorted."""

    def consent_selectors(self) -> Collection[str]:
        """Return the texts of the annotations by which owners share definitions by labels, each once."""

    def network_users(self, namespace: str, name: str) -> NetworkUsers:
        """Return the running pods that use a network."""

    def address_users(self, namespace: str, name: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return namespace and name of the running pods that claim addresses of a network, by address as in `Claim`."""

    def is_terminating(self, namespace: str) -> bool:
        """Say whether a namespace is being deleted."""

    def default_networks(self, namespace: str) -> str | None:
        """Return the networks annotation that a namespace has for its pods, unparsed; None if it has none."""

    def has_namespace(self, namespace: str) -> bool:
        """Say whether a namespace and its labels are known; the cache may lack a new one."""

    def has_levels(self) -> bool:
        """Say whether a label of any namespace sets a level of definitions."""

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace; of an unknown one, its name alone."""

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the earlier result of `make` for this key, or call it.

        For indexes over the snapshot. They outlive the pods and the devices of a snapshot, and must not read these.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The parts of a NadmitConfiguration, which admins may change while a server runs.

    `injection`: None if /mutate changes no pod, and /validate does not check its work. `plugins`: None if only
    the envelope of CNI configurations is checked, and requests of pods are not compared with their networks. `drivers`:
    None if claims are not checked. `limits`: how much one object may ask for. `attached_by`: who attaches, one of
    `netspec.attachers.ATTACHERS`. `hotplug`: a controller of the cluster attaches networks to pods that run.
    `warns_observed`: whether users are warned in stage Observe of what would be refused. `workloads`: the kinds of
    other programs that make pods. `finds_by_shape`: templates are looked for in all other kinds as well, as in files.
    """

    injection: Injection | None = field(default_factory=Injection)
    plugins: PluginChecks | None = None
    drivers: Drivers | None = None
    limits: ReviewLimits = DEFAULTS
    attached_by: str = MULTUS
    hotplug: bool = False
    warns_observed: bool = False
    workloads: Workloads = field(default_factory=lambda: KNOWN)
    finds_by_shape: bool = False


class DecisionMemory(Protocol):
    """Keeps results that follow from their key and the context alone."""

    def get(self, key: Hashable) -> Any:
        """Return the result of a key; None if it is not kept."""

    def put(self, key: Hashable, result: object) -> None:
        """Keep a result, for some time."""


class NoMemory:
    """Keeps nothing: for commands, which judge each object once."""

    def get(self, _key: Hashable) -> Any:
        """Return None."""
        return None

    def put(self, key: Hashable, result: object) -> None:
        """Do nothing."""


class DecisionContext(NamedTuple):
    """What a decision depends on beside its request.

    `network_namespace`: where a bare name in the default-network annotation is looked up. `network_in_use`: one of
    IN_USE_MODES. `memory` belongs to this context: with other rules or another configuration it would be wrong.
    """

    cluster: Cluster
    rules: Rules
    configuration: Configuration = Configuration(injection=None)
    network_namespace: str = NETWORK_NAMESPACE
    network_in_use: str = WARN
    memory: DecisionMemory = NoMemory()


class CompiledRules:
    """The rules of a snapshot: its policies over the settings, compiled once per change of the policies.

    Called from one thread. `default` holds where the cluster has no NetworkAttachmentPolicyConfig.
    """

    def __init__(self, default: Config) -> None:
        self._default = default
        self._policies: Policies | None = None
        self._rules = Rules(config=default)

    def __call__(self, cluster: Cluster) -> Rules:
        """Return the rules; the same object as long as the policies are the same."""
        policies = cluster.policies
        if policies is not self._policies:
            self._rules = compile_rules(policies, self._default)
            self._policies = policies
        return self._rules
