"""The sketch of a pod: pods with equal sketches get equal answers, and the pods of a ReplicaSet have equal sketches."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.model.decision import Config, Rules
from cniplugin.netspec.selection import NETWORKS
from tests.webhook.admission.mutation.injecting import (
    VF,
    Json,
    Sent,
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
from webhook.admission.model.injection import INJECT_INTO, Injection
from webhook.admission.model.requests import Decision, Object
from webhook.admission.mutate import OPERATIONS_MAX, TEXTS_MAX, answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.mutation.netinfo import ITEMS_MAX
from webhook.admission.view.decisioncontext import Configuration, DecisionContext, NoMemory
from webhook.review import podsketch
from webhook.review.decisioncache import DecisionCache
from webhook.review.podsketch import COUNTS_MAX, PARTS_MAX, SKETCH_MAX

Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path in a JSON value but the empty one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def changed(pod: Json, path: Path, to: object) -> Json:
    """The pod with another value at a path; `...` removes it."""
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
def test_equal_sketches_get_equal_answers(
    data: st.DataObject, pod: Json, world: FakeCluster, injection: Injection
) -> None:
    """A change of a pod that does not change its sketch changes neither its patch nor the check."""
    other = changed(pod, data.draw(st.sampled_from(list(paths(pod)))), data.draw(OTHERS))
    one = sketch(pod, injection.read)
    if one is None or sketch(other, injection.read) != one:
        return
    assert answer_of(ask_mutate(other, world, injection)) == answer_of(ask_mutate(pod, world, injection))


@pytest.mark.slow
@settings(max_examples=500)
@given(st.data(), pods(), networks_of(), SETTINGS)
def test_what_is_remembered_is_what_would_be_decided(
    data: st.DataObject, pod: Json, world: FakeCluster, injection: Injection
) -> None:
    """The answer is remembered by the text and by the networks that it selects."""
    other = changed(pod, data.draw(st.sampled_from(list(paths(pod)))), data.draw(OTHERS))
    configuration = Configuration(injection=injection)
    context = DecisionContext(world, RULES, configuration, memory=DecisionCache(configuration))
    for one in (pod, other, pod):
        if sketch(one) is None:
            return
        assert answer_of(ask(one, context)) == answer_of(ask_mutate(one, world, injection))


@pytest.mark.slow
@settings(max_examples=500)
@given(st.data(), pods(), networks_of(), SETTINGS)
def test_the_parts_of_a_pod_get_the_patch_of_the_whole(
    data: st.DataObject, pod: Json, world: FakeCluster, injection: Injection
) -> None:
    other = changed(pod, data.draw(st.sampled_from(list(paths(pod)))), data.draw(OTHERS))
    if sketch(other) is None:
        return
    asked = create(other)
    if asked.object is None or asked.object.sent is None or asked.object.sent.read_parts() is None:
        return
    whole = asked._replace(object=asked.object._replace(sent=Whole(other)))
    context = DecisionContext(world, RULES, Configuration(injection=injection))
    by_parts, by_whole = answer_mutation(asked, context), answer_mutation(whole, context)
    assert jsonpatch.apply(by_parts.operations, other) == jsonpatch.apply(by_whole.operations, other)
    assert sorted(map(str, by_parts.operations)) == sorted(map(str, by_whole.operations))
    assert by_parts._replace(operations=()) == by_whole._replace(operations=())


class Whole(Sent):
    """A pod that is read whole."""

    def read_parts(self) -> None:
        return None


@pytest.mark.slow
@settings(max_examples=500)
@given(st.data(), pods(), networks_of(), SETTINGS)
def test_equal_requests_are_judged_equally(
    data: st.DataObject, pod: Json, world: FakeCluster, injection: Injection
) -> None:
    other = changed(
        pod, data.draw(st.sampled_from([path for path in paths(pod) if path[0] == "spec"])), data.draw(OTHERS)
    )
    one = sketch_requests(pod)
    if one is None or sketch_requests(other) != one:
        return
    assert answer_of(ask_validate(other, world, injection)) == answer_of(ask_validate(pod, world, injection))


def answer_of(decision: Decision) -> object:
    """An answer without the pod's name."""
    return decision.operations, decision.is_allowed, decision.warnings, decision.rules


