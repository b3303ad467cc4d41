"""The commands for a damaged record, show and forget, on a real node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cniplugin.install.commandline import DIFFERS, DONE, FAILED, MISUSED
from tests.node.leaks.leaknode import CONTAINER, PLUGINS, REPO, World, unchanged

pytestmark = [pytest.mark.root, pytest.mark.slow]


def command(world: World, *words: str) -> tuple[int, str]:
    """Run a command of the plugin on the host's side; return the exit code and its output."""
    conf_dir = world.root / "net.d"
    conf_dir.mkdir(exist_ok=True)
    options = ["--cni-conf-dir", str(conf_dir), "--record-dir", str(world.records)]
    if words[0] == "forget":
        options += ["--cni-bin-dir", str(world.bin)]
    start = ["ip", "netns", "exec", world.host, sys.executable, "-m", "cniplugin", *words, *options]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPO), "CNI_PATH": str(PLUGINS)}
    done = subprocess.run(start, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def record_of(world: World) -> Path:
    return world.records / f"{CONTAINER}.journal"


def cut_last_entry(path: Path) -> bytes:
    """Damage a record; return it as it was."""
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    return whole


def test_show_prints_the_known_attachments_and_what_to_do(world: World) -> None:
    conf = world.three()
    world.add(conf)
    assert command(world, "show") == (
        DIFFERS,
        f"attached      1 container has records in {world.records}\nnot installed\n",
    )
    whole = cut_last_entry(record_of(world))
    code, said = command(world, "show")
    assert code == DIFFERS
    lines = [line[14:] for line in said.splitlines()]
    assert said.splitlines()[1].startswith("damaged       ")
    assert lines[1:] == [
        f"journal {record_of(world)}: the record is damaged: it has 2 of 3 entries",
        f"container {CONTAINER}, pod shop/web, network namespace {world.netns}",
        "known: eth0 n0 (attached) 10.88.0.2/24",
        "known: net1 n1 (attached) 10.88.1.2/24",
        "missing: 1 attachments",
        "DEL of this container fails until its record is given up. Look for its interfaces and addresses that",
        f"are not listed here, free them by hand, then run: nadmit forget {CONTAINER}",
        "",
    ]
    record_of(world).write_bytes(whole)
    world.succeed("DEL", conf)
    assert command(world, "show") == (DIFFERS, "not installed\n")


def test_show_of_a_record_of_which_nothing_is_known(world: World) -> None:
    record_of(world).write_text("#" * 100)
    _, said = command(world, "show")
    assert f"container {CONTAINER}: its pod and network namespace are unknown" in said
    assert "missing: an unknown number of attachments" in said


def test_forget_detaches_what_is_known_and_moves_the_rest_aside(world: World) -> None:
    conf = world.three()
    with unchanged(world):
        world.add(conf)
        cut_last_entry(record_of(world))
        damaged = record_of(world).read_bytes()
        world.fail("DEL", conf)
        code, said = command(world, "forget", CONTAINER)
        assert code == DONE, said
        assert "detached: 2 of 2 known attachments\n" in said
        aside = world.records / f"{CONTAINER}.damaged"
        assert f"forgotten: the record is now {aside}, and" in said
        assert aside.read_bytes() == damaged
        assert len(world.leases()) == 1, "the one that was missing is the administrator's"
        world.succeed("DEL", conf)
        world.succeed("GC", {**conf, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []})
        assert aside.exists()
        aside.unlink()
        for lease in world.leases():
            (world.ipam / lease).unlink()
        subprocess.run(["ip", "-n", world.pod, "link", "delete", "net2"], check=True)


def test_forget_without_a_head_detaches_without_a_namespace(world: World) -> None:
    conf = world.three()
    world.add(conf)
    data = record_of(world).read_bytes()
    record_of(world).write_bytes(data.split(b"\n", 1)[1])
    code, said = command(world, "forget", CONTAINER)
    assert code == DONE, said
    assert "its pod and network namespace are unknown" in said
    assert "detached: 3 of 3 known attachments" in said
    assert world.leases() == []


def test_forget_keeps_the_record_when_a_delegate_fails(world: World) -> None:
    conf = world.three()
    world.add(conf)
    cut_last_entry(record_of(world))
    damaged = record_of(world).read_bytes()
    world.order("DEL", "bridge", "exit 1")
    code, said = command(world, "forget", CONTAINER)
    assert code == FAILED
    assert "not detached: network n1 (net1): " in said
    assert "not forgotten: repair this and run forget again, or use --force" in said
    assert record_of(world).read_bytes() == damaged
    code, said = command(world, "forget", CONTAINER, "--force")
    assert code == DONE, said
    assert "detached: 0 of 2 known attachments" in said
    assert not record_of(world).exists()


def test_forget_never_detaches_another_container(world: World) -> None:
    conf = world.three()
    world.add(conf)
    other = world.records / "other.journal"
    other.write_bytes(record_of(world).read_bytes())
    code, said = command(world, "forget", "other")
    assert code == DONE, said
    assert f"nothing is detached: the record belongs to container {CONTAINER}" in said
    assert len(world.leases()) == 3
    world.succeed("DEL", conf)


def test_records_that_forget_refuses(world: World) -> None:
    code, said = command(world, "forget", CONTAINER)
    assert (code, said.count("\n")) == (FAILED, 1)
    assert "there is no record of any container" in said
    conf = world.three()
    world.add(conf)
    code, said = command(world, "forget", CONTAINER)
    assert code == FAILED
    assert "this record is sound, and" in said
    assert "pod shop/web may be running; delete the pod" in said
    assert "there is no record of this container" in command(world, "forget", "other")[1]
    assert "not a container ID" in command(world, "forget", "../x")[1]
    assert command(world, "forget")[0] == MISUSED
    assert command(world, "forget", CONTAINER, "--root", "/")[0] == MISUSED
    world.succeed("DEL", conf)


def test_forget_never_overwrites_what_was_set_aside(world: World) -> None:
    record_of(world).write_text("#")
    aside = world.records / f"{CONTAINER}.damaged"
    aside.write_text("from before")
    code, said = command(world, "forget", CONTAINER)
    assert code == FAILED
    assert f"{aside} exists already" in said
    assert aside.read_text() == "from before"
    aside.unlink()
    os.link(record_of(world), aside)  # a crash between link and unlink
    assert command(world, "forget", CONTAINER)[0] == DONE
    assert not record_of(world).exists()
    assert aside.read_text() == "#"
