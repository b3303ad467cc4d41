"""The kinds of other programs that make pods, with the places of their templates (`Workloads`).

The paths are those of the CustomResourceDefinitions of these projects: argo-rollouts, knative/serving,
openkruise/kruise (v1alpha1 and v1beta1), volcano, jobset, lws, kuberay, keda, mpi-operator and agones, and of
OpenShift's DeploymentConfig. Machines of KubeVirt are in `machines`.

VirtualMachinePreference and VirtualMachineInstancetype have no networks, and annotations that KubeVirt gives to the
machines which name them, and so to pods (pkg/instancetype/apply/annotations.go, preference/apply/annotations.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from webhook.admission.model.kinds import GroupKind

from .machines import find_machine
from .podtemplates import FoundPod, Json, TemplatePath, TemplatePlace, find_by_paths, parse_path

KUBEVIRT, POOL, INSTANCETYPE = "kubevirt.io", "pool.kubevirt.io", "instancetype.kubevirt.io"


class Workload(NamedTuple):
    """One kind. `plural`: its resource. `find`: from an object to its pods.

    `paths`: those of the templates, () for a kind with a form of its own. `is_certain`: the labels and the account of
    the pods are known, so that access rules can refuse. `has_own`: an annotation for pods on the object itself is in
    the wrong place.
    """

    kind: GroupKind
    plural: str
    find: Callable[[Json], Sequence[FoundPod]]
    paths: tuple[TemplatePath, ...] = ()
    is_certain: bool = True
    has_own: bool = True


Workloads = Mapping[GroupKind, Workload]


def workload(group: str, kind: str, plural: str, paths: Iterable[str]) -> Workload:
    """Return a kind with pod templates at these paths. Raises ValueError for a text that is not a path."""
    steps = [(text, parse_path(text)) for text in paths]
    wrong = [text for text, path in steps if path is None]
    if wrong:
        raise ValueError(wrong[0])
    known = tuple(path for _, path in steps if path is not None)
    return Workload(GroupKind(group, kind), plural, partial(find_by_paths, paths=known), known)


_SPEC_TEMPLATE = ("spec.template",)
_REPLICATED = ("spec.template.spec.template",)
_RAY = ("headGroupSpec.template", "workerGroupSpecs[*].template")
_ROWS: Sequence[tuple[str, str, str, Sequence[str]]] = (
    ("argoproj.io", "Rollout", "rollouts", _SPEC_TEMPLATE),
    ("argoproj.io", "Experiment", "experiments", ("spec.templates[*].template",)),
    ("serving.knative.dev", "Service", "services", _SPEC_TEMPLATE),
    ("apps.kruise.io", "CloneSet", "clonesets", _SPEC_TEMPLATE),
    ("apps.kruise.io", "StatefulSet", "statefulsets", _SPEC_TEMPLATE),
    ("apps.kruise.io", "DaemonSet", "daemonsets", _SPEC_TEMPLATE),
    ("apps.kruise.io", "BroadcastJob", "broadcastjobs", _SPEC_TEMPLATE),
    (
        "apps.kruise.io",
        "AdvancedCronJob",
        "advancedcronjobs",
        ("spec.template.jobTemplate.spec.template", "spec.template.broadcastJobTemplate.spec.template"),
    ),
    (
        "apps.kruise.io",
        "UnitedDeployment",
        "uniteddeployments",
        tuple(
            f"spec.template.{key}.spec.template"
            for key in (
                "statefulSetTemplate",
                "advancedStatefulSetTemplate",
                "cloneSetTemplate",
                "deploymentTemplate",
            )
        ),
    ),
    ("apps.openshift.io", "DeploymentConfig", "deploymentconfigs", _SPEC_TEMPLATE),
    ("batch.volcano.sh", "Job", "jobs", ("spec.tasks[*].template",)),
    ("batch.volcano.sh", "CronJob", "cronjobs", ("spec.jobTemplate.spec.tasks[*].template",)),
    ("jobset.x-k8s.io", "JobSet", "jobsets", ("spec.replicatedJobs[*].template.spec.template",)),
    (
        "leaderworkerset.x-k8s.io",
        "LeaderWorkerSet",
        "leaderworkersets",
        ("spec.leaderWorkerTemplate.leaderTemplate", "spec.leaderWorkerTemplate.workerTemplate"),
    ),
    ("ray.io", "RayCluster", "rayclusters", tuple(f"spec.{path}" for path in _RAY)),
    ("ray.io", "RayJob", "rayjobs", (*(f"spec.rayClusterSpec.{path}" for path in _RAY), "spec.submitterPodTemplate")),
    ("ray.io", "RayService", "rayservices", tuple(f"spec.rayClusterConfig.{path}" for path in _RAY)),
    ("keda.sh", "ScaledJob", "scaledjobs", ("spec.jobTargetRef.template",)),
    ("kubeflow.org", "MPIJob", "mpijobs", ("spec.mpiReplicaSpecs.*.template",)),
    ("agones.dev", "GameServer", "gameservers", _SPEC_TEMPLATE),
    ("agones.dev", "GameServerSet", "gameserversets", _REPLICATED),
    ("agones.dev", "Fleet", "fleets", _REPLICATED),
)


def _machine(group: str, kind: str, plural: str, path: str, *, is_named: bool) -> Workload:
    find = partial(find_machine, path=path, is_named=is_named)
    return Workload(GroupKind(group, kind), plural, find, has_own=bool(path))


def _annotations_of_spec(value: Json) -> list[FoundPod]:
    spec = value.get("spec")
    annotations = spec.get("annotations") if isinstance(spec, dict) else None
    place = TemplatePlace("spec.", annotations="annotations")
    return [FoundPod(place, {"metadata": {"annotations": annotations}}, has_containers=False)]


MACHINES: Sequence[Workload] = (
    _machine(KUBEVIRT, "VirtualMachine", "virtualmachines", "spec.template", is_named=True),
    _machine(KUBEVIRT, "VirtualMachineInstance", "virtualmachineinstances", "", is_named=True),
    _machine(
        KUBEVIRT,
        "VirtualMachineInstanceReplicaSet",
        "virtualmachineinstancereplicasets",
        "spec.template",
        is_named=False,
    ),
    _machine(
        POOL,
        "VirtualMachinePool",
        "virtualmachinepools",
        "spec.virtualMachineTemplate.spec.template",
        is_named=False,
    ),
)
"""Kinds whose pods have the networks of a virtual machine."""

PREFERENCES: Sequence[Workload] = tuple(
    Workload(
        GroupKind(INSTANCETYPE, f"Virtual{scope}{kind}"),
        f"virtual{scope.lower()}{kind.lower()}s",
        _annotations_of_spec,
        is_certain=False,
        has_own=False,
    )
    for kind in ("Preference", "Instancetype")
    for scope in ("Machine", "MachineCluster")
)
"""Kinds with annotations for machines of other authors."""

TEMPLATED: Sequence[Workload] = tuple(workload(*row) for row in _ROWS)
"""Kinds with pod templates."""

KNOWN: Workloads = {one.kind: one for one in (*TEMPLATED, *MACHINES, *PREFERENCES)}
"""The kinds that are known without a setting."""

CLUSTER_KINDS = frozenset(one.kind for one in PREFERENCES if "Cluster" in one.kind.kind)
"""Known kinds that are not in a namespace."""


def own_kinds(workloads: Workloads) -> tuple[tuple[str, str], ...]:
    """Return group and plural of the kinds that are not known without a setting, or that a setting describes anew."""
    return tuple((one.kind.group, one.plural) for kind, one in workloads.items() if KNOWN.get(kind) is not one)
