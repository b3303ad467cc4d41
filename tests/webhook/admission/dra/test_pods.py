"""Pods and workloads: the networks of the claims, templates, classes and extended resources that they name."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from webhook.admission.dra.claims import DeviceKey
from webhook.admission.dra.drivers import Drivers
from webhook.snapshot.devicespecs import keep_spec

from .claimobjects import (
    BY_CLAIM,
    BY_TEMPLATE,
    CNI,
    DRANET,
    Json,
    claim,
    cluster_of,
    device_class,
    opaque,
    pod,
    policy,
    posture,
    request,
    review,
    template,
    text_of,
    vf,
)

PLAIN = device_class()
EXTENDED = {"example.com/fast": "1"}
IMPLICIT = {"deviceclass.resource.kubernetes.io/fast": "1"}


def ways(*config: Json) -> dict[str, tuple[Json, tuple[Json, ...], str, str]]:
    """Return each way from a pod to a configuration: the pod, the objects, the field of the pod, the configuration's place."""
    fast = device_class(*config, name="fast", extendedResourceName="example.com/fast")
    of_class = "DeviceClass fast, spec.config[0]"
    by_class = claim(requests=[request("vf", "fast")])
    first = [{"name": "vf", "firstAvailable": [{"name": "a", "deviceClassName": "plain"},
                                               {"name": "b", "deviceClassName": "fast"}]}]  # fmt: skip
    nic = "spec.resourceClaims[0]"
    return {
        "claim": (pod(BY_CLAIM), (claim(*config),), nic, "ResourceClaim blue/nic, spec.devices.config[0]"),
        "template": (pod(BY_TEMPLATE), (template(*config),), nic,
                     "ResourceClaimTemplate blue/nic, spec.spec.devices.config[0]"),
        "class": (pod(BY_CLAIM), (by_class, fast), nic, of_class),
        "class, v1beta1": (pod(BY_CLAIM), (claim(version="v1beta1", requests=[request("vf", "fast", "v1beta1")]), fast),
                           nic, of_class),
        "an alternative": (pod(BY_CLAIM), (claim(requests=first), fast), nic, of_class),
        "extended resource": (pod(resources=EXTENDED), (fast,), "spec.containers", of_class),
        "implicit resource": (pod(resources=IMPLICIT), (fast,), "spec.containers", of_class),
        "init container": (pod(initContainers=[{"name": "i", "resources": {"requests": EXTENDED}}]), (fast,),
                           "spec.containers", of_class),
        "second claim": (pod({"resourceClaimName": "other"}, BY_CLAIM),
                         (claim(name="other"), claim(opaque({}, driver="x.example.com"), *config)),
                         "spec.resourceClaims[1]", "ResourceClaim blue/nic, spec.devices.config[1]"),
    }  # fmt: skip


WAYS = pytest.mark.parametrize("way", ways())


@WAYS
def test_a_network_of_others(way: str) -> None:
    asked, objects, field, named = ways(opaque(vf("secret", "infra")))[way]
    decision = review(asked, PLAIN, *objects)
    assert (decision.code, decision.rules) == (403, ("PostureIsolated",)), text_of(decision)
    assert f"- infra/secret ({named})" in decision.message
    assert decision.causes[0].field == field


@WAYS
def test_ones_own_network(way: str) -> None:
    asked, objects, *_ = ways(opaque(vf("lan", "blue")))[way]
    assert review(asked, PLAIN, *objects).verdict == "allow"
    asked, objects, *_ = ways(opaque(vf("lan")))[way]
    assert review(asked, PLAIN, *objects).verdict == "allow"


@WAYS
def test_a_network_that_does_not_exist(way: str) -> None:
    asked, objects, field, named = ways(opaque(vf("absent")))[way]
    decision = review(asked, PLAIN, *objects)
    assert (decision.rules, decision.missing) == (("network-not-found",), (("blue", "absent"),))
    assert decision.causes[0].field == field
    assert named in decision.causes[0].message


@WAYS
def test_labels_and_account_of_the_pod_count(way: str) -> None:
    asked, objects, *_ = ways(opaque(vf("secret", "infra")))[way]
    selected = {"namespaces": ["blue"], "podSelector": {"matchLabels": {"app": "router"}}, "serviceAccounts": ["edge"]}
    rule = {"name": "routers", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}
    rules = policy("p", rule, pods=[selected])
    assert not review(asked, PLAIN, *objects, rules).is_allowed
    labelled = {**asked, "metadata": {**asked["metadata"], "labels": {"app": "router"}}}
    assert not review(labelled, PLAIN, *objects, rules).is_allowed
    right = {**labelled, "spec": {**labelled["spec"], "serviceAccountName": "edge"}}
    assert review(right, PLAIN, *objects, rules).is_allowed


