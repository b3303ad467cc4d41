"""The changes to a pod by its networks, labels and namespace: claims, node selectors, annotations, default networks."""

from __future__ import annotations

import json

import pytest

from cniplugin.netspec.selection import NETWORKS
from tests.webhook.admission.mutation.injecting import (
    BARE,
    VF,
    Json,
    annotated,
    app,
    ask_mutate,
    ask_validate,
    cluster_of,
    figures,
    network,
    patched,
    pod_of,
    sriov,
)
from tests.webhook.admission.world import FakeCluster
from webhook.admission.model.injection import INJECT, Injection
from webhook.admission.model.requests import ALLOWED
from webhook.admission.mutation import jsonpatch

# Decision 4: claims


@pytest.mark.parametrize(
    ("devices_from", "has_claims", "is_injected", "warns"),
    [
        (None, False, True, False),
        (None, True, False, True),
        ("DevicePlugin", True, True, False),
        ("ResourceClaim", True, False, False),
        ("ResourceClaim", False, False, False),
        ("somewhere", False, True, False),
        ("somewhere", True, False, True),
    ],
)
def test_claims(devices_from: str | None, *, has_claims: bool, is_injected: bool, warns: bool) -> None:
    known = network("a", resource=VF, **({"devices_from": devices_from} if devices_from else {}))
    claims = [{"name": "vf", "resourceClaimTemplateName": "vf"}] if has_claims else []
    pod, world = pod_of("a", resourceClaims=claims), cluster_of(known)
    answer = ask_mutate(pod, world)
    after = jsonpatch.apply(list(answer.operations), pod)
    assert figures(after) == (("1", "1") if is_injected else (None, None))
    assert bool(answer.warnings) is warns
    assert ask_validate(after, world).is_allowed
    assert after["spec"]["volumes"]


def test_a_pod_with_claims_that_names_the_resource_itself() -> None:
    pod = pod_of("a", app(asks="1"), resourceClaims=[{"name": "gpu"}])
    assert ask_mutate(pod, sriov(), BARE) == ALLOWED


# Decision 5: node selectors


@pytest.mark.parametrize(
    ("selectors", "own", "merged"),
    [
        (["rack=1"], None, {"rack": "1"}),
        (["sriov"], None, {"sriov": ""}),
        (["rack=1", "rack=1"], {"disk": "ssd"}, {"disk": "ssd", "rack": "1"}),
        (["rack=1", "zone=a"], {"rack": "1"}, {"rack": "1", "zone": "a"}),
        ([" rack=1 ", " "], None, {"rack": "1"}),
        (["rack = 1", "\track\t=\n1\n"], {"disk": "ssd"}, {"disk": "ssd", "rack": "1"}),
        (["rack = ", " zone "], None, {"rack": "", "zone": ""}),
    ],
)
def test_node_selectors(selectors: list[str], own: Json | None, merged: Json) -> None:
    world = cluster_of(*(network(f"n{index}", selector=text) for index, text in enumerate(selectors)))
    names = ",".join(f"n{index}" for index in range(len(selectors)))
    pod = pod_of(names, **({"nodeSelector": own} if own else {}))
    assert patched(pod, world)["spec"]["nodeSelector"] == merged


@pytest.mark.parametrize(
    ("selectors", "own", "rules"),
    [
        (["rack=1"], {"rack": "2"}, ["node-selector-conflict"]),
        (["rack=1", "rack=2"], {}, ["node-selector-conflict"]),
        (["rack=1", "rack=2", "rack=2"], {}, ["node-selector-conflict"] * 2),
        (["a=b,c=d"], {}, ["node-selector-value"]),
        (["=b"], {}, ["node-selector-value"]),
        (["a b=c", "rack=1"], {"rack": ""}, ["node-selector-value", "node-selector-conflict"]),
    ],
)
def test_contradictions_are_refused_and_never_overwritten(selectors: list[str], own: Json, rules: list[str]) -> None:
    world = cluster_of(*(network(f"n{index}", selector=text) for index, text in enumerate(selectors)))
    names = ",".join(f"n{index}" for index in range(len(selectors)))
    answer = ask_mutate(pod_of(names, nodeSelector=own), world)
    assert answer.operations == ()
    assert [cause.rule for cause in answer.causes] == rules


def test_all_problems_are_in_one_answer() -> None:
    world = cluster_of(network("a", resource=VF, selector="rack=1"))
    pod = annotated(pod_of("a", nodeSelector={"rack": "2"}), inject_into="nowhere")
    assert ask_mutate(pod, world).rules == ("inject-into", "node-selector-conflict")


@pytest.mark.parametrize(
    "pod",
    [
        pod_of("infra/a", nodeSelector={"rack": "2"}),
        annotated(pod_of("infra/a"), inject_into="nowhere"),
        pod_of("infra/a", resourceClaims=[{"name": "vf"}]),
        pod_of("infra/a", volumes=[{"name": "podnetinfo", "emptyDir": {}}]),
    ],
)
def test_a_refused_pod_learns_nothing_of_the_network(pod: Json) -> None:
    """The answer is the refusal by the access rules only."""
    world = cluster_of(network("a", namespace="infra", resource=VF, selector="rack=1"))
    answer = ask_mutate(pod, world)
    assert answer == ask_validate(pod, world)
    assert answer.rules == ("PostureIsolated",)
    assert not any(secret in str(answer) for secret in (VF, "rack=1", "rack: 1"))


