"""A delegating plugin as a delegate: refused before it locks, with the network or the configuration that names it."""

from __future__ import annotations

import json
import time

import pytest

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG
from cniplugin.records.journal import Entry, Journal, Store
from tests.node.api.cluster import misbehaving
from tests.node.api.podnode import Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow, misbehaving]

DEADLINE_S = 10
"""Of `Node.conf`. A plugin that waits for the lock of its own container needs all of it."""


def nested(node: Node, kind: str = "nadmit") -> Conf:
    return {**node.conf(), "type": kind, "name": "inner"}


def in_delegates(node: Node, kind: str) -> Conf:
    return node.conf(delegates=[node.bridge_conf("a"), nested(node, kind)], cniVersion="1.1.0")


def in_a_list(node: Node, kind: str) -> Conf:
    return node.conf(delegates=[{"cniVersion": "1.0.0", "name": "inner", "plugins": [nested(node, kind)]}])


def in_a_file(node: Node, kind: str) -> Conf:
    path = node.conf_dir / "10-inner.conf"
    path.write_text(json.dumps(nested(node, kind)))
    return node.conf(clusterNetwork=str(path), cniVersion="1.1.0")


def in_a_definition_of_the_node(node: Node, kind: str) -> Conf:
    node.api.put_network("kube-system", "inner", nested(node, kind))
    return node.conf(clusterNetwork="inner", cniVersion="1.1.0")


def in_a_definition_on_disk(node: Node, kind: str) -> Conf:
    in_a_file(node, kind)
    node.api.put_network("kube-system", "inner", None)
    return node.conf(defaultNetworks=["inner"])


WHERE = [in_delegates, in_a_list, in_a_file, in_a_definition_of_the_node, in_a_definition_on_disk]


@pytest.mark.parametrize("kind", ["nadmit", "multus"])
@pytest.mark.parametrize("where", WHERE)
def test_a_delegating_plugin_is_refused_before_anything_is_attached(node: Node, where: object, kind: str) -> None:
    assert callable(where)
    conf = where(node, kind)
    started = time.monotonic()
    said = node.call("ADD", conf).refused(INVALID_NETWORK_CONFIG)
    assert f'plugin "{kind}" attaches all networks of a pod, so it cannot be a delegate' in said
    assert "inner" in said or "delegates[" in said
    assert time.monotonic() - started < DEADLINE_S / 2
    assert node.left() == []


@pytest.mark.parametrize("where", [in_delegates, in_a_file, in_a_definition_of_the_node])
def test_status(node: Node, where: object) -> None:
    assert callable(where)
    assert "cannot be a delegate" in node.call("STATUS", where(node, "nadmit")).refused(INVALID_NETWORK_CONFIG)


def test_a_definition_of_a_pod(node: Node) -> None:
    """The access rules refuse it first, with their own words."""
    node.api.put_network("blue", "inner", nested(node))
    node.api.put_pod("inner")
    assert "pod blue/web-0 may not attach to blue/inner" in node.add().refused(100)


def alias(node: Node) -> Conf:
    """Return a configuration that runs nadmit under a name that nobody knows."""
    (node.bin_dir / "alias").symlink_to(node.bin_dir / "nadmit")
    return node.conf(delegates=[nested(node, "alias")])


def test_under_another_name(node: Node) -> None:
    started = time.monotonic()
    said = node.call("ADD", alias(node)).refused(INVALID_NETWORK_CONFIG)
    assert 'configuration "inner": nadmit calls itself, as a delegate of this container' in said
    assert time.monotonic() - started < DEADLINE_S / 2
    assert node.left() == []


def test_a_record_of_it_does_not_stay_for_ever(node: Node) -> None:
    """Earlier versions waited for their own lock until the deadline, and left the record."""
    conf = alias(node)
    entry = Entry(
        reference="inner",
        ifname="eth0",
        is_default=True,
        config=json.dumps(conf["delegates"][0]),
        capability_args={},
        args="",
    )
    netns = f"/run/netns/{node.netns}"
    record = Journal(container_id=node.container, netns=netns, runtime_ifname="eth0", entries=(entry,))
    (node.directory / "records").mkdir(mode=0o700)
    Store(str(node.directory / "records")).write(record)
    started = time.monotonic()
    node.call("DEL", conf).expect()
    assert time.monotonic() - started < DEADLINE_S / 2
    assert node.left() == []


def test_another_container_is_none_of_it(node: Node) -> None:
    """A daemon that a delegate left running keeps the mark, and may start containers."""
    node.call("ADD", NADMIT_CONTAINER="other /run/netns/x").expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}
