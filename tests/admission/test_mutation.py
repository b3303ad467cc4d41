"""What /mutate puts into a pod, decision by decision; `test_injection_vectors` has the cases of others."""

from __future__ import annotations

from typing import Any

import pytest

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests import golden_files as golden
from tests.admission.injecting import Json, ask_mutate, ask_validate, cluster_of, create, network, patched, pod_of
from tests.admission.test_golden_messages import show
from tests.admission.world import RULES, FakeCluster
from webhook.admission import jsonpatch
from webhook.admission.evaluate import NETWORK, evaluate
from webhook.admission.injection import INJECT, INJECT_INTO, Injection
from webhook.admission.jsonpatch import PatchError
from webhook.admission.mutating import NO_PATCH, Answer, answer_mutation

VF = "intel.com/sriov"
HONOR = Injection(mode="honor")
BARE = Injection(exposes_netinfo=False)
PODNETINFO = {"name": "podnetinfo", "readOnly": True, "mountPath": "/etc/podnetinfo"}
ANNOTATIONS = {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}
NAMESPACE = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}


def sriov() -> FakeCluster:
    return cluster_of(network("a", resource=VF), network("b", resource=VF), network("plain"))


def app(name: str = "app", *, asks: object = None, **more: Any) -> Json:
    figures = {} if asks is None else {"requests": {VF: asks}, "limits": {VF: asks}}
    return {"name": name, "resources": figures, **more}


def sidecar(name: str = "proxy", *, asks: object = None) -> Json:
    return app(name, asks=asks, restartPolicy="Always")


def annotated(pod: Json, **annotations: str) -> Json:
    keys = {"inject": INJECT, "inject_into": INJECT_INTO, "default_network": DEFAULT_NETWORK}
    more = {keys[key]: text for key, text in annotations.items()}
    metadata = pod["metadata"]
    return {**pod, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **more}}}


def figures(pod: Json, index: int = 0, key: str = "containers") -> object:
    resources = pod["spec"][key][index].get("resources") or {}
    return resources.get("requests", {}).get(VF), resources.get("limits", {}).get(VF)


# The patch


def test_the_whole_patch() -> None:
    """Minimal, in the order of the pod's own members, what is new behind them."""
    world = cluster_of(network("a", resource=VF, selector="sriov=yes"))
    pod = pod_of("a", {"name": "app", "resources": {"limits": {"cpu": "1"}}}, {"name": "b"})
    assert ask_mutate(pod, world).operations == (
        {"op": "add", "path": "/spec/containers/0/resources/limits/intel.com~1sriov", "value": "1"},
        {"op": "add", "path": "/spec/containers/0/resources/requests", "value": {VF: "1"}},
        {"op": "add", "path": "/spec/containers/0/volumeMounts", "value": [PODNETINFO]},
        {"op": "add", "path": "/spec/containers/1/volumeMounts", "value": [PODNETINFO]},
        {
            "op": "add",
            "path": "/spec/volumes",
            "value": [{"name": "podnetinfo", "downwardAPI": {"items": [ANNOTATIONS]}}],
        },
        {"op": "add", "path": "/spec/nodeSelector", "value": {"sriov": "yes"}},
    )


@pytest.mark.parametrize("networks", [None, "", "plain"])
def test_a_pod_that_needs_nothing_gets_no_patch(networks: str | None) -> None:
    assert ask_mutate(pod_of(networks), sriov()) == NO_PATCH


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE"},
        {"subresource": "ephemeralcontainers"},
        {"kind": NETWORK},
        {"object": None},
    ],
    ids=str,
)
def test_only_the_creation_of_a_pod(changes: dict[str, Any]) -> None:
    pod = pod_of("a")
    assert answer_mutation(create(pod)._replace(**changes), pod, sriov(), RULES, Injection()) == NO_PATCH


def test_nothing_without_the_object_or_for_one_that_is_being_deleted() -> None:
    pod = pod_of("a")
    assert answer_mutation(create(pod), None, sriov(), RULES, Injection()) == NO_PATCH
    request = create(pod)
    assert request.object is not None
    going = request._replace(object=request.object._replace(is_being_deleted=True))
    assert answer_mutation(going, pod, sriov(), RULES, Injection()) == NO_PATCH


