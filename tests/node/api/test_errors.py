"""Errors name the pod, the item, the network and the plugin, and have the right code (CNI 1.1 §5).

The pod is blue/web-0, its annotation "lan,bad@data1". `bad` is a bridge and a plugin `odd`, which fails in a different
way in each case. After every failure the node is clean (the `node` fixture checks).
"""

from __future__ import annotations

import fcntl
import socket
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from .podnode import Node, Outcome

pytestmark = [pytest.mark.root, pytest.mark.slow]

VERSION = "0.4.0"
"""Of our configuration: an error has its version, not that of the network or our newest."""
WHO = "pod blue/web-0: "
BAD = f"{WHO}item 2: network blue/bad (data1): "
THERE = f"{WHO}annotation k8s.v1.cni.cncf.io/networks: "
ODD = f'{BAD}plugin type="odd" name="bridge-c" failed '
PASS = """import json, os, sys
conf = json.load(sys.stdin)
if os.environ["CNI_COMMAND"] == "ADD":
    print(json.dumps(conf["prevResult"]))
"""


class Case(NamedTuple):
    """A setup and a call; the code, the start of the message, and other parts of it."""

    call: Callable[[Node], Outcome]
    code: int
    start: str
    text: str


def odd(node: Node, code: str = "", *, verb: str = "ADD") -> None:
    """Let plugin `odd` run a piece of Python at a verb."""
    own = f"import os, sys, time\nif os.environ['CNI_COMMAND'] == {verb!r}:\n    {code}\n" if code else ""
    node.write_script(node.bin_dir / "odd", f"#!/usr/bin/env -S python3 -IS\n{own}{PASS}")


def add(node: Node, **changes: Any) -> Outcome:
    return node.add(cniVersion=VERSION, **changes)


def fails(code: str, **changes: Any) -> Callable[[Node], Outcome]:
    """Return an ADD in which `odd` does this."""

    def call(node: Node) -> Outcome:
        odd(node, code)
        return add(node, **changes)

    return call


def fails_later(verb: str, code: str) -> Callable[[Node], Outcome]:
    def call(node: Node) -> Outcome:
        add(node).expect()
        odd(node, code, verb=verb)
        outcome = node.call(verb, node.conf(cniVersion=VERSION, kubeconfig=None))
        odd(node)
        return outcome

    return call


def selects(networks: object, **changes: Any) -> Callable[[Node], Outcome]:
    """Return an ADD of a pod with this annotation."""

    def call(node: Node) -> Outcome:
        node.api.put_pod(networks)
        return add(node, **changes)

    return call


def without_plugin(node: Node) -> Outcome:
    (node.bin_dir / "odd").unlink()
    outcome = add(node)
    odd(node)
    return outcome


def with_taken_name(node: Node) -> Outcome:
    words = ["ip", "-n", node.netns, "link", "add", "data1", "type", "veth", "peer", "name", "other"]
    subprocess.run(words, check=True)
    outcome = add(node)
    subprocess.run(["ip", "-n", node.netns, "link", "delete", "data1"], check=True)
    return outcome


def with_damaged_record(verb: str) -> Callable[[Node], Outcome]:
    def call(node: Node) -> Outcome:
        add(node).expect()
        (record,) = (node.directory / "records").glob("*.journal")
        whole = record.read_bytes()
        record.write_bytes(whole[:40])
        outcome = node.call(verb, node.conf(cniVersion=VERSION))
        record.write_bytes(whole)
        return outcome

    return call


