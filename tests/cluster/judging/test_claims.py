"""Dynamic resource allocation at a real API server, in stage Fail: networks of claims are judged like those of annotations.

`tests/webhook/admission/dra` tests single reviews, in more variants. These tests show what the API server sends: to which
webhook, in which version, with which text of the parameters. No scheduler and no driver runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster.rig.registered import Object, reviews
from tests.cluster.rig.tenants import ADMIN, Tenants, admitted, config_of, pod, policy, refused, tenants
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer
from tests.webhook.admission.dra.claimobjects import (
    BY_CLAIM,
    BY_TEMPLATE,
    CNI,
    Json,
    claim,
    device_class,
    opaque,
    request,
    template,
    vf,
)

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

MACVLAN = config_of("macvlan", master="bond1")
NETS: dict[str, Object] = dict.fromkeys(("blue/lan", "infra/storage", "default/internet"), MACVLAN)
FOREIGN, OWN = vf("storage", "infra"), vf("lan")
DENIED = ("may not attach to infra/storage", "default posture Isolated")
FAST = {"example.com/fast": "1"}


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(real_api, tmp_path_factory.mktemp("claims") / "certs") as world:
        yield world


@pytest.fixture
def world(served: Tenants) -> Iterator[Tenants]:
    """Posture Isolated, no policies, the networks, and a class of devices without a network."""
    served.clear()
    served.settle(networks=NETS)
    assert admitted(served.create(device_class(), user=ADMIN))
    yield served
    served.clear()


def asking(*claims: Json, resources: Json | None = None) -> Object:
    """Return a pod with these claims, or a container that requests these resources."""
    spec: Json = {"containers": [{"name": "c", "image": "c", "resources": {"limits": resources or {}}}]}
    if claims:
        spec["resourceClaims"] = [{"name": f"c{number}", **one} for number, one in enumerate(claims)]
    return pod(**spec)


@pytest.mark.parametrize("make", [claim, template])
def test_a_claim_and_a_template_are_judged_when_they_are_written(world: Tenants, make: object) -> None:
    assert callable(make)
    assert refused(world.create(make(opaque(FOREIGN))), *DENIED, by="claims")
    assert refused(world.create(make(opaque(FOREIGN)), user=ADMIN), *DENIED, by="claims")
    said = world.create(make(opaque({**OWN, "bogus": 1}))).stderr
    assert "the driver refuses this key" in said
    assert "bogus" in said
    assert 'there is no NetworkAttachmentDefinition "absent"' in world.create(make(opaque(vf("absent")))).stderr
    assert admitted(world.create(make(opaque(OWN))))


def test_the_parameters_arrive_as_they_were_sent(world: Tenants) -> None:
    """A duplicate key has two readings, and the API server keeps both for the driver."""
    text = json.dumps(claim(opaque(OWN))).replace(
        '"netAttachDefName": "lan"', '"netAttachDefName": "lan", "netAttachDefName": "storage"'
    )
    path = "/apis/resource.k8s.io/v1/namespaces/blue/resourceclaims"
    done = world.api.kubectl("create", "--raw", path, "-f", "-", stdin=text)
    assert "netAttachDefName" in done.stderr
    assert "the object has this key more than once" in done.stderr


def test_a_class_is_judged_when_it_is_written(world: Tenants) -> None:
    done = world.create(device_class(opaque(vf("absent", "infra")), name="fast"), user=ADMIN)
    assert admitted(done)
    assert 'there is no NetworkAttachmentDefinition "absent" in namespace "infra"' in done.stderr
    assert "driver refuses this key" in world.create(device_class(opaque({**OWN, "a": 1}), name="f"), user=ADMIN).stderr


@pytest.mark.parametrize("way", ["claim", "template", "class", "extended resource", "implicit resource"])
def test_a_pod_is_judged_by_what_it_names(world: Tenants, way: str) -> None:
    """Under a rule about pod labels the claim can be written; the labels of the pod decide."""
    world.settle(
        policy(
            "routers",
            pods=[{"namespaces": ["blue"], "podSelector": {"matchLabels": {"app": "router"}}}],
            attachments=[{"name": "storage", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}],
        ),
        networks=NETS,
    )
    made, by = {
        "claim": ([claim(opaque(FOREIGN))], asking(BY_CLAIM)),
        "template": ([template(opaque(FOREIGN))], asking(BY_TEMPLATE)),
        "class": ([fast(FOREIGN), claim(requests=[request("vf", "fast")])], asking(BY_CLAIM)),
        "extended resource": ([fast(FOREIGN)], asking(resources=FAST)),
        "implicit resource": ([fast(FOREIGN)], asking(resources={"deviceclass.resource.kubernetes.io/fast": "1"})),
    }[way]
    for value in made:
        assert admitted(world.create(value, user=ADMIN))
    if way == "extended resource":  # the webhook knows the class when the watch has brought it
        wait_until(lambda: "infra/storage" in world.create(by, "--dry-run=server").stderr)
    assert refused(world.create(by), *DENIED, by="devices")
    labelled = {**by, "metadata": {**by["metadata"], "labels": {"app": "router"}}}
    assert admitted(world.create(labelled))
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "blue"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": by["spec"]},
        },
    }
    assert refused(world.create(deployment), *DENIED, by="workloads")


def fast(parameters: Json) -> Json:
    """Return a class with a network."""
    return device_class(opaque(parameters), name="fast", extendedResourceName="example.com/fast")


def test_ones_own_network_by_every_way(world: Tenants) -> None:
    for value in (claim(opaque(OWN)), template(opaque(OWN))):
        assert admitted(world.create(value))
    assert admitted(world.create(fast(OWN), user=ADMIN))
    for by in (asking(BY_CLAIM), asking(BY_TEMPLATE), asking(resources=FAST)):
        assert admitted(world.create(by))


def test_a_pod_whose_claim_does_not_exist_yet(world: Tenants) -> None:
    assert admitted(world.create(asking(BY_CLAIM)))
    assert refused(world.create(claim(opaque(FOREIGN))), *DENIED, by="claims")


def test_an_embedded_configuration_is_a_definition_of_its_author(world: Tenants) -> None:
    own = {"name": "own", "action": "Allow", "config": {"masters": ["bond1"]}}
    world.settle(policy("definitions", definitions=[own]), networks=NETS)
    bad, good = ({"config": {"cniVersion": "1.0.0", "type": "macvlan", "master": one}} for one in ("eth0", "bond1"))
    said = "user bob may not write ResourceClaim blue/nic"
    assert refused(world.create(claim(opaque(bad, driver=CNI))), said, by="claims")
    assert admitted(world.create(claim(opaque(good, driver=CNI))))


def test_which_requests_call_the_webhook(world: Tenants) -> None:
    """Pods and claims without networks are created even if the webhook does not answer."""
    before = reviews(world.server)
    assert admitted(world.create(claim(name="plain")))
    assert admitted(world.create(pod()))
    assert reviews(world.server) == before
    assert admitted(world.create(claim(opaque(OWN), name="own")))
    assert reviews(world.server) == before + 1
    labels = json.dumps({"metadata": {"labels": {"a": "b"}}})
    words = ("patch", "resourceclaim", "own", "-n", "blue", "--type=merge", "-p", labels)
    assert admitted(world.kubectl(*words))
    assert reviews(world.server) == before + 1
