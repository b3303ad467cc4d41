"""The stock: objects of a cluster, reduced to what stock-taking compares. 100,000 pods must fit.

Objects come one by one, in any order, and one that comes again replaces itself. Only the pools of whereabouts remember
what they had before: an allocation counts as left behind if each reading has it, because a pod may go between two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import NamedTuple

from cniplugin.access.model.decision import NAME_LABEL
from cniplugin.access.model.policyrules import GROUP as ACCESS_GROUP
from cniplugin.netspec import netattachdef
from cniplugin.netspec.annotation import PodSelections, texts_of
from cniplugin.netspec.selection import NetworkSelectionElement
from webhook.admission.model.injection import DEFAULT_NETWORKS
from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.admission.plugins.goparsing import read_address
from webhook.admission.templates.podtemplates import FoundPod
from webhook.report.diagnosis.objectset import Json, controller_of, part, text, texts
from webhook.report.diagnosis.poddiagnosis import ENDED
from webhook.report.diagnosis.podstatus import Has, ignored, match_entries, reference_of, status_of
from webhook.report.topology.graph import POOL_GROUP, Graph, Pod, Topology, pod_of, templates_of

from .finding import ObjectName

DNS_SERVICES = (("kube-system", "kube-dns"), ("openshift-dns", "dns-default"))
"""The Services of the cluster's DNS, by the names that installers give them."""

MULTI_POLICY_KIND, POLICY_FOR = "MultiNetworkPolicy", "k8s.v1.cni.cncf.io/policy-for"
"""k8snetworkplumbingwg/multi-networkpolicy: NetworkPolicy for the networks that the annotation names."""

OWN_SERVICE_ROUTES = frozenset({"ovn-kubernetes"})
"""Default networks, as network-status names them, that keep routes to Services beside another default route."""

OWNERS_MAX = 4
"""Controllers above each other that are followed: whoever creates objects can let them own each other."""

ON_EACH_NODE, NO_POD = 0, -1
"""In place of a number of replicas: a DaemonSet has a pod on each node, and a workload that is scaled to 0 has none."""

Labels = Mapping[str, str]


class Asker(NamedTuple):
    """What asks for networks: a pod, or the pods of a template. `subject`: of a template the object that has it.

    `workload`: the controller that makes the pods, as `namespace kind/name`; equal for a template and its pods.
    `replicas`: how many pods the template makes, ON_EACH_NODE for one on each node, NO_POD for none.
    `uses_cluster_dns`: by dnsPolicy. `is_pinned`: the pods are for one node, by its name.
    """

    subject: ObjectName
    workload: str
    selections: PodSelections
    labels: Labels
    account: str
    replicas: int
    uses_cluster_dns: bool
    is_pinned: bool = False

    @property
    def elements(self) -> Iterator[tuple[int, NetworkSelectionElement]]:
        """The networks that it asks for, with their items from 1; 0 for the default network."""
        for position, element in self.selections.elements:
            yield (0 if position is None else position + 1), element


class StockPod(NamedTuple):
    """A pod that has not ended. `has_status`: it runs, and something wrote its network-status.

    `lost`: items and networks that it asks for and lacks, while it runs. `otherwise`: a network that it has in another
    way than it asks, and how; None if there is none. `unasked`: networks that it has and does not ask for.
    `keeps_service_routes`: its default network does so itself.
    """

    pod: Pod
    asker: Asker
    has_status: bool
    lost: tuple[tuple[int, str], ...]
    otherwise: tuple[str, str] | None
    unasked: tuple[str, ...]
    keeps_service_routes: bool


class Orphan(NamedTuple):
    """An allocation of whereabouts whose pod, as `namespace/name`, may be gone."""

    address: str
    pod: str


