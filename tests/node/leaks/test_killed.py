"""`kill -9` of the plugin at every step of ADD, DEL, GC: then DEL leaves nothing, and ADD works or gives a reason."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.fakes.waiting import wait_until

from .leaknode import World, unchanged

pytestmark = [pytest.mark.root, pytest.mark.slow]

DELEGATES = 5
"""The delegate calls of the ADD below: bridge, tuning, portmap; bridge; bridge."""

WRITES = 4
"""The writes for three attachments: the plan, two results while the next delegate runs, the complete record."""

STEPS_OF_A_WRITE = (("open", "after"), ("fsync", "after"), ("replace", "before"), ("replace", "after"))

BEFORE = "kill -9 $PPID; exit 0"
AFTER = '"$real" >/dev/null; kill -9 $PPID; exit 0'


def conf_of(world: World) -> dict[str, object]:
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    return world.conf(
        [world.rich_network(), world.network(1), world.network(2)],
        capabilities={"portMappings": True},
        runtimeConfig={"portMappings": ports},
    )


def clean_up(world: World, conf: dict[str, object]) -> None:
    """A new ADD succeeds completely or is refused; then DEL succeeds twice."""
    answer = world.run("ADD", conf)
    if answer.code:
        assert "attached already" in answer.json["msg"], answer
    world.succeed("DEL", conf)
    world.succeed("DEL", conf)


@pytest.mark.parametrize("shell", [pytest.param(BEFORE, id="before"), pytest.param(AFTER, id="after")])
@pytest.mark.parametrize("call", range(1, DELEGATES + 1))
@pytest.mark.parametrize("is_added_again", [False, True], ids=["del", "add-again"])
def test_at_each_delegate(world: World, call: int, shell: str, *, is_added_again: bool) -> None:
    conf = conf_of(world)
    world.order("ADD", call, shell)
    with unchanged(world):
        world.killed("ADD", conf)
        world.forget_orders()
        assert world.record_files(), "what is attempted must be on record before its delegate runs"
        if is_added_again:
            clean_up(world, conf)
        else:
            world.succeed("DEL", conf)


@pytest.mark.parametrize(("step", "when"), STEPS_OF_A_WRITE)
@pytest.mark.parametrize("write", range(1, WRITES + 1))
def test_at_each_write_of_the_record(world: World, write: int, step: str, when: str) -> None:
    # The record is opened once for reading. Then open and fsync are called for the file and for its directory.
    times = {"open": 2 * write, "fsync": 2 * write - 1, "replace": write}[step]
    program = world.stub_killed_at(step, times, when=when)
    conf = world.three()
    with unchanged(world):
        world.killed("ADD", conf, program=program)
        world.succeed("DEL", conf)
    with unchanged(world):
        world.killed("ADD", conf, program=program)
        clean_up(world, conf)


@pytest.mark.parametrize("call", range(1, DELEGATES + 1))
@pytest.mark.parametrize("shell", [pytest.param(BEFORE, id="before"), pytest.param(AFTER, id="after")])
def test_at_each_delegate_of_del(world: World, call: int, shell: str) -> None:
    conf = conf_of(world)
    world.order("DEL", call, shell)
    with unchanged(world):
        world.add(conf)
        world.killed("DEL", conf)
        world.forget_orders()
        world.succeed("DEL", conf)


@pytest.mark.parametrize(("step", "times"), [("unlink", 1), ("unlink", 2)])
def test_at_the_removal_of_the_record(world: World, step: str, times: int) -> None:
    """NB: a temporary file is removed first, then the record."""
    conf = world.three()
    for when in ("before", "after"):
        program = world.stub_killed_at(step, times, when=when)
        with unchanged(world):
            world.add(conf)
            world.killed("DEL", conf, program=program)
            world.succeed("DEL", conf)


@pytest.mark.parametrize(("step", "when"), STEPS_OF_A_WRITE)
def test_while_del_writes_what_is_left(world: World, step: str, when: str) -> None:
    program = world.stub_killed_at(step, 2 if step == "open" else 1, when=when)
    conf = world.three()
    with unchanged(world):
        world.add(conf)
        world.order("DEL", 2, "exit 1")
        world.killed("DEL", conf, program=program)
        world.forget_orders()
        assert len(world.leases()) == 1
        world.succeed("DEL", conf)


STEPS_OF_GC = [
    ("DEL", 1, "before"),
    *[("DEL", call, "after") for call in range(1, 5)],
    *[("unlink", times, "before") for times in range(1, 6)],  # temporary file and record of both; the swept files
    *[("GC", 1, when) for when in ("before", "after")],
]


def killed_gc(world: World, conf: dict[str, object], verb: str, times: int, when: str) -> None:
    program = "nadmit"
    if verb in {"DEL", "GC"}:
        world.forget_orders()
        world.order(verb, times, {"before": BEFORE, "after": AFTER}[when])
    else:
        program = world.stub_killed_at(verb, times, when=when)
    world.killed("GC", conf, program=program)
    world.forget_orders()


@pytest.mark.parametrize("is_collected_again", [True, False], ids=["gc-again", "del"])
def test_at_each_step_of_gc(world: World, *, is_collected_again: bool) -> None:
    """Two containers are dead and one is alive. A second GC, or a DEL of each dead one, leaves the live one unchanged.

    NB: without a bridge, whose MAC address changes with its ports; then CHECK of Debian's plugin fails.
    """
    conf = world.conf([world.ptp_network(), world.book_network("book")], cniVersion="1.1.0")
    dead = {name: world.add_namespace(f"{world.pod}{name}") for name in ("aa", "bb")}
    listed = {**conf, "cni.dev/valid-attachments": [{"containerID": "live", "ifname": "eth0"}]}
    before = world.state()
    world.add(conf, container="live")
    live = world.state()
    for verb, times, when in STEPS_OF_GC:
        for name, netns in dead.items():
            world.add(conf, container=name, netns=netns)
        for name in (".aa.tmp", ".zz.tmp"):
            (world.records / name).touch()
        killed_gc(world, listed, verb, times, when)
        world.succeed("CHECK", conf, container="live")
        if is_collected_again:
            world.succeed("GC", listed)
        else:
            for name, netns in dead.items():
                world.succeed("DEL", conf, container=name, netns=netns)
            (world.records / ".zz.tmp").unlink(missing_ok=True)
        assert world.state() == live, (verb, times, when)
    world.succeed("DEL", conf, container="live")
    assert world.state() == before


def test_while_taking_back(world: World) -> None:
    conf = world.three()
    world.order("ADD", 3, "exit 1")
    world.order("DEL", 2, AFTER)
    with unchanged(world):
        world.killed("ADD", conf)
        world.forget_orders()
        world.succeed("DEL", conf)


@pytest.mark.parametrize("call", [1, 4])
@pytest.mark.parametrize("verb", ["DEL", "ADD", "GC"])
def test_a_delegate_that_outlives_the_plugin(world: World, call: int, verb: str) -> None:
    conf = {**conf_of(world), "cniVersion": "1.1.0"}
    world.order("ADD", call, f"echo $$ >{world.root}/pid; kill -9 $PPID; sleep 0.3; echo >{world.root}/woke")
    with unchanged(world):
        world.killed("ADD", conf)
        world.forget_orders()
        world.succeed(verb, {**conf, "cni.dev/valid-attachments": []} if verb == "GC" else conf)
        wait_until(lambda: not Path(f"/proc/{(world.root / 'pid').read_text().strip()}").exists())
        assert not (world.root / "woke").exists()
        if verb == "ADD":
            world.succeed("DEL", conf)


@pytest.mark.parametrize("call", range(1, DELEGATES + 1))
def test_a_network_of_a_killed_add_that_cannot_detach_is_given_up(world: World, call: int) -> None:
    """Nothing of the network of this delegate is on the node, so its DEL may fail for ever."""
    conf = conf_of(world)
    place = ["eth0", "eth0", "eth0", "net1", "net2"][call - 1]
    kind = ["bridge", "tuning", "portmap", "bridge", "bridge"][call - 1]
    stuck = f'if [ "$CNI_IFNAME" = {place} ]; then exit 1; fi'
    with unchanged(world):
        world.order("ADD", call, BEFORE)
        world.killed("ADD", conf)
        world.forget_orders()
        world.order("DEL", kind, stuck)
        answer = world.succeed("DEL", conf)
        assert "its ADD was killed; nothing of it can be found on this node" in answer.stderr


@pytest.mark.parametrize("call", [1, 4, 5])
def test_a_network_of_a_killed_add_that_is_on_the_node_stays(world: World, call: int) -> None:
    conf = conf_of(world)
    place = {1: "eth0", 4: "net1", 5: "net2"}[call]
    with unchanged(world):
        world.order("ADD", call, AFTER)
        world.killed("ADD", conf)
        world.forget_orders()
        world.order("DEL", "bridge", f'if [ "$CNI_IFNAME" = {place} ]; then exit 1; fi')
        error = world.fail("DEL", conf)
        assert f"still on the node: interface {place} in {world.netns}" in error["details"]
        world.forget_orders()
        world.succeed("DEL", conf)


def test_without_the_namespace_nobody_knows_whether_a_killed_add_attached(world: World) -> None:
    conf = world.three()
    world.order("ADD", 3, BEFORE)
    world.killed("ADD", conf)
    world.forget_orders()
    subprocess.run(["ip", "netns", "delete", world.pod], check=True)
    world.order("DEL", 1, "exit 1")
    assert "network n2 (net2)" in world.fail("DEL", conf)["msg"]
    assert world.leases() == []
    world.forget_orders()
    world.succeed("DEL", conf)
    assert world.record_files() == []
