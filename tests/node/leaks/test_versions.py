"""Every verb in every version of CNI that has it, with a plugin that supports all of them (CNI 1.1 §2, §5)."""

from __future__ import annotations

from typing import Any

import pytest

from .leaknode import World, unchanged

pytestmark = [pytest.mark.root, pytest.mark.slow]

VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
BANDWIDTH = {"ingressRate": 8000, "ingressBurst": 800}
GIVEN = {"capabilities": {"bandwidth": True}, "runtimeConfig": {"bandwidth": BANDWIDTH}}


def conf_of(world: World, version: str, *, ours: str = "1.1.0", **more: Any) -> dict[str, Any]:
    first = world.book_network("first", version=version, capabilities={"bandwidth": True})
    return world.conf([first, world.book_network("second", version=version)], cniVersion=ours, **more)


@pytest.mark.parametrize("ours", VERSIONS)
@pytest.mark.parametrize("version", VERSIONS)
def test_add_check_del(world: World, ours: str, version: str) -> None:
    """The result has our version, each request that of its network. CHECK and DEL know the values that only ADD got."""
    conf = conf_of(world, version, ours=ours)
    has_check, knows_result = ours != "0.3.1", version != "0.3.1"
    with unchanged(world):
        result = world.add({**conf, **GIVEN})
        assert result["cniVersion"] == ours
        assert len(world.leases()) == 2
        if has_check:
            world.succeed("CHECK", conf)
        else:
            assert world.fail("CHECK", conf)["code"] == 1
        world.succeed("DEL", conf)
    added, checked, deleted = (world.requests(verb) for verb in ("ADD", "CHECK", "DEL"))
    assert [ifname for ifname, _ in added] == ["eth0", "net1"]
    assert [ifname for ifname, _ in checked] == (["eth0", "net1"] if has_check and knows_result else [])
    assert [ifname for ifname, _ in deleted] == ["net1", "eth0"]
    for ifname, request in (*added, *checked, *deleted):
        assert request["cniVersion"] == version
        assert request.get("runtimeConfig") == ({"bandwidth": BANDWIDTH} if ifname == "eth0" else None)
    for _, request in (*checked, *deleted):
        assert ("prevResult" in request) is knows_result
        assert not knows_result or request["prevResult"]["cniVersion"] == version


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_check_returns_the_error_of_the_plugin(world: World, version: str) -> None:
    conf = conf_of(world, version)
    with unchanged(world):
        world.add(conf)
        (world.ipam / "second" / "10.c0ffee.net1").unlink()
        error = world.fail("CHECK", conf)
        assert error == {
            "cniVersion": "1.1.0",
            "code": 140,
            "msg": 'pod shop/web: network second (net1): plugin type="book" name="second" failed (check): no lease',
        }
        world.succeed("DEL", conf)


@pytest.mark.parametrize("verb", ["GC", "STATUS"])
@pytest.mark.parametrize("ours", VERSIONS[:-1])
def test_verbs_that_a_version_does_not_have(world: World, verb: str, ours: str) -> None:
    conf = conf_of(world, "1.1.0", ours=ours, **{"cni.dev/valid-attachments": []})
    with unchanged(world):
        world.add(conf)
        attached = world.state()
        assert world.fail(verb, conf)["code"] == 1
        assert world.state() == attached
        assert world.calls(verb) == []
        world.succeed("DEL", conf)


def test_gc_gives_each_network_the_live_attachments(world: World) -> None:
    """GC frees a lease without a container, and keeps that of a container that the runtime names and we have no record of."""
    conf = conf_of(world, "1.1.0")
    with unchanged(world):
        world.add(conf)
        live = world.state()
        for name in ("10.gone.eth0", "10.early.eth0"):
            (world.ipam / "first" / name).touch()
        names = ("c0ffee", "early")
        world.succeed(
            "GC", {**conf, "cni.dev/valid-attachments": [{"containerID": n, "ifname": "eth0"} for n in names]}
        )
        assert world.leases() == ["first/10.c0ffee.eth0", "first/10.early.eth0", "second/10.c0ffee.net1"]
        (world.ipam / "first" / "10.early.eth0").unlink()
        assert world.state() == live
        world.succeed("DEL", conf)
    second = next(request for _, request in world.requests("GC") if request["name"] == "second")
    assert {"containerID": "c0ffee", "ifname": "net1"} in second["cni.dev/valid-attachments"]


