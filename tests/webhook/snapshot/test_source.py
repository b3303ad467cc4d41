from __future__ import annotations

import gc
import json
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from cniplugin.access.reading.consent import ALLOWED_NAMESPACES
from tests.fakes.apiserver import CUT, ApiServer, status
from tests.fakes.objects import namespace, network
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from .observed import Observed

KINDS = ("networks", "namespaces", "policies", "policyconfigs", "pods")


# Lists and events


def test_listed_objects_are_in_the_snapshot(observed: Observed) -> None:
    snapshot = observed.source.snapshot()
    definition = snapshot.network("team-a", "blue")
    assert definition is not None
    assert definition.config is not None
    assert snapshot.namespace_labels("team-a") == {"team": "a", "kubernetes.io/metadata.name": "team-a"}
    assert snapshot.counts() == {"networks": 1, "namespaces": 1, "policies": 0, "policyconfigs": 0, "pods": 0}


def test_networks_are_added_changed_and_deleted(api: ApiServer, observed: Observed) -> None:
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    before = observed.source.snapshot()
    api.put(NETWORKS, network("green", config="{", labels={"a": "b"}, annotations={"c": "d"}))
    observed.wait(lambda: observed.source.snapshot() is not before)
    changed = observed.source.snapshot().network("team-a", "green")
    assert changed is not None
    assert changed.problems
    assert (changed.labels, changed.annotations) == ({"a": "b"}, {"c": "d"})
    api.delete(NETWORKS, "team-a", "green")
    observed.wait_names("blue")
    api.delete(NETWORKS, "team-a", "blue")
    observed.wait_names()


def test_namespaces_are_added_changed_and_deleted(api: ApiServer, observed: Observed) -> None:
    def labels() -> dict[str, str]:
        return dict(observed.source.snapshot().namespace_labels("team-b"))

    api.put(NAMESPACES, namespace("team-b", team="b"))
    observed.wait(lambda: labels().get("team") == "b")
    api.put(NAMESPACES, namespace("team-b", team="c"))
    observed.wait(lambda: labels().get("team") == "c")
    api.delete(NAMESPACES, "", "team-b")
    observed.wait(lambda: "team" not in labels())


def test_a_namespace_that_is_terminating_is_known_as_such(api: ApiServer, observed: Observed) -> None:
    ending = namespace("team-a", team="a")
    ending["metadata"]["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    api.put(NAMESPACES, ending)
    observed.wait(lambda: observed.source.snapshot().is_terminating("team-a"))
    assert observed.source.snapshot().namespace_labels("team-a")["team"] == "a"
    api.delete(NAMESPACES, "", "team-a")
    observed.wait(lambda: not observed.source.snapshot().is_terminating("team-a"))


def test_default_networks_of_a_namespace_are_added_and_removed(api: ApiServer, observed: Observed) -> None:
    blue = namespace("blue", team="a")
    blue["metadata"]["annotations"] = {"nadmit.io/default-networks": "lan"}
    api.put(NAMESPACES, blue)
    observed.wait(lambda: observed.source.snapshot().default_networks("blue") == "lan")
    api.put(NAMESPACES, namespace("blue", team="a"))
    observed.wait(lambda: observed.source.snapshot().default_networks("blue") is None)


def test_a_snapshot_never_changes(api: ApiServer, observed: Observed) -> None:
    before = observed.source.snapshot()
    api.put(NETWORKS, network("green"), network("red", namespace="team-b"))
    observed.wait_names("blue", "green")
    api.delete(NETWORKS, "team-a", "blue")
    observed.wait_names("green")
    assert before.network_names("team-a") == ("blue",)
    assert before.network("team-a", "green") is None
    assert before.network("team-b", "red") is None


def test_a_change_that_decisions_do_not_read_swaps_nothing(api: ApiServer, observed: Observed) -> None:
    swaps = observed.swaps
    api.put(NETWORKS, {**network("blue", managedFields=[{"b": {}}]), "status": {"x": 1}})
    api.put(NAMESPACES, {**namespace("team-a", team="a"), "status": {"phase": "Terminating"}})
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert observed.swaps == swaps + 1


def test_a_list_comes_in_pages(api: ApiServer, observe: Callable[..., Observed]) -> None:
    api.put(NETWORKS, *(network(f"n{number:04}") for number in range(1200)))
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: observed.source.problem() is None)
    assert len(observed.names()) == 1201
    tokens = [request.query.get("continue", "").partition("/")[0] for request in api.list_requests(NETWORKS)]
    assert tokens == ["", "a+b", "a+b"]


