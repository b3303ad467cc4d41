"""Bindings carry no network annotations.

Fields restricted: `metadata.annotations` of a Binding (`pods/binding`, `bindings`). Values allowed: none of the
network annotations. Operations: CREATE. Exempt: nobody. Example refusal: "binding blue/web-0 may not carry
k8s.v1.cni.cncf.io/networks".

Why: annotations of a Binding are merged into the pod, over its own, after the pod was admitted (seen on 1.36).
"""

from __future__ import annotations

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS_KEYS, NETWORKS
from webhook.admission.model.requests import ALLOWED, Decision, Request
from webhook.admission.wording import messages


def check(request: Request) -> Decision:
    """Refuse a Binding with network annotations."""
    annotations = request.object.annotations if request.object else {}
    found = [key for key in (NETWORKS, DEFAULT_NETWORK, *NETWORK_STATUS_KEYS) if key in annotations]
    return messages.binding_refused(request, found) if found else ALLOWED
