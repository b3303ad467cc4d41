"""kubectl prints each example of docs/messages.md, with a real API server and the webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.cluster.rig.registered import cluster, staged
from tests.cluster.rig.tenants import network
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.plugindata.codes import load_codes
from webhook.report.explained import NAMESPACE, NETWORK_NAME, OTHER_NAME, explain

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

OTHER_SETTINGS = {"NAD108", "NAD110"}
"""Codes that the default settings cannot cause."""


@pytest.fixture(scope="module")
def webhook(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApiServer]:
    """The webhook as a process, registered in stage Fail."""
    with cluster(real_api), staged(real_api, tmp_path_factory.mktemp("webhook") / "certs"):
        real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield real_api


@pytest.mark.parametrize(
    "code", [code for code, known in load_codes().items() if not known.pod and code not in OTHER_SETTINGS]
)
def test_kubectl_prints_the_examples_of_the_manual(webhook: RealApiServer, tmp_path: Path, code: str) -> None:
    explained = explain(code)
    path = tmp_path / "net.json"
    path.write_text(json.dumps(network(f"{NAMESPACE}/{NETWORK_NAME}", {"config": explained.config})))

    def create() -> CompletedProcess[str]:
        return webhook.kubectl("create", "-f", str(path), "--dry-run=server", "-o", "name")

    other = network(f"{NAMESPACE}/{OTHER_NAME}", {"config": explained.other_network})
    if explained.other_network:
        webhook.put(other)
        wait_until(lambda: create().stderr)  # the webhook learns of the other definition by a watch
    done = create()
    if explained.other_network:
        webhook.must("DELETE", webhook.path_of(other))
    assert done.stderr == f"{explained.output}\n"
    assert done.returncode == (1 if explained.severity == "error" else 0)