def test_a_list_whose_history_is_compacted_between_pages_begins_again(
    api: ApiServer, observe: Callable[..., Observed]
) -> None:
    api.put(NETWORKS, *(network(f"n{number}") for number in range(9)))

    expired: list[bool] = []

    def expire() -> None:
        """NB: threads of all kinds call it, for their pages."""
        if len(api.list_requests(NETWORKS)) == 1 and not expired:
            expired.append(True)
            api.answers[NETWORKS].append((410, status(410, "The provided continue parameter is too old")))

    api.on_page = expire
    observed = observe(api.url, page_size=6)
    observed.start()
    observed.wait(lambda: observed.source.problem() is None)
    assert len(observed.names()) == 10
    api.wait(lambda: len(api.list_requests(NETWORKS)) in (4, 5))


# Watches


def test_after_a_watch_ends_the_next_one_begins_at_the_last_version(api: ApiServer, observed: Observed) -> None:
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    version = str(api.version)
    api.end_watches()
    api.wait(lambda: len(api.watch_requests(NETWORKS)) == 2 and api.watches[NETWORKS])
    api.put(NETWORKS, network("red"))
    observed.wait_names("blue", "green", "red")
    assert api.watch_requests(NETWORKS)[1].query["resourceVersion"] == version
    assert len(api.list_requests(NETWORKS)) == 1


def test_after_a_watch_is_cut_the_next_one_begins_at_the_last_version(
    api: ApiServer, observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nadmit.cluster")
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    version = str(api.version)
    with api.changed:
        api.cut_watches()
        api.delete(NETWORKS, "team-a", "blue")
    observed.wait_names("green")
    assert api.watch_requests(NETWORKS)[1].query["resourceVersion"] == version
    assert len(api.list_requests(NETWORKS)) == 1
    assert f"networks: the watch is lost: {api.url}: the connection was cut" in caplog.text
    assert "networks: watching again" in caplog.text


def test_a_bookmark_moves_the_version(api: ApiServer, observed: Observed) -> None:
    version = str(api.bookmark(NETWORKS))
    api.put(NAMESPACES, namespace("team-b"))
    api.end_watches()
    api.wait(lambda: len(api.watch_requests(NETWORKS)) == 2)
    assert api.watch_requests(NETWORKS)[1].query["resourceVersion"] == version
    assert api.watch_requests(NETWORKS)[1].query["allowWatchBookmarks"] == "true"


def test_watches_end_within_a_time_that_differs(api: ApiServer, observed: Observed) -> None:
    assert [api.watch_requests(path)[0].query["timeoutSeconds"] for path in (NETWORKS, NAMESPACES)] == ["540", "540"]


def test_silence_ends_a_watch(api: ApiServer, observe: Callable[..., Observed]) -> None:
    observed = observe(api.url, watch_s=1, watch_grace_s=-0.97)
    observed.start()
    api.wait(lambda: len(api.watch_requests(NETWORKS)) > 2)
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")


def test_silence_after_bookmarks_ends_a_watch_sooner(api: ApiServer, observe: Callable[..., Observed]) -> None:
    observed = observe(api.url, bookmark_silence_s=0.03)
    observed.start()
    api.wait(lambda: all(api.watches.values()))
    api.bookmark(NETWORKS)
    api.end_watches()
    api.wait(lambda: len(api.watch_requests(NETWORKS)) > 3)
    assert len(api.watch_requests(NAMESPACES)) <= 2


@pytest.mark.parametrize("is_status", [False, True], ids=["event", "status"])
def test_compacted_history_is_listed_again(api: ApiServer, observed: Observed, *, is_status: bool) -> None:
    with api.changed:
        if is_status:
            api.answers[NETWORKS].append((410, status(410, "too old resource version")))
        api.delete(NETWORKS, "team-a", "blue")
        api.put(NETWORKS, network("green"))
        api.compact()
        api.cut_watches()
    observed.wait_names("green")
    assert len(api.list_requests(NETWORKS)) == 2


def test_history_that_is_always_compacted_is_not_listed_in_a_loop(
    api: ApiServer, observe: Callable[..., Observed]
) -> None:
    page = json.dumps({"metadata": {"resourceVersion": "100"}, "items": []}).encode()
    gone = b'{"type": "ERROR", "object": ' + status(410, "too old") + b"}\n"
    for _ in range(100):
        api.answers[NETWORKS] += [(200, page), (200, gone)]
    observed = observe(api.url, pause_min_s=30.0, pause_max_s=30.0, short_watch_s=1.0)
    observed.start()
    api.wait(lambda: len(api.watch_requests(NETWORKS)) == 2)
    observed.wait(lambda: observed.source._informers[0]._backoff.failures == 2)
    assert len(api.list_requests(NETWORKS)) == 2


def test_after_another_error_event_the_watch_is_tried_again(api: ApiServer, observed: Observed) -> None:
    api.send(NETWORKS, {"type": "ERROR", "object": json.loads(status(500, "etcd is tired"))})
    api.wait(lambda: len(api.watch_requests(NETWORKS)) == 2)
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert len(api.list_requests(NETWORKS)) == 1


def test_a_line_that_is_not_json_ends_the_watch(api: ApiServer, observed: Observed) -> None:
    api.send(NETWORKS, b"<html>")
    api.wait(lambda: len(api.watch_requests(NETWORKS)) == 2)
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")


# Odd objects


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"metadata": {}},
        {"metadata": {"name": 7}},
        {"metadata": {"name": "x", "labels": ["a"]}},
        {"metadata": {"name": "x"}, "spec": None},
        [],
        None,
        "x",
    ],
    ids=json.dumps,
)
def test_an_odd_object_does_not_end_the_watch(api: ApiServer, observed: Observed, odd: object) -> None:
    for kind in ("ADDED", "DELETED", "BOOKMARK", "NEWS"):
        api.send(NETWORKS, {"type": kind, "object": odd})
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert len(api.watch_requests(NETWORKS)) == 1