def replica(suffix: str) -> Json:
    """One of a ReplicaSet's pods: its name and the volume of its token are generated."""
    token = f"kube-api-access-{suffix}"
    mounts = [{"name": token, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    pod = pod_of("a,b", {"name": "app", "image": "busybox", "volumeMounts": mounts}, volumes=[{"name": token}])
    pod["metadata"] |= {"name": f"web-{suffix}", "generateName": "web-", "labels": {"app": "web"}}
    return pod


def remembering(injection: Injection, rules: Rules = RULES) -> DecisionContext:
    """A context with a cache, as a server makes it."""
    configuration = Configuration(injection=injection)
    return DecisionContext(sriov(), rules, configuration, memory=DecisionCache(configuration))


def ask(pod: Json, context: DecisionContext) -> Decision:
    return answer_mutation(create(pod), context)


def test_the_second_pod_of_a_replica_set_gets_the_cached_answer() -> None:
    context = remembering(Injection())
    first, second = (ask(replica(suffix), context) for suffix in ("x7k2p", "9wq4z"))
    assert first.operations
    assert second is first


def test_the_second_pod_of_a_stateful_set_gets_the_cached_answer() -> None:
    """As in an indexed Job: labels and annotations that injection does not read may differ, if there are some."""
    context = remembering(Injection(annotations_by_label={"sriov": {"mark": "yes"}}))
    answers = []
    for suffix in ("0", "1"):
        pod = replica(suffix)
        pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = suffix
        pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] = suffix
        answers.append(ask(pod, context))
    assert answers[0] is answers[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda pod: pod["metadata"]["annotations"].update({NETWORKS: "blue/a@x7, b"}),
        lambda pod: pod["metadata"]["annotations"].update({NETWORKS: '[{"name": "a"}, {"name": "b"}]'}),
        lambda pod: pod["spec"]["containers"][0].update(name="other", image="other"),
        lambda pod: pod["spec"]["containers"][0].update(resources={"requests": {"memory": "9Gi"}}),
        lambda pod: pod["spec"]["containers"][0].update(env=[{"name": "A"}, {"name": "B"}]),
        lambda pod: pod["spec"]["volumes"].append({"name": "scratch", "emptyDir": {}}),
    ],
    ids=["text", "json", "name", "memory", "variables", "volumes"],
)
def test_a_template_that_differs_in_nothing_that_matters_gets_the_known_answer(change: Callable[[Json], None]) -> None:
    """Charts and operators make templates that differ in amounts and names: none of them changes the patch."""
    context = remembering(Injection())
    pod, other = replica("a"), replica("a")
    for one in (pod, other):
        one["spec"]["containers"][0] |= {"resources": {"requests": {"memory": "1Gi"}}, "env": [{"name": "A"}]}
    change(other)
    assert ask(other, context) is ask(pod, context)
    assert ask(pod, context).operations


@pytest.mark.parametrize(
    "change",
    [
        lambda pod: pod["metadata"]["annotations"].update({NETWORKS: "a"}),
        lambda pod: pod["metadata"]["annotations"].update({NETWORKS: "a,b,b"}),
        lambda pod: pod["metadata"]["annotations"].update({"nadmit.io/inject-into": "app"}),
        lambda pod: pod["spec"]["containers"][0].update(resources={}),
        lambda pod: pod["spec"]["containers"][0].update(resources={"requests": {VF: "2"}}),
        lambda pod: pod["spec"]["containers"][0].update(resources={"limits": {"memory": "1Gi"}}),
        lambda pod: pod["spec"]["containers"].append({"name": "second"}),
        lambda pod: pod["spec"].update(volumes=[]),
    ],
    ids=["fewer", "more", "target", "empty", "resource", "limits", "containers", "volumes"],
)
def test_a_template_that_differs_in_what_matters_is_judged_itself(change: Callable[[Json], None]) -> None:
    context = remembering(Injection())
    pod, other = replica("a"), replica("a")
    for one in (pod, other):
        one["spec"]["containers"][0]["resources"] = {"requests": {"memory": "1Gi"}}
    known = ask(pod, context)
    change(other)
    assert ask(other, context) is not known
    assert answer_of(ask(other, context)) == answer_of(ask_mutate(other, sriov()))


