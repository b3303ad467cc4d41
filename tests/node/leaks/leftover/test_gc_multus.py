"""The verb GC in a cluster that is half migrated: what Multus attached to a live container is kept."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.node.leaks.leaknode import World

pytestmark = [pytest.mark.root, pytest.mark.slow]

LIVE, DEAD = (f"{name}{os.getpid():x}x".ljust(64, "0") for name in ("live", "dead"))
"""Container IDs of this process: cgroups are the machine's, and other tests look at them at the same time."""
ALIVE = [{"containerID": LIVE, "ifname": "eth0"}]


def put_multus(world: World, container: str, *names: str) -> Path:
    """Write what Multus records before it attaches a pod."""
    configs = [json.dumps(world.book_network(name)).encode() for name in names]
    path = world.root / "multus" / container
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([{"Name": "", "Bytes": base64.b64encode(config).decode()} for config in configs]))
    return path


def book_conf(world: World) -> dict[str, Any]:
    return world.conf([world.book_network(name) for name in ("first", "second")], cniVersion="1.1.0")


def test_the_verb_keeps_what_multus_attached_to_a_live_container(world: World) -> None:
    conf = book_conf(world)
    world.add(conf, container="ours")
    put_multus(world, LIVE, "first", "second", "only-of-multus")
    put_multus(world, DEAD, "first", "second")
    for network, ifname in (("first", "eth0"), ("second", "net1"), ("only-of-multus", "net2")):
        for container in (LIVE, DEAD):
            (world.ipam / network).mkdir(exist_ok=True)
            (world.ipam / network / f"10.{container}.{ifname}").touch()
    alive = [*ALIVE, {"containerID": "ours", "ifname": "eth0"}]
    world.succeed("GC", {**conf, "cni.dev/valid-attachments": alive})
    assert world.leases() == [
        f"first/10.{LIVE}.eth0",
        "first/10.ours.eth0",
        f"only-of-multus/10.{DEAD}.net2",
        f"only-of-multus/10.{LIVE}.net2",
        f"second/10.{LIVE}.net1",
        "second/10.ours.net1",
    ]
    assert {request["name"] for _, request in world.requests("GC")} == {"first", "second"}
    world.succeed("DEL", conf, container="ours")


@pytest.mark.parametrize("damage", ["cut", "delegate", "result", "results-not-a-directory"])
def test_the_verb_asks_no_plugin_while_a_live_container_of_multus_is_unclear(world: World, damage: str) -> None:
    conf = book_conf(world)
    world.add(conf, container=DEAD)
    cache = put_multus(world, LIVE, "first", "second")
    results = world.root / "multus" / "results"
    bad = cache
    if damage == "cut":
        cache.write_bytes(cache.read_bytes()[:-5])
    elif damage == "delegate":
        cache.write_text("[{}, {}]")
    elif damage == "result":
        results.mkdir()
        bad = results / f"second-{LIVE}-net1"
        bad.write_text("{")
    else:
        bad = results
        results.symlink_to(results)  # ELOOP
    (world.ipam / "second" / f"10.{LIVE}.net1").touch()
    error = world.fail("GC", {**conf, "cni.dev/valid-attachments": ALIVE})
    assert error["msg"].startswith(f"{bad}: the record of another program about a live container cannot be read, so")
    assert world.requests("GC") == []
    assert world.leases() == [f"second/10.{LIVE}.net1"], "our own dead container is freed all the same"
    assert world.record_files() == []
    world.succeed("GC", {**conf, "cni.dev/valid-attachments": []})
    assert world.leases() == [], "the pod was deleted"
