"""Objects of other programs that make pods: Rollouts, virtual machines, kinds that a table describes, any shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.model.decision import Config, Rules
from cniplugin.access.model.policyrules import POLICY_KIND
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests.webhook.admission.dra.claimobjects import claim, cluster_of, network, opaque, vf
from tests.webhook.admission.templates.test_machines import POD, machine, multus
from tests.webhook.admission.templates.test_podtemplates import template
from tests.webhook.admission.world import RULES, FakeCluster, cluster
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import INJECT
from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import ALLOWED, Decision, Request
from webhook.admission.templates.podtemplates import TEMPLATES_MAX
from webhook.admission.templates.workloadtable import CLUSTER_KINDS, KNOWN, workload
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.driverdata.driverfiles import default_drivers
from webhook.review import wire

Json = dict[str, Any]

ROLLOUT = GroupKind("argoproj.io", "Rollout")
VM = GroupKind("kubevirt.io", "VirtualMachine")
PREFERENCE = GroupKind("instancetype.kubevirt.io", "VirtualMachinePreference")
OTHER = GroupKind("example.com", "Database")


def request(
    kind: GroupKind,
    obj: Json,
    old: Json | None = None,
    *,
    user: str = "alice",
    own: Mapping[str, str] | None = None,
    namespace: str = "blue",
    subresource: str = "",
) -> Request:
    """Return the request as the server reads it; the API server writes name and namespace into the object."""
    metadata = {"name": "web", "namespace": namespace, **({"annotations": dict(own)} if own else {})}
    sent = {
        "uid": "u",
        "kind": {"group": kind.group, "version": "v1", "kind": kind.kind},
        "operation": "CREATE" if old is None else "UPDATE",
        "namespace": namespace,
        "name": "web",
        "subResource": subresource,
        "userInfo": {"username": user},
        "object": {"metadata": metadata, **obj},
        "oldObject": None if old is None else {"metadata": {**metadata, "annotations": {}}, **old},
    }
    return wire.decode(json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": sent}).encode())


def decide(asked: Request, *, world: FakeCluster | None = None, rules: Rules = RULES, **settings: Any) -> Decision:
    configuration = Configuration(**{"injection": None, **settings})
    return evaluate(asked, DecisionContext(world or cluster(), rules, configuration))


def rollout(networks: str, **spec: Any) -> Json:
    return {"spec": {"replicas": 1, "template": template(networks, **spec)}}


def vm(*networks: Json, **more: Any) -> Json:
    return {"spec": {"template": machine(*networks, **more)}}


def texts(decision: Decision) -> list[str]:
    assert decision.is_allowed, decision.message
    return [str(warning) for warning in decision.warnings]


def fields(decision: Decision) -> list[tuple[str, str]]:
    assert not decision.is_allowed
    return [(cause.field, cause.rule) for cause in decision.causes]


# Pod templates


def test_a_rollout_is_judged_as_its_pod() -> None:
    assert decide(request(ROLLOUT, rollout("lan"))).is_allowed
    refused = decide(request(ROLLOUT, rollout("lan,infra/storage")))
    assert fields(refused) == [(f"spec.template.metadata.annotations[{NETWORKS}][1]", "PostureIsolated")]
    assert refused.message.startswith("network access denied: rollout blue/web may not attach to infra/storage\n")
    assert "- infra/storage (item 2)\n" in refused.message
    unread = decide(request(ROLLOUT, rollout("lan@eth0")))
    assert fields(unread) == [(f"spec.template.metadata.annotations[{NETWORKS}][0]", "interface-reserved")]


def test_a_missing_network_is_a_warning_at_its_place() -> None:
    (warning,) = texts(decide(request(ROLLOUT, rollout("lann"))))
    assert warning.startswith(
        f"spec.template.metadata.annotations[{NETWORKS}][0]: there is no NetworkAttachmentDefinition"
    )


def test_an_annotation_of_the_object_itself() -> None:
    plain = {"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}
    (warning,) = texts(decide(request(ROLLOUT, plain, own={NETWORKS: "lan"})))
    assert warning.startswith(f"metadata.annotations[{NETWORKS}]: pods get the annotations of their template only")
    assert texts(decide(request(ROLLOUT, rollout("lan"), own={NETWORKS: "lan"}))) == []


def test_several_templates_are_one_answer() -> None:
    job = GroupKind("batch.volcano.sh", "Job")
    tasks = [{"template": template(text)} for text in ("lan", "infra/storage", "green/shared", "lann")]
    refused = decide(request(job, {"spec": {"tasks": tasks}}))
    assert fields(refused) == [
        (f"spec.tasks[{number}].template.metadata.annotations[{NETWORKS}][0]", "PostureIsolated") for number in (1, 2)
    ]
    assert refused.message.count("network access denied: job blue/web may not attach to") == 2
    assert "- infra/storage (spec.tasks[1].template, item 1)" in refused.message
    assert [warning.field for warning in refused.warnings] == [
        f"spec.tasks[3].template.metadata.annotations[{NETWORKS}][0]"
    ]
    assert refused.rules == ("PostureIsolated",)


def test_a_template_that_does_not_change_is_not_judged() -> None:
    foreign, own = template("infra/storage"), template("lan")
    old = {"spec": {"tasks": [{"template": own}, {"template": foreign}]}}
    job = GroupKind("batch.volcano.sh", "Job")
    assert decide(request(job, {"spec": {"tasks": [{"template": foreign}]}}, old)).is_allowed, (
        "one is removed before it"
    )
    assert decide(request(job, {**old, "status": {}}, old)) == ALLOWED
    changed = {"spec": {"tasks": [{"template": template("green/shared")}, {"template": foreign}]}}
    assert fields(decide(request(job, changed, old))) == [
        (f"spec.tasks[0].template.metadata.annotations[{NETWORKS}][0]", "PostureIsolated")
    ]


def test_who_and_what_is_exempt() -> None:
    asked = request(ROLLOUT, rollout("infra/storage"))
    assert not decide(asked).is_allowed
    assert decide(asked, rules=RULES.replace(config=RULES.config.replace(workload_templates="Off"))).is_allowed
    (warning,) = texts(decide(asked, rules=RULES.replace(config=RULES.config.replace(workload_templates="Warn"))))
    assert "rollout blue/web to infra/storage would be denied by default posture Isolated" in warning
    of_a_controller = request(ROLLOUT, rollout("infra/storage"), user="system:serviceaccount:kube-system:x")
    assert decide(of_a_controller).is_allowed
    assert decide(request(ROLLOUT, rollout("infra/storage"), subresource="status")).is_allowed


def test_what_mutate_would_make_of_the_pods() -> None:
    """As for a Deployment: the default networks of the namespace."""
    world = cluster()
    world.defaults["blue"] = "infra/storage"
    inner = {"metadata": {"annotations": {INJECT: "yes"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    given = {"spec": {"template": inner}}
    decision = decide(request(ROLLOUT, given), world=world, **_injecting())
    assert any("its pods will be refused: they get networks from" in text for text in texts(decision))


def _injecting() -> Json:
    return {"injection": Configuration().injection}


def test_claims_of_a_template_and_of_a_machine() -> None:
    claims = [{"name": "nic", "resourceClaimName": "nic"}]
    pod = {"spec": {"containers": [{"name": "c"}], "resourceClaims": claims}}
    world = cluster_of(network("infra/storage"), claim(opaque(vf("storage", "infra"))))
    for kind, obj in ((ROLLOUT, {"spec": {"template": pod}}), (VM, vm(POD, resourceClaims=claims))):
        context = DecisionContext(world, RULES, Configuration(injection=None, drivers=default_drivers()))
        refused = evaluate(request(kind, obj), context)
        assert fields(refused) == [("spec.template.spec.resourceClaims[0]", "PostureIsolated")]
        assert "- infra/storage (ResourceClaim blue/nic, spec.devices.config[0])" in refused.message


# Kinds


def test_a_kind_that_nobody_describes() -> None:
    asked = request(OTHER, {"spec": {"shards": [{"template": template("infra/storage")}]}})
    assert decide(asked) == ALLOWED
    by_shape = decide(asked, finds_by_shape=True)
    assert fields(by_shape) == [(f"spec.shards[0].template.metadata.annotations[{NETWORKS}][0]", "PostureIsolated")]
    known = workload(OTHER.group, OTHER.kind, "databases", ["spec.shards[*].template"])
    assert decide(asked, workloads={**KNOWN, OTHER: known}).causes == by_shape.causes


def test_an_own_annotation_of_a_kind_that_nobody_describes_is_not_judged() -> None:
    """Its controller may copy it to the pods."""
    asked = request(OTHER, rollout("lan"), own={NETWORKS: "nowhere"})
    assert texts(decide(asked, finds_by_shape=True)) == []


def test_an_object_that_cannot_ask_for_networks_is_not_read() -> None:
    asked = request(OTHER, {"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}})
    assert asked.object is not None
    assert asked.object.unread is not None
    assert decide(asked, finds_by_shape=True) == ALLOWED
    assert asked.object.unread._read is None  # type: ignore[attr-defined]


def test_many_templates_are_bounded() -> None:
    job = GroupKind("batch.volcano.sh", "Job")
    tasks = [{"template": template("infra/storage")}] * (TEMPLATES_MAX + 10)
    refused = decide(request(job, {"spec": {"tasks": tasks}}))
    assert len(refused.causes) == 20
    assert len(refused.message) < 100_000


# Virtual machines


def test_the_networks_of_a_machine() -> None:
    assert decide(request(VM, vm(POD, multus("data", "lan"), multus("net", "default/internet")))).is_allowed
    refused = decide(request(VM, vm(POD, multus("san", "infra/storage"))))
    assert fields(refused) == [("spec.template.spec.networks[1].multus.networkName", "PostureIsolated")]
    assert "virtualmachine blue/web may not attach to infra/storage\n" in refused.message
    assert "- infra/storage (spec.template.spec.networks[1])\n" in refused.message


def test_a_machine_that_names_a_missing_network() -> None:
    (warning,) = texts(decide(request(VM, vm(POD, multus("data", "lann")))))
    assert warning == (
        'spec.template.spec.networks[1].multus.networkName: there is no NetworkAttachmentDefinition "lann" in namespace '
        '"blue"; did you mean "lan"? pods will be refused until it exists'
    )


@pytest.mark.parametrize(
    ("name", "field", "rule"),
    [
        ("", "networkName", "missing-name"),
        ("blue/", "networkName", "missing-name"),
        ("a/b/c", "networkName", "network-name"),
        ("Lan", "networkName", "network-name"),
        ("bl ue/lan", "networkName", "network-namespace"),
    ],
)
def test_a_name_that_cannot_be_read(name: str, field: str, rule: str) -> None:
    refused = decide(request(VM, vm(multus("data", name))))
    assert fields(refused) == [(f"spec.template.spec.networks[0].multus.{field}", rule)]


def test_the_default_network_needs_a_rule() -> None:
    refused = decide(request(VM, vm(multus("net", "lan", default=True))))
    assert fields(refused) == [("spec.template.spec.networks[0].multus.networkName", "PostureReplaceDefault")]
    assert '\n  fix:     remove "default: true", or ask #net-team' in refused.message
    two = decide(request(VM, vm(multus("a", "blue/lan", default=True), multus("b", "blue/lan", default=True))))
    assert fields(two) == [("spec.template.spec.networks[0].multus.networkName", "default-network-count")]


def test_the_mac_address_of_an_interface() -> None:
    interfaces = [{"name": "data", "macAddress": "02:00:00:00:00:01"}]
    asked = request(VM, vm(multus("data", "lan"), interfaces=interfaces))
    assert decide(asked).is_allowed
    rule = {"name": "lan", "action": "Allow", "limits": {"mac": {"prefixes": ["04"]}}}
    policy = {"kind": POLICY_KIND, "metadata": {"name": "p"}, "spec": {"attachments": [rule]}}
    refused = decide(asked, rules=compile_rules(read_policies([policy]), Config()))
    assert fields(refused) == [("spec.template.spec.networks[0].multus.networkName", "NotWithinRule")]
    wrong = request(VM, vm(multus("data", "lan"), interfaces=[{"name": "data", "macAddress": "02:00"}]))
    assert fields(decide(wrong)) == [("spec.template.spec.domain.devices.interfaces[0].macAddress", "mac-value")]


def test_the_live_update_of_a_network_name() -> None:
    """KubeVirt 1.8 moves a running machine to a pod with the new network."""
    old = vm(POD, multus("san", "infra/storage"), multus("data", "lan"))
    assert decide(
        request(VM, vm(POD, multus("san", "infra/storage"), multus("data", "default/internet")), old)
    ).is_allowed
    refused = decide(request(VM, vm(POD, multus("san", "infra/storage"), multus("data", "green/shared")), old))
    assert fields(refused) == [("spec.template.spec.networks[2].multus.networkName", "PostureIsolated")]
    (warning,) = texts(decide(request(VM, vm(POD, multus("san", "infra/storage"), multus("data", "lann")), old)))
    assert warning.startswith("spec.template.spec.networks[2].multus.networkName: there is no")
    assert decide(request(VM, vm(POD, multus("san", "infra/storage")), old)).is_allowed, "a network may go"
    absent = [{"name": "san"}, {"name": "data", "state": "absent"}]
    assert decide(
        request(VM, vm(POD, multus("san", "infra/storage"), multus("data", "lan"), interfaces=absent), old)
    ).is_allowed
    moved = [{"name": "san"}, {"name": "data", "macAddress": "02:00"}]
    assert fields(
        decide(request(VM, vm(POD, multus("san", "infra/storage"), multus("data", "lan"), interfaces=moved), old))
    ) == [("spec.template.spec.domain.devices.interfaces[1].macAddress", "mac-value")]


def test_annotations_of_a_machine() -> None:
    only = vm(POD, annotations={NETWORKS: "infra/storage"})
    assert fields(decide(request(VM, only))) == [
        (f"spec.template.metadata.annotations[{NETWORKS}][0]", "PostureIsolated")
    ]
    both = vm(POD, multus("data", "lan"), annotations={NETWORKS: "infra/storage"})
    (warning,) = texts(decide(request(VM, both)))
    assert warning.startswith(f"spec.template.metadata.annotations[{NETWORKS}]: KubeVirt writes this annotation")
    assert texts(decide(request(VM, both, both))) == []
    (misplaced,) = texts(decide(request(VM, vm(POD), own={DEFAULT_NETWORK: "lan"})))
    assert misplaced.endswith("move it to spec.template.metadata.annotations")


def test_an_instance_is_its_own_template() -> None:
    instance = GroupKind("kubevirt.io", "VirtualMachineInstance")
    made = machine(multus("san", "infra/storage"))
    assert fields(decide(request(instance, {"spec": made["spec"]}))) == [
        ("spec.networks[0].multus.networkName", "PostureIsolated")
    ]
    own = request(instance, {"spec": machine(POD)["spec"]}, own={NETWORKS: "infra/storage"})
    assert fields(decide(own)) == [(f"metadata.annotations[{NETWORKS}][0]", "PostureIsolated")]


# Annotations for machines of others


def preference(networks: str) -> Json:
    return {"spec": {"annotations": {NETWORKS: networks}}}


@pytest.mark.parametrize("kind", ["VirtualMachinePreference", "VirtualMachineInstancetype"])
def test_a_preference_in_a_namespace_is_warned_of_access(kind: str) -> None:
    asked = GroupKind(PREFERENCE.group, kind)
    assert texts(decide(request(asked, preference("lan")))) == []
    (warning,) = texts(decide(request(asked, preference("infra/storage"))))
    assert f"{kind.lower()} blue/web to infra/storage would be denied" in warning
    (missing,) = texts(decide(request(asked, preference("lann"))))
    assert missing.startswith(f"spec.annotations[{NETWORKS}][0]: there is no NetworkAttachmentDefinition")
    assert fields(decide(request(asked, preference("[")))) == [(f"spec.annotations[{NETWORKS}]", "json-syntax")]
    assert decide(request(asked, {"spec": {}})) == ALLOWED


def test_a_preference_of_the_cluster_must_be_readable() -> None:
    assert len(CLUSTER_KINDS) == 2
    for kind in CLUSTER_KINDS:
        for readable in ("lan", "infra/storage", "lann"):
            assert decide(request(kind, preference(readable), namespace="")) == ALLOWED
        unread = preference("lan;lan")
        assert fields(decide(request(kind, unread, namespace=""))) == [
            (f"spec.annotations[{NETWORKS}][0]", "network-name")
        ]
        assert decide(request(kind, unread, unread, namespace="")) == ALLOWED
