"""Devices: the kubelet's checkpoint, the choice of devices, and the files of device information."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.attach import devices
from cniplugin.cnierrors import CniError
from cniplugin.netspec import annotation, netattachdef
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from cniplugin.netspec.plan import Plan, plan

A, B = "intel.com/sriov_a", "intel.com/sriov_b"
VF = [f"0000:03:02.{number}" for number in range(8)]
SINGLE = {"cniVersion": "1.0.0", "name": "n", "type": "sriov", "deviceID": "of-the-file"}
CHAIN = {"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "sriov", "vlan": 5}, {"type": "rdma"}]}


def entry(resource: str, ids: object, *, uid: str = "u", container: str = "c") -> dict[str, Any]:
    return {"PodUID": uid, "ContainerName": container, "ResourceName": resource, "DeviceIDs": ids, "AllocResp": "Cg=="}


def checkpoint(*entries: object, registered: object = {}) -> bytes:
    data = {"PodDeviceEntries": list(entries), "RegisteredDevices": registered}
    return json.dumps({"Data": data, "Checksum": 1}).encode()


# The checkpoint

NUMA = {"0": [VF[2]], "1": [VF[0], VF[1]]}
READ: list[tuple[str, bytes, Mapping[str, tuple[str, ...]]]] = [
    ("a list", checkpoint(entry(A, [VF[3], VF[0]])), {A: (VF[0], VF[3])}),
    ("by NUMA node", checkpoint(entry(A, NUMA)), {A: (VF[0], VF[1], VF[2])}),
    ("without a NUMA node", checkpoint(entry(A, {"-1": ["tegra"]})), {A: ("tegra",)}),
    ("a node without devices", checkpoint(entry(A, {"0": None, "1": [VF[1]]})), {A: (VF[1],)}),
    ("a null for a list", checkpoint(entry(A, None)), {A: ()}),
    ("another pod", checkpoint(entry(A, [VF[0]], uid="v"), entry(A, [VF[1]])), {A: (VF[1],)}),
    ("another pod, odd", checkpoint(entry(A, 7, uid="v"), entry(A, [VF[1]])), {A: (VF[1],)}),
    ("two resources", checkpoint(entry(A, [VF[0]]), entry(B, {"0": [VF[4]]})), {A: (VF[0],), B: (VF[4],)}),
    (
        "all containers, an init container's device used again",
        checkpoint(entry(A, [VF[2]], container="init"), entry(A, [VF[2], VF[0]]), entry(A, {"0": [VF[1]]})),
        {A: (VF[0], VF[1], VF[2])},
    ),
    ("nothing", checkpoint(), {}),
    ("nothing, as Go writes it", b'{"Data":{"PodDeviceEntries":null,"RegisteredDevices":null},"Checksum":1}', {}),
    ("without the resources of device plugins", b'{"Data":{"PodDeviceEntries":[]}}', {}),
    (
        "without them, and a device",
        json.dumps({"Data": {"PodDeviceEntries": [entry(A, [VF[0]])]}}).encode(),
        {A: (VF[0],)},
    ),
    ("resources of device plugins, and nothing of them", checkpoint(registered={A: VF, B: None}), {A: (), B: ()}),
    ("one of two resources", checkpoint(entry(B, [VF[4]]), registered={A: VF, B: VF}), {A: (), B: (VF[4],)}),
]


@pytest.mark.parametrize(("data", "found"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_a_checkpoint(data: bytes, found: Mapping[str, tuple[str, ...]]) -> None:
    assert devices.parse_checkpoint(data, "u") == found


DAMAGED: list[tuple[bytes, str]] = [
    (b"", ""),
    (checkpoint(entry(A, [VF[0]]))[:-20], ""),
    (b"\xff\xfe", ""),
    (b"[" * 100_000, ""),
    (b"[]", 'the checkpoint has no "Data" that is an object'),
    (b'{"v2":{}}', 'the checkpoint has no "Data" that is an object'),
    (b'{"Data":{}}', 'Data has no "PodDeviceEntries" that is a list'),
    (b'{"Data":{"PodDeviceEntries":{}}}', 'Data has no "PodDeviceEntries" that is a list'),
    (checkpoint(registered=[]), 'Data has no "RegisteredDevices" that is an object'),
    (checkpoint(7), 'Data.PodDeviceEntries[0] has no "PodUID" that is a string'),
    (checkpoint({"PodUID": "u"}), 'Data.PodDeviceEntries[0] has no "ResourceName" that is a string'),
    (checkpoint(entry(A, []), entry(A, "x")), "Data.PodDeviceEntries[1].DeviceIDs is neither a list of strings"),
    (checkpoint(entry(A, [1])), "Data.PodDeviceEntries[0].DeviceIDs is neither"),
    (checkpoint(entry(A, [""])), "Data.PodDeviceEntries[0].DeviceIDs is neither"),
    (checkpoint(entry(A, {"0": VF[0]})), "Data.PodDeviceEntries[0].DeviceIDs is neither"),
]


@pytest.mark.parametrize(("data", "text"), DAMAGED)
def test_a_damaged_checkpoint(data: bytes, text: str, tmp_path: Path) -> None:
    """The error names the file. Multus goes on without a device."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        devices.parse_checkpoint(data, "u")
    assert text in str(caught.value)
    path = tmp_path / "device-plugins" / "kubelet_internal_checkpoint"
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(CniError) as refused:
        devices.load_devices(str(tmp_path), "u")
    assert refused.value.code == 6
    assert refused.value.msg.startswith(f"{path}: this is not a checkpoint of the kubelet: {text}")
    assert "restart the kubelet" in refused.value.msg


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CniError, match=r'No such file or directory; .* set "kubeletDir"') as refused:
        devices.load_devices(str(tmp_path), "u")
    assert refused.value.code == 5


