"""Users of kubectl get pods with the changes of /mutate; the webhook is registered in stage Fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.rig.mutator import Change, mutating
from tests.cluster.rig.registered import NETWORKS, Object
from tests.cluster.rig.tenants import ADMIN, Tenants, network, pod, tenants
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from webhook.admission.model.injection import DEFAULT_NETWORKS, INJECT, NODE_SELECTOR

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

VF = "intel.com/sriov"
RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("injected") / "certs") as world:
        yield world


@pytest.fixture
def world(served: Tenants) -> Iterator[Tenants]:
    """Two networks with devices in blue, and one without."""
    config = {"config": '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1"}'}
    for name, given in {
        "fast": {RESOURCE_NAME: VF, NODE_SELECTOR: "example.com/rack=1"},
        "quick": {RESOURCE_NAME: VF},
        "plain": {},
    }.items():
        made = network(f"blue/{name}", config)
        made["metadata"]["annotations"] = given
        served.api.put(made)
    served.settle()
    yield served
    served.kubectl("annotate", "namespace", "blue", f"{DEFAULT_NETWORKS}-", user=ADMIN)
    served.clear()


def devices(value: Object) -> Any:
    return value["spec"]["containers"][0]["resources"].get("limits", {}).get(VF)


def volumes(value: Object) -> list[str]:
    return [volume["name"] for volume in value["spec"].get("volumes", [])]


def test_a_pod_gets_what_its_networks_need(world: Tenants) -> None:
    made = world.running("web", networks="fast,quick,plain")
    assert devices(made) == made["spec"]["containers"][0]["resources"]["requests"][VF] == "2"
    assert made["spec"]["nodeSelector"] == {"example.com/rack": "1"}
    assert "podnetinfo" in volumes(made)
    again = world.running("other", networks="plain")
    assert (devices(again), "nodeSelector" in again["spec"], "podnetinfo" in volumes(again)) == (None, False, False)


def test_the_same_through_a_dry_run_that_stores_nothing(world: Tenants) -> None:
    done = world.create(pod("fast", name="dry"), "--dry-run=server", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert devices(json.loads(done.stdout)) == "1"
    assert world.kubectl("get", "pods", "-n", "blue", "-o", "name").stdout == ""


def test_the_webhook_that_finds_a_contradiction_refuses_the_pod(world: Tenants) -> None:
    done = world.create(pod("fast", name="web", nodeSelector={"example.com/rack": "7"}))
    assert done.returncode == 1
    assert done.stderr.startswith(
        'The Pod "web" is invalid: spec.nodeSelector[example.com/rack]: network blue/fast is on'
    )


def test_a_workload_whose_pods_would_be_refused_gets_a_warning(world: Tenants) -> None:
    """Its pods are created later, by a controller, so its author would not see the refusal."""
    value = pod("fast", nodeSelector={"example.com/rack": "7"})
    template = {"metadata": {**value["metadata"], "labels": {"app": "web"}}, "spec": value["spec"]}
    metadata = {"name": "web", "namespace": "blue"}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    done = world.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    assert (done.returncode, done.stderr.count("Warning: ")) == (0, 1), done.stderr
    assert (
        "spec.template.spec.nodeSelector[example.com/rack]: its pods will be refused: network blue/fast is on"
        in done.stderr
    )
    assert world.kubectl("label", "deployment", "web", "-n", "blue", "a=b").stderr == ""


def test_a_pod_that_opts_out_is_unchanged(world: Tenants) -> None:
    made = world.running("web", networks="fast", more={INJECT: "false"})
    assert (devices(made), "nodeSelector" in made["spec"]) == (None, False)


def test_the_networks_of_a_namespace(world: Tenants) -> None:
    """Pods without an annotation get the networks of the namespace with their devices; other pods keep their own."""
    world.kubectl("annotate", "namespace", "blue", "--overwrite", f"{DEFAULT_NETWORKS}=quick", user=ADMIN)

    def is_known() -> bool:
        done = world.create(pod(), "--dry-run=server", "-o", "jsonpath={.metadata.annotations}")
        return "quick" in done.stdout

    wait_until(is_known)
    made = world.running("silent")
    assert (made["metadata"]["annotations"][NETWORKS], devices(made)) == ("quick", "1")
    own = world.running("own", networks="plain")
    assert (own["metadata"]["annotations"][NETWORKS], devices(own)) == ("plain", None)
    none = world.running("none", networks="")
    assert devices(none) is None


def test_a_network_of_a_namespace_is_judged(world: Tenants) -> None:
    """A network from a namespace is judged like any other: bob may not use this one in any way."""
    world.kubectl("annotate", "namespace", "green", "--overwrite", f"{DEFAULT_NETWORKS}=blue/quick", user=ADMIN)

    def refusal() -> str:
        return world.create(pod(namespace="green"), "--dry-run=server").stderr

    wait_until(lambda: "may not attach to blue/quick" in refusal())
    world.kubectl("annotate", "namespace", "green", f"{DEFAULT_NETWORKS}-", user=ADMIN)
    wait_until(lambda: refusal() == "")


def add_network(name: str) -> Change:
    def change(value: Object) -> None:
        value["metadata"].setdefault("annotations", {})[NETWORKS] = name

    return change


def test_a_network_that_a_later_webhook_adds_gets_its_device(world: Tenants, tmp_path: Path) -> None:
    """Our webhook is asked first and changes nothing; it is asked again after the other one has changed the pod."""
    with mutating(world.api, tmp_path, "blue", {"adds": add_network("quick,quick")}, name="zz-later") as mutator:
        wait_until(lambda: world.create(pod(), "--dry-run=server").returncode == 0 and mutator.calls["adds"])
        made = world.running("web")
    assert (made["metadata"]["annotations"][NETWORKS], devices(made)) == ("quick,quick", "2")


def add_label(value: Object) -> None:
    value["metadata"].setdefault("labels", {})["late"] = "yes"


def test_a_second_pass_changes_nothing(world: Tenants, tmp_path: Path) -> None:
    """Our webhook is asked twice, because another one changes the pod; it does not count the devices twice."""
    with mutating(world.api, tmp_path, "blue", {"labels": add_label}, name="zz-later") as mutator:
        wait_until(lambda: world.create(pod(), "--dry-run=server").returncode == 0 and mutator.calls["labels"])
        made = world.running("web", networks="fast,quick")
    assert (made["metadata"]["labels"]["late"], devices(made)) == ("yes", "2")
    assert volumes(made).count("podnetinfo") == 1
