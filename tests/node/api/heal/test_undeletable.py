"""A mistake in a definition, or a lost sandbox, must not make a pod undeletable. What was attached is never given up."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cniplugin.netspec.rawjson import loads
from tests.node.api.podnode import Conf, Node, ip

pytestmark = [pytest.mark.root, pytest.mark.slow]

EVENT = "NetworkNotDetached"


def bridge(node: Node, **more: Any) -> Conf:
    return {**node.bridge_conf("b"), **more}


def chain(node: Node, *plugins: Conf, **head: Any) -> Conf:
    return {"cniVersion": "1.0.0", "name": "m", "plugins": [node.bridge_conf("b"), *plugins], **head}


def plain(kind: str, node: Node, **more: Any) -> Conf:
    ipam = {"type": "host-local", "subnet": "10.5.0.0/24", "dataDir": str(node.directory / "ipam")}
    return {"cniVersion": "0.3.1", "name": "m", "type": kind, "ipam": ipam, **more}


MISTAKES: dict[str, Callable[[Node], Conf]] = {
    "the IPAM executable is missing": lambda node: bridge(node, ipam={"type": "whereabouts", "range": "10.1.0.0/24"}),
    "macvlan: the master is missing": lambda node: plain("macvlan", node, master="nosuch0", mode="bridge"),
    "ipvlan: the master is missing": lambda node: plain("ipvlan", node, master="nosuch0"),
    "vlan: the master is missing": lambda node: plain("vlan", node, master="nosuch0", vlanId=5),
    "macvlan: a misspelt mode": lambda node: plain("macvlan", node, master="lo", mode="brigde"),
    "macvlan: an MTU above the master's": lambda node: plain("macvlan", node, master="lo", mtu=99999999),
    "host-device: the device is missing": lambda node: plain("host-device", node, device="nosuch0"),
    "host-device: names no device": lambda node: plain("host-device", node),
    "host-device: the PCI device is missing": lambda node: plain("host-device", node, pciBusID="0000:ff:00.0"),
    "host-local: a misspelt range": lambda node: bridge(
        node, ipam={"type": "host-local", "subnet": "10.205.28.0/24", "rangeStart": "10.205.28.14.200"}
    ),
    "host-local: an empty subnet": lambda node: bridge(node, ipam={"type": "host-local", "subnet": ""}),
    "static: an address without a prefix": lambda node: bridge(
        node, ipam={"type": "static", "addresses": [{"address": "10.1.1.1"}]}
    ),
    "dhcp: the daemon is away": lambda node: bridge(node, ipam={"type": "dhcp"}),
    "bridge: VLAN 5000": lambda node: bridge(node, vlan=5000),
    "a later plugin: an unknown sysctl": lambda node: chain(
        node, {"type": "tuning", "sysctl": {"net.core.nosuch": "1"}}
    ),
    "a later plugin: the kernel has no vrf": lambda node: chain(node, {"type": "vrf", "vrfname": "red"}),
    "a later plugin: a rate without a burst": lambda node: chain(node, {"type": "bandwidth", "ingressRate": 1000}),
    "CNI 1.1 with plugins of 1.0": lambda node: bridge(node, cniVersion="1.1.0"),
    "a list of CNI 1.1 with plugins of 1.0": lambda node: chain(node, {"type": "tuning"}, cniVersion="1.1.0"),
    "a chained plugin alone": lambda _node: {
        "cniVersion": "1.0.0",
        "name": "m",
        "plugins": [{"type": "portmap", "capabilities": {"portMappings": True}}],
    },
    "ptp: the IPAM executable is missing": lambda _node: {
        "cniVersion": "1.0.0",
        "name": "m",
        "type": "ptp",
        "ipam": {"type": "nosuch"},
    },
}
"""Each makes the ADD of Debian's plugins fail, and most of them the DEL too."""


@pytest.fixture
def master(node: Node) -> Iterator[str]:
    """A link of the node that a definition may name."""
    name, other = f"nm{os.getpid() % 100000}x{node.number}", f"nn{os.getpid() % 100000}x{node.number}"
    ip("link", "add", name, "type", "veth", "peer", "name", other)
    ip("link", "set", name, "up")
    yield name
    ip("link", "delete", other)


