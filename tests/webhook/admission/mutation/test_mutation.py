"""The changes of /mutate: the patch, resources, and opting out. NRI's cases: `test_injection_vectors`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from cniplugin.netspec.selection import NETWORKS
from tests.webhook.admission.mutation.injecting import (
    ANNOTATIONS,
    BARE,
    HONOR,
    PODNETINFO,
    VF,
    Json,
    Sent,
    annotated,
    app,
    ask_mutate,
    ask_validate,
    cluster_of,
    create,
    figures,
    network,
    patched,
    pod_of,
    sidecar,
    sriov,
)
from tests.webhook.admission.world import RULES
from webhook.admission.model import podspec
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import NETWORK
from webhook.admission.model.requests import ALLOWED
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

# The patch


def test_the_whole_patch() -> None:
    """The patch is minimal, and in the order of the pod's members, with new members last."""
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
    assert ask_mutate(pod_of(networks), sriov()) == ALLOWED


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
    assert (
        answer_mutation(
            create(pod)._replace(**changes), DecisionContext(sriov(), RULES, Configuration(injection=Injection()))
        )
        == ALLOWED
    )


def test_a_deletion_timestamp_in_a_new_pod_exempts_it_from_nothing() -> None:
    """A client may send a deletionTimestamp; the API server drops it."""
    plain, going = pod_of("a"), pod_of("a")
    going["metadata"]["deletionTimestamp"] = "2026-11-28T15:00:00Z"
    assert ask_mutate(going, sriov()).operations == ask_mutate(plain, sriov()).operations != ()


def test_null_is_absent() -> None:
    """The API server and files write quantities in different forms."""
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
def test_a_malformed_pod_is_not_changed(broken: Json) -> None:
    request = create(pod_of("a"))
    assert request.object is not None
    request = request._replace(object=request.object._replace(sent=Sent({**pod_of("a"), **broken})))
    assert answer_mutation(request, DecisionContext(sriov(), RULES, Configuration(injection=Injection()))) == ALLOWED


def test_a_pod_without_containers_is_for_the_api_server_to_refuse() -> None:
    pod = {"metadata": {"annotations": {NETWORKS: "a"}}}
    assert ask_mutate(pod, sriov()) == ALLOWED


# Decision 2: counts


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
    """A network counts once for each resource, even if several annotations name it."""
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
    """Both amounts become equal, and at least the count. The API server refuses an unreadable amount."""
    assert figures(patched(pod_of("a,b", {"name": "app", "resources": resources}), sriov(), BARE)) == topped


def test_another_container_that_names_the_resource_keeps_it() -> None:
    after = patched(pod_of("a,b", app(), app("dpdk", asks="2")), sriov(), BARE)
    assert (figures(after, 0), figures(after, 1)) == ((None, None), ("2", "2"))
    pod = pod_of("a", app(), initContainers=[sidecar(asks="1")])
    assert ask_mutate(pod, sriov(), BARE) == ALLOWED


def test_an_init_container_that_ends_does_not_count() -> None:
    """The kubelet passes the device of an init container on to later containers."""
    pod = pod_of("a", app(), initContainers=[app("bind", asks="1")])
    assert figures(patched(pod, sriov(), BARE)) == ("1", "1")


@pytest.mark.parametrize("pod", [pod_of("a,b", app(asks="1")), pod_of("a,b", app(), app("dpdk", asks="1"))])
def test_honor_keeps_the_amounts_of_the_pod_and_warns(pod: Json) -> None:
    answer = ask_mutate(pod, sriov(), Injection(mode="honor", exposes_netinfo=False))
    assert answer.operations == ()
    assert [text for text in map(str, answer.warnings) if "containers request 1" in text]


def test_honor_injects_resources_that_the_pod_does_not_name() -> None:
    answer = ask_mutate(pod_of("a,b"), sriov(), HONOR)
    assert answer.warnings == ()
    assert figures(jsonpatch.apply(list(answer.operations), pod_of("a,b"))) == ("2", "2")


