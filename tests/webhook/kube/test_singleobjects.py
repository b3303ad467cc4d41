"""The stores of the certificates, against an API server that refuses requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from certs.store import StoreError
from tests.fakes.apiserver import ApiServer, failure
from tests.fakes.objects import write_kubeconfig
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath
from webhook.kube.singleobjects import KubeConfigurations, KubeSecret
from webhook.registration.registered import path_of
from webhook.registration.tables import VALIDATING_KIND

SECRET = "/api/v1/namespaces/n/secrets/tls"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/c"
NAME = "ValidatingWebhookConfiguration/c"
PATHS: dict[str, ObjectPath] = {NAME: path_of(VALIDATING_KIND, "c")}


def test_each_answer_of_an_api_server_is_a_value_or_a_store_error(tmp_path: Path) -> None:
    with ApiServer() as server:
        connection = Connection(write_kubeconfig(tmp_path / "kubeconfig", server.url), environ={})
        secret, configurations = KubeSecret(connection, "n", "tls"), KubeConfigurations(connection, PATHS)
        assert secret.read().version is None
        assert configurations.read(NAME) is None
        with pytest.raises(
            StoreError, match=r"validatingwebhookconfigurations.* c: patch failed with 404: .*not found"
        ):
            configurations.patch(NAME, [])
        server.answer_always = {
            SECRET: (401, b"who are you?"),
            CONFIGURATION: (500, b"[]"),
            SECRET.removesuffix("/tls"): failure(403, "may not"),
        }
        before = connection.open()
        with pytest.raises(
            StoreError,
            match=r"^http://.*: the credentials are refused: who are you\?; renew the token or the certificate",
        ):
            secret.read()
        assert connection.open() is not before
        with pytest.raises(StoreError, match=r"get failed with 500: \[\]; see the log of the API server"):
            configurations.read(NAME)
        with pytest.raises(
            StoreError,
            match=r"^secrets n: create is forbidden: may not; grant create on secrets to this account in a Role$",
        ):
            secret.write({}, None)
        server.answer_always = {}
        server.put(CONFIGURATION, {})
        with pytest.raises(StoreError) as caught:
            configurations.patch(NAME, [{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}])
        assert caught.value.is_conflict
    with pytest.raises(StoreError, match=r"cannot be reached: .*refused"):
        secret.read()
