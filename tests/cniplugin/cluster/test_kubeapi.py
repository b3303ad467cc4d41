from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from certs import authority
from cniplugin.cluster.kubeapi import (
    FLIGHT_BYTES_MAX,
    FLIGHT_MAX,
    Client,
    Event,
    ReplacedError,
    event_request,
    status_request,
)
from cniplugin.cluster.kubeconfig import ClusterConfig
from cniplugin.cluster.transport import RESPONSE_BYTES_MAX
from cniplugin.cnierrors import CniError, NotFoundError
from tests.fakes.apiserver import CUT, DROP, RAW, Answer, ApiServer, failure
from tests.fakes.certificates import make_keys
from tests.fakes.clock import Clock
from tests.fakes.objects import pod_with_account as pod
from tests.fakes.objects import write_kubeconfig
from tests.fakes.threads import nothing_left
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POD = "/api/v1/namespaces/team-a/pods/web"
LEFT_S = 30.0


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    with ApiServer(keys=make_keys()) as server:
        server.put(POD, pod())
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect(api: ApiServer, clock: Clock) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(*, left_s: float = LEFT_S, **changes: Any) -> Client:
        made.append(Client(config_of(api, **changes), deadline=clock.now + left_s, clock=clock, sleep=clock.sleep))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()


def config_of(api: ApiServer, **changes: Any) -> ClusterConfig:
    config = ClusterConfig(
        server=api.url,
        host="127.0.0.1",
        port=api.port,
        ca_data=api.ca if api.is_tls else "",
        is_tls=api.is_tls,
        token="t-1",
    )
    return config.replace(**changes)


def refusal(call: Callable[[], object], *, code: int = 11) -> str:
    with pytest.raises(CniError) as caught:
        call()
    assert caught.value.code == code
    assert "\n" not in caught.value.msg
    return caught.value.msg


# Success


def test_one_connection_for_all_requests(api: ApiServer, client: Client) -> None:
    assert client.get(POD) == client.get(POD) == api.get(POD)
    assert api.connections == 1
    assert api.requests[0].headers["authorization"] == "Bearer t-1"
    assert api.requests[0].headers["host"] == f"127.0.0.1:{api.port}"


def test_plain_http_and_a_prefix(tmp_path: Path, clock: Clock) -> None:
    with ApiServer() as api:
        api.put(f"/k8s/x{POD}", pod())
        config = config_of(api, prefix="/k8s/x")
        with Client(config, deadline=clock.now + LEFT_S, clock=clock, sleep=clock.sleep) as client:
            assert client.get(POD) == api.get(f"/k8s/x{POD}")


@pytest.mark.slow
def test_a_slow_server_is_no_problem(api: ApiServer) -> None:
    api.next_answers += [Answer(after_s=0.7), Answer(after_s=0.7)]
    with Client(config_of(api), deadline=time.monotonic() + LEFT_S, clock=time.monotonic, sleep=_never) as client:
        assert client.get(POD) == client.get(POD) == api.get(POD)
    assert len(api.requests) == 2


def _never(seconds: float) -> None:
    raise AssertionError(seconds)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "text",
    [
        CHUNKED + b'5\r\n{"a":\r\n3;x=y\r\n 1}\r\n0\r\nTrailer: z\r\n\r\n',
        b'HTTP/1.1 200 OK\r\n\r\n{"a": 1}',
        b'HTTP/1.0 200 OK\ncontent-length: 8\n\n{"a": 1}',
        b'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}',
    ],
    ids=["chunked", "until-the-end", "http-1.0", "early-hints"],
)
def test_forms_of_http(api: ApiServer, client: Client, text: bytes) -> None:
    api.next_answers.append(Answer(RAW, text))
    assert client.get("/x") == {"a": 1}


def test_a_client_certificate_that_is_never_in_a_file(tmp_path: Path, clock: Clock) -> None:
    certificate, key = client_pair()
    with ApiServer(keys=make_keys(), client_ca=certificate) as api:
        api.put(POD, pod())
        config = config_of(api, token="", cert_data=certificate, key_data=key)
        with Client(config, deadline=clock.now + LEFT_S, clock=clock, sleep=clock.sleep) as client:
            client.get(POD)
        assert api.peers[0]
        assert "authorization" not in api.requests[0].headers


