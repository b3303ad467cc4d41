"""Which containers are gone, by the evidence; what of other programs is listed; where the command looks.

tests/node/leaks/leftover/test_gc.py runs the command on real containers.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cniplugin.host.containers import View
from cniplugin.install import gc, leftovers
from cniplugin.install.commandline import MISUSED
from cniplugin.install.evidence import Evidence
from cniplugin.install.installer import run
from cniplugin.install.leftovers import LISTED_MAX, Places
from cniplugin.netspec import cniconfig
from cniplugin.records.journal import Entry, Journal, Store

UID = "3f0c-11"
NOW = 1000.0
SOCKET = "/run/cri.sock"


class Node:
    """Network namespaces are files: that of the node, that of a pod with a process, that of a pod without one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "self/ns").mkdir(parents=True)
        for name in ("own", "pod", "idle"):
            (root / name).touch()
        (root / "self/ns/net").symlink_to(root / "own")

    def identity(self, name: str) -> tuple[int, int]:
        status = (self.root / name).stat()
        return status.st_dev, status.st_ino

    def evidence(self, known: tuple[str, ...] | None, *, has_idle: bool = False) -> Evidence:
        view = View(
            running="0::/kubepods/cri-containerd-running.scope\n",
            cgroups=f"/sys/fs/cgroup/crio-empty.scope\n/sys/fs/cgroup/kubepods-pod{UID.replace('-', '_')}.slice",
            namespaces=frozenset({self.identity("own"), self.identity("pod")}),
            own=self.identity("own"),
            has_idle=has_idle,
            addresses=frozenset({b"\x0a\0\0\7"}),
        )
        listed = None if known is None else frozenset(known)
        ours = frozenset({"known", "dead"})
        return Evidence(known=listed, socket=SOCKET, ours=ours, view=view, proc=str(self.root), now=NOW)

    def judge(self, known: tuple[str, ...] | None, container: str, netns: str, uid: str | None) -> tuple[bool, str]:
        path = netns.replace("@", str(self.root))
        record = Journal(container_id=container, netns=path, pod_uid=uid, runtime_ifname="eth0")
        is_gone, why = self.evidence(known).judge(record)
        return is_gone, why.replace(str(self.root), "@")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


STRANGE = f"the runtime at {SOCKET} knows no container that has a record or an address here: another runtime?"
NOT_KNOWN = f"the runtime at {SOCKET} does not know it, and no process runs in it"


@pytest.mark.parametrize(
    ("known", "container", "netns", "uid", "expected"),
    [
        (
            None,
            "dead",
            "@/none",
            UID,
            "+its network namespace @/none does not exist, and no cgroup or process names it",
        ),
        (None, "dead", "@/own", UID, "+its network namespace @/own is the node's own network namespace, and no cgroup"),
        (None, "dead", "", UID, "+it has no network namespace, and no cgroup or process names it"),
        (
            None,
            "dead",
            "/proc/version",
            None,
            "+its network namespace /proc/version is not a network namespace, and no",
        ),
        (
            None,
            "dead",
            "/proc/version",
            "f00",
            "+its network namespace /proc/version is not a network namespace, and no",
        ),
        (
            None,
            "dead",
            "/proc/version",
            UID,
            "-/proc/version is not a network namespace here, but a cgroup is of its pod",
        ),
        (None, "dead", "@/pod", None, "-processes run in its network namespace @/pod"),
        (None, "dead", "@/idle", None, "-its network namespace @/idle exists"),
        (None, "dead", "a\0b", None, "-its network namespace a\0b cannot be looked at"),
        (None, "empty", "@/none", None, "-a cgroup names it"),
        (None, "running", "@/none", None, "-a cgroup names it"),
        (("known",), "known", "@/none", None, "-the runtime knows its sandbox"),
        (("known",), "dead", "@/none", UID, f"+{NOT_KNOWN}"),
        (("known",), "dead", "/proc/version", UID, f"+{NOT_KNOWN}"),
        (("known",), "dead", "@/idle", None, f"+{NOT_KNOWN}"),
        (("known",), "empty", "@/none", None, f"+{NOT_KNOWN}"),
        (("known",), "running", "@/none", None, "-a cgroup names it"),
        (("known",), "dead", "@/pod", None, "-processes run in its network namespace @/pod"),
        (("other",), "dead", "@/none", None, f"+{NOT_KNOWN}"),
        (("other",), "dead", "@/idle", None, f"-its network namespace @/idle exists, and {STRANGE}"),
        ((), "dead", "a\0b", None, f"-its network namespace a\0b cannot be looked at, and {STRANGE}"),
    ],
)
def test_in_doubt_a_container_is_alive(
    node: Node, known: tuple[str, ...] | None, container: str, netns: str, uid: str | None, expected: str
) -> None:
    is_gone, why = node.judge(known, container, netns, uid)
    assert ("+" if is_gone else "-") + why[: len(expected) - 1] == expected


