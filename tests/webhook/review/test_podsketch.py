"""The sketch of a pod: what is remembered for it is right for every pod that has it, and a ReplicaSet's pods share one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.model.decision import Config
from cniplugin.netspec.selection import NETWORKS
from tests.webhook.admission.mutation.injecting import (
    VF,
    Json,
    ask_mutate,
    ask_validate,
    create,
    pod_of,
    sketch,
    sketch_of,
    sketch_requests,
    sriov,
)
from tests.webhook.admission.mutation.test_properties import SETTINGS, networks_of, pods
from tests.webhook.admission.world import RULES, FakeCluster
from webhook.admission.model.injection import Injection
from webhook.admission.model.requests import Decision, Object
from webhook.admission.mutate import answer_mutation
from webhook.review.podsketch import PARTS_MAX, SKETCH_MAX

Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value, the whole left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def changed(pod: Json, path: Path, to: object) -> Json:
    """The pod with another value at a path; it goes for `to` ...."""
    made = copy.deepcopy(pod)
    parent: Any = made
    for key in path[:-1]:
        parent = parent[key]
    if to is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = to
    return made


VALUES: list[Any] = [..., None, "", "podnetinfo", "/etc/podnetinfo/", "CONTAINER_NAME", "a", "true", "9", 7, [], {}]
OTHERS = st.sampled_from(VALUES)


@pytest.mark.slow
@settings(max_examples=500)
@given(st.data(), pods(), networks_of(), SETTINGS)
def test_who_has_one_sketch_gets_one_answer(
    data: st.DataObject, pod: Json, world: FakeCluster, injection: Injection
) -> None:
    """Whatever is changed in a pod changes its sketch too, or changes neither its patch nor the check of it."""
    other = changed(pod, data.draw(st.sampled_from(list(paths(pod)))), data.draw(OTHERS))
    one = sketch(pod, injection.read)
    if one is None or sketch(other, injection.read) != one:
        return
    assert told(ask_mutate(other, world, injection)) == told(ask_mutate(pod, world, injection))


@pytest.mark.slow
@settings(max_examples=500)
@given(st.data(), pods(), networks_of(), SETTINGS)
def test_who_requests_the_same_is_judged_the_same(
    data: st.DataObject, pod: Json, world: FakeCluster, injection: Injection
) -> None:
    other = changed(
        pod, data.draw(st.sampled_from([path for path in paths(pod) if path[0] == "spec"])), data.draw(OTHERS)
    )
    one = sketch_requests(pod)
    if one is None or sketch_requests(other) != one:
        return
    assert told(ask_validate(other, world, injection)) == told(ask_validate(pod, world, injection))


def told(decision: Decision) -> object:
    """An answer without the pod's name."""
    return decision.operations, decision.is_allowed, decision.warnings, decision.rules


