"""Resources of device plugins that definitions name: each network that a pod selects counts once."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import PRACTICE, SHOULD, clause
from conformance.hooks.hook import Webhook
from conformance.hooks.samples import DEFAULT_NETWORK, NAMESPACE, OTHER_NAMESPACE, container, pod
from conformance.hooks.testcluster import RESOURCE_A, RESOURCE_B, RESOURCE_C
from conformance.standards import ADMISSION, NPWG, NRI, PRACTICE_NAME

pytestmark = pytest.mark.usefixtures("changes_pods")

CASES: dict[str, tuple[Any, dict[str, str]]] = {
    "one": ("device-a", {RESOURCE_A: "1"}),
    "one beside others": ("bridge,device-a,bridge-2", {RESOURCE_A: "1"}),
    "the same network twice": ("device-a, device-a", {RESOURCE_A: "2"}),
    "three times": ("device-a,device-a,device-a", {RESOURCE_A: "3"}),
    "two networks of one resource": ("device-a,device-a-again", {RESOURCE_A: "2"}),
    "two resources": ("device-a,device-b", {RESOURCE_A: "1", RESOURCE_B: "1"}),
    "counts of two resources": ("device-b,device-a,device-b,device-a,device-b", {RESOURCE_A: "2", RESOURCE_B: "3"}),
    "own namespace": (f"{NAMESPACE}/device-a", {RESOURCE_A: "1"}),
    "another namespace": (f"{OTHER_NAMESPACE}/far,device-a", {RESOURCE_A: "1", RESOURCE_C: "1"}),
    "an interface": ("device-a@vf0", {RESOURCE_A: "1"}),
    "JSON": ([{"name": "device-a"}], {RESOURCE_A: "1"}),
    "JSON twice": ([{"name": "device-a", "interface": "a"}, {"name": "device-a"}], {RESOURCE_A: "2"}),
    "JSON, another namespace": ([{"name": "far", "namespace": OTHER_NAMESPACE}], {RESOURCE_C: "1"}),
    "JSON, all keys": (
        [{"name": "device-a", "namespace": NAMESPACE, "interface": "vf0", "cni-args": {"a": "b"}}],
        {RESOURCE_A: "1"},
    ),
    "ten": (",".join(["device-a"] * 10), {RESOURCE_A: "10"}),
}


@clause(NRI, "resource-name", SHOULD)
@pytest.mark.parametrize("name", CASES)
def test_the_first_container_gets_what_the_networks_need(webhook: Webhook, name: str) -> None:
    """The first container gets what the networks need, in requests and limits."""
    networks, needed = CASES[name]
    injected = webhook.inject(pod(networks, container("first"), container("second")))
    assert injected.resources(0) == {"requests": needed, "limits": needed}
    assert injected.resources(1) == {"requests": {}, "limits": {}}


@clause(NRI, "resource-name", SHOULD)
@pytest.mark.parametrize(
    "networks",
    ["bridge", "bridge,bridge-2", "on-disk", [{"name": "bridge"}]],
    ids=["one", "two", "no configuration", "json"],
)
def test_networks_without_a_resource_need_none(webhook: Webhook, networks: object) -> None:
    """Networks without a resource need none."""
    injected = webhook.inject(pod(networks))
    assert injected.resources() == {"requests": {}, "limits": {}}


@clause(NRI, "resource-name", SHOULD)
def test_other_resources_stay(webhook: Webhook) -> None:
    """Other resources of the container stay."""
    given = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "1Gi", "example.com/gpu": "1"}}
    given["requests"]["example.com/gpu"] = "1"
    injected = webhook.inject(pod("device-a", container(resources=given)))
    assert injected.resources() == {place: {**given[place], RESOURCE_A: "1"} for place in given}


@clause(NRI, "resource-name", SHOULD)
def test_a_resource_of_another_container_is_not_asked_for_again(webhook: Webhook) -> None:
    """A resource that another container has is not asked for again."""
    theirs = {"requests": {RESOURCE_A: "1"}, "limits": {RESOURCE_A: "1"}}
    injected = webhook.inject(pod("device-a,device-b", container("a"), container("b", resources=theirs)))
    assert injected.resources(0)["limits"] == {RESOURCE_B: "1"}
    assert injected.resources(1) == theirs


@clause(NRI, "resource-name", SHOULD)
@pytest.mark.parametrize("amount", ["2", "5"])
def test_an_amount_that_is_enough_stays(webhook: Webhook, amount: str) -> None:
    """An amount that is enough stays."""
    given = {"requests": {RESOURCE_A: amount}, "limits": {RESOURCE_A: amount}}
    injected = webhook.inject(pod("device-a,device-a", container(resources=given)))
    assert injected.resources() == given


@clause(PRACTICE_NAME, "injection", PRACTICE)
def test_an_amount_that_is_too_small_is_raised_or_reported(webhook: Webhook) -> None:
    """An amount that is too small is raised, or there is a warning.

    With 1 of 2 devices, the second network has none: the pod never starts, or starts without it.
    """
    given = {"requests": {RESOURCE_A: "1"}, "limits": {RESOURCE_A: "1"}}
    injected = webhook.inject(pod("device-a,device-a", container(resources=given)))
    amount = injected.resources()["limits"][RESOURCE_A]
    assert amount == "2" or injected.verdict.says(RESOURCE_A), f"{amount}; {injected.verdict}"


@clause(NRI, "resource-name", SHOULD)
def test_init_containers_get_nothing(webhook: Webhook) -> None:
    """Init containers get nothing."""
    thing = pod(
        "device-a", container("app"), initContainers=[container("init"), container("mesh", restartPolicy="Always")]
    )
    injected = webhook.inject(thing)
    assert injected.resources()["limits"] == {RESOURCE_A: "1"}
    assert [each["resources"] for each in injected.pod["spec"]["initContainers"]] == [{}, {}]


@clause(NRI, "resource-name-keys", SHOULD)
@pytest.mark.parametrize(
    ("networks", "needed"),
    [("device-by-other-key", {RESOURCE_C: "1"}), ("device-by-other-key,device-a", {RESOURCE_C: "1", RESOURCE_A: "1"})],
    ids=["alone", "beside the first"],
)
def test_a_second_annotation_names_resources(webhook: Webhook, networks: str, needed: dict[str, str]) -> None:
    """A second annotation of definitions names resources."""
    webhook.needs_feature("resource-name-keys")
    injected = webhook.inject(pod(networks))
    assert injected.resources() == {"requests": needed, "limits": needed}


@clause(PRACTICE_NAME, "injection", PRACTICE)
@pytest.mark.parametrize("networks", [None, "device-b"], ids=["alone", "beside networks"])
def test_the_default_network_of_a_pod_counts(webhook: Webhook, networks: str | None) -> None:
    """The network of the annotation for the default network counts."""
    injected = webhook.inject(pod(networks, annotations={DEFAULT_NETWORK: f"{NAMESPACE}/device-a"}))
    needed = {RESOURCE_A: "1"} | ({RESOURCE_B: "1"} if networks else {})
    assert injected.resources() == {"requests": needed, "limits": needed}


# Networks that do not exist


@clause(NPWG, "3.4.1", SHOULD)
@pytest.mark.parametrize(
    "networks",
    ["missing", "device-a,missing", [{"name": "device-a", "namespace": OTHER_NAMESPACE}]],
    ids=["alone", "second", "another namespace"],
)
def test_a_missing_definition_needs_nothing(webhook: Webhook, networks: object) -> None:
    """A network without a definition needs nothing.

    Whether it is refused here or later, no resource of such a name may appear.
    """
    injected = webhook.change(pod(networks))
    if injected.verdict.is_allowed:
        assert injected.resources()["limits"].keys() <= {RESOURCE_A}
        assert networks == "device-a,missing" or not injected.resources()["limits"]
    else:
        assert injected.verdict.patch == []


@clause(PRACTICE_NAME, "injection", PRACTICE)
def test_a_refusal_names_the_missing_definition(webhook: Webhook) -> None:
    """A refusal names the definition that is missing."""
    injected = webhook.change(pod("device-a,missing"))
    if injected.verdict.is_allowed:
        pytest.skip("the webhook leaves the refusal to another one")
    assert injected.verdict.says("missing"), injected.verdict


# Pods that no CNI plugin attaches, or whose devices come from elsewhere


@clause(PRACTICE_NAME, "injection", PRACTICE)
def test_a_pod_in_the_network_of_its_node_gets_no_device(webhook: Webhook) -> None:
    """A pod with hostNetwork gets no device."""
    injected = webhook.inject(pod("device-a", hostNetwork=True))
    assert injected.resources()["limits"] == {}, "no CNI plugin runs for such a pod, so it would only hold the device"


@clause(PRACTICE_NAME, "injection", PRACTICE)
def test_a_pod_with_claims_is_not_made_unschedulable(webhook: Webhook) -> None:
    """A pod with ResourceClaims gets no extended resource.

    With DRA, a definition's resource may belong to a driver: no device plugin offers it.
    """
    claims = [{"name": "nic", "resourceClaimName": "my-nic"}]
    thing = pod("device-a", container(resources={"claims": [{"name": "nic"}]}), resourceClaims=claims)
    injected = webhook.inject(thing)
    assert injected.resources()["limits"] == {}


@clause(ADMISSION, "good-practice", PRACTICE)
def test_a_mirror_pod_is_left_alone(webhook: Webhook) -> None:
    """A mirror pod is left alone.

    A mirror pod shows a static pod that already runs; the API server refuses a changed one.
    """
    thing = pod("device-a", annotations={"kubernetes.io/config.mirror": "0123456789abcdef"})
    assert webhook.inject(thing).verdict.patch == []


@clause(PRACTICE_NAME, "injection", PRACTICE)
def test_a_new_definition_is_known(webhook: Webhook) -> None:
    """A definition is known as soon as it is stored."""
    name = webhook.add_definition({"k8s.v1.cni.cncf.io/resourceName": RESOURCE_B})
    injected = webhook.inject(pod(name))
    assert injected.resources()["limits"] == {RESOURCE_B: "1"}
