"""A disk that is full, broken or read-only at each write of ADD and DEL causes no leak and no partial record."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .leaknode import World, unchanged

pytestmark = [pytest.mark.root, pytest.mark.slow]

Conf = dict[str, Any]


@contextmanager
def tiny_disk(world: World, size: str = "size=32k,nr_inodes=20") -> Iterator[None]:
    """Keep the records on a file system of this size."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", world.records], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", world.records], check=True)


FILL = "i=0; while (: >{0}/fill$i) 2>/dev/null; do i=$((i+1)); done; cat /dev/zero >{0}/fill0 2>/dev/null"


def fill(world: World) -> None:
    subprocess.run(["sh", "-c", FILL.format(world.records)], check=False)


def make_space(world: World) -> None:
    for path in world.records.glob("fill*"):
        path.unlink()


def test_the_disk_is_full_before(world: World) -> None:
    conf = world.three()
    with tiny_disk(world):
        fill(world)
        with unchanged(world):
            error = world.fail("ADD", conf)
            assert error["code"] == 5
            assert "no space" in error["msg"].lower()
            assert world.calls("ADD") == []


@pytest.mark.parametrize("call", [1, 2, 3])
def test_the_disk_fills_while_a_delegate_attaches(world: World, call: int) -> None:
    conf = world.three()
    world.order("ADD", call, f'"$real"; {FILL.format(world.records)}; exit 0')
    with tiny_disk(world), unchanged(world):
        error = world.fail("ADD", conf)
        assert error["code"] == 5
        make_space(world)


def test_the_disk_is_full_at_del(world: World) -> None:
    conf = world.three()
    with tiny_disk(world), unchanged(world):
        world.add(conf)
        fill(world)
        world.succeed("DEL", conf)
        make_space(world)


def test_the_disk_is_full_at_a_del_that_fails(world: World) -> None:
    conf = world.three()
    with tiny_disk(world), unchanged(world):
        world.add(conf)
        fill(world)
        world.order("DEL", 2, "exit 1")
        error = world.fail("DEL", conf)
        assert "network n1 (net1)" in error["msg"]
        world.succeed("DEL", conf)
        make_space(world)


def test_the_disk_is_read_only_at_del(world: World) -> None:
    conf = world.three()
    with tiny_disk(world), unchanged(world):
        world.add(conf)
        subprocess.run(["mount", "-o", "remount,ro", world.records], check=True)
        error = world.fail("DEL", conf)
        assert error["code"] == 5
        assert world.leases() == []
        subprocess.run(["mount", "-o", "remount,rw", world.records], check=True)
        world.succeed("DEL", conf)


REFUSAL = """echo '{"code": 142, "msg": "no more addresses"}'; exit 1"""


@pytest.mark.parametrize("is_taken_back", [True, False])
def test_a_delegate_fails_and_the_disk_too(world: World, *, is_taken_back: bool) -> None:
    """The error is the delegate's; the failure to change the record is in its details."""
    conf = world.three()
    # Each write has five changes. The first is the plan, the second the first result, while the second delegate runs.
    program = world.stub_on_failing_disk(11, errno.EIO, also=("unlink",))
    world.order("ADD", 2, REFUSAL)
    if not is_taken_back:
        world.order("DEL", "bridge", "exit 1")
    with unchanged(world):
        error = world.fail("ADD", conf, program=program)
        assert (error["code"], "no more addresses" in error["msg"]) == (142, True), error
        assert f"cannot be {'removed' if is_taken_back else 'written'}: Input/output error" in error["details"]
        assert error["msg"].startswith("pod shop/web: network n1 (net1): ")
        world.forget_orders()
        world.succeed("DEL", conf)


def long_conf(world: World) -> Conf:
    """Return networks of more than one page each, so that a record needs several pages."""
    conf = world.three()
    for network in conf["delegates"]:
        network["plugins"][0]["note"] = "x" * 4096
    return conf