def test_what_is_young(node: Node) -> None:
    evidence = node.evidence(None)
    ages = {NOW - 61: False, NOW - 60: False, NOW - 59: True, NOW: True, NOW + 5: True, float("inf"): True}
    assert {written_at: evidence.is_young(written_at) for written_at in ages} == ages


@pytest.mark.parametrize(
    ("known", "has_idle", "doubt"),
    [(None, False, "without --cri-socket it is not"), ((), False, ""), ((), True, STRANGE), (("known",), True, "")],
)
def test_what_is_certain_without_a_record(
    node: Node,
    known: tuple[str, ...] | None,
    has_idle: bool,  # noqa: FBT001  # a parameter of the test
    doubt: str,
) -> None:
    assert node.evidence(known, has_idle=has_idle).doubt.startswith(doubt)
    assert bool(node.evidence(known, has_idle=has_idle).doubt) is bool(doubt)


# Leftovers


def reserve(directory: Path, address: str, container: str, *, at: float = 5.0) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / address
    path.write_text(f"{container}\r\neth0")
    os.utime(path, (at, at))
    return path


def collect(node: Node, known: tuple[str, ...] | None, *recorded: str, is_applied: bool) -> leftovers.Count:
    networks = node.root / "networks"
    places = Places(networks=(f"{networks}/n0",), data_dirs=(str(networks),), caches=(f"{node.root}/multus",))
    return leftovers.collect(places, recorded, node.evidence(known), is_applied=is_applied)


