"""Pods from before the installation: attached by Multus or by the runtime alone, with whole and with damaged files."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cniplugin.cnierrors import IO_FAILURE, UNKNOWN_CONTAINER
from cniplugin.records.journal import Journal, Store
from tests.node.api.cluster import misbehaving
from tests.node.api.podnode import PLUGINS, Conf, Node, ip

pytestmark = [pytest.mark.root, pytest.mark.slow, misbehaving]

VERSION = "1.0.0"


class Before:
    """A pod that Multus attached: its interfaces, Multus' file, and those of libcni."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.multus = node.directory / "multus-cache"
        (self.multus / "results").mkdir(parents=True)
        self.file = self.multus / node.container
        self.delegates: list[Conf] = []

    def plugin(self, verb: str, conf: Conf, ifname: str) -> str:
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": self.node.container,
            "CNI_NETNS": f"/run/netns/{self.node.netns}",
            "CNI_IFNAME": ifname,
            "CNI_PATH": str(PLUGINS),
        }
        words = [PLUGINS / conf["type"]]
        done = subprocess.run(words, input=json.dumps(conf), env=environ, text=True, capture_output=True, check=True)
        return done.stdout

    def attach(self, letter: str, ifname: str, *, has_result: bool = True) -> Path:
        """Attach as Multus does; return libcni's file."""
        conf = self.node.bridge_conf(letter, cniVersion=VERSION)
        result = json.loads(self.plugin("ADD", conf, ifname))
        text = base64.b64encode(json.dumps(conf).encode()).decode()
        name = "default" if ifname == "eth0" else f"blue/{conf['name']}"
        self.delegates.append({"Name": name, "Bytes": text, "ifnameRequest": "" if ifname == "eth0" else ifname})
        self.file.write_text(json.dumps(self.delegates))
        cached = {
            "kind": "cniCacheV1",
            "containerId": self.node.container,
            "config": text,
            "ifName": ifname,
            "networkName": conf["name"],
            "cniArgs": [["IgnoreUnknown", "true"]],
            "result": result,
        }
        path = self.multus / "results" / f"{conf['name']}-{self.node.container}-{ifname}"
        if has_result:
            path.write_text(json.dumps(cached))
        return path

    def conf(self, **more: object) -> Conf:
        return self.node.conf(cniDir=str(self.multus), cniVersion=VERSION, **more)


@pytest.fixture
def before(node: Node) -> Iterator[Before]:
    made = Before(node)
    yield made
    for conf, ifname in ((node.bridge_conf("a"), "eth0"), (node.bridge_conf("b"), "net1")):
        made.plugin("DEL", conf, ifname)


# CHECK


def test_check_of_a_pod_that_the_runtime_attached(before: Before) -> None:
    outcome = before.node.call("CHECK", before.conf())
    outcome.expect()
    assert "there is no record, so the container is from before the installation of nadmit" in outcome.err


def test_check_of_a_pod_of_multus(before: Before) -> None:
    before.attach("a", "eth0")
    before.attach("b", "net1")
    outcome = before.node.call("CHECK", before.conf())
    outcome.expect()
    assert "by the 2 results of Multus" in outcome.err


def test_check_finds_that_an_interface_of_multus_is_gone(before: Before) -> None:
    before.attach("a", "eth0")
    before.attach("b", "net1")
    ip("-n", before.node.netns, "link", "delete", "net1")
    outcome = before.node.call("CHECK", before.conf())
    assert outcome.code == 1
    assert "network blue/bridge-b (net1): " in outcome.out["msg"]


def test_check_without_results_is_no_error(before: Before) -> None:
    """CHECK of a plugin needs the result of its ADD, which only libcni's file has."""
    before.attach("a", "eth0", has_result=False)
    before.node.call("CHECK", before.conf()).expect()


