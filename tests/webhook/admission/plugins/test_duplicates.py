"""Two attachments, of one pod or of two, that ask for one address of one network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cniplugin.netspec import annotation
from tests.webhook.admission.plugins.checking import CHECKS
from tests.webhook.admission.plugins.pods import codes, judge, world
from tests.webhook.admission.world import RULES, decide, pod, request
from webhook.admission.checks import podrequests
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import Decision, Object
from webhook.admission.view.addressclaims import CLAIMS_MAX, claims_of
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.cli import nadmit
from webhook.snapshot.pods import Pods, PodUse
from webhook.snapshot.snapshot import Snapshot
from webhook.trees.builder import build
from webhook.trees.manifests import read_bytes

CAPABLE = {"cniVersion": "1.0.0", "type": "bridge", "capabilities": {"ips": True, "mac": True}}
STATIC = json.dumps({**CAPABLE, "ipam": {"type": "static"}})
BRIDGE = json.dumps(CAPABLE)
HOST_LOCAL = json.dumps({**CAPABLE, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}})
MAC = "02:00:00:00:00:01"


def element(**asked: Any) -> str:
    return json.dumps([{"name": "net", **asked}])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.1.0.5/24", "10.1.0.5/24"),
        ("10.1.0.5/24", "10.1.0.5/16"),
        ("10.1.0.5/24", "::ffff:10.1.0.5/120"),
        ("fd00::5/64", "FD00:0:0::0005/64"),
    ],
)
def test_one_address_in_two_forms(one: str, other: str) -> None:
    for new, running in ((one, other), (other, one)):
        decision = judge(STATIC, element(ips=[new]), element(ips=["192.0.2.1/24", running]))
        assert decision.is_allowed
        assert codes(decision) == ["NAD611"]
        assert "NAD611: pod other-0 asks for this address of the network as well:" in str(decision.warnings[0])


@pytest.mark.parametrize("other", [MAC, "02-00-00-00-00-01", "0200.0000.0001"])
def test_one_mac_in_two_forms(other: str) -> None:
    assert codes(judge(BRIDGE, element(mac=MAC), element(mac=other))) == ["NAD612"]


def test_other_addresses_and_other_networks_are_no_conflict() -> None:
    assert judge(STATIC, element(ips=["10.1.0.5/24"], mac=MAC), element(ips=["10.1.0.6/24"])).warnings == ()
    made = world(STATIC, element(ips=["10.1.0.5/24"]))
    made.addresses = {("blue", "lan", address): users for (_, _, address), users in made.addresses.items()}
    assert decide(request(pod(element(ips=["10.1.0.5/24"]))), world=made, plugins=CHECKS).warnings == ()


def test_each_address_has_its_warning() -> None:
    decision = judge(
        STATIC, element(ips=["10.1.0.5/24", "10.1.0.6/24"], mac=MAC), element(ips=["10.1.0.6/24"], mac=MAC)
    )
    assert sorted(codes(decision)) == ["NAD611", "NAD612"]
    assert len(decision.warnings) == 2


def test_the_pod_itself_is_no_conflict() -> None:
    made = world(STATIC)
    made.addresses["blue", "net", "10.1.0.5"] = (("blue", "web-0"),)
    before, after = pod(element(ips=["10.1.0.6/24"])), pod(element(ips=["10.1.0.5/24"]))
    assert decide(request(after, old=before), world=made, plugins=CHECKS).warnings == ()
    assert decide(request(after), world=made, plugins=CHECKS).warnings == ()


def test_a_pod_without_a_name_has_no_conflicts() -> None:
    made = world(STATIC, element(ips=["10.1.0.5/24"]))
    asked = request(Object(generate_name="other-", annotations=pod(element(ips=["10.1.0.5/24"])).annotations))
    assert codes(decide(asked._replace(name=""), world=made, plugins=CHECKS)) == ["NAD611"]


@pytest.mark.parametrize(
    ("users", "holders"),
    [
        ([("blue", "a")], "pod a asks for"),
        ([("green", "a")], "another pod asks for"),
        ([("green", "secret"), ("infra", "b")], "other pods ask for"),
        ([("green", "secret"), ("blue", "b"), ("blue", "a")], "pod a and others ask for"),
        ([("blue", "n" * 253)], f"pod {'n' * 60}... asks for"),
    ],
)
def test_pods_of_other_namespaces_are_not_named(users: list[tuple[str, str]], holders: str) -> None:
    made = world(STATIC)
    made.addresses["blue", "net", "10.1.0.5"] = tuple(users)
    decision = decide(request(pod(element(ips=["10.1.0.5/24"]))), world=made, plugins=CHECKS)
    assert f"NAD611: {holders} this address" in str(decision.warnings[0])
    assert "secret" not in str(decision.warnings[0])


def test_a_refused_pod_gets_no_warning_about_addresses() -> None:
    decision = judge(HOST_LOCAL, element(ips=["10.1.0.1"], mac=MAC), element(mac=MAC))
    assert decision.rules == ("NAD602",)
    assert decision.warnings == ()


def test_a_template_is_not_compared_with_its_own_pods() -> None:
    annotations = pod(element(ips=["10.1.0.5/24"])).annotations
    asked = request(Object(name="web", annotations=annotations), kind=GroupKind("apps", "Deployment"))
    assert decide(asked, world=world(STATIC, element(ips=["10.1.0.5/24"])), plugins=CHECKS).warnings == ()


def test_without_schemas_pods_are_still_compared() -> None:
    assert codes(judge(STATIC, element(ips=["10.1.0.5/24"]), element(ips=["10.1.0.5/24"]), checks=None)) == ["NAD611"]


def test_warnings_about_one_pod_are_bounded() -> None:
    ips = [f"10.1.0.{number}/24" for number in range(1, 60)]
    assert len(judge(STATIC, element(ips=ips), element(ips=ips)).warnings) == podrequests.WARNINGS_MAX


# Two elements of one pod


def twice(config: str, first: dict[str, Any], second: dict[str, Any]) -> Decision:
    return judge(config, json.dumps([{"name": "net", **first}, {"name": "net", **second}]))


def test_one_pod_asks_twice() -> None:
    warned = twice(STATIC, {"ips": ["10.1.0.5/24"], "mac": MAC}, {"ips": ["10.1.0.5/16"], "mac": MAC.replace(":", "-")})
    assert warned.is_allowed
    assert codes(warned) == ["NAD612", "NAD611"]
    assert "[1].mac: NAD612: [0] of this pod asks for this MAC address" in str(warned.warnings[0])
    refused = twice(HOST_LOCAL, {"ips": ["10.1.0.5"]}, {"ips": ["10.1.0.5/24"]})
    assert codes(refused) == ["NAD613"]
    assert codes(twice(HOST_LOCAL, {"mac": MAC}, {"mac": MAC})) == ["NAD612"]
    assert codes(twice(HOST_LOCAL, {"ips": ["10.2.0.5"]}, {"ips": ["10.2.0.5"]})) == ["NAD601"]


def test_addresses_of_the_default_network_count() -> None:
    made = world(STATIC)
    text = '[{"name":"net","namespace":"blue","ips":["10.1.0.5/24"]}]'
    open_rules = RULES.replace(config=RULES.config.replace(posture="Open"))
    decision = decide(request(pod(text, default=text)), world=made, rules=open_rules, plugins=CHECKS)
    assert "the default network asks for this address" in str(decision.warnings[0])


# Cached decisions of a snapshot


def snapshot() -> Snapshot:
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    definition = {**kind, "metadata": {"name": "net", "namespace": "blue"}, "spec": {"config": STATIC}}
    return build(read_bytes(json.dumps(definition).encode(), file="a.yaml", problems=[]), [])


def pods_of(*pods: tuple[str, str]) -> PodUse:
    """Return a snapshot with these pods of namespace blue."""
    made = Pods("kube-system")
    for name, networks in pods:
        found = made.read(pod(networks).annotations, "blue")
        assert found is not None
        made.put(("blue", name), found)
    return made.copy()


def test_a_cached_decision_sees_later_pods() -> None:
    before = snapshot()
    asked = request(pod(element(ips=["10.1.0.5/24"], mac=MAC)))
    rules = RULES

    def judged(now: Snapshot) -> list[str]:
        return codes(evaluate(asked, DecisionContext(now, rules, Configuration(injection=None, plugins=CHECKS))))

    assert judged(before) == []
    assert judged(before) == []
    after = before.with_pods(pods_of(("other", element(ips=["10.1.0.5/24"], mac=MAC))))
    for _ in range(2):
        assert sorted(judged(after)) == ["NAD611", "NAD612"]
    assert judged(before) == []


def test_cached_decisions_belong_to_one_set_of_schemas() -> None:
    made = snapshot()
    asked = request(pod(element(ips=["10.1.0.5"])))
    assert evaluate(asked, DecisionContext(made, RULES)).is_allowed
    for _ in range(2):
        assert codes(evaluate(asked, DecisionContext(made, RULES, Configuration(injection=None, plugins=CHECKS)))) == [
            "NAD604"
        ]
    assert evaluate(asked, DecisionContext(made, RULES)).is_allowed


def test_check_finds_pods_of_a_tree_with_one_address(tmp_path: Path) -> None:
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    objects = [{**kind, "metadata": {"name": "net", "namespace": "blue"}, "spec": {"config": STATIC}}]
    for name, ip in (("a", "10.1.0.5/24"), ("b", "10.1.0.5/16"), ("c", "10.1.0.6/24")):
        metadata = {"name": name, "namespace": "blue", "annotations": dict(pod(element(ips=[ip])).annotations)}
        objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    for number, thing in enumerate(objects):
        (tmp_path / f"{number}.yaml").write_text(json.dumps(thing))
    done = CliRunner().invoke(nadmit, ["check", str(tmp_path)])
    assert done.exit_code == 0
    assert done.output.count("NAD611: ") == 2
    assert "NAD611: pod b asks" in done.output
    assert "NAD611: pod a asks" in done.output


def test_the_claims_of_one_element_are_bounded() -> None:
    ips = [f"10.1.{number}.1/24" for number in range(100)]
    found = claims_of(annotation.parse(element(ips=ips, mac=MAC), namespace="blue")[0])
    assert len(found) == CLAIMS_MAX
    assert found[0].is_mac