def test_a_patch_that_misses_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonpatch, "diff", lambda _before, _after: [])
    with pytest.raises(PatchError, match="does not lead to the pod"):
        ask_mutate(pod_of("a"), sriov())


def test_null_is_absent() -> None:
    """As in Go, and as files write it."""
    pod = {
        "metadata": {"annotations": {NETWORKS: "a"}, "labels": None},
        "spec": {
            "containers": [{"name": "app", "resources": None, "volumeMounts": None, "env": None}],
            "initContainers": None,
            "volumes": None,
            "nodeSelector": None,
        },
    }
    assert figures(patched(pod, sriov())) == ("1", "1")


@pytest.mark.parametrize(
    "broken",
    [
        {"metadata": []},
        {"metadata": {"annotations": {NETWORKS: 1}}},
        {"spec": "x"},
        {"spec": {"containers": {}}},
        {"spec": {"containers": [None]}},
        {"spec": {"containers": [{"name": 1}]}},
        {"spec": {"containers": [{"resources": {"requests": []}}]}},
        {"spec": {"containers": [{"env": ["x"]}]}},
        {"spec": {"volumes": [1]}},
        {"spec": {"nodeSelector": {"a": 1}}},
    ],
    ids=str,
)
def test_what_no_api_server_sends_is_left_alone(broken: Json) -> None:
    pod = {**pod_of("a"), **broken}
    assert answer_mutation(create(pod_of("a")), pod, sriov(), RULES, Injection()) == NO_PATCH


def test_a_pod_without_containers_is_for_the_api_server_to_refuse() -> None:
    pod = {"metadata": {"annotations": {NETWORKS: "a"}}}
    assert ask_mutate(pod, sriov()) == NO_PATCH


# Decision 2: how many, and where


@pytest.mark.parametrize(
    ("networks", "needed"),
    [("a", "1"), ("a,b", "2"), ("a,a", "2"), ("plain,b", "1"), ("a,b,a", "3")],
)
def test_each_selection_counts(networks: str, needed: str) -> None:
    assert figures(patched(pod_of(networks), sriov())) == (needed, needed)


def test_the_default_network_counts_where_the_node_finds_it() -> None:
    world = cluster_of(network("a", resource=VF), network("main", namespace="kube-system", resource=VF))
    pod = annotated(pod_of("a"), default_network="main")
    assert figures(patched(pod, world)) == ("2", "2")


def test_resources_under_other_keys() -> None:
    """A network counts once for each resource, under however many keys it stands."""
    known = network("a", resource=VF).replace(annotations={"x/one": VF, "x/two": VF, "x/three": "vendor.com/nic"})
    keys = Injection(resource_name_keys=("x/one", "x/two", "x/three", "x/none"), exposes_netinfo=False)
    after = patched(pod_of("a"), cluster_of(known), keys)
    assert after["spec"]["containers"][0]["resources"] == {
        "requests": {VF: "1", "vendor.com/nic": "1"},
        "limits": {VF: "1", "vendor.com/nic": "1"},
    }


@pytest.mark.parametrize(
    ("resources", "topped"),
    [
        ({}, ("2", "2")),
        ({"requests": {VF: "1"}, "limits": {VF: "1"}}, ("2", "2")),
        ({"limits": {VF: "1"}}, ("2", "2")),
        ({"limits": {VF: "3"}}, ("3", "3")),
        ({"requests": {VF: "2"}, "limits": {VF: "4"}}, ("4", "4")),
        ({"requests": {VF: "2"}, "limits": {VF: "2"}}, ("2", "2")),
        ({"requests": {VF: "2000m"}, "limits": {VF: "2"}}, ("2000m", "2")),
        ({"requests": {VF: "0"}, "limits": {VF: "0"}}, ("2", "2")),
        ({"requests": {VF: 5}, "limits": {VF: 5}}, (5, 5)),
        ({"requests": {VF: "many"}, "limits": {VF: "1"}}, ("many", "1")),
    ],
    ids=str,
)
def test_top_up(resources: Json, topped: object) -> None:
    """At least what is needed, both figures equal; a figure that cannot be read is for the API server to refuse."""
    assert figures(patched(pod_of("a,b", {"name": "app", "resources": resources}), sriov(), BARE)) == topped


