"""The webhook registers its injection at a real API server: the pods it is called for, and edits of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.rig.registered import (
    CONTAINERS,
    INJECTION,
    NAMESPACE,
    NETWORKS,
    READ,
    REGISTER,
    REGISTRATION,
    Object,
    account,
    cluster,
    create,
    empty_configuration,
    hooks,
    is_in_order,
    judging,
    pod,
    policies,
    registering,
    reviews,
    run_webhooks,
)
from tests.e2e.process import Served
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.registration.tables import KINDS, MUTATING_KIND, Kind

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

INJECT = "nadmit.io/inject"
MIRROR = "kubernetes.io/config.mirror"
DRY = "--dry-run=server"


@pytest.fixture
def world(real_api: RealApiServer) -> Iterator[RealApiServer]:
    with cluster(real_api) as api:
        yield api


@pytest.fixture
def server(world: RealApiServer, tmp_path: Path) -> Iterator[Served]:
    """A server whose webhooks of both kinds are called, with one network."""
    with judging(world, tmp_path / "certs") as served:
        wait_until(lambda: is_mutated(world, served))
        yield served


def is_mutated(api: RealApiServer, server: Served) -> bool:
    """Say whether both webhooks are called for a pod with networks."""
    count = reviews(server, "/mutate")
    create(api, pod("probe", "lan"), DRY)
    return reviews(server, "/mutate") == count + 2


def is_counted(server: Served, kind: Kind) -> bool:
    """Say whether reading or writing this configuration has failed."""
    return f'nadmit_registrations_total{{kind="{kind.name}",result="error"}} 0.0' not in server.get("/metrics")[1]


def with_annotations(annotations: dict[str, str]) -> Object:
    """Return a pod."""
    return {**pod("web"), "metadata": {"name": "web", "namespace": NAMESPACE, "annotations": annotations}}


CALLS = {
    "no annotation": ({}, 1),
    "networks": ({NETWORKS: "lan"}, 2),
    "default network": ({"v1.multus-cni.io/default-network": "lan"}, 2),
    "opted out": ({NETWORKS: "lan", INJECT: "false"}, 0),
    "opted out, spelt otherwise": ({INJECT: "False"}, 1),
    "a static pod": ({NETWORKS: "lan", MIRROR: "x"}, 0),
}


def test_which_pods_call_which_webhook(server: Served, world: RealApiServer) -> None:
    """Webhook `defaults` is called for each new pod that does not opt out, `pods` also for one with networks; neither for an update."""
    found = {}
    for case, (given, _) in CALLS.items():
        count = reviews(server, "/mutate")
        create(world, with_annotations(given), DRY)
        found[case] = reviews(server, "/mutate") - count
    assert found == {case: calls for case, (_, calls) in CALLS.items()}
    assert create(world, pod("web", "lan")).returncode == 0
    count = reviews(server, "/mutate")
    assert (
        world.kubectl("annotate", "pod", "web", "-n", NAMESPACE, f"{NETWORKS}=lan,lan", "--overwrite").returncode == 0
    )
    assert reviews(server, "/mutate") == count


def test_a_pod_that_opts_out_of_injection_is_judged(server: Served, world: RealApiServer) -> None:
    count = reviews(server)
    done = create(world, with_annotations({NETWORKS: "kube-system/secret", INJECT: "false"}), DRY)
    assert 'admission webhook "pods.access.nadmit.io" denied the request' in done.stderr
    assert reviews(server) == count + 1


FOREIGN = {
    "name": "other.example.com",
    "admissionReviewVersions": ["v1"],
    "sideEffects": "None",
    "failurePolicy": "Ignore",
    "clientConfig": {"url": "https://127.0.0.1:1/none"},
    "rules": [{"apiGroups": ["x.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["xs"]}],
}


def test_edits_are_reverted_and_foreign_webhooks_stay(server: Served, world: RealApiServer) -> None:
    before = hooks(world, INJECTION)
    assert {hook["reinvocationPolicy"] for hook in before.values()} == {"IfNeeded"}
    seen = world.must("GET", INJECTION)
    edited = {**seen["webhooks"][0], "reinvocationPolicy": "Never", "failurePolicy": "Fail"}
    world.must("PUT", INJECTION, {**seen, "webhooks": [FOREIGN, edited]})
    shown = run_webhooks(world, "status")
    assert shown.exit_code == 1
    assert "reinvocationPolicy" in shown.output
    wait_until(lambda: hooks(world, INJECTION).keys() == {*before, FOREIGN["name"]})
    after = hooks(world, INJECTION)
    assert after.pop("other.example.com")["clientConfig"] == FOREIGN["clientConfig"]
    assert after == before
    assert server.get("/readyz") == (200, "ready")
    shown = run_webhooks(world, "status")
    assert (shown.exit_code, "(foreign)" in shown.output) == (0, True)


def test_without_its_configuration_pods_are_judged_only(world: RealApiServer, tmp_path: Path) -> None:
    """The configuration may be absent; when it is created, it is filled in."""
    world.must("DELETE", INJECTION)
    with registering(tmp_path / "certs", account(world, READ + REGISTER)) as server:
        wait_until(lambda: hooks(world))
        wait_until(lambda: is_counted(server, MUTATING_KIND))
        assert world.ask("GET", INJECTION).status == 404
        wait_until(lambda: create(world, pod("x", "kube-system/secret"), DRY).returncode != 0)
        staged = run_webhooks(world, "stage", "Fail")
        assert (staged.exit_code, staged.stdout) == (
            0,
            "nadmit: stage Fail, failurePolicy Fail, for 15 webhooks (was Ignore)\n",
        )
        assert run_webhooks(world, "status").exit_code == 1
        world.put(empty_configuration(MUTATING_KIND))
        wait_until(lambda: is_in_order(server))
        assert policies(world, INJECTION) == {"pods": "Ignore", "defaults": "Ignore"}
        assert run_webhooks(world, "stage", "Fail").exit_code == 0
        assert policies(world, INJECTION) == {"pods": "Fail", "defaults": "Ignore"}
    said = 'MutatingWebhookConfiguration "nadmit": there is none; apply the manifests'
    assert server.errors.count(said) == 1


def test_under_fail_pods_without_networks_start_while_no_replica_answers(server: Served, world: RealApiServer) -> None:
    """The most important of these pods are those of the webhook."""
    assert run_webhooks(world, "stage", "Fail").exit_code == 0
    server.process.kill()
    server.process.wait(20)
    refused = 'failed calling webhook "pods.inject.nadmit.io"'
    wait_until(lambda: refused in create(world, pod("web", "lan"), DRY).stderr)
    assert create(world, pod("plain")).returncode == 0
    own = {**pod("own"), "spec": {**CONTAINERS, "hostNetwork": True}}
    assert create(world, own).returncode == 0
    # A pod that opts out of injection is judged all the same.
    done = create(world, with_annotations({NETWORKS: "lan", INJECT: "false"}), DRY)
    assert 'failed calling webhook "pods.access.nadmit.io"' in done.stderr
    assert run_webhooks(world, "stage", "Ignore").exit_code == 0
    wait_until(lambda: create(world, pod("web", "lan"), DRY).returncode == 0)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_missing_right_is_named_and_does_not_stop_the_other_kind(
    world: RealApiServer, tmp_path: Path, kind: Kind
) -> None:
    (other,) = (each for each in KINDS if each is not kind)
    rules = [{**REGISTER[0], "resources": [other.resource]}]
    with registering(tmp_path / "certs", account(world, READ + rules)) as server:
        wait_until(lambda: hooks(world, f"{REGISTRATION}/{other.resource}/nadmit"))
        wait_until(lambda: is_counted(server, kind))
        assert hooks(world, f"{REGISTRATION}/{kind.resource}/nadmit") == {}
    assert "get is forbidden" in server.errors
    assert f"grant get on {kind.resource}.admissionregistration.k8s.io of this name to this account" in server.errors
