"""When the API server calls: CEL expressions of `matchConditions` (Kubernetes 1.36; pure text).

A condition that fails to evaluate is a refusal (403) under failurePolicy Fail, so every field that may be absent is
read as an optional (`.?field`, `[?'key']`). Objects without network annotations never cause a call that may fail
closed, so the webhook cannot keep its own pods from starting.

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

_WRITERS = "request.userInfo.username in "


def pods(status_writers: Sequence[str]) -> tuple[Condition, ...]:
    """Return those of pods: networks on CREATE, what changes on UPDATE.

    A change of `network-status` counts unless a node made it, or one of `status_writers` (user names); each pod that is
    attached is such a change.
    """
    changes = [f"{_own(key)}.orValue('') != {_old(key)}.orValue('')" for key in (NETWORKS, DEFAULT_NETWORK)]
    trusted = "'system:nodes' in request.userInfo.groups"
    if status_writers:
        trusted += f" || {_WRITERS}{render_list(sorted(set(status_writers)))}"
    forged = f"(!({trusted}) && {_own(NETWORK_STATUS)}.orValue('') != {_old(NETWORK_STATUS)}.orValue(''))"
    expression = (
        f"request.operation == 'CREATE'\n  ? ({_any_own(NETWORKS, DEFAULT_NETWORK)})\n  : ({_or([*changes, forged])})"
    )
    return ({"name": "networks-or-their-status", "expression": expression},)


def bindings() -> tuple[Condition, ...]:
    """Return those of Bindings: any of the three annotations."""
    present = _any_own(NETWORKS, DEFAULT_NETWORK, NETWORK_STATUS)
    return ({"name": "network-annotations", "expression": present},)


def workloads() -> tuple[Condition, ...]:
    """Return those of objects with a pod template: it has networks, which are new or changed on UPDATE.

    The template of a PodTemplate is at the top, that of a CronJob inside its Job's, all others are in the spec. A kind
    has only one of the three, so one expression serves all.
    """
    terms = [
        f"({_template('object', key)}.hasValue() && (request.operation == 'CREATE' || "
        f"{_template('object', key)}.orValue('') != {_template('oldObject', key)}.orValue('')))"
        for key in (NETWORKS, DEFAULT_NETWORK)
    ]
    return (
        {"name": "networks-in-template", "expression": _or(terms)},
        {
            "name": "not-copied-by-a-controller",
            "expression": f"!request.userInfo.username.startsWith('{TEMPLATE_CONTROLLERS}')",
        },
    )


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
    place = f"{of}.?spec.?template.or({of}.?template).or({of}.?spec.?jobTemplate.?spec.?template)"
    return f"{place}.?metadata.?annotations[?'{key}']"
