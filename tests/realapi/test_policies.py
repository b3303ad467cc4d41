"""The webhook's source and the commands read access policies from a real API server, with an account of few rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes.objects import policy, policy_config
from tests.fakes.waiting import wait_until
from webhook.cli import nadmit
from webhook.kube.informers import Timing
from webhook.snapshot.source import ClusterSource

from .server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

GROUP = "access.nadmit.io"
KINDS = {
    "NetworkAttachmentPolicy": "networkattachmentpolicies",
    "NetworkAttachmentPolicyConfig": "networkattachmentpolicyconfigs",
}
OPEN_SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
"""Accepts policies that the real schema would refuse, because a policy may be older than its schema."""
SAN = {"name": "san", "action": "Allow", "networks": [{"namespaces": ["infra"], "names": ["storage"]}]}


def definition(kind: str) -> dict[str, Any]:
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": OPEN_SCHEMA},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{KINDS[kind]}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {"plural": KINDS[kind], "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [version],
        },
    }


def path_of(kind: str, name: str = "") -> str:
    return f"/apis/{GROUP}/v1alpha1/{KINDS[kind]}" + (f"/{name}" if name else "")


@pytest.fixture
def reader(real_api: RealApiServer) -> Path:
    """An account that may only list and watch the four resources."""
    rules = [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["k8s.cni.cncf.io"], "resources": ["network-attachment-definitions"], "verbs": ["list", "watch"]},
        {"apiGroups": [GROUP], "resources": [*KINDS.values()], "verbs": ["list", "watch"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": "nadmit-reader", "namespace": "default"}
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "nadmit-reader"}
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": "nadmit-reader"}}
    metadata = {"name": "nadmit-reader", "namespace": "default"}
    real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    real_api.put({**head, "kind": "ClusterRole", "rules": rules})
    real_api.put({**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [account]})
    return real_api.kubeconfig_for("default", "nadmit-reader")


@pytest.fixture
def install(real_api: RealApiServer) -> Iterator[Callable[[], None]]:
    """Install the definitions, and remove them after the test."""

    def install() -> None:
        for kind in KINDS:
            real_api.put(definition(kind))
        wait_until(lambda: all(real_api.ask("GET", path_of(kind)).status == 200 for kind in KINDS))

    yield install
    for plural in KINDS.values():
        real_api.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}")
    wait_until(lambda: all(real_api.ask("GET", path_of(kind)).status == 404 for kind in KINDS))


@pytest.fixture
def networks(real_api: RealApiServer) -> None:
    for namespace, name in (("infra", "storage"), ("blue", "lan")):
        real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        metadata = {"namespace": namespace, "name": name}
        config = '{"cniVersion": "1.0.0", "type": "bridge"}'
        head = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
        real_api.put({**head, "metadata": metadata, "spec": {"config": config}})


def put(real_api: RealApiServer, value: dict[str, Any]) -> None:
    """Write an object; the server sets its generation."""
    real_api.put({**value, "metadata": {"name": value["metadata"]["name"]}})


def test_policies_of_a_real_cluster(
    real_api: RealApiServer, reader: Path, networks: None, install: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The definitions are installed after the source has started; policies are created, changed, given a status and deleted."""
    swaps: list[object] = []
    timing = Timing(absent_retry_s=0.05)
    source = ClusterSource(reader, timing=timing, on_swap=swaps.append, environ={})

    def rules() -> dict[str, list[str]]:
        policies = source.snapshot().policies.policies
        return {found.name: [rule.name for rule in found.attachments] for found in policies}

    source.start()
    try:
        wait_until(lambda: source.problem() is None)
        assert rules() == {}
        install()
        put(real_api, policy("blue-storage", SAN, pods=[{"namespaces": ["blue"]}]))
        wait_until(lambda: rules() == {"blue-storage": ["san"]})
        put(real_api, policy_config(posture="Strict"))
        wait_until(lambda: source.snapshot().policies.config)
        before, count = source.snapshot().policies, len(swaps)
        status = {"status": {"observedGeneration": 1}}
        path = f"{path_of('NetworkAttachmentPolicy', 'blue-storage')}/status"
        real_api.must("PATCH", path, status, kind="application/merge-patch+json")
        put(real_api, policy("broken", {**SAN, "limits": {"ips": {"cidrs": ["ten"]}}}))
        wait_until(lambda: len(swaps) > count)
        assert "broken" in rules()
        assert len(swaps) == count + 1
        assert source.snapshot().policies.policies[0] is before.policies[0]
        assert caplog.text.count('NetworkAttachmentPolicy "broken": spec.attachments[0].limits.ips.cidrs[0]') == 1
        real_api.must("DELETE", path_of("NetworkAttachmentPolicy", "blue-storage"))
        real_api.must("DELETE", path_of("NetworkAttachmentPolicyConfig", "cluster"))
        wait_until(lambda: list(rules()) == ["broken"] and source.snapshot().policies.config is None)
    finally:
        source.stop()


def test_commands_ask_a_real_cluster(
    real_api: RealApiServer, reader: Path, networks: None, install: Callable[[], None]
) -> None:
    assert ask("can-attach", "infra/storage", kubeconfig=reader).exit_code == 1
    install()
    put(real_api, policy("blue-storage", SAN, pods=[{"namespaces": ["blue"]}]))
    offset = real_api.audit_offset()
    allowed = ask("can-attach", "infra/storage", kubeconfig=reader)
    assert (allowed.exit_code, allowed.stderr) == (0, "")
    assert 'decided: NetworkAttachmentPolicy "blue-storage" rule "san" (Allow)' in allowed.stdout
    user = "system:serviceaccount:default:nadmit-reader"
    wait_until(lambda: len(real_api.requests(offset=offset, user=user)) == 4)
    assert {asked.verb for asked in real_api.requests(offset=offset, user=user)} == {"list"}
    listed = ask("rules", kubeconfig=reader)
    assert "infra/storage  yes" in " ".join(listed.stdout.replace("    ", "  ").splitlines())


def test_a_missing_right_is_named(real_api: RealApiServer) -> None:
    result = ask("rules", kubeconfig=real_api.kubeconfig_of_user("alice"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "list is forbidden" in result.stderr
    assert "grant list and watch on network-attachment-definitions.k8s.cni.cncf.io" in result.stderr


def ask(command: str, *arguments: str, kubeconfig: Path) -> Result:
    words = [command, "-n", "blue", "--cluster", "--kubeconfig", str(kubeconfig), *arguments]
    result = CliRunner().invoke(nadmit, words, prog_name="nadmit")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result