def test_another_container_that_names_the_resource_keeps_it() -> None:
    after = patched(pod_of("a,b", app(), app("dpdk", asks="2")), sriov(), BARE)
    assert (figures(after, 0), figures(after, 1)) == ((None, None), ("2", "2"))
    pod = pod_of("a", app(), initContainers=[sidecar(asks="1")])
    assert ask_mutate(pod, sriov(), BARE) == NO_PATCH


def test_an_init_container_that_ends_does_not_count() -> None:
    """The kubelet gives its device on to the container that comes after it."""
    pod = pod_of("a", app(), initContainers=[app("bind", asks="1")])
    assert figures(patched(pod, sriov(), BARE)) == ("1", "1")


@pytest.mark.parametrize("pod", [pod_of("a,b", app(asks="1")), pod_of("a,b", app(), app("dpdk", asks="1"))])
def test_honor_leaves_what_the_pod_has_and_warns(pod: Json) -> None:
    answer = ask_mutate(pod, sriov(), Injection(mode="honor", exposes_netinfo=False))
    assert answer.operations == ()
    assert [text for text in answer.decision.warnings if "containers request 1" in text]


def test_honor_injects_what_the_pod_does_not_name() -> None:
    answer = ask_mutate(pod_of("a,b"), sriov(), HONOR)
    assert answer.decision.warnings == ()
    assert figures(jsonpatch.apply(list(answer.operations), pod_of("a,b"))) == ("2", "2")


# Decision 3: the target, and opting out


def test_the_pod_chooses_the_container() -> None:
    pod = annotated(pod_of("a", app(), app("dpdk")), inject_into="dpdk")
    after = patched(pod, sriov())
    assert (figures(after, 0), figures(after, 1)) == ((None, None), ("1", "1"))


def test_the_pod_chooses_a_sidecar() -> None:
    pod = annotated(pod_of("a", app(), initContainers=[app("bind"), sidecar()]), inject_into="proxy")
    after = patched(pod, sriov())
    assert figures(after, 1, "initContainers") == ("1", "1")
    assert figures(after) == (None, None)
    assert after["spec"]["initContainers"][1]["volumeMounts"] == [PODNETINFO]
    assert "volumeMounts" not in after["spec"]["initContainers"][0]


@pytest.mark.parametrize("name", ["dpkd", "nowhere", "bind"])
def test_a_container_that_is_not_there(name: str) -> None:
    pod = annotated(pod_of("a", app("dpdk"), initContainers=[app("bind")]), inject_into=name)
    answer = ask_mutate(pod, sriov())
    assert answer.operations == ()
    assert answer.decision.rules == ("inject-into",)


def test_a_container_that_is_not_there_and_not_needed() -> None:
    assert ask_mutate(annotated(pod_of("plain"), inject_into="nowhere"), sriov()) == NO_PATCH


@pytest.mark.parametrize("answer", ["false", "False", " FALSE "])
def test_a_pod_opts_out(answer: str) -> None:
    world = cluster_of(network("a", resource=VF, selector="x=y"), defaults={"blue": "a"})
    by_label = Injection(annotations_by_label={"x": {"k": "v"}})
    pod = annotated(pod_of("a", labels={"x": "true"}), inject=answer)
    assert ask_mutate(pod, world, by_label) == NO_PATCH
    assert ask_validate(pod, world).is_allowed


def test_a_definition_opts_out() -> None:
    world = cluster_of(network("a", resource=VF, selector="x=y", inject="false"), network("b", resource=VF))
    assert ask_mutate(pod_of("a"), world) == NO_PATCH
    assert ask_validate(pod_of("a"), world).is_allowed
    assert figures(patched(pod_of("a,b"), world)) == ("1", "1")


