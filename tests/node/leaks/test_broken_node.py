"""DEL and ADD on a broken node: without the network namespace, with a damaged record."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from cniplugin.attach.teardown import delete_container
from cniplugin.cnierrors import CniError
from cniplugin.protocol.invoke import RuntimeConf
from cniplugin.records.journal import Entry, Journal, Store
from tests.fakes.waiting import wait_until

from .leaknode import CONTAINER, World, unchanged

pytestmark = [pytest.mark.root, pytest.mark.slow]

PORTS = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]


def conf_with_ports(world: World) -> dict[str, object]:
    """Return networks with a port mapping.

    NB: without ipMasq and tuning, whose rules and backup file Debian's plugins leave if the namespace is gone.
    """
    rich = world.rich_network()
    rich["plugins"] = [plugin for plugin in rich["plugins"] if plugin["type"] != "tuning"]
    rich["plugins"][0]["ipMasq"] = False
    return world.conf(
        [rich, world.network(1), world.ptp_network()],
        capabilities={"portMappings": True},
        runtimeConfig={"portMappings": PORTS},
        cniVersion="1.1.0",
    )


def remove_namespace(world: World) -> None:
    """Remove the pod's namespace; the kernel removes its links a little later."""
    subprocess.run(["ip", "netns", "delete", world.pod], check=True)
    wait_until(lambda: not any(link.startswith("veth") for link in world.state()[f"{world.host} links"]))


def host_side(state: dict[str, list[str]], world: World) -> dict[str, list[str]]:
    return {key: value for key, value in state.items() if not key.startswith(f"{world.pod} ")}


# The network namespace


@pytest.mark.parametrize("given", ["path", "empty", "other-file"])
def test_del_without_the_namespace(world: World, given: str) -> None:
    conf = conf_with_ports(world)
    before = host_side(world.state(), world)
    world.add(conf)
    remove_namespace(world)
    netns = "" if given == "empty" else world.netns
    remains = Path(world.netns)
    if given == "other-file":
        remains.touch()
    try:
        world.succeed("DEL", conf, netns=netns)
        world.succeed("DEL", conf, netns=netns)
    finally:
        remains.unlink(missing_ok=True)
    assert host_side(world.state(), world) == before


def test_gc_without_the_namespace(world: World) -> None:
    conf = conf_with_ports(world)
    before = host_side(world.state(), world)
    world.add(conf)
    remove_namespace(world)
    world.succeed("GC", {**conf, "cni.dev/valid-attachments": []})
    assert host_side(world.state(), world) == before


def test_gc_of_a_namespace_that_is_the_hosts_by_now(world: World) -> None:
    conf = world.three(cniVersion="1.1.0")
    world.ip("link", "add", "eth0", "type", "veth", "peer", "name", "uplink")
    before = host_side(world.state(), world)
    world.add(conf)
    remove_namespace(world)
    store = Store(str(world.records))
    record = store.read(CONTAINER)
    assert record is not None
    store.write(record.replace(netns=f"/run/netns/{world.host}"))
    world.succeed("GC", {**conf, "cni.dev/valid-attachments": []})
    assert host_side(world.state(), world) == before


def test_add_without_the_namespace(world: World) -> None:
    conf = world.three()
    with unchanged(world):
        error = world.fail("ADD", conf, netns=f"{world.netns}-gone")
        assert "network n0 (eth0)" in error["msg"] or f"{world.netns}-gone" in error["msg"], error
        world.succeed("DEL", conf, netns=f"{world.netns}-gone")


def test_add_to_the_hosts_namespace(world: World) -> None:
    with unchanged(world):
        error = world.fail("ADD", world.three(), netns=f"/run/netns/{world.host}")
        assert error["code"] == 8


# The record


def lengths_of(data: bytes) -> list[int]:
    """Return lengths to cut at: 0, ends of lines, the bytes beside them, and some in between."""
    ends = [index for index, byte in enumerate(data) if byte == 0x0A]
    near = {end + more for end in ends for more in (0, 1)}
    return sorted(length for length in {0, 1, 9, len(data) // 2, *near} if length < len(data) - 1)


def test_a_record_that_is_cut(world: World) -> None:
    conf = world.three()
    with unchanged(world):
        world.add(conf)
        path = world.records / f"{CONTAINER}.journal"
        whole = path.read_bytes()
        for length in lengths_of(whole):
            path.write_bytes(whole[:length])
            error = world.fail("DEL", conf)
            assert str(path) in error["msg"], error
            assert path.read_bytes() == whole[:length], "what is not known to be free stays on record"
        path.write_bytes(whole[:-1])
        world.succeed("DEL", conf)


def test_a_record_that_is_cut_anywhere(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    config = '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"true"}]}'
    entry = Entry(reference="n", ifname="eth0", config=config, capability_args={})
    store.write(Journal(container_id=CONTAINER, netns="/run/netns/gone", runtime_ifname="eth0", entries=(entry,)))
    path = Path(store.path(CONTAINER))
    whole = path.read_bytes()
    runtime = RuntimeConf(path=("/bin",), environ={}, deadline=time.monotonic() + 60)
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CniError, match=CONTAINER):
            delete_container(store, CONTAINER, runtime)
        assert path.stat().st_size == length
    path.write_bytes(whole[:-1])
    assert delete_container(store, CONTAINER, runtime)
    assert not path.exists()


def test_a_cut_record_frees_its_readable_attachments(world: World) -> None:
    conf = world.three()
    with unchanged(world):
        world.add(conf)
        path = world.records / f"{CONTAINER}.journal"
        whole = path.read_bytes()
        path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
        error = world.fail("DEL", conf)
        assert "2 attachments were detached, 1 may be left" in error["msg"]
        assert len(world.leases()) == 1
        path.write_bytes(whole)
        world.succeed("DEL", conf)


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_record_with_a_wrong_byte(world: World, place: float) -> None:
    conf = world.three()
    with unchanged(world):
        world.add(conf)
        path = world.records / f"{CONTAINER}.journal"
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[int(len(whole) * place)] ^= 1
        path.write_bytes(damaged)
        world.fail("ADD", conf)
        assert len(world.leases()) == 3
        world.fail("DEL", conf)
        path.write_bytes(whole)
        world.succeed("DEL", conf)


def test_gc_with_a_damaged_record_of_a_live_container(world: World) -> None:
    conf = world.three(cniVersion="1.1.0")
    with unchanged(world):
        world.add(conf)
        path = world.records / f"{CONTAINER}.journal"
        whole = path.read_bytes()
        path.write_bytes(whole[:-10])
        alive = [{"containerID": CONTAINER, "ifname": "eth0"}]
        world.fail("GC", {**conf, "cni.dev/valid-attachments": alive})
        assert len(world.leases()) == 3
        path.write_bytes(whole)
        world.succeed("DEL", conf)
