"""Delegates that fail, hang, are missing or busy: ADD takes everything back, and the error names the delegate."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable

import pytest

from .leaknode import PLUGINS, World, unchanged

pytestmark = [pytest.mark.root, pytest.mark.slow]

CNI_ERROR = '{"cniVersion":"1.0.0","code":142,"msg":"no more addresses","details":"pool blue"}'

FAILURES = {
    "cni-error": (f"printf '%s' '{CNI_ERROR}'; exit 1", 142, "no more addresses"),
    "cni-error-11": ("""echo '{"code":11,"msg":"try later"}'; exit 1""", 11, "try later"),
    "plain-text": ("echo out of luck; exit 3", 999, "out of luck"),
    "stderr-only": ("echo out of luck >&2; exit 3", 999, "out of luck"),
    "nothing": ("exit 1", 999, "no error message"),
    "killed": ("kill -9 $$", 999, "killed"),
    "rubbish-as-success": ("echo rubbish; exit 0", 6, "not a CNI result"),
    "nothing-as-success": ("exit 0", 6, "not a CNI result"),
}


PLACES = [(position, is_half_done) for position in (1, 2, 3) for is_half_done in (False, True)]
SOME = [
    *[("cni-error", *place) for place in PLACES],
    *[(failure, 1 + index % 3, index % 2 == 0) for index, failure in enumerate(FAILURES) if failure != "cni-error"],
    *[(failure, 3, True) for failure in ("rubbish-as-success", "nothing-as-success", "plain-text")],
]


@pytest.mark.parametrize(("failure", "position", "is_half_done"), sorted(set(SOME)))
def test_a_failing_add_leaves_nothing(world: World, failure: str, position: int, is_half_done: bool) -> None:  # noqa: FBT001
    shell, code, text = FAILURES[failure]
    conf = world.three()
    world.order("ADD", position, f'"$real" >/dev/null; {shell}' if is_half_done else shell)
    with unchanged(world):
        error = world.fail("ADD", conf)
        assert error["code"] == code
        ifname = "eth0" if position == 1 else f"net{position - 1}"
        for part in ("pod shop/web", f"network n{position - 1} ({ifname})", 'type="bridge"', text):
            assert part in error["msg"], error
        assert error["cniVersion"] == "1.0.0"
        if failure == "cni-error":
            assert error["details"] == "pool blue"
        assert len(world.calls("DEL")) == position
    world.succeed("DEL", conf)


def test_a_plugin_in_the_middle_of_a_list_fails(world: World) -> None:
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    conf = world.conf(
        [world.rich_network(), world.network(1)],
        capabilities={"portMappings": True},
        runtimeConfig={"portMappings": ports},
    )
    world.order("ADD", "portmap", '"$real" >/dev/null; exit 1')
    with unchanged(world):
        error = world.fail("ADD", conf)
        assert 'type="portmap"' in error["msg"]


def test_a_delegate_that_hangs_in_add(world: World) -> None:
    conf = world.three(deadline=1)
    world.order("ADD", 3, '"$real" >/dev/null; exec sleep 30')
    with unchanged(world):
        error = world.fail("ADD", conf)
        assert error["code"] == 11
        assert "network n2 (net2)" in error["msg"]


def test_a_delegate_that_hangs_in_del_does_not_keep_the_others(world: World) -> None:
    conf = world.three(deadline=2)
    with unchanged(world):
        world.add({**conf, "deadline": 15})
        world.order("DEL", 1, "exec sleep 30")
        # The last one is detached first, and gets its share of this time.
        error = world.fail("DEL", {**conf, "deadline": 5})
        assert error["code"] == 11
        assert "network n2 (net2)" in error["msg"]
        assert len(world.leases()) == 1
        world.forget_orders()
        world.succeed("DEL", conf)


def test_a_del_that_fails_once(world: World) -> None:
    conf = world.three()
    world.order("DEL", 2, f"printf '%s' '{CNI_ERROR}'; exit 1")
    with unchanged(world):
        world.add(conf)
        error = world.fail("DEL", conf)
        assert error["code"] == 142
        for part in ("pod shop/web", "network n1 (net1)", 'type="bridge"', "no more addresses"):
            assert part in error["msg"], error
        assert len(world.leases()) == 1
        assert world.record_files() == ["c0ffee.journal"]
        world.succeed("DEL", conf)


def test_an_add_that_cannot_be_taken_back(world: World) -> None:
    conf = world.three()
    world.order("ADD", 3, "exit 1")
    world.order("DEL", 3, "exit 1")
    with unchanged(world):
        error = world.fail("ADD", conf)
        assert "network n2 (net2)" in error["msg"]
        assert "not taken back" in error["details"]
        assert "network n0 (eth0)" in error["details"]
        world.forget_orders()
        world.succeed("DEL", conf)


def test_an_add_after_one_that_could_not_be_taken_back(world: World) -> None:
    conf = world.three()
    world.order("ADD", 3, "exit 1")
    world.order("DEL", 3, "exit 1")
    with unchanged(world):
        world.fail("ADD", conf)
        world.forget_orders()
        world.add(conf)
        world.succeed("DEL", conf)


STUCK = "exit 1"
HALF_DONE_AND_STUCK = '"$real" >/dev/null; exit 1'


@pytest.mark.parametrize("has_namespace", [True, False], ids=["namespace", "no-namespace"])
@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_network_that_never_attached_and_cannot_detach_is_given_up(
    world: World, position: int, *, has_namespace: bool
) -> None:
    conf = world.three()
    with unchanged(world):
        world.order("ADD", position, STUCK)
        world.order("DEL", 1, STUCK)  # that of the failed one, when ADD takes it back
        assert "not taken back" in world.fail("ADD", conf)["details"]
        world.forget_orders()
        world.order("DEL", 1, STUCK)
        answer = world.succeed("DEL", conf, netns=world.netns if has_namespace else "/run/netns/gone")
        assert "nothing of it can be found on this node" in answer.stderr
        assert world.record_files() == []


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_network_that_attached_half_and_cannot_detach_stays(world: World, position: int) -> None:
    conf = world.three()
    with unchanged(world):
        world.order("ADD", position, HALF_DONE_AND_STUCK)
        world.order("DEL", 1, STUCK)
        world.fail("ADD", conf)
        for netns in (world.netns, "/run/netns/gone"):
            world.forget_orders()
            world.order("DEL", 1, STUCK)
            error = world.fail("DEL", conf, netns=netns)
            assert (
                f"still on the node: address 10.88.{position - 1}.2 in {world.ipam}/n{position - 1}" in error["details"]
            )
        assert world.record_files() == ["c0ffee.journal"]
        world.forget_orders()
        world.succeed("DEL", conf)


def test_a_later_plugin_of_a_list_does_not_keep_an_earlier_one_from_its_del(world: World) -> None:
    """ADD never reached portmap, whose DEL fails; the bridge has attached, and its DEL must come."""
    conf = world.conf([world.network(1), world.rich_network()])
    with unchanged(world):
        world.order("ADD", "tuning", STUCK)
        world.order("DEL", "portmap", STUCK)
        error = world.fail("ADD", conf)
        assert "details" not in error, error
        assert world.calls("DEL") == ["portmap net1", "tuning net1", "bridge net1", "bridge eth0"]
        assert world.record_files() == []


def test_an_earlier_plugin_of_a_list_that_attached_keeps_the_record(world: World) -> None:
    conf = world.conf([world.network(1), world.rich_network()])
    with unchanged(world):
        world.order("ADD", "portmap", STUCK)
        world.order("DEL", "tuning", STUCK)
        world.fail("ADD", conf)
        # Nothing can be found, because the bridge was detached. But tuning has changed something, and must undo it.
        assert 'type="tuning"' in world.fail("DEL", conf)["msg"]
        world.forget_orders()
        world.succeed("DEL", conf)


def test_gc_goes_on_after_a_failure(world: World) -> None:
    conf = world.three(cniVersion="1.1.0")
    other = world.add_namespace(f"{world.pod}b")
    with unchanged(world):
        world.add(conf, container="aa")
        world.add(conf, container="bb", netns=other)
        world.order("DEL", 1, "exit 1")
        error = world.fail("GC", {**conf, "cni.dev/valid-attachments": []})
        assert "network n2 (net2)" in error["msg"]
        assert world.record_files() == ["aa.journal"]
        assert len(world.leases()) == 1
        world.succeed("GC", {**conf, "cni.dev/valid-attachments": []})


def test_an_executable_that_is_missing(world: World) -> None:
    conf = world.conf([world.network(0), {"cniVersion": "1.0.0", "name": "gone", "type": "no-such-plugin"}])
    with unchanged(world):
        error = world.fail("ADD", conf)
        assert error["code"] == 5
        assert "network gone (net1)" in error["msg"]
        assert 'failed to find plugin "no-such-plugin"' in error["msg"]
        # Taking it back needs the plugin too. Without it the attachment stays in the record (CNI 1.1 §2).
        installed = world.bin / "no-such-plugin"
        installed.write_text("#!/bin/sh\nexit 0\n")
        installed.chmod(0o755)
        world.succeed("DEL", conf)


def test_an_executable_that_is_missing_at_del(world: World) -> None:
    own = world.bin / "own"
    shutil.copy(PLUGINS / "bridge", own)
    network = world.network(1)
    network["plugins"][0]["type"] = "own"
    conf = world.conf([world.network(0), network, world.network(2)])
    with unchanged(world):
        world.add(conf)
        own.rename(world.root / "away")
        error = world.fail("DEL", conf)
        assert "network n1 (net1)" in error["msg"]
        assert len(world.leases()) == 1
        (world.root / "away").rename(own)
        world.succeed("DEL", conf)


def release_later(close: Callable[[], None], after_s: float) -> threading.Timer:
    timer = threading.Timer(after_s, close)
    timer.start()
    return timer


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_an_executable_that_is_being_written(world: World, verb: str) -> None:
    own = world.bin / "own"
    shutil.copy(PLUGINS / "bridge", own)
    network = world.network(1)
    network["plugins"][0]["type"] = "own"
    conf = world.conf([world.network(0), network])
    with unchanged(world):
        if verb == "DEL":
            world.add(conf)
        with own.open("ab") as file:
            thread = release_later(file.close, 0.5)
            answer = world.run(verb, conf)
            thread.join()
        assert answer.code == 0, answer
        world.succeed("DEL", conf)


def test_an_executable_that_is_being_written_for_ever(world: World) -> None:
    own = world.bin / "own"
    shutil.copy(PLUGINS / "bridge", own)
    network = world.network(1)
    network["plugins"][0]["type"] = "own"
    conf = world.conf([world.network(0), network], deadline=1)
    with unchanged(world):
        with own.open("ab") as file:
            thread = release_later(file.close, 2.0)
            error = world.fail("ADD", conf)
            thread.join()
        assert error["code"] == 11
        assert "text file busy" in error["msg"]
        world.succeed("DEL", conf)
