"""Objects that are being deleted, at a real API server: a finalizer and a grace period open no side door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.rig.registered import NETWORKS, Object
from tests.cluster.rig.tenants import BOB, Tenants, annotate, config_of, network, pod, policy, refused, tenants
from tests.realapi.server import MERGE_PATCH, RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

HOLD = "example.com/hold"
LAN = config_of("macvlan", master="bond1")
HOST_DEVICE = config_of("host-device", device="eth3")
ONLY_MACVLAN = policy(
    "only-macvlan", definitions=[{"name": "m", "action": "Allow", "config": {"pluginTypes": ["macvlan"]}}]
)
NETWORK = "/apis/k8s.cni.cncf.io/v1/namespaces/blue/network-attachment-definitions/held"


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("way-out") / "certs") as world:
        yield world


@pytest.fixture
def world(served: Tenants) -> Iterator[Tenants]:
    served.settle(ONLY_MACVLAN, networks={"blue/lan": LAN, "infra/storage": LAN})
    yield served
    served.clear()


def patch(world: Tenants, kind: str, name: str, value: Object, *words: str) -> Any:
    return world.kubectl("patch", kind, name, "-n", "blue", "--type=merge", *words, "-p", json.dumps(value))


def test_a_definition_that_a_finalizer_holds(world: Tenants) -> None:
    held = network("blue/held", LAN)
    held["metadata"]["finalizers"] = [HOLD]
    assert world.create(held).returncode == 0
    assert world.kubectl("delete", "net-attach-def", "held", "-n", "blue", "--wait=false").returncode == 0
    assert "deletionTimestamp" in world.api.must("GET", NETWORK)["metadata"]
    rewritten = patch(world, "net-attach-def", "held", {"spec": HOST_DEVICE})
    assert refused(rewritten, "CNI plugin type host-device is not one of macvlan", by="networks")
    # It is a network until it is deleted.
    world.running("web", networks="held")
    assert patch(world, "net-attach-def", "held", {"metadata": {"labels": {"a": "b"}}}).returncode == 0
    assert patch(world, "net-attach-def", "held", {"metadata": {"finalizers": []}}).returncode == 0
    assert world.api.ask("GET", NETWORK).status == 404


def test_a_definition_that_breaks_newer_rules_can_be_deleted(world: Tenants) -> None:
    """A definition that breaks newer rules can still be deleted."""
    held = network("blue/held", LAN)
    held["metadata"]["finalizers"] = [HOLD]
    world.api.put(held)
    nothing = policy(
        "only-macvlan", definitions=[{"name": "m", "action": "Allow", "config": {"pluginTypes": ["bridge"]}}]
    )
    world.settle(nothing)
    assert world.kubectl("delete", "net-attach-def", "held", "-n", "blue", "--wait=false").returncode == 0
    assert patch(world, "net-attach-def", "held", {"metadata": {"finalizers": None}}).returncode == 0
    assert world.api.ask("GET", NETWORK).status == 404


@pytest.mark.parametrize("subresource", ["", "status"])
def test_a_pod_in_its_grace_period(world: Tenants, subresource: str) -> None:
    name = f"web-{subresource}x"
    made = pod("lan", name=name, nodeName="n1", terminationGracePeriodSeconds=86400)
    made["metadata"]["finalizers"] = [HOLD]
    assert world.create(made).returncode == 0
    assert world.kubectl("delete", "pod", name, "-n", "blue", "--wait=false").returncode == 0
    metadata = world.api.must("GET", f"/api/v1/namespaces/blue/pods/{name}")["metadata"]
    assert "deletionTimestamp" in metadata
    where = {"subresource": subresource} if subresource else {}
    changed = annotate(world, name, {NETWORKS: "lan,infra/storage"}, **where, user=BOB)
    assert refused(changed, 'namespace "infra"')
    assert annotate(world, name, {"note": "x"}, **where, user=BOB).returncode == 0
    assert annotate(world, name, {NETWORKS: None}, **where, user=BOB).returncode == 0
    assert patch(world, "pod", name, {"metadata": {"finalizers": None}}).returncode == 0


@pytest.mark.parametrize("subresource", ["ephemeralcontainers", "resize"])
def test_other_subresources_leave_annotations_alone(world: Tenants, subresource: str) -> None:
    """The API server keeps the annotations of the pod, so it need not call the webhook."""
    world.running("web", networks="lan")
    path = f"/api/v1/namespaces/blue/pods/web/{subresource}"
    forged = {"metadata": {"annotations": {NETWORKS: "infra/storage", "note": "x"}}}
    answer = world.api.ask("PATCH", path, forged, kind=MERGE_PATCH)
    assert answer.status == 200, answer.value
    assert world.api.must("GET", "/api/v1/namespaces/blue/pods/web")["metadata"]["annotations"] == {NETWORKS: "lan"}


@pytest.mark.parametrize("metadata", [{}, {"deletionTimestamp": "2026-11-28T15:00:00Z"}], ids=["plain", "deleted"])
def test_a_binding_with_networks_is_refused_even_if_it_claims_to_be_deleted(world: Tenants, metadata: Object) -> None:
    """NB: the API server removes deletionTimestamp from new objects, but not from a Binding."""
    world.running("web")
    marked = {"name": "web", "annotations": {NETWORKS: "infra/storage"}, **metadata}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": marked, "target": {"kind": "Node", "name": "n1"}}
    answer = world.api.ask("POST", "/api/v1/namespaces/blue/pods/web/binding", binding)
    assert answer.status == 403, answer.value
    assert "bindings.access.nadmit.io" in answer.value["message"]


def test_a_new_pod_with_a_deletion_timestamp_is_judged(world: Tenants) -> None:
    made = pod("infra/storage", name="late")
    made["metadata"] |= {"deletionTimestamp": "2026-11-28T15:00:00Z", "deletionGracePeriodSeconds": 30}
    answer = world.api.ask("POST", "/api/v1/namespaces/blue/pods", made)
    assert (answer.status, 'namespace "infra"' in answer.value["message"]) == (403, True), answer.value