def test_which_reservations_are_freed(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    n0 = node.root / "networks/n0"
    leaked = reserve(n0, "10.0.0.2", "leaked")
    kept = [
        reserve(n0, "10.0.0.3", "known"),
        reserve(n0, "10.0.0.4", "recorded"),
        reserve(n0, "10.0.0.5", "running"),
        reserve(n0, "10.0.0.6", "leaked", at=NOW - 1),
        reserve(n0, "10.0.0.7", "leaked"),  # it is in use
        reserve(node.root / "networks/n1", "10.0.1.2", "leaked"),
    ]
    (n0 / "10.0.0.9").mkdir()
    assert collect(node, None, "recorded", is_applied=True) == leftovers.Count()
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["10.0.0.2", "10.0.0.3", "10.0.1.2"]
    assert collect(node, ("known",), "recorded", is_applied=False) == leftovers.Count(freed=1)
    assert [line.split()[:4:3] for line in capsys.readouterr().out.splitlines()] == [
        ["would", "10.0.0.2"],
        ["left", "of"],
    ]
    assert leaked.exists()
    assert collect(node, ("known",), "recorded", is_applied=True) == leftovers.Count(freed=1)
    assert capsys.readouterr().out.startswith(f"freed         address 10.0.0.2 of container leaked: {leaked}\n")
    assert not leaked.exists()
    assert all(path.exists() for path in kept)


def test_a_long_list_is_cut(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(LISTED_MAX + 5):
        reserve(node.root / "networks/n1", f"10.0.1.{number}", "leaked")
    collect(node, ("known",), is_applied=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == LISTED_MAX + 1
    assert lines[-1] == "left          and 5 more of this kind"


def test_records_of_other_programs_are_listed(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    multus = node.root / "multus"
    (multus / "results").mkdir(parents=True)
    for name in ("gone", "known", "running"):
        (multus / name).write_text("[]")
        (multus / "results" / f"n0-{name}-net1").write_text(json.dumps({"containerId": name}))
    (multus / "bad").write_text("{")
    (node.root / "networks/loop").mkdir(parents=True)
    (node.root / "networks/loop/10.0.0.1").symlink_to("10.0.0.1")
    for path in multus.rglob("*"):
        os.utime(path, (5, 5))
    collect(node, ("known",), is_applied=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines.pop(0).endswith("/networks/loop/10.0.0.1: it cannot be read: Too many levels of symbolic links")
    assert [line.split(": ")[1] for line in lines] == [f"{multus}/gone", f"{multus}/results/n0-gone-net1"]
    assert all(line.startswith("left          record of container gone: ") for line in lines)
    assert (multus / "gone").exists()


# Where the command looks


def conf_of(root: Path) -> dict[str, Any]:
    bridge = {"type": "bridge", "ipam": {"type": "host-local", "dataDir": f"{root}/ipam"}}
    delegate = {"cniVersion": "1.0.0", "name": "n0", **bridge}
    return {
        "type": "nadmit",
        "recordDir": f"{root}/records",
        "binDir": "/b",
        "cniDir": f"{root}/multus",
        "delegates": [delegate],
    }


@pytest.mark.parametrize("is_list", [True, False])
def test_the_configuration_of_the_node_says_where(tmp_path: Path, is_list: bool) -> None:  # noqa: FBT001  # as above
    (tmp_path / "net.d").mkdir()
    plugin = conf_of(tmp_path)
    head = {"cniVersion": "1.0.0", "name": "node"}
    conf = {**head, "plugins": [plugin]} if is_list else {**head, **plugin}
    for name, text in (("00-bad.conf", "{"), ("01-list.conf", "[]"), ("02-other.conflist", '{"plugins": [1]}')):
        (tmp_path / "net.d" / name).write_text(text)
    (tmp_path / "net.d/05-nadmit.conflist").write_text(json.dumps(conf))
    (tmp_path / "net.d/99-second.conf").write_text('{"type": "nadmit", "recordDir": "/second"}')
    read = gc._load_conf(f"{tmp_path}/net.d")
    assert read is not None
    assert read.record_dir == f"{tmp_path}/records"
    store = Store(read.record_dir)
    config = cniconfig.render(cniconfig.build({"cniVersion": "1.0.0", "name": "n9", "type": "flannel"}, name=""))
    entry = Entry(reference="n9", ifname="net1", config=config, capability_args={})
    broken = entry.replace(config="{}")
    store.write(Journal(container_id="c1", netns="", runtime_ifname="eth0", entries=(entry, broken)))
    (tmp_path / "records/c2.journal").write_text("#")
    roots = gc.Roots(data_dir="/d", results="/r")
    assert gc._leftover_places(read, store, store.containers(), roots) == Places(
        networks=("/d/n0", f"{tmp_path}/ipam/n0", "/d/n9"),
        data_dirs=("/d", f"{tmp_path}/ipam"),
        caches=(f"{tmp_path}/multus", "/r"),
    )


def test_a_node_without_our_configuration(tmp_path: Path) -> None:
    assert gc._load_conf(f"{tmp_path}/none") is None
    assert gc._load_conf(str(tmp_path)) is None
    places = gc._leftover_places(None, Store(f"{tmp_path}/none"), [], gc.Roots())
    assert places.caches == ("/var/lib/cni/multus", "/var/lib/cni")


@pytest.mark.parametrize(
    "words",
    [["--root", "/host"], ["--cri-socket", "run/c.sock"], ["--cri-socket"], ["c0ffee"], ["--apply=yes"], ["--force"]],
)
def test_wrong_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gc", *words], environ={}) == MISUSED
    assert capsys.readouterr().err.startswith("nadmit: usage: ")
