"""`nadmit why`, `who`, `map` and `scan` at a real API server: lists, field selectors, RBAC. The events are of a real kubelet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.cluster.rig.installation import apply, empty_server
from tests.fakes.waiting import wait_until
from tests.paths import ROOT
from tests.realapi.server import RealApiServer
from tests.webhook.report.diagnosis.cases import CASES, Object, objects_of
from webhook.cli import nadmit
from webhook.commands.scanning.scancommand import NO_VERDICTS

pytestmark = [pytest.mark.kube_apiserver, pytest.mark.slow]

STAGED = {"multus/tiny-b": "Pod", "webhook/isolated": "Deployment", "multus/fine": "Pod"}
NEEDED = [
    ("", "pods", ["get", "list"]),
    ("", "events", ["list"]),
    ("apps", "deployments", ["get"]),
    ("apps", "replicasets", ["list"]),
]


@pytest.fixture(scope="module")
def api() -> Iterator[RealApiServer]:
    with empty_server() as server:
        assert apply(server, "crds").returncode == 0
        for name in STAGED:
            stage(server, objects_of(next(case for case in CASES if case.id == name)))
        yield server


def stage(server: RealApiServer, objects: list[Object]) -> None:
    """Write objects with the owners and the events that belong to their new uids."""
    uids: dict[str, str] = {}
    spaces = [item for item in objects if item["kind"] == "Namespace"]
    for item in [*spaces, *(item for item in objects if item["kind"] not in {"Namespace", "Event"})]:
        metadata = item["metadata"]
        old, status = metadata.pop("uid", ""), item.pop("status", None)
        metadata.pop("creationTimestamp", None)
        for owner in metadata.get("ownerReferences", ()):
            owner["uid"] = uids[owner["uid"]]
        if item["kind"] == "Pod":
            server.put(account(metadata["namespace"]))
            item["spec"].pop("serviceAccountName", None)
            item["spec"]["automountServiceAccountToken"] = False
        wait_until(partial(has_put, server, item))
        stored = server.must("GET", server.path_of(item))
        uids[old] = stored["metadata"]["uid"]
        if status is not None and item["kind"] != "Namespace":
            status.pop("terminatingReplicas", None)
            path = f"{server.path_of(item)}/status"
            server.must("PATCH", path, {"status": status}, kind="application/merge-patch+json")
    for event in (item for item in objects if item["kind"] == "Event"):
        about = event["involvedObject"]
        about["uid"] = uids.get(about["uid"], about["uid"])
        if event.get("eventTime"):  # then the API server wants all new fields
            event["reportingInstance"] = event["reportingComponent"]
        server.put(event)


def has_put(server: RealApiServer, item: Object) -> bool:
    """Say whether an object is stored; a new kind is not served at once."""
    try:
        server.put(item)
    except Exception as error:
        if "has no kind" in str(error) or "404" in str(error):
            return False
        raise
    return True


def account(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    }


POOLS = "ippools"
POOL_GROUP = "whereabouts.cni.cncf.io"
POOL_KIND: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{POOLS}.{POOL_GROUP}"},
    "spec": {
        "group": POOL_GROUP,
        "scope": "Namespaced",
        "names": {"kind": "IPPool", "listKind": "IPPoolList", "plural": POOLS, "singular": "ippool"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
POOL: Object = {
    "apiVersion": f"{POOL_GROUP}/v1alpha1",
    "kind": "IPPool",
    "metadata": {"name": "10.8.0.0-24", "namespace": "shop"},
    "spec": {"range": "10.8.0.0/24", "allocations": {"5": {"id": "c1", "podref": "shop/gone", "ifname": "net1"}}},
}


def grant(api: RealApiServer, namespace: str, user: str, needed: list[tuple[str, str, list[str]]]) -> None:
    rules = [{"apiGroups": [group], "resources": [name], "verbs": verbs} for group, name, verbs in needed]
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": user, "namespace": namespace}
    api.put({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    api.put(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": user},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
        }
    )


def ask(kubeconfig: Path, target: str, namespace: str) -> tuple[int, dict[str, Any], str]:
    return run(kubeconfig, "why", "-n", namespace, target)


def run(kubeconfig: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    result = CliRunner().invoke(nadmit, [*words, "--kubeconfig", str(kubeconfig), "-o", "json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, json.loads(result.stdout or "{}"), result.stderr


def test_a_pod_that_a_node_could_not_attach(api: RealApiServer) -> None:
    code, answer, _ = ask(api.admin_kubeconfig, "tiny-b", "shop")
    assert (code, answer["cause"], answer["unread"]) == (1, "range-exhausted", [])
    assert answer["failure"]["network"] == "shop/tiny"


def test_a_workload_without_pods(api: RealApiServer) -> None:
    code, answer, _ = ask(api.admin_kubeconfig, "deployment/isolated", "blue")
    assert (code, answer["cause"]) == (1, "refused-by-rules")
    assert answer["webhookNow"]["rules"] == ["PostureIsolated"]
    assert answer["webhookThen"].startswith("network access denied: pod blue/isolated-")


def test_a_network_that_all_pods_fail_on(api: RealApiServer) -> None:
    code, answer, _ = ask(api.admin_kubeconfig, "shop/tiny", "shop")
    assert (code, answer["cause"]) == (1, "range-exhausted")
    assert [pod["name"] for pod in answer["pods"]] == ["tiny-b"]


def test_a_user_without_rights_is_told_which_one(api: RealApiServer) -> None:
    code, _, error = ask(api.kubeconfig_of_user("carol"), "tiny-b", "shop")
    assert code == 2
    (line,) = error.splitlines()
    assert line.startswith("nadmit: pods shop/tiny-b: get is forbidden: ")
    assert line.endswith("; grant get on pods of this name to this account in a Role")


def test_who_has_an_address(api: RealApiServer) -> None:
    code, answer, _ = run(api.admin_kubeconfig, "who", "10.9.0.5")
    assert (code, answer["unread"]) == (0, [])
    (holder,) = answer["holders"]
    assert (holder["namespace"], holder["pod"], holder["segment"]["name"]) == ("shop", "fine", "br-lan")
    code, answer, _ = run(api.admin_kubeconfig, "who", "--free", "shop/lan")
    assert (code, answer["used"]) == (0, [{"address": "10.9.0.5", "by": "pod shop/fine"}])


def test_a_pool_of_whereabouts_keeps_an_address(api: RealApiServer) -> None:
    api.put(POOL_KIND)
    wait_until(partial(has_put, api, POOL))
    code, answer, _ = run(api.admin_kubeconfig, "who", "10.8.0.5")
    assert (code, [(one["pod"], one["podFound"]) for one in answer["kept"]]) == (0, [("shop/gone", False)])


def test_the_map_has_the_networks_and_their_pods(api: RealApiServer) -> None:
    code, answer, _ = run(api.admin_kubeconfig, "map")
    assert (code, answer["unread"]) == (0, [])
    networks = {network["network"]: network for one in answer["segments"] for network in one["networks"]}
    assert [user["workload"] for user in networks["shop/lan"]["users"]] == ["pod/fine"]


def test_a_scan_finds_what_is_wrong(api: RealApiServer) -> None:
    api.put(POOL_KIND)
    wait_until(partial(has_put, api, POOL))
    code, answer, _ = run(api.admin_kubeconfig, "scan")
    assert (code, answer["unread"], answer["notes"]) == (1, [], [])
    found = {(one["rule"], one["object"]["kind"], one["object"]["name"]) for one in answer["findings"]}
    assert found >= {
        ("PostureIsolated", "Deployment", "isolated"),
        ("allocation-orphan", "IPPool", "10.8.0.0-24"),
    }
    assert {kind for rule, kind, name in found if name == "fine"} == set()
    assert all(one["object"]["uid"] for one in answer["findings"])


def test_a_scan_names_each_right_that_is_missing(api: RealApiServer) -> None:
    api.put(POOL_KIND)
    wait_until(partial(has_put, api, POOL))
    kubeconfig = api.kubeconfig_of_user("frank")
    code, _, error = run(kubeconfig, "scan", "-n", "shop")
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("nadmit: pods shop: list is forbidden: ")
    assert error.endswith("; grant list and watch on pods to this account in a Role\n")
    grant(api, "shop", "frank", [("", "pods", ["list"])])
    wait_until(lambda: run(kubeconfig, "scan", "-n", "shop")[0] != 2)
    code, answer, error = run(kubeconfig, "scan", "-n", "shop")
    assert (code, error) == (0, "")
    kinds = [right.partition(":")[0].partition(".")[0].partition(" ")[0] for right in answer["unread"]]
    assert len(kinds) == len(set(kinds)), "one line for each"
    assert {"ippools", "network-attachment-definitions", "namespaces", "deployments", "services"} <= set(kinds)
    assert answer["notes"] == ["only pods and workloads of namespace shop were read", NO_VERDICTS]


def test_the_role_of_the_page_suffices_for_a_scan(api: RealApiServer) -> None:
    page = (ROOT / "docs" / "scan.md").read_text()
    role = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    api.put(role)
    api.put(
        {
            "apiVersion": role["apiVersion"],
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "grace"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role["metadata"]["name"],
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "grace"}],
        }
    )
    kubeconfig = api.kubeconfig_of_user("grace")
    wait_until(lambda: run(kubeconfig, "scan")[0] != 2)
    code, answer, error = run(kubeconfig, "scan")
    assert (code, answer["unread"], error) == (1, [], "")
    assert answer["findings"] == run(api.admin_kubeconfig, "scan")[1]["findings"]


@pytest.mark.parametrize("words", [("who", "10.9.0.5"), ("map",)])
def test_the_pods_of_one_namespace_need_one_right(api: RealApiServer, words: tuple[str, ...]) -> None:
    kubeconfig = api.kubeconfig_of_user("erin")
    code, _, error = run(kubeconfig, *words)
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("nadmit: pods: list is forbidden: ")
    assert error.endswith(", or read one namespace with -n\n")
    grant(api, "shop", "erin", [("", "pods", ["list"])])
    wait_until(lambda: run(kubeconfig, *words, "-n", "shop")[0] == 0)
    answer = run(kubeconfig, *words, "-n", "shop")[1]
    assert answer["notes"] == ["only pods of namespace shop were read"]
    assert "network-attachment-definitions.k8s.cni.cncf.io: list is forbidden" in answer["unread"][0]


def test_the_rights_of_the_page_in_one_namespace_suffice(api: RealApiServer) -> None:
    for namespace in ("shop", "blue"):
        grant(api, namespace, "dave", NEEDED)
    kubeconfig = api.kubeconfig_of_user("dave")
    wait_until(lambda: ask(kubeconfig, "tiny-b", "shop")[0] == 1)
    answer = ask(kubeconfig, "tiny-b", "shop")[1]
    assert (answer["cause"], answer["webhookNow"]) == ("range-exhausted", None)
    assert {right.partition(":")[0].partition(".")[0] for right in answer["unread"]} == {
        "namespaces",
        "network-attachment-definitions",
        "networkattachmentpolicies",
        "networkattachmentpolicyconfigs",
    }
    code, answer, _ = ask(kubeconfig, "deployment/isolated", "blue")
    assert (code, answer["cause"]) == (1, "refused-by-rules")
