"""Devices of a pod, from the kubelet's checkpoint to the delegates and to network-status, and no remaining file."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from cniplugin.netspec.netattachdef import RESOURCE_NAME
from tests.fakes.cni_plugin import Plugins

from .podnode import REPO, Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow]

A, B = "intel.com/sriov_a", "intel.com/sriov_b"
VF = [f"0000:03:02.{number}" for number in range(5)]
CAPS = {"deviceID": True, "CNIDeviceInfoFile": True}
RESULT = json.dumps({"cniVersion": "1.0.0", "interfaces": [{"name": "net1", "sandbox": "/run/netns/x"}], "ips": []})

Told = tuple[str, str, Any, Any, Any]

_KILLED = """\
#!{python} -IS
import os, signal, sys
sys.path.insert(0, {repo!r})
from cniplugin.attach import detach, devices, execution, reporting
from cniplugin.protocol import delegate
def killing(function):
    def call(*args, **named):
        call.times += 1
        if call.times == {times} and {when!r} == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return function(*args, **named)
        finally:
            if call.times == {times}:
                os.kill(os.getpid(), signal.SIGKILL)
    call.times = 0
    return call
{module}.{name} = killing({module}.{name})
from cniplugin.__main__ import main
sys.exit(main())
"""

TELLING = """\
#!{python} -IS
import sys
sys.path.insert(0, {repo!r})
from cniplugin.__main__ import main
code = main()
print("loaded", *sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def plugins(node: Node) -> Plugins:
    """Two delegates; the second declares the capabilities."""
    made = Plugins(node.bin_dir)
    for kind in ("vf", "info"):
        made.tell(kind, "ADD", stdout=RESULT)
    return made


def put_checkpoint(node: Node, *entries: tuple[str, object], uid: str = "") -> Path:
    path = node.directory / "kubelet" / "device-plugins" / "kubelet_internal_checkpoint"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [
        {"PodUID": whose, "ContainerName": "c", "ResourceName": resource, "DeviceIDs": ids, "AllocResp": ""}
        for whose, resource, ids in [
            ("another", A, ["0000:09:00.0"]),
            *((uid or node.api.uid, *entry) for entry in entries),
        ]
    ]
    registered = {A: VF, B: VF}
    path.write_text(json.dumps({"Data": {"PodDeviceEntries": found, "RegisteredDevices": registered}, "Checksum": 1}))
    return path


def put_network(node: Node, name: str, resource: str | None, *, caps: Conf = CAPS) -> None:
    conf = {"cniVersion": "1.0.0", "name": name, "plugins": [{"type": "vf"}, {"type": "info", "capabilities": caps}]}
    metadata = {"annotations": {RESOURCE_NAME: resource}} if resource else {}
    node.api.put_network("blue", name, conf, **metadata)


def info_of(device: str) -> Conf:
    return {"type": "pci", "version": "1.1.0", "pci": {"pci-address": device, "vendor-key": [1]}}


def put_info(node: Node, resource: str, device: str) -> None:
    path = node.directory / "devinfo" / "dp" / f"{resource.replace('/', '-')}-{device}-device.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(info_of(device)))


def file_of(node: Node, network: str, ifname: str) -> Path:
    return node.directory / "devinfo" / "cni" / f"blue-{network}-{node.container}_{ifname}"


def files(node: Node) -> list[str]:
    return [path.name for path in (node.directory / "devinfo" / "cni").glob("*")]


def put_one(node: Node) -> None:
    """Give the pod network `fast`, one device for it, and the device plugin's file."""
    put_network(node, "fast", A)
    put_checkpoint(node, (A, [VF[0]]))
    put_info(node, A, VF[0])
    node.api.put_pod("fast")


def told(plugins: Plugins, verb: str) -> list[Told]:
    """Return interface, type and device keys of each call of a verb."""
    keys = ("deviceID", "pciBusID", "runtimeConfig")
    return [
        (call["environ"]["CNI_IFNAME"], call["type"], *(call["request"].get(key) for key in keys))
        for call in plugins.calls()
        if call["command"] == verb
    ]


def test_a_counted_resource_is_no_device(node: Node, plugins: Plugins) -> None:
    """bridge-marker counts places on the node; the kubelet has no device of it to give."""
    put_network(node, "br", "bridge.network.kubevirt.io/br1", caps={})
    put_network(node, "fast", A, caps={})
    put_checkpoint(node, (A, [VF[0]]))
    node.api.put_pod("br,fast")
    node.add().expect()
    assert [call[:3] for call in told(plugins, "ADD") if call[1] == "vf"] == [
        ("net1", "vf", None),
        ("net2", "vf", VF[0]),
    ]
    node.delete().expect()
    put_checkpoint(node)
    assert "none of it" in node.add().refused(101)


def test_from_the_checkpoint_to_the_plugins_and_the_status(node: Node, plugins: Plugins) -> None:
    """Two networks of one resource, one of another, one without. DEL passes the same devices as ADD, from the record."""
    for name, resource in (("fast", A), ("fast2", A), ("other", B), ("plain", None)):
        put_network(node, name, resource, caps=CAPS if resource else {})
    checkpoint = put_checkpoint(node, (A, [VF[1]]), (B, {"1": [VF[3]]}), (A, {"0": [VF[0]]}))
    put_info(node, A, VF[0])
    put_info(node, B, VF[3])
    node.api.put_pod("fast,plain,other,fast2@dpdk0")
    node.add().expect()
    expected: dict[tuple[str, str], Told] = {}
    for name, ifname, device in (("fast", "net1", VF[0]), ("other", "net3", VF[3]), ("fast2", "dpdk0", VF[1])):
        runtime = {"deviceID": device, "CNIDeviceInfoFile": str(file_of(node, name, ifname))}
        expected[ifname, "vf"] = (ifname, "vf", device, device, None)
        expected[ifname, "info"] = (ifname, "info", device, device, runtime)
    for kind in ("vf", "info"):
        expected["net2", kind] = ("net2", kind, None, None, None)
    order = [(ifname, kind) for ifname in ("net1", "net2", "net3", "dpdk0") for kind in ("vf", "info")]
    assert told(plugins, "ADD") == [expected[key] for key in order]
    infos = {entry["name"]: entry.get("device-info") for entry in node.api.status()[1:]}
    assert infos == {"blue/fast": info_of(VF[0]), "blue/plain": None, "blue/other": info_of(VF[3]), "blue/fast2": None}
    assert sorted(files(node)) == [
        f"blue-{name}-{node.container}_{ifname}" for name, ifname in (("fast", "net1"), ("other", "net3"))
    ]
    node.call("CHECK").expect()
    assert told(plugins, "CHECK") == told(plugins, "ADD")
    checkpoint.unlink()
    for path in (node.directory / "devinfo" / "dp").iterdir():
        path.unlink()
    node.delete(kubeconfig=None, deviceInfoDir="/nowhere", kubeletDir="/nowhere").expect()
    assert told(plugins, "DEL") == [expected[key] for key in reversed(order)]
    assert files(node) == []


def test_the_file_is_there_for_add_and_for_del(node: Node, plugins: Plugins) -> None:
    put_one(node)
    seen = node.directory / "seen-by-the-delegate"
    node.write_script(
        node.bin_dir / "info",
        f"#!/bin/sh\ncat >/dev/null\n(echo $CNI_COMMAND; cat {node.directory}/devinfo/cni/*) >>{seen}\n"
        f"if [ $CNI_COMMAND = ADD ]; then echo '{RESULT}'; fi\n",
    )
    node.add().expect()
    node.delete().expect()
    assert seen.read_text() == f"ADD\n{json.dumps(info_of(VF[0]))}DEL\n{json.dumps(info_of(VF[0]))}"
    assert [call[0] for call in told(plugins, "DEL")] == ["net1"]


def test_a_plugin_writes_the_file_itself(node: Node, plugins: Plugins) -> None:
    """Specification §5.1.2: also for a network without a resource, such as one of vhost-user sockets."""
    put_network(node, "sockets", None)
    info = {"type": "vhost-user", "version": "1.1.0", "vhost-user": {"mode": "server", "path": "/s"}}
    path = file_of(node, "sockets", "net1")
    node.write_script(
        node.bin_dir / "info",
        f"#!/bin/sh\nif [ $CNI_COMMAND = ADD ]; then mkdir -p {path.parent}; echo '{json.dumps(info)}' >{path}; "
        f"echo '{RESULT}'; fi\n",
    )
    node.api.put_pod("sockets")
    node.add().expect()
    assert node.api.status()[1]["device-info"] == info
    assert told(plugins, "ADD") == [("net1", "vf", None, None, None)]
    path.write_text("[")  # DEL removes the file even if a plugin writes it later
    node.delete().expect()
    assert files(node) == []


def test_rubbish_in_the_file_is_no_reason_to_stop_a_pod(node: Node, plugins: Plugins) -> None:
    """The attachment works. network-status lacks device-info, and a log line says why."""
    put_network(node, "sockets", None)
    path = file_of(node, "sockets", "net1")
    node.write_script(
        node.bin_dir / "info",
        f"#!/bin/sh\nif [ $CNI_COMMAND = ADD ]; then mkdir -p {path.parent}; echo '[' >{path}; echo '{RESULT}'; fi\n",
    )
    node.api.put_pod("sockets")
    outcome = node.add()
    outcome.expect()
    assert "item 1: network blue/sockets (net1): network-status has no device-info: " in outcome.err
    assert "device-info" not in node.api.status()[1]
    assert [call[1] for call in told(plugins, "ADD")] == ["vf"]


def test_a_static_pod_is_known_by_the_kubelets_uid(node: Node, plugins: Plugins) -> None:
    put_one(node)
    put_checkpoint(node, (A, [VF[2]]), uid="uid-of-the-kubelet")
    node.api.put_pod("fast", **{"kubernetes.io/config.source": "file"})
    node.add(uid="uid-of-the-kubelet").expect()
    assert [call[2] for call in told(plugins, "ADD")] == [VF[2]] * 2


def test_the_default_network_has_a_device(node: Node, plugins: Plugins) -> None:
    conf = {**node.bridge_conf("a"), "capabilities": {"deviceID": True}}
    node.api.put_network("kube-system", "cluster", conf, annotations={RESOURCE_NAME: A})
    put_one(node)
    put_checkpoint(node, (A, [VF[1], VF[0]]))
    node.add(clusterNetwork="cluster").expect()
    assert [call[2] for call in told(plugins, "ADD")] == [VF[1]] * 2  # eth0 has the first one


@pytest.mark.parametrize(
    ("entries", "parts"),
    [
        ([], ("gave the pod none of it, and 2 attachments need one each (net1, net2)", "request 2 of the resource")),
        ([(A, [VF[0]])], (f"gave the pod 1 of it ({VF[0]} is given to net1), and 2 attachments need one each",)),
    ],
)
def test_too_few_devices(
    node: Node, plugins: Plugins, entries: list[tuple[str, object]], parts: tuple[str, ...]
) -> None:
    """Multus attaches without a device, and the delegate fails or does something else."""
    put_network(node, "fast", A)
    put_checkpoint(node, *entries)
    node.api.put_pod("fast,fast")
    text = node.add().refused(101)
    assert text.startswith("pod blue/web-0: network blue/fast (net")
    assert [part for part in (*parts, f'resource "{A}"') if part not in text] == []
    assert (plugins.calls(), node.left()) == ([], [])


@pytest.mark.parametrize(("content", "code"), [(None, 5), ("{", 6)])
def test_a_checkpoint_that_cannot_be_read(node: Node, plugins: Plugins, content: str | None, code: int) -> None:
    put_one(node)
    path = put_checkpoint(node)
    path.unlink() if content is None else path.write_text(content)
    text = node.add().refused(code)
    assert text.startswith(f"pod blue/web-0: {path}: ")
    assert (plugins.calls(), node.left()) == ([], [])
    node.api.put_pod("plain")
    put_network(node, "plain", None, caps={})
    node.add().expect()  # a pod without devices needs no checkpoint


def test_a_device_by_its_id(node: Node, plugins: Plugins) -> None:
    put_one(node)
    put_checkpoint(node, (A, VF[:3]))
    node.api.put_pod([{"name": "fast"}, {"name": "fast", "deviceID": VF[0]}])
    node.add().expect()
    assert [(call[0], call[2]) for call in told(plugins, "ADD") if call[1] == "vf"] == [
        ("net1", VF[1]),
        ("net2", VF[0]),
    ]


@pytest.mark.parametrize("is_isolated", [True, False])
def test_a_device_of_another_pod(node: Node, plugins: Plugins, *, is_isolated: bool) -> None:
    """No posture allows it, because the kubelet decides."""
    put_one(node)
    node.api.put_pod([{"name": "fast", "deviceID": "0000:09:00.0"}])
    text = node.add(namespaceIsolation=is_isolated).refused(100)
    assert text.startswith("network access denied: pod blue/web-0 may not attach to blue/fast\n- blue/fast (item 1)\n")
    assert f'device "0000:09:00.0" is not one that the pod has of resource "{A}"' in text
    assert f"decided: the kubelet, which gave the pod these: {VF[0]}" in text
    assert node.api.said() == [f"NetworkAccessDenied: {text}"]
    assert (plugins.calls(), node.left()) == ([], [])


def test_a_device_of_a_network_without_a_resource(node: Node, plugins: Plugins) -> None:
    """Under Isolated it needs a grant, as in the webhook; Open behaves as Multus."""
    put_network(node, "plain", None, caps={"deviceID": True})
    node.api.put_pod([{"name": "plain", "deviceID": "0000:09:00.0"}])
    assert "the network names no resource for it" in node.add().refused(100)
    assert plugins.calls() == []
    node.add(namespaceIsolation=False).expect()
    assert told(plugins, "ADD")[1] == ("net1", "info", None, None, {"deviceID": "0000:09:00.0"})


@pytest.mark.parametrize("kind", ["vf", "info"])
def test_a_failed_add_takes_the_file_back(node: Node, plugins: Plugins, kind: str) -> None:
    put_one(node)
    put_checkpoint(node, (A, VF[:2]))
    node.api.put_pod("fast,fast")
    plugins.tell(kind, "ADD", stdout='{"code": 140, "msg": "no link"}', exit=1)
    assert "no link" in node.add().refused(140)
    assert files(node) == []
    assert {call[2] for call in told(plugins, "DEL")} == {VF[0]}
    assert node.left() == []


def test_a_later_failure_takes_the_file_back(node: Node, plugins: Plugins) -> None:
    put_one(node)
    node.api.put_network("blue", "bad", {"cniVersion": "1.0.0", "type": "recorder"})
    node.api.put_pod("fast,bad")
    (node.seen / "fail-ADD").touch()
    node.add().refused(130)
    assert [call[0] for call in told(plugins, "DEL")] == ["net1", "net1"]
    assert (files(node), node.left()) == ([], [])


def test_bad_information_of_the_device_plugin(node: Node, plugins: Plugins) -> None:
    put_one(node)
    (source,) = (node.directory / "devinfo" / "dp").iterdir()
    source.write_text("{")
    assert f"{source}: this is not device information" in node.add().refused(6)
    assert told(plugins, "ADD") == []
    assert (files(node), node.left()) == ([], [])


def test_a_file_that_cannot_be_removed_is_an_error_until_it_is_gone(node: Node, plugins: Plugins) -> None:
    put_one(node)
    node.add().expect()
    path = file_of(node, "fast", "net1")
    path.unlink()
    path.mkdir()
    text = node.delete().refused(5)
    assert text.startswith("pod blue/web-0: item 1: network blue/fast (net1): ")
    assert f"{path}: the device information cannot be removed: Is a directory" in text
    path.rmdir()
    node.delete().expect()
    assert len(told(plugins, "DEL")) == 4


def test_gc_removes_the_file_of_a_dead_container_only(node: Node, plugins: Plugins) -> None:
    """GC of the network's plugins runs once, not once per device."""
    put_one(node)
    put_checkpoint(node, (A, VF[:2]))
    node.api.put_network("blue", "fast", {"cniVersion": "1.1.0", "type": "vf"}, annotations={RESOURCE_NAME: A})
    plugins.tell("vf", "ADD", stdout=RESULT.replace("1.0.0", "1.1.0"))
    node.api.put_pod("fast,fast")
    node.add(cniVersion="1.1.0").expect()
    alive = [{"containerID": node.container, "ifname": "eth0"}]
    node.call("GC", node.conf(cniVersion="1.1.0", **{"cni.dev/valid-attachments": alive})).expect()
    assert len(files(node)) == 1
    assert len(told(plugins, "GC")) == 1
    node.call("GC", node.conf(cniVersion="1.1.0", **{"cni.dev/valid-attachments": []})).expect()
    assert (files(node), node.left()) == ([], [])


def test_a_damaged_entry_removes_no_file(node: Node, plugins: Plugins) -> None:
    """An entry with a wrong checksum is not detached, and nothing in it is used."""
    put_one(node)
    node.add().expect()
    path, precious = file_of(node, "fast", "net1"), node.directory / "precious"
    precious.write_text("kept")
    (record,) = (node.directory / "records").glob("*.journal")
    before = record.read_text()
    record.write_text(before.replace(f'"device_info_file":"{path}"', f'"device_info_file":"{precious}"'))
    assert record.read_text() != before
    assert "1 attachments were detached, 1 may be left" in node.delete().refused(5)
    assert (precious.read_text(), len(told(plugins, "DEL"))) == ("kept", 0)
    record.write_text(before)
    node.delete().expect()
    assert (files(node), node.left()) == ([], [])


STEPS_OF_ADD = [
    ("devices.provide_info", 1),
    ("devices._parse_info", 1),
    ("delegate.add_list", 2),
    ("execution._attach", 2),
    ("devices.load_info", 1),
    ("reporting.publish", 1),
]
STEPS_OF_DEL = [("detach._delete", 1), ("devices.remove_info", 1), ("detach.detach", 1)]


def kill_at(node: Node, step: str, times: int, when: str) -> None:
    module, _, name = step.partition(".")
    text = _KILLED.format(python=sys.executable, repo=str(REPO), module=module, name=name, times=times, when=when)
    node.write_script(node.bin_dir / "nadmit", text)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("step", "times"), STEPS_OF_ADD)
