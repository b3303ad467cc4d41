"""Workloads of other programs at a real API server: machines of KubeVirt, and Argo Rollouts.

The CustomResourceDefinitions are small ones of these groups, and are installed after the webhook has registered. As in
KubeVirt, a VirtualMachineInstance has no status subresource. No controller runs.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.rig.foreignkinds import definition, installed, made, place_of
from tests.cluster.rig.registered import NETWORKS, Object, reviews
from tests.cluster.rig.tenants import ADMIN, Tenants, admitted, config_of, refused, tenants
from tests.realapi.server import RealApiServer
from webhook.admission.templates.workloadtable import CLUSTER_KINDS, KNOWN

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

MACVLAN = config_of("macvlan", master="bond1")
NETS: dict[str, Object] = dict.fromkeys(("blue/lan", "blue/data", "infra/storage", "default/internet"), MACVLAN)
DENIED = ("may not attach to infra/storage", "default posture Isolated")
KINDS = [
    definition(kind.group, kind.kind, one.plural, scope="Cluster" if kind in CLUSTER_KINDS else "Namespaced")
    for kind, one in KNOWN.items()
    if kind.group.endswith("kubevirt.io") or kind.kind == "Rollout"
]


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("workloads") / "certs") as world, installed(real_api, *KINDS):
        yield world


@pytest.fixture
def world(served: Tenants) -> Iterator[Tenants]:
    """Posture Isolated, no policies, and the networks."""
    served.clear()
    served.settle(networks=NETS)
    yield served
    served.clear()
    for one in KINDS:
        scope = "/namespaces/blue" if one["spec"]["scope"] == "Namespaced" else ""
        group, version, plural = place_of(one)
        served.api.must("DELETE", f"/apis/{group}/{version}{scope}/{plural}")


def machine(*networks: Object, **interface: str) -> Object:
    """Return the spec of a machine with the pod network and these."""
    every = [{"name": "default", "pod": {}}, *networks]
    interfaces = [{"name": one["name"], **(interface if one in networks else {})} for one in every]
    return {"domain": {"devices": {"interfaces": interfaces}}, "networks": every}


def multus(network: str, **more: Any) -> Object:
    return {"name": network.replace("/", "-"), "multus": {"networkName": network, **more}}


def vm(*networks: Object, **interface: str) -> Object:
    return made(
        "kubevirt.io", "VirtualMachine", {"running": True, "template": {"spec": machine(*networks, **interface)}}
    )


FORMS: dict[str, tuple[str, str, Callable[[Object], Object]]] = {
    "VirtualMachine": ("kubevirt.io", "spec.template.spec", lambda spec: {"template": {"spec": spec}}),
    "VirtualMachineInstance": ("kubevirt.io", "spec", lambda spec: spec),
    "VirtualMachineInstanceReplicaSet": (
        "kubevirt.io",
        "spec.template.spec",
        lambda spec: {"replicas": 1, "template": {"spec": spec}},
    ),
    "VirtualMachinePool": (
        "pool.kubevirt.io",
        "spec.virtualMachineTemplate.spec.template.spec",
        lambda spec: {"virtualMachineTemplate": {"spec": {"template": {"spec": spec}}}},
    ),
}


@pytest.mark.parametrize("kind", FORMS)
def test_a_machine_of_each_kind(world: Tenants, kind: str) -> None:
    group, path, form = FORMS[kind]
    own = made(group, kind, form(machine(multus("lan"), multus("default/internet"))), name="own")
    assert admitted(world.create(own, user=ADMIN))
    foreign = made(group, kind, form(machine(multus("infra/storage"))))
    done = world.create(foreign, user=ADMIN)
    assert refused(done, *DENIED, f"- infra/storage ({path}.networks[1])", by="machines")
    missing = world.create(made(group, kind, form(machine(multus("lam")))), user=ADMIN)
    assert admitted(missing)
    assert (
        f'Warning: {path}.networks[1].multus.networkName: there is no NetworkAttachmentDefinition "lam" in namespace '
        '"blue"; did you mean "lan"? pods will be refused until it exists'
    ) in missing.stderr


def test_the_default_network_and_the_mac_address(world: Tenants) -> None:
    done = world.create(vm(multus("lan", default=True)), user=ADMIN)
    assert "the pod asks to replace the cluster's default network" in done.stderr
    assert 'remove "default: true"' in done.stderr
    wrong = world.create(vm(multus("lan"), macAddress="02:00"), user=ADMIN)
    assert "spec.template.spec.domain.devices.interfaces[1].macAddress: this is not a MAC address" in wrong.stderr
    assert admitted(world.create(vm(multus("lan"), macAddress="02:00:00:00:00:01"), user=ADMIN))


def test_the_live_update_of_a_network_name(world: Tenants) -> None:
    assert admitted(world.create(vm(multus("lan")), user=ADMIN))

    def update(network: str) -> Any:
        change = {"op": "replace", "path": "/spec/template/spec/networks/1/multus/networkName", "value": network}
        words = ("patch", "virtualmachine", "db", "-n", "blue", "--type=json", "-p", json.dumps([change]))
        return world.kubectl(*words, user=ADMIN)

    assert admitted(update("data"))
    assert refused(update("infra/storage"), *DENIED, by="machines")
    done = update("lam")
    assert admitted(done)
    assert "Warning: spec.template.spec.networks[1].multus.networkName: there is no" in done.stderr


def test_which_changes_of_a_machine_call_the_webhook(world: Tenants) -> None:
    """NB: an instance has no status subresource, and its status changes with every heartbeat."""
    instance = made("kubevirt.io", "VirtualMachineInstance", machine(multus("lan")))
    before = reviews(world.server)
    assert admitted(world.create(instance, user=ADMIN))
    assert reviews(world.server) == before + 1
    path = world.api.path_of(instance)
    stored = world.api.must("GET", path)
    stored = world.api.must("PUT", path, {**stored, "status": {"phase": "Running"}})
    stored = world.api.must("PUT", path, {**stored, "metadata": {**stored["metadata"], "labels": {"a": "b"}}})
    assert reviews(world.server) == before + 1
    changed = copy.deepcopy(stored)
    changed["spec"]["networks"][1]["multus"]["networkName"] = "data"
    world.api.must("PUT", path, changed)
    assert reviews(world.server) == before + 2
    assert admitted(world.create(vm(), user=ADMIN))
    assert reviews(world.server) == before + 2, "a machine without such a network"


def test_annotations_for_machines_of_others(world: Tenants) -> None:
    group = "instancetype.kubevirt.io"
    for kind in ("VirtualMachinePreference", "VirtualMachineClusterPreference", "VirtualMachineClusterInstancetype"):
        bad = made(group, kind, {"annotations": {NETWORKS: "lan;lan"}})
        assert f"spec.annotations[{NETWORKS}]" in world.create(bad, user=ADMIN).stderr
        assert admitted(world.create(made(group, kind, {"annotations": {NETWORKS: "infra/storage"}}), user=ADMIN))
    warned = world.create(
        made(group, "VirtualMachineInstancetype", {"annotations": {NETWORKS: "infra/storage"}}), user=ADMIN
    )
    assert "virtualmachineinstancetype blue/db to infra/storage would be denied" in warned.stderr


def test_a_rollout(world: Tenants) -> None:
    def rollout(networks: str) -> Object:
        metadata = {"annotations": {NETWORKS: networks}}
        template = {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        return made("argoproj.io", "Rollout", {"replicas": 1, "template": template})

    assert refused(world.create(rollout("lan,infra/storage"), user=ADMIN), *DENIED, by="other-workloads")
    before = reviews(world.server)
    assert admitted(world.create(rollout("lan"), user=ADMIN))
    assert reviews(world.server) == before + 1
    words = ("patch", "rollout", "db", "-n", "blue", "--type=merge", "-p")
    assert admitted(world.kubectl(*words, json.dumps({"metadata": {"labels": {"a": "b"}}}), user=ADMIN))
    assert reviews(world.server) == before + 1
    assert admitted(world.kubectl(*words, json.dumps({"spec": {"replicas": 2}}), user=ADMIN))
    assert reviews(world.server) == before + 2
    plain = made("argoproj.io", "Rollout", {"template": {"spec": {"containers": [{"name": "c"}]}}}, name="plain")
    assert admitted(world.create(plain, user=ADMIN))
    assert reviews(world.server) == before + 2