def test_an_interface_that_a_failed_add_left_does_not_keep_the_pod(node: Node, master: str) -> None:
    """The plugins macvlan and ipvlan leave their link if the DHCP daemon is away, and their DEL asks it first."""
    node.api.put_network("blue", "lan", {**plain("macvlan", node, master=master), "ipam": {"type": "dhcp"}})
    node.api.put_pod("lan")
    assert node.add().code == 1
    assert "net1" in node.addresses()
    deleted = node.delete()
    deleted.expect()
    assert "network blue/lan (net1): its interface net1 is deleted, because its ADD and its DEL fail" in deleted.err
    assert "given up, DEL fails" in given_up(node)[0]
    assert node.left() == []


def test_a_device_of_the_node_that_a_failed_add_left_goes_back(node: Node, master: str) -> None:
    node.api.put_network("blue", "lan", plain("host-device", node, device=master, ipam={"type": "nosuch"}))
    node.api.put_pod("lan")
    assert node.add().code == 1
    assert "net1" in node.addresses()
    deleted = node.delete()
    deleted.expect()
    assert f"its interface net1 is moved to the node as {master}" in deleted.err
    assert node.left() == []
    ip("link", "show", master)


def given_up(node: Node) -> list[str]:
    return [event["message"] for event in node.api.events() if event["reason"] == EVENT]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_definition_does_not_keep_the_pod(node: Node, mistake: str) -> None:
    node.api.put_network("blue", "lan", MISTAKES[mistake](node))
    node.api.put_pod("lan")
    added = node.add()
    assert added.code == 1, added
    assert "network blue/lan (net1)" in added.out["msg"], added
    node.delete().expect()
    assert node.left() == []


def test_the_log_and_an_event_name_what_is_given_up(node: Node) -> None:
    node.api.put_network("blue", "lan", plain("macvlan", node, master="nosuch0"))
    node.api.put_pod("lan")
    assert "not taken back, DEL will try again" in node.add().out["details"]
    deleted = node.delete()
    deleted.expect()
    where = "item 1: network blue/lan (net1): "
    words = (
        f'given up, DEL fails: {where}plugin type="macvlan" name="m" failed (delete): Link not found; '
        'its ADD had failed: plugin type="macvlan" name="m" failed (add): Link not found; nothing of it can be found on '
        "this node; not looked for: leases of a DHCP daemon, addresses in the API, packet filter rules"
    )
    assert f"error DEL {node.container} blue/web-0 {words}\n" in deleted.err
    assert given_up(node) == [words]


def test_a_delegate_may_say_what_utf_8_cannot(node: Node) -> None:
    """Half of a surrogate pair in its error must not keep the pod, although the event quotes it."""
    error = r'{"code":7,"msg":"one\nhalf \ud800"}'
    node.write_script(node.bin_dir / "half", f"#!/bin/sh\ncat <<'E'\n{error}\nE\nexit 1\n")
    node.api.put_network("blue", "lan", {"cniVersion": "1.0.0", "name": "m", "type": "half"})
    node.api.put_pod("lan")
    assert node.add().code == 1
    node.delete().expect()
    assert "half ?" in given_up(node)[0]
    assert node.left() == []


def test_the_default_network_of_a_pod_can_be_wrong_too(node: Node) -> None:
    node.api.put_network("kube-system", "lan", bridge(node, vlan=5000))
    node.api.put_pod(default="lan")
    assert node.add().code == 1
    node.delete().expect()
    assert node.left() == []


def fail_half_done(node: Node) -> None:
    """Make a plugin whose ADD attaches by the real bridge and then fails, and whose DEL fails."""
    node.write_script(
        node.bin_dir / "half",
        '#!/bin/sh\nif [ "$CNI_COMMAND" = ADD ]; then /usr/lib/cni/bridge >/dev/null; fi\n'
        'echo \'{"code":140,"msg":"out of order"}\'; exit 1\n',
    )
    node.api.put_network("blue", "lan", bridge(node, type="half"))
    node.api.put_pod("lan")
    assert node.add().code == 1


