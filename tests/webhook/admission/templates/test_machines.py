"""The pod of a virtual machine, as KubeVirt makes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.requests import ClaimReference
from webhook.admission.templates.machines import MachinePlace, find_machine
from webhook.admission.templates.podtemplates import FoundPod, object_of
from webhook.admission.templates.workloadtable import KNOWN, MACHINES

Json = dict[str, Any]


def machine(
    *networks: Json, interfaces: list[Json] | None = None, annotations: Json | None = None, **spec: Any
) -> Json:
    given = [{"name": network["name"], "bridge": {}} for network in networks] if interfaces is None else interfaces
    metadata = {"labels": {"app": "db"}, **({"annotations": annotations} if annotations is not None else {})}
    return {
        "metadata": metadata,
        "spec": {"domain": {"devices": {"interfaces": given}}, "networks": [*networks], **spec},
    }


def vm(template: Json, **metadata: str) -> Json:
    return {"metadata": {"name": "db", "namespace": "blue", **metadata}, "spec": {"template": template}}


def multus(name: str, network: str, **more: Any) -> Json:
    return {"name": name, "multus": {"networkName": network, **more}}


POD: Json = {"name": "default", "pod": {}}


def found_in(template: Json) -> FoundPod:
    (found,) = find_machine(vm(template), "spec.template", is_named=True)
    return found


def annotations_of(template: Json) -> Json:
    found: Json = found_in(template).pod["metadata"]["annotations"]
    return {**found, **({NETWORKS: json.loads(found[NETWORKS])} if NETWORKS in found else {})}


def test_the_annotation_of_its_networks() -> None:
    template = machine(
        POD,
        multus("data", "lan"),
        multus("san", "infra/storage"),
        interfaces=[
            {"name": "san", "bridge": {}},
            {"name": "data", "bridge": {}, "macAddress": "02:11:22:33:44:55"},
            {"name": "default", "masquerade": {}},
        ],
    )
    found = annotations_of(template)
    assert found == {
        NETWORKS: [
            {
                "name": "lan",
                "namespace": "blue",
                "interface": found[NETWORKS][0]["interface"],
                "mac": "02:11:22:33:44:55",
            },
            {"name": "storage", "namespace": "infra", "interface": found[NETWORKS][1]["interface"]},
        ]
    }


def test_the_interface_is_the_one_of_kubevirt() -> None:
    """The pair is from KubeVirt's own tests (pkg/network/controllers/vmi_test.go)."""
    (item,) = annotations_of(machine(multus("iface1", "meganet")))[NETWORKS]
    assert item["interface"] == "pod7e0055a6880"


def test_the_default_network_is_an_annotation_of_its_own() -> None:
    assert annotations_of(machine(multus("a", "infra/storage", default=True), multus("b", "lan"))) == {
        DEFAULT_NETWORK: "infra/storage",
        NETWORKS: [{"name": "lan", "namespace": "blue", "interface": "pod3e23e816003"}],
    }
    assert annotations_of(machine(multus("a", "x", default=True), multus("b", "y", default=True))) == {
        DEFAULT_NETWORK: "x,y"
    }


def test_an_interface_that_is_unplugged_has_no_network() -> None:
    interfaces = [{"name": "a", "state": "absent"}, {"name": "b", "state": "up"}]
    found = annotations_of(machine(multus("a", "x"), multus("b", "y"), interfaces=interfaces))
    assert [item["name"] for item in found[NETWORKS]] == ["y"]


def test_annotations_of_the_machine_reach_its_pod() -> None:
    own = {NETWORKS: "lan", "other": "1"}
    assert found_in(machine(POD, annotations=own)).pod["metadata"]["annotations"] == own
    assert found_in(machine(POD, annotations=own)).replaced == ()
    found = found_in(machine(multus("a", "x"), annotations={**own, DEFAULT_NETWORK: "y"}))
    assert found.replaced == (f"spec.template.metadata.annotations[{NETWORKS}]",)
    assert found.pod["metadata"]["annotations"][DEFAULT_NETWORK] == "y"


