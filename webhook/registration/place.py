"""Where this program runs: the namespace of its own objects."""

from __future__ import annotations

from pathlib import Path

from webhook.cluster.kube import SERVICE_ACCOUNT

DEFAULT_NAMESPACE = "nadmit-system"


def own_namespace(given: str | None, *, service_account: Path = SERVICE_ACCOUNT) -> str:
    """Return the namespace that was named, else that of the pod's service account, else `DEFAULT_NAMESPACE`."""
    if given is not None:
        return given
    try:
        return (service_account / "namespace").read_text().strip() or DEFAULT_NAMESPACE
    except OSError:
        return DEFAULT_NAMESPACE  # no pod
