"""Access policies and their configuration at admission: refusals with their fields, and warnings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.access.compile import read_policies
from tests.webhook.admission.world import FakeCluster, cluster, decide, request, rules
from webhook.admission.model.kinds import POLICY, POLICY_CONFIG, GroupKind
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.wording.answers import who
from webhook.review import wire
from webhook.serving.http import RequestError

ALLOW: dict[str, Any] = {"name": "a", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}
DENY: dict[str, Any] = {"name": "d", "action": "Deny"}
RIGHT: dict[str, Any] = {"attachments": [ALLOW]}
WRONG: dict[str, Any] = {"attachments": [{**ALLOW, "limits": {"ips": {"cidrs": ["10.1.0.0/16", "10.1.0.0"]}}}]}


def written(spec: object, *, kind: GroupKind = POLICY, name: str = "", **more: Any) -> Request:
    name = name or ("cluster" if kind == POLICY_CONFIG else "mine")
    return request(Object(name=name, spec=spec), kind=kind, namespace="", **more)


def write(spec: object, *, world: FakeCluster | None = None, **more: Any) -> Decision:
    return decide(written(spec, **more), world=world)


def fields(decision: Decision) -> list[str]:
    return [cause.field for cause in decision.causes]


def test_a_right_policy_is_allowed() -> None:
    assert write(RIGHT) == Decision()
    assert write({}, kind=POLICY_CONFIG) == Decision()


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (WRONG, "spec.attachments[0].limits.ips.cidrs[1]", "allowed: a CIDR such as 10.1.0.0/16 or 2001:db8::/64"),
        ({"atachments": [ALLOW], **RIGHT}, "spec.atachments", 'did you mean "attachments"? allowed: mode,'),
        ({"attachments": [{**ALLOW, "action": "allow"}]}, "spec.attachments[0].action", 'did you mean "Allow"?'),
        ({"attachments": [{"name": "a"}]}, "spec.attachments[0]", "action is missing"),
        ({"mode": "warn", **RIGHT}, "spec.mode", 'did you mean "Warn"? allowed: Enforce, Warn, Audit'),
        ({"attachments": [ALLOW, ALLOW]}, "spec.attachments[1].name", "another rule of this policy has that name"),
        ({**RIGHT, "pods": []}, "spec.pods", "leave the key out for no restriction"),
        ({"attachments": [{**ALLOW, "networks": [{"vlans": ["9-3"]}]}]}, "spec.attachments[0].networks[0].vlans[0]", "100-199"),
        ({"attachments": [{**DENY, "limits": {}}]}, "spec.attachments[0].limits", "only be set when action is Allow"),
        ({}, "spec", "at least one rule"),
        (None, "spec", "it is missing"),
        ([], "spec", "wrong JSON type: a list; allowed: an object"),
    ],
)  # fmt: skip
def test_a_problem_has_its_field(spec: object, field: str, words: str) -> None:
    decision = write(spec)
    assert (decision.code, decision.reason, decision.rules) == (422, "Invalid", ("policy-field",))
    assert field in fields(decision)
    assert words in next(cause.message for cause in decision.causes if cause.field == field)
    assert f"{field}: " in decision.message


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"posture": "strict"}, "spec.posture"),
        ({"node": {"snapshotMaxAgeSeconds": 5}}, "spec.node.snapshotMaxAgeSeconds"),
        ({"definitions": {"exemptGroups": ["a", "a"]}}, "spec.definitions.exemptGroups[1]"),
        ({"multusGate": {}}, "spec.multusGate.namespaceIsolation"),
        (None, "spec"),
    ],
)
def test_a_configuration_that_cannot_be_read(spec: object, field: str) -> None:
    decision = write(spec, kind=POLICY_CONFIG)
    assert (decision.code, fields(decision)) == (422, [field])


def test_a_configuration_of_another_name() -> None:
    assert fields(write({}, kind=POLICY_CONFIG, name="default")) == ["metadata.name"]


@pytest.mark.parametrize(("name", "is_right"), [("a.b", True), ("A_b", False), ("a" * 254, False)])
def test_the_name_of_a_policy(name: str, is_right: bool) -> None:  # noqa: FBT001
    decision = write(RIGHT, name=name)
    assert decision.is_allowed is is_right
    assert decision.rules == (() if is_right else ("object-name",))


def test_a_name_that_is_still_generated() -> None:
    asked = written(RIGHT)
    assert decide(asked._replace(name="", object=Object(generate_name="net-", spec=RIGHT["attachments"]))).code == 422
    assert decide(asked._replace(name="", object=Object(generate_name="net-", spec=RIGHT))).is_allowed


def test_every_problem_is_a_cause() -> None:
    """Each field has one cause, and the message repeats all causes."""
    spec = {
        "mode": "X",
        "x": 1,
        "attachments": [{**ALLOW, "networks": [{"names": ["A"], "vlans": ["x"]}]}, {"name": "B"}],
    }
    decision = write(spec)
    assert len(fields(decision)) == len(set(fields(decision))) >= 5
    assert all(f"{cause.field}: {cause.message}" in decision.message for cause in decision.causes)


def test_an_update_that_leaves_the_spec_alone_is_allowed() -> None:
    """Labels, finalizers and status of a stored object can change."""
    old = Object(name="mine", spec=WRONG)
    for kind in (POLICY, POLICY_CONFIG):
        assert write(WRONG, kind=kind, old=old).is_allowed
        assert not write({**WRONG, "description": 5}, kind=kind, old=old).is_allowed


def test_deleting_is_never_refused() -> None:
    for kind in (POLICY, POLICY_CONFIG):
        assert decide(written(WRONG, kind=kind)._replace(operation="DELETE")).is_allowed


def test_lints_are_warnings() -> None:
    decision = write({"pods": [{"podSelector": {"matchLabels": {"app": "web"}}}], "attachments": [DENY]})
    assert decision.verdict == "warn"
    text = 'Deny rule "d" can be avoided: who creates a pod chooses its labels; select namespaces instead'
    assert list(map(str, decision.warnings)) == [f"spec.pods[0].podSelector: {text}"]


def test_lints_come_with_a_refusal() -> None:
    decision = write(
        {
            "attachments": [
                {**ALLOW, "networks": [{"names": ["*"]}]},
                {**DENY, "networks": [{"names": ["x"]}], "message": 5},
            ]
        }
    )
    assert [warning.field for warning in decision.warnings] == [
        "spec.attachments[0].networks[0].names[0]",
        "spec.attachments[0].networks[0]",
    ]


def test_under_posture_open_an_allow_opens_nothing() -> None:
    everywhere = written({"attachments": [{"name": "a", "action": "Allow", "limits": {"ips": {}}}]})
    (warning,) = decide(everywhere).warnings
    assert str(warning).startswith("spec.attachments[0]: it allows the networks of every namespace")
    assert decide(everywhere, rules=rules(posture="Open")).warnings == ()


def world_with(*policies: tuple[str, Any]) -> FakeCluster:
    found = cluster()
    kind = {"kind": "NetworkAttachmentPolicy"}
    found.policies = read_policies({**kind, "metadata": {"name": name}, "spec": spec} for name, spec in policies)
    return found


def test_a_rule_that_another_policy_shadows() -> None:
    decision = write(RIGHT, world=world_with(("guard", {"attachments": [DENY]})))
    assert len(decision.warnings) == 1
    assert 'Deny rule "d" of "guard" matches all it selects' in str(decision.warnings[0])


def test_the_policy_it_replaces_does_not_shadow_it() -> None:
    world = world_with(("mine", {"attachments": [DENY]}))
    assert write(RIGHT, old=Object(name="mine", spec={"attachments": [DENY]}), world=world).warnings == ()


def test_whom_a_refusal_names() -> None:
    assert who(written(RIGHT)) == "networkattachmentpolicy mine"
    assert who(request(Object(name="web-0"))) == "pod blue/web-0"


# On the wire


def review(kind: GroupKind, obj: object, **more: object) -> bytes:
    asked = {"uid": "u", "kind": kind._asdict(), "operation": "CREATE", "object": obj, **more}
    return json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": asked}).encode()


@pytest.mark.parametrize("kind", [POLICY, POLICY_CONFIG])
@pytest.mark.parametrize(
    "spec", [RIGHT, {"template": 5, "config": [1], "serviceAccountName": {}}, 5, None, [2**70, 0.5]]
)
def test_the_whole_spec_is_read(kind: GroupKind, spec: object) -> None:
    """A policy may have fields of other kinds with other types."""
    obj = {"metadata": {"name": "mine", "managedFields": [{"x": 1}]}, "spec": spec, "status": {"rules": []}}
    found = wire.decode(review(kind, obj, oldObject=obj))
    assert found.kind == kind
    assert found.object == found.old_object == Object(name="mine", spec=spec)


def test_only_policies_have_a_spec() -> None:
    obj = {"metadata": {"name": "mine"}, "spec": RIGHT, "template": {}}
    for kind in (GroupKind("", "Pod"), GroupKind("apps", "Deployment"), GroupKind("access.nadmit.io", "Other")):
        found = wire.decode(review(kind, obj)).object
        assert found is not None
        assert found.spec is None


@pytest.mark.parametrize("obj", [5, {"metadata": 5}, {"metadata": {"name": 5}, "spec": {"template": 5}}])
def test_an_object_that_is_not_a_policy(obj: object) -> None:
    with pytest.raises(RequestError, match=r"\$\.request\.object"):
        wire.decode(review(POLICY, obj))


def test_a_policy_that_a_finalizer_holds_is_judged() -> None:
    obj = {"metadata": {"name": "mine", "deletionTimestamp": "2026-11-23T19:00:00Z"}, "spec": WRONG}
    assert not decide(wire.decode(review(POLICY, obj, operation="UPDATE", oldObject={}))).is_allowed
    assert decide(wire.decode(review(POLICY, obj, operation="UPDATE", oldObject=obj))).is_allowed
