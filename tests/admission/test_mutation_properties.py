"""Six sentences about /mutate, over pods, networks and settings of every kind."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cniplugin.netspec import annotation
from cniplugin.netspec.selection import NETWORKS
from tests.admission.injecting import Json, ask_mutate, ask_validate, cluster_of, network, pod_of
from tests.admission.world import FakeCluster
from webhook.admission import jsonpatch
from webhook.admission.injection import INJECT, INJECT_INTO, Injection
from webhook.admission.quantity import parse_quantity

pytestmark = pytest.mark.slow

RESOURCES = ("intel.com/sriov", "vendor.com/a~b/c")
NAMES = ("a", "b", "c", "d")
FIGURES = st.sampled_from(["0", "1", "2", "3", "2k", "1500m"])


@st.composite
def networks_of(draw: st.DrawFn) -> FakeCluster:
    made = []
    for name in NAMES:
        more = {
            "resource": draw(st.sampled_from(["", *RESOURCES])),
            "selector": draw(st.sampled_from(["", "", "rack=1", "rack=2", "zone"])),
            "inject": draw(st.sampled_from(["true", "true", "false"])),
            "devices_from": draw(st.sampled_from(["", "", "DevicePlugin", "ResourceClaim"])),
        }
        made.append(network(name, **{key: text for key, text in more.items() if text}))
    defaults = draw(st.sampled_from([{}, {}, {"blue": "a,b"}]))
    return cluster_of(*made, defaults=defaults)


@st.composite
def containers(draw: st.DrawFn, name: str) -> Json:
    keys = st.sampled_from([*RESOURCES, "cpu", "hugepages-1Gi", "hugepages-2Mi"])
    made: Json = {"name": name, "resources": {}}
    for kind in ("requests", "limits"):
        if amounts := draw(st.dictionaries(keys, FIGURES, max_size=2)):
            made["resources"][kind] = amounts
    mounts = [
        {"name": "podnetinfo", "mountPath": "/mine"},
        {"name": "data", "mountPath": "/etc/podnetinfo"},
        {"name": "data", "mountPath": "/data"},
    ]
    if draw(st.booleans()):
        made["volumeMounts"] = draw(st.lists(st.sampled_from(mounts), max_size=2))
    if draw(st.booleans()):
        made["env"] = [{"name": draw(st.sampled_from(["A", "CONTAINER_NAME"])), "value": "x"}]
    return made


@st.composite
def pods(draw: st.DrawFn) -> Json:
    chosen = draw(st.none() | st.lists(st.sampled_from(NAMES), max_size=4).map(",".join))
    labels = draw(st.sampled_from([{}, {"app": "web"}, {"sriov": "true"}, {"mark": "True"}]))
    spec: Json = {}
    if draw(st.booleans()):
        inner = draw(containers("init"))
        spec["initContainers"] = [{**inner, **draw(st.sampled_from([{}, {"restartPolicy": "Always"}]))}]
    if draw(st.booleans()):
        spec["nodeSelector"] = draw(st.sampled_from([{"disk": "ssd"}, {"rack": "1"}, {}]))
    if draw(st.booleans()):
        spec["volumes"] = draw(st.lists(st.sampled_from(VOLUMES), max_size=2, unique_by=lambda volume: volume["name"]))
    if draw(st.integers(0, 4)) == 0:
        spec["resourceClaims"] = [{"name": "gpu"}]
    pod = pod_of(chosen, *(draw(containers(name)) for name in ("app", "side")), labels=labels, **spec)
    steered = draw(st.sampled_from([{}, {}, {INJECT: "false"}, {INJECT_INTO: "side"}, {INJECT_INTO: "init"}]))
    if steered:
        pod["metadata"].setdefault("annotations", {}).update(steered)
    return pod


VOLUMES: list[Json] = [
    {"name": "podnetinfo", "emptyDir": {}},
    {
        "name": "podnetinfo",
        "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
    },
    {"name": "data", "emptyDir": {}},
]
SETTINGS = st.builds(
    Injection,
    mode=st.sampled_from(["topUp", "honor"]),
    exposes_netinfo=st.booleans(),
    exposes_hugepages=st.booleans(),
    annotations_by_label=st.sampled_from([{}, {"sriov": {NETWORKS: "a,a"}, "mark": {"marked": "yes"}}]),
)


def mutated(pod: Json, world: FakeCluster, injection: Injection) -> Json:
    answer = ask_mutate(pod, world, injection)
    assume(answer.decision.is_allowed)
    after: Json = jsonpatch.apply(json.loads(json.dumps(answer.operations)), pod)
    return after


@given(pods(), networks_of(), SETTINGS)
def test_mutating_twice_is_mutating_once(pod: Json, world: FakeCluster, injection: Injection) -> None:
    once = mutated(pod, world, injection)
    again = ask_mutate(once, world, injection)
    assert again.decision.is_allowed
    assert again.operations == ()


@given(pods(), networks_of(), SETTINGS)
def test_the_patch_applies_to_the_very_object_that_was_sent(
    pod: Json, world: FakeCluster, injection: Injection
) -> None:
    sent = copy.deepcopy(pod)
    mutated(sent, world, injection)
    assert sent == pod


@given(pods(), networks_of(), SETTINGS)
def test_nothing_that_the_user_wrote_is_lost(pod: Json, world: FakeCluster, injection: Injection) -> None:
    """Figures grow, annotations of the admin's settings replace; everything else is there, as it was."""
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


@given(pods(), networks_of(), SETTINGS)
def test_a_mutated_pod_passes_validation(pod: Json, world: FakeCluster, injection: Injection) -> None:
    """Unless it names the resource elsewhere itself, and too little of it: then it is told."""
    decision = ask_validate(mutated(pod, world, injection), world, injection)
    runs = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    names_any = any(name in amounts for run in runs for amounts in run["resources"].values() for name in RESOURCES)
    assert decision.is_allowed or (names_any and decision.rules == ("resource-shortfall",))


@given(pods(), networks_of(), SETTINGS, st.randoms(use_true_random=False))
def test_the_order_of_networks_does_not_change_the_result(
    pod: Json, world: FakeCluster, injection: Injection, random: Any
) -> None:
    chosen = pod["metadata"].get("annotations", {}).get(NETWORKS)
    assume(chosen)
    order = chosen.split(",")
    random.shuffle(order)
    other = copy.deepcopy(pod)
    other["metadata"]["annotations"][NETWORKS] = ",".join(order)
    one, two = ask_mutate(pod, world, injection), ask_mutate(other, world, injection)
    assert one.operations == two.operations
    assert one.decision.is_allowed is two.decision.is_allowed


@given(pods(), networks_of(), SETTINGS)
def test_a_pod_that_needs_nothing_gets_no_patch(pod: Json, world: FakeCluster, injection: Injection) -> None:
    """Needs: a resource, a node selector, annotations by its label, or default networks."""
    text = pod["metadata"].get("annotations", {}).get(NETWORKS)
    wants_defaults = text is None and world.default_networks("blue")
    by_label = any(pod["metadata"].get("labels", {}).get(key) for key in injection.annotations_by_label)
    selected = [world.networks["blue", element.name] for element in annotation.parse(text or "", namespace="blue")]
    needs = [known for known in selected if set(known.annotations) - {INJECT, "nadmit.io/devices-from"}]
    assume(not wants_defaults and not by_label and not needs)
    assert ask_mutate(pod, world, injection).operations == ()
