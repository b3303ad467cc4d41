"""The status writer and its source, against an in-process API server."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.fakes.apiserver import Request, failure
from tests.fakes.objects import namespace, policy, policy_config, write_kubeconfig
from tests.fakes.objectstore import CONFIGS, NAMESPACES, POLICIES
from tests.webhook.snapshot.observed import Observed
from webhook.kube.connection import Connection
from webhook.kube.informers import Timing
from webhook.kube.lease import LeaseTiming
from webhook.policystatus.statusstore import StatusStore
from webhook.policystatus.statuswriter import StatusWriter, WriterTiming
from webhook.telemetry.metrics import PolicyStatusMetrics

from .statusserver import LEASE, LEASES, StatusServer

QUICK = Timing(pause_min_s=0.005, pause_max_s=0.02, absent_retry_s=0.01, short_watch_s=0.0, batch_s=0.02)
QUICK_LEASE = LeaseTiming(duration_s=1, renew_s=0.2, read_s=0.05, request_s=0.4)
QUICK_WRITER: dict[str, Any] = {"turn_s": 0.01, "between_writes_s": 0.0, "pause_min_s": 0.01, "pause_max_s": 0.05}
DENY = {"name": "no", "action": "Deny"}


@pytest.fixture
def api() -> Iterator[StatusServer]:
    with StatusServer() as server:
        server.put(NAMESPACES, namespace("blue", tenant="blue"), namespace("green"))
        yield server


class Replica:
    """A source and a writer, as in `serve --cluster --write-status`."""

    def __init__(self, kubeconfig: Path, *, lease: LeaseTiming = QUICK_LEASE, **timing: Any) -> None:
        self.observed = Observed(kubeconfig, QUICK)
        source = self.observed.source
        self.writer = StatusWriter(
            source.connection,
            "nadmit-system",
            snapshot=lambda: None if source.problem() else source.snapshot(),
            timing=WriterTiming(**{**QUICK_WRITER, **timing}),
            lease_timing=lease,
        )

    @property
    def counts(self) -> PolicyStatusMetrics:
        return self.writer.counts

    def start(self) -> None:
        self.observed.start()
        self.writer.start()

    def stop(self) -> None:
        self.writer.stop()
        self.observed.source.stop()


@pytest.fixture
def replica(api: StatusServer, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """Start a replica; it is stopped at the end."""
    made: list[Replica] = []

    def make(**timing: Any) -> Replica:
        one = Replica(write_kubeconfig(tmp_path / f"kubeconfig-{len(made)}", api.url), **timing)
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.stop()


def accepted(found: dict[str, Any]) -> dict[str, str]:
    return {name: value["conditions"][0]["status"] for name, value in found.items()}


def test_statuses_and_events_are_written(api: StatusServer, replica: Callable[..., Replica]) -> None:
    api.put(
        POLICIES, policy("good", DENY), policy("bad", {"name": "no", "action": "?"}), policy("try", DENY, mode="Warn")
    )
    api.put(CONFIGS, policy_config(posture="Strict"))
    one = replica()
    api.wait(lambda: len(api.statuses()) == 3 and api.statuses(CONFIGS))
    assert accepted(api.statuses()) == {"good": "True", "bad": "False", "try": "True"}
    assert api.statuses()["good"]["matchedNamespaces"] == 2
    assert api.reasons() == {
        ("good", "PolicyEnforced"): 1,
        ("bad", "PolicyUnreadable"): 1,
        ("bad", "PolicyEnforced"): 1,
        ("try", "PolicyOnTrial"): 1,
        ("cluster", "PolicyEnforced"): 1,
    }
    assert one.counts.is_writer
    assert one.writer.problem() is None


@pytest.mark.slow
def test_writes_make_no_snapshot_and_no_more_requests(api: StatusServer, replica: Callable[..., Replica]) -> None:
    api.put(POLICIES, *(policy(f"p{number}", DENY) for number in range(50)))
    one = replica()
    api.wait(lambda: len(api.statuses()) == 50)
    one.observed.wait(lambda: one.counts.writes["status", "ok"] == 50)
    swaps, lists = one.observed.swaps, len(api.list_requests(POLICIES))
    renewals = api.renewals()
    bookmark = api.bookmark(POLICIES)  # after the events of all writes
    api.wait(lambda: len(api.renewals()) >= len(renewals) + 3)
    assert bookmark
    assert (one.observed.swaps, len(api.list_requests(POLICIES))) == (swaps, lists)
    assert len(api.patches()) == 50


def test_a_namespace_costs_no_list_and_only_the_patches_it_needs(
    api: StatusServer, replica: Callable[..., Replica]
) -> None:
    labelled = [{"namespaceSelector": {"matchLabels": {"tenant": "blue"}}}]
    api.put(POLICIES, policy("all", DENY), policy("blue", DENY, pods=labelled))
    replica()
    api.wait(lambda: len(api.statuses()) == 2)
    lists = len(api.list_requests(POLICIES))
    api.put(NAMESPACES, namespace("green", tenant="blue"))
    api.wait(lambda: api.statuses()["blue"]["matchedNamespaces"] == 2)
    assert len(api.list_requests(POLICIES)) == lists
    assert [written.path.split("/")[-2] for written in api.patches()].count("all") == 1


def test_a_policy_that_changes_becomes_unreadable_and_is_corrected(
    api: StatusServer, replica: Callable[..., Replica]
) -> None:
    api.put(POLICIES, policy("mine", DENY))
    replica()
    api.wait(lambda: accepted(api.statuses()) == {"mine": "True"})
    api.put(POLICIES, policy("mine", {**DENY, "action": "?"}, generation=2))
    api.wait(lambda: accepted(api.statuses()) == {"mine": "False"})
    api.put(POLICIES, policy("mine", DENY, generation=3))
    api.wait(lambda: accepted(api.statuses()) == {"mine": "True"})
    assert {reason: count for (_, reason), count in api.reasons().items()} == {
        "PolicyEnforced": 1,
        "PolicyUnreadable": 1,
        "PolicyReadable": 1,
    }


@pytest.mark.parametrize("code", [409, 500, 429, 401])
def test_a_failed_write_is_tried_again(api: StatusServer, replica: Callable[..., Replica], code: int) -> None:
    answers = [failure(code)]
    api.instead = lambda request: answers.pop() if request.path.endswith("/status") and answers else None
    api.put(POLICIES, policy("a", DENY), policy("b", DENY))
    one = replica()
    api.wait(lambda: len(api.statuses()) == 2)
    assert one.counts.writes["status", "conflict" if code == 409 else "error"] == 1
    assert set(api.reasons().values()) == {1}


def test_an_event_that_was_written_before_a_crash_exists_once(
    api: StatusServer, replica: Callable[..., Replica]
) -> None:
    """The event is written before the status. A repeated event is refused, and the status is written."""
    api.instead = lambda request: failure(500) if request.path.endswith("/status") else None
    api.put(POLICIES, policy("a", DENY))
    first = replica()
    api.wait(lambda: len(api.patches()) >= 2)
    first.stop()
    api.instead = lambda _request: None
    second = replica()
    api.wait(lambda: len(api.statuses()) == 1)
    assert api.reasons() == {("a", "PolicyEnforced"): 1}
    assert second.counts.writes["event", "conflict"] == 1


def test_a_status_that_the_schema_refuses_is_not_tried_again(
    api: StatusServer, replica: Callable[..., Replica], caplog: pytest.LogCaptureFixture
) -> None:
    api.instead = lambda request: failure(422) if request.path.endswith("/old/status") else None
    api.put(POLICIES, policy("old", DENY), policy("other", DENY))
    one = replica()
    api.wait(lambda: len(api.statuses()) == 1)
    api.put(NAMESPACES, namespace("white"))
    api.wait(lambda: api.statuses()["other"]["matchedNamespaces"] == 3)
    assert 1 <= one.counts.writes["status", "error"] <= 2  # the namespace changes the status to write
    assert "apply the CustomResourceDefinitions of this version of nadmit" in caplog.text


def test_forbidden_events_do_not_stop_the_status(
    api: StatusServer, replica: Callable[..., Replica], caplog: pytest.LogCaptureFixture
) -> None:
    api.instead = lambda request: failure(403, "as the test says") if request.path.endswith("/events") else None
    api.put(POLICIES, policy("a", DENY))
    one = replica()
    api.wait(lambda: len(api.statuses()) == 1)
    assert one.counts.writes["event", "error"] == 1
    assert "events.events.k8s.io default: create is forbidden: as the test says; grant create on events" in caplog.text


def test_a_flood_of_events_is_cut(
    api: StatusServer, replica: Callable[..., Replica], caplog: pytest.LogCaptureFixture
) -> None:
    api.put(POLICIES, *(policy(f"p{number}", DENY) for number in range(10)))
    replica(events_max=4)
    api.wait(lambda: len(api.statuses()) == 10)
    api.put(POLICIES, policy("p0", DENY, mode="Warn", generation=2))
    api.wait(lambda: ("p0", "PolicyOnTrial") in api.reasons())
    assert len(api.events()) == 5
    assert "6 events are left out: at most 4 at a time are written" in caplog.text


def test_a_policy_that_is_deleted_meanwhile(api: StatusServer, replica: Callable[..., Replica]) -> None:
    deleted = Event()

    def instead(request: Request) -> None:
        if request.path.endswith("/gone/status") and not deleted.is_set():
            deleted.set()
            api.delete(POLICIES, "", "gone")

    api.instead = instead
    api.put(POLICIES, policy("gone", DENY), policy("stays", DENY))
    one = replica()
    api.wait(lambda: list(api.statuses()) == ["stays"])
    assert one.counts.writes["status", "gone"] == 1


def test_a_stored_policy_that_is_not_in_the_snapshot(api: StatusServer, replica: Callable[..., Replica]) -> None:
    """The status is NotLoaded, and is corrected when the watch reports the policy."""
    api.put(POLICIES, policy("a", DENY))
    one = replica(late_s=0.05, refresh_s=0.05)
    api.wait(lambda: len(api.statuses()) == 1)
    api.wait(lambda: api.watches[POLICIES] == 1)
    with api.changed:  # as if the event was lost
        found = api.objects[POLICIES]["", "a"]
        metadata = {**found["metadata"], "generation": 2, "resourceVersion": str(api.version + 1)}
        api.objects[POLICIES]["", "a"] = {**found, "metadata": metadata}
    api.wait(lambda: api.statuses()["a"]["conditions"][1]["reason"] == "NotLoaded")
    assert one.counts.is_writer
    api.put(POLICIES, policy("a", DENY, generation=2))
    api.wait(lambda: api.statuses()["a"]["conditions"][1]["reason"] == "Loaded")
    assert api.reasons() == {("a", "PolicyEnforced"): 2, ("a", "PolicyNotLoaded"): 1}


@pytest.mark.slow
def test_nothing_is_written_before_everything_is_listed(api: StatusServer, replica: Callable[..., Replica]) -> None:
    """With an empty cache of namespaces a status would say 0 matched namespaces."""
    api.answer_always[NAMESPACES] = (500, b"{}")
    api.put(POLICIES, policy("a", DENY))
    one = replica()
    one.observed.wait(lambda: one.counts.is_writer)
    api.wait(lambda: len(api.renewals()) >= 3)
    assert api.patches() == []
    del api.answer_always[NAMESPACES]
    api.wait(lambda: api.statuses() != {})
    assert api.patches()[0].body["status"]["matchedNamespaces"] == 2


# Replicas


def test_one_of_two_replicas_writes_and_the_other_takes_over_at_once(
    api: StatusServer, replica: Callable[..., Replica]
) -> None:
    long = LeaseTiming(duration_s=60, renew_s=0.2, read_s=0.05, request_s=0.4)  # longer than this test waits
    first, second = replica(lease=long), replica(lease=long)
    api.put(POLICIES, policy("a", DENY))
    api.wait(lambda: len(api.statuses()) == 1)
    leader, other = (first, second) if first.counts.is_writer else (second, first)
    assert not other.counts.is_writer
    leader.stop()
    assert not leader.counts.is_writer
    api.put(POLICIES, policy("b", DENY))
    api.wait(lambda: len(api.statuses()) == 2)
    holders = [one.body["spec"]["holderIdentity"] for one in api.renewals()]
    assert len(list(itertools.groupby(holders))) == 3  # the first, none, the second
    assert api.writers == set(holders) - {""}
    assert set(api.reasons().values()) == {1}


def test_a_missing_lease_is_created(api: StatusServer, replica: Callable[..., Replica]) -> None:
    api.delete(LEASE)
    api.put(POLICIES, policy("a", DENY))
    replica()
    api.wait(lambda: len(api.statuses()) == 1)
    assert next(one.method for one in api.written() if one.path.startswith(LEASES)) == "POST"


@pytest.mark.slow
def test_a_leader_that_loses_the_api_server_stops_writing(
    api: StatusServer, replica: Callable[..., Replica], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nadmit")
    one = replica()
    one.observed.wait(lambda: one.counts.is_writer)
    api.instead = lambda request: failure(503) if request.path == LEASE else None
    one.observed.wait(lambda: not one.counts.is_writer)
    text = "the Lease that says who writes cannot be tended: leases.coordination.k8s.io nadmit-system/nadmit-status"
    assert f"{text}: patch failed" in caplog.text
    api.instead = lambda _request: None
    one.observed.wait(lambda: one.counts.is_writer)
    assert caplog.text.count("this replica writes the status of policies") == 1  # within a minute, once


@pytest.mark.slow
def test_it_stops_from_inside_a_request(api: StatusServer, replica: Callable[..., Replica]) -> None:
    held, go_on = Event(), Event()

    def instead(request: Request) -> None:
        if request.path.endswith("/status"):
            held.set()
            api.changed.wait_for(go_on.is_set, 5)

    api.instead = instead
    api.put(POLICIES, policy("a", DENY))
    one = replica()
    assert held.wait(5)
    one.writer.stop()
    assert not go_on.is_set()  # `stop` did not wait for the answer
    with api.changed:
        go_on.set()
        api.changed.notify_all()
    api.wait(lambda: api.holder == "")


def test_an_account_without_a_kubeconfig_cannot_start(tmp_path: Path) -> None:
    from webhook.kube.apierrors import ClusterError

    writer = StatusWriter(Connection(tmp_path / "none", environ={}), "n", snapshot=lambda: None)
    with pytest.raises(ClusterError, match="no such kubeconfig"):
        writer.start()
    writer.stop()


def test_lists_come_in_pages(api: StatusServer, tmp_path: Path) -> None:
    api.put(POLICIES, *(policy(f"p{number:03}", DENY) for number in range(250)))
    connection = Connection(write_kubeconfig(tmp_path / "kubeconfig", api.url), environ={})
    store = StatusStore(connection, timeout_s=5)
    assert len(list(store.list("NetworkAttachmentPolicy"))) == 250
    assert len(api.list_requests(POLICIES)) == 3
    api.answer_always[POLICIES] = (404, b"404 page not found\n")
    assert list(store.list("NetworkAttachmentPolicy")) == []
    connection.close()
