"""The `matchConditions` of the webhooks: CEL expressions that say when the API server calls (Kubernetes 1.36; pure).

A condition that fails to evaluate is a refusal (403) under failurePolicy Fail, so every field that may be absent is
read as an optional (`.?field`, `[?'key']`). Pods without network annotations, claims and extended resources never cause
a call that may fail closed, so the webhook cannot keep its own pods from starting. Neither does a change of
`network-status`, unless the mode is Deny: Multus starts no pod whose status it cannot write.

Conditions only save calls. The webhook allows every object that they filter out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cniplugin.access.model.decision import NAME_LABEL
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS, NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.dra.drivers import KNOWN_DRIVERS
from webhook.admission.model.injection import INJECT, MIRROR
from webhook.admission.model.kinds import TEMPLATE_CONTROLLERS
from webhook.admission.templates.podtemplates import EACH_ITEM, EACH_VALUE, TemplatePath
from webhook.admission.view.statuswriters import MULTUS_GROUP, NODE_NAME, NODES_GROUP, PLUGIN_ACCOUNTS, STATUS

Condition = dict[str, str]
"""One element of `matchConditions`: name and expression."""

_STATUS = "network-status"
_OBSERVED = frozenset({"Audit", "Warn"})
"""Modes in which a network status is observed, and never refused."""

NOT_COPIED: Condition = {
    "name": "not-copied-by-a-controller",
    "expression": f"!request.userInfo.username.startsWith('{TEMPLATE_CONTROLLERS}')",
}
"""Controllers copy objects that were judged when their authors wrote them: a template, a template's claim."""

_USERS = "request.userInfo.username in "
_IN_GROUPS = "request.userInfo.?groups.orValue([]).exists(group, "
_GROUPS = f"{_IN_GROUPS}group in "


class StatusProtection(NamedTuple):
    """Who may write `network-status`, and what happens to others: see `admission.view.statuswriters`.

    `mode` is one of NETWORK_STATUS_MODES; `users` and `groups` are those of the configuration.
    """

    mode: str = "Warn"
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class LabelProtection(NamedTuple):
    """Whether changes of labels of namespaces are refused, and who may make them (`namespaceLabels`).

    `accounts` are prefixes of user names: `system:serviceaccount:net:` means every account of a namespace.
    """

    is_deny: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


def pods(protection: StatusProtection) -> tuple[Condition, ...]:
    """Return the conditions of pods: networks on CREATE, changes on UPDATE, and under mode Deny the network status."""
    create, update = _any_own(NETWORKS, DEFAULT_NETWORK), _or(_changes(NETWORKS, DEFAULT_NETWORK))
    expression = f"request.operation == 'CREATE'\n  ? ({create})\n  : ({update})"
    if protection.mode == "Deny":
        expression = f"({expression})\n|| {_status_written(protection)}"
    return ({"name": "networks-or-their-status", "expression": expression},)


def network_status(protection: StatusProtection) -> tuple[Condition, ...]:
    """Return the conditions of a network status for which `pods` is not called. Modes Deny and Off match no pod."""
    if protection.mode not in _OBSERVED:
        return ({"name": "never", "expression": "false"},)
    return (
        {"name": _STATUS, "expression": _status_written(protection)},
        {"name": "no-networks", "expression": f"!({pods(StatusProtection('Off'))[0]['expression']})"},
    )


def devices() -> tuple[Condition, ...]:
    """Return the conditions of new pods without networks, but with claims or a resource that a DeviceClass may name.

    Few of these get a network by their devices: most ask for a GPU.
    """
    return (
        {"name": "devices", "expression": _or(_devices("object.?spec"))},
        {"name": "no-networks", "expression": f"!({_any_own(NETWORKS, DEFAULT_NETWORK)})"},
    )


def claims() -> tuple[Condition, ...]:
    """Return the conditions of ResourceClaims, templates and DeviceClasses: a configuration for a network driver."""
    return _claims(f"one.?opaque.?driver.orValue('') in {render_list(KNOWN_DRIVERS)}")


def other_claims() -> tuple[Condition, ...]:
    """Return the conditions of claims for other drivers only, such as GPUs and those that administrators describe."""
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
    """Return the conditions of Bindings: any annotation about networks."""
    present = _any_own(NETWORKS, DEFAULT_NETWORK, *NETWORK_STATUS_KEYS)
    return ({"name": "network-annotations", "expression": present},)


