"""The rights of the webhook's account: all that `nadmit serve` uses with the options that it has.

The API server answers for the account (SubjectAccessReview). If the caller may not ask that, the roles of the manifests
are read and compared. A test compares `needed` with the roles of each overlay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.access.model.policyrules import GROUP as ACCESS
from cniplugin.netspec.netattachdef import GROUP as NETWORKS
from webhook.admission.dra.claims import GROUP as DEVICES
from webhook.admission.templates.workloadtable import KUBEVIRT
from webhook.kube.apierrors import ForbiddenError
from webhook.kube.resources import ObjectPath, Resource
from webhook.openreports.reportform import APIS
from webhook.policystatus.statuswriter import LEASE
from webhook.registration.configurations import GROUP as HOOKS
from webhook.registration.tables import KINDS
from webhook.report.scan.stock import DNS_SERVICES
from webhook.report.topology.graph import POOL_GROUP

from .asking import Asking
from .installation import Installation
from .results import Result, error, listed, ok, unknown

CHECK = "rights"
EVENTS = "events.k8s.io"
APPLY = "kubectl apply -k manifests, or the directory that you have installed: it has the roles"

_REVIEWS = "authorization.k8s.io"
SUBJECT = Resource("SubjectAccessReview", _REVIEWS, "v1", "subjectaccessreviews")
SELF = Resource("SelfSubjectAccessReview", _REVIEWS, "v1", "selfsubjectaccessreviews")

_RBAC = "rbac.authorization.k8s.io"
_ROLES = {
    "ClusterRole": Resource("clusterroles", _RBAC, "v1", "clusterroles"),
    "Role": Resource("roles", _RBAC, "v1", "roles"),
}
_BINDINGS = {
    "ClusterRole": Resource("clusterrolebindings", _RBAC, "v1", "clusterrolebindings"),
    "Role": Resource("rolebindings", _RBAC, "v1", "rolebindings"),
}
FOLLOW = ("get", "list", "watch")

Object = dict[str, Any]


class Right(NamedTuple):
    """One verb on one resource. `namespace` is "" for all, and `name` for any."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        title = f"{self.resource}.{self.group}" if self.group else self.resource
        where = "/".join(filter(None, (self.namespace, self.name)))
        return " ".join(filter(None, (self.verb, title, where)))


def needed(options: Mapping[str, str], namespace: str) -> list[Right]:
    """Return the rights that `nadmit serve --cluster` uses with these options."""
    rights = [
        *_each(NETWORKS, ("network-attachment-definitions",), FOLLOW),
        *_each("", ("namespaces",), FOLLOW),
        *_each(DEVICES, ("resourceclaims", "resourceclaimtemplates", "deviceclasses"), FOLLOW),
        *_each(ACCESS, ("networkattachmentpolicies", "networkattachmentpolicyconfigs"), ("list", "watch")),
    ]
    if "no-watch-pods" not in options and options.get("network-in-use") != "Off":
        rights += _each("", ("pods",), ("list", "watch"))
    if name := options.get("webhook-configuration"):
        rights += _each(HOOKS, [kind.resource for kind in KINDS], (*FOLLOW, "patch"), name=name)
    for option in ("tls-secret", "path-token-secret"):
        if name := options.get(option):
            rights += _each("", ("secrets",), (*FOLLOW, "update"), namespace, name)
    if "write-status" in options:
        status = ("networkattachmentpolicies/status", "networkattachmentpolicyconfigs/status")
        rights += _each(ACCESS, status, ("patch",))
        rights += _each(EVENTS, ("events",), ("create",), "default")
        rights += _each("coordination.k8s.io", ("leases",), (*FOLLOW, "patch"), namespace, LEASE)
    if name := options.get("config-map"):
        rights += _each("", ("configmaps",), (*FOLLOW, "patch"), namespace, name)
        rights += _each(EVENTS, ("events",), ("create",), namespace)
    if name := options.get("would-refuse-map"):
        rights += _each("", ("configmaps",), ("get", "patch"), namespace, name)
    if "reports" in options:
        rights += _of_reports()
    return rights


def _of_reports() -> Iterator[Right]:
    """Yield the rights to take stock and to write reports."""
    for api in APIS:
        yield from _each(api.group, [kind.plural for kind in api.kinds], ("list", "create", "patch", "delete"))
    for group, resources in _COUNTED.items():
        yield from _each(group, resources, ("list",))
    for _, name in DNS_SERVICES:
        yield from _each("", ("services",), ("get",), name=name)


