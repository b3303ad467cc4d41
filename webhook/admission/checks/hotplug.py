"""Networks of a pod that runs: a delegating plugin attaches them once, when the pod starts.

Neither Multus nor the node plugin of this project looks at the annotations again. Only a separate controller, such as
multus-dynamic-networks-controller, attaches to a pod that runs; a cluster that has one sets `hotplug: true`. Fields
restricted: none; a change of the networks annotation is a warning. Operations: UPDATE of a pod that has its networks. A
pod that waits for its networks gets the new ones, so nothing is said. Example warning:
`metadata.annotations[k8s.v1.cni.cncf.io/networks]: the pod runs, and networks are attached when a pod starts: nothing
happens until the pod is created again`.
"""

from __future__ import annotations

from cniplugin.netspec.annotation import texts_of
from cniplugin.netspec.names import trim
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.requests import Decision, Request
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.wording import podtext


def check(request: Request, judged: Decision, context: DecisionContext) -> Decision:
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