def test_a_label_may_name_the_container_that_gets_the_resources() -> None:
    """NB: then the names of containers decide, though the pod's own annotations do not say so."""
    context = remembering(Injection(annotations_by_label={"sriov": {INJECT_INTO: "app"}}))
    for names in (("app", "side"), ("side", "app"), ("x", "y")):
        pod = pod_of("a", *({"name": name} for name in names), labels={"sriov": "true"})
        cold = answer_mutation(create(pod), context._replace(memory=NoMemory()))
        assert answer_of(ask(pod, context)) == answer_of(cold)
        assert cold.is_allowed is ("app" in names)


def test_containers_that_differ_in_what_is_absent_are_different() -> None:
    one, other = pod_of("a"), pod_of("a")
    one["spec"]["containers"] = [{"name": "a"}, {"env": [{"name": "X"}], "resources": {}}]
    other["spec"]["containers"] = [{"name": "a", "resources": {}}, {"name": "b"}]
    context = remembering(Injection())
    for pod in (one, other):
        assert answer_of(ask(pod, context)) == answer_of(ask_mutate(pod, sriov()))


def test_a_pod_with_claims_may_request_any_name() -> None:
    """A warning says which resource the claims are taken to give, unless a container requests it."""
    plain, requesting = (pod_of("a", resourceClaims=[{"name": "gpu"}]) for _ in range(2))
    for pod, amounts in ((plain, {"cpu": "1"}), (requesting, {"memory": "1Gi"})):
        pod["spec"]["containers"][0]["resources"] = {"requests": amounts}
    assert sketch(plain) != sketch(requesting)


def test_a_long_patch_is_not_kept() -> None:
    """Growth: the memory has a bound on the size of its answers."""
    context = remembering(Injection())
    pod = pod_of("a", *({"name": f"c{number}"} for number in range(OPERATIONS_MAX)), labels={"app": "web"})
    assert len(ask(pod, context).operations) > OPERATIONS_MAX
    assert isinstance(context.memory, DecisionCache)
    assert not [kept for kept in context.memory.values() if isinstance(kept, Decision)]


def test_files_for_hugepages_have_a_bound() -> None:
    pod = pod_of("a", labels={"app": "web"})
    sizes = {f"hugepages-{number}Mi": "1Mi" for number in range(1, ITEMS_MAX + 10)}
    pod["spec"]["containers"][0]["resources"] = {"requests": sizes, "limits": sizes}
    answer = ask(pod, remembering(Injection(exposes_hugepages=True)))
    (volumes,) = (one["value"] for one in answer.operations if one["path"] == "/spec/volumes")
    assert len(volumes[0]["downwardAPI"]["items"]) == ITEMS_MAX
    after = jsonpatch.apply(answer.operations, pod)
    assert ask_mutate(after, sriov(), Injection(exposes_hugepages=True)).operations == ()


def test_a_label_that_gives_networks_is_not_skipped() -> None:
    """NB: whether the patch replaces the annotation depends on the pod's own text, not on its networks alone."""
    context = remembering(Injection(annotations_by_label={"sriov": {NETWORKS: "a,b"}}))
    for text, replaced in (("a,b", 0), ("a, b", 1), ("a,b", 0)):
        pod = pod_of(text, labels={"sriov": "true"})
        paths_of = [operation["path"] for operation in ask(pod, context).operations]
        assert sum("networks" in path for path in paths_of) == replaced


def test_long_texts_are_not_kept() -> None:
    context = remembering(Injection())
    pod = pod_of("a," * TEXTS_MAX + "a")
    ask(pod, context)
    assert isinstance(context.memory, DecisionCache)
    assert not dict(context.memory)


