"""When the API server calls: CEL expressions of `matchConditions` (Kubernetes 1.36; pure text).

A condition that fails to evaluate is a refusal (403) under failurePolicy Fail, so every field that may be absent is
read as an optional (`.?field`, `[?'key']`). Pods without network annotations, claims and extended resources never cause
a call that may fail closed, so the webhook cannot keep its own pods from starting.

Conditions only save calls: the webhook decides the same for what passes them and need not be judged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS, NETWORKS
from webhook.admission.injection import INJECT, MIRROR

Condition = dict[str, str]
"""One element of `matchConditions`: name and expression."""

TEMPLATE_CONTROLLERS = "system:serviceaccount:kube-system:"
"""Prefix of the users whose templates are copies of what was judged already, such as a ReplicaSet's."""

NOT_COPIED: Condition = {
    "name": "not-copied-by-a-controller",
    "expression": f"!request.userInfo.username.startsWith('{TEMPLATE_CONTROLLERS}')",
}
"""Controllers copy what was judged when its author wrote it: a Deployment's template, a template's claim."""

_WRITERS = "request.userInfo.username in "


def pods(status_writers: Sequence[str]) -> tuple[Condition, ...]:
    """Return those of pods: networks and devices on CREATE, what changes on UPDATE.

    A claim may bring a network, and so may an extended resource, which any DeviceClass can take for its own. A change
    of `network-status` counts unless a node made it, or one of `status_writers` (user names); each pod that is attached
    is such a change.
    """
    changes = [f"{_own(key)}.orValue('') != {_old(key)}.orValue('')" for key in (NETWORKS, DEFAULT_NETWORK)]
    trusted = "'system:nodes' in request.userInfo.groups"
    if status_writers:
        trusted += f" || {_WRITERS}{render_list(sorted(set(status_writers)))}"
    forged = f"(!({trusted}) && {_own(NETWORK_STATUS)}.orValue('') != {_old(NETWORK_STATUS)}.orValue(''))"
    asked = _or([_any_own(NETWORKS, DEFAULT_NETWORK), *_devices("object.?spec")])
    expression = f"request.operation == 'CREATE'\n  ? ({asked})\n  : ({_or([*changes, forged])})"
    return ({"name": "networks-or-their-status", "expression": expression},)


def claims() -> tuple[Condition, ...]:
    """Return those of ResourceClaims, their templates and DeviceClasses: configurations, on UPDATE a changed spec."""
    place = "object.?spec.?devices.?config.or(object.?spec.?spec.?devices.?config).or(object.?spec.?config)"
    return (
        {
            "name": "configurations",
            "expression": (
                f"{place}.orValue([]).exists(one, has(one.opaque))\n"
                "  && (request.operation == 'CREATE' || object.?spec != oldObject.?spec)"
            ),
        },
        {
            "name": NOT_COPIED["name"],
            "expression": f"request.resource.resource != 'resourceclaims' || {NOT_COPIED['expression']}",
        },
    )


def bindings() -> tuple[Condition, ...]:
    """Return those of Bindings: any of the three annotations."""
    present = _any_own(NETWORKS, DEFAULT_NETWORK, NETWORK_STATUS)
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


def injection() -> tuple[Condition, ...]:
    """Return those of pods that may be changed: not the image of a static pod, none that opts out.

    Whoever opts out is judged all the same: these conditions are of injection only. Another spelling of "false" costs a
    call, and is an opt-out, too.
    """
    return (
        {"name": "not-a-static-pod", "expression": f"!{_own(MIRROR)}.hasValue()"},
        {"name": "not-opted-out", "expression": f"{_own(INJECT)}.orValue('') != 'false'"},
    )


def injection_of_networks() -> tuple[Condition, ...]:
    """Return those of pods that name networks, and may be changed."""
    return ({"name": "networks", "expression": _any_own(NETWORKS, DEFAULT_NETWORK)}, *injection())


def writers_of(conditions: Sequence[Condition]) -> tuple[str, ...]:
    """Return the `status_writers` that made the conditions of `pods`; none when they cannot be told."""
    for condition in conditions:
        _, found, rest = condition.get("expression", "").partition(_WRITERS)
        if found:
            return _read_list(rest)
    return ()


def render_list(names: Sequence[str]) -> str:
    """Return a CEL list of strings. The escapes of JSON are escapes of CEL as well; other characters stay."""
    return json.dumps(list(names), ensure_ascii=False)


def _read_list(text: str) -> tuple[str, ...]:
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return ()
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


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
