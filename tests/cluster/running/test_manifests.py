"""A real API server accepts the manifests, and a second application keeps the program's own changes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORK_STATUS_KEYS, NETWORKS
from tests.cluster.rig.installation import apply, apply_objects, empty_server, versions
from tests.fakes.waiting import wait_until
from tests.manifests.rendered import BUILDS, render
from tests.paths import MANIFESTS
from tests.realapi.server import MERGE_PATCH, RealApiServer
from webhook.registration.tables import KINDS

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]
FOREIGN = ("monitoring.coreos.com/", "cert-manager.io/")
"""Kinds that other projects install."""
HOOK = {
    "name": "pods.access.nadmit.io",
    "clientConfig": {"url": "https://127.0.0.1:1/validate", "caBundle": base64.b64encode(b"-").decode()},
    "rules": [{"apiGroups": ["none.example"], "apiVersions": ["v1"], "resources": ["none"], "operations": ["CREATE"]}],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "failurePolicy": "Ignore",
}
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATIONS = [f"{REGISTRATION}/{kind.resource}/nadmit" for kind in KINDS]
FILLED_IN = {"metadata": {"annotations": {"nadmit.io/failure-policy": "Fail"}}, "webhooks": [HOOK]}
SECRET = "/api/v1/namespaces/nadmit-system/secrets/nadmit-tls"
CONFIG_MAP = "/api/v1/namespaces/nadmit-system/configmaps/nadmit-webhook"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/nadmit-system/leases/nadmit-status"


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    """A server on which one kubectl command has installed everything."""
    with empty_server() as server:
        done = apply(server, ".")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == len(render("."))
        done = server.kubectl("wait", "--for=condition=Established", "--timeout=20s", "--all", "crd")
        assert done.returncode == 0, done.stderr
        done = apply(server, "posture")
        assert done.returncode == 0, done.stderr
        yield server


def test_it_is_all_there(server: RealApiServer) -> None:
    assert len(versions(server, [*render("."), *render("posture")])) == len(render(".")) + 1
    done = server.kubectl("get", "napc", "cluster", "-o", "jsonpath={.spec.posture}")
    assert done.stdout == "Isolated"


def test_a_second_time_nothing_changes(server: RealApiServer) -> None:
    before = versions(server, render("."))
    done = apply(server, ".")
    assert done.returncode == 0, done.stderr
    done = server.kubectl("diff", "-k", str(MANIFESTS))
    assert (done.returncode, done.stdout) == (0, "")
    assert versions(server, render(".")) == before


def test_changes_of_the_program_stay(server: RealApiServer) -> None:
    writes: dict[str, dict[str, Any]] = {
        **dict.fromkeys(CONFIGURATIONS, FILLED_IN),
        SECRET: {"data": {"tls.crt": base64.b64encode(b"a certificate").decode()}},
        LEASE: {"spec": {"holderIdentity": "replica-1"}},
        CONFIG_MAP: {"data": {"config.yaml": "an admin's", "last-good.yaml": "the program's"}},
    }
    for path, patch in writes.items():
        server.must("PATCH", path, patch, kind=MERGE_PATCH)
    done = apply(server, ".")
    assert done.returncode == 0, done.stderr
    for path in CONFIGURATIONS:
        configuration = server.must("GET", path)
        assert [hook["name"] for hook in configuration["webhooks"]] == ["pods.access.nadmit.io"]
        assert configuration["webhooks"][0]["clientConfig"] == HOOK["clientConfig"]
        assert configuration["metadata"]["annotations"]["nadmit.io/failure-policy"] == "Fail"
    assert server.must("GET", SECRET)["data"] == writes[SECRET]["data"]
    assert server.must("GET", LEASE)["spec"]["holderIdentity"] == "replica-1"
    assert server.must("GET", CONFIG_MAP)["data"] == writes[CONFIG_MAP]["data"]
    assert server.kubectl("diff", "-k", str(MANIFESTS)).returncode == 0


@pytest.mark.parametrize("name", BUILDS)
def test_every_object_is_accepted(server: RealApiServer, name: str) -> None:
    """A server-side dry run over the installed objects, as in an upgrade: defaults, validation and admission pass."""
    objects = [value for value in render(name) if not value["apiVersion"].startswith(FOREIGN)]
    done = apply_objects(server, objects, "--dry-run=server")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(objects)


def test_the_namespace_accepts_our_pods(server: RealApiServer) -> None:
    """Pod Security "restricted", which the server checks, accepts our pods and refuses others."""
    (deployment,) = [value for value in render("overlays/cert-manager") if value["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", **template["metadata"]},
        "spec": template["spec"],
    }
    path = "/api/v1/namespaces/nadmit-system/pods?dryRun=All"
    answer = server.ask("POST", path, pod)
    assert answer.status == 201, answer.value
    answer = server.ask("POST", path, {**pod, "spec": {**template["spec"], "hostNetwork": True}})
    assert answer.status == 403
    assert "violates PodSecurity" in answer.value["message"]


def test_a_binding_with_networks_is_refused_without_the_webhook(server: RealApiServer) -> None:
    """NB: the API server learns of a new policy by a watch, so the first bindings may be accepted."""
    pod = {"metadata": {"name": "bound"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    server.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}})
    server.must("POST", "/api/v1/namespaces/default/pods", pod)
    binding = {"metadata": {"name": "bound"}, "target": {"kind": "Node", "name": "nowhere"}}
    path = "/api/v1/namespaces/default/pods/bound/binding?dryRun=All"
    bad = {**binding, "metadata": {"name": "bound", "annotations": {"k8s.v1.cni.cncf.io/networks": "lan"}}}
    wait_until(lambda: server.ask("POST", path, bad).status != 201)
    for key in (NETWORKS, DEFAULT_NETWORK, *NETWORK_STATUS_KEYS):
        answer = server.ask("POST", path, {**binding, "metadata": {"name": "bound", "annotations": {key: "lan"}}})
        assert answer.status == 403, answer.value
        assert "bindings.access.nadmit.io" in answer.value["message"]
    assert server.ask("POST", path, {**binding, "metadata": {"name": "bound", "annotations": {"a": "b"}}}).status == 201
    assert server.ask("POST", path, binding).status == 201
