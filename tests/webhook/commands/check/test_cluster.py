"""`nadmit check --cluster`: what would be refused of that which runs already, against the in-process API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.fakes.apiserver import ApiServer, failure
from tests.fakes.objects import namespace, network, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PODS
from webhook.cli import nadmit
from webhook.commands.check import clusterobjects

DEPLOYMENTS = "/apis/apps/v1/deployments"
REPLICASETS = "/apis/apps/v1/replicasets"
CLAIMS = "/apis/resource.k8s.io/v1beta1/resourceclaims"
STATUS = "k8s.v1.cni.cncf.io/network-status"
CONTAINERS = [{"name": "c", "image": "i"}]
TEMPLATE = {"metadata": {"annotations": {"k8s.v1.cni.cncf.io/networks": "nowhere"}}, "spec": {"containers": CONTAINERS}}


def pod(name: str, networks: str, *, owner: str = "", phase: str = "Running") -> dict[str, Any]:
    annotations = {"k8s.v1.cni.cncf.io/networks": networks, STATUS: f'[{{"name": "{name}"}}]'}
    metadata: dict[str, Any] = {"namespace": "team-a", "name": name, "uid": name, "annotations": annotations}
    if owner:
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    return {"metadata": metadata, "spec": {"nodeName": "node-1", "containers": CONTAINERS}, "status": {"phase": phase}}


def workload(name: str, owner: str = "") -> dict[str, Any]:
    owners = [{"kind": owner, "name": "x", "uid": "x", "controller": True}] if owner else []
    metadata = {"namespace": "team-a", "name": name, "ownerReferences": owners}
    return {"metadata": metadata, "spec": {"template": TEMPLATE}}


class World:
    def __init__(self, api: ApiServer, directory: Path) -> None:
        self.api = api
        api.has_whole_pods = True
        self.kubeconfig = write_kubeconfig(directory / "kubeconfig", api.url)
        api.put(NAMESPACES, namespace("team-a"))
        api.put(NETWORKS, network("data-plane"))

    def check(self, *words: str) -> Result:
        return CliRunner().invoke(nadmit, ["check", "--cluster", "--kubeconfig", str(self.kubeconfig), *words])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ApiServer() as api:
        yield World(api, tmp_path)


def test_what_runs_and_would_be_refused_by_rule(world: World) -> None:
    world.api.serve(DEPLOYMENTS, REPLICASETS)
    world.api.put(PODS, *(pod(f"web-{number}", "nowhere", owner="web") for number in range(3)))
    world.api.put(PODS, pod("good", "data-plane"), pod("bad", "[{"), pod("ended", "[{", phase="Succeeded"))
    world.api.put(DEPLOYMENTS, workload("web"), workload("of-an-operator", owner="Example"))
    world.api.put(REPLICASETS, workload("web-1", owner="Deployment"))
    done = world.check()
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    found = {tuple(line.split(": ")[1:3]) for line in lines if line.startswith("cluster: ")}
    assert found >= {
        ("error", "pod team-a/bad"),
        ("error", "pod team-a/web-0 and 2 more of its controller"),
        ("error", "deployment team-a/web"),
        ("error", "deployment team-a/of-an-operator"),
    }
    assert not any("web-1" in subject or "ended" in subject for _, subject in found)
    assert "network-status" not in done.stdout
    assert lines[-1].startswith("7 objects in the cluster (6 judged), 4 problems, ")
    assert [line.partition(": ")[2] for line in lines[-3:-1]] == ["3 problems", "1 problem"]
    assert {"read networks: 1", "read pods: 5", "read jobs: not installed"} <= set(done.stderr.splitlines())


def test_a_machine_that_is_halted_is_judged(world: World) -> None:
    machines = "/apis/kubevirt.io/v1/virtualmachines"
    world.api.serve(machines)
    networks = [{"name": "net", "multus": {"networkName": "nowhere"}}]
    spec = {"runStrategy": "Halted", "template": {"spec": {"networks": networks, "domain": {}}}}
    world.api.put(machines, {"metadata": {"namespace": "team-a", "name": "db"}, "spec": spec})
    done = world.check()
    assert done.exit_code == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("cluster: ")]
    assert line.startswith(
        "cluster: error: virtualmachine team-a/db: spec.template.spec.networks[0].multus.networkName: "
    )


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("metadata", "namespace", "team-b"),
        ("metadata", "labels", {"app": "other"}),
        ("spec", "serviceAccountName", "other"),
        ("spec", "hostNetwork", True),
    ],
)
def test_a_pod_that_names_the_controller_of_others_is_judged(world: World, place: str, key: str, value: object) -> None:
    """Whoever creates a pod writes its controller into it."""
    forged = pod("forged", "nowhere", owner="web")
    forged[place][key] = value
    world.api.put(PODS, pod("web-0", "nowhere", owner="web"), forged)
    lines = world.check().stdout.splitlines()
    assert lines[-1].startswith("4 objects in the cluster (3 judged)")


def test_pods_of_a_stateful_set_are_alike(world: World) -> None:
    pods = [pod(f"web-{number}", "nowhere", owner="web") for number in range(2)]
    for one in pods:
        one["metadata"]["labels"] = {"app": "a", "apps.kubernetes.io/pod-index": one["metadata"]["name"]}
    world.api.put(PODS, *pods)
    assert "team-a/web-0 and 1 more of its controller" in world.check().stdout


def test_what_the_default_network_writes_into_pods_does_not_tell_them_apart(world: World) -> None:
    pods = [pod(f"web-{number}", "nowhere", owner="web") for number in range(3)]
    for number, one in enumerate(pods):
        one["metadata"]["annotations"] |= {
            "cni.projectcalico.org/podIP": f"10.0.0.{number}/32",
            "k8s.ovn.org/pod-networks": f'{{"default": {{"ip_address": "10.0.0.{number}/24"}}}}',
        }
    world.api.put(PODS, *pods)
    assert "team-a/web-0 and 2 more of its controller" in world.check().stdout


def test_nothing_to_refuse(world: World) -> None:
    world.api.put(PODS, pod("good", "data-plane"))
    done = world.check("-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["summary"]["problems"]) == (0, 0)


def test_pages_and_a_list_that_expires(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusterobjects, "PAGE_SIZE", 2)
    world.api.put(PODS, *(pod(f"p-{number}", "nowhere") for number in range(5)))
    world.api.answers[PODS].append(failure(410, "expired"))
    done = world.check()
    assert done.stdout.count("cluster: error: pod ") == 5


def test_an_older_version_of_claims(world: World) -> None:
    world.api.serve(CLAIMS)
    world.api.put(CLAIMS, {"metadata": {"namespace": "team-a", "name": "c"}, "spec": {}})
    assert "read resourceclaims: 1" in world.check().stderr


def test_rights(world: World) -> None:
    """A verdict without pods is no verdict; without Jobs it says so."""
    world.api.answer_always["/apis/batch/v1/jobs"] = failure(403, "no")
    done = world.check()
    assert done.exit_code == 0
    assert "read jobs: not checked: jobs.batch: list is forbidden" in done.stderr
    world.api.answer_always[PODS] = failure(403, "no")
    done = world.check()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "nadmit: pods: list is forbidden" in done.stderr


def test_options() -> None:
    neither = CliRunner().invoke(nadmit, ["check"])
    assert (neither.exit_code, "Give PATHs, or --cluster." in neither.output) == (2, True)
    alone = CliRunner().invoke(nadmit, ["check", "x", "--kubeconfig", "y"])
    assert (alone.exit_code, "--kubeconfig belongs to --cluster." in alone.output) == (2, True)


def test_the_output_of_kubectl_is_judged_alike(world: World) -> None:
    """`kubectl get pods,... -A -o yaml | nadmit check -`."""
    running = {"apiVersion": "v1", "kind": "Pod", **pod("good", "data-plane")}
    definition = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", **network("data-plane")}
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [definition, running]})
    done = CliRunner().invoke(nadmit, ["check", "-"], input=text)
    assert "network-status" not in done.output
    del running["status"]
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [definition, running]})
    assert "network-status" in CliRunner().invoke(nadmit, ["check", "-"], input=text).output