@pytest.mark.parametrize(("value", "warnings"), [("true", 0), ("TRUE", 0), ("no", 1), ("", 1)])
def test_an_answer_that_is_neither(value: str, warnings: int) -> None:
    answer = ask_mutate(annotated(pod_of("a"), inject=value), sriov())
    assert len(answer.decision.warnings) == warnings
    assert answer.operations


def test_a_mirror_pod_is_left_alone() -> None:
    pod = pod_of("a")
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "0123"
    assert ask_mutate(pod, sriov()) == NO_PATCH
    assert ask_validate(pod, sriov()).is_allowed


def test_notes_are_told_with_a_refusal_too() -> None:
    pod = annotated(pod_of("infra/a", nodeSelector={"rack": "2"}), inject="no")
    world = cluster_of(network("a", namespace="infra", selector="rack=1"))
    answer = ask_mutate(pod, world)
    assert answer.decision.rules == ("PostureIsolated",)
    assert len(answer.decision.warnings) == 1


# Decision 4: devices that are claimed


@pytest.mark.parametrize(
    ("devices_from", "has_claims", "is_injected", "warns"),
    [
        (None, False, True, False),
        (None, True, False, True),
        ("DevicePlugin", True, True, False),
        ("ResourceClaim", True, False, False),
        ("ResourceClaim", False, False, False),
        ("somewhere", False, True, False),
        ("somewhere", True, False, True),
    ],
)
def test_claims(devices_from: str | None, *, has_claims: bool, is_injected: bool, warns: bool) -> None:
    known = network("a", resource=VF, **({"devices_from": devices_from} if devices_from else {}))
    claims = [{"name": "vf", "resourceClaimTemplateName": "vf"}] if has_claims else []
    pod, world = pod_of("a", resourceClaims=claims), cluster_of(known)
    answer = ask_mutate(pod, world)
    after = jsonpatch.apply(list(answer.operations), pod)
    assert figures(after) == (("1", "1") if is_injected else (None, None))
    assert bool(answer.decision.warnings) is warns
    assert ask_validate(after, world).is_allowed
    assert after["spec"]["volumes"]


def test_a_pod_with_claims_that_names_the_resource_itself() -> None:
    pod = pod_of("a", app(asks="1"), resourceClaims=[{"name": "gpu"}])
    assert ask_mutate(pod, sriov(), BARE) == NO_PATCH


# Decision 5: node selectors


@pytest.mark.parametrize(
    ("selectors", "own", "merged"),
    [
        (["rack=1"], None, {"rack": "1"}),
        (["sriov"], None, {"sriov": ""}),
        (["rack=1", "rack=1"], {"disk": "ssd"}, {"disk": "ssd", "rack": "1"}),
        (["rack=1", "zone=a"], {"rack": "1"}, {"rack": "1", "zone": "a"}),
        ([" rack=1 ", " "], None, {"rack": "1"}),
    ],
)
def test_node_selectors(selectors: list[str], own: Json | None, merged: Json) -> None:
    world = cluster_of(*(network(f"n{index}", selector=text) for index, text in enumerate(selectors)))
    names = ",".join(f"n{index}" for index in range(len(selectors)))
    pod = pod_of(names, **({"nodeSelector": own} if own else {}))
    assert patched(pod, world)["spec"]["nodeSelector"] == merged


@pytest.mark.parametrize(
    ("selectors", "own", "rules"),
    [
        (["rack=1"], {"rack": "2"}, ["node-selector-conflict"]),
        (["rack=1", "rack=2"], {}, ["node-selector-conflict"]),
        (["rack=1", "rack=2", "rack=2"], {}, ["node-selector-conflict"] * 2),
        (["a=b,c=d"], {}, ["node-selector-value"]),
        (["=b"], {}, ["node-selector-value"]),
        (["a b=c", "rack=1"], {"rack": ""}, ["node-selector-value", "node-selector-conflict"]),
    ],
)
def test_contradictions_are_refused_and_never_overwritten(selectors: list[str], own: Json, rules: list[str]) -> None:
    world = cluster_of(*(network(f"n{index}", selector=text) for index, text in enumerate(selectors)))
    names = ",".join(f"n{index}" for index in range(len(selectors)))
    answer = ask_mutate(pod_of(names, nodeSelector=own), world)
    assert answer.operations == ()
    assert [cause.rule for cause in answer.decision.causes] == rules


