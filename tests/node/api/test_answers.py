"""The in-process API server answers every request of the plugin as a real one does, and the client understands it."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import Any

import pytest

from cniplugin.cluster.kubeapi import (
    EVENT_BYTES_MAX,
    FLIGHT_MAX,
    MERGE_PATCH,
    Client,
    Event,
    ReplacedError,
    event_request,
    status_request,
)
from cniplugin.cluster.kubeconfig import ClusterConfig
from cniplugin.cnierrors import CniError, NotFoundError

from .cluster import Cluster
from .podnode import POD, Conf

EVENTS = "/api/v1/namespaces/blue/events"
JSON = "application/json"
LEFT_S = 10.0


def event_named(name: str, *, namespace: str = "blue", about: str = "blue") -> Conf:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": namespace, "name": name},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": about, "name": "web-0"},
        "reason": "AddedInterface",
        "message": "Add net1",
        "type": "Normal",
    }


def annotate(uid: str) -> Conf:
    return {"metadata": {"uid": uid, "annotations": {"note": "1"}}}


def ask(api: Cluster, method: str, path: str, body: Any = None, *, bearer: str = "") -> tuple[int, str, str]:
    """Return status, reason and message of an answer to the plugin's account."""
    trust = ssl.create_default_context(cadata=api.ca)
    connection = http.client.HTTPSConnection("127.0.0.1", port_of(api), context=trust, timeout=10)
    headers = {
        "Authorization": f"Bearer {bearer or api.bearer}",
        "Content-Type": MERGE_PATCH if method == "PATCH" else JSON,
    }
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        value = json.loads(answer.read())
        assert answer.headers["Content-Type"] == JSON
    finally:
        connection.close()
    if answer.status < 300:
        return answer.status, "", ""
    assert (value["kind"], value["status"], value["code"]) == ("Status", "Failure", answer.status)
    return answer.status, value["reason"], value["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "wanted"),
    [
        ("GET", POD, None, (200, "", "")),
        ("GET", f"{POD}x", None, (404, "NotFound", 'pods "web-0x" not found')),
        ("GET", "/api/v1/namespaces/nowhere", None, (404, "NotFound", 'namespaces "nowhere" not found')),
        (
            "GET",
            "/apis/k8s.cni.cncf.io/v1/namespaces/blue/network-attachment-definitions/lan",
            None,
            (404, "NotFound", 'network-attachment-definitions.k8s.cni.cncf.io "lan" not found'),
        ),
        ("PATCH", f"{POD}x/status", annotate("uid-0"), (404, "NotFound", 'pods "web-0x" not found')),
        (
            "PATCH",
            f"{POD}/status",
            annotate("uid-0"),
            (422, "Invalid", 'Pod "web-0" is invalid: metadata.uid: Invalid value: "uid-0": field is immutable'),
        ),
        ("POST", EVENTS, event_named("web-0.1"), (201, "", "")),
        (
            "POST",
            EVENTS,
            event_named("web-0.1", namespace="green"),
            (
                400,
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request",
            ),
        ),
        (
            "POST",
            "/api/v1/namespaces/nowhere/events",
            event_named("web-0.1", namespace="nowhere", about="nowhere"),
            (404, "NotFound", 'namespaces "nowhere" not found'),
        ),
    ],
)
def test_answers(api: Cluster, method: str, path: str, body: Any, wanted: tuple[int, str, str]) -> None:
    assert ask(api, method, path, body) == wanted


def test_a_status_that_is_written_twice(api: Cluster) -> None:
    for _ in range(2):
        assert ask(api, "PATCH", f"{POD}/status", annotate(api.uid))[0] == 200
    assert api.annotations() == {"note": "1"}


def test_an_event_that_is_created_twice(api: Cluster) -> None:
    ask(api, "POST", EVENTS, event_named("web-0.1"))
    wanted = (409, "AlreadyExists", 'events "web-0.1" already exists')
    assert ask(api, "POST", EVENTS, event_named("web-0.1")) == wanted


def test_a_token_that_is_not_known(api: Cluster) -> None:
    assert ask(api, "GET", POD, bearer="other") == (401, "Unauthorized", "Unauthorized")


def port_of(api: Cluster) -> int:
    return int(api.url.rpartition(":")[2])


