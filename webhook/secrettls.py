"""The certificate from a Secret, and the tokens of paths: the rotators of this replica, and the pair that it serves."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from certs.certfiles import TokenFile
from certs.rotator import Rotator, TokenKeeper, TokenRotator
from certs.store import SecretStore
from webhook.kube.connection import Connection
from webhook.kube.credentials import own_namespace
from webhook.kube.singleobjects import KubeConfigurations, KubeSecret
from webhook.registration.registered import path_of
from webhook.registration.tables import KINDS
from webhook.serving.memorytls import MemoryTls
from webhook.settings import ClusterSettings, Settings
from webhook.telemetry.metrics import Metrics
from webhook.telemetry.rotation import RotationMetrics

logger = logging.getLogger("nadmit.registration")


def rotating_tls(
    settings: Settings, connection: Connection, secret_name: str, metrics: Metrics, tokens: TokenKeeper | None
) -> tuple[MemoryTls, Rotator]:
    """Return what serves the leaf of the Secret, and the part that keeps it; nothing is asked before its start.

    `tokens` gets the path tokens of the Secret; None: nobody wants them. Raises MaterialError for a name that no
    certificate can have, ClientCaError for callers' authorities that cannot be read.
    """
    cluster = settings.cluster
    namespace = own_namespace(cluster.namespace)
    secret = KubeSecret(connection, namespace, secret_name)
    tls = MemoryTls(secret.where, now=time.time, on_reload=metrics.certificate_loaded, clients=settings.client_trust())
    rotator = Rotator(
        secret,
        webhook_configurations(connection, cluster),
        names=certificate_names(cluster, namespace, settings.cert_names),
        on_leaf=tls.take,
        observer=RotationMetrics(metrics.registry),
        tokens=tokens,
    )
    return tls, rotator


def token_keeper(settings: Settings, connection: Connection) -> tuple[TokenKeeper, TokenRotator | None]:
    """Return what knows the path tokens of a server that registers itself, and the part that keeps them.

    No part: with a Secret for the certificate its rotator keeps them, or there is no place for them, and a warning says
    so.
    """
    cluster = settings.cluster
    if cluster.tls_secret is not None:
        return TokenKeeper(is_required=cluster.path_token), None
    store: SecretStore
    if cluster.path_token_secret is not None:
        store = KubeSecret(connection, own_namespace(cluster.namespace), cluster.path_token_secret)
    elif settings.tls_files is None and _may_write(settings.cert_dir):
        store = TokenFile(settings.cert_dir)
    else:
        if cluster.path_token:
            logger.warning(
                "registered paths have no token, so whoever reaches this port may ask: there is no place to keep one; "
                "name a Secret with --path-token-secret, or give --no-path-token"
            )
        return TokenKeeper(is_required=False), None
    keeper = TokenKeeper(is_required=cluster.path_token)
    return keeper, TokenRotator(store, webhook_configurations(connection, cluster), keeper)


def _may_write(directory: Path) -> bool:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


def webhook_configurations(connection: Connection, cluster: ClusterSettings) -> KubeConfigurations:
    """Return the webhook configurations whose caBundles this program keeps; without a name there are none."""
    name = cluster.webhook_configuration
    kinds = KINDS if name is not None else ()
    return KubeConfigurations(connection, {f"{kind.name}/{name}": path_of(kind, name or "") for kind in kinds})


def certificate_names(cluster: ClusterSettings, namespace: str, more: Sequence[str]) -> tuple[str, ...]:
    """Return what callers may call the server: the Service in all its forms, the host of the URL, and more."""
    service = f"{cluster.service}.{namespace}"
    names = [cluster.service, service, f"{service}.svc", f"{service}.svc.cluster.local"]
    if cluster.webhook_url is not None:
        names.append(urlsplit(cluster.webhook_url).hostname or "")
    return tuple(dict.fromkeys([*names, *more]))
