"""The event about a definition that does not exist, in the words of Multus (pkg/k8sclient, getKubernetesDelegate)."""

from __future__ import annotations

import pytest

from tests.node.api.podnode import Node

pytestmark = [pytest.mark.root, pytest.mark.slow]


def missing(name: str, namespace: str = "blue") -> str:
    where = f"cannot find a network-attachment-definition ({name}) in namespace ({namespace})"
    return f'NoNetworkFound: {where}: network-attachment-definitions.k8s.cni.cncf.io "{name}" not found'


def test_a_network_that_does_not_exist(node: Node) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan,ghost,ghost@net7,spectre")
    said = node.add().refused(7)
    assert 'there is no NetworkAttachmentDefinition "ghost" in namespace "blue"' in said
    assert node.api.said() == [missing("ghost"), missing("spectre")]
    assert [event["type"] for event in node.api.events()] == ["Warning", "Warning"]
    assert node.left() == []


def test_a_default_network_that_does_not_exist(node: Node) -> None:
    node.api.put_pod(default="blue/ghost")
    node.add(namespaceIsolation=False).refused(7)
    assert node.api.said() == [missing("ghost")]


def test_a_network_that_the_pod_may_not_use_is_not_looked_for(node: Node) -> None:
    """The event would say whether it exists."""
    node.api.put_pod("infra/ghost,ghost")
    node.add().refused(100)
    assert [line.partition(":")[0] for line in node.api.said()] == ["NetworkAccessDenied"]


def test_another_mistake_is_none(node: Node) -> None:
    node.api.put_network("blue", "lan", "{")
    node.api.put_pod("lan")
    node.add()
    assert not [line for line in node.api.said() if line.startswith("NoNetworkFound")]
