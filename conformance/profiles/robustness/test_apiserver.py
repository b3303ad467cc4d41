"""The API server is slow, away, or refuses: pods get what they asked for, or fail."""

from __future__ import annotations

import pytest

from conformance.clauses import PRACTICE, clause
from conformance.rig.apiserver import Answer
from conformance.rig.clusterserver import AWAY, CUT_OFF, NAMESPACE
from conformance.rig.node import ADD, DEFAULT, Case


@pytest.fixture
def pod(case: Case) -> Case:
    """Return a pod with one network that is not attached yet."""
    case.define("one")
    case.pod("one")
    return case


@clause("practice", "api", PRACTICE)
@pytest.mark.parametrize("fault", [AWAY, CUT_OFF, 401, 403, 503], ids=["away", "cut", "401", "403", "503"])
def test_a_pod_that_cannot_be_read(pod: Case, fault: int) -> None:
    """ADD fails: a pod must not start without the networks that it may have asked for."""
    pod.api.fail("pods", fault)
    pod.add().fails()


@clause("practice", "api", PRACTICE)
@pytest.mark.parametrize("fault", [AWAY, 403, 500], ids=["away", "403", "500"])
def test_a_definition_that_cannot_be_read(pod: Case, fault: int) -> None:
    """ADD fails: a pod must not start without its networks."""
    pod.api.fail("definitions", fault)
    pod.add().fails()


@clause("practice", "api", PRACTICE)
def test_a_pod_that_does_not_exist(pod: Case) -> None:
    """ADD of a pod that the API server does not know fails."""
    pod.api.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/web-0")
    pod.add().fails()


@clause("practice", "api", PRACTICE)
def test_a_pod_of_another_uid(pod: Case) -> None:
    """ADD for a pod that was deleted fails, although another pod has its name now."""
    pod.call(ADD, None, CNI_ARGS=_with_another_uid(pod)).fails()
    assert pod.calls(ADD, "one") == []


@clause("practice", "api", PRACTICE)
def test_a_static_pod(pod: Case) -> None:
    """The runtime has another uid of a static pod than the API server; it is attached all the same."""
    pod.pod("one", annotations={"kubernetes.io/config.source": "file"})
    pod.call(ADD, None, CNI_ARGS=_with_another_uid(pod)).succeeds()
    assert len(pod.calls(ADD, "one")) == 1


def _with_another_uid(case: Case) -> str:
    return case.environ(ADD)["CNI_ARGS"].replace(case.uid, "00000000-0000-4000-8000-999999999999")


@clause("practice", "api", PRACTICE)
def test_it_recovers(pod: Case) -> None:
    """After the API server is back, ADD works."""
    pod.api.fail("all", 500)
    pod.add().fails()
    pod.api.heal()
    pod.delete()
    pod.add().succeeds()


@clause("practice", "api", PRACTICE)
def test_one_connection_that_ends(pod: Case) -> None:
    """One connection that ends early does not fail the pod for good: this ADD or the next one works."""
    pod.api.fail("all", AWAY, times=1)
    if pod.add().code != 0:
        pod.delete()
        pod.add().succeeds()
    assert pod.calls(ADD, "one")


@clause("practice", "api", PRACTICE)
def test_a_slow_api_server(pod: Case) -> None:
    """An API server that needs half a second for an answer does not fail the pod."""
    pod.api.fail("all", Answer(after_s=0.5))
    pod.add().succeeds()
    assert pod.calls(ADD, "one")


@clause("practice", "status", PRACTICE)
@pytest.mark.parametrize("fault", [403, 500], ids=["403", "500"])
def test_a_status_that_cannot_be_written(pod: Case, fault: int) -> None:
    """A pod whose networks are attached starts, also if its status cannot be written."""
    pod.api.fail("status", fault)
    pod.add().succeeds()


@clause("practice", "status", PRACTICE)
def test_a_conflict(pod: Case) -> None:
    """A conflict while the status is written is retried."""
    pod.api.fail("status", 409, times=1)
    pod.add().succeeds()
    assert len(pod.network_status()) == 2


@clause("practice", "status", PRACTICE)
@pytest.mark.parametrize("fault", [403, 500], ids=["403", "500"])
def test_events_that_cannot_be_written(pod: Case, fault: int) -> None:
    """A pod starts without the right to write events."""
    pod.api.fail("events", fault)
    pod.add().succeeds()


@clause("practice", "status", PRACTICE)
def test_an_event_says_what_was_added(pod: Case) -> None:
    """An event names the interface and the network that were added."""
    pod.add().succeeds()

    def is_written() -> bool:
        events = [request.body for request in pod.api.writes() if request.path.endswith("/events")]
        return any("net1" in event.get("message", "") and "one" in event["message"] for event in events)

    assert pod.api.within(20.0, is_written), "no event names net1 and the network"


@clause("practice", "status", PRACTICE)
def test_the_status_is_of_the_pod_that_was_attached(pod: Case) -> None:
    """A pod that got the name while the networks were attached gets no status of networks that it does not have."""
    with pod.adding("one"):
        pod.pod("one")
    assert pod.network_status() == []


@clause("practice", "status", PRACTICE)
def test_a_failed_add_writes_no_status(pod: Case) -> None:
    """A pod that failed has no network-status of networks that it does not have."""
    pod.delegates.script("one", ADD, {"error": {"code": 100, "msg": "told to fail"}})
    pod.add().fails()
    assert [entry for entry in pod.network_status() if entry["name"].endswith("one")] == []


@clause("practice", "api", PRACTICE)
def test_a_token_that_changed(pod: Case) -> None:
    """Each ADD reads the credentials again: after a rotation of the token, pods start."""
    pod.node.write_kubeconfig(token="another-token")  # noqa: S106 - of no server
    pod.add().fails()
    pod.node.write_kubeconfig()
    pod.delete()
    pod.add().succeeds()


@clause("practice", "api", PRACTICE)
def test_few_requests(pod: Case) -> None:
    """ADD of a pod with one network sends at most ten requests."""
    pod.api.requests.clear()
    pod.add().succeeds()
    assert len([request for request in pod.api.requests if not request.is_watch]) <= 10


@clause("practice", "api", PRACTICE)
def test_a_pod_without_networks_reads_no_definition(case: Case) -> None:
    """A pod that selects nothing costs no request for definitions."""
    case.api.requests.clear()
    case.add().succeeds()
    found = [request for request in case.api.requests if "network-attachment-definitions/" in request.path]
    assert found == []
    assert [call.type for call in case.calls(ADD)] == [DEFAULT]