@pytest.mark.parametrize("has_kubelet", [True, False])
def test_a_node_without_device_plugins_has_no_checkpoint(tmp_path: Path, *, has_kubelet: bool) -> None:
    """The kubelet's socket shows that its directory is this one."""
    (tmp_path / "device-plugins").mkdir()
    if has_kubelet:
        (tmp_path / devices.SOCKET).touch()
        assert devices.load_devices(str(tmp_path), "u") == {}
    else:
        with pytest.raises(CniError, match="No such file or directory"):
            devices.load_devices(str(tmp_path), "u")


def test_a_pod_without_uid() -> None:
    with pytest.raises(CniError, match="K8S_POD_UID is missing") as refused:
        devices.load_devices("/nowhere", "")
    assert refused.value.code == 4


@given(
    st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from([A, B]), st.lists(st.sampled_from(VF)), st.booleans()))
)
def test_both_forms_mean_the_same(given_entries: list[tuple[str, str, list[str], bool]]) -> None:
    """The form and order of the checkpoint do not change the devices; each is listed once, sorted."""
    written = [
        entry(resource, {str(index): [one] for index, one in enumerate(ids)} if is_numa else ids, uid=uid)
        for uid, resource, ids, is_numa in given_entries
    ]
    found = devices.parse_checkpoint(checkpoint(*written), "u")
    assert found == devices.parse_checkpoint(checkpoint(*reversed(written)), "u")
    for resource, ids in found.items():
        assert list(ids) == sorted(
            {one for uid, name, some, _ in given_entries if (uid, name) == ("u", resource) for one in some}
        )


# The plan


def made(text: str, *, conf: Mapping[str, Any] = CHAIN) -> Plan:
    """Return the plan of networks `a`, `a2` (resource A), `b` (B) and `plain` (none)."""
    resources = {"a": A, "a2": A, "b": B, "plain": ""}
    known = {
        name: netattachdef.build(
            namespace="ns",
            name=name,
            config=json.dumps(conf),
            annotations={RESOURCE_NAME: resource} if resource else {},
        )
        for name, resource in resources.items()
    }
    return plan(annotation.parse(text, namespace="ns"), lambda _namespace, name: known.get(name))


def given_to(text: str, own: Mapping[str, tuple[str, ...]]) -> list[str | None]:
    return [attachment.device for attachment in devices.assign(made(text), own).attachments]


OWN = {A: (VF[0], VF[1], VF[2]), B: (VF[5],)}
GIVEN: list[tuple[str, list[str | None]]] = [
    ("plain", [None]),
    ("a", [VF[0]]),
    ("a,a", [VF[0], VF[1]]),
    ("a,a2,a", [VF[0], VF[1], VF[2]]),
    ("a,b,plain,a", [VF[0], VF[5], None, VF[1]]),
    ('[{"name":"a"},{"name":"a","deviceID":"0000:03:02.0"},{"name":"a2"}]', [VF[1], VF[0], VF[2]]),
    ('[{"name":"a","deviceID":"0000:03:02.2"},{"name":"a"}]', [VF[2], VF[0]]),
]