def test_check_with_a_record_of_ours_that_has_nothing(before: Before) -> None:
    node = before.node
    (node.directory / "records").mkdir(mode=0o700)
    store = Store(str(node.directory / "records"))
    store.write(
        Journal(container_id=node.container, netns=f"/run/netns/{node.netns}", runtime_ifname="eth0", entries=())
    )
    assert "nothing is attached" in node.call("CHECK", before.conf()).refused(UNKNOWN_CONTAINER)


@pytest.mark.parametrize("text", ["", "[", "{}"])
def test_check_with_a_damaged_file(before: Before, text: str) -> None:
    before.attach("a", "eth0")
    before.file.write_text(text)
    outcome = before.node.call("CHECK", before.conf())
    outcome.expect()
    assert f"error CHECK {before.node.container} blue/web-0 {before.file}: " in outcome.err


# DEL


DAMAGED = {
    "empty": b"",
    "cut": b'[{"Conf":{},"Name":"bridge-b","By',
    "zeros": bytes(512),
    "not-utf-8": b"\xff\xfe",
    "no-list": b"{}",
    "nothing-in-it": b"[]",
    "null": b"null",
    "no-objects": b"[7]",
    "no-configuration": b'[{"Name":"blue/bridge-b"}]',
    "configuration-cut": b'[{"Name":"blue/bridge-b","Bytes":"eyJ0eXB"}]',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_del_with_a_damaged_file(before: Before, name: str) -> None:
    """What the file named is not known. While the pod has something of it, the runtime asks again."""
    before.attach("b", "net1", has_result=False)
    before.file.write_bytes(DAMAGED[name])
    for _ in range(2):
        outcome = before.node.call("DEL", before.conf())
        said = outcome.refused(IO_FAILURE)
        assert str(before.file) in said
        assert "the pod still has net1" in said
        assert f"error DEL {before.node.container} blue/web-0 {before.file}: " in outcome.err
    assert "net1" in before.node.addresses()


def test_del_with_a_damaged_file_ends_when_the_rest_is_gone(before: Before) -> None:
    before.attach("a", "eth0", has_result=False)
    before.attach("b", "net1", has_result=False)
    before.file.write_text("")
    before.node.call("DEL", before.conf()).refused(IO_FAILURE)
    assert "eth0" not in before.node.addresses()
    before.plugin("DEL", before.node.bridge_conf("b"), "net1")
    before.node.call("DEL", before.conf()).expect()


def test_del_with_a_damaged_file_ends_when_somebody_removes_it(before: Before) -> None:
    before.attach("b", "net1", has_result=False)
    before.file.write_text("")
    before.node.call("DEL", before.conf()).refused(IO_FAILURE)
    before.file.unlink()
    before.node.call("DEL", before.conf()).expect()


@pytest.mark.parametrize("netns", ["", "/run/netns/nadmit-is-gone"])
def test_del_with_a_damaged_file_and_without_the_namespace(before: Before, netns: str) -> None:
    before.attach("b", "net1", has_result=False)
    before.file.write_text("")
    outcome = before.node.call("DEL", before.conf(), CNI_NETNS=netns)
    outcome.expect()
    assert f"{before.file}: the record of another program cannot be read" in outcome.err


def test_del_detaches_what_libcni_recorded(before: Before) -> None:
    before.attach("a", "eth0")
    before.attach("b", "net1")
    before.file.write_text("")
    before.node.call("DEL", before.conf()).expect()
    assert before.node.left() == []


def test_a_damaged_result(before: Before) -> None:
    """Multus' file has the configuration too."""
    before.attach("a", "eth0").write_text("")
    before.attach("b", "net1")
    outcome = before.node.call("DEL", before.conf())
    outcome.expect()
    assert "/results/bridge-a-" in outcome.err
    assert before.node.left() == []


def test_a_directory_that_cannot_be_read(before: Before) -> None:
    before.attach("b", "net1", has_result=False)
    before.file.unlink()
    (before.multus / "results").rmdir()
    (before.multus / "results").write_text("")
    said = before.node.call("DEL", before.conf()).refused(IO_FAILURE)
    assert f"{before.multus}/results: the record of another program cannot be read" in said
