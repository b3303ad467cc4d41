"""Pod network information: the volume, its mounts, hugepages."""

from __future__ import annotations

import copy

import pytest

from tests.webhook.admission.mutation.injecting import (
    ANNOTATIONS,
    PODNETINFO,
    Json,
    app,
    ask_mutate,
    patched,
    pod_of,
    sriov,
)
from webhook.admission.model.injection import Injection
from webhook.admission.model.requests import ALLOWED
from webhook.admission.mutation import jsonpatch

NAMESPACE = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}


@pytest.mark.parametrize("place", ["/etc/podnetinfo", "/etc/podnetinfo/", "/etc/podnetinfo/annotations"])
def test_a_mount_at_the_place_is_left_alone(place: str) -> None:
    """NRI's issue 43: the API server refuses two mounts at one path, and runc creates none below a read-only one."""
    own = {"name": "mine", "mountPath": place}
    after = patched(pod_of("a", app(volumeMounts=[own]), app("b")), sriov())
    assert after["spec"]["containers"][0]["volumeMounts"] == [own]
    assert after["spec"]["containers"][1]["volumeMounts"] == [PODNETINFO]


def test_a_mount_at_another_path_does_not_matter() -> None:
    own = {"name": "mine", "mountPath": "/etc/podnetinfo2"}
    after = patched(pod_of("a", app(volumeMounts=[own])), sriov())
    assert after["spec"]["containers"][0]["volumeMounts"] == [own, PODNETINFO]


def test_without_mounts_there_is_no_volume() -> None:
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
    assert len(answer.warnings) == 1


def test_without_pod_network_information() -> None:
    pod = pod_of("a", volumes=[{"name": "podnetinfo", "emptyDir": {}}])
    answer = ask_mutate(pod, sriov(), Injection(exposes_netinfo=False, exposes_hugepages=True))
    assert answer.warnings == ()
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
    """The API server adds apiVersion and defaultMode, and another webhook adds labels and hugepages."""
    switched = Injection(exposes_hugepages=True)
    once = patched(pod_of("a", huge("app", **{"1Gi": "2Gi"})), sriov(), switched)
    volume = once["spec"]["volumes"][0]
    volume["downwardAPI"]["defaultMode"] = 420
    volume["downwardAPI"]["items"][0]["fieldRef"]["apiVersion"] = "v1"
    assert ask_mutate(once, sriov(), switched) == ALLOWED
    once["metadata"]["labels"] = {"injected": "by-a-mesh"}
    once["spec"]["containers"][0]["resources"]["limits"]["hugepages-2Mi"] = "4Mi"
    answer = ask_mutate(once, sriov(), switched)
    assert answer.warnings == ()
    assert [operation["op"] for operation in answer.operations] == ["add", "add"]
    again = jsonpatch.apply(list(answer.operations), once)
    paths = [item["path"] for item in again["spec"]["volumes"][0]["downwardAPI"]["items"]]
    assert paths[3:] == ["labels", "hugepages_2M_limit_app"]


def spoil(value: object) -> None:
    """Change every object and list inside a value."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        spoil(inner)
    if isinstance(value, dict):
        value["spoilt"] = True
    elif isinstance(value, list):
        value.append("spoilt")


def test_a_pod_that_is_changed_later_spoils_no_other_one() -> None:
    """A client that writes the defaults of the API server into a pod once wrote them into all pods after it."""
    first = patched(pod_of("a", app(), app("b"), labels={"app": "web"}), sriov())
    good = copy.deepcopy(first)
    spoil(first)
    assert patched(pod_of("a", app(), app("b"), labels={"app": "web"}), sriov()) == good