def workloads() -> tuple[Condition, ...]:
    """Return the conditions of objects with a pod template: networks or devices, on UPDATE if they have changed.

    Networks of the object itself, or of the jobs of a CronJob, are in the wrong place, and get a warning.

    The template of a PodTemplate is at the top, that of a CronJob inside its Job's, all others are in the spec. A kind
    has only one of the three, so one expression covers all.
    """
    terms = [
        f"({place('object', key)}.hasValue() && (request.operation == 'CREATE' || "
        f"{place('object', key)}.orValue('') != {place('oldObject', key)}.orValue('')))"
        for place in (_template, _workload, _jobs)
        for key in (NETWORKS, DEFAULT_NETWORK)
    ]
    spec = f"{_template_of('object')}.?spec"
    is_changed = f"(request.operation == 'CREATE' || {spec} != {_template_of('oldObject')}.?spec)"
    terms += [f"({devices} && {is_changed})" for devices in _devices(spec)]
    return ({"name": "networks-in-template", "expression": _or(terms)}, NOT_COPIED)


def other_workloads(paths: Iterable[TemplatePath]) -> tuple[Condition, ...]:
    """Return the conditions of objects with pod templates at any of these paths: networks or claims, if they change.

    Networks of the object itself are in the wrong place, and get a warning.
    """
    terms = [f"object{_NAMED}"]
    for path in dict.fromkeys(paths):
        terms += [_at("object", path, term) for term in (_NAMED, ".?spec.?resourceClaims.orValue([]).size() > 0")]
    return (_SPEC_CHANGES, {"name": "networks-in-templates", "expression": _or(terms)}, NOT_COPIED)


def own_workloads() -> tuple[Condition, ...]:
    """Return the conditions of the kinds that an admin describes, which are written seldom."""
    return (_SPEC_CHANGES, NOT_COPIED)


def machines() -> tuple[Condition, ...]:
    """Return the conditions of virtual machines with networks, and of what gives annotations to machines.

    The machine of an instance is the object itself. NB: instances have no status subresource, so that each change of
    their status is an UPDATE of the whole object.
    """
    new, old = _machine("object"), _machine("oldObject")
    networks = f"{new}.?spec.or(object.?spec).?networks.orValue([]).exists(one, has(one.multus))"
    annotated = [
        f"{place('object', key)}.hasValue()" for place in _MACHINE_PLACES for key in (NETWORKS, DEFAULT_NETWORK)
    ]
    claims = f"{new}.?spec.or(object.?spec).?resourceClaims.orValue([]).size() > 0"
    fields = (".?networks", ".?domain.?devices.?interfaces", ".?resourceClaims")
    changed = [f"{new}.?spec.or(object.?spec){one} != {old}.?spec.or(oldObject.?spec){one}" for one in fields]
    changed += [
        f"{place('object', key)} != {place('oldObject', key)}"
        for place in _MACHINE_PLACES
        for key in (NETWORKS, DEFAULT_NETWORK)
    ]
    return (
        {"name": "networks", "expression": _or([networks, *annotated, claims])},
        {"name": "new-or-changed", "expression": _or(["request.operation == 'CREATE'", *changed])},
        NOT_COPIED,
    )


def refused_labels(protection: LabelProtection) -> tuple[Condition, ...]:
    """Return the conditions of namespaces whose labels are changed by a user without the right to do so.

    They match nothing unless changes are refused. NB: the API server does not call for users with the right, so a
    failure of ours cannot keep them from changing a namespace.
    """
    if not protection.is_deny:
        return ({"name": "labels-are-not-refused", "expression": "false"},)
    return (
        _LABELS_CHANGE,
        {"name": _NOT_LISTED, "expression": f"!({_listed_users(protection)})"},
        {"name": _NO_LISTED_ACCOUNT, "expression": f"{_NOT}{_listed_accounts(protection)}"},
    )


def labels(protection: LabelProtection) -> tuple[Condition, ...]:
    """Return the conditions of namespaces whose labels change, except those that `refused_labels` matches."""
    if not protection.is_deny:
        return (_LABELS_CHANGE,)
    listed = _or([_listed_users(protection), _listed_accounts(protection)])
    return (_LABELS_CHANGE, {"name": "listed", "expression": listed})


def label_protection_of(conditions: Sequence[Condition]) -> LabelProtection:
    """Return the protection from which the conditions of `refused_labels` were made; the default if it is not clear."""
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
_LABELS, _OLD_LABELS = (f"{version}.metadata.?labels.orValue({{}})" for version in ("object", "oldObject"))
_LABELS_CHANGE: Condition = {
    "name": "labels-change",
    "expression": (
        f"request.operation == 'CREATE'\n  ? {_LABELS}.exists(key, key != '{NAME_LABEL}')\n"
        f"  : {_LABELS} != {_OLD_LABELS}"
    ),
}


