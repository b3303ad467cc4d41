"""Labels of namespaces that decisions depend on: which changes count, who may make them, and the modes."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.compile import Policies, compile_rules, read_policies
from cniplugin.access.model.decision import Config, NamespaceLabels, Rules
from cniplugin.access.model.policyrules import AuthorMatch
from cniplugin.access.reading.consent import ALLOWED_SELECTOR
from tests.webhook.admission.world import FakeCluster, cluster, decide, request
from webhook.admission.checks.namespaces import (
    CHANGES_MAX,
    CONSENT_CHARS_MAX,
    CONSENTS_MAX,
    KEYS_MAX,
)
from webhook.admission.model.kinds import NAMESPACE, NAMESPACE_CONTROLLER
from webhook.admission.model.requests import Decision, Object, Request, User
from webhook.admission.wording import labeltext

LEVEL = "nadmit.io/definitions-enforce"
TENANTS: dict[str, Any] = {
    "pods": [{"namespaceSelector": {"matchExpressions": [{"key": "tenant", "operator": "In", "values": ["infra"]}]}}],
    "attachments": [{"name": "a", "action": "Allow"}],
}


def world(*specs: dict[str, Any], **consents: str) -> FakeCluster:
    made = cluster()
    objects = [
        {"kind": "NetworkAttachmentPolicy", "metadata": {"name": f"p{number}"}, "spec": spec}
        for number, spec in enumerate(specs)
    ]
    made.policies = read_policies(objects)
    assert [policy.problems for policy in made.policies.policies if policy.problems] == []
    for name, text in consents.items():
        key = ("green", name)
        made.networks[key] = made.networks["green", "shared"].replace(name=name, annotations={ALLOWED_SELECTOR: text})
    return made


def rules(policies: Policies, mode: str = "Deny", **config: Any) -> Rules:
    labels = NamespaceLabels(mode=mode, **config.pop("settings", {}))
    return compile_rules(policies, Config(namespace_labels=labels, contact="#net-team", **config))


def change(
    before: dict[str, str] | None, after: dict[str, str], *, user: User | None = None, name: str = "blue"
) -> Request:
    old = None if before is None else Object(name=name, labels=before)
    return request(Object(name=name, labels=after), old=old, kind=NAMESPACE, user=user, namespace=name)


def judge(asked: Request, made: FakeCluster | None = None, mode: str = "Deny", **config: Any) -> Decision:
    made = made or world(TENANTS)
    return decide(asked, world=made, rules=rules(made.policies, mode, **config))


# Which changes count


@pytest.mark.parametrize(
    ("before", "after", "is_refused"),
    [
        ({"tenant": "blue"}, {"tenant": "infra"}, True),
        ({}, {"tenant": "infra"}, True),
        (None, {"tenant": "infra"}, True),
        ({"tenant": "infra"}, {}, True),
        ({"tenant": "infra"}, {"tenant": "blue"}, True),
        ({"tenant": "blue"}, {"tenant": "green"}, False),
        (None, {"tenant": "blue"}, False),
        ({"tenant": "infra"}, {"tenant": "infra", "env": "prod"}, False),
        (None, {"kubernetes.io/metadata.name": "blue"}, False),
        ({}, {LEVEL: "Privileged"}, True),
        ({LEVEL: "Baseline"}, {}, True),
        ({}, {"nadmit.io/definitions-warn": "Baseline"}, True),
        ({}, {"nadmit.io/definitions-audit": "Baseline"}, True),
        ({}, {"nadmit.io/definitions-enforc": "Baseline"}, False),
    ],
    ids=repr,
)
def test_a_change_that_changes_an_answer(
    before: dict[str, str] | None, after: dict[str, str], *, is_refused: bool
) -> None:
    decision = judge(change(before, after))
    assert decision.is_allowed is not is_refused
    assert decision.rules == (("NamespaceLabelProtected",) if is_refused else ())


@pytest.mark.parametrize(
    "spec",
    [
        {
            "exceptPods": [{"namespaceSelector": {"matchLabels": {"tenant": "infra"}}}],
            "attachments": [{"name": "a", "action": "Deny"}],
        },
        {"definitions": [{"name": "d", "action": "Deny", "namespaceSelector": {"matchLabels": {"tenant": "infra"}}}]},
        {**TENANTS, "mode": "Audit"},
    ],
    ids=["exceptPods", "definitions", "on trial"],
)
def test_every_selector_on_namespaces_counts(spec: dict[str, Any]) -> None:
    decision = judge(change({}, {"tenant": "infra"}), world(spec))
    assert not decision.is_allowed
    assert 'policy "p0" selects namespaces by it' in decision.message


def test_any_user_may_change_labels_without_a_selector() -> None:
    spec = {
        "pods": [{"podSelector": {"matchLabels": {"tenant": "infra"}}, "namespaces": ["blue"]}],
        "attachments": [{"name": "a", "action": "Allow", "networks": [{"selector": {"matchLabels": {"env": "x"}}}]}],
    }
    assert judge(change({}, {"tenant": "infra", "env": "x"}), world(spec)).is_allowed


REQUIRING = {
    "pods": [{"namespaces": ["x"]}],
    "attachments": [{"name": "a", "action": "Allow", "requireConsent": True}],
}


@pytest.mark.parametrize(
    ("specs", "posture", "is_refused"),
    [([], "Isolated", False), ([], "Consent", True), ([REQUIRING], "Isolated", True)],
    ids=["Isolated", "Consent", "required"],
)
def test_consents_count_where_they_decide(specs: list[dict[str, Any]], posture: str, *, is_refused: bool) -> None:
    """If consents always counted, an owner of networks could protect any label of any namespace."""
    made = world(*specs, mine="team in (red,blue),env=prod")
    decision = judge(change({}, {"team": "red"}), made, posture=posture)
    assert decision.is_allowed is not is_refused
    assert "mine" not in decision.message, "networks of others are not named"
    assert judge(change({"team": "red"}, {"team": "blue"}), made, posture=posture).is_allowed
    assert judge(change({}, {"tea": "red"}), made, posture=posture).is_allowed


def test_consents_that_cannot_be_read_ask_for_nothing() -> None:
    made = world(mine="team in (red", long="team=" + "x" * 9000)
    assert judge(change({}, {"team": "red"}), made, posture="Consent").is_allowed


def notin(count: int, length: int = 1) -> dict[str, str]:
    return {f"n{number}": f"team notin (x{number}{'x' * length})" for number in range(count)}


@pytest.mark.parametrize(
    ("consents", "keys", "is_refused"),
    [
        (notin(CONSENTS_MAX), 1, False),
        (notin(CONSENTS_MAX + 1), 1, True),
        (notin(1), KEYS_MAX, False),
        (notin(1), KEYS_MAX + 1, True),
        (notin(CONSENTS_MAX, CONSENT_CHARS_MAX // CONSENTS_MAX), 1, True),
        ({"long": "a" * (CONSENT_CHARS_MAX + 1)}, KEYS_MAX, False),
    ],
    ids=["many", "too many", "labels", "too many labels", "too long", "another label"],
)
def test_how_much_of_consents_is_read_is_bounded(consents: dict[str, str], keys: int, *, is_refused: bool) -> None:
    """Beyond the bound, a label counts as one that a consent selects by."""
    after = {"team": "red", **{f"b{number}": "x" for number in range(1, keys)}}
    decision = judge(change({}, after), world(**consents), posture="Consent")
    assert decision.is_allowed is not is_refused


def test_the_first_labels_are_reported() -> None:
    spec = {
        "pods": [{"namespaceSelector": {"matchLabels": {f"k{number}": "x" for number in range(15)}}}],
        "exceptPods": [{"namespaceSelector": {"matchLabels": {f"l{number}": "x" for number in range(15)}}}],
        "attachments": [{"name": "a", "action": "Allow"}],
    }
    after = {f"{letter}{number}": "x" for number in range(15) for letter in "kl"}
    decision = judge(change({}, after), world(spec))
    assert len(decision.causes) == CHANGES_MAX


# Writers


@pytest.mark.parametrize(
    ("user", "may"),
    [
        (User("alice", ("devs",)), False),
        (User("root", ("system:masters",)), True),
        (User("carol", ("platform",)), True),
        (User("dave", ()), True),
        (User("system:serviceaccount:gitops:argo", ()), True),
        (User("system:serviceaccount:other:argo", ()), False),
        (User("emma", ()), True),
        (User(NAMESPACE_CONTROLLER, ()), True),
        (User("system:serviceaccount:kube-system:default", ()), False),
    ],
)
def test_writers(user: User, *, may: bool) -> None:
    writers = AuthorMatch(
        users=frozenset({"dave"}), groups=frozenset({"platform"}), accounts=frozenset({("gitops", "*")})
    )
    decision = judge(change({}, {"tenant": "infra"}, user=user), settings={"writers": writers}, exempt_users=("emma",))
    assert decision.is_allowed is may


# The modes


def test_the_default_warns_and_records() -> None:
    decision = judge(change({}, {"tenant": "infra", LEVEL: "Privileged"}), mode=Config().namespace_labels.mode)
    assert decision.is_allowed
    assert len(decision.warnings) == 2
    assert [trial[:29] for trial in decision.trials] == ["Warn: NamespaceLabelProtected"] * 2
    assert decision.rules == ("NamespaceLabelProtected",)


def test_audit_records_only() -> None:
    decision = judge(change({}, {"tenant": "infra"}), mode="Audit")
    assert (decision.is_allowed, decision.warnings) == (True, ())
    assert decision.trials == (
        'Audit: NamespaceLabelProtected: tenant is set to "infra", and policy "p0" selects namespaces by it',
    )


def test_off_says_nothing() -> None:
    assert judge(change({}, {"tenant": "infra"}), mode="Off") == Decision()


@pytest.mark.parametrize("mode", ["Off", "Audit", "Warn", "Deny"])
@pytest.mark.parametrize("user", [User("alice"), User("root", ("system:masters",))])
def test_a_value_that_is_not_a_level_is_a_warning_for_everybody(mode: str, user: User) -> None:
    decision = judge(change({}, {LEVEL: "strict"}, user=user), mode=mode)
    (warning, *_) = decision.warnings
    assert str(warning) == (
        f'metadata.labels[{LEVEL}]: this is not a level: "strict"; allowed: Privileged, Baseline, Restricted; '
        "until it is corrected it counts as Restricted"
    )


def test_a_misspelt_label_is_a_warning() -> None:
    decision = judge(change({}, {"nadmit.io/definition-enforce": "Baseline"}))
    assert decision.is_allowed
    (warning,) = decision.warnings
    assert str(warning) == (
        "metadata.labels[nadmit.io/definition-enforce]: nadmit reads no such label; did you mean "
        '"nadmit.io/definitions-enforce"? allowed: nadmit.io/definitions-enforce, nadmit.io/definitions-warn, '
        "nadmit.io/definitions-audit"
    )


@pytest.mark.parametrize("key", ["nadmit.io/tenant", "nadmit.io/foo", "nadmit.io/inject", "nadmit.io/team"])
def test_a_label_that_does_not_resemble_a_level_is_not_a_warning(key: str) -> None:
    assert judge(change({}, {key: "blue"})) == Decision()


MISSPELT = "nadmit.io/definition-enforce"


def test_a_label_that_a_policy_selects_by_is_not_a_warning() -> None:
    """Only a misspelt label gets a warning: a policy may select by any label."""
    spec = {**TENANTS, "pods": [{"namespaceSelector": {"matchLabels": {MISSPELT: "infra"}}}]}
    assert judge(change({}, {MISSPELT: "blue"}), world(spec)) == Decision()
    (only,) = judge(change({}, {MISSPELT: "infra"}), world(spec), mode="Warn").warnings
    assert 'policy "p0" selects namespaces by it' in str(only)


def test_a_label_that_a_consent_selects_by_is_not_a_warning() -> None:
    assert judge(change({}, {MISSPELT: "blue"}), world(TENANTS, a=f"{MISSPELT}=infra")) == Decision()
    assert judge(change({}, {MISSPELT: "blue"}), world(TENANTS, a="tenant=infra")).warnings


def test_few_labels_are_compared_with_those_of_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"nadmit.io/definitions-enforc{number:04}": "x" for number in range(2_000)}
    compared: list[str] = []
    monkeypatch.setattr(labeltext, "level_meant", compared.append)
    assert judge(change({}, many)) == Decision()
    assert len(compared) == KEYS_MAX


def test_a_namespace_that_is_being_deleted_is_judged() -> None:
    """A terminating namespace may still have pods."""
    asked = change({}, {"tenant": "infra"})
    assert asked.object is not None
    assert not judge(asked._replace(object=asked.object._replace(is_being_deleted=True))).is_allowed


def test_deleting_is_not_judged() -> None:
    assert judge(request(None, kind=NAMESPACE, operation="DELETE", name="blue")).is_allowed


def test_one_label_among_a_hundred_thousand() -> None:
    """Not all of many labels are compared, but all that a policy or a level selects by are."""
    many = {f"a{number}": "x" for number in range(100_000)}
    made = world(TENANTS)
    for key, value in (("tenant", "infra"), ("nadmit.io/definitions-enforce", "Privileged")):
        decision = judge(change({}, {**many, key: value}), made)
        assert (decision.is_allowed, key in decision.message) == (False, True)
