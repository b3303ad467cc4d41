"""A pod in the node's network namespace attaches to nothing, so its networks cannot keep it from starting.

A runtime calls no CNI plugin for a pod with `spec.hostNetwork: true`, under any delegating plugin. Fields restricted:
none of its own. A refusal by the access rules or by a limit stays a refusal; every other problem of the networks and
warning is replaced by one warning that nobody attaches them. Operations: CREATE, and an UPDATE that changes the network
annotations or makes the pods of a template such pods. Example warning: `metadata.annotations: the pod has hostNetwork,
so no CNI plugin runs for it and none of these networks is attached; remove hostNetwork or the annotation`.
"""

from __future__ import annotations

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.names import trim
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.wording import podtext


def check(request: Request, judged: Decision) -> Decision:
    """Return the decision about a pod's networks with the warning, and without problems that cannot matter."""
    new, old = request.object, request.old_object
    if new is None or not new.is_host_network or not _asks(new):
        return judged
    if judged.is_allowed:
        if old is not None and old.is_host_network and texts_of(old.annotations) == texts_of(new.annotations):
            return judged
        warnings = [warning for warning in judged.warnings if not _cannot_matter(warning.rule)]
        rules = [rule for rule in judged.rules if not _cannot_matter(rule)]
        return judged._replace(
            warnings=(*warnings, podtext.host_network(request)), rules=(*rules, podtext.HOST_NETWORK)
        )
    if not all(map(_cannot_matter, judged.rules)):
        return judged
    return Decision(warnings=(podtext.host_network(request),), rules=(podtext.HOST_NETWORK,), unknown=judged.unknown)


def _asks(pod: Object) -> bool:
    return any(map(trim, texts_of(pod.annotations)))


def _cannot_matter(rule: str) -> bool:
    """Say whether a rule is about what would happen on the node; the ids of access rules begin with a capital."""
    return rule.startswith("NAD") or (rule[:1].islower() and not rule.startswith("limit-") and rule != UNREAD)


UNREAD = "networks-unread"
"""Refuses for now, because nothing was judged yet."""
