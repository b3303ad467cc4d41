"""Limits of one object: the refusal comes before the work, names its setting, and concerns new text only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cniplugin.netspec import annotation, cniconfig
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests.webhook.admission.mutation.injecting import Sent, ask_mutate, pod_of, sriov
from tests.webhook.admission.world import RULES, cluster, decide, definition, pod, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import NETWORK, POLICY, POLICY_CONFIG, GroupKind
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.admission.model.requests import Decision, NetworkUsers, Object, Request
from webhook.admission.view import parsecache
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

DEPLOYMENT = GroupKind("apps", "Deployment")
LONG = json.dumps({"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1", "note": "x" * 70_000})
MANY = ",".join(["lan"] * 65)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are parsed from now on, without the short texts of the cluster."""
    texts: list[str] = []

    def noting(parse: Callable[..., Any]) -> Callable[..., Any]:
        def note(text: str, **more: Any) -> Any:
            texts.extend([text] if len(text) > 150 else [])
            return parse(text, **more)

        return note

    parsecache.PARSED.clear()
    for module, name in ((annotation, "parse"), (annotation, "parse_default_network"), (cniconfig, "parse")):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    return texts


def annotated(annotations: Mapping[str, str]) -> Request:
    return request(Object(name="web-0", annotations=annotations))


@pytest.mark.parametrize(
    ("annotations", "rule"),
    [
        ({NETWORKS: MANY}, "limit-networks"),
        ({NETWORKS: "," * 262_000}, "limit-networks"),
        ({NETWORKS: "a," * 131_000}, "limit-networks"),
        ({DEFAULT_NETWORK: "lan," * 64 + "lan"}, "limit-networks"),
        ({NETWORKS: ",".join(["lan"] * 64), DEFAULT_NETWORK: "lan"}, "limit-networks"),
        ({NETWORKS: "[" + "0," * 131_000 + "0]"}, "limit-values"),
        ({NETWORKS: "[" * 262_000}, "limit-values"),
        ({NETWORKS: "[" + "{}," * 5_000 + "{}]"}, "limit-values"),
        ({NETWORKS: '[{"name":"lan","ips":[' + '"",' * 5_000 + '""]}]'}, "limit-values"),
        ({NETWORKS: '[{"name":"lan","portMappings":[' + "{}," * 2_500 + "{}]}]"}, "limit-values"),
    ],
)
@pytest.mark.parametrize("kind", [GroupKind("", "Pod"), DEPLOYMENT])
def test_annotations_above_a_limit_are_not_read(
    annotations: Mapping[str, str], rule: str, kind: GroupKind, parsed: list[str]
) -> None:
    decision = decide(annotated(annotations)._replace(kind=kind))
    assert (decision.code, decision.rules, len(decision.causes)) == (422, (rule,), 1)
    setting = {"limit-networks": "limits.networksPerPod", "limit-values": "limits.valuesPerPod"}[rule]
    assert setting in decision.message
    assert parsed == []


def test_json_with_too_many_networks() -> None:
    decision = decide(request(pod(json.dumps([{"name": "lan"}] * 65))))
    assert decision.rules == ("limit-networks",)
    assert "the pod asks for 65 networks" in decision.message


@pytest.mark.parametrize("networks", [",".join(["lan"] * 64), json.dumps([{"name": "lan"}] * 64)])
def test_as_many_as_the_limit(networks: str) -> None:
    assert decide(request(pod(networks))).is_allowed


def test_a_setting_moves_the_limit() -> None:
    asked = request(pod(MANY))
    assert evaluate(
        asked,
        DecisionContext(cluster(), RULES, Configuration(injection=None, limits=DEFAULTS._replace(networks_per_pod=65))),
    ).is_allowed
    few = ReviewLimits(networks_per_pod=2)
    assert evaluate(
        request(pod("lan,lan,lan")), DecisionContext(cluster(), RULES, Configuration(injection=None, limits=few))
    ).rules == ("limit-networks",)


class TestUpdate:
    """A limit does not refuse an UPDATE that leaves the text unchanged."""

    def test_an_annotation_that_stays(self, parsed: list[str]) -> None:
        assert decide(request(pod(MANY), old=pod(MANY))).is_allowed
        assert parsed == []

    def test_a_network_less(self) -> None:
        assert decide(request(pod(MANY), old=pod(f"{MANY},lan"))).is_allowed

    def test_a_network_more(self) -> None:
        assert decide(request(pod(f"{MANY},lan"), old=pod(MANY))).rules == ("limit-networks",)

    def test_two_annotations_that_no_pod_had(self, parsed: list[str]) -> None:
        old, new = pod("a," * 131_000 + "a"), pod("a," * 130_000 + "a")
        assert decide(request(new, old=old)).rules == ("limit-networks",)
        assert parsed == []

    def test_a_template_that_stays(self) -> None:
        assert decide(request(pod(MANY), old=pod(MANY), kind=DEPLOYMENT)).is_allowed

    def test_a_text_that_stays(self) -> None:
        old, new = Object(name="lan", config=LONG), Object(name="lan", config=LONG, labels={"a": "b"})
        assert decide(request(new, old=old, kind=NETWORK)).is_allowed

    def test_a_text_that_stays_beside_a_consent_that_changes(self) -> None:
        new = Object(name="lan", config=LONG, annotations={"access.nadmit.io/allowed-namespaces": "green"})
        assert decide(request(new, old=Object(name="lan", config=LONG), kind=NETWORK)).is_allowed

    def test_a_text_that_changes(self) -> None:
        changed = Object(name="lan", config=LONG.replace("bond1", "bond2"))
        asked = request(changed, old=Object(name="lan", config=LONG), kind=NETWORK)
        assert decide(asked).rules == ("limit-definition-bytes",)