@pytest.mark.parametrize(("text", "expected"), GIVEN)
def test_who_gets_which_device(text: str, expected: list[str | None]) -> None:
    assert given_to(text, OWN) == expected


EXHAUSTED: list[tuple[str, Mapping[str, tuple[str, ...]], tuple[str, ...]]] = [
    (
        "a",
        {A: ()},
        ("network ns/a (net1)", f'resource "{A}"', "none of it, and 1 attachment needs one (net1)", "request 1 of"),
    ),
    ("a", {A: (), B: (VF[0],)}, ("none of it",)),
    (
        "a,plain,a2",
        {A: (VF[0],)},
        (
            "network ns/a2 (net3)",
            f"gave the pod 1 of it ({VF[0]} is given to net1), and 2 attachments need one each (net1, net3)",
            "request 2 of the resource in resources.limits",
        ),
    ),
    # A PCI device that the kubelet gave under two resources is one device.
    ("a,b", {A: (VF[0],), B: (VF[0],)}, ("network ns/b (net2)", f"1 of it ({VF[0]} is given to net1)")),
    (",".join("aaaaaaaaa"), {A: tuple(VF)}, ("8 of it", "and 3 more", "9 attachments need one each", "and 4 more")),
    (
        '[{"name":"a","deviceID":"0000:03:02.0"},{"name":"a","deviceID":"0000:03:02.0"}]',
        OWN,
        ("network ns/a (net2): deviceID: the device is already given to net1", VF[0]),
    ),
]


@pytest.mark.parametrize(("text", "own", "parts"), EXHAUSTED)
def test_no_device_is_left(text: str, own: Mapping[str, tuple[str, ...]], parts: tuple[str, ...]) -> None:
    with pytest.raises(CniError) as refused:
        devices.assign(made(text), own)
    assert refused.value.code == 101
    assert [part for part in parts if part not in refused.value.msg] == []


@pytest.mark.parametrize("own", [{}, {B: (VF[5],)}])
def test_a_resource_without_a_device_plugin_needs_no_device(own: Mapping[str, tuple[str, ...]]) -> None:
    """It counts places on the node, as `bridge.network.kubevirt.io/br1` does."""
    attachments = devices.assign(made("a,b,a,a2" if own else "a"), own).attachments
    assert [(item.device, item.runtime_config) for item in attachments if item.network.name != "b"] == [
        (None, {}) for item in attachments if item.network.name != "b"
    ]
    asked = made('[{"name":"a","deviceID":"0000:03:02.1"}]')
    assert [item.interface for item in devices.find_foreign(asked, own)] == ["net1"]


def test_an_id_means_something_within_its_resource() -> None:
    """Only a PCI address means the same device under each resource."""
    assert given_to("a,b", {A: ("1",), B: ("1",)}) == ["1", "1"]


def test_devices_that_are_not_the_pods() -> None:
    asked = '[{"name":"a","deviceID":"0000:03:02.7"},{"name":"a","deviceID":"0000:03:02.1"},{"name":"b","deviceID":"0000:03:02.1"}]'
    assert [item.interface for item in devices.find_foreign(made(asked), OWN)] == ["net1", "net3"]
    assert devices.find_foreign(made('[{"name":"plain","deviceID":"x"}]'), {}) == ()


@pytest.mark.parametrize("conf", [SINGLE, CHAIN])
def test_every_plugin_gets_the_device(conf: Mapping[str, Any]) -> None:
    """The kubelet's device overrides one in the definition."""
    (attachment,) = devices.assign(made("a", conf=conf), OWN).attachments
    assert attachment.network.config is not None
    plugins = attachment.network.config.plugins
    assert [plugin.conf["deviceID"] for plugin in plugins] == [VF[0]] * len(plugins)
    assert [plugin.conf["pciBusID"] for plugin in plugins] == [VF[0]] * len(plugins)
    assert attachment.runtime_config == {"deviceID": VF[0]}
    bare = {key: value for key, value in conf.items() if key != "deviceID"}
    assert devices.without_device(attachment.network.config.conf, VF[0]) == bare


def test_without_a_resource_it_is_a_capability_argument_only() -> None:
    (attachment,) = devices.assign(made('[{"name":"plain","deviceID":"x"}]'), {}).attachments
    assert (attachment.device, attachment.runtime_config) == (None, {"deviceID": "x"})
    assert attachment == made('[{"name":"plain","deviceID":"x"}]').attachments[0]


