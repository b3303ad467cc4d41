"""The objects of a certificate rotation and their paths: a Secret, and a configuration with our webhooks and a foreign one."""

from __future__ import annotations

import base64
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from certs.rotator import Rotator
from certs.secretdata import Phase, parse_state
from certs.store import StoreError
from tests.certs.memorycluster import FOREIGN
from tests.realapi.server import RealApiServer
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath
from webhook.kube.singleobjects import KubeConfigurations, KubeSecret
from webhook.registration.registered import path_of
from webhook.registration.tables import MUTATING_KIND, VALIDATING_KIND

Object = dict[str, Any]
NAMESPACE = "certificates"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/tls"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATION = f"{REGISTRATION}/validatingwebhookconfigurations/rotating"
CONFIGURATIONS: dict[str, ObjectPath] = {
    "ValidatingWebhookConfiguration/rotating": path_of(VALIDATING_KIND, "rotating"),
    "MutatingWebhookConfiguration/absent": path_of(MUTATING_KIND, "absent"),
}
DAY = timedelta(days=1)


def connect_with(kubeconfig: Path) -> Connection:
    return Connection(kubeconfig, environ={})


def rotating(connection: Connection) -> KubeConfigurations:
    """Return the store of the configuration that exists."""
    return KubeConfigurations(connection, dict([*CONFIGURATIONS.items()][:1]))


def clean(api: RealApiServer) -> None:
    for path in (SECRET, CONFIGURATION):
        assert api.ask("DELETE", path).status in {200, 404}


def secret(**data: str) -> Object:
    metadata = {"name": "tls", "namespace": NAMESPACE, "labels": {"app.kubernetes.io/name": "nadmit"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def configuration(*bundles: str, url: str = "https://127.0.0.1:1/validate") -> Object:
    """Return a configuration with our webhooks, which have these caBundles, and a foreign one."""
    rule = {
        "apiGroups": ["k8s.cni.cncf.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["network-attachment-definitions"],
    }
    hooks = [
        {
            "name": name,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(bundle.encode()).decode()},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": selected}},
            "objectSelector": {},
            "timeoutSeconds": 5,
            "failurePolicy": "Fail",
        }
        for name, selected, bundle in (
            ("webhook.example.org", "no-such-namespace", FOREIGN),
            *((f"n{number}.nadmit.io", NAMESPACE, bundle) for number, bundle in enumerate(bundles)),
        )
    ]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "rotating"},
        "webhooks": hooks,
    }


def round_says(rotator: Rotator, said: str) -> bool:
    """Do a round, and say whether its error is the expected one; the API server learns of a new role by a watch."""
    try:
        rotator.round()
    except StoreError as error:
        return bool(said) and said in str(error)
    return not said


def phase_of(store: KubeSecret) -> Phase | None:
    state = parse_state(store.read().data)
    return None if state is None else state.phase


def serial_in(store: KubeSecret) -> int:
    return x509.load_pem_x509_certificate(store.read().data["tls.crt"]).serial_number


def serial_at(address: tuple[str, int]) -> int:
    """Return the serial number of the certificate that a new connection gets."""
    pem = ssl.get_server_certificate(address)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number
