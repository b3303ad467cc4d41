"""Annotations that a requester may not write: the network status of a pod, and any network annotation of a Binding.

**Network status.** Fields restricted: NETWORK_STATUS_KEYS in a pod's annotations. Values allowed: on UPDATE the old
ones, on CREATE none. Operations: CREATE and UPDATE of pods and their subresources. Exempt: see `statuswriters`. The
setting `networkStatusMode` chooses between a refusal (403), a warning, a record in the audit log, and nothing. The
default is a warning, because Multus starts no pod whose status it cannot write. On CREATE, modes Deny and Warn drop the
annotation in /mutate first, so this check sees one only if /mutate did not run. Example refusal: "user bob may not
change the network status of pod blue/web-0".

**Bindings.** Fields restricted: `metadata.annotations` of a Binding (`pods/binding`, `bindings`). Values allowed: no
network annotation. Operations: CREATE. Exempt: nobody. The API server merges the annotations of a Binding over those of
the pod, after the pod was admitted (seen on 1.36). Example refusal: "binding blue/web-0 may not carry
k8s.v1.cni.cncf.io/networks".
"""

from __future__ import annotations

from cniplugin.access.model.decision import Config
from cniplugin.netspec.selection import (
    DEFAULT_NETWORK,
    NETWORK_STATUS,
    NETWORK_STATUS_KEYS,
    NETWORKS,
    OLD_NETWORK_STATUS,
)
from webhook.admission.model.requests import ALLOWED, NOTHING, Decision, Request
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.view.statuswriters import is_writer
from webhook.admission.wording import accesstext, statustext


def check_binding(request: Request, _context: DecisionContext) -> Decision:
    """Refuse a Binding with network annotations."""
    annotations = request.object.annotations if request.object else NOTHING
    keys = [key for key in (NETWORKS, DEFAULT_NETWORK, *NETWORK_STATUS_KEYS) if key in annotations]
    return accesstext.binding_refused(request, keys) if keys else ALLOWED


def check_status(request: Request, config: Config) -> Decision:
    """Judge who writes the network status of a pod. A decision that warns or records allows the request."""
    mode = config.network_status_mode
    keys = () if mode == "Off" else _written(request)
    if not keys or is_writer(request, config):
        return ALLOWED
    if mode == "Deny":
        return statustext.refused(request, keys, config)
    warnings = (statustext.written(request, keys, config),) if mode == "Warn" else ()
    trial = statustext.record(mode, request, keys)
    return Decision(warnings=warnings, rules=(statustext.RULE,), trials=(trial,))


def join(status: Decision, judged: Decision) -> Decision:
    """Return the decision about a pod's networks with that about its status, which allows the pod."""
    if status is ALLOWED:
        return judged
    return judged._replace(
        warnings=(*status.warnings, *judged.warnings),
        rules=(*status.rules, *judged.rules) if judged.is_allowed else judged.rules,
        trials=(*status.trials, *judged.trials),
    )


def dropped_status(request: Request, config: Config) -> tuple[str, ...]:
    """Return the annotations that /mutate removes from a new pod."""
    keys = _written(request) if config.network_status_mode in {"Warn", "Deny"} else ()
    return () if not keys or is_writer(request, config) else keys


def _written(request: Request) -> tuple[str, ...]:
    """Return the status annotations that the request adds, changes or removes."""
    new = request.object.annotations if request.object else NOTHING
    old = request.old_object.annotations if request.old_object else NOTHING
    if NETWORK_STATUS not in new and OLD_NETWORK_STATUS not in new and not old:
        return ()  # nearly every new pod
    return tuple(key for key in NETWORK_STATUS_KEYS if new.get(key, "") != old.get(key, ""))
