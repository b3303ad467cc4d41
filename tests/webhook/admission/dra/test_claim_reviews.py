"""Reviews of claims, templates and classes: parameters, existence of networks, access, embedded definitions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from webhook.admission.model.requests import User
from webhook.commands.judging import admission_review

from .claimobjects import (
    CNI,
    DRANET,
    PATHS,
    SRIOV,
    TENANT,
    Json,
    claim,
    device_class,
    devices,
    network,
    opaque,
    policy,
    posture,
    request,
    review,
    template,
    text_of,
    vf,
)

Make = Callable[..., Json]
BOTH = pytest.mark.parametrize("make", [claim, template])
VERSIONS = pytest.mark.parametrize("version", ["v1", "v1beta2", "v1beta1"])


@BOTH
@VERSIONS
def test_ones_own_network(make: Make, version: str) -> None:
    assert review(make(opaque(vf("lan"), "vf"), version=version)).verdict == "allow"
    assert review(make(opaque(vf("lan", "blue")), version=version)).verdict == "allow"
    assert review(make(opaque(vf("internet", "default")), version=version)).verdict == "allow"


@BOTH
@VERSIONS
def test_a_network_of_others(make: Make, version: str) -> None:
    decision = review(make(opaque({}, driver="gpu.example.com"), opaque(vf("secret", "infra"), "vf"), version=version))
    (cause,) = decision.causes
    assert (decision.code, cause.rule) == (403, "PostureIsolated")
    path = PATHS[make()["kind"]]
    assert cause.field == f"{path}[1].opaque.parameters"
    assert f"- infra/secret ({path}[1])" in decision.message


@BOTH
def test_a_refusal_does_not_reveal_whether_a_network_exists(make: Make) -> None:
    there = review(make(opaque(vf("secret", "infra")))).message
    absent = review(make(opaque(vf("absent", "infra")))).message
    assert there.replace("secret", "absent") == absent


@BOTH
def test_a_network_that_does_not_exist(make: Make) -> None:
    decision = review(make(opaque(vf("lam"))))
    assert (decision.code, decision.rules, decision.missing) == (422, ("network-not-found",), (("blue", "lam"),))
    assert 'there is no NetworkAttachmentDefinition "lam" in namespace "blue"; did you mean "lan"?' in text_of(decision)


def test_a_class_names_a_network_that_does_not_exist() -> None:
    decision = review(device_class(opaque(vf("absent", "infra")), opaque(vf("any"))))
    assert decision.verdict == "warn"
    (warning,) = decision.warnings
    assert "spec.config[0].opaque.parameters" in str(warning)
    assert review(device_class(opaque(vf("secret", "infra")))).verdict == "allow"


def test_the_namespace_that_some_versions_of_the_driver_do_not_read() -> None:
    """Some versions of dra-driver-sriov drop the namespace when they merge configurations, and use the claim's."""
    rule = {"name": "no-lan", "action": "Deny", "networks": [{"namespaces": ["blue"], "names": ["lan"]}]}
    asked = claim(opaque(vf("lan", "default")))
    world = (network("default/lan"), policy("deny", rule))
    assert review(asked, world[0]).verdict == "allow"
    assert review(asked, *world).rules == ("Posture", "DenyRule") or not review(asked, *world).is_allowed
    assert review(claim(opaque(vf("internet", "default"))), *world).verdict == "allow"


# Networks that no pod of the namespace may use

LABELLED = {"name": "routers", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}
ROUTERS = {"namespaces": ["blue"], "podSelector": {"matchLabels": {"app": "router"}}}


@pytest.mark.parametrize(
    ("rules", "is_allowed"),
    [
        ([policy("p", LABELLED, pods=[ROUTERS])], True),
        ([policy("p", LABELLED, pods=[{"namespaces": ["blue"], "serviceAccounts": ["edge"]}])], True),
        ([policy("p", LABELLED, pods=[{**ROUTERS, "namespaces": ["green"]}])], False),
        (
            [
                policy("p", LABELLED, pods=[ROUTERS]),
                policy("q", {"name": "no", "action": "Deny", "networks": [{"namespaces": ["infra"]}]}),
            ],
            False,
        ),
        (
            [
                policy("p", LABELLED, pods=[{"namespaces": ["blue"]}]),
                policy("q", {"name": "no", "action": "Deny", "networks": [{"namespaces": ["infra"]}]}, pods=[ROUTERS]),
            ],
            True,
        ),
        (
            [
                policy("p", LABELLED, pods=[{"namespaces": ["blue"]}]),
                policy(
                    "q", {"name": "no", "action": "Deny", "networks": [{"namespaces": ["infra"]}]}, exceptPods=[ROUTERS]
                ),
            ],
            True,
        ),
    ],
)
def test_rules_about_labels_are_left_to_the_pod(rules: list[Json], *, is_allowed: bool) -> None:
    assert review(claim(opaque(vf("secret", "infra"))), *rules).is_allowed is is_allowed