def test_an_odd_object_does_not_spoil_a_list(api: ApiServer, observe: Callable[..., Observed]) -> None:
    items = [None, {"metadata": {"namespace": "team-a"}}, network("blue")]
    body = json.dumps({"metadata": {"resourceVersion": "100"}, "items": items}).encode()
    api.answers[NETWORKS].append((200, body))
    observed = observe(api.url)
    observed.start()
    observed.wait_names("blue")


@pytest.mark.parametrize("config", [7, {"type": "bridge"}, [], True], ids=repr)
def test_a_network_whose_config_is_not_text_cannot_be_used(api: ApiServer, observed: Observed, config: object) -> None:
    api.put(NETWORKS, network("green", config=config))
    observed.wait_names("blue", "green")
    definition = observed.source.snapshot().network("team-a", "green")
    assert definition is not None
    assert definition.problems
    assert not definition.is_on_disk


@pytest.mark.parametrize("spec", [7, [], "x"], ids=repr)
def test_a_network_whose_spec_is_not_an_object_cannot_be_used(api: ApiServer, observed: Observed, spec: object) -> None:
    api.put(NETWORKS, {**network("green"), "spec": spec})
    observed.wait_names("blue", "green")
    definition = observed.source.snapshot().network("team-a", "green")
    assert definition is not None
    assert definition.problems


def test_a_line_may_be_long(api: ApiServer, observed: Observed) -> None:
    config = json.dumps({"type": "bridge", "text": "x" * 300_000})
    api.put(NETWORKS, network("green", config=config), network("red"))
    observed.wait_names("blue", "green", "red")


@pytest.mark.parametrize("spec", [None, {}, {"config": None}, {"config": ""}, {"config": "", "x": 2**70}], ids=repr)
def test_a_network_without_config_is_on_disk(api: ApiServer, observed: Observed, spec: object) -> None:
    api.put(NETWORKS, {**network("green"), "spec": spec})
    observed.wait_names("blue", "green")
    definition = observed.source.snapshot().network("team-a", "green")
    assert definition is not None
    assert definition.is_on_disk


# Not ready, then ready forever


