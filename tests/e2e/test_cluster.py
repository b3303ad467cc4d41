"""`nadmit serve --cluster` as a process, against an in-process API server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.process import RECORDINGS, Unanswered, fail, serving
from tests.informers.api_server import (
    NAMESPACES,
    NETWORKS,
    POLICIES,
    ApiServer,
    namespace,
    network,
    policy,
    write_kubeconfig,
)

pytestmark = pytest.mark.slow
PATIENCE_S = 20
POD = (RECORDINGS / "create-pods-alice-pod.json").read_bytes()


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_verdict_follows_the_cluster(tmp_path: Path) -> None:
    with ApiServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        with serving(tmp_path / "certs", "--kubeconfig", str(kubeconfig), manifests=None) as server:
            wait(lambda: server.get("/readyz") == (200, "ready"))
            assert "no NetworkAttachmentDefinition" in server.post(POD)["status"]["message"]
            api.put(NETWORKS, network("data-plane"))
            wait(lambda: bool(server.post(POD)["allowed"]))
            metrics = server.get("/metrics")[1]
            api.delete(NETWORKS, "team-a", "data-plane")
            wait(lambda: not server.post(POD)["allowed"])
    assert server.process.returncode == 0
    assert 'nadmit_objects{kind="networks"} 1.0' in metrics
    assert 'nadmit_objects{kind="policies"} 0.0' in metrics
    assert 'nadmit_objects{kind="policyconfigs"} 0.0' in metrics
    assert "nadmit_ready 1.0" in metrics
    for kind in ("namespaces", "policies", "policyconfigs", "pods"):
        assert re.search(rf'nadmit_cache_age_seconds\{{kind="{kind}"\}} [0-9.e-]+', metrics)


def test_a_policy_decides_as_soon_as_it_is_written(tmp_path: Path) -> None:
    deny = {"name": "nothing", "action": "Deny", "message": "planned work until noon"}
    with ApiServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        api.put(NETWORKS, network("data-plane"))
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        with serving(tmp_path / "certs", "--kubeconfig", str(kubeconfig), manifests=None) as server:
            wait(lambda: server.get("/readyz") == (200, "ready"))
            assert server.post(POD)["allowed"]
            api.put(POLICIES, policy("works", deny, pods=[{"namespaces": 7}]))
            wait(lambda: not server.post(POD)["allowed"])
            assert "planned work until noon" in server.post(POD)["status"]["message"]
            api.delete(POLICIES, "", "works")
            wait(lambda: bool(server.post(POD)["allowed"]))
    assert 'nadmit: WARNING: NetworkAttachmentPolicy "works": spec.pods[0].namespaces: wrong JSON type' in server.errors


def test_until_the_cluster_is_known_the_api_server_is_asked_to_try_again(tmp_path: Path) -> None:
    """An empty cache would refuse what is right. The API server repeats a 503 with Retry-After."""
    with ApiServer() as api:
        port = api.port
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{port}")
    with serving(tmp_path / "certs", "--kubeconfig", str(kubeconfig), manifests=None) as server:
        wait(lambda: "not listed yet" in server.get("/readyz")[1])
        assert server.get("/readyz")[0] == 503
        assert server.get("/healthz") == (200, "ok")
        with pytest.raises(Unanswered) as caught:
            server.post(POD)
        status, text, headers = caught.value.args
        assert (status, headers["retry-after"]) == (503, "1")
        assert text.startswith("not ready: ")
        back = ApiServer(port=port)
        back.put(NETWORKS, network("data-plane"))  # before it answers: ready means that this is known
        with back:
            wait(lambda: server.get("/readyz")[0] == 200)
            assert server.post(POD)["allowed"]
        assert server.get("/readyz")[0] == 200  # the last snapshot serves on
        assert server.post(POD)["allowed"]


@pytest.mark.parametrize("content", [None, "[", "{}", json.dumps({"current-context": "x"})])
def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    if content is not None:
        kubeconfig.write_text(content)
    code, text = fail(tmp_path / "certs", "--kubeconfig", str(kubeconfig), manifests=None)
    assert code == 1
    (line,) = text.splitlines()
    assert line.startswith("nadmit: ")
    assert "kubeconfig" in line
    assert not (tmp_path / "certs").exists()