def test_what_is_still_on_the_node_keeps_the_record_and_is_named(node: Node) -> None:
    fail_half_done(node)
    error = node.delete().refused(140)
    assert "network blue/lan (net1)" in error
    details = node.delete().out["details"].splitlines()
    assert details[0] == f"still on the node: interface net1 in /run/netns/{node.netns}"
    assert details[1].startswith("still on the node: its peer veth")
    assert details[2] == f"still on the node: address 10.77.98.2 in {node.directory}/ipam/bridge-b"
    assert given_up(node) == []
    # It is enough that an operator frees what is named.
    ip("-n", node.netns, "link", "delete", "net1")
    (node.directory / "ipam" / "bridge-b" / "10.77.98.2").unlink()
    node.delete().expect()
    assert node.left() == []


def test_without_namespace_and_pod_the_record_goes_and_the_log_names_what_is_left(node: Node) -> None:
    fail_half_done(node)
    node.stop()
    try:
        node.delete().refused(140)  # the pod exists
        node.api.delete_pod()
        deleted = node.delete()
        deleted.expect()
        assert f"left behind: address 10.77.98.2 in {node.directory}/ipam/bridge-b" in deleted.err
    finally:
        node.start()
    (node.directory / "ipam" / "bridge-b" / "10.77.98.2").unlink()


def test_without_the_api_server_the_node_alone_decides(node: Node) -> None:
    node.api.put_network("blue", "lan", bridge(node, vlan=5000))
    node.api.put_pod("lan")
    assert node.add().code == 1
    node.write_kubeconfig("https://127.0.0.1:1")
    deleted = node.delete(deadline=6)
    deleted.expect()
    assert "given up, DEL fails" in deleted.err


def test_a_repaired_definition_detaches_what_the_recorded_one_cannot(node: Node) -> None:
    """The plugin refuses the recorded configuration at DEL only, as after an upgrade of the plugin."""
    node.write_script(
        node.bin_dir / "moody",
        "#!/bin/sh\nconf=$(cat)\n"
        'case "$CNI_COMMAND $conf" in "DEL "*worn*) echo \'{"code":140,"msg":"worn is gone"}\'; exit 1;; esac\n'
        'printf %s "$conf" | exec /usr/lib/cni/bridge\n',
    )
    node.api.put_network("blue", "lan", bridge(node, type="moody", worn=True))
    node.api.put_pod("lan")
    node.add().expect()
    node.delete().refused(140)
    node.api.put_network("blue", "lan", bridge(node, type="moody"))
    deleted = node.delete()
    deleted.expect()
    assert "detached by its definition of today" in deleted.err
    assert node.left() == []


@pytest.mark.parametrize("change", [{"type": "recorder"}, {"name": "other"}, {"ipam": {"type": "static"}}])
def test_another_network_of_the_same_name_is_not_a_repair(node: Node, change: Conf) -> None:
    """Its DEL would succeed and free nothing of the recorded one."""
    node.write_script(
        node.bin_dir / "broken", '#!/bin/sh\n[ "$CNI_COMMAND" = DEL ] && exit 1\nexec /usr/lib/cni/bridge\n'
    )
    node.api.put_network("blue", "lan", bridge(node, type="broken"))
    node.api.put_pod("lan")
    node.add().expect()
    node.api.put_network("blue", "lan", bridge(node, **{"type": "broken", **change}))
    node.delete().refused(999)
    assert node.left() != []
    node.write_script(node.bin_dir / "broken", "#!/bin/sh\nexec /usr/lib/cni/bridge\n")
    node.delete().expect()
    assert node.left() == []


def test_what_was_attached_is_never_given_up(node: Node) -> None:
    node.write_script(
        node.bin_dir / "broken", '#!/bin/sh\n[ "$CNI_COMMAND" = DEL ] && exit 1\nexec /usr/lib/cni/bridge\n'
    )
    node.api.put_network("blue", "lan", bridge(node, type="broken"))
    node.api.put_pod("lan")
    node.add().expect()
    ip("-n", node.netns, "link", "delete", "net1")
    (node.directory / "ipam" / "bridge-b" / "10.77.98.2").unlink()
    node.api.delete_pod()
    node.delete().refused(999)
    node.write_script(node.bin_dir / "broken", "#!/bin/sh\nexec /usr/lib/cni/bridge\n")
    node.delete().expect()


