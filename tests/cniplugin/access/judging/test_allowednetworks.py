"""A refusal lists the networks that the pod would get, at a bounded cost."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.judging import allowednetworks
from cniplugin.access.judging.allowednetworks import list_allowed
from cniplugin.access.judging.judge import judge
from cniplugin.access.model.decision import Config, Item, Rules, Subject, UnreadError
from cniplugin.access.reading.consent import ALLOWED_NAMESPACES
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import NetworkSelectionElement
from tests.webhook.admission.world import FakeCluster, cluster

BLUE = Subject(namespace="blue")


def rules_of(*attachments: dict[str, Any], **config: Any) -> Rules:
    made = {"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": {"attachments": list(attachments)}}
    return compile_rules(read_policies([made] if attachments else []), Config(**config))


def allow(*networks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "a", "action": "Allow", **({"networks": list(networks)} if networks else {}), **more}


def shared(world: FakeCluster, namespace: str, name: str) -> FakeCluster:
    network = world.networks[namespace, name]
    world.networks[namespace, name] = network.replace(annotations={ALLOWED_NAMESPACES: "blue"})
    return world


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (rules_of(), ("blue/lan", "default/internet")),
        (rules_of(posture="Strict"), ()),
        (rules_of(posture="Open"), ("blue/lan", "default/internet", "green/shared", "infra/storage")),
        (rules_of(posture="Consent"), ("blue/lan", "default/internet", "green/shared")),
        (rules_of(global_namespaces=("infra", "blue")), ("blue/lan", "infra/storage")),
        (rules_of(allow({"namespaces": ["infra"]})), ("blue/lan", "default/internet", "infra/storage")),
        (rules_of(allow({"namespaces": ["in*"]})), ("blue/lan", "default/internet", "infra/storage")),
        (rules_of(allow({"namespaces": ["infra"], "names": ["other"]})), ("blue/lan", "default/internet")),
        (rules_of(allow({"names": ["storage"]})), ("blue/lan", "default/internet", "infra/storage")),
        (
            rules_of(allow({"scope": "OtherNamespace"})),
            ("blue/lan", "default/internet", "green/shared", "infra/storage"),
        ),
        (rules_of(allow(), posture="Strict"), ("blue/lan", "default/internet", "green/shared", "infra/storage")),
        (rules_of(allow({"scope": "OwnNamespace"}), posture="Strict"), ("blue/lan",)),
        (
            rules_of(allow({"namespaces": ["green"]}, requireConsent=True)),
            ("blue/lan", "default/internet", "green/shared"),
        ),
        (rules_of(allow({"namespaces": ["infra"]}, requireConsent=True)), ("blue/lan", "default/internet")),
        (rules_of({"name": "d", "action": "Deny", "networks": [{"names": ["lan"]}]}), ("default/internet",)),
    ],
)
def test_the_listed_networks(rules: Rules, expected: tuple[str, ...]) -> None:
    world = shared(cluster(), "green", "shared")
    assert list_allowed(BLUE, rules, world) == (expected, False)


def test_an_unsafe_network_is_not_offered() -> None:
    assert list_allowed(BLUE, rules_of(), cluster(blue__lan="{")) == (("default/internet",), False)


def test_the_list_can_be_switched_off() -> None:
    assert list_allowed(BLUE, rules_of(list_allowed=False), cluster()) == ((), False)
    assert list_allowed(BLUE, rules_of(max_listed=0), cluster()) == ((), False)


def test_more_than_may_be_listed() -> None:
    assert list_allowed(BLUE, rules_of(max_listed=1), cluster()) == (("blue/lan",), True)
    assert list_allowed(BLUE, rules_of(max_listed=2), cluster()) == (("blue/lan", "default/internet"), False)


def test_the_cost_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowednetworks, "JUDGED_MAX", 3)
    world = cluster(**{f"blue__net_{number}": None for number in range(9)})
    deny = {"name": "d", "action": "Deny", "networks": [{"namespaces": ["blue"]}]}
    assert list_allowed(BLUE, rules_of(deny), world) == ((), True)


def test_every_network_has_a_verdict() -> None:
    """A network is refused if and only if it is not listed."""
    world = cluster()
    found = [
        (
            namespace,
            name,
            judge(
                BLUE,
                Item(element=NetworkSelectionElement(namespace=namespace, name=name), network_labels={}),
                rules_of(),
            ).code,
        )
        for namespace, name in sorted(world.networks)
    ]
    assert found == [
        ("blue", "lan", "Posture"),
        ("default", "internet", "Posture"),
        ("green", "shared", "PostureIsolated"),
        ("infra", "storage", "PostureIsolated"),
    ]


class Unread(FakeCluster):
    """A cluster that has not read a network."""

    def network(self, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
        raise UnreadError(f"{namespace}/{name}")


def test_a_list_ends_at_a_network_that_is_not_read() -> None:
    known = cluster()
    unread = Unread(networks=known.networks, labels=known.labels)
    assert list_allowed(BLUE, rules_of(), unread) == ((), True)