def injection(*, has_status: bool = False) -> tuple[Condition, ...]:
    """Return the conditions of pods that may be changed: not a mirror of a static pod, and none that opts out.

    They are for injection only: a pod that opts out is still judged. Another spelling of "false" causes a call, and
    also opts out. `has_status`: also match pods with a network status, because opting out does not keep it.
    """
    or_status = f" || {_any_own(*NETWORK_STATUS_KEYS)}" if has_status else ""
    return (
        {"name": "not-a-static-pod", "expression": f"!{_own(MIRROR)}.hasValue(){or_status}"},
        {"name": "not-opted-out", "expression": f"{_own(INJECT)}.orValue('') != 'false'{or_status}"},
    )


def injection_of_networks() -> tuple[Condition, ...]:
    """Return the conditions of pods that name networks and may be changed."""
    return ({"name": "networks", "expression": _any_own(NETWORKS, DEFAULT_NETWORK)}, *injection())


def injection_of_defaults(protection: StatusProtection) -> tuple[Condition, ...]:
    """Return the conditions of all pods that may be changed, or whose network status may be dropped."""
    return injection(has_status=protection.mode in {"Warn", "Deny"})


def protection_of(conditions: Sequence[Condition]) -> StatusProtection:
    """Return the protection from which the conditions of `pods` and `network_status` were made; the default if unclear.

    NB: modes Audit and Warn have the same conditions.
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
    """Return the first list after a prefix of an expression; () without one."""
    _, found, rest = expression.partition(beginning)
    try:
        value, _ = json.JSONDecoder().raw_decode(rest) if found else ([], 0)
    except ValueError:
        return ()
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _status_written(protection: StatusProtection) -> str:
    """Return the expression for: a user without the right to do so adds, changes or removes a network status.

    It is `statuswriters.is_writer` in CEL, and saves a call for each pod that is attached.
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
    """Return a CEL list of texts of ours, which need no escapes."""
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


def _workload(of: str, key: str) -> str:
    return f"{of}.metadata.?annotations[?'{key}']"


def _jobs(of: str, key: str) -> str:
    return f"{of}.?spec.?jobTemplate.?metadata.?annotations[?'{key}']"


def _template_of(of: str) -> str:
    return f"{of}.?spec.?template.or({of}.?template).or({of}.?spec.?jobTemplate.?spec.?template)"


_NAMED = f".?metadata.?annotations.orValue({{}}).exists(key, key in {_list((NETWORKS, DEFAULT_NETWORK))})"
"""Follows an object, or an optional: it names networks."""

_SPEC_CHANGES: Condition = {
    "name": "new-or-changed",
    "expression": "request.operation == 'CREATE' || object.?spec != oldObject.?spec",
}


def _at(of: str, path: TemplatePath, term: str) -> str:
    """Return an expression for: a place of a path has a property. `term` follows the place, which is an optional."""
    place = of
    for number, step in enumerate(path):
        one, rest = f"one{number}", path[number + 1 :]
        if step == EACH_ITEM:
            return f"{place}.orValue([]).exists({one}, {_at(one, rest, term)})"
        if step == EACH_VALUE:
            return f"{place}.orValue({{}}).exists({one}, {_at(f'{place}[?{one}]', rest, term)})"
        place += f".?{step}" if step.isidentifier() else f"[?'{step}']"
    return f"{place}{term}"


def _machine(of: str) -> str:
    """Return the template of a machine, an optional that is empty for an instance."""
    return f"{of}.?spec.?virtualMachineTemplate.?spec.?template.or({of}.?spec.?template)"


def _of_machine(of: str, key: str) -> str:
    return f"{_machine(of)}.?metadata.?annotations[?'{key}']"


def _of_preference(of: str, key: str) -> str:
    return f"{of}.?spec.?annotations[?'{key}']"


_MACHINE_PLACES = (_of_machine, _workload, _of_preference)
"""Where machines have annotations: their template, the object itself, and what they prefer."""


def _devices(spec: str) -> list[str]:
    """Return expressions for devices, which may attach networks: claims, and resources with a domain in their names."""
    named = (
        "[one.?resources.?requests.orValue({}), one.?resources.?limits.orValue({})]"
        ".exists(amounts, amounts.exists(name, name.contains('/')))"
    )
    return [
        f"{spec}.?resourceClaims.orValue([]).size() > 0",
        *(f"{spec}.?{containers}.orValue([]).exists(one, {named})" for containers in ("containers", "initContainers")),
    ]
