"""Annotations that an administrator gives to pods by label: the user-defined injections of NRI.

These tests come last in the profile: NRI reads its settings 30 s after its start.
"""

from __future__ import annotations

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.hooks.hook import Webhook
from conformance.hooks.samples import NETWORKS, pod
from conformance.hooks.testcluster import INJECTING_LABEL, NOTE, NOTE_TEXT, NOTING_LABEL, RESOURCE_A, RESOURCE_B
from conformance.standards import ADMISSION, NRI, PRACTICE_NAME

pytestmark = pytest.mark.usefixtures("gives_annotations")


@clause(NRI, "user-defined", SHOULD)
@pytest.mark.parametrize("value", ["true", "True"])
def test_a_label_gives_a_network(webhook: Webhook, value: str) -> None:
    """A label gives a pod networks, and what they need."""
    injected = webhook.inject(pod(labels={INJECTING_LABEL: value}))
    assert injected.pod["metadata"]["annotations"][NETWORKS] == "device-a"
    assert injected.resources() == {"requests": {RESOURCE_A: "1"}, "limits": {RESOURCE_A: "1"}}


@clause(NRI, "user-defined", SHOULD)
@pytest.mark.parametrize(
    "labels",
    [{}, {INJECTING_LABEL: "false"}, {INJECTING_LABEL: ""}, {"app": "true"}],
    ids=["none", "false", "empty", "another"],
)
def test_other_labels_give_nothing(webhook: Webhook, labels: dict[str, str]) -> None:
    """Other labels, and other values, give nothing."""
    thing = pod(labels=labels)
    assert webhook.change(thing).pod == thing


@clause(NRI, "user-defined", SHOULD)
def test_annotations_of_the_pod_stay(webhook: Webhook) -> None:
    """Annotations that the administrator does not name stay."""
    injected = webhook.change(pod(labels={INJECTING_LABEL: "true"}, annotations={"example.com/a": "b"}))
    assert injected.pod["metadata"]["annotations"] == {"example.com/a": "b", NETWORKS: "device-a"}


@clause(NRI, "user-defined", SHOULD)
def test_networks_of_the_pod_are_replaced(webhook: Webhook) -> None:
    """Networks that the pod names itself are replaced."""
    injected = webhook.change(pod("device-b", labels={INJECTING_LABEL: "true"}))
    assert injected.pod["metadata"]["annotations"][NETWORKS] == "device-a"


@clause(PRACTICE_NAME, "injection", PRACTICE)
def test_the_resources_are_those_of_the_networks_that_the_pod_gets(webhook: Webhook) -> None:
    """A pod asks for the devices of the networks that it has in the end."""
    injected = webhook.change(pod("device-b", labels={INJECTING_LABEL: "true"}))
    needed = {"device-a": {RESOURCE_A: "1"}, "device-b": {RESOURCE_B: "1"}}
    assert injected.resources()["limits"] == needed[injected.pod["metadata"]["annotations"][NETWORKS]]


@clause(NRI, "user-defined", SHOULD)
def test_another_annotation_is_given(webhook: Webhook) -> None:
    """A label gives any annotation, beside a network that needs something."""
    injected = webhook.change(pod("device-b", labels={NOTING_LABEL: "true"}))
    assert injected.pod["metadata"]["annotations"] == {NETWORKS: "device-b", NOTE: NOTE_TEXT}


@clause(PRACTICE_NAME, "injection", PRACTICE)
def test_another_annotation_is_given_without_networks(webhook: Webhook) -> None:
    """A label gives an annotation also to a pod whose networks need nothing."""
    injected = webhook.change(pod("bridge", labels={NOTING_LABEL: "true"}))
    assert injected.pod["metadata"]["annotations"] == {NETWORKS: "bridge", NOTE: NOTE_TEXT}


@clause(ADMISSION, "idempotence", MUST)
def test_a_second_call_gives_nothing_more(webhook: Webhook) -> None:
    """A second call changes nothing."""
    once = webhook.change(pod(labels={INJECTING_LABEL: "true", NOTING_LABEL: "true"})).pod
    assert webhook.change(once).pod == once