@pytest.mark.parametrize("resource", ["memory", "cpu", "hugepages-2Mi"])
def test_a_resource_that_no_device_plugin_has(resource: str) -> None:
    """The definition is stored already. The API server would accept a limit of one byte."""
    world = cluster_of(network("a", resource=VF), network("m", resource=resource), network("n", resource=resource))
    answer = ask_mutate(pod_of("a,m,n", app(asks="1")), world)
    assert (answer.operations, answer.rules) == ((), ("resource-name",))
    assert "blue/m " in answer.message
    claiming = pod_of("m", resourceClaims=[{"name": "x"}])
    assert ask_mutate(claiming, world).is_allowed
    opted_out = cluster_of(network("m", resource=resource, inject="false"))
    assert ask_mutate(pod_of("m"), opted_out) == ALLOWED


def test_a_resource_without_a_domain_is_not_injected() -> None:
    """The pod starts without a device. An example of ovs-cni has such a name."""
    world = cluster_of(network("a", resource=VF), network("m", resource="sriov"))
    answer = ask_mutate(pod_of("a,m", app(asks="1")), world)
    assert answer.is_allowed
    assert not [one for one in answer.operations if "sriov" in str(one)]
    assert [text for text in map(str, answer.warnings) if text.startswith("sriov: not injected")]


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
    assert answer.rules == ("inject-into",)


def test_a_container_that_is_not_there_and_not_needed() -> None:
    assert ask_mutate(annotated(pod_of("plain"), inject_into="nowhere"), sriov()) == ALLOWED


@pytest.mark.parametrize("answer", ["false", "False", " FALSE "])
def test_a_pod_opts_out(answer: str) -> None:
    world = cluster_of(network("a", resource=VF, selector="x=y"), defaults={"blue": "a"})
    by_label = Injection(annotations_by_label={"x": {"k": "v"}})
    pod = annotated(pod_of("a", labels={"x": "true"}), inject=answer)
    assert ask_mutate(pod, world, by_label) == ALLOWED
    assert ask_validate(pod, world).is_allowed


def test_a_definition_opts_out() -> None:
    world = cluster_of(network("a", resource=VF, selector="x=y", inject="false"), network("b", resource=VF))
    assert ask_mutate(pod_of("a"), world) == ALLOWED
    assert ask_validate(pod_of("a"), world).is_allowed
    assert figures(patched(pod_of("a,b"), world)) == ("1", "1")


@pytest.mark.parametrize(("value", "warnings"), [("true", 0), ("TRUE", 0), ("no", 1), ("", 1)])
def test_an_answer_that_is_neither(value: str, warnings: int) -> None:
    answer = ask_mutate(annotated(pod_of("a"), inject=value), sriov())
    assert len(answer.warnings) == warnings
    assert answer.operations


def test_a_mirror_pod_is_left_alone() -> None:
    pod = pod_of("a")
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "0123"
    assert ask_mutate(pod, sriov()) == ALLOWED
    assert ask_validate(pod, sriov()).is_allowed


def test_notes_come_with_a_refusal() -> None:
    pod = annotated(pod_of("infra/a", nodeSelector={"rack": "2"}), inject="no")
    world = cluster_of(network("a", namespace="infra", selector="rack=1"))
    answer = ask_mutate(pod, world)
    assert answer.rules == ("PostureIsolated",)
    assert len(answer.warnings) == 1


# Size


def test_many_containers_and_resources_cost_their_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """NB: the API server calls /mutate before its own validation, so a pod may have thousands of containers."""
    seen: list[str] = []
    read = podspec.Container.named

    def note(one: podspec.Container, wanted: Collection[str]) -> set[str]:
        seen.append(one.name)
        return read(one, wanted)

    monkeypatch.setattr(podspec.Container, "named", note)
    networks = [network(f"n{number}", resource=f"example.com/r{number}") for number in range(40)]
    world = cluster_of(*networks)
    names = [f"c{number}" for number in range(60)]
    pod = pod_of(",".join(known.name for known in networks), *({"name": name} for name in names))
    after = patched(pod, world)
    assert ask_validate(after, world).is_allowed
    assert not ask_validate(pod, world).is_allowed
    assert len(seen) <= 4 * len(names)
    assert all(container["volumeMounts"] == [PODNETINFO] for container in after["spec"]["containers"])


def test_a_message_names_a_few_containers() -> None:
    pod = annotated(pod_of("a", *({"name": f"c{number}"} for number in range(500))), inject_into="nowhere")
    (cause,) = ask_mutate(pod, sriov()).causes
    assert cause.message.endswith("c19 and 480 more")
