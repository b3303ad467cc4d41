"""The certificate from a Secret: the rotator of this replica, and the pair that it serves."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from kubernetes.client import ApiClient

from certs.kubestore import Api, KubeConfigurations, KubeSecret
from certs.rotator import Rotator
from certs.store import StoreError
from webhook.cluster.apierrors import ClusterError
from webhook.cluster.kube import Connection
from webhook.cluster.ownnamespace import own_namespace
from webhook.metrics import Metrics
from webhook.registration.tables import KINDS
from webhook.rotationmetrics import RotationMetrics
from webhook.serving.memorytls import MemoryTls
from webhook.settings import ClusterSettings, Settings


def rotating_tls(settings: Settings, secret_name: str, metrics: Metrics) -> tuple[MemoryTls, Rotator]:
    """Return what serves the leaf of the Secret, and the part that keeps it; nothing is asked before its start.

    Raises MaterialError for a name that no certificate can have, ClientCaError for callers' authorities that cannot be
    read.
    """
    cluster = settings.cluster
    namespace = own_namespace(cluster.namespace)
    api = Api(lambda: _connect(settings))
    secret = KubeSecret(api, namespace, secret_name)
    tls = MemoryTls(secret.where, now=time.time, on_reload=metrics.certificate_loaded, clients=settings.client_trust())
    rotator = Rotator(
        secret,
        KubeConfigurations(api, configuration_names(cluster)),
        names=certificate_names(cluster, namespace, settings.cert_names),
        on_leaf=tls.take,
        observer=RotationMetrics(metrics.registry),
    )
    return tls, rotator


def configuration_names(cluster: ClusterSettings) -> tuple[str, ...]:
    """Return the webhook configurations whose caBundles are kept, as `certs.kubestore` names them."""
    name = cluster.webhook_configuration
    return () if name is None else tuple(f"{kind.name}/{name}" for kind in KINDS)


def certificate_names(cluster: ClusterSettings, namespace: str, more: Sequence[str]) -> tuple[str, ...]:
    """Return what callers may call the server: the Service in all its forms, the host of the URL, and more."""
    service = f"{cluster.service}.{namespace}"
    names = [cluster.service, service, f"{service}.svc", f"{service}.svc.cluster.local"]
    if cluster.webhook_url is not None:
        names.append(urlsplit(cluster.webhook_url).hostname or "")
    return tuple(dict.fromkeys([*names, *more]))


def _connect(settings: Settings) -> ApiClient:
    try:
        return ApiClient(Connection(settings.kubeconfig, environ=os.environ).open().configuration)
    except ClusterError as error:
        raise StoreError(str(error)) from error
