"""`nadmit gc`: what is gone is freed, what lives is kept, also if only Multus has it on record.

The command runs in PID namespaces of its own, whose process 1 is the node of the test: in its network namespace, and
beside a container with a process. Containers are real namespaces, processes and cgroups. The runtime is a scripted
peer; tests/cniplugin/host/test_cri.py asks containerd.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cniplugin.install.commandline import DIFFERS, DONE, FAILED, MISUSED
from tests.fakes.criserver import Runtime, sandboxes
from tests.fakes.waiting import wait_until
from tests.node.leaks import state
from tests.node.leaks.leaknode import PLUGINS, REPO, World, unchanged
from tests.node.leaks.test_attach import without_ports
from tests.node.leaks.test_broken_node import conf_with_ports

from .test_gc_multus import DEAD, LIVE, put_multus

pytestmark = [pytest.mark.root, pytest.mark.slow]

NODE = """\
mkfifo {root}/ready
nsenter --net={netns} sh -c 'echo 0 >{cgroup}; echo >{root}/ready; exec sleep 600' &
read -r _ <{root}/ready; rm {root}/ready
{python} -m cniplugin gc {words}
"""
LONE = "{python} -m cniplugin gc --apply {words}; exit $?"
"""As in a container: no process of another network namespace is to be seen."""


def gc(world: World, *words: str, script: str = NODE, cgroup: Path = Path(os.devnull)) -> tuple[int, str]:
    """Run the command on the node of the test, with a process of `cgroup`; return the exit code and its output."""
    options = (*words, "--cni-conf-dir", str(world.root / "net.d"))
    given = {"root": world.root, "netns": world.netns, "python": sys.executable, "words": " ".join(options)}
    given |= {"cgroup": cgroup}
    start = ["nsenter", f"--net=/run/netns/{world.host}", "unshare", "--pid", "--fork", "--mount-proc"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPO), "CNI_PATH": str(PLUGINS)}
    done = subprocess.run(
        [*start, "sh", "-c", script.format(**given)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def install(world: World, conf: dict[str, Any]) -> dict[str, Any]:
    (world.root / "net.d").mkdir()
    (world.root / "net.d" / "00-nadmit.conf").write_text(json.dumps(conf))
    return conf


def add_dead(world: World, conf: dict[str, Any], container: str = DEAD) -> None:
    """Attach a container, and let it end as in a crash: its namespace goes, and DEL never comes."""
    name, links = f"{world.pod}{container[:2]}", f"{world.host} links"
    before = state.network(world.host)[links]
    world.add(conf, container=container, netns=world.add_namespace(name))
    subprocess.run(["ip", "netns", "delete", name], check=True)
    wait_until(lambda: state.network(world.host)[links] == before)  # the kernel removes its links a little later
    age(world)


def age(world: World) -> None:
    """Let all files be two minutes old."""
    then = time.time() - 120
    for top in (world.records, world.ipam, world.root / "multus"):
        for name in state.files(top):
            os.utime(top / name, (then, then))


@contextmanager
def cgroup_of(name: str) -> Iterator[Path]:
    """Make a cgroup as a runtime names it; yield the file that takes its processes."""
    tops = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/pids"))
    path = next(top for top in tops if (top / "cgroup.procs").exists()) / f"cri-containerd-{name}.scope"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"this machine lets no cgroup be made: {error}")
    try:
        yield path / "cgroup.procs"
    finally:
        wait_until(lambda: not (path / "cgroup.procs").read_text())
        path.rmdir()


@pytest.fixture
def conf(world: World) -> dict[str, Any]:
    return install(world, conf_with_ports(world))


def add_live(world: World, conf: dict[str, Any]) -> None:
    world.add(without_ports(conf), container=LIVE)
    age(world)


def marked(said: str, mark: str) -> list[str]:
    """Return the lines of one kind, without its mark."""
    return [line[14:] for line in said.splitlines() if line.startswith(f"{mark:<13} ")]


# Records


def test_a_dead_container_is_found_then_freed_and_a_live_one_is_kept(world: World, conf: dict[str, Any]) -> None:
    with unchanged(world):
        add_live(world, conf)
        live = world.state()
        add_dead(world, conf)
        before = world.state()
        assert any("8080" in rule for rule in before["iptables"])
        code, said = gc(world)
        assert code == DIFFERS, said
        why = f"its network namespace /run/netns/{world.pod}de does not exist, and no cgroup or process names it"
        found = marked(said, "would free")
        assert [line.partition(" 10.")[0] for line in found] == ["eth0 n0", "net1 n1", "net2 p"]
        assert all(line.endswith(f" of container {DEAD} (pod shop/web): {why}") for line in found)
        assert marked(said, "kept") == [
            f"container {LIVE} (pod shop/web): processes run in its network namespace {world.netns}"
        ]
        assert said.endswith("\n3 can be freed: run gc again with --apply\n")
        assert world.state() == before, "without --apply nothing changes"
        code, said = gc(world, "--apply")
        assert code == DONE, said
        assert [line.partition(" 10.")[0] for line in marked(said, "freed")] == ["eth0 n0", "net1 n1", "net2 p"]
        assert said.endswith("\n3 freed, 0 not freed, 0 damaged records\n")
        assert world.state() == live
        code, said = gc(world)
        assert (code, said.splitlines()[-1]) == (DONE, "0 can be freed")
        world.succeed("CHECK", without_ports(conf) | {"cniVersion": "1.0.0"}, container=LIVE)
        world.succeed("DEL", conf, container=LIVE)


def test_what_a_killed_add_left_is_freed(world: World) -> None:
    conf = install(world, world.three())
    netns = world.add_namespace(f"{world.pod}k")
    world.order("ADD", 2, '"$real" >/dev/null; kill -9 $PPID')
    before = world.state()
    world.killed("ADD", conf, container=DEAD, netns=netns)
    world.forget_orders()
    assert len(world.leases()) == 2
    code, said = gc(world, "--apply")
    assert (code, len(world.leases())) == (DONE, 2), "it may still run"
    age(world)
    code, said = gc(world, "--apply")
    assert (code, len(world.leases())) == (DONE, 2), "its namespace exists"
    subprocess.run(["ip", "netns", "delete", f"{world.pod}k"], check=True)
    code, said = gc(world, "--apply")
    assert code == DONE, said
    assert world.leases() == world.record_files() == []
    wait_until(lambda: {key: value for key, value in before.items() if f"{world.pod}k" not in key} == world.state())


@pytest.mark.parametrize("is_running", [True, False])
def test_a_container_that_a_cgroup_names_is_kept(world: World, conf: dict[str, Any], *, is_running: bool) -> None:
    """Without the runtime's list, a cgroup without processes counts as well."""
    add_dead(world, conf)
    before = world.state()
    with cgroup_of(DEAD) as cgroup, Runtime(world.root / "cri.sock", sandboxes("another")) as runtime:
        inside = cgroup if is_running else Path(os.devnull)
        code, said = gc(world, "--apply", cgroup=inside)
        assert code == DONE, said
        assert f"container {DEAD} (pod shop/web): a cgroup names it" in gc(world, cgroup=inside)[1]
        assert world.state() == before
        code, said = gc(world, "--cri-socket", runtime.path, "--apply", cgroup=inside)
        assert code == DONE, said
        assert (world.state() == before) is is_running
    world.succeed("DEL", conf, container=DEAD)