def test_labels_and_account_of_the_pod() -> None:
    pod = object_of(found_in(machine(POD)), vm({}), own={})
    labels = {"app": "db", "kubevirt.io": "virt-launcher", "vm.kubevirt.io/name": "db", "vmi.kubevirt.io/id": "db"}
    assert (pod.labels, pod.service_account, pod.sent) == (labels, "default", None)
    volume = {"name": "v", "serviceAccount": {"serviceAccountName": "robot"}}
    assert object_of(found_in(machine(POD, volumes=[{"name": "w"}, volume])), {}, own={}).service_account == "robot"
    named = machine(POD, volumes=[volume], serviceAccountName="own")
    assert object_of(found_in(named), {}, own={}).service_account == "own"
    claims = [{"name": "nic", "resourceClaimName": "nic"}]
    devices = object_of(found_in(machine(POD, resourceClaims=claims)), {}, own={}).devices
    assert devices is not None
    assert devices.claims() == (ClaimReference("nic"),)


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        ("VirtualMachine", {"spec": {"template": machine(multus("a", "x"))}}, "spec.template."),
        ("VirtualMachineInstance", machine(multus("a", "x")), ""),
        ("VirtualMachineInstanceReplicaSet", {"spec": {"template": machine(multus("a", "x"))}}, "spec.template."),
        (
            "VirtualMachinePool",
            {"spec": {"virtualMachineTemplate": {"spec": {"template": machine(multus("a", "x"))}}}},
            "spec.virtualMachineTemplate.spec.template.",
        ),
    ],
)
def test_the_machine_of_each_kind(kind: str, value: Json, path: str) -> None:
    (known,) = [one for one in MACHINES if one.kind.kind == kind]
    (found,) = known.find(value)
    assert found.place.path == path
    assert found.place.field(NETWORKS, "[0]") == f"{path}spec.networks[0].multus.networkName"
    assert KNOWN[known.kind] is known


def test_where_each_part_is_written() -> None:
    place = MachinePlace("spec.template.", networks=(1, 3), interfaces=(2, None), default=0)
    fields = {
        (NETWORKS, "[0]"): "spec.template.spec.networks[1].multus.networkName",
        (NETWORKS, "[0].name"): "spec.template.spec.networks[1].multus.networkName",
        (NETWORKS, "[0].mac"): "spec.template.spec.domain.devices.interfaces[2].macAddress",
        (NETWORKS, "[1].mac"): "spec.template.spec.networks[3].multus.networkName",
        (NETWORKS, ""): "spec.template.spec.networks",
        (DEFAULT_NETWORK, ""): "spec.template.spec.networks[0].multus.networkName",
    }
    assert {key: place.field(*key) for key in fields} == fields
    assert (place.item(1), place.item(None)) == ("spec.template.spec.networks[3]", "spec.template.spec.networks[0]")
    assert (place.source(1), place.source(None)) == ("this network", '"default: true"')


def test_an_annotation_of_its_own_is_where_it_is_written() -> None:
    place = MachinePlace("spec.template.")
    for key in (NETWORKS, DEFAULT_NETWORK):
        assert place.field(key, "[0].mac") == f"spec.template.metadata.annotations[{key}][0].mac"
    assert (place.item(0), place.item(None), place.source(0), place.source(None)) == ("", "", "", "")


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        {"networks": 5},
        {"networks": ["a", {"name": "b"}, {"multus": None}, {"multus": {}}]},
        {"networks": [multus("a", "x")], "domain": {"devices": {"interfaces": [5, {"name": 5}]}}},
        {"networks": [{"name": 5, "multus": {"networkName": 5, "default": "yes"}}], "volumes": [{"serviceAccount": 5}]},
    ],
)
def test_fields_of_other_types_do_no_harm(spec: object) -> None:
    """A file may hold what the API server would refuse."""
    (found,) = find_machine({"spec": {"template": {"spec": spec}}}, "spec.template", is_named=True)
    object_of(found, {}, own={})
