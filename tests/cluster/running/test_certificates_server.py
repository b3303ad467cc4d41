"""A server changes its authority and its leaf while the API server calls it for each request."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certs import rotation
from certs.rotation import Policy, Step
from certs.rotator import Rotator
from certs.secretdata import Phase, render_state
from tests.certs.rotationworld import NAME
from tests.cluster.rig.certificates import (
    CONFIGURATION,
    DAY,
    NAMESPACE,
    Object,
    clean,
    configuration,
    connect_with,
    phase_of,
    rotating,
    round_says,
    secret,
    serial_at,
    serial_in,
)
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.kube.singleobjects import KubeSecret

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]

NETWORKS = f"/apis/k8s.cni.cncf.io/v1/namespaces/{NAMESPACE}/network-attachment-definitions"


def test_a_rotation_under_a_stream_of_requests_loses_no_request(real_api: RealApiServer, tmp_path: Path) -> None:
    """No request is lost while the webhook's authority and leaf change."""
    real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    real_api.put(old_secret())
    real_api.put(configuration(""))
    command = [sys.executable, "-m", "webhook", "serve", "--cluster", "--kubeconfig", str(real_api.admin_kubeconfig)]
    command += ["--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0", "--drain-seconds", "0"]
    command += ["--namespace", NAMESPACE, "--tls-secret", "tls", "--webhook-configuration", "rotating"]
    command += ["--webhook-url", "https://127.0.0.1"]
    log, lines = tmp_path / "log", tmp_path / "lines"  # NB: a full pipe would stop the server
    with (
        log.open("w") as errors,
        lines.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=errors) as server,
    ):
        try:
            wait_until(lambda: b"\n" in lines.read_bytes())
            address = tuple(json.loads(lines.read_text().splitlines()[0])["webhook"])
            put_url(real_api, f"https://127.0.0.1:{address[1]}/validate")
            rotate(real_api, address)
        finally:
            server.terminate()
            server.wait(timeout=30)
            clean(real_api)
    assert server.returncode == 0, log.read_text()
    assert "WARNING: Secret" not in log.read_text()


def old_secret() -> Object:
    """Return a Secret with an authority of 300 days and a new leaf."""
    names = [x509.DNSName(NAME)]
    began = datetime.now(UTC) - 300 * DAY
    state = rotation.take_step(Step.FILL, None, names=names, now=began, policy=Policy())
    state = rotation.take_step(Step.RENEW_LEAF, state, names=names, now=datetime.now(UTC), policy=Policy())
    data = render_state(replace(state, phase=Phase.STABLE))
    return secret(**{key: base64.b64encode(content).decode() for key, content in data.items() if content})


def put_url(api: RealApiServer, url: str) -> None:
    value = api.must("GET", CONFIGURATION)
    for hook in value["webhooks"]:
        hook["clientConfig"]["url"] = url
    api.must("PUT", CONFIGURATION, value)


def rotate(api: RealApiServer, address: tuple[str, int]) -> None:
    """Drive the Secret through a rotation without the grace times; the server under test only reads it, and follows."""
    wait_until(lambda: create(api).status == 201)
    calls = connect_with(api.admin_kubeconfig)
    configurations = rotating(calls)
    store = KubeSecret(calls, NAMESPACE, "tls")
    driver = Rotator(
        store,
        configurations,
        names=[NAME, "127.0.0.1"],
        on_leaf=lambda *_pair: None,
        policy=Policy(grace=timedelta(seconds=2)),
    )
    first = serial_at(address)
    with kept_alive(address) as connection, stream(api) as answers:
        wait_until(lambda: round_says(driver, "") and phase_of(store) == Phase.SWITCHED)
        wait_until(lambda: serial_at(address) == serial_in(store))
        count = len(answers)
        wait_until(lambda: len(answers) > count + 20)
        assert ask(connection) == 200
    assert first != serial_at(address)
    assert len(answers) > 50
    assert set(answers) == {201}


def create(api: RealApiServer) -> Any:
    value = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "stream"},
        "spec": {"config": '{"cniVersion": "1.0.0", "name": "stream", "type": "bridge"}'},
    }
    return api.ask("POST", f"{NETWORKS}?dryRun=All", value)


class stream:  # noqa: N801 - used as a function
    """Creates objects until the block ends; yields the list of the answers' statuses."""

    def __init__(self, api: RealApiServer) -> None:
        self._answers: list[int] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(api,))

    def _run(self, api: RealApiServer) -> None:
        while not self._done.is_set():
            self._answers.append(create(api).status)

    def __enter__(self) -> list[int]:
        self._thread.start()
        return self._answers

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()


class kept_alive:  # noqa: N801 - used as a function
    """A connection that was opened before the certificate changed still works."""

    def __init__(self, address: tuple[str, int]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._connection = http.client.HTTPSConnection(*address, context=context, timeout=10)

    def __enter__(self) -> http.client.HTTPSConnection:
        assert ask(self._connection) == 200
        return self._connection

    def __exit__(self, *error: object) -> None:
        self._connection.close()


def ask(connection: http.client.HTTPSConnection) -> int:
    """Send a review over an open connection."""
    assert connection.sock is not None or not hasattr(connection, "asked")
    request = {"uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "DELETE"}
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    connection.request("POST", "/validate", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status
