"""What is seen of containers, in a made-up /proc and /sys/fs/cgroup, and on this machine.

tests/node/leaks/leftover/test_gc.py has real namespaces, processes and cgroups.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cniplugin.host import containers
from cniplugin.host.containers import ABSENT, NOT_A_NAMESPACE, OWN, PRESENT, UNKNOWN, blindness, look, namespace_at
from tests.paths import ROOT

TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.88.0.0/24 2 0 2
        +-- 10.88.0.0/28 2 0 2
           |-- 10.88.0.0
              /24 link UNICAST
           |-- 10.88.0.7
              /32 host LOCAL
        |-- 10.88.0.255
           /32 link BROADCAST
Local:
           |-- 10.88.0.9
              /24 link UNICAST
              /32 host LOCAL
"""
INET6 = "fd000000000000000000000000000002 02 40 00 80     eth0\n"


class Proc:
    """A /proc. A network namespace is a file, because only its identity counts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = str(root / "proc")
        self.cgroups = root / "cgroup"
        (self.cgroups / "kubepods.slice").mkdir(parents=True)
        for name in ("own", "pod", "mnt", "other", "pid"):
            (root / name).touch()
        self.process(1, "own")
        self.process(40, "own")
        (root / "proc" / "self").symlink_to("40")
        (root / "proc" / "version").touch()
        self.mounts()

    def process(self, pid: int, namespace: str, *, cgroup: str = "/init.scope", trie: str | None = "") -> Path:
        path = self.root / "proc" / str(pid)
        (path / "ns").mkdir(parents=True)
        (path / "net").mkdir()
        for kind, target in (("net", namespace), ("mnt", "mnt"), ("pid", "pid")):
            (path / "ns" / kind).symlink_to(self.root / target)
        (path / "cgroup").write_text(f"0::{cgroup}\n")
        if trie is not None:
            (path / "net" / "fib_trie").write_text(trie)
        return path

    def mounts(self, *inodes: int) -> None:
        lines = [f"{inode} 26 0:4 net:[{inode}] /run/netns/x rw shared:1 - nsfs nsfs rw" for inode in inodes]
        lines += ["22 26 0:21 / /proc rw shared:14 - proc proc rw", "23 26 0:4 mnt:[77] /run/x rw - nsfs nsfs rw", ""]
        (self.root / "proc" / "40" / "mountinfo").write_text("\n".join(lines))

    def look(self) -> containers.View:
        return look(proc=self.path, cgroups=str(self.cgroups))

    def inode(self, name: str) -> int:
        return (self.root / name).stat().st_ino


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_processes_cgroups_and_addresses_are_seen(proc: Proc) -> None:
    proc.process(7, "pod", cgroup="/kubepods.slice/kubepods-pod3f_0c.slice/cri-containerd-c1.scope", trie=TRIE)
    (proc.root / "proc/7/net/if_inet6").write_text(INET6)
    (proc.cgroups / "kubepods.slice/kubepods-pod3f_0c.slice/crio-c2.scope").mkdir(parents=True)
    view = proc.look()
    assert view.runs("c1")
    assert not view.runs("c2")
    assert view.has_cgroup("c1")
    assert view.has_cgroup("c2")
    assert not view.has_cgroup("c3")
    assert view.has_pod("3f-0c")
    assert not view.has_pod("3f-0d")
    assert all(map(view.uses, ("10.88.0.7", "10.88.0.9", "fd00::2")))
    assert not any(map(view.uses, ("10.88.0.0", "10.88.0.255", "fd00::3", "x")))
    assert view.lives_in(str(proc.root / "pod"))
    assert not view.lives_in(str(proc.root / "own"))
    assert not view.lives_in(str(proc.root / "absent"))


@pytest.mark.parametrize("gone", ["ns/net", "cgroup", "net/fib_trie"])
def test_a_process_that_ends_meanwhile(proc: Proc, gone: str) -> None:
    """Another process of the namespace tells its addresses."""
    (proc.process(7, "pod", trie=TRIE) / gone).unlink()
    proc.process(8, "pod", trie=TRIE)
    view = proc.look()
    assert view.uses("10.88.0.7")
    shutil.rmtree(proc.root / "proc/8")
    assert not proc.look().uses("10.88.0.7")


def test_a_namespace_without_processes_is_idle(proc: Proc) -> None:
    assert not proc.look().has_idle
    proc.mounts(proc.inode("pod"))
    assert proc.look().has_idle
    proc.process(7, "pod")
    assert not proc.look().has_idle


@pytest.mark.parametrize("part", ["proc", "cgroup"])
def test_a_node_that_cannot_be_seen(proc: Proc, part: str) -> None:
    shutil.rmtree(proc.root / part)
    with pytest.raises(OSError, match="No such file"):
        proc.look()


def test_what_is_at_the_path_of_a_namespace(proc: Proc) -> None:
    there = {
        str(proc.root / "pod"): PRESENT,
        str(proc.root / "own"): OWN,
        "/proc/version": NOT_A_NAMESPACE,
        str(proc.root / "none"): ABSENT,
        str(proc.root / "own" / "none"): ABSENT,
        str(proc.root / ("x" * 300)): UNKNOWN,
        "a\0b": UNKNOWN,
        "": ABSENT,
    }
    assert {path: namespace_at(path, proc=proc.path) for path in there} == there


def test_a_process_that_does_not_see_the_node(proc: Proc) -> None:
    assert "no process of a container is to be seen" in blindness(proc.look(), proc=proc.path)
    proc.process(7, "pod")
    assert blindness(proc.look(), proc=proc.path) == ""
    for kind, what in (("net", "network"), ("mnt", "mounts")):
        link = proc.root / "proc/1/ns" / kind
        before = link.readlink()
        link.unlink()
        link.symlink_to(proc.root / "other")
        assert f"does not see the {what} of process 1; run gc on the node itself" in blindness(
            proc.look(), proc=proc.path
        )
        link.unlink()
        link.symlink_to(before)
    (proc.root / "proc/1/ns/mnt").unlink()
    assert "No such file or directory; gc needs to see all processes" in blindness(proc.look(), proc=proc.path)


@pytest.mark.root
def test_on_this_machine() -> None:
    """In a PID namespace of its own, because a machine may hide its process 1."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make a PID namespace")
    code = "from cniplugin.host import containers as c; v = c.look(); print(v.uses('127.0.0.1'), v.runs('/'), len(v.namespaces))"
    words = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True True 1\n"
