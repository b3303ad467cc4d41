"""The namespace that this program's own objects are in: its Secret, its Lease, its Service."""

from __future__ import annotations

from pathlib import Path

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_NAMESPACE = "nadmit-system"


def own_namespace(given: str | None, *, file: Path = SERVICE_ACCOUNT_NAMESPACE) -> str:
    """Return the one that was given, else that of the pod's service account, else `nadmit-system`.

    Blocks for a small file that is mounted into each pod.
    """
    if given is not None:
        return given
    try:
        return file.read_text("utf-8").strip() or DEFAULT_NAMESPACE
    except (OSError, UnicodeDecodeError):  # not in a pod, or one without a token
        return DEFAULT_NAMESPACE
