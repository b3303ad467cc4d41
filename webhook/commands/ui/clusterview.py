"""The cluster as the page shows it at one moment, and what is computed from it at most once, such as its outline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from webhook.admission.model.kinds import VERDICT_KINDS
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration
from webhook.commands.options import plugin_checks_of
from webhook.commands.scanning.scanreading import Read
from webhook.commands.why.verdicts import Asking
from webhook.report.diagnosis.objectset import Json
from webhook.report.topology.graph import Attachment, Topology
from webhook.report.topology.outline import SegmentOutline, User, outline
from webhook.report.topology.segments import Segment
from webhook.snapshot.snapshot import Snapshot

Reference = tuple[str, str]
"""Namespace and name."""


class Moment(NamedTuple):
    """What was read. `definitions`: whole objects. `unread`: kind -> the right that is missing, as a sentence."""

    snapshot: Snapshot
    topology: Topology
    definitions: Mapping[Reference, Json]
    unread: Mapping[str, str]
    notes: tuple[str, ...] = ()


class PodObjects(NamedTuple):
    """A pod with its owners and events. `snapshot`: the cluster with the pod's claims, None if it has none."""

    objects: Sequence[Json]
    unread: Mapping[str, str]
    snapshot: Snapshot | None = None


class Origin(Protocol):
    """Where the objects come from. Any thread may call the methods."""

    @property
    def title(self) -> str:
        """What is shown, in a few words: the API server, or files."""

    @property
    def is_live(self) -> bool:
        """Whether the objects change while the page is open."""

    @property
    def version(self) -> int:
        """A number that grows with each change."""

    @property
    def state(self) -> str:
        """A text that differs after each change of objects, of rights or of the connection."""

    def moment(self) -> Moment:
        """Return what is known now."""

    @property
    def namespace(self) -> str:
        """The only namespace whose pods are shown, "" for all."""

    def read_everything(self, read: Read) -> None:
        """Read all objects once for a stock-taking. Raises ClusterError."""

    def read_pod(self, namespace: str, name: str) -> PodObjects | None:
        """Return what a diagnosis of a pod needs, None if there is no such pod. Raises ClusterError."""


class Settings(NamedTuple):
    """How objects are judged. `rules_given`: options about access rules, for a cluster without a configuration."""

    configuration: Configuration
    rules_given: Mapping[str, Any]
    network_namespace: str


class ClusterView:
    """One moment of an origin. The parts are made when somebody asks for them, and kept."""

    def __init__(self, version: int, moment: Moment, settings: Settings) -> None:
        self.version = version
        self.moment = moment
        self.settings = settings

    @cached_property
    def segments(self) -> tuple[SegmentOutline, ...]:
        """The outline of the whole cluster."""
        return outline(self.moment.topology)

    @cached_property
    def asking(self) -> Asking:
        """Who judges objects and answers who may attach."""
        return self.asking_about(self.moment.snapshot)

    def asking_about(self, snapshot: Snapshot) -> Asking:
        """Return who judges in another snapshot."""
        settings = self.settings
        return Asking(
            snapshot, settings.configuration, settings.rules_given, network_namespace=settings.network_namespace
        )

    @cached_property
    def checks(self) -> PluginChecks:
        """How ranges of addresses are read: as the configuration says, or as plugins do."""
        return plugin_checks_of(self.settings.configuration)

    @cached_property
    def lacking(self) -> tuple[str, ...]:
        """The missing rights without which nobody knows who may attach."""
        return tuple(self.moment.unread[kind] for kind in VERDICT_KINDS if kind in self.moment.unread)

    @cached_property
    def by_network(self) -> Mapping[str, Sequence[Attachment]]:
        """The attachments of each network."""
        found: defaultdict[str, list[Attachment]] = defaultdict(list)
        for one in self.moment.topology.attachments:
            found[one.network].append(one)
        return found

    @cached_property
    def by_pod(self) -> Mapping[Reference, Sequence[Attachment]]:
        """The attachments of each pod."""
        found: defaultdict[Reference, list[Attachment]] = defaultdict(list)
        for one in self.moment.topology.attachments:
            found[one.pod.namespace, one.pod.name].append(one)
        return found

    @cached_property
    def by_segment(self) -> Mapping[Segment, Sequence[str]]:
        """The networks of each segment."""
        return {one.segment: [network.network for network in one.networks] for one in self.segments}

    def users_of(self, reference: str) -> Sequence[User]:
        """Return the workloads on a network, and those that ask for it."""
        segment = self.moment.topology.segment(reference)
        found = (network for one in self.segments if one.segment == segment for network in one.networks)
        return next((one.users for one in found if one.network == reference), ())

    @cached_property
    def namespaces(self) -> Sequence[str]:
        """Every namespace that exists, has a network or has a pod, sorted."""
        topology = self.moment.topology
        found = set(self.moment.snapshot.namespaces())
        found.update(reference.partition("/")[0] for reference in topology.networks)
        found.update(pod.partition("/")[0] for pod in topology.pods)
        return sorted(found)
