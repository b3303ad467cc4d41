"""Warnings for authors of workloads: annotations in the wrong place, and pods that /mutate would refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cniplugin.netspec.netattachdef import RESOURCE_NAME
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests.webhook.admission.mutation.injecting import HONOR, VF, Json, app, cluster_of, network, pod_of
from tests.webhook.admission.world import FakeCluster, rules
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import INJECT, INJECT_INTO, Injection
from webhook.admission.model.requests import NOTHING, Decision, Request
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.review import wire

KINDS: list[tuple[str, str, tuple[str, ...]]] = [
    ("apps", "Deployment", ("spec", "template")),
    ("apps", "DaemonSet", ("spec", "template")),
    ("batch", "Job", ("spec", "template")),
    ("batch", "CronJob", ("spec", "jobTemplate", "spec", "template")),
    ("", "PodTemplate", ("template",)),
]
WORLD = cluster_of(
    network("a", resource=VF),
    network("left", selector="rack=1"),
    network("right", selector="rack=2"),
    network("odd", selector="rack=1=2"),
    network("memory", resource="memory"),
    network("secret", namespace="infra", selector="rack=7"),
)


def review(
    template: Json,
    *,
    group: str = "apps",
    kind: str = "Deployment",
    steps: tuple[str, ...] = ("spec", "template"),
    own: Mapping[str, str] = NOTHING,
    old: Mapping[str, str] | None = None,
    user: str = "alice",
) -> Request:
    """Return the request for a workload as the server reads it. `own` and `old`: its own annotations."""
    value: Json = template
    for step in reversed(steps):
        value = {step: value}
    written = [{"metadata": {"name": "web", "annotations": dict(given)}, **value} for given in (own, old or {})]
    sent = {
        "uid": "u",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "operation": "CREATE" if old is None else "UPDATE",
        "namespace": "blue",
        "name": "web",
        "userInfo": {"username": user},
        "object": written[0],
        "oldObject": None if old is None else written[1],
    }
    return wire.decode(json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": sent}).encode())


def decide(
    request: Request, injection: Injection | None = None, *, world: FakeCluster = WORLD, **config: object
) -> Decision:
    context = DecisionContext(world, rules(**config), Configuration(injection=injection or Injection()))
    return evaluate(request, context)


def texts(decision: Decision) -> list[str]:
    assert decision.is_allowed, decision.message
    return [str(warning) for warning in decision.warnings]


# The workload's own annotations


@pytest.mark.parametrize(("group", "kind", "steps"), KINDS)
def test_an_annotation_of_the_workload_itself(group: str, kind: str, steps: tuple[str, ...]) -> None:
    asked = review(pod_of(None), group=group, kind=kind, steps=steps, own={NETWORKS: "a"})
    (warning,) = texts(decide(asked))
    assert warning == (
        f"metadata.annotations[{NETWORKS}]: pods get the annotations of their template only, so nobody reads this; "
        f"move it to {'.'.join(steps)}.metadata.annotations"
    )


@pytest.mark.parametrize(
    ("own", "warned"),
    [
        ({NETWORKS: "a"}, [NETWORKS]),
        ({DEFAULT_NETWORK: "a", INJECT_INTO: "app"}, [DEFAULT_NETWORK, INJECT_INTO]),
        ({INJECT: "false"}, [INJECT]),
        ({NETWORKS: ""}, []),
        ({"k8s.v1.cni.cncf.io/network-status": "[]", "k8s.ovn.org/pod-networks": "{}", RESOURCE_NAME: VF}, []),
    ],
)
def test_which_annotations_are_for_pods(own: dict[str, str], warned: list[str]) -> None:
    fields = [warning.field for warning in decide(review(pod_of(None), own=own)).warnings]
    assert fields == [f"metadata.annotations[{key}]" for key in warned]


def test_an_annotation_of_the_jobs_of_a_cron_job() -> None:
    asked = review(pod_of(None), group="batch", kind="CronJob", steps=KINDS[3][2], own={"a": "b"})
    body = json.dumps(
        {
            "apiVersion": wire.API_VERSION,
            "kind": wire.KIND,
            "request": {
                "uid": "u",
                "kind": {"group": "batch", "kind": "CronJob"},
                "operation": "CREATE",
                "namespace": "blue",
                "name": "nightly",
                "object": {
                    "metadata": {"name": "nightly"},
                    "spec": {
                        "jobTemplate": {
                            "metadata": {"annotations": {NETWORKS: "a"}},
                            "spec": {"template": pod_of(None)},
                        }
                    },
                },
            },
        }
    )
    assert texts(decide(asked)) == []
    (warning,) = texts(decide(wire.decode(body.encode())))
    assert warning.startswith(f"spec.jobTemplate.metadata.annotations[{NETWORKS}]: pods get")


def test_an_annotation_of_both_is_read() -> None:
    assert texts(decide(review(pod_of("left"), own={NETWORKS: "left"}))) == []


def test_only_a_change_of_the_annotation_is_warned_of() -> None:
    assert texts(decide(review(pod_of(None), own={NETWORKS: "a"}, old={NETWORKS: "a"}))) == []
    assert len(texts(decide(review(pod_of(None), own={NETWORKS: "a"}, old={})))) == 1


def test_controllers_copy_annotations() -> None:
    user = "system:serviceaccount:kube-system:deployment-controller"
    assert texts(decide(review(pod_of(None), kind="ReplicaSet", own={NETWORKS: "a"}, user=user))) == []


# The pods of the template


def into(name: str) -> Json:
    made = pod_of("a")
    made["metadata"]["annotations"][INJECT_INTO] = name
    return made


REFUSED: list[tuple[Json, str]] = [
    (into("ap"), "its pods will be refused: the pod has no such container"),
    (pod_of("left,right"), "its pods will be refused: no node has both networks"),
    (
        pod_of("left", nodeSelector={"rack": "3"}),
        'its pods will be refused: network blue/left is on nodes with "rack: 1"',
    ),
    (pod_of("odd"), "its pods will be refused: k8s.v1.cni.cncf.io/nodeSelector of network blue/odd cannot be read"),
    (pod_of("memory"), "its pods will be refused: the resource of network blue/memory is not a device plugin's"),
    (pod_of("a,a", app(), app("b", asks="1")), "its pods will be refused: networks need 2 x intel.com/sriov"),
]


@pytest.mark.parametrize(("group", "kind", "steps"), KINDS)
@pytest.mark.parametrize(("template", "text"), REFUSED)
def test_pods_that_will_be_refused(template: Json, text: str, group: str, kind: str, steps: tuple[str, ...]) -> None:
    decision = decide(review(template, group=group, kind=kind, steps=steps))
    (warning,) = texts(decision)
    assert text in warning
    assert warning.startswith(".".join(steps))
    assert [one.rule for one in decision.warnings] == ["template-pods"]


@pytest.mark.parametrize("template", [pod_of("a"), pod_of("left", nodeSelector={"rack": "1"}), pod_of(None), {}])
def test_pods_that_will_start(template: Json) -> None:
    assert texts(decide(review(template))) == []


@pytest.mark.parametrize("change", [{"hostNetwork": True}, {}])
def test_pods_that_mutate_leaves_alone(change: Json) -> None:
    template = pod_of("left,right", **change)
    if not change:
        template["metadata"]["annotations"][INJECT] = "false"
    assert [one.rule for one in decide(review(template)).warnings] == (["host-network"] if change else [])


def test_under_honor_a_shortfall_refuses_no_pod() -> None:
    assert texts(decide(review(pod_of("a,a", app(asks="1"))), HONOR)) == []


def test_a_template_that_is_not_judged() -> None:
    assert texts(decide(review(pod_of("left,right")), workload_templates="Off")) == []
    user = "system:serviceaccount:kube-system:deployment-controller"
    assert texts(decide(review(pod_of("left,right"), user=user))) == []


def test_a_network_that_the_pods_may_not_have_stays_unknown() -> None:
    """The warning would show the labels of the nodes of a network that the author may not use."""
    asked = review(pod_of("infra/secret", nodeSelector={"rack": "3"}))
    refused, warned = (decide(asked, workload_templates=mode) for mode in ("Deny", "Warn"))
    assert not refused.is_allowed
    assert "rack" not in " ".join([refused.message, *map(str, warned.warnings)])


# Networks that the author has not written


@pytest.mark.parametrize(("given", "why"), [
    ("nosuch", 'there is no NetworkAttachmentDefinition "nosuch"'),
    ("infra/secret", "infra/secret: "),
    ("a,,", "the item is empty"),
])  # fmt: skip
def test_default_networks_that_no_pod_gets(given: str, why: str) -> None:
    world = FakeCluster(WORLD.networks, defaults={"blue": given})
    (warning,) = texts(decide(review(pod_of(None)), world=world))
    head = (
        "its pods will be refused: they get networks from the annotation nadmit.io/default-networks of namespace blue"
    )
    assert warning.startswith(f"{head}: {why}")


def test_default_networks_on_other_nodes() -> None:
    world = FakeCluster(WORLD.networks, defaults={"blue": "left"})
    (warning,) = texts(decide(review(pod_of(None, nodeSelector={"rack": "3"})), world=world))
    assert "its pods will be refused: network blue/left is on nodes" in warning
    assert texts(decide(review(pod_of(None)), world=world)) == []


def test_networks_by_label() -> None:
    injection = Injection(annotations_by_label={"lan": {NETWORKS: "nosuch"}})
    (warning,) = texts(decide(review(pod_of(None, labels={"lan": "true"})), injection))
    assert "they get networks from a setting of the cluster for pods with the label lan: there is no" in warning
    assert texts(decide(review(pod_of(None, labels={"lan": "false"})), injection)) == []


def test_types_that_the_api_server_would_refuse() -> None:
    odd: list[Any] = [{"metadata": {"annotations": {NETWORKS: "left,right"}}, "spec": {"nodeSelector": []}}]
    assert [texts(decide(review(template))) for template in odd] == [[]]
