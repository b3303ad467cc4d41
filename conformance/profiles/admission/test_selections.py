"""Annotations of pods that the standard allows: a webhook that refuses one of them stops pods that would run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.clauses import MUST, PRACTICE, clause
from conformance.hooks.hook import PODS, Webhook
from conformance.hooks.samples import (
    DEFAULT_NETWORK,
    NAMESPACE,
    NETWORKS,
    OTHER_NAMESPACE,
    POD,
    container,
    pod,
)
from conformance.standards import ADMISSION, NPWG, PRACTICE_NAME

pytestmark = pytest.mark.usefixtures("judges_pods")


@clause(NPWG, "4", MUST)
@pytest.mark.parametrize("annotations", [{}, {"example.com/x": "y"}], ids=["none", "another"])
def test_a_pod_that_asks_for_nothing(webhook: Webhook, annotations: dict[str, str]) -> None:
    """A pod without networks is admitted."""
    webhook.admits(pod(annotations=annotations))


@clause(NPWG, "4.1.1", MUST)
@pytest.mark.parametrize(
    "text",
    ["bridge", "bridge,bridge-2", "bridge, bridge-2", " bridge ", "bridge,\n  bridge-2\n", "on-disk"],
    ids=["one", "two", "a space between", "spaces around", "lines", "no configuration"],
)
def test_the_comma_form(webhook: Webhook, text: str) -> None:
    """The comma form is admitted."""
    webhook.admits(pod(text))


@clause(NPWG, "4.1.1", MUST)
@pytest.mark.parametrize(
    "text", ["{}/bridge", "bridge-2,{}/bridge", "{}/bridge,{}/bridge-2"], ids=["one", "the second", "two"]
)
def test_the_comma_form_with_the_pods_own_namespace(webhook: Webhook, text: str) -> None:
    """The comma form with the pod's own namespace is admitted."""
    webhook.admits(pod(text.format(NAMESPACE, NAMESPACE)))


@clause(NPWG, "4.1.2.1.5", MUST)
@pytest.mark.parametrize("name", ["net1", "a", "data0", "abcdefghijklmno", "my-if", "x9"])
def test_the_comma_form_with_an_interface(webhook: Webhook, name: str) -> None:
    """The comma form with an interface is admitted."""
    webhook.admits(pod(f"bridge@{name}"))


ELEMENTS: dict[str, tuple[str, Any]] = {
    "name": ("4.1.2.1.1", {"name": "bridge"}),
    "namespace": ("4.1.2.1.2", {"name": "bridge", "namespace": NAMESPACE}),
    "an empty namespace": ("4.1.2.1.1", {"name": "bridge", "namespace": ""}),
    "IPv4": ("4.1.2.1.3", {"name": "full", "ips": ["10.2.2.42"]}),
    "IPv4 with a prefix": ("4.1.2.1.3", {"name": "full", "ips": ["10.2.2.42/24"]}),
    "IPv6 with a prefix": ("4.1.2.1.3", {"name": "full", "ips": ["2001:db8::5/64"]}),
    "both families": ("4.1.2.1.3", {"name": "full", "ips": ["10.2.2.42/24", "2001:db8::5/64"]}),
    "mac": ("4.1.2.1.4", {"name": "full", "mac": "02:23:45:67:89:01"}),
    "mac in capitals": ("4.1.2.1.4", {"name": "full", "mac": "02:AB:CD:EF:89:01"}),
    "interface": ("4.1.2.1.5", {"name": "bridge", "interface": "abcdefghijklmno"}),
    "interface with a dot": ("4.1.2.1.5", {"name": "bridge", "interface": "vlan.100"}),
    "interface in capitals": ("4.1.2.1.5", {"name": "bridge", "interface": "N6_up"}),
    "cni-args": ("4.1.2.1.6", {"name": "bridge", "cni-args": {"spoofchk": "on", "deep": {"a": [1]}}}),
    "empty cni-args": ("4.1.2.1.6", {"name": "bridge", "cni-args": {}}),
    "portMappings": (
        "4.1.2.1.7",
        {"name": "full", "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
    ),
    "portMappings without a protocol": (
        "4.1.2.1.7",
        {"name": "full", "portMappings": [{"hostPort": 1, "containerPort": 65535}]},
    ),
    "SCTP": ("4.1.2.1.7", {"name": "full", "portMappings": [{"hostPort": 9, "containerPort": 9, "protocol": "SCTP"}]}),
    "bandwidth": (
        "4.1.2.1.8",
        {
            "name": "full",
            "bandwidth": {"ingressRate": 2048, "ingressBurst": 1600, "egressRate": 8000, "egressBurst": 1600},
        },
    ),
    "one direction": ("4.1.2.1.8", {"name": "full", "bandwidth": {"egressRate": 8000, "egressBurst": 1600}}),
    "default-route": ("4.1.2.1.9", {"name": "bridge", "default-route": ["10.40.0.1"]}),
    "an empty default-route": ("4.1.2.1.9", {"name": "bridge", "default-route": []}),
    "two gateways": ("4.1.2.1.9", {"name": "bridge", "default-route": ["10.40.0.1", "10.40.0.2"]}),
    "infiniband-guid": ("4.1.2.1.10", {"name": "infiniband", "infiniband-guid": "24:8a:07:03:00:8d:ae:2f"}),
    "ipam-claim-reference": ("4.1.2.1.11", {"name": "bridge", "ipam-claim-reference": "vm123.tenantblue"}),
    "a key of a vendor": ("4.1.2.1", {"name": "bridge", "com.example.key": {"a": 1}}),
}


@pytest.mark.parametrize(
    "element",
    [pytest.param(value, id=name, marks=clause(NPWG, section, MUST)) for name, (section, value) in ELEMENTS.items()],
)
def test_a_key_of_the_json_form(webhook: Webhook, element: Any) -> None:
    """Each key of the JSON form is admitted."""
    webhook.admits(pod([element]))


@clause(NPWG, "4.1.2", MUST)
@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "bridge"}, {"name": "bridge-2"}]',
        '\n  [\n    {"name": "bridge"}\n  ]\n',
        '[{"name": "\\u0062ridge"}]',
        '[ { "namespace" : "' + NAMESPACE + '" , "name" : "bridge" } ]',
    ],
    ids=["two", "white space", "escapes", "order of keys"],
)
def test_the_json_form(webhook: Webhook, text: str) -> None:
    """The JSON form is admitted, in any layout."""
    webhook.admits(pod(text))


