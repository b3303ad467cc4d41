"""Seven properties of /mutate, over generated pods, networks and settings."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cniplugin.netspec import annotation
from cniplugin.netspec.selection import NETWORK_STATUS_KEYS, NETWORKS
from tests.webhook.admission.mutation.injecting import Json, ask_mutate, ask_validate, cluster_of, network, pod_of
from tests.webhook.admission.world import RULES, FakeCluster
from webhook.admission.model.injection import INJECT, INJECT_INTO, Injection
from webhook.admission.model.podspec import parse_quantity
from webhook.admission.mutation import jsonpatch
from webhook.admission.mutation.podmutation import mutate
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

pytestmark = pytest.mark.slow
MANY = settings(max_examples=300)

RESOURCES = ("intel.com/sriov", "vendor.com/a~b/c")
NAMES = ("a", "b", "c", "d")

FIGURES: list[Json] = [
    {},
    {},
    {"requests": {"cpu": "1"}, "limits": {"cpu": "1", "hugepages-1Gi": "2Gi"}},
    {"requests": {"hugepages-2Mi": "4Mi"}, "limits": {"hugepages-2Mi": "4Mi"}},
    {"requests": {RESOURCES[0]: "1"}, "limits": {RESOURCES[0]: "1"}},
    {"limits": {RESOURCES[0]: "3", RESOURCES[1]: "1"}},
    {"requests": {RESOURCES[1]: "0"}, "limits": {RESOURCES[1]: "2k"}},
]
MOUNTS: list[list[Json]] = [
    [],
    [{"name": "podnetinfo", "mountPath": "/mine"}],
    [{"name": "data", "mountPath": "/etc/podnetinfo"}],
    [{"name": "data", "mountPath": "/etc/podnetinfo/labels"}],
    [{"name": "data", "mountPath": "/data"}, {"name": "more", "mountPath": "/more"}],
]
ENVS: list[list[Json]] = [[], [{"name": "A", "value": "x"}], [{"name": "CONTAINER_NAME", "value": "x"}]]
VOLUMES: list[list[Json]] = [
    [],
    [{"name": "data", "emptyDir": {}}],
    [{"name": "podnetinfo", "emptyDir": {}}],
    [
        {
            "name": "podnetinfo",
            "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
        }
    ],
]
NETWORK_ANNOTATIONS: list[Json] = [
    {},
    {"resource": RESOURCES[0]},
    {"resource": RESOURCES[0], "selector": "rack=1"},
    {"resource": RESOURCES[1], "selector": "zone"},
    {"resource": RESOURCES[1], "devices_from": "DevicePlugin"},
    {"resource": RESOURCES[0], "devices_from": "ResourceClaim"},
    {"resource": RESOURCES[0], "selector": "zone", "inject": "false"},
    {"selector": "rack=1"},
    {"selector": "rack=2"},
    {"selector": "disk=ssd"},
]


@st.composite
def networks_of(draw: st.DrawFn) -> FakeCluster:
    made = [network(name, **draw(st.sampled_from(NETWORK_ANNOTATIONS))) for name in NAMES]
    return cluster_of(*made, defaults=draw(st.sampled_from([{}, {"blue": "a,b"}])))


def containers(name: str) -> st.SearchStrategy[Json]:
    shapes = st.tuples(st.sampled_from(FIGURES), st.sampled_from(MOUNTS), st.sampled_from(ENVS))
    return shapes.map(lambda shape: _container(name, *shape))


def _container(name: str, figures: Json, mounts: list[Json], env: list[Json]) -> Json:
    """NB: the API server omits empty lists."""
    lists = {key: items for key, items in (("volumeMounts", mounts), ("env", env)) if items}
    return copy.deepcopy({"name": name, "resources": figures, **lists})


SOME_NETWORKS = st.none() | st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(",".join)
ALL_NETWORKS = st.permutations(NAMES).map(",".join)


@st.composite
def pods(draw: st.DrawFn, networks: st.SearchStrategy[str | None] = SOME_NETWORKS) -> Json:
    chosen = draw(networks)
    labels = draw(st.sampled_from([{}, {"app": "web"}, {"sriov": "true"}, {"mark": "True"}]))
    spec: Json = {
        "nodeSelector": draw(st.sampled_from([{}, {"disk": "ssd"}, {"rack": "1"}, {"rack": "2", "zone": ""}])),
        "volumes": draw(st.sampled_from(VOLUMES)),
        "resourceClaims": draw(st.sampled_from([[], [], [], [{"name": "gpu"}]])),
        "initContainers": draw(st.sampled_from([[], [{}], [{"restartPolicy": "Always"}]])),
    }
    spec["initContainers"] = [{**draw(containers("init")), **more} for more in spec["initContainers"]]
    kept = copy.deepcopy({key: value for key, value in spec.items() if value})
    pod = pod_of(chosen, draw(containers("app")), draw(containers("side")), labels=labels, **kept)
    steered = draw(st.sampled_from([{}, {}, {}, {INJECT_INTO: "side"}, {INJECT_INTO: "init"}, {INJECT: "false"}]))
    if steered:
        pod["metadata"].setdefault("annotations", {}).update(steered)
    return pod


SETTINGS = st.builds(
    Injection,
    mode=st.sampled_from(["topUp", "honor"]),
    exposes_netinfo=st.booleans(),
    exposes_hugepages=st.booleans(),
    annotations_by_label=st.sampled_from(
        [
            {},
            {"sriov": {NETWORKS: "a,a"}, "mark": {"marked": "yes"}},
            {"sriov": {NETWORKS: "b"}, "mark": {INJECT: "false"}},
        ]
    ),
)


def mutated(pod: Json, world: FakeCluster, injection: Injection) -> Json:
    answer = ask_mutate(pod, world, injection)
    assume(answer.is_allowed)
    after: Json = jsonpatch.apply(json.loads(json.dumps(answer.operations)), pod)
    return after


@MANY
@given(pods(), networks_of(), SETTINGS)
def test_mutating_twice_is_mutating_once(pod: Json, world: FakeCluster, injection: Injection) -> None:
    once = mutated(pod, world, injection)
    again = ask_mutate(once, world, injection)
    assert again.is_allowed
    assert again.operations == ()


@MANY
@given(pods(), networks_of(), SETTINGS)
def test_the_patch_applies_to_the_very_object_that_was_sent(
    pod: Json, world: FakeCluster, injection: Injection
) -> None:
    sent = copy.deepcopy(pod)
    mutated(sent, world, injection)
    assert sent == pod


@MANY
@given(pods(), networks_of(), SETTINGS, st.sets(st.sampled_from([*NETWORK_STATUS_KEYS, NETWORKS])))
def test_the_patch_leads_to_the_changed_pod(
    pod: Json, world: FakeCluster, injection: Injection, dropped: set[str]
) -> None:
    """A server does not prove each patch that it makes."""
    context = DecisionContext(world, RULES, Configuration(injection=injection))
    mutation = mutate(pod, context, injection, namespace="blue", dropped=tuple(dropped))
    assume(not mutation.problems)
    assert jsonpatch.apply(mutation.operations, pod) == mutation.pod


@MANY
@given(pods(), networks_of(), SETTINGS)
def test_nothing_that_the_user_wrote_is_lost(pod: Json, world: FakeCluster, injection: Injection) -> None:
    """Amounts only grow, annotations by label replace, and nothing else changes."""
    after = mutated(pod, world, injection)
    by_admin = {key for given in injection.annotations_by_label.values() for key in given}
    for key, text in pod["metadata"].get("annotations", {}).items():
        assert key in by_admin or after["metadata"]["annotations"][key] == text
    assert_kept(pod["spec"], after["spec"])


def assert_kept(before: Any, after: Any, key: str = "") -> None:
    if isinstance(before, dict):
        for inner, value in before.items():
            assert_kept(value, after[inner], inner)
    elif isinstance(before, list):
        assert len(after) >= len(before)
        for one, other in zip(before, after, strict=False):
            assert_kept(one, other)
    elif key in RESOURCES:
        assert (parse_quantity(after) or 0) >= (parse_quantity(before) or 0)
    else:
        assert after == before


@MANY
@given(pods(), networks_of(), SETTINGS)
def test_a_mutated_pod_passes_validation(pod: Json, world: FakeCluster, injection: Injection) -> None:
    """A pod that requests too little of a resource itself gets a refusal instead."""
    decision = ask_validate(mutated(pod, world, injection), world, injection)
    runs = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    names_any = any(name in amounts for run in runs for amounts in run["resources"].values() for name in RESOURCES)
    assert decision.is_allowed or (names_any and decision.rules == ("resource-shortfall",))


@MANY
@given(pods(ALL_NETWORKS), ALL_NETWORKS, networks_of(), SETTINGS)
def test_the_order_of_networks_does_not_change_the_patch(
    pod: Json, order: str, world: FakeCluster, injection: Injection
) -> None:
    """NB: all networks take part, because two of a few seldom need different things."""
    other = copy.deepcopy(pod)
    other["metadata"]["annotations"][NETWORKS] = order
    one, two = ask_mutate(pod, world, injection), ask_mutate(other, world, injection)
    assert json.dumps(one.operations) == json.dumps(two.operations)
    assert one.is_allowed is two.is_allowed


@MANY
@given(pods(), networks_of(), SETTINGS)
def test_a_pod_that_needs_nothing_gets_no_patch(pod: Json, world: FakeCluster, injection: Injection) -> None:
    """A pod needs something if it has a resource, a node selector, annotations by label, or default networks."""
    text = pod["metadata"].get("annotations", {}).get(NETWORKS)
    wants_defaults = text is None and world.default_networks("blue")
    by_label = any(pod["metadata"].get("labels", {}).get(key) for key in injection.annotations_by_label)
    selected = [world.networks["blue", element.name] for element in annotation.parse(text or "", namespace="blue")]
    needs = [known for known in selected if set(known.annotations) - {INJECT, "nadmit.io/devices-from"}]
    assert wants_defaults or by_label or needs or ask_mutate(pod, world, injection).operations == ()
