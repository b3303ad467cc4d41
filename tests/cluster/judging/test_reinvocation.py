"""The webhook judges a pod as it would be stored, after all mutating webhooks, and in dry runs.

The API server asks validating webhooks after all mutating ones and their reinvocations (Kubernetes docs, Dynamic
Admission Control, Reinvocation policy).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.rig.mutator import Change, Mutator, mutating
from tests.cluster.rig.registered import NETWORKS, Object, hooks, reviews
from tests.cluster.rig.tenants import Tenants, admitted, config_of, pod, refused, tenants
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

FORBIDDEN = "green/shared"
SAID = ("may not attach to green/shared", "default posture Isolated")
PROBE = "probe"
"""A label of the pods by which the tests see that the mutating webhooks are called."""


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("reinvocation") / "certs") as world:
        yield world


@pytest.fixture
def world(served: Tenants) -> Iterator[Tenants]:
    macvlan = config_of("macvlan", master="bond1")
    served.settle(networks={"blue/lan": macvlan, FORBIDDEN: macvlan})
    yield served
    served.clear()


def sets(networks: str | None, *, when: str = "") -> Change:
    """Return a change that sets or removes the annotation: always, or `when` the pod has this label."""

    def change(value: Object) -> None:
        metadata = value["metadata"]
        annotations = metadata.setdefault("annotations", {})
        if when and when not in metadata.get("labels", {}):
            return
        annotations.pop(NETWORKS, None)
        if networks is not None:
            annotations[NETWORKS] = networks

    return change


def labels(label: str) -> Change:
    """Return a change that adds a label."""

    def change(value: Object) -> None:
        value["metadata"].setdefault("labels", {})[label] = "yes"

    return change


def wait_for(world: Tenants, mutator: Mutator) -> None:
    """Wait until the API server calls all of them, then reset the counts."""

    def is_called() -> bool:
        world.create(pod(labels={PROBE: "yes"}), "--dry-run=server")
        return all(mutator.calls.values())

    wait_until(is_called)
    mutator.calls = dict.fromkeys(mutator.calls, 0)


def test_a_dry_run_is_judged_and_stores_nothing(world: Tenants) -> None:
    assert {hook["sideEffects"] for hook in hooks(world.api).values()} == {"None"}
    count = reviews(world.server)
    dry = "--dry-run=server"
    assert refused(world.create(pod(FORBIDDEN, name="bad"), dry), *SAID)
    done = world.create(pod("lan", name="good"), dry)
    assert (done.returncode, done.stdout) == (0, "pod/good created (server dry run)\n")
    assert reviews(world.server) == count + 2
    assert world.kubectl("get", "pods", "-n", "blue", "-o", "name").stdout == ""
    world.running("web", networks="lan")
    words = ("annotate", "pod", "web", "-n", "blue", "--overwrite", dry)
    assert refused(world.kubectl(*words, f"{NETWORKS}={FORBIDDEN}"), *SAID)
    assert admitted(world.kubectl(*words, f"{NETWORKS}=lan,lan"))
    assert world.api.must("GET", "/api/v1/namespaces/blue/pods/web")["metadata"]["annotations"] == {NETWORKS: "lan"}


@pytest.mark.parametrize("asked", [None, "lan"])
def test_a_forbidden_network_that_a_webhook_adds_is_refused(world: Tenants, tmp_path: Path, asked: str | None) -> None:
    with mutating(world.api, tmp_path, "blue", {"adds": sets(FORBIDDEN)}) as mutator:
        wait_for(world, mutator)
        count = reviews(world.server)
        assert refused(world.create(pod(asked)), *SAID)
        assert (mutator.calls, reviews(world.server)) == ({"adds": 1}, count + 1)


def test_an_allowed_network_that_a_webhook_adds_is_admitted(world: Tenants, tmp_path: Path) -> None:
    """The webhook may replace a forbidden network, because the API server does not store the user's own."""
    with mutating(world.api, tmp_path, "blue", {"adds": sets("lan")}) as mutator:
        wait_for(world, mutator)
        world.running("web", networks=FORBIDDEN)
        found = world.api.must("GET", "/api/v1/namespaces/blue/pods/web")
        assert found["metadata"]["annotations"] == {NETWORKS: "lan"}


def test_a_network_that_a_webhook_removes_is_not_asked_about(world: Tenants, tmp_path: Path) -> None:
    with mutating(world.api, tmp_path, "blue", {"removes": sets(None)}) as mutator:
        wait_for(world, mutator)
        count = reviews(world.server)
        world.running("web", networks=FORBIDDEN)
        assert (mutator.calls, reviews(world.server)) == ({"removes": 1}, count)


def test_a_forbidden_network_of_a_reinvoked_webhook_is_refused(world: Tenants, tmp_path: Path) -> None:
    """The first webhook changes nothing before the second has added a label; then it is asked again, and adds a network."""
    changes = {"first": sets(FORBIDDEN, when="late"), "second": labels("late")}
    with mutating(world.api, tmp_path, "blue", changes) as mutator:
        wait_for(world, mutator)
        count = reviews(world.server)
        assert refused(world.create(pod("lan")), *SAID)
        assert mutator.calls["first"] == 2
        assert reviews(world.server) == count + 1  # once, after the last change