@pytest.mark.parametrize(
    ("config", "rule"),
    [
        (LONG, "limit-definition-bytes"),
        ('{"type":"macvlan","x":"' + "é" * 40_000 + '"}', "limit-definition-bytes"),
        ("[" * 1_500_000, "limit-definition-bytes"),
        (json.dumps({"cniVersions": ["1.0.0"] * 140_000, "type": "macvlan"}), "limit-definition-bytes"),
    ],
)
def test_a_long_definition_is_not_read(config: str, rule: str, parsed: list[str]) -> None:
    decision = decide(definition(config))
    assert decision.rules == (rule,)
    assert "limits.definitionBytes" in decision.message
    assert parsed == []


@pytest.mark.parametrize(
    ("conf", "path"),
    [
        ({"cniVersions": ["1.0.0"] * 1_025, "type": "macvlan"}, "spec.config.cniVersions"),
        ({"name": "lan", "plugins": [{"type": "macvlan"}] * 1_025}, "spec.config.plugins"),
        ({"name": "lan", "plugins": [{"type": "a", "links": [0] * 1_025}]}, "spec.config.plugins[0].links"),
        ({"type": "a", "ipam": {"type": "b", "routes": [0] * 1_025}}, "spec.config.ipam.routes"),
        ({"type": "ovn-k8s-cni-overlay", "subnets": "," * 1_024}, "spec.config.subnets"),
    ],
)
def test_a_list_of_a_definition(conf: object, path: str) -> None:
    (cause,) = decide(definition(json.dumps(conf))).causes
    assert (cause.rule, cause.field) == ("limit-definition-items", path)


def test_a_stored_definition_above_the_limit_can_be_used() -> None:
    assert decide(request(pod("big")), world=cluster(blue__big=LONG)).is_allowed


@pytest.mark.parametrize("kind", [POLICY, POLICY_CONFIG])
def test_a_policy_above_the_limit_is_not_read(kind: GroupKind) -> None:
    spec = {"attachments": [{"name": "r", "action": "Deny", "networks": [{"names": ["lan"] * 20_000}]}]}
    decision = decide(request(Object(name="cluster", spec=spec), kind=kind))
    assert (decision.rules, len(decision.causes)) == (("limit-policy-values",), 1)
    assert decide(request(Object(name="cluster", spec=spec), old=Object(spec=spec), kind=kind)).is_allowed


def test_thousands_of_rules_are_not_read() -> None:
    decision = decide(request(Object(name="p", spec={"attachments": [{}] * 100_000}), kind=POLICY))
    assert (decision.rules, len(decision.causes)) == (("policy-field",), 1)
    assert "spec.attachments: 100000 items; allowed: 0 to 64 items" in decision.message


def test_containers_of_a_pod_that_gets_devices() -> None:
    many = [{"name": f"c{number}"} for number in range(513)]
    decision = ask_mutate(pod_of("a", *many), sriov())
    assert decision.rules == ("limit-containers",)
    assert ask_mutate(pod_of(None, *many), sriov()).is_allowed


def test_a_pod_within_a_raised_limit_must_request_its_devices() -> None:
    """A raised limit does not exempt the pod from requesting devices."""
    obj = pod_of(",".join(["a"] * 70))
    asked = request(Object(name="web-0", annotations=obj["metadata"]["annotations"], sent=Sent(obj)))
    raised = DEFAULTS._replace(networks_per_pod=70)
    decision = evaluate(asked, DecisionContext(sriov(), RULES, Configuration(injection=Injection(), limits=raised)))
    assert decision.rules == ("resource-shortfall",)


def test_networks_of_a_namespace_are_limited_where_they_become_the_pods() -> None:
    """/mutate does not change the pod, and /validate refuses it."""
    world = cluster()
    world.defaults["blue"] = MANY
    mutated = ask_mutate(pod_of(None), world)
    assert mutated.is_allowed
    (operation,) = mutated.operations
    assert decide(request(pod(operation["value"][NETWORKS]))).rules == ("limit-networks",)


@pytest.mark.plain
def test_an_update_of_a_long_text_that_pods_use_is_compared_once(parsed: list[str]) -> None:
    world = cluster()
    world.users["blue", "lan"] = NetworkUsers(total=1, own=1, names=("web-0",))
    old = Object(name="lan", config=LONG)
    new = Object(name="lan", config=LONG[:60_000] + '"}')

    def judge() -> Decision:
        return decide(request(new, old=old, kind=NETWORK), world=world)

    assert judge() == judge()
    assert sorted(map(len, parsed)) == sorted({len(str(new.config)), len(LONG)})