def fails_on_disk_of(world: World, size: str, *, is_taken_back: bool) -> int | None:
    """Let ADD fail on a disk of this size and DEL clean up; return the number of delegate calls, None if ADD succeeds.

    NB: if DEL fails too, it cannot change the record, which still names every attempted attachment.
    """
    conf = long_conf(world)
    if not is_taken_back:
        world.order("DEL", "bridge", "exit 1")
    with unchanged(world), tiny_disk(world, size):
        answer = world.run("ADD", conf)
        calls = len(world.calls("ADD"))
        world.forget_orders()
        if answer.code:
            assert answer.code == 1
            assert answer.json["code"] == 5
            assert answer.json["msg"].startswith("pod shop/web: journal ")
            assert "No space left" in answer.json["msg"]
            assert len(world.leases()) == (0 if is_taken_back else calls)
            assert bool(world.record_files()) == (calls > 0 and not is_taken_back)
        world.succeed("DEL", conf)
        assert world.record_files() == []
    return calls if answer.code else None


SIZES: dict[str, tuple[Callable[[int], str], set[int]]] = {
    "pages": (lambda n: f"size={4 * n}k", {0, 2}),
    "files": (lambda n: f"nr_inodes={n + 1}", {0, 2}),
}
"""Disks of n pages or of n files (the first is `.lock`), with the number of delegates that ADD calls on them.

ADD writes the whole plan before the first delegate, and a second file while the second delegate runs."""


@pytest.mark.parametrize("is_taken_back", [True, False])
@pytest.mark.parametrize("kind", SIZES)
def test_the_disk_is_full_at_each_write(world: World, kind: str, *, is_taken_back: bool) -> None:
    size, wanted = SIZES[kind]
    reached = set()
    for number in range(1, 20):
        calls = fails_on_disk_of(world, size(number), is_taken_back=is_taken_back)
        if calls is None:
            break
        reached.add(calls)
    else:
        pytest.fail("the disk is never large enough")
    assert reached == wanted


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_the_disk_fails_from_each_change_on(world: World, error: int) -> None:
    """With EIO nothing can be removed either. DEL finds the record when the disk works again."""
    conf = world.conf([world.network(0), world.network(1)])
    also = ("unlink",) if error == errno.EIO else ()
    # open, write, fsync, replace, fsync of the directory, three times; after ENOSPC, the removal needs none of them.
    for first in range(1, 16):
        program = world.stub_on_failing_disk(first, error, also=also)
        with unchanged(world):
            answer = world.fail("ADD", conf, program=program)
            assert answer["code"] == 5, (first, answer)
            world.succeed("DEL", conf)
    with unchanged(world):
        world.add(conf, program=world.stub_on_failing_disk(16, error, also=also))
        world.succeed("DEL", conf)


def test_the_record_cannot_be_removed(world: World) -> None:
    """The networks are detached, and the error says that the record is not removed. Another DEL is harmless."""
    conf = world.conf([world.network(0), world.network(1)])
    for first in (1, 2):
        program = world.stub_on_failing_disk(first, errno.EIO, also=("unlink",))
        with unchanged(world):
            world.add(conf)
            answer = world.fail("DEL", conf, program=program)
            assert answer["code"] == 5
            assert "cannot be removed: Input/output error" in answer["msg"]
            assert world.leases() == []
            world.succeed("DEL", conf)


def test_the_remaining_record_cannot_be_written(world: World) -> None:
    conf = world.three()
    for first in range(1, 6):
        program = world.stub_on_failing_disk(first, errno.EIO)
        with unchanged(world):
            world.add(conf)
            world.order("DEL", 2, "exit 1")
            answer = world.fail("DEL", conf, program=program)
            assert "network n1 (net1)" in answer["msg"]
            assert "Input/output error" in answer["details"]
            world.forget_orders()
            assert len(world.leases()) == 1
            world.succeed("DEL", conf)
            world.forget_orders()
