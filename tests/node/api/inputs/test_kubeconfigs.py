"""Kubeconfigs as Multus and common tools write them, for a real ADD of a pod's network."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from tests.node.api.cluster import misbehaving
from tests.node.api.podnode import Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow, misbehaving]


def kubeconfig(node: Node, **cluster: object) -> Conf:
    value = json.loads(node.kubeconfig.read_text())
    assert isinstance(value, dict)
    inner = value["clusters"][0]["cluster"]
    inner["server"] = inner["server"].replace("127.0.0.1", "[127.0.0.1]")
    inner |= cluster
    value["clusters"][0]["cluster"] = {key: member for key, member in inner.items() if member is not None}
    return value


def attach(node: Node, text: str) -> str:
    """Add a pod with one network; return what the plugin wrote to stderr."""
    node.kubeconfig.write_text(text)
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan")
    outcome = node.add()
    outcome.expect()
    assert node.addresses()["net1"] == ["10.77.98.2/24"]
    return outcome.err


STYLES: dict[str, dict[str, Any]] = {
    "block": {"width": 10**6},
    "flow": {"default_flow_style": True, "width": 10**6},
    "flow-in-lines": {"default_flow_style": True},
    "mixed": {"default_flow_style": None, "width": 10**6},
    "single-quotes": {"default_style": "'", "width": 10**6},
    "double-quotes": {"default_style": '"', "width": 10**6},
}


@pytest.mark.parametrize("style", STYLES)
def test_styles(node: Node, style: str) -> None:
    text = yaml.safe_dump(kubeconfig(node), **STYLES[style])
    attach(node, f"# written by a tool\n---\n{text}# end\n")


def test_blocks_of_text(node: Node) -> None:
    """js-yaml folds each long text."""
    value = kubeconfig(node)
    data = value["clusters"][0]["cluster"]["certificate-authority-data"]
    attach(node, yaml.safe_dump(value, width=10**6).replace(f" {data}\n", f" >-\n      {data}\n"))


def test_a_file_of_the_authority(node: Node) -> None:
    (node.directory / "ca.crt").write_text(node.api.ca)
    value = kubeconfig(node, **{"certificate-authority-data": None, "certificate-authority": "ca.crt"})
    attach(node, yaml.safe_dump(value))


def test_a_server_that_is_not_verified(node: Node) -> None:
    """As an installer of Multus writes it without the authority. The log warns each time."""
    value = kubeconfig(node, **{"certificate-authority-data": None, "insecure-skip-tls-verify": True})
    said = attach(node, yaml.safe_dump(value))
    assert f"warning: {node.kubeconfig}: insecure-skip-tls-verify gives the token to any server in its place" in said


def test_a_server_is_verified_otherwise(node: Node) -> None:
    value = kubeconfig(node, **{"certificate-authority-data": None})
    node.kubeconfig.write_text(yaml.safe_dump(value))
    assert "its certificate cannot be trusted" in node.add(deadline=3).refused(11)


def test_a_mistake_has_its_line_and_no_content(node: Node) -> None:
    data = base64.b64encode(b"hunter2").decode()
    node.kubeconfig.write_text(f"apiVersion: v1\nusers: [{{name: u, user: {{token: &x {data}}}}}]\n")
    said = node.add().refused(7)
    assert (
        f"{node.kubeconfig}: line 2: an anchor is not supported; write the value out; a kubeconfig is JSON, or" in said
    )
    assert data not in said
