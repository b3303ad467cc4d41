"""Pods that have not finished, by their metadata, and the networks that they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.apiserver import ApiServer, status
from tests.fakes.objects import network, pod
from tests.fakes.objectstore import NETWORKS, PODS
from webhook.admission.model.requests import NO_USERS, NetworkUsers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .observed import Observed


def users(observed: Observed, name: str = "blue", namespace: str = "team-a") -> NetworkUsers:
    return observed.source.snapshot().network_users(namespace, name)


def wait_users(observed: Observed, total: int, name: str = "blue") -> None:
    observed.wait(lambda: users(observed, name).total == total)


def test_pods_are_added_changed_and_deleted(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, pod("a", "blue"), pod("b", "blue,red", "team-b"), pod("c", "team-a/blue,blue,blue", "team-b"))
    wait_users(observed, 2)
    assert users(observed) == NetworkUsers(total=2, own=1, names=("a",))
    assert users(observed, "red", "team-b") == NetworkUsers(total=1, own=1, names=("b",))
    assert observed.source.snapshot().counts()["pods"] == 3
    api.put(PODS, pod("a", "green"))
    wait_users(observed, 1, "green")
    assert users(observed) == NetworkUsers(total=1)
    api.put(PODS, pod("a"))
    wait_users(observed, 0, "green")
    api.delete(PODS, "team-b", "c")
    wait_users(observed, 0)
    assert observed.source.snapshot().counts()["pods"] == 1
    api.delete(PODS, "team-b", "b")
    observed.wait(lambda: observed.source.snapshot().counts()["pods"] == 0)
    assert users(observed, "red", "team-b") == NO_USERS


def test_a_finished_pod_uses_nothing(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, pod("a", "blue"), pod("b", "blue", phase="Pending"), pod("c", "blue", phase="Failed"))
    wait_users(observed, 2)
    api.put(PODS, pod("a", "blue", phase="Succeeded"))
    wait_users(observed, 1)


def test_a_pod_waits_until_its_networks_are_attached(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, pod("a", "blue", phase="Pending"), pod("b", "team-a/blue", "team-b", phase="Pending"))
    api.put(PODS, pod("c", "blue"), pod("d", "red", phase="Pending"))
    wait_users(observed, 3)
    assert users(observed) == NetworkUsers(total=3, own=2, names=("a", "c"), waiting=2)
    assert users(observed).attached == 1
    before = observed.source.snapshot()
    api.put(PODS, pod("a", "blue"))
    observed.wait(lambda: users(observed).waiting == 1)
    assert before.network_users("team-a", "blue").waiting == 2
    api.delete(PODS, "team-b", "b")
    wait_users(observed, 2)
    assert users(observed) == NetworkUsers(total=2, own=2, names=("a", "c"))


def test_an_annotation_that_cannot_be_read_is_ignored(api: ApiServer, observed: Observed) -> None:
    default = pod("d", "[{", "team-a")
    default["metadata"]["annotations"]["v1.multus-cni.io/default-network"] = "net-0"
    other = pod("e", "blue")
    other["metadata"]["annotations"]["v1.multus-cni.io/default-network"] = "net-0,net-1"
    api.put(PODS, pod("a", "blue,,"), pod("b", ""), pod("c", '[{"name":"blue","mac":"x"}]'), default, other)
    observed.wait(lambda: users(observed).total == 1)
    assert users(observed, "net-0", "kube-system") == NetworkUsers(total=1)
    assert observed.source.snapshot().counts()["pods"] == 2


def test_a_long_annotation_is_read_like_a_short_one(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, pod("a", ",".join(f"net-{number}" for number in range(1000))))
    wait_users(observed, 1, "net-999")


def test_at_most_five_names(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, *(pod(f"p{number}", "blue") for number in range(8)))
    wait_users(observed, 8)
    assert users(observed) == NetworkUsers(total=8, own=8, names=("p0", "p1", "p2", "p3", "p4"))


def test_only_metadata_is_requested(api: ApiServer, observed: Observed) -> None:
    first, second = api.list_requests(PODS)[0], api.watch_requests(PODS)[0]
    suffix = "g=meta.k8s.io;v=v1,application/json"
    assert first.headers["accept"] == f"application/json;as=PartialObjectMetadataList;{suffix}"
    assert second.headers["accept"] == f"application/json;as=PartialObjectMetadata;{suffix}"
    selected = {request.query["fieldSelector"] for request in (first, second)}
    assert selected == {"status.phase!=Succeeded,status.phase!=Failed"}


def test_a_swap_for_pods_keeps_the_rest_of_the_snapshot(api: ApiServer, observed: Observed) -> None:
    """Changes of pods keep the remembered results of a snapshot; a change of a network drops them."""
    before = observed.source.snapshot()
    made = before.recall("key", object)
    api.put(PODS, pod("a", "blue"))
    wait_users(observed, 1)
    after = observed.source.snapshot()
    assert after is not before
    assert after.recall("key", object) is made
    assert before.network_users("team-a", "blue") == NO_USERS
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert observed.source.snapshot().recall("key", object) is not made
    assert users(observed).total == 1


def test_a_change_of_a_pod_without_networks_swaps_nothing(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, pod("a", "blue"))
    wait_users(observed, 1)
    swaps = observed.swaps
    api.put(PODS, {**pod("a", "blue"), "status": {"phase": "Running", "podIP": "10.0.0.1"}})
    api.put(PODS, pod("plain"))
    api.put(PODS, pod("b", "blue"))
    wait_users(observed, 2)
    assert observed.swaps == swaps + 1


def test_a_missing_right_to_read_pods_names_the_option(api: ApiServer, observe: Callable[..., Observed]) -> None:
    said = 'pods is forbidden: User "sa" cannot list resource "pods" in API group "" at the cluster scope'
    api.answer_always[PODS] = (403, status(403, said))
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: "forbidden" in (observed.source.problem() or "") and sum(api.watches.values()) == 4)
    assert observed.source.problem() == (
        f"pods not listed yet: pods: list is forbidden: {said}; "
        "grant list and watch on pods to this account in a ClusterRole, or start with --no-watch-pods"
    )


def test_compacted_history_is_listed_again(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, pod("a", "blue"), pod("b", "blue"))
    wait_users(observed, 2)
    with api.changed:
        api.delete(PODS, "team-a", "a")
        api.put(PODS, pod("c", "green"))
        api.compact()
        api.cut_watches()
    wait_users(observed, 1, "green")
    assert users(observed) == NetworkUsers(total=1, own=1, names=("b",))
    assert len(api.list_requests(PODS)) == 2


def test_a_watch_that_hangs_is_ended(api: ApiServer, observe: Callable[..., Observed]) -> None:
    observed = observe(api.url, watch_s=1, watch_grace_s=-0.97)
    observed.start()
    api.wait(lambda: len(api.watch_requests(PODS)) > 2)
    api.put(PODS, pod("a", "blue"))
    wait_users(observed, 1)
    assert observed.source.problem() is None


def test_when_the_server_is_gone_the_last_pods_stay(api: ApiServer, observed: Observed) -> None:
    api.put(PODS, pod("a", "blue"))
    wait_users(observed, 1)
    api.close()
    observed.now += 60
    assert users(observed).total == 1
    assert observed.source.cache_age_seconds()["pods"] == 60.0


@pytest.mark.slow
def test_fifty_thousand_networks_and_pods(api: ApiServer, observe: Callable[..., Observed]) -> None:
    count = 50_000
    api.put(NETWORKS, *(network(f"n{number}", f"ns-{number // 100}") for number in range(count)))
    api.put(PODS, *(pod(f"p{number}", f"n{number}", f"ns-{number // 100}") for number in range(count)))
    observed = observe(api.url)
    observed.patience_s = 60.0
    observed.start()
    observed.wait(lambda: observed.source.problem() is None)
    counts = observed.source.snapshot().counts()
    assert (counts["networks"], counts["pods"]) == (count + 1, count)
    assert users(observed, "n49999", "ns-499") == NetworkUsers(total=1, own=1, names=("p49999",))
    for path, pages in ((NETWORKS, 101), (PODS, 100)):
        asked = api.list_requests(path)
        assert [request.query["limit"] for request in asked] == ["500"] * pages
        assert [request.query.get("continue", "").partition("/")[0] for request in asked[:3]] == ["", "a+b", "a+b"]


def test_a_server_that_sends_whole_pods_works(api: ApiServer, observed: Observed) -> None:
    api.send(PODS, {"type": "ADDED", "object": {**pod("a", "blue"), "spec": {"x": [1]}}})
    wait_users(observed, 1)