def test_killed_in_add(node: Node, plugins: Plugins, step: str, times: int, when: str) -> None:
    put_one(node)
    usual = (node.bin_dir / "nadmit").read_text()
    kill_at(node, step, times, when)
    assert node.add().code == -signal.SIGKILL
    has_file = step != "devices._parse_info" and (step, when) != ("devices.provide_info", "before")
    assert len(files(node)) == int(has_file)
    node.write_script(node.bin_dir / "nadmit", usual)
    node.delete(kubeconfig=None).expect()
    assert (files(node), node.left()) == ([], [])
    assert {call[2] for call in told(plugins, "DEL")} == {VF[0]}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("step", "times"), STEPS_OF_DEL)
def test_killed_in_del(node: Node, plugins: Plugins, step: str, times: int, when: str) -> None:
    put_one(node)
    node.add().expect()
    usual = (node.bin_dir / "nadmit").read_text()
    kill_at(node, step, times, when)
    assert node.delete().code == -signal.SIGKILL
    node.write_script(node.bin_dir / "nadmit", usual)
    node.delete(kubeconfig=None).expect()
    assert (files(node), node.left()) == ([], [])
    assert plugins.calls()


def test_killed_while_a_delegate_works(node: Node, plugins: Plugins) -> None:
    """A delegate kills its parent and hangs. DEL kills it, and a new ADD succeeds."""
    put_one(node)
    node.write_script(node.bin_dir / "info", "#!/bin/sh\nkill -9 $PPID\nexec sleep 60\n")
    assert node.add().code == -signal.SIGKILL
    assert len(files(node)) == 1
    plugins.install("info")
    node.delete(kubeconfig=None).expect()
    assert (files(node), node.left()) == ([], [])
    node.add().expect()
    assert node.api.status()[1]["device-info"] == info_of(VF[0])