_COUNTED = {
    "apps": ("deployments", "statefulsets", "daemonsets", "replicasets"),
    "batch": ("cronjobs", "jobs"),
    "": ("replicationcontrollers", "podtemplates"),
    KUBEVIRT: ("virtualmachines",),
    NETWORKS: ("multi-networkpolicies",),
    POOL_GROUP: ("ippools",),
}
"""What `nadmit scan` lists besides the kinds that are watched."""


def _each(
    group: str, resources: Iterable[str], verbs: Iterable[str], namespace: str = "", name: str = ""
) -> list[Right]:
    return [Right(group, resource, verb, namespace, name) for resource in resources for verb in verbs]


def check(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Ask for each right of the webhook's account."""
    rights = needed(installed.options, installed.namespace)
    who = f"account {installed.namespace}/{installed.account}"
    try:
        missing = [right for right in rights if not _may(asking, SUBJECT, right, _subject(installed))]
    except ForbiddenError as forbidden:
        try:
            grants = list(_granted(asking, installed))
        except ForbiddenError:
            yield unknown(CHECK, f"{who}: {forbidden}")
            return
        missing = [right for right in rights if not any(_covers(rule, right, where) for rule, where in grants)]
        who += ", by its roles alone"
    yield _result(who, rights, missing, f"--as={installed.user} ")


def check_own(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Ask for each right of the own account, which every account may."""
    rights = needed(installed.options, installed.namespace)
    missing = [right for right in rights if not _may(asking, SELF, right, {})]
    yield _result("this account", rights, missing, "")


def _result(who: str, rights: Sequence[Right], missing: Sequence[Right], as_user: str) -> Result:
    if not missing:
        return ok(CHECK, f"{who} has all {len(rights)} rights that it uses")
    first = missing[0]
    title = f"{first.resource}.{first.group}" if first.group else first.resource
    named = f"{title}/{first.name}" if first.name and "/" not in first.resource else title
    where = f" -n {first.namespace}" if first.namespace else ""
    return error(
        CHECK,
        f"{who} lacks {len(missing)} of {len(rights)} rights: {listed([str(right) for right in missing])}",
        APPLY,
        f"then ask again: kubectl auth can-i {first.verb} {named} {as_user}{where}".rstrip().replace("  ", " "),
    )


def _subject(installed: Installation) -> Object:
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{installed.namespace}", "system:authenticated"]
    return {"user": installed.user, "groups": groups}


def _may(asking: Asking, resource: Resource, right: Right, subject: Object) -> bool:
    plural, _, subresource = right.resource.partition("/")
    attributes = {
        "group": right.group,
        "resource": plural,
        "subresource": subresource,
        "verb": right.verb,
        "namespace": right.namespace,
        "name": right.name,
    }
    asked = {key: value for key, value in attributes.items() if value}
    return bool(asking.review(resource, {**subject, "resourceAttributes": asked}).get("allowed"))


# By the roles of the manifests

_SHIPPED = (
    ("ClusterRole", "", "nadmit-webhook"),
    ("ClusterRole", "", "nadmit-webhook-reports"),
    ("Role", "{own}", "nadmit-webhook"),
    ("Role", "default", "nadmit-webhook-events"),
)


def _granted(asking: Asking, installed: Installation) -> Iterator[tuple[Object, str]]:
    """Yield the rules of the roles of the manifests that are bound to the account, each with its namespace."""
    for kind, where, name in _SHIPPED:
        namespace = where.format(own=installed.namespace)
        binding = asking.get(ObjectPath(_BINDINGS[kind], namespace, name))
        role = asking.get(ObjectPath(_ROLES[kind], namespace, name))
        subjects = {(one.get("namespace"), one.get("name")) for one in (binding or {}).get("subjects") or ()}
        if (installed.namespace, installed.account) in subjects:
            yield from ((rule, namespace) for rule in (role or {}).get("rules") or ())


def _covers(rule: Object, right: Right, namespace: str) -> bool:
    """Say whether a rule of a role grants a right. `namespace`: of the role, "" for a ClusterRole."""
    asked = {"apiGroups": right.group, "resources": right.resource, "verbs": right.verb}
    names = rule.get("resourceNames") or ()
    return (
        all({value, "*"}.intersection(rule.get(key) or ()) for key, value in asked.items())
        and (not names or right.name in names)
        and namespace in {"", right.namespace}
    )
