"""Pods by the object that makes them: each template once, with the number of pods that run."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.admission.templates.workloadtable import KNOWN
from webhook.report.changeplan.workloadpods import MadePod, WorkloadPods, key_of

Json = dict[str, Any]
NETWORKS = "k8s.v1.cni.cncf.io/networks"


def template(networks: str = "lan", **labels: str) -> Json:
    metadata = {"annotations": {NETWORKS: networks}, "labels": {"app": "web", **labels}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c"}]}}


def workload(kind: str, name: str, made: Json, owner: Json | None = None, version: str = "apps/v1") -> Json:
    metadata = {"name": name, "namespace": "blue", "ownerReferences": [owner] if owner else []}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {"template": made}}


def owner(kind: str, name: str, version: str = "apps/v1") -> Json:
    return {"apiVersion": version, "kind": kind, "name": name, "uid": f"{kind}-{name}", "controller": True}


def pod(name: str, of: Json | None, networks: str = "lan", phase: str = "Running", **labels: str) -> Json:
    metadata: Json = {"name": name, "namespace": "blue", "uid": name, "labels": {"app": "web", **labels}}
    metadata |= {"annotations": {NETWORKS: networks, "example.com/own": name}, "ownerReferences": [of] if of else []}
    volumes = [{"name": f"kube-api-access-{name}"}, {"name": "data"}]
    mounts = [{"name": f"kube-api-access-{name}"}, {"name": "data"}]
    spec = {"nodeName": f"node-{name}", "volumes": volumes, "containers": [{"name": "c", "volumeMounts": mounts}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": phase}}


def made_of(workloads: list[Json], pods: list[Json]) -> dict[str, MadePod]:
    counted = WorkloadPods(KNOWN)
    for one in workloads:
        counted.add_workload(one, "blue")
    for one in pods:
        counted.add_pod(one, "blue")
    return {maker.title: one for maker, one in counted.finish().items()}


def running(workloads: list[Json], pods: list[Json]) -> dict[str, int]:
    return {title: one.running for title, one in made_of(workloads, pods).items()}


def test_pods_of_a_deployment_count_for_it() -> None:
    hashed = {"pod-template-hash": "1"}
    old = {"pod-template-hash": "0"}
    workloads = [
        workload("Deployment", "web", template()),
        workload("ReplicaSet", "web-1", template(**hashed), owner("Deployment", "web")),
        workload("ReplicaSet", "web-0", template("old", **old), owner("Deployment", "web")),
        workload("ReplicaSet", "web-gone", template("gone"), owner("Deployment", "web")),
        workload("ReplicaSet", "alone", template("x"), owner("Deployment", "unknown")),
    ]
    pods = [pod(f"a{n}", owner("ReplicaSet", "web-1"), **hashed) for n in range(3)]
    pods.append(pod("b", owner("ReplicaSet", "web-0"), "old", **old))
    pods.append(pod("ended", owner("ReplicaSet", "web-1"), phase="Failed", **hashed))
    assert running(workloads, pods) == {
        "deployment blue/web": 3,
        "replicaset blue/web-0": 1,
        "replicaset blue/alone": 0,
    }


@pytest.mark.parametrize("of", [owner("ReplicaSet", "missing"), None, owner("StatefulSet", "web", "other/v1")])
def test_pods_whose_controller_is_not_known_stand_for_themselves(of: Json | None) -> None:
    pods = [pod(name, of) for name in ("one", "two", "three")]
    found = made_of([workload("StatefulSet", "web", template())], pods)
    assert found["pod blue/one"].running == 3
    assert found["pod blue/one"].is_as_it_runs is (of is not None)
    assert set(found) == {"pod blue/one", "statefulset blue/web"}
    different = made_of([], [pod("one", of), pod("two", of, "br")])
    assert set(different) == {"pod blue/one", "pod blue/two"}


def test_a_pod_with_other_labels_than_its_template_stands_for_itself() -> None:
    """Whoever creates a pod writes its controller into it."""
    forged = pod("forged", owner("StatefulSet", "web"), app="other")
    assert running([workload("StatefulSet", "web", template())], [forged]) == {
        "statefulset blue/web": 0,
        "pod blue/forged": 1,
    }


def test_a_machine_makes_its_pod() -> None:
    spec = {"networks": [{"name": "n", "multus": {"networkName": "lan"}}], "domain": {}}
    machine = workload("VirtualMachine", "db", {"spec": spec}, version="kubevirt.io/v1")
    found = made_of([machine], [pod("virt-launcher", owner("VirtualMachineInstance", "db", "kubevirt.io/v1"))])
    (one,) = found.values()
    assert (one.maker.title, one.running) == ("virtualmachine blue/db", 1)
    assert '"lan"' in one.pod["metadata"]["annotations"][NETWORKS]


def test_an_instance_counts_as_its_machine_and_else_for_itself() -> None:
    spec = {"networks": [{"name": "n", "multus": {"networkName": "lan"}}], "domain": {}}
    machine = workload("VirtualMachine", "db", {"spec": spec}, version="kubevirt.io/v1")
    of = owner("VirtualMachine", "db", "kubevirt.io/v1")
    instance = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    pods = [pod("virt-launcher", owner("VirtualMachineInstance", "db", "kubevirt.io/v1"))]
    owned = {**instance, "metadata": {"name": "db", "ownerReferences": [of]}}
    assert running([machine, owned], pods) == {"virtualmachine blue/db": 1}
    assert running([owned], pods) == {"virtualmachineinstance blue/db": 1}


def test_kinds_with_several_templates_and_with_none() -> None:
    groups = [{"groupName": "a", "template": template()}, {"groupName": "b", "template": template("br")}]
    ray = {"headGroupSpec": {"template": template()}, "workerGroupSpecs": groups}
    cluster = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "ray"}, "spec": ray}
    unknown = {"apiVersion": "example.com/v1", "kind": "Farm", "metadata": {"name": "f"}, "spec": {"pods": template()}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {}}
    assert set(running([cluster, unknown, service], [])) == {
        "raycluster blue/ray (spec.headGroupSpec.template)",
        "raycluster blue/ray (spec.workerGroupSpecs[0].template)",
        "raycluster blue/ray (spec.workerGroupSpecs[1].template)",
        "farm blue/f",
    }


def test_the_key_of_a_pod_leaves_out_its_name() -> None:
    one = {"metadata": {"name": "a", "namespace": "blue", "labels": {"x": "y", "apps.kubernetes.io/pod-index": "1"}}}
    same = {"metadata": {"name": "b", "namespace": "blue", "labels": {"x": "y"}}}
    other = {"metadata": {"name": "a", "namespace": "green", "labels": {"x": "y"}}}
    assert key_of(one) == key_of(same) != key_of(other)