def test_a_record_that_is_young_or_locked_is_kept(world: World, conf: dict[str, Any]) -> None:
    add_dead(world, conf)
    record = world.records / f"{DEAD}.journal"
    os.utime(record)
    code, said = gc(world)
    assert (code, marked(said, "kept")) == (
        DONE,
        [f"container {DEAD} (pod shop/web): its record was written less than a minute ago"],
    )
    age(world)
    with (world.records / f".{DEAD}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, said = gc(world, "--apply")
    assert code == DONE, said
    assert "another CNI command holds a lock in it" in marked(said, "kept")[0]
    assert record.exists()
    assert gc(world, "--apply")[0] == DONE
    assert not record.exists()


def test_a_delegate_that_fails_is_reported_and_stays_on_record(world: World, conf: dict[str, Any]) -> None:
    add_dead(world, conf)
    world.order("DEL", "ptp", """echo '{"code": 140, "msg": "busy"}'; exit 1""")
    code, said = gc(world, "--apply")
    assert code == FAILED, said
    assert [line.split()[0] for line in marked(said, "freed")] == ["eth0", "net1"]
    assert [line.split()[0] for line in marked(said, "not freed")] == ["net2"]
    assert 'network p (net2): plugin type="ptp" name="p" failed (delete): busy' in said
    assert said.endswith("\n2 freed, 1 not freed, 0 damaged records\n")
    world.forget_orders()
    age(world)
    code, said = gc(world, "--apply")
    assert (code, len(marked(said, "freed"))) == (DONE, 1)
    assert world.leases() == world.record_files() == []


def test_a_damaged_record_is_listed_and_never_freed(world: World, conf: dict[str, Any]) -> None:
    add_dead(world, conf)
    record = world.records / f"{DEAD}.journal"
    whole = record.read_bytes()
    record.write_bytes(whole[:-1])
    age(world)
    before = world.state()
    for words in ((), ("--apply",)):
        code, said = gc(world, *words)
        assert code == DIFFERS, said
        assert marked(said, "damaged") == [f"journal {record}: the record is damaged: its end is missing"]
        assert (
            f"gc never frees it: show prints what can be read; free the rest by hand, and then run: nadmit forget {DEAD}"
            in said
        )
    assert world.state() == before
    record.write_bytes(whole)
    world.succeed("DEL", conf, container=DEAD)


def test_in_a_container_nothing_is_judged(world: World, conf: dict[str, Any]) -> None:
    """There all namespaces and cgroups of the node seem to be gone."""
    add_dead(world, conf)
    before = world.state()
    for words in ((), ("--cri-socket", "/none")):
        code, said = gc(world, *words, script=LONE)
        assert code == FAILED, said
        assert ("CRI socket /none: No such file" if words else "no process of a container is to be seen") in said
    nested = NODE.replace("{python}", "nsenter --net={netns} {python}")
    code, said = gc(world, script=nested)
    assert code == FAILED, said
    assert "this process does not see the network of process 1; run gc on the node itself" in said
    assert "does not see the mounts" in gc(world, script=NODE.replace("{python}", "unshare --mount {python}"))[1]
    assert world.state() == before
    world.succeed("DEL", conf, container=DEAD)


def test_wrong_words(world: World) -> None:
    for words in (("--root", "/host"), ("--cri-socket", "run/c.sock"), ("c0ffee",), ("--apply=yes",)):
        assert gc(world, *words)[0] == MISUSED


# The runtime's list


def test_the_runtime_says_which_containers_are_alive(world: World, conf: dict[str, Any]) -> None:
    """A sandbox whose namespace is gone is alive, as its DEL comes; one that the runtime does not know is gone."""
    add_dead(world, conf, container=LIVE)
    add_dead(world, conf)
    with Runtime(world.root / "cri.sock", sandboxes(LIVE, "another")) as runtime:
        code, said = gc(world, "--cri-socket", f"unix://{runtime.path}", "--apply")
    assert code == DONE, said
    assert [line.partition(" 10.")[0] for line in marked(said, "freed")] == ["eth0 n0", "net1 n1", "net2 p"]
    assert world.record_files() == [f"{LIVE}.journal"]
    assert len(world.leases()) == 3
    world.succeed("DEL", conf, container=LIVE)


def test_the_list_of_another_runtime_frees_nothing_that_lives(world: World, conf: dict[str, Any]) -> None:
    """One live container has a process; the other one has none now, as one of CRI-O without containers."""
    add_live(world, conf)
    idle = world.add_namespace(f"{world.pod}i")
    world.add(without_ports(conf), container="idle", netns=idle)
    age(world)
    before = world.state()
    with Runtime(world.root / "cri.sock", sandboxes("strange")) as runtime:
        code, said = gc(world, "--cri-socket", runtime.path)
        assert code == DONE, said
        assert gc(world, "--cri-socket", runtime.path, "--apply")[0] == DONE
    assert len(marked(said, "kept")) == 2
    assert f"processes run in its network namespace {world.netns}" in said
    assert f"its network namespace {idle} exists, and the runtime at {runtime.path} knows no container" in said
    assert world.state() == before
    with Runtime(world.root / "cri2.sock", sandboxes(LIVE)) as runtime:
        code, said = gc(world, "--cri-socket", runtime.path, "--apply")
    assert code == DONE, said
    assert world.record_files() == [f"{LIVE}.journal"], "the runtime wiped its store, and the namespace stayed"
    world.succeed("DEL", conf, container=LIVE)


def test_a_runtime_that_does_not_answer_frees_nothing(world: World, conf: dict[str, Any]) -> None:
    add_dead(world, conf)
    whole = sandboxes(LIVE)
    with Runtime(world.root / "cri.sock", whole[:-9], closes=True) as runtime:
        code, said = gc(world, "--cri-socket", runtime.path, "--apply")
    assert code == FAILED
    assert "it has closed the connection before the end of its answer" in said
    assert len(world.leases()) == 3
    world.succeed("DEL", conf, container=DEAD)


# Addresses and records of other programs


def lease(world: World, network: str, address: str, container: str) -> Path:
    """Reserve an address as host-local does."""
    path = world.ipam / network / address
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{container}\r\neth0")
    return path


def test_addresses_of_a_crash_are_freed_by_the_runtimes_list_alone(world: World, conf: dict[str, Any]) -> None:
    add_live(world, conf)
    known, used, running = "2" * 64, "3" * 64, f"4x{DEAD[2:]}"
    leaked = lease(world, "n0", "10.88.0.77", "1" * 64)
    kept = [lease(world, "n0", "10.88.0.78", known), lease(world, "n0", "10.88.0.79", used)]
    young = lease(world, "n1", "10.88.1.80", "5" * 64)
    other = lease(world, "theirs", "10.77.0.2", "1" * 64)
    (world.ipam / "n0" / "10.88.0.90").write_text("not a container ID\n")
    subprocess.run(["ip", "-n", world.pod, "address", "add", "10.88.0.79/24", "dev", "net1"], check=True)
    age(world)
    os.utime(young)
    before = world.leases()
    code, said = gc(world, "--apply")
    assert code == DONE, said
    assert world.leases() == before
    line = f"address 10.88.0.77 of container {'1' * 64}: {leaked}: gc does not free it: without --cri-socket it is not"
    assert any(text.startswith(line) for text in marked(said, "left")), said
    kept.append(lease(world, "n0", "10.88.0.81", running))
    age(world)
    os.utime(young)
    with cgroup_of(running) as cgroup, Runtime(world.root / "cri.sock", sandboxes(LIVE, known)) as runtime:
        code, said = gc(world, "--cri-socket", runtime.path, cgroup=cgroup)
        assert code == DIFFERS, said
        text = f"address 10.88.0.77 of container {'1' * 64}: {leaked}"
        assert marked(said, "would free") == [f"{text}: the runtime at {runtime.path} does not know it"]
        code, said = gc(world, "--cri-socket", runtime.path, "--apply", cgroup=cgroup)
    assert code == DONE, said
    assert marked(said, "freed") == [text]
    assert f"address 10.77.0.2 of container {'1' * 64}: {other}: gc does not free it: the network is not" in said
    assert not leaked.exists()
    assert all(path.exists() for path in (*kept, young, other))


def test_an_address_is_freed_under_the_lock_of_host_local(world: World, conf: dict[str, Any]) -> None:
    """Debian's plugin waits for the same lock."""
    add_live(world, conf)
    leaked = lease(world, "n0", "10.88.0.77", "1" * 64)
    age(world)
    with (world.ipam / "n0" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        adding = world.start("ADD", {**world.conf([world.network(0)]), "deadline": 1}, container="c2")
        assert "10.88.0" not in world.finish(adding).stdout
        with Runtime(world.root / "cri.sock", sandboxes(LIVE)) as runtime:
            code, said = gc(world, "--cri-socket", runtime.path, "--apply")
    assert code == FAILED, said
    assert "host-local holds this lock; try again later" in marked(said, "not freed")[0]
    assert leaked.exists()
    world.succeed("DEL", conf, container="c2", netns="")


def test_addresses_of_a_live_container_of_multus_are_kept(world: World, conf: dict[str, Any]) -> None:
    add_dead(world, conf)
    cache = put_multus(world, LIVE, "n0", "n1")
    gone = put_multus(world, "9" * 64, "n0")
    leases = [lease(world, "n0", "10.88.0.50", LIVE), lease(world, "n1", "10.88.1.50", LIVE)]
    age(world)
    with Runtime(world.root / "cri.sock", sandboxes(LIVE)) as runtime:
        code, said = gc(world, "--cri-socket", runtime.path, "--apply")
    assert code == DONE, said
    assert all(path.exists() for path in (*leases, cache, gone))
    assert world.leases() == ["n0/10.88.0.50", "n1/10.88.1.50"]
    assert len(marked(said, "freed")) == 3
    assert f"record of container {'9' * 64}: {gone}: gc does not free what it names" in said
    assert str(cache) not in said
