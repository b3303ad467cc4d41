"""The pods of a cluster by the object that makes them, each template once, with the number of pods that run.

A controller makes its pods from a template, and a machine of KubeVirt is one. So a pod is counted for the template of
its controller, and what the change does is asked about the template: it is what the next pod is made of. A pod whose
controller is not among the objects, or that does not have the labels of its template, stands for itself, as it runs: it
keeps what /mutate once put into it.

A ReplicaSet of a Deployment counts as the Deployment if their templates are alike. Else it is listed as well, because
it makes its pods again from its own template. An instance of a machine counts as the machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cniplugin.netspec.selection import NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.model.injection import MIRROR
from webhook.admission.model.kinds import POD, WORKLOADS, GroupKind, template_steps
from webhook.admission.templates.podtemplates import FoundPod, TemplatePlace, find_by_shape
from webhook.admission.templates.workloadtable import KUBEVIRT, Workloads
from webhook.report.diagnosis.objectset import controller_of, part, text
from webhook.report.diagnosis.poddiagnosis import ENDED

Json = dict[str, Any]

TEMPLATE_HASH = "pod-template-hash"
"""The label by which a Deployment tells its ReplicaSets apart."""
OF_ONE_POD = frozenset(
    {
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
        "controller-revision-hash",
        "pod-template-generation",
        TEMPLATE_HASH,
    }
)
"""Labels that a controller writes with another value into some of its pods."""
_READ_ANNOTATIONS = ("cncf", "multus", "nadmit")
"""Parts of the keys of annotations that a decision may read. Other programs write one of each pod's own."""
_OWN_VOLUMES = "kube-api-access-"
_OF_THE_NODE = ("nodeName", "hostname", "subdomain", "tolerations", "priority", "enableServiceLinks", "affinity")
"""Fields of a pod that no decision reads, and that differ between pods of one controller."""
MACHINE, INSTANCE = GroupKind(KUBEVIRT, "VirtualMachine"), GroupKind(KUBEVIRT, "VirtualMachineInstance")


class Maker(NamedTuple):
    """What makes pods: a workload, or a pod that stands for itself. `place`: of the template, "" for the usual one."""

    group: str
    kind: str
    namespace: str
    name: str
    place: str = ""

    @property
    def title(self) -> str:
        """The object as messages name it: `deployment blue/web`."""
        where = f" ({self.place})" if self.place else ""
        return f"{self.kind.lower()} {self.namespace}/{self.name}{where}"


_CLAIMS = ("ips", "mac", "guid")
"""Parts of the keys of an element with which a pod claims an address."""
NO_OWNER = Maker("", "", "", "")
"""The owner of what nothing made."""


class MadePod(NamedTuple):
    """A pod that a maker makes, as an API server would get it. `key`: pods of the same key are judged alike.

    `running`: how many run. `is_as_it_runs`: nothing is known but the pod itself. `owner`: what made the maker itself.
    `runs_as`: the name of a pod that runs, if the pods claim addresses.
    """

    maker: Maker
    pod: Json
    key: str
    running: int = 0
    is_as_it_runs: bool = False
    owner: Maker = NO_OWNER
    runs_as: str = ""

    @property
    def created(self) -> Json:
        """The pod as it is created again, under the name of the one that runs: nobody else has its addresses then."""
        if not self.runs_as:
            return self.pod
        return {**self.pod, "metadata": {**self.pod["metadata"], "name": self.runs_as}}

    def running_as(self, name: str) -> MadePod:
        """Return it with the name of a pod that runs, if that makes a difference."""
        asked = text(self.pod, "metadata", "annotations", NETWORKS)
        if not name or not any(word in asked for word in _CLAIMS):
            return self
        return self._replace(runs_as=name, key=f"{key_of(self.pod)} {name}")