def connect(api: Cluster, *, bearer: str = "") -> Client:
    config = ClusterConfig(
        server=api.url, host="127.0.0.1", port=port_of(api), ca_data=api.ca, is_tls=True, token=bearer or api.bearer
    )
    return Client(config, deadline=time.monotonic() + LEFT_S, clock=time.monotonic, sleep=time.sleep)


def about_the_pod(message: str, *, namespace: str = "blue") -> Event:
    return Event(
        namespace=namespace,
        pod="web-0",
        uid="uid-1",
        reason="NetworkAccessDenied",
        message=message,
        is_warning=True,
        at_ns=1_800_000_000_000_000_000,
        host="node-1",
    )


def test_the_client_finds_nothing(api: Cluster) -> None:
    with connect(api) as client, pytest.raises(NotFoundError) as caught:
        client.get(f"{POD}x")
    assert caught.value.msg == f'API server {api.url}: {POD}x is not found: "pods \\"web-0x\\" not found"'


def test_the_client_meets_a_pod_that_was_created_anew(api: Cluster) -> None:
    with (
        connect(api) as client,
        pytest.raises(ReplacedError, match=r"blue/web-0 was created anew: its uid is not u-0$"),
    ):
        client.patch_status("blue", "web-0", {"a": "b"}, uid="u-0")
    assert api.annotations() == {}


def test_the_client_is_not_known(api: Cluster) -> None:
    with connect(api, bearer="other") as client, pytest.raises(CniError) as caught:
        client.get(POD)
    assert 'it rejects our credentials (401): "Unauthorized"' in caught.value.msg


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("Add net1", "Add net1"),
        ("two\nlines", "two\nlines"),
        ("\x01\t\u2028 '\"\\", "\x01\t\u2028 '\"\\"),
        ("ü" * EVENT_BYTES_MAX, "ü" * (EVENT_BYTES_MAX // 2)),
    ],
    ids=["plain", "lines", "odd", "long"],
)
def test_the_client_writes_an_event(api: Cluster, message: str, wanted: str) -> None:
    with connect(api) as client:
        client.create_event(about_the_pod(message))
    (event,) = api.events()
    assert event["message"] == wanted
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "NetworkAccessDenied", 1)
    assert event["involvedObject"]["name"] == "web-0"
    assert event["lastTimestamp"] == "2027-01-15T08:00:00Z"


def test_the_client_repeats_an_event_whose_answer_was_lost(api: Cluster) -> None:
    for _ in range(2):
        with connect(api) as client:
            client.create_event(about_the_pod("Add net1"))
    assert len(api.events()) == 1


def test_the_client_reads_in_one_flight(api: Cluster) -> None:
    """A real API server answers a flight in its order, errors included."""
    api.put_network("blue", "lan", {"type": "bridge"})
    lan = "/apis/k8s.cni.cncf.io/v1/namespaces/blue/network-attachment-definitions/lan"
    missing = [f"{POD}-{number}" for number in range(FLIGHT_MAX)]
    with connect(api) as client:
        client.open()
        client.ask(POD, *missing, lan, "/api/v1/namespaces/blue")
        assert client.get(POD)["metadata"]["uid"] == api.uid
        for path in missing:
            with pytest.raises(NotFoundError, match=f"{path} is not found"):
                client.get(path)
        assert client.get(lan)["spec"] == {"config": '{"type": "bridge"}'}
        assert client.get("/api/v1/namespaces/blue")["metadata"]["name"] == "blue"
    assert sum("pods" in line for line in api.asked()) == 1 + len(missing)


def test_the_client_writes_in_one_flight(api: Cluster) -> None:
    events = [
        about_the_pod(f"Add net{number}").replace(at_ns=1_800_000_000_000_000_000 + number) for number in range(4)
    ]
    with connect(api) as client:
        client.open()
        client.send(
            status_request("blue", "web-0", {"a": "b"}, uid=api.uid), *(event_request(event) for event in events)
        )
        client.patch_status("blue", "web-0", {"a": "b"}, uid=api.uid)
        for event in events:
            client.create_event(event)
    assert api.annotations() == {"a": "b"}
    assert [event["message"] for event in api.events()] == [event.message for event in events]
    assert len([line for line in api.asked() if line.startswith(("PATCH", "POST"))]) == 1 + len(events)