def test_a_client_certificate_in_files(tmp_path: Path, clock: Clock) -> None:
    certificate, key = client_pair()
    (tmp_path / "a.crt").write_text(certificate)
    (tmp_path / "a.key").write_text(key)
    with ApiServer(keys=make_keys(), client_ca=certificate) as api:
        api.put(POD, pod())
        config = config_of(api, cert_file=str(tmp_path / "a.crt"), key_file=str(tmp_path / "a.key"))
        with Client(config, deadline=clock.now + LEFT_S, clock=clock, sleep=clock.sleep) as client:
            assert client.get(POD) == api.get(POD)


def client_pair() -> tuple[str, str]:
    key, now = authority.make_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    certificate = made.sign(key, hashes.SHA256())
    return authority.render_certificate(certificate).decode(), authority.render_key(key).decode()


# Retries


@pytest.mark.parametrize("code", [408, 409, 410, 429, 500, 502, 503, 504])
def test_an_answer_that_may_change(api: ApiServer, client: Client, clock: Clock, code: int) -> None:
    api.next_answers += [failure(code), failure(code), failure(code)]
    assert client.get(POD) == api.get(POD)
    assert clock.slept == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("kind", [CUT, DROP])
def test_a_connection_that_breaks(api: ApiServer, client: Client, clock: Clock, kind: int) -> None:
    api.next_answers += [Answer(kind, b'{"kind": "Po' if kind == CUT else b"")]
    assert client.get(POD) == api.get(POD)
    assert (api.connections, clock.slept) == (2, [0.05])


def test_a_kept_connection_that_was_ended_costs_no_pause(api: ApiServer, client: Client, clock: Clock) -> None:
    client.get(POD)
    api.next_answers.append(Answer(DROP))
    assert client.get(POD) == api.get(POD)
    assert (api.connections, clock.slept) == (2, [])


def test_a_server_that_ends_each_connection(api: ApiServer, client: Client) -> None:
    api.next_answers += [Answer(200, b"{}", {"Connection": "close"})] * 2
    client.get(POD)
    client.get(POD)
    assert api.connections == 2


def test_retry_after(api: ApiServer, client: Client, clock: Clock) -> None:
    api.next_answers += [failure(429, Retry_After="7"), failure(429, Retry_After="Mon, 23 Nov 2026 20:00:00 GMT")]
    assert client.get(POD) == api.get(POD)
    assert clock.slept == [7.0, 0.1]


def test_retry_after_the_deadline_is_not_waited_for(api: ApiServer, client: Client, clock: Clock) -> None:
    api.next_answers.append(failure(429, "too many", Retry_After="60"))
    what = refusal(lambda: client.get(POD))
    assert what == f'API server {api.url}: the time is over: it answers 429: "too many"'
    assert clock.slept == []


def test_tries_end_at_the_deadline(api: ApiServer, client: Client, clock: Clock) -> None:
    api.next_answers += [failure(500)] * 100
    assert "the time is over: it answers 500" in refusal(lambda: client.get(POD))
    assert LEFT_S - 2 <= sum(clock.slept) < LEFT_S
    assert max(clock.slept) == 2.0


def test_no_time_at_all(api: ApiServer, connect: Callable[..., Client]) -> None:
    assert "no time left" in refusal(lambda: connect(left_s=0).get(POD))
    assert api.requests == []


def test_a_server_that_says_nothing(api: ApiServer, connect: Callable[..., Client]) -> None:
    api.next_answers.append(Answer(after_s=5))
    assert refusal(lambda: connect(left_s=0.05).get(POD)).endswith("the time is over: no answer in time")


def test_time_that_runs_out_in_the_middle_of_a_try(api: ApiServer) -> None:
    ticks = itertools.count(1000)
    with Client(config_of(api), deadline=1005, clock=lambda: next(ticks), sleep=_never) as client:
        assert refusal(lambda: client.get(POD)).endswith("the time is over: no answer in time")
    assert api.requests == []


