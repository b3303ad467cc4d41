from __future__ import annotations

from typing import Any

import pytest

from cniplugin.access.model import policyrules
from cniplugin.cluster.objects import (
    CONFIG,
    POD_APPEARS_WITHIN_S,
    POLICIES,
    Pod,
    fetch_config,
    fetch_list,
    fetch_namespace_labels,
    fetch_network,
    fetch_networks,
    fetch_pod,
    fetch_policies,
)
from cniplugin.cnierrors import CniError, NotFoundError
from tests.fakes.objects import pod_with_account as pod

POD = "/api/v1/namespaces/team-a/pods/web"
NETWORK = "/apis/k8s.cni.cncf.io/v1/namespaces/team-a/network-attachment-definitions/blue"


class Broker:
    """A `Reader` of objects by path."""

    def __init__(self, **objects: Any) -> None:
        self.memo: dict[tuple[str, ...], object] = {}
        self.objects: dict[str, Any] = objects
        self.asked: list[tuple[str, float]] = []

    def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:
        self.asked.append((path, appears_within_s))
        if path not in self.objects:
            raise NotFoundError(11, f"{path} is not found")
        return dict(self.objects[path])


def broker_with(path: str, value: Any) -> Broker:
    return Broker(**{path: value})


def network(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"a": "b"}, "annotations": {"k8s.v1.cni.cncf.io/resourceName": "x/y"}}, "spec": spec}


def test_a_pod() -> None:
    broker = broker_with(POD, pod(labels={"app": "web"}, annotations={"k8s.v1.cni.cncf.io/networks": "blue"}))
    found = fetch_pod(broker, "team-a", "web", "uid-1")
    assert found == Pod(
        namespace="team-a",
        name="web",
        uid="uid-1",
        labels={"app": "web"},
        annotations={"k8s.v1.cni.cncf.io/networks": "blue"},
        service_account="builder",
        is_static=False,
    )
    assert fetch_pod(broker, "team-a", "web", "") is found
    assert broker.asked == [(POD, POD_APPEARS_WITHIN_S)]


def test_a_bare_pod() -> None:
    found = fetch_pod(broker_with(POD, {"metadata": None}), "team-a", "web", "")
    assert (found.uid, found.labels, found.annotations, found.service_account) == ("", {}, {}, "default")


def test_another_uid() -> None:
    with pytest.raises(CniError, match="created anew: its uid is uid-1, and the runtime asks for uid-0") as caught:
        fetch_pod(broker_with(POD, pod()), "team-a", "web", "uid-0")
    assert caught.value.code == 11


@pytest.mark.parametrize(("source", "is_static"), [("file", True), ("http", True), ("api", False)])
def test_a_static_pod_has_a_uid_of_its_own(source: str, *, is_static: bool) -> None:
    broker = broker_with(POD, pod(annotations={"kubernetes.io/config.source": source}))
    if not is_static:
        with pytest.raises(CniError, match="created anew"):
            fetch_pod(broker, "team-a", "web", "uid-0")
    else:
        assert fetch_pod(broker, "team-a", "web", "uid-0").uid == "uid-1"


def test_a_pod_that_is_not_found_is_an_error() -> None:
    with pytest.raises(NotFoundError) as caught:
        fetch_pod(Broker(), "team-a", "web", "uid-1")
    assert caught.value.code == 11


@pytest.mark.parametrize(("namespace", "name"), [("../x", "web"), ("team-a", "web/status"), ("", "web"), ("a", "ü")])
def test_names_that_would_be_another_path(namespace: str, name: str) -> None:
    broker = Broker()
    with pytest.raises(CniError, match="K8S_POD_NAME") as caught:
        fetch_pod(broker, namespace, name, "")
    assert caught.value.code == 4
    assert broker.asked == []


def test_a_network() -> None:
    broker = broker_with(NETWORK, network(config='{"type": "bridge"}'))
    found = fetch_network(broker, "team-a", "blue")
    assert found is not None
    assert found.config is not None
    assert (found.reference, found.config.name, found.resource_name) == ("team-a/blue", "blue", "x/y")
    assert fetch_network(broker, "team-a", "blue") is found
    assert broker.asked == [(NETWORK, 0.0)]