@pytest.mark.parametrize("key", ["labels", "annotations"])
def test_annotations_that_settings_read_are_in_the_sketch(key: str) -> None:
    read = Injection(annotations_by_label={"sriov": {"mark": "yes"}}).read
    name = {"labels": "sriov", "annotations": "mark"}[key]
    made = [{}, {name: "true"}, {name: "false"}]
    pods = [pod_of("a", labels={"app": "web"}) for _ in made]
    for pod, more in zip(pods, made, strict=True):
        pod["metadata"][key] |= more
    assert len({sketch(pod, read) for pod in pods}) == 3
    assert len({sketch(pod) for pod in pods}) == 1


def test_an_answer_that_names_an_object_is_not_cached() -> None:
    context = remembering(Injection())
    for _ in range(2):
        answer = ask(pod_of("new,a", labels={"app": "web"}), context)
        assert answer.missing == (("blue", "new"),)
    claimed = pod_of("a", resourceClaims=[{"name": "gpu"}])
    assert ask(claimed, context).warnings == ask(claimed, context).warnings != ()


def test_a_refusal_of_one_account_is_not_the_answer_for_another() -> None:
    """A sketch has no service account: the answer about a missing network must not be cached for another account."""
    deny = {"name": "no", "action": "Deny", "networks": [{"names": ["new"]}]}
    spec = {"exceptPods": [{"namespaces": ["blue"], "serviceAccounts": ["router"]}], "attachments": [deny]}
    policies = read_policies([{"kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}, "spec": spec}])
    context = remembering(Injection(), compile_rules(policies, Config()))
    asked = create(pod_of("new,a"))
    known = asked.object or Object()
    router = asked._replace(object=known._replace(service_account="router"))
    assert answer_mutation(asked, context).missing == ()
    assert answer_mutation(router, context).missing == (("blue", "new"),)


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"metadata": {}, "spec": {"containers": [{"env": [{"name": 5}]}]}},
        {"metadata": {"annotations": {NETWORKS: "x" * (SKETCH_MAX + 1)}}, "spec": {"containers": []}},
        {"metadata": {}, "spec": {"containers": [{"name": ""}] * (COUNTS_MAX // 5)}},
        {"metadata": {}, "spec": {"containers": [{"name": ""}] * (PARTS_MAX + 1)}},
        {"metadata": {}, "spec": {"containers": [], "volumes": [None]}},
    ],
    ids=["nothing", "a-wrong-type", "too-large", "containers", "more-containers", "a-volume-of-another-type"],
)
def test_an_unusual_pod_has_no_sketch(pod: Json) -> None:
    assert sketch(pod) is None


@pytest.mark.plain
def test_the_volumes_of_a_pod_with_too_many_are_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growth: a body of 3 MiB has room for 50,000 volumes, and each would be decoded and copied for nothing."""
    looked: list[object] = []

    def note(*given: object) -> list[bytes]:
        looked.append(given)
        return []

    monkeypatch.setattr(podsketch, "_our_volumes", note)
    for count, looks in ((PARTS_MAX, 1), (PARTS_MAX + 1, 1)):
        sketch({"metadata": {}, "spec": {"containers": [], "volumes": [{"name": "podnetinfo"}] * count}})
        assert len(looked) == looks


def test_a_large_pod_gets_its_patch_all_the_same() -> None:
    pod = pod_of("a", labels={"app": "web"})
    pod["spec"]["nodeSelector"] = {"zone": "x" * SKETCH_MAX}
    assert any(VF in str(operation) for operation in ask(pod, remembering(Injection())).operations)
    assert not ask_validate(pod, sriov()).is_allowed


def test_the_name_of_the_volume_may_be_escaped() -> None:
    plain = json.dumps(pod_of("a", volumes=[{"name": "podnetinfo"}])).encode()
    escaped = plain.replace(b'"podnetinfo"', b'"podnet\\u0069nfo"')
    without = json.dumps(pod_of("a", volumes=[{"name": "other"}])).encode()
    assert len({sketch_of(plain), sketch_of(escaped), sketch_of(without)}) == 3


def test_a_pod_without_metadata_has_no_sketch() -> None:
    assert sketch({"spec": pod_of("a")["spec"]}) is None
    assert sketch({"metadata": {}, "spec": pod_of("a")["spec"]}) is not None
