"""`nadmit serve --cluster` as a process, against an in-process API server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import RECORDINGS, Unanswered, fail, serving
from tests.fakes.apiserver import ApiServer
from tests.fakes.objects import namespace, network, pod, policy, write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PODS, POLICIES
from tests.fakes.waiting import wait_until

pytestmark = pytest.mark.slow
POD = (RECORDINGS / "create-pods-alice-pod.json").read_bytes()


def test_the_verdict_follows_the_cluster(tmp_path: Path) -> None:
    with ApiServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        with serving(tmp_path / "certs", "--kubeconfig", str(kubeconfig), manifests=None) as server:
            wait_until(lambda: server.get("/readyz") == (200, "ready"))
            assert "no NetworkAttachmentDefinition" in server.post(POD)["status"]["message"]
            api.put(NETWORKS, network("data-plane"))
            wait_until(lambda: bool(server.post(POD)["allowed"]))
            metrics = server.get("/metrics")[1]
            api.delete(NETWORKS, "team-a", "data-plane")
            wait_until(lambda: not server.post(POD)["allowed"])
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
            wait_until(lambda: server.get("/readyz") == (200, "ready"))
            assert server.post(POD)["allowed"]
            api.put(POLICIES, policy("works", deny, pods=[{"namespaces": 7}]))
            wait_until(lambda: not server.post(POD)["allowed"])
            assert "planned work until noon" in server.post(POD)["status"]["message"]
            api.delete(POLICIES, "", "works")
            wait_until(lambda: bool(server.post(POD)["allowed"]))
    assert 'nadmit: WARNING: NetworkAttachmentPolicy "works": spec.pods[0].namespaces: wrong JSON type' in server.errors


def unseen(api: ApiServer, thing: dict[str, Any]) -> None:
    """Store an object without an event for the watches, as if the event was still on its way."""
    key = (thing["metadata"]["namespace"], thing["metadata"]["name"])
    with api.changed:
        api.objects[NETWORKS][key] = thing


def test_judging_asks_only_for_a_network_that_the_watch_has_not_brought(tmp_path: Path) -> None:
    bodies = {path.stem: path.read_bytes() for path in RECORDINGS.glob("*.json")}
    with ApiServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        with serving(tmp_path / "certs", "--kubeconfig", str(kubeconfig), manifests=None) as server:
            wait_until(lambda: server.get("/readyz") == (200, "ready") and all(api.watches.values()))
            before = len(api.requests)
            assert not server.post(POD)["allowed"]
            (asked,) = api.requests[before:]
            assert asked.place == (NETWORKS, "team-a", "data-plane", "")
            unseen(api, network("data-plane"))
            wait_until(
                lambda: bool(server.post(POD)["allowed"])
            )  # for a second it remembers that the network was absent
            gets = len(api.get_requests())
            assert gets == 2
            unseen(api, network("macvlan-conf", "default"))
            for name in sorted(bodies):
                server.post(bodies[name])
            assert api.requests[before + gets :] == api.get_requests()[gets:]
            metrics = server.get("/metrics")[1]
    assert 'nadmit_live_lookups_total{result="absent"}' in metrics
    assert 'nadmit_live_lookups_total{result="found"}' in metrics
    assert "failed" not in "".join(line for line in metrics.splitlines() if "live_lookups" in line)


@pytest.mark.parametrize(("mode", "is_allowed"), [("Warn", True), ("Deny", False), ("Off", True)])
def test_a_network_in_use(tmp_path: Path, mode: str, *, is_allowed: bool) -> None:
    """The DELETE of network team-a/on-disk, which a pod uses, is a warning, a refusal, or allowed."""
    with ApiServer() as api:
        api.put(NAMESPACES, namespace("team-a"))
        api.put(NETWORKS, network("on-disk", config=""))
        api.put(PODS, pod("web", "on-disk"))
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        more = ("--kubeconfig", str(kubeconfig), "--network-in-use", mode)
        with serving(tmp_path / "certs", *more, manifests=None) as server:
            wait_until(lambda: server.get("/readyz") == (200, "ready"))
            answer = server.post((RECORDINGS / "delete-network-attachment-definitions-on-disk.json").read_bytes())
            asked = bool(api.list_requests(PODS))
    assert answer["allowed"] is is_allowed
    assert ("warnings" in answer) is (mode == "Warn")
    assert asked is (mode != "Off")


def test_deny_for_networks_in_use_needs_the_watch_of_pods(tmp_path: Path) -> None:
    code, text = fail(tmp_path, "--network-in-use", "Deny", "--no-watch-pods", manifests=None)
    assert code == 2
    assert "--network-in-use Deny needs --watch-pods" in text


def test_before_the_lists_have_come_reviews_get_503(tmp_path: Path) -> None:
    """An empty cache would refuse correct pods. The API server repeats a request that gets 503 with Retry-After."""
    with ApiServer() as api:
        port = api.port
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{port}")
    with serving(tmp_path / "certs", "--kubeconfig", str(kubeconfig), manifests=None) as server:
        wait_until(lambda: "not listed yet" in server.get("/readyz")[1])
        assert server.get("/readyz")[0] == 503
        assert server.get("/healthz") == (200, "ok")
        with pytest.raises(Unanswered) as caught:
            server.post(POD)
        status, text, headers = caught.value.args
        assert (status, headers["retry-after"]) == (503, "1")
        assert text.startswith("not ready: ")
        back = ApiServer(port=port)
        back.put(
            NETWORKS, network("data-plane")
        )  # before the start, because the server is ready only when it knows the network
        with back:
            wait_until(lambda: server.get("/readyz")[0] == 200)
            assert server.post(POD)["allowed"]
        assert server.get("/readyz")[0] == 200  # it judges by the last snapshot
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