@pytest.mark.parametrize("spec", [{}, {"config": None}, {"config": " "}])
def test_a_network_on_disk(spec: dict[str, Any]) -> None:
    found = fetch_network(broker_with(NETWORK, network(**spec)), "team-a", "blue")
    assert found is not None
    assert found.is_on_disk


@pytest.mark.parametrize("config", ["{", {"type": "bridge"}, 5, []])
def test_a_network_that_cannot_be_read(config: object) -> None:
    found = fetch_network(broker_with(NETWORK, network(config=config)), "team-a", "blue")
    assert found is not None
    assert found.problems
    assert not found.is_on_disk


def test_a_network_that_a_finalizer_holds_is_a_network() -> None:
    """The webhook admits pods that name it and judges each change of it, and Multus attaches it."""
    thing = network(config='{"cniVersion": "1.0.0", "type": "bridge"}')
    thing["metadata"] |= {"deletionTimestamp": "2026-11-28T15:00:00Z", "finalizers": ["example.com/hold"]}
    found = fetch_network(broker_with(NETWORK, thing), "team-a", "blue")
    assert found is not None
    assert not found.problems


def test_no_network_is_remembered_too() -> None:
    broker = Broker()
    assert fetch_network(broker, "team-a", "blue") is None
    assert fetch_network(broker, "team-a", "blue") is None
    assert len(broker.asked) == 1


def test_no_network_has_such_a_name() -> None:
    broker = Broker()
    assert fetch_network(broker, "team-a", "../blue") is None
    assert broker.asked == []


def test_labels_of_a_namespace() -> None:
    broker = broker_with("/api/v1/namespaces/team-a", {"metadata": {"labels": {"team": "a"}}})
    assert fetch_namespace_labels(broker, "team-a") == {"team": "a"}
    assert fetch_namespace_labels(broker, "team-a") == {"team": "a"}
    assert len(broker.asked) == 1
    with pytest.raises(NotFoundError):
        fetch_namespace_labels(broker, "team-b")


def page(*items: object, token: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": token} if token else {}, "items": list(items)}


def test_policies_of_several_pages() -> None:
    first, second = f"{POLICIES}?limit=500", f"{POLICIES}?limit=500&continue=a%2Fb%3D%C3%A9"
    broker = Broker(**{first: page({"n": 1}, {"n": 2}, token="a/b=é"), second: page({"n": 3})})
    assert fetch_policies(broker) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [path for path, _ in broker.asked] == [first, second]


def test_the_paths_of_the_access_rules_have_the_words_of_the_rules() -> None:
    assert POLICIES.startswith(f"/apis/{policyrules.GROUP}/{policyrules.VERSION}/")
    assert (
        f"/apis/{policyrules.GROUP}/{policyrules.VERSION}/networkattachmentpolicyconfigs/{policyrules.CONFIG_NAME}"
        == CONFIG
    )


def test_kinds_that_are_not_installed() -> None:
    assert fetch_policies(Broker()) == []
    assert fetch_config(Broker()) is None
    assert fetch_config(broker_with(CONFIG, {"spec": {}})) == {"spec": {}}


@pytest.mark.parametrize("answer", [{}, {"items": {}}, {"items": [1]}, {"items": "x"}])
def test_an_answer_that_is_not_a_list_is_an_error(answer: dict[str, Any]) -> None:
    with pytest.raises(CniError, match="is not a list of objects") as caught:
        fetch_policies(broker_with(f"{POLICIES}?limit=500", answer))
    assert caught.value.code == 11


def test_a_list_without_end_is_an_error() -> None:
    """NB: the rest may hold a Deny."""
    path = "/apis/x/v1/things"
    pages = {f"{path}?limit=500{more}": page({}, token="t") for more in ("", "&continue=t")}
    with pytest.raises(CniError, match="there are more than 1500 objects"):
        fetch_list(Broker(**pages), path, pages_max=3)


def test_networks_of_a_namespace_and_of_all() -> None:
    path = "/apis/k8s.cni.cncf.io/v1{}/network-attachment-definitions?limit=500"
    blue = {"metadata": {"namespace": "team-a", "name": "blue"}, "spec": {}}
    broker = Broker(**{path.format("/namespaces/team-a"): page(blue), path.format(""): page(blue)})
    for namespace in ("team-a", ""):
        (found,) = fetch_networks(broker, namespace, pages_max=1)
        assert (found.reference, found.is_on_disk) == ("team-a/blue", True)