def test_all_problems_are_in_one_answer() -> None:
    world = cluster_of(network("a", resource=VF, selector="rack=1"))
    pod = annotated(pod_of("a", nodeSelector={"rack": "2"}), inject_into="nowhere")
    assert ask_mutate(pod, world).decision.rules == ("inject-into", "node-selector-conflict")


@pytest.mark.parametrize(
    "pod",
    [
        pod_of("infra/a", nodeSelector={"rack": "2"}),
        annotated(pod_of("infra/a"), inject_into="nowhere"),
        pod_of("infra/a", resourceClaims=[{"name": "vf"}]),
        pod_of("infra/a", volumes=[{"name": "podnetinfo", "emptyDir": {}}]),
    ],
)
def test_nothing_is_told_of_a_network_that_the_pod_may_not_use(pod: Json) -> None:
    """The answer is the refusal of the access rules, and no more."""
    world = cluster_of(network("a", namespace="infra", resource=VF, selector="rack=1"))
    answer = ask_mutate(pod, world)
    assert answer == Answer(ask_validate(pod, world))
    assert answer.decision.rules == ("PostureIsolated",)
    assert not any(secret in str(answer) for secret in (VF, "rack=1", "rack: 1"))


# Decision 6: pod network information


def test_a_mount_at_the_place_is_left_alone() -> None:
    """NRI's issue 43: the API server refuses two mounts at one path."""
    own = {"name": "mine", "mountPath": "/etc/podnetinfo/"}
    after = patched(pod_of("a", app(volumeMounts=[own]), app("b")), sriov())
    assert after["spec"]["containers"][0]["volumeMounts"] == [own]
    assert after["spec"]["containers"][1]["volumeMounts"] == [PODNETINFO]


def test_no_volume_that_nobody_mounts() -> None:
    own = {"name": "mine", "mountPath": "/etc/podnetinfo"}
    after = patched(pod_of("a", app(volumeMounts=[own])), sriov(), Injection(exposes_hugepages=True))
    assert "volumes" not in after["spec"]