def test_a_server_that_comes_up(tmp_path: Path, clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = ApiServer(keys=make_keys(), port=port)
    server._server.server_close()
    up: list[ApiServer] = []

    def come_up() -> None:
        if len(clock.slept) == 2:
            up.append(ApiServer(keys=make_keys(), port=port).__enter__())
            up[0].put(POD, pod())

    clock.on_sleep = come_up
    try:
        with Client(config_of(server, port=port), deadline=clock.now + 30, clock=clock, sleep=clock.sleep) as client:
            assert client.get(POD) == up[0].get(POD)
    finally:
        for started in up:
            started.__exit__()
    assert clock.slept == [0.05, 0.1]


def test_no_server_listens(api: ApiServer, connect: Callable[..., Client]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = connect(port=port, left_s=1)
    assert refusal(lambda: client.get(POD)) == f"API server {api.url}: the time is over: Connection refused"


def test_an_object_that_appears(api: ApiServer, client: Client, clock: Clock) -> None:
    late = "/api/v1/namespaces/team-a/pods/late"
    clock.on_sleep = lambda: api.put(late, pod("late")) if len(clock.slept) == 3 else None
    assert client.get(late, appears_within_s=5)["metadata"]["name"] == "late"


def test_an_object_that_does_not_appear(client: Client, clock: Clock) -> None:
    with pytest.raises(NotFoundError, match="is not found"):
        client.get(f"{POD}x", appears_within_s=5)
    assert 3 < sum(clock.slept) < 5


# Flights

LAN, WAN, NAMESPACE = "/api/v1/namespaces/team-a/pods/lan", "/api/v1/namespaces/team-a/pods/wan", "/api/v1/namespaces/b"


@pytest.fixture
def flying(api: ApiServer, connect: Callable[..., Client]) -> Client:
    """A client with a connection, at a server with some objects."""
    for path, name in ((LAN, "lan"), (WAN, "wan")):
        api.put(path, pod(name))
    api.put(NAMESPACE, {})
    made = connect()
    made.open()
    return made


def names(client: Client, *paths: str) -> list[str]:
    return [client.get(path)["metadata"]["name"] for path in paths]


def test_a_flight_goes_out_before_its_first_answer(api: ApiServer, flying: Client, clock: Clock) -> None:
    api.flights.append(3)
    flying.ask(POD, LAN, NAMESPACE)
    assert names(flying, NAMESPACE, POD, LAN) == ["b", "web", "lan"]
    assert api.asked() == [f"GET {path}" for path in (POD, LAN, NAMESPACE)]
    assert names(flying, POD) == ["web"], "a taken answer is not taken twice"
    assert (len(api.requests), api.connections, clock.slept) == (4, 1, [])


def test_a_second_flight_follows_the_first(api: ApiServer, flying: Client) -> None:
    api.flights.append(3)
    flying.ask(POD)
    flying.ask(LAN, POD, NAMESPACE)
    assert names(flying, POD, LAN, NAMESPACE) == ["web", "lan", "b"]
    assert len(api.requests) == 3


def test_writes_in_one_flight(api: ApiServer, flying: Client) -> None:
    api.flights.append(2)
    flying.send(status_request("team-a", "web", {"a": "b"}, uid="uid-1"), event_request(event()))
    flying.patch_status("team-a", "web", {"a": "b"}, uid="uid-1")
    flying.create_event(event())
    assert api.asked() == [f"PATCH {POD}/status", "POST /api/v1/namespaces/team-a/events"]
    assert api.get(POD)["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize("kind", [CUT, DROP])
def test_a_connection_that_ends_in_the_middle_of_a_flight(
    api: ApiServer, flying: Client, clock: Clock, kind: int
) -> None:
    """Each request without an answer is repeated by itself."""
    api.flights.append(3)
    api.next_answers += [Answer(), Answer(kind, b'{"kind": "Po' if kind == CUT else b"")]
    flying.ask(POD, LAN, WAN)
    assert names(flying, POD, LAN, WAN) == ["web", "lan", "wan"]
    assert api.asked() == [f"GET {path}" for path in (POD, LAN, WAN, LAN, WAN)]
    assert (api.connections, clock.slept) == (2, [])


def test_a_server_that_ends_the_connection_after_an_answer(api: ApiServer, flying: Client, clock: Clock) -> None:
    api.flights.append(3)
    api.next_answers.append(Answer(200, json.dumps(pod()).encode(), {"Connection": "close"}))
    flying.ask(POD, LAN, WAN)
    assert names(flying, POD, LAN, WAN) == ["web", "lan", "wan"]
    assert (api.connections, clock.slept) == (2, [])


def test_an_answer_of_a_flight_that_may_change(api: ApiServer, flying: Client, clock: Clock) -> None:
    """Only its own request is repeated, after the pause of that answer."""
    api.flights.append(3)
    api.next_answers += [Answer(), failure(429, Retry_After="7")]
    flying.ask(POD, LAN, WAN)
    assert names(flying, POD, LAN, WAN) == ["web", "lan", "wan"]
    assert api.asked() == [f"GET {path}" for path in (POD, LAN, WAN, LAN)]
    assert clock.slept == [7.0]


def test_a_token_that_was_renewed_before_a_flight(
    api: ApiServer, connect: Callable[..., Client], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("t-1")
    client = connect(token="", token_file=str(file))
    client.get(POD)
    file.write_text("t-2")
    api.token = "t-2"
    api.put(LAN, pod("lan"))
    client.ask(POD, LAN)
    assert names(client, POD, LAN) == ["web", "lan"]
    assert [request.headers["authorization"][-3:] for request in api.requests] == ["t-1", "t-1", "t-1", "t-2", "t-2"]


def test_an_answer_of_a_flight_that_is_not_http(api: ApiServer, flying: Client) -> None:
    """Only the request that it answers fails."""
    api.flights.append(3)
    api.next_answers.append(Answer(RAW, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))
    flying.ask(POD, LAN, WAN)
    assert names(flying, WAN, LAN) == ["wan", "lan"]
    assert names(flying, POD) == ["web"]


def test_a_request_behind_answers_that_nobody_takes(api: ApiServer, flying: Client) -> None:
    flying.ask(LAN, WAN)
    flying.create_event(event())
    assert names(flying, POD) == ["web"]
    assert api.connections == 1


def test_an_answer_about_another_object_is_not_an_answer(api: ApiServer, client: Client) -> None:
    """A proxy that mixes up the answers of a flight must not give a pod the network of another one."""
    api.next_answers.append(Answer(200, json.dumps(pod("db")).encode()))
    assert refusal(lambda: client.get(POD)).endswith(f': the answer to GET {POD} is the object "db"')
    assert client.get(POD)["metadata"]["name"] == "web"


def test_a_flight_has_a_limit(api: ApiServer, flying: Client) -> None:
    """The server cannot send its answers, because the client reads none; so the client must not send for ever."""
    paths = [f"/api/v1/namespaces/team-a/pods/p{number}" for number in range(FLIGHT_MAX + 4)]
    for number, path in enumerate(paths):
        api.put(path, pod(f"p{number}", annotations={"long": "x" * 1_000_000}))
    api.flights.extend([FLIGHT_MAX, 4])
    flying.ask(*paths)
    assert names(flying, *paths) == [f"p{number}" for number in range(FLIGHT_MAX + 4)]
    assert (len(api.requests), api.connections) == (len(paths), 1)


def test_a_flight_has_a_limit_in_bytes(api: ApiServer, connect: Callable[..., Client]) -> None:
    client = connect(token="t" * (FLIGHT_BYTES_MAX // 2 - 500))
    api.put(LAN, pod("lan"))
    api.put(WAN, pod("wan"))
    client.open()
    api.flights.extend([2, 1])
    client.ask(POD, LAN, WAN)
    assert names(client, POD, LAN, WAN) == ["web", "lan", "wan"]


def test_without_a_connection_nothing_is_sent_ahead(api: ApiServer, client: Client) -> None:
    client.ask(POD, LAN)
    assert api.requests == []
    assert names(client, POD) == ["web"]


def test_a_server_that_cannot_be_reached_in_advance(api: ApiServer, connect: Callable[..., Client]) -> None:
    """The first request reports the failure as it does without a flight."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = connect(port=port, left_s=1)
    client.open()
    client.ask(POD)
    assert refusal(lambda: client.get(POD)) == f"API server {api.url}: the time is over: Connection refused"


def test_no_request_of_a_flight_reaches_a_server_that_is_not_trusted(
    api: ApiServer, connect: Callable[..., Client], clock: Clock
) -> None:
    client = connect(ca_data=make_keys("other.example").ca)
    client.open()
    client.ask(POD, LAN)
    assert "its certificate cannot be trusted: " in refusal(lambda: client.get(POD))
    assert (api.requests, clock.slept) == ([], [])


def test_credentials_that_cannot_be_read_in_advance(connect: Callable[..., Client]) -> None:
    client = connect(token="", token_file="/none/token")
    client.open()
    client.ask(POD)
    refusal(lambda: client.get(POD), code=7)


# Credentials


def test_a_token_that_was_renewed(api: ApiServer, connect: Callable[..., Client], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("t-1\n")
    api.token = "t-1"
    client = connect(token="", token_file=str(file))
    client.get(POD)
    file.write_text("t-2\n")
    client.get(POD)
    api.token = "t-2"
    assert client.get(POD) == api.get(POD)
    assert [request.headers["authorization"][-3:] for request in api.requests] == ["t-1", "t-1", "t-1", "t-2"]


def test_a_token_that_is_not_known(api: ApiServer, client: Client, clock: Clock) -> None:
    api.token = "t-2"
    assert "rejects our credentials (401)" in refusal(lambda: client.get(POD))
    assert (len(api.requests), clock.slept) == (2, [])


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda client: client.get(POD), ('get pods in namespace "team-a"', 'the verb "get" on "pods"')),
        (
            lambda client: client.patch_status("team-a", "web", {}, uid="uid-1"),
            ('patch pods/status in namespace "team-a"', 'the verb "patch" on "pods/status"'),
        ),
        (
            lambda client: client.create_event(event()),
            ('create events in namespace "team-a"', 'the verb "create" on "events"'),
        ),
        (
            lambda client: client.get("/apis/k8s.cni.cncf.io/v1/namespaces/b/network-attachment-definitions/c"),
            (
                'get network-attachment-definitions in namespace "b"',
                'the verb "get" on "network-attachment-definitions"',
            ),
        ),
        (
            lambda client: client.get("/api/v1/namespaces/b"),
            ("get namespaces", 'the verb "get" on "namespaces"'),
        ),
    ],
)
def test_the_missing_right_is_named(
    api: ApiServer, client: Client, call: Callable[[Client], object], what: tuple[str, str]
) -> None:
    """NB: the error quotes the server, because admission answers 403 too."""
    api.next_answers.append(failure(403, "x is forbidden"))
    lacks, needs = what
    said = f'this account may not {lacks}: "x is forbidden"; if RBAC forbids it, its role needs {needs}'
    assert refusal(lambda: call(client)) == f"API server {api.url}: {said}"


def test_the_quoted_answer_is_long_enough_for_the_reason(api: ApiServer, client: Client) -> None:
    api.next_answers.append(failure(403, "x" * 290 + " webhook says no"))
    what = refusal(lambda: client.get(POD))
    assert f'"{"x" * 290} webh..."; if RBAC forbids it' in what


# Certificates, and answers that are not HTTP


def test_another_authority(api: ApiServer, connect: Callable[..., Client], clock: Clock) -> None:
    client = connect(ca_data=make_keys("other.example").ca)
    what = refusal(lambda: client.get(POD))
    assert "its certificate cannot be trusted: " in what
    assert (api.requests, clock.slept) == ([], [])


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (make_keys(age_days=800), "certificate has expired"),
        (make_keys("api.example"), "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
    ids=["expired", "name"],
)
def test_a_certificate_that_is_not_good(tmp_path: Path, clock: Clock, keys: Any, reason: str) -> None:
    with (
        ApiServer(keys=keys) as api,
        Client(config_of(api), deadline=clock.now + 30, clock=clock, sleep=clock.sleep) as client,
    ):
        assert f"its certificate cannot be trusted: {reason}; check" in refusal(lambda: client.get(POD))


def test_a_certificate_for_a_name_that_is_not_in_the_address(tmp_path: Path, clock: Clock) -> None:
    with ApiServer(keys=make_keys("api.example")) as api:
        api.put(POD, pod())
        config = config_of(api, server_name="api.example")
        with Client(config, deadline=clock.now + 30, clock=clock, sleep=clock.sleep) as client:
            assert client.get(POD) == api.get(POD)


def test_without_an_authority_those_of_the_system_count(api: ApiServer, connect: Callable[..., Client]) -> None:
    assert "its certificate cannot be trusted: " in refusal(lambda: connect(ca_data="").get(POD))


@pytest.mark.parametrize(
    "changes",
    [{"ca_data": "rubbish"}, {"ca_data": "", "ca_file": "/none/ca.crt"}, {"cert_data": "x", "key_data": "y"}],
    ids=["data", "file", "pair"],
)
def test_texts_that_are_not_certificates(connect: Callable[..., Client], changes: dict[str, str]) -> None:
    assert "certificates of the kubeconfig cannot be used" in refusal(lambda: connect(**changes).get(POD), code=7)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (OK + b"Content-Length: 4\r\n\r\nhola", 'the answer to GET /x is not JSON: "hola"'),
        (OK + b"Content-Length: 2\r\n\r\n[]", "the answer to GET /x is a list, not an object"),
        (OK + b"Content-Length: 60000\r\n\r\n" + b"[" * 60000, "is not JSON"),
        (OK + b"Content-Length: %d\r\n\r\n" % (RESPONSE_BYTES_MAX + 1), "more than 16777216 bytes"),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "the length of its answer is not a number"),
        (OK + b"Content-Length: -1\r\n\r\n", 'the length of its answer is not a number: "-1"'),
        (CHUNKED + b"1\r\n{\r\n1000000\r\n", "more than 16777216 bytes"),
        (CHUNKED + b"zz\r\n", 'the length of its answer is not a number: "zz"'),
        (CHUNKED + b"1\r\n{}\r\n", "does not end where it should"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 'it does not speak HTTP: "SSH-2.0-OpenSSH_9.2"'),
        (b"x" * 70_000, "it does not speak HTTP"),
        (OK + b"a: b\r\n" * 20_000, "the header of its answer has more than 65536 bytes"),
        (b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n", "it refuses GET /x with 301"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "it refuses GET /x with 204"),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_answers_that_are_not_http(api: ApiServer, client: Client, clock: Clock, text: bytes, what: str) -> None:
    api.next_answers.append(Answer(RAW, text))
    assert what in refusal(lambda: client.get("/x"))
    assert clock.slept == []


def test_a_huge_answer_without_length(api: ApiServer, client: Client) -> None:
    api.next_answers.append(Answer(RAW, OK + b"\r\n" + b"x" * (RESPONSE_BYTES_MAX + 1)))
    assert "more than 16777216 bytes" in refusal(lambda: client.get("/x"))


# Writing


def test_the_status_is_one_merge_patch(api: ApiServer, client: Client) -> None:
    client.patch_status("team-a", "web", {"k8s.v1.cni.cncf.io/network-status": "[]"}, uid="uid-1")
    assert api.asked() == [f"PATCH {POD}/status"]
    assert api.requests[0].headers["content-type"] == "application/merge-patch+json"
    assert api.get(POD)["metadata"]["annotations"] == {"k8s.v1.cni.cncf.io/network-status": "[]"}


def test_a_conflict_is_tried_again(api: ApiServer, client: Client, clock: Clock) -> None:
    api.next_answers.append(failure(409))
    client.patch_status("team-a", "web", {"a": "b"}, uid="uid-1")
    assert api.asked() == [f"PATCH {POD}/status", f"GET {POD}", f"PATCH {POD}/status"]
    assert clock.slept == [0.05]


@pytest.mark.parametrize("answers", [[failure(409)], []])
def test_a_pod_that_was_created_anew_is_not_written(
    api: ApiServer, client: Client, clock: Clock, answers: list[Answer]
) -> None:
    """Current API servers answer 422, tested in `tests/node/api`; a failed precondition gets 409."""
    api.next_answers += answers
    with pytest.raises(ReplacedError, match="team-a/web was created anew: its uid is not uid-0"):
        client.patch_status("team-a", "web", {"a": "b"}, uid="uid-0")
    assert "annotations" not in api.get(POD)["metadata"]
    assert clock.slept == []


def test_a_patch_that_is_refused_for_another_reason(api: ApiServer, client: Client) -> None:
    api.next_answers.append(failure(422, "annotations: too long"))
    what = refusal(lambda: client.patch_status("team-a", "web", {"a": "b"}, uid="uid-1"))
    assert what.endswith('it refuses PATCH /api/v1/namespaces/team-a/pods/web/status with 422: "annotations: too long"')


def test_a_pod_that_is_gone(client: Client) -> None:
    with pytest.raises(NotFoundError):
        client.patch_status("team-a", "gone", {"a": "b"}, uid="uid-1")


def event(message: str = "Add net1", pod_name: str = "web") -> Event:
    return Event(
        namespace="team-a",
        pod=pod_name,
        uid="uid-1",
        reason="AddedInterface",
        message=message,
        is_warning=False,
        at_ns=1_800_000_000_000_000_000,
        host="node-1",
    )


def test_an_event(api: ApiServer, client: Client) -> None:
    client.create_event(event())
    client.create_event(event("ü" * 600, pod_name="a" * 253))
    first, second = (request.body for request in api.requests)
    assert first["metadata"] == {"namespace": "team-a", "name": "web.18fae27693b40000"}
    assert first["lastTimestamp"] == "2027-01-15T08:00:00Z"
    assert first["involvedObject"]["uid"] == "uid-1"
    assert len(second["metadata"]["name"]) <= 253
    assert second["message"] == "ü" * 512


def test_an_event_whose_answer_was_lost_is_not_made_twice(api: ApiServer, client: Client) -> None:
    api.put("/api/v1/namespaces/team-a/events/web.18fae27693b40000", {})
    client.create_event(event())
    assert len(api.requests) == 1


# Cost

SCRIPT = """
import sys, time
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.path.insert(0, sys.argv[1])
from cniplugin.attach import confdir
from cniplugin.cluster import objects
from cniplugin.cluster.kubeapi import Client
from cniplugin.cluster.kubeconfig import load_kubeconfig
before = set(sys.modules)
config = load_kubeconfig(sys.argv[2])
with Client(config, deadline=time.monotonic() + 30, clock=time.monotonic, sleep=time.sleep) as client:
    objects.fetch_pod(client, "team-a", "web", "uid-1")
later = set(sys.modules) - before
import json
print(json.dumps([sorted(before), sorted(later)]))
"""


def test_the_modules_of_the_plugin_process(api: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(api.ca)
    authority = {"certificate-authority": str(tmp_path / "ca.crt")}
    file = write_kubeconfig(tmp_path / "kubeconfig", api.url, {"token": "t-1"}, **authority)
    command = [sys.executable, "-IS", "-c", SCRIPT, str(ROOT), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    before, later = (set(names) for names in json.loads(done.stdout))
    dear = {"ssl", "socket", "re", "json", "enum", "http", "urllib", "email", "typing", "dataclasses", "logging"}
    assert not (before | later) & dear
    assert "_ssl" in later - before
    assert not {name for name in before | later if name.partition(".")[0] in {"http", "email", "urllib"}}
