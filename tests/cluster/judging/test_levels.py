"""Levels of definitions, and who may change labels of namespaces, at a real API server in stage Fail.

User bob, of group `tenants`, may write networks and pods in his namespaces. Here he may also write namespaces, as on
platforms where tenants create their own.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.cluster.rig.registered import Object, hooks, is_in_order
from tests.cluster.rig.tenants import (
    ADMIN,
    BOB,
    RBAC,
    TENANTS,
    Tenants,
    admitted,
    config_of,
    network,
    pod,
    policy,
    refused,
    tenants,
)
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

LABEL = "nadmit.io/definitions-enforce"
WARN = "nadmit.io/definitions-warn"
MACVLAN = config_of("macvlan", master="bond1", ipam={"type": "dhcp"})
OVERLAY = config_of("sriov")
NETS: dict[str, Object] = {"evil/lan": MACVLAN, "evil/overlay": OVERLAY, "default/internet": MACVLAN}
SELECTING = policy(
    "tenants",
    pods=[{"namespaceSelector": {"matchLabels": {"tenant": "infra"}}}],
    attachments=[{"name": "infra", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}],
)
DENY: Mapping[str, Any] = {"namespaceLabels": {"mode": "Deny", "writers": {"groups": ["platform"]}}}
WRITERS = "namespace-writers"
CAROL = ("--as", "carol", "--as-group", TENANTS, "--as-group", "platform")


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("levels") / "certs") as world:
        _let_tenants_write_namespaces(real_api)
        yield world
        # Other tests use the same server.
        for kind in ("clusterrolebindings", "clusterroles"):
            real_api.must("DELETE", f"/apis/{RBAC}/v1/{kind}/{WRITERS}")


def _let_tenants_write_namespaces(api: RealApiServer) -> None:
    resources = ["namespaces", "namespaces/status", "namespaces/finalize"]
    rules = [{"apiGroups": [""], "resources": resources, "verbs": ["get", "create", "update", "patch"]}]
    head = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": WRITERS}}
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": WRITERS}
    subject = {"apiGroup": RBAC, "kind": "Group", "name": TENANTS}
    api.put({**head, "kind": "ClusterRole", "rules": rules})
    api.put({**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]})


@pytest.fixture
def world(served: Tenants) -> Iterator[Tenants]:
    served.clear()
    label(served, "evil", LABEL, WARN, user=ADMIN)
    yield served
    label(served, "evil", LABEL, WARN, user=ADMIN)
    served.clear()


def label(world: Tenants, name: str, *keys: str, user: tuple[str, ...] = BOB, **values: str) -> CompletedProcess[str]:
    """Set some labels of a namespace, and remove others."""
    words = [f"{key}={value}" for key, value in values.items()] + [f"{key}-" for key in keys]
    return world.kubectl("label", "--overwrite", "namespace", name, *words, user=user)


def set_level(world: Tenants, key: str, level: str) -> None:
    """Label namespace evil as the administrator; return once the webhook has seen it."""
    assert admitted(label(world, "evil", user=ADMIN, **{key: level}))
    probe = network("evil/probe", config_of("macvlan", master="nowhere", ipam={"type": "dhcp"}))
    user = ADMIN if key == LABEL else BOB  # a user who is exempt from the level gets a warning
    wait_until(lambda: f"level {level} of namespace" in world.create(probe, "--dry-run=server", user=user).stderr)


def write(world: Tenants, name: str, spec: Object, user: tuple[str, ...] = BOB) -> CompletedProcess[str]:
    return world.create(network(f"evil/{name}", spec), user=user)


# Levels


def test_a_label_is_enforced_when_written_and_when_attached(world: Tenants) -> None:
    world.settle(networks=NETS)
    assert admitted(world.create(pod("lan", namespace="evil")))
    set_level(world, LABEL, "Baseline")
    said = ('level Baseline of namespace "evil" (label nadmit.io/definitions-enforce)', "spec.config.master")
    assert refused(world.create(pod("lan", namespace="evil")), *said)
    assert admitted(world.create(pod("overlay", namespace="evil")))
    assert refused(write(world, "mine", MACVLAN), *said, by="networks")
    assert admitted(write(world, "pure", OVERLAY))
    edit = json.dumps({"spec": MACVLAN})
    words = ("patch", "net-attach-def", "pure", "-n", "evil", "--type=merge", "-p", edit)
    assert refused(world.kubectl(*words), *said, by="networks")


def test_an_admin_may_write_it_and_is_warned_that_no_pod_can_use_it(world: Tenants) -> None:
    world.settle()
    set_level(world, LABEL, "Restricted")
    done = write(world, "theirs", MACVLAN, user=ADMIN)
    assert admitted(done)
    assert 'Warning: no pod can attach to it at level Restricted of namespace "evil"' in done.stderr
    assert refused(write(world, "mine", OVERLAY), "no Allow rule for definitions selects this user", by="networks")


def test_an_allow_rule_and_the_admins_list_lift_it(world: Tenants) -> None:
    own = {"name": "own", "action": "Allow", "authors": {"groups": [TENANTS]}, "config": {"masters": ["bond1"]}}
    world.settle(policy("own", definitions=[own]), networks=NETS)
    set_level(world, LABEL, "Restricted")
    assert admitted(write(world, "mine", MACVLAN))
    assert admitted(world.create(pod("lan", namespace="evil")))
    assert refused(write(world, "other", config_of("macvlan", master="eth0", ipam={"type": "dhcp"})), by="networks")


def test_the_clusters_default_and_what_it_lists(world: Tenants) -> None:
    levels = {"definitions": {"levels": {"enforce": "Baseline"}, "baseline": {"masters": ["bond2"]}}}
    world.settle(networks=NETS, config=levels)
    said = "(cluster default definitions.levels.enforce)"
    assert refused(world.create(pod("lan", namespace="evil")), said, "allowed: masters bond2")
    assert refused(world.create(pod("default/internet", namespace="evil")), said)
    assert admitted(write(world, "mine", config_of("macvlan", master="bond2", ipam={"type": "dhcp"})))


def test_warn_first(world: Tenants) -> None:
    world.settle(networks=NETS)
    set_level(world, WARN, "Baseline")
    for done in (world.create(pod("lan", namespace="evil")), write(world, "mine", MACVLAN)):
        assert admitted(done)
        assert 'would be denied by level Baseline of namespace "evil" (mode Warn)' in done.stderr


# Labels of namespaces


@pytest.fixture
def denying(world: Tenants) -> Tenants:
    """The webhook is registered with mode Deny: it is called for labels under failurePolicy Fail."""
    world.settle(SELECTING, config=DENY)
    wait_until(lambda: len(hooks(world.api)["namespaces.access.nadmit.io"]["matchConditions"]) == 3)
    wait_until(lambda: is_in_order(world.server))
    # The API server learns of it by a watch.
    wait_until(lambda: not admitted(label(world, "evil", user=BOB, tenant="infra", **{"--dry-run": "server"})))
    return world


def test_a_tenant_cannot_give_itself_a_label_that_a_rule_selects_by(denying: Tenants) -> None:
    said = ("namespace label denied: user bob", 'policy "tenants" selects namespaces by it', "system:masters")
    assert refused(label(denying, "evil", tenant="infra"), *said, by="namespaces")
    assert refused(
        label(denying, "evil", user=BOB, **{LABEL: "Privileged"}), "the level of definitions", by="namespaces"
    )
    for subresource in ("status", "finalize"):
        assert refused(_through(denying, subresource, tenant="infra"), *said, by="namespaces"), subresource
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine", "labels": {"tenant": "infra"}}}
    assert refused(denying.create(made, "--dry-run=server"), *said, by="namespaces")


def test_owners_may_change_other_labels(denying: Tenants) -> None:
    assert admitted(label(denying, "evil", team="x", tenant="green"))
    assert admitted(label(denying, "evil", "team", tenant="evil"))
    made: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine", "labels": {"team": "x"}}}
    assert admitted(denying.create(made, "--dry-run=server"))
    assert admitted(denying.kubectl("annotate", "namespace", "evil", "nadmit.io/default-networks=lan", "--overwrite"))
    assert admitted(denying.kubectl("annotate", "namespace", "evil", "nadmit.io/default-networks-"))


def test_listed_accounts_may_write_labels(denying: Tenants) -> None:
    for user in (ADMIN, CAROL):
        assert admitted(label(denying, "evil", user=user, tenant="infra"))
        assert admitted(label(denying, "evil", user=user, tenant="evil"))
    told = label(denying, "evil", user=ADMIN, **{LABEL: "strict"})
    assert admitted(told)
    assert "this is not a level" in told.stderr


def test_a_webhook_that_hangs_keeps_no_admin_from_a_namespace(denying: Tenants) -> None:
    denying.server.process.send_signal(signal.SIGSTOP)
    try:
        assert 'failed calling webhook "namespaces.access.nadmit.io"' in label(denying, "evil", tenant="infra").stderr
        assert admitted(label(denying, "kube-system", user=ADMIN, tenant="x"))
        assert admitted(denying.kubectl("annotate", "namespace", "evil", "x=y", "--overwrite"))
        assert admitted(label(denying, "kube-system", "tenant", user=ADMIN))
    finally:
        denying.server.process.send_signal(signal.SIGCONT)
    wait_until(lambda: label(denying, "evil", team="x").returncode == 0)


def test_by_default_a_change_is_warned_about_and_recorded(world: Tenants) -> None:
    world.settle(SELECTING)
    wait_until(lambda: len(hooks(world.api)["namespaces.access.nadmit.io"]["matchConditions"]) == 1)
    offset = world.api.audit_offset()
    done = label(world, "evil", tenant="infra")
    assert admitted(done)
    assert "Warning: metadata.labels[tenant]: it decides who may attach to which network" in done.stderr
    assert "namespaceLabels.writers does not list bob" in done.stderr
    text = world.api.audit_log.read_bytes()[offset:].decode()
    assert '"namespace-labels.access.nadmit.io/trial":"Warn: NamespaceLabelProtected: tenant changes from' in text
    assert admitted(label(world, "evil", tenant="evil", user=ADMIN))


def _through(world: Tenants, subresource: str, **labels: str) -> CompletedProcess[str]:
    """Write labels through a subresource by a raw request."""
    path = f"/api/v1/namespaces/evil/{subresource}"
    value = world.api.must("GET", "/api/v1/namespaces/evil")
    value["metadata"]["labels"] |= labels
    return world.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(value))