class Stock:
    """Takes objects. `namespace`: the only one whose pods and workloads are taken, "" for all.

    `unread`: kinds of which not all objects were taken; no rule says of them that there is none.
    """

    def __init__(self, network_namespace: str = NETWORK_NAMESPACE, *, namespace: str = "") -> None:
        self.namespace = namespace
        self.unread: set[str] = set()
        self.pods: dict[str, StockPod] = {}
        self.templates: dict[tuple[str, str, str], tuple[Asker, ...]] = {}
        self.names: dict[str, ObjectName] = {}
        self.managed: set[str] = set()
        """Definitions that another object controls."""
        self.namespaces: dict[str, Labels] = {}
        self.default_networks: dict[str, PodSelections] = {}
        self.policies: dict[tuple[str, str], Json] = {}
        self.multi_policies: dict[ObjectName, tuple[str, ...]] = {}
        """MultiNetworkPolicies with the networks that they are for."""
        self.pools: dict[ObjectName, frozenset[Orphan]] = {}
        self.cluster_dns: tuple[str, ...] = ()
        self._graph = Graph(network_namespace)
        self._controllers: dict[str, str] = {}
        self._labels: dict[tuple[tuple[str, str], ...], Labels] = {}

    def add(self, one: Json) -> None:
        """Take an object with apiVersion and kind; kinds that have nothing to say are ignored."""
        kind, group = text(one, "kind"), text(one, "apiVersion").rpartition("/")[0]
        if kind in {"Event", "List"}:
            return
        if kind == "Pod" and not group:
            self._add_pod(one)
            return
        self._graph.add(one)
        if kind == netattachdef.KIND and group == netattachdef.GROUP:
            self._add_network(one)
        elif kind == "Namespace" and not group:
            self._add_namespace(one)
        elif group == ACCESS_GROUP:
            self.policies[kind, text(one, "metadata", "name")] = one
        elif kind == MULTI_POLICY_KIND and group == netattachdef.GROUP:
            self.multi_policies[name_of(one)] = _policy_for(one)
        elif kind == "IPPool" and group == POOL_GROUP:
            self._add_pool(one)
        elif kind == "Service" and not group:
            self._add_service(one)
        elif group != "resource.k8s.io":
            self._add_templates(one)

    def finish(self) -> Topology:
        """Return the topology of what was taken."""
        return self._graph.finish()

    def workload_of(self, asker: Asker) -> str:
        """Return the topmost controller that was taken: of a pod of a Job, the CronJob that makes the Job."""
        found = asker.workload
        for _ in range(OWNERS_MAX):
            if found not in self._controllers:
                break
            found = self._controllers[found]
        return self._cron_job_of(found) or found

    def _cron_job_of(self, workload: str) -> str:
        """Return the CronJob of a Job that was not taken, by the names that its controller gives; "" if none was."""
        namespace, _, title = workload.partition(" ")
        match = _JOB_OF_CRON.fullmatch(title)
        known = match is not None and ("CronJob", namespace, match[1]) in self.templates
        return f"{namespace} cronjob/{match[1]}" if match is not None and known else ""

    def name_of_network(self, reference: str) -> ObjectName:
        """Return the name of a definition, which need not exist."""
        namespace, _, name = reference.partition("/")
        version = f"{netattachdef.GROUP}/{netattachdef.VERSION}"
        return self.names.get(reference) or ObjectName(version, netattachdef.KIND, namespace, name)

    def labels_of(self, namespace: str) -> Labels:
        """Return the labels of a namespace; of one that was not taken, its name alone."""
        return self.namespaces.get(namespace) or {NAME_LABEL: namespace}

    def _add_network(self, one: Json) -> None:
        name = name_of(one)
        reference = f"{name.namespace}/{name.name}"
        self.names[reference] = name
        if controller_of(one) is not None:
            self.managed.add(reference)

    def _add_namespace(self, one: Json) -> None:
        name = text(one, "metadata", "name")
        self.namespaces[name] = {**texts(one, "metadata", "labels"), NAME_LABEL: name}
        written = texts(one, "metadata", "annotations").get(DEFAULT_NETWORKS)
        if written:
            self.default_networks[name] = self._graph.selections(written, "", name)

    def _add_service(self, one: Json) -> None:
        name = name_of(one)
        if (name.namespace, name.name) in DNS_SERVICES:
            written = part(one, "spec").get("clusterIPs")
            addresses = written if isinstance(written, list) else [text(one, "spec", "clusterIP")]
            self.cluster_dns = tuple(one for one in addresses if isinstance(one, str) and read_address(one) is not None)

    def _add_pool(self, one: Json) -> None:
        pool = Graph()
        pool.add(one)
        kept = frozenset(Orphan(kept.address, kept.pod) for kept in pool.finish().allocations if kept.pod)
        name = name_of(one)
        self.pools[name] = self.pools[name] & kept if name in self.pools else kept

    def _add_pod(self, one: Json) -> None:
        if text(one, "status", "phase") in ENDED:
            return
        pod, status = pod_of(one), status_of(one) or []
        self._graph.add_pod(one, status)
        asker = self._asker(one, name_of(one), _controller(pod), pod.namespace, replicas=1)
        runs = pod.phase == "Running" and pod.node and not pod.leaving and not pod.is_on_host
        self.pods[f"{pod.namespace}/{pod.name}"] = StockPod(
            pod,
            asker,
            has_status=bool(runs and status),
            lost=tuple(_lost(asker, status)) if runs and asker.selections.size else (),
            otherwise=ignored(status, asker.selections) if runs and any(map(_is_exact, asker.elements)) else None,
            unasked=tuple(_unasked(asker, status)) if runs else (),
            keeps_service_routes=any(entry.name in OWN_SERVICE_ROUTES for entry in status if entry.is_default),
        )

    def _add_templates(self, one: Json) -> None:
        subject = name_of(one)
        kind = subject.kind.lower()
        workload = f"{subject.namespace} {_MACHINES.get(kind, kind)}/{subject.name}"
        owner = controller_of(one)
        if owner is not None:
            above = f"{subject.namespace} {text(owner, 'kind').lower()}/{text(owner, 'name')}"
            if above != workload:
                self._controllers[workload] = above
            return
        found = templates_of(one)
        if found:
            key = (subject.kind, subject.namespace, subject.name)
            self.templates[key] = tuple(self._template(one, subject, workload, pod) for pod in found)

    def _template(self, one: Json, subject: ObjectName, workload: str, found: FoundPod) -> Asker:
        return self._asker(found.pod, subject, workload, subject.namespace, replicas=_replicas(one, subject.kind))

    def _asker(self, pod: Json, subject: ObjectName, workload: str, namespace: str, *, replicas: int) -> Asker:
        spec = part(pod, "spec")
        labels = texts(pod, "metadata", "labels")
        policy = text(spec, "dnsPolicy")
        return Asker(
            subject,
            workload,
            self._graph.selections(*texts_of(texts(pod, "metadata", "annotations")), namespace),
            self._labels.setdefault(tuple(sorted(labels.items())), labels),
            intern(text(spec, "serviceAccountName") or "default"),
            replicas,
            uses_cluster_dns=policy in _CLUSTER_DNS and spec.get("hostNetwork") is not True,
            is_pinned=bool(text(spec, "nodeName") or texts(spec, "nodeSelector").get(HOSTNAME_LABEL)),
        )