@clause(NPWG, "4.2", MUST)
@pytest.mark.parametrize(
    "networks",
    ["bridge,bridge", [{"name": "bridge"}, {"name": "bridge"}, {"name": "bridge", "interface": "x1"}]],
    ids=["comma", "json"],
)
def test_one_network_several_times(webhook: Webhook, networks: object) -> None:
    """One network several times is admitted."""
    webhook.admits(pod(networks))


@clause(NPWG, "4.1", MUST)
def test_twenty_networks(webhook: Webhook) -> None:
    """Twenty networks are admitted."""
    webhook.admits(pod(",".join(["bridge", "bridge-2"] * 10)))


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_both_forms_get_one_verdict_about_another_namespace(webhook: Webhook) -> None:
    """Both forms get one verdict about a network of another namespace."""
    comma = webhook.judge(pod(f"{OTHER_NAMESPACE}/far"))
    listed = webhook.judge(pod([{"name": "far", "namespace": OTHER_NAMESPACE}]))
    assert comma.is_allowed is listed.is_allowed, f"comma form: {comma}; JSON form: {listed}"


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_no_name_of_a_namespace_opens_a_door(webhook: Webhook) -> None:
    """A namespace that cannot exist is refused, also `_local`.

    NB: `_local` cannot be the name of a namespace; a webhook may use such a word inside.
    """
    verdict = webhook.judge(pod([{"name": "bridge", "namespace": "_local"}]))
    assert not verdict.is_allowed, "admitted, and no such namespace can exist"


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_the_default_network_of_a_pod(webhook: Webhook) -> None:
    """The annotation for the default network is admitted."""
    webhook.admits(pod("bridge", annotations={DEFAULT_NETWORK: f"{NAMESPACE}/bridge-2"}))


# Pods in other circumstances


@clause(ADMISSION, "request", MUST)
def test_a_pod_without_a_name_yet(webhook: Webhook) -> None:
    """A pod with generateName, and no name yet, is admitted."""
    thing = pod("bridge")
    del thing["metadata"]["name"]
    thing["metadata"]["generateName"] = "web-"
    webhook.admits(thing)


@clause(ADMISSION, "request", MUST)
def test_a_pod_with_fields_of_a_later_version(webhook: Webhook) -> None:
    """A pod with fields of a later version is admitted."""
    thing = pod("bridge", container(resizeLater=[{"a": 1}]), newFieldOfSpec={"x": True})
    thing["status"]["later"] = [1]
    webhook.admits(thing)


@clause(NPWG, "4", MUST)
@pytest.mark.parametrize("annotations", [{}, {NETWORKS: ""}], ids=["none", "empty"])
def test_a_pod_in_the_network_of_its_node(webhook: Webhook, annotations: dict[str, str]) -> None:
    """A pod with hostNetwork is admitted."""
    webhook.admits(pod(annotations=annotations, hostNetwork=True))


@clause(ADMISSION, "operations", MUST)
@pytest.mark.parametrize("subresource", ["status", "ephemeralcontainers", "resize"])
def test_an_update_of_a_subresource(webhook: Webhook, subresource: str) -> None:
    """An UPDATE of a subresource is admitted."""
    webhook.needs_operation(PODS, "UPDATE")
    old, new = pod("bridge"), pod("bridge")
    new["status"]["phase"] = "Running"
    webhook.admits(new, operation="UPDATE", old=old, subResource=subresource)


@clause(ADMISSION, "operations", MUST)
def test_a_binding(webhook: Webhook) -> None:
    """The binding of a pod is admitted."""
    binding = {
        "kind": "Binding",
        "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "target": {"kind": "Node", "name": "node-1"},
    }
    webhook.admits(binding, kind=POD._replace(kind="Binding"), subResource="binding")


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_a_pod_that_is_being_deleted(webhook: Webhook) -> None:
    """An UPDATE of a pod that is being deleted is admitted, also if its networks are gone."""
    webhook.needs_operation(PODS, "UPDATE")
    old, new = pod("gone-since-long"), pod("gone-since-long")
    for each in (old, new):
        each["metadata"]["deletionTimestamp"] = "2026-11-23T18:00:00Z"
    old["metadata"]["finalizers"] = ["example.com/cleanup"]
    webhook.admits(new, operation="UPDATE", old=old)


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_a_status_that_a_node_writes(webhook: Webhook) -> None:
    """A network-status that a node writes is admitted."""
    webhook.needs_operation(PODS, "UPDATE")
    old, new = pod("bridge"), pod("bridge")
    status = [{"name": "cluster", "interface": "eth0", "ips": ["10.0.0.7"], "default": True, "dns": {}}]
    new["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = json.dumps(status)
    node = {"username": "system:node:node-1", "groups": ["system:nodes", "system:authenticated"]}
    webhook.admits(new, operation="UPDATE", old=old, subResource="status", userInfo=node)
