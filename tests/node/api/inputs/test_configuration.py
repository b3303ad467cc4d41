"""Configurations that Multus accepts: the real plugin attaches with them, and says what has no effect."""

from __future__ import annotations

from typing import Any

import pytest

from tests.node.api.cluster import misbehaving
from tests.node.api.podnode import Node

pytestmark = [pytest.mark.root, pytest.mark.slow, misbehaving]

ACCEPTED: list[tuple[dict[str, Any], str]] = [
    ({"logLevel": "DEBUG"}, "debug ADD "),
    ({"logLevel": "Verbose"}, "verbose ADD "),
    ({"logLevel": "info"}, 'warning: logLevel: unknown level "info"; allowed: debug, verbose, error, panic'),
    ({"logLevel": ""}, "verbose ADD "),
    ({"systemNamespaces": [""]}, "warning: systemNamespaces[0]: the item is empty and has no effect; remove it"),
    ({"systemNamespaces": ["kube-system", None]}, "warning: systemNamespaces[1]: the item is empty"),
    ({"defaultNetworks": [""]}, "warning: defaultNetworks[0]: the item is empty"),
    ({"globalNamespaces": "default,Infra"}, 'globalNamespaces: no namespace can have this name: "Infra"'),
    ({"logFile": "nadmit.log", "logLevel": "error"}, ""),
    ({"logOptions": {"MaxAge": -1}}, 'warning: logOptions.maxAge: this key is written "MaxAge"'),
    ({"LogLevel": "debug"}, 'warning: logLevel: this key is written "LogLevel"; write "logLevel"'),
    ({"NamespaceIsolation": True}, 'warning: namespaceIsolation: this key is written "NamespaceIsolation"'),
    ({"clusterNetwork": "", "Delegates": []}, "warning: delegates: this key is there twice"),
]


@pytest.mark.parametrize(("changes", "said"), ACCEPTED, ids=[str(number) for number in range(len(ACCEPTED))])
def test_what_multus_accepts(node: Node, changes: dict[str, Any], said: str) -> None:
    conf = {"delegates": [node.bridge_conf("a")], **changes}
    if "Delegates" in conf:
        conf["Delegates"] = conf["delegates"]
    outcome = node.add(**conf)
    outcome.expect()
    assert said in outcome.err
    assert node.addresses() == {"eth0": ["10.77.97.2/24"]}


def test_keys_in_another_letter_case_count(node: Node) -> None:
    """As for encoding/json of Go. The networks of the pod show that the kubeconfig is used."""
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_pod("lan")
    node.add(kubeconfig=None, KubeConfig=str(node.kubeconfig), BINDIR=str(node.bin_dir), binDir=None).expect()
    assert node.addresses() == {"eth0": ["10.77.97.2/24"], "net1": ["10.77.98.2/24"]}


def test_two_spellings_of_a_key(node: Node) -> None:
    said = node.add(KubeConfig="/other").refused(7)
    assert 'kubeconfig: this key is there twice with different values, also as "KubeConfig"; remove one' in said


def test_delegates_beside_cluster_network(node: Node) -> None:
    path = node.conf_dir / "10.conf"
    node.write_script(path, '{"cniVersion": "1.0.0", "name": "own", "type": "recorder"}')
    outcome = node.add(clusterNetwork=str(path), delegates=[node.bridge_conf("a")])
    outcome.expect()
    assert 'delegates: "clusterNetwork" is set too and names the default network; remove one' in outcome.err
    assert node.addresses() == {}