@pytest.mark.parametrize(
    "added",
    [
        {"runtimeConfig": {"mac": "02:00:00:00:00:01"}},
        {"ipam": {"type": "host-local", "subnet": "10.5.0.0/24", "dataDir": "/etc/elsewhere"}},
        {"ipMasqBackend": "nftables", "delegate": {"type": "recorder"}},
    ],
    ids=["a key of the runtime", "a path of the node", "another program"],
)
def test_a_definition_of_today_runs_nothing_that_the_rules_have_not_seen(node: Node, added: Conf) -> None:
    """DEL does not ask the access rules, and the owner of a definition may change it at any time."""
    log = node.directory / "deletions"
    node.write_script(
        node.bin_dir / "broken",
        f'#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] && exec /usr/lib/cni/bridge\ncat >> {log}\nexit 1\n',
    )
    conf = bridge(node, type="broken")
    node.api.put_network("blue", "lan", conf)
    node.api.put_pod("lan")
    node.add().expect()
    node.api.put_network("blue", "lan", {**conf, **added})
    deleted = node.delete()
    assert deleted.code == 1, deleted
    assert "its definition of today is not tried, because DEL does not ask the access rules" in deleted.err
    assert log.read_text().count('"type": "broken"') + log.read_text().count('"type":"broken"') == 1
    node.write_script(node.bin_dir / "broken", "#!/bin/sh\nexec /usr/lib/cni/bridge\n")
    node.delete().expect()
    assert node.left() == []


def records(node: Node) -> dict[str, Conf]:
    return {
        path.stem: loads(path.read_bytes().split(b"\n")[0][9:])
        for path in Path(node.conf()["recordDir"]).glob("*.journal")
    }


def test_a_sandbox_that_the_runtime_lost_does_not_hold_the_pods_address(node: Node) -> None:
    """The runtime's store was wiped: no DEL for the old sandbox, and the pod hangs on its own static address."""
    node.api.put_network("blue", "lan", bridge(node, capabilities={"ips": True}))
    node.api.put_pod([{"name": "lan", "ips": ["10.77.98.9/24"]}])
    node.add().expect()
    lost = node.container
    node.stop()
    node.container += "new"
    node.start()
    added = node.add()
    added.expect()
    assert node.addresses()["net1"] == ["10.77.98.9/24"]
    assert f"verbose ADD {lost} blue/web-0 detached: the runtime has made another sandbox" in added.err
    assert list(records(node)) == [node.container]
    node.delete().expect()
    assert node.left() == []


def test_a_sandbox_of_another_pod_of_the_same_name_is_left_alone(node: Node) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan")
    node.add().expect()
    first, netns = node.container, node.netns
    node.api.replace_pod()
    node.api.put_pod("lan")
    node.container, node.netns = f"{first}new", f"{netns}b"
    node.start()
    try:
        node.add().expect()
        assert sorted(records(node)) == [first, f"{first}new"]
        node.delete().expect()
        assert list(records(node)) == [first]
    finally:
        node.stop()
        node.container, node.netns = first, netns
    node.delete().expect()
    assert node.left() == []


def test_a_pod_of_another_name_with_the_same_uid_keeps_its_networks(node: Node) -> None:
    """The examples of crictl have one uid, and people copy them for each pod."""
    conf = node.conf(kubeconfig=None)
    node.call("ADD", conf).expect()
    before, first, netns = node.addresses(), node.container, node.netns
    node.container, node.netns = f"{first}new", f"{netns}b"
    node.start()
    other = f"K8S_POD_NAMESPACE=blue;K8S_POD_NAME=web-1;K8S_POD_UID={node.api.uid}"
    try:
        node.call("ADD", conf, CNI_ARGS=other).expect()
        node.call("DEL", conf, CNI_ARGS=other).expect()
    finally:
        node.stop()
        node.container, node.netns = first, netns
    assert node.addresses() == before
    node.call("DEL", conf).expect()
    assert node.left() == []