_MACHINES = {"virtualmachineinstance": "virtualmachine"}
"""The instance of a machine has the name of the machine. While it migrates, it has two pods."""

_CLUSTER_DNS = frozenset({"", "ClusterFirst"})

HOSTNAME_LABEL = "kubernetes.io/hostname"
"""The label of a node that names it."""

_JOB_OF_CRON = re.compile(r"job/(.+)-[0-9]+")


def _controller(pod: Pod) -> str:
    kind, _, name = (pod.owner or f"pod/{pod.name}").partition("/")
    return f"{pod.namespace} {_MACHINES.get(kind, kind)}/{name}"


def name_of(one: Json) -> ObjectName:
    """Return the name of an object. Texts that many objects have are kept once."""
    metadata = part(one, "metadata")
    kind = (intern(text(one, "apiVersion")), intern(text(one, "kind")), intern(text(metadata, "namespace")))
    return ObjectName(*kind, text(metadata, "name"), text(metadata, "uid"))


def _policy_for(one: Json) -> tuple[str, ...]:
    """Return the networks of a MultiNetworkPolicy: a list with commas, of names with or without a namespace."""
    written = texts(one, "metadata", "annotations").get(POLICY_FOR, "")
    names = filter(None, written.replace(" ", "").split(","))
    return tuple(name if "/" in name else f"{text(one, 'metadata', 'namespace')}/{name}" for name in names)


def _replicas(one: Json, kind: str) -> int:
    if kind == "DaemonSet":
        return ON_EACH_NODE
    spec = part(one, "spec", "jobTemplate", "spec") if kind == "CronJob" else part(one, "spec")
    written = spec.get("parallelism" if kind in {"Job", "CronJob"} else "replicas")
    if not isinstance(written, int) or isinstance(written, bool) or written < 0:
        return 1
    return written or NO_POD


def _is_exact(asked: tuple[int, NetworkSelectionElement]) -> bool:
    element = asked[1]
    return bool(element.ips or element.mac or element.interface)


def _lost(asker: Asker, status: Sequence[Has]) -> Iterator[tuple[int, str]]:
    """Yield the networks that a running pod asks for and lacks.

    The default network is left out: its entry may have the name of its configuration. Old versions of Multus name no
    namespace, so with such an entry nothing is said.
    """
    if any("/" not in entry.name for entry in status if not entry.is_default):
        return
    for one in match_entries(status, asker.selections):
        if one.item and not one.is_attached:
            yield one.item, one.reference


def _unasked(asker: Asker, status: Iterable[Has]) -> Iterator[str]:
    asked = {reference_of(element) for _, element in asker.elements}
    for entry in status:
        if not entry.is_default and "/" in entry.name and entry.name not in asked:
            yield intern(entry.name)