@given(st.lists(st.sampled_from(["a", "a2", "b", "plain"]), min_size=1, max_size=6), st.sets(st.sampled_from(VF)))
def test_no_device_is_given_twice(names: list[str], own: set[str]) -> None:
    try:
        found = given_to(",".join(names), {A: tuple(sorted(own)), B: tuple(sorted(own))})
    except CniError as refused:
        assert refused.code == 101
        assert len([name for name in names if name != "plain"]) > len(own)
        return
    ids = [one for one in found if one is not None]
    assert len(set(ids)) == len(ids) == len([name for name in names if name != "plain"])


# Files of device information

PCI = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": VF[0]}}


def put_source(root: Path, resource: str, device: str, text: str) -> str:
    path = root / "dp" / f"{resource.replace('/', '-')}-{device}-device.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_the_names_of_the_files() -> None:
    assert devices.device_plugin_file("/d/", A, "x/y") == "/d/dp/intel.com-sriov_a-x-y-device.json"
    path = devices.info_file_of("/d", "ns/net", "cid", "net1")
    assert path == "/d/cni/ns-net-cid_net1"
    assert devices.is_info_file_of(path, "cid", "net1")
    assert not devices.is_info_file_of(path, "cid", "net2")
    assert not devices.is_info_file_of("/etc/passwd", "cid", "net1")


def test_a_name_that_is_too_long_is_still_the_attachments() -> None:
    long = f"{'n' * 63}/{'m' * 253}"
    paths = {devices.info_file_of("/d", long, "c" * 64, ifname) for ifname in ("net1", "net2", "ö" * 7)}
    assert len(paths) == 3
    assert {len(path.encode()) - len("/d/cni/") for path in paths} == {255}


def test_a_copy_is_made_and_removed(tmp_path: Path) -> None:
    source = put_source(tmp_path, A, VF[0], json.dumps(PCI))
    assert source == devices.device_plugin_file(str(tmp_path), A, VF[0])
    path = devices.info_file_of(str(tmp_path), "ns/a", "cid", "net1")
    devices.provide_info(path, source)
    assert devices.load_info(path) == PCI
    assert [found.name for found in (tmp_path / "cni").iterdir()] == ["ns-a-cid_net1"]
    devices.remove_info(path)
    devices.remove_info(path)
    assert devices.load_info(path) is None


@pytest.mark.parametrize("has_source", [True, False])
def test_an_existing_file_is_not_trusted(tmp_path: Path, *, has_source: bool) -> None:
    """NB: a link is not followed."""
    path, elsewhere = tmp_path / "cni" / "ns-a-cid_net1", tmp_path / "elsewhere"
    path.parent.mkdir()
    elsewhere.write_text("kept")
    path.symlink_to(elsewhere)
    devices.provide_info(
        str(path), put_source(tmp_path, A, VF[0], json.dumps(PCI)) if has_source else str(tmp_path / "x")
    )
    assert elsewhere.read_text() == "kept"
    assert devices.load_info(str(path)) == (PCI if has_source else None)


@pytest.mark.parametrize("text", ["", "[]", "{", "7", '{"a":"' + "x" * devices.INFO_BYTES_MAX + '"}'])
def test_no_device_information(tmp_path: Path, text: str) -> None:
    source, path = put_source(tmp_path, A, VF[0], text), tmp_path / "cni" / "ns-a-cid_net1"
    with pytest.raises(CniError, match="this is not device information") as refused:
        devices.provide_info(str(path), source)
    assert (refused.value.code, refused.value.msg.startswith(source)) == (6, True)
    assert not path.exists()


def test_files_that_the_disk_refuses(tmp_path: Path) -> None:
    source = put_source(tmp_path, A, VF[0], json.dumps(PCI))
    (tmp_path / "cni").write_text("no directory")
    calls: list[Callable[[], None]] = [
        lambda: devices.provide_info(str(tmp_path / "cni" / "x"), source),
        lambda: devices.provide_info(str(tmp_path / "new" / "x"), str(tmp_path)),
        lambda: devices.provide_info(str(tmp_path / "new" / "x"), str(tmp_path / "a\0b")),
        lambda: devices.remove_info(str(tmp_path)),
    ]
    for call in calls:
        with pytest.raises(CniError) as refused:
            call()
        assert refused.value.code == 5
