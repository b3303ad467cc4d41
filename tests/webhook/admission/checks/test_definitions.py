"""NetworkAttachmentDefinitions: refusals, warnings, and changes that are not judged."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec.netattachdef import DEVICES_FROM, RESOURCE_NAME
from tests.webhook.admission.plugins.checking import CHECKS, MULTUS_CHECKS
from tests.webhook.admission.world import CAPABLE, MACVLAN, RULES, cluster, decide, definition, request, rules
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import INJECT, NODE_SELECTOR, Injection
from webhook.admission.model.kinds import NETWORK
from webhook.admission.model.requests import Object
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.plugindata.pluginfiles import load_schemas

CHAIN = '{"cniVersion":"1.0.0","name":"lan","plugins":[{"type":"bridge"},{"type":"tuning"}]}'


@pytest.mark.parametrize("config", [MACVLAN, CAPABLE, CHAIN, '{"type":"awesome-plugin"}'])
def test_allowed(config: str) -> None:
    decision = decide(definition(config))
    assert (decision.verdict, decision.warnings) == ("allow", ())


@pytest.mark.parametrize(
    ("config", "rule", "field"),
    [
        ('{"cniVersion": "0.3.0"malFormattedJSON }', "json-syntax", "spec.config"),
        ("[]", "cni-object", "spec.config"),
        ({"type": "bridge"}, "cni-config-type", "spec.config"),
        ('{"type":"multus"}', "cni-meta-plugin", "spec.config.type"),
        ('{"plugins":[{"type":"bridge"},{"type":"multus-shim"}]}', "cni-meta-plugin", "spec.config.plugins[1].type"),
        ('{"type":"nadmit"}', "cni-meta-plugin", "spec.config.type"),
        ('{"type":"bridge","type":"host-device"}', "json-duplicate-key", "spec.config.type"),
    ],
)
def test_refused(config: object, rule: str, field: str) -> None:
    decision = decide(definition(config))
    assert (decision.code, decision.reason, decision.rules) == (422, "Invalid", (rule,))
    assert [cause.field for cause in decision.causes] == [field]


def test_every_problem_is_a_cause() -> None:
    config = json.dumps({"plugins": [{"type": "a/b"}, {"Type": "x"}, 5], "disableCheck": 3})
    decision = decide(definition(config))
    assert len(decision.causes) >= 4
    assert all(cause.message.split(":")[0] in decision.message for cause in decision.causes)


@pytest.mark.parametrize("config", [None, "", "  \n"])
def test_an_empty_config_is_the_nodes_own_with_a_warning(config: str | None) -> None:
    """Side door 4."""
    decision = decide(definition(config), plugins=CHECKS)
    assert (decision.verdict, len(decision.warnings)) == ("warn", 1)


def test_multus_does_not_take_white_space_for_an_empty_config() -> None:
    decision = decide(definition("  \n"), plugins=MULTUS_CHECKS)
    assert (decision.verdict, decision.rules) == ("deny", ("json-syntax",))
    assert "Multus cannot read" in decision.message


@pytest.mark.parametrize(
    ("selector", "is_right"), [("rack=1", True), ("rack", True), ("", True), ("a=b=c", False), ("a=1,b=2", False)]
)
def test_a_node_selector_is_one_label(selector: str, *, is_right: bool) -> None:
    """/mutate would refuse each pod of the network, so the definition is refused while its owner can correct it."""
    asked = definition(MACVLAN)
    assert asked.object is not None
    asked = asked._replace(object=asked.object._replace(annotations={NODE_SELECTOR: selector}))
    decision = decide(asked)
    assert decision.is_allowed is is_right
    if not is_right:
        (cause,) = decision.causes
        assert (cause.rule, cause.field) == ("node-selector-value", f"metadata.annotations[{NODE_SELECTOR}]")
        assert not decide(asked._replace(operation="UPDATE", old_object=definition(MACVLAN).object)).is_allowed
        assert decide(asked._replace(operation="UPDATE", old_object=asked.object)).is_allowed


@pytest.mark.parametrize(
    ("resource", "is_right"),
    [
        ("", True),
        ("intel.com/sriov_data", True),
        (" bridge.network.kubevirt.io/br1 ", True),
        ("memory", False),
        ("hugepages-2Mi", False),
        ("sriov_nic_2", True),
        ("intel.com/a,intel.com/b", False),
        ("Intel.com/vf", False),
        ("intel.com/v\u00ff", False),
    ],
)
def test_a_resource_is_one_of_a_device_plugin(resource: str, *, is_right: bool) -> None:
    """`memory` would give each pod a limit of one byte."""
    asked = definition(MACVLAN)
    assert asked.object is not None
    asked = asked._replace(object=asked.object._replace(annotations={RESOURCE_NAME: resource}))
    decision = decide(asked)
    assert decision.is_allowed is is_right
    if not is_right:
        (cause,) = decision.causes
        assert (cause.rule, cause.field) == ("resource-name", f"metadata.annotations[{RESOURCE_NAME}]")


@pytest.mark.parametrize(
    ("keys", "refused"),
    [
        ((RESOURCE_NAME,), [RESOURCE_NAME]),
        ((RESOURCE_NAME, "example.com/other"), [RESOURCE_NAME, "example.com/other"]),
        (("example.com/other",), ["example.com/other"]),
        ((), []),
    ],
)
def test_each_annotation_that_names_a_resource_is_judged(keys: tuple[str, ...], refused: list[str]) -> None:
    """/mutate would request what any of the keys names, and nothing else."""
    asked = definition(MACVLAN)
    assert asked.object is not None
    written = {RESOURCE_NAME: "memory", "example.com/other": "cpu", "example.com/unread": "memory"}
    asked = asked._replace(object=asked.object._replace(annotations=written))
    context = DecisionContext(cluster(), RULES, Configuration(injection=Injection(resource_name_keys=keys)))
    decision = evaluate(asked, context)
    assert [cause.field for cause in decision.causes] == [f"metadata.annotations[{key}]" for key in refused]
    unchanged = evaluate(asked._replace(operation="UPDATE", old_object=asked.object), context)
    assert unchanged.is_allowed
    fixed = Object(
        name="lan", config=MACVLAN, annotations={key: text for key, text in written.items() if key not in refused}
    )
    assert evaluate(asked._replace(operation="UPDATE", object=fixed, old_object=asked.object), context).is_allowed


@pytest.mark.parametrize(
    ("source", "resource", "is_right", "expected"),
    [
        ("ResourceClaim", "sriov_nic_2", True, ""),
        ("ResourceClaim", "memory", True, ""),
        (" ResourceClaim ", "any text of a device's attribute", True, ""),
        ("DevicePlugin", "sriov_nic_2", False, "devices-from: ResourceClaim"),
        (None, "sriov_nic_2", True, "devices-from: ResourceClaim if claims give the devices"),
        (None, "memory", False, "devices-from: ResourceClaim"),
        ("claim", "sriov_nic_2", True, "devices-from: ResourceClaim if claims give the devices"),
    ],
)
def test_the_resource_of_a_claim_is_an_attribute_of_a_device(
    source: str | None, resource: str, expected: str, *, is_right: bool
) -> None:
    """`k8s.cni.cncf.io/resourceName` of a device is any text; Multus compares it with the definition's."""
    asked = definition(MACVLAN)
    assert asked.object is not None
    annotations = {RESOURCE_NAME: resource, **({} if source is None else {DEVICES_FROM: source})}
    asked = asked._replace(object=asked.object._replace(annotations=annotations))
    decision = decide(asked)
    assert decision.is_allowed is is_right
    texts = [*(cause.message for cause in decision.causes), *map(str, decision.warnings)]
    assert (expected in " ".join(texts)) if expected else (texts == [])
    again = asked._replace(operation="UPDATE", old_object=asked.object)
    assert "if claims give" not in str(list(map(str, decide(again).warnings)))