@pytest.mark.parametrize(
    "content",
    [
        {"downwardAPI": {"items": [ANNOTATIONS, NAMESPACE]}},
        {"downwardAPI": {"items": []}},
        {"downwardAPI": {"items": "x"}},
        {"downwardAPI": None},
        {"downwardAPI": {"items": [None]}},
        {"downwardAPI": {"items": [{"path": "annotations", "fieldRef": "x"}]}},
        {"downwardAPI": {"items": [{"path": "hugepages", "resourceFieldRef": {"resource": "limits.hugepages-1Gi"}}]}},
        {"downwardAPI": {"items": [{"path": "cpu", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
        {"secret": {"secretName": "keys"}},
    ],
    ids=str,
)
def test_a_volume_of_the_pods_own_is_left_alone_and_mounted_nowhere(content: Json) -> None:
    pod = pod_of("a", app(), volumes=[{"name": "podnetinfo", **content}])
    answer = ask_mutate(pod, sriov())
    after = jsonpatch.apply(list(answer.operations), pod)
    assert after["spec"]["volumes"] == pod["spec"]["volumes"]
    assert "volumeMounts" not in after["spec"]["containers"][0]
    assert len(answer.decision.warnings) == 1


def test_without_pod_network_information() -> None:
    pod = pod_of("a", volumes=[{"name": "podnetinfo", "emptyDir": {}}])
    answer = ask_mutate(pod, sriov(), Injection(exposes_netinfo=False, exposes_hugepages=True))
    assert answer.decision.warnings == ()
    assert "volumeMounts" not in jsonpatch.apply(list(answer.operations), pod)["spec"]["containers"][0]


def huge(name: str, **sizes: str) -> Json:
    amounts = {f"hugepages-{size}": amount for size, amount in sizes.items()}
    return {"name": name, "resources": {"requests": dict(amounts), "limits": {**amounts, "hugepages-": "1"}}}


def test_hugepages() -> None:
    after = patched(pod_of("a", huge("app", **{"1Gi": "2Gi"}), app("b")), sriov(), Injection(exposes_hugepages=True))
    items = after["spec"]["volumes"][0]["downwardAPI"]["items"]
    assert [item["path"] for item in items] == ["annotations", "hugepages_1G_request_app", "hugepages_1G_limit_app"]
    assert after["spec"]["containers"][0]["env"] == [{"name": "CONTAINER_NAME", "value": "app"}]
    assert "env" not in after["spec"]["containers"][1]


def test_a_second_pass_after_the_defaults_of_the_api_server_and_another_webhook() -> None:
    """The API server fills in apiVersion and defaultMode; another webhook adds labels and hugepages."""
    switched = Injection(exposes_hugepages=True)
    once = patched(pod_of("a", huge("app", **{"1Gi": "2Gi"})), sriov(), switched)
    volume = once["spec"]["volumes"][0]
    volume["downwardAPI"]["defaultMode"] = 420
    volume["downwardAPI"]["items"][0]["fieldRef"]["apiVersion"] = "v1"
    assert ask_mutate(once, sriov(), switched) == NO_PATCH
    once["metadata"]["labels"] = {"injected": "by-a-mesh"}
    once["spec"]["containers"][0]["resources"]["limits"]["hugepages-2Mi"] = "4Mi"
    answer = ask_mutate(once, sriov(), switched)
    assert answer.decision.warnings == ()
    assert [operation["op"] for operation in answer.operations] == ["add", "add"]
    again = jsonpatch.apply(list(answer.operations), once)
    paths = [item["path"] for item in again["spec"]["volumes"][0]["downwardAPI"]["items"]]
    assert paths[3:] == ["labels", "hugepages_2M_limit_app"]


# Decision 7: annotations by label


def test_a_label_brings_networks_before_they_are_counted() -> None:
    injection = Injection(annotations_by_label={"sriov": {NETWORKS: "a,b"}, "other": {NETWORKS: "plain"}})
    after = patched(pod_of("plain", labels={"sriov": "True", "other": "yes"}), sriov(), injection)
    assert after["metadata"]["annotations"] == {NETWORKS: "a,b"}
    assert figures(after) == ("2", "2")


def test_a_label_needs_no_networks() -> None:
    injection = Injection(annotations_by_label={"x": {"one": "1"}, "w": {"one": "0", "two": "2"}})
    pod = pod_of(None, labels={"x": "true", "w": "true"})
    answer = ask_mutate(pod, sriov(), injection)
    assert answer.operations == ({"op": "add", "path": "/metadata/annotations", "value": {"one": "1", "two": "2"}},)


def test_what_a_label_brings_is_judged() -> None:
    injection = Injection(annotations_by_label={"x": {NETWORKS: "green/secret"}})
    world = cluster_of(network("secret", namespace="green", resource=VF))
    after = patched(pod_of(None, labels={"x": "true"}), world, injection)
    assert ask_validate(after, world).rules == ("PostureIsolated",)


# Decision 8: default networks


def test_default_networks_of_a_namespace() -> None:
    world = FakeCluster(sriov().networks, defaults={"blue": "a,b"})
    after = patched(pod_of(None), world)
    assert after["metadata"]["annotations"] == {NETWORKS: "a,b"}
    assert figures(after) == ("2", "2")
    assert ask_mutate(pod_of(None), world, namespace="green") == NO_PATCH


@pytest.mark.parametrize("pod", [pod_of(""), pod_of("plain"), pod_of(None, hostNetwork=True)])
def test_pods_that_have_a_say_or_no_network(pod: Json) -> None:
    assert ask_mutate(pod, FakeCluster(sriov().networks, defaults={"blue": "a"})) == NO_PATCH


def test_empty_default_networks() -> None:
    assert ask_mutate(pod_of(None), FakeCluster(sriov().networks, defaults={"blue": " "})) == NO_PATCH


def test_default_networks_that_cannot_be_read_are_refused_and_not_hidden() -> None:
    world = FakeCluster(sriov().networks, defaults={"blue": "a,,b"})
    answer = ask_mutate(pod_of(None), world)
    assert len(answer.decision.warnings) == 1
    assert ask_validate(patched(pod_of(None), world), world).rules == ("empty-item",)
    assert ask_mutate(pod_of("a,,b"), world) == NO_PATCH


# The final state


@pytest.mark.parametrize(
    ("pod", "is_allowed"),
    [
        (pod_of("a,b", app(asks="2")), True),
        (pod_of("a,b", app(asks="1"), app("b", asks="1")), True),
        (pod_of("a,b", app(asks="1")), False),
        (pod_of("a"), False),
        (pod_of("a", app(asks="many")), False),
        (pod_of("plain"), True),
        (pod_of(None), True),
        (pod_of("a,b", app(), initContainers=[app("bind", asks="2")]), True),
        (pod_of("a,b", app(asks="1"), initContainers=[app("bind", asks="1")]), False),
        (pod_of("a,b", app(), initContainers=[sidecar(asks="1"), app("bind", asks="1")]), True),
        (pod_of("a,b", app(), initContainers=[app("bind", asks="1"), sidecar(asks="1")]), False),
        (pod_of("a,b", app(asks="1"), initContainers=[sidecar(asks="1")]), True),
    ],
)
def test_the_final_state(pod: Json, *, is_allowed: bool) -> None:
    decision = ask_validate(pod, sriov())
    assert decision.is_allowed is is_allowed
    assert is_allowed or decision.rules == ("resource-shortfall",)


def test_under_honor_the_final_state_is_a_warning() -> None:
    decision = ask_validate(pod_of("a"), sriov(), HONOR)
    assert decision.is_allowed
    assert len(decision.warnings) == 1


def test_a_refusal_stays_as_it_is() -> None:
    assert ask_validate(pod_of("nowhere,a"), sriov()).rules == ("network-not-found",)


def test_a_pod_that_exists_keeps_its_resources() -> None:
    pod = create(pod_of("a"))
    update = pod._replace(operation="UPDATE", old_object=create(pod_of(None)).object)
    assert evaluate(update, sriov(), RULES, injection=Injection()).is_allowed


def test_without_injection_nothing_is_asked() -> None:
    assert evaluate(create(pod_of("a")), sriov(), RULES).is_allowed


# Every message once

CONFLICT = cluster_of(network("a", selector="rack=1"), network("b", selector="rack=2"))
MESSAGES = {
    "unknown-container": lambda: ask_mutate(annotated(pod_of("a", app("dpdk")), inject_into="dpkd"), sriov()),
    "selector-unreadable": lambda: ask_mutate(pod_of("a"), cluster_of(network("a", selector="a=b,c=d"))),
    "selector-contradicted": lambda: ask_mutate(pod_of("a", nodeSelector={"rack": "2"}), CONFLICT),
    "selectors-contradict": lambda: ask_mutate(pod_of("a,b"), CONFLICT),
    "volume-left-alone": lambda: ask_mutate(pod_of("a", volumes=[{"name": "podnetinfo", "emptyDir": {}}]), sriov()),
    "opt-out-unclear": lambda: ask_mutate(annotated(pod_of("a"), inject="n\u00f6\n"), sriov()),
    "taken-as-claimed": lambda: ask_mutate(pod_of("a", resourceClaims=[{"name": "vf"}]), sriov()),
    "defaults-unreadable": lambda: ask_mutate(pod_of(None), FakeCluster({}, defaults={"blue": "a,,b"})),
    "shortfall": lambda: Answer(ask_validate(pod_of("a,b", app(asks="1")), sriov())),
    "shortfall-of-one": lambda: Answer(ask_validate(pod_of("a"), sriov())),
    "shortfall-honoured": lambda: ask_mutate(pod_of("a,b", app(asks="1")), sriov(), HONOR),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_golden_message(case: str) -> None:
    decision = MESSAGES[case]().decision
    golden.compare(f"injection/{case}.txt", show(decision))
    assert all(len(text) <= 256 and text.isprintable() and text.isascii() for text in decision.warnings)


def test_golden_messages_are_all_in_use() -> None:
    assert golden.stale("injection", {f"{case}.txt" for case in MESSAGES}) == []
