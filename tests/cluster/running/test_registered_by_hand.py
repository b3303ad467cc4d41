"""The recipe of docs/security.md: an admin registers the webhooks, and the account of the replicas may not."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.rig.installation import ACCOUNT, NAMESPACE, OF_THE_PROCESS, apply, empty_server
from tests.e2e.process import serving
from tests.fakes.waiting import wait_until
from tests.manifests.rendered import find
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]
BUILD = "overlays/registered-by-hand"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
BAD_NETWORK = """
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: bad, namespace: default}
spec: {config: '{"cniVersion": "1.0.0", "type": 5}'}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    with empty_server() as server:
        done = apply(server, BUILD)
        assert done.returncode == 0, done.stderr
        yield server


def test_webhooks_that_an_admin_registers_are_called(server: RealApiServer, tmp_path: Path) -> None:
    container = find(BUILD, "Deployment", "nadmit-webhook")["spec"]["template"]["spec"]["containers"][0]
    given = [word for word in container["args"] if word.partition("=")[0] not in OF_THE_PROCESS]
    kubeconfig = str(server.kubeconfig_for(NAMESPACE, ACCOUNT))
    names = ["--cert-name", "127.0.0.1"]
    offset = server.audit_offset()
    with serving(tmp_path / "certs", *given, *names, "--kubeconfig", kubeconfig, manifests=None) as served:
        wait_until(lambda: served.get("/readyz")[0] == 200, lambda: served.get("/readyz"))
        registered = server.kubectl(
            "get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "name"
        )
        assert registered.stdout == "", "nothing is registered by the program"
        assert server.kubectl("create", "--dry-run=server", "-f", "-", stdin=BAD_NETWORK).returncode == 0

        secret = server.kubectl("-n", NAMESPACE, "get", "secret", "nadmit-tls", "-o", r"jsonpath={.data.ca\.crt}")
        (tmp_path / "ca.crt").write_bytes(base64.b64decode(secret.stdout))
        url = f"https://127.0.0.1:{served.webhook[1]}"
        show = [
            sys.executable,
            "-m",
            "webhook",
            "webhooks",
            "show",
            "--url",
            url,
            "--ca-file",
            str(tmp_path / "ca.crt"),
        ]
        shown = subprocess.run(show, check=True, capture_output=True, text=True)
        done = server.kubectl("apply", "-f", "-", stdin=shown.stdout)
        assert done.returncode == 0, done.stderr

        def is_refused() -> bool:
            done = server.kubectl("create", "--dry-run=server", "-f", "-", stdin=BAD_NETWORK)
            return "spec.config.type: wrong JSON type" in done.stderr

        wait_until(is_refused)  # the API server learns of a configuration by a watch
    asked = {request.resource for request in server.requests(offset=offset, user=USER)}
    assert "secrets" in asked
    assert not {resource for resource in asked if resource.endswith("webhookconfigurations")}
    assert "orbidden" not in served.errors


@pytest.mark.parametrize("kind", ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"])
@pytest.mark.parametrize("verb", ["get", "list", "patch", "update", "create", "delete"])
def test_the_account_has_no_right_on_registrations(server: RealApiServer, kind: str, verb: str) -> None:
    done = server.kubectl("auth", "can-i", verb, f"{kind}.admissionregistration.k8s.io/nadmit", "--as", USER)
    assert done.stdout.strip() == "no", done.stderr