def test_the_order_of_networks_does_not_change_the_patch() -> None:
    world = cluster_of(network("a", selector="zone", resource="x/two"), network("b", selector="rack=1", resource=VF))
    one, two = (json.dumps(ask_mutate(pod_of(networks), world).operations) for networks in ("a,b", "b,a"))
    assert one == two


# Decision 7: annotations by label


def test_a_label_brings_networks_before_they_are_counted() -> None:
    injection = Injection(annotations_by_label={"sriov": {NETWORKS: "a,b"}, "other": {NETWORKS: "plain"}})
    after = patched(pod_of("plain", labels={"sriov": "True", "other": "yes"}), sriov(), injection)
    assert after["metadata"]["annotations"] == {NETWORKS: "a,b"}
    assert figures(after) == ("2", "2")


def test_a_label_needs_no_networks() -> None:
    injection = Injection(annotations_by_label={"x": {"one": "1"}, "w": {"one": "0", "two": "2"}})
    pod = pod_of(None, labels={"x": "true", "w": "true"})
    answer = ask_mutate(pod, sriov(), injection)
    assert answer.operations == ({"op": "add", "path": "/metadata/annotations", "value": {"one": "1", "two": "2"}},)


def test_a_label_opts_a_pod_out() -> None:
    """The pod gets the label's annotations only, and a second pass changes nothing."""
    injection = Injection(annotations_by_label={"x": {INJECT: "false"}})
    world = FakeCluster(sriov().networks, defaults={"blue": "a"})
    for networks in ("a", None):
        pod = pod_of(networks, labels={"x": "true"})
        after = patched(pod, world, injection)
        assert after["metadata"]["annotations"] == {**pod["metadata"].get("annotations", {}), INJECT: "false"}
        assert after["spec"] == pod["spec"]
        assert ask_mutate(after, world, injection) == ALLOWED
        assert ask_validate(after, world, injection).is_allowed


def test_networks_by_label_are_judged() -> None:
    injection = Injection(annotations_by_label={"x": {NETWORKS: "green/secret"}})
    world = cluster_of(network("secret", namespace="green", resource=VF))
    after = patched(pod_of(None, labels={"x": "true"}), world, injection)
    assert ask_validate(after, world).rules == ("PostureIsolated",)


# Decision 8: default networks


def test_default_networks_of_a_namespace() -> None:
    world = FakeCluster(sriov().networks, defaults={"blue": "a,b"})
    after = patched(pod_of(None), world)
    assert after["metadata"]["annotations"] == {NETWORKS: "a,b"}
    assert figures(after) == ("2", "2")
    assert ask_mutate(pod_of(None), world, namespace="green") == ALLOWED


@pytest.mark.parametrize("pod", [pod_of(""), pod_of("plain"), pod_of(None, hostNetwork=True)])
def test_pods_that_get_no_default_networks(pod: Json) -> None:
    assert ask_mutate(pod, FakeCluster(sriov().networks, defaults={"blue": "a"})) == ALLOWED


def test_empty_default_networks() -> None:
    assert ask_mutate(pod_of(None), FakeCluster(sriov().networks, defaults={"blue": " "})) == ALLOWED


# The origin of networks that the author has not written


@pytest.mark.parametrize(
    ("networks", "rule"),
    [
        ("rack1,,rack1", "empty-item"),
        ("nowhere", "network-not-found"),
        ("green/x", "PostureIsolated"),
        ("rack1,rack2", None),
    ],
)
@pytest.mark.parametrize("origin", ["namespace blue", "label up"])
def test_a_refusal_names_the_origin_of_the_networks(networks: str, rule: str | None, origin: str) -> None:
    """/mutate added the annotation. None: /mutate itself refuses the pod."""
    racks = (network("rack1", selector="rack=1"), network("rack2", selector="rack=2"))
    by_label = origin == "label up"
    world = cluster_of(*racks, network("x", namespace="green"), defaults={} if by_label else {"blue": networks})
    injection = Injection(annotations_by_label={"a": {"k": "v"}, "up": {NETWORKS: networks}} if by_label else {})
    pod = pod_of(None, labels={"up": "true", "a": "true"})
    answer = ask_mutate(pod, world, injection)
    assert answer.is_allowed is (rule is not None)
    if rule is not None:
        assert answer.warnings == ()
        answer = ask_validate(patched(pod, world, injection), world, injection)
        assert answer.rules == (rule,)
    (warning,) = answer.warnings
    assert str(warning).endswith(origin)
    own = pod_of("nowhere,nowhere-else")
    assert ask_validate(own, world, injection).warnings == ()


def test_a_shortfall_names_the_origin_of_the_networks() -> None:
    world = FakeCluster(sriov().networks, defaults={"blue": "a,b"})
    after = patched(pod_of(None, app(), app("dpdk", asks="1")), world)
    answer = ask_validate(after, world)
    assert answer.rules == ("resource-shortfall",)
    assert len(answer.warnings) == 1