def test_the_source_waits_for_a_server_that_is_down(observe: Callable[..., Observed], api: ApiServer) -> None:
    port = api.port
    api.close()
    observed = observe(f"http://127.0.0.1:{port}")
    observed.start()
    observed.wait(
        lambda: (
            observed.source.problem() == "networks, namespaces, policies, policyconfigs and pods not listed yet: "
            f"http://127.0.0.1:{port}: cannot be reached: connection refused; check its address, and that it runs"
        )
    )
    assert observed.source.snapshot().counts() == {
        "networks": 0,
        "namespaces": 0,
        "policies": 0,
        "policyconfigs": 0,
        "pods": 0,
    }
    later = ApiServer(port=port)
    later.put(NETWORKS, network("blue"))
    with later:
        observed.wait(lambda: observed.source.problem() is None)
        assert observed.names() == ["blue"]
        observed.source.stop()


def test_when_the_server_goes_away_the_last_snapshot_stays(api: ApiServer, observed: Observed) -> None:
    before = observed.source.snapshot()
    api.close()
    observed.now += 60
    assert observed.source.problem() is None
    assert observed.source.snapshot() is before
    assert observed.source.cache_age_seconds() == dict.fromkeys(KINDS, 60.0)


def test_the_age_of_a_cache_counts_from_its_last_event_bookmark_or_list(api: ApiServer, observed: Observed) -> None:
    def ages() -> dict[str, float]:
        return observed.source.cache_age_seconds()

    observed.now += 30
    assert ages() == dict.fromkeys(KINDS, 30.0)
    api.bookmark(NETWORKS)
    observed.wait(lambda: ages() == {**dict.fromkeys(KINDS, 30.0), "networks": 0.0})
    api.put(NAMESPACES, namespace("team-b"))
    observed.wait(lambda: ages() == {**dict.fromkeys(KINDS, 30.0), "networks": 0.0, "namespaces": 0.0})
    observed.now += 30
    api.end_watches()
    observed.wait(lambda: ages() == dict.fromkeys(KINDS, 0.0))


def test_a_missing_right_is_named(api: ApiServer, observe: Callable[..., Observed]) -> None:
    said = (
        'network-attachment-definitions.k8s.cni.cncf.io is forbidden: User "sa" cannot list resource '
        '"network-attachment-definitions" in API group "k8s.cni.cncf.io" at the cluster scope'
    )
    api.answer_always[NETWORKS] = (403, status(403, said))
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: "forbidden" in (observed.source.problem() or "") and sum(api.watches.values()) == 4)
    title = "network-attachment-definitions.k8s.cni.cncf.io"
    assert observed.source.problem() == (
        f"networks not listed yet: {title}: list is forbidden: {said}; "
        f"grant list and watch on {title} to this account in a ClusterRole"
    )
    del api.answer_always[NETWORKS]
    observed.wait(lambda: observed.source.problem() is None)


def test_an_answer_that_is_not_a_list_is_named(api: ApiServer, observe: Callable[..., Observed]) -> None:
    api.answer_always[NETWORKS] = (200, b"<html>hello")
    api.answer_always[NAMESPACES] = (302, b"elsewhere")
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: "not what an API server answers" in (observed.source.problem() or ""))
    observed.wait(lambda: "namespaces: list failed with 302: elsewhere" in (observed.source.problem() or ""))


def test_a_list_that_breaks_off_is_named(api: ApiServer, observe: Callable[..., Observed]) -> None:
    api.answer_always[NETWORKS] = (CUT, b'{"items": [')
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: observed.source.problem() == f"networks not listed yet: {api.url}: the connection was cut")


def test_no_definition_of_networks_means_no_networks(
    api: ApiServer, observe: Callable[..., Observed], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nadmit.cluster")
    api.answer_always[NETWORKS] = (404, b"404 page not found\n")
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: observed.source.problem() is None)
    api.wait(lambda: len(api.list_requests(NETWORKS)) > 2)
    assert observed.names() == []
    del api.answer_always[NETWORKS]
    observed.wait_names("blue")
    assert caplog.text.count("install its CustomResourceDefinition") == 1


