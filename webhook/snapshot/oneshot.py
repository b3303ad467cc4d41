"""The cluster as it is now: every resource listed once, into one snapshot, for commands that answer and end."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from pathlib import Path

from webhook.kube.connection import Connection
from webhook.kube.informers import Informer, Timing

from .caches import Caches
from .snapshot import Snapshot
from .source import rules_of


def list_snapshot(kubeconfig: Path | None, *, environ: Mapping[str, str] = os.environ) -> Snapshot:
    """Return the networks, namespaces and access policies of a cluster; no pods, and no claims.

    A page may take 30 s (`Timing.page_silence_s`), a connection 10 s. Raises ClusterError for a kubeconfig that cannot
    be used and for what cannot be listed; a resource that is not installed has no objects.
    """
    connection = Connection(kubeconfig, environ=environ)
    connection.open()
    caches = Caches(pods=None)
    try:
        for resource, cache in rules_of(caches):
            Informer(
                connection, resource, cache, timing=Timing(), clock=time.monotonic, jitter=random.random
            ).list_once()
    finally:
        connection.close()
    return caches.snapshot()