def while_locked(verb: str) -> Callable[[Node], Outcome]:
    def call(node: Node) -> Outcome:
        records = node.directory / "records"
        records.mkdir(mode=0o700)
        with (records / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            return node.call(verb, node.conf(cniVersion=VERSION, deadline=0.3))

    return call


def without_directory(node: Node) -> Outcome:
    (node.directory / "file").touch()
    return add(node, recordDir=str(node.directory / "file"))


def without_server(node: Node) -> Outcome:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        node.write_kubeconfig(f"https://127.0.0.1:{closed.getsockname()[1]}")
        return add(node, deadline=0.3)


def without_definition_on_disk(node: Node) -> Outcome:
    node.api.put_network("blue", "bad", None)
    return add(node)


def with_failing_default(node: Node) -> Outcome:
    odd(node, "sys.exit(1)")
    return add(node, delegates=[node.chain("a", {"type": "odd"})])


CNI_ERROR = """print('{"code": 131, "msg": "no more", "details": "pool blue"}'); sys.exit(1)"""
LAN_AND_ROUTE = [{"name": "lan"}, {"name": "bad", "interface": "data1", "default-route": ["192.0.2.1"]}]
CASES = {
    "cni-error": Case(fails(CNI_ERROR), 131, ODD, "(add): no more"),
    "text": Case(fails("print('out of luck'); sys.exit(3)"), 999, ODD, "out of luck"),
    "nothing": Case(fails("sys.exit(1)"), 999, ODD, "with no error message: exit status 1"),
    "killed": Case(fails("os.kill(os.getpid(), 9)"), 999, ODD, "signal: killed"),
    "rubbish-as-success": Case(fails("print('rubbish'); sys.exit(0)"), 6, ODD, "not a CNI result"),
    "nothing-as-success": Case(fails("sys.exit(0)"), 6, ODD, "not a CNI result"),
    "hangs": Case(fails("time.sleep(30)", deadline=1), 11, ODD, "before the deadline"),
    "no-plugin": Case(without_plugin, 5, ODD, 'failed to find plugin "odd"'),
    "del": Case(fails_later("DEL", CNI_ERROR), 131, ODD, "(delete): no more"),
    "check": Case(fails_later("CHECK", CNI_ERROR), 131, ODD, "(check): no more"),
    "default-network": Case(with_failing_default, 999, f"{WHO}network bridge-a (eth0): plugin ", 'type="odd"'),
    "name-is-taken": Case(with_taken_name, 7, BAD, "data1 already"),
    "default-route": Case(selects(LAN_AND_ROUTE), 5, f"{BAD}default-route: ", "192.0.2.1"),
    "not-found": Case(selects("lan,nowhere"), 7, f"{THERE}[1]: ", 'no NetworkAttachmentDefinition "nowhere"'),
    "not-on-disk": Case(without_definition_on_disk, 7, f"{WHO}item 2: network blue/bad: ", "no CNI configuration"),
    "capability": Case(
        selects([{"name": "lan"}, {"name": "bad", "bandwidth": {"ingressRate": 1000}}]),
        7,
        f"{THERE}[1].bandwidth: ",
        "no plugin of blue/bad",
    ),
    "unreadable": Case(selects("lan,,bad"), 7, f"{THERE}[1]: ", "the item is empty"),
    "refused": Case(selects("lan,infra/x"), 100, "network access denied: pod blue/web-0 ", "infra/x (item 2)"),
    "no-server": Case(without_server, 11, WHO, "https://127.0.0.1:"),
    "no-kubeconfig": Case(selects("lan", kubeconfig="/nowhere"), 7, WHO, "/nowhere"),
    "configuration": Case(selects("lan", deadline="soon"), 7, WHO, "deadline"),
    "not-ready": Case(selects("lan", readinessindicatorfile="/nowhere", deadline=0.3), 11, WHO, "/nowhere"),
    "record-add": Case(with_damaged_record("ADD"), 6, WHO, "the record is damaged"),
    "record-del": Case(with_damaged_record("DEL"), 6, WHO, "the record is damaged"),
    "record-check": Case(with_damaged_record("CHECK"), 6, WHO, "the record is damaged"),
    "lock-add": Case(while_locked("ADD"), 11, WHO, "holds a lock"),
    "lock-del": Case(while_locked("DEL"), 11, WHO, "holds a lock"),
    "no-directory": Case(without_directory, 5, WHO, "Not a directory"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_text_of_each_error(node: Node, name: str) -> None:
    case = CASES[name]
    odd(node)
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_network("blue", "bad", node.chain("c", {"type": "odd"}))
    node.api.put_pod("lan,bad@data1")
    outcome = case.call(node)
    text = outcome.refused(case.code)
    error = outcome.out
    assert error["cniVersion"] == VERSION
    assert set(error) <= {"cniVersion", "code", "msg", "details"}
    assert error["msg"].startswith(case.start), error
    assert case.text in text, error
    assert "\n" not in error["msg"]
    assert "Traceback" not in outcome.err
    if case.code == 131:
        assert error["details"].splitlines()[0] == "pool blue"