def test_killed_and_added_again(node: Node, plugins: Plugins) -> None:
    """A second ADD without DEL succeeds after the device plugin's file has changed."""
    put_one(node)
    usual = (node.bin_dir / "nadmit").read_text()
    kill_at(node, "devices.provide_info", 1, "after")
    assert node.add().code == -signal.SIGKILL
    node.write_script(node.bin_dir / "nadmit", usual)
    put_checkpoint(node, (A, [VF[4]]))
    put_info(node, A, VF[4])
    node.add().expect()
    assert node.api.status()[1]["device-info"] == info_of(VF[4])
    assert {call[2] for call in told(plugins, "DEL")} == {VF[0]}


def test_the_loaded_modules(node: Node, plugins: Plugins) -> None:
    """A pod without devices does not load the modules for them."""
    put_network(node, "plain", None, caps={})
    put_one(node)
    node.write_script(node.bin_dir / "nadmit", TELLING.format(python=sys.executable, repo=str(REPO)))
    found = {}
    for name in ("plain", "fast"):
        node.api.put_pod(name)
        found[name] = {word for line in (node.add().err, node.delete().err) for word in line.split()}
    ours = {"cniplugin.attach.devices"}
    assert "cniplugin.attach.podnetworks" in found["plain"]
    assert not ours & found["plain"]
    assert ours <= found["fast"]
    assert plugins.calls()