@pytest.mark.parametrize(
    ("annotations", "codes"),
    [
        ({}, ["NAD406"]),
        ({RESOURCE_NAME: "intel.com/vf"}, []),
        ({DEVICES_FROM: "ResourceClaim"}, []),
        ({DEVICES_FROM: "DevicePlugin"}, ["NAD406"]),
    ],
)
def test_a_claim_gives_a_plugin_its_device(annotations: dict[str, str], codes: list[str]) -> None:
    """NAD406: without a resource name only the driver of a claim fills in a deviceID."""
    asked = definition(json.dumps({"cniVersion": "1.0.0", "type": "sriov"}))
    assert asked.object is not None
    asked = asked._replace(object=asked.object._replace(annotations=annotations))
    decision = decide(asked, plugins=PluginChecks(schemas=load_schemas()))
    assert decision.is_allowed
    assert [warning.rule for warning in decision.warnings] == codes


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (INJECT, "no", '"no" counts as "true"'),
        (INJECT, "", '"" counts as "true"'),
        (DEVICES_FROM, "resourceclaim", 'did you mean "ResourceClaim"?'),
        (DEVICES_FROM, "somewhere", 'allowed: "DevicePlugin", "ResourceClaim"'),
        (INJECT, " False ", None),
        (DEVICES_FROM, "DevicePlugin", None),
        (DEVICES_FROM, "", None),
    ],
)
def test_an_annotation_for_injection_that_does_nothing(annotation: str, text: str, expected: str | None) -> None:
    """The author gets the warning; later, only the authors of the network's pods would see it."""
    before = definition(MACVLAN)
    assert before.object is not None
    after = before.object._replace(annotations={annotation: text})
    update = before._replace(operation="UPDATE", object=after, old_object=before.object)
    for asked in (before._replace(object=after), update):
        decision = decide(asked)
        assert decision.is_allowed
        assert [expected in warning for warning in map(str, decision.warnings) if expected] == (
            [True] if expected else []
        )
        assert expected or not decision.warnings
    assert decide(update._replace(old_object=after)).warnings == ()


