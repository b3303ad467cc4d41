"""The namespace of nadmit's own objects. A server without a cluster imports this, but no client."""

from __future__ import annotations

from pathlib import Path

from cniplugin.netspec.names import trim
from webhook.files import load_file

MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Kubernetes writes the namespace of a pod there, beside the token of its service account."""

BYTES_MAX = 256
"""A name has at most 63."""

DEFAULT = "nadmit-system"


def own_namespace(given: str | None, *, mounted: Path = MOUNTED) -> str:
    """Return the given namespace, else that of the pod's service account, else `nadmit-system`."""
    if given is not None:
        return given
    try:
        return trim(load_file(mounted, bytes_max=BYTES_MAX).decode()) or DEFAULT
    except (OSError, UnicodeDecodeError):
        return DEFAULT
