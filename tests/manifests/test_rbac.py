"""Accounts have exactly the rights that they use: each grant is a row of `verbs_used`, and each row is granted."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from .rendered import Object, find, render
from .verbs_used import HOOKS, OWN, REPORT_KINDS, REPORT_VERBS_USED, VERBS_USED, Use

pytestmark = pytest.mark.slow
Grant = tuple[str, str, str, str, str]
"""Group, resource, verb, namespace, name."""


def granted(name: str, account: str) -> list[Grant]:
    """Return the grants of a build's roles to a service account, a row for each verb."""
    objects = render(name)
    roles = {
        (value["kind"], value["metadata"].get("namespace", ""), value["metadata"]["name"]): value["rules"]
        for value in objects
        if value["kind"] in {"Role", "ClusterRole"}
    }
    found: list[Grant] = []
    for binding in (value for value in objects if value["kind"] in {"RoleBinding", "ClusterRoleBinding"}):
        if account not in {subject["name"] for subject in binding["subjects"]}:
            continue
        namespace = binding["metadata"].get("namespace", "")
        kind = binding["roleRef"]["kind"]
        rules = roles[kind, namespace if kind == "Role" else "", binding["roleRef"]["name"]]
        found += [grant for rule in rules for grant in _rows(rule, namespace)]
    return found


def _rows(rule: Object, namespace: str) -> list[Grant]:
    assert set(rule) <= {"apiGroups", "resources", "verbs", "resourceNames"}
    names = rule.get("resourceNames", [""])
    product = itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"], names)
    return [(group, resource, verb, namespace, name) for group, resource, verb, name in product]


def _row(use: Use) -> Grant:
    return use.group, use.resource, use.verb, use.namespace, use.name


def test_the_webhook_may_do_what_it_does() -> None:
    assert Counter(granted(".", "nadmit-webhook")) == Counter(_row(use) for use in VERBS_USED)


def test_with_cert_manager_no_secret_with_a_key() -> None:
    """The tokens of the paths are in a Secret of their own."""
    renamed = (use._replace(name="nadmit-path-tokens") if use.resource == "secrets" else use for use in VERBS_USED)
    wanted = [_row(use) for use in renamed]
    assert Counter(granted("overlays/cert-manager", "nadmit-webhook")) == Counter(wanted)


def test_registered_by_hand_no_webhook_configuration() -> None:
    wanted = [_row(use) for use in VERBS_USED if use.group != HOOKS]
    assert Counter(granted("overlays/registered-by-hand", "nadmit-webhook")) == Counter(wanted)
    kinds = {value["kind"] for value in render("overlays/registered-by-hand")}
    assert not {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} & kinds
    assert "ValidatingAdmissionPolicy" in kinds


def test_with_reports_it_may_write_reports_and_nothing_else() -> None:
    wanted = [_row(use) for use in (*VERBS_USED, *REPORT_VERBS_USED)]
    found = granted("overlays/reports", "nadmit-webhook")
    assert Counter(found) == Counter(wanted)
    more = Counter(found) - Counter(granted(".", "nadmit-webhook"))
    writes = {(group, resource) for group, resource, verb, _, _ in more if verb not in {"get", "list"}}
    assert writes == set(REPORT_KINDS)


@pytest.mark.parametrize(("build", "account"), [(".", "nadmit-webhook"), ("node", "nadmit-node")])
def test_no_grant_is_broad(build: str, account: str) -> None:
    for group, resource, verb, namespace, name in granted(build, account):
        assert "*" not in {group, resource, verb, name}
        assert verb not in {"escalate", "bind", "impersonate", "delete", "deletecollection"}
        if resource in {"secrets", "leases", "configmaps"}:
            assert (namespace, bool(name)) == (OWN, True)
        if resource.endswith("webhookconfigurations"):
            assert name == "nadmit"
        if verb == "create":
            assert resource == "events", "RBAC cannot limit it to a name"


def test_subjects_and_roles_are_there() -> None:
    for build in (".", "node"):
        objects = render(build)
        known = {(value["kind"], value["metadata"]["name"]) for value in objects}
        for binding in (value for value in objects if "roleRef" in value):
            assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in known
            for subject in binding["subjects"]:
                account = find(build, subject["kind"], subject["name"])
                assert account["metadata"]["namespace"] == subject["namespace"]


def test_every_named_object_exists() -> None:
    """Each grant names an object that exists; otherwise the program could not start."""
    kinds = {
        "secrets": "Secret",
        "leases": "Lease",
        "configmaps": "ConfigMap",
        "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
        "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
    }
    for _group, resource, _verb, namespace, name in granted(".", "nadmit-webhook"):
        if name:
            assert find(".", kinds[resource], name)["metadata"].get("namespace", "") == namespace
