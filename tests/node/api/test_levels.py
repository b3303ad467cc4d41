"""Levels of definitions at ADD, by the definition and the labels of its namespace at that time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.apiserver import failure
from tests.fakes.objects import policy
from tests.fakes.objects import policy_config as config

from .cluster import Api, misbehaving
from .podnode import Conf, Node

pytestmark = [pytest.mark.root, pytest.mark.slow]

LABEL = "nadmit.io/definitions-enforce"
WARN = "nadmit.io/definitions-warn"


def recorder(**more: Any) -> Conf:
    """A plugin that nadmit has no data about."""
    return {"cniVersion": "1.0.0", "type": "recorder", **more}


def allow(**given: Any) -> Conf:
    """A policy that allows this in definitions of eve, who wrote none here."""
    rule = {"name": "own", "action": "Allow", "authors": {"users": ["eve"]}, "config": given}
    made = policy("own")
    return {**made, "spec": {"definitions": [rule]}}


@pytest.fixture
def lan(node: Node) -> Node:
    """The node, with a pod that asks for blue/lan."""
    node.api.put_network("blue", "lan", recorder())
    node.api.put_pod("lan")
    return node


def add_and_delete(node: Node) -> None:
    node.add().expect()
    node.delete().expect()


def asked_for_namespace(node: Node, name: str) -> int:
    return node.api.asked().count(f"GET /api/v1/namespaces/{name}")


def test_a_label_that_came_after_admission(lan: Node) -> None:
    add_and_delete(lan)
    lan.api.label_namespace(**{LABEL: "Baseline"})
    text = lan.add().refused(100)
    assert text == (
        "network access denied: pod blue/web-0 may not attach to blue/lan\n"
        "- blue/lan (item 1)\n"
        '  reason:  spec.config.type: plugin type "recorder", which nadmit does not know\n'
        '  decided: level Baseline of namespace "blue" (label nadmit.io/definitions-enforce)\n'
        "  allowed: known plugins\n"
        "  fix:     change spec.config of lan, or ask a cluster administrator for an Allow rule for definitions with "
        "unknownTypes"
    )
    assert lan.left() == []
    assert lan.api.said()[-1] == f"NetworkAccessDenied: {text}"
    lan.api.label_namespace(**{LABEL: "Privileged"})
    add_and_delete(lan)


def test_the_clusters_default_and_what_it_lists(node: Node) -> None:
    conf = {"cniVersion": "1.0.0", "type": "bridge", "bridge": node.bridge("v")}
    node.api.put_network("blue", "lan", conf)
    node.api.put_pod("lan")
    definitions: Conf = {"levels": {"enforce": "Baseline"}}
    node.api.put_rules(config(definitions=definitions))
    assert "(cluster default definitions.levels.enforce)" in node.add().refused(100)
    definitions["baseline"] = {"masters": [conf["bridge"]]}
    node.api.put_rules(config(definitions=definitions))
    add_and_delete(node)


@pytest.mark.parametrize(
    ("given", "is_allowed"), [({"unknownTypes": ["recorder"]}, True), ({"pluginTypes": ["recorder"]}, False)]
)
def test_an_allow_rule_decides_what_its_fields_name(lan: Node, given: Conf, *, is_allowed: bool) -> None:
    """The rule applies to every author, because the node does not know who wrote the definition."""
    lan.api.label_namespace(**{LABEL: "Restricted"})
    lan.api.put_rules(allow(**given))
    if is_allowed:
        add_and_delete(lan)
    else:
        lan.add().refused(100)


def test_a_file_of_the_node(lan: Node) -> None:
    lan.api.put_network("blue", "lan", None)
    (lan.conf_dir / "lan.conf").write_text('{"cniVersion": "1.0.0", "name": "lan", "type": "recorder"}')
    add_and_delete(lan)
    lan.api.label_namespace(**{LABEL: "Baseline"})
    assert "spec.config: it is empty, so each node would read a file of its own" in lan.add().refused(100)
    lan.api.put_rules(allow(onDisk=True))
    add_and_delete(lan)


def test_the_level_of_another_namespace(node: Node) -> None:
    """The labels cost one request. The refusal does not reveal the content."""
    node.api.put_network("default", "internet", recorder())
    node.api.put_pod("default/internet,default/internet@two")
    add_and_delete(node)
    assert asked_for_namespace(node, "default") == 1
    node.api.label_namespace("default", **{LABEL: "baseline"})
    text = node.add().refused(100)
    assert "recorder" not in text
    assert "- default/internet (item 1, item 2)\n" in text
    assert text.count('level Baseline of namespace "default" (label nadmit.io/definitions-enforce)') == 1


def test_a_pod_of_its_own_networks_asks_for_no_other_namespace(lan: Node) -> None:
    add_and_delete(lan)
    assert asked_for_namespace(lan, "blue") == 1
    assert sum("GET /api/v1/namespaces/" in line and line.count("/") == 4 for line in lan.api.asked()) == 1


@misbehaving
def test_labels_that_cannot_be_read_are_no_permission(node: Node, api: Api) -> None:
    node.api.put_network("default", "internet", recorder())
    node.api.put_pod("default/internet")
    api.instead = lambda request: failure(500) if request.path == "/api/v1/namespaces/default" else None
    assert "item 1: " in node.add().refused(11)


def test_levels_on_trial(lan: Node) -> None:
    lan.api.label_namespace(**{WARN: "Baseline"})
    outcome = lan.add()
    outcome.expect()
    (said,) = [text for text in lan.api.said() if text.startswith("NetworkAccessTrial")]
    assert said == (
        "NetworkAccessTrial: network access: pod blue/web-0 to blue/lan would be denied by level Baseline of namespace "
        '"blue" (mode Warn): spec.config.type: plugin type "recorder", which nadmit does not know; '
        "ask a cluster administrator"
    )
    assert "access rules: Warn: blue/lan: DefinitionLevel" in outcome.err


@misbehaving
def test_a_node_that_fails_open_knows_no_levels(lan: Node, api: Api) -> None:
    """The level is not checked, because the rules that could lift it cannot be read."""
    lan.api.label_namespace(**{LABEL: "Restricted"})
    lan.api.put_rules(config(node={"onUnavailable": "Allow"}))
    lan.add().refused(100)
    api.instead = lambda request: failure(500) if "networkattachmentpolicies" in request.path else None
    outcome = lan.add()
    outcome.expect()
    assert "NodeFailOpen" in outcome.err
