"""When the API server calls: CEL expressions of `matchConditions` (Kubernetes 1.36; pure text).

A condition that fails to evaluate is a refusal (403) under failurePolicy Fail, so every field that may be absent is
read as an optional (`.?field`, `[?'key']`). Pods without network annotations, claims and extended resources never cause
a call that may fail closed, so the webhook cannot keep its own pods from starting. Nor does a change of
`network-status`, unless the mode is Deny: Multus starts no pod whose status it cannot write.

Conditions only save calls: the webhook decides the same for what passes them and need not be judged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from cniplugin.access.model.decision import NAME_LABEL
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS, NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.dra.drivers import KNOWN_DRIVERS
from webhook.admission.model.injection import INJECT, MIRROR
from webhook.admission.model.kinds import TEMPLATE_CONTROLLERS
from webhook.admission.view.statuswriters import MULTUS_GROUP, NODE_NAME, NODES_GROUP, PLUGIN_ACCOUNTS, STATUS

Condition = dict[str, str]
"""One element of `matchConditions`: name and expression."""

_STATUS = "network-status"
_OBSERVED = frozenset({"Audit", "Warn"})
"""Modes in which a network status is looked at, and never refused."""

NOT_COPIED: Condition = {
    "name": "not-copied-by-a-controller",
    "expression": f"!request.userInfo.username.startsWith('{TEMPLATE_CONTROLLERS}')",
}
"""Controllers copy what was judged when its author wrote it: a Deployment's template, a template's claim."""

_USERS = "request.userInfo.username in "
_IN_GROUPS = "request.userInfo.?groups.orValue([]).exists(group, "
_GROUPS = f"{_IN_GROUPS}group in "


class StatusProtection(NamedTuple):
    """Who may write `network-status`, and what becomes of others: see `admission.statuswriters`.

    `mode` is one of NETWORK_STATUS_MODES; `users` and `groups` are those that the configuration names.
    """

    mode: str = "Warn"
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class LabelProtection(NamedTuple):
    """Whether changes of labels of namespaces are refused, and to whom they are not (`namespaceLabels`).

    `accounts` are beginnings of names of users: `system:serviceaccount:net:` is every account of a namespace.
    """

    is_deny: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


def pods(protection: StatusProtection) -> tuple[Condition, ...]:
    """Return those of pods: networks on CREATE, what changes on UPDATE; under mode Deny the network status as well."""
    create, update = _any_own(NETWORKS, DEFAULT_NETWORK), _or(_changes(NETWORKS, DEFAULT_NETWORK))
    expression = f"request.operation == 'CREATE'\n  ? ({create})\n  : ({update})"
    if protection.mode == "Deny":
        expression = f"({expression})\n|| {_status_written(protection)}"
    return ({"name": "networks-or-their-status", "expression": expression},)


def network_status(protection: StatusProtection) -> tuple[Condition, ...]:
    """Return those of a network status that `pods` is not called for; none of any pod under mode Deny and Off."""
    if protection.mode not in _OBSERVED:
        return ({"name": "never", "expression": "false"},)
    return (
        {"name": _STATUS, "expression": _status_written(protection)},
        {"name": "no-networks", "expression": f"!({pods(StatusProtection('Off'))[0]['expression']})"},
    )


def devices() -> tuple[Condition, ...]:
    """Return those of new pods that name no network, but claims, or a resource that a DeviceClass may take for its own.

    Few of these get a network by their devices: most ask for a GPU.
    """
    return (
        {"name": "devices", "expression": _or(_devices("object.?spec"))},
        {"name": "no-networks", "expression": f"!({_any_own(NETWORKS, DEFAULT_NETWORK)})"},
    )


def claims() -> tuple[Condition, ...]:
    """Return those of ResourceClaims, their templates and DeviceClasses: configurations for a driver of networks."""
    return _claims(f"one.?opaque.?driver.orValue('') in {render_list(KNOWN_DRIVERS)}")


def other_claims() -> tuple[Condition, ...]:
    """Return those of claims for other drivers alone, such as those of GPUs and those that administrators describe."""
    known = _configured(f"one.?opaque.?driver.orValue('') in {render_list(KNOWN_DRIVERS)}")
    return (*_claims("has(one.opaque)"), {"name": "no-known-driver", "expression": f"!{known}"})


def _configured(term: str) -> str:
    place = "object.?spec.?devices.?config.or(object.?spec.?spec.?devices.?config).or(object.?spec.?config)"
    return f"{place}.orValue([]).exists(one, {term})"


def _claims(term: str) -> tuple[Condition, ...]:
    return (
        {
            "name": "configurations",
            "expression": (
                f"{_configured(term)}\n  && (request.operation == 'CREATE' || object.?spec != oldObject.?spec)"
            ),
        },
        {
            "name": NOT_COPIED["name"],
            "expression": f"request.resource.resource != 'resourceclaims' || {NOT_COPIED['expression']}",
        },
    )


def bindings() -> tuple[Condition, ...]:
    """Return those of Bindings: any of the annotations about networks."""
    present = _any_own(NETWORKS, DEFAULT_NETWORK, *NETWORK_STATUS_KEYS)
    return ({"name": "network-annotations", "expression": present},)


def workloads() -> tuple[Condition, ...]:
    """Return those of objects with a pod template: it has networks or devices, which are new or changed on UPDATE.

    The template of a PodTemplate is at the top, that of a CronJob inside its Job's, all others are in the spec. A kind
    has only one of the three, so one expression serves all.
    """
    terms = [
        f"({_template('object', key)}.hasValue() && (request.operation == 'CREATE' || "
        f"{_template('object', key)}.orValue('') != {_template('oldObject', key)}.orValue('')))"
        for key in (NETWORKS, DEFAULT_NETWORK)
    ]
    spec = f"{_template_of('object')}.?spec"
    is_changed = f"(request.operation == 'CREATE' || {spec} != {_template_of('oldObject')}.?spec)"
    terms += [f"({devices} && {is_changed})" for devices in _devices(spec)]
    return ({"name": "networks-in-template", "expression": _or(terms)}, NOT_COPIED)


def refused_labels(protection: LabelProtection) -> tuple[Condition, ...]:
    """Return those of namespaces whose labels change and may not: of none, unless changes are refused.

    NB: the API server does not ask about those who may, so no failure of ours keeps them from a namespace.
    """
    if not protection.is_deny:
        return ({"name": "labels-are-not-refused", "expression": "false"},)
    return (
        _LABELS_CHANGE,
        {"name": _NOT_LISTED, "expression": f"!({_listed_users(protection)})"},
        {"name": _NO_LISTED_ACCOUNT, "expression": f"{_NOT}{_listed_accounts(protection)}"},
    )


def labels(protection: LabelProtection) -> tuple[Condition, ...]:
    """Return those of namespaces whose labels change, as far as `refused_labels` has not asked for them."""
    if not protection.is_deny:
        return (_LABELS_CHANGE,)
    listed = _or([_listed_users(protection), _listed_accounts(protection)])
    return (_LABELS_CHANGE, {"name": "listed", "expression": listed})


def label_protection_of(conditions: Sequence[Condition]) -> LabelProtection:
    """Return what made the conditions of `refused_labels`; the default when that cannot be told."""
    by_name = {condition.get("name"): condition.get("expression", "") for condition in conditions}
    expression = by_name.get(_NOT_LISTED)
    if expression is None:
        return LabelProtection()
    return LabelProtection(
        is_deny=True,
        users=_read_list(expression, _USERS),
        groups=_read_list(expression, _GROUPS),
        accounts=_read_list(by_name.get(_NO_LISTED_ACCOUNT, ""), _NOT),
    )


def _listed_users(protection: LabelProtection) -> str:
    users, groups = (render_list(sorted(set(names))) for names in (protection.users, protection.groups))
    return _or([f"{_USERS}{users}", f"{_GROUPS}{groups})"])


def _listed_accounts(protection: LabelProtection) -> str:
    accounts = render_list(sorted(set(protection.accounts)))
    return f"{accounts}.exists(account, request.userInfo.username.startsWith(account))"


_NOT = "!"
_NOT_LISTED, _NO_LISTED_ACCOUNT = "not-listed", "no-listed-account"
_LABELS, _OLD_LABELS = (f"{thing}.metadata.?labels.orValue({{}})" for thing in ("object", "oldObject"))
_LABELS_CHANGE: Condition = {
    "name": "labels-change",
    "expression": (
        f"request.operation == 'CREATE'\n  ? {_LABELS}.exists(key, key != '{NAME_LABEL}')\n"
        f"  : {_LABELS} != {_OLD_LABELS}"
    ),
}


def injection(*, has_status: bool = False) -> tuple[Condition, ...]:
    """Return those of pods that may be changed: not the image of a static pod, none that opts out.

    Whoever opts out is judged all the same: these conditions are of injection only. Another spelling of "false" costs a
    call, and also opts out. `has_status`: nobody opts out of losing a network status that comes with the pod.
    """
    or_status = f" || {_any_own(*NETWORK_STATUS_KEYS)}" if has_status else ""
    return (
        {"name": "not-a-static-pod", "expression": f"!{_own(MIRROR)}.hasValue(){or_status}"},
        {"name": "not-opted-out", "expression": f"{_own(INJECT)}.orValue('') != 'false'{or_status}"},
    )


def injection_of_networks() -> tuple[Condition, ...]:
    """Return those of pods that name networks, and may be changed."""
    return ({"name": "networks", "expression": _any_own(NETWORKS, DEFAULT_NETWORK)}, *injection())


def injection_of_defaults(protection: StatusProtection) -> tuple[Condition, ...]:
    """Return those of all pods that may be changed, and of those whose network status may be dropped."""
    return injection(has_status=protection.mode in {"Warn", "Deny"})


def protection_of(conditions: Sequence[Condition]) -> StatusProtection:
    """Return what made the conditions of `pods` and `network_status`; the default when that cannot be told.

    NB: those of mode Audit are those of Warn.
    """
    by_name = {condition.get("name"): condition.get("expression", "") for condition in conditions}
    expression, mode = by_name.get("networks-or-their-status", ""), "Deny"
    if NETWORK_STATUS not in expression:
        expression, mode = by_name.get(_STATUS, ""), "Off" if "never" in by_name else "Warn"
    return StatusProtection(mode, _read_list(expression, _USERS), _read_list(expression, _GROUPS))


def render_list(names: Sequence[str]) -> str:
    """Return a CEL list of strings. The escapes of JSON are escapes of CEL as well; other characters stay."""
    return json.dumps(list(names), ensure_ascii=False)


def _read_list(expression: str, beginning: str) -> tuple[str, ...]:
    """Return the first list that comes behind a beginning; () if there is none."""
    _, found, rest = expression.partition(beginning)
    try:
        value, _ = json.JSONDecoder().raw_decode(rest) if found else ([], 0)
    except ValueError:
        return ()
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _status_written(protection: StatusProtection) -> str:
    """Return what says that somebody without the right to it brings, changes or takes away a network status.

    It is `statuswriters.is_writer` in CEL, and spares a call for each pod that is attached.
    """
    keys = _list(NETWORK_STATUS_KEYS)
    new, old = "object.metadata.?annotations[?key].orValue('')", "oldObject.metadata.?annotations[?key].orValue('')"
    written = f"{keys}.exists(key, {new} != (request.operation == 'CREATE' ? '' : {old}))"
    writers = [f"{_IN_GROUPS}group == '{NODES_GROUP}')"]
    if protection.users:
        writers.append(_USERS + render_list(sorted(set(protection.users))))
    if protection.groups:
        writers.append(f"{_GROUPS}{render_list(sorted(set(protection.groups)))})")
    plugins = (
        f"{_list(PLUGIN_ACCOUNTS)}.exists(account, account == request.userInfo.username)",
        f"{_IN_GROUPS}group == '{MULTUS_GROUP}')",
        f"request.userInfo.?extra[?'{NODE_NAME}'].orValue([]).exists(node, node == object.spec.?nodeName.orValue(''))",
    )
    writers.append(f"request.?subResource.orValue('') == '{STATUS}' && ({_or(plugins)})")
    return f"({written}\n     && !({_or(writers)}))"


def _list(texts: Sequence[str]) -> str:
    """Return a CEL list of our own texts, in which nothing needs an escape."""
    return f"[{', '.join(map(repr, texts))}]"


def _changes(*keys: str) -> list[str]:
    return [f"{_own(key)}.orValue('') != {_old(key)}.orValue('')" for key in keys]


def _own(key: str) -> str:
    return f"object.metadata.?annotations[?'{key}']"


def _old(key: str) -> str:
    return f"oldObject.metadata.?annotations[?'{key}']"


def _any_own(*keys: str) -> str:
    return " || ".join(f"{_own(key)}.hasValue()" for key in keys)


def _or(terms: Sequence[str]) -> str:
    return "\n     || ".join(terms)


def _template(of: str, key: str) -> str:
    return f"{_template_of(of)}.?metadata.?annotations[?'{key}']"


def _template_of(of: str) -> str:
    return f"{of}.?spec.?template.or({of}.?template).or({of}.?spec.?jobTemplate.?spec.?template)"


def _devices(spec: str) -> list[str]:
    """Return what a pod's spec may bring networks by: claims, and resources with a domain in their names."""
    named = (
        "[one.?resources.?requests.orValue({}), one.?resources.?limits.orValue({})]"
        ".exists(amounts, amounts.exists(name, name.contains('/')))"
    )
    return [
        f"{spec}.?resourceClaims.orValue([]).size() > 0",
        *(f"{spec}.?{containers}.orValue([]).exists(one, {named})" for containers in ("containers", "initContainers")),
    ]
