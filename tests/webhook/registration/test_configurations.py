"""The webhook configurations that the tables make, and the differences that count."""

from __future__ import annotations

import base64
import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from certs import cabundle
from certs.pathtokens import tokens_in
from cniplugin.access.model.decision import NETWORK_STATUS_MODES
from tests import golden_files as golden
from tests.paths import MANIFESTS
from webhook.admission.view.statuswriters import PLUGIN_ACCOUNTS
from webhook.commands.webhooks.show import render
from webhook.registration import conditions
from webhook.registration.conditions import LabelProtection, StatusProtection
from webhook.registration.configurations import (
    STAGES,
    UNPROTECTED,
    Service,
    Stage,
    Target,
    Url,
    Webhook,
    bundle_of,
    client_config,
    completed,
    configuration,
    differences,
    is_observing,
    is_ours,
    registered_stage,
    restaged,
    stage_of,
    target_of,
    token_of,
    webhooks,
    without_bundle,
)
from webhook.registration.tables import DOMAIN, KINDS, MUTATING_KIND, STAGED, VALIDATING_KIND, Kind
from webhook.serving.http import OBSERVED
from webhook.serving.reviewpaths import ReviewPaths

SERVICE = Service("nadmit-system", "nadmit-webhook")
AGENT = "system:serviceaccount:net:agent"
FOREIGN: Webhook = {"name": "other.example.com", "clientConfig": {"url": "https://x"}, "rules": None}


def made(
    kind: Kind = VALIDATING_KIND, target: Target = SERVICE, bundle: bytes | None = b"pem", policy: str = "Ignore"
) -> list[Webhook]:
    return webhooks(kind, target, ca_bundle=bundle, stage=policy, protection=StatusProtection())


def written(
    target: Target,
    *,
    bundle: bytes | None,
    policy: str,
    protection: StatusProtection,
    labels: LabelProtection = UNPROTECTED,
) -> str:
    given: dict[str, Any] = {
        "ca_bundle": bundle,
        "stage": policy,
        "protection": protection,
        "labels": labels,
    }
    return render([configuration(kind, "nadmit", webhooks(kind, target, **given), stage=policy) for kind in KINDS])


LISTED = LabelProtection(
    is_deny=True, users=('o"dd\\é', "root"), groups=("platform",), accounts=("system:serviceaccount:gitops:",)
)

CASES: dict[str, Callable[[], str]] = {
    "service": lambda: written(SERVICE, bundle=b"pem", policy="Ignore", protection=StatusProtection()),
    "url": lambda: written(
        Url("https://10.0.0.1:8443"),
        bundle=None,
        policy="Fail",
        protection=StatusProtection("Deny", (AGENT, 'o"dd\\é'), ("agents",)),
        labels=LISTED,
    ),
    "status-off": lambda: written(SERVICE, bundle=b"pem", policy="Fail", protection=StatusProtection("Off")),
}


@pytest.mark.parametrize("case", CASES)
def test_golden_configurations(case: str) -> None:
    golden.compare(f"registration/{case}.yaml", CASES[case]())


def test_no_golden_configuration_is_stale() -> None:
    assert golden.stale("registration", {f"{case}.yaml" for case in CASES}) == []


def test_the_tables_fulfil_the_rules_of_kubernetes() -> None:
    """Names are unique and have three segments; only staged webhooks may fail closed; no selector reads labels."""
    names = [hook.name for kind in KINDS for hook in kind.hooks]
    assert len(set(names)) == len(names)
    assert all(len(name.split(".")) >= 3 for name in names)
    found = [hook for kind in KINDS for hook in made(kind, policy="Fail")]
    assert {hook["name"] for hook in found if hook["failurePolicy"] == "Fail"} == STAGED
    staged = ("pods", "bindings", "networks", "policies", "namespaces", "claims")
    judging = {f"{name}.access.nadmit.io" for name in staged}
    assert judging | {"pods.inject.nadmit.io"} == STAGED
    for hook in found:
        assert is_ours(hook)
        assert not {"namespaceSelector", "objectSelector"} & hook.keys()
        assert (hook["sideEffects"], hook["admissionReviewVersions"]) == ("None", ["v1"])
    assert {hook["name"]: hook["timeoutSeconds"] for hook in found if hook["timeoutSeconds"] != 5} == {
        "defaults.inject.nadmit.io": 2
    }