def test_networks_disappear_with_their_definition(api: ApiServer, observed: Observed) -> None:
    api.answer_always[NETWORKS] = (404, b"404 page not found\n")
    api.cut_watches()
    observed.wait_names()
    assert observed.source.problem() is None
    del api.answer_always[NETWORKS]
    observed.wait_names("blue")


def test_a_single_404_keeps_the_networks(api: ApiServer, observed: Observed) -> None:
    api.answers[NETWORKS].append((404, b""))
    swaps = observed.swaps
    api.cut_watches()
    api.wait(lambda: len(api.list_requests(NETWORKS)) == 2)
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert observed.swaps == swaps + 1


def test_a_404_for_namespaces_is_an_error(api: ApiServer, observe: Callable[..., Observed]) -> None:
    api.answer_always[NAMESPACES] = (404, b"404 page not found\n")
    observed = observe(api.url)
    observed.start()
    observed.wait(lambda: "namespaces: not served by" in (observed.source.problem() or ""))


# Credentials


def test_a_token_file_is_read_again(api: ApiServer, observe: Callable[..., Observed], tmp_path: Any) -> None:
    api.token = "old"
    (tmp_path / "token").write_text("old")
    observed = observe(api.url, user={"tokenFile": str(tmp_path / "token")})
    observed.start()
    observed.wait(lambda: observed.source.problem() is None)
    api.wait(lambda: all(api.watches.values()))
    with api.changed:
        api.token = "new"
        api.cut_watches()
    api.wait(lambda: len(api.watch_requests(NETWORKS)) > 2)
    (tmp_path / "token").write_text("new\n")
    api.put(NETWORKS, network("green"))
    observed.wait_names("blue", "green")
    assert len(api.list_requests(NETWORKS)) == 1


def test_refused_credentials_are_named(api: ApiServer, observe: Callable[..., Observed]) -> None:
    api.token = "good"
    observed = observe(api.url, user={"token": "bad"})
    observed.start()
    observed.wait(lambda: "the credentials are refused: Unauthorized" in (observed.source.problem() or ""))


# Load, logs and the end


@pytest.mark.slow
def test_a_burst_of_events_makes_a_few_snapshots(api: ApiServer, observe: Callable[..., Observed]) -> None:
    observed = observe(api.url, batch_s=0.05)
    observed.start()
    api.wait(lambda: api.watches[NETWORKS])
    swaps, began = observed.swaps, time.monotonic()
    api.put(NETWORKS, *(network(f"n{number:04}") for number in range(5000)))
    observed.wait(lambda: len(observed.names()) == 5001)
    assert observed.swaps - swaps <= (time.monotonic() - began) / 0.05 + 2