def test_an_allow_for_labels_takes_nothing_from_other_pods() -> None:
    """The posture decides about a pod that the rule does not select."""
    limited = {"name": "nic", "action": "Allow", "networks": [{"namespaces": ["blue"]}], "limits": {}}
    asked = claim(opaque({"interface": {"addresses": ["10.0.0.1/24"]}}, driver=DRANET))
    assert review(asked, policy("p", limited, pods=[ROUTERS])).is_allowed
    assert review(asked, policy("p", limited)).rules == ("NotWithinRule",)


def test_a_trial_warns() -> None:
    rule = {"name": "no-lan", "action": "Deny", "networks": [{"namespaces": ["blue"], "names": ["lan"]}]}
    decision = review(claim(opaque(vf("lan"))), policy("p", rule, mode="Warn"))
    assert decision.verdict == "warn"
    assert "would be denied" in str(decision.warnings[0])
    assert decision.trials


# Parameters that drivers refuse


@pytest.mark.parametrize(
    ("driver", "parameters", "rule", "place"),
    [
        (SRIOV, {"kind": "VfConfig", "netAttachDefName": "lan"}, "driver-version", ".apiVersion"),
        (SRIOV, {**vf("lan"), "apiVersion": "v1"}, "driver-version", ".apiVersion"),
        (SRIOV, {**vf("lan"), "kind": "vfconfig"}, "driver-version", ".kind"),
        (SRIOV, {**vf("lan"), "netattachdefname": "lan"}, "driver-key", ".netattachdefname"),
        (SRIOV, {**vf("lan"), "bogus": 1}, "driver-key", ".bogus"),
        (SRIOV, {**vf("lan"), "addVhostMount": "true"}, "driver-value", ".addVhostMount"),
        (SRIOV, vf(7), "driver-value", ".netAttachDefName"),  # type: ignore[arg-type]
        (SRIOV, vf("Lan"), "driver-value", ".netAttachDefName"),
        (SRIOV, vf("lan", "a.b"), "driver-value", ".netAttachDefNamespace"),
        (CNI, {"ifName": "net1"}, "driver-value", ".config"),
        (CNI, {"ifName": 1, "config": {"type": "bridge"}}, "driver-value", ".ifName"),
        (CNI, {"config": {"type": "bridge"}, "CONFIG": {"type": "macvlan"}}, "driver-key", ".CONFIG"),
        (CNI, {"config": [1]}, "cni-object", ".config"),
        (CNI, {"config": {"type": "multus"}}, "cni-meta-plugin", ".config.type"),
        (CNI, {"config": {"plugins": [{"type": "../x"}]}}, "cni-type-path", ".config.plugins[0].type"),
        (CNI, {"config": {"type": "macvlan", "mtu": "1"}}, "NAD101", ".config.mtu"),
        (CNI, {"Config": {"type": "macvlan", "mtu": "1"}}, "NAD101", ".config.mtu"),
        (DRANET, {"interfaces": {}}, "driver-key", ".interfaces"),
        (DRANET, {"kind": "NetworkConfig"}, "driver-key", ".kind"),
        (DRANET, {"interface": {"addresses": ["10.0.0.1"]}}, "driver-value", ".interface.addresses[0]"),
        (DRANET, {"interface": {"mtu": 10}}, "driver-value", ".interface.mtu"),
        (DRANET, {"interface": {"Name": "eth0"}}, "driver-key", ".interface.Name"),
        (DRANET, {"routes": [{"destination": "10.0.0.0/8", "gateway": "x"}]}, "driver-value", ".routes[0].gateway"),
        (DRANET, {"routes": [{"gateway": "10.0.0.1"}]}, "driver-value", ".routes[0].destination"),
        (DRANET, {"ethtool": {"features": {"tso": "on"}}}, "driver-value", ".ethtool.features.tso"),
    ],
)
@pytest.mark.parametrize("make", [claim, template, device_class])
def test_parameters_that_a_driver_refuses(driver: str, parameters: Json, rule: str, place: str, make: Make) -> None:
    decision = review(make(opaque(parameters, driver=driver)))
    path = PATHS.get(make()["kind"], "spec.config")
    assert (decision.code, decision.causes[0].rule) == (422, rule), text_of(decision)
    assert decision.causes[0].field == f"{path}[0].opaque.parameters{place}"