def test_injection_is_reinvoked_and_fails_closed_only_for_pods_with_networks() -> None:
    """A pod without networks starts while no replica answers. The webhook's own pods are such pods."""
    staged, opened = made(MUTATING_KIND, policy="Fail")
    assert (staged["reinvocationPolicy"], opened["reinvocationPolicy"]) == ("IfNeeded", "IfNeeded")
    assert (staged["failurePolicy"], opened["failurePolicy"]) == ("Fail", "Ignore")
    assert staged["matchConditions"] == [*conditions.injection_of_networks()]
    assert opened["matchConditions"] == [*conditions.injection(has_status=True)]
    assert staged["rules"] == opened["rules"]
    assert all("reinvocationPolicy" not in hook for hook in made())


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://a", "https://a"),
        ("https://a:1/", "https://a:1"),
        ("https://a:1/own/path", "https://a:1/own/path"),
        ("https://a:1/own/path/validate/", "https://a:1/own/path"),
        ("https://a/mutate", "https://a"),
    ],
)
def test_each_kind_puts_its_path_to_a_url(url: str, base: str) -> None:
    assert client_config(VALIDATING_KIND, Url(url), None) == {"url": base + "/validate"}
    assert client_config(MUTATING_KIND, Url(url), None) == {"url": base + "/mutate"}


@pytest.mark.parametrize("target", [SERVICE, Url("https://a:1/own")], ids=["service", "url"])
@pytest.mark.parametrize("token", ["", "0123456789abcdef"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path.strip("/"))
def test_the_path_says_whether_answers_may_refuse(kind: Kind, token: str, target: Target) -> None:
    """So no replica can have a stage of its own. The server judges at the paths that the table registers."""
    config = client_config(kind, target, None, token=token, is_observing=True)
    observing, refusing = ({"clientConfig": config}, {"clientConfig": client_config(kind, target, None, token=token)})
    assert (is_observing(observing), is_observing(refusing)) == (True, False)
    assert token_of(observing) == token_of(refusing) == token
    assert target_of([{**observing, "name": "x.nadmit.io"}]) == target
    path = (config.get("url") or config["service"]["path"]).removeprefix("https://a:1/own")
    resolved = ReviewPaths(lambda: (token,)).resolve(path)
    assert resolved is not None
    assert OBSERVED[resolved] == kind.path
    seen = tokens_in([{"webhooks": [{**observing, "name": "pods" + DOMAIN}]}])
    assert seen == {token}


@pytest.mark.parametrize("target", [SERVICE, Url("https://a:1/own")], ids=["service", "url"])
@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(STAGES, 2)))
def test_another_stage_changes_what_it_must(old: str, new: str, target: Target) -> None:
    before, after = (made(target=target, policy=stage) for stage in (old, new))
    assert [restaged(VALIDATING_KIND, hook, new) for hook in before] == after
    assert registered_stage(after) == new
    assert {hook["failurePolicy"] for hook in after} == ({"Ignore", "Fail"} if new == "Fail" else {"Ignore"})


def as_read(hooks: list[Webhook]) -> list[Webhook]:
    """Return the webhooks as the API server stores them, with its defaults."""
    return [{**copy.deepcopy(hook), "namespaceSelector": {}, "objectSelector": {}} for hook in hooks]


def test_defaults_and_authorities_are_not_differences() -> None:
    present = as_read(made(bundle=b"another"))
    for hook in present:
        for field in ("matchPolicy", "scope"):
            hook.pop(field, None)
        for rule in hook["rules"]:
            rule.pop("scope")
        hook["clientConfig"]["service"].pop("port")
    assert differences(present, made(bundle=None)) == {}
    assert differences([FOREIGN, *reversed(present)], made(bundle=None)) == {}


