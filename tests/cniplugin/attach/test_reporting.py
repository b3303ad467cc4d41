"""The reports of ADD: which events it creates, and in how many flights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cniplugin.attach.reporting import publish, report_refusal
from cniplugin.cluster.accessrules import Remark
from cniplugin.cluster.kubeapi import EVENT_BYTES_MAX, Client
from cniplugin.cluster.kubeconfig import ClusterConfig
from cniplugin.cluster.objects import Pod
from cniplugin.cnierrors import ACCESS_DENIED, CniError
from cniplugin.netspec.plan import Plan
from cniplugin.records.journal import ATTACHED, Entry, Journal
from tests.fakes.apiserver import Answer, ApiServer, failure
from tests.fakes.clock import Clock
from tests.fakes.objects import pod_with_account
from tests.fakes.threads import nothing_left

POD = "/api/v1/namespaces/team-a/pods/web"
EVENTS = "/api/v1/namespaces/team-a/events"
WEB = Pod(
    namespace="team-a",
    name="web",
    uid="uid-1",
    labels={},
    annotations={},
    service_account="builder",
    is_static=False,
)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with nothing_left(), ApiServer() as server:
        server.put(POD, pod_with_account())
        yield server


@pytest.fixture
def client(api: ApiServer) -> Iterator[Client]:
    clock = Clock()
    config = ClusterConfig(server=api.url, host="127.0.0.1", port=api.port, is_tls=False, token="t-1")
    with Client(config, deadline=clock.now + 30, clock=clock, sleep=clock.sleep) as made:
        made.open()
        yield made


def attached(*references: str, addresses: int = 1) -> Journal:
    entries = [
        Entry(
            reference=reference,
            ifname=f"net{number}",
            config="{}",
            capability_args={},
            state=ATTACHED,
            result={
                "cniVersion": "1.0.0",
                "ips": [{"address": f"10.{number}.0.{host}/24"} for host in range(1, addresses + 1)],
            },
        )
        for number, reference in enumerate(references, start=1)
    ]
    return Journal(container_id="c1", netns="/run/netns/x", runtime_ifname="eth0", entries=tuple(entries))


def events(api: ApiServer) -> list[tuple[str, str]]:
    return [(request.body["reason"], request.body["message"]) for request in api.requests if request.path == EVENTS]


def report(client: Client, record: Journal, *remarks: Remark) -> None:
    publish(client, WEB, Plan(attachments=()), record, remarks)


def test_one_event_names_all_networks(api: ApiServer, client: Client) -> None:
    api.flights.append(2)
    report(client, attached("team-a/lan", "team-a/wan"))
    assert events(api) == [
        ("AddedInterface", "Add net1 [10.1.0.1/24] from team-a/lan\nAdd net2 [10.2.0.1/24] from team-a/wan")
    ]


def test_the_lines_of_many_networks_are_whole(api: ApiServer, client: Client) -> None:
    """More events, rather than a line that is cut: a search for a network finds it."""
    references = [f"team-a/net-{number:03}" for number in range(1, 101)]
    api.flights.append(6)
    report(client, attached(*references))
    found = events(api)
    assert [len(text.encode()) <= EVENT_BYTES_MAX for _, text in found] == [True] * 5
    lines = "\n".join(text for _, text in found).split("\n")
    wanted = [f"Add net{number} [10.{number}.0.1/24] from {name}" for number, name in enumerate(references, start=1)]
    assert lines == wanted
    names = {request.body["metadata"]["name"] for request in api.requests if request.path == EVENTS}
    assert len(names) == len(found)


def test_a_line_that_is_too_long_by_itself_is_cut(api: ApiServer, client: Client) -> None:
    report(client, attached("team-a/lan", "team-a/wan", addresses=100))
    assert [len(text) for _, text in events(api)] == [EVENT_BYTES_MAX] * 2
    assert [text[:8] for _, text in events(api)] == ["Add net1", "Add net2"]


def test_remarks_come_first_and_in_the_same_flight(api: ApiServer, client: Client) -> None:
    api.flights.append(4)
    report(client, attached("team-a/lan"), Remark(reason="A", message="a"), Remark(reason="B", message="b"))
    assert [reason for reason, _ in events(api)] == ["A", "B", "AddedInterface"]
    assert [request.body["type"] for request in api.requests[1:]] == ["Warning", "Warning", "Normal"]


def test_a_result_that_cannot_be_read_has_its_event(
    api: ApiServer, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    record = attached("team-a/lan", "team-a/wan")
    first = record.entries[0].replace(result={"cniVersion": "1.0.0", "ips": "?"})
    report(client, record.replace(entries=(first, record.entries[1])))
    (reason, _), added = events(api)
    assert reason == "NetworkStatusNotWritten"
    assert added[1] == "Add net1 [] from team-a/lan\nAdd net2 [10.2.0.1/24] from team-a/wan"
    assert "network-status is not written" in capsys.readouterr().err


def test_events_are_not_tried_again_after_one_that_fails(
    api: ApiServer, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    api.flights.append(4)
    api.next_answers += [Answer(), failure(403, "no"), failure(500)]
    report(client, attached("team-a/lan"), Remark(reason="A", message="a"), Remark(reason="B", message="b"))
    assert [reason for reason, _ in events(api)] == ["A", "B", "AddedInterface"]
    said = capsys.readouterr().err
    assert said.count("is not written") == 1
    assert "event A is not written, and other events are not tried again: " in said
    assert api.get(POD)["metadata"]["annotations"]


def test_a_refusal_is_one_flight(api: ApiServer, client: Client) -> None:
    api.flights.append(2)
    report_refusal(client, WEB, CniError(ACCESS_DENIED, "denied", "why"), [Remark(reason="A", message="a")])
    assert events(api) == [("NetworkAccessDenied", "denied\nwhy"), ("A", "a")]
