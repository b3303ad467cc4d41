"""The node makes the same refusals as the webhook, in the same words (access rules; netspec)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cniplugin.access.model.decision import Config, Rules
from cniplugin.attach import podnetworks
from cniplugin.cluster.accessrules import Remark
from cniplugin.cluster.objects import Pod
from cniplugin.cnierrors import CniError, NotFoundError
from cniplugin.netspec import annotation, netattachdef
from cniplugin.netspec.attachers import NADMIT
from cniplugin.netspec.errors import SpecErrors, render
from cniplugin.protocol import netconf
from tests.paths import VECTORS
from tests.webhook.admission.world import FakeCluster, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Decision, Object
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

from .podnode import DEFAULT, NETWORKS, Node

DATA = json.loads((VECTORS / "annotation.json").read_text())["cases"]
MACVLAN = '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1"}'
BRIDGE = json.dumps(
    {
        "cniVersion": "1.0.0",
        "type": "bridge",
        "capabilities": dict.fromkeys(("ips", "mac", "portMappings", "bandwidth", "infinibandGUID"), True),
    }
)


def webhook_says(
    annotations: dict[str, str], configs: dict[tuple[str, str], str | None], *, namespace: str = "blue", rules: Rules
) -> Decision:
    world = FakeCluster(
        {
            (where, name): netattachdef.build(namespace=where, name=name, config=config)
            for (where, name), config in configs.items()
        }
    )
    asked = request(Object(name="web-0", annotations=annotations))._replace(namespace=namespace)
    configuration = Configuration(injection=None, attached_by=NADMIT)
    return evaluate(asked, DecisionContext(world, rules, configuration))


ISOLATED = Rules()
OPEN = Rules(config=Config(posture="Open"))


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "default", "is_isolated"),
    [
        ("infra/storage", None, True),
        ("lan, infra/storage, green/secret@x1", None, True),
        ("lan,meta", None, True),
        ("broken", None, False),
        ("lan", "internet", True),
        ("infra/nowhere", None, True),
        (",".join(f"n{number}/net" for number in range(9)), None, True),
    ],
)
def test_the_text_of_a_refusal_is_the_webhooks(
    node: Node, asked: str, default: str | None, *, is_isolated: bool
) -> None:
    configs: dict[tuple[str, str], str | None] = {
        ("blue", "lan"): MACVLAN,
        ("blue", "meta"): '{"cniVersion": "1.0.0", "type": "multus"}',
        ("blue", "broken"): "{",
        ("infra", "storage"): MACVLAN,
        ("kube-system", "internet"): MACVLAN,
    }
    for (namespace, name), config in configs.items():
        node.api.put_network(namespace, name, config)
    node.api.put_pod(asked, default=default)
    text = node.add(namespaceIsolation=None if is_isolated else False).refused(100)
    annotations = {NETWORKS: asked, **({DEFAULT: default} if default else {})}
    decision = webhook_says(annotations, configs, rules=ISOLATED if is_isolated else OPEN)
    assert not decision.is_allowed
    assert text == decision.message
    assert node.left() == []
    (said,) = node.api.said()
    assert said == f"NetworkAccessDenied: {text}"[: len("NetworkAccessDenied: ") + 1024]
    assert node.api.events()[0]["type"] == "Warning"
    assert not [line for line in node.api.asked() if line.startswith("PATCH")]


@pytest.mark.root
@pytest.mark.slow
def test_global_namespaces(node: Node) -> None:
    """NB: the list replaces the default one, as in Multus; without `namespaceIsolation` the node isolates."""
    node.api.put_network("infra", "storage", node.bridge_conf("b"))
    node.api.put_network("default", "wide", node.bridge_conf("c"))
    node.api.put_pod("default/wide,infra/storage")
    text = node.add(globalNamespaces="infra").refused(100)
    assert text.startswith(
        "network access denied: pod blue/web-0 may not attach to default/wide\n- default/wide (item 1)"
    )
    node.add(globalNamespaces="infra, default", namespaceIsolation=True).expect()
    assert set(node.addresses()) == {"eth0", "net1", "net2"}


@pytest.mark.root
@pytest.mark.slow
def test_a_refusal_does_not_ask_for_the_network(node: Node) -> None:
    """Neither a refusal nor its time reveals whether a network of another namespace exists."""
    node.api.put_pod("infra/storage")
    missing = node.add().refused(100)
    node.api.put_network("infra", "storage", "{")
    assert node.add().refused(100) == missing
    assert not [line for line in node.api.asked() if "infra" in line]


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("asked", ["a,,b", '[{"name":5}]', '[{"name":"a","ips":["10.0.0.300"]}]', "lan@a b"])
def test_the_text_for_an_unreadable_annotation_is_the_webhooks(node: Node, asked: str) -> None:
    node.api.put_pod(asked)
    text = node.add().refused(7)
    decision = webhook_says({NETWORKS: asked}, {}, rules=ISOLATED)
    causes = [cause.message for cause in decision.causes]
    assert causes
    assert text.startswith("pod blue/web-0: ")
    with pytest.raises(SpecErrors) as caught:
        annotation.parse(asked, namespace="blue")
    for error in caught.value:
        assert render(error) in text
        assert error.rule in decision.rules


class Cluster:
    """A `Reader` without a connection, in which every network exists, of type bridge."""

    def __init__(self) -> None:
        self.memo: dict[tuple[str, ...], object] = {}
        self.configs: dict[tuple[str, str], str | None] = {}
        self.server = "https://127.0.0.1:6443"

    def ask(self, *paths: str) -> None:
        """Without a connection there is nothing to send ahead."""

    def left_s(self) -> float:
        return 30.0

    def limit(self, seconds: float) -> None:
        """Without a connection there is no waiting."""

    def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:  # noqa: ARG002  # as in the protocol
        words = path.split("/")
        if words[2] == "access.nadmit.io":
            raise NotFoundError(11, f"{path} is not found")
        if "network-attachment-definitions" in words:
            key = (words[5], words[7])
            if key not in self.configs:
                raise NotFoundError(11, f"{path} is not found")
            return {"metadata": {}, "spec": {"config": self.configs[key]}}
        return {"metadata": {"name": words[-1]}}


@pytest.mark.parametrize("vector", DATA, ids=[vector["id"] for vector in DATA])
def test_agreement(vector: dict[str, Any], tmp_path: Path) -> None:
    """The node plans every pod that the webhook admits. Both refuse the others, by the same rules."""
    namespace, text = vector["pod_namespace"].lower(), vector["annotation"]  # one of them has an impossible name
    reader = Cluster()
    try:
        elements = annotation.parse(text, namespace=namespace)
    except SpecErrors as errors:
        elements = tuple(element for element in errors.readable if element is not None)
    reader.configs = {(element.namespace, element.name): BRIDGE for element in elements}
    decision = webhook_says({NETWORKS: text}, reader.configs, namespace=namespace, rules=OPEN)
    raw: dict[str, Any] = {
        "cniVersion": "1.0.0",
        "name": "n",
        "delegates": [{"type": "bridge"}],
        "namespaceIsolation": False,
    }
    raw["recordDir"] = str(tmp_path)
    conf, _ = netconf.parse(raw)
    remarks: list[Remark] = []
    pod = Pod(
        namespace=namespace,
        name="web-0",
        uid="u",
        labels={},
        annotations={NETWORKS: text},
        service_account="default",
        is_static=False,
    )
    try:
        plan = podnetworks.plan_networks(conf, pod, reader, namespace="", ifname="eth0", uid="u", report=remarks.append)
        said: set[str] = set()
        assert len(plan.attachments) == len(elements) + 1
    except SpecErrors as errors:
        said = {error.rule for error in errors}
    except CniError as error:
        raise AssertionError(error.msg) from error
    assert bool(said) is not decision.is_allowed
    # NB: a subset: the webhook also plans the readable part of a bad annotation, so it may find more.
    assert said <= set(decision.rules)
    assert bool(said) is (vector["expect"] == "error")
    assert remarks == []