EDITS: dict[str, tuple[Callable[[Webhook], Any], list[str]]] = {
    "policy": (lambda hook: hook.update(failurePolicy="Fail"), ["failurePolicy"]),
    "selector": (lambda hook: hook.update(namespaceSelector={"matchLabels": {"a": "b"}}), ["namespaceSelector"]),
    "rules": (lambda hook: hook["rules"].pop(), ["rules"]),
    "no rules": (lambda hook: hook.pop("rules"), ["rules"]),
    "timeout": (lambda hook: hook.pop("timeoutSeconds"), ["timeoutSeconds"]),
    "conditions": (lambda hook: hook.pop("matchConditions"), ["matchConditions"]),
    "another address": (lambda hook: hook["clientConfig"].update(url="https://x"), ["clientConfig"]),
    "another port": (lambda hook: hook["clientConfig"]["service"].update(port=1), ["clientConfig"]),
    "no authority": (lambda hook: hook["clientConfig"].pop("caBundle"), ["clientConfig.caBundle"]),
    "empty authority": (lambda hook: hook["clientConfig"].update(caBundle=""), ["clientConfig.caBundle"]),
    "no base64": (lambda hook: hook["clientConfig"].update(caBundle="-"), ["clientConfig.caBundle"]),
    "a new field": (lambda hook: hook.update(reinvocationPolicy="Never"), ["reinvocationPolicy"]),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_is_a_difference_and_is_repaired(case: str) -> None:
    edit, fields = EDITS[case]
    present = as_read(made())
    edit(present[0])
    desired = made(bundle=b"new")
    assert differences(present, desired) == {"pods.access.nadmit.io": fields}
    assert without_bundle(present, desired) == (["pods.access.nadmit.io"] if "caBundle" in fields[0] else [])
    mended = completed(present, desired)
    assert differences(mended, desired) == {}
    assert [bundle_of(hook) for hook in mended[1:]] == [b"pem"] * 14
    assert bundle_of(mended[0]) == (b"new" if "caBundle" in fields[0] else b"pem")


def test_absent_and_unknown_webhooks_of_ours_and_foreign_ones() -> None:
    present = [FOREIGN, *as_read(made())[1:], {**made()[0], "name": "older.nadmit.io"}]
    assert differences(present, made()) == {"pods.access.nadmit.io": ["absent"], "older.nadmit.io": ["unknown"]}
    mended = completed(present, made())
    assert [hook["name"] for hook in mended] == [*(hook.name for hook in VALIDATING_KIND.hooks), "other.example.com"]
    assert mended[-1] == FOREIGN


def test_the_stage() -> None:
    def said(value: str, *hooks: Webhook) -> Stage:
        return stage_of({"metadata": {"annotations": {"nadmit.io/failure-policy": value}}, "webhooks": list(hooks)})

    def without(*hooks: Webhook) -> Stage:
        assert stage_of({"metadata": {}, "webhooks": list(hooks)}) == stage_of(
            {"metadata": {"annotations": None}, "webhooks": list(hooks)}
        )
        return stage_of({"metadata": {}, "webhooks": list(hooks)})

    assert without() == without(FOREIGN) == without(*made(policy="Observe")) == Stage("Observe")
    assert without(*made()) == without(*made(policy="Fail")) == Stage("Ignore")
    assert without(*made(policy="Observe")[:1], *made()[1:]) == Stage("Ignore")
    assert said("Fail") == Stage("Fail")
    assert said("Ignore", *made(policy="Fail")) == Stage("Ignore")
    assert said("fail", *made(policy="Fail"))[0] == "Fail"
    assert said("fail", *made())[0] == "Ignore"
    assert said("fail", *made(policy="Observe"))[0] == "Observe"
    assert said("Observe", *made(policy="Fail")) == Stage("Observe")
    assert said("x\ny").problem == (
        "annotation nadmit.io/failure-policy: 'x\\\\ny' is not a stage; allowed: Observe, Ignore, Fail; Ignore stays"
    )
    assert registered_stage([]) == "Ignore"
    mixed = made(policy="Fail")
    mixed[0]["failurePolicy"] = "Ignore"
    assert registered_stage(mixed) == "Ignore"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("target", [SERVICE, Url("https://a:1"), Url("https://a:1/own/path")])
def test_the_target_is_read_from_registered_webhooks(kind: Kind, target: Target) -> None:
    assert target_of([FOREIGN, *made(kind, target)]) == target
    assert target_of([FOREIGN]) is None


@pytest.mark.parametrize("mode", ["Audit", "Warn", "Deny"])
@pytest.mark.parametrize("users", [(), (AGENT,), ("a", "b", 'o"dd\\é]')])
@pytest.mark.parametrize("groups", [(), ("agents",), ("x)", "y")])
def test_the_status_protection_is_read_from_registered_conditions(
    mode: str, users: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    protection = StatusProtection(mode, users, groups)
    written = [*conditions.pods(protection), *conditions.network_status(protection)]
    assert conditions.protection_of(written) == protection._replace(mode="Warn" if mode == "Audit" else mode)


@pytest.mark.parametrize("labels", [LISTED, LabelProtection(is_deny=True), UNPROTECTED], ids=repr)
def test_the_protection_of_labels_is_read_from_registered_conditions(labels: LabelProtection) -> None:
    assert conditions.label_protection_of([*conditions.refused_labels(labels), *conditions.labels(labels)]) == labels


def test_only_refused_labels_can_fail_closed() -> None:
    """Only changes by users without the right: a failing webhook must not keep an admin from changing a namespace."""
    assert conditions.refused_labels(UNPROTECTED)[0]["expression"] == "false"
    kept, opened = conditions.refused_labels(LISTED), conditions.labels(LISTED)
    assert kept[0] == opened[0] == conditions.labels(UNPROTECTED)[0]
    assert [condition["name"] for condition in kept[1:]] == ["not-listed", "no-listed-account"]
    assert [condition["name"] for condition in opened[1:]] == ["listed"]


def test_without_conditions_the_default_protection_is_read() -> None:
    off = StatusProtection("Off", (AGENT,))
    written = [*conditions.pods(off), *conditions.network_status(off)]
    assert conditions.protection_of(written) == StatusProtection("Off")
    assert conditions.protection_of([]) == StatusProtection()


@pytest.mark.parametrize("end", ["", "[", "7", "[1]"])
def test_conditions_of_others_have_no_status_writers(end: str) -> None:
    condition = {"name": "network-status", "expression": f"request.userInfo.username in {end}"}
    assert conditions.protection_of([condition]) == StatusProtection()


@pytest.mark.parametrize("mode", NETWORK_STATUS_MODES)
def test_only_mode_deny_may_fail_closed_for_a_network_status(mode: str) -> None:
    """Multus starts no pod whose status it cannot write."""
    found = {hook["name"]: hook for hook in webhooks(
        VALIDATING_KIND, SERVICE, ca_bundle=None, stage="Fail", protection=StatusProtection(mode)
    )}  # fmt: skip
    (staged,) = found["pods.access.nadmit.io"]["matchConditions"]
    assert ("network-status" in staged["expression"]) == (mode == "Deny")
    assert found["network-status.access.nadmit.io"]["failurePolicy"] == "Ignore"


def test_our_own_plugin_is_a_status_writer_as_the_manifests_install_it() -> None:
    documents = yaml.safe_load_all((MANIFESTS / "node" / "rbac.yaml").read_text())
    (account,) = (each["metadata"] for each in documents if each["kind"] == "ServiceAccount")
    assert f"system:serviceaccount:{account['namespace']}:{account['name']}" in PLUGIN_ACCOUNTS


def test_a_bundle_is_base64() -> None:
    assert base64.b64decode(made()[0]["clientConfig"]["caBundle"]) == b"pem"


def test_the_rotation_and_the_registration_agree_which_webhooks_are_ours() -> None:
    """`certs` does not import the webhook, so it has its own copy of the suffix."""
    assert cabundle.OWN_SUFFIX == DOMAIN
