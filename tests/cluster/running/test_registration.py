"""The webhook registers itself at a real API server: when, with what, for which requests, and against edits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.rig.registered import (
    CONFIGURATION,
    CONTAINERS,
    INJECTION,
    NAMESPACE,
    NETWORKS,
    READ,
    REGISTER,
    STATUS,
    Object,
    account,
    cluster,
    create,
    empty_configuration,
    hooks,
    is_in_order,
    judging,
    network,
    pod,
    policies,
    registering,
    reviews,
    run_webhooks,
)
from tests.e2e.process import Served
from tests.fakes.waiting import wait_until
from tests.realapi.server import MERGE_PATCH, RealApiServer
from webhook.registration.tables import KINDS, VALIDATING_KIND

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@pytest.fixture
def world(real_api: RealApiServer) -> Iterator[RealApiServer]:
    with cluster(real_api) as api:
        yield api


@pytest.fixture
def server(world: RealApiServer, tmp_path: Path) -> Iterator[Served]:
    """A registered server, and one network."""
    with judging(world, tmp_path / "certs") as served:
        yield served


def template(annotations: dict[str, str]) -> Object:
    return {"metadata": {"labels": {"app": "x"}, "annotations": annotations}, "spec": {**CONTAINERS}}


def test_a_server_registers_only_when_it_is_ready(world: RealApiServer, tmp_path: Path) -> None:
    with registering(tmp_path / "certs", account(world, REGISTER)) as server:
        wait_until(lambda: "is forbidden" in server.get("/readyz")[1])
        assert hooks(world) == {}
        account(world, READ + REGISTER)
        wait_until(lambda: hooks(world))
        assert server.get("/readyz") == (200, "ready")
        wait_until(lambda: is_in_order(server))
        seen = world.must("GET", CONFIGURATION)
    assert [hook["name"] for hook in seen["webhooks"]] == [
        "pods.access.nadmit.io",
        "bindings.access.nadmit.io",
        "networks.access.nadmit.io",
        "networks-in-use.access.nadmit.io",
        "workloads.access.nadmit.io",
        "policies.access.nadmit.io",
        "network-status.access.nadmit.io",
        "namespaces.access.nadmit.io",
        "namespace-labels.access.nadmit.io",
        "claims.access.nadmit.io",
        "devices.access.nadmit.io",
        "other-claims.access.nadmit.io",
        "other-workloads.access.nadmit.io",
        "machines.access.nadmit.io",
        "own-workloads.access.nadmit.io",
    ]
    assert {hook["failurePolicy"] for hook in seen["webhooks"]} == {"Ignore"}
    assert "written, stage Ignore: pods.access.nadmit.io: absent; " in server.errors
    assert (
        server.errors.count("Validating") == server.errors.count("Mutating") == 2
    )  # two lines for each: written, and in order


def test_the_manifest_can_be_applied_again(server: Served, world: RealApiServer) -> None:
    """The manifest has no `webhooks`, so kubectl apply of either kind leaves them alone."""
    before = hooks(world), hooks(world, INJECTION)
    manifests = [json.dumps(empty_configuration(kind)) for kind in KINDS]
    server_side = ("--server-side", "--force-conflicts")
    for words in ((), server_side, server_side, (), server_side):
        for manifest in manifests:
            assert world.kubectl("apply", "-f", "-", *words, stdin=manifest).returncode == 0
        assert (hooks(world), hooks(world, INJECTION)) == before
    assert is_in_order(server)


def workload(kind: str, name: str, annotations: dict[str, str]) -> Object:
    made = template(annotations)
    head: Object = {"kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
    selector = {"matchLabels": {"app": "x"}}
    never = {**made, "spec": {**made["spec"], "restartPolicy": "Never"}}
    specs: dict[str, Object] = {
        "Deployment": {"apiVersion": "apps/v1", "spec": {"selector": selector, "template": made}},
        "StatefulSet": {"apiVersion": "apps/v1", "spec": {"selector": selector, "serviceName": "x", "template": made}},
        "DaemonSet": {"apiVersion": "apps/v1", "spec": {"selector": selector, "template": made}},
        "ReplicaSet": {"apiVersion": "apps/v1", "spec": {"selector": selector, "template": made}},
        "ReplicationController": {"apiVersion": "v1", "spec": {"selector": {"app": "x"}, "template": made}},
        "Job": {"apiVersion": "batch/v1", "spec": {"template": never}},
        "CronJob": {
            "apiVersion": "batch/v1",
            "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": never}}},
        },
        "PodTemplate": {"apiVersion": "v1", "template": made},
    }
    return {**head, **specs[kind]}


WORKLOADS = (
    "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "PodTemplate",
)  # fmt: skip


def test_which_requests_call_the_webhook(server: Served, world: RealApiServer) -> None:
    """Each step has an action, whether it is refused, and the number of calls of the webhook."""
    count = reviews(server)

    def step(refused_by: str | None, calls: int, done: tuple[int, str]) -> None:
        nonlocal count
        now = reviews(server)
        status, said = done
        assert (now - count, refused_by is not None) == (calls, status >= 400), (done, calls)
        assert refused_by is None or f'admission webhook "{refused_by}.access.nadmit.io" denied the request' in said
        count = now

    def ask(method: str, path: str, body: Object, *, kind: str = "application/json") -> tuple[int, str]:
        status, value = world.ask(method, path, body, kind=kind)
        return status, str(value.get("message", ""))

    def annotate(path: str, values: dict[str, str | None]) -> tuple[int, str]:
        return ask("PATCH", path, {"metadata": {"annotations": values}}, kind=MERGE_PATCH)

    # pods
    step(None, 0, ask("POST", PODS, pod("plain")))
    step(None, 1, ask("POST", PODS, pod("web", "lan")))
    step("pods", 1, ask("POST", PODS, pod("bad", "lan,")))
    step(None, 0, annotate(f"{PODS}/plain", {"other": "x"}))
    step(None, 0, annotate(f"{PODS}/web", {"other": "x"}))
    step(None, 0, ask("PATCH", f"{PODS}/web", {"metadata": {"labels": {"a": "b"}}}, kind=MERGE_PATCH))
    step("pods", 1, annotate(f"{PODS}/plain", {NETWORKS: "nope/nope"}))
    step(None, 1, annotate(f"{PODS}/web", {NETWORKS: "lan,lan"}))
    step(None, 1, annotate(f"{PODS}/web", {NETWORKS: None}))
    # pods/status, side doors 8 and 20
    step(None, 0, ask("PATCH", f"{PODS}/plain/status", {"status": {"reason": "x"}}, kind=MERGE_PATCH))
    step("pods", 1, annotate(f"{PODS}/plain/status", {NETWORKS: "nope/nope"}))
    step(None, 1, annotate(f"{PODS}/plain/status", {STATUS: "[]"}))
    step(None, 1, annotate(f"{PODS}/plain", {STATUS: None}))
    step(None, 1, annotate(f"{PODS}/plain", {STATUS: "[]", NETWORKS: ""}))
    # bindings, side door 8
    binding: Object = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "plain"}}
    binding["target"] = {"kind": "Node", "name": "n"}
    marked = {**binding, "metadata": {"name": "plain", "annotations": {NETWORKS: "lan"}}}
    step("bindings", 1, ask("POST", f"{PODS}/plain/binding", marked))
    step("bindings", 1, ask("POST", f"/api/v1/namespaces/{NAMESPACE}/bindings", marked))
    step(None, 0, ask("POST", f"{PODS}/plain/binding", binding))
    # networks
    networks = f"/apis/k8s.cni.cncf.io/v1/namespaces/{NAMESPACE}/network-attachment-definitions"
    step("networks", 1, ask("POST", networks, network("bad", plugin="../x")))
    step(None, 1, ask("POST", networks, network("gone")))
    step(None, 1, ask("DELETE", f"{networks}/gone", {}))
    # policies: the schema refuses nearly all that the webhook would
    access = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies"
    policy: Object = {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicy",
        "metadata": {"name": "p"},
        "spec": {"attachments": [{"name": "a", "action": "Deny", "networks": [{"namespaces": ["none"]}]}]},
    }
    step(None, 1, ask("POST", access, policy))
    step(None, 1, ask("PATCH", f"{access}/p", {"spec": {"mode": "Warn"}}, kind=MERGE_PATCH))
    step(None, 0, ask("PATCH", f"{access}/p/status", {"status": {"observedGeneration": 1}}, kind=MERGE_PATCH))
    step(None, 0, ask("DELETE", f"{access}/p", {}))
    config = {**policy, "kind": "NetworkAttachmentPolicyConfig", "metadata": {"name": "cluster"}, "spec": {}}
    step(None, 1, ask("POST", access.replace("policies", "policyconfigs"), config))
    # DELETE of pods calls no webhook
    step(None, 0, ask("DELETE", f"{PODS}/plain", {"gracePeriodSeconds": 0}))


@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_template_is_judged_when_it_is_new_or_changed(server: Served, world: RealApiServer, kind: str) -> None:
    refused = 'admission webhook "workloads.access.nadmit.io" denied the request'
    count = reviews(server)
    assert create(world, workload(kind, "plain", {})).returncode == 0
    assert reviews(server) == count
    assert refused in create(world, workload(kind, "bad", {NETWORKS: "kube-system/secret"})).stderr
    assert reviews(server) == count + 1
    assert create(world, workload(kind, "web", {NETWORKS: "lan"})).returncode == 0
    assert reviews(server) == count + 2
    assert world.kubectl("label", kind.lower(), "web", "-n", NAMESPACE, "a=b").returncode == 0
    assert world.kubectl("label", kind.lower(), "plain", "-n", NAMESPACE, "a=b").returncode == 0
    assert reviews(server) == count + 2
    controller = ["--as", "system:serviceaccount:kube-system:replicaset-controller", "--as-group", "system:masters"]
    assert create(world, workload(kind, "copy", {NETWORKS: "kube-system/secret"}), *controller).returncode == 0
    assert reviews(server) == count + 2
    if kind in {"Job", "PodTemplate"}:  # a Job's template is immutable; kubectl cannot set that of a PodTemplate
        return
    place = {"metadata": {"annotations": {NETWORKS: "kube-system/secret"}}}
    spec: Object = {"jobTemplate": {"spec": {"template": place}}} if kind == "CronJob" else {"template": place}
    patched = world.kubectl(
        "patch", kind.lower(), "plain", "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": spec})
    )
    assert refused in patched.stderr
    assert reviews(server) == count + 3


def test_networks_on_a_workload_itself_get_a_warning(server: Served, world: RealApiServer) -> None:
    """Nobody reads them there, so they are not judged. A change elsewhere, and a copy by a controller, call nobody."""
    controller = ["--as", "system:serviceaccount:kube-system:cronjob-controller", "--as-group", "system:masters"]
    for kind in WORKLOADS:
        count = reviews(server)
        value = workload(kind, "misplaced", {})
        value["metadata"]["annotations"] = {NETWORKS: "kube-system/secret"}
        made = create(world, value)
        assert (made.returncode, f"Warning: metadata.annotations[{NETWORKS}]: " in made.stderr) == (0, True), made
        assert "so nobody reads this" in made.stderr
        assert reviews(server) == count + 1
        name = (kind.lower(), "misplaced", "-n", NAMESPACE)
        assert world.kubectl("label", *name, "a=b").stderr == ""
        assert world.kubectl("annotate", *name, "other=x").stderr == ""
        assert reviews(server) == count + 1
        assert "so nobody reads this" in world.kubectl("annotate", "--overwrite", *name, f"{NETWORKS}=lan").stderr
        assert world.kubectl("annotate", *name, f"{NETWORKS}-").stderr == ""
        assert reviews(server) == count + 2
        value["metadata"]["name"] = "misplaced-copy"
        assert create(world, value, *controller).stderr == ""
        assert reviews(server) == count + 2
    value = workload("CronJob", "misplaced-jobs", {})
    value["spec"]["jobTemplate"]["metadata"] = {"annotations": {NETWORKS: "lan"}}
    made = create(world, value)
    assert (made.returncode, f"spec.jobTemplate.metadata.annotations[{NETWORKS}]: " in made.stderr) == (0, True)


def test_annotations_through_subresources_are_judged(server: Served, world: RealApiServer) -> None:
    """Annotations through `pods/status` and `pods/binding` are judged (side door 8)."""
    assert server.get("/readyz") == (200, "ready")
    assert create(world, pod("plain")).returncode == 0
    patch = json.dumps({"metadata": {"annotations": {NETWORKS: "kube-system/secret"}}})
    words = ("patch", "pod", "plain", "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch)
    done = world.kubectl(*words)
    assert 'admission webhook "pods.access.nadmit.io" denied the request: network access denied: pod' in done.stderr
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "plain", "annotations": {NETWORKS: "kube-system/secret"}},
        "target": {"kind": "Node", "name": "n"},
    }
    done = world.kubectl("create", "--raw", f"{PODS}/plain/binding", "-f", "-", stdin=json.dumps(binding))
    assert (
        'admission webhook "bindings.access.nadmit.io" denied the request: network access denied: binding'
        in done.stderr
    )
    assert NETWORKS not in world.must("GET", f"{PODS}/plain")["metadata"].get("annotations", {})


def test_staged_fail_closed_and_open_again(server: Served, world: RealApiServer) -> None:
    """Under Fail, only requests that cannot be judged are refused (side door 15)."""
    assert run_webhooks(world, "status").exit_code == 0
    staged = run_webhooks(world, "stage", "Fail")
    assert (staged.exit_code, staged.output) == (
        0,
        "nadmit: stage Fail, failurePolicy Fail, for 17 webhooks (was Ignore)\n",
    )
    fails = dict.fromkeys(("pods", "bindings", "networks", "policies", "namespaces", "claims"), "Fail")
    assert policies(world) == {
        **fails,
        **dict.fromkeys(("networks-in-use", "network-status", "namespace-labels", "devices", "other-claims"), "Ignore"),
        **dict.fromkeys(("workloads", "other-workloads", "machines", "own-workloads"), "Ignore"),
    }
    assert policies(world, INJECTION) == {"pods": "Fail", "defaults": "Ignore"}
    assert run_webhooks(world, "status").exit_code == 0
    wait_until(lambda: is_in_order(server))
    server.process.kill()
    server.process.wait(20)
    refused = 'failed calling webhook "pods.inject.nadmit.io"'
    wait_until(lambda: refused in create(world, pod("web", "lan"), "--dry-run=server").stderr)
    assert create(world, pod("plain")).returncode == 0
    assert world.kubectl("label", "pod", "plain", "-n", NAMESPACE, "a=b").returncode == 0
    assert world.kubectl("annotate", "pod", "plain", "-n", NAMESPACE, f"{STATUS}=[]").returncode == 0
    assert create(world, workload("Deployment", "web", {NETWORKS: "lan"})).returncode == 0
    assert world.kubectl("delete", "net-attach-def", "lan", "-n", NAMESPACE).returncode == 0
    assert run_webhooks(world, "stage", "Fail").exit_code == 1
    assert run_webhooks(world, "stage", "Ignore").exit_code == 0
    assert {*policies(world).values(), *policies(world, INJECTION).values()} == {"Ignore"}
    wait_until(lambda: create(world, pod("web", "lan"), "--dry-run=server").returncode == 0)
    said = run_webhooks(world, "stage", "Fail")
    assert said.exit_code == 1
    assert "was accepted: the API server does not reach the webhook" in said.output
    assert set(policies(world).values()) == {"Ignore"}
    assert run_webhooks(world, "stage", "Fail", "--force").exit_code == 0
    assert policies(world)["pods"] == "Fail"


def test_edits_are_reverted_and_foreign_webhooks_stay(server: Served, world: RealApiServer) -> None:
    seen = world.must("GET", CONFIGURATION)
    foreign = {
        "name": "other.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"url": "https://127.0.0.1:1/none"},
        "rules": [{"apiGroups": ["x.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["xs"]}],
    }
    before = hooks(world)
    edited = [dict(hook) for hook in seen["webhooks"]]
    edited[0]["failurePolicy"] = "Fail"
    edited[0]["namespaceSelector"] = {"matchLabels": {"judged": "yes"}}
    edited[2]["rules"] = [*edited[2]["rules"], {**edited[2]["rules"][0], "operations": ["DELETE"]}]
    stranger = {**edited[1], "name": "old.nadmit.io"}
    world.must("PUT", CONFIGURATION, {**seen, "webhooks": [foreign, stranger, *edited[:4]]})
    shown = run_webhooks(world, "status")
    assert shown.exit_code == 1
    assert "namespaceSelector" in shown.output
    assert "absent" in shown.output
    wait_until(lambda: hooks(world).keys() == {*before, "other.example.com"})
    after = hooks(world)
    assert after.pop("other.example.com")["clientConfig"] == foreign["clientConfig"]
    assert after == before
    shown = run_webhooks(world, "status")
    assert (shown.exit_code, "(foreign)" in shown.output) == (0, True)
    # A foreign authority stays, because the rotation owns it.
    bundle = world.must("GET", CONFIGURATION)["webhooks"][1]["clientConfig"]["caBundle"]
    step: list[Object] = [
        {"op": "replace", "path": "/webhooks/1/clientConfig/caBundle", "value": world.ca_bundle},
        {"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 9},
    ]
    world.must("PATCH", CONFIGURATION, step, kind="application/json-patch+json")
    wait_until(lambda: hooks(world)["pods.access.nadmit.io"]["timeoutSeconds"] == 5)
    assert hooks(world)["bindings.access.nadmit.io"]["clientConfig"]["caBundle"] == world.ca_bundle != bundle


def test_a_wrong_stage_changes_nothing(server: Served, world: RealApiServer) -> None:
    assert run_webhooks(world, "stage", "Fail").exit_code == 0
    wrong = {"metadata": {"annotations": {"nadmit.io/failure-policy": "fail"}}}
    world.must("PATCH", CONFIGURATION, wrong, kind=MERGE_PATCH)
    step = [{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 9}]
    world.must("PATCH", CONFIGURATION, step, kind="application/json-patch+json")
    wait_until(lambda: hooks(world)["pods.access.nadmit.io"]["timeoutSeconds"] == 5)
    assert policies(world)["pods"] == "Fail"
    shown = run_webhooks(world, "status")
    assert shown.exit_code == 1
    assert "'fail' is not a stage; allowed: Observe, Ignore, Fail; Fail stays" in shown.output
    server.process.terminate()
    server.errors = server.process.communicate(timeout=20)[1]
    assert server.errors.count("Fail stays") == 1


def test_a_configuration_that_is_deleted_comes_back_with_the_manifest(server: Served, world: RealApiServer) -> None:
    """While the configuration is missing, only the node checks (side door 16)."""
    assert world.kubectl("delete", "validatingwebhookconfiguration", "nadmit").returncode == 0
    wait_until(lambda: create(world, pod("x", "nope/nope"), "--dry-run=server").returncode == 0)
    wait_until(lambda: not is_in_order(server))
    assert server.get("/readyz") == (200, "ready")
    assert run_webhooks(world, "status").exit_code == 2
    world.put(empty_configuration(VALIDATING_KIND))
    wait_until(lambda: is_in_order(server))
    wait_until(lambda: create(world, pod("x", "nope/nope"), "--dry-run=server").returncode != 0)
    server.process.terminate()
    server.errors = server.process.communicate(timeout=20)[1]
    assert server.errors.count("there is none; apply the manifests") == 1


def test_two_replicas_agree(server: Served, world: RealApiServer, tmp_path: Path) -> None:
    """The second replica finds everything in order and writes nothing. Both serve the certificate of one directory."""
    version = world.must("GET", CONFIGURATION)["metadata"]["resourceVersion"]
    url = hooks(world)["pods.access.nadmit.io"]["clientConfig"]["url"].rpartition("/validate/")[0]
    more = ["--webhook-url", url]  # the last option counts, so that both have one address, as behind a Service
    with registering(tmp_path / "certs", account(world, READ + REGISTER), *more) as second:
        wait_until(lambda: is_in_order(second))
        assert world.must("GET", CONFIGURATION)["metadata"]["resourceVersion"] == version
    assert is_in_order(server)
    assert "written" not in second.errors