class WorkloadPods:
    """Takes objects: all workloads before the pods. `workloads`: the kinds of other programs."""

    def __init__(self, workloads: Workloads) -> None:
        self._workloads = workloads
        self._made: dict[Maker, MadePod] = {}
        self._revisions: dict[Maker, tuple[Maker, Json]] = {}
        self._running: dict[Maker, int] = {}
        self._names: dict[Maker, str] = {}
        self._alone: dict[tuple[str, str, str], MadePod] = {}
        self._labels: dict[Maker, list[tuple[Maker, Mapping[str, str]]]] = {}

    def add_workload(self, one: Json, namespace: str) -> None:
        """Take an object of any kind but Pod; one without a pod template is ignored."""
        kind = GroupKind(*_group_kind(one))
        maker = Maker(*kind, namespace, name_of(one))
        owner = controller_of(one)
        found = list(self._templates(kind, one))
        for found_pod in found:
            place = found_pod.place.path.rstrip(".") if len(found) > 1 else ""
            own = maker._replace(place=place)
            pod = _pod_of(found_pod, namespace, maker.name)
            self._made[own] = MadePod(own, pod, key_of(pod))
            self._labels.setdefault(maker, []).append((own, part(pod, "metadata", "labels")))
            if owner is not None and (kind in WORKLOADS or kind == INSTANCE):
                self._revisions[own] = (_named(owner, namespace), pod)

    def _templates(self, kind: GroupKind, one: Json) -> Iterator[FoundPod]:
        if kind in WORKLOADS:
            steps = template_steps(kind.kind)
            template = part(one, *steps)
            if template:
                yield FoundPod(TemplatePlace(""), dict(template))
            return
        known = self._workloads.get(kind)
        if known is not None:
            yield from known.find(one) if known.is_certain else ()
        elif kind.group not in {"", "access.nadmit.io", "k8s.cni.cncf.io", "resource.k8s.io"}:
            yield from find_by_shape(one)

    def add_pod(self, one: Json, namespace: str, *, is_single: bool = False) -> None:
        """Take a pod; one that has ended is ignored. `is_single`: it stands for itself, even if others are alike."""
        if text(one, "status", "phase") in ENDED:
            return
        maker = None if is_single else self._maker_of(one, namespace)
        if maker is not None:
            self._running[maker] = self._running.get(maker, 0) + 1
            self._names.setdefault(maker, text(one, "metadata", "name"))
            return
        pod = _as_created(one, namespace)
        key = key_of(pod)
        owner = controller_of(one)
        name = name_of(one)
        place = (key, name if is_single else "", text(owner, "uid") if owner is not None else "")
        known = self._alone.get(place)
        runs = int(bool(text(one, "metadata", "uid") or text(one, "status", "phase")))
        if known is None:
            of = NO_OWNER if owner is None else _named(owner, namespace)
            self._alone[place] = MadePod(Maker(*POD, namespace, name), pod, key, runs, owner is not None, of)
        else:
            self._alone[place] = known._replace(running=known.running + runs)

    def forget_pods(self) -> None:
        """Forget all pods, because their list begins anew."""
        self._running.clear()
        self._names.clear()
        self._alone.clear()

    def _maker_of(self, one: Json, namespace: str) -> Maker | None:
        """Return the template of a pod's controller. NB: whoever creates a pod writes its controller into it."""
        owner = controller_of(one)
        if owner is None:
            return None
        maker = _named(owner, namespace)
        is_machine = (maker.group, maker.kind) == INSTANCE
        machine = Maker(*MACHINE, namespace, maker.name)
        if is_machine and machine in self._labels:
            maker = machine
        labels = part(one, "metadata", "labels")
        for place, wanted in self._labels.get(maker, ()):
            if is_machine or all(labels.get(key) == value for key, value in wanted.items()):
                return place
        return None

    def finish(self) -> dict[Maker, MadePod]:
        """Return what makes pods, each with the number of those that run."""
        made = {maker: one._replace(running=self._running.get(maker, 0)) for maker, one in self._made.items()}
        names = dict(self._names)
        for maker, (owner, pod) in self._revisions.items():
            made[maker] = made[maker]._replace(owner=owner)
            top = made.get(owner)
            if top is None:
                continue  # its owner is of another kind, or not known
            if top.key == key_of(pod):
                made[owner] = top._replace(running=top.running + made[maker].running)
                names.setdefault(owner, names.get(maker, ""))
            if top.key == key_of(pod) or not made[maker].running or maker[:2] == INSTANCE:
                del made[maker]
        named = {maker: one.running_as(names.get(maker, "")) for maker, one in made.items()}
        return {**named, **{one.maker: one for one in self._alone.values()}}


def _group_kind(one: Mapping[str, Any]) -> tuple[str, str]:
    return text(one, "apiVersion").rpartition("/")[0], text(one, "kind")


def name_of(one: Json) -> str:
    """Return the name of an object; one that the API server will name has what the name begins with, and a star."""
    generated = text(one, "metadata", "generateName")
    return text(one, "metadata", "name") or (f"{generated}*" if generated else "")


def _named(owner: Mapping[str, Any], namespace: str) -> Maker:
    return Maker(*_group_kind(owner), namespace, text(owner, "name"))


# Pods


def _pod_of(found: FoundPod, namespace: str, name: str) -> Json:
    metadata, spec = part(found.pod, "metadata"), dict(part(found.pod, "spec"))
    if not found.has_containers:  # its controller writes the containers
        spec["containers"] = [{"name": "compute"}]
    spec = {key: value for key, value in spec.items() if value not in (None, "")}
    kept = {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}
    return _pod({**kept, "generateName": f"{name}-", "namespace": namespace}, spec)


def _pod(metadata: Json, spec: Json) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _as_created(one: Json, namespace: str) -> Json:
    """Return a pod without what is its own alone, and without what nodes write into it."""
    metadata, spec = part(one, "metadata"), part(one, "spec")
    labels = {key: value for key, value in part(metadata, "labels").items() if key not in OF_ONE_POD}
    annotations = {key: value for key, value in part(metadata, "annotations").items() if _is_read(key)}
    kept = {key: value for key, value in (("labels", labels), ("annotations", annotations)) if value}
    made = {key: _without_token(key, value) for key, value in spec.items() if key not in _OF_THE_NODE}
    name = text(metadata, "name") or text(metadata, "generateName")
    return _pod({**kept, "name": name, "namespace": namespace}, made)


def _is_read(key: str) -> bool:
    return key not in NETWORK_STATUS_KEYS and (key == MIRROR or any(word in key for word in _READ_ANNOTATIONS))


def _without_token(key: str, value: Any) -> Any:
    """Return a part of a spec without the volume of the account's token, whose name is the pod's own."""
    if key == "volumes" and isinstance(value, list):
        return [one for one in value if not _has_own_name(one)]
    if key in {"containers", "initContainers"} and isinstance(value, list):
        return [_without_mounts(one) if isinstance(one, dict) else one for one in value]
    return value


def _without_mounts(container: Json) -> Json:
    mounts = container.get("volumeMounts")
    if not isinstance(mounts, list):
        return container
    return {**container, "volumeMounts": [one for one in mounts if not _has_own_name(one)]}


def _has_own_name(one: object) -> bool:
    return isinstance(one, dict) and str(one.get("name", "")).startswith(_OWN_VOLUMES)


def key_of(pod: Json) -> str:
    """Return a text that pods have in common which are judged alike: everything but the name, and labels of one pod."""
    metadata = part(pod, "metadata")
    labels = {key: value for key, value in part(metadata, "labels").items() if key not in OF_ONE_POD}
    kept = (text(metadata, "namespace"), labels, dict(part(metadata, "annotations")), dict(part(pod, "spec")))
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)
