"""`nadmit doctor` at a real API server: before the installation, without a replica, with one in each stage, and after it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cluster.rig.installation import ACCOUNT, NAMESPACE, empty_server, installed_server, webhook_options
from tests.cluster.rig.registered import free_port, run_webhooks
from tests.e2e.process import serving
from tests.fakes.waiting import wait_until
from tests.realapi.server import MERGE_PATCH, RealApiServer
from webhook.cli import nadmit

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/networkattachmentpolicies.access.nadmit.io"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/nadmit-webhook"


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    with installed_server() as server:
        server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
        yield server


def run(kubeconfig: Path, *words: str) -> Result:
    return CliRunner().invoke(nadmit, ["doctor", "--kubeconfig", str(kubeconfig), *words], catch_exceptions=False)


def levels(done: Result) -> dict[str, list[str]]:
    """Return the levels of each check, in order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for one in json.loads(done.stdout)["results"]:
        found[one["check"]].append(one["level"])
    return dict(found)


def text_of(done: Result, check: str) -> str:
    return "\n".join(one["text"] for one in json.loads(done.stdout)["results"] if one["check"] == check)


def test_before_the_installation() -> None:
    with empty_server() as server:
        done = run(server.admin_kubeconfig, "-o", "json")
    assert done.exit_code == 1
    found = levels(done)
    assert found["api server"] == ["ok"]
    assert set(found["kinds"]) == {"error", "ok"} or found["kinds"] == ["error"] * 3
    assert (found["workload"], found["service"], found["certificate"]) == (["error"], ["error"], ["error"])
    assert (found["rights"], found["registration"]) == (["error"], ["error", "error"])
    assert "lacks 47 of 47 rights" in text_of(done, "rights")


def test_a_replica_through_all_stages(server: RealApiServer, tmp_path: Path) -> None:
    admin = server.admin_kubeconfig
    before = run(admin, "-o", "json")
    assert levels(before)["registration"] == ["error", "error"]
    assert levels(before)["certificate"] == ["error"]
    assert levels(before)["reachable"] == ["unknown"]
    assert levels(before)["workload"] == ["error"]  # there is no kubelet here
    port = free_port()
    options = webhook_options(server, f"https://127.0.0.1:{port}")
    more = ["--listen", f"127.0.0.1:{port}", "--cert-name", "127.0.0.1"]
    with serving(tmp_path / "certs", *options, *more, manifests=None) as served:
        wait_until(lambda: served.get("/readyz")[0] == 200, lambda: served.get("/readyz"))
        wait_until(lambda: levels(run(admin, "-o", "json"))["reachable"] == ["ok"], lambda: run(admin).output)
        done = run(admin, "-o", "json")
        found = levels(done)
        for check in (
            "api server",
            "rights",
            "registration",
            "paths",
            "stage",
            "certificate",
            "authority",
            "posture",
            "other webhooks",
        ):
            assert found[check] == ["ok"], done.stdout
        assert found["kinds"] == ["ok"] * 3
        assert "has all 47 rights that it uses" in text_of(done, "rights")
        assert "gets its answer" in text_of(done, "reachable")
        assert text_of(done, "stage").startswith("Observe since 20")
        assert "this machine and the API server have the same time" in text_of(done, "clocks")

        assert run_webhooks(server, "stage", "Ignore").exit_code == 0
        wait_until(lambda: "heeds its refusal" in text_of(run(admin, "-o", "json"), "reachable"))
        assert run_webhooks(server, "stage", "Fail").exit_code == 0
        assert text_of(run(admin, "-o", "json"), "stage").startswith("Fail since 20")

        _check_init(server)
        _check_drift_and_rights(server, admin)
    # Fail, and no replica: the dry run itself is refused, with the API server's words.
    after = run(admin, "-o", "json")
    assert levels(after)["reachable"] == ["error"]
    assert "was answered with 500" in text_of(after, "reachable")
    assert "failed calling webhook" in text_of(after, "reachable")
    assert run_webhooks(server, "stage", "Ignore").exit_code == 0
    wait_until(lambda: "did not come to the webhook" in text_of(run(admin, "-o", "json"), "reachable"))


def _check_init(server: RealApiServer) -> None:
    """As in an init container: with the account of the webhook, which may do nothing more than it needs."""
    own = server.kubeconfig_for(NAMESPACE, ACCOUNT)
    done = run(own, "--init", "--namespace", NAMESPACE, "-o", "json")
    assert done.exit_code == 0
    assert {level for each in levels(done).values() for level in each} == {"ok"}, done.stdout
    assert "this account has all 47 rights that it uses" in text_of(done, "rights")
    # The whole examination with that account: what it may not ask is unknown, and the rest is right.
    whole = run(own, "-o", "json")
    found = levels(whole)
    assert (found["workload"], found["rights"], found["nodes"]) == (["unknown"], ["unknown"], ["unknown"])
    assert (found["certificate"], found["authority"], found["stage"]) == (["ok"], ["ok"], ["ok"])


def _check_drift_and_rights(server: RealApiServer, admin: Path) -> None:
    definition, role = server.must("GET", CRD), server.must("GET", ROLE)
    versions = json.loads(json.dumps(definition["spec"]["versions"]))
    del versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["description"]
    server.must("PATCH", CRD, {"spec": {"versions": versions}}, kind=MERGE_PATCH)
    kept = [rule for rule in role["rules"] if rule["resources"] != ["namespaces"]]
    server.must("PATCH", ROLE, {"rules": kept}, kind=MERGE_PATCH)
    try:
        wait_until(lambda: levels(run(admin, "-o", "json"))["rights"] == ["error"])
        done = run(admin, "-o", "json")
        assert "without spec.description; the API server drops them" in text_of(done, "kinds")
        assert "lacks 3 of 47 rights: get namespaces, list namespaces, watch namespaces" in text_of(done, "rights")
        assert done.exit_code == 1
    finally:
        server.must("PATCH", CRD, {"spec": {"versions": definition["spec"]["versions"]}}, kind=MERGE_PATCH)
        server.must("PATCH", ROLE, {"rules": role["rules"]}, kind=MERGE_PATCH)