def test_a_name_that_differs_is_a_warning() -> None:
    """NPWG v1.3 §3.4.3."""
    decision = decide(definition(CHAIN, name="other"))
    assert (decision.verdict, len(decision.warnings)) == ("warn", 1)
    assert decide(definition('{"name":"","type":"bridge"}')).verdict == "allow"


def test_a_name_with_a_dot_is_a_warning() -> None:
    assert decide(definition(MACVLAN, name="net.v1")).verdict == "warn"


@pytest.mark.parametrize("name", ["Net", "a_b", "a" * 254])
def test_a_name_that_the_api_server_would_refuse(name: str) -> None:
    decision = decide(definition(MACVLAN, name=name))
    assert [(cause.field, decision.rules) for cause in decision.causes] == [("metadata.name", ("object-name",))]


def test_a_wrong_name_stands_for_the_warnings_at_the_top() -> None:
    """The definition is refused anyway, and both would be said about the same place."""
    checks = PluginChecks(schemas=load_schemas(), values_max=1)
    assert [str(warning)[:19] for warning in decide(definition(MACVLAN), plugins=checks).warnings] == [
        "spec.config: NAD110"
    ]
    assert decide(definition(MACVLAN, name="Net"), plugins=checks).warnings == ()


def test_an_update_that_leaves_the_config_alone_is_allowed() -> None:
    broken = Object(name="lan", config="{")
    assert decide(request(broken, old=broken, kind=NETWORK)).is_allowed
    assert not decide(request(broken, old=Object(name="lan", config=MACVLAN), kind=NETWORK)).is_allowed


def test_meta_plugin_types_are_a_setting() -> None:
    assert not decide(definition('{"type":"genie"}'), rules=rules(meta_plugin_types=("genie",))).is_allowed


@given(
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["plugins", "type", "ipam", "name"]) | st.text(), inner)
        ),
        max_leaves=10,
    ).map(json.dumps)
)
def test_any_config_gets_an_answer(config: str) -> None:
    assert decide(definition(config)).code in {200, 422}