@pytest.mark.parametrize(
    ("driver", "parameters"),
    [
        (SRIOV, {"apiVersion": f"{SRIOV}/v1alpha1", "kind": "VfConfig", "driver": "vfio-pci", "addVhostMount": True}),
        (SRIOV, vf("lan", driver=None, ifName="net1")),
        (CNI, {"apiVersion": "cni.networking.x-k8s.io/v1alpha1", "kind": "CNI", "ifName": "net1", "extra": 1,
               "config": {"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "macvlan", "master": "eth0"}]}}),
        (DRANET, {}),
        (DRANET, {"interface": {"name": "net0", "addresses": ["192.168.1.2/24"], "mtu": 1500, "vrf": {"name": "v"}},
                  "routes": [{"destination": "0.0.0.0/0", "gateway": "192.168.1.1", "scope": 0}],
                  "rules": [{"priority": 1, "source": "10.0.0.0/8", "table": 5}],
                  "neighbors": [{"destination": "192.168.1.9", "hardwareAddr": "02:00:00:00:00:01"}],
                  "ethtool": {"features": {"tso": True}}}),
        ("gpu.nvidia.com", {"anything": [1], "netAttachDefName": "secret"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("make", [claim, template, device_class])
def test_parameters_that_are_right(driver: str, parameters: Json, make: Make) -> None:
    decision = review(make(opaque(parameters, driver=driver)))
    assert decision.is_allowed, text_of(decision)


def test_a_key_twice_has_two_readings() -> None:
    """The API server stores parameters as they were sent, and a decoder hides one of the two keys."""
    text = json.dumps(claim(opaque(vf("lan"))))
    twice = text.replace('"netAttachDefName": "lan"', '"netAttachDefName": "lan", "netAttachDefName": "secret"')
    body = admission_review(json.loads(text), namespace="blue", user=TENANT).decode()
    sent = body.replace(text, twice)
    assert sent != body
    decision = review(sent.encode())
    assert (decision.code, decision.rules) == (422, ("json-duplicate-key",))
    assert decision.causes[0].field == "spec.devices.config[0].opaque.parameters.netAttachDefName"


def test_all_mistakes_are_reported_at_once() -> None:
    decision = review(claim(opaque({**vf("lan"), "a": 1, "b": 2}), opaque({"interface": 1}, driver=DRANET)))
    assert [cause.rule for cause in decision.causes] == ["driver-key", "driver-key", "driver-value"]


# Configurations inside the object

NO_VLANS: dict[str, Any] = {"name": "bond1", "action": "Allow", "config": {"masters": ["bond1"]}}


@pytest.mark.parametrize("make", [claim, template, device_class])
def test_an_embedded_configuration_is_judged_as_a_definition_of_its_author(make: Make) -> None:
    good = make(opaque({"config": {"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1"}}, driver=CNI))
    bad = make(opaque({"config": {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0"}}, driver=CNI))
    rules = policy("p", definitions=[NO_VLANS])
    assert review(good, rules).is_allowed
    decision = review(bad, rules)
    assert (decision.code, decision.rules) == (403, ("NotWithinDefinitionRule",))
    assert decision.causes[0].field.endswith("config[0].opaque.parameters.config")
    assert f"user bob may not write {make()['kind']}" in decision.message
    assert review(bad, rules, user=User("root", ("system:masters",))).is_allowed


@pytest.mark.parametrize("make", [claim, template, device_class])
@pytest.mark.parametrize("driver", [CNI, DRANET])
def test_an_author_without_definitions_may_not_embed_them_in_claims(make: Make, driver: str) -> None:
    asked = make(opaque({"config": {"cniVersion": "1.0.0", "type": "bridge"}} if driver == CNI else {}, driver=driver))
    decision = review(asked, posture("Isolated", definitions={"default": "Deny"}))
    assert decision.rules == ("DefinitionDefaultDeny",)
    assert review(make(opaque(vf("lan"))), posture("Isolated", definitions={"default": "Deny"})).is_allowed


def test_an_embedded_configuration_is_also_judged_as_an_attachment() -> None:
    rule = {"name": "no-eth0", "action": "Deny", "networks": [{"masters": ["eth0"]}]}
    bad = claim(opaque({"config": {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0"}}, driver=CNI))
    assert review(bad).is_allowed
    assert review(bad, policy("p", rule)).rules == ("DenyRule",)


def test_a_default_route_of_dranet_counts() -> None:
    rule = {"name": "no-default-route", "action": "Deny", "onRequests": ["defaultRoute"]}
    route = {"destination": "0.0.0.0/0", "gateway": "10.0.0.1"}
    halves = [{"destination": f"{half}/1", "gateway": "10.0.0.1"} for half in ("0.0.0.0", "128.0.0.0")]  # noqa: S104 - no address of ours
    for routes, is_allowed in (([route], False), (halves, False), ([{**route, "destination": "10.0.0.0/8"}], True)):
        asked = claim(opaque({"routes": routes}, driver=DRANET))
        assert review(asked, policy("p", rule)).is_allowed is is_allowed
        assert review(asked, posture("Strict")).is_allowed


# Authors and updates


def test_copies_by_a_controller_are_not_judged_again() -> None:
    controller = User("system:serviceaccount:kube-system:resource-claim-controller", ())
    assert review(claim(opaque(vf("secret", "infra"))), user=controller).verdict == "allow"
    assert not review(template(opaque(vf("secret", "infra"))), user=controller).is_allowed
    assert not review(device_class(opaque({**vf("lan"), "bogus": 1})), user=controller).is_allowed


def test_an_update_without_a_change_of_the_spec() -> None:
    asked = claim(opaque(vf("secret", "infra")))
    assert review({**asked, "metadata": {**asked["metadata"], "labels": {"a": "b"}}}, old=asked).is_allowed


def test_of_a_class_only_new_configurations_are_judged() -> None:
    bad = opaque({**vf("lan"), "bogus": 1})
    old = device_class(bad)
    assert review(device_class(opaque(vf("x")), bad), old=old).is_allowed
    assert not review(device_class(bad, opaque({**vf("lan"), "more": 1})), old=old).is_allowed


def test_the_class_of_a_claim_counts() -> None:
    of_class = device_class(opaque(vf("secret", "infra")), name="fast")
    asked = claim(opaque({**vf(""), "ifName": "net1"}), requests=[request("vf", "fast")])
    decision = review(asked, of_class)
    assert decision.causes[0].field == "spec.devices.requests"
    assert "- infra/secret (DeviceClass fast, spec.config[0])" in decision.message
    broken = review(asked, device_class(opaque({**vf("lan"), "bogus": 1}), name="fast"))
    assert (broken.rules, broken.causes[0].field) == (("driver-key",), "spec.devices.requests")
    assert "DeviceClass fast, spec.config[0].opaque.parameters.bogus" in broken.causes[0].message
    assert review(claim(opaque(vf("lan", "blue")), requests=[request("vf", "fast")]), of_class).is_allowed


def test_more_configurations_than_the_limit() -> None:
    many = [{"name": f"r{i}", "firstAvailable": [{"name": f"s{j}", "deviceClassName": "plain"} for j in range(8)]}
            for i in range(32)]  # fmt: skip
    config = [opaque(vf("lan")) for _ in range(32)]
    decision = review({**claim(), "spec": devices(*config, requests=many)})
    assert decision.rules == ("claim-limit",)
    assert "4096" in text_of(decision)


# Levels


BASELINE = posture("Isolated", definitions={"levels": {"enforce": "Baseline"}})
HOST_INTERFACE: Json = {"config": {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0"}}


@BOTH
def test_the_level_of_the_namespace_holds_for_a_configuration_of_ones_own(make: Make) -> None:
    decision = review(make(opaque(HOST_INTERFACE, driver=CNI)), BASELINE)
    assert (decision.code, decision.rules) == (403, ("DefinitionLevel",))


@BOTH
def test_the_name_of_a_driver_does_not_lift_a_level(make: Make) -> None:
    plugins = [{"type": DRANET}, {"type": "macvlan", "master": "eth0"}]
    decision = review(make(opaque({"config": {"cniVersion": "1.0.0", "plugins": plugins}}, driver=CNI)), BASELINE)
    assert not decision.is_allowed


@BOTH
def test_a_definition_below_the_level_of_its_namespace(make: Make) -> None:
    decision = review(make(opaque(vf("lan"))), BASELINE)
    assert (decision.code, decision.rules) == (403, ("DefinitionLevel",))


@BOTH
def test_levels_do_not_apply_to_what_a_class_grants(make: Make) -> None:
    assert review(make(opaque({"interface": {"name": "net1"}}, driver=DRANET)), BASELINE).is_allowed
    assert review(device_class(opaque(HOST_INTERFACE, driver=CNI)), BASELINE).is_allowed


@BOTH
def test_levels_and_policies_together(make: Make) -> None:
    """The level refuses while a policy limits something else."""
    deny = policy("p", {"name": "no", "action": "Deny", "networks": [{"masters": ["eth9"]}]})
    for asked in (opaque(HOST_INTERFACE, driver=CNI), opaque(vf("lan"))):
        decision = review(make(asked), BASELINE, deny)
        assert (decision.code, decision.rules) == (403, ("DefinitionLevel",))


@BOTH
def test_parameters_are_limited_together(make: Make) -> None:
    plugins = [{"type": "tuning", "x": "y" * 9_000}]
    large = opaque({"config": {"cniVersion": "1.0.0", "plugins": plugins}}, driver=CNI)
    assert review(make(*[large] * 7)).rules != ("limit-definition-bytes",)
    decision = review(make(*[large] * 8))
    assert decision.rules == ("limit-definition-bytes",)
    assert "limits.definitionBytes" in text_of(decision)