def replica(suffix: str) -> Json:
    """One of a ReplicaSet's pods: its name and the volume of its token are generated."""
    token = f"kube-api-access-{suffix}"
    mounts = [{"name": token, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    pod = pod_of("a,b", {"name": "app", "image": "busybox", "volumeMounts": mounts}, volumes=[{"name": token}])
    pod["metadata"] |= {"name": f"web-{suffix}", "generateName": "web-", "labels": {"app": "web"}}
    return pod


class Remembering(FakeCluster):
    """A cluster that remembers as a snapshot does, and counts what it had to make."""

    def __init__(self) -> None:
        super().__init__(sriov().networks)
        self.made = 0
        self._known: dict[Any, Any] = {}

    def recall(self, key: Any, make: Any) -> Any:
        if key not in self._known:
            self.made += 1
            self._known[key] = make()
        return self._known[key]


def ask(pod: Json, world: FakeCluster, injection: Injection) -> Decision:
    return answer_mutation(create(pod), world, RULES, injection)


def test_the_pods_of_a_replica_set_are_worked_out_once() -> None:
    world, injection = Remembering(), Injection()
    first, second = (ask(replica(suffix), world, injection) for suffix in ("x7k2p", "9wq4z"))
    assert first.operations
    assert second is first
    assert world.made == 1


def test_the_pods_of_a_stateful_set_are_worked_out_once() -> None:
    """And those of an indexed Job: labels and annotations that nobody reads may differ, so long as there are some."""
    world, injection = Remembering(), Injection(annotations_by_label={"sriov": {"mark": "yes"}})
    answers = []
    for suffix in ("0", "1"):
        pod = replica(suffix)
        pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = suffix
        pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] = suffix
        answers.append(ask(pod, world, injection))
    assert answers[0] is answers[1]
    assert world.made == 1


@pytest.mark.parametrize("key", ["labels", "annotations"])
def test_what_settings_read_is_in_the_sketch(key: str) -> None:
    read = Injection(annotations_by_label={"sriov": {"mark": "yes"}}).read
    name = {"labels": "sriov", "annotations": "mark"}[key]
    made = [{}, {name: "true"}, {name: "false"}]
    pods = [pod_of("a", labels={"app": "web"}) for _ in made]
    for pod, more in zip(pods, made, strict=True):
        pod["metadata"][key] |= more
    assert len({sketch(pod, read) for pod in pods}) == 3
    assert len({sketch(pod) for pod in pods}) == 1


def test_another_configuration_is_another_answer() -> None:
    """NB: what is remembered for the earlier one stays until the next snapshot, and must not be given."""
    world = Remembering()
    one = ask(replica("x7k2p"), world, Injection())
    other = ask(replica("x7k2p"), world, Injection(exposes_netinfo=False))
    assert len(other.operations) < len(one.operations)


def test_what_names_an_object_is_not_remembered() -> None:
    world = Remembering()
    for _ in range(2):
        answer = ask(pod_of("new,a", labels={"app": "web"}), world, Injection())
        assert answer.missing == (("blue", "new"),)
    claimed = pod_of("a", resourceClaims=[{"name": "gpu"}])
    assert ask(claimed, world, Injection()).warnings == ask(claimed, world, Injection()).warnings != ()


def test_a_refusal_of_one_account_is_not_the_answer_for_another() -> None:
    """The sketch has no service account: one that may not attach a missing network asks for it in nobody's name."""
    deny = {"name": "no", "action": "Deny", "networks": [{"names": ["new"]}]}
    spec = {"exceptPods": [{"namespaces": ["blue"], "serviceAccounts": ["router"]}], "attachments": [deny]}
    policies = read_policies([{"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}])
    world, injection, rules = Remembering(), Injection(), compile_rules(policies, Config())
    asked = create(pod_of("new,a"))
    known = asked.object or Object()
    router = asked._replace(object=known._replace(service_account="router"))
    assert answer_mutation(asked, world, rules, injection).missing == ()
    assert answer_mutation(router, world, rules, injection).missing == (("blue", "new"),)


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"metadata": {}, "spec": {"containers": [{"env": [{"name": 5}]}]}},
        {"metadata": {"annotations": {NETWORKS: "x" * (SKETCH_MAX + 1)}}, "spec": {"containers": []}},
        {"spec": {"containers": [{"name": ""}] * PARTS_MAX}},
        {"spec": {"containers": [], "volumes": [None] * PARTS_MAX}},
    ],
    ids=["nothing", "a-wrong-type", "too-large", "containers", "volumes"],
)
def test_what_is_unusual_has_no_sketch(pod: Json) -> None:
    assert sketch(pod) is None


def test_a_large_pod_gets_its_patch_all_the_same() -> None:
    pod = pod_of("a", labels={"app": "web"})
    pod["spec"]["nodeSelector"] = {"zone": "x" * SKETCH_MAX}
    assert any(VF in str(operation) for operation in ask(pod, sriov(), Injection()).operations)
    assert not ask_validate(pod, sriov()).is_allowed


def test_the_name_of_the_volume_may_be_escaped() -> None:
    plain = json.dumps(pod_of("a", volumes=[{"name": "podnetinfo"}])).encode()
    escaped = plain.replace(b'"podnetinfo"', b'"podnet\\u0069nfo"')
    without = json.dumps(pod_of("a", volumes=[{"name": "other"}])).encode()
    assert len({sketch_of(plain), sketch_of(escaped), sketch_of(without)}) == 3


def test_a_pod_without_metadata_has_no_sketch() -> None:
    assert sketch({"spec": pod_of("a")["spec"]}) is None
    assert sketch({"metadata": {}, "spec": pod_of("a")["spec"]}) is not None


def test_what_is_no_volume_is_seen() -> None:
    assert sketch(pod_of("a", volumes=[{"name": "other"}])) != sketch(pod_of("a", volumes=[None]))
