"""`nadmit plan` at a real API server: predict, `kubectl apply`, delete the pods, create them again, compare."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from cniplugin.cnierrors import CniError
from cniplugin.netspec.errors import SpecErrors
from tests.cluster.rig.tenants import ADMIN, CANARY, Tenants, config_of, network, pod, policy, tenants
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from tests.webhook.commands.planning.world import NETWORKS, node_plan
from webhook.admission.model.injection import DEFAULT_NETWORKS
from webhook.cli import nadmit

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

Json = dict[str, Any]
RESOURCE = "k8s.v1.cni.cncf.io/resourceName"
NAD = "NetworkAttachmentDefinition"
DHCP: dict[str, Any] = {"ipam": {"type": "dhcp"}}


def nad(name: str, plugin: str = "macvlan", resource: str = "", **more: Any) -> Json:
    """Return a definition of blue."""
    made = network(f"blue/{name}", config_of(plugin, **more))
    if resource:
        made["metadata"]["annotations"] = {RESOURCE: resource}
    return made


def deployment(name: str, networks: str | None) -> Json:
    made = pod(networks, labels={"app": name})
    template = {"metadata": {key: made["metadata"][key] for key in ("labels", "annotations")}, "spec": made["spec"]}
    metadata = {"name": name, "namespace": "blue"}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


LAN, BR = nad("lan", master="eth1", **DHCP), nad("br", "bridge", bridge="br0", **DHCP)
FAST = nad("fast", "sriov", "intel.com/vf", vlan=10)
BASE_NETWORKS = (LAN, BR, FAST, network("green/uplink", config_of("macvlan", master="eth2", **DHCP)))
WORKLOADS = tuple(
    deployment(name, networks)
    for name, networks in {
        "web": "lan", "two": "lan,br", "dpdk": "fast", "waits": "later", "plain": None,
    }.items()
)  # fmt: skip
ALONE = pod("br", name="alone", labels={"app": "alone"})
SHUT = policy(
    "shut",
    pods=[{"namespaces": ["blue"]}],
    attachments=[{"name": "one", "action": "Deny", "networks": [{"names": ["br"]}]}],
)


class Case(NamedTuple):
    """Objects that are applied, then objects that are deleted; `before`: applied to the base first."""

    id: str
    applied: Sequence[Json] = ()
    deleted: Sequence[str] = ()
    config: Mapping[str, Any] = {}
    before: Sequence[Json] = ()


def config(**spec: Any) -> Json:
    head = {"apiVersion": "access.nadmit.io/v1alpha1", "kind": "NetworkAttachmentPolicyConfig"}
    return {**head, "metadata": {"name": "cluster"}, "spec": spec}


def blue(**metadata: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue", **metadata}}


def formatted(one: Json) -> Json:
    made = copy.deepcopy(one)
    made["spec"]["config"] = json.dumps(json.loads(one["spec"]["config"]), indent=4, sort_keys=True)
    return made


CASES = (
    Case("form", [formatted(LAN), formatted(BR)]),
    Case("master", [nad("lan", master="eth9", **DHCP)]),
    Case("type", [nad("lan", "ipvlan", master="eth1", **DHCP)]),
    Case("addresses", [nad("br", "bridge", bridge="br0", ipam={"type": "host-local", "subnet": "10.9.0.0/24"})]),
    Case("resource", [nad("fast", "sriov", "intel.com/other", vlan=10)]),
    Case("bad definition", [nad("br", "bridge", bridge="br0", ipam={"type": "host-local", "subnet": "10.9.0.1/24"})]),
    Case("created", [nad("later", master="eth1", **DHCP)]),
    Case("deleted", deleted=["net-attach-def/blue/br"]),
    Case("renamed", [nad("lan2", master="eth1", **DHCP)], ["net-attach-def/blue/lan"]),
    Case("policy created", [SHUT]),
    Case("policy deleted", deleted=["networkattachmentpolicy/shut"], before=[SHUT]),
    Case("posture Strict", [config(posture="Strict")], config={"posture": "Strict"}),
    Case("default networks", [blue(annotations={DEFAULT_NETWORKS: "br"})]),
    Case(
        "labels that a rule selects by",
        [
            policy(
                "red",
                pods=[{"namespaceSelector": {"matchLabels": {"tenant": "red"}}}],
                attachments=[{"name": "one", "action": "Deny", "networks": [{"names": ["lan"]}]}],
            ),
            blue(labels={"tenant": "red"}),
        ],
    ),
    Case("template", [deployment("web", "br")]),
    Case(
        "several",
        [nad("lan", master="eth7", **DHCP), nad("later", master="eth1", **DHCP), SHUT],
        ["net-attach-def/blue/fast"],
    ),
)


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("plan") / "certs") as world:
        yield world


class Cluster:
    """The base, with the pods of all workloads as controllers make them."""

    def __init__(self, world: Tenants) -> None:
        self.world = world
        self.api = world.api

    def build(self, case: Case) -> None:
        assert all(self.apply([*BASE_NETWORKS, *WORKLOADS]))
        self.settle({})
        self.create_all()
        assert all(self.apply(case.before))
        self.settle({})

    def clear(self) -> None:
        self.world.clear()
        for kind in ("replicasets", "deployments"):
            self.api.must(
                "DELETE", f"/apis/apps/v1/namespaces/blue/{kind}", {"kind": "DeleteOptions", "apiVersion": "v1"}
            )
        self.world.kubectl("annotate", "namespace", "blue", f"{DEFAULT_NETWORKS}-", user=ADMIN)
        self.world.kubectl("label", "namespace", "blue", "tenant=blue", "--overwrite", user=ADMIN)
        self.settle({})

    def apply(self, objects: Sequence[Json]) -> list[bool]:
        """Run kubectl apply for each object, and return whether it was admitted."""
        return [self.world.apply(one, user=ADMIN).returncode == 0 for one in objects]

    def settle(self, spec: Mapping[str, Any]) -> None:
        """Wait until the webhook has seen all changes: of rules and networks, and of namespaces."""
        self.world.settle(config=spec)
        mark = f"seen{next(self.world._numbers)}"  # one counter for all marks
        self.world.kubectl("annotate", "namespace", CANARY, "--overwrite", f"{DEFAULT_NETWORKS}={mark}", user=ADMIN)
        probe = pod(namespace=CANARY)
        wait_until(lambda: mark in self.world.create(probe, "--dry-run=server", user=ADMIN).stderr)

    def pods(self) -> dict[str, Json]:
        """Return the pod of each maker."""
        found = {"pod blue/alone": ALONE}
        for one in self.api.must("GET", "/apis/apps/v1/namespaces/blue/deployments")["items"]:
            template = one["spec"]["template"]
            name = one["metadata"]["name"]
            metadata = {**template["metadata"], "namespace": "blue", "name": f"{name}-0"}
            made = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
            found[f"deployment blue/{name}"] = made
        return found

    def create_all(self) -> dict[str, Json | str]:
        """Create the pod of each maker, and return what was stored, or the refusal."""
        found: dict[str, Json | str] = {}
        for title, one in self.pods().items():
            owner = self.revision(title, one) if title != "pod blue/alone" else None
            made = copy.deepcopy(one)
            made["metadata"].pop("creationTimestamp", None)
            if owner is not None:
                made["metadata"]["ownerReferences"] = [owner]
            status, value = self.api.ask("POST", "/api/v1/namespaces/blue/pods", made)
            found[title] = value if status == 201 else str(value["message"])
        return found

    def revision(self, title: str, one: Json) -> Json:
        """Return a reference to the ReplicaSet of a Deployment, which is made if there is none."""
        name = title.partition("/")[2]
        path = "/apis/apps/v1/namespaces/blue"
        status, found = self.api.ask("GET", f"{path}/replicasets/{name}-5d8f")
        if status == 404:
            of = self.api.must("GET", f"{path}/deployments/{name}")
            owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": of["metadata"]["uid"]}
            metadata = {"name": f"{name}-5d8f", "ownerReferences": [{**owner, "controller": True}]}
            kept = {key: one["metadata"][key] for key in ("labels", "annotations") if key in one["metadata"]}
            spec = {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": kept, "spec": one["spec"]}}
            made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}
            found = self.api.must("POST", f"{path}/replicasets", made)
        uid = found["metadata"]["uid"]
        return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-5d8f", "uid": uid, "controller": True}

    def recreate_all(self) -> dict[str, Json | str]:
        now = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        self.api.must("DELETE", "/api/v1/namespaces/blue/pods", now)
        wait_until(lambda: not self.api.must("GET", "/api/v1/namespaces/blue/pods")["items"])
        return self.create_all()

    def got(self, found: Json | str) -> Any:
        """Return what a pod has: the networks that a node plans, and what the webhook has put in."""
        if isinstance(found, str):
            return "missing" if "there is no NetworkAttachmentDefinition" in found else "refused"
        spec = found["spec"]
        volumes = [one["name"] for one in spec.get("volumes", []) if one["name"] == "podnetinfo"]
        put = (spec["containers"][0].get("resources", {}), spec.get("nodeSelector", {}), volumes)
        try:
            planned = node_plan(found, self.look_up)
        except (SpecErrors, CniError) as error:
            return f"unplanned: {error}"
        return json.dumps([planned, put], sort_keys=True)

    def look_up(self, path: str) -> Json | None:
        status, value = self.api.ask("GET", path)
        return value if status == 200 else None


def expected(before: str, after: str) -> str:
    was, is_now = (one not in {"missing", "refused"} for one in (before, after))
    if was and is_now:
        return "kept" if before == after else "other"
    if is_now:
        return "admitted"
    return ("lost" if after == "missing" else "refused") if was else "stillRefused"


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_is_predicted_happens(served: Tenants, case: Case, tmp_path: Any) -> None:
    cluster = Cluster(served)
    try:
        cluster.build(case)
        before = {title: cluster.got(found) for title, found in cluster.recreate_all().items()}
        file = tmp_path / "change.yaml"
        file.write_text("\n---\n".join(json.dumps(one) for one in case.applied))
        words = ["plan", "--kubeconfig", str(served.api.admin_kubeconfig), "-o", "json"]
        words += [str(file)] if case.applied else []
        words += [word for one in case.deleted for word in ("--delete", one)]
        done = CliRunner().invoke(nadmit, words, catch_exceptions=False)
        assert done.exit_code in (0, 1), done.output
        plan = json.loads(done.stdout)
        stored = cluster.apply(case.applied)
        for one in case.deleted:
            kind, _, rest = one.partition("/")
            namespace, _, name = rest.rpartition("/")
            where = ["-n", namespace] if namespace else []
            stored.append(served.kubectl("delete", kind, name, *where, user=ADMIN).returncode == 0)
        cluster.settle(case.config)
        after = {title: cluster.got(found) for title, found in cluster.recreate_all().items()}
    finally:
        cluster.clear()
    if before["pod blue/alone"] == "refused":  # it was deleted and is not there, and nothing else makes it
        del after["pod blue/alone"]
    assert [not one["refused"] for one in plan["objects"]] == stored
    told = {f"{one['kind'].lower()} {one['namespace']}/{one['name']}": one["effect"] for one in plan["effects"]}
    said = {title: {"warned": "kept"}.get(told.get(title, "kept"), told.get(title, "kept")) for title in after}
    assert said == {title: expected(before[title], fate) for title, fate in after.items()}
    assert set(told) <= set(after)
    assert plan["nothingChanges"] is (case.id == "form")
    assert plan["unread"] == []


def test_the_answer_before_a_change_is_that_of_a_dry_run(served: Tenants) -> None:
    """The base of the comparison is the pod as users would get it now."""
    made = served.create(pod(namespace="blue"), "--dry-run=server", "-o", "json", user=ADMIN)
    assert made.returncode == 0, made.stderr
    assert NETWORKS not in json.loads(made.stdout)["metadata"].get("annotations", {})
