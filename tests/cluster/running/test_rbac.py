"""The process runs with the account of the manifests, and the audit log shows that it uses exactly its grants."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cluster.rig.installation import ACCOUNT, NAMESPACE, installed_server, webhook_options
from tests.e2e.process import RECORDINGS, Served, Unanswered, serving
from tests.fakes.waiting import wait_until
from tests.manifests.verbs_used import VERBS_USED, Use
from tests.realapi.audit import Asked
from tests.realapi.server import MERGE_PATCH, RealApiServer
from tests.webhook.admission.dra.claimobjects import BY_CLAIM, BY_TEMPLATE, pod
from tests.webhook.configuration.texts import BAD, HONOR
from webhook.admission.dra.claims import IMPLICIT_RESOURCE
from webhook.commands.judging import admission_review

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
POLICIES = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies"
CONFIGURATION = f"/api/v1/namespaces/{NAMESPACE}/configmaps/nadmit-webhook"
POLICY = {
    "apiVersion": "access.nadmit.io/v1alpha1",
    "kind": "NetworkAttachmentPolicy",
    "metadata": {"name": "nothing"},
    "spec": {
        "pods": [{"namespaceSelector": {"matchLabels": {"tenant": "a"}}}],
        "attachments": [{"name": "all", "action": "Deny"}],
    },
}
POD_WITH_A_NEW_NETWORK = (RECORDINGS / "create-pods-alice-pod.json").read_bytes()

POD_WITH_NEW_CLAIMS = admission_review(
    pod(BY_CLAIM, BY_TEMPLATE, resources={f"{IMPLICIT_RESOURCE}new": "1"}), namespace="blue"
)

Row = tuple[str, str, str]
"""Group, resource, verb."""


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    with installed_server() as server:
        yield server


def row(asked: Asked) -> Row:
    return asked.group, asked.resource, asked.verb


def covers(use: Use, asked: Asked) -> bool:
    """Say whether RBAC allows a row of the table."""
    split = urlsplit(asked.uri)
    path = split.path
    selected = parse_qs(split.query).get("fieldSelector", [""])[0]
    in_path = path.partition(f"/{asked.resource.partition('/')[0]}/")[2].partition("/")[0]
    name = in_path or selected.removeprefix("metadata.name=")
    return (
        (use.group, use.resource, use.verb) == row(asked)
        and (not use.namespace or f"/namespaces/{use.namespace}/" in path)
        and use.name in {"", name}
    )


def trust_the_secret(server: RealApiServer, served: Served, file: Path) -> None:
    """Trust the authority in the Secret of the process, if there is one."""
    data = server.must("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/nadmit-tls").get("data", {})
    if "ca.crt" in data:
        file.write_bytes(base64.b64decode(data["ca.crt"]))
        served.ca = file


def _has_no_verdict(served: Served, path: str) -> bool:
    """Say whether a pod of an unknown namespace is not judged, because its labels matter."""
    try:
        served.post(POD_WITH_A_NEW_NETWORK, path)
    except Unanswered as answer:
        return bool(answer.args[0] == 503)
    return False


def registered_path(server: RealApiServer) -> str:
    """Wait until judgement is registered; return its path, which has a token."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/nadmit"
    wait_until(lambda: "webhooks" in server.must("GET", path), lambda: "not registered")
    url = server.must("GET", path)["webhooks"][0]["clientConfig"]["url"]
    return str(urlsplit(url).path)


def test_it_uses_exactly_its_grants(server: RealApiServer, tmp_path: Path) -> None:
    options = webhook_options(server, "https://127.0.0.1:1")
    offset = server.audit_offset()
    granted = {(use.group, use.resource, use.verb) for use in VERBS_USED}

    def asked() -> list[Asked]:
        return [request for request in server.requests(offset=offset, user=USER) if request.resource]

    def unused() -> set[Row]:
        return granted - {row(request) for request in asked()}

    with serving(tmp_path / "certs", *options, manifests=None) as served:
        wait_until(lambda: served.get("/readyz")[0] == 200, lambda: served.get("/readyz"))
        trust_the_secret(server, served, tmp_path / "ca.crt")
        path = registered_path(server)
        observed = served.post(POD_WITH_A_NEW_NETWORK, path)  # a new installation is in stage Observe
        assert "no NetworkAttachmentDefinition" in observed["auditAnnotations"]["trial"]
        assert served.post(POD_WITH_NEW_CLAIMS, path)["allowed"]
        server.put(POLICY)
        wait_until(lambda: _has_no_verdict(served, path), served.get("/metrics").__str__)
        server.must("PATCH", f"{POLICIES}/nothing", {"spec": {"mode": "Audit"}}, kind=MERGE_PATCH)
        server.must("PATCH", CONFIGURATION, {"data": {"config.yaml": HONOR.decode()}}, kind=MERGE_PATCH)
        wait_until(lambda: not unused(), unused)
        server.must("PATCH", CONFIGURATION, {"data": {"config.yaml": BAD.decode()}}, kind=MERGE_PATCH)
        wait_until(lambda: any(f"/namespaces/{NAMESPACE}/events" in request.uri for request in asked()), asked)
    assert served.process.returncode == 0, served.errors
    assert any(request.verb == "patch" and "/nadmit-would-refuse" in request.uri for request in asked())
    refused = [request.line for request in asked() if not any(covers(use, request) for use in VERBS_USED)]
    assert refused == []
    assert "orbidden" not in served.errors


@pytest.mark.parametrize(
    ("verb", "what", "namespace"),
    [
        ("get", "secrets/other", NAMESPACE),
        ("list", "secrets", NAMESPACE),
        ("get", "secrets/nadmit-tls", "default"),
        ("create", "leases.coordination.k8s.io", NAMESPACE),
        ("list", "configmaps", NAMESPACE),
        ("patch", "configmaps/other", NAMESPACE),
        ("update", "configmaps/nadmit-webhook", NAMESPACE),
        ("patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io/other", ""),
        ("patch", "validatingwebhookconfigurations.admissionregistration.k8s.io/other", ""),
        ("delete", "mutatingwebhookconfigurations.admissionregistration.k8s.io/nadmit", ""),
        ("delete", "validatingwebhookconfigurations.admissionregistration.k8s.io/nadmit", ""),
        ("update", "networkattachmentpolicies.access.nadmit.io", ""),
        ("create", "pods", "default"),
        ("create", "events.events.k8s.io", "kube-system"),
    ],
)
def test_the_account_may_not(server: RealApiServer, verb: str, what: str, namespace: str) -> None:
    where = ["-n", namespace] if namespace else []
    done = server.kubectl("auth", "can-i", verb, what, *where, "--as", USER)
    assert done.stdout.strip() == "no", done.stderr


@pytest.mark.parametrize("use", VERBS_USED, ids=lambda use: f"{use.verb}-{use.resource}")
def test_the_account_may(server: RealApiServer, use: Use) -> None:
    resource, _, part = use.resource.partition("/")
    group = f".{use.group}" if use.group else ""
    what = f"{resource}{group}{f'/{use.name}' if use.name else ''}"
    words = [
        use.verb,
        what,
        *(["--subresource", part] if part else []),
        *(["-n", use.namespace] if use.namespace else ["-A"]),
    ]
    done = server.kubectl("auth", "can-i", *words, "--as", USER)
    assert done.stdout.strip() == "yes", (words, done.stdout, done.stderr)