@pytest.mark.parametrize("change", [{"version": "1.0.0"}, {"disableGC": True}])
def test_networks_that_are_not_asked_in_gc(world: World, change: dict[str, Any]) -> None:
    network = {**world.book_network("first", version=change.pop("version", "1.1.0")), **change}
    conf = world.conf([network], cniVersion="1.1.0")
    with unchanged(world):
        world.add(conf)
        world.succeed("GC", {**conf, "cni.dev/valid-attachments": []})
        assert world.calls("GC") == []
        assert world.leases() == [], "its record tells what to detach"


def test_gc_reports_every_plugin_that_fails(world: World) -> None:
    conf = conf_of(world, "1.1.0")
    for call in (1, 2):
        world.order("GC", call, f"""echo '{{"code": 14{call}, "msg": "busy"}}'; exit 1""")
    error = world.fail("GC", {**conf, "cni.dev/valid-attachments": []})
    assert error["code"] == 141
    assert error["msg"] == 'plugin type="book" name="first" failed (GC): busy'
    assert 'plugin type="book" name="second" failed (GC): busy' in error["details"]


def status_conf(world: World) -> dict[str, Any]:
    more = world.root / "more.conf"
    more.write_text('{"cniVersion": "1.1.0", "name": "more", "type": "book"}')
    return conf_of(world, "1.1.0", statusNetworks=[str(more)])


def test_status_asks_the_default_network_and_those_of_the_configuration(world: World) -> None:
    conf = status_conf(world)
    with unchanged(world):
        assert world.succeed("STATUS", conf).stdout == ""
        assert [request["name"] for _, request in world.requests("STATUS")] == ["first", "more"]
        assert world.succeed("STATUS", conf_of(world, "1.0.0")).stdout == ""
        assert len(world.requests("STATUS")) == 2


@pytest.mark.parametrize(("call", "name"), [(1, "first"), (2, "more")])
@pytest.mark.parametrize("code", [50, 51])
def test_status_passes_on_what_a_plugin_says(world: World, call: int, name: str, code: int) -> None:
    conf = status_conf(world)
    world.order("STATUS", call, f"""echo '{{"code": {code}, "msg": "no uplink", "details": "bond0"}}'; exit 1""")
    with unchanged(world):
        assert world.fail("STATUS", conf) == {
            "cniVersion": "1.1.0",
            "code": code,
            "msg": f'plugin type="book" name="{name}" failed (status): no uplink',
            "details": "bond0",
        }


def test_status_without_the_readiness_file(world: World) -> None:
    conf = {**status_conf(world), "readinessindicatorfile": str(world.root / "ready")}
    error = world.fail("STATUS", conf)
    assert error["code"] == 50
    assert str(world.root / "ready") in error["msg"]
    assert world.calls("STATUS") == []
    (world.root / "ready").touch()
    world.succeed("STATUS", conf)


@pytest.mark.parametrize("version", VERSIONS)
def test_version(world: World, version: str) -> None:
    answer = world.succeed("VERSION", {"cniVersion": version}).json
    assert answer == {"cniVersion": version, "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", *VERSIONS]}


def test_a_plugin_that_does_not_speak_the_version(world: World) -> None:
    """Debian's plugins support 1.0.0 at most. We do not ask a plugin for its versions; we return its own error."""
    conf = world.conf([world.book_network("first"), world.network(0, version="1.1.0")])
    with unchanged(world):
        error = world.fail("ADD", conf)
        assert error["code"] == 1
        assert 'network n0 (net1): plugin type="bridge" name="n0" failed (add): incompatible' in error["msg"]
    assert world.calls("VERSION") == []


def test_a_result_that_comes_with_our_configuration(world: World) -> None:
    """The first plugin of a pod has no `prevResult`, so no delegate gets one from our configuration."""
    conf = conf_of(world, "1.1.0")
    given = {"cniVersion": "1.1.0", "ips": [{"address": "192.0.2.9/24"}]}
    with unchanged(world):
        result = world.add({**conf, "prevResult": given})
        assert [ip["address"] for ip in result["ips"]] == ["10.91.0.2/24"]
        world.succeed("DEL", {**conf, "prevResult": given})
    assert all("prevResult" not in request for _, request in world.requests("ADD"))
