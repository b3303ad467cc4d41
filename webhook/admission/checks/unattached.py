"""Networks that nobody attaches: those of a pod with hostNetwork, and those that a running pod gets.

A runtime calls no CNI plugin for a pod with `spec.hostNetwork: true`, under any delegating plugin. So its networks
cannot keep it from starting. A refusal by the access rules or by a limit stays a refusal. One warning that nobody
attaches the networks replaces every other problem and warning about them. Operations: CREATE, and an UPDATE that
changes the network annotations or makes the pods of a template such pods. Example warning: `metadata.annotations:
the pod has hostNetwork, so no CNI plugin runs and none of these networks is attached; remove hostNetwork or the
annotation`.

Neither Multus nor the node plugin of this project looks at the annotations of a running pod again. Only a separate
controller does, such as multus-dynamic-networks-controller; a cluster that has one sets `hotplug: true`. Operations:
UPDATE of a pod that has its networks. A pod that waits for its networks gets the new ones, so nothing is said. Example
warning: `metadata.annotations[k8s.v1.cni.cncf.io/networks]: the pod runs, and networks are attached when a pod starts:
nothing happens until the pod is created again`.

Fields restricted: none.
"""

from __future__ import annotations

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.names import trim
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.requests import Decision, Object, Request
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.wording import podtext


def check_running(request: Request, judged: Decision, context: DecisionContext) -> Decision:
    """Return the decision about a pod's networks with the warning."""
    new, old = request.object, request.old_object
    if new is None or old is None or not old.has_started or old.is_host_network or context.configuration.hotplug:
        return judged
    after, before = texts_of(new.annotations), texts_of(old.annotations)
    if after == before or not judged.is_allowed:  # nearly always
        return judged
    texts = zip((NETWORKS, DEFAULT_NETWORK), after, before, strict=True)
    changed = [key for key, text, old_text in texts if trim(text) != trim(old_text)]
    if not changed:
        return judged
    return judged._replace(
        warnings=(*judged.warnings, *map(podtext.no_hotplug, changed)), rules=(*judged.rules, podtext.NO_HOTPLUG)
    )


def check_host_network(request: Request, judged: Decision) -> Decision:
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
