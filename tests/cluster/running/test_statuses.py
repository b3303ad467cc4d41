"""`nadmit serve --cluster --write-status` at a real API server: the statuses of policies, and their writer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.process import Served, serving
from tests.fakes.waiting import wait_until
from tests.paths import MANIFESTS
from tests.realapi.server import MERGE_PATCH, RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

CRDS = MANIFESTS / "crds"
ACCESS = "/apis/access.nadmit.io/v1alpha1"
POLICIES, CONFIGS = f"{ACCESS}/networkattachmentpolicies", f"{ACCESS}/networkattachmentpolicyconfigs"
NAMESPACE, ACCOUNT = "status-test", "nadmit"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/nadmit-status"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"

Object = dict[str, Any]
Start = Callable[..., AbstractContextManager[Served]]

UNREADABLE_RULE: Object = {
    "name": "all",
    "action": "Deny",
    "networks": [{"selector": {"matchLabels": {f"{'a' * 254}/x": "y"}}}],
}
"""The schema accepts this label key, and the reader refuses it."""

RULES = [
    {"apiGroups": ["resource.k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["namespaces", "pods"], "verbs": ["list", "watch"]},
    {"apiGroups": ["k8s.cni.cncf.io"], "resources": ["network-attachment-definitions"], "verbs": ["list", "watch"]},
    {"apiGroups": ["access.nadmit.io"], "resources": ["*"], "verbs": ["list", "watch"]},
    {
        "apiGroups": ["access.nadmit.io"],
        "resources": ["networkattachmentpolicies/status", "networkattachmentpolicyconfigs/status"],
        "verbs": ["patch"],
    },
]
NAMED_RULES = [
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["nadmit-status"],
        "verbs": ["get", "patch"],
    },
]
EVENT_RULES = [{"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]}]


def rbac(kind: str, name: str, namespace: str = "", **fields: Any) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, **fields}


def grant(api: RealApiServer, rules: list[Object], namespace: str = "") -> None:
    """Grant rules to the account, in one namespace or in the cluster."""
    kind = "Role" if namespace else "ClusterRole"
    api.put(rbac(kind, "status-test", namespace, rules=rules))
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "status-test"}
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]
    api.put(rbac(f"{kind}Binding", "status-test", namespace, roleRef=reference, subjects=subjects))


@pytest.fixture(scope="module")
def cluster(real_api: RealApiServer) -> Iterator[RealApiServer]:
    """The kinds, an account with only the verbs of the writer, and a Lease without a holder."""
    for file in sorted(CRDS.glob("networkattachmentpolic*.yaml")):
        for value in yaml.safe_load_all(file.read_text()):
            real_api.put(value)
    for path in (POLICIES, CONFIGS):
        wait_until(lambda path=path: real_api.ask("GET", path).status == 200)  # type: ignore[misc]
    for name in (NAMESPACE, "st-blue", "st-green"):
        real_api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = {"name": ACCOUNT, "namespace": NAMESPACE}
    real_api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    grant(real_api, RULES)
    grant(real_api, NAMED_RULES, NAMESPACE)
    grant(real_api, EVENT_RULES, "default")
    yield real_api
    for name in (
        "networkattachmentpolicies",
        "networkattachmentpolicyconfigs",
    ):  # other tests install the kinds themselves
        real_api.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}.access.nadmit.io")
        wait_until(lambda name=name: real_api.ask("GET", f"{ACCESS}/{name}").status == 404)  # type: ignore[misc]


@pytest.fixture
def api(cluster: RealApiServer) -> Iterator[RealApiServer]:
    """The Lease of the manifest; the policies of a test are removed after it."""
    metadata = {"namespace": NAMESPACE, "name": "nadmit-status", "labels": {"shipped": "so"}}
    cluster.ask("DELETE", LEASE)
    cluster.put({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}})
    yield cluster
    for path in (POLICIES, CONFIGS):
        for found in cluster.must("GET", path)["items"]:
            cluster.must("DELETE", f"{path}/{found['metadata']['name']}")


@pytest.fixture
def start(api: RealApiServer, tmp_path: Path) -> Start:
    kubeconfig = api.kubeconfig_for(NAMESPACE, ACCOUNT)
    options = ("--kubeconfig", str(kubeconfig), "--write-status", "--namespace", NAMESPACE)
    return lambda name="a": serving(tmp_path / name, *options, manifests=None)


def policy(name: str, *, namespaces: tuple[str, ...] = (), labels: Object | None = None, **spec: Any) -> Object:
    pods = [{"namespaces": list(namespaces)}] if namespaces else [{"namespaceSelector": {"matchLabels": labels}}]
    metadata = {"name": name}
    rules = [{"name": "all", "action": "Deny"}]
    kind = {"apiVersion": "access.nadmit.io/v1alpha1", "kind": "NetworkAttachmentPolicy", "metadata": metadata}
    return {**kind, "spec": {"pods": pods, "attachments": rules, **spec}}


def found(api: RealApiServer, name: str) -> dict[str, str]:
    """Return status and reason of each condition of a policy."""
    status = api.must("GET", f"{POLICIES}/{name}").get("status", {})
    return {one["type"]: f"{one['status']} {one['reason']}" for one in status.get("conditions", ())}


def matched(api: RealApiServer, name: str) -> int | None:
    number: int | None = api.must("GET", f"{POLICIES}/{name}").get("status", {}).get("matchedNamespaces")
    return number


def events(api: RealApiServer, *names: str) -> Counter[tuple[str, str]]:
    items = api.must("GET", EVENTS)["items"]
    about = [item for item in items if item["regarding"]["name"] in names]
    return Counter((item["regarding"]["name"], item["reason"]) for item in about)


def holder(api: RealApiServer) -> str:
    return str(api.must("GET", LEASE)["spec"].get("holderIdentity", ""))


def seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def is_writer(served: Served) -> bool:
    return "nadmit_status_writer 1.0" in served.get("/metrics")[1]


def test_replicas_write_statuses_and_events(api: RealApiServer, start: Start) -> None:
    """Two replicas write the statuses of four policies: unreadable, on trial, changed, and one that selects by labels."""
    api.put(policy("broken", namespaces=("st-blue",), attachments=[UNREADABLE_RULE]))
    api.put(policy("good", namespaces=("st-blue", "st-green")))
    api.put(policy("labelled", labels={"tenant": "st"}))
    api.put(policy("trial", namespaces=("st-blue",), mode="Warn"))
    kind = {"apiVersion": "access.nadmit.io/v1alpha1", "kind": "NetworkAttachmentPolicyConfig"}
    api.put({**kind, "metadata": {"name": "cluster"}, "spec": {"posture": "Strict"}})
    offset = api.audit_offset()
    names = ("broken", "good", "labelled", "trial", "cluster")
    with start("a") as a, start("b") as b:
        wait_until(lambda: found(api, "trial") and api.must("GET", f"{CONFIGS}/cluster").get("status"))
        assert re.sub(r"\b\d+s\b", "1s", api.kubectl("get", "nap").stdout) == (
            "NAME       MODE      ACCEPTED   ENFORCED   NAMESPACES   AGE\n"
            "broken     Enforce   False      True       1            1s\n"
            "good       Enforce   True       True       2            1s\n"
            "labelled   Enforce   True       True       0            1s\n"
            "trial      Warn      True       False      1            1s\n"
        )
        fields = api.must("GET", f"{POLICIES}/good")["metadata"]["managedFields"]
        assert [entry["manager"] for entry in fields if entry.get("subresource") == "status"] == ["nadmit"]
        assert re.sub(r"\b\d+s\b", "1s", api.kubectl("get", "napc").stdout) == (
            "NAME      POSTURE   DEFINITIONS   ACCEPTED   ENFORCED   AGE\ncluster   Strict                  True       True       1s\n"
        )
        assert api.must("GET", f"{CONFIGS}/cluster")["status"]["attachedBy"] == "multus"
        assert sorted([is_writer(a), is_writer(b)]) == [False, True]
        api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "st-green", "labels": {"tenant": "st"}}})
        wait_until(lambda: matched(api, "labelled") == 1)
        api.put(policy("trial", namespaces=("st-blue",), mode="Enforce"))
        wait_until(lambda: found(api, "trial") == {"Accepted": "True Readable", "Enforced": "True Loaded"})
        api.put(policy("broken", namespaces=("st-blue",)))
        wait_until(lambda: found(api, "broken")["Accepted"] == "True Readable")
        assert events(api, *names) == {
            ("broken", "PolicyUnreadable"): 1,
            ("broken", "PolicyReadable"): 1,
            ("broken", "PolicyEnforced"): 1,
            ("good", "PolicyEnforced"): 1,
            ("labelled", "PolicyEnforced"): 1,
            ("trial", "PolicyOnTrial"): 1,
            ("trial", "PolicyEnforced"): 1,
            ("cluster", "PolicyEnforced"): 1,
        }
        described = api.kubectl("describe", "nap", "broken").stdout
        assert all(served.get("/readyz")[0] == 200 for served in (a, b))
    assert "PolicyUnreadable" in described
    assert "kubectl edit networkattachmentpolicy broken corrects it" in described
    assert "WARNING: status" not in a.errors + b.errors
    asked = {(one.verb, one.group, one.resource) for one in api.requests(offset=offset, user=USER)}
    assert {one for one in asked if one[0] not in {"list", "watch"}} == {
        ("patch", "access.nadmit.io", "networkattachmentpolicies/status"),
        ("patch", "access.nadmit.io", "networkattachmentpolicyconfigs/status"),
        ("get", "coordination.k8s.io", "leases"),
        ("patch", "coordination.k8s.io", "leases"),
        ("create", "events.k8s.io", "events"),
    }


def test_a_written_status_causes_no_further_write(api: RealApiServer, start: Start) -> None:
    """A written status comes back as an event of the watch, and is not written again."""
    for number in range(20):
        api.put(policy(f"many-{number}", namespaces=("st-blue",)))
    names = [f"many-{number}" for number in range(20)]
    with start() as served:
        wait_until(lambda: all(found(api, name) for name in names))
        offset = api.audit_offset()
        written = served.get("/metrics")[1]
        assert 'nadmit_status_writes_total{result="ok",what="status"} 20.0' in written
        before = holder(api), api.must("GET", LEASE)["spec"]["renewTime"]
        wait_until(lambda: api.must("GET", LEASE)["spec"]["renewTime"] != before[1])  # 5 s, so as many turns
        asked = Counter(one.resource for one in api.requests(offset=offset, user=USER) if one.verb != "watch")
    assert set(asked) == {"leases"}
    assert holder(api) == ""
    assert sum(events(api, *names).values()) == 20


def test_another_replica_takes_over(api: RealApiServer, start: Start) -> None:
    """After SIGTERM the Lease is free at once, after SIGKILL when it has expired. No event is written twice."""
    with ExitStack() as running:
        servers = {name: running.enter_context(start(name)) for name in "abc"}
        order = []
        for number in range(3):
            api.put(policy(f"take-{number}", namespaces=("st-blue",)))
            wait_until(lambda number=number: found(api, f"take-{number}"))  # type: ignore[misc]
            leader = next(name for name in servers if is_writer(servers[name]))
            order.append(holder(api))
            if number == 0:
                renewed = api.must("GET", LEASE)["spec"]["renewTime"]
                servers[leader].process.terminate()
                servers.pop(leader).process.wait(10)
                wait_until(lambda: any(map(is_writer, servers.values())))
                assert (
                    seconds(renewed, api.must("GET", LEASE)["spec"]["acquireTime"]) < 15
                )  # the Lease did not have to expire
            elif number == 1:
                servers.pop(leader).process.kill()
        assert len(set(order)) == 3
        assert api.must("GET", LEASE)["spec"]["leaseTransitions"] == 3
        assert api.must("GET", LEASE)["metadata"]["labels"] == {"shipped": "so"}
    assert set(events(api, "take-0", "take-1", "take-2").values()) == {1}


def test_a_missing_right_is_logged(api: RealApiServer, start: Start) -> None:
    """Without the right to write statuses the server serves, and names the missing right."""
    grant(api, RULES[:-1])
    try:
        api.put(policy("mute", namespaces=("st-blue",)))
        with start() as served:
            wait_until(
                lambda: 'nadmit_status_writes_total{result="error",what="status"} 1.0' in served.get("/metrics")[1]
            )
            assert served.get("/readyz") == (200, "ready")
    finally:
        grant(api, RULES)
    assert "networkattachmentpolicies.access.nadmit.io/status mute: patch is forbidden" in served.errors
    assert "grant patch on networkattachmentpolicies.access.nadmit.io/status to this account" in served.errors


def test_a_foreign_status(api: RealApiServer, start: Start) -> None:
    """The status is corrected at the next change of the policy; a foreign condition stays."""
    api.put(policy("other", namespaces=("st-blue",)))
    foreign = {
        "type": "example.com/Seen",
        "status": "True",
        "reason": "Seen",
        "message": "",
        "lastTransitionTime": "2026-11-23T19:00:00Z",
    }
    with start():
        wait_until(lambda: found(api, "other"))
        path = f"{POLICIES}/other/status"
        api.must("PATCH", path, {"status": {"conditions": [foreign], "matchedNamespaces": 9}}, kind=MERGE_PATCH)
        api.put(policy("other", namespaces=("st-blue",), mode="Audit"))
        wait_until(lambda: len(found(api, "other")) == 3)
        assert found(api, "other") == {
            "Accepted": "True Readable",
            "Enforced": "False ModeAudit",
            "example.com/Seen": "True Seen",
        }
        assert matched(api, "other") == 1