def test_the_same_problem_is_logged_once_a_minute(
    api: ApiServer, observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nadmit.cluster")

    def cut() -> None:
        opened = len(api.watch_requests(NETWORKS))
        api.cut_watches()
        api.wait(lambda: len(api.watch_requests(NETWORKS)) > opened and api.watches[NETWORKS])

    cut()
    cut()
    assert caplog.text.count("networks: the watch is lost") == 1
    observed.now += 61
    cut()
    assert caplog.text.count("networks: the watch is lost") == 2


def test_the_first_list_is_logged(
    api: ApiServer, observe: Callable[..., Observed], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nadmit.cluster")
    observed = observe(api.url)
    observed.start()
    api.wait(lambda: all(api.watches.values()))
    assert {record.message for record in caplog.records} == {
        "networks: listed 1",
        "namespaces: listed 1",
        "policies: listed 0",
        "policyconfigs: listed 0",
        "pods: listed 0",
    }


def test_after_a_watch_that_ends_at_once_there_is_a_pause(api: ApiServer, observe: Callable[..., Observed]) -> None:
    observed = observe(api.url, short_watch_s=1.0)
    observed.start()
    api.wait(lambda: all(api.watches.values()))
    api.end_watches()
    api.wait(lambda: len(api.watch_requests(NETWORKS)) == 2)
    assert observed.source.problem() is None


def test_pauses_double_up_to_a_limit(api: ApiServer, observe: Callable[..., Observed]) -> None:
    informer = observe(api.url, pause_min_s=0.5, pause_max_s=30.0).source._informers[0]
    assert [informer._backoff.next() for _ in range(8)] == [0.75, 1.5, 3.0, 6.0, 12.0, 24.0, 30.0, 30.0]


def test_a_bug_does_not_end_the_watch(
    api: ApiServer, observed: Observed, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = observed.source._informers[0]._cache
    monkeypatch.setattr(cache, "make", lambda _: 1 / 0)
    api.put(NETWORKS, network("green"))
    observed.wait(lambda: "ZeroDivisionError" in caplog.text)
    monkeypatch.undo()
    observed.wait_names("blue", "green")


def test_a_bug_in_on_swap_does_not_end_the_swaps(
    api: ApiServer, observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    told = observed.source._on_swap
    observed.source._on_swap = lambda _: 1 / 0
    api.put(NETWORKS, network("green"))
    observed.wait(lambda: "ZeroDivisionError" in caplog.text)
    observed.source._on_swap = told
    api.put(NETWORKS, network("red"))
    observed.wait_names("blue", "green", "red")


def test_shared_networks_follow_their_annotation(api: ApiServer, observed: Observed) -> None:
    """The caches keep the set of shared networks up to date for lists, events and deletions."""

    def is_shared(*names: str) -> bool:
        found = observed.source.snapshot().shared_networks()
        return list(found) == [("team-a", name) for name in names]

    consent: dict[str, Any] = {"annotations": {ALLOWED_NAMESPACES: "team-b"}}
    api.put(NETWORKS, network("red", **consent), network("green", **consent))
    observed.wait(lambda: is_shared("green", "red"))
    api.put(NETWORKS, network("red"))
    observed.wait(lambda: is_shared("green"))
    api.compact()
    api.put(NETWORKS, network("grey", **consent))
    api.end_watches()
    observed.wait(lambda: is_shared("green", "grey"))
    api.delete(NETWORKS, "team-a", "green")
    observed.wait(lambda: is_shared("grey"))


def test_networks_of_a_new_namespace_are_added_and_deleted(api: ApiServer, observed: Observed) -> None:
    api.put(NETWORKS, network("red", "team-b"))
    observed.wait(lambda: observed.names("team-b") == ["red"])
    api.delete(NETWORKS, "team-b", "red")
    observed.wait(lambda: observed.names("team-b") == [])
    api.send(NETWORKS, {"type": "DELETED", "object": network("red", "team-b")})
    api.put(NETWORKS, network("red", "team-b"))
    observed.wait(lambda: observed.names("team-b") == ["red"])


def test_a_list_without_changes_swaps_nothing(api: ApiServer, observed: Observed) -> None:
    before = observed.source.snapshot()
    definition = before.network("team-a", "blue")
    api.answers[NETWORKS].append((410, b""))
    api.cut_watches()
    api.wait(lambda: len(api.watch_requests(NETWORKS)) == 3)
    assert observed.source.snapshot() is before
    assert before.network("team-a", "blue") is definition


def test_stop_ends_every_thread_in_the_middle_of_a_watch(observed: Observed) -> None:
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("nadmit-cluster-")]
    assert sorted(thread.name.rpartition("-")[2] for thread in threads) == sorted([*KINDS, "swap"])
    began = time.monotonic()
    observed.source.stop()
    assert time.monotonic() - began < 0.5
    assert not any(thread.is_alive() for thread in threads)
    assert observed.names() == ["blue"]


def test_stop_ends_a_pause(observe: Callable[..., Observed]) -> None:
    observed = observe("http://127.0.0.1:1", pause_min_s=30.0)
    observed.start()
    observed.wait(lambda: "cannot be reached" in (observed.source.problem() or ""))
    began = time.monotonic()
    observed.source.stop()
    assert time.monotonic() - began < 0.5


def test_stop_before_start_does_nothing(observe: Callable[..., Observed]) -> None:
    observe("http://127.0.0.1:1").source.stop()
    gc.collect()


@pytest.mark.slow
def test_stop_does_not_wait_for_a_server_that_is_silent(observe: Callable[..., Observed]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        observed = observe(f"http://127.0.0.1:{silent.getsockname()[1]}")
        observed.start()
        accepted = [silent.accept()[0] for _ in KINDS]
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("nadmit-cluster-")]
        began = time.monotonic()
        observed.source.stop()
        assert time.monotonic() - began < 1.0
        for connection in accepted:
            connection.close()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)