@WAYS
@pytest.mark.parametrize(
    ("config", "rule"),
    [
        (opaque({"config": {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0"}}, driver=CNI), {"masters": ["eth0"]}),
        (opaque({"interface": {"name": "net0"}}, driver=DRANET), {"pluginTypes": ["dra.net"]}),
    ],
)  # fmt: skip
def test_a_network_inside_a_claim(way: str, config: Json, rule: Json) -> None:
    asked, objects, *_ = ways(config)[way]
    assert review(asked, PLAIN, *objects).is_allowed
    denied = policy("p", {"name": "no", "action": "Deny", "networks": [rule]})
    assert review(asked, PLAIN, *objects, denied).rules == ("DenyRule",)
    assert review(asked, PLAIN, *objects, posture("Strict")).is_allowed is (config["opaque"]["driver"] == DRANET)


@WAYS
def test_unreadable_parameters(way: str) -> None:
    """The driver refuses the parameters, so the pod would hang, or another version of the driver might attach anything."""
    asked, objects, field, named = ways(opaque({**vf("lan"), "bogus": 1}))[way]
    decision = review(asked, PLAIN, *objects)
    assert decision.rules == ("driver-key",)
    assert decision.causes[0].field == field
    assert named in decision.causes[0].message


@WAYS
def test_an_unknown_driver(way: str) -> None:
    asked, objects, *_ = ways(opaque(vf("secret", "infra")))[way]
    assert review(asked, PLAIN, *objects, drivers=Drivers()).verdict == "allow"


# The configuration that counts


@pytest.mark.parametrize(
    ("own", "of_class", "is_allowed"),
    [
        ([opaque(vf("lan", "blue"))], [opaque(vf("secret", "infra"))], True),
        ([opaque(vf("secret", "infra"))], [opaque(vf("lan"))], False),
        ([opaque(vf("secret", "infra"), "other")], [opaque(vf("lan"))], True),
        ([opaque(vf("secret", "infra"), "vf")], [], False),
        ([opaque(vf("secret", "infra"), "vf/a")], [], True),
        ([opaque(vf("secret"))], [opaque({**vf(""), "netAttachDefNamespace": "infra"})], False),
        ([opaque(vf("secret", "infra")), opaque(vf("lan", "blue"))], [], True),
        ([opaque(vf("lan", "blue")), opaque(vf("secret", "infra"))], [], False),
        ([opaque({**vf(""), "ifName": "net7"})], [opaque(vf("secret", "infra"))], False),
    ],
)
def test_a_claims_own_configuration_wins(own: list[Json], of_class: list[Json], *, is_allowed: bool) -> None:
    objects = (claim(*own, requests=[request("vf", "fast")]), device_class(*of_class, name="fast"))
    decision = review(pod(BY_CLAIM), *objects)
    assert decision.is_allowed is is_allowed, text_of(decision)


def test_an_alternative_has_configurations_of_its_own() -> None:
    first = [{"name": "vf", "firstAvailable": [{"name": n, "deviceClassName": "plain"} for n in ("a", "b")]}]
    good = claim(opaque(vf("lan", "blue"), "vf/a", "vf/b"), requests=first)
    bad = claim(opaque(vf("lan", "blue"), "vf/a"), opaque(vf("secret", "infra"), "vf/b"), requests=first)
    assert review(pod(BY_CLAIM), PLAIN, good).is_allowed
    assert not review(pod(BY_CLAIM), PLAIN, bad).is_allowed


# Unknown objects


def test_an_unknown_object_must_be_fetched() -> None:
    assert review(pod(BY_CLAIM)).unknown_devices == (DeviceKey("ResourceClaim", "blue", "nic"),)
    assert review(pod(BY_TEMPLATE)).unknown_devices == (DeviceKey("ResourceClaimTemplate", "blue", "nic"),)
    by_class = claim(requests=[request("vf", "fast")])
    assert review(pod(BY_CLAIM), by_class).unknown_devices == (DeviceKey("DeviceClass", "", "fast"),)
    assert review(pod(resources=IMPLICIT)).unknown_devices == (DeviceKey("DeviceClass", "", "fast"),)
    assert review(pod(resources={"nvidia.com/gpu": "1"})).unknown_devices == ()
    assert review(pod(BY_CLAIM)).is_allowed


@pytest.mark.parametrize("make", [claim, template])
def test_parameters_that_were_not_kept_must_be_fetched(make: Callable[..., Json]) -> None:
    """An admin described the driver later, or the parameters are too large."""
    value = make(opaque(vf("secret", "infra")))
    key = DeviceKey(value["kind"], "blue", "nic")
    kept = keep_spec(value["kind"], json.dumps(value["spec"]).encode(), lambda _driver: False)
    known = cluster_of(PLAIN)
    known = known.with_devices(known.devices.with_more({key: kept}, frozenset()))
    asked = pod(BY_CLAIM if make is claim else BY_TEMPLATE)
    assert review(asked, cluster=known).unknown_devices == (key,)


def test_in_an_exempt_namespace_nothing_is_fetched() -> None:
    assert review(pod(BY_CLAIM), posture("Isolated", exemptNamespaces=["blue"])).unknown_devices == ()


def test_many_claims_of_a_template_are_compared_once_each() -> None:
    """An UPDATE does not compare each new network with each old one."""
    asked = [{"resourceClaimName": f"c{number}"} for number in range(3000)]
    made = deployment(pod(*asked)["spec"])
    assert review(made, old=made).verdict == "allow"


def test_a_claim_of_other_drivers_attaches_nothing() -> None:
    asked = review(
        pod(BY_CLAIM, resources={"nvidia.com/gpu": "1"}), PLAIN, claim(opaque({"a": 1}, driver="gpu.nvidia.com"))
    )
    assert (asked.verdict, asked.unknown_devices, asked.rules) == ("allow", (), ())


def test_networks_of_annotations_are_judged_beside_those_of_claims() -> None:
    asked = pod(BY_CLAIM)
    asked["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": "lan"}
    assert review(asked, PLAIN, claim(opaque(vf("internet", "default")))).rules == ("Posture",)
    assert not review(asked, PLAIN, claim(opaque(vf("secret", "infra")))).is_allowed
    asked["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": "infra/secret"}
    assert not review(asked, PLAIN, claim(opaque(vf("lan")))).is_allowed


# Workloads


def deployment(spec: Json) -> Json:
    metadata = {"namespace": "blue", "name": "web"}
    template_ = {"metadata": {}, "spec": spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template_}}


@WAYS
def test_a_pod_template(way: str) -> None:
    asked, objects, field, named = ways(opaque(vf("secret", "infra")))[way]
    made = deployment(asked["spec"])
    decision = review(made, PLAIN, *objects)
    assert not decision.is_allowed
    assert named in decision.message
    assert decision.causes[0].field == f"spec.template.{field}"
    assert review(made, PLAIN, *objects, posture("Isolated", workloadTemplates="Warn")).verdict == "warn"
    assert review(made, PLAIN, *objects, posture("Isolated", workloadTemplates="Off")).verdict == "allow"
    assert review(made, PLAIN, *objects, old=made).verdict == "allow"
    assert not review(made, PLAIN, *objects, old=deployment({})).is_allowed


@pytest.mark.parametrize(
    ("version", "kind", "place"),
    [
        ("apps/v1", "StatefulSet", ("spec", "template")),
        ("batch/v1", "Job", ("spec", "template")),
        ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template")),
        ("v1", "PodTemplate", ("template",)),
    ],
)
def test_every_kind_keeps_its_template_elsewhere(version: str, kind: str, place: tuple[str, ...]) -> None:
    value: Json = {"spec": pod(BY_CLAIM)["spec"]}
    for step in reversed(place):
        value = {step: value}
    made = {"apiVersion": version, "kind": kind, "metadata": {"namespace": "blue", "name": "web"}, **value}
    decision = review(made, PLAIN, claim(opaque(vf("secret", "infra"))))
    assert decision.causes[0].field == ".".join((*place, "spec", "resourceClaims[0]"))


def test_a_pod_template_may_come_before_its_networks() -> None:
    decision = review(deployment(pod(BY_CLAIM)["spec"]), PLAIN, claim(opaque(vf("absent"))))
    assert decision.verdict == "warn"
    assert "pods will be refused until it exists" in str(decision.warnings[0])
    assert review(deployment(pod(BY_CLAIM)["spec"])).verdict == "allow"


# Bounds: the tests count steps, not time


def test_more_networks_than_the_limit() -> None:
    claims = [claim(opaque(vf(f"n{i}")), name=f"c{i}") for i in range(65)]
    asked = pod(*({"resourceClaimName": f"c{i}"} for i in range(65)))
    decision = review(asked, PLAIN, *claims)
    assert decision.rules[0] == "claim-limit"
    assert "allowed: at most 64" in text_of(decision)
    assert "claim-limit" not in review(pod(*({"resourceClaimName": f"c{i}"} for i in range(64))), PLAIN, *claims).rules


def test_more_claims_than_the_limit() -> None:
    asked = pod(*({"resourceClaimName": f"c{i}"} for i in range(5000)))
    assert review(asked).rules == ("claim-limit",)


BASELINE = posture("Isolated", definitions={"levels": {"enforce": "Baseline"}})


def test_a_pod_gets_no_definition_below_the_level_of_its_namespace() -> None:
    decision = review(pod(BY_CLAIM), claim(opaque(vf("lan"))), device_class(), BASELINE)
    assert (decision.code, decision.rules) == (403, ("DefinitionLevel",))


def test_levels_do_not_apply_to_networks_of_a_class() -> None:
    conf = {"config": {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0"}}
    by_class = claim(requests=[request("vf", "fast")])
    assert review(pod(BY_CLAIM), by_class, device_class(opaque(conf, driver=CNI), name="fast"), BASELINE).is_allowed
