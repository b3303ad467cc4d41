"""Devices of device plugins, and their information in network-status (NPWG 5.3.7, Device Information 1.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.clauses import MUST, PRACTICE, clause
from conformance.rig.node import ADD, DEL, DEVICE_INFO, KUBELET, Case

NPWG, INFO = "npwg-1.3", "5.3.7"
RESOURCE = "example.com/fast"
RESOURCE_KEY = "k8s.v1.cni.cncf.io/resourceName"
DEVICES = ["0000:03:02.0", "0000:03:02.1"]
CAPABILITIES = ("deviceID", "CNIDeviceInfoFile")


def info(device: str) -> dict[str, Any]:
    """Return device information of a PCI device."""
    return {"type": "pci", "version": "1.1.0", "pci": {"pci-address": device}}


def give(case: Case, *devices: str) -> None:
    """Give the pod devices, as the kubelet records them, and write what the device plugin knows of them."""
    entry = {"PodUID": case.uid, "ContainerName": "main", "ResourceName": RESOURCE, "DeviceIDs": {"0": list(devices)}}
    data = {"PodDeviceEntries": [{**entry, "AllocResp": ""}], "RegisteredDevices": {RESOURCE: DEVICES}}
    path = KUBELET / "device-plugins" / "kubelet_internal_checkpoint"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"Data": data, "Checksum": 1}), encoding="utf-8")
    for device in devices:
        file = DEVICE_INFO / "dp" / f"{RESOURCE.replace('/', '-')}-{device}-device.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(info(device)), encoding="utf-8")


def define(case: Case, name: str) -> None:
    """Define a network that needs a device."""
    case.define(name, case.config(name, capabilities=CAPABILITIES), annotations={RESOURCE_KEY: RESOURCE})


@pytest.fixture(autouse=True)
def one_device(case: Case) -> None:
    """Select network `one`, and give the pod the first device."""
    define(case, "one")
    case.pod("one")
    give(case, DEVICES[0])


@clause("practice", "status", PRACTICE)
def test_the_device_reaches_the_plugin(case: Case) -> None:
    """The plugin gets the device of the pod as `deviceID` in its configuration."""
    case.add().succeeds()
    assert case.the_call(ADD, "one").config["deviceID"] == DEVICES[0]


@clause("practice", "status", PRACTICE)
def test_the_device_is_a_capability_argument(case: Case) -> None:
    """A plugin with the capability `deviceID` gets it in `runtimeConfig`."""
    case.add().succeeds()
    assert case.the_call(ADD, "one").runtime_config["deviceID"] == DEVICES[0]


@clause("practice", "status", PRACTICE)
def test_two_attachments_have_two_devices(case: Case) -> None:
    """Two attachments of one resource get different devices."""
    define(case, "two")
    case.pod("one,two")
    give(case, *DEVICES)
    case.add().succeeds()
    assert {case.the_call(ADD, kind).config["deviceID"] for kind in ("one", "two")} == set(DEVICES)


@clause("practice", "status", PRACTICE)
def test_too_few_devices(case: Case) -> None:
    """No two attachments share a device: with one device for two, the pod fails, or the second one gets none."""
    define(case, "two")
    case.pod("one,two")
    give(case, DEVICES[0])
    case.add()
    given = [call.config.get("deviceID") for kind in ("one", "two") for call in case.calls(ADD, kind)]
    assert given.count(DEVICES[0]) <= 1


@clause(NPWG, INFO, MUST)
def test_device_information_in_the_status(case: Case) -> None:
    """The entry of the attachment has the information of its device."""
    case.add().succeeds()
    assert case.status_of("net1")["device-info"] == info(DEVICES[0])


@clause(NPWG, INFO, MUST)
def test_no_device_information_without_a_device(case: Case) -> None:
    """An attachment without a device has no information."""
    case.define("two")
    case.pod("two")
    case.add().succeeds()
    assert "device-info" not in case.status_of("net1")


@clause(NPWG, INFO, PRACTICE)
def test_the_plugin_gets_a_path(case: Case) -> None:
    """A plugin with the capability `CNIDeviceInfoFile` gets the path of its file."""
    case.add().succeeds()
    assert case.the_call(ADD, "one").runtime_config["CNIDeviceInfoFile"].startswith("/")


@clause(NPWG, INFO, PRACTICE)
def test_what_the_plugin_writes(case: Case) -> None:
    """Information that the plugin writes is in the status."""
    case.define("two", case.config("two", capabilities=["CNIDeviceInfoFile"]))
    written = {"type": "vhost-user", "version": "1.1.0", "vhost-user": {"mode": "client", "path": "/run/x.sock"}}
    case.delegates.script("two", ADD, {"write": {"{CNIDeviceInfoFile}": json.dumps(written)}})
    case.pod("two")
    case.add().succeeds()
    assert case.status_of("net1")["device-info"] == written


@clause("cni-1.1", "3.deleting", PRACTICE)
def test_the_device_on_detach(case: Case) -> None:
    """DEL has the device of ADD."""
    case.add().succeeds()
    case.delete().succeeds()
    assert case.the_call(DEL, "one").config["deviceID"] == DEVICES[0]


@clause("practice", "del", PRACTICE)
def test_the_files_are_removed(case: Case) -> None:
    """After DEL no device information of the attachment is left."""
    case.add().succeeds()
    case.delete().succeeds()
    assert [path.name for path in (DEVICE_INFO / "cni").glob("*")] == []


@clause("practice", "status", PRACTICE)
def test_the_default_network_has_no_device(case: Case) -> None:
    """The default network, which needs no device, gets none."""
    case.add().succeeds()
    assert "deviceID" not in case.the_call(ADD, "cluster").config