def test_an_old_sandbox_that_hangs_leaves_time_for_the_new_one(node: Node) -> None:
    """Its attachments take a third of the time together, so the new ones have the rest."""
    conf = node.conf(delegates=[{"cniVersion": "1.0.0", "name": "r", "type": "recorder"}], kubeconfig=None, deadline=4)
    node.call("ADD", conf).expect()
    first, hold = node.container, node.seen / "hold-DEL"
    os.mkfifo(hold)
    node.container += "new"
    added = node.call("ADD", conf)
    hold.unlink()
    added.expect()
    assert f"container {first} of the same pod is not detached: " in added.err
    node.call("DEL", conf).expect()
    node.container = first
    node.call("DEL", conf).expect()


def test_an_old_sandbox_that_cannot_be_detached_does_not_stop_the_new_one(node: Node) -> None:
    node.write_script(
        node.bin_dir / "broken", '#!/bin/sh\n[ "$CNI_COMMAND" = DEL ] && exit 1\nexec /usr/lib/cni/bridge\n'
    )
    node.api.put_network("blue", "lan", bridge(node, type="broken"))
    node.api.put_pod("lan")
    node.add().expect()
    first = node.container
    ip("-n", node.netns, "link", "delete", "eth0")
    ip("-n", node.netns, "link", "delete", "net1")
    node.container += "new"
    added = node.add()
    added.expect()
    assert f"container {first} of the same pod is not detached: " in added.err
    node.write_script(node.bin_dir / "broken", "#!/bin/sh\nexec /usr/lib/cni/bridge\n")
    node.delete().expect()
    node.container = first
    node.delete().expect()
    assert node.left() == []


def forget(node: Node, *words: str) -> tuple[int, str]:
    command = [str(node.bin_dir / "nadmit"), "forget", node.container]
    options = ["--record-dir", node.conf()["recordDir"], "--cni-bin-dir", str(node.bin_dir), *words]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=60, check=False, env={"CNI_PATH": "/usr/lib/cni"}
    )
    return done.returncode, done.stdout + done.stderr


def test_forget_gives_up_a_sound_record_and_prints_what_is_left(node: Node) -> None:
    node.write_script(node.bin_dir / "gone", "#!/bin/sh\nexec /usr/lib/cni/bridge\n")
    node.api.put_network("blue", "lan", bridge(node, type="gone"))
    node.api.put_pod("lan")
    node.add().expect()
    (node.bin_dir / "gone").unlink()
    node.delete().refused(5)
    code, said = forget(node)
    assert code == 1
    assert f"this record is sound, and /run/netns/{node.netns} exists, so pod blue/web-0 may be running" in said
    code, said = forget(node, "--force")
    assert code == 0, said
    where = "item 1: network blue/lan (net1)"
    lease = f"address 10.77.98.2 in {node.directory}/ipam/bridge-b"
    assert f"not detached: {where}: " in said
    assert f"left behind: {where}: interface net1 in /run/netns/{node.netns}; free it by hand" in said
    assert f"left behind: {where}: {lease}; free it by hand" in said
    aside = Path(node.conf()["recordDir"]) / f"{node.container}.forgotten"
    assert f"forgotten: the record is now {aside}" in said
    node.delete().expect()
    assert json.loads(aside.read_bytes().split(b"\n")[0][9:])["pod_name"] == "web-0"
    aside.unlink()
    ip("-n", node.netns, "link", "delete", "net1")
    (node.directory / "ipam" / "bridge-b" / "10.77.98.2").unlink()
    assert node.left() == []


def test_forget_of_a_sound_record_without_a_namespace_detaches_it(node: Node) -> None:
    node.add().expect()
    node.stop()
    try:
        code, said = forget(node)
        assert code == 0, said
        assert "detached: 1 of 1 known attachments" in said
        assert "forgotten: nothing is left" in said
    finally:
        node.start()
    assert node.left() == []
