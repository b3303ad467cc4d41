"""Node selectors of definitions, and the volume with information for the pod."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.hooks.hook import Injected, Webhook
from conformance.hooks.samples import Object, container, pod
from conformance.standards import ADMISSION, NRI, PRACTICE_NAME

pytestmark = pytest.mark.usefixtures("changes_pods")

RACK = {"example.com/rack": "r1"}
FAST = {"example.com/fast": ""}
VOLUME = "podnetinfo"
PATH = "/etc/podnetinfo"


# Node selectors


@clause(NRI, "node-selector", SHOULD)
@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        ("on-rack", RACK),
        ("on-rack-spaced", RACK),
        ("on-fast", FAST),
        ("on-rack,on-fast", RACK | FAST),
        ("on-rack,on-rack-spaced", RACK),
        ("device-b-on-rack", RACK),
        ([{"name": "on-rack"}], RACK),
        ("bridge", {}),
    ],
    ids=["value", "white space", "no value", "two", "one twice", "beside a resource", "json", "none"],
)
def test_the_label_of_a_definition(webhook: Webhook, networks: object, expected: dict[str, str]) -> None:
    """The label of a definition is in the node selector of the pod."""
    assert (webhook.inject(pod(networks)).pod["spec"].get("nodeSelector") or {}) == expected


@clause(NRI, "node-selector", SHOULD)
@pytest.mark.parametrize("own", [{"example.com/zone": "z"}, RACK, RACK | {"a": "b"}], ids=["other", "same", "both"])
def test_the_selector_of_the_pod_stays(webhook: Webhook, own: dict[str, str]) -> None:
    """The node selector of the pod stays."""
    assert webhook.inject(pod("on-rack", nodeSelector=own)).pod["spec"]["nodeSelector"] == own | RACK


@clause(NRI, "node-selector", SHOULD)
def test_two_labels_in_one_definition_are_refused(webhook: Webhook) -> None:
    """Two labels in one definition are refused."""
    verdict = webhook.change(pod("on-two-labels")).verdict
    assert not verdict.is_allowed, "admitted; one label is supported"
    assert verdict.says("on-two-labels"), verdict


@clause(PRACTICE_NAME, "injection", PRACTICE)
@pytest.mark.parametrize(
    ("networks", "own"),
    [("on-rack", {"example.com/rack": "r9"}), ("on-rack,on-other-rack", {})],
    ids=["pod", "network"],
)
def test_a_contradiction_is_refused_or_reported(webhook: Webhook, networks: str, own: dict[str, str]) -> None:
    """Labels that contradict each other are refused, or there is a warning."""
    verdict = webhook.change(pod(networks, nodeSelector=own)).verdict
    assert not verdict.is_allowed or verdict.says("example.com/rack"), "one of two labels was overwritten in silence"


# Information for the pod


def volumes_of(injected: Injected) -> list[Any]:
    """Return the volumes of the information."""
    return [each for each in injected.pod["spec"]["volumes"] if each["name"] == VOLUME]


def items_of(injected: Injected) -> dict[str, Any]:
    """Return the files of the information by path."""
    (volume,) = volumes_of(injected)
    return {item["path"]: item for item in volume["downwardAPI"]["items"]}


@clause(NRI, "pod-information", SHOULD)
def test_labels_and_annotations_are_files(webhook: Webhook) -> None:
    """Labels and annotations of the pod are files."""
    webhook.needs_feature("pod-information")
    items = items_of(webhook.inject(pod("device-a")))
    assert items["labels"]["fieldRef"]["fieldPath"] == "metadata.labels"
    assert items["annotations"]["fieldRef"]["fieldPath"] == "metadata.annotations"


@clause(NRI, "pod-information", SHOULD)
def test_every_container_mounts_it(webhook: Webhook) -> None:
    """Every container mounts the files, for reading."""
    webhook.needs_feature("pod-information")
    injected = webhook.inject(pod("device-a", container("a"), container("b"), container("c", volumeMounts=[])))
    for index in range(3):
        mounts = [each for each in injected.container(index)["volumeMounts"] if each["name"] == VOLUME]
        assert [(each["mountPath"], each["readOnly"]) for each in mounts] == [(PATH, True)]


@clause(NRI, "pod-information", SHOULD)
def test_a_mount_that_the_pod_has_stays(webhook: Webhook) -> None:
    """A volume and a mount of that name stay."""
    webhook.needs_feature("pod-information")
    own = {"name": VOLUME, "mountPath": "/elsewhere", "readOnly": True}
    volume = {"name": VOLUME, "downwardAPI": {"items": [{"path": "x", "fieldRef": {"fieldPath": "metadata.name"}}]}}
    injected = webhook.inject(pod("device-a", container(volumeMounts=[own]), volumes=[volume]))
    assert injected.container()["volumeMounts"] == [own]
    assert volumes_of(injected) == [volume]


@clause(ADMISSION, "response.patch", MUST)
def test_a_path_that_is_taken_is_not_mounted_over(webhook: Webhook) -> None:
    """A path that is taken is not mounted over.

    The API server refuses a pod with two mounts at one path.
    """
    webhook.needs_feature("pod-information")
    own = {"name": "mine", "mountPath": PATH}
    volume = {"name": "mine", "emptyDir": {}}
    injected = webhook.inject(pod("device-a", container(volumeMounts=[own]), volumes=[volume]))
    assert [each["name"] for each in injected.container()["volumeMounts"] if each["mountPath"] == PATH] == ["mine"]


# Hugepages


def paged(name: str, **amounts: str) -> Object:
    """Return a container with hugepages in requests and limits."""
    both = {f"hugepages-{size}": amount for size, amount in amounts.items()} | {"memory": "1Gi"}
    return container(name, resources={"requests": both, "limits": both})


def environment(injected: Injected, index: int = 0) -> dict[str, str]:
    """Return the environment of a container."""
    return {each["name"]: each["value"] for each in injected.container(index).get("env") or []}


@clause(NRI, "hugepages", SHOULD)
@pytest.mark.parametrize(("size", "written"), [("1Gi", "1G"), ("2Mi", "2M")])
def test_requests_and_limits_of_hugepages_are_files(webhook: Webhook, size: str, written: str) -> None:
    """Requests and limits of hugepages are files, and the container knows its name."""
    webhook.needs_feature("hugepages")
    injected = webhook.inject(pod("device-a", paged("app", **{size: "2Gi"})))
    items = items_of(injected)
    for place, word in (("requests", "request"), ("limits", "limit")):
        reference = items[f"hugepages_{written}_{word}_app"]["resourceFieldRef"]
        assert reference == {"containerName": "app", "resource": f"{place}.hugepages-{size}", "divisor": "1Mi"}
    assert environment(injected) == {"CONTAINER_NAME": "app"}


@clause(NRI, "hugepages", SHOULD)
def test_both_sizes_and_two_containers(webhook: Webhook) -> None:
    """Each size and each container has its files."""
    webhook.needs_feature("hugepages")
    thing = pod(
        "device-a", container("plain"), paged("b", **{"1Gi": "1Gi", "2Mi": "4Mi"}), paged("c", **{"2Mi": "4Mi"})
    )
    injected = webhook.inject(thing)
    found = {path for path in items_of(injected) if path.startswith("hugepages")}
    sizes = {"b": ("1G", "2M"), "c": ("2M",)}
    expected = {
        f"hugepages_{size}_{word}_{name}" for name in sizes for size in sizes[name] for word in ("request", "limit")
    }
    assert found == expected
    assert [environment(injected, index) for index in range(3)] == [
        {},
        {"CONTAINER_NAME": "b"},
        {"CONTAINER_NAME": "c"},
    ]


@clause(NRI, "hugepages", SHOULD)
@pytest.mark.parametrize("amount", ["0", "0Mi"])
def test_no_file_for_nothing(webhook: Webhook, amount: str) -> None:
    """There is no file for hugepages of 0."""
    webhook.needs_feature("hugepages")
    injected = webhook.inject(pod("device-a", paged("app", **{"1Gi": amount})))
    assert not [path for path in items_of(injected) if path.startswith("hugepages")]
    assert environment(injected) == {}


@clause(NRI, "hugepages", SHOULD)
@pytest.mark.parametrize("value", ["app", "mine"])
def test_a_variable_that_the_pod_has_stays(webhook: Webhook, value: str) -> None:
    """A variable that the pod has stays."""
    webhook.needs_feature("hugepages")
    thing = pod("device-a", paged("app", **{"1Gi": "1Gi"}) | {"env": [{"name": "CONTAINER_NAME", "value": value}]})
    assert webhook.inject(thing).container()["env"] == [{"name": "CONTAINER_NAME", "value": value}]


@clause(NRI, "hugepages", SHOULD)
def test_other_variables_stay(webhook: Webhook) -> None:
    """Other variables stay."""
    webhook.needs_feature("hugepages")
    own = {"name": "A", "value": "b"}
    injected = webhook.inject(pod("device-a", paged("app", **{"1Gi": "1Gi"}) | {"env": [own]}))
    assert injected.container()["env"] == [own, {"name": "CONTAINER_NAME", "value": "app"}]
