"""ADD, CHECK and DEL of several networks of Debian's plugins, and of several containers (CNI 1.1 §2)."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from .leaknode import CONTAINER, World, unchanged

pytestmark = [pytest.mark.root, pytest.mark.slow]

VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
PORTS = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]


def rich(world: World, version: str = "1.0.0") -> dict[str, Any]:
    of_plugins = "1.0.0" if version == "1.1.0" else version  # Debian 12 has plugins of CNI 1.0
    networks = [world.rich_network(version=of_plugins), world.network(1, version=of_plugins), world.ptp_network()]
    ports = {"capabilities": {"portMappings": True}, "runtimeConfig": {"portMappings": PORTS}}
    return world.conf(networks, **ports, cniVersion=version)


def without_ports(conf: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in conf.items() if key not in {"capabilities", "runtimeConfig"}}


@pytest.mark.parametrize("version", VERSIONS)
def test_attachments_are_detached(world: World, version: str) -> None:
    conf = rich(world, version)
    with unchanged(world):
        result = world.add(conf)
        assert result["cniVersion"] == version
        assert [ip["address"].rpartition(".")[0] for ip in result["ips"]] == ["10.88.0"]
        state = world.state()
        links = [link.partition(" ")[0] for link in state[f"{world.pod} links"]]
        assert links == ["eth0", "lo", "net1", "net2"]
        assert any("8080" in rule for rule in state["iptables"]), state["iptables"]
        assert len(state["ipam"]) == 3
        # This DEL has no port mapping; the record has it.
        assert world.succeed("DEL", without_ports(conf)).stdout == ""
    with unchanged(world):
        world.succeed("DEL", conf)


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_check_sees_what_is_gone(world: World, version: str) -> None:
    # NB: without ports, because CHECK of Debian's portmap requires its IPv6 chain even if only IPv4 is mapped.
    conf = without_ports(rich(world, version))
    with unchanged(world):
        world.add(conf)
        world.succeed("CHECK", conf)
        subprocess.run(["ip", "-n", world.pod, "address", "flush", "dev", "net1"], check=True)
        error = world.fail("CHECK", conf)
        assert "network n1 (net1)" in error["msg"]
        world.succeed("DEL", conf)


def test_a_second_add_is_refused_and_harms_nothing(world: World) -> None:
    conf = rich(world)
    with unchanged(world):
        first = world.add(conf)
        attached = world.state()
        error = world.fail("ADD", conf)
        assert "attached already" in error["msg"]
        assert world.state() == attached
        assert first["interfaces"]
        world.succeed("DEL", conf)


def test_of_two_adds_at_once_one_wins(world: World) -> None:
    conf = world.three()
    with unchanged(world):
        both = [world.start("ADD", conf) for _ in range(2)]
        answers = [world.finish(process) for process in both]
        assert sorted(answer.code for answer in answers) == [0, 1], answers
        assert len(world.leases()) == 3
        lost = next(answer for answer in answers if answer.code)
        assert lost.json["msg"]
        world.succeed("CHECK", conf)
        world.succeed("DEL", conf)


def test_del_waits_for_the_add_that_is_under_way(world: World) -> None:
    conf = world.three()
    with unchanged(world):
        adding = world.start("ADD", conf)
        for _ in range(3):
            world.succeed("DEL", conf)
        world.finish(adding)
        world.succeed("DEL", conf)


def test_gc_frees_the_dead_only(world: World) -> None:
    conf = rich(world, "1.1.0")
    plain = without_ports(conf)
    dead_netns = world.add_namespace(f"{world.pod}d")
    with unchanged(world):
        world.add(conf, container="live")
        live = world.state()
        world.add(plain, container="dead", netns=dead_netns)
        alive = [{"containerID": "live", "ifname": "eth0"}]
        world.succeed("GC", {**plain, "cni.dev/valid-attachments": alive})
        assert world.state() == live
        world.succeed("GC", {**plain, "cni.dev/valid-attachments": []})


def test_gc_without_a_list_frees_nothing(world: World) -> None:
    conf = rich(world, "1.1.0")
    with unchanged(world):
        world.add(conf)
        attached = world.state()
        assert world.fail("GC", conf)["code"] == 7
        assert world.state() == attached
        world.succeed("DEL", conf)


def test_gc_frees_what_a_killed_add_left(world: World) -> None:
    conf = world.three(cniVersion="1.1.0")
    world.order("ADD", 2, '"$real" >/dev/null; kill -9 $PPID')
    with unchanged(world):
        world.killed("ADD", conf)
        world.forget_orders()
        assert len(world.leases()) == 2
        world.succeed("GC", {**conf, "cni.dev/valid-attachments": []})


def test_del_works_with_another_configuration(world: World) -> None:
    conf = rich(world)
    with unchanged(world):
        world.add(conf)
        other = world.conf([{"cniVersion": "1.0.0", "name": "other", "type": "no-such-plugin"}])
        world.succeed("DEL", other)


def test_a_name_that_the_second_network_wants_is_taken(world: World) -> None:
    conf = world.conf([world.network(0), world.network(1)])
    words = ["ip", "-n", world.pod, "link", "add", "net1", "type", "veth", "peer", "name", "other"]
    subprocess.run(words, check=True)
    with unchanged(world):
        error = world.fail("ADD", conf)
        assert "network n1 (net1)" in error["msg"], json.dumps(error)
        world.succeed("DEL", conf, container=CONTAINER)
