"""The page's cluster at a real API server: watches, field selectors, few rights, and nothing but reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.browser import worlds
from tests.cluster.rig.installation import apply, empty_server
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.cli import nadmit
from webhook.commands.ui.livecluster import LiveCluster

from .test_server import Client

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]

MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    with empty_server() as found:
        assert apply(found, "crds").returncode == 0
        for one in worlds.demo():
            if one["kind"] != "Event":
                put(found, one)
        yield found


def put(server: RealApiServer, one: dict[str, Any]) -> None:
    """Create an object as its owner would, and then its status, as a node does."""
    value = {key: part for key, part in one.items() if key != "status"}
    value["metadata"] = {key: part for key, part in one["metadata"].items() if key not in {"uid", "ownerReferences"}}
    if one["kind"] == "Pod":
        where = {"name": "default", "namespace": one["metadata"]["namespace"]}
        server.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where})
        value["spec"] = {**one["spec"], "automountServiceAccountToken": False}
    if one["kind"] == "Namespace" and one["metadata"]["name"] == "default":
        return
    wait_until(lambda: _is_put(server, value))
    if one["kind"] == "Pod":
        status = {"phase": one["status"]["phase"]}
        server.must("PATCH", f"{server.path_of(value)}/status", {"status": status}, kind=MERGE)


def _is_put(server: RealApiServer, value: dict[str, Any]) -> bool:
    """Say whether an object is stored; a new kind is not served at once."""
    try:
        server.put(value)
    except Exception as error:
        if "has no kind" in str(error) or "404" in str(error):
            return False
        raise
    return True


@contextmanager
def watching(kubeconfig: Path, namespace: str = "") -> Iterator[LiveCluster]:
    origin = LiveCluster(kubeconfig, namespace=namespace, network_namespace="kube-system")
    origin.start()
    try:
        assert origin.wait(30)
        yield origin
    finally:
        origin.stop()


def grant(server: RealApiServer, user: str, namespace: str, rules: list[tuple[str, str, list[str]]]) -> None:
    """Give a user rights in a namespace: group, resource, verbs."""
    for one in (
        {
            "kind": "Role",
            "rules": [{"apiGroups": [group], "resources": [kind], "verbs": verbs} for group, kind, verbs in rules],
        },
        {
            "kind": "RoleBinding",
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"kind": "Role", "name": user, "apiGroup": "rbac.authorization.k8s.io"},
        },
    ):
        metadata = {"name": user, "namespace": namespace}
        server.put({"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata, **one})


def test_the_whole_cluster_live(server: RealApiServer) -> None:
    with watching(server.admin_kubeconfig) as origin:
        client = Client(origin)
        found = client.ask("map")
        assert found["unread"] == []
        networks = {network["network"]: network for one in found["segments"] for network in one["networks"]}
        assert sum(user["pods"] for user in networks["infra/storage"]["users"]) == 6
        refused = client.ask("can-attach", namespace="shop", network="infra/storage")
        assert refused["verdict"]["text"].startswith("Error from server (Forbidden): ")
        assert client.ask("pod", namespace="payments", name="ledger-0")["why"]["stage"]
        server.put(worlds.network("shop/new", {"type": "ptp"}))
        wait_until(lambda: client.ask("search", q="ledger-0")["count"] == 1)
        wait_until(lambda: "shop/new" in origin.moment().topology.networks)
        server.must("DELETE", server.path_of(worlds.network("shop/new", {"type": "ptp"})))
        wait_until(lambda: "shop/new" not in origin.moment().topology.networks)


def test_few_rights_in_one_namespace(server: RealApiServer) -> None:
    """A user with two rights sees what they give; every other right is named; nothing but reading was asked for."""
    kubeconfig, offset = server.kubeconfig_of_user("gina"), server.audit_offset()
    with watching(kubeconfig, "shop") as origin:
        assert origin.has_nothing()
    reads = ["list", "watch", "get"]
    grant(
        server,
        "gina",
        "shop",
        [("", "pods", reads), ("k8s.cni.cncf.io", "network-attachment-definitions", reads)],
    )
    with watching(kubeconfig, "shop") as origin:
        client = Client(origin)
        wait_until(lambda: client.ask("map")["pods"] == 7)
        found = client.ask("map")
        own = [network for one in found["segments"] for network in one["networks"] if network["defined"]]
        assert {network["network"] for network in own} == {"shop/frontend", "shop/backend"}
        kinds = [one.partition(":")[0].partition(".")[0].partition(" ")[0] for one in found["unread"]]
        assert {"namespaces", "networkattachmentpolicies", "network-attachment-definitions"} <= set(kinds)
        assert len(kinds) == len(set(kinds)), "one line for each"
        assert client.fail("can-attach", namespace="shop", network="shop/frontend")[0] == 409
    printed = CliRunner().invoke(nadmit, ["map", "-n", "shop", "--kubeconfig", str(kubeconfig)]).stdout
    assert "shop/frontend (bridge, host-local)" in printed
    assert "no such definition" not in printed
    asked = server.requests(offset=offset, user="gina")
    assert {one.verb for one in asked} <= {"get", "list", "watch"}
